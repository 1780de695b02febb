//! Assignments: one, why, cancel.

use super::id;
use crate::auth::Ctx;
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::extract::Path;
use muster_core::ids::AssignmentId;
use muster_engine::runs;

fn assignment_id(text: &str) -> Result<AssignmentId, Problem> {
    id("assignment/not-found", "assignment", text)
}

/// Shows an assignment with its attempts and its record.
#[utoipa::path(get, path = "/api/v1/assignments/{id}", tag = "assignments", operation_id = "assignment_view",
    params(("id" = String, Path, description = "Id of the assignment.")),
    responses((status = 200, description = "The assignment.", body = view::AssignmentFull)))]
pub async fn assignment_view(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::AssignmentFull>, Problem> {
    let id = assignment_id(&id)?;
    Ok(Json(ctx.read(move |rx, cx| runs::assignment_view(rx, cx, id)).await?.into()))
}

/// Says why an assignment stands where it does, and what will end that.
#[utoipa::path(get, path = "/api/v1/assignments/{id}/why", tag = "assignments", operation_id = "assignment_why",
    params(("id" = String, Path, description = "Id of the assignment.")),
    responses((status = 200, description = "The reason and the conditions behind it.", body = view::Why)))]
pub async fn assignment_why(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::Why>, Problem> {
    let id = assignment_id(&id)?;
    Ok(Json(ctx.read(move |rx, cx| runs::assignment_view(rx, cx, id)).await?.into()))
}

/// Ends an assignment that waits; asks for the end of one that is under way.
#[utoipa::path(post, path = "/api/v1/assignments/{id}/cancel", tag = "assignments", operation_id = "assignment_cancel",
    params(("id" = String, Path, description = "Id of the assignment.")),
    responses((status = 200, description = "The assignment as it is now.", body = view::Assignment)))]
pub async fn assignment_cancel(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::Assignment>, Problem> {
    let id = assignment_id(&id)?;
    let detail = ctx.write("assignment.cancel", move |tx, cx| runs::assignment_cancel(tx, cx, id)).await?;
    Ok(Json(view::AssignmentFull::from(detail).assignment))
}
