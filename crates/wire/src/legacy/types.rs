//! Names and types of the canonical inventory, as tables (`docs/protocols/inventory-format.md`).
//!
//! Absent on purpose: reading of documents.

/// What a field's text is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text as it is.
    Text,
    /// A whole number; decimals lose their fraction.
    Number,
    /// Yes or no.
    Truth,
    /// One of few words, lower case.
    Word,
    /// A hardware address, lower case.
    Mac,
    /// A day, perhaps with a time: `YYYY-MM-DD[ hh:mm:ss]`; agents write the day first.
    Day,
    /// The same; firmware writes the month first.
    FirmwareDay,
    /// Megabits a second, without the unit.
    Speed,
}

/// Section of an element's name, both lower case.
pub(super) fn section_name(element: &str) -> &str {
    match element {
        "firewall" => "firewalls",
        "sim" => "simcards",
        "user" => "users",
        other => other,
    }
}

/// Fields of a section that some agents call otherwise: their word and the format's.
pub(super) fn aliases(section: &str) -> &'static [(&'static str, &'static str)] {
    match section {
        "networks" => &[("macaddr", "mac")],
        "storages" => &[("serialnumber", "serial")],
        "softwares" => &[("installdate", "install_date"), ("architecture", "arch")],
        "local_groups" => &[("member", "members"), ("id_group", "id")],
        "local_users" => &[("id_user", "id")],
        "cpus" => &[("serialnumber", "serial"), ("cores", "core"), ("threads", "thread"), ("type", "name"), ("cpuarch", "arch")],
        "inputs" => &[("pointtype", "pointingtype")],
        "batteries" => &[("serialnumber", "serial"), ("designcapacity", "capacity"), ("designvoltage", "voltage")],
        "simcards" => &[
            ("serialnumber", "serial"),
            ("opname", "operator_name"),
            ("operator", "operator_code"),
            ("phonenumber", "phone_number"),
            ("line_number", "phone_number"),
        ],
        _ => &[],
    }
}

/// The canonical name of a field that some agents call otherwise; none when it is called by that name. When a row has both, the
/// field keeps the name it came with.
pub(super) fn alias(section: &str, field: &str) -> Option<&'static str> {
    aliases(section).iter().find(|(word, _)| *word == field).map(|(_, name)| *name)
}

/// Fields that are lists, also with one entry.
pub(super) fn is_list(section: &str, field: &str) -> bool {
    matches!(
        (section, field),
        ("local_groups", "members")
            | ("versionprovider", "comments" | "perl_config" | "perl_module")
            | ("cameras", "resolution" | "resolutionvideo" | "imageformats" | "supports")
            | ("databases_services", "databases")
    )
}

/// How a field is typed: as in the schema of the GLPI inventory format, and a few that only XML agents send.
pub(super) fn kind(section: &str, field: &str) -> Kind {
    match (section, field) {
        ("networks" | "virtualmachines", "mac") => Kind::Mac,
        ("networks", "status" | "type") | ("virtualmachines" | "slots" | "firewalls", "status") => Kind::Word,
        ("softwares", "install_date") => Kind::Day,
        ("bios", "bdate") => Kind::FirmwareDay,
        ("networks", "speed") => Kind::Speed,
        _ if numbers(section).contains(&field) => Kind::Number,
        _ if truths(section).contains(&field) => Kind::Truth,
        _ => Kind::Text,
    }
}

fn numbers(section: &str) -> &'static [&'static str] {
    match section {
        "batteries" => &["capacity", "real_capacity", "voltage", "cycles"],
        "cpus" => &["core", "corecount", "external_clock", "speed", "stepping", "thread", "current_speed"],
        "drives" => &["free", "total", "numfiles"],
        "hardware" => &["memory", "swap", "checksum", "processors", "processorn"],
        "physical_volumes" => &["free", "pe_size", "pv_pe_count", "size"],
        "volume_groups" => &["free", "lv_count", "pv_count", "size"],
        "logical_volumes" => &["seg_count", "size"],
        "memories" => &["capacity", "numslots"],
        "networks" => &["mtu"],
        "processes" => &["pid", "virtualmemory"],
        "softwares" => &["filesize"],
        "storages" => &["disksize"],
        "videos" => &["memory"],
        "virtualmachines" => &["memory", "vcpu"],
        "powersupplies" => &["power_max"],
        "versionprovider" => &["etime"],
        "databases_services" => &["port", "size"],
        "databases" => &["size"],
        _ => &[],
    }
}

fn truths(section: &str) -> &'static [&'static str] {
    match section {
        "antivirus" => &["enabled", "uptodate"],
        "drives" => &["systemdrive"],
        "memories" => &["removable"],
        "networks" => &["management", "virtualdev"],
        "printers" => &["network", "shared"],
        "softwares" => &["no_remove"],
        "licenseinfos" => &["trial"],
        "powersupplies" => &["hotreplaceable", "plugged"],
        "cameras" => &["flashunit"],
        "databases_services" | "databases" => &["is_active", "is_onbackup"],
        _ => &[],
    }
}

/// A whole number; a decimal loses its fraction, as in the agents that count in whole units.
pub(super) fn number(text: &str) -> Option<i64> {
    match text.split_once('.') {
        None => text.parse().ok(),
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit()) => whole.parse().ok(),
        Some(_) => None,
    }
}

/// Yes or no.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" => Some(true),
        "0" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// `DD/MM/YYYY`, `MM/DD/YYYY` (`month_first`) or `YYYY/MM/DD`, each perhaps with a time, as `YYYY-MM-DD[ hh:mm:ss]`. A time of
/// midnight means that there is none. Everything else is no day.
pub(super) fn day(text: &str, month_first: bool) -> Option<String> {
    let (date, time) = text.split_once(' ').unwrap_or((text, ""));
    let parts: Vec<&str> = date.split('/').collect();
    let (year, month, day) = match parts[..] {
        [year, month, day] if year.len() == 4 => (year, month, day),
        [month, day, year] if month_first => (year, month, day),
        [day, month, year] => (year, month, day),
        _ => return None,
    };
    let digits = |t: &str, n: usize| t.len() <= n && !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if year.len() != 4 || !digits(year, 4) || !digits(month, 2) || !digits(day, 2) {
        return None;
    }
    let (month, day): (u8, u8) = (month.parse().ok()?, day.parse().ok()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let clock = time.len() == 8 && time.bytes().enumerate().all(|(i, b)| if i % 3 == 2 { b == b':' } else { b.is_ascii_digit() });
    match time {
        "" | "00:00:00" => Some(format!("{year}-{month:02}-{day:02}")),
        time if clock => Some(format!("{year}-{month:02}-{day:02} {time}")),
        _ => None,
    }
}

/// `100 Mbps`, `1 Gb/s` and the like as megabits a second; a number without unit is that already.
pub(super) fn speed(text: &str) -> Option<String> {
    let (number, unit) = text.split_once(' ')?;
    let number: i64 = number.parse().ok()?;
    match unit.to_ascii_lowercase().as_str() {
        "mbps" | "mb/s" | "mbit/s" => Some(number.to_string()),
        "gbps" | "gb/s" | "gbit/s" => number.checked_mul(1000).map(|n| n.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_all_agents_become_the_same_and_what_is_none_is_none() {
        let cases = [
            ("08/06/2017", false, Some("2017-06-08")),
            ("07/25/2014", true, Some("2014-07-25")),
            ("2025/05/24 14:37:47", false, Some("2025-05-24 14:37:47")),
            ("2025/04/20 00:00:00", false, Some("2025-04-20")),
            ("2025/4/2", false, Some("2025-04-02")),
            ("25/13/2014", false, None),
            ("32/01/2014", false, None),
            ("2006-08-20 12:06", false, None),
            ("N/A", false, None),
            ("1/2/3", false, None),
            ("08/06/2017 noon", false, None),
            ("+8/06/2017", false, None),
        ];
        for (text, month_first, expected) in cases {
            assert_eq!(day(text, month_first).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_table_of_types_is_that_of_the_schema() {
        // Sections of network devices: no agent sends them in this form.
        const OTHERS: [&str; 6] = ["error", "network_ports", "network_components", "network_device", "pagecounters", "consumables"];
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/samples/glpi/inventory.schema.json")).expect("schema");
        let sections = schema["properties"]["content"]["properties"].as_object().expect("sections");
        let mut checked = 0;
        for (section, shape) in sections.iter().filter(|(name, _)| !OTHERS.contains(&name.as_str())) {
            let fields = shape["items"]["properties"].as_object().or_else(|| shape["properties"].as_object());
            for (field, shape) in fields.into_iter().flatten() {
                let expected = match shape["type"].as_str() {
                    Some("integer") => Some(Kind::Number),
                    Some("boolean") => Some(Kind::Truth),
                    Some("array") => {
                        assert!(is_list(section, field), "{section}/{field} is a list");
                        None
                    }
                    _ => None,
                };
                let kind = kind(section, field);
                match expected {
                    Some(expected) => assert_eq!(kind, expected, "{section}/{field}"),
                    None => assert!(!matches!(kind, Kind::Number | Kind::Truth), "{section}/{field} is text"),
                }
                checked += 1;
            }
        }
        assert!(checked > 200, "{checked}");
    }

    #[test]
    fn numbers_truths_and_speeds_that_are_none_are_none() {
        assert_eq!(
            ["12", "-1", "274877.906944", "3.954V", "", "1.", "0x10"].map(number),
            [Some(12), Some(-1), Some(274_877), None, None, None, None]
        );
        assert_eq!(["1", "0", "Yes", "False", "2", ""].map(truth), [Some(true), Some(false), Some(true), Some(false), None, None]);
        let speeds = ["-1 Mbps", "10 Gb/s", "1000", "1 furlong"].map(speed);
        assert_eq!(speeds.each_ref().map(Option::as_deref), [Some("-1"), Some("10000"), None, None]);
    }
}
