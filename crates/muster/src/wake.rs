//! Asking agents over HTTP to come now (docs/protocols/legacy-xml.md, 'Push'): `GET /status`, then `GET /now`.

use muster_core::fleet::WakeOutcome;
use muster_engine::workers::WakeCall;
use reqwest::{Client, Response, StatusCode, redirect};
use std::error::Error as _;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Longest time for each of the two requests.
pub const WAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// An agent's answers are a word or a small page; more is no agent.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What came of a wake-up: the outcome and a sentence.
pub type Woken = (WakeOutcome, String);

/// The outside as the worker of wake-ups sees it.
#[derive(Clone, Debug)]
pub struct Outside {
    client: Client,
}

impl Outside {
    /// An outside whose requests take at most `limit` each. Goes through no proxy and follows nobody elsewhere.
    pub fn new(limit: Duration) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .tls_certs_only([])
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(limit)
            .timeout(limit)
            .build()?;
        Ok(Self { client })
    }

    /// Asks one agent. Never fails: every failure is an outcome.
    pub async fn wake(&self, call: &WakeCall) -> Woken {
        let Ok(ip) = call.address.parse::<IpAddr>() else {
            return (WakeOutcome::Unreachable, format!("'{}' is not an IP address", call.address));
        };
        let agent = SocketAddr::new(ip, call.port);
        match self.ask(agent, "status").await {
            Ok((StatusCode::FORBIDDEN, _)) => denied(),
            Ok((status, body)) if status.is_success() => match state(&body) {
                Some("waiting") => self.now(agent).await,
                Some(state) => (WakeOutcome::Busy, format!("the agent says '{state}'; a wake-up would be lost")),
                None => (WakeOutcome::Unreachable, "what answers at /status is no agent".to_owned()),
            },
            Ok((status, _)) => (WakeOutcome::Unreachable, format!("/status was answered with {status}")),
            Err(woken) => woken,
        }
    }

    async fn now(&self, agent: SocketAddr) -> Woken {
        match self.ask(agent, "now").await {
            Ok((StatusCode::FORBIDDEN, _)) => denied(),
            Ok((status, _)) if status.is_success() => (WakeOutcome::Ok, "the agent said it comes".to_owned()),
            Ok((status, _)) => (WakeOutcome::Unreachable, format!("/now was answered with {status}")),
            Err(woken) => woken,
        }
    }

    async fn ask(&self, agent: SocketAddr, what: &str) -> Result<(StatusCode, String), Woken> {
        let answer = self.client.get(format!("http://{agent}/{what}")).send().await.map_err(|e| failure(&e))?;
        let status = answer.status();
        Ok((status, bounded(answer).await?))
    }
}

fn denied() -> Woken {
    (WakeOutcome::Denied, "the agent does not trust this server's address (httpd-trust)".to_owned())
}

async fn bounded(mut answer: Response) -> Result<String, Woken> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|e| failure(&e))? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err((WakeOutcome::Unreachable, format!("the answer has more than {ANSWER_BYTES_MAX} bytes; no agent says so much")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// What an agent says of itself: the text after `status:`.
fn state(body: &str) -> Option<&str> {
    body.lines().find_map(|line| line.trim().strip_prefix("status:")).map(str::trim).filter(|s| !s.is_empty())
}

fn failure(error: &reqwest::Error) -> Woken {
    let mut cause = error.source();
    let mut last = error.to_string();
    let mut kind = None;
    while let Some(inner) = cause {
        last = inner.to_string();
        kind = inner.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(kind);
        cause = inner.source();
    }
    match kind {
        Some(ErrorKind::ConnectionRefused) => (WakeOutcome::Refused, "nobody listens at this port".to_owned()),
        Some(ErrorKind::TimedOut) => (WakeOutcome::Timeout, "no answer in time".to_owned()),
        _ if error.is_timeout() => (WakeOutcome::Timeout, "no answer in time".to_owned()),
        _ => (WakeOutcome::Unreachable, last),
    }
}

#[cfg(test)]
mod tests;
