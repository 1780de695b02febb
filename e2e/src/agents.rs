//! The real agents of others, each with a state directory of its own.

use crate::system_program;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// State directories of agents; a new value is a new machine for them.
pub struct Agents {
    home: tempfile::TempDir,
}

/// What a finished run of an agent left.
#[derive(Debug)]
pub struct AgentRun {
    /// Exit code.
    pub code: Option<i32>,
    /// All it logged.
    pub log: String,
}

impl AgentRun {
    /// Fails when the agent ended badly or logged an error.
    pub fn good(&self) -> Result<()> {
        let wrong: Vec<&str> = self.log.lines().filter(|l| l.contains("[error]") || l.contains("Cannot establish communication")).collect();
        if self.code != Some(0) || !wrong.is_empty() {
            bail!("the agent ended with {:?} and these errors: {wrong:#?}\n{}", self.code, self.log);
        }
        Ok(())
    }
}

impl Agents {
    /// Fresh state for all agents.
    pub fn new() -> Result<Self> {
        let home = tempfile::tempdir()?;
        std::fs::create_dir_all(home.path().join("fusion"))?;
        std::fs::create_dir_all(home.path().join("ocs"))?;
        Ok(Self { home })
    }

    /// Runs FusionInventory's agent once against a URL. Its state directory is fixed, so it runs in a mount namespace of its own.
    pub fn fusion(&self, url: &str, more: &[&str]) -> Result<AgentRun> {
        let mut command = self.fusion_command(url, &["--no-httpd"], more)?;
        let output = command.output().context("unshare needs to be root: run the tests as root or in a container")?;
        finished(output)
    }

    /// Starts FusionInventory's agent as a daemon with its HTTP server on a port.
    pub fn fusion_daemon(&self, url: &str, port: u16, log: &Path) -> Result<Daemon> {
        let port = format!("--httpd-port={port}");
        let file = std::fs::File::create(log)?;
        let more = ["--daemon", "--no-fork", "--httpd-ip=127.0.0.1", port.as_str()];
        let child = self.fusion_command(url, &more, &[])?.stdout(Stdio::null()).stderr(file).spawn()?;
        Ok(Daemon { child })
    }

    fn fusion_command(&self, url: &str, mode: &[&str], more: &[&str]) -> Result<Command> {
        let agent = system_program("fusioninventory-agent", "fusioninventory-agent")?;
        let unshare = system_program("unshare", "util-linux")?;
        let state = self.home.path().join("fusion");
        let mut inner = format!("mount --bind '{}' /var/lib/fusioninventory-agent && exec '{}'", state.display(), agent.display());
        let fixed = ["--logger=stderr", "--debug", "--tasks=inventory,deploy", "--backend-collect-timeout=60"];
        for argument in
            [format!("--server={url}")].iter().map(String::as_str).chain(fixed).chain(mode.iter().copied()).chain(more.iter().copied())
        {
            inner.push_str(&format!(" '{}'", argument.replace('\'', "'\\''")));
        }
        let mut command = Command::new(unshare);
        command.args(["-m", "/bin/sh", "-c", &inner]).stdin(Stdio::null());
        bare(&mut command);
        Ok(command)
    }

    /// Runs OCS Inventory's agent once against a URL.
    pub fn ocs(&self, url: &str, more: &[&str]) -> Result<AgentRun> {
        let agent = system_program("ocsinventory-agent", "ocsinventory-agent")?;
        let state: PathBuf = self.home.path().join("ocs");
        let mut command = Command::new(agent);
        command
            .args(["--nolocal", "--debug", &format!("--server={url}"), &format!("--basevardir={}", state.display())])
            .args(more)
            .stdin(Stdio::null());
        bare(&mut command);
        finished(command.output()?)
    }
}

/// Nothing of the surroundings reaches an agent: a proxy's variable would lead it away from loopback.
fn bare(command: &mut Command) {
    command.env_clear().envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/"), ("LANG", "C.UTF-8")]);
}

fn finished(output: std::process::Output) -> Result<AgentRun> {
    let log = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok(AgentRun { code: output.status.code(), log })
}

/// An agent that runs until the test ends.
pub struct Daemon {
    child: Child,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
