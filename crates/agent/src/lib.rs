//! Muster's own agent: collectors, enrolment, work.
//!
//! Everything it needs is outbound. `collect` reads the machine, `identity` keeps who the agent is, `client` talks to the server
//! (`docs/protocols/native.md`) and `channel` keeps the line, `work` is the loop, `jobs` has the orders on their way and `journal` what must not be forgotten of
//! them, `acts` does what they ask for. `run` is all of it; the program `muster-agent` and `muster quickstart`
//! call it.

mod acts;
mod book;
mod channel;
pub mod client;
pub mod clock;
pub mod collect;
pub mod crash;
pub mod identity;
mod jobs;
mod journal;
mod link;
pub mod recent;
mod retry;
mod way;
mod work;

pub use work::RunError;

use std::path::PathBuf;
use std::time::Duration;

/// Where the agent keeps its files unless told otherwise.
pub const DATA_DIR: &str = "/var/lib/muster-agent";

/// How an agent works.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server, `http://HOST[:PORT]` or `https://…`; none takes the one that was joined.
    pub server: Option<String>,
    /// The join token; used only while the agent has not joined.
    pub join: Option<String>,
    /// The agent's directory; made when it is not there.
    pub data: PathBuf,
    /// A PEM file of certificate authorities; with it only they count.
    pub authority: Option<PathBuf>,
    /// A word by which people find the machine.
    pub tag: Option<String>,
    /// A name instead of the host name.
    pub name: Option<String>,
    /// Ask and wait on the line instead of keeping a channel open.
    pub poll: bool,
    /// Do what is waiting and end.
    pub once: bool,
    /// The wait after the first failed call; it doubles up to five minutes.
    pub first_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server: None,
            join: None,
            data: PathBuf::from(DATA_DIR),
            authority: None,
            tag: None,
            name: None,
            poll: false,
            once: false,
            first_wait: Duration::from_secs(1),
        }
    }
}

/// Runs an agent until `stop` is ready, or with [`Options::once`] until nothing waits any more. Stopping is safe at any moment:
/// files are replaced whole, and of what was begun the journal says so.
///
/// # Errors
/// What waiting cannot mend: the directory, the address, a refused join token; with `once` also a server that cannot be reached.
pub async fn run(options: Options, stop: impl Future<Output = ()>) -> Result<(), RunError> {
    let mut agent = work::Agent::new(options)?;
    tokio::select! {
        result = agent.work() => result,
        () = stop => {
            tracing::info!("stopped");
            Ok(())
        }
    }
}
