//! A server in this process: an engine in memory, made-up devices, callers of each role.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use muster_api::{Api, Options, router};
use muster_core::access::{Caller, Role};
use muster_core::fleet::{Crash, CrashKind, Protocol};
use muster_core::ids::{AgentId, CrashId, DeviceId, OrgId};
use muster_core::inventory::{Canonical, Completeness, Inventory, Row};
use muster_core::time::{HandClock, Timestamp};
use muster_engine::access::NewPerson;
use muster_engine::contact::Hello;
use muster_engine::intake::{Arrival, Stored};
use muster_engine::{Cx, Engine, SeededRandom, Store, access, contact, intake, schedules, steps, workers};
use serde_json::{Value, json};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;
use tower::ServiceExt;

pub const NOW: Timestamp = Timestamp(1_795_000_000_000);
pub const PASSWORD: &str = "correct horse battery";

pub struct World {
    pub engine: Engine,
    pub clock: Arc<HandClock>,
    pub org: OrgId,
    pub router: Router,
    pub admin: String,
    pub operator: String,
    pub viewer: String,
    pub stranger: String,
    pub shutdown: watch::Sender<bool>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {} {}", self.status, self.text))
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The stable key of a refusal.
    #[track_caller]
    pub fn refused(self, status: u16, key: &str) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let problem = self.expect(status);
        assert_eq!(problem["type"], format!("https://muster.dev/problems/{key}"), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|d| !d.is_empty()) && problem["title"].is_string());
        problem
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }
}

/// A request being made.
pub struct Call<'w> {
    world: &'w World,
    request: axum::http::request::Builder,
    body: Body,
}

impl Call<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn json(mut self, body: Value) -> Self {
        self.body = Body::from(body.to_string());
        self.header("content-type", "application/json")
    }

    pub fn text(mut self, kind: &str, body: &str) -> Self {
        self.body = Body::from(body.to_owned());
        self.header("content-type", kind)
    }

    pub async fn response(self) -> axum::response::Response {
        let request = self.request.body(self.body).expect("a request");
        self.world.router.clone().oneshot(request).await.expect("the router never fails")
    }

    pub async fn send(self) -> Answer {
        let (parts, body) = self.response().await.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).expect("text") }
    }
}

impl World {
    pub fn new() -> Self {
        let clock = Arc::new(HandClock::at(NOW));
        let engine = Engine::new(Store::inline(7, clock.clone()), clock.clone(), Arc::new(SeededRandom::new(7)));
        let nowhere = engine.cx(Caller::SYSTEM, "test", OrgId(uuid::Uuid::nil()), "test");
        let org = engine.write_now("org", &nowhere, access::default_org).expect("the default organization").id;
        let cx = || engine.cx(Caller::SYSTEM, "test", org, "test");
        let other_org = engine.write_now("org", &cx(), |tx, cx| access::org_create(tx, cx, "elsewhere")).expect("another").id;
        let token = |name: &'static str, role, org| {
            let made = engine.write_now("token", &cx(), move |tx, cx| access::token_create(tx, cx, name, role, org, None));
            made.expect("a token").1
        };
        let (admin, operator) = (token("admin", Role::Admin, None), token("operator", Role::Operator, Some(org)));
        let (viewer, stranger) = (token("viewer", Role::Viewer, Some(org)), token("stranger", Role::Admin, Some(other_org)));
        let (shutdown, stops) = watch::channel(false);
        let options =
            Options { secure_cookies: false, version: "0.1.0", shutdown: stops, scheduler_beat: Arc::new(AtomicI64::new(NOW.0 - 300)) };
        let router = router(Api { engine: engine.clone(), options });
        Self { engine, clock, org, router, admin, operator, viewer, stranger, shutdown }
    }

    /// A fresh context: each command has ids of its own.
    pub fn cx(&self) -> Cx {
        self.engine.cx(Caller::SYSTEM, "test", self.org, "test")
    }

    pub fn call(&self, method: &str, path: &str) -> Call<'_> {
        Call { world: self, request: Request::builder().method(method).uri(path), body: Body::empty() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).token(&self.admin).send().await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path).token(&self.operator).json(body).send().await
    }

    /// A person who signs in with [`PASSWORD`]; gives the id.
    pub fn person(&self, name: &'static str, role: Role, org: Option<OrgId>) -> String {
        static HASH: OnceLock<String> = OnceLock::new();
        let password = HASH.get_or_init(|| access::password_hash(PASSWORD).expect("a hash")).clone();
        let new = NewPerson { name: name.to_owned(), password, role, org, must_change: false };
        let made = self.engine.write_now("user", &self.cx(), move |tx, cx| access::user_create(tx, cx, &new));
        made.expect("a person").id.to_string()
    }

    /// A machine reports; a program is `name` (in version 1) or `name version`.
    pub fn report(&self, host: &str, os: &str, software: &[&str]) -> Stored {
        self.tell(host, Protocol::Fusioninventory, host, os, software)
    }

    /// An agent reports that has the UUID and serial number of `hardware`; its name and card are those of `host`.
    pub fn report_as(&self, host: &str, protocol: Protocol, hardware: &str) -> Stored {
        self.tell(host, protocol, hardware, "Debian GNU/Linux 12", &["bash"])
    }

    fn tell(&self, host: &str, protocol: Protocol, hardware: &str, os: &str, software: &[&str]) -> Stored {
        let row = |v: Value| -> Row { serde_json::from_value(v).expect("a row") };
        let number: u32 = host.bytes().fold(7, |all, b| all.wrapping_mul(31).wrapping_add(u32::from(b)));
        let address = format!("10.1.{}.{}", number % 200, host.len());
        let mac = format!("00:1b:21:{:02x}:{:02x}:{:02x}", number % 251, number / 251 % 251, number / 63_001 % 251);
        let mut inventory = Inventory::empty(Completeness::Full);
        for (section, rows) in [
            ("hardware", vec![json!({"name": host, "uuid": format!("uuid-of-{hardware}"), "memory": 2048})]),
            ("bios", vec![json!({"smanufacturer": "Acme, Inc.", "smodel": "X1", "ssn": format!("SN-{hardware}")})]),
            ("operatingsystem", vec![json!({"full_name": os})]),
            ("networks", vec![json!({"mac": mac, "ipaddress": address})]),
            ("softwares", software.iter().map(|text| program(text)).collect()),
        ] {
            inventory.sections.insert(section.to_owned(), rows.into_iter().map(row).collect());
        }
        let arrival = Arrival {
            unchanged: Default::default(),
            protocol,
            own: None,
            foreign_id: Some(format!("{host}-2026-11-21-03-09-07")),
            old_foreign_id: None,
            glpi_id: None,
            version: Some("2.6".to_owned()),
            source: address.parse().ok(),
            told: Arc::new(Canonical::new(inventory)),
        };
        self.engine.write_now("intake", &self.cx(), move |tx, cx| intake::inventory(tx, cx, &arrival)).expect("stored")
    }

    /// A machine's legacy agent asks for work; gives how much it is handed.
    pub fn asks(&self, host: &str) -> usize {
        let hello = Hello {
            protocol: Protocol::Fusioninventory,
            foreign_id: format!("{host}-2026-11-21-03-09-07"),
            version: None,
            address: None,
            vouched: false,
            packages: false,
        };
        self.engine.write_now("prolog", &self.cx(), move |tx, cx| contact::prolog(tx, cx, &hello)).expect("greeted").claimed.len()
    }

    /// Sets the clock, then lets the workers do what time brings.
    pub fn at(&self, instant: &str) {
        self.clock.set(Timestamp::parse(instant).expect("an instant"));
        self.look();
        while self.engine.write_now("lapse", &self.cx(), workers::lapse).expect("lapsed").more {}
    }

    /// Writes a task; gives its id.
    pub async fn written(&self, document: Value) -> String {
        self.post("/api/v1/tasks", document).await.expect(201)["id"].as_str().expect("an id").to_owned()
    }

    /// Lets the worker count programs until a round has ended.
    pub fn tally(&self) {
        use muster_engine::software::{count_piece, count_save};
        self.clock.advance(std::time::Duration::from_secs(3_600));
        while let Some(piece) = self.engine.read_now(&self.cx(), count_piece).expect("counted") {
            let more = piece.more();
            self.engine.write_now("tally", &self.cx(), move |tx, cx| count_save(tx, cx, &piece, 0)).expect("saved");
            if !more {
                return;
            }
        }
    }

    pub fn machines(&self, names: &[&str]) -> Vec<(DeviceId, AgentId)> {
        names.iter().map(|name| self.report(name, "Debian GNU/Linux 12", &["bash"])).map(|s| (s.device, s.agent)).collect()
    }

    /// Lets the worker make the assignments of runs, and cancel them, until nothing is due.
    pub fn prepare(&self) {
        while self.engine.write_now("prepare", &self.cx(), workers::prepare).expect("prepared").more {}
    }

    /// Writes an inventory task for all devices; gives its id.
    pub async fn task(&self, name: &str) -> String {
        let doc = json!({"name": name, "targets": {"all": true}, "steps": [{"id": "collect", "action": {"type": "inventory"}}]});
        self.post("/api/v1/tasks", doc).await.expect(201)["id"].as_str().expect("an id").to_owned()
    }

    /// Lets the workers look at schedules and do the steps of the server until nothing is due.
    pub fn look(&self) {
        while self.engine.write_now("look", &self.cx(), schedules::look).expect("looked").more {}
        self.prepare();
        while self.engine.write_now("steps", &self.cx(), steps::work).expect("worked").1 {}
    }

    /// Writes a task whose one occurrence is held, because it may start on one device only; gives its id.
    pub async fn held(&self, name: &str) -> String {
        let schedule = json!({"every": "1h"});
        let doc =
            json!({"name": name, "targets": {"all": true}, "schedule": schedule, "steps": [{"id": "c", "action": {"type": "inventory"}}]});
        let task = self.post("/api/v1/tasks", doc).await.expect(201)["id"].as_str().expect("an id").to_owned();
        let approve = self.call("PUT", &format!("/api/v1/tasks/{task}/approval")).token(&self.admin);
        approve.json(json!({"targets_max": 1})).send().await.expect(200);
        self.clock.advance(std::time::Duration::from_secs(3_600));
        self.look();
        task
    }

    /// Lets a task raise a message.
    pub async fn message(&self, title: &str) {
        let action = json!({"type": "raise_message", "title": title, "text": "it is {{run.number}}", "level": "warning"});
        let doc = json!({"name": format!("says {title}"), "steps": [{"id": "say", "action": action}]});
        let task = self.post("/api/v1/tasks", doc).await.expect(201)["id"].as_str().expect("an id").to_owned();
        self.run(&task).await;
        self.look();
    }

    /// Writes a crash of an agent; gives its id.
    pub fn crash(&self, agent: AgentId) -> String {
        let written = self.engine.write_now("crash", &self.cx(), move |tx, cx| {
            let crash = Crash {
                id: cx.id(),
                org: cx.org,
                agent,
                told: CrashId::random([7; 16]),
                at: cx.now,
                kind: CrashKind::Panic,
                version: "0.1.0".to_owned(),
                message: "the wheel broke".to_owned(),
                place: Some("src/wheel.rs:7:1".to_owned()),
                log: "it squeaked".to_owned(),
            };
            tx.crash_keep(&crash)?;
            Ok(crash.id)
        });
        written.expect("written").to_string()
    }

    /// Starts a task and makes its assignments; gives the run's id.
    pub async fn run(&self, task: &str) -> String {
        let run = self.post(&format!("/api/v1/tasks/{task}/runs"), json!({})).await.expect(201);
        self.prepare();
        run["id"].as_str().expect("an id").to_owned()
    }
}

fn program(text: &str) -> Value {
    let (name, version) = text.rsplit_once(' ').unwrap_or((text, "1"));
    json!({"name": name, "version": version})
}

pub fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().expect("items").iter().map(|i| i["name"].as_str().expect("a name")).collect()
}
