//! Time zones by name. One database, the one in the program: every server, whatever its system, has the same instants.

use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// Whose clock on the wall counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ZoneName {
    /// The server's.
    Server,
    /// The organization's.
    Organization,
    /// Each target's own.
    Device,
    /// A zone by its IANA name, spelled as the database spells it.
    Named(String),
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ZoneName::Server => "server",
            ZoneName::Organization => "organization",
            ZoneName::Device => "device",
            ZoneName::Named(name) => name,
        })
    }
}

impl FromStr for ZoneName {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        Ok(match word {
            "server" => ZoneName::Server,
            "organization" => ZoneName::Organization,
            "device" => ZoneName::Device,
            name => match named(name).as_ref().and_then(TimeZone::iana_name) {
                Some(name) => ZoneName::Named(name.to_owned()),
                None => {
                    let hint = nearest_name(name).map_or_else(|| ".".to_owned(), |near| format!("; did you mean '{near}'?"));
                    let write = "Write server, organization, device or an IANA name such as Europe/Paris";
                    return Err(format!("there is no time zone '{name}'{hint} {write}"));
                }
            },
        })
    }
}

impl Serialize for ZoneName {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ZoneName {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

fn database() -> &'static TimeZoneDatabase {
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    DATABASE.get_or_init(TimeZoneDatabase::bundled)
}

/// The zone of an IANA name, in any case of letters.
pub fn named(name: &str) -> Option<TimeZone> {
    database().get(name).ok()
}

/// All IANA names known, sorted.
pub fn names() -> &'static [String] {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let mut names: Vec<String> = database().available().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        names
    })
}

/// The IANA name that was probably meant: a city alone finds its zone.
fn nearest_name(word: &str) -> Option<&'static str> {
    let wanted = word.trim().to_lowercase().replace(' ', "_");
    let city = |name: &str| name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let by = |key: &dyn Fn(&str) -> String| {
        let near = names().iter().map(|name| (strsim::damerau_levenshtein(&wanted, &key(name)), name.as_str()));
        near.filter(|(distance, name)| *distance <= key(name).len().max(wanted.len()) / 3).min()
    };
    let (whole, last) = (by(&str::to_lowercase), by(&city));
    whole.into_iter().chain(last).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// The zones that are known without looking at a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones {
    /// The server's.
    pub server: TimeZone,
    /// The organization's.
    pub organization: TimeZone,
}

impl Zones {
    /// The zones of an organization whose setting is `organization`.
    pub fn new(server: TimeZone, organization: &ZoneName) -> Self {
        let zones = Self { organization: server.clone(), server };
        match zones.zone(organization) {
            Some(organization) => Self { organization, ..zones },
            None => zones,
        }
    }

    /// The zone of a name; none for `device`, which has one for each device.
    pub fn zone(&self, name: &ZoneName) -> Option<TimeZone> {
        match name {
            ZoneName::Server => Some(self.server.clone()),
            ZoneName::Organization => Some(self.organization.clone()),
            ZoneName::Device => None,
            // A name is checked when it is read; a database that lost it since falls back as a device without a zone does.
            ZoneName::Named(name) => Some(named(name).unwrap_or_else(|| self.organization.clone())),
        }
    }
}

/// How the zone of a device is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneKnown {
    /// It told its name.
    Named,
    /// It told only how far it is from UTC at the time, so changes of its clock are not known.
    Offset,
    /// It told nothing usable: the organization's zone stands for it.
    Organization,
}

impl ZoneKnown {
    /// The word in API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            ZoneKnown::Named => "named",
            ZoneKnown::Offset => "offset",
            ZoneKnown::Organization => "organization",
        }
    }
}

/// The zone of a device, from the name and the offset (`+0200`) its inventory told, and how it is known.
pub fn device_zone(told: Option<&str>, offset: Option<&str>, zones: &Zones) -> (TimeZone, ZoneKnown) {
    if let Some(zone) = told.map(str::trim).filter(|name| !name.is_empty()).and_then(named) {
        return (zone, ZoneKnown::Named);
    }
    match offset.and_then(parse_offset) {
        Some(offset) => (TimeZone::fixed(offset), ZoneKnown::Offset),
        None => (zones.organization.clone(), ZoneKnown::Organization),
    }
}

/// The farthest zones of the world: UTC−12 and UTC+14.
const OFFSET_MINUTES: std::ops::RangeInclusive<i32> = -12 * 60..=14 * 60;

/// Reads `+0200`, `-03:30`.
fn parse_offset(text: &str) -> Option<Offset> {
    let text = text.trim();
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 || !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    let all = sign * (hours * 60 + minutes);
    (minutes < 60 && OFFSET_MINUTES.contains(&all)).then(|| Offset::from_seconds(all * 60).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz;

    #[test]
    fn a_zone_is_a_word_or_an_iana_name_and_an_unknown_one_names_the_nearest() {
        for word in ["server", "organization", "device", "Europe/Paris", "America/Argentina/Buenos_Aires"] {
            assert_eq!(word.parse::<ZoneName>().map(|z| z.to_string()), Ok(word.to_owned()));
        }
        assert_eq!("europe/paris".parse(), Ok(ZoneName::Named("Europe/Paris".to_owned())));
        for (word, near) in [("Europe/Berln", "Europe/Berlin"), ("berlin", "Europe/Berlin"), ("New York", "America/New_York")] {
            let what = word.parse::<ZoneName>().expect_err("unknown");
            assert!(what.contains(&format!("did you mean '{near}'?")), "{what}");
        }
        let what = "xyzzy/plugh/frotz".parse::<ZoneName>().expect_err("unknown");
        assert!(what.starts_with("there is no time zone 'xyzzy/plugh/frotz'. Write server,"), "{what}");
    }

    #[test]
    fn a_device_is_in_the_zone_it_told_or_at_its_offset_or_where_its_organization_is() {
        let zones = Zones::new(TimeZone::UTC, &"Europe/Paris".parse().expect("known"));
        let paris = named("Europe/Paris").expect("known");
        let fixed = |minutes: i32| TimeZone::fixed(Offset::from_seconds(minutes * 60).expect("in range"));
        for (told, offset, zone, known) in [
            (Some("Asia/Tokyo"), Some("+0200"), named("Asia/Tokyo").expect("known"), ZoneKnown::Named),
            (Some("CEST?"), Some("+0200"), fixed(120), ZoneKnown::Offset),
            (None, Some("-03:30"), fixed(-210), ZoneKnown::Offset),
            (None, Some("+1400"), fixed(840), ZoneKnown::Offset),
            (None, Some("+1401"), paris.clone(), ZoneKnown::Organization),
            (None, Some("-1201"), paris.clone(), ZoneKnown::Organization),
            (None, Some("+02"), paris.clone(), ZoneKnown::Organization),
            (None, Some("+0260"), paris.clone(), ZoneKnown::Organization),
            (None, Some("−é00"), paris.clone(), ZoneKnown::Organization),
            (Some(" "), None, paris.clone(), ZoneKnown::Organization),
        ] {
            assert_eq!(device_zone(told, offset, &zones), (zone, known), "{told:?} {offset:?}");
        }
    }

    #[test]
    fn the_organizations_zone_is_a_name_or_the_servers() {
        let tokyo = named("Asia/Tokyo").expect("known");
        assert_eq!(Zones::new(tokyo.clone(), &ZoneName::Server).organization, tokyo);
        assert_eq!(Zones::new(tokyo.clone(), &ZoneName::Device).zone(&ZoneName::Device), None);
        assert_eq!(Zones::new(tz::TimeZone::UTC, &ZoneName::Server).zone(&"asia/tokyo".parse().expect("known")), Some(tokyo));
    }

    #[test]
    fn every_name_of_the_database_is_read_again_as_itself() {
        assert!(names().len() > 500, "{}", names().len());
        for name in names() {
            assert_eq!(name.parse::<ZoneName>().map(|z| z.to_string()).as_deref(), Ok(name.as_str()));
        }
    }
}
