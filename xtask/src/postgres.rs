//! A private PostgreSQL for one run of the tests: a Unix socket only, gone with the run, even when the run is killed.

use crate::run::Step;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The variable in which tests look for PostgreSQL.
pub const VARIABLE: &str = "MUSTER_TEST_POSTGRES";

/// Directories of clusters begin so; the id of the process that made one follows.
const PREFIX: &str = "muster-pg-";
/// Longest wait for a new cluster to answer.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A PostgreSQL for tests: one that a person named in the variable, or a private one that ends with this value.
pub struct Cluster {
    url: String,
    _own: Option<Own>,
}

struct Own {
    home: PathBuf,
    server: Option<Child>,
}

impl Cluster {
    /// Takes the cluster named in the environment, or makes and starts a private one.
    pub fn start() -> Result<Self> {
        if let Ok(url) = std::env::var(VARIABLE) {
            println!("tests use the PostgreSQL of {VARIABLE}");
            return Ok(Self { url, _own: None });
        }
        remove_left_over();
        let tools = Tools::find()?;
        let mut own = Own { home: std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id())), server: None };
        fs::create_dir_all(&own.home).with_context(|| format!("{} cannot be made", own.home.display()))?;
        tools.start(&mut own)?;
        let socket = own.home.to_string_lossy().replace('%', "%25").replace('/', "%2F");
        Ok(Self { url: format!("postgres://postgres@{socket}/postgres"), _own: Some(own) })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // SIGQUIT is PostgreSQL's immediate shutdown: its data are thrown away anyway.
            let _ = Command::new("kill").args(["-QUIT", &server.id().to_string()]).status();
            let _ = server.wait();
        }
        if let Err(error) = fs::remove_dir_all(&self.home) {
            eprintln!("{} could not be removed: {error}", self.home.display());
        }
    }
}

/// PostgreSQL's programs, and how to run them.
struct Tools {
    dir: PathBuf,
    as_postgres: bool,
    setpriv: bool,
}

impl Tools {
    fn find() -> Result<Self> {
        let as_postgres = Step::new("id").args(["-u"]).output()? == "0";
        let setpriv = Step::new("setpriv").args(["--version"]).succeeds();
        if as_postgres && !setpriv {
            bail!("PostgreSQL refuses to be run by root, and setpriv is missing: apt-get install util-linux");
        }
        Ok(Self { dir: programs()?, as_postgres, setpriv })
    }

    fn start(&self, own: &mut Own) -> Result<()> {
        let home = own.home.clone();
        if self.as_postgres {
            Step::new("chown").args([Path::new("postgres"), &home]).run()?;
        }
        let data = home.join("data");
        let made = self.command("initdb").args(["-A", "trust", "-U", "postgres", "--no-locale", "-E", "UTF8", "-D"]).arg(&data).output();
        let made = made.context("initdb cannot be started")?;
        if !made.status.success() {
            bail!("initdb failed:\n{}{}", String::from_utf8_lossy(&made.stdout), String::from_utf8_lossy(&made.stderr));
        }
        let log = home.join("log");
        let output = fs::File::create(&log).with_context(|| format!("{} cannot be made", log.display()))?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-c", "max_connections=300"]);
        // Tests kill servers of ours, never this one: nothing is gained by waiting for the disk.
        command.args(["-c", "fsync=off", "-k"]).arg(&home);
        // Ctrl-C of a terminal must reach the tests first: the cluster has a process group of its own.
        own.server =
            Some(command.stdout(output.try_clone()?).stderr(output).process_group(0).spawn().context("postgres cannot be started")?);
        self.wait_until_ready(own, &log)
    }

    #[expect(clippy::disallowed_methods, reason = "a program outside is waited for, with a deadline")]
    fn wait_until_ready(&self, own: &mut Own, log: &Path) -> Result<()> {
        let end = Instant::now() + START_LIMIT;
        loop {
            let asked = self.command("pg_isready").args(["-q", "-h"]).arg(&own.home).status().context("pg_isready cannot be started")?;
            if asked.success() {
                return Ok(());
            }
            let ended = own.server.as_mut().map(Child::try_wait).transpose()?.flatten();
            if ended.is_some() || Instant::now() > end {
                bail!("the private PostgreSQL did not start:\n{}", fs::read_to_string(log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// One of PostgreSQL's programs. It is told to stop when this process dies, however it dies.
    fn command(&self, name: &str) -> Command {
        let program = self.dir.join(name);
        let mut command = Command::new(if self.setpriv { Path::new("setpriv") } else { &program });
        if self.setpriv {
            command.arg("--pdeathsig=INT");
            if self.as_postgres {
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            }
            command.arg("--").arg(&program);
        }
        command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
        command
    }
}

/// Removes directories of runs that were killed.
fn remove_left_over() {
    let dead = |pid: &str| Path::new("/proc/self").exists() && !Path::new("/proc").join(pid).exists();
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(maker) = name.to_str().and_then(|n| n.strip_prefix(PREFIX)) else { continue };
        let server = fs::read_to_string(entry.path().join("data/postmaster.pid")).unwrap_or_default();
        let stopped = server.lines().next().is_none_or(|pid| dead(pid.trim()));
        if maker.bytes().all(|b| b.is_ascii_digit()) && dead(maker) && stopped {
            // Another user's directory stays: it is theirs to remove.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Where PostgreSQL's programs are: the newest of Debian's versions, else the path.
fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> =
        versions.filter_map(|e| Some((e.file_name().to_str()?.parse().ok()?, e.path().join("bin")))).collect();
    versions.sort();
    if let Some((_, found)) = versions.into_iter().rev().find(|(_, dir)| dir.join("initdb").exists()) {
        return Ok(found);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).find(|dir| dir.join("initdb").exists()) {
        Some(found) => Ok(found),
        None => bail!("the tests need PostgreSQL's server: apt-get install postgresql"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_cluster_answers_on_its_socket_and_leaves_nothing() {
        // Not `Cluster::start`: under `make test` the variable names the run's own cluster.
        let tools = Tools::find().expect("PostgreSQL is installed");
        let home = std::env::temp_dir().join(format!("{PREFIX}test-{}", std::process::id()));
        fs::create_dir_all(&home).expect("a directory");
        let mut own = Own { home: home.clone(), server: None };
        tools.start(&mut own).expect("it starts");
        let process = own.server.as_ref().map(|s| Path::new("/proc").join(s.id().to_string())).expect("a process");
        assert!(home.join(".s.PGSQL.5432").exists() && process.exists());
        drop(own);
        assert!(!home.exists() && !process.exists());
    }
}
