//! Reports: questions in SQL about the published views, saved ones, and their kept answers.

use super::{NOTHING, id};
use crate::auth::{Created, Ctx, Keep, Tagged};
use crate::json::Body;
use crate::list::{Asked, List, asked, text};
use crate::problem::{Problem, ProblemDocument};
use crate::view;
use axum::Json;
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_core::ids::ReportId;
use muster_engine::reports::{self, ReportPatch};
use muster_engine::{Cx, Tx};
use serde::Deserialize;
use uuid::Uuid;

asked! {
    /// Which reports.
    ReportQuery {
        /// Text in name or description.
        q,
    }
}

asked! {
    /// Which kept answers; the newest first unless asked for otherwise.
    ResultQuery {}
}

/// In which form.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Form {
    /// `json`, or `csv` for spreadsheets.
    pub format: Option<String>,
}

fn report_id(text: &str) -> Result<ReportId, Problem> {
    id("report/not-found", "report", text)
}

/// Lists the views that may be asked in SQL, with their columns, and the functions that may be used.
#[utoipa::path(get, path = "/api/v1/reports/views", tag = "reports", operation_id = "view_list",
    responses((status = 200, description = "The views.", body = view::PublishedViews)))]
pub async fn view_list(_: Ctx) -> Json<view::PublishedViews> {
    Json(view::PublishedViews::all())
}

/// Asks a question in SQL about the published views of the organization; nothing is kept.
#[utoipa::path(post, path = "/api/v1/reports/ask", tag = "reports", operation_id = "report_ask", params(Form), request_body = view::Question,
    responses((status = 200, description = "The answer.", body = view::Answer)))]
pub async fn report_ask(ctx: Ctx, Query(form): Query<Form>, body: Body) -> Result<Response, Problem> {
    let asked: view::Question = body.object()?;
    let turn = reports::turn().await?;
    let answer = ctx.read(move |rx, cx| reports::ask(rx, cx, &asked.query)).await?;
    drop(turn);
    answered("answer", &form, view::Answer::of(answer.clone(), None), || answer.csv())
}

/// An answer as JSON or CSV.
fn answered(name: &str, form: &Form, answer: view::Answer, csv: impl FnOnce() -> String) -> Result<Response, Problem> {
    match form.format.as_deref() {
        None | Some("" | "json") => Ok(Json(answer).into_response()),
        Some("csv") => {
            let file = format!("attachment; filename=\"{name}.csv\"");
            Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, file)], csv()).into_response())
        }
        Some(other) => Err(Problem::invalid("format", format!("format is '{other}'; it is json or csv"))),
    }
}

/// Lists reports.
#[utoipa::path(get, path = "/api/v1/reports", tag = "reports", operation_id = "report_list", params(ReportQuery),
    responses((status = 200, description = "A page of reports.", body = List<view::Report>)))]
pub async fn report_list(ctx: Ctx, Asked(query): Asked<ReportQuery>) -> Result<Json<List<view::Report>>, Problem> {
    let page = query.page(&["name", "updated"], "name")?;
    let q = text(query.q);
    let page = ctx.read(move |rx, cx| reports::report_list(rx, cx, q.as_deref(), &page)).await?;
    Ok(Json(List::of(page, view::Report::from)))
}

/// Saves a question; it is read, but not asked yet.
#[utoipa::path(post, path = "/api/v1/reports", tag = "reports", operation_id = "report_create", request_body = view::ReportPatch,
    responses((status = 201, description = "The report.", body = view::Report),
        (status = 409, description = "`report/name-taken`.", body = ProblemDocument, content_type = "application/problem+json")))]
pub async fn report_create(ctx: Ctx, body: Body) -> Result<Created, Problem> {
    let new: ReportPatch = body.object::<view::ReportPatch>()?.into();
    let make = move |tx: &mut Tx, cx: &Cx| reports::report_create(tx, cx, &new).map(view::Report::from);
    ctx.create("report.create", &body.bytes, Keep::Answer, make).await
}

/// Shows a report.
#[utoipa::path(get, path = "/api/v1/reports/{id}", tag = "reports", operation_id = "report_view",
    params(("id" = String, Path, description = "Id of the report.")),
    responses((status = 200, description = "The report; its version is the ETag.", body = view::Report)))]
pub async fn report_view(ctx: Ctx, Path(id): Path<String>) -> Result<Tagged<view::Report>, Problem> {
    let id = report_id(&id)?;
    let report = ctx.read(move |rx, cx| reports::report_view(rx, cx, id)).await?;
    Ok(Tagged(report.version, report.into()))
}

/// Changes a report.
#[utoipa::path(patch, path = "/api/v1/reports/{id}", tag = "reports", operation_id = "report_update",
    params(("id" = String, Path, description = "Id of the report.")), request_body = view::ReportPatch,
    responses((status = 200, description = "The report as it is now.", body = view::Report),
        (status = 409, description = "`report/name-taken`.", body = ProblemDocument, content_type = "application/problem+json")))]
pub async fn report_update(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Tagged<view::Report>, Problem> {
    let (id, version) = (report_id(&id)?, ctx.if_match);
    let patch: ReportPatch = body.object::<view::ReportPatch>()?.into();
    let report = ctx.write("report.update", move |tx, cx| reports::report_update(tx, cx, id, &patch, version)).await?;
    Ok(Tagged(report.version, report.into()))
}

/// Deletes a report with its kept answers.
#[utoipa::path(delete, path = "/api/v1/reports/{id}", tag = "reports", operation_id = "report_delete",
    params(("id" = String, Path, description = "Id of the report.")), responses((status = 204, description = "It is gone.")))]
pub async fn report_delete(ctx: Ctx, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let id = report_id(&id)?;
    ctx.write("report.delete", move |tx, cx| reports::report_delete(tx, cx, id)).await?;
    Ok(NOTHING)
}

/// Asks what a report asks and keeps the answer; the newest hundred of a report are kept.
#[utoipa::path(post, path = "/api/v1/reports/{id}/run", tag = "reports", operation_id = "report_run",
    params(("id" = String, Path, description = "Id of the report.")),
    responses((status = 200, description = "The answer.", body = view::Answer)))]
pub async fn report_run(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::Answer>, Problem> {
    let id = report_id(&id)?;
    let turn = reports::turn().await?;
    let answer = ctx.read(move |rx, cx| reports::ask_report(rx, cx, id)).await?;
    drop(turn);
    let kept = answer.clone();
    let result = ctx.write("report.keep", move |tx, cx| reports::keep(tx, cx, id, &kept)).await?;
    Ok(Json(view::Answer::of(answer, Some(result))))
}

/// Lists the kept answers of a report.
#[utoipa::path(get, path = "/api/v1/reports/{id}/results", tag = "reports", operation_id = "report_results",
    params(("id" = String, Path, description = "Id of the report."), ResultQuery),
    responses((status = 200, description = "A page of kept answers, without their rows.", body = List<view::ReportResult>)))]
pub async fn report_results(
    ctx: Ctx,
    Path(id): Path<String>,
    Asked(query): Asked<ResultQuery>,
) -> Result<Json<List<view::ReportResult>>, Problem> {
    let (id, page) = (report_id(&id)?, query.page(&["at"], "-at")?);
    let page = ctx.read(move |rx, cx| reports::result_list(rx, cx, id, &page)).await?;
    Ok(Json(List::of(page, view::ReportResult::from)))
}

/// Shows a kept answer.
#[utoipa::path(get, path = "/api/v1/reports/{id}/results/{result}", tag = "reports", operation_id = "report_result",
    params(("id" = String, Path, description = "Id of the report."), ("result" = String, Path, description = "Id of the kept answer."), Form),
    responses((status = 200, description = "The answer.", body = view::Answer)))]
pub async fn report_result(ctx: Ctx, Path((of, result)): Path<(String, String)>, Query(form): Query<Form>) -> Result<Response, Problem> {
    let of = report_id(&of)?;
    let result: Uuid = result.parse().map_err(|_| muster_engine::Error::not_found("report/no-result", "answer", &result))?;
    let (kept, answer) = ctx.read(move |rx, cx| reports::result_view(rx, cx, of, result)).await?;
    let name = format!("report-{}", kept.at.to_string().chars().take(10).collect::<String>());
    answered(&name, &form, view::Answer::of(answer.clone(), Some(kept)), || answer.csv())
}
