//! What prints promise to intake.

use super::*;
use muster_core::inventory::SectionPrint;

fn told(name: &str, dialect: Dialect, change: impl Fn(String) -> String) -> Box<dyn Told> {
    let text = change(String::from_utf8(document(name)).expect("UTF-8"));
    scanned(text.as_bytes(), dialect).expect("the scanner takes it")
}

fn unchanged(text: String) -> String {
    text
}

/// Puts another value into fields, each named with its section. Counts how many there were.
fn with_fields(text: &str, changed: &[(&str, &str, &str)]) -> (String, usize) {
    let (mut made, mut found) = (text.to_owned(), 0);
    for (section, name, value) in changed {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let row = |row: &str| {
            let (before, rest) = row.split_once(&open)?;
            Some(format!("{before}{open}{value}{}", &rest[rest.find(&close)?..]))
        };
        let (begin, end) = (format!("<{section}>"), format!("</{section}>"));
        let mut pieces = made.split(&begin).map(str::to_owned).collect::<Vec<_>>();
        for piece in pieces.iter_mut().skip(1) {
            let (inside, behind) = piece.split_once(&end).expect("an end");
            if let Some(inside) = row(inside) {
                *piece = format!("{inside}{end}{behind}");
                found += 1;
            }
        }
        made = pieces.join(&begin);
    }
    (made, found)
}

#[test]
fn a_quiet_machine_keeps_its_facts_print_whatever_its_readings_say() {
    let readings = [
        ("DRIVES", "FREE", "7"),
        ("HARDWARE", "ETIME", "99"),
        ("VERSIONPROVIDER", "ETIME", "99"),
        ("HARDWARE", "CHECKSUM", "4"),
        ("HARDWARE", "LASTLOGGEDUSER", "somebody"),
        ("HARDWARE", "DATELASTLOGGEDUSER", "Mon May 19 00:00:00"),
        ("HARDWARE", "DESCRIPTION", "x86_64/00-00-99 11:12:13"),
        ("OPERATINGSYSTEM", "BOOT_TIME", "2020-01-01 00:00:00"),
        ("ACCESSLOG", "LOGDATE", "2020-01-01 00:00:00"),
        ("PROCESSES", "CPUUSAGE", "9.9"),
        ("VIRTUALMACHINES", "STATUS", "paused"),
    ];
    for (name, dialect, expected) in [
        ("glpi/1.xml", Dialect::FusionInventory, 18),
        ("fusioninventory/inventory.zlib", Dialect::FusionInventory, 7),
        ("ocs/01-first-inventory.inventory.body", Dialect::OcsUnix, 5),
    ] {
        let before = told(name, dialect, unchanged);
        let after = told(name, dialect, |text| {
            let (text, found) = with_fields(&text, &readings);
            assert_eq!(found, expected, "readings of {name}");
            text
        });
        assert_ne!(before.readings(), after.readings(), "{name}");
        let pairs = before.sections().iter().zip(after.sections());
        let differing: Vec<_> = pairs.filter(|(a, b)| (a.print, &a.keys) != (b.print, &b.keys)).map(|(a, _)| &a.section).collect();
        assert!(differing.is_empty(), "{name}: {differing:?}");
        assert_eq!(before.facts(), after.facts(), "{name}");
    }
}

#[test]
fn a_reading_that_turns_up_or_goes_away_is_no_change_of_facts() {
    let name = "glpi/1.xml";
    let before = told(name, Dialect::FusionInventory, unchanged);
    let after = told(name, Dialect::FusionInventory, |text| with_fields(&text, &[("DRIVES", "FREE", "")]).0);
    assert_eq!((before.facts(), after.section("drives").map(|s| s.has_readings)), (after.facts(), Some(false)));
    assert_ne!(before.readings(), after.readings());
}

#[test]
fn another_architecture_in_the_description_is_another_fact() {
    let name = "ocs/01-first-inventory.inventory.body";
    let before = told(name, Dialect::OcsUnix, unchanged);
    let other = told(name, Dialect::OcsUnix, |text| with_fields(&text, &[("HARDWARE", "DESCRIPTION", "riscv/00-00-00 00:20:21")]).0);
    assert_ne!(before.facts(), other.facts());
    assert_eq!(before.readings(), other.readings());
}

#[test]
fn a_repeated_inventory_of_an_unchanged_machine_has_the_same_facts() {
    let prints = |told: &dyn Told| {
        // This recording was made while the machine was being worked on: what is compared is what stayed.
        told.sections().iter().filter(|s| s.section != "accountinfo").cloned().collect::<Vec<SectionPrint>>()
    };
    let first = told("ocs/03-repeat-inventory.inventory.body", Dialect::OcsUnix, unchanged);
    let second = told("ocs/05-deploy-store.inventory.body", Dialect::OcsUnix, unchanged);
    assert_eq!(prints(&*first), prints(&*second));
}

#[test]
fn one_changed_program_changes_exactly_one_key() {
    let name = "ocs/01-first-inventory.inventory.body";
    let before = told(name, Dialect::OcsUnix, unchanged);
    let version = "<VERSION>12.4+deb12u11</VERSION>";
    let after = told(name, Dialect::OcsUnix, |text| {
        assert_eq!(text.matches(version).count(), 1, "the sample has this version once");
        text.replace(version, "<VERSION>12.4+deb12u12</VERSION>")
    });
    for (a, b) in before.sections().iter().zip(after.sections()) {
        let differing: Vec<usize> = (0..a.keys.len()).filter(|i| a.keys[*i] != b.keys[*i]).collect();
        if a.section != "softwares" {
            assert_eq!(a, b);
            continue;
        }
        assert_eq!((a.rows, differing.len()), (b.rows, 1));
        assert_ne!(a.print, b.print);
        let row = after.row("softwares", differing[0]).expect("a row");
        assert_eq!(row["version"], "12.4+deb12u12");
    }
    assert_eq!(before.readings(), after.readings());
}

#[test]
fn programs_in_another_order_are_the_same_programs() {
    let content = |a: &str, b: &str| format!("<REQUEST><CONTENT>{a}{b}</CONTENT><DEVICEID>pc</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>");
    let (a, b) = ("<SOFTWARES><NAME>a</NAME></SOFTWARES>", "<SOFTWARES><NAME>b</NAME></SOFTWARES>");
    let of = |text: String| scanned(text.as_bytes(), Dialect::OcsUnix).expect("taken");
    assert_eq!(of(content(a, b)).facts(), of(content(b, a)).facts());
    assert_ne!(of(content(a, b)).facts(), of(content(a, a)).facts());
}

#[test]
fn the_same_bytes_have_another_print_in_another_dialect() {
    let text = "<REQUEST><CONTENT><LOCAL_GROUPS><NAME>g</NAME><MEMBER>a,b</MEMBER></LOCAL_GROUPS></CONTENT>\
        <DEVICEID>pc</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>";
    let of = |dialect| scanned(text.as_bytes(), dialect).expect("taken");
    let (fusion, ocs) = (of(Dialect::FusionInventory), of(Dialect::OcsUnix));
    assert_ne!(fusion.rows("local_groups"), ocs.rows("local_groups"));
    assert_ne!(fusion.sections()[0].print, ocs.sections()[0].print);
    assert_ne!(fusion.sections()[0].keys, ocs.sections()[0].keys);
}

#[test]
fn any_change_of_the_coupled_sections_reaches_all_that_depend_on_it() {
    let name = "ocs/01-first-inventory.inventory.body";
    let print = |told: &dyn Told, section: &str| told.section(section).expect("a section").print;
    let before = told(name, Dialect::OcsUnix, unchanged);
    let chassis = told(name, Dialect::OcsUnix, |text| text.replace("<TYPE>Rack Mount Chassis</TYPE>", "<TYPE>Laptop</TYPE>"));
    assert_ne!(print(&*before, "bios"), print(&*chassis, "bios"));
    assert_ne!(print(&*before, "hardware"), print(&*chassis, "hardware"), "the chassis is told in BIOS and kept with the hardware");
    let system = told(name, Dialect::OcsUnix, |text| with_fields(&text, &[("HARDWARE", "OSNAME", "Plan 9")]).0);
    assert_ne!(print(&*before, "operatingsystem"), print(&*system, "operatingsystem"), "the system is told in HARDWARE");
}
