//! The gateway's handle and its one way in.

use crate::admission::{Admission, Room};
use crate::auth::{Gate, Pass};
use crate::bodies::Unpacking;
use crate::callers::Callers;
use crate::doors::{Door, door};
use crate::noted::Noted;
use crate::own::{Channels, Failures, Lives, Nonces};
use crate::pending::Pending;
use crate::turns::Turns;
use crate::{glpi, legacy, own};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{StatusCode, header};
use axum::response::Response;
use muster_core::ids::OrgId;
use muster_core::limits::{
    BODY_BYTES_MAX, BODY_BYTES_PER_SECOND_MIN, INFLATED_BYTES_DEFAULT, INFLATED_IN_FLIGHT_BYTES_MAX, REQUESTS_AT_ONCE_MAX,
    REQUESTS_PER_SOURCE_MAX, REQUESTS_WAITING_MAX,
};
use muster_core::load;
use muster_engine::{Cx, Engine, Error, access};
use muster_wire::glpi as words;
use muster_wire::keys::ServerKeys;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::{OnceCell, watch};

/// How the gateway works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Signs answers to Muster's own agents, which pin its public half when they enrol; and the keys before it.
    pub server_keys: ServerKeys,
    /// Becomes true when the server stops: long polls are answered at once.
    pub shutdown: watch::Receiver<bool>,
    /// Whether agents come by TLS; a proxy before it says so itself (`X-Forwarded-Proto`).
    pub secure: bool,
    /// Whether OCS's Windows service makes an inventory when it starts. Default true, as the reference server says.
    pub ocs_inventory_on_startup: bool,
    /// A body as it comes, bytes. Default [`BODY_BYTES_MAX`].
    pub body_bytes_max: usize,
    /// A body unpacked, bytes. Default [`INFLATED_BYTES_DEFAULT`].
    pub inflated_bytes_max: usize,
    /// What all documents at once may take, bytes. Default [`INFLATED_IN_FLIGHT_BYTES_MAX`].
    pub inflated_in_flight_bytes_max: usize,
    /// How long a whole body may take. Default 60 s.
    pub body_time: Duration,
    /// The slowest sender that is waited for, bytes a second. Default [`BODY_BYTES_PER_SECOND_MIN`].
    pub body_bytes_per_second_min: usize,
    /// Requests that are worked on at once. Default [`REQUESTS_AT_ONCE_MAX`].
    pub requests_max: usize,
    /// Of one source. Default [`REQUESTS_PER_SOURCE_MAX`].
    pub requests_per_source_max: usize,
    /// How long a second inventory of a device waits for its turn. Default 1 s.
    pub wait_time: Duration,
    /// How long a message waits for its share of memory and its place. Default 10 s: many agents send an inventory once only.
    pub queue_time: Duration,
}

impl Options {
    /// With the defaults.
    pub fn new(server_keys: impl Into<ServerKeys>, shutdown: watch::Receiver<bool>) -> Self {
        Self {
            server_keys: server_keys.into(),
            shutdown,
            secure: false,
            ocs_inventory_on_startup: true,
            body_bytes_max: BODY_BYTES_MAX,
            inflated_bytes_max: INFLATED_BYTES_DEFAULT,
            inflated_in_flight_bytes_max: INFLATED_IN_FLIGHT_BYTES_MAX,
            body_time: Duration::from_secs(60),
            body_bytes_per_second_min: BODY_BYTES_PER_SECOND_MIN,
            requests_max: REQUESTS_AT_ONCE_MAX,
            requests_per_source_max: REQUESTS_PER_SOURCE_MAX,
            wait_time: Duration::from_secs(1),
            queue_time: Duration::from_secs(10),
        }
    }
}

/// The agents' doors. Cheap to clone; all clones are the same gateway.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub engine: Engine,
    pub options: Options,
    pub unpacking: Unpacking,
    pub turns: Turns,
    pub nonces: Nonces,
    pub channels: Channels,
    pub lives: Lives,
    pub failures: Failures,
    pub gate: Gate,
    pub pending: Pending,
    pub callers: Callers,
    pub noted: Noted,
    pub logs: glpi::Logs,
    org: OnceCell<OrgId>,
}

impl Gateway {
    /// The doors of an engine.
    pub fn new(engine: Engine, options: Options) -> Self {
        let room = Room {
            bytes: options.inflated_in_flight_bytes_max,
            requests: options.requests_max,
            per_source: options.requests_per_source_max,
            waiting: REQUESTS_WAITING_MAX,
        };
        let admission = Admission::new(room, engine.clone());
        let unpacking = Unpacking::new(admission, engine.clone(), options.inflated_bytes_max, options.queue_time);
        let gate = Gate::new(engine.random());
        // Behind a proxy that speaks TLS it shows with the first agent.
        engine.doors().packages.store(options.secure, Relaxed);
        let inner = Inner {
            engine,
            options,
            unpacking,
            turns: Turns::default(),
            nonces: Nonces::default(),
            channels: Channels::default(),
            lives: Lives::default(),
            failures: Failures::default(),
            gate,
            pending: Pending::default(),
            callers: Callers::default(),
            noted: Noted::default(),
            logs: glpi::Logs::default(),
            org: OnceCell::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Answers a request of an agent. The peer's address is the request's extension `ConnectInfo<SocketAddr>`. What is none of
    /// the agents' (see [`crate::wants`]) is answered 404.
    pub async fn handle(self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip().to_canonical());
        match door(&parts.method, &parts.uri, &parts.headers) {
            Some(Door::Own) => own::answer(&self, &parts, peer, body).await,
            Some(Door::Message) => legacy::answer(&self, &parts, peer, body).await,
            Some(Door::Token) => glpi::token(&self, &parts.headers, peer, body).await,
            Some(Door::Package) => legacy::packages::fetched(&self, &parts).await,
            Some(Door::Config | Door::Action | Door::Poll) => glpi::bodiless(&self, &parts, peer).await,
            None => json_answer(StatusCode::NOT_FOUND, words::status_error("this is no address of an agent")),
        }
    }

    /// The organization of agents that name none, made if need be.
    async fn default_org(&self) -> Result<OrgId, Error> {
        let engine = &self.inner.engine;
        let found = self.inner.org.get_or_try_init(|| async {
            let cx = engine.system(OrgId(Default::default()), "");
            engine.write("org.default", &cx, |tx, cx| Ok(access::default_org(tx, cx)?.id)).await
        });
        found.await.copied()
    }

    /// A context of Muster itself for one request, in the default organization.
    pub(crate) async fn cx(&self) -> Result<Cx, Error> {
        let org = self.default_org().await?;
        Ok(self.inner.engine.system(org, &self.request_id()))
    }

    /// A context of Muster itself for one request: in the organization of the credential that came with it, else in the
    /// default one.
    pub(crate) async fn cx_with(&self, pass: Option<&Pass>) -> Result<Cx, Error> {
        match pass {
            Some(pass) => Ok(self.cx_in(pass.org)),
            None => self.cx().await,
        }
    }

    /// A context of Muster itself for one request.
    pub(crate) fn cx_in(&self, org: OrgId) -> Cx {
        self.inner.engine.system(org, &self.request_id())
    }

    fn request_id(&self) -> String {
        let mut bytes = [0; 8];
        self.inner.engine.random().fill(&mut bytes);
        format!("{:016x}", u64::from_be_bytes(bytes))
    }

    /// When an agent that is sent away shall try again, seconds: spread by the load, so that a crowd does not come back as one.
    pub(crate) fn retry_after(&self) -> u64 {
        let mut chance = [0; 2];
        let engine = &self.inner.engine;
        engine.random().fill(&mut chance);
        load::retry_after(engine.doors().sent_away(engine.now()), u16::from_be_bytes(chance))
    }
}

/// The agents' doors as a router; it serves every path, so it is asked only for what [`crate::wants`].
pub fn router(gateway: Gateway) -> Router {
    Router::new().fallback(move |request: Request| gateway.clone().handle(request))
}

/// The text of an address.
pub(crate) fn address(peer: Option<IpAddr>) -> Option<String> {
    peer.map(|ip| ip.to_string())
}

/// A whole answer, of known length: old agents do not read chunks.
pub(crate) fn response(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    let length = body.len();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
    if length > 0 {
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    }
    response
}

pub(crate) fn json_answer(status: StatusCode, body: String) -> Response {
    response(status, words::CONTENT_TYPE, body.into_bytes())
}

/// Adds when to come again.
pub(crate) fn with_retry_after(mut response: Response, seconds: Option<u64>) -> Response {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
