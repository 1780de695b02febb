//! How long to wait after a failed call.

use std::time::Duration;

/// The longest wait between two tries.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(300);

/// Waits that double with every failure, spread so that a fleet does not come back at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    next: Duration,
}

impl Backoff {
    /// Begins with `first`.
    pub(crate) fn new(first: Duration) -> Self {
        Self { first, next: first }
    }

    /// The wait after one more failure: between half of the current step and the whole of it, by `chance`.
    pub(crate) fn wait(&mut self, chance: u16) -> Duration {
        let step = self.next;
        self.next = step.saturating_mul(2).min(WAIT_MAX);
        step / 2 + (step / 2).mul_f64(f64::from(chance) / f64::from(u16::MAX))
    }

    /// A call succeeded.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes_and_begin_again_after_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        let waits: Vec<u64> = (0..11).map(|_| backoff.wait(u16::MAX).as_millis() as u64).collect();
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]);
        backoff.reset();
        assert_eq!(backoff.wait(0), Duration::from_millis(500));
    }
}
