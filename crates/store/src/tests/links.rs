//! Broken links to PostgreSQL.

use super::world::{World, Write, answer, insert, options, queue};
use crate::testdb::{self, scripts};
use crate::unit::Rx;
use crate::{Fault, OpenError, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

const OTHERS: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";

fn me(rx: &mut Rx) -> Result<i64, Fault> {
    rx.one("SELECT pg_backend_pid()", &[])?.map_or(Ok(0), |r| r.int(0))
}

#[test]
fn a_link_that_died_at_rest_is_made_again() {
    let w = World::postgres(&options());
    let url = w.url.clone().unwrap();
    assert_eq!(w.ids(), [0i64; 0]);
    scripts(&url, vec![OTHERS.into()]).unwrap();
    assert_eq!(w.store.write_now("insert", |tx| insert(tx, 1)), Ok(()));
    // A read is not repeated; each of the two reading connections learns of it by one that waits for the other.
    let both = Arc::new(std::sync::Barrier::new(2));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (store, both) = (&w.store, both.clone());
            scope.spawn(move || {
                let _ = store.read_now(move |rx| {
                    both.wait();
                    me(rx)
                });
            });
        }
    });
    assert_eq!(w.ids(), [1]);
}

#[test]
fn a_link_that_breaks_before_commit_means_another_run() {
    let w = World::postgres(&options());
    let (runs, url) = (Arc::new(AtomicU32::new(0)), w.url.clone().unwrap());
    let count = runs.clone();
    let done = w.store.write_now("insert", move |tx| {
        insert(tx, 1)?;
        if count.fetch_add(1, SeqCst) == 0 {
            let kill = format!("SELECT pg_terminate_backend({}, 5000)", me(tx)?);
            scripts(&url, vec![kill]).unwrap();
        }
        insert(tx, 2)
    });
    assert_eq!((done, runs.load(SeqCst)), (Ok(()), 2));
    assert_eq!(w.ids(), [1, 2]);
}

#[test]
fn a_link_that_breaks_during_commit_is_unknown_and_not_run_again() {
    let w = World::postgres(&options());
    let url = w.url.clone().unwrap();
    let held = "CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS \
                $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$";
    let trigger = "CREATE CONSTRAINT TRIGGER held AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION held()";
    scripts(&url, vec![held.into(), trigger.into()]).unwrap();
    let runs = Arc::new(AtomicU32::new(0));
    let count = runs.clone();
    let done = w.store.write_now("insert", move |tx| {
        count.fetch_add(1, SeqCst);
        insert(tx, 1)
    });
    assert_eq!((done, runs.load(SeqCst)), (Err(Fault::Unknown), 1));
    scripts(&url, vec!["DROP TRIGGER held ON item".into()]).unwrap();
    assert_eq!(w.store.write_now("insert", |tx| insert(tx, 2)), Ok(()), "the next command has a new link");
    assert_eq!(w.ids(), [2]);
}

#[test]
fn a_link_killed_by_somebody_else_during_commit_is_unknown() {
    let w = World::postgres(&options());
    let url = w.url.clone().unwrap();
    let held = "CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$";
    let trigger = "CREATE CONSTRAINT TRIGGER held AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION held()";
    scripts(&url, vec![held.into(), trigger.into()]).unwrap();
    let mut write: Write<'_, ()> = Box::pin(w.store.write("insert", |tx| insert(tx, 1)));
    queue(&mut write);
    let kill = "DO $$ DECLARE found int; BEGIN LOOP \
                  SELECT count(pg_terminate_backend(pid)) INTO found FROM pg_stat_activity \
                    WHERE datname = current_database() AND query = 'COMMIT' AND wait_event = 'PgSleep'; \
                  EXIT WHEN found > 0; PERFORM pg_stat_clear_snapshot(); \
                END LOOP; END $$";
    scripts(&url, vec![kill.into()]).unwrap();
    assert_eq!(answer(write), Err(Fault::Unknown));
    assert_eq!(w.ids(), [0i64; 0]);
}

#[test]
fn a_row_locked_by_others_is_a_conflict_and_not_a_hang() {
    let w = World::postgres(&crate::Options { writers: 2, command: std::time::Duration::from_millis(400), ..options() });
    w.store.write_now("insert", |tx| insert(tx, 1)).unwrap();
    let other = w.store.clone();
    let done = w.store.write_now("outer", move |tx| {
        tx.exec("UPDATE item SET text = 'outer' WHERE id = 1", &[])?;
        Ok::<_, Fault>(other.write_now("inner", |tx| tx.exec("UPDATE item SET text = 'inner' WHERE id = 1", &[])))
    });
    assert_eq!(done, Ok(Err(Fault::Conflict)));
}

#[test]
fn addresses_that_lead_nowhere_are_explained() {
    let nowhere = Store::open_postgres("postgres://muster@127.0.0.1:1/none", super::world::clock());
    assert!(matches!(nowhere.err(), Some(OpenError::Connect(why)) if why.contains("refused")));
    let nonsense = Store::open_postgres("postgres://muster@host:port/none", super::world::clock());
    assert!(matches!(nonsense.err(), Some(OpenError::Address(_))));
}

#[test]
fn a_store_opens_inside_a_runtime() {
    let database = testdb::database();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answer = runtime.block_on(async {
        let store = Store::open_postgres(database.url(), super::world::clock()).unwrap();
        let answer = store.read(|rx| rx.one("SELECT count(*) FROM meta", &[])?.unwrap().int(0)).await;
        store.close().await;
        answer
    });
    assert_eq!(answer, Ok(0));
}

#[test]
fn a_postgres_backup_names_the_tool() {
    let w = World::postgres(&options());
    let refused = w.store.backup(std::path::Path::new("/nowhere"));
    assert!(matches!(refused, Err(Fault::Db(text)) if text.contains("pg_dump")));
}
