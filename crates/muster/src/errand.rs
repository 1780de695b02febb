//! Steps of the server that leave the house: calls of web services, mail, scripts.
//!
//! A task may name any public address and any of the network's, but not the server's own (loopback, link-local), where services
//! listen that trust whoever reaches them, unless `web_calls_to` names it. The address that was checked is the one that is called.

use crate::mail::Post;
use muster_core::settings::{Network, Span};
use muster_core::tasks::doc::Method;
use muster_core::tasks::{Action, Outcome};
use muster_engine::steps::{Errand, Told};
use reqwest::{Client, Response, Url, redirect};
use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// Of an answer so much is kept, bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Scripts that run at once; how long one waits for its turn before it goes back.
const SCRIPTS_MAX: usize = 4;
const TURN: Duration = Duration::from_secs(10);

/// Runs errands. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Runner {
    allowed: Arc<Vec<Network>>,
    post: Option<Post>,
    scripts: bool,
    turns: Arc<Semaphore>,
    restart: Option<Arc<Notify>>,
}

/// What a call asks for.
struct Call<'a> {
    url: &'a str,
    method: Method,
    headers: &'a std::collections::BTreeMap<String, String>,
    body: Option<&'a str>,
    expect: &'a [u16],
    timeout: Duration,
}

impl Runner {
    /// A runner that also calls addresses of these networks, and sends mail where it can.
    pub fn new(allowed: Vec<Network>, post: Option<Post>) -> Self {
        Self { allowed: Arc::new(allowed), post, scripts: false, turns: Arc::new(Semaphore::new(SCRIPTS_MAX)), restart: None }
    }

    /// The same, that also runs scripts, in a sandbox.
    #[must_use]
    pub fn with_scripts(self, scripts: bool) -> Self {
        Self { scripts, ..self }
    }

    /// The same, that can have the server started anew.
    #[must_use]
    pub fn with_restart(self, restart: Arc<Notify>) -> Self {
        Self { restart: Some(restart), ..self }
    }

    /// Lets what was asked for begin, now that its end is written down.
    pub fn written_down(&self, errand: &Errand, outcome: Outcome) {
        if errand.action == Action::RestartServer
            && outcome == Outcome::Ok
            && let Some(restart) = &self.restart
        {
            restart.notify_one();
        }
    }

    /// Runs one errand. Never fails: every failure is an outcome.
    pub async fn run(&self, errand: &Errand) -> Told {
        match &errand.action {
            Action::CallWebService { url, method, headers, body, expect, timeout } => {
                let timeout = timeout.map_or(errand.timeout, |Span(t)| t.min(errand.timeout));
                let call = Call { url, method: *method, headers, body: body.as_deref(), expect, timeout };
                within(timeout, self.call(&call)).await
            }
            Action::SendEmail { to, subject, body } => match &self.post {
                None => told(Outcome::Error, "no mail server is configured: set smtp and mail_from".to_owned()),
                Some(post) => {
                    let send = async {
                        match post.send(errand.assignment, to, subject, body).await {
                            Ok(answer) => told(Outcome::Ok, answer),
                            Err(why) => told(Outcome::Error, why),
                        }
                    };
                    within(errand.timeout, send).await
                }
            },
            Action::RestartServer if self.restart.is_some() => told(Outcome::Ok, "this server starts its services anew".to_owned()),
            Action::RunScript(_) if !self.scripts => {
                told(Outcome::Error, "this server runs no scripts itself: server_scripts in its configuration allows it".to_owned())
            }
            Action::RunScript(script) => match tokio::time::timeout(TURN, self.turns.acquire()).await {
                Ok(_turn) => crate::sandbox::run(script, errand.timeout).await,
                Err(_) => told(Outcome::Declined, format!("{SCRIPTS_MAX} other scripts run on this server; it is begun later")),
            },
            other => told(Outcome::Declined, format!("this server cannot do '{}'", other.kind())),
        }
    }

    async fn call(&self, call: &Call<'_>) -> Told {
        let (client, url) = match self.way(call).await {
            Ok(way) => way,
            Err(why) => return told(Outcome::Error, why),
        };
        let method = reqwest::Method::from_bytes(call.method.as_str().as_bytes()).unwrap_or_default();
        let mut request = client.request(method, url);
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        if let Some(body) = call.body {
            request = request.body(body.to_owned());
        }
        match request.send().await {
            Ok(answer) => answered(call, answer).await,
            Err(error) => told(Outcome::Error, cause(&error)),
        }
    }

    /// A client that reaches the checked addresses of the call's host and no other.
    async fn way(&self, call: &Call<'_>) -> Result<(Client, Url), String> {
        let url = Url::parse(call.url).map_err(|e| format!("'{}' is no address: {e}", call.url))?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or(80);
        let found = tokio::net::lookup_host((host.as_str(), port)).await.map_err(|e| format!("'{host}' is not found: {e}"))?;
        let addresses: Vec<SocketAddr> = found.collect();
        if let Some(barred) = addresses.iter().find(|a| !self.may_reach(a.ip())) {
            return Err(format!("{} is not called: it is the server's own; web_calls_to in its configuration allows it", barred.ip()));
        }
        let builder = Client::builder().no_proxy().redirect(redirect::Policy::none()).http1_only().pool_max_idle_per_host(0);
        let client = builder.resolve_to_addrs(&host, &addresses).timeout(call.timeout).build();
        client.map(|client| (client, url)).map_err(|e| cause(&e))
    }

    fn may_reach(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let own = match ip {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_broadcast() || v4.is_multicast(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast(),
        };
        !own || self.allowed.iter().any(|n| n.contains(ip))
    }
}

async fn within(timeout: Duration, work: impl Future<Output = Told>) -> Told {
    match tokio::time::timeout(timeout, work).await {
        Ok(told) => told,
        Err(_) => told(Outcome::Error, format!("no answer within {}", Span(timeout))),
    }
}

async fn answered(call: &Call<'_>, mut answer: Response) -> Told {
    let status = answer.status().as_u16();
    let fits = if call.expect.is_empty() { (200..300).contains(&status) } else { call.expect.contains(&status) };
    let mut body = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        let room = ANSWER_BYTES_MAX.saturating_sub(body.len());
        body.extend_from_slice(&piece[..piece.len().min(room)]);
        if room == 0 {
            break;
        }
    }
    Told {
        outcome: if fits { Outcome::Ok } else { Outcome::Error },
        exit_code: Some(i64::from(status)),
        message: format!("answered with {status}"),
        output: (!body.is_empty()).then(|| String::from_utf8_lossy(&body).into_owned()),
    }
}

fn told(outcome: Outcome, message: String) -> Told {
    Told { outcome, exit_code: None, message, output: None }
}

/// The innermost cause of a failure.
fn cause(error: &reqwest::Error) -> String {
    let mut last = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        last = inner.to_string();
        source = inner.source();
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_core::ids::{AssignmentId, OrgId};
    use muster_core::tasks::doc::Script;

    #[tokio::test(start_paused = true)]
    async fn a_script_that_finds_no_turn_goes_back() {
        let runner = Runner::new(Vec::new(), None).with_scripts(true);
        let _others = runner.turns.clone().acquire_many_owned(u32::try_from(SCRIPTS_MAX).expect("few")).await.expect("open");
        let errand = Errand {
            assignment: AssignmentId(uuid::Uuid::from_u128(1)),
            org: OrgId(uuid::Uuid::nil()),
            attempt: 1,
            action: Action::RunScript(Script { script: "true".to_owned(), ..Script::default() }),
            timeout: Duration::from_secs(60),
        };
        let began = tokio::time::Instant::now();
        let told = runner.run(&errand).await;
        assert_eq!((told.outcome, began.elapsed()), (Outcome::Declined, TURN), "{told:?}");
    }
}
