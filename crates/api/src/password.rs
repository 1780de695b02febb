//! Passwords are slow to check on purpose: a gate for a few at a time, and a bound on failures.

use crate::problem::Problem;
use axum::http::StatusCode;
use muster_core::time::Timestamp;
use muster_engine::access::{password_hash, password_matches};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Passwords checked at once.
const AT_ONCE: usize = 2;
/// Password checks that wait or run; more are told to come again.
const WAITING_MAX: usize = 64;

/// The gate before password hashing.
pub(crate) struct Gate {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { running: Arc::new(Semaphore::new(AT_ONCE)), waiting: Arc::new(Semaphore::new(WAITING_MAX)) }
    }
}

impl Gate {
    async fn slow<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let busy = || {
            let detail = "too many people sign in at this moment; try again in a few seconds";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "server/busy", detail).retry_after(2)
        };
        let _waiting = self.waiting.clone().try_acquire_owned().map_err(|_| busy())?;
        let permit = self.running.clone().acquire_owned().await.map_err(|_| busy())?;
        let done = tokio::task::spawn_blocking(move || {
            // Held by the work itself: a caller that goes away does not let another in.
            let _permit = permit;
            work()
        });
        done.await.map_err(|e| Problem::internal(format!("a password check broke off: {e}")))
    }

    /// Whether a password is the hashed one.
    pub(crate) async fn matches(&self, password: String, hash: String) -> Result<bool, Problem> {
        self.slow(move || password_matches(&password, &hash)).await
    }

    /// Hashes a password.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Problem> {
        Ok(self.slow(move || password_hash(&password)).await??)
    }
}

/// Failures of one name from one address that are borne within [`WINDOW`].
const FAILURES_MAX: u32 = 10;
/// How long failures count.
const WINDOW: Duration = Duration::from_secs(60);
/// Names and addresses remembered.
const REMEMBERED_MAX: usize = 10_000;

/// Failed sign-ins by name and address.
#[derive(Default)]
pub(crate) struct SignIns {
    failures: Mutex<HashMap<(String, String), (Timestamp, u32)>>,
}

impl SignIns {
    /// Refuses when this name failed too often from this address.
    pub(crate) fn check(&self, name: &str, address: &str, now: Timestamp) -> Result<(), Problem> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((since, count)) = failures.get(&(name.to_owned(), address.to_owned())) else { return Ok(()) };
        let passed = now.since(*since);
        if *count < FAILURES_MAX || passed >= WINDOW {
            return Ok(());
        }
        let wait = (WINDOW - passed).as_secs().max(1);
        let detail = format!("{count} sign-ins failed within a minute; try again in {wait} s");
        Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "access/too-many-failures", detail).retry_after(wait))
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, name: &str, address: &str, now: Timestamp) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= REMEMBERED_MAX {
            failures.retain(|_, (since, _)| now.since(*since) < WINDOW);
        }
        if failures.len() >= REMEMBERED_MAX {
            // A flood of names: forgetting is better than growing; the gate still bounds the rate.
            failures.clear();
        }
        let entry = failures.entry((name.to_owned(), address.to_owned())).or_insert((now, 0));
        if now.since(entry.0) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }

    /// Forgets the failures of a name that signed in.
    pub(crate) fn succeeded(&self, name: &str, address: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(&(name.to_owned(), address.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_000_000_000);

    #[test]
    fn ten_failures_within_a_minute_are_borne_for_each_name_and_address() {
        let sign_ins = SignIns::default();
        for _ in 0..FAILURES_MAX {
            assert!(sign_ins.check("ann", "10.0.0.1", NOW).is_ok());
            sign_ins.failed("ann", "10.0.0.1", NOW);
        }
        assert!(sign_ins.check("ann", "10.0.0.1", NOW.plus(Duration::from_secs(59))).is_err());
        assert!(sign_ins.check("ann", "10.0.0.2", NOW).is_ok());
        assert!(sign_ins.check("bob", "10.0.0.1", NOW).is_ok());
        assert!(sign_ins.check("ann", "10.0.0.1", NOW.plus(WINDOW)).is_ok());
    }

    #[test]
    fn what_is_remembered_of_failures_is_bounded() {
        let sign_ins = SignIns::default();
        (0..=REMEMBERED_MAX).for_each(|i| sign_ins.failed(&i.to_string(), "", NOW));
        assert!(sign_ins.failures.lock().expect("whole").len() <= REMEMBERED_MAX);
    }
}
