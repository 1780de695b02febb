//! Migrations, backups, and what SQL texts may contain.

use super::world::{Dir, World, clock, insert, options};
use crate::lite::Lite;
use crate::migrate::{self, MIGRATIONS, Migration};
use crate::pg::{Pg, config, numbered};
use crate::testdb::{self, Cluster};
use crate::value::Row;
use crate::{Fault, OpenError, Store};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// SQLite takes `$1` for a name and numbers such parameters by first appearance: values would be swapped silently.
#[test]
fn no_sql_text_numbers_parameters_with_a_dollar() {
    let mut found = Vec::new();
    files(&here("src"), &mut found);
    files(&here("migrations"), &mut found);
    assert!(found.len() > 15);
    for path in found.iter().filter(|p| !p.starts_with(here("src/tests"))) {
        let text = fs::read_to_string(path).unwrap();
        for (n, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            let dollar = code.as_bytes().windows(2).any(|w| w[0] == b'$' && w[1].is_ascii_digit());
            assert!(!dollar, "{}:{}: write ?1, not a dollar and a number", path.display(), n + 1);
        }
    }
}

/// One command's deferred constraint would fail the COMMIT of all its neighbours.
#[test]
fn no_migration_defers_a_constraint() {
    for migration in MIGRATIONS {
        for text in [migration.sqlite, migration.postgres] {
            assert!(!text.to_uppercase().contains("DEFERRABLE"), "{}", migration.name);
        }
    }
}

#[test]
fn both_folders_hold_the_migrations_of_the_list() {
    for folder in ["sqlite", "postgres"] {
        let mut found = Vec::new();
        files(&here("migrations").join(folder), &mut found);
        let mut names: Vec<_> = found.iter().map(|p| p.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        let listed: Vec<_> = MIGRATIONS.iter().map(|m| format!("{}.sql", m.name)).collect();
        assert_eq!(names, listed, "migrations/{folder} against the list in migrate.rs");
    }
    for (i, migration) in MIGRATIONS.iter().enumerate() {
        assert_eq!(migration.number, i as i64 + 1);
        assert!(migration.name.starts_with(&format!("{:04}_", migration.number)), "{}", migration.name);
    }
}

/// Table, column: whether it may be empty, and its kind.
type Columns = BTreeMap<(String, String), (bool, &'static str)>;

fn columns(rows: &[Row]) -> Columns {
    let kind = |declared: &str| match declared.to_lowercase().as_str() {
        "integer" | "int" | "bigint" => "number",
        "text" => "text",
        "blob" | "bytea" | "uuid" => "bytes",
        other => panic!("the schema has a column of type {other}"),
    };
    let one = |r: &Row| ((r.text(0).unwrap().into(), r.text(1).unwrap().into()), (r.flag(2), kind(r.text(3).unwrap())));
    rows.iter().map(one).collect()
}

#[test]
fn both_databases_get_the_same_tables_and_columns() {
    let lite = Store::inline(1, clock());
    let there = "SELECT m.name, c.name, c.\"notnull\" = 0 AND c.pk = 0, c.type FROM sqlite_schema m, pragma_table_info(m.name) c \
                 WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";
    let lite = columns(&lite.read_now(|rx| rx.rows(there, &[])).unwrap());
    let database = testdb::database();
    let pg = Store::open_postgres(database.url(), clock()).unwrap();
    let there = "SELECT table_name::text, column_name::text, is_nullable = 'YES', data_type::text FROM information_schema.columns \
                 WHERE table_schema = 'public'";
    let pg = columns(&pg.read_now(|rx| rx.rows(there, &[])).unwrap());
    assert!(lite.contains_key(&("meta".into(), "value".into())));
    assert_eq!(lite, pg);
}

#[test]
fn every_sqlite_table_is_strict() {
    let store = Store::inline(1, clock());
    let loose = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite_%'";
    assert_eq!(store.read_now(|rx| Ok::<_, Fault>(rx.rows(loose, &[])?.len())), Ok(0));
}

fn migration(number: i64, name: &'static str, text: &'static str) -> Migration {
    Migration { number, name, sqlite: text, postgres: text }
}

fn histories() -> [(Vec<Migration>, Option<OpenError>); 4] {
    let first = || migration(1, "0001_one", "CREATE TABLE one (a INTEGER)");
    let second = || migration(2, "0002_two", "CREATE TABLE two (a INTEGER)");
    [
        (vec![first(), second()], None),
        (vec![first(), second()], None),
        (
            vec![first(), migration(2, "0002_two", "CREATE TABLE other (a INTEGER)")],
            Some(OpenError::Changed { number: 2, name: "two".into() }),
        ),
        (vec![first()], Some(OpenError::Future { number: 2, known: 1 })),
    ]
}

fn broken() -> [Migration; 3] {
    let [(mut list, _), ..] = histories();
    let two = list.pop().unwrap();
    [list.pop().unwrap(), two, migration(3, "0003_three", "CREATE TABLE three (a INTEGER); CREATE TABLE one (a INTEGER)")]
}

#[test]
fn migrations_are_applied_once_and_checked_on_sqlite() {
    let mut db = Lite::memory();
    for (list, wanted) in histories() {
        assert_eq!(migrate::sqlite_list(&mut db, &list).err(), wanted);
    }
    assert!(matches!(migrate::sqlite_list(&mut db, &broken()), Err(OpenError::Database(why)) if why.contains("0003_three")));
    assert!(db.rows("SELECT * FROM three", "", &[]).is_err(), "a migration is applied wholly or not at all");
}

#[test]
fn migrations_are_applied_once_and_checked_on_postgres() {
    let database = testdb::empty_database();
    let mut db = Pg::new(config(database.url()).unwrap(), Duration::from_secs(60)).unwrap();
    db.connect().unwrap();
    for (list, wanted) in histories() {
        assert_eq!(migrate::postgres_list(&mut db, &list).err(), wanted);
    }
    assert!(matches!(migrate::postgres_list(&mut db, &broken()), Err(OpenError::Database(why)) if why.contains("0003_three")));
    assert!(db.rows("SELECT * FROM three", "", &[]).is_err(), "a migration is applied wholly or not at all");
}

#[test]
fn servers_that_start_together_migrate_once() {
    let database = testdb::empty_database();
    let opened = std::thread::scope(|scope| {
        let open = || Store::open_postgres(database.url(), clock()).map(|_| ());
        let servers: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        servers.into_iter().map(|s| s.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(opened, vec![Ok(()); 4]);
}

#[test]
fn a_backup_opens_as_a_store_and_never_overwrites() {
    let w = World::sqlite(&options());
    w.store.write_now("insert", |tx| insert(tx, 1)).unwrap();
    let dir = Dir::new();
    let copy = dir.0.join("copy.db");
    assert_eq!(w.store.backup(&copy), Ok(()));
    w.store.write_now("insert", |tx| insert(tx, 2)).unwrap();
    assert!(matches!(w.store.backup(&copy), Err(Fault::Db(text)) if text.contains("exists")));
    let copy = Store::open_sqlite(&copy, clock()).unwrap();
    let rows = copy.read_now(|rx| rx.one("SELECT count(*) FROM item", &[])?.unwrap().int(0));
    assert_eq!(rows, Ok(1));
}

#[test]
fn damage_is_found() {
    let w = World::inline(&options());
    let orphan = "CREATE TABLE child (parent BIGINT REFERENCES item (id)); PRAGMA foreign_keys=OFF; INSERT INTO child VALUES (9)";
    let mut db = Lite::memory();
    db.script("CREATE TABLE item (id BIGINT PRIMARY KEY)").unwrap();
    db.script(orphan).unwrap();
    assert_eq!(crate::lite::integrity(&mut db).map(|found| found.len()), Ok(1));
    assert_eq!(w.store.integrity(), Ok(vec![]));
}

#[test]
fn what_was_committed_survives_the_store() {
    let dir = Dir::new();
    let path = dir.0.join("muster.db");
    let store = Store::open_sqlite(&path, clock()).unwrap();
    store.write_now("meta", |tx| tx.exec("INSERT INTO meta (key, value) VALUES ('a', 'b')", &[])).unwrap();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(store.close());
    let store = Store::open_sqlite(&path, clock()).unwrap();
    let value = store.read_now(|rx| rx.one("SELECT value FROM meta WHERE key = ?1", &["a".into()])?.unwrap().text(0).map(str::to_owned));
    assert_eq!(value, Ok("b".into()));
}

#[test]
fn a_directory_that_is_missing_is_named() {
    let opened = Store::open_sqlite(Path::new("/nowhere/at/all/muster.db"), clock());
    assert!(matches!(opened.err(), Some(OpenError::File { path, .. }) if path.ends_with("muster.db")));
}

#[test]
fn parameters_are_numbered_the_postgres_way_outside_of_quotes() {
    let (text, highest) = numbered("a = ?1 AND b = ?12 AND c = '?13' AND \"?14\" = ?2");
    assert_eq!((text.as_str(), highest), ("a = $1 AND b = $12 AND c = '?13' AND \"?14\" = $2", 12));
    let (text, highest) = numbered("'it''s ?1' || x ? ü");
    assert_eq!((text.as_str(), highest), ("'it''s ?1' || x ? ü", 0));
}

#[test]
fn a_private_cluster_starts_once_and_leaves_nothing() {
    let dir = Dir::new();
    let cluster = Cluster::at(&dir.0).unwrap();
    let url = cluster.start().unwrap();
    assert_eq!(cluster.start().as_ref(), Ok(&url), "a running cluster is found");
    let durable = "DO $$ BEGIN ASSERT current_setting('fsync') = 'on' AND current_setting('listen_addresses') = ''; END $$";
    let answered = testdb::scripts(&url, vec![durable.into()]);
    assert_eq!(cluster.stop(), Ok(()));
    assert_eq!(answered, Ok(()));
    assert!(testdb::scripts(&url, vec!["SELECT 1".into()]).is_err());
    assert_eq!(cluster.stop(), Ok(()), "stopping twice is fine");
}
