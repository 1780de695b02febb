//! The agent against a small server written here: enrolment, signatures, orders, busy, forged and late answers.

use ed25519_dalek::{SigningKey, VerifyingKey};
use muster_agent::identity::{DataDir, IdentityError};
use muster_agent::{Options, RunError};
use muster_core::ids::AgentId;
use muster_wire::native::{self, AttemptRef, InventoryRequest, Nonce, ReportRequest, ReportState, RequestAuth};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

const AGENT: &str = "0198c0de-0000-7000-8000-000000000001";
const ASSIGNMENT: &str = "0198c0de-0000-7000-8000-000000000002";
const RUN: &str = "0198c0de-0000-7000-8000-000000000003";

/// One answer that the server will give.
#[derive(Clone)]
struct Say {
    path: &'static str,
    status: u16,
    body: Value,
    retry_after: Option<u64>,
    signed_by: Option<u8>,
}

fn say(path: &'static str, body: Value) -> Say {
    Say { path, status: 200, body, retry_after: None, signed_by: Some(1) }
}

/// What the server heard, in order.
#[derive(Clone, Debug)]
struct Heard {
    path: String,
    body: Value,
    auth: Option<RequestAuth>,
}

#[derive(Default)]
struct World {
    script: VecDeque<Say>,
    heard: Vec<Heard>,
    agent_key: Option<VerifyingKey>,
}

struct Server {
    address: String,
    world: Arc<Mutex<World>>,
    /// Told when the script is at its end.
    finished: Arc<Notify>,
}

fn server_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

impl Server {
    async fn start(script: impl IntoIterator<Item = Say>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let world = Arc::new(Mutex::new(World { script: script.into_iter().collect(), ..World::default() }));
        let finished = Arc::new(Notify::new());
        let (shared, told) = (Arc::clone(&world), Arc::clone(&finished));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &shared, &told).await;
            }
        });
        Self { address, world, finished }
    }

    fn then(&self, script: impl IntoIterator<Item = Say>) {
        self.world.lock().expect("lock").script.extend(script);
    }

    /// What was heard since the last look; the script has to be at its end.
    fn heard(&self) -> Vec<Heard> {
        let mut world = self.world.lock().expect("lock");
        assert!(world.script.is_empty(), "{} answers were not asked for", world.script.len());
        std::mem::take(&mut world.heard)
    }
}

/// Reads one request, checks who signed it, and gives the next answer of the script.
async fn serve(mut stream: TcpStream, world: &Mutex<World>, finished: &Notify) {
    let mut bytes = Vec::new();
    let (head, body_at, length) = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).expect("text");
            let length = header(&head, "content-length").map_or(0, |v| v.parse().expect("a number"));
            if bytes.len() >= end + 4 + length {
                break (head, end + 4, length);
            }
        }
        let mut part = [0; 16384];
        match stream.read(&mut part).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&part[..n]),
            _ => return,
        }
    };
    let body = &bytes[body_at..body_at + length];
    let answer = answer(&head, body, world, finished);
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn answer(head: &str, body: &[u8], world: &Mutex<World>, finished: &Notify) -> Vec<u8> {
    let mut world = world.lock().expect("lock");
    let path = head.split(' ').nth(1).expect("a path").to_owned();
    let is_compressed = header(head, "content-type") == Some(native::ZLIB_CONTENT_TYPE);
    let mut plain = Vec::new();
    if is_compressed {
        flate2::read::ZlibDecoder::new(body).read_to_end(&mut plain).expect("zlib");
    } else {
        plain.extend_from_slice(body);
    }
    let json: Value = serde_json::from_slice(&plain).expect("JSON");
    let auth = header(head, native::REQUEST_HEADER).map(|value| value.parse::<RequestAuth>().expect("a signature header"));
    let nonce: Nonce = match &auth {
        Some(auth) => {
            auth.verify(&world.agent_key.expect("an enrolled agent"), "POST", &path, body).expect("the agent's signature");
            auth.nonce
        }
        None => {
            assert_eq!(path, native::ENROL_PATH, "only enrolment is unsigned");
            world.agent_key = Some(native::public_key(json["public_key"].as_str().expect("a key")).expect("a key"));
            json["nonce"].as_str().expect("a nonce").parse().expect("a nonce")
        }
    };
    world.heard.push(Heard { path: path.clone(), body: json, auth });
    let Some(say) = world.script.pop_front() else {
        return b"HTTP/1.1 500 Nothing left\r\ncontent-length: 0\r\n\r\n".to_vec();
    };
    assert_eq!(path, say.path, "the script expects another call");
    let body = say.body.to_string();
    let mut text = format!("HTTP/1.1 {} X\r\ncontent-length: {}\r\nconnection: close\r\n", say.status, body.len());
    if let Some(seed) = say.signed_by {
        let signature = native::sign_answer(&server_key(seed), nonce, say.status, body.as_bytes());
        text += &format!("{}: {signature}\r\n", native::ANSWER_HEADER);
    }
    if let Some(seconds) = say.retry_after {
        text += &format!("retry-after: {seconds}\r\n");
    }
    if world.script.is_empty() {
        finished.notify_one();
    }
    format!("{text}\r\n{body}").into_bytes()
}

/// A directory that is removed at the end.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("muster-agent-data-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options(server: &Server, dir: &Dir) -> Options {
    Options {
        server: Some(server.address.clone()),
        join: Some("token-1".to_owned()),
        data: dir.0.clone(),
        once: true,
        first_wait: std::time::Duration::from_millis(1),
        ..Options::default()
    }
}

async fn run(options: Options) -> Result<(), RunError> {
    muster_agent::run(options, std::future::pending()).await
}

fn enrolled() -> Say {
    let key = native::public_key_text(&server_key(1).verifying_key());
    say(native::ENROL_PATH, json!({"agent_id": AGENT, "incarnation": 3, "server_key": key, "org": "lab"}))
}

fn contact(orders: Value, is_due: bool) -> Say {
    let body = json!({"orders": orders, "contact_in_seconds": 0, "inventory_due": is_due, "server_time_ms": 1});
    say(native::CONTACT_PATH, body)
}

fn order(action: &str) -> Value {
    json!({"assignment": ASSIGNMENT, "attempt": 2, "run": RUN, "step": 0, "action": {"type": action}, "lease_until_ms": 9,
        "timeout_seconds": 60})
}

fn inventory(want: &[&str]) -> Say {
    say(native::INVENTORY_PATH, json!({"status": "ok", "want": want}))
}

fn reported() -> Say {
    say(native::REPORT_PATH, json!({"results": [{"assignment": ASSIGNMENT, "attempt": 2, "accepted": true}]}))
}

fn paths(heard: &[Heard]) -> Vec<&str> {
    heard.iter().map(|h| h.path.trim_start_matches("/agent/v1/")).collect()
}

fn reports_of(heard: &Heard) -> Vec<native::Report> {
    serde_json::from_value::<ReportRequest>(heard.body.clone()).expect("reports").reports
}

fn inventory_of(heard: &Heard) -> InventoryRequest {
    serde_json::from_value(heard.body.clone()).expect("an inventory")
}

#[tokio::test]
async fn an_agent_joins_waits_for_a_busy_server_does_its_order_and_reports() {
    let busy = Say { status: 503, retry_after: Some(0), body: json!({"error": "busy"}), ..contact(json!([]), false) };
    let server = Server::start([
        enrolled(),
        busy,
        contact(json!([order("inventory")]), true),
        reported(),
        inventory(&[]),
        reported(),
        contact(json!([]), false),
    ])
    .await;
    let dir = Dir::new();
    run(Options { tag: Some("rack 4".to_owned()), ..options(&server, &dir) }).await.expect("work");

    let heard = server.heard();
    assert_eq!(paths(&heard), ["enrol", "contact", "contact", "report", "inventory", "report", "contact"]);
    assert_eq!(heard[0].body["token"], json!("token-1"));
    let agent: AgentId = AGENT.parse().expect("id");
    assert!(heard[1..].iter().all(|h| h.auth.as_ref().is_some_and(|auth| auth.agent == agent)));
    let request = inventory_of(&heard[4]);
    let content = request.content.expect("everything the first time");
    assert_eq!(request.sections.keys().collect::<Vec<_>>(), content.keys().collect::<Vec<_>>());
    assert!(content["hardware"].is_object() && content["networks"].is_array());
    assert_eq!(content["accountinfo"], json!([{"keyname": "TAG", "keyvalue": "rack 4"}]));
    assert_eq!(request.attempt, Some(AttemptRef { assignment: ASSIGNMENT.parse().expect("id"), attempt: 2 }));
    let states = [3, 5].map(|place| reports_of(&heard[place])[0].state);
    assert_eq!((states, reports_of(&heard[5])[0].incarnation), ([ReportState::Running, ReportState::Ok], 3));

    let mode = |file: &str| fs::metadata(dir.0.join(file)).expect(file).permissions().mode() & 0o777;
    assert_eq!([mode("agent.key"), mode("membership.json"), mode(".")], [0o600, 0o600, 0o700]);
    assert!(DataDir::look(&dir.0).last_contact().is_some());
}

#[tokio::test]
async fn the_second_inventory_tells_hashes_and_then_what_the_server_wants() {
    let server = Server::start([enrolled(), contact(json!([]), true), inventory(&[]), contact(json!([]), false)]).await;
    let dir = Dir::new();
    run(options(&server, &dir)).await.expect("work");
    let first = inventory_of(&server.heard()[2]);

    server.then([contact(json!([]), true), inventory(&["hardware", "nothing"]), inventory(&[]), contact(json!([]), false)]);
    run(Options { join: None, server: None, ..options(&server, &dir) }).await.expect("work");
    let heard = server.heard();
    assert_eq!(paths(&heard), ["contact", "inventory", "inventory", "contact"]);
    let (hashes, wanted) = (inventory_of(&heard[1]), inventory_of(&heard[2]));
    assert_eq!(hashes.content, None);
    assert_eq!(wanted.content.expect("content").keys().collect::<Vec<_>>(), ["hardware"]);
    assert_eq!(hashes.sections, wanted.sections);
    assert_eq!(first.sections["softwares"], hashes.sections["softwares"], "the same packages have the same hash");
}

#[tokio::test]
async fn hashes_are_those_of_the_content_that_goes_with_them() {
    let server = Server::start([enrolled(), contact(json!([]), true), inventory(&[]), contact(json!([]), false)]).await;
    let dir = Dir::new();
    run(options(&server, &dir)).await.expect("work");
    let request = inventory_of(&server.heard()[2]);
    for (name, value) in request.content.expect("content") {
        let rows = if value.is_array() { value } else { json!([value]) };
        let rows: Vec<muster_core::inventory::Row> = serde_json::from_value(rows).expect("rows");
        assert_eq!(native::section_hash(&name, &rows), request.sections[&name].hash, "{name}");
    }
}

#[tokio::test]
async fn forged_and_unsigned_answers_are_as_if_they_had_not_come() {
    let forged = |signed_by| Say { signed_by, ..contact(json!([order("inventory")]), true) };
    let server = Server::start([enrolled(), forged(Some(2))]).await;
    let dir = Dir::new();
    let error = run(options(&server, &dir)).await.expect_err("nothing came");
    assert!(error.to_string().contains("dropped"), "{error}");
    assert_eq!(paths(&server.heard()), ["enrol", "contact"]);

    // At work it tries again, and ends when it is told to. (The end of the first script was told already.)
    server.finished.notified().await;
    server.then([forged(None), forged(Some(7)), contact(json!([]), false)]);
    let finished = Arc::clone(&server.finished);
    muster_agent::run(Options { once: false, ..options(&server, &dir) }, async move { finished.notified().await })
        .await
        .expect("a clean end");
    let heard = server.heard();
    assert_eq!(paths(&heard), ["contact", "contact", "contact"]);
    assert_eq!(heard[0].body["wait_seconds"], json!(50));
}

#[tokio::test]
async fn an_enrolment_that_the_brought_key_did_not_sign_is_dropped() {
    let server = Server::start([Say { signed_by: Some(2), ..enrolled() }]).await;
    let dir = Dir::new();
    let error = run(options(&server, &dir)).await.expect_err("dropped");
    assert!(error.to_string().contains("dropped"), "{error}");
    assert!(DataDir::look(&dir.0).membership().expect("readable").is_none());
    let key = fs::read(dir.0.join("agent.key")).expect("the key stays");

    server.then([enrolled(), contact(json!([]), false)]);
    run(options(&server, &dir)).await.expect("work");
    assert_eq!(fs::read(dir.0.join("agent.key")).expect("a key"), key, "the same key is used again");
}

#[tokio::test]
async fn a_clock_that_is_off_is_corrected_by_the_servers() {
    let server_ms = 4_000_000_000_000_i64;
    let body = json!({"error": "clock", "message": "the clock is off", "server_time_ms": server_ms});
    let late = Say { status: 401, body, ..contact(json!([]), false) };
    let server = Server::start([enrolled(), late, contact(json!([order("deploy")]), false), reported(), contact(json!([]), false)]).await;
    let dir = Dir::new();
    run(options(&server, &dir)).await.expect("work");
    let heard = server.heard();
    let off = |index: usize| heard[index].auth.as_ref().is_some_and(|auth| auth.clock_is_off(server_ms));
    assert!(off(1) && !off(2) && !off(3) && !off(4));
    let report: ReportRequest = serde_json::from_value(heard[3].body.clone()).expect("reports");
    assert_eq!(report.reports[0].state, ReportState::Error);
    assert!(report.reports[0].message.as_deref().is_some_and(|m| m.contains("does not know the action")));
}

#[tokio::test]
async fn an_order_whose_time_is_over_is_given_back_unbegun() {
    let mut late = order("inventory");
    late["not_after_ms"] = json!(1);
    let server = Server::start([enrolled(), contact(json!([late]), false), reported(), contact(json!([]), false)]).await;
    let dir = Dir::new();
    run(options(&server, &dir)).await.expect("work");
    let heard = server.heard();
    assert_eq!(paths(&heard), ["enrol", "contact", "report", "contact"], "no inventory was sent");
    let report = &reports_of(&heard[2])[0];
    assert_eq!((report.state, report.attempt), (ReportState::Declined, 2));
    assert!(report.message.as_deref().is_some_and(|m| m.contains("over")), "{report:?}");
    assert_eq!(heard[1].body["modules"], json!(["inventory", "basic_inventory", "ip_configuration"]));
}

#[tokio::test]
async fn a_basic_inventory_and_the_addresses_are_parts_that_leave_the_rest_as_it_is() {
    let mut second = order("ip_configuration");
    second["assignment"] = json!(RUN);
    let orders = contact(json!([order("basic_inventory"), second]), false);
    let script = [enrolled(), orders, reported(), inventory(&[]), reported(), inventory(&[]), reported(), contact(json!([]), false)];
    let server = Server::start(script).await;
    let dir = Dir::new();
    run(options(&server, &dir)).await.expect("work");
    let heard = server.heard();
    assert_eq!(paths(&heard), ["enrol", "contact", "report", "inventory", "report", "inventory", "report", "contact"]);
    let (basic, networks) = (inventory_of(&heard[3]), inventory_of(&heard[5]));
    assert!(basic.partial && networks.partial);
    let sections = |request: &InventoryRequest| request.content.clone().expect("content").keys().cloned().collect::<Vec<_>>();
    assert!(sections(&basic).contains(&"hardware".to_owned()) && !sections(&basic).contains(&"softwares".to_owned()));
    assert_eq!(sections(&networks), ["networks"]);
    let output = reports_of(&heard[6]).iter().find_map(|r| r.output.clone()).expect("an output");
    let told: Value = serde_json::from_str(&output).expect("JSON");
    assert!(told["interfaces"].as_array().is_some_and(|all| all.iter().any(|i| i["name"] == "lo")), "{told}");
    assert!(told["routes"].is_array() && told["name_servers"].is_array());
}

#[tokio::test]
async fn an_order_that_comes_twice_is_done_once_and_reported_twice() {
    let twice = || contact(json!([order("inventory")]), false);
    let server =
        Server::start([enrolled(), twice(), reported(), inventory(&[]), reported(), twice(), reported(), contact(json!([]), false)]).await;
    let dir = Dir::new();
    run(options(&server, &dir)).await.expect("work");
    let heard = server.heard();
    assert_eq!(paths(&heard), ["enrol", "contact", "report", "inventory", "report", "contact", "report", "contact"]);
    assert_eq!(heard[4].body, heard[6].body);
}

#[tokio::test]
async fn a_refused_token_and_a_silent_server_end_with_an_error() {
    let refused = Say { status: 403, body: json!({"error": "token", "message": "the token is used up"}), ..enrolled() };
    let server = Server::start([refused]).await;
    let dir = Dir::new();
    let error = run(Options { once: false, ..options(&server, &dir) }).await.expect_err("refused");
    assert!(matches!(&error, RunError::NotTaken(_)) && error.to_string().contains("used up"), "{error}");

    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let nobody = Options { server: Some(format!("http://{silent}")), ..options(&server, &dir) };
    assert!(matches!(run(nobody).await, Err(RunError::Call(_))));
    assert!(matches!(run(Options { join: None, ..options(&server, &dir) }).await, Err(RunError::NoToken)));
    assert!(matches!(run(Options { server: None, ..options(&server, &Dir::new()) }).await, Err(RunError::NoServer)));
}

#[test]
fn a_directory_serves_one_agent_and_damage_is_told_with_its_file() {
    let dir = Dir::new();
    let open = DataDir::open(&dir.0).expect("a directory");
    assert!(matches!(DataDir::open(&dir.0), Err(IdentityError::Locked { .. })));
    fs::write(dir.0.join("membership.json"), "{\"server\":").expect("written");
    assert!(open.membership().is_err_and(|e| e.to_string().contains("membership.json is damaged")));
    fs::write(dir.0.join("agent.key"), "short").expect("written");
    assert!(open.key().is_err_and(|e| e.to_string().contains("agent.key is damaged")));
    fs::write(dir.0.join("sent.json"), "x").expect("written");
    assert!(open.sent().sections.is_empty());
    drop(open);
    DataDir::open(&dir.0).expect("free again");
}
