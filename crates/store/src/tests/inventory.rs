//! Inventories: sections, readings, the dictionary of programs, history.

use super::house::{HERE, NOW, all_pages, device, id, inventory, later, orgs, read, write};
use super::world::{World, on_all};
use crate::{DeviceFilter, InventoryWrite, SectionWrite, Software};
use muster_core::fleet::{HistoryEntry, SectionHistory, StoredSection, Summary};
use muster_core::ids::{AgentId, DeviceId};
use muster_core::inventory::{Finding, SectionChange};
use muster_core::page::PageRequest;
use serde_json::json;

on_all! {
    sections_are_replaced_and_removed_one_by_one
    readings_come_back_as_they_went
    an_inventory_without_changes_moves_only_its_date
    programs_are_shared_between_devices
    a_program_that_came_and_went_at_once_is_there
    addresses_and_logins_are_replaced
    history_goes_backwards_and_by_section
}

fn furnish(w: &World) {
    orgs(w);
    write(w, |tx| device(tx, 10, "one").and_then(|()| device(tx, 11, "two")));
}

/// An inventory that changes nothing.
fn unchanged(n: u128) -> InventoryWrite {
    InventoryWrite { device_write: None, ..inventory(n, Summary::default()) }
}

fn section(name: &str, facts: &str) -> SectionWrite {
    SectionWrite {
        section: name.to_owned(),
        hash: muster_core::inventory::hash(facts.as_bytes()),
        facts: facts.as_bytes().to_vec(),
        rows: 2,
    }
}

fn sections_are_replaced_and_removed_one_by_one(w: &World) {
    furnish(w);
    let big = format!("[\"{}\"]", "ü".repeat(200_000));
    let facts = big.clone();
    write(w, move |tx| {
        let sections = vec![section("bios", "[1]"), section("softwares", &facts), section("cpus", "[2]")];
        tx.inventory_write(&InventoryWrite { sections, ..unchanged(10) })?;
        let (sections, removed) = (vec![section("bios", "[3]")], vec!["cpus".to_owned(), "drives".to_owned()]);
        tx.inventory_write(&InventoryWrite { at: later(9), sections, removed, ..unchanged(10) })
    });
    let stored = |name: &str, facts: &str, changed| StoredSection {
        agent: AgentId(id(1010)),
        section: name.to_owned(),
        hash: muster_core::inventory::hash(facts.as_bytes()),
        rows: 2,
        changed,
    };
    let found = read(w, |rx| rx.sections(&[AgentId(id(1010)), AgentId(id(1011))]));
    assert_eq!(found, [stored("bios", "[3]", later(9)), stored("softwares", &big, NOW)]);
    let facts = |name: &'static str| read(w, move |rx| rx.section_facts(AgentId(id(1010)), name));
    assert_eq!((facts("bios"), facts("softwares"), facts("cpus")), (Some(b"[3]".to_vec()), Some(big.into_bytes()), None));
}

fn readings_come_back_as_they_went(w: &World) {
    furnish(w);
    let found = |w: &World| read(w, |rx| Ok((rx.readings(AgentId(id(1010)))?, rx.readings_hash(AgentId(id(1010)))?)));
    assert_eq!(found(w), (None, None));
    write(w, |tx| tx.inventory_write(&InventoryWrite { readings: Some(([7; 32], b"{}".to_vec())), ..unchanged(10) }));
    write(w, |tx| tx.inventory_write(&unchanged(10)));
    assert_eq!(found(w), (Some(b"{}".to_vec()), Some([7; 32])));
}

fn an_inventory_without_changes_moves_only_its_date(w: &World) {
    furnish(w);
    let before = read(w, |rx| rx.device(HERE, DeviceId(id(10)))).unwrap();
    let findings = vec![Finding::new("encoding", "line 3")];
    let odd = findings.clone();
    write(w, move |tx| tx.inventory_write(&InventoryWrite { at: later(5), findings: odd.clone(), ..unchanged(10) }));
    let (device, agent) = read(w, |rx| Ok((rx.device(HERE, DeviceId(id(10)))?.unwrap(), rx.agent(AgentId(id(1010)))?.unwrap())));
    assert_eq!(device, muster_core::fleet::Device { last_inventory: Some(later(5)), findings, ..before });
    assert_eq!(agent.last_inventory, Some(later(5)));
}

fn program(name: &str, version: &str) -> Software {
    Software { name: name.to_owned(), version: version.to_owned(), publisher: "p".to_owned(), arch: String::new() }
}

/// Writes that programs came and went on a device.
fn programs(w: &World, n: u128, added: &[Software], removed: &[Software]) {
    let mut change = inventory(n, Summary { name: Some(format!("pc-{n}")), ..Summary::default() });
    let device = change.device_write.as_mut().unwrap();
    (device.software_added, device.software_removed) = (added.to_vec(), removed.to_vec());
    device.software_count = Some(i64::try_from(added.len()).unwrap());
    write(w, move |tx| tx.inventory_write(&change));
}

/// Who has a program of a name.
fn with(w: &World, name: &'static str) -> String {
    let filter = DeviceFilter { software: Some(name.to_owned()), ..DeviceFilter::default() };
    let found = all_pages(w, 9, "name", move |rx, p| rx.devices(HERE, &filter, p));
    found.iter().map(|d| d.name.clone()).collect::<Vec<_>>().join(" ")
}

fn entries(w: &World, table: &'static str) -> i64 {
    read(w, move |rx| {
        rx.one(if table == "software" { "SELECT count(*) FROM software" } else { "SELECT count(*) FROM device_software" }, &[])?
            .unwrap()
            .int(0)
    })
}

fn programs_are_shared_between_devices(w: &World) {
    furnish(w);
    let (a1, a2, b) = (program("a", "1"), program("a", "2"), program("b", "1"));
    programs(w, 10, &[a1.clone(), a2.clone(), b.clone()], &[]);
    programs(w, 11, std::slice::from_ref(&a1), &[]);
    assert_eq!((entries(w, "software"), entries(w, "device_software")), (3, 4));
    assert_eq!((with(w, "a"), with(w, "b"), with(w, "A")), ("pc-10 pc-11".into(), "pc-10".into(), String::new()));
    // One of two versions went; the other device keeps its own.
    programs(w, 10, &[], &[a1]);
    assert_eq!((with(w, "a"), entries(w, "device_software")), ("pc-10 pc-11".into(), 3));
    programs(w, 10, &[], &[a2, program("never", "was")]);
    assert_eq!((with(w, "a"), with(w, "b")), ("pc-11".into(), "pc-10".into()));
    write(w, |tx| tx.device_delete(HERE, DeviceId(id(11))));
    assert_eq!((with(w, "a"), entries(w, "device_software")), (String::new(), 1));
    // Parts that run into one another are other programs.
    let parts = |name: &str, version: &str| Software { publisher: String::new(), ..program(name, version) };
    programs(w, 10, &[parts("ab", "c"), parts("a", "bc"), parts("abc", "")], &[]);
    assert_eq!(entries(w, "device_software"), 4);
}

fn a_program_that_came_and_went_at_once_is_there(w: &World) {
    furnish(w);
    let a = program("a", "1");
    programs(w, 10, &[a.clone(), a.clone()], &[]);
    programs(w, 10, std::slice::from_ref(&a), &[]);
    assert_eq!((with(w, "a"), entries(w, "device_software")), ("pc-10".into(), 1));
    programs(w, 10, std::slice::from_ref(&a), std::slice::from_ref(&a));
    assert_eq!(with(w, "a"), "pc-10");
}

fn addresses_and_logins_are_replaced(w: &World) {
    furnish(w);
    for (ip, login) in [("FE80::1", "ann"), ("10.0.0.1", "bob")] {
        let mut change = inventory(10, Summary { ips: vec![ip.to_owned(), ip.to_lowercase()], ..Summary::default() });
        change.device_write.as_mut().unwrap().logins = vec![login.to_owned(), login.to_owned()];
        write(w, move |tx| tx.inventory_write(&change));
        let found = |filter: DeviceFilter| read(w, move |rx| rx.devices(HERE, &filter, &PageRequest::default())).items.len();
        let by_ip = |ip: &str| found(DeviceFilter { ip: Some(ip.to_owned()), ..DeviceFilter::default() });
        let by_user = |user: &str| found(DeviceFilter { user: Some(user.to_owned()), ..DeviceFilter::default() });
        assert_eq!((by_ip("fe80::1"), by_ip("10.0.0.1")), if login == "ann" { (1, 0) } else { (0, 1) });
        assert_eq!((by_user("ann"), by_user("bob")), if login == "ann" { (1, 0) } else { (0, 1) });
    }
}

fn history_goes_backwards_and_by_section(w: &World) {
    furnish(w);
    let row = |v| serde_json::from_value(json!({ "name": v })).unwrap();
    let entry = move |n: u128, names: &[&str]| HistoryEntry {
        id: id(n),
        at: later(n as u64),
        agent: AgentId(id(1010)),
        sections: names
            .iter()
            .map(|name| SectionHistory {
                section: (*name).to_owned(),
                kind: "changed".to_owned(),
                change: SectionChange { added: vec![row("ü")], removed: vec![] },
                added_count: 1,
                removed_count: 0,
            })
            .collect(),
    };
    let all = [entry(101, &["bios"]), entry(102, &["softwares", "bios"]), entry(103, &["software"]), entry(104, &["bios"])];
    for e in all.clone() {
        let kept = InventoryWrite { at: e.at, history: Some((e.id, e.sections)), ..unchanged(10) };
        write(w, move |tx| tx.inventory_write(&kept));
    }
    for sort in ["-at", "at"] {
        let found = all_pages(w, 1, sort, |rx, p| rx.history(DeviceId(id(10)), None, p));
        assert_eq!(found, all.iter().rev().cloned().collect::<Vec<_>>(), "{sort}");
    }
    let of = |section| all_pages(w, 1, "-at", move |rx, p| rx.history(DeviceId(id(10)), Some(section), p)).len();
    assert_eq!((of("bios"), of("software"), of("softwares"), of("soft")), (3, 1, 1, 0));
    assert_eq!(all_pages(w, 1, "-at", |rx, p| rx.history(DeviceId(id(11)), None, p)), []);
}
