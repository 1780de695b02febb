//! The store: opens a database, owns its threads, takes commands and reads.

use crate::batch::{Command, Job, Out, batch};
use crate::fault::{Fault, OpenError};
use crate::inline::{FaultPlan, Inline, Strike};
use crate::lite::{self, Lite};
use crate::pg::{self, Pg};
use crate::queue::Queue;
use crate::read::{self, ReadJob};
use crate::stats::{Counters, StoreStats};
use crate::unit::{Db, Hint, Limit, Rx, Tx};
use crate::{checkpoint, migrate, pgwriter};
use muster_core::limits::{BATCH_COMMANDS_MAX, WRITER_QUEUE_MAX};
use muster_core::time::Clock;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Builder, JoinHandle, Thread};
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, oneshot};

/// Sizes and time limits; the defaults are those that were measured.
#[derive(Debug, Clone)]
pub struct Options {
    /// Commands that may wait (1,024).
    pub queue: usize,
    /// Commands of one SQLite transaction (256).
    pub batch: usize,
    /// How long one SQLite transaction takes new commands (5 ms); as long as the last commit took where that is longer, up to 25 ms.
    pub batch_time: Duration,
    /// The time limit of a command (2 s).
    pub command: Duration,
    /// The time limit of a read (30 s).
    pub read: Duration,
    /// Reading connections (4).
    pub readers: usize,
    /// Writing connections to PostgreSQL (8).
    pub writers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue: WRITER_QUEUE_MAX,
            batch: BATCH_COMMANDS_MAX,
            batch_time: Duration::from_millis(5),
            command: Duration::from_secs(2),
            read: Duration::from_secs(30),
            readers: 4,
            writers: 8,
        }
    }
}

/// The longest one SQLite transaction takes new commands where commits are slow.
const BATCH_TIME_MAX: Duration = Duration::from_millis(25);

/// A database and the threads that work on it. Cloning is cheap; the last clone that goes away ends the threads.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    kind: Kind,
}

enum Kind {
    Threads { threads: Mutex<Vec<Worker>>, file: Option<PathBuf>, checkpoint: Mutex<Option<mpsc::Sender<()>>> },
    Inline(Arc<Inline>),
}

struct Worker {
    thread: JoinHandle<()>,
    /// Closed when the thread ends.
    ended: oneshot::Receiver<()>,
}

/// What the threads share with the callers.
pub(crate) struct Shared {
    pub writes: Queue<Box<dyn Job>>,
    pub reads: Queue<ReadJob>,
    pub counters: Counters,
    pub hints: broadcast::Sender<Hint>,
}

impl Shared {
    fn new(options: &Options) -> Arc<Self> {
        Arc::new(Self {
            writes: Queue::new(options.queue),
            reads: Queue::new(options.queue),
            counters: Counters::default(),
            hints: broadcast::channel(4096).0,
        })
    }

    pub(crate) fn out(&self) -> Out<'_> {
        Out { counters: &self.counters, hints: &self.hints }
    }

    fn close(&self) {
        self.writes.close();
        self.reads.close();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Store {
    /// Opens or makes a SQLite file, applies missing migrations, starts one writer, four readers and the checkpoints.
    /// Blocks meanwhile.
    pub fn open_sqlite(path: &Path, clock: Arc<dyn Clock>) -> Result<Store, OpenError> {
        Self::open_sqlite_with(path, clock, &Options::default())
    }

    /// As `open_sqlite`, with other sizes and limits.
    pub fn open_sqlite_with(path: &Path, clock: Arc<dyn Clock>, options: &Options) -> Result<Store, OpenError> {
        let mut db = Lite::writer(path)?;
        migrate::sqlite(&mut db)?;
        let (stopper, stop) = mpsc::channel();
        let store = Self::threaded(options, Some(path.into()), Some(stopper));
        for n in 1..=options.readers {
            let mut rx = Rx::new(Db::Lite(Lite::reader(path)?), Arc::clone(&clock), Limit::clocked(options.read));
            store.start(format!("read-{n}"), move |shared| read::work(&mut rx, &shared.reads, &shared.counters))?;
        }
        let mut pages = Lite::side(path)?;
        store.start("checkpoint".into(), move |shared| checkpoint::work(&mut pages, &shared.counters, &stop))?;
        let mut tx = Tx::new(Rx::new(Db::Lite(db), clock, Limit::clocked(options.command)));
        let options = options.clone();
        store.start("write".into(), move |shared| write_sqlite(&mut tx, shared, &options))?;
        Ok(store)
    }

    /// Connects to PostgreSQL (`postgres://user:password@host/name`), applies missing migrations, starts eight writing and
    /// four reading connections. Blocks meanwhile. A link that breaks later is made again at its next use.
    pub fn open_postgres(url: &str, clock: Arc<dyn Clock>) -> Result<Store, OpenError> {
        Self::open_postgres_with(url, clock, &Options::default())
    }

    /// As `open_postgres`, with other sizes and limits.
    pub fn open_postgres_with(url: &str, clock: Arc<dyn Clock>, options: &Options) -> Result<Store, OpenError> {
        let config = pg::config(url)?;
        migrate_postgres(config.clone())?;
        let store = Self::threaded(options, None, None);
        for n in 1..=options.readers {
            let (clock, config, limit) = (Arc::clone(&clock), config.clone(), options.read);
            store.start(format!("read-{n}"), move |shared| {
                let Some(db) = connection(config, limit) else { return };
                read::work(&mut Rx::new(db, clock, Limit::clocked(limit)), &shared.reads, &shared.counters);
            })?;
        }
        for n in 1..=options.writers {
            let (clock, config, limit) = (Arc::clone(&clock), config.clone(), options.command);
            store.start(format!("write-{n}"), move |shared| {
                let Some(db) = connection(config, limit) else { return };
                let mut tx = Tx::new(Rx::new(db, clock, Limit::clocked(limit)));
                pgwriter::work(&mut tx, &shared.writes, &shared.out(), limit);
            })?;
        }
        Ok(store)
    }

    /// A store whose threads are still to be started; when that fails, dropping it ends those that were.
    fn threaded(options: &Options, file: Option<PathBuf>, checkpoint: Option<mpsc::Sender<()>>) -> Store {
        let kind = Kind::Threads { threads: Mutex::default(), file, checkpoint: Mutex::new(checkpoint) };
        Self { inner: Arc::new(Inner { shared: Shared::new(options), kind }) }
    }

    fn start(&self, name: String, work: impl FnOnce(&Shared) + Send + 'static) -> Result<(), OpenError> {
        let Kind::Threads { threads, .. } = &self.inner.kind else { return Ok(()) };
        let shared = Arc::clone(&self.inner.shared);
        let (alive, ended) = oneshot::channel();
        let run = move || {
            let _alive: oneshot::Sender<()> = alive;
            work(&shared);
        };
        let thread = Builder::new().name(name).spawn(run).map_err(no_thread)?;
        threads.lock().unwrap_or_else(PoisonError::into_inner).push(Worker { thread, ended });
        Ok(())
    }

    /// A store in memory whose order of commands and whose faults come from `seed` (simulator, fast tests). Inside a tokio
    /// runtime (with time enabled) `write` waits a seeded (virtual) delay and shuffles what is queued; outside it runs at once.
    pub fn inline(seed: u64, clock: Arc<dyn Clock>) -> Store {
        Self::inline_with(seed, clock, &Options::default())
    }

    /// As `inline`, with other limits; time limits become limits of work, which do not depend on the machine.
    pub fn inline_with(seed: u64, clock: Arc<dyn Clock>, options: &Options) -> Store {
        let inline = Arc::new(Inline::new(seed, clock, options.command));
        Self { inner: Arc::new(Inner { shared: Shared::new(options), kind: Kind::Inline(inline) }) }
    }

    /// Sets which batches of an inline store are struck from now on; no effect on a real one.
    pub fn faults(&self, plan: FaultPlan) {
        if let Kind::Inline(inline) = &self.inner.kind {
            inline.faults(plan);
        }
    }

    /// Runs a command and answers after its commit. Waits while the queue is full. `f` may run several times (overtaken by
    /// others, or in a batch that was lost): it must touch nothing but the `Tx` and its arguments. When the caller stops
    /// waiting, the command is done all the same.
    pub async fn write<T, E, F>(&self, name: &'static str, f: F) -> Result<T, E>
    where
        F: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Fault> + Send + 'static,
    {
        let (job, answer) = Command::new(name, f);
        self.inner.shared.writes.push(Box::new(job)).await.map_err(E::from)?;
        self.pump();
        answer.await.unwrap_or_else(|_| Err(E::from(Fault::Gone)))
    }

    /// As `write`, but a full queue is `Fault::Full` at once (agents' doors).
    pub async fn try_write<T, E, F>(&self, name: &'static str, f: F) -> Result<T, E>
    where
        F: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Fault> + Send + 'static,
    {
        let (job, answer) = Command::new(name, f);
        self.inner.shared.writes.try_push(Box::new(job)).map_err(E::from)?;
        self.pump();
        answer.await.unwrap_or_else(|_| Err(E::from(Fault::Gone)))
    }

    /// As `write`, blocking the thread (administration commands, simulator, tests). An inline store runs it at once, alone.
    pub fn write_now<T, E, F>(&self, name: &'static str, f: F) -> Result<T, E>
    where
        F: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Fault> + Send + 'static,
    {
        let Kind::Inline(inline) = &self.inner.kind else { return wait(self.write(name, f)) };
        let (job, mut answer) = Command::new(name, f);
        inline.now(vec![Box::new(job)], &self.inner.shared.out());
        answer.try_recv().unwrap_or_else(|_| Err(E::from(Fault::Gone)))
    }

    /// Runs a read on one consistent state of committed data.
    pub async fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Rx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Fault> + Send + 'static,
    {
        let (job, answer) = read::job(f);
        match &self.inner.kind {
            Kind::Inline(inline) => inline.read(job),
            Kind::Threads { .. } => self.inner.shared.reads.push(job).await.map_err(E::from)?,
        }
        answer.await.unwrap_or_else(|_| Err(E::from(Fault::Gone)))
    }

    /// As `read`, blocking the thread.
    pub fn read_now<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Rx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Fault> + Send + 'static,
    {
        wait(self.read(f))
    }

    /// The effects of commands that are committed from now on, in order of commit; nothing of those rolled back. A receiver
    /// that falls 4,096 behind loses the oldest.
    pub fn hints(&self) -> broadcast::Receiver<Hint> {
        self.inner.shared.hints.subscribe()
    }

    /// Takes no more commands and reads, finishes those that wait, ends the threads. Later calls are answered `Fault::Gone`.
    pub async fn close(self) {
        self.inner.shared.close();
        let Kind::Threads { threads, checkpoint, .. } = &self.inner.kind else { return };
        drop(checkpoint.lock().unwrap_or_else(PoisonError::into_inner).take());
        let workers = std::mem::take(&mut *threads.lock().unwrap_or_else(PoisonError::into_inner));
        for worker in workers {
            // An error is what ends the wait: the other half is dropped with the thread.
            let _ = worker.ended.await;
            if worker.thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }

    /// Writes a compact, consistent copy of a SQLite store to a new file, readable by its owner only. Blocks; commands go on
    /// meanwhile. For PostgreSQL the error names its own tool.
    pub fn backup(&self, to: &Path) -> Result<(), Fault> {
        match &self.inner.kind {
            Kind::Inline(inline) => inline.with_lite(|db| lite::copy(db, to)).unwrap_or(Err(Fault::Gone)),
            Kind::Threads { file: Some(file), .. } => lite::copy(&mut opened(Lite::side(file))?, to),
            Kind::Threads { file: None, .. } => Err(Fault::Db(
                "a PostgreSQL database is backed up with its own tools: pg_dump --format=custom, or continuous archiving".into(),
            )),
        }
    }

    /// Looks for damage: a sentence per finding, empty when all is well. Blocks; reads the whole file on SQLite.
    pub fn integrity(&self) -> Result<Vec<String>, Fault> {
        match &self.inner.kind {
            Kind::Inline(inline) => inline.with_lite(lite::integrity).unwrap_or(Err(Fault::Gone)),
            Kind::Threads { file: Some(file), .. } => lite::integrity(&mut opened(Lite::reader(file))?),
            Kind::Threads { file: None, .. } => self.read_now(pg::integrity),
        }
    }

    /// Whether the database is PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        matches!(self.inner.kind, Kind::Threads { file: None, .. })
    }

    /// Numbers for the metrics page.
    pub fn stats(&self) -> StoreStats {
        let shared = &self.inner.shared;
        StoreStats { queued: shared.writes.len() as u64, reads_queued: shared.reads.len() as u64, ..shared.counters.seen() }
    }

    /// Sees to it that an inline store works on its queue.
    fn pump(&self) {
        let Kind::Inline(inline) = &self.inner.kind else { return };
        if !inline.claim_pump() {
            return;
        }
        let pump = Pump { inline: Arc::clone(inline), shared: Arc::clone(&self.inner.shared) };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(pump.run())),
            Err(_) => while inline.round(&pump.shared.writes, &pump.shared.out()) {},
        }
    }
}

/// The writer of an inline store: a task that ends when nothing is queued.
struct Pump {
    inline: Arc<Inline>,
    shared: Arc<Shared>,
}

impl Pump {
    async fn run(self) {
        loop {
            tokio::time::sleep(self.inline.delay()).await;
            if !self.inline.round(&self.shared.writes, &self.shared.out()) {
                return;
            }
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        // Also when the runtime ends first; what is queued then waits for the next command.
        self.inline.release_pump();
    }
}

/// The writer thread of SQLite.
fn write_sqlite(tx: &mut Tx, shared: &Shared, options: &Options) {
    let mut commit = Duration::ZERO;
    while let Some(first) = shared.writes.wait() {
        let (mut first, start, mut left) = (Some(first), Instant::now(), options.batch);
        // A commit that takes long is shared by as much work: half of the time goes into commands.
        let room = commit.clamp(options.batch_time, options.batch_time.max(BATCH_TIME_MAX));
        let mut taken = start;
        batch(tx, &shared.out(), Strike::Pass, &mut || {
            left = left.checked_sub(1)?;
            if first.is_some() {
                return first.take();
            }
            taken = Instant::now();
            if taken - start > room { None } else { shared.writes.take() }
        });
        commit = taken.elapsed();
    }
}

fn opened(db: Result<Lite, OpenError>) -> Result<Lite, Fault> {
    db.map_err(|e| Fault::Db(e.to_string()))
}

fn no_thread(e: std::io::Error) -> OpenError {
    OpenError::Database(format!("cannot start a thread: {e}"))
}

/// Connects and migrates on a thread of its own: the caller may be inside a runtime.
fn migrate_postgres(config: tokio_postgres::Config) -> Result<(), OpenError> {
    let work = move || {
        let mut db = Pg::new(config, Duration::from_secs(3600)).map_err(|e| OpenError::Connect(e.to_string()))?;
        db.connect()?;
        migrate::postgres(&mut db)
    };
    let thread = Builder::new().name("migrate".into()).spawn(work).map_err(no_thread)?;
    thread.join().unwrap_or_else(|_| Err(OpenError::Database("the migration panicked; the log of the server says where".into())))
}

fn connection(config: tokio_postgres::Config, limit: Duration) -> Option<Db> {
    match Pg::new(config, limit) {
        Ok(db) => Some(Db::Pg(Box::new(db))),
        Err(e) => {
            tracing::error!(error = %e, "a connection thread cannot start");
            None
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks this thread until the future is done; also inside a runtime, whose own `block_on` would panic there.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
