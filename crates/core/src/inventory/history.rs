//! Going back in the history of a section, and reading a difference: which rows are the same thing, changed.
//!
//! Lives here: undoing recorded changes ([`Past`]), the natural key of a row per section ([`pair`]), the short texts by which
//! people know a row ([`label`]). Absent on purpose: where changes are stored, which agent's section is shown.

use super::{Row, SectionChange, is_single};
use crate::fleet::SectionHistory;
use crate::version;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Rows with how often each is there, by their canonical text.
type Bag = BTreeMap<String, (usize, Row)>;

fn line(row: &Row) -> String {
    serde_json::to_string(row).unwrap_or_default()
}

fn put(bag: &mut Bag, row: &Row) {
    bag.entry(line(row)).or_insert_with(|| (0, row.clone())).0 += 1;
}

/// Takes one row out; false when it is not there.
fn take(bag: &mut Bag, row: &Row) -> bool {
    let key = line(row);
    let Some(entry) = bag.get_mut(&key) else { return false };
    entry.0 -= 1;
    if entry.0 == 0 {
        bag.remove(&key);
    }
    true
}

/// The facts of one section of one agent, on their way back from now.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// None: the section is not there.
    rows: Option<Bag>,
    exact: bool,
}

impl Past {
    /// The section as it is now: its facts (canonical JSON), or none when there is no such section.
    pub fn now(facts: Option<&[u8]>) -> Self {
        let parse = |bytes: &[u8]| serde_json::from_slice::<Vec<Row>>(bytes).unwrap_or_default();
        let bag = |rows: Vec<Row>| rows.iter().fold(Bag::new(), |mut bag, row| (put(&mut bag, row), bag).1);
        Self { rows: facts.map(|facts| bag(parse(facts))), exact: true }
    }

    /// Undoes one change. Changes are undone from the newest backwards, each once.
    pub fn undo(&mut self, change: &SectionHistory) {
        match change.kind.as_str() {
            // It was not there before.
            "first" => self.rows = None,
            "removed" => {
                self.rows = Some(Bag::new());
                self.swap(change);
            }
            _ => self.swap(change),
        }
    }

    fn swap(&mut self, change: &SectionHistory) {
        let kept = &change.change;
        self.exact &= kept.added.len() == change.added_count && kept.removed.len() == change.removed_count && self.rows.is_some();
        let bag = self.rows.get_or_insert_with(Bag::new);
        for row in &kept.added {
            self.exact &= take(bag, row);
        }
        for row in &kept.removed {
            put(bag, row);
        }
    }

    /// Its rows, in the order of their canonical text; none when the section was not there.
    pub fn rows(&self) -> Option<Vec<Row>> {
        let all = |bag: &Bag| bag.values().flat_map(|(n, row)| std::iter::repeat_n(row.clone(), *n)).collect();
        self.rows.as_ref().map(all)
    }

    /// Whether every change fitted what it was undone from, and none was kept in part.
    pub fn is_exact(&self) -> bool {
        self.exact
    }
}

/// What differs between two lists of rows, as multisets.
pub fn difference(before: &[Row], after: &[Row]) -> SectionChange {
    let mut gone = Bag::new();
    before.iter().for_each(|row| put(&mut gone, row));
    let mut change = SectionChange::default();
    for row in after {
        if !take(&mut gone, row) {
            change.added.push(row.clone());
        }
    }
    change.removed = gone.into_values().flat_map(|(n, row)| std::iter::repeat_n(row, n)).collect();
    change
}

/// A row that is the same thing before and after, with other values.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// As it was.
    pub before: Row,
    /// As it is.
    pub after: Row,
    /// Which fields differ, sorted.
    pub fields: Vec<String>,
}

/// A difference with its rows paired.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs {
    /// Things that are new.
    pub added: Vec<Row>,
    /// Things that are gone.
    pub removed: Vec<Row>,
    /// Things that changed.
    pub changed: Vec<Changed>,
}

/// By which fields a row of a section is known: lists of fields, tried one after the other; the first field of each must be
/// there. The empty list takes what is left in its order.
fn keys(section: &str) -> &'static [&'static [&'static str]] {
    match section {
        "softwares" => &[&["name", "arch", "publisher"], &["name", "arch"], &["name"]],
        "networks" => &[&["mac", "description"], &["mac"], &["description"]],
        "drives" => &[&["volumn"], &["letter"], &["serial"], &["label"]],
        "memories" => &[&["numslots"], &["serialnumber"]],
        "storages" => &[&["serial"], &["serialnumber"], &["name"]],
        "cpus" => &[&["id"], &["serial"], &["name"], &[]],
        "monitors" => &[&["serial"], &["altserial"], &["caption"]],
        "usbdevices" => &[&["serial"], &["vendorid", "productid"]],
        "controllers" | "videos" => &[&["pcislot"], &["name"]],
        "slots" => &[&["designation"], &["name"]],
        "users" => &[&["login", "domain"], &["login"], &["name"]],
        "local_users" => &[&["id"], &["login"]],
        "local_groups" => &[&["id"], &["name"]],
        "virtualmachines" => &[&["uuid"], &["name"]],
        "antivirus" => &[&["guid"], &["name"]],
        "firewalls" => &[&["profile"], &[]],
        "envs" => &[&["key"]],
        "accountinfo" => &[&["keyname"]],
        "logical_volumes" => &[&["lv_uuid"], &["lv_name"]],
        "volume_groups" => &[&["vg_uuid"], &["vg_name"]],
        "physical_volumes" => &[&["pv_uuid"], &["device"]],
        "remote_mgmt" => &[&["id", "type"], &["type"]],
        section if is_single(section) => &[&[]],
        _ => &[&["id"], &["uuid"], &["serial"], &["name"], &["caption"], &["description"]],
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned())
}

fn field(row: &Row, name: &str) -> Option<String> {
    row.get(name).filter(|v| !v.is_null()).map(shown).filter(|t| !t.is_empty())
}

fn key(row: &Row, fields: &[&str]) -> Option<Vec<String>> {
    if let Some(main) = fields.first() {
        field(row, main)?;
    }
    Some(fields.iter().map(|f| field(row, f).unwrap_or_default()).collect())
}

/// Finds in the difference of a section which rows are one thing that changed. Several rows of one key are paired in the order of
/// their versions.
pub fn pair(section: &str, change: SectionChange) -> Pairs {
    let SectionChange { mut added, mut removed } = change;
    let in_order = |rows: &mut Vec<Row>| {
        let version = |row: &Row| field(row, "version").unwrap_or_default();
        rows.sort_by(|a, b| version::compare(&version(a), &version(b)).then_with(|| line(a).cmp(&line(b))));
    };
    in_order(&mut added);
    in_order(&mut removed);
    let mut changed = Vec::new();
    for fields in keys(section) {
        let mut before: BTreeMap<Vec<String>, Vec<Row>> = BTreeMap::new();
        let mut rest = Vec::new();
        // From the back, so that the lowest version is taken first below.
        for row in removed.into_iter().rev() {
            match key(&row, fields) {
                Some(key) => before.entry(key).or_default().push(row),
                None => rest.push(row),
            }
        }
        let mut left = Vec::new();
        for row in added {
            match key(&row, fields).and_then(|key| before.get_mut(&key)).and_then(Vec::pop) {
                Some(old) => changed.push(Changed { fields: differing(&old, &row), before: old, after: row }),
                None => left.push(row),
            }
        }
        rest.extend(before.into_values().flatten());
        in_order(&mut rest);
        (added, removed) = (left, rest);
    }
    let by_name = |row: &Row| label(section, row).to_lowercase();
    added.sort_by_key(by_name);
    removed.sort_by_key(by_name);
    changed.sort_by_key(|c| by_name(&c.after));
    Pairs { added, removed, changed }
}

fn differing(before: &Row, after: &Row) -> Vec<String> {
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    all.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

/// The longest text of [`label`], characters.
const LABEL_CHARS_MAX: usize = 80;
/// Fields by which people know a thing, the best first.
const TITLES: [&str; 21] = [
    "name",
    "caption",
    "full_name",
    "designation",
    "volumn",
    "letter",
    "description",
    "model",
    "smodel",
    "login",
    "mac",
    "key",
    "keyname",
    "lv_name",
    "vg_name",
    "device",
    "profile",
    "serial",
    "id",
    "type",
    "numslots",
];

fn title(row: &Row) -> String {
    TITLES.iter().find_map(|name| field(row, name)).or_else(|| row.values().next().map(shown)).unwrap_or_default()
}

/// A short text by which people know a row, such as `bash 5.2`; at most 80 characters.
pub fn label(section: &str, row: &Row) -> String {
    let title = title(row);
    let more = match section {
        "softwares" | "operatingsystem" | "antivirus" | "bios" => field(row, "version").or_else(|| field(row, "bversion")),
        "networks" => field(row, "mac"),
        "memories" => field(row, "capacity"),
        "accountinfo" => field(row, "keyvalue"),
        _ => None,
    };
    let text = more.filter(|more| *more != title).map_or_else(|| title.clone(), |more| format!("{title} {more}"));
    text.trim().chars().take(LABEL_CHARS_MAX).collect()
}

/// The first few rows of a change as short texts, what went before what came: `- bash 5.1`, `+ bash 5.2`; at most `most`.
pub fn sample(section: &str, change: &SectionChange, most: usize) -> Vec<String> {
    let side = |rows: &[Row], sign: char| rows.iter().map(|row| (title(row).to_lowercase(), sign, label(section, row))).collect::<Vec<_>>();
    let mut all = side(&change.removed, '-');
    all.extend(side(&change.added, '+'));
    // Stable: a thing that went stays before what came in its place.
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.into_iter().take(most).map(|(_, sign, text)| format!("{sign} {text}")).collect()
}

/// Whether any value of these rows has `text` (lower case) in it.
pub fn mentions(change: &SectionChange, text: &str) -> bool {
    let in_value = |value: &Value| match value {
        Value::String(s) => s.to_lowercase().contains(text),
        Value::Number(n) => n.to_string().contains(text),
        _ => false,
    };
    change.added.iter().chain(&change.removed).any(|row| row.values().any(in_value))
}

#[cfg(test)]
mod tests;
