//! Rule 12, as far as it is about waves and about runs that stop by themselves.

use crate::observe::ObservedRun;
use muster_core::ids::AssignmentId;
use muster_core::tasks::Event;

/// Checks a run that was read as a whole; `breach` takes what is broken.
pub(super) fn check(it: &ObservedRun, breach: &mut dyn FnMut(String)) {
    let (run, id) = (&it.run, it.run.id);
    if it.rows.is_none() {
        return;
    }
    let ends = &run.rollout.waves;
    let end = ends.get(run.rollout.wave).copied().unwrap_or(run.targeted);
    if run.made > end && !run.cancel_requested {
        breach(format!("run {id} has {} targets under way in wave {}, which ends at {end}", run.made, run.rollout.wave + 1));
    }
    // At a gate everybody of the waves so far has ended.
    let open = it.pieces.iter().find(|p| p.state.status.state().is_open());
    if let Some(open) = open.filter(|_| run.rollout.gate_at.is_some()) {
        breach(format!("run {id} waits at the gate of wave {} with {} open", run.rollout.wave + 1, open.id));
    }
    record(it, breach);
}

/// Nothing begins, and no wave is let through, from a halt to the moment a person lets it go on; each wave follows the end of the one
/// before.
fn record(it: &ObservedRun, breach: &mut dyn FnMut(String)) {
    let (id, mut halted, mut over, mut waves) = (it.run.id, false, false, 0);
    for event in it.events.iter().rev() {
        match event.kind.as_str() {
            "halted" => halted = true,
            "resumed" => halted = false,
            "wave_over" => over = true,
            "started" if halted => breach(format!("{:?} of run {id} was handed out after it halted", event.assignment)),
            "wave" => {
                if !over {
                    breach(format!("a wave of run {id} began before the one before was over"));
                }
                (over, waves) = (false, waves + 1);
            }
            _ => {}
        }
    }
    if waves != it.run.rollout.wave && !it.events.is_empty() {
        breach(format!("run {id} is in wave {}, its record tells of {waves} that were let through", it.run.rollout.wave + 1));
    }
}

/// Plants a target of a wave whose time has not come.
pub(crate) fn overrun(it: &mut ObservedRun) -> bool {
    let has_gate = it.rows.is_some() && it.run.rollout.wave + 1 < it.run.rollout.waves.len() && !it.run.cancel_requested;
    if has_gate {
        it.run.made = it.run.targeted;
    }
    has_gate
}

/// Plants a hand-out right after a halt.
pub(crate) fn start_halted(it: &mut ObservedRun) -> bool {
    let Some(place) = it.events.iter().position(|e| e.kind == "halted").filter(|_| it.rows.is_some()) else { return false };
    let halt = it.events[place].clone();
    let started = Event { kind: "started".to_owned(), assignment: Some(AssignmentId(uuid::Uuid::from_u128(9))), attempt: Some(1), ..halt };
    it.events.insert(place, started);
    true
}
