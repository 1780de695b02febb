//! Server and agent in network namespaces of their own, with a line between them that is cut, loses and is slow while there is work.

use anyhow::{Context as _, Result, ensure};
use muster_e2e::{Client, Line, OwnAgent, Server, in_own_network, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

async fn task(client: &Client, name: &str, steps: &[Value]) -> Result<String> {
    let task = json!({"name": name, "targets": {"all": true}, "steps": steps});
    Ok(client.post("/api/v1/tasks", &task).await?["id"].as_str().context("an id")?.to_owned())
}

#[tokio::test]
async fn over_a_bad_line_every_step_begins_once_and_every_verdict_arrives() -> Result<()> {
    if let Some(ran) = in_own_network("over_a_bad_line_every_step_begins_once_and_every_verdict_arrives") {
        return ran;
    }
    let line = Line::lay()?;
    let server = Server::start_for_others(muster_e2e::HERE)?;
    let client = server.client("operator")?;
    let mut agent = OwnAgent::prepare(&server, "faraway")?;
    agent.go_over(&server, &line)?;
    until("the machine is known", LIMIT, || async {
        Ok(client.get("/api/v1/devices").await?["items"][0]["last_inventory"].is_string().then_some(()))
    })
    .await
    .with_context(|| agent.log())?;
    let mark = format!("echo $MUSTER_ASSIGNMENT >> '{}'", agent.path("marks").display());
    let script = |id: &str| json!({"id": id, "action": {"type": "run_script", "script": mark}, "timeout": "60s"});
    let once = task(&client, "once", &[script("step")]).await?;
    let job = task(&client, "job", &[script("one"), script("two"), script("three")]).await?;
    let mut runs = vec![client.start(&once).await?];
    let marks = |n: usize| {
        let agent = &agent;
        move || async move { Ok((agent.lines("marks").len() >= n).then_some(())) }
    };
    until("a step begins", LIMIT, marks(1)).await.with_context(|| agent.log())?;

    line.worsen()?;
    for _ in 0..4 {
        runs.extend([client.start(&once).await?, client.start(&job).await?]);
    }
    until("all is done over a line that loses", LIMIT, marks(17)).await.with_context(|| agent.log())?;

    runs.push(client.start(&job).await?);
    until("a job has begun", LIMIT, marks(18)).await.with_context(|| agent.log())?;
    line.cut()?;
    until("the job goes on without the line", LIMIT, marks(20)).await.with_context(|| agent.log())?;
    // A step whose end is not in the journal yet would be told as interrupted.
    let over = || async { Ok((agent.log().matches("jobs: over").count() >= 20).then_some(())) };
    until("its last step is over", LIMIT, over).await.with_context(|| agent.log())?;
    agent.kill()?;
    agent.go_over(&server, &line)?;
    line.heal()?;
    runs.push(client.start(&once).await?);

    let (mut known, mut begun) = (BTreeMap::new(), BTreeMap::<String, usize>::new());
    for run in &runs {
        let done = client.finished(run, LIMIT).await.with_context(|| agent.log())?;
        ensure!(done["verdict"] == "ok", "{done:#}\n{}", agent.log());
        for assignment in client.assignments(run).await? {
            known.insert(assignment["id"].as_str().context("an id")?.to_owned(), assignment["state"].clone());
        }
    }
    for line in agent.lines("marks") {
        *begun.entry(line).or_default() += 1;
    }
    ensure!(begun.values().all(|count| *count == 1), "each step began once: {begun:?}");
    ensure!(known.keys().eq(begun.keys()) && known.len() == 21, "{known:?} {begun:?}");
    Ok(())
}
