//! GLPI agents in their native form: contacts, partial inventories, pending answers, credentials, what nobody asked for.

#![allow(clippy::result_large_err, reason = "closures answer with the error of the engine")]

mod world;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use muster_core::fleet::Protocol;
use muster_core::ids::AgentId;
use muster_core::tasks::State;
use muster_core::time::HandClock;
use muster_engine::fleet::{AgentPatch, agent_update, agent_view, device_delete};
use muster_engine::runs::assignment_view;
use muster_engine::{Store, workers};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use world::{Answer, FUSION, GLPI, GLPI_ID, World, prolog, sample, zlib};

const ID: &str = "till-7-2026-11-21-03-09-07";

/// Sends a message as the agent does.
async fn say(world: &World, message: Value) -> Answer {
    say_with(world, &[], message).await
}

async fn say_with(world: &World, headers: &[(&str, &str)], message: Value) -> Answer {
    let headers: Vec<(&str, &str)> = [("GLPI-Agent-ID", GLPI_ID)].into_iter().chain(headers.iter().copied()).collect();
    world.post_with("/front/inventory.php", GLPI, &headers, zlib(&message.to_string())).await
}

fn contact() -> Value {
    json!({
        "action": "contact", "deviceid": ID, "name": "GLPI-Agent", "version": "1.12-dev", "tag": "lab", "httpd-port": "62355",
        "enabled-tasks": ["inventory", "deploy"], "installed-tasks": ["deploy", "inventory", "netdiscovery"]
    })
}

/// All that a full inventory of the test machine tells.
fn content() -> Map<String, Value> {
    let content = json!({
        "accesslog": {"logdate": "2026-11-21 03:20:13"},
        "bios": {"ssn": "SN-77", "smodel": "Till 3000"},
        "hardware": {"name": "till-7", "uuid": "4C4C4544-0042-4A10-8054-B7C04F334D32", "memory": 8192},
        "versionclient": "GLPI-Agent_v1.12-dev",
        "operatingsystem": {"full_name": "Debian GNU/Linux 12", "name": "Debian"},
        "cpus": [{"name": "Acme Chip 9", "core": 4}],
        "networks": [{"description": "eth0", "mac": "00:1b:21:aa:bb:cc", "ipaddress": "10.0.0.7"}],
        "softwares": [{"name": "bash", "version": "5.2"}, {"name": "vim", "version": "9.0"}],
        "storages": [{"name": "sda", "serial": "D-1"}],
        "users": [{"login": "ann"}],
        "envs": [{"key": "LANG", "val": "C"}],
        "local_users": [{"login": "root", "id": "0"}],
        "videos": [{"name": "Card"}],
        "sounds": [{"name": "Beep"}],
        "usbdevices": [{"name": "Stick", "vendorid": "0951"}],
    });
    content.as_object().cloned().expect("an object")
}

fn inventory(content: Map<String, Value>, partial: bool) -> Value {
    let mut message = json!({"action": "inventory", "deviceid": ID, "itemtype": "Computer", "tag": "lab", "content": content});
    if partial {
        message["partial"] = json!(true);
    }
    message
}

/// What is in every partial inventory, and the named sections.
fn part(of: &Map<String, Value>, names: &[&str]) -> Value {
    let always = ["accesslog", "bios", "hardware", "versionclient"];
    let content = of.iter().filter(|(name, _)| always.contains(&name.as_str()) || names.contains(&name.as_str()));
    inventory(content.map(|(n, v)| (n.clone(), v.clone())).collect(), true)
}

async fn taken(world: &World, message: Value) {
    let answer = say(world, message).await;
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, r#"{"status":"ok"}"#));
}

async fn known(world: &World) -> AgentId {
    taken(world, inventory(content(), false)).await;
    world.clock.advance(Duration::from_secs(60));
    world.agent().await.id
}

async fn patch(world: &World, id: AgentId, patch: AgentPatch) {
    world.engine.write("patch", &world.cx(), move |tx, cx| agent_update(tx, cx, id, &patch, None)).await.expect("changed");
}

fn disabled(answer: &Answer) -> Vec<String> {
    let told = answer.json();
    let list = told["disabled"].as_array().cloned().unwrap_or_default();
    list.iter().filter_map(|t| t.as_str().map(str::to_owned)).collect()
}

fn asks_for_inventory(answer: &Answer) -> bool {
    assert_eq!(answer.json()["status"], "ok", "{answer:?}");
    !disabled(answer).contains(&"inventory".to_owned())
}

#[tokio::test(start_paused = true)]
async fn an_agent_comes_from_prolog_to_contact_to_its_inventory() {
    let world = World::new().await;
    let answer = world.post_with("/", GLPI, &[("GLPI-Agent-ID", GLPI_ID)], prolog(ID)).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"status": "pending"})));
    assert!(world.post("/", GLPI, prolog(ID)).await.text().contains("<REPLY>"), "without its UUID it wants the network tasks as XML");
    let answer = say(&world, contact()).await;
    assert!(asks_for_inventory(&answer), "a stranger is asked for its inventory");
    assert!(world.devices().await.is_empty(), "a contact alone creates nothing");
    taken(&world, inventory(content(), false)).await;
    let (device, agent) = (world.device().await, world.agent().await);
    assert_eq!((device.name.as_str(), device.tag.as_deref(), device.protocol), ("till-7", Some("lab"), Some(Protocol::Glpi)));
    assert_eq!((agent.foreign_id.as_deref(), agent.glpi_id.as_deref()), (Some(ID), Some(GLPI_ID)));
    assert_eq!((agent.version.as_deref(), agent.port), (Some("1.12-dev"), Some(62_355)), "its contact is remembered until it is known");
    assert!(!agent.verified);
    assert!(!asks_for_inventory(&say(&world, contact()).await), "not due");
    world.clock.advance(Duration::from_secs(24 * 3_600));
    assert!(asks_for_inventory(&say(&world, contact()).await), "due");
}

#[tokio::test(start_paused = true)]
async fn the_next_contact_is_told_in_seconds_and_expected_then() {
    let world = World::new().await;
    world.settings(json!({"contact_every": "5m"})).await;
    let id = known(&world).await;
    let answer = say(&world, contact()).await;
    let told = answer.json()["expiration"].as_str().and_then(|e| e.strip_suffix('s')?.parse::<u64>().ok()).expect("seconds");
    assert!((30..=330).contains(&told), "{told}");
    let now = world.engine.now();
    workers::presence(&world.engine, &world.cx()).await.expect("written");
    let next = world.agent().await.next_contact.expect("expected");
    assert_eq!(next.since(now).as_secs(), told);
    assert_eq!(world.agent().await.id, id);
}

#[tokio::test(start_paused = true)]
async fn a_task_is_handed_out_at_a_contact_and_ends_with_a_partial_inventory() {
    let world = World::new().await;
    known(&world).await;
    let run = world.start_inventory("stocktaking").await;
    assert!(asks_for_inventory(&say(&world, contact()).await));
    assert_eq!(world.states(run).await[0].1, State::Started);
    assert!(asks_for_inventory(&say(&world, contact()).await), "asked again before it reported");
    taken(&world, part(&content(), &["users"])).await;
    assert_eq!(world.states(run).await[0].1, State::Ok);
    assert!(!asks_for_inventory(&say(&world, contact()).await));
}

#[tokio::test(start_paused = true)]
async fn a_fusioninventory_agent_goes_over_under_its_id_and_stays_one_device() {
    let world = World::new().await;
    world.post("/", FUSION, sample("fusioninventory/inventory.zlib")).await;
    let before = world.agent().await;
    world.clock.advance(Duration::from_secs(60));
    let mut message = contact();
    message["deviceid"] = json!(before.foreign_id.clone().expect("an id"));
    say(&world, message).await;
    let after = world.agent().await;
    assert_eq!((after.id, after.device, after.protocol), (before.id, before.device, Protocol::Glpi));
    assert_eq!((after.glpi_id.as_deref(), after.port), (Some(GLPI_ID), Some(62_355)));
}

#[tokio::test(start_paused = true)]
async fn what_a_person_switches_off_is_not_asked_for_and_why_says_so() {
    let world = World::new().await;
    let id = known(&world).await;
    patch(&world, id, AgentPatch { disabled: Some(vec!["Inventory".to_owned()]), ..AgentPatch::default() }).await;
    world.clock.advance(Duration::from_secs(48 * 3_600));
    assert!(!asks_for_inventory(&say(&world, contact()).await), "due, and switched off");
    let run = world.start_inventory("stocktaking").await;
    assert!(!asks_for_inventory(&say(&world, contact()).await));
    let (assignment, state) = world.states(run).await[0];
    assert_eq!(state, State::Prepared);
    let detail = world.engine.read(&world.cx(), move |rx, cx| assignment_view(rx, cx, assignment)).await.expect("a view");
    assert_eq!(detail.reason.reason.key, "switched_off");
    assert!(world.post("/", GLPI, prolog(ID)).await.text().contains("<RESPONSE>STOP</RESPONSE>"), "the legacy form keeps to it too");
    patch(&world, id, AgentPatch { disabled: Some(Vec::new()), ..AgentPatch::default() }).await;
    assert!(asks_for_inventory(&say(&world, contact()).await));
    assert_eq!(world.states(run).await[0].1, State::Started);
}

#[tokio::test(start_paused = true)]
async fn what_the_agents_own_configuration_switches_off_is_not_asked_for() {
    let world = World::new().await;
    known(&world).await;
    let mut message = contact();
    message["enabled-tasks"] = json!(["deploy"]);
    say(&world, message.clone()).await;
    world.clock.advance(Duration::from_secs(48 * 3_600));
    assert!(!asks_for_inventory(&say(&world, message).await));
    let told: Vec<(String, bool)> = world.agent().await.capacities.into_iter().map(|c| (c.name, c.enabled)).collect();
    let expected = [("deploy", true), ("inventory", false), ("netdiscovery", false)];
    assert_eq!(told, expected.map(|(n, e)| (n.to_owned(), e)));
    assert!(asks_for_inventory(&say(&world, contact()).await), "switched on again");
}

#[tokio::test(start_paused = true)]
async fn asking_for_tasks_tells_their_versions_and_gets_an_empty_schedule() {
    let world = World::new().await;
    let get = |query: &str| Request::get(format!("/marketplace/glpiinventory/?{query}")).body(Body::empty()).expect("a request");
    let config = |task: &str| format!("action=getConfig&machineid={ID}&task%5B{task}%5D=3.3");
    let answer = world.send(get(&config("Deploy"))).await;
    assert_eq!(answer.json(), json!({"configValidityPeriod": 600, "schedule": []}), "a stranger");
    let id = known(&world).await;
    say(&world, contact()).await;
    for off in [Vec::new(), vec!["deploy".to_owned()]] {
        patch(&world, id, AgentPatch { disabled: Some(off), ..AgentPatch::default() }).await;
        for task in ["Deploy", "Collect", "ESX"] {
            let answer = world.send(get(&config(task))).await;
            assert_eq!(answer.json(), json!({"configValidityPeriod": 600, "schedule": []}), "{task}");
        }
    }
    let told: Vec<(String, Option<String>)> = world.agent().await.capacities.into_iter().map(|c| (c.name, c.version)).collect();
    let version = |v: &str| Some(v.to_owned());
    let expected =
        [("collect", version("3.3")), ("deploy", version("3.3")), ("esx", version("3.3")), ("inventory", None), ("netdiscovery", None)];
    assert_eq!(told, expected.map(|(n, v)| (n.to_owned(), v)));
    assert_eq!(world.send(get(&format!("action=getJobs&machineid={ID}&version=3.3"))).await.json(), json!({}));
}

#[tokio::test(start_paused = true)]
async fn fourteen_partial_inventories_and_a_full_one_keep_every_section() {
    let world = World::new().await;
    known(&world).await;
    let whole = content();
    let device = world.device().await.id;
    let before = world.inventory(device).await;
    let names =
        ["operatingsystem", "cpus", "networks", "softwares", "storages", "users", "envs", "local_users", "videos", "sounds", "usbdevices"];
    for name in names.iter().chain(&["cpus", "users", "envs"]) {
        world.clock.advance(Duration::from_secs(3_600));
        taken(&world, part(&whole, &[name])).await;
        assert_eq!(world.inventory(device).await, before, "{name} came alone");
    }
    assert_eq!(world.history(device).await.len(), 1, "nothing changed in fourteen of them");
    let mut fewer = whole.clone();
    fewer.insert("softwares".to_owned(), json!([{"name": "bash", "version": "5.3"}]));
    taken(&world, part(&fewer, &["softwares"])).await;
    let changed = world.inventory(device).await;
    assert_eq!(changed["softwares"], json!([{"name": "bash", "version": "5.3"}]), "a section that comes replaces");
    assert_eq!(changed.len(), before.len());
    fewer.insert("users".to_owned(), json!([]));
    taken(&world, part(&fewer, &["users"])).await;
    assert_eq!(world.inventory(device).await.get("users").cloned().unwrap_or(json!([])), json!([]), "an empty one replaces too");
    fewer.remove("sounds");
    fewer.remove("users");
    taken(&world, inventory(fewer, false)).await;
    assert!(!world.inventory(device).await.contains_key("sounds"), "what a full one does not mention is gone");
}

#[tokio::test(start_paused = true)]
async fn partial_inventories_in_any_order_end_in_the_state_of_the_full_one() {
    let whole = content();
    let world = World::new().await;
    known(&world).await;
    let expected = world.inventory(world.device().await.id).await;
    for seed in 0..12u64 {
        let world = World::new().await;
        let mut names: Vec<&str> = whole.keys().map(String::as_str).collect();
        let mut dice = seed;
        for i in (1..names.len()).rev() {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            names.swap(i, (dice >> 33) as usize % (i + 1));
        }
        // Groups of one to three, some told twice.
        let step = 1 + (seed as usize) % 3;
        for group in names.chunks(step).chain(names.chunks(step).take(3)) {
            world.clock.advance(Duration::from_secs(600));
            taken(&world, part(&whole, group)).await;
        }
        assert_eq!(world.inventory(world.device().await.id).await, expected, "seed {seed}: {names:?}");
    }
}

fn poll(id: &str, agent: &str) -> Request<Body> {
    let request = Request::get("/front/inventory.php").header("User-Agent", GLPI).header("GLPI-Agent-ID", agent);
    request.header("GLPI-Request-ID", id).body(Body::empty()).expect("a request")
}

/// Asks as an agent does, each time after the delay it was told, at most twelve times; the time is not the real one.
async fn outcome(world: &World, id: &str) -> Answer {
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let answer = world.send(poll(id, GLPI_ID)).await;
        assert_eq!(answer.header("glpi-request-id"), Some(id));
        if answer.status != StatusCode::ACCEPTED {
            return answer;
        }
    }
    panic!("{id} has no outcome");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_long_is_answered_pending_and_its_outcome_can_be_asked_for() {
    let world = World::with(|o| o.wait_time = Duration::ZERO).await;
    const ID_GIVEN: &str = "83AB3D1F";
    let answer = say_with(&world, &[("GLPI-Request-ID", ID_GIVEN)], inventory(content(), false)).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::ACCEPTED, json!({"status": "pending", "expiration": "2s"})));
    assert_eq!(answer.header("glpi-request-id"), Some(ID_GIVEN), "under the id the agent gave it");
    let answer = world.send(poll(ID_GIVEN, GLPI_ID)).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::ACCEPTED, json!({"status": "pending", "expiration": "10s"})));
    const OTHER: &str = "439863b4-e55b-11f1-bbb4-29fb1a65435a";
    assert_eq!(world.send(poll(ID_GIVEN, OTHER)).await.status, StatusCode::NOT_FOUND, "another agent's");
    let answer = outcome(&world, ID_GIVEN).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"status": "ok"})));
    assert_eq!(world.device().await.name, "till-7");
    let again = say_with(&world, &[("GLPI-Request-ID", ID_GIVEN)], contact()).await;
    let id = again.header("glpi-request-id").expect("an id").to_owned();
    assert!(again.status == StatusCode::ACCEPTED && id != ID_GIVEN && id.len() == 8, "an id that is taken is not given twice: {again:?}");
    assert_eq!(outcome(&world, &id).await.json()["status"], "ok", "a contact has its whole answer at last");
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(world.send(poll(ID_GIVEN, GLPI_ID)).await.status, StatusCode::NOT_FOUND, "aged out");
}

#[tokio::test(start_paused = true)]
async fn no_inventory_is_lost_while_the_store_is_busy() {
    let clock = Arc::new(HandClock::at(world::NOW));
    let options = muster_store::Options { queue: 1, ..muster_store::Options::default() };
    let world = World::on(Store::inline_with(7, clock.clone(), &options), clock, |o| o.wait_time = Duration::ZERO).await;
    let post = |n: usize| {
        let mut message = inventory(content(), false);
        (message["deviceid"], message["content"]["hardware"]["name"]) = (json!(format!("pc-{n}")), json!(format!("pc-{n}")));
        (message["content"]["bios"], message["content"]["hardware"]["uuid"]) = (json!({"ssn": format!("SN-PC-{n}")}), json!(null));
        message["content"]["networks"] = json!([]);
        say(&world, message)
    };
    let answers = futures_util::future::join_all((0..20).map(post)).await;
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        let id = answer.header("glpi-request-id").expect("an id").to_owned();
        assert_eq!(outcome(&world, &id).await.status, StatusCode::OK);
    }
    assert_eq!(world.devices().await.len(), 20);
}

fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{name}:{secret}")))
}

#[tokio::test(start_paused = true)]
async fn a_credential_lets_in_verifies_new_agents_and_ends_at_once() {
    let world = World::new().await;
    let id = world.credential("agents", "a long enough secret", true).await;
    world.settings(json!({"agent_auth": "basic"})).await;
    let right = basic("agents", "a long enough secret");
    for (shown, name) in [
        (basic("agents", "wrong"), "a wrong secret"),
        (basic("nobody", "x"), "an unknown name"),
        ("Bearer x".to_owned(), "no token of ours"),
    ] {
        let answer = say_with(&world, &[("Authorization", &shown)], contact()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
        assert_eq!(answer.json()["status"], "error", "{name}: in the agent's form");
    }
    let xml = world.post("/", FUSION, prolog(ID)).await;
    assert_eq!((xml.status, xml.header("www-authenticate")), (StatusCode::UNAUTHORIZED, Some("Basic realm=\"muster\"")));
    assert!(xml.text().contains("<ERROR>"), "{xml:?}");
    let config = Request::get(format!("/?action=getConfig&machineid={ID}")).body(Body::empty()).expect("a request");
    assert_eq!(world.send(config).await.status, StatusCode::UNAUTHORIZED);
    assert!(say_with(&world, &[("Authorization", &right)], contact()).await.status.is_success());
    let answer = say_with(&world, &[("Authorization", &right)], inventory(content(), false)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let agent = world.agent().await;
    assert!(agent.verified, "its credential vouches for it");
    patch(&world, agent.id, AgentPatch { verified: Some(false), ..AgentPatch::default() }).await;
    say_with(&world, &[("Authorization", &right)], inventory(content(), false)).await;
    assert!(!world.agent().await.verified, "what a person said of a known agent stays");
    let token = token(&world, "agents", "a long enough secret").await.json()["access_token"].as_str().expect("a token").to_owned();
    let bearer = format!("Bearer {token}");
    assert!(say_with(&world, &[("Authorization", &bearer)], contact()).await.status.is_success(), "a token counts as its credential");
    world.engine.write("gone", &world.cx(), move |tx, _| Ok(tx.agent_credential_delete(id)?)).await.expect("removed");
    for shown in [&right, &bearer] {
        assert_eq!(
            say_with(&world, &[("Authorization", shown)], contact()).await.status,
            StatusCode::UNAUTHORIZED,
            "its credential is gone"
        );
    }
}

async fn token(world: &World, id: &str, secret: &str) -> Answer {
    let wanted = json!({"grant_type": "client_credentials", "client_id": id, "client_secret": secret, "scope": "inventory"});
    world.post_with("/front/inventory.php/api.php/token", GLPI, &[], wanted.to_string()).await
}

#[tokio::test(start_paused = true)]
async fn tokens_are_given_for_a_right_secret_only_and_end() {
    let world = World::new().await;
    world.credential("cid", "a long enough secret", false).await;
    world.settings(json!({"agent_auth": "oauth"})).await;
    let refused = token(&world, "cid", "wrong").await;
    assert_eq!((refused.status, &refused.json()["error"]), (StatusCode::UNAUTHORIZED, &json!("invalid_client")));
    assert_eq!(token(&world, "nobody", "wrong").await.status, StatusCode::UNAUTHORIZED);
    let bad = world.post("/api.php/token", GLPI, "{}").await;
    assert_eq!((bad.status, &bad.json()["error"]), (StatusCode::BAD_REQUEST, &json!("unsupported_grant_type")));
    assert_eq!(world.post("/api.php/token", GLPI, "garbage").await.json()["error"], "invalid_request");
    let given = token(&world, "cid", "a long enough secret").await.json();
    let bearer = format!("Bearer {}", given["access_token"].as_str().expect("a token"));
    let shown = [("Authorization", bearer.as_str())];
    assert!(say_with(&world, &shown, contact()).await.status.is_success());
    let basic = basic("cid", "a long enough secret");
    let answer = say_with(&world, &[("Authorization", basic.as_str())], contact()).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (StatusCode::UNAUTHORIZED, Some("Bearer")), "only tokens count");
    world.clock.advance(Duration::from_secs(3_600));
    assert_eq!(say_with(&world, &shown, contact()).await.status, StatusCode::UNAUTHORIZED, "over: the agent asks for another");
}

#[tokio::test(start_paused = true)]
async fn wrong_secrets_from_one_address_are_slowed_and_those_known_to_be_right_go_on() {
    let world = World::new().await;
    world.credential("agents", "right secret", false).await;
    world.settings(json!({"agent_auth": "basic"})).await;
    let right = basic("agents", "right secret");
    assert!(say_with(&world, &[("Authorization", &right)], contact()).await.status.is_success());
    for n in 0..30 {
        let wrong = basic("agents", &format!("wrong {n}"));
        assert_eq!(say_with(&world, &[("Authorization", &wrong)], contact()).await.status, StatusCode::UNAUTHORIZED, "{n}");
    }
    assert_eq!(say_with(&world, &[("Authorization", &basic("agents", "wrong 30"))], contact()).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        say_with(&world, &[("Authorization", &basic("agents", "wrong 7"))], contact()).await.status,
        StatusCode::UNAUTHORIZED,
        "known to be wrong"
    );
    assert!(say_with(&world, &[("Authorization", &right)], contact()).await.status.is_success());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_demanded_unless_the_setting_says_so() {
    let world = World::new().await;
    world.credential("agents", "right secret", true).await;
    let wrong = basic("agents", "wrong");
    let answer = say_with(&world, &[("Authorization", &wrong)], inventory(content(), false)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!world.agent().await.verified);
}

#[tokio::test(start_paused = true)]
async fn results_that_come_unasked_are_kept_of_known_agents_up_to_a_number() {
    let world = World::new().await;
    let result = |n: usize, action: &str, id: &str| json!({"action": action, "deviceid": id, "jobid": n, "content": {"network_device": {"name": format!("sw-{n}")}}});
    taken(&world, result(0, "netinventory", ID)).await;
    assert!(world.devices().await.is_empty(), "a stranger's result creates nothing");
    let id = known(&world).await;
    for n in 1..=21 {
        world.clock.advance(Duration::from_secs(1));
        taken(&world, result(n, "netinventory", ID)).await;
    }
    taken(&world, result(22, "netdiscovery", "sw-22-2026-11-21-03-09-07")).await;
    let kept = world.kept(id, "netinventory").await;
    assert_eq!(kept.len(), 20);
    assert!(kept[0].contains("sw-21") && kept[19].contains("sw-2\""), "the newest twenty");
    assert_eq!(world.kept(id, "netdiscovery").await.len(), 1, "told of by the id of the thing, sent by the agent");
    let view = world.engine.read(&world.cx(), move |rx, cx| agent_view(rx, cx, id)).await.expect("a view");
    assert_eq!(view.kept_documents, Some(21));
    let device = world.device().await.id;
    world.engine.write("delete", &world.cx(), move |tx, cx| device_delete(tx, cx, device)).await.expect("removed");
    assert!(world.kept(id, "netinventory").await.is_empty(), "they go with their agent");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_understood_is_refused_in_json_with_what_and_where() {
    let world = World::new().await;
    let deep = format!("{{\"action\":\"inventory\",\"deviceid\":\"{ID}\",\"content\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, part) in [
        (deep, "nested deeper"),
        ("{\"action\":\"contact\"}".to_owned(), "/deviceid"),
        (format!("{{\"action\":\"dance\",\"deviceid\":\"{ID}\"}}"), "'dance'"),
        ("{\"action\":".to_owned(), "no whole JSON document"),
        ("[]".to_owned(), "'action'"),
    ] {
        let answer = world.post_with("/", GLPI, &[("GLPI-Agent-ID", GLPI_ID), ("GLPI-Request-ID", "0000000a")], zlib(&body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{part}");
        assert_eq!(answer.header("glpi-request-id"), Some("0000000A"));
        let told = answer.json();
        assert!(told["status"] == "error" && told["message"].as_str().is_some_and(|m| m.contains(part)), "{part}: {told}");
    }
    let packed = zlib(&inventory(content(), false).to_string());
    let cut = packed[..packed.len() / 2].to_vec();
    let answer = world.post_with("/", GLPI, &[("GLPI-Agent-ID", GLPI_ID)], cut).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(world.devices().await.is_empty());
}
