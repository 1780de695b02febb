use super::*;
use crate::bench::sample::DICTIONARY;
use muster_core::inventory::{Canonical, Inventory, Told, compare, split};
use muster_wire::body::decode_body;
use muster_wire::legacy::parse_request;

const BOTH: [Protocol; 2] = [Protocol::Fusioninventory, Protocol::Ocs];

fn fleet(protocol: Protocol) -> Fleet {
    Fleet::new(protocol, 7, 300..=1_500).expect("a fleet")
}

fn read(protocol: Protocol, document: &str) -> Inventory {
    let request = parse_request(document.as_bytes(), protocol.dialect()).expect("a message");
    request.inventory.expect("an inventory")
}

fn state(change: u32, reading: u32) -> State {
    State { change, reading }
}

#[test]
fn the_same_seed_gives_the_same_machines_and_another_seed_others() {
    for protocol in BOTH {
        let one = fleet(protocol).exchanges(0..5, State::default());
        let again = fleet(protocol).exchanges(0..5, State::default());
        let other = Fleet::new(protocol, 8, 300..=1_500).expect("a fleet").exchanges(0..5, State::default());
        assert_eq!(one.iter().map(|e| e.number).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        for ((a, b), c) in one.iter().zip(&again).zip(&other) {
            assert!(a.inventory == b.inventory && a.prolog == b.prolog);
            assert!(a.inventory != c.inventory);
        }
    }
}

#[test]
fn documents_are_read_without_findings_and_hold_as_many_programs_as_asked() {
    for protocol in BOTH {
        let mut counts = Vec::new();
        for exchange in fleet(protocol).exchanges(0..40, state(1, 1)) {
            let decoded = decode_body(exchange.body(), 1 << 24).expect("unpacked");
            assert!(!decoded.truncated);
            let inventory = read(protocol, std::str::from_utf8(&decoded.bytes).expect("UTF-8"));
            assert_eq!(inventory.findings, [], "{protocol:?}");
            counts.push(inventory.rows("softwares").len());
        }
        assert!(counts.iter().all(|n| (300..=1_500).contains(n)), "{counts:?}");
        assert!(counts.iter().any(|n| *n < 700) && counts.iter().any(|n| *n > 1_100), "{counts:?}");
        assert_eq!(
            read(protocol, &Fleet::new(protocol, 1, 12..=12).expect("a fleet").document(3, State::default())).rows("softwares").len(),
            12
        );
    }
}

#[test]
fn a_change_replaces_exactly_one_program_and_nothing_else() {
    for protocol in BOTH {
        let fleet = fleet(protocol);
        for (number, change) in [(0, 0), (1, 0), (2, 1), (3, 8)] {
            let (before, after) =
                (read(protocol, &fleet.document(number, state(change, 0))), read(protocol, &fleet.document(number, state(change + 1, 0))));
            let differing: Vec<&str> = before.sections.keys().filter(|s| before.rows(s) != after.rows(s)).map(String::as_str).collect();
            assert_eq!((differing, before.sections.len()), (vec!["softwares"], after.sections.len()));
            let facts = |i: &Inventory| split("softwares", i.rows("softwares")).facts;
            let found = compare(&facts(&before), &facts(&after));
            assert_eq!((found.added.len(), found.removed.len()), (1, 1));
            let (name, version) = fleet.changing(number, state(change + 1, 0));
            assert_eq!((found.added[0]["name"].as_str(), found.added[0]["version"].as_str()), (Some(&*name), Some(&*version)));
        }
    }
}

#[test]
fn a_quiet_machine_moves_its_readings_and_no_fact() {
    for protocol in BOTH {
        let fleet = fleet(protocol);
        let told = |reading| Canonical::new(read(protocol, &fleet.document(5, state(2, reading))));
        for reading in 0..3 {
            let (before, after) = (told(reading), told(reading + 1));
            assert_eq!(before.facts(), after.facts(), "{protocol:?}");
            assert_ne!(before.readings(), after.readings(), "{protocol:?}");
        }
    }
}

#[test]
fn no_two_machines_share_what_identifies_them() {
    for protocol in BOTH {
        let fleet = fleet(protocol);
        let mut seen = std::collections::BTreeSet::new();
        for number in [0, 1, 2, 255, 256, 65_536, 9_999] {
            let evidence = muster_core::fleet::hardware_evidence(&read(protocol, &fleet.document(number, State::default())));
            assert!(evidence.len() >= 3, "UUID, serial and a hardware address: {evidence:?}");
            for one in evidence {
                assert!(seen.insert(one.value.clone()), "{} is told twice", one.value);
            }
        }
    }
}

#[test]
fn a_prolog_names_the_machine_of_its_inventory() {
    for protocol in BOTH {
        let fleet = fleet(protocol);
        let prolog = parse_request(fleet.prolog(4).as_bytes(), protocol.dialect()).expect("a message");
        let inventory = parse_request(fleet.document(4, State::default()).as_bytes(), protocol.dialect()).expect("a message");
        assert!(prolog.inventory.is_none());
        assert_eq!(prolog.device_id.as_deref(), Some("bench-0000004-2026-11-21-03-09-07"));
        assert_eq!(prolog.device_id, inventory.device_id);
    }
}

#[test]
fn more_programs_than_there_are_is_refused() {
    assert!(Fleet::new(Protocol::Ocs, 1, 1..=DICTIONARY).is_ok());
    let error = Fleet::new(Protocol::Ocs, 1, 1..=DICTIONARY + 1).err().expect("refused");
    assert!(error.to_string().contains("from 1 to 2000"), "{error}");
    #[allow(clippy::reversed_empty_ranges, reason = "this is what is refused")]
    let reversed = Fleet::new(Protocol::Ocs, 1, 20..=10);
    assert!(reversed.is_err());
}
