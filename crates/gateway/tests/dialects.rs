//! One machine told in several dialects has the same canonical values. What differs is what the agents themselves tell
//! differently, and is listed: every line of a list must be seen, so that none outlives its reason.

#![allow(clippy::result_large_err, reason = "closures answer with the error of the engine")]

mod world;

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use world::{FUSION, GLPI, OCS, World, sample, zlib};

type Sections = Map<String, Value>;

/// What an agent's inventory is stored as.
async fn stored(path: &str, agent: &str, body: Vec<u8>) -> Sections {
    let world = World::new().await;
    let answer = world.post(path, agent, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    world.inventory(world.device().await.id).await
}

fn rows(sections: &Sections, name: &str) -> Vec<Map<String, Value>> {
    let row = |value: &Value| value.as_object().cloned().expect("a row");
    match sections.get(name) {
        Some(Value::Array(items)) => items.iter().map(row).collect(),
        Some(single) => vec![row(single)],
        None => Vec::new(),
    }
}

/// Where two inventories differ, as `section.field`; a section with another number of rows is `section.#`.
fn differences(one: &Sections, other: &Sections, sections: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for section in sections {
        let (left, right) = (rows(one, section), rows(other, section));
        if left.len() != right.len() {
            found.insert(format!("{section}.#"));
            continue;
        }
        for (left, right) in left.iter().zip(&right) {
            let fields = left.keys().chain(right.keys());
            found.extend(fields.filter(|f| left.get(*f) != right.get(*f)).map(|f| format!("{section}.{f}")));
        }
    }
    found
}

fn set(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

fn all<'a>(one: &'a Sections, other: &'a Sections) -> Vec<&'a str> {
    let names: BTreeSet<&str> = one.keys().chain(other.keys()).map(String::as_str).collect();
    names.into_iter().collect()
}

/// The recorded lab host, told by GLPI Agent in JSON and by FusionInventory in XML a few minutes apart.
#[tokio::test(start_paused = true)]
async fn a_recorded_machine_is_the_same_in_glpis_json_and_in_fusioninventorys_xml() {
    let glpi = stored("/", GLPI, sample("glpi/inventory-json.zlib")).await;
    let fusion = stored("/", FUSION, sample("fusioninventory/inventory.zlib")).await;
    let accepted = set(&[
        // Counted otherwise by the agents: threads per core against threads.
        "cpus.thread",
        // Minutes lie between the two.
        "drives.free",
        // Only the newer agent tells the product.
        "firewalls.description",
        // Only the older one still tells the system in HARDWARE too, and a mask of changed sections.
        "hardware.checksum",
        "hardware.ipaddr",
        "hardware.oscomments",
        "hardware.osname",
        "hardware.osversion",
        "hardware.processorn",
        "hardware.processort",
        // Nought is absent in XML.
        "hardware.swap",
        // Read from another place.
        "networks.speed",
        "operatingsystem.install_date",
        // Who tells.
        "versionclient.value",
    ]);
    let sections = all(&glpi, &fusion);
    assert!(sections.len() >= 10 && rows(&glpi, "softwares").len() == 78 && rows(&glpi, "networks").len() == 6, "{sections:?}");
    assert_eq!(differences(&glpi, &fusion, &sections), accepted);
}

/// The same agent in both its forms: nothing differs but the disk's free space, the tag, and the programs that were cut away.
#[tokio::test(start_paused = true)]
async fn a_recorded_machine_is_the_same_in_both_forms_of_the_glpi_agent() {
    let native = stored("/", GLPI, sample("glpi/inventory-json.zlib")).await;
    let legacy = stored("/", GLPI, sample("glpi/inventory-legacy.zlib")).await;
    let sections = all(&native, &legacy);
    assert_eq!(differences(&native, &legacy, &sections), set(&["accountinfo.#", "drives.free", "softwares.#"]));
}

/// The lab host was the same kind of machine when the OCS agent was recorded, under another name, with invented firmware and
/// other addresses: what the machine itself is made of must agree.
#[tokio::test(start_paused = true)]
async fn the_recorded_hardware_is_the_same_in_ocs_xml() {
    let glpi = stored("/", GLPI, sample("glpi/inventory-json.zlib")).await;
    let ocs = stored("/ocsinventory", OCS, sample("ocs/01-first-inventory.inventory.body")).await;
    for (section, fields) in [
        ("cpus", &["name", "manufacturer", "core"][..]),
        ("hardware", &["memory", "defaultgateway"]),
        ("operatingsystem", &["name", "full_name", "arch"]),
        ("drives", &["filesystem", "total", "type", "volumn"]),
        ("storages", &["name", "disksize", "type"]),
        ("networks", &["description", "driver", "ipmask", "ipsubnet", "ipgateway", "type", "status"]),
    ] {
        let (left, right) = (rows(&glpi, section), rows(&ocs, section));
        for field in fields {
            assert!(left[0].contains_key(*field), "{section}.{field}");
            assert_eq!(left[0].get(*field), right[0].get(*field), "{section}.{field}");
        }
    }
    let slots = |sections: &Sections| -> BTreeSet<String> {
        let chip = |row: &Map<String, Value>| match row.get("pciid") {
            Some(id) => id.as_str().unwrap_or_default().to_owned(),
            None => format!("{}:{}", row["vendorid"].as_str().unwrap_or_default(), row["productid"].as_str().unwrap_or_default()),
        };
        rows(sections, "controllers").iter().map(|row| format!("{} {}", row["pcislot"].as_str().unwrap_or_default(), chip(row))).collect()
    };
    assert_eq!(slots(&glpi), slots(&ocs));
}

const ID: &str = "till-7-2026-11-21-03-09-07";

fn json_of_one_machine() -> Vec<u8> {
    let content = json!({
        "bios": {"ssn": "SN-77", "smanufacturer": "Acme", "smodel": "Till 3000", "bdate": "2024-03-18", "bversion": "1.2"},
        "hardware": {"name": "till-7", "uuid": "4C4C4544-0042-4A10-8054-B7C04F334D32", "memory": 8192, "chassis_type": "Desktop"},
        "operatingsystem": {"name": "Debian GNU/Linux", "full_name": "Debian GNU/Linux 12 (bookworm)", "version": "12", "arch": "x86_64"},
        "cpus": [{"name": "Acme Chip 9", "manufacturer": "Acme", "core": 4, "thread": 8, "speed": 2400, "arch": "x86_64"}],
        "networks": [{"description": "eth0", "mac": "00:1B:21:AA:BB:CC", "ipaddress": "10.0.0.7", "ipmask": "255.255.255.0",
                      "speed": "1000", "status": "up", "type": "ethernet", "mtu": 1500}],
        "storages": [{"name": "sda", "serial": "D-1", "disksize": 256_000, "type": "disk"}],
        "drives": [{"type": "/", "volumn": "/dev/sda1", "filesystem": "ext4", "total": 250_000}],
        "softwares": [{"name": "bash", "version": "5.2.15", "arch": "amd64", "install_date": "2025-05-24"}],
        "local_groups": [{"id": "27", "name": "sudo", "members": ["ann", "bob"]}],
        "batteries": [{"name": "B0", "capacity": 50_000, "voltage": 11_400, "serial": "BS"}],
    });
    zlib(&json!({"action": "inventory", "deviceid": ID, "itemtype": "Computer", "content": content}).to_string())
}

fn xml(content: &str) -> Vec<u8> {
    zlib(&format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><REQUEST><CONTENT>{content}</CONTENT><DEVICEID>{ID}</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>"
    ))
}

/// As FusionInventory writes it: days first, its own names.
fn fusion_of_one_machine() -> Vec<u8> {
    xml(
        "<BIOS><SSN>SN-77</SSN><SMANUFACTURER>Acme</SMANUFACTURER><SMODEL>Till 3000</SMODEL><BDATE>03/18/2024</BDATE><BVERSION>1.2</BVERSION></BIOS>\
         <HARDWARE><NAME>till-7</NAME><UUID>4C4C4544-0042-4A10-8054-B7C04F334D32</UUID><MEMORY>8192</MEMORY><CHASSIS_TYPE>Desktop</CHASSIS_TYPE></HARDWARE>\
         <OPERATINGSYSTEM><NAME>Debian GNU/Linux</NAME><FULL_NAME>Debian GNU/Linux 12 (bookworm)</FULL_NAME><VERSION>12</VERSION><ARCH>x86_64</ARCH></OPERATINGSYSTEM>\
         <CPUS><NAME>Acme Chip 9</NAME><MANUFACTURER>Acme</MANUFACTURER><CORE>4</CORE><THREAD>8</THREAD><SPEED>2400</SPEED><ARCH>x86_64</ARCH></CPUS>\
         <NETWORKS><DESCRIPTION>eth0</DESCRIPTION><MACADDR>00:1B:21:AA:BB:CC</MACADDR><IPADDRESS>10.0.0.7</IPADDRESS><IPMASK>255.255.255.0</IPMASK>\
         <SPEED>1000</SPEED><STATUS>Up</STATUS><TYPE>ethernet</TYPE><MTU>1500</MTU></NETWORKS>\
         <STORAGES><NAME>sda</NAME><SERIALNUMBER>D-1</SERIALNUMBER><DISKSIZE>256000</DISKSIZE><TYPE>disk</TYPE></STORAGES>\
         <DRIVES><TYPE>/</TYPE><VOLUMN>/dev/sda1</VOLUMN><FILESYSTEM>ext4</FILESYSTEM><TOTAL>250000</TOTAL></DRIVES>\
         <SOFTWARES><NAME>bash</NAME><VERSION>5.2.15</VERSION><ARCH>amd64</ARCH><INSTALLDATE>24/05/2025</INSTALLDATE></SOFTWARES>\
         <LOCAL_GROUPS><ID>27</ID><NAME>sudo</NAME><MEMBER>ann</MEMBER><MEMBER>bob</MEMBER></LOCAL_GROUPS>\
         <BATTERIES><NAME>B0</NAME><CAPACITY>50000</CAPACITY><VOLTAGE>11400</VOLTAGE><SERIAL>BS</SERIAL></BATTERIES>",
    )
}

/// As OCS writes it: the system in HARDWARE, the chassis in BIOS, units in numbers, years first.
fn ocs_of_one_machine() -> Vec<u8> {
    xml(
        "<BIOS><SSN>SN-77</SSN><SMANUFACTURER>Acme</SMANUFACTURER><SMODEL>Till 3000</SMODEL><BDATE>03/18/2024</BDATE><BVERSION>1.2</BVERSION><TYPE>Desktop</TYPE></BIOS>\
         <HARDWARE><NAME>till-7</NAME><UUID>4C4C4544-0042-4A10-8054-B7C04F334D32</UUID><MEMORY>8192</MEMORY><OSNAME>Debian GNU/Linux 12</OSNAME>\
         <OSVERSION>12</OSVERSION><OSCOMMENTS>Debian GNU/Linux 12 (bookworm)</OSCOMMENTS><ARCH>x86_64</ARCH></HARDWARE>\
         <CPUS><TYPE>Acme Chip 9</TYPE><MANUFACTURER>Acme</MANUFACTURER><CORES>4</CORES><THREADS>8</THREADS><SPEED>2400</SPEED><CPUARCH>x86_64</CPUARCH></CPUS>\
         <NETWORKS><DESCRIPTION>eth0</DESCRIPTION><MACADDR>00:1B:21:AA:BB:CC</MACADDR><IPADDRESS>10.0.0.7</IPADDRESS><IPMASK>255.255.255.0</IPMASK>\
         <SPEED>1 Gbps</SPEED><STATUS>Up</STATUS><TYPE>Ethernet</TYPE><MTU>1500</MTU></NETWORKS>\
         <STORAGES><NAME>sda</NAME><SERIALNUMBER>D-1</SERIALNUMBER><DISKSIZE>256000</DISKSIZE><TYPE>disk</TYPE></STORAGES>\
         <DRIVES><TYPE>/</TYPE><VOLUMN>/dev/sda1</VOLUMN><FILESYSTEM>ext4</FILESYSTEM><TOTAL>250000</TOTAL></DRIVES>\
         <SOFTWARES><NAME>bash</NAME><VERSION>5.2.15</VERSION><ARCHITECTURE>amd64</ARCHITECTURE><INSTALLDATE>2025/05/24</INSTALLDATE></SOFTWARES>\
         <LOCAL_GROUPS><ID_GROUP>27</ID_GROUP><NAME>sudo</NAME><MEMBER>ann,bob</MEMBER></LOCAL_GROUPS>\
         <BATTERIES><NAME>B0</NAME><DESIGNCAPACITY>50000</DESIGNCAPACITY><DESIGNVOLTAGE>11400</DESIGNVOLTAGE><SERIALNUMBER>BS</SERIALNUMBER></BATTERIES>",
    )
}

#[tokio::test(start_paused = true)]
async fn one_machine_written_in_all_three_dialects_has_the_same_canonical_values() {
    let glpi = stored("/", GLPI, json_of_one_machine()).await;
    let fusion = stored("/", FUSION, fusion_of_one_machine()).await;
    let ocs = stored("/ocsinventory", OCS, ocs_of_one_machine()).await;
    assert_eq!(glpi.len(), 10, "{:?}", glpi.keys().collect::<Vec<_>>());
    assert_eq!(differences(&glpi, &fusion, &all(&glpi, &fusion)), set(&[]));
    // The chassis stays where OCS tells it, beside where the others have it.
    assert_eq!(differences(&glpi, &ocs, &all(&glpi, &ocs)), set(&["bios.type"]));
}
