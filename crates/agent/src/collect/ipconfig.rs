//! How this machine is connected: interfaces with their addresses, routes, name servers; JSON that a person can read.

use super::machine::Machine;
use super::networks;
use super::system::{self, Address};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv6Addr};

/// Routes told at most: a router has hundreds of thousands.
const ROUTES_MAX: usize = 200;
/// The text at most, bytes; what is more loses its routes.
const TEXT_BYTES_MAX: usize = muster_core::limits::OUTPUT_BYTES_MAX;

/// Interfaces, routes and name servers as JSON.
pub(crate) fn collect(machine: &Machine) -> String {
    let addresses = if machine.is_live() { system::addresses() } else { Vec::new() };
    let mut all = json!({
        "interfaces": interfaces(machine, &addresses),
        "routes": routes(machine),
        "name_servers": resolver(machine, "nameserver"),
        "search": resolver(machine, "search"),
    });
    let text = pretty(&all);
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    all["routes"] = json!("left out: too many");
    pretty(&all)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn interfaces(machine: &Machine, addresses: &[Address]) -> Vec<Value> {
    let there = machine.list("sys/class/net").into_iter().filter(|name| machine.exists(&format!("sys/class/net/{name}/ifindex")));
    let each = |name: String| {
        let sys = |file: &str| machine.value(&format!("sys/class/net/{name}/{file}"));
        let own: Vec<String> = addresses.iter().filter(|a| a.interface == name).map(with_prefix).collect();
        json!({"name": name, "mac": sys("address"), "mtu": sys("mtu"), "state": sys("operstate"), "addresses": own})
    };
    there.map(each).collect()
}

/// `192.0.2.7/24`.
fn with_prefix(address: &Address) -> String {
    let ones = match address.mask {
        IpAddr::V4(mask) => u32::from(mask).count_ones(),
        IpAddr::V6(mask) => u128::from(mask).count_ones(),
    };
    format!("{}/{ones}", address.ip)
}

fn routes(machine: &Machine) -> Vec<Value> {
    let four = networks::routes(&machine.text("proc/net/route").unwrap_or_default());
    let six = machine.text("proc/net/ipv6_route").unwrap_or_default();
    four.iter().map(networks::Route::shown).chain(six.lines().filter_map(route6)).take(ROUTES_MAX).collect()
}

/// A line of `/proc/net/ipv6_route`; routes to the machine itself are left out.
fn route6(line: &str) -> Option<Value> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let address = |index: usize| u128::from_str_radix(words.get(index)?, 16).ok().map(Ipv6Addr::from);
    let prefix = u8::from_str_radix(words.get(1)?, 16).ok()?;
    let metric = u32::from_str_radix(words.get(5)?, 16).ok()?;
    let (destination, gateway, interface) = (address(0)?, address(4)?, *words.get(9)?);
    if interface == "lo" {
        return None;
    }
    let gateway = (!gateway.is_unspecified()).then(|| gateway.to_string());
    Some(json!({"destination": format!("{destination}/{prefix}"), "gateway": gateway, "interface": interface, "metric": metric}))
}

/// The values of a word of resolv.conf(5).
fn resolver(machine: &Machine, word: &str) -> Vec<String> {
    let text = machine.text("etc/resolv.conf").unwrap_or_default();
    let values = text.lines().filter_map(|line| line.trim().strip_prefix(word).filter(|rest| rest.starts_with([' ', '\t'])));
    values.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_their_prefix_and_routes_their_way() {
        let address = |ip: &str, mask: &str| Address {
            interface: "eth0".to_owned(),
            ip: ip.parse().expect("an address"),
            mask: mask.parse().expect("a mask"),
        };
        assert_eq!(with_prefix(&address("192.0.2.7", "255.255.255.0")), "192.0.2.7/24");
        assert_eq!(with_prefix(&address("2001:db8::7", "ffff:ffff:ffff:ffff::")), "2001:db8::7/64");
        let line = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000005 00000000 00000003 eth0";
        let wanted = json!({"destination": "::/0", "gateway": "fe80::1", "interface": "eth0", "metric": 1024});
        assert_eq!(route6(line), Some(wanted));
        assert_eq!((route6("odd line"), route6(&line.replace("eth0", "lo"))), (None, None));
    }
}
