//! A job that one agent walks alone, also without a connection: what it is given, where it stands, and what follows a step's end.
//!
//! The rules are those of [`super::Job`] and [`crate::tasks::state::decide`], which the server uses too when it hears of it: both come
//! to the same steps, rounds, tries and ids.

use super::guard::Bound;
use super::{Job, Next, Plan, Trail};
use crate::ids::{AgentId, AssignmentId};
use crate::tasks::book::Occasion;
use crate::tasks::doc::{self, Action};
use crate::tasks::state::{self, Actor, Assignment, AttemptState, Input, Limits, Outcome, Rules, State, Status};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// A job as an agent gets it: the same for all targets of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// What leads from step to step; conditions are given with each target's [`Standing`].
    pub plan: Plan<Bound>,
    /// What is done, step by step.
    pub legs: Vec<Leg>,
    /// What texts may say of the run.
    pub run: RunFacts,
}

/// What is done in one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// The action: `type` and its parameters; placeholders are not filled yet.
    pub action: Value,
    /// How long the work may take, seconds.
    pub timeout_seconds: u64,
    /// Whether it is ended when the target's time is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stops: bool,
    /// Whether it may be done twice without harm.
    pub idempotent: bool,
    /// Attempts in all.
    pub attempts: u32,
    /// Pause before the second try, milliseconds.
    pub backoff_ms: u64,
    /// Whether an error is tried again.
    pub on_error: bool,
}

/// What texts of actions may say of the run, see [`doc::PLACEHOLDERS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    /// `task.name`.
    pub task_name: String,
    /// `run.number`.
    pub number: i64,
    /// `run.id`.
    pub id: String,
    /// `targets.count`.
    pub targets: i64,
}

/// Where the walk of one target stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The conditions of this target, step by step.
    pub conditions: Vec<Option<Bound>>,
    /// The step it is at, from 0.
    pub place: usize,
    /// The round of that step.
    pub round: u32,
    /// What happened before.
    pub trail: Trail,
}

/// The piece of a walk that is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// The assignment of the step.
    pub assignment: AssignmentId,
    /// The attempt's number.
    pub attempt: u32,
    /// It begins at this instant at the earliest, milliseconds since 1970.
    pub from: Timestamp,
    /// Where the walk stands.
    pub standing: Standing,
    /// The occurrence of which it is, where the machine began it by its book, and the end of its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occasion: Option<(Occasion, Option<Timestamp>)>,
}

/// How a piece ended.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// How.
    pub outcome: Outcome,
    /// Its exit code, where there is one.
    pub exit_code: Option<i64>,
    /// Its output, as it is told to the server.
    pub output: Option<&'a str>,
}

/// What follows a piece.
#[derive(Clone, Debug, PartialEq)]
pub enum Follows {
    /// Another try of it, or another step.
    Piece(Box<Piece>),
    /// Nothing: the walk has come to this.
    End(State),
    /// It was given back: the server leads from here.
    GivenBack,
}

/// Who decides matters to the server alone.
const NOBODY: Actor = Actor { agent: AgentId::SERVER, incarnation: 0 };

impl Course {
    /// The action of a piece with its placeholders filled.
    pub fn action(&self, standing: &Standing) -> Option<Value> {
        let action = &self.legs.get(standing.place)?.action;
        let Ok(read) = serde_json::from_value::<Action>(action.clone()) else { return Some(action.clone()) };
        let RunFacts { task_name, number, id, targets } = &self.run;
        let trail = Some(&standing.trail);
        let facts = doc::Facts { task_name, run_number: *number, run_id: id, targets_count: *targets, trail };
        serde_json::to_value(read.with_texts(|text| doc::fill(text, &facts))).ok()
    }

    /// What follows the end of a piece at an instant; `not_after` is the end of the target's time.
    pub fn follow(&self, piece: &Piece, told: &Told<'_>, not_after: Option<Timestamp>, now: Timestamp) -> Follows {
        let Standing { conditions, place, trail, .. } = &piece.standing;
        let (Some(leg), Some(part)) = (self.legs.get(*place), self.plan.parts.get(*place)) else { return Follows::GivenBack };
        let ended = Input::Ended { attempt: piece.attempt, actor: NOBODY, outcome: told.outcome };
        let state = match state::decide(&leg.under_way(piece.attempt, not_after), ended, now).map(|decision| decision.next.status) {
            Ok(Status::Prepared { .. }) if told.outcome == Outcome::Declined => return Follows::GivenBack,
            Ok(Status::Prepared { from }) => {
                return Follows::Piece(Box::new(Piece { attempt: piece.attempt + 1, from, ..piece.clone() }));
            }
            Ok(status) => status.state(),
            Err(_) => return Follows::GivenBack,
        };
        let mut trail = trail.clone();
        trail.results.insert(part.id.clone(), part.result(state, told.exit_code, told.output));
        let plan = self.bound(conditions);
        match Job::of(&plan).follow(&mut trail, *place, state == State::Error, None).next {
            Next::End(state) => Follows::End(state),
            Next::Do(place) => {
                let round = plan.parts.get(place).map_or(1, |part| trail.enter(&part.id).0);
                let assignment = piece.assignment.following(place, round);
                let standing = Standing { conditions: conditions.clone(), place, round, trail };
                Follows::Piece(Box::new(Piece { assignment, attempt: 1, from: now, standing, occasion: piece.occasion.clone() }))
            }
        }
    }

    /// The plan with the conditions of one target.
    fn bound(&self, conditions: &[Option<Bound>]) -> Plan<Bound> {
        let mut plan = self.plan.clone();
        for (part, when) in plan.parts.iter_mut().zip(conditions) {
            part.when.clone_from(when);
        }
        plan
    }
}

impl Leg {
    /// An attempt of it that is under way.
    fn under_way(&self, attempt: u32, not_after: Option<Timestamp>) -> Assignment {
        let rules = Rules {
            attempts_max: self.attempts,
            backoff: Duration::from_millis(self.backoff_ms),
            on_error: self.on_error,
            on_unknown: false,
            idempotent: self.idempotent,
        };
        Assignment {
            status: Status::Started { actor: NOBODY, lease: Timestamp(i64::MAX) },
            attempt,
            last_actor: Some(NOBODY),
            last_attempt: Some(AttemptState::Started),
            cancel_requested: false,
            limits: Limits { not_after, stops: self.stops },
            rules,
        }
    }
}
