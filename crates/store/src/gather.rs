//! The few hot commands (claim, report, heartbeat, intake) run on sets: while one set is written, the next collects.

use crate::fault::Fault;
use crate::queue::Queue;
use crate::store::Store;
use crate::unit::Tx;
use futures_util::future::join_all;
use muster_core::limits::{BATCH_COMMANDS_MAX, WRITER_QUEUE_MAX};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use tokio::sync::oneshot;

/// The most items of one set.
const SET: usize = BATCH_COMMANDS_MAX;
/// The most items that wait.
const ROOM: usize = WRITER_QUEUE_MAX;

/// What the caller of one item learns.
pub type Answer<H> = Result<<H as Hot>::Done, <H as Hot>::Error>;

/// An item of a hot command.
pub trait Hot: Clone + Send + Sync + 'static {
    /// What a caller learns.
    type Done: Send + 'static;
    /// What a caller learns otherwise; such an item changes nothing, its neighbours stay.
    type Error: From<Fault> + Send + 'static;
    /// Runs a set: loads all rows, decides item by item in order, saves once. One answer per item, in order. A `Fault` undoes
    /// the whole set; each item then runs alone, so that one bad item harms only itself.
    fn run(tx: &mut Tx, items: &[Self]) -> Result<Vec<Answer<Self>>, Fault>;
}

type Answers<H> = Result<Vec<Answer<H>>, Fault>;
type Asked<H> = (H, oneshot::Sender<Answer<H>>);

/// One lane of a hot command. One per kind and server is enough.
pub struct Gather<H: Hot> {
    lane: Arc<Lane<H>>,
}

impl<H: Hot> Clone for Gather<H> {
    fn clone(&self) -> Self {
        Self { lane: Arc::clone(&self.lane) }
    }
}

struct Lane<H: Hot> {
    store: Store,
    name: &'static str,
    queue: Queue<Asked<H>>,
    running: AtomicBool,
}

impl<H: Hot> Gather<H> {
    /// A lane over `store`; `name` is the command's name in the log.
    pub fn new(store: &Store, name: &'static str) -> Self {
        let lane = Lane { store: store.clone(), name, queue: Queue::new(ROOM), running: AtomicBool::new(false) };
        Self { lane: Arc::new(lane) }
    }

    /// Runs `item` with whatever else is waiting; waits while 1,024 others do. Needs a tokio runtime.
    pub async fn call(&self, item: H) -> Result<H::Done, H::Error> {
        let (answer, receiver) = oneshot::channel();
        self.lane.queue.push((item, answer)).await.map_err(H::Error::from)?;
        Lane::start(&self.lane);
        receiver.await.unwrap_or_else(|_| Err(Fault::Gone.into()))
    }

    /// As `call`, but `Fault::Full` at once when 1,024 others wait (agents' doors).
    pub async fn try_call(&self, item: H) -> Result<H::Done, H::Error> {
        let (answer, receiver) = oneshot::channel();
        self.lane.queue.try_push((item, answer)).map_err(H::Error::from)?;
        Lane::start(&self.lane);
        receiver.await.unwrap_or_else(|_| Err(Fault::Gone.into()))
    }

    /// Runs `item` alone, blocking the thread (simulator, tests).
    pub fn call_now(&self, item: H) -> Result<H::Done, H::Error> {
        self.lane.store.write_now(self.lane.name, move |tx| only(H::run(tx, std::slice::from_ref(&item))?))
    }
}

impl<H: Hot> Lane<H> {
    /// Sees to it that a task works on the queue.
    fn start(lane: &Arc<Self>) {
        if !lane.running.swap(true, SeqCst) {
            let turn = Turn(Arc::clone(lane));
            tokio::spawn(async move { turn.work().await });
        }
    }

    async fn set(&self, asked: Vec<Asked<H>>) {
        let (items, callers): (Vec<H>, Vec<_>) = asked.into_iter().unzip();
        let items: Arc<[H]> = items.into();
        let set = Arc::clone(&items);
        let answers: Answers<H> = self.store.write(self.name, move |tx| whole(H::run(tx, &set)?, set.len())).await;
        match answers {
            Ok(answers) => {
                for (caller, answer) in callers.into_iter().zip(answers) {
                    // The caller may have gone away.
                    let _ = caller.send(answer);
                }
            }
            // Nothing is known, or nothing will be better: the same answer for all.
            Err(fault @ (Fault::Unknown | Fault::Gone | Fault::Full)) => {
                for caller in callers {
                    let _ = caller.send(Err(fault.clone().into()));
                }
            }
            Err(fault) if items.len() == 1 => {
                for caller in callers {
                    let _ = caller.send(Err(fault.clone().into()));
                }
            }
            Err(_) => {
                join_all(items.iter().zip(callers).map(|(item, caller)| self.alone(item.clone(), caller))).await;
            }
        }
    }

    async fn alone(&self, item: H, caller: oneshot::Sender<Answer<H>>) {
        let answer = self.store.write(self.name, move |tx| only(H::run(tx, std::slice::from_ref(&item))?)).await;
        let _ = caller.send(answer);
    }
}

/// A running lane; whoever drops it without finishing leaves the lane to the next caller.
struct Turn<H: Hot>(Arc<Lane<H>>);

impl<H: Hot> Turn<H> {
    async fn work(&self) {
        let lane = &self.0;
        loop {
            let asked: Vec<_> = std::iter::from_fn(|| lane.queue.take()).take(SET).collect();
            if !asked.is_empty() {
                lane.set(asked).await;
                continue;
            }
            lane.running.store(false, SeqCst);
            // Somebody may have asked after the look and before the store.
            if lane.queue.len() == 0 || lane.running.swap(true, SeqCst) {
                return;
            }
        }
    }
}

fn whole<T>(answers: Vec<T>, wanted: usize) -> Result<Vec<T>, Fault> {
    if answers.len() == wanted { Ok(answers) } else { Err(Fault::Db(format!("a set of {wanted} items got {} answers", answers.len()))) }
}

fn only<T, E: From<Fault>>(answers: Vec<Result<T, E>>) -> Result<T, E> {
    whole(answers, 1)?.pop().unwrap_or_else(|| Err(Fault::Gone.into()))
}
