//! A real mail server on loopback that keeps what it is given.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/mail_server.py");

/// A running mail server; dropping it ends it.
pub struct MailServer {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl MailServer {
    /// Starts one that refuses the first `refused` mails for a while.
    pub fn start(refused: u32) -> Result<Self> {
        // The system's own, for which the package is; another in the path may not have the module.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(PROGRAM).arg(refused.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("this test runs a real mail server: apt-get install python3-aiosmtpd")?;
        let mut lines = BufReader::new(child.stdout.take().context("it has an output")?);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        match line.trim().parse() {
            Ok(port) => Ok(Self { child, lines, port }),
            Err(_) => bail!("the mail server did not start: apt-get install python3-aiosmtpd, or run the tests with `make test`"),
        }
    }

    /// The next mail it kept: `from`, `to`, `text`. Waits for it.
    pub fn kept(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("the mail server said '{line}'"))
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
