//! A server process of its own, so that its processor time and memory can be told from the generator's.

use anyhow::{Context as _, ensure};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A child that serves; it ends when this is dropped.
pub struct Peer {
    child: Child,
    url: String,
    data: tempfile::TempDir,
}

/// Resident memory of a process, KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// At most so far.
    pub peak: u64,
}

impl Peer {
    /// A Muster server: the embedded database in a directory of its own, or PostgreSQL.
    pub fn server(database: Option<&str>, tls: bool) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        Self::start(server(&data, "127.0.0.1:0", database, tls)?, data)
    }

    /// Kills the server and starts it again on the same data and address.
    pub fn again(&mut self, database: Option<&str>) -> anyhow::Result<()> {
        let (address, tls) = (self.address()?.to_string(), self.url.starts_with("https"));
        self.child.kill()?;
        self.child.wait()?;
        let mut command = server(&self.data, &address, database, tls)?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start a server")?;
        let output = child.stdout.take().context("the server has an output")?;
        self.child = child;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line.starts_with("muster listening on "), "the server did not start again; it says why above");
        Ok(())
    }

    /// The bare HTTP server of the floor.
    pub fn bare(tls: bool) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let mut command = muster()?;
        command.args(["bench", "bare-http", "--keys"]).arg(data.path().join("keys"));
        if tls {
            command.arg("--tls");
        }
        Self::start(command, data)
    }

    /// The bare loop of WebSockets, over TLS.
    pub fn bare_channel() -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let mut command = muster()?;
        command.args(["bench", "bare-channel", "--keys"]).arg(data.path().join("keys"));
        Self::start(command, data)
    }

    fn start(mut command: Command, data: tempfile::TempDir) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start a server")?;
        let output = child.stdout.take().context("the server has an output")?;
        let mut peer = Self { child, url: String::new(), data };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        peer.url = line.trim().strip_prefix("muster listening on ").context("the server did not start; it says why above")?.to_owned();
        Ok(peer)
    }

    /// Its address as a URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        let (_, address) = self.url.split_once("://").context("a URL has a scheme")?;
        address.parse().with_context(|| format!("{address} is no address"))
    }

    /// The certificate of its own authority, PEM; there when it serves TLS.
    pub fn authority(&self) -> PathBuf {
        self.data.path().join("keys/ca.pem")
    }

    /// An administrator's token.
    pub fn token(&self, database: Option<&str>) -> anyhow::Result<String> {
        let mut command = muster()?;
        command.args(["admin", "token", "create", "--name", "bench", "--role", "admin"]);
        match database {
            Some(url) => command.args(["--database", url]),
            None => command.arg("--data").arg(self.data.path()),
        };
        let output = command.stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "no token was made; the reason is above");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Processor time of all its threads so far, also of those that ended.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(Usage::of(self.child.id())?.own)
    }

    /// Its memory.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let value = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
        };
        Ok(Memory { resident: value("VmRSS:"), peak: value("VmHWM:") })
    }
}

fn server(data: &tempfile::TempDir, listen: &str, database: Option<&str>, tls: bool) -> anyhow::Result<Command> {
    let mut command = muster()?;
    command.args(["server", "--listen", listen, "--log", "error", "--data"]).arg(data.path());
    if let Some(url) = database {
        command.args(["--database", url]);
    }
    if tls {
        command.arg("--tls");
    }
    Ok(command)
}

/// This program. Of the environment it is told nothing that configures a server: a run says all of it, and a database in use
/// shall not be hit.
fn muster() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"MUSTER_")) {
        command.env_remove(name);
    }
    Ok(command)
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of this process so far.
pub fn own_cpu() -> anyhow::Result<Duration> {
    Ok(Usage::of(std::process::id())?.own)
}

/// Processor time of a PostgreSQL server so far: its first process with all it has started, also those that ended.
pub fn postgres_cpu(pid: u32) -> anyhow::Result<Duration> {
    let first = Usage::of(pid)?;
    let mut sum = first.own + first.ended_children;
    for entry in std::fs::read_dir("/proc").context("cannot list /proc")? {
        let Some(other) = entry?.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        // One that ends just now is counted with its parent's ended children the next time.
        if let Ok(usage) = Usage::of(other)
            && usage.parent == pid
        {
            sum += usage.own;
        }
    }
    Ok(sum)
}

/// Refuses a process that is no PostgreSQL: its figures would be nothing's.
pub fn is_postgres(pid: u32) -> anyhow::Result<()> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).with_context(|| format!("there is no process {pid}"))?;
    ensure!(name.contains("postgres"), "process {pid} is '{}', not postgres; its id is the first line of postmaster.pid", name.trim());
    Ok(())
}

/// What proc(5) tells of a process.
struct Usage {
    parent: u32,
    own: Duration,
    ended_children: Duration,
}

impl Usage {
    fn of(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let stat = std::fs::read_to_string(Path::new(&path)).with_context(|| format!("cannot read {path}: is the process there?"))?;
        // The name in brackets may hold anything; what follows it begins with field 3. Times are in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
        let time = |a, b| Duration::from_millis((field(a) + field(b)) * 10);
        Ok(Self { parent: u32::try_from(field(4)).unwrap_or(0), own: time(14, 15), ended_children: time(16, 17) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_parent_and_processor_time_of_a_process() {
        let usage = Usage::of(std::process::id()).expect("this process is there");
        assert_eq!(usage.parent, std::os::unix::process::parent_id());
        let began = usage.own;
        while own_cpu().expect("told") < began + Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        assert!(Usage::of(u32::MAX).is_err());
        let refused = is_postgres(std::process::id()).expect_err("this is a test").to_string();
        assert!(refused.contains("not postgres"), "{refused}");
    }

    #[test]
    fn ended_children_count_with_a_postgres_servers_first_process() {
        let before = postgres_cpu(std::process::id()).expect("told");
        let child = Command::new("sh").args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]).status().expect("a shell");
        assert!(child.success());
        assert!(postgres_cpu(std::process::id()).expect("told") > before);
        assert!(Usage::of(std::process::id()).expect("told").ended_children > Duration::ZERO);
    }
}
