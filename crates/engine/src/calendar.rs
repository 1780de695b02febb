//! What schedules will do, and what became of their times: the next occurrences of one, and the calendar of all.

use crate::cx::Cx;
use crate::error::Error;
use crate::runs::house;
use crate::schedules::zones;
use jiff::tz::TimeZone;
use muster_core::access::Role;
use muster_core::ids::TaskId;
use muster_core::tasks::schedule::{next, upcoming};
use muster_core::tasks::{Occurrence, OccurrenceRecord, Open, Schedule, Task, Window, ZoneName, Zones};
use muster_core::time::Timestamp;
use muster_store::Rx;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Occurrences of one schedule that are shown ahead.
pub const SHOWN_AHEAD: usize = 10;
/// Entries of a calendar at most.
pub const ENTRIES_MAX: usize = 1_000;
/// The longest time a calendar shows.
pub const SHOWN_MAX: Duration = Duration::from_secs(62 * 86_400);
/// Tasks with a schedule that a calendar looks at.
const TASKS_MAX: i64 = 5_000;

/// What comes next of one schedule.
#[derive(Clone, Debug)]
pub struct Ahead {
    /// The occurrences, the next first, each with when it may begin where the clock on the wall is that of `zone`; `None`: never.
    pub occurrences: Vec<(Occurrence, Option<Open>)>,
    /// The zone in which they are shown: the schedule's own, or the organization's.
    pub zone: TimeZone,
    /// Whether each device has its own instant of them.
    pub per_device: bool,
}

/// Where the times of a schedule and its window are shown.
struct Shown<'a> {
    schedule: &'a Schedule,
    window: Option<&'a Window>,
    zone: TimeZone,
    per_device: bool,
}

impl<'a> Shown<'a> {
    fn of(schedule: &'a Schedule, window: Option<&'a Window>, zones: &Zones) -> Self {
        let named = schedule.zone().cloned().unwrap_or(ZoneName::Organization);
        let zone = zones.zone(&named).unwrap_or_else(|| zones.organization.clone());
        let per_device = named == ZoneName::Device || window.is_some_and(|w| w.zone_with(Some(schedule)) == ZoneName::Device);
        Self { schedule, window, zone, per_device }
    }

    /// When an occurrence may begin; `None`: never.
    fn opens(&self, it: &Occurrence, zones: &Zones) -> Option<Open> {
        let nominal = it.nominal.instant_in(&self.zone);
        let Some(window) = self.window else { return Some(Open { not_before: nominal, not_after: None }) };
        let own = zones.zone(&window.zone_with(Some(self.schedule))).unwrap_or_else(|| self.zone.clone());
        window.open(nominal, &own).ok()
    }
}

/// The next occurrences of a schedule that need not be saved yet; the anchor is the moment of the task's version.
pub fn ahead(rx: &mut Rx, cx: &Cx, schedule: Option<&Schedule>, window: Option<&Window>, anchor: Timestamp) -> Result<Ahead, Error> {
    cx.may_here(Role::Viewer, "looking at schedules")?;
    let zones = zones(cx, &house(rx, cx.org)?);
    let Some(schedule) = schedule else {
        return Ok(Ahead { occurrences: Vec::new(), zone: zones.organization, per_device: false });
    };
    let shown = Shown::of(schedule, window, &zones);
    let found = upcoming(schedule, &zones, anchor, cx.now, SHOWN_AHEAD);
    let occurrences = found.into_iter().map(|it| (it, shown.opens(&it, &zones))).collect();
    Ok(Ahead { occurrences, zone: shown.zone, per_device: shown.per_device })
}

/// One entry of a calendar.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The task.
    pub task: TaskId,
    /// Its name.
    pub name: String,
    /// The key of the occurrence.
    pub nominal: String,
    /// When it is first anywhere.
    pub starts: Timestamp,
    /// When it may begin, where the clock on the wall is that of its schedule's zone; of what has passed `None`.
    pub open: Option<Open>,
    /// Whether each device has its own instant.
    pub per_device: bool,
    /// What became of it; `None`: it is still to come.
    pub past: Option<OccurrenceRecord>,
}

/// What happens between two instants.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// The organization's zone.
    pub zone: TimeZone,
    /// The entries, the first first; at most [`ENTRIES_MAX`].
    pub entries: Vec<Entry>,
    /// Whether there are more.
    pub more: bool,
}

/// What became of occurrences from one instant on, and what comes, before another.
pub fn calendar(rx: &mut Rx, cx: &Cx, from: Timestamp, to: Timestamp) -> Result<Calendar, Error> {
    cx.may_here(Role::Viewer, "looking at schedules")?;
    if to <= from || from.plus(SHOWN_MAX) < to {
        return Err(Error::invalid("calendar/span", "to", "a calendar shows a time of at most 62 days that ends after it begins"));
    }
    let zones = zones(cx, &house(rx, cx.org)?);
    let mut entries: Vec<Entry> = rx.occurrences_between(cx.org, from, to, ENTRIES_MAX + 1)?.into_iter().map(passed).collect();
    let mut tasks = Vec::new();
    for id in rx.scheduled_tasks(cx.org, TASKS_MAX)? {
        tasks.extend(rx.task(cx.org, id)?);
    }
    let room = (ENTRIES_MAX + 1).saturating_sub(entries.len());
    entries.extend(coming(&tasks, &zones, from.max(cx.now), to, room));
    let more = entries.len() > ENTRIES_MAX;
    entries.truncate(ENTRIES_MAX);
    Ok(Calendar { zone: zones.organization, entries, more })
}

fn passed((record, name): (OccurrenceRecord, String)) -> Entry {
    Entry {
        task: record.task,
        name,
        nominal: record.nominal.clone(),
        starts: record.at,
        open: None,
        per_device: record.nominal.parse().is_ok_and(|n| matches!(n, muster_core::tasks::Nominal::Wall(_))),
        past: Some(record),
    }
}

/// The first `room` occurrences of all tasks in the order of their time: each step asks one schedule for its next.
fn coming(tasks: &[Task], zones: &Zones, from: Timestamp, to: Timestamp, room: usize) -> Vec<Entry> {
    let following = |place: usize, after: Timestamp| {
        let task = tasks.get(place)?;
        let found = next(task.doc.schedule.as_ref()?, zones, task.updated, after)?;
        (found.starts < to).then_some(Reverse((found.starts, place)))
    };
    let mut heads: BinaryHeap<_> = (0..tasks.len()).filter_map(|place| following(place, from)).collect();
    let mut entries = Vec::new();
    while entries.len() < room
        && let Some(Reverse((starts, place))) = heads.pop()
    {
        heads.extend(following(place, starts));
        let Some((task, schedule)) = tasks.get(place).and_then(|t| t.doc.schedule.as_ref().map(|s| (t, s))) else { continue };
        let shown = Shown::of(schedule, task.doc.window.as_ref(), zones);
        if let Some(it) = next(schedule, zones, task.updated, starts.minus(Duration::from_millis(1))) {
            entries.push(Entry {
                task: task.id,
                name: task.doc.name.clone(),
                nominal: it.nominal.to_string(),
                starts,
                open: shown.opens(&it, zones),
                per_device: shown.per_device,
                past: None,
            });
        }
    }
    entries
}
