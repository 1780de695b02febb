//! Which server and token: flags, then the environment, then what `login` kept.

use super::Target;
use super::client::{Access, Client};
use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};
use std::io::{IsTerminal, Write, stdin};
use std::path::{Path, PathBuf};

/// What `login` keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The server's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The organization to act in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// The authority that signed the server's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

impl Kept {
    /// These over those.
    pub fn over(self, weaker: Kept) -> Kept {
        Kept {
            server: self.server.or(weaker.server),
            token: self.token.or(weaker.token),
            org: self.org.or(weaker.org),
            ca: self.ca.or(weaker.ca),
        }
    }
}

fn file() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("MUSTER_CTL_CONFIG") {
        return Ok(PathBuf::from(path));
    }
    let own = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home = || std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".config"));
    own.or_else(home).map(|c| c.join("muster/ctl.toml")).context("there is no home directory; set MUSTER_SERVER and MUSTER_TOKEN")
}

fn kept(path: &Path) -> anyhow::Result<Kept> {
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).with_context(|| format!("{} has a mistake", path.display())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Kept::default()),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn said(target: &Target) -> Kept {
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let flags = Kept { server: target.server.clone(), token: target.token.clone(), org: target.org.clone(), ca: target.ca.clone() };
    let environment = Kept {
        server: variable("MUSTER_SERVER"),
        token: variable("MUSTER_TOKEN"),
        org: variable("MUSTER_ORG"),
        ca: variable("MUSTER_CA").map(PathBuf::from),
    };
    flags.over(environment)
}

/// The access that holds for a command.
pub fn effective(target: &Target) -> anyhow::Result<Access> {
    let said = said(target);
    let path = file();
    let all = match &path {
        Ok(path) => said.over(kept(path)?),
        Err(_) => said,
    };
    complete(all)
}

/// A token goes only to the server it was kept for: one without the other is asked for.
fn complete(all: Kept) -> anyhow::Result<Access> {
    let server = all.server.ok_or_else(|| anyhow!("no server is named: 'musterctl login --server URL', --server or MUSTER_SERVER"))?;
    let token = all.token.ok_or_else(|| anyhow!("no token is named: 'musterctl login', MUSTER_TOKEN or --token"))?;
    Ok(Access { server, token, org: all.org, ca: all.ca })
}

/// A line of standard input that is no business of the command line, asked for on a terminal.
pub fn secret_line(what: &str) -> anyhow::Result<String> {
    if stdin().is_terminal() {
        eprint!("{what}: ");
        std::io::stderr().flush().context("standard error")?;
    }
    let mut line = String::new();
    stdin().read_line(&mut line).with_context(|| format!("'{what}' cannot be read from standard input"))?;
    Ok(line.trim().to_owned())
}

/// Checks server and token and keeps them.
pub async fn login(target: &Target) -> anyhow::Result<()> {
    let path = file()?;
    let mut all = said(target);
    if all.token.is_none() {
        all.token = Some(secret_line("Token")?).filter(|t| !t.is_empty());
    }
    all.ca = all.ca.map(std::path::absolute).transpose().context("--ca")?;
    let access = complete(all.clone())?;
    Client::new(&access)?.get("overview", &[]).await?;
    keep(&path, &all)?;
    eprintln!("{} is kept in {}", access.server, path.display());
    Ok(())
}

fn keep(path: &Path, all: &Kept) -> anyhow::Result<()> {
    let Some(directory) = path.parent() else { bail!("{} is no file", path.display()) };
    crate::keys::directory_of_secrets(directory)?;
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e).with_context(|| format!("cannot replace {}", path.display())),
        _ => {}
    }
    crate::keys::write_new_private(path, toml::to_string(all).context("the login cannot be written")?.as_bytes())
}
