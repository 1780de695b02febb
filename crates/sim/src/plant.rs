//! Planted faults: an observation is changed before the checkers see it, so that each checker is seen to catch its fault.

use crate::check::{Checkers, jobs, pools, waves};
use crate::model::Model;
use crate::observe::{Intrusion, Observed, ObservedGroup, ObservedRun};
use muster_core::ids::DeviceId;
use muster_core::tasks::{AttemptState, RunState, State};
use uuid::Uuid;

fn lose(run: &mut ObservedRun) -> bool {
    let Some(walk) = run.walks.pop() else { return false };
    if let Some(rows) = &mut run.rows {
        rows.add(walk.state, -1);
    }
    true
}

/// A device of no world.
const NOBODY: DeviceId = DeviceId(Uuid::from_u128(7));

/// A fault to be planted into what the checkers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// Rule 1: the outcome of an attempt changes from ok to error.
    OutcomeChanges,
    /// Rule 1: an assignment ends although a try remains.
    EndsTooEarly,
    /// Rule 2: the same attempt reaches an agent twice.
    HandedTwice,
    /// Rule 2: a report of an older attempt is taken.
    OldReportTaken,
    /// Rule 3: more attempts than allowed.
    TooManyAttempts,
    /// Rule 3: an agent begins twice what may begin once.
    BegunTwice,
    /// Rule 4: a reason that names no end.
    ReasonWithoutEnd,
    /// Rule 4: a claimable assignment is kept from an agent that comes.
    KeptBack,
    /// Rule 5: something is handed out after its time.
    HandedTooLate,
    /// Rule 6: two slices have an address in common.
    SliceOverlaps,
    /// Rule 6: addresses are in no slice.
    SliceMissing,
    /// Rule 6: an agent has two slices of a run at once.
    TwoSlices,
    /// Rule 7: a step of a server job begins before the one before is over.
    BarrierBroken,
    /// Rule 7: a target of a client job waits for nothing.
    WalkStuck,
    /// Rule 8: a walk is not counted.
    WalkLost,
    /// Rule 11: an occurrence runs twice.
    RunsTwice,
    /// Rule 11: a schedule that is out of action begins.
    StartsWhileOff,
    /// Rule 8: a total is one too high.
    TotalOff,
    /// Rule 9: something is handed out after the end of its run was asked for.
    HandedAfterCancel,
    /// Rule 9: something is handed out while the brake is on.
    HandedWhileFrozen,
    /// Rule 9: something of a paused run is handed out.
    HandedWhilePaused,
    /// Rule 12: an agent gets more than it may have under way.
    HandedBeyondLimit,
    /// Rule 12: targets of a later wave are made.
    WaveEarly,
    /// Rule 12: something is handed out after the run stopped by itself.
    HandedWhileHalted,
    /// Rule 12: a device is hit that nobody confirmed.
    HitsAnother,
    /// Rule 12: a device is spared that was confirmed.
    SparesOne,
    /// Rule 10: an acknowledged inventory is gone.
    InventoryLost,
    /// Rule 10: an acknowledged run is gone.
    RunLost,
    /// Rule 13: a hand-out crosses organizations.
    CrossesBorder,
    /// Rule 13: a person reaches into another organization.
    IntrusionWorks,
    /// Rule 13: an agent is verified by a merge.
    TrustInherited,
    /// Rule 14: an event is missing.
    EventMissing,
    /// Rule 14: an event is written twice.
    EventTwice,
    /// Rule 15: a run does not end.
    NeverEnds,
    /// Rule 16: a device is not in the group of its query.
    MemberMissing,
    /// Rule 17: a start that nobody approved.
    StartsUnapproved,
}

impl Plant {
    /// All of them.
    pub const ALL: [Plant; 36] = [
        Plant::OutcomeChanges,
        Plant::EndsTooEarly,
        Plant::HandedTwice,
        Plant::OldReportTaken,
        Plant::TooManyAttempts,
        Plant::BegunTwice,
        Plant::ReasonWithoutEnd,
        Plant::KeptBack,
        Plant::HandedTooLate,
        Plant::SliceOverlaps,
        Plant::SliceMissing,
        Plant::TwoSlices,
        Plant::BarrierBroken,
        Plant::WalkStuck,
        Plant::WalkLost,
        Plant::RunsTwice,
        Plant::StartsWhileOff,
        Plant::TotalOff,
        Plant::HandedAfterCancel,
        Plant::HandedWhileFrozen,
        Plant::HandedWhilePaused,
        Plant::HandedBeyondLimit,
        Plant::WaveEarly,
        Plant::HandedWhileHalted,
        Plant::HitsAnother,
        Plant::SparesOne,
        Plant::InventoryLost,
        Plant::RunLost,
        Plant::CrossesBorder,
        Plant::IntrusionWorks,
        Plant::TrustInherited,
        Plant::EventMissing,
        Plant::EventTwice,
        Plant::NeverEnds,
        Plant::MemberMissing,
        Plant::StartsUnapproved,
    ];

    /// The rule whose checker must catch it.
    pub const fn rule(self) -> u8 {
        match self {
            Plant::OutcomeChanges | Plant::EndsTooEarly => 1,
            Plant::HandedTwice | Plant::OldReportTaken => 2,
            Plant::TooManyAttempts | Plant::BegunTwice => 3,
            Plant::ReasonWithoutEnd | Plant::KeptBack => 4,
            Plant::HandedTooLate => 5,
            Plant::SliceOverlaps | Plant::SliceMissing | Plant::TwoSlices => 6,
            Plant::BarrierBroken | Plant::WalkStuck => 7,
            Plant::RunsTwice | Plant::StartsWhileOff => 11,
            Plant::TotalOff | Plant::WalkLost => 8,
            Plant::HandedAfterCancel | Plant::HandedWhileFrozen | Plant::HandedWhilePaused => 9,
            Plant::HandedBeyondLimit | Plant::HitsAnother | Plant::SparesOne | Plant::WaveEarly | Plant::HandedWhileHalted => 12,
            Plant::InventoryLost | Plant::RunLost => 10,
            Plant::CrossesBorder | Plant::IntrusionWorks | Plant::TrustInherited => 13,
            Plant::EventMissing | Plant::EventTwice => 14,
            Plant::NeverEnds => 15,
            Plant::MemberMissing => 16,
            Plant::StartsUnapproved => 17,
        }
    }

    /// Plants the fault where it fits; gives whether it did.
    pub(crate) fn apply(self, seen: &mut Observed, model: &Model, memory: &Checkers) -> bool {
        match self {
            Plant::OutcomeChanges | Plant::EndsTooEarly | Plant::TooManyAttempts => self.in_assignment(seen, memory),
            Plant::ReasonWithoutEnd | Plant::EventMissing | Plant::EventTwice => self.in_assignment(seen, memory),
            Plant::HandedTwice | Plant::HandedAfterCancel | Plant::CrossesBorder => self.in_hand_out(seen, model),
            Plant::OldReportTaken => {
                let old = seen.told.iter_mut().find(|t| t.before.as_ref().is_some_and(|b| b.state.attempt > t.attempt));
                old.map(|t| t.answer = Ok(())).is_some()
            }
            Plant::BegunTwice => {
                let once = seen.assignments.iter().find(|a| !a.record.state.rules.idempotent && a.record.device != DeviceId::SERVER);
                let id = once.map(|a| a.record.id);
                seen.begun.extend(id.into_iter().flat_map(|id| [(id, 1), (id, 2)]));
                id.is_some()
            }
            Plant::KeptBack => seen.offers.iter_mut().find(|o| o.handed > 0).map(|o| o.handed -= 1).is_some(),
            Plant::HandedWhileFrozen => seen.offers.iter_mut().find(|o| o.handed > 0).map(|o| o.frozen = true).is_some(),
            Plant::HandedWhilePaused => seen.handed.first_mut().map(|h| h.paused = true).is_some(),
            Plant::HandedBeyondLimit => seen.offers.iter_mut().find(|o| o.handed > 0).map(|o| o.agent_load = (1, 1)).is_some(),
            Plant::HitsAnother | Plant::SparesOne => {
                let sure = |r: &&mut ObservedRun| {
                    let whole =
                        r.rows.is_some() && r.run.made == r.run.targeted && !r.run.is_pooled() && !r.targets.contains(&DeviceId::SERVER);
                    whole && model.confirmed.contains_key(&r.run.id)
                };
                let run = seen.runs.iter_mut().find(sure);
                let plant = |r: &mut ObservedRun| match self {
                    Plant::SparesOne => r.targets.pop_first().is_some(),
                    _ => r.targets.insert(NOBODY),
                };
                run.is_some_and(plant)
            }
            Plant::HandedTooLate => seen.handed.first_mut().map(|h| h.not_after = Some(h.at)).is_some(),
            Plant::SliceOverlaps => seen.runs.iter_mut().any(pools::overlap),
            Plant::SliceMissing => seen.runs.iter_mut().any(pools::lose),
            Plant::TwoSlices => seen.runs.iter_mut().any(pools::hand_another),
            Plant::BarrierBroken => seen.runs.iter_mut().any(jobs::break_barrier),
            Plant::WaveEarly => seen.runs.iter_mut().any(waves::overrun),
            Plant::HandedWhileHalted => seen.runs.iter_mut().any(waves::start_halted),
            Plant::WalkStuck => seen.runs.iter_mut().any(jobs::stick),
            Plant::WalkLost => seen.runs.iter_mut().any(|r| !r.walks.is_empty() && r.rows.is_some_and(|_| lose(r))),
            Plant::RunsTwice => {
                let run = seen.runs.iter().find(|r| seen.full && r.run.nominal.is_some()).cloned();
                run.map(|r| seen.runs.push(r)).is_some()
            }
            Plant::StartsWhileOff => {
                let is_new = |r: &ObservedRun| model.switched_off.get(&r.run.task).is_some_and(|known| !known.contains(&r.run.id));
                let by_hand = seen.runs.iter_mut().find(|r| r.run.nominal.is_none() && is_new(r));
                by_hand.map(|r| r.run.nominal = Some("of a schedule".to_owned())).is_some()
            }
            Plant::TotalOff => seen.runs.first_mut().map(|r| r.run.counts.add(State::Ok, 1)).is_some(),
            Plant::InventoryLost => {
                let sure =
                    |d, s: &String| model.marks.get(&(d, s.clone())).is_some_and(|m| m.known.is_some_and(|n| n > 1) && m.maybe.is_empty());
                let mark = seen.marks.iter_mut().find(|(d, s, _)| sure(*d, s));
                mark.map(|(_, _, n)| *n = n.map(|n| n - 1)).is_some()
            }
            Plant::RunLost => {
                let place = seen.runs.iter().position(|r| seen.full && model.runs.contains_key(&r.run.id));
                place.map(|p| seen.runs.remove(p)).is_some()
            }
            Plant::StartsUnapproved => {
                seen.unapproved.push("a planted start".to_owned());
                true
            }
            Plant::IntrusionWorks => {
                seen.intrusions.push(Intrusion { what: "a planted thing", worked: true });
                true
            }
            Plant::TrustInherited => seen.trust.iter_mut().find(|t| !t.after).map(|t| t.after = true).is_some(),
            Plant::MemberMissing => {
                let lose = |g: &mut ObservedGroup| g.members.pop().map(|_| g.count -= 1).is_some();
                seen.groups.iter_mut().filter(|g| g.fresh).any(lose)
            }
            Plant::NeverEnds => {
                let run = seen.runs.first().filter(|_| seen.full).map(|r| r.run.id);
                seen.unfinished.extend(run.map(|id| (id, RunState::Running.to_string())));
                run.is_some()
            }
        }
    }

    fn in_assignment(self, seen: &mut Observed, memory: &Checkers) -> bool {
        for it in &mut seen.assignments {
            let (id, state) = (it.record.id, &mut it.record.state);
            let planted = match self {
                Plant::OutcomeChanges => it
                    .attempts
                    .iter_mut()
                    .find(|a| a.state == AttemptState::Ok && memory.outcome_seen(id, a.no) == Some(AttemptState::Ok))
                    .map(|a| a.state = AttemptState::Error)
                    .is_some(),
                Plant::EndsTooEarly if state.status.state() == State::Unknown && state.rules.on_unknown && !state.cancel_requested => {
                    // A try that could begin only after its time is none.
                    (state.rules.idempotent, state.limits.not_after) = (true, None);
                    state.rules.attempts_max = state.attempt + 1;
                    true
                }
                Plant::TooManyAttempts if state.attempt > 1 => {
                    state.rules.attempts_max = state.attempt - 1;
                    true
                }
                Plant::ReasonWithoutEnd if state.status.state().is_open() => {
                    it.reason.ends.text.clear();
                    true
                }
                Plant::EventMissing => it.events.pop().is_some(),
                Plant::EventTwice => it.events.last().cloned().map(|e| it.events.push(e)).is_some(),
                _ => false,
            };
            if planted {
                return true;
            }
        }
        false
    }

    fn in_hand_out(self, seen: &mut Observed, model: &Model) -> bool {
        let Some(mut it) = seen.handed.first().cloned() else { return false };
        match self {
            Plant::HandedTwice => seen.handed.push(it),
            Plant::CrossesBorder => {
                let Some(other) = model.agents.iter().find(|(_, org)| **org != it.org).map(|(id, _)| *id) else { return false };
                seen.handed[0].agent = other;
            }
            _ => {
                let Some(run) = model.cancelled_runs.first() else { return false };
                it.run = *run;
                (it.attempt, it.before) = (90, 89);
                seen.handed.push(it);
            }
        }
        true
    }
}
