//! Scripted agents of ours that walk a job alone: what they go on with, what they keep to themselves, and what they hear.

use crate::script::Script;
use crate::world::World;
use muster_core::ids::AssignmentId;
use muster_core::tasks::Outcome;
use muster_core::tasks::job::led::{self, Course, Follows, Piece};
use muster_core::time::Timestamp;
use muster_engine::work::{Report, Said, Taken};

/// Where a job stands that an agent walks alone.
#[derive(Clone, Debug)]
pub(crate) struct Walking {
    pub course: Course,
    pub piece: Piece,
    pub not_after: Option<Timestamp>,
    /// The attempt before this one.
    pub after: Option<(AssignmentId, u32)>,
}

impl Script {
    /// Whether an order belongs to a job that it walks alone.
    pub(crate) fn is_alone_in(&self, report: &Report) -> bool {
        self.jobs.contains_key(&(report.assignment, report.attempt))
    }

    /// What it says of an order that its journal knows.
    pub(crate) fn declines(&self, (assignment, attempt): (AssignmentId, u32)) -> Report {
        Report::new(assignment, attempt, self.incarnation, Said::Ended(Outcome::Declined))
    }

    /// What follows an order that ended, in the job that it walks alone.
    pub(crate) fn goes_on(&mut self, report: &Report, now: Timestamp) {
        let key = (report.assignment, report.attempt);
        let (Some(walking), Said::Ended(outcome)) = (self.jobs.get(&key), report.what) else { return };
        let told = led::Told { outcome, exit_code: report.exit_code, output: report.output.as_deref() };
        if let Follows::Piece(piece) = walking.course.follow(&walking.piece, &told, walking.not_after, now) {
            let next = (piece.assignment, piece.attempt);
            let order =
                Report { assignment: next.0, attempt: next.1, what: Said::Running, output: None, exit_code: None, ..report.clone() };
            self.jobs.insert(next, Walking { piece: *piece, after: Some(key), ..walking.clone() });
            self.orders.push(order);
        }
    }
}

impl World {
    /// Tells the verdicts that it kept to itself, the oldest first, until one does not come through.
    pub(crate) fn tell_untold(&mut self, i: usize) {
        for _ in 0..self.agents[i].untold.len() {
            let before = self.agents[i].untold.len();
            let report = self.agents[i].untold.remove(0);
            self.report(i, report);
            if self.agents[i].untold.len() >= before {
                return;
            }
        }
    }

    /// An agent that walks a job alone hears whether it goes on, or nothing.
    pub(crate) fn heard_back(&mut self, i: usize, report: &Report, taken: Option<&Taken>) {
        let key = (report.assignment, report.attempt);
        let it = &mut self.agents[i];
        if !matches!(report.what, Said::Ended(_)) || !it.jobs.contains_key(&key) {
            return;
        }
        let Some(taken) = taken.filter(|taken| !taken.later.contains(&report.assignment)) else {
            return it.untold.insert(0, report.clone());
        };
        it.jobs.remove(&key);
        if taken.goes_on.contains(&report.assignment) {
            return;
        }
        let next = it.jobs.iter().find(|(_, walking)| walking.after == Some(key)).map(|(next, _)| *next);
        if let Some(next) = next.filter(|next| !it.journal.contains(next)) {
            it.jobs.remove(&next);
            it.orders.retain(|order| (order.assignment, order.attempt) != next);
            self.note(format_args!("agent {i} leaves {} to the server", next.0));
        }
    }
}
