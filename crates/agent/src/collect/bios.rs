//! The section `bios`: what the firmware says of the machine, its board and its case.

use super::machine::{Fields, Machine};
use muster_core::inventory::Row;

/// The EFI variable that says whether only signed code is started.
const SECURE_BOOT: &str = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// Reads the section.
pub(crate) fn collect(machine: &Machine) -> Vec<Row> {
    let dmi = |field: &str| machine.value(&format!("sys/class/dmi/id/{field}"));
    // Boards without DMI (ARM) have a device tree.
    let tree = |field: &str| machine.value(&format!("proc/device-tree/{field}"));
    Fields::default()
        .text("bmanufacturer", dmi("bios_vendor"))
        .text("bversion", dmi("bios_version"))
        .text("bdate", dmi("bios_date").and_then(|date| iso_date(&date)))
        .text("smanufacturer", dmi("sys_vendor"))
        .text("smodel", dmi("product_name").or_else(|| tree("model")))
        .text("ssn", dmi("product_serial").or_else(|| tree("serial-number")))
        .text("skunumber", dmi("product_sku"))
        .text("mmanufacturer", dmi("board_vendor"))
        .text("mmodel", dmi("board_name"))
        .text("msn", dmi("board_serial"))
        .text("assettag", dmi("chassis_asset_tag"))
        .text("enclosureserial", dmi("chassis_serial"))
        .text("secure_boot", secure_boot(machine))
        .single()
}

/// `04/01/2014` as `2014-04-01`; none when it is no such date.
fn iso_date(us: &str) -> Option<String> {
    let parts: Vec<u32> = us.trim().split('/').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [month @ 1..=12, day @ 1..=31, year @ 1970..=9999] = parts[..] else {
        return None;
    };
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// Told only of machines whose firmware is known: a container or a machine without DMI says nothing.
fn secure_boot(machine: &Machine) -> Option<&'static str> {
    if !machine.exists("sys/firmware/efi") {
        return machine.exists("sys/class/dmi/id").then_some("unsupported");
    }
    // Four bytes of attributes come before the value.
    Some(match machine.bytes(SECURE_BOOT)?.get(4)? {
        1 => "enabled",
        _ => "disabled",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_turned_around_and_nonsense_is_dropped() {
        assert_eq!(iso_date("04/01/2014").as_deref(), Some("2014-04-01"));
        for bad in ["2014-04-01", "13/01/2014", "04/01", "", "4/1/14"] {
            assert_eq!(iso_date(bad), None, "{bad}");
        }
    }
}
