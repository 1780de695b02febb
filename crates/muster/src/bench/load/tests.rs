use super::*;
use crate::bench::floor::answer_all;
use crate::bench::machine::{Fleet, Protocol, State};
use crate::clock::SystemClock;
use crate::config::Protection;
use crate::tls;
use muster_core::time::Clock as _;
use std::net::Ipv4Addr;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

fn load(address: SocketAddr, fresh: bool, prolog: bool) -> Load {
    Load { address, tls: None, clients: 3, fresh, prolog }
}

fn machines(count: u64) -> Arc<Vec<Exchange>> {
    let fleet = Fleet::new(Protocol::Fusioninventory, 1, 10..=20).expect("a fleet");
    Arc::new(fleet.exchanges(0..count, State::default()))
}

/// Every machine was taken once, in whatever order.
fn assert_all_taken(mut sent: Sent, count: u64, prolog: bool) {
    sent.taken.sort_unstable();
    assert_eq!(sent.taken, (0..count).collect::<Vec<_>>());
    assert_eq!((sent.inventories.len() as u64, sent.prologs.len() as u64), (count, if prolog { count } else { 0 }));
    assert_eq!((sent.refused, sent.broken, sent.complaint), (0, 0, None));
}

#[tokio::test]
async fn every_machine_is_sent_once_over_kept_and_new_connections() {
    let (listener, address) = listener().await;
    let server = tokio::spawn(answer_all(listener, None));
    for (fresh, prolog) in [(false, true), (false, false), (true, true), (true, false)] {
        let sent = send(&load(address, fresh, prolog), &machines(20)).await.expect("sent");
        assert_all_taken(sent, 20, prolog);
    }
    server.abort();
}

#[tokio::test]
async fn every_machine_is_sent_once_by_tls() {
    tls::install_provider();
    let place = tempfile::tempdir().expect("a directory");
    let now = SystemClock.now();
    let ready = tls::ready(&Protection::Own(Vec::new()), place.path(), Ipv4Addr::LOCALHOST.into(), now).expect("certificates");
    let ready = ready.expect("protected");
    let (listener, address) = listener().await;
    let server = tokio::spawn(answer_all(listener, Some(TlsAcceptor::from(ready.config))));
    let tls = connector(&ready.authority.expect("an authority")).expect("it can be trusted");
    for fresh in [false, true] {
        let sent = send(&Load { tls: Some(tls.clone()), ..load(address, fresh, true) }, &machines(10)).await.expect("sent");
        assert_all_taken(sent, 10, true);
    }
    server.abort();
}

/// A server that reads something and says the same to everybody, then hangs up.
async fn says(listener: TcpListener, text: &'static str) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut some = vec![0; 64 << 10];
        let mut read = Vec::new();
        while !read.windows(4).any(|w| w == b"\r\n\r\n") {
            let n = stream.read(&mut some).await.expect("a request");
            read.extend_from_slice(&some[..n]);
        }
        stream.write_all(text.as_bytes()).await.expect("an answer");
        stream.shutdown().await.expect("the end");
    }
}

#[tokio::test]
async fn a_refusal_is_counted_with_what_was_said_and_nothing_is_taken() {
    let (listener, address) = listener().await;
    let server = tokio::spawn(says(listener, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"));
    let sent = send(&load(address, true, true), &machines(4)).await.expect("sent");
    assert_eq!((sent.taken.len(), sent.refused, sent.broken), (0, 4, 0));
    assert_eq!(sent.complaint.as_deref(), Some("status 503: busy"));
    server.abort();
}

#[tokio::test]
async fn a_connection_that_ends_within_an_answer_is_counted_as_broken() {
    let (listener, address) = listener().await;
    let server = tokio::spawn(says(listener, "HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nhalf"));
    let sent = send(&load(address, false, true), &machines(4)).await.expect("sent");
    assert_eq!((sent.taken.len(), sent.refused, sent.broken), (0, 0, 4));
    assert_eq!(sent.complaint.as_deref(), Some("the connection ended within an answer"));
    server.abort();
}

#[test]
fn an_answers_head_gives_status_and_length_however_it_is_written() {
    assert_eq!(head(b"HTTP/1.1 200 OK\r\ncontent-length: 55\r\n\r\n").ok(), Some((200, 55)));
    assert_eq!(head(b"HTTP/1.1 503 Service Unavailable\r\nA: b\r\nContent-Length:0\r\n\r\n").ok(), Some((503, 0)));
    assert!(head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    assert!(head(b"ICY 200 OK\r\ncontent-length: 5\r\n\r\n").is_err());
}
