//! What comes to another organization.

use crate::fault::Fault;
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::V;
use muster_core::ids::{AgentId, DeviceId, OrgId};
use muster_core::time::Timestamp;

impl Rx {
    /// A device and those that were merged into it, link by link.
    pub fn device_parts(&mut self, id: DeviceId) -> Result<Vec<DeviceId>, Fault> {
        let mut parts = vec![id];
        let mut next = 0;
        while let Some(whole) = parts.get(next).copied() {
            next += 1;
            for row in self.rows("SELECT id FROM device WHERE merged_into = ?1 ORDER BY id", &[V::U(whole.0)])? {
                let part = DeviceId(row.id(0)?);
                if !parts.contains(&part) {
                    parts.push(part);
                }
            }
        }
        Ok(parts)
    }
}

impl Tx {
    /// Gives a device (with its [`Rx::device_parts`]) to another organization: what is known of it, its agents and their history go
    /// with it; groups, candidates, wake-ups and entries of the order book stay behind and end. Its assignments are none of this.
    pub fn device_moved(&mut self, parts: &[DeviceId], from: OrgId, to: OrgId, now: Timestamp) -> Result<(), Fault> {
        self.devices_fence(parts)?;
        for device in parts {
            let p = [V::U(device.0), V::U(to.0)];
            self.send("UPDATE device SET org = ?2 WHERE id = ?1", &p)?;
            self.send("UPDATE history SET org = ?2 WHERE device = ?1", &p)?;
            for sql in ["DELETE FROM candidate WHERE a = ?1 OR b = ?1", "DELETE FROM happening WHERE device = ?1"] {
                self.send(sql, &p[..1])?;
            }
            self.send("UPDATE book SET gone = ?2, held = NULL WHERE device = ?1 AND gone IS NULL", &[p[0].clone(), now.0.into()])?;
            self.groups_leave(from, *device)?;
            for row in self.rows("SELECT id FROM agent WHERE device = ?1 ORDER BY id", &p[..1])? {
                self.agent_moved(AgentId(row.id(0)?), to)?;
            }
            self.redrawn(*device);
            for org in [from, to] {
                self.after(Hint { topic: Topic::Device, id: Some(device.0), org: Some(org.0) });
            }
        }
        self.identity_log_moved(parts, from, to)
    }

    fn agent_moved(&mut self, agent: AgentId, to: OrgId) -> Result<(), Fault> {
        let p = [V::U(agent.0), V::U(to.0)];
        for sql in [
            "UPDATE agent SET org = ?2, version_no = version_no + 1 WHERE id = ?1",
            "UPDATE evidence SET org = ?2 WHERE agent = ?1",
            "UPDATE kept_document SET org = ?2 WHERE agent = ?1",
            "UPDATE agent_crash SET org = ?2 WHERE agent = ?1",
            "UPDATE wake_log SET org = ?2 WHERE agent = ?1",
        ] {
            self.send(sql, &p)?;
        }
        self.send("DELETE FROM wake WHERE agent = ?1", &p[..1])?;
        self.after(Hint { topic: Topic::Agent, id: Some(agent.0), org: Some(to.0) });
        Ok(())
    }

    /// Entries that are of these devices alone go with them; of what was parted, the other device keeps its entry.
    fn identity_log_moved(&mut self, parts: &[DeviceId], from: OrgId, to: OrgId) -> Result<(), Fault> {
        for device in parts {
            let sql = "SELECT id, source, target FROM identity_log WHERE (source = ?1 OR target = ?1) AND org = ?2";
            for row in self.rows(sql, &[V::U(device.0), V::U(from.0)])? {
                let both = [row.opt_id(1)?, row.opt_id(2)?];
                if both.into_iter().flatten().all(|id| parts.contains(&DeviceId(id))) {
                    self.send("UPDATE identity_log SET org = ?2 WHERE id = ?1", &[V::U(row.id(0)?), V::U(to.0)])?;
                }
            }
        }
        Ok(())
    }
}
