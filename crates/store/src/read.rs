//! Reads: jobs of one closure on read-only connections, each on one consistent state of committed data.

use crate::fault::Fault;
use crate::queue::Queue;
use crate::stats::Counters;
use crate::unit::{Db, Rx};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::oneshot;

/// One queued read; given the fault when no connection could begin.
pub(crate) type ReadJob = Box<dyn FnOnce(Result<&mut Rx, Fault>) + Send>;

/// Packs a read and the way back to its caller.
pub(crate) fn job<T, E, F>(f: F) -> (ReadJob, oneshot::Receiver<Result<T, E>>)
where
    F: FnOnce(&mut Rx) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<Fault> + Send + 'static,
{
    let (answer, receiver) = oneshot::channel();
    let job = move |rx: Result<&mut Rx, Fault>| {
        // The caller may have gone away.
        let _ = answer.send(rx.map_err(E::from).and_then(|rx| guarded(rx, f)));
    };
    (Box::new(job), receiver)
}

fn guarded<T, E: From<Fault>>(rx: &mut Rx, f: impl FnOnce(&mut Rx) -> Result<T, E>) -> Result<T, E> {
    match catch_unwind(AssertUnwindSafe(|| f(rx))) {
        Ok(Ok(value)) => rx.broken().map_or(Ok(value), |broken| Err(E::from(broken.fault))),
        Ok(Err(e)) => Err(e),
        Err(_) => {
            tracing::error!("a read panicked");
            Err(E::from(Fault::Panicked))
        }
    }
}

/// Answers queued reads until the queue is closed and empty.
pub(crate) fn work(rx: &mut Rx, queue: &Queue<ReadJob>, counters: &Counters) {
    while let Some(job) = queue.wait() {
        // Counted before it is answered, so that whoever has an answer finds it counted.
        Counters::add(&counters.reads);
        run(rx, job);
    }
}

/// Runs one read in its own transaction; the caller has the answer before the transaction ends.
pub(crate) fn run(rx: &mut Rx, job: ReadJob) {
    let begun = match &mut rx.db {
        Db::Lite(db) => db.begin_read(),
        Db::Pg(db) => db.begin_read(),
    };
    match begun {
        Ok(()) => {
            rx.fresh();
            job(Ok(rx));
        }
        Err(broken) => job(Err(broken.fault)),
    }
    rx.unwatch();
    match &mut rx.db {
        Db::Lite(db) => db.end_read(),
        Db::Pg(db) => db.end_read(),
    }
}
