//! The agents' doors over HTTP: FusionInventory, GLPI agents in both their forms, OCS, and Muster's own agent.
//!
//! Lives here: which requests belong to agents ([`wants`]), reading bodies within limits, telling who speaks, answering each in
//! its own form. Absent on purpose: sockets and TLS, formats (`muster_wire`), and the rules about work, inventories and trust
//! (`muster_engine`).

#![allow(clippy::result_large_err, reason = "closures answer with the error of the engine")]

mod admission;
mod auth;
mod bodies;
mod callers;
mod doors;
mod gateway;
mod glpi;
mod legacy;
mod noted;
mod own;
mod pending;
mod store;
mod turns;

pub use doors::wants;
pub use gateway::{Gateway, Options, router};
pub use own::Kept;
