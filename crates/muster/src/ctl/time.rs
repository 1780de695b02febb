//! Time: what schedules will do and did, approvals, the calendar; and the messages that tasks raise.

use super::client::{Client, encoded};
use super::lists::{self, ListArgs};
use super::output::{self, Column, Form};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

const NEXT: &[Column] = &[("LOCAL", "/local"), ("STARTS", "/starts"), ("OPENS", "/opens"), ("CLOSES", "/closes"), ("NOMINAL", "/nominal")];
const OCCURRENCES: &[Column] =
    &[("AT", "/at"), ("STATE", "/state"), ("WHY", "/detail"), ("TARGETS", "/targets"), ("RUN", "/run"), ("NOMINAL", "/nominal")];
const CALENDAR: &[Column] = &[
    ("STARTS", "/starts"),
    ("TASK", "/task/name"),
    ("STATE", "/state"),
    ("WHY", "/detail"),
    ("OPENS", "/opens"),
    ("CLOSES", "/closes"),
    ("TARGETS", "/targets"),
    ("RUN", "/run"),
];

/// Shows the next occurrences of a saved task.
pub async fn ahead(client: &Client, task: &str, form: Form) -> anyhow::Result<()> {
    let ahead = client.get(&format!("tasks/{task}/schedule"), &[]).await?;
    if form != Form::Table {
        return output::value(&ahead, form);
    }
    if let Some(off) = ahead["off"].as_object() {
        return crate::cli::print(&off_line(off));
    }
    output::items(rows(&ahead, "next"), NEXT, None, form)
}

/// That nothing comes because the schedule is out of action.
fn off_line(off: &Map<String, Value>) -> String {
    let of = |key: &str| off.get(key).and_then(Value::as_str).unwrap_or_default();
    let why = if of("reason").is_empty() { String::new() } else { format!(": {}", of("reason")) };
    format!("the schedule is out of action since {}, by {}{why}\n", of("since"), of("by"))
}

/// Puts a task's schedule out of action for a reason, or back.
pub async fn switch(client: &Client, task: &str, off: Option<&str>, form: Form) -> anyhow::Result<()> {
    let asked = off.map_or_else(|| json!({"enabled": true}), |reason| json!({"enabled": false, "reason": reason}));
    let task = client.put(&format!("tasks/{task}/schedule"), &asked).await?;
    if form != Form::Table {
        return output::value(&task, form);
    }
    let name = output::cell(&task["doc"]["name"]);
    crate::cli::print(&match off {
        Some(_) => format!("nothing of task '{name}' starts by itself any more\n"),
        None => format!("the schedule of task '{name}' is in action\n"),
    })
}

fn rows<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[][..], Vec::as_slice)
}

/// Lists what became of a task's occurrences.
pub async fn occurrences(client: &Client, task: &str, limit: usize, form: Form) -> anyhow::Result<()> {
    let limit = limit.to_string();
    let page = client.get(&format!("tasks/{task}/occurrences"), &[("limit", &limit)]).await?;
    if form != Form::Table {
        return output::value(&page, form);
    }
    let rest = page["next"].is_string().then(|| format!("the newest {limit} occurrences"));
    output::items(rows(&page, "items"), OCCURRENCES, rest.as_deref(), form)
}

/// Starts an occurrence that is held.
pub async fn start(client: &Client, task: &str, nominal: &str, confirm_count: Option<u64>, form: Form) -> anyhow::Result<()> {
    let body: Map<String, Value> = confirm_count.map(|n| ("confirm_count".to_owned(), json!(n))).into_iter().collect();
    let run = client.post(&format!("tasks/{task}/occurrences/{}/runs", encoded(nominal)), &Value::Object(body)).await?;
    output::record(&run, form)
}

/// Approves up to how many targets a task starts unattended; `None` takes it back.
pub async fn approve(client: &Client, task: &str, targets_max: Option<u64>, form: Form) -> anyhow::Result<()> {
    let task = client.put(&format!("tasks/{task}/approval"), &json!({"targets_max": targets_max})).await?;
    if form != Form::Table {
        return output::value(&task, form);
    }
    let name = output::cell(&task["doc"]["name"]);
    crate::cli::print(&match task["targets_max"].as_u64() {
        Some(most) => format!("task '{name}' starts unattended on up to {most} machines\n"),
        None => format!("task '{name}' starts unattended on as many machines as the size guard lets a person start\n"),
    })
}

/// Reads a number of targets, or `none`.
pub fn targets_max(text: &str) -> Result<TargetsMax, String> {
    match text {
        "none" => Ok(TargetsMax(None)),
        _ => text.parse().map(|n| TargetsMax(Some(n))).map_err(|_| format!("'{text}' is neither a number of machines nor 'none'")),
    }
}

/// Up to how many targets; none is what the size guard lets a person start.
#[derive(Clone, Copy, Debug)]
pub struct TargetsMax(pub Option<u64>);

/// Between which instants.
#[derive(Debug, Args)]
pub struct CalendarArgs {
    /// From here on, such as 2026-12-01T00:00:00Z; now unless given
    #[arg(long, value_name = "INSTANT")]
    from: Option<String>,
    /// Before here, at most 62 days later; a week later unless given
    #[arg(long, value_name = "INSTANT")]
    to: Option<String>,
}

/// Lists what schedules did and will do.
pub async fn calendar(client: &Client, args: &CalendarArgs, form: Form) -> anyhow::Result<()> {
    let given = [("from", args.from.as_deref()), ("to", args.to.as_deref())];
    let query: Vec<(&str, &str)> = given.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let calendar = client.get("calendar", &query).await?;
    if form != Form::Table {
        return output::value(&calendar, form);
    }
    let rest = (calendar["more"] == true).then_some("the first 1,000 entries; name a shorter time");
    output::items(rows(&calendar, "items"), CALENDAR, rest, form)
}

/// What is done with messages.
#[derive(Debug, Subcommand)]
pub enum MessageCommand {
    /// Marks a message as read
    Read {
        /// Its id
        message: String,
        /// Also all before it that nobody has read
        #[arg(long)]
        all_before: bool,
    },
}

/// Which messages.
#[derive(Debug, Args)]
pub struct MessagesArgs {
    #[command(flatten)]
    list: ListArgs,
    /// Only those that nobody has read
    #[arg(long)]
    unread: bool,
}

/// Lists messages.
pub async fn messages(client: &Client, args: MessagesArgs, form: Form) -> anyhow::Result<()> {
    let list = args.list.with([("unread", args.unread.then(|| "true".to_owned()))]);
    lists::list(client, &lists::MESSAGES, &list, form).await
}

/// Acts on a message.
pub async fn message(client: &Client, command: MessageCommand, form: Form) -> anyhow::Result<()> {
    let MessageCommand::Read { message, all_before } = command;
    let read = client.post(&format!("messages/{}/read", encoded(&message)), &json!({"all_before": all_before})).await?;
    output::record(&read, form)
}
