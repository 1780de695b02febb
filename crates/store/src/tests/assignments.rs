//! Assignments and attempts: making, saving, counting, the queue, wake-ups, what stays after a deletion.

use super::house::{HERE, NOW, THERE, all_pages, device, id, later, new_agent, orgs, read, run, step, task, write};
use super::world::{World, on_all};
use crate::inline::Dice;
use crate::{AssignmentFilter, Heard, NewAssignment};
use muster_core::fleet::{Evidence, EvidenceKind, Protocol, WakeOutcome, WakeTry};
use muster_core::ids::{AgentId, AssignmentId, DeviceId, RunId, TaskId};
use muster_core::page::PageRequest;
use muster_core::tasks::state::{Actor, Input};
use muster_core::tasks::{AssignmentRecord, AttemptState, Change, Counts, Delivery, DueWake, Outcome, Run, RunState, State, decide};
use muster_core::time::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

on_all! {
    making_assignments_twice_is_the_same_as_once
    random_decisions_leave_counters_rows_and_record_in_agreement
    an_attempt_keeps_what_its_agent_said
    a_hand_out_after_the_end_of_its_time_is_counted
    how_long_an_action_took_is_read_from_runs_that_ended
    assignments_are_narrowed_by_every_filter
    the_queue_goes_by_priority_then_age
    lapsed_leases_come_oldest_first
    a_push_waits_only_while_it_is_prepared
    starts_and_ends_are_counted_by_hour
    a_wake_up_is_taken_by_one
    a_wake_up_is_recorded_until_the_agent_comes
    the_assignments_of_a_deleted_device_stay
    nothing_of_the_queue_is_seen_from_another_organization
}

/// Devices 10 to 12 with agents, task 50 with run 60 (two steps), assignments 70 to 72 of step 0 and 80 to 82 of step 1.
fn furnish(w: &World) {
    orgs(w);
    write(w, |tx| {
        for (n, name) in [(10, "alpha"), (11, "Beta"), (12, "gamma")] {
            device(tx, n, name)?;
        }
        let t = task(50, "Scan");
        tx.task_insert(&t)?;
        tx.run_insert(&run(60, &t, 3), &[step(60, 0), step(60, 1)], &[])?;
        for (index, first) in [(0, 70), (1, 80)] {
            tx.assignments_insert(HERE, RunId(id(60)), index, 5, NOW, &new(first))?;
        }
        tx.run_update(&Run { state: RunState::Waiting, made: 3, ..run(60, &t, 3) })
    });
}

fn new(first: u128) -> Vec<NewAssignment> {
    (0..3)
        .map(|i| NewAssignment {
            id: AssignmentId(id(first + i)),
            device: DeviceId(id(10 + i)),
            from: NOW,
            not_after: None,
            round: 1,
            replaces: None,
        })
        .collect()
}

fn actor(n: u128) -> Actor {
    Actor { agent: AgentId(id(n + 1000)), incarnation: 1 }
}

fn claim(n: u128, lease: Timestamp) -> Input {
    Input::Claim { actor: actor(n), lease, lead: Duration::ZERO }
}

/// Loads an assignment, decides and saves; gives it as it was and what was decided, if anything.
fn apply(w: &World, n: u128, input: Input, at: Timestamp) -> Option<(AssignmentRecord, Change)> {
    write(w, move |tx| {
        let before = tx.assignments_for_update(&[AssignmentId(id(n)), AssignmentId(id(n)), AssignmentId(id(999))])?.pop().unwrap();
        let Ok(decision) = decide(&before.state, input, at) else { return Ok(None) };
        let ended = matches!(input, Input::Ended { .. });
        let change = Change {
            before: before.clone(),
            after: decision.next,
            attempt: decision.attempt,
            exit_code: ended.then_some(3),
            output: ended.then(|| "out".to_owned()),
            message: None,
            data: json!({"n": 1}),
            lead: muster_core::tasks::Lead::No,
            at,
        };
        assert_eq!(tx.save(std::slice::from_ref(&change))?, BTreeMap::from([(RunId(id(60)), HERE)]));
        Ok(Some((before, change)))
    })
}

fn totals(w: &World) -> Counts {
    read(w, |rx| Ok(rx.run_counts(RunId(id(60)))?.iter().fold(Counts::default(), |all, (_, c)| all.plus(c))))
}

fn making_assignments_twice_is_the_same_as_once(w: &World) {
    furnish(w);
    assert_eq!((totals(w).of(State::Prepared), totals(w).total()), (6, 6));
    // The same devices under other ids, as a command that is run again makes them.
    let made = write(w, |tx| {
        let again = tx.assignments_insert(HERE, RunId(id(60)), 0, 5, NOW, &new(90))?;
        Ok((again, tx.assignments_insert(HERE, RunId(id(60)), 0, 5, NOW, &[])?))
    });
    assert_eq!((made, totals(w).total()), ((0, 0), 6));
    assert_eq!(read(w, |rx| rx.assignment(HERE, AssignmentId(id(90)))), None);
}

fn random_decisions_leave_counters_rows_and_record_in_agreement(w: &World) {
    furnish(w);
    let dice = &mut Dice(5);
    let (mut events, mut attempts, mut now) = (0, 0, NOW);
    for _ in 0..400 {
        now = Timestamp(now.0 + i64::try_from(dice.below(40_000)).unwrap());
        let (n, who) = (u128::from(70 + dice.below(2) * 10 + dice.below(3)), actor(10 + u128::from(dice.below(2))));
        let (attempt, lease) = (u32::try_from(dice.below(3)).unwrap(), now.plus(std::time::Duration::from_secs(60)));
        let input = match dice.below(12) {
            0..4 => Input::Claim { actor: who, lease, lead: Duration::ZERO },
            4..6 => Input::Began { attempt, actor: who, lease },
            6 => Input::Ended { attempt, actor: who, outcome: Outcome::Ok },
            7 => Input::Ended { attempt, actor: who, outcome: Outcome::Error },
            8 if dice.below(8) == 0 => Input::Cancel,
            _ => Input::Time,
        };
        let Some((before, change)) = apply(w, n, input, now) else { continue };
        events += usize::from(before.state.status.state() != change.after.status.state());
        attempts += usize::from(change.attempt == Some(AttemptState::Started));
        let row = read(w, move |rx| rx.assignment(HERE, AssignmentId(id(n)))).unwrap();
        assert_eq!(row.record.state, change.after, "what was decided is what is read");
        assert_eq!(row.record.updated, now);
    }
    assert!(events > 20 && attempts > 6, "{events} events of {attempts} attempts say little");
    let counts = read(w, |rx| rx.run_counts(RunId(id(60))));
    for (step, counted) in counts {
        let mut rows = Counts::default();
        for row in all_pages(w, 9, "created", |rx, p| rx.assignments(HERE, &AssignmentFilter::default(), p)) {
            rows.add(row.record.state.status.state(), i64::from(row.record.step == step));
        }
        assert_eq!(counted, rows, "step {step}");
    }
    let of_all = |f: fn(&mut crate::Rx, AssignmentId) -> Result<usize, crate::Fault>| -> usize {
        [70, 71, 72, 80, 81, 82].into_iter().map(|n| read(w, move |rx| f(rx, AssignmentId(id(n))))).sum()
    };
    assert_eq!(of_all(|rx, n| rx.assignment_events(n).map(|e| e.len())), events);
    assert_eq!(of_all(|rx, n| rx.attempts(n).map(|a| a.len())), attempts);
}

fn an_attempt_keeps_what_its_agent_said(w: &World) {
    furnish(w);
    let who = actor(10);
    apply(w, 70, claim(10, later(60)), NOW);
    apply(w, 70, Input::Began { attempt: 1, actor: who, lease: later(90) }, later(1));
    apply(w, 70, Input::Began { attempt: 1, actor: who, lease: later(120) }, later(2));
    let row = read(w, |rx| rx.assignment(HERE, AssignmentId(id(70)))).unwrap();
    assert_eq!((row.record.started, row.record.exit_code, row.device_name.as_str()), (Some(NOW), None, "alpha"));
    assert_eq!((row.task, row.task_name.as_str(), row.step_name.as_str()), (TaskId(id(50)), "Scan", "step-0"));
    assert_eq!((row.actor_protocol.as_deref(), row.run_state, row.delivery), (Some("glpi"), RunState::Waiting, Delivery::Pull));
    apply(w, 70, Input::Ended { attempt: 1, actor: who, outcome: Outcome::Error }, later(3));
    apply(w, 70, claim(11, later(200)), later(100));
    let all = read(w, |rx| rx.attempts(AssignmentId(id(70))));
    let first = &all[0];
    assert_eq!((first.no, first.agent, first.incarnation, first.state), (1, who.agent, 1, AttemptState::Error));
    assert_eq!((first.handed, first.begun, first.ended, first.lease), (NOW, Some(later(1)), Some(later(3)), later(120)));
    assert_eq!((first.exit_code, first.output.as_deref(), first.message.as_deref()), (Some(3), Some("out"), None));
    assert_eq!((all[1].no, all[1].agent, all[1].state, all[1].ended), (2, actor(11).agent, AttemptState::Started, None));
    let record = read(w, |rx| rx.assignment_events(AssignmentId(id(70))));
    let kinds: Vec<_> = record.iter().map(|e| (e.kind.as_str(), e.attempt)).collect();
    assert_eq!(kinds, [("started", Some(1)), ("running", Some(1)), ("prepared", Some(1)), ("started", Some(2))]);
    assert_eq!(read(w, |rx| rx.assignment(HERE, AssignmentId(id(70)))).unwrap().record.exit_code, Some(3));
}

/// No rule makes such a change; the count is what proves it.
fn a_hand_out_after_the_end_of_its_time_is_counted(w: &World) {
    furnish(w);
    let timed = |n: u128| NewAssignment {
        id: AssignmentId(id(n)),
        device: DeviceId(id(n)),
        from: NOW,
        not_after: Some(later(60)),
        round: 1,
        replaces: None,
    };
    write(w, move |tx| tx.assignments_insert(HERE, RunId(id(60)), 0, 5, NOW, &[timed(90), timed(91)]).map(|_| ()));
    for (n, at) in [(90, later(59)), (91, later(60))] {
        write(w, move |tx| {
            let before = tx.assignments_for_update(&[AssignmentId(id(n))])?.pop().unwrap();
            let decision = decide(&before.state, claim(10, later(120)), NOW).unwrap();
            let (attempt, after) = (decision.attempt, decision.next);
            let change = Change {
                before,
                after,
                attempt,
                exit_code: None,
                output: None,
                message: None,
                data: json!({}),
                lead: muster_core::tasks::Lead::No,
                at,
            };
            tx.save(&[change]).map(|_| ())
        });
    }
    assert_eq!(read(w, |rx| rx.run(HERE, RunId(id(60)))).map(|r| r.handed_late), Some(1));
}

fn how_long_an_action_took_is_read_from_runs_that_ended(w: &World) {
    furnish(w);
    for (n, took) in [(70, 5), (71, 9)] {
        apply(w, n, claim(10, later(600)), later(100)).unwrap();
        apply(w, n, Input::Ended { attempt: 1, actor: actor(10), outcome: Outcome::Ok }, later(100 + took)).unwrap();
    }
    assert_eq!(read(w, |rx| rx.took(HERE, "inventory", 10)), [], "it goes on");
    let t = task(50, "scan");
    write(w, move |tx| tx.run_update(&Run { state: RunState::Finished, made: 3, ..run(60, &t, 3) }));
    let mut took = read(w, |rx| rx.took(HERE, "inventory", 10));
    took.sort_unstable();
    assert_eq!(took, [Duration::from_secs(5), Duration::from_secs(9)]);
    assert_eq!(read(w, |rx| rx.took(HERE, "inventory", 1)).len(), 1);
    assert_eq!(read(w, |rx| rx.took(HERE, "ip_configuration", 10)), []);
    assert_eq!(read(w, |rx| rx.run_open(RunId(id(60)), 10)).len(), 4);
    assert_eq!(read(w, |rx| rx.run_open(RunId(id(60)), 1)).len(), 1);
}

fn assignments_are_narrowed_by_every_filter(w: &World) {
    furnish(w);
    apply(w, 70, claim(10, later(60)), NOW);
    apply(w, 71, claim(11, later(60)), NOW);
    apply(w, 70, Input::Ended { attempt: 1, actor: actor(10), outcome: Outcome::Ok }, later(1));
    apply(w, 71, Input::Cancel, later(1));
    write(w, |tx| tx.task_insert(&task(51, "other")));
    let filter = AssignmentFilter::default;
    let text = |t: &str| Some(t.to_owned());
    let ids = |all: &[u128]| Some(all.iter().map(|n| AssignmentId(id(*n))).collect());
    let cases: Vec<(&str, AssignmentFilter, &[u128])> = vec![
        ("all", filter(), &[70, 71, 72, 80, 81, 82]),
        ("ids", AssignmentFilter { ids: ids(&[82, 70, 99]), ..filter() }, &[70, 82]),
        ("no ids", AssignmentFilter { ids: ids(&[]), ..filter() }, &[]),
        ("open", AssignmentFilter { open: true, ..filter() }, &[71, 72, 80, 81, 82]),
        ("not asked", AssignmentFilter { open: true, not_asked: true, ..filter() }, &[72, 80, 81, 82]),
        ("states", AssignmentFilter { states: vec![State::Ok, State::Started], ..filter() }, &[70, 71]),
        ("run", AssignmentFilter { run: Some(RunId(id(60))), states: vec![State::Ok], ..filter() }, &[70]),
        ("other run", AssignmentFilter { run: Some(RunId(id(61))), ..filter() }, &[]),
        ("task", AssignmentFilter { task: Some(TaskId(id(50))), device: Some(DeviceId(id(11))), ..filter() }, &[71, 81]),
        ("other task", AssignmentFilter { task: Some(TaskId(id(51))), ..filter() }, &[]),
        ("device's name", AssignmentFilter { q: text("bETA"), ..filter() }, &[71, 81]),
        ("task's name", AssignmentFilter { q: text("scan"), open: true, ..filter() }, &[71, 72, 80, 81, 82]),
        ("no pattern", AssignmentFilter { q: text("%"), ..filter() }, &[]),
    ];
    for (what, filter, expected) in cases {
        for sort in ["created", "-created"] {
            let f = filter.clone();
            let mut found: Vec<u128> =
                all_pages(w, 2, sort, move |rx, p| rx.assignments(HERE, &f, p)).iter().map(|r| r.record.id.0.as_u128()).collect();
            if sort == "-created" {
                found.reverse();
            }
            assert_eq!(found, expected, "{what}");
        }
        let (count, listed) = read(w, move |rx| Ok((rx.assignments_count(HERE, &filter)?, rx.assignment_ids(HERE, &filter, 2)?)));
        let first: Vec<AssignmentId> = expected.iter().take(2).map(|n| AssignmentId(id(*n))).collect();
        assert_eq!((count, listed), (i64::try_from(expected.len()).unwrap(), first), "{what}");
    }
}

fn the_queue_goes_by_priority_then_age(w: &World) {
    furnish(w);
    write(w, |tx| {
        let t = task(50, "Scan");
        tx.run_insert(&run(61, &t, 3), &[step(61, 0)], &[])?;
        tx.assignments_insert(HERE, RunId(id(61)), 0, 0, NOW, &new(100))
    });
    apply(w, 70, Input::Cancel, NOW);
    let open = |each| read(w, move |rx| rx.open_of(DeviceId(id(10)), NOW, None, each)).iter().map(|a| a.id.0.as_u128()).collect::<Vec<_>>();
    assert_eq!((open(9), open(1)), (vec![100, 80], vec![100]));
    let queue = AssignmentFilter { open: true, ..AssignmentFilter::default() };
    for (sort, expected) in [("priority", [100, 101, 102, 71, 72, 80, 81, 82]), ("-priority", [82, 81, 80, 72, 71, 102, 101, 100])] {
        let queue = queue.clone();
        let found = all_pages(w, 3, sort, move |rx, p| rx.assignments(HERE, &queue, p));
        assert_eq!(found.iter().map(|r| r.record.id.0.as_u128()).collect::<Vec<_>>(), expected);
    }
    let counts = read(w, |rx| rx.open_counts(HERE));
    assert_eq!((counts.of(State::Prepared), counts.total()), (8, 8));
    write(w, |tx| tx.run_update(&Run { state: RunState::Finished, ..run(61, &task(50, "Scan"), 3) }));
    assert_eq!(read(w, |rx| rx.open_counts(HERE)).total(), 5, "a finished run has nothing open");
}

fn lapsed_leases_come_oldest_first(w: &World) {
    furnish(w);
    for (n, lease) in [(70, 30), (71, 20), (72, 20), (80, 40)] {
        apply(w, n, claim(10, later(lease)), NOW);
    }
    let lapsed = |at, limit| read(w, move |rx| rx.timed_out(at, limit)).iter().map(|a| a.0.as_u128()).collect::<Vec<_>>();
    assert_eq!((lapsed(later(19), 9), lapsed(later(20), 9), lapsed(later(30), 9)), (vec![], vec![71, 72], vec![71, 72, 70]));
    assert_eq!(lapsed(later(99), 1), [71]);
    apply(w, 71, Input::Time, later(20));
    apply(w, 72, Input::Ended { attempt: 1, actor: actor(10), outcome: Outcome::Ok }, later(20));
    assert_eq!(lapsed(later(99), 9), [70, 80], "what has no lease cannot lapse");
}

fn a_push_waits_only_while_it_is_prepared(w: &World) {
    furnish(w);
    let waits = |n| read(w, move |rx| rx.push_waits(DeviceId(id(n))));
    assert!(!waits(10), "the run waits for agents to come");
    write(w, |tx| {
        let t = task(50, "Scan");
        tx.run_insert(&Run { delivery: Delivery::Push, ..run(61, &t, 1) }, &[step(61, 0)], &[])?;
        let one =
            NewAssignment { id: AssignmentId(id(100)), device: DeviceId(id(10)), from: NOW, not_after: None, round: 1, replaces: None };
        tx.assignments_insert(HERE, RunId(id(61)), 0, 5, NOW, &[one])
    });
    assert!(waits(10) && !waits(11));
    write(w, |tx| {
        let before = tx.assignments_for_update(&[AssignmentId(id(100))])?.pop().unwrap();
        let decision = decide(&before.state, claim(10, later(60)), NOW).unwrap();
        let (after, attempt) = (decision.next, decision.attempt);
        tx.save(&[Change {
            before,
            after,
            attempt,
            exit_code: None,
            output: None,
            message: None,
            data: json!({}),
            lead: muster_core::tasks::Lead::No,
            at: NOW,
        }])
    });
    assert!(!waits(10));
}

fn starts_and_ends_are_counted_by_hour(w: &World) {
    furnish(w);
    const HOUR: i64 = 3_600_000;
    let base = Timestamp(NOW.0 / HOUR * HOUR + HOUR);
    let at = move |minutes: i64| Timestamp(base.0 + minutes * 60_000);
    for (n, began, ended) in [(70, 0, 59), (71, 10, 70), (72, 59, 61)] {
        apply(w, n, claim(10, at(300)), at(began));
        apply(w, n, Input::Ended { attempt: 1, actor: actor(10), outcome: Outcome::Ok }, at(ended));
    }
    let all = read(w, move |rx| rx.events_by_hour(HERE, base));
    let row = |hour: i64, kind: &str, count| (base.0 + hour * HOUR, kind.to_owned(), count);
    assert_eq!(all, [row(0, "ok", 1), row(0, "started", 3), row(1, "ok", 2)]);
    assert_eq!(read(w, move |rx| rx.events_by_hour(HERE, at(60))), [row(1, "ok", 2)]);
    write(w, move |tx| tx.run_update(&Run { state: RunState::Finished, ended: Some(at(70)), ..run(60, &task(50, "Scan"), 3) }));
    assert_eq!(read(w, move |rx| rx.events_by_hour(HERE, at(60))), [row(1, "ok", 2)], "it ended within the time asked for");
}

fn due(n: u128, tries: u32) -> DueWake {
    DueWake { agent: AgentId(id(n)), org: HERE, tries, anyway: false }
}

fn a_wake_up_is_taken_by_one(w: &World) {
    furnish(w);
    write(w, |tx| {
        tx.wakes_insert(HERE, &[AgentId(id(1011)), AgentId(id(1010))], later(10), false)?;
        tx.wakes_insert(HERE, &[AgentId(id(1012))], later(5), false)
    });
    let wakes = |at, limit| read(w, move |rx| rx.wakes_due(at, limit));
    assert_eq!((wakes(later(4), 9), wakes(later(10), 9)), (vec![], vec![due(1012, 0), due(1010, 0), due(1011, 0)]));
    assert_eq!(wakes(later(10), 1), [due(1012, 0)]);
    let take = |wake: DueWake| write(w, move |tx| tx.wake_take(&wake, later(10), later(40)));
    assert_eq!((take(due(1010, 0)), take(due(1010, 0)), take(due(1010, 1)), take(due(9, 0))), (true, false, false, false));
    assert_eq!(wakes(later(39), 9), [due(1012, 0), due(1011, 0)]);
    assert_eq!(wakes(later(40), 9), [due(1012, 0), due(1011, 0), due(1010, 1)]);
    write(w, |tx| {
        tx.wake_drop(AgentId(id(1012)))?;
        tx.wakes_insert(HERE, &[AgentId(id(1010))], later(12), false)
    });
    assert_eq!(wakes(later(12), 9), [due(1011, 0), due(1010, 0)], "asked for again, it begins anew");
}

fn a_wake_up_is_recorded_until_the_agent_comes(w: &World) {
    furnish(w);
    let tried = |n: u128, outcome| WakeTry { id: id(n), at: later(n as u64), outcome, detail: format!("try {n}") };
    let all = [tried(1, WakeOutcome::Timeout), tried(2, WakeOutcome::Busy), tried(3, WakeOutcome::Ok)];
    let kept = all.clone();
    write(w, move |tx| {
        tx.wakes_insert(HERE, &[AgentId(id(1010))], NOW, false)?;
        kept.iter().try_for_each(|t| tx.wake_record(HERE, AgentId(id(1010)), t, Some(later(50))))?;
        tx.wake_record(HERE, AgentId(id(9)), &tried(4, WakeOutcome::Ok), None)
    });
    for sort in ["-at", "at"] {
        let found = all_pages(w, 1, sort, |rx, p| rx.wakes(AgentId(id(1010)), p));
        assert_eq!(found, all.iter().rev().cloned().collect::<Vec<_>>(), "{sort}");
    }
    let last = read(w, |rx| rx.agent(AgentId(id(1010)))).unwrap().last_wake;
    assert_eq!(last, Some((later(3), WakeOutcome::Ok, "try 3".to_owned())));
    let waits = |w: &World| read(w, |rx| rx.wakes_due(later(50), 9)).len();
    let heard = |at| Heard {
        agent: AgentId(id(1010)),
        device: DeviceId(id(10)),
        at,
        next: None,
        address: None,
        version: None,
        inventory: false,
        clock_offset: None,
    };
    write(w, move |tx| tx.heard(&[heard(Timestamp(NOW.0 - 1))]));
    assert_eq!(waits(w), 1, "it came before it was asked");
    write(w, move |tx| tx.heard(&[heard(NOW)]));
    assert_eq!(waits(w), 0);
    let last = tried(5, WakeOutcome::Refused);
    write(w, move |tx| {
        tx.wakes_insert(HERE, &[AgentId(id(1010))], NOW, false).and_then(|()| tx.wake_record(HERE, AgentId(id(1010)), &last, None))
    });
    assert_eq!(waits(w), 0, "the tries are over");
}

fn the_assignments_of_a_deleted_device_stay(w: &World) {
    furnish(w);
    apply(w, 70, claim(10, later(60)), NOW);
    write(w, |tx| {
        tx.evidence_replace(HERE, AgentId(id(1010)), &[Evidence { kind: EvidenceKind::Mac, value: "m".to_owned() }])?;
        tx.wakes_insert(HERE, &[AgentId(id(1010))], NOW, false)?;
        let tried = WakeTry { id: id(1), at: NOW, outcome: WakeOutcome::Ok, detail: String::new() };
        tx.wake_record(HERE, AgentId(id(1010)), &tried, Some(NOW))?;
        tx.agent_insert(&new_agent(2010, 10, Protocol::Ocs), NOW)
    });
    assert_eq!(write(w, |tx| Ok((tx.device_delete(HERE, DeviceId(id(10)))?, tx.device_delete(HERE, DeviceId(id(10)))?))), (true, false));
    let row = read(w, |rx| rx.assignment(HERE, AssignmentId(id(70)))).unwrap();
    assert_eq!((row.device_name.as_str(), row.actor_protocol, row.record.state.attempt), ("", None, 1));
    assert_eq!(read(w, |rx| rx.attempts(AssignmentId(id(70)))).len(), 1);
    assert_eq!(read(w, |rx| rx.open_ids(DeviceId(id(10)), 9)).len(), 2, "what is open is ended by who deletes it");
    read(w, |rx| {
        assert_eq!((rx.device(HERE, DeviceId(id(10)))?, rx.agents_of(DeviceId(id(10)))?), (None, vec![]));
        assert_eq!((rx.evidence_of(DeviceId(id(10)))?, rx.wakes_due(later(99), 9)?), (vec![], vec![]));
        assert_eq!(rx.wakes(AgentId(id(1010)), &PageRequest::default())?.items, []);
        Ok(())
    });
    assert_eq!(w.store.integrity(), Ok(vec![]));
}

fn nothing_of_the_queue_is_seen_from_another_organization(w: &World) {
    furnish(w);
    let all = AssignmentFilter::default();
    read(w, move |rx| {
        assert!(rx.assignments(THERE, &all, &PageRequest::default())?.items.is_empty());
        assert_eq!((rx.assignments_count(THERE, &all)?, rx.assignment_ids(THERE, &all, 9)?), (0, vec![]));
        assert_eq!(rx.assignment(THERE, AssignmentId(id(70)))?, None);
        Ok(())
    });
}
