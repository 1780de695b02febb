//! Devices and agents one by one, and identity: duplicates, merge, split, undo.

use super::client::{Client, encoded};
use super::lists::{self, ListArgs};
use super::output::{self, Form};
use super::software;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// One device.
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Shows a device
    Show {
        /// Its id or name
        device: String,
    },
    /// Lists what changed on a device, the newest first
    History {
        /// Its id or name
        device: String,
        #[command(flatten)]
        changes: software::ChangesArgs,
    },
    /// Compares a device at two instants
    Changes {
        /// Its id or name
        device: String,
        #[command(flatten)]
        compare: software::CompareArgs,
    },
    /// Shows by what a device is known, and what was merged and split
    Identity {
        /// Its id or name
        device: String,
    },
    /// Makes devices one: the agents of the others join the first, which stays
    Merge {
        /// Id or name of the device that stays
        device: String,
        /// Ids or names of those that become part of it
        #[arg(required = true, value_name = "OTHER")]
        from: Vec<String>,
    },
    /// Moves a device to another organization, with its agents and all that is known of it
    Move {
        /// Its id or name
        device: String,
        /// Name or id of the organization that it comes to
        // Not `org`: that is the organization to act in, of all commands.
        #[arg(value_name = "ORG")]
        to: String,
    },
    /// Parts agents from a device: they become a device of their own
    Split {
        /// Its id or name
        device: String,
        /// Id of an agent to part; several times for several
        #[arg(long = "agent", required = true, value_name = "ID")]
        agents: Vec<String>,
        /// A name for the new device
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
}

/// One agent.
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Says that an agent may obey
    Verify {
        /// Its id
        agent: String,
    },
    /// Shuts an agent out of all work; what it tells is kept
    Quarantine {
        /// Its id
        agent: String,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Ends the quarantine of an agent
    Release {
        /// Its id
        agent: String,
    },
    /// Takes an agent's key and trust away
    Revoke {
        /// Its id
        agent: String,
    },
}

/// Pairs of devices that may be one.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Duplicates {
    #[command(flatten)]
    list: ListArgs,
    /// open (unless given), dismissed, merged
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    #[command(subcommand)]
    command: Option<DuplicateCommand>,
}

#[derive(Debug, Subcommand)]
enum DuplicateCommand {
    /// Says that the two are apart
    Dismiss {
        /// Id of the pair
        id: String,
        /// Why, for whoever asks later
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Takes a dismissal back
    Reopen {
        /// Id of the pair
        id: String,
    },
}

/// What was merged and split.
#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
    /// Takes a merge or a split back; 'device identity' shows the ids
    Undo {
        /// Id of the entry
        id: String,
    },
}

async fn id_of(client: &Client, device: &str) -> anyhow::Result<String> {
    client.id_of("devices", "device", device).await
}

/// Runs a command on one device.
pub async fn device(client: &Client, command: DeviceCommand, form: Form) -> anyhow::Result<()> {
    let answer = match command {
        DeviceCommand::Show { device } => client.get(&format!("devices/{}", id_of(client, &device).await?), &[]).await?,
        DeviceCommand::History { device, changes } => {
            let path = format!("devices/{}", id_of(client, &device).await?);
            return software::history(client, &path, changes, form).await;
        }
        DeviceCommand::Changes { device, compare } => {
            let path = format!("devices/{}", id_of(client, &device).await?);
            return software::compare(client, &path, &compare, form).await;
        }
        DeviceCommand::Identity { device } => return identity(client, &id_of(client, &device).await?, form).await,
        DeviceCommand::Merge { device, from } => {
            let into = id_of(client, &device).await?;
            let mut others = Vec::with_capacity(from.len());
            for other in &from {
                others.push(id_of(client, other).await?);
            }
            client.post(&format!("devices/{into}/merge"), &json!({"from": others})).await?
        }
        DeviceCommand::Move { device, to } => {
            client.patch(&format!("devices/{}", id_of(client, &device).await?), &json!({"org": to})).await?
        }
        DeviceCommand::Split { device, agents, name } => {
            let body = json!({"agents": agents, "name": name});
            client.post(&format!("devices/{}/split", id_of(client, &device).await?), &body).await?
        }
    };
    output::record(&answer, form)
}

async fn identity(client: &Client, id: &str, form: Form) -> anyhow::Result<()> {
    let known = client.get(&format!("devices/{id}/identity"), &[]).await?;
    if form != Form::Table {
        return output::value(&known, form);
    }
    let list = |name: &str| known[name].as_array().cloned().unwrap_or_default();
    let mut evidence: Vec<Value> = Vec::new();
    for agent in list("agents") {
        for piece in agent["evidence"].as_array().into_iter().flatten() {
            evidence.push(json!({"agent": agent["agent"], "piece": piece}));
        }
    }
    let columns = [
        ("AGENT", "/agent/protocol"),
        ("VERIFIED", "/agent/verified"),
        ("KNOWN BY", "/piece/kind"),
        ("VALUE", "/piece/value"),
        ("WORTH", "/piece/worth"),
        ("AGENT ID", "/agent/id"),
    ];
    output::items(&evidence, &columns, None, form)?;
    if !list("candidates").is_empty() {
        crate::cli::print("\n")?;
        output::items(&list("candidates"), lists::DUPLICATES.columns(), None, form)?;
    }
    if !list("log").is_empty() {
        crate::cli::print("\n")?;
        let columns = [
            ("AT", "/at"),
            ("DONE", "/kind"),
            ("BY", "/actor"),
            ("FROM", "/from/name"),
            ("TO", "/to/name"),
            ("WHY", "/reason/text"),
            ("UNDONE", "/undone"),
            ("CAN UNDO", "/can_undo"),
            ("ID", "/id"),
        ];
        output::items(&list("log"), &columns, None, form)?;
    }
    Ok(())
}

/// Runs a command on one agent.
pub async fn agent(client: &Client, command: AgentCommand, form: Form) -> anyhow::Result<()> {
    let answer = match command {
        AgentCommand::Verify { agent } => client.patch(&format!("agents/{}", encoded(&agent)), &json!({"verified": true})).await?,
        AgentCommand::Quarantine { agent, reason } => {
            client.patch(&format!("agents/{}", encoded(&agent)), &json!({"quarantined": true, "reason": reason})).await?
        }
        AgentCommand::Release { agent } => client.patch(&format!("agents/{}", encoded(&agent)), &json!({"quarantined": false})).await?,
        AgentCommand::Revoke { agent } => client.post(&format!("agents/{}/revoke", encoded(&agent)), &json!({})).await?,
    };
    output::record(&answer, form)
}

/// Lists or decides pairs of devices.
pub async fn duplicates(client: &Client, it: Duplicates, form: Form) -> anyhow::Result<()> {
    let answer = match it.command {
        None => return lists::list(client, &lists::DUPLICATES, &it.list.with([("state", it.state)]), form).await,
        Some(DuplicateCommand::Dismiss { id, note }) => {
            client.post(&format!("duplicates/{}/dismiss", encoded(&id)), &json!({"note": note})).await?
        }
        Some(DuplicateCommand::Reopen { id }) => client.post(&format!("duplicates/{}/reopen", encoded(&id)), &json!({})).await?,
    };
    output::record(&answer, form)
}

/// Takes an act back.
pub async fn acts(client: &Client, IdentityCommand::Undo { id }: IdentityCommand, form: Form) -> anyhow::Result<()> {
    output::record(&client.post(&format!("identity/{}/undo", encoded(&id)), &json!({})).await?, form)
}
