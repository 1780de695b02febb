//! Values that go into statements and rows that come out, the same for both databases.

use crate::fault::Fault;
use uuid::Uuid;

/// A parameter or a cell. Arrays exist on PostgreSQL only, as parameters for `unnest` and `ANY`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum V {
    /// NULL whose type PostgreSQL must guess from the text; it cannot in `?1 IS NULL`. An `Option` knows its type.
    Null,
    /// NULL of a known type, made from `None`.
    No(Of),
    I(i64),
    T(String),
    B(Vec<u8>),
    U(Uuid),
    Is(Vec<Option<i64>>),
    Ts(Vec<Option<String>>),
    Us(Vec<Option<Uuid>>),
}

/// The type of an empty value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    I,
    T,
    B,
    U,
}

/// What may stand in an `Option`.
pub(crate) trait Single: Into<V> {
    const OF: Of;
}

macro_rules! singles {
    ($($of:ident: $($ty:ty)*;)*) => {$($(impl Single for $ty { const OF: Of = Of::$of; })*)*};
}

singles! {
    I: i64 bool;
    T: &str String &String;
    B: Vec<u8> &[u8];
    U: Uuid;
}

impl From<i64> for V {
    fn from(v: i64) -> Self {
        V::I(v)
    }
}
impl From<bool> for V {
    fn from(v: bool) -> Self {
        V::I(i64::from(v))
    }
}
impl From<&str> for V {
    fn from(v: &str) -> Self {
        V::T(v.to_owned())
    }
}
impl From<String> for V {
    fn from(v: String) -> Self {
        V::T(v)
    }
}
impl From<&String> for V {
    fn from(v: &String) -> Self {
        V::T(v.clone())
    }
}
impl From<Uuid> for V {
    fn from(v: Uuid) -> Self {
        V::U(v)
    }
}
impl From<Vec<u8>> for V {
    fn from(v: Vec<u8>) -> Self {
        V::B(v)
    }
}
impl From<&[u8]> for V {
    fn from(v: &[u8]) -> Self {
        V::B(v.to_vec())
    }
}
impl<T: Single> From<Option<T>> for V {
    fn from(v: Option<T>) -> Self {
        v.map_or(V::No(T::OF), Into::into)
    }
}

impl V {
    fn kind(&self) -> String {
        match self {
            V::Null | V::No(_) => "nothing".into(),
            V::I(i) => format!("the number {i}"),
            V::T(t) => format!("the text '{}'", t.chars().take(60).collect::<String>()),
            V::B(b) => format!("{} bytes", b.len()),
            V::U(u) => format!("the id {u}"),
            V::Is(_) | V::Ts(_) | V::Us(_) => "a list".into(),
        }
    }
}

/// The answer to a question that a person wrote: the names of its columns, and its rows.
pub(crate) type Table = (Vec<String>, Vec<Vec<serde_json::Value>>);

/// One row of an answer. A cell of another type than asked for is `Fault::Corrupt`, never a panic.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) cells: Box<[V]>,
    /// The statement, for messages; empty when it was built at run time.
    pub(crate) sql: &'static str,
}

impl Row {
    fn cell(&self, i: usize) -> &V {
        self.cells.get(i).unwrap_or(&V::Null)
    }

    fn wrong(&self, i: usize, wanted: &str) -> Fault {
        let sql: String = self.sql.chars().take(120).collect();
        let holds = self.cells.get(i).map_or_else(|| "no such column".to_owned(), V::kind);
        Fault::Corrupt { table: "answer", column: "cell", row: format!("column {i} should be {wanted} and is {holds}, in \"{sql}\"") }
    }

    /// An id; 16 bytes on SQLite.
    pub fn id(&self, i: usize) -> Result<Uuid, Fault> {
        match self.cell(i) {
            V::U(u) => Ok(*u),
            V::B(b) => Uuid::from_slice(b).map_err(|_| self.wrong(i, "an id")),
            _ => Err(self.wrong(i, "an id")),
        }
    }

    pub fn opt_id(&self, i: usize) -> Result<Option<Uuid>, Fault> {
        self.opt(i, Self::id)
    }

    pub fn int(&self, i: usize) -> Result<i64, Fault> {
        match self.cell(i) {
            V::I(v) => Ok(*v),
            _ => Err(self.wrong(i, "a whole number")),
        }
    }

    pub fn opt_int(&self, i: usize) -> Result<Option<i64>, Fault> {
        self.opt(i, Self::int)
    }

    pub fn text(&self, i: usize) -> Result<&str, Fault> {
        match self.cell(i) {
            V::T(t) => Ok(t),
            _ => Err(self.wrong(i, "a text")),
        }
    }

    pub fn opt_text(&self, i: usize) -> Result<Option<&str>, Fault> {
        self.opt(i, Self::text)
    }

    pub fn bytes(&self, i: usize) -> Result<&[u8], Fault> {
        match self.cell(i) {
            V::B(b) => Ok(b),
            _ => Err(self.wrong(i, "a document")),
        }
    }

    pub fn opt_bytes(&self, i: usize) -> Result<Option<&[u8]>, Fault> {
        self.opt(i, Self::bytes)
    }

    /// A stored 0 or 1 (or PostgreSQL's own boolean); what is no number is false.
    pub fn flag(&self, i: usize) -> bool {
        matches!(self.cell(i), V::I(v) if *v != 0)
    }

    fn opt<'a, T>(&'a self, i: usize, get: impl Fn(&'a Self, usize) -> Result<T, Fault>) -> Result<Option<T>, Fault> {
        // A column that is not there is a mistake, not an empty cell.
        if matches!(self.cells.get(i), Some(V::Null)) { Ok(None) } else { get(self, i).map(Some) }
    }
}
