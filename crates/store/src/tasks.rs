//! Tasks and runs: versions, snapshots, counters.

use crate::fault::Fault;
use crate::jobs::WALKS;
use crate::list::{List, Order, instant, json, owned, small, word};
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::ids::{DeviceId, OrgId, RunId, TaskId};
use muster_core::page::{Page, PageRequest};
use muster_core::tasks::{Counts, Delivery, Event, Rules, Run, RunState, RunStep, ScheduleOff, Share, Standing, State, Task, Verdict};
use muster_core::time::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// What a list of runs is narrowed by.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Any of these states.
    pub states: Vec<RunState>,
    /// Any of these verdicts.
    pub verdicts: Vec<Verdict>,
    /// Of this task.
    pub task: Option<TaskId>,
}

/// Devices in one chunk of a snapshot.
pub const SNAPSHOT_CHUNK: usize = 2_000;

const TASK: &str = "t.id, t.org, t.version, v.doc, t.created, t.updated, v.author, t.targets_max, t.off_since, t.off_by, t.off_reason";
const TASK_FROM: &str = "task t JOIN task_version v ON v.task = t.id AND v.version = t.version";
const RUN: &str = "r.id, r.org, r.number, r.task, r.task_version, r.task_name, r.state, r.verdict, r.delivery, r.priority, r.targeted, r.made, \
     r.cancel_requested, r.created, r.started, r.ended, r.started_by, r.paused, r.nominal, r.nominal_at, r.not_before, r.not_after, r.in_flight_max, r.handed_late, r.mode, r.walked, r.waves, r.wave, r.gate_at, r.halt_rate, r.halted, r.forgiven_ended, r.forgiven_failed, r.late_due, r.late_joined, r.addresses, \
     (SELECT CAST(sum(c.prepared) AS BIGINT) FROM run_count c WHERE c.run = r.id AND (c.step = -1) = (r.walked = 1)), (SELECT CAST(sum(c.started) AS BIGINT) FROM run_count c WHERE c.run = r.id AND (c.step = -1) = (r.walked = 1)), \
     (SELECT CAST(sum(c.running) AS BIGINT) FROM run_count c WHERE c.run = r.id AND (c.step = -1) = (r.walked = 1)), (SELECT CAST(sum(c.ok) AS BIGINT) FROM run_count c WHERE c.run = r.id AND (c.step = -1) = (r.walked = 1)), \
     (SELECT CAST(sum(c.error) AS BIGINT) FROM run_count c WHERE c.run = r.id AND (c.step = -1) = (r.walked = 1)), (SELECT CAST(sum(c.unknown) AS BIGINT) FROM run_count c WHERE c.run = r.id AND (c.step = -1) = (r.walked = 1)), \
     (SELECT CAST(sum(c.cancelled) AS BIGINT) FROM run_count c WHERE c.run = r.id AND (c.step = -1) = (r.walked = 1)), (SELECT CAST(sum(c.expired) AS BIGINT) FROM run_count c WHERE c.run = r.id AND (c.step = -1) = (r.walked = 1)), \
     (SELECT CAST(sum(c.skipped) AS BIGINT) FROM run_count c WHERE c.run = r.id AND (c.step = -1) = (r.walked = 1))";

fn task(row: &Row) -> Result<Task, Fault> {
    let off = instant(row, 8)?.map(|since| -> Result<ScheduleOff, Fault> {
        Ok(ScheduleOff { since, by: owned(row, 9)?.unwrap_or_default(), reason: owned(row, 10)?.unwrap_or_default() })
    });
    Ok(Task {
        id: row.id(0)?.into(),
        org: row.id(1)?.into(),
        version: row.int(2)?,
        doc: json(row, 3, "task_version", "doc")?,
        created: Timestamp(row.int(4)?),
        updated: Timestamp(row.int(5)?),
        author: row.text(6)?.to_owned(),
        targets_max: row.opt_int(7)?,
        schedule_off: off.transpose()?,
    })
}

/// PostgreSQL's sum of bigints is numeric; the columns are small enough to be read one by one.
fn counts(row: &Row, from: usize) -> Result<Counts, Fault> {
    let mut counts = Counts::default();
    for (i, count) in counts.0.iter_mut().enumerate() {
        *count = row.opt_int(from + i)?.unwrap_or(0);
    }
    Ok(counts)
}

fn run(row: &Row) -> Result<Run, Fault> {
    let mut totals = counts(row, 36)?;
    // Devices of the snapshot whose assignments are not made yet wait as well: totals sum to what was targeted at every moment.
    totals.add(State::Prepared, row.int(10)? - row.int(11)?);
    Ok(Run {
        id: row.id(0)?.into(),
        org: row.id(1)?.into(),
        number: row.int(2)?,
        task: row.id(3)?.into(),
        task_version: row.int(4)?,
        task_name: row.text(5)?.to_owned(),
        state: word(row, 6, "run", "state")?,
        verdict: row.opt_text(7)?.map(|_| word(row, 7, "run", "verdict")).transpose()?,
        delivery: if row.text(8)? == "push" { Delivery::Push } else { Delivery::Pull },
        priority: small(row, 9, "run", "priority")?,
        targeted: row.int(10)?,
        made: row.int(11)?,
        cancel_requested: row.flag(12),
        created: Timestamp(row.int(13)?),
        started: row.opt_int(14)?.map(Timestamp),
        ended: row.opt_int(15)?.map(Timestamp),
        started_by: row.text(16)?.to_owned(),
        paused: row.flag(17),
        nominal: row.opt_text(18)?.map(str::to_owned),
        nominal_at: Timestamp(row.int(19)?),
        not_before: row.opt_int(20)?.map(Timestamp),
        not_after: row.opt_int(21)?.map(Timestamp),
        in_flight_max: row.opt_int(22)?,
        handed_late: row.int(23)?,
        mode: word(row, 24, "run", "mode")?,
        walked: row.flag(25),
        rollout: Standing {
            waves: json(row, 26, "run", "waves")?,
            wave: small(row, 27, "run", "wave")?,
            gate_at: row.opt_int(28)?.map(Timestamp),
            halt_rate: row.opt_int(29)?.and_then(|n| u32::try_from(n).ok()).map(Share::of),
            halted: row.flag(30),
            forgiven: (row.int(31)?, row.int(32)?),
        },
        late_due: row.opt_int(33)?.map(Timestamp),
        late_joined: row.int(34)?,
        addresses: row.opt_int(35)?,
        counts: totals,
    })
}

pub(crate) const fn delivery_word(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Pull => "pull",
        Delivery::Push => "push",
    }
}

fn step(row: &Row) -> Result<RunStep, Fault> {
    let millis = |i: usize| small::<u64>(row, i, "run_step", "span").map(Duration::from_millis);
    Ok(RunStep {
        run: row.id(0)?.into(),
        step: row.int(1)?,
        name: row.text(2)?.to_owned(),
        action: row.text(3)?.to_owned(),
        rules: Rules {
            attempts_max: small(row, 4, "run_step", "attempts_max")?,
            backoff: millis(5)?,
            on_error: row.flag(6),
            on_unknown: row.flag(7),
            idempotent: row.flag(8),
        },
        open_to_strangers: row.flag(9),
        timeout: row.opt_int(10)?.map(|_| millis(10)).transpose()?,
        scope: word(row, 11, "run_step", "scope")?,
        stops: row.flag(12),
        longest_run: row.opt_int(13)?.map(|_| millis(13)).transpose()?,
        walked: row.flag(14),
        pooled: row.flag(15),
    })
}

pub(crate) fn event(row: &Row) -> Result<Event, Fault> {
    Ok(Event {
        id: row.int(0)?,
        run: row.id(1)?.into(),
        assignment: row.opt_id(2)?.map(Into::into),
        attempt: row.opt_int(3)?.and_then(|n| u32::try_from(n).ok()),
        at: Timestamp(row.int(4)?),
        kind: row.text(5)?.to_owned(),
        data: json(row, 6, "event", "data")?,
    })
}

impl Rx {
    /// A page of tasks with how often each ran and its last run. Sorts: name, updated.
    pub fn tasks(&mut self, org: OrgId, q: Option<&str>, label: Option<&str>, page: &PageRequest) -> Result<Page<Task>, Fault> {
        let mut list = List::new(TASK, TASK_FROM);
        list.filter("t.org = {}", org.0);
        list.condition("t.deleted = 0");
        if let Some(q) = q {
            list.contains(&["t.name"], q, self.is_postgres());
        }
        if let Some(label) = label {
            let find = if self.is_postgres() { "strpos" } else { "instr" };
            list.filter(&format!("{find}(v.doc, {{}}) > 0"), serde_json::json!(label).to_string());
        }
        let column = if page.sort.as_deref() == Some("updated") { "t.updated" } else { "t.name" };
        list.page(self, page, &Order { column, id: "t.id" }, task)
    }

    /// A task of an organization that was not deleted.
    pub fn task(&mut self, org: OrgId, id: TaskId) -> Result<Option<Task>, Fault> {
        let mut list = List::new(TASK, TASK_FROM);
        list.filter("t.org = {}", org.0);
        list.filter("t.id = {}", id.0);
        list.condition("t.deleted = 0");
        Ok(list.all(self, "t.id", 1, task)?.pop())
    }

    /// The task of a name.
    pub fn task_named(&mut self, org: OrgId, name: &str) -> Result<Option<Task>, Fault> {
        let mut list = List::new(TASK, TASK_FROM);
        list.filter("t.org = {}", org.0);
        list.filter("t.name = {}", name);
        list.condition("t.deleted = 0");
        Ok(list.all(self, "t.id", 1, task)?.pop())
    }

    /// Tasks whose document names any group, by name.
    pub fn tasks_with_groups(&mut self, org: OrgId) -> Result<Vec<Task>, Fault> {
        let mut list = List::new(TASK, TASK_FROM);
        list.filter("t.org = {}", org.0);
        list.condition("t.deleted = 0");
        let find = if self.is_postgres() { "strpos" } else { "instr" };
        list.filter(
            &format!(
                "{find}(v.doc, {{}}) > 0 OR {find}(v.doc, '\"joined_group\"') > 0 OR {find}(v.doc, '\"change_group\"') > 0 \
                 OR {find}(v.doc, '\"update_group\"') > 0"
            ),
            "\"groups\"",
        );
        list.all(self, "t.name, t.id", usize::MAX >> 1, task)
    }

    /// The runs of tasks: how many, and the last one.
    pub fn task_runs(&mut self, id: TaskId) -> Result<(i64, Option<Run>), Fault> {
        let mut counting = List::new("1", "run r");
        counting.filter("r.task = {}", id.0);
        let n = counting.exactly(self)?;
        let mut list = List::new(RUN, "run r");
        list.filter("r.task = {}", id.0);
        Ok((n, list.all(self, "r.id DESC", 1, run)?.pop()))
    }

    /// A page of runs. Sorts: created.
    pub fn runs(&mut self, org: OrgId, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>, Fault> {
        let mut list = List::new(RUN, "run r");
        list.filter("r.org = {}", org.0);
        if !filter.states.is_empty() {
            list.any_of("r.state", filter.states.iter().map(|s| s.as_str()));
        }
        if !filter.verdicts.is_empty() {
            list.any_of("r.verdict", filter.verdicts.iter().map(|v| v.as_str()));
        }
        if let Some(task) = filter.task {
            list.filter("r.task = {}", task.0);
        }
        list.page(self, page, &Order { column: "r.id", id: "r.id" }, run)
    }

    /// A run of an organization.
    pub fn run(&mut self, org: OrgId, id: RunId) -> Result<Option<Run>, Fault> {
        let mut list = List::new(RUN, "run r");
        list.filter("r.org = {}", org.0);
        list.filter("r.id = {}", id.0);
        Ok(list.all(self, "r.id", 1, run)?.pop())
    }

    /// Runs that want a worker: assignments to be made or cancelled, a wave to be let through; at most `limit`, the oldest first.
    pub fn runs_at_work(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Run>, Fault> {
        let mut list = List::new(RUN, "run r");
        let now = list.param(now.0);
        list.condition(format!(
            "r.state <> 'finished' AND (r.state = 'preparing' OR (r.cancel_requested = 1 AND r.cancel_done = 0) \
             OR (r.gate_at <= {now} AND r.paused = 0 AND r.halted = 0 AND r.cancel_requested = 0))"
        ));
        list.all(self, "r.id", limit, run)
    }

    /// Runs that devices may join and that are to be looked at, the longest due first.
    pub fn runs_to_join(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Run>, Fault> {
        let mut list = List::new(RUN, "run r");
        list.filter("r.late_due <= {}", now.0);
        list.condition("r.state IN ('waiting', 'running') AND r.cancel_requested = 0");
        list.all(self, "r.late_due, r.id", limit, run)
    }

    /// How many devices of a run were done well, and how many of them were not heard of since.
    pub fn run_lost(&mut self, run: &Run) -> Result<(i64, i64), Fault> {
        let sql = if run.walked {
            "SELECT count(*), CAST(coalesce(sum(CASE WHEN d.last_contact IS NULL OR d.last_contact <= w.updated THEN 1 ELSE 0 END), 0) AS BIGINT) \
             FROM walk w JOIN device d ON d.id = w.device WHERE w.run = ?1 AND w.state = 'ok'"
        } else {
            "SELECT count(*), CAST(coalesce(sum(CASE WHEN d.last_contact IS NULL OR d.last_contact <= a.ended THEN 1 ELSE 0 END), 0) AS BIGINT) \
             FROM assignment a JOIN device d ON d.id = a.device WHERE a.run = ?1 AND a.state = 'ok'"
        };
        self.one(sql, &[V::U(run.id.0)])?.map_or(Ok((0, 0)), |row| Ok((row.int(0)?, row.int(1)?)))
    }

    /// The steps of a run.
    pub fn run_steps(&mut self, run: RunId) -> Result<Vec<RunStep>, Fault> {
        let sql = "SELECT run, step, name, action, attempts_max, backoff, on_error, on_unknown, idempotent, strangers, timeout, scope, stops, longest_run, walked, pooled FROM run_step WHERE run = ?1 ORDER BY step";
        self.rows(sql, &[V::U(run.0)])?.iter().map(step).collect()
    }

    /// Totals of a run by step.
    pub fn run_counts(&mut self, run: RunId) -> Result<Vec<(i64, Counts)>, Fault> {
        let sql = "SELECT step, prepared, started, running, ok, error, unknown, cancelled, expired, skipped FROM run_count WHERE run = ?1 AND step >= 0 ORDER BY step";
        self.rows(sql, &[V::U(run.0)])?.iter().map(|r| Ok((r.int(0)?, counts(r, 1)?))).collect()
    }

    /// Part of a run's snapshot: devices from `from` on, to the end of their chunk.
    pub fn snapshot_part(&mut self, run: RunId, from: i64) -> Result<Vec<DeviceId>, Fault> {
        let chunk = from / SNAPSHOT_CHUNK as i64;
        let row = self.one("SELECT devices FROM run_snapshot WHERE run = ?1 AND chunk = ?2", &[V::U(run.0), chunk.into()])?;
        let Some(row) = row else { return Ok(Vec::new()) };
        let skip = usize::try_from(from % SNAPSHOT_CHUNK as i64).unwrap_or(0);
        let ids = row.bytes(0)?.chunks_exact(16).skip(skip);
        Ok(ids.map(|b| DeviceId(Uuid::from_slice(b).expect("a chunk of sixteen bytes"))).collect())
    }

    /// The record of a run, the newest first.
    pub fn run_events(&mut self, run: RunId, before: Option<i64>, limit: usize) -> Result<Vec<Event>, Fault> {
        let mut list = List::new("id, run, assignment, attempt, at, kind, data", "event");
        list.filter("run = {}", run.0);
        if let Some(before) = before {
            list.filter("id < {}", before);
        }
        list.all(self, "id DESC", limit, event)
    }
}

impl Tx {
    /// Adds a task in its first version; false when the name is taken.
    pub fn task_insert(&mut self, t: &Task) -> Result<bool, Fault> {
        let done = self.exec(
            "INSERT INTO task (id, org, name, version, created, updated, author, deleted) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0) ON CONFLICT DO NOTHING",
            &[
                V::U(t.id.0),
                V::U(t.org.0),
                (&t.doc.name).into(),
                t.version.into(),
                t.created.0.into(),
                t.updated.0.into(),
                (&t.author).into(),
            ],
        )?;
        if done == 0 {
            return Ok(false);
        }
        self.task_version_insert(t)?;
        Ok(true)
    }

    fn task_version_insert(&mut self, t: &Task) -> Result<(), Fault> {
        let doc = serde_json::to_string(&t.doc).map_err(|e| Fault::Db(e.to_string()))?;
        self.exec(
            "INSERT INTO task_version (task, version, doc, created, author) VALUES (?1, ?2, ?3, ?4, ?5)",
            &[V::U(t.id.0), t.version.into(), doc.into(), t.updated.0.into(), (&t.author).into()],
        )?;
        self.after(Hint { topic: Topic::Task, id: Some(t.id.0), org: Some(t.org.0) });
        Ok(())
    }

    /// Adds the next version of a task (`t.version`, one more than the stored one); false when somebody else was faster.
    pub fn task_update(&mut self, t: &Task) -> Result<bool, Fault> {
        let done = self.exec(
            "UPDATE task SET name = ?3, version = ?2, updated = ?4 WHERE id = ?1 AND version = ?2 - 1 AND deleted = 0",
            &[V::U(t.id.0), t.version.into(), (&t.doc.name).into(), t.updated.0.into()],
        )?;
        if done == 1 {
            self.task_version_insert(t)?;
        }
        Ok(done == 1)
    }

    /// Deletes a task; its runs stay as history.
    pub fn task_delete(&mut self, org: OrgId, id: TaskId, now: Timestamp) -> Result<bool, Fault> {
        let done = self.exec(
            "UPDATE task SET deleted = 1, updated = ?3 WHERE id = ?1 AND org = ?2 AND deleted = 0",
            &[V::U(id.0), V::U(org.0), now.0.into()],
        )?;
        self.after(Hint { topic: Topic::Task, id: Some(id.0), org: Some(org.0) });
        Ok(done == 1)
    }

    /// Adds a run with its steps and its snapshot (devices sorted by id); gives its number.
    pub fn run_insert(&mut self, r: &Run, steps: &[RunStep], devices: &[DeviceId]) -> Result<i64, Fault> {
        let row = self.one("UPDATE org SET run_number = run_number + 1 WHERE id = ?1 RETURNING run_number", &[V::U(r.org.0)])?;
        let number = row.map_or(Ok(1), |r| r.int(0))?;
        self.exec(
            "INSERT INTO run (id, org, number, task, task_version, task_name, state, verdict, delivery, priority, targeted, made, cancel_requested, cancel_done, created, started, ended, started_by, nominal, nominal_at, in_flight_max, mode, walked, waves, halt_rate, late_due, addresses) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, ?8, ?9, ?10, 0, 0, 0, ?11, NULL, NULL, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
            &[
                V::U(r.id.0),
                V::U(r.org.0),
                number.into(),
                V::U(r.task.0),
                r.task_version.into(),
                (&r.task_name).into(),
                r.state.as_str().into(),
                delivery_word(r.delivery).into(),
                i64::from(r.priority).into(),
                r.targeted.into(),
                r.created.0.into(),
                (&r.started_by).into(),
                r.nominal.as_deref().into(),
                r.nominal_at.0.into(),
                r.in_flight_max.into(),
                r.mode.as_str().into(),
                r.walked.into(),
                serde_json::json!(r.rollout.waves).to_string().into(),
                r.rollout.halt_rate.map(|s| i64::from(s.hundredths())).into(),
                r.late_due.map(|t| t.0).into(),
                r.addresses.into(),
            ],
        )?;
        for s in steps {
            self.step_insert(s)?;
        }
        if r.walked {
            self.count_insert(r.id, WALKS)?;
        }
        for (i, chunk) in devices.chunks(SNAPSHOT_CHUNK).enumerate() {
            let bytes: Vec<u8> = chunk.iter().flat_map(|d| *d.0.as_bytes()).collect();
            self.send(
                "INSERT INTO run_snapshot (run, chunk, devices) VALUES (?1, ?2, ?3)",
                &[V::U(r.id.0), i64::try_from(i).unwrap_or(0).into(), bytes.into()],
            )?;
        }
        self.event_insert(r.org, r.id, None, None, r.created, "created", &serde_json::json!({"targeted": r.targeted, "by": r.started_by}))?;
        self.after(Hint { topic: Topic::Run, id: Some(r.id.0), org: Some(r.org.0) });
        Ok(number)
    }

    /// Adds devices to the end of a run's snapshot, which has `before`.
    pub fn snapshot_append(&mut self, run: RunId, before: i64, devices: &[DeviceId]) -> Result<(), Fault> {
        // The last chunk may have room.
        let first = usize::try_from(before).unwrap_or(0) / SNAPSHOT_CHUNK;
        let mut all = self.snapshot_part(run, i64::try_from(first * SNAPSHOT_CHUNK).unwrap_or(0))?;
        all.extend(devices);
        for (i, chunk) in all.chunks(SNAPSHOT_CHUNK).enumerate() {
            let bytes: Vec<u8> = chunk.iter().flat_map(|d| *d.0.as_bytes()).collect();
            let number = i64::try_from(first + i).unwrap_or(0);
            self.exec(
                "INSERT INTO run_snapshot (run, chunk, devices) VALUES (?1, ?2, ?3) ON CONFLICT (run, chunk) DO UPDATE SET devices = excluded.devices",
                &[V::U(run.0), number.into(), bytes.into()],
            )?;
        }
        Ok(())
    }

    /// Runs of an organization that devices may join are looked at now.
    pub fn runs_join_now(&mut self, org: OrgId, now: Timestamp) -> Result<(), Fault> {
        let sql = "UPDATE run SET late_due = ?2 WHERE org = ?1 AND late_due > ?2 AND state IN ('waiting', 'running')";
        if self.exec(sql, &[V::U(org.0), now.0.into()])? > 0 {
            self.after(Hint { topic: Topic::Run, id: None, org: Some(org.0) });
        }
        Ok(())
    }

    fn step_insert(&mut self, s: &RunStep) -> Result<(), Fault> {
        let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        self.send(
            "INSERT INTO run_step (run, step, name, action, attempts_max, backoff, on_error, on_unknown, idempotent, strangers, timeout, scope, stops, longest_run, walked, pooled) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            &[
                V::U(s.run.0),
                s.step.into(),
                (&s.name).into(),
                (&s.action).into(),
                i64::from(s.rules.attempts_max).into(),
                millis(s.rules.backoff).into(),
                s.rules.on_error.into(),
                s.rules.on_unknown.into(),
                s.rules.idempotent.into(),
                s.open_to_strangers.into(),
                s.timeout.map(millis).into(),
                s.scope.as_str().into(),
                s.stops.into(),
                s.longest_run.map(millis).into(),
                s.walked.into(),
                s.pooled.into(),
            ],
        )?;
        self.count_insert(s.run, s.step)
    }

    fn count_insert(&mut self, run: RunId, step: i64) -> Result<(), Fault> {
        self.send(
            "INSERT INTO run_count (run, step, prepared, started, running, ok, error, unknown, cancelled, expired, skipped) VALUES (?1, ?2, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
            &[V::U(run.0), step.into()],
        )
    }

    /// Saves where a run stands.
    pub fn run_update(&mut self, r: &Run) -> Result<(), Fault> {
        self.fenced(
            1,
            "UPDATE run SET state = ?2, verdict = ?3, made = ?4, cancel_requested = ?5, started = ?6, ended = ?7, paused = ?8, not_before = ?9, not_after = ?10, \
             wave = ?11, gate_at = ?12, halted = ?13, forgiven_ended = ?14, forgiven_failed = ?15, \
             targeted = ?16, waves = ?17, late_due = ?18, late_joined = ?19 WHERE id = ?1",
            &[
                V::U(r.id.0),
                r.state.as_str().into(),
                r.verdict.map(Verdict::as_str).into(),
                r.made.into(),
                r.cancel_requested.into(),
                r.started.map(|t| t.0).into(),
                r.ended.map(|t| t.0).into(),
                r.paused.into(),
                r.not_before.map(|t| t.0).into(),
                r.not_after.map(|t| t.0).into(),
                i64::try_from(r.rollout.wave).unwrap_or(0).into(),
                r.rollout.gate_at.map(|t| t.0).into(),
                r.rollout.halted.into(),
                r.rollout.forgiven.0.into(),
                r.rollout.forgiven.1.into(),
                r.targeted.into(),
                serde_json::json!(r.rollout.waves).to_string().into(),
                r.late_due.map(|t| t.0).into(),
                r.late_joined.into(),
            ],
        )?;
        self.after(Hint { topic: Topic::Run, id: Some(r.id.0), org: Some(r.org.0) });
        Ok(())
    }

    /// Notes that a cancelled run's assignments have all been seen.
    pub fn run_cancel_done(&mut self, id: RunId) -> Result<(), Fault> {
        self.exec("UPDATE run SET cancel_done = 1 WHERE id = ?1", &[V::U(id.0)])?;
        Ok(())
    }

    /// Loads a run for change: on PostgreSQL its row is locked, so that two last finishers see each other.
    pub fn run_for_update(&mut self, org: OrgId, id: RunId) -> Result<Option<Run>, Fault> {
        if self.is_postgres() {
            self.rows("SELECT id FROM run WHERE id = ?1 FOR NO KEY UPDATE", &[V::U(id.0)])?;
        }
        self.run(org, id)
    }

    /// Writes one entry of the append-only record.
    #[expect(clippy::too_many_arguments, reason = "one row, named at its columns")]
    pub fn event_insert(
        &mut self,
        org: OrgId,
        run: RunId,
        assignment: Option<Uuid>,
        attempt: Option<u32>,
        at: Timestamp,
        kind: &str,
        data: &serde_json::Value,
    ) -> Result<(), Fault> {
        self.send(
            "INSERT INTO event (org, run, assignment, attempt, at, kind, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            &[
                V::U(org.0),
                V::U(run.0),
                assignment.into(),
                attempt.map(i64::from).into(),
                at.0.into(),
                kind.into(),
                data.to_string().into(),
            ],
        )
    }
}
