//! The section `hardware`: name, memory, kind of case, kind of virtual machine, gateway and name servers.

use super::machine::{Fields, Machine};
use super::networks::routes;
use super::users::Session;
use super::when::Zone;
use muster_core::inventory::Row;

/// Reads the section; `name` is the host name, `last` who logged in last.
pub(crate) fn collect(machine: &Machine, name: Option<&str>, zone: &Zone, last: Option<&Session>) -> Vec<Row> {
    let memory = machine.text("proc/meminfo").unwrap_or_default();
    let resolver = machine.text("etc/resolv.conf").map(|text| resolver(&text)).unwrap_or_default();
    let default = routes(&machine.text("proc/net/route").unwrap_or_default()).into_iter().find(|r| r.is_default());
    let uuid = machine.value("sys/class/dmi/id/product_uuid");
    Fields::default()
        .text("name", name)
        .text("uuid", uuid.or_else(|| machine.value("proc/device-tree/vm,uuid")))
        .number("memory", meminfo(&memory, "MemTotal").map(|kb| kb / 1024))
        .number("swap", meminfo(&memory, "SwapTotal").map(|kb| kb / 1024))
        .text("chassis_type", machine.number("sys/class/dmi/id/chassis_type").and_then(chassis))
        .text("vmsystem", Some(vmsystem(machine)))
        .text("defaultgateway", default.map(|r| r.gateway.to_string()))
        .text("dns", Some(resolver.servers.join("/")))
        .text("workgroup", resolver.domain)
        .text("lastloggeduser", last.map(|s| s.user.as_str()))
        .text("datelastloggeduser", last.and_then(|s| zone.date_time(s.at?)))
        .single()
}

/// A value of `/proc/meminfo`, kilobytes.
pub(crate) fn meminfo(text: &str, key: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What `/etc/resolv.conf` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolver {
    /// Addresses of name servers.
    pub servers: Vec<String>,
    /// The machine's domain, or the first one that is searched.
    pub domain: Option<String>,
}

/// Reads `/etc/resolv.conf`.
pub(crate) fn resolver(text: &str) -> Resolver {
    let mut found = Resolver::default();
    let mut searched = None;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("nameserver"), Some(server)) => found.servers.push(server.to_owned()),
            (Some("domain"), Some(domain)) => found.domain = Some(domain.to_owned()),
            (Some("search"), Some(domain)) if domain != "." => searched = Some(domain.to_owned()),
            _ => {}
        }
    }
    found.domain = found.domain.or(searched);
    found
}

/// The word for a kind of case (DMTF DSP0134, system enclosure types).
fn chassis(code: i64) -> Option<&'static str> {
    const WORDS: [&str; 36] = [
        "Other",
        "Unknown",
        "Desktop",
        "Low Profile Desktop",
        "Pizza Box",
        "Mini Tower",
        "Tower",
        "Portable",
        "Laptop",
        "Notebook",
        "Hand Held",
        "Docking Station",
        "All In One",
        "Sub Notebook",
        "Space-saving",
        "Lunch Box",
        "Main Server Chassis",
        "Expansion Chassis",
        "Sub Chassis",
        "Bus Expansion Chassis",
        "Peripheral Chassis",
        "RAID Chassis",
        "Rack Mount Chassis",
        "Sealed-case PC",
        "Multi-system",
        "CompactPCI",
        "AdvancedTCA",
        "Blade",
        "Blade Enclosing",
        "Tablet",
        "Convertible",
        "Detachable",
        "IoT Gateway",
        "Embedded PC",
        "Mini PC",
        "Stick PC",
    ];
    WORDS.get(usize::try_from(code).ok()?.checked_sub(1)?).copied()
}

/// What kind of virtual machine or container this is, `Physical` when it is none.
fn vmsystem(machine: &Machine) -> &'static str {
    if let Some(container) = container(machine) {
        return container;
    }
    let dmi = ["sys_vendor", "product_name", "bios_vendor", "board_vendor"]
        .map(|field| machine.value(&format!("sys/class/dmi/id/{field}")).unwrap_or_default())
        .join("\n");
    const MARKS: [(&str, &str); 11] = [
        ("VMware", "VMware"),
        ("VirtualBox", "VirtualBox"),
        ("innotek", "VirtualBox"),
        ("KVM", "KVM"),
        ("QEMU", "QEMU"),
        ("Xen", "Xen"),
        ("Parallels", "Parallels"),
        ("Amazon EC2", "KVM"),
        ("Google Compute Engine", "KVM"),
        ("OpenStack", "KVM"),
        ("Bochs", "QEMU"),
    ];
    if let Some((_, word)) = MARKS.iter().find(|(mark, _)| dmi.contains(mark)) {
        return word;
    }
    if dmi.contains("Microsoft Corporation") && dmi.contains("Virtual Machine") {
        return "Hyper-V";
    }
    if machine.value("sys/hypervisor/type").as_deref() == Some("xen") {
        return "Xen";
    }
    let cpuinfo = machine.text("proc/cpuinfo").unwrap_or_default();
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    if flags.split_whitespace().any(|flag| flag == "hypervisor") { "Virtual Machine" } else { "Physical" }
}

fn container(machine: &Machine) -> Option<&'static str> {
    let told = machine.value("run/systemd/container").or_else(|| {
        let environment = machine.text("proc/1/environ")?;
        environment.split('\0').find_map(|pair| pair.strip_prefix("container=")).map(str::to_owned)
    });
    match told.as_deref() {
        Some("docker" | "podman" | "oci") => Some("Docker"),
        Some("lxc" | "lxc-libvirt") => Some("LXC"),
        Some("systemd-nspawn") => Some("systemd-nspawn"),
        Some("openvz") => Some("Virtuozzo"),
        _ => (machine.exists(".dockerenv") || machine.exists("run/.containerenv")).then_some("Docker"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_name_servers_are_read() {
        assert_eq!(meminfo("MemFree: 1 kB\nMemTotal:       2048 kB\n", "MemTotal"), Some(2048));
        assert_eq!(meminfo("MemTotalX: 1 kB\nMemTotal: many", "MemTotal"), None);
        let read = resolver("# c\nnameserver 192.0.2.1\nsearch a.example b.example\nnameserver 2001:db8::1\n");
        assert_eq!(read.servers, ["192.0.2.1", "2001:db8::1"]);
        assert_eq!(read.domain.as_deref(), Some("a.example"));
        assert_eq!(resolver("search a.example\ndomain b.example").domain.as_deref(), Some("b.example"));
    }

    #[test]
    fn cases_have_words() {
        assert_eq!((chassis(3), chassis(10), chassis(36)), (Some("Desktop"), Some("Notebook"), Some("Stick PC")));
        assert_eq!((chassis(0), chassis(37), chassis(-1)), (None, None, None));
    }
}
