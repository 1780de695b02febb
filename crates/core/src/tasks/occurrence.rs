//! What becomes of the nominal times of a schedule: which one starts, which were missed, when to look again.

use super::schedule::{Misfire, Nominal, Occurrence, Schedule, next};
use super::zone::Zones;
use crate::ids::{OrgId, RunId, TaskId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::str::FromStr;
use std::time::Duration;
use uuid::Uuid;

/// So late an occurrence may begin without being missed: a restart of the server fits in it.
pub const GRACE: Duration = Duration::from_secs(300);
/// Between the first and the last wall of the world that show a time.
const WORLD: Duration = Duration::from_secs(26 * 3_600);
/// Missed occurrences that are recorded one by one; of more, only how many.
pub const MISSED_RECORDED_MAX: usize = 100;
/// Occurrences looked at in one activation.
const LOOKED_AT: usize = 10_000;

/// What became of an occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OccurrenceState {
    /// A run was started.
    Started,
    /// Nothing was started: no server ran in its time, a later one came, or nothing of its run began in time.
    Missed,
    /// It waits for a person.
    Held,
    /// The task selected no device.
    Empty,
}

impl OccurrenceState {
    /// The word in database, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Missed => "missed",
            Self::Held => "held",
            Self::Empty => "empty",
        }
    }
}

impl FromStr for OccurrenceState {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Started, Self::Missed, Self::Held, Self::Empty]
            .into_iter()
            .find(|s| s.as_str() == word)
            .ok_or_else(|| format!("there is no state of an occurrence '{word}'; there are started, missed, held, empty"))
    }
}

/// What became of one nominal time of a task's schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct OccurrenceRecord {
    /// Its id.
    pub id: Uuid,
    /// The task.
    pub task: TaskId,
    /// The nominal time: the key, of which there is one whatever number of servers.
    pub nominal: String,
    /// Whose it is.
    pub org: OrgId,
    /// When that was, where it was first.
    pub at: Timestamp,
    /// What became of it.
    pub state: OccurrenceState,
    /// Its run.
    pub run: Option<RunId>,
    /// Why, in a stable word: `server_down`, `overtaken`, `frozen`, `size_guard`, `unknown_device`, `unknown_group`, `window_closed`,
    /// `not_begun`, or nothing.
    pub detail: String,
    /// How many devices it selected, when that was looked at.
    pub targets: Option<i64>,
}

/// What a look at a schedule finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The occurrence that starts now.
    pub fire: Option<Occurrence>,
    /// Those that do not start, and why; at most [`MISSED_RECORDED_MAX`], the newest.
    pub missed: Vec<(Occurrence, &'static str)>,
    /// Until when the schedule has been looked at.
    pub seen: Timestamp,
    /// When to look again.
    pub next: Option<Timestamp>,
}

/// Looks at what came due after `after`. Of several only the newest starts: when it is on time, or the task makes up for missed ones.
pub fn due(schedule: &Schedule, zones: &Zones, anchor: Timestamp, after: Timestamp, now: Timestamp) -> Due {
    let (mut came, mut seen) = (VecDeque::new(), after);
    for _ in 0..LOOKED_AT {
        let Some(found) = next(schedule, zones, anchor, seen).filter(|o| o.starts <= now) else { break };
        seen = found.starts;
        if came.len() > MISSED_RECORDED_MAX {
            came.pop_front();
        }
        came.push_back(found);
    }
    let newest = came.pop_back();
    let fire = newest.filter(|o| is_on_time(o, now) || schedule.misfire == Misfire::RunOnce);
    let why = |o: &Occurrence| if is_on_time(o, now) { "overtaken" } else { "server_down" };
    let missed = came.into_iter().chain(newest.filter(|_| fire.is_none())).map(|o| (o, why(&o))).collect();
    Due { fire, missed, seen, next: next(schedule, zones, anchor, seen).map(|o| o.starts) }
}

fn is_on_time(it: &Occurrence, now: Timestamp) -> bool {
    let late = match it.nominal {
        Nominal::Instant(_) => GRACE,
        // On the last wall it is on time so much later.
        Nominal::Wall(_) => WORLD + GRACE,
    };
    now <= it.starts.plus(late)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Span;
    use crate::tasks::schedule::When;
    use crate::tasks::zone::ZoneName;
    use jiff::tz::TimeZone;

    const ANCHOR: Timestamp = Timestamp(1_795_000_000_000);

    fn every(misfire: Misfire) -> Schedule {
        Schedule { when: When::Every(Span(Duration::from_secs(3_600))), misfire, offline: false }
    }

    fn look(schedule: &Schedule, after_hours: u64, now: Timestamp) -> Due {
        let zones = Zones::new(TimeZone::UTC, &ZoneName::Server);
        due(schedule, &zones, ANCHOR, ANCHOR.plus(Duration::from_secs(after_hours * 3_600)), now)
    }

    fn hour(n: u64) -> Timestamp {
        ANCHOR.plus(Duration::from_secs(n * 3_600))
    }

    #[test]
    fn one_on_time_starts_and_the_next_look_is_at_the_next() {
        let due = look(&every(Misfire::Skip), 1, hour(2).plus(Duration::from_secs(60)));
        assert_eq!((due.fire.map(|o| o.starts), due.missed.len(), due.next), (Some(hour(2)), 0, Some(hour(3))));
        let early = look(&every(Misfire::Skip), 1, hour(2).minus(Duration::from_secs(1)));
        assert_eq!((early.fire, early.seen, early.next), (None, hour(1), Some(hour(2))));
    }

    #[test]
    fn what_no_server_saw_is_missed_or_made_up_for_once() {
        let now = hour(9).plus(Duration::from_secs(1_800));
        let skipped = look(&every(Misfire::Skip), 1, now);
        assert_eq!((skipped.fire, skipped.missed.len()), (None, 8));
        assert!(skipped.missed.iter().all(|(_, why)| *why == "server_down"));
        let made_up = look(&every(Misfire::RunOnce), 1, now);
        assert_eq!((made_up.fire.map(|o| o.starts), made_up.missed.len()), (Some(hour(9)), 7));
    }

    #[test]
    fn of_very_many_the_newest_are_recorded() {
        let due = look(&every(Misfire::Skip), 0, hour(5_000).plus(Duration::from_secs(1_800)));
        assert_eq!((due.missed.len(), due.seen, due.next), (MISSED_RECORDED_MAX + 1, hour(5_000), Some(hour(5_001))));
        assert_eq!(due.missed.last().map(|(o, _)| o.starts), Some(hour(5_000)));
    }
}
