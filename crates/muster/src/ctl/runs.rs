//! Runs: looking, watching, ending, asking why.

use super::RUN_FAILED;
use super::client::{Client, encoded};
use super::lists::ASSIGNMENTS;
use super::output::{self, Form};
use anyhow::Context;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum RunCommand {
    /// Shows a run and its assignments
    Show {
        /// Its number or id
        run: String,
    },
    /// Watches a run until it ends; the exit code is 3 when it did not end well
    Watch {
        /// Its number or id
        run: String,
    },
    /// Holds a run back: nothing more of it is handed out until it is resumed; what is under way goes on
    Pause {
        /// Its number or id
        run: String,
    },
    /// Lets a paused run go on
    Resume {
        /// Its number or id
        run: String,
    },
    /// Ends a run: nothing more is handed out, what is under way is asked to end
    Cancel {
        /// Its number or id
        run: String,
    },
    /// Lists the targets of a run of several steps, each with the step it is at
    Targets {
        /// Its number or id
        run: String,
        /// Only those in these states, several by comma
        #[arg(long, value_name = "STATES")]
        state: Option<String>,
        /// Rows at most
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
    },
    /// Shows the pool that does a run, and what each of its agents did
    Pool {
        /// Its number or id
        run: String,
    },
    /// Starts the task of a run again on those of its targets that did not end well
    Retry {
        /// Its number or id
        run: String,
        /// Those that came to one of these states, several by comma
        #[arg(long, default_value = "error,unknown,expired", value_name = "STATES")]
        state: String,
        /// How many they are; the server asks for it above its size guard
        #[arg(long, value_name = "N")]
        confirm_count: Option<u64>,
        /// Watch the new run until it ends; the exit code is 3 when it did not end well
        #[arg(long)]
        watch: bool,
    },
    /// Says why an assignment is where it is and what will change that
    Why {
        /// The assignment's id
        assignment: String,
    },
}

/// Runs a command.
pub async fn run(client: &Client, command: RunCommand, form: Form) -> anyhow::Result<ExitCode> {
    match command {
        RunCommand::Show { run } => show(client, &id(client, &run).await?, form).await?,
        RunCommand::Watch { run } => return watch(client, &id(client, &run).await?, form).await,
        RunCommand::Pause { run } => act(client, &run, "pause", form).await?,
        RunCommand::Resume { run } => act(client, &run, "resume", form).await?,
        RunCommand::Cancel { run } => act(client, &run, "cancel", form).await?,
        RunCommand::Targets { run, state, limit } => targets(client, &id(client, &run).await?, state, limit, form).await?,
        RunCommand::Pool { run } => pool(client, &id(client, &run).await?, form).await?,
        RunCommand::Retry { run, state, confirm_count, watch: watched } => {
            let states: Vec<&str> = state.split(',').map(str::trim).filter(|s| !s.is_empty()).collect();
            let body = json!({"states": states, "confirm_count": confirm_count});
            let new = client.post(&format!("runs/{}/retry", id(client, &run).await?), &body).await?;
            let new_id = new["id"].as_str().context("the server started a run without an id")?;
            if watched {
                return watch(client, new_id, form).await;
            }
            output::record(&new, form)?;
        }
        RunCommand::Why { assignment } => why(client, &assignment, form).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn id(client: &Client, run: &str) -> anyhow::Result<String> {
    Ok(encoded(&client.id_of("runs", "run", run).await?))
}

async fn act(client: &Client, run: &str, verb: &str, form: Form) -> anyhow::Result<()> {
    let run = client.post(&format!("runs/{}/{verb}", id(client, run).await?), &json!({})).await?;
    output::record(&run, form)
}

async fn show(client: &Client, id: &str, form: Form) -> anyhow::Result<()> {
    let run = client.get(&format!("runs/{id}"), &[]).await?;
    output::record(&run, form)?;
    if form != Form::Table {
        return Ok(());
    }
    let page = client.get(&format!("runs/{id}/assignments"), &[("limit", "50")]).await?;
    let rest = page["next"].is_string().then_some("the first 50 assignments");
    crate::cli::print("\n")?;
    output::items(page["items"].as_array().map_or(&[][..], Vec::as_slice), ASSIGNMENTS, rest, form)
}

async fn targets(client: &Client, id: &str, state: Option<String>, limit: usize, form: Form) -> anyhow::Result<()> {
    let limit = limit.to_string();
    let mut asked = vec![("limit", limit.as_str())];
    asked.extend(state.as_deref().map(|state| ("state", state)));
    let page = client.get(&format!("runs/{id}/targets"), &asked).await?;
    let columns: &[output::Column] = &[
        ("DEVICE", "/device/name"),
        ("STATE", "/state"),
        ("STEP", "/step"),
        ("ROUND", "/round"),
        ("UPDATED", "/updated"),
        ("ID", "/device/id"),
    ];
    let rest = page["next"].is_string().then(|| format!("the first {limit} targets"));
    output::items(page["items"].as_array().map_or(&[][..], Vec::as_slice), columns, rest.as_deref(), form)
}

async fn pool(client: &Client, id: &str, form: Form) -> anyhow::Result<()> {
    let pool = client.get(&format!("runs/{id}/pool"), &[]).await?;
    if form != Form::Table {
        return output::value(&pool, form);
    }
    let told = |name: &str| pool[name].as_i64().unwrap_or_default();
    crate::cli::print(&format!(
        "{} agents, {} heard, {} at work; {} addresses in {} slices\n\n",
        told("members"),
        told("online"),
        told("working"),
        told("addresses"),
        told("slices")
    ))?;
    let columns: &[output::Column] = &[
        ("DEVICE", "/device/name"),
        ("DONE", "/done/addresses"),
        ("SLICES", "/done/slices"),
        ("IN HANDS", "/working/addresses"),
        ("FAILED", "/failed/addresses"),
        ("AGENT", "/agent"),
    ];
    output::items(pool["shares"].as_array().map_or(&[][..], Vec::as_slice), columns, None, form)
}

async fn why(client: &Client, assignment: &str, form: Form) -> anyhow::Result<()> {
    let why = client.get(&format!("assignments/{}/why", encoded(assignment)), &[]).await?;
    if form != Form::Table {
        return output::value(&why, form);
    }
    let text = |pointer: &str| why.pointer(pointer).map(output::cell).unwrap_or_default();
    crate::cli::print(&format!("{}: {}\nends: {}\n\n", text("/state"), text("/reason/text"), text("/reason/ends/text")))?;
    let conditions = why["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    output::items(conditions, &[("MET", "/ok"), ("CONDITION", "/text"), ("AT", "/at")], None, form)
}

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Looks that may fail one after the other, as while the server is started anew.
const FAILURES: u32 = 30;

/// Watches a run until it ends.
pub async fn watch(client: &Client, id: &str, form: Form) -> anyhow::Result<ExitCode> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {elapsed}") {
        bar.set_style(style);
    }
    let mut failures = 0;
    let run = loop {
        match client.get(&format!("runs/{id}"), &[]).await {
            Ok(run) => {
                failures = 0;
                let (done, all, said) = progress(&run);
                bar.set_length(all);
                bar.set_position(done);
                bar.set_message(said);
                if run["state"] == "finished" {
                    break run;
                }
            }
            Err(error) if failures >= FAILURES => return Err(error),
            Err(error) => {
                failures += 1;
                bar.set_message(format!("{error:#}"));
            }
        }
        tokio::time::sleep(LOOK).await;
    };
    bar.finish_and_clear();
    output::record(&run, form)?;
    Ok(ending(&run))
}

/// How far a run is: done, all, and a few words.
pub fn progress(run: &Value) -> (u64, u64, String) {
    let count = |state: &str| run["counts"][state].as_u64().unwrap_or(0);
    let all = run["targeted"].as_u64().unwrap_or(0);
    let open: u64 = ["prepared", "started", "running"].into_iter().map(count).sum();
    let words = ["running", "started", "ok", "error", "unknown", "cancelled"];
    let said: Vec<String> = words.into_iter().filter(|w| count(w) > 0).map(|w| format!("{w} {}", count(w))).collect();
    let done = if run["state"] == "preparing" { 0 } else { all.saturating_sub(open) };
    (done, all, format!("{} {}", run["state"].as_str().unwrap_or_default(), said.join(", ")))
}

/// The exit code of a finished run.
pub fn ending(run: &Value) -> ExitCode {
    if run["verdict"] == "ok" { ExitCode::SUCCESS } else { ExitCode::from(RUN_FAILED) }
}
