//! Settings of the organization acted in.

use crate::auth::{Ctx, Tagged};
use crate::json::Body;
use crate::problem::Problem;
use crate::view;
use muster_engine::access;

/// Shows the settings.
#[utoipa::path(get, path = "/api/v1/settings", tag = "settings", operation_id = "settings_view",
    responses((status = 200, description = "The settings; their version is the ETag.", body = view::Settings)))]
pub async fn settings_view(ctx: Ctx) -> Result<Tagged<view::Settings>, Problem> {
    let org = ctx.read(access::settings_view).await?;
    Ok(Tagged(org.settings_version, org.settings.into()))
}

/// Changes the settings that the body names.
#[utoipa::path(patch, path = "/api/v1/settings", tag = "settings", operation_id = "settings_update", request_body = view::SettingsPatch,
    responses((status = 200, description = "The settings as they are now.", body = view::Settings)))]
pub async fn settings_update(ctx: Ctx, body: Body) -> Result<Tagged<view::Settings>, Problem> {
    let (patch, version) = (body.map()?, ctx.if_match);
    let org = ctx.write("settings.update", move |tx, cx| access::settings_update(tx, cx, &patch, version)).await?;
    Ok(Tagged(org.settings_version, org.settings.into()))
}
