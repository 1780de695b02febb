//! History across devices: entries by filter, the newest first. Writing history is part of an inventory.

use crate::fault::Fault;
use crate::inventory::{unpack, unreadable};
use crate::list::List;
use crate::unit::Rx;
use crate::value::{Row, V};
use muster_core::fleet::HistoryEntry;
use muster_core::ids::{AgentId, DeviceId, OrgId};
use muster_core::time::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// What a record of changes is narrowed by; all that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct HistoryFilter {
    /// Of this device.
    pub device: Option<DeviceId>,
    /// Told by this agent.
    pub agent: Option<AgentId>,
    /// Entries in which any of these sections changed.
    pub sections: Vec<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// An entry with its device.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryRow {
    /// The entry.
    pub entry: HistoryEntry,
    /// The device.
    pub device: DeviceId,
    /// The device's name.
    pub device_name: String,
}

/// An entry's id is made at its instant, but perhaps from the clock of another node.
const SLACK: Duration = Duration::from_secs(600);

/// The smallest id that is made at an instant.
pub(crate) fn floor(at: Timestamp) -> Uuid {
    let millis = u128::try_from(at.millis().max(0)).unwrap_or(0).min((1 << 48) - 1);
    Uuid::from_u128(millis << 80)
}

fn row(row: &Row) -> Result<HistoryRow, Fault> {
    let document = unpack(row.bytes(3)?, "history", "doc")?;
    let sections = serde_json::from_slice(&document).map_err(unreadable)?;
    let entry = HistoryEntry { id: row.id(0)?, at: Timestamp(row.int(1)?), agent: row.id(2)?.into(), sections };
    Ok(HistoryRow { entry, device: row.id(4)?.into(), device_name: row.text(5)?.to_owned() })
}

impl Rx {
    /// Entries of history older than the entry `below`, the newest first, at most `limit`.
    pub fn history_older(
        &mut self,
        org: OrgId,
        filter: &HistoryFilter,
        below: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<HistoryRow>, Fault> {
        let mut list = List::new("h.id, h.at, h.agent, h.doc, h.device, d.name", "history h JOIN device d ON d.id = h.device");
        // One of the two only, so that each database takes the index made for it.
        match filter.device {
            Some(device) => {
                list.filter("h.device = {}", device.0);
                list.filter("d.org = {}", org.0);
            }
            None => list.filter("h.org = {}", org.0),
        }
        if let Some(agent) = filter.agent {
            list.filter("h.agent = {}", agent.0);
        }
        if !filter.sections.is_empty() {
            let find = if self.is_postgres() { "strpos" } else { "instr" };
            let any: Vec<String> =
                filter.sections.iter().map(|s| format!("{find}(h.sections, {}) > 0", list.param(format!(" {s} ")))).collect();
            list.condition(any.join(" OR "));
        }
        if let Some(since) = filter.since {
            list.filter("h.id >= {}", floor(since.minus(SLACK)));
            list.filter("h.at >= {}", since.0);
        }
        if let Some(until) = filter.until {
            list.filter("h.id < {}", floor(until.plus(SLACK)));
            list.filter("h.at < {}", until.0);
        }
        if let Some(below) = below {
            list.filter("h.id < {}", V::U(below));
        }
        list.all(self, "h.id DESC", limit, row)
    }
}
