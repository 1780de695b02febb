//! Who is who: which agent an inventory comes from, and which device that agent speaks for.
//!
//! Absent on purpose: the rules of evidence (`muster_core::fleet`) and what an inventory changes (`intake`).

use crate::contact::known;
use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::intake::Arrival;
use muster_core::fleet::{Agent, Evidence, EvidenceKind, FIT_ENOUGH, NewAgent, Protocol, fit, hardware_evidence, summary};
use muster_core::ids::{DeviceId, OrgId};
use muster_core::inventory::{Completeness, Inventory};
use muster_store::Tx;
use std::time::Duration;

/// By what the agent may be recognised: what came, and of what did not come what we hold.
pub(crate) fn evidence(tx: &mut Tx, agent: &Agent, arrival: &Arrival) -> Result<Vec<Evidence>, Error> {
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
    Ok(found)
}

/// The agent an inventory comes from: a known one, or one made known now.
pub(crate) fn sender(tx: &mut Tx, cx: &Cx, arrival: &Arrival) -> Result<(Agent, bool), Error> {
    if let Some(id) = arrival.own {
        return Ok((crate::contact::own(tx, id)?, false));
    }
    let foreign_id =
        arrival.foreign_id.as_deref().ok_or_else(|| Error::new(Kind::Invalid, "inventory/no-deviceid", "an inventory needs a DEVICEID"))?;
    if let Some(mut agent) = known(tx, arrival.protocol, foreign_id)? {
        if agent.protocol != arrival.protocol || (arrival.glpi_id.is_some() && agent.glpi_id != arrival.glpi_id) {
            tx.agent_speaks(agent.id, arrival.protocol, arrival.glpi_id.as_deref())?;
            agent.protocol = arrival.protocol;
            agent.glpi_id = arrival.glpi_id.clone().or(agent.glpi_id);
        }
        return Ok((agent, false));
    }
    let org = tx.org(cx.org)?.ok_or_else(|| Error::not_found("org/not-found", "organization", cx.org))?;
    let source = arrival.source.map(|ip| ip.to_canonical().to_string());
    let verified = org.settings.verifies(arrival.source);
    if let (false, Some(source)) = (verified, &source) {
        let strangers = tx.strangers_from(source, cx.now.minus(Duration::from_secs(86_400)))?;
        if strangers >= i64::from(org.settings.new_agents_per_source_max) {
            let detail = format!("{strangers} new agents came from {source} within a day; no more are taken until some are verified");
            return Err(Error::new(Kind::LimitReached, "agent/too-many-new", detail));
        }
    }
    let device = device_of_new(tx, cx, arrival)?;
    let new = NewAgent {
        id: cx.id(),
        org: cx.org,
        device,
        protocol: arrival.protocol,
        foreign_id: Some(foreign_id.to_owned()),
        glpi_id: arrival.glpi_id.clone(),
        public_key: None,
        version: arrival.version.clone(),
        verified,
        source,
    };
    tx.agent_insert(&new, cx.now)?;
    let agent = tx.agent(new.id)?.ok_or_else(|| Error::not_found("agent/not-found", "agent", new.id))?;
    Ok((agent, true))
}

/// The device of a new agent: that of the id it had before, else by hardware, else a new one.
fn device_of_new(tx: &mut Tx, cx: &Cx, arrival: &Arrival) -> Result<DeviceId, Error> {
    if let Some(old) = &arrival.old_foreign_id
        && let Some(before) = known(tx, arrival.protocol, old)?.filter(|a| a.org == cx.org)
    {
        return Ok(before.device);
    }
    let told = arrival.view(&["hardware", "bios", "networks"]);
    let name = summary(&told).name.or_else(|| arrival.foreign_id.as_deref().map(|id| id.chars().take(200).collect()));
    place(tx, cx, cx.org, arrival.protocol, name.as_deref(), &hardware_evidence(&told))
}

/// Finds the device that a new agent speaks for, or makes it. A device whose agent of the same protocol was heard lately is
/// not taken: that would be a clone of it, and clones are devices of their own.
pub(crate) fn place(
    tx: &mut Tx,
    cx: &Cx,
    org: OrgId,
    protocol: Protocol,
    name: Option<&str>,
    evidence: &[Evidence],
) -> Result<DeviceId, Error> {
    let mut candidates: Vec<DeviceId> = tx.devices_with_evidence(org, evidence)?.into_iter().map(|(device, _)| device).collect();
    candidates.sort_unstable();
    candidates.dedup();
    let mut best: Option<(i32, DeviceId)> = None;
    for candidate in candidates {
        let Some(device) = tx.device(org, candidate)? else { continue };
        let known: Vec<Evidence> = tx.evidence_of(candidate)?.into_iter().map(|k| k.evidence).collect();
        let agents = tx.agents_of(candidate)?;
        let alive =
            |a: &muster_core::fleet::Agent| a.last_contact.is_some_and(|at| cx.now.since(at) < std::time::Duration::from_secs(2 * 3_600));
        if agents.iter().any(|a| a.protocol == protocol && alive(a)) {
            continue;
        }
        let points = fit(evidence, name, &known, &device.name);
        if points >= FIT_ENOUGH && best.is_none_or(|(most, _)| points > most) {
            best = Some((points, candidate));
        }
    }
    if let Some((_, device)) = best {
        return Ok(device);
    }
    let id = cx.id::<DeviceId>();
    tx.device_insert(id, org, name.unwrap_or("unnamed"), cx.now)?;
    Ok(id)
}
