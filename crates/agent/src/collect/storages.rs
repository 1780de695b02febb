//! The section `storages`: disks and other block devices with a body.

use super::machine::{Fields, Machine};
use muster_core::inventory::Row;
use std::collections::BTreeMap;

/// Bytes of a sector in `/sys/block/*/size`, whatever the disk's own sectors are.
const SECTOR: i64 = 512;

/// Reads the section.
pub(crate) fn collect(machine: &Machine) -> Vec<Row> {
    machine.list("sys/block").iter().filter(|name| has_a_body(name)).map(|name| row(machine, name)).collect()
}

/// Whether a block device is a thing rather than a layer over others.
fn has_a_body(name: &str) -> bool {
    !["loop", "ram", "zram", "dm-", "md", "drbd", "nbd", "rbd", "zd", "fd", "bcache"].iter().any(|layer| name.starts_with(layer))
}

fn row(machine: &Machine, name: &str) -> Row {
    let sys = |file: &str| machine.value(&format!("sys/block/{name}/{file}"));
    let udev = sys("dev").and_then(|dev| machine.text(&format!("run/udev/data/b{dev}"))).unwrap_or_default();
    let udev = udev_properties(&udev);
    let known = |key: &str| udev.get(key).map(|value| (*value).to_owned());
    let path = machine.resolved(&format!("sys/block/{name}")).unwrap_or_default();
    let model = sys("device/model").or_else(|| sys("device/name")).or_else(|| known("ID_MODEL"));
    let vendor = sys("device/vendor").and_then(|vendor| manufacturer(&vendor, model.as_deref()));
    let serial = sys("serial").or_else(|| sys("device/serial")).or_else(|| known("ID_SERIAL_SHORT"));
    let serial = serial.or_else(|| machine.bytes(&format!("sys/block/{name}/device/vpd_pg80")).and_then(|page| page_80(&page)));
    let wwn = sys("wwid").or_else(|| sys("device/wwid")).or_else(|| known("ID_WWN"));
    let address = machine.link_name(&format!("sys/block/{name}/device")).unwrap_or_default();
    let address: Vec<&str> = address.split(':').collect();
    let part = |index: usize| (address.len() == 4).then(|| address[index]);
    Fields::default()
        .text("name", Some(name))
        .text("model", model)
        .text("manufacturer", vendor)
        .text("serial", serial)
        .text("firmware", sys("device/rev").or_else(|| sys("device/firmware_rev")).or_else(|| known("ID_REVISION")))
        .text("wwn", wwn)
        .text("type", Some(if name.starts_with("sr") { "cd" } else { "disk" }))
        .text("interface", interface(name, &path, &udev))
        .number("disksize", sys("size").and_then(|size| size.parse::<i64>().ok()?.checked_mul(SECTOR)).map(|b| b / 1_000_000))
        .text("scsi_coid", part(0))
        .text("scsi_chid", part(1))
        .text("scsi_unid", part(2))
        .text("scsi_lun", part(3))
        .row()
}

/// Properties of a device in udev's database: its lines `E:KEY=VALUE`.
fn udev_properties(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('=')).collect()
}

/// By what the device is connected, told from its place among the devices.
fn interface(name: &str, path: &str, udev: &BTreeMap<&str, &str>) -> Option<&'static str> {
    Some(if name.starts_with("nvme") {
        "NVMe"
    } else if name.starts_with("mmcblk") {
        "MMC"
    } else if path.contains("/usb") {
        "USB"
    } else if path.contains("/virtio") || name.starts_with("vd") {
        "virtio"
    } else if udev.contains_key("ID_ATA_SATA") || path.contains("/ata") {
        "SATA"
    } else if path.contains("/end_device-") {
        "SAS"
    } else if name.starts_with("sd") || name.starts_with("sr") {
        "SCSI"
    } else if name.starts_with("xvd") {
        "Xen"
    } else {
        return None;
    })
}

/// Who made it. `ATA` and PCI numbers are no names; a model may begin with one.
fn manufacturer(vendor: &str, model: Option<&str>) -> Option<String> {
    match vendor {
        "0x1af4" => Some("Red Hat, Inc.".to_owned()),
        "ATA" => {
            let (first, _) = model?.split_once([' ', '_'])?;
            first.chars().all(char::is_alphabetic).then(|| first.to_owned())
        }
        number if number.starts_with("0x") => None,
        name => Some(name.to_owned()),
    }
}

/// The serial number in page 0x80 of a SCSI device: four bytes of header, then text.
fn page_80(page: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(page.get(4..)?).trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_no_storages() {
        assert!(["sda", "nvme0n1", "vdb", "sr0", "mmcblk0", "xvda"].into_iter().all(has_a_body));
        assert!(!["loop0", "dm-1", "md127", "zram0", "ram3"].into_iter().any(has_a_body));
    }

    #[test]
    fn connections_and_makers_are_told_from_what_there_is() {
        let udev = udev_properties("S:disk\nE:ID_ATA_SATA=1\nE:ID_SERIAL_SHORT=A=B\nI:7\n");
        assert_eq!(udev["ID_SERIAL_SHORT"], "A=B");
        assert_eq!(interface("sda", "", &udev), Some("SATA"));
        assert_eq!(interface("sda", "/sys/devices/pci/usb1/1-1/host0", &udev), Some("USB"));
        assert_eq!(interface("sdb", "/sys/devices/pci/host0", &BTreeMap::new()), Some("SCSI"));
        assert_eq!(manufacturer("ATA", Some("Acme Disk 3")).as_deref(), Some("Acme"));
        assert_eq!(manufacturer("ATA", Some("X9-77 Z")), None);
        assert_eq!(manufacturer("0x1234", None), None);
        assert_eq!(page_80(b"\0\x80\0\x04 AB1\0").as_deref(), Some("AB1"));
    }
}
