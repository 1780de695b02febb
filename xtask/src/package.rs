//! Packages of the agent: a `.deb` by `dpkg-deb`, an `.rpm` by `rpmbuild`, from `packaging/agent` and a program that is built.

use crate::run::{Step, cargo, root};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "muster-agent";
const SUMMARY: &str = "Muster's agent for Linux";
const DESCRIPTION: &str = "It tells a Muster server what this machine is, waits for work and does it.";
const USAGE: &str = "cargo xtask package [deb] [rpm] [--program FILE] [--out DIR] [--version VERSION]";

/// What is packaged, and where to.
struct Job {
    kinds: Vec<String>,
    program: PathBuf,
    out: PathBuf,
    version: String,
}

/// Builds the packages that are asked for; both when none is named.
pub(crate) fn package(arguments: &[String]) -> Result<()> {
    let job = job(arguments)?;
    fs::create_dir_all(&job.out)?;
    for kind in &job.kinds {
        let made = match kind.as_str() {
            "deb" => deb(&job)?,
            _ => rpm(&job)?,
        };
        println!("{}", made.display());
    }
    Ok(())
}

fn job(arguments: &[String]) -> Result<Job> {
    let (mut kinds, mut program, mut out, mut version) = (Vec::new(), None, root().join("target/packages"), None);
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{word} needs a value\n\n{USAGE}"));
        match word.as_str() {
            "deb" | "rpm" => kinds.push(word.clone()),
            "--program" => program = Some(PathBuf::from(value()?)),
            "--out" => out = PathBuf::from(value()?),
            "--version" => version = Some(value()?.clone()),
            other => bail!("'{other}' is not known here\n\n{USAGE}"),
        }
    }
    if kinds.is_empty() {
        kinds = vec!["deb".to_owned(), "rpm".to_owned()];
    }
    let program = match program {
        Some(program) => program,
        None => {
            cargo(&["build", "--release", "--package", NAME, "--bins"]).run()?;
            root().join("target/release").join(NAME)
        }
    };
    let version = match version {
        Some(version) => version,
        None => said(&program, &["--version"])?.split_whitespace().nth(1).context("the program tells no version")?.to_owned(),
    };
    Ok(Job { kinds, program, out, version })
}

/// What a program prints.
fn said(program: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("{} cannot be run", program.display()))?;
    if !output.status.success() {
        bail!("{} {arguments:?} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn put(path: &Path, text: &[u8], mode: u32) -> Result<()> {
    fs::create_dir_all(path.parent().context("a place below a root")?)?;
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

/// Every file of the package below a root.
fn stage(job: &Job, stage: &Path) -> Result<()> {
    let source = |name: &str| fs::read(root().join("packaging/agent").join(name)).with_context(|| format!("packaging/agent/{name}"));
    put(&stage.join("usr/bin").join(NAME), &fs::read(&job.program)?, 0o755)?;
    put(&stage.join("usr/lib/systemd/system/muster-agent.service"), &source("muster-agent.service")?, 0o644)?;
    put(&stage.join("etc/default").join(NAME), &source("default")?, 0o600)?;
    let doc = stage.join("usr/share/doc").join(NAME);
    put(&doc.join("inventory-only.conf"), &source("inventory-only.conf")?, 0o644)?;
    put(&doc.join("copyright"), &fs::read(root().join("LICENSE"))?, 0o644)?;
    let man = stage.join("usr/share/man/man8/muster-agent.8");
    put(&man, said(&job.program, &["man"])?.as_bytes(), 0o644)?;
    Step::new("gzip").args(["-9", "--no-name", "--force"]).args([&*man.to_string_lossy()]).run()?;
    for (shell, place) in [
        ("bash", "usr/share/bash-completion/completions/muster-agent"),
        ("zsh", "usr/share/zsh/vendor-completions/_muster-agent"),
        ("fish", "usr/share/fish/vendor_completions.d/muster-agent.fish"),
    ] {
        put(&stage.join(place), said(&job.program, &["completions", shell])?.as_bytes(), 0o644)?;
    }
    Ok(())
}

/// An empty directory for one package.
fn fresh(job: &Job, kind: &str) -> Result<PathBuf> {
    let place = job.out.join(format!(".{kind}"));
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    fs::create_dir_all(&place)?;
    // Directories of the package are everybody's to enter, whatever this shell's mask is.
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755))?;
    Ok(place)
}

fn deb(job: &Job) -> Result<PathBuf> {
    let tool = Step::new("dpkg-deb").args(["--version"]).succeeds();
    if !tool {
        bail!("a .deb is built by dpkg-deb: apt-get install dpkg-dev, or name rpm alone");
    }
    let place = fresh(job, "deb")?;
    stage(job, &place)?;
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let size = Command::new("du").args(["-sk"]).arg(&place).output()?;
    let size = String::from_utf8(size.stdout)?.split_whitespace().next().unwrap_or("0").to_owned();
    let control = format!(
        "Package: {NAME}\nVersion: {}\nArchitecture: {architecture}\nMaintainer: The Muster developers <muster@muster.dev>\nInstalled-Size: {size}\n\
         Depends: libc6 (>= 2.34), libgcc-s1\nRecommends: ca-certificates, util-linux\nSection: admin\nPriority: optional\n\
         Description: {SUMMARY}\n {DESCRIPTION}\n",
        job.version
    );
    put(&place.join("DEBIAN/control"), control.as_bytes(), 0o644)?;
    put(&place.join("DEBIAN/conffiles"), b"/etc/default/muster-agent\n", 0o644)?;
    for script in ["postinst", "prerm", "postrm"] {
        put(&place.join("DEBIAN").join(script), &fs::read(root().join("packaging/agent").join(script))?, 0o755)?;
    }
    let made = job.out.join(format!("{NAME}_{}_{architecture}.deb", job.version));
    Step::new("dpkg-deb")
        .args(["--root-owner-group", "-Zgzip", "--build"])
        .args([&*place.to_string_lossy(), &*made.to_string_lossy()])
        .run()?;
    fs::remove_dir_all(&place)?;
    Ok(made)
}

fn rpm(job: &Job) -> Result<PathBuf> {
    if !Step::new("rpmbuild").args(["--version"]).succeeds() {
        bail!("an .rpm is built by rpmbuild: apt-get install rpm (or dnf install rpm-build), or name deb alone");
    }
    let place = fresh(job, "rpm")?;
    let staged = place.join("stage");
    stage(job, &staged)?;
    let spec = format!(
        "Name: {NAME}\nVersion: {}\nRelease: 1\nSummary: {SUMMARY}\nLicense: Apache-2.0\nAutoReqProv: no\nRequires: glibc >= 2.34\n\
         %define _build_id_links none\n%define __os_install_post %{{nil}}\n%description\n{DESCRIPTION}\n\
         %install\ncp -a {}/. %{{buildroot}}/\n\
         %post\nif [ -d /run/systemd/system ]; then\n  systemctl daemon-reload\n  systemctl enable --quiet muster-agent.service\n\
         \x20 if grep -q '^MUSTER_AGENT_SERVER=.' /etc/default/muster-agent || [ -e /var/lib/muster-agent/membership.json ]; then systemctl restart muster-agent.service || :; fi\nfi\n\
         %preun\nif [ \"$1\" = 0 ] && [ -d /run/systemd/system ]; then systemctl disable --quiet --now muster-agent.service || :; fi\n\
         %files\n/usr/bin/{NAME}\n/usr/lib/systemd/system/muster-agent.service\n%config(noreplace) %attr(0600,root,root) /etc/default/{NAME}\n\
         /usr/share/doc/{NAME}\n/usr/share/man/man8/{NAME}.8.gz\n/usr/share/bash-completion/completions/{NAME}\n\
         /usr/share/zsh/vendor-completions/_{NAME}\n/usr/share/fish/vendor_completions.d/{NAME}.fish\n",
        job.version,
        staged.display()
    );
    let file = place.join("muster-agent.spec");
    put(&file, spec.as_bytes(), 0o644)?;
    let top = place.join("top");
    Step::new("rpmbuild")
        .args(["-bb", "--quiet", "--define"])
        .args([format!("_topdir {}", top.display())])
        .args(["--define"])
        .args([format!("_rpmdir {}", job.out.display())])
        .args(["--define", "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm"])
        .args([&*file.to_string_lossy()])
        .run()?;
    fs::remove_dir_all(&place)?;
    let architecture = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x86_64" };
    Ok(job.out.join(format!("{NAME}-{}-1.{architecture}.rpm", job.version)))
}
