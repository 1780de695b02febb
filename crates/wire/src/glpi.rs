//! The few JSON answers that GLPI agents need while they are served in the legacy form (`docs/protocols/legacy-xml.md`,
//! "GLPI agents"). Absent on purpose: CONTACT and the rest of the native protocol.

use serde_json::json;

/// Content type of these answers.
pub const CONTENT_TYPE: &str = "application/json";

/// The answer to a message that was taken.
pub fn status_ok() -> String {
    json!({"status": "ok"}).to_string()
}

/// The answer to a first PROLOG with `GLPI-Agent-ID` by which the agent goes over to the native protocol.
pub fn status_pending() -> String {
    json!({"status": "pending"}).to_string()
}

/// The answer to a message that was refused; the agent writes `message` in its log.
pub fn status_error(message: &str) -> String {
    json!({"status": "error", "message": message}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_exactly_these_bytes() {
        assert_eq!(status_ok(), r#"{"status":"ok"}"#);
        assert_eq!(status_pending(), r#"{"status":"pending"}"#);
        assert_eq!(status_error("no \"room\"\n"), r#"{"status":"error","message":"no \"room\"\n"}"#);
    }
}
