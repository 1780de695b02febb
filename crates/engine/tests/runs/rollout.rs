//! Waves, gates, and runs that stop by themselves.

use crate::world::{Own, World, on_all, script};
use muster_core::ids::RunId;
use muster_core::tasks::{Outcome, RunState, State};
use muster_engine::runs::Start;
use muster_engine::{brake, runs};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

on_all! {
    waves_go_one_after_the_other
    a_bad_canary_stops_it_before_the_next_wave
    what_a_person_lets_pass_is_not_held_against_it_again
    machines_that_are_lost_after_it_stop_it
    a_job_goes_in_waves_too
    a_run_that_is_cancelled_at_its_gate_waits_there_no_longer
}

fn start(w: &World, rollout: &Value, steps: &Value) -> RunId {
    let document = json!({"name": "out", "targets": {"all": true}, "rollout": rollout, "retry": {"attempts": 1}, "steps": steps});
    let task = w.task(document);
    let run = w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
    w.work();
    run
}

/// Everybody comes and does what is there; gives who did something.
fn all_do(w: &World, all: &[Own], outcome: Outcome) -> BTreeSet<usize> {
    let mut did = BTreeSet::new();
    let taken: Vec<_> = all.iter().map(|own| w.take(*own)).collect();
    for (n, (own, taken)) in all.iter().zip(taken).enumerate() {
        for (it, _) in taken {
            w.tell(*own, &it, outcome, 0, "");
            did.insert(n);
        }
    }
    did
}

fn waves_go_one_after_the_other(w: &World) {
    let all: Vec<Own> = (1..=10).map(|n| w.own(n)).collect();
    let run = start(w, &json!({"waves": ["10%", "50%", "100%"], "wait": "1h"}), &json!([script("s")]));
    assert_eq!(w.run(run).run.rollout.waves, [1, 5, 10]);
    let first = all_do(w, &all, Outcome::Ok);
    assert_eq!(first.len(), 1);
    let it = w.run(run).run;
    assert_eq!((it.state, it.counts.of(State::Prepared), it.counts.total()), (RunState::Running, 9, 10));
    assert!(all_do(w, &all, Outcome::Ok).is_empty(), "the wave is over, its hour is not");
    w.clock.advance(Duration::from_secs(3_600));
    w.work();
    let second = all_do(w, &all, Outcome::Ok);
    assert_eq!((second.len(), second.is_disjoint(&first)), (4, true));
    w.clock.advance(Duration::from_secs(3_600));
    w.work();
    assert_eq!(all_do(w, &all, Outcome::Ok).len(), 5);
    let it = w.run(run).run;
    assert_eq!((it.state, it.counts.of(State::Ok)), (RunState::Finished, 10));
    let events = w.engine.read_now(&w.cx, move |rx, cx| runs::run_events(rx, cx, run, None, 100)).expect("the record");
    let waves = events.iter().filter(|e| e.kind == "wave" || e.kind == "wave_over").count();
    assert_eq!(waves, 4);
}

/// A roll-out halts by itself after bad results in the canary; nothing of wave 2 was handed out.
fn a_bad_canary_stops_it_before_the_next_wave(w: &World) {
    let all: Vec<Own> = (1..=10).map(|n| w.own(n)).collect();
    let run = start(w, &json!({"waves": ["40%", "100%"], "halt_on_error_rate": "5%"}), &json!([script("s")]));
    assert_eq!(all_do(w, &all, Outcome::Error).len(), 4);
    w.clock.advance(Duration::from_secs(86_400));
    w.work();
    let it = w.run(run).run;
    assert_eq!((it.state, it.rollout.halted, it.made), (RunState::Halted, true, 4));
    assert!(all_do(w, &all, Outcome::Ok).is_empty());
    assert_eq!(it.counts.of(State::Error) + it.counts.of(State::Prepared), 10);
    // Abandoned: what was never made ends as cancelled.
    w.write(move |tx, cx| runs::run_cancel(tx, cx, run));
    w.work();
    let it = w.run(run).run;
    assert_eq!((it.state, it.counts.of(State::Cancelled)), (RunState::Finished, 6));
}

fn what_a_person_lets_pass_is_not_held_against_it_again(w: &World) {
    let all: Vec<Own> = (1..=10).map(|n| w.own(n)).collect();
    let run = start(w, &json!({"waves": ["40%", "100%"], "halt_on_error_rate": "5%"}), &json!([script("s")]));
    all_do(w, &all, Outcome::Error);
    assert_eq!(w.run(run).run.state, RunState::Halted);
    w.write(move |tx, cx| brake::run_resume(tx, cx, run));
    w.work();
    assert_eq!(all_do(w, &all, Outcome::Ok).len(), 6);
    let it = w.run(run).run;
    assert_eq!((it.state, it.counts.of(State::Ok), it.counts.of(State::Error)), (RunState::Finished, 6, 4));
}

fn machines_that_are_lost_after_it_stop_it(w: &World) {
    let all: Vec<Own> = (1..=8).map(|n| w.own(n)).collect();
    let rollout = json!({"waves": ["50%", "100%"], "wait": "1h", "halt_on_lost_rate": "10%"});
    let run = start(w, &rollout, &json!([script("s")]));
    assert_eq!(all_do(w, &all, Outcome::Ok).len(), 4);
    w.clock.advance(Duration::from_secs(3_601));
    w.work();
    let it = w.run(run).run;
    assert_eq!((it.state, it.made), (RunState::Halted, 4), "nobody was heard of again");
    w.write(move |tx, cx| brake::run_resume(tx, cx, run));
    w.work();
    assert_eq!(all_do(w, &all, Outcome::Ok).len(), 4, "a person looked, and it goes on");
    assert_eq!(w.run(run).run.state, RunState::Finished);
}

fn a_job_goes_in_waves_too(w: &World) {
    let all: Vec<Own> = (1..=4).map(|n| w.own(n)).collect();
    let run = start(w, &json!({"waves": ["25%", "100%"]}), &json!([script("a"), script("b")]));
    let first = all_do(w, &all, Outcome::Ok);
    assert_eq!((first.len(), all_do(w, &all, Outcome::Ok)), (1, first.clone()), "its second step, and nobody else");
    assert_eq!(all_do(w, &all, Outcome::Ok).len(), 3);
    assert_eq!(all_do(w, &all, Outcome::Ok).len(), 3);
    assert_eq!(w.run(run).run.state, RunState::Finished);
}

/// Found by the simulator (seed 700478 of its time): what was left of the run was made while it still told of its gate.
fn a_run_that_is_cancelled_at_its_gate_waits_there_no_longer(w: &World) {
    let all: Vec<Own> = (1..=4).map(|n| w.own(n)).collect();
    let run = start(w, &json!({"waves": ["25%", "100%"], "wait": "1h"}), &json!([script("s")]));
    assert_eq!(all_do(w, &all, Outcome::Ok).len(), 1);
    assert!(w.run(run).run.rollout.gate_at.is_some());
    let cancelled = w.write(move |tx, cx| runs::run_cancel(tx, cx, run)).run;
    assert_eq!(cancelled.rollout.gate_at, None);
    w.work();
    let it = w.run(run).run;
    assert_eq!((it.state, it.counts.of(State::Ok), it.counts.of(State::Cancelled)), (RunState::Finished, 1, 3));
}
