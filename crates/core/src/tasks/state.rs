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

/// When an assignment may be handed out and what happens at the end of that time, as instants of its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// It is handed out before this instant only; `None`: at any time.
    pub not_after: Option<Timestamp>,
    /// What is under way then is asked to stop.
    pub stops: bool,
}

impl Limits {
    /// Whether its time has passed.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.not_after.is_some_and(|end| end <= now)
    }

    /// Whether it may begin at an instant that is `lead` from now: agents begin some time after they were handed something.
    fn allows(&self, now: Timestamp, lead: Duration) -> bool {
        !self.is_over(now.plus(lead))
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
    /// Its time.
    pub limits: Limits,
    /// How often it is tried.
    pub rules: Rules,
}

impl Assignment {
    /// When time alone changes it: its lease lapses, or its window closes.
    pub fn timer(&self) -> Option<Timestamp> {
        let end = self.limits.not_after;
        match self.status {
            Status::Prepared { .. } => end,
            Status::Started { lease, .. } | Status::Running { lease, .. } if self.limits.stops && !self.cancel_requested => {
                Some(end.map_or(lease, |end| end.min(lease)))
            }
            Status::Started { lease, .. } | Status::Running { lease, .. } => Some(lease),
            _ => None,
        }
    }

    /// Whether an agent that does it must stop: a person wants it ended, or its time is over and it may not finish.
    pub fn is_to_stop(&self, now: Timestamp) -> bool {
        self.cancel_requested || (self.limits.stops && self.limits.is_over(now))
    }

    /// Whether another try may follow one that begins at `at`; rule 1: final if and only if no try remains.
    fn retry(&self, wanted: bool, at: Timestamp) -> Option<Status> {
        let remains = wanted && self.attempt < self.rules.attempts_max.min(ATTEMPTS_MAX) && !self.cancel_requested;
        (remains && !self.limits.is_over(at)).then_some(Status::Prepared { from: at })
    }
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done well.
    Ok,
    /// Done badly.
    Error,
    /// Not begun: outside its time by the agent's own clock, or what it needs was not there. It may be handed out again, whatever
    /// the action.
    Declined,
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
        /// How long after the hand-out it begins at the latest.
        lead: Duration,
    },
    /// The actor that walks a job alone goes on with this by itself: it was given the whole job in its time, and keeps to it.
    Lead {
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
    /// The actor of an attempt never got it, and so never began: it is handed out again at once, also after the last try.
    NeverArrived {
        /// Which attempt.
        attempt: u32,
        /// Who did not get it.
        actor: Actor,
    },
    /// Time passed: the lease may have lapsed, the window may have closed.
    Time,
    /// A person ends it.
    Cancel,
    /// No agent of its target can do it: it fails without a try.
    Unable,
    /// Its job waits for it no longer.
    Late,
    /// A person puts it off.
    Delay {
        /// Until when.
        until: Timestamp,
    },
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
    /// Given back without being begun.
    Declined,
}

impl FromStr for AttemptState {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Started, Self::Running, Self::Ok, Self::Error, Self::Unknown, Self::Declined]
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
            AttemptState::Declined => "declined",
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
    /// Its time has not come.
    #[error("its time has not come")]
    NotYet,
    /// Nothing would change.
    #[error("nothing changes")]
    Nothing,
}

/// Decides what an input does to an assignment.
pub fn decide(it: &Assignment, input: Input, now: Timestamp) -> Result<Decision, Refused> {
    match input {
        Input::Claim { actor, lease, lead } => claim(it, actor, lease, lead, now),
        Input::Lead { actor, lease } => lead(it, actor, lease),
        Input::Began { attempt, actor, lease } => began(it, attempt, actor, lease, now),
        Input::Ended { attempt, actor, outcome } => ended(it, attempt, actor, outcome, now),
        Input::NeverArrived { attempt, actor } => never_arrived(it, attempt, actor, now),
        Input::Time => time(it, now),
        Input::Cancel => cancel(it, now),
        Input::Delay { until } => delay(it, until),
        Input::Unable => unable(it, now),
        Input::Late => late(it, now),
    }
}

fn to(it: &Assignment, status: Status, attempt: Option<AttemptState>) -> Decision {
    let last_attempt = attempt.or(it.last_attempt);
    Decision { next: Assignment { status, last_attempt, ..*it }, attempt, changed: status.state() != it.status.state() }
}

fn claim(it: &Assignment, actor: Actor, lease: Timestamp, lead: Duration, now: Timestamp) -> Result<Decision, Refused> {
    match it.status {
        Status::Prepared { from } if from <= now && !it.cancel_requested && it.limits.allows(now, lead) => {
            let taken = Assignment { attempt: it.attempt + 1, last_actor: Some(actor), ..*it };
            Ok(to(&taken, Status::Started { actor, lease }, Some(AttemptState::Started)))
        }
        _ => Err(Refused::NotClaimable),
    }
}

fn lead(it: &Assignment, actor: Actor, lease: Timestamp) -> Result<Decision, Refused> {
    if it.cancel_requested || it.status.state() != State::Prepared {
        return Err(Refused::NotClaimable);
    }
    let taken = Assignment { attempt: it.attempt + 1, last_actor: Some(actor), ..*it };
    Ok(to(&taken, Status::Started { actor, lease }, Some(AttemptState::Started)))
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
        // Word of it never makes the wait for it shorter: of a job that is walked alone it is long.
        Status::Started { lease: before, .. } => {
            Ok(to(it, Status::Running { actor, since: now, lease: lease.max(before) }, Some(AttemptState::Running)))
        }
        Status::Running { since, lease: before, .. } => {
            Ok(to(it, Status::Running { actor, since, lease: lease.max(before) }, Some(AttemptState::Running)))
        }
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
    let begun = it.last_attempt == Some(AttemptState::Running);
    Ok(match outcome {
        Outcome::Ok => to(it, Status::Ok { at: now }, Some(AttemptState::Ok)),
        Outcome::Declined if begun => return Err(Refused::Final),
        Outcome::Declined => {
            let again = it.rules.retry_at(attempt, now);
            let status = match it.status {
                Status::Prepared { .. } => it.status,
                Status::Unknown { .. } => Status::Error { at: now },
                _ => it.retry(true, again).unwrap_or_else(|| given_back(it, again, now)),
            };
            to(it, status, Some(AttemptState::Declined))
        }
        Outcome::Error => {
            let again = it.rules.on_error && it.rules.idempotent;
            let status = match it.status {
                Status::Prepared { .. } if again && !it.cancel_requested => it.status,
                Status::Prepared { .. } | Status::Unknown { .. } => Status::Error { at: now },
                _ => it.retry(again, it.rules.retry_at(attempt, now)).unwrap_or(Status::Error { at: now }),
            };
            to(it, status, Some(AttemptState::Error))
        }
    })
}

fn never_arrived(it: &Assignment, attempt: u32, actor: Actor, now: Timestamp) -> Result<Decision, Refused> {
    if !is_current(it, attempt, actor) {
        return Err(Refused::Stale);
    }
    if it.status.state() != State::Started {
        return Err(Refused::Final);
    }
    let endless = Assignment { rules: Rules { attempts_max: ATTEMPTS_MAX, ..it.rules }, ..*it };
    let status = endless.retry(true, now).unwrap_or_else(|| given_back(it, now, now));
    Ok(to(it, status, Some(AttemptState::Declined)))
}

/// How one ends that was given back and is not handed out again.
fn given_back(it: &Assignment, again: Timestamp, now: Timestamp) -> Status {
    match it.limits.is_over(again) {
        _ if it.cancel_requested => Status::Cancelled { at: now },
        true => Status::Expired { at: now },
        false => Status::Error { at: now },
    }
}

/// Time passed: a lease may have lapsed, a window may have closed.
fn time(it: &Assignment, now: Timestamp) -> Result<Decision, Refused> {
    match it.status.lease() {
        Some((_, lease)) if lease <= now => Ok(lapse(it, now)),
        _ => expire(it, now),
    }
}

fn lapse(it: &Assignment, now: Timestamp) -> Decision {
    let again = it.rules.on_unknown && it.rules.idempotent;
    let status = it.retry(again, it.rules.retry_at(it.attempt, now)).unwrap_or(Status::Unknown { at: now });
    to(it, status, Some(AttemptState::Unknown))
}

/// The end of its time: what waits for its first try expires, what waits for another ends as its last try did, what is under way
/// is asked to stop where the task says so.
fn expire(it: &Assignment, now: Timestamp) -> Result<Decision, Refused> {
    if !it.status.state().is_open() {
        return Err(Refused::Final);
    }
    if !it.limits.is_over(now) {
        return Err(Refused::NotYet);
    }
    match it.status {
        Status::Prepared { .. } => Ok(to(it, expired(it, now), None)),
        _ if it.limits.stops && !it.cancel_requested => Ok(to(&Assignment { cancel_requested: true, ..*it }, it.status, None)),
        _ => Err(Refused::Nothing),
    }
}

/// Puts off what waits; never to an earlier instant than it waits for already.
fn delay(it: &Assignment, until: Timestamp) -> Result<Decision, Refused> {
    match it.status {
        Status::Prepared { from } if from < until => Ok(to(it, Status::Prepared { from: until }, None)),
        Status::Prepared { .. } => Err(Refused::Nothing),
        Status::Started { .. } | Status::Running { .. } => Err(Refused::NotClaimable),
        _ => Err(Refused::Final),
    }
}

fn unable(it: &Assignment, now: Timestamp) -> Result<Decision, Refused> {
    match it.status {
        Status::Prepared { .. } if it.attempt == 0 => Ok(to(it, Status::Error { at: now }, None)),
        Status::Prepared { .. } | Status::Started { .. } | Status::Running { .. } => Err(Refused::NotClaimable),
        _ => Err(Refused::Final),
    }
}

/// What waits expires, or ends as its last try did; of what is under way nothing is known, until its late result comes.
fn late(it: &Assignment, now: Timestamp) -> Result<Decision, Refused> {
    match it.status {
        Status::Prepared { .. } => Ok(to(it, expired(it, now), None)),
        Status::Started { .. } | Status::Running { .. } => Ok(to(it, Status::Unknown { at: now }, Some(AttemptState::Unknown))),
        _ => Err(Refused::Final),
    }
}

fn expired(it: &Assignment, now: Timestamp) -> Status {
    match it.last_attempt {
        Some(AttemptState::Error) => Status::Error { at: now },
        Some(AttemptState::Unknown) => Status::Unknown { at: now },
        _ => Status::Expired { at: now },
    }
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
