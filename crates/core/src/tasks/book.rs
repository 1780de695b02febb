//! The order book: tasks that a machine keeps and begins by its own clock, also without a connection.
//!
//! The server says which tasks are in the book of each agent of ours, and an agent tells the digest of what it holds at each
//! contact. What is due of an entry is decided here, for the agent, by the rules of schedules and windows that the server has too: both
//! come to the same occurrences and to the same ids of their assignments. No clock, no store.

use super::schedule::{Nominal, Schedule, next};
use super::timing::Timing;
use super::window::{Open, Window};
use super::zone::{Zones, device_zone};
use crate::ids::{AgentId, AssignmentId, TaskId};
use crate::time::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Occurrences looked at in one go: more were missed than anybody asks for.
const LOOKED_AT: usize = 10_000;
/// Missed occurrences that are told one by one, the newest.
pub const MISSED_TOLD_MAX: usize = 50;

/// When an entry of the book is begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurs {
    /// The task.
    pub task: TaskId,
    /// Its version.
    pub version: i64,
    /// Counts what was handed out of it for this machine.
    pub issue: u32,
    /// Where `every` counts from.
    pub anchor: Timestamp,
    /// Occurrences that start up to here are none of this entry.
    pub after: Timestamp,
    /// When.
    pub schedule: Schedule,
    /// In which span of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// The server's zone: an IANA name, or its distance to UTC.
    pub server_zone: String,
    /// The organization's.
    pub organization_zone: String,
}

/// Of which occurrence an assignment is that an agent began by its book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occasion {
    /// The task.
    pub task: TaskId,
    /// Its version.
    pub version: i64,
    /// The nominal time, as text.
    pub nominal: String,
}

/// What is due of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The occurrence to begin, and when it may.
    pub begin: Option<(Nominal, Open)>,
    /// Those whose time was over before they could begin; at most [`MISSED_TOLD_MAX`], the newest.
    pub missed: Vec<Nominal>,
    /// Until when the entry has been looked at: occurrences that start up to here are settled.
    pub seen: Timestamp,
    /// When the next one may begin.
    pub next: Option<Timestamp>,
}

/// A zone as it is told to agents.
pub fn zone_text(zone: &TimeZone, now: Timestamp) -> String {
    let offset = || {
        let at = jiff::Timestamp::from_millisecond(now.millis()).unwrap_or_default();
        let minutes = zone.to_offset(at).seconds() / 60;
        format!("{}{:02}{:02}", if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60)
    };
    zone.iana_name().map_or_else(offset, str::to_owned)
}

impl Recurs {
    fn zones(&self) -> Zones {
        let utc = Zones { server: TimeZone::UTC, organization: TimeZone::UTC };
        let zone = |text: &str| device_zone(Some(text), Some(text), &utc).0;
        Zones { server: zone(&self.server_zone), organization: zone(&self.organization_zone) }
    }

    /// What is due on a machine whose own zone is `own`, of what was not settled by `seen`.
    pub fn due(&self, own: &TimeZone, seen: Timestamp, now: Timestamp) -> Due {
        let (zones, mut seen) = (self.zones(), seen.max(self.after));
        let (mut begin, mut missed) = (None, std::collections::VecDeque::new());
        for _ in 0..LOOKED_AT {
            let Some(found) = next(&self.schedule, &zones, self.anchor, seen) else {
                return Due { begin, missed: missed.into(), seen, next: None };
            };
            let timing = Timing::new(
                zones.clone(),
                Some(self.schedule.clone()),
                self.window.clone(),
                Some(found.nominal),
                (found.starts, found.starts),
            );
            let open = timing.open(own);
            if let Some(open) = open.filter(|open| open.not_before > now) {
                return Due { begin, missed: missed.into(), seen, next: Some(open.not_before) };
            }
            seen = found.starts;
            // Of several whose time has come only the newest begins.
            let over = match open {
                Some(open) if open.not_after.is_none_or(|end| end > now) => {
                    begin.replace((found.nominal, open)).map(|(nominal, _)| nominal)
                }
                Some(_) => Some(found.nominal),
                None => None,
            };
            missed.extend(over);
            if missed.len() > MISSED_TOLD_MAX {
                missed.pop_front();
            }
        }
        Due { begin, missed: missed.into(), seen, next: Some(now) }
    }
}

/// What a book holds, in few letters: who holds the same has the same digest.
pub fn digest(entries: impl IntoIterator<Item = (TaskId, i64, u32)>) -> String {
    let mut all: Vec<_> = entries.into_iter().collect();
    all.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for (task, version, issue) in all {
        hasher.update(task.0.as_bytes());
        hasher.update(&version.to_be_bytes());
        hasher.update(&issue.to_be_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

impl AssignmentId {
    /// The first assignment of an occurrence on a machine that keeps the task: server and agent come to the same id. Its time is the
    /// nominal one, so that ids are in the order of occurrences.
    pub fn of_occurrence(task: TaskId, version: i64, nominal: &Nominal, agent: AgentId) -> Self {
        let mut known = task.0.as_bytes().to_vec();
        known.extend(version.to_be_bytes());
        known.extend(nominal.to_string().as_bytes());
        known.extend(agent.0.as_bytes());
        let mut tail = [0; 10];
        tail.copy_from_slice(&blake3::hash(&known).as_bytes()[..10]);
        let millis = u64::try_from(nominal.starts().millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid())
    }

    /// No assignment: the token of an entry of the book names none.
    pub const NONE: Self = Self(Uuid::nil());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::TaskDoc;
    use serde_json::json;

    const NOON: Timestamp = Timestamp(1_795_262_400_000);

    fn entry(schedule: serde_json::Value, window: serde_json::Value) -> Recurs {
        let doc = json!({"name": "n", "targets": {"all": true}, "schedule": schedule, "window": window,
            "steps": [{"id": "a", "action": {"type": "run_script", "script": "true"}}]});
        let doc = TaskDoc::parse(&doc).expect("a task");
        Recurs {
            task: TaskId(Uuid::from_u128(1)),
            version: 1,
            issue: 1,
            anchor: NOON,
            after: at(-24),
            schedule: doc.schedule.expect("a schedule"),
            window: doc.window,
            server_zone: "UTC".to_owned(),
            organization_zone: "Europe/Paris".to_owned(),
        }
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp(NOON.0 + hours * 3_600_000)
    }

    #[test]
    fn noon_is_noon_in_utc() {
        assert_eq!(NOON.to_string(), "2026-11-21T12:00:00.000Z");
    }

    #[test]
    fn an_occurrence_is_due_once_by_the_machines_own_wall() {
        let it = entry(json!({"cron": "0 0 * * *", "zone": "device", "offline": true}), json!({"not_after": "06:00"}));
        let tokyo = super::super::zone::named("Asia/Tokyo").expect("a zone");
        // Midnight of the 22nd in Tokyo is 15:00 UTC of the 21st.
        let early = it.due(&tokyo, at(-12), at(2));
        assert_eq!((early.begin, early.next), (None, Some(at(3))));
        let due = it.due(&tokyo, early.seen, at(4));
        let (nominal, open) = due.begin.expect("due");
        assert_eq!((nominal.to_string().as_str(), open.not_before, open.not_after), ("2026-11-22T00:00", at(3), Some(at(9))));
        let again = it.due(&tokyo, due.seen, at(5));
        assert_eq!((again.begin, again.missed.len()), (None, 0), "settled");
        let late = it.due(&tokyo, early.seen, at(10));
        assert_eq!((late.begin, late.missed), (None, vec![nominal]), "a machine that was off in its time");
    }

    #[test]
    fn of_many_that_came_due_the_newest_begins_and_the_others_are_missed() {
        let it = entry(json!({"every": "1h", "offline": true}), json!(null));
        let due = it.due(&TimeZone::UTC, NOON, Timestamp(at(5).0 + 60_000));
        let (nominal, open) = due.begin.expect("due");
        assert_eq!((nominal, open), (Nominal::Instant(at(5)), Open { not_before: at(5), not_after: Some(at(6)) }));
        assert_eq!(due.missed, [1, 2, 3, 4].map(|n| Nominal::Instant(at(n))));
        assert_eq!((due.seen, due.next), (at(5), Some(at(6))));
        let many = it.due(&TimeZone::UTC, NOON, at(500));
        assert_eq!((many.missed.len(), many.missed.last()), (MISSED_TOLD_MAX, Some(&Nominal::Instant(at(499)))));
    }

    #[test]
    fn a_zone_of_the_organization_is_the_same_everywhere() {
        let it = entry(json!({"cron": "30 14 * * *", "offline": true}), json!(null));
        let tokyo = super::super::zone::named("Asia/Tokyo").expect("a zone");
        // 14:30 in Paris is 13:30 UTC.
        assert_eq!(it.due(&tokyo, NOON, NOON).next, Some(Timestamp(at(1).0 + 1_800_000)));
    }

    #[test]
    fn digests_are_of_the_set_and_ids_of_the_occurrence() {
        let (a, b) = (TaskId(Uuid::from_u128(1)), TaskId(Uuid::from_u128(2)));
        assert_eq!(digest([(a, 1, 1), (b, 2, 1)]), digest([(b, 2, 1), (a, 1, 1)]));
        assert_ne!(digest([(a, 1, 1)]), digest([(a, 1, 2)]));
        assert_ne!(digest([]), digest([(a, 1, 1)]));
        let agent = AgentId(Uuid::from_u128(3));
        let of = |version, hour| AssignmentId::of_occurrence(a, version, &Nominal::Instant(at(hour)), agent);
        assert_eq!(of(1, 1), of(1, 1));
        assert!(of(1, 1) < of(1, 2) && of(1, 1) != of(2, 1));
        assert_eq!(of(1, 1).0.get_version_num(), 7);
    }
}
