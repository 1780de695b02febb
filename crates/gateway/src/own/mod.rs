//! Muster's own agent (`docs/protocols/native.md`): who may speak, signed answers, and the four calls.
//!
//! Lives here: verifying requests and signing answers. Joining is in [`enrol`], contacts in [`contact`], those that never end in
//! [`channel`], inventories in [`inventory`]; reports are small enough to be here.

mod channel;
mod contact;
mod crash;
mod enrol;
mod guard;
mod inventory;
mod lives;
mod switchboard;

pub use channel::Kept;
pub(crate) use guard::{Failures, Nonces};
pub(crate) use lives::Lives;
pub(crate) use switchboard::Channels;

use crate::admission::{Origin, Share};
use crate::bodies::{Raw, Refusal, read};
use crate::gateway::{Gateway, response, with_retry_after};
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use muster_core::fleet::Agent;
use muster_core::load::Class;
use muster_core::tasks::Outcome;
use muster_core::time::Timestamp;
use muster_engine::contact::OwnReports;
use muster_engine::findings::Sender;
use muster_engine::work::Taken;
use muster_engine::{Error, Kind, work};
use muster_wire::body::Decoded;
use muster_wire::channel::{CHANNEL_PATH, SCHEMA_PATH};
use muster_wire::crash::CRASH_PATH;
use muster_wire::keys::{PIN_HEADER, SUCCESSOR_HEADER};
use muster_wire::native::{
    self, ANSWER_HEADER, CONTACT_PATH, ENROL_PATH, ErrorBody, INVENTORY_PATH, Nonce, REPORT_PATH, REQUEST_HEADER, ReportAnswer,
    ReportRequest, ReportResult, ReportState, RequestAuth, public_key_text, sign_answer,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Reports in one call.
const REPORTS_MAX: usize = 256;

/// A refusal in the form of `docs/protocols/native.md`, "Calls".
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    body: ErrorBody,
    later: bool,
}

impl Refused {
    fn new(status: StatusCode, error: &str, message: impl Into<String>) -> Self {
        Self { status, body: ErrorBody { error: error.to_owned(), message: message.into(), server_time_ms: None }, later: false }
    }
}

impl Refused {
    /// Whether the same body would be refused again.
    fn is_for_the_body(&self) -> bool {
        [StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE].contains(&self.status)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let (status, key) = match error.kind {
            Kind::Invalid => (StatusCode::BAD_REQUEST, "invalid"),
            Kind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            Kind::Conflict => (StatusCode::CONFLICT, "conflict"),
            Kind::Denied => (StatusCode::FORBIDDEN, "revoked"),
            Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, "signature"),
            Kind::LimitReached => (StatusCode::TOO_MANY_REQUESTS, "limit"),
            Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Kind::Internal => {
                tracing::error!(fault = ?error.fault, "a call of an agent failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        };
        Self { later: error.kind == Kind::Unavailable, ..Self::new(status, key, error.detail) }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let status = refusal.status();
        let key = match status {
            StatusCode::PAYLOAD_TOO_LARGE => "too-large",
            StatusCode::SERVICE_UNAVAILABLE => "busy",
            StatusCode::INTERNAL_SERVER_ERROR => "internal",
            _ => "body",
        };
        Self { later: refusal == Refusal::Busy, ..Self::new(status, key, refusal.to_string()) }
    }
}

/// An answer's status and JSON.
struct Said {
    status: StatusCode,
    body: Vec<u8>,
    later: bool,
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("answers have text keys only")
}

impl Said {
    fn ok<T: Serialize>(value: &T) -> Self {
        Self { status: StatusCode::OK, body: json(value), later: false }
    }
}

impl From<Refused> for Said {
    fn from(refused: Refused) -> Self {
        tracing::debug!(status = refused.status.as_u16(), error = refused.body.error, "refused");
        Self { status: refused.status, body: json(&refused.body), later: refused.later }
    }
}

/// A verified request.
struct Call<'a> {
    gateway: &'a Gateway,
    agent: Agent,
    peer: Option<IpAddr>,
    body: Mutex<Option<Raw>>,
}

impl Call<'_> {
    /// The body, which may be packed, with `work` done on it. Once: a body is let go as soon as it is unpacked.
    async fn unpack<T: Send + 'static>(&self, work: impl FnOnce(Decoded) -> T + Send + 'static) -> Result<(T, Share), Refused> {
        let body = self.body.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(Refusal::Fault)?;
        Ok(self.gateway.inner.unpacking.unpack(body, work).await?)
    }

    /// The body, which may be packed, as a value.
    async fn read<T: DeserializeOwned + Send + 'static>(&self) -> Result<T, Refused> {
        self.unpack(|decoded| serde_json::from_slice::<T>(&decoded.bytes)).await?.0.map_err(malformed)
    }
}

fn malformed(error: serde_json::Error) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "invalid", format!("the body is not what this call takes: {error}"))
}

/// Answers a call.
pub(crate) async fn answer(gateway: &Gateway, parts: &Parts, peer: Option<IpAddr>, body: Body) -> Response {
    let path = parts.uri.path();
    if path == CHANNEL_PATH && parts.method == Method::GET {
        return channel::answer(gateway, parts, peer).await;
    }
    if path == SCHEMA_PATH && parts.method == Method::GET {
        return dress(gateway, None, Said::ok(&muster_wire::channel::schema()));
    }
    let is_call = [ENROL_PATH, CONTACT_PATH, INVENTORY_PATH, REPORT_PATH, CRASH_PATH].contains(&path);
    if !is_call || parts.method != Method::POST {
        let (status, text) = match is_call || path == CHANNEL_PATH {
            true => (StatusCode::METHOD_NOT_ALLOWED, "this call is a POST, and the channel a GET"),
            false => (StatusCode::NOT_FOUND, "there is no such call; this server may be older than the agent"),
        };
        return dress(gateway, None, Refused::new(status, "unknown-call", text).into());
    }
    let class = match path {
        REPORT_PATH => Class::Verdict,
        INVENTORY_PATH => Class::Inventory,
        _ => Class::Contact,
    };
    let body = match read(gateway, &parts.headers, body, Origin::new(class, peer)).await {
        Ok(body) => body,
        Err(refusal) => return dress(gateway, None, Refused::from(refusal).into()),
    };
    if path == ENROL_PATH {
        let (nonce, said) = enrol::answer(gateway, peer, body).await;
        return dress(gateway, nonce.map(|nonce| Proof { nonce, pinned: None }).as_ref(), said);
    }
    let auth = match signature(parts) {
        Ok(auth) => auth,
        Err(refused) => return dress(gateway, None, refused.into()),
    };
    let said = match verify(gateway, parts, peer, &auth, Some(body)).await {
        Ok(call) => match dispatch(path, &call).await {
            Ok(said) => said,
            Err(refused) => {
                let lost = path == INVENTORY_PATH && refused.is_for_the_body();
                if lost {
                    gateway.note_refused(Sender::Own(call.agent.id), call.agent.org, &refused.body.message);
                }
                refused.into()
            }
        },
        Err(refused) => refused.into(),
    };
    dress(gateway, Some(&Proof::of(parts, &auth)), said)
}

async fn dispatch(path: &str, call: &Call<'_>) -> Result<Said, Refused> {
    match path {
        CONTACT_PATH => contact::answer(call).await,
        INVENTORY_PATH => inventory::answer(call).await,
        CRASH_PATH => crash::answer(call).await,
        _ => report(call).await,
    }
}

/// What an answer is signed for.
struct Proof<'a> {
    nonce: Nonce,
    /// The fingerprint of the key that the agent pinned.
    pinned: Option<&'a str>,
}

impl<'a> Proof<'a> {
    fn of(parts: &'a Parts, auth: &RequestAuth) -> Self {
        Self { nonce: auth.nonce, pinned: parts.headers.get(PIN_HEADER).and_then(|value| value.to_str().ok()) }
    }

    /// The signature by the key that the agent knows, and which key follows that one.
    fn headers(&self, gateway: &Gateway, status: StatusCode, body: &[u8]) -> Vec<(HeaderName, HeaderValue)> {
        let (key, successor) = gateway.inner.options.server_keys.answering(self.pinned);
        let signature = sign_answer(key, self.nonce, status.as_u16(), body);
        let all = [(ANSWER_HEADER, Some(signature)), (SUCCESSOR_HEADER, successor)];
        let value =
            |(name, value): (&'static str, Option<String>)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value?).ok()?));
        all.into_iter().filter_map(value).collect()
    }
}

/// HTTP around an answer, signed when there is something to sign it for.
fn dress(gateway: &Gateway, proof: Option<&Proof<'_>>, said: Said) -> Response {
    let proof = proof.map(|proof| proof.headers(gateway, said.status, &said.body));
    let mut response = response(said.status, "application/json", said.body);
    for (name, value) in proof.into_iter().flatten() {
        response.headers_mut().insert(name, value);
    }
    with_retry_after(response, said.later.then(|| gateway.retry_after()))
}

fn signature(parts: &Parts) -> Result<RequestAuth, Refused> {
    let bad = |why: &str| Refused::new(StatusCode::UNAUTHORIZED, "signature", why);
    let header = parts.headers.get(REQUEST_HEADER).ok_or_else(|| bad("the header Muster-Signature is missing"))?;
    let header = header.to_str().map_err(|_| bad("the header Muster-Signature is no text"))?;
    header.parse().map_err(|error: muster_wire::native::AuthError| bad(&error.to_string()))
}

/// Who calls: the agent's key signed this request, lately, and it has not come before.
async fn verify<'a>(
    gateway: &'a Gateway,
    parts: &Parts,
    peer: Option<IpAddr>,
    auth: &RequestAuth,
    body: Option<Raw>,
) -> Result<Call<'a>, Refused> {
    let engine = &gateway.inner.engine;
    let bad = |key: &str, why: &str| Refused::new(StatusCode::UNAUTHORIZED, key, why);
    let cx = gateway.cx().await?;
    let id = auth.agent;
    let agent = engine.look_own(&cx, id).await?.agent.ok_or(Refusal::Fault)?;
    let key = agent.public_key.as_deref().and_then(|k| <[u8; 32]>::try_from(k).ok());
    let key = key
        .and_then(|k| ed25519_dalek::VerifyingKey::from_bytes(&k).ok())
        .ok_or_else(|| bad("signature", "the agent's key is not usable"))?;
    let path = parts.uri.path_and_query().map_or(parts.uri.path(), |p| p.as_str());
    let bytes = body.as_ref().map_or(&[][..], |body| &body.bytes);
    auth.verify(&key, parts.method.as_str(), path, bytes).map_err(|error| bad("signature", &error.to_string()))?;
    let now = engine.now().millis();
    if auth.clock_is_off(now) {
        let mut refused = bad("clock", "the agent's clock is more than 15 minutes off; it is corrected by server_time_ms");
        refused.body.server_time_ms = Some(now);
        return Err(refused);
    }
    gateway.inner.nonces.first_time(auth, now)?;
    Ok(Call { gateway, agent, peer, body: Mutex::new(body) })
}

#[tracing::instrument(name = "gateway.own.report", level = "debug", skip_all, fields(agent = %call.agent.id))]
async fn report(call: &Call<'_>) -> Result<Said, Refused> {
    let told: ReportRequest = call.read().await?;
    Ok(Said::ok(&ReportAnswer { results: take_reports(call, told.reports).await? }))
}

/// Takes reports; gives what became of each.
async fn take_reports(call: &Call<'_>, reports: Vec<native::Report>) -> Result<Vec<ReportResult>, Refused> {
    if reports.len() > REPORTS_MAX {
        let text = format!("{} reports came at once; at most {REPORTS_MAX} are taken", reports.len());
        return Err(Refused::new(StatusCode::BAD_REQUEST, "invalid", text));
    }
    for refusal in reports.iter().filter_map(|r| r.refused) {
        tracing::warn!(agent = %call.agent.id, reason = refusal.as_str(), "an agent refused an order");
        call.gateway.inner.engine.doors().order_refused(refusal.as_str());
    }
    let refs: Vec<_> = reports.iter().map(|r| (r.assignment, r.attempt)).collect();
    let (gateway, id) = (call.gateway, call.agent.id);
    let cx = gateway.cx_in(call.agent.org);
    // Waits for room in the queue, where others are sent away: what became of work is told once and waited for.
    let told = OwnReports { agent: id, reports: reports.into_iter().map(heard_of).collect() };
    let taken = gateway.inner.engine.own_reports(&cx, told).await?;
    let Taken { answers, goes_on, later } = taken;
    let results = refs.into_iter().zip(answers).map(|((assignment, attempt), outcome)| ReportResult {
        assignment,
        attempt,
        goes_on: goes_on.contains(&assignment),
        later: later.contains(&assignment),
        accepted: outcome.is_ok(),
        reason: outcome.err().map(|refused| refused.to_string()),
    });
    Ok(results.collect())
}

/// A report as the engine takes it.
fn heard_of(it: native::Report) -> work::Report {
    let what = match it.state {
        ReportState::Running => work::Said::Running,
        ReportState::Ok => work::Said::Ended(Outcome::Ok),
        ReportState::Error => work::Said::Ended(Outcome::Error),
        ReportState::Declined => work::Said::Ended(Outcome::Declined),
    };
    work::Report {
        assignment: it.assignment,
        attempt: it.attempt,
        incarnation: it.incarnation,
        what,
        exit_code: it.exit_code.map(i64::from),
        output: it.output,
        message: it.message.or_else(|| it.refused.map(|why| why.to_string())),
        occasion: it.occasion,
        at: (it.at_ms > 0).then_some(Timestamp(it.at_ms)),
    }
}

/// The server's public key as agents pin it.
fn server_key(gateway: &Gateway) -> String {
    public_key_text(&gateway.inner.options.server_keys.current().verifying_key())
}
