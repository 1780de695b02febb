//! Contacts and reports of our own agents in sets: while one set is written, the next collects. On PostgreSQL a run that many agents
//! work on would otherwise be locked once for each of them.

use crate::contact::{self, OwnContact, OwnReports, Tidings};
use crate::cx::Cx;
use crate::engine::Shared;
use crate::error::Error;
use crate::groups;
use crate::work::Taken;
use muster_store::{Answer, Fault, Hot, Tx};
use std::sync::Arc;

/// An item of a set, with the context of its caller.
pub(crate) struct Item<T> {
    pub cx: Arc<Shared>,
    pub what: Arc<T>,
}

impl<T> Clone for Item<T> {
    fn clone(&self) -> Self {
        Self { cx: self.cx.clone(), what: self.what.clone() }
    }
}

/// Runs a set in the context of its first caller: ids and the load come from there, everything else from each item.
fn run<T, D>(
    tx: &mut Tx,
    items: &[Item<T>],
    command: impl FnOnce(&mut Tx, &Cx, &[&T]) -> Result<Vec<Result<D, Error>>, Error>,
) -> Result<Vec<Result<D, Error>>, Fault> {
    let Some(first) = items.first() else { return Ok(Vec::new()) };
    let cx = first.cx.at(tx.now());
    let all: Vec<&T> = items.iter().map(|item| &*item.what).collect();
    match command(tx, &cx, &all).and_then(|answers| groups::settle(tx, &cx).map(|()| answers)) {
        Ok(answers) => Ok(answers),
        // The set is undone, and each item runs alone: then the error is that of its own item.
        Err(error) if items.len() == 1 && error.fault.is_none() => Ok(vec![Err(error)]),
        Err(error) => Err(error.fault.unwrap_or(Fault::Db(error.detail))),
    }
}

impl Hot for Item<OwnContact> {
    type Done = Tidings;
    type Error = Error;

    fn run(tx: &mut Tx, items: &[Self]) -> Result<Vec<Answer<Self>>, Fault> {
        run(tx, items, contact::own_contacts)
    }
}

impl Hot for Item<OwnReports> {
    type Done = Taken;
    type Error = Error;

    fn run(tx: &mut Tx, items: &[Self]) -> Result<Vec<Answer<Self>>, Fault> {
        run(tx, items, contact::own_reports)
    }
}
