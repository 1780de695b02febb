//! Runs and assignments as people start, see and end them.

use crate::approvals;
use crate::audit::{Object, record};
use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::fleet::agent_online;
use crate::packages::PACKAGED;
use crate::tasks::{found as task_found, plan_token, resolve};
use crate::work;
use muster_core::access::{Org, Role};
use muster_core::fleet::{AGENT_HTTP_PORT, Agent, Protocol};
use muster_core::ids::{AgentId, AssignmentId, DeviceId, OrgId, RunId, TaskId};
use muster_core::page::{Page, PageRequest};
use muster_core::settings::Settings;
use muster_core::tasks::doc::ActionKind;
use muster_core::tasks::pool::{self, Range, united, without};
use muster_core::tasks::rollout::{arranged, ends};
use muster_core::tasks::why::{Candidate, conditions};
use muster_core::tasks::{
    Around, AssignmentRow, AttemptRecord, Condition, Counts, Delivery, Event, Forecast, Load, Reason, Run, RunState, RunStep, Scope,
    Situation, Standing, State, Task, TaskDoc, Walk, why,
};
use muster_core::time::Timestamp;
use muster_store::{AssignmentFilter, RunFilter, Rx, Tx};
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What a start must say when it is large.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The number of targets, typed back.
    pub confirm_count: Option<usize>,
    /// The token of a preview: start exactly that set.
    pub plan: Option<String>,
}

/// Starts a task: writes the run and its snapshot; a worker makes the assignments.
pub fn run_start(tx: &mut Tx, cx: &Cx, id: TaskId, start: &Start) -> Result<RunDetail, Error> {
    let task = task_found(tx, cx, id)?;
    cx.may_here(Role::Operator, "starting tasks")?;
    let org = tx.org(cx.org)?.ok_or_else(|| Error::not_found("org/not-found", "organization", cx.org))?;
    crate::brake::released(&org)?;
    let aim = targets_of(tx, cx.org, &task.doc)?;
    guard(&task, &aim, &org.settings, start)?;
    let approval = approvals::checked(tx, cx, &org, &task, &aim)?;
    let run = begin(tx, cx, &Begin { task: &task, aim: &aim, nominal: None, at: cx.now, by: &cx.name })?;
    approvals::used(tx, approval, run)?;
    let object = Object { kind: "run", id: Some(run.0), name: &task.doc.name };
    record(tx, cx, Some(cx.org), "run_start", object, None, Some(json!({"targets": aim.count(), "version": task.version})))?;
    run_view(tx, cx, run)
}

/// Starts the task of a run again on those of its targets that came to one of these states: in its newest version, as any start
/// with the size guard.
pub fn run_retry(tx: &mut Tx, cx: &Cx, id: RunId, states: &[State], start: &Start) -> Result<RunDetail, Error> {
    let old = run_found(tx, cx, id)?;
    cx.may_here(Role::Operator, "starting tasks")?;
    let task = task_found(tx, cx, old.task)?;
    let org = house(tx, cx.org)?;
    crate::brake::released(&org)?;
    if let Some(open) = states.iter().find(|s| s.is_open()) {
        return Err(Error::invalid(
            "run/retry-open",
            "/states",
            format!("what is {open} has not ended; name states such as error and unknown"),
        ));
    }
    let came_to = if old.walked {
        tx.walk_devices(id, states)?
    } else {
        tx.assignment_devices(cx.org, &AssignmentFilter { run: Some(id), states: states.to_vec(), ..AssignmentFilter::default() })?
    };
    let aim = again(tx, cx, &old, &task, came_to)?;
    guard(&task, &aim, &org.settings, start)?;
    // What did not end well of an earlier run of this very version was approved with that run; doing again what did is a new start.
    let is_rest = task.version == old.task_version && !states.contains(&State::Ok);
    let approval = if is_rest { None } else { approvals::checked(tx, cx, &org, &task, &aim)? };
    let run = begin(tx, cx, &Begin { task: &task, aim: &aim, nominal: None, at: cx.now, by: &cx.name })?;
    approvals::used(tx, approval, run)?;
    let object = Object { kind: "run", id: Some(run.0), name: &task.doc.name };
    record(tx, cx, Some(cx.org), "run_retry", object, None, Some(json!({"of": old.number, "targets": aim.count()})))?;
    run_view(tx, cx, run)
}

/// What of the targets of an earlier run is aimed at again: those that are still there, and of a pool's run the addresses of its slices.
fn again(rx: &mut Rx, cx: &Cx, old: &Run, task: &Task, came_to: Vec<DeviceId>) -> Result<Aim, Error> {
    if old.is_pooled() != task.doc.is_pooled() {
        let detail = "the task is aimed at another kind of targets since: machines are not addresses; start it anew";
        return Err(Error::new(Kind::Conflict, "run/retry-kind", detail));
    }
    if old.is_pooled() {
        let those = united(rx.slices_by_id(&came_to)?.into_iter().map(|slice| slice.range).collect());
        // What is not to be asked any more since is left out.
        return Ok(Aim::Addresses(without(&those, &task.doc.excluded_ranges())));
    }
    if came_to == [DeviceId::SERVER] {
        return Ok(Aim::Devices(came_to));
    }
    let mut devices = Vec::with_capacity(came_to.len());
    for piece in came_to.chunks(1_000) {
        devices.extend(rx.devices_there(cx.org, piece)?);
    }
    Ok(Aim::Devices(devices))
}

/// What a start hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// Devices, sorted. A step of the server that needs none has the server in their place.
    Devices(Vec<DeviceId>),
    /// Addresses, each once and in order, for a pool.
    Addresses(Vec<Range>),
}

impl Aim {
    /// How many targets it has: devices, or addresses.
    pub(crate) fn count(&self) -> usize {
        match self {
            Aim::Devices(devices) => devices.len(),
            Aim::Addresses(ranges) => pool::count(ranges),
        }
    }

    /// Its devices; of addresses there are none.
    pub(crate) fn devices(&self) -> &[DeviceId] {
        match self {
            Aim::Devices(devices) => devices,
            Aim::Addresses(_) => &[],
        }
    }
}

/// What a document selects now.
pub(crate) fn targets_of(rx: &mut Rx, org: OrgId, doc: &TaskDoc) -> Result<Aim, Error> {
    if doc.is_pooled() {
        crate::pool::named(rx, org, doc)?;
        return Ok(Aim::Addresses(doc.addresses()));
    }
    if doc.steps.iter().all(|s| !s.needs_targets()) {
        return Ok(Aim::Devices(vec![DeviceId::SERVER]));
    }
    resolve(rx, org, &doc.targets).map(Aim::Devices)
}

/// How many, as they are counted.
pub(crate) fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// What a run begins with.
pub(crate) struct Begin<'a> {
    /// The task.
    pub task: &'a Task,
    /// Its targets.
    pub aim: &'a Aim,
    /// The nominal time, when a schedule starts it.
    pub nominal: Option<String>,
    /// The instant from which windows are reckoned.
    pub at: Timestamp,
    /// Who starts it.
    pub by: &'a str,
}

/// Writes a run and its snapshot.
pub(crate) fn begin(tx: &mut Tx, cx: &Cx, it: &Begin<'_>) -> Result<RunId, Error> {
    let doc = &it.task.doc;
    // What the server does itself is done once, whomever it is about.
    let by_server = doc.steps.iter().all(|s| s.scope() == Scope::Server);
    let slices = match it.aim {
        Aim::Addresses(ranges) => crate::pool::slices(tx, cx, it.task, ranges)?,
        Aim::Devices(_) => Vec::new(),
    };
    let of_slices: Vec<DeviceId> = slices.iter().map(|slice| slice.id).collect();
    let devices = match it.aim {
        Aim::Addresses(_) => &of_slices[..],
        Aim::Devices(_) if by_server => &[DeviceId::SERVER],
        Aim::Devices(devices) => devices,
    };
    let ends = if by_server { Vec::new() } else { ends(&doc.rollout.waves, count(devices.len())) };
    let run = Run {
        id: cx.id(),
        org: it.task.org,
        number: 0,
        task: it.task.id,
        task_version: it.task.version,
        task_name: doc.name.clone(),
        state: RunState::Preparing,
        verdict: None,
        delivery: doc.delivery,
        priority: doc.priority,
        targeted: count(devices.len()),
        made: 0,
        cancel_requested: false,
        paused: false,
        nominal: it.nominal.clone(),
        nominal_at: it.at,
        not_before: None,
        not_after: None,
        in_flight_max: doc.rollout.max_in_flight.map(i64::from),
        handed_late: 0,
        created: cx.now,
        started: None,
        ended: None,
        started_by: it.by.to_owned(),
        mode: doc.mode,
        walked: doc.is_job(),
        rollout: Standing { waves: ends, halt_rate: doc.rollout.halt_on_error_rate, ..Standing::default() },
        late_due: (doc.targets.late_joiners && !by_server).then_some(cx.now),
        late_joined: 0,
        addresses: matches!(it.aim, Aim::Addresses(_)).then(|| count(it.aim.count())),
        counts: Counts::default(),
    };
    let devices = arranged(run.id, devices, &run.rollout.waves);
    let mut steps = steps(run.id, doc);
    for (step, written) in steps.iter_mut().zip(&doc.steps).filter(|(step, _)| step.pooled) {
        step.timeout = step.timeout.or_else(|| Some(crate::pool::silence(&written.action, &slices)));
    }
    tx.run_insert(&run, &steps, &devices)?;
    tx.slices_insert(run.id, &slices)?;
    Ok(run.id)
}

/// The steps of a run of a document.
pub(crate) fn steps(run: RunId, doc: &TaskDoc) -> Vec<RunStep> {
    let all = doc.steps.iter().enumerate();
    all.map(|(i, step)| RunStep {
        run,
        step: i64::try_from(i).unwrap_or(0),
        name: step.id.clone(),
        action: step.action.kind().to_owned(),
        rules: doc.rules(step),
        open_to_strangers: step.action.is_open_to_strangers(),
        timeout: step.timeout.map(|t| t.0),
        scope: step.scope(),
        stops: crate::schedules::stops(doc),
        longest_run: doc.window.as_ref().and_then(|w| w.longest_run).map(|l| l.0),
        walked: doc.is_job(),
        pooled: step.action.is_sliced(),
    })
    .collect()
}

/// The set that was shown is another one now.
pub(crate) fn plan_changed(count: usize) -> Error {
    let detail = format!("the task or its targets changed since the preview (now {count} devices); preview it again");
    Error::new(Kind::Conflict, "run/plan-changed", detail).with("count", count)
}

/// Empty selects nothing; a large start needs its number or its plan.
pub(crate) fn guard(task: &Task, aim: &Aim, settings: &Settings, start: &Start) -> Result<(), Error> {
    let (count, what) = (aim.count(), if task.doc.is_pooled() { "addresses" } else { "devices" });
    if count == 0 {
        return Err(Error::new(Kind::Conflict, "run/empty", "the task selects nothing, so nothing was started; look at its targets"));
    }
    if let Some(plan) = &start.plan {
        if *plan != plan_token(task, aim) {
            return Err(plan_changed(count));
        }
        return Ok(());
    }
    match start.confirm_count {
        Some(said) if said == count => Ok(()),
        Some(said) => {
            let detail = format!("you confirmed {said} {what}, the task selects {count}; preview it and confirm that number");
            Err(Error::new(Kind::Conflict, "run/size-guard", detail).with("count", count))
        }
        None if count > settings.size_guard as usize => {
            let detail = format!("the task selects {count} {what}; above {} the number must be said: confirm_count", settings.size_guard);
            Err(Error::new(Kind::Conflict, "run/size-guard", detail).with("count", count))
        }
        None => Ok(()),
    }
}

/// A run with its steps.
#[derive(Clone, Debug)]
pub struct RunDetail {
    /// The run.
    pub run: Run,
    /// Its steps with their totals.
    pub steps: Vec<(RunStep, Counts)>,
    /// When what is left of it would end.
    pub forecast: Option<Forecast>,
}

/// A page of runs; the newest first unless asked for otherwise.
pub fn run_list(rx: &mut Rx, cx: &Cx, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>, Error> {
    cx.may_here(Role::Viewer, "listing runs")?;
    Ok(rx.runs(cx.org, filter, page)?)
}

fn run_found(rx: &mut Rx, cx: &Cx, id: RunId) -> Result<Run, Error> {
    cx.may_here(Role::Viewer, "looking at runs")?;
    rx.run(cx.org, id)?.ok_or_else(|| Error::not_found("run/not-found", "run", id))
}

/// One run. Devices whose assignments are not made yet count as prepared, so that the totals always sum.
pub fn run_view(rx: &mut Rx, cx: &Cx, id: RunId) -> Result<RunDetail, Error> {
    let run = run_found(rx, cx, id)?;
    let counts = rx.run_counts(id)?;
    let (own, mut steps) = (rx.run_steps(id)?, Vec::new());
    let forecast = crate::forecast::of_run(rx, cx, &run, &own)?;
    let job = rx.job(id)?;
    for step in own {
        let mut own = counts.iter().find(|(index, _)| *index == step.step).map_or(Counts::default(), |(_, c)| *c);
        // Of a step of the server there is one; what is not made yet waits, unless the branch that was taken leaves it out.
        let wanted = if run.walked && step.scope == Scope::Server { 1 } else { run.targeted };
        let is_left_out = job.as_ref().and_then(|j| j.trail.results.get(&step.name)).is_some_and(|r| r.state == State::Skipped);
        own.add(if is_left_out { State::Skipped } else { State::Prepared }, wanted - own.total());
        steps.push((step, own));
    }
    Ok(RunDetail { run, steps, forecast })
}

/// A page of the targets of a run of several steps, each with its walk and its device's name. A run of one step has none: its
/// assignments are its targets.
pub fn run_targets(rx: &mut Rx, cx: &Cx, id: RunId, states: &[State], page: &PageRequest) -> Result<Page<(Walk, String)>, Error> {
    run_found(rx, cx, id)?;
    Ok(rx.walks(id, states, page)?)
}

/// The record of a run, the newest first; `before` continues.
pub fn run_events(rx: &mut Rx, cx: &Cx, id: RunId, before: Option<i64>, limit: usize) -> Result<Vec<Event>, Error> {
    run_found(rx, cx, id)?;
    Ok(rx.run_events(id, before, limit)?)
}

/// Ends a run: nothing more is handed out from now on; a worker ends what waits, what is under way is asked to end.
pub fn run_cancel(tx: &mut Tx, cx: &Cx, id: RunId) -> Result<RunDetail, Error> {
    run_found(tx, cx, id)?;
    cx.may_here(Role::Operator, "cancelling runs")?;
    let Some(mut run) = tx.run_for_update(cx.org, id)? else { return Err(Error::not_found("run/not-found", "run", id)) };
    if run.state == RunState::Finished {
        return Err(Error::new(Kind::Conflict, "run/finished", "this run has already finished"));
    }
    if !run.cancel_requested {
        run.cancel_requested = true;
        // What is left is made as cancelled; nothing waits at a gate any more.
        run.rollout.gate_at = None;
        tx.run_update(&run)?;
        tx.event_insert(cx.org, id, None, None, cx.now, "cancel_requested", &json!({"by": cx.name}))?;
        record(tx, cx, Some(cx.org), "run_cancel", Object { kind: "run", id: Some(id.0), name: &run.task_name }, None, None)?;
    }
    run_view(tx, cx, id)
}

/// A page of assignments: of a run, a device, or the queue, as the filter says.
pub fn assignment_list(
    rx: &mut Rx,
    cx: &Cx,
    filter: &AssignmentFilter,
    page: &PageRequest,
) -> Result<Page<(AssignmentRow, Option<Reason>)>, Error> {
    cx.may_here(Role::Viewer, "listing assignments")?;
    let page = rx.assignments(cx.org, filter, page)?;
    let org = house(rx, cx.org)?;
    let devices: Vec<DeviceId> = page.items.iter().filter(|a| a.record.state.status.state().is_open()).map(|a| a.record.device).collect();
    let agents = rx.agents_of_all(&devices)?;
    let loads = Loads::of(rx, cx, &org, &devices)?;
    let mut pools: BTreeMap<RunId, Option<pool::Standing>> = BTreeMap::new();
    for row in page.items.iter().filter(|row| row.record.pooled && row.record.state.status.state() == State::Prepared) {
        if let Entry::Vacant(place) = pools.entry(row.record.run) {
            place.insert(pool_of(rx, &org, row, cx.now)?);
        }
    }
    Ok(page.map(|row| {
        let reason = row.record.state.status.state().is_open().then(|| {
            let own: Vec<Agent> = agents.iter().filter(|a| a.device == row.record.device).cloned().collect();
            why(&situation(&row, &own, pools.get(&row.record.run).copied().flatten(), &org, &loads, cx.now), cx.now)
        });
        (row, reason)
    }))
}

pub(crate) fn house(rx: &mut Rx, org: OrgId) -> Result<Org, Error> {
    rx.org(org)?.ok_or_else(|| Error::not_found("org/not-found", "organization", org))
}

/// The organization acted in, with its brake.
pub fn house_view(rx: &mut Rx, cx: &Cx) -> Result<Org, Error> {
    cx.may_here(Role::Viewer, "looking at the brake")?;
    house(rx, cx.org)
}

/// What is under way where it is limited.
pub(crate) struct Loads {
    org: Load,
    agents: BTreeMap<AgentId, i64>,
    /// Whether OCS agents can fetch packages.
    packages: bool,
}

impl Loads {
    /// Where nothing is under way.
    pub(crate) fn idle(cx: &Cx) -> Self {
        Self { org: Load::default(), agents: BTreeMap::new(), packages: cx.packages }
    }

    /// Of an organization and the agents of some devices.
    pub(crate) fn of(rx: &mut Rx, cx: &Cx, org: &Org, devices: &[DeviceId]) -> Result<Self, Error> {
        let org = match work::in_flight_max(&org.settings) {
            Some(most) => Load { in_flight: rx.org_in_flight(org.id)?, most: Some(most) },
            None => Load::default(),
        };
        Ok(Self { org, agents: rx.agents_in_flight(devices)?, packages: cx.packages })
    }
}

/// The agents that could do a device's work, the likeliest first.
pub(crate) fn candidates(agents: &[Agent], action: &str, settings: &Settings, loads: &Loads, now: Timestamp) -> Vec<Candidate> {
    let mut sorted: Vec<&Agent> = agents.iter().collect();
    sorted.sort_by_key(|a| (std::cmp::Reverse(a.last_contact), a.protocol));
    let protocols = ActionKind::named(action).map_or(&[][..], |kind| kind.protocols());
    let is_reached = |a: &Agent| a.protocol != Protocol::Ocs || loads.packages || !PACKAGED.contains(&action);
    let each = |a: &&Agent| Candidate {
        protocol: a.protocol,
        hands: work::hands(
            a,
            action,
            protocols.contains(&a.protocol) && is_reached(a),
            loads.agents.get(&a.id).copied().unwrap_or_default(),
            settings,
        ),
        last_contact: a.last_contact,
        next_contact: a.next_contact,
        online: agent_online(a, settings, now),
        address: a.address.as_ref().map(|ip| format!("{ip}:{}", a.port.unwrap_or(AGENT_HTTP_PORT))),
        last_wake: a.last_wake.clone(),
    };
    sorted.iter().map(each).collect()
}

/// How the pool stands that does an assignment; none where a machine's own agent does it.
fn pool_of(rx: &mut Rx, org: &Org, row: &AssignmentRow, now: Timestamp) -> Result<Option<pool::Standing>, Error> {
    if !row.record.pooled {
        return Ok(None);
    }
    let Some(run) = rx.run(org.id, row.record.run)? else { return Ok(None) };
    let doc = rx.task_doc(run.task, run.task_version)?;
    let standing = |doc| crate::pool::Pool::of(rx, org.id, run.id, doc)?.standing(rx, org, now);
    Ok(Some(doc.map_or(Ok(pool::Standing::default()), standing)?))
}

fn situation(row: &AssignmentRow, agents: &[Agent], pool: Option<pool::Standing>, org: &Org, loads: &Loads, now: Timestamp) -> Situation {
    Situation {
        assignment: row.record.state,
        around: Around {
            frozen: org.freeze.as_ref().map(|f| f.at),
            org: loads.org,
            state: row.run_state,
            ending: row.run_ending,
            run: row.run_load,
            open_to_strangers: row.open_to_strangers,
        },
        by_server: row.record.device == DeviceId::SERVER,
        by_book: row.by_book,
        pool,
        push: row.delivery == Delivery::Push && org.settings.wake_enabled,
        candidates: candidates(agents, &row.action, &org.settings, loads, now),
    }
}

fn assignment_found(rx: &mut Rx, cx: &Cx, id: AssignmentId) -> Result<AssignmentRow, Error> {
    cx.may_here(Role::Viewer, "looking at assignments")?;
    rx.assignment(cx.org, id)?.ok_or_else(|| Error::not_found("assignment/not-found", "assignment", id))
}

/// All that is known of one assignment.
#[derive(Clone, Debug)]
pub struct AssignmentDetail {
    /// The assignment.
    pub row: AssignmentRow,
    /// Why it stands where it does.
    pub reason: Reason,
    /// The conditions behind the reason.
    pub conditions: Vec<Condition>,
    /// Its attempts with their agents, as far as those are still known.
    pub attempts: Vec<(AttemptRecord, Option<Agent>)>,
    /// The names of those agents' devices.
    pub names: BTreeMap<DeviceId, String>,
    /// Its record.
    pub events: Vec<Event>,
}

/// All that is known of one assignment.
pub fn assignment_view(rx: &mut Rx, cx: &Cx, id: AssignmentId) -> Result<AssignmentDetail, Error> {
    let row = assignment_found(rx, cx, id)?;
    let org = house(rx, cx.org)?;
    let agents = rx.agents_of(row.record.device)?;
    let loads = Loads::of(rx, cx, &org, &[row.record.device])?;
    let pool = pool_of(rx, &org, &row, cx.now)?;
    let situation = situation(&row, &agents, pool, &org, &loads, cx.now);
    let mut attempts = Vec::new();
    for attempt in rx.attempts(id)? {
        let agent = rx.agent(attempt.agent)?;
        attempts.push((attempt, agent));
    }
    let (reason, conditions) = (why(&situation, cx.now), conditions(&situation, cx.now));
    let of: Vec<DeviceId> = attempts.iter().filter_map(|(_, agent)| agent.as_ref().map(|agent| agent.device)).collect();
    let names = rx.devices_by_id(cx.org, &of)?.into_iter().map(|device| (device.id, device.name)).collect();
    Ok(AssignmentDetail { reason, conditions, attempts, names, events: rx.assignment_events(id)?, row })
}

/// Ends an assignment that waits; asks for the end of one that is under way.
pub fn assignment_cancel(tx: &mut Tx, cx: &Cx, id: AssignmentId) -> Result<AssignmentDetail, Error> {
    let row = assignment_found(tx, cx, id)?;
    cx.may_here(Role::Operator, "cancelling assignments")?;
    if !row.record.state.status.state().is_open() {
        return Err(Error::new(Kind::Conflict, "assignment/final", format!("it has already ended: {}", row.record.state.status.state())));
    }
    work::cancel(tx, cx, &[id])?;
    record(tx, cx, Some(cx.org), "assignment_cancel", Object { kind: "assignment", id: Some(id.0), name: &row.device_name }, None, None)?;
    assignment_view(tx, cx, id)
}
