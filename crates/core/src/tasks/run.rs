//! Runs: their states, totals and verdicts.

use super::state::State;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Its assignments are being made.
    Preparing,
    /// None was handed out yet.
    Waiting,
    /// Some were.
    Running,
    /// Nothing is handed out until a person resumes it.
    Paused,
    /// Stopped by its own bound on errors.
    Halted,
    /// Every assignment is final.
    Finished,
}

impl RunState {
    /// All states of a run.
    pub const ALL: [RunState; 6] =
        [RunState::Preparing, RunState::Waiting, RunState::Running, RunState::Paused, RunState::Halted, RunState::Finished];

    /// The word in database, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            RunState::Preparing => "preparing",
            RunState::Waiting => "waiting",
            RunState::Running => "running",
            RunState::Paused => "paused",
            RunState::Halted => "halted",
            RunState::Finished => "finished",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RunState {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == word)
            .ok_or_else(|| format!("there is no run state '{word}'; there are {}", Self::ALL.map(RunState::as_str).join(", ")))
    }
}

/// What a finished run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything ended well (or was skipped on purpose).
    Ok,
    /// Nothing ended well.
    Error,
    /// Some ended well, some did not.
    Partial,
    /// Nothing was done because a person ended it.
    Cancelled,
}

impl Verdict {
    /// The word in database, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Error => "error",
            Verdict::Partial => "partial",
            Verdict::Cancelled => "cancelled",
        }
    }
}

impl FromStr for Verdict {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        [Verdict::Ok, Verdict::Error, Verdict::Partial, Verdict::Cancelled]
            .into_iter()
            .find(|v| v.as_str() == word)
            .ok_or_else(|| format!("there is no verdict '{word}'; there are ok, error, partial, cancelled"))
    }
}

/// How many assignments stand where, in the order of [`State::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub [i64; 9]);

impl Counts {
    /// How many are in a state.
    pub fn of(&self, state: State) -> i64 {
        self.0[state as usize]
    }

    /// Counts one more (or less) in a state.
    pub fn add(&mut self, state: State, by: i64) {
        self.0[state as usize] += by;
    }

    /// All of them: what was targeted.
    pub fn total(&self) -> i64 {
        self.0.iter().sum()
    }

    /// Those to which something may still happen.
    pub fn open(&self) -> i64 {
        State::ALL.iter().filter(|s| s.is_open()).map(|s| self.of(*s)).sum()
    }

    /// The sum of two.
    pub fn plus(mut self, other: &Counts) -> Counts {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
        self
    }

    /// The state of a run whose assignments are all made.
    pub fn run_state(&self) -> RunState {
        match self.open() {
            0 => RunState::Finished,
            open if open == self.of(State::Prepared) && open == self.total() => RunState::Waiting,
            _ => RunState::Running,
        }
    }

    /// How many are under way.
    pub fn in_flight(&self) -> i64 {
        self.of(State::Started) + self.of(State::Running)
    }

    /// The verdict, once nothing is open.
    pub fn verdict(&self) -> Option<Verdict> {
        if self.open() > 0 {
            return None;
        }
        let bad = self.of(State::Error) + self.of(State::Unknown) + self.of(State::Expired);
        let cancelled = self.of(State::Cancelled);
        Some(match (self.of(State::Ok), bad, cancelled) {
            (_, 0, 0) => Verdict::Ok,
            (0, 0, _) => Verdict::Cancelled,
            (0, _, _) => Verdict::Error,
            _ => Verdict::Partial,
        })
    }
}

impl Serialize for Counts {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(State::ALL.iter().map(|state| (state.as_str(), self.of(*state))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(list: &[(State, i64)]) -> Counts {
        let mut counts = Counts::default();
        list.iter().for_each(|(state, n)| counts.add(*state, *n));
        counts
    }

    #[test]
    fn a_verdict_comes_only_when_nothing_is_open() {
        use State::{Cancelled, Error, Ok, Prepared, Running, Skipped, Unknown};
        for (list, verdict) in [
            (vec![(Ok, 2), (Prepared, 1)], None),
            (vec![(Ok, 2), (Running, 1)], None),
            (vec![(Ok, 2), (Skipped, 1)], Some(Verdict::Ok)),
            (vec![(Ok, 1), (Error, 1)], Some(Verdict::Partial)),
            (vec![(Unknown, 1), (Cancelled, 1)], Some(Verdict::Error)),
            (vec![(Cancelled, 3)], Some(Verdict::Cancelled)),
            (vec![(Ok, 1), (Cancelled, 3)], Some(Verdict::Partial)),
        ] {
            assert_eq!(counts(&list).verdict(), verdict, "{list:?}");
        }
    }

    #[test]
    fn a_run_waits_until_something_was_handed_out() {
        assert_eq!(counts(&[(State::Prepared, 3)]).run_state(), RunState::Waiting);
        assert_eq!(counts(&[(State::Prepared, 3), (State::Ok, 1)]).run_state(), RunState::Running);
        assert_eq!(counts(&[(State::Started, 1)]).run_state(), RunState::Running);
        assert_eq!(counts(&[(State::Ok, 1)]).run_state(), RunState::Finished);
        assert_eq!(counts(&[(State::Ok, 1), (State::Error, 2)]).total(), 3);
    }
}
