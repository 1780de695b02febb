//! What agents told of their own crashes: the newest few of each.

use crate::fault::Fault;
use crate::list::{List, word};
use crate::unit::{Rx, Tx};
use crate::value::{Row, V};
use muster_core::fleet::{Crash, CrashKind};
use muster_core::ids::{AgentId, CrashId, OrgId};
use muster_core::limits::CRASHES_KEPT;
use muster_core::page::{Page, PageRequest};
use muster_core::time::Timestamp;

/// What a list of crashes is narrowed by.
#[derive(Clone, Debug, Default)]
pub struct CrashFilter {
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// Any of these kinds.
    pub kinds: Vec<CrashKind>,
    /// Of this version.
    pub version: Option<String>,
}

const CRASH: &str = "c.id, c.org, c.agent, c.told, c.at, c.kind, c.version, c.message, c.place, c.log, d.name";
const FROM: &str = "agent_crash c JOIN agent a ON a.id = c.agent JOIN device d ON d.id = a.device";

fn crash(row: &Row) -> Result<(Crash, String), Fault> {
    let crash = Crash {
        id: row.id(0)?.into(),
        org: row.id(1)?.into(),
        agent: row.id(2)?.into(),
        told: row.id(3)?.into(),
        at: Timestamp(row.int(4)?),
        kind: word(row, 5, "agent_crash", "kind")?,
        version: row.text(6)?.to_owned(),
        message: row.text(7)?.to_owned(),
        place: row.opt_text(8)?.map(str::to_owned),
        log: row.text(9)?.to_owned(),
    };
    Ok((crash, row.text(10)?.to_owned()))
}

impl Rx {
    /// A page of crashes, the newest first unless asked for otherwise, each with the name of the agent's device.
    pub fn crashes(&mut self, org: OrgId, filter: &CrashFilter, page: &PageRequest) -> Result<Page<(Crash, String)>, Fault> {
        let mut list = List::new(CRASH, FROM);
        list.filter("c.org = {}", org.0);
        if let Some(agent) = filter.agent {
            list.filter("c.agent = {}", agent.0);
        }
        if !filter.kinds.is_empty() {
            list.any_of("c.kind", filter.kinds.iter().map(|kind| kind.as_str()));
        }
        if let Some(version) = &filter.version {
            list.filter("c.version = {}", version);
        }
        list.newest_first(self, page, "c.id", crash)
    }

    /// One crash, with the name of the agent's device.
    pub fn crash(&mut self, org: OrgId, id: CrashId) -> Result<Option<(Crash, String)>, Fault> {
        let mut list = List::new(CRASH, FROM);
        list.filter("c.org = {}", org.0);
        list.filter("c.id = {}", id.0);
        Ok(list.all(self, "c.id", 1, crash)?.pop())
    }
}

impl Tx {
    /// Keeps a crash, once, and lets go of what is beyond [`CRASHES_KEPT`] of its agent. False when it was known.
    pub fn crash_keep(&mut self, c: &Crash) -> Result<bool, Fault> {
        let new = self.exec(
            "INSERT INTO agent_crash (id, org, agent, told, at, kind, version, message, place, log) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (agent, told) DO NOTHING",
            &[
                V::U(c.id.0),
                V::U(c.org.0),
                V::U(c.agent.0),
                V::U(c.told.0),
                c.at.0.into(),
                c.kind.as_str().into(),
                (&c.version).into(),
                (&c.message).into(),
                c.place.as_deref().into(),
                (&c.log).into(),
            ],
        )?;
        let most = i64::try_from(CRASHES_KEPT).unwrap_or(i64::MAX);
        self.send(
            "DELETE FROM agent_crash WHERE agent = ?1 AND id NOT IN (SELECT id FROM agent_crash WHERE agent = ?1 ORDER BY id DESC LIMIT ?2)",
            &[V::U(c.agent.0), most.into()],
        )?;
        Ok(new > 0)
    }
}
