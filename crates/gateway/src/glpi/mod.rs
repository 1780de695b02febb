//! GLPI agents in their native form, JSON (`docs/protocols/glpi-native.md`).
//!
//! Lives here: telling messages apart, answering those that cannot be finished at once with `pending` and the agent's questions
//! about them. CONTACT and INVENTORY are in [`contact`] and [`inventory`], documents that come unasked in [`unasked`], calls
//! without a body in [`rest`], tokens in [`token`]. Absent on purpose: bodies and who speaks (`legacy`, which reads every message),
//! and what counts as a credential (`auth`).

mod contact;
mod deploy;
mod inventory;
mod rest;
mod token;
mod unasked;

pub(crate) use deploy::{Logs, host_of};
pub(crate) use rest::answer as bodiless;
pub(crate) use token::answer as token;
pub(crate) use unasked::{DISCOVERY, NETINVENTORY, keep};

use crate::admission::Share;
use crate::bodies::Refusal;
use crate::gateway::{Gateway, json_answer, with_retry_after};
use crate::legacy::Speaker;
use crate::pending::Became;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use muster_core::fleet::Protocol;
use muster_core::load::Class;
use muster_engine::findings::Sender;
use muster_engine::{Error, Kind, Reason};
use muster_wire::body::Decoded;
use muster_wire::glpi as words;
use muster_wire::glpi_message::{Message, NetworkKind, parse_message};
use std::time::Duration;

/// When an agent asks for the first time what became of its request.
const FIRST_POLL: Duration = Duration::from_secs(2);
/// And each later time: with 12 questions in all nearly two minutes.
const LATER_POLL: Duration = Duration::from_secs(10);

/// A message that was read.
pub(crate) struct Document {
    message: Result<Message, String>,
    /// The document as it came, of results that are kept.
    raw: Option<Vec<u8>>,
}

/// Reads a document. One that is cut is refused: unlike XML it does not tell which of its sections are whole.
pub(crate) fn read(decoded: Decoded) -> Document {
    let message = match decoded.truncated {
        true => Err("the compressed stream ends before its end".to_owned()),
        false => parse_message(&decoded.bytes).map_err(|error| error.to_string()),
    };
    let raw = matches!(message, Ok(Message::Network(_))).then_some(decoded.bytes);
    Document { message, raw }
}

/// An answer before it is dressed as HTTP.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    status: StatusCode,
    text: String,
    later: bool,
}

impl Said {
    pub(crate) fn new(status: StatusCode, text: String) -> Self {
        Self { status, text, later: false }
    }

    /// A message that was taken.
    fn ok() -> Self {
        Self::new(StatusCode::OK, words::status_ok())
    }

    /// A refusal; the agent writes the text in its log.
    fn refused(status: StatusCode, text: &str) -> Self {
        Self::new(status, words::status_error(text))
    }

    /// Not now.
    fn later(text: &str) -> Self {
        Self { later: true, ..Self::refused(StatusCode::SERVICE_UNAVAILABLE, text) }
    }

    /// The outcome is not known yet.
    fn pending(delay: Duration) -> Self {
        Self::new(StatusCode::ACCEPTED, words::status_later(delay))
    }

    fn into_response(self, gateway: &Gateway, request_id: Option<&str>) -> Response {
        let after = self.later.then(|| gateway.retry_after());
        with_request_id(with_retry_after(json_answer(self.status, self.text), after), request_id)
    }
}

/// Names the request that is answered, unless the answer names one: agents find what was said of it by that.
pub(crate) fn with_request_id(mut response: Response, id: Option<&str>) -> Response {
    if let Some(id) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
        response.headers_mut().entry(words::REQUEST_ID_HEADER).or_insert(id);
    }
    response
}

impl From<Error> for Said {
    fn from(error: Error) -> Self {
        let status = match error.kind {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Denied => StatusCode::FORBIDDEN,
            Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
            Kind::LimitReached => StatusCode::TOO_MANY_REQUESTS,
            Kind::Unavailable | Kind::Conflict => return Self::later(&error.detail),
            Kind::Internal => {
                tracing::error!(fault = ?error.fault, "an agent's message failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::refused(status, &error.detail)
    }
}

/// Answers a message. `share` is the document's share of memory and is held until it is done with.
pub(crate) async fn answer(gateway: &Gateway, speaker: &Speaker, document: Document, mut share: Share) -> Response {
    let id = speaker.request_id.as_deref();
    let message = match document.message {
        Ok(message) => message,
        Err(error) => {
            gateway.inner.engine.doors().refused(Class::Inventory, Reason::Unreadable);
            tracing::info!(peer = ?speaker.peer, agent = ?speaker.agent, error, "a message was not understood");
            note_unread(gateway, speaker, &error).await;
            return Said::refused(StatusCode::BAD_REQUEST, &error).into_response(gateway, id);
        }
    };
    match message {
        Message::Contact(told) => {
            let work = contact::answer(gateway.clone(), speaker.clone(), told);
            finish(gateway, speaker, share, work).await
        }
        Message::Inventory(_) if !share.lower_to(Class::Inventory) => {
            gateway.inner.engine.doors().refused(Class::Inventory, Reason::Busy);
            Said::later(&Refusal::Busy.to_string()).into_response(gateway, id)
        }
        Message::Inventory(told) => {
            let work = inventory::answer(gateway.clone(), speaker.clone(), *told);
            finish(gateway, speaker, share, work).await
        }
        Message::Network(told) => {
            let kind = if told.kind == NetworkKind::Discovery { DISCOVERY } else { NETINVENTORY };
            let kept = keep(gateway, speaker, Protocol::Glpi, told.device_id, kind, document.raw).await;
            kept.map_or_else(Said::from, |()| Said::ok()).into_response(gateway, id)
        }
        Message::Other { action, device_id } => {
            tracing::info!(peer = ?speaker.peer, device_id, action, "an action was not understood");
            Said::refused(StatusCode::BAD_REQUEST, &format!("the action '{action}' is not known here")).into_response(gateway, id)
        }
    }
}

/// Notes on the device of a known agent that a message of it was not read, and so is lost: agents send nothing twice. The header
/// says whose it was, the message does not.
pub(crate) async fn note_unread(gateway: &Gateway, speaker: &Speaker, why: &str) {
    let Some(id) = speaker.glpi_id.clone() else { return };
    if let Ok(cx) = gateway.cx_with(speaker.pass.as_ref()).await {
        gateway.note_refused(Sender::Glpi(id), cx.org, why);
    }
}

/// Does the work of a message and answers it; what takes longer than a moment is answered `pending` and goes on by itself, so
/// that nothing is lost while the server is busy: an agent never sends an inventory twice.
async fn finish(gateway: &Gateway, speaker: &Speaker, share: Share, work: impl Future<Output = Said> + Send + 'static) -> Response {
    let mut task = tokio::spawn(async move {
        let said = work.await;
        drop(share);
        said
    });
    let broken = |error: tokio::task::JoinError| {
        tracing::error!(%error, "answering an agent panicked");
        Said::refused(StatusCode::INTERNAL_SERVER_ERROR, "the message failed by a fault of the server; its log says more")
    };
    if let Ok(done) = tokio::time::timeout(gateway.inner.options.wait_time, &mut task).await {
        return done.unwrap_or_else(broken).into_response(gateway, speaker.request_id.as_deref());
    }
    let (pending, now) = (gateway.inner.pending.clone(), gateway.inner.engine.now());
    let Some(id) = pending.open(speaker.glpi_id.as_deref(), speaker.request_id.as_deref(), now, || fresh_id(gateway)) else {
        return Said::later("too many requests are being worked on; come again later")
            .into_response(gateway, speaker.request_id.as_deref());
    };
    tracing::debug!(id, agent = ?speaker.glpi_id, "answered 'pending'");
    let closes = id.clone();
    tokio::spawn(async move { pending.close(&closes, task.await.unwrap_or_else(broken)) });
    Said::pending(FIRST_POLL).into_response(gateway, Some(&id))
}

/// An id of a request as agents make them: 8 upper-case hexadecimal digits.
fn fresh_id(gateway: &Gateway) -> String {
    let mut bytes = [0; 4];
    gateway.inner.engine.random().fill(&mut bytes);
    format!("{:08X}", u32::from_be_bytes(bytes))
}

/// Tells an agent what became of its request.
fn poll(gateway: &Gateway, speaker: &Speaker) -> Response {
    let id = speaker.request_id.as_deref();
    let became = id.map_or(Became::Unknown, |id| gateway.inner.pending.look(id, speaker.glpi_id.as_deref(), gateway.inner.engine.now()));
    let said = match became {
        Became::Done(said) => said,
        Became::Waiting => Said::pending(LATER_POLL),
        Became::Unknown => Said::refused(StatusCode::NOT_FOUND, "no request of this id is known here; begin again with PROLOG"),
    };
    said.into_response(gateway, id)
}
