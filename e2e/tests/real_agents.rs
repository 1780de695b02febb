//! Unmodified agents of others against the real server: they report, take a task, and log no error.

use anyhow::{Context as _, Result};
use muster_e2e::{Agents, Client, Database, Server, until};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

async fn only_device(client: &Client) -> Result<Value> {
    until("one device is listed with its inventory", LIMIT, || async {
        let list = client.get("/api/v1/devices").await?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        assert!(items.len() <= 1, "one machine is one device: {items:#?}");
        Ok(items.into_iter().find(|d| !d["last_inventory"].is_null()))
    })
    .await
}

async fn inventory_task(client: &Client, name: &str, delivery: &str) -> Result<String> {
    let task = json!({"name": name, "targets": {"all": true}, "delivery": delivery, "steps": [{"id": "collect", "action": {"type": "inventory"}}]});
    let task = client.post("/api/v1/tasks", &task).await?;
    let id = task["id"].as_str().unwrap_or_default();
    let run = client.post(&format!("/api/v1/tasks/{id}/runs"), &json!({})).await?;
    Ok(run["id"].as_str().unwrap_or_default().to_owned())
}

async fn run_in_state(client: &Client, run: &str, state: &str) -> Result<Value> {
    until(&format!("the run is {state}"), LIMIT, || async {
        let view = client.get(&format!("/api/v1/runs/{run}")).await?;
        Ok((view["state"] == state).then_some(view))
    })
    .await
}

/// The sections that history says were written, newest entry first.
async fn history(client: &Client, device: &Value) -> Result<Vec<Value>> {
    let id = device["id"].as_str().unwrap_or_default();
    let list = client.get(&format!("/api/v1/devices/{id}/history?limit=1000")).await?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

/// A story that holds for each dialect: three runs without an error; the second identical inventory writes nothing; a task reaches
/// the agent and ends with its inventory.
async fn story(server: &Server, run_agent: impl Fn() -> Result<muster_e2e::AgentRun>, protocol: &str) -> Result<()> {
    let client = server.client("operator")?;
    run_agent()?.good()?;
    let device = only_device(&client).await?;
    assert_eq!(device["agent"]["protocol"], protocol);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    assert_eq!(device["name"].as_str().map(str::to_lowercase), Some(host.trim().to_lowercase()));
    assert!(device["software_count"].as_i64() > Some(50), "{device}");
    assert!(device["ips"].as_array().is_some_and(|ips| !ips.is_empty()), "{device}");
    let first = history(&client, &device).await?.len();

    let run = inventory_task(&client, "second", "pull").await?;
    run_in_state(&client, &run, "waiting").await?;
    run_agent()?.good()?;
    let ended = run_in_state(&client, &run, "finished").await?;
    assert_eq!(ended["verdict"], "ok", "{ended}");
    assert_eq!(ended["counts"]["ok"], 1, "{ended}");
    let again = history(&client, &device).await?;
    assert_eq!(again.len(), first, "an unchanged machine writes no section: {:#?}", &again[..again.len() - first]);

    let run = inventory_task(&client, "third", "pull").await?;
    run_in_state(&client, &run, "waiting").await?;
    run_agent()?.good()?;
    run_in_state(&client, &run, "finished").await?;
    Ok(())
}

#[tokio::test]
async fn fusioninventory_agent_reports_and_takes_a_task() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let agents = Agents::new()?;
    story(&server, || agents.fusion(&format!("{}/", server.url), &["--tag=lab"]), "fusioninventory").await?;
    let devices = server.client("viewer")?.get("/api/v1/devices?tag=lab").await?;
    assert_eq!(devices["items"].as_array().map(Vec::len), Some(1), "{devices}");
    Ok(())
}

/// Starts a task with these steps on every machine.
async fn start(client: &Client, name: &str, steps: Value) -> Result<String> {
    let task =
        client.post("/api/v1/tasks", &json!({"name": name, "targets": {"all": true}, "retry": {"attempts": 1}, "steps": steps})).await?;
    let run = client.post(&format!("/api/v1/tasks/{}/runs", task["id"].as_str().unwrap_or_default()), &json!({})).await?;
    let run = run["id"].as_str().unwrap_or_default().to_owned();
    run_in_state(client, &run, "waiting").await?;
    Ok(run)
}

#[tokio::test]
async fn fusioninventory_agent_runs_scripts_as_deploy_jobs() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let agents = Agents::new()?;
    let run_agent = || agents.fusion(&format!("{}/plugins/fusioninventory/", server.url), &[]);
    run_agent()?.good()?;
    let device = only_device(&client).await?;
    let marks = tempfile::tempdir()?;
    let mark = |name: &str| marks.path().join(name);
    let leave = |name: &str, more: &str| json!({"type": "run_script", "script": format!("echo \"left $1\"; echo x >> \"$1\"; {more}"), "arguments": [mark(name).display().to_string()]});
    let stranger = start(&client, "stranger", json!([{"id": "a", "action": leave("stranger", "")}])).await?;
    run_agent()?.good()?;
    assert!(!mark("stranger").exists(), "who is not verified obeys nothing");
    client.post(&format!("/api/v1/runs/{stranger}/cancel"), &json!({})).await?;
    let path = format!("/api/v1/devices/{}", device["id"].as_str().unwrap_or_default());
    let (status, told) = client.call("PATCH", &path, Some(&json!({"verified": true}))).await?;
    assert_eq!(status, 200, "{told}");

    let job = start(
        &client,
        "three steps",
        json!([
            {"id": "check", "action": leave("check", "exit 3"), "on_error": "continue"},
            {"id": "mend", "when": "steps.check.exit_code == 3", "action": leave("mend", "echo \"it's 'fine'\" >&2")},
            {"id": "addresses", "action": {"type": "ip_configuration"}},
        ]),
    )
    .await?;
    run_agent()?.good()?;
    let ended = run_in_state(&client, &job, "finished").await?;
    assert_eq!(ended["verdict"], "ok", "{ended:#}");
    for name in ["check", "mend"] {
        assert_eq!(std::fs::read_to_string(mark(name))?, "x\n", "{name}: once");
    }
    let list = client.get(&format!("/api/v1/runs/{job}/assignments")).await?;
    let of = async |step: &str| -> Result<Value> {
        let all = list["items"].as_array().context("items")?;
        let it = all.iter().find(|a| a["step"] == step).context("the step")?;
        client.get(&format!("/api/v1/assignments/{}", it["id"].as_str().unwrap_or_default())).await
    };
    let (check, mend, addresses) = (of("check").await?, of("mend").await?, of("addresses").await?);
    assert_eq!((&check["state"], &check["exit_code"]), (&json!("error"), &json!(3)), "{check:#}");
    assert_eq!(mend["output"], format!("left {}\nit's 'fine'\n", mark("mend").display()), "{mend:#}");
    assert!(addresses["output"].as_str().is_some_and(|o| o.contains("127.0.0.1")), "{addresses:#}");
    run_agent()?.good()?;
    assert_eq!(std::fs::read_to_string(mark("mend"))?, "x\n", "nothing is done twice");
    Ok(())
}

#[tokio::test]
async fn fusioninventory_agent_without_compression_on_its_plugin_path_reports() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let agents = Agents::new()?;
    agents.fusion(&format!("{}/plugins/fusioninventory", server.url), &["--no-compression"])?.good()?;
    only_device(&server.client("viewer")?).await?;
    Ok(())
}

#[tokio::test]
async fn ocs_agent_reports_and_takes_a_task() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let agents = Agents::new()?;
    story(&server, || agents.ocs(&format!("{}/ocsinventory", server.url), &[]), "ocs").await
}

#[tokio::test]
async fn ocs_agent_on_postgresql_keeps_the_tag_it_was_given() -> Result<()> {
    let database = muster_store::testdb::database();
    let server = Server::start(Database::Postgres(database.url().to_owned()))?;
    let agents = Agents::new()?;
    let url = format!("{}/ocsinventory", server.url);
    let replies = |log: &str| -> Vec<&'static str> {
        ["NO_ACCOUNT_UPDATE", ">ACCOUNT_UPDATE"].into_iter().filter(|word| log.contains(word)).collect()
    };
    let first = agents.ocs(&url, &["--tag=LAB1"])?;
    first.good()?;
    assert_eq!(replies(&first.log), ["NO_ACCOUNT_UPDATE"], "{}", first.log);
    let client = server.client("operator")?;
    assert_eq!(only_device(&client).await?["tag"], "LAB1");
    let second = agents.ocs(&url, &["--force"])?;
    second.good()?;
    assert_eq!(replies(&second.log), [">ACCOUNT_UPDATE"], "{}", second.log);
    let third = agents.ocs(&url, &["--force"])?;
    third.good()?;
    assert_eq!(replies(&third.log), ["NO_ACCOUNT_UPDATE"], "{}", third.log);
    Ok(())
}

#[tokio::test]
async fn a_push_task_wakes_a_fusioninventory_daemon() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let agents = Agents::new()?;
    let url = format!("{}/", server.url);
    agents.fusion(&url, &[])?.good()?;
    let client = server.client("operator")?;
    let device = only_device(&client).await?;
    let log = server.data().join("agent.log");
    // The usual port is the only one a server can know of this protocol.
    let _daemon = agents.fusion_daemon(&url, 62354, &log)?;
    until("the daemon's own server answers", LIMIT, || async { Ok(std::net::TcpStream::connect("127.0.0.1:62354").ok()) }).await?;
    let run = inventory_task(&client, "push", "push").await?;
    let ended = run_in_state(&client, &run, "finished").await?;
    assert_eq!(ended["verdict"], "ok", "{ended}");
    let agent = device["agent"]["id"].as_str().unwrap_or_default();
    let wakes = client.get(&format!("/api/v1/agents/{agent}/wakes")).await?;
    assert!(wakes["items"].as_array().is_some_and(|w| w.iter().any(|w| w["outcome"] == "ok")), "{wakes}");
    Ok(())
}

#[tokio::test]
async fn a_push_task_for_an_agent_that_cannot_be_woken_waits_for_it() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let agents = Agents::new()?;
    agents.ocs(&format!("{}/ocsinventory", server.url), &[])?.good()?;
    let client = server.client("operator")?;
    only_device(&client).await?;
    let run = inventory_task(&client, "push", "push").await?;
    run_in_state(&client, &run, "waiting").await?;
    let list = client.get(&format!("/api/v1/runs/{run}/assignments")).await?;
    let id = list["items"][0]["id"].as_str().unwrap_or_default().to_owned();
    let why = client.get(&format!("/api/v1/assignments/{id}/why")).await?;
    assert_eq!(why["reason"]["key"], "waiting_for_contact", "an OCS agent cannot be woken, so it is waited for: {why}");
    Ok(())
}

#[tokio::test]
async fn the_own_agent_tells_its_addresses_and_a_part_of_its_inventory() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let join = server.admin(&["join-token", "create", "--name", "test", "--verified"])?;
    let home = tempfile::tempdir()?;
    let run_own = || -> Result<()> {
        let output =
            muster_e2e::muster_agent()?.args(["--server", &server.url, "--join", &join, "--once", "--data"]).arg(home.path()).output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    run_own()?;
    let device = only_device(&client).await?;
    let sections = async || -> Result<usize> {
        let path = format!("/api/v1/devices/{}/inventory", device["id"].as_str().unwrap_or_default());
        Ok(client.get(&path).await?["sections"].as_object().map_or(0, |all| all.len()))
    };
    let before = sections().await?;
    for action in ["ip_configuration", "basic_inventory"] {
        let task = json!({"name": action, "targets": {"all": true}, "steps": [{"id": "tell", "action": {"type": action}}]});
        let task = client.post("/api/v1/tasks", &task).await?["id"].as_str().context("an id")?.to_owned();
        let run = client.post(&format!("/api/v1/tasks/{task}/runs"), &json!({})).await?["id"].as_str().context("an id")?.to_owned();
        run_in_state(&client, &run, "waiting").await?;
        run_own()?;
        assert_eq!(run_in_state(&client, &run, "finished").await?["verdict"], "ok", "{action}");
        let list = client.get(&format!("/api/v1/runs/{run}/assignments")).await?;
        let done = client.get(&format!("/api/v1/assignments/{}", list["items"][0]["id"].as_str().context("an id")?)).await?;
        assert!(done["attempts"][0]["begun_at"].is_string(), "it said when it began: {done:#}");
        if action == "ip_configuration" {
            let told: serde_json::Value = serde_json::from_str(done["output"].as_str().context("an output")?)?;
            assert!(told["interfaces"].as_array().is_some_and(|all| !all.is_empty()), "{told:#}");
        }
    }
    assert_eq!(sections().await?, before, "a part leaves the rest as it is");
    // Presence is written in sets, a little later.
    let offset = until("the offset of its clock is known", LIMIT, || async {
        Ok(client.get("/api/v1/agents").await?["items"][0]["clock_offset_ms"].as_i64())
    });
    assert!(offset.await?.abs() < 60_000, "both have the same clock");
    Ok(())
}

#[tokio::test]
async fn the_own_agent_and_fusioninventorys_on_one_machine_are_one_device() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let join = server.admin(&["join-token", "create", "--name", "test", "--verified"])?;
    let home = tempfile::tempdir()?;
    let run_own = || -> Result<()> {
        let output =
            muster_e2e::muster_agent()?.args(["--server", &server.url, "--join", &join, "--once", "--data"]).arg(home.path()).output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    run_own()?;
    let device = only_device(&client).await?;
    assert_eq!((&device["agent"]["protocol"], &device["verified"]), (&json!("muster"), &json!(true)));
    let first = history(&client, &device).await?.len();

    let run = inventory_task(&client, "own", "pull").await?;
    run_in_state(&client, &run, "waiting").await?;
    run_own()?;
    assert_eq!(run_in_state(&client, &run, "finished").await?["verdict"], "ok");
    assert_eq!(history(&client, &device).await?.len(), first, "an unchanged machine writes no section");

    Agents::new()?.fusion(&format!("{}/", server.url), &[])?.good()?;
    let device = only_device(&client).await?;
    assert_eq!(device["agent"]["protocol"], "muster", "the own agent's data go first");
    let detail = client.get(&format!("/api/v1/devices/{}", device["id"].as_str().unwrap_or_default())).await?;
    assert_eq!(detail["agents"].as_array().map(Vec::len), Some(2), "{detail:#}");
    Ok(())
}
