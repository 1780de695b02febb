//! The content of an XML inventory as a canonical inventory (`docs/protocols/inventory-format.md`): the same machine gives the
//! same names whichever agent tells of it.
//!
//! Absent on purpose: the tables of names and types ([`super::types`]) and markup ([`super::xml`]).

use super::dialect::Dialect;
use super::types::{self, Kind};
use super::xml::Node;
use muster_core::inventory::{Completeness, Inventory, Row, is_single, text};
use muster_core::limits::SECTIONS_MAX;
use serde_json::{Map, Value};
use std::collections::btree_map::Entry;

/// Reads the sections below `<CONTENT>`.
pub(super) fn inventory(content: Node, dialect: Dialect, completeness: Completeness) -> Inventory {
    let mut inventory = Inventory::empty(completeness);
    for mut element in content.children {
        let name = std::mem::take(&mut element.name);
        let section = types::section_name(&name);
        match section {
            // The agent's ids belong to the message, not to the machine.
            "deviceid" | "old_deviceid" => {}
            "download" => download_history(&mut inventory, &element),
            "ipdiscover" => add(&mut inventory, section, neighbours(&element)),
            _ => add(&mut inventory, section, section_row(section, element, dialect)),
        }
    }
    // A cut document of an agent that has an OPERATINGSYSTEM of its own may have lost just that.
    let derive = dialect.completeness() == completeness && !inventory.sections.contains_key("operatingsystem");
    settle(&mut inventory, derive);
    if inventory.sections.is_empty() {
        // A document without content says nothing, least of all that everything is gone.
        inventory.completeness = Completeness::Partial;
    }
    inventory
}

/// One element below `<CONTENT>` as a row of its section; none when it is empty. Of all sections but those that [`inventory`]
/// puts together from several elements, this is all there is to a row.
pub(super) fn section_row(section: &str, element: Node, dialect: Dialect) -> Option<Row> {
    if element.children.is_empty() {
        return (!element.text.is_empty()).then(|| Row::from([("value".to_owned(), Value::from(element.text))]));
    }
    let mut row = row(section, element, dialect);
    if section == "networks" {
        settle_address_family(&mut row);
    }
    (!row.is_empty()).then_some(row)
}

/// Adds rows. A single section that comes in pieces becomes one row.
fn add(inventory: &mut Inventory, section: &str, rows: impl IntoIterator<Item = Row>) {
    for row in rows {
        let known = inventory.sections.len();
        let Some(present) = inventory.sections.get_mut(section) else {
            if known >= SECTIONS_MAX {
                inventory.find("limit", format!("section {section} was left out: more than {SECTIONS_MAX} sections"));
                return;
            }
            inventory.sections.insert(section.to_owned(), vec![row]);
            continue;
        };
        match present.first_mut().filter(|_| is_single(section)) {
            Some(first) => {
                for (field, value) in row {
                    first.entry(field).or_insert(value);
                }
            }
            None => present.push(row),
        }
    }
}

/// One element of a section as a row: renamed, typed, repeated fields as lists.
fn row(section: &str, element: Node, dialect: Dialect) -> Row {
    let mut row = Row::new();
    if !element.text.is_empty() {
        row.insert("content".to_owned(), Value::from(element.text));
    }
    // Names of the format first: a field called otherwise takes such a name only when it is free.
    let mut aliased = Vec::new();
    for mut field in element.children {
        match types::alias(section, &field.name) {
            Some(name) => aliased.push((name, field)),
            None => {
                let name = std::mem::take(&mut field.name);
                put(&mut row, section, name, field, dialect);
            }
        }
    }
    let free: Vec<bool> = aliased.iter().map(|(name, _)| !row.contains_key(*name)).collect();
    for ((alias, mut field), free) in aliased.into_iter().zip(free) {
        let name = if free { alias.to_owned() } else { std::mem::take(&mut field.name) };
        put(&mut row, section, name, field, dialect);
    }
    row
}

fn put(row: &mut Row, section: &str, name: String, field: Node, dialect: Dialect) {
    let listed = types::is_list(section, &name);
    if listed && section == "local_groups" && dialect.is_ocs() {
        // OCS writes a group's members into one field.
        for member in field.text.split(',').map(str::trim).filter(|m| !m.is_empty()) {
            put_value(row, name.clone(), Value::from(member), listed);
        }
    } else if let Some(value) = value(section, &name, field, dialect) {
        put_value(row, name, value, listed);
    }
}

fn put_value(row: &mut Row, name: String, value: Value, listed: bool) {
    match row.entry(name) {
        Entry::Vacant(free) => {
            free.insert(if listed { Value::Array(vec![value]) } else { value });
        }
        Entry::Occupied(mut taken) => match taken.get_mut() {
            Value::Array(present) => present.push(value),
            present => *present = Value::Array(vec![present.take(), value]),
        },
    }
}

/// A field's value; none when it is empty.
fn value(section: &str, name: &str, field: Node, dialect: Dialect) -> Option<Value> {
    if field.children.is_empty() {
        return (!field.text.is_empty()).then(|| typed(section, name, field.text));
    }
    let inner = row(name, field, dialect);
    (!inner.is_empty()).then(|| Value::Object(inner.into_iter().collect::<Map<_, _>>()))
}

/// A text as its type; one that does not fit stays text.
fn typed(section: &str, name: &str, mut text: String) -> Value {
    let converted = match types::kind(section, name) {
        Kind::Text => None,
        Kind::Number => types::number(&text).map(Value::from),
        Kind::Truth => types::truth(&text).map(Value::from),
        Kind::Mac => {
            text.make_ascii_lowercase();
            None
        }
        Kind::Word => Some(Value::from(word(section, name, text.to_ascii_lowercase()))),
        Kind::Day => types::day(&text, false).map(Value::from),
        Kind::FirmwareDay => types::day(&text, true).map(Value::from),
        Kind::Speed => types::speed(&text).map(Value::from),
    };
    converted.unwrap_or_else(|| Value::from(text))
}

/// OCS words that mean what the format has a word for.
fn word(section: &str, name: &str, word: String) -> String {
    match (section, name, word.as_str()) {
        ("slots", "status", "available") => "free".to_owned(),
        ("slots", "status", "in use") => "used".to_owned(),
        ("networks", "type", "ether") => "ethernet".to_owned(),
        _ => word,
    }
}

/// OCS: packages the agent has had, one row each. An empty history says that there were none.
fn download_history(inventory: &mut Inventory, element: &Node) {
    let Some(history) = element.child("history") else { return };
    let id = |package: &Node| Some(Row::from([("id".to_owned(), Value::from(package.field("id")?))]));
    let rows: Vec<Row> = history.all("package").filter_map(id).collect();
    if inventory.sections.len() < SECTIONS_MAX {
        inventory.sections.entry("download".to_owned()).or_default().extend(rows);
    }
}

/// OCS: hosts seen on the agent's network.
fn neighbours(element: &Node) -> Vec<Row> {
    let field = |host: &Node, from: &str, to: &str| Some((to.to_owned(), Value::from(host.field(from)?)));
    let host = |host: &Node| -> Row {
        let mac = host.field("m").map(|m| ("mac".to_owned(), Value::from(m.to_ascii_lowercase())));
        [field(host, "i", "ip"), mac, field(host, "n", "name")].into_iter().flatten().collect()
    };
    element.all("h").map(host).filter(|row| !row.is_empty()).collect()
}

/// Moves what older forms keep in another section than the format does.
/// `derive`: the operating system is told in HARDWARE only.
fn settle(inventory: &mut Inventory, derive: bool) {
    let chassis = inventory.first("bios").and_then(|b| b.get("type").cloned());
    let Some(hardware) = inventory.sections.get_mut("hardware").and_then(|rows| rows.first_mut()) else { return };
    if let Some(chassis) = chassis {
        hardware.entry("chassis_type".to_owned()).or_insert(chassis);
    }
    let etime = hardware.remove("etime");
    let mut system = if derive { operating_system(hardware) } else { Row::new() };
    if let Some((arch, uptime)) = text(hardware, "description").and_then(arch_and_uptime) {
        if derive {
            system.entry("arch".to_owned()).or_insert(Value::from(arch));
        }
        system.insert("uptime".to_owned(), Value::from(uptime));
        hardware.remove("description");
    }
    if hardware.is_empty() {
        inventory.sections.remove("hardware");
    }
    if !system.is_empty() {
        add(inventory, "operatingsystem", [system]);
    }
    if let Some(Value::String(seconds)) = etime {
        let seconds = typed("versionprovider", "etime", seconds);
        add(inventory, "versionprovider", [Row::from([("etime".to_owned(), seconds)])]);
    }
}

/// OCS writes addresses of both families into the same fields.
fn settle_address_family(network: &mut Row) {
    let is_six = text(network, "ipaddress").is_some_and(|a| a.contains(':'));
    if !is_six || network.contains_key("ipaddress6") {
        return;
    }
    for (four, six) in [("ipaddress", "ipaddress6"), ("ipmask", "ipmask6"), ("ipsubnet", "ipsubnet6")] {
        if let Some(value) = network.remove(four) {
            network.insert(six.to_owned(), value);
        }
    }
}

/// The operating system as OCS tells of it in HARDWARE, in the format's words. The fields move.
fn operating_system(hardware: &mut Row) -> Row {
    let mut take = |field: &str| match hardware.remove(field) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (name, version, comments) = (take("osname"), take("osversion"), take("oscomments"));
    let (arch, installed) = (take("arch"), take("installdate"));
    let mut system = Row::new();
    let mut set = |field: &str, text: Option<String>| {
        if let Some(text) = text {
            system.insert(field.to_owned(), Value::from(text));
        }
    };
    let windows = name.as_deref().is_some_and(|n| n.contains("Windows"));
    // A comment that begins with '#' is the kernel's build: then the version is the kernel's.
    let kernel = comments.as_deref().is_some_and(|c| c.starts_with('#'));
    if windows {
        set("name", Some("Windows".to_owned()));
        set("full_name", name);
        set("kernel_version", version.clone());
        set("version", version);
        set("service_pack", comments);
    } else {
        let longer = comments.filter(|c| name.as_deref().is_some_and(|n| c.starts_with(n)));
        let short = name.as_deref().map(|n| match version.as_deref().and_then(|v| n.strip_suffix(v)) {
            Some(short) if short.ends_with(' ') => short.trim_end().to_owned(),
            _ => n.to_owned(),
        });
        set("full_name", longer.or(name));
        set("name", short);
        set(if kernel { "kernel_version" } else { "version" }, version);
    }
    set("arch", arch);
    set("install_date", installed.map(|d| types::day(&d, false).unwrap_or(d)));
    system
}

/// `x86_64/00-00-00 00:20:21`, as Unix agents describe a machine: architecture and how long it has been up.
fn arch_and_uptime(description: &str) -> Option<(String, String)> {
    let (arch, uptime) = description.split_once('/')?;
    let shape: String = uptime.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let fits = shape == "00-00-00 00:00:00" && !arch.is_empty() && !arch.contains(char::is_whitespace);
    fits.then(|| (arch.to_owned(), uptime.to_owned()))
}
