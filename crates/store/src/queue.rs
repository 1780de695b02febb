//! A bounded queue that async callers fill and plain threads empty.

use crate::fault::Fault;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, TryAcquireError};

pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    room: Semaphore,
}

struct State<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(room: usize) -> Self {
        let state = State { items: VecDeque::with_capacity(room), closed: false };
        Self { state: Mutex::new(state), ready: Condvar::new(), room: Semaphore::new(room) }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room.
    pub(crate) async fn push(&self, item: T) -> Result<(), Fault> {
        let permit = self.room.acquire().await.map_err(|_| Fault::Gone)?;
        permit.forget();
        self.put(item)
    }

    /// Never waits.
    pub(crate) fn try_push(&self, item: T) -> Result<(), Fault> {
        match self.room.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(TryAcquireError::NoPermits) => return Err(Fault::Full),
            Err(TryAcquireError::Closed) => return Err(Fault::Gone),
        }
        self.put(item)
    }

    fn put(&self, item: T) -> Result<(), Fault> {
        let mut state = self.state();
        if state.closed {
            return Err(Fault::Gone);
        }
        state.items.push_back(item);
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Waits for an item; `None` when the queue is closed and empty.
    pub(crate) fn wait(&self) -> Option<T> {
        let mut state = self.state();
        loop {
            if let Some(item) = state.items.pop_front() {
                self.room.add_permits(1);
                return Some(item);
            }
            if state.closed {
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// An item that is there now.
    pub(crate) fn take(&self) -> Option<T> {
        let item = self.state().items.pop_front();
        if item.is_some() {
            self.room.add_permits(1);
        }
        item
    }

    pub(crate) fn len(&self) -> usize {
        self.state().items.len()
    }

    /// Takes no more items; what is in is still handed out.
    pub(crate) fn close(&self) {
        self.room.close();
        self.state().closed = true;
        self.ready.notify_all();
    }
}
