//! Who is who: evidence, what it is worth, and what follows from it (docs/adr/0009).
//!
//! Lives here: worthless values, the weighing of two hosts, whether a newcomer is a known machine, a copy of one or a stranger,
//! which of several agents with one DEVICEID speaks, and whether an agent's trust holds for this contact. Absent on purpose:
//! looking anything up (`muster-engine`).

use super::{Agent, Protocol};
use crate::inventory::{Inventory, text};
use crate::settings::Settings;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::str::FromStr;

/// One thing that tells who a machine is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    /// What kind of thing.
    pub kind: EvidenceKind,
    /// Its value, normalised (lower case, no blanks around).
    pub value: String,
}

/// Kinds of evidence, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// The key made at enrolment (own agent).
    Key,
    /// The GLPI agent's UUID.
    AgentId,
    /// The DEVICEID of a foreign agent.
    Deviceid,
    /// The system UUID.
    Uuid,
    /// The serial number of the machine.
    Serial,
    /// A MAC address of a physical interface.
    Mac,
    /// The host's name without its domain: weighed, never stored, for a name alone tells nothing.
    Name,
}

impl EvidenceKind {
    /// All kinds, strongest first.
    pub const ALL: [EvidenceKind; 7] = [
        EvidenceKind::Key,
        EvidenceKind::AgentId,
        EvidenceKind::Deviceid,
        EvidenceKind::Uuid,
        EvidenceKind::Serial,
        EvidenceKind::Mac,
        EvidenceKind::Name,
    ];

    /// The word in database, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            EvidenceKind::Key => "key",
            EvidenceKind::AgentId => "agent_id",
            EvidenceKind::Deviceid => "deviceid",
            EvidenceKind::Uuid => "uuid",
            EvidenceKind::Serial => "serial",
            EvidenceKind::Mac => "mac",
            EvidenceKind::Name => "name",
        }
    }

    /// Points when two hosts share it, and when both tell it and differ.
    const fn weights(self) -> (i32, i32) {
        match self {
            EvidenceKind::Key => (100, 0),
            EvidenceKind::AgentId | EvidenceKind::Deviceid => (60, 0),
            EvidenceKind::Uuid => (50, -100),
            EvidenceKind::Serial => (50, -60),
            EvidenceKind::Mac => (40, 0),
            EvidenceKind::Name => (15, 0),
        }
    }

    /// Points it gives when it is shared.
    pub const fn worth(self) -> i32 {
        self.weights().0
    }
}

impl FromStr for EvidenceKind {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|k| k.as_str() == word).ok_or_else(|| format!("there is no evidence of kind '{word}'"))
    }
}

const WORTHLESS: &[&str] = &[
    "",
    "0",
    "00000000",
    "0123456789",
    "01234567890123456789",
    "123456789",
    "1234567890",
    "123490en400015",
    "chassis serial number",
    "default string",
    "empty",
    "invalid",
    "mb-1234567890",
    "n/a",
    "na",
    "none",
    "not applicable",
    "not available",
    "not specified",
    "null",
    "o.e.m.",
    "oem",
    "serial",
    "serialnumber",
    "sys-1234567890",
    "system manufacturer",
    "system product name",
    "system serial number",
    "to be filled by o.e.m.",
    "to be filled by oem",
    "unknown",
    "xxxxxxx",
    "??",
];

/// Whether a serial number or UUID says nothing about which machine it is: filler of makers, all one character.
pub fn is_worthless(value: &str) -> bool {
    let value = value.trim().to_lowercase();
    if WORTHLESS.contains(&value.as_str()) || value.len() < 3 {
        return true;
    }
    let mut significant = value.chars().filter(|c| *c != '-' && *c != ':' && *c != ' ');
    let first = significant.next();
    significant.all(|c| Some(c) == first) || value == "03000200-0400-0500-0006-000700080009"
}

/// Whether a MAC address may stand for a machine: six pairs, not multicast, not zero, not one that software makes the same on
/// many hosts. Locally administered ones count: hypervisors give them to virtual machines.
pub fn is_telling_mac(mac: &str) -> bool {
    let bytes: Vec<u8> = mac.split(':').filter(|p| p.len() == 2).filter_map(|p| u8::from_str_radix(p, 16).ok()).collect();
    let made_by_software = |b: &[u8]| b[..2] == [0x02, 0x42] || b[..3] == [0x44, 0x45, 0x53] || b[..3] == [0x00, 0x05, 0x9a];
    bytes.len() == 6 && bytes[0] & 1 == 0 && bytes.iter().any(|b| *b != 0) && !made_by_software(&bytes)
}

/// What an inventory says about which machine it comes from: system UUID, serial, physical MACs; sorted, without doubles.
pub fn hardware_evidence(inventory: &Inventory) -> Vec<Evidence> {
    let mut found = Vec::new();
    if let Some(uuid) = inventory.text("hardware", "uuid").filter(|u| !is_worthless(u)) {
        found.push(Evidence { kind: EvidenceKind::Uuid, value: uuid.to_lowercase() });
    }
    if let Some(serial) = inventory.text("bios", "ssn").filter(|s| !is_worthless(s)) {
        found.push(Evidence { kind: EvidenceKind::Serial, value: serial.to_lowercase() });
    }
    for row in inventory.rows("networks") {
        let virtual_one = row.get("virtualdev").is_some_and(|v| v == true || v == 1 || v == "1");
        if let Some(mac) = text(row, "mac").map(str::to_lowercase).filter(|m| !virtual_one && is_telling_mac(m)) {
            found.push(Evidence { kind: EvidenceKind::Mac, value: mac });
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The host's name as evidence: without its domain, lower case. An empty one is none.
pub fn name_evidence(name: &str) -> Option<Evidence> {
    let label = name.trim().split('.').next().unwrap_or("").to_lowercase();
    (!label.is_empty()).then_some(Evidence { kind: EvidenceKind::Name, value: label })
}

/// How two hosts stand in one kind of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Shared,
    Differs,
    /// One of them says nothing.
    Not,
}

fn told(mine: &[Evidence], theirs: &[Evidence], kind: EvidenceKind) -> Told {
    let of = |all: &[Evidence]| -> Vec<String> { all.iter().filter(|e| e.kind == kind).map(|e| e.value.to_lowercase()).collect() };
    let (mine, theirs) = (of(mine), of(theirs));
    match () {
        () if mine.iter().any(|v| theirs.contains(v)) => Told::Shared,
        () if mine.is_empty() || theirs.is_empty() => Told::Not,
        () => Told::Differs,
    }
}

/// One value in a comparison of two hosts and what it gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    /// What kind of thing.
    pub kind: EvidenceKind,
    /// Its value, or both values when they differ.
    pub value: String,
    /// Points, below 0 when it speaks against. Of several shared values of one kind the first gives the points.
    pub points: i32,
    /// Whether both have it.
    pub shared: bool,
}

/// How well two hosts fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// All points.
    pub points: i32,
    /// Where they come from, strongest kind first.
    pub weights: Vec<Weight>,
}

/// Values of one kind shown in a comparison.
const SHOWN_MAX: usize = 8;

/// Weighs what two hosts share and where they contradict each other.
pub fn weigh(mine: &[Evidence], theirs: &[Evidence]) -> Fit {
    let mut fit = Fit::default();
    for kind in EvidenceKind::ALL {
        let (shared, differs) = kind.weights();
        let of = |all: &[Evidence]| -> Vec<String> { all.iter().filter(|e| e.kind == kind).map(|e| e.value.to_lowercase()).collect() };
        let (mine_told, theirs_told) = (of(mine), of(theirs));
        match told(mine, theirs, kind) {
            Told::Not => {}
            Told::Shared => {
                fit.points += shared;
                let both = mine_told.into_iter().filter(|v| theirs_told.contains(v)).take(SHOWN_MAX).enumerate();
                fit.weights.extend(both.map(|(i, value)| Weight { kind, value, points: if i == 0 { shared } else { 0 }, shared: true }));
            }
            Told::Differs => {
                fit.points += differs;
                let list = |values: &[String]| values.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
                let value = format!("{} ≠ {}", list(&mine_told), list(&theirs_told));
                fit.weights.push(Weight { kind, value, points: differs, shared: false });
            }
        }
    }
    fit
}

/// Points from which a new agent speaks for a device we know.
pub const FIT_ENOUGH: i32 = 50;
/// Points from which a person is asked; below, the two have nothing to do with each other.
pub const FIT_MAYBE: i32 = 25;

/// Whether an inventory cannot come from the host of which we hold this evidence: two of UUID, serial number and MAC addresses
/// differ and the third does not speak for it. What one of them does not tell says nothing.
pub fn contradicts(mine: &[Evidence], theirs: &[Evidence]) -> bool {
    let told = |kind| told(mine, theirs, kind);
    let (uuid, serial, mac) = (told(EvidenceKind::Uuid), told(EvidenceKind::Serial), told(EvidenceKind::Mac));
    match uuid {
        Told::Shared => false,
        Told::Differs => serial == Told::Differs || (mac == Told::Differs && serial == Told::Not),
        Told::Not => serial == Told::Differs && mac == Told::Differs,
    }
}

/// The agents of one protocol that a device has already, seen from a newcomer of that protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rival {
    /// There is none.
    None,
    /// There is one, and it has missed its contacts.
    Silent,
    /// There is one, and it comes as it should.
    Alive,
}

/// What a newcomer is to a known device, or one device to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The same machine.
    Same,
    /// A copy of it: what should be unique is on both, what a copy gets anew differs.
    Clone,
    /// Perhaps the same machine; a person decides.
    Alike,
    /// Another machine.
    Other,
}

/// What a newcomer is to a device. A network card in both settles it; without one, a copy is told by another name together
/// with other cards, or by either while the device's own agent of that protocol is alive.
pub fn standing(mine: &[Evidence], theirs: &[Evidence], rival: Rival) -> (Standing, Fit) {
    let fit = weigh(mine, theirs);
    let told = |kind| told(mine, theirs, kind);
    let same_id = [EvidenceKind::Key, EvidenceKind::AgentId, EvidenceKind::Deviceid].into_iter().any(|k| told(k) == Told::Shared);
    let (name, mac) = (told(EvidenceKind::Name), told(EvidenceKind::Mac));
    // Agents of different makers read one UUID in two orders of bytes.
    let odd_uuid = mac == Told::Shared && told(EvidenceKind::Serial) == Told::Shared;
    let (renamed, other_cards) = (name == Told::Differs, mac == Told::Differs);
    let copied = mac != Told::Shared && ((renamed && other_cards) || (rival == Rival::Alive && (renamed || other_cards)));
    let standing = match () {
        () if same_id && contradicts(mine, theirs) => Standing::Clone,
        () if fit.points < FIT_MAYBE && !odd_uuid => Standing::Other,
        () if fit.points < FIT_ENOUGH => Standing::Alike,
        () if copied => Standing::Clone,
        () => Standing::Same,
    };
    (standing, fit)
}

/// The one of several agents with the same DEVICEID that speaks now, when nothing but that id and an address is told: a later
/// claimant if the contact comes from its address and the first holder never came from there; else the first holder.
pub fn speaker<'a>(agents: &'a [Agent], address: Option<&str>) -> Option<&'a Agent> {
    let holder = agents.iter().min_by_key(|a| (a.claim, a.id))?;
    let came_from = |a: &Agent| address.is_some() && (a.source.as_deref() == address || a.address.as_deref() == address);
    let foreign = holder.source.as_deref() != address;
    agents.iter().filter(|a| a.claim > 0 && foreign && came_from(a)).min_by_key(|a| (a.claim, a.id)).or(Some(holder))
}

/// By whom or what an agent was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifiedBy {
    /// A person said so.
    Person,
    /// The join token it came with.
    Token,
    /// It first came from a network of the setting `verify_networks`; holds for contacts from such a network only.
    Network,
    /// The setting `verify_new_agents`.
    Everyone,
    /// The name and secret, or token, that it showed; holds for contacts that show such a one only.
    Credential,
}

impl VerifiedBy {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            VerifiedBy::Person => "person",
            VerifiedBy::Token => "token",
            VerifiedBy::Network => "network",
            VerifiedBy::Everyone => "everyone",
            VerifiedBy::Credential => "credential",
        }
    }

    /// By which rule of the settings a new agent from an address is verified at once.
    pub fn rule(settings: &Settings, source: Option<IpAddr>) -> Option<Self> {
        match settings.verifies(source) {
            true if settings.verify_new_agents => Some(VerifiedBy::Everyone),
            true => Some(VerifiedBy::Network),
            false => None,
        }
    }
}

impl FromStr for VerifiedBy {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Person, Self::Token, Self::Network, Self::Everyone, Self::Credential]
            .into_iter()
            .find(|v| v.as_str() == word)
            .ok_or_else(|| format!("nobody is verified by '{word}'"))
    }
}

/// Whether an agent's trust holds for a contact from this address, `vouched` for by a credential or not: what a network or a
/// credential said counts with that network or credential only.
pub fn is_trusted_at(agent: &Agent, settings: &Settings, source: Option<IpAddr>, vouched: bool) -> bool {
    let holds = match agent.verified_by {
        Some(VerifiedBy::Network) => settings.verifies(source),
        Some(VerifiedBy::Credential) => vouched,
        _ => true,
    };
    agent.verified && holds
}

/// The protocols under which a DEVICEID may be known: FusionInventory and GLPI agents keep theirs when one replaces the other.
pub fn kin(protocol: Protocol) -> &'static [Protocol] {
    match protocol {
        Protocol::Fusioninventory | Protocol::Glpi => &[Protocol::Fusioninventory, Protocol::Glpi],
        Protocol::Ocs => &[Protocol::Ocs],
        Protocol::Muster => &[Protocol::Muster],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::records::tests::agent;
    use serde_json::json;

    #[test]
    fn filler_serials_and_virtual_macs_say_nothing() {
        for worthless in
            ["To Be Filled By O.E.M.", "0", " None ", "ffffffff-ffff-ffff-ffff-ffffffffffff", "00000000-0000-0000-0000-000000000000"]
        {
            assert!(is_worthless(worthless), "{worthless}");
        }
        assert!(!is_worthless("CZC1234567"));
        for (mac, telling) in [
            ("00:1b:21:aa:bb:cc", true),
            ("02:42:ac:11:00:02", false),
            ("01:00:5e:00:00:01", false),
            ("00:00:00:00:00:00", false),
            ("x", false),
        ] {
            assert_eq!(is_telling_mac(mac), telling, "{mac}");
        }
    }

    fn e(kind: EvidenceKind, value: &str) -> Evidence {
        Evidence { kind, value: value.to_owned() }
    }

    fn host(uuid: &str, serial: &str, mac: &str, name: &str) -> Vec<Evidence> {
        let told = [(EvidenceKind::Uuid, uuid), (EvidenceKind::Serial, serial), (EvidenceKind::Mac, mac), (EvidenceKind::Name, name)];
        told.into_iter().filter(|(_, v)| !v.is_empty()).map(|(kind, v)| e(kind, v)).collect()
    }

    #[test]
    fn what_a_newcomer_is_to_a_known_machine() {
        use Rival::{Alive, None, Silent};
        use Standing::{Alike, Clone, Other, Same};
        let known = host("u1", "s1", "m1", "pc-1");
        for (what, new, rival, expected) in [
            ("another protocol on one host", host("u1", "s1", "m1", "pc-1"), None, Same),
            ("reinstalled at once", host("u1", "s1", "m1", "pc-1"), Alive, Same),
            ("reinstalled and renamed at once", host("u1", "s1", "m1", "pc-9"), Alive, Same),
            ("renamed, cards not told", host("u1", "", "", "pc-9"), Silent, Same),
            ("no UUID told, same card and name", host("", "", "m1", "PC-1"), None, Same),
            ("a changed network card", host("u1", "s1", "m2", "pc-1"), Silent, Same),
            ("a changed network card while the old agent comes", host("u1", "s1", "m2", "pc-1"), Alive, Clone),
            ("a copy while the original comes", host("u1", "", "", "pc-9"), Alive, Clone),
            ("a copy while the original is off", host("u1", "s1", "m2", "pc-9"), Silent, Clone),
            ("a copy that speaks another protocol", host("u1", "s1", "m2", "pc-9"), None, Clone),
            ("a docking station's card alone", host("", "", "m1", "pc-9"), None, Alike),
            ("a docking station of somebody else", host("u2", "s2", "m1", "pc-9"), None, Other),
            ("a name alone", host("", "", "", "pc-1"), None, Other),
            ("another UUID in the same case with the same card", host("u2", "s1", "m1", "pc-9"), None, Alike),
            ("another UUID in the same case", host("u2", "s1", "", "pc-1"), None, Other),
            ("nothing told", vec![], None, Other),
        ] {
            assert_eq!(standing(&new, &known, rival).0, expected, "{what}");
        }
    }

    #[test]
    fn points_are_told_with_where_they_come_from() {
        let mut mine = host("u2", "s1", "m1", "pc-1");
        mine.push(e(EvidenceKind::Mac, "m2"));
        let mut known = host("u1", "s1", "m1", "pc-1");
        known.push(e(EvidenceKind::Mac, "m2"));
        let fit = weigh(&mine, &known);
        assert_eq!(fit.points, -100 + 50 + 40 + 15);
        assert_eq!(fit.points, fit.weights.iter().map(|w| w.points).sum::<i32>());
        let told: Vec<_> = fit.weights.iter().map(|w| (w.kind.as_str(), w.value.as_str(), w.points, w.shared)).collect();
        let expected = [("uuid", "u2 ≠ u1", -100, false), ("serial", "s1", 50, true), ("mac", "m1", 40, true), ("mac", "m2", 0, true)];
        assert_eq!(told[..4], expected);
    }

    #[test]
    fn an_id_from_other_hardware_is_a_contradiction_and_less_is_none() {
        let known = host("u1", "s1", "m1", "pc-1");
        for (what, new, expected) in [
            ("everything differs", host("u2", "s2", "m2", "pc-1"), true),
            ("UUID and serial differ on a shared dock", host("u2", "s2", "m1", "pc-1"), true),
            ("UUID and cards differ, no serial", host("u2", "", "m2", "pc-1"), true),
            ("serial and cards differ, no UUID", host("", "s2", "m2", "pc-1"), true),
            ("a new board in the same case", host("u2", "s1", "m2", "pc-1"), false),
            ("a UUID told in another form", host("u2", "", "m1", "pc-1"), false),
            ("new cards alone", host("u1", "s1", "m2", "pc-1"), false),
            ("a UUID alone", host("u2", "", "", "pc-1"), false),
            ("nothing told", vec![], false),
        ] {
            assert_eq!(contradicts(&new, &known), expected, "{what}");
        }
        let same_id = |mut host: Vec<Evidence>| {
            host.push(e(EvidenceKind::Deviceid, "pc-1-2026-11-21-03-09-07"));
            host
        };
        assert_eq!(standing(&same_id(host("u2", "s2", "m2", "pc-1")), &same_id(known), Rival::None).0, Standing::Clone);
    }

    #[test]
    fn of_two_agents_with_one_id_the_address_tells_who_speaks() {
        let mut holder = agent(Protocol::Ocs, true);
        (holder.source, holder.address) = (Some("10.0.0.1".to_owned()), Some("10.0.0.9".to_owned()));
        let mut claimant = agent(Protocol::Ocs, false);
        (claimant.claim, claimant.source) = (1, Some("10.0.0.9".to_owned()));
        let both = [claimant, holder];
        let speaks = |address| speaker(&both, address).map(|a| a.claim);
        assert_eq!(speaks(Some("10.0.0.9")), Some(1), "the holder only seemed to come from there");
        assert_eq!((speaks(Some("10.0.0.1")), speaks(Some("10.9.9.9")), speaks(None)), (Some(0), Some(0), Some(0)));
        assert!(speaker(&[], None).is_none());
    }

    #[test]
    fn what_a_network_vouched_for_counts_from_that_network_only() {
        let patch = json!({"verify_networks": ["10.1.0.0/16"]});
        let settings = Settings::default().patched(patch.as_object().expect("an object")).expect("valid");
        let (inside, outside) = ("10.1.2.3".parse().ok(), "10.2.0.1".parse().ok());
        assert_eq!(VerifiedBy::rule(&settings, inside), Some(VerifiedBy::Network));
        assert_eq!(VerifiedBy::rule(&settings, outside), None);
        let mut it = agent(Protocol::Glpi, true);
        it.verified_by = Some(VerifiedBy::Network);
        assert!(is_trusted_at(&it, &settings, inside, false));
        assert!(!is_trusted_at(&it, &settings, outside, false) && !is_trusted_at(&it, &settings, None, false));
        it.verified_by = Some(VerifiedBy::Person);
        assert!(is_trusted_at(&it, &settings, outside, false));
        it.verified = false;
        assert!(!is_trusted_at(&it, &settings, inside, false));
    }
}
