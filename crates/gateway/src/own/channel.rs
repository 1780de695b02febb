//! The channel: a contact that never ends, on one WebSocket (`docs/protocols/native.md`, "The channel").
//!
//! Lives here: the handshake, and what one agent says and is told while it is connected. What it is told is found as for every
//! contact ([`super::contact`]).

use super::contact::{self, BUSY_MAX, LOOK_EVERY, LOOK_PAUSE, MODULES_MAX, Seen};
use super::switchboard::Ear;
use super::{Call, Proof, Refused, dress, signature, take_reports, verify};
use crate::gateway::Gateway;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use muster_core::fleet::Agent;
use muster_core::ids::AssignmentId;
use muster_core::load;
use muster_wire::channel::{FromAgent, FromServer, HEARTBEAT, MESSAGE_BYTES_MAX, VERSION};
use muster_wire::native::{ContactRequest, Report, ReportState};
use sha1::{Digest as _, Sha1};
use std::any::Any;
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

/// What the handshake's key is answered with (RFC 6455, 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How long the first message may take.
const HELLO_LIMIT: Duration = Duration::from_secs(20);
/// How long writing one message may take: who does not read is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// How long an older channel may take to say that it ends: the newer one waits for it.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long after a channel's end the next one is opened, at least: this, spread by each agent up to the double.
const RECONNECT: Duration = Duration::from_secs(5);
/// When is looked again after there was too much to do.
const LATER: Duration = Duration::from_millis(500);
/// What is read at once, bytes: agents say little.
const READ_BYTES: usize = 512;

/// What a connection holds for as long as it lives, as an extension of its requests: its place among all connections.
#[derive(Clone)]
pub struct Kept(#[expect(dead_code, reason = "held, never looked at")] Arc<dyn Any + Send + Sync>);

impl Kept {
    /// Keeps this until the connection and what it became are over.
    pub fn new(what: impl Any + Send + Sync) -> Self {
        Self(Arc::new(what))
    }
}

/// Answers the handshake; the channel itself is a task of its own.
pub(super) async fn answer(gateway: &Gateway, parts: &Parts, peer: Option<IpAddr>) -> Response {
    let auth = match signature(parts) {
        Ok(auth) => auth,
        Err(refused) => return dress(gateway, None, refused.into()),
    };
    let proof = Proof::of(parts, &auth);
    let agreed = match verify(gateway, parts, peer, &auth, None).await {
        Ok(call) => handshake(parts).map(|agreed| (call.agent, agreed)),
        Err(refused) => Err(refused),
    };
    let (agent, (accept, upgrade)) = match agreed {
        Ok(agreed) => agreed,
        Err(refused) => {
            let wants_upgrade = refused.status == StatusCode::UPGRADE_REQUIRED;
            let mut response = dress(gateway, Some(&proof), refused.into());
            if wants_upgrade {
                response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            }
            return response;
        }
    };
    let kept = parts.extensions.get::<Kept>().cloned();
    drop(tokio::spawn(serve(gateway.clone(), agent, peer, upgrade, kept)));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = [
        (header::CONNECTION.as_str(), "upgrade".to_owned()),
        (header::UPGRADE.as_str(), "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT.as_str(), accept),
    ];
    response.headers_mut().extend(proof.headers(gateway, StatusCode::SWITCHING_PROTOCOLS, b""));
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (header::HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// What the handshake's key is answered with, and what the connection becomes.
fn handshake(parts: &Parts) -> Result<(String, OnUpgrade), Refused> {
    let bad = |why: &str| Refused::new(StatusCode::UPGRADE_REQUIRED, "upgrade", why);
    let has = |name: header::HeaderName, word: &str| {
        let values = parts.headers.get_all(name);
        values.iter().filter_map(|v| v.to_str().ok()).any(|v| v.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    if !has(header::CONNECTION, "upgrade") || !has(header::UPGRADE, "websocket") || !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(bad("the channel is a WebSocket of version 13; a proxy on the way may have taken its headers away"));
    }
    let key = parts.headers.get(header::SEC_WEBSOCKET_KEY).ok_or_else(|| bad("the header Sec-WebSocket-Key is missing"))?;
    let upgrade = parts.extensions.get::<OnUpgrade>().cloned().ok_or_else(|| bad("this connection cannot become a channel"))?;
    let accept = STANDARD.encode(Sha1::new().chain_update(key.as_bytes()).chain_update(GUID).finalize());
    Ok((accept, upgrade))
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

#[tracing::instrument(name = "gateway.own.channel", level = "debug", skip_all, fields(agent = %agent.id))]
async fn serve(gateway: Gateway, agent: Agent, peer: Option<IpAddr>, upgrade: OnUpgrade, kept: Option<Kept>) {
    let io = match upgrade.await {
        Ok(io) => TokioIo::new(io),
        Err(error) => return tracing::debug!(%error, "the connection did not become a channel"),
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MESSAGE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let ear = gateway.inner.channels.begin(&agent, &gateway.inner);
    let (id, device, number) = (agent.id, agent.device, ear.number);
    let open = &gateway.inner.engine.doors().channels;
    open.fetch_add(1, Relaxed);
    let call = Call { gateway: &gateway, agent, peer, body: Mutex::new(None) };
    let channel = Channel { call, socket, told: None, heartbeat: HEARTBEAT, noted: Instant::now(), ear };
    let why = channel.run().await;
    tracing::debug!(why, "a channel ended");
    open.fetch_sub(1, Relaxed);
    gateway.inner.channels.end(id, device, number);
    drop(kept);
}

/// One agent that is connected.
struct Channel<'a> {
    call: Call<'a>,
    socket: Socket,
    ear: Ear,
    /// How often it is to be heard of.
    heartbeat: Duration,
    /// When its presence was noted last.
    noted: Instant,
    /// What it said of itself last; nothing before its first message.
    told: Option<ContactRequest>,
}

/// What a look found beside news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// Something waits that is not for this agent now.
    Waits,
    /// There was too much to do to look.
    Later,
}

/// Why a channel ends.
type Over = &'static str;
const ANOTHER: Over = "the agent opened another one";

impl Channel<'_> {
    async fn run(mut self) -> Over {
        let over = self.talk().await.unwrap_or_else(|over| over);
        // Nobody waits for a farewell that a dead connection does not take.
        let farewell = if over == ANOTHER { FAREWELL } else { WRITE_LIMIT };
        let _ = timeout(farewell, self.socket.close(None)).await;
        over
    }

    async fn talk(&mut self) -> Result<Over, Over> {
        let first = timeout(HELLO_LIMIT, self.read()).await.map_err(|_| "it said nothing")??;
        let FromAgent::Hello { state, .. } = first else { return Err("its first message was no hello") };
        let (connected, load) = self.crowd();
        self.heartbeat = load::heartbeat(connected, load);
        let reconnect_within_seconds = Some(self.spread().as_secs());
        self.say(&FromServer::Welcome { v: VERSION, heartbeat_seconds: self.heartbeat.as_secs(), reconnect_within_seconds }).await?;
        self.ear.older_is_over().await;
        Box::pin(self.resume(&state)).await;
        // What is ahead matters only to what was handed out before.
        self.told = Some(ContactRequest { ahead: Vec::new(), ..state });
        let mut shutdown = self.call.gateway.inner.options.shutdown.clone();
        let silent = self.heartbeat * 5 / 2;
        self.present();
        let (mut heard, mut found) = (Instant::now(), self.look().await?);
        let (mut hinted, mut next_look, mut tick) = (false, Instant::now(), Instant::now() + LOOK_EVERY);
        loop {
            if found == Found::Later {
                (hinted, next_look, found) = (true, Instant::now() + LATER, Found::Waits);
            }
            self.ear.waits.store(found == Found::Waits, Relaxed);
            tokio::select! {
                // Whoever is gone is handed nothing.
                biased;
                message = self.socket.next() => {
                    heard = Instant::now();
                    if let Some(text) = text_of(message)?
                        && self.heard(&text).await?
                    {
                        found = self.look().await?;
                    }
                    tick = again_after(found);
                }
                () = self.ear.wake.notified(), if !hinted => hinted = true,
                () = sleep_until(next_look), if hinted => {
                    (hinted, next_look) = (false, Instant::now() + LOOK_PAUSE);
                    found = self.look().await?;
                    tick = again_after(found);
                }
                () = sleep_until(tick) => {
                    found = self.look().await?;
                    tick = again_after(found);
                }
                () = sleep_until(heard + silent) => return Err("it was silent"),
                () = is_true(&mut shutdown) => {
                    let pause = RECONNECT.max(self.spread());
                    let bye = FromServer::Bye { reconnect_in_seconds: pause.as_secs(), why: "the server stops".to_owned() };
                    self.say(&bye).await?;
                    return Ok("the server stops");
                }
                () = is_true(&mut self.ear.ended) => return Ok(ANOTHER),
            }
        }
    }

    /// Takes a message; gives whether there may be something new to tell.
    async fn heard(&mut self, text: &str) -> Result<bool, Over> {
        match serde_json::from_str::<FromAgent>(text).map_err(|_| "a message was not understood")? {
            FromAgent::Hello { .. } => Err("it said hello twice"),
            FromAgent::State { state } => {
                self.told = Some(ContactRequest { ahead: Vec::new(), ..state });
                self.present();
                Ok(true)
            }
            FromAgent::Report { id, reports } => {
                self.report(id, reports).await?;
                Ok(false)
            }
            FromAgent::Alive => {
                if self.noted.elapsed() >= self.heartbeat / 4 {
                    self.present();
                }
                let server_time_ms = contact::now(&self.call).millis();
                let reconnect_within_seconds = Some(self.spread().as_secs());
                self.say(&FromServer::Alive { server_time_ms, reconnect_within_seconds }).await?;
                Ok(false)
            }
        }
    }

    async fn report(&mut self, id: u64, reports: Vec<Report>) -> Result<(), Over> {
        let ended: Vec<(AssignmentId, u32)> =
            reports.iter().filter(|r| r.state != ReportState::Running).map(|r| (r.assignment, r.attempt)).collect();
        let reported = match Box::pin(take_reports(&self.call, reports)).await {
            Ok(results) => {
                if let Some(told) = &mut self.told {
                    let before = told.busy.len();
                    told.busy.retain(|it| !ended.contains(&(it.assignment, it.attempt)));
                    told.max_orders += before - told.busy.len();
                }
                FromServer::Reported { id, results, error: None }
            }
            Err(refused) => FromServer::Reported { id, results: Vec::new(), error: Some(refused.body) },
        };
        self.say(&reported).await
    }

    /// What was handed to this agent before now, and was not with it when it opened this channel, never arrived: it is handed out again.
    async fn resume(&mut self, state: &ContactRequest) {
        let (engine, agent) = (&self.call.gateway.inner.engine, self.call.agent.clone());
        let has: Vec<_> = state.busy.iter().chain(&state.ahead).map(|it| (it.assignment, it.attempt)).collect();
        let (cx, book) = (self.call.gateway.cx_in(agent.org), state.book.clone());
        let given_back =
            engine.write("agent.resume", &cx, move |tx, cx| muster_engine::work::resume(tx, cx, &agent, &has, book.as_deref())).await;
        match given_back {
            Ok(0) => {}
            Ok(count) => tracing::info!(agent = %self.call.agent.id, count, "orders that never arrived are handed out again"),
            // Their leases end by themselves.
            Err(error) => tracing::warn!(?error, "what never arrived could not be given back"),
        }
    }

    /// Looks for news and tells them.
    async fn look(&mut self) -> Result<Found, Over> {
        let Some(told) = &mut self.told else { return Ok(Found::Nothing) };
        told.busy.truncate(BUSY_MAX);
        told.modules.truncate(MODULES_MAX);
        let told = told.clone();
        let channels = &self.call.gateway.inner.channels;
        // Nobody closes the turns; a channel is small while it waits, so the long way is kept apart from it.
        let turn = channels.turns.acquire().await.map_err(|_| "the server stops")?;
        let is_known = self.ear.work.swap(false, Relaxed) && told.max_orders > 0;
        let seen = Box::pin(contact::look(&self.call, &told, is_known)).await;
        drop(turn);
        match seen {
            // The newer one gives back what was found for this one.
            Ok(_) if self.ear.is_ended() => Err(ANOTHER),
            // It comes again as what it is now; what was found for it is handed out again.
            Ok(seen) if seen.is_moved => Err("its device came to another organization"),
            Ok(seen) => {
                if seen.is_news(&told) {
                    self.tell(&seen).await?;
                }
                Ok(if seen.something_waits && told.busy.is_empty() { Found::Waits } else { Found::Nothing })
            }
            Err(refused) if refused.later => Ok(Found::Later),
            Err(refused) => {
                tracing::debug!(error = refused.body.error, "refused");
                Err("it is not known here any more, or the server failed")
            }
        }
    }

    async fn tell(&mut self, seen: &Seen) -> Result<(), Over> {
        let tidings = contact::told_back(&self.call, seen, LOOK_EVERY);
        if let Some(told) = &mut self.told {
            // What it is told it knows, and what it is given it has, until it says otherwise.
            told.frozen = told.frozen.map(|_| tidings.frozen);
            told.book = seen.book.as_ref().map(|book| book.digest.clone()).or(told.book.take());
            told.max_orders = told.max_orders.saturating_sub(tidings.orders.len());
            let handed = seen
                .tidings
                .claimed
                .iter()
                .map(|it| muster_wire::native::AttemptRef { assignment: it.claimed.assignment, attempt: it.claimed.attempt });
            told.busy.extend(handed);
            told.busy.retain(|it| !tidings.stop.contains(it));
        }
        self.say(&FromServer::Tidings { tidings }).await
    }

    /// How many are connected, and how much there is to do.
    fn crowd(&self) -> (u64, f64) {
        let doors = self.call.gateway.inner.engine.doors();
        (doors.channels.load(Relaxed), doors.load())
    }

    /// Over which time agents come back when their channels break.
    fn spread(&self) -> Duration {
        let (connected, load) = self.crowd();
        load::reconnect_spread(connected, load)
    }

    fn present(&mut self) {
        self.noted = Instant::now();
        if let Some(told) = &self.told {
            contact::heard(&self.call, told, self.heartbeat + LOOK_EVERY);
        }
    }

    async fn say(&mut self, message: &FromServer) -> Result<(), Over> {
        let text = serde_json::to_string(message).map_err(|_| "a message could not be written")?;
        tokio::select! {
            biased;
            sent = timeout(WRITE_LIMIT, self.socket.send(Message::text(text))) => match sent {
                Ok(Ok(())) => Ok(()),
                _ => Err("the connection broke"),
            },
            () = is_true(&mut self.ear.ended) => Err(ANOTHER),
        }
    }

    async fn read(&mut self) -> Result<FromAgent, Over> {
        loop {
            let message = self.socket.next().await;
            if let Some(text) = text_of(message)? {
                return serde_json::from_str(&text).map_err(|_| "a message was not understood");
            }
        }
    }
}

/// When is looked again though nothing calls for it: a hint may have been lost. What waits but is not for this agent now would be a write
/// each time; a change of it gives a hint, most often.
fn again_after(found: Found) -> Instant {
    Instant::now() + if found == Found::Nothing { LOOK_EVERY } else { HEARTBEAT }
}

/// Waits until a switch is true; for ever when nobody is left to move it.
async fn is_true(switch: &mut watch::Receiver<bool>) {
    if switch.wait_for(|is| *is).await.is_err() {
        std::future::pending().await
    }
}

/// The text of a message; nothing when it is of the WebSocket's own.
fn text_of(message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>) -> Result<Option<String>, Over> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(text.as_str().to_owned())),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Close(_))) | None => Err("the agent closed it"),
        Some(Ok(_)) => Err("a message was no text"),
        Some(Err(_)) => Err("the connection broke"),
    }
}
