//! Reports over the wire.

use super::Time;
use muster_core::reports as core;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A saved question in SQL.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Report {
    /// Its id.
    pub id: String,
    /// Its name, unique in the organization.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The question: one SELECT about the published views.
    pub query: String,
    /// Who wrote it.
    pub author: String,
    /// When it was written first.
    pub created: Time,
    /// When it was changed last.
    pub updated: Time,
    /// Counts its changes.
    pub version: i64,
}

impl From<core::Report> for Report {
    fn from(it: core::Report) -> Self {
        Self {
            id: it.id.to_string(),
            name: it.name,
            description: it.description,
            query: it.query,
            author: it.author,
            created: it.created.into(),
            updated: it.updated.into(),
            version: it.version,
        }
    }
}

/// What is said of a report; what is absent stays as it is.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct ReportPatch {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The question.
    pub query: Option<String>,
}

impl From<ReportPatch> for muster_engine::reports::ReportPatch {
    fn from(it: ReportPatch) -> Self {
        Self { name: it.name, description: it.description, query: it.query }
    }
}

/// A question that is not saved.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct Question {
    /// One SELECT about the published views.
    #[schema(required = true)]
    pub query: String,
}

/// The answer to a question.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Answer {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Its rows, at most 10,000 and 4 MiB of them: a cell for each column.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more rows than are given.
    pub more: bool,
    /// The kept answer it is, where it is kept.
    pub result: Option<ReportResult>,
}

impl Answer {
    /// Of an answer that is kept, or is not.
    pub fn of(answer: core::Answer, result: Option<core::ReportResult>) -> Self {
        let core::Answer { columns, rows, more } = answer;
        Self { columns, rows, more, result: result.map(ReportResult::from) }
    }
}

/// A kept answer, without its rows.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReportResult {
    /// Its id.
    pub id: String,
    /// When it was asked.
    pub at: Time,
    /// Who asked.
    pub by: String,
    /// How many rows are kept.
    pub count: i64,
    /// Whether there were more.
    pub more: bool,
}

impl From<core::ReportResult> for ReportResult {
    fn from(it: core::ReportResult) -> Self {
        Self { id: it.id.to_string(), at: it.at.into(), by: it.by, count: it.count, more: it.more }
    }
}

/// A column of a published view.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ViewColumn {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub help: &'static str,
}

/// A view that may be asked in SQL.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PublishedView {
    /// Its name.
    pub name: &'static str,
    /// What its rows are.
    pub help: &'static str,
    /// Its columns.
    pub columns: Vec<ViewColumn>,
}

/// What may be asked in SQL.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PublishedViews {
    /// The views.
    pub items: Vec<PublishedView>,
    /// The functions that may be used.
    pub functions: Vec<&'static str>,
}

impl PublishedViews {
    /// All there are.
    pub fn all() -> Self {
        let column = |it: &muster_engine::View| it.columns.iter().map(|c| ViewColumn { name: c.name, help: c.help }).collect();
        let each = |it: &muster_engine::View| PublishedView { name: it.name, help: it.help, columns: column(it) };
        Self { items: muster_engine::VIEWS.iter().map(each).collect(), functions: muster_engine::FUNCTIONS.to_vec() }
    }
}
