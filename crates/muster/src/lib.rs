//! The programs `muster` and `musterctl`: subcommands, configuration, wiring, TLS, the driver of the workers, the real outside.
//!
//! Absent on purpose: rules, SQL, wire formats, handlers. What is decided here is only how the parts are put together.

mod accept;
mod admin;
mod bench;
mod cli;
mod clock;
mod config;
mod ctl;
mod doors;
mod keys;
mod logs;
mod open;
mod quickstart;
mod sim;

mod errand;
mod mail;
mod sandbox;
mod server;
mod tls;
mod wake;

mod wiring;
mod workers;

use clap::Parser;
use std::process::ExitCode;

/// The program `muster`.
pub fn muster() -> ExitCode {
    tls::install_provider();
    ended("muster", cli::run(cli::Muster::parse()))
}

/// The program `musterctl`.
pub fn musterctl() -> ExitCode {
    tls::install_provider();
    ended("musterctl", ctl::run(ctl::Ctl::parse()))
}

fn ended(program: &str, result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("{program}: {error:#}");
        ExitCode::FAILURE
    })
}
