//! Installs what is missing on Debian and Ubuntu when it may, and names it elsewhere.
//!
//! A C compiler is no part of this: without it there would be no xtask. `bootstrap.sh` sees to it.

use crate::run::Step;
use anyhow::{Result, bail};
use std::path::Path;

/// How to see that something is there.
enum Sign {
    /// A program in the path or among the system's.
    Program(&'static str),
    /// A file or folder.
    Path(&'static str),
    /// A module of Perl.
    Perl(&'static str),
}

/// A need: how to see that it is met, the packages that bring it, what it is for.
struct Need {
    sign: Sign,
    packages: &'static [&'static str],
    what_for: &'static str,
}

/// The oldest Node that builds the console.
const NODE_MIN: (u32, u32) = (20, 19);

const TEST: &[Need] = &[
    Need { sign: Sign::Path("/usr/lib/postgresql"), packages: &["postgresql"], what_for: "tests run on PostgreSQL too" },
    Need { sign: Sign::Program("tc"), packages: &["iproute2"], what_for: "tests cut and slow a line between network namespaces" },
    Need { sign: Sign::Program("chromium"), packages: &["chromium", "fonts-dejavu-core"], what_for: "tests of the console in a browser" },
    Need { sign: Sign::Program("fusioninventory-agent"), packages: &["fusioninventory-agent"], what_for: "tests run the real agent" },
    Need {
        sign: Sign::Path("/usr/share/fusioninventory/lib/FusionInventory/Agent/Task/Deploy.pm"),
        packages: &["fusioninventory-agent-task-deploy"],
        what_for: "the real agent takes deploy jobs",
    },
    Need { sign: Sign::Program("ocsinventory-agent"), packages: &["ocsinventory-agent"], what_for: "tests run the real agent" },
    Need {
        sign: Sign::Path("/usr/lib/python3/dist-packages/aiosmtpd"),
        packages: &["python3", "python3-aiosmtpd"],
        what_for: "tests send mail to a real server",
    },
    Need { sign: Sign::Perl("LWP::Protocol::https"), packages: &["liblwp-protocol-https-perl"], what_for: "the real agents over TLS" },
    Need { sign: Sign::Perl("Net::SNMP"), packages: &["libnet-snmp-perl"], what_for: "the real agents start without a complaint" },
    Need { sign: Sign::Perl("Net::IP"), packages: &["libnet-ip-perl"], what_for: "the real agents read networks with it" },
    Need { sign: Sign::Program("dmidecode"), packages: &["dmidecode"], what_for: "the real agents read the firmware with it" },
    Need { sign: Sign::Program("lspci"), packages: &["pciutils"], what_for: "the real agents read controllers with it" },
    Need { sign: Sign::Program("ip"), packages: &["iproute2"], what_for: "the real agents read addresses with it" },
    Need { sign: Sign::Program("rpmbuild"), packages: &["rpm"], what_for: "tests build the agent's packages" },
    Need { sign: Sign::Program("bwrap"), packages: &["bubblewrap"], what_for: "scripts of the server run in its sandbox" },
    Need { sign: Sign::Program("unshare"), packages: &["util-linux"], what_for: "real agents run with a state directory of their own" },
];

/// Installs `$@` as root. Services they bring are not started: a policy forbids it meanwhile, unless the machine has its own.
const INSTALL: &str = r#"set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
"#;

impl Sign {
    fn is_there(&self) -> bool {
        match self {
            Sign::Program(name) => program(name),
            Sign::Path(path) => Path::new(path).exists(),
            Sign::Perl(module) => Step::new("perl").args([format!("-M{module}"), "-e1".to_owned()]).succeeds(),
        }
    }
}

fn program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|dir| dir.join(name).exists())
}

/// Sets up what running, and with `test` what testing needs.
pub fn setup(test: bool) -> Result<()> {
    let mut wanted = node()?;
    for need in TEST.iter().filter(|n| test && !n.sign.is_there()) {
        println!("missing: {} ({})", need.packages.join(", "), need.what_for);
        wanted.extend(need.packages);
    }
    if wanted.is_empty() {
        return Ok(());
    }
    if !program("apt-get") {
        bail!("install these yourself, they are named as Debian names them: {}", wanted.join(" "));
    }
    let root = Step::new("id").args(["-u"]).output()? == "0";
    if !root && !Step::new("sudo").args(["-n", "true"]).succeeds() {
        bail!("run this first, then again: sudo apt-get install -y --no-install-recommends {}", wanted.join(" "));
    }
    install(root, &wanted)
}

fn install(root: bool, wanted: &[&str]) -> Result<()> {
    let as_root = |program: &str| if root { Step::new(program) } else { Step::new("sudo").args(["-n", program]) };
    as_root("apt-get").args(["update", "-q"]).run()?;
    let (known, unknown): (Vec<&str>, Vec<&str>) = wanted.iter().partition(|package| candidate(package).is_some());
    if !known.is_empty() {
        as_root("sh").args(["-c", INSTALL, "install"]).shown_as("apt-get install -y --no-install-recommends").args(&known).run()?;
    }
    match unknown.is_empty() {
        true => Ok(()),
        false => bail!("this system has no package for: {}; install them by hand", unknown.join(" ")),
    }
}

/// The packages that bring Node and npm; none when they are there. Node itself is expected of a person: a release's own is often too old.
fn node() -> Result<Vec<&'static str>> {
    let found = if program("node") { Step::new("node").args(["--version"]).output()? } else { String::new() };
    if is_new_enough(&found) {
        return Ok(if program("npm") { Vec::new() } else { vec!["npm"] });
    }
    let offered = if found.is_empty() { candidate("nodejs").unwrap_or_default() } else { String::new() };
    match is_new_enough(&offered) {
        // NodeSource's package holds npm and conflicts with Debian's.
        true if offered.contains("nodesource") => Ok(vec!["nodejs"]),
        true => Ok(vec!["nodejs", "npm"]),
        false => bail!(
            "the console is built with Node {}.{} or newer, and {}: see https://nodejs.org/en/download",
            NODE_MIN.0,
            NODE_MIN.1,
            if found.is_empty() { "there is none".to_owned() } else { format!("this is {found}") }
        ),
    }
}

/// Reads `v20.19.1` and Debian's `20.19.1+dfsg-1`.
fn is_new_enough(version: &str) -> bool {
    let version = version.trim_start_matches('v');
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().ok());
    matches!((numbers.next().flatten(), numbers.next().flatten()), (Some(major), Some(minor)) if (major, minor) >= NODE_MIN)
}

/// The version apt would install.
fn candidate(package: &str) -> Option<String> {
    if !program("apt-cache") {
        return None;
    }
    let policy = Step::new("apt-cache").args(["policy", package]).env("LC_ALL", "C").output().ok()?;
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_node_is_told_from_new() {
        for (version, enough) in [
            ("v20.20.2", true),
            ("v20.19.0", true),
            ("v20.18.3", false),
            ("18.20.4+dfsg-1~deb12u1", false),
            ("1:24.1.0-1", true),
            ("", false),
        ] {
            assert_eq!(is_new_enough(version), enough, "{version}");
        }
    }
}
