//! `muster admin`: what the administrator of the machine does to the database itself.

mod check;
mod copy;
mod installer;
mod keys;
#[cfg(test)]
mod tests;

use crate::cli::{ServerArgs, print};
use crate::config::Config;
use crate::logs;
use crate::open::{Opened, open};
use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use muster_core::access::{Org, Role};
use muster_core::settings::Span;
use muster_engine::{Cx, access};
use std::io::BufRead;
use std::path::PathBuf;
use std::process::ExitCode;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// People who sign in
    #[command(subcommand)]
    User(User),
    /// Bearer tokens of the REST API and of 'muster ctl'
    #[command(subcommand)]
    Token(Token),
    /// Tokens by which Muster's own agents join
    #[command(subcommand)]
    JoinToken(JoinToken),
    /// Makes one file that sets up an agent on the machines of an organization, with a new join token inside
    ///
    /// For Muster's own agent a shell script, which may carry the package; for agents of others their settings.
    Installer {
        #[command(flatten)]
        wanted: installer::Wanted,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// The keys by which Muster's own agents know the server
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Writes a consistent copy of the embedded database to a new file; the server may go on working
    ///
    /// The keys directory is not part of the copy: keep a copy of it apart, in a safe place.
    Backup {
        /// The new file
        file: PathBuf,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Puts a backup in place of the embedded database; the server must be stopped
    Restore {
        /// The backup
        file: PathBuf,
        /// Replace a database that is there
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Checks everything stored; prints a line per finding and ends with 1 when there are any
    Check {
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// People.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Adds a person; prints a made-up password unless one is given on standard input
    Add {
        /// The name to sign in with
        name: String,
        /// viewer (looks), operator (runs tasks) or admin (also people, tokens and settings)
        #[arg(long)]
        role: Role,
        /// The only organization, name or id [all of them]
        #[arg(long)]
        org: Option<String>,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// Bearer tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Makes a token and prints it, alone, on standard output; it is shown this once
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// viewer, operator or admin
        #[arg(long)]
        role: Role,
        /// The only organization, name or id [all of them]
        #[arg(long)]
        org: Option<String>,
        /// How long it lasts, such as 12h or 90d [without end]
        #[arg(long, value_name = "TIME", value_parser = span)]
        expires_in: Option<Span>,
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// Join tokens.
#[derive(Debug, Subcommand)]
pub enum JoinToken {
    /// Makes a join token and prints it, alone, on standard output; it is shown this once
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// How often it can be used [without end]
        #[arg(long, value_name = "N")]
        uses: Option<i64>,
        /// Agents that join with it are verified at once
        #[arg(long)]
        verified: bool,
        /// The group into which their devices come, name or id
        #[arg(long)]
        group: Option<String>,
        /// The organization they join, name or id [default]
        #[arg(long)]
        org: Option<String>,
        /// How long it lasts, such as 12h or 90d [without end]
        #[arg(long, value_name = "TIME", value_parser = span)]
        expires_in: Option<Span>,
        #[command(flatten)]
        store: StoreArgs,
    },
}

fn span(text: &str) -> Result<Span, String> {
    Span::parse(text).ok_or_else(|| format!("'{text}' is not a time such as 12h or 90d"))
}

/// Which database.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// The server's configuration file (also MUSTER_CONFIG)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The server's data directory [/var/lib/muster as root, else ~/.local/share/muster]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// The server's PostgreSQL: postgres://USER:PASSWORD@HOST/NAME
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// What is logged [warn]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

impl StoreArgs {
    fn config(self) -> anyhow::Result<Config> {
        let log = Some(self.log.unwrap_or_else(|| "warn".to_owned()));
        let args = ServerArgs { config: self.config, data: self.data, database: self.database, log, ..ServerArgs::default() };
        let config = args.load()?;
        logs::start(&config.log, config.log_json);
        Ok(config)
    }
}

/// Runs a command.
pub fn run(admin: Admin) -> anyhow::Result<ExitCode> {
    match admin {
        Admin::User(User::Add { name, role, org, password_stdin, store }) => {
            let password = if password_stdin { Some(first_line(std::io::stdin().lock())?) } else { None };
            let made = add_user(&store.config()?, &name, role, org.as_deref(), password)?;
            print(&made.map_or(String::new(), |password| password + "\n"))?;
        }
        Admin::Token(Token::Create { name, role, org, expires_in, store }) => {
            print(&(create_token(&store.config()?, &name, role, org.as_deref(), expires_in)? + "\n"))?;
        }
        Admin::JoinToken(JoinToken::Create { name, uses, verified, group, org, expires_in, store }) => {
            let wanted = Joining { name, uses, verified, group, expires_in };
            print(&(create_join_token(&store.config()?, org.as_deref(), wanted)? + "\n"))?;
        }
        Admin::Installer { wanted, store } => {
            let out = wanted.out.clone();
            if let Some(out) = out.as_ref().filter(|out| out.exists()) {
                bail!("{} is there already; name another file with --out", out.display());
            }
            let text = installer::make(&store.config()?, wanted)?;
            match out {
                None => print(&text)?,
                Some(out) => installer::write(&out, &text)?,
            }
        }
        Admin::Keys(command) => keys::run(command)?,
        Admin::Backup { file, store } => {
            let config = store.config()?;
            copy::backup(&config, &file)?;
            eprintln!("the database is in {}; the keys in {} are not: keep a copy of them apart", file.display(), config.keys.display());
        }
        Admin::Restore { file, force, store } => {
            let config = store.config()?;
            copy::restore(&config, &file, force)?;
            eprintln!("the database of {} is that of {}", config.data.display(), file.display());
        }
        Admin::Check { store } => {
            let config = store.config()?;
            let findings = check::check(&existing(&config)?)?;
            print(&findings.iter().map(|f| format!("{f}\n")).collect::<String>())?;
            if !findings.is_empty() {
                eprintln!("muster: {} findings; restore the last good backup, or report them", findings.len());
                return Ok(ExitCode::FAILURE);
            }
            eprintln!("all is well");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens a database that must be there.
fn existing(config: &Config) -> anyhow::Result<Opened> {
    let file = config.database_file();
    if config.database.is_none() && !file.exists() {
        bail!("there is no database {}; name the data directory with --data", file.display());
    }
    open(config)
}

fn first_line(mut input: impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    input.read_line(&mut line).context("the password cannot be read from standard input")?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// A password nobody guesses: 18 random bytes as 24 characters.
pub fn made_up_password() -> anyhow::Result<String> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("the system gives no randomness: {e}"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn here(opened: &Opened) -> Cx {
    opened.engine.system(opened.org, "muster admin")
}

fn organization(opened: &Opened, named: Option<&str>) -> anyhow::Result<Option<Org>> {
    let Some(name) = named.map(str::to_owned) else { return Ok(None) };
    Ok(Some(opened.engine.read_now(&here(opened), move |rx, cx| access::org_of(rx, &cx.caller, Some(&name)))?))
}

/// Adds a person; gives the password when it was made up (then it must be changed at the first sign-in).
fn add_user(config: &Config, name: &str, role: Role, org: Option<&str>, password: Option<String>) -> anyhow::Result<Option<String>> {
    let opened = open(config)?;
    let org = organization(&opened, org)?.map(|o| o.id);
    let made_up = if password.is_none() { Some(made_up_password()?) } else { None };
    let password = password.or_else(|| made_up.clone()).unwrap_or_default();
    access::password_check("/password", &password)?;
    let new =
        access::NewPerson { name: name.to_owned(), password: access::password_hash(&password)?, role, org, must_change: made_up.is_some() };
    opened.engine.write_now("user.create", &here(&opened), move |tx, cx| access::user_create(tx, cx, &new))?;
    Ok(made_up)
}

fn create_token(config: &Config, name: &str, role: Role, org: Option<&str>, expires_in: Option<Span>) -> anyhow::Result<String> {
    let opened = open(config)?;
    let org = organization(&opened, org)?.map(|o| o.id);
    let name = name.to_owned();
    let made = opened.engine.write_now("token.create", &here(&opened), move |tx, cx| {
        access::token_create(tx, cx, &name, role, org, expires_in.map(|s| cx.now.plus(s.0)))
    });
    Ok(made?.1)
}

struct Joining {
    name: String,
    uses: Option<i64>,
    verified: bool,
    group: Option<String>,
    expires_in: Option<Span>,
}

fn create_join_token(config: &Config, org: Option<&str>, wanted: Joining) -> anyhow::Result<String> {
    let opened = open(config)?;
    let org = organization(&opened, org)?.map_or(opened.org, |o| o.id);
    let cx = opened.engine.system(org, "muster admin");
    let made = opened.engine.write_now("join_token.create", &cx, move |tx, cx| {
        let expires = wanted.expires_in.map(|s| cx.now.plus(s.0));
        let new = access::NewJoinToken {
            name: wanted.name.clone(),
            uses: wanted.uses,
            expires,
            verified: wanted.verified,
            group: wanted.group.clone(),
        };
        access::join_token_create(tx, cx, &new)
    });
    Ok(made?.1)
}
