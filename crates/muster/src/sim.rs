//! `muster sim`: the engine in simulated worlds, and the planner.

mod plan;

use crate::cli::print;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Worlds, or a plan.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Sim {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    worlds: Worlds,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says when a task would end on a fleet, how many machines miss its window, and what would help; needs no server
    Plan(plan::Plan),
}

#[derive(Debug, Args)]
struct Worlds {
    /// How many worlds
    #[arg(long, default_value_t = 1, value_name = "N")]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Worlds at once [as many as there are processors]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Only these steps happen, as in 3,17,40-44; a failure names those that are needed
    #[arg(long, value_name = "STEPS")]
    steps: Option<muster_sim::Steps>,
}

/// Runs it.
pub fn run(sim: &Sim) -> anyhow::Result<ExitCode> {
    match &sim.command {
        Some(Command::Plan(plan)) => plan.print().map(|()| ExitCode::SUCCESS),
        None => worlds(&sim.worlds),
    }
}

fn worlds(args: &Worlds) -> anyhow::Result<ExitCode> {
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let options = muster_sim::Options { only: args.steps.clone(), ..muster_sim::Options::default() };
    let failures = muster_sim::seeds_with(args.seed, args.seeds, threads, &options);
    for (n, failure) in failures.iter().enumerate() {
        // The first is enough to begin with, and making one small costs up to a minute.
        let small = if n == 0 { muster_sim::shrink(failure, &options) } else { failure.clone() };
        print(&format!("{small}\n\n"))?;
    }
    print(&format!("{} worlds, {} broke a rule\n", args.seeds, failures.len()))?;
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
