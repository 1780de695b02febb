//! The collectors on made-up trees, on trees of garbage, and on the machine that runs the tests.

use muster_agent::collect::{self, Machine};
use muster_core::inventory::Inventory;
use muster_core::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Sections and fields of the GLPI inventory format that this agent may use, and how each value is typed (`s` text, `i` whole
/// number, `b` yes or no, `o` object, `a` list of texts, `d` date and time, `D` date or date and time). Derived from GLPI's
/// inventory.schema.json.
const ALLOWED: [(&str, &str); 16] = [
    ("accesslog", "logdate:d"),
    (
        "bios",
        "assettag:s bdate:D bmanufacturer:s bversion:s mmanufacturer:s mmodel:s msn:s skunumber:s smanufacturer:s smodel:s ssn:s \
         enclosureserial:s secure_boot:s",
    ),
    (
        "hardware",
        "chassis_type:s datelastloggeduser:s defaultgateway:s dns:s lastloggeduser:s memory:i name:s swap:i uuid:s vmsystem:s workgroup:s",
    ),
    (
        "operatingsystem",
        "arch:s boot_time:d dns_domain:s fqdn:s full_name:s hostid:s install_date:D kernel_name:s kernel_version:s name:s timezone:o version:s",
    ),
    ("cpus", "arch:s core:i external_clock:i familynumber:s id:s manufacturer:s model:s name:s serial:s speed:i stepping:i thread:i"),
    (
        "memories",
        "capacity:i caption:s description:s manufacturer:s memorycorrection:s numslots:i serialnumber:s model:s speed:s type:s formfactor:s",
    ),
    (
        "storages",
        "disksize:i firmware:s interface:s manufacturer:s model:s name:s scsi_coid:s scsi_lun:s scsi_unid:s scsi_chid:s serial:s type:s wwn:s",
    ),
    ("drives", "systemdrive:b filesystem:s free:i serial:s total:i type:s volumn:s label:s"),
    (
        "networks",
        "description:s ipaddress:s ipaddress6:s ipgateway:s ipmask:s ipmask6:s ipsubnet:s ipsubnet6:s mac:s pciid:s speed:s status:s type:s \
         virtualdev:b driver:s pcislot:s mtu:i slaves:s",
    ),
    ("softwares", "arch:s comments:s filesize:i from:s install_date:D name:s publisher:s system_category:s url_info_about:s version:s"),
    ("users", "login:s"),
    ("local_users", "home:s id:s login:s name:s shell:s"),
    ("local_groups", "id:s members:a name:s"),
    ("controllers", "caption:s driver:s manufacturer:s name:s pcisubsystemid:s pciclass:s pcislot:s productid:s rev:s type:s vendorid:s"),
    ("usbdevices", "caption:s class:s manufacturer:s name:s productid:s subclass:s vendorid:s serial:s"),
    ("processes", "cmd:s cpuusage:s mem:s pid:i started:d tty:s user:s virtualmemory:i"),
];

/// A directory of its own that is removed at the end.
struct Tree(PathBuf);

impl Tree {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("muster-agent-tree-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn put(&self, file: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
    }

    fn link(&self, target: &str, file: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::os::unix::fs::symlink(target, path).expect("a link");
    }

    fn collect(&self) -> Inventory {
        collect::collect(&Machine::at(&self.0), Timestamp::from_seconds(1_795_249_224)).inventory
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn is_date(text: &str) -> bool {
    let digits = text.bytes().map(|b| if b.is_ascii_digit() { b'0' } else { b });
    let shape = String::from_utf8(digits.collect()).expect("ascii");
    shape == "0000-00-00" || is_date_time_shape(&shape)
}

fn is_date_time_shape(shape: &str) -> bool {
    shape == "0000-00-00 00:00:00"
}

fn is_typed(kind: &str, value: &Value) -> bool {
    match kind {
        "s" => value.is_string(),
        "i" => value.is_i64(),
        "b" => value.is_boolean(),
        "o" => value.is_object(),
        "a" => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        "d" => value.as_str().is_some_and(|text| text.len() == 19 && is_date(text)),
        "D" => value.as_str().is_some_and(is_date),
        other => panic!("unknown type {other}"),
    }
}

fn check_against_the_format(inventory: &Inventory) {
    for (section, rows) in &inventory.sections {
        let (_, fields) = ALLOWED.iter().find(|(name, _)| name == section).unwrap_or_else(|| panic!("{section} is no section"));
        for (field, value) in rows.iter().flatten() {
            let known = fields.split_whitespace().filter_map(|f| f.split_once(':')).find(|(name, _)| name == field);
            let (_, kind) = known.unwrap_or_else(|| panic!("{section} has no field {field}"));
            assert!(is_typed(kind, value), "{section}.{field} is {value}, not {kind}");
        }
    }
    let one_of = |section: &str, field: &str, words: &[&str]| {
        for row in inventory.rows(section).iter().filter_map(|row| row.get(field)) {
            assert!(words.contains(&row.as_str().expect("text")), "{section}.{field} is {row}");
        }
    };
    one_of("networks", "status", &["up", "down", "dormant", "notpresent", "lowerlayerdown", "unknown", "testing"]);
    one_of("networks", "type", &["ethernet", "wifi", "infiniband", "aggregate", "dialup", "loopback", "bridge", "fibrechannel"]);
    one_of("bios", "secure_boot", &["enabled", "disabled", "unsupported"]);
}

fn made_up() -> Tree {
    let tree = Tree::new();
    tree.put("proc/sys/kernel/hostname", "box\n");
    tree.put("proc/sys/kernel/ostype", "Linux\n");
    tree.put("proc/sys/kernel/osrelease", "6.1.0-made-up\n");
    tree.put("proc/sys/kernel/arch", "x86_64\n");
    tree.put("proc/stat", "cpu 1 2\nbtime 1795000000\n");
    tree.put("proc/meminfo", "MemTotal: 4096000 kB\nSwapTotal: 1024000 kB\n");
    tree.put(
        "proc/cpuinfo",
        "processor : 0\nvendor_id : AuthenticAMD\nmodel name : Made 1 @ 3.00GHz\nphysical id : 0\ncpu cores : 1\nstepping : 2\n",
    );
    tree.put("proc/self/mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n");
    tree.put(
        "proc/net/route",
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t010200C0\t3\t0\t0\t0\t00000000\n",
    );
    tree.put("proc/42/stat", "42 (a b) S 1 42 42 34816 0 0 0 0 0 0 100 50 0 0 20 0 1 0 1000 1048576 256 0");
    tree.put("proc/42/cmdline", "/bin/a\0b\0");
    tree.put("etc/os-release", "NAME=\"Made Up\"\nPRETTY_NAME=\"Made Up 7\"\nVERSION_ID=7\nID=madeup\n");
    tree.put("etc/hosts", "127.0.1.1 box.lab.example box\n");
    tree.put("etc/resolv.conf", "search lab.example\nnameserver 192.0.2.53\n");
    tree.put("etc/passwd", "ann:x:1000:1000:Ann:/home/ann:/bin/sh\n");
    tree.put("etc/group", "ann:x:1000:\n");
    tree.put("sys/class/dmi/id/sys_vendor", "Acme\n");
    tree.put("sys/class/dmi/id/product_name", "Box 3000\n");
    tree.put("sys/class/dmi/id/product_serial", "SN-1\n");
    tree.put("sys/class/dmi/id/product_uuid", "0198c0de-0000-4000-8000-000000000001\n");
    tree.put("sys/class/dmi/id/bios_date", "04/01/2014\n");
    tree.put("sys/class/dmi/id/chassis_type", "10\n");
    tree.put("sys/devices/pci0000:00/0000:00:1f.2/ata1/block/sda/size", "2000000\n");
    tree.put("sys/devices/pci0000:00/0000:00:1f.2/ata1/block/sda/device/model", "Acme Disk 9\n");
    tree.put("sys/devices/pci0000:00/0000:00:1f.2/ata1/block/sda/device/vendor", "ATA     \n");
    tree.link("../devices/pci0000:00/0000:00:1f.2/ata1/block/sda", "sys/block/sda");
    tree.link("../../sda1", "dev/disk/by-uuid/aaaa-bbbb");
    tree.put("sys/devices/pci0000:00/0000:00:03.0/net/eth0/address", "02:00:00:00:00:01\n");
    for (file, content) in [("ifindex", "2"), ("type", "1"), ("mtu", "1500"), ("operstate", "up"), ("speed", "1000")] {
        tree.put(&format!("sys/devices/pci0000:00/0000:00:03.0/net/eth0/{file}"), content);
    }
    tree.link("../..", "sys/devices/pci0000:00/0000:00:03.0/net/eth0/device");
    tree.link("../../devices/pci0000:00/0000:00:03.0/net/eth0", "sys/class/net/eth0");
    tree.put("sys/bus/pci/devices/0000:00:03.0/vendor", "0x1af4\n");
    tree.put("sys/bus/pci/devices/0000:00:03.0/device", "0x1041\n");
    tree.put("sys/bus/pci/devices/0000:00:03.0/class", "0x020000\n");
    tree.put("sys/bus/usb/devices/1-1/idVendor", "1d6c\n");
    tree.put("sys/bus/usb/devices/1-1/product", "Stick\n");
    tree.put("sys/bus/usb/devices/1-1/bDeviceClass", "00\n");
    tree.put("sys/bus/usb/devices/1-1:1.0/bInterfaceClass", "08\n");
    tree.put("var/lib/dpkg/status", "Package: one\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n");
    tree.put("var/lib/dpkg/info/one.list", "/\n");
    tree
}

#[test]
fn a_made_up_machine_is_read_from_end_to_end() {
    let inventory = made_up().collect();
    check_against_the_format(&inventory);
    let text = |section: &str, field: &str| inventory.text(section, field).map(str::to_owned).unwrap_or_default();
    assert_eq!(
        json!(inventory.first("bios")),
        json!({"smanufacturer": "Acme", "smodel": "Box 3000", "ssn": "SN-1", "bdate": "2014-04-01", "secure_boot": "unsupported"})
    );
    assert_eq!(
        json!(inventory.first("hardware")),
        json!({"name": "box", "uuid": "0198c0de-0000-4000-8000-000000000001", "memory": 4000, "swap": 1000, "chassis_type": "Notebook",
            "vmsystem": "Physical", "defaultgateway": "192.0.2.1", "dns": "192.0.2.53", "workgroup": "lab.example"})
    );
    assert_eq!([text("operatingsystem", "full_name"), text("operatingsystem", "fqdn")], ["Made Up 7", "box.lab.example"]);
    assert_eq!(json!(inventory.first("operatingsystem").expect("row")["timezone"]), json!({"name": "UTC", "offset": "+0000"}));
    assert_eq!(inventory.first("cpus").expect("row")["speed"], json!(3000));
    assert_eq!(
        json!(inventory.rows("storages")),
        json!([{"name": "sda", "model": "Acme Disk 9", "manufacturer": "Acme", "type": "disk", "interface": "SATA", "disksize": 1024}])
    );
    assert_eq!(text("drives", "serial"), "aaaa-bbbb");
    assert_eq!(
        json!(inventory.rows("networks")),
        json!([{"description": "eth0", "mac": "02:00:00:00:00:01", "type": "ethernet", "status": "up", "speed": "1000", "mtu": 1500,
            "virtualdev": false, "pcislot": "00:03.0"}])
    );
    assert_eq!([text("controllers", "type"), text("usbdevices", "class")], ["Ethernet controller", "08"]);
    assert!(text("softwares", "install_date").starts_with("20"));
    let process = inventory.first("processes").expect("row");
    assert_eq!([&process["cmd"], &process["tty"], &process["virtualmemory"]], [&json!("/bin/a b"), &json!("pts/0"), &json!(1024)]);
}

#[test]
fn a_file_that_cannot_be_read_costs_only_its_fields() {
    let tree = made_up();
    fs::remove_file(tree.0.join("sys/class/dmi/id/product_serial")).expect("removed");
    fs::create_dir(tree.0.join("sys/class/dmi/id/product_serial")).expect("a directory in its place");
    let inventory = tree.collect();
    assert_eq!((inventory.text("bios", "ssn"), inventory.text("bios", "smodel")), (None, Some("Box 3000")));
}

#[test]
fn an_empty_tree_gives_an_inventory_of_what_is_always_known() {
    let inventory = Tree::new().collect();
    check_against_the_format(&inventory);
    assert_eq!(inventory.sections.keys().map(String::as_str).collect::<Vec<_>>(), ["accesslog", "hardware", "operatingsystem"]);
}

#[test]
fn this_machine_is_told_in_the_sections_and_fields_of_the_format() {
    let machine = Machine::default();
    let collected = collect::collect(&machine, Timestamp::from_seconds(1_795_249_224));
    assert_eq!(collected.failed, []);
    check_against_the_format(&collected.inventory);
    let processes = collected.inventory.rows("processes");
    assert!(processes.iter().any(|row| row["pid"] == json!(std::process::id())), "the test itself runs");
    assert!(collected.inventory.rows("networks").iter().any(|row| row.get("ipaddress") == Some(&json!("127.0.0.1"))));
    let id = collect::device_id(&machine, &collected.inventory);
    assert_eq!(id, collect::device_id(&machine, &collected.inventory));
    let document = collect::document(&collected.inventory, &id, Some("lab"));
    let keys: Vec<&String> = document.as_object().expect("object").keys().collect();
    assert_eq!(keys, ["action", "deviceid", "itemtype", "content", "tag"]);
    assert!(document["content"]["versionclient"].as_str().is_some_and(|v| v.starts_with("Muster-Agent_v")));
    assert!(document["content"]["hardware"].is_object() && document["content"]["cpus"].is_array());
}

/// Every file that the made-up machine has, so that garbage reaches every parser.
fn files(tree: &Tree) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![tree.0.clone()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).expect("readable").flatten() {
            let kind = entry.file_type().expect("a type");
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn garbage_in_any_file_never_panics_and_never_leaves_the_format(
        garbage in proptest::collection::vec(any::<u8>(), 0..200),
        words in "[0-9a-z:=()/\\\\. \t\n\\-]{0,200}",
        keep in 0usize..60,
        torn in any::<bool>(),
    ) {
        let tree = made_up();
        for extra in ["sys/firmware/dmi/tables/DMI", "run/utmp", "var/log/wtmp", "etc/localtime", "etc/hostid", "lib/apk/db/installed",
            "sys/block/sda/device/vpd_pg80", "run/systemd/sessions/1", "usr/share/misc/pci.ids", "etc/timezone"] {
            tree.put(extra, b"x");
        }
        for file in files(&tree) {
            let before = fs::read(&file).expect("readable");
            let mut bytes = if torn { before[..keep.min(before.len())].to_vec() } else { words.clone().into_bytes() };
            bytes.extend_from_slice(&garbage);
            fs::write(&file, bytes).expect("written");
        }
        check_against_the_format(&tree.collect());
    }
}
