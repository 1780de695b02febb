//! The engine: commands and queries. Each authorises, works in one transaction, decides by the rules of `muster-core`, saves.
//!
//! Doors call [`Engine::write`] and [`Engine::read`] with functions of this crate; nothing else reaches the store. Absent on
//! purpose: SQL, HTTP, wire formats, clocks (time comes with the transaction), randomness (it comes with [`Cx`]).

pub mod access;
pub mod approvals;
pub mod audit;
pub mod book;
pub mod brake;
pub mod calendar;
pub mod contact;
pub mod crashes;
mod cx;
pub mod deploy;
mod doors;
mod engine;
pub mod enrol;
mod error;
pub mod findings;
pub mod fleet;
mod forecast;
pub mod glpi;
pub mod groups;
pub mod history;
mod hot;
pub mod idempotency;
pub mod identity;
mod idle;
pub mod intake;
pub mod jobs;
pub mod leftovers;
pub mod messages;
mod moves;
pub mod overview;
pub mod packages;
pub mod planner;
pub mod pool;
pub mod queue;
pub mod rebuild;
pub mod reports;
mod rollout;
pub mod runs;
pub mod schedules;
pub mod software;
pub mod steps;
pub mod tasks;
pub mod work;
pub mod workers;

pub use cx::{Cx, Random, SeededRandom, SystemRandom};
pub use doors::{Doors, Reason};
pub use engine::Engine;
pub use error::{Error, Field, Kind};
pub use muster_store::{
    AgentFilter, AssignmentFilter, CandidateFilter, CrashFilter, DeviceFilter, FUNCTIONS, Fault, Heard, Hint, HistoryFilter, Message,
    OpenError, ProgramFilter, RunFilter, Rx, Store, StoreStats, Topic, Tx, VIEWS, View,
};
