//! The searched columns and tables of a device, drawn from its source sections.

use super::plan::Changes;
use super::{Arrival, Before};
use muster_core::fleet::{Agent, StoredSection, summary};
use muster_core::inventory::{Completeness, Inventory, Row, text};
use muster_store::{DeviceWrite, Software};
use std::collections::BTreeSet;

/// Sections from which the searched columns are drawn.
pub(crate) const DRAWN_FROM: [&str; 7] = ["hardware", "bios", "operatingsystem", "cpus", "networks", "accountinfo", "users"];
const LOGINS_MAX: usize = 1_000;

impl Before {
    /// The section of another agent that is shown before this one's.
    fn outranking(&self, section: &str) -> Option<&StoredSection> {
        let agent = self.agent.as_ref()?;
        let source = self.sources.iter().find(|s| s.section == section && s.agent != agent.id)?;
        self.agents.iter().any(|a| a.id == source.agent && a.rank() < agent.rank()).then_some(source)
    }
}

/// Sections whose facts have to be looked up, because the columns need them and they were not told, or another agent's are shown.
pub(super) fn wanted(before: &Before, agent: &Agent, arrival: &Arrival) -> Vec<StoredSection> {
    let before = &Before { agent: Some(agent.clone()), ..before.clone() };
    let foreign = |s: &&StoredSection| s.agent != agent.id || arrival.told.section(&s.section).is_none() || s.section == "accountinfo";
    let drawn = before.sources.iter().filter(|s| DRAWN_FROM.contains(&s.section.as_str()));
    let software = before.sources.iter().filter(|s| s.section == "softwares" && s.agent != agent.id);
    drawn.filter(foreign).chain(software).cloned().collect()
}

/// What becomes of the searched columns and tables; `None` when nothing of them changes.
pub(super) fn write(before: &Before, arrival: &Arrival, changes: &Changes) -> Option<DeviceWrite> {
    let touched = |name: &str| changes.history.iter().any(|h| h.section == name);
    let searched = DRAWN_FROM.into_iter().any(touched).then(|| drawn(before, arrival, changes));
    let takes_software = touched("softwares") && before.outranking("softwares").is_none();
    if searched.is_none() && !takes_software {
        return None;
    }
    let (added, removed) = if takes_software { software(before, arrival, changes) } else { (Vec::new(), Vec::new()) };
    let told = arrival.told.section("softwares").map(|s| s.rows);
    let count = told.or(changes.removed.iter().any(|r| r == "softwares").then_some(0));
    Some(DeviceWrite {
        searched,
        software_added: added,
        software_is_news: changes.history.iter().any(|h| h.section == "softwares" && h.kind == "changed"),
        software_removed: removed,
        software_count: count.filter(|_| takes_software).and_then(|n| i64::try_from(n).ok()),
    })
}

fn drawn(before: &Before, arrival: &Arrival, changes: &Changes) -> (muster_core::fleet::Summary, Vec<String>) {
    let mut view = Inventory::empty(Completeness::Full);
    for section in DRAWN_FROM {
        let ours = changes.keeps_account && section == "accountinfo";
        let told = arrival.told.section(section).is_some() && !ours && before.outranking(section).is_none();
        let rows = match before.sources.iter().find(|s| s.section == section) {
            _ if told => arrival.told.rows(section),
            _ if changes.removed.iter().any(|r| r == section) && before.outranking(section).is_none() => Vec::new(),
            Some(source) => before.facts.get(&(source.agent, section.to_owned())).cloned().unwrap_or_default(),
            None => Vec::new(),
        };
        view.sections.insert(section.to_owned(), rows);
    }
    (summary(&view), logins(view.rows("users")))
}

/// Programs that came and went. When the shown list was another agent's, it is replaced as a whole.
fn software(before: &Before, arrival: &Arrival, changes: &Changes) -> (Vec<Software>, Vec<Software>) {
    let other = before.sources.iter().find(|s| s.section == "softwares" && before.agent.as_ref().is_some_and(|a| a.id != s.agent));
    let Some(other) = other else { return (Software::of_rows(&changes.software.added), Software::of_rows(&changes.software.removed)) };
    let old: BTreeSet<Software> =
        Software::of_rows(before.facts.get(&(other.agent, other.section.clone())).map_or(&[], Vec::as_slice)).into_iter().collect();
    let new: BTreeSet<Software> = Software::of_rows(&arrival.told.rows("softwares")).into_iter().collect();
    (new.difference(&old).cloned().collect(), old.difference(&new).cloned().collect())
}

/// The names of the users of a host.
pub(crate) fn logins(rows: &[Row]) -> Vec<String> {
    let names: BTreeSet<String> = rows.iter().filter_map(|r| text(r, "login").or_else(|| text(r, "name"))).map(str::to_owned).collect();
    names.into_iter().take(LOGINS_MAX).collect()
}
