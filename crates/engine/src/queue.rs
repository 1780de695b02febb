//! The queue: what people do to many open assignments at once, piece by piece, by ids or by a filter.

use crate::audit::{Object, record};
use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::runs::house;
use crate::work;
use muster_core::access::Role;
use muster_core::time::Timestamp;
use muster_store::{AssignmentFilter, Rx, Tx};
use serde_json::{Value, json};

/// Assignments acted on in one command.
pub const PIECE: usize = 500;

/// What is done to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueAct {
    /// Those that wait end; those under way are asked to end.
    Cancel,
    /// Those that wait are not handed out before an instant.
    Delay(Timestamp),
    /// They go before or after others: 0 first, 9 last.
    Prioritise(u8),
}

impl QueueAct {
    /// The verb of the audit log.
    const fn verb(self) -> &'static str {
        match self {
            Self::Cancel => "queue_cancel",
            Self::Delay(_) => "queue_delay",
            Self::Prioritise(_) => "queue_prioritise",
        }
    }

    const fn doing(self) -> &'static str {
        match self {
            Self::Cancel => "cancelling the queue",
            Self::Delay(_) => "delaying the queue",
            Self::Prioritise(_) => "changing priorities in the queue",
        }
    }

    fn told(self) -> Option<Value> {
        match self {
            Self::Cancel => None,
            Self::Delay(until) => Some(json!({"until": until})),
            Self::Prioritise(priority) => Some(json!({"priority": priority})),
        }
    }

    /// Those of a filter that it would change.
    fn narrowed(self, filter: &AssignmentFilter) -> AssignmentFilter {
        let filter = AssignmentFilter { open: true, ..filter.clone() };
        match self {
            Self::Cancel => AssignmentFilter { not_asked: true, ..filter },
            Self::Delay(until) => AssignmentFilter { waits_before: Some(until), ..filter },
            Self::Prioritise(priority) => AssignmentFilter { priority_is_not: Some(priority), ..filter },
        }
    }
}

/// Checks an act: the number it would change must be said when it is above the size guard. Gives that number.
pub fn check(rx: &mut Rx, cx: &Cx, filter: &AssignmentFilter, act: QueueAct, confirm_count: Option<i64>) -> Result<i64, Error> {
    cx.may_here(Role::Operator, act.doing())?;
    let count = rx.assignments_count(cx.org, &act.narrowed(filter))?;
    let guard = i64::from(house(rx, cx.org)?.settings.size_guard);
    if confirm_count.map_or(count > guard, |said| said != count) {
        let detail = format!("this changes {count} assignments; say the number: confirm_count");
        return Err(Error::new(Kind::Conflict, "queue/size-guard", detail).with("count", count));
    }
    Ok(count)
}

/// Does one piece of an act; call it until it gives 0.
pub fn piece(tx: &mut Tx, cx: &Cx, filter: &AssignmentFilter, act: QueueAct, first: bool) -> Result<usize, Error> {
    cx.may_here(Role::Operator, act.doing())?;
    let ids = tx.assignment_ids(cx.org, &act.narrowed(filter), PIECE)?;
    if first && !ids.is_empty() {
        record(tx, cx, Some(cx.org), act.verb(), Object { kind: "queue", id: None, name: "queue" }, None, act.told())?;
    }
    match act {
        QueueAct::Cancel => work::cancel(tx, cx, &ids),
        QueueAct::Delay(until) => work::delay(tx, cx, &ids, until),
        QueueAct::Prioritise(priority) => Ok(tx.assignments_prioritise(cx.org, &ids, priority, cx.now)?),
    }
}
