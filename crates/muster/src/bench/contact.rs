//! `muster bench contact`: contacts for which nothing waits, beside a bare HTTP server that is sent the same.

use super::load::{self, Load};
use super::machine::{Fleet, Protocol, State};
use super::peer::Peer;
use super::report::thousands;
use super::stored::Api;
use anyhow::{Context as _, ensure};
use clap::Args;
use std::sync::Arc;
use std::time::Duration;

/// How agents ask.
#[derive(Debug, Args)]
pub struct Contact {
    /// How many agents there are
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    agents: u64,
    /// How many ask at once, each on a connection of its own
    #[arg(long, default_value_t = 64, value_name = "N")]
    clients: usize,
    /// How long is measured
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    seconds: u64,
    /// How often; the middle of the ratios counts
    #[arg(long, default_value_t = 3, value_name = "N")]
    rounds: usize,
    /// Whose agents ask
    #[arg(long, value_enum, default_value_t = Protocol::Ocs)]
    protocol: Protocol,
}

/// Measures and prints.
pub async fn run(args: &Contact) -> anyhow::Result<()> {
    let fleet = Fleet::new(args.protocol, 1, 5..=5)?;
    let exchanges = Arc::new(fleet.exchanges(0..args.agents, State::default()));
    let (server, bare) = (Peer::server(None, false)?, Peer::bare(false)?);
    let api = Api::new(&server, server.token(None)?, false)?;
    api.open_gates().await?;
    let load = Load { address: server.address()?, tls: None, clients: args.clients, fresh: false, prolog: true };
    let known = load::send(&load, &exchanges).await?;
    ensure!(known.complaint.is_none(), "the fleet was not taken: {}", known.complaint.unwrap_or_default());
    let prologs: Arc<Vec<Vec<u8>>> = Arc::new(exchanges.iter().map(|e| e.prolog.clone()).collect());
    let span = Duration::from_secs(args.seconds);
    let to_bare = Load { address: bare.address()?, ..load.clone() };
    // Once before, so that what is kept in memory is there.
    load::ask(&load, &prologs, Duration::from_millis(500)).await?;
    println!(
        "{} agents, {} at once, {} s a round   muster/s     bare/s   ratio   reads of the database",
        args.agents, args.clients, args.seconds
    );
    let mut ratios = Vec::new();
    for _ in 0..args.rounds.max(1) {
        let reads = api.counter("muster_store_reads_total").await?;
        let ours = load::ask(&load, &prologs, span).await?;
        // One of the reads is that of the token by which the counter is asked for.
        let reads = api.counter("muster_store_reads_total").await?.saturating_sub(reads);
        let theirs = load::ask(&to_bare, &prologs, span).await?;
        ratios.push(ours / theirs);
        println!("{:>46} {:>10} {:>7.2} {:>10}", thousands(ours), thousands(theirs), ours / theirs, reads);
    }
    ratios.sort_by(f64::total_cmp);
    println!("middle of the ratios: {:.2}", ratios.get(ratios.len() / 2).context("a round was measured")?);
    Ok(())
}
