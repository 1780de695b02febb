//! Approvals: large starts that wait for a second person.

use super::devices::{NEWEST, NEWEST_SORTS};
use super::id;
use super::tasks::task_id;
use crate::auth::{Created, Ctx, Keep};
use crate::json::Body;
use crate::list::{Asked, List, words};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::extract::Path;
use muster_core::ids::ApprovalId;
use muster_engine::approvals::{self, Answer};

/// Which approvals, the newest first.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ApprovalQuery {
    /// One or several of `asked`, `approved`, `rejected`, `used`, by comma.
    pub state: Option<String>,
    /// Of this task.
    pub task: Option<String>,
    /// Rows at most, 1 to 1000; 50 unless given.
    #[param(value_type = Option<u32>)]
    pub limit: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

fn approval_id(text: &str) -> Result<ApprovalId, Problem> {
    id("approval/not-found", "approval", text)
}

/// Lists approvals, the newest first.
#[utoipa::path(get, path = "/api/v1/approvals", tag = "tasks", operation_id = "approval_list", params(ApprovalQuery),
    responses((status = 200, description = "A page of approvals.", body = List<view::StartApproval>)))]
pub async fn approval_list(ctx: Ctx, Asked(query): Asked<ApprovalQuery>) -> Result<Json<List<view::StartApproval>>, Problem> {
    let page = crate::list::page(query.limit.as_deref(), query.cursor.as_deref(), NEWEST, NEWEST_SORTS)?;
    let states = words("state", query.state.as_deref())?;
    let task = query.task.as_deref().map(task_id).transpose()?;
    let page = ctx.read(move |rx, cx| approvals::approval_list(rx, cx, task, &states, &page)).await?;
    Ok(Json(List::of(page, view::StartApproval::from)))
}

/// Shows an approval.
#[utoipa::path(get, path = "/api/v1/approvals/{id}", tag = "tasks", operation_id = "approval_view",
    params(("id" = String, Path, description = "Id of the approval.")),
    responses((status = 200, description = "The approval.", body = view::StartApproval)))]
pub async fn approval_view(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::StartApproval>, Problem> {
    let id = approval_id(&id)?;
    Ok(Json(ctx.read(move |rx, cx| approvals::approval_view(rx, cx, id)).await?.into()))
}

/// Asks for the approval of a start of the task as it would be now. Where one is open for the same set, that one is given.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/approvals", tag = "tasks", operation_id = "approval_ask",
    params(("id" = String, Path, description = "Id of the task.")), request_body = view::ApprovalAsk,
    responses((status = 201, description = "The approval, `asked`.", body = view::StartApproval),
        (status = 409, description = "`approval/not-needed`, `run/plan-changed`.",
            body = crate::problem::ProblemDocument, content_type = "application/problem+json")))]
pub async fn approval_ask(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Created, Problem> {
    let id = task_id(&id)?;
    let ask: view::ApprovalAsk = body.object_or_nothing()?;
    let make = move |tx: &mut muster_engine::Tx, cx: &muster_engine::Cx| {
        approvals::approval_ask(tx, cx, id, ask.plan.as_deref(), &ask.note).map(view::StartApproval::from)
    };
    ctx.create("approval.ask", &body.bytes, Keep::Answer, make).await
}

/// Approves one start of exactly this set; a person who neither asked for it nor wrote the version that would start.
#[utoipa::path(post, path = "/api/v1/approvals/{id}/approve", tag = "tasks", operation_id = "approval_approve",
    params(("id" = String, Path, description = "Id of the approval.")), request_body = view::ApprovalNote,
    responses((status = 200, description = "The approval, `approved` for seven days.", body = view::StartApproval),
        (status = 403, description = "`approval/not-yours`.", body = crate::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "`approval/decided`, `run/plan-changed`.",
            body = crate::problem::ProblemDocument, content_type = "application/problem+json")))]
pub async fn approval_approve(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Json<view::StartApproval>, Problem> {
    answer(&ctx, &id, &body, Answer::Approve).await
}

/// Rejects a start; who asked for it takes it back in the same way.
#[utoipa::path(post, path = "/api/v1/approvals/{id}/reject", tag = "tasks", operation_id = "approval_reject",
    params(("id" = String, Path, description = "Id of the approval.")), request_body = view::ApprovalNote,
    responses((status = 200, description = "The approval, `rejected`.", body = view::StartApproval),
        (status = 409, description = "`approval/decided`.", body = crate::problem::ProblemDocument, content_type = "application/problem+json")))]
pub async fn approval_reject(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Json<view::StartApproval>, Problem> {
    answer(&ctx, &id, &body, Answer::Reject).await
}

async fn answer(ctx: &Ctx, id: &str, body: &Body, answer: Answer) -> Result<Json<view::StartApproval>, Problem> {
    let id = approval_id(id)?;
    let said: view::ApprovalNote = body.object_or_nothing()?;
    let done = ctx.write("approval.answer", move |tx, cx| approvals::approval_answer(tx, cx, id, answer, &said.note)).await?;
    Ok(Json(done.into()))
}
