//! Saved reports, their kept answers, and questions in SQL.

use crate::fault::Fault;
use crate::list::{List, Order};
use crate::published::with_views;
use crate::sql::Checked;
use crate::unit::{Rx, Tx};
use crate::value::{Row, V};
use muster_core::ids::{OrgId, ReportId};
use muster_core::limits::{SQL_ANSWER_BYTES_MAX, SQL_ROWS_MAX};
use muster_core::page::{Page, PageRequest};
use muster_core::reports::{Answer, Report, ReportResult};
use muster_core::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

const REPORT: &str = "p.id, p.org, p.name, p.description, p.query, p.author, p.created, p.updated, p.version";
const RESULT: &str = "k.id, k.report, k.at, k.by_whom, k.row_count, k.more";
/// How far kept answers are compressed: they are written once and seldom read.
const COMPRESSION: i32 = 6;

fn report(row: &Row) -> Result<Report, Fault> {
    Ok(Report {
        id: row.id(0)?.into(),
        org: row.id(1)?.into(),
        name: row.text(2)?.to_owned(),
        description: row.text(3)?.to_owned(),
        query: row.text(4)?.to_owned(),
        author: row.text(5)?.to_owned(),
        created: Timestamp(row.int(6)?),
        updated: Timestamp(row.int(7)?),
        version: row.int(8)?,
    })
}

fn result(row: &Row) -> Result<ReportResult, Fault> {
    Ok(ReportResult {
        id: row.id(0)?,
        report: row.id(1)?.into(),
        at: Timestamp(row.int(2)?),
        by: row.text(3)?.to_owned(),
        count: row.int(4)?,
        more: row.flag(5),
    })
}

impl Rx {
    /// Asks the views of an organization; the inner error is the database's word on the question.
    pub fn answer(&mut self, org: OrgId, query: &Checked) -> Result<Result<Answer, String>, Fault> {
        let views = with_views(org, self.now(), self.is_postgres());
        let asked = self.table(&views, query.text(), SQL_ROWS_MAX + 1);
        match asked {
            Ok((columns, rows)) => Ok(Ok(bounded(columns, rows))),
            // What is behind the views is nobody's business.
            Err(Fault::Db(text)) => {
                Ok(Err(text.split(", in \"").next().and_then(|text| text.split(" in WITH ").next()).unwrap_or_default().to_owned()))
            }
            Err(fault) => Err(fault),
        }
    }

    /// A page of reports.
    pub fn reports(&mut self, org: OrgId, q: Option<&str>, page: &PageRequest) -> Result<Page<Report>, Fault> {
        let mut list = List::new(REPORT, "report p");
        list.filter("p.org = {}", org.0);
        if let Some(text) = q {
            list.contains(&["p.name", "p.description"], text, self.is_postgres());
        }
        let column = if page.sort.as_deref() == Some("updated") { "p.updated" } else { "p.name" };
        list.page(self, page, &Order { column, id: "p.id" }, report)
    }

    /// A report.
    pub fn report(&mut self, org: OrgId, id: ReportId) -> Result<Option<Report>, Fault> {
        let mut list = List::new(REPORT, "report p");
        list.filter("p.org = {}", org.0);
        list.filter("p.id = {}", id.0);
        Ok(list.all(self, "p.id", 1, report)?.pop())
    }

    /// The report of a name.
    pub fn report_named(&mut self, org: OrgId, name: &str) -> Result<Option<Report>, Fault> {
        let mut list = List::new(REPORT, "report p");
        list.filter("p.org = {}", org.0);
        list.filter("p.name = {}", name);
        Ok(list.all(self, "p.id", 1, report)?.pop())
    }

    /// How many reports an organization has.
    pub fn reports_count(&mut self, org: OrgId) -> Result<i64, Fault> {
        self.one("SELECT count(*) FROM report WHERE org = ?1", &[V::U(org.0)])?.map_or(Ok(0), |row| row.int(0))
    }

    /// A page of a report's kept answers.
    pub fn report_results(&mut self, report: ReportId, page: &PageRequest) -> Result<Page<ReportResult>, Fault> {
        let mut list = List::new(RESULT, "report_result k");
        list.filter("k.report = {}", report.0);
        list.page(self, page, &Order { column: "k.at", id: "k.id" }, result)
    }

    /// A kept answer with its rows.
    pub fn report_result(&mut self, report: ReportId, id: Uuid) -> Result<Option<(ReportResult, Answer)>, Fault> {
        let sql =
            "SELECT k.id, k.report, k.at, k.by_whom, k.row_count, k.more, k.doc FROM report_result k WHERE k.report = ?1 AND k.id = ?2";
        let Some(row) = self.one(sql, &[V::U(report.0), V::U(id)])? else { return Ok(None) };
        let found = result(&row)?;
        let bad = || Fault::Corrupt { table: "report_result", column: "doc", row: id.to_string() };
        let text = zstd::decode_all(row.bytes(6)?).map_err(|_| bad())?;
        let (columns, rows): (Vec<String>, Vec<Vec<Value>>) = serde_json::from_slice(&text).map_err(|_| bad())?;
        let more = found.more;
        Ok(Some((found, Answer { columns, rows, more })))
    }
}

/// An answer within its bounds: it ends before the row that would pass them.
fn bounded(columns: Vec<String>, mut rows: Vec<Vec<Value>>) -> Answer {
    let mut left = SQL_ANSWER_BYTES_MAX;
    let fits = |row: &Vec<Value>| {
        let bytes: usize = row.iter().map(|cell| cell.as_str().map_or(8, str::len) + 1).sum();
        left.checked_sub(bytes).map(|rest| left = rest).is_some()
    };
    let kept = rows
        .iter()
        .take(SQL_ROWS_MAX)
        .take_while({
            let mut fits = fits;
            move |row| fits(row)
        })
        .count();
    let more = rows.len() > kept;
    rows.truncate(kept);
    Answer { columns, rows, more }
}

impl Tx {
    /// Writes a new report; false: there is one of its name.
    pub fn report_insert(&mut self, it: &Report) -> Result<bool, Fault> {
        let made = self.exec(
            "INSERT INTO report (id, org, name, description, query, author, created, updated, version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT DO NOTHING",
            &[
                V::U(it.id.0),
                V::U(it.org.0),
                (&it.name).into(),
                (&it.description).into(),
                (&it.query).into(),
                (&it.author).into(),
                it.created.0.into(),
                it.updated.0.into(),
                it.version.into(),
            ],
        )?;
        Ok(made == 1)
    }

    /// Writes a report as it is now, if nobody else did since it was read.
    pub fn report_update(&mut self, it: &Report, version: i64) -> Result<bool, Fault> {
        let done = self.exec(
            "UPDATE report SET name = ?3, description = ?4, query = ?5, author = ?6, updated = ?7, version = ?8 WHERE id = ?1 AND version = ?2",
            &[
                V::U(it.id.0),
                version.into(),
                (&it.name).into(),
                (&it.description).into(),
                (&it.query).into(),
                (&it.author).into(),
                it.updated.0.into(),
                it.version.into(),
            ],
        )?;
        Ok(done == 1)
    }

    /// Deletes a report and its kept answers.
    pub fn report_delete(&mut self, org: OrgId, id: ReportId) -> Result<(), Fault> {
        self.exec("DELETE FROM report WHERE org = ?1 AND id = ?2", &[V::U(org.0), V::U(id.0)]).map(drop)
    }

    /// Keeps an answer; of more than `most` the oldest go.
    pub fn report_keep(&mut self, it: &ReportResult, answer: &Answer, most: i64) -> Result<(), Fault> {
        let text = serde_json::to_vec(&(&answer.columns, &answer.rows)).map_err(|e| Fault::Db(e.to_string()))?;
        let doc = zstd::encode_all(&text[..], COMPRESSION).map_err(|e| Fault::Db(e.to_string()))?;
        self.exec(
            "INSERT INTO report_result (id, report, at, by_whom, row_count, more, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            &[V::U(it.id), V::U(it.report.0), it.at.0.into(), (&it.by).into(), it.count.into(), it.more.into(), doc.into()],
        )?;
        self.report_purge(it.report, most, Timestamp(i64::MIN)).map(drop)
    }

    /// Removes kept answers: all but the newest `keep`, and those of before an instant. Gives how many.
    pub fn report_purge(&mut self, report: ReportId, keep: i64, before: Timestamp) -> Result<u64, Fault> {
        self.exec(
            "DELETE FROM report_result WHERE report = ?1 AND (at < ?3 OR id NOT IN (SELECT id FROM report_result WHERE report = ?1 ORDER BY at DESC, id DESC LIMIT ?2))",
            &[V::U(report.0), keep.into(), before.0.into()],
        )
    }
}
