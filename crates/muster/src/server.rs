//! `muster server`: opening, listening, driving, stopping.

use crate::accept::{self, Limits};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::errand::Runner;
use crate::keys::server_keys;
use crate::mail::Post;
use crate::open::{DataLock, Opened, open, take_data};
use crate::tls;
use crate::wake::{Outside, WAKE_TIMEOUT};
use crate::wiring::{self, Surroundings};
use crate::workers::Driver;
use anyhow::Context;
use muster_core::ids::OrgId;
use muster_core::time::Clock;
use muster_engine::{Engine, Error};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ServerConfig;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

const HANDSHAKE: Duration = Duration::from_secs(10);
/// Files that the server needs besides connections: database, log, wake-ups.
const OTHER_FILES: u64 = 200;
/// Own certificates are made anew after this time.
const RENEWAL: Duration = Duration::from_secs(24 * 3_600);
/// How often, and after which pauses, a start anew is tried again.
const START_TRIES: u32 = 60;
const START_PAUSE: Duration = Duration::from_secs(2);

/// A running server.
pub struct Server {
    /// The engine.
    pub engine: Engine,
    /// The default organization.
    pub org: OrgId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether by TLS.
    pub tls: bool,
    /// The certificate of Muster's own authority, when it is used.
    pub authority: Option<PathBuf>,
    config: Config,
    stop: watch::Sender<bool>,
    end_workers: watch::Sender<bool>,
    certificates: Option<watch::Sender<Arc<ServerConfig>>>,
    accepting: JoinHandle<usize>,
    driver: Driver,
    driving: JoinHandle<()>,
    /// A step of a task asks for a new start.
    anew: Arc<Notify>,
    _lock: Option<DataLock>,
}

impl Server {
    /// Opens everything and listens.
    pub async fn start(config: Config) -> anyhow::Result<Server> {
        let connections = files(config.max_connections);
        let lock = take_data(&config)?;
        let server_keys = server_keys(&config.keys)?;
        let own = config.clone();
        let Opened { engine, org } = tokio::task::spawn_blocking(move || open(&own)).await.context("opening the database panicked")??;
        let certificates = tls::ready(&config.protection, &config.keys, config.listen.ip(), SystemClock.now())?;
        let listener = TcpListener::bind(config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener.local_addr().context("the listener has no address")?;
        let (stop, stopping) = watch::channel(false);
        let (end_workers, workers_end) = watch::channel(false);
        let anew = Arc::new(Notify::new());
        let runner = Runner::new(config.web_calls_to.clone(), config.mail.as_ref().map(Post::new).transpose()?)
            .with_scripts(config.server_scripts)
            .with_restart(Arc::clone(&anew));
        let driver = Driver::new(engine.clone(), org, Outside::new(WAKE_TIMEOUT).context("no HTTP client for wake-ups")?, runner);
        let around = Surroundings {
            limits: config.doors.clone(),
            server_keys,
            tls: certificates.is_some(),
            beat: driver.beat(),
            stop: stopping.clone(),
        };
        let doors = wiring::doors(&engine, around);
        let mut authority = None;
        let certificates = certificates.map(|ready| {
            tracing::info!(fingerprint = %ready.fingerprint, authority = ?ready.authority, "TLS certificate, SHA-256");
            authority = ready.authority;
            watch::channel(ready.config).0
        });
        let limits = Limits {
            connections,
            per_source: config.doors.connections_per_source,
            header: config.header_timeout,
            handshake: HANDSHAKE,
            drain: config.shutdown_timeout,
            counted_in: Some(engine.clone()),
        };
        let tls = certificates.as_ref().map(watch::Sender::subscribe);
        let accepting = tokio::spawn(accept::serve(listener, tls, doors, limits, stopping));
        let driving = tokio::spawn(driver.clone().run(workers_end));
        let tls = certificates.is_some();
        Ok(Server {
            engine,
            org,
            address,
            tls,
            authority,
            config,
            stop,
            end_workers,
            certificates,
            accepting,
            driver,
            driving,
            anew,
            _lock: lock,
        })
    }

    /// The address for people and agents.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// Says on standard output that the server is ready: the one line there.
    pub fn announce(&self) {
        let mut out = std::io::stdout();
        // Nobody may read it; that is no reason to stop.
        let _ = writeln!(out, "muster listening on {}", self.url()).and_then(|()| out.flush());
        tracing::info!(url = %self.url(), version = wiring::VERSION, postgres = self.engine.store().is_postgres(), "ready");
    }

    /// How many administrators of all organizations there are.
    pub async fn administrators(&self) -> Result<i64, Error> {
        let cx = self.engine.system(self.org, "start");
        self.engine.read(&cx, |rx, _| Ok(rx.admins()?)).await
    }

    /// Serves until a signal says to stop, or a task to start anew. SIGHUP reads certificates again.
    pub async fn until_told(&self, signals: &mut Signals) -> Told {
        let mut renewal = tokio::time::interval(RENEWAL);
        renewal.tick().await;
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return Told::Stop,
                _ = signals.interrupt.recv() => return Told::Stop,
                () = self.anew.notified() => return Told::StartAnew,
                _ = signals.hangup.recv() => self.renew(),
                _ = renewal.tick() => self.renew(),
            }
        }
    }

    /// Stops and starts with the same configuration, at the same address. What it needs may be away just then: it tries for a while.
    pub async fn again(self) -> anyhow::Result<Server> {
        let config = Config { listen: self.address, ..self.config.clone() };
        self.stop(None).await?;
        let mut tries = 0;
        loop {
            match Server::start(config.clone()).await {
                Ok(server) => {
                    tracing::info!(url = %server.url(), "started anew");
                    return Ok(server);
                }
                Err(error) if tries < START_TRIES => {
                    tries += 1;
                    tracing::error!(error = format!("{error:#}"), tries, "did not start anew; tries again");
                    tokio::time::sleep(START_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn renew(&self) {
        let Some(sender) = &self.certificates else { return };
        match tls::ready(&self.config.protection, &self.config.keys, self.config.listen.ip(), SystemClock.now()) {
            Ok(Some(ready)) => {
                tracing::info!(fingerprint = %ready.fingerprint, "certificates read again");
                sender.send_replace(ready.config);
            }
            Ok(None) => {}
            Err(error) => tracing::error!(error = format!("{error:#}"), "the certificates stay as they were"),
        }
    }

    /// Stops: no more connections, requests under way are finished, presence is written, the store is closed. A second signal
    /// meanwhile ends the process at once.
    pub async fn stop(self, signals: Option<Signals>) -> anyhow::Result<()> {
        tracing::info!("stopping");
        if let Some(mut signals) = signals {
            tokio::spawn(async move {
                tokio::select! {
                    _ = signals.terminate.recv() => {}
                    _ = signals.interrupt.recv() => {}
                }
                tracing::warn!("told twice: ends at once");
                std::process::exit(130);
            });
        }
        self.stop.send_replace(true);
        let cut = self.accepting.await.context("the accept loop panicked")?;
        if cut > 0 {
            tracing::warn!(cut, "connections were cut: their requests took too long");
        }
        self.end_workers.send_replace(true);
        self.driving.await.context("the workers' driver panicked")?;
        self.driver.settle(self.config.shutdown_timeout).await;
        for (worker, last) in self.driver.last() {
            tracing::debug!(worker = worker.name(), activations = last.activations, at = %last.at, took = ?last.took, result = ?last.result, "last");
        }
        self.engine.store().clone().close().await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// What a server that serves is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// To stop.
    Stop,
    /// To stop and start again.
    StartAnew,
}

/// The signals the server listens to.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on.
    pub fn listen() -> anyhow::Result<Self> {
        let on = |kind| signal(kind).context("signals cannot be listened to");
        Ok(Self { terminate: on(SignalKind::terminate())?, interrupt: on(SignalKind::interrupt())?, hangup: on(SignalKind::hangup())? })
    }
}

/// Runs a server until it is told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let place = match &config.database {
        Some(_) => "--database …".to_owned(),
        None => format!("--data {}", config.data.display()),
    };
    let mut server = Server::start(config).await?;
    if server.administrators().await? == 0 {
        tracing::warn!("there is no administrator yet; make one: muster admin user add NAME --role admin {place}");
    }
    server.announce();
    while server.until_told(&mut signals).await == Told::StartAnew {
        server = server.again().await?;
    }
    server.stop(Some(signals)).await
}

/// Raises the limit of open files as far as the system lets us; gives how many connections fit.
fn files(wanted: usize) -> usize {
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: now.maximum, maximum: now.maximum };
    let soft = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => now.maximum,
        Err(_) => now.current,
    };
    let fit = soft.map_or(u64::MAX, |n| n.saturating_sub(OTHER_FILES).max(16));
    let fit = usize::try_from(fit).unwrap_or(usize::MAX);
    if fit < wanted {
        tracing::info!(wanted, possible = fit, "the system's limit of open files allows fewer connections than max_connections");
    }
    wanted.min(fit)
}
