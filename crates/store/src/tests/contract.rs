//! What every command may rely on.

use super::world::{World, answer, insert, on_all, options, queue};
use crate::value::V;
use crate::{Fault, Hint, Options, Topic};
use muster_core::time::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;
use uuid::Uuid;

on_all! {
    a_refused_command_leaves_its_neighbours
    a_panicking_command_leaves_its_neighbours
    a_failed_statement_spoils_the_command_that_swallows_it
    a_postponed_statement_that_fails_undoes_the_command
    hints_leave_after_the_commit_and_never_from_what_was_undone
    an_overtaken_command_runs_again_from_a_fresh_start
    an_endless_conflict_is_answered_after_ten_tries
    sends_and_savepoints_keep_their_order
    a_statement_without_end_is_cut_off_and_its_neighbours_stay
    values_come_back_as_they_went
    a_cell_of_another_type_is_corrupt_and_no_panic
    a_wrong_number_of_parameters_is_refused
    a_read_cannot_write
    a_panicking_read_is_answered
    more_statements_than_the_cache_holds_still_run
    the_instant_comes_from_the_clock_once_per_command
    a_sound_database_has_no_findings
}

fn hint(n: u128) -> Hint {
    Hint { topic: Topic::Run, id: Some(Uuid::from_u128(n)), org: None }
}

fn a_refused_command_leaves_its_neighbours(w: &World) {
    let answers = w.while_busy(|| {
        let mut writes: Vec<super::world::Write<'_, ()>> = Vec::new();
        for id in 1..=3 {
            writes.push(Box::pin(w.store.write("insert", move |tx| {
                insert(tx, id)?;
                if id == 2 { Err(Fault::Db("not this one".into())) } else { Ok(()) }
            })));
        }
        if w.queues {
            writes.iter_mut().for_each(queue);
        }
        writes
    });
    let answers: Vec<_> = answers.into_iter().map(answer).collect();
    assert_eq!(answers, [Ok(()), Err(Fault::Db("not this one".into())), Ok(())]);
    assert_eq!(w.ids(), [1, 3]);
}

fn a_panicking_command_leaves_its_neighbours(w: &World) {
    let answers = w.while_busy(|| {
        let mut writes: Vec<super::world::Write<'_, ()>> = Vec::new();
        for id in 1..=3 {
            writes.push(Box::pin(w.store.write("insert", move |tx| {
                insert(tx, id)?;
                assert!(id != 2, "the second one has a bug");
                Ok(())
            })));
        }
        if w.queues {
            writes.iter_mut().for_each(queue);
        }
        writes
    });
    let answers: Vec<_> = answers.into_iter().map(answer).collect();
    assert_eq!(answers, [Ok(()), Err(Fault::Panicked), Ok(())]);
    assert_eq!(w.ids(), [1, 3]);
}

fn a_failed_statement_spoils_the_command_that_swallows_it(w: &World) {
    let done = w.store.write_now("swallow", |tx| {
        insert(tx, 1)?;
        assert!(tx.exec("INSERT INTO item (id, text) VALUES (?1, NULL)", &[2.into()]).is_err());
        assert!(insert(tx, 3).is_err(), "nothing runs after a failed statement");
        Ok::<(), Fault>(())
    });
    assert!(matches!(done, Err(Fault::Db(_))), "{done:?}");
    assert_eq!(w.ids(), [0i64; 0]);
}

fn a_postponed_statement_that_fails_undoes_the_command(w: &World) {
    let done = w.store.write_now("postponed", |tx| {
        tx.send("INSERT INTO item (id, text) VALUES (?1, ?2)", &[1.into(), "x".into()])?;
        tx.after(hint(1));
        // SQLite refuses here, PostgreSQL at COMMIT.
        let _ = tx.send("INSERT INTO item (id, text) VALUES (?1, ?2)", &[2.into(), V::Null]);
        Ok::<(), Fault>(())
    });
    assert!(matches!(done, Err(Fault::Db(_))), "{done:?}");
    assert_eq!(w.ids(), [0i64; 0]);
}

fn hints_leave_after_the_commit_and_never_from_what_was_undone(w: &World) {
    let mut hints = w.store.hints();
    for n in 1..=4 {
        let done = w.store.write_now("hint", move |tx| {
            tx.after(hint(n));
            match n {
                1 => Err(Fault::Db("refused".into())),
                2 => panic!("a bug"),
                3 => tx.exec("INSERT INTO item (id, text) VALUES (1, NULL)", &[]).map(|_| ()),
                _ => Ok(()),
            }
        });
        assert_eq!(done.is_ok(), n == 4);
    }
    assert_eq!(hints.blocking_recv(), Ok(hint(4)));
    assert!(hints.try_recv().is_err(), "one hint only");
}

fn an_overtaken_command_runs_again_from_a_fresh_start(w: &World) {
    let (tries, mut hints) = (Arc::new(AtomicU32::new(0)), w.store.hints());
    let count = tries.clone();
    let done = w.store.write_now("overtaken", move |tx| {
        tx.after(hint(1));
        insert(tx, 1)?;
        let wanted = u64::from(count.fetch_add(1, SeqCst) >= 2);
        tx.fenced(wanted, "UPDATE item SET text = ?1 WHERE id = 1", &["y".into()])
    });
    // The first two runs change a row where none was wanted.
    assert_eq!(done, Ok(()));
    assert_eq!(tries.load(SeqCst), 3);
    assert_eq!(w.ids(), [1]);
    assert_eq!(hints.blocking_recv(), Ok(hint(1)));
    assert!(hints.try_recv().is_err(), "the hints of earlier runs are dropped");
    assert_eq!(w.store.stats().repeated, 2);
}

fn an_endless_conflict_is_answered_after_ten_tries(w: &World) {
    let tries = Arc::new(AtomicU32::new(0));
    let count = tries.clone();
    let done = w.store.write_now("endless", move |tx| {
        count.fetch_add(1, SeqCst);
        insert(tx, 1)?;
        Err::<(), _>(tx.conflict())
    });
    assert_eq!(done, Err(Fault::Conflict));
    assert_eq!(tries.load(SeqCst), 10);
    assert_eq!(w.ids(), [0i64; 0]);
}

fn sends_and_savepoints_keep_their_order(w: &World) {
    let put = "INSERT INTO item (id, text) VALUES (?1, ?2)";
    w.store
        .write_now("order", move |tx| {
            // Twice, so that the second round finds all statements prepared and everything travels at once.
            for base in [0, 10] {
                tx.send(put, &[(base + 1).into(), "a".into()])?;
                tx.send("SAVEPOINT s", &[])?;
                tx.send(put, &[(base + 2).into(), "b".into()])?;
                tx.send("ROLLBACK TO s", &[])?;
                tx.send(put, &[(base + 3).into(), "c".into()])?;
                tx.send("RELEASE s", &[])?;
                tx.send("UPDATE item SET text = ?2 WHERE id = ?1", &[(base + 3).into(), "d".into()])?;
            }
            let row = tx.one("SELECT text FROM item WHERE id = ?1", &[13.into()])?;
            assert_eq!(row.unwrap().text(0)?, "d", "a read sees what was postponed before it");
            tx.send(put, &[20.into(), "e".into()])
        })
        .unwrap();
    assert_eq!(w.ids(), [1, 3, 11, 13, 20]);
}

/// SQLite throws the whole transaction away when it interrupts a write: the neighbours run again, with their hints.
fn a_statement_without_end_is_cut_off_and_its_neighbours_stay(w: &World) {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) \
                   INSERT INTO item (id, text) SELECT i, 'x' FROM n";
    let mut hints = w.store.hints();
    let answers = w.while_busy(|| {
        let mut writes: Vec<super::world::Write<'_, ()>> = Vec::new();
        for id in 1..=3 {
            writes.push(Box::pin(w.store.write("endless", move |tx| {
                tx.after(hint(u128::from(i64::unsigned_abs(id))));
                insert(tx, id)?;
                if id == 2 { tx.exec(endless, &[]).map(|_| ()) } else { Ok(()) }
            })));
        }
        if w.queues {
            writes.iter_mut().for_each(queue);
        }
        writes
    });
    let answers: Vec<_> = answers.into_iter().map(answer).collect();
    assert_eq!(answers, [Ok(()), Err(Fault::TooLong), Ok(())]);
    assert_eq!(w.ids(), [1, 3]);
    assert_eq!([hints.blocking_recv(), hints.blocking_recv()], [Ok(hint(1)), Ok(hint(3))]);
    assert!(hints.try_recv().is_err(), "each hint once");
}

fn values_come_back_as_they_went(w: &World) {
    let postgres = w.store.is_postgres();
    w.store
        .write_now("values", move |tx| {
            tx.exec(
                if postgres {
                    "CREATE TABLE v (id uuid PRIMARY KEY, n BIGINT, t TEXT, b BYTEA, other uuid, yes BIGINT)"
                } else {
                    "CREATE TABLE v (id BLOB PRIMARY KEY, n INTEGER, t TEXT, b BLOB, other BLOB, yes INTEGER) STRICT"
                },
                &[],
            )?;
            let put = "INSERT INTO v (id, n, t, b, other, yes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            // First empty, so that the statement is prepared without a hint of the types.
            tx.exec(put, &[Uuid::from_u128(1).into(), V::Null, V::Null, V::Null, V::Null, false.into()])?;
            let (n, t, b) = (i64::MIN, "ü'?1", vec![0u8, 255]);
            tx.exec(put, &[Uuid::from_u128(2).into(), n.into(), t.into(), b.into(), Some(Uuid::from_u128(3)).into(), true.into()])
        })
        .unwrap();
    let sums = w
        .store
        .read_now(|rx| {
            let rows = rx.rows("SELECT id, n, t, b, other, yes FROM v ORDER BY id", &[])?;
            let empty = &rows[0];
            assert_eq!((empty.id(0)?, empty.opt_int(1)?, empty.opt_text(2)?), (Uuid::from_u128(1), None, None));
            assert_eq!((empty.opt_bytes(3)?, empty.opt_id(4)?, empty.flag(5)), (None, None, false));
            let full = &rows[1];
            assert_eq!((full.id(0)?, full.int(1)?, full.text(2)?), (Uuid::from_u128(2), i64::MIN, "ü'?1"));
            assert_eq!((full.bytes(3)?, full.opt_id(4)?, full.flag(5)), (&[0, 255][..], Some(Uuid::from_u128(3)), true));
            let found = rx.one(
                "SELECT t FROM v WHERE (?1 IS NULL OR n = ?1) AND id = ?2 LIMIT ?3",
                &[None::<i64>.into(), Uuid::from_u128(2).into(), 5.into()],
            )?;
            assert_eq!(found.map(|r| r.text(0).map(str::to_owned)), Some(Ok("ü'?1".into())));
            let row = rx.one("SELECT sum(id), count(*), 'it''s ?1', sum(-id * 100000) FROM item WHERE id < ?1", &[9.into()])?.unwrap();
            assert_eq!(row.text(2)?, "it's ?1");
            Ok::<_, Fault>((row.opt_int(0)?, row.int(1)?))
        })
        .unwrap();
    assert_eq!(sums, (None, 0));
    for id in [20_000_000_000, 10_000, 70_000] {
        w.store.write_now("insert", move |tx| insert(tx, id)).unwrap();
    }
    let sums = w.store.read_now(|rx| {
        let row = rx.one("SELECT sum(id), sum(-id) FROM item", &[])?.unwrap();
        Ok::<_, Fault>((row.int(0)?, row.int(1)?))
    });
    assert_eq!(sums, Ok((20_000_080_000, -20_000_080_000)));
}

fn a_cell_of_another_type_is_corrupt_and_no_panic(w: &World) {
    w.store.write_now("insert", |tx| insert(tx, 1)).unwrap();
    let row = w.store.read_now(|rx| Ok::<_, Fault>(rx.one("SELECT id, text FROM item", &[])?.unwrap())).unwrap();
    for wrong in [row.text(0).err(), row.id(0).err(), row.bytes(1).err(), row.int(1).err(), row.opt_int(1).err(), row.int(7).err()] {
        assert!(matches!(wrong, Some(Fault::Corrupt { .. })), "{wrong:?}");
    }
    assert!(!row.flag(1));
}

fn a_wrong_number_of_parameters_is_refused(w: &World) {
    for p in [vec![], vec![1.into(), 2.into()]] {
        let done = w.store.write_now("count", move |tx| tx.exec("DELETE FROM item WHERE id = ?1", &p));
        assert!(matches!(&done, Err(Fault::Db(text)) if text.contains("parameters")), "{done:?}");
    }
}

fn a_read_cannot_write(w: &World) {
    let read = w.store.read_now(|rx| rx.rows("INSERT INTO item (id, text) VALUES (1, 'x') RETURNING id", &[]).map(|_| ()));
    assert!(matches!(read, Err(Fault::Db(_))), "{read:?}");
    w.store.write_now("insert", |tx| insert(tx, 2)).unwrap();
    assert_eq!(w.ids(), [2]);
}

fn a_panicking_read_is_answered(w: &World) {
    let read: Result<(), Fault> = w.store.read_now(|_| panic!("a bug"));
    assert_eq!(read, Err(Fault::Panicked));
    assert_eq!(w.ids(), [0i64; 0]);
}

fn more_statements_than_the_cache_holds_still_run(w: &World) {
    w.store.write_now("insert", |tx| insert(tx, 1)).unwrap();
    let total = w.store.read_now(|rx| {
        let mut total = 0;
        for n in 0..600i64 {
            total += rx.rows_dyn(&format!("SELECT id + {n} FROM item WHERE id = ?1"), &[1.into()])?[0].int(0)?;
        }
        Ok::<_, Fault>(total)
    });
    assert_eq!(total, Ok(600 + 599 * 300));
}

fn the_instant_comes_from_the_clock_once_per_command(w: &World) {
    let clock = w.clock.clone();
    let (before, seen) = (w.clock.now(), w.clock.clone());
    let instants = w.store.write_now("now", move |tx| {
        let first = tx.now();
        seen.advance(Duration::from_secs(1));
        Ok::<_, Fault>((first, tx.now()))
    });
    assert_eq!(instants, Ok((before, before)));
    assert_eq!(w.store.read_now(|rx| Ok::<_, Fault>(rx.now())), Ok(clock.now()));
}

fn a_sound_database_has_no_findings(w: &World) {
    w.store.write_now("insert", |tx| insert(tx, 1)).unwrap();
    assert_eq!(w.store.integrity(), Ok(vec![]));
}

/// Not for the inline store, which runs everything at once.
macro_rules! on_both {
    ($($name:ident $options:expr;)*) => {
        mod sqlite_threads { $(#[test] fn $name() { super::$name(super::World::sqlite(&$options)); })* }
        mod postgres_threads { $(#[test] fn $name() { super::$name(super::World::postgres(&$options)); })* }
    };
}

on_both! {
    a_full_queue_refuses_at_once crate::Options { queue: 2, ..super::options() };
    a_reader_sees_only_what_is_committed super::options();
    closing_finishes_what_waits super::options();
    many_callers_lose_nothing crate::Options::default();
}

fn a_full_queue_refuses_at_once(w: World) {
    let (refused, waiting, third) = w.while_busy(|| {
        let mut waiting: Vec<super::world::Write<'_, ()>> =
            (1..=2).map(|id| Box::pin(w.store.write("insert", move |tx| insert(tx, id))) as super::world::Write<'_, ()>).collect();
        waiting.iter_mut().for_each(queue);
        let refused = answer(Box::pin(w.store.try_write("insert", |tx| insert(tx, 9))));
        let mut third: super::world::Write<'_, ()> = Box::pin(w.store.write("insert", |tx| insert(tx, 3)));
        queue(&mut third);
        assert_eq!(w.store.stats().queued, 2);
        (refused, waiting, third)
    });
    assert_eq!(refused, Err(Fault::Full));
    for write in waiting.into_iter().chain([third]) {
        assert_eq!(answer(write), Ok(()));
    }
    assert_eq!(w.ids(), [1, 2, 3]);
}

fn a_reader_sees_only_what_is_committed(w: World) {
    let (written, go) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (said, wait) = (written.clone(), go.clone());
    let mut write: super::world::Write<'_, ()> = Box::pin(w.store.write("insert", move |tx| {
        insert(tx, 1)?;
        said.store(true, SeqCst);
        while !wait.load(SeqCst) {
            std::thread::yield_now();
        }
        Ok(())
    }));
    queue(&mut write);
    while !written.load(SeqCst) {
        std::thread::yield_now();
    }
    assert_eq!(w.ids(), [0i64; 0]);
    go.store(true, SeqCst);
    assert_eq!(answer(write), Ok(()));
    assert_eq!(w.ids(), [1]);
}

fn closing_finishes_what_waits(w: World) {
    let store = w.store.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut writes = w.while_busy(|| {
        let mut writes: Vec<super::world::Write<'_, ()>> = Vec::new();
        for id in 1..=20 {
            writes.push(Box::pin(w.store.write("insert", move |tx| insert(tx, id))));
        }
        writes.iter_mut().for_each(queue);
        writes
    });
    runtime.block_on(store.close());
    for write in writes.drain(..) {
        assert_eq!(answer(write), Ok(()));
    }
    assert_eq!(w.store.write_now("late", |tx| insert(tx, 21)), Err(Fault::Gone));
    assert_eq!(w.store.read_now(|rx| rx.rows("SELECT 1", &[]).map(|_| ())), Err(Fault::Gone));
}

fn many_callers_lose_nothing(w: World) {
    w.store.write_now("insert", |tx| insert(tx, 0)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = w.store.clone();
            scope.spawn(move || {
                for n in 0..25 {
                    let add = "UPDATE item SET text = text || 'y' WHERE id = 0";
                    let done = store.write_now("add", move |tx| {
                        insert(tx, 1 + thread * 100 + n)?;
                        tx.fenced(1, add, &[])
                    });
                    assert_eq!(done, Ok(()));
                }
            });
        }
    });
    assert_eq!(w.ids().len(), 201);
    let length = w.store.read_now(|rx| rx.one("SELECT length(text) FROM item WHERE id = 0", &[])?.unwrap().int(0));
    assert_eq!(length, Ok(201));
    assert_eq!(w.store.stats().commands, 202);
}

#[test]
fn the_defaults_are_those_that_were_measured() {
    let o = Options::default();
    assert_eq!((o.queue, o.batch, o.batch_time), (1024, 256, Duration::from_millis(5)));
    assert_eq!((o.command, o.read, o.readers, o.writers), (Duration::from_secs(2), Duration::from_secs(30), 4, 8));
    assert!(options().command < Duration::from_secs(10));
}
