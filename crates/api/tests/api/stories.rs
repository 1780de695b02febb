//! The stories of the engine, told over the API with a hand-moved clock.

use crate::world::World;
use muster_core::inventory::{Canonical, Completeness, Inventory};
use muster_core::time::{HandClock, Timestamp};
use muster_engine::intake::{self, Arrival};
use muster_engine::{Engine, SeededRandom, schedules};
use serde_json::{Value, json};
use std::sync::Arc;

/// The nightly task of the first story; `inventory` stands for the shutdown that comes with power control.
fn nightly() -> Value {
    json!({"name": "shutdown all machines", "targets": {"all": true}, "schedule": {"cron": "0 0 * * *", "zone": "server"},
        "window": {"not_after": "06:00"}, "steps": [{"id": "off", "action": {"type": "inventory"}}]})
}

async fn runs(world: &World) -> Vec<Value> {
    world.get("/api/v1/runs?sort=created").await.expect(200)["items"].as_array().expect("runs").clone()
}

async fn occurrences(world: &World, task: &str) -> Vec<(String, String)> {
    let list = world.get(&format!("/api/v1/tasks/{task}/occurrences?sort=at")).await.expect(200);
    let word = |o: &Value, key: &str| o[key].as_str().unwrap_or_default().to_owned();
    list["items"].as_array().expect("occurrences").iter().map(|o| (word(o, "state"), word(o, "detail"))).collect()
}

#[tokio::test]
async fn a_machine_that_comes_at_seven_gets_nothing_of_the_night_and_the_run_can_prove_it() {
    let world = World::new();
    world.at("2026-11-20T20:00:00Z");
    world.machines(&["early", "late"]);
    world.written(nightly()).await;
    world.at("2026-11-20T23:59:59Z");
    assert_eq!((runs(&world).await.len(), world.asks("early")), (0, 0));
    world.at("2026-11-21T00:00:00Z");
    assert_eq!(world.asks("early"), 1);
    world.report("early", "Debian GNU/Linux 12", &["bash"]);
    world.at("2026-11-21T06:00:00Z");
    world.at("2026-11-21T07:00:00Z");
    assert_eq!(world.asks("late"), 0, "it came an hour after the end");
    let run = runs(&world).await.remove(0);
    let path = format!("/api/v1/runs/{}", run["id"].as_str().expect("an id"));
    let run = world.get(&path).await.expect(200);
    assert_eq!((&run["state"], &run["counts"]["ok"], &run["counts"]["expired"]), (&json!("finished"), &json!(1), &json!(1)));
    assert_eq!((&run["not_after"], &run["handed_out_late"]), (&json!("2026-11-21T06:00:00.000Z"), &json!(0)));
    let late = world.get(&format!("{path}/assignments?state=expired")).await.expect(200)["items"][0].clone();
    assert_eq!((&late["device"]["name"], &late["attempt"]), (&json!("late"), &json!(0)));
}

#[tokio::test]
async fn a_night_in_which_the_server_was_down_is_missed_and_nothing_starts_at_breakfast() {
    let world = World::new();
    world.at("2026-11-20T20:00:00Z");
    world.machines(&["early"]);
    let task = world.written(nightly()).await;
    // From 23:00 on no worker runs; the server is back at 07:30.
    world.at("2026-11-20T22:59:59Z");
    world.at("2026-11-21T07:30:00Z");
    assert_eq!((runs(&world).await.len(), world.asks("early")), (0, 0));
    assert_eq!(occurrences(&world, &task).await, [("missed".to_owned(), "server_down".to_owned())]);
    world.at("2026-11-22T00:00:00Z");
    assert_eq!(runs(&world).await.len(), 1, "the next night goes on");
}

async fn lost_answer(step: Value) -> (World, String) {
    let world = World::new();
    world.at("2026-11-20T20:00:00Z");
    world.machines(&["alpha"]);
    let task =
        world.written(json!({"name": "scan", "targets": {"all": true}, "retry": {"attempts": 2, "backoff": "30s"}, "steps": [step]}));
    let run = world.run(&task.await).await;
    assert_eq!(world.asks("alpha"), 1, "the answer to this is lost on its way");
    world.at("2026-11-20T23:00:00Z");
    (world, format!("/api/v1/runs/{run}/assignments"))
}

#[tokio::test]
async fn after_a_lost_answer_idempotent_work_is_offered_again_as_the_next_attempt() {
    let (world, path) = lost_answer(json!({"id": "c", "action": {"type": "inventory"}})).await;
    let waits = world.get(&path).await.expect(200)["items"][0].clone();
    assert_eq!((&waits["state"], &waits["attempt"]), (&json!("prepared"), &json!(1)));
    world.at("2026-11-20T23:01:00Z");
    assert_eq!(world.asks("alpha"), 1);
    assert_eq!(world.get(&path).await.expect(200)["items"][0]["attempt"], 2);
    world.report("alpha", "Debian GNU/Linux 12", &["bash"]);
    let done = world.get(&path).await.expect(200)["items"][0].clone();
    assert_eq!((&done["state"], &done["attempt"]), (&json!("ok"), &json!(2)));
}

#[tokio::test]
async fn after_a_lost_answer_other_work_ends_unknown_and_a_late_result_settles_it() {
    let (world, path) = lost_answer(json!({"id": "c", "action": {"type": "inventory"}, "idempotent": false})).await;
    let lost = world.get(&path).await.expect(200)["items"][0].clone();
    assert_eq!((&lost["state"], &lost["attempt"]), (&json!("unknown"), &json!(1)));
    let why = world.get(&format!("/api/v1/assignments/{}/why", lost["id"].as_str().expect("an id"))).await.expect(200);
    assert_eq!((&why["reason"]["key"], &why["reason"]["ends"]["key"]), (&json!("done"), &json!("late_result")));
    assert_eq!(world.asks("alpha"), 0, "it is never handed out a second time");
    let record = world.engine.read_now(&world.cx(), {
        let id = lost["id"].as_str().expect("an id").parse().expect("an id");
        move |rx, cx| muster_engine::runs::assignment_view(rx, cx, id)
    });
    let record = record.expect("there").row.record;
    let actor = record.state.last_actor.expect("it was handed out");
    let report = muster_engine::work::Report {
        assignment: record.id,
        attempt: 1,
        incarnation: actor.incarnation,
        what: muster_engine::work::Said::Ended(muster_core::tasks::Outcome::Ok),
        exit_code: None,
        output: None,
        message: None,
        occasion: None,
        at: None,
    };
    let late = world.engine.write_now("report", &world.cx(), move |tx, cx| {
        let agent = tx.agent(actor.agent)?.expect("known");
        let settings = tx.org(agent.org)?.expect("there").settings;
        muster_engine::work::report(tx, cx, &agent, &settings, std::slice::from_ref(&report))
    });
    assert_eq!(late.expect("taken"), [Ok(())]);
    assert_eq!(world.get(&path).await.expect(200)["items"][0]["state"], "ok");
    let run = world.get(path.trim_end_matches("/assignments")).await.expect(200);
    assert_eq!((&run["state"], &run["verdict"]), (&json!("finished"), &json!("ok")));
}

#[tokio::test]
async fn two_servers_with_one_schedule_make_one_run_though_the_clock_of_one_is_ahead() {
    let world = World::new();
    world.at("2026-11-20T20:00:00Z");
    world.machines(&["alpha"]);
    let task = world.written(nightly()).await;
    let ahead = Arc::new(HandClock::at(Timestamp::parse("2026-11-21T00:00:02Z").expect("an instant")));
    let other = Engine::new(world.engine.store().clone(), ahead, Arc::new(SeededRandom::new(8)));
    let cx = other.cx(muster_core::access::Caller::SYSTEM, "test", world.org, "test");
    other.write_now("look", &cx, schedules::look).expect("looked");
    for instant in ["2026-11-20T23:59:59Z", "2026-11-21T00:00:00Z", "2026-11-21T00:00:03Z"] {
        world.at(instant);
        other.write_now("look", &cx, schedules::look).expect("looked");
    }
    assert_eq!(runs(&world).await.len(), 1);
    assert_eq!(occurrences(&world, &task).await, [("started".to_owned(), String::new())]);
}

#[tokio::test]
async fn a_clock_that_jumps_an_hour_does_nothing_twice_and_loses_nothing() {
    let world = World::new();
    world.at("2026-11-20T20:00:00Z");
    world.machines(&["alpha"]);
    let hourly = json!({"name": "hourly", "targets": {"all": true}, "schedule": {"cron": "0 * * * *", "zone": "server", "misfire": "run_once"},
        "steps": [{"id": "c", "action": {"type": "inventory"}}]});
    let task = world.written(hourly).await;
    let done = async |world: &World| {
        world.report("alpha", "Debian GNU/Linux 12", &["bash"]);
        runs(world).await.len()
    };
    world.at("2026-11-20T21:00:00Z");
    assert_eq!(done(&world).await, 1);
    // Back by an hour, and forth over what was done already.
    for instant in ["2026-11-20T20:10:00Z", "2026-11-20T21:00:00Z", "2026-11-20T21:30:00Z"] {
        world.at(instant);
        assert_eq!(done(&world).await, 1, "at {instant}");
    }
    // Ahead by more than an hour: what was passed over is made up for once.
    world.at("2026-11-20T23:10:00Z");
    assert_eq!(done(&world).await, 2);
    let states = occurrences(&world, &task).await;
    assert_eq!(states.iter().filter(|(state, _)| state == "started").count(), 2, "{states:?}");
    assert_eq!(states.len(), 3, "the hour that was passed over is on record: {states:?}");
    assert!(runs(&world).await.iter().all(|run| run["state"] == "finished"));
}

#[tokio::test]
async fn what_matches_nothing_starts_nothing_and_five_thousand_must_be_said() {
    let world = World::new();
    let store = world.engine.clone();
    let cx = world.cx();
    for piece in 0..50 {
        store
            .write_now("intake", &cx, move |tx, cx| {
                (0..100).try_for_each(|n| intake::inventory(tx, cx, &machine(piece * 100 + n)).map(|_| ()))
            })
            .expect("stored");
    }
    let task = |name: &str, query: &str| json!({"name": name, "targets": {"query": query}, "steps": [{"id": "c", "action": {"type": "inventory"}}]});
    let nothing = world.written(task("nothing", "name == 'nobody'")).await;
    world.post(&format!("/api/v1/tasks/{nothing}/runs"), json!({})).await.refused(409, "run/empty");
    world.post("/api/v1/queue/cancel", json!({"filter": {"q": "nobody"}})).await.expect(200);
    let all = world.written(task("all", "protocol == 'ocs'")).await;
    let start = async |body: Value| world.post(&format!("/api/v1/tasks/{all}/runs"), body).await;
    assert_eq!(start(json!({})).await.refused(409, "run/size-guard")["count"], 5_000);
    start(json!({"confirm_count": 4_999})).await.refused(409, "run/size-guard");
    assert_eq!(runs(&world).await.len(), 0);
    assert_eq!(start(json!({"confirm_count": 5_000})).await.expect(201)["targeted"], 5_000);
}

fn machine(n: u32) -> Arrival {
    let row = json!({"name": format!("pc-{n}"), "uuid": format!("00000000-0000-4000-8000-{n:012}")});
    let mut inventory = Inventory::empty(Completeness::Full);
    inventory.sections.insert("hardware".to_owned(), vec![serde_json::from_value(row).expect("a row")]);
    Arrival {
        unchanged: Default::default(),
        protocol: muster_core::fleet::Protocol::Ocs,
        own: None,
        foreign_id: Some(format!("pc-{n}-2026-11-21-03-09-07")),
        old_foreign_id: None,
        glpi_id: None,
        version: None,
        source: None,
        told: Arc::new(Canonical::new(inventory)),
    }
}
