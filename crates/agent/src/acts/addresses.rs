//! Asking addresses whether something takes connections on TCP ports.

use super::Done;
use futures_util::StreamExt as _;
use muster_core::limits::OUTPUT_BYTES_MAX;
use muster_core::tasks::doc::{CHECK_WAITS, CHECKS_AT_ONCE};
use muster_core::tasks::pool::Range;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// The last line, of how many more there are.
const MORE_BYTES: usize = 32;

/// What one port of one address said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    /// It takes connections.
    Open,
    /// The machine is there and takes none.
    Closed,
    /// Nothing.
    Silent,
    /// Somebody on the way, or nobody on the wire, says that it is not there.
    Unreachable,
    /// This machine has no way to it.
    NoWay,
}

/// Asks each address for each port, [`CHECKS_AT_ONCE`] at once. The output has a line for each address that answered; the message counts.
pub(super) async fn check(slice: Range, ports: &[u16], timeout: Option<Duration>) -> Done {
    let wait = timeout.unwrap_or(CHECK_WAITS);
    let ports = ports.to_vec();
    let all = slice.addresses().flat_map(move |address| ports.clone().into_iter().map(move |port| SocketAddr::new(address, port)));
    let asks = futures_util::stream::iter(all).map(move |at| ask(at, wait));
    let mut answers: Vec<(SocketAddr, Said)> = asks.buffer_unordered(CHECKS_AT_ONCE as usize).collect().await;
    answers.sort_unstable();
    // Who has no way there has asked nothing: another agent may have one.
    if !answers.is_empty() && answers.iter().all(|(_, said)| *said == Said::NoWay) {
        return Done::error(format!("this machine has no way to {slice}"));
    }
    let (text, told) = told(slice, &answers);
    Done::ok().saying(told).with(text)
}

async fn ask(at: SocketAddr, wait: Duration) -> (SocketAddr, Said) {
    let said = match tokio::time::timeout(wait, TcpStream::connect(at)).await {
        Ok(Ok(_)) => Said::Open,
        Ok(Err(error)) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Said::Closed,
            ErrorKind::TimedOut => Said::Silent,
            ErrorKind::HostUnreachable => Said::Unreachable,
            _ => Said::NoWay,
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
        unreachable += usize::from(of_one.iter().all(|(_, said)| matches!(said, Said::Unreachable | Said::NoWay)));
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
    (whole_lines(lines), message)
}

/// As many lines as are kept of an output, and how many more there are.
fn whole_lines(lines: Vec<String>) -> String {
    let (mut text, all) = (String::new(), lines.len());
    for (place, line) in lines.into_iter().enumerate() {
        if text.len() + line.len() + MORE_BYTES > OUTPUT_BYTES_MAX {
            text.push_str(&format!("and {} more\n", all - place));
            break;
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
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

    #[tokio::test]
    async fn who_has_no_way_there_has_not_asked() {
        // To a multicast address no machine connects.
        let slice: Range = "224.0.0.1-224.0.0.3".parse().expect("a range");
        let done = check(slice, &[22, 443], Some(Duration::from_secs(5))).await;
        assert_eq!(done.state, ReportState::Error, "{done:?}");
        assert!(done.message.is_some_and(|it| it.contains("no way to 224.0.0.1-224.0.0.3")));
    }

    #[test]
    fn an_output_ends_with_a_whole_line() {
        let lines = |count: usize| (0..count).map(|n| format!("10.0.{}.{}: 22, 443", n / 256, n % 256)).collect::<Vec<_>>();
        let text = whole_lines(lines(4_096));
        assert!(text.len() <= OUTPUT_BYTES_MAX && text.len() > OUTPUT_BYTES_MAX - 100);
        let kept = text.lines().count() - 1;
        assert_eq!(text.lines().last(), Some(format!("and {} more", 4_096 - kept).as_str()));
        assert_eq!(whole_lines(lines(2)), "10.0.0.0: 22, 443\n10.0.0.1: 22, 443\n");
    }

    #[test]
    fn silence_is_no_answer() {
        let at = |address: &str| format!("{address}:22").parse::<SocketAddr>().expect("an address");
        let slice: Range = "10.0.0.1-10.0.0.2".parse().expect("a range");
        let (text, message) = told(slice, &[(at("10.0.0.1"), Said::Silent), (at("10.0.0.2"), Said::Unreachable)]);
        assert_eq!((text.as_str(), message.as_str()), ("", "0 of 2 addresses take connections, 0 answer; there is no way to 1"));
    }
}
