//! Results of network tasks that nobody asked for: answered, and kept when their sender is known.

use crate::gateway::Gateway;
use crate::legacy::Speaker;
use muster_core::fleet::Protocol;
use muster_engine::{Error, glpi};

/// What is kept of devices found on a network.
pub(crate) const DISCOVERY: &str = "netdiscovery";
/// What is kept of devices asked by SNMP.
pub(crate) const NETINVENTORY: &str = "netinventory";

/// Keeps a document of a known agent. What has none (the start and end of a job) and what strangers send is only answered.
pub(crate) async fn keep(
    gateway: &Gateway,
    speaker: &Speaker,
    protocol: Protocol,
    foreign_id: String,
    kind: &'static str,
    document: Option<Vec<u8>>,
) -> Result<(), Error> {
    let Some(document) = document else { return Ok(()) };
    let engine = &gateway.inner.engine;
    let cx = gateway.cx_with(speaker.pass.as_ref()).await?;
    let unasked = glpi::Unasked { protocol, foreign_id, glpi_id: speaker.glpi_id.clone(), kind, document };
    let whose = glpi::Unasked { document: Vec::new(), ..unasked.clone() };
    if engine.read(&cx, move |rx, cx| glpi::sender_of(rx, cx, &whose)).await?.is_none() {
        tracing::info!(peer = ?speaker.peer, device_id = unasked.foreign_id, kind, "a result of an unknown agent is not kept");
        return Ok(());
    }
    let (bytes, device_id) = (unasked.document.len(), unasked.foreign_id.clone());
    let kept = engine.try_write("glpi.keep", &cx, move |tx, cx| glpi::keep(tx, cx, &unasked)).await?;
    tracing::debug!(device_id, kind, bytes, kept, "a result came unasked");
    Ok(())
}
