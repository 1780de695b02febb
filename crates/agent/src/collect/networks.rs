//! The section `networks`: interfaces, one row per address.

use super::machine::{Fields, Machine};
use super::system::Address;
use muster_core::inventory::Row;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Interfaces read on one machine.
const INTERFACES_MAX: usize = 4_096;

/// Reads the section; `addresses` are the kernel's.
pub(crate) fn collect(machine: &Machine, addresses: &[Address]) -> Vec<Row> {
    let routes = routes(&machine.text("proc/net/route").unwrap_or_default());
    let mut rows = Vec::new();
    for name in machine.list("sys/class/net").iter().take(INTERFACES_MAX) {
        // A file such as bonding_masters is no interface.
        if !machine.exists(&format!("sys/class/net/{name}/ifindex")) {
            continue;
        }
        let own: Vec<&Address> = addresses.iter().filter(|a| a.interface == *name).collect();
        if own.is_empty() {
            rows.push(interface(machine, name).row());
        }
        rows.extend(own.into_iter().map(|address| with_address(interface(machine, name), address, name, &routes).row()));
    }
    rows
}

/// What is true of an interface whatever its addresses.
fn interface(machine: &Machine, name: &str) -> Fields {
    let base = format!("sys/class/net/{name}");
    let sys = |file: &str| machine.value(&format!("{base}/{file}"));
    let device = machine.exists(&format!("{base}/device"));
    let pci = device.then(|| machine.resolved(&format!("{base}/device"))).flatten().and_then(|path| pci_slot(&path));
    let slaves = machine.list(&format!("{base}/brif"));
    let slaves = if slaves.is_empty() { sys("bonding/slaves").unwrap_or_default().replace(' ', ",") } else { slaves.join(",") };
    let ids = pci.as_ref().and_then(|slot| {
        let part = |file: &str| machine.value(&format!("sys/bus/pci/devices/{slot}/{file}")).map(|v| v.trim_start_matches("0x").to_owned());
        Some([part("vendor")?, part("device")?, part("subsystem_vendor")?, part("subsystem_device")?].join(":"))
    });
    Fields::default()
        .text("description", Some(name))
        .text("mac", sys("address").filter(|mac| mac.len() == 17 && mac != "00:00:00:00:00:00"))
        .text("type", kind(machine, &base))
        .text("status", Some(status(machine, &base)))
        .text("speed", machine.number(&format!("{base}/speed")).filter(|speed| *speed > 0).map(|speed| speed.to_string()))
        .number("mtu", machine.number(&format!("{base}/mtu")))
        .flag("virtualdev", !device)
        .text("driver", machine.link_name(&format!("{base}/device/driver")))
        .text("pcislot", pci.as_deref().map(short_slot))
        .text("pciid", ids)
        .text("slaves", Some(slaves))
}

fn with_address(fields: Fields, address: &Address, interface: &str, routes: &[Route]) -> Fields {
    match (address.ip, address.mask) {
        (IpAddr::V4(ip), IpAddr::V4(mask)) => {
            let subnet = Ipv4Addr::from(u32::from(ip) & u32::from(mask));
            let reached =
                |r: &&Route| r.is_default() && r.interface == interface && u32::from(r.gateway) & u32::from(mask) == u32::from(subnet);
            fields
                .text("ipaddress", Some(ip.to_string()))
                .text("ipmask", Some(mask.to_string()))
                .text("ipsubnet", Some(subnet.to_string()))
                .text("ipgateway", routes.iter().find(reached).map(|r| r.gateway.to_string()))
        }
        (IpAddr::V6(ip), IpAddr::V6(mask)) => {
            let subnet = Ipv6Addr::from(u128::from(ip) & u128::from(mask));
            fields
                .text("ipaddress6", Some(ip.to_string()))
                .text("ipmask6", Some(mask.to_string()))
                .text("ipsubnet6", Some(subnet.to_string()))
        }
        _ => fields,
    }
}

/// The format's word for the kind of interface; none when it has no word.
fn kind(machine: &Machine, base: &str) -> Option<&'static str> {
    let has = |file: &str| machine.exists(&format!("{base}/{file}"));
    if has("bridge") {
        return Some("bridge");
    }
    if has("bonding") {
        return Some("aggregate");
    }
    if has("wireless") || has("phy80211") {
        return Some("wifi");
    }
    // ARPHRD_* of linux/if_arp.h
    match machine.number(&format!("{base}/type"))? {
        1 => Some("ethernet"),
        32 => Some("infiniband"),
        512 => Some("dialup"),
        772 => Some("loopback"),
        784..=787 => Some("fibrechannel"),
        _ => None,
    }
}

/// `up`, `down` or another word of the kernel. Interfaces that do not tell are up when they are switched on.
fn status(machine: &Machine, base: &str) -> &'static str {
    const WORDS: [&str; 6] = ["up", "down", "dormant", "notpresent", "lowerlayerdown", "testing"];
    let told = machine.value(&format!("{base}/operstate")).unwrap_or_default();
    if let Some(word) = WORDS.into_iter().find(|word| *word == told) {
        return word;
    }
    let flags = machine.value(&format!("{base}/flags")).unwrap_or_default();
    let on = u32::from_str_radix(flags.trim_start_matches("0x"), 16).is_ok_and(|flags| flags & 1 == 1);
    if on { "up" } else { "down" }
}

/// The PCI slot in a device's path, the innermost one: `0000:00:03.0`.
pub(crate) fn pci_slot(path: &str) -> Option<String> {
    let is_slot = |part: &&str| {
        let shape: Vec<usize> = part.split([':', '.']).map(str::len).collect();
        shape.len() == 4 && shape[1..] == [2, 2, 1] && part.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.')
    };
    path.rsplit('/').find(is_slot).map(str::to_owned)
}

/// A slot without the first domain's number, as `lspci` prints it.
pub(crate) fn short_slot(slot: &str) -> &str {
    slot.strip_prefix("0000:").unwrap_or(slot)
}

/// A line of the kernel's IPv4 routing table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Where it leaves.
    pub interface: String,
    /// The next hop; 0.0.0.0 when there is none.
    pub gateway: Ipv4Addr,
    destination: u32,
    mask: u32,
    metric: u32,
}

impl Route {
    /// It as people are shown it.
    pub(crate) fn shown(&self) -> Value {
        let destination = Ipv4Addr::from(self.destination.to_ne_bytes());
        let gateway = (!self.gateway.is_unspecified()).then(|| self.gateway.to_string());
        json!({"destination": format!("{destination}/{}", self.mask.count_ones()), "gateway": gateway, "interface": self.interface, "metric": self.metric})
    }

    /// Whether it is a way to everywhere, over a gateway.
    pub(crate) fn is_default(&self) -> bool {
        self.destination == 0 && self.mask == 0 && !self.gateway.is_unspecified()
    }
}

/// Reads `/proc/net/route`; the best routes first.
pub(crate) fn routes(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // The kernel prints addresses as numbers of its own byte order.
        let address = |index: usize| u32::from_str_radix(words.get(index)?, 16).ok();
        let gateway = Ipv4Addr::from(address(2)?.to_ne_bytes());
        let metric = words.get(6)?.parse().ok()?;
        Some(Route { interface: (*words.first()?).to_owned(), gateway, destination: address(1)?, mask: address(7)?, metric })
    };
    let mut routes: Vec<Route> = text.lines().skip(1).filter_map(route).collect();
    routes.sort_by_key(|route| route.metric);
    routes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_best_default_route_comes_first() {
        let text = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                    wlan0\t00000000\tFE0200C0\t0003\t0\t0\t600\t00000000\neth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\n\
                    eth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\nodd line\n";
        let routes = routes(text);
        assert_eq!(routes.len(), 3);
        let default = routes.iter().find(|r| r.is_default()).expect("a default route");
        assert_eq!((default.interface.as_str(), default.gateway), ("eth0", Ipv4Addr::new(192, 0, 2, 1)));
    }

    #[test]
    fn an_address_brings_its_subnet_and_the_gateway_that_it_reaches() {
        let route = Route { interface: "eth0".into(), gateway: Ipv4Addr::new(192, 0, 2, 1), destination: 0, mask: 0, metric: 0 };
        let address =
            |ip: &str, mask: &str| Address { interface: "eth0".into(), ip: ip.parse().expect("ip"), mask: mask.parse().expect("mask") };
        let row = with_address(Fields::default(), &address("192.0.2.9", "255.255.255.0"), "eth0", std::slice::from_ref(&route)).row();
        assert_eq!((row["ipsubnet"].as_str(), row["ipgateway"].as_str()), (Some("192.0.2.0"), Some("192.0.2.1")));
        let row = with_address(Fields::default(), &address("10.0.0.9", "255.0.0.0"), "eth0", std::slice::from_ref(&route)).row();
        assert!(!row.contains_key("ipgateway"));
        let row = with_address(Fields::default(), &address("2001:db8::5", "ffff:ffff::"), "eth0", &[route]).row();
        assert_eq!((row["ipsubnet6"].as_str(), row["ipmask6"].as_str()), (Some("2001:db8::"), Some("ffff:ffff::")));
    }

    #[test]
    fn the_innermost_slot_of_a_path_counts() {
        assert_eq!(pci_slot("/sys/devices/pci0000:00/0000:00:1c.0/0000:03:00.0/virtio2").as_deref(), Some("0000:03:00.0"));
        assert_eq!(pci_slot("/sys/devices/virtual/net"), None);
        assert_eq!(short_slot("0000:03:00.0"), "03:00.0");
    }
}
