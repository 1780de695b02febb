//! What can go wrong in the store, as its callers see it.

use std::path::PathBuf;

/// Why a command or a read did not do its work. Unless it says otherwise, nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The queue of commands is full (agents' doors only); answer 503 with Retry-After.
    #[error("the server has more work queued than it takes (1,024 commands); try again in a few seconds")]
    Full,
    /// Somebody else changed the same rows, and again on every repetition.
    #[error("somebody else changed the same records at the same time, again and again; try again")]
    Conflict,
    /// The command itself has a bug; its neighbours are unharmed.
    #[error("the command failed inside (a bug; the log of the server names it); nothing was changed")]
    Panicked,
    /// The command or read passed its time limit (2 s and 30 s unless configured).
    #[error("the database did not finish within the time limit; nothing was changed")]
    TooLong,
    /// The link to the database broke during COMMIT: the change may or may not have been made.
    #[error("the link to the database broke while the change was being saved; look whether it is there before repeating it")]
    Unknown,
    /// The store is closed, or its database cannot be reached.
    #[error("the database cannot be reached or the server is stopping; nothing was changed")]
    Gone,
    /// The database holds something that Muster never writes.
    #[error("the database holds something unexpected in {table}.{column}: {row}; restore a backup or report this")]
    Corrupt {
        /// The table, or `answer` when a query's answer has the wrong type.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Which row, and what it holds.
        row: String,
    },
    /// Any other complaint of the database.
    #[error("the database refused: {0}")]
    Db(String),
}

/// Why a store cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made or opened.
    #[error("cannot open the database file {path}: {why}; check that the directory exists and is writable")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's or SQLite's words.
        why: String,
    },
    /// The PostgreSQL address is no address.
    #[error("the database address is not understood: {0}; expected postgres://user:password@host:5432/name")]
    Address(String),
    /// The PostgreSQL server does not answer, or refuses us.
    #[error("cannot connect to PostgreSQL: {0}")]
    Connect(String),
    /// A migration was changed after it was applied.
    #[error("migration {number:04}_{name} differs from the one that made this database; use the version of Muster that made it")]
    Changed {
        /// The migration's number.
        number: i64,
        /// Its name in this program.
        name: String,
    },
    /// The database was made by a newer Muster.
    #[error("the database has migration {number}, this program knows {known} at most; use the newer version of Muster")]
    Future {
        /// The newest number in the database.
        number: i64,
        /// The newest number in this program.
        known: i64,
    },
    /// The database refused a statement of a migration or a setting.
    #[error("the database could not be prepared: {0}")]
    Database(String),
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        Self::Database(fault.to_string())
    }
}

/// A failed statement: the fault, and whether running the whole command again can help.
#[derive(Debug, Clone)]
pub(crate) struct Broken {
    pub fault: Fault,
    pub again: bool,
}

impl Broken {
    pub(crate) fn last(fault: Fault) -> Self {
        Self { fault, again: false }
    }

    pub(crate) fn conflict() -> Self {
        Self { fault: Fault::Conflict, again: true }
    }

    pub(crate) fn db(text: impl Into<String>) -> Self {
        Self::last(Fault::Db(text.into()))
    }
}
