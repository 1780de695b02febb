//! The queue: bulk acts on it, by ids or by a filter; and the brake.

use super::client::Client;
use super::lists;
use super::output::{self, Form};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

/// What is done to the queue.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Ends waiting work by ids or by filter
    Cancel(Aim),
    /// Puts off waiting work by ids or by filter; never to an earlier time than it waits for already
    Delay {
        #[command(flatten)]
        aim: Aim,
        #[command(flatten)]
        when: When,
    },
    /// Gives work another priority by ids or by filter
    Priority {
        /// From 0 (first) to 9 (last)
        #[arg(value_parser = clap::value_parser!(u8).range(0..=9))]
        priority: u8,
        #[command(flatten)]
        aim: Aim,
    },
}

/// On what: ids or a filter.
#[derive(Debug, Args)]
pub struct Aim {
    /// Ids of assignments
    ids: Vec<String>,
    /// What a filter selects instead: state, task, run, device or q, as KEY=VALUE
    #[arg(long = "filter", value_name = "KEY=VALUE", value_parser = lists::pair)]
    filters: Vec<(String, String)>,
    /// How many will be changed; the server asks for it when there are many
    #[arg(long, value_name = "N")]
    confirm_count: Option<u64>,
}

/// Until when.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct When {
    /// For how long from now, such as 2h or 3d
    #[arg(long, value_name = "TIME")]
    by: Option<String>,
    /// Until an instant, such as 2026-12-01T06:00:00Z
    #[arg(long, value_name = "INSTANT")]
    until: Option<String>,
}

impl Aim {
    /// The members of the request's body.
    fn body(self) -> anyhow::Result<Map<String, Value>> {
        if self.ids.is_empty() == self.filters.is_empty() {
            anyhow::bail!("name either ids of assignments or --filter KEY=VALUE; 'queue' lists what there is");
        }
        let mut body = Map::new();
        if self.ids.is_empty() {
            let filter = self.filters.into_iter().map(|(key, value)| (key, Value::String(value))).collect();
            body.insert("filter".to_owned(), Value::Object(filter));
        } else {
            body.insert("ids".to_owned(), json!(self.ids));
        }
        body.extend(self.confirm_count.map(|n| ("confirm_count".to_owned(), json!(n))));
        Ok(body)
    }
}

/// Acts on the queue.
pub async fn run(client: &Client, command: QueueCommand, form: Form) -> anyhow::Result<()> {
    let (path, body) = match command {
        QueueCommand::Cancel(aim) => ("queue/cancel", aim.body()?),
        QueueCommand::Delay { aim, when } => {
            let mut body = aim.body()?;
            body.extend(when.by.map(|by| ("by".to_owned(), json!(by))));
            body.extend(when.until.map(|until| ("until".to_owned(), json!(until))));
            ("queue/delay", body)
        }
        QueueCommand::Priority { priority, aim } => {
            let mut body = aim.body()?;
            body.insert("priority".to_owned(), json!(priority));
            ("queue/priority", body)
        }
    };
    output::record(&client.post(path, &Value::Object(body)).await?, form)
}

/// What is done to the brake.
#[derive(Debug, Subcommand)]
pub enum BrakeCommand {
    /// Holds everything: nothing is handed out and nothing starts; what is under way goes on
    On {
        /// Why, for the others
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// Releases the brake
    Off,
}

/// Shows, pulls or releases the brake.
pub async fn brake(client: &Client, command: Option<BrakeCommand>, form: Form) -> anyhow::Result<()> {
    let brake = match command {
        None => client.get("brake", &[]).await?,
        Some(BrakeCommand::On { note }) => client.post("brake", &json!({"note": note})).await?,
        Some(BrakeCommand::Off) => client.delete("brake").await?,
    };
    output::record(&brake, form)
}
