//! Support for tests of the real programs: a server process, agents of others, a small client.
//!
//! Everything listens on loopback on a free port, keeps its files in a temporary directory, and ends with the test. A program
//! that is missing fails the test and says how to get it.

mod agents;
mod line;
mod link;
mod mail;
mod own;
mod server;

pub use agents::{AgentRun, Agents, Daemon};
pub use line::{HERE, Line, dark_network, in_own_network};
pub use link::{Link, State as LinkState};
pub use mail::MailServer;
pub use own::OwnAgent;
pub use server::{Client, Database, Server, http};

use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// The program `name` beside the test's own executable.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let found = own.ancestors().skip(1).take(3).map(|dir| dir.join(name)).find(|path| path.is_file());
    match found {
        Some(path) => Ok(path),
        None => bail!("the program '{name}' is not built: run `cargo build --workspace --bins` first, or `cargo xtask test`"),
    }
}

/// A call of `muster`, without the settings of the surroundings: the run's own variables are none of the server's.
pub fn muster() -> Result<Command> {
    own_program("muster")
}

/// A call of `muster-agent`, without the settings of the surroundings.
pub fn muster_agent() -> Result<Command> {
    own_program("muster-agent")
}

fn own_program(name: &str) -> Result<Command> {
    let mut command = Command::new(program(name)?);
    for (variable, _) in std::env::vars_os().filter(|(v, _)| v.to_string_lossy().starts_with("MUSTER_")) {
        command.env_remove(variable);
    }
    Ok(command)
}

/// A program of the system; `package` says where it comes from.
pub fn system_program(name: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into(), "/sbin".into()]);
    match dirs.map(|dir| dir.join(name)).find(|p| p.is_file()) {
        Some(found) => Ok(found),
        None => bail!("this test runs the real '{name}': apt-get install {package}, or run the tests with `make test`"),
    }
}

/// Waits for a condition; on time-out says which one never came true.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut look: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() > end {
            bail!("within {limit:?} it never came true: {what}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
