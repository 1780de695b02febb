//! What an inventory changes, worked out without the database: sections, readings, history.

use super::{Arrival, Before, searched};
use crate::error::Error;
use muster_core::fleet::{Protocol, SectionHistory};
use muster_core::inventory::{Completeness, Keyed, Lines, Row, SectionChange, SectionPrint, differ, is_reading_section};
use muster_core::limits::FINDINGS_MAX;
use muster_store::{HistoryWrite, InventoryWrite, Packed, SectionWrite, keys_pack};
use std::collections::BTreeMap;

/// What an inventory changes, packed and ready to be written.
#[derive(Clone, Debug)]
pub struct Plan {
    write: InventoryWrite,
    /// Sections whose facts changed.
    touched: Vec<String>,
}

/// Sections that changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub sections: Vec<SectionWrite>,
    pub removed: Vec<String>,
    pub history: Vec<SectionHistory>,
    /// How the list of programs changed.
    pub software: SectionChange,
    /// Whether the account information that came does not count.
    pub keeps_account: bool,
}

/// Works out what an inventory changes.
pub fn plan(before: &Before, arrival: &Arrival) -> Result<Plan, Error> {
    let told = arrival.told.as_ref();
    let changes = changes(before, arrival)?;
    let device_write = searched::write(before, arrival, &changes);
    let mut findings = told.findings().to_vec();
    findings.truncate(FINDINGS_MAX);
    let write = InventoryWrite {
        fence: before.fence,
        facts: told.facts(),
        readings_print: told.readings(),
        readings: readings(before, arrival, &changes)?,
        sections: changes.sections,
        removed: changes.removed,
        device_write,
        history: if changes.history.is_empty() { None } else { Some(HistoryWrite::new(&changes.history)?) },
        findings,
        shown: shown(before, arrival),
    };
    let touched = changes.history.into_iter().map(|h| h.section).collect();
    Ok(Plan { write, touched })
}

impl Plan {
    /// What is to be written.
    pub(super) fn write(&self) -> &InventoryWrite {
        &self.write
    }

    /// Whether any of these sections changed.
    pub(super) fn touches(&self, sections: &[&str]) -> bool {
        self.touched.iter().any(|s| sections.contains(&s.as_str()))
    }

    /// Names of the sections written and removed.
    pub(super) fn names(&self) -> (Vec<String>, Vec<String>) {
        (self.write.sections.iter().map(|s| s.section.clone()).collect(), self.write.removed.clone())
    }
}

fn changes(before: &Before, arrival: &Arrival) -> Result<Changes, Error> {
    let told = arrival.told.as_ref();
    // The account information of an OCS agent that is known stays ours (`docs/protocols/ocs.md`, "Answers").
    let keeps_account = arrival.protocol == Protocol::Ocs && before.agent.is_some() && !before.is_new;
    let mut found = Changes { keeps_account, ..Changes::default() };
    let passed_over = |section: &str| is_reading_section(section) || (keeps_account && section == "accountinfo");
    for new in told.sections().iter().filter(|s| !passed_over(&s.section)) {
        let Some(stored) = before.own.get(&new.section) else {
            found.first(new, arrival)?;
            continue;
        };
        if stored.print == Some(told.mark(new)) {
            continue;
        }
        let old = before.keyed.get(&new.section).cloned().unwrap_or_default();
        let (after, change) = differ(&old, told, new);
        if change != SectionChange::default() {
            found.note(&new.section, "changed", change);
        }
        found.write(new, &after, arrival)?;
    }
    if told.completeness() == Completeness::Full {
        for gone in before.own.keys().filter(|s| !arrival.has(s)) {
            let removed = before.keyed.get(gone).map(|old| old.lines.rows()).unwrap_or_default();
            found.note(gone, "removed", SectionChange { added: Vec::new(), removed });
            found.removed.push(gone.clone());
        }
    }
    Ok(found)
}

impl Changes {
    fn first(&mut self, new: &SectionPrint, arrival: &Arrival) -> Result<(), Error> {
        let keyed = Keyed::of(arrival.told.as_ref(), new);
        if new.section == "softwares" {
            self.software = SectionChange { added: keyed.lines.rows(), removed: Vec::new() };
        }
        // The rows of a first section are the section itself; only their number is kept.
        let (change, added_count) = (SectionChange::default(), keyed.lines.len());
        self.history.push(SectionHistory { section: new.section.clone(), kind: "first".to_owned(), change, added_count, removed_count: 0 });
        self.write(new, &keyed, arrival)
    }

    fn write(&mut self, new: &SectionPrint, after: &Keyed, arrival: &Arrival) -> Result<(), Error> {
        let lines: &Lines = &after.lines;
        self.sections.push(SectionWrite {
            section: new.section.clone(),
            hash: lines.hash(),
            doc: Packed::new(lines.document())?,
            rows: lines.len(),
            print: arrival.told.mark(new),
            keys: keys_pack(arrival.told.form(), &after.keys),
        });
        Ok(())
    }

    fn note(&mut self, section: &str, kind: &str, change: SectionChange) {
        if section == "softwares" {
            self.software = change.clone();
        }
        let (added_count, removed_count) = (change.added.len(), change.removed.len());
        self.history.push(SectionHistory { section: section.to_owned(), kind: kind.to_owned(), change, added_count, removed_count });
    }
}

/// Whole rows of those sections that hold any reading, when they are to be written; of sections that did not come and are not
/// gone those we hold.
fn readings(before: &Before, arrival: &Arrival, changes: &Changes) -> Result<Option<Packed>, Error> {
    let told = arrival.told.as_ref();
    // The rows are kept whole, so their facts count too.
    let touched = |s: &SectionPrint| s.has_readings && changes.sections.iter().any(|c| c.section == s.section);
    let went = changes.removed.iter().any(|gone| !gone.is_empty());
    if before.readings_print == Some(told.readings()) && !went && !told.sections().iter().any(touched) {
        return Ok(None);
    }
    let stays = |name: &str| told.completeness() == Completeness::Partial || arrival.unchanged.contains_key(name);
    let kept = before.readings.iter().filter(|(name, _)| stays(name) && told.section(name).is_none());
    let mut readings: BTreeMap<&str, Vec<Row>> = kept.map(|(name, rows)| (name.as_str(), rows.clone())).collect();
    for section in told.sections().iter().filter(|s| s.has_readings) {
        readings.insert(&section.section, told.rows(&section.section));
    }
    Ok(Some(Packed::new(&serde_json::to_vec(&readings).unwrap_or_default())?))
}

/// Whether the device is shown with this agent: verified before not, then by protocol, then the newest.
fn shown(before: &Before, arrival: &Arrival) -> Option<(&'static str, Option<String>)> {
    let first = match &before.agent {
        Some(agent) => before.agents.iter().all(|a| a.id == agent.id || a.last_inventory.is_none() || agent.rank() <= a.rank()),
        None => true,
    };
    first.then(|| (arrival.protocol.as_str(), arrival.version.clone()))
}
