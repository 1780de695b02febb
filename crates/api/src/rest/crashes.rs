//! Crashes that Muster's own agents told of themselves.

use super::devices::{NEWEST, NEWEST_SORTS};
use super::id;
use crate::auth::Ctx;
use crate::list::{Asked, List, text, words};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::extract::Path;
use muster_core::ids::CrashId;
use muster_engine::{CrashFilter, crashes};

/// Which crashes, the newest first.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct CrashQuery {
    /// Of this agent.
    pub agent: Option<String>,
    /// panic, killed; several by comma.
    pub kind: Option<String>,
    /// Of this version.
    pub version: Option<String>,
    /// Rows at most, 1 to 1000; 50 unless given.
    #[param(value_type = Option<u32>)]
    pub limit: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Lists crashes, the newest first.
#[utoipa::path(get, path = "/api/v1/crashes", tag = "agents", operation_id = "crash_list", params(CrashQuery),
    responses((status = 200, description = "A page of crashes, without their logs.", body = List<view::Crash>)))]
pub async fn crash_list(ctx: Ctx, Asked(query): Asked<CrashQuery>) -> Result<Json<List<view::Crash>>, Problem> {
    let page = crate::list::page(query.limit.as_deref(), query.cursor.as_deref(), NEWEST, NEWEST_SORTS)?;
    let agent = text(query.agent).map(|agent| id("agent/not-found", "agent", &agent)).transpose()?;
    let filter = CrashFilter { agent, kinds: words("kind", query.kind.as_deref())?, version: text(query.version) };
    let page = ctx.read(move |rx, cx| crashes::crash_list(rx, cx, &filter, &page)).await?;
    Ok(Json(List::of(page, |it| view::Crash { log: None, ..view::Crash::from(it) })))
}

/// Shows a crash with the latest lines of the agent's log before it.
#[utoipa::path(get, path = "/api/v1/crashes/{id}", tag = "agents", operation_id = "crash_view",
    params(("id" = String, Path, description = "Id of the crash.")),
    responses((status = 200, description = "The crash.", body = view::Crash)))]
pub async fn crash_view(ctx: Ctx, Path(text): Path<String>) -> Result<Json<view::Crash>, Problem> {
    let id: CrashId = id("crash/not-found", "crash", &text)?;
    Ok(Json(ctx.read(move |rx, cx| crashes::crash_view(rx, cx, id)).await?.into()))
}
