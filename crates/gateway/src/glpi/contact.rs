//! CONTACT: who comes, what it can do, and what it shall do now (`docs/protocols/glpi-native.md`, "CONTACT").

use super::Said;
use crate::gateway::Gateway;
use crate::legacy::Speaker;
use axum::http::StatusCode;
use muster_core::fleet::{Protocol, tasks_not_wanted};
use muster_engine::contact::{Greeting, Hello, own_presence, prolog_idle};
use muster_engine::{Error, glpi};
use muster_wire::glpi::{ContactAnswer, Expiration};
use muster_wire::glpi_message::Contact;

pub(super) async fn answer(gateway: Gateway, speaker: Speaker, told: Contact) -> Said {
    match greet(&gateway, &speaker, told).await {
        Ok(greeting) => Said::new(StatusCode::OK, text(&greeting)),
        Err(error) => error.into(),
    }
}

#[tracing::instrument(name = "gateway.glpi.contact", level = "debug", skip_all, fields(device_id = told.device_id, peer = ?speaker.peer), err(level = "info"))]
async fn greet(gateway: &Gateway, speaker: &Speaker, told: Contact) -> Result<Greeting, Error> {
    let engine = &gateway.inner.engine;
    let cx = gateway.cx_with(speaker.pass.as_ref()).await?;
    let contact = glpi::Contact {
        hello: Hello {
            protocol: Protocol::Glpi,
            foreign_id: told.device_id,
            version: speaker.agent.version.clone().or(told.version).map(|v| v.chars().take(100).collect()),
            address: speaker.address(),
            vouched: speaker.is_vouched(),
            packages: false,
        },
        glpi_id: speaker.glpi_id.clone(),
        installed: told.installed_tasks,
        enabled: told.enabled_tasks,
        port: told.httpd_port,
        proxies: speaker.proxies.clone(),
    };
    let look = engine.look(&cx, &contact.hello).await?;
    let greeting = if glpi::needs_write(&look, &contact) {
        let asked = contact.clone();
        engine.write("glpi.contact", &cx, move |tx, cx| glpi::contact(tx, cx, &asked)).await?
    } else {
        prolog_idle(&look, &contact.hello, engine.now())
    };
    let Hello { version, address, .. } = contact.hello.clone();
    match &look.agent {
        Some(agent) => engine.heard(own_presence(agent, engine.now(), greeting.next_contact_in, address, version)),
        None => gateway.inner.callers.note(contact),
    }
    tracing::debug!(send = greeting.send_inventory, orders = greeting.claimed.len(), "answered");
    Ok(greeting)
}

fn text(greeting: &Greeting) -> String {
    let wanted: Vec<&str> =
        [("inventory", greeting.send_inventory), ("deploy", greeting.deploys)].iter().filter(|t| t.1).map(|t| t.0).collect();
    let answer = ContactAnswer {
        expiration: Expiration::of(greeting.next_contact_in),
        disabled: tasks_not_wanted(&wanted),
        // No work of the network tasks is handed out yet, so no agent needs to ask by PROLOG for it.
        over_prolog: Vec::new(),
        message: None,
    };
    answer.text()
}
