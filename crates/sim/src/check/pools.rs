//! Rule 6: the slices of a run are disjoint, all together they are what was to be done, and each is with one agent at most.

use crate::model::Model;
use crate::observe::ObservedRun;
use muster_core::ids::{AgentId, DeviceId};
use muster_core::tasks::State;
use muster_core::tasks::pool::Range;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Checks one run that a pool does.
pub(crate) fn check(it: &ObservedRun, model: &Model, breach: &mut dyn FnMut(String)) {
    if it.rows.is_none() || !it.run.is_pooled() {
        return;
    }
    let id = it.run.id;
    let (mut all, mut sum) = (BTreeSet::<IpAddr>::new(), 0_usize);
    for (_, range) in &it.slices {
        sum += range.addresses().count();
        all.extend(range.addresses());
    }
    if all.len() != sum {
        breach(format!("the slices of run {id} have {sum} addresses, and {} different ones", all.len()));
    }
    if i64::try_from(sum).ok() != it.run.addresses {
        breach(format!("run {id} says it has {:?} addresses, its slices have {sum}", it.run.addresses));
    }
    if let Some(wanted) = model.addresses.get(&id).filter(|wanted| **wanted != all) {
        breach(format!("run {id} has {} addresses in its slices, {} were to be done", all.len(), wanted.len()));
    }
    let slices: BTreeSet<DeviceId> = it.slices.iter().map(|(slice, _)| *slice).collect();
    let targets: BTreeSet<DeviceId> = it.pieces.iter().map(|piece| piece.device).collect();
    if targets.len() != it.pieces.len() || !targets.is_subset(&slices) || (it.run.made == it.run.targeted && targets != slices) {
        breach(format!("run {id} has {} slices and {} assignments of {} of them", slices.len(), it.pieces.len(), targets.len()));
    }
    let mut hands: BTreeMap<AgentId, usize> = BTreeMap::new();
    for (actor, _) in it.pieces.iter().filter_map(|piece| piece.state.status.lease()) {
        *hands.entry(actor.agent).or_default() += 1;
    }
    if let Some((agent, count)) = hands.iter().find(|(_, count)| **count > 1) {
        breach(format!("agent {agent} has {count} slices of run {id} at once"));
    }
    if it.pool_max.is_some_and(|most| hands.len() > most) {
        breach(format!("{} agents are at work in run {id}, {:?} may be", hands.len(), it.pool_max));
    }
}

/// Lets two slices have an address in common, for a plant.
pub(crate) fn overlap(it: &mut ObservedRun) -> bool {
    let Some((_, range)) = it.slices.first().copied() else { return false };
    let both = it.slices.last_mut().filter(|(_, last)| *last != range);
    both.map(|(_, last)| *last = Range::new(range.first(), range.first()).unwrap_or(*last)).is_some()
}

/// Loses a slice, for a plant.
pub(crate) fn lose(it: &mut ObservedRun) -> bool {
    it.slices.pop().is_some()
}

/// Gives one agent two slices, for a plant.
pub(crate) fn hand_another(it: &mut ObservedRun) -> bool {
    let Some(status) = it.pieces.iter().map(|p| p.state.status).find(|s| s.lease().is_some()).filter(|_| it.run.is_pooled()) else {
        return false;
    };
    let other = it.pieces.iter_mut().find(|piece| piece.state.status.state() == State::Prepared);
    other.map(|piece| piece.state.status = status).is_some()
}
