//! Devices and agents as they are kept.

use super::{Capacity, Evidence, Protocol, VerifiedBy, WakeOutcome};
use crate::ids::{AgentId, DeviceId, OrgId};
use crate::inventory::{Finding, Print, SectionChange};
use crate::tasks::doc::DEPLOYED;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::time::Duration;
use uuid::Uuid;

/// A machine or thing we know.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Whose it is.
    pub org: OrgId,
    /// The shown name: the given one, else the host's.
    pub name: String,
    /// The operating system's full name.
    pub os: Option<String>,
    /// `linux`, `windows`, `macos`, `other`.
    pub os_family: Option<String>,
    /// Maker.
    pub manufacturer: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Serial number as reported.
    pub serial: Option<String>,
    /// System UUID as reported.
    pub uuid: Option<String>,
    /// First processor.
    pub cpu: Option<String>,
    /// Memory, MB.
    pub memory_mb: Option<i64>,
    /// The shown tag: the given one, else the agent's.
    pub tag: Option<String>,
    /// A person's notes.
    pub notes: Option<String>,
    /// IP addresses without loopback.
    pub ips: Vec<String>,
    /// MAC addresses.
    pub macs: Vec<String>,
    /// Whether its agents are verified.
    pub verified: bool,
    /// The agent it is shown with.
    pub agent: Option<AgentId>,
    /// That agent's protocol.
    pub protocol: Option<Protocol>,
    /// That agent's version.
    pub agent_version: Option<String>,
    /// Number of programs.
    pub software_count: i64,
    /// Oddities of the last inventory.
    pub findings: Vec<Finding>,
    /// When it was first heard of.
    pub first_seen: Timestamp,
    /// When its last inventory came.
    pub last_inventory: Option<Timestamp>,
    /// When any of its agents was last heard.
    pub last_contact: Option<Timestamp>,
    /// Counts a person's changes, for `If-Match`.
    pub version: i64,
}

/// That an agent is shut out of all work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Since when.
    pub since: Timestamp,
    /// Who did it.
    pub by: String,
    /// Why, as that person said; may be empty.
    pub reason: String,
}

/// The software that speaks for a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// Whose it is.
    pub org: OrgId,
    /// The device it speaks for.
    pub device: DeviceId,
    /// How it speaks.
    pub protocol: Protocol,
    /// The DEVICEID of a foreign agent.
    pub foreign_id: Option<String>,
    /// The UUID of a GLPI agent.
    pub glpi_id: Option<String>,
    /// The public key of our own agent.
    pub public_key: Option<Vec<u8>>,
    /// Its version.
    pub version: Option<String>,
    /// What it says it can do.
    pub modules: Vec<String>,
    /// What it told of its tasks: which it has, which it is set to run.
    pub capacities: Vec<Capacity>,
    /// What a person switched off: it is not asked for these actions.
    pub disabled: Vec<String>,
    /// GLPI ids of the proxy agents its last message came through, the nearest to it first; empty when it came straight.
    pub proxies: Vec<String>,
    /// Whether it may obey.
    pub verified: bool,
    /// A person shut it out of all work: what it tells is kept, and it gets nothing.
    pub quarantine: Option<Quarantine>,
    /// When it last held another order book than it had said to hold.
    pub book_drifted: Option<Timestamp>,
    /// Counts its enrolments; orders of an older one do not follow.
    pub incarnation: u32,
    /// When it was first heard.
    pub first_contact: Timestamp,
    /// When it was last heard.
    pub last_contact: Option<Timestamp>,
    /// When it is expected.
    pub next_contact: Option<Timestamp>,
    /// When its last inventory came.
    pub last_inventory: Option<Timestamp>,
    /// The address it comes from.
    pub address: Option<String>,
    /// The port of its own HTTP server, when known to differ from the usual one.
    pub port: Option<u16>,
    /// The last wake-up and what came of it.
    pub last_wake: Option<(Timestamp, WakeOutcome, String)>,
    /// Counts a person's changes, for `If-Match`.
    pub version_no: i64,
    /// The address it first came from.
    pub source: Option<String>,
    /// By whom or what it was verified; `None` when it is not, or was before this was noted.
    pub verified_by: Option<VerifiedBy>,
    /// How far its clock is ahead of the server's, milliseconds, when it told its time.
    pub clock_offset: Option<i64>,
    /// 0 for the first agent with its DEVICEID, 1, 2, … for later ones that send the same from other hardware.
    pub claim: i64,
    /// The organization at whose door it comes: its own, unless its device was moved to another one.
    pub door: OrgId,
}

impl Agent {
    /// Whose data a device is shown with: verified before not, then by protocol, then the agent that came to us last. A lesser
    /// rank goes first. No two agents have the same, so that two of one protocol do not take turns.
    pub fn rank(&self) -> (bool, Protocol, Reverse<AgentId>) {
        (!self.verified, self.protocol, Reverse(self.id))
    }

    /// Whether it may be asked for an action: it is in no quarantine, and nobody switched it off, here or in the agent's own configuration. What an agent
    /// did not speak of it may be asked for: most agents tell nothing.
    pub fn may_be_asked(&self, action: &str) -> bool {
        // What others do as deploy jobs goes by the name of that task. A GLPI agent that lists its tasks has no other.
        let by_deploy = self.protocol != Protocol::Muster && DEPLOYED.contains(&action);
        let name = if by_deploy { "deploy" } else { action };
        let unknown = !(by_deploy && self.protocol == Protocol::Glpi && !self.capacities.is_empty());
        let switched_off = |word: &str| self.disabled.iter().any(|d| d == word);
        self.quarantine.is_none()
            && !switched_off(action)
            && !switched_off(name)
            && self.capacities.iter().find(|c| c.name == name).map_or(unknown, |c| c.enabled)
    }

    /// Whether its routine inventory is due. A tenth of the period early counts, so that agents which come once a period are
    /// not told to wait for the next.
    pub fn is_inventory_due(&self, every: Duration, now: Timestamp) -> bool {
        self.last_inventory.is_none_or(|at| at.plus(every - every / 10) <= now)
    }
}

/// What an agent tells of itself between inventories.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentTold {
    /// How it speaks.
    pub protocol: Protocol,
    /// The UUID of a GLPI agent; `None` leaves the known one.
    pub glpi_id: Option<String>,
    /// Its tasks.
    pub capacities: Vec<Capacity>,
    /// The port of its own HTTP server; `None` leaves the known one.
    pub port: Option<u16>,
    /// The proxy agents it came through. Its own address is then unknown and the kept one is forgotten.
    pub proxies: Vec<String>,
}

impl AgentTold {
    /// What is known of an agent, as it would tell it.
    pub fn of(agent: &Agent) -> Self {
        Self {
            protocol: agent.protocol,
            glpi_id: agent.glpi_id.clone(),
            capacities: agent.capacities.clone(),
            port: agent.port,
            proxies: agent.proxies.clone(),
        }
    }
}

/// A document that came unasked and is kept as it came, until something uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptDocument {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub org: OrgId,
    /// Who sent it.
    pub agent: AgentId,
    /// The device that agent spoke for.
    pub device: DeviceId,
    /// `netdiscovery` or `netinventory`.
    pub kind: String,
    /// When it came.
    pub at: Timestamp,
    /// The document, unpacked: XML or JSON.
    pub document: Vec<u8>,
}

/// An agent that reports for the first time, or anew.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAgent {
    /// Its id.
    pub id: AgentId,
    /// Whose it is.
    pub org: OrgId,
    /// The device it speaks for.
    pub device: DeviceId,
    /// How it speaks.
    pub protocol: Protocol,
    /// The DEVICEID of a foreign agent.
    pub foreign_id: Option<String>,
    /// The UUID of a GLPI agent.
    pub glpi_id: Option<String>,
    /// The public key of our own agent.
    pub public_key: Option<Vec<u8>>,
    /// Its version.
    pub version: Option<String>,
    /// Whether it may obey.
    pub verified: bool,
    /// By whom or what.
    pub verified_by: Option<VerifiedBy>,
    /// The address it first came from.
    pub source: Option<String>,
    /// How many agents have its DEVICEID already; see [`Agent::claim`].
    pub claim: i64,
    /// The organization at whose door it comes: its own, unless it is a successor on a device that was moved to another one.
    pub door: OrgId,
}

/// One section of an agent, as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSection {
    /// The agent it came from.
    pub agent: AgentId,
    /// Its name.
    pub section: String,
    /// Hash of its facts.
    pub hash: [u8; 32],
    /// Rows of its facts.
    pub rows: i64,
    /// When the facts last changed.
    pub changed: Timestamp,
    /// The print of its facts as they were told, with the form it is of.
    pub print: Option<Print>,
}

/// What one inventory changed in one section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SectionHistory {
    /// The section.
    pub section: String,
    /// `first`, `changed` or `removed`.
    pub kind: String,
    /// The rows that differ; of a first section only their number is kept.
    #[serde(flatten)]
    pub change: SectionChange,
    /// Number of rows added.
    pub added_count: usize,
    /// Number of rows removed.
    pub removed_count: usize,
}

/// One entry of a device's history: all that one inventory changed.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// From which agent.
    pub agent: AgentId,
    /// Per section.
    pub sections: Vec<SectionHistory>,
}

/// Evidence with the agent that gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownEvidence {
    /// Who gave it.
    pub agent: AgentId,
    /// What it is.
    pub evidence: Evidence,
}

/// One try to wake an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct WakeTry {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// What came of it.
    pub outcome: WakeOutcome,
    /// More of it.
    pub detail: String,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn agent(protocol: Protocol, verified: bool) -> Agent {
        Agent {
            id: AgentId(Uuid::nil()),
            org: OrgId(Uuid::nil()),
            device: DeviceId(Uuid::nil()),
            protocol,
            foreign_id: None,
            glpi_id: None,
            public_key: None,
            version: None,
            modules: Vec::new(),
            capacities: Vec::new(),
            disabled: Vec::new(),
            quarantine: None,
            book_drifted: None,
            proxies: Vec::new(),
            verified,
            incarnation: 1,
            first_contact: Timestamp(0),
            last_contact: None,
            next_contact: None,
            last_inventory: None,
            address: None,
            port: None,
            last_wake: None,
            version_no: 1,
            source: None,
            verified_by: None,
            clock_offset: None,
            claim: 0,
            door: OrgId(uuid::Uuid::nil()),
        }
    }

    #[test]
    fn an_agent_is_asked_for_what_nobody_switched_off() {
        let mut agent = agent(Protocol::Glpi, true);
        assert!(agent.may_be_asked("inventory"), "it told nothing");
        let told = |name: &str, enabled| Capacity { name: name.to_owned(), version: None, enabled };
        agent.capacities = vec![told("inventory", true), told("deploy", false)];
        assert!(agent.may_be_asked("inventory"));
        assert!(!agent.may_be_asked("deploy"), "its own configuration says no");
        agent.disabled = vec!["inventory".to_owned()];
        assert!(!agent.may_be_asked("inventory"), "a person says no");
        assert!(agent.may_be_asked("collect"));
    }

    #[test]
    fn trust_goes_before_protocol_and_the_own_agent_before_others() {
        let ranked = [
            agent(Protocol::Muster, true),
            agent(Protocol::Glpi, true),
            agent(Protocol::Fusioninventory, true),
            agent(Protocol::Ocs, true),
            agent(Protocol::Muster, false),
        ];
        assert!(ranked.is_sorted_by(|a, b| a.rank() < b.rank()));
        let newer = Agent { id: AgentId(Uuid::from_u128(1)), ..agent(Protocol::Ocs, true) };
        assert!(newer.rank() < agent(Protocol::Ocs, true).rank(), "an agent installed anew goes before the old one");
    }

    #[test]
    fn an_inventory_is_due_at_first_and_from_nine_tenths_of_its_period_on() {
        let (every, now) = (Duration::from_secs(1_000), Timestamp::from_seconds(10_000));
        let due = |age: Option<u64>| {
            let last_inventory = age.map(|s| now.minus(Duration::from_secs(s)));
            Agent { last_inventory, ..agent(Protocol::Ocs, false) }.is_inventory_due(every, now)
        };
        assert!(due(None) && due(Some(900)) && due(Some(5_000)));
        assert!(!due(Some(899)) && !due(Some(0)));
    }
}
