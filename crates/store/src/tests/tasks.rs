//! Tasks and runs: versions, snapshots, numbers.

use super::house::{HERE, NOW, THERE, all_pages, device, id, later, orgs, read, run, step, task, write};
use super::world::{World, on_all};
use crate::{Fault, NewAssignment, RunFilter, SNAPSHOT_CHUNK};
use muster_core::ids::{AssignmentId, DeviceId, RunId, TaskId};
use muster_core::tasks::state::Status;
use muster_core::tasks::{Assignment, Change, Counts, Delivery, Run, RunState, RunStep, ScheduleOff, Share, Standing, Task, Verdict};
use serde_json::json;
use std::time::Duration;

on_all! {
    a_task_keeps_its_name_until_it_is_deleted
    a_task_changes_only_at_the_version_that_was_read
    tasks_are_found_by_name_and_label
    a_run_is_kept_as_it_was_started
    runs_are_numbered_by_organization
    a_run_is_saved_and_an_unknown_one_is_refused
    runs_are_narrowed_by_state_verdict_and_task
    runs_that_want_a_worker_are_found
    a_snapshot_is_read_chunk_by_chunk
    the_record_of_a_run_goes_backwards
    waves_gates_and_halts_are_kept
    machines_that_were_not_heard_of_since_are_counted
    a_run_of_another_organization_is_not_there
    a_schedule_out_of_action_is_kept_so_and_what_happened_for_it_is_forgotten
}

fn a_task_keeps_its_name_until_it_is_deleted(w: &World) {
    orgs(w);
    let there = Task { org: THERE, ..task(52, "scan") };
    let made = write(w, move |tx| Ok([tx.task_insert(&task(50, "scan"))?, tx.task_insert(&task(51, "scan"))?, tx.task_insert(&there)?]));
    assert_eq!(made, [true, false, true]);
    let found = read(w, |rx| Ok((rx.task(HERE, TaskId(id(50)))?, rx.task_named(HERE, "scan")?, rx.task_named(HERE, "Scan")?)));
    assert_eq!(found, (Some(task(50, "scan")), Some(task(50, "scan")), None));
    assert_eq!(read(w, |rx| rx.task_named(THERE, "scan")).map(|t| t.id), Some(TaskId(id(52))));
    let gone = write(w, |tx| {
        let foreign = tx.task_delete(THERE, TaskId(id(50)), later(1))?;
        Ok([foreign, tx.task_delete(HERE, TaskId(id(50)), later(1))?, tx.task_delete(HERE, TaskId(id(50)), later(1))?])
    });
    assert_eq!(gone, [false, true, false]);
    assert_eq!(read(w, |rx| Ok((rx.task(HERE, TaskId(id(50)))?, rx.task_named(HERE, "scan")?))), (None, None));
    assert!(write(w, |tx| tx.task_insert(&task(51, "scan"))), "its name is free again");
}

fn a_task_changes_only_at_the_version_that_was_read(w: &World) {
    orgs(w);
    let next = Task { version: 2, updated: later(1), author: "bob".to_owned(), ..task(50, "renamed") };
    let (saved, stale) = (next.clone(), next.clone());
    let done = write(w, move |tx| Ok([tx.task_insert(&task(50, "scan"))?, tx.task_update(&saved)?, tx.task_update(&stale)?]));
    assert_eq!(done, [true, true, false]);
    assert_eq!(read(w, |rx| rx.task(HERE, TaskId(id(50)))), Some(next));
    let deleted = Task { version: 3, ..task(50, "scan") };
    assert!(!write(w, move |tx| tx.task_delete(HERE, TaskId(id(50)), later(2)).and_then(|_| tx.task_update(&deleted))));
}

fn tasks_are_found_by_name_and_label(w: &World) {
    orgs(w);
    for (n, name, label) in [(50, "Scan Über", "daily"), (51, "scan", "dai"), (52, "other", "it's \"x\"")] {
        let mut t = task(n, name);
        t.doc.labels = vec![label.to_owned()];
        t.updated = later(u64::try_from(100 - n).unwrap());
        write(w, move |tx| tx.task_insert(&t));
    }
    let names = |q: Option<&'static str>, label: Option<&'static str>, sort| {
        all_pages(w, 1, sort, move |rx, p| rx.tasks(HERE, q, label, p)).iter().map(|t| t.doc.name.clone()).collect::<Vec<_>>().join(",")
    };
    assert_eq!(names(None, None, "name"), "Scan Über,other,scan");
    assert_eq!(names(None, None, "-name"), "scan,other,Scan Über");
    assert_eq!(names(None, None, "updated"), "other,scan,Scan Über");
    assert_eq!(names(Some("SCAN"), None, "name"), "Scan Über,scan");
    assert_eq!((names(Some("Über"), None, "name"), names(Some("%"), None, "name")), ("Scan Über".into(), String::new()));
    assert_eq!((names(None, Some("dai"), "name"), names(None, Some("it's \"x\""), "name")), ("scan".into(), "other".into()));
    assert_eq!(all_pages(w, 1, "name", |rx, p| rx.tasks(THERE, None, None, p)), []);
}

/// Run `n` of task 50, over so many devices.
fn started(w: &World, n: u128, targeted: i64) -> i64 {
    write(w, move |tx| {
        let devices: Vec<DeviceId> = (0..targeted).map(|i| DeviceId(id(10_000 + i.unsigned_abs() as u128))).collect();
        tx.run_insert(&run(n, &task(50, "scan"), targeted), &[step(n, 0), step(n, 1)], &devices)
    })
}

fn a_run_is_kept_as_it_was_started(w: &World) {
    orgs(w);
    write(w, |tx| tx.task_insert(&task(50, "scan")));
    let mut sample = run(60, &task(50, "scan"), 3);
    sample.delivery = Delivery::Push;
    sample.priority = 9;
    let mut odd = step(60, 1);
    odd.timeout = Some(Duration::from_millis(1_500));
    odd.open_to_strangers = false;
    odd.rules.on_unknown = false;
    let steps: Vec<RunStep> = vec![step(60, 0), odd];
    let (r, s) = (sample.clone(), steps.clone());
    assert_eq!(write(w, move |tx| tx.run_insert(&r, &s, &[])), 1);
    let found = read(w, |rx| Ok((rx.run(HERE, RunId(id(60)))?, rx.run_steps(RunId(id(60)))?, rx.run_counts(RunId(id(60)))?)));
    // Devices whose assignments are not made yet wait, too.
    let kept = Run { number: 1, counts: Counts([3, 0, 0, 0, 0, 0, 0, 0, 0]), ..sample };
    assert_eq!(found, (Some(kept.clone()), steps, vec![(0, Counts::default()), (1, Counts::default())]));
    assert_eq!(write(w, |tx| tx.run_for_update(HERE, RunId(id(60)))), Some(kept));
    let record = read(w, |rx| rx.run_events(RunId(id(60)), None, 10));
    let first: Vec<_> = record.iter().map(|e| (e.kind.as_str(), e.at, e.assignment, e.data.clone())).collect();
    assert_eq!(first, [("created", NOW, None, json!({"targeted": 3, "by": "ann"}))]);
}

fn runs_are_numbered_by_organization(w: &World) {
    orgs(w);
    let (t, there) = (task(50, "scan"), Task { org: THERE, ..task(51, "scan") });
    let foreign = Run { org: THERE, ..run(62, &there, 0) };
    write(w, move |tx| Ok(tx.task_insert(&t)? && tx.task_insert(&there)?));
    assert_eq!([started(w, 60, 0), started(w, 61, 0)], [1, 2]);
    assert_eq!(write(w, move |tx| tx.run_insert(&foreign, &[], &[])), 1);
    let (count, last) = read(w, |rx| rx.task_runs(TaskId(id(50))));
    assert_eq!((count, last.map(|r| r.number)), (2, Some(2)));
    assert_eq!(read(w, |rx| rx.task_runs(TaskId(id(59)))), (0, None));
}

fn a_run_is_saved_and_an_unknown_one_is_refused(w: &World) {
    orgs(w);
    write(w, |tx| tx.task_insert(&task(50, "scan")));
    started(w, 60, 5);
    let saved = Run {
        number: 1,
        state: RunState::Finished,
        verdict: Some(Verdict::Partial),
        made: 5,
        cancel_requested: true,
        started: Some(later(1)),
        ended: Some(later(2)),
        ..run(60, &task(50, "scan"), 5)
    };
    let r = saved.clone();
    write(w, move |tx| tx.run_update(&r));
    assert_eq!(read(w, |rx| rx.run(HERE, RunId(id(60)))), Some(saved));
    let unknown = run(69, &task(50, "scan"), 0);
    assert_eq!(w.store.write_now("test", move |tx| tx.run_update(&unknown)), Err(Fault::Conflict));
}

fn states(w: &World) {
    orgs(w);
    write(w, |tx| Ok(tx.task_insert(&task(50, "scan"))? && tx.task_insert(&task(51, "other"))?));
    for n in 60..64 {
        started(w, n, 0);
    }
    write(w, |tx| {
        for (n, state, verdict) in
            [(61, RunState::Running, None), (62, RunState::Finished, Some(Verdict::Ok)), (63, RunState::Finished, Some(Verdict::Error))]
        {
            tx.run_update(&Run { state, verdict, ..run(n, &task(50, "scan"), 0) })?;
        }
        tx.run_insert(&run(64, &task(51, "other"), 0), &[], &[])
    });
}

fn runs_are_narrowed_by_state_verdict_and_task(w: &World) {
    states(w);
    let found = |filter: RunFilter, sort| {
        let runs = all_pages(w, 2, sort, move |rx, p| rx.runs(HERE, &filter, p));
        runs.iter().map(|r| r.id.0.as_u128()).collect::<Vec<_>>()
    };
    let all = RunFilter::default();
    assert_eq!((found(all.clone(), "created"), found(all, "-created")), (vec![60, 61, 62, 63, 64], vec![64, 63, 62, 61, 60]));
    let open = RunFilter { states: vec![RunState::Preparing, RunState::Running], ..RunFilter::default() };
    assert_eq!(found(open.clone(), "created"), [60, 61, 64]);
    assert_eq!(found(RunFilter { task: Some(TaskId(id(51))), ..open }, "created"), [64]);
    assert_eq!(found(RunFilter { verdicts: vec![Verdict::Error], ..RunFilter::default() }, "created"), [63]);
    assert_eq!(all_pages(w, 2, "created", |rx, p| rx.runs(THERE, &RunFilter::default(), p)), []);
}

fn runs_that_want_a_worker_are_found(w: &World) {
    states(w);
    let at_work = |w: &World| read(w, |rx| rx.runs_at_work(NOW, 10)).iter().map(|r| r.id.0.as_u128()).collect::<Vec<_>>();
    assert_eq!(at_work(w), [60, 64], "they are being prepared");
    write(w, |tx| {
        for (n, state) in [(61, RunState::Running), (62, RunState::Finished)] {
            tx.run_update(&Run { state, cancel_requested: true, ..run(n, &task(50, "scan"), 0) })?;
        }
        Ok(())
    });
    assert_eq!(at_work(w), [60, 61, 64], "one is being cancelled");
    assert_eq!(read(w, |rx| rx.runs_at_work(NOW, 1)).len(), 1);
    write(w, |tx| tx.run_cancel_done(RunId(id(61))));
    assert_eq!(at_work(w), [60, 64]);
}

fn a_snapshot_is_read_chunk_by_chunk(w: &World) {
    orgs(w);
    write(w, |tx| tx.task_insert(&task(50, "scan")));
    let size = i64::try_from(SNAPSHOT_CHUNK).unwrap();
    started(w, 60, 2 * size + 3);
    let part = |from: i64| {
        let ids = read(w, move |rx| rx.snapshot_part(RunId(id(60)), from));
        (ids.len(), ids.first().map(|d| d.0.as_u128() - 10_000), ids.last().map(|d| d.0.as_u128() - 10_000))
    };
    assert_eq!(part(0), (2_000, Some(0), Some(1_999)));
    assert_eq!(part(1_990), (10, Some(1_990), Some(1_999)));
    assert_eq!(part(2_000), (2_000, Some(2_000), Some(3_999)));
    assert_eq!(part(4_001), (2, Some(4_001), Some(4_002)));
    assert_eq!((part(4_003), part(6_000)), ((0, None, None), (0, None, None)));
}

fn the_record_of_a_run_goes_backwards(w: &World) {
    orgs(w);
    write(w, |tx| {
        tx.task_insert(&task(50, "scan"))?;
        device(tx, 10, "pc")
    });
    started(w, 60, 0);
    write(w, |tx| {
        for n in 1..=3 {
            tx.event_insert(HERE, RunId(id(60)), Some(id(70)), Some(n), later(u64::from(n)), "ok", &json!({"n": n}))?;
        }
        Ok(())
    });
    let page = read(w, |rx| rx.run_events(RunId(id(60)), None, 2));
    let before = page.last().unwrap().id;
    let rest = read(w, move |rx| rx.run_events(RunId(id(60)), Some(before), 10));
    let attempts: Vec<_> = page.iter().chain(&rest).map(|e| e.attempt).collect();
    assert_eq!(attempts, [Some(3), Some(2), Some(1), None]);
    let own = read(w, |rx| rx.assignment_events(muster_core::ids::AssignmentId(id(70))));
    assert_eq!(own.iter().map(|e| e.data.clone()).collect::<Vec<_>>(), [json!({"n": 1}), json!({"n": 2}), json!({"n": 3})]);
}

fn a_run_of_another_organization_is_not_there(w: &World) {
    states(w);
    assert_eq!(read(w, |rx| rx.run(THERE, RunId(id(60)))), None);
    assert_eq!(write(w, |tx| tx.run_for_update(THERE, RunId(id(60)))), None);
    assert_eq!(read(w, |rx| rx.open_counts(THERE)), Counts::default());
    assert_eq!(read(w, |rx| rx.events_by_hour(THERE, NOW)), []);
}

fn waves_gates_and_halts_are_kept(w: &World) {
    orgs(w);
    write(w, |tx| tx.task_insert(&task(50, "scan")).map(|_| ()));
    let rollout = Standing { waves: vec![1, 3], halt_rate: Some(Share::of(500)), ..Standing::default() };
    let it = Run { rollout, ..run(60, &task(50, "scan"), 3) };
    let made = it.clone();
    write(w, move |tx| tx.run_insert(&made, &[step(60, 0)], &[]).map(|_| ()));
    let kept = read(w, |rx| rx.run(HERE, RunId(id(60)))).expect("the run");
    assert_eq!((&kept.rollout, kept.wave_end()), (&it.rollout, 1));
    let at_gate = Standing { wave: 1, gate_at: Some(later(9)), halted: true, forgiven: (4, 2), ..it.rollout.clone() };
    let saved = Run { state: RunState::Running, made: 1, rollout: at_gate.clone(), ..kept.clone() };
    let stored = saved.clone();
    write(w, move |tx| tx.run_update(&stored));
    assert_eq!(read(w, |rx| rx.run(HERE, RunId(id(60)))).map(|r| r.rollout), Some(at_gate.clone()));
    // One that halted is at nobody's work; one at its gate is, once its time has come.
    assert_eq!(read(w, |rx| rx.runs_at_work(later(99), 9)).len(), 0);
    let goes_on = Run { rollout: Standing { halted: false, ..at_gate }, ..saved };
    write(w, move |tx| tx.run_update(&goes_on));
    assert_eq!(read(w, |rx| Ok((rx.runs_at_work(later(8), 9)?.len(), rx.runs_at_work(later(9), 9)?.len()))), (0, 1));
}

fn machines_that_were_not_heard_of_since_are_counted(w: &World) {
    orgs(w);
    let it = run(60, &task(50, "scan"), 2);
    let made = it.clone();
    write(w, move |tx| {
        device(tx, 10, "pc-1")?;
        tx.task_insert(&task(50, "scan"))?;
        tx.run_insert(&made, &[step(60, 0)], &[DeviceId(id(10))])?;
        let new =
            NewAssignment { id: AssignmentId(id(70)), device: DeviceId(id(10)), from: NOW, not_after: None, round: 1, replaces: None };
        tx.assignments_insert(HERE, RunId(id(60)), 0, 5, NOW, &[new]).map(|_| ())
    });
    let (first, walked) = (it.clone(), Run { walked: true, ..it });
    assert_eq!(read(w, move |rx| Ok((rx.run_lost(&first)?, rx.run_lost(&walked)?))), ((0, 0), (0, 0)), "nothing was done yet");
    write(w, |tx| {
        let record = tx.assignments_for_update(&[AssignmentId(id(70))])?.remove(0);
        let after = Assignment { status: Status::Ok { at: later(60) }, ..record.state };
        let change = Change {
            before: record,
            after,
            attempt: None,
            exit_code: None,
            output: None,
            message: None,
            data: json!({}),
            lead: muster_core::tasks::Lead::No,
            at: later(60),
        };
        tx.save(&[change]).map(|_| ())
    });
    let it = run(60, &task(50, "scan"), 2);
    assert_eq!(read(w, move |rx| rx.run_lost(&it)), (1, 1));
}

fn a_schedule_out_of_action_is_kept_so_and_what_happened_for_it_is_forgotten(w: &World) {
    orgs(w);
    let off = ScheduleOff { since: later(1), by: "ann".to_owned(), reason: "holidays".to_owned() };
    let (kept, here) = (off.clone(), TaskId(id(50)));
    write(w, move |tx| {
        tx.task_insert(&task(50, "scan"))?;
        tx.happening_insert(id(9), HERE, here, None, NOW)?;
        tx.task_schedule_off(here, HERE, Some(&kept))
    });
    assert_eq!(read(w, move |rx| Ok((rx.task(HERE, here)?.and_then(|t| t.schedule_off), rx.happenings(here, 9)?))), (Some(off), vec![]));
    assert_eq!(w.store.write_now("test", move |tx| tx.task_schedule_off(here, THERE, None)), Err(Fault::Conflict), "not there for others");
    write(w, move |tx| tx.task_schedule_off(here, HERE, None));
    assert_eq!(read(w, move |rx| Ok(rx.task(HERE, here)?.and_then(|t| t.schedule_off))), None);
}
