//! Devices that join a run after its start.

use crate::world::{World, on_all, script};
use muster_core::ids::RunId;
use muster_core::tasks::{Outcome, RunState, State};
use muster_engine::groups::GroupPatch;
use muster_engine::runs::Start;
use muster_engine::{access, groups, runs};
use serde_json::{Value, json};
use std::time::Duration;

on_all! {
    who_is_selected_while_the_run_goes_on_joins_it
    until_the_end_of_its_window_a_run_waits_for_others
    no_more_join_than_may_start_without_a_number
    a_member_of_a_group_joins_with_the_last_wave
}

fn start(w: &World, targets: &Value, more: &Value, steps: &Value) -> RunId {
    let mut document = json!({"name": "late", "targets": targets, "steps": steps, "retry": {"attempts": 1}});
    document.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    let task = w.task(document);
    let run = w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
    w.work();
    run
}

fn later(w: &World, seconds: u64) {
    w.clock.advance(Duration::from_secs(seconds));
    w.work();
}

fn who_is_selected_while_the_run_goes_on_joins_it(w: &World) {
    let (a, b) = (w.own(1), w.own(2));
    let run = start(w, &json!({"all": true, "late_joiners": true}), &json!({}), &json!([script("one"), script("two")]));
    let plain = start(w, &json!({"all": true}), &json!({"name": "plain"}), &json!([script("only")]));
    assert_eq!(w.run(run).run.targeted, 2);
    let c = w.own(3);
    later(w, 31);
    let it = w.run(run).run;
    assert_eq!((it.targeted, it.late_joined, it.counts.total(), it.state), (3, 1, 3, RunState::Waiting));
    assert_eq!(w.run(plain).run.targeted, 2, "nobody joins where nobody asked for it");
    for own in [a, b, c] {
        for (it, _) in w.take(own) {
            w.tell(own, &it, Outcome::Ok, 0, "");
        }
        while let Some((it, _)) = w.take(own).pop() {
            w.tell(own, &it, Outcome::Ok, 0, "");
        }
    }
    let it = w.run(run).run;
    assert_eq!((it.state, it.counts.of(State::Ok)), (RunState::Finished, 3));
    assert_eq!(w.steps(run), ["one: ok 3", "two: ok 3"]);
    w.own(4);
    later(w, 61);
    assert_eq!(w.run(run).run.targeted, 3, "a run that is over is over");
}

fn until_the_end_of_its_window_a_run_waits_for_others(w: &World) {
    let a = w.own(1);
    let end = w.engine.now().plus(Duration::from_secs(3_600)).to_string();
    let window = json!({"window": {"not_after": end}});
    let run = start(w, &json!({"all": true, "late_joiners": true}), &window, &json!([script("s")]));
    w.ok(a);
    assert_eq!(w.run(run).run.state, RunState::Running, "all are done, and others may come");
    let b = w.own(2);
    later(w, 31);
    w.ok(b);
    assert_eq!(w.run(run).run.counts.of(State::Ok), 2);
    later(w, 3_600);
    let it = w.run(run).run;
    assert_eq!((it.state, it.late_joined), (RunState::Finished, 1));
    let c = w.own(3);
    later(w, 61);
    assert!(w.take(c).is_empty());

    let run = start(
        w,
        &json!({"all": true, "late_joiners": true}),
        &json!({"name": "ended", "window": {"not_after": "23:59"}}),
        &json!([script("s")]),
    );
    for own in [a, b, c] {
        w.ok(own);
    }
    assert_eq!(w.run(run).run.state, RunState::Running);
    w.write(move |tx, cx| runs::run_cancel(tx, cx, run));
    w.work();
    assert_eq!(w.run(run).run.state, RunState::Finished, "a person ends it");
}

fn no_more_join_than_may_start_without_a_number(w: &World) {
    let patch = json!({"size_guard": 2}).as_object().expect("an object").clone();
    w.write(move |tx, cx| access::settings_update(tx, cx, &patch, None));
    w.own(1);
    let run = start(w, &json!({"all": true, "late_joiners": true}), &json!({}), &json!([script("s")]));
    for n in 2..=6 {
        w.own(n);
        later(w, 31);
    }
    let it = w.run(run).run;
    assert_eq!((it.targeted, it.late_joined, it.counts.total()), (3, 2, 3));
    let settings = muster_core::settings::Settings { size_guard: 100, approve_above: 4, ..Default::default() };
    assert_eq!(it.room_for_joiners(&settings), 1, "and none past the number from which a second person is asked");
}

fn a_member_of_a_group_joins_with_the_last_wave(w: &World) {
    let all = [w.own(1), w.own(2), w.own(3), w.own(4)];
    let group = w.write(|tx, cx| groups::group_create(tx, cx, "some", "", Some("name != 'pc4'"))).group.id;
    let rollout = json!({"rollout": {"waves": ["1%", "100%"], "wait": "1h"}});
    let run = start(w, &json!({"groups": ["some"], "late_joiners": true}), &rollout, &json!([script("s")]));
    assert_eq!(w.run(run).run.rollout.waves, [1, 3]);
    let patch = GroupPatch { query: Some("true".to_owned()), ..GroupPatch::default() };
    w.write(move |tx, cx| groups::group_update(tx, cx, group, &patch, None));
    later(w, 31);
    let it = w.run(run).run;
    assert_eq!((it.targeted, it.made, it.rollout.waves), (4, 1, vec![1, 4]));
    let did = |w: &World| all.iter().filter(|own| !w.take(**own).is_empty()).count();
    assert_eq!(did(w), 1, "the first wave is what it was");
}
