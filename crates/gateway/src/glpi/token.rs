//! Tokens for GLPI agents with a client id and secret (`docs/protocols/glpi-native.md`, "Authentication"; RFC 6749, 4.4).

use crate::admission::Origin;
use crate::auth::{self, NoPass, TOKEN_TIME};
use crate::bodies::read;
use crate::gateway::{Gateway, json_answer, with_retry_after};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use muster_core::load::Class;
use muster_wire::glpi as words;
use serde::Deserialize;
use std::net::IpAddr;

/// A request for a token, bytes.
const BODY_BYTES_MAX: usize = 16 << 10;

/// What an agent sends. The scope is not looked at: there is one.
#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    grant_type: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    client_secret: String,
}

fn refused(status: StatusCode, key: &str, text: &str) -> Response {
    json_answer(status, words::token_error(key, text))
}

/// Gives a token for a client id and secret.
pub(crate) async fn answer(gateway: &Gateway, headers: &HeaderMap, peer: Option<IpAddr>, body: Body) -> Response {
    let raw = match read(gateway, headers, body, Origin::new(Class::Contact, peer)).await {
        Ok(raw) if raw.bytes.len() > BODY_BYTES_MAX => {
            let text = format!("the body is larger than {BODY_BYTES_MAX} bytes");
            return refused(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", &text);
        }
        Ok(raw) => raw,
        Err(refusal) => return refused(refusal.status(), "invalid_request", &refusal.to_string()),
    };
    let Ok(wanted) = serde_json::from_slice::<Wanted>(&raw.bytes) else {
        return refused(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "a JSON object with grant_type, client_id and client_secret is expected",
        );
    };
    if wanted.grant_type != "client_credentials" {
        return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type", "the only grant here is client_credentials");
    }
    match auth::of_secret(gateway, &wanted.client_id, wanted.client_secret, peer).await {
        Ok(Some(credential)) => json_answer(StatusCode::OK, words::token_answer(&auth::token(gateway, &credential), TOKEN_TIME)),
        Ok(None) => refused(StatusCode::UNAUTHORIZED, "invalid_client", "this client id and secret do not fit"),
        Err(NoPass::Challenge(_) | NoPass::TooMany) => {
            refused(StatusCode::TOO_MANY_REQUESTS, "invalid_client", "too many wrong secrets came from this address; come again later")
        }
        Err(NoPass::Busy | NoPass::Fault(_)) => {
            let busy = refused(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "the server is busy; come again later");
            with_retry_after(busy, Some(gateway.retry_after()))
        }
    }
}
