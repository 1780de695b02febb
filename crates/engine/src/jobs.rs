//! Jobs: tasks of several steps. What is next is decided in `muster_core::tasks::job`; here walks are loaded, moved and saved.
//!
//! In a client job each target walks alone: its next assignment is made in the transaction in which the one before ends. In a
//! server job a worker waits at the barrier of each step, decides once for all, and brings the targets on, piece by piece.

mod lead;

pub use lead::work;

use crate::cx::Cx;
use crate::error::Error;
use crate::work::{change, save};
use crate::workers::wake_agents;
use muster_core::fleet::DeviceFacts;
use muster_core::ids::{AssignmentId, DeviceId, RunId};
use muster_core::tasks::doc::ActionKind;
use muster_core::tasks::job::capture::Capture;
use muster_core::tasks::job::{Job, Move, Next, StepResult, Trail};
use muster_core::tasks::{AssignmentRecord, Change, Delivery, Input, JobPhase, JobRecord, Mode, Run, Scope, State, TaskDoc, Walk};
use muster_store::{NewAssignment, Tx};
use serde_json::json;
use std::collections::BTreeMap;

/// The steps of a run's version of its task; none where the version is gone.
fn document(tx: &mut Tx, run: &Run) -> Result<Option<TaskDoc>, Error> {
    Ok(tx.task_doc(run.task, run.task_version)?)
}

/// What the conditions of a client job may ask of some devices; nothing is loaded where there is none.
fn facts_of(tx: &mut Tx, run: &Run, doc: &TaskDoc, devices: &[DeviceId]) -> Result<BTreeMap<DeviceId, DeviceFacts>, Error> {
    if run.mode == Mode::ServerJob || doc.steps.iter().all(|s| s.when.is_none()) {
        return Ok(BTreeMap::new());
    }
    Ok(tx.devices_by_id(run.org, devices)?.into_iter().map(|d| (d.id, d.into())).collect())
}

/// Rows that moves make, kept until all are decided.
#[derive(Default)]
struct Rows {
    made: BTreeMap<(i64, u8), Vec<NewAssignment>>,
    skipped: BTreeMap<i64, Vec<(AssignmentId, DeviceId)>>,
}

/// The steps of a run while its targets are moved.
struct Steps<'a> {
    run: &'a Run,
    doc: &'a TaskDoc,
}

fn index(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

impl Steps<'_> {
    fn job(&self) -> Job<'_> {
        Job::of(self.doc)
    }

    /// Brings a walk where its move leads.
    fn go(&self, cx: &Cx, walk: &mut Walk, it: &Move, priority: u8, rows: &mut Rows) {
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
                let new = NewAssignment { id: cx.id(), device: walk.device, from, not_after, round, replaces };
                rows.made.entry((index(place), priority)).or_default().push(new);
            }
        }
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
    let facts = facts_of(tx, run, &doc, &devices)?;
    let (steps, mut rows, mut walks) = (Steps { run, doc: &doc }, Rows::default(), Vec::with_capacity(targets.len()));
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
            updated: cx.now,
        };
        if run.mode == Mode::ClientJob {
            let it = steps.job().begin(&mut walk.trail, facts.get(&new.device));
            steps.go(cx, &mut walk, &it, run.priority, &mut rows);
        }
        walks.push(walk);
    }
    tx.walks_insert(run.id, &walks)?;
    steps.write(tx, cx, rows)
}

/// All targets of a run are there: a server job begins.
pub(crate) fn lead(tx: &mut Tx, cx: &Cx, run: &Run) -> Result<(), Error> {
    if run.mode == Mode::ClientJob {
        return Ok(());
    }
    let Some(doc) = document(tx, run)? else { return Ok(()) };
    let mut trail = Trail::default();
    let it = Job::of(&doc).begin(&mut trail, None);
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
    let steps = Steps { run, doc: &doc };
    let open: Vec<AssignmentId> = {
        let mut all = Vec::new();
        for device in devices {
            all.extend(tx.open_ids(*device, 1_000)?);
        }
        tx.assignments_for_update(&all)?.into_iter().filter(|r| r.run == run.id).map(|r| r.id).collect()
    };
    crate::work::cancel(tx, cx, &open)?;
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

/// Whether a change is one that a walk follows: its first hand-out, its end, a late result.
fn moves(change: &Change) -> bool {
    let (before, after) = (change.before.state.status.state(), change.after.status.state());
    before != after && (after == State::Started || !after.is_open())
}

fn follow_run(tx: &mut Tx, cx: &Cx, mine: &[&Change]) -> Result<(), Error> {
    let Some(first) = mine.first() else { return Ok(()) };
    let Some(run) = tx.run(first.before.org, first.before.run)? else { return Ok(()) };
    let Some(doc) = document(tx, &run)? else { return Ok(()) };
    let devices: Vec<DeviceId> = mine.iter().map(|c| c.before.device).filter(|d| *d != DeviceId::SERVER).collect();
    let facts = facts_of(tx, &run, &doc, &devices)?;
    let mut walks: BTreeMap<DeviceId, (State, Walk)> =
        tx.walks_for_update(run.id, &devices)?.into_iter().map(|w| (w.device, (w.state, w))).collect();
    let (steps, mut rows, mut has_ended) = (Steps { run: &run, doc: &doc }, Rows::default(), false);
    for change in mine {
        has_ended |= !change.after.status.state().is_open();
        if change.before.device == DeviceId::SERVER {
            of_server(tx, cx, &steps, change)?;
        } else if let Some((_, walk)) = walks.get_mut(&change.before.device) {
            steps.walk_on(cx, walk, change, facts.get(&change.before.device), &mut rows);
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

/// What a step came to for one target.
fn result(doc: &TaskDoc, change: &Change) -> StepResult {
    let exit_code = change.exit_code.or(change.before.exit_code);
    let step = usize::try_from(change.before.step).ok().and_then(|place| doc.steps.get(place));
    let captured = step.into_iter().flat_map(|s| &s.outputs).filter_map(|(name, how)| {
        let taken = Capture::parse(how).ok()?.take(exit_code, change.output.as_deref())?;
        Some((name.clone(), taken))
    });
    StepResult { exit_code, outputs: captured.collect(), ..StepResult::new(change.after.status.state()) }
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
        job.trail.results.insert(step.id.clone(), result(steps.doc, change));
        tx.job_save(&job)?;
    }
    Ok(())
}

impl Steps<'_> {
    fn walk_on(&self, cx: &Cx, walk: &mut Walk, change: &Change, device: Option<&DeviceFacts>, rows: &mut Rows) {
        let record: &AssignmentRecord = &change.before;
        let after = change.after.status.state();
        if (walk.step, walk.round) != (record.step, record.round) {
            return;
        }
        if after == State::Started {
            if walk.state == State::Prepared {
                walk.state = State::Running;
            }
            return;
        }
        let Ok(at) = usize::try_from(record.step) else { return };
        let Some(step) = self.doc.steps.get(at) else { return };
        walk.trail.results.insert(step.id.clone(), result(self.doc, change));
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
        let mut it = self.job().follow(&mut walk.trail, at, after == State::Error, device);
        if self.run.cancel_requested && matches!(it.next, Next::Do(_)) {
            it = self.job().end(&mut walk.trail, State::Cancelled);
        }
        self.go(cx, walk, &it, record.priority, rows);
    }
}
