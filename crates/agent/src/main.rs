//! The program `muster-agent`: command line, log, signals.

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use muster_agent::clock::SystemClock;
use muster_agent::collect::{self, Machine};
use muster_agent::identity::DataDir;
use muster_agent::recent::Recent;
use muster_agent::{DATA_DIR, Options};
use muster_core::time::Clock as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Muster's agent: tells a Muster server what this machine is and does what the server asks. Without a command it works until it
/// is stopped.
#[derive(Parser)]
#[command(name = "muster-agent", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    work: Work,
    /// Where the agent keeps its key and what it joined
    #[arg(long, value_name = "DIR", env = "MUSTER_AGENT_DATA", default_value = DATA_DIR, global = true)]
    data: PathBuf,
    /// A word by which people find this machine
    #[arg(long, env = "MUSTER_AGENT_TAG", global = true)]
    tag: Option<String>,
}

#[derive(Args)]
struct Work {
    /// The server, such as https://muster.example.org; not needed again after joining. Plain http:// protects neither the join
    /// token nor the first answer: for the same machine only, or a network you trust
    #[arg(long, value_name = "URL", env = "MUSTER_AGENT_SERVER")]
    server: Option<String>,
    /// The join token; used only while this agent has not joined
    #[arg(long, value_name = "TOKEN", env = "MUSTER_AGENT_JOIN", hide_env_values = true)]
    join: Option<String>,
    /// PEM file of the certificate authority that signed the server's certificate; without it those count that this system trusts
    #[arg(long, value_name = "FILE", env = "MUSTER_AGENT_CA")]
    ca: Option<PathBuf>,
    /// Ask and wait on the line instead of keeping a channel (a WebSocket) open; it is done anyway where a proxy lets none through
    #[arg(long, env = "MUSTER_AGENT_POLL")]
    poll: bool,
    /// Do what is waiting and end; the exit status tells whether the server was reached
    #[arg(long)]
    once: bool,
    /// A name instead of the host name
    #[arg(long, env = "MUSTER_AGENT_NAME")]
    name: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Print this machine's inventory in the GLPI inventory format; contacts nobody
    Inventory {
        /// Print on standard output (there is no other place)
        #[arg(long)]
        stdout: bool,
    },
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, as `man` reads it
    Man,
    /// Print which server was joined, the agent's id, its key's fingerprint and the last contact
    Show,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = std::env::var("MUSTER_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let level = level.unwrap_or_else(|| Targets::new().with_default(tracing::Level::INFO));
    let layer = tracing_subscriber::fmt::layer().with_writer(Recent).with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry().with(layer).with(level).init();
    let result = match cli.command {
        Some(Command::Inventory { stdout: _ }) => inventory(cli.tag.as_deref()),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "muster-agent", &mut std::io::stdout());
            Ok(())
        }
        Some(Command::Man) => manual(),
        Some(Command::Show) => show(&cli.data),
        None => work(cli),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work(cli: Cli) -> anyhow::Result<()> {
    let Work { server, join, ca, poll, once, name } = cli.work;
    muster_agent::crash::watch(&cli.data, SystemClock);
    let options = Options { server, join, data: cli.data, authority: ca, tag: cli.tag, name, poll, once, ..Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime could not be started")?;
    let result = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        Ok(muster_agent::run(options, stop).await?)
    });
    // A collection that is under way reads files only; nobody waits for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

fn inventory(tag: Option<&str>) -> anyhow::Result<()> {
    let machine = Machine::default();
    let collected = collect::collect(&machine, SystemClock.now());
    for (section, sentence) in &collected.failed {
        tracing::warn!(section, "not read: {sentence}");
    }
    let id = collect::device_id(&machine, &collected.inventory);
    let document = collect::document(&collected.inventory, &id, tag);
    print(&serde_json::to_string_pretty(&document)?)
}

/// The manual page: what the command line says of itself, and where things are.
fn manual() -> anyhow::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).section("8").manual("Muster").render(&mut page)?;
    page.extend_from_slice(MANUAL_END.as_bytes());
    print(&String::from_utf8(page)?)
}

/// What a command line cannot know.
const MANUAL_END: &str = ".SH FILES
.TP
/etc/default/muster\\-agent
Settings of the service, as variables of its environment.
.TP
/var/lib/muster\\-agent
The key, what was joined, and the journal of orders. A copied directory is a copied identity: leave it out of machine images.
.SH SIGNALS
SIGTERM and SIGINT end the agent at once and safely, and with it what it runs.
";

fn show(data: &std::path::Path) -> anyhow::Result<()> {
    let directory = DataDir::look(data);
    let Some((membership, server_key)) = directory.membership()? else {
        return print(&format!("This agent has not joined a server ({} holds no membership).", data.display()));
    };
    let key = directory.key()?.context("the private key is missing; remove the directory and join again")?;
    let fingerprint = muster_core::inventory::hash(key.verifying_key().as_bytes());
    let fingerprint: String = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    let contact = directory.last_contact().map_or_else(|| "never".to_owned(), |contact| contact.at.to_string());
    print(&format!(
        "server        {}\norganization  {}\nagent         {}\nincarnation   {}\njoined        {}\nlast contact  {contact}\nfingerprint   {fingerprint}\nserver key    {}",
        membership.server,
        membership.org,
        membership.agent_id,
        membership.incarnation,
        membership.joined,
        muster_wire::keys::fingerprint(&server_key)
    ))
}

/// Prints a text and a line's end. Whoever reads may stop reading.
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    match writeln!(std::io::stdout(), "{text}") {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
