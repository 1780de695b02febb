use super::*;

fn said(check: impl FnOnce(&mut Vec<String>)) -> Vec<String> {
    let mut findings = Vec::new();
    check(&mut findings);
    findings
}

fn files(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect()
}

#[test]
fn an_edge_that_is_not_in_the_list_is_refused() {
    let edges_of = |path: &str, manifest: &str| said(|f| edges(&files(&[(path, manifest)]), f));
    for (path, manifest, fine) in [
        ("crates/engine/Cargo.toml", "[dependencies]\nmuster-store.workspace = true\n", true),
        ("crates/api/Cargo.toml", "[dependencies]\nmuster-store.workspace = true\n", false),
        ("crates/api/Cargo.toml", "[dependencies.muster-store]\nworkspace = true\n", false),
        ("crates/api/Cargo.toml", "[dev-dependencies]\nmuster-store = { workspace = true }\n", true),
        ("crates/api/Cargo.toml", "[dev-dependencies]\na = 1\n[build-dependencies]\nmuster-store.workspace = true\n", false),
        ("crates/api/Cargo.toml", "[target.'cfg(unix)'.dependencies]\nmuster-store.workspace = true\n", false),
        ("crates/core/Cargo.toml", "[dev-dependencies]\nmuster-sim.workspace = true\n", false),
        ("crates/sim/Cargo.toml", "[dependencies]\nmuster = { path = \"../muster\" }\n", false),
        ("crates/common/Cargo.toml", "[dependencies]\n", false),
        ("e2e/Cargo.toml", "[dependencies]\nmuster-core.workspace = true\n", false),
        ("e2e/Cargo.toml", "[dev-dependencies]\nmuster-store.workspace = true\n", true),
    ] {
        let found = edges_of(path, manifest);
        assert_eq!(found.is_empty(), fine, "{path}: {manifest}: {found:?}");
    }
}

#[test]
fn sql_outside_the_store_is_found_on_any_number_of_lines() {
    let text = "let a = \"\n  SELECT id\n  FROM device\";\n// \"SELECT a FROM b\"\nlet b = \"UPDATE the list\";";
    assert_eq!(said(|f| sql("crates/api/src/a.rs", text, f)), ["crates/api/src/a.rs:1: SQL belongs into crates/store"]);
    assert!(said(|f| sql("crates/store/src/a.rs", text, f)).is_empty());
}

#[test]
fn parameters_of_sql_are_written_with_a_question_mark() {
    let found =
        said(|f| sql("crates/store/src/a.rs", "x(\"DELETE FROM a WHERE b = $1\"); y(\"DELETE FROM a WHERE b = ?1\"); z(\"$1\")", f));
    assert_eq!(found, ["crates/store/src/a.rs:1: a parameter of SQL is written ?1, not $1"]);
}

#[test]
fn migrations_come_in_pairs_and_without_gaps() {
    let of =
        |names: &[&str]| said(|f| migrations(&names.iter().map(|n| (format!("crates/store/migrations/{n}"), String::new())).collect(), f));
    assert!(of(&["sqlite/0001_a.sql", "postgres/0001_a.sql"]).is_empty());
    assert_eq!(of(&["sqlite/0001_a.sql"]).len(), 1);
    assert_eq!(of(&["postgres/0001_a.sql"]).len(), 1);
    assert_eq!(of(&["sqlite/0002_a.sql", "postgres/0002_a.sql"]), ["crates/store/migrations: 0002_a.sql should have the number 0001"]);
}

#[test]
fn a_link_that_leads_nowhere_is_found_in_prose_alone() {
    let text = "[here](README.md#top) [away](https://example.org) [gone](no/such.md)\n```\n[code](no/such.md)\n```\n[gone too](nothing)";
    let found = said(|f| links("CONTRIBUTING.md", text, f));
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn unfinished_code_is_found() {
    assert_eq!(said(|f| words("crates/core/src/a.rs", &["todo", "!(\"x\")"].concat(), f)).len(), 1);
    assert_eq!(said(|f| words("console/test/a.test.ts", &["test.on", "ly(\"x\")"].concat(), f)).len(), 1);
    assert!(said(|f| words("crates/core/src/a.rs", &["people.on", "ly(x)"].concat(), f)).is_empty());
}
