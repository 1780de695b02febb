//! The order book: which tasks each machine keeps and begins by its own clock, what it is given of them, and what it tells of
//! occurrences that nobody started here. The rules of what is due are in `muster_core::tasks::book`.
//!
//! A worker lets the entries follow their tasks' targets, a piece at a time: they are found outside of any transaction that writes. An
//! agent tells the digest of what it holds with each contact, and is given the whole book when that is another one.

use crate::cx::Cx;
use crate::error::Error;
use crate::jobs;
use crate::runs::{self, Aim, Begin, house};
use crate::schedules::{self, zones};
use crate::tasks::{UNKNOWN_DEVICE, UNKNOWN_GROUP};
use crate::workers::Done;
use muster_core::access::{Org, Role};
use muster_core::fleet::Agent;
use muster_core::ids::{AssignmentId, DeviceId, RunId, TaskId};
use muster_core::limits::{BOOK_ENTRIES_MAX, BOOK_GONE_KEPT, BOOK_RENEWED_BEFORE, BOOK_VALID};
use muster_core::tasks::approval::unattended_max;
use muster_core::tasks::book::{Occasion, Recurs, digest, zone_text};
use muster_core::tasks::job::guard::Guard;
use muster_core::tasks::job::led::{Course, RunFacts, Standing};
use muster_core::tasks::job::{Job, Next, Plan, Trail};
use muster_core::tasks::{BookRow, Nominal, OccurrenceRecord, OccurrenceState, RunState, RunStep, Task, TaskDoc};
use muster_store::{BookTask, Rx, Tx};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Entries that are changed in one command.
const PIECE: usize = 1_000;
/// How often is looked whether the targets of a task are others, unless something calls for it.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The place of a walk that has no step to do: nothing of the task is for that machine.
const NOWHERE: usize = u32::MAX as usize;

/// Whether a task is one that machines keep follows its newest version.
pub(crate) fn follow(tx: &mut Tx, cx: &Cx, task: &Task) -> Result<(), Error> {
    if !task.is_kept() {
        return Ok(tx.book_task_drop(task.id, cx.now)?);
    }
    Ok(tx.book_task_put(&BookTask { task: task.id, org: task.org, version: task.version, due: cx.now })?)
}

/// What differs between what machines are to keep of a task and what is written.
#[derive(Clone, Debug)]
pub struct Differences {
    task: BookTask,
    put: Vec<BookRow>,
    remove: Vec<DeviceId>,
    /// There are no others.
    complete: bool,
}

/// Finds what differs of the task that was not looked at for the longest.
pub fn differences(rx: &mut Rx, cx: &Cx) -> Result<Option<Differences>, Error> {
    let Some(task) = rx.book_task_due(cx.now)? else { return Ok(None) };
    let mut found = Differences { task, put: Vec::new(), remove: Vec::new(), complete: true };
    let Some(kept) = rx.task(task.org, task.task)?.filter(|kept| kept.version == task.version) else { return Ok(Some(found)) };
    let org = house(rx, task.org)?;
    let devices = match runs::targets_of(rx, task.org, &kept.doc) {
        Ok(aim) => aim.devices().to_vec(),
        // Where the targets name what is not there, nothing changes: the occurrences are held too.
        Err(error) if [UNKNOWN_DEVICE, UNKNOWN_GROUP].contains(&error.key) => return Ok(Some(found)),
        Err(error) => return Err(error),
    };
    let most = unattended_max(kept.targets_max, org.settings.size_guard, org.settings.approve_above);
    let devices = if runs::count(devices.len()) > most { Vec::new() } else { devices };
    let able = |disabled: &[String]| !kept.doc.steps.iter().any(|step| disabled.iter().any(|word| word == step.action.kind()));
    let eligible = rx.book_eligible(task.org)?;
    let rows: BTreeMap<DeviceId, BookRow> = rx.book_of_task(task.task)?.into_iter().map(|row| (row.device, row)).collect();
    let print = print(cx, &org);
    let mut wanted = BTreeMap::new();
    for device in devices {
        wanted.extend(eligible.get(&device).filter(|it| able(&it.disabled)).map(|it| (device, it.actor)));
    }
    let is_left = |row: &&BookRow| row.gone.is_none() && !wanted.contains_key(&row.device);
    found.remove = rows.values().filter(is_left).map(|row| row.device).take(PIECE).collect();
    let is_as_wanted = |row: &BookRow, actor| {
        row.gone.is_none()
            && row.version == kept.version
            && row.actor == actor
            && row.print == print
            && row.valid > cx.now.plus(BOOK_RENEWED_BEFORE)
    };
    let stale: Vec<_> = wanted
        .into_iter()
        .filter(|(device, actor)| !rows.get(device).is_some_and(|row| is_as_wanted(row, *actor)))
        .take(PIECE + 1)
        .collect();
    found.complete = stale.len() <= PIECE && found.remove.len() < PIECE;
    let plan = Plan::of(&kept.doc);
    let ids: Vec<DeviceId> = stale.iter().take(PIECE).map(|(device, _)| *device).collect();
    let facts = if plan.asks_device() { rx.devices_by_id(task.org, &ids)? } else { Vec::new() };
    let facts: BTreeMap<DeviceId, _> = facts.into_iter().map(|device| (device.id, device.into())).collect();
    for (device, actor) in stale.into_iter().take(PIECE) {
        let before = rows.get(&device);
        let goes_on = before.filter(|row| row.gone.is_none() && row.version == kept.version && row.actor == actor);
        let standing = standing(&plan, facts.get(&device));
        found.put.push(BookRow {
            device,
            task: task.task,
            org: task.org,
            version: kept.version,
            issue: before.map_or(1, |row| row.issue.saturating_add(1)),
            actor,
            print: print.clone(),
            since: goes_on.map_or(cx.now, |row| row.since),
            valid: cx.now.plus(BOOK_VALID),
            held: None,
            begins: goes_on.filter(|row| row.standing == standing && zones_in(&row.print) == zones_in(&print)).and_then(|row| row.begins),
            gone: None,
            standing,
        });
    }
    Ok(Some(found))
}

/// What entries depend on beside their task and machine: the zones, and how long an inventory may take.
fn print(cx: &Cx, org: &Org) -> String {
    let (zones, lease) = (zones(cx, org), org.settings.inventory_lease.0.as_secs());
    let text = format!("{} {}", zone_text(&zones.server, cx.now), zone_text(&zones.organization, cx.now));
    format!("{}-{lease}", &blake3::hash(text.as_bytes()).to_hex()[..16])
}

/// The part of a print that says when its entry begins.
fn zones_in(print: &str) -> &str {
    print.split('-').next().unwrap_or(print)
}

/// Where the walk of a machine begins, as far as is known of it now.
fn standing(plan: &Plan<Guard>, device: Option<&muster_core::fleet::DeviceFacts>) -> Standing {
    let mut trail = Trail::default();
    let (place, round) = match Job::of(plan).begin(&mut trail, device).next {
        Next::Do(place) => (place, plan.parts.get(place).map_or(1, |part| trail.enter(&part.id).0)),
        Next::End(_) => (NOWHERE, 0),
    };
    Standing { conditions: plan.bound(device), place, round, trail }
}

/// Writes differences that were found, and when is looked again.
pub fn apply(tx: &mut Tx, cx: &Cx, found: &Differences) -> Result<usize, Error> {
    let task = found.task.task;
    match tx.task(found.task.org, task)?.filter(|it| it.version == found.task.version) {
        // It was changed meanwhile: what was found is of another version.
        None => return Ok(0),
        Some(kept) if !kept.is_kept() => tx.book_task_drop(task, cx.now)?,
        Some(_) => {
            for row in &found.put {
                tx.book_put(row)?;
            }
            for device in &found.remove {
                tx.book_remove(found.task.org, *device, task, cx.now)?;
            }
        }
    }
    tx.book_forget(cx.now.minus(BOOK_GONE_KEPT))?;
    tx.book_task_due_at(task, if found.complete { cx.now.plus(LOOK_EVERY) } else { cx.now })?;
    Ok(found.put.len() + found.remove.len())
}

/// Lets the entries of one task follow its targets, a piece of them.
pub async fn work(engine: &crate::Engine, cx: &Cx) -> Result<Done, Error> {
    let Some(found) = engine.read(cx, differences).await? else { return Ok(Done::default()) };
    let count = engine.write("workers.book", cx, move |tx, cx| apply(tx, cx, &found)).await?;
    Ok(Done { count, more: true })
}

/// How what an agent says to hold compares to what it is to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// It holds that, as is known.
    Same,
    /// It holds that now.
    Taken,
    /// It is to be given the book.
    Behind,
    /// It held that, and now it holds something else.
    Drifted,
}

/// What an agent is to keep: what is for its life and has a step for its machine.
fn kept_by(rx: &mut Rx, agent: &Agent) -> Result<Vec<BookRow>, Error> {
    let mut rows = rx.book_of(agent.device, agent.id)?;
    rows.retain(|row| row.actor.incarnation == agent.incarnation && row.standing.place != NOWHERE);
    rows.truncate(BOOK_ENTRIES_MAX);
    Ok(rows)
}

/// What an agent is to keep, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keeps {
    /// No task.
    #[default]
    Nothing,
    /// Some.
    Entries {
        /// Their digest.
        digest: String,
        /// Whether it said that it holds them all.
        all_held: bool,
    },
}

impl Keeps {
    /// What an agent is to keep now.
    pub(crate) fn of(rx: &mut Rx, agent: &Agent) -> Result<Self, Error> {
        let rows = kept_by(rx, agent)?;
        if rows.is_empty() {
            return Ok(Self::Nothing);
        }
        Ok(Self::Entries { digest: digest(rows.iter().map(key)), all_held: rows.iter().all(|row| row.held.is_some()) })
    }

    /// Compares what the agent says to hold with it.
    pub fn compared(&self, told: &str) -> Compared {
        match self {
            // It may still hold what was taken from it.
            Self::Nothing => {
                if told == digest([]) {
                    Compared::Same
                } else {
                    Compared::Behind
                }
            }
            Self::Entries { digest, all_held } => match (told == digest, all_held) {
                (true, true) => Compared::Same,
                (true, false) => Compared::Taken,
                (false, true) => Compared::Drifted,
                (false, false) => Compared::Behind,
            },
        }
    }
}

/// Compares what an agent says to hold with what it is to keep.
pub fn compare(rx: &mut Rx, agent: &Agent, told: &str) -> Result<Compared, Error> {
    Ok(Keeps::of(rx, agent)?.compared(told))
}

fn key(row: &BookRow) -> (TaskId, i64, u32) {
    (row.task, row.version, row.issue)
}

/// An agent holds what it is to keep.
pub fn taken(tx: &mut Tx, cx: &Cx, agent: &Agent, told: &str) -> Result<(), Error> {
    // It may have changed since it was compared.
    if compare(tx, agent, told)? == Compared::Taken {
        tx.book_held(agent.device, agent.id, cx.now)?;
    }
    Ok(())
}

/// One entry as an agent is given it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What is written of it.
    pub row: BookRow,
    /// The task's name.
    pub task_name: String,
    /// When it is begun.
    pub recurs: Recurs,
    /// What is done.
    pub course: Course,
}

/// A book as an agent is given it, with its digest.
#[derive(Clone, Debug, PartialEq)]
pub struct Book {
    /// All entries.
    pub entries: Vec<Entry>,
    /// By what the agent says that it holds them.
    pub digest: String,
}

/// The book for an agent that holds another one; that it held this one before is noted.
pub fn give(tx: &mut Tx, cx: &Cx, agent: &Agent, told: &str) -> Result<Book, Error> {
    if compare(tx, agent, told)? == Compared::Drifted {
        tracing::warn!(agent = %agent.id, "an agent holds another order book than it said to hold");
        tx.book_drifted(agent.device, agent.id, cx.now)?;
    }
    let rows = kept_by(tx, agent)?;
    let digest = digest(rows.iter().map(key));
    let org = house(tx, agent.org)?;
    let (server_zone, organization_zone) = {
        let zones = zones(cx, &org);
        (zone_text(&zones.server, cx.now), zone_text(&zones.organization, cx.now))
    };
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(task) = tx.task(row.org, row.task)?.filter(|task| task.version == row.version) else { continue };
        let Some(schedule) = task.doc.schedule.clone() else { continue };
        let recurs = Recurs {
            task: task.id,
            version: task.version,
            issue: row.issue,
            anchor: task.updated,
            after: row.since,
            schedule,
            window: task.doc.window.clone(),
            server_zone: server_zone.clone(),
            organization_zone: organization_zone.clone(),
        };
        let facts = RunFacts { task_name: task.doc.name.clone(), number: 0, id: String::new(), targets: 0 };
        let course = jobs::course(&task.doc, &steps_of(&task.doc), &org.settings, facts)?;
        entries.push(Entry { row, task_name: task.doc.name, recurs, course });
    }
    Ok(Book { entries, digest })
}

fn steps_of(doc: &TaskDoc) -> Vec<RunStep> {
    runs::steps(RunId(uuid::Uuid::nil()), doc)
}

/// What becomes of word of an occurrence of which no assignment is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It will be known: to be told again a little later.
    Later,
    /// There is no place for it any more.
    Over,
}

/// A machine tells of an occurrence of which no assignment is known here: its run is still being prepared, nobody started it here, or
/// the machine is no target of it any more. What was done is recorded, whoever would have wanted it.
pub fn arrived(tx: &mut Tx, cx: &Cx, agent: &Agent, it: &Occasion) -> Result<Arrival, Error> {
    let Ok(nominal) = it.nominal.parse::<Nominal>() else { return Ok(Arrival::Over) };
    let known = tx.task(agent.org, it.task)?.filter(|task| task.doc.is_offline() && task.version == it.version);
    let (Some(task), Some(row)) = (known, tx.schedule_for_update(it.task)?) else { return Ok(Arrival::Over) };
    if nominal.starts() > cx.now.plus(AHEAD_MAX) {
        return Ok(Arrival::Over);
    }
    // The schedules' worker has not come to it; it never will where the schedule was put out of action.
    if row.after < nominal.starts() && task.schedule_off.is_none() {
        return Ok(Arrival::Later);
    }
    let text = nominal.to_string();
    let before = tx.occurrence(it.task, &text)?;
    if let Some(run) = before.as_ref().and_then(|record| record.run) {
        return joins(tx, cx, agent, run);
    }
    let aim = Aim::Devices(vec![agent.device]);
    let begin = Begin { task: &task, aim: &aim, nominal: Some(text.clone()), at: nominal.starts(), by: "schedule" };
    let run = runs::begin(tx, cx, &begin)?;
    let record = OccurrenceRecord {
        state: OccurrenceState::Started,
        run: Some(run),
        targets: Some(1),
        detail: BY_MACHINES.to_owned(),
        ..match before {
            Some(record) => record,
            None => schedules::occurrence_of(cx, &task, nominal),
        }
    };
    match tx.occurrence(it.task, &text)? {
        Some(_) => tx.occurrence_update(&record)?,
        None => drop(tx.occurrence_insert(&record)?),
    }
    Ok(Arrival::Later)
}

/// How far ahead of the server an agent's clock may be in what it began.
const AHEAD_MAX: Duration = Duration::from_secs(120);
/// The detail of an occurrence that only machines began.
const BY_MACHINES: &str = "by_machines";

/// A device joins the run of an occurrence that it began by itself, also when all others are done.
fn joins(tx: &mut Tx, cx: &Cx, agent: &Agent, id: RunId) -> Result<Arrival, Error> {
    let Some(mut run) = tx.run_for_update(agent.org, id)? else { return Ok(Arrival::Over) };
    if run.made < run.targeted {
        return Ok(Arrival::Later);
    }
    if run.cancel_requested || tx.walk(id, agent.device)?.is_some() {
        return Ok(Arrival::Over);
    }
    tx.snapshot_append(id, run.targeted, &[agent.device])?;
    (run.targeted, run.late_joined) = (run.targeted + 1, run.late_joined + 1);
    (run.state, run.verdict) = (RunState::Preparing, None);
    tx.run_update(&run)?;
    tx.event_insert(agent.org, id, None, None, cx.now, "joined", &json!({"devices": 1, "targeted": run.targeted}))?;
    Ok(Arrival::Later)
}

/// The entries by which targets of a run begin it themselves; none of a run that a person started.
pub(crate) fn entries_of(
    rx: &mut Rx,
    run: &muster_core::tasks::Run,
    doc: &TaskDoc,
    devices: &[DeviceId],
) -> Result<BTreeMap<DeviceId, BookRow>, Error> {
    if run.nominal.is_none() || !doc.is_offline() {
        return Ok(BTreeMap::new());
    }
    let mut rows = rx.book_on(run.task, devices)?;
    rows.retain(|_, row| row.version == run.task_version && row.standing.place != NOWHERE);
    Ok(rows)
}

/// The first assignment of a run on a machine that begins it by itself.
pub(crate) fn first_id(run: &muster_core::tasks::Run, row: &BookRow) -> Option<AssignmentId> {
    let nominal: Nominal = run.nominal.as_deref()?.parse().ok()?;
    Some(AssignmentId::of_occurrence(row.task, row.version, &nominal, row.actor.agent))
}

/// What a device is to keep, with the names of the tasks.
pub fn device_book(rx: &mut Rx, cx: &Cx, device: DeviceId) -> Result<Vec<(BookRow, String)>, Error> {
    cx.may_here(Role::Viewer, "looking at order books")?;
    crate::fleet::device_known(rx, cx, device)?;
    let mut rows = rx.book_named(device)?;
    rows.retain(|(row, _)| row.standing.place != NOWHERE);
    Ok(rows)
}

/// How many machines are to keep a task, and how many say that they do.
pub fn counts(rx: &mut Rx, task: TaskId) -> Result<(i64, i64), Error> {
    Ok(rx.book_counts(task)?)
}
