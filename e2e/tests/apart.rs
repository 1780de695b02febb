//! Muster's own agent and its server apart: links are cut, held and healed, and both are killed, while there is work. What was really
//! executed leaves marks on the disk, and they are counted.

use anyhow::{Context as _, Result, ensure};
use muster_e2e::{Client, Database, Link, LinkState, OwnAgent, Server, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(90);

/// A machine behind a link, whose inventory is known.
async fn behind_link(server: &Server, client: &Client, name: &str) -> Result<(Link, OwnAgent)> {
    let link = Link::to(server.port()).await?;
    let mut agent = OwnAgent::prepare(server, name)?;
    agent.go_by(&link.url())?;
    until("the machine is known", LIMIT, || async {
        let list = client.get("/api/v1/devices").await?;
        Ok(list["items"][0]["last_inventory"].is_string().then_some(()))
    })
    .await?;
    Ok((link, agent))
}

async fn task(client: &Client, name: &str, steps: &Value) -> Result<String> {
    let task = json!({"name": name, "targets": {"all": true}, "steps": steps});
    Ok(client.post("/api/v1/tasks", &task).await?["id"].as_str().context("an id")?.to_owned())
}

fn script(id: &str, text: &str) -> Value {
    json!({"id": id, "action": {"type": "run_script", "script": text}, "timeout": "20s"})
}

#[tokio::test]
async fn a_job_goes_on_without_a_connection_and_its_steps_are_told_later() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let (link, agent) = behind_link(&server, &client, "cutoff").await?;
    let (marks, gate) = (agent.path("marks").display().to_string(), agent.path("gate").display().to_string());
    let mut first =
        script("first", &format!("echo first >> '{marks}'; while [ ! -e '{gate}' ]; do sleep 0.05; done; echo version 12; exit 3"));
    first["outputs"] = json!({"version": "regex(version ([0-9]+))"});
    let mut never = script("never", &format!("echo never >> '{marks}'"));
    never["when"] = json!("steps.first.exit_code == 0");
    let mut second = script("second", &format!("echo \"second $1\" >> '{marks}'"));
    second["action"]["arguments"] = json!(["{{steps.first.version}} of {{task.name}}"]);
    second["when"] = json!("steps.first.exit_code == 3 && device.os_family == 'linux'");
    let mut third =
        script("third", &format!("[ -e '{gate}.2' ] || {{ touch '{gate}.2'; echo third >> '{marks}'; exit 1; }}; echo third >> '{marks}'"));
    third["idempotent"] = json!(true);
    third["retry"] = json!({"attempts": 2, "backoff": "1s", "on": ["error"]});
    let job = task(&client, "alone", &json!([first, never, second, third])).await?;
    let run = client.start(&job).await?;
    until("its first step runs", LIMIT, || async { Ok((agent.lines("marks") == ["first"]).then_some(())) }).await?;
    link.is(LinkState::Cut);
    std::fs::write(&gate, "")?;
    let path = ["first", "second 12 of alone", "third", "third"];
    until("the job is done without a connection", LIMIT, || async { Ok((agent.lines("marks") == path).then_some(())) })
        .await
        .with_context(|| agent.log())?;
    assert_eq!(client.get(&format!("/api/v1/runs/{run}")).await?["state"], "running", "and the server does not know");
    link.is(LinkState::Open);
    let done = client.finished(&run, LIMIT).await.with_context(|| agent.log())?;
    assert_eq!((&done["verdict"], &done["counts"]["ok"], &done["handed_out_late"]), (&json!("ok"), &json!(1), &json!(0)), "{done:#}");
    let all = client.assignments(&run).await?;
    let told: BTreeMap<&str, (&str, u64)> =
        all.iter().filter_map(|a| Some((a["step"].as_str()?, (a["state"].as_str()?, a["attempt"].as_u64()?)))).collect();
    let wanted = [("first", ("error", 1)), ("never", ("skipped", 0)), ("second", ("ok", 1)), ("third", ("ok", 2))];
    assert_eq!(told, wanted.into(), "{all:#?}");
    assert_eq!(agent.lines("marks"), path, "nothing was done again");
    Ok(())
}

/// A small generator; the seed is printed, so that a failure can be looked at again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// How often something breaks.
const BREAKS: usize = 16;

#[tokio::test]
async fn whatever_is_killed_or_cut_every_step_begins_once_at_most_and_every_run_ends() -> Result<()> {
    let mut server = Server::start(Database::Sqlite)?;
    let mut client = server.client("operator")?;
    let (link, mut agent) = behind_link(&server, &client, "broken").await?;
    let mark = format!("echo $MUSTER_ASSIGNMENT >> '{}'; sleep 0.02", agent.path("marks").display());
    let once = task(&client, "once", &json!([script("step", &mark)])).await?;
    let job = task(&client, "job", &json!([script("one", &mark), script("two", &mark), script("three", &mark)])).await?;
    let seed = std::env::var("MUSTER_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(u64::from(std::process::id()));
    println!("MUSTER_TEST_SEED={seed}");
    let (mut dice, mut runs, mut seen) = (Dice(seed), Vec::new(), 0);
    for _ in 0..BREAKS {
        runs.extend([client.start(&once).await?, client.start(&job).await?]);
        let wanted = seen + 1 + usize::try_from(dice.below(3))?;
        until("steps begin", LIMIT, || async { Ok((agent.lines("marks").len() >= wanted).then_some(())) })
            .await
            .with_context(|| agent.log())?;
        match dice.below(4) {
            0 => {
                agent.kill()?;
                agent.go_by(&link.url())?;
            }
            1 => {
                server.kill()?;
                server = server.restart()?;
                link.leads_to(server.port());
                client = client.at(&server.url);
            }
            2 => {
                link.is(LinkState::Cut);
                agent.kill()?;
                agent.go_by(&link.url())?;
                link.is(LinkState::Open);
            }
            _ => {
                link.is(LinkState::Held);
                runs.push(client.start(&job).await?);
                link.is(LinkState::Cut);
                link.is(LinkState::Open);
            }
        }
        seen = agent.lines("marks").len();
    }
    let (mut known, mut states) = (BTreeMap::new(), BTreeMap::<String, usize>::new());
    for run in &runs {
        let done = client.finished(run, LIMIT).await.with_context(|| agent.log())?;
        let verdict = done["verdict"].as_str().context("a verdict")?.to_owned();
        *states.entry(verdict).or_default() += 1;
        for assignment in client.assignments(run).await? {
            let (id, state) = (assignment["id"].as_str().context("an id")?, assignment["state"].as_str().context("a state")?);
            known.insert(id.to_owned(), state.to_owned());
        }
    }
    let mut begun = BTreeMap::<String, usize>::new();
    for line in agent.lines("marks") {
        *begun.entry(line).or_default() += 1;
    }
    for (id, count) in &begun {
        ensure!(*count == 1, "{id} was begun {count} times (seed {seed})\n{}", agent.log());
        ensure!(known.contains_key(id), "{id} was begun, and the server knows nothing of it (seed {seed})");
    }
    for (id, state) in &known {
        ensure!(state != "ok" || begun.contains_key(id), "{id} is ok and was never begun (seed {seed})");
    }
    println!("{states:?}");
    ensure!(states.get("ok").is_some_and(|n| *n >= BREAKS / 2), "many came through: {states:?}");
    Ok(())
}
