//! A private PostgreSQL for one run of the tests: a Unix socket only, gone with the run.

use crate::run::Step;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};

/// The variable in which tests look for PostgreSQL.
pub const VARIABLE: &str = "MUSTER_TEST_POSTGRES";

/// A running cluster; dropping it stops and removes it.
pub struct Cluster {
    home: PathBuf,
    tools: PathBuf,
    as_postgres: bool,
}

impl Cluster {
    /// Makes and starts a cluster in a directory of its own.
    pub fn start() -> Result<Self> {
        let tools = tools()?;
        let home = std::env::temp_dir().join(format!("muster-pg-{}", std::process::id()));
        std::fs::create_dir_all(&home).with_context(|| format!("{} cannot be made", home.display()))?;
        let as_postgres = Step::new("id").args(["-u"]).output()? == "0";
        let cluster = Self { home, tools, as_postgres };
        if as_postgres {
            Step::new("chown").args([Path::new("postgres").as_os_str(), cluster.home.as_os_str()]).run()?;
        }
        let data = cluster.home.join("data");
        let options = format!("-c listen_addresses= -c max_connections=300 -k {}", cluster.home.display());
        cluster.tool("initdb").args(["-A", "trust", "-U", "postgres", "--no-locale", "-E", "UTF8", "-D"]).args([&data]).run()?;
        let log = cluster.home.join("log");
        cluster
            .tool("pg_ctl")
            .args(["-w", "-s", "-o", options.as_str(), "-l"])
            .args([&log])
            .args(["-D"])
            .args([&data])
            .args(["start"])
            .run()?;
        Ok(cluster)
    }

    /// Its address.
    pub fn url(&self) -> String {
        let socket = self.home.to_string_lossy().replace('/', "%2F");
        format!("postgres://postgres@{socket}/postgres")
    }

    /// One of PostgreSQL's programs; it refuses to be run by root.
    fn tool(&self, name: &str) -> Step {
        let program = self.tools.join(name).to_string_lossy().into_owned();
        let step = match self.as_postgres {
            true => Step::new("setpriv").args(["--reuid=postgres", "--regid=postgres", "--clear-groups", program.as_str()]),
            false => Step::new(program),
        };
        step.env("HOME", &self.home)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.home.join("data");
        if let Err(error) = self.tool("pg_ctl").args(["-s", "-m", "immediate", "-D"]).args([&data]).args(["stop"]).run() {
            eprintln!("the private PostgreSQL could not be stopped: {error:#}");
        }
        if let Err(error) = std::fs::remove_dir_all(&self.home) {
            eprintln!("{} could not be removed: {error}", self.home.display());
        }
    }
}

/// Where PostgreSQL's programs are: the newest of Debian's versions, else the path.
fn tools() -> Result<PathBuf> {
    let mut versions: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|e| e.path().join("bin")).collect();
    versions.sort();
    if let Some(found) = versions.into_iter().rev().find(|dir| dir.join("initdb").exists()) {
        return Ok(found);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).find(|dir| dir.join("initdb").exists()) {
        Some(found) => Ok(found),
        None => bail!("the tests need PostgreSQL's server: apt-get install postgresql"),
    }
}
