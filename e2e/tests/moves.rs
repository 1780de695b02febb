//! Machines that come to another organization: their agents go on as before, and work for the new one.

use anyhow::{Context as _, Result};
use muster_e2e::{Agents, Client, Database, OwnAgent, Server, until};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Somebody who acts everywhere, from the organization `default`, and somebody of `elsewhere`.
async fn both(server: &Server) -> Result<(Client, Client)> {
    let here = server.client("admin")?;
    here.post("/api/v1/orgs", &json!({"name": "elsewhere"})).await?;
    let token = server.admin(&["token", "create", "--name", "there", "--role", "operator", "--org", "elsewhere"])?;
    Ok((here, Client::new(&server.url, token.trim())?))
}

async fn devices(client: &Client, count: u64) -> Result<Vec<Value>> {
    until(&format!("{count} machines are listed"), LIMIT, || async {
        let list = client.get("/api/v1/devices").await?;
        Ok((list["total"] == json!(count)).then(|| list["items"].as_array().cloned().unwrap_or_default()))
    })
    .await
}

/// Moves the only machine to `elsewhere`, as a verified one.
async fn moves(here: &Client, there: &Client) -> Result<()> {
    let device = devices(here, 1).await?.remove(0);
    let path = format!("/api/v1/devices/{}", device["id"].as_str().context("an id")?);
    let (status, moved) = here.call("PATCH", &path, Some(&json!({"org": "elsewhere", "verified": true}))).await?;
    assert_eq!((status, &moved["org"]), (200, &json!("elsewhere")), "{moved}");
    devices(here, 0).await?;
    assert_eq!(devices(there, 1).await?[0]["id"], device["id"]);
    Ok(())
}

async fn script(client: &Client, words: &str) -> Result<String> {
    let action = json!({"type": "run_script", "script": format!("echo {words}")});
    let task = json!({"name": words, "targets": {"all": true}, "steps": [{"id": "say", "action": action}]});
    let task = client.post("/api/v1/tasks", &task).await?;
    client.start(task["id"].as_str().context("an id")?).await
}

async fn said(client: &Client, run: &str) -> Result<String> {
    let ended = client.finished(run, LIMIT).await?;
    assert_eq!(ended["verdict"], "ok", "{ended:#}");
    let all = client.assignments(run).await?;
    let id = all.first().context("an assignment")?["id"].as_str().context("an id")?;
    let it = client.get(&format!("/api/v1/assignments/{id}")).await?;
    Ok(it["output"].as_str().unwrap_or_default().trim().to_owned())
}

#[tokio::test]
async fn an_unchanged_agent_comes_to_the_same_address_and_works_for_the_new_organization() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let (here, there) = both(&server).await?;
    let agents = Agents::new()?;
    let run_agent = || agents.fusion(&format!("{}/plugins/fusioninventory/", server.url), &[]);
    run_agent()?.good()?;
    moves(&here, &there).await?;
    let (left, run) = (devices(&here, 0).await?, script(&there, "from elsewhere").await?);
    assert!(left.is_empty());
    until("the run waits", LIMIT, || async { Ok((there.get(&format!("/api/v1/runs/{run}")).await?["state"] == "waiting").then_some(())) })
        .await?;
    run_agent()?.good()?;
    assert_eq!(said(&there, &run).await?, "from elsewhere");
    devices(&here, 0).await?;
    assert_eq!(devices(&there, 1).await?[0]["agent"]["protocol"], "fusioninventory");
    Ok(())
}

#[tokio::test]
async fn an_agent_that_is_connected_goes_on_in_the_new_organization() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let (here, there) = both(&server).await?;
    let agent = OwnAgent::start(&server, "moved")?;
    devices(&here, 1).await?;
    let run = script(&here, "at home").await?;
    assert_eq!(said(&here, &run).await?, "at home");
    moves(&here, &there).await?;
    let run = script(&there, "from elsewhere").await?;
    assert_eq!(said(&there, &run).await.with_context(|| agent.log())?, "from elsewhere");
    // The old organization can do nothing to it any more.
    let task =
        json!({"name": "nobody", "targets": {"all": true}, "steps": [{"id": "say", "action": {"type": "run_script", "script": "true"}}]});
    let task = here.post("/api/v1/tasks", &task).await?;
    let (status, told) =
        here.call("POST", &format!("/api/v1/tasks/{}/runs", task["id"].as_str().context("an id")?), Some(&json!({}))).await?;
    assert!(status >= 400, "there is nobody to do it: {told}");
    Ok(())
}
