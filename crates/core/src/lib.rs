//! Words and rules of Muster.
//!
//! Lives here: ids, instants, states, limits, and every rule with a "when", an "if" or a "next", as plain functions that
//! take `now` as an argument. Absent on purpose: I/O, SQL, HTTP, clocks, randomness. Everybody calls it; it calls nobody.

pub mod access;
pub mod csv;
pub mod fleet;
pub mod groups;
pub mod ids;
pub mod inventory;
pub mod limits;
pub mod load;
pub mod nearest;
pub mod page;
pub mod query;
pub mod reports;
pub mod settings;
pub mod software;
pub mod tasks;
pub mod time;
pub mod version;
