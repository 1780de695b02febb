//! Devices and agents as people see and change them.

use crate::audit::{Object, record};
use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::moves;
use muster_core::access::Role;
use muster_core::fleet::{Agent, Device, KnownEvidence, Quarantine, StoredSection, WakeTry, capacity_name, is_online};
use muster_core::ids::{AgentId, DeviceId, GroupId, OrgId};
use muster_core::inventory::{Row, is_single};
use muster_core::limits::{CAPACITIES_MAX, NAME_CHARS_MAX, NOTES_CHARS_MAX};
use muster_core::page::{Page, PageRequest};
use muster_core::settings::Settings;
use muster_core::time::Timestamp;
use muster_store::{AgentFilter, DeviceFilter, Rx, Tx};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A device with its agents, and whether it is online.
#[derive(Clone, Debug)]
pub struct DeviceView {
    /// The device.
    pub device: Device,
    /// Its organization's name.
    pub org_name: String,
    /// Whether any of its agents was heard recently.
    pub online: bool,
}

/// All that is known of one device.
#[derive(Clone, Debug)]
pub struct DeviceDetail {
    /// The device.
    pub view: DeviceView,
    /// Its agents, the one it is shown with first.
    pub agents: Vec<Agent>,
    /// Its sections, each from its source agent.
    pub sections: Vec<StoredSection>,
    /// By what it is known.
    pub evidence: Vec<KnownEvidence>,
    /// The groups it is in, by name.
    pub groups: Vec<(GroupId, String)>,
    /// How many assignments are open.
    pub open_assignments: i64,
}

/// Since when a device must have been heard to count as online, by the organization's settings.
pub fn online_since(settings: &Settings, now: Timestamp) -> Timestamp {
    let period = settings.contact_every.0;
    now.minus(period + period / 2 + settings.offline_after.0)
}

pub(crate) fn settings(rx: &mut Rx, org: OrgId) -> Result<(String, Settings), Error> {
    let org = rx.org(org)?.ok_or_else(|| Error::not_found("org/not-found", "organization", org))?;
    Ok((org.name, org.settings))
}

/// Whether an agent counts as online.
pub fn agent_online(agent: &Agent, settings: &Settings, now: Timestamp) -> bool {
    is_online(agent.last_contact, settings.contact_every.0, settings.offline_after.0, now)
}

/// A page of devices. `online` is turned into instants by the organization's settings.
pub fn device_list(
    rx: &mut Rx,
    cx: &Cx,
    mut filter: DeviceFilter,
    online: Option<bool>,
    page: &PageRequest,
) -> Result<Page<DeviceView>, Error> {
    cx.may_here(Role::Viewer, "listing devices")?;
    let (org_name, settings) = settings(rx, cx.org)?;
    let since = online_since(&settings, cx.now);
    filter.heard_since = online.map(|yes| if yes { Ok(since) } else { Err(since) });
    let devices = rx.devices(cx.org, &filter, page)?;
    Ok(devices.map(|device| view(device, &org_name, since)))
}

fn view(device: Device, org_name: &str, since: Timestamp) -> DeviceView {
    let online = device.last_contact.is_some_and(|at| at >= since);
    DeviceView { device, org_name: org_name.to_owned(), online }
}

pub(crate) fn found(rx: &mut Rx, cx: &Cx, id: DeviceId) -> Result<Device, Error> {
    cx.may_here(Role::Viewer, "looking at devices")?;
    match rx.device(cx.org, id)? {
        Some(device) => Ok(device),
        None => Err(gone(rx, cx, id)?),
    }
}

/// Why a device is not there: it was merged, with the one to look at instead, or nobody knows it.
fn gone(rx: &mut Rx, cx: &Cx, id: DeviceId) -> Result<Error, Error> {
    Ok(match rx.merged_into(cx.org, id)? {
        Some(into) => {
            let detail = format!("this device was merged into '{}'; look at {}", into.name, into.id);
            Error::new(Kind::NotFound, "device/merged", detail).with("into", json!(into))
        }
        None => Error::not_found("device/not-found", "device", id),
    })
}

/// Refuses unless the device exists for the caller.
pub fn device_known(rx: &mut Rx, cx: &Cx, id: DeviceId) -> Result<(), Error> {
    found(rx, cx, id).map(|_| ())
}

/// All that is known of one device.
pub fn device_view(rx: &mut Rx, cx: &Cx, id: DeviceId) -> Result<DeviceDetail, Error> {
    let device = found(rx, cx, id)?;
    let (org_name, settings) = settings(rx, cx.org)?;
    let shown = device.agent;
    let mut agents = rx.agents_of(id)?;
    agents.sort_by_key(|a| (Some(a.id) != shown, a.protocol));
    let sections = source_sections(rx, &agents)?;
    let evidence = rx.evidence_of(id)?;
    let groups = rx.groups_of(id)?;
    let filter = muster_store::AssignmentFilter { open: true, device: Some(id), ..muster_store::AssignmentFilter::default() };
    let open_assignments = rx.assignments_count(cx.org, &filter)?;
    let view = view(device, &org_name, online_since(&settings, cx.now));
    Ok(DeviceDetail { view, agents, sections, evidence, groups, open_assignments })
}

/// Per section the one agent whose data are shown: that of the first rank.
pub fn source_sections(rx: &mut Rx, agents: &[Agent]) -> Result<Vec<StoredSection>, Error> {
    let ids: Vec<AgentId> = agents.iter().map(|a| a.id).collect();
    let rank = |id: AgentId| agents.iter().find(|a| a.id == id).map(Agent::rank);
    let mut best: BTreeMap<String, StoredSection> = BTreeMap::new();
    for section in rx.sections(&ids)? {
        match best.get(&section.section) {
            Some(have) if rank(have.agent) <= rank(section.agent) => {}
            _ => drop(best.insert(section.section.clone(), section)),
        }
    }
    Ok(best.into_values().collect())
}

/// The inventory of a device in the shape of the GLPI inventory format, of all sections or the named ones.
pub fn device_inventory(rx: &mut Rx, cx: &Cx, id: DeviceId, wanted: &[String]) -> Result<(Device, Map<String, Value>), Error> {
    let device = found(rx, cx, id)?;
    let agents = rx.agents_of(id)?;
    let mut readings: BTreeMap<AgentId, BTreeMap<String, Vec<Row>>> = BTreeMap::new();
    for agent in &agents {
        if let Some(document) = rx.readings(agent.id)? {
            readings.insert(agent.id, serde_json::from_slice(&document).unwrap_or_default());
        }
    }
    let mut sections = Map::new();
    for stored in source_sections(rx, &agents)? {
        if !wanted.is_empty() && !wanted.contains(&stored.section) {
            continue;
        }
        // The readings hold the whole rows of those sections that have any.
        let rows: Vec<Row> = match readings.get(&stored.agent).and_then(|r| r.get(&stored.section)) {
            Some(rows) => rows.clone(),
            None => {
                let facts = rx.section_facts(stored.agent, &stored.section)?.unwrap_or_default();
                serde_json::from_slice(&facts).unwrap_or_default()
            }
        };
        let single = is_single(&stored.section);
        let value = if single { json!(rows.into_iter().next().unwrap_or_default()) } else { json!(rows) };
        sections.insert(stored.section, value);
    }
    Ok((device, sections))
}

/// What a person may change of a device.
#[derive(Clone, Debug, Default)]
pub struct DevicePatch {
    /// A name that stays, whatever the agent says.
    pub name: Option<String>,
    /// A tag that stays, whatever the agent says; empty removes it.
    pub tag: Option<String>,
    /// Notes; empty removes them.
    pub notes: Option<String>,
    /// Whether its agents are trusted to obey.
    pub verified: Option<bool>,
    /// The organization it is moved to, by name or id.
    pub org: Option<String>,
}

pub(crate) fn limited(pointer: &str, text: &str, chars_max: usize) -> Result<(), Error> {
    if text.chars().count() > chars_max || text.contains('\0') {
        return Err(Error::invalid("device/invalid", pointer, format!("this text has more than {chars_max} characters")));
    }
    Ok(())
}

/// Changes a device; `version` as read, when the caller insists.
pub fn device_update(tx: &mut Tx, cx: &Cx, id: DeviceId, patch: &DevicePatch, version: Option<i64>) -> Result<DeviceView, Error> {
    let mut device = found(tx, cx, id)?;
    cx.may_here(Role::Operator, "changing devices")?;
    if version.is_some_and(|v| v != device.version) {
        return Err(Error::stale("device"));
    }
    let to = patch.org.as_deref().map(|named| moves::destination(tx, cx, "/org", named)).transpose()?;
    let shown = |d: &Device| json!({"name": d.name, "tag": d.tag, "notes": d.notes, "verified": d.verified});
    let before = shown(&device);
    if let Some(name) = &patch.name {
        limited("/name", name, NAME_CHARS_MAX)?;
        if name.trim().is_empty() {
            return Err(Error::invalid("device/invalid", "/name", "a device needs a name"));
        }
        device.name = name.trim().to_owned();
    }
    if let Some(tag) = &patch.tag {
        limited("/tag", tag, NAME_CHARS_MAX)?;
        device.tag = Some(tag.trim().to_owned()).filter(|t| !t.is_empty());
    }
    if let Some(notes) = &patch.notes {
        limited("/notes", notes, NOTES_CHARS_MAX)?;
        device.notes = Some(notes.clone()).filter(|n| !n.is_empty());
    }
    device.verified = patch.verified.unwrap_or(device.verified);
    let given_name = patch.name.as_ref().map(|_| device.name.clone());
    let given_tag = patch.tag.as_ref().map(|_| device.tag.clone().unwrap_or_default());
    if !tx.device_update(&device, given_name.as_deref(), given_tag.as_deref())? {
        return Err(Error::stale("device"));
    }
    if let Some(verified) = patch.verified {
        tx.device_trust(id, verified)?;
        tx.book_now(cx.org, cx.now)?;
        crate::rebuild::reorder(tx, cx.org, id)?;
    }
    device.version += 1;
    let object = Object { kind: "device", id: Some(id.0), name: &device.name };
    record(tx, cx, Some(cx.org), "device_update", object, Some(before), Some(shown(&device)))?;
    if let Some(to) = to.filter(|to| to.id != cx.org) {
        device = moves::device(tx, cx, &device, &to)?;
    }
    let (org_name, settings) = settings(tx, device.org)?;
    Ok(view(device, &org_name, online_since(&settings, cx.now)))
}

/// Removes a device with its agents and history. What still waits for it is cancelled.
pub fn device_delete(tx: &mut Tx, cx: &Cx, id: DeviceId) -> Result<(), Error> {
    let device = found(tx, cx, id)?;
    cx.may_here(Role::Operator, "removing devices")?;
    crate::work::cancel_of_device(tx, cx, id)?;
    tx.device_delete(cx.org, id)?;
    record(tx, cx, Some(cx.org), "device_delete", Object { kind: "device", id: Some(id.0), name: &device.name }, None, None)
}

/// An agent with its device's name, and whether it is online.
#[derive(Clone, Debug)]
pub struct AgentView {
    /// The agent.
    pub agent: Agent,
    /// Its device's name.
    pub device_name: String,
    /// Whether it was heard recently.
    pub online: bool,
    /// How many documents that came unasked are kept of it; `None` where that was not looked up.
    pub kept_documents: Option<i64>,
}

/// A page of agents.
pub fn agent_list(
    rx: &mut Rx,
    cx: &Cx,
    mut filter: AgentFilter,
    online: Option<bool>,
    page: &PageRequest,
) -> Result<Page<AgentView>, Error> {
    cx.may_here(Role::Viewer, "listing agents")?;
    let (_, settings) = settings(rx, cx.org)?;
    let since = online_since(&settings, cx.now);
    filter.heard_since = online.map(|yes| if yes { Ok(since) } else { Err(since) });
    let page = rx.agents(cx.org, &filter, page)?;
    Ok(page.map(|(agent, device_name)| AgentView {
        online: agent.last_contact.is_some_and(|at| at >= since),
        agent,
        device_name,
        kept_documents: None,
    }))
}

/// One agent.
pub fn agent_view(rx: &mut Rx, cx: &Cx, id: AgentId) -> Result<AgentView, Error> {
    cx.may_here(Role::Viewer, "looking at agents")?;
    let agent = rx.agent(id)?.filter(|a| a.org == cx.org).ok_or_else(|| Error::not_found("agent/not-found", "agent", id))?;
    let (_, settings) = settings(rx, cx.org)?;
    let device_name = rx.device(cx.org, agent.device)?.map(|d| d.name).unwrap_or_default();
    let kept_documents = Some(rx.documents_count(id)?);
    Ok(AgentView { online: agent_online(&agent, &settings, cx.now), agent, device_name, kept_documents })
}

/// What a person may change of an agent.
#[derive(Clone, Debug, Default)]
pub struct AgentPatch {
    /// Whether it may obey.
    pub verified: Option<bool>,
    /// What it may be asked for.
    pub modules: Option<Vec<String>>,
    /// Actions it is not asked for, by name; replaces the list so far.
    pub disabled: Option<Vec<String>>,
    /// Whether it is shut out of all work, and why.
    pub quarantine: Option<Option<String>>,
}

/// Notes an agent's quarantine; one that goes on keeps when it began.
fn quarantined(agent: &Agent, reason: Option<&str>, cx: &Cx) -> Result<Option<Quarantine>, Error> {
    let Some(reason) = reason else { return Ok(None) };
    limited("/reason", reason, NOTES_CHARS_MAX)?;
    let since = agent.quarantine.as_ref().map_or(cx.now, |it| it.since);
    Ok(Some(Quarantine { since, by: cx.name.clone(), reason: reason.trim().to_owned() }))
}

fn disabled_checked(disabled: &[String]) -> Result<Vec<String>, Error> {
    let bad = |detail: String| Error::invalid("agent/invalid", "/disabled", detail);
    let name =
        |text: &String| capacity_name(text).ok_or_else(|| bad(format!("'{text}' is no name of an action, such as inventory or deploy")));
    let mut names = disabled.iter().map(name).collect::<Result<Vec<_>, _>>()?;
    names.sort_unstable();
    names.dedup();
    if names.len() > CAPACITIES_MAX {
        return Err(bad(format!("{} actions; at most {CAPACITIES_MAX} can be switched off", names.len())));
    }
    Ok(names)
}

/// Changes an agent; `version` as read, when the caller insists.
pub fn agent_update(tx: &mut Tx, cx: &Cx, id: AgentId, patch: &AgentPatch, version: Option<i64>) -> Result<AgentView, Error> {
    let mut view = agent_view(tx, cx, id)?;
    cx.may_here(Role::Operator, "changing agents")?;
    if version.is_some_and(|v| v != view.agent.version_no) {
        return Err(Error::stale("agent"));
    }
    let shown = |a: &Agent| {
        let quarantine = a.quarantine.as_ref().map(|it| it.reason.as_str());
        json!({"verified": a.verified, "modules": a.modules, "disabled": a.disabled, "quarantine": quarantine})
    };
    let before = shown(&view.agent);
    view.agent.verified = patch.verified.unwrap_or(view.agent.verified);
    if let Some(modules) = &patch.modules {
        if modules.len() > 50 || modules.iter().any(|m| m.is_empty() || m.len() > 60) {
            return Err(Error::invalid("agent/invalid", "/modules", "at most 50 modules, each of 1 to 60 characters"));
        }
        view.agent.modules.clone_from(modules);
    }
    if let Some(disabled) = &patch.disabled {
        view.agent.disabled = disabled_checked(disabled)?;
    }
    if let Some(reason) = &patch.quarantine {
        view.agent.quarantine = quarantined(&view.agent, reason.as_deref(), cx)?;
    }
    if !tx.agent_update(&view.agent)? {
        return Err(Error::stale("agent"));
    }
    crate::rebuild::reorder(tx, cx.org, view.agent.device)?;
    tx.book_now(cx.org, cx.now)?;
    view.agent.version_no += 1;
    let object = Object { kind: "agent", id: Some(id.0), name: &view.device_name };
    record(tx, cx, Some(cx.org), "agent_update", object, Some(before), Some(shown(&view.agent)))?;
    Ok(view)
}

/// The wake-ups of an agent, the newest first.
pub fn wake_list(rx: &mut Rx, cx: &Cx, id: AgentId, page: &PageRequest) -> Result<Page<WakeTry>, Error> {
    agent_view(rx, cx, id)?;
    Ok(rx.wakes(id, page)?)
}
