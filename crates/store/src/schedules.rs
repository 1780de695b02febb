//! Schedules, their occurrences, and what happened that one of them waits for.

use crate::fault::Fault;
use crate::list::{List, Order, json, word};
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::ids::{DeviceId, OrgId, TaskId};
use muster_core::page::{Page, PageRequest};
use muster_core::tasks::{OccurrenceRecord, ScheduleOff, TaskDoc};
use muster_core::time::Timestamp;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Where a task's schedule stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRow {
    /// The task.
    pub task: TaskId,
    /// Whose it is.
    pub org: OrgId,
    /// The version it belongs to.
    pub version: i64,
    /// When a worker looks at it next; `None`: never by time.
    pub due: Option<Timestamp>,
    /// Until when it has been looked at.
    pub after: Timestamp,
    /// The event it waits for.
    pub awaits: Option<String>,
}

/// Something that happened that a task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// Its id.
    pub id: Uuid,
    /// The device it happened to.
    pub device: Option<DeviceId>,
    /// When.
    pub at: Timestamp,
}

const OCCURRENCE: &str = "o.task, o.nominal, o.id, o.org, o.at, o.state, o.run, o.detail, o.targets";
const OCCURRENCE_NAMED: &str = "o.task, o.nominal, o.id, o.org, o.at, o.state, o.run, o.detail, o.targets, t.name";

fn schedule(row: &Row) -> Result<ScheduleRow, Fault> {
    Ok(ScheduleRow {
        task: row.id(0)?.into(),
        org: row.id(1)?.into(),
        version: row.int(2)?,
        due: row.opt_int(3)?.map(Timestamp),
        after: Timestamp(row.int(4)?),
        awaits: row.opt_text(5)?.map(str::to_owned),
    })
}

fn occurrence(row: &Row) -> Result<OccurrenceRecord, Fault> {
    Ok(OccurrenceRecord {
        task: row.id(0)?.into(),
        nominal: row.text(1)?.to_owned(),
        id: row.id(2)?,
        org: row.id(3)?.into(),
        at: Timestamp(row.int(4)?),
        state: word(row, 5, "occurrence", "state")?,
        run: row.opt_id(6)?.map(Into::into),
        detail: row.text(7)?.to_owned(),
        targets: row.opt_int(8)?,
    })
}

impl Rx {
    /// Schedules that are due, the longest overdue first.
    pub fn schedules_due(&mut self, now: Timestamp, limit: i64) -> Result<Vec<ScheduleRow>, Fault> {
        let sql = "SELECT task, org, version, due, after_at, awaits FROM schedule WHERE due <= ?1 ORDER BY due, task LIMIT ?2";
        self.rows(sql, &[now.0.into(), limit.into()])?.iter().map(schedule).collect()
    }

    /// The schedule of a task.
    pub fn schedule_of(&mut self, task: TaskId) -> Result<Option<ScheduleRow>, Fault> {
        let sql = "SELECT task, org, version, due, after_at, awaits FROM schedule WHERE task = ?1";
        self.one(sql, &[V::U(task.0)])?.as_ref().map(schedule).transpose()
    }

    /// Tasks of an organization that wait for an event.
    pub fn schedules_awaiting(&mut self, org: OrgId, awaits: &str) -> Result<Vec<TaskId>, Fault> {
        let sql = "SELECT task FROM schedule WHERE org = ?1 AND awaits = ?2 ORDER BY task LIMIT 1000";
        self.rows(sql, &[V::U(org.0), awaits.into()])?.iter().map(|r| r.id(0).map(TaskId)).collect()
    }

    /// A page of what became of a task's occurrences. Sorts: at.
    pub fn occurrences(&mut self, task: TaskId, page: &PageRequest) -> Result<Page<OccurrenceRecord>, Fault> {
        let mut list = List::new(OCCURRENCE, "occurrence o");
        list.filter("o.task = {}", task.0);
        list.page(self, page, &Order { column: "o.at", id: "o.id" }, occurrence)
    }

    /// One occurrence of a task.
    pub fn occurrence(&mut self, task: TaskId, nominal: &str) -> Result<Option<OccurrenceRecord>, Fault> {
        let mut list = List::new(OCCURRENCE, "occurrence o");
        list.filter("o.task = {}", task.0);
        list.filter("o.nominal = {}", nominal);
        Ok(list.all(self, "o.at", 1, occurrence)?.pop())
    }

    /// Occurrences of an organization between two instants, with the names of their tasks; at most `limit`.
    pub fn occurrences_between(
        &mut self,
        org: OrgId,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<(OccurrenceRecord, String)>, Fault> {
        let mut list = List::new(OCCURRENCE_NAMED, "occurrence o JOIN task t ON t.id = o.task");
        list.filter("o.org = {}", org.0);
        list.filter("o.at >= {}", from.0);
        list.filter("o.at < {}", to.0);
        list.all(self, "o.at, o.id", limit, |row| Ok((occurrence(row)?, row.text(9)?.to_owned())))
    }

    /// Tasks of an organization with a schedule by time, at most `limit`.
    pub fn scheduled_tasks(&mut self, org: OrgId, limit: i64) -> Result<Vec<TaskId>, Fault> {
        let sql = "SELECT task FROM schedule WHERE org = ?1 AND due IS NOT NULL ORDER BY due, task LIMIT ?2";
        self.rows(sql, &[V::U(org.0), limit.into()])?.iter().map(|r| r.id(0).map(TaskId)).collect()
    }

    /// Tasks for which something happened before an instant.
    pub fn happened(&mut self, before: Timestamp, limit: i64) -> Result<Vec<(TaskId, OrgId)>, Fault> {
        let sql = "SELECT task, org FROM happening GROUP BY task, org HAVING min(at) <= ?1 ORDER BY min(at), task LIMIT ?2";
        self.rows(sql, &[before.0.into(), limit.into()])?.iter().map(|r| Ok((r.id(0)?.into(), r.id(1)?.into()))).collect()
    }

    /// What happened for a task, the oldest first.
    pub fn happenings(&mut self, task: TaskId, limit: i64) -> Result<Vec<Happening>, Fault> {
        let sql = "SELECT id, device, at FROM happening WHERE task = ?1 ORDER BY id LIMIT ?2";
        let read = |r: &Row| Ok(Happening { id: r.id(0)?, device: r.opt_id(1)?.map(Into::into), at: Timestamp(r.int(2)?) });
        self.rows(sql, &[V::U(task.0), limit.into()])?.iter().map(read).collect()
    }

    /// The document of a version of a task.
    pub fn task_doc(&mut self, task: TaskId, version: i64) -> Result<Option<TaskDoc>, Fault> {
        let row = self.one("SELECT doc FROM task_version WHERE task = ?1 AND version = ?2", &[V::U(task.0), version.into()])?;
        row.as_ref().map(|row| json(row, 0, "task_version", "doc")).transpose()
    }

    /// The zones that devices told; those that told none are left out.
    pub fn device_zones(&mut self, devices: &[DeviceId]) -> Result<BTreeMap<DeviceId, String>, Fault> {
        let mut zones = BTreeMap::new();
        for piece in devices.chunks(200) {
            let mut list = List::new("id, zone", "device d");
            list.any_of("d.id", piece.iter().map(|d| d.0));
            list.condition("d.zone IS NOT NULL");
            zones.extend(list.all(self, "d.id", piece.len(), |r| Ok((DeviceId(r.id(0)?), r.text(1)?.to_owned())))?);
        }
        Ok(zones)
    }
}

impl Tx {
    /// Loads a schedule for change: locked on PostgreSQL, so that of several servers one looks at it.
    pub fn schedule_for_update(&mut self, task: TaskId) -> Result<Option<ScheduleRow>, Fault> {
        if self.is_postgres() {
            self.rows("SELECT task FROM schedule WHERE task = ?1 FOR NO KEY UPDATE", &[V::U(task.0)])?;
        }
        self.schedule_of(task)
    }

    /// Writes where a task's schedule stands.
    pub fn schedule_put(&mut self, s: &ScheduleRow) -> Result<(), Fault> {
        self.send(
            "INSERT INTO schedule (task, org, version, due, after_at, awaits) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (task) DO UPDATE SET version = excluded.version, due = excluded.due, after_at = excluded.after_at, awaits = excluded.awaits",
            &[
                V::U(s.task.0),
                V::U(s.org.0),
                s.version.into(),
                s.due.map(|t| t.0).into(),
                s.after.0.into(),
                s.awaits.as_deref().into(),
            ],
        )?;
        self.after(Hint { topic: Topic::Schedule, id: Some(s.task.0), org: Some(s.org.0) });
        Ok(())
    }

    /// Takes the schedule of a task away, and what happened for it.
    pub fn schedule_drop(&mut self, task: TaskId) -> Result<(), Fault> {
        self.send("DELETE FROM schedule WHERE task = ?1", &[V::U(task.0)])?;
        self.send("DELETE FROM happening WHERE task = ?1", &[V::U(task.0)])
    }

    /// Lets the schedules of an organization be reckoned anew from an instant on, as after a change of its zone.
    pub fn schedules_anew(&mut self, org: OrgId, now: Timestamp) -> Result<(), Fault> {
        self.exec("UPDATE schedule SET due = ?2, after_at = ?2 WHERE org = ?1 AND awaits IS NULL", &[V::U(org.0), now.0.into()])?;
        self.after(Hint { topic: Topic::Schedule, id: None, org: Some(org.0) });
        Ok(())
    }

    /// Records what became of an occurrence; false when that is known already.
    pub fn occurrence_insert(&mut self, o: &OccurrenceRecord) -> Result<bool, Fault> {
        let done = self.exec(
            "INSERT INTO occurrence (task, nominal, org, at, state, run, detail, targets, id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
            &[
                V::U(o.task.0),
                (&o.nominal).into(),
                V::U(o.org.0),
                o.at.0.into(),
                o.state.as_str().into(),
                o.run.map(|r| r.0).into(),
                (&o.detail).into(),
                o.targets.into(),
                V::U(o.id),
            ],
        )?;
        Ok(done == 1)
    }

    /// Changes what became of an occurrence.
    pub fn occurrence_update(&mut self, o: &OccurrenceRecord) -> Result<(), Fault> {
        self.fenced(
            1,
            "UPDATE occurrence SET state = ?3, run = ?4, detail = ?5, targets = ?6 WHERE task = ?1 AND nominal = ?2",
            &[
                V::U(o.task.0),
                (&o.nominal).into(),
                o.state.as_str().into(),
                o.run.map(|r| r.0).into(),
                (&o.detail).into(),
                o.targets.into(),
            ],
        )
    }

    /// Notes that something happened that a task waits for.
    pub fn happening_insert(&mut self, id: Uuid, org: OrgId, task: TaskId, device: Option<DeviceId>, now: Timestamp) -> Result<(), Fault> {
        self.send(
            "INSERT INTO happening (id, org, task, device, cause, at) VALUES (?1, ?2, ?3, ?4, NULL, ?5)",
            &[V::U(id), V::U(org.0), V::U(task.0), device.map(|d| d.0).into(), now.0.into()],
        )
    }

    /// Takes off what happened for a task, up to an entry.
    pub fn happenings_drop(&mut self, task: TaskId, last: Uuid) -> Result<(), Fault> {
        self.exec("DELETE FROM happening WHERE task = ?1 AND id <= ?2", &[V::U(task.0), V::U(last)])?;
        Ok(())
    }

    /// Puts a task's schedule out of action, or back; what had happened for it until then is forgotten.
    pub fn task_schedule_off(&mut self, task: TaskId, org: OrgId, off: Option<&ScheduleOff>) -> Result<(), Fault> {
        let sql = "UPDATE task SET off_since = ?3, off_by = ?4, off_reason = ?5 WHERE id = ?1 AND org = ?2";
        let (by, reason) = (off.map(|it| it.by.as_str()), off.map(|it| it.reason.as_str()));
        self.fenced(1, sql, &[V::U(task.0), V::U(org.0), off.map(|it| it.since.0).into(), by.into(), reason.into()])?;
        self.send("DELETE FROM happening WHERE task = ?1", &[V::U(task.0)])?;
        self.after(Hint { topic: Topic::Task, id: Some(task.0), org: Some(org.0) });
        Ok(())
    }

    /// Up to how many targets a task starts unattended.
    pub fn task_approve(&mut self, task: TaskId, org: OrgId, targets_max: Option<i64>) -> Result<(), Fault> {
        self.fenced(1, "UPDATE task SET targets_max = ?3 WHERE id = ?1 AND org = ?2", &[V::U(task.0), V::U(org.0), targets_max.into()])?;
        self.after(Hint { topic: Topic::Task, id: Some(task.0), org: Some(org.0) });
        Ok(())
    }
}
