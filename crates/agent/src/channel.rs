//! The channel: one WebSocket that stays open (`docs/protocols/native.md`, "The channel"). A task of its own reads and writes it, so that
//! nobody else waits for a slow line.
//!
//! Absent on purpose: when it is opened and what is said (`way`, `work`).

use crate::client::CallError;
use futures_util::{SinkExt as _, StreamExt as _};
use muster_wire::channel::{FromAgent, FromServer, HEARTBEAT, MESSAGE_BYTES_MAX, VERSION};
use muster_wire::native::{ContactRequest, Report, ReportAnswer};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

/// Messages that wait to be written or to be taken.
const QUEUE_MAX: usize = 32;
/// How long writing one message may take.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// What is read at once, bytes.
const READ_BYTES: usize = 4 << 10;

enum Say {
    State(Box<ContactRequest>),
    Report(Vec<Report>, oneshot::Sender<Result<ReportAnswer, CallError>>),
}

/// A channel that is open.
pub(crate) struct Channel {
    to: mpsc::Sender<Say>,
    from: mpsc::Receiver<FromServer>,
    /// Ends with this.
    _pump: JoinSet<()>,
}

impl Channel {
    /// Says hello on a connection that became a channel.
    pub(crate) async fn begin(upgraded: reqwest::Upgraded, state: ContactRequest) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(2 * MESSAGE_BYTES_MAX)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
        let ((to, says), (told, from)) = (mpsc::channel(QUEUE_MAX), mpsc::channel(QUEUE_MAX));
        let mut pump = JoinSet::new();
        pump.spawn(async move {
            let mut pump =
                Pump { socket, told, waiting: BTreeMap::new(), heartbeat: HEARTBEAT, heard: Instant::now(), said: Instant::now() };
            let why = pump.run(says, state).await.unwrap_or_else(|why| why);
            tracing::info!("the channel ended: {why}");
        });
        Self { to, from, _pump: pump }
    }

    /// Tells what changed. A channel that takes nothing any more shows its end by [`Channel::next`].
    pub(crate) fn state(&self, state: ContactRequest) -> bool {
        self.to.try_send(Say::State(Box::new(state))).is_ok()
    }

    /// Tells of attempts; gives what became of it.
    pub(crate) fn report(
        &self,
        reports: Vec<Report>,
        limit: Duration,
    ) -> impl Future<Output = Result<ReportAnswer, CallError>> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        let is_taken = self.to.try_send(Say::Report(reports, answer)).is_ok();
        async move {
            let lost = || CallError::Unreachable("the channel ended before a report was acknowledged".to_owned());
            if !is_taken {
                return Err(lost());
            }
            timeout(limit, answered).await.map_err(|_| lost())?.map_err(|_| lost())?
        }
    }

    /// What the server says next; nothing at the channel's end.
    pub(crate) async fn next(&mut self) -> Option<FromServer> {
        self.from.recv().await
    }
}

struct Pump {
    socket: WebSocketStream<reqwest::Upgraded>,
    told: mpsc::Sender<FromServer>,
    waiting: BTreeMap<u64, oneshot::Sender<Result<ReportAnswer, CallError>>>,
    heartbeat: Duration,
    heard: Instant,
    said: Instant,
}

type Over = &'static str;

impl Pump {
    async fn run(&mut self, mut says: mpsc::Receiver<Say>, state: ContactRequest) -> Result<Over, Over> {
        self.say(&FromAgent::Hello { v: VERSION, state }).await?;
        let mut id = 0;
        loop {
            // Before the time is over: a line may be slow.
            let alive = self.said + self.heartbeat * 3 / 4;
            tokio::select! {
                say = says.recv() => match say {
                    None => return Ok("it is needed no more"),
                    Some(Say::State(state)) => self.say(&FromAgent::State { state: *state }).await?,
                    Some(Say::Report(reports, answer)) => {
                        id += 1;
                        self.waiting.insert(id, answer);
                        self.say(&FromAgent::Report { id, reports }).await?;
                    }
                },
                message = self.socket.next() => {
                    self.heard = Instant::now();
                    self.heard(message).await?;
                }
                () = sleep_until(alive) => self.say(&FromAgent::Alive).await?,
                () = sleep_until(self.heard + self.heartbeat * 5 / 2) => return Err("the server was silent"),
            }
        }
    }

    async fn heard(&mut self, message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>) -> Result<(), Over> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Close(_))) | None => return Err("the server closed it"),
            Some(Ok(_)) => return Err("a message was no text"),
            Some(Err(_)) => return Err("the connection broke"),
        };
        match serde_json::from_str::<FromServer>(text.as_str()).map_err(|_| "a message was not understood")? {
            welcome @ FromServer::Welcome { heartbeat_seconds, .. } => {
                self.heartbeat = Duration::from_secs(heartbeat_seconds.clamp(5, 3_600));
                self.told.send(welcome).await.map_err(|_| "it is needed no more")
            }
            FromServer::Reported { id, results, error } => {
                let answer = match error {
                    None => Ok(ReportAnswer { results }),
                    Some(body) => Err(CallError::Unreachable(format!("reports were not taken ({}): {}", body.error, body.message))),
                };
                if let Some(waiting) = self.waiting.remove(&id) {
                    // Whoever asked may wait no longer.
                    let _ = waiting.send(answer);
                }
                Ok(())
            }
            other => self.told.send(other).await.map_err(|_| "it is needed no more"),
        }
    }

    async fn say(&mut self, message: &FromAgent) -> Result<(), Over> {
        let text = serde_json::to_string(message).map_err(|_| "a message could not be written")?;
        self.said = Instant::now();
        match timeout(WRITE_LIMIT, self.socket.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err("the connection broke"),
        }
    }
}
