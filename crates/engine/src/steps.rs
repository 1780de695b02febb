//! Steps that the server does itself: what happens in the house is done in one transaction, what leaves it is handed to the program.

use crate::cx::Cx;
use crate::error::Error;
use crate::groups::Change;
use crate::moves;
use crate::runs::house;
use crate::tasks::resolve;
use crate::work;
use muster_core::fleet::Device;
use muster_core::ids::{AgentId, AssignmentId, DeviceId, OrgId};
use muster_core::settings::Settings;
use muster_core::tasks::doc::{Facts, GroupAct, ItemKind, Level, ScheduleAct, Targets, fill};
use muster_core::tasks::job::Trail;
use muster_core::tasks::state::Actor;
use muster_core::tasks::{Action, AssignmentRecord, Change as StateChange, Input, Outcome, Run, Task, TaskDoc, gate, held};
use muster_store::{NewMessage, Tx};
use serde_json::json;
use std::time::Duration;

/// Steps begun in one command.
const PIECE: i64 = 16;
/// How often a page of them is looked at: some wait for a brake or a paused run.
const LOOKS_MAX: usize = 16;
/// Longest time for a step that leaves the house, unless the task says so.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Agents put on the list of those to be woken at once.
const WAKES: usize = 500;

/// The server as an actor.
pub const SERVER: Actor = Actor { agent: AgentId::SERVER, incarnation: 0 };

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Errand {
    /// The assignment.
    pub assignment: AssignmentId,
    /// Whose it is.
    pub org: OrgId,
    /// The attempt's number.
    pub attempt: u32,
    /// What is done, with its placeholders filled.
    pub action: Action,
    /// Longest time for it.
    pub timeout: Duration,
}

/// How an errand ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// How.
    pub outcome: Outcome,
    /// A status, where there is one.
    pub exit_code: Option<i64>,
    /// A sentence on it.
    pub message: String,
    /// What came back, cut.
    pub output: Option<String>,
}

/// Does what can be done in the house and gives what leaves it; whether more waits.
pub fn work(tx: &mut Tx, cx: &Cx) -> Result<(Vec<Errand>, bool), Error> {
    let (mut errands, mut changes, mut after) = (Vec::new(), Vec::new(), None);
    for _ in 0..LOOKS_MAX {
        let page = tx.open_of(DeviceId::SERVER, cx.now, after, PIECE)?;
        let Some(last) = page.last() else { break };
        after = Some((last.priority, last.id));
        let ids: Vec<AssignmentId> = page.iter().map(|o| o.id).collect();
        for record in tx.assignments_for_update(&ids)? {
            begin(tx, cx, record, &mut errands, &mut changes)?;
        }
        if !changes.is_empty() {
            break;
        }
    }
    let more = !changes.is_empty();
    work::save(tx, cx, &changes)?;
    Ok((errands, more))
}

fn begin(tx: &mut Tx, cx: &Cx, record: AssignmentRecord, errands: &mut Vec<Errand>, changes: &mut Vec<StateChange>) -> Result<(), Error> {
    let Some(run) = tx.run(record.org, record.run)? else { return Ok(()) };
    let org = house(tx, record.org)?;
    let around = gate::Around {
        frozen: org.freeze.as_ref().map(|f| f.at),
        org: gate::Load::default(),
        state: run.gate_state(),
        ending: run.cancel_requested,
        run: gate::Load::default(),
        open_to_strangers: true,
    };
    let doc = tx.task_doc(run.task, run.task_version)?;
    let place = usize::try_from(record.step).unwrap_or(usize::MAX);
    let Some(step) = doc.as_ref().and_then(|d| d.steps.get(place)) else { return Ok(()) };
    if held(&record.state, &around, cx.now).is_some() {
        return Ok(());
    }
    let timeout = step.timeout.map_or(TIMEOUT, |t| t.0);
    let lease = cx.now.plus(timeout + TIMEOUT);
    let Ok(mut taken) = work::change(record, Input::Claim { actor: SERVER, lease, lead: Duration::ZERO }, cx.now) else { return Ok(()) };
    taken.data = json!({"server": true});
    let begun = work::after(&taken);
    changes.push(taken);
    let job = if run.walked { tx.job(run.id)? } else { None };
    let action = filled(&step.action, &run, job.as_ref().map(|j| &j.trail));
    let here = cx.within(run.org);
    // What is named and is not there is the error of this step, and must not stop all others.
    let done = match in_house(tx, &here, &run, doc.as_ref(), &action, &org.settings) {
        Err(error) if error.fault.is_none() => Some(Err(error.detail)),
        done => done?.map(Ok),
    };
    match done {
        Some(done) => {
            let attempt = begun.state.attempt;
            let outcome = if done.is_ok() { Outcome::Ok } else { Outcome::Error };
            if let Ok(ended) = work::change(begun, Input::Ended { attempt, actor: SERVER, outcome }, cx.now) {
                changes.push(StateChange { message: Some(done.unwrap_or_else(|refused| refused)), ..ended });
            }
        }
        None => errands.push(Errand { assignment: begun.id, org: run.org, attempt: begun.state.attempt, action, timeout }),
    }
    Ok(())
}

/// Does what is done in the house; gives a sentence on it, or nothing where it leaves the house.
fn in_house(tx: &mut Tx, cx: &Cx, run: &Run, doc: Option<&TaskDoc>, action: &Action, settings: &Settings) -> Result<Option<String>, Error> {
    let targets = |tx: &mut Tx| doc.map_or(Ok(Vec::new()), |doc| awake(tx, run, &doc.targets));
    Ok(Some(match action {
        Action::WriteLog { message, level } => logged(run, message, *level),
        Action::RaiseMessage { title, text, level } => raised(tx, cx, run, title, text, *level)?,
        Action::WakeAgents => {
            let devices = targets(tx)?;
            woken(tx, cx, run.org, &devices, settings)?
        }
        Action::ChangeGroup { group, act } => {
            let devices = targets(tx)?;
            regrouped(tx, cx, run.org, group, *act, devices)?
        }
        Action::UpdateGroup { group } => crate::groups::look_again(tx, cx, group)?,
        Action::ChangeSchedule { task, act } => rescheduled(tx, cx, run, task, *act)?,
        Action::DeleteItem { kind, item } => deleted(tx, cx, *kind, item)?,
        Action::MoveItem { kind, item, org } => moved(tx, cx, *kind, item, org)?,
        Action::PurgeReport { report, keep, older_than } => crate::reports::purged(tx, cx, report, *keep, older_than.map(|it| it.0))?,
        _ => return Ok(None),
    }))
}

/// Deletes what a step names; what may not be deleted is refused as it is for people.
fn deleted(tx: &mut Tx, cx: &Cx, kind: ItemKind, named: &str) -> Result<String, Error> {
    let name = match kind {
        ItemKind::Task => {
            let task = task_of(tx, cx.org, named)?;
            crate::tasks::task_delete(tx, cx, task.id)?;
            task.doc.name
        }
        ItemKind::Group => {
            let group = crate::groups::group_of(tx, cx.org, named)?;
            crate::groups::group_delete(tx, cx, group.id)?;
            group.name
        }
        ItemKind::Report => {
            let report = crate::reports::report_of(tx, cx, named)?;
            crate::reports::report_delete(tx, cx, report.id)?;
            report.name
        }
        ItemKind::Device => {
            let device = device_of(tx, cx, named)?;
            crate::fleet::device_delete(tx, cx, device.id)?;
            device.name
        }
    };
    Ok(format!("the {} '{name}' is deleted", kind.as_str()))
}

/// Moves what a step names to another organization.
fn moved(tx: &mut Tx, cx: &Cx, kind: ItemKind, named: &str, org: &str) -> Result<String, Error> {
    let to = moves::destination(tx, cx, "/org", org)?;
    if to.id == cx.org {
        return Ok(format!("the organization is '{}' as it is", to.name));
    }
    let name = match kind {
        ItemKind::Task => {
            let task = task_of(tx, cx.org, named)?;
            moves::task(tx, cx, &task, &to)?;
            task.doc.name
        }
        ItemKind::Group => {
            let group = crate::groups::group_of(tx, cx.org, named)?;
            moves::group(tx, cx, &group, &to)?;
            group.name
        }
        ItemKind::Report => {
            let report = crate::reports::report_of(tx, cx, named)?;
            moves::report(tx, cx, &report, &to)?;
            report.name
        }
        ItemKind::Device => {
            let device = device_of(tx, cx, named)?;
            moves::device(tx, cx, &device, &to)?.name
        }
    };
    Ok(format!("the {} '{name}' is in the organization '{}' now", kind.as_str(), to.name))
}

/// A device by its name or id.
fn device_of(tx: &mut Tx, cx: &Cx, named: &str) -> Result<Device, Error> {
    match &tx.devices_named(cx.org, &[named.to_owned()])?[..] {
        [(id, _)] => crate::fleet::found(tx, cx, *id),
        [] => Err(Error::not_found("device/not-found", "device", named)),
        many => {
            let detail = format!("{} devices are named '{named}'; say which by its id", many.len());
            Err(Error::invalid("device/ambiguous", "item", detail))
        }
    }
}

/// A task by its name or id.
fn task_of(tx: &mut Tx, org: OrgId, named: &str) -> Result<Task, Error> {
    let by_id = named.parse().ok().map_or(Ok(None), |id| tx.task(org, id))?;
    let task = by_id.map_or_else(|| tx.task_named(org, named), |task| Ok(Some(task)))?;
    task.ok_or_else(|| Error::not_found("task/not-found", "task", named))
}

/// Notes how an errand ended.
pub fn done(tx: &mut Tx, cx: &Cx, errand: &Errand, told: &Told) -> Result<(), Error> {
    let mut changes = Vec::new();
    for record in tx.assignments_for_update(&[errand.assignment])? {
        let input = Input::Ended { attempt: errand.attempt, actor: SERVER, outcome: told.outcome };
        if let Ok(change) = work::change(record, input, cx.now) {
            let output = told.output.as_deref().map(|o| work::cut(o, muster_core::limits::OUTPUT_BYTES_MAX));
            changes.push(StateChange { exit_code: told.exit_code, message: Some(work::cut(&told.message, 2_000)), output, ..change });
        }
    }
    work::save(tx, cx, &changes)
}

/// An action with its placeholders filled.
pub(crate) fn filled(action: &Action, run: &Run, trail: Option<&Trail>) -> Action {
    let id = run.id.to_string();
    let facts = Facts { task_name: &run.task_name, run_number: run.number, run_id: &id, targets_count: run.targeted, trail };
    action.with_texts(|text| fill(text, &facts))
}

/// Whom a step is about: in a job exactly its targets, otherwise those that the task selects now.
fn awake(tx: &mut Tx, run: &Run, targets: &Targets) -> Result<Vec<DeviceId>, Error> {
    if !run.walked {
        return resolve(tx, run.org, targets);
    }
    let mut all: Vec<DeviceId> = Vec::new();
    loop {
        let part = tx.snapshot_part(run.id, crate::runs::count(all.len()))?;
        if part.is_empty() {
            return Ok(all);
        }
        all.extend(part);
    }
}

fn logged(run: &Run, message: &str, level: Level) -> String {
    let (task, number) = (&run.task_name, run.number);
    match level {
        Level::Info => tracing::info!(%task, run = number, "{message}"),
        Level::Warning => tracing::warn!(%task, run = number, "{message}"),
        Level::Error => tracing::error!(%task, run = number, "{message}"),
    }
    message.to_owned()
}

fn raised(tx: &mut Tx, cx: &Cx, run: &Run, title: &str, text: &str, level: Level) -> Result<String, Error> {
    let message =
        NewMessage { id: cx.id(), org: run.org, at: cx.now, level: level.as_str(), title, text, task_name: &run.task_name, run: run.id };
    tx.message_insert(&message)?;
    Ok(title.to_owned())
}

fn regrouped(tx: &mut Tx, cx: &Cx, org: OrgId, group: &str, act: GroupAct, devices: Vec<DeviceId>) -> Result<String, Error> {
    let change = match act {
        GroupAct::Add => Change::Named { add: devices, remove: Vec::new() },
        GroupAct::Remove => Change::Named { add: Vec::new(), remove: devices },
    };
    let moved = crate::groups::moved(tx, cx, org, group, &change)?;
    Ok(format!("{} devices came into the group '{group}', {} left it", moved.added, moved.removed))
}

fn rescheduled(tx: &mut Tx, cx: &Cx, run: &Run, named: &str, act: ScheduleAct) -> Result<String, Error> {
    let task = task_of(tx, run.org, named)?;
    let name = task.doc.name.clone();
    let reason = format!("run {} of the task '{}'", run.number, run.task_name);
    let changed = crate::schedules::switched(tx, cx, task, act, &reason)?;
    let state = if act == ScheduleAct::Disable { "out of action" } else { "in action" };
    Ok(format!("the schedule of '{name}' is {state}{}", if changed { "" } else { ", as before" }))
}

fn woken(tx: &mut Tx, cx: &Cx, org: OrgId, devices: &[DeviceId], settings: &Settings) -> Result<String, Error> {
    let mut count = 0;
    for piece in devices.chunks(WAKES).filter(|_| settings.wake_enabled) {
        let agents = tx.agents_of_all(piece)?;
        let wakeable: Vec<AgentId> = agents.iter().filter(|a| a.protocol.has_http_wake() && a.address.is_some()).map(|a| a.id).collect();
        count += wakeable.len();
        tx.wakes_insert(org, &wakeable, cx.now, true)?;
    }
    Ok(format!("{count} agents of {} devices are asked to come", devices.len()))
}
