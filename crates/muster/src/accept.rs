//! The accept loop: connections, TLS handshakes, time-outs, bounds, and the orderly end. What is answered is the doors' work.

use crate::doors::Doors;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use muster_engine::Engine;
use muster_gateway::Kept;
use rustls::ServerConfig;
use sources::Sources;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Bounds of the accept loop.
#[derive(Clone)]
pub struct Limits {
    /// Connections at once; more wait in the system's queue.
    pub connections: usize,
    /// Connections of one source; more are told to come later, and ended.
    pub per_source: usize,
    /// Until a request's header is complete; also how long a kept connection may rest.
    pub header: Duration,
    /// Until a TLS handshake is complete.
    pub handshake: Duration,
    /// How long requests under way may take once the loop is to stop.
    pub drain: Duration,
    /// Where connections are counted.
    pub counted_in: Option<Engine>,
}

/// Rest after the system refused a connection, for instance for want of open files.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// The answer to a connection too many; whoever it is, it is HTTP.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 60\r\nconnection: close\r\ncontent-type: text/plain\r\n\
    content-length: 59\r\n\r\nthis address has too many connections; try again in a while";
/// Bytes of a request's header at most.
const HEADER_BYTES: usize = 64 << 10;

/// Serves connections until `stop` turns true, then finishes requests under way. Gives how many had to be cut.
pub async fn serve(
    listener: TcpListener,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    doors: Doors,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) -> usize {
    let all = limits.connections.min(Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(all));
    let sources = Sources::new(limits.per_source, limits.counted_in.clone());
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = told(&mut stop) => break,
            next = next => next,
        };
        let Ok(place) = place else { break };
        match accepted {
            Ok((stream, peer)) => {
                let Some(counted) = sources.count(peer.ip()) else {
                    if tls.is_none() {
                        // Who does not read it learns the same from the end of the connection.
                        let _ = stream.try_write(TOO_MANY);
                    }
                    continue;
                };
                let place = Kept::new((place, counted));
                let acceptor = tls.as_ref().map(|tls| TlsAcceptor::from(Arc::clone(&tls.borrow())));
                drop(tokio::spawn(connection(stream, peer, acceptor, doors.clone(), limits.clone(), stop.clone(), place)));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(AFTER_FAILURE).await;
            }
        }
    }
    drop(listener);
    let everybody = u32::try_from(all).unwrap_or(u32::MAX);
    match timeout(limits.drain, places.acquire_many(everybody)).await {
        Ok(_) => 0,
        Err(_) => all - places.available_permits(),
    }
}

/// Waits until a switch is true (or its owner is gone).
pub async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    doors: Doors,
    limits: Limits,
    stop: watch::Receiver<bool>,
    place: Kept,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "no TCP_NODELAY");
    }
    match acceptor {
        None => requests(stream, peer, doors, &limits, stop, place).await,
        Some(acceptor) => match timeout(limits.handshake, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => requests(stream, peer, doors, &limits, stop, place).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "the TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
        },
    }
}

async fn requests<S>(stream: S, peer: SocketAddr, doors: Doors, limits: &Limits, mut stop: watch::Receiver<bool>, place: Kept)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        // What the connection may become keeps its place.
        request.extensions_mut().insert(place.clone());
        doors.answer(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = told(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}

mod sources;
#[cfg(test)]
mod tests;
