//! Who calls: a bearer token, or the console's cookie with its CSRF token. The organization acted in. Conditions of a write.

use crate::outer::RequestId;
use crate::problem::Problem;
use crate::state::App;
use axum::Json;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_core::access::{Actor, Caller, Org, Person, Token};
use muster_core::time::Timestamp;
use muster_engine::idempotency::{self, Once};
use muster_engine::{Cx, Error, Rx, Tx, access};
use serde::Serialize;
use std::net::SocketAddr;
use std::time::Duration;

/// The name of the session's cookie.
pub(crate) const COOKIE: &str = "muster_session";
/// The header with the session's CSRF token.
const CSRF: &str = "x-csrf-token";
/// The header that names the organization to act in.
const ORG: &str = "muster-org";

/// By what the caller showed who it is.
#[derive(Clone, Debug)]
pub(crate) enum Signed {
    /// A person with a session.
    Person {
        /// Who.
        person: Box<Person>,
        /// What unsafe requests must carry.
        csrf: String,
    },
    /// A script with a token.
    Token(Box<Token>),
}

/// What a caller shows.
#[derive(Clone)]
pub(crate) enum Credential {
    /// The text of a bearer token.
    Bearer(String),
    /// The secret of a session.
    Session(String),
}

impl Credential {
    /// What the headers hold; a token goes before a cookie.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            return scheme.eq_ignore_ascii_case("bearer").then(|| Self::Bearer(token.trim().to_owned()));
        }
        cookie(headers).map(Self::Session)
    }

    /// Whom it stands for now.
    pub(crate) fn look_up(&self, rx: &mut Rx) -> Result<Option<(Caller, Signed)>, Error> {
        Ok(match self {
            Self::Bearer(text) => access::token_view(rx, text)?.map(|(caller, token)| (caller, Signed::Token(Box::new(token)))),
            Self::Session(secret) => access::session_view(rx, secret)?.map(|row| {
                let caller = Caller { actor: Actor::User(row.person.id), role: row.person.role, scope: row.person.org };
                (caller, Signed::Person { person: Box::new(row.person), csrf: row.csrf })
            }),
        })
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut pairs = all.flat_map(|v| v.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
}

/// Compares without telling by its time how much fits.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |all, (x, y)| all | (x ^ y)) == 0
}

/// A known caller in an organization, with what its request says of how it wants to be done.
pub(crate) struct Ctx {
    /// What all handlers share.
    pub app: App,
    /// The engine's context.
    pub cx: Cx,
    /// The organization acted in.
    pub org: Org,
    /// By what the caller showed who it is.
    pub signed: Signed,
    /// What it showed.
    pub credential: Credential,
    /// The version that the caller insists on.
    pub if_match: Option<i64>,
    key: Option<String>,
    place: String,
}

impl FromRequestParts<App> for Ctx {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let request = request_id(parts);
        let credential = Credential::of(&parts.headers).ok_or_else(Problem::unauthenticated)?;
        let named = text(&parts.headers, ORG).map(str::to_owned);
        let shown = credential.clone();
        let found = app
            .engine()
            .read(&app.nobody(&request), move |rx, _| {
                let Some((caller, signed)) = shown.look_up(rx)? else { return Ok(None) };
                let org = access::org_of(rx, &caller, named.as_deref())?;
                Ok(Some((caller, signed, org)))
            })
            .await?;
        let (caller, signed, org) = found.ok_or_else(Problem::unauthenticated)?;
        let safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&parts.method);
        if let Signed::Person { csrf, .. } = &signed
            && !safe
            && !text(&parts.headers, CSRF).is_some_and(|given| same(given, csrf))
        {
            let detail = "this request lacks the session's CSRF token; send it as X-CSRF-Token (it is in GET /api/v1/session)";
            return Err(Problem::new(StatusCode::FORBIDDEN, "access/csrf", detail));
        }
        let name = match &signed {
            Signed::Person { person, .. } => person.name.clone(),
            Signed::Token(token) => format!("token {}", token.name),
        };
        let cx = app.engine().cx(caller, &name, org.id, &request);
        let ctx = Self {
            app: app.clone(),
            cx,
            org,
            signed,
            credential,
            if_match: if_match(&parts.headers)?,
            key: key(&parts.headers)?,
            place: format!("{} {}", parts.method, parts.uri.path()),
        };
        ctx.note_use().await;
        Ok(ctx)
    }
}

/// The id that the outermost layer gave to the request.
pub(crate) fn request_id(parts: &Parts) -> String {
    parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

/// The peer's address, as the accept loop noted it.
pub(crate) fn peer(parts: &Parts) -> String {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or_else(String::new, |peer| peer.0.ip().to_canonical().to_string())
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim).filter(|v| !v.is_empty())
}

fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    match text(headers, "if-match") {
        None | Some("*") => Ok(None),
        Some(tag) => {
            let number = tag.trim_start_matches("W/").trim_matches('"').parse();
            number.map(Some).map_err(|_| Problem::invalid("If-Match", format!("If-Match is {tag}; send the ETag as it was given")))
        }
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map(str::trim).unwrap_or("");
    if text.is_empty() || text.len() > Once::KEY_BYTES_MAX {
        let detail = format!("an Idempotency-Key has 1 to {} plain characters", Once::KEY_BYTES_MAX);
        return Err(Problem::invalid("Idempotency-Key", detail));
    }
    Ok(Some(text.to_owned()))
}

impl Ctx {
    /// Notes the use of a token, to the minute. Missing one is no harm.
    async fn note_use(&self) {
        let Signed::Token(token) = &self.signed else { return };
        let (id, now) = (token.id, self.app.engine().now());
        if token.last_used.is_some_and(|at| now.since(at) < Duration::from_secs(60)) {
            return;
        }
        if let Err(error) = self.app.engine().try_write("token.used", &self.cx, move |tx, cx| access::token_used(tx, cx, id)).await {
            tracing::debug!(error = %error, "the use of a token was not noted");
        }
    }

    /// Now, by the engine's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.app.engine().now()
    }

    /// Runs a query of the caller.
    pub(crate) async fn read<T, F>(&self, f: F) -> Result<T, Problem>
    where
        F: FnOnce(&mut Rx, &Cx) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        Ok(self.app.engine().read(&self.cx, f).await?)
    }

    /// Runs a command of the caller.
    pub(crate) async fn write<T, F>(&self, name: &'static str, f: F) -> Result<T, Problem>
    where
        F: Fn(&mut Tx, &Cx) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        Ok(self.app.engine().write(name, &self.cx, f).await?)
    }

    /// The mark of a request that may come twice; `body` without secrets.
    pub(crate) fn once(&self, body: &[u8]) -> Option<Once> {
        self.key.as_deref().map(|key| Once::new(key, &[self.place.as_bytes(), self.org.id.0.as_bytes(), body]))
    }

    /// Runs a command that makes something, at most once per idempotency key; `body` without secrets.
    pub(crate) async fn create<T, F>(&self, name: &'static str, body: &[u8], keep: Keep, f: F) -> Result<Created, Problem>
    where
        F: Fn(&mut Tx, &Cx) -> Result<T, Error> + Send + 'static,
        T: Serialize,
    {
        let once = self.once(body);
        let text = self.write(name, move |tx, cx| {
            if let Some(once) = &once
                && let Some(kept) = idempotency::kept(tx, cx, once)?
            {
                return Ok(kept);
            }
            let text = encode(&f(tx, cx)?)?;
            if let Some(once) = &once {
                let kept = if matches!(keep, Keep::Answer) { text.as_str() } else { "" };
                idempotency::keep(tx, cx, once, StatusCode::CREATED.as_u16(), kept)?;
            }
            Ok(text)
        });
        text.await.map(Created)
    }
}

/// A view as JSON text.
pub(crate) fn encode(value: &impl Serialize) -> Result<String, Error> {
    let failed = |e: serde_json::Error| Error::new(muster_engine::Kind::Internal, "server/internal", format!("an answer is no JSON: {e}"));
    serde_json::to_string(value).map_err(failed)
}

/// Whether the answer of a request that may come twice is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keep {
    /// It is, and given again.
    Answer,
    /// It holds a secret: only that it was done is kept.
    DoneOnly,
}

/// 201 with a document.
pub(crate) struct Created(String);

impl IntoResponse for Created {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

/// A document with its version as ETag.
pub(crate) struct Tagged<T>(pub i64, pub T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.1).into_response();
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", self.0)) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (n.parse().expect("a name"), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn a_token_goes_before_a_cookie_and_another_scheme_is_nobody() {
        let cookie = ("cookie", "a=b; muster_session=s1");
        assert!(matches!(Credential::of(&headers(&[cookie])), Some(Credential::Session(s)) if s == "s1"));
        assert!(matches!(Credential::of(&headers(&[cookie, ("authorization", "bearer t")])), Some(Credential::Bearer(t)) if t == "t"));
        assert!(Credential::of(&headers(&[cookie, ("authorization", "Basic eDp5")])).is_none());
    }

    #[test]
    fn an_etag_is_read_as_it_was_given() {
        assert_eq!(if_match(&headers(&[("if-match", "\"7\"")])).expect("read"), Some(7));
        assert_eq!(if_match(&headers(&[("if-match", "*")])).expect("read"), None);
        assert!(if_match(&headers(&[("if-match", "x")])).is_err());
    }
}
