//! Jobs of several steps.

use crate::world::{Own, World, on_all, script, with};
use muster_core::tasks::{Outcome, Refused, RunState, State, Verdict};
use muster_engine::runs::Start;
use muster_engine::work::{Report, Said};
use muster_engine::{contact, groups, runs, tasks};
use serde_json::{Value, json};
use std::time::Duration;

on_all! {
    each_machine_of_a_client_job_walks_alone_and_helps_itself
    a_server_job_waits_for_all_and_takes_one_branch
    a_step_that_no_agent_can_do_is_named_before_and_fails_the_job
    what_a_step_told_is_a_parameter_of_the_next
    a_quorum_and_a_deadline_leave_stragglers_behind
    a_quorum_is_of_those_that_a_step_is_for
    a_job_that_is_cancelled_ends_for_all
    what_did_not_end_well_is_done_again
    a_late_result_of_the_last_step_settles_the_target
    a_report_is_taken_only_for_what_its_attempt_came_to
    a_server_job_whose_targets_are_all_gone_does_nothing_more
    a_machine_that_is_removed_while_it_works_goes_no_further
    a_step_puts_the_targets_in_a_group_and_takes_them_out
}

/// Altiris's client job: one machine fails, is helped and tries again, while the others are long done.
fn each_machine_of_a_client_job_walks_alone_and_helps_itself(w: &World) {
    let (a, b) = (w.own(1), w.own(2));
    let install = with(script("install"), "on_error", json!({"run": "fix", "then": "retry", "max": 2}));
    let run = w.start("client_job", json!([install, script("fix"), script("check")]));
    assert_eq!((w.ok(a), w.ok(a)), ("install".to_owned(), "check".to_owned()));
    assert_eq!(w.walk(run, a.device).state, State::Ok, "nobody waited for the other");
    assert_eq!(w.does(b, Outcome::Error, 1, "no space"), "install");
    assert_eq!(
        w.steps(run),
        ["install: error 1, ok 1", "fix: prepared 1, skipped 1", "check: prepared 1, ok 1"].map(|s| {
            // The order of states is that of the totals.
            s.replace("error 1, ok 1", "ok 1, error 1")
        })
    );
    assert_eq!((w.ok(b), w.ok(b), w.ok(b)), ("fix".to_owned(), "install".to_owned(), "check".to_owned()));
    let it = w.run(run);
    assert_eq!((it.run.state, it.run.verdict, it.run.counts.of(State::Ok)), (RunState::Finished, Some(Verdict::Ok), 2));
    assert_eq!(w.steps(run), ["install: ok 2", "fix: ok 1, skipped 1", "check: ok 2"]);
    assert_eq!(w.walk(run, b.device).trail.rounds["install"], 2);
}

/// Altiris's server job: the next step begins once every machine has ended the one before, and all take the same branch.
fn a_server_job_waits_for_all_and_takes_one_branch(w: &World) {
    let (a, b) = (w.own(1), w.own(2));
    let tell = json!({"id": "tell", "action": {"type": "raise_message", "title": "{{steps.first.state}}"}, "when": "steps.first.counts.error > 0"});
    let never = with(script("never"), "when", json!("steps.first.counts.ok == 0"));
    let run = w.start("server_job", json!([with(script("first"), "on_error", json!("fail")), never, tell, script("last")]));
    assert_eq!(w.does(a, Outcome::Error, 1, ""), "first");
    assert!(w.take(a).is_empty(), "it waits for the others, and takes no further part");
    assert_eq!(w.run(run).run.state, RunState::Running);
    assert_eq!(w.ok(b), "first");
    assert_eq!(w.steps(run), ["first: ok 1, error 1", "never: skipped 2", "tell: ok 1", "last: prepared 1, skipped 1"]);
    assert!(w.take(a).is_empty());
    assert_eq!(w.ok(b), "last");
    let it = w.run(run);
    assert_eq!((it.run.state, it.run.verdict), (RunState::Finished, Some(Verdict::Partial)));
    assert_eq!((w.walk(run, a.device).state, w.walk(run, b.device).state), (State::Error, State::Ok));
    assert_eq!(it.run.counts.total(), it.run.targeted);
}

/// A2: a step that cannot run on an assigned computer is named by the preview, and fails the job for it if started all the same.
fn a_step_that_no_agent_can_do_is_named_before_and_fails_the_job(w: &World) {
    let (a, strange) = (w.own(1), w.other("old"));
    let task = w.task(json!({"name": "job", "targets": {"all": true}, "retry": {"attempts": 1},
        "steps": [{"id": "look", "action": {"type": "inventory"}}, {"id": "act", "action": {"type": "defragment"}}]}));
    let preview = w.engine.read_now(&w.cx, move |rx, cx| tasks::task_preview(rx, cx, task)).expect("a preview");
    assert_eq!(preview.unable, [("act".to_owned(), "defragment", 1)]);
    let reason = |device| preview.targets.iter().find(|(d, _)| d.id == device).map(|(_, r)| r.reason.key.clone());
    assert_eq!(reason(strange).as_deref(), Some("unable"));
    let run = w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
    w.work();
    w.other("old");
    assert_eq!(w.walk(run, strange).state, State::Error);
    assert_eq!((w.ok(a), w.ok(a)), ("look".to_owned(), "act".to_owned()));
    assert_eq!(w.run(run).run.verdict, Some(Verdict::Partial));
    assert_eq!(w.steps(run), ["look: ok 2", "act: ok 1, error 1"]);
}

fn what_a_step_told_is_a_parameter_of_the_next(w: &World) {
    let (a, b) = (w.own(1), w.own(2));
    let ask = with(script("ask"), "outputs", json!({"version": "regex(version ([0-9]+))"}));
    let mut set = with(script("set"), "when", json!("steps.ask.outputs.version > 3"));
    set["action"]["arguments"] = json!(["--from={{steps.ask.version}}", "{{ .Names }}"]);
    let run = w.start("client_job", json!([ask, set]));
    w.does(a, Outcome::Ok, 0, "this is version 7\n");
    let (it, action) = w.take(a).remove(0);
    assert_eq!(action["arguments"], json!(["--from=7", "{{ .Names }}"]));
    w.tell(a, &it, Outcome::Ok, 0, "");
    w.does(b, Outcome::Ok, 0, "version 2");
    assert!(w.take(b).is_empty());
    assert_eq!(w.steps(run), ["ask: ok 2", "set: ok 1, skipped 1"]);
    assert_eq!(w.run(run).run.verdict, Some(Verdict::Ok));
}

fn a_quorum_and_a_deadline_leave_stragglers_behind(w: &World) {
    let all: Vec<Own> = (1..=4).map(|n| w.own(n)).collect();
    let most = with(script("most"), "barrier", json!({"quorum": "75%"}));
    let soon = with(script("soon"), "barrier", json!({"deadline": "1h", "stragglers": "keep"}));
    let tell = json!({"id": "tell", "action": {"type": "raise_message", "title": "on"}});
    let run = w.start("server_job", json!([most, soon, tell, script("last")]));
    for own in &all[..3] {
        w.ok(*own);
    }
    // The fourth was not waited for, and takes no further part.
    assert_eq!(w.steps(run), ["most: ok 3, expired 1", "soon: prepared 3, skipped 1", "tell: prepared 1", "last: prepared 3, skipped 1"]);
    w.ok(all[0]);
    let late = w.take(all[1]).remove(0).0;
    w.clock.advance(Duration::from_secs(3_601));
    w.work();
    // The deadline of the second step: what waits expires, of what is under way nothing is known; both go on.
    assert_eq!(w.steps(run)[1], "soon: ok 1, unknown 1, expired 1, skipped 1");
    assert_eq!(w.steps(run)[3], "last: prepared 3, skipped 1");
    w.tell(all[1], &late, Outcome::Ok, 0, "");
    assert_eq!(w.steps(run)[1], "soon: ok 2, expired 1, skipped 1", "its late result is kept");
    for own in &all[..3] {
        assert_eq!(w.ok(*own), "last");
    }
    let it = w.run(run);
    assert_eq!((it.run.state, it.run.counts.of(State::Ok), it.run.counts.of(State::Expired)), (RunState::Finished, 3, 1));
}

fn a_quorum_is_of_those_that_a_step_is_for(w: &World) {
    let all: Vec<Own> = (1..=4).map(|n| w.own(n)).collect();
    let half = with(script("half"), "barrier", json!({"quorum": "50%"}));
    let tell = json!({"id": "tell", "action": {"type": "raise_message", "title": "on"}});
    let run = w.start("server_job", json!([script("first"), half, tell]));
    w.does(all[0], Outcome::Error, 1, "");
    w.does(all[1], Outcome::Error, 1, "");
    assert_eq!((w.ok(all[2]), w.ok(all[3])), ("first".to_owned(), "first".to_owned()));
    assert_eq!(w.steps(run)[1], "half: prepared 2, skipped 2", "the two that are out are no half of it");
    w.ok(all[2]);
    assert_eq!(w.steps(run)[1], "half: ok 1, expired 1, skipped 2");
}

fn a_job_that_is_cancelled_ends_for_all(w: &World) {
    for (mode, more) in
        [("client_job", json!([])), ("server_job", json!([{"id": "tell", "action": {"type": "raise_message", "title": "x"}}]))]
    {
        let (a, b) = (w.own(1), w.own(2));
        let steps: Vec<Value> = [script("one"), script("two")].into_iter().chain(more.as_array().cloned().unwrap_or_default()).collect();
        let task = w.task(json!({"name": mode, "mode": mode, "targets": {"all": true}, "steps": steps}));
        let run = w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
        w.work();
        w.ok(a);
        let under_way = w.take(b).remove(0).0;
        w.write(move |tx, cx| runs::run_cancel(tx, cx, run));
        w.work();
        assert_eq!(w.run(run).run.state, RunState::Running, "{mode}: what is under way is waited for");
        w.tell(b, &under_way, Outcome::Ok, 0, "");
        let it = w.run(run);
        assert_eq!((it.run.state, it.run.counts.of(State::Cancelled)), (RunState::Finished, 2), "{mode}");
        assert!(w.take(a).is_empty() && w.take(b).is_empty());
        assert_eq!(it.steps.iter().map(|(_, c)| c.open()).sum::<i64>(), 0, "{mode}");
    }
}

fn what_did_not_end_well_is_done_again(w: &World) {
    let (a, b) = (w.own(1), w.own(2));
    let run = w.start("client_job", json!([script("one"), script("two")]));
    w.does(a, Outcome::Error, 1, "");
    w.ok(b);
    w.ok(b);
    let again = w.write(move |tx, cx| runs::run_retry(tx, cx, run, &[State::Error, State::Unknown], &Start::default()));
    assert_eq!(again.run.targeted, 1);
    w.work();
    assert!(w.take(b).is_empty());
    assert_eq!((w.ok(a), w.ok(a)), ("one".to_owned(), "two".to_owned()));
    assert_eq!(w.run(again.run.id).run.verdict, Some(Verdict::Ok));
    let id = again.run.id;
    let none = w.engine.write_now("test", &w.cx, move |tx, cx| runs::run_retry(tx, cx, id, &[State::Error], &Start::default()));
    assert_eq!(none.expect_err("nothing failed").key, "run/empty");
    let open = w.engine.write_now("test", &w.cx, move |tx, cx| runs::run_retry(tx, cx, id, &[State::Running], &Start::default()));
    assert_eq!(open.expect_err("running has not ended").key, "run/retry-open");
}

fn a_late_result_of_the_last_step_settles_the_target(w: &World) {
    let a = w.own(1);
    let run = w.start("client_job", json!([script("one"), with(script("two"), "timeout", json!("60s"))]));
    w.ok(a);
    let (late, _) = w.take(a).remove(0);
    w.clock.advance(Duration::from_secs(7_200));
    w.work();
    assert_eq!((w.walk(run, a.device).state, w.run(run).run.verdict), (State::Unknown, Some(Verdict::Error)));
    w.tell(a, &late, Outcome::Ok, 0, "");
    assert_eq!((w.walk(run, a.device).state, w.run(run).run.verdict), (State::Ok, Some(Verdict::Ok)));
}

/// What was given back for the last time ends in error; that its attempt failed is another claim, and is not known.
fn a_report_is_taken_only_for_what_its_attempt_came_to(w: &World) {
    let a = w.own(1);
    let run = w.start("client_job", json!([script("one"), script("two")]));
    let (it, _) = w.take(a).remove(0);
    w.tell(a, &it, Outcome::Declined, 0, "");
    assert_eq!(w.walk(run, a.device).state, State::Error);
    let claim = |outcome| {
        let report = Report::new(it.assignment, it.attempt, a.incarnation, Said::Ended(outcome));
        w.write(move |tx, cx| contact::own_report(tx, cx, a.agent, std::slice::from_ref(&report))).answers
    };
    assert_eq!(claim(Outcome::Declined), [Ok(())], "said again it is the same");
    assert_eq!((claim(Outcome::Error), claim(Outcome::Ok)), (vec![Err(Refused::Final)], vec![Err(Refused::Final)]));
}

fn a_server_job_whose_targets_are_all_gone_does_nothing_more(w: &World) {
    let a = w.own(1);
    let tell = json!({"id": "tell", "action": {"type": "raise_message", "title": "x"}});
    let task = w.task(json!({"name": "job", "mode": "server_job", "targets": {"all": true}, "steps": [tell, script("one")]}));
    let run = w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
    w.write(move |tx, cx| muster_engine::fleet::device_delete(tx, cx, a.device));
    w.work();
    let it = w.run(run);
    assert_eq!((it.run.state, it.run.counts.of(State::Cancelled)), (RunState::Finished, 1));
    assert_eq!(w.steps(run), ["tell: skipped 1", "one: skipped 1"]);
}

/// Found by the simulator (seed 711622 of its time): the walk of a removed machine went on to a step that nobody could come for.
fn a_machine_that_is_removed_while_it_works_goes_no_further(w: &World) {
    let (a, b) = (w.own(1), w.own(2));
    let run = w.start("client_job", json!([with(script("first"), "on_error", json!("continue")), script("second")]));
    assert_eq!((w.take(a).len(), w.ok(b), w.ok(b)), (1, "first".to_owned(), "second".to_owned()));
    let device = a.device;
    w.write(move |tx, cx| muster_engine::fleet::device_delete(tx, cx, device));
    w.clock.advance(Duration::from_secs(86_400));
    w.work();
    let it = w.run(run);
    assert_eq!((it.run.state, it.run.verdict, it.run.counts.open()), (RunState::Finished, Some(Verdict::Partial), 0));
    assert!(!w.walk(run, device).state.is_open());
}

fn a_step_puts_the_targets_in_a_group_and_takes_them_out(w: &World) {
    let (a, _) = (w.own(1), w.own(2));
    let group = w.write(|tx, cx| groups::group_create(tx, cx, "done", "", None)).group.id;
    let count = || w.engine.read_now(&w.cx, move |rx, cx| groups::group_view(rx, cx, group)).expect("there").count;
    let step = |act: &str, group: &str| json!([{"id": "g", "action": {"type": "change_group", "group": group, "do": act}}]);
    let run = |targets: Value, steps: Value| {
        let task = w.task(json!({"name": format!("{steps}"), "targets": targets, "retry": {"attempts": 1}, "steps": steps}));
        let run = w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
        w.work();
        w.run(run).run.verdict
    };
    assert_eq!((run(json!({"all": true}), step("add", "done")), count()), (Some(Verdict::Ok), 2));
    assert_eq!((run(json!({"devices": [a.device]}), step("remove", &group.to_string())), count()), (Some(Verdict::Ok), 1));
    assert_eq!((run(json!({"all": true}), step("add", "nobody")), count()), (Some(Verdict::Error), 1));
    let gone = w.engine.write_now("test", &w.cx, move |tx, cx| groups::group_delete(tx, cx, group)).expect_err("a task names it");
    assert_eq!(gone.key, "group/in-use");
}
