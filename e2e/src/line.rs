//! A line between two network namespaces: this process is on one end, whoever is put there on the other. It can be cut, slowed, made to lose,
//! and healed. Nothing of it is left when the test ends.

use crate::system_program;
use anyhow::{Context as _, Result, bail};
use std::process::{Child, Command, Stdio};

/// This end's address.
pub const HERE: &str = "10.77.0.1";
/// Says that this process is in a namespace of its own.
const INSIDE: &str = "TEST_HAS_ITS_OWN_NETWORK";

/// Runs this test again in a network namespace of its own; `None`: this is that run.
pub fn in_own_network(test: &str) -> Option<Result<()>> {
    if std::env::var_os(INSIDE).is_some() {
        return None;
    }
    let again = || -> Result<()> {
        let status = Command::new(system_program("unshare", "util-linux")?)
            .args(["--net", "--kill-child"])
            .arg(std::env::current_exe()?)
            .args(["--exact", test, "--nocapture"])
            .env(INSIDE, "1")
            .stdin(Stdio::null())
            .status()
            .context("unshare needs to be root: run the tests as root or in a container")?;
        if status.success() { Ok(()) } else { bail!("in its own network the test failed: {status}; what it said is above") }
    };
    Some(again())
}

/// A network in which nobody answers, in a namespace of this test's own; but for `here`, which is this machine.
pub fn dark_network(range: &str, here: &str) -> Result<()> {
    ip(&["link", "set", "lo", "up"])?;
    ip(&["link", "add", "dark0", "type", "veth", "peer", "name", "dark1"])?;
    // Nobody is asked who has an address: what is sent is lost.
    ip(&["link", "set", "dark0", "arp", "off", "up"])?;
    ip(&["link", "set", "dark1", "up"])?;
    ip(&["address", "add", &format!("{here}/32"), "dev", "lo"])?;
    ip(&["route", "add", range, "dev", "dark0"])
}

/// The line.
pub struct Line {
    /// Holds the namespace of the other end.
    holder: Child,
}

impl Line {
    /// Lays it, from a namespace of this test's own.
    pub fn lay() -> Result<Self> {
        let holder = Command::new(system_program("unshare", "util-linux")?)
            .args(["--net", "sh", "-c", "echo there; exec sleep 3600"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = Self { holder };
        // Its word comes when it is in its namespace.
        let mut said = [0; 6];
        std::io::Read::read_exact(line.holder.stdout.as_mut().context("an output")?, &mut said)?;
        let pid = line.holder.id().to_string();
        ip(&["link", "set", "lo", "up"])?;
        ip(&["link", "add", "here0", "type", "veth", "peer", "name", "there0"])?;
        ip(&["link", "set", "there0", "netns", &pid])?;
        ip(&["address", "add", &format!("{HERE}/24"), "dev", "here0"])?;
        ip(&["link", "set", "here0", "up"])?;
        for arguments in ["link set lo up", "address add 10.77.0.2/24 dev there0", "link set there0 up"] {
            let prefix = line.prefix()?;
            let status = Command::new(&prefix[0]).args(&prefix[1..]).arg("ip").args(arguments.split(' ')).status()?;
            if !status.success() {
                bail!("ip {arguments} on the other end: {status}");
            }
        }
        Ok(line)
    }

    /// The arguments by which any program is started on the other end.
    pub fn prefix(&self) -> Result<Vec<String>> {
        let nsenter = system_program("nsenter", "util-linux")?.display().to_string();
        Ok(vec![nsenter, format!("--net=/proc/{}/ns/net", self.holder.id())])
    }

    /// Nothing comes through; connections stand until somebody gives them up.
    pub fn cut(&self) -> Result<()> {
        ip(&["link", "set", "here0", "down"])
    }

    /// Everything comes through, at once. What a cut took away comes back.
    pub fn heal(&self) -> Result<()> {
        ip(&["link", "set", "here0", "up"])?;
        tc(&["qdisc", "replace", "dev", "here0", "root", "pfifo", "limit", "1000"])
    }

    /// What is sent from here waits in a short queue before a slow line, up to three quarters of a second, and what finds no place in it is lost.
    pub fn worsen(&self) -> Result<()> {
        tc(&["qdisc", "replace", "dev", "here0", "root", "tbf", "rate", "48kbit", "burst", "2kb", "limit", "4500"])
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    run("ip", arguments)
}

fn tc(arguments: &[&str]) -> Result<()> {
    run("tc", arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(system_program(program, "iproute2")?).args(arguments).stdin(Stdio::null()).output()?;
    match output.status.success() {
        true => Ok(()),
        false => bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)),
    }
}
