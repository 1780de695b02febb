//! Devices and agents: lists, look-ups, presence, wake-ups.

use crate::fault::Fault;
use crate::groups;
use crate::list::{List, Order, json, small, word};
use crate::query_sql;
use crate::software;
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::fleet::{
    Agent, AgentTold, Device, Evidence, EvidenceKind, KnownEvidence, NewAgent, Protocol, Quarantine, VerifiedBy, WakeOutcome, WakeTry,
};
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

/// What a list of agents is narrowed by.
#[derive(Clone, Debug, Default)]
pub struct AgentFilter {
    /// Any of these protocols.
    pub protocols: Vec<Protocol>,
    /// This version.
    pub version: Option<String>,
    /// Verified or not.
    pub verified: Option<bool>,
    /// In quarantine or not.
    pub quarantined: Option<bool>,
    /// Heard since (`Ok`) or silent since (`Err`) an instant.
    pub heard_since: Option<Result<Timestamp, Timestamp>>,
    /// Text in the foreign id, version or device's name; the case of ASCII letters does not matter.
    pub q: Option<String>,
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

/// An agent that was heard: presence, written in sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// Who.
    pub agent: AgentId,
    /// Its device.
    pub device: DeviceId,
    /// When.
    pub at: Timestamp,
    /// When it was told to come again.
    pub next: Option<Timestamp>,
    /// From where.
    pub address: Option<String>,
    /// The version it said.
    pub version: Option<String>,
    /// Whether it brought an inventory.
    pub inventory: bool,
    /// How far its clock is ahead, milliseconds, when it told its time.
    pub clock_offset: Option<i64>,
}

impl Heard {
    /// This together with what was heard shortly before and is not written yet.
    pub fn after(self, before: Self) -> Self {
        Self {
            next: self.next.or(before.next),
            address: self.address.or(before.address),
            version: self.version.or(before.version),
            inventory: self.inventory || before.inventory,
            clock_offset: self.clock_offset.or(before.clock_offset),
            ..self
        }
    }
}

const DEVICE: &str = "d.id, d.org, d.name, d.os, d.os_family, d.manufacturer, d.model, d.serial, d.uuid, d.cpu, d.memory_mb, d.tag, d.notes, \
     d.ips, d.macs, d.verified, d.agent, d.protocol, d.agent_version, d.software_count, d.findings, d.first_seen, d.last_inventory, \
     d.last_contact, d.version";
/// The columns of an agent, alias `a`, and what is read beside them.
macro_rules! agent_columns {
    ($more:literal) => {
        concat!(
            "a.id, a.org, a.device, a.protocol, a.foreign_id, a.glpi_id, a.public_key, a.version, a.modules, a.verified, \
             a.incarnation, a.first_contact, a.last_contact, a.next_contact, a.last_inventory, a.address, a.port, a.wake_at, a.wake_outcome, \
             a.wake_detail, a.version_no, a.source, a.verified_by, a.claim, a.capacities, a.disabled, a.proxies, a.clock_offset, a.quarantined, \
             a.quarantined_by, a.quarantine_reason, a.book_drifted",
            $more
        )
    };
}
const AGENT: &str = agent_columns!("");
const AGENT_AND_DEVICE: &str = agent_columns!(", d.name");

fn owned(row: &Row, i: usize) -> Result<Option<String>, Fault> {
    Ok(row.opt_text(i)?.map(str::to_owned))
}

fn instant(row: &Row, i: usize) -> Result<Option<Timestamp>, Fault> {
    Ok(row.opt_int(i)?.filter(|ms| *ms > 0).map(Timestamp))
}

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

pub(crate) fn agent(row: &Row) -> Result<Agent, Fault> {
    let last_wake = match (row.opt_int(17)?, row.opt_text(18)?) {
        (Some(at), Some(_)) => {
            Some((Timestamp(at), word::<WakeOutcome>(row, 18, "agent", "wake_outcome")?, owned(row, 19)?.unwrap_or_default()))
        }
        _ => None,
    };
    let quarantine = instant(row, 28)?.map(|since| -> Result<Quarantine, Fault> {
        Ok(Quarantine { since, by: owned(row, 29)?.unwrap_or_default(), reason: owned(row, 30)?.unwrap_or_default() })
    });
    Ok(Agent {
        id: row.id(0)?.into(),
        org: row.id(1)?.into(),
        device: row.id(2)?.into(),
        protocol: word(row, 3, "agent", "protocol")?,
        foreign_id: owned(row, 4)?,
        glpi_id: owned(row, 5)?,
        public_key: row.opt_bytes(6)?.map(<[u8]>::to_vec),
        version: owned(row, 7)?,
        modules: json(row, 8, "agent", "modules")?,
        capacities: json(row, 24, "agent", "capacities")?,
        disabled: json(row, 25, "agent", "disabled")?,
        proxies: json(row, 26, "agent", "proxies")?,
        verified: row.flag(9),
        quarantine: quarantine.transpose()?,
        book_drifted: instant(row, 31)?,
        incarnation: small(row, 10, "agent", "incarnation")?,
        first_contact: Timestamp(row.int(11)?),
        last_contact: instant(row, 12)?,
        next_contact: instant(row, 13)?,
        last_inventory: instant(row, 14)?,
        address: owned(row, 15)?,
        port: row.opt_int(16)?.and_then(|p| u16::try_from(p).ok()),
        last_wake,
        version_no: row.int(20)?,
        source: owned(row, 21)?,
        verified_by: row.opt_text(22)?.map(|_| word(row, 22, "agent", "verified_by")).transpose()?,
        claim: row.int(23)?,
        clock_offset: row.opt_int(27)?,
    })
}

fn heard(list: &mut List, column: &str, heard: Option<Result<Timestamp, Timestamp>>) {
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

    /// A page of agents with the names of their devices.
    pub fn agents(&mut self, org: OrgId, filter: &AgentFilter, page: &PageRequest) -> Result<Page<(Agent, String)>, Fault> {
        let mut list = List::new(AGENT_AND_DEVICE, "agent a JOIN device d ON d.id = a.device").counting_to(FLEET_COUNTED_MAX);
        list.filter("a.org = {}", org.0);
        if !filter.protocols.is_empty() {
            list.any_of("a.protocol", filter.protocols.iter().map(|p| p.as_str()));
        }
        if let Some(version) = &filter.version {
            list.filter("a.version = {}", version);
        }
        if let Some(verified) = filter.verified {
            list.filter("a.verified = {}", verified);
        }
        match filter.quarantined {
            Some(true) => list.condition("a.quarantined IS NOT NULL"),
            Some(false) => list.condition("a.quarantined IS NULL"),
            None => {}
        }
        if let Some(q) = &filter.q {
            let columns = ["coalesce(a.foreign_id, '')", "coalesce(a.version, '')", "d.name"];
            list.contains(&columns, q, self.is_postgres());
        }
        heard(&mut list, "a.last_contact", filter.heard_since);
        let column = match page.sort.as_deref() {
            Some("last_contact") => "coalesce(a.last_contact, 0)",
            Some("version") => "coalesce(a.version, '')",
            _ => "a.id",
        };
        list.page(self, page, &Order { column, id: "a.id" }, |r| Ok((agent(r)?, r.text(32)?.to_owned())))
    }

    fn agents_where(&mut self, condition: &str, value: V) -> Result<Vec<Agent>, Fault> {
        let mut list = List::new(AGENT, "agent a");
        list.filter(condition, value);
        list.all(self, "a.id", 1_000, agent)
    }

    /// An agent.
    pub fn agent(&mut self, id: AgentId) -> Result<Option<Agent>, Fault> {
        Ok(self.agents_where("a.id = {}", V::U(id.0))?.pop())
    }

    /// The agents of a device.
    pub fn agents_of(&mut self, device: DeviceId) -> Result<Vec<Agent>, Fault> {
        self.agents_where("a.device = {}", V::U(device.0))
    }

    /// The agents of devices.
    pub fn agents_of_all(&mut self, devices: &[DeviceId]) -> Result<Vec<Agent>, Fault> {
        let mut found = Vec::new();
        for chunk in devices.chunks(200) {
            let mut list = List::new(AGENT, "agent a");
            list.any_of("a.device", chunk.iter().map(|d| d.0));
            found.extend(list.all(self, "a.device, a.id", 10_000, agent)?);
        }
        Ok(found)
    }

    /// Agents by id, in no order; unknown ones are left out.
    pub fn agents_by_id(&mut self, ids: &[AgentId]) -> Result<Vec<Agent>, Fault> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(200) {
            let mut list = List::new(AGENT, "agent a");
            list.any_of("a.id", chunk.iter().map(|id| id.0));
            found.extend(list.all(self, "a.id", chunk.len(), agent)?);
        }
        Ok(found)
    }

    /// The agents of an organization with a foreign id, speaking one of these protocols; the first holder of the id first.
    pub fn agents_foreign(&mut self, org: OrgId, foreign_id: &str, protocols: &[Protocol]) -> Result<Vec<Agent>, Fault> {
        let mut list = List::new(AGENT, "agent a");
        list.filter("a.org = {}", org.0);
        list.filter("a.foreign_id = {}", foreign_id);
        list.any_of("a.protocol", protocols.iter().map(|p| p.as_str()));
        list.all(self, "a.claim, a.id", 100, agent)
    }

    /// The agents of an organization with a GLPI agent's UUID.
    pub fn agents_glpi(&mut self, org: OrgId, glpi_id: &str) -> Result<Vec<Agent>, Fault> {
        let mut list = List::new(AGENT, "agent a");
        list.filter("a.org = {}", org.0);
        list.filter("a.glpi_id = {}", glpi_id);
        list.all(self, "a.id", 100, agent)
    }

    /// The agent with a public key.
    pub fn agent_with_key(&mut self, key: &[u8]) -> Result<Option<Agent>, Fault> {
        Ok(self.agents_where("a.public_key = {}", key.into())?.pop())
    }

    /// How many unverified agents came first from a source since an instant.
    pub fn strangers_from(&mut self, source: &str, since: Timestamp) -> Result<i64, Fault> {
        let mut list = List::new("1", "agent a");
        list.filter("a.source = {}", source);
        list.filter("a.first_contact >= {}", since.0);
        list.condition("a.verified = 0");
        list.exactly(self)
    }

    /// The evidence of a device's agents.
    pub fn evidence_of(&mut self, device: DeviceId) -> Result<Vec<KnownEvidence>, Fault> {
        let sql = "SELECT e.agent, e.kind, e.value FROM evidence e JOIN agent a ON a.id = e.agent WHERE a.device = ?1 ORDER BY e.kind, e.value, e.agent";
        self.rows(sql, &[V::U(device.0)])?.iter().map(known).collect()
    }

    /// Devices of an organization whose agents gave one of these pieces of evidence, each with what it shares.
    pub fn devices_with_evidence(&mut self, org: OrgId, evidence: &[Evidence]) -> Result<Vec<(DeviceId, Evidence)>, Fault> {
        let mut found = Vec::new();
        for piece in evidence {
            let rows = self.rows(
                "SELECT DISTINCT a.device FROM evidence e JOIN agent a ON a.id = e.agent WHERE e.org = ?1 AND e.kind = ?2 AND e.value = ?3 ORDER BY a.device LIMIT 20",
                &[V::U(org.0), piece.kind.as_str().into(), (&piece.value).into()],
            )?;
            for row in rows {
                found.push((DeviceId(row.id(0)?), piece.clone()));
            }
        }
        Ok(found)
    }

    /// The wake-ups of an agent, the newest first.
    pub fn wakes(&mut self, agent: AgentId, page: &PageRequest) -> Result<Page<WakeTry>, Fault> {
        let mut list = List::new("id, at, outcome, detail", "wake_log");
        list.filter("agent = {}", agent.0);
        list.newest_first(self, page, "id", |r| {
            Ok(WakeTry {
                id: r.id(0)?,
                at: Timestamp(r.int(1)?),
                outcome: word(r, 2, "wake_log", "outcome")?,
                detail: r.text(3)?.to_owned(),
            })
        })
    }
}

fn text(value: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| Fault::Db(e.to_string()))
}

pub(crate) fn known(row: &Row) -> Result<KnownEvidence, Fault> {
    let kind: EvidenceKind = word(row, 1, "evidence", "kind")?;
    Ok(KnownEvidence { agent: row.id(0)?.into(), evidence: Evidence { kind, value: row.text(2)?.to_owned() } })
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

    /// An agent is verified by the credential it showed.
    pub fn agent_vouched(&mut self, id: AgentId) -> Result<(), Fault> {
        self.send("UPDATE agent SET verified = 1, verified_by = 'credential', version_no = version_no + 1 WHERE id = ?1", &[V::U(id.0)])?;
        self.device_of_verified(id)
    }

    /// Adds an agent.
    pub fn agent_insert(&mut self, a: &NewAgent, now: Timestamp) -> Result<(), Fault> {
        self.exec(
            "INSERT INTO agent (id, org, device, protocol, foreign_id, glpi_id, public_key, version, modules, verified, incarnation, first_contact, last_contact, source, address, version_no, verified_by, claim) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '[]', ?9, 1, ?10, ?10, ?11, ?11, 1, ?12, ?13)",
            &[
                V::U(a.id.0),
                V::U(a.org.0),
                V::U(a.device.0),
                a.protocol.as_str().into(),
                a.foreign_id.as_deref().into(),
                a.glpi_id.as_deref().into(),
                a.public_key.clone().into(),
                a.version.as_deref().into(),
                a.verified.into(),
                now.0.into(),
                a.source.as_deref().into(),
                a.verified_by.map(VerifiedBy::as_str).into(),
                a.claim.into(),
            ],
        )?;
        self.device_verified(a.device)?;
        self.after(Hint { topic: Topic::Agent, id: Some(a.id.0), org: Some(a.org.0) });
        Ok(())
    }

    /// Saves what a person may change of an agent, where the version still matches; false when it does not.
    pub fn agent_update(&mut self, a: &Agent) -> Result<bool, Fault> {
        let done = self.exec(
            "UPDATE agent SET verified_by = CASE WHEN ?3 = 0 THEN NULL WHEN verified = ?3 THEN verified_by ELSE 'person' END, verified = ?3, \
             modules = ?4, disabled = ?5, quarantined = ?6, quarantined_by = ?7, quarantine_reason = ?8, version_no = version_no + 1 \
             WHERE id = ?1 AND version_no = ?2",
            &[
                V::U(a.id.0),
                a.version_no.into(),
                a.verified.into(),
                text(&a.modules)?.into(),
                text(&a.disabled)?.into(),
                a.quarantine.as_ref().map(|it| it.since.0).into(),
                a.quarantine.as_ref().map(|it| it.by.as_str()).into(),
                a.quarantine.as_ref().map(|it| it.reason.as_str()).into(),
            ],
        )?;
        if done == 0 {
            return Ok(false);
        }
        self.device_verified(a.device)?;
        self.after(Hint { topic: Topic::Agent, id: Some(a.id.0), org: Some(a.org.0) });
        Ok(true)
    }

    /// A device is verified when all its agents are.
    fn device_verified(&mut self, device: DeviceId) -> Result<(), Fault> {
        let sql = "UPDATE device SET verified = coalesce((SELECT min(verified) FROM agent WHERE device = ?1), 0) WHERE id = ?1";
        self.redrawn(device);
        self.send(sql, &[V::U(device.0)])
    }

    /// Notes how an agent speaks now, and its GLPI id when it tells one.
    pub fn agent_speaks(&mut self, agent: AgentId, protocol: Protocol, glpi_id: Option<&str>) -> Result<(), Fault> {
        self.send(
            "UPDATE agent SET protocol = ?2, glpi_id = coalesce(?3, glpi_id) WHERE id = ?1",
            &[V::U(agent.0), protocol.as_str().into(), glpi_id.into()],
        )
    }

    /// Notes what an agent tells of itself. Behind a proxy agent its own address is unknown: a kept one is forgotten.
    pub fn agent_told(&mut self, agent: AgentId, told: &AgentTold) -> Result<(), Fault> {
        self.exec(
            "UPDATE agent SET protocol = ?2, glpi_id = coalesce(?3, glpi_id), capacities = ?4, port = coalesce(?5, port), proxies = ?6 WHERE id = ?1",
            &[
                V::U(agent.0),
                told.protocol.as_str().into(),
                told.glpi_id.as_deref().into(),
                text(&told.capacities)?.into(),
                told.port.map(i64::from).into(),
                text(&told.proxies)?.into(),
            ],
        )?;
        if !told.proxies.is_empty() {
            self.send("UPDATE agent SET address = NULL WHERE id = ?1", &[V::U(agent.0)])?;
        }
        self.after(Hint { topic: Topic::Agent, id: Some(agent.0), org: None });
        Ok(())
    }

    /// Gives an agent a new life: a key made anew, the next incarnation.
    pub fn agent_reborn(&mut self, agent: AgentId, key: &[u8], verified: bool) -> Result<(), Fault> {
        self.exec(
            "UPDATE agent SET public_key = ?2, incarnation = incarnation + 1, verified_by = CASE WHEN ?3 = 0 THEN NULL WHEN verified = ?3 THEN verified_by \
             ELSE 'token' END, verified = ?3 WHERE id = ?1",
            &[V::U(agent.0), key.into(), verified.into()],
        )?;
        self.device_of_verified(agent)
    }

    /// The same for the device of an agent.
    fn device_of_verified(&mut self, agent: AgentId) -> Result<(), Fault> {
        let row = self.one("SELECT device FROM agent WHERE id = ?1", &[V::U(agent.0)])?;
        row.map_or(Ok(()), |row| self.device_verified(row.id(0)?.into()))
    }

    /// Takes an agent's key away and its trust with it.
    pub fn agent_revoke(&mut self, agent: AgentId) -> Result<(), Fault> {
        let sql = "UPDATE agent SET public_key = NULL, verified = 0, verified_by = NULL, version_no = version_no + 1 WHERE id = ?1";
        self.exec(sql, &[V::U(agent.0)])?;
        self.device_of_verified(agent)?;
        self.after(Hint { topic: Topic::Agent, id: Some(agent.0), org: None });
        Ok(())
    }

    /// Replaces the evidence an agent gives.
    pub fn evidence_replace(&mut self, org: OrgId, agent: AgentId, evidence: &[Evidence]) -> Result<(), Fault> {
        self.send("DELETE FROM evidence WHERE agent = ?1", &[V::U(agent.0)])?;
        for e in evidence {
            self.send(
                "INSERT INTO evidence (agent, kind, value, org) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                &[V::U(agent.0), e.kind.as_str().into(), (&e.value).into(), V::U(org.0)],
            )?;
        }
        Ok(())
    }

    /// Writes presence, in a set; an older one changes nothing. In the order of agents, so that two sets cannot block each other.
    pub fn heard(&mut self, all: &[Heard]) -> Result<(), Fault> {
        let mut sorted: Vec<&Heard> = all.iter().collect();
        sorted.sort_by_key(|h| h.agent);
        for h in sorted {
            self.send(
                "UPDATE agent SET last_contact = ?2, next_contact = coalesce(?3, next_contact), address = coalesce(?4, address), version = coalesce(?5, version), \
                 clock_offset = coalesce(?6, clock_offset) WHERE id = ?1 AND (last_contact IS NULL OR last_contact <= ?2)",
                &[
                    V::U(h.agent.0),
                    h.at.0.into(),
                    h.next.map(|t| t.0).into(),
                    h.address.as_deref().into(),
                    h.version.as_deref().into(),
                    h.clock_offset.into(),
                ],
            )?;
            if h.inventory {
                self.send(
                    "UPDATE device SET last_contact = ?2, last_inventory = ?2 WHERE id = ?1 AND last_contact <= ?2",
                    &[V::U(h.device.0), h.at.0.into()],
                )?;
            } else {
                self.send("UPDATE device SET last_contact = ?2 WHERE id = ?1 AND last_contact < ?2", &[V::U(h.device.0), h.at.0.into()])?;
            }
            self.send("DELETE FROM wake WHERE agent = ?1 AND created <= ?2", &[V::U(h.agent.0), h.at.0.into()])?;
        }
        Ok(())
    }
}
