//! `muster quickstart`: a server, an administrator, and Muster's own agent on this machine, in one process.

use crate::admin::made_up_password;
use crate::config::Config;
use crate::server::{Server, Signals, Told};
use anyhow::Context;
use muster_agent::identity::DataDir;
use muster_core::access::Role;
use muster_engine::{Error, access};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// The first administrator's name.
const ADMIN: &str = "admin";
/// How long this machine's join token can be used.
const JOIN: Duration = Duration::from_secs(3_600);

/// Runs server and agent until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let data = config.data.clone();
    let mut server = Server::start(config).await?;
    let password = first_administrator(&server).await?;
    let agent = Agent::start(&server, data.join("agent")).await?;
    eprint!("{}", welcome(&console(&server), &data.display().to_string(), password.as_deref(), server.authority.as_deref()));
    server.announce();
    while server.until_told(&mut signals).await == Told::StartAnew {
        server = server.again().await?;
    }
    agent.stop();
    server.stop(Some(signals)).await
}

/// Makes the administrator when there is none; gives the password, this once.
async fn first_administrator(server: &Server) -> anyhow::Result<Option<String>> {
    if server.administrators().await? > 0 {
        return Ok(None);
    }
    let password = made_up_password()?;
    let own = password.clone();
    let hashed = tokio::task::spawn_blocking(move || access::password_hash(&own)).await.context("hashing panicked")??;
    let new = access::NewPerson { name: ADMIN.to_owned(), password: hashed, role: Role::Admin, org: None, must_change: true };
    let cx = server.engine.system(server.org, "quickstart");
    server.engine.write("user.create", &cx, move |tx, cx| access::user_create(tx, cx, &new)).await?;
    Ok(Some(password))
}

/// The agent on its own thread: its work must not wait for the server's, nor the other way round.
struct Agent {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Agent {
    async fn start(server: &Server, data: PathBuf) -> anyhow::Result<Agent> {
        let joined = DataDir::look(&data).membership().context("the agent's directory")?.is_some();
        let join = if joined { None } else { Some(join_token(server).await?) };
        let options = muster_agent::Options {
            server: Some(local_url(server)),
            join,
            data,
            authority: server.authority.clone(),
            ..muster_agent::Options::default()
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime for the agent")?;
        let work = move || {
            let stopped = async move { drop(stopped.await) };
            if let Err(error) = runtime.block_on(muster_agent::run(options, stopped)) {
                tracing::error!(%error, "the agent on this machine ended");
            }
            // A collector may still look at the machine; nobody waits for what it finds.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("agent".to_owned()).spawn(work).context("no thread for the agent")?;
        Ok(Agent { stop, thread })
    }

    fn stop(self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the agent's thread panicked");
        }
    }
}

async fn join_token(server: &Server) -> Result<String, Error> {
    let cx = server.engine.system(server.org, "quickstart");
    let made = server.engine.write("join_token.create", &cx, |tx, cx| {
        let new = access::NewJoinToken {
            name: "quickstart: this machine".to_owned(),
            uses: Some(1),
            expires: Some(cx.now.plus(JOIN)),
            verified: true,
            group: None,
        };
        access::join_token_create(tx, cx, &new)
    });
    Ok(made.await?.1)
}

/// The server's address as seen from this machine.
fn local_url(server: &Server) -> String {
    let mut address = server.address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) });
    }
    format!("{}://{address}", if server.tls { "https" } else { "http" })
}

/// The console's address for a person: the host's name when the server listens on all addresses.
fn console(server: &Server) -> String {
    let host = rustix::system::uname().nodename().to_str().map(str::to_owned);
    match host {
        Ok(host) if server.address.ip().is_unspecified() && !host.is_empty() => {
            format!("{}://{host}:{}", if server.tls { "https" } else { "http" }, server.address.port())
        }
        _ => server.url(),
    }
}

fn welcome(console: &str, data: &str, password: Option<&str>, authority: Option<&Path>) -> String {
    let mut text = format!("\n  Muster runs. Its console: {console}\n\n");
    // Writing to a text cannot fail.
    let _ = match password {
        Some(password) => writeln!(text, "  sign in as  {ADMIN}\n  password    {password}   (shown this once; you choose your own then)"),
        None => writeln!(text, "  sign in as before; another person: muster admin user add NAME --role admin --data {data}"),
    };
    let _ = writeln!(text, "  data        {data}");
    if let Some(authority) = authority {
        let _ = writeln!(text, "  authority   {}   (let browsers and agents trust it)", authority.display());
    }
    text.push_str("\n  This machine is in the console within seconds. Ctrl-C stops Muster.\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_welcome_shows_the_password_once_and_otherwise_how_to_add_people() {
        let first = welcome("http://127.0.0.1:8350", "/d", Some("geheim-geheim"), None);
        assert!(first.contains("geheim-geheim") && first.contains("http://127.0.0.1:8350") && !first.contains("ca.pem"));
        let later = welcome("https://h:1", "/d", None, Some(Path::new("/d/keys/ca.pem")));
        assert!(later.contains("muster admin user add") && later.contains("/d/keys/ca.pem"));
    }
}
