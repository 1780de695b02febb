//! The order book: a machine keeps a task and begins it by its own clock, without a connection; what it did is told later, once.

use anyhow::{Context as _, Result, ensure};
use muster_e2e::{Client, Database, Link, LinkState, OwnAgent, Server, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Occurrences are a minute apart.
const LIMIT: Duration = Duration::from_secs(150);

async fn held(client: &Client, task: &str) -> Result<()> {
    until("the machine says that it keeps the task", LIMIT, || async {
        let schedule = client.get(&format!("/api/v1/tasks/{task}/schedule")).await?;
        Ok((schedule["kept"] == json!({"machines": 1, "held": 1})).then_some(()))
    })
    .await
}

async fn runs(client: &Client) -> Result<Vec<Value>> {
    Ok(client.get("/api/v1/runs?sort=created").await?["items"].as_array().context("runs")?.clone())
}

#[tokio::test]
async fn a_machine_begins_by_its_own_clock_without_a_connection_and_tells_later() -> Result<()> {
    let mut server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let link = Link::to(server.port()).await?;
    let mut agent = OwnAgent::prepare(&server, "keeper")?;
    agent.go_by(&link.url())?;
    until("the machine is known", LIMIT, || async {
        Ok(client.get("/api/v1/devices").await?["items"][0]["last_inventory"].is_string().then_some(()))
    })
    .await?;
    let mark = format!("echo \"$MUSTER_ASSIGNMENT first\" >> '{}'; echo version 3", agent.path("marks").display());
    let second = format!("echo \"$MUSTER_ASSIGNMENT second $1\" >> '{}'", agent.path("marks").display());
    let task = json!({"name": "kept", "targets": {"all": true}, "schedule": {"cron": "* * * * *", "offline": true},
    "steps": [
        {"id": "first", "action": {"type": "run_script", "script": mark}, "outputs": {"version": "regex(version ([0-9]+))"}},
        {"id": "second", "action": {"type": "run_script", "script": second, "arguments": ["{{steps.first.version}}"]}},
    ]});
    let task = client.post("/api/v1/tasks", &task).await?["id"].as_str().context("an id")?.to_owned();
    held(&client, &task).await.with_context(|| agent.log())?;
    let device = client.get("/api/v1/devices").await?["items"][0]["id"].as_str().context("an id")?.to_owned();
    let book = client.get(&format!("/api/v1/devices/{device}/book")).await?;
    assert_eq!((&book["items"][0]["task"]["name"], book["items"][0]["held"].is_string()), (&json!("kept"), true), "{book:#}");

    link.is(LinkState::Cut);
    let before = agent.lines("marks").len();
    until("an occurrence is done without a connection", LIMIT, || async { Ok((agent.lines("marks").len() >= before + 2).then_some(())) })
        .await
        .with_context(|| agent.log())?;
    // It goes on in its next life, and while no server is there at all.
    agent.kill()?;
    server.kill()?;
    agent.go_by(&link.url())?;
    let before = agent.lines("marks").len();
    until("another one is done", LIMIT, || async { Ok((agent.lines("marks").len() >= before + 2).then_some(())) })
        .await
        .with_context(|| agent.log())?;
    server = server.restart()?;
    let client = client.at(&server.url);
    link.leads_to(server.port());
    link.is(LinkState::Open);
    let told = || async {
        let mut known = BTreeSet::new();
        for run in runs(&client).await? {
            for assignment in client.assignments(run["id"].as_str().context("an id")?).await? {
                if assignment["state"] == "ok" {
                    known.insert(assignment["id"].as_str().context("an id")?.to_owned());
                }
            }
        }
        let done: Vec<String> = agent.lines("marks").iter().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
        Ok((!done.is_empty() && done.iter().all(|id| known.contains(id))).then_some(done))
    };
    let done = until("all that was done is known, as done", LIMIT, told)
        .await
        .with_context(|| format!("{}\n{}\n{}", agent.log(), agent.lines("marks").join("\n"), server.log()))?;
    ensure!(done.iter().collect::<BTreeSet<_>>().len() == done.len(), "each step was done once: {done:?}");
    ensure!(agent.lines("marks").iter().all(|line| line.ends_with(" first") || line.ends_with(" second 3")));
    Ok(())
}
