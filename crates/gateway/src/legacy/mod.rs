//! Agents that speak XML: FusionInventory, GLPI agents in their legacy form, OCS (`docs/protocols/legacy-xml.md`, `ocs.md`).
//!
//! Lives here: reading a message and what each kind of it is answered. Who speaks is told in [`speaker`], answers are dressed in
//! [`reply`], inventories are in [`inventory`]. Messages in GLPI's JSON come here too and are handed to [`crate::glpi`].

mod inventory;
pub(crate) mod packages;
mod reply;
mod speaker;

pub(crate) use speaker::Speaker;

use crate::admission::{Origin, Share};
use crate::auth::{self, NoPass};
use crate::bodies::{Raw, Refusal, read};
use crate::gateway::Gateway;
use crate::glpi as native;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::response::Response;
use muster_core::fleet::Protocol;
use muster_core::load::Class;
use muster_engine::findings::Sender;
use muster_engine::{Error, Reason, contact};
use muster_wire::body::{Coding, Decoded};
use muster_wire::glpi;
use muster_wire::legacy::{Message as Request, Node, ParseError, ParseErrorKind, Query, answer as words, read_message};
use reply::{Form, Reply};
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;

/// A message of at most this size is taken for a contact until it is read, bytes: a PROLOG has some hundred.
const CONTACT_BYTES: usize = 2 << 10;

/// What a body turned out to be.
enum Document {
    /// A message.
    Message(Box<Message>),
    /// GLPI's native form.
    Native(Box<native::Document>),
    /// A stream that ended early.
    Cut(Box<Message>),
    /// Nothing to be understood.
    Bad(ParseError),
}

/// A message that was read.
struct Message {
    request: Request,
    coding: Coding,
    /// The document as it came, of results that are kept.
    raw: Option<Vec<u8>>,
}

fn read_document(decoded: Decoded, speaker: &Speaker) -> Document {
    let first = decoded.bytes.iter().find(|b| !b.is_ascii_whitespace());
    if matches!(first, Some(b'{' | b'[')) {
        return Document::Native(Box::new(native::read(decoded)));
    }
    let raw = may_be_result(&decoded.bytes).then(|| decoded.bytes.clone());
    match read_message(decoded.bytes, speaker.agent.dialect) {
        Err(error) => Document::Bad(error),
        Ok(request) => {
            let raw = raw.filter(|_| is_result(&request));
            let message = Box::new(Message { request, coding: decoded.coding, raw });
            if decoded.truncated { Document::Cut(message) } else { Document::Message(message) }
        }
    }
}

/// Answers a message.
pub(crate) async fn answer(gateway: &Gateway, parts: &Parts, peer: Option<IpAddr>, body: Body) -> Response {
    let mut speaker = Speaker::of(parts, peer);
    let told = parts.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    let class = if told.is_some_and(|n| n <= CONTACT_BYTES) { Class::Contact } else { Class::Inventory };
    // Read before anything is refused: agents send the whole body before they look at an answer.
    let response = match read(gateway, &parts.headers, body, Origin::new(class, peer)).await {
        Ok(raw) => match auth::check(gateway, &parts.headers, peer).await {
            Ok(pass) => {
                speaker.pass = pass;
                speaker.packages_at = packages::place(gateway, parts);
                take(gateway, &speaker, raw).await
            }
            Err(no_pass) => not_let_in(gateway, &speaker, &no_pass),
        },
        Err(refusal) => refused(&speaker, &refusal).into_response(gateway),
    };
    native::with_request_id(response, speaker.request_id.as_deref())
}

/// A refusal of who shows nothing that counts, in the caller's form and with what would count.
pub(crate) fn not_let_in(gateway: &Gateway, speaker: &Speaker, no_pass: &NoPass) -> Response {
    let form = speaker.form();
    let reply = match no_pass {
        NoPass::Challenge(_) => {
            Reply::refuse(form, StatusCode::UNAUTHORIZED, "this server listens to agents with a name and secret, or a token, only")
        }
        NoPass::TooMany => {
            Reply::refuse(form, StatusCode::TOO_MANY_REQUESTS, "too many wrong secrets came from this address; come again later")
        }
        NoPass::Busy => Reply::later(form, "too many secrets are being checked; come again later"),
        NoPass::Fault(error) => Reply::error(form, error),
    };
    let response = reply.into_response(gateway);
    auth::with_challenge(response, no_pass)
}

async fn take(gateway: &Gateway, speaker: &Speaker, raw: Raw) -> Response {
    let known = speaker.clone();
    let class = raw.origin.class;
    let unpacked = gateway.inner.unpacking.unpack(raw, move |decoded| read_document(decoded, &known)).await;
    // The share of memory is held until the answer is made.
    let (document, mut share): (Document, Share) = match unpacked {
        Ok(found) => found,
        Err(refusal) => {
            if !matches!(refusal, Refusal::Busy | Refusal::Fault) {
                native::note_unread(gateway, speaker, &refusal.to_string()).await;
            }
            return refused(speaker, &refusal).into_response(gateway);
        }
    };
    let reply = match document {
        Document::Native(document) => return native::answer(gateway, speaker, *document, share).await,
        Document::Message(message) if message.request.query == Query::Inventory && !share.lower_to(Class::Inventory) => {
            gateway.inner.engine.doors().refused(Class::Inventory, Reason::Busy);
            Reply::later(speaker.form(), &Refusal::Busy.to_string())
        }
        Document::Message(message) => {
            if let Some(told) = &message.request.inventory {
                share.read(told.held());
            }
            dispatch(gateway, speaker, *message).await
        }
        // The agent forgets what it told as soon as it sees 200 (`docs/protocols/ocs.md`, "Answers"): it shall tell it again.
        Document::Cut(message) if speaker.protocol(&message.request) == Protocol::Ocs => {
            let text = "the compressed stream ends before its end; send the inventory again";
            if let Some(id) = message.request.device_id {
                gateway.note_refused_here(Sender::Foreign(Protocol::Ocs, id), text).await;
            }
            Reply::refuse(Form::Ocs, StatusCode::INTERNAL_SERVER_ERROR, text)
        }
        Document::Cut(message) => dispatch(gateway, speaker, *message).await,
        Document::Bad(error) => {
            let form = speaker.form();
            let shape = matches!(error.kind, ParseErrorKind::TooDeep | ParseErrorKind::TooMany);
            let reason = if shape { Reason::Shape } else { Reason::Unreadable };
            gateway.inner.engine.doors().refused(class, reason);
            tracing::info!(peer = ?speaker.peer, agent = ?speaker.agent, %error, "a message was not understood");
            native::note_unread(gateway, speaker, &error.to_string()).await;
            Reply::refuse(form, reply::parse_status(form, error.kind), &error.to_string())
        }
    };
    reply.into_response(gateway)
}

/// Whether a message is worth a copy, because it may be a result to be kept. Inventories, the many, say so near their end.
fn may_be_result(bytes: &[u8]) -> bool {
    const QUERY: &[u8] = b"<QUERY>";
    let query = bytes.windows(QUERY.len()).rposition(|w| w == QUERY).map(|at| &bytes[at + QUERY.len()..]);
    !query.is_some_and(|q| q.starts_with(b"INVENTORY") || q.starts_with(b"PROLOG"))
}

/// Whether a message carries a result of a network task, and not only that one began or ended.
fn is_result(request: &Request) -> bool {
    let content = request.content.as_ref().and_then(|root| root.child("content"));
    matches!(request.query, Query::NetDiscovery | Query::SnmpQuery) && content.is_some_and(|c| c.child("device").is_some())
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
        // Who sends its UUID takes this answer as the way to the native form (`docs/protocols/glpi-native.md`, "The way there").
        (_, Query::Prolog) if protocol == Protocol::Glpi && speaker.glpi_id.is_some() => {
            Reply::json(StatusCode::OK, glpi::status_pending())
        }
        (_, Query::Prolog) => match prolog(gateway, speaker, protocol, &device_id).await {
            Ok(text) => Reply::said(form, coding, &text),
            Err(error) => Reply::error(form, &error),
        },
        (_, Query::Inventory) => inventory::answer(gateway, speaker, protocol, message).await,
        (Form::Ocs, Query::Update) => Reply::said(form, coding, &words::no_update()),
        (Form::Ocs, Query::Download) => match package_told(gateway, speaker, &device_id, message.request.content.as_ref()).await {
            Ok(()) => Reply::nothing(),
            Err(error) => Reply::error(form, &error),
        },
        (Form::Ocs, Query::Notify | Query::Snmp) => Reply::nothing(),
        (Form::Xml, query @ (Query::NetDiscovery | Query::SnmpQuery)) => {
            let kind = if *query == Query::NetDiscovery { native::DISCOVERY } else { native::NETINVENTORY };
            match native::keep(gateway, speaker, protocol, device_id, kind, message.raw).await {
                Ok(()) => Reply::said(form, coding, &words::empty_reply()),
                Err(error) => Reply::error(form, &error),
            }
        }
        (_, query) => Reply::refuse(form, StatusCode::BAD_REQUEST, &format!("QUERY {query:?} is not known here")),
    }
}

#[tracing::instrument(name = "gateway.legacy.prolog", level = "debug", skip_all, fields(device_id, ?protocol, peer = ?speaker.peer), err(level = "info"))]
async fn prolog(gateway: &Gateway, speaker: &Speaker, protocol: Protocol, device_id: &str) -> Result<String, Error> {
    let engine = &gateway.inner.engine;
    let cx = gateway.cx_with(speaker.pass.as_ref()).await?;
    let mut hello = hello_of(speaker, protocol, device_id);
    if hello.packages {
        engine.doors().packages.store(true, Relaxed);
    }
    let look = engine.look(&cx, &hello).await?;
    // Whoever knows a DEVICEID can say it: packages are given where the agent was heard last.
    let heard = look.agent.as_ref().and_then(|agent| engine.heard_from(agent.id).or_else(|| agent.address.clone()));
    hello.packages &= heard.is_none() || heard == hello.address;
    let greeting = if look.may_have_work {
        let asked = hello.clone();
        engine.try_write("contact.prolog", &cx, move |tx, cx| contact::prolog(tx, cx, &asked)).await?
    } else {
        contact::prolog_idle(&look, &hello, engine.now())
    };
    if let Some(agent) = &look.agent {
        let (address, version) = (hello.address.clone(), hello.version.clone());
        engine.heard(contact::presence(agent, engine.now(), greeting.next_contact_hours, address, version));
    }
    tracing::debug!(send = greeting.send_inventory, hours = greeting.next_contact_hours, orders = greeting.claimed.len(), "answered");
    let response = if greeting.send_inventory { words::Response::Send } else { words::Response::Stop };
    let hours = u32::try_from(greeting.next_contact_hours).unwrap_or(u32::MAX);
    let answer = match protocol {
        Protocol::Ocs => {
            let offered = packages::packable(gateway, &cx, &hello, greeting.packages).await?;
            let packages = packages::located(speaker.packages_at.as_deref(), &offered);
            words::Prolog::ocs(hours, response, gateway.inner.options.ocs_inventory_on_startup, packages)
        }
        _ => words::Prolog::fusion(hours, response),
    };
    Ok(words::prolog(&answer))
}

fn hello_of(speaker: &Speaker, protocol: Protocol, device_id: &str) -> contact::Hello {
    contact::Hello {
        protocol,
        foreign_id: device_id.to_owned(),
        version: speaker.agent.version.clone(),
        address: speaker.address(),
        vouched: speaker.is_vouched(),
        packages: protocol == Protocol::Ocs && speaker.packages_at.is_some(),
    }
}

/// Takes what an OCS agent tells of a package.
async fn package_told(gateway: &Gateway, speaker: &Speaker, device_id: &str, content: Option<&Node>) -> Result<(), Error> {
    let cx = gateway.cx_with(speaker.pass.as_ref()).await?;
    packages::told(gateway, &cx, &hello_of(speaker, Protocol::Ocs, device_id), content).await
}
