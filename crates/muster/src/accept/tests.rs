use super::*;
use crate::config::Protection;
use axum::Router;
use axum::routing::get;
use muster_core::time::Timestamp;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::{IpAddr, Ipv4Addr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    ended: JoinHandle<usize>,
}

fn limits() -> Limits {
    let long = Duration::from_secs(20);
    Limits { connections: 8, per_source: 8, header: long, handshake: long, drain: long, counted_in: None }
}

async fn run(people: Router, tls: Option<Arc<ServerConfig>>, limits: Limits) -> Running {
    let agents = Router::new().fallback(|| async { "agents" });
    let doors = Doors::new(|_, uri, _| uri.path().starts_with("/agent"), agents, people);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopping) = watch::channel(false);
    let tls = tls.map(|config| watch::channel(config).1);
    let ended = tokio::spawn(serve(listener, tls, doors, limits, stopping));
    Running { address, stop, ended }
}

fn people() -> Router {
    Router::new().route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { format!("hello {}", peer.ip()) }))
}

/// Reads until `end` was read or the connection ends.
async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let (mut text, mut piece) = (Vec::new(), [0; 1024]);
    loop {
        let n = stream.read(&mut piece).await.unwrap_or(0);
        text.extend_from_slice(&piece[..n]);
        let read = String::from_utf8_lossy(&text).into_owned();
        if n == 0 || read.ends_with(end) {
            return read;
        }
    }
}

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const ASK_AGENTS: &[u8] = b"GET /agent HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn one_connection_serves_both_doors_and_knows_the_peer() {
    let server = run(people(), None, limits()).await;
    let mut stream = TcpStream::connect(server.address).await.expect("connected");
    stream.write_all(ASK).await.expect("sent");
    assert!(read_until(&mut stream, "hello 127.0.0.1").await.starts_with("HTTP/1.1 200"));
    stream.write_all(ASK_AGENTS).await.expect("sent");
    assert!(read_until(&mut stream, "agents").await.ends_with("agents"));
    server.stop.send_replace(true);
    assert_eq!(server.ended.await.expect("ended"), 0);
}

#[tokio::test]
async fn who_does_not_finish_the_header_is_cut() {
    let server = run(people(), None, Limits { header: Duration::from_millis(50), ..limits() }).await;
    let mut stream = TcpStream::connect(server.address).await.expect("connected");
    stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.expect("sent");
    let answer = read_until(&mut stream, "never").await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn a_place_is_free_again_when_its_connection_ends() {
    let server = run(people(), None, Limits { connections: 1, ..limits() }).await;
    let mut first = TcpStream::connect(server.address).await.expect("connected");
    first.write_all(ASK).await.expect("sent");
    assert!(read_until(&mut first, "127.0.0.1").await.contains("hello"));
    let mut second = TcpStream::connect(server.address).await.expect("the system queues it");
    second.write_all(ASK).await.expect("sent");
    drop(first);
    assert!(read_until(&mut second, "127.0.0.1").await.contains("hello"));
}

#[tokio::test]
async fn a_connection_too_many_of_one_source_is_told_to_come_later() {
    let server = run(people(), None, Limits { per_source: 1, ..limits() }).await;
    let mut first = TcpStream::connect(server.address).await.expect("connected");
    first.write_all(ASK).await.expect("sent");
    assert!(read_until(&mut first, "127.0.0.1").await.contains("hello"));
    let mut second = TcpStream::connect(server.address).await.expect("connected");
    let answer = read_until(&mut second, "never").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 60"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.ends_with(&format!("content-length: {}", body.len())), "{answer}");
    first.write_all(ASK).await.expect("sent");
    assert!(read_until(&mut first, "127.0.0.1").await.contains("hello"), "who was first goes on");
}

#[tokio::test]
async fn a_stop_finishes_the_request_under_way_and_takes_no_more() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (theirs, my_go) = (Arc::clone(&begun), Arc::clone(&go));
    let slow = move || async move {
        theirs.notify_one();
        my_go.notified().await;
        "finished"
    };
    let server = run(Router::new().route("/", get(slow)), None, limits()).await;
    let mut stream = TcpStream::connect(server.address).await.expect("connected");
    stream.write_all(ASK).await.expect("sent");
    begun.notified().await;
    server.stop.send_replace(true);
    go.notify_one();
    assert!(read_until(&mut stream, "never").await.ends_with("finished"));
    assert_eq!(server.ended.await.expect("ended"), 0);
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_stop_cuts_what_takes_too_long_and_says_how_many() {
    let begun = Arc::new(Notify::new());
    let theirs = Arc::clone(&begun);
    let endless = move || async move {
        theirs.notify_one();
        std::future::pending::<&str>().await
    };
    let server = run(Router::new().route("/", get(endless)), None, Limits { drain: Duration::from_millis(50), ..limits() }).await;
    let mut stream = TcpStream::connect(server.address).await.expect("connected");
    stream.write_all(ASK).await.expect("sent");
    begun.notified().await;
    server.stop.send_replace(true);
    assert_eq!(server.ended.await.expect("ended"), 1);
}

async fn tls_client(server: &Running, authority: &std::path::Path) -> Result<String, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).expect("PEM")).expect("an authority");
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(server.address).await?;
    let name = ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(ASK).await?;
    Ok(read_until(&mut stream, "127.0.0.1").await)
}

#[tokio::test]
async fn a_client_that_trusts_the_own_authority_is_served_also_after_a_restart() {
    crate::tls::install_provider();
    let place = tempfile::tempdir().expect("a directory");
    // Certificates are checked against the system's clock by the client.
    let now = muster_core::time::Clock::now(&crate::clock::SystemClock);
    let make = |names: Vec<String>| {
        crate::tls::ready(&Protection::Own(names), place.path(), Ipv4Addr::LOCALHOST.into(), now).expect("made").expect("by TLS")
    };
    let first = make(Vec::new());
    let authority = first.authority.clone().expect("an own authority");
    let server = run(people(), Some(first.config), limits()).await;
    assert!(tls_client(&server, &authority).await.expect("served").contains("hello 127.0.0.1"));
    let second = make(vec!["muster.example.org".to_owned()]);
    assert_eq!(second.fingerprint, first.fingerprint);
    let server = run(people(), Some(second.config), limits()).await;
    assert!(tls_client(&server, &authority).await.expect("served").contains("hello 127.0.0.1"));
    let stranger = tempfile::tempdir().expect("a directory");
    let other = crate::tls::ready(&Protection::Own(Vec::new()), stranger.path(), Ipv4Addr::LOCALHOST.into(), now).expect("made");
    let other = other.expect("by TLS").authority.expect("an own authority");
    assert!(tls_client(&server, &other).await.is_err());
}

#[test]
fn a_certificate_that_is_none_is_refused_with_its_file() {
    crate::tls::install_provider();
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("cert.pem");
    std::fs::write(&file, "nothing").expect("written");
    let given = Protection::Given { cert: file.clone(), key: file.clone() };
    let error = crate::tls::ready(&given, place.path(), Ipv4Addr::LOCALHOST.into(), Timestamp(0)).err().expect("refused");
    assert!(error.to_string().contains("cert.pem"), "{error}");
}
