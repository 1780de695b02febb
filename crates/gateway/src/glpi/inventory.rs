//! INVENTORY in JSON, full or partial (`docs/protocols/glpi-native.md`, "INVENTORY").

use super::Said;
use crate::gateway::Gateway;
use crate::legacy::Speaker;
use crate::store::{self, Sender};
use muster_core::fleet::Protocol;
use muster_core::inventory::Canonical;
use muster_engine::intake::Patience;
use muster_wire::glpi_message::InventoryMessage;
use muster_wire::legacy::Dialect;
use std::sync::Arc;
use std::time::Duration;

/// How long an inventory waits for another one of the same device. The agent meanwhile has its answer: `pending`.
const TURN: Duration = Duration::from_secs(60);

pub(super) async fn answer(gateway: Gateway, speaker: Speaker, told: InventoryMessage) -> Said {
    let Some(_turn) = gateway.inner.turns.within(&format!("xml {}", told.device_id), TURN).await else {
        return Said::later("another inventory of this device is being stored");
    };
    let version = told.agent_version.map(|v| Dialect::from_user_agent(&v).version.unwrap_or(v));
    let sender = Sender {
        protocol: Protocol::Glpi,
        device_id: told.device_id,
        old_device_id: None,
        glpi_id: speaker.glpi_id,
        version: speaker.agent.version.or(version).map(|v| v.chars().take(100).collect()),
        peer: speaker.peer,
        proxies: speaker.proxies,
        pass: speaker.pass,
    };
    match store::inventory(&gateway, sender, Arc::new(Canonical::new(told.inventory)), Patience::Waits).await {
        Ok(_) => Said::ok(),
        Err(error) => error.into(),
    }
}
