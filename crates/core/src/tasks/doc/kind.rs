//! The types of actions there are, with their schemas: what forms and documents are made of.

use super::action::{Action, DEPLOYED};
use super::words::Scope;
use crate::fleet::Protocol;
use serde::Serialize;
use serde_json::Value;

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
    pub const ALL: [ActionKind; 26] = [
        client("inventory", "Bring in a full inventory.", &[], 0),
        client("basic_inventory", "Bring in what tells which machine this is; by Muster's own agent.", &[], 0),
        client("ip_configuration", "Bring in addresses, routes and name servers; by every agent; OCS agents tell no output.", &[], 0),
        client(
            "run_script",
            "Run a script on the machine; by every agent; OCS agents tell no output.",
            &["script", "shell", "arguments", "environment", "directory", "user", "expect", "memory_mib", "cpu_percent"],
            1,
        ),
        client(
            "power_control",
            "Shut down, restart or suspend the machine, log off its users, or call off what was announced; by every agent; OCS agents tell no output.",
            &["do", "warning", "message"],
            1,
        ),
        client(
            "control_service",
            "Start, stop, restart, reload, enable or disable a service, or tell how it stands; by every agent; OCS agents tell no output.",
            &["service", "do"],
            2,
        ),
        client("defragment", "Trim or tidy the file systems where it helps; by Muster's own agent.", &["volumes"], 0),
        client("configure_agent", "Change the tag or the name that Muster's own agent tells.", &["tag", "name"], 0),
        client("reset_agent", "Muster's own agent gives back what it has not begun and starts anew.", &[], 0),
        client("agent_log", "Bring in the latest lines of the log of Muster's own agent.", &["lines"], 0),
        client(
            "check_addresses",
            "Ask addresses whether something takes connections on TCP ports; by a pool of Muster's own agents, slice by slice.",
            &["ports", "timeout"],
            1,
        ),
        server("write_log", "Write a line in the server's log.", &["message", "level"], 1),
        server("raise_message", "Show a message to the people of the organization.", &["title", "text", "level"], 1),
        server("call_web_service", "Call a web service over HTTP.", &["url", "method", "headers", "body", "expect", "timeout"], 1),
        server("send_email", "Send a mail.", &["to", "subject", "body"], 2),
        server("wake_agents", "Wake the agents of the targets, so that they come now.", &[], 0),
        server("change_group", "Put the targets in a group that people list, or take them out of it.", &["group", "do"], 2),
        server("update_group", "Find anew who is in a group that follows a query.", &["group"], 1),
        server("delete_item", "Delete a task, a group, a device or a saved report.", &["kind", "item"], 2),
        server("move_item", "Move a task, a group, a device or a saved report to another organization.", &["kind", "item", "org"], 3),
        server("run_query", "Ask the published views in SQL; the answer is the output of the step.", &["query"], 1),
        server("run_report", "Ask what a saved report asks, and keep the answer.", &["report"], 1),
        server("purge_report", "Remove answers that are kept of a saved report.", &["report", "keep", "older_than"], 1),
        server(
            "clean_files",
            "Remove documents that agents brought unasked, reports of crashes, and programs that no machine has any more.",
            &["older_than", "what"],
            0,
        ),
        server("restart_server", "Stop the services of the server that does the step, and start them again.", &[], 0),
        server("change_schedule", "Put the schedule of a task out of action, or back.", &["task", "do"], 2),
    ];

    /// What must be there for it, in a line; empty: nothing but the agent or the server.
    pub fn needs(&self) -> &'static str {
        match self.kind {
            "run_script" => "sh, bash, python3 or pwsh, as the script says; control groups (version 2) for its limits",
            "power_control" => "shutdown, systemctl and loginctl",
            "control_service" => "systemd, OpenRC or service",
            "defragment" => "fstrim for what can be trimmed, e4defrag for ext4 on disks with heads; without them it says so",
            "ip_configuration" => "for GLPI and FusionInventory agents: ip or ifconfig",
            "check_addresses" => "a way to the addresses; alone in its task, with actors and targets.ip_ranges",
            "send_email" => "the server's setting smtp",
            "call_web_service" => "the service; the server's own addresses only where web_calls_to names them",
            "wake_agents" => "agents with an HTTP server of their own, or Muster's own",
            "change_group" => "a group that people list",
            "update_group" => "a group that follows a query",
            "delete_item" => "the item; a group only where no task names it",
            "move_item" => "both organizations; a group without members and a report without kept answers",
            "run_report" | "purge_report" => "a saved report",
            "change_schedule" => "a task with a schedule",
            _ => "",
        }
    }

    /// Whether doing it twice does no harm: always, never, or as its parameters and the step say.
    pub fn repeats(&self) -> Repeats {
        match self.kind {
            "power_control" | "reset_agent" | "raise_message" | "restart_server" => Repeats::Never,
            "run_script" | "control_service" | "call_web_service" => Repeats::AsWritten,
            _ => Repeats::Always,
        }
    }

    /// The JSON Schema of an action of this type, `type` and parameters.
    pub fn schema(&self) -> Value {
        let whole = serde_json::to_value(schemars::schema_for!(Action)).unwrap_or_default();
        let is_it = |variant: &&Value| variant["properties"]["type"]["const"] == self.kind;
        let mut found = whole["oneOf"].as_array().into_iter().flatten().find(is_it).cloned().unwrap_or_default();
        if let Some(map) = found.as_object_mut() {
            map.insert("$schema".to_owned(), whole["$schema"].clone());
            map.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
        inlined(&mut found, &whole["$defs"]);
        found
    }

    /// Which agents can do it, where agents do.
    pub fn protocols(&self) -> &'static [Protocol] {
        match (self.kind, self.scope) {
            ("inventory", _) => &Protocol::ALL,
            (kind, Scope::Client) if DEPLOYED.contains(&kind) => &Protocol::ALL,
            ("call_web_service", _) | (_, Scope::Client) => &[Protocol::Muster],
            _ => &[],
        }
    }

    /// The type of a word.
    pub fn named(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.kind == kind)
    }
}

const fn client(kind: &'static str, help: &'static str, parameters: &'static [&'static str], required: usize) -> ActionKind {
    ActionKind { kind, scope: Scope::Client, help, parameters, required }
}

const fn server(kind: &'static str, help: &'static str, parameters: &'static [&'static str], required: usize) -> ActionKind {
    ActionKind { kind, scope: Scope::Server, help, parameters, required }
}

/// Whether doing something twice does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeats {
    /// It never does.
    Always,
    /// Not when its parameters or the step's `idempotent` say otherwise.
    AsWritten,
    /// It does: it is begun at most once.
    Never,
}

/// Puts what a schema refers to in the place of the reference: each schema stands for itself.
fn inlined(schema: &mut Value, known: &Value) {
    let named = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")).map(|name| known[name].clone());
    if let (Some(named), Some(map)) = (named, schema.as_object_mut()) {
        map.remove("$ref");
        for (key, value) in named.as_object().into_iter().flatten() {
            match (map.get_mut(key), value) {
                (Some(Value::Object(have)), Value::Object(more)) => have.extend(more.clone()),
                (Some(Value::Array(have)), Value::Array(more)) => have.extend(more.clone()),
                (Some(_), _) => {}
                (None, value) => drop(map.insert(key.clone(), value.clone())),
            }
        }
    }
    match schema {
        Value::Object(map) => map.values_mut().for_each(|value| inlined(value, known)),
        Value::Array(list) => list.iter_mut().for_each(|value| inlined(value, known)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::doc::TaskDoc;
    use serde_json::json;
    use std::collections::BTreeSet;

    #[test]
    fn each_schema_has_the_parameters_that_are_read_and_says_what_each_is() {
        for kind in ActionKind::ALL {
            let schema = kind.schema();
            let properties = schema["properties"].as_object().unwrap_or_else(|| panic!("{}: {schema}", kind.kind));
            let told: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
            let read: BTreeSet<&str> = kind.parameters.iter().copied().chain(["type"]).collect();
            assert_eq!(told, read, "{}", kind.kind);
            let required: BTreeSet<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let wanted: BTreeSet<&str> = kind.parameters[..kind.required].iter().copied().chain(["type"]).collect();
            assert_eq!(required, wanted, "{}", kind.kind);
            for (name, property) in properties.iter().filter(|(name, _)| *name != "type") {
                assert!(property["description"].is_string(), "{}: {name} is not described", kind.kind);
            }
            assert!(!schema.to_string().contains("$ref"), "{}", kind.kind);
        }
    }

    #[test]
    fn what_repeats_without_harm_is_as_the_actions_say() {
        let minimal = |kind: &ActionKind| {
            let mut action = json!({"type": kind.kind});
            for name in &kind.parameters[..kind.required] {
                action[*name] = match *name {
                    "kind" => json!("task"),
                    "query" => json!("select name from devices"),
                    "do" => kind.schema()["properties"]["do"]["oneOf"][0]["const"].clone(),
                    "to" => json!(["ann@example.org"]),
                    "url" => json!("https://example.org/"),
                    "ports" => json!([22]),
                    _ => json!("x"),
                };
            }
            if kind.kind == "configure_agent" {
                action["tag"] = json!("x");
            }
            action
        };
        for kind in ActionKind::ALL {
            let mut doc = json!({"name": "n", "targets": {"all": true}, "steps": [{"id": "a", "action": minimal(&kind)}]});
            if kind.kind == "check_addresses" {
                (doc["targets"], doc["actors"]) = (json!({"ip_ranges": ["10.0.0.0/24"]}), json!({"pool": {}}));
            }
            let doc = TaskDoc::parse(&doc).unwrap_or_else(|faults| panic!("{}: {faults:?}", kind.kind));
            let action = &doc.steps[0].action;
            let expected = match (action.is_idempotent(), action.may_be_idempotent()) {
                (_, true) if ["run_script", "control_service", "call_web_service"].contains(&kind.kind) => Repeats::AsWritten,
                (true, _) => Repeats::Always,
                (false, _) => Repeats::Never,
            };
            assert_eq!((kind.repeats(), kind.scope), (expected, action.scope()), "{}", kind.kind);
        }
    }
}
