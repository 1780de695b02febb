//! Moves the write-ahead log into the database file, away from the writer: it would stall everybody there.

use crate::lite::Lite;
use crate::stats::Counters;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

const EVERY: Duration = Duration::from_millis(500);
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Checkpoints until the other end of `stop` is dropped.
pub(crate) fn work(db: &mut Lite, counters: &Counters, stop: &Receiver<()>) {
    while stop.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        match db.rows(CHECKPOINT, CHECKPOINT, &[]) {
            Ok(rows) => {
                let pages = rows.first().and_then(|r| r.int(1).ok()).unwrap_or(0);
                counters.wal_pages.store(u64::try_from(pages).unwrap_or(0), Relaxed);
            }
            Err(broken) => tracing::warn!(fault = %broken.fault, "a checkpoint failed"),
        }
    }
}
