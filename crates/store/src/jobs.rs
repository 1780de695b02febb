//! Jobs: the walks of targets through several steps, and where a server job stands.

use crate::fault::Fault;
use crate::list::{List, Order, json, small, word};
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::ids::{AssignmentId, DeviceId, OrgId, RunId};
use muster_core::page::{Page, PageRequest};
use muster_core::tasks::{Counts, JobPhase, JobRecord, State, Walk};
use muster_core::time::Timestamp;
use uuid::Uuid;

/// The step under which the totals of walks are kept.
pub(crate) const WALKS: i64 = -1;

const WALK: &str = "w.run, w.device, w.state, w.step, w.round, w.not_before, w.not_after, w.trail, w.updated, w.led";
const SHOWN: &str = "w.run, w.device, w.state, w.step, w.round, w.not_before, w.not_after, w.trail, w.updated, w.led, coalesce(d.name, '')";
/// A device that was moved to another organization is named there alone.
const SHOWN_FROM: &str = "walk w JOIN run r ON r.id = w.run LEFT JOIN device d ON d.id = w.device AND d.org = r.org";

fn walk(row: &Row) -> Result<Walk, Fault> {
    Ok(Walk {
        run: row.id(0)?.into(),
        device: row.id(1)?.into(),
        state: word(row, 2, "walk", "state")?,
        step: row.int(3)?,
        round: small(row, 4, "walk", "round")?,
        not_before: Timestamp(row.int(5)?),
        not_after: row.opt_int(6)?.map(Timestamp),
        trail: json(row, 7, "walk", "trail")?,
        updated: Timestamp(row.int(8)?),
        led: row.opt_text(9)?.map(|_| json(row, 9, "walk", "led")).transpose()?,
    })
}

fn job(row: &Row) -> Result<JobRecord, Fault> {
    Ok(JobRecord {
        run: row.id(0)?.into(),
        org: row.id(1)?.into(),
        phase: word(row, 2, "run_job", "phase")?,
        step: row.int(3)?,
        round: small(row, 4, "run_job", "round")?,
        reached: row.opt_id(5)?.map(DeviceId),
        since: Timestamp(row.int(6)?),
        due: row.opt_int(7)?.map(Timestamp),
        trail: json(row, 8, "run_job", "trail")?,
    })
}

fn text(value: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| Fault::Db(e.to_string()))
}

impl Rx {
    /// A page of the targets of a run of several steps, with their devices' names; in the order of devices.
    pub fn walks(&mut self, run: RunId, states: &[State], page: &PageRequest) -> Result<Page<(Walk, String)>, Fault> {
        let mut list = List::new(SHOWN, SHOWN_FROM);
        list.filter("w.run = {}", run.0);
        if !states.is_empty() {
            list.any_of("w.state", states.iter().map(|s| s.as_str()));
        }
        list.page(self, page, &Order { column: "w.device", id: "w.device" }, |row| Ok((walk(row)?, row.text(10)?.to_owned())))
    }

    /// Devices of a run's walks in some states, sorted.
    pub fn walk_devices(&mut self, run: RunId, states: &[State]) -> Result<Vec<DeviceId>, Fault> {
        let mut list = List::new("w.device", "walk w");
        list.filter("w.run = {}", run.0);
        list.any_of("w.state", states.iter().map(|s| s.as_str()));
        list.all(self, "w.device", usize::MAX >> 1, |r| r.id(0).map(DeviceId))
    }

    /// Walks of a run, counted one by one.
    pub fn walks_counted(&mut self, run: RunId) -> Result<Counts, Fault> {
        let mut counts = Counts::default();
        for row in self.rows("SELECT state, count(*) FROM walk WHERE run = ?1 GROUP BY state", &[V::U(run.0)])? {
            counts.add(word(&row, 0, "walk", "state")?, row.int(1)?);
        }
        Ok(counts)
    }

    /// The walk of one target.
    pub fn walk(&mut self, run: RunId, device: DeviceId) -> Result<Option<Walk>, Fault> {
        let mut list = List::new(WALK, "walk w");
        list.filter("w.run = {}", run.0);
        list.filter("w.device = {}", device.0);
        Ok(list.all(self, "w.device", 1, walk)?.pop())
    }

    /// Where a server job stands.
    pub fn job(&mut self, run: RunId) -> Result<Option<JobRecord>, Fault> {
        let sql = "SELECT run, org, phase, step, round, reached, since, due, trail FROM run_job WHERE run = ?1";
        self.one(sql, &[V::U(run.0)])?.as_ref().map(job).transpose()
    }

    /// Server jobs that are to be looked at, the longest due first.
    pub fn jobs_due(&mut self, now: Timestamp, limit: i64) -> Result<Vec<RunId>, Fault> {
        let sql = "SELECT run FROM run_job WHERE due <= ?1 ORDER BY due, run LIMIT ?2";
        self.rows(sql, &[now.0.into(), limit.into()])?.iter().map(|r| r.id(0).map(RunId)).collect()
    }

    /// Open assignments of one step of a run, at most `limit`.
    pub fn step_open(&mut self, run: RunId, step: i64, limit: i64) -> Result<Vec<AssignmentId>, Fault> {
        let sql = "SELECT id FROM assignment WHERE run = ?1 AND step = ?2 AND open = 1 ORDER BY id LIMIT ?3";
        self.rows(sql, &[V::U(run.0), step.into(), limit.into()])?.iter().map(|r| r.id(0).map(AssignmentId)).collect()
    }
}

impl Tx {
    /// Adds the walks of targets; one that is there stays as it is.
    pub fn walks_insert(&mut self, run: RunId, all: &[Walk]) -> Result<(), Fault> {
        let mut counts = Counts::default();
        for it in all {
            let done = self.exec(
                "INSERT INTO walk (run, device, state, step, round, not_before, not_after, trail, updated, led) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
                &[
                    V::U(run.0),
                    V::U(it.device.0),
                    it.state.as_str().into(),
                    it.step.into(),
                    i64::from(it.round).into(),
                    it.not_before.0.into(),
                    it.not_after.map(|t| t.0).into(),
                    text(&it.trail)?.into(),
                    it.updated.0.into(),
                    it.led.as_ref().map(text).transpose()?.into(),
                ],
            )?;
            counts.add(it.state, i64::try_from(done).unwrap_or(0));
        }
        self.counts_move(run, WALKS, &counts)
    }

    /// Loads walks for change: locked on PostgreSQL, in the order of their devices; unknown ones are left out.
    pub fn walks_for_update(&mut self, run: RunId, devices: &[DeviceId]) -> Result<Vec<Walk>, Fault> {
        let mut sorted: Vec<Uuid> = devices.iter().map(|d| d.0).collect();
        sorted.sort_unstable();
        sorted.dedup();
        if self.is_postgres() {
            let all = V::Us(sorted.iter().map(|id| Some(*id)).collect());
            let lock = "SELECT device FROM walk WHERE run = ?1 AND device = ANY(?2::uuid[]) ORDER BY device FOR NO KEY UPDATE";
            self.rows(lock, &[V::U(run.0), all])?;
        }
        let mut found = Vec::with_capacity(sorted.len());
        for chunk in sorted.chunks(200) {
            let mut list = List::new(WALK, "walk w");
            list.filter("w.run = {}", run.0);
            list.any_of("w.device", chunk.iter().copied());
            found.extend(list.all(self, "w.device", chunk.len(), walk)?);
        }
        Ok(found)
    }

    /// Loads the walks of a run that have not ended, after a device, for change.
    pub fn walks_open(&mut self, run: RunId, after: Option<DeviceId>, limit: usize) -> Result<Vec<Walk>, Fault> {
        let mut list = List::new("w.device", "walk w");
        list.filter("w.run = {}", run.0);
        list.filter("w.device > {}", after.map_or(Uuid::nil(), |d| d.0));
        list.condition("w.state IN ('prepared', 'running')");
        let devices = list.all(self, "w.device", limit, |r| r.id(0).map(DeviceId))?;
        self.walks_for_update(run, &devices)
    }

    /// Saves walks that were loaded for change, with their former states, and the totals of their run.
    pub fn walks_save(&mut self, run: RunId, now: Timestamp, all: &[(State, Walk)]) -> Result<(), Fault> {
        let mut counts = Counts::default();
        for (before, it) in all {
            self.fenced(
                1,
                "UPDATE walk SET state = ?3, step = ?4, round = ?5, trail = ?6, updated = ?7, led = ?8 WHERE run = ?1 AND device = ?2",
                &[
                    V::U(run.0),
                    V::U(it.device.0),
                    it.state.as_str().into(),
                    it.step.into(),
                    i64::from(it.round).into(),
                    text(&it.trail)?.into(),
                    now.0.into(),
                    it.led.as_ref().map(text).transpose()?.into(),
                ],
            )?;
            counts.add(*before, -1);
            counts.add(it.state, 1);
        }
        self.counts_move(run, WALKS, &counts)
    }

    /// Makes assignments that will not be done, each with its event. Gives nothing twice: one that is there stays as it is.
    pub fn assignments_skip(
        &mut self,
        (org, run): (OrgId, RunId),
        step: i64,
        priority: u8,
        now: Timestamp,
        all: &[(AssignmentId, DeviceId)],
    ) -> Result<(), Fault> {
        let mut counts = Counts::default();
        for (id, device) in all {
            let done = self.exec(
                "INSERT INTO assignment (id, org, run, step, device, state, open, priority, attempt, lease, due, cancel_requested, created, updated, ended, timer) \
                 VALUES (?1, ?2, ?3, ?4, ?5, 'skipped', 0, ?6, 0, 0, ?7, 0, ?7, ?7, ?7, 0) ON CONFLICT DO NOTHING",
                &[V::U(id.0), V::U(org.0), V::U(run.0), step.into(), V::U(device.0), i64::from(priority).into(), now.0.into()],
            )?;
            if done > 0 {
                counts.add(State::Skipped, 1);
                self.event_insert(org, run, Some(id.0), None, now, State::Skipped.as_str(), &serde_json::json!({}))?;
            }
        }
        self.counts_move(run, step, &counts)
    }

    /// Loads a server job for change: locked on PostgreSQL.
    pub fn job_for_update(&mut self, run: RunId) -> Result<Option<JobRecord>, Fault> {
        if self.is_postgres() {
            self.rows("SELECT run FROM run_job WHERE run = ?1 FOR NO KEY UPDATE", &[V::U(run.0)])?;
        }
        self.job(run)
    }

    /// Saves where a server job stands; the first time it begins there.
    pub fn job_save(&mut self, it: &JobRecord) -> Result<(), Fault> {
        self.fenced(
            1,
            "INSERT INTO run_job (run, org, phase, step, round, reached, since, due, trail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT (run) DO UPDATE SET phase = excluded.phase, step = excluded.step, round = excluded.round, \
             reached = excluded.reached, since = excluded.since, due = excluded.due, trail = excluded.trail",
            &[
                V::U(it.run.0),
                V::U(it.org.0),
                it.phase.as_str().into(),
                it.step.into(),
                i64::from(it.round).into(),
                it.reached.map(|d| d.0).into(),
                it.since.0.into(),
                it.due.map(|t| t.0).into(),
                text(&it.trail)?.into(),
            ],
        )?;
        self.after(Hint { topic: Topic::Work, id: None, org: Some(it.org.0) });
        Ok(())
    }

    /// Lets a server job be looked at now, because something of its step ended; nothing when it has ended itself.
    pub fn job_nudge(&mut self, run: RunId, now: Timestamp) -> Result<(), Fault> {
        self.exec(
            "UPDATE run_job SET due = ?2 WHERE run = ?1 AND phase <> 'done' AND (due IS NULL OR due > ?2)",
            &[V::U(run.0), now.0.into()],
        )?;
        self.after(Hint { topic: Topic::Work, id: None, org: None });
        Ok(())
    }

    /// Ends where a server job stands: nothing looks at it any more.
    pub fn job_end(&mut self, it: &JobRecord) -> Result<(), Fault> {
        self.job_save(&JobRecord { phase: JobPhase::Done, due: None, ..it.clone() })
    }
}
