//! Recorded inventories of every dialect: what a person cares about is what the file says, by an extraction of its own.

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use muster_core::inventory::{Completeness, Inventory, Row, number, text};
use muster_core::limits::INFLATED_BYTES_MAX;
use muster_wire::body::{BodyError, Coding, decode_body};
use muster_wire::glpi_content;
use muster_wire::legacy::{Dialect, ParseErrorKind, Query, Request, parse_request};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

fn raw(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The document, unpacked without the crate under test.
fn document(name: &str) -> String {
    let raw = raw(name);
    let mut bytes = Vec::new();
    match raw[0] {
        0x78 => ZlibDecoder::new(&raw[..]).read_to_end(&mut bytes).expect("zlib"),
        0x1f => MultiGzDecoder::new(&raw[..]).read_to_end(&mut bytes).expect("gzip"),
        _ => raw.as_slice().read_to_end(&mut bytes).expect("memory"),
    };
    String::from_utf8(bytes).expect("UTF-8")
}

fn request(name: &str, agent: Dialect) -> Request {
    let body = decode_body(&raw(name), INFLATED_BYTES_MAX).expect("body");
    assert!(!body.truncated);
    parse_request(&body.bytes, agent).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// What stands between the tags of every element of this name.
fn blocks<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|after| after.split(&close).next()).collect()
}

/// The text of the first element of this name that has one.
fn field(block: &str, name: &str) -> Option<String> {
    let inner = blocks(block, name).into_iter().map(str::trim).find(|t| !t.is_empty())?;
    let text = inner.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    assert!(!text.contains("&#"), "the extraction knows no numeric entities: {text}");
    Some(text.replace("&amp;", "&"))
}

fn texts(rows: &[Row], name: &str) -> Vec<Option<String>> {
    rows.iter().map(|row| text(row, name).map(str::to_owned)).collect()
}

fn fields(xml: &str, section: &str, name: &str) -> Vec<Option<String>> {
    blocks(xml, section).into_iter().filter(|b| b.contains('>')).map(|b| field(b, name)).collect()
}

fn numbers(rows: &[Row], name: &str) -> Vec<Option<i64>> {
    rows.iter().map(|row| number(row, name)).collect()
}

fn whole(texts: Vec<Option<String>>) -> Vec<Option<i64>> {
    texts.into_iter().map(|t| t.and_then(|t| t.split('.').next()?.parse().ok())).collect()
}

/// Address and hardware address of every entry, whichever family.
fn addresses(inventory: &Inventory) -> Vec<[Option<String>; 3]> {
    let owned = |row: &Row, name: &str| text(row, name).map(str::to_owned);
    inventory.rows("networks").iter().map(|r| [owned(r, "ipaddress"), owned(r, "ipaddress6"), owned(r, "mac")]).collect()
}

fn addresses_of(xml: &str) -> Vec<[Option<String>; 3]> {
    let one = |block: &str| {
        let (four, six) = (field(block, "IPADDRESS"), field(block, "IPADDRESS6"));
        let (four, six) = if four.as_deref().is_some_and(|a| a.contains(':')) { (None, four) } else { (four, six) };
        [four, six, field(block, "MACADDR").map(|m| m.to_lowercase())]
    };
    blocks(xml, "NETWORKS").into_iter().map(one).collect()
}

/// What every dialect says in the same elements.
fn same_in_all(name: &str, xml: &str, request: &Request) {
    let inventory = request.inventory.as_ref().expect("inventory");
    let of = |section: &str, name: &str| blocks(xml, section).first().and_then(|b| field(b, name));
    assert_eq!(request.query, Query::Inventory, "{name}");
    assert_eq!(request.device_id, field(xml, "DEVICEID"), "{name}");
    assert_eq!(inventory.text("hardware", "name"), of("HARDWARE", "NAME").as_deref(), "{name}");
    assert_eq!(inventory.text("hardware", "uuid"), of("HARDWARE", "UUID").as_deref(), "{name}");
    let memory = inventory.first("hardware").and_then(|h| number(h, "memory"));
    assert_eq!(memory, of("HARDWARE", "MEMORY").map(|m| m.parse().expect("a number")), "{name}");
    for (canonical, written) in [("ssn", "SSN"), ("smanufacturer", "SMANUFACTURER"), ("smodel", "SMODEL"), ("bversion", "BVERSION")] {
        assert_eq!(inventory.text("bios", canonical), of("BIOS", written).as_deref(), "{name} {written}");
    }
    let memories = inventory.rows("memories");
    assert_eq!(numbers(memories, "capacity"), whole(fields(xml, "MEMORIES", "CAPACITY")), "{name}");
    assert_eq!(texts(memories, "serialnumber"), fields(xml, "MEMORIES", "SERIALNUMBER"), "{name}");
    let storages = inventory.rows("storages");
    assert_eq!(texts(storages, "name"), fields(xml, "STORAGES", "NAME"), "{name}");
    assert_eq!(texts(storages, "serial"), fields(xml, "STORAGES", "SERIALNUMBER"), "{name}");
    assert_eq!(numbers(storages, "disksize"), whole(fields(xml, "STORAGES", "DISKSIZE")), "{name}");
    let drives = inventory.rows("drives");
    assert_eq!(numbers(drives, "total"), whole(fields(xml, "DRIVES", "TOTAL")), "{name}");
    assert_eq!(addresses(inventory), addresses_of(xml), "{name}");
    let softwares = inventory.rows("softwares");
    for (canonical, written) in [("name", "NAME"), ("version", "VERSION"), ("publisher", "PUBLISHER"), ("comments", "COMMENTS")] {
        assert_eq!(texts(softwares, canonical), fields(xml, "SOFTWARES", written), "{name} {written}");
    }
    assert_eq!(texts(inventory.rows("accountinfo"), "keyvalue"), fields(xml, "ACCOUNTINFO", "KEYVALUE"), "{name}");
    assert_eq!(request.findings, [], "{name}");
}

fn fusion(name: &str, agent: Dialect) -> Inventory {
    let (xml, request) = (document(name), request(name, agent));
    same_in_all(name, &xml, &request);
    let version = field(&xml, "VERSIONCLIENT");
    assert_eq!(request.agent_version, version, "{name}");
    let inventory = request.inventory.expect("inventory");
    let system = blocks(&xml, "OPERATINGSYSTEM").first().copied().unwrap_or_default();
    for (canonical, written) in [("name", "NAME"), ("full_name", "FULL_NAME"), ("version", "VERSION"), ("arch", "ARCH"), ("fqdn", "FQDN")] {
        assert_eq!(inventory.text("operatingsystem", canonical), field(system, written).as_deref(), "{name} {written}");
    }
    let cpus = inventory.rows("cpus");
    assert_eq!(texts(cpus, "name"), fields(&xml, "CPUS", "NAME"), "{name}");
    assert_eq!(numbers(cpus, "core"), whole(fields(&xml, "CPUS", "CORE")), "{name}");
    assert_eq!(numbers(cpus, "thread"), whole(fields(&xml, "CPUS", "THREAD")), "{name}");
    assert_eq!(inventory.text("versionclient", "value"), version.as_deref(), "{name}");
    assert_eq!(inventory.completeness, Completeness::Full, "{name}");
    inventory
}

fn ocs(name: &str) -> Inventory {
    let (xml, request) = (document(name), request(name, Dialect::OcsUnix));
    same_in_all(name, &xml, &request);
    let inventory = request.inventory.expect("inventory");
    let hardware = blocks(&xml, "HARDWARE").first().copied().unwrap_or_default();
    let full = inventory.text("operatingsystem", "full_name");
    assert!(full.is_some_and(|f| f.starts_with(&field(hardware, "OSNAME").expect("OSNAME"))), "{name}: {full:?}");
    let checksum = inventory.first("hardware").and_then(|h| number(h, "checksum"));
    assert_eq!(checksum, field(hardware, "CHECKSUM").map(|c| c.parse().expect("a number")), "{name}");
    let cpus = inventory.rows("cpus");
    assert_eq!(texts(cpus, "name"), fields(&xml, "CPUS", "TYPE"), "{name}");
    assert_eq!(numbers(cpus, "core"), whole(fields(&xml, "CPUS", "CORES")), "{name}");
    assert_eq!(inventory.completeness, Completeness::Partial, "{name}");
    inventory
}

#[test]
fn inventories_of_fusioninventory_say_what_the_file_says() {
    let files = ["inventory.zlib", "inventory.gzip", "inventory.plain", "inventory-basic-auth.zlib"];
    let made: Vec<Inventory> = files.iter().map(|f| fusion(&format!("fusioninventory/{f}"), Dialect::FusionInventory)).collect();
    let first = &made[0];
    assert_eq!(first.text("hardware", "name"), Some("lab-host-01"));
    assert_eq!(first.rows("softwares").len(), 78);
    assert_eq!(first.text("firewalls", "status"), Some("off"));
    assert_eq!(first.rows("networks")[1]["ipmask6"], json!("fff0::"));
    assert_eq!(first.rows("networks")[0]["virtualdev"], json!(true));
    assert_eq!(first.text("hardware", "datelastloggeduser"), Some("Tue May 20 00:00:00"));
    assert_eq!(first.rows("operatingsystem")[0]["timezone"], json!({"name": "UTC", "offset": "+0000"}));
    assert_eq!(first.rows("versionprovider")[0]["perl_config"].as_array().map(Vec::len), Some(2));
    assert!(first.text("bios", "ssn").is_none());
}

#[test]
fn inventories_of_glpi_agents_as_xml_say_what_the_file_says() {
    fusion("glpi/inventory-legacy.zlib", Dialect::GlpiLegacy);
    let linux = fusion("glpi/1.xml", Dialect::FusionInventory);
    assert_eq!(linux.rows("memories")[0]["removable"], json!(true));
    assert_eq!(linux.text("bios", "bdate"), Some("2014-07-25"));
    assert_eq!(linux.rows("softwares")[1]["install_date"], json!("2017-06-08"));
    assert_eq!(linux.rows("softwares")[0]["install_date"], json!("N/A"));
    assert_eq!(linux.rows("local_groups")[0]["members"], json!(["teclib", "builder", "jsuis@ad.crosoft.com", "john"]));
    let mac = fusion("glpi/3.xml", Dialect::GlpiLegacy);
    assert_eq!(mac.text("operatingsystem", "uptime"), Some("46-08-06 06:55:16"));
    let android = fusion("glpi/13.xml", Dialect::GlpiLegacy);
    assert_eq!(android.rows("users").len(), 1);
    assert_eq!(android.text("simcards", "operator_name"), Some("F SFR"));
    assert_eq!(android.rows("cameras")[0]["resolution"].as_array().map(Vec::len), Some(21));
}

#[test]
fn inventories_of_ocs_say_what_the_file_says() {
    let first = ocs("ocs/01-first-inventory.inventory.body");
    assert_eq!(first.rows("softwares").len(), 891);
    assert_eq!(first.text("bios", "ssn"), Some("EXSN7730415"));
    assert_eq!(first.text("hardware", "chassis_type"), Some("Rack Mount Chassis"));
    assert_eq!(first.rows("storages").len(), 2);
    assert_eq!(first.rows("storages")[0]["disksize"], json!(274_877));
    assert_eq!(first.rows("download"), [] as [Row; 0]);
    for name in ["03-repeat-inventory", "05-deploy-store"] {
        assert_eq!(ocs(&format!("ocs/{name}.inventory.body")).rows("softwares").len(), 891);
    }
    let ids = |name: &str| texts(ocs(&format!("ocs/{name}.inventory.body")).rows("download"), "id");
    let known = |n: usize| (1..=n).map(|i| Some(format!("170000000{i}"))).collect::<Vec<_>>();
    assert_eq!(ids("13-ipdiscover-manual"), known(3));
    for name in ["07-deploy-launch-exit-3", "09-deploy-bad-digest"] {
        let written = document(&format!("ocs/{name}.inventory.body")).matches("<PACKAGE ").count();
        assert_eq!(ids(name), known(written), "{name}");
    }
    let neighbours = ocs("ocs/13-ipdiscover-manual.inventory.body");
    assert_eq!(neighbours.rows("ipdiscover").len(), 4);
    assert_eq!(
        neighbours.rows("ipdiscover")[3],
        Row::from_iter([
            ("ip".to_owned(), json!("10.44.0.57")),
            ("mac".to_owned(), json!("02:00:5e:00:53:39")),
            ("name".to_owned(), json!("-")),
        ])
    );
}

#[test]
fn one_machine_has_the_same_names_from_three_programs() {
    let fusioninventory = fusion("fusioninventory/inventory.zlib", Dialect::FusionInventory);
    let xml = fusion("glpi/inventory-legacy.zlib", Dialect::GlpiLegacy);
    let json: Value = serde_json::from_str(&document("glpi/inventory-json.zlib")).expect("JSON");
    let content = json["content"].as_object().expect("content").clone();
    let native = glpi_content::read(content, Completeness::Full).expect("content");
    for (section, field) in [
        ("hardware", "name"),
        ("hardware", "memory"),
        ("hardware", "vmsystem"),
        ("operatingsystem", "name"),
        ("operatingsystem", "full_name"),
        ("operatingsystem", "version"),
        ("operatingsystem", "arch"),
        ("operatingsystem", "timezone"),
        ("cpus", "name"),
        ("cpus", "core"),
        ("cpus", "stepping"),
        ("cpus", "model"),
        ("drives", "total"),
        ("drives", "volumn"),
    ] {
        let of = |inventory: &Inventory| inventory.first(section).and_then(|row| row.get(field)).cloned();
        assert!(of(&native).is_some(), "{section}/{field}");
        assert_eq!(of(&fusioninventory), of(&native), "{section}/{field}");
        assert_eq!(of(&xml), of(&native), "{section}/{field}");
    }
    assert_eq!(addresses(&fusioninventory), addresses(&native));
    assert_eq!(addresses(&xml), addresses(&native));
    assert_eq!(xml.rows("storages"), native.rows("storages"));
    assert_eq!(xml.rows("networks")[4]["status"], native.rows("networks")[4]["status"]);
}

#[test]
fn names_of_the_xml_are_those_of_the_schema_but_for_a_few_that_are_known() {
    let schema: Value = serde_json::from_str(&document("glpi/inventory.schema.json")).expect("schema");
    let sections = &schema["properties"]["content"]["properties"];
    let mut others = BTreeSet::new();
    for name in ["glpi/1.xml", "glpi/3.xml", "glpi/inventory-legacy.zlib", "fusioninventory/inventory.zlib"] {
        for (section, rows) in fusion(name, Dialect::GlpiLegacy).sections {
            let shape = [&sections[&section]["items"]["properties"], &sections[&section]["properties"]];
            for field in rows.iter().flat_map(|row| row.keys()) {
                if !shape.iter().any(|s| s.get(field).is_some()) && section != "versionclient" {
                    others.insert(format!("{section}/{field}"));
                }
            }
        }
    }
    let known = [
        "accountinfo/keyname",
        "accountinfo/keyvalue",
        "hardware/archname",
        "hardware/checksum",
        "hardware/ipaddr",
        "hardware/oscomments",
        "hardware/osname",
        "hardware/osversion",
        "hardware/processorn",
        "hardware/processors",
        "hardware/processort",
        "hardware/userid",
        "operatingsystem/uptime",
    ];
    assert_eq!(others, known.map(str::to_owned).into_iter().collect());
}

#[test]
fn glpi_content_keeps_everything_that_is_not_empty() {
    for (name, pointer) in [("glpi/inventory-json.zlib", "/content"), ("glpi/computer_1.json", "/content")] {
        let message: Value = serde_json::from_str(&document(name)).expect("JSON");
        let content = message.pointer(pointer).and_then(Value::as_object).expect("content");
        let inventory = glpi_content::read(content.clone(), Completeness::Full).expect("content");
        assert_eq!(inventory.findings, [], "{name}");
        for (section, written) in content {
            let rows = match written {
                Value::Array(items) => items.clone(),
                Value::Object(_) => vec![written.clone()],
                scalar => vec![json!({"value": scalar})],
            };
            let kept: Vec<Value> = rows.into_iter().map(without_empty).filter(|r| *r != json!({})).collect();
            assert_eq!(json!(inventory.rows(section)), Value::Array(kept), "{name} {section}");
        }
    }
}

fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            map.into_iter().filter(|(_, v)| !v.is_null() && *v != json!("")).map(|(k, v)| (k, without_empty(v))).collect()
        }
        other => other,
    }
}

#[test]
fn prologs_of_all_programs_are_prologs() {
    for (name, agent, coding) in [
        ("fusioninventory/prolog.zlib", Dialect::FusionInventory, Coding::Zlib),
        ("fusioninventory/prolog.gzip", Dialect::FusionInventory, Coding::Gzip),
        ("glpi/prolog.zlib", Dialect::GlpiLegacy, Coding::Zlib),
        ("ocs/prolog.body", Dialect::OcsUnix, Coding::Zlib),
        ("ocs/variant-gzip.body", Dialect::OcsUnix, Coding::Gzip),
        ("ocs/variant-path_sub.body", Dialect::OcsUnix, Coding::Zlib),
    ] {
        assert_eq!(decode_body(&raw(name), INFLATED_BYTES_MAX).map(|b| b.coding), Ok(coding), "{name}");
        let request = request(name, agent);
        assert_eq!(request.query, Query::Prolog, "{name}");
        assert_eq!(request.device_id, field(&document(name), "DEVICEID"), "{name}");
        assert_eq!(request.token.as_deref(), (!agent.is_ocs()).then_some("12345678"), "{name}");
    }
}

#[test]
fn results_of_packages_come_in_attributes() {
    for (name, id, result) in [
        ("ocs/download-success.body", "1700000001", "SUCCESS"),
        ("ocs/download-success-3.body", "1700000003", "SUCCESS_3"),
        ("ocs/download-bad-digest.body", "1700000005", "ERR_BAD_DIGEST"),
        ("ocs/variant-download_unknown.body", "99", "SUCCESS"),
    ] {
        let request = request(name, Dialect::OcsUnix);
        assert_eq!(request.query, Query::Download, "{name}");
        assert!(request.device_id.is_some_and(|d| document(name).contains(&d)), "{name}");
        let content = request.content.expect("content");
        assert_eq!((content.field("id"), content.field("err")), (Some(id), Some(result)), "{name}");
    }
}

#[test]
fn crafted_requests_are_told_apart() {
    assert!(matches!(
        decode_body(&raw("ocs/variant-garbage.body"), INFLATED_BYTES_MAX),
        Err(BodyError::Unknown(_) | BodyError::Corrupt(_))
    ));
    let no_query = decode_body(&raw("ocs/variant-no_query.body"), INFLATED_BYTES_MAX).expect("body");
    assert_eq!(parse_request(&no_query.bytes, Dialect::OcsUnix).map_err(|e| e.kind), Err(ParseErrorKind::NoQuery));
    assert_eq!(request("ocs/variant-unknown_query.body", Dialect::OcsUnix).query, Query::Other("FOO".to_owned()));
    let update = request("ocs/variant-update.body", Dialect::OcsUnix);
    assert_eq!((update.query, update.content.expect("content").field("platform")), (Query::Update, Some("LINUX")));
    let id = request("ocs/variant-bad_deviceid.body", Dialect::OcsUnix).device_id.expect("an id");
    assert!(!muster_wire::legacy::is_dated_device_id(&id), "{id}");
    for name in ["ocs/variant-inv_bad_ua.body", "ocs/variant-dup_same_name_serial_mac.body"] {
        let inventory = ocs(name);
        assert_eq!(inventory.text("operatingsystem", "name"), Some("Test OS"));
        assert_eq!(inventory.text("networks", "status"), Some("up"));
    }
    let partial = request("ocs/variant-partial.body", Dialect::OcsUnix).inventory.expect("inventory");
    assert_eq!(json!(partial.sections), json!({"hardware": [{"checksum": 1, "name": "pcC2"}]}));
}

#[test]
fn network_results_are_kept_as_a_tree() {
    let found = request("fusioninventory/netdiscovery.zlib", Dialect::FusionInventory);
    assert_eq!(found.query, Query::NetDiscovery);
    let (xml, root) = (document("fusioninventory/netdiscovery.zlib"), found.content.expect("content"));
    let content = root.child("content").expect("CONTENT");
    let device = content.child("device").expect("DEVICE");
    for name in ["IP", "MAC", "SNMPHOSTNAME", "AUTHSNMP", "ENTITY", "TYPE"] {
        assert_eq!(device.field(&name.to_lowercase()), field(blocks(&xml, "DEVICE")[0], name).as_deref(), "{name}");
    }
    assert_eq!(content.field("processnumber"), field(&xml, "PROCESSNUMBER").as_deref());
    let asked = request("fusioninventory/snmpquery.zlib", Dialect::FusionInventory);
    assert_eq!(asked.query, Query::SnmpQuery);
    let ports = document("fusioninventory/snmpquery.zlib").matches("<PORT>").count();
    let root = asked.content.expect("content");
    let device = root.child("content").and_then(|c| c.child("device")).expect("DEVICE");
    assert_eq!(device.child("ports").map(|p| p.all("port").count()), Some(ports));
}

#[test]
fn every_network_result_of_the_format_is_read() {
    for number in ["5", "5-good", "7", "9", "11", "15", "17", "19"] {
        let name = format!("glpi/{number}.xml");
        let (xml, request) = (document(&name), request(&name, Dialect::Unknown));
        let expected = if field(&xml, "QUERY").as_deref() == Some("NETDISCOVERY") { Query::NetDiscovery } else { Query::SnmpQuery };
        assert_eq!(request.query, expected, "{name}");
        assert_eq!(request.device_id, field(&xml, "DEVICEID"), "{name}");
        assert!(request.content.is_some_and(|c| c.child("content").is_some_and(|c| c.child("device").is_some())), "{name}");
        assert_eq!(request.findings, [], "{name}");
    }
}
