//! Programs across the fleet: the records of lists, and when programs are counted again.
//!
//! Lives here: what a list of programs says. Absent on purpose: the order of versions ([`crate::version`]), where programs are kept.

use crate::ids::{DeviceId, OrgId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// One entry of the dictionary of programs. Absent values are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramEntry {
    /// Its id.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Publisher.
    pub publisher: String,
    /// Architecture.
    pub arch: String,
}

/// A program as the fleet has it: all versions of one name and publisher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Whose fleet.
    pub org: OrgId,
    /// Name.
    pub name: String,
    /// Publisher; may be empty.
    pub publisher: String,
    /// How many different versions.
    pub versions: i64,
    /// The newest of them.
    pub newest: String,
    /// How many devices have any of them.
    pub devices: i64,
    /// When it was first seen in the fleet; 0 when nobody can tell.
    pub first: Timestamp,
    /// A print of its versions with the numbers of their devices: while it stays, `devices` is not counted again.
    pub print: i64,
}

/// An entry with the number of devices that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramVersion {
    /// The entry.
    pub entry: ProgramEntry,
    /// How many devices have it.
    pub devices: i64,
}

/// A device that has a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The entry's id.
    pub entry: i64,
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// Its operating system.
    pub os: Option<String>,
    /// When its last inventory came.
    pub last_inventory: Option<Timestamp>,
    /// When the program came; none when the first inventory told it already.
    pub since: Option<Timestamp>,
}

/// A program that came to devices within a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appeared {
    /// The entry.
    pub entry: ProgramEntry,
    /// To how many devices it came in the period and is still there.
    pub devices: i64,
    /// When it came to the first of them.
    pub first: Timestamp,
    /// When it came to the last of them.
    pub last: Timestamp,
}

/// How far the counting of programs has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The last name that was counted in this round; none between two rounds.
    pub after: Option<String>,
    /// When this round, or the last one, began.
    pub begun: Timestamp,
    /// When the last whole round began: what is told is as of then; none before the first.
    pub as_of: Option<Timestamp>,
    /// When the last round ended.
    pub ended: Timestamp,
    /// How long this round, or the last one, worked, milliseconds.
    pub spent: u64,
    /// Whether this round, or the last one, found anything new.
    pub changed: bool,
}

/// The shortest time between two rounds of counting.
const TALLY_REST_MIN: Duration = Duration::from_secs(15);
/// The same after a round that found nothing new.
const TALLY_REST_IDLE: Duration = Duration::from_secs(60);
/// A round rests so many times as long as it worked.
const TALLY_REST_FACTOR: u64 = 20;

impl Tally {
    /// When the next round begins: a while after the last, longer when that found nothing or was much work.
    pub fn next_round(&self) -> Timestamp {
        let least = if self.changed { TALLY_REST_MIN } else { TALLY_REST_IDLE };
        match self.as_of {
            None => self.ended,
            Some(_) => self.ended.plus(least.max(Duration::from_millis(self.spent.saturating_mul(TALLY_REST_FACTOR)))),
        }
    }
}

/// An entry's id as the id of a row in a list.
pub fn row_id(entry: i64) -> Uuid {
    Uuid::from_u64_pair(0, entry.cast_unsigned())
}

/// The entry of a row's id.
pub fn entry_id(row: Uuid) -> i64 {
    row.as_u64_pair().1.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_rests_a_while_and_longer_after_much_work_or_for_nothing() {
        let tally = |spent, changed| Tally { ended: Timestamp(1_000), as_of: Some(Timestamp(0)), spent, changed, ..Tally::default() };
        assert_eq!(tally(0, true).next_round(), Timestamp(16_000));
        assert_eq!(tally(0, false).next_round(), Timestamp(61_000));
        assert_eq!(tally(60_000, true).next_round(), Timestamp(1_201_000));
        assert_eq!(Tally::default().next_round(), Timestamp(0));
    }

    #[test]
    fn an_entry_is_found_again_from_its_row() {
        for id in [0, 1, -1, i64::MIN, i64::MAX] {
            assert_eq!(entry_id(row_id(id)), id);
        }
    }
}
