//! Every id has a type of its own, from this one alphabetical list.
//!
//! Ids are UUID v7 (16 bytes in the database, hyphenated text outside), made by the engine from the injected clock and
//! randomness, so that a command may be run again from its start. Foreign ids are types of their own and never mixed with ours.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// What this id names, for logs and messages.
            pub const KIND: &'static str = $kind;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Uuid::parse_str(text).map(Self).map_err(|_| BadId { kind: $kind, text: text.chars().take(60).collect() })
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Uuid {
                id.0
            }
        }
    )*};
}

ids! {
    /// A name and secret by which foreign agents show that they belong here.
    AgentCredentialId "agent credential";
    /// An agent: the software that speaks for a device.
    AgentId "agent";
    /// A start that needs a second person.
    ApprovalId "approval";
    /// One piece of a run given to one target.
    AssignmentId "assignment";
    /// Two devices that may be one.
    CandidateId "candidate";
    /// A crash of an agent.
    CrashId "crash";
    /// A machine or thing we know.
    DeviceId "device";
    /// A named list of devices.
    GroupId "group";
    /// One act in the log of identity: a merge, a split, an agent that joined.
    IdentityLogId "act of identity";
    /// A token by which agents join.
    JoinTokenId "join_token";
    /// A tenant; everything belongs to one.
    OrgId "org";
    /// A saved question in SQL.
    ReportId "report";
    /// One execution of a task version.
    RunId "run";
    /// A person's session in the console.
    SessionId "session";
    /// What a person wrote: ordered steps, targets.
    TaskId "task";
    /// A bearer token of the API.
    TokenId "token";
    /// A person who signs in.
    UserId "user";
}

impl DeviceId {
    /// The server itself, where a step is about no device.
    pub const SERVER: Self = Self(Uuid::nil());
}

impl AgentId {
    /// The server itself, which does the steps of its own scope.
    pub const SERVER: Self = Self(Uuid::nil());
}

impl CrashId {
    /// From sixteen random bytes.
    pub fn random(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

impl AssignmentId {
    /// The assignment that follows this one in the walk of one target: whoever walks, server or agent, comes to the same id. It is one
    /// millisecond later, so that ids of a walk are in its order.
    pub fn following(self, step: usize, round: u32) -> Self {
        let own = self.0.as_u128();
        let mut known = self.0.as_bytes().to_vec();
        known.extend((step as u64).to_be_bytes());
        known.extend(round.to_be_bytes());
        let mut tail = [0; 16];
        tail[6..].copy_from_slice(&blake3::hash(&known).as_bytes()[..10]);
        let time = ((own >> 80) + 1) << 80;
        let marks = (0x7 << 76) | (0x2 << 62);
        let free = u128::from_be_bytes(tail) & !(0xf << 76) & !(0x3 << 62);
        Self(Uuid::from_u128(time | marks | free))
    }
}

/// A text that is no id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not an id of a {kind} (a UUID is expected)")]
pub struct BadId {
    /// The expected kind.
    pub kind: &'static str,
    /// The offending text, cut to 60 characters.
    pub text: String,
}
