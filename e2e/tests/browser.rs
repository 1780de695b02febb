//! A person in a real browser: signs in, sees the machine that a real agent reported in the same test, starts a task, watches it end;
//! writes a task with a window and sees that nothing was handed out after it.

use anyhow::{Context as _, Result, bail};
use muster_e2e::{Agents, Database, Server, http, muster_agent, system_program};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// Tells a story of the console's `e2e` folder as an operator; `comes` is called when the agent should come.
fn told(server: &Server, story: &str, more: &[&str], mut comes: impl FnMut() -> Result<()>) -> Result<()> {
    let node = system_program("node", "nodejs")?;
    let chromium = system_program("chromium", "chromium")?;
    let console = Path::new(env!("CARGO_MANIFEST_DIR")).join("../console");
    if !console.join("node_modules/playwright-core").exists() {
        bail!("the console's tools are not installed: run `cargo xtask console`, or the tests with `make test`");
    }
    let password = server.admin(&["user", "add", "anna", "--role", "operator"])?;
    let mut person = Command::new(node)
        .args([&format!("e2e/{story}.mjs"), &server.url, "anna", password.trim()])
        .args(more)
        .current_dir(console)
        .env("CHROMIUM", chromium)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut said = Vec::new();
    for line in BufReader::new(person.stdout.take().context("an output")?).lines() {
        let line = line?;
        if line == "run started" {
            comes()?;
        }
        said.push(line);
    }
    let mut errors = String::new();
    person.stderr.take().context("errors")?.read_to_string(&mut errors)?;
    let ended = person.wait()?;
    assert!(ended.success(), "the browser told: {errors}\nafter {said:?}\nserver log:\n{}", server.log());
    assert_eq!(said, ["run started", "run finished"]);
    Ok(())
}

#[test]
fn a_person_sees_a_machine_starts_a_task_and_watches_it_end() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let agents = Agents::new()?;
    agents.fusion(&format!("{}/", server.url), &[])?.good()?;
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    told(&server, "first-light", &[machine.trim()], || agents.fusion(&format!("{}/", server.url), &[])?.good())
}

/// The machine of Muster's own agent comes in time, the other never does.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_its_window_gets_nothing_and_the_run_says_so() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let late = "<REQUEST><DEVICEID>late-2026-11-21-03-09-07</DEVICEID><QUERY>INVENTORY</QUERY><CONTENT>\
        <HARDWARE><NAME>late</NAME></HARDWARE></CONTENT></REQUEST>";
    let sent = http()?.post(&server.url).header("User-Agent", "FusionInventory-Agent_v2.6-3").body(late).send().await?;
    assert!(sent.status().is_success(), "{}", sent.status());
    let token = server.client("admin")?.post("/api/v1/join-tokens", &serde_json::json!({"name": "here"})).await?;
    let token = token["token"].as_str().context("a token")?.to_owned();
    let home = tempfile::tempdir()?;
    let agent = |more: &[&str]| -> Result<()> {
        let mut command = muster_agent()?;
        command.args(["--server", &server.url, "--once", "--data"]).arg(home.path()).args(more);
        let output = command.stdin(Stdio::null()).output()?;
        if output.status.success() { Ok(()) } else { bail!("the agent: {}", String::from_utf8_lossy(&output.stderr)) }
    };
    agent(&["--join", &token])?;
    tokio::task::block_in_place(|| told(&server, "nightly", &[], || agent(&[])))
}
