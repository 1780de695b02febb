//! Whom agent and server trust: another key of the server, an agent in quarantine, and what an agent tells of its own end.

use anyhow::{Context as _, Result, ensure};
use muster_e2e::{Client, Database, Link, OwnAgent, Server, muster_agent, until};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

async fn known(client: &Client, count: u64) -> Result<()> {
    until("the machines are known", LIMIT, || async {
        let list = client.get("/api/v1/devices?limit=50").await?;
        let all = list["items"].as_array().context("items")?;
        let with_inventory = all.iter().filter(|device| device["last_inventory"].is_string()).count();
        Ok((with_inventory as u64 == count).then_some(()))
    })
    .await
}

async fn task(client: &Client, name: &str, script: &str) -> Result<String> {
    let step = json!({"id": "step", "action": {"type": "run_script", "script": script}, "timeout": "300s"});
    let made = client.post("/api/v1/tasks", &json!({"name": name, "targets": {"all": true}, "steps": [step]})).await?;
    Ok(made["id"].as_str().context("an id")?.to_owned())
}

async fn ends_well(client: &Client, task: &str, agent: &OwnAgent) -> Result<()> {
    let done = client.finished(&client.start(task).await?, LIMIT).await.with_context(|| agent.log())?;
    ensure!(done["verdict"] == "ok", "{done:#}\n{}", agent.log());
    Ok(())
}

/// The fingerprint that an agent has pinned.
fn pinned(agent: &OwnAgent) -> Result<String> {
    let shown = muster_agent()?.args(["show", "--data"]).arg(agent.path("data")).output()?;
    let text = String::from_utf8(shown.stdout)?;
    let line = text.lines().find_map(|line| line.strip_prefix("server key")).context(text.clone())?;
    Ok(line.trim().to_owned())
}

#[tokio::test]
async fn agents_follow_another_key_of_the_server_however_long_they_were_away() -> Result<()> {
    let mut server = Server::start(Database::Sqlite)?;
    let link = Link::to(server.port()).await?;
    let mut client = server.client("operator")?;
    let mut agents = Vec::new();
    for name in ["stays", "away"] {
        let mut agent = OwnAgent::prepare(&server, name)?;
        agent.go_by(&link.url())?;
        agents.push(agent);
    }
    known(&client, 2).await?;
    let mut away = agents.pop().context("two agents")?;
    let stays = agents.pop().context("two agents")?;
    away.kill()?;
    let first = pinned(&stays)?;
    let here = client
        .post(
            "/api/v1/tasks",
            &json!({"name": "here", "targets": {"query": format!("device.name == '{}'", name_of(&stays)?)},
        "steps": [{"id": "a", "action": {"type": "run_script", "script": "true"}}]}),
        )
        .await?;
    let here = here["id"].as_str().context("an id")?.to_owned();
    let mut last = first.clone();
    for _ in 0..2 {
        let told = server.admin(&["keys", "rotate"])?;
        last = told.split_whitespace().next().context("a fingerprint")?.to_owned();
        server = server.restart()?;
        link.leads_to(server.port());
        client = client.at(&server.url);
        ends_well(&client, &here, &stays).await?;
        assert_eq!(pinned(&stays)?, last, "it follows before it does anything: {}", stays.log());
    }
    assert_eq!(server.admin(&["keys", "show"])?.lines().count(), 3);
    away.go_by(&link.url())?;
    let both = task(&client, "both", "true").await?;
    ends_well(&client, &both, &away).await?;
    assert_eq!(pinned(&away)?, last, "{}", away.log());

    server.admin(&["keys", "forget", &first])?;
    assert_eq!(server.admin(&["keys", "show"])?.lines().count(), 2);
    server = server.restart()?;
    link.leads_to(server.port());
    client = client.at(&server.url);
    ends_well(&client, &both, &away).await
}

fn name_of(agent: &OwnAgent) -> Result<String> {
    let home = agent.path("data");
    let name = home.parent().and_then(|home| home.file_name()).and_then(|name| name.to_str());
    Ok(name.context("a name")?.to_owned())
}

async fn first_of(client: &Client, run: &str) -> Result<Option<Value>> {
    Ok(client.assignments(run).await?.first().cloned())
}

#[tokio::test]
async fn an_agent_in_quarantine_stops_and_gets_nothing_until_it_is_released() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let agent = OwnAgent::start(&server, "shutout")?;
    known(&client, 1).await?;
    let long = client.start(&task(&client, "long", "sleep 600").await?).await?;
    until("it runs", LIMIT, || async { Ok(first_of(&client, &long).await?.filter(|a| a["state"] == "running")) }).await?;
    let id = client.get("/api/v1/agents").await?["items"][0]["id"].as_str().context("an id")?.to_owned();
    let path = format!("/api/v1/agents/{id}");
    let body = json!({"quarantined": true, "reason": "it answers for two machines"});
    let (status, shut) = client.call("PATCH", &path, Some(&body)).await?;
    assert_eq!((status, &shut["quarantine"]["reason"]), (200, &json!("it answers for two machines")), "{shut:#}");
    let done = client.finished(&long, LIMIT).await.with_context(|| agent.log())?;
    assert_eq!(done["verdict"], "error", "what ran was stopped: {done:#}");

    let quick = client.start(&task(&client, "quick", "true").await?).await?;
    let held = until("it waits", LIMIT, || first_of(&client, &quick)).await?;
    let why = client.get(&format!("/api/v1/assignments/{}/why", held["id"].as_str().context("an id")?)).await?;
    assert_eq!(why["reason"]["key"], "quarantined", "{why:#}");
    let listed = client.get("/api/v1/agents?quarantined=true").await?;
    assert_eq!(listed["total"], 1);
    let (status, _) = client.call("PATCH", &path, Some(&json!({"quarantined": false}))).await?;
    assert_eq!(status, 200);
    let done = client.finished(&quick, LIMIT).await.with_context(|| agent.log())?;
    assert_eq!((&done["verdict"], &done["counts"]["ok"]), (&json!("ok"), &json!(1)));
    Ok(())
}

#[tokio::test]
async fn an_agent_that_was_killed_says_so_in_its_next_life_and_one_that_was_stopped_does_not() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("viewer")?;
    let mut agent = OwnAgent::start(&server, "killed")?;
    known(&client, 1).await?;
    agent.terminate()?;
    agent.go(&server)?;
    let opened = || agent.log().matches("the channel is open").count();
    until("it is there again", LIMIT, || async { Ok((opened() >= 2).then_some(())) }).await?;
    agent.kill()?;
    agent.go(&server)?;
    let told = until("the crash is told", LIMIT, || async {
        let list = client.get("/api/v1/crashes").await?;
        Ok(list["items"].as_array().filter(|all| !all.is_empty()).cloned())
    })
    .await?;
    assert_eq!((told.len(), &told[0]["kind"]), (1, &json!("killed")), "{told:#?}");
    let one = client.get(&format!("/api/v1/crashes/{}", told[0]["id"].as_str().context("an id")?)).await?;
    assert!(one["log"].is_string() && one["message"].as_str().is_some_and(|text| text.contains("killed")), "{one:#}");
    let (_, metrics) = client.call("GET", "/metrics", None).await?;
    ensure!(metrics.as_str().is_some_and(|text| text.contains("muster_agent_crashes_total{kind=\"killed\"} 1")), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn a_machine_that_joins_is_set_up_once() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let mut agent = OwnAgent::prepare(&server, "new")?;
    let script = format!("echo set up >> '{}'", agent.path("marks").display());
    let task = json!({"name": "bootstrap", "targets": {"all": true}, "schedule": {"on": "device_enrolled"},
        "steps": [{"id": "step", "action": {"type": "run_script", "script": script}}]});
    client.post("/api/v1/tasks", &task).await?;
    agent.go(&server)?;
    until("it is set up", LIMIT, || async { Ok((agent.lines("marks") == ["set up"]).then_some(())) }).await.with_context(|| agent.log())?;
    agent.kill()?;
    agent.go(&server)?;
    let run = until("the run is over", LIMIT, || async {
        let runs = client.get("/api/v1/runs").await?;
        Ok(runs["items"].as_array().filter(|all| all.iter().all(|run| run["state"] == "finished")).cloned())
    })
    .await?;
    assert_eq!((run.len(), &run[0]["verdict"]), (1, &json!("ok")), "{run:#?}");
    assert_eq!(agent.lines("marks").len(), 1);
    Ok(())
}
