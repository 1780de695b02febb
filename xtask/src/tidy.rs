//! The shape of the tree: what a compiler does not check.

use crate::run::{Step, root};
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use std::path::Path;

/// Which of our crates may use which; ARCHITECTURE.md says why.
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
];

/// A file this long wants to be two.
const LINES_LONG: usize = 500;
/// A file this long is refused.
const LINES_MAX: usize = 1_000;

/// Words that mean unfinished or private things. Written in two halves so that this file does not find itself.
const BANNED: &[(&str, &str)] = &[
    ("todo", "!("),
    ("unimplemented", "!("),
    ("dbg", "!("),
    ("#[ign", "ore"),
    (".on", "ly("),
    ("FIX", "ME"),
    ("/ro", "ot/"),
    ("/wo", "rk/"),
];

/// Runs every check; all findings at once.
pub fn tidy() -> Result<()> {
    let files = tracked()?;
    let mut findings = Vec::new();
    edges(&mut findings)?;
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
    let ours = |p: &&str| kinds.iter().any(|k| p.ends_with(&format!(".{k}"))) && !p.contains("/samples/");
    let read = |p: &str| Some((p.to_owned(), std::fs::read_to_string(root().join(p)).ok()?));
    Ok(list.lines().filter(ours).filter_map(read).collect())
}

fn edges(findings: &mut Vec<String>) -> Result<()> {
    for (name, allowed) in EDGES {
        let path = root().join("crates").join(name).join("Cargo.toml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let dependencies = text.split("[dev-dependencies]").next().unwrap_or_default();
        for line in dependencies.lines().filter_map(|l| l.strip_prefix("muster-")) {
            let used = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if !allowed.contains(&used) {
                findings.push(format!("crates/{name} uses {used}; it may use: {}", allowed.join(", ")));
            }
        }
    }
    Ok(())
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
    }
}

/// SQL lives in the store alone, and names its parameters `?1`: `$1` means something else in SQLite.
fn sql(path: &str, text: &str, findings: &mut Vec<String>) {
    if !path.ends_with(".rs") || path.starts_with("crates/store/") || path.starts_with("xtask/") {
        return;
    }
    for (number, line) in text.lines().enumerate() {
        let quoted =
            line.contains('"') && ["SELECT ", "INSERT INTO ", "DELETE FROM ", "UPDATE "].iter().any(|w| line.contains(&format!("\"{w}")));
        if quoted {
            findings.push(format!("{path}:{}: SQL belongs into crates/store", number + 1));
        }
    }
}

/// Links between our documents lead somewhere.
fn links(path: &str, text: &str, findings: &mut Vec<String>) {
    if !path.ends_with(".md") {
        return;
    }
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let file = target.split('#').next().unwrap_or_default();
        if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
            continue;
        }
        if !root().join(folder).join(file).exists() {
            findings.push(format!("{path}: the link to {target} leads nowhere"));
        }
    }
}

/// Each migration is there for both databases.
fn migrations(files: &BTreeMap<String, String>, findings: &mut Vec<String>) {
    let of = |database: &str| -> Vec<&str> {
        let prefix = format!("crates/store/migrations/{database}/");
        files.keys().filter_map(|p| p.strip_prefix(prefix.as_str())).collect()
    };
    if of("sqlite") != of("postgres") {
        findings.push("crates/store/migrations: the two databases have different migrations".to_owned());
    }
}
