//! Agents that speak XML: FusionInventory, GLPI agents in their legacy form, OCS (`docs/protocols/legacy-xml.md`, `ocs.md`).
//!
//! Lives here: reading a message and what each kind of it is answered. Who speaks is told in [`speaker`], answers are dressed in
//! [`reply`], inventories are in [`inventory`].

mod inventory;
mod reply;
mod speaker;

use crate::admission::{Origin, Share};
use crate::bodies::{Raw, Refusal, read};
use crate::gateway::{Gateway, address};
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::response::Response;
use muster_core::fleet::Protocol;
use muster_core::load::Class;
use muster_engine::findings::Sender;
use muster_engine::intake::{Prepared, prepare};
use muster_engine::{Error, Reason, contact};
use muster_wire::body::{Coding, Decoded};
use muster_wire::glpi;
use muster_wire::legacy::{ParseError, ParseErrorKind, Query, Request, answer as words, parse_request};
use reply::{Form, Reply};
use speaker::Speaker;
use std::net::IpAddr;

/// A message of at most this size is taken for a contact until it is read, bytes: a PROLOG has some hundred.
const CONTACT_BYTES: usize = 2 << 10;

/// What a body turned out to be.
enum Document {
    /// A message, with the sections of its inventory prepared.
    Message(Box<Message>),
    /// GLPI's native form.
    Json,
    /// A stream that ended early.
    Cut(Box<Message>),
    /// Nothing to be understood.
    Bad(ParseError),
}

/// A message that was read.
struct Message {
    request: Request,
    sections: Vec<Prepared>,
    coding: Coding,
}

fn read_document(decoded: Decoded, speaker: &Speaker) -> Document {
    let first = decoded.bytes.iter().find(|b| !b.is_ascii_whitespace());
    if matches!(first, Some(b'{' | b'[')) {
        return Document::Json;
    }
    match parse_request(&decoded.bytes, speaker.agent.dialect) {
        Err(error) => Document::Bad(error),
        Ok(request) => {
            let sections = request.inventory.as_ref().map(prepare).unwrap_or_default();
            let message = Box::new(Message { request, sections, coding: decoded.coding });
            if decoded.truncated { Document::Cut(message) } else { Document::Message(message) }
        }
    }
}

/// Answers a message.
pub(crate) async fn answer(gateway: &Gateway, parts: &Parts, peer: Option<IpAddr>, body: Body) -> Response {
    let speaker = Speaker::of(parts, peer);
    let told = parts.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    let class = if told.is_some_and(|n| n <= CONTACT_BYTES) { Class::Contact } else { Class::Inventory };
    let reply = match read(gateway, &parts.headers, body, Origin::new(class, peer)).await {
        Ok(raw) => take(gateway, &speaker, raw).await,
        Err(refusal) => refused(&speaker, &refusal),
    };
    reply.into_response(gateway)
}

async fn take(gateway: &Gateway, speaker: &Speaker, raw: Raw) -> Reply {
    let known = speaker.clone();
    let class = raw.origin.class;
    let unpacked = gateway.inner.unpacking.unpack(raw, move |decoded| read_document(decoded, &known)).await;
    // The share of memory is held until the answer is made.
    let (document, mut share): (Document, Share) = match unpacked {
        Ok(found) => found,
        Err(refusal) => return refused(speaker, &refusal),
    };
    match document {
        Document::Message(message) if message.request.query == Query::Inventory && !share.lower_to(Class::Inventory) => {
            gateway.inner.engine.doors().refused(Class::Inventory, Reason::Busy);
            Reply::later(speaker.form(), &Refusal::Busy.to_string())
        }
        Document::Message(message) => dispatch(gateway, speaker, *message).await,
        // The agent forgets what it told as soon as it sees 200 (`docs/protocols/ocs.md`, "Answers"): it shall tell it again.
        Document::Cut(message) if speaker.protocol(&message.request) == Protocol::Ocs => {
            let text = "the compressed stream ends before its end; send the inventory again";
            if let Some(id) = message.request.device_id {
                gateway.note_refused_here(Sender::Foreign(Protocol::Ocs, id), text).await;
            }
            Reply::refuse(Form::Ocs, StatusCode::INTERNAL_SERVER_ERROR, text)
        }
        Document::Cut(message) => dispatch(gateway, speaker, *message).await,
        Document::Json => {
            tracing::debug!(agent = ?speaker.agent, "a message in GLPI's native form was refused");
            let text = "this server speaks the legacy XML form of this protocol; begin with PROLOG";
            Reply::json(StatusCode::BAD_REQUEST, glpi::status_error(text))
        }
        Document::Bad(error) => {
            let form = speaker.form();
            let shape = matches!(error.kind, ParseErrorKind::TooDeep | ParseErrorKind::TooMany);
            let reason = if shape { Reason::Shape } else { Reason::Unreadable };
            gateway.inner.engine.doors().refused(class, reason);
            tracing::info!(peer = ?speaker.peer, agent = ?speaker.agent, %error, "a message was not understood");
            Reply::refuse(form, reply::parse_status(form, error.kind), &error.to_string())
        }
    }
}

fn refused(speaker: &Speaker, refusal: &Refusal) -> Reply {
    let form = speaker.form();
    tracing::info!(peer = ?speaker.peer, agent = ?speaker.agent, %refusal, "a body was not taken");
    match refusal {
        Refusal::Busy => Reply::later(form, &refusal.to_string()),
        // The reference server's word for what cannot be unpacked.
        Refusal::Body(_) | Refusal::Shape(_) if form == Form::Ocs && refusal.status() == StatusCode::BAD_REQUEST => {
            Reply::refuse(form, StatusCode::INTERNAL_SERVER_ERROR, &refusal.to_string())
        }
        _ => Reply::refuse(form, refusal.status(), &refusal.to_string()),
    }
}

async fn dispatch(gateway: &Gateway, speaker: &Speaker, message: Message) -> Reply {
    let protocol = speaker.protocol(&message.request);
    let form = if protocol == Protocol::Ocs { Form::Ocs } else { Form::Xml };
    let device_id = message.request.device_id.clone().unwrap_or_default();
    let is_update = message.request.query == Query::Update;
    if form == Form::Ocs && !is_update && !muster_core::fleet::is_dated_deviceid(&device_id) {
        let text = format!("DEVICEID '{device_id}' is not of the form NAME-YYYY-MM-DD-hh-mm-ss");
        return Reply::refuse(form, StatusCode::BAD_REQUEST, &text);
    }
    let coding = message.coding;
    match (form, &message.request.query) {
        (_, Query::Prolog) => match prolog(gateway, speaker, protocol, &device_id).await {
            Ok(text) => Reply::said(form, coding, &text),
            Err(error) => Reply::error(form, &error),
        },
        (_, Query::Inventory) => inventory::answer(gateway, speaker, protocol, message).await,
        (Form::Ocs, Query::Update) => Reply::said(form, coding, &words::no_update()),
        (Form::Ocs, Query::Download | Query::Notify | Query::Snmp) => Reply::nothing(),
        // Nobody here has asked for it, so nothing waits for it.
        (Form::Xml, Query::NetDiscovery | Query::SnmpQuery) => Reply::said(form, coding, &words::empty_reply()),
        (_, query) => Reply::refuse(form, StatusCode::BAD_REQUEST, &format!("QUERY {query:?} is not known here")),
    }
}

#[tracing::instrument(name = "gateway.legacy.prolog", level = "debug", skip_all, fields(device_id, ?protocol, peer = ?speaker.peer), err(level = "info"))]
async fn prolog(gateway: &Gateway, speaker: &Speaker, protocol: Protocol, device_id: &str) -> Result<String, Error> {
    let engine = &gateway.inner.engine;
    let cx = gateway.cx().await?;
    let hello = contact::Hello {
        protocol,
        foreign_id: device_id.to_owned(),
        version: speaker.agent.version.clone(),
        address: address(speaker.peer),
    };
    let asked = hello.clone();
    let look = engine.read(&cx, move |rx, cx| contact::look(rx, cx, &asked)).await?;
    let greeting = if look.may_have_work {
        let asked = hello.clone();
        engine.try_write("contact.prolog", &cx, move |tx, cx| contact::prolog(tx, cx, &asked)).await?
    } else {
        contact::prolog_idle(&look, &hello, engine.now())
    };
    if let Some(agent) = &look.agent {
        engine.heard(contact::presence(agent, engine.now(), greeting.next_contact_hours, hello.address, hello.version));
    }
    tracing::debug!(send = greeting.send_inventory, hours = greeting.next_contact_hours, orders = greeting.claimed.len(), "answered");
    let response = if greeting.send_inventory { words::Response::Send } else { words::Response::Stop };
    let hours = u32::try_from(greeting.next_contact_hours).unwrap_or(u32::MAX);
    let answer = match protocol {
        Protocol::Ocs => words::Prolog::ocs(hours, response, gateway.inner.options.ocs_inventory_on_startup),
        _ => words::Prolog::fusion(hours, response),
    };
    Ok(words::prolog(&answer))
}
