//! Agents that ask for work and find none: most contacts. They are answered from memory, and the database stays the truth: an entry
//! says only that nothing waits, and goes with the first hint that something about it may have changed.
//!
//! Hints of a commit are sent before its caller is answered, and they are taken in before each answer from here, so whoever was told
//! that work was started, an agent verified or a setting changed finds that it holds. On a database that other servers write to,
//! nothing is kept: their hints do not come here.

use crate::contact::{Hello, Look};
use muster_core::access::Org;
use muster_core::fleet::{Agent, Protocol};
use muster_core::ids::{AgentId, OrgId};
use muster_core::time::Timestamp;
use muster_store::{Hint, Topic};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use uuid::Uuid;

/// Agents that are kept; beyond it all are forgotten and looked up again.
const KEPT_MAX: usize = 200_000;
/// Hints that are remembered for those who look in the database meanwhile.
const HINTS_KEPT: usize = 1_024;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// An agent of others, as it introduces itself.
    Foreign { org: OrgId, protocol: Protocol, foreign_id: String, address: Option<String>, vouched: bool },
    /// Our own.
    Own(AgentId),
}

impl Key {
    pub(crate) fn of(org: OrgId, hello: &Hello) -> Self {
        let Hello { protocol, foreign_id, address, vouched, .. } = hello.clone();
        Self::Foreign { org, protocol, foreign_id, address, vouched }
    }
}

/// What an agent was found to be when nothing waited for it.
struct Entry {
    look: Look,
    /// From here on something may wait.
    until: Option<Timestamp>,
}

/// Where the hints stood when somebody went to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(u64);

struct State {
    hints: Receiver<Hint>,
    entries: HashMap<Key, Entry>,
    /// One of each organization: its agents share it.
    orgs: HashMap<OrgId, Arc<Org>>,
    /// By whose hint an entry goes: its agent and its device.
    by: HashMap<Uuid, Vec<Key>>,
    /// The latest hints; without an id they concern everybody.
    lately: VecDeque<(u64, Option<Uuid>)>,
    taken: u64,
}

/// What is kept in memory of agents for which nothing waits.
pub(crate) struct Idle(Option<Mutex<State>>);

impl Idle {
    /// With the hints of the only server that writes; `None`: nothing is kept.
    pub(crate) fn new(hints: Option<Receiver<Hint>>) -> Self {
        let state =
            |hints| State { hints, entries: HashMap::new(), orgs: HashMap::new(), by: HashMap::new(), lately: VecDeque::new(), taken: 0 };
        Self(hints.map(|hints| Mutex::new(state(hints))))
    }

    fn state(&self) -> Option<MutexGuard<'_, State>> {
        let mut state = self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        state.take_in();
        Some(state)
    }

    /// What is known of who asks, if nothing waits for it now.
    pub(crate) fn get(&self, key: &Key, now: Timestamp) -> Option<Look> {
        let state = self.state()?;
        let entry = state.entries.get(key)?;
        entry.until.is_none_or(|until| now < until).then(|| entry.look.clone())
    }

    /// To be asked for before looking in the database.
    pub(crate) fn mark(&self) -> Option<Mark> {
        Some(Mark(self.state()?.taken))
    }

    /// Keeps what was found since `mark`, unless a hint came meanwhile that concerns it.
    pub(crate) fn keep(&self, mark: Option<Mark>, key: Key, look: &Look, until: Option<Timestamp>) {
        let (Some(mark), Some(agent)) = (mark, &look.agent) else { return };
        let Some(mut state) = self.state() else { return };
        if !look.may_have_work && !state.has_changed(mark, agent) {
            let org = state.shared(&look.org);
            state.keep(key, Entry { look: Look { org, ..look.clone() }, until });
        }
    }

    /// An agent told news of itself.
    pub(crate) fn forget(&self, agent: AgentId) {
        if let Some(mut state) = self.state() {
            state.changed(Some(agent.0));
        }
    }
}

impl State {
    fn take_in(&mut self) {
        loop {
            match self.hints.try_recv() {
                Ok(hint) => self.hear(hint),
                Err(TryRecvError::Lagged(_)) => self.changed(None),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn hear(&mut self, hint: Hint) {
        match hint.topic {
            Topic::Device | Topic::Agent | Topic::Work => self.changed(hint.id),
            Topic::Settings => self.changed(None),
            _ => {}
        }
    }

    fn changed(&mut self, id: Option<Uuid>) {
        self.taken += 1;
        if self.lately.len() == HINTS_KEPT {
            self.lately.pop_front();
        }
        self.lately.push_back((self.taken, id));
        match id {
            Some(id) => {
                for key in self.by.remove(&id).unwrap_or_default() {
                    self.entries.remove(&key);
                }
            }
            None => {
                self.entries.clear();
                self.orgs.clear();
                self.by.clear();
            }
        }
    }

    /// The same organization, as others have it already.
    fn shared(&mut self, org: &Arc<Org>) -> Arc<Org> {
        let known = self.orgs.entry(org.id).or_insert_with(|| Arc::clone(org));
        if **known != **org {
            *known = Arc::clone(org);
        }
        Arc::clone(known)
    }

    fn has_changed(&self, mark: Mark, agent: &Agent) -> bool {
        let is_forgotten = self.lately.front().is_some_and(|(first, _)| *first > mark.0 + 1);
        let concerns = |id: &Option<Uuid>| id.is_none_or(|id| id == agent.id.0 || id == agent.device.0);
        is_forgotten || self.lately.iter().rev().take_while(|(at, _)| *at > mark.0).any(|(_, id)| concerns(id))
    }

    fn keep(&mut self, key: Key, entry: Entry) {
        if self.entries.len() >= KEPT_MAX {
            self.changed(None);
        }
        let owners = entry.look.agent.as_ref().map(|agent| [agent.id.0, agent.device.0]);
        for owner in owners.into_iter().flatten() {
            let keys = self.by.entry(owner).or_default();
            if !keys.contains(&key) {
                keys.push(key.clone());
            }
        }
        self.entries.insert(key, entry);
    }
}
