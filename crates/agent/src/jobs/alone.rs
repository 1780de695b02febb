//! Jobs that this agent walks alone: what follows the end of a piece, and whether it goes on.

use super::{ASK_MS, Held, Jobs, key};
use crate::acts;
use crate::identity::IdentityError;
use crate::journal::{Next, Stage};
use muster_core::tasks::Outcome;
use muster_core::tasks::job::led::{Follows, Piece, Told};
use muster_core::time::Timestamp;
use muster_wire::native::{AttemptRef, Report, ReportState};
use muster_wire::order::{Opened, Order};

impl Jobs {
    /// A later piece of a job, not begun.
    pub(super) fn take_up_piece(&mut self, attempt: AttemptRef, order: &Order, next: &Next) {
        match self.reopened(order, Some(next)) {
            Ok(opened) => match next.after {
                Some(after) => self.hold_piece(opened, after),
                None => {
                    self.came_by_book(&opened);
                    self.hold(opened);
                }
            },
            Err(why) => self.end(Report { message: Some(why), ..self.word(attempt, ReportState::Error) }),
        }
    }

    /// An order that was obeyed before, at the piece of its job where it stood.
    pub(super) fn reopened(&self, order: &Order, next: Option<&Next>) -> Result<Opened, String> {
        let opened = order.reopen(&self.opener(&self.link.keys())).map_err(|why| why.to_string())?;
        let at = |next: &Next| opened.at(&next.piece).ok_or_else(|| "the job has no such step".to_owned());
        next.map_or_else(|| Ok(opened.clone()), at)
    }

    /// Holds the piece of a job that follows another one, until the server knows of that or cannot be reached.
    pub(super) fn hold_piece(&mut self, opened: Opened, after: AttemptRef) {
        self.know(&opened);
        self.after.insert(key(opened.attempt), after);
        let asks = self.is_untold(after).then(|| self.link.now_ms() + ASK_MS);
        match acts::read(&opened.step) {
            Ok(action) => self.waiting.push(Held { opened, action, asks }),
            Err(why) => self.finish(&opened, Report { message: Some(why), ..self.word(opened.attempt, ReportState::Error) }),
        }
    }

    pub(super) fn is_untold(&self, attempt: AttemptRef) -> bool {
        matches!(self.journal.stage(attempt), Some(Stage::Ended(_)))
    }

    /// Whether the server cannot know of an attempt yet: what came before it in its job was not told.
    pub(super) fn is_ahead(&self, attempt: AttemptRef) -> bool {
        self.unknown.contains(&key(attempt)) || self.after.get(&key(attempt)).is_some_and(|after| self.is_untold(*after))
    }

    /// A piece of work is over: what follows it in its job is written down with it.
    pub(super) fn finish(&mut self, opened: &Opened, report: Report) {
        let next = follows(opened, &report);
        let after = AttemptRef { assignment: report.assignment, attempt: report.attempt };
        if self.end_with(report, next.clone())
            && let Some(opened) = next.and_then(|piece| opened.at(&piece))
        {
            tracing::info!(assignment = %opened.attempt.assignment, step = opened.step.id, "the job goes on");
            self.hold_piece(opened, after);
        }
    }

    /// The server leads a job from the piece that would follow this one.
    pub(super) fn leave_after(&mut self, attempt: AttemptRef) -> Result<(), IdentityError> {
        let Some(place) = self.waiting.iter().position(|held| self.after.get(&key(held.opened.attempt)) == Some(&attempt)) else {
            return Ok(());
        };
        let held = self.waiting.remove(place);
        tracing::info!(assignment = %attempt.assignment, "the server leads the job from here");
        self.journal.leave(held.opened.attempt).map(drop).map_err(|e| self.link.data.failed("journal", e))
    }

    /// Attempts in hand of which the server cannot know yet.
    pub(crate) fn ahead(&self) -> Vec<AttemptRef> {
        self.in_hand().into_iter().filter(|it| self.is_ahead(*it)).collect()
    }
}

/// What follows a verdict in the job that is walked alone.
fn follows(opened: &Opened, report: &Report) -> Option<Piece> {
    let (course, piece) = opened.job.as_deref()?;
    let outcome = match report.state {
        ReportState::Ok => Outcome::Ok,
        ReportState::Error => Outcome::Error,
        ReportState::Declined | ReportState::Running => return None,
    };
    let told = Told { outcome, exit_code: report.exit_code.map(i64::from), output: report.output.as_deref() };
    match course.follow(piece, &told, opened.target.not_after_ms.map(Timestamp), Timestamp(report.at_ms)) {
        Follows::Piece(next) => Some(*next),
        Follows::End(_) | Follows::GivenBack => None,
    }
}
