//! The channel of Muster's own agent: one WebSocket on which a contact never ends (`docs/protocols/native.md`, "The channel").
//!
//! Each message is one text frame of JSON. What an agent says of itself and what it is told are the bodies of a contact and of
//! reports, so that both ways of speaking mean the same. Absent on purpose: sockets, and how the handshake is signed, which is as
//! for every other request.

use crate::native::{ContactAnswer, ContactRequest, ErrorBody, Report, ReportResult};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Path of the channel (`GET`, to be upgraded).
pub const CHANNEL_PATH: &str = "/agent/v1/channel";
/// The version of these messages; each side says its own, and the lower one counts.
pub const VERSION: u32 = 1;
/// A message, bytes; longer ones end the channel.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// How often an agent is to be heard of unless the server says otherwise.
pub const HEARTBEAT: Duration = Duration::from_secs(60);

/// What an agent says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromAgent {
    /// The first message.
    Hello {
        /// Its version of these messages.
        v: u32,
        /// What it is and has; `busy` names also what is over and was not told yet: what the server thinks was handed to this agent and
        /// is not named never arrived.
        state: ContactRequest,
    },
    /// What it has changed.
    State {
        /// As of now.
        state: ContactRequest,
    },
    /// Word of attempts; answered by [`FromServer::Reported`] with the same id.
    Report {
        /// A number that no other report of this channel has.
        id: u64,
        /// What happened, oldest first.
        reports: Vec<Report>,
    },
    /// It is there. It says so within each heartbeat in which it said nothing else.
    Alive,
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromServer {
    /// The answer to `hello`.
    Welcome {
        /// Its version of these messages.
        v: u32,
        /// How often the agent is to be heard of, seconds. Whoever is silent for two and a half of them is gone, on either side.
        heartbeat_seconds: u64,
        /// Should the channel break, the agent opens the next one at a moment of this time by chance, seconds; absent: as it likes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reconnect_within_seconds: Option<u64>,
    },
    /// Work, what must stop, the brake, a wanted inventory.
    Tidings {
        /// What is new.
        tidings: ContactAnswer,
    },
    /// What became of a report.
    Reported {
        /// The report's number.
        id: u64,
        /// One result per word, in the same order.
        #[serde(default)]
        results: Vec<ReportResult>,
        /// Why none was taken: to be told again later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<ErrorBody>,
    },
    /// It is there.
    Alive {
        /// The server's clock, milliseconds since 1970.
        server_time_ms: i64,
        /// As in `welcome`: more may be connected by now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reconnect_within_seconds: Option<u64>,
    },
    /// The channel ends.
    Bye {
        /// When to open the next, seconds; each agent spreads that by chance.
        reconnect_in_seconds: u64,
        /// A sentence.
        why: String,
    },
}

/// Where the schema is published (`GET`).
pub const SCHEMA_PATH: &str = "/agent/v1/schema.json";

/// The JSON Schema (2020-12) of the messages: `FromAgent` and `FromServer` of its `$defs`.
pub fn schema() -> serde_json::Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let (agent, server) = (generator.subschema_for::<FromAgent>(), generator.subschema_for::<FromServer>());
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The channel of Muster's own agent",
        "description": format!("Messages of version {VERSION}, one text frame each; see docs/protocols/native.md."),
        "anyOf": [agent, server],
        "$defs": generator.take_definitions(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_schema_that_is_published_is_that_of_the_messages() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocols/channel.schema.json");
        let now = serde_json::to_string_pretty(&schema()).expect("json") + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &now).expect("written");
        }
        let published = std::fs::read_to_string(path).expect("docs/protocols/channel.schema.json");
        assert_eq!(published, now, "run this test with UPDATE=1, and see that only something was added");
        for name in ["FromAgent", "FromServer", "ContactRequest", "ContactAnswer", "Order", "Report"] {
            assert!(schema()["$defs"][name].is_object(), "{name}");
        }
        let kinds = |name: &str| schema()["$defs"][name]["oneOf"].as_array().map_or(0, Vec::len);
        assert_eq!((kinds("FromAgent"), kinds("FromServer")), (4, 5));
    }

    #[test]
    fn messages_are_spelled_as_in_the_document() {
        let state = json!({"version": "1", "time_ms": 5, "modules": ["inventory"], "busy": [], "wait_seconds": 0, "max_orders": 8});
        for text in [json!({"type": "hello", "v": 1, "state": state}), json!({"type": "state", "state": state}), json!({"type": "alive"})] {
            let read: FromAgent = serde_json::from_value(text.clone()).expect("a message");
            assert_eq!(serde_json::to_value(&read).expect("json"), text);
        }
        let tidings = json!({"orders": [], "contact_in_seconds": 1, "inventory_due": true, "server_time_ms": 7});
        for text in [
            json!({"type": "welcome", "v": 1, "heartbeat_seconds": 60}),
            json!({"type": "tidings", "tidings": tidings}),
            json!({"type": "reported", "id": 3, "results": []}),
            json!({"type": "alive", "server_time_ms": 7}),
            json!({"type": "bye", "reconnect_in_seconds": 30, "why": "the server stops"}),
        ] {
            let read: FromServer = serde_json::from_value(text.clone()).expect("a message");
            assert_eq!(serde_json::to_value(&read).expect("json"), text);
        }
    }
}
