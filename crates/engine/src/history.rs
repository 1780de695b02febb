//! What changed: records of changes by filter, a device as it was, two dates compared.
//!
//! History is kept per section of an agent; a device is seen through the source agent of each section, at any instant. Only
//! facts have a history: readings are what they are now.

use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::fleet::device_known;
use muster_core::access::Role;
use muster_core::fleet::{Agent, Device, SectionHistory};
use muster_core::ids::{AgentId, DeviceId};
use muster_core::inventory::history::{Pairs, Past, difference, mentions, pair};
use muster_core::inventory::{Row, is_reading_section, is_single};
use muster_core::limits::{HISTORY_LOOKED_AT_MAX, HISTORY_UNDONE_MAX};
use muster_core::page::{Cursor, Page, PageRequest, SortValue};
use muster_core::time::Timestamp;
use muster_store::{HistoryFilter, HistoryRow, Rx};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What a record of changes is narrowed by; all that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct ChangeFilter {
    /// What the store narrows by.
    pub stored: HistoryFilter,
    /// Any of `first`, `changed`, `removed`.
    pub kinds: Vec<String>,
    /// Text in the device's name or in a value that came or went.
    pub q: Option<String>,
}

/// What one inventory changed in one section of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The entry's id; all sections that one inventory changed share it.
    pub entry: Uuid,
    /// When.
    pub at: Timestamp,
    /// The device.
    pub device: DeviceId,
    /// The device's name.
    pub device_name: String,
    /// From which agent.
    pub agent: AgentId,
    /// What.
    pub section: SectionHistory,
}

/// Entries read at once.
const BATCH: usize = 100;

/// A page of changes, the newest first. A page may have fewer rows than asked for and still go on: at most
/// [`HISTORY_LOOKED_AT_MAX`] entries are looked at for one.
pub fn change_list(rx: &mut Rx, cx: &Cx, filter: &ChangeFilter, page: &PageRequest) -> Result<Page<Change>, Error> {
    cx.may_here(Role::Viewer, "looking at changes")?;
    if let Some(device) = filter.stored.device {
        device_known(rx, cx, device)?;
    }
    let (mut items, mut looked) = (Vec::new(), 0);
    // A cursor stands before the entry that comes next and holds how many of its rows were shown.
    let mut below = page.cursor.as_ref().map(|c| c.id);
    let mut skip = match &page.cursor {
        Some(Cursor { value: SortValue::Number(shown), .. }) => usize::try_from(*shown).unwrap_or(0),
        _ => 0,
    };
    let end = |items, next: Option<(Uuid, usize)>| {
        let value = |shown| SortValue::Number(i64::try_from(shown).unwrap_or(0));
        let next = next.map(|(id, shown)| Cursor { sort: page.order(), value: value(shown), id }.encode());
        Ok(Page { items, next, total: None })
    };
    loop {
        let asked = BATCH.min(page.limit + 1).min(HISTORY_LOOKED_AT_MAX - looked);
        let entries = rx.history_older(cx.org, &filter.stored, below, asked)?;
        let last = entries.len() < asked;
        for entry in entries {
            below = Some(entry.entry.id);
            for (shown, change) in wanted(entry, filter).into_iter().enumerate().skip(std::mem::take(&mut skip)) {
                if items.len() == page.limit {
                    return end(items, Some((following(change.entry), shown)));
                }
                items.push(change);
            }
            looked += 1;
        }
        if last {
            return end(items, None);
        }
        if looked >= HISTORY_LOOKED_AT_MAX {
            return end(items, below.map(|id| (id, 0)));
        }
    }
}

/// The rows of an entry that fit a filter.
fn wanted(row: HistoryRow, filter: &ChangeFilter) -> Vec<Change> {
    let HistoryRow { entry, device, device_name } = row;
    let text = filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty()).map(str::to_lowercase);
    let named = text.as_deref().is_none_or(|text| device_name.to_lowercase().contains(text));
    let fits = |s: &SectionHistory| {
        (filter.stored.sections.is_empty() || filter.stored.sections.contains(&s.section))
            && (filter.kinds.is_empty() || filter.kinds.contains(&s.kind))
            && (named || text.as_deref().is_some_and(|text| mentions(&s.change, text)))
    };
    let sections = entry.sections.into_iter().filter(fits);
    let change = |section| Change { entry: entry.id, at: entry.at, device, device_name: device_name.clone(), agent: entry.agent, section };
    sections.map(change).collect()
}

/// The id right after another: a page 'older than it' begins with that other.
fn following(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_add(1))
}

/// A section as it was, from the agent that was its source.
struct Seen {
    agent: AgentId,
    rows: Vec<Row>,
    exact: bool,
}

/// A device on its way back in time: the sections of all its agents.
struct Walk<'a> {
    device: DeviceId,
    wanted: &'a [String],
    agents: Vec<Agent>,
    sections: BTreeMap<(AgentId, String), Past>,
    below: Option<Uuid>,
    undone: usize,
}

impl<'a> Walk<'a> {
    fn new(rx: &mut Rx, device: DeviceId, wanted: &'a [String]) -> Result<Self, Error> {
        let agents = rx.agents_of(device)?;
        let ids: Vec<AgentId> = agents.iter().map(|a| a.id).collect();
        let mut walk = Self { device, wanted, agents, sections: BTreeMap::new(), below: None, undone: 0 };
        for stored in rx.sections(&ids)? {
            if walk.wants(&stored.section) {
                let facts = rx.section_facts(stored.agent, &stored.section)?;
                walk.sections.insert((stored.agent, stored.section), Past::now(facts.as_deref()));
            }
        }
        Ok(walk)
    }

    fn wants(&self, section: &str) -> bool {
        !is_reading_section(section) && (self.wanted.is_empty() || self.wanted.iter().any(|w| w == section))
    }

    /// Goes back to an instant: undoes what came after it.
    fn back_to(&mut self, rx: &mut Rx, cx: &Cx, at: Timestamp) -> Result<(), Error> {
        let since = Some(Timestamp(at.0.saturating_add(1)));
        let filter = HistoryFilter { device: Some(self.device), sections: self.wanted.to_vec(), since, ..HistoryFilter::default() };
        loop {
            let rows = rx.history_older(cx.org, &filter, self.below, BATCH)?;
            let last = rows.len() < BATCH;
            for HistoryRow { entry, .. } in rows {
                for change in entry.sections.iter().filter(|s| self.wants(&s.section)).collect::<Vec<_>>() {
                    let key = (entry.agent, change.section.clone());
                    self.sections.entry(key).or_insert_with(|| Past::now(None)).undo(change);
                }
                self.below = Some(entry.id);
                self.undone += 1;
            }
            if last {
                return Ok(());
            }
            if self.undone > HISTORY_UNDONE_MAX {
                let detail = format!(
                    "more than {HISTORY_UNDONE_MAX} inventories changed this device since {at}; ask for a later date or for fewer sections"
                );
                return Err(Error::new(Kind::LimitReached, "history/too-long", detail));
            }
        }
    }

    /// The device as it is at this place: per section the agent that goes before the others.
    fn seen(&self) -> BTreeMap<String, Seen> {
        let rank = |id: AgentId| {
            let agent = self.agents.iter().find(|a| a.id == id);
            (agent.is_none(), agent.map(|a| (a.rank(), std::cmp::Reverse(a.last_inventory))), id)
        };
        let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
        for ((agent, section), past) in &self.sections {
            let Some(rows) = past.rows() else { continue };
            if seen.get(section).is_none_or(|have| rank(*agent) < rank(have.agent)) {
                seen.insert(section.clone(), Seen { agent: *agent, rows, exact: past.is_exact() });
            }
        }
        seen
    }
}

/// What differs in a section between two instants.
#[derive(Clone, Debug, PartialEq)]
pub struct SectionDifference {
    /// Its name.
    pub section: String,
    /// The agent whose section it is at the later instant, or at the earlier one when it is gone.
    pub agent: AgentId,
    /// What came, went and changed.
    pub pairs: Pairs,
    /// Whether history could be followed without a gap.
    pub exact: bool,
}

/// Compares a device at two instants, section by section; sections without a difference are left out.
pub fn device_changes(
    rx: &mut Rx,
    cx: &Cx,
    id: DeviceId,
    from: Timestamp,
    to: Timestamp,
    wanted: &[String],
) -> Result<(Device, Vec<SectionDifference>), Error> {
    let device = known(rx, cx, id)?;
    if from > to {
        let detail = format!("'from' ({from}) is after 'to' ({to}); swap them");
        return Err(Error::invalid("history/invalid", "from", detail));
    }
    let mut walk = Walk::new(rx, id, wanted)?;
    walk.back_to(rx, cx, to)?;
    let mut after = walk.seen();
    walk.back_to(rx, cx, from)?;
    let mut before = walk.seen();
    let names: BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
    let mut sections = Vec::new();
    for section in names {
        let (old, new) = (before.remove(&section), after.remove(&section));
        let Some(agent) = new.as_ref().or(old.as_ref()).map(|s| s.agent) else { continue };
        let exact = [&old, &new].into_iter().flatten().all(|s| s.exact);
        let rows = |seen: Option<Seen>| seen.map(|s| s.rows).unwrap_or_default();
        let change = difference(&rows(old), &rows(new));
        if !change.added.is_empty() || !change.removed.is_empty() {
            let pairs = pair(&section, change);
            sections.push(SectionDifference { section, agent, pairs, exact });
        }
    }
    Ok((device, sections))
}

/// The facts of a device as they were at an instant, in the shape of the GLPI inventory format.
pub fn device_inventory_at(
    rx: &mut Rx,
    cx: &Cx,
    id: DeviceId,
    at: Timestamp,
    wanted: &[String],
) -> Result<(Device, Map<String, Value>), Error> {
    let device = known(rx, cx, id)?;
    let mut walk = Walk::new(rx, id, wanted)?;
    walk.back_to(rx, cx, at)?;
    let mut sections = Map::new();
    for (section, seen) in walk.seen() {
        let value = if is_single(&section) { json!(seen.rows.into_iter().next().unwrap_or_default()) } else { json!(seen.rows) };
        sections.insert(section, value);
    }
    Ok((device, sections))
}

fn known(rx: &mut Rx, cx: &Cx, id: DeviceId) -> Result<Device, Error> {
    cx.may_here(Role::Viewer, "looking at devices")?;
    rx.device(cx.org, id)?.ok_or_else(|| Error::not_found("device/not-found", "device", id))
}
