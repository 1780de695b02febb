//! Lists with optional filters, sorted and cut into pages by keyset; one text for both databases.

use crate::fault::Fault;
use crate::unit::Rx;
use crate::value::{Row, V};
use muster_core::limits::TOTAL_COUNTED_MAX;
use muster_core::page::{Cursor, Page, PageRequest, SortValue};
use muster_core::time::Timestamp;
use std::fmt::Write as _;
use std::str::FromStr;
use uuid::Uuid;

/// A list being asked for: columns, tables, conditions.
pub(crate) struct List {
    columns: &'static str,
    from: &'static str,
    conditions: Vec<String>,
    params: Vec<V>,
    counted_max: i64,
}

/// By what a list is sorted: a column that is never NULL, and the id that breaks ties. Both are selected as the last two
/// columns of every row.
pub(crate) struct Order {
    pub column: &'static str,
    pub id: &'static str,
}

impl List {
    pub fn new(columns: &'static str, from: &'static str) -> Self {
        Self { columns, from, conditions: Vec::new(), params: Vec::new(), counted_max: TOTAL_COUNTED_MAX }
    }

    /// Counts exactly up to another limit than [`TOTAL_COUNTED_MAX`].
    pub fn counting_to(mut self, counted_max: i64) -> Self {
        self.counted_max = counted_max;
        self
    }

    /// Takes a parameter; gives its name in the text.
    pub fn param(&mut self, value: impl Into<V>) -> String {
        self.params.push(value.into());
        format!("?{}", self.params.len())
    }

    /// Adds a condition; `{}` in it stands for the value.
    pub fn filter(&mut self, condition: &str, value: impl Into<V>) {
        let name = self.param(value);
        self.conditions.push(condition.replace("{}", &name));
    }

    /// Adds a condition as it is.
    pub fn condition(&mut self, condition: impl Into<String>) {
        self.conditions.push(condition.into());
    }

    /// Adds 'the column is one of these'; none at all means nothing matches.
    pub fn any_of(&mut self, column: &str, values: impl IntoIterator<Item = impl Into<V>>) {
        let names: Vec<String> = values.into_iter().map(|v| self.param(v)).collect();
        self.conditions.push(if names.is_empty() { "1 = 0".to_owned() } else { format!("{column} IN ({})", names.join(", ")) });
    }

    /// Adds 'one of these columns is one of its values'; none at all means nothing matches.
    pub fn either_of(&mut self, columns: &[(&str, &[Uuid])]) {
        let mut parts = Vec::new();
        for (column, values) in columns.iter().filter(|(_, values)| !values.is_empty()) {
            let names: Vec<String> = values.iter().map(|v| self.param(*v)).collect();
            parts.push(format!("{column} IN ({})", names.join(", ")));
        }
        self.conditions.push(if parts.is_empty() { "1 = 0".to_owned() } else { parts.join(" OR ") });
    }

    /// Adds 'one of these columns has the text in it'. Only ASCII letters are folded: SQLite knows no others, and PostgreSQL
    /// is kept to the same.
    pub fn contains(&mut self, columns: &[&str], text: &str, postgres: bool) {
        let text = self.param(text.to_ascii_lowercase());
        let (find, fold) = if postgres { ("strpos", " COLLATE \"C\"") } else { ("instr", "") };
        let parts: Vec<String> = columns.iter().map(|c| format!("{find}(lower({c}{fold}), {text}) > 0")).collect();
        self.conditions.push(parts.join(" OR "));
    }

    /// The conditions so far, for a text made by hand.
    pub fn joined(&self) -> String {
        self.conditions.iter().map(|c| format!("({c})")).collect::<Vec<_>>().join(" AND ")
    }

    /// The parameters taken so far, for a text made by hand.
    pub fn into_params(self) -> Vec<V> {
        self.params
    }

    fn text(&self, order: Option<&Order>, extra: &[String]) -> String {
        let keys = order.map_or(String::new(), |o| format!(", {} AS k_, {} AS i_", o.column, o.id));
        let mut sql = format!("SELECT {}{keys} FROM {}", self.columns, self.from);
        for (i, condition) in self.conditions.iter().chain(extra).enumerate() {
            let _ = write!(sql, " {} ({condition})", if i == 0 { "WHERE" } else { "AND" });
        }
        sql
    }

    /// One page.
    pub fn page<T>(
        self,
        rx: &mut Rx,
        request: &PageRequest,
        order: &Order,
        read: impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<Page<T>, Fault> {
        self.cut(rx, request, &request.order(), order, read)
    }

    /// One page of a record that is only read downwards, whatever way was asked for. The cursor keeps the asked order's name,
    /// so that it fits the request for the next page.
    pub fn newest_first<T>(
        self,
        rx: &mut Rx,
        request: &PageRequest,
        id: &'static str,
        read: impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<Page<T>, Fault> {
        let downwards = PageRequest { descending: true, ..request.clone() };
        self.cut(rx, &downwards, &request.order(), &Order { column: id, id }, read)
    }

    fn cut<T>(
        mut self,
        rx: &mut Rx,
        request: &PageRequest,
        sort: &str,
        order: &Order,
        read: impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<Page<T>, Fault> {
        let total = self.count(rx)?;
        let sql = self.page_text(request, order);
        let mut rows = rx.rows_dyn(&sql, &self.params)?;
        let more = rows.len() > request.limit;
        rows.truncate(request.limit);
        let next = match rows.last() {
            Some(last) if more => Some(cursor(last, sort)?.encode()),
            _ => None,
        };
        Ok(Page { items: rows.iter().map(read).collect::<Result<_, _>>()?, next, total })
    }

    fn page_text(&mut self, request: &PageRequest, order: &Order) -> String {
        let (way, beyond) = if request.descending { ("DESC", "<") } else { ("ASC", ">") };
        let limit = request.limit + 1;
        let Some(cursor) = &request.cursor else {
            return format!("{} ORDER BY k_ {way}, i_ {way} LIMIT {limit}", self.text(Some(order), &[]));
        };
        let id = self.param(cursor.id);
        if order.column == order.id {
            return format!("{} ORDER BY i_ {way} LIMIT {limit}", self.text(Some(order), &[format!("{} {beyond} {id}", order.id)]));
        }
        let value = match &cursor.value {
            SortValue::Number(n) => self.param(*n),
            SortValue::Text(t) => self.param(t.as_str()),
        };
        // Two ranges instead of a row comparison: each can use the index (docs/adr/0002).
        let same = self.text(Some(order), &[format!("{} = {value}", order.column), format!("{} {beyond} {id}", order.id)]);
        let rest = self.text(Some(order), &[format!("{} {beyond} {value}", order.column)]);
        format!(
            "SELECT * FROM (SELECT * FROM ({same} ORDER BY i_ {way} LIMIT {limit}) a_ UNION ALL SELECT * FROM ({rest} ORDER BY k_ {way}, i_ {way} LIMIT {limit}) b_) c_ ORDER BY k_ {way}, i_ {way} LIMIT {limit}"
        )
    }

    /// How many match; `None` above what is counted.
    fn count(&self, rx: &mut Rx) -> Result<Option<i64>, Fault> {
        let counting =
            List { columns: "1", from: self.from, conditions: self.conditions.clone(), params: Vec::new(), counted_max: self.counted_max };
        let sql = format!("SELECT count(*) FROM ({} LIMIT {}) n_", counting.text(None, &[]), self.counted_max + 1);
        let n = rx.rows_dyn(&sql, &self.params)?.first().map_or(Ok(0), |r| r.int(0))?;
        Ok((n <= self.counted_max).then_some(n))
    }

    /// All rows in the order of a column, up to `limit`.
    pub fn all<T>(self, rx: &mut Rx, order: &str, limit: usize, read: impl Fn(&Row) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
        let sql = format!("{} ORDER BY {order} LIMIT {limit}", self.text(None, &[]));
        rx.rows_dyn(&sql, &self.params)?.iter().map(read).collect()
    }

    /// How many match, exactly.
    pub fn exactly(self, rx: &mut Rx) -> Result<i64, Fault> {
        let counting = List { columns: "count(*)", ..self };
        let sql = counting.text(None, &[]);
        rx.rows_dyn(&sql, &counting.params)?.first().map_or(Ok(0), |r| r.int(0))
    }
}

fn cursor(last: &Row, sort: &str) -> Result<Cursor, Fault> {
    let n = last.cells.len();
    let value = match last.cells.get(n - 2) {
        Some(V::I(i)) => SortValue::Number(*i),
        Some(V::T(t)) => SortValue::Text(t.clone()),
        // A list in the order of its ids needs no other value.
        _ => SortValue::Number(0),
    };
    Ok(Cursor { sort: sort.to_owned(), value, id: last.id(n - 1)? })
}

/// A text that may be missing.
pub(crate) fn owned(row: &Row, i: usize) -> Result<Option<String>, Fault> {
    Ok(row.opt_text(i)?.map(str::to_owned))
}

/// An instant, where one is kept; 0 stands for none.
pub(crate) fn instant(row: &Row, i: usize) -> Result<Option<Timestamp>, Fault> {
    Ok(row.opt_int(i)?.filter(|ms| *ms > 0).map(Timestamp))
}

/// A word of the database as one of ours.
pub(crate) fn word<T: FromStr>(row: &Row, i: usize, table: &'static str, column: &'static str) -> Result<T, Fault> {
    let text = row.text(i)?;
    text.parse().map_err(|_| Fault::Corrupt { table, column, row: format!("'{text}' is no known word") })
}

/// A JSON document of the database.
pub(crate) fn json<T: serde::de::DeserializeOwned>(row: &Row, i: usize, table: &'static str, column: &'static str) -> Result<T, Fault> {
    serde_json::from_str(row.text(i)?).map_err(|e| Fault::Corrupt { table, column, row: e.to_string() })
}

/// A number that fits a smaller type.
pub(crate) fn small<T: TryFrom<i64>>(row: &Row, i: usize, table: &'static str, column: &'static str) -> Result<T, Fault> {
    let n = row.int(i)?;
    T::try_from(n).map_err(|_| Fault::Corrupt { table, column, row: format!("{n} is out of range") })
}
