//! Schedules of tasks: what comes, what came of it, approvals; messages that tasks raise.

use super::instant;
use super::tasks::task_id;
use crate::auth::{Created, Ctx, Keep, Tagged};
use crate::json::Body;
use crate::list::{Asked, List, asked};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::extract::Path;
use muster_core::tasks::TaskDoc;
use muster_core::tasks::doc::ScheduleAct;
use muster_engine::runs::Start;
use muster_engine::{book, calendar, schedules, tasks};
use std::time::Duration;

/// Shows the next ten occurrences of a task's schedule.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/schedule", tag = "tasks", operation_id = "schedule_view",
    params(("id" = String, Path, description = "Id of the task.")),
    responses((status = 200, description = "What comes.", body = view::Ahead)))]
pub async fn schedule_view(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::Ahead>, Problem> {
    let id = task_id(&id)?;
    let (ahead, kept, off) = ctx
        .read(move |rx, cx| {
            let task = tasks::task_view(rx, cx, id)?.task;
            let kept = if task.is_kept() { Some(book::counts(rx, id)?) } else { None };
            let ahead = calendar::ahead(rx, cx, task.acting_schedule(), task.doc.window.as_ref(), task.updated)?;
            Ok((ahead, kept, task.schedule_off))
        })
        .await?;
    let kept = kept.map(|(machines, held)| view::Keepers { machines, held });
    Ok(Json(view::Ahead { kept, off: off.map(view::ScheduleOff::from), ..ahead.into() }))
}

/// Shows the next ten occurrences of a schedule that need not be saved; changes nothing.
#[utoipa::path(post, path = "/api/v1/schedules/preview", tag = "tasks", operation_id = "schedule_preview",
    request_body = view::SchedulePreview,
    responses((status = 200, description = "What would come.", body = view::Ahead)))]
pub async fn schedule_preview(ctx: Ctx, body: Body) -> Result<Json<view::Ahead>, Problem> {
    let asked: view::SchedulePreview = body.object()?;
    let document = serde_json::json!({"schedule": asked.schedule, "window": asked.window});
    let (schedule, window) = TaskDoc::parse_when(&document).map_err(tasks::bad_task)?;
    let ahead = ctx.read(move |rx, cx| calendar::ahead(rx, cx, schedule.as_ref(), window.as_ref(), cx.now)).await?;
    Ok(Json(ahead.into()))
}

/// Between which instants.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct CalendarQuery {
    /// From here on; now unless given.
    pub from: Option<String>,
    /// Before here, at most 62 days later; a week later unless given.
    pub to: Option<String>,
}

const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Shows what schedules did and will do between two instants.
#[utoipa::path(get, path = "/api/v1/calendar", tag = "tasks", operation_id = "calendar_view", params(CalendarQuery),
    responses((status = 200, description = "The calendar.", body = view::Calendar)))]
pub async fn calendar_view(ctx: Ctx, Asked(query): Asked<CalendarQuery>) -> Result<Json<view::Calendar>, Problem> {
    let from = instant("from", query.from.as_deref())?.unwrap_or(ctx.now());
    let to = instant("to", query.to.as_deref())?.unwrap_or(from.plus(WEEK));
    Ok(Json(ctx.read(move |rx, cx| calendar::calendar(rx, cx, from, to)).await?.into()))
}

asked! {
    /// Which occurrences; the newest first unless asked for otherwise.
    OccurrenceQuery {}
}

/// Lists what became of a task's occurrences.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/occurrences", tag = "tasks", operation_id = "occurrence_list",
    params(("id" = String, Path, description = "Id of the task."), OccurrenceQuery),
    responses((status = 200, description = "A page of occurrences.", body = List<view::Occurrence>)))]
pub async fn occurrence_list(
    ctx: Ctx,
    Path(id): Path<String>,
    Asked(query): Asked<OccurrenceQuery>,
) -> Result<Json<List<view::Occurrence>>, Problem> {
    let id = task_id(&id)?;
    let page = query.page(&["at"], "-at")?;
    let page = ctx.read(move |rx, cx| schedules::past(rx, cx, id, &page)).await?;
    Ok(Json(List::of(page, view::Occurrence::from)))
}

/// Starts an occurrence that waits for a person. Above the size guard the number of targets must be said.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/occurrences/{nominal}/runs", tag = "tasks", operation_id = "occurrence_start",
    params(("id" = String, Path, description = "Id of the task."), ("nominal" = String, Path, description = "The nominal time, as listed.")),
    request_body = view::RunStart,
    responses((status = 201, description = "The run.", body = view::Run)))]
pub async fn occurrence_start(ctx: Ctx, Path((id, nominal)): Path<(String, String)>, body: Body) -> Result<Created, Problem> {
    let id = task_id(&id)?;
    let start: view::RunStart = body.object_or_nothing()?;
    let start = Start { confirm_count: start.confirm_count, plan: start.plan };
    let begin =
        move |tx: &mut muster_engine::Tx, cx: &muster_engine::Cx| schedules::start_held(tx, cx, id, &nominal, &start).map(view::Run::from);
    ctx.create("occurrence.start", &body.bytes, Keep::Answer, begin).await
}

/// Puts a task's schedule out of action, or back: while it is out of action nothing starts by itself, and machines keep the task no
/// longer; people may start it. What would have come meanwhile is not made up for.
#[utoipa::path(put, path = "/api/v1/tasks/{id}/schedule", tag = "tasks", operation_id = "schedule_switch",
    params(("id" = String, Path, description = "Id of the task.")), request_body = view::ScheduleSwitch,
    responses((status = 200, description = "The task as it is now.", body = view::Task)))]
pub async fn schedule_switch(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Tagged<view::Task>, Problem> {
    let (id, asked) = (task_id(&id)?, body.object::<view::ScheduleSwitch>()?);
    let act = match asked.enabled {
        Some(true) => ScheduleAct::Enable,
        Some(false) => ScheduleAct::Disable,
        None => return Err(Problem::invalid("/enabled", "say whether it acts: true or false")),
    };
    let task = ctx.write("schedule.switch", move |tx, cx| schedules::switch(tx, cx, id, act, &asked.reason)).await?;
    Ok(Tagged(task.task.version, view::Task::of(task, &ctx.org.name)))
}

/// Lets a task start unattended on up to so many targets.
#[utoipa::path(put, path = "/api/v1/tasks/{id}/approval", tag = "tasks", operation_id = "task_approve",
    params(("id" = String, Path, description = "Id of the task.")), request_body = view::Approval,
    responses((status = 200, description = "The task as it is now.", body = view::Task)))]
pub async fn task_approve(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Tagged<view::Task>, Problem> {
    let (id, asked) = (task_id(&id)?, body.object::<view::Approval>()?);
    let task = ctx.write("task.approve", move |tx, cx| schedules::approve(tx, cx, id, asked.targets_max)).await?;
    Ok(Tagged(task.task.version, view::Task::of(task, &ctx.org.name)))
}
