//! Crashes of this program: written down when they happen, told by the next contact.
//!
//! A panic writes a file `crash-….json`; what nobody can write down (a kill, no memory) the next life finds by a mark that was left, `alive.json`,
//! while the machine was not started anew.

use crate::clock::random;
use crate::identity::{DataDir, IdentityError};
use crate::recent;
use muster_core::fleet::CrashKind;
use muster_core::ids::CrashId;
use muster_core::limits::CRASHES_TOLD_MAX;
use muster_core::time::Clock;
use muster_wire::crash::CrashReport;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ALIVE: &str = "alive.json";
/// Lines of the log that go with a crash.
const LOG_LINES: usize = 200;

/// That the program runs, and since which start of the machine.
#[derive(Serialize, Deserialize)]
struct Mark {
    boot: String,
    version: String,
}

/// Takes the mark away when the program ends by itself.
pub(crate) struct Alive {
    data: Arc<DataDir>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.data.remove(ALIVE);
    }
}

impl Alive {
    /// Notes that the program runs; the life before, if it left its mark, was killed.
    pub(crate) fn begin(data: &Arc<DataDir>, boot: &str, clock: &dyn Clock) -> Result<Self, IdentityError> {
        let left = data.read(ALIVE)?.and_then(|bytes| serde_json::from_slice::<Mark>(&bytes).ok());
        if let Some(left) = left.filter(|left| left.boot == boot) {
            let report = CrashReport {
                id: new_id(),
                kind: CrashKind::Killed,
                at_ms: clock.now().millis(),
                version: left.version,
                message: "the program ended without a word, and the machine went on: it was killed, or ran out of memory".to_owned(),
                place: None,
                log: String::new(),
            };
            keep(data.path(), &report);
        }
        let mark = Mark { boot: boot.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        data.write(ALIVE, serde_json::to_string(&mark).unwrap_or_default().as_bytes())?;
        Ok(Self { data: Arc::clone(data) })
    }
}

fn new_id() -> CrashId {
    CrashId::random(random().unwrap_or_default())
}

/// From now on a panic is written down in the directory, besides what is said of it on standard error.
pub fn watch(data: &Path, clock: impl Clock + 'static) {
    let (data, before) = (data.to_owned(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        let message = panic.payload_as_str().unwrap_or("no text").to_owned();
        let report = CrashReport {
            id: new_id(),
            kind: CrashKind::Panic,
            at_ms: clock.now().millis(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            message,
            place: panic.location().map(ToString::to_string),
            log: recent::lines(LOG_LINES),
        };
        keep(&data, &report);
    }));
}

/// Writes a crash down; of too many, and on a full disk, it is let go.
fn keep(data: &Path, report: &CrashReport) {
    if files(data).len() < CRASHES_TOLD_MAX
        && let Ok(text) = serde_json::to_vec(report)
    {
        let _ = std::fs::write(data.join(format!("crash-{}.json", report.id)), text);
    }
}

fn files(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data).into_iter().flatten().flatten();
    let is_one = |name: &str| name.starts_with("crash-") && name.ends_with(".json");
    entries.map(|entry| entry.path()).filter(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(is_one)).collect()
}

/// Crashes that were not told yet. What cannot be read is removed.
pub(crate) fn untold(data: &Path) -> Vec<CrashReport> {
    let mut all = Vec::new();
    for path in files(data) {
        match std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            Some(report) => all.push(report),
            None => drop(std::fs::remove_file(&path)),
        }
    }
    all.sort_by_key(|it: &CrashReport| it.at_ms);
    all.truncate(CRASHES_TOLD_MAX);
    all
}

/// They were told.
pub(crate) fn told(data: &Path, reports: &[CrashReport]) {
    for report in reports {
        let _ = std::fs::remove_file(data.join(format!("crash-{}.json", report.id)));
    }
}
