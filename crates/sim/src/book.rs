//! The order book of scripted agents of ours: they take it when they come, lose it, and begin by it what is due by the clock.

use crate::alone::Walking;
use crate::script::Script;
use crate::world::World;
use muster_core::fleet::Agent;
use muster_core::ids::AssignmentId;
use muster_core::tasks::Nominal;
use muster_core::tasks::book::{Occasion, digest};
use muster_core::tasks::job::led::Piece;
use muster_core::tasks::window::Open;
use muster_core::time::Timestamp;
use muster_engine::book::{self, Compared, Entry, Keeps};
use muster_engine::work::{Report, Said};

/// An entry of an agent's book.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    entry: Entry,
    /// Up to where it was looked at.
    seen: Timestamp,
}

impl Script {
    /// What it says to hold.
    pub(crate) fn digest(&self) -> String {
        digest(self.book.iter().map(|it| (it.entry.recurs.task, it.entry.recurs.version, it.entry.recurs.issue)))
    }

    fn replace_book(&mut self, given: Vec<Entry>) {
        let before = std::mem::take(&mut self.book);
        let key = |entry: &Entry| (entry.recurs.task, entry.recurs.version);
        for entry in given {
            let known = before.iter().find(|it| key(&it.entry) == key(&entry)).map(|it| it.seen);
            let seen = known.map_or(entry.recurs.after, |seen| seen.max(entry.recurs.after));
            self.book.push(Kept { entry, seen });
        }
    }

    /// Takes up an occurrence, unless it knows of it already.
    fn occurs(&mut self, entry: &Entry, nominal: &Nominal, open: &Open) -> Option<AssignmentId> {
        let Entry { row, recurs, course, .. } = entry;
        let assignment = AssignmentId::of_occurrence(recurs.task, recurs.version, nominal, row.actor.agent);
        let is_it = |report: &Report| (report.assignment, report.attempt) == (assignment, 1);
        if self.journal.contains(&(assignment, 1)) || self.orders.iter().chain(&self.untold).any(is_it) {
            return None;
        }
        let occasion = Occasion { task: recurs.task, version: recurs.version, nominal: nominal.to_string() };
        let standing = row.standing.clone();
        let piece = Piece { assignment, attempt: 1, from: open.not_before, standing, occasion: Some((occasion.clone(), open.not_after)) };
        self.jobs.insert((assignment, 1), Walking { course: course.clone(), piece, not_after: open.not_after, after: None });
        self.orders.push(Report {
            assignment,
            attempt: 1,
            incarnation: self.incarnation,
            what: Said::Running,
            exit_code: None,
            output: None,
            message: None,
            occasion: Some(occasion),
            at: None,
        });
        Some(assignment)
    }
}

impl World {
    /// Lets the entries of one task follow its targets; gives whether there may be more.
    pub(crate) fn work_book(&mut self) -> bool {
        let cx = self.door(self.tenants[0].id);
        let found = match self.engine.read_now(&cx, book::differences) {
            Ok(Some(found)) => found,
            Ok(None) => return false,
            Err(error) => {
                self.seen.broken.push(format!("the worker of order books cannot look: {} {error}", error.key));
                return false;
            }
        };
        let answer = self.write("book.apply", &cx, move |tx, cx| book::apply(tx, cx, &found));
        let count = self.never_fails("book", answer);
        self.note(format_args!("worker book: {count}"));
        true
    }

    /// An agent tells what it holds, and is given its book when that is another one.
    pub(crate) fn sync_book(&mut self, i: usize, agent: &Agent, keeps: &Keeps) {
        if !self.calm && self.dice.chance(20) {
            self.agents[i].book.clear();
        }
        let (door, told) = (self.door(agent.org), self.agents[i].digest());
        match keeps.compared(&told) {
            Compared::Same => {}
            Compared::Taken => {
                let it = agent.clone();
                let answer = self.write("book.taken", &door, move |tx, cx| book::taken(tx, cx, &it, &told));
                self.note(format_args!("agent {i} holds its book: {:?}", answer.result.map_err(|e| e.key)));
            }
            compared => {
                let it = agent.clone();
                let answer = self.write("book.give", &door, move |tx, cx| book::give(tx, cx, &it, &told));
                let lost = self.is_answer_lost();
                let Ok(given) = answer.result else { return };
                self.note(format_args!("agent {i} is {compared:?}: {} entries given, lost {lost}", given.entries.len()));
                if !lost {
                    self.agents[i].replace_book(given.entries);
                }
            }
        }
    }

    /// An agent begins what is due by its book, with a connection or without.
    pub(crate) fn begin_kept(&mut self, i: usize) {
        let now = self.now();
        for place in 0..self.agents[i].book.len() {
            let Kept { entry, seen } = self.agents[i].book[place].clone();
            if entry.row.valid <= now {
                continue;
            }
            let Some(own) = muster_core::tasks::zone::named("UTC") else { return };
            let due = entry.recurs.due(&own, seen, now);
            self.agents[i].book[place].seen = due.seen;
            let Some((nominal, open)) = due.begin else { continue };
            if let Some(assignment) = self.agents[i].occurs(&entry, &nominal, &open) {
                self.note(format_args!("agent {i} takes up {nominal} of task {} by its book: {assignment}", entry.recurs.task));
            }
        }
    }

    /// Any agent of ours looks at its book.
    pub(crate) fn keepers_move(&mut self) {
        let keepers: Vec<usize> = (0..self.agents.len()).filter(|i| !self.agents[*i].book.is_empty()).collect();
        if let Some(i) = self.dice.pick(&keepers) {
            self.begin_kept(i);
        }
    }
}
