//! The machine's time zone, and instants as the GLPI inventory format writes them.

use super::machine::Machine;
use jiff::tz::TimeZone;
use muster_core::time::Timestamp;

/// The machine's zone with its name, such as `Europe/Paris`; UTC when it is not told.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    /// The IANA name when known, else the abbreviation.
    pub name: String,
    zone: TimeZone,
}

impl Zone {
    /// The zone of `/etc/localtime`.
    pub(crate) fn of(machine: &Machine) -> Self {
        let linked = machine.resolved("etc/localtime").and_then(|path| path.split_once("zoneinfo/").map(|(_, name)| name.to_owned()));
        let name = machine.value("etc/timezone").or(linked);
        let zone = machine.bytes("etc/localtime").and_then(|bytes| TimeZone::tzif(name.as_deref().unwrap_or("local"), &bytes).ok());
        match zone {
            Some(zone) => Self { name: name.unwrap_or_else(|| "local".to_owned()), zone },
            None => Self { name: "UTC".to_owned(), zone: TimeZone::UTC },
        }
    }

    /// The zone itself.
    pub(crate) fn time_zone(self) -> TimeZone {
        self.zone
    }

    /// `2026-11-21 08:20:24` in this zone; none when the instant is out of range.
    pub(crate) fn date_time(&self, at: Timestamp) -> Option<String> {
        let at = jiff::Timestamp::from_millisecond(at.millis()).ok()?.to_zoned(self.zone.clone());
        Some(at.strftime("%Y-%m-%d %H:%M:%S").to_string())
    }

    /// The distance to UTC at an instant, such as `+0100`.
    pub(crate) fn offset(&self, at: Timestamp) -> Option<String> {
        let at = jiff::Timestamp::from_millisecond(at.millis()).ok()?;
        let minutes = self.zone.to_offset(at).seconds() / 60;
        Some(format!("{}{:02}{:02}", if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_zone_it_is_utc() {
        let zone = Zone::of(&Machine::at("/not/here"));
        assert_eq!(zone.date_time(Timestamp::from_seconds(1_795_249_224)).as_deref(), Some("2026-11-21 08:20:24"));
        assert_eq!(zone.offset(Timestamp::from_seconds(0)).as_deref(), Some("+0000"));
        assert_eq!(zone.date_time(Timestamp(i64::MAX)), None);
    }
}
