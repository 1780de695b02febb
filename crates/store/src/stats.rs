//! Numbers about the store, for the metrics page and the health check.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Numbers since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Commands that wait now.
    pub queued: u64,
    /// Reads that wait now.
    pub reads_queued: u64,
    /// Commands answered.
    pub commands: u64,
    /// Commands answered with a fault.
    pub faults: u64,
    /// Repetitions after a conflict.
    pub repeated: u64,
    /// Transactions committed.
    pub batches: u64,
    /// Reads begun.
    pub reads: u64,
    /// The longest command, in milliseconds.
    pub longest_ms: u64,
    /// Pages in the write-ahead log at the last checkpoint (SQLite).
    pub wal_pages: u64,
    /// Batches that the fault plan dropped before COMMIT (simulator).
    pub crashes: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub commands: AtomicU64,
    pub faults: AtomicU64,
    pub repeated: AtomicU64,
    pub batches: AtomicU64,
    pub reads: AtomicU64,
    pub longest_ms: AtomicU64,
    pub wal_pages: AtomicU64,
    pub crashes: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// Notes how long a command took; the slow ones are worth a line in the log.
    pub(crate) fn took(&self, name: &'static str, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.longest_ms.fetch_max(ms, Relaxed);
        if ms >= 20 {
            tracing::warn!(command = name, ms, "slow command");
        }
    }

    pub(crate) fn seen(&self) -> StoreStats {
        StoreStats {
            queued: 0,
            reads_queued: 0,
            commands: self.commands.load(Relaxed),
            faults: self.faults.load(Relaxed),
            repeated: self.repeated.load(Relaxed),
            batches: self.batches.load(Relaxed),
            reads: self.reads.load(Relaxed),
            longest_ms: self.longest_ms.load(Relaxed),
            wal_pages: self.wal_pages.load(Relaxed),
            crashes: self.crashes.load(Relaxed),
        }
    }
}
