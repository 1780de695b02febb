//! The one place where the agent reads the system's clock and takes randomness.

use muster_core::time::{Clock, Timestamp};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the program's own clock; everything else takes it as a Clock")]
        let now = SystemTime::now();
        match now.duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            Err(before) => Timestamp(-i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

/// The server's clock as far as it is known: what it said last, and what has passed since by a clock that nobody sets. Before it
/// said anything, this machine's own clock with what was found before.
pub(crate) struct ServerClock {
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

#[derive(Clone, Copy)]
enum Known {
    /// The server's clock is so much ahead of ours, milliseconds.
    Ahead(i64),
    /// It showed this when this machine had been up for so long, milliseconds.
    Shown { server_ms: i64, up_ms: i64 },
}

impl ServerClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, known: Mutex::new(Known::Ahead(0)) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        match *self.known() {
            Known::Ahead(ms) => self.clock.now().millis().saturating_add(ms),
            Known::Shown { server_ms, up_ms } => server_ms.saturating_add(up_for_ms() - up_ms),
        }
    }

    /// By how much it is ahead of ours now, milliseconds.
    pub(crate) fn ahead_ms(&self) -> i64 {
        self.now_ms().saturating_sub(self.clock.now().millis())
    }

    /// What was found in an earlier life of the program.
    pub(crate) fn remembered(&self, ahead_ms: i64) {
        *self.known() = Known::Ahead(ahead_ms);
    }

    /// The server said what it shows.
    pub(crate) fn shown(&self, server_ms: i64) {
        *self.known() = Known::Shown { server_ms, up_ms: up_for_ms() };
    }
}

/// How long this machine has been up, sleep included, milliseconds.
fn up_for_ms() -> i64 {
    let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    up.tv_sec.saturating_mul(1_000).saturating_add(up.tv_nsec / 1_000_000)
}

/// Random bytes of the system; an error when it has none to give.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_core::time::HandClock;

    #[test]
    fn the_servers_clock_goes_on_whatever_is_done_to_this_machines() {
        let hand = Arc::new(HandClock::default());
        let clock = ServerClock::new(Arc::clone(&hand) as Arc<dyn Clock>);
        clock.remembered(5_000);
        assert_eq!((clock.now_ms() - hand.now().millis(), clock.ahead_ms()), (5_000, 5_000));
        clock.shown(1_795_000_000_000);
        let before = clock.now_ms();
        hand.set(Timestamp(0));
        let after = clock.now_ms();
        assert!(after >= before && after - 1_795_000_000_000 < 60_000, "{before} {after}");
        assert!(clock.ahead_ms() >= 1_795_000_000_000);
    }
}
