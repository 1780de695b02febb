//! Agents that are to be woken, and what came of it.

use crate::fault::Fault;
use crate::list::small;
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::fleet::WakeTry;
use muster_core::ids::{AgentId, OrgId};
use muster_core::tasks::DueWake;
use muster_core::time::Timestamp;

impl Rx {
    /// Agents that are due to be woken.
    pub fn wakes_due(&mut self, now: Timestamp, limit: i64) -> Result<Vec<DueWake>, Fault> {
        let sql = "SELECT agent, org, tries, anyway FROM wake WHERE due <= ?1 ORDER BY due, agent LIMIT ?2";
        let read =
            |r: &Row| Ok(DueWake { agent: r.id(0)?.into(), org: r.id(1)?.into(), tries: small(r, 2, "wake", "tries")?, anyway: r.flag(3) });
        self.rows(sql, &[now.0.into(), limit.into()])?.iter().map(read).collect()
    }
}

impl Tx {
    /// Puts agents on the list of those to be woken at an instant, `anyway` or as long as something waits for them; one that is
    /// there already begins again.
    pub fn wakes_insert(&mut self, org: OrgId, agents: &[AgentId], now: Timestamp, anyway: bool) -> Result<(), Fault> {
        for agent in agents {
            self.send(
                "INSERT INTO wake (agent, org, due, tries, created, anyway) VALUES (?1, ?2, ?3, 0, ?3, ?4) ON CONFLICT (agent) DO UPDATE SET due = excluded.due, tries = 0, \
                 created = excluded.created, anyway = excluded.anyway",
                &[V::U(agent.0), V::U(org.0), now.0.into(), anyway.into()],
            )?;
        }
        if !agents.is_empty() {
            self.after(Hint { topic: Topic::Wake, id: None, org: Some(org.0) });
        }
        Ok(())
    }

    /// Takes a due wake-up, which is due again at `until`; false when another node was faster.
    pub fn wake_take(&mut self, wake: &DueWake, now: Timestamp, until: Timestamp) -> Result<bool, Fault> {
        let done = self.exec(
            "UPDATE wake SET due = ?3, tries = tries + 1 WHERE agent = ?1 AND due <= ?2 AND tries = ?4",
            &[V::U(wake.agent.0), now.0.into(), until.0.into(), i64::from(wake.tries).into()],
        )?;
        Ok(done == 1)
    }

    /// Takes an agent off the list of those to be woken.
    pub fn wake_drop(&mut self, agent: AgentId) -> Result<(), Fault> {
        self.exec("DELETE FROM wake WHERE agent = ?1", &[V::U(agent.0)])?;
        Ok(())
    }

    /// Records what came of a wake-up and when the next is due; `None` ends the tries. An agent that is gone changes nothing.
    pub fn wake_record(&mut self, org: OrgId, agent: AgentId, tried: &WakeTry, next: Option<Timestamp>) -> Result<(), Fault> {
        let known = self.exec(
            "UPDATE agent SET wake_at = ?2, wake_outcome = ?3, wake_detail = ?4 WHERE id = ?1",
            &[V::U(agent.0), tried.at.0.into(), tried.outcome.as_str().into(), (&tried.detail).into()],
        )?;
        if known == 0 {
            return Ok(());
        }
        self.exec(
            "INSERT INTO wake_log (id, org, agent, at, outcome, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            &[V::U(tried.id), V::U(org.0), V::U(agent.0), tried.at.0.into(), tried.outcome.as_str().into(), (&tried.detail).into()],
        )?;
        match next {
            Some(due) => self.exec("UPDATE wake SET due = ?2 WHERE agent = ?1", &[V::U(agent.0), due.0.into()])?,
            None => self.exec("DELETE FROM wake WHERE agent = ?1", &[V::U(agent.0)])?,
        };
        self.after(Hint { topic: Topic::Agent, id: Some(agent.0), org: Some(org.0) });
        Ok(())
    }
}
