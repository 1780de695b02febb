//! Our own agent joins: a token, a key, a device.

use crate::access::secret_hash;
use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::groups::{Change, moved};
use crate::identity::{Newcomer, notice, place};
use muster_core::access::{JoinToken, Org, Role};
use muster_core::fleet::{Agent, Evidence, EvidenceKind, NewAgent, Protocol, VerifiedBy, is_telling_mac, is_worthless, name_evidence};
use muster_core::ids::{AgentId, DeviceId};
use muster_store::Tx;

/// What an agent brings to join.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrol {
    /// The join token.
    pub token: String,
    /// Its public key, 32 bytes.
    pub public_key: Vec<u8>,
    /// The host's name.
    pub name: String,
    /// System UUID.
    pub uuid: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// MAC addresses.
    pub macs: Vec<String>,
    /// Its version.
    pub version: Option<String>,
    /// The address it comes from.
    pub source: Option<String>,
}

/// What an agent that joined is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrolled {
    /// Its id.
    pub agent: AgentId,
    /// Its device.
    pub device: DeviceId,
    /// Its incarnation.
    pub incarnation: u32,
    /// The name of its organization.
    pub org: String,
}

fn evidence(enrol: &Enrol) -> Vec<Evidence> {
    let mut found = Vec::new();
    let mut add = |kind, value: &str| found.push(Evidence { kind, value: value.trim().to_lowercase() });
    enrol.uuid.iter().filter(|u| !is_worthless(u)).for_each(|u| add(EvidenceKind::Uuid, u));
    enrol.serial.iter().filter(|s| !is_worthless(s)).for_each(|s| add(EvidenceKind::Serial, s));
    enrol.macs.iter().take(64).filter(|m| is_telling_mac(&m.to_lowercase())).for_each(|m| add(EvidenceKind::Mac, m));
    found.sort();
    found.dedup();
    found
}

/// Joins. The same key again is a new incarnation of the same agent; another key is a new agent, beside others on known hardware,
/// and has the trust of its token alone.
pub fn enrol(tx: &mut Tx, cx: &Cx, new: &Enrol) -> Result<Enrolled, Error> {
    if new.public_key.len() != 32 {
        return Err(Error::invalid("enrol/bad-key", "/public_key", "a public key has 32 bytes"));
    }
    let Some(token) = tx.join_token_use(&secret_hash(&new.token), cx.now)? else {
        let detail = "this join token is unknown, used up or over; make a new one under Fleet, Join tokens";
        return Err(Error::new(Kind::Denied, "enrol/bad-token", detail));
    };
    let org = tx.org(token.org)?.ok_or_else(|| Error::not_found("org/not-found", "organization", token.org))?;
    if let Some(agent) = tx.agent_with_key(&new.public_key)? {
        return again(tx, cx, new, &token, &org, &agent);
    }
    let evidence = evidence(new);
    let name = Some(new.name.trim()).filter(|n| !n.is_empty()).unwrap_or("unnamed");
    let mut host = evidence.clone();
    host.extend(name_evidence(&new.name));
    let placed =
        place(tx, cx, &Newcomer { org: org.id, settings: &org.settings, protocol: Protocol::Muster, name, host: &host, not: &[] })?;
    let device = placed.device;
    let agent = NewAgent {
        id: cx.id(),
        org: org.id,
        device,
        protocol: Protocol::Muster,
        foreign_id: None,
        glpi_id: None,
        public_key: Some(new.public_key.clone()),
        version: new.version.clone(),
        verified: token.verified,
        verified_by: token.verified.then_some(VerifiedBy::Token),
        source: new.source.clone(),
        claim: 0,
        door: org.id,
    };
    tx.agent_insert(&agent, cx.now)?;
    tx.evidence_replace(org.id, agent.id, &evidence)?;
    placed.record(tx, cx, &agent)?;
    notice(tx, cx, org.id, device)?;
    into_group(tx, cx, &token, device)?;
    Ok(Enrolled { agent: agent.id, device, incarnation: 1, org: org.name })
}

/// An agent joins with a key that is known. One whose device was moved stays where it is: a token of the organization that it came from
/// lets it in, and gives neither trust nor a group there.
fn again(tx: &mut Tx, cx: &Cx, new: &Enrol, token: &JoinToken, org: &Org, agent: &Agent) -> Result<Enrolled, Error> {
    let is_moved = agent.org != org.id;
    if is_moved && agent.door != org.id {
        return Err(Error::denied("this key belongs to another organization"));
    }
    let verifies = token.verified && !is_moved;
    tx.agent_reborn(agent.id, &new.public_key, agent.verified || verifies)?;
    if verifies && !agent.verified {
        crate::rebuild::reorder(tx, org.id, agent.device)?;
    }
    if !is_moved {
        into_group(tx, cx, token, agent.device)?;
    }
    let org = if is_moved { tx.org(agent.org)?.map_or_else(String::new, |home| home.name) } else { org.name.clone() };
    Ok(Enrolled { agent: agent.id, device: agent.device, incarnation: agent.incarnation + 1, org })
}

/// A device comes into the group of the token by which its agent joined.
fn into_group(tx: &mut Tx, cx: &Cx, token: &JoinToken, device: DeviceId) -> Result<(), Error> {
    let Some(group) = token.group else { return Ok(()) };
    let change = Change::Named { add: vec![device], remove: Vec::new() };
    match moved(tx, cx, token.org, &group.to_string(), &change) {
        // A group that follows a query by now takes nobody; that bars no machine.
        Err(error) if error.fault.is_none() => {
            tracing::warn!(%group, %device, "a device could not come into the group of its join token: {}", error.detail);
            Ok(())
        }
        moved => moved.map(drop),
    }
}

/// Bars an agent: its key no longer counts, it must join anew.
pub fn revoke(tx: &mut Tx, cx: &Cx, id: AgentId) -> Result<(), Error> {
    let view = crate::fleet::agent_view(tx, cx, id)?;
    cx.may_here(Role::Operator, "revoking agents")?;
    tx.agent_revoke(id)?;
    tx.book_now(cx.org, cx.now)?;
    crate::rebuild::reorder(tx, cx.org, view.agent.device)?;
    let object = crate::audit::Object { kind: "agent", id: Some(id.0), name: &view.device_name };
    crate::audit::record(tx, cx, Some(cx.org), "agent_revoke", object, None, None)
}
