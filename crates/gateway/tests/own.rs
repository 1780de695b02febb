//! Muster's own agent: joining, signatures, waiting for work, reports, inventories by hash.

#![allow(clippy::result_large_err, reason = "closures answer with the error of the engine")]

mod world;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use ed25519_dalek::SigningKey;
use muster_core::ids::AgentId;
use muster_core::inventory::{Completeness, Inventory};
use muster_core::tasks::State;
use muster_engine::access::{NewJoinToken, join_token_create};
use muster_engine::enrol::revoke;
use muster_wire::body::{Coding, encode_body};
use muster_wire::glpi_content;
use muster_wire::native::*;
use muster_wire::order::{Opened, Opener, Order, OrderRefusal};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use world::{Answer, World};

static NONCES: AtomicU64 = AtomicU64::new(1);

fn nonce() -> Nonce {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&NONCES.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    Nonce(bytes)
}

/// An agent that joined.
struct Own {
    key: SigningKey,
    id: AgentId,
    incarnation: u32,
}

fn post(path: &str, body: Vec<u8>) -> Request<Body> {
    Request::post(path).header("Content-Type", "application/json").body(Body::from(body)).expect("a request")
}

fn signed(path: &str, header: &str, body: Vec<u8>) -> Request<Body> {
    let mut request = post(path, body);
    request.headers_mut().insert(REQUEST_HEADER, header.parse().expect("a header"));
    request
}

fn is_signed(world: &World, answer: &Answer, nonce: Nonce) {
    let header = answer.header(ANSWER_HEADER).unwrap_or_else(|| panic!("not signed: {answer:?}"));
    verify_answer(&world.server_key.verifying_key(), header, nonce, answer.status.as_u16(), &answer.body).expect("the server's signature");
}

fn value(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn enrolment(token: &str, key: &SigningKey, nonce: Nonce) -> Vec<u8> {
    let body = json!({"token": token, "public_key": public_key_text(&key.verifying_key()), "nonce": nonce, "name": "srv1", "version": "0.1.0",
        "machine": {"uuid": "5f0c3f5e-0000-4000-8000-000000000001", "macs": ["52:54:00:12:34:56"]}});
    serde_json::to_vec(&body).expect("JSON")
}

async fn token(world: &World) -> String {
    let new = NewJoinToken { name: "all".to_owned(), uses: None, expires: None, verified: true, group: None };
    world.engine.write("token", &world.cx(), move |tx, cx| join_token_create(tx, cx, &new)).await.expect("a token").1
}

async fn enrol(world: &World, seed: u8) -> Own {
    let (token, key, nonce) = (token(world).await, SigningKey::from_bytes(&[seed; 32]), nonce());
    let answer = world.send(post(ENROL_PATH, enrolment(&token, &key, nonce))).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    is_signed(world, &answer, nonce);
    let told: EnrolAnswer = serde_json::from_slice(&answer.body).expect("an answer");
    assert_eq!(told.server_key, public_key_text(&world.server_key.verifying_key()));
    Own { key, id: told.agent_id, incarnation: told.incarnation }
}

impl Own {
    fn header(&self, world: &World, path: &str, nonce: Nonce, body: &[u8]) -> String {
        sign_request(&self.key, self.id, "POST", path, world.engine.now().millis(), nonce, body)
    }

    async fn call(&self, world: &World, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(world, path, serde_json::to_vec(&body).expect("JSON")).await
    }

    async fn send(&self, world: &World, path: &str, body: Vec<u8>) -> (StatusCode, Value) {
        let nonce = nonce();
        let answer = world.send(signed(path, &self.header(world, path, nonce, &body), body)).await;
        is_signed(world, &answer, nonce);
        (answer.status, value(&answer))
    }

    async fn contact(&self, world: &World, wait: u64) -> ContactAnswer {
        let body = json!({"version": "0.1.0", "time_ms": 0, "modules": ["inventory"], "wait_seconds": wait, "max_orders": 4});
        let (status, answer) = self.call(world, CONTACT_PATH, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        serde_json::from_value(answer).expect("an answer")
    }

    /// As the agent opens it.
    fn open(&self, world: &World, order: &Order) -> Result<Opened, OrderRefusal> {
        let keys = [world.server_key.verifying_key()];
        order.open(&Opener { keys: &keys, agent: self.id, incarnation: self.incarnation, now_ms: world.engine.now().millis() })
    }

    async fn inventory(&self, world: &World, content: &Value, sent: &[&str]) -> Vec<String> {
        let marks = section_marks(&read(content));
        let part: serde_json::Map<String, Value> =
            sent.iter().filter_map(|name| Some(((*name).to_owned(), content.get(*name)?.clone()))).collect();
        let body = InventoryRequest { partial: false, sections: marks, content: (!sent.is_empty()).then_some(part), attempt: None };
        let packed = encode_body(&serde_json::to_vec(&body).expect("JSON"), Coding::Zlib);
        let (status, answer) = self.send(world, INVENTORY_PATH, packed).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        serde_json::from_value::<InventoryAnswer>(answer).expect("an answer").want
    }

    /// Everything the machine has, hashes first.
    async fn report_in(&self, world: &World, content: &Value) {
        let wanted = self.inventory(world, content, &[]).await;
        let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
        if !names.is_empty() {
            assert_eq!(self.inventory(world, content, &names).await, [] as [String; 0]);
        }
    }
}

fn read(content: &Value) -> Inventory {
    glpi_content::read(content.as_object().expect("an object").clone(), Completeness::Full).expect("content")
}

fn machine() -> Value {
    json!({
        "hardware": {"name": "srv1", "uuid": "5f0c3f5e-0000-4000-8000-000000000001", "memory": 4096},
        "bios": {"ssn": "SN12345"},
        "operatingsystem": {"name": "Debian", "full_name": "Debian GNU/Linux 13"},
        "networks": [{"mac": "52:54:00:12:34:56", "ipaddress": "10.0.0.7"}],
        "drives": [{"volumn": "/", "total": 1000, "free": 500}],
        "softwares": [{"name": "bash", "version": "5.2"}, {"name": "curl", "version": "8.5"}],
        "processes": [{"pid": 1, "cmd": "init"}],
        "printers": [],
    })
}

#[tokio::test(start_paused = true)]
async fn an_agent_joins_with_a_token_and_again_is_its_next_life() {
    let world = World::new().await;
    let first = enrol(&world, 1).await;
    let again = enrol(&world, 1).await;
    assert_eq!((again.id, first.incarnation, again.incarnation), (first.id, 1, 2));
    let device = world.device().await;
    assert_eq!(device.name, "srv1");
    assert!(world.agents(device.id).await[0].verified);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_token_is_refused_and_guessing_is_stopped() {
    let world = World::new().await;
    let key = SigningKey::from_bytes(&[1; 32]);
    for i in 0..30 {
        let nonce = nonce();
        let answer = world.send(post(ENROL_PATH, enrolment(&format!("mjoin_{i}"), &key, nonce))).await;
        assert_eq!((answer.status, &value(&answer)["error"]), (StatusCode::FORBIDDEN, &json!("token")));
        is_signed(&world, &answer, nonce);
    }
    let good = token(&world).await;
    let answer = world.send(post(ENROL_PATH, enrolment(&good, &key, nonce()))).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.header("retry-after").is_some());
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.send(post(ENROL_PATH, enrolment(&good, &key, nonce()))).await.status, StatusCode::OK);
    assert_eq!(world.send(post(ENROL_PATH, b"{}".to_vec())).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_forged_or_missing_signature_is_refused() {
    let world = World::new().await;
    let own = enrol(&world, 1).await;
    let body = br#"{"version":"0.1.0","time_ms":0}"#.to_vec();
    let forger = Own { key: SigningKey::from_bytes(&[9; 32]), id: own.id, incarnation: 1 };
    let good = own.header(&world, CONTACT_PATH, nonce(), &body);
    let other_body = [body.as_slice(), b" "].concat();
    for (path, header, body) in [
        (CONTACT_PATH, forger.header(&world, CONTACT_PATH, nonce(), &body), body.clone()),
        (CONTACT_PATH, good.clone(), other_body),
        (REPORT_PATH, good.clone(), body.clone()),
        ("/agent/v1/contact?x=1", good.clone(), body.clone()),
        (CONTACT_PATH, "v1 nonsense".to_owned(), body.clone()),
    ] {
        let answer = world.send(signed(path, &header, body)).await;
        assert_eq!((answer.status, &value(&answer)["error"]), (StatusCode::UNAUTHORIZED, &json!("signature")), "{path} {header}");
    }
    assert_eq!(world.send(post(CONTACT_PATH, body.clone())).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.send(signed(CONTACT_PATH, &good, body)).await.status, StatusCode::OK, "failures used nothing up");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_came_before_is_refused() {
    let world = World::new().await;
    let own = enrol(&world, 1).await;
    let (nonce, body) = (nonce(), br#"{"version":"0.1.0","time_ms":0}"#.to_vec());
    let header = own.header(&world, CONTACT_PATH, nonce, &body);
    assert_eq!(world.send(signed(CONTACT_PATH, &header, body.clone())).await.status, StatusCode::OK);
    world.clock.advance(Duration::from_secs(15 * 60));
    let again = world.send(signed(CONTACT_PATH, &header, body.clone())).await;
    assert_eq!((again.status, &value(&again)["error"]), (StatusCode::UNAUTHORIZED, &json!("nonce")));
    world.clock.advance(Duration::from_secs(1));
    let later = world.send(signed(CONTACT_PATH, &header, body)).await;
    assert_eq!(value(&later)["error"], "clock");
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_clock_is_off_is_told_the_time() {
    let world = World::new().await;
    let own = enrol(&world, 1).await;
    let (nonce, body) = (nonce(), br#"{"version":"0.1.0","time_ms":0}"#.to_vec());
    let header = sign_request(&own.key, own.id, "POST", CONTACT_PATH, world.engine.now().millis() + 900_001, nonce, &body);
    let answer = world.send(signed(CONTACT_PATH, &header, body)).await;
    is_signed(&world, &answer, nonce);
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(value(&answer)["error"], "clock");
    assert_eq!(value(&answer)["server_time_ms"], json!(world.engine.now().millis()));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_agent_and_an_unknown_one_are_refused() {
    let world = World::new().await;
    let own = enrol(&world, 1).await;
    let stranger = Own { key: own.key.clone(), id: AgentId(Default::default()), incarnation: 1 };
    let id = own.id;
    world.engine.write("revoke", &world.cx(), move |tx, cx| revoke(tx, cx, id)).await.expect("revoked");
    for agent in [own, stranger] {
        let (status, answer) = agent.call(&world, CONTACT_PATH, json!({"version": "0.1.0", "time_ms": 0})).await;
        assert_eq!((status, &answer["error"]), (StatusCode::FORBIDDEN, &json!("revoked")));
    }
}

#[tokio::test(start_paused = true)]
async fn the_schema_of_the_channels_messages_is_there_for_everybody() {
    let world = World::new().await;
    let request = Request::get("/agent/v1/schema.json").body(Body::empty()).expect("a request");
    let answer = world.send(request).await;
    assert_eq!((answer.status, value(&answer)), (StatusCode::OK, muster_wire::channel::schema()));
}

#[tokio::test(start_paused = true)]
async fn unknown_calls_are_not_found_in_json() {
    let world = World::new().await;
    let answer = world.send(post("/agent/v1/teleport", Vec::new())).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::NOT_FOUND, Some("application/json")));
    let get = Request::get(CONTACT_PATH).body(Body::empty()).expect("a request");
    assert_eq!(world.send(get).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(start_paused = true)]
async fn an_inventory_comes_whole_and_then_by_hashes_alone() {
    let world = World::new().await;
    let own = enrol(&world, 1).await;
    assert!(own.contact(&world, 50).await.inventory_due);
    let content = machine();
    let mut wanted = own.inventory(&world, &content, &[]).await;
    wanted.sort();
    assert_eq!(
        wanted,
        ["bios", "drives", "hardware", "networks", "operatingsystem", "processes", "softwares"],
        "an empty one needs no content"
    );
    assert_eq!(world.engine.inventories(), 0);
    let some = own.inventory(&world, &content, &["bios", "softwares"]).await;
    assert_eq!(some.len(), 7, "a part is not stored: {some:?}");
    own.report_in(&world, &content).await;
    let device = world.device().await;
    assert_eq!((device.software_count, device.serial.as_deref()), (2, Some("SN12345")));
    assert_eq!(world.history(device.id).await.len(), 1);

    world.clock.advance(Duration::from_secs(60));
    assert!(!own.contact(&world, 0).await.inventory_due);
    assert_eq!(own.inventory(&world, &content, &[]).await, [] as [String; 0], "nothing has changed");
    assert_eq!(world.engine.inventories(), 2);
    assert_eq!(world.device().await.last_inventory, Some(world.engine.now()));
    assert_eq!(world.history(device.id).await.len(), 1);
    let readings = world.engine.read(&world.cx(), move |rx, _| Ok(rx.readings(own.id)?)).await.expect("read").expect("readings");
    let readings: Value = serde_json::from_slice(&readings).expect("JSON");
    assert_eq!(readings["processes"][0]["cmd"], "init", "readings that did not change stay");
    assert_eq!(readings["drives"][0]["free"], 500);
}

#[tokio::test(start_paused = true)]
async fn only_what_changed_is_sent_and_what_is_missing_is_gone() {
    let world = World::new().await;
    let own = enrol(&world, 1).await;
    let mut content = machine();
    own.report_in(&world, &content).await;
    let device = world.device().await;
    world.clock.advance(Duration::from_secs(60));
    content["softwares"][1]["version"] = json!("8.6");
    content["processes"][0]["pid"] = json!(2);
    assert_eq!(own.inventory(&world, &content, &[]).await, ["processes", "softwares"]);
    assert_eq!(own.inventory(&world, &content, &["processes", "softwares"]).await, [] as [String; 0]);
    let history = world.history(device.id).await;
    assert_eq!(history[0].sections.len(), 1);
    assert_eq!((history[0].sections[0].added_count, history[0].sections[0].removed_count), (1, 1));
    let after = world.device().await;
    assert_eq!((after.software_count, after.macs, after.name), (2, device.macs, device.name));
    let evidence = world.engine.read(&world.cx(), move |rx, _| Ok(rx.evidence_of(after.id)?.len())).await.expect("evidence");
    assert_eq!(evidence, 4, "uuid, serial, MAC and key are still known");

    world.clock.advance(Duration::from_secs(60));
    content.as_object_mut().expect("an object").remove("drives");
    assert_eq!(own.inventory(&world, &content, &[]).await, [] as [String; 0]);
    let history = world.history(after.id).await;
    assert_eq!((history[0].sections[0].section.as_str(), history[0].sections[0].kind.as_str()), ("drives", "removed"));
}

#[tokio::test(start_paused = true)]
async fn an_inventory_of_nothing_or_with_bad_hashes_is_refused() {
    let world = World::new().await;
    let own = enrol(&world, 1).await;
    own.report_in(&world, &machine()).await;
    for body in [
        json!({"sections": {}}),
        json!({"sections": {"bios": {"hash": "12"}}}),
        json!({"sections": {"bios": {"hash": "é".repeat(32)}}}),
        json!([]),
    ] {
        assert_eq!(own.call(&world, INVENTORY_PATH, body).await.0, StatusCode::BAD_REQUEST);
    }
    assert_eq!(world.device().await.software_count, 2);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_is_woken_by_a_new_run_and_its_order_is_reported_on() {
    let world = World::new().await;
    let own = enrol(&world, 1).await;
    own.report_in(&world, &machine()).await;
    let began = Instant::now();
    let (answer, run) = tokio::join!(own.contact(&world, 55), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.start_inventory("now").await
    });
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let [order] = &answer.orders[..] else { panic!("{answer:?}") };
    let order = own.open(&world, order).expect("a good order");
    assert_eq!((order.step.action.clone(), order.attempt.attempt, order.run, order.step.step), (json!({"type": "inventory"}), 1, run, 0));
    assert!(order.lease_until_ms > world.engine.now().millis() && order.step.idempotent);
    let report = |attempt: u32, incarnation: u32, state: &str| json!({"reports": [{"assignment": order.attempt.assignment, "attempt": attempt, "incarnation": incarnation, "state": state, "at_ms": 1}]});
    let result = async |body: Value| own.call(&world, REPORT_PATH, body).await.1["results"][0].clone();
    assert_eq!(result(report(1, own.incarnation, "running")).await["accepted"], true);
    assert_eq!(world.states(run).await[0].1, State::Running);
    let stale = result(report(2, own.incarnation, "ok")).await;
    assert_eq!(stale["accepted"], false);
    assert!(stale["reason"].as_str().is_some_and(|r| r.contains("older")), "{stale}");
    assert_eq!(result(report(1, own.incarnation + 1, "ok")).await["accepted"], false, "another life's");
    own.report_in(&world, &machine()).await;
    assert_eq!(world.states(run).await[0].1, State::Ok, "the inventory ends it");
    assert_eq!(result(report(1, own.incarnation, "ok")).await["accepted"], true, "which the report confirms");
    assert_eq!(result(report(1, own.incarnation, "error")).await["accepted"], false);
    assert_eq!(world.states(run).await[0].1, State::Ok);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_good_for_its_agent_in_its_life_alone_and_a_refusal_is_counted() {
    let world = World::new().await;
    let own = enrol(&world, 1).await;
    own.report_in(&world, &machine()).await;
    let run = world.start_inventory("now").await;
    let order = own.contact(&world, 0).await.orders.remove(0);
    let opened = own.open(&world, &order).expect("a good order");
    assert_eq!((opened.target.agent, opened.target.incarnation, opened.task_name.as_str()), (own.id, 1, "now"));
    let later = Own { key: own.key.clone(), id: own.id, incarnation: 2 };
    assert_eq!(later.open(&world, &order), Err(OrderRefusal::Incarnation));
    let another = Own { key: own.key.clone(), id: AgentId(Default::default()), incarnation: 1 };
    assert_eq!(another.open(&world, &order), Err(OrderRefusal::Aim));
    let body = json!({"reports": [{"assignment": opened.attempt.assignment, "attempt": 1, "incarnation": 1, "state": "declined",
        "refused": "future", "at_ms": 1}]});
    assert_eq!(own.call(&world, REPORT_PATH, body).await.1["results"][0]["accepted"], true);
    assert_eq!(world.engine.doors().orders_refused(), [("future", 1)].into());
    assert_eq!(world.states(run).await[0].1, State::Prepared, "it is handed out again later");
    let unknown = json!({"reports": [{"assignment": opened.attempt.assignment, "attempt": 1, "incarnation": 1, "state": "declined",
        "refused": "mood", "at_ms": 1}]});
    assert_eq!(own.call(&world, REPORT_PATH, unknown).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_with_its_time_and_when_the_server_stops() {
    let world = World::new().await;
    let own = enrol(&world, 1).await;
    own.report_in(&world, &machine()).await;
    let began = Instant::now();
    let answer = own.contact(&world, 20).await;
    assert_eq!((began.elapsed().as_secs(), answer.orders.len()), (20, 0));
    assert!((1..=3_600).contains(&answer.contact_in_seconds));
    let began = Instant::now();
    own.contact(&world, 10_000).await;
    assert_eq!(began.elapsed().as_secs(), 55, "at most");
    let began = Instant::now();
    tokio::join!(own.contact(&world, 50), async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        world.stop.send(true).expect("the gateway listens");
    });
    assert_eq!(began.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn work_the_agent_has_already_does_not_end_its_long_poll() {
    let world = World::new().await;
    let own = enrol(&world, 1).await;
    own.report_in(&world, &machine()).await;
    world.start_inventory("now").await;
    assert_eq!(own.contact(&world, 0).await.orders.len(), 1);
    let began = Instant::now();
    assert_eq!(own.contact(&world, 30).await.orders.len(), 0);
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_contact_is_told_at_once_what_must_stop_and_of_the_brake() {
    let world = World::new().await;
    let own = enrol(&world, 1).await;
    own.report_in(&world, &machine()).await;
    let run = world.start_inventory("now").await;
    let order = own.contact(&world, 0).await.orders.remove(0).named().expect("an attempt");
    let busy = json!([{"assignment": order.assignment, "attempt": order.attempt}]);
    let ask = async |wait: u64, busy: &Value, frozen: bool| {
        let body = json!({"version": "0.1.0", "time_ms": 0, "wait_seconds": wait, "max_orders": 4, "busy": busy, "frozen": frozen});
        let (status, answer) = own.call(&world, CONTACT_PATH, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    };
    assert_eq!(ask(0, &busy, false).await.get("stop"), None, "what goes well goes on");
    let other = json!([{"assignment": order.assignment, "attempt": order.attempt + 1}]);
    assert_eq!(ask(50, &other, false).await["stop"], other, "an attempt that nobody knows");
    let began = Instant::now();
    let later = || tokio::time::sleep(Duration::from_secs(7));
    let brake = |on: bool| {
        let act = move |tx: &mut muster_engine::Tx, cx: &muster_engine::Cx| {
            if on { muster_engine::brake::freeze(tx, cx, "it burns") } else { muster_engine::brake::release(tx, cx) }
        };
        drop(world.engine.write_now("brake", &world.cx, act).expect("moved"));
    };
    let (answer, ()) = tokio::join!(ask(50, &busy, false), async { (later().await, brake(true)).1 });
    assert_eq!((answer["frozen"].clone(), answer.get("stop")), (json!(true), None), "what has begun goes on");
    let (answer, ()) = tokio::join!(ask(50, &busy, true), async { (later().await, brake(false)).1 });
    assert_eq!(answer.get("frozen"), None);
    let end = || drop(world.engine.write_now("end", &world.cx, move |tx, cx| muster_engine::runs::run_cancel(tx, cx, run)).expect("ended"));
    let prepare = || while world.engine.write_now("prepare", &world.cx, muster_engine::workers::prepare).expect("prepared").more {};
    let (answer, ()) = tokio::join!(ask(50, &busy, false), async {
        later().await;
        end();
        prepare();
    });
    assert_eq!(answer["stop"], busy, "a person ended it");
    assert!(began.elapsed() < Duration::from_secs(25), "each was told when it happened: {:?}", began.elapsed());
}
