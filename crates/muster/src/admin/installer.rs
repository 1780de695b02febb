//! `muster admin installer`: one file that sets up an agent on a machine of an organization, or ready-made settings for agents of others.

use super::{Joining, create_join_token, organization};
use crate::config::Config;
use crate::open::open;
use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use muster_core::settings::{AgentAuth, Span};
use std::path::{Path, PathBuf};

const SCRIPT: &str = include_str!("../../../../packaging/agent/install.sh");
/// Characters of a line of the package inside.
const LINE: usize = 76;

/// For which agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Muster's own: a shell script that installs and joins it
    Muster,
    /// GLPI Agent: a file for /etc/glpi-agent/conf.d
    Glpi,
    /// FusionInventory Agent: a file for /etc/fusioninventory/conf.d
    Fusioninventory,
    /// OCS Inventory: /etc/ocsinventory/ocsinventory-agent.cfg
    Ocs,
}

/// What is asked for.
#[derive(Debug, Args)]
pub struct Wanted {
    /// Where agents find the server, such as https://muster.example.org
    #[arg(long, value_name = "URL")]
    server: String,
    /// For which agent
    #[arg(long = "for", value_enum, default_value = "muster", value_name = "AGENT")]
    kind: Kind,
    /// The agent's package, .deb or .rpm, to be carried inside [the machine has it already]
    #[arg(long, value_name = "FILE")]
    package: Option<PathBuf>,
    /// A word by which people find these machines
    #[arg(long)]
    tag: Option<String>,
    /// Certificate authority, PEM, that agents trust [the server's own, where it made one]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// What its join token is for
    #[arg(long, default_value = "installer")]
    name: String,
    /// How many machines can join with it [without end]
    #[arg(long, value_name = "N")]
    uses: Option<i64>,
    /// Agents that join with it are verified at once
    #[arg(long)]
    verified: bool,
    /// The group into which these machines come, name or id
    #[arg(long)]
    group: Option<String>,
    /// The organization they join, name or id [default]
    #[arg(long)]
    org: Option<String>,
    /// How long it can be used, such as 12h or 90d
    #[arg(long, value_name = "TIME", value_parser = super::span, default_value = "30d")]
    expires_in: Span,
    /// The file to write, which must not be there [standard output]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// Makes the file; for Muster's own agent with a new join token.
pub(super) fn make(config: &Config, wanted: Wanted) -> anyhow::Result<String> {
    let server = wanted.server.trim_end_matches('/').to_owned();
    if !server.starts_with("http://") && !server.starts_with("https://") {
        bail!("'{server}' is no server address; an example: https://muster.example.org");
    }
    let authority = authority(config, wanted.ca.as_deref(), server.starts_with("https://"))?;
    if wanted.kind != Kind::Muster {
        if wanted.package.is_some() {
            bail!("--package is for Muster's own agent; agents of others come with their own packages");
        }
        let opened = open(config)?;
        let named = wanted.org.unwrap_or_else(|| opened.org.to_string());
        let auth = organization(&opened, Some(&named))?.map_or(AgentAuth::Off, |org| org.settings.agent_auth);
        return Ok(foreign(wanted.kind, &server, wanted.tag.as_deref(), authority.is_some(), auth));
    }
    let (kind, package) = packed(wanted.package.as_deref())?;
    let org = wanted.org.clone().unwrap_or_else(|| "default".to_owned());
    let joining = Joining {
        name: wanted.name,
        uses: wanted.uses,
        verified: wanted.verified,
        group: wanted.group,
        expires_in: Some(wanted.expires_in),
    };
    let token = create_join_token(config, wanted.org.as_deref(), joining)?;
    let filled = [
        ("@SERVER@", quoted(&server)),
        ("@JOIN@", quoted(&token)),
        ("@TAG@", quoted(wanted.tag.as_deref().unwrap_or_default())),
        ("@ORG@", quoted(&org)),
        ("@KIND@", quoted(kind)),
        ("@AUTHORITY@", authority.unwrap_or_default().trim_end().to_owned()),
    ];
    Ok(filled.iter().fold(SCRIPT.to_owned(), |script, (mark, text)| script.replacen(mark, text, 1)) + &package)
}

/// Writes the file so that its owner alone may read and run it: a join token is inside.
pub(super) fn write(out: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(out)
        .with_context(|| format!("{} cannot be written", out.display()))?;
    Ok(file.write_all(text.as_bytes())?)
}

/// A word of a shell script, whatever it holds.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The kind of a package, and the package as text.
fn packed(package: Option<&Path>) -> anyhow::Result<(&'static str, String)> {
    let Some(path) = package else { return Ok(("", String::new())) };
    let kind = match path.extension().and_then(|word| word.to_str()) {
        Some("deb") => "deb",
        Some("rpm") => "rpm",
        _ => bail!("{} is no package that is known; give a .deb or .rpm, as 'cargo xtask package' makes them", path.display()),
    };
    let bytes = std::fs::read(path).with_context(|| format!("the package {} cannot be read", path.display()))?;
    let text = STANDARD.encode(bytes);
    let lines = text.as_bytes().chunks(LINE).map(|line| String::from_utf8_lossy(line) + "\n");
    Ok((kind, lines.collect()))
}

/// The certificate authority that agents trust: the one that is named, else the server's own, where agents come over TLS.
fn authority(config: &Config, named: Option<&Path>, is_tls: bool) -> anyhow::Result<Option<String>> {
    let own = crate::tls::authority_file(&config.keys);
    let path = match named {
        Some(path) => path,
        None if is_tls && own.exists() => &own,
        None => return Ok(None),
    };
    let text = std::fs::read_to_string(path).with_context(|| format!("the certificate authority {} cannot be read", path.display()))?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        bail!("{} holds no PEM certificate", path.display());
    }
    Ok(Some(text))
}

/// The settings of an agent of others.
fn foreign(kind: Kind, server: &str, tag: Option<&str>, has_authority: bool, auth: AgentAuth) -> String {
    let path = if kind == Kind::Ocs { "/ocsinventory" } else { "/" };
    let mut lines =
        vec!["# Settings for a Muster server; made by 'muster admin installer'.".to_owned(), format!("server = {server}{path}")];
    lines.extend(tag.map(|tag| format!("tag = {tag}")));
    if has_authority {
        let (key, place) = match kind {
            Kind::Glpi => ("ca-cert-file", "/etc/glpi-agent/muster-ca.pem"),
            Kind::Ocs => ("ca", "/etc/ocsinventory/muster-ca.pem"),
            _ => ("ca-cert-file", "/etc/fusioninventory/muster-ca.pem"),
        };
        lines.push("# The server's certificate authority (ca.pem in its keys directory) belongs here:".to_owned());
        lines.push(format!("{key} = {place}"));
    }
    if auth != AgentAuth::Off {
        lines.push("# The organization asks foreign agents for a name and a secret, see 'agent credentials':".to_owned());
        lines.extend(match (kind, auth) {
            (Kind::Glpi, AgentAuth::Oauth) => ["oauth-client-id =", "oauth-client-secret ="].map(str::to_owned),
            (Kind::Ocs, _) => ["user =", "pwd ="].map(str::to_owned),
            _ => ["user =", "password ="].map(str::to_owned),
        });
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_script_are_only_words() {
        assert_eq!(quoted("a'b $(c)"), r"'a'\''b $(c)'");
    }

    #[test]
    fn agents_of_others_get_their_own_words() {
        let glpi = foreign(Kind::Glpi, "https://m", Some("lab"), true, AgentAuth::Oauth);
        for line in ["server = https://m/", "tag = lab", "ca-cert-file = /etc/glpi-agent/muster-ca.pem", "oauth-client-id ="] {
            assert!(glpi.lines().any(|it| it == line), "{line}: {glpi}");
        }
        let ocs = foreign(Kind::Ocs, "http://m", None, false, AgentAuth::Off);
        assert_eq!(ocs.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>(), ["server = http://m/ocsinventory"]);
    }
}
