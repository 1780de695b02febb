//! `muster bench intake`: the order of a run.

use super::floor::Floor;
use super::load::{self, Load, Sent};
use super::machine::{Exchange, Fleet, Protocol, State};
use super::peer::{self, Peer};
use super::report::{Report, Row, Spent};
use super::stored::Api;
use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

/// Machines whose requests are made and held at once: about 50 KB each.
const BATCH: u64 = 4_000;
/// After the last answer: what the server still writes of it belongs to it.
const SETTLE: Duration = Duration::from_millis(1_500);
/// Machines whose history is looked at.
const SAMPLE: usize = 50;

/// How inventories are sent.
#[derive(Debug, Args)]
pub struct Plan {
    /// How many machines are invented
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=5_000_000))]
    devices: u64,
    /// How many of them send at once, each on a connection of its own
    #[arg(long, default_value_t = 64, value_name = "N")]
    clients: usize,
    /// Programs on each machine: a range, or one number
    #[arg(long, default_value = "300-1500", value_name = "MIN-MAX", value_parser = range)]
    programs: RangeInclusive<usize>,
    /// What is measured, in this order
    #[arg(long = "mode", value_enum, value_delimiter = ',', default_value = "first,same,changed,quiet")]
    modes: Vec<Mode>,
    /// Whose agents send
    #[arg(long, value_enum, default_value_t = Protocol::Fusioninventory)]
    protocol: Protocol,
    /// Whether a client keeps its connection, or makes one for each machine as agents do
    #[arg(long, value_enum, default_value_t = Connections::KeepAlive)]
    connections: Connections,
    /// Encrypted, by the server's own authority; no session is taken up again
    #[arg(long)]
    tls: bool,
    /// Whether each machine asks (PROLOG) before it sends
    #[arg(long, value_enum, default_value_t = Choice::Yes)]
    prolog: Choice,
    /// PostgreSQL instead of the embedded database; it must hold no devices
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// First process of a PostgreSQL on this machine: its processor time is shown too
    #[arg(long, value_name = "PID", requires = "database")]
    postgres_pid: Option<u32>,
    /// How often all modes are measured; with 'first' each time with other machines
    #[arg(long, default_value_t = 1, value_name = "N")]
    rounds: u32,
    /// At the end go on with first inventories until there are so many devices, then show the memory
    #[arg(long, value_name = "N")]
    rss_devices: Option<u64>,
    /// Machines are the same for the same seed
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// One JSON object a line instead of tables
    #[arg(long)]
    json: bool,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Machines that were never seen
    First,
    /// The same document once more
    Same,
    /// One program was replaced by another version of it
    Changed,
    /// Only readings moved: times, free space, processes
    Quiet,
}

impl Mode {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Same => "same",
            Self::Changed => "changed",
            Self::Quiet => "quiet",
        }
    }
}

/// How long connections live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Connections {
    /// One for each client
    KeepAlive,
    /// One for each machine
    New,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    Yes,
    No,
}

fn range(text: &str) -> Result<RangeInclusive<usize>, String> {
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    let number = |n: &str| n.trim().parse::<usize>().map_err(|_| format!("'{n}' is no number; write MIN-MAX, such as 300-1500"));
    Ok(number(min)?..=number(max)?)
}

impl Plan {
    /// Whether the database is PostgreSQL.
    pub fn postgres(&self) -> bool {
        self.database.is_some()
    }

    /// How many machines send in each measurement.
    pub fn devices(&self) -> u64 {
        self.devices
    }

    /// How many send at once.
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// The conditions in a sentence.
    pub fn describe(&self) -> String {
        format!(
            "{} machines, {} to {} programs each, {} clients, {}, {} connections, {}, {}, {}",
            self.devices,
            self.programs.start(),
            self.programs.end(),
            self.clients,
            if self.protocol == Protocol::Ocs { "OCS" } else { "FusionInventory" },
            if self.connections == Connections::New { "new" } else { "kept" },
            if self.tls { "TLS" } else { "plain" },
            if self.prolog == Choice::Yes { "PROLOG and INVENTORY" } else { "INVENTORY only" },
            if self.postgres() { "PostgreSQL" } else { "SQLite" }
        )
    }

    /// The conditions as JSON.
    pub fn conditions(&self) -> Value {
        json!({
            "devices": self.devices, "programs_min": self.programs.start(), "programs_max": self.programs.end(), "clients": self.clients,
            "protocol": if self.protocol == Protocol::Ocs { "ocs" } else { "fusioninventory" },
            "connections": if self.connections == Connections::New { "new" } else { "keep-alive" },
            "tls": self.tls, "prolog": self.prolog == Choice::Yes, "database": if self.postgres() { "postgresql" } else { "sqlite" },
            "seed": self.seed, "rounds": self.rounds,
        })
    }

    fn load(&self, peer: &Peer) -> anyhow::Result<Load> {
        Ok(Load {
            address: peer.address()?,
            tls: self.tls.then(|| load::connector(&peer.authority())).transpose()?,
            clients: self.clients,
            fresh: self.connections == Connections::New,
            prolog: self.prolog == Choice::Yes,
        })
    }
}

/// Runs it.
pub async fn run(plan: &Plan) -> anyhow::Result<()> {
    let fleet = Fleet::new(plan.protocol, plan.seed, plan.programs.clone())?;
    plan.postgres_pid.map_or(Ok(()), peer::is_postgres)?;
    let peer = Peer::server(plan.database.as_deref(), plan.tls)?;
    let api = Api::new(&peer, peer.token(plan.database.as_deref())?, plan.tls)?;
    let before = api.devices().await?;
    ensure!(before == 0, "the database holds {before} devices already; the count at the end needs an empty one");
    api.open_gates().await?;
    let report = Report { json: plan.json };
    let load = plan.load(&peer)?;
    let floor = {
        let exchanges = Arc::new(fleet.exchanges(0..plan.devices.min(BATCH), State::default()));
        Floor::measure(&load, &exchanges, plan.protocol).await?
    };
    report.begin(plan, &floor);
    let mut bench = Bench { plan, fleet, peer, load, floor, machines: 0..0, state: State::default(), taken: Vec::new(), changed: None };
    let mut rows = Vec::new();
    for round in 1..=plan.rounds.max(1) {
        for mode in &plan.modes {
            let row = bench.measure(*mode, round).await?;
            report.row(&row);
            rows.push(row);
        }
    }
    let looked = bench.check_changes(&api).await?;
    if let Some(devices) = plan.rss_devices {
        bench.grow(devices).await?;
        report.memory(bench.taken(), bench.peer.memory()?);
    }
    let (stored, taken) = (api.devices().await?, bench.taken());
    report.stored(stored, taken, looked);
    report.goals(plan, &rows, taken, bench.peer.memory()?);
    // One that was stored and then not answered comes again: no loss.
    ensure!(stored >= taken, "{taken} machines were answered 200 and only {stored} devices are stored");
    Ok(())
}

/// A run under way.
struct Bench<'a> {
    plan: &'a Plan,
    fleet: Fleet,
    peer: Peer,
    load: Load,
    floor: Floor,
    /// The machines that are sending, by their numbers.
    machines: Range<u64>,
    /// How far they have changed.
    state: State,
    /// Which of all machines so far have been answered 200, by number.
    taken: Vec<bool>,
    /// The machines whose last change was answered 200, and that change.
    changed: Option<(Vec<u64>, State)>,
}

impl Bench<'_> {
    fn taken(&self) -> u64 {
        self.taken.iter().filter(|t| **t).count() as u64
    }

    /// Measures one mode. When nothing was sent yet, machines are made known before, unmeasured.
    async fn measure(&mut self, mode: Mode, round: u32) -> anyhow::Result<Row> {
        if self.machines.is_empty() && mode != Mode::First {
            self.others();
            self.send_all().await?;
            tokio::time::sleep(SETTLE).await;
        }
        match mode {
            Mode::First => self.others(),
            Mode::Same => {}
            Mode::Changed => self.state.change += 1,
            Mode::Quiet => self.state.reading += 1,
        }
        let before = (self.peer.cpu()?, self.postgres()?);
        let (sent, generator) = self.send_all().await?;
        tokio::time::sleep(SETTLE).await;
        let postgres = self.postgres()?.zip(before.1).map(|(after, before)| after.saturating_sub(before));
        let spent = Spent { server: self.peer.cpu()?.saturating_sub(before.0), postgres, generator };
        if let Some(complaint) = &sent.complaint {
            eprintln!("{} {round}: not every inventory was taken; the first refusal: {complaint}", mode.name());
        }
        ensure!(!sent.taken.is_empty(), "no inventory was taken");
        if mode == Mode::Changed {
            self.changed = Some((sent.taken.clone(), self.state));
        }
        Ok(Row::new(mode, round, sent, spent, self.peer.memory()?, &self.floor))
    }

    fn postgres(&self) -> anyhow::Result<Option<Duration>> {
        self.plan.postgres_pid.map(peer::postgres_cpu).transpose()
    }

    /// Goes on with machines that were never seen.
    fn others(&mut self) {
        let start = self.machines.end;
        self.machines = start..start + self.plan.devices;
        self.state = State::default();
    }

    /// Sends one inventory of each machine, a batch at a time; also gives the generator's processor time while it sent.
    async fn send_all(&mut self) -> anyhow::Result<(Sent, Duration)> {
        let (mut all, mut cpu) = (Sent::default(), Duration::ZERO);
        let mut start = self.machines.start;
        while start < self.machines.end {
            let end = self.machines.end.min(start + BATCH);
            let exchanges: Arc<Vec<Exchange>> = Arc::new(self.fleet.exchanges(start..end, self.state));
            let before = peer::own_cpu()?;
            let sent = load::send(&self.load, &exchanges).await?;
            cpu += peer::own_cpu()?.saturating_sub(before);
            self.note(&sent)?;
            all.add(sent);
            start = end;
        }
        Ok((all, cpu))
    }

    fn note(&mut self, sent: &Sent) -> anyhow::Result<()> {
        self.taken.resize(self.taken.len().max(usize::try_from(self.machines.end)?), false);
        for number in &sent.taken {
            *self.taken.get_mut(usize::try_from(*number)?).context("a machine of this run")? = true;
        }
        Ok(())
    }

    /// First inventories until there are so many devices.
    async fn grow(&mut self, devices: u64) -> anyhow::Result<()> {
        let missing = devices.saturating_sub(self.taken());
        let start = self.machines.end;
        self.machines = start..start + missing;
        self.state = State::default();
        self.send_all().await?;
        tokio::time::sleep(SETTLE).await;
        Ok(())
    }

    /// Looks whether the last change of some machines is in their history; gives of how many.
    async fn check_changes(&self, api: &Api) -> anyhow::Result<usize> {
        let Some((numbers, state)) = &self.changed else { return Ok(0) };
        let sample: Vec<u64> = numbers.iter().step_by((numbers.len() / SAMPLE).max(1)).take(SAMPLE).copied().collect();
        for number in &sample {
            if !api.holds_change(&self.fleet, *number, *state).await? {
                bail!("{} was answered 200 and its change is not in its history", self.fleet.name(*number));
            }
        }
        Ok(sample.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_programs_is_two_numbers_or_one() {
        assert_eq!(range("300-1500"), Ok(300..=1_500));
        assert_eq!(range("70"), Ok(70..=70));
        assert!(range("many").is_err() && range("1-").is_err() && range("").is_err());
    }
}
