//! What is kept of files and programs, and may go when nothing needs it any more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a step that cleans up removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Leftover {
    /// Documents that agents brought unasked.
    Documents,
    /// What agents told of their crashes, with their logs.
    Crashes,
    /// Entries of the list of programs that no machine of the organization has any more.
    Programs,
}

impl Leftover {
    /// All of them.
    pub const ALL: [Leftover; 3] = [Leftover::Documents, Leftover::Crashes, Leftover::Programs];

    /// The word in documents, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            Leftover::Documents => "documents",
            Leftover::Crashes => "crashes",
            Leftover::Programs => "programs",
        }
    }
}
