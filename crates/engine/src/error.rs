//! The one error of commands and queries, in the language of callers. Doors translate it once.

use muster_store::Fault;
use serde_json::{Map, Value};

/// What kind of refusal it is; decides the status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was sent makes no sense.
    Invalid,
    /// There is no such thing, or not for this caller.
    NotFound,
    /// It does not fit what is there now.
    Conflict,
    /// The caller may not.
    Denied,
    /// Nobody known calls.
    Unauthenticated,
    /// Too much at once.
    LimitReached,
    /// Not now; the same later may work.
    Unavailable,
    /// Our fault; the log says more.
    Internal,
}

/// One field at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// JSON pointer, or the name of a query parameter.
    pub pointer: String,
    /// A sentence.
    pub detail: String,
}

/// Why a command or query was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// What kind.
    pub kind: Kind,
    /// A stable key, `area/what`.
    pub key: &'static str,
    /// A sentence for the person: what, which value, what to do.
    pub detail: String,
    /// Fields at fault.
    pub fields: Vec<Field>,
    /// More members of the answer, such as `count`.
    pub extra: Map<String, Value>,
    /// What the log should tell.
    pub fault: Option<Fault>,
}

impl Error {
    /// An error of a kind.
    pub fn new(kind: Kind, key: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, key, detail: detail.into(), fields: Vec::new(), extra: Map::new(), fault: None }
    }

    /// There is no such thing, or not for this caller.
    pub fn not_found(key: &'static str, what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(Kind::NotFound, key, format!("there is no {what} {id}"))
    }

    /// The caller may not.
    pub fn denied(what: &str) -> Self {
        Self::new(Kind::Denied, "access/denied", format!("your role does not allow this: {what}"))
    }

    /// One field makes no sense.
    pub fn invalid(key: &'static str, pointer: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let mut error = Self::new(Kind::Invalid, key, detail.clone());
        error.fields.push(Field { pointer: pointer.to_owned(), detail });
        error
    }

    /// Somebody else changed it first.
    pub fn stale(what: &str) -> Self {
        Self::new(Kind::Conflict, "request/stale", format!("this {what} was changed by somebody else; read it again"))
    }

    /// Adds a member to the answer.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let (kind, key) = match &fault {
            Fault::Full => (Kind::Unavailable, "server/busy"),
            Fault::Conflict => (Kind::Conflict, "request/conflict"),
            Fault::TooLong => (Kind::Unavailable, "server/too-long"),
            Fault::Unknown => (Kind::Unavailable, "server/outcome-unknown"),
            Fault::Gone => (Kind::Unavailable, "server/stopping"),
            _ => (Kind::Internal, "server/internal"),
        };
        let detail = match kind {
            Kind::Internal => "something went wrong inside Muster; the server's log has the request id".to_owned(),
            _ => fault.to_string(),
        };
        Self { fault: Some(fault), ..Self::new(kind, key, detail) }
    }
}
