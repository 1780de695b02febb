//! Commands, and how SQLite runs many of them in one durable transaction. The simulator runs this very code.

use crate::fault::{Broken, Fault};
use crate::inline::Strike;
use crate::lite::Lite;
use crate::stats::Counters;
use crate::unit::{Db, Effect, Hint, Topic, Tx};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use tokio::sync::{broadcast, oneshot};

/// How often a command runs when others overtake it.
pub(crate) const TRIES: u32 = 10;
/// After so many lost transactions in one batch the database is ill (a full disk); the rest fails instead of running on and on.
const LOSSES: u32 = 3;

/// How one run of a command ended.
pub(crate) enum Ran {
    /// To be committed.
    Kept,
    /// It answered with its own error: undo.
    Refused,
    /// A statement failed, or it panicked: undo.
    Broke(Broken),
}

/// One queued command of any type.
pub(crate) trait Job: Send {
    fn name(&self) -> &'static str;
    /// Runs it once; panics stay inside. May be called again: the last run counts.
    fn run(&mut self, tx: &mut Tx) -> Ran;
    /// Tells the caller: the outcome of the last run, or the fault that took its place.
    fn answer(self: Box<Self>, instead: Option<Fault>);
}

pub(crate) struct Command<T, E, F> {
    name: &'static str,
    f: F,
    outcome: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Command<T, E, F> {
    pub(crate) fn new(name: &'static str, f: F) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (answer, receiver) = oneshot::channel();
        (Self { name, f, outcome: None, answer }, receiver)
    }
}

impl<T, E, F> Job for Command<T, E, F>
where
    F: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<Fault> + Send + 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(&mut self, tx: &mut Tx) -> Ran {
        tx.begin_command();
        self.outcome = None;
        let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| (self.f)(tx))) else {
            tracing::error!(command = self.name, "a command panicked; it was undone");
            return Ran::Broke(Broken::last(Fault::Panicked));
        };
        let (outcome, ran) = match (outcome, tx.broken()) {
            (Ok(value), None) => (Ok(value), Ran::Kept),
            (Ok(_), Some(broken)) => (Err(E::from(broken.fault.clone())), Ran::Broke(broken)),
            (Err(e), Some(broken)) => (Err(e), Ran::Broke(broken)),
            // A command whose error is `Fault` itself may name the conflict without the unit of work knowing.
            (Err(e), None) if (&e as &dyn Any).downcast_ref() == Some(&Fault::Conflict) => (Err(e), Ran::Broke(Broken::conflict())),
            (Err(e), None) => (Err(e), Ran::Refused),
        };
        self.outcome = Some(outcome);
        ran
    }

    fn answer(self: Box<Self>, instead: Option<Fault>) {
        let outcome = match (instead, self.outcome) {
            (Some(fault), _) => Err(E::from(fault)),
            (None, Some(outcome)) => outcome,
            (None, None) => Err(E::from(Fault::Panicked)),
        };
        // The caller may have gone away; the command stays done.
        let _ = self.answer.send(outcome);
    }
}

/// Where answers and effects of committed work go.
pub(crate) struct Out<'a> {
    pub counters: &'a Counters,
    pub hints: &'a broadcast::Sender<Hint>,
}

impl Out<'_> {
    pub(crate) fn say(&self, effects: Vec<Effect>) {
        for effect in effects {
            // Nobody may be listening.
            let _ = self.hints.send(effect);
        }
    }

    /// Answers what was done or refused by the command itself.
    pub(crate) fn done(&self, job: Box<dyn Job>) {
        Counters::add(&self.counters.commands);
        job.answer(None);
    }

    /// Answers what failed: with `instead`, or with the outcome of its last run.
    pub(crate) fn failed(&self, job: Box<dyn Job>, instead: Option<Fault>) {
        Counters::add(&self.counters.commands);
        Counters::add(&self.counters.faults);
        job.answer(instead);
    }
}

struct Slot {
    job: Box<dyn Job>,
    /// Settled: it failed and is not run again, with the fault to answer when its own outcome does not stand.
    failed: Option<Option<Fault>>,
    after: Vec<Effect>,
}

/// Runs the commands that `next` hands out in one transaction, then answers all of them.
pub(crate) fn batch(tx: &mut Tx, out: &Out<'_>, strike: Strike, next: &mut dyn FnMut() -> Option<Box<dyn Job>>) {
    let Some(first) = next() else { return };
    if strike == Strike::Full {
        return out.failed(first, Some(Fault::Full));
    }
    if let Err(broken) = lite(tx).control("BEGIN IMMEDIATE") {
        return out.failed(first, Some(broken.fault));
    }
    let mut slots = Vec::new();
    let mut job = Some(first);
    let mut losses = 0;
    while let Some(new) = job.take() {
        slots.push(Slot { job: new, failed: None, after: Vec::new() });
        let last = slots.len() - 1;
        run(tx, out, &mut slots[last]);
        while lite(tx).is_autocommit() {
            losses += 1;
            if let Err(fault) = restart(tx, out, &mut slots, losses) {
                return all_fail(out, slots, &fault);
            }
        }
        job = next();
    }
    finish(tx, out, strike, slots);
}

fn finish(tx: &mut Tx, out: &Out<'_>, strike: Strike, mut slots: Vec<Slot>) {
    if strike == Strike::Crash {
        Counters::add(&out.counters.crashes);
        roll_back(tx);
        return all_fail(out, slots, &Fault::Unknown);
    }
    if let Err(broken) = lite(tx).control("COMMIT") {
        roll_back(tx);
        return all_fail(out, slots, &broken.fault);
    }
    Counters::add(&out.counters.batches);
    if strike == Strike::Unknown {
        // Nobody knows what changed, so what is kept in memory goes.
        out.say(vec![Hint { topic: Topic::Work, id: None, org: None }]);
        return all_fail(out, slots, &Fault::Unknown);
    }
    // Hints first: whoever was answered finds that what others keep in memory knows of it.
    out.say(slots.iter_mut().flat_map(|slot| std::mem::take(&mut slot.after)).collect());
    for slot in slots {
        match slot.failed {
            None => out.done(slot.job),
            Some(instead) => out.failed(slot.job, instead),
        }
    }
}

/// Also for commands that answered with their own error: they judged a state that never came to be.
fn all_fail(out: &Out<'_>, slots: Vec<Slot>, fault: &Fault) {
    for slot in slots {
        let own = slot.failed.flatten();
        out.failed(slot.job, Some(own.unwrap_or_else(|| fault.clone())));
    }
}

/// SQLite threw the transaction away (interrupt, full disk, I/O error): the others run again, in order.
fn restart(tx: &mut Tx, out: &Out<'_>, slots: &mut [Slot], losses: u32) -> Result<(), Fault> {
    let ill = || Fault::Db("the database undid the same batch of commands again and again; is its disk full?".into());
    if losses > LOSSES {
        return Err(ill());
    }
    lite(tx).control("BEGIN IMMEDIATE").map_err(|b| b.fault)?;
    for slot in slots.iter_mut().filter(|s| s.failed.is_none()) {
        run(tx, out, slot);
        if lite(tx).is_autocommit() {
            return Ok(());
        }
    }
    Ok(())
}

/// Runs one command in its savepoint, again when it was overtaken. Afterwards the transaction may be lost.
fn run(tx: &mut Tx, out: &Out<'_>, slot: &mut Slot) {
    let start = Instant::now();
    (slot.failed, slot.after) = (None, Vec::new());
    for attempt in 1..=TRIES {
        let ran = match lite(tx).control("SAVEPOINT c") {
            Ok(()) => slot.job.run(tx),
            Err(broken) => {
                slot.failed = Some(Some(broken.fault));
                break;
            }
        };
        tx.unwatch();
        let effects = tx.effects();
        if lite(tx).is_autocommit() {
            slot.failed = Some(lost(ran));
            break;
        }
        match settle(tx, ran) {
            Settled::Kept => slot.after = effects,
            Settled::Refused => {}
            Settled::Again if attempt < TRIES => {
                out.counters.repeated.fetch_add(1, Relaxed);
                continue;
            }
            Settled::Again => slot.failed = Some(None),
            Settled::Failed(fault) => slot.failed = Some(fault),
        }
        break;
    }
    out.counters.took(slot.job.name(), start.elapsed());
}

enum Settled {
    Kept,
    Refused,
    Again,
    Failed(Option<Fault>),
}

/// Closes the savepoint as the run wants it.
fn settle(tx: &mut Tx, ran: Ran) -> Settled {
    let undone = |tx: &mut Tx| lite(tx).control("ROLLBACK TO c").and_then(|()| lite(tx).control("RELEASE c"));
    let (closed, settled) = match ran {
        Ran::Kept => (lite(tx).control("RELEASE c"), Settled::Kept),
        Ran::Refused => (undone(tx), Settled::Refused),
        Ran::Broke(Broken { again: true, .. }) => (undone(tx), Settled::Again),
        Ran::Broke(_) => (undone(tx), Settled::Failed(None)),
    };
    match closed {
        Ok(()) => settled,
        Err(broken) => {
            // A savepoint that cannot be closed leaves nothing to build on: give the whole transaction up.
            roll_back(tx);
            Settled::Failed(Some(broken.fault))
        }
    }
}

/// The command's own outcome tells of the failure, unless it thought that all was well.
fn lost(ran: Ran) -> Option<Fault> {
    match ran {
        Ran::Broke(_) => None,
        Ran::Kept | Ran::Refused => Some(Fault::Db("the database undid the transaction by itself".into())),
    }
}

fn roll_back(tx: &mut Tx) {
    if !lite(tx).is_autocommit()
        && let Err(broken) = lite(tx).control("ROLLBACK")
    {
        tracing::error!(fault = %broken.fault, "a transaction could not be rolled back");
    }
}

fn lite(tx: &mut Tx) -> &mut Lite {
    match &mut tx.rx.db {
        Db::Lite(db) => db,
        Db::Pg(_) => unreachable!("batches are run by the SQLite writer and the simulator only"),
    }
}
