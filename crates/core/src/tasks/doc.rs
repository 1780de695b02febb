//! The task document: what a person writes, in YAML or JSON.
//!
//! Reading reports every fault at once, each with the JSON pointer of its place, and names the nearest known key. Keys of later
//! versions are refused by name instead of being ignored.

mod act;
mod action;
mod flow;
mod kind;
mod placeholders;
mod read;
#[cfg(test)]
mod tests;
mod when;
mod who;
mod words;

pub use action::{Action, CHECK_WAITS, CHECKS_AT_ONCE, DEPLOYED, Script};
pub use flow::{Barrier, OnError, Stragglers};
pub use kind::{ActionKind, Repeats};
pub use placeholders::{Facts, PLACEHOLDERS, fill};
pub use who::{Actors, Pool, Selector};
pub use words::{GroupAct, ItemKind, Leftover, Level, Method, Power, ScheduleAct, Scope, ServiceAct, Shell};

use super::rollout::Share;
use super::schedule::{Schedule, Trigger, When};
use super::state::Rules;
use super::window::Window;
use crate::ids::GroupId;
use crate::settings::Span;
use read::Reader;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
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

/// In what order targets go through the steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Each target at its own pace.
    #[default]
    ClientJob,
    /// A step begins once the one before is done on every target.
    ServerJob,
}

impl Mode {
    /// The word in documents, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::ClientJob => "client_job",
            Mode::ServerJob => "server_job",
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl std::str::FromStr for Mode {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        [Self::ClientJob, Self::ServerJob]
            .into_iter()
            .find(|m| m.as_str() == word)
            .ok_or_else(|| format!("there is no mode '{word}'; there are client_job and server_job"))
    }
}

/// What a task is aimed at. Empty selects nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// Ids or names of devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Names or ids of groups; who is in them is looked up at each start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// A query, see [`crate::query`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Every device of the organization; must be said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Ranges of addresses, as written; see [`super::pool::Range`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_ranges: Vec<String>,
    /// What is taken out again.
    #[serde(default, skip_serializing_if = "Exclude::is_empty")]
    pub exclude: Exclude,
    /// Whether devices that are selected only after the start join the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late_joiners: bool,
}

/// What is taken out of the targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclude {
    /// Ids or names of devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Names or ids of groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// A query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Ranges of addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_ranges: Vec<String>,
}

impl Exclude {
    /// Whether nothing is taken out.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty() && self.groups.is_empty() && self.query.is_none() && self.tags.is_empty() && self.ip_ranges.is_empty()
    }
}

impl TaskDoc {
    /// How a group is named here: among what is selected or taken out, in what starts the task, or in what a step changes.
    pub fn naming(&self, id: GroupId, name: &str) -> Option<GroupNaming> {
        let joined = self.schedule.iter().filter_map(|s| match &s.when {
            When::On(Trigger::JoinedGroup { group }) => Some(group),
            _ => None,
        });
        let changed = self.steps.iter().filter_map(|step| match &step.action {
            Action::ChangeGroup { group, .. } | Action::UpdateGroup { group } => Some(group),
            _ => None,
        });
        let named = || self.targets.groups.iter().chain(&self.targets.exclude.groups).chain(self.actors.groups());
        let all = || named().chain(joined.clone()).chain(changed.clone());
        if all().any(|word| word == name) {
            return Some(GroupNaming::ByName);
        }
        all().any(|word| word.parse() == Ok(id)).then_some(GroupNaming::ById)
    }
}

/// How a task names a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupNaming {
    /// By its name: another name would part them.
    ByName,
    /// By its id alone.
    ById,
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

/// How a run spreads over its targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// Assignments of a run that are in flight at once; without a limit of its own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// The shares of the targets that are reached with each wave, growing; all at once when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<Share>,
    /// How long after the end of a wave the next one begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Span>,
    /// It stops by itself when clearly more than this share fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt_on_error_rate: Option<Share>,
    /// It stops by itself when, at the end of a wave's `wait`, clearly more than this share of the machines that were done has not been
    /// heard of since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt_on_lost_rate: Option<Share>,
}

impl Rollout {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name within the task.
    pub id: String,
    /// What it does.
    pub action: Action,
    /// Where it is done, when written; see [`Step::scope`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Longest time from hand-out to result; the organization's lease when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How often it is tried; the task's rule when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Whether doing it twice does no harm, when written; see [`Step::is_idempotent`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// It is done only if this holds, see [`super::job::guard`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What follows when it ends badly, when written; see [`super::job::Part::on_error`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// What is kept of it for later steps, by name; see [`super::job::capture`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
    /// How long a server job waits for all targets, when not for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barrier: Option<Barrier>,
}

impl Step {
    /// A step with nothing but its action.
    pub fn new(id: &str, action: Action) -> Self {
        Self {
            id: id.to_owned(),
            action,
            scope: None,
            timeout: None,
            retry: None,
            idempotent: None,
            when: None,
            on_error: None,
            outputs: BTreeMap::new(),
            barrier: None,
        }
    }

    /// Where it is done: as written (a web service can be called from either side), otherwise as its action has it.
    pub fn scope(&self) -> Scope {
        self.scope.unwrap_or(self.action.scope())
    }

    /// Whether the targets matter to it. What is not needs none.
    pub fn needs_targets(&self) -> bool {
        self.scope() == Scope::Client || matches!(self.action, Action::WakeAgents | Action::ChangeGroup { .. })
    }

    /// Whether doing it twice does no harm: as written, otherwise as its action has it.
    pub fn is_idempotent(&self) -> bool {
        self.idempotent.unwrap_or(self.action.is_idempotent())
    }
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
    /// In what order targets go through the steps.
    #[serde(default, skip_serializing_if = "Mode::is_default")]
    pub mode: Mode,
    /// What it is aimed at.
    #[serde(default)]
    pub targets: Targets,
    /// Who executes it.
    #[serde(default, skip_serializing_if = "Actors::is_own")]
    pub actors: Actors,
    /// When it runs by itself; only when a person starts it, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// In which span of time each occurrence may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// How work reaches the agent.
    #[serde(default)]
    pub delivery: Delivery,
    /// How it spreads over its targets.
    #[serde(default, skip_serializing_if = "Rollout::is_empty")]
    pub rollout: Rollout,
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

impl TaskDoc {
    /// A task with nothing but a name and steps; it is aimed at nothing.
    pub fn new(name: &str, steps: Vec<Step>) -> Self {
        Self {
            name: name.to_owned(),
            description: String::new(),
            labels: Vec::new(),
            mode: Mode::default(),
            targets: Targets::default(),
            actors: Actors::Own,
            schedule: None,
            window: None,
            delivery: Delivery::default(),
            rollout: Rollout::default(),
            priority: default_priority(),
            retry: Retry::default(),
            steps,
        }
    }

    /// Reads a document; every fault at once.
    pub fn parse(document: &Value) -> Result<Self, Vec<BadTask>> {
        let mut reader = Reader::default();
        let doc = reader.task(document);
        match doc {
            Some(doc) if reader.faults.is_empty() => Ok(doc),
            _ => Err(reader.faults),
        }
    }

    /// Reads the `schedule` and `window` of a document alone; every fault at once.
    pub fn parse_when(document: &Value) -> Result<(Option<Schedule>, Option<Window>), Vec<BadTask>> {
        let mut reader = Reader::default();
        let when = reader.schedule_and_window(document);
        if reader.faults.is_empty() { Ok(when) } else { Err(reader.faults) }
    }

    /// How often a step is tried, as written for it or for the task.
    pub fn retry_of<'a>(&'a self, step: &'a Step) -> &'a Retry {
        step.retry.as_ref().unwrap_or(&self.retry)
    }

    /// The rules of trying for one step. A slice goes to another agent at once: only the one that had it waits.
    pub fn rules(&self, step: &Step) -> Rules {
        let retry = self.retry_of(step);
        Rules {
            attempts_max: retry.attempts,
            backoff: if step.action.is_sliced() { Duration::ZERO } else { retry.backoff.0 },
            on_error: retry.on.iter().any(|o| o == "error"),
            on_unknown: retry.on.iter().any(|o| o == "unknown"),
            idempotent: step.is_idempotent(),
        }
    }
}
