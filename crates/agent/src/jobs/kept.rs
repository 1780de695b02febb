//! What this machine begins by its order book.

use super::{Jobs, key};
use crate::book::Book;
use crate::identity::IdentityError;
use crate::journal::Next;
use muster_core::tasks::Nominal;
use muster_core::tasks::book::Due;
use muster_core::tasks::window::Open;
use muster_wire::native::{AttemptRef, Report, ReportState};
use muster_wire::order::{Opened, Order};

/// Why what was missed was not begun.
const MISSED: &str = "its time was over before this machine could begin it by its own clock";

impl Jobs {
    /// What the server is told that this machine keeps.
    pub(crate) fn book_digest(&self) -> String {
        self.book.digest()
    }

    /// Takes the order book that the server gives.
    pub(crate) fn take_book(&mut self, orders: &[Order]) -> Result<(), IdentityError> {
        let (link, keys) = (std::sync::Arc::clone(&self.link), [self.link.credentials.server_key.key()]);
        let mut book = std::mem::take(&mut self.book);
        let taken = book.replace(orders, &self.opener(&keys), &link.data);
        self.book = book;
        taken
    }

    /// Takes up what is due of the book; gives when something is due next, by the server's clock, milliseconds.
    pub(crate) fn begin_kept(&mut self) -> Option<i64> {
        if self.book.entries.is_empty() || self.resets {
            return None;
        }
        let (own, now) = (crate::collect::time_zone(&self.link.machine), self.link.now_ms());
        let mut book = std::mem::take(&mut self.book);
        let (mut next, mut changed) = (None::<i64>, false);
        for entry in &mut book.entries {
            let Some(due) = entry.due(&own, now) else { continue };
            next = next.into_iter().chain(due.next.map(|at| at.millis())).min();
            let (order, opened) = entry.order();
            match self.occur(order, opened, &due) {
                Ok(()) => changed |= entry.settle(due.seen),
                Err(error) => tracing::error!("what is due by the order book could not be written down, and does not begin: {error}"),
            }
        }
        self.book = book;
        if changed && let Err(error) = self.book.keep(&self.link.data) {
            tracing::error!("how far the order book was followed could not be written down: {error}");
        }
        next
    }

    fn occur(&mut self, order: &Order, opened: &Opened, due: &Due) -> Result<(), std::io::Error> {
        for nominal in &due.missed {
            let never = Open { not_before: nominal.starts(), not_after: None };
            if let Some(piece) = self.new_occurrence(opened, nominal, &never) {
                let attempt = piece.opened.attempt;
                self.know(&piece.opened);
                self.end(Report { message: Some(MISSED.to_owned()), ..self.word(attempt, ReportState::Declined) });
            }
        }
        let Some((nominal, open)) = &due.begin else { return Ok(()) };
        let Some(new) = self.new_occurrence(opened, nominal, open) else { return Ok(()) };
        tracing::info!(assignment = %new.opened.attempt.assignment, task = new.opened.task_name, %nominal, "due by the order book");
        self.journal.occur(order, &new.next, new.opened.lease_until_ms)?;
        self.unknown.insert(key(new.opened.attempt));
        self.know(&new.opened);
        self.hold(new.opened);
        Ok(())
    }

    /// An occurrence of which the journal knows nothing yet.
    fn new_occurrence(&self, opened: &Opened, nominal: &Nominal, open: &Open) -> Option<New> {
        let piece = opened.occurrence(nominal, open)?;
        let attempt = AttemptRef { assignment: piece.assignment, attempt: piece.attempt };
        if self.journal.stage(attempt).is_some() {
            return None;
        }
        Some(New { opened: opened.at(&piece)?, next: Next { after: None, piece } })
    }

    /// Remembers of which occurrence an attempt is, for what is told of it.
    pub(super) fn know(&mut self, opened: &Opened) {
        if let Some((_, piece)) = opened.job.as_deref()
            && let Some((occasion, _)) = &piece.occasion
        {
            self.occasions.insert(key(opened.attempt), occasion.clone());
        }
    }

    /// The same of an attempt of an earlier life of the program; whether the server was told is not known.
    pub(super) fn came_by_book(&mut self, opened: &Opened) {
        self.know(opened);
        if self.occasions.contains_key(&key(opened.attempt)) {
            self.unknown.insert(key(opened.attempt));
        }
    }

    /// The book of the disk.
    pub(super) fn open_book(&mut self) -> Result<(), IdentityError> {
        let keys = self.link.keys();
        self.book = Book::read(&self.link.data, &self.opener(&keys))?;
        Ok(())
    }
}

struct New {
    opened: Opened,
    next: Next,
}
