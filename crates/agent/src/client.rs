//! Talking to the server: signed requests, verified answers, the clock's offset (`docs/protocols/native.md`).
//!
//! Absent on purpose: what to say and when, which is `work`, and files other than the certificate authority's.

use crate::channel::Channel;
use crate::clock::{ServerClock, random};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{SigningKey, VerifyingKey};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use muster_core::ids::AgentId;
use muster_core::time::Clock;
use muster_wire::channel::CHANNEL_PATH;
use muster_wire::keys::{self, PIN_HEADER, SUCCESSOR_HEADER, fingerprint};
use muster_wire::native::{self, ContactRequest, EnrolAnswer, EnrolRequest, ErrorBody, Nonce};
use reqwest::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use reqwest::{Certificate, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long making a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long opening a channel may take.
const CHANNEL_LIMIT: Duration = Duration::from_secs(20);
/// An answer of the server, bytes; longer ones are dropped.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Bodies from this size on are compressed, bytes.
const COMPRESS_FROM: usize = 2 << 10;
/// The longest pause that an unsigned answer can ask for: not more than silence would bring.
const UNSIGNED_PAUSE_MAX: Duration = Duration::from_secs(300);
/// The longest pause that the server can ask for.
const SIGNED_PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// The pause after a 503 that names none.
const PAUSE: Duration = Duration::from_secs(30);

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address is none.
    #[error("'{address}' is no server address ({why}); an example: https://muster.example.org")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The certificate authority's file is of no use.
    #[error("the certificate authority's file {path} cannot be used: {why}", path = path.display())]
    Authority {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// TLS could not be set up.
    #[error("TLS could not be set up: {0}. With --ca FILE the server's certificate authority can be given")]
    Tls(String),
}

/// Why a call brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No answer.
    #[error("the server could not be reached: {0}")]
    Unreachable(String),
    /// An answer that the pinned key did not sign; it counts as none.
    #[error("an answer was dropped: {0}")]
    Unproven(String),
    /// The server is busy.
    #[error("the server asks to come back in {} seconds", .0.as_secs())]
    Busy(Duration),
    /// The server says no.
    #[error("the server refused ({status} {key}): {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The stable key of the error.
        key: String,
        /// Its sentence.
        message: String,
    },
    /// A request or answer that does not fit the protocol.
    #[error("the server's answer was not understood: {0}")]
    Odd(String),
}

/// Who signs and whose answers count.
#[derive(Debug)]
pub struct Credentials {
    /// This agent.
    pub agent: AgentId,
    /// Its private key.
    pub key: SigningKey,
    /// The server's pinned key.
    pub server_key: Pinned,
}

/// The server's key that is pinned. It changes only when it names its successor itself.
#[derive(Debug)]
pub struct Pinned(Mutex<VerifyingKey>);

impl Pinned {
    /// Pins a key.
    pub fn new(key: VerifyingKey) -> Self {
        Self(Mutex::new(key))
    }

    /// The pinned key.
    pub fn key(&self) -> VerifyingKey {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the successor that an answer names, if the pinned key signed that it is.
    fn follow(&self, answer: &HeaderMap) {
        let Some(named) = answer.get(SUCCESSOR_HEADER).and_then(|value| value.to_str().ok()) else { return };
        let mut pinned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match keys::successor(&pinned, named) {
            Ok(next) => {
                tracing::info!(from = fingerprint(&pinned), to = fingerprint(&next), "the server has another key");
                *pinned = next;
            }
            Err(error) => tracing::warn!("an answer names another key of the server, and is not believed: {error}"),
        }
    }
}

/// A connection to one server.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    clock: ServerClock,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Client {
    /// A client for the server at `address` (`http://` or `https://`, no path). With `authority` (PEM) only certificates signed
    /// by it count, otherwise those that the system trusts.
    pub fn new(address: &str, authority: Option<&Path>, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let bad = |why: String| SetupError::Address { address: address.to_owned(), why };
        let base = Url::parse(address).map_err(|e| bad(e.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() || base.path() != "/" || base.query().is_some() {
            return Err(bad("a scheme http or https, a host and perhaps a port are expected".to_owned()));
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Somebody else may have installed one at the same time; either will do.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(crate::collect::client_version())
            .connect_timeout(CONNECT_LIMIT)
            .pool_max_idle_per_host(1)
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        if let Some(path) = authority {
            builder = builder.tls_certs_only(read_authority(path)?);
        } else if base.scheme() == "http" {
            // Without TLS the system's list would be read for nothing.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|e| SetupError::Tls(sentence(&e)))?;
        Ok(Self { http, base, clock: ServerClock::new(clock) })
    }

    /// Whether a stranger on the way can read and change what is said.
    pub fn is_exposed(&self) -> bool {
        self.base.scheme() == "http" && !is_loopback(&self.base)
    }

    /// The server's time as far as it is known, milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The server's clock.
    pub(crate) fn clock(&self) -> &ServerClock {
        &self.clock
    }

    /// Joins. The answer has to be signed with the key that it brings.
    pub async fn enrol(&self, request: &EnrolRequest) -> Result<(EnrolAnswer, VerifyingKey), CallError> {
        let body = serde_json::to_vec(request).map_err(|e| CallError::Odd(e.to_string()))?;
        let answer = self.exchange(native::ENROL_PATH, &[], false, body, Duration::from_secs(60)).await?;
        if !answer.status.is_success() {
            return Err(refusal(&answer, false));
        }
        let enrolled: EnrolAnswer = serde_json::from_slice(&answer.body).map_err(|e| CallError::Odd(e.to_string()))?;
        let key = native::public_key(&enrolled.server_key).map_err(|e| CallError::Unproven(e.to_string()))?;
        verify(&key, &answer, request.nonce)?;
        Ok((enrolled, key))
    }

    /// One signed call. When the server says that our clock is off, the offset is corrected and the call made once more.
    pub async fn call<Q, A>(&self, who: &Credentials, path: &str, request: &Q, limit: Duration) -> Result<A, CallError>
    where
        Q: Serialize,
        A: DeserializeOwned,
    {
        let plain = serde_json::to_vec(request).map_err(|e| CallError::Odd(e.to_string()))?;
        let (body, is_compressed) = compressed(plain);
        let mut answer = self.signed(who, path, is_compressed, body.clone(), limit).await?;
        if let Some(server_ms) = clock_complaint(&answer) {
            self.clock.shown(server_ms);
            tracing::warn!(ahead_ms = self.clock.ahead_ms(), "this machine's clock is off; the server's is used");
            answer = self.signed(who, path, is_compressed, body, limit).await?;
        }
        if !answer.status.is_success() {
            return Err(refusal(&answer, true));
        }
        serde_json::from_slice(&answer.body).map_err(|e| CallError::Odd(e.to_string()))
    }

    /// Opens a channel and says hello. Whatever stands in its way is told as an error; the server can still be asked without one.
    pub(crate) async fn channel(&self, who: &Credentials, state: ContactRequest) -> Result<Channel, CallError> {
        let lost = |e: reqwest::Error| CallError::Unreachable(sentence(&e));
        let (nonce, key) = (new_nonce()?, new_nonce()?);
        let header = native::sign_request(&who.key, who.agent, "GET", CHANNEL_PATH, self.now_ms(), nonce, b"");
        let url = self.base.join(CHANNEL_PATH).map_err(|e| CallError::Odd(e.to_string()))?;
        let request = self.http.get(url).header(native::REQUEST_HEADER, header).header(CONNECTION, "upgrade").header(UPGRADE, "websocket");
        let pinned = who.server_key.key();
        let request = request.header(SEC_WEBSOCKET_VERSION, "13").header(SEC_WEBSOCKET_KEY, STANDARD.encode(key.0));
        let request = request.header(PIN_HEADER, fingerprint(&pinned));
        let mut response = tokio::time::timeout(CHANNEL_LIMIT, request.send())
            .await
            .map_err(|_| CallError::Unreachable("opening the channel took too long".to_owned()))?
            .map_err(lost)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let mut body = response.bytes().await.map_err(lost)?.to_vec();
            body.truncate(ANSWER_BYTES_MAX);
            let answer = Answer { status, headers, body };
            let is_signed = verify(&pinned, &answer, nonce).is_ok();
            if is_signed {
                who.server_key.follow(&answer.headers);
            }
            if let Some(server_ms) = clock_complaint(&answer).filter(|_| is_signed) {
                self.clock.shown(server_ms);
            }
            return Err(refusal(&answer, is_signed));
        }
        let answer = Answer { status, headers, body: Vec::new() };
        verify(&pinned, &answer, nonce)?;
        who.server_key.follow(&answer.headers);
        Ok(Channel::begin(response.upgrade().await.map_err(lost)?, state).await)
    }

    /// Sends once and gives an answer only when the pinned key signed it; 503 counts unsigned too, with a short pause.
    async fn signed(
        &self,
        who: &Credentials,
        path: &str,
        is_compressed: bool,
        body: Vec<u8>,
        limit: Duration,
    ) -> Result<Answer, CallError> {
        let nonce = new_nonce()?;
        let header = native::sign_request(&who.key, who.agent, "POST", path, self.now_ms(), nonce, &body);
        let pinned = who.server_key.key();
        let proof = [(native::REQUEST_HEADER, header), (PIN_HEADER, fingerprint(&pinned))];
        let answer = self.exchange(path, &proof, is_compressed, body, limit).await?;
        match verify(&pinned, &answer, nonce) {
            Ok(()) => {
                who.server_key.follow(&answer.headers);
                Ok(answer)
            }
            Err(_) if answer.status == StatusCode::SERVICE_UNAVAILABLE => Err(CallError::Busy(pause(&answer).min(UNSIGNED_PAUSE_MAX))),
            Err(e) => Err(e),
        }
    }

    async fn exchange(
        &self,
        path: &str,
        proof: &[(&'static str, String)],
        is_compressed: bool,
        body: Vec<u8>,
        limit: Duration,
    ) -> Result<Answer, CallError> {
        let lost = |e: reqwest::Error| CallError::Unreachable(sentence(&e));
        let url = self.base.join(path).map_err(|e| CallError::Odd(e.to_string()))?;
        let kind = if is_compressed { native::ZLIB_CONTENT_TYPE } else { "application/json" };
        let mut request = self.http.post(url).timeout(limit).header(CONTENT_TYPE, HeaderValue::from_static(kind)).body(body);
        for (name, value) in proof {
            request = request.header(*name, value);
        }
        let mut response = request.send().await.map_err(lost)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(CallError::Odd(format!("it is longer than {ANSWER_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: response.status(), headers: std::mem::take(response.headers_mut()), body })
    }
}

/// 16 random bytes for one request.
pub(crate) fn new_nonce() -> Result<Nonce, CallError> {
    random().map(Nonce).map_err(|e| CallError::Unreachable(format!("the system has no randomness: {e}")))
}

fn verify(key: &VerifyingKey, answer: &Answer, nonce: Nonce) -> Result<(), CallError> {
    let status = answer.status;
    let header = answer.headers.get(native::ANSWER_HEADER).and_then(|value| value.to_str().ok());
    let header = header.ok_or_else(|| CallError::Unproven(format!("status {status} without the server's signature")))?;
    native::verify_answer(key, header, nonce, status.as_u16(), &answer.body)
        .map_err(|e| CallError::Unproven(format!("status {status}: {e}")))
}

/// The server's clock, when it says that ours is off.
fn clock_complaint(answer: &Answer) -> Option<i64> {
    let body: ErrorBody = (answer.status == StatusCode::UNAUTHORIZED).then(|| serde_json::from_slice(&answer.body).ok()).flatten()?;
    (body.error == "clock").then_some(body.server_time_ms).flatten()
}

fn refusal(answer: &Answer, is_signed: bool) -> CallError {
    if answer.status == StatusCode::SERVICE_UNAVAILABLE {
        return CallError::Busy(pause(answer).min(if is_signed { SIGNED_PAUSE_MAX } else { UNSIGNED_PAUSE_MAX }));
    }
    let status = answer.status.as_u16();
    match serde_json::from_slice::<ErrorBody>(&answer.body) {
        Ok(body) => CallError::Refused { status, key: body.error, message: body.message },
        Err(_) => CallError::Refused { status, key: "unknown".to_owned(), message: "no reason was given".to_owned() },
    }
}

fn pause(answer: &Answer) -> Duration {
    let seconds = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(PAUSE, Duration::from_secs)
}

/// The body as it goes over the wire: small ones as they are, others by zlib.
fn compressed(plain: Vec<u8>) -> (Vec<u8>, bool) {
    if plain.len() < COMPRESS_FROM {
        return (plain, false);
    }
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::new(4));
    match encoder.write_all(&plain).and_then(|()| encoder.finish()) {
        Ok(bytes) => (bytes, true),
        Err(_) => (plain, false),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn read_authority(path: &Path) -> Result<Vec<Certificate>, SetupError> {
    let bad = |why: String| SetupError::Authority { path: path.to_owned(), why };
    let bytes = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&bytes).map_err(|e| bad(sentence(&e)))?;
    if certificates.is_empty() { Err(bad("it holds no PEM certificate".to_owned())) } else { Ok(certificates) }
}

/// An error with its causes in one line: reqwest's own words leave the cause out.
pub(crate) fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_core::time::HandClock;

    fn client(address: &str) -> Result<Client, SetupError> {
        Client::new(address, None, Arc::new(HandClock::default()))
    }

    #[test]
    fn addresses_with_a_path_or_another_scheme_are_refused_with_an_example() {
        for bad in ["muster.example.org", "ftp://a", "http://a/b", "http://a/?b", ""] {
            assert!(client(bad).is_err_and(|e| e.to_string().contains("https://muster.example.org")), "{bad}");
        }
    }

    #[test]
    fn plain_http_is_exposed_unless_it_stays_on_the_machine() {
        let exposed = |address: &str| client(address).expect("client").is_exposed();
        assert!(exposed("http://192.0.2.1:8080"));
        assert!(!exposed("http://127.0.0.1:8080") && !exposed("http://[::1]:1") && !exposed("http://localhost"));
    }

    #[test]
    fn small_bodies_stay_as_they_are_and_large_ones_shrink() {
        assert_eq!(compressed(b"{}".to_vec()), (b"{}".to_vec(), false));
        let (bytes, is_compressed) = compressed(vec![b'a'; 100_000]);
        assert!(is_compressed && bytes.len() < 1_000);
    }

    #[test]
    fn a_missing_authority_is_told_with_its_path() {
        let error = Client::new("https://a", Some(Path::new("/not/here.pem")), Arc::new(HandClock::default())).err().expect("error");
        assert!(error.to_string().contains("/not/here.pem"));
    }
}
