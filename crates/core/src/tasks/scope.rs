//! Who does a step.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Who does a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The server itself, once per run.
    Server,
    /// An agent of each target.
    #[default]
    Client,
}

impl Scope {
    /// The word in documents, database, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Server => "server",
            Scope::Client => "client",
        }
    }
}

impl FromStr for Scope {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "server" => Ok(Scope::Server),
            "client" => Ok(Scope::Client),
            other => Err(format!("there is no scope '{other}'; there are server and client")),
        }
    }
}
