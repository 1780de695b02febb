//! The command line of `muster`.

use crate::admin::{self, Admin};
use crate::config::{Config, Flags};
use crate::{bench, ctl, logs, quickstart, server, sim};
use anyhow::Context;
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Muster: knows every machine of a fleet and runs tasks on them.
#[derive(Debug, Parser)]
#[command(
    name = "muster",
    version,
    propagate_version = true,
    max_term_width = 110,
    after_help = "Manual: docs/ in the source, or /api/docs on a running server for the API."
)]
pub struct Muster {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server: agents, API and console on one port
    ///
    /// Without options it keeps everything in an embedded database and listens on 127.0.0.1:8350. When it is ready it prints one
    /// line, 'muster listening on URL', on standard output; its log is on standard error. SIGTERM stops it in good order, SIGHUP
    /// reads certificates again.
    Server(ServerArgs),
    /// Shows Muster with this machine in it: a server, an administrator, and Muster's own agent, in one process
    ///
    /// Takes the options of 'server'. At the first start it makes the administrator 'admin' and prints the password, this once,
    /// on standard error. The address of the console is printed there too.
    Quickstart(ServerArgs),
    /// Administers a server's database directly, also while the server runs
    #[command(subcommand)]
    Admin(Admin),
    /// Looks at the configuration
    Config(ConfigArgs),
    /// Works with a running server: devices, tasks, runs, queue (also as 'musterctl')
    Ctl(ctl::Ctl),
    /// Plans a task on a fleet ('sim plan'); or runs the engine in simulated worlds and checks its rules
    ///
    /// Without 'plan' each world is made from a seed, and it ends with 1 when a rule is broken.
    Sim(Box<sim::Sim>),
    /// Load generators for the figures of the documentation; prints, never judges
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Prints the OpenAPI document of the REST API
    Openapi,
    /// Prints the completions of a shell; for bash: muster completions bash > /etc/bash_completion.d/muster
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Where the configuration comes from and what the command line says of it.
#[derive(Debug, Default, Args)]
pub struct ServerArgs {
    /// Configuration file, TOML (also MUSTER_CONFIG); every key also as a variable MUSTER_KEY
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of the embedded database and the keys [/var/lib/muster as root, else ~/.local/share/muster]
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// Address and port of all doors; port 0 picks a free one [127.0.0.1:8350]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// PostgreSQL instead of the embedded database: postgres://USER:PASSWORD@HOST/NAME
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Directory of the server's key and certificate authority, the same on all nodes [keys under the data directory]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<String>,
    /// Encrypt also on loopback (elsewhere it is the rule)
    #[arg(long)]
    pub tls: bool,
    /// Certificate chain, PEM, instead of one by Muster's own authority
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// Private key of --tls-cert, PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// Do not encrypt although the address is not loopback (old agents without TLS, or a proxy in front)
    #[arg(long)]
    pub plain_http: bool,
    /// Connections at once [20000]
    #[arg(long, value_name = "N")]
    pub max_connections: Option<String>,
    /// What is logged: error, warn, info, debug, trace, or per module as in muster_store=debug,info [info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// Form of the log: text or json [text on a terminal, else json]
    #[arg(long, value_name = "FORM")]
    pub log_format: Option<String>,
}

impl ServerArgs {
    /// The effective configuration.
    pub fn load(&self) -> anyhow::Result<Config> {
        let said = [
            ("data", &self.data),
            ("listen", &self.listen),
            ("database", &self.database),
            ("keys", &self.keys),
            ("tls_cert", &self.tls_cert),
            ("tls_key", &self.tls_key),
            ("max_connections", &self.max_connections),
            ("log", &self.log),
            ("log_format", &self.log_format),
        ];
        let mut flags: Flags = said.into_iter().filter_map(|(key, text)| Some((key, text.clone()?))).collect();
        flags.extend(self.tls.then(|| ("tls", "true".to_owned())));
        flags.extend(self.plain_http.then(|| ("plain_http", "true".to_owned())));
        Ok(Config::load(self.config.as_deref(), &flags)?)
    }
}

#[derive(Debug, Args)]
struct ConfigArgs {
    /// Prints the effective configuration as a file with comments; passwords are ***
    #[arg(long, required = true)]
    show: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs a command.
pub fn run(muster: Muster) -> anyhow::Result<ExitCode> {
    match muster.command {
        Command::Server(args) => {
            let config = args.load()?;
            logs::start(&config.log, config.log_json);
            runtime()?.block_on(server::run(config))?;
        }
        Command::Quickstart(mut args) => {
            if std::env::var_os("MUSTER_LOG").is_none() && args.config.is_none() {
                args.log.get_or_insert_with(|| "warn".to_owned());
            }
            let config = args.load()?;
            logs::start(&config.log, config.log_json);
            runtime()?.block_on(quickstart::run(config))?;
        }
        Command::Admin(admin) => return admin::run(admin),
        Command::Config(args) => print(&args.server.load()?.show())?,
        Command::Ctl(ctl) => return ctl::run(ctl),
        Command::Sim(args) => return sim::run(&args),
        Command::Bench(what) => runtime()?.block_on(bench::run(&what))?,
        Command::Openapi => print(&(muster_api::openapi().to_pretty_json().context("the OpenAPI document")? + "\n"))?,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Muster::command(), "muster", &mut script);
            print(&String::from_utf8_lossy(&script))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The runtime of the server.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    // Each thread keeps memory of its own; large documents, passwords and files are what these are for.
    tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(16)
        .enable_all()
        .thread_name("muster")
        .build()
        .context("no threads for the server")
}

/// Prints to standard output; that the reader has left is no failure.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e).context("standard output"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Muster::command().debug_assert();
    }
}
