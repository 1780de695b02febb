//! Reports: questions in SQL about the published views, saved ones, and the answers that are kept.

use crate::audit::{Object, record};
use crate::cx::Cx;
use crate::engine::Engine;
use crate::error::{Error, Kind};
use crate::steps::Told;
use muster_core::access::Role;
use muster_core::groups::{group_description, name_of};
use muster_core::ids::ReportId;
use muster_core::limits::{REPORT_RESULTS_MAX, REPORTS_MAX};
use muster_core::page::{Page, PageRequest};
use muster_core::reports::{Answer, Report, ReportResult};
use muster_core::tasks::{Action, Outcome};
use muster_core::time::Timestamp;
use muster_store::{Checked, Rx, Tx};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

/// What is said of a report when it is written; absent: as before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportPatch {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The question.
    pub query: Option<String>,
}

fn invalid(pointer: &'static str) -> impl Fn(String) -> Error {
    move |what| Error::invalid("report/invalid", pointer, what)
}

fn checked(query: &str) -> Result<Checked, Error> {
    Checked::read(query).map_err(invalid("/query"))
}

fn object(report: &Report) -> Object<'_> {
    Object { kind: "report", id: Some(report.id.0), name: &report.name }
}

fn shown(report: &Report) -> Value {
    json!({"name": report.name, "description": report.description, "query": report.query})
}

fn name_taken(name: &str) -> Error {
    Error::new(Kind::Conflict, "report/name-taken", format!("there is a report '{name}' already; choose another name or change that one"))
}

/// Questions that are asked at once: a slow one takes a reader of the database for as long as it may.
static QUESTIONS: Semaphore = Semaphore::const_new(2);

/// Asks when its turn comes.
async fn taken<T, F>(engine: &Engine, cx: &Cx, question: F) -> Result<T, Error>
where
    F: FnOnce(&mut Rx, &Cx) -> Result<T, Error> + Send + 'static,
    T: Send + 'static,
{
    let _turn = turn().await?;
    engine.read(cx, question).await
}

/// A turn to ask; waits for it.
pub async fn turn() -> Result<SemaphorePermit<'static>, Error> {
    QUESTIONS.acquire().await.map_err(|_| Error::new(Kind::Unavailable, "report/busy", "the server is stopping"))
}

/// Asks the published views of the organization.
pub fn ask(rx: &mut Rx, cx: &Cx, query: &str) -> Result<Answer, Error> {
    cx.may_here(Role::Viewer, "asking in SQL")?;
    let query = checked(query)?;
    rx.answer(cx.org, &query)?.map_err(|what| invalid("/query")(format!("the database does not understand it: {what}")))
}

/// A page of reports.
pub fn report_list(rx: &mut Rx, cx: &Cx, q: Option<&str>, page: &PageRequest) -> Result<Page<Report>, Error> {
    cx.may_here(Role::Viewer, "listing reports")?;
    Ok(rx.reports(cx.org, q, page)?)
}

/// A report.
pub fn report_view(rx: &mut Rx, cx: &Cx, id: ReportId) -> Result<Report, Error> {
    cx.may_here(Role::Viewer, "looking at reports")?;
    rx.report(cx.org, id)?.ok_or_else(|| Error::not_found("report/not-found", "report", id))
}

/// A report by its name or id.
pub(crate) fn report_of(rx: &mut Rx, cx: &Cx, named: &str) -> Result<Report, Error> {
    let by_id = named.parse().ok().map_or(Ok(None), |id| rx.report(cx.org, id))?;
    let report = by_id.map_or_else(|| rx.report_named(cx.org, named), |report| Ok(Some(report)))?;
    report.ok_or_else(|| Error::not_found("report/not-found", "report", named))
}

/// Saves a question.
pub fn report_create(tx: &mut Tx, cx: &Cx, new: &ReportPatch) -> Result<Report, Error> {
    cx.may_here(Role::Operator, "writing reports")?;
    if tx.reports_count(cx.org)? >= REPORTS_MAX {
        return Err(invalid("/name")(format!("there are {REPORTS_MAX} reports already; delete some first")));
    }
    let nothing = Report {
        id: cx.id(),
        org: cx.org,
        name: String::new(),
        description: String::new(),
        query: String::new(),
        author: cx.name.clone(),
        created: cx.now,
        updated: cx.now,
        version: 1,
    };
    let all =
        ReportPatch { name: Some(new.name.clone().unwrap_or_default()), query: Some(new.query.clone().unwrap_or_default()), ..new.clone() };
    let report = patched(nothing, &all)?;
    if !tx.report_insert(&report)? {
        return Err(name_taken(&report.name));
    }
    record(tx, cx, Some(cx.org), "report_create", object(&report), None, Some(shown(&report)))?;
    Ok(report)
}

fn patched(report: Report, patch: &ReportPatch) -> Result<Report, Error> {
    let mut report = report;
    if let Some(name) = &patch.name {
        report.name = name_of("a report", name).map_err(invalid("/name"))?;
    }
    if let Some(text) = &patch.description {
        report.description = group_description(text).map_err(invalid("/description"))?;
    }
    if let Some(query) = &patch.query {
        checked(query)?;
        report.query = query.trim().to_owned();
    }
    Ok(report)
}

/// Changes a report; `version` as read, when the caller insists.
pub fn report_update(tx: &mut Tx, cx: &Cx, id: ReportId, patch: &ReportPatch, version: Option<i64>) -> Result<Report, Error> {
    let before = report_view(tx, cx, id)?;
    cx.may_here(Role::Operator, "writing reports")?;
    if version.is_some_and(|v| v != before.version) {
        return Err(Error::stale("report"));
    }
    let mut after = patched(before.clone(), patch)?;
    if after == before {
        return Ok(after);
    }
    (after.updated, after.version, after.author) = (cx.now, before.version + 1, cx.name.clone());
    if tx.report_named(cx.org, &after.name)?.is_some_and(|other| other.id != id) {
        return Err(name_taken(&after.name));
    }
    if !tx.report_update(&after, before.version)? {
        return Err(Error::stale("report"));
    }
    record(tx, cx, Some(cx.org), "report_update", object(&after), Some(shown(&before)), Some(shown(&after)))?;
    Ok(after)
}

/// Deletes a report and its kept answers.
pub fn report_delete(tx: &mut Tx, cx: &Cx, id: ReportId) -> Result<(), Error> {
    let report = report_view(tx, cx, id)?;
    cx.may_here(Role::Operator, "deleting reports")?;
    tx.report_delete(cx.org, id)?;
    record(tx, cx, Some(cx.org), "report_delete", object(&report), Some(shown(&report)), None)
}

/// Asks what a report asks, to be kept: outside of any transaction that writes.
pub fn ask_report(rx: &mut Rx, cx: &Cx, id: ReportId) -> Result<Answer, Error> {
    cx.may_here(Role::Operator, "running reports")?;
    let report = report_view(rx, cx, id)?;
    ask(rx, cx, &report.query)
}

/// Keeps an answer of a report; the oldest go where there are too many.
pub fn keep(tx: &mut Tx, cx: &Cx, report: ReportId, answer: &Answer) -> Result<ReportResult, Error> {
    cx.may_here(Role::Operator, "running reports")?;
    report_view(tx, cx, report)?;
    let count = crate::runs::count(answer.rows.len());
    let result = ReportResult { id: cx.id(), report, at: cx.now, by: cx.name.clone(), count, more: answer.more };
    tx.report_keep(&result, answer, REPORT_RESULTS_MAX)?;
    Ok(result)
}

/// Runs the report that a step names.
async fn run(engine: &Engine, cx: &Cx, named: &str) -> Result<(Answer, String), Error> {
    let named = named.to_owned();
    let asked = move |rx: &mut Rx, cx: &Cx| {
        let report = report_of(rx, cx, &named)?;
        ask_report(rx, cx, report.id).map(|answer| (report, answer))
    };
    let (report, answer) = taken(engine, cx, asked).await?;
    let (kept, of) = (answer.clone(), report.id);
    engine.write("report.keep", cx, move |tx, cx| keep(tx, cx, of, &kept)).await?;
    Ok((answer, format!(" are kept of the report '{}'", report.name)))
}

/// Does the step that asks: the answer as CSV, or what is wrong with the question.
pub async fn step(engine: &Engine, cx: &Cx, action: &Action) -> Told {
    let asked = match action {
        Action::RunQuery { query } => {
            let query = query.clone();
            taken(engine, cx, move |rx, cx| ask(rx, cx, &query)).await.map(|answer| (answer, String::new()))
        }
        Action::RunReport { report } => run(engine, cx, report).await,
        other => Err(Error::invalid("report/invalid", "type", format!("'{}' asks nothing", other.kind()))),
    };
    match asked {
        Ok((answer, of)) => {
            let more = if answer.more { ", and there are more" } else { "" };
            let message = format!("{} rows{of}{more}", answer.rows.len());
            Told { outcome: Outcome::Ok, exit_code: None, message, output: Some(answer.csv()) }
        }
        Err(error) => Told { outcome: Outcome::Error, exit_code: None, message: error.detail, output: None },
    }
}

/// A page of a report's kept answers.
pub fn result_list(rx: &mut Rx, cx: &Cx, id: ReportId, page: &PageRequest) -> Result<Page<ReportResult>, Error> {
    report_view(rx, cx, id)?;
    Ok(rx.report_results(id, page)?)
}

/// A kept answer with its rows.
pub fn result_view(rx: &mut Rx, cx: &Cx, id: ReportId, result: Uuid) -> Result<(ReportResult, Answer), Error> {
    report_view(rx, cx, id)?;
    rx.report_result(id, result)?.ok_or_else(|| Error::not_found("report/no-result", "answer", result))
}

/// Removes kept answers for a step: those that are older than a time, all but the newest, or both; all when neither is said.
pub(crate) fn purged(tx: &mut Tx, cx: &Cx, named: &str, keep: Option<u32>, older_than: Option<Duration>) -> Result<String, Error> {
    let report = report_of(tx, cx, named)?;
    let before = older_than.map_or(Timestamp(i64::MIN), |age| cx.now.minus(age));
    let keep = keep.map_or_else(|| if older_than.is_some() { REPORT_RESULTS_MAX } else { 0 }, i64::from);
    let gone = tx.report_purge(report.id, keep, before)?;
    Ok(format!("{gone} kept answers of the report '{}' are removed", report.name))
}
