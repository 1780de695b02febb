//! What this machine is and has, as a canonical inventory: one module per section.
//!
//! Parsers take text and give rows; `Machine` reads the files. What cannot be read costs only its fields. Absent on purpose:
//! the network, and any judgement of values.

mod bios;
mod command;
mod cpus;
mod devices;
mod drives;
mod hardware;
mod ipconfig;
mod machine;
mod networks;
mod operatingsystem;
mod processes;
mod smbios;
mod softwares;
mod storages;
mod system;
mod users;
mod when;

pub(crate) use command::run;
pub(crate) use drives::{Disk, disks};
pub(crate) use ipconfig::collect as ip_configuration;
pub use machine::Machine;
pub(crate) use system::give_memory_back;

use machine::Fields;
use muster_core::inventory::{Completeness, Inventory, Row};
use muster_core::time::Timestamp;
use muster_wire::native;
use serde_json::{Map, Value, json};
use when::Zone;

/// What one collection gave.
#[derive(Clone, Debug)]
pub struct Collected {
    /// Everything that was read.
    pub inventory: Inventory,
    /// Sections that are there but could not be read, each with a sentence. They are absent in `inventory`, and not gone.
    pub failed: Vec<(&'static str, String)>,
}

/// Reads a whole machine. Takes milliseconds; longer only where a package manager has to be run, and then with a limit.
pub fn collect(machine: &Machine, now: Timestamp) -> Collected {
    let mut inventory = Inventory::empty(Completeness::Full);
    let mut failed = Vec::new();
    let zone = Zone::of(machine);
    let host = operatingsystem::host_name(machine);
    let sessions = users::sessions(machine);
    let last = users::last(machine, &sessions);
    let table = machine.bytes("sys/firmware/dmi/tables/DMI").unwrap_or_default();
    let passwd = machine.text("etc/passwd").unwrap_or_default();
    let addresses = if machine.is_live() { system::addresses() } else { Vec::new() };
    let boot = operatingsystem::boot_time(&machine.text("proc/stat").unwrap_or_default());
    let memory = hardware::meminfo(&machine.text("proc/meminfo").unwrap_or_default(), "MemTotal");
    let names = users::names(&passwd);
    let mut put = |name: &str, rows: Vec<Row>| {
        if !rows.is_empty() {
            inventory.sections.insert(name.to_owned(), rows);
        }
    };
    put("accesslog", Fields::default().text("logdate", zone.date_time(now)).single());
    put("bios", bios::collect(machine));
    put("hardware", hardware::collect(machine, host.as_deref(), &zone, last.as_ref()));
    put("operatingsystem", operatingsystem::collect(machine, host.as_deref(), &zone, now));
    put("cpus", cpus::collect(machine, operatingsystem::architecture(machine).as_deref(), &table));
    put("memories", smbios::memories(&table));
    put("storages", storages::collect(machine));
    put("drives", drives::collect(machine));
    put("networks", networks::collect(machine, &addresses));
    put("controllers", devices::controllers(machine));
    put("usbdevices", devices::usbdevices(machine));
    put("users", users::logged_in(&sessions));
    put("local_users", users::local_users(&passwd));
    put("local_groups", users::local_groups(&machine.text("etc/group").unwrap_or_default()));
    put("processes", processes::collect(machine, &processes::Context { names: &names, zone: &zone, boot, now, memory }));
    match softwares::collect(machine, &zone) {
        Ok(rows) => put("softwares", rows),
        Err(sentence) => failed.push(("softwares", sentence)),
    }
    Collected { inventory, failed }
}

/// The agent's name and version as inventories carry it.
pub fn client_version() -> String {
    format!("Muster-Agent_v{}", env!("CARGO_PKG_VERSION"))
}

/// An inventory as a document of the GLPI inventory format.
pub fn document(inventory: &Inventory, device_id: &str, tag: Option<&str>) -> Value {
    let mut content = match inventory.to_content() {
        Value::Object(content) => content,
        _ => Map::new(),
    };
    content.insert("versionclient".to_owned(), Value::from(client_version()));
    let mut document = json!({"action": "inventory", "deviceid": device_id, "itemtype": "Computer", "content": content});
    if let (Some(tag), Value::Object(document)) = (tag, &mut document) {
        document.insert("tag".to_owned(), Value::from(tag));
    }
    document
}

/// A device id that stays the same: the host name, and a digest of the machine's own id.
pub fn device_id(machine: &Machine, inventory: &Inventory) -> String {
    let host = inventory.text("hardware", "name").unwrap_or("unnamed").to_owned();
    let mac = || inventory.rows("networks").iter().find_map(|row| muster_core::inventory::text(row, "mac").map(str::to_owned));
    // The id must not leave the machine as it is (machine-id(5)).
    let secret = machine.value("etc/machine-id").or_else(|| inventory.text("hardware", "uuid").map(str::to_owned)).or_else(mac);
    let digest = muster_core::inventory::hash(format!("muster-device-id\n{}", secret.unwrap_or_default()).as_bytes());
    let digest: String = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{host}-{digest}")
}

/// The host's name and by what the server may know this machine already, read without a whole collection.
pub fn evidence(machine: &Machine) -> (String, native::Machine) {
    let dmi = |field: &str| machine.value(&format!("sys/class/dmi/id/{field}"));
    let physical = |name: &String| machine.exists(&format!("sys/class/net/{name}/device"));
    let mac = |name: String| machine.value(&format!("sys/class/net/{name}/address")).map(|mac| mac.to_lowercase());
    let macs = machine.list("sys/class/net").into_iter().filter(physical).filter_map(mac);
    let macs = macs.filter(|mac| mac.len() == 17 && mac != "00:00:00:00:00:00").take(64).collect();
    let name = operatingsystem::host_name(machine).unwrap_or_else(|| "unnamed".to_owned());
    (name, native::Machine { uuid: dmi("product_uuid"), serial: dmi("product_serial"), macs })
}

/// The machine's own time zone, as it is now.
pub(crate) fn time_zone(machine: &Machine) -> jiff::tz::TimeZone {
    when::Zone::of(machine).time_zone()
}
