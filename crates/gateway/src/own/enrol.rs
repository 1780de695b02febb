//! An agent joins. Nobody has signed this: the token decides, and who guesses is slowed down by address.

use super::{Refused, Said, malformed, server_key};
use crate::bodies::Raw;
use crate::gateway::{Gateway, address};
use axum::http::StatusCode;
use muster_engine::Kind;
use muster_engine::enrol::{Enrol, enrol};
use muster_wire::native::{EnrolAnswer, EnrolRequest, Nonce, public_key};
use std::net::IpAddr;

/// Texts of a machine, characters: longer ones tell nothing more.
const TEXT_MAX: usize = 255;

/// The answer, and the nonce to sign it for when one was told.
pub(super) async fn answer(gateway: &Gateway, peer: Option<IpAddr>, body: Raw) -> (Option<Nonce>, Said) {
    let now = gateway.inner.engine.now().millis();
    if gateway.inner.failures.too_many(peer, now) {
        let text = "too many attempts to join failed from this address; try again in a minute";
        return (None, Refused { later: true, ..Refused::new(StatusCode::TOO_MANY_REQUESTS, "limit", text) }.into());
    }
    let unpacked = gateway.inner.unpacking.unpack(body, |decoded| serde_json::from_slice::<EnrolRequest>(&decoded.bytes)).await;
    let (nonce, said) = match unpacked {
        Ok((Ok(told), _share)) => (Some(told.nonce), join(gateway, peer, told).await),
        Ok((Err(error), _share)) => (None, Err(malformed(error))),
        Err(refusal) => (None, Err(Refused::from(refusal))),
    };
    if said.as_ref().is_err_and(|refused| refused.status.is_client_error()) {
        gateway.inner.failures.note(peer, now);
    }
    (nonce, said.unwrap_or_else(Said::from))
}

#[tracing::instrument(name = "gateway.own.enrol", level = "debug", skip_all, fields(peer = ?peer))]
async fn join(gateway: &Gateway, peer: Option<IpAddr>, told: EnrolRequest) -> Result<Said, Refused> {
    let key = public_key(&told.public_key).map_err(|e| Refused::new(StatusCode::BAD_REQUEST, "invalid", format!("public_key: {e}")))?;
    let cut = |text: String| -> String { text.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect() };
    let new = Enrol {
        token: told.token,
        public_key: key.to_bytes().to_vec(),
        name: cut(told.name),
        uuid: told.machine.uuid.map(cut),
        serial: told.machine.serial.map(cut),
        macs: told.machine.macs.into_iter().take(64).map(cut).collect(),
        version: Some(cut(told.version)),
        source: address(peer),
    };
    let cx = gateway.cx().await?;
    let enrolled = gateway.inner.engine.try_write("agent.enrol", &cx, move |tx, cx| enrol(tx, cx, &new)).await;
    let enrolled = enrolled.map_err(|error| match error.kind {
        Kind::Denied => Refused::new(StatusCode::FORBIDDEN, "token", error.detail),
        _ => error.into(),
    })?;
    tracing::info!(agent = %enrolled.agent, device = %enrolled.device, incarnation = enrolled.incarnation, "an agent joined");
    Ok(Said::ok(&EnrolAnswer {
        agent_id: enrolled.agent,
        incarnation: enrolled.incarnation,
        server_key: server_key(gateway),
        org: enrolled.org,
    }))
}
