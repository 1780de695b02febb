//! The states of an assignment and what may follow what.
//!
//! `decide` is the whole rule: assignment + input + now → what changes. No clock, no store. Rules 1, 2, 3, 9 and 14 of the
//! engine live here; the simulator's checkers watch them.

use crate::ids::AgentId;
use crate::limits::ATTEMPTS_MAX;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The word for a state, the same in code, database, API and console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits to be claimed.
    Prepared,
    /// Handed out.
    Started,
    /// The agent said it began.
    Running,
    /// Done well.
    Ok,
    /// Done badly, no try remains.
    Error,
    /// The lease lapsed, no try remains; a late result may still come.
    Unknown,
    /// Ended by a person before it was handed out.
    Cancelled,
    /// Its time passed before it began.
    Expired,
    /// Another branch was taken.
    Skipped,
}

impl State {
    /// All states, in the order in which totals are written.
    pub const ALL: [State; 9] = [
        State::Prepared,
        State::Started,
        State::Running,
        State::Ok,
        State::Error,
        State::Unknown,
        State::Cancelled,
        State::Expired,
        State::Skipped,
    ];

    /// The word in database, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Prepared => "prepared",
            State::Started => "started",
            State::Running => "running",
            State::Ok => "ok",
            State::Error => "error",
            State::Unknown => "unknown",
            State::Cancelled => "cancelled",
            State::Expired => "expired",
            State::Skipped => "skipped",
        }
    }

    /// Whether something may still happen to it.
    pub const fn is_open(self) -> bool {
        matches!(self, State::Prepared | State::Started | State::Running)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == word)
            .ok_or_else(|| format!("there is no state '{word}'; there are {}", Self::ALL.map(State::as_str).join(", ")))
    }
}

/// Who has an attempt: an agent in one of its lives (a new enrolment is a new incarnation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// The agent.
    pub agent: AgentId,
    /// Its incarnation.
    pub incarnation: u32,
}

/// Where an assignment stands; each state carries what is true only in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Claimable from `from` on; also between two tries.
    Prepared {
        /// Not before.
        from: Timestamp,
    },
    /// The attempt was handed to the actor.
    Started {
        /// Who has it.
        actor: Actor,
        /// Until when it must be heard of.
        lease: Timestamp,
    },
    /// The actor said it began.
    Running {
        /// Who has it.
        actor: Actor,
        /// Since when.
        since: Timestamp,
        /// Until when it must be heard of.
        lease: Timestamp,
    },
    /// Final.
    Ok {
        /// When.
        at: Timestamp,
    },
    /// Final.
    Error {
        /// When.
        at: Timestamp,
    },
    /// Final but for the late result of the last attempt.
    Unknown {
        /// When.
        at: Timestamp,
    },
    /// Final.
    Cancelled {
        /// When.
        at: Timestamp,
    },
    /// Final.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// Final.
    Skipped {
        /// When.
        at: Timestamp,
    },
}

impl Status {
    /// The word for it.
    pub const fn state(&self) -> State {
        match self {
            Status::Prepared { .. } => State::Prepared,
            Status::Started { .. } => State::Started,
            Status::Running { .. } => State::Running,
            Status::Ok { .. } => State::Ok,
            Status::Error { .. } => State::Error,
            Status::Unknown { .. } => State::Unknown,
            Status::Cancelled { .. } => State::Cancelled,
            Status::Expired { .. } => State::Expired,
            Status::Skipped { .. } => State::Skipped,
        }
    }

    /// Who has it and until when it must be heard of.
    pub const fn lease(&self) -> Option<(Actor, Timestamp)> {
        match self {
            Status::Started { actor, lease } | Status::Running { actor, lease, .. } => Some((*actor, *lease)),
            _ => None,
        }
    }

    /// When it became final.
    pub const fn ended(&self) -> Option<Timestamp> {
        match self {
            Status::Ok { at }
            | Status::Error { at }
            | Status::Unknown { at }
            | Status::Cancelled { at }
            | Status::Expired { at }
            | Status::Skipped { at } => Some(*at),
            _ => None,
        }
    }
}

/// How often and after what an assignment is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Attempts in all, at least 1.
    pub attempts_max: u32,
    /// Pause before the second try; doubled for each further one, at most a day.
    pub backoff: Duration,
    /// Whether an error is tried again.
    pub on_error: bool,
    /// Whether a lapsed lease is tried again.
    pub on_unknown: bool,
    /// Whether the action may be done twice without harm. If not, it is handed out at most once.
    pub idempotent: bool,
}

impl Rules {
    fn retry_at(&self, attempt: u32, now: Timestamp) -> Timestamp {
        let doubled = self.backoff.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        now.plus(doubled.min(Duration::from_secs(86_400)))
    }

    fn tries_remain(&self, attempt: u32) -> bool {
        self.idempotent && attempt < self.attempts_max.min(ATTEMPTS_MAX)
    }
}

/// The aggregate on which a decision is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Where it stands.
    pub status: Status,
    /// Number of the last attempt; 0 before the first.
    pub attempt: u32,
    /// Who had the last attempt.
    pub last_actor: Option<Actor>,
    /// What the last attempt came to so far.
    pub last_attempt: Option<AttemptState>,
    /// A person wants it ended.
    pub cancel_requested: bool,
    /// How often it is tried.
    pub rules: Rules,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done well.
    Ok,
    /// Done badly.
    Error,
}

/// What happens to an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// An actor takes it.
    Claim {
        /// Who.
        actor: Actor,
        /// Until when it must be heard of.
        lease: Timestamp,
    },
    /// The actor of an attempt says it began or goes on.
    Began {
        /// Which attempt.
        attempt: u32,
        /// Who says so.
        actor: Actor,
        /// The renewed lease.
        lease: Timestamp,
    },
    /// The actor of an attempt says how it ended.
    Ended {
        /// Which attempt.
        attempt: u32,
        /// Who says so.
        actor: Actor,
        /// How.
        outcome: Outcome,
    },
    /// Time passed: the lease may have lapsed.
    Lapse,
    /// A person ends it.
    Cancel,
}

/// What happens to the attempt of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Handed out.
    Started,
    /// Under way.
    Running,
    /// Done well.
    Ok,
    /// Done badly.
    Error,
    /// Not heard of in time.
    Unknown,
}

impl FromStr for AttemptState {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Started, Self::Running, Self::Ok, Self::Error, Self::Unknown]
            .into_iter()
            .find(|s| s.as_str() == word)
            .ok_or_else(|| format!("there is no attempt state '{word}'"))
    }
}

impl AttemptState {
    /// The word in database, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            AttemptState::Started => "started",
            AttemptState::Running => "running",
            AttemptState::Ok => "ok",
            AttemptState::Error => "error",
            AttemptState::Unknown => "unknown",
        }
    }
}

/// What follows from an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The assignment afterwards.
    pub next: Assignment,
    /// What becomes of the attempt `next.attempt`, if anything.
    pub attempt: Option<AttemptState>,
    /// Whether the state changed (then exactly one event is written) or only a lease or a flag.
    pub changed: bool,
}

/// Why an input changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is final.
    #[error("it has already ended")]
    Final,
    /// It is somebody else's, or an older attempt or incarnation: data is kept, no state changes.
    #[error("it is a report of an older attempt")]
    Stale,
    /// It may not be claimed now.
    #[error("it cannot be claimed now")]
    NotClaimable,
    /// The lease has not lapsed.
    #[error("its lease has not lapsed")]
    StillLeased,
    /// Nothing would change.
    #[error("nothing changes")]
    Nothing,
}

/// Decides what an input does to an assignment.
pub fn decide(it: &Assignment, input: Input, now: Timestamp) -> Result<Decision, Refused> {
    match input {
        Input::Claim { actor, lease } => claim(it, actor, lease, now),
        Input::Began { attempt, actor, lease } => began(it, attempt, actor, lease, now),
        Input::Ended { attempt, actor, outcome } => ended(it, attempt, actor, outcome, now),
        Input::Lapse => lapse(it, now),
        Input::Cancel => cancel(it, now),
    }
}

fn to(it: &Assignment, status: Status, attempt: Option<AttemptState>) -> Decision {
    let last_attempt = attempt.or(it.last_attempt);
    Decision { next: Assignment { status, last_attempt, ..*it }, attempt, changed: status.state() != it.status.state() }
}

fn claim(it: &Assignment, actor: Actor, lease: Timestamp, now: Timestamp) -> Result<Decision, Refused> {
    match it.status {
        Status::Prepared { from } if from <= now && !it.cancel_requested => {
            let taken = Assignment { attempt: it.attempt + 1, last_actor: Some(actor), ..*it };
            Ok(to(&taken, Status::Started { actor, lease }, Some(AttemptState::Started)))
        }
        _ => Err(Refused::NotClaimable),
    }
}

/// A report counts only for the last attempt and the actor that has it in the same incarnation.
fn is_current(it: &Assignment, attempt: u32, actor: Actor) -> bool {
    attempt != 0 && attempt == it.attempt && it.last_actor == Some(actor)
}

fn began(it: &Assignment, attempt: u32, actor: Actor, lease: Timestamp, now: Timestamp) -> Result<Decision, Refused> {
    if !is_current(it, attempt, actor) {
        return Err(Refused::Stale);
    }
    match it.status {
        Status::Started { .. } => Ok(to(it, Status::Running { actor, since: now, lease }, Some(AttemptState::Running))),
        Status::Running { since, .. } => Ok(to(it, Status::Running { actor, since, lease }, Some(AttemptState::Running))),
        _ => Err(Refused::Final),
    }
}

fn ended(it: &Assignment, attempt: u32, actor: Actor, outcome: Outcome, now: Timestamp) -> Result<Decision, Refused> {
    if !is_current(it, attempt, actor) {
        return Err(Refused::Stale);
    }
    // An attempt that lapsed may still be settled by its late result, also in the pause before the next try.
    let lapsed = it.last_attempt == Some(AttemptState::Unknown) && matches!(it.status, Status::Prepared { .. } | Status::Unknown { .. });
    if !lapsed && it.status.lease().is_none() {
        return Err(Refused::Final);
    }
    Ok(match outcome {
        Outcome::Ok => to(it, Status::Ok { at: now }, Some(AttemptState::Ok)),
        Outcome::Error => {
            let again = it.rules.on_error && it.rules.tries_remain(attempt) && !it.cancel_requested;
            match it.status {
                Status::Unknown { .. } => to(it, Status::Error { at: now }, Some(AttemptState::Error)),
                Status::Prepared { .. } if again => to(it, it.status, Some(AttemptState::Error)),
                _ if again => to(it, Status::Prepared { from: it.rules.retry_at(attempt, now) }, Some(AttemptState::Error)),
                _ => to(it, Status::Error { at: now }, Some(AttemptState::Error)),
            }
        }
    })
}

fn lapse(it: &Assignment, now: Timestamp) -> Result<Decision, Refused> {
    let (_, lease) = it.status.lease().ok_or(Refused::Final)?;
    if now < lease {
        return Err(Refused::StillLeased);
    }
    let again = it.rules.on_unknown && it.rules.tries_remain(it.attempt) && !it.cancel_requested;
    let status = if again { Status::Prepared { from: it.rules.retry_at(it.attempt, now) } } else { Status::Unknown { at: now } };
    Ok(to(it, status, Some(AttemptState::Unknown)))
}

fn cancel(it: &Assignment, now: Timestamp) -> Result<Decision, Refused> {
    match it.status {
        Status::Prepared { .. } => Ok(to(&Assignment { cancel_requested: true, ..*it }, Status::Cancelled { at: now }, None)),
        Status::Started { .. } | Status::Running { .. } if !it.cancel_requested => {
            Ok(to(&Assignment { cancel_requested: true, ..*it }, it.status, None))
        }
        Status::Started { .. } | Status::Running { .. } => Err(Refused::Nothing),
        _ => Err(Refused::Final),
    }
}

#[cfg(test)]
mod tests;
