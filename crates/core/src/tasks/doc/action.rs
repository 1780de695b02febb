//! What a step can do.

use super::Leftover;
use crate::fleet::Protocol;
use crate::settings::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// Where a step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// By the server, once in a run.
    Server,
    /// By an agent, for each target.
    Client,
}

impl Scope {
    /// The word in documents, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Server => "server",
            Scope::Client => "client",
        }
    }
}

impl FromStr for Scope {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        [Scope::Server, Scope::Client]
            .into_iter()
            .find(|s| s.as_str() == word)
            .ok_or_else(|| format!("there is no scope '{word}'; there are server and client"))
    }
}

/// How grave something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    #[default]
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must look.
    Error,
}

impl Level {
    /// The word in documents, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// How a web service is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Asks.
    #[default]
    Get,
    /// Hands something in.
    Post,
    /// Puts something in its place.
    Put,
    /// Changes a part.
    Patch,
    /// Takes something away.
    Delete,
}

impl Method {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// What reads a script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shell {
    /// `/bin/sh`.
    #[default]
    Sh,
    /// GNU Bash.
    Bash,
    /// Python 3.
    Python,
    /// PowerShell, where it is installed.
    Powershell,
}

/// What happens to a machine's power or to who works at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// Switched off.
    Shutdown,
    /// Started anew.
    Restart,
    /// Put to sleep.
    Suspend,
    /// Who is logged in is logged off.
    LogOff,
    /// A shutdown or restart that was announced is called off.
    Abort,
}

/// What happens to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceAct {
    /// Started.
    Start,
    /// Stopped.
    Stop,
    /// Stopped and started.
    Restart,
    /// Told to read its configuration anew.
    Reload,
    /// Started with the machine from now on.
    Enable,
    /// No longer started with the machine.
    Disable,
    /// Only looked at.
    Status,
}

impl ServiceAct {
    /// The word in documents and for the machine's own service manager.
    pub const fn as_str(self) -> &'static str {
        match self {
            ServiceAct::Start => "start",
            ServiceAct::Stop => "stop",
            ServiceAct::Restart => "restart",
            ServiceAct::Reload => "reload",
            ServiceAct::Enable => "enable",
            ServiceAct::Disable => "disable",
            ServiceAct::Status => "status",
        }
    }
}

/// What happens to the targets of a step that is about a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupAct {
    /// They come into it.
    Add,
    /// They leave it.
    Remove,
}

/// What happens to the schedule of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleAct {
    /// It is put back into action.
    Enable,
    /// It is put out of action.
    Disable,
}

/// A script and how it is run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Script {
    /// Its text.
    pub script: String,
    /// What reads it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shell: Shell,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// Variables it finds beside the agent's own few.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The directory it begins in; the user's home when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Who runs it; the agent's own user, most often root, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Exit codes that are taken for success; 0 when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<i32>,
    /// Memory it may take with all it starts, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Processor time it may take with all it starts, percent of one processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<u32>,
}

/// What a step does. Texts of the server's actions may hold [`super::PLACEHOLDERS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// Bring in a full inventory.
    Inventory,
    /// Bring in what tells which machine this is.
    BasicInventory,
    /// Bring in addresses, routes and name servers.
    IpConfiguration,
    /// Run a script.
    RunScript(Script),
    /// Switch the machine off, start it anew, put it to sleep, or log off who works at it.
    PowerControl {
        /// What happens.
        #[serde(rename = "do")]
        act: Power,
        /// How long people are warned before it happens; at once when absent. Whole minutes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        warning: Option<Span>,
        /// What they are told.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        message: String,
    },
    /// Start, stop, restart, enable or disable a service, or tell how it stands.
    ControlService {
        /// Its name.
        service: String,
        /// What happens.
        #[serde(rename = "do")]
        act: ServiceAct,
    },
    /// Tidy the file systems: trim them, or gather the pieces of files where that helps.
    Defragment {
        /// Where they are mounted; all of the machine's disks when empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        volumes: Vec<String>,
    },
    /// Change what the agent says of its machine.
    ConfigureAgent {
        /// The tag; empty takes it away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tag: Option<String>,
        /// A name instead of the host name; empty takes it away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// The agent forgets what it sent, gives back what it has not begun, and starts anew.
    ResetAgent,
    /// Bring in the latest lines of the agent's own log.
    AgentLog {
        /// How many; all that are kept when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lines: Option<u32>,
    },
    /// Ask addresses whether something takes connections on TCP ports; by a pool of agents, slice by slice.
    CheckAddresses {
        /// The ports.
        ports: Vec<u16>,
        /// How long an answer is waited for; 1s when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<Span>,
    },
    /// Write a line in the server's log.
    WriteLog {
        /// The line.
        message: String,
        /// How grave it is.
        #[serde(default, skip_serializing_if = "is_default")]
        level: Level,
    },
    /// Show a message to the people of the organization.
    RaiseMessage {
        /// Its title.
        title: String,
        /// Its text.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
        /// How grave it is.
        #[serde(default, skip_serializing_if = "is_default")]
        level: Level,
    },
    /// Call a web service over HTTP.
    CallWebService {
        /// Its address.
        url: String,
        /// How.
        #[serde(default, skip_serializing_if = "is_default")]
        method: Method,
        /// Headers of the request.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// Body of the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// Status codes that are taken for success; 200 to 299 when empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        expect: Vec<u16>,
        /// Longest time it may take.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<Span>,
    },
    /// Send a mail.
    SendEmail {
        /// Addresses.
        to: Vec<String>,
        /// Its subject.
        subject: String,
        /// Its text.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        body: String,
    },
    /// Wake the agents of the targets.
    WakeAgents,
    /// Put the targets in a group that people list, or take them out.
    ChangeGroup {
        /// Its name or id.
        group: String,
        /// What happens.
        #[serde(rename = "do")]
        act: GroupAct,
    },
    /// Find anew who is in a group that follows a query.
    UpdateGroup {
        /// Its name or id.
        group: String,
    },
    /// Delete something of the organization.
    DeleteItem {
        /// What it is.
        kind: ItemKind,
        /// Its name or id.
        item: String,
    },
    /// Move something of the organization to another one.
    MoveItem {
        /// What it is.
        kind: ItemKind,
        /// Its name or id.
        item: String,
        /// The name or id of the organization that it comes to.
        org: String,
    },
    /// Ask the published views in SQL; the answer is the output of the step.
    RunQuery {
        /// One SELECT.
        query: String,
    },
    /// Ask what a saved report asks, and keep the answer.
    RunReport {
        /// Its name or id.
        report: String,
    },
    /// Remove answers that are kept of a saved report.
    PurgeReport {
        /// Its name or id.
        report: String,
        /// The newest so many stay; none when absent and `older_than` is too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep: Option<u32>,
        /// Those that are older than this go.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        older_than: Option<Span>,
    },
    /// Remove what is kept of files and programs and nothing needs any more.
    CleanFiles {
        /// Only what is older than this; whatever its age when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        older_than: Option<Span>,
        /// What; all of it when empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        what: Vec<Leftover>,
    },
    /// Stop the server's services and start them again.
    RestartServer,
    /// Put the schedule of a task out of action, or back.
    ChangeSchedule {
        /// The task's name or id.
        task: String,
        /// What happens.
        #[serde(rename = "do")]
        act: ScheduleAct,
    },
}

/// What a step deletes or moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A task; its runs stay.
    Task,
    /// A group that no task names.
    Group,
    /// A machine; it comes back when its agent is heard again.
    Device,
    /// A saved report with its kept answers.
    Report,
}

impl ItemKind {
    /// The word in documents, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            ItemKind::Task => "task",
            ItemKind::Group => "group",
            ItemKind::Device => "device",
            ItemKind::Report => "report",
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Action {
    /// The type's word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Action::Inventory => "inventory",
            Action::BasicInventory => "basic_inventory",
            Action::IpConfiguration => "ip_configuration",
            Action::RunScript(_) => "run_script",
            Action::PowerControl { .. } => "power_control",
            Action::ControlService { .. } => "control_service",
            Action::Defragment { .. } => "defragment",
            Action::ConfigureAgent { .. } => "configure_agent",
            Action::ResetAgent => "reset_agent",
            Action::AgentLog { .. } => "agent_log",
            Action::CheckAddresses { .. } => "check_addresses",
            Action::WriteLog { .. } => "write_log",
            Action::RaiseMessage { .. } => "raise_message",
            Action::CallWebService { .. } => "call_web_service",
            Action::SendEmail { .. } => "send_email",
            Action::WakeAgents => "wake_agents",
            Action::ChangeGroup { .. } => "change_group",
            Action::UpdateGroup { .. } => "update_group",
            Action::DeleteItem { .. } => "delete_item",
            Action::MoveItem { .. } => "move_item",
            Action::RunQuery { .. } => "run_query",
            Action::RunReport { .. } => "run_report",
            Action::PurgeReport { .. } => "purge_report",
            Action::CleanFiles { .. } => "clean_files",
            Action::RestartServer => "restart_server",
            Action::ChangeSchedule { .. } => "change_schedule",
        }
    }

    /// Where it is done unless a step says otherwise.
    pub const fn scope(&self) -> Scope {
        match self {
            Action::WriteLog { .. }
            | Action::RaiseMessage { .. }
            | Action::CallWebService { .. }
            | Action::SendEmail { .. }
            | Action::WakeAgents
            | Action::ChangeGroup { .. }
            | Action::UpdateGroup { .. }
            | Action::DeleteItem { .. }
            | Action::MoveItem { .. }
            | Action::RunQuery { .. }
            | Action::RunReport { .. }
            | Action::PurgeReport { .. }
            | Action::CleanFiles { .. }
            | Action::RestartServer
            | Action::ChangeSchedule { .. } => Scope::Server,
            _ => Scope::Client,
        }
    }

    /// Whether it is done on this side when a step says so.
    pub(super) fn may_be_done_by(&self, scope: Scope) -> bool {
        scope == self.scope() || matches!(self, Action::CallWebService { .. } | Action::RunScript(_))
    }

    /// Whether it is done for addresses, in slices, by agents of others than the targets.
    pub const fn is_sliced(&self) -> bool {
        matches!(self, Action::CheckAddresses { .. })
    }

    /// How long one address of a slice takes at the most, where an agent asks [`CHECKS_AT_ONCE`] at once.
    pub fn worst_per_address(&self) -> Duration {
        match self {
            Action::CheckAddresses { ports, timeout } => {
                let each = timeout.map_or(CHECK_WAITS, |timeout| timeout.0);
                each * u32::try_from(ports.len()).unwrap_or(u32::MAX) / CHECKS_AT_ONCE
            }
            _ => Duration::ZERO,
        }
    }

    /// Whether doing it twice does no harm. A call of a web service is what HTTP says of its method; a mail keeps its Message-ID.
    pub const fn is_idempotent(&self) -> bool {
        match self {
            Action::RaiseMessage { .. }
            | Action::RunScript(_)
            | Action::PowerControl { .. }
            | Action::ResetAgent
            | Action::RestartServer => false,
            Action::ControlService { act, .. } => !matches!(act, ServiceAct::Restart),
            Action::CallWebService { method, .. } => !matches!(method, Method::Post | Method::Patch),
            _ => true,
        }
    }

    /// Whether a person may say that doing it twice does no harm, where [`Action::is_idempotent`] says it does.
    pub(super) const fn may_be_idempotent(&self) -> bool {
        self.is_idempotent() || matches!(self, Action::CallWebService { .. } | Action::RunScript(_) | Action::ControlService { .. })
    }

    /// The same with its texts put through `text`. The text of a script stays as it is: braces mean other things there, and what a
    /// machine told must not become a part of a program; its arguments and variables are filled.
    #[must_use]
    pub fn with_texts(&self, mut text: impl FnMut(&str) -> String) -> Self {
        let mut filled = self.clone();
        match &mut filled {
            Action::RunScript(script) => {
                script.arguments.iter_mut().for_each(|it| *it = text(it));
                script.environment.values_mut().for_each(|it| *it = text(it));
            }
            Action::PowerControl { message, .. } | Action::WriteLog { message, .. } => *message = text(message),
            Action::RaiseMessage { title, text: words, .. } => (*title, *words) = (text(title), text(words)),
            Action::SendEmail { subject, body, .. } => (*subject, *body) = (text(subject), text(body)),
            Action::CallWebService { body: Some(body), .. } => *body = text(body),
            _ => {}
        }
        filled
    }

    /// Whether an unverified agent may do it.
    pub const fn is_open_to_strangers(&self) -> bool {
        matches!(self, Action::Inventory | Action::BasicInventory)
    }
}

/// Connections that an agent tries at once when it checks addresses.
pub const CHECKS_AT_ONCE: u32 = 64;
/// How long the answer of an address is waited for unless a task says otherwise.
pub const CHECK_WAITS: Duration = Duration::from_secs(1);

/// What FusionInventory and GLPI agents do as deploy jobs, and OCS agents as packages.
pub const DEPLOYED: [&str; 4] = ["run_script", "power_control", "control_service", "ip_configuration"];

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
