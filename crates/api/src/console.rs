//! The console's files, which are part of the program, and what else is asked for under `GET`.

use crate::problem::Problem;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;
use std::fmt::Write as _;

#[derive(RustEmbed)]
#[folder = "../../console/dist"]
struct Dist;

/// A file of the console.
struct File {
    bytes: Bytes,
    tag: String,
}

fn embedded(path: &str) -> Option<File> {
    let file = Dist::get(path)?;
    let tag = file.metadata.sha256_hash()[..16].iter().fold(String::new(), |mut tag, b| {
        let _ = write!(tag, "{b:02x}");
        tag
    });
    let bytes = match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    };
    Some(File { bytes, tag })
}

const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

const NOTICE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Muster</title>\
 <body style=\"font:16px/1.5 system-ui,sans-serif;margin:4rem auto;max-width:40rem;padding:0 1rem\"><h1>Muster runs</h1>\
 <p>This program was built without its console. To build it: <code>cd console &amp;&amp; npm ci &amp;&amp; npm run build</code>, then build \
 <code>muster</code> again.</p><p>The API is here all the same: <a href=\"/api/docs\">its description</a>.</p></html>\n";

/// Everything that no other route takes.
pub(crate) async fn fallback(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if path.starts_with("/api/") || path == "/api" {
        let detail = format!("there is nothing at {path}; see /api/docs");
        return Problem::new(StatusCode::NOT_FOUND, "request/unknown-path", detail).into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        let detail = format!("{method} is not possible at {path}");
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "request/method-not-allowed", detail).into_response();
    }
    let mut response = answer(path, &headers, embedded);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// A file, or the console's page for paths that the console itself knows.
fn answer(path: &str, headers: &HeaderMap, get: impl Fn(&str) -> Option<File>) -> Response {
    let name = path.trim_start_matches('/');
    let last = name.rsplit('/').next().unwrap_or("");
    if let Some(file) = get(name).filter(|_| !name.is_empty()) {
        return send(name, file, headers);
    }
    if last.contains('.') && last != "index.html" {
        let detail = format!("there is no file {path}");
        return Problem::new(StatusCode::NOT_FOUND, "request/unknown-path", detail).into_response();
    }
    match get("index.html") {
        Some(index) => send("index.html", index, headers),
        None => ([(header::CACHE_CONTROL, "no-cache")], Html(NOTICE)).into_response(),
    }
}

fn send(name: &str, file: File, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", file.tag);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).is_some_and(|v| v.split(',').any(|t| t.trim() == tag));
    let cache = if is_hashed(name) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let common = [(header::ETAG, tag), (header::CACHE_CONTROL, cache.to_owned())];
    if known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, media_type(name))], Body::from(file.bytes)).into_response()
}

/// Whether a file's name holds a hash of its content: the console's build writes such files under `assets/` and no others.
fn is_hashed(name: &str) -> bool {
    name.starts_with("assets/")
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or("") {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(path: &str) -> Option<File> {
        let known = ["index.html", "assets/index-Bx3_9kQz.js", "favicon.svg"];
        known.contains(&path).then(|| File { bytes: Bytes::from(path.to_owned()), tag: "t1".to_owned() })
    }

    fn header_of(response: &Response, name: header::HeaderName) -> &str {
        response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    #[test]
    fn a_hashed_file_is_kept_for_ever_and_the_page_is_asked_for_again() {
        let script = answer("/assets/index-Bx3_9kQz.js", &HeaderMap::new(), files);
        assert_eq!(header_of(&script, header::CACHE_CONTROL), "public, max-age=31536000, immutable");
        assert_eq!(header_of(&script, header::CONTENT_TYPE), "text/javascript; charset=utf-8");
        for path in ["/", "/index.html", "/devices", "/runs/0198c0de"] {
            let page = answer(path, &HeaderMap::new(), files);
            assert_eq!(header_of(&page, header::CACHE_CONTROL), "no-cache", "{path}");
            assert_eq!(header_of(&page, header::CONTENT_TYPE), "text/html; charset=utf-8", "{path}");
        }
        assert_eq!(header_of(&answer("/favicon.svg", &HeaderMap::new(), files), header::CACHE_CONTROL), "no-cache");
    }

    #[test]
    fn a_file_that_is_known_is_not_sent_again() {
        let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static("\"t0\", \"t1\""))]);
        assert_eq!(answer("/", &headers, files).status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn a_missing_file_is_missing_and_a_missing_console_says_how_to_build_it() {
        assert_eq!(answer("/assets/gone-12345678.js", &HeaderMap::new(), files).status(), StatusCode::NOT_FOUND);
        let notice = answer("/devices", &HeaderMap::new(), |_| None);
        assert_eq!((notice.status(), header_of(&notice, header::CACHE_CONTROL)), (StatusCode::OK, "no-cache"));
    }
}
