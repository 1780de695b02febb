//! Tasks, runs, assignments, attempts: the words and rules of the engine.

pub mod doc;
mod records;
pub mod run;
pub mod state;
pub mod why;

pub use doc::{Action, BadTask, Delivery, Targets, TaskDoc};
pub use records::*;
pub use run::{Counts, RunState, Verdict};
pub use state::{Assignment, AttemptState, Decision, Input, Outcome, Refused, Rules, State, decide};
pub use why::{Condition, Reason, Situation, why};
