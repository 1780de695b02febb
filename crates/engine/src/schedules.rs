//! Schedules: what each nominal time comes to, events that start tasks, and when a target of a run may begin.

use crate::approvals;
use crate::audit::{Object, record};
use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::fleet::limited;
use crate::runs::{self, Aim, Begin, RunDetail, Start, house};
use crate::tasks::{UNKNOWN_AGENT, UNKNOWN_DEVICE, UNKNOWN_GROUP, found};
use crate::workers::Done;
use muster_core::access::{Org, Role};
use muster_core::ids::{DeviceId, GroupId, OrgId, TaskId};
use muster_core::limits::NOTES_CHARS_MAX;
use muster_core::page::{Page, PageRequest};
use muster_core::tasks::approval::{is_needed, unattended_max};
use muster_core::tasks::doc::ScheduleAct;
use muster_core::tasks::occurrence::due;
use muster_core::tasks::schedule::next;
use muster_core::tasks::timing::Timing;
use muster_core::tasks::zone::device_zone;
use muster_core::tasks::{
    AtEnd, Misfire, Nominal, Occurrence, OccurrenceRecord, OccurrenceState, Open, Run, Schedule, ScheduleOff, Task, TaskDoc, Trigger,
    Verdict, When, Zones,
};
use muster_store::{Rx, ScheduleRow, Tx};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

/// Schedules looked at in one command.
const LOOKED_AT: i64 = 8;
/// Things that happened which one run answers.
const HAPPENINGS_MAX: i64 = 500;
/// So long a task waits for more to happen before it starts.
const GATHERED_FOR: Duration = Duration::from_secs(5);

/// The zones of an organization.
pub(crate) fn zones(cx: &Cx, org: &Org) -> Zones {
    Zones::new(cx.server_zone.clone(), &org.settings.zone)
}

/// The word under which a schedule waits for an event.
fn awaits(trigger: &Trigger) -> String {
    match trigger {
        Trigger::DeviceEnrolled => "device_enrolled".to_owned(),
        Trigger::InventoryChanged { .. } => "inventory_changed".to_owned(),
        Trigger::JoinedGroup { group } => format!("joined_group:{group}"),
        Trigger::TaskEnded { task, .. } => format!("task_ended:{task}"),
    }
}

/// Lets the schedule of a task follow its document: reckoned from now on.
pub(crate) fn follow(tx: &mut Tx, cx: &Cx, task: &Task) -> Result<(), Error> {
    crate::book::follow(tx, cx, task)?;
    let Some(schedule) = &task.doc.schedule else { return Ok(tx.schedule_drop(task.id)?) };
    if task.schedule_off.is_some() {
        let row = ScheduleRow { task: task.id, org: task.org, version: task.version, due: None, after: cx.now, awaits: None };
        return Ok(tx.schedule_put(&row)?);
    }
    // 'Now' has its one occurrence at the moment of the version, which must lie ahead of where the look begins.
    let after = if schedule.when == When::Now { task.updated.minus(Duration::from_millis(1)) } else { cx.now };
    let org = house(tx, task.org)?;
    let found = next(schedule, &zones(cx, &org), task.updated, after);
    let awaits = match &schedule.when {
        When::On(trigger) => Some(awaits(trigger)),
        _ => None,
    };
    Ok(tx.schedule_put(&ScheduleRow {
        task: task.id,
        org: task.org,
        version: task.version,
        due: found.map(|o| o.starts),
        after,
        awaits,
    })?)
}

/// Looks at schedules that are due: starts what is on time, records what was missed.
pub fn look(tx: &mut Tx, cx: &Cx) -> Result<Done, Error> {
    let rows = tx.schedules_due(cx.now, LOOKED_AT)?;
    for row in &rows {
        if let Some(row) = tx.schedule_for_update(row.task)?.filter(|r| r.due.is_some_and(|due| due <= cx.now)) {
            look_at(tx, cx, row)?;
        }
    }
    Ok(Done { count: rows.len(), more: i64::try_from(rows.len()) == Ok(LOOKED_AT) })
}

fn look_at(tx: &mut Tx, cx: &Cx, row: ScheduleRow) -> Result<(), Error> {
    let org = house(tx, row.org)?;
    let task = tx.task(row.org, row.task)?;
    let Some((task, schedule)) = task.and_then(|t| t.doc.schedule.clone().map(|s| (t, s))) else {
        return Ok(tx.schedule_drop(row.task)?);
    };
    let found = due(&schedule, &zones(cx, &org), task.updated, row.after, cx.now);
    for (missed, why) in found.missed {
        let record = occurrence(cx, &task, &missed, OccurrenceState::Missed, why);
        tx.occurrence_insert(&record)?;
    }
    if let Some(fires) = found.fire {
        fire(tx, cx, &org, &task, &schedule, &fires)?;
    }
    Ok(tx.schedule_put(&ScheduleRow { due: found.next, after: found.seen, version: task.version, ..row })?)
}

fn occurrence(cx: &Cx, task: &Task, it: &Occurrence, state: OccurrenceState, detail: &str) -> OccurrenceRecord {
    OccurrenceRecord {
        id: cx.id(),
        task: task.id,
        nominal: it.nominal.to_string(),
        org: task.org,
        at: it.starts,
        state,
        run: None,
        detail: detail.to_owned(),
        targets: None,
    }
}

/// The record of an occurrence of which nothing is written yet.
pub(crate) fn occurrence_of(cx: &Cx, task: &Task, nominal: Nominal) -> OccurrenceRecord {
    occurrence(cx, task, &nominal.into(), OccurrenceState::Started, "")
}

/// One occurrence comes to its run, or to the reason why it has none.
fn fire(tx: &mut Tx, cx: &Cx, org: &Org, task: &Task, schedule: &Schedule, it: &Occurrence) -> Result<(), Error> {
    let nominal = it.nominal.to_string();
    if tx.occurrence(task.id, &nominal)?.is_some() {
        return Ok(());
    }
    let mut record = occurrence(cx, task, it, OccurrenceState::Started, "");
    if org.freeze.is_some() {
        record.state = if schedule.misfire == Misfire::RunOnce { OccurrenceState::Held } else { OccurrenceState::Missed };
        "frozen".clone_into(&mut record.detail);
        tx.occurrence_insert(&record)?;
        return Ok(());
    }
    let aim = match aim(tx, task)? {
        Ok(aim) => aim,
        Err(why) => {
            (record.state, record.detail) = (OccurrenceState::Held, why.to_owned());
            tx.occurrence_insert(&record)?;
            return Ok(());
        }
    };
    record.targets = Some(runs::count(aim.count()));
    let most = unattended_max(task.targets_max, org.settings.size_guard, org.settings.approve_above);
    if aim.count() == 0 {
        record.state = OccurrenceState::Empty;
    } else if runs::count(aim.count()) > most {
        (record.state, record.detail) = (OccurrenceState::Held, "size_guard".to_owned());
    } else {
        let begin = Begin { task, aim: &aim, nominal: Some(nominal), at: it.starts, by: "schedule" };
        record.run = Some(runs::begin(tx, cx, &begin)?);
    }
    tx.occurrence_insert(&record)?;
    Ok(())
}

/// What an unattended start would hit. Where the targets name what is not there, nothing may be hit in its place: the word why.
fn aim(rx: &mut Rx, task: &Task) -> Result<Result<Aim, &'static str>, Error> {
    match runs::targets_of(rx, task.org, &task.doc) {
        Ok(aim) => Ok(Ok(aim)),
        Err(error) if error.key == UNKNOWN_DEVICE => Ok(Err("unknown_device")),
        Err(error) if error.key == UNKNOWN_GROUP => Ok(Err("unknown_group")),
        Err(error) if error.key == UNKNOWN_AGENT => Ok(Err("unknown_agent")),
        Err(error) => Err(error),
    }
}

/// Starts an occurrence that waits for a person. Above the size guard the number of its targets must be said.
pub fn start_held(tx: &mut Tx, cx: &Cx, id: TaskId, nominal: &str, start: &Start) -> Result<RunDetail, Error> {
    let task = found(tx, cx, id)?;
    cx.may_here(Role::Operator, "starting occurrences")?;
    let missing = || Error::not_found("occurrence/not-found", "occurrence", nominal);
    let mut it = tx.occurrence(id, nominal)?.ok_or_else(missing)?;
    if it.state != OccurrenceState::Held {
        return Err(Error::new(Kind::Conflict, "occurrence/not-held", format!("this occurrence is not held: it is {}", it.state.as_str())));
    }
    let org = house(tx, cx.org)?;
    crate::brake::released(&org)?;
    let aim = runs::targets_of(tx, cx.org, &task.doc)?;
    runs::guard(&task, &aim, &org.settings, start)?;
    let approval = approvals::checked(tx, cx, &org, &task, &aim)?;
    let begin = Begin { task: &task, aim: &aim, nominal: Some(it.nominal.clone()), at: it.at, by: &cx.name };
    let run = runs::begin(tx, cx, &begin)?;
    approvals::used(tx, approval, run)?;
    (it.state, it.run, it.targets) = (OccurrenceState::Started, Some(run), Some(runs::count(aim.count())));
    it.detail.clear();
    tx.occurrence_update(&it)?;
    record(
        tx,
        cx,
        Some(cx.org),
        "occurrence_start",
        Object { kind: "task", id: Some(id.0), name: &task.doc.name },
        None,
        Some(json!({"nominal": nominal})),
    )?;
    runs::run_view(tx, cx, run)
}

/// Puts a task's schedule out of action, or back: from then on nothing starts by itself, or again what comes due from then on. What
/// stands like that already is left as it is, with the reason first given.
pub fn switch(tx: &mut Tx, cx: &Cx, id: TaskId, act: ScheduleAct, reason: &str) -> Result<crate::tasks::TaskView, Error> {
    let task = found(tx, cx, id)?;
    cx.may_here(Role::Operator, "switching schedules on and off")?;
    limited("/reason", reason, NOTES_CHARS_MAX)?;
    switched(tx, cx, task, act, reason)?;
    crate::tasks::task_view(tx, cx, id)
}

/// The same by a step; whether something changed.
pub(crate) fn switched(tx: &mut Tx, cx: &Cx, task: Task, act: ScheduleAct, reason: &str) -> Result<bool, Error> {
    if task.doc.schedule.is_none() {
        let detail = format!("the task '{}' has no schedule; it starts only when someone starts it", task.doc.name);
        return Err(Error::new(Kind::Conflict, "task/no-schedule", detail));
    }
    if task.schedule_off.is_some() == (act == ScheduleAct::Disable) {
        return Ok(false);
    }
    let off = ScheduleOff { since: cx.now, by: cx.name.clone(), reason: reason.trim().to_owned() };
    let task = Task { schedule_off: (act == ScheduleAct::Disable).then_some(off), ..task };
    tx.task_schedule_off(task.id, task.org, task.schedule_off.as_ref())?;
    follow(tx, cx, &task)?;
    let verb = if act == ScheduleAct::Disable { "schedule_disable" } else { "schedule_enable" };
    let object = Object { kind: "task", id: Some(task.id.0), name: &task.doc.name };
    record(tx, cx, Some(task.org), verb, object, None, task.schedule_off.map(|off| json!({"reason": off.reason})))?;
    Ok(true)
}

/// Lets a task start unattended on up to so many targets; `None`: on as many as the size guard lets a person start.
pub fn approve(tx: &mut Tx, cx: &Cx, id: TaskId, targets_max: Option<i64>) -> Result<crate::tasks::TaskView, Error> {
    let task = found(tx, cx, id)?;
    cx.may_here(Role::Admin, "approving unattended starts")?;
    if targets_max.is_some_and(|n| !(1..=1_000_000).contains(&n)) {
        return Err(Error::invalid("task/approval", "/targets_max", "a number from 1 to 1000000 is expected, or null"));
    }
    let above = house(tx, cx.org)?.settings.approve_above;
    if targets_max.is_some_and(|n| is_needed(above, n)) && task.author == cx.name {
        let detail = format!("you wrote this version of the task; another person has to approve starts on more than {above} devices");
        return Err(Error::new(Kind::Denied, "approval/not-yours", detail));
    }
    tx.task_approve(id, cx.org, targets_max)?;
    let object = Object { kind: "task", id: Some(id.0), name: &task.doc.name };
    record(
        tx,
        cx,
        Some(cx.org),
        "task_approve",
        object,
        Some(json!({"targets_max": task.targets_max})),
        Some(json!({"targets_max": targets_max})),
    )?;
    crate::tasks::task_view(tx, cx, id)
}

/// What became of a task's occurrences, the newest first unless asked for otherwise.
pub fn past(rx: &mut Rx, cx: &Cx, id: TaskId, page: &PageRequest) -> Result<Page<OccurrenceRecord>, Error> {
    found(rx, cx, id)?;
    Ok(rx.occurrences(id, page)?)
}

/// Something happened to a device: tasks that wait for it will start.
pub(crate) fn happened(tx: &mut Tx, cx: &Cx, org: OrgId, device: DeviceId, what: Happened<'_>) -> Result<(), Error> {
    let mut waiting = Vec::new();
    for word in what.awaited() {
        waiting.extend(tx.schedules_awaiting(org, &word)?);
    }
    for task in waiting {
        let wanted = match what {
            Happened::Enrolled | Happened::Joined(..) => true,
            Happened::Changed(sections) => {
                let doc = tx.task(org, task)?.map(|t| t.doc);
                let section = doc.as_ref().and_then(|d| d.schedule.as_ref()).and_then(|s| match &s.when {
                    When::On(Trigger::InventoryChanged { section }) => section.as_deref(),
                    _ => None,
                });
                section.is_none_or(|wanted| sections.iter().any(|s| s == wanted))
            }
        };
        if wanted {
            tx.happening_insert(cx.id::<Uuid>(), org, task, Some(device), cx.now)?;
        }
    }
    Ok(())
}

/// What can happen to a device that a task may wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happened<'a> {
    /// It came to be known.
    Enrolled,
    /// Facts of these sections changed.
    Changed(&'a [String]),
    /// It came into this group.
    Joined(GroupId, &'a str),
}

impl Happened<'_> {
    /// The words under which schedules wait for it; a group may be named in two ways.
    fn awaited(self) -> Vec<String> {
        match self {
            Self::Enrolled => vec!["device_enrolled".to_owned()],
            Self::Changed(_) => vec!["inventory_changed".to_owned()],
            Self::Joined(id, name) => vec![format!("joined_group:{name}"), format!("joined_group:{id}")],
        }
    }
}

/// A run ended: tasks that wait for it will start; an occurrence of which nothing began in its time was missed.
pub(crate) fn run_ended(tx: &mut Tx, cx: &Cx, run: &Run) -> Result<(), Error> {
    if let Some(nominal) = &run.nominal
        && run.started.is_none()
        && run.verdict == Some(Verdict::Error)
        && let Some(mut it) = tx.occurrence(run.task, nominal)?
    {
        (it.state, it.detail) = (OccurrenceState::Missed, "not_begun".to_owned());
        tx.occurrence_update(&it)?;
    }
    for task in tx.schedules_awaiting(run.org, &format!("task_ended:{}", run.task_name))? {
        let doc = tx.task(run.org, task)?.map(|t| t.doc);
        let wanted = doc.and_then(|d| d.schedule).is_some_and(|s| match s.when {
            When::On(Trigger::TaskEnded { verdict, .. }) => verdict.is_none() || verdict == run.verdict,
            _ => false,
        });
        // A task that waits for its own end would never rest.
        if wanted && task != run.task {
            tx.happening_insert(cx.id::<Uuid>(), run.org, task, None, cx.now)?;
        }
    }
    Ok(())
}

/// Starts tasks for which something happened: one run for all that gathered.
pub fn answer(tx: &mut Tx, cx: &Cx) -> Result<Done, Error> {
    let waiting = tx.happened(cx.now.minus(GATHERED_FOR), LOOKED_AT)?;
    for (task, org) in &waiting {
        if tx.schedule_for_update(*task)?.is_some() {
            answer_one(tx, cx, *task, *org)?;
        }
    }
    Ok(Done { count: waiting.len(), more: i64::try_from(waiting.len()) == Ok(LOOKED_AT) })
}

fn answer_one(tx: &mut Tx, cx: &Cx, id: TaskId, org: OrgId) -> Result<(), Error> {
    let happened = tx.happenings(id, HAPPENINGS_MAX)?;
    let (Some(first), Some(last)) = (happened.first().cloned(), happened.last()) else { return Ok(()) };
    tx.happenings_drop(id, last.id)?;
    let (Some(task), house) = (tx.task(org, id)?.filter(|it| it.schedule_off.is_none()), house(tx, org)?) else { return Ok(()) };
    let starts = Occurrence { nominal: Nominal::Instant(first.at), starts: first.at };
    // Two things may happen in one millisecond; the entry's id tells them apart.
    let nominal = format!("{}#{}", starts.nominal, first.id);
    let mut record = OccurrenceRecord { nominal: nominal.clone(), ..occurrence(cx, &task, &starts, OccurrenceState::Started, "") };
    let mut aim = match aim(tx, &task)? {
        Ok(aim) => aim,
        // Not held: started by a person it would hit all targets, not those to which something happened.
        Err(why) => {
            (record.state, record.detail) = (OccurrenceState::Missed, why.to_owned());
            tx.occurrence_insert(&record)?;
            return Ok(());
        }
    };
    let of: Vec<DeviceId> = happened.iter().filter_map(|h| h.device).collect();
    // Addresses are all looked at, whatever it happened to.
    if let (Aim::Devices(devices), false) = (&mut aim, of.is_empty()) {
        devices.retain(|d| of.contains(d));
    }
    record.targets = Some(runs::count(aim.count()));
    let most = unattended_max(task.targets_max, house.settings.size_guard, house.settings.approve_above);
    if house.freeze.is_some() {
        (record.state, record.detail) = (OccurrenceState::Missed, "frozen".to_owned());
    } else if aim.count() == 0 {
        record.state = OccurrenceState::Empty;
    } else if runs::count(aim.count()) > most {
        // What happened to devices is not held either, for the same reason.
        record.state = if of.is_empty() { OccurrenceState::Held } else { OccurrenceState::Missed };
        record.detail = "size_guard".to_owned();
    } else {
        let begin = Begin { task: &task, aim: &aim, nominal: Some(nominal), at: cx.now, by: "event" };
        record.run = Some(runs::begin(tx, cx, &begin)?);
    }
    tx.occurrence_insert(&record)?;
    Ok(())
}

/// When targets of a run may begin, by the version of the task it keeps.
pub(crate) fn timing(rx: &mut Rx, cx: &Cx, run: &Run) -> Result<Timing, Error> {
    let doc = rx.task_doc(run.task, run.task_version)?;
    let (schedule, window) = doc.map_or((None, None), |d| (d.schedule, d.window));
    let nominal = run.nominal.as_deref().and_then(|n| n.parse().ok());
    Ok(Timing::new(zones(cx, &house(rx, run.org)?), schedule, window, nominal, (run.nominal_at, run.created)))
}

/// The same of a start by hand at this moment.
pub(crate) fn timing_now(cx: &Cx, org: &Org, doc: &TaskDoc) -> Timing {
    Timing::new(zones(cx, org), doc.schedule.clone(), doc.window.clone(), None, (cx.now, cx.now))
}

/// When a target may begin, by the zone its device told; `None`: its time has passed, or never comes.
pub(crate) fn open_for(timing: &Timing, told: Option<&str>) -> Option<Open> {
    timing.open(&device_zone(told, told, timing.zones()).0)
}

/// Whether what is under way at the end of its time is asked to stop.
pub(crate) fn stops(doc: &TaskDoc) -> bool {
    doc.window.as_ref().is_some_and(|w| w.at_end == AtEnd::Stop)
}
