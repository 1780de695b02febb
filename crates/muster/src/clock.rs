//! The system's clock: the only place of the program that reads it.

use muster_core::time::{Clock, Timestamp};
use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock of this machine.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}
