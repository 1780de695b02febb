//! Refusals as RFC 9457 documents. A handler gives a [`Problem`]; the outermost layer adds the request's id and writes it.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_engine::{Error, Field, Kind};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A refusal on its way out.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    key: String,
    detail: String,
    fields: Vec<Field>,
    extra: Map<String, Value>,
    retry_after: Option<u64>,
    internals: Option<String>,
}

/// One place at fault.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldProblem {
    /// JSON pointer into the body, or the name of a parameter.
    pub pointer: String,
    /// What is wrong, and what to do.
    pub detail: String,
}

/// A refusal (RFC 9457, `application/problem+json`).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// Stable: `https://muster.dev/problems/<area>/<name>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A few words on the type.
    pub title: String,
    /// The status code.
    pub status: u16,
    /// What happened, with which value, and what to do.
    pub detail: String,
    /// The request, as the server's log names it.
    pub request_id: String,
    /// The places at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// More, such as `count` of the size guard.
    #[serde(flatten)]
    #[schema(value_type = Object, additional_properties)]
    pub more: Map<String, Value>,
}

impl Problem {
    /// A refusal with a status and a stable key `area/name`.
    pub fn new(status: StatusCode, key: &str, detail: impl Into<String>) -> Self {
        let (key, detail) = (key.to_owned(), detail.into());
        Self { status, key, detail, fields: Vec::new(), extra: Map::new(), retry_after: None, internals: None }
    }

    /// One parameter or field of a request makes no sense.
    pub fn invalid(pointer: &str, detail: impl Into<String>) -> Self {
        Self::fields(vec![Field { pointer: pointer.to_owned(), detail: detail.into() }])
    }

    /// Several fields of a request make no sense; there is at least one.
    pub fn fields(fields: Vec<Field>) -> Self {
        let detail = match fields.as_slice() {
            [one] => one.detail.clone(),
            many => format!("{} values of this request are wrong", many.len()),
        };
        Self { fields, ..Self::new(StatusCode::BAD_REQUEST, "request/invalid", detail) }
    }

    /// Nobody known calls.
    pub fn unauthenticated() -> Self {
        let detail = "sign in, or send a valid token: Authorization: Bearer …";
        Self::new(StatusCode::UNAUTHORIZED, "access/unauthenticated", detail)
    }

    /// Our fault; `internals` go to the log only.
    pub fn internal(internals: impl Into<String>) -> Self {
        let detail = "something went wrong inside Muster; the server's log has the request id";
        let internals = Some(internals.into());
        Self { internals, ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server/internal", detail) }
    }

    /// Says when to come again, seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Writes it, with the id of the request; internals are logged here and nowhere else.
    pub fn render(self, request_id: &str) -> Response {
        if let Some(internals) = &self.internals {
            tracing::error!(request_id, key = self.key, internals, "a request failed");
        }
        let document = ProblemDocument {
            kind: format!("https://muster.dev/problems/{}", self.key),
            title: title(&self.key),
            status: self.status.as_u16(),
            detail: self.detail,
            request_id: request_id.to_owned(),
            errors: self.fields.into_iter().map(|f| FieldProblem { pointer: f.pointer, detail: f.detail }).collect(),
            more: self.extra,
        };
        let mut response = (self.status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// `task/not-found` as `Task: not found`.
fn title(key: &str) -> String {
    let text = key.replace('-', " ").replace('/', ": ");
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match (error.key, error.kind) {
            ("request/stale", _) => StatusCode::PRECONDITION_FAILED,
            ("device/merged", _) => StatusCode::GONE,
            ("request/idempotency-mismatch", _) => StatusCode::UNPROCESSABLE_ENTITY,
            (_, Kind::Invalid) => StatusCode::BAD_REQUEST,
            (_, Kind::NotFound) => StatusCode::NOT_FOUND,
            (_, Kind::Conflict) => StatusCode::CONFLICT,
            (_, Kind::Denied) => StatusCode::FORBIDDEN,
            (_, Kind::Unauthenticated) => StatusCode::UNAUTHORIZED,
            (_, Kind::LimitReached) => StatusCode::TOO_MANY_REQUESTS,
            (_, Kind::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
            (_, Kind::Internal) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let internal = error.kind == Kind::Internal;
        let internals = error.fault.map(|f| f.to_string()).or_else(|| internal.then(|| error.detail.clone()));
        let retry_after = matches!(error.kind, Kind::Unavailable | Kind::LimitReached).then_some(2);
        let fields = error.fields;
        Self { fields, extra: error.extra, retry_after, internals, ..Self::new(status, error.key, error.detail) }
    }
}

/// Travels as an extension of an empty response; the outermost layer renders it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::title;

    #[test]
    fn a_key_reads_as_a_title() {
        assert_eq!(title("task/not-found"), "Task: not found");
        assert_eq!(title(""), "");
    }
}
