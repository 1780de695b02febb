//! The only SQL of Muster: SQLite and PostgreSQL, migrations, units of work.
//!
//! Lives here: the unit of work (`Tx`), reads (`Rx`), the queue and threads behind them, and the operations by area.
//! Absent on purpose: rules (they are in `muster-core`), async commands, SQL primitives in public methods.
//!
//! A command is a synchronous function of `&mut Tx`. It may run more than once, so it touches nothing but the `Tx` and its
//! arguments. On SQLite one thread runs up to 256 queued commands in one durable transaction, each in a savepoint; on
//! PostgreSQL eight threads run one transaction per command at READ COMMITTED, with fences instead of higher levels.

mod access;
mod agents;
mod approvals;
mod assignments;
mod batch;
mod book;
mod checkpoint;
mod crashes;
mod devices;
mod fault;
mod findings;
mod floor;
mod gather;
mod groups;
mod history;
mod identity;
mod inline;
mod inventory;
mod jobs;
mod kept;
mod leftovers;
mod list;
mod lite;
mod messages;
mod migrate;
mod moves;
mod packages;
mod pg;
mod pgwriter;
mod pools;
mod published;
mod query_sql;
mod queue;
mod read;
mod reports;
mod schedules;
mod software;
mod sql;
mod stats;
mod store;
mod tasks;
#[cfg(any(test, feature = "testdb"))]
pub mod testdb;
#[cfg(test)]
mod tests;
mod touch;
mod unit;
mod value;
mod wakes;

pub use access::{KeptAnswer, SessionRow};
pub use agents::{AgentFilter, Heard};
pub use assignments::{AssignmentFilter, NewAssignment, Opened};
pub use book::{BookTask, Eligible};
pub use crashes::CrashFilter;
pub use devices::{DeviceFilter, DeviceGroup};
pub use fault::{Fault, OpenError};
pub use gather::{Answer, Gather, Hot};
pub use groups::Following;
pub use history::{HistoryFilter, HistoryRow};
pub use identity::{CandidateFilter, Rebuilt};
pub use inline::{FaultPlan, Strike};
pub use inventory::{DeviceWrite, HistoryWrite, InventoryWrite, Packed, SectionWrite, Software, Whose, keys_pack};
pub use messages::{Message, NewMessage};
pub use packages::Package;
pub use pools::{PoolRun, Share, Wanted};
pub use published::{Column, VIEWS, View};
pub use schedules::{Happening, ScheduleRow};
pub use software::{EntryCount, ProgramFilter};
pub use sql::{Checked, FUNCTIONS};
pub use stats::StoreStats;
pub use store::{Options, Store};
pub use tasks::{RunFilter, SNAPSHOT_CHUNK};
pub use touch::{Touch, Touched};
pub use unit::{Effect, Hint, Rx, Topic, Tx};
