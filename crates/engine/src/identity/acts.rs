//! What people do about identity: merge, split, undo, and the page that shows how a device is known.
//!
//! An act moves agents; their history goes with them. `verified` stays with each agent. A merged device is hidden, not removed.

use super::candidates::{CandidateView, notice, open_of, pair};
use super::{log, moved, named};
use crate::audit::{Object, record};
use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::fleet::{DeviceDetail, agent_online, device_view, found, limited, settings};
use crate::rebuild::{programs_of, rebuild_after};
use crate::work;
use muster_core::access::Role;
use muster_core::fleet::{
    Agent, CandidateKind, CandidateState, Device, DoubleCandidate, Evidence, IdentityAct, IdentityEntry, MovedAgent, NamedDevice, sentence,
    weigh,
};
use muster_core::ids::{AgentId, DeviceId, IdentityLogId};
use muster_core::limits::NAME_CHARS_MAX;
use muster_core::tasks::why::Sentence;
use muster_store::{Rx, Tx};
use serde_json::json;

/// Devices that one merge may take in.
pub const MERGED_AT_ONCE_MAX: usize = 50;
/// Entries of the log that are shown.
const LOG_SHOWN: usize = 100;

/// An agent of a device with what it told of itself.
#[derive(Clone, Debug)]
pub struct KnownAgent {
    /// The agent.
    pub agent: Agent,
    /// Whether it was heard recently.
    pub online: bool,
    /// What it is known by.
    pub evidence: Vec<Evidence>,
}

/// How a device is known.
#[derive(Clone, Debug)]
pub struct IdentityView {
    /// The device.
    pub device: Device,
    /// Its agents, the one it is shown with first.
    pub agents: Vec<KnownAgent>,
    /// Open candidates.
    pub candidates: Vec<CandidateView>,
    /// What was joined and parted, the newest first, each with whether it can be taken back.
    pub log: Vec<(IdentityEntry, bool)>,
}

/// How a device is known: agents, evidence, candidates, log.
pub fn identity_view(rx: &mut Rx, cx: &Cx, id: DeviceId) -> Result<IdentityView, Error> {
    let device = found(rx, cx, id)?;
    let (_, settings) = settings(rx, cx.org)?;
    let mut all = rx.agents_of(id)?;
    all.sort_by_key(|a| (Some(a.id) != device.agent, a.protocol, a.id));
    let mut agents = Vec::with_capacity(all.len());
    for agent in all {
        let mut evidence: Vec<Evidence> = rx.evidence_by(agent.id)?.into_iter().map(|k| k.evidence).collect();
        evidence.sort();
        agents.push(KnownAgent { online: agent_online(&agent, &settings, cx.now), agent, evidence });
    }
    let candidates = open_of(rx, cx, id)?;
    let mut log = Vec::new();
    for entry in rx.identity_log(cx.org, id, LOG_SHOWN)? {
        let can_undo = hindrance(rx, cx, &entry)?.is_none();
        log.push((entry, can_undo));
    }
    Ok(IdentityView { device, agents, candidates, log })
}

fn by_person(cx: &Cx) -> Sentence {
    sentence("by_person", json!({"by": cx.name}), format!("{} said so.", cx.name))
}

/// Makes devices one: the agents of `from` join `into` with their history; `from` disappear from lists. What waits for them is
/// cancelled, saying why. No agent gains trust.
pub fn device_merge(tx: &mut Tx, cx: &Cx, into: DeviceId, from: &[DeviceId]) -> Result<DeviceDetail, Error> {
    let target = found(tx, cx, into)?;
    cx.may_here(Role::Operator, "merging devices")?;
    let mut unique = from.to_vec();
    unique.sort_unstable();
    unique.dedup();
    if from.is_empty() || from.len() > MERGED_AT_ONCE_MAX || unique.len() != from.len() || from.contains(&into) {
        let detail = format!("name 1 to {MERGED_AT_ONCE_MAX} devices, each once, and not the one they join");
        return Err(Error::invalid("identity/invalid", "/from", detail));
    }
    for id in from {
        let source = found(tx, cx, *id)?;
        let agents = tx.agents_of(*id)?;
        let all: Vec<MovedAgent> = agents.iter().map(moved).collect();
        swallow(tx, cx, &source, &target, &all)?;
        let devices = (Some(NamedDevice { id: *id, name: source.name.clone() }), Some(NamedDevice { id: into, name: target.name.clone() }));
        log(tx, cx, cx.org, IdentityAct::Merge, &all, devices, by_person(cx))?;
        settle_pair(tx, cx, *id, into, CandidateState::Merged)?;
        let after = json!({"into": into, "agents": agents.iter().map(|a| a.id).collect::<Vec<_>>()});
        record(tx, cx, Some(cx.org), "device_merge", Object { kind: "device", id: Some(id.0), name: &source.name }, None, Some(after))?;
    }
    notice(tx, cx, cx.org, into)?;
    device_view(tx, cx, into)
}

/// One device becomes part of another: its agents move, what waits for it ends, it is hidden.
fn swallow(tx: &mut Tx, cx: &Cx, source: &Device, target: &Device, agents: &[MovedAgent]) -> Result<(), Error> {
    tx.devices_fence(&[source.id, target.id])?;
    work::cancel_of_merged(tx, cx, source.id, target.id)?;
    move_agents(tx, cx, source.id, target.id, agents)?;
    Ok(tx.device_merged(cx.org, source.id, Some(target.id))?)
}

fn move_agents(tx: &mut Tx, cx: &Cx, from: DeviceId, to: DeviceId, agents: &[MovedAgent]) -> Result<(), Error> {
    let before = programs_of(tx, &[from, to])?;
    let ids: Vec<AgentId> = agents.iter().map(|a| a.id).collect();
    tx.agents_move(from, to, &ids)?;
    rebuild_after(tx, cx.org, to, &before)?;
    rebuild_after(tx, cx.org, from, &before)
}

/// Says of all candidates of a pair what became of them.
fn settle_pair(tx: &mut Tx, cx: &Cx, a: DeviceId, b: DeviceId, state: CandidateState) -> Result<(), Error> {
    let devices = pair(a, b);
    for candidate in tx.candidates_of(a)?.into_iter().filter(|c| c.devices == devices && c.state != state) {
        tx.candidate_state(candidate.id, state, None, cx.now)?;
    }
    Ok(())
}

/// Parts agents from a device: they and their history become a device of their own. At least one agent stays.
pub fn device_split(tx: &mut Tx, cx: &Cx, id: DeviceId, agents: &[AgentId], name: Option<&str>) -> Result<DeviceDetail, Error> {
    let source = found(tx, cx, id)?;
    cx.may_here(Role::Operator, "splitting devices")?;
    let name = name.map(str::trim).filter(|n| !n.is_empty());
    limited("/name", name.unwrap_or(""), NAME_CHARS_MAX)?;
    let own = tx.agents_of(id)?;
    let parted: Vec<Agent> = own.iter().filter(|a| agents.contains(&a.id)).cloned().collect();
    if let Some(strange) = agents.iter().find(|a| own.iter().all(|o| o.id != **a)) {
        return Err(Error::invalid("identity/invalid", "/agents", format!("agent {strange} does not speak for this device")));
    }
    if parted.is_empty() || parted.len() == own.len() {
        let detail = format!("name at least one and not all of the {} agents of this device", own.len());
        return Err(Error::invalid("identity/invalid", "/agents", detail));
    }
    let new = cx.id::<DeviceId>();
    tx.device_insert(new, cx.org, name.unwrap_or(&source.name), cx.now)?;
    if let Some(name) = name {
        tx.device_named(new, name)?;
    }
    tx.device_first_seen(new, parted.iter().map(|a| a.first_contact).min().unwrap_or(cx.now))?;
    tx.groups_copy(cx.org, id, new)?;
    tx.devices_fence(&[id, new])?;
    let all: Vec<MovedAgent> = parted.iter().map(moved).collect();
    move_agents(tx, cx, id, new, &all)?;
    let to = named(tx, cx.org, new)?;
    log(tx, cx, cx.org, IdentityAct::Split, &all, (Some(NamedDevice { id, name: source.name.clone() }), to), by_person(cx))?;
    apart(tx, cx, id, new)?;
    let after = json!({"device": new, "agents": parted.iter().map(|a| a.id).collect::<Vec<_>>()});
    record(tx, cx, Some(cx.org), "device_split", Object { kind: "device", id: Some(id.0), name: &source.name }, None, Some(after))?;
    device_view(tx, cx, new)
}

/// Notes that a person parted two devices, so that they are not proposed to be one the next day.
fn apart(tx: &mut Tx, cx: &Cx, a: DeviceId, b: DeviceId) -> Result<(), Error> {
    let list =
        |tx: &mut Tx, device| -> Result<Vec<Evidence>, Error> { Ok(tx.evidence_of(device)?.into_iter().map(|k| k.evidence).collect()) };
    let fit = weigh(&list(tx, a)?, &list(tx, b)?);
    let candidate = DoubleCandidate {
        id: cx.id(),
        org: cx.org,
        at: cx.now,
        kind: CandidateKind::Duplicate,
        devices: pair(a, b),
        points: fit.points,
        evidence: fit.weights,
        state: CandidateState::Dismissed,
        reason: sentence("parted", json!({"by": cx.name}), format!("{} parted them.", cx.name)),
        note: None,
    };
    Ok(tx.candidate_note(&candidate)?)
}

/// Why an entry of the log cannot be taken back; `None` when it can.
fn hindrance(rx: &mut Rx, cx: &Cx, entry: &IdentityEntry) -> Result<Option<String>, Error> {
    let (Some(from), Some(to)) = (&entry.from, &entry.to) else {
        return Ok(Some(format!("a '{}' is not undone; split the device", entry.act)));
    };
    if !matches!(entry.act, IdentityAct::Merge | IdentityAct::Split) {
        return Ok(Some(format!("only a merge or a split can be undone, not '{}'", entry.act)));
    }
    if entry.undone {
        return Ok(Some("it was undone already".to_owned()));
    }
    for device in [to, from] {
        let hidden = device.id == from.id && entry.act == IdentityAct::Merge;
        if !hidden && rx.device(cx.org, device.id)?.is_none() {
            let why = match rx.merged_into(cx.org, device.id)? {
                Some(into) => format!("was merged into '{}' since; undo that first", into.name),
                None => "was removed since".to_owned(),
            };
            return Ok(Some(format!("'{}' {why}", device.name)));
        }
    }
    if entry.act == IdentityAct::Merge && !rx.is_merged_into(from.id, to.id)? {
        return Ok(Some(format!("'{}' is not part of '{}' any more", from.name, to.name)));
    }
    let there = rx.agents_of(to.id)?;
    if let Some(gone) = entry.agents.iter().find(|a| there.iter().all(|t| t.id != a.id)) {
        let name = gone.foreign_id.clone().unwrap_or_else(|| gone.id.to_string());
        return Ok(Some(format!("agent {name} does not speak for '{}' any more", to.name)));
    }
    if entry.act == IdentityAct::Split && there.len() != entry.agents.len() {
        return Ok(Some(format!("'{}' has got other agents since; merge the two instead", to.name)));
    }
    Ok(None)
}

/// Takes a merge or a split back, unless later changes leave open what that would mean. Gives the device to look at: that which
/// the agents leave or return to.
pub fn identity_undo(tx: &mut Tx, cx: &Cx, id: IdentityLogId) -> Result<DeviceDetail, Error> {
    cx.may_here(Role::Viewer, "looking at devices")?;
    let entry = tx.identity_entry(cx.org, id)?.ok_or_else(|| Error::not_found("identity/not-found", "act of identity", id))?;
    cx.may_here(Role::Operator, "undoing merges and splits")?;
    let (Some(from), Some(to)) = (entry.from.clone(), entry.to.clone()) else { return Err(cannot(&entry, "nothing was moved")) };
    if let Some(why) = hindrance(tx, cx, &entry)? {
        return Err(cannot(&entry, &why));
    }
    let looked_at = match entry.act {
        IdentityAct::Merge => {
            tx.devices_fence(&[from.id, to.id])?;
            tx.device_merged(cx.org, from.id, None)?;
            move_agents(tx, cx, to.id, from.id, &entry.agents)?;
            settle_pair(tx, cx, from.id, to.id, CandidateState::Open)?;
            to.id
        }
        _ => {
            let (parted, home) = (found(tx, cx, to.id)?, found(tx, cx, from.id)?);
            swallow(tx, cx, &parted, &home, &entry.agents)?;
            settle_pair(tx, cx, from.id, to.id, CandidateState::Merged)?;
            from.id
        }
    };
    tx.identity_undone(id)?;
    for device in [from.id, to.id] {
        notice(tx, cx, cx.org, device)?;
    }
    let reason = sentence("undone", json!({"by": cx.name, "act": entry.act.as_str()}), format!("{} undid the {}.", cx.name, entry.act));
    log(tx, cx, cx.org, IdentityAct::Undo, &entry.agents, (Some(to), Some(from.clone())), reason)?;
    let after = json!({"act": entry.act.as_str(), "entry": id});
    record(tx, cx, Some(cx.org), "identity_undo", Object { kind: "device", id: Some(from.id.0), name: &from.name }, None, Some(after))?;
    device_view(tx, cx, looked_at)
}

fn cannot(entry: &IdentityEntry, why: &str) -> Error {
    Error::new(Kind::Conflict, "identity/cannot-undo", format!("this {} cannot be undone: {why}", entry.act))
}
