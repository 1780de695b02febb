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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Api, Options};
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use muster_core::time::{HandClock, Timestamp};
    use muster_engine::{Engine, SeededRandom, Store};
    use std::sync::Arc;
    use tower::ServiceExt;

    async fn broken() -> &'static str {
        panic!("a bug with a secret in it")
    }

    #[tokio::test]
    async fn a_panic_in_a_handler_is_a_refusal_that_tells_nothing_of_it() {
        let clock = Arc::new(HandClock::at(Timestamp(1_795_000_000_000)));
        let engine = Engine::new(Store::inline(7, clock.clone()), clock, Arc::new(SeededRandom::new(7)));
        let shutdown = tokio::sync::watch::channel(false).1;
        let options = Options { secure_cookies: true, version: "0", shutdown, scheduler_beat: Arc::default() };
        let app = App::new(Api { engine, options });
        let router = Router::new().route("/broken", get(broken)).layer(from_fn_with_state(app.clone(), outer)).with_state(app);
        let request = axum::http::Request::get("/broken").header(REQUEST_ID, "r1").body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("the router never fails");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[REQUEST_ID], "r1");
        let body = http_body_util::BodyExt::collect(response.into_body()).await.expect("a body").to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("server/internal") && text.contains("r1") && !text.contains("secret"), "{text}");
    }
}
