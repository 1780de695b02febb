//! The people's doors: REST under `/api/v1`, live events, the human page of the API, health, metrics, the console's files.
//!
//! Handlers translate: request → command or query of `muster-engine` → view. Absent on purpose: rules, SQL, agents' doors, the
//! accept loop (it gives [`axum::extract::ConnectInfo`] with the peer's address as an extension of each request).

mod auth;
mod console;
mod csv;
mod docs;
mod json;
mod list;
mod metrics;
mod outer;
mod password;
mod pieces;
mod problem;
mod rest;
mod state;
pub mod view;

pub use problem::{FieldProblem, ProblemDocument};
pub use rest::openapi;
pub use state::{Api, Options};

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use state::App;

/// The routes of the people's doors; everything that no other route takes under `GET` is the console.
pub fn router(api: Api) -> Router {
    let app = App::new(api);
    let (rest, document) = rest::routes().split_for_parts();
    let document = rest::completed(document, app.options().version);
    Router::new()
        .merge(rest)
        .merge(docs::routes(&document))
        .route("/healthz", get(metrics::healthz))
        .route("/readyz", get(metrics::readyz))
        .route("/metrics", get(metrics::metrics))
        .fallback(console::fallback)
        .method_not_allowed_fallback(outer::method_not_allowed)
        .layer(from_fn_with_state(app.clone(), outer::outer))
        .with_state(app)
}
