//! The planner: when work would end on a fleet, who misses the window, and what to change.
//!
//! It walks through time, machine by machine: who comes when, what the limits and waves let through, how long it lasts. It is an
//! estimate: machines come as they were expected to at the beginning, and durations are drawn around the typical one. The same input
//! gives the same course. Nothing here reads a clock or a database.

mod advice;
mod walk;

pub use advice::{Advice, Remedy, advise};
pub use walk::{from_then_on, lot, walk};

use super::forecast::Pace;
use super::window::Open;
use crate::time::Timestamp;
use std::time::Duration;

/// From here on nobody waits for the end of a course.
pub const LONGEST: Duration = Duration::from_secs(60 * 86_400);
const DAY_MS: i64 = 86_400_000;

/// When a machine is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Up {
    /// Day and night.
    Always,
    /// Each day.
    Daily {
        /// From here on, after midnight in UTC.
        from: Duration,
        /// For so long.
        length: Duration,
    },
}

impl Up {
    /// The first moment from `at` on at which it is on.
    pub fn on(self, at: Timestamp) -> Timestamp {
        let Self::Daily { from, length } = self else { return at };
        let (from, length) = (i64::try_from(from.as_millis()).unwrap_or(0), i64::try_from(length.as_millis()).unwrap_or(DAY_MS));
        let since = (at.millis() - from).rem_euclid(DAY_MS);
        if since < length { at } else { Timestamp(at.millis() + DAY_MS - since) }
    }
}

/// How a machine takes up work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// It waits on the line, or is woken: it has its work so long after that is there.
    Waits(Duration),
    /// It asks now and then.
    Asks {
        /// The first time.
        first: Timestamp,
        /// From one time to the next.
        every: Duration,
    },
    /// It is not expected.
    Absent,
}

/// A machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// How it takes up work.
    pub line: Line,
    /// When it is on.
    pub up: Up,
    /// So long before the end of its time it is handed nothing any more.
    pub lead: Duration,
}

/// A fleet, and what it may do at once.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Its machines.
    pub machines: Vec<Machine>,
    /// Pieces of work under way at once, of all; `None`: as many as there are.
    pub in_flight: Option<u32>,
    /// And of one machine, 1 at least.
    pub per_machine: u32,
    /// Where the course begins.
    pub from: Timestamp,
}

/// A machine that is to do work, and when it may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its place in the fleet.
    pub machine: u32,
    /// When it may begin; `None`: its time is over, or never comes.
    pub open: Option<Open>,
}

/// Work for some machines: a run of a task.
#[derive(Clone, Debug)]
pub struct Work {
    /// The machines.
    pub targets: Vec<Target>,
    /// How long it takes on each.
    pub pace: Pace,
    /// Machines that do it at once.
    pub most: Option<u32>,
    /// How many targets the first, the first two, … waves have; all at once when empty.
    pub waves: Vec<i64>,
    /// From the end of a wave to the begin of the next.
    pub wait: Duration,
    /// 0 (first) to 9.
    pub priority: u8,
}

/// What kept machines waiting: how many were kept at least once by each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// By what its run may have under way.
    pub run: i64,
    /// By what the organization may.
    pub house: i64,
    /// By what the machine may.
    pub machine: i64,
    /// By a wave that was not theirs.
    pub wave: i64,
}

/// What becomes of work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// Machines that are to do it.
    pub targets: i64,
    /// Those that begin in their time.
    pub begun: i64,
    /// Those that come, but not in their time.
    pub late: i64,
    /// Those that are not expected.
    pub absent: i64,
    /// Those of waves that are not reached, though they would come: somebody of the waves before never ends.
    pub unreached: i64,
    /// What kept them waiting.
    pub kept: Kept,
    /// When the last of them began.
    pub last_begun: Option<Timestamp>,
    /// When the last of them ends; `None`: nobody begins.
    pub ends: Option<Timestamp>,
    /// When so many percent of those that begin have ended: 50, 90, 99.
    pub marks: [Option<Timestamp>; 3],
    /// The most that were under way at once.
    pub most_at_once: i64,
    /// How long after its own end the last would have begun, where the ends are not kept to.
    pub overdue: Duration,
}

/// The shares, in percent, of [`Course::marks`].
pub const MARKS: [usize; 3] = [50, 90, 99];

#[cfg(test)]
mod tests;
