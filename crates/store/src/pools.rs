//! Pools: the slices of runs, who has which, and who may take one.

use crate::agents::{AGENT, agent};
use crate::fault::Fault;
use crate::list::List;
use crate::unit::{Rx, Tx};
use crate::value::{Row, V};
use muster_core::fleet::{Agent, Protocol};
use muster_core::ids::{AgentId, AssignmentId, DeviceId, GroupId, OrgId, RunId, TaskId};
use muster_core::tasks::pool::{Range, Slice};
use muster_core::time::Timestamp;
use std::collections::BTreeMap;

/// A run of a pool that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolRun {
    /// The run.
    pub run: RunId,
    /// Its task.
    pub task: TaskId,
    /// In which version.
    pub version: i64,
}

/// Which slice is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The run.
    pub run: RunId,
    /// Who asks.
    pub agent: AgentId,
    /// It may have again what it had itself, if that ended before this instant.
    pub own_before: Timestamp,
    /// Only those that meet this range.
    pub within: Option<&'a Range>,
    /// Only those in whose networks no member of the pool was.
    pub far: bool,
}

/// What an agent did of a run's slices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The agent.
    pub agent: AgentId,
    /// Slices that ended well by its hand, and their addresses.
    pub done: (i64, i64),
    /// Slices that ended otherwise by its hand, and their addresses.
    pub failed: (i64, i64),
    /// Slices in its hands, and their addresses.
    pub working: (i64, i64),
}

fn slice(row: &Row) -> Result<Slice, Fault> {
    let damaged = || Fault::Corrupt { table: "slice", column: "low", row: "no addresses".to_owned() };
    let range = Range::of_keys(row.text(2)?, row.text(3)?).ok_or_else(damaged)?;
    Ok(Slice { id: row.id(0)?.into(), place: row.int(1)?, range, near: row.flag(4) })
}

const SLICE: &str = "s.id, s.place, s.low, s.high, s.near";

impl Rx {
    /// Runs of pools of an organization that go on and are not held, the first of the queue first.
    pub fn pool_runs(&mut self, org: OrgId) -> Result<Vec<PoolRun>, Fault> {
        let sql = "SELECT id, task, task_version FROM run WHERE org = ?1 AND addresses IS NOT NULL AND state <> 'finished' \
             AND paused = 0 AND halted = 0 AND cancel_requested = 0 ORDER BY priority, id";
        let read = |r: &Row| Ok(PoolRun { run: r.id(0)?.into(), task: r.id(1)?.into(), version: r.int(2)? });
        self.rows(sql, &[V::U(org.0)])?.iter().map(read).collect()
    }

    /// The slices of a run, in the order of their addresses as they were cut.
    pub fn slices_of(&mut self, run: RunId) -> Result<Vec<Slice>, Fault> {
        let mut list = List::new(SLICE, "slice s");
        list.filter("s.run = {}", run.0);
        list.all(self, "s.place", usize::MAX >> 1, slice)
    }

    /// Slices by their ids.
    pub fn slices_by_id(&mut self, ids: &[DeviceId]) -> Result<Vec<Slice>, Fault> {
        let mut all = Vec::with_capacity(ids.len());
        for piece in ids.chunks(500) {
            let mut list = List::new(SLICE, "slice s");
            list.any_of("s.id", piece.iter().map(|id| id.0));
            all.extend(list.all(self, "s.id", piece.len(), slice)?);
        }
        Ok(all)
    }

    /// How many slices of a run each agent has in its hands.
    pub fn slices_held(&mut self, run: RunId) -> Result<BTreeMap<AgentId, i64>, Fault> {
        let sql = "SELECT agent, count(*) FROM assignment WHERE run = ?1 AND open = 1 AND state <> 'prepared' GROUP BY agent";
        self.rows(sql, &[V::U(run.0)])?.iter().map(|r| Ok((r.id(0)?.into(), r.int(1)?))).collect()
    }

    /// Slices of pools that an agent has in its hands.
    pub fn slices_in_hands(&mut self, org: OrgId, agent: AgentId) -> Result<Vec<AssignmentId>, Fault> {
        let sql = "SELECT a.id FROM assignment a WHERE a.agent = ?2 AND a.open = 1 AND a.state <> 'prepared' \
             AND EXISTS (SELECT 1 FROM run r WHERE r.id = a.run AND r.org = ?1 AND r.addresses IS NOT NULL) ORDER BY a.agent, a.id";
        self.rows(sql, &[V::U(org.0), V::U(agent.0)])?.iter().map(|r| r.id(0).map(AssignmentId)).collect()
    }

    /// Slices that wait and whose time has come, the first first, at most `limit`.
    pub fn slices_waiting(&mut self, wanted: &Wanted<'_>, now: Timestamp, limit: usize) -> Result<Vec<AssignmentId>, Fault> {
        let mut list = List::new("a.id", "assignment a JOIN slice s ON s.id = a.device");
        list.filter("a.run = {}", wanted.run.0);
        list.filter("s.run = {}", wanted.run.0);
        list.condition("a.open = 1 AND a.state = 'prepared'");
        list.filter("a.due <= {}", now.0);
        let (agent, before) = (list.param(wanted.agent.0), list.param(wanted.own_before.0));
        list.condition(format!("a.agent IS NULL OR a.agent <> {agent} OR a.updated <= {before}"));
        if let Some(range) = wanted.within {
            let (low, high) = range.keys();
            list.filter("s.high >= {}", low);
            list.filter("s.low <= {}", high);
        }
        if wanted.far {
            list.condition("s.near = 0");
        }
        list.all(self, "s.place", limit, |r| r.id(0).map(AssignmentId))
    }

    /// When the next slice of a run that waits is due; `None` where none waits.
    pub fn slice_due(&mut self, run: RunId) -> Result<Option<Timestamp>, Fault> {
        let row = self.one("SELECT min(due) FROM assignment WHERE run = ?1 AND open = 1 AND state = 'prepared'", &[V::U(run.0)])?;
        Ok(row.map(|r| r.opt_int(0)).transpose()?.flatten().map(Timestamp))
    }

    /// Verified agents of these protocols, of the machines in any of these groups where some are named; the latest heard first.
    pub fn pool_agents(
        &mut self,
        org: OrgId,
        protocols: &[Protocol],
        groups: Option<&[GroupId]>,
        limit: usize,
    ) -> Result<Vec<Agent>, Fault> {
        let mut list = List::new(AGENT, "agent a");
        list.filter("a.org = {}", org.0);
        list.any_of("a.protocol", protocols.iter().map(|p| p.as_str()));
        list.condition("a.verified = 1 AND a.quarantined IS NULL");
        if let Some(groups) = groups {
            let names: Vec<String> = groups.iter().map(|group| list.param(group.0)).collect();
            let of = if names.is_empty() { "1 = 0".to_owned() } else { format!("m.grp IN ({})", names.join(", ")) };
            list.condition(format!("EXISTS (SELECT 1 FROM group_member m WHERE m.device = a.device AND m.hidden = 0 AND {of})"));
        }
        list.all(self, "coalesce(a.last_contact, 0) DESC, a.id", limit, agent)
    }

    /// What each agent did of a run's slices, the busiest first.
    pub fn slice_shares(&mut self, run: RunId) -> Result<Vec<Share>, Fault> {
        let sql = "SELECT a.agent, CASE WHEN a.open = 1 THEN 2 WHEN a.state = 'ok' THEN 0 ELSE 1 END AS part, count(*), CAST(sum(s.addresses) AS BIGINT) \
             FROM assignment a JOIN slice s ON s.id = a.device WHERE a.run = ?1 AND a.agent IS NOT NULL AND a.state <> 'prepared' \
             GROUP BY 1, 2";
        let mut shares: BTreeMap<AgentId, Share> = BTreeMap::new();
        for row in self.rows(sql, &[V::U(run.0)])? {
            let agent = AgentId(row.id(0)?);
            let share = shares.entry(agent).or_insert(Share { agent, done: (0, 0), failed: (0, 0), working: (0, 0) });
            let part = (row.int(2)?, row.int(3)?);
            match row.int(1)? {
                0 => share.done = part,
                1 => share.failed = part,
                _ => share.working = part,
            }
        }
        let mut all: Vec<Share> = shares.into_values().collect();
        all.sort_by_key(|it| (std::cmp::Reverse(it.done.1), it.agent));
        Ok(all)
    }
}

impl Tx {
    /// Adds the slices of a run.
    pub fn slices_insert(&mut self, run: RunId, slices: &[Slice]) -> Result<(), Fault> {
        for it in slices {
            let (low, high) = it.range.keys();
            let addresses = i64::try_from(it.range.count()).unwrap_or(i64::MAX);
            self.send(
                "INSERT INTO slice (id, run, place, low, high, addresses, near) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                &[V::U(it.id.0), V::U(run.0), it.place.into(), low.into(), high.into(), addresses.into(), it.near.into()],
            )?;
        }
        Ok(())
    }
}
