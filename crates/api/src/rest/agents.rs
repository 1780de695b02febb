//! Agents: list, one, wake-ups.

use super::devices::{NEWEST, NEWEST_SORTS};
use super::id;
use crate::auth::{Ctx, Tagged};
use crate::json::Body;
use crate::list::{Asked, List, asked, flag, text, words};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::extract::Path;
use muster_core::ids::AgentId;
use muster_engine::{AgentFilter, fleet};

asked! {
    /// Which agents.
    AgentQuery {
        /// muster, glpi, fusioninventory, ocs; several by comma.
        protocol,
        /// One version.
        version,
        /// true or false.
        verified,
        /// true or false.
        online,
        /// Text in DEVICEID, version or the device's name.
        q,
    }
}

fn agent_id(text: &str) -> Result<AgentId, Problem> {
    id("agent/not-found", "agent", text)
}

/// Lists agents.
#[utoipa::path(get, path = "/api/v1/agents", tag = "agents", operation_id = "agent_list", params(AgentQuery),
    responses((status = 200, description = "A page of agents.", body = List<view::Agent>)))]
pub async fn agent_list(ctx: Ctx, Asked(query): Asked<AgentQuery>) -> Result<Json<List<view::Agent>>, Problem> {
    let page = query.page(&["id", "last_contact", "version"], "id")?;
    let online = flag("online", query.online.as_deref())?;
    let filter = AgentFilter {
        protocols: words("protocol", query.protocol.as_deref())?,
        version: text(query.version),
        verified: flag("verified", query.verified.as_deref())?,
        heard_since: None,
        q: text(query.q),
    };
    let page = ctx.read(move |rx, cx| fleet::agent_list(rx, cx, filter, online, &page)).await?;
    Ok(Json(List::of(page, |agent| view::Agent::of(agent, &ctx.org.name))))
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
    let patch = fleet::AgentPatch { verified: patch.verified, modules: patch.modules, disabled: patch.disabled };
    let agent = ctx.write("agent.update", move |tx, cx| fleet::agent_update(tx, cx, id, &patch, version)).await?;
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
