//! Programs and changes: across the fleet, on one device, between two instants.

use super::client::Client;
use super::lists::{self, ListArgs};
use super::output::{self, Form};
use clap::{Args, Subcommand};
use serde_json::Value;

/// Which programs.
#[derive(Debug, Args)]
pub struct SoftwareArgs {
    /// Devices that have the named program in a version below this one
    #[arg(long, value_name = "VERSION")]
    below: Option<String>,
    /// Devices that have the named program in this version or a newer one
    #[arg(long, value_name = "VERSION")]
    from: Option<String>,
    /// Programs with this text in name or publisher
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["text", "below", "from"])]
    find: Option<String>,
    #[command(flatten)]
    list: ListArgs,
    #[command(subcommand)]
    command: Option<SoftwareCommand>,
}

#[derive(Debug, Subcommand)]
enum SoftwareCommand {
    /// Lists programs that came to devices within a period
    Appeared {
        /// Since: an instant, a day, or a period back from now
        #[arg(long, value_name = "WHEN", default_value = "7d")]
        since: String,
        /// Before: the same forms; now unless given
        #[arg(long, value_name = "WHEN")]
        until: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
}

/// Lists programs, the versions of one, or the devices that have it.
pub async fn software(client: &Client, args: SoftwareArgs, form: Form) -> anyhow::Result<()> {
    let SoftwareArgs { below, from, find, mut list, command } = args;
    if let Some(SoftwareCommand::Appeared { since, until, list }) = command {
        let list = list.with([("since", Some(since)), ("until", until)]);
        return lists::list(client, &lists::APPEARED, &list, form).await;
    }
    let ranged = below.is_some() || from.is_some();
    let Some(name) = list.text.take() else {
        if ranged {
            anyhow::bail!("--below and --from need the name of the program: musterctl software openssl --below 3.0.15");
        }
        return lists::list(client, &lists::SOFTWARE, &list.with([("q", find)]), form).await;
    };
    let list = list.with([("name", Some(name)), ("below", below), ("from", from)]);
    let shown = if ranged { &lists::HOLDERS } else { &lists::VERSIONS };
    lists::list(client, shown, &list, form).await
}

/// Which changes.
#[derive(Debug, Args)]
pub struct ChangesArgs {
    /// Not before: an instant, a day, or a period back from now such as 7d
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Before: the same forms
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Sections, by comma
    #[arg(long, value_name = "NAMES")]
    section: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

impl ChangesArgs {
    fn list(self) -> ListArgs {
        self.list.with([("since", self.since), ("until", self.until), ("section", self.section)])
    }
}

/// Lists what changed on all devices.
pub async fn changes(client: &Client, args: ChangesArgs, form: Form) -> anyhow::Result<()> {
    lists::list(client, &lists::CHANGES, &args.list(), form).await
}

/// Lists what changed on the device of a path.
pub async fn history(client: &Client, path: &str, args: ChangesArgs, form: Form) -> anyhow::Result<()> {
    lists::at(client, &format!("{path}/history"), lists::HISTORY, &args.list(), form).await
}

/// Which two instants.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The earlier instant: RFC 3339, a day, or a period back from now such as 7d
    #[arg(long, value_name = "WHEN")]
    from: String,
    /// The later instant, in the same forms; now unless given
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// Sections, by comma
    #[arg(long, value_name = "NAMES")]
    section: Option<String>,
}

/// Compares the device of a path at two instants.
pub async fn compare(client: &Client, path: &str, args: &CompareArgs, form: Form) -> anyhow::Result<()> {
    let mut query = vec![("from", args.from.as_str())];
    query.extend(args.to.as_deref().map(|to| ("to", to)));
    query.extend(args.section.as_deref().map(|section| ("section", section)));
    let answer = client.get(&format!("{path}/changes"), &query).await?;
    if form != Form::Table {
        return output::value(&answer, form);
    }
    crate::cli::print(&output::table(&lines(&answer), COLUMNS))
}

const COLUMNS: &[output::Column] = &[("SECTION", "/section"), ("", "/sign"), ("WHAT", "/what"), ("FIELDS", "/fields")];

/// A comparison as rows of a table: `+` came, `-` went, `~` changed.
pub fn lines(answer: &Value) -> Vec<Value> {
    let mut lines = Vec::new();
    for section in answer["sections"].as_array().into_iter().flatten() {
        let name = section["section"].as_str().unwrap_or_default();
        let mut line = |sign: &str, row: &Value, fields: String| {
            let what = serde_json::from_value(row.clone()).map(|row| muster_core::inventory::history::label(name, &row));
            lines.push(serde_json::json!({"section": name, "sign": sign, "what": what.unwrap_or_default(), "fields": fields}));
        };
        for (sign, side) in [("+", "added"), ("-", "removed")] {
            for row in section[side].as_array().into_iter().flatten() {
                line(sign, row, String::new());
            }
        }
        for change in section["changed"].as_array().into_iter().flatten() {
            let show = |field: &Value| {
                let side = |side: &str| output::cell(&change[side][field.as_str().unwrap_or_default()]);
                format!("{} {} -> {}", field.as_str().unwrap_or_default(), side("before"), side("after"))
            };
            let fields: Vec<String> = change["fields"].as_array().into_iter().flatten().map(show).collect();
            line("~", &change["after"], fields.join(", "));
        }
    }
    lines
}
