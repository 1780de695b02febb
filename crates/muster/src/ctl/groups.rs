//! Groups: named lists of devices, and those that follow a query.

use super::client::{Client, encoded};
use super::output::{self, Form};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

/// One group.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Shows a group; 'devices --filter group=NAME' lists who is in it
    Show {
        /// Its name or id
        group: String,
    },
    /// Makes a group: with --query one that follows it, otherwise one without members
    Create {
        /// Its name
        name: String,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
        /// Its members are at every moment all that this query selects, such as 'os_family == "linux"'
        #[arg(long, value_name = "QUERY")]
        query: Option<String>,
    },
    /// Changes a group's name, description or query
    Update {
        /// Its name or id
        group: String,
        #[command(flatten)]
        patch: Patch,
    },
    /// Removes a group that no task names; its devices stay
    Delete {
        /// Its name or id
        group: String,
    },
    /// Takes devices into a group, by name or by query
    Add {
        /// Its name or id
        group: String,
        #[command(flatten)]
        who: Who,
    },
    /// Takes devices out of a group, by name or by query
    Remove {
        /// Its name or id
        group: String,
        #[command(flatten)]
        who: Who,
    },
}

/// What is changed.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Patch {
    /// Another name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Another query for its members to follow
    #[arg(long, value_name = "QUERY")]
    query: Option<String>,
}

/// Which devices.
#[derive(Debug, Args)]
pub struct Who {
    /// Names or ids of devices
    #[arg(value_name = "DEVICE", required_unless_present = "query", conflicts_with = "query")]
    devices: Vec<String>,
    /// All that a query selects now, such as 'os_family == "linux"'
    #[arg(long, value_name = "QUERY")]
    query: Option<String>,
    /// How many will be moved; the server asks for it when there are many
    #[arg(long, value_name = "N")]
    confirm_count: Option<u64>,
}

impl Who {
    /// The members of the request's body; `act` is what is done to them.
    fn body(self, act: &str) -> Value {
        let mut body = Map::new();
        match self.query {
            Some(query) => {
                body.insert("query".to_owned(), json!(query));
                body.insert("act".to_owned(), json!(act));
            }
            None => drop(body.insert(act.to_owned(), json!(self.devices))),
        }
        body.extend(self.confirm_count.map(|n| ("confirm_count".to_owned(), json!(n))));
        Value::Object(body)
    }
}

/// Runs a command on one group.
pub async fn run(client: &Client, command: GroupCommand, form: Form) -> anyhow::Result<()> {
    let answer = match command {
        GroupCommand::Show { group } => client.get(&path(client, &group).await?, &[]).await?,
        GroupCommand::Create { name, description, query } => {
            let mut body = json!({"name": name, "description": description});
            if let Some(query) = query {
                body["query"] = json!(query);
            }
            client.post("groups", &body).await?
        }
        GroupCommand::Update { group, patch } => {
            let given = [("name", patch.name), ("description", patch.description), ("query", patch.query)];
            let body = given.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text?)))).collect();
            client.patch(&path(client, &group).await?, &Value::Object(body)).await?
        }
        GroupCommand::Delete { group } => return client.delete(&path(client, &group).await?).await.map(drop),
        GroupCommand::Add { group, who } => client.post(&members(client, &group).await?, &who.body("add")).await?,
        GroupCommand::Remove { group, who } => client.post(&members(client, &group).await?, &who.body("remove")).await?,
    };
    output::record(&answer, form)
}

async fn path(client: &Client, group: &str) -> anyhow::Result<String> {
    Ok(format!("groups/{}", encoded(&client.id_of("groups", "group", group).await?)))
}

async fn members(client: &Client, group: &str) -> anyhow::Result<String> {
    Ok(format!("{}/members", path(client, group).await?))
}
