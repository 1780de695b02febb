//! A pool of ten real agents in a network of their own, in which nobody answers but one: what an agent does not finish goes to another.

use anyhow::{Context as _, Result, ensure};
use muster_e2e::{Database, OwnAgent, Server, dark_network, in_own_network, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);
const ADDRESSES: i64 = 1_024;

fn count(all: &[Value], is: impl Fn(&Value) -> bool) -> usize {
    all.iter().filter(|it| is(it)).count()
}

/// FusionInventory's story: ten agents, a tenth each; one dies, one stands still for a while. Every slice is done, each by one agent, and
/// only the one that the dead one had is begun twice.
#[tokio::test]
async fn ten_agents_share_the_addresses_though_one_is_killed_and_one_is_slow() -> Result<()> {
    if let Some(ran) = in_own_network("ten_agents_share_the_addresses_though_one_is_killed_and_one_is_slow") {
        return ran;
    }
    dark_network("198.18.0.0/22", "198.18.0.9")?;
    let listener = std::net::TcpListener::bind("198.18.0.9:0")?;
    let port = listener.local_addr()?.port();
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let mut agents = (0..10).map(|n| OwnAgent::start(&server, &format!("pool{n}"))).collect::<Result<Vec<_>>>()?;
    until("ten agents are there", LIMIT, || async {
        let list = client.get("/api/v1/agents?limit=50").await?;
        let there = count(list["items"].as_array().context("agents")?, |it| it["verified"] == true && it["last_contact"].is_string());
        Ok((there == 10).then_some(()))
    })
    .await?;
    let task = json!({
        "name": "who answers", "targets": {"ip_ranges": ["198.18.0.0/22"]}, "actors": {"pool": {"module": "check_addresses"}},
        "steps": [{"id": "check", "timeout": "10s", "action": {"type": "check_addresses", "ports": [port], "timeout": "2s"}}],
    });
    let task = client.post("/api/v1/tasks", &task).await?["id"].as_str().context("an id")?.to_owned();
    let run = client.post(&format!("/api/v1/tasks/{task}/runs"), &json!({"confirm_count": ADDRESSES})).await?;
    ensure!(run["addresses"] == ADDRESSES, "{run:#}");
    let run = run["id"].as_str().context("an id")?.to_owned();
    let when = |what: &'static str, state: &'static str, least: usize| {
        let (client, run) = (&client, &run);
        until(what, LIMIT, move || async move {
            let all = client.assignments(run).await?;
            Ok((count(&all, |it| it["state"] == state) >= least).then_some(()))
        })
    };
    when("all ten are at work", "running", 10).await?;
    agents[0].kill()?;
    agents[1].signal("STOP")?;
    when("the others go on", "ok", 12).await?;
    agents[1].signal("CONT")?;
    let done = client.finished(&run, LIMIT).await?;
    ensure!(done["verdict"] == "ok", "{done:#}");

    let all = client.assignments(&run).await?;
    ensure!(count(&all, |it| it["state"] == "ok" && it["device"].is_null()) == all.len(), "{all:#?}");
    ensure!(count(&all, |it| it["attempt"] == 1) == all.len() - 1 && count(&all, |it| it["attempt"] == 2) == 1, "{all:#?}");
    let mut slices: Vec<&str> = all.iter().filter_map(|it| it["slice"].as_str()).collect();
    slices.sort_unstable();
    slices.dedup();
    ensure!(slices.len() == all.len(), "each slice once: {slices:?}");
    let answered: Vec<&Value> = all.iter().filter(|it| it["exit_code"].is_null()).collect();
    let mut found = Vec::new();
    for it in answered {
        let detail = client.get(&format!("/api/v1/assignments/{}", it["id"].as_str().context("an id")?)).await?;
        found.extend(detail["output"].as_str().map(str::to_owned));
    }
    ensure!(found == [format!("198.18.0.9: {port}\n")], "what listens is found, and nothing else: {found:?}");

    let pool = client.get(&format!("/api/v1/runs/{run}/pool")).await?;
    let shares = pool["shares"].as_array().context("shares")?;
    let done: BTreeMap<&str, i64> =
        shares.iter().filter_map(|it| Some((it["agent"].as_str()?, it["done"]["addresses"].as_i64()?))).collect();
    ensure!(done.values().sum::<i64>() == ADDRESSES, "{pool:#}");
    let largest = 52;
    // The dead one has none, the slow one one slice less or two; the others have equal shares, up to a slice.
    let full = done.values().filter(|own| (**own - ADDRESSES / 9).abs() <= largest).count();
    ensure!(full >= 8, "{pool:#}");
    Ok(())
}
