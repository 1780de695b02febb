//! Groups that follow a query.

use crate::fault::Fault;
use crate::unit::{Rx, Tx};
use crate::value::{Row, V};
use muster_core::ids::{DeviceId, GroupId, OrgId};
use std::collections::{BTreeMap, BTreeSet};

/// A group and the query that its members follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Following {
    /// The group.
    pub id: GroupId,
    /// Whose it is.
    pub org: OrgId,
    /// Its name.
    pub name: String,
    /// The query.
    pub query: String,
    /// The version of the group that has this query.
    pub version: i64,
}

fn following(row: &Row) -> Result<Following, Fault> {
    let (name, query) = (row.text(2)?.to_owned(), row.text(3)?.to_owned());
    Ok(Following { id: row.id(0)?.into(), org: row.id(1)?.into(), name, query, version: row.int(4)? })
}

impl Rx {
    /// Those of these groups that follow a query.
    pub fn groups_with_query(&mut self, groups: &[GroupId]) -> Result<Vec<Following>, Fault> {
        let sql = "SELECT g.id, g.org, g.name, g.query, g.version FROM device_group g WHERE g.id = ?1 AND g.query IS NOT NULL";
        let mut found = Vec::new();
        for id in groups {
            found.extend(self.one(sql, &[V::U(id.0)])?.as_ref().map(following).transpose()?);
        }
        Ok(found)
    }

    /// How many groups of an organization follow a query.
    pub fn groups_following_count(&mut self, org: OrgId) -> Result<i64, Fault> {
        let sql = "SELECT count(*) FROM device_group g WHERE g.org = ?1 AND g.query IS NOT NULL";
        self.one(sql, &[V::U(org.0)])?.map_or(Ok(0), |row| row.int(0))
    }

    /// A group whose query was changed and whose members are not all looked at since.
    pub fn group_stale(&mut self) -> Result<Option<Following>, Fault> {
        let sql = "SELECT g.id, g.org, g.name, g.query, g.version FROM device_group g WHERE g.fresh = 0 AND g.query IS NOT NULL \
             ORDER BY g.id LIMIT 1";
        self.one(sql, &[])?.as_ref().map(following).transpose()
    }
}

impl Tx {
    /// The groups with a query of the organizations of some devices, by id. On PostgreSQL none of them changes its query before the
    /// command ends: what is written by one query is never committed after a look by the next.
    pub fn groups_following(&mut self, devices: &[DeviceId]) -> Result<Vec<Following>, Fault> {
        if self.is_postgres() {
            let ids = V::Us(devices.iter().map(|d| Some(d.0)).collect());
            let sql = "SELECT g.id, g.org, g.name, g.query, g.version FROM device_group g WHERE g.query IS NOT NULL AND g.org IN \
                 (SELECT d.org FROM device d WHERE d.id = ANY(?1::uuid[])) ORDER BY g.id FOR SHARE OF g";
            return self.rows(sql, &[ids])?.iter().map(following).collect();
        }
        let sql = "SELECT g.id, g.org, g.name, g.query, g.version FROM device d JOIN device_group g ON g.org = d.org AND g.query IS NOT NULL \
             WHERE d.id = ?1";
        let mut found = BTreeMap::new();
        let mut orgs = BTreeSet::new();
        for device in devices {
            let org = self.one("SELECT org FROM device WHERE id = ?1", &[V::U(device.0)])?.map_or(Ok(None), |r| r.opt_id(0))?;
            if org.is_none_or(|org| !orgs.insert(org)) {
                continue;
            }
            for row in self.rows(sql, &[V::U(device.0)])? {
                let group = following(&row)?;
                found.insert(group.id, group);
            }
        }
        Ok(found.into_values().collect())
    }

    /// Keeps devices as they are until the command ends; on SQLite nobody else writes anyway.
    pub fn devices_hold(&mut self, devices: &[DeviceId]) -> Result<(), Fault> {
        if self.is_postgres() {
            let ids = V::Us(devices.iter().map(|d| Some(d.0)).collect());
            self.rows("SELECT d.id FROM device d WHERE d.id = ANY(?1::uuid[]) ORDER BY d.id FOR SHARE", &[ids])?;
        }
        Ok(())
    }

    /// In which groups with a query devices are.
    pub fn following_members(&mut self, devices: &[DeviceId]) -> Result<BTreeSet<(GroupId, DeviceId)>, Fault> {
        let sql = "SELECT m.grp FROM group_member m JOIN device_group g ON g.id = m.grp WHERE m.device = ?1 AND g.query IS NOT NULL";
        let mut found = BTreeSet::new();
        for device in devices {
            for row in self.rows(sql, &[V::U(device.0)])? {
                found.insert((GroupId::from(row.id(0)?), *device));
            }
        }
        Ok(found)
    }

    /// Writes who is in a group with a query and who is not any more.
    pub fn following_change(&mut self, group: &Following, come: &[DeviceId], leave: &[DeviceId]) -> Result<(), Fault> {
        for device in come {
            let sql = "INSERT INTO group_member (grp, device, came, hidden) VALUES (?1, ?2, 0, 0) ON CONFLICT DO NOTHING";
            self.send(sql, &[V::U(group.id.0), V::U(device.0)])?;
        }
        for device in leave {
            self.send("DELETE FROM group_member WHERE grp = ?1 AND device = ?2", &[V::U(group.id.0), V::U(device.0)])?;
        }
        if !come.is_empty() || !leave.is_empty() {
            self.group_changed(group.org, Some(group.id));
        }
        Ok(())
    }

    /// A worker looks anew who is in a group that follows a query.
    pub fn group_look_again(&mut self, org: OrgId, id: GroupId) -> Result<(), Fault> {
        self.exec("UPDATE device_group SET fresh = 0 WHERE org = ?1 AND id = ?2 AND query IS NOT NULL", &[V::U(org.0), V::U(id.0)])?;
        self.group_changed(org, Some(id));
        Ok(())
    }

    /// The members of a group are those of its query, unless that was changed again.
    pub fn group_fresh(&mut self, group: &Following) -> Result<(), Fault> {
        let sql = "UPDATE device_group SET fresh = 1 WHERE id = ?1 AND version = ?2";
        self.exec(sql, &[V::U(group.id.0), group.version.into()])?;
        self.group_changed(group.org, Some(group.id));
        Ok(())
    }
}
