//! Muster's own agent: bodies, headers and signatures (`docs/protocols/native.md`). Used by the agent and the server alike.
//!
//! Lives here: the shapes of every body, the lines that are signed, reading and writing of the two headers. Absent on purpose:
//! sockets, key files, clocks, randomness, and the rules about which orders to give.

use crate::order::{Order, OrderRefusal};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use muster_core::ids::{AgentId, AssignmentId};
use muster_core::inventory::{self, Inventory, Row};
use muster_core::tasks::book::Occasion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Path of enrolment (`POST`).
pub const ENROL_PATH: &str = "/agent/v1/enrol";
/// Path of a contact (`POST`).
pub const CONTACT_PATH: &str = "/agent/v1/contact";
/// Path of an inventory (`POST`).
pub const INVENTORY_PATH: &str = "/agent/v1/inventory";
/// Path of reports (`POST`).
pub const REPORT_PATH: &str = "/agent/v1/report";
/// Header that signs a request.
pub const REQUEST_HEADER: &str = "muster-signature";
/// Header that signs an answer.
pub const ANSWER_HEADER: &str = "muster-server-signature";
/// How far the agent's clock may be off, and how long a nonce is remembered, milliseconds.
pub const CLOCK_OFF_MS_MAX: u64 = 15 * 60 * 1000;
/// Content type of a zlib body.
pub const ZLIB_CONTENT_TYPE: &str = "application/x-compress-zlib";

/// Body of `POST /agent/v1/enrol`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// The join token, as the person who made it was shown it.
    pub token: String,
    /// The agent's public key: 32 bytes, base64 URL alphabet without padding (see [`public_key_text`]).
    pub public_key: String,
    /// What the answer's signature covers.
    pub nonce: Nonce,
    /// The machine's host name.
    pub name: String,
    /// By what the machine may be known already.
    #[serde(default)]
    pub machine: Machine,
    /// The agent's version.
    pub version: String,
}

/// By what a machine may be known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The system's UUID from the firmware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// The system's serial number from the firmware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Hardware addresses of physical interfaces, lower case, with colons.
    #[serde(default)]
    pub macs: Vec<String>,
}

/// Answer to an enrolment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolAnswer {
    /// The id that goes into every signature header.
    pub agent_id: AgentId,
    /// Which life of this agent this is; one more at every enrolment of the same agent. Reports carry it.
    pub incarnation: u32,
    /// The server's public key, to be pinned; form as in [`EnrolRequest::public_key`].
    pub server_key: String,
    /// Name of the organization that was joined.
    pub org: String,
}

/// One attempt at an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptRef {
    /// The assignment.
    #[schemars(with = "String")]
    pub assignment: AssignmentId,
    /// The attempt's number, from 1.
    pub attempt: u32,
}

/// Body of `POST /agent/v1/contact`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContactRequest {
    /// The agent's version.
    pub version: String,
    /// The agent's own clock, not corrected, milliseconds since 1970: the server notes how far it is off.
    pub time_ms: i64,
    /// What this agent can do; action types.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Attempts under way.
    #[serde(default)]
    pub busy: Vec<AttemptRef>,
    /// How long the server may hold the request until there is work, seconds, 0 to
    /// [`muster_core::limits::LONG_POLL_SECONDS_MAX`].
    #[serde(default)]
    pub wait_seconds: u64,
    /// How many orders the agent would take now.
    #[serde(default)]
    pub max_orders: usize,
    /// What this life of the program calls itself: 16 random hex digits. One that comes back after another tells of two programs with
    /// one key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<String>,
    /// Whether the brake is on as far as this agent knows: a contact that waits is answered at once when it is otherwise. Absent when
    /// the agent does not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<bool>,
    /// Whether the agent can walk a job alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub walks: bool,
    /// Attempts of which the server cannot know yet: of jobs that it walks alone, because what came before them was not told, and what it
    /// began by its order book.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ahead: Vec<AttemptRef>,
    /// The digest of its order book (`muster_core::tasks::book::digest`); absent when it keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book: Option<String>,
}

/// Answer to a contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContactAnswer {
    /// Work to do now, signed; what cannot be opened is refused by [`Report::refused`].
    #[serde(default)]
    pub orders: Vec<Order>,
    /// When to come back, seconds.
    pub contact_in_seconds: u64,
    /// Whether the server would like an inventory.
    #[serde(default)]
    pub inventory_due: bool,
    /// Attempts that the agent told as under way and that must not go on: what they run is ended, and the end is reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<AttemptRef>,
    /// Whether the brake is on: nothing that was handed out before may begin; what has begun goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
    /// The whole order book, where the agent told another digest than it should have: orders whose tokens say when they are begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book: Option<Vec<Order>>,
    /// The server's clock, milliseconds since 1970.
    pub server_time_ms: i64,
}

/// Body of `POST /agent/v1/inventory`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InventoryRequest {
    /// Hash of every section the agent has now (see [`section_hash`]).
    pub sections: BTreeMap<String, SectionMark>,
    /// The GLPI inventory format's `content` object; absent when only hashes are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<serde_json::Map<String, serde_json::Value>>,
    /// Whether other sections stay as they are; otherwise what is not named here is no longer there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// The order this answers, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptRef>,
}

/// What is told of a section before its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionMark {
    /// Lower-case hex, 64 digits.
    pub hash: String,
}

/// Answer to an inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryAnswer {
    /// `ok`.
    pub status: String,
    /// Sections whose hash the server does not have: to be sent as `content`.
    #[serde(default)]
    pub want: Vec<String>,
}

/// Body of `POST /agent/v1/report`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRequest {
    /// What happened, oldest first.
    pub reports: Vec<Report>,
}

/// Word of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The assignment.
    #[schemars(with = "String")]
    pub assignment: AssignmentId,
    /// The attempt's number.
    pub attempt: u32,
    /// The agent's incarnation, as told at enrolment.
    pub incarnation: u32,
    /// How it stands.
    pub state: ReportState,
    /// A program's exit status, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Output, at most [`muster_core::limits::OUTPUT_BYTES_MAX`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// A sentence for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The occurrence of which it is, where the agent began it by its order book.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Occurred>")]
    pub occasion: Option<Occasion>,
    /// With `declined`: why the order itself was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<OrderRefusal>,
    /// When it happened, agent's clock corrected by the server's, milliseconds since 1970.
    pub at_ms: i64,
}

/// Of which occurrence an assignment is: as it is written.
#[derive(JsonSchema)]
#[schemars(rename = "Occasion")]
#[expect(dead_code, reason = "the shape of another type, for the published schema")]
struct Occurred {
    /// The task.
    task: String,
    /// Its version.
    version: i64,
    /// The nominal time.
    nominal: String,
}

/// How an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    /// Begun.
    Running,
    /// Done.
    Ok,
    /// Failed.
    Error,
    /// Given back without being begun.
    Declined,
}

/// Answer to reports, one result per report in the same order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportAnswer {
    /// What became of each report.
    pub results: Vec<ReportResult>,
}

/// What became of one report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportResult {
    /// The assignment.
    #[schemars(with = "String")]
    pub assignment: AssignmentId,
    /// The attempt's number.
    pub attempt: u32,
    /// Whether it changed or confirmed the state; a refused report is not to be sent again.
    pub accepted: bool,
    /// The server does not know the occurrence yet: it is to be told again a little later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub later: bool,
    /// Of an end within a job that the agent walks alone: whether it goes on. Otherwise the server leads from here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goes_on: bool,
    /// Why not, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Body of every answer that is not 2xx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// A stable key: `clock`, `signature`, `token`, `revoked`, …
    pub error: String,
    /// A sentence.
    #[serde(default)]
    pub message: String,
    /// The server's clock, milliseconds since 1970; with `clock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_time_ms: Option<i64>,
}

/// The hash by which a section is compared: blake3 of its facts (`muster_core::inventory::split`), of its rows when it consists
/// of readings only. Lower-case hex, 64 digits.
pub fn section_hash(section: &str, rows: &[Row]) -> String {
    let split = inventory::split(section, rows);
    let covered = if inventory::is_reading_section(section) { &split.rows } else { &split.facts };
    blake3::Hash::from_bytes(inventory::hash(covered)).to_hex().to_string()
}

/// The marks of all sections of an inventory.
pub fn section_marks(inventory: &Inventory) -> BTreeMap<String, SectionMark> {
    inventory.sections.iter().map(|(name, rows)| (name.clone(), SectionMark { hash: section_hash(name, rows) })).collect()
}

/// 16 random bytes that make a request unlike every other; 22 characters as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub [u8; 16]);

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({self})")
    }
}

impl FromStr for Nonce {
    type Err = AuthError;
    fn from_str(text: &str) -> Result<Self, AuthError> {
        bytes_of(text).map(Self).ok_or(AuthError::Malformed("a nonce is 16 bytes in base64 (URL alphabet, no padding)"))
    }
}

impl Serialize for Nonce {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a header or key was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The text is not of the form the document asks for.
    #[error("the signature header or key is malformed: {0}")]
    Malformed(&'static str),
    /// The signature is not the key's over these bytes.
    #[error("the signature does not match the key, the address, the time or the body")]
    Mismatch,
}

/// A request's header, read but not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestAuth {
    /// Who says to have signed.
    pub agent: AgentId,
    /// The agent's clock, milliseconds since 1970.
    pub time_ms: i64,
    /// The request's nonce.
    pub nonce: Nonce,
    signature: [u8; 64],
}

impl RequestAuth {
    /// Whether the agent's clock is further off than allowed.
    pub fn clock_is_off(&self, now_ms: i64) -> bool {
        self.time_ms.abs_diff(now_ms) > CLOCK_OFF_MS_MAX
    }

    /// Checks the signature. `path` is path with query exactly as in the request line; `body` the bytes as they came over the
    /// wire, still compressed.
    pub fn verify(&self, key: &VerifyingKey, method: &str, path: &str, body: &[u8]) -> Result<(), AuthError> {
        let lines = request_lines(method, path, self.time_ms, self.nonce, body);
        verify(key, &lines, &self.signature)
    }
}

impl FromStr for RequestAuth {
    type Err = AuthError;
    /// Reads `v1 AGENT_ID TIME_MS NONCE SIGNATURE`.
    fn from_str(header: &str) -> Result<Self, AuthError> {
        const FORM: AuthError = AuthError::Malformed("expected 'v1 AGENT_ID TIME_MS NONCE SIGNATURE'");
        let parts: Vec<&str> = header.split(' ').collect();
        let ["v1", agent, time_ms, nonce, signature] = parts[..] else {
            return Err(FORM);
        };
        Ok(Self {
            agent: agent.parse().map_err(|_| FORM)?,
            time_ms: time_ms.parse().map_err(|_| FORM)?,
            nonce: nonce.parse()?,
            signature: bytes_of(signature).ok_or(FORM)?,
        })
    }
}

/// Value of [`REQUEST_HEADER`]. `path` is path with query; `body` the bytes as they go over the wire.
pub fn sign_request(key: &SigningKey, agent: AgentId, method: &str, path: &str, time_ms: i64, nonce: Nonce, body: &[u8]) -> String {
    let signature = key.sign(request_lines(method, path, time_ms, nonce, body).as_bytes());
    format!("v1 {agent} {time_ms} {nonce} {}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

/// Value of [`ANSWER_HEADER`] for an answer with this status and body to the request with this nonce.
pub fn sign_answer(key: &SigningKey, nonce: Nonce, status: u16, body: &[u8]) -> String {
    let signature = key.sign(answer_lines(nonce, status, body).as_bytes());
    format!("v1 {}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

/// Checks the value of [`ANSWER_HEADER`] against the pinned key.
pub fn verify_answer(key: &VerifyingKey, header: &str, nonce: Nonce, status: u16, body: &[u8]) -> Result<(), AuthError> {
    let signature = header.strip_prefix("v1 ").and_then(bytes_of::<64>).ok_or(AuthError::Malformed("expected 'v1 SIGNATURE'"))?;
    verify(key, &answer_lines(nonce, status, body), &signature)
}

/// A public key as text: 32 bytes, base64 URL alphabet without padding.
pub fn public_key_text(key: &VerifyingKey) -> String {
    URL_SAFE_NO_PAD.encode(key.to_bytes())
}

/// Reads what [`public_key_text`] writes. Weak keys (of small order) are refused.
pub fn public_key(text: &str) -> Result<VerifyingKey, AuthError> {
    const FORM: AuthError = AuthError::Malformed("a public key is 32 bytes in base64 (URL alphabet, no padding)");
    let key = VerifyingKey::from_bytes(&bytes_of(text).ok_or(FORM)?).map_err(|_| FORM)?;
    if key.is_weak() { Err(FORM) } else { Ok(key) }
}

/// The lines an agent signs.
pub fn request_lines(method: &str, path: &str, time_ms: i64, nonce: Nonce, body: &[u8]) -> String {
    format!("muster-request-v1\n{method}\n{path}\n{time_ms}\n{nonce}\n{}", blake3::hash(body).to_hex())
}

/// The lines the server signs.
pub fn answer_lines(nonce: Nonce, status: u16, body: &[u8]) -> String {
    format!("muster-answer-v1\n{nonce}\n{status}\n{}", blake3::hash(body).to_hex())
}

fn verify(key: &VerifyingKey, lines: &str, signature: &[u8; 64]) -> Result<(), AuthError> {
    key.verify_strict(lines.as_bytes(), &Signature::from_bytes(signature)).map_err(|_| AuthError::Mismatch)
}

/// Base64 text of exactly `N` bytes.
fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn agent() -> AgentId {
        "0198c0de-0000-7000-8000-000000000001".parse().expect("id")
    }

    #[test]
    fn the_lines_that_are_signed_are_those_of_the_document() {
        let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        let nonce = Nonce([0; 16]);
        assert_eq!(
            request_lines("POST", "/agent/v1/contact?x=1", 17, nonce, b""),
            format!("muster-request-v1\nPOST\n/agent/v1/contact?x=1\n17\nAAAAAAAAAAAAAAAAAAAAAA\n{empty}")
        );
        assert_eq!(answer_lines(nonce, 401, b""), format!("muster-answer-v1\nAAAAAAAAAAAAAAAAAAAAAA\n401\n{empty}"));
    }

    #[test]
    fn a_signed_request_verifies_and_any_change_of_it_does_not() {
        let (nonce, body) = (Nonce(*b"0123456789abcdef"), b"{\"a\":1}");
        let header = sign_request(&key(1), agent(), "POST", CONTACT_PATH, 1_700_000_000_000, nonce, body);
        let auth: RequestAuth = header.parse().expect("header");
        assert_eq!((auth.agent, auth.time_ms, auth.nonce), (agent(), 1_700_000_000_000, nonce));
        let public = key(1).verifying_key();
        assert_eq!(auth.verify(&public, "POST", CONTACT_PATH, body), Ok(()));
        assert_eq!(auth.verify(&public, "GET", CONTACT_PATH, body), Err(AuthError::Mismatch));
        assert_eq!(auth.verify(&public, "POST", REPORT_PATH, body), Err(AuthError::Mismatch));
        assert_eq!(auth.verify(&public, "POST", CONTACT_PATH, b"{\"a\":2}"), Err(AuthError::Mismatch));
        assert_eq!(auth.verify(&key(2).verifying_key(), "POST", CONTACT_PATH, body), Err(AuthError::Mismatch));
        let later: RequestAuth = header.replace("1700000000000", "1700000000001").parse().expect("header");
        assert_eq!(later.verify(&public, "POST", CONTACT_PATH, body), Err(AuthError::Mismatch));
        let other = header.replace(&nonce.to_string(), &Nonce([7; 16]).to_string());
        assert_eq!(other.parse::<RequestAuth>().expect("header").verify(&public, "POST", CONTACT_PATH, body), Err(AuthError::Mismatch));
    }

    #[test]
    fn an_answer_verifies_only_for_its_request_status_and_body() {
        let nonce = Nonce([9; 16]);
        let header = sign_answer(&key(3), nonce, 200, b"{}");
        let public = key(3).verifying_key();
        assert_eq!(verify_answer(&public, &header, nonce, 200, b"{}"), Ok(()));
        assert_eq!(verify_answer(&public, &header, Nonce([8; 16]), 200, b"{}"), Err(AuthError::Mismatch));
        assert_eq!(verify_answer(&public, &header, nonce, 403, b"{}"), Err(AuthError::Mismatch));
        assert_eq!(verify_answer(&public, &header, nonce, 200, b"{ }"), Err(AuthError::Mismatch));
        assert!(matches!(verify_answer(&public, "v2 AAAA", nonce, 200, b"{}"), Err(AuthError::Malformed(_))));
    }

    #[test]
    fn malformed_headers_are_refused() {
        let good = sign_request(&key(1), agent(), "POST", CONTACT_PATH, 5, Nonce([1; 16]), b"");
        for bad in ["", "v1", &good.replace("v1", "v2"), &format!("{good} x"), &format!("{good}="), &good.replace(" 5 ", " five ")] {
            assert!(matches!(bad.parse::<RequestAuth>(), Err(AuthError::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn fifteen_minutes_off_pass_and_a_millisecond_more_does_not() {
        let auth: RequestAuth = sign_request(&key(1), agent(), "POST", "/", 1_000_000, Nonce([1; 16]), b"").parse().expect("header");
        assert!(!auth.clock_is_off(1_000_000 + 900_000));
        assert!(auth.clock_is_off(1_000_000 + 900_001));
        assert!(!auth.clock_is_off(1_000_000 - 900_000));
        assert!(auth.clock_is_off(i64::MIN));
    }

    #[test]
    fn public_keys_are_text_and_back_and_weak_ones_are_refused() {
        let text = public_key_text(&key(4).verifying_key());
        assert_eq!(text.len(), 43);
        assert_eq!(public_key(&text), Ok(key(4).verifying_key()));
        assert!(public_key(&format!("{text}=")).is_err());
        let identity = URL_SAFE_NO_PAD.encode([[1u8].as_slice(), &[0u8; 31]].concat());
        assert!(public_key(&identity).is_err());
    }

    #[test]
    fn bodies_are_spelled_as_in_the_document() {
        let report =
            json!({"assignment": "0198c0de-0000-7000-8000-000000000002", "attempt": 1, "incarnation": 2, "state": "ok", "at_ms": 7});
        let read: Report = serde_json::from_value(report.clone()).expect("report");
        assert_eq!(serde_json::to_value(&read).expect("json"), report);
        let enrol = json!({"token": "t", "public_key": "k", "nonce": "AAAAAAAAAAAAAAAAAAAAAA", "name": "n", "machine": {"macs": []}, "version": "1"});
        let read: EnrolRequest = serde_json::from_value(enrol.clone()).expect("enrolment");
        assert_eq!(serde_json::to_value(&read).expect("json"), enrol);
    }

    #[test]
    fn a_section_of_readings_has_a_hash_of_its_rows() {
        let rows = |pid: i64| vec![Row::from([("pid".to_owned(), json!(pid))])];
        assert_ne!(section_hash("processes", &rows(1)), section_hash("processes", &rows(2)));
        let drive = |free: i64| vec![Row::from([("volumn".to_owned(), json!("/dev/a")), ("free".to_owned(), json!(free))])];
        assert_eq!(section_hash("drives", &drive(1)), section_hash("drives", &drive(2)));
    }
}
