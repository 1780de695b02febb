//! `muster ctl`, also `musterctl`: the command line of a running server, over its REST API and nothing else.

mod apply;
mod approvals;
mod client;
mod credentials;
mod groups;
mod identity;
mod lists;
mod login;
mod output;
mod planner;
mod queue;
mod reports;
mod runs;
mod software;
mod tasks;
#[cfg(test)]
mod tests;
mod time;

pub use planner::plan_text;
pub use tasks::documents;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use client::Client;
use lists::ListArgs;
use output::Form;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Ends a command whose watched run did not end well.
pub const RUN_FAILED: u8 = 3;

/// Works with a running Muster server.
#[derive(Debug, Parser)]
#[command(name = "musterctl", version, max_term_width = 110)]
pub struct Ctl {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    command: Command,
}

/// Which server, as whom, and how answers are shown.
#[derive(Debug, Args)]
pub struct Target {
    /// The server, such as https://muster.example.org:8350 (also MUSTER_SERVER; else from 'login')
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Bearer token (better as MUSTER_TOKEN or from 'login': other people of a machine see command lines)
    #[arg(long, global = true, value_name = "TOKEN")]
    token: Option<String>,
    /// The organization to act in, name or id (also MUSTER_ORG)
    #[arg(long, global = true, value_name = "ORG")]
    org: Option<String>,
    /// The authority that signed the server's certificate, PEM (also MUSTER_CA)
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Table for people, json or yaml for scripts, csv for spreadsheets (also MUSTER_OUTPUT)
    #[arg(short, long, global = true, value_enum, value_name = "FORM")]
    output: Option<Form>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks a server and a token and keeps them for later commands; the token is read from standard input unless given
    Login,
    /// Lists devices
    Devices(ListArgs),
    /// One device: show, identity, merge, split, move
    #[command(subcommand)]
    Device(identity::DeviceCommand),
    /// Lists pairs of devices that may be one; 'duplicates dismiss' says that they are not
    Duplicates(identity::Duplicates),
    /// What was merged and split: undo
    #[command(subcommand)]
    Identity(identity::IdentityCommand),
    /// Lists agents
    Agents(ListArgs),
    /// One agent: verify, quarantine, release, revoke
    #[command(subcommand)]
    Agent(identity::AgentCommand),
    /// Lists crashes that agents told of themselves, the newest first; with an id one of them, with its log
    Crashes {
        /// Id of a crash
        id: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Lists groups of devices
    Groups(ListArgs),
    /// One group: show, create, update, delete, add, remove
    #[command(subcommand)]
    Group(groups::GroupCommand),
    /// Lists programs across the fleet; with a name its versions, with a range of versions the devices that have it
    #[command(args_conflicts_with_subcommands = true)]
    Software(software::SoftwareArgs),
    /// Lists what changed on all devices, the newest first
    Changes(software::ChangesArgs),
    /// Tasks: apply, list, show, preview, run, delete
    #[command(subcommand)]
    Task(tasks::TaskCommand),
    /// Lists starts that need a second person, the newest first; 'approvals ask', 'show', 'reject'
    #[command(args_conflicts_with_subcommands = true)]
    Approvals(approvals::Approvals),
    /// Lists runs, the latest first
    Runs(ListArgs),
    /// One run: show, watch, pause, resume, cancel, why
    #[command(subcommand)]
    Run(runs::RunCommand),
    /// Lists saved reports
    Reports(ListArgs),
    /// Questions in SQL: ask, views, show, create, update, delete, run, results
    #[command(subcommand)]
    Report(reports::ReportCommand),
    /// What schedules did and will do between two instants
    Calendar(time::CalendarArgs),
    /// Lists messages that tasks raised, the newest first; 'messages read' marks them
    #[command(args_conflicts_with_subcommands = true)]
    Messages {
        #[command(flatten)]
        list: time::MessagesArgs,
        #[command(subcommand)]
        command: Option<time::MessageCommand>,
    },
    /// Lists what is not finished, of all tasks and machines; 'queue cancel', 'delay' and 'priority' act on it
    #[command(args_conflicts_with_subcommands = true)]
    Queue {
        #[command(flatten)]
        list: ListArgs,
        #[command(subcommand)]
        command: Option<queue::QueueCommand>,
    },
    /// Shows whether the brake is on; 'brake on' holds everything, 'brake off' releases it
    Brake {
        #[command(subcommand)]
        command: Option<queue::BrakeCommand>,
    },
    /// Lists the organizations that the token may act in
    Orgs(ListArgs),
    /// One organization: create
    #[command(subcommand)]
    Org(OrgCommand),
    /// Lists people
    Users(ListArgs),
    /// Lists bearer tokens
    Tokens(ListArgs),
    /// Lists the tokens by which agents join
    JoinTokens(ListArgs),
    /// Credentials by which foreign agents show that they belong here: list, create, delete
    AgentCredentials(credentials::Credentials),
    /// Shows or changes the organization's settings
    #[command(subcommand)]
    Settings(SettingsCommand),
    /// Lists who did what
    Audit(ListArgs),
}

#[derive(Debug, Subcommand)]
enum OrgCommand {
    /// Adds an organization
    Create {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum SettingsCommand {
    /// Shows all settings, or one
    Get {
        /// Its key
        key: Option<String>,
    },
    /// Changes settings, such as: set contact_every=15m size_guard=200
    Set {
        /// KEY=VALUE; a value is JSON, or else text
        #[arg(required = true, value_parser = lists::pair, value_name = "KEY=VALUE")]
        values: Vec<(String, String)>,
    },
}

/// Runs a command.
pub fn run(ctl: Ctl) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(command(ctl))
}

async fn command(ctl: Ctl) -> anyhow::Result<ExitCode> {
    let form = output::form(ctl.target.output)?;
    if let Command::Login = ctl.command {
        login::login(&ctl.target).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let client = Client::new(&login::effective(&ctl.target)?)?;
    match ctl.command {
        Command::Login => {}
        Command::Devices(args) => lists::list(&client, &lists::DEVICES, &args, form).await?,
        Command::Device(command) => identity::device(&client, command, form).await?,
        Command::Duplicates(it) => identity::duplicates(&client, it, form).await?,
        Command::Identity(command) => identity::acts(&client, command, form).await?,
        Command::Agent(command) => identity::agent(&client, command, form).await?,
        Command::Agents(args) => lists::list(&client, &lists::AGENTS, &args, form).await?,
        Command::Crashes { id: Some(id), .. } => {
            output::record(&client.get(&format!("crashes/{}", client::encoded(&id)), &[]).await?, form)?;
        }
        Command::Crashes { id: None, list } => lists::list(&client, &lists::CRASHES, &list, form).await?,
        Command::Groups(args) => lists::list(&client, &lists::GROUPS, &args, form).await?,
        Command::Group(command) => groups::run(&client, command, form).await?,
        Command::Software(args) => software::software(&client, args, form).await?,
        Command::Changes(args) => software::changes(&client, args, form).await?,
        Command::Task(command) => return tasks::run(&client, command, form).await,
        Command::Approvals(it) => approvals::run(&client, it, form).await?,
        Command::Runs(args) => lists::list(&client, &lists::RUNS, &args, form).await?,
        Command::Run(command) => return runs::run(&client, command, form).await,
        Command::Reports(args) => lists::list(&client, &lists::REPORTS, &args, form).await?,
        Command::Report(command) => reports::run(&client, command, form).await?,
        Command::Calendar(args) => time::calendar(&client, &args, form).await?,
        Command::Messages { list, command: None } => time::messages(&client, list, form).await?,
        Command::Messages { command: Some(command), .. } => time::message(&client, command, form).await?,
        Command::Queue { list, command: None } => lists::list(&client, &lists::QUEUE, &list, form).await?,
        Command::Queue { command: Some(command), .. } => queue::run(&client, command, form).await?,
        Command::Brake { command } => queue::brake(&client, command, form).await?,
        Command::Orgs(args) => lists::list(&client, &lists::ORGS, &args, form).await?,
        Command::Org(OrgCommand::Create { name }) => output::record(&client.post("orgs", &json!({"name": name})).await?, form)?,
        Command::Users(args) => lists::list(&client, &lists::USERS, &args, form).await?,
        Command::Tokens(args) => lists::list(&client, &lists::TOKENS, &args, form).await?,
        Command::JoinTokens(args) => lists::list(&client, &lists::JOIN_TOKENS, &args, form).await?,
        Command::AgentCredentials(it) => credentials::run(&client, it, form).await?,
        Command::Settings(command) => settings(&client, command, form).await?,
        Command::Audit(args) => lists::list(&client, &lists::AUDIT, &args, form).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn settings(client: &Client, command: SettingsCommand, form: Form) -> anyhow::Result<()> {
    match command {
        SettingsCommand::Get { key: None } => output::record(&client.get("settings", &[]).await?, form),
        SettingsCommand::Get { key: Some(key) } => {
            let all = client.get("settings", &[]).await?;
            let value = all.get(&key).with_context(|| format!("there is no setting '{key}'; 'settings get' shows them all"))?;
            output::value(value, form)
        }
        SettingsCommand::Set { values } => {
            let read = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
            let patch = values.into_iter().map(|(key, text)| (key, read(text))).collect();
            output::record(&client.patch("settings", &Value::Object(patch)).await?, form)
        }
    }
}
