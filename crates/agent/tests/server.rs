//! The agent against a small server written here: enrolment, signatures, orders, busy, forged and late answers.
//!
//! What the agent asks is answered by what the test wrote down for that call, in order; reports and inventories for which nothing
//! is written down are taken.

use ed25519_dalek::{SigningKey, VerifyingKey};
use muster_agent::clock::SystemClock;
use muster_agent::identity::{DataDir, IdentityError, Names};
use muster_agent::{Options, RunError};
use muster_core::ids::AgentId;
use muster_core::time::Clock as _;
use muster_wire::crash::CRASH_PATH;
use muster_wire::native::{self, AttemptRef, InventoryRequest, Nonce, Report, ReportRequest, ReportState, RequestAuth};
use muster_wire::order::{Manifest, Order, OrderRefusal, Signed, Step, Target, Token};
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
    /// Told at every call.
    more: Arc<Notify>,
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
        let more = Arc::new(Notify::new());
        let (shared, told, heard) = (Arc::clone(&world), Arc::clone(&finished), Arc::clone(&more));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &shared, &told).await;
                heard.notify_one();
            }
        });
        Self { address, world, finished, more }
    }

    fn then(&self, script: impl IntoIterator<Item = Say>) {
        self.world.lock().expect("lock").script.extend(script);
    }

    /// Waits until what was heard so far is as it should be.
    async fn until(&self, is_so: impl Fn(&[Heard]) -> bool) {
        loop {
            let more = self.more.notified();
            if is_so(&self.world.lock().expect("lock").heard) {
                return;
            }
            more.await;
        }
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
    let place = world.script.iter().position(|say| say.path == path);
    let say = place.and_then(|place| world.script.remove(place)).unwrap_or_else(|| unscripted(&world.heard));
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

/// The answer to the last call when nothing is written down for it.
fn unscripted(heard: &[Heard]) -> Say {
    let Heard { path, body, .. } = heard.last().expect("a call");
    match path.as_str() {
        native::REPORT_PATH => {
            let taken = |report: &Value| json!({"assignment": report["assignment"], "attempt": report["attempt"], "accepted": true});
            let results: Vec<Value> = body["reports"].as_array().expect("reports").iter().map(taken).collect();
            say(native::REPORT_PATH, json!({"results": results}))
        }
        native::INVENTORY_PATH => inventory(&[]),
        CRASH_PATH => say(CRASH_PATH, json!({"new": 1})),
        native::CONTACT_PATH => contact(&[], false),
        other => panic!("nobody wrote down what {other} is answered"),
    }
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
        poll: true,
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

fn now() -> i64 {
    SystemClock.now().millis()
}

fn contact(orders: &[Order], is_due: bool) -> Say {
    let body = json!({"orders": orders, "contact_in_seconds": 0, "inventory_due": is_due, "server_time_ms": now()});
    say(native::CONTACT_PATH, body)
}

/// What is signed of an order; each test changes what it is about.
struct Draft {
    manifest: Manifest,
    target: Target,
    token: Token,
    key: SigningKey,
}

impl Draft {
    fn new(assignment: &str, action: Value) -> Self {
        let (agent, at) = (AGENT.parse().expect("id"), now());
        let step = Step { step: 0, id: "a".to_owned(), action, timeout_seconds: 60, idempotent: false, stops: false, slice: None };
        let manifest = Manifest {
            v: 1,
            org: RUN.parse().expect("id"),
            run: RUN.parse().expect("id"),
            task: RUN.parse().expect("id"),
            task_name: "a task".to_owned(),
            version: 1,
            steps: vec![step],
            job: None,
            root: String::new(),
            count: 0,
            issued_ms: at,
            nonce: "00".to_owned(),
        };
        let target = Target { agent, incarnation: 3, not_before_ms: None, not_after_ms: None };
        let token = Token {
            manifest: String::new(),
            assignment: assignment.parse().expect("id"),
            attempt: 2,
            step: 0,
            agent,
            incarnation: 3,
            lease_until_ms: at + 600_000,
            issued_ms: at,
            standing: None,
            recurs: None,
        };
        Self { manifest, target, token, key: server_key(1) }
    }

    fn order(self) -> Order {
        Signed::new(&self.key, self.manifest, vec![self.target]).order(&self.key, 0, self.token).expect("an order")
    }
}

fn order(action: &str) -> Order {
    Draft::new(ASSIGNMENT, json!({"type": action})).order()
}

fn script(text: &str) -> Draft {
    Draft::new(ASSIGNMENT, json!({"type": "run_script", "script": text}))
}

fn inventory(want: &[&str]) -> Say {
    say(native::INVENTORY_PATH, json!({"status": "ok", "want": want}))
}

/// The calls of one kind, in order.
fn calls<'a>(heard: &'a [Heard], path: &str) -> Vec<&'a Heard> {
    heard.iter().filter(|h| h.path == path).collect()
}

/// Everything that was reported, in order.
fn reports(heard: &[Heard]) -> Vec<Report> {
    let of = |h: &&Heard| serde_json::from_value::<ReportRequest>(h.body.clone()).expect("reports").reports;
    calls(heard, native::REPORT_PATH).iter().flat_map(of).collect()
}

/// What became of orders: the reports that are not of their beginning.
fn verdicts(heard: &[Heard]) -> Vec<Report> {
    reports(heard).into_iter().filter(|report| report.state != ReportState::Running).collect()
}

fn inventory_of(heard: &Heard) -> InventoryRequest {
    serde_json::from_value(heard.body.clone()).expect("an inventory")
}

/// One life of an agent that joins, is given these orders, and ends when nothing waits; gives what the server heard.
async fn obeys(dir: &Dir, orders: &[Order]) -> Vec<Heard> {
    let server = Server::start([enrolled(), contact(orders, false)]).await;
    run(options(&server, dir)).await.expect("work");
    server.heard()
}

#[tokio::test]
async fn an_agent_joins_waits_for_a_busy_server_does_its_order_and_reports() {
    let busy = Say { status: 503, retry_after: Some(0), body: json!({"error": "busy"}), ..contact(&[], false) };
    let server = Server::start([enrolled(), busy, contact(&[order("inventory")], true)]).await;
    let dir = Dir::new();
    run(Options { tag: Some("rack 4".to_owned()), ..options(&server, &dir) }).await.expect("work");

    let heard = server.heard();
    assert_eq!(heard[0].body["token"], json!("token-1"));
    let agent: AgentId = AGENT.parse().expect("id");
    assert!(heard[1..].iter().all(|h| h.auth.as_ref().is_some_and(|auth| auth.agent == agent)));
    let [sent] = calls(&heard, native::INVENTORY_PATH)[..] else { panic!("the order is the routine inventory too: {heard:?}") };
    let request = inventory_of(sent);
    let content = request.content.expect("everything the first time");
    assert_eq!(request.sections.keys().collect::<Vec<_>>(), content.keys().collect::<Vec<_>>());
    assert!(content["hardware"].is_object() && content["networks"].is_array());
    assert_eq!(content["accountinfo"], json!([{"keyname": "TAG", "keyvalue": "rack 4"}]));
    assert_eq!(request.attempt, Some(AttemptRef { assignment: ASSIGNMENT.parse().expect("id"), attempt: 2 }));
    let told: Vec<_> = reports(&heard).iter().map(|r| (r.state, r.incarnation, r.attempt)).collect();
    assert_eq!(told, [(ReportState::Running, 3, 2), (ReportState::Ok, 3, 2)]);

    let mode = |file: &str| fs::metadata(dir.0.join(file)).expect(file).permissions().mode() & 0o777;
    assert_eq!([mode("agent.key"), mode("membership.json"), mode("journal"), mode(".")], [0o600, 0o600, 0o600, 0o700]);
    assert!(DataDir::look(&dir.0).last_contact().is_some());
}

#[tokio::test]
async fn the_second_inventory_tells_hashes_and_then_what_the_server_wants() {
    let server = Server::start([enrolled(), contact(&[], true)]).await;
    let dir = Dir::new();
    run(options(&server, &dir)).await.expect("work");
    let first = inventory_of(calls(&server.heard(), native::INVENTORY_PATH)[0]);

    server.then([contact(&[], true), inventory(&["hardware", "nothing"])]);
    run(Options { join: None, server: None, ..options(&server, &dir) }).await.expect("work");
    let heard = server.heard();
    let [hashes, wanted] = calls(&heard, native::INVENTORY_PATH)[..] else { panic!("{heard:?}") };
    let (hashes, wanted) = (inventory_of(hashes), inventory_of(wanted));
    assert_eq!(hashes.content, None);
    assert_eq!(wanted.content.expect("content").keys().collect::<Vec<_>>(), ["hardware"]);
    assert_eq!(hashes.sections, wanted.sections);
    assert_eq!(first.sections["softwares"], hashes.sections["softwares"], "the same packages have the same hash");
}

#[tokio::test]
async fn hashes_are_those_of_the_content_that_goes_with_them() {
    let server = Server::start([enrolled(), contact(&[], true)]).await;
    let dir = Dir::new();
    run(options(&server, &dir)).await.expect("work");
    let request = inventory_of(calls(&server.heard(), native::INVENTORY_PATH)[0]);
    for (name, value) in request.content.expect("content") {
        let rows = if value.is_array() { value } else { json!([value]) };
        let rows: Vec<muster_core::inventory::Row> = serde_json::from_value(rows).expect("rows");
        assert_eq!(native::section_hash(&name, &rows), request.sections[&name].hash, "{name}");
    }
}

#[tokio::test]
async fn forged_and_unsigned_answers_are_as_if_they_had_not_come() {
    let forged = |signed_by| Say { signed_by, ..contact(&[order("inventory")], true) };
    let server = Server::start([enrolled(), forged(Some(2))]).await;
    let dir = Dir::new();
    let error = run(options(&server, &dir)).await.expect_err("nothing came");
    assert!(error.to_string().contains("dropped"), "{error}");
    assert_eq!(server.heard().len(), 2);

    // At work it tries again, and ends when it is told to. (The end of the first script was told already.)
    server.finished.notified().await;
    server.then([forged(None), forged(Some(7)), contact(&[], false)]);
    let finished = Arc::clone(&server.finished);
    muster_agent::run(Options { once: false, ..options(&server, &dir) }, async move { finished.notified().await })
        .await
        .expect("a clean end");
    let heard = server.heard();
    assert_eq!((heard.len(), calls(&heard, native::CONTACT_PATH).len()), (3, 3));
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

    server.then([enrolled()]);
    run(options(&server, &dir)).await.expect("work");
    assert_eq!(fs::read(dir.0.join("agent.key")).expect("a key"), key, "the same key is used again");
}

#[tokio::test]
async fn a_clock_that_is_off_is_corrected_by_the_servers() {
    let server_ms = 4_000_000_000_000_i64;
    let body = json!({"error": "clock", "message": "the clock is off", "server_time_ms": server_ms});
    let late = Say { status: 401, body, ..contact(&[], false) };
    let server = Server::start([enrolled(), late]).await;
    let dir = Dir::new();
    run(options(&server, &dir)).await.expect("work");
    let heard = server.heard();
    let off = |index: usize| heard[index].auth.as_ref().is_some_and(|auth| auth.clock_is_off(server_ms));
    assert!(off(1) && !off(2));
    assert!((heard[1].body["time_ms"].as_i64().expect("a time") - now()).abs() < 600_000, "its own clock is told as it is");
}

#[tokio::test]
async fn an_order_whose_time_is_over_or_that_is_unknown_is_not_begun() {
    let mut late = script("echo late");
    late.target.not_after_ms = Some(now() - 1);
    let unknown = Draft::new(RUN, json!({"type": "deploy"})).order();
    let heard = obeys(&Dir::new(), &[late.order(), unknown]).await;
    let told = verdicts(&heard);
    assert_eq!(told.iter().map(|r| (r.state, r.attempt)).collect::<Vec<_>>(), [(ReportState::Declined, 2), (ReportState::Error, 2)]);
    assert!(told[0].message.as_deref().is_some_and(|m| m.contains("over")), "{told:?}");
    assert!(told[1].message.as_deref().is_some_and(|m| m.contains("does not know the action 'deploy'")), "{told:?}");
    assert_eq!(reports(&heard).len(), 2, "nothing began");
    let modules = heard[1].body["modules"].as_array().expect("modules");
    assert!(modules.contains(&json!("inventory")) && modules.contains(&json!("run_script")) && !modules.contains(&json!("deploy")));
}

#[tokio::test]
async fn a_basic_inventory_and_the_addresses_are_parts_that_leave_the_rest_as_it_is() {
    let second = Draft::new(RUN, json!({"type": "ip_configuration"})).order();
    let heard = obeys(&Dir::new(), &[order("basic_inventory"), second]).await;
    let sent: Vec<_> = calls(&heard, native::INVENTORY_PATH).into_iter().map(inventory_of).collect();
    assert!(sent.len() == 2 && sent.iter().all(|request| request.partial));
    let mut sections: Vec<Vec<String>> = sent.iter().map(|r| r.content.clone().expect("content").keys().cloned().collect()).collect();
    sections.sort_by_key(Vec::len);
    assert_eq!(sections[0], ["networks"]);
    assert!(sections[1].contains(&"hardware".to_owned()) && !sections[1].contains(&"softwares".to_owned()));
    let output = verdicts(&heard).iter().find_map(|r| r.output.clone()).expect("an output");
    let told: Value = serde_json::from_str(&output).expect("JSON");
    assert!(told["interfaces"].as_array().is_some_and(|all| all.iter().any(|i| i["name"] == "lo")), "{told}");
    assert!(told["routes"].is_array() && told["name_servers"].is_array());
}

#[tokio::test]
async fn a_script_is_run_once_and_what_came_of_it_is_told() {
    let dir = Dir::new();
    let mark = dir.0.with_extension("mark");
    let text = format!("echo done >> '{}'; echo out; echo err >&2; exit 3", mark.display());
    let heard = obeys(&dir, &[script(&text).order()]).await;
    let told = verdicts(&heard);
    let [verdict] = &told[..] else { panic!("{told:?}") };
    assert_eq!((verdict.state, verdict.exit_code, verdict.output.as_deref()), (ReportState::Error, Some(3), Some("out\nerr\n")));
    assert_eq!(fs::read_to_string(&mark).expect("a mark"), "done\n");
    fs::remove_file(mark).expect("removed");
}

#[tokio::test]
async fn orders_run_beside_each_other() {
    let dir = Dir::new();
    let pipe = dir.0.with_extension("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo (coreutils)");
    assert!(made.success());
    // Neither ends without the other.
    let reads = script(&format!("cat '{}'", pipe.display())).order();
    let writes = Draft::new(RUN, json!({"type": "run_script", "script": format!("echo met > '{}'", pipe.display())})).order();
    let told = verdicts(&obeys(&dir, &[reads, writes]).await);
    assert!(told.len() == 2 && told.iter().all(|r| r.state == ReportState::Ok), "{told:?}");
    assert!(told.iter().any(|r| r.output.as_deref() == Some("met\n")));
    fs::remove_file(pipe).expect("removed");
}

#[tokio::test]
async fn every_kind_of_bad_order_is_refused_with_its_reason_and_none_is_begun() {
    let dir = Dir::new();
    let mark = dir.0.with_extension("bad");
    let text = format!("touch '{}'", mark.display());
    let other = "0198c0de-0000-7000-8000-0000000000ff";
    let changed = |change: &dyn Fn(&mut Draft)| {
        let mut draft = script(&text);
        change(&mut draft);
        draft.order()
    };
    let mut forged_text = script(&text).order();
    forged_text.manifest = forged_text.manifest.replace("touch", "rm -r");
    let (mut swapped, good) = (script(&text).order(), Draft::new(other, json!({"type": "inventory"})).order());
    (swapped.token, swapped.token_signature) = (good.token, good.token_signature);
    let mut moved = script(&text).order();
    moved.target.not_after_ms = Some(now() + 900_000);
    let attempts = [
        (changed(&|d| d.key = server_key(9)), OrderRefusal::Forged),
        (forged_text, OrderRefusal::Forged),
        (swapped, OrderRefusal::Aim),
        (moved, OrderRefusal::Aim),
        (changed(&|d| (d.target.agent, d.token.agent) = (other.parse().expect("id"), other.parse().expect("id"))), OrderRefusal::Aim),
        (changed(&|d| (d.target.incarnation, d.token.incarnation) = (2, 2)), OrderRefusal::Incarnation),
        (changed(&|d| d.token.lease_until_ms = now() - 1), OrderRefusal::Outdated),
        (changed(&|d| d.token.issued_ms = now() + 600_000), OrderRefusal::Future),
        (changed(&|d| d.target.not_before_ms = Some(now() + 600_000)), OrderRefusal::Future),
        (changed(&|d| d.manifest.v = 2), OrderRefusal::Malformed),
        (changed(&|d| d.token.step = 1), OrderRefusal::Malformed),
    ];
    for (bad, why) in attempts {
        let heard = obeys(&Dir::new(), &[bad]).await;
        let told: Vec<_> = reports(&heard).iter().map(|r| (r.state, r.refused)).collect();
        assert_eq!(told, [(ReportState::Declined, Some(why))]);
    }
    let garbage = Order { token: "garbage".to_owned(), ..script(&text).order() };
    assert_eq!(reports(&obeys(&Dir::new(), &[garbage]).await), [], "nobody can say which attempt that was");
    assert!(!mark.exists(), "none was begun");
}

#[tokio::test]
async fn an_order_that_comes_again_is_not_done_again_whatever_happened_between() {
    let dir = Dir::new();
    let mark = dir.0.with_extension("again");
    let order = script(&format!("echo done >> '{}'", mark.display())).order();
    let server =
        Server::start([enrolled(), contact(&[order.clone(), order.clone()], false), contact(std::slice::from_ref(&order), false)]).await;
    run(options(&server, &dir)).await.expect("work");
    // In a later life of the program too.
    server.then([contact(&[order], false)]);
    run(options(&server, &dir)).await.expect("work");
    let told: Vec<_> = verdicts(&server.heard()).iter().map(|r| (r.state, r.refused)).collect();
    let replayed = (ReportState::Declined, Some(OrderRefusal::Replayed));
    assert_eq!(told, [(ReportState::Ok, None), replayed, replayed]);
    assert_eq!(fs::read_to_string(&mark).expect("a mark"), "done\n");
    fs::remove_file(mark).expect("removed");
}

#[tokio::test]
async fn a_verdict_that_could_not_be_told_is_told_in_the_next_life() {
    let dir = Dir::new();
    let lost = Say { status: 500, body: json!({"error": "internal"}), ..say(native::REPORT_PATH, json!({})) };
    let server = Server::start([enrolled(), contact(&[script("echo kept").order()], false), lost.clone(), lost]).await;
    // The first call may tell of the beginning alone; the agent ends with the error of whichever could not be told.
    run(options(&server, &dir)).await.expect_err("the verdict is not told");
    server.world.lock().expect("lock").script.clear();
    server.world.lock().expect("lock").heard.clear();
    run(options(&server, &dir)).await.expect("work");
    let told: Vec<_> = verdicts(&server.heard()).into_iter().map(|r| (r.state, r.message)).collect();
    // What was under way when the agent ended is not begun again: whether it came to its end is not known.
    let [(state, message)] = &told[..] else { panic!("{told:?}") };
    assert!(*state == ReportState::Ok || message.as_deref().is_some_and(|m| m.contains("interrupted")), "{told:?}");
}

#[tokio::test]
async fn what_must_stop_is_stopped_with_all_it_started_and_what_it_put_out_is_told() {
    let dir = Dir::new();
    let text = "sleep 600 & echo $!; wait";
    let attempt = json!({"assignment": ASSIGNMENT, "attempt": 2});
    let mut stop = contact(&[], false);
    stop.body["stop"] = json!([attempt]);
    let server = Server::start([enrolled(), contact(&[script(text).order()], false)]).await;
    let finished = Arc::clone(&server.finished);
    let (agent, options) = (Arc::new(Notify::new()), Options { once: false, ..options(&server, &dir) });
    let over = Arc::clone(&agent);
    let life = tokio::spawn(async move { muster_agent::run(options, async move { over.notified().await }).await });
    finished.notified().await;
    // The next contacts name it as under way, until they are told to stop it.
    server.until(|heard| calls(heard, native::CONTACT_PATH).iter().any(|h| h.body["busy"] == json!([attempt]))).await;
    server.until(|heard| reports(heard).iter().any(|r| r.state == ReportState::Running && r.output.is_some())).await;
    server.then([stop]);
    server.until(|heard| !verdicts(heard).is_empty()).await;
    agent.notify_one();
    life.await.expect("it ends").expect("a clean end");
    let heard = server.heard();
    let verdict = &verdicts(&heard)[0];
    assert_eq!((verdict.state, verdict.attempt), (ReportState::Error, 2));
    assert!(verdict.message.as_deref().is_some_and(|m| m.contains("stopped")), "{verdict:?}");
    let left = verdict.output.as_deref().expect("an output").trim();
    // What it started is gone too, a moment later.
    while fs::read_to_string(format!("/proc/{left}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_end_of_its_window_stops_what_may_not_finish_and_its_longest_time_anything() {
    let mut window = script("echo begun; sleep 600");
    window.manifest.steps[0].stops = true;
    window.target.not_after_ms = Some(now() + 1_500);
    let mut long = Draft::new(RUN, json!({"type": "run_script", "script": "sleep 600"}));
    long.manifest.steps[0].timeout_seconds = 1;
    let mut told = verdicts(&obeys(&Dir::new(), &[window.order(), long.order()]).await);
    told.sort_by_key(|r| r.assignment);
    assert!(told.iter().all(|r| r.state == ReportState::Error), "{told:?}");
    assert!(told[0].message.as_deref().is_some_and(|m| m.contains("its time was over")), "{told:?}");
    assert_eq!(told[0].output.as_deref(), Some("begun\n"));
    assert!(told[1].message.as_deref().is_some_and(|m| m.contains("longer than 1 seconds")), "{told:?}");
}

#[tokio::test]
async fn the_brake_holds_what_was_not_begun_until_it_is_released() {
    let dir = Dir::new();
    let mut frozen = contact(&[script("echo begun").order()], false);
    frozen.body["frozen"] = json!(true);
    let server = Server::start([enrolled(), frozen]).await;
    let (over, options) = (Arc::new(Notify::new()), Options { once: false, ..options(&server, &dir) });
    let end = Arc::clone(&over);
    let life = tokio::spawn(async move { muster_agent::run(options, async move { end.notified().await }).await });
    // The contact after it says what the agent knows; the answer to that one releases.
    server.until(|heard| calls(heard, native::CONTACT_PATH).iter().any(|h| h.body["frozen"] == json!(true))).await;
    server.until(|heard| verdicts(heard).iter().any(|r| r.state == ReportState::Ok)).await;
    over.notify_one();
    life.await.expect("it ends").expect("a clean end");
    let heard = server.heard();
    let held = heard.iter().position(|h| h.body["frozen"] == json!(true)).expect("a contact");
    let begun = heard.iter().position(|h| h.path == native::REPORT_PATH).expect("a report");
    assert!(held < begun, "nothing began while the brake was on");
}

#[tokio::test]
async fn the_server_sets_the_tag_and_a_reset_starts_the_agent_anew() {
    let dir = Dir::new();
    let tag = Draft::new(ASSIGNMENT, json!({"type": "configure_agent", "tag": "rack 9"})).order();
    let heard = obeys(&dir, &[tag]).await;
    assert_eq!(verdicts(&heard)[0].state, ReportState::Ok);
    let sent = inventory_of(calls(&heard, native::INVENTORY_PATH)[0]).content.expect("content");
    assert_eq!(sent["accountinfo"], json!([{"keyname": "TAG", "keyvalue": "rack 9"}]));
    let set = DataDir::look(&dir.0).names().expect("names");
    assert_eq!(set, Names { tag: Some("rack 9".to_owned()), name: None });
    assert!(!DataDir::look(&dir.0).sent().sections.is_empty());

    let reset = Draft::new(RUN, json!({"type": "reset_agent"})).order();
    let server = Server::start([contact(&[reset], false)]).await;
    run(options(&server, &dir)).await.expect_err("another server, whose agent this is not");
    let server = Server::start([enrolled(), contact(&[Draft::new(RUN, json!({"type": "reset_agent"})).order()], false)]).await;
    let fresh = Dir::new();
    run(options(&server, &fresh)).await.expect("work");
    assert_eq!(verdicts(&server.heard())[0].state, ReportState::Ok);
    assert!(DataDir::look(&fresh.0).sent().sections.is_empty());
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
