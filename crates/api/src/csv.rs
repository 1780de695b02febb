//! Lists as CSV (RFC 4180): all rows of a filter, read a page at a time, with the columns that were asked for.
//!
//! Lives here: whether CSV is wanted, which columns, cells, the stream. Absent on purpose: what a list holds; a list brings its
//! [`Table`] and a question that gives one page.

use crate::auth::Ctx;
use crate::list::values;
use crate::problem::Problem;
use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use muster_core::csv::cell;
use muster_core::limits::{CSV_ROWS_MAX, PAGE_ROWS_MAX};
use muster_core::nearest::nearest;
use muster_core::page::{Cursor, Page, PageRequest};
use muster_engine::{Cx, Error, Rx};
use serde::Serialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::io;

/// A column: its name and where its cells are in a row's JSON (a JSON pointer).
pub(crate) type Column = (&'static str, &'static str);

/// A list that can be had as CSV.
pub(crate) struct Table {
    /// The first part of the file's name.
    pub name: &'static str,
    /// All columns, in the order in which they come unless asked for otherwise.
    pub columns: &'static [Column],
}

/// Whether the headers of a request ask for CSV.
pub(crate) struct Accept(bool);

impl<S: Send + Sync> FromRequestParts<S> for Accept {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let accept = parts.headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
        Ok(Self(kinds.into_iter().any(|kind| kind.eq_ignore_ascii_case("text/csv"))))
    }
}

/// A table with the columns that were chosen.
#[derive(Clone)]
pub(crate) struct Sheet {
    name: &'static str,
    columns: Vec<Column>,
}

impl Accept {
    /// The sheet asked for by `format` and `columns`, or by the headers; none when JSON is wanted.
    pub fn sheet(&self, table: &Table, format: Option<&str>, columns: Option<&str>) -> Result<Option<Sheet>, Problem> {
        let wanted = match format {
            Some("csv") => true,
            Some("json") => false,
            None | Some("") => self.0,
            Some(other) => return Err(Problem::invalid("format", format!("format is '{other}'; it is json or csv"))),
        };
        let columns = values(columns);
        if !wanted {
            let idle = Problem::invalid("columns", "columns are chosen for CSV; add format=csv");
            return if columns.is_empty() { Ok(None) } else { Err(idle) };
        }
        let columns = if columns.is_empty() { table.columns.to_vec() } else { chosen(table, &columns)? };
        Ok(Some(Sheet { name: table.name, columns }))
    }
}

fn chosen(table: &Table, names: &[String]) -> Result<Vec<Column>, Problem> {
    let known = || table.columns.iter().map(|(name, _)| *name);
    let one = |name: &String| {
        table.columns.iter().find(|(known, _)| known == name).copied().ok_or_else(|| {
            let hint = nearest(name, known()).map_or(String::new(), |near| format!("did you mean '{near}'? "));
            let all = known().collect::<Vec<_>>().join(", ");
            Problem::invalid("columns", format!("there is no column '{name}' here; {hint}there are {all}"))
        })
    };
    names.iter().map(one).collect()
}

impl Sheet {
    fn line<'v>(&self, cells: impl Iterator<Item = &'v Value>) -> String {
        let mut line = String::new();
        for (i, value) in cells.enumerate() {
            if i > 0 {
                line.push(',');
            }
            cell(value, &mut line);
        }
        line + "\r\n"
    }

    fn head(&self) -> String {
        let names: Vec<Value> = self.columns.iter().map(|(name, _)| Value::from(*name)).collect();
        self.line(names.iter())
    }

    fn rows<T: Serialize>(&self, items: &[T]) -> Result<String, Error> {
        let mut text = String::new();
        for item in items {
            let row: Value = serde_json::from_str(&crate::auth::encode(item)?)
                .map_err(|e| Error::new(muster_engine::Kind::Internal, "server/internal", format!("a row is no JSON: {e}")))?;
            text += &self.line(self.columns.iter().map(|(_, place)| row.pointer(place).unwrap_or(&Value::Null)));
        }
        Ok(text)
    }
}

/// What is still to be sent.
struct Rest<F> {
    ctx: Ctx,
    sheet: Sheet,
    ask: F,
    /// Texts that are ready.
    ready: VecDeque<String>,
    /// The page to be asked for next.
    page: Option<PageRequest>,
    /// Rows that may still be sent.
    left: usize,
}

impl<T, F> Rest<F>
where
    T: Serialize + Send + 'static,
    F: Fn(&mut Rx, &Cx, &PageRequest) -> Result<Page<T>, Error> + Clone + Send + Sync + 'static,
{
    /// Reads the next page; gives how many rows there are in all, when that is known.
    async fn read(&mut self, page: PageRequest) -> Result<Option<i64>, Problem> {
        let ask = self.ask.clone();
        let page = PageRequest { limit: PAGE_ROWS_MAX.min(self.left), ..page };
        let (got, page) = self.ctx.read(move |rx, cx| ask(rx, cx, &page).map(|got| (got, page))).await?;
        self.left -= got.items.len().min(self.left);
        self.ready.push_back(self.sheet.rows(&got.items)?);
        let cursor = got.next.as_deref().and_then(Cursor::decode).filter(|_| self.left > 0);
        self.page = cursor.map(|cursor| PageRequest { cursor: Some(cursor), ..page });
        Ok(got.total)
    }

    async fn next(mut self) -> Option<(Result<Bytes, io::Error>, Self)> {
        loop {
            if let Some(text) = self.ready.pop_front() {
                return Some((Ok(Bytes::from(text)), self));
            }
            let page = self.page.take()?;
            if let Err(problem) = self.read(page).await {
                // The head is sent: all that is left is to break off, so that nobody takes a part for the whole.
                tracing::error!(?problem, "a CSV answer broke off");
                return Some((Err(io::Error::other("the rows could not be read")), self));
            }
        }
    }
}

/// All rows of a list as CSV, up to [`CSV_ROWS_MAX`]. `ask` gives one page; the first is read before the answer begins, so that a
/// refusal is one. `Muster-Total` says how many rows match, where that is counted.
pub(crate) async fn answer<T, F>(ctx: Ctx, sheet: Sheet, page: PageRequest, ask: F) -> Result<Response, Problem>
where
    T: Serialize + Send + 'static,
    F: Fn(&mut Rx, &Cx, &PageRequest) -> Result<Page<T>, Error> + Clone + Send + Sync + 'static,
{
    let day: String = ctx.now().to_string().chars().take(10).collect();
    let file = format!("attachment; filename=\"{}-{day}.csv\"", sheet.name);
    let mut rest = Rest { ctx, ready: VecDeque::from([sheet.head()]), sheet, ask, page: None, left: CSV_ROWS_MAX };
    let total = rest.read(PageRequest { cursor: None, ..page }).await?;
    let body = Body::from_stream(stream::unfold(rest, Rest::next));
    let mut response = ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], body).into_response();
    let headers = response.headers_mut();
    if let Ok(file) = HeaderValue::from_str(&file) {
        headers.insert(header::CONTENT_DISPOSITION, file);
    }
    if let Some(total) = total {
        headers.insert("muster-total", HeaderValue::from(total));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TABLE: Table = Table { name: "things", columns: &[("name", "/name"), ("n", "/n"), ("agent", "/agent/id"), ("ips", "/ips")] };

    fn text(format: Option<&str>, columns: Option<&str>, items: &[Value]) -> String {
        let sheet = Accept(false).sheet(&TABLE, format, columns).expect("understood").expect("CSV");
        sheet.head() + &sheet.rows(items).expect("rows")
    }

    #[test]
    fn cells_are_quoted_where_they_must_be_and_formulas_are_disarmed() {
        let items = [
            json!({"name": "a \"b\", c\nd", "n": -3, "agent": {"id": "x"}, "ips": ["10.0.0.1", "::1"]}),
            json!({"name": "=1+1", "n": null, "agent": null, "ips": ["@x"]}),
            json!({"name": "+1", "n": 2.5}),
            json!({"name": "-x", "n": true}),
            json!({"name": " y", "n": "\tz"}),
        ];
        let expected =
            "name,n,agent,ips\r\n\"a \"\"b\"\", c\nd\",-3,x,10.0.0.1; ::1\r\n'=1+1,,,'@x\r\n'+1,2.5,,\r\n'-x,true,,\r\n\" y\",'\tz,,\r\n";
        assert_eq!(text(Some("csv"), None, &items), expected);
    }

    #[test]
    fn columns_are_chosen_and_ordered_and_unknown_ones_are_named_with_the_known() {
        assert_eq!(text(Some("csv"), Some("n,name"), &[json!({"name": "a", "n": 1})]), "n,name\r\n1,a\r\n");
        let sheet = |format, columns| Accept(false).sheet(&TABLE, format, columns);
        let refused = |format, columns| format!("{:?}", sheet(format, columns).err().expect("refused"));
        let unknown = refused(Some("csv"), Some("nmae"));
        assert!(
            unknown.contains("'nmae'") && unknown.contains("did you mean 'name'?") && unknown.contains("name, n, agent, ips"),
            "{unknown}"
        );
        assert!(refused(Some("xml"), None).contains("json or csv"));
        assert!(refused(None, Some("name")).contains("add format=csv"));
    }

    #[test]
    fn a_header_asks_for_csv_and_the_parameter_goes_before_it() {
        let asked = |accept: bool, format| Accept(accept).sheet(&TABLE, format, None).expect("understood").is_some();
        assert!(asked(true, None) && !asked(true, Some("json")) && !asked(false, None) && asked(false, Some("csv")));
    }
}
