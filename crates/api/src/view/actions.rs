//! Actions over the wire.

use super::Protocol;
use muster_core::tasks::doc as core;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Whether doing something twice does no harm.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Repeats {
    /// It never does.
    Always,
    /// Not when its parameters or the step's `idempotent` say otherwise.
    AsWritten,
    /// It does: it is begun at most once.
    Never,
}

/// What a step can do.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ActionType {
    /// The word of `type`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
    /// Where it is done unless a step says otherwise: `server`, `client`.
    pub scope: &'static str,
    /// Which agents can do it, where agents do.
    pub protocols: Vec<Protocol>,
    /// What must be there for it, in a line; empty: nothing but the agent or the server.
    pub needs: &'static str,
    /// Whether doing it twice does no harm.
    pub repeats: Repeats,
    /// The JSON Schema of the action, `type` and parameters.
    #[schema(value_type = Object)]
    pub schema: Value,
}

/// All actions of this version.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Actions {
    /// In the order of the documents.
    pub items: Vec<ActionType>,
}

impl From<&core::ActionKind> for ActionType {
    fn from(kind: &core::ActionKind) -> Self {
        Self {
            kind: kind.kind,
            help: kind.help,
            scope: kind.scope.as_str(),
            protocols: kind.protocols().iter().map(|it| (*it).into()).collect(),
            needs: kind.needs(),
            repeats: match kind.repeats() {
                core::Repeats::Always => Repeats::Always,
                core::Repeats::AsWritten => Repeats::AsWritten,
                core::Repeats::Never => Repeats::Never,
            },
            schema: kind.schema(),
        }
    }
}
