//! Reports: questions in SQL about the published views, saved ones, and their kept answers.

use super::client::{Client, encoded};
use super::lists;
use super::output::{self, Form};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use muster_core::reports::Answer;
use serde_json::{Map, Value, json};

/// Asking, and one report.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Asks a question that is not saved, such as: report ask 'SELECT os, count(*) FROM devices GROUP BY os'
    Ask {
        /// One SELECT
        query: String,
    },
    /// Lists the views that can be asked, with their columns
    Views,
    /// Shows a report
    Show {
        /// Its name or id
        report: String,
    },
    /// Saves a question
    Create {
        /// Its name
        name: String,
        /// One SELECT
        #[arg(long, value_name = "SQL")]
        query: String,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
    },
    /// Changes a report's name, description or question
    Update {
        /// Its name or id
        report: String,
        #[command(flatten)]
        patch: Patch,
    },
    /// Deletes a report with its kept answers
    Delete {
        /// Its name or id
        report: String,
    },
    /// Asks what a report asks, keeps the answer and shows it
    Run {
        /// Its name or id
        report: String,
    },
    /// Lists the kept answers of a report, the newest first; with the id of one of them, that answer
    Results {
        /// Its name or id
        report: String,
        /// Id of a kept answer
        result: Option<String>,
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
    /// Another question
    #[arg(long, value_name = "SQL")]
    query: Option<String>,
}

/// Runs a command.
pub async fn run(client: &Client, command: ReportCommand, form: Form) -> anyhow::Result<()> {
    match command {
        ReportCommand::Ask { query } => answer(&client.post("reports/ask", &json!({"query": query})).await?, form),
        ReportCommand::Views => views(&client.get("reports/views", &[]).await?, form),
        ReportCommand::Show { report } => output::record(&client.get(&path(client, &report).await?, &[]).await?, form),
        ReportCommand::Create { name, query, description } => {
            let body = json!({"name": name, "query": query, "description": description});
            output::record(&client.post("reports", &body).await?, form)
        }
        ReportCommand::Update { report, patch } => {
            let given = [("name", patch.name), ("description", patch.description), ("query", patch.query)];
            let body: Map<String, Value> = given.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text?)))).collect();
            output::record(&client.patch(&path(client, &report).await?, &Value::Object(body)).await?, form)
        }
        ReportCommand::Delete { report } => client.delete(&path(client, &report).await?).await.map(drop),
        ReportCommand::Run { report } => answer(&client.post(&format!("{}/run", path(client, &report).await?), &json!({})).await?, form),
        ReportCommand::Results { report, result: None } => {
            let found = client.get(&format!("{}/results", path(client, &report).await?), &[("limit", "200")]).await?;
            let items = found["items"].as_array().context("the server told no answers")?;
            output::items(items, lists::RESULTS, None, form)
        }
        ReportCommand::Results { report, result: Some(result) } => {
            let path = format!("{}/results/{}", path(client, &report).await?, encoded(&result));
            answer(&client.get(&path, &[]).await?, form)
        }
    }
}

async fn path(client: &Client, report: &str) -> anyhow::Result<String> {
    Ok(format!("reports/{}", encoded(&client.id_of("reports", "report", report).await?)))
}

fn answer(it: &Value, form: Form) -> anyhow::Result<()> {
    let told = Answer {
        columns: serde_json::from_value(it["columns"].clone()).context("the server told no columns")?,
        rows: serde_json::from_value(it["rows"].clone()).context("the server told no rows")?,
        more: it["more"] == true,
    };
    match form {
        Form::Table => crate::cli::print(&output::rows(&told.columns, &told.rows))?,
        Form::Csv => crate::cli::print(&told.csv())?,
        _ => output::value(it, form)?,
    }
    if told.more {
        eprintln!("the first {} rows; there are more", told.rows.len());
    }
    Ok(())
}

fn views(all: &Value, form: Form) -> anyhow::Result<()> {
    if form != Form::Table {
        return output::value(all, form);
    }
    let of = |value: &Value, key: &str| output::cell(&value[key]);
    let mut rows = Vec::new();
    for view in all["items"].as_array().into_iter().flatten() {
        for column in view["columns"].as_array().into_iter().flatten() {
            rows.push(vec![json!(of(view, "name")), json!(of(column, "name")), json!(of(column, "help"))]);
        }
    }
    crate::cli::print(&output::rows(&["VIEW", "COLUMN", ""].map(str::to_owned), &rows))?;
    let functions: Vec<String> = all["functions"].as_array().into_iter().flatten().map(output::cell).collect();
    crate::cli::print(&format!("\nfunctions: {}\n", functions.join(", ")))
}
