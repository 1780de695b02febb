//! Inventories of agents that speak XML: one at a time per device, answered after the commit.

use super::Message;
use super::reply::{Form, Reply};
use super::speaker::Speaker;
use crate::gateway::Gateway;
use crate::store::Sender;
use crate::turns::Turn;
use axum::http::StatusCode;
use muster_core::fleet::Protocol;
use muster_core::inventory::{Row, Told, text};
use muster_engine::Error;
use muster_engine::intake::{Patience, Stored};
use muster_wire::legacy::answer as words;
use std::sync::Arc;

/// The tag of a device that has none (`docs/protocols/ocs.md`, "Answers").
const NO_TAG: &str = "NA";

pub(super) async fn answer(gateway: &Gateway, speaker: &Speaker, protocol: Protocol, message: Message) -> Reply {
    let form = if protocol == Protocol::Ocs { Form::Ocs } else { Form::Xml };
    let coding = message.coding;
    let Some(device_id) = message.request.device_id.clone() else {
        return Reply::refuse(form, StatusCode::BAD_REQUEST, "DEVICEID is missing, so nobody knows whose inventory this is");
    };
    let Some(_turn) = turn(gateway, form, &device_id).await else {
        let text = "another inventory of this device is being stored";
        return match form {
            Form::Ocs => Reply::refuse(form, StatusCode::FORBIDDEN, text),
            Form::Xml | Form::Json => Reply::later(form, text),
        };
    };
    let account = if form == Form::Ocs { message.request.inventory.as_deref().map(account).unwrap_or_default() } else { Vec::new() };
    match store(gateway, speaker, protocol, &device_id, message).await {
        Ok(stored) if form == Form::Ocs => Reply::said(form, coding, &account_answer(&stored, &account)),
        Ok(_) => Reply::said(form, coding, &words::empty_reply()),
        Err(error) => Reply::error(form, &error),
    }
}

/// The device's turn. OCS agents are told at once that another has it, as their own server does; the others never send an
/// inventory again, so they wait a moment.
async fn turn(gateway: &Gateway, form: Form, device_id: &str) -> Option<Turn> {
    let turns = &gateway.inner.turns;
    match form {
        Form::Ocs => turns.now(&format!("ocs {device_id}")),
        Form::Xml | Form::Json => turns.within(&format!("xml {device_id}"), gateway.inner.options.wait_time).await,
    }
}

/// Who sends a message, and its inventory with what was prepared of it.
async fn store(gateway: &Gateway, speaker: &Speaker, protocol: Protocol, device_id: &str, message: Message) -> Result<Stored, Error> {
    let version = speaker.version(&message.request);
    let Message { request, .. } = message;
    let told = request.inventory.ok_or_else(|| Error::invalid("inventory/no-content", "", "the inventory has no CONTENT"))?;
    let sender = Sender {
        protocol,
        device_id: device_id.to_owned(),
        old_device_id: request.old_device_id,
        glpi_id: speaker.glpi_id.clone(),
        version,
        peer: speaker.peer,
        proxies: speaker.proxies.clone(),
        pass: speaker.pass.clone(),
    };
    crate::store::inventory(gateway, sender, Arc::from(told), Patience::None).await
}

/// Names and values of the account information that came.
fn account(told: &dyn Told) -> Vec<(String, String)> {
    let pair = |row: &Row| Some((text(row, "keyname")?.to_owned(), text(row, "keyvalue").unwrap_or_default().to_owned()));
    told.rows("accountinfo").iter().filter_map(pair).take(100).collect()
}

/// The first inventory brings the tag; later the server's counts, and an agent that says another, or none, is told it
/// (`docs/protocols/ocs.md`, "Answers"). What else the agent has of account information it keeps.
fn account_answer(stored: &Stored, told: &[(String, String)]) -> String {
    let held = stored.tag.as_deref().unwrap_or(NO_TAG);
    let said = told.iter().find(|(name, _)| name == "TAG").map(|(_, tag)| tag.as_str());
    let said = if stored.new_agent { Some(said.unwrap_or(NO_TAG)) } else { said };
    if said == Some(held) {
        return words::no_account_update();
    }
    let others = told.iter().filter(|(name, _)| name != "TAG").map(|(name, value)| (name.as_str(), value.as_str()));
    words::account_update(&std::iter::once(("TAG", held)).chain(others).collect::<Vec<_>>())
}
