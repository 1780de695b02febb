//! Muster's own agent as a process.

use crate::{HERE, Line, Server, muster_agent};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// An agent that works until it is killed or the test ends, with a directory of its own for its state and for marks.
pub struct OwnAgent {
    home: tempfile::TempDir,
    join: String,
    child: Option<Child>,
}

impl OwnAgent {
    /// Joins a server and works; `name` is what the machine is called.
    pub fn start(server: &Server, name: &str) -> Result<Self> {
        let mut agent = Self::prepare(server, name)?;
        agent.go(server)?;
        Ok(agent)
    }

    /// Has a token and a place for stand-ins of programs, and does not work yet.
    pub fn prepare(server: &Server, name: &str) -> Result<Self> {
        let join = server.admin(&["join-token", "create", "--name", name, "--verified"])?;
        let home = tempfile::Builder::new().prefix(name).tempdir()?;
        std::fs::create_dir(home.path().join("bin"))?;
        Ok(Self { home, join, child: None })
    }

    /// Puts a shell script in the place of a program of the machine.
    pub fn stand_in(&self, program: &str, script: &str) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.home.path().join("bin").join(program);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
        Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
    }

    /// Starts, or starts again.
    pub fn go(&mut self, server: &Server) -> Result<()> {
        self.go_by(&server.url)
    }

    /// As `go`, on the other end of a line, by TLS.
    pub fn go_over(&mut self, server: &Server, line: &Line) -> Result<()> {
        let (url, authority) = (format!("https://{HERE}:{}", server.port()), server.authority().display().to_string());
        self.go_as(&line.prefix()?, &url, &["--ca", &authority])
    }

    /// As `go`, with another way to the server.
    pub fn go_by(&mut self, url: &str) -> Result<()> {
        self.go_as(&[], url, &[])
    }

    fn go_as(&mut self, prefix: &[String], url: &str, more: &[&str]) -> Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("agent.log"))?;
        let name = self.home.path().file_name().and_then(|name| name.to_str()).context("a name")?;
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        let own = muster_agent()?;
        let mut command = match prefix {
            [] => own,
            [first, rest @ ..] => {
                let mut command = std::process::Command::new(first);
                command.args(rest).arg(own.get_program());
                command
            }
        };
        command.args(more);
        command.args(["--server", url, "--join", &self.join, "--name", name, "--data"]).arg(self.path("data"));
        command.env("PATH", path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn()?);
        Ok(())
    }

    /// Ends it without warning.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Sends it a signal, such as STOP: it stands still until CONT.
    pub fn signal(&self, name: &str) -> Result<()> {
        let child = self.child.as_ref().context("it does not run")?;
        let status = std::process::Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status()?;
        anyhow::ensure!(status.success(), "kill -{name}: {status}");
        Ok(())
    }

    /// Asks it to end, as a service manager does, and waits until it has.
    pub fn terminate(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
            child.wait()?;
        }
        Ok(())
    }

    /// A place in its home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The lines of a file in its home; none when there is no such file.
    pub fn lines(&self, name: &str) -> Vec<String> {
        lines(&self.path(name))
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("agent.log")).unwrap_or_default()
    }
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

impl Drop for OwnAgent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
    }
}
