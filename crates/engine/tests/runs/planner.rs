//! What a task would do before it is saved, and that it then does so.

use crate::world::{Own, World, on_all, script};
use muster_core::tasks::planner::Remedy;
use muster_core::tasks::{Outcome, State};
use muster_core::time::Clock as _;
use muster_engine::planner::{self, Planned};
use muster_engine::runs::{self, Start};
use serde_json::{Value, json};
use std::time::Duration;

on_all! {
    what_is_planned_is_what_then_happens
    others_that_are_planned_for_the_same_time_are_told_with_what_it_does_to_them
    what_has_no_machines_or_no_agents_is_said_so
}

const MINUTE: Duration = Duration::from_secs(60);
const MACHINES: u8 = 20;

fn planned(w: &World, document: &Value) -> Option<Planned> {
    let document = document.clone();
    let situation = w.engine.read_now(&w.cx, move |rx, cx| planner::situation(rx, cx, &document)).expect("a situation");
    situation.map(|it| it.planned())
}

fn doc(name: &str, more: &Value) -> Value {
    let mut doc = json!({"name": name, "targets": {"all": true}, "retry": {"attempts": 1}, "steps": [script("one")]});
    doc.as_object_mut().expect("an object").extend(more.as_object().expect("keys").clone());
    doc
}

/// Everybody who is handed something does it in a minute, for so many minutes.
fn minutes(w: &World, all: &[Own], count: usize) {
    for _ in 0..count {
        let handed: Vec<_> = all.iter().map(|own| (*own, w.take(*own))).collect();
        w.clock.advance(MINUTE);
        for (own, taken) in handed {
            for (it, _) in taken {
                w.tell(own, &it, Outcome::Ok, 0, "");
            }
        }
        w.work();
    }
}

/// Machines, and that the step takes them a minute is known.
fn measured(w: &World) -> Vec<Own> {
    let all: Vec<Own> = (1..=MACHINES).map(|n| w.own(n)).collect();
    let task = w.task(doc("before", &json!({})));
    w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default()));
    w.work();
    minutes(w, &all, 1);
    all
}

fn what_is_planned_is_what_then_happens(w: &World) {
    let all = measured(w);
    let end = w.clock.now().plus(MINUTE * 5);
    let night = doc("night", &json!({"rollout": {"max_in_flight": 3}, "window": {"not_after": end.to_string()}}));
    let plan = planned(w, &night).expect("a plan");
    let course = &plan.course;
    assert_eq!((plan.measured, course.targets, course.begun, course.late, course.absent), (20, 20, 15, 5, 0));
    assert_eq!((plan.until, course.ends, course.most_at_once), (Some(end), Some(end), 3));
    let advice: Vec<Remedy> = plan.advice.iter().map(|it| it.remedy).collect();
    assert!(matches!(advice[..], [Remedy::MaxInFlight(4..), Remedy::LongerWindow(_)]), "{advice:?}");
    let task = w.task(night.clone());
    let run = w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
    w.work();
    minutes(w, &all, 5);
    w.clock.advance(MINUTE);
    w.work();
    let counts = w.run(run).run.counts;
    assert_eq!((counts.of(State::Ok), counts.of(State::Expired), counts.open()), (15, 5, 0));
    // With what was advised nobody is late.
    let Some(Remedy::MaxInFlight(most)) = advice.first().copied() else { panic!("the limit is raised") };
    let end = w.clock.now().plus(MINUTE * 5).to_string();
    let task = w.task(doc("better", &json!({"rollout": {"max_in_flight": most}, "window": {"not_after": end}})));
    let run = w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
    w.work();
    minutes(w, &all, 5);
    assert_eq!(w.run(run).run.counts.of(State::Ok), 20);
}

fn others_that_are_planned_for_the_same_time_are_told_with_what_it_does_to_them(w: &World) {
    measured(w);
    w.settings(json!({"in_flight": 5}));
    let at = w.clock.now().plus(MINUTE * 60);
    w.task(doc("first", &json!({"schedule": {"at": at.to_string()}, "priority": 3})));
    let alone = planned(w, &doc("elsewhen", &json!({"schedule": {"at": at.plus(MINUTE * 60 * 48).to_string()}}))).expect("a plan");
    assert_eq!((alone.beside.len(), alone.course.ends), (0, Some(at.plus(MINUTE * 60 * 48 + MINUTE * 4))));
    let after = planned(w, &doc("second", &json!({"schedule": {"at": at.to_string()}}))).expect("a plan");
    assert_eq!((after.begins, after.course.ends, after.adds), (at, Some(at.plus(MINUTE * 8)), MINUTE * 4));
    let [beside] = &after.beside[..] else { panic!("one is beside it: {:?}", after.beside) };
    assert_eq!(
        (beside.name.as_str(), beside.before.ends, beside.with.ends),
        ("first", Some(at.plus(MINUTE * 4)), Some(at.plus(MINUTE * 4)))
    );
    let before = planned(w, &doc("urgent", &json!({"schedule": {"at": at.to_string()}, "priority": 0}))).expect("a plan");
    let beside = &before.beside[0];
    assert_eq!((before.course.ends, beside.with.ends), (Some(at.plus(MINUTE * 4)), Some(at.plus(MINUTE * 8))));
    // The saved one of this name is what it would replace, and not beside it.
    assert_eq!(planned(w, &doc("first", &json!({"schedule": {"at": at.to_string()}}))).expect("a plan").beside, []);
}

fn what_has_no_machines_or_no_agents_is_said_so(w: &World) {
    let log = json!({"name": "log", "steps": [{"action": {"type": "write_log", "message": "x"}}]});
    assert_eq!(planned(w, &log), None);
    let at = w.clock.now().plus(MINUTE * 60);
    let nobody = planned(w, &doc("nobody", &json!({"schedule": {"at": at.to_string()}}))).expect("a plan");
    assert_eq!((nobody.course.targets, nobody.begins, nobody.course.ends), (0, at, None));
    w.other("old");
    w.own(1);
    let course = planned(w, &doc("scripts", &json!({}))).expect("a plan").course;
    assert_eq!((course.targets, course.begun, course.absent), (2, 1, 1), "an agent of OCS runs no script");
    w.clock.advance(MINUTE * 60 * 24 * 40);
    assert_eq!(planned(w, &doc("later", &json!({}))).expect("a plan").course.absent, 2, "nobody was heard of lately");
    let refused = w.engine.read_now(&w.cx, |rx, cx| planner::situation(rx, cx, &doc("x", &json!({"targets": {"groups": ["none"]}}))));
    assert_eq!(refused.expect_err("refused").key, "task/unknown-group");
    let refused = w.engine.read_now(&w.cx, |rx, cx| planner::situation(rx, cx, &json!({"name": "x"})));
    assert_eq!(refused.expect_err("refused").key, "task/invalid");
}
