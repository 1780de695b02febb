//! Roll-out: waves that are let through one after the other, and runs that stop by themselves.

use crate::cx::Cx;
use crate::error::Error;
use muster_core::tasks::rollout::is_beyond;
use muster_core::tasks::{Run, RunState};
use muster_store::Tx;
use serde_json::json;

/// Lets the roll-out of a run follow its totals: it stops by itself, or its wave is over. Gives whether it changed; it is not saved yet.
pub(crate) fn follow(tx: &mut Tx, cx: &Cx, run: &mut Run) -> Result<bool, Error> {
    if run.is_failing() {
        let (ended, failed) = run.results();
        run.rollout.halted = true;
        let told =
            json!({"failed": failed - run.rollout.forgiven.1, "ended": ended - run.rollout.forgiven.0, "bound": run.rollout.halt_rate});
        tx.event_insert(run.org, run.id, None, None, cx.now, "halted", &told)?;
        return Ok(true);
    }
    if run.rollout.gate_at.is_none() && !run.cancel_requested && run.is_wave_over() {
        let wait = tx.task_doc(run.task, run.task_version)?.and_then(|doc| doc.rollout.wait).map_or(std::time::Duration::ZERO, |w| w.0);
        run.rollout.gate_at = Some(cx.now.plus(wait));
        let told = json!({"wave": run.rollout.wave + 1, "of": run.rollout.waves.len(), "next": run.rollout.gate_at});
        tx.event_insert(run.org, run.id, None, None, cx.now, "wave_over", &told)?;
        return Ok(true);
    }
    Ok(false)
}

/// Lets the next wave through, unless too many machines of those before were not heard of since.
pub(crate) fn gate(tx: &mut Tx, cx: &Cx, seen: &Run) -> Result<(), Error> {
    let Some(mut run) = tx.run_for_update(seen.org, seen.id)? else { return Ok(()) };
    if run.rollout.gate_at.is_none_or(|at| at > cx.now) || run.rollout.halted || run.paused || run.cancel_requested {
        return Ok(());
    }
    let bound = tx.task_doc(run.task, run.task_version)?.and_then(|doc| doc.rollout.halt_on_lost_rate);
    if let Some(bound) = bound {
        let (done, lost) = tx.run_lost(&run)?;
        if is_beyond(bound, lost, done) {
            (run.rollout.halted, run.state) = (true, RunState::Halted);
            let told = json!({"lost": lost, "done": done, "bound": bound});
            tx.event_insert(run.org, run.id, None, None, cx.now, "halted", &told)?;
            return Ok(tx.run_update(&run)?);
        }
    }
    next(tx, cx, &mut run)?;
    Ok(tx.run_update(&run)?)
}

fn next(tx: &mut Tx, cx: &Cx, run: &mut Run) -> Result<(), Error> {
    run.rollout.wave += 1;
    run.rollout.gate_at = None;
    run.state = RunState::Preparing;
    let told = json!({"wave": run.rollout.wave + 1, "of": run.rollout.waves.len(), "targets": run.wave_end()});
    Ok(tx.event_insert(run.org, run.id, None, None, cx.now, "wave", &told)?)
}

/// A person lets a run go on that stopped by itself: what failed by now is not held against it again. A wave that waited at its gate
/// has been looked at, and goes through.
pub(crate) fn forgive(tx: &mut Tx, cx: &Cx, run: &mut Run) -> Result<(), Error> {
    if !run.rollout.halted {
        return Ok(());
    }
    run.rollout.halted = false;
    run.rollout.forgiven = run.results();
    if run.rollout.gate_at.is_some() {
        next(tx, cx, run)?;
    }
    Ok(())
}
