//! When a task runs: schedules, their occurrences and the keys of those.
//!
//! **When clocks change.** A schedule that names hours (`0 2 * * *`) fires once per date and time on the wall: a time that
//! does not exist fires at the first instant after the gap, one that exists twice fires the first time only; times that
//! fall on one instant after a gap are one occurrence. A schedule that leaves the hour open (`*` or `*/n`), and `every`,
//! follow elapsed time: they fire in both passes of a fold, and not for times in a gap. With `zone: device` an occurrence
//! is a date and time on the wall, whatever the hour field says, and each device has its own instant of it.
//!
//! A search ends after [`crate::limits::SCHEDULE_SEARCH_YEARS`]. Nothing here reads a clock.

mod cron;
#[cfg(test)]
pub(crate) mod tests;

pub use cron::Cron;
pub(super) use cron::{first_instant, last_instant};

use super::run::Verdict;
use super::zone::{ZoneName, Zones};
use crate::settings::Span;
use crate::time::Timestamp;
use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// When a task runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// When.
    pub when: When,
    /// What becomes of an occurrence that could not be begun in its time.
    pub misfire: Misfire,
    /// Machines keep it and begin by their own clocks, also without a connection; see [`super::book`].
    pub offline: bool,
}

/// That a task's schedule was put out of action: nothing starts by itself until it is put back; people may start it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleOff {
    /// Since when.
    pub since: Timestamp,
    /// Who did it.
    pub by: String,
    /// Why, as that person said; may be empty.
    pub reason: String,
}

/// The five forms of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Once, when it is written.
    Now,
    /// Once.
    At(Moment),
    /// By the clock on the wall of a zone.
    Cron {
        /// The expression.
        cron: Cron,
        /// Whose wall.
        zone: ZoneName,
    },
    /// Again and again, counted from the anchor.
    Every(Span),
    /// When something happens.
    On(Trigger),
}

/// The moment of a schedule that fires once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// An instant.
    Instant(Timestamp),
    /// A date and time on the wall of a zone.
    Wall {
        /// What the wall shows.
        at: DateTime,
        /// Whose wall.
        zone: ZoneName,
    },
}

/// What becomes of an occurrence that could not be begun in its time, because no server ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misfire {
    /// It is left out.
    #[default]
    Skip,
    /// However many were missed, one run makes up for them.
    RunOnce,
}

impl Misfire {
    /// The word in documents, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            Misfire::Skip => "skip",
            Misfire::RunOnce => "run_once",
        }
    }
}

/// What starts a task besides time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A device came to be known.
    DeviceEnrolled,
    /// Facts of a device changed.
    InventoryChanged {
        /// Only in this section.
        section: Option<String>,
    },
    /// A device came into a group.
    JoinedGroup {
        /// That group's name or id.
        group: String,
    },
    /// A run of another task ended.
    TaskEnded {
        /// That task's name.
        task: String,
        /// Only with this verdict.
        verdict: Option<Verdict>,
    },
}

impl Schedule {
    /// The zone it names, if it is one of the wall.
    pub fn zone(&self) -> Option<&ZoneName> {
        match &self.when {
            When::Cron { zone, .. } | When::At(Moment::Wall { zone, .. }) => Some(zone),
            _ => None,
        }
    }

    /// The instant of an occurrence for one target. None when the target's wall has that occurrence under an earlier
    /// nominal time already: both lie in one gap of its clock.
    pub fn instant_for(&self, nominal: &Nominal, zone: &TimeZone) -> Option<Timestamp> {
        match (&self.when, nominal) {
            (When::Cron { cron, zone: ZoneName::Device }, Nominal::Wall(wall)) if cron.is_doubled(zone, *wall) => None,
            _ => Some(nominal.instant_in(zone)),
        }
    }
}

/// The stable key of an occurrence: an instant, or with `zone: device` what each device's wall shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nominal {
    /// The same instant for all; `2026-12-01T00:00:00Z` as text.
    Instant(Timestamp),
    /// A date and time on each wall; `2026-12-01T00:00` as text.
    Wall(DateTime),
}

impl Nominal {
    /// A target's own instant: the first one when its wall shows the time twice, the first after the gap when never.
    pub fn instant_in(&self, zone: &TimeZone) -> Timestamp {
        match self {
            Nominal::Instant(at) => *at,
            Nominal::Wall(wall) => first_instant(zone, *wall).map_or_else(|| self.starts(), ours),
        }
    }

    /// The earliest instant at which it is anywhere.
    pub fn starts(&self) -> Timestamp {
        match self {
            Nominal::Instant(at) => *at,
            Nominal::Wall(wall) => wall
                .checked_sub(EASTMOST)
                .and_then(|utc| utc.to_zoned(TimeZone::UTC))
                .map_or(Timestamp(i64::MAX), |first| ours(first.timestamp())),
        }
    }
}

/// How far the clocks that show a time first are ahead of UTC.
const EASTMOST: SignedDuration = SignedDuration::from_hours(14);

impl fmt::Display for Nominal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Nominal::Instant(at) => f.write_str(&instant_text(*at)),
            Nominal::Wall(wall) => f.write_str(&wall_text(*wall)),
        }
    }
}

impl FromStr for Nominal {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(at) = Timestamp::parse(text) {
            return Ok(Nominal::Instant(at));
        }
        text.parse().map(Nominal::Wall).map_err(|_| format!("'{text}' is no nominal time such as 2026-12-01T00:00:00Z or 2026-12-01T00:00"))
    }
}

impl Serialize for Nominal {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Nominal {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An instant as people write it: no more digits than it needs.
pub(super) fn instant_text(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.to_string(), |at| at.to_string())
}

pub(super) fn wall_text(wall: DateTime) -> String {
    let form = if wall.second() == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" };
    wall.strftime(form).to_string()
}

pub(super) fn ours(at: jiff::Timestamp) -> Timestamp {
    Timestamp(at.as_millisecond())
}

pub(super) fn theirs(at: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(at.0).ok()
}

/// One time a schedule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Its key.
    pub nominal: Nominal,
    /// When it is first anywhere.
    pub starts: Timestamp,
}

impl From<Nominal> for Occurrence {
    fn from(nominal: Nominal) -> Self {
        Self { nominal, starts: nominal.starts() }
    }
}

/// The first occurrence that starts after `after`. The anchor is the moment of the task's version: `every` counts from it,
/// and `now` has its one occurrence at it, so ask with an instant before it.
pub fn next(schedule: &Schedule, zones: &Zones, anchor: Timestamp, after: Timestamp) -> Option<Occurrence> {
    let nominal = match &schedule.when {
        When::Now => Nominal::Instant(anchor),
        When::At(Moment::Instant(at)) => Nominal::Instant(*at),
        When::At(Moment::Wall { at, zone }) => match zones.zone(zone) {
            Some(zone) => Nominal::Instant(Nominal::Wall(*at).instant_in(&zone)),
            None => Nominal::Wall(*at),
        },
        When::Cron { cron, zone } => match zones.zone(zone) {
            Some(zone) => Nominal::Instant(ours(cron.next_in(&zone, theirs(after)?)?)),
            None => Nominal::Wall(next_on_every_wall(cron, after)?),
        },
        When::Every(span) => Nominal::Instant(next_counted(*span, anchor, after)?),
        When::On(_) => return None,
    };
    Some(Occurrence::from(nominal)).filter(|found| found.starts > after)
}

/// The next occurrences, at most `count`.
pub fn upcoming(schedule: &Schedule, zones: &Zones, anchor: Timestamp, after: Timestamp, count: usize) -> Vec<Occurrence> {
    let following = |before: Timestamp| next(schedule, zones, anchor, before);
    std::iter::successors(following(after), |last| following(last.starts)).take(count).collect()
}

/// What the wall shows where a time is first: there an occurrence starts.
fn next_on_every_wall(cron: &Cron, after: Timestamp) -> Option<DateTime> {
    let first = TimeZone::UTC.to_datetime(theirs(after)?).checked_add(EASTMOST).ok()?;
    let from = first.checked_add(SignedDuration::from_nanos(1)).ok()?;
    cron.first(from, cron::horizon(from)?)
}

fn next_counted(span: Span, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
    let step = i64::try_from(span.0.as_millis()).ok().filter(|step| *step > 0)?;
    let passed = after.0.checked_sub(anchor.0)?;
    let count = if passed < 0 { 0 } else { passed / step + 1 };
    anchor.0.checked_add(count.checked_mul(step)?).map(Timestamp)
}
