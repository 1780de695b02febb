//! The brake of an organization.

use crate::auth::Ctx;
use crate::json::Body;
use crate::problem::Problem;
use crate::view;
use axum::Json;
use muster_engine::{brake, runs};

/// Shows whether the brake is on.
#[utoipa::path(get, path = "/api/v1/brake", tag = "brake", operation_id = "brake_view",
    responses((status = 200, description = "The brake.", body = view::Brake)))]
pub async fn brake_view(ctx: Ctx) -> Result<Json<view::Brake>, Problem> {
    Ok(Json(ctx.read(runs::house_view).await?.into()))
}

/// Pulls the brake: nothing is handed out and nothing starts until it is released. What is under way goes on.
#[utoipa::path(post, path = "/api/v1/brake", tag = "brake", operation_id = "brake_pull", request_body = view::BrakePull,
    responses((status = 200, description = "The brake as it is now.", body = view::Brake)))]
pub async fn brake_pull(ctx: Ctx, body: Body) -> Result<Json<view::Brake>, Problem> {
    let asked: view::BrakePull = body.object()?;
    Ok(Json(ctx.write("brake.pull", move |tx, cx| brake::freeze(tx, cx, &asked.note)).await?.into()))
}

/// Releases the brake.
#[utoipa::path(delete, path = "/api/v1/brake", tag = "brake", operation_id = "brake_release",
    responses((status = 200, description = "The brake as it is now.", body = view::Brake)))]
pub async fn brake_release(ctx: Ctx) -> Result<Json<view::Brake>, Problem> {
    Ok(Json(ctx.write("brake.release", brake::release).await?.into()))
}
