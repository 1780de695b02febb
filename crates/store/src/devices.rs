//! Devices: lists, filters, look-ups, what people change of them.

use crate::fault::Fault;
use crate::groups;
use crate::list::{List, Order, instant, json, owned, word};
use crate::query_sql;
use crate::software;
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::fleet::{Device, Protocol};
use muster_core::ids::{AgentId, DeviceId, GroupId, OrgId};
use muster_core::limits::FLEET_COUNTED_MAX;
use muster_core::page::{Page, PageRequest};
use muster_core::query::Query;
use muster_core::time::Timestamp;
use uuid::Uuid;

/// What a list of devices is narrowed by; all that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct DeviceFilter {
    /// Text in name, serial, addresses, tag, user, OS.
    pub q: Option<String>,
    /// Exact columns, by API name: name, tag, os_family, manufacturer, model, serial, uuid; any of the values.
    pub columns: Vec<(&'static str, Vec<String>)>,
    /// Any of these protocols.
    pub protocols: Vec<Protocol>,
    /// Verified or not.
    pub verified: Option<bool>,
    /// Heard since (`Ok`) or silent since (`Err`) an instant.
    pub heard_since: Option<Result<Timestamp, Timestamp>>,
    /// Has this IP address.
    pub ip: Option<String>,
    /// Has this MAC address.
    pub mac: Option<String>,
    /// Has a program of this name.
    pub software: Option<String>,
    /// Has any of these entries of the dictionary of programs.
    pub entries: Option<Vec<i64>>,
    /// This user is logged in.
    pub user: Option<String>,
    /// In any of these groups; `None` asks for nothing, no group at all selects nothing.
    pub groups: Option<Vec<GroupId>>,
    /// Not in this group.
    pub outside: Option<GroupId>,
    /// A query.
    pub query: Option<Query>,
}

/// How many devices share a protocol, a system family and presence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceGroup {
    /// Protocol of the shown agent; empty when there is none.
    pub protocol: String,
    /// Family of the operating system; empty when unknown.
    pub os_family: String,
    /// Heard recently.
    pub online: bool,
    /// How many.
    pub count: i64,
}

const DEVICE: &str = "d.id, d.org, d.name, d.os, d.os_family, d.manufacturer, d.model, d.serial, d.uuid, d.cpu, d.memory_mb, d.tag, d.notes, \
     d.ips, d.macs, d.verified, d.agent, d.protocol, d.agent_version, d.software_count, d.findings, d.first_seen, d.last_inventory, \
     d.last_contact, d.version";
fn protocol(row: &Row, i: usize) -> Result<Option<Protocol>, Fault> {
    row.opt_text(i)?.map(|_| word(row, i, "device", "protocol")).transpose()
}

fn device(row: &Row) -> Result<Device, Fault> {
    Ok(Device {
        id: row.id(0)?.into(),
        org: row.id(1)?.into(),
        name: row.text(2)?.to_owned(),
        os: owned(row, 3)?,
        os_family: owned(row, 4)?,
        manufacturer: owned(row, 5)?,
        model: owned(row, 6)?,
        serial: owned(row, 7)?,
        uuid: owned(row, 8)?,
        cpu: owned(row, 9)?,
        memory_mb: row.opt_int(10)?,
        tag: owned(row, 11)?,
        notes: owned(row, 12)?,
        ips: json(row, 13, "device", "ips")?,
        macs: json(row, 14, "device", "macs")?,
        verified: row.flag(15),
        agent: row.opt_id(16)?.map(AgentId),
        protocol: protocol(row, 17)?,
        agent_version: owned(row, 18)?,
        software_count: row.int(19)?,
        findings: json(row, 20, "device", "findings")?,
        first_seen: Timestamp(row.int(21)?),
        last_inventory: instant(row, 22)?,
        last_contact: instant(row, 23)?,
        version: row.int(24)?,
    })
}

/// Narrows a list by when something was heard.
pub(crate) fn heard(list: &mut List, column: &str, heard: Option<Result<Timestamp, Timestamp>>) {
    match heard {
        Some(Ok(since)) => list.filter(&format!("{column} >= {{}}"), since.0),
        Some(Err(before)) => list.filter(&format!("coalesce({column}, 0) < {{}}"), before.0),
        None => {}
    }
}

/// Leaves out devices that were merged into others; alias `d`.
pub(crate) const VISIBLE: &str = "d.merged_into IS NULL";

/// The devices of an organization that are there for people, alias `d`.
fn of_org(columns: &'static str, org: OrgId) -> List {
    let mut list = List::new(columns, "device d");
    list.filter("d.org = {}", org.0);
    list.condition(VISIBLE);
    list
}

/// The conditions of a filter on alias `d`.
pub(crate) fn narrow(list: &mut List, org: OrgId, filter: &DeviceFilter, postgres: bool) {
    list.filter("d.org = {}", org.0);
    list.condition(VISIBLE);
    if let Some(q) = filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty()) {
        for part in q.to_lowercase().split_whitespace().take(8) {
            list.filter(if postgres { "strpos(d.search, {}) > 0" } else { "instr(d.search, {}) > 0" }, part);
        }
    }
    for (column, values) in &filter.columns {
        list.any_of(&format!("d.{column}"), values.iter().map(String::as_str));
    }
    if !filter.protocols.is_empty() {
        list.any_of("d.protocol", filter.protocols.iter().map(|p| p.as_str()));
    }
    if let Some(verified) = filter.verified {
        list.filter("d.verified = {}", verified);
    }
    heard(list, "d.last_contact", filter.heard_since);
    for (kind, value) in [("ip", &filter.ip), ("mac", &filter.mac)] {
        if let Some(value) = value {
            let sql = format!("d.id IN (SELECT x.device FROM device_address x WHERE x.kind = '{kind}' AND x.value = {{}})");
            list.filter(&sql, value.to_lowercase());
        }
    }
    if let Some(name) = &filter.software {
        list.filter("d.id IN (SELECT y.device FROM device_software y JOIN software s ON s.id = y.software WHERE s.name = {})", name);
    }
    if let Some(entries) = &filter.entries {
        let held = format!("d.id IN (SELECT y.device FROM device_software y WHERE y.software {})", software::among(postgres));
        list.filter(&held, software::ids(entries, postgres));
    }
    if let Some(name) = &filter.user {
        list.filter("d.id IN (SELECT l.device FROM device_login l WHERE l.name = {})", name);
    }
    match filter.groups.as_deref() {
        Some([]) => list.condition("1 = 0"),
        Some(groups) => groups::in_any(list, groups),
        None => {}
    }
    if let Some(group) = filter.outside {
        groups::outside(list, group);
    }
    if let Some(query) = &filter.query {
        let text = query_sql::condition(list, query, postgres);
        list.condition(text);
    }
}

impl Rx {
    /// A page of devices. Sorts: name, os, manufacturer, model, serial, tag, first_seen, last_inventory, last_contact.
    pub fn devices(&mut self, org: OrgId, filter: &DeviceFilter, page: &PageRequest) -> Result<Page<Device>, Fault> {
        let mut list = List::new(DEVICE, "device d").counting_to(FLEET_COUNTED_MAX);
        narrow(&mut list, org, filter, self.is_postgres());
        let column = match page.sort.as_deref() {
            Some("os") => "coalesce(d.os, '')",
            Some("manufacturer") => "coalesce(d.manufacturer, '')",
            Some("model") => "coalesce(d.model, '')",
            Some("serial") => "coalesce(d.serial, '')",
            Some("tag") => "coalesce(d.tag, '')",
            Some("first_seen") => "d.first_seen",
            Some("last_inventory") => "d.last_inventory",
            Some("last_contact") => "d.last_contact",
            _ => "d.name",
        };
        list.page(self, page, &Order { column, id: "d.id" }, device)
    }

    /// A device of an organization.
    pub fn device(&mut self, org: OrgId, id: DeviceId) -> Result<Option<Device>, Fault> {
        let mut list = of_org(DEVICE, org);
        list.filter("d.id = {}", id.0);
        Ok(list.all(self, "d.id", 1, device)?.pop())
    }

    /// Devices of an organization by id; unknown ones are left out.
    pub fn devices_by_id(&mut self, org: OrgId, ids: &[DeviceId]) -> Result<Vec<Device>, Fault> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(200) {
            let mut list = of_org(DEVICE, org);
            list.any_of("d.id", chunk.iter().map(|id| id.0));
            found.extend(list.all(self, "d.name, d.id", chunk.len(), device)?);
        }
        Ok(found)
    }

    /// Devices of an organization by id, also those that were merged into others; unknown ones are left out.
    pub fn devices_with_merged(&mut self, org: OrgId, ids: &[DeviceId]) -> Result<Vec<Device>, Fault> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(200) {
            let mut list = List::new(DEVICE, "device d");
            list.filter("d.org = {}", org.0);
            list.any_of("d.id", chunk.iter().map(|id| id.0));
            found.extend(list.all(self, "d.id", chunk.len(), device)?);
        }
        Ok(found)
    }

    /// How many devices there are, how many were heard since `since`, how many are not verified.
    pub fn device_counts(&mut self, org: OrgId, since: Timestamp) -> Result<(i64, i64, i64), Fault> {
        let row = self.one(
            "SELECT count(*), coalesce(sum(CASE WHEN last_contact >= ?2 THEN 1 ELSE 0 END), 0), coalesce(sum(CASE WHEN verified = 0 THEN 1 ELSE 0 END), 0) \
             FROM device WHERE org = ?1 AND merged_into IS NULL",
            &[V::U(org.0), since.0.into()],
        )?;
        row.map_or(Ok((0, 0, 0)), |r| Ok((r.int(0)?, r.int(1)?, r.int(2)?)))
    }

    /// Devices by protocol, system family and whether they were heard since `since`, with their number.
    pub fn device_groups(&mut self, org: OrgId, ids: &[DeviceId], since: Timestamp) -> Result<Vec<DeviceGroup>, Fault> {
        let mut found: std::collections::BTreeMap<(String, String, bool), i64> = std::collections::BTreeMap::new();
        for chunk in ids.chunks(1_000) {
            let mut list = List::new("", "");
            let org = list.param(org.0);
            let since = list.param(since.0);
            let names: Vec<String> = chunk.iter().map(|id| list.param(id.0)).collect();
            let sql = format!(
                "SELECT p, f, h, count(*) FROM (SELECT coalesce(protocol, '') AS p, coalesce(os_family, '') AS f, CASE WHEN last_contact >= {since} THEN 1 ELSE 0 END AS h \
                 FROM device WHERE org = {org} AND merged_into IS NULL AND id IN ({})) x GROUP BY p, f, h",
                names.join(", ")
            );
            for row in self.rows_dyn(&sql, &list.into_params())? {
                *found.entry((row.text(0)?.to_owned(), row.text(1)?.to_owned(), row.cells.get(2) == Some(&V::I(1)))).or_default() +=
                    row.int(3)?;
            }
        }
        Ok(found.into_iter().map(|((protocol, os_family, online), count)| DeviceGroup { protocol, os_family, online, count }).collect())
    }

    /// How many of some devices have no agent of these protocols.
    pub fn devices_without(&mut self, ids: &[DeviceId], protocols: &[Protocol]) -> Result<i64, Fault> {
        let mut without = 0;
        for chunk in ids.chunks(1_000) {
            let mut list = List::new("DISTINCT a.device", "agent a");
            list.any_of("a.device", chunk.iter().map(|id| id.0));
            list.any_of("a.protocol", protocols.iter().map(|p| p.as_str()));
            let able = list.all(self, "a.device", chunk.len(), |r| r.id(0))?.len();
            without += i64::try_from(chunk.len() - able).unwrap_or(0);
        }
        Ok(without)
    }

    /// Ids of devices selected by a query, by names or ids, or all; sorted. `named` are ids or names, as people write them.
    pub fn device_ids(&mut self, org: OrgId, query: Option<&Query>, named: &[String], all: bool) -> Result<Vec<DeviceId>, Fault> {
        let mut ids: Vec<DeviceId> = Vec::new();
        let read = |r: &Row| r.id(0).map(DeviceId);
        if all {
            ids.extend(of_org("d.id", org).all(self, "d.id", usize::MAX >> 1, read)?);
        }
        if let Some(query) = query {
            let mut list = of_org("d.id", org);
            let text = query_sql::condition(&mut list, query, self.is_postgres());
            list.condition(text);
            ids.extend(list.all(self, "d.id", usize::MAX >> 1, read)?);
        }
        ids.extend(self.devices_named(org, named)?.into_iter().map(|(id, _)| id));
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Devices by ids or names, as people write them; names that name nothing are left out.
    pub fn devices_named(&mut self, org: OrgId, named: &[String]) -> Result<Vec<(DeviceId, String)>, Fault> {
        let mut found = Vec::new();
        for chunk in named.chunks(200) {
            let mut list = of_org("d.id, d.name", org);
            let known: Vec<Uuid> = chunk.iter().filter_map(|n| n.parse().ok()).collect();
            let names: Vec<String> = chunk.iter().map(|n| list.param(n.as_str())).collect();
            let known: Vec<String> = known.into_iter().map(|id| list.param(id)).collect();
            let by_id = if known.is_empty() { String::new() } else { format!(" OR d.id IN ({})", known.join(", ")) };
            list.condition(format!("d.name IN ({}){by_id}", names.join(", ")));
            found.extend(list.all(self, "d.id", usize::MAX >> 1, |r| Ok((r.id(0)?.into(), r.text(1)?.to_owned())))?);
        }
        Ok(found)
    }

    /// Ids of devices with one of these tags.
    pub fn device_ids_tagged(&mut self, org: OrgId, tags: &[String]) -> Result<Vec<DeviceId>, Fault> {
        let mut list = of_org("d.id", org);
        list.any_of("d.tag", tags.iter().map(String::as_str));
        list.all(self, "d.id", usize::MAX >> 1, |r| r.id(0).map(DeviceId))
    }

    /// Which of these devices are there, sorted.
    pub fn devices_there(&mut self, org: OrgId, ids: &[DeviceId]) -> Result<Vec<DeviceId>, Fault> {
        let mut there = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(200) {
            // By ids alone: with the organization asked for too, PostgreSQL may go through all devices of it.
            let mut list = List::new("d.id, d.org, d.merged_into", "device d");
            list.any_of("d.id", chunk.iter().map(|id| id.0));
            let all = list.all(self, "d.id", chunk.len(), |r| Ok((DeviceId(r.id(0)?), r.id(1)?, r.opt_id(2)?)))?;
            there.extend(all.into_iter().filter(|(_, of, merged)| *of == org.0 && merged.is_none()).map(|(id, ..)| id));
        }
        there.sort_unstable();
        Ok(there)
    }
}

impl Tx {
    /// Adds a device that is known by name alone.
    pub fn device_insert(&mut self, id: DeviceId, org: OrgId, name: &str, now: Timestamp) -> Result<(), Fault> {
        self.exec(
            "INSERT INTO device (id, org, name, ips, macs, verified, software_count, findings, finding_count, first_seen, last_inventory, last_contact, search, version) \
             VALUES (?1, ?2, ?3, '[]', '[]', 0, 0, '[]', 0, ?4, 0, ?4, ?5, 1)",
            &[V::U(id.0), V::U(org.0), name.into(), now.0.into(), name.to_lowercase().into()],
        )?;
        self.redrawn(id);
        self.after(Hint { topic: Topic::Device, id: Some(id.0), org: Some(org.0) });
        Ok(())
    }

    /// Saves what a person may change of a device, where the version still matches; false when it does not. When whether it is
    /// verified changes, that goes to its agents.
    pub fn device_update(&mut self, d: &Device, given_name: Option<&str>, given_tag: Option<&str>) -> Result<bool, Fault> {
        let done = self.exec(
            "UPDATE device SET name = ?3, given_name = coalesce(?4, given_name), tag = ?5, given_tag = coalesce(?6, given_tag), notes = ?7, \
             verified = ?8, search = search || ' ' || ?9, version = version + 1 WHERE id = ?1 AND version = ?2",
            &[
                V::U(d.id.0),
                d.version.into(),
                (&d.name).into(),
                given_name.into(),
                d.tag.as_deref().into(),
                given_tag.into(),
                d.notes.as_deref().into(),
                d.verified.into(),
                format!("{} {}", d.name, d.tag.as_deref().unwrap_or("")).to_lowercase().into(),
            ],
        )?;
        if done == 0 {
            return Ok(false);
        }
        self.exec(
            "UPDATE agent SET verified = ?2, verified_by = CASE WHEN ?2 = 0 THEN NULL ELSE 'person' END WHERE device = ?1 AND verified <> ?2 \
             AND ?2 <> (SELECT min(verified) FROM agent WHERE device = ?1)",
            &[V::U(d.id.0), d.verified.into()],
        )?;
        self.redrawn(d.id);
        self.after(Hint { topic: Topic::Device, id: Some(d.id.0), org: Some(d.org.0) });
        Ok(true)
    }

    /// Gives all agents of a device trust by a person's word, or takes it from them.
    pub fn device_trust(&mut self, device: DeviceId, verified: bool) -> Result<(), Fault> {
        self.send(
            "UPDATE agent SET verified = ?2, verified_by = CASE WHEN ?2 = 0 THEN NULL ELSE 'person' END WHERE device = ?1",
            &[V::U(device.0), verified.into()],
        )
    }

    /// Removes a device with its agents, sections and history. Its assignments stay as history.
    pub fn device_delete(&mut self, org: OrgId, id: DeviceId) -> Result<bool, Fault> {
        if self.device(org, id)?.is_none() {
            return Ok(false);
        }
        self.software_forget(id)?;
        self.groups_leave(org, id)?;
        let done = self.exec("DELETE FROM device WHERE id = ?1 AND org = ?2", &[V::U(id.0), V::U(org.0)])?;
        self.after(Hint { topic: Topic::Device, id: Some(id.0), org: Some(org.0) });
        Ok(done == 1)
    }
}
