//! Tasks: files become tasks, tasks become runs.

use super::apply::{self, Apply};
use super::client::{Client, encoded};
use super::lists::{self, ListArgs};
use super::output::{self, Form};
use super::planner;
use super::runs;
use super::time;
use anyhow::{Context, bail};
use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// Makes the tasks of files, or new versions of the tasks of their names; nothing is changed when any of them has a fault
    Apply(Apply),
    /// Lists tasks
    List(ListArgs),
    /// Shows a task; -o yaml gives its file
    Show {
        /// Its name or id
        task: String,
    },
    /// Shows what a run would do now: how many machines, which, and why each would wait
    Preview {
        /// Its name or id
        task: String,
    },
    /// Says what the next run would do: when it ends, who misses its window, what it does to others, and what would help
    Forecast {
        /// Its name or id
        #[arg(required_unless_present = "file")]
        task: Option<String>,
        /// A task that need not be saved, YAML or JSON
        #[arg(short, long, value_name = "FILE", conflicts_with = "task")]
        file: Option<PathBuf>,
    },
    /// Starts a task
    Run {
        /// Its name or id
        task: String,
        /// Watch the run until it ends; the exit code is 3 when it did not end well
        #[arg(long)]
        watch: bool,
        /// How many machines it will run on; the server asks for it above its size guard
        #[arg(long, value_name = "N")]
        confirm_count: Option<u64>,
        /// The token of a preview: run on exactly that set
        #[arg(long, value_name = "TOKEN")]
        plan: Option<String>,
    },
    /// Lists what steps can do; with a type, what it needs, whether it may be repeated, and the JSON Schema of its parameters
    Actions {
        /// A type, such as run_script
        kind: Option<String>,
    },
    /// Shows the next ten occurrences of a task's schedule, with offsets and windows
    Schedule {
        /// Its name or id
        task: String,
    },
    /// Lists what became of a task's occurrences, the newest first
    Occurrences {
        /// Its name or id
        task: String,
        /// Rows at most
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
    },
    /// Starts an occurrence that is held
    Start {
        /// Its name or id
        task: String,
        /// The nominal time, as 'task occurrences' lists it
        nominal: String,
        /// How many machines it will run on; the server asks for it above its size guard
        #[arg(long, value_name = "N")]
        confirm_count: Option<u64>,
    },
    /// Lets a task start unattended on up to so many machines; 'none' takes that back
    Approve {
        /// Its name or id
        task: String,
        /// A number of machines, or none
        #[arg(value_parser = time::targets_max)]
        targets_max: time::TargetsMax,
    },
    /// Puts a task's schedule out of action: nothing starts by itself until it is enabled; people may still start it
    Disable {
        /// Its name or id
        task: String,
        /// Why, for those who find it so
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Puts a task's schedule back into action; what would have come meanwhile is not made up for
    Enable {
        /// Its name or id
        task: String,
    },
    /// Deletes a task; its runs stay
    Delete {
        /// Its name or id
        task: String,
    },
}

/// Runs a command.
pub async fn run(client: &Client, command: TaskCommand, form: Form) -> anyhow::Result<ExitCode> {
    match command {
        TaskCommand::Apply(args) => return apply::apply(client, args, form).await,
        TaskCommand::List(args) => lists::list(client, &lists::TASKS, &args, form).await?,
        TaskCommand::Show { task } => {
            let task = client.get(&format!("tasks/{}", id(client, &task).await?), &[]).await?;
            match form {
                Form::Json => output::value(&task, form)?,
                _ => crate::cli::print(task["yaml"].as_str().unwrap_or_default())?,
            }
        }
        TaskCommand::Preview { task } => preview(client, &id(client, &task).await?, form).await?,
        TaskCommand::Forecast { task, file } => planner::forecast(client, task.as_deref(), file.as_deref(), form).await?,
        TaskCommand::Run { task, watch, confirm_count, plan } => {
            let mut body = Map::new();
            body.extend(confirm_count.map(|n| ("confirm_count".to_owned(), json!(n))));
            body.extend(plan.map(|p| ("plan".to_owned(), json!(p))));
            let run = client.post(&format!("tasks/{}/runs", id(client, &task).await?), &Value::Object(body)).await?;
            let number = run["id"].as_str().context("the server started a run without an id")?;
            if watch {
                return runs::watch(client, number, form).await;
            }
            output::record(&run, form)?;
        }
        TaskCommand::Actions { kind } => actions(client, kind.as_deref(), form).await?,
        TaskCommand::Schedule { task } => time::ahead(client, &id(client, &task).await?, form).await?,
        TaskCommand::Occurrences { task, limit } => time::occurrences(client, &id(client, &task).await?, limit, form).await?,
        TaskCommand::Start { task, nominal, confirm_count } => {
            time::start(client, &id(client, &task).await?, &nominal, confirm_count, form).await?;
        }
        TaskCommand::Approve { task, targets_max } => time::approve(client, &id(client, &task).await?, targets_max.0, form).await?,
        TaskCommand::Disable { task, reason } => time::switch(client, &id(client, &task).await?, Some(&reason), form).await?,
        TaskCommand::Enable { task } => time::switch(client, &id(client, &task).await?, None, form).await?,
        TaskCommand::Delete { task } => drop(client.delete(&format!("tasks/{}", id(client, &task).await?)).await?),
    }
    Ok(ExitCode::SUCCESS)
}

async fn id(client: &Client, task: &str) -> anyhow::Result<String> {
    Ok(encoded(&client.id_of("tasks", "task", task).await?))
}

/// Reads the tasks of a file: documents of YAML apart by `---`, or one of JSON.
pub fn documents(name: &str, text: &str) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(text) {
        let document = Value::deserialize(document).with_context(|| format!("{name} is neither YAML nor JSON"))?;
        // Between two lines of --- there may be nothing.
        if document.is_null() {
            continue;
        }
        if !document["name"].is_string() {
            bail!("{name}: a task has a name; write 'name: …'");
        }
        found.push(document);
    }
    Ok(found)
}

async fn actions(client: &Client, kind: Option<&str>, form: Form) -> anyhow::Result<()> {
    let mut all = client.get("actions", &[]).await?;
    let Value::Array(items) = all["items"].take() else { bail!("the server told no actions") };
    let Some(kind) = kind else { return output::items(&items, lists::ACTIONS, None, form) };
    let known = || items.iter().filter_map(|it| it["type"].as_str()).collect::<Vec<_>>().join(", ");
    let one = items.iter().find(|it| it["type"] == kind).with_context(|| format!("there is no action '{kind}'; there are {}", known()))?;
    output::record(one, form)
}

async fn preview(client: &Client, id: &str, form: Form) -> anyhow::Result<()> {
    let mut seen = client.post(&format!("tasks/{id}/preview"), &json!({})).await?;
    if form != Form::Table {
        return output::value(&seen, form);
    }
    let targets = seen["targets"].take();
    let columns: &[output::Column] = &[
        ("DEVICE", "/device/name"),
        ("AGENT", "/agent/protocol"),
        ("ONLINE", "/agent/online"),
        ("NOW", "/reason/text"),
        ("ID", "/device/id"),
    ];
    let shown = targets.as_array().map_or(&[][..], Vec::as_slice);
    let rest = seen["count"].as_u64().filter(|n| *n > shown.len() as u64).map(|n| format!("the first {} of {n} machines", shown.len()));
    if let Value::Object(members) = &mut seen {
        members.remove("targets");
    }
    output::record(&seen, form)?;
    crate::cli::print("\n")?;
    output::items(shown, columns, rest.as_deref(), form)
}
