//! Crashes of agents over the wire.

use super::Time;
use muster_core::fleet as core;
use serde::Serialize;
use utoipa::ToSchema;

/// How an agent ended.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CrashKind {
    /// A fault of the program itself; it may have gone on.
    Panic,
    /// It ended without a word while the machine went on.
    Killed,
}

/// A crash that an agent told of itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Crash {
    /// Its id.
    pub id: String,
    /// The agent.
    pub agent: String,
    /// The name of its device.
    pub device_name: String,
    /// When; of a killed one, when it was started again.
    pub at: Time,
    /// How.
    pub kind: CrashKind,
    /// The version that crashed.
    pub version: String,
    /// What the program says of it.
    pub message: String,
    /// Where in the program.
    pub place: Option<String>,
    /// The latest lines of its log; only told of one crash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

impl From<(core::Crash, String)> for Crash {
    fn from((it, device_name): (core::Crash, String)) -> Self {
        Self {
            id: it.id.to_string(),
            agent: it.agent.to_string(),
            device_name,
            at: it.at.into(),
            kind: match it.kind {
                core::CrashKind::Panic => CrashKind::Panic,
                core::CrashKind::Killed => CrashKind::Killed,
            },
            version: it.version,
            message: it.message,
            place: it.place,
            log: Some(it.log),
        }
    }
}
