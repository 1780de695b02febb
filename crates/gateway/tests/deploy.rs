//! Deploy jobs over REST, as FusionInventory and GLPI agents ask for them.

mod world;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt as _;
use muster_core::ids::{DeviceId, RunId};
use muster_core::tasks::State;
use muster_engine::{runs, workers};
use muster_wire::body::{Coding, encode_body};
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt as _;
use world::{FUSION, World, prolog};

const ID: &str = "lab-2026-11-21-03-09-07";

async fn known(world: &World) -> DeviceId {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><REQUEST><CONTENT><HARDWARE><NAME>lab</NAME></HARDWARE>\
         <VERSIONCLIENT>{FUSION}</VERSIONCLIENT></CONTENT><DEVICEID>{ID}</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>"
    );
    world.post("/", FUSION, encode_body(body.as_bytes(), Coding::Zlib)).await;
    world.device().await.id
}

async fn start(world: &World, steps: Value) -> RunId {
    let name = format!("deploy {}", world.cx().id::<uuid::Uuid>());
    world.start(json!({"name": name, "retry": {"attempts": 1}, "steps": steps})).await
}

/// Asks as the agent does, with its parameters in any order.
async fn ask(world: &World, pairs: &[(&str, &str)]) -> Value {
    let encoded = |text: &str| {
        text.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect::<String>()
    };
    let query: Vec<String> = pairs.iter().map(|(k, v)| format!("{}={}", encoded(k), encoded(v))).collect();
    let uri = format!("/plugins/fusioninventory/?{}", query.join("&"));
    world
        .send(Request::get(uri).header("Host", "muster.example:8350").header("User-Agent", FUSION).body(Body::empty()).expect("a request"))
        .await
        .json()
}

async fn schedule(world: &World) -> usize {
    let plan = ask(world, &[("machineid", ID), ("task[Deploy]", "2.8"), ("action", "getConfig")]).await;
    let entries = plan["schedule"].as_array().expect("a list").clone();
    for entry in &entries {
        assert_eq!(entry, &json!({"task": "Deploy", "remote": "http://muster.example:8350/plugins/fusioninventory/"}));
    }
    entries.len()
}

async fn job(world: &World) -> Option<Value> {
    let answer = ask(world, &[("action", "getJobs"), ("machineid", ID), ("version", "2.8")]).await;
    answer["jobs"].as_array().and_then(|jobs| jobs.first().cloned())
}

/// What an agent tells of a whole job.
async fn tell(world: &World, job: &Value, lines: &[&str], end: &[(&str, &str)]) {
    let uuid = job["uuid"].as_str().expect("a name");
    let say = async |more: &[(&str, &str)]| {
        let all = [&[("action", "setStatus"), ("machineid", ID), ("part", "job"), ("uuid", uuid)], more].concat();
        assert_eq!(ask(world, &all).await, json!({}));
    };
    say(&[("currentStep", "checking"), ("msg", "starting")]).await;
    say(&[("currentStep", "checking"), ("status", "ok"), ("msg", "all checks are ok")]).await;
    for line in lines {
        say(&[("currentStep", "processing"), ("msg", &format!("muster: {line}"))]).await;
    }
    say(end).await;
}

const RULE: &str = "================================";
const FOOT: &str = "--------------------------------";
const DONE: &[(&str, &str)] = &[("status", "ok"), ("msg", "job successfully completed")];

fn script(id: &str, text: &str) -> Value {
    json!({"id": id, "action": {"type": "run_script", "script": text}})
}

#[tokio::test(start_paused = true)]
async fn a_script_reaches_a_verified_agent_once_and_its_output_comes_back() {
    let world = World::new().await;
    let device = known(&world).await;
    let run = start(&world, json!([script("s", "echo hello; exit 0")])).await;
    assert_eq!((schedule(&world).await, job(&world).await), (0, None), "a stranger may report, not obey");
    world.verify(device, true).await;
    assert_eq!(schedule(&world).await, 1);
    let it = job(&world).await.expect("a job");
    assert!(it["actions"][0]["cmd"]["exec"].as_str().is_some_and(|e| e.contains("echo hello")), "{it:#}");
    assert_eq!(job(&world).await, None, "it is handed out once");
    tell(&world, &it, &[RULE, "Started cmd: x", RULE, "hello", FOOT, "exit status: `0'", "exit status is ok: 0"], DONE).await;
    let row = &world.assignments(run).await[0];
    assert_eq!((row.record.state.status.state(), row.record.exit_code), (State::Ok, Some(0)));
    let id = row.record.id;
    let detail = world.engine.read(&world.cx(), move |rx, cx| runs::assignment_view(rx, cx, id)).await.expect("shown");
    assert_eq!(detail.attempts[0].0.output.as_deref(), Some("hello\n"));
    assert!(detail.attempts[0].0.begun.is_some(), "it said when it began");
}

#[tokio::test(start_paused = true)]
async fn the_steps_of_a_job_go_in_one_contact_and_a_failure_tells_its_code() {
    let world = World::new().await;
    let device = known(&world).await;
    world.verify(device, true).await;
    let fails = json!({"id": "b", "action": {"type": "run_script", "script": "exit 3"}, "when": "steps.a.exit_code == 0"});
    let run = start(&world, json!([script("a", "true"), fails, script("c", "true")])).await;
    assert_eq!(schedule(&world).await, 16, "as many as steps may follow");
    let first = job(&world).await.expect("the first step");
    assert_eq!(job(&world).await, None, "the next waits for its end");
    tell(&world, &first, &[RULE, "x", RULE, FOOT, "exit status: `0'"], DONE).await;
    let second = job(&world).await.expect("the second step");
    let ko = [("status", "ko"), ("currentStep", "processing"), ("msg", "muster, processing failure")];
    tell(&world, &second, &[RULE, "x", RULE, FOOT, "exit status: `3'"], &ko).await;
    assert_eq!(job(&world).await, None, "a failed step ends the walk");
    let ended = world.engine.read(&world.cx(), move |rx, cx| runs::run_view(rx, cx, run)).await.expect("shown").run;
    assert_eq!(ended.counts.of(State::Error), 1);
    let states: Vec<_> = world.assignments(run).await.iter().map(|row| (row.record.state.status.state(), row.record.exit_code)).collect();
    assert!(states.contains(&(State::Error, Some(3))), "{states:?}");
}

#[tokio::test(start_paused = true)]
async fn who_only_knows_the_id_of_an_agent_gets_nothing_and_says_nothing() {
    let world = World::new().await;
    let device = known(&world).await;
    world.verify(device, true).await;
    world.post("/", FUSION, prolog(ID)).await;
    let run = start(&world, json!([script("s", "secret")])).await;
    let elsewhere = async |query: &str| {
        let mut request =
            Request::get(format!("/?{query}")).header("Host", "h").header("User-Agent", FUSION).body(Body::empty()).expect("a request");
        request.extensions_mut().insert(ConnectInfo(std::net::SocketAddr::from(([10, 0, 0, 66], 40_000))));
        let response = world.router.clone().oneshot(request).await.expect("answered");
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        String::from_utf8(body.to_vec()).expect("text")
    };
    let config = elsewhere(&format!("action=getConfig&machineid={ID}&task%5BDeploy%5D=2.8")).await;
    assert!(config.contains("\"schedule\":[]"), "{config}");
    assert_eq!(elsewhere(&format!("action=getJobs&machineid={ID}")).await, "{}");
    let it = job(&world).await.expect("the agent itself gets it");
    let uuid = it["uuid"].as_str().expect("a name");
    let forged = format!("action=setStatus&machineid={ID}&part=job&uuid={uuid}&status=ok&msg=job%20successfully%20completed");
    assert_eq!(elsewhere(&forged).await, "{}");
    assert_eq!(world.states(run).await[0].1, State::Started);
    for odd in ["", "nonsense", "01939b0e-0000-7000-8000-000000000000-1", &format!("{uuid}0")] {
        assert_eq!(
            ask(&world, &[("action", "setStatus"), ("machineid", ID), ("uuid", odd), ("part", "job"), ("status", "ok")]).await,
            json!({})
        );
    }
    assert_eq!(world.states(run).await[0].1, State::Started);
    // Silence ends it in 'unknown', never in a second hand-out.
    world.clock.advance(Duration::from_secs(3_600));
    while world.engine.write("lapse", &world.cx(), workers::lapse).await.expect("looked").more {}
    assert_eq!((world.states(run).await[0].1, job(&world).await), (State::Unknown, None));
}

#[tokio::test(start_paused = true)]
async fn a_glpi_agent_is_told_to_ask_only_when_jobs_wait() {
    let world = World::new().await;
    let contact = |tasks: Value| json!({"action": "contact", "deviceid": ID, "installed-tasks": tasks, "enabled-tasks": tasks}).to_string();
    let native = [("GLPI-Agent-ID", world::GLPI_ID), ("Content-Type", "application/json")];
    let inventory = json!({"action": "inventory", "deviceid": ID, "itemtype": "Computer",
        "content": {"hardware": {"name": "lab"}, "versionclient": world::GLPI}});
    world.post_with("/", world::GLPI, &native, inventory.to_string()).await;
    let device = world.device().await.id;
    world.verify(device, true).await;
    let off = async |tasks: Value| -> bool {
        let answer = world.post_with("/", world::GLPI, &native, contact(tasks)).await.json();
        answer["disabled"].as_array().expect("a list").iter().any(|t| t == "deploy")
    };
    assert!(off(json!(["inventory", "deploy"])).await, "nothing waits");
    start(&world, json!([script("s", "true")])).await;
    assert!(!off(json!(["inventory", "deploy"])).await, "a job waits");
    assert_eq!(schedule(&world).await, 1);
    assert!(off(json!(["inventory"])).await, "an agent without the task is not asked for it");
}
