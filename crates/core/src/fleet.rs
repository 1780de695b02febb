//! Devices and agents: protocols, presence, contact slots, wake-ups. Evidence of identity is in [`identity`].

mod capacities;
mod crash;
mod doubles;
pub mod identity;
mod records;

pub use capacities::*;
pub use crash::*;
pub use doubles::*;
pub use identity::*;
pub use records::*;

use crate::inventory::{Inventory, number, text};
use crate::query::{Facts, Field};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// How an agent speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Muster's own agent.
    Muster,
    /// GLPI Agent.
    Glpi,
    /// FusionInventory Agent.
    Fusioninventory,
    /// OCS Inventory agent.
    Ocs,
}

impl Protocol {
    /// All protocols; an earlier one's data goes before a later one's on a device that has both.
    pub const ALL: [Protocol; 4] = [Protocol::Muster, Protocol::Glpi, Protocol::Fusioninventory, Protocol::Ocs];

    /// The word in database, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            Protocol::Muster => "muster",
            Protocol::Glpi => "glpi",
            Protocol::Fusioninventory => "fusioninventory",
            Protocol::Ocs => "ocs",
        }
    }

    /// Whether the server can ask such an agent, over HTTP, to come now.
    pub const fn has_http_wake(self) -> bool {
        matches!(self, Protocol::Glpi | Protocol::Fusioninventory)
    }

    /// How long after it was handed something such an agent begins at the latest. Our own looks at its clock before it begins;
    /// foreign ones do their tasks one after the other once they have the answer.
    pub const fn lead(self) -> Duration {
        match self {
            Protocol::Muster => Duration::ZERO,
            Protocol::Glpi | Protocol::Fusioninventory | Protocol::Ocs => Duration::from_secs(60),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Protocol {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|p| p.as_str() == name)
            .ok_or_else(|| format!("there is no protocol '{name}'; there are muster, glpi, fusioninventory and ocs"))
    }
}

/// The port on which FusionInventory and GLPI agents listen unless told otherwise (docs/protocols/legacy-xml.md, 'Push').
pub const AGENT_HTTP_PORT: u16 = 62354;

/// Whether a text has the form `NAME-YYYY-MM-DD-hh-mm-ss` that OCS insists on (docs/protocols/ocs.md, 'Identity').
pub fn is_dated_deviceid(id: &str) -> bool {
    let bytes = id.as_bytes();
    if bytes.len() < 21 || bytes.len() > crate::limits::DEVICEID_BYTES_MAX {
        return false;
    }
    let tail = &bytes[bytes.len() - 20..];
    tail.iter().zip(b"-dddd-dd-dd-dd-dd-dd").all(|(c, shape)| if *shape == b'd' { c.is_ascii_digit() } else { c == shape })
}

/// The searched columns of a device, drawn from an inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Host name.
    pub name: Option<String>,
    /// The operating system's full name.
    pub os: Option<String>,
    /// `linux`, `windows`, `macos`, `other`.
    pub os_family: Option<String>,
    /// Maker of the machine.
    pub manufacturer: Option<String>,
    /// Model of the machine.
    pub model: Option<String>,
    /// Serial number, as reported.
    pub serial: Option<String>,
    /// System UUID, as reported.
    pub uuid: Option<String>,
    /// First processor.
    pub cpu: Option<String>,
    /// Memory, MB.
    pub memory_mb: Option<i64>,
    /// Administrative tag that the agent carries.
    pub tag: Option<String>,
    /// Its time zone: a name such as `Europe/Paris`, else an offset such as `+0200`.
    pub zone: Option<String>,
    /// IP addresses, without loopback, sorted.
    pub ips: Vec<String>,
    /// MAC addresses, sorted.
    pub macs: Vec<String>,
}

/// Draws the searched columns from an inventory.
pub fn summary(inventory: &Inventory) -> Summary {
    let get = |section: &str, field: &str| inventory.text(section, field).map(str::to_owned);
    let os = get("operatingsystem", "full_name").or_else(|| get("operatingsystem", "name")).or_else(|| get("hardware", "osname"));
    let tag = inventory.rows("accountinfo").iter().find(|r| text(r, "keyname") == Some("TAG")).and_then(|r| text(r, "keyvalue"));
    let mut summary = Summary {
        name: get("hardware", "name"),
        os_family: os.as_deref().map(|os| os_family(os, inventory.text("operatingsystem", "kernel_name")).to_owned()),
        os,
        manufacturer: get("bios", "smanufacturer").or_else(|| get("bios", "mmanufacturer")),
        model: get("bios", "smodel").or_else(|| get("bios", "mmodel")),
        serial: get("bios", "ssn"),
        uuid: get("hardware", "uuid"),
        cpu: inventory.first("cpus").and_then(|r| text(r, "name").or_else(|| text(r, "type"))).map(str::to_owned),
        memory_mb: inventory.first("hardware").and_then(|r| number(r, "memory")),
        tag: tag.filter(|t| *t != "NA").map(str::to_owned),
        zone: zone_told(inventory),
        ips: Vec::new(),
        macs: Vec::new(),
    };
    for row in inventory.rows("networks") {
        let addresses = [text(row, "ipaddress"), text(row, "ipaddress6")];
        summary.ips.extend(addresses.into_iter().flatten().filter(|a| !is_loopback(a)).map(str::to_lowercase));
        summary.macs.extend(text(row, "mac").filter(|m| *m != "00:00:00:00:00:00").map(str::to_lowercase));
    }
    for list in [&mut summary.ips, &mut summary.macs] {
        list.sort();
        list.dedup();
    }
    summary
}

/// The time zone an agent told (`operatingsystem.timezone`): some send a zone's name, others an abbreviation, which names none.
fn zone_told(inventory: &Inventory) -> Option<String> {
    let told = inventory.first("operatingsystem")?.get("timezone")?;
    let name = told.get("name").and_then(serde_json::Value::as_str).filter(|name| jiff::tz::TimeZone::get(name).is_ok());
    name.or_else(|| told.get("offset").and_then(serde_json::Value::as_str)).map(str::to_owned)
}

fn is_loopback(address: &str) -> bool {
    address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The family of an operating system by its name and kernel.
pub fn os_family(os: &str, kernel: Option<&str>) -> &'static str {
    let (os, kernel) = (os.to_lowercase(), kernel.unwrap_or("").to_lowercase());
    let linux = ["linux", "debian", "ubuntu", "red hat", "centos", "fedora", "suse", "alpine", "rocky", "almalinux"];
    match () {
        () if kernel == "linux" || linux.iter().any(|l| os.contains(l)) => "linux",
        () if os.contains("windows") || kernel.contains("mswin") => "windows",
        () if os.contains("macos") || os.contains("mac os") || os.contains("os x") || kernel == "darwin" => "macos",
        () => "other",
    }
}

/// Whether an agent counts as online: it was heard within one and a half of its periods and the given grace.
pub fn is_online(last_contact: Option<Timestamp>, period: Duration, grace: Duration, now: Timestamp) -> bool {
    last_contact.is_some_and(|at| now <= at.plus(period + period / 2 + grace))
}

/// When an agent should come again, so that a fleet is spread evenly: each agent has a slot in the period, made from its id.
/// `load` ≥ 1 widens the period (2.0: half as often). Gives at least a tenth of the period, at most 1.1 periods.
pub fn next_contact_in(agent: u128, period: Duration, load: f64, now: Timestamp) -> Duration {
    let period_ms = ((period.as_millis() as f64) * load.max(1.0)).clamp(1_000.0, 30.0 * 86_400_000.0) as u64;
    // The low half of a UUID v7 is random: a ready-made even spread.
    let slot = ((agent as u64) ^ 0x9e37_79b9_7f4a_7c15) % period_ms;
    let at = u64::try_from(now.millis().max(0)).unwrap_or(0) % period_ms;
    let wait = (slot + period_ms - at) % period_ms;
    Duration::from_millis(if wait < period_ms / 10 { wait + period_ms } else { wait })
}

/// The same in whole hours, as PROLOG_FREQ wants it: at least 1.
pub fn next_contact_hours(agent: u128, period: Duration, load: f64, now: Timestamp) -> u64 {
    let seconds = next_contact_in(agent, period, load, now).as_secs();
    ((seconds + 1_800) / 3_600).max(1)
}

/// What came of asking an agent's own HTTP server to contact us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WakeOutcome {
    /// It said it will come.
    Ok,
    /// It is running something; a wake-up would be lost (docs/protocols/legacy-xml.md, 'Push').
    Busy,
    /// Nobody listens there.
    Refused,
    /// It listens but does not trust our address.
    Denied,
    /// No answer in time.
    Timeout,
    /// No route, or an answer that is no agent's.
    Unreachable,
}

impl WakeOutcome {
    /// The word in database, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            WakeOutcome::Ok => "ok",
            WakeOutcome::Busy => "busy",
            WakeOutcome::Refused => "refused",
            WakeOutcome::Denied => "denied",
            WakeOutcome::Timeout => "timeout",
            WakeOutcome::Unreachable => "unreachable",
        }
    }
}

impl FromStr for WakeOutcome {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Ok, Self::Busy, Self::Refused, Self::Denied, Self::Timeout, Self::Unreachable]
            .into_iter()
            .find(|w| w.as_str() == word)
            .ok_or_else(|| format!("there is no wake outcome '{word}'"))
    }
}

/// When a wake-up should be tried again: soon after `ok` (the contact is the true answer) and `busy`, later and later otherwise.
pub fn next_wake_in(outcome: WakeOutcome, tries: u32) -> Duration {
    match outcome {
        WakeOutcome::Ok | WakeOutcome::Busy => Duration::from_secs(10),
        _ => Duration::from_secs((30u64 << tries.min(7)).min(3_600)),
    }
}

/// How many times a device is asked to come for one assignment before Muster waits for it to come by itself.
pub const WAKE_TRIES_MAX: u32 = 12;

/// What a query may ask of a device; the reference for the SQL that the store makes.
#[derive(Clone, Debug, Default)]
pub struct DeviceFacts {
    /// Searched columns.
    pub summary: Summary,
    /// Protocol of the shown agent.
    pub protocol: Option<Protocol>,
    /// Version of the shown agent.
    pub agent_version: Option<String>,
    /// Whether its agents are verified.
    pub verified: bool,
    /// Names of its programs.
    pub software: Vec<String>,
    /// Number of its programs, as it was told.
    pub software_count: i64,
}

/// Addresses are compared in small letters.
fn lower(addresses: Vec<String>) -> Vec<String> {
    addresses.into_iter().map(|a| a.to_lowercase()).collect()
}

/// What is known of a device without its programs, as it is shown.
impl From<Device> for DeviceFacts {
    fn from(device: Device) -> Self {
        let summary = Summary {
            name: Some(device.name),
            os: device.os,
            os_family: device.os_family,
            manufacturer: device.manufacturer,
            model: device.model,
            serial: device.serial,
            uuid: device.uuid,
            cpu: device.cpu,
            memory_mb: device.memory_mb,
            tag: device.tag,
            ips: lower(device.ips),
            macs: lower(device.macs),
            ..Summary::default()
        };
        let (protocol, agent_version, verified) = (device.protocol, device.agent_version, device.verified);
        let software_count = device.software_count;
        Self { summary, protocol, agent_version, verified, software: Vec::new(), software_count }
    }
}

impl Facts for DeviceFacts {
    fn texts(&self, field: Field) -> Vec<&str> {
        let s = &self.summary;
        let text = match field {
            Field::Ip => return s.ips.iter().map(String::as_str).collect(),
            Field::Mac => return s.macs.iter().map(String::as_str).collect(),
            Field::Software => return self.software.iter().map(String::as_str).collect(),
            Field::Protocol => return self.protocol.iter().map(|p| p.as_str()).collect(),
            Field::Name => &s.name,
            Field::Tag => &s.tag,
            Field::Os => &s.os,
            Field::OsFamily => &s.os_family,
            Field::Manufacturer => &s.manufacturer,
            Field::Model => &s.model,
            Field::Serial => &s.serial,
            Field::Uuid => &s.uuid,
            Field::Cpu => &s.cpu,
            Field::AgentVersion => &self.agent_version,
            _ => return Vec::new(),
        };
        text.iter().map(String::as_str).collect()
    }

    fn number(&self, field: Field) -> Option<i64> {
        match field {
            Field::MemoryMb => self.summary.memory_mb,
            Field::SoftwareCount => Some(self.software_count),
            _ => None,
        }
    }

    fn flag(&self, field: Field) -> Option<bool> {
        (field == Field::Verified).then_some(self.verified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Completeness;
    use serde_json::json;

    #[test]
    fn a_dated_deviceid_is_told_from_others() {
        for good in ["vm-2026-11-21-03-09-07", "a-b.c-2026-11-21-03-09-07"] {
            assert!(is_dated_deviceid(good), "{good}");
        }
        for bad in ["", "vm", "-2026-11-21-03-09-07", "vm-2026-11-21-03-09-07x", "vm-2026-11-21-03-09", "vm-2026-11-21-03-09-0x"] {
            assert!(!is_dated_deviceid(bad), "{bad}");
        }
    }

    #[test]
    fn a_summary_and_evidence_come_from_the_inventory() {
        let mut inventory = Inventory::empty(Completeness::Full);
        let section = |v: serde_json::Value| serde_json::from_value(v).expect("rows");
        inventory.sections.insert("hardware".into(), section(json!([{"name": "pc-7", "uuid": "4C4C4544-0042", "memory": 2048}])));
        inventory.sections.insert("bios".into(), section(json!([{"ssn": "To be filled by O.E.M.", "smodel": "X1"}])));
        inventory.sections.insert("operatingsystem".into(), section(json!([{"full_name": "Debian GNU/Linux 12", "kernel_name": "linux"}])));
        inventory.sections.insert(
            "networks".into(),
            section(json!([
                {"mac": "00:1B:21:AA:BB:CC", "ipaddress": "10.0.0.7"}, {"mac": "00:1b:21:aa:bb:cc", "ipaddress6": "FE80::1"},
                {"mac": "00:1b:21:00:00:01", "virtualdev": true}, {"ipaddress": "127.0.0.1"}
            ])),
        );
        let summary = summary(&inventory);
        assert_eq!(summary.ips, ["10.0.0.7", "fe80::1"]);
        assert_eq!(summary.os_family.as_deref(), Some("linux"));
        assert_eq!(summary.memory_mb, Some(2048));
        let evidence: Vec<_> = hardware_evidence(&inventory).into_iter().map(|e| (e.kind.as_str(), e.value)).collect();
        assert_eq!(evidence, [("uuid", "4c4c4544-0042".to_owned()), ("mac", "00:1b:21:aa:bb:cc".to_owned())]);
    }

    #[test]
    fn contact_slots_spread_a_fleet_evenly_and_never_come_at_once() {
        let (period, now) = (Duration::from_secs(3_600), Timestamp(1_795_000_000_000));
        let mut buckets = [0u32; 12];
        for agent in 0..12_000u128 {
            let random = agent.wrapping_mul(0x2545_f491_4f6c_dd1d_9e37_79b9_7f4a_7c15);
            let wait = next_contact_in(random, period, 1.0, now);
            assert!(wait >= period / 10 && wait <= period + period / 10);
            let at = now.plus(wait).millis() % 3_600_000;
            buckets[usize::try_from(at / 300_000).expect("small")] += 1;
        }
        assert!(buckets.iter().all(|b| (800..1_200).contains(b)), "{buckets:?}");
        assert!(next_contact_in(7, period, 4.0, now) > period / 4);
        assert_eq!(next_contact_hours(7, Duration::from_secs(60), 1.0, now), 1);
    }
}
