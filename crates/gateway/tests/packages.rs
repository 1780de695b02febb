//! Packages of OCS agents: named in the answer to a PROLOG, fetched by number and token, told of when they ended.

mod world;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use muster_core::ids::{DeviceId, RunId};
use muster_core::tasks::State;
use muster_engine::{runs, workers};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use world::{Answer, OCS, World, ocs_inventory, prolog, zlib};

const ID: &str = "till-2026-11-21-03-09-07";
const TLS: &[(&str, &str)] = &[("X-Forwarded-Proto", "https")];
/// The host that agents of the tests come to.
const HOST: &str = "127.0.0.1:18080";
static TASKS: AtomicU64 = AtomicU64::new(1);

async fn known(world: &World) -> DeviceId {
    world.post("/ocsinventory", OCS, ocs_inventory(ID, None)).await;
    world.device().await.id
}

async fn start(world: &World, action: Value) -> RunId {
    let name = format!("task {}", TASKS.fetch_add(1, Ordering::Relaxed));
    world.start(json!({"name": name, "retry": {"attempts": 2}, "steps": [{"id": "s", "action": action}]})).await
}

/// The packages that a PROLOG names: number and where they are.
async fn told(world: &World, headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let (_, answer) = world.post_with("/ocsinventory", OCS, headers, prolog(ID)).await.unpacked();
    let value = |text: &str, name: &str| {
        text.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
    };
    let packages: Vec<_> = answer.split("<PARAM TYPE=\"PACK\"").skip(1).map(|it| (value(it, " ID"), value(it, "INFO_LOC"))).collect();
    assert_eq!(answer.contains("ON=\"1\""), !packages.is_empty(), "{answer}");
    packages
}

async fn get(world: &World, path: &str) -> Answer {
    world.send(Request::get(path).body(Body::empty()).expect("a request")).await
}

fn path(at: &str) -> &str {
    at.strip_prefix(HOST).expect("by the host that the agent came to")
}

async fn tell(world: &World, number: &str, code: &str) {
    let body = zlib(&format!("<REQUEST DEVICEID=\"{ID}\" ERR=\"{code}\" ID=\"{number}\" QUERY=\"DOWNLOAD\" />"));
    let answer = world.post("/ocsinventory", OCS, body).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
}

async fn state(world: &World, run: RunId) -> (State, Option<i64>, u32) {
    let row = &world.assignments(run).await[0].record;
    (row.state.status.state(), row.exit_code, row.state.attempt)
}

async fn why(world: &World, run: RunId) -> String {
    let id = world.assignments(run).await[0].record.id;
    let detail = world.engine.read(&world.cx(), move |rx, cx| runs::assignment_view(rx, cx, id)).await.expect("shown");
    detail.reason.reason.key
}

async fn message(world: &World, run: RunId) -> Option<String> {
    let id = world.assignments(run).await[0].record.id;
    let detail = world.engine.read(&world.cx(), move |rx, cx| runs::assignment_view(rx, cx, id)).await.expect("shown");
    detail.attempts.last().and_then(|it| it.0.message.clone())
}

fn script(text: &str) -> Value {
    json!({"type": "run_script", "script": text})
}

#[tokio::test(start_paused = true)]
async fn a_package_is_for_a_verified_agent_that_comes_by_tls_and_is_fetched_with_its_token_alone() {
    let world = World::new().await;
    let device = known(&world).await;
    let run = start(&world, script("exit 5")).await;
    assert_eq!(why(&world, run).await, "unable", "nobody comes by TLS");
    assert_eq!(told(&world, TLS).await, [], "a stranger may report, not obey");
    world.verify(device, true).await;
    assert_eq!(why(&world, run).await, "waiting_for_contact");
    assert_eq!(told(&world, &[]).await, [], "it would not fetch it");
    let packages = told(&world, TLS).await;
    let [(number, at)] = &packages[..] else { panic!("{packages:?}") };
    assert_eq!(told(&world, TLS).await, packages, "what it has in its hands is named again, and is no other attempt");
    let info = get(&world, &format!("{}/{number}/info", path(at))).await;
    assert!(info.status == StatusCode::OK && info.text().contains(&format!("<DOWNLOAD ID=\"{number}\"")), "{info:?}");
    let piece = get(&world, &format!("{}/{number}/{number}-1", path(at))).await;
    assert_eq!((piece.status, &piece.body[..2]), (StatusCode::OK, &[0x1f, 0x8b][..]));
    for other in ["info", "1-1", ""] {
        let answer = get(&world, &format!("/ocsinventory/package/{:032x}/{number}/{other}", 7)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{other}");
    }
    assert_eq!(state(&world, run).await, (State::Started, None, 1));
    tell(&world, number, "SUCCESS_5").await;
    assert_eq!(state(&world, run).await, (State::Error, Some(5), 1), "a script that failed is not begun again");
    assert_eq!(get(&world, &format!("{}/{number}/info", path(at))).await.status, StatusCode::NOT_FOUND, "it is over");
    let no_more = get(&world, &format!("{}/{number}/{number}-1", path(at))).await;
    assert_eq!((no_more.status, no_more.text().as_str()), (StatusCode::OK, "not any more\n"), "else it would ask again and again");
    tell(&world, number, "SUCCESS").await;
    assert_eq!(state(&world, run).await.0, State::Error, "the end is the end");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_begun_is_handed_out_again_and_late_words_still_count() {
    let world = World::new().await;
    let device = known(&world).await;
    world.verify(device, true).await;
    let run = start(&world, script("true")).await;
    let first = told(&world, TLS).await;
    tell(&world, &first[0].0, "ERR_BAD_DIGEST").await;
    assert_eq!(state(&world, run).await, (State::Prepared, None, 1), "it did not run");
    world.clock.advance(Duration::from_secs(60));
    let second = told(&world, TLS).await;
    assert!(second.len() == 1 && second != first, "another package");
    world.clock.advance(Duration::from_secs(86_400));
    while world.engine.write("lapse", &world.cx(), workers::lapse).await.expect("done").more {}
    assert_eq!(state(&world, run).await.0, State::Unknown);
    assert_eq!(told(&world, TLS).await, [], "what may have run is not begun again");
    tell(&world, &first[0].0, "SUCCESS").await;
    assert_eq!(state(&world, run).await.0, State::Unknown, "a word of the attempt before changes nothing");
    tell(&world, &second[0].0, "SUCCESS").await;
    assert_eq!(state(&world, run).await, (State::Ok, Some(0), 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_to_stop_is_not_begun_any_more() {
    let world = World::new().await;
    let device = known(&world).await;
    world.verify(device, true).await;
    let run = start(&world, script("true")).await;
    let packages = told(&world, TLS).await;
    let [(number, at)] = &packages[..] else { panic!("{packages:?}") };
    world.engine.write("cancel", &world.cx(), move |tx, cx| runs::run_cancel(tx, cx, run)).await.expect("cancelled");
    while world.engine.write("cancel", &world.cx(), workers::prepare).await.expect("done").more {}
    assert_eq!(get(&world, &format!("{}/{number}/info", path(at))).await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&world, &format!("{}/{number}/{number}-1", path(at))).await.text(), "not any more\n");
    assert_eq!(told(&world, TLS).await, []);
    tell(&world, number, "ERR_BAD_DIGEST").await;
    assert_eq!(state(&world, run).await.0, State::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn an_end_of_which_nobody_knows_how_it_was_is_unknown() {
    let world = World::new().await;
    let device = known(&world).await;
    world.verify(device, true).await;
    for code in ["SUCCESS_ALREADY_SETUP", "SUCCESS_"] {
        let run = start(&world, script("exit 7")).await;
        let packages = told(&world, TLS).await;
        tell(&world, &packages[0].0, code).await;
        assert_eq!(state(&world, run).await.0, State::Started, "{code}");
        world.clock.advance(Duration::from_secs(86_400));
        while world.engine.write("lapse", &world.cx(), workers::lapse).await.expect("done").more {}
        assert_eq!(state(&world, run).await.0, State::Unknown, "{code}");
    }
    let run = start(&world, script("exit 7")).await;
    let packages = told(&world, TLS).await;
    tell(&world, &packages[0].0, "SUCCESS_125").await;
    assert_eq!(state(&world, run).await.0, State::Error);
    let message = message(&world, run).await;
    assert!(message.as_deref().is_some_and(|it| it.contains("interrupted")), "{message:?}");
}

#[tokio::test(start_paused = true)]
async fn nonsense_of_packages_changes_nothing() {
    let world = World::new().await;
    let device = known(&world).await;
    world.verify(device, true).await;
    let run = start(&world, script("true")).await;
    let packages = told(&world, TLS).await;
    for (number, code) in [("7", "SUCCESS"), ("x", "SUCCESS"), ("", ""), ("99999999999999999999", "SUCCESS"), ("-1", "ERR_BUILD")] {
        tell(&world, number, code).await;
    }
    let stranger =
        zlib(&format!("<REQUEST DEVICEID=\"other-2026-01-02-03-04-05\" ERR=\"SUCCESS\" ID=\"{}\" QUERY=\"DOWNLOAD\" />", packages[0].0));
    assert_eq!(world.post("/ocsinventory", OCS, stranger).await.status, StatusCode::OK);
    assert_eq!(state(&world, run).await.0, State::Started);
    let addresses = start(&world, json!({"type": "ip_configuration"})).await;
    let (_, answer) = world.post_with("/ocsinventory", OCS, TLS, prolog(ID)).await.unpacked();
    assert!(answer.contains("<RESPONSE>SEND</RESPONSE>"), "{answer}");
    world.post("/ocsinventory", OCS, ocs_inventory(ID, None)).await;
    assert_eq!(state(&world, addresses).await.0, State::Ok, "its inventory tells its addresses");
    assert_eq!(state(&world, run).await.0, State::Started);
}
