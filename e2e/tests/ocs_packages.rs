//! OCS Inventory's real agent takes work as packages.

use anyhow::{Context as _, Result, ensure};
use muster_e2e::{Agents, Client, HERE, Server, until};
use serde_json::{Value, json};
use std::time::Duration;

/// An agent on Unix pauses a second after each thing that it fetches.
const LIMIT: Duration = Duration::from_secs(90);

async fn start(client: &Client, name: &str, action: Value) -> Result<String> {
    let task = json!({"name": name, "targets": {"all": true}, "retry": {"attempts": 1}, "steps": [{"id": "do", "action": action}]});
    let task = client.post("/api/v1/tasks", &task).await?;
    client.start(task["id"].as_str().context("an id")?).await
}

/// What the one assignment of a run came to.
async fn came_to(client: &Client, run: &str) -> Result<Value> {
    let done = client.finished(run, LIMIT).await?;
    let all = client.assignments(run).await?;
    ensure!(all.len() == 1, "{done:#}");
    client.get(&format!("/api/v1/assignments/{}", all[0]["id"].as_str().context("an id")?)).await
}

#[tokio::test]
async fn ocs_agent_runs_scripts_as_packages_once_and_tells_their_exit_codes() -> Result<()> {
    let server = Server::start_for_others(HERE)?;
    let client = server.client("operator")?;
    let agents = Agents::new()?;
    let authority = format!("--ca={}", server.authority().display());
    let url = format!("{}/ocsinventory", server.url);
    let run_agent = || agents.ocs(&url, &[&authority]);
    run_agent()?.good()?;
    let device = client.get("/api/v1/devices").await?["items"][0]["id"].as_str().context("a device")?.to_owned();
    let marks = tempfile::tempdir()?;
    let mark = |name: &str| marks.path().join(name);
    let leave = |name: &str, code: u8| json!({"type": "run_script", "script": "echo x >> \"$1\"; exit \"$2\"", "arguments": [mark(name).display().to_string(), code.to_string()]});

    let stranger = start(&client, "stranger", leave("stranger", 0)).await?;
    run_agent()?.good()?;
    client.post(&format!("/api/v1/runs/{stranger}/cancel"), &json!({})).await?;
    let path = format!("/api/v1/devices/{device}");
    let (status, told) = client.call("PATCH", &path, Some(&json!({"verified": true}))).await?;
    ensure!(status == 200, "{told}");

    let mut expected = leave("expected", 3);
    expected["expect"] = json!([3]);
    let (good, bad, expected) = (
        start(&client, "good", leave("good", 0)).await?,
        start(&client, "bad", leave("bad", 7)).await?,
        start(&client, "expected", expected).await?,
    );
    let addresses = start(&client, "addresses", json!({"type": "ip_configuration"})).await?;
    until("the work waits", LIMIT, || async {
        let queue = client.get("/api/v1/queue").await?;
        Ok((queue["items"].as_array().context("a queue")?.len() == 4).then_some(()))
    })
    .await?;
    let log = run_agent()?;
    log.good()?;
    for (run, state, code) in
        [(&good, "ok", json!(0)), (&bad, "error", json!(7)), (&expected, "ok", json!(3)), (&addresses, "ok", Value::Null)]
    {
        let it = came_to(&client, run).await.with_context(|| log.log.clone())?;
        ensure!(it["state"] == state && it["exit_code"] == code, "{it:#}\n{}", log.log);
    }
    for name in ["good", "bad", "expected"] {
        ensure!(std::fs::read_to_string(mark(name))? == "x\n", "{name}: once");
    }
    ensure!(!mark("stranger").exists(), "who is not verified obeys nothing");
    let again = run_agent()?;
    again.good()?;
    ensure!(again.log.contains("ON=\"0\""), "nothing more is there: {}", again.log);
    ensure!(std::fs::read_to_string(mark("good"))? == "x\n", "nothing is done twice");
    Ok(())
}
