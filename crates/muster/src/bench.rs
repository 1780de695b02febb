//! `muster bench`: load generators for the figures in docs/benchmarks.md. Figures are printed, never judged; loss is an error.

mod channel;
mod contact;
mod decide;
mod floor;
mod groups;
mod intake;
mod load;
mod machine;
mod peer;
mod report;
mod sample;
mod stored;
mod storm;
mod work;

use crate::clock::SystemClock;
use clap::Subcommand;
use muster_engine::{Engine, Store, SystemRandom};
use std::sync::Arc;

/// What is measured.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Inventories: first, the same again, one program changed, only readings changed; beside the floor of the same run
    ///
    /// Starts a server of its own, sends to it, and counts afterwards that everything it has answered 200 is stored. What the
    /// columns mean is in docs/benchmarks.md.
    Intake(intake::Plan),
    /// A fleet that comes back at once after an outage: who is served when, who is sent away, the server's peak of memory; fails when
    /// one is not served
    Storm(storm::Storm),
    /// A run on a large fleet: made, handed out and ended a second, beside the bare database; other commands meanwhile; long pages
    Work(work::Work),
    /// A query of twenty clauses over a large fleet, beside reading its ids; what dynamic groups cost a device that changes
    Groups(groups::Groups),
    /// Contacts for which nothing waits, beside a bare HTTP server that is sent the same
    Contact(contact::Contact),
    /// Own agents that keep their channels open, over TLS: memory of the server for each, an order to all until every verdict is
    /// acknowledged, frames beside a bare WebSocket loop
    Channel(channel::Channel),
    /// Decisions of the engine's pure core a second, on one thread, without a database
    Decide(decide::Decide),
    /// The bare HTTP server that the floor is measured with
    #[command(hide = true)]
    BareHttp(floor::BareHttp),
    /// The bare WebSocket loop that channels are compared with
    #[command(hide = true)]
    BareChannel {
        /// Where its keys are made
        #[arg(long, value_name = "DIR")]
        keys: std::path::PathBuf,
    },
}

/// An engine on an empty database of its own, or on the one at an address.
fn engine_on(data: &std::path::Path, database: Option<&str>) -> anyhow::Result<Engine> {
    let clock = Arc::new(SystemClock);
    let store = match database {
        Some(url) => Store::open_postgres(url, clock.clone())?,
        None => Store::open_sqlite(&data.join("muster.db"), clock.clone())?,
    };
    Ok(Engine::new(store, clock, Arc::new(SystemRandom)))
}

/// Runs a benchmark.
pub async fn run(bench: &Bench) -> anyhow::Result<()> {
    match bench {
        Bench::Intake(plan) => intake::run(plan).await,
        Bench::Storm(args) => storm::storm(args).await,
        Bench::Work(args) => work::run(args).await,
        Bench::Groups(args) => groups::run(args).await,
        Bench::Contact(args) => contact::run(args).await,
        Bench::Decide(args) => {
            decide::decide_rate(args);
            Ok(())
        }
        Bench::Channel(args) => channel::run(args).await,
        Bench::BareHttp(args) => floor::bare(args).await,
        Bench::BareChannel { keys } => channel::bare(keys).await,
    }
}
