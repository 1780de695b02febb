//! When a run would end: from how long its steps took before, and from when its agents are expected.
//!
//! It is an estimate from a sample of the targets, not a promise. Nothing here reads a clock or a database.

use super::why::Candidate;
use crate::fleet::Protocol;
use crate::time::Timestamp;
use std::time::Duration;

/// How long a step is taken to last while nothing was measured.
const ASSUMED: Pace = Pace { typical: Duration::from_secs(60), slow: Duration::from_secs(300), measured: 0 };
/// From a wake-up to the agent's request for work.
pub const WOKEN_IN: Duration = Duration::from_secs(30);

/// How long a step lasts, from its hand-out to its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Half of them are done by then.
    pub typical: Duration,
    /// Nineteen of twenty are.
    pub slow: Duration,
    /// From how many measured times; 0: it is assumed.
    pub measured: usize,
}

impl Pace {
    /// Of measured times, in any order.
    pub fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let at = |percent: usize| took.get(took.len().saturating_sub(1) * percent / 100).copied();
        match (at(50), at(95)) {
            (Some(typical), Some(slow)) => Self { typical, slow, measured: took.len() },
            _ => ASSUMED,
        }
    }

    /// Of this, and what follows it. It is as well known as the lesser of the two.
    #[must_use]
    pub fn then(&self, next: &Self) -> Self {
        Self { typical: self.typical + next.typical, slow: self.slow + next.slow, measured: self.measured.min(next.measured) }
    }
}

/// One target of the sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An agent has it since then.
    InHand(Timestamp),
    /// It waits.
    Waits {
        /// When an agent is expected that may do it; `None`: none is.
        comes: Option<Timestamp>,
        /// It may not begin before.
        not_before: Timestamp,
        /// It may not begin from here on.
        not_after: Option<Timestamp>,
    },
}

/// When it would end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// When all that are expected have ended; `None`: nothing is expected to.
    pub ends: Option<Timestamp>,
    /// Targets whose agents come too late for their end.
    pub late: i64,
    /// Targets of which no agent is expected.
    pub absent: i64,
    /// From how many measured times; 0: the duration is assumed.
    pub measured: usize,
}

/// When an agent is expected that may do the work; `None`: none is.
pub fn comes(candidates: &[Candidate], push: bool, stranger_may: bool, now: Timestamp) -> Option<Timestamp> {
    let able = candidates.iter().filter(|c| c.hands.able && c.hands.switched_on && (c.hands.verified || stranger_may));
    let each = able.filter(|c| c.online).map(|c| match c.next_contact {
        // It waits on the line.
        _ if c.protocol == Protocol::Muster => now,
        _ if push && c.protocol.has_http_wake() && c.address.is_some() => now.plus(WOKEN_IN),
        Some(next) => next.max(now),
        None => now,
    });
    each.min()
}

/// When `total` targets would have ended, of which `sample` is a part; `most` in flight at once.
pub fn forecast(sample: &[Target], total: i64, pace: &Pace, most: Option<i64>, now: Timestamp) -> Forecast {
    let mut waiting: Vec<(Timestamp, Option<Timestamp>)> = Vec::new();
    let (mut absent, mut late, mut ends) = (0, 0, None);
    for target in sample {
        match *target {
            Target::InHand(since) => ends = ends.max(Some(since.plus(pace.slow).max(now))),
            Target::Waits { comes: None, .. } => absent += 1,
            Target::Waits { comes: Some(at), not_before, not_after } => waiting.push((at.max(not_before).max(now), not_after)),
        }
    }
    waiting.sort_unstable();
    // Each of the sample stands for several; a limit lets them through one after the other.
    let stands_for = ratio(total, sample.len());
    let each = most.filter(|most| *most > 0).map(|most| pace.typical.mul_f64(stands_for / cast(most)));
    let mut free = now;
    for (at, not_after) in waiting {
        let begins = at.max(free);
        if not_after.is_some_and(|end| begins >= end) {
            late += 1;
            continue;
        }
        free = each.map_or(free, |each| begins.plus(each));
        ends = ends.max(Some(begins.max(free).plus(pace.slow)));
    }
    Forecast { ends, late: scaled(late, stands_for), absent: scaled(absent, stands_for), measured: pace.measured }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate of at most a million targets")]
fn cast(n: i64) -> f64 {
    n as f64
}

fn ratio(total: i64, sample: usize) -> f64 {
    if sample == 0 { 1.0 } else { cast(total) / cast(i64::try_from(sample).unwrap_or(i64::MAX)) }
}

#[expect(clippy::cast_possible_truncation, reason = "an estimate of at most a million targets")]
fn scaled(n: i64, by: f64) -> i64 {
    (cast(n) * by).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::gate::{Hands, Load};

    const NOW: Timestamp = Timestamp(1_795_000_000_000);
    const PACE: Pace = Pace { typical: Duration::from_secs(10), slow: Duration::from_secs(40), measured: 7 };

    fn secs(n: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(n))
    }

    fn waits(comes: Option<u64>, not_after: Option<u64>) -> Target {
        Target::Waits { comes: comes.map(secs), not_before: NOW, not_after: not_after.map(secs) }
    }

    #[test]
    fn the_last_that_is_expected_ends_it() {
        let sample = [waits(Some(0), None), waits(Some(100), None), waits(None, None), Target::InHand(NOW.minus(Duration::from_secs(5)))];
        let found = forecast(&sample, 4, &PACE, None, NOW);
        assert_eq!(found, Forecast { ends: Some(secs(140)), late: 0, absent: 1, measured: 7 });
        assert_eq!(forecast(&[], 0, &PACE, None, NOW).ends, None);
        assert_eq!(forecast(&[waits(None, None)], 1, &PACE, None, NOW).ends, None);
    }

    #[test]
    fn who_comes_after_the_end_or_is_kept_by_a_limit_until_then_is_late() {
        let late = forecast(&[waits(Some(100), Some(100)), waits(Some(99), Some(100))], 2, &PACE, None, NOW);
        assert_eq!((late.late, late.ends), (1, Some(secs(139))));
        // Ten at a time for ten seconds each: of a hundred the last ten begin after ninety seconds.
        let sample = vec![waits(Some(0), Some(50)); 100];
        let limited = forecast(&sample, 100, &PACE, Some(10), NOW);
        assert_eq!((limited.late, limited.ends), (50, Some(secs(90))));
    }

    #[test]
    fn a_sample_stands_for_all() {
        let sample = vec![waits(Some(0), None); 10];
        assert_eq!(forecast(&sample, 1_000, &PACE, Some(10), NOW).ends, Some(secs(1_040)));
        let absent = [waits(None, None), waits(Some(0), None)];
        assert_eq!(forecast(&absent, 1_000, &PACE, None, NOW).absent, 500);
    }

    #[test]
    fn the_pace_is_what_was_measured() {
        let seconds = |list: &[u64]| Pace::of(list.iter().map(|s| Duration::from_secs(*s)).collect());
        assert_eq!(seconds(&[]), ASSUMED);
        assert_eq!(seconds(&[7]), Pace { typical: Duration::from_secs(7), slow: Duration::from_secs(7), measured: 1 });
        let many = seconds(&(1..=101).rev().collect::<Vec<_>>());
        assert_eq!((many.typical, many.slow, many.measured), (Duration::from_secs(51), Duration::from_secs(96), 101));
    }

    fn candidate(protocol: Protocol, online: bool, next: Option<u64>) -> Candidate {
        let hands = Hands { able: true, verified: true, switched_on: true, quarantined: None, load: Load::default(), lead: Duration::ZERO };
        let address = Some("10.0.0.7:62354".to_owned());
        Candidate { protocol, hands, last_contact: Some(NOW), next_contact: next.map(secs), online, address, last_wake: None }
    }

    #[test]
    fn an_agent_is_expected_when_it_said_unless_it_waits_on_the_line_or_is_woken() {
        let ours = candidate(Protocol::Muster, true, Some(3_600));
        let fusion = candidate(Protocol::Fusioninventory, true, Some(3_600));
        let silent = candidate(Protocol::Ocs, false, Some(10));
        assert_eq!(comes(&[ours, fusion.clone()], false, false, NOW), Some(NOW));
        assert_eq!(comes(std::slice::from_ref(&fusion), false, false, NOW), Some(secs(3_600)));
        assert_eq!(comes(std::slice::from_ref(&fusion), true, false, NOW), Some(secs(30)));
        assert_eq!(comes(&[silent], false, false, NOW), None);
        let stranger = Candidate { hands: Hands { verified: false, ..fusion.hands }, ..fusion };
        assert_eq!(comes(std::slice::from_ref(&stranger), false, false, NOW), None);
        assert_eq!(comes(&[stranger], false, true, NOW), Some(secs(3_600)));
    }
}
