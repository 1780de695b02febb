//! Sets of hot commands.

use super::world::{World, insert, on_all, options};
use crate::unit::Tx;
use crate::{Answer, Fault, Gather, Hot, Store};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::{Context, Waker};

on_all! {
    every_item_of_a_set_gets_its_own_answer
    a_bad_item_harms_only_itself
    one_item_runs_alone_without_a_runtime
}

/// Stores its number; refuses multiples of ten, panics at 13, and fails in SQL at 17.
#[derive(Clone)]
struct Put(i64);

/// The most items that one set had, in this process.
static LARGEST: AtomicU32 = AtomicU32::new(0);

impl Hot for Put {
    type Done = i64;
    type Error = Fault;
    fn run(tx: &mut Tx, items: &[Self]) -> Result<Vec<Answer<Self>>, Fault> {
        LARGEST.fetch_max(u32::try_from(items.len()).unwrap(), SeqCst);
        let mut answers = Vec::new();
        for Put(id) in items {
            assert!(*id != 13, "a bug");
            if *id == 17 {
                tx.exec("INSERT INTO item (id, text) VALUES (?1, NULL)", &[17.into()])?;
            }
            if id % 10 == 0 {
                answers.push(Err(Fault::Db("no tens".into())));
            } else {
                insert(tx, *id)?;
                answers.push(Ok(*id));
            }
        }
        Ok(answers)
    }
}

fn all(store: &Store, ids: std::ops::RangeInclusive<i64>) -> Vec<Answer<Put>> {
    let gather = Gather::<Put>::new(store, "put");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(futures_util::future::join_all(ids.map(|id| gather.call(Put(id)))))
}

fn every_item_of_a_set_gets_its_own_answer(w: &World) {
    let answers = all(&w.store, 21..=60);
    for (id, answer) in (21..=60).zip(answers) {
        assert_eq!(answer, if id % 10 == 0 { Err(Fault::Db("no tens".into())) } else { Ok(id) });
    }
    assert_eq!(w.ids().len(), 36);
    assert!(LARGEST.load(SeqCst) >= 40, "they ran as one set");
}

fn a_bad_item_harms_only_itself(w: &World) {
    let answers = all(&w.store, 11..=19);
    for (id, answer) in (11..=19).zip(answers) {
        match id {
            13 => assert_eq!(answer, Err(Fault::Panicked)),
            17 => assert!(matches!(answer, Err(Fault::Db(_)))),
            _ => assert_eq!(answer, Ok(id)),
        }
    }
    assert_eq!(w.ids(), [11, 12, 14, 15, 16, 18, 19]);
}

fn one_item_runs_alone_without_a_runtime(w: &World) {
    let gather = Gather::<Put>::new(&w.store, "put");
    assert_eq!(gather.call_now(Put(1)), Ok(1));
    assert_eq!(gather.call_now(Put(10)), Err(Fault::Db("no tens".into())));
    assert_eq!(w.ids(), [1]);
}

#[test]
fn a_full_lane_refuses_at_once() {
    let w = World::sqlite(&options());
    let gather = Gather::<Put>::new(&w.store, "put");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        // The lane's task has not run yet: it shares this thread.
        let mut waiting: Vec<_> = (1001..=2024).map(|id| Box::pin(gather.call(Put(id)))).collect();
        for call in &mut waiting {
            assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(gather.try_call(Put(9)).await, Err(Fault::Full));
        let answers = futures_util::future::join_all(waiting).await;
        assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 1024 - 103 + 1);
    });
}
