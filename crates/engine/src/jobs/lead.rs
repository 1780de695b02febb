//! Server jobs: a worker that waits at each barrier, decides once for all, and brings the targets on.

use super::{Rows, Steps, document, index};
use crate::cx::Cx;
use crate::error::Error;
use crate::work::{self, change, save};
use crate::workers::Done;
use muster_core::ids::{AssignmentId, DeviceId};
use muster_core::tasks::job::{Move, Next};
use muster_core::tasks::{Change, Counts, Input, JobPhase, JobRecord, RunState, Scope, State, TaskDoc, Walk};
use muster_core::time::Timestamp;
use muster_store::{NewAssignment, Tx};
use serde_json::json;

/// What is told of an attempt that a barrier did not wait for.
const LATE: &str = "the job waits for it no longer";
/// Jobs looked at in one command.
const LOOKED_AT: i64 = 4;
/// Targets moved in one command: others wait for it.
const PIECE: usize = 250;

/// Looks at server jobs that are due, and does a piece of what each needs.
pub fn work(tx: &mut Tx, cx: &Cx) -> Result<Done, Error> {
    let due = tx.jobs_due(cx.now, LOOKED_AT)?;
    for id in &due {
        if let Some(job) = tx.job_for_update(*id)?.filter(|job| job.due.is_some_and(|due| due <= cx.now)) {
            look(tx, cx, job)?;
        }
    }
    Ok(Done { count: due.len(), more: !due.is_empty() })
}

fn look(tx: &mut Tx, cx: &Cx, mut job: JobRecord) -> Result<(), Error> {
    let (Some(run), phase) = (tx.run_for_update(job.org, job.run)?, job.phase) else { return Ok(tx.job_end(&job)?) };
    let Some(doc) = document(tx, &run)? else { return Ok(tx.job_end(&job)?) };
    let steps = Steps::of(&run, &doc);
    match phase {
        JobPhase::Done => Ok(tx.job_end(&job)?),
        JobPhase::Ending(state) => steps.end_piece(tx, cx, job, state),
        // Nobody is left in it: what would follow is done for no one.
        _ if run.state == RunState::Finished => steps.end_piece(tx, cx, job, State::Cancelled),
        JobPhase::Moving if !run.cancel_requested => steps.move_piece(tx, cx, job),
        JobPhase::Moving | JobPhase::Waiting => {
            job.phase = JobPhase::Waiting;
            steps.at_barrier(tx, cx, job)
        }
    }
}

/// Lets a job turn where its move leads.
pub(super) fn turn(doc: &TaskDoc, job: &mut JobRecord, it: &Move, now: Timestamp) {
    (job.reached, job.due) = (None, Some(now));
    job.phase = match it.next {
        Next::End(state) => JobPhase::Ending(state),
        Next::Do(place) => {
            job.step = index(place);
            job.round = doc.steps.get(place).map_or(1, |step| job.trail.enter(&step.id).0);
            JobPhase::Moving
        }
    };
}

impl Steps<'_> {
    fn place(job: &JobRecord) -> usize {
        usize::try_from(job.step).unwrap_or(usize::MAX)
    }

    /// Brings a piece of the targets to the job's step; a step of the server is made at once.
    fn move_piece(&self, tx: &mut Tx, cx: &Cx, mut job: JobRecord) -> Result<(), Error> {
        let mut rows = Rows::default();
        let mut is_last = true;
        match self.doc.steps.get(Self::place(&job)) {
            Some(step) if step.scope() == Scope::Server => {
                let from = self.run.not_before.map_or(cx.now, |begin| begin.max(cx.now));
                let replaces = job.trail.results.get(&step.id).filter(|_| job.round > 1).map(|r| r.state);
                let (device, not_after, round) = (DeviceId::SERVER, self.run.not_after, job.round);
                let new = NewAssignment { id: cx.id(), device, from, not_after, round, replaces };
                rows.made.entry((job.step, self.run.priority)).or_default().push(new);
            }
            Some(_) => {
                let walks = tx.walks_open(self.run.id, job.reached, PIECE)?;
                (is_last, job.reached) = (walks.len() < PIECE, walks.last().map(|w| w.device));
                let devices: Vec<DeviceId> = walks.iter().map(|w| w.device).collect();
                let there = tx.devices_there(self.run.org, &devices)?;
                let mut saved = Vec::new();
                for mut walk in walks {
                    let (before, is_there) = (walk.state, there.binary_search(&walk.device).is_ok());
                    if self.bring(cx, &job, &mut walk, is_there, &mut rows) {
                        saved.push((before, walk));
                    }
                }
                tx.walks_save(self.run.id, cx.now, &saved)?;
            }
            None => {}
        }
        if is_last {
            (job.phase, job.since) = (JobPhase::Waiting, cx.now);
        }
        job.due = Some(cx.now);
        self.write(tx, cx, rows)?;
        tx.job_save(&job)?;
        work::settle(tx, cx, self.run.org, self.run.id)
    }

    /// How the last step of a target of a server job ended for it.
    fn own(&self, walk: &Walk) -> Option<(usize, State)> {
        let at = usize::try_from(walk.step).ok()?;
        Some((at, walk.trail.results.get(&self.doc.steps.get(at)?.id)?.state))
    }

    /// Brings one target to the job's step, unless it takes no part; gives whether it changed.
    fn bring(&self, cx: &Cx, job: &JobRecord, walk: &mut Walk, is_there: bool, rows: &mut Rows) -> bool {
        let (place, rules) = (Self::place(job), self.job());
        if !is_there {
            self.end(cx, walk, State::Cancelled, rows);
            return true;
        }
        let own = self.own(walk);
        if let Some(failed_at) = rules.is_for_failed(&job.trail, place) {
            let failed = self.doc.steps.get(failed_at).and_then(|s| walk.trail.results.get(&s.id));
            if failed.is_none_or(|r| r.state != State::Error) {
                return false;
            }
        } else if let Some((_, state)) = own.filter(|(at, state)| rules.drops(*at, *state)) {
            self.end(cx, walk, state, rows);
            return true;
        }
        self.go(cx, walk, &Move { next: Next::Do(place), skipped: Vec::new() }, self.run.priority, rows);
        true
    }

    /// Whether a step is over: it ended everywhere, or is waited for no longer.
    fn at_barrier(&self, tx: &mut Tx, cx: &Cx, mut job: JobRecord) -> Result<(), Error> {
        let open = tx.step_open(self.run.id, job.step, i64::try_from(PIECE).unwrap_or(i64::MAX))?;
        if open.is_empty() {
            let mut it = self.decide(tx, &mut job)?;
            if self.run.cancel_requested && matches!(it.next, Next::Do(_)) {
                it.next = Next::End(State::Cancelled);
            }
            self.left_out(tx, cx, &it)?;
            turn(self.doc, &mut job, &it, cx.now);
            return Ok(tx.job_save(&job)?);
        }
        let over = if self.run.cancel_requested { None } else { self.over(tx, &job)? };
        if over.is_some_and(|over| over <= cx.now) {
            let records = tx.assignments_for_update(&open)?;
            let late: Vec<Change> = records
                .into_iter()
                .filter_map(|r| change(r, Input::Late, cx.now).ok())
                .map(|late| Change { data: json!({"barrier": true}), message: Some(LATE.to_owned()), ..late })
                .collect();
            job.due = Some(cx.now);
            tx.job_save(&job)?;
            return save(tx, cx, &late);
        }
        job.due = over;
        Ok(tx.job_save(&job)?)
    }

    fn counts(&self, tx: &mut Tx, job: &JobRecord) -> Result<Counts, Error> {
        Ok(tx.run_counts(self.run.id)?.into_iter().find(|(step, _)| *step == job.step).map_or(Counts::default(), |(_, counts)| counts))
    }

    /// When the barrier waits no longer for what is open; `None`: never.
    fn over(&self, tx: &mut Tx, job: &JobRecord) -> Result<Option<Timestamp>, Error> {
        let Some(barrier) = self.doc.steps.get(Self::place(job)).and_then(|s| s.barrier) else { return Ok(None) };
        if let Some(quorum) = barrier.quorum {
            // Those that the step was not for are no part of it.
            let counts = self.counts(tx, job)?;
            let targets = counts.total() - counts.of(State::Skipped);
            if (targets - counts.open()) * 100 >= targets * i64::from(quorum) {
                return Ok(Some(job.since));
            }
        }
        Ok(barrier.deadline.map(|d| job.since.plus(d.0)))
    }

    /// What follows the step that is over.
    fn decide(&self, tx: &mut Tx, job: &mut JobRecord) -> Result<Move, Error> {
        let (place, rules) = (Self::place(job), self.job());
        let Some(step) = self.doc.steps.get(place) else { return Ok(rules.end(&mut job.trail, State::Error)) };
        let failing = if step.scope() == Scope::Server {
            job.trail.results.get(&step.id).is_none_or(|r| r.state == State::Error)
        } else {
            let (result, failing) = rules.gathered(place, &self.counts(tx, job)?);
            job.trail.results.insert(step.id.clone(), result);
            failing
        };
        Ok(rules.follow(&mut job.trail, place, failing, None))
    }

    /// Steps of the server that will not be done.
    fn left_out(&self, tx: &mut Tx, cx: &Cx, it: &Move) -> Result<(), Error> {
        for place in &it.skipped {
            if self.doc.steps.get(*place).is_some_and(|s| s.scope() == Scope::Server) {
                let one: [(AssignmentId, DeviceId); 1] = [(cx.id(), DeviceId::SERVER)];
                tx.assignments_skip((self.run.org, self.run.id), index(*place), self.run.priority, cx.now, &one)?;
            }
        }
        Ok(())
    }

    /// Tells a piece of the targets the end.
    fn end_piece(&self, tx: &mut Tx, cx: &Cx, mut job: JobRecord, state: State) -> Result<(), Error> {
        let walks = tx.walks_open(self.run.id, job.reached, PIECE)?;
        let is_last = walks.len() < PIECE;
        job.reached = walks.last().map(|w| w.device).or(job.reached);
        let (mut rows, mut saved) = (Rows::default(), Vec::new());
        for mut walk in walks {
            let before = walk.state;
            let own = self.own(&walk).filter(|(at, own)| self.job().drops(*at, *own)).map(|(_, own)| own);
            self.end(cx, &mut walk, own.unwrap_or(state), &mut rows);
            saved.push((before, walk));
        }
        tx.walks_save(self.run.id, cx.now, &saved)?;
        self.write(tx, cx, rows)?;
        if is_last {
            let it = self.job().end(&mut job.trail, state);
            self.left_out(tx, cx, &it)?;
            tx.job_end(&job)?;
        } else {
            job.due = Some(cx.now);
            tx.job_save(&job)?;
        }
        work::settle(tx, cx, self.run.org, self.run.id)
    }
}
