//! Assignments and attempts: making, loading for change, saving.
//!
//! What may follow what is decided in `muster_core::tasks::state`; here rows are loaded (locked on PostgreSQL, in the order of
//! their ids) and the decisions saved: the row, its attempt, one event, and the counters last.

use super::{NewAssignment, RECORD, RECORD_FROM, counted, hour_of, is_late, record};
use crate::fault::Fault;
use crate::list::List;
use crate::unit::{Hint, Topic, Tx};
use crate::value::V;
use muster_core::ids::{AssignmentId, OrgId, RunId};
use muster_core::tasks::state::Status;
use muster_core::tasks::{AssignmentRecord, AttemptState, Change, Counts, State};
use muster_core::time::Timestamp;
use std::collections::BTreeMap;
use uuid::Uuid;

impl Tx {
    /// Lets nobody else count what an organization has under way until the commit; on PostgreSQL only, where others write too.
    pub fn org_lock(&mut self, org: OrgId) -> Result<(), Fault> {
        if self.is_postgres() {
            self.rows("SELECT id FROM org WHERE id = ?1 FOR NO KEY UPDATE", &[V::U(org.0)])?;
        }
        Ok(())
    }

    /// Loads assignments for change: locked on PostgreSQL, in the order of their ids; unknown ones are left out.
    pub fn assignments_for_update(&mut self, ids: &[AssignmentId]) -> Result<Vec<AssignmentRecord>, Fault> {
        let mut sorted: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        sorted.sort_unstable();
        sorted.dedup();
        if self.is_postgres() {
            let all = V::Us(sorted.iter().map(|id| Some(*id)).collect());
            let lock = "SELECT id FROM assignment WHERE id = ANY(?1::uuid[]) ORDER BY id FOR NO KEY UPDATE";
            self.rows(lock, std::slice::from_ref(&all))?;
            let sql = "SELECT a.id, a.org, a.run, a.step, a.device, a.state, a.priority, a.attempt, a.agent, a.incarnation, a.attempt_state, a.lease, a.due, \
                 a.cancel_requested, a.created, a.updated, a.started, a.ended, a.exit_code, s.attempts_max, s.backoff, s.on_error, s.on_unknown, \
                 s.idempotent, a.not_after, s.stops, a.round, s.walked, a.in_book, s.pooled FROM assignment a JOIN run_step s ON s.run = a.run AND s.step = a.step WHERE a.id = ANY(?1::uuid[]) ORDER BY a.id";
            return self.rows(sql, &[all])?.iter().map(record).collect();
        }
        let mut found = Vec::with_capacity(sorted.len());
        for chunk in sorted.chunks(200) {
            let mut list = List::new(RECORD, RECORD_FROM);
            list.any_of("a.id", chunk.iter().copied());
            found.extend(list.all(self, "a.id", chunk.len(), record)?);
        }
        Ok(found)
    }

    /// Makes assignments of one step of a run; doing it twice is the same as once. Gives how many are new.
    pub fn assignments_insert(
        &mut self,
        org: OrgId,
        run: RunId,
        step: i64,
        priority: u8,
        now: Timestamp,
        all: &[NewAssignment],
    ) -> Result<i64, Fault> {
        let mut made = 0;
        if self.is_postgres() {
            let ids = V::Us(all.iter().map(|n| Some(n.id.0)).collect());
            let devices = V::Us(all.iter().map(|n| Some(n.device.0)).collect());
            let due = V::Is(all.iter().map(|n| Some(n.from.0)).collect());
            let over = V::Is(all.iter().map(|n| Some(n.not_after.map_or(0, |t| t.0))).collect());
            let rounds = V::Is(all.iter().map(|n| Some(i64::from(n.round))).collect());
            made += self.exec(
                "INSERT INTO assignment (id, org, run, step, device, state, open, priority, attempt, lease, due, cancel_requested, created, updated, not_after, timer, round) \
                 SELECT x.id, ?3, ?4, ?5, x.device, 'prepared', 1, ?6, 0, 0, x.due, 0, ?7, ?7, nullif(x.over, 0), x.over, x.round \
                 FROM unnest(?1::uuid[], ?2::uuid[], ?8::bigint[], ?9::bigint[], ?10::bigint[]) AS x(id, device, due, over, round) ON CONFLICT DO NOTHING",
                &[ids, devices, V::U(org.0), V::U(run.0), step.into(), i64::from(priority).into(), now.0.into(), due, over, rounds],
            )?;
        } else {
            for n in all {
                made += self.exec(
                    "INSERT INTO assignment (id, org, run, step, device, state, open, priority, attempt, lease, due, cancel_requested, created, updated, not_after, timer, round) \
                     VALUES (?1, ?2, ?3, ?4, ?5, 'prepared', 1, ?6, 0, 0, ?8, 0, ?7, ?7, ?9, coalesce(?9, 0), ?10) ON CONFLICT DO NOTHING",
                    &[
                        V::U(n.id.0),
                        V::U(org.0),
                        V::U(run.0),
                        step.into(),
                        V::U(n.device.0),
                        i64::from(priority).into(),
                        now.0.into(),
                        n.from.0.into(),
                        n.not_after.map(|t| t.0).into(),
                        i64::from(n.round).into(),
                    ],
                )?;
            }
        }
        let made = i64::try_from(made).unwrap_or(0);
        if made > 0 {
            for n in all {
                self.after(Hint { topic: Topic::Work, id: Some(n.device.0), org: Some(org.0) });
            }
        }
        let mut counts = Counts::default();
        counts.add(State::Prepared, made);
        all.iter().filter_map(|n| n.replaces).for_each(|state| counts.add(state, -1));
        self.counts_move(run, step, &counts)?;
        Ok(made)
    }

    /// Gives open assignments another priority; gives how many.
    pub fn assignments_prioritise(&mut self, org: OrgId, ids: &[AssignmentId], priority: u8, now: Timestamp) -> Result<usize, Fault> {
        let mut sorted: Vec<AssignmentId> = ids.to_vec();
        sorted.sort_unstable();
        let mut done = 0;
        for id in &sorted {
            done += self.exec(
                "UPDATE assignment SET priority = ?3, updated = ?4 WHERE id = ?1 AND org = ?2 AND open = 1",
                &[V::U(id.0), V::U(org.0), i64::from(priority).into(), now.0.into()],
            )?;
            self.after(Hint { topic: Topic::Assignment, id: Some(id.0), org: Some(org.0) });
        }
        Ok(usize::try_from(done).unwrap_or(usize::MAX))
    }

    /// Saves decisions on assignments that were loaded for change: rows, attempts, one event for each changed state, and the
    /// counters last, once per run and step. Gives the new totals of the runs that were touched.
    pub fn save(&mut self, changes: &[Change]) -> Result<BTreeMap<RunId, OrgId>, Fault> {
        let mut moved: BTreeMap<(RunId, i64), Counts> = BTreeMap::new();
        let mut hours: BTreeMap<(OrgId, i64, &str), i64> = BTreeMap::new();
        let mut runs = BTreeMap::new();
        for change in changes {
            if let Some(kind) = counted(change) {
                *hours.entry((change.before.org, hour_of(change.at), kind.as_str())).or_default() += 1;
            }
            self.assignment_update(change)?;
            self.attempt_save(change)?;
            if is_late(change) {
                self.send("UPDATE run SET handed_late = handed_late + 1 WHERE id = ?1", &[V::U(change.before.run.0)])?;
            }
            let (before, after) = (change.before.state.status.state(), change.after.status.state());
            if before != after {
                let data = &change.data;
                let attempt = (change.after.attempt > 0).then_some(change.after.attempt);
                self.event_insert(
                    change.before.org,
                    change.before.run,
                    Some(change.before.id.0),
                    attempt,
                    change.at,
                    after.as_str(),
                    data,
                )?;
                let counts = moved.entry((change.before.run, change.before.step)).or_default();
                counts.add(before, -1);
                counts.add(after, 1);
            }
            runs.insert(change.before.run, change.before.org);
            // It may be handed out, or what has it must be told to stop.
            if after == State::Prepared || change.after.cancel_requested != change.before.state.cancel_requested {
                self.after(Hint { topic: Topic::Work, id: Some(change.before.device.0), org: Some(change.before.org.0) });
            }
            self.after(Hint { topic: Topic::Assignment, id: Some(change.before.id.0), org: Some(change.before.org.0) });
        }
        for ((run, step), counts) in moved {
            self.counts_move(run, step, &counts)?;
            self.after(Hint { topic: Topic::Run, id: Some(run.0), org: runs.get(&run).map(|o| o.0) });
        }
        for ((org, hour, kind), n) in hours {
            self.send(
                "INSERT INTO hour_count (org, hour, kind, n) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (org, hour, kind) DO UPDATE SET n = hour_count.n + excluded.n",
                &[V::U(org.0), hour.into(), kind.into(), n.into()],
            )?;
        }
        Ok(runs)
    }

    fn assignment_update(&mut self, change: &Change) -> Result<(), Fault> {
        let after = &change.after;
        let state = after.status.state();
        let (lease, due) = match after.status {
            Status::Prepared { from } => (0, from.0),
            Status::Started { lease, .. } => (lease.0, change.at.0),
            Status::Running { lease, since, .. } => (lease.0, since.0),
            _ => (0, change.at.0),
        };
        let started = change.before.started.or((state == State::Started).then_some(change.at));
        self.send(
            "UPDATE assignment SET state = ?2, open = ?3, attempt = ?4, agent = ?5, incarnation = ?6, attempt_state = ?7, lease = ?8, due = ?9, \
             cancel_requested = ?10, updated = ?11, started = ?12, ended = ?13, exit_code = coalesce(?14, exit_code), timer = ?15, in_book = ?16 WHERE id = ?1",
            &[
                V::U(change.before.id.0),
                state.as_str().into(),
                state.is_open().into(),
                i64::from(after.attempt).into(),
                after.last_actor.map(|a| a.agent.0).into(),
                after.last_actor.map(|a| i64::from(a.incarnation)).into(),
                after.last_attempt.map(AttemptState::as_str).into(),
                lease.into(),
                due.into(),
                after.cancel_requested.into(),
                change.at.0.into(),
                started.map(|t| t.0).into(),
                after.status.ended().map(|t| t.0).into(),
                change.exit_code.into(),
                after.timer().map_or(0, |t| t.0).into(),
                change.is_in_book().into(),
            ],
        )
    }

    fn attempt_save(&mut self, change: &Change) -> Result<(), Fault> {
        let Some(state) = change.attempt else { return Ok(()) };
        let id = V::U(change.before.id.0);
        let no: V = i64::from(change.after.attempt).into();
        let lease = change.after.status.lease().map_or(0, |(_, lease)| lease.0);
        match (state, change.after.last_actor) {
            (AttemptState::Started, Some(actor)) => self.send(
                "INSERT INTO attempt (assignment, no, agent, incarnation, state, handed, lease) VALUES (?1, ?2, ?3, ?4, 'started', ?5, ?6)",
                &[id, no, V::U(actor.agent.0), i64::from(actor.incarnation).into(), change.at.0.into(), lease.into()],
            ),
            (AttemptState::Running, _) => self.send(
                "UPDATE attempt SET state = 'running', begun = coalesce(begun, ?3), lease = ?4, output = coalesce(?5, output) WHERE assignment = ?1 AND no = ?2",
                &[id, no, change.at.0.into(), lease.into(), change.output.as_deref().into()],
            ),
            (state, _) => self.send(
                "UPDATE attempt SET state = ?3, ended = ?4, exit_code = coalesce(?5, exit_code), output = coalesce(?6, output), message = coalesce(?7, message) \
                 WHERE assignment = ?1 AND no = ?2",
                &[
                    id,
                    no,
                    state.as_str().into(),
                    change.at.0.into(),
                    change.exit_code.into(),
                    change.output.as_deref().into(),
                    change.message.as_deref().into(),
                ],
            ),
        }
    }

    pub(crate) fn counts_move(&mut self, run: RunId, step: i64, by: &Counts) -> Result<(), Fault> {
        let mut params = vec![V::U(run.0), step.into()];
        params.extend(by.0.iter().map(|n| V::I(*n)));
        self.send(
            "UPDATE run_count SET prepared = prepared + ?3, started = started + ?4, running = running + ?5, ok = ok + ?6, error = error + ?7, \
             unknown = unknown + ?8, cancelled = cancelled + ?9, expired = expired + ?10, skipped = skipped + ?11 WHERE run = ?1 AND step = ?2",
            &params,
        )
    }
}
