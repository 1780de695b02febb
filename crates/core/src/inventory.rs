//! The canonical inventory: what any agent tells of its machine, in one shape.
//!
//! Sections and fields are named as in the GLPI inventory format (`docs/protocols/inventory-format.md`), so that the agents' own
//! schema documents them. A section is a list of rows; sections that are one object there (`bios`, `hardware`,
//! `operatingsystem`, …) are lists of one row here. Unknown sections and fields are kept as they came.

pub mod history;
mod lines;
mod told;

pub use lines::{Keyed, Lines, differ};
pub use told::{Canonical, Print, SectionPrint, Told, prints_held, row_key};

use serde::{Deserialize, Serialize, Serializer as _};
use serde_json::Value;
use std::collections::BTreeMap;

/// One entry of a section; keys sorted, so that equal rows have equal bytes.
pub type Row = BTreeMap<String, Value>;

/// Something odd in a document that was accepted all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable key, such as `encoding`, `truncated`, `control_characters`, `doctype`, `limit`.
    pub kind: String,
    /// Where and what, for a person; at most 300 characters.
    pub detail: String,
}

impl Finding {
    /// A finding; `detail` is cut to 300 characters.
    pub fn new(kind: &str, detail: impl AsRef<str>) -> Self {
        Self { kind: kind.to_owned(), detail: detail.as_ref().chars().take(300).collect() }
    }
}

/// What a section that is missing in a document means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Completeness {
    /// A whole, undamaged document of an agent that always sends all it knows (FusionInventory, GLPI, Muster): a section
    /// that this agent sent before and now does not is gone.
    Full,
    /// Everything else (OCS, partial, damaged): what is not mentioned stays as it was.
    Partial,
}

/// One inventory as a door understood it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// Section name → rows, in the order of the document.
    pub sections: BTreeMap<String, Vec<Row>>,
    /// What a missing section means.
    pub completeness: Completeness,
    /// Oddities; at most [`crate::limits::FINDINGS_MAX`].
    pub findings: Vec<Finding>,
}

impl Inventory {
    /// An inventory without any section.
    pub fn empty(completeness: Completeness) -> Self {
        Self { sections: BTreeMap::new(), completeness, findings: Vec::new() }
    }

    /// The first row of a section, if there is one.
    pub fn first(&self, section: &str) -> Option<&Row> {
        self.sections.get(section)?.first()
    }

    /// The rows of a section; none when it is absent.
    pub fn rows(&self, section: &str) -> &[Row] {
        self.sections.get(section).map_or(&[], Vec::as_slice)
    }

    /// A text field of the first row of a section; empty texts count as absent.
    pub fn text(&self, section: &str, field: &str) -> Option<&str> {
        self.first(section).and_then(|row| text(row, field))
    }

    /// Adds a finding, within the limit.
    pub fn find(&mut self, kind: &str, detail: impl AsRef<str>) {
        if self.findings.len() < crate::limits::FINDINGS_MAX {
            self.findings.push(Finding::new(kind, detail));
        }
    }

    /// The GLPI inventory format's `content` object: single sections as objects, the others as arrays.
    pub fn to_content(&self) -> Value {
        let mut content = serde_json::Map::new();
        for (name, rows) in &self.sections {
            let value = match rows.first() {
                Some(row) if is_single(name) => serde_json::json!(row),
                None if is_single(name) => continue,
                _ => serde_json::json!(rows),
            };
            content.insert(name.clone(), value);
        }
        Value::Object(content)
    }
}

/// A text field of a row; empty texts count as absent.
pub fn text<'a>(row: &'a Row, field: &str) -> Option<&'a str> {
    row.get(field).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty())
}

/// A whole number of a row, also when it came as text.
pub fn number(row: &Row, field: &str) -> Option<i64> {
    match row.get(field)? {
        Value::Number(n) => n.as_i64().or_else(|| n.as_f64().map(|f| f as i64)),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

/// Sections that are one object in the GLPI inventory format.
pub fn is_single(section: &str) -> bool {
    matches!(section, "accesslog" | "bios" | "hardware" | "operatingsystem" | "versionprovider" | "rudder")
}

/// Readings change by themselves (free space, uptime, processes): they are replaced and have no history. Facts are hashed
/// and compared. Gives whether a whole section is readings.
pub fn is_reading_section(section: &str) -> bool {
    matches!(section, "accesslog" | "processes" | "versionprovider" | "download" | "ipdiscover" | "journallog")
}

/// The fields of a section of facts that are readings.
pub fn reading_fields(section: &str) -> &'static [&'static str] {
    match section {
        "hardware" => &["checksum", "etime", "lastdate", "lastloggeduser", "datelastloggeduser", "processn", "swap_used", "ipaddr"],
        "operatingsystem" => &["boot_time", "uptime"],
        "drives" => &["free", "numfiles"],
        "batteries" => &["real_capacity", "estimatedchargeremaining", "status", "cycles"],
        "cpus" => &["current_speed"],
        "virtualmachines" => &["status"],
        "users" => &["lastlogin"],
        _ => &[],
    }
}

/// Whether a field of a section of facts is a reading.
pub fn is_reading_field(section: &str, field: &str) -> bool {
    reading_fields(section).contains(&field)
}

/// A section cut in two: facts (hashed, with history) and readings (replaced).
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Canonical bytes of the facts: a JSON array of rows, sorted, without readings. Equal facts have equal bytes,
    /// whatever order the agent used.
    pub facts: Vec<u8>,
    /// The rows in document order with everything in them, as they are shown.
    pub rows: Vec<u8>,
}

/// Cuts a section in facts and readings. A section of readings has empty facts.
pub fn split(section: &str, rows: &[Row]) -> Split {
    let whole = serde_json::to_vec(rows).unwrap_or_default();
    if is_reading_section(section) {
        return Split { facts: Vec::new(), rows: whole };
    }
    let mut lines: Vec<String> = rows.iter().map(|row| fact_line(section, row)).collect();
    lines.sort_unstable();
    let mut facts = Vec::with_capacity(lines.iter().map(|l| l.len() + 1).sum::<usize>() + 2);
    facts.push(b'[');
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            facts.push(b',');
        }
        facts.extend_from_slice(line.as_bytes());
    }
    facts.push(b']');
    Split { facts, rows: whole }
}

/// One row as canonical JSON without its readings; [`Split::facts`] is made of such lines.
pub fn fact_line(section: &str, row: &Row) -> String {
    let readings = reading_fields(section);
    let mut line = serde_json::Serializer::new(Vec::with_capacity(256));
    let kept = row.iter().filter(|(field, _)| !readings.contains(&field.as_str()));
    // Only a sink that fails, or a key that is no text, could make this fail.
    line.collect_map(kept).map_or_else(|_| String::new(), |()| String::from_utf8(line.into_inner()).unwrap_or_default())
}

/// What differs between two fact documents of one section, as multisets of rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SectionChange {
    /// Rows that are new.
    pub added: Vec<Row>,
    /// Rows that are gone.
    pub removed: Vec<Row>,
}

/// Compares two canonical fact documents (see [`Split::facts`]).
pub fn compare(before: &[u8], after: &[u8]) -> SectionChange {
    let parse = |bytes: &[u8]| -> Vec<Row> { serde_json::from_slice(bytes).unwrap_or_default() };
    let mut counts: BTreeMap<String, (i64, Row)> = BTreeMap::new();
    for row in parse(before) {
        counts.entry(serde_json::to_string(&row).unwrap_or_default()).or_insert((0, row)).0 -= 1;
    }
    for row in parse(after) {
        counts.entry(serde_json::to_string(&row).unwrap_or_default()).or_insert((0, row)).0 += 1;
    }
    let mut change = SectionChange::default();
    for (count, row) in counts.into_values() {
        let side = if count > 0 { &mut change.added } else { &mut change.removed };
        side.extend(std::iter::repeat_n(row, usize::try_from(count.abs()).unwrap_or(0)));
    }
    change
}

/// The hash by which facts are compared.
pub fn hash(facts: &[u8]) -> [u8; 32] {
    *blake3::hash(facts).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows(value: Value) -> Vec<Row> {
        serde_json::from_value(value).expect("rows")
    }

    #[test]
    fn the_order_of_rows_and_the_free_space_change_no_facts() {
        let a = split("drives", &rows(json!([{"volumn": "/dev/a", "free": 1}, {"volumn": "/dev/b", "free": 2}])));
        let b = split("drives", &rows(json!([{"free": 9, "volumn": "/dev/b"}, {"free": 3, "volumn": "/dev/a"}])));
        assert_eq!(a.facts, b.facts);
        assert_ne!(a.rows, b.rows);
    }

    #[test]
    fn a_changed_row_is_one_removed_and_one_added() {
        let a = split("softwares", &rows(json!([{"name": "a", "version": "1"}, {"name": "b", "version": "1"}])));
        let b = split("softwares", &rows(json!([{"name": "a", "version": "2"}, {"name": "b", "version": "1"}])));
        let change = compare(&a.facts, &b.facts);
        assert_eq!(json!(change.added), json!([{"name": "a", "version": "2"}]));
        assert_eq!(json!(change.removed), json!([{"name": "a", "version": "1"}]));
        assert_eq!(compare(&a.facts, &a.facts), SectionChange::default());
    }

    #[test]
    fn rows_that_are_there_twice_count_twice() {
        let one = split("memories", &rows(json!([{"capacity": 8}])));
        let two = split("memories", &rows(json!([{"capacity": 8}, {"capacity": 8}])));
        assert_eq!(compare(&one.facts, &two.facts).added.len(), 1);
    }
}
