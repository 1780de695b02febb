//! Settings of an organization, with their defaults.

use crate::limits::{IN_FLIGHT_MAX, IN_FLIGHT_PER_AGENT_MAX};
use crate::nearest::nearest;
use crate::tasks::zone::ZoneName;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// A duration as people write it: `90s`, `15m`, `24h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "examples": ["90s", "15m", "24h"]})
    }
}

impl Span {
    /// Reads `90s`, `15m`, `24h`, `7d`, `500ms`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = text[..split].parse().ok()?;
        let millis = match &text[split..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.checked_mul(millis).map(|ms| Self(Duration::from_millis(ms)))
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = self.0.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
        // A day alone is written as 24h, as people say it of schedules.
        let fits = |size: u128| ms.is_multiple_of(size) && ms >= size && (size != 86_400_000 || ms > size);
        let (n, unit) = units.into_iter().find(|(size, _)| fits(*size)).map_or((0, "s"), |(size, unit)| (ms / size, unit));
        write!(f, "{n}{unit}")
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("'{text}' is not a duration: write a number and a unit, such as 30s, 15m, 24h or 7d"))
        })
    }
}

/// A network: an address and how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8` or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((a, b)) => (a.parse::<IpAddr>().ok()?, b.parse::<u8>().ok()?),
            None => {
                let a = text.parse::<IpAddr>().ok()?;
                (a, if a.is_ipv4() { 32 } else { 128 })
            }
        };
        (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some(Self { address, bits })
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        fn number(a: IpAddr) -> (u128, u32) {
            match a {
                IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 32),
                IpAddr::V6(v6) => (u128::from(v6), 128),
            }
        }
        let ((mine, width), (other, other_width)) = (number(self.address), number(address.to_canonical()));
        let shift = 128 - u32::from(self.bits);
        width == other_width && (self.bits == 0 || mine >> shift == other >> shift)
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// What foreign agents must show before they are listened to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentAuth {
    /// Nothing.
    #[default]
    Off,
    /// Name and secret, or an OAuth token had with them. Every foreign agent can do this.
    Basic,
    /// An OAuth token. Only GLPI agents can do this.
    Oauth,
}

impl AgentAuth {
    /// The word in settings, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            AgentAuth::Off => "off",
            AgentAuth::Basic => "basic",
            AgentAuth::Oauth => "oauth",
        }
    }
}

/// Settings of one organization. What is absent in a stored document has its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How often each device is inventoried without a task. Default 24 h.
    pub inventory_every: Span,
    /// How often agents that poll are asked to come. Default 1 h.
    pub contact_every: Span,
    /// A start on more targets needs their number to be said. Default 100.
    pub size_guard: u32,
    /// A start on more targets needs the approval of a second person; 0 is never. Default 0.
    pub approve_above: u32,
    /// An agent is shown offline after this silence. Default: 1.5 contact periods are added to it, so a late agent is not yet gone.
    pub offline_after: Span,
    /// How long a machine may go on with a job alone, without a word, before what it does counts as unknown. Default 2 h.
    pub offline_for: Span,
    /// Whether push delivery may call agents' own HTTP servers.
    pub wake_enabled: bool,
    /// Whether agents are verified as they come (small trusted networks). Default false: a stranger may report, not obey.
    pub verify_new_agents: bool,
    /// Networks whose new agents are verified as they come.
    pub verify_networks: Vec<String>,
    /// Unverified agents accepted from one source address within 24 h.
    pub new_agents_per_source_max: u32,
    /// How long a legacy agent may take from the hand-out of an inventory until it arrives.
    pub inventory_lease: Span,
    /// What foreign agents must show. Counts in the organization of agents that name none, for they name none before. Default off.
    pub agent_auth: AgentAuth,
    /// Whose clock on the wall schedules go by that name none: an IANA name, or `server`. Default `server`.
    pub zone: ZoneName,
    /// Assignments that are in flight at once on one agent. Default 4.
    pub in_flight_per_agent: u32,
    /// Assignments that are in flight at once in the organization; 0 is without a limit. Default 0.
    pub in_flight: u32,
}

impl Default for Settings {
    fn default() -> Self {
        let hours = |h: u64| Span(Duration::from_secs(h * 3600));
        Self {
            inventory_every: hours(24),
            contact_every: hours(1),
            size_guard: crate::limits::SIZE_GUARD_TARGETS as u32,
            approve_above: 0,
            offline_after: Span(Duration::from_secs(300)),
            wake_enabled: true,
            verify_new_agents: false,
            verify_networks: Vec::new(),
            new_agents_per_source_max: 1_000,
            inventory_lease: Span(Duration::from_secs(600)),
            offline_for: Span(Duration::from_secs(7_200)),
            agent_auth: AgentAuth::Off,
            zone: ZoneName::Server,
            in_flight_per_agent: 4,
            in_flight: 0,
        }
    }
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BadSetting {
    /// The key at fault.
    pub key: String,
    /// A sentence.
    pub what: String,
}

impl Settings {
    /// These settings with the keys of a JSON object put over them.
    pub fn patched(&self, patch: &serde_json::Map<String, serde_json::Value>) -> Result<Self, BadSetting> {
        let mut document = match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(map)) => map,
            _ => serde_json::Map::new(),
        };
        for (key, value) in patch {
            if !document.contains_key(key) {
                let hint = nearest(key, document.keys().map(String::as_str)).map_or(String::new(), |n| format!("; did you mean '{n}'?"));
                return Err(BadSetting { key: key.clone(), what: format!("there is no setting '{key}'{hint}") });
            }
            document.insert(key.clone(), value.clone());
            let one = serde_json::Value::Object(serde_json::Map::from_iter([(key.clone(), value.clone())]));
            serde_json::from_value::<Self>(one).map_err(|e| BadSetting { key: key.clone(), what: format!("{key}: {e}") })?;
        }
        let new: Self = serde_json::from_value(serde_json::Value::Object(document))
            .map_err(|e| BadSetting { key: String::new(), what: e.to_string() })?;
        new.checked()
    }

    fn checked(self) -> Result<Self, BadSetting> {
        let between = |key: &str, span: Span, low: u64, high: u64| {
            if span.0 < Duration::from_secs(low) || span.0 > Duration::from_secs(high) {
                let bounds = (Span(Duration::from_secs(low)), Span(Duration::from_secs(high)));
                return Err(BadSetting {
                    key: key.to_owned(),
                    what: format!("{key} is {span}; it must be between {} and {}", bounds.0, bounds.1),
                });
            }
            Ok(())
        };
        between("inventory_every", self.inventory_every, 0, 366 * 86_400)?;
        between("contact_every", self.contact_every, 10, 30 * 86_400)?;
        between("offline_after", self.offline_after, 10, 366 * 86_400)?;
        between("inventory_lease", self.inventory_lease, 10, 86_400)?;
        between("offline_for", self.offline_for, 60, 2_592_000)?;
        if let Some(wrong) = self.verify_networks.iter().find(|n| Network::parse(n).is_none()) {
            return Err(BadSetting {
                key: "verify_networks".to_owned(),
                what: format!("verify_networks: '{wrong}' is no network; write 10.0.0.0/8 or one address"),
            });
        }
        if matches!(self.zone, ZoneName::Organization | ZoneName::Device) {
            return Err(BadSetting {
                key: "zone".to_owned(),
                what: format!("zone is {}; it is server or an IANA name such as Europe/Paris", self.zone),
            });
        }
        let within = |key: &str, count: u32, bounds: std::ops::RangeInclusive<u32>| {
            if bounds.contains(&count) {
                return Ok(());
            }
            let (low, high) = (bounds.start(), bounds.end());
            Err(BadSetting { key: key.to_owned(), what: format!("{key} is {count}; it must be between {low} and {high}") })
        };
        within("in_flight_per_agent", self.in_flight_per_agent, 1..=IN_FLIGHT_PER_AGENT_MAX)?;
        within("in_flight", self.in_flight, 0..=IN_FLIGHT_MAX)?;
        Ok(self)
    }

    /// Whether a new agent from this address is verified at once.
    pub fn verifies(&self, source: Option<IpAddr>) -> bool {
        self.verify_new_agents
            || source.is_some_and(|ip| self.verify_networks.iter().any(|n| Network::parse(n).is_some_and(|n| n.contains(ip))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patch(value: serde_json::Value) -> Result<Settings, BadSetting> {
        Settings::default().patched(value.as_object().expect("an object"))
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["90s", "15m", "24h", "7d", "500ms", "0s"] {
            assert_eq!(Span::parse(text).map(|s| s.to_string()).as_deref(), Some(text));
        }
        for text in ["", "5", "h", "5 h", "-5s", "99999999999999999999d"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_patch_changes_what_it_names_and_refuses_the_rest() {
        assert_eq!(patch(json!({"contact_every": "5m"})).expect("valid").contact_every, Span(Duration::from_secs(300)));
        for (value, part) in [
            (json!({"contact_evry": "5m"}), "did you mean 'contact_every'"),
            (json!({"contact_every": "5"}), "is not a duration"),
            (json!({"contact_every": "1s"}), "between"),
            (json!({"verify_networks": ["10.0.0.0/33"]}), "no network"),
            (json!({"zone": "Europe/Pariss"}), "did you mean 'Europe/Paris'"),
            (json!({"zone": "device"}), "zone is device; it is server or an IANA name"),
            (json!({"in_flight_per_agent": 0}), "between 1 and 100"),
            (json!({"in_flight_per_agent": 101}), "between 1 and 100"),
            (json!({"in_flight": 1_000_001}), "between 0 and 1000000"),
            (json!({"agent_auth": "kerberos"}), "expected one of `off`, `basic`, `oauth`"),
        ] {
            let what = patch(value.clone()).expect_err("refused").what;
            assert!(what.contains(part), "{value}: {what}");
        }
        for value in
            [json!({"zone": "Asia/Tokyo"}), json!({"in_flight_per_agent": 1}), json!({"in_flight_per_agent": 100, "in_flight": 1_000_000})]
        {
            let new = serde_json::to_value(patch(value.clone()).expect("valid")).expect("JSON");
            assert!(value.as_object().expect("an object").iter().all(|(key, v)| new[key] == *v), "{value}");
        }
    }

    #[test]
    fn a_network_contains_its_addresses() {
        let lan = Network::parse("10.1.0.0/16").expect("network");
        assert!(lan.contains("10.1.200.3".parse().expect("ip")));
        assert!(lan.contains("::ffff:10.1.0.1".parse().expect("ip")));
        assert!(!lan.contains("10.2.0.1".parse().expect("ip")));
        assert!(!lan.contains("fe80::1".parse().expect("ip")));
        assert!(Network::parse("0.0.0.0/0").expect("all").contains("192.0.2.1".parse().expect("ip")));
    }
}
