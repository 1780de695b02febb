//! What a task would do, in lines for people.

use super::client::{Client, encoded};
use super::output::{self, Form};
use super::tasks::documents;
use anyhow::{Context as _, bail};
use muster_core::time::Timestamp;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

/// Asks the server what the next run of a task would do, of a file or a saved one, and shows it.
pub async fn forecast(client: &Client, task: Option<&str>, file: Option<&Path>, form: Form) -> anyhow::Result<()> {
    let document = match (task, file) {
        (_, Some(path)) => {
            let name = path.display().to_string();
            let mut found = documents(&name, &std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?)?;
            if found.len() != 1 {
                bail!("{name} holds {} tasks; a forecast is of one", found.len());
            }
            found.remove(0)
        }
        (Some(task), None) => {
            let id = client.id_of("tasks", "task", task).await?;
            client.get(&format!("tasks/{}", encoded(&id)), &[]).await?["doc"].take()
        }
        (None, None) => bail!("say which task, or which file with --file"),
    };
    let forecast = client.post("tasks/forecast", &document).await?;
    match form {
        Form::Table if forecast.is_null() => crate::cli::print("machines do nothing of this task\n"),
        Form::Table => crate::cli::print(&plan_text(&forecast)),
        _ => output::value(&forecast, form),
    }
}

/// A forecast in lines.
pub fn plan_text(it: &Value) -> String {
    let (course, mut text) = (&it["course"], String::new());
    let clock = if it["per_device"] == true { ", each machine by its own clock" } else { "" };
    let mut line = |name: &str, what: &str| {
        let _ = writeln!(text, "{name:<10}{what}");
    };
    line("begins", &format!("{}{clock}", at(&it["begins"])));
    line("until", &it["until"].as_str().map_or_else(|| "it has no end".to_owned(), |_| at(&it["until"])));
    let after = |key: &str| Some(span(instant(&it["begins"])?, instant(&course[key])?));
    line(
        "ends",
        &match (course["ends"].as_str().map(|_| at(&course["ends"])), after("ends"), after("half_ended"), after("most_ended")) {
            (Some(ends), Some(all), Some(half), Some(most)) => {
                format!("{ends}, after {all}; half of them after {half}, nine of ten after {most}")
            }
            _ => "no machine begins".to_owned(),
        },
    );
    line("machines", &format!("{} of {} begin in their time", count(&course["begun"]), count(&course["targets"])));
    for (key, what) in [
        ("late", "come too late for their window"),
        ("absent", "are not expected: not heard of lately, or no agent that may do it"),
        ("unreached", "are of waves that are never reached, as somebody before them never ends"),
    ] {
        if course[key].as_i64().unwrap_or(0) > 0 {
            line("", &format!("{} {what}", count(&course[key])));
        }
    }
    line("at once", &format!("{} at most", count(&course["most_at_once"])));
    for (key, what) in [
        ("run", "wait for their turn in the run"),
        ("organization", "wait for what the organization may have under way"),
        ("machine", "wait for other work of their machine"),
        ("wave", "wait for their wave"),
    ] {
        if course["kept"][key].as_i64().unwrap_or(0) > 0 {
            line("", &format!("{} {what}", count(&course["kept"][key])));
        }
    }
    line(
        "durations",
        &match it["measured"].as_u64().unwrap_or(0) {
            0 => "assumed: nothing was measured".to_owned(),
            n => format!("from {n} measured ones"),
        },
    );
    text + &beside(it) + &advice(it)
}

fn beside(it: &Value) -> String {
    let all = it["beside"].as_array().map_or(&[][..], Vec::as_slice);
    if all.is_empty() {
        return String::new();
    }
    let mut text = format!("\nadds {} to what is planned for its time:\n", words(it["adds_seconds"].as_u64().unwrap_or(0)));
    for other in all {
        let later = match (instant(&other["before"]["ends"]), instant(&other["with"]["ends"])) {
            (Some(before), Some(with)) if with > before => format!("ends {} later", words(with.since(before).as_secs())),
            (Some(_), Some(_)) => "ends as before".to_owned(),
            _ => "no machine begins".to_owned(),
        };
        let (before, with) = (other["before"]["late"].as_i64().unwrap_or(0), other["with"]["late"].as_i64().unwrap_or(0));
        let late = if with > before { format!(", {} more come too late", thousands(with - before)) } else { String::new() };
        let _ = writeln!(text, "  {}: {later}{late}", output::cell(&other["task"]["name"]));
    }
    text
}

fn advice(it: &Value) -> String {
    let all = it["advice"].as_array().map_or(&[][..], Vec::as_slice);
    if all.is_empty() {
        return String::new();
    }
    let mut text = "\nwhat would help:\n".to_owned();
    for one in all {
        let late = match one["course"]["late"].as_i64().unwrap_or(0) {
            0 => "nobody comes too late".to_owned(),
            n => format!("{} come too late", thousands(n)),
        };
        let ends = at(&one["course"]["ends"]);
        let _ = writeln!(text, "  {} Then {late}, and it ends {ends}.", output::cell(&one["text"]));
    }
    text
}

/// An instant without the part of a second.
fn at(value: &Value) -> String {
    let text = value.as_str().unwrap_or("never");
    text.split_once('.').map_or_else(|| text.to_owned(), |(whole, _)| format!("{whole}Z"))
}

fn instant(value: &Value) -> Option<Timestamp> {
    Timestamp::parse(value.as_str()?)
}

fn span(from: Timestamp, to: Timestamp) -> String {
    words(to.since(from).as_secs())
}

fn words(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, _) => format!("{m} min"),
        (h, 0, _) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

fn count(value: &Value) -> String {
    thousands(value.as_i64().unwrap_or(0))
}

fn thousands(n: i64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
