//! Traps of the XML protocols that are a matter of form.

use super::*;
use muster_core::inventory::Row;
use muster_core::limits::SECTIONS_MAX;
use serde_json::{Value, json};

fn parse(text: &str, agent: Dialect) -> Request {
    parse_request(text.as_bytes(), agent).expect("request")
}

fn wrapped(content: &str) -> String {
    format!("<REQUEST><CONTENT>{content}</CONTENT><DEVICEID>pc-2024-01-02-03-04-05</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>")
}

fn inventory(content: &str, agent: Dialect) -> Inventory {
    parse(&wrapped(content), agent).inventory.expect("inventory")
}

fn sections(content: &str, agent: Dialect) -> Value {
    json!(inventory(content, agent).sections)
}

fn error(text: &str) -> ParseErrorKind {
    parse_request(text.as_bytes(), Dialect::Unknown).expect_err("an error").kind
}

#[test]
fn a_prolog_in_attributes_is_the_same_as_one_in_elements() {
    let a = parse("<REQUEST><TOKEN>12345678</TOKEN><QUERY>PROLOG</QUERY><DEVICEID>a</DEVICEID></REQUEST>", Dialect::OcsUnix);
    let b = parse("<REQUEST QUERY='PROLOG' DEVICEID='a' TOKEN='12345678' />", Dialect::OcsUnix);
    assert_eq!((&a.query, &a.device_id, &a.token), (&b.query, &b.device_id, &b.token));
    assert_eq!((a.query, a.device_id.as_deref(), a.token.as_deref()), (Query::Prolog, Some("a"), Some("12345678")));
    assert!(a.inventory.is_none() && a.content.is_some());
}

#[test]
fn the_device_id_is_taken_from_the_content_when_it_is_only_there() {
    let text = "<REQUEST><CONTENT><DEVICEID>in</DEVICEID></CONTENT><QUERY>INVENTORY</QUERY></REQUEST>";
    let request = parse(text, Dialect::OcsUnix);
    assert_eq!(request.device_id.as_deref(), Some("in"));
    assert!(request.inventory.expect("inventory").sections.is_empty());
    let text = "<REQUEST><CONTENT><DEVICEID>in</DEVICEID></CONTENT><DEVICEID>out</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>";
    assert_eq!(parse(text, Dialect::OcsUnix).device_id.as_deref(), Some("out"));
}

#[test]
fn the_old_device_id_is_found_in_all_three_places() {
    let at_root = "<REQUEST><OLD_DEVICEID>old</OLD_DEVICEID><DEVICEID>a</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>".to_owned();
    let in_content = wrapped("<OLD_DEVICEID>old</OLD_DEVICEID>");
    let misplaced = wrapped("<DOWNLOAD><HISTORY><OLD_DEVICEID>old</OLD_DEVICEID><PACKAGE ID='1'/></HISTORY></DOWNLOAD>");
    for text in [at_root, in_content, misplaced] {
        assert_eq!(parse(&text, Dialect::OcsWindows).old_device_id.as_deref(), Some("old"), "{text}");
    }
}

#[test]
fn missing_ids_and_queries_are_told_apart() {
    assert_eq!(error("<REQUEST><DEVICEID>a</DEVICEID></REQUEST>"), ParseErrorKind::NoQuery);
    assert_eq!(error("<REQUEST><DEVICEID>a</DEVICEID><QUERY></QUERY></REQUEST>"), ParseErrorKind::NoQuery);
    assert_eq!(error("<REQUEST><QUERY>PROLOG</QUERY></REQUEST>"), ParseErrorKind::NoDeviceId);
    assert_eq!(error("<REPLY/>"), ParseErrorKind::NotARequest);
    assert_eq!(error("<html><body>proxy</body></html>"), ParseErrorKind::NotARequest);
    assert_eq!(parse("<REQUEST><QUERY>UPDATE</QUERY></REQUEST>", Dialect::OcsUnix).device_id, None);
    let request = parse("<REQUEST><DEVICEID>a</DEVICEID><QUERY>Foo</QUERY></REQUEST>", Dialect::OcsUnix);
    assert_eq!(request.query, Query::Other("Foo".to_owned()));
}

#[test]
fn the_length_of_a_device_id_has_two_sides() {
    let prolog = |n: usize| format!("<REQUEST><DEVICEID>{}</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>", "x".repeat(n));
    assert_eq!(parse(&prolog(DEVICEID_BYTES_MAX), Dialect::Unknown).device_id.map(|d| d.len()), Some(DEVICEID_BYTES_MAX));
    assert_eq!(error(&prolog(DEVICEID_BYTES_MAX + 1)), ParseErrorKind::NoDeviceId);
}

#[test]
fn dated_device_ids_are_told_from_others() {
    for good in ["pc-2024-01-02-03-04-05", "a-b-2024-01-02-03-04-05", "é-2024-01-02-03-04-05"] {
        assert!(is_dated_device_id(good), "{good}");
    }
    for bad in [
        "",
        "pc",
        "-2024-01-02-03-04-05",
        "2024-01-02-03-04-05",
        "pc-2024-01-02-03-04-05x",
        "pc-24-01-02-03-04-05",
        "pc-2024-1-02-03-04-05",
    ] {
        assert!(!is_dated_device_id(bad), "{bad}");
    }
}

#[test]
fn one_occurrence_is_a_list_of_one_and_empty_elements_are_absent() {
    assert_eq!(
        sections("<STORAGES></STORAGES><STORAGES><NAME>a</NAME><TYPE></TYPE></STORAGES><BIOS><SSN/></BIOS>", Dialect::OcsUnix),
        json!({"storages": [{"name": "a"}]})
    );
    assert_eq!(
        sections("<LOCAL_GROUPS NAME='wheel' ID='10' MEMBER='a'/>", Dialect::FusionInventory),
        json!({"local_groups": [{"name": "wheel", "id": "10", "members": ["a"]}]})
    );
}

#[test]
fn unknown_sections_and_fields_are_kept_in_lower_case() {
    assert_eq!(
        sections("<MyPlugin Foo='1'><BAR><BAZ>x</BAZ><BAZ>y</BAZ></BAR></MyPlugin><WORD>v</WORD>", Dialect::OcsWindows),
        json!({"myplugin": [{"foo": "1", "bar": {"baz": ["x", "y"]}}], "word": [{"value": "v"}]})
    );
}

#[test]
fn sections_and_fields_are_renamed_and_typed_as_in_the_format() {
    let content = "<FIREWALL><STATUS>Off</STATUS></FIREWALL>\
        <NETWORKS><MACADDR>02:AA:00:00:00:01</MACADDR><STATUS>Up</STATUS><VIRTUALDEV>0</VIRTUALDEV><MTU>1500</MTU><SPEED>1000</SPEED></NETWORKS>\
        <STORAGES><SERIALNUMBER>S</SERIALNUMBER><DISKSIZE>250059</DISKSIZE></STORAGES>\
        <SOFTWARES><INSTALLDATE>08/06/2017</INSTALLDATE><NAME>a</NAME><NO_REMOVE>1</NO_REMOVE></SOFTWARES>\
        <SOFTWARES><INSTALLDATE>N/A</INSTALLDATE><FILESIZE>??</FILESIZE></SOFTWARES>\
        <LOCAL_GROUPS><MEMBER>a,b</MEMBER><MEMBER>c</MEMBER></LOCAL_GROUPS>\
        <OPERATINGSYSTEM><NAME>X</NAME><TIMEZONE><NAME>CEST</NAME><OFFSET>+0200</OFFSET></TIMEZONE></OPERATINGSYSTEM>\
        <HARDWARE><ETIME>3</ETIME><CHECKSUM>131071</CHECKSUM><OSNAME>X 1</OSNAME></HARDWARE>\
        <VERSIONCLIENT>FusionInventory-Agent_v2.6</VERSIONCLIENT><MEMORIES><SERIALNUMBER>m</SERIALNUMBER></MEMORIES>\
        <BIOS><BDATE>07/25/2014</BDATE></BIOS>";
    assert_eq!(
        sections(content, Dialect::FusionInventory),
        json!({
            "firewalls": [{"status": "off"}],
            "networks": [{"mac": "02:aa:00:00:00:01", "status": "up", "virtualdev": false, "mtu": 1500, "speed": "1000"}],
            "storages": [{"serial": "S", "disksize": 250059}],
            "softwares": [{"install_date": "2017-06-08", "name": "a", "no_remove": true}, {"install_date": "N/A", "filesize": "??"}],
            "local_groups": [{"members": ["a,b", "c"]}],
            "operatingsystem": [{"name": "X", "timezone": {"name": "CEST", "offset": "+0200"}}],
            "hardware": [{"checksum": 131071, "osname": "X 1"}],
            "versionprovider": [{"etime": 3}],
            "versionclient": [{"value": "FusionInventory-Agent_v2.6"}],
            "memories": [{"serialnumber": "m"}],
            "bios": [{"bdate": "2014-07-25"}]
        })
    );
}

#[test]
fn ocs_fields_get_the_names_of_the_format() {
    let content = "<HARDWARE><NAME>vm</NAME><OSNAME>Debian GNU/Linux 12</OSNAME><OSVERSION>12</OSVERSION>\
        <OSCOMMENTS>Debian GNU/Linux 12 (bookworm)</OSCOMMENTS><DESCRIPTION>x86_64/00-00-00 00:20:21</DESCRIPTION></HARDWARE>\
        <CPUS><TYPE>AMD EPYC</TYPE><CORES>2</CORES><THREADS>4</THREADS><CPUARCH>x86_64</CPUARCH></CPUS>\
        <NETWORKS><IPADDRESS>fe80::1</IPADDRESS><IPMASK>ffff::</IPMASK><TYPE>Ether</TYPE><SPEED>1 Gbps</SPEED></NETWORKS>\
        <LOCAL_GROUPS><ID_GROUP>5</ID_GROUP><MEMBER>sync,_apt</MEMBER></LOCAL_GROUPS>\
        <SOFTWARES><NAME>a</NAME><ARCHITECTURE>all</ARCHITECTURE><INSTALLDATE>2025/05/24 14:37:47</INSTALLDATE></SOFTWARES>\
        <BIOS><TYPE>Laptop</TYPE></BIOS><SLOTS><STATUS>In Use</STATUS></SLOTS>\
        <BATTERIES><SERIALNUMBER>b</SERIALNUMBER><DESIGNCAPACITY>57570</DESIGNCAPACITY></BATTERIES>\
        <DOWNLOAD><HISTORY><PACKAGE ID='17'/><PACKAGE><ID>18</ID></PACKAGE></HISTORY></DOWNLOAD>\
        <IPDISCOVER><H><I>10.0.0.1</I><M>0A:E3:00:00:00:01</M><N>-</N></H></IPDISCOVER>";
    assert_eq!(
        sections(content, Dialect::OcsUnix),
        json!({
            "hardware": [{"name": "vm", "chassis_type": "Laptop"}],
            "operatingsystem": [{"name": "Debian GNU/Linux", "full_name": "Debian GNU/Linux 12 (bookworm)", "version": "12",
                "arch": "x86_64", "uptime": "00-00-00 00:20:21"}],
            "cpus": [{"name": "AMD EPYC", "core": 2, "thread": 4, "arch": "x86_64"}],
            "networks": [{"ipaddress6": "fe80::1", "ipmask6": "ffff::", "type": "ethernet", "speed": "1000"}],
            "local_groups": [{"id": "5", "members": ["sync", "_apt"]}],
            "softwares": [{"name": "a", "arch": "all", "install_date": "2025-05-24 14:37:47"}],
            "bios": [{"type": "Laptop"}],
            "slots": [{"status": "used"}],
            "batteries": [{"serial": "b", "capacity": 57570}],
            "download": [{"id": "17"}, {"id": "18"}],
            "ipdiscover": [{"ip": "10.0.0.1", "mac": "0a:e3:00:00:00:01", "name": "-"}]
        })
    );
}

#[test]
fn windows_as_ocs_tells_of_it_is_an_operating_system() {
    let content =
        "<HARDWARE><NAME>w</NAME><OSNAME>Microsoft Windows 10 Pro</OSNAME><OSVERSION>10.0.19045</OSVERSION><ARCH>64-bit</ARCH></HARDWARE>";
    assert_eq!(
        sections(content, Dialect::OcsWindows)["operatingsystem"],
        json!([{"name": "Windows", "full_name": "Microsoft Windows 10 Pro", "version": "10.0.19045",
            "kernel_version": "10.0.19045", "arch": "64-bit"}])
    );
}

#[test]
fn a_kernel_version_is_not_taken_for_the_systems_version() {
    let content = "<HARDWARE><OSNAME>Fedora 25</OSNAME><OSVERSION>4.11.3</OSVERSION><OSCOMMENTS>#1 SMP</OSCOMMENTS></HARDWARE>";
    let system = sections(content, Dialect::OcsUnix)["operatingsystem"].clone();
    assert_eq!(system, json!([{"name": "Fedora 25", "full_name": "Fedora 25", "kernel_version": "4.11.3"}]));
}

#[test]
fn an_empty_history_says_that_there_were_no_packages() {
    assert_eq!(sections("<DOWNLOAD><HISTORY>\n</HISTORY></DOWNLOAD>", Dialect::OcsUnix), json!({"download": []}));
    assert_eq!(sections("<DOWNLOAD/>", Dialect::OcsUnix), json!({}));
}

#[test]
fn a_field_that_came_under_both_names_keeps_both_values() {
    assert_eq!(
        sections("<CPUS><TYPE>T</TYPE><NAME>N</NAME></CPUS>", Dialect::FusionInventory),
        json!({"cpus": [{"name": "N", "type": "T"}]})
    );
}

#[test]
fn completeness_follows_the_program_and_the_damage() {
    let content = "<BIOS><SSN>1</SSN></BIOS>";
    for (agent, expected) in [
        (Dialect::FusionInventory, Completeness::Full),
        (Dialect::GlpiLegacy, Completeness::Full),
        (Dialect::OcsUnix, Completeness::Partial),
        (Dialect::OcsWindows, Completeness::Partial),
        (Dialect::OcsOther, Completeness::Partial),
        (Dialect::Unknown, Completeness::Partial),
    ] {
        assert_eq!(inventory(content, agent).completeness, expected, "{agent:?}");
    }
    assert_eq!(inventory("", Dialect::FusionInventory).completeness, Completeness::Partial, "nothing is told");
    assert_eq!(inventory("<BIOS><SSN>1</BIOS>", Dialect::FusionInventory).completeness, Completeness::Partial);
}

#[test]
fn an_unknown_user_agent_leaves_it_to_the_document() {
    let told = |content: &str| parse(&wrapped(content), Dialect::Unknown).dialect;
    assert_eq!(told("<VERSIONCLIENT>FusionInventory-Agent_v2.6-3</VERSIONCLIENT>"), Dialect::FusionInventory);
    assert_eq!(told("<VERSIONCLIENT>GLPI-Agent_v1.12</VERSIONCLIENT>"), Dialect::GlpiLegacy);
    assert_eq!(told("<HARDWARE><OSNAME>x</OSNAME></HARDWARE>"), Dialect::OcsOther);
    assert_eq!(told("<BIOS><SSN>x</SSN></BIOS>"), Dialect::Unknown);
    let kept = parse(&wrapped("<VERSIONCLIENT>GLPI-Agent_v1.12</VERSIONCLIENT>"), Dialect::OcsUnix);
    assert_eq!((kept.dialect, kept.agent_version.as_deref()), (Dialect::OcsUnix, Some("GLPI-Agent_v1.12")));
}

#[test]
fn a_truncated_inventory_keeps_whole_sections_and_leaves_out_the_one_it_ends_in() {
    let text = "<REQUEST><QUERY>INVENTORY</QUERY><DEVICEID>a</DEVICEID><CONTENT><BIOS><SSN>1</SSN></BIOS>\
        <SOFTWARES><NAME>a</NAME></SOFTWARES><SOFTWARES><NAME>b";
    let request = parse(text, Dialect::FusionInventory);
    let inventory = request.inventory.expect("inventory");
    assert_eq!(json!(inventory.sections), json!({"bios": [{"ssn": "1"}]}));
    assert_eq!(inventory.completeness, Completeness::Partial);
    assert_eq!(inventory.findings[0].kind, "truncated");
    assert!(inventory.findings[0].detail.contains("SOFTWARES"), "{:?}", inventory.findings);
    assert_eq!(request.findings, inventory.findings);
}

#[test]
fn a_truncated_inventory_without_its_device_id_is_an_error() {
    assert_eq!(error("<REQUEST><CONTENT><BIOS><SSN>1</SSN></BIOS><SOFTWARES><NAME>b"), ParseErrorKind::NoDeviceId);
}

#[test]
fn half_a_device_id_is_none() {
    let text = "<REQUEST><CONTENT><BIOS><SSN>1</SSN></BIOS></CONTENT><QUERY>INVENTORY</QUERY><DEVICEID>pc-2024-01-02-03";
    assert_eq!(error(text), ParseErrorKind::NoDeviceId);
    assert_eq!(error("<REQUEST><DEVICEID>a</DEVICEID><QUERY>PROL"), ParseErrorKind::NoQuery);
}

#[test]
fn a_truncated_inventory_without_its_query_is_known_by_its_content() {
    let text = "<REQUEST><CONTENT><BIOS><SSN>1</SSN></BIOS></CONTENT><DEVICEID>a</DEVICEID><QUE";
    let request = parse(text, Dialect::FusionInventory);
    assert_eq!(json!(request.inventory.expect("inventory").sections), json!({"bios": [{"ssn": "1"}]}));
}

#[test]
fn a_single_section_in_two_pieces_is_one_row() {
    let content = "<BIOS><SSN>1</SSN></BIOS><BIOS><SSN>2</SSN><SMODEL>m</SMODEL></BIOS>";
    assert_eq!(sections(content, Dialect::OcsUnix), json!({"bios": [{"ssn": "1", "smodel": "m"}]}));
}

#[test]
fn nul_and_other_control_characters_never_arrive() {
    let found = inventory("<BIOS><SSN>1\0\u{1}2&#0;</SSN></BIOS>", Dialect::FusionInventory);
    assert_eq!(found.text("bios", "ssn"), Some("12&#0;"));
    assert_eq!(found.findings[0].kind, "control_characters");
    assert_eq!(found.completeness, Completeness::Full);
}

#[test]
fn the_number_of_sections_has_two_sides() {
    let many = |n: usize| inventory(&(0..n).map(|i| format!("<S{i} A='1'/>")).collect::<String>(), Dialect::FusionInventory);
    assert_eq!((many(SECTIONS_MAX).sections.len(), many(SECTIONS_MAX).findings.len()), (SECTIONS_MAX, 0));
    let over = many(SECTIONS_MAX + 1);
    assert_eq!((over.sections.len(), over.findings[0].kind.as_str()), (SECTIONS_MAX, "limit"));
}

#[test]
fn latin_1_is_stored_as_unicode() {
    let head = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>".to_owned() + &wrapped("<BIOS><SSN>@</SSN></BIOS>");
    let bytes: Vec<u8> = head.bytes().map(|b| if b == b'@' { 0xe9 } else { b }).collect();
    let request = parse_request(&bytes, Dialect::OcsWindows).expect("request");
    assert_eq!(request.inventory.expect("inventory").text("bios", "ssn"), Some("é"));
    assert_eq!(request.findings, []);
}

#[test]
fn a_row_of_very_many_fields_is_read_in_time() {
    let many: String = (0..80_000).map(|i| format!("<A{i}>1</A{i}><MEMBER>m</MEMBER>")).collect();
    let found = inventory(&format!("<LOCAL_GROUPS>{many}</LOCAL_GROUPS>"), Dialect::FusionInventory);
    let row = found.first("local_groups").expect("a row");
    assert_eq!((row.len(), row["members"].as_array().map(Vec::len)), (80_001, Some(80_000)));
}

#[test]
fn every_row_of_a_list_is_kept_in_order() {
    let rows: String = (0..100).map(|i| format!("<SOFTWARES><NAME>p{i}</NAME></SOFTWARES>")).collect();
    let found = inventory(&rows, Dialect::OcsUnix);
    let names: Vec<_> = found.rows("softwares").iter().filter_map(|r: &Row| r["name"].as_str()).collect();
    assert_eq!(names, (0..100).map(|i| format!("p{i}")).collect::<Vec<_>>());
}
