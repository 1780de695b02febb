//! Tasks, runs, assignments, attempts: the words and rules of the engine.

pub mod approval;
pub mod book;
pub mod doc;
pub mod forecast;
pub mod gate;
pub mod job;
pub mod occurrence;
pub mod planner;
pub mod pool;
mod records;
pub mod rollout;
pub mod run;
pub mod schedule;
pub mod state;
pub mod timing;
pub mod why;
pub mod window;
pub mod zone;

pub use doc::{Action, BadTask, Delivery, Mode, Scope, Targets, TaskDoc};
pub use forecast::Forecast;
pub use gate::{Around, Hands, Held, Load, held, held_from};
pub use occurrence::{OccurrenceRecord, OccurrenceState};
pub use records::*;
pub use rollout::Share;
pub use run::{Counts, RunState, Verdict};
pub use schedule::{Cron, Misfire, Moment, Nominal, Occurrence, Schedule, ScheduleOff, Trigger, When};
pub use state::{Assignment, AttemptState, Decision, Input, Outcome, Refused, Rules, State, decide};
pub use why::{Condition, Reason, Situation, why};
pub use window::{AtEnd, Days, Edge, Never, Open, Window};
pub use zone::{ZoneKnown, ZoneName, Zones};
