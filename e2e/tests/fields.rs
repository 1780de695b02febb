//! The inventory of Muster's own agent beside FusionInventory's of the same machine in the same minute, field by field. What differs on
//! purpose is listed here with the reason, and in docs/agent.md.

use anyhow::{Context as _, Result, ensure};
use muster_core::inventory::{Completeness, Inventory, Row};
use muster_e2e::{muster_agent, system_program};
use muster_wire::legacy::{Dialect, parse_request};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Stdio;

/// What may differ: section, field (all with `*`), why.
const DIFFERS: &[(&str, &str, &str)] = &[
    ("cpus", "arch", "the kernel's word, not i386 for all of x86"),
    ("softwares", "publisher", "the package's maintainer, not the distribution"),
    ("networks", "mac", "an address of only zeros is none"),
    ("networks", "ipmask6", "whole masks"),
    ("networks", "ipsubnet6", "of whole masks"),
    ("networks", "speed", "a speed of 0 is none"),
    ("controllers", "driver", "the driver that the kernel names"),
    ("local_users", "name", "the person's name, without room and telephone"),
    ("storages", "description", "a guess from the name"),
    ("operatingsystem", "timezone", "the zone's whole name: Etc/UTC, not UTC"),
    ("operatingsystem", "boot_time", "reckoned from the uptime, to a second"),
    ("operatingsystem", "dns_domain", "part of the fully qualified name"),
    ("operatingsystem", "ssh_key", "not collected on purpose"),
    ("hardware", "checksum", "of the old format alone"),
    ("hardware", "datelastloggeduser", "told with the user, in users"),
    ("hardware", "lastloggeduser", "told in users"),
    ("hardware", "ipaddr", "told in networks"),
    ("hardware", "osname", "told in operatingsystem"),
    ("hardware", "osversion", "told in operatingsystem"),
    ("hardware", "oscomments", "told in operatingsystem"),
    ("hardware", "processorn", "told in cpus"),
    ("hardware", "processort", "told in cpus"),
    ("hardware", "processors", "told in cpus"),
    ("drives", "free", "a reading: it changes between two looks"),
    ("bios", "*", "the numbers of a chassis that says nothing"),
];
/// Sections that are not there on purpose, or change between two looks.
const WITHOUT: &[(&str, &str)] = &[
    ("envs", "they hold secrets"),
    ("firewalls", "not collected"),
    ("processes", "readings: others run a moment later"),
    ("accesslog", "when it was collected"),
    ("versionclient", "another program"),
    ("versionprovider", "how the other program was built"),
    ("users", "who is signed in, told once for each"),
    ("remote_mgmt", "not collected"),
    ("sshkeys", "not collected on purpose"),
];
/// By what a row is known, in sections of many.
const KEYS: &[(&str, &[&str])] = &[
    ("softwares", &["name", "arch", "version"]),
    ("networks", &["description", "ipaddress", "ipaddress6"]),
    ("controllers", &["pcislot"]),
    ("cpus", &["name"]),
    ("drives", &["volumn", "type"]),
    ("storages", &["name"]),
    ("local_users", &["login"]),
    ("local_groups", &["name"]),
    ("memories", &["numslots"]),
    ("usbdevices", &["vendorid", "productid", "serial"]),
];

fn theirs() -> Result<Inventory> {
    let program = system_program("fusioninventory-inventory", "fusioninventory-agent")?;
    let output = std::process::Command::new(program).stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    let request = parse_request(&output.stdout, Dialect::FusionInventory).map_err(|e| anyhow::anyhow!("{e}"))?;
    request.inventory.context("an inventory")
}

fn ours() -> Result<Inventory> {
    let output = muster_agent()?.args(["inventory", "--stdout"]).stdin(Stdio::null()).output()?;
    let document: Value = serde_json::from_slice(&output.stdout)?;
    let content = document["content"].as_object().context("content")?.clone();
    muster_wire::glpi_content::read(content, Completeness::Full).map_err(|e| anyhow::anyhow!("{e:?}"))
}

fn is_listed(section: &str, field: &str) -> bool {
    DIFFERS.iter().any(|(s, f, _)| *s == section && (*f == field || *f == "*"))
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn key(section: &str, row: &Row) -> Vec<String> {
    let fields = KEYS.iter().find(|(name, _)| *name == section).map_or(&[][..], |(_, fields)| fields);
    fields.iter().map(|field| text(row.get(*field))).collect()
}

#[test]
fn every_field_that_the_other_agent_tells_is_told_alike_but_for_those_on_the_list() -> Result<()> {
    let (theirs, ours) = (theirs()?, ours()?);
    let (mut compared, mut differing, mut unlisted) = (0, BTreeMap::<(String, String), usize>::new(), Vec::new());
    for (section, rows) in &theirs.sections {
        if WITHOUT.iter().any(|(name, _)| name == section) {
            continue;
        }
        let mine: BTreeMap<Vec<String>, &Row> = ours.rows(section).iter().map(|row| (key(section, row), row)).collect();
        for row in rows {
            let Some(own) = mine.get(&key(section, row)) else {
                if !is_listed(section, "*") {
                    unlisted.push(format!("{section}: the row {:?} is missing", key(section, row)));
                }
                continue;
            };
            for (field, told) in row {
                let (told, own) = (text(Some(told)), text(own.get(field)));
                compared += 1;
                if told.is_empty() || told == own {
                    continue;
                }
                *differing.entry((section.clone(), field.clone())).or_default() += 1;
                if !is_listed(section, field) {
                    unlisted.push(format!("{section}.{field} of {:?}: '{own}', theirs '{told}'", key(section, row)));
                }
            }
        }
    }
    println!("{compared} fields of {} sections compared", theirs.sections.len());
    for ((section, field), count) in &differing {
        let why = DIFFERS.iter().find(|(s, f, _)| s == section && (f == field || *f == "*")).map_or("NOT LISTED", |(.., why)| why);
        println!("{section}.{field} differs {count} times: {why}");
    }
    ensure!(unlisted.is_empty(), "what differs is not on the list:\n{}", unlisted.join("\n"));
    ensure!(compared > 1_000, "only {compared} fields were compared: is this machine's inventory that small?");
    Ok(())
}
