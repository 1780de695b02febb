//! What the tests stand on: a store over each database, with one small table.

use crate::testdb::{self, Database};
use crate::unit::Tx;
use crate::{Fault, Options, Store};
use muster_core::time::{HandClock, Timestamp};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::task::{Context, Waker};
use std::time::Duration;

pub(crate) struct World {
    pub store: Store,
    pub clock: Arc<HandClock>,
    /// Commands queue up behind one another.
    pub queues: bool,
    pub url: Option<String>,
    // After the store: dropped last.
    _database: Option<Database>,
    _dir: Option<Dir>,
}

/// A directory that goes away with the test.
pub(crate) struct Dir(pub std::path::PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("muster-store-test-{}-{}", std::process::id(), COUNT.fetch_add(1, SeqCst));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// One writer, so that commands meet in one queue, and batches that never close by time.
pub(crate) fn options() -> Options {
    Options { writers: 1, readers: 2, batch_time: Duration::from_secs(60), command: Duration::from_secs(5), ..Options::default() }
}

pub(crate) fn clock() -> Arc<HandClock> {
    Arc::new(HandClock::at(Timestamp(1_795_000_000_000)))
}

impl World {
    pub(crate) fn sqlite(options: &Options) -> Self {
        let (dir, clock) = (Dir::new(), clock());
        let store = Store::open_sqlite_with(&dir.0.join("muster.db"), clock.clone(), options).unwrap();
        Self { store, clock, queues: true, url: None, _database: None, _dir: Some(dir) }.furnished()
    }

    pub(crate) fn postgres(options: &Options) -> Self {
        let (database, clock) = (testdb::database(), clock());
        let store = Store::open_postgres_with(database.url(), clock.clone(), options).unwrap();
        let url = Some(database.url().to_owned());
        Self { store, clock, queues: true, url, _database: Some(database), _dir: None }.furnished()
    }

    pub(crate) fn inline(options: &Options) -> Self {
        let clock = clock();
        let store = Store::inline_with(7, clock.clone(), options);
        Self { store, clock, queues: false, url: None, _database: None, _dir: None }.furnished()
    }

    fn furnished(self) -> Self {
        let table = "CREATE TABLE item (id BIGINT PRIMARY KEY, text TEXT NOT NULL)";
        self.store.write_now("table", move |tx| tx.exec(table, &[]).map(|_| ())).unwrap();
        self
    }

    pub(crate) fn ids(&self) -> Vec<i64> {
        self.store
            .read_now(|rx| rx.rows("SELECT id FROM item ORDER BY id", &[])?.iter().map(|r| r.int(0)).collect::<Result<_, Fault>>())
            .unwrap()
    }

    /// Runs `f` while the only writer is busy, then lets it go on: what `f` queues meets in one batch on SQLite.
    pub(crate) fn while_busy<T>(&self, f: impl FnOnce() -> T) -> T {
        if !self.queues {
            return f();
        }
        let (go, busy) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (wait, started) = (go.clone(), busy.clone());
        let mut blocker: Write<()> = Box::pin(self.store.write("blocker", move |_| {
            started.store(true, SeqCst);
            while !wait.load(SeqCst) {
                std::thread::yield_now();
            }
            Ok(())
        }));
        queue(&mut blocker);
        while !busy.load(SeqCst) {
            std::thread::yield_now();
        }
        let value = f();
        go.store(true, SeqCst);
        value
    }
}

pub(crate) type Write<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + 'a>>;

/// The first poll queues the command.
pub(crate) fn queue<T>(write: &mut Write<'_, T>) {
    assert!(write.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "a queued command waits");
}

/// The answer of a queued command; an inline store may have given it at once.
pub(crate) fn answer<T>(write: Write<'_, T>) -> Result<T, Fault> {
    crate::store::wait(write)
}

pub(crate) fn insert(tx: &mut Tx, id: i64) -> Result<(), Fault> {
    tx.exec("INSERT INTO item (id, text) VALUES (?1, ?2)", &[id.into(), "x".into()]).map(|_| ())
}

/// Each body once per database.
macro_rules! on_all {
    ($($name:ident)*) => {
        mod sqlite { $(#[test] fn $name() { super::$name(&crate::tests::world::World::sqlite(&crate::tests::world::options())); })* }
        mod postgres { $(#[test] fn $name() { super::$name(&crate::tests::world::World::postgres(&crate::tests::world::options())); })* }
        mod inline { $(#[test] fn $name() { super::$name(&crate::tests::world::World::inline(&crate::tests::world::options())); })* }
    };
}
pub(crate) use on_all;
