use super::*;
use muster_core::ids::{AgentId, OrgId};
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use uuid::Uuid;

fn call(address: &str, port: u16) -> WakeCall {
    WakeCall { agent: AgentId(Uuid::nil()), org: OrgId(Uuid::nil()), address: address.to_owned(), port, tries: 0 }
}

fn outside(limit: Duration) -> Outside {
    crate::tls::install_provider();
    Outside::new(limit).expect("a client")
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// An agent that gives these answers, one per connection, and notes what it was asked.
async fn agent(answers: Vec<String>) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let (mut head, mut piece) = (Vec::new(), [0; 1024]);
            while !head.ends_with(b"\r\n\r\n") {
                let n = stream.read(&mut piece).await.expect("a request");
                assert!(n > 0, "the request ended early");
                head.extend_from_slice(&piece[..n]);
            }
            asked.push(String::from_utf8_lossy(&head).into_owned());
            // The asker may have heard enough.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        asked
    });
    (port, serving)
}

#[tokio::test]
async fn an_agent_that_waits_is_asked_to_come_without_an_origin() {
    let (port, serving) = agent(vec![http("200 OK", "status: waiting"), http("200 OK", "<html>OK</html>")]).await;
    let (outcome, _) = outside(WAKE_TIMEOUT).wake(&call("127.0.0.1", port)).await;
    assert_eq!(outcome, WakeOutcome::Ok);
    let asked = serving.await.expect("asked");
    assert!(asked[0].starts_with("GET /status HTTP/1.1\r\n") && asked[1].starts_with("GET /now HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked.iter().all(|head| !head.to_lowercase().contains("origin:")), "{asked:?}");
}

#[tokio::test]
async fn each_answer_has_its_outcome() {
    let waiting = http("200 OK", "status: waiting");
    let long = "x".repeat(ANSWER_BYTES_MAX + 1);
    for (answers, wanted, part) in [
        (vec![http("200 OK", "status: running task Inventory")], WakeOutcome::Busy, "running task Inventory"),
        (vec![http("403 Forbidden", "no")], WakeOutcome::Denied, "trust"),
        (vec![waiting.clone(), http("403 Forbidden", "Access denied")], WakeOutcome::Denied, "trust"),
        (vec![waiting.clone(), http("500 Oops", "")], WakeOutcome::Unreachable, "/now was answered with 500"),
        (vec![http("200 OK", "welcome to my printer")], WakeOutcome::Unreachable, "no agent"),
        (vec![http("302 Found", "")], WakeOutcome::Unreachable, "302"),
        (vec![http("200 OK", &long)], WakeOutcome::Unreachable, "65536"),
        (vec!["gibberish\r\n\r\n".to_owned()], WakeOutcome::Unreachable, ""),
    ] {
        let (port, serving) = agent(answers.clone()).await;
        let (outcome, detail) = outside(WAKE_TIMEOUT).wake(&call("127.0.0.1", port)).await;
        assert_eq!(outcome, wanted, "{detail}");
        assert!(detail.contains(part), "{detail}");
        assert_eq!(serving.await.expect("served").len(), answers.len());
    }
}

#[tokio::test]
async fn nobody_there_is_refused_silence_is_a_timeout_and_a_name_is_not_asked() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    assert_eq!(outside(WAKE_TIMEOUT).wake(&call("127.0.0.1", port)).await.0, WakeOutcome::Refused);
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = silent.local_addr().expect("an address").port();
    assert_eq!(outside(Duration::from_millis(50)).wake(&call("127.0.0.1", port)).await.0, WakeOutcome::Timeout);
    let (outcome, detail) = outside(WAKE_TIMEOUT).wake(&call("localhost/evil?", port)).await;
    assert_eq!((outcome, detail.contains("not an IP address")), (WakeOutcome::Unreachable, true));
}
