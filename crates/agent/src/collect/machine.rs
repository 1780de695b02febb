//! Reading files of a machine, below a root that tests may replace. Everything is bounded; what cannot be read is absent.

use muster_core::inventory::Row;
use muster_core::limits::FIELD_BYTES_MAX;
use muster_core::time::Timestamp;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// An ordinary small file, bytes; longer ones are cut.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// A package database, bytes; longer ones are cut.
const DATABASE_BYTES_MAX: u64 = 64 << 20;
/// Entries of one directory.
const ENTRIES_MAX: usize = 100_000;

/// A machine to collect from: this one, or a made-up tree.
#[derive(Clone, Debug)]
pub struct Machine {
    root: PathBuf,
}

impl Default for Machine {
    fn default() -> Self {
        Self::at("/")
    }
}

impl Machine {
    /// A machine whose files are below `root`. Only with `/` is the running kernel asked too (addresses, free space, commands).
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Whether this is the machine we run on, so that the kernel may be asked and commands may be run.
    pub(crate) fn is_live(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The path of `inside` (with or without a leading slash) on this machine.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }

    /// Opens for reading. Never blocks on a pipe that stands where a file should.
    fn open(&self, inside: &str) -> Option<File> {
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(self.path(inside)).ok()
    }

    fn bytes_up_to(&self, inside: &str, limit: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(inside)?.take(limit).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The bytes of a file, at most 1 MiB.
    pub(crate) fn bytes(&self, inside: &str) -> Option<Vec<u8>> {
        self.bytes_up_to(inside, FILE_BYTES_MAX)
    }

    /// The last bytes of a file, a multiple of `record` when the file's size is.
    pub(crate) fn tail(&self, inside: &str, limit: u64, record: u64) -> Option<Vec<u8>> {
        let mut file = self.open(inside)?;
        let size = file.metadata().ok()?.len();
        let kept = (limit / record * record).min(size);
        file.seek(SeekFrom::Start(size - kept)).ok()?;
        let mut bytes = Vec::new();
        file.take(kept).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The text of a file, at most 1 MiB; bytes that are no UTF-8 are replaced.
    pub(crate) fn text(&self, inside: &str) -> Option<String> {
        self.bytes(inside).map(into_text)
    }

    /// The text of a package database, at most 64 MiB.
    pub(crate) fn database(&self, inside: &str) -> Option<String> {
        self.bytes_up_to(inside, DATABASE_BYTES_MAX).map(into_text)
    }

    /// A file of one value: trimmed, absent when empty.
    pub(crate) fn value(&self, inside: &str) -> Option<String> {
        let text = self.text(inside)?;
        let value = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// A file of one whole number.
    pub(crate) fn number(&self, inside: &str) -> Option<i64> {
        self.value(inside)?.parse().ok()
    }

    /// Names in a directory, sorted; none when it cannot be read.
    pub(crate) fn list(&self, inside: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(inside)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries.take(ENTRIES_MAX).filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    /// What a symbolic link says, as text.
    pub(crate) fn link(&self, inside: &str) -> Option<String> {
        std::fs::read_link(self.path(inside)).ok()?.into_os_string().into_string().ok()
    }

    /// The last part of what a symbolic link says.
    pub(crate) fn link_name(&self, inside: &str) -> Option<String> {
        self.link(inside)?.rsplit('/').next().map(str::to_owned)
    }

    /// A path with all symbolic links resolved, as text.
    pub(crate) fn resolved(&self, inside: &str) -> Option<String> {
        std::fs::canonicalize(self.path(inside)).ok()?.into_os_string().into_string().ok()
    }

    /// Whether something is there.
    pub(crate) fn exists(&self, inside: &str) -> bool {
        self.path(inside).exists()
    }

    /// When a file was last modified.
    pub(crate) fn modified(&self, inside: &str) -> Option<Timestamp> {
        Some(Timestamp::from_seconds(std::fs::metadata(self.path(inside)).ok()?.mtime()))
    }

    /// The number of the user who owns a file.
    pub(crate) fn owner(&self, inside: &str) -> Option<u32> {
        Some(std::fs::metadata(self.path(inside)).ok()?.uid())
    }
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// One row being made: what is absent or empty leaves no field.
#[derive(Debug, Default)]
pub(crate) struct Fields(Row);

impl Fields {
    /// A text, without control characters, trimmed, within the limit of a field.
    pub(crate) fn text<S: AsRef<str>>(mut self, field: &str, value: Option<S>) -> Self {
        if let Some(text) = value.map(|v| clean(v.as_ref())).filter(|t| !t.is_empty()) {
            self.0.insert(field.to_owned(), Value::String(text));
        }
        self
    }

    /// A whole number.
    pub(crate) fn number(mut self, field: &str, value: Option<i64>) -> Self {
        if let Some(number) = value {
            self.0.insert(field.to_owned(), Value::from(number));
        }
        self
    }

    /// Yes or no.
    pub(crate) fn flag(mut self, field: &str, value: bool) -> Self {
        self.0.insert(field.to_owned(), Value::Bool(value));
        self
    }

    /// Any JSON.
    pub(crate) fn json(mut self, field: &str, value: Option<Value>) -> Self {
        if let Some(value) = value {
            self.0.insert(field.to_owned(), value);
        }
        self
    }

    /// The row.
    pub(crate) fn row(self) -> Row {
        self.0
    }

    /// The row as a section of one; no row when there is no field.
    pub(crate) fn single(self) -> Vec<Row> {
        if self.0.is_empty() { Vec::new() } else { vec![self.0] }
    }
}

fn clean(text: &str) -> String {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let mut end = text.len().min(FIELD_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_clean_and_empty_ones_are_absent() {
        let row = Fields::default().text("a", Some(" x\0y\n")).text("b", Some(" \n")).text("c", None::<&str>).number("d", None).row();
        assert_eq!(serde_json::json!(row), serde_json::json!({"a": "x y"}));
        let long = Fields::default().text("a", Some("é".repeat(FIELD_BYTES_MAX))).row();
        assert!(long["a"].as_str().is_some_and(|t| t.len() <= FIELD_BYTES_MAX));
    }
}
