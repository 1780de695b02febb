//! The queue: every assignment that is not final, of all tasks and devices; bulk acts on it.

use crate::auth::{Ctx, encode};
use crate::json::Body;
use crate::list::{Asked, List, asked, one, text, words};
use crate::pieces::in_pieces;
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::response::Response;
use muster_core::access::Role;
use muster_core::ids::AssignmentId;
use muster_core::limits::PAGE_ROWS_MAX;
use muster_core::settings::Span;
use muster_engine::queue::{self, QueueAct};
use muster_engine::{AssignmentFilter, Cx, Rx, Tx, runs};
use std::time::Duration;

/// The longest something is put off.
const DELAY_MAX: Duration = Duration::from_secs(366 * 86_400);

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
        open: true,
        states: words("state", asked.state.as_deref())?,
        run: one("run", asked.run.as_deref())?,
        task: one("task", asked.task.as_deref())?,
        device: one("device", asked.device.as_deref())?,
        q: text(asked.q),
        ..AssignmentFilter::default()
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

/// What a bulk act is aimed at.
fn aim(ids: Option<&Vec<String>>, asked: Option<&view::QueueFilter>) -> Result<AssignmentFilter, Problem> {
    match (ids, asked) {
        (Some(ids), None) if ids.len() <= PAGE_ROWS_MAX => {
            let ids = ids
                .iter()
                .enumerate()
                .map(|(i, text)| text.parse::<AssignmentId>().map_err(|e| Problem::invalid(&format!("/ids/{i}"), e.to_string())));
            Ok(AssignmentFilter { ids: Some(ids.collect::<Result<_, _>>()?), open: true, ..AssignmentFilter::default() })
        }
        (Some(ids), None) => Err(Problem::invalid("/ids", format!("{} ids; at most {PAGE_ROWS_MAX} are taken, use a filter", ids.len()))),
        (None, Some(asked)) => filter(asked.clone()),
        _ => Err(Problem::invalid("", "say on what to act: either ids or a filter; an empty filter is the whole queue")),
    }
}

/// Cancels assignments of the queue, by ids or by a filter. Above the size guard the number must be said.
#[utoipa::path(post, path = "/api/v1/queue/cancel", tag = "queue", operation_id = "queue_cancel", request_body = view::QueueCancel,
    responses((status = 200, description = "How many were ended or asked to end.", body = view::QueueCancelled),
        (status = 409, description = "`queue/size-guard` with `count`.", body = crate::problem::ProblemDocument,
            content_type = "application/problem+json")))]
pub async fn queue_cancel(ctx: Ctx, body: Body) -> Result<Response, Problem> {
    let asked: view::QueueCancel = body.object()?;
    let aim = aim(asked.ids.as_ref(), asked.filter.as_ref())?;
    act(&ctx, &body, aim, QueueAct::Cancel, asked.confirm_count).await
}

/// Puts off assignments that wait, by ids or by a filter: until an instant, or by a time from now. Above the size guard the number
/// must be said.
#[utoipa::path(post, path = "/api/v1/queue/delay", tag = "queue", operation_id = "queue_delay", request_body = view::QueueDelay,
    responses((status = 200, description = "How many were put off.", body = view::QueueChanged),
        (status = 409, description = "`queue/size-guard` with `count`.", body = crate::problem::ProblemDocument,
            content_type = "application/problem+json")))]
pub async fn queue_delay(ctx: Ctx, body: Body) -> Result<Response, Problem> {
    let asked: view::QueueDelay = body.object()?;
    let aim = aim(asked.ids.as_ref(), asked.filter.as_ref())?;
    let until = match (super::instant("/until", asked.until.as_deref())?, asked.by.as_deref()) {
        (Some(until), None) => until,
        (None, Some(text)) => {
            let by = Span::parse(text).filter(|by| by.0 <= DELAY_MAX);
            ctx.now().plus(by.ok_or_else(|| Problem::invalid("/by", format!("'{text}' is no time of at most a year, such as 2h or 3d")))?.0)
        }
        _ => return Err(Problem::invalid("/until", "say until when: either until (an instant) or by (a time from now, such as 2h)")),
    };
    if until <= ctx.now() || until > ctx.now().plus(DELAY_MAX) {
        return Err(Problem::invalid("/until", format!("{until} is not within a year from now")));
    }
    act(&ctx, &body, aim, QueueAct::Delay(until), asked.confirm_count).await
}

/// Gives assignments of the queue another priority, by ids or by a filter. Above the size guard the number must be said.
#[utoipa::path(post, path = "/api/v1/queue/priority", tag = "queue", operation_id = "queue_prioritise", request_body = view::QueuePriority,
    responses((status = 200, description = "How many have the new priority.", body = view::QueueChanged),
        (status = 409, description = "`queue/size-guard` with `count`.", body = crate::problem::ProblemDocument,
            content_type = "application/problem+json")))]
pub async fn queue_prioritise(ctx: Ctx, body: Body) -> Result<Response, Problem> {
    let asked: view::QueuePriority = body.object()?;
    let aim = aim(asked.ids.as_ref(), asked.filter.as_ref())?;
    let Some(priority) = asked.priority.filter(|p| *p <= 9) else {
        return Err(Problem::invalid("/priority", "say a priority: a whole number from 0 (first) to 9 (last)"));
    };
    act(&ctx, &body, aim, QueueAct::Prioritise(priority), asked.confirm_count).await
}

/// Checks an act and does it; a repeated request gets its answer again.
async fn act(ctx: &Ctx, body: &Body, aim: AssignmentFilter, act: QueueAct, confirmed: Option<i64>) -> Result<Response, Problem> {
    ctx.cx.may_here(Role::Operator, "changing the queue")?;
    let check = move |rx: &mut Rx, cx: &Cx| queue::check(rx, cx, &aim, act, confirmed).map(|_| aim);
    let piece = move |tx: &mut Tx, cx: &Cx, aim: &AssignmentFilter, first| queue::piece(tx, cx, aim, act, first);
    let answer = move |_: &mut Tx, _: &Cx, count| match act {
        QueueAct::Cancel => encode(&view::QueueCancelled { cancelled: count }),
        _ => encode(&view::QueueChanged { changed: count }),
    };
    in_pieces(ctx, "queue.act", body, check, piece, answer).await
}
