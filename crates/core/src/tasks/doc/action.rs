//! What a step can do.

use super::words::{GroupAct, ItemKind, Leftover, Level, Method, Power, ScheduleAct, Scope, ServiceAct, Shell};
use crate::settings::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

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
