//! An inventory: hashes first, then what is not held yet, then one transaction for all of it.

use super::{Call, Refused, Said};
use crate::gateway::address;
use axum::http::StatusCode;
use muster_core::fleet::Protocol;
use muster_core::inventory::{Canonical, Completeness, hash};
use muster_core::limits::SECTIONS_MAX;
use muster_engine::Heard;
use muster_engine::intake::{self, Arrival, NOT_HELD, Patience};
use muster_wire::body::Decoded;
use muster_wire::glpi_content;
use muster_wire::native::{InventoryAnswer, InventoryRequest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A body that was read: hashes of all sections, and the sections that came.
struct Told {
    hashes: BTreeMap<String, [u8; 32]>,
    sent: BTreeSet<String>,
    inventory: Canonical,
}

fn invalid(why: impl Into<String>) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "invalid", why)
}

fn read(decoded: &Decoded) -> Result<Told, Refused> {
    let body: InventoryRequest = serde_json::from_slice(&decoded.bytes).map_err(super::malformed)?;
    let content = body.content.unwrap_or_default();
    if body.sections.len().max(content.len()) > SECTIONS_MAX {
        return Err(invalid(format!("at most {SECTIONS_MAX} sections are taken")));
    }
    if body.sections.is_empty() && content.is_empty() {
        return Err(invalid("neither hashes nor content came, and a machine without any section does not exist"));
    }
    let mut hashes = BTreeMap::new();
    for (name, mark) in body.sections {
        let hash = unhex(&mark.hash).ok_or_else(|| invalid(format!("the hash of section '{name}' is not 64 hexadecimal digits")))?;
        hashes.insert(name.to_ascii_lowercase(), hash);
    }
    let sent: BTreeSet<String> = content.keys().map(|name| name.to_ascii_lowercase()).collect();
    let completeness = if body.partial { Completeness::Partial } else { Completeness::Full };
    let mut inventory = glpi_content::read(content, completeness).map_err(|e| invalid(e.to_string()))?;
    // A section without rows is told by its hash.
    let empty = hash(b"[]");
    for name in hashes.iter().filter(|(name, hash)| **hash == empty && !sent.contains(*name)).map(|(name, _)| name) {
        inventory.sections.insert(name.clone(), Vec::new());
    }
    Ok(Told { hashes, sent, inventory: Canonical::new(inventory) })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}

#[tracing::instrument(name = "gateway.own.inventory", level = "debug", skip_all, fields(agent = %call.agent.id))]
pub(super) async fn answer(call: &Call<'_>) -> Result<Said, Refused> {
    let inner = &call.gateway.inner;
    // The share of memory is held until the answer is made.
    let (told, _share) = call.unpack(|decoded| read(&decoded)).await?;
    let told = told?;
    let Some(_turn) = inner.turns.within(&format!("own {}", call.agent.id), inner.options.wait_time).await else {
        let text = "another inventory of this agent is being stored";
        return Err(Refused { later: true, ..Refused::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text) });
    };
    let hashes = told.hashes.clone();
    let wanted = wanted(call, hashes.clone()).await?;
    if wanted.iter().any(|name| !told.sent.contains(name)) {
        return Ok(want(wanted));
    }
    match store(call, told).await {
        Ok(()) => Ok(want(Vec::new())),
        // Something else was written meanwhile.
        Err(error) if error.key == NOT_HELD => Ok(want(self::wanted(call, hashes).await?)),
        Err(error) => Err(error.into()),
    }
}

fn want(want: Vec<String>) -> Said {
    Said::ok(&InventoryAnswer { status: "ok".to_owned(), want })
}

async fn wanted(call: &Call<'_>, hashes: BTreeMap<String, [u8; 32]>) -> Result<Vec<String>, Refused> {
    let (cx, id) = (call.gateway.cx_in(call.agent.org), call.agent.id);
    Ok(call.gateway.inner.engine.read(&cx, move |rx, _| intake::wanted(rx, id, &hashes)).await?)
}

async fn store(call: &Call<'_>, told: Told) -> Result<(), muster_engine::Error> {
    let engine = &call.gateway.inner.engine;
    let Told { hashes, sent, inventory } = told;
    let is_whole = inventory.inventory().completeness == Completeness::Full;
    let unchanged =
        hashes.into_iter().filter(|(name, _)| !sent.contains(name) && !inventory.inventory().sections.contains_key(name)).collect();
    let arrival = Arrival {
        protocol: Protocol::Muster,
        own: Some(call.agent.id),
        foreign_id: None,
        old_foreign_id: None,
        glpi_id: None,
        version: call.agent.version.clone(),
        source: call.peer,
        told: Arc::new(inventory),
        unchanged,
    };
    let cx = call.gateway.cx_in(call.agent.org);
    let stored = intake::store(engine, &cx, Arc::new(arrival), Patience::None).await?;
    engine.count_inventory();
    let (agent, device, at) = (stored.agent, stored.device, engine.now());
    engine.heard(Heard {
        agent,
        device,
        at,
        next: None,
        address: address(call.peer),
        version: None,
        inventory: is_whole,
        clock_offset: None,
    });
    tracing::debug!(%device, written = stored.written.len(), removed = stored.removed.len(), "stored");
    Ok(())
}
