//! The simulator's store: seeded order, planned faults.

use super::world::{World, clock, insert, options};
use crate::{Fault, FaultPlan, Hint, Store, Strike, Topic};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

fn plan(strike: Strike) -> FaultPlan {
    FaultPlan { next: [strike].into(), ..FaultPlan::default() }
}

#[test]
fn a_crash_before_commit_writes_nothing_and_tells_nobody() {
    let w = World::inline(&options());
    let mut hints = w.store.hints();
    w.store.faults(plan(Strike::Crash));
    let done = w.store.write_now("insert", |tx| {
        tx.after(Hint { topic: Topic::Wake, id: None, org: None });
        insert(tx, 1)
    });
    assert_eq!(done, Err(Fault::Unknown));
    assert_eq!(w.ids(), [0i64; 0]);
    assert!(hints.try_recv().is_err());
    assert_eq!(w.store.stats().crashes, 1);
    assert_eq!(w.store.write_now("insert", |tx| insert(tx, 1)), Ok(()));
}

#[test]
fn a_commit_of_unknown_outcome_is_there_and_was_run_once() {
    let w = World::inline(&options());
    let (runs, mut hints) = (Arc::new(AtomicU32::new(0)), w.store.hints());
    let count = runs.clone();
    w.store.faults(plan(Strike::Unknown));
    let done = w.store.write_now("insert", move |tx| {
        count.fetch_add(1, SeqCst);
        tx.after(Hint { topic: Topic::Wake, id: None, org: None });
        insert(tx, 1)
    });
    assert_eq!((done, runs.load(SeqCst)), (Err(Fault::Unknown), 1));
    assert_eq!(w.ids(), [1]);
    // Its own hint is lost; what comes instead says that nobody knows what changed.
    assert_eq!(hints.try_recv(), Ok(Hint { topic: Topic::Work, id: None, org: None }));
    assert!(hints.try_recv().is_err());
}

/// Forty callers race for a place in a line; the line is the history.
fn history(seed: u64, crash: u32) -> Vec<(i64, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let store = Store::inline(seed, clock());
    store.write_now("table", |tx| tx.exec("CREATE TABLE line (place INTEGER PRIMARY KEY, who TEXT)", &[])).unwrap();
    store.faults(FaultPlan { crash, ..FaultPlan::default() });
    runtime.block_on(async {
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..40i64 {
            let store = store.clone();
            callers.spawn(async move {
                for turn in 0..5i64 {
                    tokio::time::sleep(std::time::Duration::from_millis((caller * 7 + turn * 3).unsigned_abs() % 11)).await;
                    let who = format!("{caller}.{turn}");
                    let done: Result<u64, Fault> =
                        store.write("stand", move |tx| tx.exec("INSERT INTO line (who) VALUES (?1)", &[who.as_str().into()])).await;
                    assert!(matches!(done, Ok(1) | Err(Fault::Unknown)), "{done:?}");
                }
            });
        }
        while let Some(done) = callers.join_next().await {
            done.unwrap();
        }
    });
    store.faults(FaultPlan::default());
    let rows = store.read_now(|rx| rx.rows("SELECT place, who FROM line ORDER BY place", &[])).unwrap();
    rows.iter().map(|r| (r.int(0).unwrap(), r.text(1).unwrap().to_owned())).collect()
}

#[test]
fn the_same_seed_gives_the_same_history_and_another_seed_another() {
    let first = history(1, 0);
    assert_eq!(first.len(), 200);
    assert_eq!(first, history(1, 0));
    assert_ne!(first, history(2, 0));
}

#[test]
fn crashes_come_from_the_seed_too() {
    let first = history(5, 300);
    assert!(first.len() < 200 && !first.is_empty(), "some of the batches crashed: {}", first.len());
    assert_eq!(first, history(5, 300));
}

#[test]
fn a_pump_that_dies_with_its_runtime_leaves_the_store_usable() {
    let w = World::inline(&options());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let store = w.store.clone();
    runtime.spawn(async move { store.write("insert", |tx| insert(tx, 1)).await });
    runtime.block_on(tokio::task::yield_now());
    drop(runtime);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    assert_eq!(runtime.block_on(w.store.write("insert", |tx| insert(tx, 2))), Ok(()));
    assert_eq!(w.ids(), [1, 2]);
}
