//! Overload: who is served before whom, how long those sent away stay away, and when routine is put off.
//!
//! Absent on purpose: queues and sockets, which are the doors' (`muster_gateway`).

use crate::time::Timestamp;
use std::time::Duration;

/// Classes of agents' messages, the most urgent first. What is lost least easily is refused first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// What became of work: it exists once, and people wait for it.
    Verdict,
    /// An agent asks what to do. Short, and it brings the answers by which load is spread.
    Contact,
    /// An inventory: the agent has it again tomorrow.
    Inventory,
    /// A large inventory: a few of these fill a server.
    Bulk,
}

/// Large inventories that are read at once: they are read on threads of their own, and there are few processors.
pub const BULK_AT_ONCE_MAX: usize = 4;

impl Class {
    /// All of them, the most urgent first.
    pub const ALL: [Class; 4] = [Class::Verdict, Class::Contact, Class::Inventory, Class::Bulk];

    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Verdict => "verdict",
            Class::Contact => "contact",
            Class::Inventory => "inventory",
            Class::Bulk => "bulk",
        }
    }

    /// Up to which fill this class may take from a store of `all` bytes: the rest is kept for more urgent ones.
    pub const fn bytes_of(self, all: usize) -> usize {
        all / 12 * (12 - self as usize)
    }

    /// Up to how many requests under way this class may add one.
    pub const fn requests_of(self, all: usize) -> usize {
        match self {
            Class::Verdict => all,
            Class::Contact => all / 4 * 3,
            Class::Inventory | Class::Bulk => all / 2,
        }
    }
}

/// Load from which a routine inventory is put off: the agent is told at its contact to send none now.
const PUT_OFF_FROM: f64 = 3.0;
/// The highest load that is told.
const LOAD_MAX: f64 = 16.0;
/// What is counted together, milliseconds.
const WINDOW_MS: i64 = 5_000;
/// As many quiet answers are added to each window: a refusal now and then is no load.
const QUIET: f64 = 20.0;

/// Whether routine inventories are put off under a load. Those that a task asks for never are.
pub fn puts_off_routine(load: f64) -> bool {
    load >= PUT_OFF_FROM
}

/// When an agent that was sent away shall come again, seconds: 30 to 90 without load, spread wider the more are sent away.
/// `chance` is random.
pub fn retry_after(load: f64, chance: u16) -> u64 {
    let width = 60.0 * load.clamp(1.0, LOAD_MAX);
    30 + (width * f64::from(chance) / f64::from(u16::MAX)) as u64
}

/// Signs of life that a server hears in a second while all agents have nothing else to say.
const BEATS_PER_SECOND: u64 = 500;
/// Agents that come back in a second after all their connections broke.
const BACK_PER_SECOND: u64 = 1_000;

/// How often a connected agent is to be heard of: each minute, rarer where many are connected and under load, up to ten minutes.
pub fn heartbeat(connected: u64, load: f64) -> Duration {
    let seconds = (60.0_f64).max(connected as f64 / BEATS_PER_SECOND as f64) * load.clamp(1.0, LOAD_MAX);
    Duration::from_secs_f64(seconds.min(600.0))
}

/// Over which time agents spread when their connections break, so that a fleet does not come back at one moment: each comes at a moment
/// of it by chance. Wider the more are connected, and under load; 2 s to 10 min.
pub fn reconnect_spread(connected: u64, load: f64) -> Duration {
    let seconds = (2.0_f64).max(connected as f64 / BACK_PER_SECOND as f64) * load.clamp(1.0, LOAD_MAX);
    Duration::from_secs_f64(seconds.min(600.0))
}

/// Measures load: 1 is none; it grows with those sent away for each one served, and with the seconds waited. It halves with
/// each window of 5 s that is calmer.
#[derive(Clone, Debug)]
pub struct LoadMeter {
    since: Timestamp,
    served: u64,
    refused: u64,
    waited_ms: u64,
    held: f64,
}

impl Default for LoadMeter {
    fn default() -> Self {
        Self { since: Timestamp(0), served: 0, refused: 0, waited_ms: 0, held: 1.0 }
    }
}

impl LoadMeter {
    /// One was served after a wait.
    pub fn served(&mut self, waited: Duration, now: Timestamp) {
        self.roll(now);
        self.served += 1;
        self.waited_ms = self.waited_ms.saturating_add(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
    }

    /// One was sent away.
    pub fn refused(&mut self, now: Timestamp) {
        self.roll(now);
        self.refused += 1;
    }

    /// The load now, 1 to 16.
    pub fn load(&mut self, now: Timestamp) -> f64 {
        self.roll(now);
        self.held.max(self.measured())
    }

    fn measured(&self) -> f64 {
        let answers = self.served as f64 + QUIET;
        (1.0 + self.refused as f64 / answers + self.waited_ms as f64 / 1_000.0 / answers).min(LOAD_MAX)
    }

    fn roll(&mut self, now: Timestamp) {
        let windows = (now.millis() - self.since.millis()) / WINDOW_MS;
        if windows <= 0 {
            return;
        }
        let halvings = i32::try_from(windows).unwrap_or(i32::MAX).min(64);
        let peak = self.held.max(self.measured()) - 1.0;
        let measured = if windows == 1 { self.measured() } else { 1.0 };
        self.held = measured.max(1.0 + peak / 2f64.powi(halvings));
        (self.since, self.served, self.refused, self.waited_ms) = (now, 0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(1_795_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn agents_are_heard_of_rarer_and_spread_wider_the_more_there_are() {
        let seconds = |it: Duration| it.as_secs();
        assert_eq!((seconds(heartbeat(0, 1.0)), seconds(reconnect_spread(0, 0.0))), (60, 2));
        assert_eq!((seconds(heartbeat(19_500, 1.0)), seconds(reconnect_spread(19_500, 1.0))), (60, 19));
        assert_eq!((seconds(heartbeat(100_000, 1.0)), seconds(reconnect_spread(100_000, 1.0))), (200, 100));
        assert_eq!((seconds(heartbeat(100_000, 9.0)), seconds(reconnect_spread(100_000, 99.0))), (600, 600), "and not for ever");
    }

    #[test]
    fn each_class_leaves_room_for_those_before_it() {
        for pair in Class::ALL.windows(2) {
            assert!(pair[0].bytes_of(96 << 20) > pair[1].bytes_of(96 << 20), "{pair:?}");
            assert!(pair[0].requests_of(1_024) >= pair[1].requests_of(1_024), "{pair:?}");
        }
        assert_eq!(Class::Verdict.bytes_of(96 << 20), 96 << 20);
        assert_eq!((Class::Verdict.requests_of(1_024), Class::Inventory.requests_of(1_024)), (1_024, 512));
    }

    #[test]
    fn a_quiet_server_has_no_load_and_a_single_refusal_is_none() {
        let mut meter = LoadMeter::default();
        for second in 0..60 {
            meter.served(Duration::ZERO, at(second));
        }
        assert_eq!(meter.load(at(60)), 1.0);
        meter.refused(at(61));
        assert!(meter.load(at(61)) < 1.1);
    }

    #[test]
    fn refusals_and_waits_raise_the_load_and_calm_lowers_it_by_halves() {
        let mut meter = LoadMeter::default();
        for _ in 0..1_000 {
            meter.served(Duration::ZERO, at(0));
            (0..4).for_each(|_| meter.refused(at(0)));
        }
        let high = meter.load(at(0));
        assert!((4.5..5.0).contains(&high), "{high}");
        assert!((meter.load(at(6)) - high).abs() < 1e-9, "a window is told until the next is over");
        let later = meter.load(at(12));
        assert!((later - (1.0 + (high - 1.0) / 2.0)).abs() < 1e-9, "{later}");
        assert!(meter.load(at(120)) < 1.01);
        let mut meter = LoadMeter::default();
        (0..1_000).for_each(|_| meter.served(Duration::from_secs(3), at(0)));
        assert!(meter.load(at(0)) > 3.5);
        (0..100_000).for_each(|_| meter.refused(at(1)));
        assert_eq!(meter.load(at(1)), LOAD_MAX);
    }

    #[test]
    fn those_sent_away_are_spread_wider_under_load() {
        assert_eq!((retry_after(1.0, 0), retry_after(1.0, u16::MAX)), (30, 90));
        assert_eq!((retry_after(5.0, 0), retry_after(5.0, u16::MAX)), (30, 330));
        assert_eq!(retry_after(1e9, u16::MAX), 30 + 960);
        assert!(!puts_off_routine(2.9) && puts_off_routine(3.0));
    }
}
