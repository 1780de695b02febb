//! Rule 7: the order of steps, in server jobs for all targets, in client jobs for each; and what walks add to rule 8.

use crate::observe::ObservedRun;
use muster_core::ids::{AssignmentId, DeviceId};
use muster_core::tasks::{AssignmentRecord, Counts, Event, Mode, State};
use std::collections::{BTreeMap, BTreeSet};

/// One time that a step is done: its index and round.
type Pass = (i64, u32);

fn pass(record: &AssignmentRecord) -> Pass {
    (record.step, record.round)
}

/// Checks a run that was read as a whole; `breach` takes what is broken.
pub(super) fn check(it: &ObservedRun, breach: &mut dyn FnMut(String)) {
    if !it.run.walked || it.rows.is_none() {
        return;
    }
    let id = it.run.id;
    let pieces: BTreeMap<AssignmentId, &AssignmentRecord> = it.pieces.iter().map(|p| (p.id, p)).collect();
    let oldest_first = || it.events.iter().rev();
    match it.run.mode {
        Mode::ServerJob => order(oldest_first(), &pieces, |_| true, &mut |what| breach(format!("server job {id}: {what}"))),
        Mode::ClientJob => {
            let devices: BTreeSet<DeviceId> = it.pieces.iter().map(|p| p.device).collect();
            for device in devices {
                let own = |p: &AssignmentRecord| p.device == device;
                order(oldest_first(), &pieces, own, &mut |what| breach(format!("client job {id} on {device}: {what}")));
            }
            // Nobody waits for others: whoever has not ended has exactly one piece that may be done.
            for walk in it.walks.iter().filter(|w| w.state.is_open()) {
                let open = it.pieces.iter().filter(|p| p.device == walk.device && p.state.status.state().is_open()).count();
                if open != 1 {
                    breach(format!("client job {id}: {} is {} with {open} open assignments", walk.device, walk.state));
                }
            }
        }
    }
    for walk in it.walks.iter().filter(|w| !w.state.is_open()) {
        if let Some(open) = it.pieces.iter().find(|p| p.device == walk.device && p.state.status.state().is_open()) {
            breach(format!("run {id}: {} is {} and {} of it is open", walk.device, walk.state, open.id));
        }
    }
}

/// What begins belongs to one pass after the other; nothing of a pass that was left begins or ends, but for late results.
fn order<'a>(
    events: impl Iterator<Item = &'a Event>,
    pieces: &BTreeMap<AssignmentId, &AssignmentRecord>,
    is_of: impl Fn(&AssignmentRecord) -> bool,
    breach: &mut dyn FnMut(String),
) {
    let (mut now, mut left) = (None::<Pass>, BTreeSet::new());
    let mut states: BTreeMap<AssignmentId, State> = BTreeMap::new();
    for event in events {
        let (Some(id), Ok(state)) = (event.assignment, event.kind.parse::<State>()) else { continue };
        let Some(record) = pieces.get(&id).filter(|p| is_of(p)) else { continue };
        let (pass, before) = (pass(record), states.insert(id, state).unwrap_or(State::Prepared));
        if state == State::Skipped {
            continue;
        }
        if left.contains(&pass) && before.is_open() {
            breach(format!("step {} round {} is {state} after a later step began", pass.0, pass.1));
        }
        if state == State::Started && now != Some(pass) {
            left.extend(now);
            now = Some(pass);
        }
    }
}

/// Totals of each step against its rows: of each target the last round counts.
pub(super) fn totals(it: &ObservedRun, breach: &mut dyn FnMut(String)) {
    if !it.run.walked || it.rows.is_none() {
        return;
    }
    for (step, counts) in &it.steps {
        let mut last: BTreeMap<DeviceId, &AssignmentRecord> = BTreeMap::new();
        for piece in it.pieces.iter().filter(|p| p.step == step.step) {
            let place = last.entry(piece.device).or_insert(piece);
            if piece.round > place.round {
                *place = piece;
            }
        }
        let mut rows = Counts::default();
        last.values().for_each(|p| rows.add(p.state.status.state(), 1));
        // What is not made yet is told as waiting, or as left out.
        let same = |state: &State| counts.of(*state) == rows.of(*state);
        let told = State::ALL.iter().filter(|s| !matches!(s, State::Prepared | State::Skipped)).all(same);
        let rest = counts.of(State::Prepared) >= rows.of(State::Prepared) && counts.of(State::Skipped) >= rows.of(State::Skipped);
        if !told || !rest {
            breach(format!("run {} counts {counts:?} for step {}, its rows are {rows:?}", it.run.id, step.name));
        }
    }
}

/// Plants an event by which something of the first pass begins after a later one.
pub(crate) fn break_barrier(it: &mut ObservedRun) -> bool {
    if it.run.mode != Mode::ServerJob || it.rows.is_none() {
        return false;
    }
    let started: Vec<&Event> = it.events.iter().rev().filter(|e| e.kind == "started").collect();
    let of = |e: &&Event| it.pieces.iter().find(|p| Some(p.id) == e.assignment).map(pass);
    let first = started.first().and_then(of);
    if !started.iter().any(|e| of(e).is_some() && of(e) != first) {
        return false;
    }
    let Some(record) = it.pieces.iter().find(|p| Some(pass(p)) == first).cloned() else { return false };
    let Some(template) = it.events.first().cloned() else { return false };
    let id = AssignmentId(uuid::Uuid::from_u128(9));
    it.pieces.push(AssignmentRecord { id, ..record });
    it.events.insert(0, Event { assignment: Some(id), attempt: Some(1), kind: "started".to_owned(), ..template });
    true
}

/// Plants a target of a client job that has nothing open.
pub(crate) fn stick(it: &mut ObservedRun) -> bool {
    if it.run.mode != Mode::ClientJob || !it.run.walked || it.rows.is_none() {
        return false;
    }
    let Some(place) = it.pieces.iter().position(|p| p.state.status.state().is_open()) else { return false };
    it.pieces.remove(place);
    true
}
