//! Schedules over the wire.

use super::{Named, Time, time};
use jiff::tz::TimeZone;
use muster_core::tasks::{OccurrenceRecord, OccurrenceState as CoreState, Open};
use muster_engine::calendar;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One time a schedule fires.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Coming {
    /// Its key: an instant, or with a zone of each device what its wall shows.
    pub nominal: String,
    /// When it is first anywhere.
    pub starts: Time,
    /// What the wall of the shown zone shows then, with its offset: `2026-12-01T00:00:00+01:00`.
    pub local: String,
    /// When it may begin where the wall is that of the shown zone; null: never.
    pub opens: Option<Time>,
    /// Before when it may begin; null: without an end.
    pub closes: Option<Time>,
}

/// What comes of a schedule.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Ahead {
    /// The zone whose wall `local` is; null when it has only an offset.
    pub zone: Option<String>,
    /// Whether each device has its own instant.
    pub per_device: bool,
    /// The next ten, the next first.
    pub next: Vec<Coming>,
    /// Of a task that machines keep (`offline`): how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Keepers>,
    /// It was put out of action: then nothing comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off: Option<ScheduleOff>,
}

/// How many machines keep a task and begin it by their own clocks.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Keepers {
    /// That are to keep it.
    pub machines: i64,
    /// That said they do.
    pub held: i64,
}

/// What a machine keeps of a task and begins by its own clock.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BookEntry {
    /// The task.
    pub task: Named,
    /// The version that it is to keep.
    pub version: i64,
    /// Counts what was handed out of it.
    pub issue: u32,
    /// The agent that keeps it.
    pub agent: String,
    /// Since when the agent says that it holds this; null: it was not told yet.
    pub held: Option<Time>,
    /// Until when it is good unless it is given anew.
    pub valid: Time,
}

/// The order book of a machine.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Book {
    /// What is in it, by the names of the tasks.
    pub items: Vec<BookEntry>,
}

impl From<Vec<(muster_core::tasks::BookRow, String)>> for Book {
    fn from(rows: Vec<(muster_core::tasks::BookRow, String)>) -> Self {
        let entry = |(row, name): (muster_core::tasks::BookRow, String)| BookEntry {
            task: Named::new(row.task, name),
            version: row.version,
            issue: row.issue,
            agent: row.actor.agent.to_string(),
            held: time(row.held),
            valid: row.valid.into(),
        };
        Self { items: rows.into_iter().map(entry).collect() }
    }
}

fn edges(open: Option<Open>) -> (Option<Time>, Option<Time>) {
    (open.map(|o| o.not_before.into()), time(open.and_then(|o| o.not_after)))
}

impl From<calendar::Ahead> for Ahead {
    fn from(ahead: calendar::Ahead) -> Self {
        let coming = |(it, open): &(muster_core::tasks::Occurrence, Option<Open>)| {
            let at = it.nominal.instant_in(&ahead.zone);
            let (opens, closes) = edges(*open);
            Coming { nominal: it.nominal.to_string(), starts: it.starts.into(), local: local(at.0, &ahead.zone), opens, closes }
        };
        Self {
            next: ahead.occurrences.iter().map(coming).collect(),
            zone: ahead.zone.iana_name().map(str::to_owned),
            per_device: ahead.per_device,
            kept: None,
            off: None,
        }
    }
}

fn local(millis: i64, zone: &TimeZone) -> String {
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or_default().to_zoned(zone.clone());
    at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// What became of an occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OccurrenceState {
    /// A run was started.
    Started,
    /// Nothing was started, or nothing of its run began in time.
    Missed,
    /// It waits for a person.
    Held,
    /// The task selected no device.
    Empty,
}

impl From<CoreState> for OccurrenceState {
    fn from(state: CoreState) -> Self {
        match state {
            CoreState::Started => Self::Started,
            CoreState::Missed => Self::Missed,
            CoreState::Held => Self::Held,
            CoreState::Empty => Self::Empty,
        }
    }
}

/// What became of one nominal time.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Occurrence {
    /// Its key.
    pub nominal: String,
    /// When it was, where it was first.
    pub at: Time,
    /// What became of it.
    pub state: OccurrenceState,
    /// Why: `server_down`, `overtaken`, `frozen`, `size_guard`, `unknown_device`, `unknown_group`, `not_begun`; null when there is nothing to say.
    pub detail: Option<String>,
    /// Its run.
    pub run: Option<String>,
    /// How many devices it selected, when that was looked at.
    pub targets: Option<i64>,
}

impl From<OccurrenceRecord> for Occurrence {
    fn from(it: OccurrenceRecord) -> Self {
        Self {
            nominal: it.nominal,
            at: it.at.into(),
            state: it.state.into(),
            detail: Some(it.detail).filter(|d| !d.is_empty()),
            run: it.run.map(|r| r.to_string()),
            targets: it.targets,
        }
    }
}

/// Up to how many targets a task starts unattended; null: as many as the size guard lets a person start.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct Approval {
    /// The number.
    pub targets_max: Option<i64>,
}

/// That a task's schedule was put out of action.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ScheduleOff {
    /// Since when.
    pub since: Time,
    /// Who did it.
    pub by: String,
    /// Why, as that person said; may be empty.
    pub reason: String,
}

impl From<muster_core::tasks::ScheduleOff> for ScheduleOff {
    fn from(it: muster_core::tasks::ScheduleOff) -> Self {
        Self { since: it.since.into(), by: it.by, reason: it.reason }
    }
}

/// Whether a task's schedule acts.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct ScheduleSwitch {
    /// False: nothing starts by itself until it is true again.
    #[schema(required = true, nullable = false)]
    pub enabled: Option<bool>,
    /// Why, when it is put out of action.
    pub reason: String,
}

/// A time and a window that need not belong to a task yet, as in a task's document.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct SchedulePreview {
    /// As `schedule` of a task.
    pub schedule: Option<serde_json::Value>,
    /// As `window` of a task.
    pub window: Option<serde_json::Value>,
}

/// What stands at one time of a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CalendarState {
    /// It is still to come.
    Coming,
    /// A run was started.
    Started,
    /// Nothing was started, or nothing of its run began in time.
    Missed,
    /// It waits for a person.
    Held,
    /// The task selected no device.
    Empty,
}

/// One entry of a calendar.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CalendarEntry {
    /// The task.
    pub task: Named,
    /// The key of the occurrence.
    pub nominal: String,
    /// When it is first anywhere.
    pub starts: Time,
    /// When it may begin, by the zone of its schedule; null for what has passed, and for what never may.
    pub opens: Option<Time>,
    /// Before when it may begin.
    pub closes: Option<Time>,
    /// Whether each device has its own instant.
    pub per_device: bool,
    /// What became of it.
    pub state: CalendarState,
    /// Why, as of an occurrence.
    pub detail: Option<String>,
    /// Its run.
    pub run: Option<String>,
    /// How many devices it selected, when that was looked at.
    pub targets: Option<i64>,
}

/// What schedules did and will do between two instants.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Calendar {
    /// The organization's zone; null when it has only an offset.
    pub zone: Option<String>,
    /// The entries, the first first; at most 1,000.
    pub items: Vec<CalendarEntry>,
    /// Whether there are more.
    pub more: bool,
}

impl From<calendar::Calendar> for Calendar {
    fn from(it: calendar::Calendar) -> Self {
        Self {
            zone: it.zone.iana_name().map(str::to_owned),
            items: it.entries.into_iter().map(CalendarEntry::from).collect(),
            more: it.more,
        }
    }
}

impl From<calendar::Entry> for CalendarEntry {
    fn from(it: calendar::Entry) -> Self {
        let (opens, closes) = edges(it.open);
        let past = it.past.map(Occurrence::from);
        let state = past.as_ref().map_or(CalendarState::Coming, |p| match p.state {
            OccurrenceState::Started => CalendarState::Started,
            OccurrenceState::Missed => CalendarState::Missed,
            OccurrenceState::Held => CalendarState::Held,
            OccurrenceState::Empty => CalendarState::Empty,
        });
        Self {
            task: Named::new(it.task, it.name),
            nominal: it.nominal,
            starts: it.starts.into(),
            opens,
            closes,
            per_device: it.per_device,
            state,
            detail: past.as_ref().and_then(|p| p.detail.clone()),
            run: past.as_ref().and_then(|p| p.run.clone()),
            targets: past.as_ref().and_then(|p| p.targets),
        }
    }
}
