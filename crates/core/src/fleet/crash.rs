//! What an agent tells of its own crashes.

use crate::ids::{AgentId, CrashId, OrgId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// How the program ended, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrashKind {
    /// A fault of the program itself; it may have gone on.
    Panic,
    /// It ended without a word while the machine went on: killed from outside, out of memory, a fault below it.
    Killed,
}

impl CrashKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Panic, Self::Killed];

    /// The word in database, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Killed => "killed",
        }
    }
}

impl FromStr for CrashKind {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|it| it.as_str() == word).ok_or_else(|| format!("there is no kind '{word}'; there are panic, killed"))
    }
}

/// One crash of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Its id here.
    pub id: CrashId,
    /// Whose the agent is.
    pub org: OrgId,
    /// The agent.
    pub agent: AgentId,
    /// The id by which the agent tells it: told twice, it is kept once.
    pub told: CrashId,
    /// When, by the agent's clock as it corrects it; of a killed one, when the next life began.
    pub at: Timestamp,
    /// How.
    pub kind: CrashKind,
    /// The version that crashed.
    pub version: String,
    /// What the program says of it.
    pub message: String,
    /// Where in the program.
    pub place: Option<String>,
    /// The latest lines of its log.
    pub log: String,
}
