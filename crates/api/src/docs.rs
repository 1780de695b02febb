//! The API's description: the OpenAPI document, and a page of it for people, without scripts.

use crate::state::App;
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use serde_json::Value;
use std::fmt::Write as _;
use utoipa::openapi::OpenApi;

/// `/api/v1/openapi.json` and `/api/docs`, made once.
pub(crate) fn routes(document: &OpenApi) -> Router<App> {
    let json = serde_json::to_string(document).unwrap_or_default();
    let page = page(&serde_json::from_str(&json).unwrap_or_default());
    let json_type = HeaderValue::from_static("application/json");
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    Router::new()
        .route("/api/v1/openapi.json", get(async move || ([(header::CONTENT_TYPE, json_type)], json).into_response()))
        .route("/api/docs", get(async move || ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1b1f24;background:#fff}\
 h2{margin-top:2rem;border-bottom:1px solid #d0d7de}code{font:13px ui-monospace,monospace}summary{cursor:pointer;padding:.25rem 0}\
 b{display:inline-block;width:4.5rem}dt{font-family:ui-monospace,monospace;font-size:13px}dd{margin:0 0 .4rem 1.5rem}\
 @media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}a{color:#79b8ff}h2{border-color:#30363d}}";

fn page(document: &Value) -> String {
    let text = |v: &Value, key: &str| escaped(v[key].as_str().unwrap_or(""));
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Muster API</title><style>{STYLE}</style><h1>Muster API {}</h1><p>{}</p>\
         <p>The whole description: <a href=\"/api/v1/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>",
        text(&document["info"], "version"),
        text(&document["info"], "description"),
    );
    let mut tag = String::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten().filter(|(_, o)| o.get("responses").is_some()) {
            let own = operation["tags"][0].as_str().unwrap_or("other").to_owned();
            if own != tag {
                let _ = write!(html, "<h2>{}</h2>", escaped(&own));
                tag = own;
            }
            let _ = write!(
                html,
                "<details id=\"{}\"><summary><b>{}</b><code>{}</code> {}</summary><p>{}</p><dl>",
                text(operation, "operationId"),
                method.to_uppercase(),
                escaped(path),
                text(operation, "summary"),
                text(operation, "description"),
            );
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let place = text(parameter, "in");
                let _ = write!(html, "<dt>{} ({place})</dt><dd>{}</dd>", text(parameter, "name"), text(parameter, "description"));
            }
            html.push_str("</dl></details>");
        }
    }
    html.push_str("</html>\n");
    html
}
