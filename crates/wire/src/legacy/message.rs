//! A message as the doors take it: its inventory by prints where the scanner can tell them, else read whole.

use super::{Dialect, Node, ParseError, Query, Request, read_text, scan};
use crate::text;
use muster_core::inventory::{Canonical, Finding, Told};

/// A message of an agent. Every field but `inventory` is as in [`Request`].
pub struct Message {
    /// The agent's id of its own making; there for every query but [`Query::Update`] and [`Query::Other`].
    pub device_id: Option<String>,
    /// OCS on Windows: the id this agent had before.
    pub old_device_id: Option<String>,
    /// What it is about.
    pub query: Query,
    /// Always `12345678` or absent; no secret.
    pub token: Option<String>,
    /// The program, told from the User-Agent, else from the document.
    pub dialect: Dialect,
    /// What the document says of the agent's version (VERSIONCLIENT or AGENTVERSION), as written.
    pub agent_version: Option<String>,
    /// The whole `<REQUEST>` but for inventories.
    pub content: Option<Node>,
    /// What was told of the machine, of [`Query::Inventory`]; it carries its own findings too.
    pub inventory: Option<Box<dyn Told>>,
    /// Oddities of the document.
    pub findings: Vec<Finding>,
}

/// Reads a message as [`super::parse_request`] does, with the same result, but makes nothing canonical that is not asked for: most
/// inventories say what the last one said, and their prints tell it. Takes the bytes, because a scanned inventory keeps its text.
pub fn read_message(bytes: Vec<u8>, agent: Dialect) -> Result<Message, ParseError> {
    let (text, findings) = text::decode_owned(bytes);
    match scan::scan_clean(text, findings, agent) {
        Ok(message) => Ok(message),
        Err((text, findings)) => read_text(&text, findings, agent).map(Message::from),
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        let Request { device_id, old_device_id, query, token, dialect, agent_version, content, inventory, findings } = request;
        let inventory = inventory.map(|read| Box::new(Canonical::new(read)) as Box<dyn Told>);
        Self { device_id, old_device_id, query, token, dialect, agent_version, content, inventory, findings }
    }
}
