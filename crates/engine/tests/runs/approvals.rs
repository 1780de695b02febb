//! Starts that need a second person.

use crate::world::{World, on_all, script};
use muster_core::access::{Actor, Caller, Role};
use muster_core::ids::{TaskId, UserId};
use muster_core::tasks::State;
use muster_core::tasks::approval::{APPROVAL_VALID, Approval, ApprovalState};
use muster_engine::approvals::{self, Answer};
use muster_engine::runs::{RunDetail, Start};
use muster_engine::{Cx, Error, access, overview, runs, schedules, tasks};
use serde_json::{Value, json};

on_all! {
    a_large_start_waits_for_a_second_person_who_sees_the_same_set
    an_approval_is_for_one_start_of_one_set_for_a_time
    what_failed_of_an_approved_run_is_tried_again_without_asking
    nobody_approves_alone_what_starts_unattended
}

fn person(w: &World, name: &str, n: u128) -> Cx {
    let caller = Caller { actor: Actor::User(UserId(uuid::Uuid::from_u128(n))), role: Role::Admin, scope: Some(w.cx.org) };
    w.engine.cx(caller, name, w.cx.org, "test")
}

/// A world of three machines in which more than two need approval, with a task that ann wrote.
fn furnish(w: &World) -> (Cx, Cx, TaskId) {
    for n in 1..=3 {
        w.own(n);
    }
    let patch = json!({"approve_above": 2}).as_object().cloned().expect("an object");
    w.write(move |tx, cx| access::settings_update(tx, cx, &patch, None));
    let (ann, bob) = (person(w, "ann", 1), person(w, "bob", 2));
    let doc = json!({"name": "t", "targets": {"all": true}, "steps": [script("a")], "retry": {"attempts": 1}});
    let task = w.engine.write_now("task", &ann, move |tx, cx| tasks::task_create(tx, cx, &doc)).expect("written").task.id;
    (ann, bob, task)
}

fn start(w: &World, cx: &Cx, task: TaskId) -> Result<RunDetail, Error> {
    w.engine.write_now("start", cx, move |tx, cx| runs::run_start(tx, cx, task, &Start::default()))
}

fn ask(w: &World, cx: &Cx, task: TaskId) -> Result<Approval, Error> {
    w.engine.write_now("ask", cx, move |tx, cx| approvals::approval_ask(tx, cx, task, None, "patch day"))
}

fn answer(w: &World, cx: &Cx, it: &Approval, answer: Answer) -> Result<Approval, Error> {
    let id = it.id;
    w.engine.write_now("answer", cx, move |tx, cx| approvals::approval_answer(tx, cx, id, answer, "seen"))
}

fn a_large_start_waits_for_a_second_person_who_sees_the_same_set(w: &World) {
    let (ann, bob, task) = furnish(w);
    let refused = start(w, &ann, task).expect_err("needs approval");
    assert_eq!((refused.key, &refused.extra["count"]), ("run/needs-approval", &json!(3)));
    let it = ask(w, &bob, task).expect("asked");
    assert_eq!((it.count, it.state, &it.author, &it.asked_by), (3, ApprovalState::Asked, &"ann".to_owned(), &"bob".to_owned()));
    assert_eq!(ask(w, &ann, task).expect("the same").id, it.id);
    let needs = w.engine.read_now(&ann, overview::overview).expect("shown").approvals;
    assert_eq!(needs.iter().map(|n| n.id).collect::<Vec<_>>(), [it.id]);
    for (who, part) in [(&ann, "you wrote"), (&bob, "you asked"), (&w.cx, "signed in")] {
        let refused = answer(w, who, &it, Answer::Approve).expect_err("not theirs");
        assert!(refused.key == "approval/not-yours" && refused.detail.contains(part), "{refused}");
    }
    let eve = person(w, "eve", 3);
    let approved = answer(w, &eve, &it, Answer::Approve).expect("a second person");
    assert_eq!(
        (approved.state, approved.decision.map(|d| (d.by, d.note))),
        (ApprovalState::Approved, Some(("eve".to_owned(), "seen".to_owned())))
    );
    assert_eq!(answer(w, &eve, &it, Answer::Reject).expect_err("decided").key, "approval/decided");
    let preview = w.engine.read_now(&ann, move |rx, cx| tasks::task_preview(rx, cx, task)).expect("shown");
    assert_eq!(preview.approval.flatten().map(|a| a.id), Some(it.id));
    let run = start(w, &ann, task).expect("approved").run;
    let id = it.id;
    let used = w.engine.read_now(&ann, move |rx, cx| approvals::approval_view(rx, cx, id)).expect("shown");
    assert_eq!((used.state, used.run), (ApprovalState::Used, Some(run.id)));
}

fn an_approval_is_for_one_start_of_one_set_for_a_time(w: &World) {
    let (ann, bob, task) = furnish(w);
    let needs = |w: &World| start(w, &ann, task).expect_err("needs approval").key;
    let first = ask(w, &ann, task).expect("asked");
    answer(w, &bob, &first, Answer::Approve).expect("approved");
    w.own(4);
    assert_eq!(needs(w), "run/needs-approval", "another set");
    let second = ask(w, &ann, task).expect("asked");
    assert_ne!(second.id, first.id);
    let device = w.own(5).device;
    assert_eq!(answer(w, &bob, &second, Answer::Approve).expect_err("another set").key, "run/plan-changed");
    w.write(move |tx, cx| muster_engine::fleet::device_delete(tx, cx, device));
    answer(w, &bob, &second, Answer::Approve).expect("the same again");
    w.clock.advance(APPROVAL_VALID);
    assert_eq!(needs(w), "run/needs-approval", "its time has passed");
    let third = ask(w, &ann, task).expect("asked anew");
    assert_ne!(third.id, second.id);
    answer(w, &bob, &third, Answer::Approve).expect("approved");
    start(w, &ann, task).expect("approved");
    assert_eq!(needs(w), "run/needs-approval", "used once");
    let fourth = ask(w, &ann, task).expect("asked");
    assert_eq!(answer(w, &ann, &fourth, Answer::Reject).expect("taken back").state, ApprovalState::Rejected);
    assert_eq!(needs(w), "run/needs-approval");
}

fn what_failed_of_an_approved_run_is_tried_again_without_asking(w: &World) {
    let (ann, bob, task) = furnish(w);
    let it = ask(w, &ann, task).expect("asked");
    answer(w, &bob, &it, Answer::Approve).expect("approved");
    let run = start(w, &ann, task).expect("approved").run.id;
    w.write(move |tx, cx| runs::run_cancel(tx, cx, run).map(drop));
    w.work();
    let retry =
        |cx: &Cx| w.engine.write_now("retry", cx, move |tx, cx| runs::run_retry(tx, cx, run, &[State::Cancelled], &Start::default()));
    assert_eq!(retry(&ann).expect("the same version").run.targeted, 3);
    let states = [State::Ok, State::Cancelled];
    let all = w.engine.write_now("retry", &ann, move |tx, cx| runs::run_retry(tx, cx, run, &states, &Start::default()));
    assert_eq!(all.expect_err("what ended well is a new start").key, "run/needs-approval");
    let doc = json!({"name": "t", "targets": {"all": true}, "steps": [script("b")], "retry": {"attempts": 1}});
    w.engine.write_now("task", &ann, move |tx, cx| tasks::task_update(tx, cx, task, &doc, None)).expect("changed");
    assert_eq!(retry(&ann).expect_err("another version").key, "run/needs-approval");
}

fn nobody_approves_alone_what_starts_unattended(w: &World) {
    let (ann, bob, task) = furnish(w);
    let approve = |cx: &Cx, most| w.engine.write_now("approve", cx, move |tx, cx| schedules::approve(tx, cx, task, Some(most)));
    assert_eq!(approve(&ann, 3).expect_err("her own").key, "approval/not-yours");
    approve(&ann, 2).expect("no more than one person may start");
    assert_eq!(approve(&bob, 3).expect("a second person").task.targets_max, Some(3));
    let doc: Value = json!({"name": "t", "targets": {"all": true}, "steps": [script("b")]});
    let changed = w.engine.write_now("task", &ann, move |tx, cx| tasks::task_update(tx, cx, task, &doc, None)).expect("changed");
    assert_eq!(changed.task.targets_max, None, "another version was approved");
}
