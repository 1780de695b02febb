//! Which slices of pools an agent gets when it comes: of its own networks first, then those that nobody is near, then any.

use super::{Ask, Claimed, Hall};
use crate::cx::Cx;
use crate::error::Error;
use crate::pool::{Pool, networks_of};
use muster_core::fleet::Agent;
use muster_core::ids::{AgentId, AssignmentId, OrgId, RunId};
use muster_core::tasks::pool::Range;
use muster_store::{Tx, Wanted};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// How often an agent is offered another slice of a pool where one was gone.
const OFFERS_MAX: usize = 4;

/// The pools of the claims of one set.
#[derive(Default)]
pub(super) struct Pools {
    of: BTreeMap<OrgId, Vec<Pool>>,
    /// Who has slices in its hands, these claims included.
    held: BTreeMap<RunId, BTreeMap<AgentId, i64>>,
    /// What these claims took.
    taken: BTreeSet<AssignmentId>,
}

impl Pools {
    fn of(&mut self, tx: &mut Tx, org: OrgId) -> Result<Vec<Pool>, Error> {
        Ok(match self.of.entry(org) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => place.insert(Pool::all(tx, org)?).clone(),
        })
    }

    /// Who has slices of a run in its hands. Where only so many may, the run is locked, so that two claims do not both take the last place.
    fn held(&mut self, tx: &mut Tx, org: OrgId, pool: &Pool) -> Result<&mut BTreeMap<AgentId, i64>, Error> {
        match self.held.entry(pool.run) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                if pool.doc.actors.most().is_some() {
                    tx.run_for_update(org, pool.run)?;
                }
                Ok(place.insert(tx.slices_held(pool.run)?))
            }
        }
    }
}

impl Hall {
    /// Offers an agent one slice of each pool that it is in and of which it has none.
    pub(super) fn add_slices(
        &mut self,
        tx: &mut Tx,
        cx: &Cx,
        ask: &Ask<'_>,
        asks: &[Ask<'_>],
        mine: &mut Vec<Claimed>,
    ) -> Result<(), Error> {
        let mut near: Option<Vec<Range>> = None;
        for pool in self.pools.of(tx, ask.agent.org)? {
            let is_able = pool.action().is_some_and(|action| ask.actions.contains(&action.kind()));
            if mine.len() >= ask.max || !is_able || !pool.has(tx, ask.agent)? {
                continue;
            }
            let held = self.pools.held(tx, ask.agent.org, &pool)?;
            if held.contains_key(&ask.agent.id) || !pool.has_room(held) {
                continue;
            }
            if self.in_flight.is_none() {
                let devices: Vec<_> = asks.iter().map(|ask| ask.agent.device).collect();
                self.in_flight = Some(tx.agents_in_flight(&devices)?);
            }
            let near = match &near {
                Some(known) => known,
                None => near.insert(networks_of(tx, ask.agent)?),
            };
            let Some((id, mut claimed)) = self.offered(tx, cx, ask, &pool, near)? else { continue };
            let slice = self.records.get(&id).map(|record| record.device);
            claimed.slice = slice.map_or(Ok(Vec::new()), |slice| tx.slices_by_id(&[slice]))?.pop().map(|slice| slice.range);
            *self.pools.held(tx, ask.agent.org, &pool)?.entry(ask.agent.id).or_default() += 1;
            self.pools.taken.insert(id);
            mine.push(claimed);
        }
        Ok(())
    }

    /// Offers an agent a slice of a pool: the next one where another server was faster.
    fn offered(
        &mut self,
        tx: &mut Tx,
        cx: &Cx,
        ask: &Ask<'_>,
        pool: &Pool,
        near: &[Range],
    ) -> Result<Option<(AssignmentId, Claimed)>, Error> {
        for _ in 0..OFFERS_MAX {
            let Some(id) = self.next(tx, cx, pool, ask.agent, near)? else { return Ok(None) };
            self.records.extend(tx.assignments_for_update(&[id])?.into_iter().map(|record| (record.id, record)));
            if let Some(claimed) = self.offer(tx, cx, ask, id)? {
                return Ok(Some((id, claimed)));
            }
            self.pools.taken.insert(id);
        }
        Ok(None)
    }

    /// The slice that an agent is to have next.
    fn next(&self, tx: &mut Tx, cx: &Cx, pool: &Pool, agent: &Agent, near: &[Range]) -> Result<Option<AssignmentId>, Error> {
        let all = Wanted { run: pool.run, agent: agent.id, own_before: cx.now.minus(pool.own_pause()), within: None, far: false };
        let wanted = near.iter().map(|range| Wanted { within: Some(range), ..all }).chain([Wanted { far: true, ..all }, all]);
        for it in wanted {
            let found = tx.slices_waiting(&it, cx.now, self.pools.taken.len() + 1)?;
            if let Some(id) = found.into_iter().find(|id| !self.pools.taken.contains(id)) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}
