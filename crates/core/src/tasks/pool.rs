//! The pool: addresses cut into slices, taken one at a time by whoever is free (`docs/pools.md`).
//!
//! Lives here: ranges of addresses, and how a run's are cut. Who may take a slice is in the engine, what it may do in `doc`.

#[cfg(test)]
mod tests;

use crate::ids::DeviceId;
use crate::inventory::Row;
use crate::limits::{POOL_ADDRESSES_MAX, SLICE_ADDRESSES_MAX, SLICE_ADDRESSES_MIN};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

/// How long a slice may take at the most, as far as its worst case tells: a slice of a slow agent is not larger than that.
const SLICE_TIME_MAX: Duration = Duration::from_secs(300);
/// How long an agent may be silent of a slice beyond the worst case of its work.
pub const SLICE_SILENCE: Duration = Duration::from_secs(60);

/// Addresses from the first to the last, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    low: u128,
    high: u128,
}

/// A text that is no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRange(String);

/// An address as a number: those of IPv4 stand where IPv6 has them mapped.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => u128::from(four.to_ipv6_mapped()),
        IpAddr::V6(six) => u128::from(six),
    }
}

fn address(number: u128) -> IpAddr {
    let six = Ipv6Addr::from(number);
    six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4)
}

impl Range {
    /// From one address to another; `None` where they are of two families, or the last comes first.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        let (low, high) = (number(first), number(last));
        let is_one_family = address(low).is_ipv4() == address(high).is_ipv4() && first.is_ipv4() == last.is_ipv4();
        (is_one_family && low <= high).then_some(Self { low, high })
    }

    /// The network of an address with its mask; `None` for a mask that is none.
    pub fn network(of: IpAddr, mask: IpAddr) -> Option<Self> {
        let bits = match mask {
            IpAddr::V4(mask) => 96 + (!u32::from(mask)).leading_zeros(),
            IpAddr::V6(mask) => (!u128::from(mask)).leading_zeros(),
        };
        (of.is_ipv4() == mask.is_ipv4()).then(|| Self::around(number(of), bits))
    }

    /// All that share so many first bits of 128.
    fn around(number: u128, bits: u32) -> Self {
        let rest = u128::MAX.checked_shr(bits).unwrap_or(0);
        Self { low: number & !rest, high: number | rest }
    }

    /// The first address.
    pub fn first(&self) -> IpAddr {
        address(self.low)
    }

    /// The last address.
    pub fn last(&self) -> IpAddr {
        address(self.high)
    }

    /// How many addresses there are; the most that can be told of larger ones.
    pub fn count(&self) -> u64 {
        u64::try_from(self.high - self.low).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Whether it has an address in common with another.
    pub fn meets(&self, other: &Range) -> bool {
        // All of IPv6 is not IPv4 as well, though its numbers lie among those.
        self.first().is_ipv4() == other.first().is_ipv4() && self.low <= other.high && other.low <= self.high
    }

    /// Each address in turn.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        (self.low..=self.high).map(address)
    }

    /// First and last as texts of 32 digits that sort as the addresses do.
    pub fn keys(&self) -> (String, String) {
        (format!("{:032x}", self.low), format!("{:032x}", self.high))
    }

    /// The range of two such texts.
    pub fn of_keys(low: &str, high: &str) -> Option<Self> {
        let read = |text| u128::from_str_radix(text, 16).ok();
        Some(Self { low: read(low)?, high: read(high)? }).filter(|it| it.low <= it.high)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.low == self.high { write!(f, "{}", self.first()) } else { write!(f, "{}-{}", self.first(), self.last()) }
    }
}

impl FromStr for Range {
    type Err = BadRange;

    /// Reads `10.0.0.0/24`, `10.0.1.5-10.0.1.90`, `fd00::/120` or one address.
    fn from_str(text: &str) -> Result<Self, BadRange> {
        let bad = |why: &str| BadRange(format!("'{text}' {why}"));
        let no_range = || bad("is no range of addresses; write 10.0.0.0/24, 10.0.1.5-10.0.1.90 or one address");
        let ip = |part: &str| part.trim().parse::<IpAddr>().map_err(|_| no_range());
        if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (ip(first)?, ip(last)?);
            return Self::new(first, last).ok_or_else(|| bad("goes from an address to one before it, or of another family"));
        }
        let Some((of, bits)) = text.split_once('/') else { return ip(text).map(|one| Self { low: number(one), high: number(one) }) };
        let of = ip(of)?;
        let (most, before) = if of.is_ipv4() { (32, 96) } else { (128, 0) };
        let bits = bits.trim().parse::<u32>().ok().filter(|bits| *bits <= most).ok_or_else(no_range)?;
        Ok(Self::around(number(of), before + bits))
    }
}

impl Serialize for Range {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The same addresses, each once, in order.
pub fn united(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut all: Vec<Range> = Vec::with_capacity(ranges.len());
    for it in ranges {
        match all.last_mut() {
            Some(last) if it.low <= last.high.saturating_add(1) && last.first().is_ipv4() == it.first().is_ipv4() => {
                last.high = last.high.max(it.high);
            }
            _ => all.push(it),
        }
    }
    all
}

/// What is left of united ranges without others.
pub fn without(ranges: &[Range], taken_out: &[Range]) -> Vec<Range> {
    let mut left = Vec::with_capacity(ranges.len());
    let taken_out = united(taken_out.to_vec());
    for it in ranges {
        let mut rest = Some(*it);
        for out in taken_out.iter().filter(|out| out.meets(it)) {
            let Some(now) = rest else { break };
            if out.low > now.low {
                left.push(Range { low: now.low, high: out.low - 1 });
            }
            rest = (out.high < now.high).then(|| Range { low: out.high + 1, high: now.high });
        }
        left.extend(rest);
    }
    left
}

/// How many addresses ranges have; more than may be are told as one more than that.
pub fn count(ranges: &[Range]) -> usize {
    let all = ranges.iter().fold(0_u64, |sum, range| sum.saturating_add(range.count()));
    usize::try_from(all).unwrap_or(usize::MAX).min(POOL_ADDRESSES_MAX + 1)
}

/// Cuts united ranges for so many agents that live: each slice has a half of an equal share of what is left, and no fewer than
/// [`SLICE_ADDRESSES_MIN`] where there are as many. So slices become smaller towards the end, and whoever is slow or dies has little left
/// in its hands. `worst` is how long one address may take.
pub fn cut(ranges: &[Range], living: usize, worst: Duration) -> Vec<Range> {
    let (living, worst) = (living.max(1) as u64, worst.as_millis().max(1));
    let in_time = u64::try_from(SLICE_TIME_MAX.as_millis() / worst).unwrap_or(u64::MAX);
    let most = in_time.clamp(SLICE_ADDRESSES_MIN, SLICE_ADDRESSES_MAX);
    let mut left = ranges.iter().fold(0_u64, |sum, range| sum.saturating_add(range.count()));
    let mut slices = Vec::new();
    for range in ranges {
        let mut rest = Some(*range);
        while let Some(now) = rest {
            let size = left.div_ceil(2 * living).clamp(SLICE_ADDRESSES_MIN, most).min(now.count());
            let high = now.low + u128::from(size - 1);
            slices.push(Range { low: now.low, high });
            left = left.saturating_sub(size);
            rest = (high < now.high).then(|| Range { low: high + 1, high: now.high });
        }
    }
    slices
}

/// The networks that a machine is in, by the rows of its inventory's `networks`; without those of its own loops, and those that every
/// interface is in.
pub fn networks(rows: &[Row]) -> Vec<Range> {
    let of = |row: &Row, address: &str, mask: &str| {
        let ip = |key: &str| row.get(key).and_then(|value| value.as_str()).and_then(|text| text.trim().parse::<IpAddr>().ok());
        let found = ip(address).filter(|it| !it.is_loopback() && !it.is_unspecified() && !is_link_local(*it))?;
        Range::network(found, ip(mask)?)
    };
    rows.iter().flat_map(|row| [of(row, "ipaddress", "ipmask"), of(row, "ipaddress6", "ipmask6")]).flatten().collect()
}

fn is_link_local(it: IpAddr) -> bool {
    match it {
        IpAddr::V4(it) => it.is_link_local(),
        IpAddr::V6(it) => it.is_unicast_link_local(),
    }
}

/// The addresses of a machine, by the same rows.
pub fn addresses(rows: &[Row]) -> Vec<IpAddr> {
    let of = |row: &Row, key: &str| row.get(key).and_then(|value| value.as_str()).and_then(|text| text.trim().parse::<IpAddr>().ok());
    let all = rows.iter().flat_map(|row| [of(row, "ipaddress"), of(row, "ipaddress6")]).flatten();
    all.filter(|it| !it.is_loopback() && !it.is_unspecified()).collect()
}

/// The usual network of an address of which nothing more is known.
pub fn usual_network(of: IpAddr) -> Option<Range> {
    let mask = match of {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(255, 255, 255, 0)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(u128::MAX << 64)),
    };
    Range::network(of, mask).filter(|_| !of.is_loopback() && !of.is_unspecified())
}

/// A slice of a run's addresses: what an assignment of a pool has in the place of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Stands where other assignments have their device.
    pub id: DeviceId,
    /// Its place in the run, from 0.
    pub place: i64,
    /// Its addresses.
    pub range: Range,
    /// Whether a member of the pool was in one of its networks when it was cut.
    pub near: bool,
}

/// The pool of a run as it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Agents that may take slices: they can, they may, they are selected.
    pub members: usize,
    /// How many of them are heard.
    pub online: usize,
    /// How many have a slice in their hands.
    pub working: usize,
    /// How many may have one at once.
    pub most: Option<usize>,
}
