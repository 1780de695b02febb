//! What goes over the wire: the shapes of the API, made from the engine's.

mod access;
mod actions;
mod approvals;
mod crashes;
mod fleet;
mod groups;
mod history;
mod identity;
mod messages;
mod planner;
mod queue;
mod reports;
mod runs;
mod schedules;
mod software;
mod tasks;
mod words;

pub use access::*;
pub use actions::*;
pub use approvals::*;
pub use crashes::*;
pub use fleet::*;
pub use groups::*;
pub use history::*;
pub use identity::*;
pub use messages::*;
pub use planner::*;
pub use queue::*;
pub use reports::*;
pub use runs::*;
pub use schedules::*;
pub use software::*;
pub use tasks::*;
pub use words::*;

use muster_core::time::Timestamp;
use serde::Serialize;
use std::borrow::Cow;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// An instant, RFC 3339, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Time(pub Timestamp);

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        let instant = ObjectBuilder::new().schema_type(Type::String).format(Some(format));
        instant.description(Some("An instant, RFC 3339, UTC.")).build().into()
    }
}

impl ToSchema for Time {
    fn name() -> Cow<'static, str> {
        "Time".into()
    }
}

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

pub(crate) fn time(at: Option<Timestamp>) -> Option<Time> {
    at.map(Time)
}

/// A thing by id and name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

impl Named {
    pub(crate) fn new(id: impl ToString, name: impl Into<String>) -> Self {
        Self { id: id.to_string(), name: name.into() }
    }
}
