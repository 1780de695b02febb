//! The brake: one act that holds back every start of an organization, and its release; pausing and resuming one run.

use crate::audit::{Object, record};
use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::runs::{RunDetail, house, run_view};
use muster_core::access::{Freeze, Org, Role};
use muster_core::ids::RunId;
use muster_core::limits::NOTES_CHARS_MAX;
use muster_core::tasks::{Run, RunState};
use muster_store::{Hint, Topic, Tx};
use serde_json::json;

/// Refuses while the brake is on.
pub(crate) fn released(org: &Org) -> Result<(), Error> {
    match &org.freeze {
        None => Ok(()),
        Some(freeze) => {
            let detail = format!("{} pulled the brake at {}: nothing starts until it is released", freeze.by, freeze.at);
            Err(Error::new(Kind::Conflict, "org/frozen", detail))
        }
    }
}

/// Pulls the brake: from this commit on nothing is handed out and nothing starts. Pulling it again changes nothing.
pub fn freeze(tx: &mut Tx, cx: &Cx, note: &str) -> Result<Org, Error> {
    cx.may_here(Role::Operator, "pulling the brake")?;
    if note.chars().count() > NOTES_CHARS_MAX {
        return Err(Error::invalid("org/note", "/note", format!("this text has more than {NOTES_CHARS_MAX} characters")));
    }
    let mut org = house(tx, cx.org)?;
    if org.freeze.is_none() {
        org.freeze = Some(Freeze { at: cx.now, by: cx.name.clone(), note: note.trim().to_owned() });
        tx.org_freeze(&org)?;
        record(
            tx,
            cx,
            Some(org.id),
            "freeze",
            Object { kind: "org", id: Some(org.id.0), name: &org.name },
            None,
            Some(json!({"note": note})),
        )?;
    }
    Ok(org)
}

/// Releases the brake.
pub fn release(tx: &mut Tx, cx: &Cx) -> Result<Org, Error> {
    cx.may_here(Role::Operator, "releasing the brake")?;
    let mut org = house(tx, cx.org)?;
    if let Some(freeze) = org.freeze.take() {
        tx.org_freeze(&org)?;
        let was = json!({"since": freeze.at, "by": freeze.by});
        record(tx, cx, Some(org.id), "release", Object { kind: "org", id: Some(org.id.0), name: &org.name }, Some(was), None)?;
    }
    Ok(org)
}

/// Holds a run back: nothing more of it is handed out until it is resumed; what is under way goes on.
pub fn run_pause(tx: &mut Tx, cx: &Cx, id: RunId) -> Result<RunDetail, Error> {
    held_back(tx, cx, id, true)
}

/// Lets a run go on.
pub fn run_resume(tx: &mut Tx, cx: &Cx, id: RunId) -> Result<RunDetail, Error> {
    held_back(tx, cx, id, false)
}

fn held_back(tx: &mut Tx, cx: &Cx, id: RunId, paused: bool) -> Result<RunDetail, Error> {
    let (doing, verb, kind) = match paused {
        true => ("pausing runs", "run_pause", "paused"),
        false => ("resuming runs", "run_resume", "resumed"),
    };
    run_view(tx, cx, id)?;
    cx.may_here(Role::Operator, doing)?;
    let Some(mut run) = tx.run_for_update(cx.org, id)? else { return Err(Error::not_found("run/not-found", "run", id)) };
    match run.state {
        RunState::Finished => return Err(Error::new(Kind::Conflict, "run/finished", "this run has already finished")),
        _ if run.cancel_requested => {
            return Err(Error::new(Kind::Conflict, "run/ending", "the end of this run was asked for; it cannot be paused or resumed"));
        }
        _ => {}
    }
    if run.paused != paused || (run.rollout.halted && !paused) {
        run.paused = paused;
        if !paused {
            crate::rollout::forgive(tx, cx, &mut run)?;
        }
        tx.after(Hint { topic: Topic::Work, id: None, org: Some(run.org.0) });
        run.state = standing(&run);
        tx.run_update(&run)?;
        tx.event_insert(cx.org, id, None, None, cx.now, kind, &json!({"by": cx.name}))?;
        crate::work::settle(tx, cx, run.org, id)?;
        record(tx, cx, Some(cx.org), verb, Object { kind: "run", id: Some(id.0), name: &run.task_name }, None, None)?;
    }
    run_view(tx, cx, id)
}

/// Where a run stands whose assignments may not all be made yet.
fn standing(run: &Run) -> RunState {
    if run.made < run.wave_end() { RunState::Preparing } else { run.standing() }
}
