//! Devices, agents, inventories.

use super::{EvidenceKind, Named, Protocol, Time, WakeOutcome, time};
use muster_core::fleet as core;
use muster_core::settings::Settings;
use muster_core::time::Timestamp;
use muster_engine::fleet::{AgentView, DeviceDetail, DeviceView, agent_online};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The agent a device is shown with.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AgentRef {
    /// Its id.
    pub id: String,
    /// How it speaks.
    pub protocol: Protocol,
    /// Its version.
    pub version: Option<String>,
    /// When the device was last heard.
    pub last_contact: Option<Time>,
    /// Whether that was recently.
    pub online: bool,
}

impl AgentRef {
    pub(crate) fn of(device: &core::Device, online: bool) -> Option<Self> {
        Some(Self {
            id: device.agent?.to_string(),
            protocol: device.protocol?.into(),
            version: device.agent_version.clone(),
            last_contact: time(device.last_contact),
            online,
        })
    }
}

/// A machine or thing we know.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Device {
    /// Its id.
    pub id: String,
    /// The shown name.
    pub name: String,
    /// Its organization's name.
    pub org: String,
    /// The agent it is shown with.
    pub agent: Option<AgentRef>,
    /// The operating system's full name.
    pub os: Option<String>,
    /// `linux`, `windows`, `macos`, `other`.
    pub os_family: Option<String>,
    /// Maker.
    pub manufacturer: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// System UUID.
    pub uuid: Option<String>,
    /// IP addresses without loopback.
    pub ips: Vec<String>,
    /// MAC addresses.
    pub macs: Vec<String>,
    /// Administrative tag.
    pub tag: Option<String>,
    /// A person's notes.
    pub notes: Option<String>,
    /// When it was first heard of.
    pub first_seen: Time,
    /// When its last inventory came.
    pub last_inventory: Option<Time>,
    /// Whether its agents may obey.
    pub verified: bool,
    /// Memory, MB.
    pub memory_mb: Option<i64>,
    /// First processor.
    pub cpu: Option<String>,
    /// Number of programs.
    pub software_count: i64,
    /// Number of oddities in its last inventory.
    pub findings: usize,
    /// For `If-Match`.
    pub version: i64,
}

impl From<DeviceView> for Device {
    fn from(view: DeviceView) -> Self {
        let agent = AgentRef::of(&view.device, view.online);
        let d = view.device;
        Self {
            id: d.id.to_string(),
            name: d.name,
            org: view.org_name,
            agent,
            os: d.os,
            os_family: d.os_family,
            manufacturer: d.manufacturer,
            model: d.model,
            serial: d.serial,
            uuid: d.uuid,
            ips: d.ips,
            macs: d.macs,
            tag: d.tag,
            notes: d.notes,
            first_seen: d.first_seen.into(),
            last_inventory: time(d.last_inventory),
            verified: d.verified,
            memory_mb: d.memory_mb,
            cpu: d.cpu,
            software_count: d.software_count,
            findings: d.findings.len(),
            version: d.version,
        }
    }
}

/// A section of a device's inventory.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Section {
    /// Its name in the GLPI inventory format.
    pub name: String,
    /// How many rows.
    pub count: i64,
    /// When its facts last changed.
    pub changed_at: Time,
    /// The agent it comes from.
    pub source: String,
}

/// By what a device is known.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Evidence {
    /// What kind of thing.
    pub kind: EvidenceKind,
    /// Its value.
    pub value: String,
}

/// An oddity of an inventory.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Finding {
    /// A stable key.
    pub kind: String,
    /// Where and what.
    pub detail: String,
    /// When that inventory came.
    pub at: Option<Time>,
}

/// A device with all that is known of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeviceFull {
    /// The device.
    #[serde(flatten)]
    pub device: Device,
    /// Its agents, the one it is shown with first.
    pub agents: Vec<Agent>,
    /// Its sections.
    pub sections: Vec<Section>,
    /// The groups it is in, by name.
    pub groups: Vec<Named>,
    /// How many assignments are open.
    pub open_assignments: i64,
    /// By what it is known.
    pub evidence: Vec<Evidence>,
    /// Oddities of its last inventory.
    pub finding_list: Vec<Finding>,
}

impl DeviceFull {
    pub(crate) fn of(detail: DeviceDetail, settings: &Settings, now: Timestamp) -> Self {
        let device = &detail.view.device;
        let at = time(device.last_inventory);
        let finding = |f: &muster_core::inventory::Finding| Finding { kind: f.kind.clone(), detail: f.detail.clone(), at };
        let finding_list = device.findings.iter().map(finding).collect();
        let agent = |agent: core::Agent| {
            let online = agent_online(&agent, settings, now);
            Agent::of(AgentView { agent, device_name: device.name.clone(), online, kept_documents: None }, &detail.view.org_name)
        };
        let section =
            |s: core::StoredSection| Section { name: s.section, count: s.rows, changed_at: s.changed.into(), source: s.agent.to_string() };
        let mut evidence: Vec<core::Evidence> = detail.evidence.into_iter().map(|k| k.evidence).collect();
        evidence.sort();
        evidence.dedup();
        Self {
            agents: detail.agents.into_iter().map(agent).collect(),
            sections: detail.sections.into_iter().map(section).collect(),
            groups: detail.groups.into_iter().map(|(id, name)| Named::new(id, name)).collect(),
            open_assignments: detail.open_assignments,
            evidence: evidence.into_iter().map(|e| Evidence { kind: e.kind.into(), value: e.value }).collect(),
            finding_list,
            device: detail.view.into(),
        }
    }
}

/// The inventory of a device in the shape of the GLPI inventory format.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeviceInventory {
    /// The device's id.
    pub device: String,
    /// When its last inventory came.
    pub collected_at: Option<Time>,
    /// The facts are as they were then; null when they are as they are now, with the readings.
    pub at: Option<Time>,
    /// Section name → object or list of objects.
    #[schema(value_type = Object)]
    pub sections: Map<String, Value>,
}

/// What a person may change of a device; what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct DevicePatch {
    /// A name that stays, whatever the agent says.
    pub name: Option<String>,
    /// A tag that stays; empty or null removes it.
    #[serde(deserialize_with = "null_is_empty")]
    pub tag: Option<String>,
    /// Notes; empty or null removes them.
    #[serde(deserialize_with = "null_is_empty")]
    pub notes: Option<String>,
    /// Whether its agents may obey.
    pub verified: Option<bool>,
    /// Name or id of the organization that it is moved to, for those who act in both. What waits for it is cancelled; its agents come
    /// as before.
    pub org: Option<String>,
}

fn null_is_empty<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Ok(Some(Option::<String>::deserialize(d)?.unwrap_or_default()))
}

impl From<DevicePatch> for muster_engine::fleet::DevicePatch {
    fn from(patch: DevicePatch) -> Self {
        let DevicePatch { name, tag, notes, verified, org } = patch;
        Self { name, tag, notes, verified, org }
    }
}

/// How an agent can be asked to come.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WakeWay {
    /// Not at all: it comes by itself.
    None,
    /// Over its own HTTP server.
    Http,
    /// On the connection it holds.
    Connection,
}

/// The last wake-up of an agent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LastWake {
    /// When.
    pub at: Time,
    /// What came of it.
    pub outcome: WakeOutcome,
    /// More of it.
    pub detail: Option<String>,
}

/// How an agent can be woken, and how that went.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Wake {
    /// How.
    pub way: WakeWay,
    /// The last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastWake>,
}

/// One task of an agent, as the agent told it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Capacity {
    /// Its name.
    pub name: String,
    /// The version of the part that does it.
    pub version: Option<String>,
    /// Whether the agent's own configuration lets it run.
    pub enabled: bool,
}

/// The software that speaks for a device.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// Its organization's name.
    pub org: String,
    /// The device it speaks for.
    pub device: Option<Named>,
    /// How it speaks.
    pub protocol: Protocol,
    /// Its version.
    pub version: Option<String>,
    /// The DEVICEID of a foreign agent.
    pub foreign_id: Option<String>,
    /// The UUID of a GLPI agent.
    pub agent_id: Option<String>,
    /// What it says it can do.
    pub modules: Vec<String>,
    /// What it told of its tasks; empty when it told nothing.
    pub capacities: Vec<Capacity>,
    /// Actions that a person switched off: it is not asked for them.
    pub disabled: Vec<String>,
    /// GLPI ids of the proxy agents its last message came through.
    pub proxies: Vec<String>,
    /// How many documents that came unasked are kept of it; only told of one agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_documents: Option<i64>,
    /// Whether it may obey.
    pub verified: bool,
    /// A person shuts it out of all work: what it tells is kept, and it gets nothing.
    pub quarantine: Option<Quarantine>,
    /// When it last held another order book than it had said to hold; it was given its own again.
    pub book_drifted: Option<Time>,
    /// When it was first heard.
    pub first_contact: Time,
    /// When it was last heard.
    pub last_contact: Option<Time>,
    /// Whether that was recently.
    pub online: bool,
    /// The address it comes from.
    pub address: Option<String>,
    /// The port of its own HTTP server.
    pub port: Option<u16>,
    /// Counts its enrolments.
    pub incarnation: u32,
    /// How far its clock is ahead of the server's, milliseconds, as measured at its last contact; null when it tells no time.
    pub clock_offset_ms: Option<i64>,
    /// When it is expected.
    pub next_contact: Option<Time>,
    /// How it can be woken.
    pub wake: Wake,
}

impl Agent {
    pub(crate) fn of(view: AgentView, org: &str) -> Self {
        let a = view.agent;
        let way = match a.protocol {
            core::Protocol::Muster => WakeWay::Connection,
            p if p.has_http_wake() => WakeWay::Http,
            _ => WakeWay::None,
        };
        let detail = |d: String| Some(d).filter(|d| !d.is_empty());
        let last = a.last_wake.map(|(at, outcome, d)| LastWake { at: at.into(), outcome: outcome.into(), detail: detail(d) });
        Self {
            id: a.id.to_string(),
            org: org.to_owned(),
            device: Some(Named::new(a.device, view.device_name)),
            protocol: a.protocol.into(),
            version: a.version,
            foreign_id: a.foreign_id,
            agent_id: a.glpi_id,
            modules: a.modules,
            capacities: a.capacities.into_iter().map(|c| Capacity { name: c.name, version: c.version, enabled: c.enabled }).collect(),
            disabled: a.disabled,
            proxies: a.proxies,
            kept_documents: view.kept_documents,
            verified: a.verified,
            book_drifted: time(a.book_drifted),
            quarantine: a.quarantine.map(|it| Quarantine { since: it.since.into(), by: it.by, reason: it.reason }),
            first_contact: a.first_contact.into(),
            last_contact: time(a.last_contact),
            online: view.online,
            address: a.address,
            port: a.port,
            incarnation: a.incarnation,
            clock_offset_ms: a.clock_offset,
            next_contact: time(a.next_contact),
            wake: Wake { way, last },
        }
    }
}

/// That an agent is shut out of all work.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Quarantine {
    /// Since when.
    pub since: Time,
    /// Who did it.
    pub by: String,
    /// Why, as that person said.
    pub reason: String,
}

/// What a person may change of an agent; what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct AgentPatch {
    /// Whether it may obey.
    pub verified: Option<bool>,
    /// What it may be asked for.
    pub modules: Option<Vec<String>>,
    /// Actions it is not asked for, by name; replaces the list so far.
    pub disabled: Option<Vec<String>>,
    /// Whether it is shut out of all work: nothing is handed to it, and what it has under way is asked to stop.
    pub quarantined: Option<bool>,
    /// Why, with `quarantined: true`.
    pub reason: Option<String>,
}

impl From<AgentPatch> for muster_engine::fleet::AgentPatch {
    fn from(patch: AgentPatch) -> Self {
        let quarantine = patch.quarantined.map(|yes| yes.then(|| patch.reason.unwrap_or_default()));
        Self { verified: patch.verified, modules: patch.modules, disabled: patch.disabled, quarantine }
    }
}

/// One wake-up.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WakeTry {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Time,
    /// What came of it.
    pub outcome: WakeOutcome,
    /// More of it.
    pub detail: Option<String>,
    /// The assignment it was for, when it was for one alone.
    pub assignment: Option<String>,
}

impl From<core::WakeTry> for WakeTry {
    fn from(tried: core::WakeTry) -> Self {
        let detail = Some(tried.detail).filter(|d| !d.is_empty());
        Self { id: tried.id.to_string(), at: tried.at.into(), outcome: tried.outcome.into(), detail, assignment: None }
    }
}
