//! Which refusals were noted on devices lately: a note an hour for each agent, so that a broken one costs a write an hour.

use crate::gateway::Gateway;
use muster_core::ids::{AgentId, OrgId};
use muster_core::time::Timestamp;
use muster_engine::findings::{Sender, body_refused, key_shared};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

const HOUR_MS: i64 = 3_600_000;
/// Agents remembered; beyond, nothing is noted until an hour is over for some.
const AGENTS_MAX: usize = 10_000;

/// When which agent's refusal was noted. In memory: a restart forgets it.
#[derive(Default)]
pub(crate) struct Noted {
    at: Mutex<BTreeMap<String, i64>>,
}

impl Noted {
    /// Whether a refusal of this agent is to be noted now.
    fn is_due(&self, sender: &Sender, now: Timestamp) -> bool {
        let key = match sender {
            Sender::Own(id) => id.to_string(),
            Sender::Foreign(protocol, id) => format!("{protocol} {id}"),
            Sender::Glpi(id) => format!("glpi id {id}"),
        };
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if at.len() >= AGENTS_MAX {
            at.retain(|_, then| now.millis() - *then < HOUR_MS);
        }
        let lately = at.get(&key).is_some_and(|then| now.millis() - *then < HOUR_MS);
        if lately || at.len() >= AGENTS_MAX {
            return false;
        }
        at.insert(key, now.millis());
        true
    }
}

impl Gateway {
    /// Notes on the device of a known agent that its inventory was refused. Does not wait for it, and it may be lost.
    pub(crate) fn note_refused(&self, sender: Sender, org: OrgId, why: &str) {
        let engine = self.inner.engine.clone();
        if !self.inner.noted.is_due(&sender, engine.now()) {
            return;
        }
        let (cx, why) = (self.cx_in(org), why.to_owned());
        drop(tokio::spawn(async move {
            let noted = engine.try_write("device.finding", &cx, move |tx, cx| body_refused(tx, cx, &sender, &why)).await;
            if let Err(error) = noted {
                tracing::debug!(%error, "a refusal was not noted");
            }
        }));
    }

    /// Notes on the device of one of our own agents that another program uses its key. Does not wait for it, and it may be lost.
    pub(crate) fn note_key_shared(&self, agent: AgentId, org: OrgId, from: String) {
        let engine = self.inner.engine.clone();
        if !self.inner.noted.is_due(&Sender::Own(agent), engine.now()) {
            return;
        }
        let cx = self.cx_in(org);
        drop(tokio::spawn(async move {
            let noted = engine.try_write("device.finding", &cx, move |tx, cx| key_shared(tx, cx, agent, &from)).await;
            if let Err(error) = noted {
                tracing::debug!(%error, "that a key is shared was not noted");
            }
        }));
    }

    /// [`Self::note_refused`] of an agent that names no organization.
    pub(crate) async fn note_refused_here(&self, sender: Sender, why: &str) {
        if let Ok(cx) = self.cx().await {
            self.note_refused(sender, cx.org, why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_core::fleet::Protocol;

    #[test]
    fn a_refusal_of_an_agent_is_noted_once_an_hour() {
        let noted = Noted::default();
        let sender = |n: u32| Sender::Foreign(Protocol::Ocs, format!("pc{n}"));
        assert!(noted.is_due(&sender(1), Timestamp(0)) && noted.is_due(&sender(2), Timestamp(0)));
        assert!(!noted.is_due(&sender(1), Timestamp(HOUR_MS - 1)));
        assert!(noted.is_due(&sender(1), Timestamp(HOUR_MS)));
        for n in 0..2 * AGENTS_MAX as u32 {
            noted.is_due(&sender(n), Timestamp(HOUR_MS));
        }
        assert_eq!(noted.at.lock().expect("lock").len(), AGENTS_MAX);
        assert!(noted.is_due(&sender(1), Timestamp(3 * HOUR_MS)));
    }
}
