//! Agents: list, one, wake-ups.

use super::devices::{NEWEST, NEWEST_SORTS};
use super::id;
use crate::auth::{Ctx, Tagged};
use crate::csv::{Accept, Table};
use crate::json::Body;
use crate::list::{Asked, List, asked, flag, listed, text, words};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::extract::Path;
use axum::response::Response;
use muster_core::ids::AgentId;
use muster_core::page::PageRequest;
use muster_engine::{AgentFilter, Cx, Rx, fleet};

asked! {
    /// Which agents.
    AgentQuery {
        /// muster, glpi, fusioninventory, ocs; several by comma.
        protocol,
        /// One version.
        version,
        /// true or false.
        verified,
        /// Shut out of all work: true or false.
        quarantined,
        /// true or false.
        online,
        /// Text in DEVICEID, version or the device's name.
        q,
        /// `csv` gives all rows as CSV, up to 100,000.
        format,
        /// Columns of the CSV, by comma.
        columns,
    }
}

const CSV: Table = Table {
    name: "agents",
    columns: &[
        ("id", "/id"),
        ("org", "/org"),
        ("device", "/device/id"),
        ("device_name", "/device/name"),
        ("protocol", "/protocol"),
        ("version", "/version"),
        ("foreign_id", "/foreign_id"),
        ("agent_id", "/agent_id"),
        ("address", "/address"),
        ("port", "/port"),
        ("modules", "/modules"),
        ("verified", "/verified"),
        ("quarantined", "/quarantine/since"),
        ("online", "/online"),
        ("first_contact", "/first_contact"),
        ("last_contact", "/last_contact"),
        ("next_contact", "/next_contact"),
        ("last_wake", "/wake/last/at"),
        ("last_wake_outcome", "/wake/last/outcome"),
    ],
};

fn agent_id(text: &str) -> Result<AgentId, Problem> {
    id("agent/not-found", "agent", text)
}

/// Lists agents.
#[utoipa::path(get, path = "/api/v1/agents", tag = "agents", operation_id = "agent_list", params(AgentQuery),
    responses((status = 200, description = "A page of agents.",
        content((List<view::Agent> = "application/json"), (String = "text/csv")))))]
pub async fn agent_list(ctx: Ctx, accept: Accept, Asked(query): Asked<AgentQuery>) -> Result<Response, Problem> {
    let sheet = accept.sheet(&CSV, query.format.as_deref(), query.columns.as_deref())?;
    let page = query.page(&["id", "last_contact", "version"], "id")?;
    let online = flag("online", query.online.as_deref())?;
    let filter = AgentFilter {
        protocols: words("protocol", query.protocol.as_deref())?,
        version: text(query.version),
        verified: flag("verified", query.verified.as_deref())?,
        quarantined: flag("quarantined", query.quarantined.as_deref())?,
        heard_since: None,
        q: text(query.q),
    };
    let org = ctx.org.name.clone();
    let ask = move |rx: &mut Rx, cx: &Cx, page: &PageRequest| {
        Ok(fleet::agent_list(rx, cx, filter.clone(), online, page)?.map(|agent| view::Agent::of(agent, &org)))
    };
    listed(ctx, sheet, page, ask).await
}

/// Shows an agent.
#[utoipa::path(get, path = "/api/v1/agents/{id}", tag = "agents", operation_id = "agent_view",
    params(("id" = String, Path, description = "Id of the agent.")),
    responses((status = 200, description = "The agent; its version is the ETag.", body = view::Agent)))]
pub async fn agent_view(ctx: Ctx, Path(id): Path<String>) -> Result<Tagged<view::Agent>, Problem> {
    let id = agent_id(&id)?;
    let agent = ctx.read(move |rx, cx| fleet::agent_view(rx, cx, id)).await?;
    Ok(Tagged(agent.agent.version_no, view::Agent::of(agent, &ctx.org.name)))
}

/// Changes an agent.
#[utoipa::path(patch, path = "/api/v1/agents/{id}", tag = "agents", operation_id = "agent_update",
    params(("id" = String, Path, description = "Id of the agent.")), request_body = view::AgentPatch,
    responses((status = 200, description = "The agent as it is now.", body = view::Agent)))]
pub async fn agent_update(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Tagged<view::Agent>, Problem> {
    let (id, version) = (agent_id(&id)?, ctx.if_match);
    let patch: view::AgentPatch = body.object()?;
    let patch = fleet::AgentPatch::from(patch);
    let agent = ctx.write("agent.update", move |tx, cx| fleet::agent_update(tx, cx, id, &patch, version)).await?;
    Ok(Tagged(agent.agent.version_no, view::Agent::of(agent, &ctx.org.name)))
}

/// Takes an agent's key and trust away: an agent of Muster's own must join anew, any other is a stranger again.
#[utoipa::path(post, path = "/api/v1/agents/{id}/revoke", tag = "agents", operation_id = "agent_revoke",
    params(("id" = String, Path, description = "Id of the agent.")),
    responses((status = 200, description = "The agent as it is now.", body = view::Agent)))]
pub async fn agent_revoke(ctx: Ctx, Path(id): Path<String>) -> Result<Tagged<view::Agent>, Problem> {
    let id = agent_id(&id)?;
    let agent = ctx
        .write("agent.revoke", move |tx, cx| {
            muster_engine::enrol::revoke(tx, cx, id)?;
            fleet::agent_view(tx, cx, id)
        })
        .await?;
    Ok(Tagged(agent.agent.version_no, view::Agent::of(agent, &ctx.org.name)))
}

/// Which wake-ups, the newest first.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct WakeQuery {
    /// Rows at most, 1 to 1000; 50 unless given.
    #[param(value_type = Option<u32>)]
    pub limit: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Lists the wake-ups of an agent, the newest first.
#[utoipa::path(get, path = "/api/v1/agents/{id}/wakes", tag = "agents", operation_id = "agent_wakes",
    params(("id" = String, Path, description = "Id of the agent."), WakeQuery),
    responses((status = 200, description = "A page of wake-ups.", body = List<view::WakeTry>)))]
pub async fn agent_wakes(ctx: Ctx, Path(id): Path<String>, Asked(query): Asked<WakeQuery>) -> Result<Json<List<view::WakeTry>>, Problem> {
    let id = agent_id(&id)?;
    let page = crate::list::page(query.limit.as_deref(), query.cursor.as_deref(), NEWEST, NEWEST_SORTS)?;
    let page = ctx.read(move |rx, cx| fleet::wake_list(rx, cx, id, &page)).await?;
    Ok(Json(List::of(page, view::WakeTry::from)))
}
