//! The order book: tasks that this machine keeps and begins by its own clock, also without a connection.
//!
//! A file, `book.json`: the signed entries, and up to where each was looked at. It is told to the server by its digest. What is due is
//! decided in `muster_core::tasks::book`. Absent on purpose: the network, and what becomes of what was begun (`jobs`).

use crate::identity::{DataDir, IdentityError};
use muster_core::limits::BOOK_ENTRIES_MAX;
use muster_core::tasks::book::{Due, Recurs, digest};
use muster_core::time::Timestamp;
use muster_wire::order::{Opened, Opener, Order};
use serde::{Deserialize, Serialize};

const BOOK: &str = "book.json";

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    order: Order,
    seen: Timestamp,
}

/// An entry that was found good.
pub(crate) struct Entry {
    kept: Kept,
    opened: Opened,
    recurs: Recurs,
}

impl Entry {
    fn open(kept: Kept, opened: Opened) -> Option<Self> {
        let recurs = opened.recurs.as_deref().cloned()?;
        opened.job.as_ref()?;
        Some(Self { kept, opened, recurs })
    }

    /// Its order, and what it says.
    pub(crate) fn order(&self) -> (&Order, &Opened) {
        (&self.kept.order, &self.opened)
    }

    /// What is due of it; nothing when the server was not heard of for too long.
    pub(crate) fn due(&self, own: &jiff::tz::TimeZone, now_ms: i64) -> Option<Due> {
        (self.opened.lease_until_ms > now_ms).then(|| self.recurs.due(own, self.kept.seen, Timestamp(now_ms)))
    }

    /// Notes up to where it was looked at; gives whether that is news.
    pub(crate) fn settle(&mut self, seen: Timestamp) -> bool {
        let is_news = seen > self.kept.seen;
        self.kept.seen = self.kept.seen.max(seen);
        is_news
    }
}

/// All entries.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) entries: Vec<Entry>,
}

impl Book {
    /// Reads what is there; what is not signed by a known key of the server, or for another life of this agent, is left out, and so the
    /// server hears that it is missing.
    pub(crate) fn read(data: &DataDir, who: &Opener<'_>) -> Result<Self, IdentityError> {
        let Some(bytes) = data.read(BOOK)? else { return Ok(Self::default()) };
        let Ok(all) = serde_json::from_slice::<Vec<Kept>>(&bytes) else {
            tracing::warn!("the order book on the disk is damaged; the server is asked for it");
            return Ok(Self::default());
        };
        let entry = |kept: Kept| kept.order.reopen(who).ok().and_then(|opened| Entry::open(kept, opened));
        Ok(Self { entries: all.into_iter().filter_map(entry).collect() })
    }

    /// What it holds, in few letters.
    pub(crate) fn digest(&self) -> String {
        digest(self.entries.iter().map(|it| (it.recurs.task, it.recurs.version, it.recurs.issue)))
    }

    /// Takes the book that the server gives in the place of this one. A task that stays in the same version goes on where it was.
    pub(crate) fn replace(&mut self, orders: &[Order], who: &Opener<'_>, data: &DataDir) -> Result<(), IdentityError> {
        let mut next = Vec::new();
        for order in orders.iter().take(BOOK_ENTRIES_MAX) {
            let opened = match order.open(who) {
                Ok(opened) => opened,
                Err(why) => {
                    tracing::warn!(reason = why.as_str(), "an entry of the order book was refused: {why}");
                    continue;
                }
            };
            let Some(entry) = Entry::open(Kept { order: order.clone(), seen: Timestamp(i64::MIN) }, opened) else {
                tracing::warn!("an entry of the order book says not when it is begun, and was refused");
                continue;
            };
            let before = self.entries.iter().find(|it| (it.recurs.task, it.recurs.version) == (entry.recurs.task, entry.recurs.version));
            let seen = before.map_or(entry.recurs.after, |before| before.kept.seen.max(entry.recurs.after));
            next.push(Entry { kept: Kept { seen, ..entry.kept }, ..entry });
        }
        tracing::info!(entries = next.len(), "the order book was replaced");
        self.entries = next;
        self.keep(data)
    }

    /// Writes it down.
    pub(crate) fn keep(&self, data: &DataDir) -> Result<(), IdentityError> {
        let all: Vec<&Kept> = self.entries.iter().map(|it| &it.kept).collect();
        let text = serde_json::to_vec(&all).map_err(|e| data.damaged(BOOK, e.to_string()))?;
        data.write(BOOK, &text)
    }

    /// The book of an earlier life goes.
    pub(crate) fn forget(data: &DataDir) {
        data.remove(BOOK);
    }
}
