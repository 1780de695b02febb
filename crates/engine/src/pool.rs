//! Pools: who is in one, how the addresses of a run are cut, and who is told that a slice waits (`docs/pools.md`).
//!
//! Which slice an agent gets when it comes is in `work/pooled.rs`.

use crate::cx::Cx;
use crate::error::Error;
use crate::fleet::agent_online;
use crate::runs::{Aim, house};
use crate::tasks::{UNKNOWN_AGENT, groups_of};
use muster_core::access::{Org, Role};
use muster_core::fleet::{Agent, Device, Protocol};
use muster_core::ids::{AgentId, DeviceId, GroupId, OrgId, RunId};
use muster_core::inventory::Row;
use muster_core::limits::POOL_AGENTS_MAX;
use muster_core::tasks::doc::{ActionKind, Actors};
use muster_core::tasks::pool::{Range, SLICE_SILENCE, Slice, Standing, addresses, cut, networks, united, usual_network};
use muster_core::tasks::{Action, Change, Run, State, Task, TaskDoc};
use muster_core::time::Timestamp;
use muster_store::{Hint, Rx, Share, Topic, Tx};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Members whose networks are looked at when addresses are cut: those that were heard last.
const NEAR_LOOKED_AT: usize = 200;
/// For how many a run is cut where nobody of its pool is heard: those that come later.
const LIVING_ASSUMED: usize = 4;
/// When is looked again whether there is a slice for a member that found none: others may have given theirs back.
const AGAIN: Duration = Duration::from_secs(30);
/// The same where an agent is in none of the groups: its machine may be put into one.
const AGAIN_OUTSIDE: Duration = Duration::from_secs(300);
/// Agents that are looked at for a pool: those that were heard last.
const AGENTS_LOOKED_AT: usize = 5_000;
/// Networks of an agent that count for which slices are near.
const NETWORKS_MAX: usize = 32;

/// The members of a pool that are known by name.
struct Members {
    are: Vec<Agent>,
    /// There may be more than these.
    others: bool,
}

/// The pool of a run that goes on.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) run: RunId,
    pub(crate) doc: TaskDoc,
    /// The groups in which its members' machines are; `None`: any.
    groups: Option<Vec<GroupId>>,
}

impl Pool {
    /// Of a run whose task is there in its version.
    pub(crate) fn of(rx: &mut Rx, org: OrgId, run: RunId, doc: TaskDoc) -> Result<Self, Error> {
        let groups = match &doc.actors {
            Actors::Pool(pool) if !pool.selector.groups.is_empty() => {
                Some(rx.groups_named(org, &pool.selector.groups)?.into_iter().map(|(id, _)| id).collect())
            }
            _ => None,
        };
        Ok(Self { run, doc, groups })
    }

    /// The pools of an organization that have something to do, the first of the queue first.
    pub(crate) fn all(rx: &mut Rx, org: OrgId) -> Result<Vec<Self>, Error> {
        let mut all = Vec::new();
        for it in rx.pool_runs(org)? {
            if let Some(doc) = rx.task_doc(it.task, it.version)? {
                all.push(Self::of(rx, org, it.run, doc)?);
            }
        }
        Ok(all)
    }

    /// What its members do.
    pub(crate) fn action(&self) -> Option<&Action> {
        self.doc.steps.first().map(|step| &step.action)
    }

    fn protocols(&self) -> &'static [Protocol] {
        self.action().and_then(|action| ActionKind::named(action.kind())).map_or(&[], |kind| kind.protocols())
    }

    /// How long an agent that had a slice leaves it to others.
    pub(crate) fn own_pause(&self) -> Duration {
        self.doc.steps.first().map_or(Duration::ZERO, |step| self.doc.retry_of(step).backoff.0)
    }

    /// Whether an agent can and may do its work, and is selected.
    pub(crate) fn has(&self, rx: &mut Rx, agent: &Agent) -> Result<bool, Error> {
        let Some(action) = self.action() else { return Ok(false) };
        let able = self.protocols().contains(&agent.protocol) && agent.verified && agent.may_be_asked(action.kind());
        Ok(able && self.selects(rx, agent)?)
    }

    fn selects(&self, rx: &mut Rx, agent: &Agent) -> Result<bool, Error> {
        if let Actors::Agents(ids) = &self.doc.actors {
            return Ok(ids.contains(&agent.id));
        }
        for group in self.groups.iter().flatten() {
            if !rx.members_among(*group, &[agent.device])?.is_empty() {
                return self.is_within(rx, agent);
            }
        }
        if self.groups.is_none() { self.is_within(rx, agent) } else { Ok(false) }
    }

    /// Whether an agent's machine has an address in the subnets that are selected.
    fn is_within(&self, rx: &mut Rx, agent: &Agent) -> Result<bool, Error> {
        let Actors::Pool(pool) = &self.doc.actors else { return Ok(true) };
        let ranges = pool.selector.ranges();
        if ranges.is_empty() {
            return Ok(true);
        }
        let rows = network_rows(rx, agent.id)?;
        let own = addresses(&rows).into_iter().chain(address_of(agent)).filter_map(|it| Range::new(it, it));
        Ok(own.into_iter().any(|it| ranges.iter().any(|range| range.meets(&it))))
    }

    /// Its members, the latest heard first, at most [`POOL_AGENTS_MAX`].
    fn members(&self, rx: &mut Rx, org: OrgId) -> Result<Members, Error> {
        let mut members = Members { are: Vec::new(), others: false };
        let Some(action) = self.action() else { return Ok(members) };
        let mut found = match &self.doc.actors {
            Actors::Agents(ids) => rx.agents_by_id(ids)?.into_iter().filter(|it| it.org == org && it.verified).collect(),
            _ => rx.pool_agents(org, self.protocols(), self.groups.as_deref(), AGENTS_LOOKED_AT)?,
        };
        members.others = found.len() >= AGENTS_LOOKED_AT;
        found.retain(|agent| self.protocols().contains(&agent.protocol) && agent.may_be_asked(action.kind()));
        for agent in found {
            if members.are.len() >= POOL_AGENTS_MAX {
                members.others = true;
                break;
            }
            if self.is_within(rx, &agent)? {
                members.are.push(agent);
            }
        }
        Ok(members)
    }

    /// How it stands.
    pub(crate) fn standing(&self, rx: &mut Rx, org: &Org, now: Timestamp) -> Result<Standing, Error> {
        let members = self.members(rx, org.id)?.are;
        Ok(Standing {
            members: members.len(),
            online: members.iter().filter(|agent| agent_online(agent, &org.settings, now)).count(),
            working: rx.slices_held(self.run)?.len(),
            most: self.doc.actors.most(),
        })
    }

    /// Whether one more of its members may take a slice.
    pub(crate) fn has_room(&self, held: &BTreeMap<AgentId, i64>) -> bool {
        self.doc.actors.most().is_none_or(|most| held.len() < most)
    }
}

fn network_rows(rx: &mut Rx, agent: AgentId) -> Result<Vec<Row>, Error> {
    Ok(serde_json::from_slice(&rx.section_facts(agent, "networks")?.unwrap_or_default()).unwrap_or_default())
}

fn address_of(agent: &Agent) -> Option<IpAddr> {
    agent.address.as_deref().and_then(|text| text.parse().ok())
}

/// The networks that an agent is in: those of its inventory, and where it has none the usual one of the address it comes from.
pub(crate) fn networks_of(rx: &mut Rx, agent: &Agent) -> Result<Vec<Range>, Error> {
    let mut known = united(networks(&network_rows(rx, agent.id)?));
    known.truncate(NETWORKS_MAX);
    Ok(if known.is_empty() { address_of(agent).and_then(usual_network).into_iter().collect() } else { known })
}

/// Refuses what a document's actors name and nobody knows.
pub(crate) fn named(rx: &mut Rx, org: OrgId, doc: &TaskDoc) -> Result<(), Error> {
    match &doc.actors {
        Actors::Own => Ok(()),
        Actors::Pool(pool) => groups_of(rx, org, "/actors/pool/selector/groups", &pool.selector.groups).map(drop),
        Actors::Agents(ids) => {
            let known: Vec<AgentId> = rx.agents_by_id(ids)?.into_iter().filter(|agent| agent.org == org).map(|agent| agent.id).collect();
            match ids.iter().enumerate().find(|(_, id)| !known.contains(id)) {
                Some((place, id)) => {
                    let what = format!("there is no agent '{id}'; look for its id among the agents");
                    Err(Error::invalid(UNKNOWN_AGENT, &format!("/actors/agents/{place}"), what))
                }
                None => Ok(()),
            }
        }
    }
}

/// The addresses of a start, cut for the members of its pool that are heard now.
pub(crate) fn slices(rx: &mut Rx, cx: &Cx, task: &Task, ranges: &[Range]) -> Result<Vec<Slice>, Error> {
    let (cut, near) = cut_for(rx, cx, task, ranges)?;
    let slice = |(place, range): (usize, Range)| Slice {
        id: DeviceId(cx.id()),
        place: crate::runs::count(place),
        near: near.iter().any(|own| own.meets(&range)),
        range,
    };
    Ok(cut.into_iter().enumerate().map(slice).collect())
}

/// The same as ranges, with the networks that members are in.
fn cut_for(rx: &mut Rx, cx: &Cx, task: &Task, ranges: &[Range]) -> Result<(Vec<Range>, Vec<Range>), Error> {
    let pool = Pool::of(rx, task.org, RunId(uuid::Uuid::nil()), task.doc.clone())?;
    let settings = house(rx, task.org)?.settings;
    let members = pool.members(rx, task.org)?.are;
    let online: Vec<&Agent> = members.iter().filter(|agent| agent_online(agent, &settings, cx.now)).collect();
    let mut near = Vec::new();
    for agent in online.iter().take(NEAR_LOOKED_AT) {
        near.extend(networks_of(rx, agent)?);
    }
    let living = if online.is_empty() { LIVING_ASSUMED } else { online.len() };
    let living = living.min(task.doc.actors.most().unwrap_or(living));
    let worst = pool.action().map_or(Duration::ZERO, Action::worst_per_address);
    Ok((cut(ranges, living, worst), near))
}

/// How long nothing may be heard of a slice of a run: the worst case of the largest, and some time more.
pub(crate) fn silence(action: &Action, slices: &[Slice]) -> Duration {
    let largest = slices.iter().map(|slice| slice.range.count()).max().unwrap_or(1);
    // At the end of its time an agent waits for its last answers.
    SLICE_SILENCE + action.worst_per_address() * u32::try_from(largest).unwrap_or(u32::MAX)
}

/// Whether a slice waits for an agent now, and when is to be looked again.
pub fn waits(rx: &mut Rx, agent: &Agent, now: Timestamp) -> Result<(bool, Option<Timestamp>), Error> {
    let mut again: Option<Timestamp> = None;
    for pool in Pool::all(rx, agent.org)? {
        let is_member = pool.has(rx, agent)?;
        if !is_member && pool.groups.is_none() {
            continue;
        }
        let Some(due) = rx.slice_due(pool.run)? else { continue };
        if !is_member {
            let next = now.plus(AGAIN_OUTSIDE).max(due);
            again = Some(again.map_or(next, |known| known.min(next)));
            continue;
        }
        let held = rx.slices_held(pool.run)?;
        if due <= now && !held.contains_key(&agent.id) && pool.has_room(&held) {
            return Ok((true, None));
        }
        let next = if due <= now { now.plus(AGAIN) } else { due };
        again = Some(again.map_or(next, |known| known.min(next)));
    }
    Ok((false, again))
}

/// Tells the members of a run's pool that there are slices.
pub(crate) fn call(tx: &mut Tx, cx: &Cx, run: &Run) -> Result<(), Error> {
    let Some(doc) = tx.task_doc(run.task, run.task_version)? else { return Ok(()) };
    let members = Pool::of(tx, run.org, run.id, doc)?.members(tx, run.org)?;
    let hint = |id| Hint { topic: Topic::Work, id, org: Some(run.org.0) };
    if members.others {
        tx.after(hint(None));
    } else {
        members.are.iter().for_each(|agent| tx.after(hint(Some(agent.id.0))));
    }
    tracing::debug!(run = %run.id, members = members.are.len(), at = %cx.now, "a pool is called");
    Ok(())
}

/// What became of slices is told to those who wait for one: their agent may have the next, and what came back is for all.
pub(crate) fn follow(tx: &mut Tx, cx: &Cx, changes: &[Change]) -> Result<(), Error> {
    let mut back: BTreeMap<RunId, OrgId> = BTreeMap::new();
    for change in changes.iter().filter(|change| change.before.pooled) {
        let (before, after) = (change.before.state.status.state(), change.after.status.state());
        if before != after && !matches!(after, State::Started | State::Running) {
            // Without an agent nobody's memory of it is old.
            if let Some(actor) = change.after.last_actor {
                tx.after(Hint { topic: Topic::Agent, id: Some(actor.agent.0), org: Some(change.before.org.0) });
            }
        }
        if before != State::Prepared && after == State::Prepared {
            back.insert(change.before.run, change.before.org);
        }
    }
    for (run, org) in back {
        if let Some(run) = tx.run(org, run)? {
            call(tx, cx, &run)?;
        }
    }
    Ok(())
}

/// The pool that a start would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolPreview {
    /// How it stands.
    pub standing: Standing,
    /// Into how many slices the addresses would be cut.
    pub slices: usize,
    /// How many of the slices are in networks of members.
    pub near: usize,
}

/// What a start on addresses would do; none where it is on devices.
pub(crate) fn preview(rx: &mut Rx, cx: &Cx, org: &Org, task: &Task, aim: &Aim) -> Result<Option<PoolPreview>, Error> {
    let Aim::Addresses(ranges) = aim else { return Ok(None) };
    let (slices, networks) = cut_for(rx, cx, task, ranges)?;
    let near = slices.iter().filter(|slice| networks.iter().any(|own| own.meets(slice))).count();
    let pool = Pool::of(rx, org.id, RunId(uuid::Uuid::nil()), task.doc.clone())?;
    Ok(Some(PoolPreview { standing: pool.standing(rx, org, cx.now)?, slices: slices.len(), near }))
}

/// The pool of a run, and what each of its agents did.
#[derive(Clone, Debug)]
pub struct PoolView {
    /// How it stands; of a run that is over, how it would stand now.
    pub standing: Standing,
    /// How many slices there are, and addresses.
    pub slices: i64,
    /// How many addresses there are.
    pub addresses: i64,
    /// Who did what, with the machine of each as far as it is still known; the busiest first.
    pub shares: Vec<(Share, Option<Device>)>,
}

/// The pool of a run.
pub fn run_pool(rx: &mut Rx, cx: &Cx, id: RunId) -> Result<PoolView, Error> {
    cx.may_here(Role::Viewer, "looking at runs")?;
    let run = rx.run(cx.org, id)?.ok_or_else(|| Error::not_found("run/not-found", "run", id))?;
    let Some(addresses) = run.addresses else { return Err(Error::not_found("run/no-pool", "pool of run", id)) };
    let org = house(rx, cx.org)?;
    let standing = match rx.task_doc(run.task, run.task_version)? {
        Some(doc) => Pool::of(rx, cx.org, id, doc)?.standing(rx, &org, cx.now)?,
        None => Standing::default(),
    };
    let shares = rx.slice_shares(id)?;
    let agents: Vec<AgentId> = shares.iter().map(|share| share.agent).collect();
    let of: BTreeMap<AgentId, DeviceId> = rx.agents_by_id(&agents)?.into_iter().map(|agent| (agent.id, agent.device)).collect();
    let ids: Vec<DeviceId> = of.values().copied().collect();
    let devices: BTreeMap<DeviceId, Device> = rx.devices_by_id(cx.org, &ids)?.into_iter().map(|device| (device.id, device)).collect();
    let shares = shares.into_iter().map(|share| {
        let device = of.get(&share.agent).and_then(|id| devices.get(id)).cloned();
        (share, device)
    });
    Ok(PoolView { standing, slices: run.targeted, addresses, shares: shares.collect() })
}
