//! The world in a box: virtual time, scripted agents, checkers.
//!
//! Lives here: a world of two organizations around the real engine on the real store in memory, in one thread; scripted
//! agents, people, workers and faults, all from one seed; an independent model of what was acknowledged; one checker per rule
//! of the engine. Absent on purpose: rules of the engine, wire formats, sockets, threads inside a world, clocks of the machine.
//!
//! The same seed gives the same history. `docs/simulation.md` says what is simulated and what is not yet.

#![allow(clippy::result_large_err, reason = "closures answer with the error of the engine")]

mod alone;
mod approvals;
mod book;
mod check;
mod dice;
mod groups;
mod joiner;
mod model;
mod moves;
mod observe;
mod people;
mod plant;
mod pools;
mod run;
mod script;
mod shrink;
mod staff;
mod steps;
mod together;
mod world;
mod writing;

pub use check::{Breach, Checkers};
pub use model::{Mark, Model};
pub use observe::{Handed, Intrusion, Observed, ObservedAssignment, ObservedRun, Offer, Told};
pub use plant::Plant;
pub use run::{Failure, Options, Report, run, seeds, seeds_with};
pub use shrink::shrink;
pub use steps::Steps;
