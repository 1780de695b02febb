//! Tasks in Git: what files say becomes what the server has.
//!
//! Everything is read, checked by the server and compared before anything is changed.

use super::client::{Client, encoded};
use super::output::{self, Form};
use super::tasks::documents;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Ends a `--dry-run` that found something to change.
pub const CHANGES_DUE: u8 = 4;
/// Files of one call at most, so that a wrong folder is noticed.
const FILES_MAX: usize = 10_000;

/// Which files, and how far to go.
#[derive(Debug, Args)]
pub struct Apply {
    /// YAML or JSON, several tasks in one file apart by ---; a folder with all below it; - reads standard input. May be repeated
    #[arg(short, long = "file", required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Shows what would change and changes nothing; the exit code is 4 when something would
    #[arg(long)]
    dry_run: bool,
    /// Also deletes tasks with this label that no file has any more; every task of the files must have it
    #[arg(long, value_name = "LABEL")]
    prune: Option<String>,
}

/// What becomes of one task.
struct Step {
    /// The file, or empty for one that no file has.
    file: String,
    name: String,
    document: Value,
    change: Change,
    diff: String,
}

enum Change {
    Create,
    Update { id: String, version: i64 },
    None { id: String },
    Delete { id: String },
}

impl Change {
    const fn word(&self) -> &'static str {
        match self {
            Change::Create => "create",
            Change::Update { .. } => "update",
            Change::None { .. } => "none",
            Change::Delete { .. } => "delete",
        }
    }

    const fn sign(&self) -> char {
        match self {
            Change::Create => '+',
            Change::Update { .. } => '~',
            Change::None { .. } => '=',
            Change::Delete { .. } => '-',
        }
    }
}

/// Runs `task apply`.
pub async fn apply(client: &Client, args: Apply, form: Form) -> anyhow::Result<ExitCode> {
    let documents = read(&args.files)?;
    let steps = plan(client, documents, args.prune.as_deref()).await?;
    let due = steps.iter().filter(|s| !matches!(s.change, Change::None { .. })).count();
    let mut told = Vec::new();
    for step in &steps {
        if form == Form::Table {
            crate::cli::print(&shown(step, args.dry_run))?;
        }
        let kept = if args.dry_run { Value::Null } else { carry_out(client, step).await? };
        told.push(record(step, &kept));
    }
    if form != Form::Table {
        output::value(&Value::Array(told), form)?;
    } else if args.dry_run {
        crate::cli::print(&format!("{due} of {} would change\n", steps.len()))?;
    }
    Ok(if args.dry_run && due > 0 { ExitCode::from(CHANGES_DUE) } else { ExitCode::SUCCESS })
}

/// All tasks of the files, each with where it stands; no name twice.
fn read(files: &[PathBuf]) -> anyhow::Result<Vec<(String, Value)>> {
    let mut paths = Vec::new();
    for file in files {
        gather(file, &mut paths)?;
    }
    let (mut found, mut names) = (Vec::new(), BTreeMap::<String, String>::new());
    for path in paths {
        let file = path.display().to_string();
        let text = if file == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("standard input")?;
            text
        } else {
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?
        };
        for document in documents(&file, &text)? {
            let name = document["name"].as_str().unwrap_or_default().to_owned();
            if let Some(other) = names.insert(name.clone(), file.clone()) {
                bail!("{file}: the task '{name}' is in {other} already");
            }
            found.push((file.clone(), document));
        }
    }
    if found.is_empty() {
        bail!("there is no task in {}", files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", "));
    }
    Ok(found)
}

/// A file as it is; of a folder all that may be tasks, in order, hidden ones left out.
fn gather(path: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut below = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>().with_context(|| path.display().to_string())?;
    below.sort();
    for entry in below {
        let hidden = entry.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        let is_task = entry.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        // A link to a folder could lead in circles.
        if !hidden && (is_task || (entry.is_dir() && !entry.is_symlink())) {
            gather(&entry, found)?;
        }
        if found.len() > FILES_MAX {
            bail!("there are more than {FILES_MAX} files in {}; name a smaller folder", path.display());
        }
    }
    Ok(())
}

/// Asks the server what each document would become; every fault of every file is told at once.
async fn plan(client: &Client, documents: Vec<(String, Value)>, prune: Option<&str>) -> anyhow::Result<Vec<Step>> {
    let (mut steps, mut faults) = (Vec::new(), Vec::new());
    for (file, document) in documents {
        match client.post("tasks/check", &document).await {
            Ok(checked) => {
                if let Some(label) = prune
                    && !labels(&checked["doc"]).any(|l| l == label)
                {
                    faults.push(format!("{file}: the task {} lacks the label '{label}' by which is pruned", document["name"]));
                }
                steps.push(step(file, document, &checked)?);
            }
            Err(error) => faults.push(format!("{file}: {error:#}")),
        }
    }
    if !faults.is_empty() {
        bail!("nothing was changed:\n{}", faults.join("\n"));
    }
    if let Some(label) = prune {
        let named: BTreeSet<String> = steps.iter().map(|s| s.name.clone()).collect();
        steps.extend(left_over(client, label, &named).await?);
    }
    Ok(steps)
}

fn labels(doc: &Value) -> impl Iterator<Item = &str> {
    doc["labels"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn step(file: String, document: Value, checked: &Value) -> anyhow::Result<Step> {
    let name = document["name"].as_str().unwrap_or_default().trim().to_owned();
    let (task, yaml) = (&checked["task"], checked["yaml"].as_str().unwrap_or_default());
    let known = || -> anyhow::Result<(String, i64)> {
        let id = task["id"].as_str().context("the server answered without the task's id")?;
        Ok((id.to_owned(), task["version"].as_i64().context("the server answered without the task's version")?))
    };
    let change = match checked["change"].as_str() {
        Some("create") => Change::Create,
        Some("update") => known().map(|(id, version)| Change::Update { id, version })?,
        Some("none") => known().map(|(id, _)| Change::None { id })?,
        other => bail!("the server answered with a change this program does not know: {other:?}; is it of another version?"),
    };
    let diff = match &change {
        Change::Update { .. } => unified(task["yaml"].as_str().unwrap_or_default(), yaml),
        _ => String::new(),
    };
    Ok(Step { file, name, document, change, diff })
}

/// Changed lines with some of those around them.
pub fn unified(before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(2).to_string()
}

/// Tasks of the server that have a label and are in no file.
async fn left_over(client: &Client, label: &str, named: &BTreeSet<String>) -> anyhow::Result<Vec<Step>> {
    let (mut steps, mut cursor): (_, Option<String>) = (Vec::new(), None);
    loop {
        let mut query = vec![("label", label), ("limit", "1000")];
        query.extend(cursor.as_deref().map(|c| ("cursor", c)));
        let page = client.get("tasks", &query).await?;
        for task in page["items"].as_array().into_iter().flatten() {
            let name = task["doc"]["name"].as_str().unwrap_or_default();
            if !named.contains(name) {
                let id = task["id"].as_str().context("the server listed a task without an id")?.to_owned();
                let (file, document, diff) = (String::new(), Value::Null, String::new());
                steps.push(Step { file, name: name.to_owned(), document, change: Change::Delete { id }, diff });
            }
        }
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(steps),
        }
    }
}

/// Does it; what somebody else changed since the comparison is refused by the server.
async fn carry_out(client: &Client, step: &Step) -> anyhow::Result<Value> {
    let done = match &step.change {
        Change::None { .. } => return Ok(Value::Null),
        Change::Create => client.post("tasks", &step.document).await,
        Change::Update { id, version } => client.put_at(&format!("tasks/{}", encoded(id)), &step.document, *version).await,
        Change::Delete { id } => client.delete(&format!("tasks/{}", encoded(id))).await,
    };
    done.with_context(|| format!("task '{}' ({})", step.name, step.change.word()))
}

fn shown(step: &Step, dry: bool) -> String {
    let what = match (&step.change, dry) {
        (Change::Create, false) => "made".to_owned(),
        (Change::Create, true) => "would be made".to_owned(),
        (Change::Update { version, .. }, false) => format!("changed, now version {}", version + 1),
        (Change::Update { version, .. }, true) => format!("would change, version {version}"),
        (Change::None { .. }, _) => "unchanged".to_owned(),
        (Change::Delete { .. }, false) => "deleted; its runs stay".to_owned(),
        (Change::Delete { .. }, true) => "would be deleted; its runs stay".to_owned(),
    };
    let diff: String = step.diff.lines().map(|line| format!("    {}\n", output::cell(&json!(line)))).collect();
    format!("{} task '{}' {what}\n{diff}", step.change.sign(), output::cell(&json!(step.name)))
}

fn record(step: &Step, kept: &Value) -> Value {
    let id = match &step.change {
        Change::Create => kept["id"].clone(),
        Change::Update { id, .. } | Change::None { id } | Change::Delete { id } => json!(id),
    };
    let version = &kept["version"];
    json!({"file": step.file, "name": step.name, "change": step.change.word(), "id": id, "version": version, "diff": step.diff})
}
