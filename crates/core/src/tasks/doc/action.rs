//! What a step can do.

use crate::fleet::Protocol;
use crate::settings::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Where a step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// By the server, once in a run.
    Server,
    /// By an agent, for each target.
    Client,
}

impl Scope {
    /// The word in documents, API and console.
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
        [Scope::Server, Scope::Client]
            .into_iter()
            .find(|s| s.as_str() == word)
            .ok_or_else(|| format!("there is no scope '{word}'; there are server and client"))
    }
}

/// How grave something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    #[default]
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must look.
    Error,
}

impl Level {
    /// The word in documents, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// How a web service is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Asks.
    #[default]
    Get,
    /// Hands something in.
    Post,
    /// Puts something in its place.
    Put,
    /// Changes a part.
    Patch,
    /// Takes something away.
    Delete,
}

impl Method {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// What a step does. Texts of the server's actions may hold [`super::PLACEHOLDERS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// Bring in a full inventory.
    Inventory,
    /// Bring in what tells which machine this is.
    BasicInventory,
    /// Bring in addresses, routes and name servers.
    IpConfiguration,
    /// Write a line in the server's log.
    WriteLog {
        /// The line.
        message: String,
        /// How grave it is.
        #[serde(default, skip_serializing_if = "is_default")]
        level: Level,
    },
    /// Show a message to the people of the organization.
    RaiseMessage {
        /// Its title.
        title: String,
        /// Its text.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
        /// How grave it is.
        #[serde(default, skip_serializing_if = "is_default")]
        level: Level,
    },
    /// Call a web service over HTTP.
    CallWebService {
        /// Its address.
        url: String,
        /// How.
        #[serde(default, skip_serializing_if = "is_default")]
        method: Method,
        /// Headers of the request.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// Body of the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// Status codes that are taken for success; 200 to 299 when empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        expect: Vec<u16>,
        /// Longest time it may take.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<Span>,
    },
    /// Send a mail.
    SendEmail {
        /// Addresses.
        to: Vec<String>,
        /// Its subject.
        subject: String,
        /// Its text.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        body: String,
    },
    /// Wake the agents of the targets.
    WakeAgents,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Action {
    /// The type's word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Action::Inventory => "inventory",
            Action::BasicInventory => "basic_inventory",
            Action::IpConfiguration => "ip_configuration",
            Action::WriteLog { .. } => "write_log",
            Action::RaiseMessage { .. } => "raise_message",
            Action::CallWebService { .. } => "call_web_service",
            Action::SendEmail { .. } => "send_email",
            Action::WakeAgents => "wake_agents",
        }
    }

    /// Where it is done.
    pub const fn scope(&self) -> Scope {
        match self {
            Action::Inventory | Action::BasicInventory | Action::IpConfiguration => Scope::Client,
            Action::WriteLog { .. }
            | Action::RaiseMessage { .. }
            | Action::CallWebService { .. }
            | Action::SendEmail { .. }
            | Action::WakeAgents => Scope::Server,
        }
    }

    /// Whether it is about the targets. What is not needs none.
    pub const fn needs_targets(&self) -> bool {
        match self {
            Action::WakeAgents => true,
            _ => matches!(self.scope(), Scope::Client),
        }
    }

    /// Whether doing it twice does no harm. A call of a web service is what HTTP says of its method; a mail keeps its Message-ID.
    pub const fn is_idempotent(&self) -> bool {
        match self {
            Action::RaiseMessage { .. } => false,
            Action::CallWebService { method, .. } => !matches!(method, Method::Post | Method::Patch),
            _ => true,
        }
    }

    /// Whether a person may say that doing it twice does no harm, where [`Action::is_idempotent`] says it does.
    pub(super) const fn may_be_idempotent(&self) -> bool {
        self.is_idempotent() || matches!(self, Action::CallWebService { .. })
    }

    /// Whether an unverified agent may do it.
    pub const fn is_open_to_strangers(&self) -> bool {
        matches!(self, Action::Inventory | Action::BasicInventory)
    }

    /// Which agents can do it; none where the server does.
    pub const fn protocols(&self) -> &'static [Protocol] {
        match self {
            Action::Inventory => &Protocol::ALL,
            Action::BasicInventory | Action::IpConfiguration => &[Protocol::Muster],
            _ => &[],
        }
    }
}

/// One type of action, for forms and documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionKind {
    /// The type's word.
    pub kind: &'static str,
    /// Where it is done.
    pub scope: Scope,
    /// What it does, in a line.
    pub help: &'static str,
    /// The keys beside `type`; those that must be there come first.
    pub parameters: &'static [&'static str],
    /// How many of them must be there.
    pub required: usize,
}

impl ActionKind {
    /// Every type there is.
    pub const ALL: [ActionKind; 8] = [
        client("inventory", "Bring in a full inventory."),
        client("basic_inventory", "Bring in what tells which machine this is; by Muster's own agent."),
        client("ip_configuration", "Bring in addresses, routes and name servers; by Muster's own agent."),
        server("write_log", "Write a line in the server's log.", &["message", "level"], 1),
        server("raise_message", "Show a message to the people of the organization.", &["title", "text", "level"], 1),
        server("call_web_service", "Call a web service over HTTP.", &["url", "method", "headers", "body", "expect", "timeout"], 1),
        server("send_email", "Send a mail.", &["to", "subject", "body"], 2),
        server("wake_agents", "Wake the agents of the targets, so that they come now.", &[], 0),
    ];

    /// The type of a word.
    pub fn named(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.kind == kind)
    }
}

const fn client(kind: &'static str, help: &'static str) -> ActionKind {
    ActionKind { kind, scope: Scope::Client, help, parameters: &[], required: 0 }
}

const fn server(kind: &'static str, help: &'static str, parameters: &'static [&'static str], required: usize) -> ActionKind {
    ActionKind { kind, scope: Scope::Server, help, parameters, required }
}
