//! How answers are shown: tables for people, JSON and YAML for scripts.

use crate::cli::print;
use anyhow::Context;
use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde_json::Value;
use std::io::Write;

/// The form of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    Table,
    /// For scripts.
    Json,
    /// For scripts and people.
    Yaml,
    /// For spreadsheets: lists of the server, with all rows.
    Csv,
}

/// A column: its heading and where its cells are (a JSON pointer).
pub type Column = (&'static str, &'static str);

/// The form that holds: the flag's, the environment's, a table.
pub fn form(flag: Option<Form>) -> anyhow::Result<Form> {
    match (flag, std::env::var("MUSTER_OUTPUT")) {
        (Some(form), _) => Ok(form),
        (None, Ok(text)) => {
            Form::from_str(&text, true).map_err(|_| anyhow::anyhow!("MUSTER_OUTPUT is '{text}'; it may be table, json, yaml or csv"))
        }
        (None, Err(_)) => Ok(Form::Table),
    }
}

/// A text without what could steer a terminal: names come from machines nobody vouches for.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// A value in a cell.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => harmless(text),
        Value::Array(all) if all.iter().all(|v| !v.is_object() && !v.is_array()) => all.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => harmless(&other.to_string()),
    }
}

/// A table of items.
pub fn table(items: &[Value], columns: &[Column]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.iter().map(|(heading, _)| *heading));
    for item in items {
        table.add_row(columns.iter().map(|(_, pointer)| cell(item.pointer(pointer).unwrap_or(&Value::Null)).replace('\n', " ")));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A table of rows whose columns the server named.
pub fn rows(columns: &[String], rows: &[Vec<Value>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.iter().map(|name| harmless(name)));
    for row in rows {
        table.add_row(row.iter().map(|value| cell(value).replace('\n', " ")));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn serialized(value: &Value, form: Form) -> anyhow::Result<String> {
    match form {
        Form::Csv => anyhow::bail!("only lists of the server are given as csv: devices, agents, software, changes; choose json or yaml"),
        Form::Yaml => serde_yaml_ng::to_string(value).context("YAML"),
        _ => Ok(serde_json::to_string_pretty(value).context("JSON")? + "\n"),
    }
}

/// Shows a list; `rest` says that there is more.
pub fn items(items: &[Value], columns: &[Column], rest: Option<&str>, form: Form) -> anyhow::Result<()> {
    if form != Form::Table {
        return print(&serialized(&Value::Array(items.to_vec()), form)?);
    }
    print(&table(items, columns))?;
    if let Some(rest) = rest {
        eprintln!("{rest}");
    }
    Ok(())
}

/// Shows one thing: its members a line each.
pub fn record(value: &Value, form: Form) -> anyhow::Result<()> {
    let Value::Object(members) = value else { return self::value(value, form) };
    if form != Form::Table {
        return print(&serialized(value, form)?);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, member) in members {
        table.add_row([name.clone(), shown(member)]);
    }
    print(&table.lines().map(|line| line.trim_end().to_owned() + "\n").collect::<String>())
}

/// A member of a record: lists of things a line each.
fn shown(member: &Value) -> String {
    match member {
        Value::Array(all) if all.iter().any(Value::is_object) => all.iter().map(shown).collect::<Vec<_>>().join("\n"),
        Value::Object(inner) => inner
            .iter()
            .filter(|(_, v)| !v.is_null() && **v != 0)
            .map(|(k, v)| format!("{} {}", harmless(k), cell(v)))
            .collect::<Vec<_>>()
            .join(", "),
        other => cell(other),
    }
}

/// Shows bytes as they came from the server.
pub fn bytes(piece: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    match out.write_all(piece).and_then(|()| out.flush()) {
        Err(e) => Err(e).context("standard output"),
        Ok(()) => Ok(()),
    }
}

/// Shows a bare value; nothing for none.
pub fn value(value: &Value, form: Form) -> anyhow::Result<()> {
    match (value, form) {
        (Value::Null, Form::Table) => Ok(()),
        (value, Form::Table) => print(&(cell(value) + "\n")),
        (value, form) => print(&serialized(value, form)?),
    }
}
