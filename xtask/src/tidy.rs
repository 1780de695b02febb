//! The shape of the tree: what a compiler does not check.

mod literals;

use crate::run::{Step, root};
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::path::Path;

/// Which of our crates may use which; ARCHITECTURE.md says why. A crate that is not here is refused.
const EDGES: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("wire", &["core"]),
    ("store", &["core"]),
    ("engine", &["core", "store"]),
    ("gateway", &["core", "engine", "wire"]),
    ("api", &["core", "engine", "wire"]),
    ("agent", &["core", "wire"]),
    ("sim", &["core", "wire", "store", "engine", "gateway", "api", "agent"]),
    ("muster", &["core", "wire", "store", "engine", "gateway", "api", "agent", "sim"]),
    ("fuzz", &["core", "wire"]),
];

/// Members of the workspace beside `crates/`: they use none of ours, except in tests.
const OUTSIDE: &[&str] = &["e2e", "xtask"];

/// A file this long wants to be two.
const LINES_LONG: usize = 500;
/// A file this long is refused.
const LINES_MAX: usize = 1_000;

/// Words that mean unfinished or private things. Written in two halves so that this file does not find itself.
const BANNED: &[(&str, &str)] =
    &[("todo", "!("), ("unimplemented", "!("), ("dbg", "!("), ("#[ign", "ore"), ("FIX", "ME"), ("/ro", "ot/"), ("/wo", "rk/")];

/// In TypeScript: a test that silences its neighbours.
const ONLY: &[&str] = &["it.only(", "test.only(", "describe.only("];

/// Runs every check; all findings at once.
pub fn tidy() -> Result<()> {
    let files = tracked()?;
    let mut findings = Vec::new();
    edges(&files, &mut findings);
    for (path, text) in &files {
        sizes(path, text, &mut findings);
        words(path, text, &mut findings);
        sql(path, text, &mut findings);
        links(path, text, &mut findings);
    }
    migrations(&files, &mut findings);
    if findings.is_empty() {
        println!("tidy: {} files, nothing to say", files.len());
        return Ok(());
    }
    bail!("tidy:\n  {}", findings.join("\n  "))
}

/// Our own text files that git knows or would take.
fn tracked() -> Result<BTreeMap<String, String>> {
    let list = Step::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]).output()?;
    let kinds = ["rs", "ts", "tsx", "sql", "md", "toml", "sh", "mjs", "css", "yml", "yaml"];
    let named = |p: &str| ["Makefile", ".ci/run"].contains(&p) || kinds.iter().any(|k| p.ends_with(&format!(".{k}")));
    let ours = |p: &&str| named(p) && !p.contains("/samples/");
    let read = |p: &str| Some((p.to_owned(), std::fs::read_to_string(root().join(p)).ok()?));
    Ok(list.lines().filter(ours).filter_map(read).collect())
}

fn edges(files: &BTreeMap<String, String>, findings: &mut Vec<String>) {
    for (path, text) in files.iter().filter(|(p, _)| p.ends_with("/Cargo.toml")) {
        let name = path.trim_end_matches("/Cargo.toml").trim_start_matches("crates/");
        let allowed = match EDGES.iter().find(|(known, _)| *known == name) {
            Some((_, allowed)) => *allowed,
            None if OUTSIDE.contains(&name) => &[],
            None => {
                findings.push(format!("{path}: '{name}' is not in the list of crates; a module is nearly always enough"));
                continue;
            }
        };
        for (used, in_tests) in uses(text) {
            // Tests may look wider, but nobody takes the programs for a library, and core stays alone.
            let fine = if in_tests { used != "muster" && name != "core" } else { allowed.contains(&used.as_str()) };
            if !fine && used != name {
                let list = if allowed.is_empty() { "none of ours".to_owned() } else { allowed.join(", ") };
                findings.push(format!("{path}: {name} uses {used}; it may use {list}"));
            }
        }
    }
}

/// The crates of ours that a manifest names, and whether only its tests use them.
fn uses(manifest: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut section = String::new();
    for line in manifest.lines().map(str::trim) {
        let named = if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').to_owned();
            section.split_once("dependencies.").map(|(_, name)| name)
        } else if section.ends_with("dependencies") {
            line.split(['.', ' ', '=']).next()
        } else {
            None
        };
        let ours = |name: &str| if name == "muster" { Some("muster".to_owned()) } else { name.strip_prefix("muster-").map(str::to_owned) };
        if let Some(name) = named.and_then(ours) {
            found.push((name, section.contains("dev-dependencies")));
        }
    }
    found
}

fn sizes(path: &str, text: &str, findings: &mut Vec<String>) {
    let code = [".rs", ".ts", ".tsx"].iter().any(|k| path.ends_with(k));
    let lines = text.lines().count();
    if code && lines > LINES_MAX {
        findings.push(format!("{path} has {lines} lines; at most {LINES_MAX} are taken"));
    } else if code && lines > LINES_LONG {
        println!("tidy: {path} has {lines} lines; above {LINES_LONG} a file wants to be two");
    }
}

fn words(path: &str, text: &str, findings: &mut Vec<String>) {
    for (number, line) in text.lines().enumerate() {
        for (front, back) in BANNED {
            if line.contains(&format!("{front}{back}")) {
                findings.push(format!("{path}:{}: '{front}{back}' is not for the tree", number + 1));
            }
        }
        let script = [".ts", ".tsx", ".mjs"].iter().any(|k| path.ends_with(k));
        if let Some(word) = ONLY.iter().find(|w| script && line.contains(**w)) {
            findings.push(format!("{path}:{}: '{word}' is not for the tree", number + 1));
        }
    }
}

/// Where SQL is what people ask of the published views.
const ASKED_BY_PEOPLE: [&str; 3] =
    ["crates/engine/tests/runs/moves.rs", "crates/engine/tests/runs/reports.rs", "crates/api/tests/api/reports.rs"];

/// SQL lives in the store alone, and names its parameters `?1`: SQLite takes `$1` for a name, so values would be swapped silently.
fn sql(path: &str, text: &str, findings: &mut Vec<String>) {
    if !path.ends_with(".rs") || path.starts_with("xtask/") || ASKED_BY_PEOPLE.contains(&path) {
        return;
    }
    let store = path.starts_with("crates/store/");
    for (line, literal) in literals::strings(text).into_iter().filter(|(_, l)| is_sql(l)) {
        if !store {
            findings.push(format!("{path}:{line}: SQL belongs into crates/store"));
        } else if literal.match_indices('$').any(|(at, _)| literal[at + 1..].starts_with(|c: char| c.is_ascii_digit())) {
            findings.push(format!("{path}:{line}: a parameter of SQL is written ?1, not $1"));
        }
    }
}

fn is_sql(literal: &str) -> bool {
    let literal = literal.split_whitespace().collect::<Vec<_>>().join(" ");
    let both = |first: &str, then: &str| literal.find(first).is_some_and(|at| literal[at..].contains(then));
    both("SELECT ", " FROM ") || literal.contains("INSERT INTO ") || literal.contains("DELETE FROM ") || both("UPDATE ", " SET ")
}

/// Links between our documents lead somewhere.
fn links(path: &str, text: &str, findings: &mut Vec<String>) {
    if !path.ends_with(".md") {
        return;
    }
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    // Every other piece between fences is code.
    let prose = text.split("\n```").step_by(2);
    for target in prose.flat_map(|p| p.split("](").skip(1)).filter_map(|rest| rest.split(')').next()) {
        let file = target.split('#').next().unwrap_or_default();
        if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
            continue;
        }
        if !root().join(folder).join(file).exists() {
            findings.push(format!("{path}: the link to {target} leads nowhere"));
        }
    }
}

/// Each migration is there for both databases, numbered from 1 without a gap.
fn migrations(files: &BTreeMap<String, String>, findings: &mut Vec<String>) {
    let of = |database: &str| -> Vec<&str> {
        let prefix = format!("crates/store/migrations/{database}/");
        files.keys().filter_map(|p| p.strip_prefix(prefix.as_str())).collect()
    };
    let (sqlite, postgres) = (of("sqlite"), of("postgres"));
    for name in sqlite.iter().filter(|n| !postgres.contains(n)) {
        findings.push(format!("crates/store/migrations: {name} is there for SQLite only"));
    }
    for name in postgres.iter().filter(|n| !sqlite.contains(n)) {
        findings.push(format!("crates/store/migrations: {name} is there for PostgreSQL only"));
    }
    for (number, name) in (1..).zip(&sqlite) {
        if !name.starts_with(&format!("{number:04}_")) {
            findings.push(format!("crates/store/migrations: {name} should have the number {number:04}"));
        }
    }
}

#[cfg(test)]
mod tests;
