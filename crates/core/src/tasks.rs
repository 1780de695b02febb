//! Tasks, runs, assignments, attempts: the words and rules of the engine.

pub mod doc;
pub mod gate;
mod records;
pub mod run;
mod scope;
pub mod state;
pub mod why;

pub use doc::{Action, BadTask, Delivery, Targets, TaskDoc};
pub use gate::{Around, Hands, Held, Load, held, held_from};
pub use records::*;
pub use run::{Counts, RunState, Verdict};
pub use scope::Scope;
pub use state::{Assignment, AttemptState, Decision, Input, Outcome, Refused, Rules, State, decide};
pub use why::{Condition, Reason, Situation, why};
