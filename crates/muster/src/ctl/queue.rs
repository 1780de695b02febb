//! The queue and the brake: bulk acts by ids or by a filter.

use super::client::Client;
use super::lists;
use super::output::{self, Form};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

/// On what an act is aimed.
#[derive(Debug, Args)]
pub struct Aim {
    /// Ids of assignments
    ids: Vec<String>,
    /// Act on what a filter selects: state, task, run, device or q, as KEY=VALUE
    #[arg(long = "filter", value_name = "KEY=VALUE", value_parser = lists::pair)]
    filters: Vec<(String, String)>,
    /// How many will be changed; the server asks for it when there are many
    #[arg(long, value_name = "N")]
    confirm_count: Option<u64>,
}

/// The commands of the queue.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Ends waiting work by ids or by filter
    Cancel(#[command(flatten)] Aim),
    /// Puts off waiting work by ids or by filter; never makes it come sooner
    Delay {
        #[command(flatten)]
        aim: Aim,
        /// For how long from now, such as 2h or 3d
        #[arg(long, value_name = "TIME", required_unless_present = "until", conflicts_with = "until")]
        by: Option<String>,
        /// Until when, such as 2026-12-01T06:00:00Z
        #[arg(long, value_name = "INSTANT")]
        until: Option<String>,
    },
    /// Gives work another priority by ids or by filter
    Priority {
        /// 0 (first) to 9 (last)
        #[arg(value_parser = clap::value_parser!(u8).range(0..=9))]
        priority: u8,
        #[command(flatten)]
        aim: Aim,
    },
}

/// The commands of the brake.
#[derive(Debug, Subcommand)]
pub enum BrakeCommand {
    /// Pulls it: nothing is handed out and nothing starts until it is released
    On {
        /// Why
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Releases it
    Off,
}

/// Runs a command of the queue.
pub async fn run(client: &Client, command: QueueCommand, form: Form) -> anyhow::Result<()> {
    let (path, aim, more) = match command {
        QueueCommand::Cancel(aim) => ("queue/cancel", aim, json!({})),
        QueueCommand::Delay { aim, by, until } => ("queue/delay", aim, json!({"by": by, "until": until})),
        QueueCommand::Priority { priority, aim } => ("queue/priority", aim, json!({"priority": priority})),
    };
    output::record(&client.post(path, &body(aim, more)?).await?, form)
}

fn body(aim: Aim, more: Value) -> anyhow::Result<Value> {
    if aim.ids.is_empty() == aim.filters.is_empty() {
        anyhow::bail!("name either ids of assignments or --filter KEY=VALUE; 'queue' lists what there is");
    }
    let mut body = Map::new();
    if aim.ids.is_empty() {
        let filter = aim.filters.into_iter().map(|(key, value)| (key, Value::String(value))).collect();
        body.insert("filter".to_owned(), Value::Object(filter));
    } else {
        body.insert("ids".to_owned(), json!(aim.ids));
    }
    body.extend(aim.confirm_count.map(|n| ("confirm_count".to_owned(), json!(n))));
    body.extend(more.as_object().cloned().unwrap_or_default().into_iter().filter(|(_, value)| !value.is_null()));
    Ok(Value::Object(body))
}

/// Shows the brake, pulls or releases it.
pub async fn brake(client: &Client, command: Option<BrakeCommand>, form: Form) -> anyhow::Result<()> {
    let brake = match command {
        None => client.get("brake", &[]).await?,
        Some(BrakeCommand::On { note }) => client.post("brake", &json!({"note": note})).await?,
        Some(BrakeCommand::Off) => client.delete("brake").await?,
    };
    output::record(&brake, form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aim(ids: &[&str], filters: &[(&str, &str)]) -> Aim {
        let pair = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        Aim {
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            filters: filters.iter().map(pair).collect(),
            confirm_count: (!filters.is_empty()).then_some(7),
        }
    }

    #[test]
    fn an_act_names_ids_or_a_filter_and_leaves_out_what_was_not_said() {
        let delay = json!({"by": "2h", "until": null});
        assert_eq!(body(aim(&["a"], &[]), delay.clone()).expect("a body"), json!({"ids": ["a"], "by": "2h"}));
        let filtered = body(aim(&[], &[("q", "web"), ("state", "prepared")]), delay).expect("a body");
        assert_eq!(filtered, json!({"filter": {"q": "web", "state": "prepared"}, "confirm_count": 7, "by": "2h"}));
        for wrong in [aim(&[], &[]), aim(&["a"], &[("q", "web")])] {
            assert!(body(wrong, json!({})).is_err());
        }
    }
}
