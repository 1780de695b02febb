//! How devices are known: agents with their evidence, pairs that may be one, the log of what was joined and parted.

use super::{AgentRef, DuplicateKind, DuplicateState, EvidenceKind, IdentityAct, Named, Protocol, Sentence, Time, time};
use muster_core::fleet as core;
use muster_engine::identity::acts::{IdentityView, KnownAgent};
use muster_engine::identity::candidates::CandidateView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A piece of evidence and what it is worth.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EvidenceWorth {
    /// What kind of thing.
    pub kind: EvidenceKind,
    /// Its value.
    pub value: String,
    /// Points it gives when another host has it, too.
    pub worth: i32,
}

/// An agent by what it tells of itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IdentityAgentRef {
    /// The agent.
    #[serde(flatten)]
    pub agent: AgentRef,
    /// The DEVICEID of a foreign agent.
    pub foreign_id: Option<String>,
    /// The UUID of a GLPI agent.
    pub agent_id: Option<String>,
    /// Whether it may obey.
    pub verified: bool,
    /// When it was first heard.
    pub first_contact: Time,
    /// The address it comes from.
    pub address: Option<String>,
}

/// An agent with its evidence.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IdentityAgent {
    /// The agent.
    pub agent: IdentityAgentRef,
    /// What it is known by, strongest first.
    pub evidence: Vec<EvidenceWorth>,
}

impl From<KnownAgent> for IdentityAgent {
    fn from(known: KnownAgent) -> Self {
        let a = known.agent;
        let agent = AgentRef {
            id: a.id.to_string(),
            protocol: a.protocol.into(),
            version: a.version,
            last_contact: time(a.last_contact),
            online: known.online,
        };
        let worth = |e: core::Evidence| EvidenceWorth { kind: e.kind.into(), worth: e.kind.worth(), value: e.value };
        Self {
            agent: IdentityAgentRef {
                agent,
                foreign_id: a.foreign_id,
                agent_id: a.glpi_id,
                verified: a.verified,
                first_contact: a.first_contact.into(),
                address: a.address,
            },
            evidence: known.evidence.into_iter().map(worth).collect(),
        }
    }
}

/// A device of a candidate.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeviceShort {
    /// Its id.
    pub id: String,
    /// The shown name.
    pub name: String,
    /// The operating system's full name.
    pub os: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// System UUID.
    pub uuid: Option<String>,
    /// MAC addresses.
    pub macs: Vec<String>,
    /// The agent it is shown with.
    pub agent: Option<AgentRef>,
    /// When it was first heard of.
    pub first_seen: Time,
    /// When its last inventory came.
    pub last_inventory: Option<Time>,
    /// Whether its agents may obey.
    pub verified: bool,
}

impl DeviceShort {
    fn of((device, online): (core::Device, bool)) -> Self {
        let agent = AgentRef::of(&device, online);
        let d = device;
        Self {
            id: d.id.to_string(),
            name: d.name,
            os: d.os,
            serial: d.serial,
            uuid: d.uuid,
            macs: d.macs,
            agent,
            first_seen: d.first_seen.into(),
            last_inventory: time(d.last_inventory),
            verified: d.verified,
        }
    }
}

/// A value in the comparison of two devices.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EvidencePoints {
    /// What kind of thing.
    pub kind: EvidenceKind,
    /// Its value, or both values when they differ.
    pub value: String,
    /// Points; below 0 when it speaks against.
    pub points: i32,
    /// Whether both have it.
    pub shared: bool,
}

/// Two devices that may be one, or of which one may be a copy.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Duplicate {
    /// Its id.
    pub id: String,
    /// When it was first seen, or last decided.
    pub at: Time,
    /// What they may be to each other.
    pub kind: DuplicateKind,
    /// The two.
    pub devices: Vec<DeviceShort>,
    /// How well they fit.
    pub points: i32,
    /// Where the points come from.
    pub evidence: Vec<EvidencePoints>,
    /// What became of it.
    pub state: DuplicateState,
    /// Why it is there.
    pub reason: Sentence,
    /// What a person said when dismissing it.
    pub note: Option<String>,
}

impl From<CandidateView> for Duplicate {
    fn from(view: CandidateView) -> Self {
        let c = view.candidate;
        let points = |w: core::Weight| EvidencePoints { kind: w.kind.into(), value: w.value, points: w.points, shared: w.shared };
        Self {
            id: c.id.to_string(),
            at: c.at.into(),
            kind: c.kind.into(),
            devices: view.devices.into_iter().flatten().map(DeviceShort::of).collect(),
            points: c.points,
            evidence: c.evidence.into_iter().map(points).collect(),
            state: c.state.into(),
            reason: c.reason.into(),
            note: c.note,
        }
    }
}

/// An agent as the log names it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MovedAgent {
    /// Its id.
    pub id: String,
    /// How it speaks.
    pub protocol: Protocol,
    /// Its DEVICEID then.
    pub foreign_id: Option<String>,
}

/// One act: agents that went from a device to another.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IdentityEntry {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Time,
    /// Who.
    pub actor: String,
    /// What.
    pub kind: IdentityAct,
    /// Which agents.
    pub agents: Vec<MovedAgent>,
    /// Where they were; null when they were new.
    pub from: Option<Named>,
    /// Where they are since.
    pub to: Option<Named>,
    /// Why.
    pub reason: Sentence,
    /// Whether it was taken back.
    pub undone: bool,
    /// Whether it can be taken back now.
    pub can_undo: bool,
}

impl From<(core::IdentityEntry, bool)> for IdentityEntry {
    fn from((e, can_undo): (core::IdentityEntry, bool)) -> Self {
        let named = |d: core::NamedDevice| Named::new(d.id, d.name);
        let agent = |a: core::MovedAgent| MovedAgent { id: a.id.to_string(), protocol: a.protocol.into(), foreign_id: a.foreign_id };
        Self {
            id: e.id.to_string(),
            at: e.at.into(),
            actor: e.actor,
            kind: e.act.into(),
            agents: e.agents.into_iter().map(agent).collect(),
            from: e.from.map(named),
            to: e.to.map(named),
            reason: e.reason.into(),
            undone: e.undone,
            can_undo,
        }
    }
}

/// How a device is known.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Identity {
    /// The device.
    pub device: Named,
    /// Its agents with their evidence, the one it is shown with first.
    pub agents: Vec<IdentityAgent>,
    /// Open candidates that concern it.
    pub candidates: Vec<Duplicate>,
    /// What was joined and parted, the newest first, at most 100.
    pub log: Vec<IdentityEntry>,
}

impl From<IdentityView> for Identity {
    fn from(view: IdentityView) -> Self {
        Self {
            device: Named::new(view.device.id, view.device.name),
            agents: view.agents.into_iter().map(IdentityAgent::from).collect(),
            candidates: view.candidates.into_iter().map(Duplicate::from).collect(),
            log: view.log.into_iter().map(IdentityEntry::from).collect(),
        }
    }
}

/// Devices that become part of another.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct Merge {
    /// Ids of the devices that disappear, 1 to 50.
    pub from: Vec<String>,
}

/// Agents that become a device of their own.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct Split {
    /// Ids of agents of the device, not all of them.
    pub agents: Vec<String>,
    /// A name for the new device; that of its host unless given.
    pub name: Option<String>,
}

/// Why two devices are apart.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct Dismiss {
    /// For whoever asks later.
    pub note: Option<String>,
}
