use super::super::{compare, split};
use super::*;
use proptest::prelude::*;
use serde_json::json;

fn rows(value: Value) -> Vec<Row> {
    serde_json::from_value(value).expect("rows")
}

fn facts(section: &str, all: &[Row]) -> Vec<u8> {
    split(section, all).facts
}

fn entry(kind: &str, change: SectionChange) -> SectionHistory {
    let (added_count, removed_count) = (change.added.len(), change.removed.len());
    let change = if kind == "first" { SectionChange::default() } else { change };
    SectionHistory { section: "softwares".to_owned(), kind: kind.to_owned(), change, added_count, removed_count }
}

fn sorted(mut all: Vec<Row>) -> Vec<Row> {
    all.sort_by_key(line);
    all
}

#[test]
fn each_kind_of_change_is_undone() {
    let before = rows(json!([{"name": "a", "version": "1"}, {"name": "b"}, {"name": "b"}]));
    let after = rows(json!([{"name": "a", "version": "2"}, {"name": "b"}]));
    let change = compare(&facts("softwares", &before), &facts("softwares", &after));
    let mut past = Past::now(Some(&facts("softwares", &after)));
    past.undo(&entry("changed", change));
    assert_eq!((past.rows(), past.is_exact()), (Some(before.clone()), true));
    past.undo(&entry("first", SectionChange { added: before.clone(), removed: Vec::new() }));
    assert_eq!((past.rows(), past.is_exact()), (None, true));
    past.undo(&entry("removed", SectionChange { added: Vec::new(), removed: after.clone() }));
    assert_eq!((past.rows(), past.is_exact()), (Some(after), true));
}

#[test]
fn a_change_that_does_not_fit_or_was_kept_in_part_is_not_exact() {
    let mut past = Past::now(Some(b"[]"));
    past.undo(&entry("changed", SectionChange { added: rows(json!([{"name": "a"}])), removed: Vec::new() }));
    assert!(!past.is_exact());
    let mut past = Past::now(Some(b"[]"));
    past.undo(&SectionHistory { removed_count: 7, ..entry("changed", SectionChange::default()) });
    assert!(!past.is_exact());
    let mut past = Past::now(None);
    past.undo(&entry("changed", SectionChange::default()));
    assert!(!past.is_exact());
}

/// Section, before, after, and what comes of it: names of added, of removed, changed fields by the label after.
#[test]
fn rows_of_one_thing_are_paired_by_the_key_of_their_section() {
    let cases = [
        ("softwares", json!([{"name": "bash", "version": "5.1"}]), json!([{"name": "bash", "version": "5.2"}]), "~bash 5.2:version"),
        ("softwares", json!([{"name": "bash", "version": "5.1"}]), json!([{"name": "zsh", "version": "5.1"}]), "+zsh 5.1 -bash 5.1"),
        (
            "softwares",
            json!([{"name": "lib", "version": "1", "arch": "i386"}, {"name": "lib", "version": "1", "arch": "amd64"}]),
            json!([{"name": "lib", "version": "2", "arch": "amd64"}]),
            "-lib 1 ~lib 2:version",
        ),
        (
            "softwares",
            json!([{"name": "kernel", "version": "1.9"}, {"name": "kernel", "version": "1.10"}]),
            json!([{"name": "kernel", "version": "1.11"}]),
            "-kernel 1.10 ~kernel 1.11:version",
        ),
        ("softwares", json!([{"name": "x", "publisher": "A"}]), json!([{"name": "x", "publisher": "B"}]), "~x:publisher"),
        (
            "networks",
            json!([{"mac": "00:01", "ipaddress": "10.0.0.1"}]),
            json!([{"mac": "00:01", "ipaddress": "10.0.0.2"}]),
            "~00:01:ipaddress",
        ),
        ("drives", json!([{"volumn": "/dev/sda1", "total": 5}]), json!([{"volumn": "/dev/sda1", "total": 6}]), "~/dev/sda1:total"),
        ("memories", json!([{"numslots": 1, "capacity": 4}]), json!([{"numslots": 1, "capacity": 8}]), "~1 8:capacity"),
        ("storages", json!([{"serial": "S1", "name": "a"}]), json!([{"serial": "S1", "name": "b"}]), "~b:name"),
        ("storages", json!([{"serial": "S1"}]), json!([{"serial": "S2"}]), "+S2 -S1"),
        ("cpus", json!([{"name": "x", "core": 2}, {"name": "x", "core": 2}]), json!([{"name": "x", "core": 4}]), "-x ~x:core"),
        ("bios", json!([{"bversion": "1"}]), json!([{"bversion": "2"}]), "~2:bversion"),
        ("usbdevices", json!([{"vendorid": "1", "productid": "2"}]), json!([{"vendorid": "1", "productid": "3"}]), "+3 -2"),
        ("envs", json!([{"key": "PATH", "val": "a"}]), json!([{"key": "PATH", "val": "b"}]), "~PATH:val"),
        ("oddities", json!([{"name": "n", "v": 1}]), json!([{"name": "n", "v": 2, "w": 3}]), "~n:v,w"),
        ("oddities", json!([{"v": 1}]), json!([{"v": 2}]), "+2 -1"),
    ];
    for (section, before, after, expected) in cases {
        let pairs = pair(section, difference(&rows(before), &rows(after)));
        let mut told: Vec<String> = pairs.added.iter().map(|r| format!("+{}", label(section, r))).collect();
        told.extend(pairs.removed.iter().map(|r| format!("-{}", label(section, r))));
        told.extend(pairs.changed.iter().map(|c| format!("~{}:{}", label(section, &c.after), c.fields.join(","))));
        assert_eq!(told.join(" "), expected, "{section}");
    }
}

#[test]
fn a_sample_tells_what_went_beside_what_came() {
    let change = SectionChange {
        added: rows(json!([{"name": "zsh", "version": "5"}, {"name": "bash", "version": "5.2"}])),
        removed: rows(json!([{"name": "bash", "version": "5.1"}])),
    };
    assert_eq!(sample("softwares", &change, 5), ["- bash 5.1", "+ bash 5.2", "+ zsh 5"]);
    assert_eq!(sample("softwares", &change, 1).len(), 1);
    assert!(mentions(&change, "bas") && mentions(&change, "5.1") && !mentions(&change, "fish"));
}

fn some_rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0..4u8, 0..4u8, proptest::option::of(0..2u8));
    let make = |(name, version, arch): (u8, u8, Option<u8>)| {
        let mut row = Row::from([("name".to_owned(), json!(format!("n{name}"))), ("version".to_owned(), json!(format!("1.{version}")))]);
        row.extend(arch.map(|a| ("arch".to_owned(), json!(format!("a{a}")))));
        row
    };
    proptest::collection::vec(row.prop_map(make), 0..8)
}

/// Sections as they follow each other; none is a section that is not there.
fn some_past() -> impl Strategy<Value = Vec<Option<Vec<Row>>>> {
    proptest::collection::vec(proptest::option::weighted(0.8, some_rows()), 1..8)
}

proptest! {
    #[test]
    fn undoing_what_was_recorded_gives_every_former_state(states in some_past()) {
        let facts_of = |s: &Option<Vec<Row>>| s.as_ref().map(|rows| facts("softwares", rows));
        let mut past = Past::now(facts_of(&states[states.len() - 1]).as_deref());
        for pair in states.windows(2).rev() {
            let (before, after) = (facts_of(&pair[0]), facts_of(&pair[1]));
            // As intake records it.
            let kind = match (&before, &after) {
                (None, None) => continue,
                (None, Some(_)) => "first",
                (Some(_), None) => "removed",
                _ => "changed",
            };
            past.undo(&entry(kind, compare(before.as_deref().unwrap_or(b"[]"), after.as_deref().unwrap_or(b"[]"))));
            prop_assert_eq!(past.rows(), pair[0].clone().map(sorted));
            prop_assert!(past.is_exact());
        }
    }

    #[test]
    fn the_state_before_with_its_paired_difference_is_the_state_after(before in some_rows(), after in some_rows()) {
        for section in ["softwares", "cpus", "bios", "drives", "oddities"] {
            let pairs = pair(section, difference(&before, &after));
            let mut bag = Bag::new();
            before.iter().for_each(|row| put(&mut bag, row));
            for row in pairs.removed.iter().chain(pairs.changed.iter().map(|c| &c.before)) {
                prop_assert!(take(&mut bag, row));
            }
            for row in pairs.added.iter().chain(pairs.changed.iter().map(|c| &c.after)) {
                put(&mut bag, row);
            }
            let mut expected = Bag::new();
            after.iter().for_each(|row| put(&mut expected, row));
            prop_assert_eq!(bag, expected);
            prop_assert!(pairs.changed.iter().all(|c| !c.fields.is_empty()));
        }
    }
}
