//! What is searched of a device, drawn anew from the sections of its agents: after agents changed their device, and to check
//! that the searched tables say what the sections say.

use crate::error::Error;
use crate::fleet::source_sections;
use crate::intake::{DRAWN_FROM, logins};
use muster_core::fleet::{Agent, StoredSection, Summary, summary};
use muster_core::ids::{DeviceId, OrgId};
use muster_core::inventory::{Completeness, Inventory, Row};
use muster_core::time::Timestamp;
use muster_store::{Rebuilt, Rx, Software, Tx};
use std::collections::{BTreeMap, BTreeSet};

/// Programs that devices have or could have by any of their agents, and since when they have them.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    all: BTreeSet<Software>,
    since: BTreeMap<Software, Timestamp>,
}

/// Reads them; before agents move.
pub(crate) fn programs_of(rx: &mut Rx, devices: &[DeviceId]) -> Result<Programs, Error> {
    let mut all = BTreeSet::new();
    for agent in rx.agents_of_all(devices)? {
        all.extend(Software::of_rows(&rows(rx, agent.id, "softwares")?));
    }
    let list: Vec<Software> = all.iter().cloned().collect();
    Ok(Programs { since: rx.software_since(devices, &list)?, all })
}

fn rows(rx: &mut Rx, agent: muster_core::ids::AgentId, section: &str) -> Result<Vec<Row>, Error> {
    Ok(serde_json::from_slice(&rx.section_facts(agent, section)?.unwrap_or_default()).unwrap_or_default())
}

/// The names of a device's programs, from the section that is shown: the searched table is in the order of programs, and finding one
/// device's rows in it would go through those of all.
pub(crate) fn program_names(rx: &mut Rx, device: DeviceId) -> Result<Vec<String>, Error> {
    let agents = rx.agents_of(device)?;
    let sources = source_sections(rx, &agents)?;
    let Some(source) = sources.iter().find(|s| s.section == "softwares") else { return Ok(Vec::new()) };
    Ok(Software::of_rows(&rows(rx, source.agent, "softwares")?).into_iter().map(|s| s.name).collect())
}

/// What the sections of a device's agents say.
struct Drawn {
    summary: Summary,
    logins: Vec<String>,
    software: BTreeSet<Software>,
    software_count: i64,
}

fn draw(rx: &mut Rx, sources: &[StoredSection]) -> Result<Drawn, Error> {
    let mut view = Inventory::empty(Completeness::Full);
    for source in sources.iter().filter(|s| DRAWN_FROM.contains(&s.section.as_str())) {
        view.sections.insert(source.section.clone(), rows(rx, source.agent, &source.section)?);
    }
    let software = match sources.iter().find(|s| s.section == "softwares") {
        Some(source) => Software::of_rows(&rows(rx, source.agent, "softwares")?).into_iter().collect(),
        None => BTreeSet::new(),
    };
    let software_count = sources.iter().find(|s| s.section == "softwares").map_or(0, |s| s.rows);
    Ok(Drawn { summary: summary(&view), logins: logins(view.rows("users")), software, software_count })
}

/// The agent a device is shown with: of those that sent an inventory the one of the first rank, then the newest.
fn shown(agents: &[Agent]) -> Option<&Agent> {
    let told = agents.iter().filter(|a| a.last_inventory.is_some());
    told.min_by_key(|a| a.rank())
}

/// The rank of an agent of this device changed: with several agents, another one's data may be shown now.
pub(crate) fn reorder(tx: &mut Tx, org: OrgId, device: DeviceId) -> Result<(), Error> {
    if tx.agents_of(device)?.len() > 1 { rebuild(tx, org, device) } else { Ok(()) }
}

/// Draws a device's searched columns and tables from its agents anew. Given name, tag and notes stay.
pub fn rebuild(tx: &mut Tx, org: OrgId, device: DeviceId) -> Result<(), Error> {
    let before = programs_of(tx, &[device])?;
    rebuild_after(tx, org, device, &before)
}

/// The same after agents came or went; `before` was read for all devices concerned before that.
pub(crate) fn rebuild_after(tx: &mut Tx, org: OrgId, device: DeviceId, before: &Programs) -> Result<(), Error> {
    let agents = tx.agents_of(device)?;
    let sources = source_sections(tx, &agents)?;
    let drawn = draw(tx, &sources)?;
    let since = |s: Software| {
        let at = before.since.get(&s).copied().unwrap_or(Timestamp(0));
        (s, at)
    };
    let rebuilt = Rebuilt {
        org,
        device,
        summary: drawn.summary,
        logins: drawn.logins,
        software: drawn.software.into_iter().map(since).collect(),
        software_count: drawn.software_count,
        software_before: before.all.iter().cloned().collect(),
        shown: shown(&agents).map(|a| (a.id, a.protocol.as_str(), a.version.clone())),
        verified: !agents.is_empty() && agents.iter().all(|a| a.verified),
        last_inventory: agents.iter().filter_map(|a| a.last_inventory).max(),
        last_contact: agents.iter().filter_map(|a| a.last_contact).max(),
    };
    Ok(tx.device_rebuild(&rebuilt)?)
}

/// Where the searched tables of a device differ from the sections of its agents; a sentence each.
pub fn differences(rx: &mut Rx, org: OrgId, device: DeviceId) -> Result<Vec<String>, Error> {
    let Some(kept) = rx.device(org, device)? else { return Ok(Vec::new()) };
    let agents = rx.agents_of(device)?;
    let sources = source_sections(rx, &agents)?;
    let drawn = draw(rx, &sources)?;
    let name = format!("device '{}' ({device})", kept.name);
    let mut found = Vec::new();
    let mut expect = |what: &str, kept: String, drawn: String| {
        if kept != drawn {
            found.push(format!("{name}: {what} is {kept}, its agents say {drawn}"));
        }
    };
    expect("its serial number", format!("{:?}", kept.serial), format!("{:?}", drawn.summary.serial));
    expect("its system UUID", format!("{:?}", kept.uuid), format!("{:?}", drawn.summary.uuid));
    expect("its operating system", format!("{:?}", kept.os), format!("{:?}", drawn.summary.os));
    expect("the number of its programs", kept.software_count.to_string(), drawn.software_count.to_string());
    let lower =
        |kind: &str, values: &[String]| -> Vec<(String, String)> { values.iter().map(|v| (kind.to_owned(), v.to_lowercase())).collect() };
    let mut addresses = [lower("ip", &drawn.summary.ips), lower("mac", &drawn.summary.macs)].concat();
    addresses.sort();
    addresses.dedup();
    expect("the addresses it is found by", format!("{:?}", rx.device_addresses(device)?), format!("{addresses:?}"));
    expect("the users it is found by", format!("{:?}", rx.device_logins(device)?), format!("{:?}", drawn.logins));
    let programs: Vec<Software> = drawn.software.into_iter().collect();
    let there = rx.software_since(&[device], &programs)?;
    let missing: Vec<&str> = programs.iter().filter(|s| !there.contains_key(*s)).map(|s| s.name.as_str()).take(5).collect();
    if !missing.is_empty() {
        found.push(format!("{name}: it is not found by programs that its agents name: {}", missing.join(", ")));
    }
    Ok(found)
}
