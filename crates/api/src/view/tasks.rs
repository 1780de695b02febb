//! Tasks, previews, reasons.

use super::{AgentRef, Delivery, Named, RunSummary, ScheduleOff, StartApproval, Time};
use muster_core::tasks as core;
use muster_engine::tasks::{Checked, TaskView};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is taken out of the targets.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TaskExclude {
    /// Ids or names of devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Names or ids of groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub groups: Vec<String>,
    /// A query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Ranges of addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub ip_ranges: Vec<String>,
}

/// What a task is aimed at. Empty selects nothing.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TaskTargets {
    /// Ids or names of devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Names or ids of groups; who is in them is looked up at each start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub groups: Vec<String>,
    /// A query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Every device of the organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
    /// Ranges of addresses, such as `10.0.0.0/24` or `10.0.1.5-10.0.1.90`, of a task that a pool does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub ip_ranges: Vec<String>,
    /// What is taken out again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<TaskExclude>,
    /// Whether devices that are selected only after the start join the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_joiners: Option<bool>,
}

/// How often and after what it is tried again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TaskRetry {
    /// Attempts in all.
    pub attempts: u32,
    /// Pause before the second try, such as `30s`.
    pub backoff: String,
    /// After which outcomes: `error`, `unknown`.
    pub on: Vec<String>,
}

/// What a step does.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TaskAction {
    /// The type, such as `inventory` or `call_web_service`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its parameters, as docs/schedules.md and the task's file have them.
    #[serde(flatten)]
    pub parameters: Map<String, Value>,
}

/// One step of a task.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TaskStep {
    /// Its name within the task.
    pub id: String,
    /// What it does.
    pub action: TaskAction,
    /// Longest time from hand-out to result, such as `10m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// `server` or `client`, when written; it follows from the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// How often it is tried, when that differs from the task's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<TaskRetry>,
    /// Whether doing it twice does no harm, when written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// It is done only if this condition holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What follows when it ends badly, when written: `fail`, `continue`, or `{run, then, max}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_error: Option<Value>,
    /// What is kept of it for later steps, by name, and how it is captured.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    pub outputs: BTreeMap<String, String>,
    /// How long a server job waits for all targets, when not for ever: `{quorum, deadline, stragglers}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barrier: Option<Value>,
}

/// A task as written. Only `name` and `steps` are needed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TaskDoc {
    /// Its name, unique in the organization.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Free labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub labels: Vec<String>,
    /// `client_job` (unless written) or `server_job`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Value>,
    /// What it is aimed at.
    #[schema(required = false)]
    pub targets: TaskTargets,
    /// Who executes it, when not the target's own agent: `{agents: [id]}` or `{pool: {module, selector: {groups, subnets}, max}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actors: Option<Value>,
    /// When it runs by itself, as in the task's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Value>,
    /// In which span of time each occurrence may begin, as in the task's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Value>,
    /// How it spreads over its targets, as in the task's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Value>,
    /// How work reaches the agents.
    #[schema(required = false)]
    pub delivery: Delivery,
    /// 0 (first) to 9.
    #[schema(required = false)]
    pub priority: u8,
    /// How often it is tried.
    #[schema(required = false)]
    pub retry: TaskRetry,
    /// What is done, in order.
    pub steps: Vec<TaskStep>,
}

impl From<core::TaskDoc> for TaskDoc {
    fn from(doc: core::TaskDoc) -> Self {
        let written = serde_json::to_value(&doc).unwrap_or_default();
        let as_written = |key: &str| written.get(key).cloned();
        let (targets, exclude) = (doc.targets, |e: core::doc::Exclude| TaskExclude {
            devices: e.devices,
            groups: e.groups,
            query: e.query,
            tags: e.tags,
            ip_ranges: e.ip_ranges,
        });
        let retry = |r: core::doc::Retry| TaskRetry { attempts: r.attempts, backoff: r.backoff.to_string(), on: r.on };
        let step = |s: core::doc::Step| TaskStep {
            id: s.id,
            action: action(&s.action),
            timeout: s.timeout.map(|t| t.to_string()),
            scope: s.scope.map(|scope| scope.as_str().to_owned()),
            retry: s.retry.map(retry),
            idempotent: s.idempotent,
            when: s.when,
            on_error: s.on_error.and_then(|it| serde_json::to_value(it).ok()),
            outputs: s.outputs,
            barrier: s.barrier.and_then(|it| serde_json::to_value(it).ok()),
        };
        Self {
            name: doc.name,
            description: Some(doc.description).filter(|d| !d.is_empty()),
            labels: doc.labels,
            targets: TaskTargets {
                devices: targets.devices,
                groups: targets.groups,
                query: targets.query,
                all: targets.all.then_some(true),
                ip_ranges: targets.ip_ranges,
                exclude: (!targets.exclude.is_empty()).then(|| exclude(targets.exclude)),
                late_joiners: targets.late_joiners.then_some(true),
            },
            delivery: doc.delivery.into(),
            priority: doc.priority,
            mode: as_written("mode"),
            actors: as_written("actors"),
            schedule: as_written("schedule"),
            window: as_written("window"),
            rollout: as_written("rollout"),
            retry: retry(doc.retry),
            steps: doc.steps.into_iter().map(step).collect(),
        }
    }
}

fn action(it: &core::Action) -> TaskAction {
    let mut parameters = match serde_json::to_value(it) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    parameters.remove("type");
    TaskAction { kind: it.kind().to_owned(), parameters }
}

/// A task.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// Its organization's name.
    pub org: String,
    /// Counts its changes.
    pub version: i64,
    /// The document of this version.
    pub doc: TaskDoc,
    /// The same as YAML.
    pub yaml: String,
    /// When it was first written.
    pub created: Time,
    /// When it was last changed.
    pub updated: Time,
    /// Who wrote this version.
    pub author: Option<String>,
    /// Its last run.
    pub last_run: Option<RunSummary>,
    /// How often it ran.
    pub runs: i64,
    /// Up to how many targets it starts unattended; null: as many as the size guard lets a person start.
    pub targets_max: Option<i64>,
    /// Its schedule was put out of action; null: it acts, or there is none.
    pub schedule_off: Option<ScheduleOff>,
}

impl Task {
    pub(crate) fn of(view: TaskView, org: &str) -> Self {
        let t = view.task;
        Self {
            id: t.id.to_string(),
            org: org.to_owned(),
            version: t.version,
            yaml: serde_yaml_ng::to_string(&t.doc).unwrap_or_default(),
            doc: t.doc.into(),
            created: t.created.into(),
            updated: t.updated.into(),
            author: Some(t.author).filter(|a| !a.is_empty()),
            last_run: view.last_run.map(RunSummary::from),
            runs: view.runs,
            targets_max: t.targets_max,
            schedule_off: t.schedule_off.map(ScheduleOff::from),
        }
    }
}

/// What a document would become.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TaskCheck {
    /// What a change by this document would be.
    pub change: TaskChange,
    /// The document as it would be kept.
    pub doc: TaskDoc,
    /// The same as YAML.
    pub yaml: String,
    /// The task that has its name now.
    pub task: Option<Task>,
}

/// What a change by a document would be.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskChange {
    /// A new task.
    Create,
    /// A new version of the task of its name.
    Update,
    /// Nothing: the task of its name has this document.
    None,
}

impl TaskCheck {
    pub(crate) fn of(checked: Checked, org: &str) -> Self {
        let change = match &checked.task {
            None => TaskChange::Create,
            Some(task) if task.task.doc == checked.doc => TaskChange::None,
            Some(_) => TaskChange::Update,
        };
        let yaml = serde_yaml_ng::to_string(&checked.doc).unwrap_or_default();
        Self { change, yaml, doc: checked.doc.into(), task: checked.task.map(|task| Task::of(task, org)) }
    }
}

/// A keyed sentence.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Sentence {
    /// Its stable key.
    pub key: String,
    /// What it is made of: texts and numbers.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// The sentence in English.
    pub text: String,
}

impl From<core::why::Sentence> for Sentence {
    fn from(s: core::why::Sentence) -> Self {
        Self { key: s.key, params: s.params, text: s.text }
    }
}

/// Why something stands where it does, and what will end that.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Reason {
    /// The reason.
    #[serde(flatten)]
    pub reason: Sentence,
    /// What will end it.
    pub ends: Sentence,
}

impl From<core::Reason> for Reason {
    fn from(r: core::Reason) -> Self {
        Self { reason: r.reason.into(), ends: r.ends.into() }
    }
}

/// A device that a start would hit.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewTarget {
    /// The device.
    pub device: Named,
    /// The agent it is shown with.
    pub agent: Option<AgentRef>,
    /// What it would wait for.
    pub reason: Reason,
}

/// A step that some targets cannot do.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewUnable {
    /// The step's id.
    pub step: String,
    /// Its action's type.
    pub action: String,
    /// How many targets have no agent that can do it. In a job they fail at this step.
    pub count: i64,
}

/// Devices taken out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewExcluded {
    /// Why.
    pub reason: Reason,
    /// How many.
    pub count: usize,
}

/// Who would be hit by a start now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Preview {
    /// How many devices; of a task that a pool does, how many addresses.
    pub count: usize,
    /// The pool that would do it; null where each target's own agent does.
    pub pool: Option<PreviewPool>,
    /// Binds a start to exactly this set.
    pub plan: String,
    /// Above how many a number must be said.
    pub guard: u32,
    /// Whether it must be said for this set.
    pub needs_count: bool,
    /// Whether a start of this set needs the approval of a second person.
    pub needs_approval: bool,
    /// The approval of exactly this set that waits or may be used.
    pub approval: Option<StartApproval>,
    /// Devices by the protocol of their agent.
    pub by_protocol: BTreeMap<String, i64>,
    /// Devices by the family of their operating system.
    pub by_os: BTreeMap<String, i64>,
    /// How many were heard recently.
    pub online: i64,
    /// The first hundred.
    pub targets: Vec<PreviewTarget>,
    /// Steps that some targets cannot do.
    pub unable: Vec<PreviewUnable>,
    /// How many targets are shown with agents that cannot be stopped once they were handed a step, by a person or the end of a window.
    pub not_stopped: i64,
    /// How many targets are shown with agents that tell an exit code and no output of what they do.
    pub no_output: i64,
    /// What was taken out.
    pub excluded: Vec<PreviewExcluded>,
    /// How many targets each wave would have; empty where all go at once.
    pub waves: Vec<i64>,
    /// When a start now would end, if nothing halts it; null where the server does it itself.
    pub forecast: Option<Forecast>,
}

/// The pool of a start.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct PreviewPool {
    /// How it stands.
    #[serde(flatten)]
    pub standing: super::PoolStanding,
    /// Into how many slices the addresses would be cut.
    pub slices: usize,
    /// How many of the slices are in networks of its members that are heard.
    pub near: usize,
}

/// When a run would end: an estimate from a sample of its targets.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Forecast {
    /// When all that are expected have ended; null: nothing is expected to.
    pub ends: Option<Time>,
    /// Targets whose agents come too late for the end of their time.
    pub late: i64,
    /// Targets of which no agent is expected.
    pub absent: i64,
    /// From how many measured times it was reckoned; 0: how long it takes is assumed.
    pub measured: usize,
}

impl From<core::Forecast> for Forecast {
    fn from(f: core::Forecast) -> Self {
        Self { ends: f.ends.map(Time), late: f.late, absent: f.absent, measured: f.measured }
    }
}

/// What a start must say when it is large.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct RunStart {
    /// The number of targets, typed back.
    pub confirm_count: Option<usize>,
    /// The `plan` of a preview: start exactly that set.
    pub plan: Option<String>,
}
