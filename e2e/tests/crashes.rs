//! The server is killed at random points of intake and reports: nothing it acknowledged is lost, on both databases.

use anyhow::{Context as _, Result};
use flate2::write::ZlibEncoder;
use muster_e2e::{Client, Database, Server, until};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often each database's server is killed.
const KILLS: u64 = 50;
const MACHINES: u64 = 8;

fn zlib(text: &str) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn deviceid(machine: u64) -> String {
    format!("crash-{machine}-2026-11-21-03-09-07")
}

fn inventory(machine: u64, generation: u64) -> Vec<u8> {
    let software: String = (0..40)
        .map(|i| format!("<SOFTWARES><NAME>program-{i}</NAME><VERSION>{}</VERSION></SOFTWARES>", if i == 0 { generation } else { 1 }))
        .collect();
    zlib(&format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?><REQUEST><CONTENT><HARDWARE><NAME>crash-{machine}</NAME><UUID>00c0ffee-0000-4000-8000-{machine:012}</UUID></HARDWARE>\
         {software}<VERSIONCLIENT>FusionInventory-Agent_v2.6-3</VERSIONCLIENT></CONTENT><DEVICEID>{}</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>",
        deviceid(machine)
    ))
}

/// What the server acknowledged: per machine the newest generation answered with 200, and the newest that was sent.
#[derive(Clone, Default)]
struct Model {
    acknowledged: BTreeMap<u64, u64>,
    sent: BTreeMap<u64, u64>,
    /// Machines whose inventory was acknowledged while the present run waited for it.
    reported: BTreeSet<u64>,
}

async fn machine(number: u64, url: String, model: Arc<Mutex<Model>>, stop: Arc<AtomicBool>, generations: Arc<AtomicU64>) {
    let http = muster_e2e::http().expect("a client");
    while !stop.load(Ordering::Relaxed) {
        let generation = generations.fetch_add(1, Ordering::Relaxed);
        model.lock().expect("the model").sent.insert(number, generation);
        let request = http
            .post(format!("{url}/"))
            .header("User-Agent", "FusionInventory-Agent_v2.6-3")
            .header("Content-Type", "application/x-compress-zlib")
            .body(inventory(number, generation));
        match request.send().await {
            Ok(answer) if answer.status().is_success() => {
                let mut model = model.lock().expect("the model");
                model.acknowledged.insert(number, generation);
                model.reported.insert(number);
            }
            Ok(answer) => assert!(answer.status().as_u16() == 503, "unexpected {}", answer.status()),
            Err(_) => return,
        }
    }
}

async fn check(client: &Client, model: &Model) -> Result<()> {
    let devices = client.get("/api/v1/devices?limit=1000&q=crash").await?;
    let items = devices["items"].as_array().context("a list")?;
    for (number, acknowledged) in &model.acknowledged {
        let name = format!("crash-{number}");
        let found: Vec<_> = items.iter().filter(|d| d["name"] == json!(name)).collect();
        assert_eq!(found.len(), 1, "{name} is one device");
        let id = found[0]["id"].as_str().context("an id")?;
        let inventory = client.get(&format!("/api/v1/devices/{id}/inventory?section=softwares")).await?;
        let programs = inventory["sections"]["softwares"].as_array().context("programs")?;
        assert_eq!(programs.len(), 40, "{name}: whole or not at all");
        let stored =
            programs.iter().find(|p| p["name"] == "program-0").and_then(|p| p["version"].as_str()).and_then(|v| v.parse::<u64>().ok());
        let stored = stored.context("a generation")?;
        assert!(stored >= *acknowledged, "{name}: generation {acknowledged} was acknowledged, {stored} is stored");
        assert!(stored <= model.sent[number], "{name}: {stored} was never sent");
    }
    Ok(())
}

/// Starts a run on every machine there is and waits until it is ready to be taken; gives its id.
async fn start_run(client: &Client, task: &str) -> Result<String> {
    let count = client.get("/api/v1/devices?limit=1").await?["total"].clone();
    let run = client.post(&format!("/api/v1/tasks/{task}/runs"), &json!({"confirm_count": count})).await?;
    let id = run["id"].as_str().context("an id")?.to_owned();
    until("the run waits for its machines", Duration::from_secs(60), || async {
        let run = client.get(&format!("/api/v1/runs/{id}")).await?;
        Ok((run["state"] != "preparing").then_some(()))
    })
    .await?;
    Ok(id)
}

/// A report that was acknowledged has ended its assignment, whatever happened to the server since.
async fn check_run(client: &Client, run: &str, reported: &BTreeSet<u64>) -> Result<()> {
    let list = client.get(&format!("/api/v1/runs/{run}/assignments?limit=1000")).await?;
    for assignment in list["items"].as_array().context("assignments")? {
        let name = assignment["device"]["name"].as_str().unwrap_or_default();
        let number: u64 = name.rsplit('-').next().and_then(|n| n.parse().ok()).context("a machine of ours")?;
        let state = assignment["state"].as_str().unwrap_or_default();
        assert!(state == "ok" || !reported.contains(&number), "{name} was acknowledged and its assignment is {state}");
    }
    let view = client.get(&format!("/api/v1/runs/{run}")).await?;
    let counted: i64 = view["counts"].as_object().context("counts")?.values().filter_map(|n| n.as_i64()).sum();
    assert_eq!(Some(counted), view["targeted"].as_i64(), "the totals sum: {view}");
    Ok(())
}

async fn story(database: Database) -> Result<()> {
    let mut server = Server::start(database)?;
    let client = server.client("operator")?;
    let task = json!({"name": "through kills", "targets": {"all": true}, "steps": [{"id": "collect", "action": {"type": "inventory"}}]});
    let task = client.post("/api/v1/tasks", &task).await?["id"].as_str().context("an id")?.to_owned();
    let model = Arc::new(Mutex::new(Model::default()));
    let generations = Arc::new(AtomicU64::new(1));
    for kill in 0..KILLS {
        // In the first round there is no machine yet to run anything on.
        let client = client.at(&server.url);
        let run = if kill == 0 { None } else { Some(start_run(&client, &task).await?) };
        model.lock().expect("the model").reported.clear();
        let stop = Arc::new(AtomicBool::new(false));
        let tasks: Vec<_> =
            (0..MACHINES).map(|n| tokio::spawn(machine(n, server.url.clone(), model.clone(), stop.clone(), generations.clone()))).collect();
        // The point of the kill is a number of inventories, not a time: another one each round.
        let target = generations.load(Ordering::Relaxed) + 20 + (kill * 37) % 61;
        until("inventories flow", Duration::from_secs(60), || async { Ok((generations.load(Ordering::Relaxed) >= target).then_some(())) })
            .await?;
        server.kill()?;
        stop.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await?;
        }
        server = server.restart()?;
        let known = model.lock().expect("the model").clone();
        let client = client.at(&server.url);
        check(&client, &known).await?;
        if let Some(run) = run {
            check_run(&client, &run, &known.reported).await?;
        }
    }
    let findings = server.admin(&["check"])?;
    assert!(model.lock().expect("the model").acknowledged.len() == MACHINES as usize, "every machine was acknowledged at least once");
    println!("{findings}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_what_was_acknowledged_through_kills() -> Result<()> {
    story(Database::Sqlite).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_what_was_acknowledged_through_kills() -> Result<()> {
    let database = muster_store::testdb::database();
    story(Database::Postgres(database.url().to_owned())).await
}
