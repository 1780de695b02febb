//! The driver of the engine's workers: the only place that sleeps. It activates each worker once a period and when a hint
//! says that something may be due, again at once while more is due, later after errors.

use crate::accept::told;
use crate::errand::Runner;
use crate::wake::Outside;
use muster_core::ids::OrgId;
use muster_core::tasks::Action;
use muster_core::time::Timestamp;
use muster_engine::workers::{self, Done};
use muster_engine::{Engine, Error, Topic};
use muster_engine::{jobs, leftovers, reports, schedules, steps};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Time between two activations when no hint comes.
const PERIOD: Duration = Duration::from_secs(1);
/// The longest rest after errors.
const REST_MAX: Duration = Duration::from_secs(30);
/// Wake-ups under way at once.
const WAKES: i64 = 64;

/// The workers, by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    /// Makes and cancels assignments of runs.
    Prepare,
    /// Ends leases that lapsed.
    Lapse,
    /// Writes which agents were heard.
    Presence,
    /// Asks agents over HTTP to come.
    Wakes,
    /// Counts programs across the fleet.
    Tally,
    /// Starts what is due by the clock.
    Schedules,
    /// Starts what something happened for.
    Happenings,
    /// Does the server's own steps.
    Steps,
    /// Leads server jobs from step to step.
    Jobs,
    /// Brings the members of groups up to date whose query changed.
    Groups,
    /// Lets the order books of machines follow the tasks that they keep.
    Book,
}

impl Worker {
    /// All of them.
    pub const ALL: [Worker; 11] = [
        Worker::Prepare,
        Worker::Lapse,
        Worker::Presence,
        Worker::Wakes,
        Worker::Tally,
        Worker::Schedules,
        Worker::Happenings,
        Worker::Steps,
        Worker::Jobs,
        Worker::Groups,
        Worker::Book,
    ];

    /// Its name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Worker::Prepare => "prepare",
            Worker::Lapse => "lapse",
            Worker::Presence => "presence",
            Worker::Wakes => "wakes",
            Worker::Tally => "tally",
            Worker::Schedules => "schedules",
            Worker::Happenings => "happenings",
            Worker::Steps => "steps",
            Worker::Jobs => "jobs",
            Worker::Groups => "groups",
            Worker::Book => "book",
        }
    }

    const fn nudged_by(self, topic: Topic) -> bool {
        matches!(
            (self, topic),
            (Worker::Prepare | Worker::Steps | Worker::Jobs, Topic::Run)
                | (Worker::Wakes, Topic::Wake)
                | (Worker::Schedules | Worker::Book, Topic::Schedule)
                | (Worker::Groups, Topic::Group)
        )
    }
}

/// How a worker's last activation went.
#[derive(Clone, Debug, PartialEq)]
pub struct Last {
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Things done, or the error.
    pub result: Result<usize, String>,
    /// Activations since the start.
    pub activations: u64,
    /// Errors one after the other until now.
    pub failures: u32,
}

struct Seat {
    worker: Worker,
    nudge: Notify,
    last: Mutex<Last>,
}

/// Drives the workers of one engine. Cheap to clone.
#[derive(Clone)]
pub struct Driver {
    engine: Engine,
    org: OrgId,
    outside: Outside,
    runner: Runner,
    beat: Arc<AtomicI64>,
    seats: Arc<Vec<Seat>>,
    /// The server's own steps that are under way.
    errands: Arc<Mutex<JoinSet<()>>>,
}

impl Driver {
    /// A driver; `org` is where Muster itself acts.
    pub fn new(engine: Engine, org: OrgId, outside: Outside, runner: Runner) -> Self {
        let never = Last { at: Timestamp(0), took: Duration::ZERO, result: Ok(0), activations: 0, failures: 0 };
        let seat = |worker| Seat { worker, nudge: Notify::new(), last: Mutex::new(never.clone()) };
        Self {
            engine,
            org,
            outside,
            runner,
            beat: Arc::default(),
            seats: Arc::new(Worker::ALL.into_iter().map(seat).collect()),
            errands: Arc::default(),
        }
    }

    /// When the assignments of runs were last worked on, milliseconds since 1970; 0 is never.
    pub fn beat(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.beat)
    }

    /// How the workers' last activations went.
    pub fn last(&self) -> Vec<(Worker, Last)> {
        let seen = |seat: &Seat| (seat.worker, seat.last.lock().unwrap_or_else(PoisonError::into_inner).clone());
        self.seats.iter().map(seen).collect()
    }

    /// Works until `stop` turns true; then presence is written one last time.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        for at in 0..self.seats.len() {
            let (driver, stop) = (self.clone(), stop.clone());
            tasks.spawn(async move { driver.drive(&driver.seats[at], stop).await });
        }
        let (driver, ended) = (self.clone(), stop);
        tasks.spawn(async move { driver.listen(ended).await });
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a worker's task panicked");
            }
        }
        if let Err(error) = self.activate(Worker::Presence).await {
            tracing::error!(%error, "which agents were heard in the last second could not be written");
        }
    }

    /// Turns hints into nudges.
    async fn listen(&self, mut stop: watch::Receiver<bool>) {
        let mut hints = self.engine.hints();
        loop {
            let hint = tokio::select! {
                () = told(&mut stop) => return,
                hint = hints.recv() => hint,
            };
            match hint {
                Ok(hint) => self.seats.iter().filter(|s| s.worker.nudged_by(hint.topic)).for_each(|s| s.nudge.notify_one()),
                Err(RecvError::Lagged(_)) => self.seats.iter().for_each(|s| s.nudge.notify_one()),
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn drive(&self, seat: &Seat, mut stop: watch::Receiver<bool>) {
        loop {
            let (more, failures) = self.once(seat).await;
            if *stop.borrow() {
                return;
            }
            if more {
                tokio::task::yield_now().await;
                continue;
            }
            let rest = rest(failures);
            tokio::select! {
                () = told(&mut stop) => return,
                () = sleep(rest) => {}
                // After an error only time helps: hints of others must not turn it into a storm.
                () = seat.nudge.notified(), if failures == 0 => {}
            }
        }
    }

    /// One activation, noted. Gives whether more is due and how many errors there were in a row.
    async fn once(&self, seat: &Seat) -> (bool, u32) {
        let (at, begun) = (self.engine.now(), Instant::now());
        let done = self.activate(seat.worker).await;
        let mut last = seat.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.at = at;
        last.took = begun.elapsed();
        last.activations += 1;
        match done {
            Ok(done) => {
                if last.failures > 0 {
                    tracing::info!(worker = seat.worker.name(), "works again");
                }
                last.failures = 0;
                if seat.worker == Worker::Prepare {
                    self.beat.store(self.engine.now().millis(), Relaxed);
                }
                last.result = Ok(done.count);
                (done.more, 0)
            }
            Err(error) => {
                last.failures = last.failures.saturating_add(1);
                let cause = error.fault.as_ref().map_or_else(|| error.to_string(), ToString::to_string);
                tracing::error!(worker = seat.worker.name(), %cause, failures = last.failures, "a worker failed; it tries again later");
                last.result = Err(cause);
                (false, last.failures)
            }
        }
    }

    /// Activates a worker once.
    pub async fn activate(&self, worker: Worker) -> Result<Done, Error> {
        let cx = self.engine.system(self.org, worker.name());
        match worker {
            Worker::Prepare => self.engine.write("workers.prepare", &cx, workers::prepare).await,
            Worker::Lapse => self.engine.write("workers.lapse", &cx, workers::lapse).await,
            Worker::Presence => workers::presence(&self.engine, &cx).await,
            Worker::Wakes => self.wakes().await,
            Worker::Tally => workers::tally(&self.engine, &cx).await,
            Worker::Schedules => self.engine.write("workers.schedules", &cx, schedules::look).await,
            Worker::Happenings => self.engine.write("workers.happenings", &cx, schedules::answer).await,
            Worker::Steps => self.steps().await,
            Worker::Jobs => self.engine.write("workers.jobs", &cx, jobs::work).await,
            Worker::Groups => workers::members(&self.engine, &cx).await,
            Worker::Book => muster_engine::book::work(&self.engine, &cx).await,
        }
    }

    /// Does the server's own steps; those that leave the house run beside the driver, so that a slow one keeps nobody waiting.
    async fn steps(&self) -> Result<Done, Error> {
        let cx = self.engine.system(self.org, Worker::Steps.name());
        let (errands, more) = self.engine.write("workers.steps", &cx, steps::work).await?;
        let count = errands.len();
        let mut under_way = self.errands.lock().unwrap_or_else(PoisonError::into_inner);
        while under_way.try_join_next().is_some() {}
        for errand in errands {
            let (engine, runner) = (self.engine.clone(), self.runner.clone());
            under_way.spawn(async move {
                let cx = engine.system(errand.org, Worker::Steps.name());
                let told = match &errand.action {
                    Action::RunQuery { .. } | Action::RunReport { .. } => reports::step(&engine, &cx, &errand.action).await,
                    Action::CleanFiles { older_than, what } => leftovers::step(&engine, &cx, what, older_than.map(|it| it.0)).await,
                    _ => runner.run(&errand).await,
                };
                let (assignment, outcome, of) = (errand.assignment, told.outcome, errand.clone());
                match engine.write("steps.done", &cx, move |tx, cx| steps::done(tx, cx, &errand, &told)).await {
                    Ok(()) => runner.written_down(&of, outcome),
                    Err(error) => {
                        tracing::error!(%assignment, %error, "how a step of the server ended could not be written; its lease ends it");
                    }
                }
            });
        }
        Ok(Done { count, more })
    }

    /// Waits for the server's own steps that are under way, at most so long; what then goes on is ended.
    pub async fn settle(&self, most: Duration) {
        let mut under_way = std::mem::take(&mut *self.errands.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async { while under_way.join_next().await.is_some() {} };
        if tokio::time::timeout(most, all).await.is_err() {
            tracing::warn!(count = under_way.len(), "steps of the server were ended: they took too long");
            under_way.shutdown().await;
        }
    }

    async fn wakes(&self) -> Result<Done, Error> {
        let cx = self.engine.system(self.org, Worker::Wakes.name());
        let calls = self.engine.write("workers.wakes_take", &cx, |tx, cx| workers::wakes_take(tx, cx, WAKES)).await?;
        let count = calls.len();
        let mut under_way = JoinSet::new();
        for call in calls {
            let outside = self.outside.clone();
            under_way.spawn(async move {
                let woken = outside.wake(&call).await;
                (call, woken)
            });
        }
        let mut result = Ok(());
        while let Some(ended) = under_way.join_next().await {
            let Ok((call, (outcome, detail))) = ended else { continue };
            tracing::debug!(agent = %call.agent, address = %call.address, outcome = outcome.as_str(), %detail, "wake-up");
            let cx = self.engine.system(call.org, Worker::Wakes.name());
            let record = move |tx: &mut muster_engine::Tx, cx: &muster_engine::Cx| workers::wake_done(tx, cx, &call, outcome, &detail);
            result = result.and(self.engine.write("workers.wake_done", &cx, record).await);
        }
        // What could not be recorded comes again when its lease lapses.
        result.map(|()| Done { count, more: i64::try_from(count) == Ok(WAKES) })
    }
}

/// How long a worker rests: a period, doubled with each error in a row.
fn rest(failures: u32) -> Duration {
    PERIOD.saturating_mul(1 << failures.min(6)).min(REST_MAX)
}

#[cfg(test)]
mod tests;
