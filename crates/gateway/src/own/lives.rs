//! Two living programs with one key: each names its own life, and a life that comes back after another one is a second program. In
//! memory: a restart forgets them, and they show themselves again.

use super::Call;
use muster_core::ids::AgentId;
use muster_wire::native::ContactRequest;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Lives of one agent that are remembered.
const LIVES_MAX: usize = 4;
/// Agents that are remembered; beyond it all are forgotten.
const AGENTS_MAX: usize = 200_000;
/// A life's name, characters.
const NAME_MAX: usize = 32;

/// The lives of agents, the latest last.
#[derive(Default)]
pub(crate) struct Lives {
    agents: Mutex<HashMap<AgentId, VecDeque<Box<str>>>>,
}

impl Lives {
    /// Notes who speaks; where two share a key, the device says so.
    pub(super) fn heard(&self, call: &Call<'_>, told: &ContactRequest) {
        let Some(life) = told.life.as_deref().filter(|life| life.len() <= NAME_MAX) else { return };
        if self.is_back(call.agent.id, life) {
            let from = call.peer.map_or_else(|| "an unknown address".to_owned(), |peer| peer.to_string());
            tracing::warn!(agent = %call.agent.id, peer = from, "two programs use one agent's key");
            call.gateway.note_key_shared(call.agent.id, call.agent.org, from);
        }
    }

    /// Whether a life was heard before the one that was heard last.
    fn is_back(&self, agent: AgentId, life: &str) -> bool {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if agents.len() >= AGENTS_MAX && !agents.contains_key(&agent) {
            agents.clear();
        }
        let lives = agents.entry(agent).or_default();
        if lives.back().is_some_and(|last| &**last == life) {
            return false;
        }
        let place = lives.iter().position(|known| &**known == life);
        place.map(|place| lives.remove(place));
        if lives.len() == LIVES_MAX {
            lives.pop_front();
        }
        lives.push_back(life.into());
        place.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_that_comes_back_is_another_program_and_a_restart_is_none() {
        let (lives, agent) = (Lives::default(), AgentId(Default::default()));
        let told: Vec<bool> = ["a", "a", "b", "b", "c", "b", "c", "d"].iter().map(|life| lives.is_back(agent, life)).collect();
        assert_eq!(told, [false, false, false, false, false, true, true, false]);
    }
}
