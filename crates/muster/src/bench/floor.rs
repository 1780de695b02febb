//! The floor of a run: what the same inventories cost when they are only read, and when they are only received.
//!
//! Reading and bare HTTP together are what no server can go below; ratios to it hold where absolute figures do not.

use super::load::{self, Load};
use super::machine::{Exchange, Protocol};
use super::peer::Peer;
use crate::clock::SystemClock;
use crate::config::Protection;
use crate::tls;
use anyhow::{Context as _, anyhow};
use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use clap::Args;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use muster_core::inventory::Told;
use muster_core::limits::INFLATED_BYTES_MAX;
use muster_core::time::Clock as _;
use muster_wire::body::decode_body;
use muster_wire::legacy::{Dialect, answer, read_message};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Processor time after which reading has been measured.
const READING: Duration = Duration::from_secs(2);
/// Time after which receiving has been measured: its processor time is told in hundredths of a second.
const RECEIVING: Duration = Duration::from_secs(3);

/// What one inventory costs at least, processor time.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// Inflating, reading and hashing it, on one thread.
    pub read: Duration,
    /// Receiving it (and its question) by a bare HTTP server over the same kind of connection.
    pub http: Duration,
    /// Mean size of an inventory as it is sent, bytes.
    pub packed: usize,
    /// Mean size of an inventory as XML, bytes.
    pub unpacked: usize,
}

impl Floor {
    /// Measures both, with all these inventories or as many as are enough, sent like this.
    pub async fn measure(like: &Load, exchanges: &Arc<Vec<Exchange>>, protocol: Protocol) -> anyhow::Result<Self> {
        let read = reading(exchanges, protocol)?;
        let (packed, unpacked) = sizes(exchanges)?;
        Ok(Self { read, http: receiving(like, exchanges).await?, packed, unpacked })
    }

    /// Reading and receiving.
    pub fn sum(&self) -> Duration {
        self.read + self.http
    }
}

/// Reads one inventory as the server does before it looks at what it holds. The floor follows the server's reader: this is the
/// one place to change.
fn read_one(body: &[u8], dialect: Dialect) -> anyhow::Result<Box<dyn Told>> {
    let decoded = decode_body(body, INFLATED_BYTES_MAX).map_err(|e| anyhow!("{e}"))?;
    let message = read_message(decoded.bytes, dialect).map_err(|e| anyhow!("{e}"))?;
    message.inventory.context("an inventory has a CONTENT")
}

/// Measures reading: the mean of as many as there are, or as fit in [`READING`].
fn reading(exchanges: &[Exchange], protocol: Protocol) -> anyhow::Result<Duration> {
    let warm = exchanges.iter().take(20);
    for exchange in warm {
        black_box(read_one(exchange.body(), protocol.dialect())?.facts());
    }
    let began = thread_cpu();
    let mut read = 0;
    while read < exchanges.len() && thread_cpu().saturating_sub(began) < READING {
        black_box(read_one(exchanges[read].body(), protocol.dialect())?.facts());
        read += 1;
    }
    let read = u32::try_from(read).unwrap_or(u32::MAX).max(1);
    Ok(thread_cpu().saturating_sub(began) / read)
}

/// Mean sizes of the first few, packed and unpacked.
fn sizes(exchanges: &[Exchange]) -> anyhow::Result<(usize, usize)> {
    let (mut packed, mut unpacked, mut count) = (0, 0, 0);
    for exchange in exchanges.iter().take(1_000) {
        packed += exchange.body().len();
        unpacked += decode_body(exchange.body(), INFLATED_BYTES_MAX).map_err(|e| anyhow!("{e}"))?.bytes.len();
        count += 1;
    }
    Ok((packed / count.max(1), unpacked / count.max(1)))
}

/// Processor time of this thread.
fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Measures receiving: the same exchanges, sent to a bare server in the same way until [`RECEIVING`] is over.
async fn receiving(like: &Load, exchanges: &Arc<Vec<Exchange>>) -> anyhow::Result<Duration> {
    let peer = Peer::bare(like.tls.is_some())?;
    let tls = like.tls.is_some().then(|| load::connector(&peer.authority())).transpose()?;
    let load = Load { address: peer.address()?, tls, ..like.clone() };
    load::send(&load, exchanges).await?;
    let (cpu, began, mut taken) = (peer.cpu()?, Instant::now(), 0);
    while taken == 0 || began.elapsed() < RECEIVING {
        let sent = load::send(&load, exchanges).await?;
        if let Some(complaint) = sent.complaint {
            anyhow::bail!("the bare server did not take an inventory: {complaint}");
        }
        taken += sent.taken.len();
    }
    let taken = u32::try_from(taken).unwrap_or(u32::MAX);
    Ok(peer.cpu()?.saturating_sub(cpu) / taken.max(1))
}

/// The bare server.
#[derive(Debug, Args)]
pub struct BareHttp {
    /// Encrypt
    #[arg(long)]
    tls: bool,
    /// Directory of its certificate authority
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
}

/// Serves until it is killed.
pub async fn bare(args: &BareHttp) -> anyhow::Result<()> {
    let listen = Ipv4Addr::LOCALHOST;
    let protection = if args.tls { Protection::Own(Vec::new()) } else { Protection::Plain };
    let ready = tls::ready(&protection, &args.keys, listen.into(), SystemClock.now())?;
    let acceptor = ready.map(|ready| TlsAcceptor::from(ready.config));
    let listener = TcpListener::bind((listen, 0)).await.context("cannot listen")?;
    announce(if args.tls { "https" } else { "http" }, listener.local_addr()?)?;
    answer_all(listener, acceptor).await
}

/// Says where it listens.
pub fn announce(scheme: &str, address: std::net::SocketAddr) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    Ok(writeln!(out, "muster listening on {scheme}://{address}").and_then(|()| out.flush())?)
}

/// Encrypts with keys of its own, made in this directory.
pub fn bare_tls(keys: &std::path::Path) -> anyhow::Result<TlsAcceptor> {
    let ready = tls::ready(&Protection::Own(Vec::new()), keys, Ipv4Addr::LOCALHOST.into(), SystemClock.now())?;
    Ok(TlsAcceptor::from(ready.context("TLS was asked for")?.config))
}

/// Reads every body and answers what agents are answered when all is well; ends only when nothing more can be accepted.
pub async fn answer_all(listener: TcpListener, acceptor: Option<TlsAcceptor>) -> anyhow::Result<()> {
    let text = Bytes::from(answer::empty_reply());
    let app = Router::new().fallback(move |body: Bytes| {
        black_box(body.len());
        std::future::ready(([(header::CONTENT_TYPE, answer::CONTENT_TYPE)], text.clone()))
    });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (acceptor, app) = (acceptor.clone(), app.clone());
        tokio::spawn(async move {
            match acceptor {
                None => requests(stream, app).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        requests(stream, app).await;
                    }
                }
            }
        });
    }
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, app: Router) {
    // A client that leaves is no error here.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).await;
}
