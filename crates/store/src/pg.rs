//! One PostgreSQL connection with a synchronous face: a runtime of its own, statements, and writes that travel together.
//!
//! Everything leaves through one ordered channel: a postponed statement is handed to the client at once and only its
//! answer is read later. Lives on a plain thread, because `block_on` panics on a worker of another runtime.

use crate::fault::{Broken, Fault, OpenError};
use crate::lite::short;
use crate::value::{Of, Row, Table, V};
use futures_util::future::{Either, join, ready};
use std::collections::{HashMap, VecDeque};
use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, Error, NoTls, Statement};

const STATEMENTS: usize = 256;
/// More postponed writes than this are waited for, so that answers do not pile up.
const POSTPONED: usize = 256;
/// A link that rested longer is tried before anything depends on it.
const RESTED: Duration = Duration::from_secs(1);
const CONNECT: Duration = Duration::from_secs(5);
/// Beyond the server's own time limit, before a silent link counts as lost.
const GRACE: Duration = Duration::from_secs(5);

pub(crate) struct Pg {
    // Before the runtime: it must be dropped first.
    link: Option<Link>,
    runtime: Runtime,
    config: Config,
    limit: Duration,
}

struct Link {
    postponed: VecDeque<Either<Answer, std::future::Ready<Result<u64, Error>>>>,
    statements: HashMap<Box<str>, (Statement, u64)>,
    uses: u64,
    used: Instant,
    client: Arc<Client>,
}

type Answer = Pin<Box<dyn Future<Output = Result<u64, Error>> + Send>>;

/// How COMMIT ended.
pub(crate) enum Commit {
    Done,
    /// Certainly rolled back.
    Broke(Broken),
    /// The link broke on the way.
    Unknown,
}

/// Reads an address; `limit` is the time limit of one statement.
pub(crate) fn config(url: &str) -> Result<Config, OpenError> {
    let mut config = Config::from_str(url).map_err(|e| OpenError::Address(full(&e)))?;
    config.connect_timeout(CONNECT).tcp_user_timeout(Duration::from_secs(30));
    config.keepalives(true).keepalives_idle(Duration::from_secs(15));
    if config.get_application_name().is_none() {
        config.application_name("muster");
    }
    Ok(config)
}

impl Pg {
    /// A connection that is made at its first use. Never on a thread of another runtime.
    pub(crate) fn new(config: Config, limit: Duration) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { link: None, runtime, config, limit })
    }

    pub(crate) fn connect(&mut self) -> Result<(), OpenError> {
        self.link = None;
        let limit = self.limit.as_millis();
        // Compiling a statement takes longer than it saves, and is decided by a guess at its cost. Sets that do not fit into
        // `work_mem` by another guess are gone through again for every device: a million ids fit.
        let settings = format!(
            "SET jit = off; SELECT set_config('work_mem', greatest(pg_size_bytes(current_setting('work_mem')) / 1024, 65536)::text, false); \
             SET statement_timeout = {limit}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
             SET default_transaction_isolation = 'read committed'; SET client_min_messages = 'warning'",
            (limit / 2).max(1),
            limit + 10_000,
        );
        let made = self.runtime.block_on(async {
            let (client, connection) = self.config.connect(NoTls).await?;
            // Ends with the client; its error reaches whoever waits for an answer.
            tokio::spawn(async move {
                if let Err(e) = connection.await {
                    tracing::warn!(error = %full(&e), "a link to PostgreSQL broke");
                }
            });
            client.batch_execute(&settings).await?;
            Ok::<_, Error>(client)
        });
        let client = Arc::new(made.map_err(|e| OpenError::Connect(full(&e)))?);
        self.link = Some(Link { postponed: VecDeque::new(), statements: HashMap::new(), uses: 0, used: Instant::now(), client });
        Ok(())
    }

    /// The live link; connects again when the last one broke.
    fn link(&mut self) -> Result<&mut Link, Broken> {
        if self.link.as_ref().is_none_or(|l| l.client.is_closed())
            && let Err(e) = self.connect()
        {
            tracing::warn!(error = %e, "PostgreSQL cannot be reached");
            return Err(Broken::last(Fault::Gone));
        }
        self.link.as_mut().ok_or(Broken::last(Fault::Gone))
    }

    /// The link inside a transaction: never a new one, which would know nothing of it.
    fn inside(&mut self) -> Result<&mut Link, Broken> {
        self.link.as_mut().ok_or(Broken { fault: Fault::Gone, again: true })
    }

    pub(crate) fn begin(&mut self) -> Result<(), Broken> {
        self.open_transaction("BEGIN")
    }

    /// Begins a read of one consistent state.
    pub(crate) fn begin_read(&mut self) -> Result<(), Broken> {
        self.open_transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    fn open_transaction(&mut self, sql: &'static str) -> Result<(), Broken> {
        let link = self.link()?;
        let rested = link.used.elapsed() > RESTED;
        link.postpone_script(sql);
        if rested && self.flush().is_err() {
            // Nothing was lost with the old link.
            self.link = None;
            self.link()?.postpone_script(sql);
        }
        Ok(())
    }

    /// Waits for the postponed answers.
    fn flush(&mut self) -> Result<(), Broken> {
        self.settle(ready(Ok(())), "")
    }

    pub(crate) fn end_read(&mut self) {
        self.roll_back();
    }

    pub(crate) fn roll_back(&mut self) {
        let Some(link) = &mut self.link else { return };
        link.postponed.clear();
        let client = Arc::clone(&link.client);
        if self.settle(async move { client.batch_execute("ROLLBACK").await }, "ROLLBACK").is_err() {
            self.link = None;
        }
    }

    pub(crate) fn commit(&mut self) -> Commit {
        let Some(link) = &mut self.link else { return Commit::Broke(Broken { fault: Fault::Gone, again: true }) };
        let client = Arc::clone(&link.client);
        match self.settle(async move { client.batch_execute("COMMIT").await }, "COMMIT") {
            Ok(()) => Commit::Done,
            // The link is gone: COMMIT may have reached the server or not.
            Err(_) if self.link.is_none() => Commit::Unknown,
            // A failed statement makes COMMIT a rollback, which PostgreSQL reports as success; hence the look at all answers.
            Err(broken) => Commit::Broke(broken),
        }
    }

    pub(crate) fn script(&mut self, sql: &str) -> Result<(), Broken> {
        let (client, text) = (Arc::clone(&self.link()?.client), sql.to_owned());
        self.settle(async move { client.batch_execute(&text).await }, sql)
    }

    pub(crate) fn rows(&mut self, sql: &str, name: &'static str, p: &[V]) -> Result<Vec<Row>, Broken> {
        let statement = self.prepared(sql, p)?;
        let client = Arc::clone(&self.inside()?.client);
        let answer = async {
            let params: Vec<&(dyn ToSql + Sync)> = p.iter().map(|v| v as &(dyn ToSql + Sync)).collect();
            client.query(&statement, &params).await
        };
        self.settle(answer, sql)?.iter().map(|row| cells(row, name, sql)).collect()
    }

    /// The answer to a question that a person wrote: `named` tells the columns, `rows` gives each row as JSON. Neither is kept among
    /// the prepared ones.
    pub(crate) fn table(&mut self, named: &str, rows: &str) -> Result<Table, Broken> {
        let client = Arc::clone(&self.inside()?.client);
        let statement = self.settle(async { client.prepare(named).await }, named)?;
        let columns: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let answer = self.settle(async { client.query(rows, &[]).await }, rows)?;
        let cells = |row: &tokio_postgres::Row| {
            let text: &str = row.try_get(0).map_err(|e| Broken::db(full(&e)))?;
            serde_json::from_str(text).map(|InOrder(cells)| cells).map_err(|e| Broken::db(e.to_string()))
        };
        Ok((columns, answer.iter().map(cells).collect::<Result<_, _>>()?))
    }

    pub(crate) fn exec(&mut self, sql: &str, p: &[V]) -> Result<u64, Broken> {
        let statement = self.prepared(sql, p)?;
        let client = Arc::clone(&self.inside()?.client);
        self.settle(async { client.execute_raw(&statement, p).await }, sql)
    }

    /// Hands a write to the client; its answer is read with that of the next statement or COMMIT.
    pub(crate) fn send(&mut self, sql: &str, p: &[V]) -> Result<(), Broken> {
        let statement = self.prepared(sql, p)?;
        let link = self.inside()?;
        let (client, p) = (Arc::clone(&link.client), p.to_vec());
        link.postpone(Box::pin(async move { client.execute_raw(&statement, &p).await }));
        if link.postponed.len() >= POSTPONED { self.flush() } else { Ok(()) }
    }

    fn prepared(&mut self, sql: &str, p: &[V]) -> Result<Statement, Broken> {
        let link = self.inside()?;
        link.uses += 1;
        let uses = link.uses;
        if let Some((statement, last)) = link.statements.get_mut(sql)
            && fits(statement, p)
        {
            *last = uses;
            return Ok(statement.clone());
        }
        let client = Arc::clone(&link.client);
        let (text, wants) = numbered(sql);
        if wants != p.len() {
            let has = p.len();
            return Err(Broken::db(format!("the statement wants {wants} parameters and got {has}: {}", short(sql))));
        }
        let types: Vec<Type> = p.iter().map(kind).collect();
        let statement = self.settle(async { client.prepare_typed(&text, &types).await }, sql)?;
        self.inside()?.keep(sql, statement.clone(), uses);
        Ok(statement)
    }

    /// Waits for everything postponed and for `last`, which leave together. Forgets the link when it is lost or silent.
    fn settle<T>(&mut self, last: impl Future<Output = Result<T, Error>>, sql: &str) -> Result<T, Broken> {
        let hold = self.limit + GRACE;
        let link = self.link.as_mut().ok_or(Broken { fault: Fault::Gone, again: true })?;
        link.used = Instant::now();
        let postponed = std::mem::take(&mut link.postponed);
        let earlier = async {
            for answer in postponed {
                answer.await?;
            }
            Ok::<(), Error>(())
        };
        let answers = self.runtime.block_on(async { tokio::time::timeout(hold, join(earlier, last)).await });
        let failed = match answers {
            Ok((Ok(()), Ok(value))) => return Ok(value),
            Ok((Err(e), _)) | Ok((Ok(()), Err(e))) => e,
            Err(_) => {
                tracing::warn!("PostgreSQL did not answer in time; the link is given up");
                self.link = None;
                return Err(Broken::last(Fault::TooLong));
            }
        };
        if is_lost(&failed) {
            self.link = None;
            return Err(Broken { fault: Fault::Gone, again: true });
        }
        Err(broken(&failed, sql))
    }
}

impl Link {
    /// The first poll puts the message into the client's channel: that fixes the order.
    fn postpone(&mut self, mut answer: Answer) {
        let sent = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        self.postponed.push_back(match sent {
            Poll::Pending => Either::Left(answer),
            Poll::Ready(done) => Either::Right(std::future::ready(done)),
        });
    }

    fn postpone_script(&mut self, sql: &'static str) {
        let client = Arc::clone(&self.client);
        self.postpone(Box::pin(async move { client.batch_execute(sql).await.map(|()| 0) }));
    }

    fn keep(&mut self, sql: &str, statement: Statement, uses: u64) {
        if self.statements.len() >= STATEMENTS
            && let Some(oldest) = self.statements.iter().min_by_key(|(_, (_, last))| *last).map(|(text, _)| text.clone())
        {
            self.statements.remove(&oldest);
        }
        self.statements.insert(sql.into(), (statement, uses));
    }
}

/// `?1` becomes `$1`, outside of quotes; and the highest number.
pub(crate) fn numbered(sql: &str) -> (String, usize) {
    let (mut quote, mut highest) = (None, 0);
    let mut text = String::with_capacity(sql.len());
    for (at, c) in sql.char_indices() {
        match quote {
            Some(q) if q == c => quote = None,
            None if c == '\'' || c == '"' => quote = Some(c),
            _ => {}
        }
        let digits = sql[at + c.len_utf8()..].split(|d: char| !d.is_ascii_digit()).next().unwrap_or("");
        match digits.parse::<usize>() {
            Ok(number) if c == '?' && quote.is_none() => {
                highest = highest.max(number);
                text.push('$');
            }
            _ => text.push(c),
        }
    }
    (text, highest)
}

fn kind(value: &V) -> Type {
    match value {
        V::Null => Type::UNKNOWN,
        V::I(_) | V::No(Of::I) => Type::INT8,
        V::T(_) | V::No(Of::T) => Type::TEXT,
        V::B(_) | V::No(Of::B) => Type::BYTEA,
        V::U(_) | V::No(Of::U) => Type::UUID,
        V::Is(_) => Type::INT8_ARRAY,
        V::Ts(_) => Type::TEXT_ARRAY,
        V::Us(_) => Type::UUID_ARRAY,
    }
}

/// A statement that was prepared with an empty parameter may have guessed another type.
fn fits(statement: &Statement, p: &[V]) -> bool {
    statement.params().len() == p.len() && statement.params().iter().zip(p).all(|(ty, v)| *v == V::Null || *ty == kind(v))
}

impl ToSql for V {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            V::Null | V::No(_) => Ok(IsNull::Yes),
            V::I(v) => v.to_sql(ty, out),
            V::T(v) => v.to_sql(ty, out),
            V::B(v) => v.to_sql(ty, out),
            V::U(v) => v.to_sql(ty, out),
            V::Is(v) => v.to_sql(ty, out),
            V::Ts(v) => v.to_sql(ty, out),
            V::Us(v) => v.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // `prepared` sees to it that the types match.
        true
    }

    to_sql_checked!();
}

struct Cell(V);

impl<'a> FromSql<'a> for Cell {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Cell(match *ty {
            Type::INT8 => V::I(i64::from_sql(ty, raw)?),
            Type::INT4 => V::I(i64::from(i32::from_sql(ty, raw)?)),
            Type::INT2 => V::I(i64::from(i16::from_sql(ty, raw)?)),
            Type::BOOL => V::I(i64::from(bool::from_sql(ty, raw)?)),
            Type::NUMERIC => V::I(whole(raw).ok_or("a numeric that is no whole number of 64 bits")?),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => V::T(String::from_sql(ty, raw)?),
            Type::BYTEA => V::B(raw.to_vec()),
            Type::UUID => V::U(uuid::Uuid::from_sql(ty, raw)?),
            _ => return Err(format!("answers have no type {ty}; cast it").into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Cell(V::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The sum of big integers is a numeric: digits of base 10,000 with the weight of the first.
fn whole(raw: &[u8]) -> Option<i64> {
    let short = |at: usize| Some(i16::from_be_bytes(raw.get(at..at + 2)?.try_into().ok()?));
    let (count, weight, sign) = (usize::try_from(short(0)?).ok()?, short(2)?, short(4)?);
    let mut value: i64 = 0;
    for place in 0..=usize::try_from(weight).unwrap_or(0) {
        let digit = if weight >= 0 && place < count { i64::from(short(8 + 2 * place)?) } else { 0 };
        value = value.checked_mul(10_000)?.checked_sub(digit)?;
    }
    if count > usize::try_from(i32::from(weight) + 1).unwrap_or(0) {
        return None;
    }
    match sign {
        0 => value.checked_neg(),
        0x4000 => Some(value),
        _ => None,
    }
}

fn cells(row: &tokio_postgres::Row, name: &'static str, sql: &str) -> Result<Row, Broken> {
    let mut cells = Vec::with_capacity(row.len());
    for i in 0..row.len() {
        cells.push(row.try_get::<_, Cell>(i).map_err(|e| Broken::db(format!("{}, in \"{}\"", full(&e), short(sql))))?.0);
    }
    Ok(Row { cells: cells.into(), sql: name })
}

/// The values of a JSON object in their order, also where several have one name.
struct InOrder(Vec<serde_json::Value>);

impl<'de> serde::Deserialize<'de> for InOrder {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = InOrder;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<InOrder, A::Error> {
                let mut cells = Vec::new();
                while let Some((serde::de::IgnoredAny, value)) = map.next_entry()? {
                    cells.push(value);
                }
                Ok(InOrder(cells))
            }
        }
        from.deserialize_map(Members)
    }
}

/// Whether the link is of no more use.
fn is_lost(e: &Error) -> bool {
    let io = e.source().is_some_and(|s| s.is::<std::io::Error>());
    let code = e.code().map_or("", SqlState::code);
    // Class 08: connection; 57P01 to 57P05: the server ends us; 25P03: it ended an idle transaction.
    e.is_closed() || io || code.starts_with("08") || (code.starts_with("57P") && code != "57P04") || code == "25P03"
}

fn broken(e: &Error, sql: &str) -> Broken {
    let text = || Fault::Db(format!("{}, in \"{}\"", full(e), short(sql)));
    match e.code() {
        Some(c) if *c == SqlState::QUERY_CANCELED => Broken::last(Fault::TooLong),
        Some(c) if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::LOCK_NOT_AVAILABLE].contains(c) => {
            tracing::debug!(error = %full(e), "a command was overtaken");
            Broken::conflict()
        }
        // Somebody may have written between our look and our write: the repetition sees it.
        Some(c) if [SqlState::UNIQUE_VIOLATION, SqlState::FOREIGN_KEY_VIOLATION].contains(c) => Broken { fault: text(), again: true },
        _ => Broken::last(text()),
    }
}

/// The error with its causes: the client's own text often says no more than 'db error'.
pub(crate) fn full(e: &Error) -> String {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// What is wrong with a PostgreSQL database as far as its catalogue knows.
pub(crate) fn integrity(rx: &mut crate::unit::Rx) -> Result<Vec<String>, Fault> {
    let broken = "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid ORDER BY 1";
    let unproved = "SELECT conname::text FROM pg_constraint WHERE NOT convalidated ORDER BY 1";
    let mut found = Vec::new();
    for row in rx.rows(broken, &[])? {
        found.push(format!("the index {} is not usable: REINDEX it", row.text(0)?));
    }
    for row in rx.rows(unproved, &[])? {
        found.push(format!("the constraint {} was never proved: ALTER TABLE … VALIDATE CONSTRAINT", row.text(0)?));
    }
    Ok(found)
}
