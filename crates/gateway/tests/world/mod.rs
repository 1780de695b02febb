//! A server in memory with the agents' doors before it, and what agents would send.
#![allow(dead_code, reason = "each test program uses its part")]

pub mod recorded;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use ed25519_dalek::SigningKey;
use http_body_util::BodyExt as _;
use muster_core::access::{AgentCredential, Caller};
use muster_core::fleet::{Agent, Device, HistoryEntry};
use muster_core::ids::{AgentCredentialId, AgentId, AssignmentId, DeviceId, OrgId, RunId};
use muster_core::page::PageRequest;
use muster_core::tasks::{AssignmentRow, State};
use muster_core::time::{HandClock, Timestamp};
use muster_engine::runs::Start;
use muster_engine::{
    AgentFilter, AssignmentFilter, Cx, DeviceFilter, Engine, SeededRandom, Store, Tx, access, fleet, runs, tasks, workers,
};
use muster_gateway::{Gateway, Options, router};
use muster_wire::body::{Coding, decode_body, encode_body};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use tower::ServiceExt as _;

pub const NOW: Timestamp = Timestamp(1_795_000_000_000);
pub const FUSION: &str = "FusionInventory-Agent_v2.6-3";
pub const GLPI: &str = "GLPI-Agent_v1.12-dev";
pub const OCS: &str = "OCS-NG_unified_unix_agent_v2.10.0";
pub const OCS_WINDOWS: &str = "OCS-NG_WINDOWS_AGENT_v2.11.0.1";
pub const GLPI_ID: &str = "92e89606-e55a-11f1-851f-9efd1a65435a";

pub struct World {
    pub engine: Engine,
    pub clock: Arc<HandClock>,
    pub cx: Cx,
    pub router: Router,
    pub stop: watch::Sender<bool>,
    pub server_key: SigningKey,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("text")
    }

    /// The text in an OCS answer, and how it was packed.
    pub fn unpacked(&self) -> (Coding, String) {
        let decoded = decode_body(&self.body, 1 << 20).expect("a packed answer");
        (decoded.coding, String::from_utf8(decoded.bytes).expect("text"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().expect("text"))
    }

    /// What no answer to an agent may be.
    pub fn is_fit_for_old_agents(&self) {
        assert!(![301, 302].contains(&self.status.as_u16()), "{self:?}");
        assert_eq!(self.header("content-length"), Some(self.body.len().to_string().as_str()), "{self:?}");
        assert_eq!(self.header("content-encoding"), None, "{self:?}");
        assert_eq!(self.header("transfer-encoding"), None, "{self:?}");
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let clock = Arc::new(HandClock::at(NOW));
        let store = Store::inline(7, clock.clone());
        Self::on(store, clock, change).await
    }

    pub async fn on(store: Store, clock: Arc<HandClock>, change: impl FnOnce(&mut Options)) -> Self {
        let engine = Engine::new(store, clock.clone(), Arc::new(SeededRandom::new(7)));
        let nowhere = engine.system(OrgId(Default::default()), "test");
        let org = engine.write("org.default", &nowhere, access::default_org).await.expect("the default organization");
        let cx = engine.cx(Caller::SYSTEM, "test", org.id, "test");
        let (stop, shutdown) = watch::channel(false);
        let server_key = SigningKey::from_bytes(&[42; 32]);
        let mut options = Options::new(server_key.clone(), shutdown);
        change(&mut options);
        let router = router(Gateway::new(engine.clone(), options));
        Self { engine, clock, cx, router, stop, server_key }
    }

    /// A fresh context: ids of two commands are never the same.
    pub fn cx(&self) -> Cx {
        self.engine.cx(Caller::SYSTEM, "test", self.cx.org, "test")
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let mut request = request;
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 7], 40_000))));
        let response = self.router.clone().oneshot(request).await.expect("the router does not fail");
        let (parts, body) = response.into_parts();
        let answer = Answer { status: parts.status, headers: parts.headers, body: body.collect().await.expect("a body").to_bytes() };
        answer.is_fit_for_old_agents();
        answer
    }

    /// A POST with the headers real agents send.
    pub async fn post(&self, path: &str, agent: &str, body: impl Into<Body>) -> Answer {
        self.send(request(path, agent, &[], body)).await
    }

    pub async fn post_with(&self, path: &str, agent: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        self.send(request(path, agent, headers, body)).await
    }

    pub async fn devices(&self) -> Vec<Device> {
        let page = PageRequest { limit: 1_000, ..PageRequest::default() };
        self.engine.read(&self.cx(), move |rx, cx| Ok(rx.devices(cx.org, &DeviceFilter::default(), &page)?.items)).await.expect("devices")
    }

    pub async fn device(&self) -> Device {
        let mut devices = self.devices().await;
        assert_eq!(devices.len(), 1, "{devices:?}");
        devices.remove(0)
    }

    pub async fn agents(&self, device: DeviceId) -> Vec<Agent> {
        self.engine.read(&self.cx(), move |rx, _| Ok(rx.agents_of(device)?)).await.expect("agents")
    }

    pub async fn all_agents(&self) -> Vec<Agent> {
        let page = PageRequest { limit: 1_000, ..PageRequest::default() };
        let list = self.engine.read(&self.cx(), move |rx, cx| Ok(rx.agents(cx.org, &AgentFilter::default(), &page)?.items)).await;
        list.expect("agents").into_iter().map(|(agent, _)| agent).collect()
    }

    pub async fn agent(&self) -> Agent {
        let mut agents = self.all_agents().await;
        assert_eq!(agents.len(), 1, "{agents:?}");
        agents.remove(0)
    }

    /// The inventory of a device, in the shape of the GLPI inventory format.
    pub async fn inventory(&self, device: DeviceId) -> Map<String, Value> {
        self.engine.read(&self.cx(), move |rx, cx| Ok(fleet::device_inventory(rx, cx, device, &[])?.1)).await.expect("an inventory")
    }

    /// The documents that are kept of an agent, of a kind, newest first.
    pub async fn kept(&self, agent: AgentId, kind: &'static str) -> Vec<String> {
        let found = self.engine.read(&self.cx(), move |rx, _| Ok(rx.documents(agent, kind)?)).await.expect("documents");
        found.into_iter().map(|d| String::from_utf8(d.document).expect("text")).collect()
    }

    /// Changes settings, and lets the time pass until they are felt.
    pub async fn settings(&self, patch: Value) {
        let patch = patch.as_object().cloned().expect("an object");
        let change = move |tx: &mut Tx, cx: &Cx| access::settings_update(tx, cx, &patch, None);
        self.engine.write("settings", &self.cx(), change).await.expect("changed");
        self.clock.advance(std::time::Duration::from_secs(10));
    }

    /// Adds a credential of foreign agents.
    pub async fn credential(&self, name: &str, secret: &str, verified: bool) -> AgentCredentialId {
        let (name, secret) = (name.to_owned(), access::password_hash(secret).expect("a hash"));
        let add = move |tx: &mut Tx, cx: &Cx| {
            let id = cx.id();
            let made = AgentCredential { id, org: cx.org, name: name.clone(), secret: secret.clone(), verified, created: cx.now };
            tx.agent_credential_insert(&made)?;
            Ok(id)
        };
        self.engine.write("credential", &self.cx(), add).await.expect("added")
    }

    /// The history of a device, newest first.
    pub async fn history(&self, device: DeviceId) -> Vec<HistoryEntry> {
        let page = PageRequest { limit: 1_000, ..PageRequest::default() };
        self.engine.read(&self.cx(), move |rx, _| Ok(rx.history(device, None, &page)?.items)).await.expect("history")
    }

    /// Starts an inventory task on every device and prepares its assignments.
    pub async fn start_inventory(&self, name: &str) -> RunId {
        self.start(json!({"name": name, "steps": [{"id": "inventory", "action": {"type": "inventory"}}]})).await
    }

    /// Starts a task on every device and prepares its assignments.
    pub async fn start(&self, mut doc: Value) -> RunId {
        doc["targets"] = json!({"all": true});
        let begin = move |tx: &mut Tx, cx: &Cx| {
            let task = tasks::task_create(tx, cx, &doc)?.task.id;
            Ok(runs::run_start(tx, cx, task, &Start::default())?.run.id)
        };
        let run = self.engine.write("start", &self.cx(), begin).await.expect("started");
        while self.engine.write("prepare", &self.cx(), workers::prepare).await.expect("prepared").more {}
        run
    }

    /// A person says whether a device is verified.
    pub async fn verify(&self, id: DeviceId, verified: bool) {
        let patch = fleet::DevicePatch { verified: Some(verified), ..fleet::DevicePatch::default() };
        self.engine.write("verify", &self.cx(), move |tx, cx| fleet::device_update(tx, cx, id, &patch, None)).await.expect("verified");
    }

    pub async fn assignments(&self, run: RunId) -> Vec<AssignmentRow> {
        let filter = AssignmentFilter { run: Some(run), ..AssignmentFilter::default() };
        let page = PageRequest::default();
        let list = self.engine.read(&self.cx(), move |rx, cx| runs::assignment_list(rx, cx, &filter, &page)).await.expect("a list");
        list.items.into_iter().map(|(row, _)| row).collect()
    }

    pub async fn states(&self, run: RunId) -> Vec<(AssignmentId, State)> {
        self.assignments(run).await.iter().map(|row| (row.record.id, row.record.state.status.state())).collect()
    }
}

pub fn request(path: &str, agent: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut builder = Request::post(path)
        .header("TE", "deflate,gzip;q=0.3")
        .header("Keep-Alive", "300")
        .header("Connection", "Keep-Alive, TE")
        .header("Pragma", "no-cache")
        .header("Host", "127.0.0.1:18080")
        .header("User-Agent", agent);
    if !headers.iter().any(|(name, _)| *name == "Content-Type") {
        builder = builder.header("Content-Type", "application/x-compress-zlib");
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.into()).expect("a request")
}

/// A recorded body.
pub fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/samples").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A recorded document, unpacked.
pub fn document(name: &str) -> String {
    String::from_utf8(decode_body(&sample(name), 64 << 20).expect("a body").bytes).expect("UTF-8")
}

pub fn zlib(text: &str) -> Vec<u8> {
    encode_body(text.as_bytes(), Coding::Zlib)
}

/// What stands in the first element of a name.
pub fn field<'a>(xml: &'a str, name: &str) -> &'a str {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).map(|(inner, _)| inner.trim()).unwrap_or_default()
}

pub fn prolog(device_id: &str) -> Vec<u8> {
    zlib(&format!("<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<REQUEST><DEVICEID>{device_id}</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>"))
}

pub fn ocs_inventory(device_id: &str, tag: Option<&str>) -> Vec<u8> {
    let account = tag.map(|t| format!("<ACCOUNTINFO><KEYNAME>TAG</KEYNAME><KEYVALUE>{t}</KEYVALUE></ACCOUNTINFO>")).unwrap_or_default();
    zlib(&format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><REQUEST><CONTENT>{account}<HARDWARE><NAME>till</NAME><OSNAME>Debian</OSNAME></HARDWARE>\
         <BIOS><SSN>SN-{device_id}</SSN></BIOS></CONTENT><DEVICEID>{device_id}</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>"
    ))
}
