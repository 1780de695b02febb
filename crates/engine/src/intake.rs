//! An inventory arrives: who sent it, what changed, write only that.

use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::fleet::source_sections;
use crate::identity::{learned, sender};
use crate::work;
use muster_core::fleet::{Agent, Protocol, SectionHistory, StoredSection, summary};
use muster_core::ids::{AgentId, DeviceId};
use muster_core::inventory::{Completeness, Inventory, Row, SectionChange, compare, hash, is_reading_section, split, text};
use muster_core::limits::{FINDINGS_MAX, SECTIONS_MAX};
use muster_core::time::Timestamp;
use muster_store::{DeviceWrite, InventoryWrite, Rx, SectionWrite, Software, Tx};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// An inventory with who says it comes from where.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// How the agent speaks.
    pub protocol: Protocol,
    /// Our own agent's id, when it is ours.
    pub own: Option<AgentId>,
    /// A foreign agent's DEVICEID.
    pub foreign_id: Option<String>,
    /// The DEVICEID it had before, when it says so.
    pub old_foreign_id: Option<String>,
    /// A GLPI agent's UUID.
    pub glpi_id: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The address it comes from.
    pub source: Option<IpAddr>,
    /// What it tells.
    pub inventory: Inventory,
    /// The sections of `inventory`, cut and hashed; see [`prepare`].
    pub sections: Vec<Prepared>,
    /// Our own agent: sections that it has but did not send, because we hold them by these hashes; see [`wanted`].
    pub unchanged: BTreeMap<String, [u8; 32]>,
}

/// A section cut in facts and readings, hashed: done before the transaction.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Its name.
    pub section: String,
    /// Its facts, canonical JSON; empty for a section of readings.
    pub facts: Vec<u8>,
    /// Hash of the facts.
    pub hash: [u8; 32],
    /// How many rows.
    pub rows: usize,
}

/// What an inventory came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The agent.
    pub agent: AgentId,
    /// Its device.
    pub device: DeviceId,
    /// Whether the agent is new.
    pub new_agent: bool,
    /// Sections whose facts were written.
    pub written: Vec<String>,
    /// Sections that are gone.
    pub removed: Vec<String>,
    /// The tag the server holds for the device.
    pub tag: Option<String>,
}

/// Cuts and hashes the sections of an inventory.
pub fn prepare(inventory: &Inventory) -> Vec<Prepared> {
    inventory
        .sections
        .iter()
        .take(SECTIONS_MAX)
        .map(|(section, rows)| {
            let facts = split(section, rows).facts;
            Prepared { section: section.clone(), hash: hash(&facts), facts, rows: rows.len() }
        })
        .collect()
}

/// The key of the error by which an inventory is refused whose `unchanged` sections we do not hold: look again what is wanted.
pub const NOT_HELD: &str = "inventory/not-held";

/// Which of the told sections we do not hold by their hash. A section of readings is compared as the rows it came with
/// (`docs/protocols/native.md`, "Calls"); an empty one needs no content.
pub fn wanted(rx: &mut Rx, agent: AgentId, told: &BTreeMap<String, [u8; 32]>) -> Result<Vec<String>, Error> {
    let mut held: BTreeMap<String, [u8; 32]> = rx.sections(&[agent])?.into_iter().map(|s| (s.section, s.hash)).collect();
    if told.keys().any(|name| is_reading_section(name)) {
        let readings = stored_readings(rx, agent)?;
        held.extend(readings.into_iter().filter(|(name, _)| is_reading_section(name)).map(|(name, rows)| {
            let rows = split(&name, &rows).rows;
            (name, hash(&rows))
        }));
    }
    let empty = hash(b"[]");
    Ok(told.iter().filter(|(name, hash)| **hash != empty && held.get(*name) != Some(*hash)).map(|(name, _)| name.clone()).collect())
}

fn stored_readings(rx: &mut Rx, agent: AgentId) -> Result<BTreeMap<String, Vec<Row>>, Error> {
    Ok(rx.readings(agent)?.and_then(|document| serde_json::from_slice(&document).ok()).unwrap_or_default())
}

/// Stores an inventory; an agent that reports for the first time is made known by it.
pub fn inventory(tx: &mut Tx, cx: &Cx, arrival: &Arrival) -> Result<Stored, Error> {
    let (agent, new_agent) = sender(tx, cx, arrival)?;
    if !arrival.unchanged.is_empty() && !wanted(tx, agent.id, &arrival.unchanged)?.is_empty() {
        return Err(Error::new(Kind::Conflict, NOT_HELD, "the inventory builds on sections that are not held any more; send them again"));
    }
    let stored: BTreeMap<String, StoredSection> = tx.sections(&[agent.id])?.into_iter().map(|s| (s.section.clone(), s)).collect();
    // The account information of an OCS agent that is known stays ours (`docs/protocols/ocs.md`, "Answers").
    let keeps_account = arrival.protocol == Protocol::Ocs && !new_agent;
    let changes = changes(tx, &agent, arrival, &stored, keeps_account)?;
    let write = plan(tx, cx, &agent, arrival, changes)?;
    let answer = Stored {
        agent: agent.id,
        device: agent.device,
        new_agent,
        written: write.sections.iter().map(|s| s.section.clone()).collect(),
        removed: write.removed.clone(),
        tag: None,
    };
    tx.inventory_write(&write)?;
    if new_agent || !answer.written.is_empty() {
        learned(tx, cx, &agent, arrival)?;
    }
    let damaged = arrival.inventory.findings.iter().any(|f| f.kind == "truncated");
    if !damaged {
        work::inventory_arrived(tx, cx, &agent)?;
    }
    let tag = tx.device(agent.org, agent.device)?.and_then(|d| d.tag);
    Ok(Stored { tag, ..answer })
}

/// What an inventory changes against what is stored of its agent.
#[derive(Default)]
struct Changes {
    sections: Vec<SectionWrite>,
    removed: Vec<String>,
    history: Vec<SectionHistory>,
    software: SectionChange,
    /// Whether the account information that came does not count.
    keeps_account: bool,
}

fn changes(
    tx: &mut Tx,
    agent: &Agent,
    arrival: &Arrival,
    stored: &BTreeMap<String, StoredSection>,
    keeps_account: bool,
) -> Result<Changes, Error> {
    let mut found = Changes { keeps_account, ..Changes::default() };
    let passed_over = |section: &str| is_reading_section(section) || (keeps_account && section == "accountinfo");
    for new in arrival.sections.iter().filter(|s| !passed_over(&s.section)) {
        let before = stored.get(&new.section);
        if before.is_some_and(|s| s.hash == new.hash) {
            continue;
        }
        let old = if before.is_some() { tx.section_facts(agent.id, &new.section)? } else { None };
        let change = compare(old.as_deref().unwrap_or(b"[]"), &new.facts);
        found.note(&new.section, if before.is_some() { "changed" } else { "first" }, change);
        found.sections.push(SectionWrite { section: new.section.clone(), hash: new.hash, facts: new.facts.clone(), rows: new.rows });
    }
    if arrival.inventory.completeness == Completeness::Full {
        let still_there = |s: &String| arrival.inventory.sections.contains_key(s) || arrival.unchanged.contains_key(s);
        for gone in stored.keys().filter(|s| !still_there(s)) {
            let old = tx.section_facts(agent.id, gone)?.unwrap_or_default();
            found.note(gone, "removed", compare(&old, b"[]"));
            found.removed.push(gone.clone());
        }
    }
    Ok(found)
}

impl Changes {
    fn is_first(&self, section: &str) -> bool {
        self.history.iter().any(|h| h.section == section && h.kind == "first")
    }

    fn note(&mut self, section: &str, kind: &str, change: SectionChange) {
        if section == "softwares" {
            self.software = change.clone();
        }
        let (added_count, removed_count) = (change.added.len(), change.removed.len());
        // The rows of a first section are the section itself; only their number is kept.
        let change = if kind == "first" { SectionChange::default() } else { change };
        self.history.push(SectionHistory { section: section.to_owned(), kind: kind.to_owned(), change, added_count, removed_count });
    }
}

/// Everything to be written for an inventory.
fn plan(tx: &mut Tx, cx: &Cx, agent: &Agent, arrival: &Arrival, changes: Changes) -> Result<InventoryWrite, Error> {
    let readings = readings(tx, agent, arrival)?;
    let readings_hash = hash(&readings);
    let readings = (tx.readings_hash(agent.id)? != Some(readings_hash)).then_some((readings_hash, readings));
    let shown = shown(tx, agent)?;
    let touched = !changes.sections.is_empty() || !changes.removed.is_empty();
    let device_write = if touched { device_write(tx, cx.now, agent, arrival, &changes)? } else { None };
    let mut findings = arrival.inventory.findings.clone();
    findings.truncate(FINDINGS_MAX);
    Ok(InventoryWrite {
        org: agent.org,
        device: agent.device,
        agent: agent.id,
        at: cx.now,
        history: (!changes.history.is_empty()).then(|| (cx.id(), changes.history)),
        sections: changes.sections,
        removed: changes.removed,
        readings,
        device_write,
        findings,
        shown: shown.then(|| (agent.protocol.as_str(), arrival.version.clone().or_else(|| agent.version.clone()))),
    })
}

/// Whole rows of those sections that hold any reading; of sections that did not come and are not gone those we hold.
fn readings(tx: &mut Tx, agent: &Agent, arrival: &Arrival) -> Result<Vec<u8>, Error> {
    let told = &arrival.inventory;
    let keeps_others = told.completeness == Completeness::Partial || !arrival.unchanged.is_empty();
    let kept = if keeps_others { stored_readings(tx, agent.id)? } else { BTreeMap::new() };
    let stays = |name: &str| told.completeness == Completeness::Partial || arrival.unchanged.contains_key(name);
    let mut readings: BTreeMap<&str, &Vec<Row>> = kept.iter().filter(|(name, _)| stays(name)).map(|(n, r)| (n.as_str(), r)).collect();
    for (name, rows) in &told.sections {
        let any = |row: &Row| row.keys().any(|f| muster_core::inventory::is_reading_field(name, f));
        if is_reading_section(name) || rows.iter().any(any) {
            readings.insert(name, rows);
        } else {
            readings.remove(name.as_str());
        }
    }
    Ok(serde_json::to_vec(&readings).unwrap_or_default())
}

/// Whether the device is shown with this agent: verified before not, then by protocol, then the newest.
fn shown(tx: &mut Tx, agent: &Agent) -> Result<bool, Error> {
    Ok(tx.agents_of(agent.device)?.iter().all(|a| a.id == agent.id || a.last_inventory.is_none() || agent.rank() <= a.rank()))
}

/// The searched columns and tables of the device, drawn from its source sections; `None` when this agent is the source of none.
fn device_write(tx: &mut Tx, now: Timestamp, agent: &Agent, arrival: &Arrival, changes: &Changes) -> Result<Option<DeviceWrite>, Error> {
    let agents = tx.agents_of(agent.device)?;
    let before = source_sections(tx, &agents)?;
    let others: BTreeSet<&str> = before.iter().filter(|s| s.agent != agent.id).map(|s| s.section.as_str()).collect();
    let outranked = |section: &str| {
        others.contains(section)
            && before.iter().any(|s| s.section == section && agents.iter().any(|a| a.id == s.agent && a.rank() < agent.rank()))
    };
    let mut view = Inventory::empty(Completeness::Full);
    for section in ["hardware", "bios", "operatingsystem", "cpus", "networks", "accountinfo", "users"] {
        let ours = changes.keeps_account && section == "accountinfo";
        let rows = match arrival.inventory.sections.get(section).filter(|_| !outranked(section) && !ours) {
            Some(rows) => rows.clone(),
            None if changes.removed.iter().any(|r| r == section) => Vec::new(),
            None => match before.iter().find(|s| s.section == section) {
                Some(source) => serde_json::from_slice(&tx.section_facts(source.agent, section)?.unwrap_or_default()).unwrap_or_default(),
                None => Vec::new(),
            },
        };
        view.sections.insert(section.to_owned(), rows);
    }
    let takes_software = !outranked("softwares");
    let from_other = others.contains("softwares");
    let (added, removed) = match takes_software {
        false => (Vec::new(), Vec::new()),
        true if from_other => take_over_software(tx, arrival, &before)?,
        true => (programs(&changes.software.added), programs(&changes.software.removed)),
    };
    let count = arrival.inventory.sections.get("softwares").map(Vec::len).or(changes.removed.iter().any(|r| r == "softwares").then_some(0));
    Ok(Some(DeviceWrite {
        summary: summary(&view),
        logins: logins(view.rows("users")),
        software_added: added,
        software_since: if changes.is_first("softwares") || from_other { Timestamp(0) } else { now },
        software_removed: removed,
        software_count: count.filter(|_| takes_software).and_then(|n| i64::try_from(n).ok()),
    }))
}

/// The searched programs change hands: those of the former source that are not in the new list go.
fn take_over_software(tx: &mut Tx, arrival: &Arrival, before: &[StoredSection]) -> Result<(Vec<Software>, Vec<Software>), Error> {
    let Some(new) = arrival.sections.iter().find(|s| s.section == "softwares") else { return Ok((Vec::new(), Vec::new())) };
    let Some(source) = before.iter().find(|s| s.section == "softwares") else { return Ok((Vec::new(), Vec::new())) };
    let old = tx.section_facts(source.agent, "softwares")?.unwrap_or_default();
    let list = |facts: &[u8]| -> BTreeSet<Software> {
        programs(&serde_json::from_slice::<Vec<Row>>(facts).unwrap_or_default()).into_iter().collect()
    };
    let (old, new) = (list(&old), list(&new.facts));
    Ok((new.difference(&old).cloned().collect(), old.difference(&new).cloned().collect()))
}

pub(crate) fn programs(rows: &[Row]) -> Vec<Software> {
    let get = |row: &Row, field: &str| text(row, field).unwrap_or("").to_owned();
    rows.iter()
        .map(|row| Software {
            name: get(row, "name"),
            version: get(row, "version"),
            publisher: get(row, "publisher"),
            arch: get(row, "arch"),
        })
        .filter(|s| !s.name.is_empty())
        .collect()
}

pub(crate) fn logins(rows: &[Row]) -> Vec<String> {
    let names: BTreeSet<String> = rows.iter().filter_map(|r| text(r, "login").or_else(|| text(r, "name"))).map(str::to_owned).collect();
    names.into_iter().take(1_000).collect()
}
