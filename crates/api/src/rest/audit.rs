//! The audit log.

use super::devices::{NEWEST, NEWEST_SORTS};
use crate::auth::Ctx;
use crate::list::{Asked, List, text};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use muster_engine::audit;

/// Which lines, the newest first.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Who.
    pub actor: Option<String>,
    /// What was done, `noun_verb`.
    pub verb: Option<String>,
    /// Rows at most, 1 to 1000; 50 unless given.
    #[param(value_type = Option<u32>)]
    pub limit: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Lists who did what, the newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", operation_id = "audit_list", params(AuditQuery),
    responses((status = 200, description = "A page of the log.", body = List<view::AuditEntry>)))]
pub async fn audit_list(ctx: Ctx, Asked(query): Asked<AuditQuery>) -> Result<Json<List<view::AuditEntry>>, Problem> {
    let page = crate::list::page(query.limit.as_deref(), query.cursor.as_deref(), NEWEST, NEWEST_SORTS)?;
    let (actor, verb) = (text(query.actor), text(query.verb));
    let page = ctx.read(move |rx, cx| audit::audit_list(rx, cx, actor.as_deref(), verb.as_deref(), &page)).await?;
    Ok(Json(List::of(page, view::AuditEntry::from)))
}
