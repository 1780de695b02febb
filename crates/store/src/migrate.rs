//! The migrations of both databases and how they are applied: each in one transaction, once, in order.

use crate::fault::{Broken, OpenError};
use crate::lite::Lite;
use crate::pg::Pg;
use crate::value::{Row, V};

pub(crate) struct Migration {
    pub number: i64,
    pub name: &'static str,
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

macro_rules! migrations {
    ($($number:literal $file:literal;)*) => {
        /// Every migration, in order. Never change one that was released.
        pub(crate) const MIGRATIONS: &[Migration] = &[$(Migration {
            number: $number,
            name: $file,
            sqlite: include_str!(concat!("../migrations/sqlite/", $file, ".sql")),
            postgres: include_str!(concat!("../migrations/postgres/", $file, ".sql")),
        }),*];
    };
}

migrations! {
    1 "0001_meta";
    2 "0002_house";
    3 "0003_intake";
    4 "0004_identity";
    5 "0005_software";
    6 "0006_glpi";
    7 "0007_time";
    8 "0008_occurrences";
    9 "0009_groups";
    10 "0010_hours";
    11 "0011_lists";
    12 "0012_jobs";
    13 "0013_rollout";
    14 "0014_dynamic_groups";
    15 "0015_approvals";
    16 "0016_led";
    17 "0017_late";
    18 "0018_trust";
    19 "0019_book";
    20 "0020_schedule_off";
    21 "0021_in_book";
    22 "0022_reports";
    23 "0023_pool";
    24 "0024_package";
    25 "0025_book_begins";
    26 "0026_leftovers";
    27 "0027_door";
}

const LITE_TABLE: &str = "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL) STRICT";
const PG_TABLE: &str = "CREATE TABLE IF NOT EXISTS migration (number BIGINT PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL)";
const APPLIED: &str = "SELECT number, hash FROM migration ORDER BY number";
const APPLY: &str = "INSERT INTO migration (number, name, hash) VALUES (?1, ?2, ?3)";
/// The advisory lock under which server nodes migrate: 'muster' in ASCII.
const LOCK: &str = "SELECT pg_advisory_lock(120377624752498)";
const UNLOCK: &str = "SELECT pg_advisory_unlock(120377624752498)";

pub(crate) fn sqlite(db: &mut Lite) -> Result<(), OpenError> {
    sqlite_list(db, MIGRATIONS)
}

pub(crate) fn sqlite_list(db: &mut Lite, list: &[Migration]) -> Result<(), OpenError> {
    // One transaction for the look and the work: two programs may start at once.
    db.control("BEGIN IMMEDIATE").map_err(refused)?;
    let done = sqlite_all(db, list);
    match done {
        Ok(()) => db.control("COMMIT").map_err(refused),
        Err(e) => {
            if !db.is_autocommit() {
                db.control("ROLLBACK").map_err(refused)?;
            }
            Err(e)
        }
    }
}

fn sqlite_all(db: &mut Lite, list: &[Migration]) -> Result<(), OpenError> {
    db.script(LITE_TABLE).map_err(refused)?;
    let applied = db.rows(APPLIED, APPLIED, &[]).map_err(refused)?;
    for migration in pending(list, &applied, |m| m.sqlite)? {
        db.script(migration.sqlite).map_err(|b| failed(migration, &b))?;
        db.exec(APPLY, &entry(migration, migration.sqlite)).map_err(refused)?;
        // Each in a transaction of its own.
        db.control("COMMIT").map_err(|b| failed(migration, &b))?;
        db.control("BEGIN IMMEDIATE").map_err(refused)?;
    }
    Ok(())
}

pub(crate) fn postgres(db: &mut Pg) -> Result<(), OpenError> {
    postgres_list(db, MIGRATIONS)
}

pub(crate) fn postgres_list(db: &mut Pg, list: &[Migration]) -> Result<(), OpenError> {
    db.script("SET statement_timeout = 0; SET lock_timeout = 0").map_err(refused)?;
    db.script(LOCK).map_err(refused)?;
    let done = postgres_all(db, list);
    let unlocked = db.script(UNLOCK).map_err(refused);
    done.and(unlocked)
}

fn postgres_all(db: &mut Pg, list: &[Migration]) -> Result<(), OpenError> {
    db.script(PG_TABLE).map_err(refused)?;
    let applied = db.rows(APPLIED, APPLIED, &[]).map_err(refused)?;
    for migration in pending(list, &applied, |m| m.postgres)? {
        let done = db
            .script("BEGIN")
            .and_then(|()| db.script(migration.postgres))
            .and_then(|()| db.exec(APPLY, &entry(migration, migration.postgres)))
            .and_then(|_| db.script("COMMIT"));
        if let Err(broken) = done {
            db.script("ROLLBACK").map_err(refused)?;
            return Err(failed(migration, &broken));
        }
    }
    Ok(())
}

/// What is still to be applied, after a look at what was.
fn pending<'a>(list: &'a [Migration], applied: &[Row], text: fn(&Migration) -> &'static str) -> Result<&'a [Migration], OpenError> {
    let known = list.last().map_or(0, |m| m.number);
    for (i, row) in applied.iter().enumerate() {
        let number = row.int(0)?;
        let Some(migration) = list.get(i).filter(|m| m.number == number) else {
            return Err(OpenError::Future { number: applied.last().map_or(Ok(0), |r| r.int(0))?, known });
        };
        if row.text(1)? != hash(text(migration)) {
            return Err(OpenError::Changed { number, name: migration.name[5..].to_owned() });
        }
    }
    Ok(&list[applied.len()..])
}

fn entry(migration: &Migration, text: &str) -> [V; 3] {
    [V::from(migration.number), V::from(&migration.name[5..]), V::from(hash(text))]
}

pub(crate) fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn refused(broken: Broken) -> OpenError {
    OpenError::Database(broken.fault.to_string())
}

fn failed(migration: &Migration, broken: &Broken) -> OpenError {
    OpenError::Database(format!("migration {}: {}", migration.name, broken.fault))
}
