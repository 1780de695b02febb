//! The XML that OCS, FusionInventory and GLPI agents speak (`docs/protocols/legacy-xml.md`, `docs/protocols/ocs.md`): requests
//! to values here, answers in [`answer`].
//!
//! Absent on purpose: what to do about a request, and unpacking ([`crate::body`]).

pub mod answer;
mod canonical;
mod dialect;
mod message;
pub mod scan;
mod types;
mod xml;

pub use dialect::{Dialect, UserAgent};
pub use message::{Message, read_message};
pub use xml::Node;

use crate::text;
use muster_core::inventory::{Completeness, Finding, Inventory, is_single};
use muster_core::limits::{DEVICEID_BYTES_MAX, FINDINGS_MAX};

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// The agent reports for work.
    Prolog,
    /// An inventory of its machine.
    Inventory,
    /// Devices found on a network.
    NetDiscovery,
    /// A device asked by SNMP.
    SnmpQuery,
    /// OCS: what became of a package.
    Download,
    /// OCS on Windows: addresses have changed.
    Notify,
    /// OCS: devices asked by SNMP.
    Snmp,
    /// OCS: obsolete, answered `NO_UPDATE`.
    Update,
    /// None of these; as written.
    Other(String),
}

impl Query {
    fn of(text: &str) -> Self {
        match text.to_ascii_uppercase().as_str() {
            "PROLOG" => Self::Prolog,
            "INVENTORY" => Self::Inventory,
            "NETDISCOVERY" => Self::NetDiscovery,
            "SNMPQUERY" | "SNMPINVENTORY" => Self::SnmpQuery,
            "DOWNLOAD" => Self::Download,
            "NOTIFY" => Self::Notify,
            "SNMP" => Self::Snmp,
            "UPDATE" => Self::Update,
            _ => Self::Other(text.to_owned()),
        }
    }
}

/// A message of an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
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
    /// The inventory, of [`Query::Inventory`]; it carries its own findings too.
    pub inventory: Option<Inventory>,
    /// Oddities of the document.
    pub findings: Vec<Finding>,
}

/// Why a message could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {what}")]
pub struct ParseError {
    /// The class of the error.
    pub kind: ParseErrorKind,
    /// Byte offset in the document as text.
    pub at: usize,
    /// What is wrong, a sentence.
    pub what: String,
}

impl ParseError {
    fn new(kind: ParseErrorKind, at: usize, what: impl Into<String>) -> Self {
        Self { kind, at, what: what.into() }
    }
}

/// Classes of [`ParseError`]. An OCS server answers 400 to [`Self::NoQuery`] and [`Self::NoDeviceId`], 500 to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseErrorKind {
    /// No XML.
    Malformed,
    /// Nested deeper than `muster_core::limits::DOCUMENT_DEPTH_MAX`.
    TooDeep,
    /// More than `muster_core::limits::DOCUMENT_ELEMENTS_MAX` elements and attributes.
    TooMany,
    /// A DOCTYPE.
    Doctype,
    /// XML, but its root is not REQUEST.
    NotARequest,
    /// QUERY is missing.
    NoQuery,
    /// DEVICEID is missing (perhaps cut off) or too long.
    NoDeviceId,
}

/// Reads a message. `agent` is what the User-Agent told; with [`Dialect::Unknown`] the document's own word counts.
///
/// A truncated or damaged document gives what could be read, with the finding `truncated`; its inventory is
/// [`Completeness::Partial`], and the section in which it ended is left out, so that nothing of it is taken as gone.
pub fn parse_request(bytes: &[u8], agent: Dialect) -> Result<Request, ParseError> {
    let decoded = text::decode(bytes);
    read_text(&decoded.text, decoded.findings, agent)
}

/// Reads a message from its text; `findings` tell what was odd about its bytes.
fn read_text(text: &str, mut findings: Vec<Finding>, agent: Dialect) -> Result<Request, ParseError> {
    let mut document = xml::read(text)?;
    if document.root.name != "request" {
        let what = format!("the root element is <{}>; <REQUEST> is expected", document.root.name);
        return Err(ParseError::new(ParseErrorKind::NotARequest, 0, what));
    }
    findings.append(&mut document.findings);
    if let Some(damage) = &document.damage {
        findings.push(leave_out_what_is_cut(&mut document.root, damage));
    }
    findings.truncate(FINDINGS_MAX);
    request(document.root, document.damage.as_ref(), agent, findings)
}

fn request(mut root: Node, damage: Option<&xml::Damage>, agent: Dialect, mut findings: Vec<Finding>) -> Result<Request, ParseError> {
    let content = root.child("content");
    let either = |name: &str| root.field(name).or_else(|| content?.field(name)).map(str::to_owned);
    let end = damage.map_or(0, |d| d.at);
    let query = match root.field("query").or_else(|| inferred(content, damage)) {
        Some(query) => Query::of(query),
        None => return Err(ParseError::new(ParseErrorKind::NoQuery, end, "QUERY is missing")),
    };
    let device_id = device_id(either("deviceid"), &query, end)?;
    let history = content.and_then(|c| c.child("download")?.child("history"));
    let old_device_id = either("old_deviceid").or_else(|| history?.field("old_deviceid").map(str::to_owned));
    let told = content.and_then(|c| c.field("versionclient").or_else(|| c.child("agent")?.field("agentversion")));
    let agent_version = told.map(str::to_owned);
    let dialect = match agent {
        Dialect::Unknown => told_by_content(agent_version.as_deref(), content),
        known => known,
    };
    let token = root.field("token").map(str::to_owned);
    let mut inventory = None;
    let mut rest = None;
    if query == Query::Inventory {
        let taken = root.children.iter_mut().find(|c| c.name == "content").map(std::mem::take).unwrap_or_default();
        let completeness = if damage.is_some() { Completeness::Partial } else { dialect.completeness() };
        let mut made = canonical::inventory(taken, dialect, completeness);
        for finding in &findings {
            made.find(&finding.kind, &finding.detail);
        }
        findings.clone_from(&made.findings);
        inventory = Some(made);
    } else {
        rest = Some(root);
    }
    Ok(Request { device_id, old_device_id, query, token, dialect, agent_version, content: rest, inventory, findings })
}

fn device_id(found: Option<String>, query: &Query, at: usize) -> Result<Option<String>, ParseError> {
    match found {
        Some(id) if id.len() > DEVICEID_BYTES_MAX => {
            let what = format!("DEVICEID has {} bytes; at most {DEVICEID_BYTES_MAX} are expected", id.len());
            Err(ParseError::new(ParseErrorKind::NoDeviceId, at, what))
        }
        None if !matches!(query, Query::Update | Query::Other(_)) => {
            Err(ParseError::new(ParseErrorKind::NoDeviceId, at, "DEVICEID is missing, so nobody knows whose message this is"))
        }
        found => Ok(found),
    }
}

/// A cut document may have lost its QUERY behind the content; what is in the content tells all the same.
fn inferred(content: Option<&Node>, damage: Option<&xml::Damage>) -> Option<&'static str> {
    let content = damage.and(content)?;
    ["hardware", "bios", "softwares", "operatingsystem"].iter().any(|s| content.child(s).is_some()).then_some("INVENTORY")
}

/// Who made a document that came with an unknown User-Agent, as injectors and proxies send it.
fn told_by_content(version: Option<&str>, content: Option<&Node>) -> Dialect {
    let told = version.map_or(Dialect::Unknown, |v| Dialect::from_user_agent(v).dialect);
    let has = |name: &str| content.is_some_and(|c| c.child(name).is_some());
    let hardware = content.and_then(|c| c.child("hardware"));
    match told {
        Dialect::Unknown if !has("operatingsystem") && hardware.is_some_and(|h| h.child("osname").is_some()) => Dialect::OcsOther,
        told => told,
    }
}

/// Takes what reading ended in out of the document. Of a section the last rows are missing, and that would read as rows gone.
fn leave_out_what_is_cut(root: &mut Node, damage: &xml::Damage) -> Finding {
    let detail = |more: &str| Finding::new("truncated", format!("{} at byte {}{more}", damage.what, damage.at));
    let in_content = damage.open.get(1).is_some_and(|name| name == "content");
    if damage.open.len() > 1 && !in_content {
        // Half a DEVICEID would be another machine's.
        root.children.pop();
    }
    let Some(content) = root.children.iter_mut().rfind(|c| c.name == "content").filter(|_| in_content) else {
        return detail("");
    };
    let Some(last) = content.children.last().map(|c| c.name.clone()) else {
        return detail("");
    };
    if damage.open.len() == 2 && is_single(&last) {
        return detail("");
    }
    content.children.retain(|c| c.name != last);
    detail(&format!("; section {} is left out", last.to_ascii_uppercase()))
}

/// Whether a device id has the form that OCS agents give it: `NAME-YYYY-MM-DD-hh-mm-ss` (`docs/protocols/ocs.md`, "Identity").
pub fn is_dated_device_id(id: &str) -> bool {
    let mut parts = id.rsplitn(7, '-');
    let numbers = parts.by_ref().take(6).enumerate().filter(|(i, p)| {
        let digits = if *i == 5 { 4 } else { 2 };
        p.len() == digits && p.bytes().all(|b| b.is_ascii_digit())
    });
    numbers.count() == 6 && parts.next().is_some_and(|name| !name.is_empty())
}

#[cfg(test)]
mod tests;
