//! Saved reports: questions in SQL, and the answers that are kept.

use crate::csv::cell;
use crate::ids::{OrgId, ReportId};
use crate::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

/// The answer to a question in SQL.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Its rows: a cell for each column.
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more rows than are given.
    pub more: bool,
}

impl Answer {
    /// As CSV (RFC 4180), the names of the columns first.
    pub fn csv(&self) -> String {
        let mut text = String::new();
        let names = self.columns.iter().map(|name| Value::from(name.as_str())).collect();
        for row in std::iter::once(&names).chain(&self.rows) {
            for (n, value) in row.iter().enumerate() {
                text.push_str(if n == 0 { "" } else { "," });
                cell(value, &mut text);
            }
            text.push_str("\r\n");
        }
        text
    }
}

/// A saved report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its id.
    pub id: ReportId,
    /// Whose it is.
    pub org: OrgId,
    /// Its name: one of each in an organization.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The question.
    pub query: String,
    /// Who wrote it.
    pub author: String,
    /// When it was written first.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
    /// Grows with each change.
    pub version: i64,
}

/// A kept answer, without its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportResult {
    /// Its id.
    pub id: Uuid,
    /// The report.
    pub report: ReportId,
    /// When it was asked.
    pub at: Timestamp,
    /// Who asked.
    pub by: String,
    /// How many rows are kept.
    pub count: i64,
    /// Whether there were more.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_is_written_as_csv() {
        let rows = vec![vec![json!("a, \"b\""), json!(null), json!(3)], vec![json!("=1+1"), json!("two\nlines"), json!(0.5)]];
        let answer = Answer { columns: ["name", "x", "n"].map(str::to_owned).to_vec(), rows, more: false };
        assert_eq!(answer.csv(), "name,x,n\r\n\"a, \"\"b\"\"\",,3\r\n'=1+1,\"two\nlines\",0.5\r\n");
    }
}
