//! Schedules over the wire.

use super::Time;
use jiff::tz::TimeZone;
use muster_core::tasks::{OccurrenceRecord, OccurrenceState as CoreState};
use muster_engine::schedules;
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
}

impl From<schedules::Ahead> for Ahead {
    fn from(ahead: schedules::Ahead) -> Self {
        let coming = |it: muster_core::tasks::Occurrence| {
            let at = it.nominal.instant_in(&ahead.zone);
            Coming { nominal: it.nominal.to_string(), starts: it.starts.into(), local: local(at.0, &ahead.zone) }
        };
        Self {
            next: ahead.occurrences.iter().copied().map(coming).collect(),
            zone: ahead.zone.iana_name().map(str::to_owned),
            per_device: ahead.per_device,
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
    /// Why: `server_down`, `overtaken`, `frozen`, `size_guard`, `not_begun`; null when there is nothing to say.
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
