//! Roll-out: how targets are cut into waves, and when what happened is bad enough to stop by itself.

use crate::ids::{DeviceId, RunId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A share in hundredths of a percent, 0 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// Everything.
    pub const ALL: Share = Share(10_000);

    /// Of hundredths of a percent, at most all.
    pub const fn of(hundredths: u32) -> Self {
        Self(if hundredths > 10_000 { 10_000 } else { hundredths })
    }

    /// In hundredths of a percent.
    pub const fn hundredths(self) -> u32 {
        self.0
    }

    /// Reads `5%`, `0.5%`, `12.25%`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.trim().strip_suffix('%')?.trim();
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |t: &str| !t.is_empty() && t.chars().all(|c| c.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 2 || whole.len() > 3 {
            return None;
        }
        let hundredths: u32 = whole.parse::<u32>().ok()? * 100 + format!("{part:0<2}").parse::<u32>().ok()?;
        (hundredths <= 10_000).then_some(Self(hundredths))
    }

    fn fraction(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}%"),
        }
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("'{text}' is no share, such as 5%")))
    }
}

/// How many targets the first, the first two, … waves have. Each wave has one at least, and the last has all; waves that would be
/// empty are left out. Nothing where all go at once.
pub fn ends(waves: &[Share], targeted: i64) -> Vec<i64> {
    let mut ends: Vec<i64> = Vec::new();
    for share in waves.iter().copied().chain([Share::ALL]) {
        let end = (targeted * i64::from(share.0)).div_euclid(10_000) + i64::from((targeted * i64::from(share.0)).rem_euclid(10_000) > 0);
        if end > ends.last().copied().unwrap_or(0) {
            ends.push(end);
        }
    }
    if ends.len() > 1 { ends } else { Vec::new() }
}

/// The targets in the order of their waves: who is in which is drawn anew for each run, and is not the oldest machines each time. In
/// each wave they are sorted.
pub fn arranged(run: RunId, devices: &[DeviceId], ends: &[i64]) -> Vec<DeviceId> {
    if ends.is_empty() {
        return devices.to_vec();
    }
    let lot = |device: &DeviceId| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(run.0.as_bytes()).update(device.0.as_bytes());
        *hasher.finalize().as_bytes()
    };
    let mut drawn: Vec<([u8; 32], DeviceId)> = devices.iter().map(|d| (lot(d), *d)).collect();
    drawn.sort_unstable();
    let mut all: Vec<DeviceId> = drawn.into_iter().map(|(_, device)| device).collect();
    let mut from = 0;
    for end in ends.iter().filter_map(|end| usize::try_from(*end).ok()).filter(|end| *end <= devices.len()).collect::<Vec<_>>() {
        all[from..end].sort_unstable();
        from = end;
    }
    all
}

/// How sure it must be: the chance of stopping a run whose true share of failures is just the bound, over all its looks, is at most a
/// quarter; below the bound it falls fast.
const SURE: f64 = 4.0;
/// So many times the bound is 'clearly worse' than it.
const WORSE: f64 = 3.0;

/// Whether the share of failures is beyond a bound, judged after each result (Wald's sequential probability ratio test of the bound
/// against three times the bound): 3 failures of 20 are beyond 5 %, 3 of 20,000 are not, and one of one is not yet.
pub fn is_beyond(bound: Share, failed: i64, ended: i64) -> bool {
    if failed <= 0 || ended < failed {
        return false;
    }
    let at_most = bound.fraction();
    if at_most <= 0.0 {
        return true;
    }
    if at_most >= 1.0 {
        return false;
    }
    let worse = (at_most * WORSE).min(f64::midpoint(1.0, at_most));
    #[expect(clippy::cast_precision_loss, reason = "numbers of machines")]
    let (bad, good) = (failed as f64, (ended - failed) as f64);
    bad * (worse / at_most).ln() + good * ((1.0 - worse) / (1.0 - at_most)).ln() >= SURE.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn share(text: &str) -> Share {
        Share::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn shares_are_written_as_they_are_read() {
        for text in ["1%", "0.5%", "12.25%", "100%", "0%", "0.05%"] {
            assert_eq!(share(text).to_string(), text);
        }
        for bad in ["", "5", "%", "101%", "-1%", "1.234%", "1.%", "a%"] {
            assert_eq!(Share::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn waves_have_someone_each_and_the_last_has_all() {
        let waves = [share("1%"), share("25%"), share("100%")];
        assert_eq!(ends(&waves, 20_000), [200, 5_000, 20_000]);
        assert_eq!(ends(&waves, 30), [1, 8, 30]);
        assert_eq!(ends(&waves, 3), [1, 3]);
        assert_eq!(ends(&waves, 1), [] as [i64; 0]);
        assert_eq!(ends(&[share("10%")], 100), [10, 100], "the rest follows though nobody wrote it");
        assert_eq!(ends(&[], 100), [] as [i64; 0]);
    }

    #[test]
    fn three_of_twenty_stop_and_three_of_twenty_thousand_do_not() {
        let five = share("5%");
        for (failed, ended, stops) in [(3, 20, true), (3, 20_000, false), (1, 1, false), (2, 2, true), (2, 20, false), (0, 500, false)] {
            assert_eq!(is_beyond(five, failed, ended), stops, "{failed} of {ended}");
        }
        assert!(is_beyond(share("0%"), 1, 10_000));
        assert!(!is_beyond(share("100%"), 10, 10));
        assert!(is_beyond(share("50%"), 12, 12) && !is_beyond(share("50%"), 10, 20));
    }

    /// Run after run with a true share at the bound, or at half of it: how many are stopped.
    #[test]
    fn it_seldom_stops_what_is_good_and_always_what_is_bad() {
        let mut random = 7u64;
        let mut chance = move |of: f64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            #[expect(clippy::cast_precision_loss, reason = "a fraction")]
            let drawn = (random >> 11) as f64 / (1u64 << 53) as f64;
            drawn < of
        };
        let mut stopped = |truth: f64| {
            (0..400)
                .filter(|_| {
                    let mut failed = 0;
                    (1..=1_000).any(|ended| {
                        failed += i64::from(chance(truth));
                        is_beyond(Share::of(500), failed, ended)
                    })
                })
                .count()
        };
        assert!(stopped(0.05) < 110, "at the bound at most a quarter");
        assert!(stopped(0.025) < 40, "at half of it hardly any");
        assert_eq!(stopped(0.2), 400, "at four times of it all");
    }

    proptest! {
        #[test]
        fn every_target_is_in_one_wave(n in 0u128..300, shares in prop::collection::vec(1u32..10_000, 0..5), run in 0u128..9) {
            let devices: Vec<DeviceId> = (0..n).map(|i| DeviceId(Uuid::from_u128(i))).collect();
            let mut waves: Vec<Share> = shares.into_iter().map(Share::of).collect();
            waves.sort_unstable();
            let ends = ends(&waves, i64::try_from(n).expect("small"));
            let all = arranged(RunId(Uuid::from_u128(run)), &devices, &ends);
            let mut sorted = all.clone();
            sorted.sort_unstable();
            prop_assert_eq!(&sorted, &devices);
            prop_assert!(ends.windows(2).all(|w| w[0] < w[1]));
            prop_assert!(ends.last().is_none_or(|end| usize::try_from(*end) == Ok(devices.len())));
            let mut from = 0;
            for end in ends {
                let end = usize::try_from(end).expect("small");
                prop_assert!(all[from..end].is_sorted());
                from = end;
            }
        }
    }
}
