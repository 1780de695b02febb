//! What this agent was ordered, began and has to tell, kept on disk before it happens: an order before it is obeyed, 'begun' before
//! beginning, a verdict before it is sent. After a crash at any point nothing that must not be done twice is begun again, and
//! every verdict is told.
//!
//! A file of lines, `journal`, written at its end and made anew when most of it is over. A last line that a crash cut short was
//! never acted on and is dropped. Absent on purpose: what orders mean, and the network.

use crate::identity::{DataDir, IdentityError};
use muster_core::tasks::job::led::Piece;
use muster_core::time::Timestamp;
use muster_wire::native::{AttemptRef, Report};
use muster_wire::order::{Opened, Order};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::time::Duration;

const JOURNAL: &str = "journal";
/// The file is made anew above this size, bytes, and above twice what is needed of it.
const ANEW_FROM: u64 = 1 << 20;
/// What outputs of verdicts that wait to be told may take, bytes. Beyond, the oldest outputs go; verdicts stay.
const OUTPUTS_MAX: usize = 16 << 20;
/// How long an attempt is remembered after its order can be of no use any more: clocks may be set back.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// How far an attempt has come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// Ordered and not begun.
    Taken(Box<Work>),
    /// Begun, in this boot of the machine.
    Begun {
        /// What was ordered.
        work: Box<Work>,
        /// The boot.
        boot: String,
    },
    /// Over, and the server does not know yet.
    Ended(Box<Report>),
    /// The server knows.
    Told,
}

/// What was ordered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Work {
    /// The order.
    pub(crate) order: Order,
    /// The piece of its job, where this is a later one than the order names.
    pub(crate) piece: Option<Next>,
}

/// A piece of a job that follows another one without a word of the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Next {
    /// The attempt that it follows: the server must know of its end first. None before the first piece of an occurrence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<AttemptRef>,
    /// The piece.
    pub(crate) piece: Piece,
}

/// An order that has no verdict yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OpenOrder {
    /// The attempt.
    pub(crate) attempt: AttemptRef,
    /// What was ordered.
    pub(crate) work: Work,
    /// The boot in which it was begun, if it was.
    pub(crate) boot: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    stage: Stage,
    lease_until_ms: i64,
}

/// One line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Taken {
        assignment: AttemptRef,
        lease_until_ms: i64,
        order: Box<Order>,
    },
    Begun {
        assignment: AttemptRef,
        boot: String,
    },
    Ended {
        lease_until_ms: i64,
        report: Box<Report>,
        /// What follows in its job; in one line, so that no crash comes between.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Box<Piece>>,
    },
    /// A later piece of a job, as it is kept when the file is made anew.
    Follows {
        assignment: AttemptRef,
        lease_until_ms: i64,
        order: Box<Order>,
        next: Box<Next>,
    },
    /// It is given back unbegun: the server leads.
    Left {
        assignment: AttemptRef,
    },
    Told {
        assignment: AttemptRef,
        lease_until_ms: i64,
    },
}

/// What became of an order at the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is written down and can be obeyed.
    New,
    /// It was taken before and is under way, or its verdict waits to be told.
    Known,
    /// This attempt was told of before, or a later one was taken.
    Replayed,
}

/// The journal.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    bytes: u64,
    anew_from: u64,
    entries: BTreeMap<AttemptKey, Entry>,
}

/// Attempts of one assignment stand together, the latest last.
type AttemptKey = (muster_core::ids::AssignmentId, u32);

fn key(attempt: AttemptRef) -> AttemptKey {
    (attempt.assignment, attempt.attempt)
}

fn of_report(report: &Report) -> AttemptRef {
    AttemptRef { assignment: report.assignment, attempt: report.attempt }
}

impl Journal {
    /// Reads what is there.
    pub(crate) fn open(data: &DataDir, now: Timestamp) -> Result<Self, IdentityError> {
        let text = data.read(JOURNAL)?.unwrap_or_default();
        // What stands after the last line's end was being written when the machine stopped.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut entries = BTreeMap::new();
        for (number, line) in text[..whole].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            let line = serde_json::from_slice(line).map_err(|e| data.damaged(JOURNAL, format!("line {}: {e}", number + 1)))?;
            note(&mut entries, line);
        }
        entries.retain(|_, entry: &mut Entry| {
            !(entry.stage == Stage::Told && entry.lease_until_ms.saturating_add(millis(REMEMBERED)) < now.millis())
        });
        let mut journal = Self { file: data.append(JOURNAL)?, bytes: 0, anew_from: 0, entries };
        journal.write_anew(data)?;
        Ok(journal)
    }

    /// Writes an order down before it is obeyed.
    pub(crate) fn take(&mut self, order: &Order, opened: &Opened) -> Result<Taken, io::Error> {
        let assignment = opened.attempt;
        let latest = self.entries.range((assignment.assignment, 0)..=(assignment.assignment, u32::MAX)).next_back();
        match latest {
            Some(((_, latest), entry)) if *latest == assignment.attempt => {
                return Ok(if entry.stage == Stage::Told { Taken::Replayed } else { Taken::Known });
            }
            Some(((_, latest), _)) if *latest > assignment.attempt => return Ok(Taken::Replayed),
            _ => {}
        }
        self.add(Line::Taken { assignment, lease_until_ms: opened.lease_until_ms, order: Box::new(order.clone()) }, true)?;
        Ok(Taken::New)
    }

    /// Writes down the first piece of an occurrence that is due by the order book.
    pub(crate) fn occur(&mut self, order: &Order, next: &Next, lease_until_ms: i64) -> Result<(), io::Error> {
        let assignment = AttemptRef { assignment: next.piece.assignment, attempt: next.piece.attempt };
        self.add(Line::Follows { assignment, lease_until_ms, order: Box::new(order.clone()), next: Box::new(next.clone()) }, true)
    }

    /// Writes 'begun' down before beginning; false when it was begun before.
    pub(crate) fn begin(&mut self, assignment: AttemptRef, boot: &str) -> Result<bool, io::Error> {
        if !matches!(self.stage(assignment), Some(Stage::Taken(_))) {
            return Ok(false);
        }
        self.add(Line::Begun { assignment, boot: boot.to_owned() }, true)?;
        Ok(true)
    }

    /// Writes a verdict down before it is told, and what follows it in its job; one that is there stays. Gives whether it is new.
    pub(crate) fn end(&mut self, report: Report, next: Option<Piece>) -> Result<bool, io::Error> {
        let entry = self.entries.get(&key(of_report(&report)));
        if entry.is_some_and(|entry| matches!(entry.stage, Stage::Ended(_) | Stage::Told)) {
            return Ok(false);
        }
        let lease_until_ms = entry.map_or(report.at_ms, |entry| entry.lease_until_ms);
        self.add(Line::Ended { lease_until_ms, report: Box::new(report), next: next.map(Box::new) }, true)?;
        self.bound_outputs()?;
        Ok(true)
    }

    /// Writes down that a piece which was not begun is left to the server; false when it was begun.
    pub(crate) fn leave(&mut self, assignment: AttemptRef) -> Result<bool, io::Error> {
        if !matches!(self.stage(assignment), Some(Stage::Taken(_))) {
            return Ok(false);
        }
        self.add(Line::Left { assignment }, true)?;
        Ok(true)
    }

    /// Notes what the server knows. It is not forced to the disk: told again, the server says that it knew.
    pub(crate) fn told(&mut self, attempts: &[AttemptRef], data: &DataDir) -> Result<(), IdentityError> {
        for assignment in attempts.iter().copied() {
            let Some(entry) = self.entries.get(&key(assignment)) else { continue };
            let lease_until_ms = entry.lease_until_ms;
            self.add(Line::Told { assignment, lease_until_ms }, false).map_err(|e| data.failed(JOURNAL, e))?;
        }
        if self.bytes > self.anew_from { self.write_anew(data) } else { Ok(()) }
    }

    /// How far an attempt has come.
    pub(crate) fn stage(&self, attempt: AttemptRef) -> Option<&Stage> {
        self.entries.get(&key(attempt)).map(|entry| &entry.stage)
    }

    /// Verdicts that the server does not know yet, oldest assignment first.
    pub(crate) fn untold(&self) -> impl Iterator<Item = &Report> {
        self.entries.values().filter_map(|entry| if let Stage::Ended(report) = &entry.stage { Some(&**report) } else { None })
    }

    /// Orders that have no verdict yet, with the boot in which they were begun.
    pub(crate) fn open_orders(&self) -> Vec<OpenOrder> {
        let open = |(&(assignment, attempt), entry): (&AttemptKey, &Entry)| {
            let (work, boot) = match &entry.stage {
                Stage::Taken(work) => (work, None),
                Stage::Begun { work, boot } => (work, Some(boot.clone())),
                _ => return None,
            };
            Some(OpenOrder { attempt: AttemptRef { assignment, attempt }, work: (**work).clone(), boot })
        };
        self.entries.iter().filter_map(open).collect()
    }

    /// The orders of an earlier life go: nobody waits for word of them. What is told of them is refused anyway.
    pub(crate) fn forget_all(&mut self, data: &DataDir) -> Result<(), IdentityError> {
        self.entries.clear();
        self.write_anew(data)
    }

    fn add(&mut self, line: Line, to_disk: bool) -> Result<(), io::Error> {
        let mut text = serde_json::to_vec(&line).map_err(io::Error::other)?;
        text.push(b'\n');
        self.file.write_all(&text)?;
        if to_disk {
            self.file.sync_data()?;
        }
        self.bytes += text.len() as u64;
        note(&mut self.entries, line);
        Ok(())
    }

    fn bound_outputs(&mut self) -> Result<(), io::Error> {
        let mut held: usize = self.untold().map(|report| report.output.as_ref().map_or(0, String::len)).sum();
        while held > OUTPUTS_MAX {
            let with_output = |entry: &&Entry| matches!(&entry.stage, Stage::Ended(report) if report.output.is_some());
            let Some((Stage::Ended(report), lease_until_ms)) =
                self.entries.values().find(with_output).map(|entry| (entry.stage.clone(), entry.lease_until_ms))
            else {
                break;
            };
            let dropped = report.output.as_ref().map_or(0, String::len);
            let why = format!("{dropped} bytes of output were dropped: too much waited for the server");
            let message = report.message.as_ref().map_or(why.clone(), |message| format!("{message}; {why}"));
            let report = Box::new(Report { output: None, message: Some(message), ..*report });
            self.add(Line::Ended { lease_until_ms, report, next: None }, true)?;
            held -= dropped;
        }
        Ok(())
    }

    /// Writes what is needed into a new file in the place of the old one.
    fn write_anew(&mut self, data: &DataDir) -> Result<(), IdentityError> {
        let mut text = Vec::new();
        for (&(assignment, attempt), entry) in &self.entries {
            for line in lines(AttemptRef { assignment, attempt }, entry) {
                serde_json::to_writer(&mut text, &line).map_err(|e| data.failed(JOURNAL, e.into()))?;
                text.push(b'\n');
            }
        }
        data.write(JOURNAL, &text)?;
        (self.file, self.bytes) = (data.append(JOURNAL)?, text.len() as u64);
        self.anew_from = ANEW_FROM.max(2 * self.bytes);
        Ok(())
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// What an entry is written as.
fn lines(assignment: AttemptRef, entry: &Entry) -> Vec<Line> {
    let lease_until_ms = entry.lease_until_ms;
    match entry.stage.clone() {
        Stage::Taken(work) => vec![taken(assignment, lease_until_ms, *work)],
        Stage::Begun { work, boot } => vec![taken(assignment, lease_until_ms, *work), Line::Begun { assignment, boot }],
        Stage::Ended(report) => vec![Line::Ended { lease_until_ms, report, next: None }],
        Stage::Told => vec![Line::Told { assignment, lease_until_ms }],
    }
}

fn taken(assignment: AttemptRef, lease_until_ms: i64, Work { order, piece }: Work) -> Line {
    let order = Box::new(order);
    match piece {
        None => Line::Taken { assignment, lease_until_ms, order },
        Some(next) => Line::Follows { assignment, lease_until_ms, order, next: Box::new(next) },
    }
}

fn note(entries: &mut BTreeMap<AttemptKey, Entry>, line: Line) {
    match line {
        Line::Taken { assignment, lease_until_ms, order } => {
            let work = Box::new(Work { order: *order, piece: None });
            entries.insert(key(assignment), Entry { stage: Stage::Taken(work), lease_until_ms });
        }
        Line::Follows { assignment, lease_until_ms, order, next } => {
            let work = Box::new(Work { order: *order, piece: Some(*next) });
            entries.insert(key(assignment), Entry { stage: Stage::Taken(work), lease_until_ms });
        }
        Line::Begun { assignment, boot } => {
            if let Some(entry) = entries.get_mut(&key(assignment))
                && let Stage::Taken(work) = &entry.stage
            {
                entry.stage = Stage::Begun { work: work.clone(), boot };
            }
        }
        Line::Ended { lease_until_ms, report, next } => {
            let after = of_report(&report);
            let before = entries.insert(key(after), Entry { stage: Stage::Ended(report), lease_until_ms });
            if let (Some(piece), Some(Stage::Taken(work) | Stage::Begun { work, .. })) = (next, before.map(|entry| entry.stage)) {
                let follower = AttemptRef { assignment: piece.assignment, attempt: piece.attempt };
                let work = Box::new(Work { order: work.order, piece: Some(Next { after: Some(after), piece: *piece }) });
                // What the server handed out meanwhile is the same piece.
                entries.entry(key(follower)).or_insert(Entry { stage: Stage::Taken(work), lease_until_ms });
            }
        }
        Line::Left { assignment } => drop(entries.remove(&key(assignment))),
        Line::Told { assignment, lease_until_ms } => {
            entries.insert(key(assignment), Entry { stage: Stage::Told, lease_until_ms });
        }
    }
}

#[cfg(test)]
#[path = "journal/tests.rs"]
mod tests;
