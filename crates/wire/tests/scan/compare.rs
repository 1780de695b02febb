//! Both readers of legacy messages held against each other. The fuzz target `scan` uses this file too.

use muster_core::inventory::{Canonical, Inventory, Print, Told, fact_line, is_reading_section, reading_fields};
use muster_wire::legacy::{Dialect, Message, parse_request, read_message, scan};
use std::collections::HashMap;

/// Every dialect.
pub const DIALECTS: [Dialect; 6] =
    [Dialect::FusionInventory, Dialect::GlpiLegacy, Dialect::OcsUnix, Dialect::OcsWindows, Dialect::OcsOther, Dialect::Unknown];

/// Reads a document both ways and holds them against each other. Gives whether the scanner took it.
pub fn same(bytes: &[u8], agent: Dialect) -> bool {
    let shown = || String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]).into_owned();
    let (standard, message) = match (parse_request(bytes, agent), read_message(bytes.to_vec(), agent)) {
        (Ok(standard), Ok(message)) => (standard, message),
        (standard, message) => {
            assert_eq!(message.err(), standard.err(), "{}", shown());
            return false;
        }
    };
    let of = |m: &Message| (m.device_id.clone(), m.old_device_id.clone(), m.query.clone(), m.token.clone(), m.dialect);
    let expected = (standard.device_id, standard.old_device_id, standard.query, standard.token, standard.dialect);
    assert_eq!(of(&message), expected, "{}", shown());
    assert_eq!((&message.agent_version, &message.content), (&standard.agent_version, &standard.content), "{}", shown());
    assert_eq!(message.findings, standard.findings, "{}", shown());
    match (message.inventory, standard.inventory) {
        (Some(told), Some(inventory)) => same_inventory(&*told, inventory, &shown()),
        (told, inventory) => {
            assert_eq!(told.is_some(), inventory.is_some(), "{}", shown());
            false
        }
    }
}

fn same_inventory(told: &dyn Told, inventory: Inventory, shown: &str) -> bool {
    assert_eq!((told.completeness(), told.findings()), (inventory.completeness, &inventory.findings[..]), "{shown}");
    let names: Vec<&String> = told.sections().iter().map(|s| &s.section).collect();
    assert_eq!(names, inventory.sections.keys().collect::<Vec<_>>(), "{shown}");
    let standard = Canonical::new(inventory);
    for (print, expected) in told.sections().iter().zip(standard.sections()) {
        let (name, rows) = (&print.section, standard.rows(&print.section));
        assert_eq!(told.rows(name), rows, "{name} of {shown}");
        for at in 0..=rows.len() {
            assert_eq!(told.row(name, at).as_ref(), rows.get(at), "{name} {at} of {shown}");
        }
        assert_eq!((print.rows, print.has_readings), (expected.rows, expected.has_readings), "{name} of {shown}");
        assert_eq!(print.keys.len(), expected.keys.len(), "{name} of {shown}");
        let mut facts = HashMap::new();
        for (key, row) in print.keys.iter().zip(&rows) {
            let line = fact_line(name, row);
            assert_eq!(*facts.entry(*key).or_insert_with(|| line.clone()), line, "{name} of {shown}");
        }
        if is_reading_section(name) {
            assert_eq!(print.print, Print::default(), "{name} of {shown}");
        }
    }
    assert_eq!(told.rows("no_such_section"), []);
    told.form() == scan::FORM
}

/// What was told, when the scanner took the document.
pub fn scanned(bytes: &[u8], agent: Dialect) -> Option<Box<dyn Told>> {
    read_message(bytes.to_vec(), agent).ok()?.inventory.filter(|told| told.form() == scan::FORM)
}

/// The law of prints between two scanned documents of one dialect.
pub fn lawful(a: &dyn Told, b: &dyn Told) {
    for (one, other) in a.sections().iter().filter_map(|s| Some((s, b.section(&s.section)?))) {
        let name = &one.section;
        let lines = |told: &dyn Told| told.rows(name).iter().map(|row| fact_line(name, row)).collect::<Vec<_>>();
        let (facts_a, facts_b) = (lines(a), lines(b));
        let keyed: HashMap<u64, &String> = one.keys.iter().copied().zip(&facts_a).collect();
        for (key, line) in other.keys.iter().zip(&facts_b) {
            assert!(keyed.get(key).is_none_or(|l| *l == line), "{name}: one key, two rows: {line} {keyed:?}");
        }
        if one.print == other.print && !is_reading_section(name) {
            let sorted = |mut lines: Vec<String>| {
                lines.sort();
                lines
            };
            assert_eq!(sorted(facts_a), sorted(facts_b), "{name}: one print, two facts");
        }
    }
    if a.readings() == b.readings() {
        assert_eq!(readings(a), readings(b), "one print, two readings");
    }
}

fn readings(told: &dyn Told) -> Vec<String> {
    let mut all = Vec::new();
    for name in told.sections().iter().map(|s| &s.section) {
        for (i, row) in told.rows(name).iter().enumerate() {
            let is_reading = |field: &str| is_reading_section(name) || reading_fields(name).contains(&field);
            all.extend(row.iter().filter(|(f, _)| is_reading(f)).map(|(f, value)| format!("{name} {i} {f} {value}")));
        }
    }
    all
}
