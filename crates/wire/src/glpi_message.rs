//! What GLPI agents and their tools send in JSON: CONTACT, INVENTORY, results of network tasks
//! (`docs/protocols/glpi-native.md`).
//!
//! Lives here: the message around the content, and its limits, looked at before anything is built from the text. Absent on
//! purpose: unpacking ([`crate::body`]), the sections of an inventory ([`crate::glpi_content`]).

use crate::glpi_content::{self, ContentError};
use crate::text;
use muster_core::inventory::{Completeness, Finding, Inventory, Row};
use muster_core::limits::{CAPACITIES_MAX, DEVICEID_BYTES_MAX, DOCUMENT_DEPTH_MAX, DOCUMENT_ELEMENTS_MAX, FINDINGS_MAX};
use serde_json::{Map, Value};

/// Levels of a whole message: those of its content and the message around it.
const DEPTH_MAX: usize = DOCUMENT_DEPTH_MAX + 1;
/// Values of a whole message: those of its content and room for the message around it.
const VALUES_MAX: usize = DOCUMENT_ELEMENTS_MAX + 1_000;
/// A field of the message around the content, bytes.
const HEAD_BYTES_MAX: usize = 1_000;

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The agent reports for work.
    Contact(Contact),
    /// An inventory of a machine.
    Inventory(Box<InventoryMessage>),
    /// A result of a network task, as converters and injectors send it.
    Network(Network),
    /// None of these.
    Other {
        /// As written.
        action: String,
        /// Who sends it.
        device_id: String,
    },
}

/// A CONTACT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// The agent's id of its own making.
    pub device_id: String,
    /// The program: `GLPI-Agent`.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The administrative tag it carries.
    pub tag: Option<String>,
    /// Tasks it has.
    pub installed_tasks: Vec<String>,
    /// Tasks its configuration lets it run.
    pub enabled_tasks: Vec<String>,
    /// Where its own HTTP server listens; only told while it does.
    pub httpd_port: Option<u16>,
}

/// An INVENTORY.
#[derive(Clone, Debug, PartialEq)]
pub struct InventoryMessage {
    /// The agent's id, or that of the machine it tells of.
    pub device_id: String,
    /// `Computer`, `Phone`, …; absent is a computer.
    pub item_type: Option<String>,
    /// The agent as it calls itself in the content: `GLPI-Agent_v1.12`.
    pub agent_version: Option<String>,
    /// What it tells. The message's tag is in its section `accountinfo`, as XML agents tell it.
    pub inventory: Inventory,
}

/// Which network task a result is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkKind {
    /// Devices found on a network.
    Discovery,
    /// A device asked by SNMP.
    Inventory,
}

/// A result of a network task; its content is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Of which task.
    pub kind: NetworkKind,
    /// The id it carries: mostly that of the thing found, not of the agent.
    pub device_id: String,
    /// The job it answers, when it says so.
    pub job_id: Option<String>,
}

/// Why a message was not read: where, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// No JSON, or not whole.
    #[error("this is no whole JSON document: {0}")]
    Malformed(String),
    /// Nested deeper than [`DOCUMENT_DEPTH_MAX`] in its content.
    #[error("at byte {at}: nested deeper than {DEPTH_MAX} levels")]
    TooDeep {
        /// Where.
        at: usize,
    },
    /// More than [`DOCUMENT_ELEMENTS_MAX`] values.
    #[error("at byte {at}: more than {VALUES_MAX} values")]
    TooMany {
        /// Where.
        at: usize,
    },
    /// A field is missing or of the wrong kind.
    #[error("{pointer}: {what}")]
    Field {
        /// JSON pointer.
        pointer: &'static str,
        /// A sentence.
        what: String,
    },
    /// The content of an inventory.
    #[error("/content: {0}")]
    Content(#[from] ContentError),
}

fn field(pointer: &'static str, what: impl Into<String>) -> MessageError {
    MessageError::Field { pointer, what: what.into() }
}

/// Reads a message.
pub fn parse_message(bytes: &[u8]) -> Result<Message, MessageError> {
    let decoded = text::decode(bytes);
    look_over(decoded.text.as_bytes())?;
    let value: Value = serde_json::from_str(&decoded.text).map_err(|e| MessageError::Malformed(e.to_string()))?;
    let Value::Object(mut message) = value else { return Err(field("", "a message is an object with 'action' and 'deviceid'")) };
    let action = required(&message, "action", "/action", "such as contact or inventory")?;
    let device_id = required(&message, "deviceid", "/deviceid", "or nobody knows whose message this is")?;
    if device_id.len() > DEVICEID_BYTES_MAX {
        return Err(field("/deviceid", format!("it has {} bytes; at most {DEVICEID_BYTES_MAX} are expected", device_id.len())));
    }
    match action.to_ascii_lowercase().as_str() {
        "contact" => contact(&message, device_id).map(Message::Contact),
        "inventory" if !is_of_network(&message) => inventory(&mut message, device_id, decoded.findings).map(Message::Inventory),
        "inventory" | "netinventory" => network(&message, device_id, NetworkKind::Inventory),
        "netdiscovery" => network(&message, device_id, NetworkKind::Discovery),
        _ => Ok(Message::Other { action, device_id }),
    }
}

/// Counts levels and values in the text itself: a document beyond the limits costs no more memory than its text. Values are as
/// many as the commas and the opening brackets, but for empty ones.
fn look_over(text: &[u8]) -> Result<(), MessageError> {
    let (mut depth, mut values, mut in_text, mut escaped) = (0usize, 0usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => (depth, values) = (depth + 1, values + 1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(MessageError::TooDeep { at });
        }
        if values > VALUES_MAX {
            return Err(MessageError::TooMany { at });
        }
    }
    Ok(())
}

/// A short text of the message around the content; numbers count as their digits.
fn short(message: &Map<String, Value>, name: &str) -> Option<String> {
    let text = match message.get(name)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    (!text.is_empty() && text.len() <= HEAD_BYTES_MAX).then_some(text)
}

fn required(message: &Map<String, Value>, name: &str, pointer: &'static str, more: &str) -> Result<String, MessageError> {
    match (short(message, name), message.get(name)) {
        (Some(text), _) => Ok(text),
        (None, None) => Err(field(pointer, format!("it is missing; a short text is expected, {more}"))),
        (None, Some(_)) => Err(field(pointer, format!("it is no short text; one is expected, {more}"))),
    }
}

fn contact(message: &Map<String, Value>, device_id: String) -> Result<Contact, MessageError> {
    Ok(Contact {
        device_id,
        name: short(message, "name"),
        version: short(message, "version"),
        tag: short(message, "tag"),
        installed_tasks: names(message, "installed-tasks", "/installed-tasks")?,
        enabled_tasks: names(message, "enabled-tasks", "/enabled-tasks")?,
        httpd_port: short(message, "httpd-port").and_then(|port| port.parse().ok()).filter(|port| *port > 0),
    })
}

fn names(message: &Map<String, Value>, name: &str, pointer: &'static str) -> Result<Vec<String>, MessageError> {
    match message.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() <= CAPACITIES_MAX => {
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(|| field(pointer, "names of tasks are texts"))).collect()
        }
        Some(Value::Array(items)) => Err(field(pointer, format!("it names {} tasks; at most {CAPACITIES_MAX} are expected", items.len()))),
        Some(_) => Err(field(pointer, "a list of names of tasks is expected")),
    }
}

fn content(message: &Map<String, Value>) -> Option<&Map<String, Value>> {
    message.get("content")?.as_object()
}

/// A thing of the network that somebody sent as an inventory.
fn is_of_network(message: &Map<String, Value>) -> bool {
    content(message).is_some_and(|c| c.contains_key("network_device"))
}

fn network(message: &Map<String, Value>, device_id: String, kind: NetworkKind) -> Result<Message, MessageError> {
    if content(message).is_none() {
        return Err(field("/content", "it is missing, or no object"));
    }
    Ok(Message::Network(Network { kind, device_id, job_id: short(message, "jobid") }))
}

fn inventory(message: &mut Map<String, Value>, device_id: String, findings: Vec<Finding>) -> Result<Box<InventoryMessage>, MessageError> {
    let Some(Value::Object(content)) = message.remove("content") else {
        return Err(field("/content", "it is missing, or no object"));
    };
    let completeness = match message.get("partial") {
        None | Some(Value::Null | Value::Bool(false)) => Completeness::Full,
        // Whatever is said there, what is not mentioned stays: the wrong guess would delete.
        Some(_) => Completeness::Partial,
    };
    let agent_version = short(&content, "versionclient");
    let mut inventory = glpi_content::read(content, completeness)?;
    if inventory.sections.is_empty() {
        inventory.completeness = Completeness::Partial;
    }
    if let Some(tag) = short(message, "tag").filter(|_| !inventory.sections.contains_key("accountinfo")) {
        let row = Row::from([("keyname".to_owned(), Value::from("TAG")), ("keyvalue".to_owned(), Value::from(tag))]);
        inventory.sections.insert("accountinfo".to_owned(), vec![row]);
    }
    let more = findings.into_iter().filter(|f| !inventory.findings.contains(f)).collect::<Vec<_>>();
    inventory.findings.extend(more);
    inventory.findings.truncate(FINDINGS_MAX);
    Ok(Box::new(InventoryMessage { device_id, item_type: short(message, "itemtype"), agent_version, inventory }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: Value) -> Result<Message, MessageError> {
        parse_message(value.to_string().as_bytes())
    }

    fn refused(text: &str) -> String {
        parse_message(text.as_bytes()).expect_err("refused").to_string()
    }

    #[test]
    fn a_contact_tells_who_comes_and_what_it_can_do() {
        let told = parse(json!({
            "action": "contact", "deviceid": "lab-1", "name": "GLPI-Agent", "version": "1.12-dev", "tag": "lab", "httpd-port": "62355",
            "httpd-plugins": {"proxy": "disabled"}, "enabled-tasks": ["inventory"], "installed-tasks": ["deploy", "inventory"], "more": [1]
        }));
        let expected = Contact {
            device_id: "lab-1".to_owned(),
            name: Some("GLPI-Agent".to_owned()),
            version: Some("1.12-dev".to_owned()),
            tag: Some("lab".to_owned()),
            installed_tasks: vec!["deploy".to_owned(), "inventory".to_owned()],
            enabled_tasks: vec!["inventory".to_owned()],
            httpd_port: Some(62_355),
        };
        assert_eq!(told, Ok(Message::Contact(expected)));
        for (port, read) in [(json!(8080), Some(8_080)), (json!("0"), None), (json!(65_536), None), (json!("x"), None), (json!([]), None)] {
            let told = parse(json!({"action": "CONTACT", "deviceid": "a", "httpd-port": port}));
            assert_eq!(told, Ok(Message::Contact(Contact { device_id: "a".to_owned(), httpd_port: read, ..Contact::default() })), "{port}");
        }
    }

    #[test]
    fn an_inventory_is_full_unless_it_says_otherwise_and_carries_its_tag() {
        for (partial, expected) in [
            (json!(null), Completeness::Full),
            (json!(false), Completeness::Full),
            (json!(true), Completeness::Partial),
            (json!(1), Completeness::Partial),
            (json!("yes"), Completeness::Partial),
        ] {
            let content = json!({"bios": {"ssn": "S"}, "versionclient": "GLPI-Agent_v1.12"});
            let told = parse(
                json!({"action": "inventory", "deviceid": "a", "itemtype": "Computer", "tag": "lab", "partial": partial, "content": content}),
            );
            let Ok(Message::Inventory(told)) = told else { panic!("{told:?}") };
            assert_eq!(told.inventory.completeness, expected, "{partial}");
            assert_eq!(told.agent_version.as_deref(), Some("GLPI-Agent_v1.12"));
            assert_eq!(json!(told.inventory.rows("accountinfo")), json!([{"keyname": "TAG", "keyvalue": "lab"}]));
        }
        let empty = parse(json!({"action": "inventory", "deviceid": "a", "content": {}}));
        assert!(
            matches!(empty, Ok(Message::Inventory(told)) if told.inventory.completeness == Completeness::Partial),
            "empty tells of nothing gone"
        );
    }

    #[test]
    fn results_of_network_tasks_are_told_from_machines() {
        let of = |action: &str, content: Value| parse(json!({"action": action, "deviceid": "sw", "jobid": 7, "content": content}));
        let network = |kind| Ok(Message::Network(Network { kind, device_id: "sw".to_owned(), job_id: Some("7".to_owned()) }));
        assert_eq!(of("netdiscovery", json!({})), network(NetworkKind::Discovery));
        assert_eq!(of("netinventory", json!({"network_ports": []})), network(NetworkKind::Inventory));
        assert_eq!(of("inventory", json!({"network_device": {}})), network(NetworkKind::Inventory));
        assert!(matches!(of("netinventory", json!([])), Err(MessageError::Field { pointer: "/content", .. })));
        let other = parse(json!({"action": "get_params", "deviceid": "a"}));
        assert_eq!(other, Ok(Message::Other { action: "get_params".to_owned(), device_id: "a".to_owned() }));
    }

    #[test]
    fn errors_name_what_and_where() {
        for (text, part) in [
            ("{\"action\":\"contact\"", "no whole JSON document"),
            ("[]", "an object with 'action'"),
            ("{}", "/action: it is missing"),
            ("{\"action\":[]}", "/action: it is no short text"),
            ("{\"action\":\"contact\"}", "/deviceid: it is missing"),
            ("{\"action\":\"contact\",\"deviceid\":\" \"}", "/deviceid: it is no short text"),
            ("{\"action\":\"inventory\",\"deviceid\":\"a\"}", "/content: it is missing"),
            ("{\"action\":\"inventory\",\"deviceid\":\"a\",\"content\":[]}", "/content: it is missing, or no object"),
            ("{\"action\":\"contact\",\"deviceid\":\"a\",\"enabled-tasks\":\"inventory\"}", "/enabled-tasks: a list"),
            ("{\"action\":\"contact\",\"deviceid\":\"a\",\"installed-tasks\":[1]}", "/installed-tasks: names of tasks are texts"),
        ] {
            assert!(refused(text).contains(part), "{text}: {}", refused(text));
        }
        let id = |n: usize| parse(json!({"action": "contact", "deviceid": "x".repeat(n)}));
        assert!(id(DEVICEID_BYTES_MAX).is_ok());
        assert!(matches!(id(DEVICEID_BYTES_MAX + 1), Err(MessageError::Field { pointer: "/deviceid", .. })));
        let tasks = |n: usize| parse(json!({"action": "contact", "deviceid": "a", "enabled-tasks": vec!["x"; n]}));
        assert!(tasks(CAPACITIES_MAX).is_ok());
        assert!(matches!(tasks(CAPACITIES_MAX + 1), Err(MessageError::Field { pointer: "/enabled-tasks", .. })));
    }

    #[test]
    fn depth_is_refused_before_anything_is_built_from_it() {
        let nested = |n: usize| format!("{{\"action\":\"x\",\"deviceid\":\"a\",\"more\":{}1{}}}", "[".repeat(n), "]".repeat(n));
        assert!(parse_message(nested(DEPTH_MAX - 1).as_bytes()).is_ok());
        assert!(refused(&nested(DEPTH_MAX)).contains("nested deeper than 17 levels"));
        assert!(refused(&"[".repeat(4 << 20)).contains("at byte 17: nested deeper"));
        let brackets_in_text = json!({"action": "x", "deviceid": "a", "more": "[{\\\"".repeat(1_000)});
        assert!(parse(brackets_in_text).is_ok());
    }

    #[test]
    fn the_number_of_values_has_two_sides() {
        let many = |n: usize| format!("{{\"action\":\"x\",\"deviceid\":\"a\",\"more\":[{}1]}}", "1,".repeat(n));
        // Two brackets and two commas are the message itself.
        assert!(parse_message(many(VALUES_MAX - 4).as_bytes()).is_ok());
        assert!(refused(&many(VALUES_MAX - 3)).contains("more than"));
    }
}
