//! `muster bench storm`: a whole fleet comes back at once after an outage. Every agent asks, sends its inventory when it is told
//! to, and comes again when it is sent away; at the end each of them must have been served.

use super::peer::Peer;
use anyhow::bail;
use clap::Args;
use muster_wire::body::{Coding, encode_body};
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// How the fleet comes back.
#[derive(Debug, Args)]
pub struct Storm {
    /// How many agents come back at once
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    agents: usize,
    /// Connections at once: what the system of this machine lets one program have
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    clients: usize,
    /// Programs on each machine
    #[arg(long, default_value_t = 5, value_name = "N")]
    programs: usize,
    /// Waits that the server asks for are made this much shorter
    #[arg(long, default_value_t = 60, value_name = "FACTOR")]
    hurry: u64,
    /// After so many seconds whoever was not served is lost
    #[arg(long, default_value_t = 900, value_name = "SECONDS")]
    limit: u64,
    /// PostgreSQL instead of the embedded database
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Addresses of loopback the agents come from, so that they are not one source.
const SOURCES: usize = 200;

/// Who comes when: the earliest first.
type Queue = BinaryHeap<std::cmp::Reverse<(Instant, usize)>>;

struct Fleet {
    address: SocketAddr,
    programs: usize,
    hurry: u64,
    queue: Mutex<Queue>,
    left: AtomicUsize,
    times: Mutex<Vec<Duration>>,
    refused: AtomicUsize,
    broken: AtomicUsize,
    stored: AtomicUsize,
}

impl Fleet {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of a message.
enum Said {
    Taken(String),
    Later(Duration),
}

fn id(agent: usize) -> String {
    format!("storm-{agent}-2026-11-21-03-09-07")
}

fn prolog(agent: usize) -> Vec<u8> {
    encode_body(format!("<REQUEST><DEVICEID>{}</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>", id(agent)).as_bytes(), Coding::Zlib)
}

fn inventory(agent: usize, programs: usize) -> Vec<u8> {
    let list: String = (0..programs).map(|p| format!("<SOFTWARES><NAME>program-{p}</NAME><VERSION>1.{p}</VERSION></SOFTWARES>")).collect();
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?><REQUEST><CONTENT><BIOS><SSN>STORM{agent:06}</SSN></BIOS>\
         <HARDWARE><NAME>storm-{agent}</NAME><UUID>5702e000-0000-4000-8000-{agent:012}</UUID></HARDWARE>{list}</CONTENT>\
         <DEVICEID>{}</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>",
        id(agent)
    );
    encode_body(xml.as_bytes(), Coding::Zlib)
}

/// A connection of an agent, from an address of its own region.
async fn connect(fleet: &Fleet, agent: usize) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    let last = u8::try_from(agent % SOURCES).unwrap_or(0);
    socket.bind(SocketAddr::from(([127, 0, 1, last + 1], 0)))?;
    socket.connect(fleet.address).await
}

async fn ask(stream: &mut TcpStream, body: &[u8]) -> std::io::Result<Said> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: muster\r\nUser-Agent: FusionInventory-Agent_v2.6-3\r\nContent-Type: application/x-compress-zlib\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut piece).await?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let field = |name: &str| head.lines().find_map(|l| l.strip_prefix(name)?.trim().parse::<u64>().ok());
        if (body.len() as u64) < field("content-length:").unwrap_or(0) {
            continue;
        }
        return match head.get(9..12) {
            Some("200") => Ok(Said::Taken(body.to_owned())),
            Some("503") => Ok(Said::Later(Duration::from_secs(field("retry-after:").unwrap_or(60)))),
            _ => Err(std::io::Error::other(format!("an agent was answered: {text}"))),
        };
    }
}

/// One contact of an agent; the wait it is told when it was not served.
async fn contact(fleet: &Fleet, agent: usize) -> std::io::Result<Option<Duration>> {
    let mut stream = connect(fleet, agent).await?;
    let greeting = match ask(&mut stream, &prolog(agent)).await? {
        Said::Later(wait) => return Ok(Some(wait)),
        Said::Taken(text) => text,
    };
    if greeting.contains("<RESPONSE>SEND</RESPONSE>") {
        if let Said::Later(wait) = ask(&mut stream, &inventory(agent, fleet.programs)).await? {
            return Ok(Some(wait));
        }
        fleet.stored.fetch_add(1, Relaxed);
    }
    Ok(None)
}

/// Serves agents as they come due until none is left.
async fn client(fleet: Arc<Fleet>, end: Instant) -> anyhow::Result<()> {
    while fleet.left.load(Relaxed) > 0 && Instant::now() < end {
        let next = fleet.queue().pop();
        let Some(std::cmp::Reverse((due, agent))) = next else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        tokio::time::sleep_until(due.into()).await;
        let began = Instant::now();
        let again = match contact(&fleet, agent).await {
            Ok(None) => {
                fleet.left.fetch_sub(1, Relaxed);
                fleet.times.lock().unwrap_or_else(PoisonError::into_inner).push(began.elapsed());
                continue;
            }
            Ok(Some(wait)) => {
                fleet.refused.fetch_add(1, Relaxed);
                wait
            }
            Err(error) if error.kind() == std::io::ErrorKind::Other => bail!(error),
            Err(_) => {
                fleet.broken.fetch_add(1, Relaxed);
                Duration::from_secs(60)
            }
        };
        fleet.queue().push(std::cmp::Reverse((Instant::now() + again / u32::try_from(fleet.hurry.max(1)).unwrap_or(1), agent)));
    }
    Ok(())
}

/// One storm over the whole fleet; prints its line.
async fn wave(name: &str, args: &Storm, peer: &Peer) -> anyhow::Result<()> {
    let began = Instant::now();
    let fleet = Arc::new(Fleet {
        address: peer.address()?,
        programs: args.programs,
        hurry: args.hurry,
        queue: Mutex::new((0..args.agents).map(|agent| std::cmp::Reverse((began, agent))).collect()),
        left: AtomicUsize::new(args.agents),
        times: Mutex::default(),
        refused: AtomicUsize::new(0),
        broken: AtomicUsize::new(0),
        stored: AtomicUsize::new(0),
    });
    let end = began + Duration::from_secs(args.limit);
    let clients: Vec<_> = (0..args.clients.clamp(1, args.agents)).map(|_| tokio::spawn(client(fleet.clone(), end))).collect();
    for client in clients {
        client.await??;
    }
    let mut times = std::mem::take(&mut *fleet.times.lock().unwrap_or_else(PoisonError::into_inner));
    times.sort_unstable();
    let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default().as_secs_f64() * 1e3;
    println!(
        "{name:<8} {:>8} {:>8} {:>9} {:>8} {:>9.1} {:>9.0} {:>9.1} {:>9.1} {:>9} {:>9}",
        times.len(),
        fleet.stored.load(Relaxed),
        fleet.refused.load(Relaxed),
        fleet.broken.load(Relaxed),
        began.elapsed().as_secs_f64(),
        times.len() as f64 / began.elapsed().as_secs_f64(),
        at(0.5),
        at(0.99),
        peer.memory()?.resident / 1024,
        peer.memory()?.peak / 1024,
    );
    match fleet.left.load(Relaxed) {
        0 => Ok(()),
        left => bail!("{left} of {} agents were not served within {} s", args.agents, args.limit),
    }
}

/// Runs the storm: first every agent is new, then all come back with an inventory that is due.
pub async fn storm(args: &Storm) -> anyhow::Result<()> {
    let database = args.database.as_deref();
    let peer = Peer::server(database, false)?;
    let token = peer.token(database)?;
    // Another client of this process may have installed it already; that is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
    let settings = serde_json::json!({"verify_new_agents": true, "inventory_every": "0s"});
    let set = http.patch(format!("{}/api/v1/settings", peer.url())).bearer_auth(&token).json(&settings).send().await?;
    if !set.status().is_success() {
        bail!("the settings were refused: {} {}", set.status(), set.text().await?);
    }
    println!(
        "{} agents, {} at once, waits shortened {} times; before: {} MiB",
        args.agents,
        args.clients,
        args.hurry,
        peer.memory()?.resident / 1024
    );
    println!(
        "{:<8} {:>8} {:>8} {:>9} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "served", "stored", "sent away", "broken", "seconds", "served/s", "p50 ms", "p99 ms", "RSS MiB", "peak MiB"
    );
    wave("first", args, &peer).await?;
    wave("again", args, &peer).await?;
    let overview = http.get(format!("{}/api/v1/overview", peer.url())).bearer_auth(&token).send().await?.text().await?;
    let stored = serde_json::from_str::<serde_json::Value>(&overview)?["devices"].as_u64().unwrap_or(0);
    println!("every agent was served; {stored} machines are stored; the server's peak was {} MiB", peer.memory()?.peak / 1024);
    if stored != args.agents as u64 {
        bail!("{} agents were served and {stored} machines are stored", args.agents);
    }
    Ok(())
}
