//! How PostgreSQL runs commands: one transaction each, on threads of their own.

use crate::batch::{Job, Out, Ran, TRIES};
use crate::fault::Fault;
use crate::pg::{Commit, Pg};
use crate::queue::Queue;
use crate::stats::Counters;
use crate::unit::{Db, Tx};
use std::time::{Duration, Instant};

/// Runs queued commands until the queue is closed and empty.
pub(crate) fn work(tx: &mut Tx, queue: &Queue<Box<dyn Job>>, out: &Out<'_>, limit: Duration) {
    while let Some(job) = queue.wait() {
        let (start, name) = (Instant::now(), job.name());
        one(tx, job, out, start + 2 * limit);
        out.counters.took(name, start.elapsed());
    }
}

/// Runs one command, again when it was overtaken or the link broke before COMMIT; never after.
fn one(tx: &mut Tx, mut job: Box<dyn Job>, out: &Out<'_>, until: Instant) {
    for attempt in 1..=TRIES {
        if let Err(broken) = pg(tx).begin() {
            return out.failed(job, Some(broken.fault));
        }
        let ran = job.run(tx);
        let effects = tx.effects();
        let (broken, instead) = match ran {
            Ran::Kept => match pg(tx).commit() {
                Commit::Done => {
                    Counters::add(&out.counters.batches);
                    out.done(job);
                    return out.say(effects);
                }
                Commit::Unknown => return out.failed(job, Some(Fault::Unknown)),
                Commit::Broke(broken) => (broken.clone(), Some(broken.fault)),
            },
            Ran::Refused => {
                out.done(job);
                return pg(tx).roll_back();
            }
            Ran::Broke(broken) => {
                pg(tx).roll_back();
                (broken, None)
            }
        };
        if !broken.again || attempt == TRIES || Instant::now() > until {
            return out.failed(job, instead);
        }
        Counters::add(&out.counters.repeated);
    }
}

fn pg(tx: &mut Tx) -> &mut Pg {
    match &mut tx.rx.db {
        Db::Pg(db) => db,
        Db::Lite(_) => unreachable!("these threads are started for PostgreSQL only"),
    }
}
