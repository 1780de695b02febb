//! Bodies of requests: bounded, JSON or (for tasks) YAML, with messages that name the place.

use crate::problem::Problem;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use muster_core::limits::{API_BODY_BYTES_MAX, TASK_BYTES_MAX};
use muster_core::nearest::nearest;
use muster_engine::Field;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::PartialSchema;
use utoipa::openapi::{RefOr, Schema};

/// A body as it came; at most [`API_BODY_BYTES_MAX`] bytes.
pub struct Body {
    /// The bytes.
    pub bytes: Bytes,
    kind: Option<String>,
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("the body is larger than {limit} bytes; send less at once");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request/too-large", detail)
}

fn text(request: &Request, name: header::HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|v| v.to_str().ok())
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = text(&request, header::CONTENT_TYPE).map(|t| t.split(';').next().unwrap_or("").trim().to_lowercase());
        if text(&request, header::CONTENT_LENGTH).and_then(|n| n.parse::<usize>().ok()).is_some_and(|n| n > API_BODY_BYTES_MAX) {
            return Err(too_large(API_BODY_BYTES_MAX));
        }
        match Limited::new(request.into_body(), API_BODY_BYTES_MAX).collect().await {
            Ok(whole) => Ok(Self { bytes: whole.to_bytes(), kind }),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large(API_BODY_BYTES_MAX)),
            Err(_) => Err(Problem::new(StatusCode::BAD_REQUEST, "request/incomplete", "the body broke off before its end; send it again")),
        }
    }
}

impl Body {
    fn is(&self, names: &[&str], suffix: &str) -> bool {
        self.kind.as_deref().is_none_or(|k| k.is_empty()) || self.kind.as_deref().is_some_and(|k| names.contains(&k) || k.ends_with(suffix))
    }

    fn json(&self) -> Result<Value, Problem> {
        if !self.is(&["application/json", "text/json"], "+json") {
            let detail = format!("a body of type '{}' is not understood here; send application/json", self.kind.as_deref().unwrap_or(""));
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "request/media-type", detail));
        }
        serde_json::from_slice(&self.bytes).map_err(|e| Problem::invalid("", format!("the body is no JSON: {e}")))
    }

    /// A task document, from JSON or YAML; at most [`TASK_BYTES_MAX`] bytes.
    pub fn task(&self) -> Result<Value, Problem> {
        if self.bytes.len() > TASK_BYTES_MAX {
            return Err(too_large(TASK_BYTES_MAX));
        }
        let yaml = ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"];
        match self.kind.as_deref() {
            Some(kind) if yaml.contains(&kind) || kind.ends_with("+yaml") => {
                serde_yaml_ng::from_slice(&self.bytes).map_err(|e| Problem::invalid("", format!("the body is no YAML: {e}")))
            }
            _ => self.json(),
        }
    }

    /// An object with any keys.
    pub fn map(&self) -> Result<Map<String, Value>, Problem> {
        match self.json()? {
            Value::Object(map) => Ok(map),
            _ => Err(Problem::invalid("", "the body must be a JSON object")),
        }
    }

    /// An object of a known shape: unknown keys and values of a wrong type are refused, all at once, by their place.
    pub fn object<T: DeserializeOwned + PartialSchema>(&self) -> Result<T, Problem> {
        let map = self.map()?;
        let known = keys::<T>();
        let mut faults = Vec::new();
        for (key, value) in &map {
            let pointer = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
            if !known.iter().any(|k| k == key) {
                let hint = nearest(key, known.iter().map(String::as_str)).map_or(String::new(), |near| format!("; did you mean '{near}'?"));
                faults.push(Field { pointer, detail: format!("there is no key '{key}' here{hint}") });
                continue;
            }
            let one = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
            if let Err(error) = serde_json::from_value::<T>(one) {
                faults.push(Field { pointer, detail: format!("{key}: {error}") });
            }
        }
        if !faults.is_empty() {
            return Err(Problem::fields(faults));
        }
        serde_json::from_value(Value::Object(map)).map_err(|e| Problem::invalid("", e.to_string()))
    }

    /// As [`Body::object`]; an empty body is an empty object.
    pub fn object_or_nothing<T: DeserializeOwned + PartialSchema + Default>(&self) -> Result<T, Problem> {
        if self.bytes.is_empty() { Ok(T::default()) } else { self.object() }
    }
}

/// The keys of a shape, from its schema.
fn keys<T: PartialSchema>() -> Vec<String> {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => object.properties.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use utoipa::ToSchema;

    #[derive(Debug, Default, Deserialize, ToSchema)]
    #[serde(default)]
    struct Shape {
        name: String,
        count: Option<u32>,
    }

    fn body(text: &str, kind: Option<&str>) -> Body {
        Body { bytes: Bytes::copy_from_slice(text.as_bytes()), kind: kind.map(str::to_owned) }
    }

    #[test]
    fn every_fault_of_a_body_is_told_by_its_place() {
        let problem = body(r#"{"nmae": 1, "count": "x"}"#, None).object::<Shape>().expect_err("refused");
        let text = format!("{problem:?}");
        assert!(text.contains("did you mean 'name'") && text.contains("/count"), "{text}");
        let shape: Shape = body(r#"{"name": "x", "count": 3}"#, Some("application/json")).object().expect("read");
        assert_eq!((shape.name.as_str(), shape.count), ("x", Some(3)));
    }

    #[test]
    fn a_task_is_read_from_yaml_and_other_bodies_are_not() {
        assert_eq!(body("name: x", Some("application/yaml")).task().expect("read"), serde_json::json!({"name": "x"}));
        assert!(body("name: [", Some("text/yaml")).task().is_err());
        assert!(body("name: x", Some("application/yaml")).map().is_err());
        assert!(body("{}", Some("application/x-www-form-urlencoded")).map().is_err());
        assert!(body(&" ".repeat(TASK_BYTES_MAX + 1), None).task().is_err());
    }
}
