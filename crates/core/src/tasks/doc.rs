//! The task document: what a person writes, in YAML or JSON.
//!
//! Reading reports every fault at once, each with the JSON pointer of its place, and names the nearest known key. Keys of later
//! versions are refused by name instead of being ignored.

use super::state::Rules;
use crate::limits::{ATTEMPTS_MAX, NAME_CHARS_MAX, NOTES_CHARS_MAX, TASK_STEPS_MAX};
use crate::nearest::nearest;
use crate::query::Query;
use crate::settings::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;

/// One fault of a task document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{pointer}: {what}")]
pub struct BadTask {
    /// JSON pointer of the place.
    pub pointer: String,
    /// A sentence: what, which value, what to do.
    pub what: String,
}

/// How work reaches the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Wait for the agent to come.
    #[default]
    Pull,
    /// Wake it, then as pull.
    Push,
}

/// What a task is aimed at. Empty selects nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// Ids or names of devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// A query, see [`crate::query`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Every device of the organization; must be said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// What is taken out again.
    #[serde(default, skip_serializing_if = "Exclude::is_empty")]
    pub exclude: Exclude,
}

/// What is taken out of the targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclude {
    /// Ids or names of devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// A query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Exclude {
    /// Whether nothing is taken out.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty() && self.query.is_none() && self.tags.is_empty()
    }
}

/// How often and after what a step is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts in all, 1 to [`ATTEMPTS_MAX`].
    pub attempts: u32,
    /// Pause before the second try.
    pub backoff: Span,
    /// After which outcomes: `error`, `unknown`.
    pub on: Vec<String>,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, backoff: Span(Duration::from_secs(30)), on: vec!["error".to_owned(), "unknown".to_owned()] }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// Bring in a full inventory.
    Inventory,
}

impl Action {
    /// The type's word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Action::Inventory => "inventory",
        }
    }

    /// Whether doing it twice does no harm.
    pub const fn is_idempotent(&self) -> bool {
        match self {
            Action::Inventory => true,
        }
    }

    /// Whether an unverified agent may do it.
    pub const fn is_open_to_strangers(&self) -> bool {
        match self {
            Action::Inventory => true,
        }
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name within the task.
    pub id: String,
    /// What it does.
    pub action: Action,
    /// Longest time from hand-out to result; the organization's lease when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// A task as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskDoc {
    /// Its name, unique in the organization.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Free labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// What it is aimed at.
    #[serde(default)]
    pub targets: Targets,
    /// How work reaches the agent.
    #[serde(default)]
    pub delivery: Delivery,
    /// 0 (first) to 9.
    #[serde(default = "default_priority")]
    pub priority: u8,
    /// How often it is tried.
    #[serde(default)]
    pub retry: Retry,
    /// What is done.
    pub steps: Vec<Step>,
}

const fn default_priority() -> u8 {
    5
}

const LATER: &[&str] = &["mode", "actors", "schedule", "window", "rollout"];
const LATER_TARGETS: &[&str] = &["groups", "ip_ranges", "subnets", "late_joiners"];
const LATER_STEP: &[&str] = &["scope", "when", "on_error", "outputs", "idempotent", "retry"];

impl TaskDoc {
    /// Reads a document; every fault at once.
    pub fn parse(document: &Value) -> Result<Self, Vec<BadTask>> {
        let mut reader = Reader { faults: Vec::new() };
        let doc = reader.task(document);
        match doc {
            Some(doc) if reader.faults.is_empty() => Ok(doc),
            _ => Err(reader.faults),
        }
    }

    /// The rules of trying for one step.
    pub fn rules(&self, step: &Step) -> Rules {
        Rules {
            attempts_max: self.retry.attempts,
            backoff: self.retry.backoff.0,
            on_error: self.retry.on.iter().any(|o| o == "error"),
            on_unknown: self.retry.on.iter().any(|o| o == "unknown"),
            idempotent: step.action.is_idempotent(),
        }
    }
}

struct Reader {
    faults: Vec<BadTask>,
}

impl Reader {
    fn fault(&mut self, pointer: &str, what: impl Into<String>) {
        self.faults.push(BadTask { pointer: pointer.to_owned(), what: what.into() });
    }

    /// Checks an object's keys; gives the object.
    fn object<'v>(&mut self, at: &str, value: &'v Value, known: &[&str], later: &[&str]) -> Option<&'v Map<String, Value>> {
        let Some(map) = value.as_object() else {
            self.fault(at, format!("an object with keys such as {} is expected here", known.join(", ")));
            return None;
        };
        for key in map.keys().filter(|k| !known.contains(&k.as_str())) {
            let pointer = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
            if later.contains(&key.as_str()) {
                self.fault(&pointer, format!("'{key}' is not available in this version of Muster; remove it"));
            } else {
                let hint = nearest(key, known.iter().copied()).map_or(String::new(), |near| format!("; did you mean '{near}'?"));
                self.fault(&pointer, format!("there is no key '{key}' here{hint}"));
            }
        }
        Some(map)
    }

    fn text(&mut self, at: &str, value: Option<&Value>, chars_max: usize) -> Option<String> {
        match value {
            None | Some(Value::Null) => None,
            Some(Value::String(s)) if s.chars().count() <= chars_max => Some(s.clone()),
            Some(Value::String(s)) => {
                self.fault(at, format!("this text has {} characters; at most {chars_max} are kept", s.chars().count()));
                None
            }
            Some(other) => {
                self.fault(at, format!("a text is expected here, not {}", kind_of(other)));
                None
            }
        }
    }

    fn texts(&mut self, at: &str, value: Option<&Value>, count_max: usize) -> Vec<String> {
        match value {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) if list.len() <= count_max => {
                list.iter().enumerate().filter_map(|(i, v)| self.text(&format!("{at}/{i}"), Some(v), NAME_CHARS_MAX)).collect()
            }
            Some(Value::Array(list)) => {
                self.fault(at, format!("{} entries; at most {count_max} are taken. Use a query instead", list.len()));
                Vec::new()
            }
            Some(other) => {
                self.fault(at, format!("a list of texts is expected here, not {}", kind_of(other)));
                Vec::new()
            }
        }
    }

    fn span(&mut self, at: &str, value: Option<&Value>) -> Option<Span> {
        let text = self.text(at, value, 40)?;
        let span = Span::parse(&text).filter(|s| s.0 <= Duration::from_secs(366 * 86_400));
        if span.is_none() {
            self.fault(at, format!("'{text}' is not a duration of at most a year: write a number and a unit, such as 30s, 15m, 24h"));
        }
        span
    }

    fn query(&mut self, at: &str, value: Option<&Value>) -> Option<String> {
        let text = self.text(at, value, crate::limits::QUERY_BYTES_MAX)?;
        match Query::parse(&text) {
            Ok(_) => Some(text),
            Err(bad) => {
                self.fault(at, bad.what);
                None
            }
        }
    }

    fn task(&mut self, value: &Value) -> Option<TaskDoc> {
        const KNOWN: &[&str] = &["name", "description", "labels", "targets", "delivery", "priority", "retry", "steps"];
        let map = self.object("", value, KNOWN, LATER)?;
        let name = self.text("/name", map.get("name"), NAME_CHARS_MAX).map(|n| n.trim().to_owned());
        if name.as_deref().is_none_or(str::is_empty) && !self.faults.iter().any(|f| f.pointer == "/name") {
            self.fault("/name", "a task needs a name");
        }
        let description = self.text("/description", map.get("description"), NOTES_CHARS_MAX).unwrap_or_default();
        let labels = self.texts("/labels", map.get("labels"), 50);
        let targets = map.get("targets").map_or_else(Targets::default, |t| self.targets(t));
        let delivery = self.delivery(map.get("delivery"));
        let priority = self.priority(map.get("priority"));
        let retry = map.get("retry").map_or_else(Retry::default, |r| self.retry(r));
        let steps = self.steps(map.get("steps"));
        Some(TaskDoc { name: name?, description, labels, targets, delivery, priority, retry, steps })
    }

    fn delivery(&mut self, value: Option<&Value>) -> Delivery {
        match self.text("/delivery", value, 40).as_deref() {
            None | Some("pull") => Delivery::Pull,
            Some("push") => Delivery::Push,
            Some(other) => {
                self.fault("/delivery", format!("there is no delivery '{other}'; there are pull and push"));
                Delivery::Pull
            }
        }
    }

    fn priority(&mut self, value: Option<&Value>) -> u8 {
        match value {
            None | Some(Value::Null) => default_priority(),
            Some(v) => v.as_u64().filter(|p| *p <= 9).and_then(|p| u8::try_from(p).ok()).unwrap_or_else(|| {
                self.fault("/priority", format!("{v} is no priority; it is a whole number from 0 (first) to 9 (last)"));
                default_priority()
            }),
        }
    }

    fn targets(&mut self, value: &Value) -> Targets {
        let Some(map) = self.object("/targets", value, &["devices", "query", "all", "exclude"], LATER_TARGETS) else {
            return Targets::default();
        };
        let all = match map.get("all") {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(other) => {
                self.fault("/targets/all", format!("true is expected here, not {}", kind_of(other)));
                false
            }
        };
        Targets {
            devices: self.texts("/targets/devices", map.get("devices"), 10_000),
            query: self.query("/targets/query", map.get("query")),
            all,
            exclude: map.get("exclude").map_or_else(Exclude::default, |e| self.exclude(e)),
        }
    }

    fn exclude(&mut self, value: &Value) -> Exclude {
        let at = "/targets/exclude";
        let Some(map) = self.object(at, value, &["devices", "query", "tags"], LATER_TARGETS) else {
            return Exclude::default();
        };
        Exclude {
            devices: self.texts(&format!("{at}/devices"), map.get("devices"), 10_000),
            query: self.query(&format!("{at}/query"), map.get("query")),
            tags: self.texts(&format!("{at}/tags"), map.get("tags"), 1_000),
        }
    }

    fn retry(&mut self, value: &Value) -> Retry {
        let mut retry = Retry::default();
        let Some(map) = self.object("/retry", value, &["attempts", "backoff", "on"], &[]) else {
            return retry;
        };
        if let Some(v) = map.get("attempts") {
            match v.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| (1..=ATTEMPTS_MAX).contains(n)) {
                Some(attempts) => retry.attempts = attempts,
                None => self.fault("/retry/attempts", format!("{v} attempts; it is a whole number from 1 to {ATTEMPTS_MAX}")),
            }
        }
        if let Some(backoff) = self.span("/retry/backoff", map.get("backoff")) {
            retry.backoff = backoff;
        }
        if map.contains_key("on") {
            retry.on = self.texts("/retry/on", map.get("on"), 2);
            for (i, word) in retry.on.clone().iter().enumerate().filter(|(_, w)| !["error", "unknown"].contains(&w.as_str())) {
                self.fault(&format!("/retry/on/{i}"), format!("'{word}' is no outcome to retry on; there are error and unknown"));
            }
        }
        retry
    }

    fn steps(&mut self, value: Option<&Value>) -> Vec<Step> {
        let list = match value {
            Some(Value::Array(list)) if !list.is_empty() => list,
            None | Some(Value::Null | Value::Array(_)) => {
                self.fault("/steps", "a task needs at least one step, such as {id: collect, action: {type: inventory}}");
                return Vec::new();
            }
            Some(other) => {
                self.fault("/steps", format!("a list of steps is expected here, not {}", kind_of(other)));
                return Vec::new();
            }
        };
        if list.len() > TASK_STEPS_MAX {
            self.fault("/steps", format!("{} steps; at most {TASK_STEPS_MAX} are taken", list.len()));
        } else if list.len() > 1 {
            self.fault("/steps/1", "tasks of several steps are not available in this version of Muster; make one task of each step");
        }
        list.iter().take(1).enumerate().filter_map(|(i, step)| self.step(i, step)).collect()
    }

    fn step(&mut self, index: usize, value: &Value) -> Option<Step> {
        let at = format!("/steps/{index}");
        let map = self.object(&at, value, &["id", "action", "timeout"], LATER_STEP)?;
        let id = self.text(&format!("{at}/id"), map.get("id"), 60).unwrap_or_else(|| format!("step{}", index + 1));
        if !is_step_id(&id) {
            self.fault(&format!("{at}/id"), format!("'{id}' is no step id; use letters, digits and _, beginning with a letter"));
        }
        let timeout = self.span(&format!("{at}/timeout"), map.get("timeout"));
        if timeout.is_some_and(|t| t.0 < Duration::from_secs(10)) {
            self.fault(&format!("{at}/timeout"), "a step needs at least 10s");
        }
        let Some(action) = map.get("action") else {
            self.fault(&format!("{at}/action"), "a step needs an action, such as {type: inventory}");
            return None;
        };
        let at = format!("{at}/action");
        let map = self.object(&at, action, &["type"], &[])?;
        match self.text(&format!("{at}/type"), map.get("type"), 60).as_deref() {
            Some("inventory") => Some(Step { id, action: Action::Inventory, timeout }),
            Some(other) => {
                self.fault(&format!("{at}/type"), format!("there is no action '{other}' in this version of Muster; there is inventory"));
                None
            }
            None => {
                self.fault(&format!("{at}/type"), "an action needs a type, such as inventory");
                None
            }
        }
    }
}

fn is_step_id(id: &str) -> bool {
    id.starts_with(|c: char| c.is_ascii_alphabetic()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(document: Value) -> Vec<String> {
        TaskDoc::parse(&document).expect_err("faults").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_smallest_task_has_its_defaults() {
        let doc = TaskDoc::parse(&json!({"name": " n ", "steps": [{"id": "a", "action": {"type": "inventory"}}]})).expect("valid");
        assert_eq!((doc.name.as_str(), doc.priority, doc.delivery), ("n", 5, Delivery::Pull));
        assert_eq!(doc.targets, Targets::default());
        assert_eq!(doc.rules(&doc.steps[0]).attempts_max, 3);
        let again = TaskDoc::parse(&serde_json::to_value(&doc).expect("json")).expect("round trip");
        assert_eq!(again, doc);
    }

    #[test]
    fn every_fault_is_told_at_once_with_its_place() {
        let told = faults(json!({
            "nmae": "x", "schedule": {"now": true}, "priority": 12, "delivery": "carrier",
            "targets": {"groups": ["g"], "query": "nam == 'x'"}, "retry": {"attempts": 0, "backoff": "soon", "on": ["ok"]},
            "steps": [{"id": "1", "action": {"type": "run_script"}, "timeout": "1s"}]
        }))
        .join("\n");
        for part in [
            "/nmae: there is no key 'nmae' here; did you mean 'name'?",
            "/name: a task needs a name",
            "/schedule: 'schedule' is not available",
            "/priority: 12 is no priority",
            "/delivery: there is no delivery 'carrier'",
            "/targets/groups: 'groups' is not available",
            "/targets/query: there is no field 'nam'; did you mean 'name'?",
            "/retry/attempts: 0 attempts",
            "/retry/backoff: 'soon' is not a duration",
            "/retry/on/0: 'ok' is no outcome",
            "/steps/0/id: '1' is no step id",
            "/steps/0/timeout: a step needs at least 10s",
            "/steps/0/action/type: there is no action 'run_script'",
        ] {
            assert!(told.contains(part), "missing: {part}\nin:\n{told}");
        }
    }

    #[test]
    fn what_is_no_task_at_all_is_refused() {
        for document in [json!(null), json!([]), json!("x"), json!({}), json!({"name": "x", "steps": []}), json!({"name": 7, "steps": 1})] {
            assert!(!faults(document).is_empty());
        }
        let two = json!({"name": "x", "steps": [{"action": {"type": "inventory"}}, {"action": {"type": "inventory"}}]});
        assert!(faults(two)[0].contains("several steps"));
    }
}
