//! Tasks: what a person wrote, its versions, and the preview of a start.

use crate::audit::{Object, record};
use crate::cx::Cx;
use crate::error::{Error, Field, Kind};
use crate::groups::{no_device, no_group, unknown};
use crate::runs::{Aim, house};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use muster_core::access::Role;
use muster_core::fleet::{Device, Protocol};
use muster_core::ids::{DeviceId, GroupId, OrgId, TaskId};
use muster_core::page::{Page, PageRequest};
use muster_core::query::Query;
use muster_core::tasks::approval::{Approval, ApprovalState, is_needed};
use muster_core::tasks::doc::{ActionKind, DEPLOYED, Step, Targets};
use muster_core::tasks::rollout::ends;
use muster_core::tasks::state::{Limits, Status};
use muster_core::tasks::{
    Action, Around, Assignment, BadTask, Delivery, Forecast, Load, Reason, Run, RunState, Scope, Situation, Task, TaskDoc, why,
};
use muster_store::{DeviceGroup, Rx, Tx};
use serde_json::Value;
use std::collections::BTreeSet;

/// A task with its runs.
#[derive(Clone, Debug)]
pub struct TaskView {
    /// The task.
    pub task: Task,
    /// How often it ran.
    pub runs: i64,
    /// Its last run.
    pub last_run: Option<Run>,
}

/// Turns the faults of a document into an error.
pub fn bad_task(faults: Vec<BadTask>) -> Error {
    let detail = match faults.len() {
        1 => format!("the task has a fault: {}", faults[0]),
        n => format!("the task has {n} faults"),
    };
    let fields = faults.into_iter().map(|f| Field { pointer: f.pointer, detail: f.what }).collect();
    Error { fields, ..Error::new(Kind::Invalid, "task/invalid", detail) }
}

pub(crate) fn read(document: &Value) -> Result<TaskDoc, Error> {
    TaskDoc::parse(document).map_err(bad_task)
}

/// A page of tasks.
pub fn task_list(rx: &mut Rx, cx: &Cx, q: Option<&str>, label: Option<&str>, page: &PageRequest) -> Result<Page<TaskView>, Error> {
    cx.may_here(Role::Viewer, "listing tasks")?;
    let tasks = rx.tasks(cx.org, q, label, page)?;
    let items = tasks.items.into_iter().map(|t| view(rx, t)).collect::<Result<_, _>>()?;
    Ok(Page { items, next: tasks.next, total: tasks.total })
}

fn view(rx: &mut Rx, task: Task) -> Result<TaskView, Error> {
    let (runs, last_run) = rx.task_runs(task.id)?;
    Ok(TaskView { task, runs, last_run })
}

pub(crate) fn found(rx: &mut Rx, cx: &Cx, id: TaskId) -> Result<Task, Error> {
    cx.may_here(Role::Viewer, "looking at tasks")?;
    rx.task(cx.org, id)?.ok_or_else(|| Error::not_found("task/not-found", "task", id))
}

/// One task.
pub fn task_view(rx: &mut Rx, cx: &Cx, id: TaskId) -> Result<TaskView, Error> {
    let task = found(rx, cx, id)?;
    view(rx, task)
}

fn name_taken(name: &str) -> Error {
    Error::new(Kind::Conflict, "task/name-taken", format!("there is a task '{name}' already; choose another name or change that one"))
}

/// What a document would become.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The document as it would be kept.
    pub doc: TaskDoc,
    /// The task that has its name now.
    pub task: Option<TaskView>,
}

/// Reads a document as a change would, and finds the task that it would change; changes nothing.
pub fn task_check(rx: &mut Rx, cx: &Cx, document: &Value) -> Result<Checked, Error> {
    cx.may_here(Role::Viewer, "checking tasks")?;
    let doc = read(document)?;
    let task = rx.task_named(cx.org, &doc.name)?.map(|task| view(rx, task)).transpose()?;
    Ok(Checked { doc, task })
}

/// Steps that act on the server itself concern everybody on it, and what crosses organizations concerns both: they are written by those
/// who act in all organizations.
fn of_the_server(cx: &Cx, doc: &TaskDoc) -> Result<(), Error> {
    let acts = |step: &Step| match step.action {
        Action::RestartServer | Action::MoveItem { .. } => true,
        Action::RunScript(_) => step.scope() == Scope::Server,
        _ => false,
    };
    if cx.caller.scope.is_some() && doc.steps.iter().any(acts) {
        return Err(Error::denied("writing steps that act on the server itself or in several organizations (for those who act in all)"));
    }
    Ok(())
}

/// Writes a new task.
pub fn task_create(tx: &mut Tx, cx: &Cx, document: &Value) -> Result<TaskView, Error> {
    cx.may_here(Role::Operator, "writing tasks")?;
    let doc = read(document)?;
    of_the_server(cx, &doc)?;
    let task = Task {
        id: cx.id(),
        org: cx.org,
        version: 1,
        doc,
        created: cx.now,
        updated: cx.now,
        author: cx.name.clone(),
        targets_max: None,
        schedule_off: None,
    };
    if !tx.task_insert(&task)? {
        return Err(name_taken(&task.doc.name));
    }
    let object = Object { kind: "task", id: Some(task.id.0), name: &task.doc.name };
    record(tx, cx, Some(cx.org), "task_create", object, None, Some(document.clone()))?;
    crate::schedules::follow(tx, cx, &task)?;
    view(tx, task)
}

/// Writes the next version of a task; `version` as read, when the caller insists. The same document again changes nothing.
pub fn task_update(tx: &mut Tx, cx: &Cx, id: TaskId, document: &Value, version: Option<i64>) -> Result<TaskView, Error> {
    let before = found(tx, cx, id)?;
    cx.may_here(Role::Operator, "writing tasks")?;
    if version.is_some_and(|v| v != before.version) {
        return Err(Error::stale("task"));
    }
    let doc = read(document)?;
    if doc == before.doc {
        return view(tx, before);
    }
    of_the_server(cx, &before.doc)?;
    of_the_server(cx, &doc)?;
    if tx.task_named(cx.org, &doc.name)?.is_some_and(|other| other.id != id) {
        return Err(name_taken(&doc.name));
    }
    let old = serde_json::to_value(&before.doc).ok();
    let task = Task { version: before.version + 1, doc, updated: cx.now, author: cx.name.clone(), ..before };
    if !tx.task_update(&task)? {
        return Err(Error::stale("task"));
    }
    let object = Object { kind: "task", id: Some(id.0), name: &task.doc.name };
    record(tx, cx, Some(cx.org), "task_update", object, old, Some(document.clone()))?;
    crate::schedules::follow(tx, cx, &task)?;
    // What was approved was another version.
    let above = house(tx, cx.org)?.settings.approve_above;
    let task = if task.targets_max.is_some_and(|n| is_needed(above, n)) {
        tx.task_approve(id, cx.org, None)?;
        Task { targets_max: None, ..task }
    } else {
        task
    };
    view(tx, task)
}

/// Deletes a task; its runs stay.
pub fn task_delete(tx: &mut Tx, cx: &Cx, id: TaskId) -> Result<(), Error> {
    let task = found(tx, cx, id)?;
    cx.may_here(Role::Operator, "deleting tasks")?;
    tx.task_delete(cx.org, id, cx.now)?;
    tx.schedule_drop(id)?;
    tx.book_task_drop(id, cx.now)?;
    record(tx, cx, Some(cx.org), "task_delete", Object { kind: "task", id: Some(id.0), name: &task.doc.name }, None, None)
}

/// The targets name a device that is not there.
pub(crate) const UNKNOWN_DEVICE: &str = "task/unknown-device";
/// The targets name a group that is not there.
/// The kind of an error about an agent that targets name and nobody knows.
pub(crate) const UNKNOWN_AGENT: &str = "task/unknown-agent";
pub(crate) const UNKNOWN_GROUP: &str = "task/unknown-group";

/// The devices a task is aimed at now, sorted. Empty targets select nothing.
pub(crate) fn resolve(rx: &mut Rx, org: OrgId, targets: &Targets) -> Result<Vec<DeviceId>, Error> {
    let parse = |text: &Option<String>| -> Result<Option<Query>, Error> {
        text.as_deref().map(Query::parse).transpose().map_err(|bad| Error::invalid("task/bad-query", "/targets/query", bad.what))
    };
    known_devices(rx, org, "/targets/devices", &targets.devices)?;
    let groups = groups_of(rx, org, "/targets/groups", &targets.groups)?;
    let query = parse(&targets.query)?;
    let mut selected = rx.device_ids(org, query.as_ref(), &targets.devices, targets.all)?;
    selected.extend(crate::groups::members(rx, org, &groups)?);
    selected.sort_unstable();
    selected.dedup();
    let mut out: BTreeSet<DeviceId> = BTreeSet::new();
    if !targets.exclude.is_empty() {
        let query = parse(&targets.exclude.query)?;
        // What is to be spared and is not found, because it was renamed, must not be hit silently.
        known_devices(rx, org, "/targets/exclude/devices", &targets.exclude.devices)?;
        out.extend(rx.device_ids(org, query.as_ref(), &targets.exclude.devices, false)?);
        let groups = groups_of(rx, org, "/targets/exclude/groups", &targets.exclude.groups)?;
        out.extend(crate::groups::members(rx, org, &groups)?);
        if !targets.exclude.tags.is_empty() {
            out.extend(rx.device_ids_tagged(org, &targets.exclude.tags)?);
        }
    }
    Ok(selected.into_iter().filter(|id| !out.contains(id)).collect())
}

/// Refuses names that name no device.
fn known_devices(rx: &mut Rx, org: OrgId, pointer: &str, named: &[String]) -> Result<(), Error> {
    let found = rx.devices_named(org, named)?;
    match unknown(&found, named).first() {
        Some((place, name)) => Err(Error::invalid(UNKNOWN_DEVICE, &format!("{pointer}/{place}"), no_device(name))),
        None => Ok(()),
    }
}

/// The groups that targets name. One that is gone must not change what is hit, so it is refused, also among exclusions.
pub(crate) fn groups_of(rx: &mut Rx, org: OrgId, pointer: &str, named: &[String]) -> Result<Vec<GroupId>, Error> {
    let found = rx.groups_named(org, named)?;
    match unknown(&found, named).first() {
        Some((place, name)) => Err(Error::invalid(UNKNOWN_GROUP, &format!("{pointer}/{place}"), no_group(name))),
        None => Ok(found.into_iter().map(|(id, _)| id).collect()),
    }
}

/// The token that binds a start to a set of targets of a task version.
pub(crate) fn plan_token(task: &Task, aim: &Aim) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(task.id.0.as_bytes()).update(&task.version.to_le_bytes());
    for device in aim.devices() {
        hasher.update(device.0.as_bytes());
    }
    if let Aim::Addresses(ranges) = aim {
        ranges.iter().map(ToString::to_string).for_each(|range| {
            hasher.update(range.as_bytes()).update(b";");
        });
    }
    URL_SAFE_NO_PAD.encode(&hasher.finalize().as_bytes()[..18])
}

/// Who would be hit by a start now.
#[derive(Clone, Debug)]
pub struct Preview {
    /// How many devices, or addresses of a pool.
    pub count: usize,
    /// The pool that would do it.
    pub pool: Option<crate::pool::PoolPreview>,
    /// Binds a start to exactly this set.
    pub plan: String,
    /// Above how many a number must be said.
    pub guard: u32,
    /// By protocol, system family and presence.
    pub groups: Vec<DeviceGroup>,
    /// The first hundred, with what they would wait for.
    pub targets: Vec<(Device, Reason)>,
    /// Steps that some targets cannot do, with how many: no agent of theirs can. In a job they fail there.
    pub unable: Vec<(String, &'static str, i64)>,
    /// How many are shown with agents that cannot be stopped once they were handed a step, by a person or the end of a window.
    pub not_stopped: i64,
    /// How many are shown with agents that tell no output of what they do.
    pub no_output: i64,
    /// How many were taken out by exclusions.
    pub excluded: usize,
    /// How many targets each wave would have; empty where all go at once.
    pub waves: Vec<i64>,
    /// When a start now would end.
    pub forecast: Option<Forecast>,
    /// Whether a start now needs the approval of a second person, and the one that is open for exactly this set.
    pub approval: Option<Option<Approval>>,
}

/// Devices named in a preview.
const PREVIEW_NAMED: usize = 100;

/// Who would be hit by a start now, and what each would wait for; from the same rules as the start itself.
pub fn task_preview(rx: &mut Rx, cx: &Cx, id: TaskId) -> Result<Preview, Error> {
    let task = found(rx, cx, id)?;
    let org = rx.org(cx.org)?.ok_or_else(|| Error::not_found("org/not-found", "organization", cx.org))?;
    let aim = crate::runs::targets_of(rx, cx.org, &task.doc)?;
    let pool = crate::pool::preview(rx, cx, &org, &task, &aim)?;
    let devices = aim.devices();
    let with_all = Targets { exclude: muster_core::tasks::doc::Exclude::default(), ..task.doc.targets.clone() };
    let excluded =
        if task.doc.targets.exclude.is_empty() || pool.is_some() { 0 } else { resolve(rx, cx.org, &with_all)?.len() - devices.len() };
    let groups = rx.device_groups(cx.org, devices, crate::fleet::online_since(&org.settings, cx.now))?;
    let named = &devices[..devices.len().min(PREVIEW_NAMED)];
    let mut targets = Vec::with_capacity(named.len());
    let loads = crate::runs::Loads::of(rx, cx, &org, named)?;
    for device in rx.devices_by_id(cx.org, named)? {
        let agents = rx.agents_of(device.id)?;
        let able = |s: &&Step| protocols_of(s).is_some_and(|p| agents.is_empty() || agents.iter().any(|a| p.contains(&a.protocol)));
        // What hinders it is the first step that no agent of it can do, otherwise what it begins with.
        let of_machines = || task.doc.steps.iter().filter(|s| s.scope() == Scope::Client);
        let step = of_machines().find(|s| !able(s)).or_else(|| of_machines().next()).or(task.doc.steps.first());
        let situation = Situation {
            assignment: Assignment {
                status: Status::Prepared { from: cx.now },
                attempt: 0,
                last_actor: None,
                last_attempt: None,
                cancel_requested: false,
                limits: Limits::default(),
                rules: step.map(|s| task.doc.rules(s)).unwrap_or(NO_RULES),
            },
            around: Around {
                frozen: org.freeze.as_ref().map(|f| f.at),
                org: Load::default(),
                state: RunState::Waiting,
                ending: false,
                run: Load::default(),
                open_to_strangers: step.is_some_and(|s| s.action.is_open_to_strangers()),
            },
            by_server: false,
            by_book: None,
            pool: None,
            push: task.doc.delivery == Delivery::Push && org.settings.wake_enabled,
            candidates: crate::runs::candidates(&agents, step.map_or("", |s| s.action.kind()), &org.settings, &loads, cx.now),
        };
        targets.push((device, why(&situation, cx.now)));
    }
    let forecast = if pool.is_some() { None } else { crate::forecast::of_start(rx, cx, &org, &task, devices)? };
    let mut unable = Vec::new();
    for step in task.doc.steps.iter().filter(|s| s.scope() == Scope::Client) {
        let protocols = protocols_of(step).unwrap_or_default();
        if protocols.len() < Protocol::ALL.len() {
            let count = rx.devices_without(devices, protocols)?;
            unable.extend((count > 0).then(|| (step.id.clone(), step.action.kind(), count)));
        }
    }
    let is_deployed = task.doc.steps.iter().any(|s| s.scope() == Scope::Client && DEPLOYED.contains(&s.action.kind()));
    let shown_with = |protocols: &[Protocol]| -> i64 {
        let is_one = |g: &&DeviceGroup| is_deployed && protocols.iter().any(|p| p.as_str() == g.protocol);
        groups.iter().filter(is_one).map(|g| g.count).sum()
    };
    let (not_stopped, no_output) = (shown_with(&[Protocol::Glpi, Protocol::Fusioninventory, Protocol::Ocs]), shown_with(&[Protocol::Ocs]));
    let ends = ends(&task.doc.rollout.waves, crate::runs::count(devices.len()));
    let waves = ends.iter().scan(0, |before, end| Some(end - std::mem::replace(before, *end))).collect();
    let plan = plan_token(&task, &aim);
    let approval = match is_needed(org.settings.approve_above, crate::runs::count(aim.count())) {
        true => Some(rx.approval_of(id, &plan)?.filter(|a| a.state == ApprovalState::Asked || a.allows(&plan, cx.now))),
        false => None,
    };
    Ok(Preview {
        approval,
        waves,
        forecast,
        unable,
        not_stopped,
        no_output,
        count: aim.count(),
        pool,
        plan,
        guard: org.settings.size_guard,
        groups,
        targets,
        excluded,
    })
}

/// The agents that can do a step.
fn protocols_of(step: &Step) -> Option<&'static [Protocol]> {
    ActionKind::named(step.action.kind()).map(|kind| kind.protocols())
}

const NO_RULES: muster_core::tasks::Rules = muster_core::tasks::Rules {
    attempts_max: 1,
    backoff: std::time::Duration::ZERO,
    on_error: false,
    on_unknown: false,
    idempotent: false,
};
