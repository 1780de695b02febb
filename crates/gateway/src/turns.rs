//! One inventory of a device at a time: two at once would each compare against what the other is about to change.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Who is having an inventory stored.
#[derive(Clone, Default)]
pub(crate) struct Turns {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    taken: Mutex<BTreeSet<String>>,
    freed: Notify,
}

impl Shared {
    fn taken(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn; ends when it is dropped.
pub(crate) struct Turn {
    shared: Arc<Shared>,
    key: String,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.taken().remove(&self.key);
        self.shared.freed.notify_waiters();
    }
}

impl Turns {
    /// The turn of `key`, unless somebody has it.
    pub(crate) fn now(&self, key: &str) -> Option<Turn> {
        self.shared.taken().insert(key.to_owned()).then(|| Turn { shared: Arc::clone(&self.shared), key: key.to_owned() })
    }

    /// The turn of `key`, waiting for it at most so long.
    pub(crate) async fn within(&self, key: &str, time: Duration) -> Option<Turn> {
        let wait = async {
            loop {
                // Registered before looking, so that a turn that ends between is not missed.
                let freed = self.shared.freed.notified();
                tokio::pin!(freed);
                freed.as_mut().enable();
                if let Some(turn) = self.now(key) {
                    return turn;
                }
                freed.await;
            }
        };
        tokio::time::timeout(time, wait).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_is_had_once_and_the_next_begins_when_it_ends() {
        let turns = Turns::default();
        let first = turns.now("a").expect("free");
        assert!(turns.now("a").is_none());
        assert!(turns.now("b").is_some());
        assert!(turns.within("a", Duration::ZERO).await.is_none());
        let (next, ()) = tokio::join!(turns.within("a", Duration::from_secs(60)), async { drop(first) });
        assert!(next.is_some());
    }
}
