//! The words of actions: where, how, and what happens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

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

/// What a step that cleans up removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Leftover {
    /// Documents that agents brought unasked.
    Documents,
    /// What agents told of their crashes, with their logs.
    Crashes,
    /// Entries of the list of programs that no machine of the organization has any more.
    Programs,
}

impl Leftover {
    /// All of them.
    pub const ALL: [Leftover; 3] = [Leftover::Documents, Leftover::Crashes, Leftover::Programs];

    /// The word in documents, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            Leftover::Documents => "documents",
            Leftover::Crashes => "crashes",
            Leftover::Programs => "programs",
        }
    }
}
