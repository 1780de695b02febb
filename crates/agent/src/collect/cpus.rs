//! The section `cpus`: one row per socket.

use super::machine::{Fields, Machine};
use super::smbios::{self, Socket};
use muster_core::inventory::Row;
use std::collections::{BTreeMap, BTreeSet};

/// Reads the section; `architecture` is the kernel's word, `table` the firmware's table.
pub(crate) fn collect(machine: &Machine, architecture: Option<&str>, table: &[u8]) -> Vec<Row> {
    let found = packages(&machine.text("proc/cpuinfo").unwrap_or_default());
    let told = smbios::sockets(table);
    let known = Socket::default();
    let scaling = "sys/devices/system/cpu/cpu0/cpufreq";
    let limits = ["base_frequency", "cpuinfo_max_freq"].map(|name| machine.number(&format!("{scaling}/{name}")).map(|khz| khz / 1000));
    let row = |(index, package): (usize, &Package)| {
        // Only when both sources see the same number of sockets do their rows belong together.
        let socket = told.get(index).filter(|_| told.len() == found.len()).unwrap_or(&known);
        let field = |name: &str| package.first.get(name).map(String::as_str);
        let name = field("model name").or_else(|| field("Processor")).or_else(|| field("cpu model")).or_else(|| field("cpu"));
        let speed = name.and_then(speed_in_name).or(socket.speed).or(limits[0]).or(limits[1]);
        Fields::default()
            .text("name", name)
            .text("manufacturer", field("vendor_id").map(manufacturer).or_else(|| field("CPU implementer").map(implementer)))
            .text("familynumber", field("cpu family").or_else(|| field("CPU architecture")))
            .text("model", field("model").or_else(|| field("CPU part")))
            .number("stepping", field("stepping").or_else(|| field("CPU revision")).and_then(|text| text.parse().ok()))
            .text("arch", architecture.filter(|arch| is_known(arch)))
            .number("core", i64::try_from(package.cores()).ok())
            .number("thread", i64::try_from(package.threads).ok())
            .number("speed", speed.or_else(|| field("cpu MHz").and_then(megahertz)))
            .number("external_clock", socket.external_clock)
            .text("serial", socket.serial.as_deref())
            .text("id", socket.id.as_deref())
            .row()
    };
    found.iter().enumerate().map(row).collect()
}

/// One socket as `/proc/cpuinfo` shows it.
#[derive(Debug, Default)]
struct Package {
    first: BTreeMap<String, String>,
    threads: usize,
    core_ids: BTreeSet<String>,
}

impl Package {
    fn cores(&self) -> usize {
        let told = self.first.get("cpu cores").and_then(|n| n.parse().ok());
        told.unwrap_or(if self.core_ids.is_empty() { self.threads } else { self.core_ids.len() })
    }
}

/// The sockets of `/proc/cpuinfo`, in the order of their numbers. What stands outside of the processors' paragraphs (ARM) goes
/// to those fields that they lack.
fn packages(text: &str) -> Vec<Package> {
    let mut found: BTreeMap<u64, Package> = BTreeMap::new();
    let mut shared = BTreeMap::new();
    for paragraph in text.split("\n\n") {
        let pairs = paragraph.lines().filter_map(|line| line.split_once(':'));
        let fields: BTreeMap<String, String> = pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect();
        if !fields.contains_key("processor") {
            shared.extend(fields);
            continue;
        }
        let number = fields.get("physical id").and_then(|id| id.parse().ok()).unwrap_or(0);
        let package = found.entry(number).or_default();
        package.threads += 1;
        package.core_ids.extend(fields.get("core id").cloned());
        if package.first.is_empty() {
            package.first = fields;
        }
    }
    for package in found.values_mut() {
        for (key, value) in &shared {
            package.first.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    found.into_values().collect()
}

/// `… @ 2.70GHz` in MHz.
fn speed_in_name(name: &str) -> Option<i64> {
    let text = name.rsplit_once('@')?.1.trim();
    if let Some(number) = text.strip_suffix("GHz") {
        return number.trim().parse::<f64>().ok().map(|ghz| (ghz * 1000.0).round() as i64);
    }
    megahertz(text.strip_suffix("MHz")?)
}

fn megahertz(text: &str) -> Option<i64> {
    text.trim().parse::<f64>().ok().map(|mhz| mhz.round() as i64)
}

fn manufacturer(vendor: &str) -> &str {
    match vendor {
        "GenuineIntel" => "Intel",
        "AuthenticAMD" => "AMD",
        "HygonGenuine" => "Hygon",
        "CentaurHauls" => "VIA",
        other => other,
    }
}

/// ARM's implementer codes of the processors that servers and boards have.
fn implementer(code: &str) -> &str {
    match code {
        "0x41" => "ARM",
        "0x42" => "Broadcom",
        "0x43" => "Cavium",
        "0x48" => "HiSilicon",
        "0x4e" => "NVIDIA",
        "0x51" => "Qualcomm",
        "0x61" => "Apple",
        "0xc0" => "Ampere",
        other => other,
    }
}

/// Whether the inventory format has a word for this architecture.
fn is_known(arch: &str) -> bool {
    const WORDS: [&str; 11] = ["mips", "mips64", "alpha", "sparc", "sparc64", "m68k", "x86_64", "powerpc", "powerpc64", "arm64", "aarch64"];
    WORDS.contains(&arch) || arch.starts_with("arm") || (arch.len() == 4 && arch.starts_with('i') && arch.ends_with("86"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_of_one_socket_are_one_row() {
        let one = |n: u32, socket: u32, core: u32| {
            format!("processor\t: {n}\nvendor_id : GenuineIntel\nphysical id : {socket}\ncore id : {core}\ncpu cores : 2\nmodel : 6\n")
        };
        let text = [one(0, 0, 0), one(1, 1, 0), one(2, 0, 1), one(3, 0, 0)].join("\n");
        let found = packages(&text);
        assert_eq!(found.iter().map(|p| (p.threads, p.cores())).collect::<Vec<_>>(), [(3, 2), (1, 2)]);
    }

    #[test]
    fn boards_without_sockets_are_one_row_with_the_shared_fields() {
        let found = packages("processor : 0\nCPU part : 0xd08\n\nprocessor : 1\nCPU part : 0xd08\n\nProcessor : Made up\n");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].threads, found[0].cores()), (2, 2));
        assert_eq!(found[0].first["Processor"], "Made up");
    }

    #[test]
    fn the_speed_may_stand_in_the_name() {
        assert_eq!(speed_in_name("Made CPU @ 2.70GHz"), Some(2700));
        assert_eq!(speed_in_name("Made CPU @ 800MHz"), Some(800));
        assert_eq!(speed_in_name("Made CPU @ fast"), None);
    }

    #[test]
    fn only_architectures_of_the_format_are_told() {
        assert!(["i686", "x86_64", "armv7l", "aarch64"].into_iter().all(is_known));
        assert!(!is_known("riscv64") && !is_known("i6786"));
    }
}
