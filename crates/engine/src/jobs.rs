//! Jobs: tasks of several steps. What is next is decided in `muster_core::tasks::job`; here walks are loaded, moved and saved.
//!
//! In a client job each target walks alone: its next assignment is made in the transaction in which the one before ends. In a
//! server job a worker waits at the barrier of each step, decides once for all, and brings the targets on, piece by piece.

mod lead;

pub use lead::work;

use crate::cx::Cx;
use crate::error::Error;
use crate::work::{self, Claimed, change, save};
use crate::workers::wake_agents;
use muster_core::fleet::{Agent, DeviceFacts};
use muster_core::ids::{AgentId, AssignmentId, DeviceId, RunId};
use muster_core::settings::Settings;
use muster_core::tasks::doc::ActionKind;
use muster_core::tasks::job::guard::Guard;
use muster_core::tasks::job::led::{Course, Leg, RunFacts, Standing};
use muster_core::tasks::job::{Job, Move, Next, Plan, StepResult, Trail};
use muster_core::tasks::state::Actor;
use muster_core::tasks::{
    AssignmentRecord, AttemptState, BookRow, Change, Delivery, Input, JobPhase, JobRecord, Lead, Led, Mode, Run, RunState, RunStep, Scope,
    State, TaskDoc, Walk,
};
use muster_core::time::Timestamp;
use muster_store::{NewAssignment, Tx};
use serde_json::json;
use std::collections::BTreeMap;

/// The steps of a run's version of its task; none where the version is gone.
fn document(tx: &mut Tx, run: &Run) -> Result<Option<TaskDoc>, Error> {
    Ok(tx.task_doc(run.task, run.task_version)?)
}

/// What the conditions of a client job may ask of some devices; nothing is loaded where there is none.
fn facts_of(tx: &mut Tx, run: &Run, plan: &Plan<Guard>, devices: &[DeviceId]) -> Result<BTreeMap<DeviceId, DeviceFacts>, Error> {
    if run.mode == Mode::ServerJob || !plan.asks_device() {
        return Ok(BTreeMap::new());
    }
    Ok(tx.devices_by_id(run.org, devices)?.into_iter().map(|d| (d.id, d.into())).collect())
}

/// Rows that moves make, kept until all are decided.
#[derive(Default)]
struct Rows {
    made: BTreeMap<(i64, u8), Vec<NewAssignment>>,
    skipped: BTreeMap<i64, Vec<(AssignmentId, DeviceId)>>,
    led: Vec<Alone>,
}

/// What an agent does without being handed it.
struct Alone {
    assignment: AssignmentId,
    actor: Actor,
    since: Timestamp,
    /// Whether it goes on with it, or begins it by its order book.
    lead: Lead,
}

/// The steps of a run while its targets are moved.
struct Steps<'a> {
    run: &'a Run,
    doc: &'a TaskDoc,
    plan: Plan<Guard>,
}

fn index(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

impl<'a> Steps<'a> {
    fn of(run: &'a Run, doc: &'a TaskDoc) -> Self {
        Self { run, doc, plan: Plan::of(doc) }
    }

    fn job(&self) -> Job<'_, Guard> {
        Job::of(&self.plan)
    }

    /// Brings a walk where its move leads.
    fn go(&self, cx: &Cx, walk: &mut Walk, it: &Move, priority: u8, rows: &mut Rows) {
        self.go_as(cx, walk, it, priority, rows, None);
    }

    /// As `go`; with `known`, the agent that walks alone comes to the same assignment after this one by itself.
    fn go_as(&self, cx: &Cx, walk: &mut Walk, it: &Move, priority: u8, rows: &mut Rows, known: Option<&Change>) {
        let of_machines = |place: &&usize| self.doc.steps.get(**place).is_some_and(|s| s.scope() == Scope::Client);
        for place in it.skipped.iter().filter(of_machines) {
            rows.skipped.entry(index(*place)).or_default().push((cx.id(), walk.device));
        }
        match it.next {
            Next::End(state) => walk.state = state,
            Next::Do(place) => {
                let Some(step) = self.doc.steps.get(place) else { return };
                let (round, replaces) = walk.trail.enter(&step.id);
                (walk.step, walk.round) = (index(place), round);
                let (from, not_after) = (walk.not_before.max(cx.now), walk.not_after);
                let id = known.map_or_else(|| cx.id(), |before| before.before.id.following(place, round));
                let led = walk.led.as_ref().filter(|led| led.goes_on).zip(known);
                rows.led.extend(led.map(|(led, before)| Alone {
                    assignment: id,
                    actor: led.actor(),
                    since: before.at,
                    lead: Lead::GoesOn,
                }));
                let new = NewAssignment { id, device: walk.device, from, not_after, round, replaces };
                rows.made.entry((index(place), priority)).or_default().push(new);
            }
        }
    }

    /// Begins a walk on a machine that keeps the task: as it was given it. What it says to hold it has at once.
    fn begin_kept(&self, row: &BookRow, walk: &mut Walk, rows: &mut Rows) {
        let Standing { conditions, place, round, trail } = row.standing.clone();
        let (Some(id), Actor { agent, incarnation }) = (crate::book::first_id(self.run, row), row.actor) else { return };
        let goes_on = row.begins.is_some() && !self.run.cancel_requested;
        walk.led = Some(Led { agent, incarnation, conditions, goes_on, by_book: true });
        (walk.step, walk.round, walk.trail) = (index(place), round, trail);
        let new = NewAssignment { id, device: walk.device, from: walk.not_before, not_after: walk.not_after, round, replaces: None };
        rows.made.entry((index(place), self.run.priority)).or_default().push(new);
        let since = walk.not_before.max(self.run.created);
        rows.led.extend(goes_on.then_some(Alone { assignment: id, actor: row.actor, since, lead: Lead::InBook }));
    }

    /// Ends a walk as it stands.
    fn end(&self, cx: &Cx, walk: &mut Walk, state: State, rows: &mut Rows) {
        let it = self.job().end(&mut walk.trail, state);
        self.go(cx, walk, &it, self.run.priority, rows);
    }

    /// Writes what was made; what no agent of its target can do fails at once.
    fn write(&self, tx: &mut Tx, cx: &Cx, rows: Rows) -> Result<(), Error> {
        let mut unable = Vec::new();
        for ((step, priority), new) in &rows.made {
            tx.assignments_insert(self.run.org, self.run.id, *step, *priority, cx.now, new)?;
            unable.extend(self.unable(tx, *step, new)?);
            if self.run.delivery == Delivery::Push && !self.run.cancel_requested {
                wake_agents(tx, cx, self.run.org, new)?;
            }
        }
        for (step, skipped) in &rows.skipped {
            tx.assignments_skip((self.run.org, self.run.id), *step, self.run.priority, cx.now, skipped)?;
        }
        self.goes_on(tx, cx, &rows.led)?.map_or(Ok(()), |changes| save(tx, cx, &changes))?;
        if unable.is_empty() {
            return Ok(());
        }
        let records = tx.assignments_for_update(&unable)?;
        let changes: Vec<Change> = records
            .into_iter()
            .filter_map(|r| change(r, Input::Unable, cx.now).ok())
            .map(|it| Change { data: json!({"unable": true}), ..it })
            .collect();
        save(tx, cx, &changes)
    }

    /// What agents that walk alone go on with is theirs at once.
    fn goes_on(&self, tx: &mut Tx, cx: &Cx, led: &[Alone]) -> Result<Option<Vec<Change>>, Error> {
        if led.is_empty() {
            return Ok(None);
        }
        let (steps, settings) = (tx.run_steps(self.run.id)?, tx.org(self.run.org)?.map(|org| org.settings).unwrap_or_default());
        let ids: Vec<AssignmentId> = led.iter().map(|it| it.assignment).collect();
        let mut changes = Vec::new();
        for record in tx.assignments_for_update(&ids)? {
            let Some(&Alone { actor, since, lead, .. }) = led.iter().find(|it| it.assignment == record.id) else { continue };
            let Some(step) = steps.iter().find(|s| s.step == record.step) else { continue };
            let lease = since.plus(work::patience(step, &settings, muster_core::fleet::Protocol::Muster, true));
            // What is begun by an order book may still be ahead.
            if let Ok(taken) = change(record, Input::Lead { actor, lease }, since.min(cx.now)) {
                changes.push(Change { lead, data: json!({"agent": actor.agent, "alone": true}), ..taken });
            }
        }
        Ok(Some(changes))
    }

    fn unable(&self, tx: &mut Tx, step: i64, new: &[NewAssignment]) -> Result<Vec<AssignmentId>, Error> {
        let action = usize::try_from(step).ok().and_then(|place| self.doc.steps.get(place)).map(|s| s.action.kind());
        let Some(protocols) = action.and_then(ActionKind::named).map(|kind| kind.protocols()) else { return Ok(Vec::new()) };
        if protocols.len() == muster_core::fleet::Protocol::ALL.len() {
            return Ok(Vec::new());
        }
        let devices: Vec<DeviceId> = new.iter().map(|n| n.device).filter(|d| *d != DeviceId::SERVER).collect();
        let agents = tx.agents_of_all(&devices)?;
        let is_unable = |n: &&NewAssignment| {
            let mut own = agents.iter().filter(|a| a.device == n.device).peekable();
            own.peek().is_some() && own.all(|a| !protocols.contains(&a.protocol))
        };
        Ok(new.iter().filter(is_unable).map(|n| n.id).collect())
    }
}

/// Makes the walks of a piece of a run's targets; those of a client job take their first step.
pub(crate) fn begin(tx: &mut Tx, cx: &Cx, run: &Run, targets: &[NewAssignment]) -> Result<(), Error> {
    let Some(doc) = document(tx, run)? else { return Ok(()) };
    let devices: Vec<DeviceId> = targets.iter().map(|n| n.device).collect();
    let steps = Steps::of(run, &doc);
    let facts = facts_of(tx, run, &steps.plan, &devices)?;
    let kept = crate::book::entries_of(tx, run, &doc, &devices)?;
    let (mut rows, mut walks) = (Rows::default(), Vec::with_capacity(targets.len()));
    for new in targets {
        let mut walk = Walk {
            run: run.id,
            device: new.device,
            state: State::Prepared,
            step: -1,
            round: 0,
            not_before: new.from,
            not_after: new.not_after,
            trail: Trail::default(),
            led: None,
            updated: cx.now,
        };
        match kept.get(&new.device) {
            Some(row) => steps.begin_kept(row, &mut walk, &mut rows),
            None if run.mode == Mode::ClientJob => {
                let it = steps.job().begin(&mut walk.trail, facts.get(&new.device));
                steps.go(cx, &mut walk, &it, run.priority, &mut rows);
            }
            None => {}
        }
        walks.push(walk);
    }
    tx.walks_insert(run.id, &walks)?;
    steps.write(tx, cx, rows)
}

/// What an agent needs to walk on alone from a piece that it was handed.
pub(crate) fn alone(
    tx: &mut Tx,
    doc: Option<&TaskDoc>,
    it: &Claimed,
    agent: &Agent,
    settings: &Settings,
) -> Result<Option<(Course, Standing)>, Error> {
    let (Some(doc), Some(walk), Some(run)) = (doc, tx.walk(it.run, agent.device)?, tx.run(agent.org, it.run)?) else { return Ok(None) };
    let (Some(led), Ok(place)) = (walk.led, usize::try_from(walk.step)) else { return Ok(None) };
    let steps = tx.run_steps(run.id)?;
    let facts = RunFacts { task_name: run.task_name, number: run.number, id: run.id.to_string(), targets: run.targeted };
    let course = course(doc, &steps, settings, facts)?;
    Ok(Some((course, Standing { conditions: led.conditions, place, round: walk.round, trail: walk.trail })))
}

/// A job as an agent gets it.
pub(crate) fn course(doc: &TaskDoc, steps: &[RunStep], settings: &Settings, run: RunFacts) -> Result<Course, Error> {
    let mut legs = Vec::with_capacity(steps.len());
    for (step, written) in steps.iter().zip(&doc.steps) {
        let action = serde_json::to_value(&written.action).map_err(|e| Error::invalid("task/action", "/steps", e.to_string()))?;
        legs.push(Leg {
            action,
            timeout_seconds: work::lease_of(step, settings).as_secs(),
            stops: step.stops,
            idempotent: step.rules.idempotent,
            attempts: step.rules.attempts_max,
            backoff_ms: u64::try_from(step.rules.backoff.as_millis()).unwrap_or(u64::MAX),
            on_error: step.rules.on_error,
        });
    }
    Ok(Course { plan: Plan::of(doc).with(&[]), legs, run })
}

/// All targets of a run are there: a server job begins.
pub(crate) fn lead(tx: &mut Tx, cx: &Cx, run: &Run) -> Result<(), Error> {
    if run.mode == Mode::ClientJob {
        return Ok(());
    }
    let Some(doc) = document(tx, run)? else { return Ok(()) };
    let (steps, mut trail) = (Steps::of(run, &doc), Trail::default());
    let it = steps.job().begin(&mut trail, None);
    let mut job = JobRecord {
        run: run.id,
        org: run.org,
        phase: JobPhase::Moving,
        step: -1,
        round: 0,
        reached: None,
        since: cx.now,
        due: Some(cx.now),
        trail,
    };
    lead::turn(&doc, &mut job, &it, cx.now);
    Ok(tx.job_save(&job)?)
}

/// Targets that are gone take no further part: what they have open is cancelled, and so are they.
pub(crate) fn leave(tx: &mut Tx, cx: &Cx, run: &Run, devices: &[DeviceId]) -> Result<(), Error> {
    let Some(doc) = document(tx, run)? else { return Ok(()) };
    let steps = Steps::of(run, &doc);
    let open: Vec<AssignmentId> = {
        let mut all = Vec::new();
        for device in devices {
            all.extend(tx.open_ids(*device, 1_000)?);
        }
        tx.assignments_for_update(&all)?.into_iter().filter(|r| r.run == run.id).map(|r| r.id).collect()
    };
    work::cancel(tx, cx, &open)?;
    let (mut rows, mut saved) = (Rows::default(), Vec::new());
    for mut walk in tx.walks_for_update(run.id, devices)?.into_iter().filter(|w| w.state.is_open()) {
        let before = walk.state;
        steps.end(cx, &mut walk, State::Cancelled, &mut rows);
        saved.push((before, walk));
    }
    tx.walks_save(run.id, cx.now, &saved)?;
    steps.write(tx, cx, rows)
}

/// Lets walks and server jobs follow what happened to their assignments.
pub(crate) fn follow(tx: &mut Tx, cx: &Cx, changes: &[Change]) -> Result<(), Error> {
    let mut by_run: BTreeMap<RunId, Vec<&Change>> = BTreeMap::new();
    for change in changes.iter().filter(|c| c.before.walked && moves(c)) {
        by_run.entry(change.before.run).or_default().push(change);
    }
    for mine in by_run.into_values() {
        follow_run(tx, cx, &mine)?;
    }
    Ok(())
}

/// Whether a change is one that a walk follows: a hand-out, another try, its end, a late result.
fn moves(change: &Change) -> bool {
    let (before, after) = (change.before.state.status.state(), change.after.status.state());
    before != after && after != State::Running
}

fn follow_run(tx: &mut Tx, cx: &Cx, mine: &[&Change]) -> Result<(), Error> {
    let Some(first) = mine.first() else { return Ok(()) };
    let Some(run) = tx.run(first.before.org, first.before.run)? else { return Ok(()) };
    let Some(doc) = document(tx, &run)? else { return Ok(()) };
    let devices: Vec<DeviceId> = mine.iter().map(|c| c.before.device).filter(|d| *d != DeviceId::SERVER).collect();
    let steps = Steps::of(&run, &doc);
    let facts = facts_of(tx, &run, &steps.plan, &devices)?;
    let mut walks: BTreeMap<DeviceId, (State, Walk)> =
        tx.walks_for_update(run.id, &devices)?.into_iter().map(|w| (w.device, (w.state, w))).collect();
    let leaders = leaders(tx, &run, walks.values().map(|(_, walk)| walk))?;
    let (mut rows, mut has_ended) = (Rows::default(), false);
    for change in mine {
        has_ended |= !change.after.status.state().is_open();
        if change.before.device == DeviceId::SERVER {
            of_server(tx, cx, &steps, change)?;
        } else if let Some((_, walk)) = walks.get_mut(&change.before.device) {
            let leader = walk.led.as_ref().and_then(|led| leaders.get(&led.agent));
            steps.walk_on(cx, walk, change, (facts.get(&change.before.device), leader), &mut rows);
        }
    }
    let saved: Vec<(State, Walk)> = walks.into_values().collect();
    tx.walks_save(run.id, cx.now, &saved)?;
    if has_ended && run.mode == Mode::ServerJob {
        tx.job_nudge(run.id, cx.now)?;
    }
    let goes_on: Vec<DeviceId> = rows.made.values().flatten().map(|new| new.device).collect();
    steps.write(tx, cx, rows)?;
    // A device that was removed while it had a step under way goes no further.
    let there = tx.devices_there(run.org, &goes_on)?;
    let gone: Vec<DeviceId> = goes_on.into_iter().filter(|d| there.binary_search(d).is_err()).collect();
    if gone.is_empty() { Ok(()) } else { leave(tx, cx, &run, &gone) }
}

/// The agents that walk alone, as they stand; none may go on while the run or all work is held.
fn leaders<'w>(tx: &mut Tx, run: &Run, walks: impl Iterator<Item = &'w Walk>) -> Result<BTreeMap<AgentId, Agent>, Error> {
    let ids: Vec<AgentId> = walks.filter_map(|walk| Some(walk.led.as_ref()?.agent)).collect();
    let is_held = matches!(run.gate_state(), RunState::Paused | RunState::Halted) || run.cancel_requested;
    if ids.is_empty() || is_held || tx.org(run.org)?.is_none_or(|org| org.freeze.is_some()) {
        return Ok(BTreeMap::new());
    }
    Ok(tx.agents_by_id(&ids)?.into_iter().filter(|a| a.org == run.org && a.verified).map(|a| (a.id, a)).collect())
}

/// What a step came to for one target.
fn result(plan: &Plan<Guard>, change: &Change) -> StepResult {
    let (state, exit_code) = (change.after.status.state(), change.exit_code.or(change.before.exit_code));
    let part = usize::try_from(change.before.step).ok().and_then(|place| plan.parts.get(place));
    part.map_or_else(|| StepResult { exit_code, ..StepResult::new(state) }, |part| part.result(state, exit_code, change.output.as_deref()))
}

/// A step of the server in a server job: its result is one for all.
fn of_server(tx: &mut Tx, cx: &Cx, steps: &Steps<'_>, change: &Change) -> Result<(), Error> {
    if change.after.status.state() == State::Started && steps.run.started.is_none() {
        if let Some(mut run) = tx.run_for_update(steps.run.org, steps.run.id)? {
            run.started = Some(cx.now);
            tx.run_update(&run)?;
        }
        return Ok(());
    }
    let Some(mut job) = tx.job_for_update(steps.run.id)? else { return Ok(()) };
    let is_here = job.step == change.before.step && job.round == change.before.round;
    if let Some(step) = usize::try_from(job.step).ok().and_then(|place| steps.doc.steps.get(place)).filter(|_| is_here) {
        job.trail.results.insert(step.id.clone(), result(&steps.plan, change));
        tx.job_save(&job)?;
    }
    Ok(())
}

impl Steps<'_> {
    /// Who leads a walk after a change of the step it is at: an agent that walks alone goes on as long as it tells how its steps end.
    fn leads(&self, walk: &mut Walk, change: &Change, device: Option<&DeviceFacts>, leader: Option<&Agent>) {
        let holder = change.after.status.lease().or(change.before.state.status.lease()).map(|(actor, _)| actor);
        let goes_on = match (change.lead, change.after.status.state()) {
            (Lead::Begins, _) => {
                let conditions = self.plan.bound(device);
                // It may begin by its book what it was handed as well.
                let was = walk.led.take().filter(|led| led.by_book);
                let led = |actor: Actor| {
                    let by_book = was.is_some_and(|was| was.actor() == actor);
                    Led { agent: actor.agent, incarnation: actor.incarnation, conditions, goes_on: true, by_book }
                };
                return walk.led = holder.map(led);
            }
            (Lead::GoesOn | Lead::InBook, _) => true,
            (Lead::No, State::Started) => false,
            (Lead::No, _) => {
                let was_told = matches!(change.attempt, Some(AttemptState::Ok | AttemptState::Error));
                was_told && !change.before.state.cancel_requested && leader.is_some_and(|it| self.may_lead(it, change))
            }
        };
        if let Some(led) = &mut walk.led {
            led.goes_on &= goes_on && holder == Some(led.actor());
        }
    }

    /// Whether an agent may still do every step that can follow.
    fn may_lead(&self, agent: &Agent, change: &Change) -> bool {
        let lives_on = change.before.state.last_actor.is_some_and(|it| it.incarnation == agent.incarnation);
        lives_on && agent.device == change.before.device && self.doc.steps.iter().all(|s| agent.may_be_asked(s.action.kind()))
    }

    fn walk_on(
        &self,
        cx: &Cx,
        walk: &mut Walk,
        change: &Change,
        (device, leader): (Option<&DeviceFacts>, Option<&Agent>),
        rows: &mut Rows,
    ) {
        let record: &AssignmentRecord = &change.before;
        let after = change.after.status.state();
        if (walk.step, walk.round) != (record.step, record.round) {
            return;
        }
        self.leads(walk, change, device, leader);
        if after == State::Started {
            if walk.state == State::Prepared {
                walk.state = State::Running;
            }
            return;
        }
        if after == State::Prepared {
            let led = walk.led.as_ref().filter(|led| led.goes_on);
            let alone = |led: &Led| Alone { assignment: record.id, actor: led.actor(), since: change.at, lead: Lead::GoesOn };
            return rows.led.extend(led.map(alone));
        }
        let Ok(at) = usize::try_from(record.step) else { return };
        let Some(step) = self.doc.steps.get(at) else { return };
        walk.trail.results.insert(step.id.clone(), result(&self.plan, change));
        if !walk.state.is_open() {
            if walk.state == State::Unknown && record.state.status.state() == State::Unknown {
                walk.state = self.job().amended(at, after).unwrap_or(walk.state);
            }
            return;
        }
        // The targets of a server job wait for each other.
        if self.run.mode == Mode::ServerJob {
            return;
        }
        let mut it = match &walk.led {
            Some(led) => Job::of(&self.plan.with(&led.conditions)).follow(&mut walk.trail, at, after == State::Error, None),
            None => self.job().follow(&mut walk.trail, at, after == State::Error, device),
        };
        if self.run.cancel_requested && matches!(it.next, Next::Do(_)) {
            it = self.job().end(&mut walk.trail, State::Cancelled);
        }
        self.go_as(cx, walk, &it, record.priority, rows, Some(change));
    }
}
