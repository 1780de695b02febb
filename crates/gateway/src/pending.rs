//! Requests whose outcome is not known yet: the agent asks later by the request's id. In memory, bounded; a restart forgets them,
//! and the agent begins again with PROLOG.

use crate::glpi::Said;
use muster_core::limits::PENDING_REQUESTS_MAX;
use muster_core::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long an id is kept. An agent asks 12 times at most, each within [`crate::glpi`]'s delays.
const KEPT: Duration = Duration::from_secs(600);

/// The requests that were answered 'pending'.
#[derive(Clone, Default)]
pub(crate) struct Pending {
    entries: Arc<Mutex<BTreeMap<String, Entry>>>,
}

struct Entry {
    /// The UUID of the agent that may ask.
    agent: Option<String>,
    since: Timestamp,
    outcome: Option<Said>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Became {
    /// Nobody knows of it.
    Unknown,
    /// Nothing yet.
    Waiting,
    /// This.
    Done(Said),
}

impl Pending {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens an entry: under the wanted id when that is free, else under one of `fresh`; `None` when there is no room.
    pub(crate) fn open(&self, agent: Option<&str>, wanted: Option<&str>, now: Timestamp, fresh: impl Fn() -> String) -> Option<String> {
        let mut entries = self.entries();
        if entries.len() >= PENDING_REQUESTS_MAX || entries.values().any(|e| now.since(e.since) >= KEPT) {
            entries.retain(|_, e| now.since(e.since) < KEPT);
        }
        if entries.len() >= PENDING_REQUESTS_MAX {
            return None;
        }
        let wanted = wanted.map(str::to_owned).into_iter();
        let id = wanted.chain(std::iter::repeat_with(fresh).take(8)).find(|id| !entries.contains_key(id))?;
        entries.insert(id.clone(), Entry { agent: agent.map(str::to_owned), since: now, outcome: None });
        Some(id)
    }

    /// Tells what became of a request.
    pub(crate) fn close(&self, id: &str, outcome: Said) {
        if let Some(entry) = self.entries().get_mut(id) {
            entry.outcome = Some(outcome);
        }
    }

    /// What became of a request of this agent.
    pub(crate) fn look(&self, id: &str, agent: Option<&str>, now: Timestamp) -> Became {
        match self.entries().get(id) {
            Some(entry) if entry.agent.as_deref() == agent && now.since(entry.since) < KEPT => {
                entry.outcome.clone().map_or(Became::Waiting, Became::Done)
            }
            _ => Became::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use std::cell::Cell;

    const NOW: Timestamp = Timestamp(1_795_000_000_000);

    #[test]
    fn an_outcome_is_told_to_its_agent_until_it_ages_out() {
        let pending = Pending::default();
        let id = pending.open(Some("a"), Some("ABCDEF01"), NOW, || unreachable!()).expect("room");
        assert_eq!(id, "ABCDEF01");
        assert_eq!(pending.look(&id, Some("a"), NOW), Became::Waiting);
        assert_eq!(pending.look(&id, Some("b"), NOW), Became::Unknown, "another agent");
        assert_eq!(pending.look(&id, None, NOW), Became::Unknown);
        let said = Said::new(StatusCode::OK, "{}".to_owned());
        pending.close(&id, said.clone());
        assert_eq!(pending.look(&id, Some("a"), NOW), Became::Done(said.clone()));
        assert_eq!(pending.look(&id, Some("a"), NOW.plus(KEPT)), Became::Unknown);
        pending.close("00000000", said);
        assert_eq!(pending.look("00000000", None, NOW), Became::Unknown);
    }

    #[test]
    fn an_id_that_is_taken_is_not_given_twice() {
        let pending = Pending::default();
        let n = Cell::new(0);
        let fresh = || {
            n.set(n.get() + 1);
            format!("{:08X}", n.get() / 2)
        };
        let ids: Vec<_> = (0..3).filter_map(|_| pending.open(None, Some("00000000"), NOW, fresh)).collect();
        assert_eq!(ids, ["00000000", "00000001", "00000002"]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_room_comes_back_with_time() {
        let pending = Pending::default();
        let n = Cell::new(0);
        let open = |now| {
            pending.open(None, None, now, || {
                n.set(n.get() + 1);
                format!("{:08X}", n.get())
            })
        };
        assert!((0..PENDING_REQUESTS_MAX).all(|_| open(NOW).is_some()));
        assert_eq!(open(NOW), None);
        assert!(open(NOW.plus(KEPT)).is_some());
    }
}
