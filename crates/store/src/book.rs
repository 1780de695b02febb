//! The order book: what each machine is to keep of tasks that it begins by its own clock.

use crate::fault::Fault;
use crate::list::{List, json, small};
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::ids::{AgentId, DeviceId, OrgId, TaskId};
use muster_core::tasks::BookRow;
use muster_core::tasks::state::Actor;
use muster_core::time::Timestamp;
use std::collections::BTreeMap;

/// A task whose entries are looked at now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookTask {
    /// The task.
    pub task: TaskId,
    /// Whose it is.
    pub org: OrgId,
    /// Its version.
    pub version: i64,
    /// When a worker looks next.
    pub due: Timestamp,
}

/// An agent that can keep tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eligible {
    /// The agent in its life.
    pub actor: Actor,
    /// What a person switched off for it.
    pub disabled: Vec<String>,
}

const ROW: &str =
    "b.device, b.task, b.org, b.version, b.issue, b.agent, b.incarnation, b.print, b.standing, b.since, b.valid, b.held, b.gone, b.begins";

fn row(row: &Row) -> Result<BookRow, Fault> {
    Ok(BookRow {
        device: row.id(0)?.into(),
        task: row.id(1)?.into(),
        org: row.id(2)?.into(),
        version: row.int(3)?,
        issue: small(row, 4, "book", "issue")?,
        actor: Actor { agent: row.id(5)?.into(), incarnation: small(row, 6, "book", "incarnation")? },
        print: row.text(7)?.to_owned(),
        standing: json(row, 8, "book", "standing")?,
        since: Timestamp(row.int(9)?),
        valid: Timestamp(row.int(10)?),
        held: row.opt_int(11)?.map(Timestamp),
        gone: row.opt_int(12)?.map(Timestamp),
        begins: row.opt_int(13)?.map(Timestamp),
    })
}

impl Rx {
    /// The task whose entries were not looked at for the longest, if it is due.
    pub fn book_task_due(&mut self, now: Timestamp) -> Result<Option<BookTask>, Fault> {
        let sql = "SELECT task, org, version, due FROM book_task WHERE due <= ?1 ORDER BY due, task LIMIT 1";
        let read =
            |row: &Row| Ok(BookTask { task: row.id(0)?.into(), org: row.id(1)?.into(), version: row.int(2)?, due: Timestamp(row.int(3)?) });
        self.one(sql, &[now.0.into()])?.as_ref().map(read).transpose()
    }

    /// What an agent is to keep, by task.
    pub fn book_of(&mut self, device: DeviceId, agent: AgentId) -> Result<Vec<BookRow>, Fault> {
        let mut list = List::new(ROW, "book b");
        list.filter("b.device = {}", device.0);
        list.condition("b.gone IS NULL");
        let rows = list.all(self, "b.task", 1_000, row)?;
        Ok(rows.into_iter().filter(|row| row.actor.agent == agent).collect())
    }

    /// What a device is to keep, by task, with the names of the tasks.
    pub fn book_named(&mut self, device: DeviceId) -> Result<Vec<(BookRow, String)>, Fault> {
        const NAMED: &str = "b.device, b.task, b.org, b.version, b.issue, b.agent, b.incarnation, b.print, b.standing, b.since, b.valid, b.held, b.gone, b.begins, t.name";
        let mut list = List::new(NAMED, "book b JOIN task t ON t.id = b.task");
        list.filter("b.device = {}", device.0);
        list.condition("b.gone IS NULL");
        list.all(self, "t.name, b.task", 1_000, |r| Ok((row(r)?, r.text(14)?.to_owned())))
    }

    /// All entries of a task, by device, also those that were taken from their machines.
    pub fn book_of_task(&mut self, task: TaskId) -> Result<Vec<BookRow>, Fault> {
        let mut list = List::new(ROW, "book b");
        list.filter("b.task = {}", task.0);
        list.all(self, "b.device", usize::MAX >> 1, row)
    }

    /// The entries of a task on some devices, also those that were taken from them.
    pub fn book_on(&mut self, task: TaskId, devices: &[DeviceId]) -> Result<BTreeMap<DeviceId, BookRow>, Fault> {
        let mut found = BTreeMap::new();
        for chunk in devices.chunks(200) {
            let mut list = List::new(ROW, "book b");
            list.filter("b.task = {}", task.0);
            list.any_of("b.device", chunk.iter().map(|id| id.0));
            found.extend(list.all(self, "b.device", chunk.len(), row)?.into_iter().map(|row| (row.device, row)));
        }
        Ok(found)
    }

    /// How many machines are to keep a task, and how many say that they do.
    pub fn book_counts(&mut self, task: TaskId) -> Result<(i64, i64), Fault> {
        let row = self.one("SELECT count(*), count(held) FROM book WHERE task = ?1 AND gone IS NULL", &[V::U(task.0)])?;
        row.map_or(Ok((0, 0)), |row| Ok((row.int(0)?, row.int(1)?)))
    }

    /// The agents of an organization that can keep tasks, by device; of several the one heard last.
    pub fn book_eligible(&mut self, org: OrgId) -> Result<BTreeMap<DeviceId, Eligible>, Fault> {
        let sql = "SELECT a.device, a.id, a.incarnation, a.disabled FROM agent a WHERE a.org = ?1 AND a.protocol = 'muster' AND a.verified = 1 \
                   AND a.quarantined IS NULL AND a.public_key IS NOT NULL ORDER BY a.device, coalesce(a.last_contact, 0), a.id";
        let mut found = BTreeMap::new();
        for row in self.rows(sql, &[V::U(org.0)])? {
            let actor = Actor { agent: row.id(1)?.into(), incarnation: small(&row, 2, "agent", "incarnation")? };
            found.insert(DeviceId(row.id(0)?), Eligible { actor, disabled: json(&row, 3, "agent", "disabled")? });
        }
        Ok(found)
    }
}

impl Tx {
    /// A task is kept by machines from now on, in this version; its entries are looked at at once.
    pub fn book_task_put(&mut self, it: &BookTask) -> Result<(), Fault> {
        self.exec(
            "INSERT INTO book_task (task, org, version, due) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (task) DO UPDATE SET version = excluded.version, due = excluded.due",
            &[V::U(it.task.0), V::U(it.org.0), it.version.into(), it.due.0.into()],
        )?;
        self.after(Hint { topic: Topic::Schedule, id: Some(it.task.0), org: Some(it.org.0) });
        Ok(())
    }

    /// When the entries of a task are looked at next; nothing where it is kept no more.
    pub fn book_task_due_at(&mut self, task: TaskId, due: Timestamp) -> Result<(), Fault> {
        self.send("UPDATE book_task SET due = ?2 WHERE task = ?1", &[V::U(task.0), due.0.into()])
    }

    /// The entries of all tasks of an organization are looked at now.
    pub fn book_now(&mut self, org: OrgId, now: Timestamp) -> Result<(), Fault> {
        if self.exec("UPDATE book_task SET due = ?2 WHERE org = ?1 AND due > ?2", &[V::U(org.0), now.0.into()])? > 0 {
            self.after(Hint { topic: Topic::Schedule, id: None, org: Some(org.0) });
        }
        Ok(())
    }

    /// A task is kept by machines no more; that they kept it is remembered.
    pub fn book_task_drop(&mut self, task: TaskId, now: Timestamp) -> Result<(), Fault> {
        if self.exec("DELETE FROM book_task WHERE task = ?1", &[V::U(task.0)])? == 0 {
            return Ok(());
        }
        // What else those machines keep is another book now.
        let others = "UPDATE book SET held = NULL WHERE device IN (SELECT b.device FROM book b WHERE b.task = ?1 AND b.gone IS NULL)";
        self.send(others, &[V::U(task.0)])?;
        let gone = "UPDATE book SET gone = ?2 WHERE task = ?1 AND gone IS NULL RETURNING device, org";
        let rows = self.rows(gone, &[V::U(task.0), now.0.into()])?;
        for row in &rows {
            let hint = Hint { topic: Topic::Device, id: Some(row.id(0)?), org: Some(row.id(1)?) };
            self.after(hint);
        }
        Ok(())
    }

    /// Writes what a machine is to keep; it is not held until its agent says so.
    pub fn book_put(&mut self, it: &BookRow) -> Result<(), Fault> {
        let standing = serde_json::to_string(&it.standing).map_err(|e| Fault::Db(e.to_string()))?;
        self.exec(
            "INSERT INTO book (device, task, org, version, issue, agent, incarnation, print, standing, since, valid, begins, held) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, NULL) ON CONFLICT (device, task) DO UPDATE SET version = excluded.version, \
             issue = excluded.issue, agent = excluded.agent, incarnation = excluded.incarnation, print = excluded.print, \
             standing = excluded.standing, since = excluded.since, valid = excluded.valid, \
             begins = excluded.begins, held = NULL, gone = NULL",
            &[
                V::U(it.device.0),
                V::U(it.task.0),
                V::U(it.org.0),
                it.version.into(),
                i64::from(it.issue).into(),
                V::U(it.actor.agent.0),
                i64::from(it.actor.incarnation).into(),
                (&it.print).into(),
                standing.into(),
                it.since.0.into(),
                it.valid.0.into(),
                it.begins.map(|at| at.0).into(),
            ],
        )?;
        self.after(Hint { topic: Topic::Device, id: Some(it.device.0), org: Some(it.org.0) });
        Ok(())
    }

    /// A machine is to keep a task no more; that it kept it is remembered.
    pub fn book_remove(&mut self, org: OrgId, device: DeviceId, task: TaskId, now: Timestamp) -> Result<(), Fault> {
        let gone = "UPDATE book SET gone = ?3 WHERE device = ?1 AND task = ?2 AND gone IS NULL";
        if self.exec(gone, &[V::U(device.0), V::U(task.0), now.0.into()])? > 0 {
            // What else it keeps is another book now: that it holds more is no drift.
            self.send("UPDATE book SET held = NULL WHERE device = ?1", &[V::U(device.0)])?;
            self.after(Hint { topic: Topic::Device, id: Some(device.0), org: Some(org.0) });
        }
        Ok(())
    }

    /// Forgets entries that were taken from their machines and were good until long before `end`.
    pub fn book_forget(&mut self, end: Timestamp) -> Result<(), Fault> {
        self.send("DELETE FROM book WHERE gone IS NOT NULL AND valid < ?1", &[end.0.into()])
    }

    /// An agent says that it holds all that it is to keep.
    pub fn book_held(&mut self, device: DeviceId, agent: AgentId, now: Timestamp) -> Result<(), Fault> {
        let sql =
            "UPDATE book SET held = ?3, begins = coalesce(begins, ?3) WHERE device = ?1 AND agent = ?2 AND held IS NULL AND gone IS NULL";
        self.send(sql, &[V::U(device.0), V::U(agent.0), now.0.into()])?;
        self.after(Hint { topic: Topic::Agent, id: Some(agent.0), org: None });
        Ok(())
    }

    /// An agent holds something else than it said to hold.
    pub fn book_drifted(&mut self, device: DeviceId, agent: AgentId, now: Timestamp) -> Result<(), Fault> {
        let sql = "UPDATE book SET held = NULL, begins = NULL, since = ?3 WHERE device = ?1 AND agent = ?2 AND gone IS NULL";
        self.exec(sql, &[V::U(device.0), V::U(agent.0), now.0.into()])?;
        self.exec("UPDATE agent SET book_drifted = ?2 WHERE id = ?1", &[V::U(agent.0), now.0.into()])?;
        self.after(Hint { topic: Topic::Agent, id: Some(agent.0), org: None });
        Ok(())
    }
}
