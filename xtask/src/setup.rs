//! Installs what is missing on Debian and Ubuntu when it may, and names it elsewhere.

use crate::run::Step;
use anyhow::{Context as _, Result, bail};
use std::path::Path;

/// A need: the program that shows it is there, the package that brings it, what it is for.
struct Need {
    program: &'static str,
    packages: &'static [&'static str],
    what_for: &'static str,
}

const RUN: &[Need] = &[
    Need { program: "cc", packages: &["gcc", "libc6-dev"], what_for: "the embedded database is C" },
    Need { program: "npm", packages: &["nodejs", "npm"], what_for: "the console is built with Node 20 or newer" },
];

const TEST: &[Need] = &[
    Need { program: "/usr/lib/postgresql", packages: &["postgresql"], what_for: "tests run on PostgreSQL too" },
    Need { program: "chromium", packages: &["chromium", "fonts-dejavu-core"], what_for: "tests of the console in a browser" },
    Need { program: "fusioninventory-agent", packages: &["fusioninventory-agent"], what_for: "tests run the real agent" },
    Need {
        program: "ocsinventory-agent",
        packages: &["ocsinventory-agent", "liblwp-protocol-https-perl", "libnet-ip-perl", "dmidecode", "pciutils"],
        what_for: "tests run the real agent",
    },
    Need { program: "ip", packages: &["iproute2"], what_for: "agents read the machine's addresses with it" },
    Need { program: "unshare", packages: &["util-linux"], what_for: "real agents run with a state directory of their own" },
];

fn is_there(program: &str) -> bool {
    if program.starts_with('/') {
        return Path::new(program).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|dir| dir.join(program).exists())
}

/// Sets up what running, and with `test` what testing needs.
pub fn setup(test: bool) -> Result<()> {
    let needs = RUN.iter().chain(if test { TEST } else { &[] });
    let missing: Vec<&Need> = needs.filter(|n| !is_there(n.program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        println!("missing: {} ({})", need.packages.join(", "), need.what_for);
    }
    let packages: Vec<&str> = missing.iter().flat_map(|n| n.packages.iter().copied()).collect();
    if !is_there("apt-get") {
        bail!("install these yourself, they are named as Debian names them: {}", packages.join(" "));
    }
    let root = Step::new("id").args(["-u"]).output()? == "0";
    if !root && !Step::new("sudo").args(["-n", "true"]).succeeds() {
        bail!("run this first, then again: sudo apt-get install -y {}", packages.join(" "));
    }
    install(root, &packages)
}

/// Installs packages without starting the services they bring.
fn install(root: bool, packages: &[&str]) -> Result<()> {
    let policy = Path::new("/usr/sbin/policy-rc.d");
    let guard = root && !policy.exists();
    if guard {
        std::fs::write(policy, "#!/bin/sh\nexit 101\n").context("policy-rc.d cannot be written")?;
        Step::new("chmod").args(["+x", "/usr/sbin/policy-rc.d"]).run()?;
    }
    let apt = |arguments: &[&str]| {
        let step = if root { Step::new("apt-get") } else { Step::new("sudo").args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]) };
        step.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").run()
    };
    let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
    arguments.extend(packages);
    let done = apt(&["update", "-q"]).and_then(|()| apt(&arguments));
    if guard {
        std::fs::remove_file(policy).context("policy-rc.d cannot be removed")?;
    }
    done
}
