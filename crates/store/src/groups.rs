//! Groups and who is in them.
//!
//! The members of a dynamic group are rows, too, written by whoever changes a device or the group; what a task hits is asked of the
//! query itself.
//!
//! A device that was merged into another keeps its memberships, hidden, and lends them to the one it is part of; an undo shows
//! them again. Whoever leaves a group takes those that are part of it along.

mod dynamic;

pub use dynamic::Following;

use crate::DeviceFilter;
use crate::devices::{VISIBLE, narrow};
use crate::fault::Fault;
use crate::list::{List, Order};
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::groups::{Group, Membership};
use muster_core::ids::{DeviceId, GroupId, OrgId};
use muster_core::page::{Page, PageRequest};
use muster_core::time::Timestamp;
use uuid::Uuid;

const GROUP: &str = "g.id, g.org, g.name, g.description, g.query, g.fresh, g.created, g.updated, g.version";
const COUNTED: &str = "g.id, g.org, g.name, g.description, g.query, g.fresh, g.created, g.updated, g.version, \
     (SELECT count(*) FROM group_member m WHERE m.grp = g.id AND m.hidden = 0)";

fn group(row: &Row) -> Result<Group, Fault> {
    Ok(Group {
        id: row.id(0)?.into(),
        org: row.id(1)?.into(),
        name: row.text(2)?.to_owned(),
        description: row.text(3)?.to_owned(),
        members: match row.opt_text(4)? {
            Some(query) => Membership::Dynamic { query: query.to_owned(), fresh: row.flag(5) },
            None => Membership::Static,
        },
        created: Timestamp(row.int(6)?),
        updated: Timestamp(row.int(7)?),
        version: row.int(8)?,
    })
}

fn counted(row: &Row) -> Result<(Group, i64), Fault> {
    Ok((group(row)?, row.int(9)?))
}

fn of_org(columns: &'static str, org: OrgId) -> List {
    let mut list = List::new(columns, "device_group g");
    list.filter("g.org = {}", org.0);
    list
}

/// Adds 'the device `d` is in one of these groups'.
pub(crate) fn in_any(list: &mut List, groups: &[GroupId]) {
    let names: Vec<String> = groups.iter().map(|g| list.param(g.0)).collect();
    list.condition(format!("d.id IN (SELECT m.device FROM group_member m WHERE m.grp IN ({}))", names.join(", ")));
}

/// Adds 'the device `d` is not in this group'.
pub(crate) fn outside(list: &mut List, group: GroupId) {
    list.filter("NOT EXISTS (SELECT 1 FROM group_member m WHERE m.grp = {} AND m.device = d.id)", group.0);
}

impl Rx {
    /// A page of groups, each with how many devices are in it. Sorts: name, updated.
    pub fn groups(&mut self, org: OrgId, q: Option<&str>, page: &PageRequest) -> Result<Page<(Group, i64)>, Fault> {
        let mut list = of_org(COUNTED, org);
        if let Some(q) = q {
            list.contains(&["g.name", "g.description"], q, self.is_postgres());
        }
        let column = if page.sort.as_deref() == Some("updated") { "g.updated" } else { "g.name" };
        list.page(self, page, &Order { column, id: "g.id" }, counted)
    }

    /// A group of an organization, with how many devices are in it.
    pub fn group(&mut self, org: OrgId, id: GroupId) -> Result<Option<(Group, i64)>, Fault> {
        let mut list = of_org(COUNTED, org);
        list.filter("g.id = {}", id.0);
        Ok(list.all(self, "g.id", 1, counted)?.pop())
    }

    /// The group of a name.
    pub fn group_named(&mut self, org: OrgId, name: &str) -> Result<Option<Group>, Fault> {
        let mut list = of_org(GROUP, org);
        list.filter("g.name = {}", name);
        Ok(list.all(self, "g.id", 1, group)?.pop())
    }

    /// Groups by ids or names, as people write them; names that name nothing are left out.
    pub fn groups_named(&mut self, org: OrgId, named: &[String]) -> Result<Vec<(GroupId, String)>, Fault> {
        let mut found = Vec::new();
        for chunk in named.chunks(200) {
            let mut list = of_org("g.id, g.name", org);
            let names: Vec<String> = chunk.iter().map(|n| list.param(n.as_str())).collect();
            let known: Vec<Uuid> = chunk.iter().filter_map(|n| n.parse().ok()).collect();
            let known: Vec<String> = known.into_iter().map(|id| list.param(id)).collect();
            let by_id = if known.is_empty() { String::new() } else { format!(" OR g.id IN ({})", known.join(", ")) };
            list.condition(format!("g.name IN ({}){by_id}", names.join(", ")));
            found.extend(list.all(self, "g.id", usize::MAX >> 1, |r| Ok((r.id(0)?.into(), r.text(1)?.to_owned())))?);
        }
        Ok(found)
    }

    /// The groups a device is in, by name.
    pub fn groups_of(&mut self, device: DeviceId) -> Result<Vec<(GroupId, String)>, Fault> {
        let sql = "SELECT g.id, g.name FROM group_member m JOIN device_group g ON g.id = m.grp WHERE m.device = ?1 ORDER BY g.name, g.id";
        self.rows(sql, &[V::U(device.0)])?.iter().map(|r| Ok((r.id(0)?.into(), r.text(1)?.to_owned()))).collect()
    }

    /// Which of these devices are in a group.
    pub fn members_among(&mut self, group: GroupId, devices: &[DeviceId]) -> Result<Vec<DeviceId>, Fault> {
        let sql = "SELECT 1 FROM group_member WHERE grp = ?1 AND device = ?2 AND hidden = 0";
        let mut found = Vec::new();
        for device in devices {
            if self.one(sql, &[V::U(group.0), V::U(device.0)])?.is_some() {
                found.push(*device);
            }
        }
        Ok(found)
    }

    /// The devices that are in one of these groups, sorted.
    pub fn device_ids_in(&mut self, org: OrgId, groups: &[GroupId]) -> Result<Vec<DeviceId>, Fault> {
        let mut ids = Vec::new();
        for chunk in groups.chunks(200) {
            let mut list = List::new("d.id", "device d");
            list.filter("d.org = {}", org.0);
            list.condition(VISIBLE);
            in_any(&mut list, chunk);
            ids.extend(list.all(self, "d.id", usize::MAX >> 1, |r| r.id(0).map(DeviceId))?);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// The first `limit` devices that a filter selects, sorted.
    pub fn device_ids_where(&mut self, org: OrgId, filter: &DeviceFilter, limit: usize) -> Result<Vec<DeviceId>, Fault> {
        let mut list = List::new("d.id", "device d");
        narrow(&mut list, org, filter, self.is_postgres());
        list.all(self, "d.id", limit, |r| r.id(0).map(DeviceId))
    }

    /// How many devices a filter selects, exactly.
    pub fn devices_count(&mut self, org: OrgId, filter: &DeviceFilter) -> Result<i64, Fault> {
        let mut list = List::new("d.id", "device d");
        narrow(&mut list, org, filter, self.is_postgres());
        list.exactly(self)
    }
}

impl Tx {
    fn group_changed(&mut self, org: OrgId, id: Option<GroupId>) {
        self.after(Hint { topic: Topic::Group, id: id.map(|g| g.0), org: Some(org.0) });
    }

    /// Adds a group; false when the name is taken.
    pub fn group_insert(&mut self, g: &Group) -> Result<bool, Fault> {
        let done = self.exec(
            "INSERT INTO device_group (id, org, name, description, kind, query, fresh, created, updated, version) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
            &[
                V::U(g.id.0),
                V::U(g.org.0),
                (&g.name).into(),
                (&g.description).into(),
                g.members.kind().as_str().into(),
                g.members.query().into(),
                g.members.is_fresh().into(),
                g.created.0.into(),
                g.updated.0.into(),
                g.version.into(),
            ],
        )?;
        self.group_changed(g.org, Some(g.id));
        Ok(done == 1)
    }

    /// Saves a group's name, description and query (`g.version`, one more than the stored one); false when somebody else was faster.
    pub fn group_update(&mut self, g: &Group) -> Result<bool, Fault> {
        let done = self.exec(
            "UPDATE device_group SET name = ?3, description = ?4, updated = ?5, version = ?6, query = ?7, fresh = ?8 \
             WHERE id = ?1 AND org = ?2 AND version = ?6 - 1",
            &[
                V::U(g.id.0),
                V::U(g.org.0),
                (&g.name).into(),
                (&g.description).into(),
                g.updated.0.into(),
                g.version.into(),
                g.members.query().into(),
                g.members.is_fresh().into(),
            ],
        )?;
        self.group_changed(g.org, Some(g.id));
        Ok(done == 1)
    }

    /// Removes a group; its devices stay.
    pub fn group_delete(&mut self, org: OrgId, id: GroupId) -> Result<bool, Fault> {
        let done = self.exec("DELETE FROM device_group WHERE id = ?1 AND org = ?2", &[V::U(id.0), V::U(org.0)])?;
        self.group_changed(org, Some(id));
        Ok(done == 1)
    }

    /// Takes devices into a group, those of its organization that are there; gives how many were not in it.
    pub fn members_add(&mut self, org: OrgId, id: GroupId, devices: &[DeviceId], now: Timestamp) -> Result<usize, Fault> {
        let mut sorted = devices.to_vec();
        sorted.sort_unstable();
        let mut added = 0;
        if self.is_postgres() {
            let ids = V::Us(sorted.iter().map(|d| Some(d.0)).collect());
            // Named now, so they stay when the device they came with goes.
            self.send(
                "UPDATE group_member SET came = 0 WHERE grp = ?1 AND device = ANY(?2::uuid[]) AND came = 1",
                &[V::U(id.0), ids.clone()],
            )?;
            // Locked, so that none of them becomes part of another meanwhile.
            added += self.exec(
                "INSERT INTO group_member (grp, device, came, hidden) SELECT ?1::uuid, d.id, 0, 0 FROM device d \
                 WHERE d.id = ANY(?2::uuid[]) AND d.org = ?3 AND d.merged_into IS NULL ORDER BY d.id FOR SHARE OF d ON CONFLICT DO NOTHING",
                &[V::U(id.0), ids, V::U(org.0)],
            )?;
        } else {
            for device in sorted {
                let p = [V::U(id.0), V::U(device.0), V::U(org.0)];
                self.send("UPDATE group_member SET came = 0 WHERE grp = ?1 AND device = ?2 AND came = 1", &p[..2])?;
                added += self.exec(
                    "INSERT INTO group_member (grp, device, came, hidden) SELECT ?1, d.id, 0, 0 FROM device d \
                     WHERE d.id = ?2 AND d.org = ?3 AND d.merged_into IS NULL ON CONFLICT DO NOTHING",
                    &p,
                )?;
            }
        }
        self.members_changed(org, id, added, now)
    }

    /// Takes devices out of a group, with those that are part of them; gives how many were in it.
    pub fn members_remove(&mut self, org: OrgId, id: GroupId, devices: &[DeviceId], now: Timestamp) -> Result<usize, Fault> {
        let mut sorted = devices.to_vec();
        sorted.sort_unstable();
        let mut removed = 0;
        if self.is_postgres() {
            let ids = V::Us(sorted.iter().map(|d| Some(d.0)).collect());
            removed +=
                self.exec("DELETE FROM group_member WHERE grp = ?1 AND device = ANY(?2::uuid[]) AND hidden = 0", &[V::U(id.0), ids])?;
        } else {
            for device in sorted {
                let p = [V::U(id.0), V::U(device.0)];
                removed += self.exec("DELETE FROM group_member WHERE grp = ?1 AND device = ?2 AND hidden = 0", &p)?;
            }
        }
        if removed > 0 {
            self.members_follow(id)?;
        }
        self.members_changed(org, id, removed, now)
    }

    /// Hidden members whose device is part of one that is not in the group go, too, link by link.
    fn members_follow(&mut self, id: GroupId) -> Result<(), Fault> {
        let sql = "DELETE FROM group_member WHERE grp = ?1 AND hidden = 1 AND NOT EXISTS (SELECT 1 FROM device d \
             JOIN group_member s ON s.device = d.merged_into AND s.grp = ?1 WHERE d.id = group_member.device)";
        while self.exec(sql, &[V::U(id.0)])? > 0 {}
        Ok(())
    }

    fn members_changed(&mut self, org: OrgId, id: GroupId, count: u64, now: Timestamp) -> Result<usize, Fault> {
        if count > 0 {
            self.send("UPDATE device_group SET updated = ?2 WHERE id = ?1", &[V::U(id.0), now.0.into()])?;
            self.group_changed(org, Some(id));
        }
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Takes a device into all groups that another is in by name.
    pub fn groups_copy(&mut self, org: OrgId, from: DeviceId, to: DeviceId) -> Result<(), Fault> {
        let done = self.exec(
            "INSERT INTO group_member (grp, device, came, hidden) SELECT m.grp, d.id, 0, 0 FROM group_member m \
             JOIN device_group g ON g.id = m.grp AND g.query IS NULL JOIN device d ON d.id = ?2 \
             WHERE m.device = ?1 AND d.org = ?3 ON CONFLICT DO NOTHING",
            &[V::U(from.0), V::U(to.0), V::U(org.0)],
        )?;
        if done > 0 {
            self.group_changed(org, None);
        }
        Ok(())
    }

    /// A device became part of another, or stands by itself again: its memberships are hidden or shown, and the other one has
    /// those of all that are part of it.
    pub(crate) fn groups_merged(&mut self, org: OrgId, id: DeviceId, other: Option<DeviceId>, hidden: bool) -> Result<(), Fault> {
        // What follows a query is lent to nobody: each device is looked at by itself.
        let following = "DELETE FROM group_member WHERE device = ?1 AND grp IN (SELECT g.id FROM device_group g WHERE g.query IS NOT NULL)";
        let mut done = self.exec(following, &[V::U(id.0)])?;
        done += self.exec("UPDATE group_member SET hidden = ?2 WHERE device = ?1", &[V::U(id.0), hidden.into()])?;
        if let Some(other) = other {
            done += self.exec("DELETE FROM group_member WHERE device = ?1 AND came = 1", &[V::U(other.0)])?;
            done += self.exec(
                "INSERT INTO group_member (grp, device, came, hidden) SELECT DISTINCT m.grp, d.merged_into, 1, 0 FROM device d \
                 JOIN group_member m ON m.device = d.id WHERE d.merged_into = ?1 ON CONFLICT DO NOTHING",
                &[V::U(other.0)],
            )?;
        }
        if done > 0 {
            self.group_changed(org, None);
        }
        Ok(())
    }

    /// A device leaves all groups.
    pub(crate) fn groups_leave(&mut self, org: OrgId, id: DeviceId) -> Result<(), Fault> {
        if self.exec("DELETE FROM group_member WHERE device = ?1", &[V::U(id.0)])? > 0 {
            self.group_changed(org, None);
        }
        Ok(())
    }
}
