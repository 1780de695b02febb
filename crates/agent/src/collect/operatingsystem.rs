//! The section `operatingsystem`: distribution, kernel, full name in DNS, time zone, when it was installed and started.

use super::machine::{Fields, Machine};
use super::system;
use super::when::Zone;
use muster_core::inventory::Row;
use muster_core::time::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// What installers leave behind; the oldest tells when the system was installed.
const INSTALLERS: [&str; 5] =
    ["var/log/installer", "var/log/anaconda", "root/anaconda-ks.cfg", "var/log/YaST2/y2start.log", "etc/install-date"];

/// Reads the section; `now` decides which side of daylight saving the offset is on.
pub(crate) fn collect(machine: &Machine, host: Option<&str>, zone: &Zone, now: Timestamp) -> Vec<Row> {
    let release = ["etc/os-release", "usr/lib/os-release"].into_iter().find_map(|file| machine.text(file)).unwrap_or_default();
    let release = release_fields(&release);
    let hosts = machine.text("etc/hosts").unwrap_or_default();
    let full = host.map(|host| full_name(&hosts, host));
    let installed = INSTALLERS.iter().filter_map(|file| machine.modified(file)).min();
    let field = |name: &str| release.get(name).map(String::as_str);
    Fields::default()
        .text("name", field("NAME"))
        .text("full_name", field("PRETTY_NAME").or(field("NAME")))
        .text("version", debian_version(machine, field("ID")).as_deref().or(field("VERSION_ID")))
        .text("arch", architecture(machine))
        .text("kernel_name", machine.value("proc/sys/kernel/ostype").map(|name| name.to_lowercase()))
        .text("kernel_version", machine.value("proc/sys/kernel/osrelease"))
        .text("fqdn", full.as_deref())
        .text("dns_domain", full.as_deref().and_then(|full| full.split_once('.')).map(|(_, domain)| domain))
        .text("hostid", host_id(machine, &hosts, host))
        .json("timezone", zone.offset(now).map(|offset| json!({"name": zone.name, "offset": offset})))
        .text("install_date", installed.and_then(|at| zone.date_time(at)))
        .text("boot_time", boot_time(&machine.text("proc/stat").unwrap_or_default()).and_then(|at| zone.date_time(at)))
        .single()
}

/// The host name as the kernel has it.
pub(crate) fn host_name(machine: &Machine) -> Option<String> {
    machine.value("proc/sys/kernel/hostname").or_else(|| machine.value("etc/hostname"))
}

/// The kernel's word for the architecture.
pub(crate) fn architecture(machine: &Machine) -> Option<String> {
    if machine.is_live() { system::architecture() } else { machine.value("proc/sys/kernel/arch") }
}

/// When the kernel started, from `/proc/stat`.
pub(crate) fn boot_time(stat: &str) -> Option<Timestamp> {
    let seconds: i64 = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(Timestamp(seconds.checked_mul(1000)?))
}

/// The fields of `os-release`, without their quotes.
fn release_fields(text: &str) -> BTreeMap<&str, String> {
    let pair = |line: &'_ str| -> Option<(usize, String)> {
        let at = line.find('=')?;
        let value = line[at + 1..].trim().trim_matches(['"', '\'']);
        Some((at, value.replace("\\\"", "\"").replace("\\$", "$").replace("\\\\", "\\")))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| pair(line).map(|(at, value)| (line[..at].trim(), value))).collect()
}

/// Debian's own point release (`12.11`), which os-release lacks.
fn debian_version(machine: &Machine, id: Option<&str>) -> Option<String> {
    let version = (id == Some("debian")).then(|| machine.value("etc/debian_version")).flatten()?;
    version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
}

/// The lines of `/etc/hosts` that name a host: the address and all its names.
fn lines_naming<'a>(hosts: &'a str, host: &'a str) -> impl Iterator<Item = Vec<&'a str>> {
    let words = |line: &'a str| line.split('#').next().unwrap_or_default().split_whitespace().collect::<Vec<_>>();
    hosts.lines().map(words).filter(move |words| words.iter().skip(1).any(|name| *name == host))
}

/// The host's full name as far as this machine knows it without asking a name server.
fn full_name(hosts: &str, host: &str) -> String {
    if host.contains('.') {
        return host.to_owned();
    }
    let full = |name: &&str| name.strip_prefix(host).is_some_and(|rest| rest.starts_with('.'));
    lines_naming(hosts, host).find_map(|words| words.into_iter().skip(1).find(full)).unwrap_or(host).to_owned()
}

/// The host id as `hostid` prints it: of `/etc/hostid`, else made of the host's address in `/etc/hosts`.
fn host_id(machine: &Machine, hosts: &str, host: Option<&str>) -> Option<String> {
    if let Some(bytes) = machine.bytes("etc/hostid") {
        return Some(format!("{:08x}", u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?)));
    }
    let address: Ipv4Addr = lines_naming(hosts, host?).find_map(|words| words.first()?.parse().ok())?;
    Some(format!("{:08x}", u32::from_ne_bytes(address.octets()).rotate_left(16)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_files_are_read_with_and_without_quotes() {
        let fields = release_fields("# c\nNAME=\"Made \\\"Up\\\" Linux\"\nID=madeup\nVERSION_ID='7.1'\nodd\n");
        assert_eq!(fields["NAME"], "Made \"Up\" Linux");
        assert_eq!((fields["ID"].as_str(), fields["VERSION_ID"].as_str()), ("madeup", "7.1"));
        assert_eq!(fields.len(), 3);
    }

    #[test]
    fn the_full_name_comes_from_the_hosts_file() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1\there.lab.example here # here\n";
        assert_eq!(full_name(hosts, "here"), "here.lab.example");
        assert_eq!(full_name(hosts, "there"), "there");
        assert_eq!(full_name(hosts, "a.b"), "a.b");
        assert_eq!(host_id(&Machine::at("/not/here"), hosts, Some("here")).map(|id| id.len()), Some(8));
    }

    #[test]
    fn the_boot_time_is_that_of_the_kernel() {
        assert_eq!(boot_time("cpu 1\nbtime 1700000000\n"), Some(Timestamp::from_seconds(1_700_000_000)));
        assert_eq!(boot_time("btime 9223372036854775807\n"), None);
    }
}
