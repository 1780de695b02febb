//! Inventories: sections, readings, the dictionary of programs, history.

use super::house::{HERE, NOW, THERE, all_pages, device, id, inventory, later, orgs, put, read, whose, write};
use super::world::{World, on_all};
use crate::{DeviceFilter, Fault, HistoryWrite, Hot, InventoryWrite, Packed, SectionWrite, Software, Touch, Touched, Whose, keys_pack};
use muster_core::fleet::{HistoryEntry, Protocol, SectionHistory, StoredSection, Summary};
use muster_core::ids::{AgentId, DeviceId};
use muster_core::inventory::{Finding, Lines, Print, SectionChange};
use muster_core::page::PageRequest;
use serde_json::json;

on_all! {
    sections_are_replaced_and_removed_one_by_one
    readings_come_back_as_they_went
    a_plan_that_was_overtaken_writes_nothing
    an_inventory_that_repeats_the_last_one_is_only_touched
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
fn unchanged() -> InventoryWrite {
    InventoryWrite { device_write: None, ..inventory(Summary::default()) }
}

fn section(name: &str, lines: &str) -> SectionWrite {
    let facts = Lines::parse(lines.as_bytes().to_vec()).unwrap();
    SectionWrite {
        section: name.to_owned(),
        hash: facts.hash(),
        doc: Packed::new(facts.document()).unwrap(),
        rows: 2,
        print: Print::of(lines.as_bytes()),
        keys: keys_pack("form", &[7, u64::MAX]),
    }
}

fn sections_are_replaced_and_removed_one_by_one(w: &World) {
    furnish(w);
    let big = format!("\"{}\"", "ü".repeat(200_000));
    let facts = big.clone();
    write(w, move |tx| {
        let sections = vec![section("bios", "1"), section("softwares", &facts), section("cpus", "2")];
        put(tx, 10, NOW, &InventoryWrite { sections, ..unchanged() })?;
        let (sections, removed) = (vec![section("bios", "3\n4")], vec!["cpus".to_owned(), "drives".to_owned()]);
        put(tx, 10, later(9), &InventoryWrite { sections, removed, ..unchanged() })
    });
    let stored = |name: &str, lines: &str, changed| {
        let wrote = section(name, lines);
        StoredSection { agent: AgentId(id(1010)), section: wrote.section, hash: wrote.hash, rows: 2, changed, print: Some(wrote.print) }
    };
    let found = read(w, |rx| rx.sections(&[AgentId(id(1010)), AgentId(id(1011))]));
    assert_eq!(found, [stored("bios", "3\n4", later(9)), stored("softwares", &big, NOW)]);
    let facts = |name: &'static str| read(w, move |rx| rx.section_facts(AgentId(id(1010)), name));
    assert_eq!((facts("bios"), facts("softwares"), facts("cpus")), (Some(b"[3,4]".to_vec()), Some(format!("[{big}]").into_bytes()), None));
    let keyed = |form: &'static str| read(w, move |rx| rx.section_keyed(AgentId(id(1010)), "bios", form)).unwrap();
    assert_eq!((keyed("form").keys, keyed("form").lines.len()), (vec![7, u64::MAX], 2));
    assert_eq!(keyed("another form").keys, Vec::<u64>::new());
}

fn readings_come_back_as_they_went(w: &World) {
    furnish(w);
    let found = |w: &World| read(w, |rx| Ok((rx.readings(AgentId(id(1010)))?, rx.inventory_stand(DeviceId(id(10)), AgentId(id(1010)))?)));
    assert_eq!(found(w), (None, (0, None)));
    let packed = Packed::new(b"{}").unwrap();
    write(w, move |tx| put(tx, 10, NOW, &InventoryWrite { readings: Some(packed.clone()), ..unchanged() }));
    write(w, |tx| put(tx, 10, NOW, &unchanged()));
    assert_eq!(found(w), (Some(b"{}".to_vec()), (2, Some(Print::of(b"readings")))));
}

/// What was worked out before another inventory of the device was written is not written.
fn a_plan_that_was_overtaken_writes_nothing(w: &World) {
    furnish(w);
    let planned = InventoryWrite { sections: vec![section("bios", "1")], ..unchanged() };
    write(w, |tx| put(tx, 10, NOW, &unchanged()));
    let late = planned.clone();
    let done = w.store.write_now("late", move |tx| match tx.inventory_write(&whose(10, NOW), &late)? {
        true => Ok(()),
        false => Err(Fault::Full),
    });
    assert_eq!(done, Err(Fault::Full));
    assert_eq!(read(w, |rx| rx.sections(&[AgentId(id(1010))])), []);
    // An agent that speaks for another device now.
    let moved = Whose { device: DeviceId(id(11)), ..whose(10, NOW) };
    assert!(!write(w, move |tx| tx.inventory_write(&moved, &planned)));
}

fn touch(n: u128, facts: &[u8]) -> Touch {
    let (facts, readings) = (Print::of(facts), Print::of(b"readings"));
    Touch { door: HERE, protocol: Protocol::Glpi, foreign_id: format!("Host-{}", n + 1000), glpi_id: None, facts, readings }
}

fn an_inventory_that_repeats_the_last_one_is_only_touched(w: &World) {
    furnish(w);
    write(w, |tx| put(tx, 10, NOW, &unchanged()));
    let other_form = Touch { protocol: Protocol::Ocs, ..touch(10, b"facts") };
    let named = Touch { glpi_id: Some("other".to_owned()), ..touch(10, b"facts") };
    let readings = Touch { readings: Print::of(b"others"), ..touch(10, b"facts") };
    let elsewhere = Touch { door: THERE, ..touch(10, b"facts") };
    let set = [touch(10, b"facts"), touch(10, b"other"), touch(11, b"facts"), touch(99, b"facts"), other_form, named, readings, elsewhere];
    let found = write(w, move |tx| Touch::run(tx, &set));
    let same = Touched { agent: AgentId(id(1010)), org: HERE, device: DeviceId(id(10)), tag: None, has_open: false };
    assert_eq!(found, [Ok(Some(same)), Ok(None), Ok(None), Ok(None), Ok(None), Ok(None), Ok(None), Ok(None)]);
    let agent = |n| read(w, move |rx| rx.agent(AgentId(id(n)))).unwrap();
    assert!(agent(1010).last_inventory > Some(NOW) || agent(1010).last_inventory == Some(read(w, |rx| Ok(rx.now()))));
    assert_eq!(agent(1011).last_inventory, None);
}

fn an_inventory_without_changes_moves_only_its_date(w: &World) {
    furnish(w);
    let before = read(w, |rx| rx.device(HERE, DeviceId(id(10)))).unwrap();
    let findings = vec![Finding::new("encoding", "line 3")];
    let odd = findings.clone();
    write(w, move |tx| put(tx, 10, later(5), &InventoryWrite { findings: odd.clone(), ..unchanged() }));
    let (device, agent) = read(w, |rx| Ok((rx.device(HERE, DeviceId(id(10)))?.unwrap(), rx.agent(AgentId(id(1010)))?.unwrap())));
    assert_eq!(device, muster_core::fleet::Device { last_inventory: Some(later(5)), findings, ..before });
    assert_eq!(agent.last_inventory, Some(later(5)));
}

fn program(name: &str, version: &str) -> Software {
    Software::new(name, version, "p", "")
}

/// Writes that programs came and went on a device.
fn programs(w: &World, n: u128, added: &[Software], removed: &[Software]) {
    let mut change = inventory(Summary { name: Some(format!("pc-{n}")), ..Summary::default() });
    let device = change.device_write.as_mut().unwrap();
    (device.software_added, device.software_removed) = (added.to_vec(), removed.to_vec());
    device.software_count = Some(i64::try_from(added.len()).unwrap());
    write(w, move |tx| put(tx, n, NOW, &change));
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
    let list = section("softwares", r#"{"name":"a","publisher":"p","version":"1"}"#);
    write(w, move |tx| put(tx, 11, NOW, &InventoryWrite { sections: vec![list.clone()], ..unchanged() }));
    assert!(!write(w, |tx| tx.device_delete(THERE, DeviceId(id(11)))));
    assert_eq!(entries(w, "device_software"), 2);
    write(w, |tx| tx.device_delete(HERE, DeviceId(id(11))));
    assert_eq!((with(w, "a"), entries(w, "device_software")), (String::new(), 1));
    // Parts that run into one another are other programs.
    let parts = |name: &str, version: &str| Software::new(name, version, "", "");
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
        let mut change = inventory(Summary { ips: vec![ip.to_owned(), ip.to_lowercase()], ..Summary::default() });
        change.device_write.as_mut().unwrap().searched.as_mut().unwrap().1 = vec![login.to_owned(), login.to_owned()];
        write(w, move |tx| put(tx, 10, NOW, &change));
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
        id: whose(10, later(n as u64)).history,
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
        let kept = InventoryWrite { history: Some(HistoryWrite::new(&e.sections).unwrap()), ..unchanged() };
        write(w, move |tx| put(tx, 10, e.at, &kept));
    }
    for sort in ["-at", "at"] {
        let found = all_pages(w, 1, sort, |rx, p| rx.history(DeviceId(id(10)), None, p));
        assert_eq!(found, all.iter().rev().cloned().collect::<Vec<_>>(), "{sort}");
    }
    let of = |section| all_pages(w, 1, "-at", move |rx, p| rx.history(DeviceId(id(10)), Some(section), p)).len();
    assert_eq!((of("bios"), of("software"), of("softwares"), of("soft")), (3, 1, 1, 0));
    assert_eq!(all_pages(w, 1, "-at", |rx, p| rx.history(DeviceId(id(11)), None, p)), []);
}
