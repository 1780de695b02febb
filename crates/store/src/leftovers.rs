//! Removing what is kept and nothing needs any more.

use crate::fault::Fault;
use crate::history::floor;
use crate::unit::{Rx, Tx};
use crate::value::V;
use muster_core::ids::OrgId;
use muster_core::tasks::doc::Leftover;
use muster_core::time::Timestamp;
use uuid::Uuid;

/// The statements about rows of a table: whether there is one, and removing those before the one with a number. Both go along an
/// index in the order of ids, and what the rows are is said of what is removed, so that one that changed meanwhile stays. The end
/// of the piece is said first: of two ends of a range SQLite goes to the first.
macro_rules! about {
    ($table:literal, $rows:literal) => {
        (
            concat!("SELECT 1 FROM ", $table, " WHERE ", $rows, " LIMIT 1"),
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE id < coalesce((SELECT id FROM ",
                $table,
                " WHERE ",
                $rows,
                " ORDER BY id LIMIT 1 OFFSET ?3), ?4) AND ",
                $rows
            ),
        )
    };
}

fn statements(kind: Leftover) -> (&'static str, &'static str) {
    match kind {
        Leftover::Documents => about!("kept_document", "org = ?1 AND id < ?2"),
        Leftover::Crashes => about!("agent_crash", "org = ?1 AND id < ?2"),
        Leftover::Programs => about!("program", "org = ?1 AND devices = 0 AND gone < ?2"),
    }
}

/// The organization, and before when: documents and crashes have the instant at which they came in their ids.
fn parameters(org: OrgId, kind: Leftover, before: Timestamp) -> [V; 2] {
    let before = match kind {
        Leftover::Documents | Leftover::Crashes => V::U(floor(before)),
        Leftover::Programs => before.0.into(),
    };
    [V::U(org.0), before]
}

impl Rx {
    /// Whether an organization has anything that came, or has been gone, since before an instant.
    pub fn has_leftovers(&mut self, org: OrgId, kind: Leftover, before: Timestamp) -> Result<bool, Fault> {
        Ok(self.one(statements(kind).0, &parameters(org, kind, before))?.is_some())
    }
}

impl Tx {
    /// Removes the same, at most `most`, and of what came the oldest first; gives how many went.
    pub fn leftovers_remove(&mut self, org: OrgId, kind: Leftover, before: Timestamp, most: i64) -> Result<u64, Fault> {
        let [org, before] = parameters(org, kind, before);
        self.exec(statements(kind).1, &[org, before, most.into(), V::U(Uuid::max())])
    }
}
