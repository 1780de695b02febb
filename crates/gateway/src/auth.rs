//! Who may speak: names and secrets (HTTP basic authentication) and tokens had with them (OAuth client credentials) of foreign
//! agents (`docs/protocols/glpi-native.md`, "Authentication").
//!
//! A token carries the credential's id and its end, sealed with a key drawn from the server's own: it outlives a restart and
//! ends with its credential. Checking a secret is slow on purpose, so what was checked is remembered by a print of it.

use crate::gateway::Gateway;
use crate::own::Failures;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster_core::access::AgentCredential;
use muster_core::ids::{AgentCredentialId, OrgId};
use muster_core::settings::AgentAuth;
use muster_core::time::Timestamp;
use muster_engine::{Error, Random, access};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long a token is good.
pub(crate) const TOKEN_TIME: Duration = Duration::from_secs(3_600);
/// How long a look at the setting counts; a change of it is felt this much later.
const SETTING_TIME: Duration = Duration::from_secs(5);
/// Secrets checked at once, and those that wait or are checked; more are told to come again.
const AT_ONCE: usize = 2;
const WAITING_MAX: usize = 64;
/// Checked secrets that are remembered.
const REMEMBERED_MAX: usize = 10_000;
/// What the key of tokens is drawn for.
const TOKEN_KEY: &str = "muster 2026 bearer tokens of foreign agents";

/// What a credential gives its bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// Where agents that are new come to.
    pub org: OrgId,
    /// Whether they are verified.
    pub verified: bool,
}

/// Why a request is not listened to.
#[derive(Debug)]
pub(crate) enum NoPass {
    /// It shows nothing that counts; the challenge says what would.
    Challenge(AgentAuth),
    /// Too many wrong secrets came from there.
    TooMany,
    /// Too many secrets are being checked.
    Busy,
    /// Looking it up failed.
    Fault(Error),
}

impl From<Error> for NoPass {
    fn from(error: Error) -> Self {
        Self::Fault(error)
    }
}

/// What a request shows.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    Basic { name: String, secret: String },
    Bearer(String),
    Unreadable,
}

/// What is remembered of credentials.
pub(crate) struct Gate {
    print_key: [u8; 32],
    checked: Mutex<HashMap<[u8; 32], bool>>,
    setting: Mutex<Option<(Timestamp, AgentAuth)>>,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    failures: Failures,
}

impl Gate {
    pub(crate) fn new(random: &dyn Random) -> Self {
        let mut print_key = [0; 32];
        random.fill(&mut print_key);
        Self {
            print_key,
            checked: Mutex::default(),
            setting: Mutex::default(),
            running: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            failures: Failures::default(),
        }
    }

    /// A print of a secret together with what it is checked against; a credential made anew has other ones.
    fn print(&self, credential: &AgentCredential, secret: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.print_key);
        hasher.update(credential.id.0.as_bytes()).update(credential.secret.as_bytes()).update(&[0]).update(secret.as_bytes());
        *hasher.finalize().as_bytes()
    }

    fn remembered(&self, print: &[u8; 32]) -> Option<bool> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).get(print).copied()
    }

    fn remember(&self, print: [u8; 32], fits: bool) {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if checked.len() >= REMEMBERED_MAX {
            checked.clear();
        }
        checked.insert(print, fits);
    }
}

fn shown(headers: &HeaderMap) -> Shown {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Shown::Nothing };
    let Some((scheme, rest)) = value.to_str().ok().and_then(|text| text.trim().split_once(' ')) else { return Shown::Unreadable };
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Shown::Bearer(rest.to_owned());
    }
    let pair = || String::from_utf8(STANDARD.decode(rest).ok()?).ok();
    match scheme.eq_ignore_ascii_case("basic").then(pair).flatten() {
        Some(pair) => match pair.split_once(':') {
            Some((name, secret)) => Shown::Basic { name: name.to_owned(), secret: secret.to_owned() },
            None => Shown::Unreadable,
        },
        None => Shown::Unreadable,
    }
}

/// What the sender of a request may do here; refused when the setting demands what it does not show.
pub(crate) async fn check(gateway: &Gateway, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Option<Pass>, NoPass> {
    let demanded = setting(gateway).await?;
    let shown = shown(headers);
    let credential = match shown {
        Shown::Nothing | Shown::Unreadable => Ok(None),
        Shown::Bearer(token) => of_token(gateway, &token).await,
        Shown::Basic { .. } if demanded == AgentAuth::Oauth => Ok(None),
        Shown::Basic { name, secret } => of_secret(gateway, &name, secret, peer).await,
    };
    let pass = |credential: AgentCredential| Pass { org: credential.org, verified: credential.verified };
    match credential {
        Ok(Some(credential)) => Ok(Some(pass(credential))),
        // Nothing is demanded: a wrong secret is no worse than none.
        Ok(None) | Err(NoPass::TooMany | NoPass::Busy) if demanded == AgentAuth::Off => Ok(None),
        Ok(None) => Err(NoPass::Challenge(demanded)),
        Err(refused) => Err(refused),
    }
}

/// Adds to a refusal what would count. Agents look for exactly `Basic realm="…"`; a bare `Bearer` makes GLPI agents ask for a
/// token (`docs/protocols/glpi-native.md`, "Authentication").
pub(crate) fn with_challenge(mut response: Response, no_pass: &NoPass) -> Response {
    let challenge = match no_pass {
        NoPass::Challenge(AgentAuth::Oauth) => "Bearer",
        NoPass::Challenge(_) => "Basic realm=\"muster\"",
        _ => return response,
    };
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static(challenge));
    response
}

/// What the organization of agents that name none demands.
async fn setting(gateway: &Gateway) -> Result<AgentAuth, Error> {
    let (engine, gate) = (&gateway.inner.engine, &gateway.inner.gate);
    let now = engine.now();
    let known = *gate.setting.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, demanded)) = known.filter(|(at, _)| now >= *at && now.since(*at) < SETTING_TIME) {
        return Ok(demanded);
    }
    let cx = gateway.cx().await?;
    let org = cx.org;
    let demanded = engine.read(&cx, move |rx, _| Ok(rx.org(org)?.map(|o| o.settings.agent_auth).unwrap_or_default())).await?;
    *gate.setting.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, demanded));
    Ok(demanded)
}

/// The credential that a name and secret are.
pub(crate) async fn of_secret(
    gateway: &Gateway,
    name: &str,
    secret: String,
    peer: Option<IpAddr>,
) -> Result<Option<AgentCredential>, NoPass> {
    let (engine, gate) = (&gateway.inner.engine, &gateway.inner.gate);
    let cx = gateway.cx().await?;
    let wanted = name.to_owned();
    let Some(credential) = engine.read(&cx, move |rx, _| Ok(rx.agent_credential_named(&wanted)?)).await? else {
        tracing::info!(?peer, name, "an agent came with an unknown name");
        return Ok(None);
    };
    let print = gate.print(&credential, &secret);
    if let Some(fits) = gate.remembered(&print) {
        return Ok(fits.then_some(credential));
    }
    let now = engine.now().millis();
    if gate.failures.too_many(peer, now) {
        return Err(NoPass::TooMany);
    }
    let _waiting = Arc::clone(&gate.waiting).try_acquire_owned().map_err(|_| NoPass::Busy)?;
    let permit = Arc::clone(&gate.running).acquire_owned().await.map_err(|_| NoPass::Busy)?;
    let hash = credential.secret.clone();
    let slow = tokio::task::spawn_blocking(move || {
        // Held by the work itself: a caller that goes away does not let another in.
        let _permit = permit;
        access::password_matches(&secret, &hash)
    });
    let fits = slow.await.map_err(|_| NoPass::Busy)?;
    gate.remember(print, fits);
    if !fits {
        tracing::info!(?peer, name, "an agent came with a wrong secret");
        gate.failures.note(peer, now);
    }
    Ok(fits.then_some(credential))
}

fn token_key(gateway: &Gateway) -> [u8; 32] {
    blake3::derive_key(TOKEN_KEY, &gateway.inner.options.server_keys.current().to_bytes())
}

/// A token of a credential, good for [`TOKEN_TIME`].
pub(crate) fn token(gateway: &Gateway, credential: &AgentCredential) -> String {
    let until = gateway.inner.engine.now().plus(TOKEN_TIME).millis();
    sealed(&token_key(gateway), credential.id, until)
}

fn sealed(key: &[u8; 32], id: AgentCredentialId, until: i64) -> String {
    let told = format!("{id}.{until}");
    let seal = blake3::keyed_hash(key, told.as_bytes());
    format!("{told}.{seal}")
}

/// The credential a token was had with, when its seal is right and its time is not over.
fn opened(key: &[u8; 32], token: &str, now: i64) -> Option<AgentCredentialId> {
    let (told, seal) = token.rsplit_once('.')?;
    let (id, until) = told.split_once('.')?;
    // Hashes are compared in constant time.
    let right = blake3::keyed_hash(key, told.as_bytes()) == blake3::Hash::from_hex(seal).ok()?;
    (right && now < until.parse().ok()?).then_some(id.parse().ok()?)
}

async fn of_token(gateway: &Gateway, token: &str) -> Result<Option<AgentCredential>, NoPass> {
    let engine = &gateway.inner.engine;
    let Some(id) = opened(&token_key(gateway), token, engine.now().millis()) else { return Ok(None) };
    let cx = gateway.cx().await?;
    Ok(engine.read(&cx, move |rx, _| Ok(rx.agent_credential(id)?)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000_000;

    fn told(value: &str) -> Shown {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().expect("a header"));
        shown(&headers)
    }

    #[test]
    fn what_a_request_shows_is_read_from_its_header() {
        let basic = |name: &str, secret: &str| Shown::Basic { name: name.to_owned(), secret: secret.to_owned() };
        assert_eq!(shown(&HeaderMap::new()), Shown::Nothing);
        for (value, expected) in [
            ("Basic dTE6cDE=", basic("u1", "p1")),
            ("basic  dTE6cDE=", basic("u1", "p1")),
            ("Basic dTE6cDpx", basic("u1", "p:q")),
            ("Basic OnA=", basic("", "p")),
            ("Bearer abc", Shown::Bearer("abc".to_owned())),
            ("BEARER abc ", Shown::Bearer("abc".to_owned())),
            ("Basic dTE=", Shown::Unreadable),
            ("Basic !!!", Shown::Unreadable),
            ("Basic", Shown::Unreadable),
            ("Digest username=\"u1\"", Shown::Unreadable),
        ] {
            assert_eq!(told(value), expected, "{value}");
        }
    }

    #[test]
    fn a_token_is_good_until_its_end_and_only_as_it_was_sealed() {
        let id: AgentCredentialId = "01950000-0000-7000-8000-000000000007".parse().expect("an id");
        let key = [3; 32];
        let token = sealed(&key, id, NOW + 1_000);
        assert_eq!(opened(&key, &token, NOW), Some(id));
        assert_eq!(opened(&key, &token, NOW + 999), Some(id));
        assert_eq!(opened(&key, &token, NOW + 1_000), None, "over");
        assert_eq!(opened(&[4; 32], &token, NOW), None, "another server's key");
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'1' { b'2' } else { b'1' };
            let forged = String::from_utf8(forged).expect("ASCII");
            assert_eq!(opened(&key, &forged, NOW), None, "forged at {at}");
        }
        for bad in ["", "x", "tok-123"] {
            assert_eq!(opened(&key, bad, NOW), None);
        }
    }
}
