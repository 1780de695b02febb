//! Around every request: its id, panics, refusals as documents, counting.

use crate::problem::Problem;
use crate::state::App;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;

/// The id of a request, an extension of it.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub String);

const REQUEST_ID: &str = "x-request-id";

fn sane(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn request_id(app: &App, request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|v| v.to_str().ok()).filter(|id| sane(id));
    given.map_or_else(|| random_id(app), str::to_owned)
}

fn random_id(app: &App) -> String {
    let mut bytes = [0; 12];
    app.engine().random().fill(&mut bytes);
    bytes.iter().fold(String::new(), |mut id, b| {
        let _ = write!(id, "{b:02x}");
        id
    })
}

/// Goes around every request.
pub(crate) async fn outer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = request_id(&app, &request);
    let api = request.uri().path().starts_with("/api/");
    request.extensions_mut().insert(RequestId(id.clone()));
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = answer.unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
        Problem::internal(format!("a handler panicked: {}", what.unwrap_or_default())).into_response()
    });
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem.render(&id);
    }
    app.counters().request(response.status());
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if api {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

/// A known path with a method that it has not.
pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("{method} is not possible at {}; see /api/docs", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "request/method-not-allowed", detail)
}
