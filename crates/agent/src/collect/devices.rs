//! The sections `controllers` (PCI) and `usbdevices`.

use super::machine::{Fields, Machine};
use super::networks::short_slot;
use muster_core::inventory::Row;
use std::collections::BTreeMap;

/// Where distributions keep the names of PCI numbers.
const NAMES: [&str; 3] = ["usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids", "var/lib/pciutils/pci.ids"];
/// Devices of one bus that are read.
const DEVICES_MAX: usize = 4_096;

/// A PCI device's numbers, four hex digits each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PciId {
    vendor: String,
    device: String,
}

/// Reads the section `controllers`.
pub(crate) fn controllers(machine: &Machine) -> Vec<Row> {
    let slots = machine.list("sys/bus/pci/devices");
    let hex = |slot: &str, file: &str| {
        machine.value(&format!("sys/bus/pci/devices/{slot}/{file}")).map(|value| value.trim_start_matches("0x").to_owned())
    };
    let ids: Vec<(&String, PciId)> = slots
        .iter()
        .take(DEVICES_MAX)
        .filter_map(|slot| Some((slot, PciId { vendor: hex(slot, "vendor")?, device: hex(slot, "device")? })))
        .collect();
    if ids.is_empty() {
        return Vec::new();
    }
    let names = NAMES.into_iter().find_map(|file| machine.database(file)).unwrap_or_default();
    let names = pci_names(&names, ids.iter().map(|(_, id)| id));
    let row = |(slot, id): (&String, PciId)| {
        let class = hex(slot, "class").and_then(|class| class.get(..4).map(str::to_owned));
        let subsystem = hex(slot, "subsystem_vendor").zip(hex(slot, "subsystem_device")).filter(|(vendor, _)| vendor != "0000");
        let kind = class.as_deref().and_then(class_name);
        let (vendor, device) = names.get(&id).cloned().unwrap_or_default();
        Fields::default()
            .text("name", device.as_deref().or(kind))
            .text("caption", device.as_deref())
            .text("manufacturer", vendor)
            .text("type", kind)
            .text("driver", machine.link_name(&format!("sys/bus/pci/devices/{slot}/driver")))
            .text("pciclass", class.as_deref())
            .text("pcislot", Some(short_slot(slot)))
            .text("pcisubsystemid", subsystem.map(|(vendor, device)| format!("{vendor}:{device}")))
            .text("vendorid", Some(&id.vendor))
            .text("productid", Some(&id.device))
            .text("rev", hex(slot, "revision").filter(|rev| rev != "00"))
            .row()
    };
    ids.into_iter().map(row).collect()
}

/// The names of the wanted devices in `pci.ids`: vendor lines begin at the left, device lines with one tab.
fn pci_names<'a>(text: &str, wanted: impl Iterator<Item = &'a PciId>) -> BTreeMap<PciId, (Option<String>, Option<String>)> {
    let mut found: BTreeMap<PciId, (Option<String>, Option<String>)> = wanted.map(|id| (id.clone(), (None, None))).collect();
    let mut vendor = "";
    let mut is_wanted = false;
    for line in text.lines() {
        // The classes at the end have a form of their own.
        if line.starts_with("C ") {
            break;
        }
        if let Some(rest) = line.strip_prefix('\t') {
            let device = if is_wanted && !rest.starts_with('\t') { rest.split_once("  ") } else { None };
            if let Some((number, name)) = device {
                let id = PciId { vendor: vendor.to_owned(), device: number.to_owned() };
                if let Some(names) = found.get_mut(&id) {
                    names.1 = Some(name.to_owned());
                }
            }
        } else if let Some((number, name)) = line.split_once("  ").filter(|_| !line.starts_with('#')) {
            vendor = number;
            is_wanted = false;
            for (_, names) in found.iter_mut().filter(|(id, _)| id.vendor == vendor) {
                is_wanted = true;
                names.0 = Some(name.to_owned());
            }
        }
    }
    found
}

/// The word for a PCI class; the commonest sub-classes, then the class itself (PCI Code and ID Assignment Specification).
fn class_name(class: &str) -> Option<&'static str> {
    Some(match class {
        "0100" => "SCSI storage controller",
        "0101" => "IDE interface",
        "0104" => "RAID bus controller",
        "0106" => "SATA controller",
        "0107" => "Serial Attached SCSI controller",
        "0108" => "Non-Volatile memory controller",
        "0200" => "Ethernet controller",
        "0207" => "Infiniband controller",
        "0300" => "VGA compatible controller",
        "0302" => "3D controller",
        "0403" => "Audio device",
        "0600" => "Host bridge",
        "0601" => "ISA bridge",
        "0604" => "PCI bridge",
        "0c03" => "USB controller",
        "0c05" => "SMBus",
        _ => match class.get(..2)? {
            "01" => "Mass storage controller",
            "02" => "Network controller",
            "03" => "Display controller",
            "04" => "Multimedia controller",
            "05" => "Memory controller",
            "06" => "Bridge",
            "07" => "Communication controller",
            "08" => "Generic system peripheral",
            "09" => "Input device controller",
            "0c" => "Serial bus controller",
            "0d" => "Wireless controller",
            "10" => "Encryption controller",
            "11" => "Signal processing controller",
            "12" => "Processing accelerators",
            "ff" => "Unassigned class",
            _ => return None,
        },
    })
}

/// Reads the section `usbdevices`: devices, not the buses' own hubs.
pub(crate) fn usbdevices(machine: &Machine) -> Vec<Row> {
    let entries = machine.list("sys/bus/usb/devices");
    let row = |entry: &String| {
        let sys = |file: &str| machine.value(&format!("sys/bus/usb/devices/{entry}/{file}"));
        let vendor = sys("idVendor")?;
        let product = sys("product");
        // A class of 00 means that the interfaces tell theirs.
        let (class, subclass) = match sys("bDeviceClass") {
            Some(class) if class != "00" => (Some(class), sys("bDeviceSubClass")),
            _ => {
                let first = entries.iter().find(|other| other.strip_prefix(entry.as_str()).is_some_and(|rest| rest.starts_with(':')));
                let of_first = |file: &str| first.and_then(|first| machine.value(&format!("sys/bus/usb/devices/{first}/{file}")));
                (of_first("bInterfaceClass"), of_first("bInterfaceSubClass"))
            }
        };
        let fields = Fields::default()
            .text("name", product.as_deref())
            .text("caption", product.as_deref())
            .text("manufacturer", sys("manufacturer"))
            .text("vendorid", Some(vendor))
            .text("productid", sys("idProduct"))
            .text("serial", sys("serial"))
            .text("class", class)
            .text("subclass", subclass);
        Some(fields.row())
    };
    entries.iter().filter(|name| !name.starts_with("usb") && !name.contains(':')).take(DEVICES_MAX).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_below_their_vendor_only() {
        let text =
            "# c\n1af3  Other\n\t1041  wrong\n1af4  Acme\n\t1041  Card  X\n\t\t1af4 0001  sub\n\t1042  Disk\nC 02  Network\n\t1041  no\n";
        let id = |device: &str| PciId { vendor: "1af4".into(), device: device.into() };
        let found = pci_names(text, [id("1041"), id("9999")].iter());
        assert_eq!(found[&id("1041")], (Some("Acme".to_owned()), Some("Card  X".to_owned())));
        assert_eq!(found[&id("9999")], (Some("Acme".to_owned()), None));
    }

    #[test]
    fn classes_have_words() {
        assert_eq!((class_name("0200"), class_name("0180")), (Some("Ethernet controller"), Some("Mass storage controller")));
        assert_eq!((class_name("zz99"), class_name("")), (None, None));
    }
}
