//! Answers in the caller's own form: XML as it is, OCS's packed XML, GLPI's JSON.

use crate::gateway::{Gateway, response, with_retry_after};
use axum::http::StatusCode;
use axum::response::Response;
use muster_engine::{Error, Kind};
use muster_wire::body::{Coding, encode_body};
use muster_wire::legacy::{ParseErrorKind, answer};

/// What the caller understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// FusionInventory and GLPI agents: plain XML, never empty.
    Xml,
    /// OCS agents: packed as the request was; of refusals only the status counts.
    Ocs,
    /// GLPI agents by their headers: refusals only, what is taken is answered in the form it came in.
    Json,
}

/// An answer before it is dressed as HTTP.
pub(super) struct Reply {
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
    later: bool,
}

impl Reply {
    /// A message that was taken.
    pub(super) fn said(form: Form, coding: Coding, text: &str) -> Self {
        let (content_type, body) = match (form, coding) {
            (Form::Ocs, Coding::Zlib | Coding::Gzip) => (answer::OCS_CONTENT_TYPE, encode_body(text.as_bytes(), coding)),
            _ => (answer::CONTENT_TYPE, text.as_bytes().to_vec()),
        };
        Self { status: StatusCode::OK, content_type, body, later: false }
    }

    /// OCS: taken, and nothing to say.
    pub(super) fn nothing() -> Self {
        Self { status: StatusCode::OK, content_type: answer::OCS_CONTENT_TYPE, body: Vec::new(), later: false }
    }

    /// A refusal.
    pub(super) fn refuse(form: Form, status: StatusCode, text: &str) -> Self {
        let (content_type, text) = match form {
            Form::Json => return Self::json(status, muster_wire::glpi::status_error(text)),
            Form::Xml => (answer::CONTENT_TYPE, answer::error(text)),
            Form::Ocs => ("text/plain; charset=utf-8", format!("{text}\n")),
        };
        Self { status, content_type, body: text.into_bytes(), later: false }
    }

    /// Not now.
    pub(super) fn later(form: Form, text: &str) -> Self {
        Self { later: true, ..Self::refuse(form, StatusCode::SERVICE_UNAVAILABLE, text) }
    }

    /// A refusal of the engine.
    pub(super) fn error(form: Form, error: &Error) -> Self {
        let status = match error.kind {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Denied => StatusCode::FORBIDDEN,
            Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
            Kind::LimitReached if form == Form::Ocs => StatusCode::FORBIDDEN,
            Kind::LimitReached => StatusCode::TOO_MANY_REQUESTS,
            // Others were quicker; the same message will do in a while.
            Kind::Unavailable | Kind::Conflict => return Self::later(form, &error.detail),
            Kind::Internal => {
                tracing::error!(fault = ?error.fault, "an agent's message failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::refuse(form, status, &error.detail)
    }

    /// A refusal in GLPI's JSON.
    pub(super) fn json(status: StatusCode, text: String) -> Self {
        Self { status, content_type: muster_wire::glpi::CONTENT_TYPE, body: text.into_bytes(), later: false }
    }

    pub(super) fn into_response(self, gateway: &Gateway) -> Response {
        let after = self.later.then(|| gateway.retry_after());
        with_retry_after(response(self.status, self.content_type, self.body), after)
    }
}

/// The status of what could not be read (`docs/protocols/ocs.md`, "Messages").
pub(super) fn parse_status(form: Form, kind: ParseErrorKind) -> StatusCode {
    match (form, kind) {
        (Form::Ocs, ParseErrorKind::NoQuery | ParseErrorKind::NoDeviceId) | (Form::Xml | Form::Json, _) => StatusCode::BAD_REQUEST,
        (Form::Ocs, _) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
