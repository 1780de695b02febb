//! Where the parts meet: engine and doors, their options.

use crate::config::DoorLimits;
use crate::doors::Doors;
use muster_api::Api;
use muster_engine::Engine;
use muster_gateway::Gateway;
use muster_wire::keys::ServerKeys;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use tokio::sync::watch;

/// The version shown to people and agents.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the doors need to know of the program.
pub struct Surroundings {
    /// What agents may cost.
    pub limits: DoorLimits,
    /// Signs answers to Muster's own agents.
    pub server_keys: ServerKeys,
    /// Whether the doors speak TLS.
    pub tls: bool,
    /// When the workers last went round.
    pub beat: Arc<AtomicI64>,
    /// Becomes true when the server stops: what is held is answered.
    pub stop: watch::Receiver<bool>,
}

/// The doors of an engine.
pub fn doors(engine: &Engine, around: Surroundings) -> Doors {
    let limits = around.limits;
    let gateway = muster_gateway::Options {
        body_bytes_max: limits.body,
        inflated_bytes_max: limits.inflated,
        inflated_in_flight_bytes_max: limits.in_flight,
        body_time: limits.body_time,
        body_bytes_per_second_min: limits.body_rate,
        requests_per_source_max: limits.requests_per_source,
        queue_time: limits.queue_time,
        secure: around.tls,
        ..muster_gateway::Options::new(around.server_keys, around.stop.clone())
    };
    let gateway = Gateway::new(engine.clone(), gateway);
    let options = muster_api::Options { secure_cookies: around.tls, version: VERSION, shutdown: around.stop, scheduler_beat: around.beat };
    let people = muster_api::router(Api { engine: engine.clone(), options });
    Doors::new(muster_gateway::wants, muster_gateway::router(gateway), people)
}
