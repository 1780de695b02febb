//! The unit of work: `Rx` reads, `Tx` reads and writes. The operations by area are further `impl` blocks of these two.

use crate::fault::{Broken, Fault};
use crate::lite::Lite;
use crate::pg::Pg;
use crate::value::{Row, Table, V};
use muster_core::ids::DeviceId;
use muster_core::time::{Clock, Timestamp};
use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// What a hint is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// A device changed.
    Device,
    /// An agent changed.
    Agent,
    /// A task changed.
    Task,
    /// A run changed.
    Run,
    /// An assignment changed.
    Assignment,
    /// Settings changed.
    Settings,
    /// Something may be handed out to a device that could not before; the id is the device's.
    Work,
    /// A timer or an outbox row may be due.
    Wake,
    /// A schedule may be due.
    Schedule,
    /// A message was raised or read.
    Message,
    /// A group or its members changed.
    Group,
}

/// Says that something changed, after the commit. A lost hint costs a period, nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// What changed.
    pub topic: Topic,
    /// Which one; `None` is several.
    pub id: Option<Uuid>,
    /// Whose; `None` concerns everybody.
    pub org: Option<Uuid>,
}

/// What leaves after the commit of a command. Always a hint: what must happen is a row.
pub type Effect = Hint;

pub(crate) enum Db {
    Lite(Lite),
    Pg(Box<Pg>),
}

/// Reads. Sees one consistent state of committed data as long as the closure of `read` runs.
pub struct Rx {
    pub(crate) db: Db,
    clock: Arc<dyn Clock>,
    now: Timestamp,
    broken: Option<Broken>,
    limit: Limit,
}

/// The time limit of commands or reads. The simulator has none that depends on a clock of the machine.
pub(crate) struct Limit {
    pub each: Duration,
    pub clocked: bool,
    until: Option<Instant>,
}

impl Limit {
    pub(crate) fn clocked(each: Duration) -> Self {
        Self { each, clocked: true, until: None }
    }

    pub(crate) fn counted(each: Duration) -> Self {
        Self { each, clocked: false, until: None }
    }
}

impl Rx {
    pub(crate) fn new(db: Db, clock: Arc<dyn Clock>, limit: Limit) -> Self {
        let now = clock.now();
        Self { db, clock, now, broken: None, limit }
    }

    /// The wall clock, read once at the start of the command or read.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.db, Db::Pg(_))
    }

    /// All rows of an answer. Parameters are `?1`, `?2`, … on both databases.
    pub(crate) fn rows(&mut self, sql: &'static str, p: &[V]) -> Result<Vec<Row>, Fault> {
        self.ask(|db| match db {
            Db::Lite(db) => db.rows(sql, sql, p),
            Db::Pg(db) => db.rows(sql, sql, p),
        })
    }

    /// The first row of an answer.
    pub(crate) fn one(&mut self, sql: &'static str, p: &[V]) -> Result<Option<Row>, Fault> {
        Ok(self.rows(sql, p)?.into_iter().next())
    }

    /// As `rows`, for texts that are built from optional filters: few different ones, never with values in them.
    pub(crate) fn rows_dyn(&mut self, sql: &str, p: &[V]) -> Result<Vec<Row>, Fault> {
        self.ask(|db| match db {
            Db::Lite(db) => db.rows(sql, "", p),
            Db::Pg(db) => db.rows(sql, "", p),
        })
    }

    /// Asks a question that a person wrote, with views in front of it: the names of the columns and at most `most` rows.
    pub(crate) fn table(&mut self, views: &str, query: &str, most: usize) -> Result<Table, Fault> {
        self.ask(|db| match db {
            Db::Lite(db) => db.table(&format!("WITH {views} SELECT * FROM ({query}) AS answer LIMIT {most}")),
            Db::Pg(db) => db.table(
                &format!("WITH {views} SELECT * FROM ({query}) AS answer LIMIT {most}"),
                &format!("WITH {views} SELECT row_to_json(answer)::text FROM ({query}) AS answer LIMIT {most}"),
            ),
        })
    }

    /// A new command or read begins: its instant, its deadline, nothing broken.
    pub(crate) fn fresh(&mut self) {
        self.now = self.clock.now();
        self.broken = None;
        self.limit.until = self.limit.clocked.then(|| Instant::now() + self.limit.each);
        if let Db::Lite(db) = &mut self.db {
            db.watch(self.limit.until, self.limit.each);
        }
    }

    /// Ends the deadline, so that COMMIT and housekeeping are not cut short.
    pub(crate) fn unwatch(&mut self) {
        if let Db::Lite(db) = &mut self.db {
            db.unwatch();
        }
    }

    pub(crate) fn broken(&mut self) -> Option<Broken> {
        self.broken.take()
    }

    fn ask<T>(&mut self, f: impl FnOnce(&mut Db) -> Result<T, Broken>) -> Result<T, Fault> {
        if let Some(broken) = &self.broken {
            return Err(broken.fault.clone());
        }
        let late = self.limit.until.is_some_and(|until| Instant::now() > until);
        let answer = if late { Err(Broken::last(Fault::TooLong)) } else { f(&mut self.db) };
        answer.map_err(|broken| {
            let fault = broken.fault.clone();
            self.broken = Some(broken);
            fault
        })
    }
}

/// The unit of work of one command: all or nothing. A failed statement spoils it, even if the command swallows the error.
pub struct Tx {
    pub(crate) rx: Rx,
    after: Vec<Effect>,
    redrawn: BTreeSet<DeviceId>,
}

impl Deref for Tx {
    type Target = Rx;
    fn deref(&self) -> &Rx {
        &self.rx
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Rx {
        &mut self.rx
    }
}

impl Tx {
    pub(crate) fn new(rx: Rx) -> Self {
        Self { rx, after: Vec::new(), redrawn: BTreeSet::new() }
    }

    /// Runs a statement without an answer; how many rows it changed.
    pub(crate) fn exec(&mut self, sql: &'static str, p: &[V]) -> Result<u64, Fault> {
        self.rx.ask(|db| match db {
            Db::Lite(db) => db.exec(sql, p),
            Db::Pg(db) => db.exec(sql, p),
        })
    }

    /// As `exec` when nobody reads the answer: on PostgreSQL it travels with the next statement or COMMIT, and a refusal
    /// shows there. The order of statements is kept.
    pub(crate) fn send(&mut self, sql: &'static str, p: &[V]) -> Result<(), Fault> {
        self.rx.ask(|db| match db {
            Db::Lite(db) => db.exec(sql, p).map(|_| ()),
            Db::Pg(db) => db.send(sql, p),
        })
    }

    /// A fenced write: the command is run again when it does not change exactly `wanted` rows.
    pub(crate) fn fenced(&mut self, wanted: u64, sql: &'static str, p: &[V]) -> Result<(), Fault> {
        if self.exec(sql, p)? == wanted { Ok(()) } else { Err(self.conflict()) }
    }

    /// Marks the command as overtaken: it is undone and run again a few times, then answered with what it returns.
    pub(crate) fn conflict(&mut self) -> Fault {
        self.rx.broken.get_or_insert_with(Broken::conflict).fault.clone()
    }

    /// Something to say once the command is committed; dropped when it is not.
    pub fn after(&mut self, e: Effect) {
        self.after.push(e);
    }

    /// Notes that what queries ask of a device may have changed.
    pub(crate) fn redrawn(&mut self, device: DeviceId) {
        self.redrawn.insert(device);
    }

    /// Takes the devices of which what queries ask may have changed in this command, sorted. Whoever ends the command has to look
    /// which groups they are in now.
    pub fn take_redrawn(&mut self) -> Vec<DeviceId> {
        std::mem::take(&mut self.redrawn).into_iter().collect()
    }

    pub(crate) fn begin_command(&mut self) {
        self.after.clear();
        self.redrawn.clear();
        self.rx.fresh();
    }

    pub(crate) fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.after)
    }
}
