//! What a move to another organization does to work, and steps that move.

use crate::world::{Own, World, on_all, script};
use muster_core::ids::{OrgId, RunId, TaskId};
use muster_core::page::PageRequest;
use muster_core::tasks::doc::ScheduleAct;
use muster_core::tasks::{Outcome, State};
use muster_engine::book::Keeps;
use muster_engine::fleet::{DevicePatch, device_update};
use muster_engine::reports::{self, ReportPatch};
use muster_engine::runs::Start;
use muster_engine::{AssignmentFilter, Cx, Error, Rx, Tx, access, book, contact, groups, runs, schedules, steps, tasks, workers};
use serde_json::{Value, json};
use std::time::Duration;

on_all! {
    what_was_begun_ends_where_it_was_begun
    nothing_of_the_old_organization_is_done_any_more
    an_agent_of_a_moved_machine_joins_again_where_it_is
    a_step_moves_a_machine
    a_step_moves_a_task_with_its_schedule
    a_step_moves_groups_and_reports_that_hold_nothing_of_here
    a_step_that_moves_nothing_says_why
}

fn other(w: &World) -> Cx {
    let org = w.write(|tx, cx| access::org_create(tx, cx, "other")).id;
    w.engine.system(org, "test")
}

fn within<T: Send + 'static>(w: &World, org: OrgId, f: impl Fn(&mut Tx, &Cx) -> Result<T, Error> + Send + 'static) -> T {
    w.engine.write_now("test", &w.engine.system(org, "test"), f).expect("done")
}

fn moves(w: &World, own: Own, org: &str) {
    let patch = DevicePatch { org: Some(org.to_owned()), ..DevicePatch::default() };
    w.write(move |tx, cx| device_update(tx, cx, own.device, &patch, None));
}

/// What a task of one step came to: its state and the sentence.
fn does(w: &World, name: &str, action: Value) -> (State, String) {
    let task = w.task(json!({"name": name, "targets": {}, "steps": [{"id": "s", "action": action}], "retry": {"attempts": 1}}));
    let id = w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
    while w.write(workers::prepare).more | w.write(steps::work).1 {}
    let of_run = AssignmentFilter { run: Some(id), ..AssignmentFilter::default() };
    let page = w.engine.read_now(&w.cx, move |rx, cx| runs::assignment_list(rx, cx, &of_run, &PageRequest::default())).expect("a page");
    let assignment = page.items[0].0.record.id;
    let detail = w.engine.read_now(&w.cx, move |rx, cx| runs::assignment_view(rx, cx, assignment)).expect("it");
    let message = detail.attempts.last().and_then(|it| it.0.message.clone());
    (detail.row.record.state.status.state(), message.unwrap_or_default())
}

fn moved(w: &World, name: &str, kind: &str, item: &str) -> (State, String) {
    does(w, name, json!({"type": "move_item", "kind": kind, "item": item, "org": "other"}))
}

fn run_of_all(w: &World, org: OrgId, name: &'static str) -> RunId {
    let doc = json!({"name": name, "targets": {"all": true}, "steps": [script("do")]});
    let run = within(w, org, move |tx, cx| {
        let task = tasks::task_create(tx, cx, &doc)?.task.id;
        runs::run_start(tx, cx, task, &Start::default())
    });
    w.work();
    run.run.id
}

fn what_was_begun_ends_where_it_was_begun(w: &World) {
    let (own, there) = (w.own(1), other(w));
    let run = run_of_all(w, w.cx.org, "here");
    let (begun, _) = w.take(own).remove(0);
    moves(w, own, "other");
    let stops = |w: &World| {
        let busy = [(begun.assignment, begun.attempt)];
        let asked = move |rx: &mut Rx, cx: &Cx| {
            let agent = contact::own(rx, own.agent)?;
            contact::to_stop(rx, cx, &agent, &busy)
        };
        w.engine.read_now(&there, asked).expect("an answer")
    };
    assert_eq!(stops(w).len(), 1, "it is to stop");
    w.tell(own, &begun, Outcome::Ok, 0, "done");
    assert_eq!(w.run(run).run.counts.of(State::Ok), 1, "what it did all the same is recorded");
}

fn nothing_of_the_old_organization_is_done_any_more(w: &World) {
    let (own, there) = (w.own(1), other(w));
    let before = run_of_all(w, w.cx.org, "before");
    let kept = json!({"name": "kept", "targets": {"all": true}, "schedule": {"every": "1h", "offline": true}, "steps": [script("do")]});
    w.task(kept);
    let look = |w: &World| {
        while let Some(found) = w.engine.read_now(&w.cx, book::differences).expect("read") {
            if w.write(move |tx, cx| book::apply(tx, cx, &found)) == 0 {
                break;
            }
        }
    };
    look(w);
    let keeps = |w: &World| w.engine.read_now(&there, move |rx, cx| Ok(contact::look_own(rx, cx, own.agent)?.0.keeps)).expect("known");
    assert_ne!(keeps(w), Keeps::Nothing);
    moves(w, own, "other");
    look(w);
    assert_eq!((keeps(w), w.take(own)), (Keeps::Nothing, vec![]));
    assert_eq!(w.run(before).run.counts.of(State::Cancelled), 1);
    let after = run_of_all(w, there.org, "there");
    let taken = w.take(own);
    assert_eq!(taken.iter().map(|it| it.0.run).collect::<Vec<_>>(), [after]);
    w.tell(own, &taken[0].0, Outcome::Ok, 0, "");
    let it = w.engine.read_now(&there, move |rx, cx| runs::run_view(rx, cx, after)).expect("a run");
    assert_eq!(it.run.counts.of(State::Ok), 1);
}

fn an_agent_of_a_moved_machine_joins_again_where_it_is(w: &World) {
    let (own, there) = (w.own(1), other(w));
    moves(w, own, "other");
    within(w, there.org, move |tx, cx| {
        let patch = muster_engine::fleet::AgentPatch { verified: Some(false), ..Default::default() };
        muster_engine::fleet::agent_update(tx, cx, own.agent, &patch, None)
    });
    let again = w.own(1);
    assert_eq!((again.agent, again.device, again.incarnation), (own.agent, own.device, own.incarnation + 1));
    let agent = w.engine.read_now(&there, move |rx, _| contact::own(rx, own.agent)).expect("known");
    assert_eq!((agent.org, agent.verified), (there.org, false), "a token of here gives no trust there");
}

fn a_step_moves_a_machine(w: &World) {
    let (own, there) = (w.own(1), other(w));
    assert_eq!(moved(w, "by name", "device", "pc1"), (State::Ok, "the device 'pc1' is in the organization 'other' now".to_owned()));
    let seen = w.engine.read_now(&there, move |rx, cx| muster_engine::fleet::device_view(rx, cx, own.device)).expect("it is there");
    assert_eq!(seen.view.org_name, "other");
}

fn there_is(w: &World, there: &Cx, name: &str) -> Option<tasks::TaskView> {
    let name = name.to_owned();
    let page = w.engine.read_now(there, move |rx, cx| tasks::task_list(rx, cx, Some(&name), None, &PageRequest::default()));
    page.expect("a page").items.pop()
}

fn a_step_moves_a_task_with_its_schedule(w: &World) {
    let there = other(w);
    let nightly =
        json!({"name": "nightly", "labels": ["x"], "targets": {"all": true}, "schedule": {"cron": "0 2 * * *"}, "steps": [script("do")]});
    let id: TaskId = w.task(nightly);
    w.write(move |tx, cx| schedules::switch(tx, cx, id, ScheduleAct::Disable, "for now"));
    assert_eq!(moved(w, "move", "task", "nightly").0, State::Ok);
    assert!(there_is(w, &w.cx, "nightly").is_none());
    let task = there_is(w, &there, "nightly").expect("it is there").task;
    assert_eq!((task.version, task.doc.labels.len(), task.schedule_off.map(|it| it.reason)), (1, 1, Some("for now".to_owned())));
    // One that is in action is due there, and only there.
    moves(w, w.own(1), "other");
    w.task(json!({"name": "hourly", "targets": {"all": true}, "schedule": {"every": "1h"}, "steps": [script("do")]}));
    assert_eq!(moved(w, "move too", "task", "hourly").0, State::Ok);
    w.clock.advance(Duration::from_secs(3_700));
    while w.write(schedules::look).more {}
    let hourly = there_is(w, &there, "hourly").expect("it is there");
    assert_eq!((hourly.runs, there_is(w, &w.cx, "hourly").map(|it| it.runs)), (1, None));
}

fn a_step_moves_groups_and_reports_that_hold_nothing_of_here(w: &World) {
    let (own, there) = (w.own(1), other(w));
    w.write(|tx, cx| groups::group_create(tx, cx, "linux", "servers", Some("os_family == \"linux\"")));
    let labs = w.write(|tx, cx| groups::group_create(tx, cx, "labs", "", None)).group.id;
    let come = groups::Change::Named { add: vec![own.device], remove: Vec::new() };
    w.write(move |tx, cx| groups::piece(tx, cx, labs, &come, true));
    assert_eq!(moved(w, "1", "group", "linux").0, State::Ok);
    let (state, message) = moved(w, "2", "group", "labs");
    assert!(state == State::Error && message.contains("1 devices of this organization"), "{message}");
    let new = ReportPatch { name: Some("names".to_owned()), query: Some("SELECT name FROM devices".to_owned()), description: None };
    let report = w.write(move |tx, cx| reports::report_create(tx, cx, &new)).id;
    let answer = w.engine.read_now(&w.cx, move |rx, cx| reports::ask_report(rx, cx, report)).expect("an answer");
    w.write(move |tx, cx| reports::keep(tx, cx, report, &answer));
    let (state, message) = moved(w, "3", "report", "names");
    assert!(state == State::Error && message.contains("purge them first"), "{message}");
    assert_eq!(does(w, "4", json!({"type": "purge_report", "report": "names"})).0, State::Ok);
    assert_eq!(moved(w, "5", "report", "names").0, State::Ok);
    let found = w.engine.read_now(&there, |rx, cx| {
        let groups = groups::group_list(rx, cx, None, &PageRequest::default())?.items;
        let reports = reports::report_list(rx, cx, None, &PageRequest::default())?.items;
        Ok((groups.into_iter().map(|it| it.group.name).collect::<Vec<_>>(), reports.len()))
    });
    assert_eq!(found.expect("lists"), (vec!["linux".to_owned()], 1));
}

fn a_step_that_moves_nothing_says_why(w: &World) {
    w.own(1);
    let there = other(w);
    for kind in ["task", "group", "device", "report"] {
        let (state, message) = moved(w, &format!("no {kind}"), kind, "nothing of this name");
        assert!(state == State::Error && message.contains("nothing of this name"), "{message}");
    }
    let (state, message) = does(w, "nowhere", json!({"type": "move_item", "kind": "device", "item": "pc1", "org": "nowhere"}));
    assert!(state == State::Error && message.contains("no organization 'nowhere'"), "{message}");
    let (state, message) = does(w, "here", json!({"type": "move_item", "kind": "device", "item": "pc1", "org": "default"}));
    assert_eq!((state, message.as_str()), (State::Ok, "the organization is 'default' as it is"));
    // A name that is taken there: it stays here, whole.
    let doc = json!({"name": "twice", "targets": {"all": true}, "steps": [script("do")]});
    w.task(doc.clone());
    within(w, there.org, move |tx, cx| tasks::task_create(tx, cx, &doc));
    let (state, message) = moved(w, "taken", "task", "twice");
    assert!(state == State::Error && message.contains("'twice' already"), "{message}");
    assert!(there_is(w, &w.cx, "twice").is_some());
}
