//! Muster's own agent at work: what it is told to do it does once, stops when it must, and tells; through kills of either side.

use anyhow::{Context as _, Result};
use muster_e2e::{Client, Database, OwnAgent, Server, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// A task on every machine with one step; gives its id.
async fn task(client: &Client, name: &str, action: &Value, more: &Value) -> Result<String> {
    let mut step = json!({"id": "step", "action": action});
    let mut task = json!({"name": name, "targets": {"all": true}});
    for (key, value) in more.as_object().context("keys")? {
        let place = if ["timeout", "idempotent", "retry"].contains(&key.as_str()) { &mut step } else { &mut task };
        place[key] = value.clone();
    }
    task["steps"] = json!([step]);
    Ok(client.post("/api/v1/tasks", &task).await?["id"].as_str().context("an id")?.to_owned())
}

async fn run_of(client: &Client, name: &str, action: Value) -> Result<String> {
    client.start(&task(client, name, &action, &json!({})).await?).await
}

async fn finished(client: &Client, run: &str) -> Result<Value> {
    client.finished(run, LIMIT).await
}

async fn assignment(client: &Client, run: &str) -> Result<Value> {
    let all = client.assignments(run).await?;
    client.get(&format!("/api/v1/assignments/{}", all.first().context("an assignment")?["id"].as_str().context("an id")?)).await
}

async fn in_state(client: &Client, run: &str, state: &str) -> Result<Value> {
    until(&format!("its assignment is {state}"), LIMIT, || async {
        let all = client.assignments(run).await?;
        Ok(all.first().filter(|a| a["state"] == state).cloned())
    })
    .await
}

async fn devices(client: &Client, count: u64) -> Result<Value> {
    until("the machines are there", LIMIT, || async {
        let list = client.get("/api/v1/devices").await?;
        Ok((list["total"] == json!(count)).then_some(list["items"].clone()))
    })
    .await
}

#[tokio::test]
async fn a_script_runs_and_its_output_exit_code_and_progress_are_seen() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let agent = OwnAgent::start(&server, "scripts")?;
    devices(&client, 1).await?;
    let script = "echo \"$1 of $COLOUR in $(pwd)\"; exit 3";
    let action =
        json!({"type": "run_script", "script": script, "arguments": ["a b"], "environment": {"COLOUR": "red"}, "directory": "/usr"});
    let run = run_of(&client, "fails", action).await?;
    assert_eq!(finished(&client, &run).await?["verdict"], "error");
    let done = assignment(&client, &run).await?;
    assert_eq!(
        (&done["state"], &done["exit_code"], &done["output"]),
        (&json!("error"), &json!(3), &json!("a b of red in /usr\n")),
        "{done:#}"
    );
    assert_eq!((&done["attempt"], &done["actor"]["protocol"]), (&json!(1), &json!("muster")), "what failed is not done again: {done:#}");

    let good = json!({"type": "run_script", "script": "exit 3", "expect": [0, 3]});
    let run = run_of(&client, "as expected", good).await?;
    assert_eq!(finished(&client, &run).await?["verdict"], "ok");

    let gate = agent.path("gate");
    let watched = format!("echo first; while [ ! -e '{0}' ]; do sleep 0.1; done; echo last", gate.display());
    let run = run_of(&client, "watched", json!({"type": "run_script", "script": watched})).await?;
    until("the first line is seen while it runs", LIMIT, || async {
        let all = client.assignments(&run).await?;
        let Some(id) = all.first().and_then(|a| a["id"].as_str()) else { return Ok(None) };
        let now = client.get(&format!("/api/v1/assignments/{id}")).await?;
        Ok((now["state"] == "running" && now["output"] == "first\n").then_some(()))
    })
    .await?;
    std::fs::write(gate, "")?;
    finished(&client, &run).await?;
    assert_eq!(assignment(&client, &run).await?["output"], "first\nlast\n");
    Ok(())
}

#[tokio::test]
async fn a_person_stops_what_runs_and_the_brake_holds_what_did_not_begin() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let agent = OwnAgent::start(&server, "stops")?;
    devices(&client, 1).await?;
    let script = format!("sleep 600 & echo $! > '{}'; wait", agent.path("child").display());
    let run = run_of(&client, "long", json!({"type": "run_script", "script": script})).await?;
    in_state(&client, &run, "running").await?;
    until("it has a child", LIMIT, || async { Ok((!agent.lines("child").is_empty()).then_some(())) }).await?;
    client.post(&format!("/api/v1/runs/{run}/cancel"), &json!({})).await?;
    finished(&client, &run).await?;
    let done = assignment(&client, &run).await?;
    assert_eq!(done["state"], "error", "it had begun, and was ended: {done:#}");
    assert!(done["attempts"][0]["message"].as_str().is_some_and(|m| m.contains("stopped")), "{done:#}");
    let child = agent.lines("child").remove(0);
    until("its child is gone too", LIMIT, || async {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        Ok((stat.is_empty() || stat.contains(") Z ")).then_some(()))
    })
    .await?;

    let task = task(&client, "held", &json!({"type": "run_script", "script": "echo x"}), &json!({})).await?;
    let admin = server.client("admin")?;
    admin.post("/api/v1/brake", &json!({"note": "it burns"})).await?;
    let (status, answer) = client.call("POST", &format!("/api/v1/tasks/{task}/runs"), Some(&json!({}))).await?;
    assert_eq!(status, 409, "{answer}");
    let (status, answer) = admin.call("DELETE", "/api/v1/brake", None).await?;
    assert!(status < 300, "{answer}");
    assert_eq!(finished(&client, &client.start(&task).await?).await?["verdict"], "ok");
    Ok(())
}

/// 'Shutdown all machines', never after an hour, against a stand-in for the machine's own `shutdown`.
#[tokio::test]
async fn a_machine_is_shut_down_in_its_window_and_not_when_it_comes_too_late() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let mut agent = OwnAgent::prepare(&server, "night")?;
    agent.stand_in("shutdown", &format!("printf '[%s]' \"$@\" >> '{0}'; echo >> '{0}'", agent.path("down").display()))?;
    agent.go(&server)?;
    devices(&client, 1).await?;
    let action = json!({"type": "power_control", "do": "shutdown", "message": "good night"});
    let window = |seconds: u64| -> Result<Value> { Ok(json!({"window": {"not_after": in_seconds(seconds)?, "at_end": "stop"}})) };
    let evening = client.start(&task(&client, "evening", &action, &window(60)?).await?).await?;
    assert_eq!(finished(&client, &evening).await.with_context(|| agent.log())?["verdict"], "ok");
    assert_eq!(agent.lines("down"), ["[-h][now][good night]"], "{}", agent.log());

    // It is away until the end of the window.
    agent.kill()?;
    let night = client.start(&task(&client, "night", &action, &window(3)?).await?).await?;
    let over = finished(&client, &night).await.with_context(|| agent.log())?;
    agent.go(&server)?;
    let morning = run_of(&client, "morning", json!({"type": "ip_configuration"})).await?;
    assert_eq!(finished(&client, &morning).await.with_context(|| agent.log())?["verdict"], "ok");
    assert_eq!(assignment(&client, &night).await?["state"], "expired");
    assert_eq!(over["handed_out_late"], json!(0), "it says that nothing was handed out after its end: {over:#}");
    assert_eq!(agent.lines("down").len(), 1);
    Ok(())
}

/// An instant that is so far away.
fn in_seconds(seconds: u64) -> Result<String> {
    let output = std::process::Command::new("date").args(["-u", "-d", &format!("{seconds} seconds"), "+%Y-%m-%dT%H:%M:%SZ"]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// How often the agent is killed.
const KILLS: usize = 20;

#[tokio::test]
async fn through_kills_at_any_point_nothing_is_begun_twice_and_every_verdict_arrives() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let mut agent = OwnAgent::start(&server, "kills")?;
    devices(&client, 1).await?;
    let marks = agent.path("marks");
    let mark = format!("echo $MUSTER_ASSIGNMENT >> '{}'; sleep 0.02", marks.display());
    let once = task(&client, "once", &json!({"type": "run_script", "script": mark}), &json!({"timeout": "10s"})).await?;
    let more = json!({"timeout": "10s", "idempotent": true, "retry": {"attempts": 20, "backoff": "1s", "on": ["error", "unknown"]}});
    let again = task(&client, "again", &json!({"type": "run_script", "script": mark}), &more).await?;
    let (mut runs, mut seen) = (BTreeMap::new(), 0);
    for kill in 0..KILLS {
        for _ in 0..4 {
            runs.insert(client.start(&once).await?, "once");
        }
        runs.insert(client.start(&again).await?, "again");
        // The point is a number of beginnings, not a time: another one each round.
        let wanted = seen + 1 + kill % 4;
        until("scripts begin", LIMIT, || async { Ok((agent.lines("marks").len() >= wanted).then_some(())) }).await?;
        agent.kill()?;
        seen = agent.lines("marks").len();
        agent.go(&server)?;
    }
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for (run, kind) in &runs {
        finished(&client, run).await.with_context(|| agent.log())?;
        let done = assignment(&client, run).await?;
        let (id, state) = (done["id"].as_str().context("an id")?, done["state"].as_str().context("a state")?);
        let begun = agent.lines("marks").iter().filter(|line| *line == id).count();
        *states.entry(format!("{kind} {state}")).or_default() += 1;
        match (*kind, state) {
            ("once", "ok") => assert_eq!(begun, 1, "{done:#}"),
            ("once", _) => assert!(begun <= 1, "it was begun {begun} times: {done:#}"),
            (_, "ok") => assert!(begun >= 1, "{done:#}"),
            (_, other) => panic!("what may be done again ends well, not {other}: {done:#}"),
        }
        let finals = done["attempts"].as_array().context("attempts")?.iter().filter(|a| a["ended_at"].is_string()).count();
        assert_eq!(Some(finals), done["attempts"].as_array().map(Vec::len), "every attempt has one verdict: {done:#}");
    }
    println!("{states:?}");
    assert!(states.get("once ok").is_some_and(|n| *n >= KILLS), "most came through: {states:?}");
    Ok(())
}

/// A job on the machine: what fails is helped and tried again, and what was told is a parameter of the next step; a server job beside it
/// goes on once the machine is done.
#[tokio::test]
async fn a_job_fails_helps_itself_and_tries_again() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let agent = OwnAgent::start(&server, "jobs")?;
    until("what the condition asks of the machine is known", LIMIT, || async {
        let list = client.get("/api/v1/devices").await?;
        Ok(list["items"][0]["last_inventory"].is_string().then_some(()))
    })
    .await?;
    let marks = agent.path("marks").display().to_string();
    let script = |id: &str, text: &str| json!({"id": id, "action": {"type": "run_script", "script": text.replace("MARKS", &marks)}});
    let mut install = script("install", "echo install >> 'MARKS'; grep -q fix 'MARKS' && echo version 12");
    install["on_error"] = json!({"run": "fix", "then": "retry", "max": 2});
    install["outputs"] = json!({"version": "regex(version ([0-9]+))"});
    let mut check = script("check", "echo \"check $1\" >> 'MARKS'");
    check["action"]["arguments"] = json!(["{{steps.install.version}}"]);
    check["when"] = json!("steps.install.outputs.version >= 10 && device.os.family == 'linux'");
    let never = json!({"id": "never", "action": {"type": "inventory"}, "when": "steps.install.outputs.version < 10"});
    let steps = json!([install, script("fix", "echo fix >> 'MARKS'"), check, never]);
    let job = client.post("/api/v1/tasks", &json!({"name": "job", "targets": {"all": true}, "steps": steps})).await?;
    let run = client.start(job["id"].as_str().context("an id")?).await?;
    let done = finished(&client, &run).await?;
    assert_eq!((&done["verdict"], &done["counts"]["ok"]), (&json!("ok"), &json!(1)), "{done:#}");
    assert_eq!(agent.lines("marks"), ["install", "fix", "install", "check 12"]);
    let targets = client.get(&format!("/api/v1/runs/{run}/targets")).await?;
    assert_eq!(targets["items"][0]["steps"]["never"]["state"], "skipped", "{targets:#}");

    let tell = json!({"id": "tell", "action": {"type": "raise_message", "title": "{{steps.one.state}}"}});
    let steps = json!([script("one", "echo one >> 'MARKS'"), tell, script("two", "echo two >> 'MARKS'")]);
    let job = json!({"name": "led", "mode": "server_job", "targets": {"all": true}, "steps": steps});
    let run = client.start(client.post("/api/v1/tasks", &job).await?["id"].as_str().context("an id")?).await?;
    assert_eq!(finished(&client, &run).await?["verdict"], "ok");
    assert_eq!(agent.lines("marks")[4..], ["one", "two"]);
    assert_eq!(client.get("/api/v1/messages").await?["items"][0]["title"], "ok");
    Ok(())
}
