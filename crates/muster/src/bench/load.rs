//! Sending: HTTP/1.1 written by hand over plain or encrypted connections, because the generator shares the processors with the
//! server it measures.

use super::machine::Exchange;
use anyhow::{Context as _, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);
/// Bytes of an answer's head at most.
const HEAD_MAX: usize = 16 << 10;

/// How and where requests are sent.
#[derive(Clone)]
pub struct Load {
    /// Where.
    pub address: SocketAddr,
    /// Encrypted.
    pub tls: Option<TlsConnector>,
    /// How many send at once, each on a connection of its own.
    pub clients: usize,
    /// Each machine makes a connection of its own, as agents do.
    pub fresh: bool,
    /// Each machine asks before it sends.
    pub prolog: bool,
}

/// What came of sending.
#[derive(Default)]
pub struct Sent {
    /// How long each question took; in front of it, with `fresh`, connecting.
    pub prologs: Vec<Duration>,
    /// How long each inventory took until it was answered 200.
    pub inventories: Vec<Duration>,
    /// Machines whose inventory was answered 200.
    pub taken: Vec<u64>,
    /// Answers other than 200.
    pub refused: usize,
    /// Contacts that ended without an answer.
    pub broken: usize,
    /// What was said to the first that was not taken.
    pub complaint: Option<String>,
    /// From the first request to the last answer.
    pub took: Duration,
}

impl Sent {
    /// Adds what came of another part.
    pub fn add(&mut self, other: Sent) {
        self.prologs.extend(other.prologs);
        self.inventories.extend(other.inventories);
        self.taken.extend(other.taken);
        self.refused += other.refused;
        self.broken += other.broken;
        self.complaint = self.complaint.take().or(other.complaint);
        self.took += other.took;
    }
}

/// Encrypts for servers of an authority. A session is never taken up again: agents are new processes each time.
pub fn connector(authority: &Path) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority).with_context(|| format!("cannot read {}", authority.display()))? {
        roots.add(certificate?)?;
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Sends every exchange once.
pub async fn send(load: &Load, exchanges: &Arc<Vec<Exchange>>) -> anyhow::Result<Sent> {
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let clients: Vec<_> = (0..load.clients.max(1))
        .map(|_| {
            let (load, exchanges, next) = (load.clone(), Arc::clone(exchanges), Arc::clone(&next));
            tokio::spawn(async move {
                let mut sent = Sent::default();
                let mut kept = None;
                while let Some(exchange) = exchanges.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match contact(&load, &mut kept, exchange, &mut sent).await {
                        Ok(()) if !load.fresh => {}
                        Ok(()) => kept = None,
                        Err(error) => {
                            kept = None;
                            sent.broken += 1;
                            sent.complaint.get_or_insert_with(|| format!("{error:#}"));
                        }
                    }
                }
                sent
            })
        })
        .collect();
    let mut all = Sent::default();
    for client in clients {
        all.add(client.await.context("a client panicked")?);
    }
    all.took = began.elapsed();
    Ok(all)
}

/// Sends requests one after the other, over and over, for a time; gives how many were answered 200 in a second. Another answer is
/// an error.
pub async fn ask(load: &Load, requests: &Arc<Vec<Vec<u8>>>, span: Duration) -> anyhow::Result<f64> {
    let next = Arc::new(AtomicUsize::new(0));
    let (began, end) = (Instant::now(), Instant::now() + span);
    let clients: Vec<_> = (0..load.clients.max(1))
        .map(|_| {
            let (load, requests, next) = (load.clone(), Arc::clone(requests), Arc::clone(&next));
            tokio::spawn(async move {
                let mut connection = Connection::open(&load).await?;
                let mut answered = 0u32;
                while Instant::now() < end {
                    let request = &requests[next.fetch_add(1, Ordering::Relaxed) % requests.len()];
                    let status = connection.ask(request).await?;
                    anyhow::ensure!(status == 200, "answered {status}: {}", String::from_utf8_lossy(&connection.buffer).trim());
                    answered += 1;
                }
                Ok::<u32, anyhow::Error>(answered)
            })
        })
        .collect();
    let mut all = 0;
    for client in clients {
        all += client.await.context("a client panicked")??;
    }
    Ok(f64::from(all) / began.elapsed().as_secs_f64())
}

/// One machine's contact.
async fn contact(load: &Load, kept: &mut Option<Connection>, exchange: &Exchange, sent: &mut Sent) -> anyhow::Result<()> {
    let mut began = Instant::now();
    let connection = match kept {
        Some(connection) => connection,
        None => kept.insert(Connection::open(load).await?),
    };
    if load.prolog {
        let status = connection.ask(&exchange.prolog).await?;
        if status != 200 {
            return refused(connection, status, sent);
        }
        sent.prologs.push(began.elapsed());
        began = Instant::now();
    }
    let status = connection.ask(&exchange.inventory).await?;
    if status != 200 {
        return refused(connection, status, sent);
    }
    sent.inventories.push(began.elapsed());
    sent.taken.push(exchange.number);
    Ok(())
}

fn refused(connection: &Connection, status: u16, sent: &mut Sent) -> anyhow::Result<()> {
    sent.refused += 1;
    sent.complaint.get_or_insert_with(|| format!("status {status}: {}", String::from_utf8_lossy(&connection.buffer).trim()));
    Ok(())
}

/// Either kind of connection.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

struct Connection {
    stream: Box<dyn Stream>,
    /// What was read last; after an answer its body.
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(load: &Load) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(load.address).await.with_context(|| format!("cannot connect to {}", load.address))?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &load.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::from(load.address.ip());
                Box::new(timeout(ANSWER, tls.connect(name, stream)).await.context("the TLS handshake took too long")??)
            }
        };
        Ok(Self { stream, buffer: Vec::with_capacity(4 << 10) })
    }

    /// Sends a request and reads its answer; gives the status.
    async fn ask(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        let exchange = async {
            self.stream.write_all(request).await?;
            self.stream.flush().await?;
            self.answer().await
        };
        timeout(ANSWER, exchange).await.with_context(|| format!("no answer within {} s", ANSWER.as_secs()))?
    }

    async fn answer(&mut self) -> anyhow::Result<u16> {
        self.buffer.clear();
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if self.buffer.len() > HEAD_MAX || self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the connection ended before an answer's head was complete");
            }
        };
        let (status, length) = head(&self.buffer[..end])?;
        while self.buffer.len() < end + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the connection ended within an answer");
            }
        }
        self.buffer.drain(..end);
        Ok(status)
    }
}

/// Status and length of an answer.
fn head(head: &[u8]) -> anyhow::Result<(u16, usize)> {
    let text = std::str::from_utf8(head).context("an answer's head is not text")?;
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|t| t.get(..3)).and_then(|s| s.parse().ok()).context("no answer of HTTP/1.1")?;
    let length = text.lines().filter_map(|l| l.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|(_, n)| n.trim().parse().ok()).context("an answer does not tell its length")?;
    Ok((status, length))
}

#[cfg(test)]
mod tests;
