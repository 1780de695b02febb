//! Assignments: one, why, cancel; the queue of all that are not final.

use super::id;
use crate::auth::{Ctx, encode};
use crate::json::Body;
use crate::list::{Asked, List, asked, one, text, words};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use muster_core::access::Role;
use muster_core::ids::AssignmentId;
use muster_core::limits::PAGE_ROWS_MAX;
use muster_engine::idempotency::{self, Once};
use muster_engine::{AssignmentFilter, runs};

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

asked! {
    /// Which assignments that are not final.
    QueueQuery {
        /// States, several by comma.
        state,
        /// Id of a task.
        task,
        /// Id of a device.
        device,
        /// Id of a run.
        run,
        /// Text in the device's or task's name.
        q,
    }
}

fn filter(asked: view::QueueFilter) -> Result<AssignmentFilter, Problem> {
    Ok(AssignmentFilter {
        ids: None,
        open: true,
        not_asked: false,
        states: words("state", asked.state.as_deref())?,
        run: one("run", asked.run.as_deref())?,
        task: one("task", asked.task.as_deref())?,
        device: one("device", asked.device.as_deref())?,
        q: text(asked.q),
    })
}

/// Lists every assignment that is not final, of all tasks and devices, the next first.
#[utoipa::path(get, path = "/api/v1/queue", tag = "queue", operation_id = "queue_list", params(QueueQuery),
    responses((status = 200, description = "A page of assignments.", body = List<view::Assignment>)))]
pub async fn queue_list(ctx: Ctx, Asked(query): Asked<QueueQuery>) -> Result<Json<List<view::Assignment>>, Problem> {
    let page = query.page(&["priority", "created"], "priority")?;
    let asked = view::QueueFilter { state: query.state, task: query.task, run: query.run, device: query.device, q: query.q };
    let filter = filter(asked)?;
    let page = ctx.read(move |rx, cx| runs::assignment_list(rx, cx, &filter, &page)).await?;
    Ok(Json(List::of(page, |(row, reason)| view::Assignment::of(row, reason))))
}

/// What a bulk cancel is aimed at.
fn aim(asked: &view::QueueCancel) -> Result<AssignmentFilter, Problem> {
    match (&asked.ids, &asked.filter) {
        (Some(ids), None) if ids.len() <= PAGE_ROWS_MAX => {
            let ids = ids
                .iter()
                .enumerate()
                .map(|(i, text)| text.parse::<AssignmentId>().map_err(|e| Problem::invalid(&format!("/ids/{i}"), e.to_string())));
            Ok(AssignmentFilter { ids: Some(ids.collect::<Result<_, _>>()?), open: true, ..AssignmentFilter::default() })
        }
        (Some(ids), None) => Err(Problem::invalid("/ids", format!("{} ids; at most {PAGE_ROWS_MAX} are taken, use a filter", ids.len()))),
        (None, Some(asked)) => filter(asked.clone()),
        _ => Err(Problem::invalid("", "say what to cancel: either ids or a filter; an empty filter is the whole queue")),
    }
}

/// Cancels assignments of the queue, by ids or by a filter. Above the size guard the number must be said.
#[utoipa::path(post, path = "/api/v1/queue/cancel", tag = "queue", operation_id = "queue_cancel", request_body = view::QueueCancel,
    responses((status = 200, description = "How many were ended or asked to end.", body = view::QueueCancelled),
        (status = 409, description = "`queue/size-guard` with `count`.", body = crate::problem::ProblemDocument,
            content_type = "application/problem+json")))]
pub async fn queue_cancel(ctx: Ctx, body: Body) -> Result<Response, Problem> {
    ctx.cx.may_here(Role::Operator, "cancelling the queue")?;
    let asked: view::QueueCancel = body.object()?;
    let (aim, confirmed, once) = (aim(&asked)?, asked.confirm_count, ctx.once(&body.bytes));
    let (check, look) = (aim.clone(), once.clone());
    let kept = ctx
        .read(move |rx, cx| {
            let kept = look.map_or(Ok(None), |once| idempotency::kept(rx, cx, &once))?;
            if kept.is_none() {
                runs::queue_cancel_check(rx, cx, &check, confirmed)?;
            }
            Ok(kept)
        })
        .await?;
    let text = match kept {
        Some(text) => text,
        None => cancel_all(&ctx, aim, once).await?,
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// Cancels piece by piece; the answer is kept with the last piece.
async fn cancel_all(ctx: &Ctx, aim: AssignmentFilter, once: Option<Once>) -> Result<String, Problem> {
    let mut cancelled = 0;
    loop {
        let (aim, once, before) = (aim.clone(), once.clone(), cancelled);
        let (count, text) = ctx
            .write("queue.cancel", move |tx, cx| {
                let count = runs::queue_cancel_piece(tx, cx, &aim, before == 0)?;
                let text = encode(&view::QueueCancelled { cancelled: before + count })?;
                if let (0, Some(once)) = (count, &once) {
                    idempotency::keep(tx, cx, once, 200, &text)?;
                }
                Ok((count, text))
            })
            .await?;
        if count == 0 {
            return Ok(text);
        }
        cancelled += count;
    }
}
