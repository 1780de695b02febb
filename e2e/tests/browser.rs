//! A person in a real browser: signs in, sees the machine that a real agent reported in the same test, starts a task, watches it end.

use anyhow::{Context as _, Result, bail};
use muster_e2e::{Agents, Database, Server, system_program};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn a_person_sees_a_machine_starts_a_task_and_watches_it_end() -> Result<()> {
    let node = system_program("node", "nodejs")?;
    let chromium = system_program("chromium", "chromium")?;
    let console = Path::new(env!("CARGO_MANIFEST_DIR")).join("../console");
    if !console.join("node_modules/playwright-core").exists() {
        bail!("the console's tools are not installed: run `cargo xtask console`, or the tests with `make test`");
    }
    let server = Server::start(Database::Sqlite)?;
    let password = server.admin(&["user", "add", "anna", "--role", "operator"])?;
    let agents = Agents::new()?;
    agents.fusion(&format!("{}/", server.url), &[])?.good()?;
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname")?;

    let mut person = Command::new(node)
        .args(["e2e/first-light.mjs", &server.url, "anna", password.trim(), machine.trim()])
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
            agents.fusion(&format!("{}/", server.url), &[])?.good()?;
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
