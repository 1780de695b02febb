//! Walks, server jobs, and the rows of steps that are done again or left out.

use super::house::{HERE, NOW, device, id, later, orgs, read, run, step, task, write};
use super::world::{World, on_all};
use crate::NewAssignment;
use muster_core::fleet::Protocol;
use muster_core::ids::{AssignmentId, DeviceId, RunId};
use muster_core::page::PageRequest;
use muster_core::tasks::job::{StepResult, Trail};
use muster_core::tasks::{Counts, JobPhase, JobRecord, Mode, Run, RunStep, State, Walk};

on_all! {
    a_run_of_several_steps_counts_its_walks
    walks_are_saved_found_and_counted
    a_step_that_is_done_again_counts_once
    what_is_left_out_is_written_once_with_its_event
    a_server_job_is_found_when_it_is_due
    devices_without_an_able_agent_are_counted
}

const RUN: RunId = RunId(uuid::Uuid::from_u128(60));

/// Run 60 of two steps over three targets.
fn started(w: &World) {
    orgs(w);
    let it = Run { mode: Mode::ServerJob, walked: true, ..run(60, &task(50, "job"), 3) };
    let steps = [RunStep { walked: true, ..step(60, 0) }, RunStep { walked: true, ..step(60, 1) }];
    let devices: Vec<DeviceId> = (10..13).map(|n| DeviceId(id(n))).collect();
    write(w, move |tx| tx.task_insert(&task(50, "job")).and_then(|_| tx.run_insert(&it, &steps, &devices)));
}

fn walk(n: u128, state: State) -> Walk {
    Walk {
        run: RUN,
        device: DeviceId(id(n)),
        state,
        step: -1,
        round: 0,
        not_before: NOW,
        not_after: Some(later(60)),
        trail: Trail::default(),
        led: None,
        updated: NOW,
    }
}

fn counts(list: &[(State, i64)]) -> Counts {
    let mut counts = Counts::default();
    list.iter().for_each(|(state, n)| counts.add(*state, *n));
    counts
}

fn new(n: u128, device: u128, round: u32, replaces: Option<State>) -> NewAssignment {
    NewAssignment { id: AssignmentId(id(n)), device: DeviceId(id(device)), from: NOW, not_after: None, round, replaces }
}

fn a_run_of_several_steps_counts_its_walks(w: &World) {
    started(w);
    write(w, |tx| {
        tx.walks_insert(RUN, &[walk(10, State::Prepared), walk(11, State::Prepared), walk(12, State::Cancelled)])?;
        // Once more is the same as once.
        tx.walks_insert(RUN, &[walk(10, State::Ok)])?;
        tx.assignments_insert(HERE, RUN, 0, 5, NOW, &[new(70, 10, 1, None), new(71, 11, 1, None)])?;
        let Some(mut it) = tx.run_for_update(HERE, RUN)? else { return Ok(()) };
        it.made = 3;
        tx.run_update(&it)
    });
    let it = read(w, |rx| rx.run(HERE, RUN)).expect("the run");
    assert_eq!((it.mode, it.walked), (Mode::ServerJob, true));
    assert_eq!(it.counts, counts(&[(State::Prepared, 2), (State::Cancelled, 1)]));
    let steps = read(w, |rx| rx.run_counts(RUN));
    assert_eq!(steps, [(0, counts(&[(State::Prepared, 2)])), (1, Counts::default())]);
    assert_eq!(read(w, |rx| Ok((rx.run_in_flight(RUN)?, rx.open_counts(HERE)?))), (0, counts(&[(State::Prepared, 2)])));
}

fn walks_are_saved_found_and_counted(w: &World) {
    started(w);
    write(w, |tx| tx.walks_insert(RUN, &[walk(10, State::Prepared), walk(11, State::Prepared), walk(12, State::Prepared)]));
    let results = [("a".to_owned(), StepResult { exit_code: Some(3), ..StepResult::new(State::Error) })].into();
    let trail = Trail { results, back: Some("a".to_owned()), ..Trail::default() };
    let led = Some(muster_core::tasks::Led {
        agent: muster_core::ids::AgentId(uuid::Uuid::from_u128(9)),
        incarnation: 2,
        conditions: vec![None, Some(muster_core::tasks::job::guard::Bound::Known(true))],
        goes_on: true,
        by_book: false,
    });
    let saved = Walk { state: State::Error, step: 1, round: 2, trail, led, updated: later(1), ..walk(11, State::Prepared) };
    let kept = saved.clone();
    write(w, move |tx| tx.walks_save(RUN, later(1), &[(State::Prepared, kept.clone())]));
    assert_eq!(read(w, |rx| rx.walk(RUN, DeviceId(id(11)))), Some(saved.clone()));
    assert_eq!(read(w, |rx| rx.walk(RUN, DeviceId(id(19)))), None);
    assert_eq!(read(w, |rx| rx.walks_counted(RUN)), counts(&[(State::Prepared, 2), (State::Error, 1)]));
    assert_eq!(read(w, |rx| rx.walk_devices(RUN, &[State::Error, State::Unknown])), [DeviceId(id(11))]);
    let page = read(w, |rx| rx.walks(RUN, &[State::Error], &PageRequest::default()));
    assert_eq!(page.items, [(saved, String::new())]);
    let open = write(w, |tx| tx.walks_open(RUN, None, 10));
    assert_eq!(open.iter().map(|walk| walk.device).collect::<Vec<_>>(), [DeviceId(id(10)), DeviceId(id(12))]);
    let after = write(w, |tx| tx.walks_open(RUN, Some(DeviceId(id(10))), 10));
    assert_eq!(after.len(), 1);
    assert_eq!(write(w, |tx| tx.walks_for_update(RUN, &[DeviceId(id(12)), DeviceId(id(19))])).len(), 1);
}

fn a_step_that_is_done_again_counts_once(w: &World) {
    started(w);
    write(w, |tx| {
        tx.assignments_insert(HERE, RUN, 0, 5, NOW, &[new(70, 10, 1, None)])?;
        tx.assignments_insert(HERE, RUN, 0, 5, NOW, &[new(71, 10, 2, Some(State::Prepared)), new(72, 10, 2, None)])
    });
    // The third has the round of the second: it is not made, and nothing is counted for it.
    assert_eq!(read(w, |rx| rx.run_counts(RUN))[0].1, counts(&[(State::Prepared, 1)]));
    let rounds: Vec<u32> = write(w, |tx| tx.assignments_for_update(&[AssignmentId(id(70)), AssignmentId(id(71)), AssignmentId(id(72))]))
        .iter()
        .map(|record| record.round)
        .collect();
    assert_eq!(rounds, [1, 2]);
    assert_eq!(read(w, |rx| rx.step_open(RUN, 0, 10)), [AssignmentId(id(70)), AssignmentId(id(71))]);
    assert_eq!(read(w, |rx| rx.step_open(RUN, 1, 10)), []);
}

fn what_is_left_out_is_written_once_with_its_event(w: &World) {
    started(w);
    for _ in 0..2 {
        write(w, |tx| tx.assignments_skip((HERE, RUN), 1, 5, NOW, &[(AssignmentId(id(80)), DeviceId(id(10)))]));
    }
    assert_eq!(read(w, |rx| rx.run_counts(RUN))[1].1, counts(&[(State::Skipped, 1)]));
    let events = read(w, |rx| rx.assignment_events(AssignmentId(id(80))));
    assert_eq!(events.iter().map(|e| e.kind.as_str()).collect::<Vec<_>>(), ["skipped"]);
}

fn a_server_job_is_found_when_it_is_due(w: &World) {
    started(w);
    let it = JobRecord {
        run: RUN,
        org: HERE,
        phase: JobPhase::Moving,
        step: 0,
        round: 1,
        reached: Some(DeviceId(id(10))),
        since: NOW,
        due: Some(later(5)),
        trail: Trail::default(),
    };
    let made = it.clone();
    write(w, move |tx| tx.job_save(&made));
    assert_eq!(
        read(w, |rx| Ok((rx.job(RUN)?, rx.jobs_due(later(4), 9)?, rx.jobs_due(later(5), 9)?))),
        (Some(it.clone()), vec![], vec![RUN])
    );
    let waits = JobRecord { phase: JobPhase::Ending(State::Error), due: None, ..it.clone() };
    let saved = waits.clone();
    write(w, move |tx| tx.job_save(&saved));
    assert_eq!(write(w, |tx| tx.job_for_update(RUN)), Some(waits.clone()));
    assert_eq!(read(w, |rx| rx.jobs_due(later(99), 9)), []);
    write(w, |tx| tx.job_nudge(RUN, later(7)));
    assert_eq!(read(w, |rx| rx.jobs_due(later(7), 9)), [RUN]);
    write(w, move |tx| tx.job_end(&waits));
    write(w, |tx| tx.job_nudge(RUN, later(8)));
    assert_eq!(read(w, |rx| Ok((rx.jobs_due(later(99), 9)?, rx.job(RUN)?.map(|j| j.phase)))), (vec![], Some(JobPhase::Done)));
}

fn devices_without_an_able_agent_are_counted(w: &World) {
    orgs(w);
    write(w, |tx| device(tx, 10, "pc-1").and_then(|()| device(tx, 11, "pc-2")));
    let ids = [DeviceId(id(10)), DeviceId(id(11))];
    assert_eq!(read(w, move |rx| rx.devices_without(&ids, &[Protocol::Muster])), 2);
    assert_eq!(read(w, move |rx| rx.devices_without(&ids, &[Protocol::Muster, Protocol::Glpi])), 0);
}
