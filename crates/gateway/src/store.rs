//! Storing an inventory that a foreign agent told, whatever form it came in: the one place of these doors that does it.

use crate::auth::Pass;
use crate::gateway::{Gateway, address};
use muster_core::fleet::Protocol;
use muster_core::inventory::Told;
use muster_engine::glpi::{Introduction, came_through, introduce};
use muster_engine::intake::{self, Arrival, Patience, Stored};
use muster_engine::{Error, Heard};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Who sends an inventory.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// How it speaks.
    pub protocol: Protocol,
    /// Its DEVICEID.
    pub device_id: String,
    /// The DEVICEID it had before.
    pub old_device_id: Option<String>,
    /// A GLPI agent's UUID.
    pub glpi_id: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Where the message comes from.
    pub peer: Option<IpAddr>,
    /// The proxy agents that passed it on; the peer is then not the agent.
    pub proxies: Vec<String>,
    /// The credential it came with.
    pub pass: Option<Pass>,
}

/// Stores an inventory; gives what it came to, after the commit.
#[tracing::instrument(name = "gateway.inventory", level = "debug", skip_all,
    fields(device_id = sender.device_id, protocol = ?sender.protocol, peer = ?sender.peer), err(level = "info"))]
pub(crate) async fn inventory(gateway: &Gateway, sender: Sender, told: Arc<dyn Told>, patience: Patience) -> Result<Stored, Error> {
    let engine = &gateway.inner.engine;
    let cx = gateway.cx_with(sender.pass.as_ref()).await?;
    let arrival = Arrival {
        protocol: sender.protocol,
        own: None,
        foreign_id: Some(sender.device_id.clone()),
        old_foreign_id: sender.old_device_id.clone(),
        glpi_id: sender.glpi_id.clone(),
        version: sender.version.clone(),
        source: sender.peer,
        told,
        unchanged: BTreeMap::new(),
    };
    let stored = intake::store(engine, &cx, Arc::new(arrival), patience).await?;
    engine.count_inventory();
    let known_address = address(sender.peer).filter(|_| sender.proxies.is_empty());
    let (at, version) = (engine.now(), sender.version.clone());
    engine.heard(Heard {
        agent: stored.agent,
        device: stored.device,
        at,
        next: None,
        address: known_address,
        version,
        inventory: true,
        clock_offset: None,
    });
    tracing::debug!(device = %stored.device, new = stored.new_agent, written = stored.written.len(), removed = stored.removed.len(), "stored");
    if let Err(error) = afterwards(gateway, &sender, &stored).await {
        tracing::warn!(agent = %stored.agent, %error, "the inventory is stored, what its sender told of itself is not");
    }
    Ok(stored)
}

/// What is noted of the sender once its inventory is stored.
async fn afterwards(gateway: &Gateway, sender: &Sender, stored: &Stored) -> Result<(), Error> {
    let (engine, id) = (&gateway.inner.engine, stored.agent);
    let cx = gateway.cx_with(sender.pass.as_ref()).await?;
    let proxies = sender.proxies.clone();
    if stored.new_agent {
        let contact = gateway.inner.callers.take(&sender.device_id).filter(|_| sender.protocol == Protocol::Glpi);
        let vouched = sender.pass.as_ref().is_some_and(|pass| pass.verified);
        if contact.is_none() && proxies.is_empty() && !vouched {
            return Ok(());
        }
        let introduction = Introduction { contact, proxies, vouched };
        return engine.write("glpi.introduce", &cx, move |tx, cx| introduce(tx, cx, id, &introduction)).await;
    }
    if proxies.is_empty() {
        return Ok(());
    }
    let told = proxies.clone();
    let news = engine.read(&cx, move |rx, _| Ok(rx.agent(id)?.is_some_and(|a| a.proxies != told))).await?;
    if news {
        engine.write("glpi.came_through", &cx, move |tx, cx| came_through(tx, cx, id, &proxies)).await?;
    }
    Ok(())
}
