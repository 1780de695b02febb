//! Schedules that people or steps put out of action, and back.

use crate::world::{World, on_all, script};
use muster_core::ids::TaskId;
use muster_core::page::PageRequest;
use muster_core::tasks::doc::ScheduleAct;
use muster_core::tasks::{Run, Verdict};
use muster_engine::runs::{self, Start};
use muster_engine::{RunFilter, schedules, tasks};
use serde_json::{Value, json};
use std::time::Duration;

on_all! {
    what_is_out_of_action_starts_nothing_and_makes_up_for_nothing
    it_stays_so_when_the_task_changes_and_people_may_start_it
    what_happens_meanwhile_is_forgotten
    a_task_without_a_schedule_has_nothing_to_switch
    a_step_switches_the_schedule_of_another_task
}

const HOUR: Duration = Duration::from_secs(3_600);

fn doc(more: &Value) -> Value {
    let mut doc = json!({"name": "hourly", "targets": {"all": true}, "schedule": {"every": "1h"}, "retry": {"attempts": 1},
        "steps": [script("one")]});
    doc.as_object_mut().expect("an object").extend(more.as_object().expect("keys").clone());
    doc
}

fn switch(w: &World, task: TaskId, act: ScheduleAct, reason: &'static str) -> Option<String> {
    let off = w.write(move |tx, cx| schedules::switch(tx, cx, task, act, reason)).task.schedule_off;
    off.map(|off| format!("{}: {}", off.by, off.reason))
}

fn pass(w: &World, hours: u32) {
    w.clock.advance(HOUR * hours);
    for worker in [schedules::look, schedules::answer] {
        while w.write(worker).more {}
    }
    w.work();
}

fn all_runs(w: &World) -> Vec<Run> {
    let page = PageRequest { limit: 100, ..PageRequest::default() };
    w.engine.read_now(&w.cx, move |rx, cx| runs::run_list(rx, cx, &RunFilter::default(), &page)).expect("runs").items
}

fn occurrences(w: &World, task: TaskId) -> usize {
    let page = PageRequest { limit: 100, ..PageRequest::default() };
    w.engine.read_now(&w.cx, move |rx, cx| schedules::past(rx, cx, task, &page)).expect("a page").items.len()
}

fn what_is_out_of_action_starts_nothing_and_makes_up_for_nothing(w: &World) {
    w.own(1);
    let task = w.task(doc(&json!({"schedule": {"every": "1h", "misfire": "run_once"}})));
    pass(w, 1);
    assert_eq!(all_runs(w).len(), 1);
    let off = switch(w, task, ScheduleAct::Disable, " holidays ").expect("off");
    assert!(off.ends_with(": holidays"), "{off}");
    assert_eq!(switch(w, task, ScheduleAct::Disable, "again"), Some(off), "the reason first given stays");
    pass(w, 3);
    assert_eq!((all_runs(w).len(), occurrences(w, task)), (1, 1));
    assert_eq!(switch(w, task, ScheduleAct::Enable, ""), None);
    pass(w, 0);
    assert_eq!(all_runs(w).len(), 1, "what would have come meanwhile is not made up for");
    pass(w, 1);
    assert_eq!((all_runs(w).len(), occurrences(w, task)), (2, 2));
}

fn it_stays_so_when_the_task_changes_and_people_may_start_it(w: &World) {
    w.own(1);
    let task = w.task(doc(&json!({})));
    switch(w, task, ScheduleAct::Disable, "");
    let changed = w.write(move |tx, cx| tasks::task_update(tx, cx, task, &doc(&json!({"schedule": {"every": "30m"}})), None)).task;
    assert!(changed.schedule_off.is_some());
    pass(w, 2);
    assert_eq!(all_runs(w).len(), 0);
    w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default()));
    assert_eq!(all_runs(w).len(), 1);
}

fn what_happens_meanwhile_is_forgotten(w: &World) {
    let task = w.task(doc(&json!({"schedule": {"on": "device_enrolled"}})));
    w.own(1);
    switch(w, task, ScheduleAct::Disable, "");
    w.own(2);
    pass(w, 1);
    switch(w, task, ScheduleAct::Enable, "");
    pass(w, 1);
    assert_eq!(all_runs(w).len(), 0, "neither what was not answered yet nor what happened meanwhile");
    w.own(3);
    pass(w, 1);
    assert_eq!(all_runs(w).iter().map(|run| run.targeted).collect::<Vec<_>>(), [1]);
}

fn a_task_without_a_schedule_has_nothing_to_switch(w: &World) {
    let task = w.task(json!({"name": "by hand", "targets": {"all": true}, "steps": [script("one")]}));
    let switched =
        |reason: String| w.engine.write_now("test", &w.cx, move |tx, cx| schedules::switch(tx, cx, task, ScheduleAct::Disable, &reason));
    assert_eq!(switched(String::new()).expect_err("refused").key, "task/no-schedule");
    assert!(switched("x".repeat(4_001)).is_err(), "a reason has an end");
}

fn a_step_switches_the_schedule_of_another_task(w: &World) {
    w.own(1);
    let task = w.task(doc(&json!({})));
    w.task(json!({"name": "by hand", "targets": {"all": true}, "steps": [script("one")]}));
    let run = |named: &str, act: &str| {
        let action = json!({"type": "change_schedule", "task": named, "do": act});
        let step = w.task(json!({"name": format!("{act} {named}"), "retry": {"attempts": 1}, "steps": [{"id": "s", "action": action}]}));
        let run = w.write(move |tx, cx| runs::run_start(tx, cx, step, &Start::default())).run.id;
        w.work();
        w.run(run).run.verdict
    };
    let off = || w.engine.read_now(&w.cx, move |rx, cx| tasks::task_view(rx, cx, task)).expect("there").task.schedule_off;
    assert_eq!(
        (run("hourly", "disable"), off().map(|it| it.reason)),
        (Some(Verdict::Ok), Some("run 1 of the task 'disable hourly'".into()))
    );
    assert_eq!((run(&task.to_string(), "enable"), off()), (Some(Verdict::Ok), None));
    assert_eq!((run("by hand", "disable"), run("nobody", "disable")), (Some(Verdict::Error), Some(Verdict::Error)));
}
