//! The agent's packages: installed, joined, upgraded, removed and purged by the system's own tools, in a copy of this machine that
//! nobody keeps.

use anyhow::{Context as _, Result};
use muster_e2e::{Database, Server, program, system_program};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds a package from the agent that the tests use.
fn package(kind: &str, version: &str, out: &Path) -> Result<PathBuf> {
    let output = Command::new(program("xtask")?)
        .args(["package", kind, "--version", version, "--program"])
        .arg(program("muster-agent")?)
        .arg("--out")
        .arg(out)
        .stdin(Stdio::null())
        .output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().last().context("a path")?.into())
}

/// Runs a script as root of a copy of this machine: what it changes lies in memory and goes with it. `/in` is a directory of ours.
fn in_a_copy(ours: &Path, script: &str) -> Result<String> {
    let outer = r#"set -e
mount -t tmpfs none "$1/mnt"
mkdir "$1/mnt/upper" "$1/mnt/work" "$1/mnt/root"
mount -t overlay none -o "lowerdir=/,upperdir=$1/mnt/upper,workdir=$1/mnt/work" "$1/mnt/root"
root=$1/mnt/root
mkdir -p "$root/in"
mount --bind "$1" "$root/in"
mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
exec chroot "$root" /bin/sh -e /in/script"#;
    std::fs::create_dir_all(ours.join("mnt"))?;
    std::fs::write(ours.join("script"), script)?;
    let output = Command::new(system_program("unshare", "util-linux")?)
        .args(["--mount", "/bin/sh", "-c", outer, "sh"])
        .arg(ours)
        .env_clear()
        .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/root"), ("LANG", "C.UTF-8")])
        .stdin(Stdio::null())
        .output()
        .context("unshare needs to be root: run the tests as root or in a container")?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    Ok(text)
}

#[tokio::test]
async fn the_deb_is_installed_joins_is_upgraded_removed_and_purged() -> Result<()> {
    system_program("dpkg-deb", "dpkg")?;
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let join = server.admin(&["join-token", "create", "--name", "package", "--verified"])?;
    let place = tempfile::tempdir()?;
    for version in ["0.1.0", "0.2.0"] {
        let made = package("deb", version, place.path())?;
        std::fs::rename(made, place.path().join(format!("{version}.deb")))?;
    }
    let script = format!(
        r#"
dpkg --install /in/0.1.0.deb >/dev/null
test "$(stat -c %a /etc/default/muster-agent)" = 600
test -s /usr/lib/systemd/system/muster-agent.service
zcat /usr/share/man/man8/muster-agent.8.gz | grep -q 'join'
grep -q muster-agent /usr/share/bash-completion/completions/muster-agent
printf 'MUSTER_AGENT_SERVER={}\nMUSTER_AGENT_JOIN={join}\n' >> /etc/default/muster-agent
once() {{ (set -a; . /etc/default/muster-agent; set +a; exec muster-agent --once 2>/in/log) || {{ cat /in/log; exit 1; }}; }}
once
muster-agent show | grep '^agent ' > /in/first
dpkg --install /in/0.2.0.deb >/dev/null
dpkg-query --show --showformat '${{Version}}\n' muster-agent
grep -q '^MUSTER_AGENT_JOIN=' /etc/default/muster-agent
once
muster-agent show | grep '^agent ' > /in/second
cmp /in/first /in/second
dpkg --remove muster-agent >/dev/null
test ! -e /usr/bin/muster-agent
test -s /etc/default/muster-agent
test -s /var/lib/muster-agent/agent.key
dpkg --purge muster-agent >/dev/null
test ! -e /etc/default/muster-agent
test ! -e /var/lib/muster-agent
echo all of it
"#,
        server.url
    );
    let said = in_a_copy(place.path(), &script)?;
    assert!(said.contains("0.2.0") && said.contains("all of it"), "{said}");
    let devices = client.get("/api/v1/devices").await?;
    assert_eq!((&devices["total"], &devices["items"][0]["agent"]["protocol"]), (&serde_json::json!(1), &serde_json::json!("muster")));
    Ok(())
}

/// One file with everything inside; and ready-made settings with which agents of others come.
#[tokio::test]
async fn an_installer_sets_up_an_agent_and_settings_are_ready_for_those_of_others() -> Result<()> {
    for (agent, package) in [("fusioninventory-agent", "fusioninventory-agent"), ("ocsinventory-agent", "ocsinventory-agent")] {
        system_program(agent, package)?;
    }
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let place = tempfile::tempdir()?;
    let deb = package("deb", "0.1.0", place.path())?.display().to_string();
    let file = |name: &str| place.path().join(name).display().to_string();
    let (install, fusion, ocs) = (file("install.sh"), file("fusion.cfg"), file("ocs.cfg"));
    let made = |more: &[&str]| server.admin(&[&["installer", "--server", &server.url], more].concat());
    made(&["--package", &deb, "--tag", "it's lab 3", "--verified", "--uses", "1", "--out", &install])?;
    made(&["--for", "fusioninventory", "--tag", "fusion", "--out", &fusion])?;
    made(&["--for", "ocs", "--tag", "ocs", "--out", &ocs])?;
    assert!(made(&["--out", &install]).is_err(), "nothing is written over");
    let script = r#"
test "$(stat -c %a /in/install.sh)" = 700
sh /in/install.sh
test "$(stat -c %a /etc/default/muster-agent)" = 600
once() { (set -a; . /etc/default/muster-agent; set +a; exec muster-agent --once 2>/in/log) || { cat /in/log; exit 1; }; }
once
sh /in/install.sh
test "$(grep -c ^MUSTER_AGENT_JOIN= /etc/default/muster-agent)" = 1
once
cp /in/fusion.cfg /etc/fusioninventory/agent.cfg
fusioninventory-agent --force --no-task=deploy,netinventory,netdiscovery,wakeonlan,collect,esx >/in/log 2>&1 || { cat /in/log; exit 1; }
mkdir -p /etc/ocsinventory
cp /in/ocs.cfg /etc/ocsinventory/ocsinventory-agent.cfg
ocsinventory-agent --force >/in/log 2>&1 || { cat /in/log; exit 1; }
echo all of it
"#;
    let said = in_a_copy(place.path(), script)?;
    assert!(said.contains("set up for default") && said.contains("all of it"), "{said}");
    let agents = client.get("/api/v1/agents").await?;
    let mut kinds: Vec<&str> = agents["items"].as_array().context("agents")?.iter().filter_map(|a| a["protocol"].as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["fusioninventory", "muster", "ocs"], "{agents:#}");
    let devices = client.get("/api/v1/devices").await?;
    let tags: Vec<&str> = devices["items"].as_array().context("devices")?.iter().filter_map(|d| d["tag"].as_str()).collect();
    assert!(tags.contains(&"it's lab 3"), "{tags:?}");
    Ok(())
}

#[test]
fn the_rpm_holds_the_same_files() -> Result<()> {
    let rpm = system_program("rpm", "rpm")?;
    system_program("rpmbuild", "rpm")?;
    let place = tempfile::tempdir()?;
    let made = package("rpm", "0.1.0", place.path())?;
    let output = Command::new(rpm).args(["--query", "--list", "--package"]).arg(&made).output()?;
    let files = String::from_utf8(output.stdout)?;
    for file in [
        "/usr/bin/muster-agent",
        "/usr/lib/systemd/system/muster-agent.service",
        "/etc/default/muster-agent",
        "/usr/share/man/man8/muster-agent.8.gz",
    ] {
        assert!(files.lines().any(|line| line == file), "{file} is missing: {files}");
    }
    Ok(())
}
