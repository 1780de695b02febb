//! Organizations, and their names for what else is shown.

use crate::auth::{Created, Ctx, Keep};
use crate::json::Body;
use crate::list::List;
use crate::problem::Problem;
use crate::view;
use axum::Json;
use muster_core::ids::OrgId;
use muster_engine::{Cx, Error, Rx, access};
use std::collections::BTreeMap;

/// Lists the organizations that the caller may act in.
#[utoipa::path(get, path = "/api/v1/orgs", tag = "orgs", operation_id = "org_list",
    responses((status = 200, description = "All of them, by name.", body = List<view::Org>)))]
pub async fn org_list(ctx: Ctx) -> Result<Json<List<view::Org>>, Problem> {
    let items: Vec<view::Org> = ctx.read(access::org_list).await?.into_iter().map(view::Org::from).collect();
    let total = i64::try_from(items.len()).ok();
    Ok(Json(List { items, next: None, total }))
}

/// Adds an organization. For administrators of all.
#[utoipa::path(post, path = "/api/v1/orgs", tag = "orgs", operation_id = "org_create", request_body = view::NewOrg,
    responses((status = 201, description = "The organization.", body = view::Org)))]
pub async fn org_create(ctx: Ctx, body: Body) -> Result<Created, Problem> {
    let new: view::NewOrg = body.object()?;
    let make = move |tx: &mut muster_engine::Tx, cx: &Cx| access::org_create(tx, cx, &new.name).map(view::Org::from);
    ctx.create("org.create", &body.bytes, Keep::Answer, make).await
}

/// Names of organizations by id.
pub(super) struct Names(BTreeMap<OrgId, String>);

impl Names {
    /// Of those that the caller sees.
    pub(super) fn load(rx: &mut Rx, cx: &Cx) -> Result<Self, Error> {
        Ok(Self(access::org_list(rx, cx)?.into_iter().map(|o| (o.id, o.name)).collect()))
    }

    /// The name of one; its id when it has no known name.
    pub(super) fn of(&self, org: Option<OrgId>) -> Option<String> {
        org.map(|id| self.0.get(&id).cloned().unwrap_or_else(|| id.to_string()))
    }
}

/// The organization that a body names by id or name.
pub(super) fn named(rx: &mut Rx, cx: &Cx, text: Option<&str>) -> Result<Option<OrgId>, Error> {
    let found = |text| access::org_of(rx, &cx.caller, Some(text)).map(|org| org.id);
    text.filter(|t| !t.is_empty()).map(found).transpose()
}
