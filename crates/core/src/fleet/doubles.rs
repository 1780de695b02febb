//! Pairs of devices that may be one, and the log of what was joined and parted, as they are kept.

use super::{Protocol, Weight};
use crate::ids::{AgentId, CandidateId, DeviceId, IdentityLogId, OrgId};
use crate::tasks::why::Sentence;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$word_doc:meta])* $word:ident $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$word_doc])* $word,)*
        }

        impl $name {
            /// The word in database, API and console.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$word => $text,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(word: &str) -> Result<Self, String> {
                let all = [$($text),*];
                match word {
                    $($text => Ok($name::$word),)*
                    _ => Err(format!("there is no {} '{word}'; there are {}", $what, all.join(", "))),
                }
            }
        }
    };
}

words! {
    /// What two devices may be to each other.
    CandidateKind, "kind of candidate" {
        /// One machine that is listed twice.
        Duplicate "duplicate",
        /// Two machines of which one was copied from the other, or one of which claims to be the other.
        Clone "clone",
    }
}

words! {
    /// What became of a candidate.
    CandidateState, "state of a candidate" {
        /// Waits for a person.
        Open "open",
        /// A person said that the two are apart.
        Dismissed "dismissed",
        /// The two were made one.
        Merged "merged",
    }
}

words! {
    /// What was done to the agents of devices.
    IdentityAct, "act of identity" {
        /// A person made two devices one.
        Merge "merge",
        /// A person parted agents from a device.
        Split "split",
        /// A person took a merge or split back.
        Undo "undo",
        /// A new agent of another protocol was recognised on a known device.
        Joined "joined",
        /// A new agent of a protocol that the device had already.
        Reinstalled "reinstalled",
        /// An agent came with another DEVICEID and was known by its agent id.
        RenamedAgent "renamed_agent",
    }
}

/// Two devices that a person should look at together. `devices.0 < devices.1`.
#[derive(Clone, Debug, PartialEq)]
pub struct DoubleCandidate {
    /// Its id.
    pub id: CandidateId,
    /// Whose devices.
    pub org: OrgId,
    /// When it was first seen, or last reopened.
    pub at: Timestamp,
    /// What they may be to each other.
    pub kind: CandidateKind,
    /// The two.
    pub devices: (DeviceId, DeviceId),
    /// How well they fit.
    pub points: i32,
    /// Where the points come from.
    pub evidence: Vec<Weight>,
    /// What became of it.
    pub state: CandidateState,
    /// Why it is there.
    pub reason: Sentence,
    /// What a person said when dismissing it.
    pub note: Option<String>,
}

/// An agent as the log names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedAgent {
    /// Its id.
    pub id: AgentId,
    /// How it speaks.
    pub protocol: Protocol,
    /// Its DEVICEID then.
    pub foreign_id: Option<String>,
}

/// A device as the log names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedDevice {
    /// Its id.
    pub id: DeviceId,
    /// Its name then.
    pub name: String,
}

/// One act: agents that went from a device to another.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentityEntry {
    /// Its id.
    pub id: IdentityLogId,
    /// Whose.
    pub org: OrgId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub act: IdentityAct,
    /// Which agents.
    pub agents: Vec<MovedAgent>,
    /// Where they were; `None` when they are new.
    pub from: Option<NamedDevice>,
    /// Where they are since.
    pub to: Option<NamedDevice>,
    /// Why.
    pub reason: Sentence,
    /// Whether it was taken back.
    pub undone: bool,
}

/// A sentence with its key and what goes into it.
pub fn sentence(key: &str, params: serde_json::Value, text: impl Into<String>) -> Sentence {
    Sentence { key: key.to_owned(), params: params.as_object().cloned().unwrap_or_default(), text: text.into() }
}
