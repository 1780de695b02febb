//! Asking addresses whether something takes connections on TCP ports.

use super::{Done, cut};
use futures_util::StreamExt as _;
use muster_core::tasks::doc::{CHECK_WAITS, CHECKS_AT_ONCE};
use muster_core::tasks::pool::Range;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// What one port of one address said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    /// It takes connections.
    Open,
    /// The machine is there and takes none.
    Closed,
    /// Nothing.
    Silent,
    /// There is no way to it.
    Unreachable,
}

/// Asks each address for each port, [`CHECKS_AT_ONCE`] at once. The output has a line for each address that answered; the message counts.
pub(super) async fn check(slice: Range, ports: &[u16], timeout: Option<Duration>) -> Done {
    let wait = timeout.unwrap_or(CHECK_WAITS);
    let each = |address| ports.iter().map(move |port| ask(SocketAddr::new(address, *port), wait));
    let asks: Vec<_> = slice.addresses().flat_map(each).collect();
    let mut answers: Vec<(SocketAddr, Said)> = futures_util::stream::iter(asks).buffer_unordered(CHECKS_AT_ONCE as usize).collect().await;
    answers.sort_unstable();
    let (text, told) = told(slice, &answers);
    Done::ok().saying(told).with(cut(text))
}

async fn ask(at: SocketAddr, wait: Duration) -> (SocketAddr, Said) {
    let said = match tokio::time::timeout(wait, TcpStream::connect(at)).await {
        Ok(Ok(_)) => Said::Open,
        Ok(Err(error)) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Said::Closed,
            ErrorKind::TimedOut => Said::Silent,
            _ => Said::Unreachable,
        },
        Err(_) => Said::Silent,
    };
    (at, said)
}

/// What came of it, as people read it: `10.0.0.7: 22, 443` for what is open, `10.0.0.8: none` for a machine that takes no connection there.
fn told(slice: Range, answers: &[(SocketAddr, Said)]) -> (String, String) {
    let mut lines = Vec::new();
    let (mut open, mut unreachable) = (0_usize, 0_usize);
    for of_one in answers.chunk_by(|(a, _), (b, _)| a.ip() == b.ip()) {
        let address: IpAddr = of_one[0].0.ip();
        let taken: Vec<String> = of_one.iter().filter(|(_, said)| *said == Said::Open).map(|(at, _)| at.port().to_string()).collect();
        let is_there = of_one.iter().any(|(_, said)| *said == Said::Closed);
        open += usize::from(!taken.is_empty());
        unreachable += usize::from(of_one.iter().all(|(_, said)| *said == Said::Unreachable));
        match (taken.is_empty(), is_there) {
            (false, _) => lines.push(format!("{address}: {}", taken.join(", "))),
            (true, true) => lines.push(format!("{address}: none")),
            (true, false) => {}
        }
    }
    let mut message = format!("{open} of {} addresses take connections, {} answer", slice.count(), lines.len());
    if unreachable > 0 {
        message.push_str(&format!("; there is no way to {unreachable}"));
    }
    lines.push(String::new());
    (lines.join("\n"), message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_wire::native::ReportState;

    #[tokio::test]
    async fn what_listens_is_told_and_what_does_not_is_there_all_the_same() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let open = listener.local_addr().expect("an address").port();
        let closed = {
            let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            other.local_addr().expect("an address").port()
        };
        let slice: Range = "127.0.0.1-127.0.0.3".parse().expect("a range");
        let done = check(slice, &[open, closed], Some(Duration::from_secs(5))).await;
        assert_eq!(done.state, ReportState::Ok);
        let output = format!("127.0.0.1: {open}\n127.0.0.2: none\n127.0.0.3: none\n");
        assert_eq!(done.output.as_deref(), Some(output.as_str()));
        assert_eq!(done.message.as_deref(), Some("1 of 3 addresses take connections, 3 answer"));
    }

    #[test]
    fn silence_is_no_answer() {
        let at = |address: &str| format!("{address}:22").parse::<SocketAddr>().expect("an address");
        let slice: Range = "10.0.0.1-10.0.0.2".parse().expect("a range");
        let (text, message) = told(slice, &[(at("10.0.0.1"), Said::Silent), (at("10.0.0.2"), Said::Unreachable)]);
        assert_eq!((text.as_str(), message.as_str()), ("", "0 of 2 addresses take connections, 0 answer; there is no way to 1"));
    }
}
