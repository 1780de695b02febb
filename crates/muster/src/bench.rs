//! `muster bench`: load generators for the figures in docs/benchmarks.md. Figures are printed, never judged.

use crate::storm::{Storm, storm};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use muster_wire::body::{Coding, decode_body, encode_body};
use muster_wire::legacy::{Dialect, parse_request};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What is measured.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Inventories per second: first, the same again, one program changed; beside the floor of reading them
    Intake(Intake),
    /// A fleet that comes back at once after an outage: who is served when, who is sent away, the server's peak of memory; fails when
    /// one is not served
    Storm(Storm),
}

/// How inventories are sent.
#[derive(Debug, Args)]
pub struct Intake {
    /// How many machines are invented
    #[arg(long, default_value_t = 500, value_name = "N")]
    devices: usize,
    /// How many of them send at once, each on a connection of its own
    #[arg(long, default_value_t = 16, value_name = "N")]
    clients: usize,
    /// Programs on each machine
    #[arg(long, default_value_t = 300, value_name = "N")]
    programs: usize,
    /// PostgreSQL instead of the embedded database
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Runs a benchmark.
pub async fn run(bench: &Bench) -> anyhow::Result<()> {
    match bench {
        Bench::Intake(args) => intake(args).await,
        Bench::Storm(args) => storm(args).await,
    }
}

/// One machine's inventory as FusionInventory's agent would send it; `changed` replaces the version of one program.
fn body(machine: usize, programs: usize, changed: bool) -> Vec<u8> {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?><REQUEST><CONTENT><BIOS><SMANUFACTURER>Bench</SMANUFACTURER><SSN>BENCH{machine:06}</SSN></BIOS>\
         <HARDWARE><NAME>bench-{machine}</NAME><UUID>be9c0000-0000-4000-8000-{machine:012}</UUID><MEMORY>8192</MEMORY></HARDWARE>\
         <NETWORKS><DESCRIPTION>eth0</DESCRIPTION><IPADDRESS>10.{}.{}.{}</IPADDRESS></NETWORKS>",
        machine >> 16 & 255,
        machine >> 8 & 255,
        machine & 255
    );
    for program in 0..programs {
        let version = if changed && program == 0 { 2 } else { 1 };
        xml.push_str(&format!(
            "<SOFTWARES><ARCH>amd64</ARCH><COMMENTS>program number {program} of the bench</COMMENTS><FROM>deb</FROM><NAME>program-{program}</NAME>\
             <PUBLISHER>Bench Developers</PUBLISHER><VERSION>{version}.{program}</VERSION></SOFTWARES>"
        ));
    }
    xml.push_str(&format!("</CONTENT><DEVICEID>bench-{machine}-2026-11-21-03-09-07</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>"));
    encode_body(xml.as_bytes(), Coding::Zlib)
}

/// A server process of its own, so that its processor time and memory can be told from the generator's.
pub(crate) struct Peer {
    pub(crate) child: Child,
    pub(crate) url: String,
    data: tempfile::TempDir,
}

impl Peer {
    pub(crate) fn start(database: Option<&str>) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["server", "--listen", "127.0.0.1:0", "--log", "error", "--data"]).arg(data.path());
        if let Some(url) = database {
            command.args(["--database", url]);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("the server has an output")?).read_line(&mut line)?;
        let url = line.trim().strip_prefix("muster listening on ").context("the server did not start")?.to_owned();
        Ok(Self { child, url, data })
    }

    pub(crate) fn token(&self, database: Option<&str>) -> anyhow::Result<String> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["admin", "token", "create", "--name", "bench", "--role", "admin"]);
        match database {
            Some(url) => command.args(["--database", url]),
            None => command.arg("--data").arg(self.data.path()),
        };
        let output = command.stderr(Stdio::inherit()).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Processor time of the server so far.
    fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
        // Fields 14 and 15 of proc(5), in hundredths of a second; two fields lie before the closing bracket.
        Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
    }

    /// Resident memory of the server, KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn intake(args: &Intake) -> anyhow::Result<()> {
    let database = args.database.as_deref();
    let peer = Peer::start(database)?;
    let token = peer.token(database)?;
    // Another client of this process may have installed it already; that is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
    let settings = serde_json::json!({"new_agents_per_source_max": 1_000_000});
    let set = http.patch(format!("{}/api/v1/settings", peer.url)).bearer_auth(&token).json(&settings).send().await?;
    if !set.status().is_success() {
        bail!("the settings were refused: {}", set.status());
    }
    let floor = floor(args)?;
    println!(
        "{} machines, {} programs each, {} clients, {}",
        args.devices,
        args.programs,
        args.clients,
        if database.is_some() { "PostgreSQL" } else { "SQLite" }
    );
    println!("floor (inflate, read, cut and hash one, one thread)  {:>8.0} us", floor.as_secs_f64() * 1e6);
    println!(
        "{:<10} {:>12} {:>10} {:>10} {:>16} {:>10} {:>8}",
        "", "inventories/s", "p50 ms", "p99 ms", "server CPU us", "x floor", "RSS MiB"
    );
    for (name, changed) in [("first", false), ("same", false), ("changed", true)] {
        let bodies: Arc<Vec<Vec<u8>>> = Arc::new((0..args.devices).map(|m| body(m, args.programs, changed)).collect());
        let (cpu, began) = (peer.cpu()?, Instant::now());
        let mut times = send_all(&http, &peer.url, bodies, args.clients).await?;
        let (took, cpu) = (began.elapsed(), peer.cpu()?.saturating_sub(cpu));
        times.sort_unstable();
        let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default().as_secs_f64() * 1e3;
        let each = cpu.as_secs_f64() / args.devices as f64;
        println!(
            "{name:<10} {:>12.0} {:>10.1} {:>10.1} {:>16.0} {:>10.1} {:>8}",
            args.devices as f64 / took.as_secs_f64(),
            at(0.5),
            at(0.99),
            each * 1e6,
            each / floor.as_secs_f64(),
            peer.memory() / 1024
        );
    }
    let metrics = http.get(format!("{}/api/v1/overview", peer.url)).bearer_auth(&token).send().await?.text().await?;
    let stored = serde_json::from_str::<serde_json::Value>(&metrics)?["devices"].as_u64().unwrap_or(0);
    println!("stored: {stored} of {} machines", args.devices);
    if stored != args.devices as u64 {
        bail!("{} machines were answered with 200 and are not stored", args.devices as u64 - stored);
    }
    Ok(())
}

/// What reading one inventory costs without any server: the median of many.
fn floor(args: &Intake) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for machine in 0..50 {
        let raw = body(machine, args.programs, false);
        let began = Instant::now();
        let decoded = decode_body(&raw, 64 << 20).map_err(|e| anyhow::anyhow!("{e}"))?;
        let request = parse_request(&decoded.bytes, Dialect::FusionInventory).map_err(|e| anyhow::anyhow!("{e}"))?;
        let inventory = request.inventory.context("an inventory")?;
        std::hint::black_box(muster_engine::intake::prepare(&inventory));
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// Sends every body once, from a number of clients; gives how long each took.
async fn send_all(http: &reqwest::Client, url: &str, bodies: Arc<Vec<Vec<u8>>>, clients: usize) -> anyhow::Result<Vec<Duration>> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..clients.max(1) {
        let (http, url, bodies, next) = (http.clone(), url.to_owned(), bodies.clone(), next.clone());
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::new();
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                let began = Instant::now();
                let request = http.post(format!("{url}/")).header("User-Agent", "FusionInventory-Agent_v2.6-3");
                let answer = request.header("Content-Type", "application/x-compress-zlib").body(body.clone()).send().await?;
                let status = answer.status();
                let text = answer.text().await?;
                if !status.is_success() {
                    bail!("an inventory was answered {status}: {text}");
                }
                times.push(began.elapsed());
            }
            Ok(times)
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    Ok(all)
}
