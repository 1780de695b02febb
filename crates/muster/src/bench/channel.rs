//! `muster bench channel`: a fleet of own agents that keep their channels open: what each costs, how long an order to all takes until
//! every verdict is acknowledged, and frames a second beside a bare WebSocket loop.

use super::load;
use super::peer::Peer;
use super::report::thousands;
use super::stored::Api;
use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use ed25519_dalek::SigningKey;
use futures_util::{SinkExt as _, StreamExt as _};
use muster_core::ids::AgentId;
use muster_core::time::Clock as _;
use muster_wire::channel::{CHANNEL_PATH, FromAgent, FromServer};
use muster_wire::native::{self, ContactRequest, Nonce, Report, ReportState};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

/// How agents are connected.
#[derive(Debug, Args)]
pub struct Channel {
    /// How many agents there are; each is a connection, and a file of either process
    #[arg(long, default_value_t = 19_500, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    agents: u64,
    /// How many of them speak without pause while frames are counted
    #[arg(long, default_value_t = 64, value_name = "N")]
    talkers: u64,
    /// How long frames are counted
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    seconds: u64,
    /// PostgreSQL instead of the embedded database
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Addresses of loopback the agents come from, so that they are not one source.
const SOURCES: u64 = 200;
/// Agents that join or connect at once.
const AT_ONCE: usize = 64;

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// An agent that joined.
struct Member {
    number: u64,
    key: SigningKey,
    id: AgentId,
    incarnation: u32,
}

/// What all agents share.
struct Fleet {
    address: SocketAddr,
    tls: TlsConnector,
    /// Those with a lower number speak without pause while it is on.
    talkers: watch::Receiver<u64>,
    frames: AtomicUsize,
    done: AtomicUsize,
    /// Those that were told of the brake.
    held: AtomicUsize,
    broken: AtomicBool,
    /// While the server is killed and started again: when, and after which time each agent was back.
    storm: Mutex<Option<Storm>>,
}

struct Storm {
    began: Instant,
    back: Vec<Duration>,
    tries: usize,
}

/// Measures and prints.
pub async fn run(args: &Channel) -> anyhow::Result<()> {
    let mut server = Peer::server(args.database.as_deref(), true)?;
    let api = Api::new(&server, server.token(args.database.as_deref())?, true)?;
    let members = join(args, &server, &api).await?;
    let (talk, talkers) = watch::channel(0);
    let fleet = Arc::new(Fleet {
        address: server.address()?,
        tls: load::connector(&server.authority())?,
        talkers,
        frames: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        held: AtomicUsize::new(0),
        broken: AtomicBool::new(false),
        storm: Mutex::new(None),
    });
    let (before, began) = (server.memory()?.resident, Instant::now());
    connect(&fleet, members).await?;
    println!("{} channels opened in {:.1} s, over TLS", args.agents, began.elapsed().as_secs_f64());
    settled(&api, args.agents).await?;
    let memory = server.memory()?.resident.saturating_sub(before);
    println!("memory of the server for each: {:.1} KiB", memory as f64 / args.agents as f64);
    order_to_all(args, &api, &fleet).await?;
    brake(args, &api, &fleet).await?;
    let ours = frames(&fleet, &talk, args).await;
    heard_of(&fleet, &talk).await;
    storm(args, &fleet, &mut server).await?;
    let theirs = bare_frames(args).await?;
    println!("frames a second over {} channels: {}, bare {}, ratio {:.2}", args.talkers, thousands(ours), thousands(theirs), ours / theirs);
    ensure!(!fleet.broken.swap(true, Relaxed), "a channel broke; the reason is above");
    Ok(())
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..].copy_from_slice(&crate::clock::SystemClock.now().millis().to_le_bytes());
    Nonce(bytes)
}

async fn join(args: &Channel, server: &Peer, api: &Api) -> anyhow::Result<Vec<Member>> {
    api.open_gates().await?;
    let token = api.post("/join-tokens", &json!({"name": "bench", "verified": true})).await?;
    let token: Arc<str> = token["token"].as_str().context("a join token")?.into();
    let authority = reqwest::Certificate::from_pem(&std::fs::read(server.authority())?)?;
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build()?;
    let (places, url) = (Arc::new(Semaphore::new(AT_ONCE)), format!("{}{}", server.url(), native::ENROL_PATH));
    let began = Instant::now();
    let joins: Vec<_> = (0..args.agents)
        .map(|number| {
            let (places, http, url, token) = (Arc::clone(&places), http.clone(), url.clone(), Arc::clone(&token));
            tokio::spawn(async move {
                let _place = places.acquire().await?;
                let mut seed = [7; 32];
                seed[..8].copy_from_slice(&number.to_le_bytes());
                let key = SigningKey::from_bytes(&seed);
                let body = json!({"token": &*token, "public_key": native::public_key_text(&key.verifying_key()), "nonce": nonce(number),
                    "name": format!("bench-{number}"), "version": "bench", "machine": {"uuid": format!("be9c4000-0000-4000-8000-{number:012}"), "macs": []}});
                let answer = http.post(url).json(&body).send().await?.error_for_status()?.json::<native::EnrolAnswer>().await?;
                anyhow::Ok(Member { number, key, id: answer.agent_id, incarnation: answer.incarnation })
            })
        })
        .collect();
    let mut members = Vec::new();
    for join in joins {
        members.push(join.await??);
    }
    println!("{} agents joined in {:.1} s", args.agents, began.elapsed().as_secs_f64());
    Ok(members)
}

async fn connect(fleet: &Arc<Fleet>, members: Vec<Member>) -> anyhow::Result<()> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let opened: Vec<_> = members
        .into_iter()
        .map(|member| {
            let (fleet, places) = (Arc::clone(fleet), Arc::clone(&places));
            tokio::spawn(async move {
                let _place = places.acquire().await?;
                let (mut socket, mut spread) = enter(&fleet, &member).await?;
                drop(tokio::spawn(async move {
                    while let Err(error) = live(&fleet, socket, &member, &mut spread).await {
                        let Some((again, wider)) = come_back(&fleet, &member, spread).await else {
                            if !fleet.broken.swap(true, Relaxed) {
                                eprintln!("a channel broke: {error:#}");
                            }
                            return;
                        };
                        (socket, spread) = (again, wider);
                    }
                }));
                anyhow::Ok(())
            })
        })
        .collect();
    for one in opened {
        one.await??;
    }
    Ok(())
}

/// Opens a channel; gives over which time to come back should it break.
async fn enter(fleet: &Fleet, member: &Member) -> anyhow::Result<(Socket, Duration)> {
    let mut socket = open(fleet.address, &fleet.tls, member).await?;
    let state = ContactRequest {
        version: "bench".to_owned(),
        time_ms: crate::clock::SystemClock.now().millis(),
        modules: vec!["run_script".to_owned()],
        busy: Vec::new(),
        wait_seconds: 0,
        max_orders: 8,
        life: None,
        frozen: Some(false),
        walks: true,
        ahead: Vec::new(),
        book: Some(muster_core::tasks::book::digest([])),
    };
    say(&mut socket, &FromAgent::Hello { v: 1, state }).await?;
    let FromServer::Welcome { reconnect_within_seconds, .. } = hear(&mut socket).await? else { bail!("no welcome") };
    Ok((socket, Duration::from_secs(reconnect_within_seconds.unwrap_or(0))))
}

/// Comes back after the server went away, as our agent does: at a moment of the spread by chance, then later with every failure. `None`:
/// the server should not have gone away.
async fn come_back(fleet: &Fleet, member: &Member, spread: Duration) -> Option<(Socket, Duration)> {
    let storm = || fleet.storm.lock().unwrap_or_else(PoisonError::into_inner);
    storm().as_ref()?;
    let (mut wait, mut step) = (by_chance(spread), Duration::from_secs(1));
    loop {
        tokio::time::sleep(wait).await;
        let entered = enter(fleet, member).await;
        let mut storm = storm();
        let storm = storm.as_mut()?;
        storm.tries += 1;
        if let Ok(entered) = entered {
            storm.back.push(storm.began.elapsed());
            return Some(entered);
        }
        wait = step / 2 + by_chance(step / 2);
        step = (step * 2).min(Duration::from_secs(300));
    }
}

fn by_chance(span: Duration) -> Duration {
    let mut bytes = [0; 2];
    // Without randomness all come at once, which is the harder case.
    let _ = getrandom::fill(&mut bytes);
    span.mul_f64(f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX))
}

/// Everybody says that it is there, and hears over which time to come back.
async fn heard_of(fleet: &Fleet, talk: &watch::Sender<u64>) {
    let frames = fleet.frames.load(Relaxed);
    talk.send_replace(u64::MAX);
    tokio::time::sleep(Duration::from_secs(3)).await;
    talk.send_replace(0);
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("{} signs of life before the storm", fleet.frames.load(Relaxed) - frames);
}

/// Kills the server and starts it again: until all agents are back, and how they came.
async fn storm(args: &Channel, fleet: &Arc<Fleet>, server: &mut Peer) -> anyhow::Result<()> {
    let storm = || fleet.storm.lock().unwrap_or_else(PoisonError::into_inner);
    *storm() = Some(Storm { began: Instant::now(), back: Vec::new(), tries: 0 });
    let began = Instant::now();
    server.again(args.database.as_deref())?;
    let started = began.elapsed();
    let wanted = usize::try_from(args.agents)?;
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let back = storm().as_ref().map_or(0, |storm| storm.back.len());
        if back == wanted {
            break;
        }
        ensure!(began.elapsed() < Duration::from_secs(300), "{back} of {wanted} agents were back after five minutes");
    }
    let Some(Storm { mut back, tries, .. }) = storm().take() else { return Ok(()) };
    back.sort_unstable();
    let mut by_second = std::collections::BTreeMap::<u64, usize>::new();
    back.iter().for_each(|at| *by_second.entry(at.as_secs()).or_default() += 1);
    let (last, median) = (back.last().copied().unwrap_or_default(), back.get(back.len() / 2).copied().unwrap_or_default());
    println!(
        "the server was killed and started again in {:.1} s: half of the agents were back after {:.1} s, all after {:.1} s, at most {} in a second, {:.2} tries each",
        started.as_secs_f64(),
        median.as_secs_f64(),
        last.as_secs_f64(),
        by_second.values().max().copied().unwrap_or(0),
        tries as f64 / args.agents as f64
    );
    Ok(())
}

/// The handshake, by hand: the least that can be said.
async fn open(address: SocketAddr, tls: &TlsConnector, member: &Member) -> anyhow::Result<Socket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    let last = u8::try_from(member.number % SOURCES)?;
    socket.bind(SocketAddr::from(([127, 0, 1, last + 1], 0)))?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    let mut stream = tls.connect("127.0.0.1".try_into()?, stream).await?;
    let time_ms = crate::clock::SystemClock.now().millis();
    let signature = native::sign_request(&member.key, member.id, "GET", CHANNEL_PATH, time_ms, nonce(member.number), b"");
    let head = format!(
        "GET {CHANNEL_PATH} HTTP/1.1\r\nHost: muster\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\
         {}: {signature}\r\n\r\n",
        STANDARD.encode([1; 16]),
        native::REQUEST_HEADER
    );
    stream.write_all(head.as_bytes()).await?;
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        ensure!(stream.read(&mut byte).await? == 1 && answer.len() < 4_096, "the handshake was not answered");
        answer.push(byte[0]);
    }
    ensure!(answer.starts_with(b"HTTP/1.1 101"), "no channel: {}", String::from_utf8_lossy(&answer));
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, Some(config())).await)
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(2 << 10).write_buffer_size(0)
}

async fn say(socket: &mut Socket, message: &FromAgent) -> anyhow::Result<()> {
    Ok(socket.send(Message::text(serde_json::to_string(message)?)).await?)
}

async fn hear(socket: &mut Socket) -> anyhow::Result<FromServer> {
    let message = socket.next().await.context("it ended")??;
    Ok(serde_json::from_str(message.to_text()?)?)
}

/// One agent: it does at once what it is ordered, and speaks without pause when it is its turn.
async fn live(fleet: &Fleet, mut socket: Socket, member: &Member, spread: &mut Duration) -> anyhow::Result<()> {
    let mut talkers = fleet.talkers.clone();
    loop {
        tokio::select! {
            message = hear(&mut socket) => match message? {
                FromServer::Tidings { tidings } if tidings.frozen => drop(fleet.held.fetch_add(1, Relaxed)),
                FromServer::Tidings { tidings } if !tidings.orders.is_empty() => {
                    let report = |order: &muster_wire::order::Order| Some(word(member, order.named()?));
                    let reports = tidings.orders.iter().filter_map(report).collect();
                    say(&mut socket, &FromAgent::Report { id: 1, reports }).await?;
                }
                FromServer::Reported { results, .. } => {
                    fleet.done.fetch_add(results.iter().filter(|r| r.accepted).count(), Relaxed);
                }
                FromServer::Alive { reconnect_within_seconds, .. } => {
                    *spread = reconnect_within_seconds.map_or(*spread, Duration::from_secs);
                    fleet.frames.fetch_add(1, Relaxed);
                    if member.number < *talkers.borrow() {
                        say(&mut socket, &FromAgent::Alive).await?;
                    }
                }
                FromServer::Bye { why, .. } => bail!("the server ended it: {why}"),
                _ => {}
            },
            changed = talkers.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                if member.number < *talkers.borrow_and_update() {
                    say(&mut socket, &FromAgent::Alive).await?;
                }
            }
            () = tokio::time::sleep(Duration::from_secs(45)) => say(&mut socket, &FromAgent::Alive).await?,
        }
    }
}

fn word(member: &Member, attempt: native::AttemptRef) -> Report {
    Report {
        assignment: attempt.assignment,
        attempt: attempt.attempt,
        incarnation: member.incarnation,
        state: ReportState::Ok,
        exit_code: Some(0),
        output: None,
        message: None,
        occasion: None,
        refused: None,
        at_ms: 0,
    }
}

/// Waits until the server counts all channels, and a little for what opening them left behind.
async fn settled(api: &Api, agents: u64) -> anyhow::Result<()> {
    let until = Instant::now() + Duration::from_secs(60);
    while api.counter("muster_channels").await? < agents {
        ensure!(Instant::now() < until, "not all channels are there after a minute");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(())
}

async fn order_to_all(args: &Channel, api: &Api, fleet: &Fleet) -> anyhow::Result<()> {
    let step = json!({"id": "step", "action": {"type": "run_script", "script": "true"}});
    let task = api.post("/tasks", &json!({"name": "bench", "targets": {"all": true}, "steps": [step]})).await?;
    let began = Instant::now();
    let path = format!("/tasks/{}/runs", task["id"].as_str().context("an id")?);
    let run = api.post(&path, &json!({"confirm_count": args.agents})).await?;
    let wanted = usize::try_from(args.agents)?;
    while fleet.done.load(Relaxed) < wanted {
        ensure!(began.elapsed() < Duration::from_secs(120), "{} of {wanted} verdicts after two minutes", fleet.done.load(Relaxed));
        ensure!(!fleet.broken.load(Relaxed), "a channel broke");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = began.elapsed();
    println!(
        "an order to all: every verdict acknowledged after {:.2} s, {} a second",
        took.as_secs_f64(),
        thousands(args.agents as f64 / took.as_secs_f64())
    );
    let path = format!("/runs/{}", run["id"].as_str().context("an id")?);
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let run: Value = api.get(&path).await?;
        if run["state"] == "finished" {
            ensure!(run["counts"]["ok"] == json!(args.agents), "the run did not end well: {}", run["counts"]);
            return Ok(());
        }
        ensure!(Instant::now() < until, "the run is not over: {}", run["counts"]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Pulls the brake, and waits until every agent has been told.
async fn brake(args: &Channel, api: &Api, fleet: &Fleet) -> anyhow::Result<()> {
    let began = Instant::now();
    api.post("/brake", &json!({"note": "measured"})).await?;
    while fleet.held.load(Relaxed) < usize::try_from(args.agents)? {
        ensure!(began.elapsed() < Duration::from_secs(60), "{} agents know of the brake after a minute", fleet.held.load(Relaxed));
        ensure!(!fleet.broken.load(Relaxed), "a channel broke");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("the brake: known to every agent after {:.2} s", began.elapsed().as_secs_f64());
    Ok(())
}

async fn frames(fleet: &Fleet, talk: &watch::Sender<u64>, args: &Channel) -> f64 {
    talk.send_replace(args.talkers);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (counted, began) = (fleet.frames.load(Relaxed), Instant::now());
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let count = fleet.frames.load(Relaxed) - counted;
    let rate = count as f64 / began.elapsed().as_secs_f64();
    talk.send_replace(0);
    rate
}

/// The same talk with a loop that does nothing but answer.
async fn bare_frames(args: &Channel) -> anyhow::Result<f64> {
    let bare = Peer::bare_channel()?;
    let (talk, talkers) = watch::channel(0);
    let fleet = Arc::new(Fleet {
        address: bare.address()?,
        tls: load::connector(&bare.authority())?,
        talkers,
        frames: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        held: AtomicUsize::new(0),
        broken: AtomicBool::new(false),
        storm: Mutex::new(None),
    });
    let member = |number| Member { number, key: SigningKey::from_bytes(&[1; 32]), id: AgentId(uuid::Uuid::nil()), incarnation: 1 };
    connect(&fleet, (0..args.talkers).map(member).collect()).await?;
    let rate = frames(&fleet, &talk, args).await;
    fleet.broken.store(true, Relaxed);
    Ok(rate)
}

/// The bare loop: every handshake is taken, and whatever is said is answered with a sign of life.
pub async fn bare(keys: &std::path::Path) -> anyhow::Result<()> {
    let tls = super::floor::bare_tls(keys)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    super::floor::announce("https", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let tls = tls.clone();
        drop(tokio::spawn(async move {
            // Whoever goes away goes away.
            let _ = answer(tls, stream).await;
        }));
    }
}

async fn answer(tls: tokio_rustls::TlsAcceptor, stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = tls.accept(stream).await?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(stream.read(&mut byte).await? == 1 && head.len() < 4_096, "no handshake");
        head.push(byte[0]);
    }
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").await?;
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config())).await;
    let alive = serde_json::to_string(&FromServer::Alive { server_time_ms: 1_795_000_000_000, reconnect_within_seconds: Some(19) })?;
    let mut welcome = Some(serde_json::to_string(&FromServer::Welcome { v: 1, heartbeat_seconds: 60, reconnect_within_seconds: None })?);
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message? {
            // As the server does: what is said is read.
            serde_json::from_str::<FromAgent>(text.as_str())?;
            socket.send(Message::text(welcome.take().unwrap_or_else(|| alive.clone()))).await?;
        }
    }
    Ok(())
}
