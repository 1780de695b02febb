//! Crashes that our own agent tells of itself (`docs/protocols/native.md`, "Crashes").

use muster_core::fleet::CrashKind;
use muster_core::ids::CrashId;
use serde::{Deserialize, Serialize};

/// Path of crashes (`POST`).
pub const CRASH_PATH: &str = "/agent/v1/crash";

/// Body of `POST /agent/v1/crash`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashRequest {
    /// At most [`muster_core::limits::CRASHES_TOLD_MAX`].
    pub crashes: Vec<CrashReport>,
}

/// One crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashReport {
    /// By which it is known when it is told again.
    pub id: CrashId,
    /// How it ended.
    pub kind: CrashKind,
    /// When, agent's clock, milliseconds since 1970; of a killed one, when the next life began.
    pub at_ms: i64,
    /// The version that crashed.
    pub version: String,
    /// What the program says of it.
    pub message: String,
    /// Where in the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The latest lines of its log.
    #[serde(default)]
    pub log: String,
}

/// Answer to crashes: all that were told are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashAnswer {
    /// How many were not known before.
    pub new: usize,
}
