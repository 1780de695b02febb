//! What an agent can do, as it tells it, and what follows for a contact. Absent on purpose: how it is told (`muster_wire`).

use crate::limits::{CAPACITIES_MAX, CAPACITY_BYTES_MAX};
use serde::{Deserialize, Serialize};

/// One task of an agent, as the agent told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Its name, lower case: `inventory`, `deploy`, `netdiscovery`.
    pub name: String,
    /// The version of the part that does it, when told.
    #[serde(default)]
    pub version: Option<String>,
    /// Whether the agent's own configuration lets it run.
    pub enabled: bool,
}

/// Tasks of a GLPI agent that only run when the server has work for them (docs/protocols/glpi-native.md, "CONTACT").
pub const SERVED_TASKS: [&str; 7] = ["inventory", "collect", "deploy", "esx", "netdiscovery", "netinventory", "wakeonlan"];

/// A task's name as it is kept; `None` when it cannot be one.
pub fn capacity_name(text: &str) -> Option<String> {
    let name = text.trim().to_ascii_lowercase();
    let fits = (1..=CAPACITY_BYTES_MAX).contains(&name.len());
    (fits && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')).then_some(name)
}

/// The capacities after a message that lists all tasks of an agent. Versions that are known stay. A message without a list
/// tells nothing and leaves what is known.
pub fn capacities_told(known: &[Capacity], installed: &[String], enabled: &[String]) -> Vec<Capacity> {
    let mut names: Vec<String> = installed.iter().chain(enabled).filter_map(|n| capacity_name(n)).collect();
    if names.is_empty() {
        return known.to_vec();
    }
    names.sort_unstable();
    names.dedup();
    names.truncate(CAPACITIES_MAX);
    let runs = |name: &str| enabled.iter().any(|e| e.eq_ignore_ascii_case(name));
    let version = |name: &str| known.iter().find(|c| c.name == name).and_then(|c| c.version.clone());
    names.into_iter().map(|name| Capacity { version: version(&name), enabled: runs(&name), name }).collect()
}

/// The capacities after an agent asked what to do for single tasks, each with the version of the part that does it. Who asks for
/// a task runs it.
pub fn capacities_asked(known: &[Capacity], asked: &[(String, String)]) -> Vec<Capacity> {
    let mut all = known.to_vec();
    for (name, version) in asked {
        let Some(name) = capacity_name(name) else { continue };
        let version = Some(version.chars().take(CAPACITY_BYTES_MAX).collect::<String>()).filter(|v| !v.is_empty());
        if let Some(capacity) = all.iter_mut().find(|c| c.name == name) {
            (capacity.version, capacity.enabled) = (version, true);
        } else if all.len() < CAPACITIES_MAX {
            all.push(Capacity { name, version, enabled: true });
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The served tasks that an agent need not run in this contact: all but the wanted ones.
pub fn tasks_not_wanted(wanted: &[&str]) -> Vec<&'static str> {
    SERVED_TASKS.into_iter().filter(|task| !wanted.contains(task)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|t| (*t).to_owned()).collect()
    }

    fn shown(all: &[Capacity]) -> Vec<String> {
        all.iter().map(|c| format!("{} {} {}", c.name, c.version.as_deref().unwrap_or("-"), c.enabled)).collect()
    }

    #[test]
    fn a_list_replaces_what_was_known_but_for_versions() {
        let known = capacities_asked(&[], &[("Deploy".to_owned(), "2.8".to_owned()), ("ESX".to_owned(), "2.6".to_owned())]);
        assert_eq!(shown(&known), ["deploy 2.8 true", "esx 2.6 true"]);
        let told = capacities_told(&known, &texts(&["Deploy", "inventory", "bad name", ""]), &texts(&["inventory"]));
        assert_eq!(shown(&told), ["deploy 2.8 false", "inventory - true"]);
        assert_eq!(capacities_told(&told, &[], &[]), told, "no list tells nothing");
        let asked = capacities_asked(&told, &[("Deploy".to_owned(), "3.3".to_owned())]);
        assert_eq!(shown(&asked), ["deploy 3.3 true", "inventory - true"]);
    }

    #[test]
    fn the_number_and_length_of_names_have_two_sides() {
        let many = |n: usize| (0..n).map(|i| format!("t{i}")).collect::<Vec<_>>();
        assert_eq!(capacities_told(&[], &many(CAPACITIES_MAX), &[]).len(), CAPACITIES_MAX);
        assert_eq!(capacities_told(&[], &many(CAPACITIES_MAX + 1), &[]).len(), CAPACITIES_MAX);
        let asked: Vec<_> = many(CAPACITIES_MAX + 1).into_iter().map(|n| (n, String::new())).collect();
        assert_eq!(capacities_asked(&[], &asked[..CAPACITIES_MAX]).len(), CAPACITIES_MAX);
        assert_eq!(capacities_asked(&[], &asked).len(), CAPACITIES_MAX);
        assert!(capacity_name(&"x".repeat(CAPACITY_BYTES_MAX)).is_some());
        assert!(capacity_name(&"x".repeat(CAPACITY_BYTES_MAX + 1)).is_none());
    }

    #[test]
    fn a_contact_leaves_out_what_is_not_wanted() {
        assert_eq!(tasks_not_wanted(&["inventory"]), ["collect", "deploy", "esx", "netdiscovery", "netinventory", "wakeonlan"]);
        assert_eq!(tasks_not_wanted(&[]).len(), SERVED_TASKS.len());
    }
}
