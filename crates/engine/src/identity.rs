//! Who is who: which agent an inventory comes from, and which device that agent speaks for.
//!
//! Pairs of devices that may be one are in [`candidates`], what people do about them in [`acts`]. Absent on purpose: the rules of
//! evidence (`muster_core::fleet::identity`) and what an inventory changes (`intake`).

pub mod acts;
pub mod candidates;

pub(crate) use candidates::notice;

use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::intake::Arrival;
use crate::schedules::{self, Happened};
use muster_core::fleet::{
    Agent, Evidence, EvidenceKind, Fit, IdentityAct, IdentityEntry, MovedAgent, NamedDevice, NewAgent, Protocol, Rival, Standing,
    VerifiedBy, contradicts, hardware_evidence, is_online, kin, name_evidence, sentence, speaker, standing, summary, weigh,
};
use muster_core::ids::{DeviceId, OrgId};
use muster_core::inventory::{Completeness, Inventory, Row, text};
use muster_core::settings::Settings;
use muster_core::tasks::why::Sentence;
use muster_core::time::Timestamp;
use muster_store::{Rx, Tx};
use serde_json::json;
use std::time::Duration;

/// By what the agent may be recognised: what came, and of what did not come what we hold; sorted.
fn evidence(tx: &mut Tx, agent: &Agent, arrival: &Arrival) -> Result<Vec<Evidence>, Error> {
    let mut view = Inventory::empty(Completeness::Partial);
    for section in ["hardware", "bios", "networks"] {
        let rows = match arrival.told.section(section) {
            Some(_) => arrival.told.rows(section),
            None => serde_json::from_slice(&tx.section_facts(agent.id, section)?.unwrap_or_default()).unwrap_or_default(),
        };
        view.sections.insert(section.to_owned(), rows);
    }
    let mut found = hardware_evidence(&view);
    let ids = [(EvidenceKind::Deviceid, &agent.foreign_id), (EvidenceKind::AgentId, &agent.glpi_id)];
    found.extend(ids.into_iter().filter_map(|(kind, id)| id.clone().map(|value| Evidence { kind, value })));
    if let Some(key) = &agent.public_key {
        found.push(Evidence { kind: EvidenceKind::Key, value: blake3::hash(key).to_hex()[..16].to_owned() });
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Keeps what an inventory tells of who its agent is. Only when that changed, other devices are looked at.
pub(crate) fn learned(tx: &mut Tx, cx: &Cx, agent: &Agent, arrival: &Arrival) -> Result<(), Error> {
    let found = evidence(tx, agent, arrival)?;
    let mut held: Vec<Evidence> = tx.evidence_by(agent.id)?.into_iter().map(|k| k.evidence).collect();
    held.sort();
    if found == held {
        return Ok(());
    }
    tx.evidence_replace(agent.org, agent.id, &found)?;
    notice(tx, cx, agent.org, agent.device)
}

/// The agent an inventory comes from: a known one, or one made known now.
pub(crate) fn sender(tx: &mut Tx, cx: &Cx, arrival: &Arrival) -> Result<(Agent, bool), Error> {
    if let Some(id) = arrival.own {
        return Ok((crate::contact::own(tx, id)?, false));
    }
    let foreign_id =
        arrival.foreign_id.as_deref().ok_or_else(|| Error::new(Kind::Invalid, "inventory/no-deviceid", "an inventory needs a DEVICEID"))?;
    let host = told_host(arrival);
    let holders = tx.agents_foreign(cx.org, foreign_id, kin(arrival.protocol))?;
    let known = match holder(tx, &holders, &host, arrival)? {
        None if holders.is_empty() => renamed(tx, cx, arrival, foreign_id, &host)?,
        known => known,
    };
    if let Some(mut agent) = known {
        if agent.protocol != arrival.protocol || (arrival.glpi_id.is_some() && agent.glpi_id != arrival.glpi_id) {
            tx.agent_speaks(agent.id, arrival.protocol, arrival.glpi_id.as_deref())?;
            if agent.protocol != arrival.protocol {
                crate::rebuild::reorder(tx, agent.org, agent.device)?;
            }
            agent.protocol = arrival.protocol;
            agent.glpi_id = arrival.glpi_id.clone().or(agent.glpi_id);
        }
        return Ok((agent, false));
    }
    let agent = newcomer(tx, cx, arrival, foreign_id, &host, &holders)?;
    Ok((agent, true))
}

/// What an inventory tells of the hardware and the name of its host.
fn told_host(arrival: &Arrival) -> Vec<Evidence> {
    let told = arrival.view(&["hardware", "bios", "networks"]);
    let mut host = hardware_evidence(&told);
    host.extend(told.text("hardware", "name").and_then(name_evidence));
    host
}

/// The known agent an inventory comes from, without making anything known. `None` when that takes more than a look.
pub(crate) fn known_sender(rx: &mut Rx, org: OrgId, arrival: &Arrival) -> Result<Option<Agent>, Error> {
    let known = match (arrival.own, &arrival.foreign_id) {
        (Some(id), _) => return Ok(Some(crate::contact::own(rx, id)?)),
        (None, Some(id)) => {
            let holders = rx.agents_foreign(org, id, kin(arrival.protocol))?;
            if holders.is_empty() { None } else { holder(rx, &holders, &told_host(arrival), arrival)? }
        }
        (None, None) => None,
    };
    // An agent that speaks another way now is changed first.
    Ok(known.filter(|a| a.protocol == arrival.protocol && (arrival.glpi_id.is_none() || a.glpi_id == arrival.glpi_id)))
}

/// Of the agents with this DEVICEID the one that the hardware does not contradict and fits best.
fn holder(rx: &mut Rx, holders: &[Agent], host: &[Evidence], arrival: &Arrival) -> Result<Option<Agent>, Error> {
    let mut fitting: Vec<(i32, Agent)> = Vec::new();
    for agent in holders {
        let held: Vec<Evidence> = rx.evidence_by(agent.id)?.into_iter().map(|k| k.evidence).collect();
        if !contradicts(host, &held) {
            fitting.push((weigh(host, &held).points, agent.clone()));
        }
    }
    let Some(most) = fitting.iter().map(|(points, _)| *points).max() else { return Ok(None) };
    let best: Vec<Agent> = fitting.into_iter().filter(|(points, _)| *points == most).map(|(_, agent)| agent).collect();
    let address = arrival.source.map(|ip| ip.to_canonical().to_string());
    Ok(speaker(&best, address.as_deref()).cloned())
}

/// A GLPI agent that comes with another DEVICEID from the same hardware is the same agent.
fn renamed(tx: &mut Tx, cx: &Cx, arrival: &Arrival, foreign_id: &str, host: &[Evidence]) -> Result<Option<Agent>, Error> {
    let Some(glpi_id) = &arrival.glpi_id else { return Ok(None) };
    for mut agent in tx.agents_glpi(cx.org, glpi_id)? {
        if !kin(arrival.protocol).contains(&agent.protocol) {
            continue;
        }
        let settings = settings(tx, agent.org)?;
        let mut held: Vec<Evidence> = tx.evidence_by(agent.id)?.into_iter().map(|k| k.evidence).collect();
        held.extend(names(tx, std::slice::from_ref(&agent))?);
        let rival = if is_alive(&agent, &settings, cx.now) { Rival::Alive } else { Rival::Silent };
        if standing(host, &held, rival).0 != Standing::Same {
            continue;
        }
        let old = agent.foreign_id.replace(foreign_id.to_owned());
        tx.agent_renamed(agent.id, foreign_id, 0)?;
        let text = format!("It had the id {} and is known by its agent id {glpi_id}.", old.as_deref().unwrap_or("none"));
        let reason = sentence("same_agent_id", json!({"before": old, "agent_id": glpi_id}), text);
        let device = named(tx, agent.org, agent.device)?;
        log(tx, cx, agent.org, IdentityAct::RenamedAgent, &[moved(&agent)], (device.clone(), device), reason)?;
        return Ok(Some(agent));
    }
    Ok(None)
}

fn newcomer(tx: &mut Tx, cx: &Cx, arrival: &Arrival, foreign_id: &str, host: &[Evidence], holders: &[Agent]) -> Result<Agent, Error> {
    let org = tx.org(cx.org)?.ok_or_else(|| Error::not_found("org/not-found", "organization", cx.org))?;
    let source = arrival.source.map(|ip| ip.to_canonical().to_string());
    // Who sends somebody else's id is nobody whom a rule may vouch for.
    let verified_by = VerifiedBy::rule(&org.settings, arrival.source).filter(|_| holders.is_empty());
    if let (None, Some(source)) = (verified_by, &source) {
        let strangers = tx.strangers_from(source, cx.now.minus(Duration::from_secs(86_400)))?;
        if strangers >= i64::from(org.settings.new_agents_per_source_max) {
            let detail = format!("{strangers} new agents came from {source} within a day; no more are taken until some are verified");
            return Err(Error::new(Kind::LimitReached, "agent/too-many-new", detail));
        }
    }
    let not: Vec<DeviceId> = holders.iter().map(|a| a.device).collect();
    let told = summary(&arrival.view(&["hardware"])).name;
    let name = told.unwrap_or_else(|| foreign_id.chars().take(200).collect());
    let it = Newcomer { org: cx.org, settings: &org.settings, protocol: arrival.protocol, name: &name, host, not: &not };
    let placed = match successor(tx, &it, arrival)? {
        Some(placed) => placed,
        None => place(tx, cx, &it)?,
    };
    // Nor does a rule of one organization vouch for anybody in another.
    let verified_by = verified_by.filter(|_| placed.org == cx.org);
    let new = NewAgent {
        id: cx.id(),
        org: placed.org,
        device: placed.device,
        protocol: arrival.protocol,
        foreign_id: Some(foreign_id.to_owned()),
        glpi_id: arrival.glpi_id.clone(),
        public_key: None,
        version: arrival.version.clone(),
        verified: verified_by.is_some(),
        verified_by,
        source,
        claim: holders.iter().map(|a| a.claim + 1).max().unwrap_or(0),
        door: cx.org,
    };
    tx.agent_insert(&new, cx.now)?;
    placed.record(tx, cx, &new)?;
    tx.agent(new.id)?.ok_or_else(|| Error::not_found("agent/not-found", "agent", new.id))
}

/// A new agent that looks for its device.
pub(crate) struct Newcomer<'a> {
    /// Its organization.
    pub org: OrgId,
    /// That organization's settings.
    pub settings: &'a Settings,
    /// How it speaks.
    pub protocol: Protocol,
    /// The name of a device made for it.
    pub name: &'a str,
    /// Hardware and name as it tells them.
    pub host: &'a [Evidence],
    /// Devices that it is certainly not.
    pub not: &'a [DeviceId],
}

/// Where a new agent belongs.
pub(crate) struct Placed {
    /// The device.
    pub device: DeviceId,
    /// The device's organization.
    org: OrgId,
    /// Why it belongs to a device that was there; `None` when that was made for it.
    because: Option<(IdentityAct, Sentence)>,
}

impl Placed {
    /// Notes in the log that an agent joined a known device.
    pub fn record(&self, tx: &mut Tx, cx: &Cx, agent: &NewAgent) -> Result<(), Error> {
        let Some((act, reason)) = &self.because else { return Ok(()) };
        let joined = MovedAgent { id: agent.id, protocol: agent.protocol, foreign_id: agent.foreign_id.clone() };
        let device = named(tx, agent.org, self.device)?;
        log(tx, cx, agent.org, *act, &[joined], (None, device), reason.clone())
    }
}

/// The device of the agent whose DEVICEID the newcomer says it had, unless the hardware says otherwise.
fn successor(tx: &mut Tx, it: &Newcomer<'_>, arrival: &Arrival) -> Result<Option<Placed>, Error> {
    let Some(old) = &arrival.old_foreign_id else { return Ok(None) };
    for before in tx.agents_foreign(it.org, old, kin(arrival.protocol))? {
        let held: Vec<Evidence> = tx.evidence_by(before.id)?.into_iter().map(|k| k.evidence).collect();
        if !contradicts(it.host, &held) && !it.not.contains(&before.device) {
            let reason = sentence("old_deviceid", json!({"deviceid": old}), format!("It says that its DEVICEID was {old}."));
            return Ok(Some(Placed { device: before.device, org: before.org, because: Some((IdentityAct::Reinstalled, reason)) }));
        }
    }
    Ok(None)
}

/// Finds the device that a new agent speaks for, or makes it. It joins beside the agents that are there and has nothing of
/// their trust.
pub(crate) fn place(tx: &mut Tx, cx: &Cx, it: &Newcomer<'_>) -> Result<Placed, Error> {
    let mut best: Option<(Fit, DeviceId, bool)> = None;
    for candidate in alike(tx, it.org, it.host)? {
        if it.not.contains(&candidate) {
            continue;
        }
        let known = host(tx, it.org, candidate)?;
        let rival = rival(&[it.protocol], &known.agents, it.settings, cx.now);
        let (standing, fit) = standing(it.host, &known.evidence, rival);
        if standing == Standing::Same && best.as_ref().is_none_or(|(most, _, _)| fit.points > most.points) {
            best = Some((fit, candidate, rival != Rival::None));
        }
    }
    if let Some((fit, device, again)) = best {
        let act = if again { IdentityAct::Reinstalled } else { IdentityAct::Joined };
        let text = format!("Its hardware is that of the device ({} points).", fit.points);
        return Ok(Placed { device, org: it.org, because: Some((act, sentence("same_hardware", json!({"points": fit.points}), text))) });
    }
    let id = cx.id::<DeviceId>();
    tx.device_insert(id, it.org, it.name, cx.now)?;
    schedules::happened(tx, cx, it.org, id, Happened::Enrolled)?;
    Ok(Placed { device: id, org: it.org, because: None })
}

/// Devices looked at for one newcomer.
const LOOKED_AT: usize = 20;

/// Devices that share any evidence.
fn alike(rx: &mut Rx, org: OrgId, host: &[Evidence]) -> Result<Vec<DeviceId>, Error> {
    let telling: Vec<Evidence> = host.iter().filter(|e| e.kind != EvidenceKind::Name).cloned().collect();
    let mut found: Vec<DeviceId> = Vec::new();
    // Strongest kinds first, so that what is shared by many, such as a docking station, takes nobody's place.
    for (device, _) in rx.devices_with_evidence(org, &telling)? {
        if !found.contains(&device) && found.len() < LOOKED_AT {
            found.push(device);
        }
    }
    Ok(found)
}

/// A device as its agents show it.
struct Host {
    agents: Vec<Agent>,
    evidence: Vec<Evidence>,
}

fn host(rx: &mut Rx, org: OrgId, device: DeviceId) -> Result<Host, Error> {
    let agents = rx.agents_of(device)?;
    let mut evidence: Vec<Evidence> = rx.evidence_of(device)?.into_iter().map(|k| k.evidence).collect();
    let mut told = names(rx, &agents)?;
    if told.is_empty() {
        told.extend(rx.device(org, device)?.and_then(|d| name_evidence(&d.name)));
    }
    evidence.extend(told);
    evidence.sort();
    evidence.dedup();
    Ok(Host { agents, evidence })
}

/// The names that agents tell of their host; what a person calls it does not count.
fn names(rx: &mut Rx, agents: &[Agent]) -> Result<Vec<Evidence>, Error> {
    let mut found = Vec::new();
    for agent in agents {
        let rows: Vec<Row> = serde_json::from_slice(&rx.section_facts(agent.id, "hardware")?.unwrap_or_default()).unwrap_or_default();
        found.extend(rows.first().and_then(|row| text(row, "name")).and_then(name_evidence));
    }
    Ok(found)
}

/// Whether an agent comes as it should: heard within its period, or not yet expected.
fn is_alive(agent: &Agent, settings: &Settings, now: Timestamp) -> bool {
    is_online(agent.last_contact, settings.contact_every.0, settings.offline_after.0, now)
        || agent.next_contact.is_some_and(|at| now <= at.plus(settings.offline_after.0))
}

fn rival(protocols: &[Protocol], agents: &[Agent], settings: &Settings, now: Timestamp) -> Rival {
    let same: Vec<&Agent> = agents.iter().filter(|a| protocols.contains(&a.protocol)).collect();
    match same.iter().any(|a| is_alive(a, settings, now)) {
        true => Rival::Alive,
        false if same.is_empty() => Rival::None,
        false => Rival::Silent,
    }
}

fn settings(rx: &mut Rx, org: OrgId) -> Result<Settings, Error> {
    Ok(rx.org(org)?.map(|o| o.settings).unwrap_or_default())
}

fn moved(agent: &Agent) -> MovedAgent {
    MovedAgent { id: agent.id, protocol: agent.protocol, foreign_id: agent.foreign_id.clone() }
}

fn named(rx: &mut Rx, org: OrgId, id: DeviceId) -> Result<Option<NamedDevice>, Error> {
    Ok(rx.device(org, id)?.map(|d| NamedDevice { id, name: d.name }))
}

/// Writes an entry of the log.
fn log(
    tx: &mut Tx,
    cx: &Cx,
    org: OrgId,
    act: IdentityAct,
    agents: &[MovedAgent],
    (from, to): (Option<NamedDevice>, Option<NamedDevice>),
    reason: Sentence,
) -> Result<(), Error> {
    let (id, actor) = (cx.id(), cx.name.clone());
    Ok(tx.identity_log_insert(&IdentityEntry {
        id,
        org,
        at: cx.now,
        actor,
        act,
        agents: agents.to_vec(),
        from,
        to,
        reason,
        undone: false,
    })?)
}
