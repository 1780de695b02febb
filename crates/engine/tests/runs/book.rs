//! The order book: what machines keep of tasks, and what becomes of what they began by their own clocks.

use crate::world::{Own, World, on_all, script};
use muster_core::fleet::{Agent, Quarantine};
use muster_core::ids::{AssignmentId, RunId, TaskId};
use muster_core::tasks::book::Occasion;
use muster_core::tasks::doc::ScheduleAct;
use muster_core::tasks::{Nominal, Outcome, Refused, State};
use muster_core::time::Timestamp;
use muster_engine::book::{self, Book, Compared};
use muster_engine::contact::{self, OwnContact};
use muster_engine::work::{Report, Said, Taken};
use muster_engine::{AgentFilter, brake, runs, schedules, tasks, work};
use serde_json::json;
use std::time::Duration;

on_all! {
    a_machine_takes_its_book_and_what_it_begins_is_its_own_at_once
    a_machine_that_says_nothing_is_unknown_until_its_late_word
    what_no_machine_said_to_hold_is_handed_out_as_ever_under_the_same_id
    what_nobody_started_here_is_recorded_when_machines_tell_of_it
    a_machine_that_is_a_target_no_more_joins_the_run_of_what_it_did
    a_book_that_was_lost_is_noticed_and_given_again
    who_may_not_keep_it_any_more_is_told_so
    a_book_from_which_a_task_was_taken_has_not_drifted
    a_schedule_out_of_action_is_kept_by_nobody
    what_waits_in_the_book_keeps_nothing_from_being_handed_out
    what_a_machine_will_begin_by_its_book_is_not_taken_for_lost
    a_book_is_given_anew_before_it_is_over_and_when_the_task_changes
    more_machines_than_may_begin_unattended_keep_nothing
    what_a_machine_begins_by_an_entry_that_was_renewed_meanwhile_is_its_own
}

const HOUR: Duration = Duration::from_secs(3_600);

fn keep(w: &World, more: &serde_json::Value) -> TaskId {
    let mut doc = json!({"name": "kept", "targets": {"all": true}, "schedule": {"every": "1h", "offline": true}, "retry": {"attempts": 1},
        "steps": [script("first"), script("second")]});
    for (key, value) in more.as_object().expect("keys") {
        doc[key] = value.clone();
    }
    w.task(doc)
}

/// Lets the entries follow their tasks.
fn look(w: &World) {
    while let Some(found) = w.engine.read_now(&w.engine.system(w.cx.org, "test"), book::differences).expect("found") {
        w.write(move |tx, cx| book::apply(tx, cx, &found));
    }
}

fn agent(w: &World, own: Own) -> Agent {
    w.engine.read_now(&w.cx, move |rx, _| Ok(rx.agent(own.agent)?)).expect("read").expect("there")
}

fn compare(w: &World, own: Own, told: &str) -> Compared {
    let (it, told) = (agent(w, own), told.to_owned());
    w.engine.read_now(&w.cx, move |rx, _| book::compare(rx, &it, &told)).expect("compared")
}

fn give(w: &World, own: Own, told: &str) -> Book {
    let (it, told) = (agent(w, own), told.to_owned());
    w.write(move |tx, cx| book::give(tx, cx, &it, &told))
}

/// An agent takes its book and says so.
fn takes(w: &World, own: Own) -> Book {
    let given = give(w, own, "");
    let (it, told) = (agent(w, own), given.digest.clone());
    w.write(move |tx, cx| book::taken(tx, cx, &it, &told));
    assert_eq!(compare(w, own, &given.digest), Compared::Same);
    given
}

/// The next occurrence of the task comes, and the server sees it.
fn hour_comes(w: &World) -> Nominal {
    hour_comes_for_many(w);
    Nominal::Instant(w.engine.now())
}

fn only_run(w: &World) -> Option<RunId> {
    let runs = w
        .engine
        .read_now(&w.cx, |rx, cx| runs::run_list(rx, cx, &muster_engine::RunFilter::default(), &muster_core::page::PageRequest::default()));
    let runs = runs.expect("runs").items;
    assert!(runs.len() <= 1);
    runs.first().map(|run| run.id)
}

fn occasion(task: TaskId, nominal: &Nominal) -> Occasion {
    Occasion { task, version: 1, nominal: nominal.to_string() }
}

/// An agent tells of an occurrence that it began by its book: a step of it, from the first.
fn tells(w: &World, own: Own, task: TaskId, nominal: &Nominal, what: Said, step: usize) -> Taken {
    let first = AssignmentId::of_occurrence(task, 1, nominal, own.agent);
    let assignment = (1..=step).fold(first, |id, place| id.following(place, 1));
    let report = Report {
        assignment,
        attempt: 1,
        incarnation: own.incarnation,
        what,
        exit_code: Some(0),
        output: None,
        message: None,
        occasion: Some(occasion(task, nominal)),
        at: Some(w.engine.now()),
    };
    let taken = w.write(move |tx, cx| contact::own_report(tx, cx, own.agent, std::slice::from_ref(&report)));
    w.work();
    taken
}

const OK: Said = Said::Ended(Outcome::Ok);

fn a_machine_takes_its_book_and_what_it_begins_is_its_own_at_once(w: &World) {
    let (own, _other) = (w.own(1), w.other("old"));
    let task = keep(w, &json!({}));
    assert_eq!(compare(w, own, "x"), Compared::Behind, "the worker has not come yet, and it holds something");
    look(w);
    let given = give(w, own, "");
    let entry = &given.entries[0];
    assert_eq!((given.entries.len(), entry.task_name.as_str(), entry.course.legs.len(), entry.row.standing.place), (1, "kept", 2, 0));
    takes(w, own);
    let counts = w.engine.read_now(&w.cx, move |rx, _| book::counts(rx, task)).expect("counts");
    assert_eq!(counts, (1, 1), "agents of others keep nothing");

    let nominal = hour_comes(w);
    let run = only_run(w).expect("a run");
    let walk = w.walk(run, own.device);
    assert!(walk.led.is_some_and(|led| led.by_book && led.goes_on));
    assert!(w.take(own).is_empty(), "it has it already");
    let first = AssignmentId::of_occurrence(task, 1, &nominal, own.agent);
    let why = w.engine.read_now(&w.cx, move |rx, cx| runs::assignment_view(rx, cx, first)).expect("seen").reason;
    assert_eq!(why.reason.key, "by_machine", "{}", why.reason.text);
    let ran = tells(w, own, task, &nominal, Said::Running, 0);
    assert_eq!(ran.answers, [Ok(())]);
    let first = tells(w, own, task, &nominal, OK, 0);
    assert_eq!((first.answers, first.goes_on.len()), (vec![Ok(())], 1), "it goes on alone");
    assert_eq!(tells(w, own, task, &nominal, OK, 1).answers, [Ok(())]);
    assert_eq!(w.walk(run, own.device).state, State::Ok);
    assert_eq!(w.run(run).run.handed_late, 0);
}

fn what_a_machine_begins_by_an_entry_that_was_renewed_meanwhile_is_its_own(w: &World) {
    let own = w.own(1);
    let task = keep(w, &json!({}));
    look(w);
    let given = takes(w, own);
    w.clock.advance(Duration::from_secs(11 * 86_400));
    look(w);
    assert_eq!(compare(w, own, &given.digest), Compared::Behind, "there is a new one, of which it did not hear");
    let nominal = hour_comes(w);
    let run = only_run(w).expect("a run");
    assert_eq!(tells(w, own, task, &nominal, OK, 0).answers, [Ok(())], "it did it by the one before");
    assert_eq!(tells(w, own, task, &nominal, OK, 1).answers, [Ok(())]);
    assert_eq!(w.run(run).run.counts.of(State::Ok), 1, "{:?}", w.run(run).run);
}

fn a_machine_that_says_nothing_is_unknown_until_its_late_word(w: &World) {
    let own = w.own(1);
    let task = keep(w, &json!({"window": {"longest_run": "10m"}}));
    look(w);
    takes(w, own);
    let nominal = hour_comes(w);
    let run = only_run(w).expect("a run");
    assert_eq!(w.run(run).run.counts.of(State::Started) + w.run(run).run.counts.of(State::Running), 1);
    w.clock.advance(HOUR * 3 / 4);
    w.work();
    assert!(w.walk(run, own.device).state.is_open(), "it may be without a connection");
    w.clock.advance(HOUR * 3 / 2);
    w.work();
    assert_eq!(w.walk(run, own.device).state, State::Unknown);
    assert_eq!(tells(w, own, task, &nominal, OK, 0).answers, [Ok(())]);
}

fn what_no_machine_said_to_hold_is_handed_out_as_ever_under_the_same_id(w: &World) {
    let own = w.own(1);
    let task = keep(w, &json!({}));
    look(w);
    give(w, own, "");
    let nominal = hour_comes(w);
    let first = AssignmentId::of_occurrence(task, 1, &nominal, own.agent);
    let handed = w.take(own);
    assert_eq!(handed.iter().map(|(it, _)| (it.assignment, it.attempt)).collect::<Vec<_>>(), [(first, 1)]);
    // It had taken the book after all, and began by it.
    assert_eq!(tells(w, own, task, &nominal, OK, 0).answers, [Ok(())]);
}

fn what_nobody_started_here_is_recorded_when_machines_tell_of_it(w: &World) {
    let (one, two) = (w.own(1), w.own(2));
    let task = keep(w, &json!({}));
    look(w);
    takes(w, one);
    takes(w, two);
    w.write(|tx, cx| brake::freeze(tx, cx, "for now"));
    let nominal = hour_comes(w);
    assert_eq!(only_run(w), None, "the brake is on");
    w.write(brake::release);
    for own in [one, two] {
        let early = tells(w, own, task, &nominal, OK, 0);
        assert_eq!((early.answers.as_slice(), early.later.len()), (&[Err(Refused::NotYet)][..], 1), "it is to be told again");
        assert_eq!(tells(w, own, task, &nominal, OK, 0).answers, [Ok(())]);
        assert_eq!(tells(w, own, task, &nominal, OK, 1).answers, [Ok(())]);
    }
    let run = only_run(w).expect("a run");
    let it = w.run(run).run;
    assert_eq!((it.targeted, it.counts.of(State::Ok)), (2, 2));
    // An occurrence that never was, and one of a version that nobody knows.
    let never = Nominal::Instant(Timestamp(w.engine.now().0 + 86_400_000));
    let odd = tells(w, one, task, &never, OK, 0);
    assert_eq!((odd.answers.as_slice(), odd.later.len()), (&[Err(Refused::Stale)][..], 0));
}

fn a_machine_that_is_a_target_no_more_joins_the_run_of_what_it_did(w: &World) {
    let (one, two) = (w.own(1), w.own(2));
    let task = keep(w, &json!({"targets": {"query": "device.tag != 'out'"}}));
    look(w);
    takes(w, one);
    takes(w, two);
    w.write(move |tx, cx| {
        let patch = muster_engine::fleet::DevicePatch { tag: Some("out".to_owned()), ..Default::default() };
        muster_engine::fleet::device_update(tx, cx, two.device, &patch, None)
    });
    look(w);
    let nominal = hour_comes(w);
    let run = only_run(w).expect("a run");
    assert_eq!(w.run(run).run.targeted, 1);
    assert_eq!(tells(w, two, task, &nominal, OK, 0).later.len(), 1);
    assert_eq!(tells(w, two, task, &nominal, OK, 0).answers, [Ok(())]);
    assert_eq!((w.run(run).run.targeted, w.run(run).run.late_joined), (2, 1));
}

fn a_book_that_was_lost_is_noticed_and_given_again(w: &World) {
    let own = w.own(1);
    keep(w, &json!({}));
    look(w);
    let given = takes(w, own);
    assert_eq!(agent(w, own).book_drifted, None);
    w.clock.advance(Duration::from_secs(600));
    assert_eq!(compare(w, own, "0000000000000000"), Compared::Drifted);
    let again = give(w, own, "0000000000000000");
    assert_eq!(again.digest, given.digest);
    assert_eq!(agent(w, own).book_drifted, Some(w.engine.now()));
    assert_eq!(again.entries[0].recurs.after, w.engine.now(), "what came before is not begun again");
    assert_eq!(compare(w, own, "0000000000000000"), Compared::Behind);
    takes(w, own);
}

fn who_may_not_keep_it_any_more_is_told_so(w: &World) {
    let own = w.own(1);
    let task = keep(w, &json!({}));
    look(w);
    let given = takes(w, own);
    let shut = Quarantine { since: w.engine.now(), by: "ann".to_owned(), reason: String::new() };
    let it = Agent { quarantine: Some(shut), ..agent(w, own) };
    w.write(move |tx, _| Ok(tx.agent_update(&it)?));
    w.clock.advance(Duration::from_secs(61));
    look(w);
    assert_eq!(compare(w, own, &given.digest), Compared::Behind);
    assert_eq!(give(w, own, &given.digest).entries, []);
    let found =
        w.engine.read_now(&w.cx, |rx, cx| Ok(rx.agents(cx.org, &AgentFilter::default(), &muster_core::page::PageRequest::default())?));
    assert_eq!(found.expect("agents").items.len(), 1);
    w.write(move |tx, cx| tasks::task_delete(tx, cx, task));
    assert_eq!(w.engine.read_now(&w.cx, move |rx, _| book::counts(rx, task)).expect("counts"), (0, 0));
}

fn a_book_from_which_a_task_was_taken_has_not_drifted(w: &World) {
    let own = w.own(1);
    let (one, two) = (keep(w, &json!({"name": "one"})), keep(w, &json!({"name": "two", "targets": {"query": "device.tag != 'out'"}})));
    look(w);
    let both = takes(w, own);
    assert_eq!(both.entries.len(), 2);
    w.write(move |tx, cx| {
        let patch = muster_engine::fleet::DevicePatch { tag: Some("out".to_owned()), ..Default::default() };
        muster_engine::fleet::device_update(tx, cx, own.device, &patch, None)
    });
    w.clock.advance(Duration::from_secs(61));
    look(w);
    assert_eq!(compare(w, own, &both.digest), Compared::Behind);
    let left = takes(w, own);
    assert_eq!(left.entries.iter().map(|entry| entry.row.task).collect::<Vec<_>>(), [one]);
    w.write(move |tx, cx| tasks::task_delete(tx, cx, two));
    assert_eq!(compare(w, own, &left.digest), Compared::Same);
    assert_eq!(agent(w, own).book_drifted, None);
}

fn a_schedule_out_of_action_is_kept_by_nobody(w: &World) {
    let (one, two) = (w.own(1), w.own(2));
    let task = keep(w, &json!({}));
    look(w);
    takes(w, one);
    takes(w, two);
    w.write(move |tx, cx| schedules::switch(tx, cx, task, ScheduleAct::Disable, ""));
    look(w);
    assert_eq!(give(w, one, "").entries.len(), 0);
    let nominal = hour_comes(w);
    assert_eq!(only_run(w), None);
    // The other one had not heard of it: what it did is recorded all the same.
    assert_eq!(tells(w, two, task, &nominal, OK, 0).later.len(), 1, "it is to be told again");
    assert_eq!(tells(w, two, task, &nominal, OK, 0).answers, [Ok(())]);
    assert_eq!(tells(w, two, task, &nominal, OK, 1).answers, [Ok(())]);
    let it = w.run(only_run(w).expect("a run")).run;
    assert_eq!((it.targeted, it.counts.of(State::Ok)), (1, 1));
    w.write(move |tx, cx| schedules::switch(tx, cx, task, ScheduleAct::Enable, ""));
    look(w);
    assert_eq!(takes(w, one).entries.len(), 1);
}

fn what_waits_in_the_book_keeps_nothing_from_being_handed_out(w: &World) {
    let own = w.own(1);
    for n in 0..5 {
        keep(w, &json!({"name": format!("kept {n}")}));
    }
    look(w);
    takes(w, own);
    hour_comes_for_many(w);
    let one = w.task(json!({"name": "now", "targets": {"all": true}, "steps": [script("only")]}));
    w.write(move |tx, cx| runs::run_start(tx, cx, one, &muster_engine::runs::Start::default()));
    w.work();
    assert_eq!(w.take(own).len(), 1, "five that it will begin by itself are not ahead of it");
}

fn hour_comes_for_many(w: &World) {
    w.clock.advance(HOUR);
    while w.write(schedules::look).more {}
    w.work();
}

fn what_a_machine_will_begin_by_its_book_is_not_taken_for_lost(w: &World) {
    let own = w.own(1);
    keep(w, &json!({}));
    look(w);
    let given = takes(w, own);
    hour_comes(w);
    let lost = |told: Option<&str>| {
        let (it, told) = (agent(w, own), told.map(str::to_owned));
        w.write(move |tx, cx| work::resume(tx, cx, &it, &[], told.as_deref()))
    };
    assert_eq!(lost(Some(&given.digest)), 0, "it holds the book");
    assert_eq!(lost(Some("0000000000000000")), 1, "it lost the book, and with it what it was to begin");
    let handed = w.write(move |tx, cx| {
        let ask = OwnContact { agent: own.agent, modules: vec!["run_script".to_owned()], max: 8, walks: true };
        contact::own_contacts(tx, cx, &[&ask])
    });
    assert_eq!(handed[0].as_ref().expect("an answer").claimed[0].claimed.attempt, 2);
}

fn a_book_is_given_anew_before_it_is_over_and_when_the_task_changes(w: &World) {
    let own = w.own(1);
    let task = keep(w, &json!({}));
    look(w);
    let first = takes(w, own);
    w.clock.advance(Duration::from_secs(86_400 * 11));
    look(w);
    let renewed = give(w, own, &first.digest);
    assert_eq!((renewed.entries[0].row.issue, renewed.entries[0].row.since), (2, first.entries[0].row.since));
    assert!(renewed.entries[0].row.valid > first.entries[0].row.valid);
    let changed =
        json!({"name": "kept", "targets": {"all": true}, "schedule": {"every": "2h", "offline": true}, "steps": [script("only")]});
    w.write(move |tx, cx| tasks::task_update(tx, cx, task, &changed, None));
    look(w);
    let next = give(w, own, &renewed.digest);
    assert_eq!((next.entries[0].row.version, next.entries[0].row.issue, next.entries[0].course.legs.len()), (2, 3, 1));
    let by_hand = json!({"name": "kept", "targets": {"all": true}, "steps": [script("only")]});
    w.write(move |tx, cx| tasks::task_update(tx, cx, task, &by_hand, None));
    look(w);
    assert_eq!(give(w, own, &next.digest).entries, []);
}

fn more_machines_than_may_begin_unattended_keep_nothing(w: &World) {
    let own: Vec<Own> = (1..=3).map(|n| w.own(n)).collect();
    let settings = json!({"size_guard": 2}).as_object().cloned().expect("keys");
    w.write(move |tx, cx| muster_engine::access::settings_update(tx, cx, &settings, None));
    let task = keep(w, &json!({}));
    look(w);
    assert_eq!(give(w, own[0], "").entries, []);
    w.write(move |tx, cx| schedules::approve(tx, cx, task, Some(3)));
    w.clock.advance(Duration::from_secs(61));
    look(w);
    assert_eq!(give(w, own[0], "").entries.len(), 1);
}
