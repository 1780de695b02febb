//! The store of the simulator and of fast tests: SQLite in memory, one thread, order and faults from a seed.

use crate::batch::{Job, Out, batch};
use crate::lite::Lite;
use crate::migrate;
use crate::queue::Queue;
use crate::read::{self, ReadJob};
use crate::unit::{Db, Limit, Rx, Tx};
use muster_core::time::Clock;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What happens to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// Nothing: it is committed and answered.
    Pass,
    /// The server dies before COMMIT: nothing is written, callers learn `Unknown`.
    Crash,
    /// There is no room in the queue: nothing is run, callers are told to come again.
    Full,
    /// The link breaks after COMMIT: everything is written, callers learn `Unknown`, hints are lost.
    Unknown,
}

/// Which batches of an inline store are struck.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    /// The strikes of the next batches, in order; then chance decides.
    pub next: VecDeque<Strike>,
    /// Of a thousand batches, how many crash before COMMIT.
    pub crash: u32,
    /// Of a thousand batches, how many are committed and answered `Unknown`.
    pub unknown: u32,
}

pub(crate) struct Inline {
    core: Mutex<Core>,
}

struct Core {
    tx: Tx,
    dice: Dice,
    plan: FaultPlan,
    pumping: bool,
}

/// The longest virtual time that commands lie in the queue.
const DELAY_MS: u64 = 5;
/// The most commands of one batch, as in the real writer.
const BATCH: u64 = 256;

impl Inline {
    pub(crate) fn new(seed: u64, clock: Arc<dyn Clock>, each: Duration) -> Self {
        let mut db = Lite::memory();
        migrate::sqlite(&mut db).expect("the migrations are part of the program and the database is new");
        let tx = Tx::new(Rx::new(Db::Lite(db), clock, Limit::counted(each)));
        Self { core: Mutex::new(Core { tx, dice: Dice(seed), plan: FaultPlan::default(), pumping: false }) }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self, plan: FaultPlan) {
        self.core().plan = plan;
    }

    /// Runs `jobs` as one batch, now.
    pub(crate) fn now(&self, jobs: Vec<Box<dyn Job>>, out: &Out<'_>) {
        self.core().batch(&mut jobs.into(), usize::MAX, out);
    }

    pub(crate) fn read(&self, job: ReadJob) {
        read::run(&mut self.core().tx.rx, job);
    }

    pub(crate) fn with_lite<T>(&self, f: impl FnOnce(&mut Lite) -> T) -> Option<T> {
        if let Db::Lite(db) = &mut self.core().tx.rx.db { Some(f(db)) } else { None }
    }

    /// True when the caller must start the pump.
    pub(crate) fn claim_pump(&self) -> bool {
        !std::mem::replace(&mut self.core().pumping, true)
    }

    pub(crate) fn release_pump(&self) {
        self.core().pumping = false;
    }

    /// A virtual delay before the next round.
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.core().dice.below(DELAY_MS + 1))
    }

    /// Takes what is queued, shuffles it, cuts it into batches and runs them. False when nothing was there, and then the
    /// pump is released.
    pub(crate) fn round(&self, queue: &Queue<Box<dyn Job>>, out: &Out<'_>) -> bool {
        let mut core = self.core();
        let mut jobs: VecDeque<_> = std::iter::from_fn(|| queue.take()).collect();
        if jobs.is_empty() {
            core.pumping = false;
            return false;
        }
        core.dice.shuffle(jobs.make_contiguous());
        while !jobs.is_empty() {
            let size = usize::try_from(1 + core.dice.below(BATCH)).unwrap_or(1);
            core.batch(&mut jobs, size, out);
        }
        true
    }
}

impl Core {
    fn batch(&mut self, jobs: &mut VecDeque<Box<dyn Job>>, size: usize, out: &Out<'_>) {
        let strike = self.strike();
        let mut left = size;
        batch(&mut self.tx, out, strike, &mut || {
            left = left.checked_sub(1)?;
            jobs.pop_front()
        });
    }

    fn strike(&mut self) -> Strike {
        if let Some(strike) = self.plan.next.pop_front() {
            return strike;
        }
        let (crash, unknown) = (u64::from(self.plan.crash), u64::from(self.plan.unknown));
        if crash + unknown == 0 {
            return Strike::Pass;
        }
        match self.dice.below(1000) {
            n if n < crash => Strike::Crash,
            n if n < crash + unknown => Strike::Unknown,
            _ => Strike::Pass,
        }
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
pub(crate) struct Dice(pub u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = usize::try_from(self.below(i as u64 + 1)).unwrap_or(0);
            items.swap(i, j);
        }
    }
}
