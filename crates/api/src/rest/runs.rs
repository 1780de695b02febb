//! Runs: list, one, assignments, record, pause, resume, cancel.

use super::id;
use crate::auth::{Created, Ctx, Keep};
use crate::json::Body;
use crate::list::{Asked, List, asked, one, text, words};
use crate::problem::Problem;
use crate::view::{self, Named};
use axum::Json;
use axum::extract::Path;
use muster_core::ids::{AssignmentId, RunId};
use muster_core::limits::PAGE_ROWS_MAX;
use muster_core::page::PageRequest;
use muster_core::tasks::{Event, State};
use muster_engine::{AssignmentFilter, Cx, Error, RunFilter, Rx, Tx, brake, runs};
use std::collections::BTreeMap;

asked! {
    /// Which runs; the newest first unless asked for otherwise.
    RunQuery {
        /// States, several by comma.
        state,
        /// Verdicts, several by comma.
        verdict,
        /// Id of a task.
        task,
    }
}

pub(super) fn run_id(text: &str) -> Result<RunId, Problem> {
    id("run/not-found", "run", text)
}

/// Lists runs.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", operation_id = "run_list", params(RunQuery),
    responses((status = 200, description = "A page of runs.", body = List<view::RunSummary>)))]
pub async fn run_list(ctx: Ctx, Asked(query): Asked<RunQuery>) -> Result<Json<List<view::RunSummary>>, Problem> {
    let page = query.page(&["created"], "-created")?;
    let filter = RunFilter {
        states: words("state", query.state.as_deref())?,
        verdicts: words("verdict", query.verdict.as_deref())?,
        task: one("task", query.task.as_deref())?,
    };
    let page = ctx.read(move |rx, cx| runs::run_list(rx, cx, &filter, &page)).await?;
    Ok(Json(List::of(page, view::RunSummary::from)))
}

/// Shows a run with its steps.
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "runs", operation_id = "run_view",
    params(("id" = String, Path, description = "Id of the run.")),
    responses((status = 200, description = "The run.", body = view::Run)))]
pub async fn run_view(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::Run>, Problem> {
    let id = run_id(&id)?;
    Ok(Json(ctx.read(move |rx, cx| runs::run_view(rx, cx, id)).await?.into()))
}

asked! {
    /// Which assignments of the run.
    RunAssignmentQuery {
        /// States, several by comma.
        state,
        /// Text in the device's name.
        q,
        /// Id of a step.
        step,
    }
}

/// Lists the assignments of a run.
#[utoipa::path(get, path = "/api/v1/runs/{id}/assignments", tag = "runs", operation_id = "run_assignments",
    params(("id" = String, Path, description = "Id of the run."), RunAssignmentQuery),
    responses((status = 200, description = "A page of assignments.", body = List<view::Assignment>)))]
pub async fn run_assignments(
    ctx: Ctx,
    Path(id): Path<String>,
    Asked(query): Asked<RunAssignmentQuery>,
) -> Result<Json<List<view::Assignment>>, Problem> {
    let id = run_id(&id)?;
    let page = query.page(&["created", "priority"], "created")?;
    let states = words("state", query.state.as_deref())?;
    let filter = AssignmentFilter { run: Some(id), states, q: text(query.q), step: text(query.step), ..AssignmentFilter::default() };
    let page = ctx
        .read(move |rx, cx| {
            runs::run_view(rx, cx, id)?;
            runs::assignment_list(rx, cx, &filter, &page)
        })
        .await?;
    Ok(Json(List::of(page, |(row, reason)| view::Assignment::of(row, reason))))
}

asked! {
    /// Which targets of the run.
    RunTargetQuery {
        /// States, several by comma.
        state,
    }
}

/// Lists the targets of a run of several steps, each with its way through them. A run of one step has none here: its assignments
/// are its targets.
#[utoipa::path(get, path = "/api/v1/runs/{id}/targets", tag = "runs", operation_id = "run_targets",
    params(("id" = String, Path, description = "Id of the run."), RunTargetQuery),
    responses((status = 200, description = "A page of targets.", body = List<view::RunTarget>)))]
pub async fn run_targets(
    ctx: Ctx,
    Path(id): Path<String>,
    Asked(query): Asked<RunTargetQuery>,
) -> Result<Json<List<view::RunTarget>>, Problem> {
    let id = run_id(&id)?;
    let page = query.page(&["device"], "device")?;
    let states: Vec<State> = words("state", query.state.as_deref())?;
    let (page, steps) = ctx
        .read(move |rx, cx| {
            let steps: Vec<String> = runs::run_view(rx, cx, id)?.steps.into_iter().map(|(s, _)| s.name).collect();
            Ok((runs::run_targets(rx, cx, id, &states, &page)?, steps))
        })
        .await?;
    Ok(Json(List::of(page, |target| view::RunTarget::of(target, &steps))))
}

/// Shows the pool that does a run, and what each of its agents did. Other runs have none.
#[utoipa::path(get, path = "/api/v1/runs/{id}/pool", tag = "runs", operation_id = "run_pool",
    params(("id" = String, Path, description = "Id of the run.")),
    responses((status = 200, description = "The pool.", body = view::RunPool)))]
pub async fn run_pool(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::RunPool>, Problem> {
    let id = run_id(&id)?;
    Ok(Json(ctx.read(move |rx, cx| muster_engine::pool::run_pool(rx, cx, id)).await?.into()))
}

/// Starts the task of a run again, in its newest version, on those of its targets that did not end well.
#[utoipa::path(post, path = "/api/v1/runs/{id}/retry", tag = "runs", operation_id = "run_retry",
    params(("id" = String, Path, description = "Id of the run.")), request_body = view::RunRetry,
    responses((status = 201, description = "The new run.", body = view::Run)))]
pub async fn run_retry(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Created, Problem> {
    let id = run_id(&id)?;
    let asked: view::RunRetry = body.object_or_nothing()?;
    let named = asked.states.unwrap_or_else(|| ["error", "unknown", "expired"].map(str::to_owned).to_vec());
    let states = named.iter().map(|word| word.parse::<State>()).collect::<Result<Vec<_>, _>>();
    let states = states.map_err(|what| Problem::invalid("states", what))?;
    let start = runs::Start { confirm_count: asked.confirm_count, plan: None };
    let retry = move |tx: &mut Tx, cx: &Cx| runs::run_retry(tx, cx, id, &states, &start).map(view::Run::from);
    ctx.create("run.retry", &body.bytes, Keep::Answer, retry).await
}

/// Which entries of the record, the newest first.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// Rows at most, 1 to 1000; 50 unless given.
    #[param(value_type = Option<u32>)]
    pub limit: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Lists the record of a run, the newest entry first.
#[utoipa::path(get, path = "/api/v1/runs/{id}/events", tag = "runs", operation_id = "run_events",
    params(("id" = String, Path, description = "Id of the run."), EventQuery),
    responses((status = 200, description = "A page of entries.", body = List<view::Event>)))]
pub async fn run_events(ctx: Ctx, Path(id): Path<String>, Asked(query): Asked<EventQuery>) -> Result<Json<List<view::Event>>, Problem> {
    let id = run_id(&id)?;
    let limit = crate::list::page(query.limit.as_deref(), None, "-at", &["at"])?.limit;
    let before: Option<i64> = match query.cursor.as_deref() {
        None | Some("") => None,
        Some(text) => {
            Some(text.parse().map_err(|_| Problem::invalid("cursor", "this cursor belongs to another list; begin again without it"))?)
        }
    };
    let (mut events, devices) = ctx
        .read(move |rx, cx| {
            let events = runs::run_events(rx, cx, id, before, limit + 1)?;
            let devices = devices_of(rx, cx, &events)?;
            Ok((events, devices))
        })
        .await?;
    let more = events.len() > limit;
    events.truncate(limit);
    let next = events.last().filter(|_| more).map(|e| e.id.to_string());
    let device = |e: &Event| e.assignment.and_then(|a| devices.get(&a).cloned());
    let items = events.into_iter().map(|e| (device(&e), e)).map(|(device, e)| view::Event::of(e, device)).collect();
    Ok(Json(List { items, next, total: None }))
}

/// The devices of the assignments that events are about.
fn devices_of(rx: &mut Rx, cx: &Cx, events: &[Event]) -> Result<BTreeMap<AssignmentId, Named>, Error> {
    let mut ids: Vec<AssignmentId> = events.iter().filter_map(|e| e.assignment).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.truncate(PAGE_ROWS_MAX);
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let page = PageRequest { limit: ids.len(), ..PageRequest::default() };
    let filter = AssignmentFilter { ids: Some(ids), ..AssignmentFilter::default() };
    let rows = runs::assignment_list(rx, cx, &filter, &page)?.items.into_iter();
    let of_devices = rows.filter(|(row, _)| !row.record.pooled);
    Ok(of_devices.map(|(row, _)| (row.record.id, Named::new(row.record.device, row.device_name))).collect())
}

/// Ends a run: nothing more is handed out; what is under way is asked to end.
#[utoipa::path(post, path = "/api/v1/runs/{id}/cancel", tag = "runs", operation_id = "run_cancel",
    params(("id" = String, Path, description = "Id of the run.")),
    responses((status = 200, description = "The run as it is now.", body = view::Run)))]
pub async fn run_cancel(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::Run>, Problem> {
    let id = run_id(&id)?;
    Ok(Json(ctx.write("run.cancel", move |tx, cx| runs::run_cancel(tx, cx, id)).await?.into()))
}

/// Holds a run back: nothing more of it is handed out until it is resumed; what is under way goes on.
#[utoipa::path(post, path = "/api/v1/runs/{id}/pause", tag = "runs", operation_id = "run_pause",
    params(("id" = String, Path, description = "Id of the run.")),
    responses((status = 200, description = "The run as it is now.", body = view::Run)))]
pub async fn run_pause(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::Run>, Problem> {
    let id = run_id(&id)?;
    Ok(Json(ctx.write("run.pause", move |tx, cx| brake::run_pause(tx, cx, id)).await?.into()))
}

/// Lets a paused run go on.
#[utoipa::path(post, path = "/api/v1/runs/{id}/resume", tag = "runs", operation_id = "run_resume",
    params(("id" = String, Path, description = "Id of the run.")),
    responses((status = 200, description = "The run as it is now.", body = view::Run)))]
pub async fn run_resume(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::Run>, Problem> {
    let id = run_id(&id)?;
    Ok(Json(ctx.write("run.resume", move |tx, cx| brake::run_resume(tx, cx, id)).await?.into()))
}
