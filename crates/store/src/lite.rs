//! One SQLite connection: settings, statements, deadline.

use crate::fault::{Broken, Fault, OpenError};
use crate::value::{Row, Table, V};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Instructions of SQLite's machine between two looks at the deadline: about 20 µs.
const STEPS: i32 = 1000;
/// Stands for a millisecond where no clock may be read (simulator).
const LOOKS_PER_MS: u64 = 50;
const STATEMENTS: usize = 256;

const COMMON: &str = "PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF;";
const WRITER: &str = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32000; PRAGMA wal_autocheckpoint=20000;";
const READER: &str = "PRAGMA query_only=ON; PRAGMA cache_size=-4000;";

#[cfg(test)]
thread_local! {
    /// What this thread asked of SQLite, for the tests that look at plans.
    pub(crate) static ASKED: std::cell::RefCell<Vec<(String, Vec<V>)>> = const { std::cell::RefCell::new(Vec::new()) };
}

pub(crate) struct Lite {
    conn: Connection,
    watch: Arc<Watch>,
    /// A read is under way: what would write is refused.
    reading: bool,
}

/// The deadline as the progress handler sees it.
struct Watch {
    start: Instant,
    /// Nanoseconds after `start`; 0 is none.
    until: AtomicU64,
    /// Looks left where no clock is read; `u64::MAX` is no limit.
    looks: AtomicU64,
}

impl Watch {
    fn passed(&self) -> bool {
        let until = self.until.load(Relaxed);
        if until > 0 {
            return self.start.elapsed().as_nanos() > u128::from(until);
        }
        let looks = self.looks.load(Relaxed);
        if looks != u64::MAX {
            self.looks.store(looks.saturating_sub(1), Relaxed);
        }
        looks == 0
    }
}

impl Lite {
    /// The writing connection; makes the file, readable by its owner only, when it is missing.
    pub(crate) fn writer(path: &Path) -> Result<Self, OpenError> {
        create(path).map_err(|e| OpenError::File { path: path.into(), why: e.to_string() })?;
        Self::open(path, WRITER)
    }

    pub(crate) fn reader(path: &Path) -> Result<Self, OpenError> {
        Self::open(path, READER)
    }

    /// A connection for checkpoints and backups, beside the writer.
    pub(crate) fn side(path: &Path) -> Result<Self, OpenError> {
        Self::open(path, "PRAGMA synchronous=FULL;")
    }

    pub(crate) fn memory() -> Self {
        let conn = Connection::open_in_memory().expect("SQLite opens a database in memory unless the machine has none left");
        Self::over(conn, "").expect("the settings are constant and need no disk")
    }

    fn open(path: &Path, settings: &str) -> Result<Self, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(path, flags)
            .and_then(|conn| Self::over(conn, settings))
            .map_err(|e| OpenError::File { path: PathBuf::from(path), why: e.to_string() })
    }

    fn over(mut conn: Connection, settings: &str) -> rusqlite::Result<Self> {
        conn.busy_timeout(Duration::from_secs(5))?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        // Otherwise a statement with `LIMIT ?` is prepared anew with every value that is bound.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        conn.execute_batch(COMMON)?;
        conn.execute_batch(settings)?;
        let watch = Arc::new(Watch { start: Instant::now(), until: AtomicU64::new(0), looks: AtomicU64::new(u64::MAX) });
        let seen = Arc::clone(&watch);
        conn.progress_handler(STEPS, Some(move || seen.passed()))?;
        Ok(Self { conn, watch, reading: false })
    }

    /// Sets the deadline: an instant, or when there is none a number of steps that stands for `each`.
    pub(crate) fn watch(&mut self, until: Option<Instant>, each: Duration) {
        match until {
            Some(until) => {
                let after = until.saturating_duration_since(self.watch.start).as_nanos();
                self.watch.until.store(u64::try_from(after).unwrap_or(u64::MAX).max(1), Relaxed);
            }
            None => {
                let ms = u64::try_from(each.as_millis()).unwrap_or(u64::MAX);
                self.watch.looks.store(ms.saturating_mul(LOOKS_PER_MS).min(u64::MAX - 1), Relaxed);
            }
        }
    }

    pub(crate) fn unwatch(&mut self) {
        self.watch.until.store(0, Relaxed);
        self.watch.looks.store(u64::MAX, Relaxed);
    }

    pub(crate) fn rows(&mut self, sql: &str, name: &'static str, p: &[V]) -> Result<Vec<Row>, Broken> {
        #[cfg(test)]
        ASKED.with_borrow_mut(|asked| asked.push((sql.to_owned(), p.to_vec())));
        let mut statement = self.bound(sql, p)?;
        let width = statement.column_count();
        let mut rows = statement.raw_query();
        let mut answer = Vec::new();
        while let Some(row) = rows.next().map_err(|e| broken(&e, sql))? {
            let mut cells = Vec::with_capacity(width);
            for i in 0..width {
                cells.push(cell(row.get_ref(i).map_err(|e| broken(&e, sql))?, i, sql)?);
            }
            answer.push(Row { cells: cells.into(), sql: name });
        }
        Ok(answer)
    }

    /// The answer to a question that a person wrote; it is not kept among the prepared ones.
    pub(crate) fn table(&mut self, sql: &str) -> Result<Table, Broken> {
        let mut statement = self.conn.prepare(sql).map_err(|e| broken(&e, sql))?;
        if !statement.readonly() {
            return Err(Broken::db("a question changes nothing".to_owned()));
        }
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let (mut rows, mut answer) = (statement.raw_query(), Vec::new());
        while let Some(row) = rows.next().map_err(|e| broken(&e, sql))? {
            let cell = |i| row.get_ref(i).map(shown).map_err(|e| broken(&e, sql));
            answer.push((0..columns.len()).map(cell).collect::<Result<Vec<_>, Broken>>()?);
        }
        Ok((columns, answer))
    }

    pub(crate) fn exec(&mut self, sql: &str, p: &[V]) -> Result<u64, Broken> {
        let changed = self.bound(sql, p)?.raw_execute().map_err(|e| broken(&e, sql))?;
        Ok(changed as u64)
    }

    fn bound(&mut self, sql: &str, p: &[V]) -> Result<CachedStatement<'_>, Broken> {
        let mut statement = self.conn.prepare_cached(sql).map_err(|e| broken(&e, sql))?;
        if self.reading && !statement.readonly() {
            return Err(Broken::db(format!("a read may not write: {}", short(sql))));
        }
        if statement.parameter_count() != p.len() {
            let (wants, has) = (statement.parameter_count(), p.len());
            return Err(Broken::db(format!("the statement wants {wants} parameters and got {has}: {}", short(sql))));
        }
        for (i, value) in p.iter().enumerate() {
            statement.raw_bind_parameter(i + 1, Bound(value)).map_err(|e| broken(&e, sql))?;
        }
        Ok(statement)
    }

    /// Several statements without parameters.
    pub(crate) fn script(&mut self, sql: &str) -> Result<(), Broken> {
        self.conn.execute_batch(sql).map_err(|e| broken(&e, sql))
    }

    /// True outside a transaction, also when SQLite threw it away by itself.
    pub(crate) fn is_autocommit(&self) -> bool {
        self.conn.is_autocommit()
    }

    /// One statement of transaction control.
    pub(crate) fn control(&mut self, sql: &'static str) -> Result<(), Broken> {
        self.exec(sql, &[]).map(|_| ())
    }

    /// Begins a read of one consistent state.
    pub(crate) fn begin_read(&mut self) -> Result<(), Broken> {
        self.control("BEGIN")?;
        self.reading = true;
        Ok(())
    }

    pub(crate) fn end_read(&mut self) {
        self.reading = false;
        if !self.conn.is_autocommit() && self.control("ROLLBACK").is_err() {
            tracing::warn!("a read could not be ended");
        }
    }
}

fn create(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}

/// Writes a compact copy of the database behind `db` to the new file `to` and makes it durable.
pub(crate) fn copy(db: &mut Lite, to: &Path) -> Result<(), Fault> {
    let failed = |e: &dyn std::fmt::Display| Fault::Db(format!("cannot write the backup {}: {e}", to.display()));
    if to.exists() {
        return Err(failed(&"the file exists already; name a new one"));
    }
    create(to).map_err(|e| failed(&e))?;
    let target = to.to_str().ok_or_else(|| failed(&"the path is not UTF-8"))?;
    let copied = db.exec("VACUUM INTO ?1", &[V::from(target)]).map_err(|b| failed(&b.fault));
    let synced = copied.and_then(|_| std::fs::File::open(to).and_then(|f| f.sync_all()).map_err(|e| failed(&e)));
    if synced.is_err() && std::fs::remove_file(to).is_err() {
        tracing::warn!(path = %to.display(), "an unfinished backup is left");
    }
    synced
}

/// What SQLite finds wrong; empty when all is well.
pub(crate) fn integrity(db: &mut Lite) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    for row in db.rows("PRAGMA integrity_check", "PRAGMA integrity_check", &[]).map_err(|b| b.fault)? {
        let line = row.text(0)?;
        if line != "ok" {
            found.push(line.to_owned());
        }
    }
    for row in db.rows("PRAGMA foreign_key_check", "PRAGMA foreign_key_check", &[]).map_err(|b| b.fault)? {
        found.push(format!("table {}, row {:?}: the row of {} it points to is missing", row.text(0)?, row.opt_int(1)?, row.text(2)?));
    }
    Ok(found)
}

/// A cell as people see it: sixteen bytes are an id.
fn shown(value: ValueRef<'_>) -> serde_json::Value {
    match value {
        ValueRef::Null => serde_json::Value::Null,
        ValueRef::Integer(n) => n.into(),
        ValueRef::Real(n) => n.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => {
            uuid::Uuid::from_slice(bytes).map_or_else(|_| format!("{} bytes", bytes.len()), |id| id.to_string()).into()
        }
    }
}

struct Bound<'a>(&'a V);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            V::Null | V::No(_) => ToSqlOutput::Owned(Value::Null),
            V::I(i) => ToSqlOutput::Owned(Value::Integer(*i)),
            V::T(t) => ToSqlOutput::Borrowed(ValueRef::Text(t.as_bytes())),
            V::B(b) => ToSqlOutput::Borrowed(ValueRef::Blob(b)),
            V::U(u) => ToSqlOutput::Borrowed(ValueRef::Blob(u.as_bytes())),
            V::Is(_) | V::Ts(_) | V::Us(_) => {
                return Err(rusqlite::Error::ToSqlConversionFailure("SQLite has no list parameters; loop over the items".into()));
            }
        })
    }
}

fn cell(value: ValueRef<'_>, i: usize, sql: &str) -> Result<V, Broken> {
    match value {
        ValueRef::Null => Ok(V::Null),
        ValueRef::Integer(v) => Ok(V::I(v)),
        ValueRef::Blob(b) => Ok(V::B(b.to_vec())),
        ValueRef::Text(t) => match std::str::from_utf8(t) {
            Ok(t) => Ok(V::T(t.to_owned())),
            Err(_) => Err(Broken::db(format!("column {i} is a text that is not UTF-8: {}", short(sql)))),
        },
        ValueRef::Real(_) => Err(Broken::db(format!("column {i} is a fraction; only whole numbers are stored: {}", short(sql)))),
    }
}

fn broken(e: &rusqlite::Error, sql: &str) -> Broken {
    match e.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => Broken::last(Fault::TooLong),
        // Only another process can hold the file: the writer is one thread.
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Broken::conflict(),
        _ => Broken::db(format!("{e}, in \"{}\"", short(sql))),
    }
}

pub(crate) fn short(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    words.join(" ").chars().take(160).collect()
}
