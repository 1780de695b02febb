//! Answers to GLPI agents in their native JSON (`docs/protocols/glpi-native.md`).
//!
//! Absent on purpose: what agents send ([`crate::glpi_message`], [`crate::glpi_content`]), and the rules about what to answer.

use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt;
use std::time::Duration;

/// Content type of these answers.
pub const CONTENT_TYPE: &str = "application/json";
/// The header with the agent's UUID.
pub const AGENT_ID_HEADER: &str = "glpi-agent-id";
/// The header that names a request, so that the agent can ask what became of it.
pub const REQUEST_ID_HEADER: &str = "glpi-request-id";
/// The header with the UUIDs of proxy agents that passed a request on.
pub const PROXY_ID_HEADER: &str = "glpi-proxy-id";
/// The version of GLPI that agents take us for: newer features of the JSON format are sent from here on
/// (`docs/protocols/glpi-native.md`, "CONTACT").
pub const GLPI_VERSION: &str = "10.0.17";
/// Task names in the `tasks` of an answer: without an explicit entry a daemon keeps the one it got before.
const ANSWERED_TASKS: [&str; 4] = ["inventory", "netdiscovery", "netinventory", "wakeonlan"];

/// A delay as agents read it: digits and a unit. Without a unit the number would be hours, so there always is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiration(Duration);

impl Expiration {
    /// A delay, in whole seconds, at least one: zero would be read as "none told".
    pub fn of(delay: Duration) -> Self {
        Self(Duration::from_secs(delay.as_secs().max(1)))
    }
}

impl fmt::Display for Expiration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs())
    }
}

impl Serialize for Expiration {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// The answer to a CONTACT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactAnswer<'a> {
    /// When to come again.
    pub expiration: Expiration,
    /// Tasks to be left out in this run, lower case.
    pub disabled: Vec<&'a str>,
    /// Tasks for which there is work that is handed out over the legacy form only: the agent sends a second PROLOG for it.
    pub over_prolog: Vec<&'a str>,
    /// A sentence for the agent's log.
    pub message: Option<&'a str>,
}

impl ContactAnswer<'_> {
    /// The answer's text.
    pub fn text(&self) -> String {
        let mut answer = Map::from_iter([("status".to_owned(), json!("ok"))]);
        if let Some(message) = self.message {
            answer.insert("message".to_owned(), json!(message));
        }
        answer.insert("expiration".to_owned(), json!(self.expiration));
        if !self.disabled.is_empty() {
            answer.insert("disabled".to_owned(), json!(self.disabled));
        }
        let server = |task: &str| if self.over_prolog.contains(&task) { "glpiinventory" } else { "glpi" };
        let tasks = ANSWERED_TASKS.iter().map(|task| ((*task).to_owned(), json!({"server": server(task), "version": GLPI_VERSION})));
        answer.insert("tasks".to_owned(), Value::Object(tasks.collect()));
        Value::Object(answer).to_string()
    }
}

/// The answer to a message that was taken.
pub fn status_ok() -> String {
    json!({"status": "ok"}).to_string()
}

/// The answer to a first PROLOG with `GLPI-Agent-ID` by which the agent goes over to the native protocol. It must not have an
/// expiration: with one the agent runs its tasks without a CONTACT.
pub fn status_pending() -> String {
    json!({"status": "pending"}).to_string()
}

/// The answer to a request whose outcome is not known yet: the agent asks again after the delay, 12 times at most.
pub fn status_later(delay: Duration) -> String {
    json!({"status": "pending", "expiration": Expiration::of(delay)}).to_string()
}

/// The answer to a message that was refused; the agent writes `message` in its log.
pub fn status_error(message: &str) -> String {
    json!({"status": "error", "message": message}).to_string()
}

/// The answer to `?action=getConfig` when no job waits. `schedule` is a list, or the agent gives up.
pub fn no_schedule() -> String {
    json!({"configValidityPeriod": 600, "schedule": []}).to_string()
}

/// The answer to a request for a token (RFC 6749, 4.4.3).
pub fn token_answer(token: &str, lasts: Duration) -> String {
    json!({"token_type": "Bearer", "access_token": token, "expires_in": lasts.as_secs()}).to_string()
}

/// The refusal of a token (RFC 6749, 5.2): `invalid_request`, `invalid_client`, `unsupported_grant_type`.
pub fn token_error(key: &str, text: &str) -> String {
    json!({"error": key, "error_description": text}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_exactly_these_bytes() {
        assert_eq!(status_ok(), r#"{"status":"ok"}"#);
        assert_eq!(status_pending(), r#"{"status":"pending"}"#);
        assert_eq!(status_later(Duration::from_secs(2)), r#"{"status":"pending","expiration":"2s"}"#);
        assert_eq!(status_error("no \"room\"\n"), r#"{"status":"error","message":"no \"room\"\n"}"#);
        assert_eq!(no_schedule(), r#"{"configValidityPeriod":600,"schedule":[]}"#);
        assert_eq!(token_answer("t", Duration::from_secs(3_600)), r#"{"token_type":"Bearer","access_token":"t","expires_in":3600}"#);
        assert_eq!(token_error("invalid_client", "no"), r#"{"error":"invalid_client","error_description":"no"}"#);
    }

    #[test]
    fn a_contact_is_answered_with_delay_what_is_off_and_every_task_by_name() {
        let answer = ContactAnswer {
            expiration: Expiration::of(Duration::from_secs(1_234)),
            disabled: vec!["deploy", "collect"],
            over_prolog: vec!["netdiscovery"],
            message: None,
        };
        assert_eq!(
            answer.text(),
            "{\"status\":\"ok\",\"expiration\":\"1234s\",\"disabled\":[\"deploy\",\"collect\"],\"tasks\":{\
             \"inventory\":{\"server\":\"glpi\",\"version\":\"10.0.17\"},\"netdiscovery\":{\"server\":\"glpiinventory\",\"version\":\"10.0.17\"},\
             \"netinventory\":{\"server\":\"glpi\",\"version\":\"10.0.17\"},\"wakeonlan\":{\"server\":\"glpi\",\"version\":\"10.0.17\"}}}"
        );
        let answer = ContactAnswer { disabled: Vec::new(), message: Some("hello"), ..answer }.text();
        assert!(answer.starts_with(r#"{"status":"ok","message":"hello","expiration""#) && !answer.contains("disabled"), "{answer}");
    }

    /// What agents make of an expiration: digits are hours, digits with s, m, h, d are that, anything else is 0.
    fn as_agents_read(text: &str) -> u64 {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let number: u64 = digits.parse().unwrap_or(0);
        match &text[digits.len()..] {
            "s" => number,
            "m" => number * 60,
            "" | "h" => number * 3_600,
            "d" => number * 86_400,
            _ => 0,
        }
    }

    #[test]
    fn expirations_are_read_as_the_seconds_they_mean() {
        for (delay, text, read) in [
            (Duration::ZERO, "1s", 1),
            (Duration::from_millis(999), "1s", 1),
            (Duration::from_secs(59), "59s", 59),
            (Duration::from_secs(60), "60s", 60),
            (Duration::from_millis(3_600_900), "3600s", 3_600),
            (Duration::from_secs(86_400 * 30), "2592000s", 2_592_000),
        ] {
            let told = Expiration::of(delay).to_string();
            assert_eq!((told.as_str(), as_agents_read(&told)), (text, read));
        }
        assert_eq!(as_agents_read("24"), 86_400, "a number alone would be hours");
    }
}
