//! Tasks: documents with versions, preview, start.

use super::{NOTHING, id};
use crate::auth::{Created, Ctx, Keep, Tagged};
use crate::json::Body;
use crate::list::{Asked, List, asked, text};
use crate::problem::Problem;
use crate::view::{self, Named};
use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use muster_core::ids::TaskId;
use muster_core::settings::Settings;
use muster_core::time::Timestamp;
use muster_engine::fleet::online_since;
use muster_engine::runs::Start;
use muster_engine::{planner, runs, tasks};
use serde_json::Map;
use std::collections::BTreeMap;
use tokio::sync::Semaphore;

asked! {
    /// Which tasks.
    TaskQuery {
        /// Text in the name.
        q,
        /// One label.
        label,
    }
}

pub(super) fn task_id(text: &str) -> Result<TaskId, Problem> {
    id("task/not-found", "task", text)
}

/// Lists tasks.
#[utoipa::path(get, path = "/api/v1/tasks", tag = "tasks", operation_id = "task_list", params(TaskQuery),
    responses((status = 200, description = "A page of tasks.", body = List<view::Task>)))]
pub async fn task_list(ctx: Ctx, Asked(query): Asked<TaskQuery>) -> Result<Json<List<view::Task>>, Problem> {
    let page = query.page(&["name", "updated"], "name")?;
    let (q, label) = (text(query.q), text(query.label));
    let page = ctx.read(move |rx, cx| tasks::task_list(rx, cx, q.as_deref(), label.as_deref(), &page)).await?;
    Ok(Json(List::of(page, |task| view::Task::of(task, &ctx.org.name))))
}

/// Writes a new task, from JSON or YAML.
#[utoipa::path(post, path = "/api/v1/tasks", tag = "tasks", operation_id = "task_create",
    request_body(content((view::TaskDoc = "application/json"), (view::TaskDoc = "application/yaml"))),
    responses((status = 201, description = "The task.", body = view::Task)))]
pub async fn task_create(ctx: Ctx, body: Body) -> Result<Created, Problem> {
    let (document, org) = (body.task()?, ctx.org.name.clone());
    let make = move |tx: &mut muster_engine::Tx, cx: &muster_engine::Cx| {
        tasks::task_create(tx, cx, &document).map(|task| view::Task::of(task, &org))
    };
    ctx.create("task.create", &body.bytes, Keep::Answer, make).await
}

/// Says what a document would become, from JSON or YAML: its faults, how it would be kept, and the task of its name; changes nothing.
#[utoipa::path(post, path = "/api/v1/tasks/check", tag = "tasks", operation_id = "task_check",
    request_body(content((view::TaskDoc = "application/json"), (view::TaskDoc = "application/yaml"))),
    responses((status = 200, description = "What it would become.", body = view::TaskCheck)))]
pub async fn task_check(ctx: Ctx, body: Body) -> Result<Json<view::TaskCheck>, Problem> {
    let document = body.task()?;
    let checked = ctx.read(move |rx, cx| tasks::task_check(rx, cx, &document)).await?;
    Ok(Json(view::TaskCheck::of(checked, &ctx.org.name)))
}

/// Says what the next run of a document would do: when it ends, who does not make it, what happens to others that are planned for the
/// same time, and what would help. It need not be saved, and nothing changes; null where machines do nothing of it.
#[utoipa::path(post, path = "/api/v1/tasks/forecast", tag = "tasks", operation_id = "task_forecast",
    request_body(content((view::TaskDoc = "application/json"), (view::TaskDoc = "application/yaml"))),
    responses((status = 200, description = "What it would do.", body = Option<view::TaskForecast>)))]
pub async fn task_forecast(ctx: Ctx, body: Body) -> Result<Json<Option<view::TaskForecast>>, Problem> {
    let document = body.task()?;
    let situation = ctx.read(move |rx, cx| planner::situation(rx, cx, &document)).await?;
    let Some(situation) = situation else { return Ok(Json(None)) };
    // Up to some seconds of one processor: not on a thread that others wait for, and one at a time.
    let _turn = PLANS.acquire().await.map_err(|closed| Problem::internal(closed.to_string()))?;
    let planned = tokio::task::spawn_blocking(move || situation.planned()).await.map_err(|broken| Problem::internal(broken.to_string()))?;
    Ok(Json(Some(planned.into())))
}

/// Plans that are walked through at once.
static PLANS: Semaphore = Semaphore::const_new(1);

/// Shows a task.
#[utoipa::path(get, path = "/api/v1/tasks/{id}", tag = "tasks", operation_id = "task_view",
    params(("id" = String, Path, description = "Id of the task.")),
    responses((status = 200, description = "The task; its version is the ETag.", body = view::Task)))]
pub async fn task_view(ctx: Ctx, Path(id): Path<String>) -> Result<Tagged<view::Task>, Problem> {
    let id = task_id(&id)?;
    let task = ctx.read(move |rx, cx| tasks::task_view(rx, cx, id)).await?;
    Ok(Tagged(task.task.version, view::Task::of(task, &ctx.org.name)))
}

/// Writes the next version of a task, from JSON or YAML; the same document again changes nothing.
#[utoipa::path(put, path = "/api/v1/tasks/{id}", tag = "tasks", operation_id = "task_update",
    params(("id" = String, Path, description = "Id of the task.")),
    request_body(content((view::TaskDoc = "application/json"), (view::TaskDoc = "application/yaml"))),
    responses((status = 200, description = "The task as it is now.", body = view::Task)))]
pub async fn task_update(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Tagged<view::Task>, Problem> {
    let (id, version, document) = (task_id(&id)?, ctx.if_match, body.task()?);
    let task = ctx.write("task.update", move |tx, cx| tasks::task_update(tx, cx, id, &document, version)).await?;
    Ok(Tagged(task.task.version, view::Task::of(task, &ctx.org.name)))
}

/// Deletes a task; its runs stay.
#[utoipa::path(delete, path = "/api/v1/tasks/{id}", tag = "tasks", operation_id = "task_delete",
    params(("id" = String, Path, description = "Id of the task.")), responses((status = 204, description = "It is gone.")))]
pub async fn task_delete(ctx: Ctx, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let id = task_id(&id)?;
    ctx.write("task.delete", move |tx, cx| tasks::task_delete(tx, cx, id)).await?;
    Ok(NOTHING)
}

/// Shows who would be hit by a start now; changes nothing.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/preview", tag = "tasks", operation_id = "task_preview",
    params(("id" = String, Path, description = "Id of the task.")),
    responses((status = 200, description = "Who would be hit.", body = view::Preview)))]
pub async fn task_preview(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::Preview>, Problem> {
    let id = task_id(&id)?;
    let preview = ctx.read(move |rx, cx| tasks::task_preview(rx, cx, id)).await?;
    Ok(Json(preview_view(preview, &ctx.org.settings, ctx.now())))
}

fn preview_view(preview: tasks::Preview, settings: &Settings, now: Timestamp) -> view::Preview {
    let (mut by_protocol, mut by_os, mut online) = (BTreeMap::new(), BTreeMap::new(), 0);
    let word = |text: String, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text };
    for group in preview.groups {
        *by_protocol.entry(word(group.protocol, "none")).or_insert(0) += group.count;
        *by_os.entry(word(group.os_family, "unknown")).or_insert(0) += group.count;
        online += if group.online { group.count } else { 0 };
    }
    let since = online_since(settings, now);
    let target = |(device, reason): (muster_core::fleet::Device, muster_core::tasks::Reason)| {
        let online = device.last_contact.is_some_and(|at| at >= since);
        let agent = view::AgentRef::of(&device, online);
        view::PreviewTarget { device: Named::new(device.id, device.name), agent, reason: reason.into() }
    };
    let excluded = view::PreviewExcluded { reason: taken_out(), count: preview.excluded };
    view::Preview {
        waves: preview.waves,
        forecast: preview.forecast.map(view::Forecast::from),
        count: preview.count,
        pool: preview.pool.map(|it| view::PreviewPool { standing: it.standing.into(), slices: it.slices, near: it.near }),
        plan: preview.plan,
        guard: preview.guard,
        needs_count: preview.count > preview.guard as usize,
        needs_approval: preview.approval.is_some(),
        approval: preview.approval.flatten().map(view::StartApproval::from),
        by_protocol,
        by_os,
        online,
        targets: preview.targets.into_iter().map(target).collect(),
        not_stopped: preview.not_stopped,
        no_output: preview.no_output,
        unable: preview
            .unable
            .into_iter()
            .map(|(step, action, count)| view::PreviewUnable { step, action: action.to_owned(), count })
            .collect(),
        excluded: if excluded.count > 0 { vec![excluded] } else { Vec::new() },
    }
}

fn taken_out() -> view::Reason {
    let sentence = |key: &str, text: &str| view::Sentence { key: key.to_owned(), params: Map::new(), text: text.to_owned() };
    view::Reason {
        reason: sentence("excluded", "The task takes it out."),
        ends: sentence("task_change", "The task's exclusions are changed."),
    }
}

/// Starts a task. Above the size guard the number of targets, or the plan of a preview, must be said.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/runs", tag = "tasks", operation_id = "run_start",
    params(("id" = String, Path, description = "Id of the task.")), request_body = view::RunStart,
    responses((status = 201, description = "The run.", body = view::Run),
        (status = 409, description = "`run/size-guard` with `count`, `run/empty`, `run/plan-changed`, `run/needs-approval` with `count` and `plan`.",
            body = crate::problem::ProblemDocument, content_type = "application/problem+json")))]
pub async fn run_start(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Created, Problem> {
    let id = task_id(&id)?;
    let start: view::RunStart = body.object_or_nothing()?;
    let start = Start { confirm_count: start.confirm_count, plan: start.plan };
    ctx.create("run.start", &body.bytes, Keep::Answer, move |tx, cx| runs::run_start(tx, cx, id, &start).map(view::Run::from)).await
}
