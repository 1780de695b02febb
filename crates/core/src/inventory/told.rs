//! What an agent told, by its prints: enough to see whether anything changed before anything is made canonical.
//!
//! Lives here: [`Print`], the face [`Told`] by which intake looks at a document, and [`Canonical`], a document that was read
//! whole. Other forms (a scanned legacy document) bring their own [`Told`]. Absent on purpose: what a change means.

use super::{Completeness, Finding, Inventory, Row, fact_line, is_reading_field, is_reading_section};
use crate::limits::SECTIONS_MAX;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// A print of rows: equal rows, in any order, give equal prints. It tells that nothing changed, never who somebody is: an agent
/// that forges it hides its own changes, nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Print(pub u128);

impl Print {
    /// The print of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(xxh3_128(bytes))
    }

    /// Adds the print of one more row; the order of additions does not matter.
    pub fn add(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0 | 1);
    }

    /// As it is stored.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// From what was stored; none when it has not 16 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|b| Self(u128::from_le_bytes(b)))
    }
}

/// The key by which one row is told from the others of its section.
pub fn row_key(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// One section as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionPrint {
    /// Its canonical name.
    pub section: String,
    /// How many rows.
    pub rows: usize,
    /// The print of its facts. Equal prints of one form mean equal facts; a section of readings has the default.
    pub print: Print,
    /// One key per row, in the order of [`Told::row`]; equal keys of one form mean equal facts of the rows. Empty for a section
    /// of readings, and where rows cannot be told one by one.
    pub keys: Vec<u64>,
    /// Whether any of its rows holds a reading.
    pub has_readings: bool,
}

/// A document of an agent, as intake looks at it.
pub trait Told: Send + Sync {
    /// Which form and version of its reader the prints belong to, such as `canonical/1`; prints of two forms never compare.
    fn form(&self) -> &'static str;
    /// What a missing section means.
    fn completeness(&self) -> Completeness;
    /// Oddities; at most [`crate::limits::FINDINGS_MAX`].
    fn findings(&self) -> &[Finding];
    /// All sections that were told, sorted by name; at most [`SECTIONS_MAX`].
    fn sections(&self) -> &[SectionPrint];
    /// The print of all readings, in the order of the document.
    fn readings(&self) -> Print;
    /// The canonical rows of a section; none when it was not told.
    fn rows(&self, section: &str) -> Vec<Row>;
    /// One canonical row; none when there is none.
    fn row(&self, section: &str, index: usize) -> Option<Row>;

    /// What it holds in memory, bytes, roughly; rows that [`Told::rows`] makes are not in it.
    fn held(&self) -> usize;

    /// A section's print.
    fn section(&self, name: &str) -> Option<&SectionPrint> {
        let all = self.sections();
        all.binary_search_by(|s| s.section.as_str().cmp(name)).ok().map(|i| &all[i])
    }

    /// A section's print as it is stored: with the form, so that those of two forms never compare.
    fn mark(&self, section: &SectionPrint) -> Print {
        let mut bytes = self.form().as_bytes().to_vec();
        bytes.extend_from_slice(&section.print.to_bytes());
        Print::of(&bytes)
    }

    /// The print of all facts with what else decides how they count: form, completeness and findings.
    fn facts(&self) -> Print {
        let mut bytes = Vec::with_capacity(1_024);
        bytes.extend_from_slice(self.form().as_bytes());
        bytes.push(u8::from(self.completeness() == Completeness::Full));
        for s in self.sections() {
            bytes.extend_from_slice(s.section.as_bytes());
            bytes.push(0);
            // How many rows of readings there are is a reading.
            let rows = if is_reading_section(&s.section) { 0 } else { s.rows as u64 };
            bytes.extend_from_slice(&rows.to_le_bytes());
            bytes.extend_from_slice(&s.print.to_bytes());
        }
        for finding in self.findings() {
            bytes.extend_from_slice(finding.kind.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(finding.detail.as_bytes());
            bytes.push(0);
        }
        Print::of(&bytes)
    }
}

/// A document that was read whole and made canonical.
#[derive(Clone, Debug)]
pub struct Canonical {
    inventory: Inventory,
    sections: Vec<SectionPrint>,
    readings: Print,
}

impl Canonical {
    /// Looks at an inventory.
    pub fn new(inventory: Inventory) -> Self {
        let sections = inventory.sections.iter().take(SECTIONS_MAX).map(|(name, rows)| section_print(name, rows)).collect();
        let readings = Print::of(&readings_bytes(&inventory));
        Self { inventory, sections, readings }
    }

    /// The inventory.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }
}

fn section_print(name: &str, rows: &[Row]) -> SectionPrint {
    let has_readings = is_reading_section(name) || rows.iter().any(|r| r.keys().any(|f| is_reading_field(name, f)));
    let mut made = SectionPrint { section: name.to_owned(), rows: rows.len(), print: Print::default(), keys: Vec::new(), has_readings };
    if is_reading_section(name) {
        return made;
    }
    for row in rows {
        let line = fact_line(name, row);
        made.print.add(Print::of(line.as_bytes()));
        made.keys.push(row_key(line.as_bytes()));
    }
    made
}

/// All readings of an inventory: whole rows of sections of readings, fields of the others.
fn readings_bytes(inventory: &Inventory) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, rows) in &inventory.sections {
        if is_reading_section(name) {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend(serde_json::to_vec(rows).unwrap_or_default());
            continue;
        }
        for (i, row) in rows.iter().enumerate() {
            for (field, value) in row.iter().filter(|(field, _)| is_reading_field(name, field)) {
                bytes.extend_from_slice(format!("{name}/{i}/{field}={value}\n").as_bytes());
            }
        }
    }
    bytes
}

impl Told for Canonical {
    fn form(&self) -> &'static str {
        "canonical/1"
    }

    fn completeness(&self) -> Completeness {
        self.inventory.completeness
    }

    fn findings(&self) -> &[Finding] {
        &self.inventory.findings
    }

    fn sections(&self) -> &[SectionPrint] {
        &self.sections
    }

    fn readings(&self) -> Print {
        self.readings
    }

    fn rows(&self, section: &str) -> Vec<Row> {
        self.inventory.rows(section).to_vec()
    }

    fn row(&self, section: &str, index: usize) -> Option<Row> {
        self.inventory.rows(section).get(index).cloned()
    }

    fn held(&self) -> usize {
        let rows: usize = self.inventory.sections.values().flatten().map(row_held).sum();
        rows + prints_held(&self.sections)
    }
}

/// What prints hold in memory, bytes.
pub fn prints_held(sections: &[SectionPrint]) -> usize {
    sections.iter().map(|s| size_of::<SectionPrint>() + s.section.len() + size_of_val(s.keys.as_slice())).sum()
}

/// What a row holds in memory, bytes: each field is an entry of a map with its name, its place in the index and its value.
fn row_held(row: &Row) -> usize {
    const FIELD: usize = 128;
    row.iter().map(|(name, value)| FIELD + name.len() + value.as_str().map_or(0, str::len)).sum::<usize>() + FIELD
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn told(sections: Value) -> Canonical {
        let mut inventory = Inventory::empty(Completeness::Full);
        inventory.sections = serde_json::from_value(sections).expect("sections");
        Canonical::new(inventory)
    }

    #[test]
    fn the_order_of_rows_changes_no_print_and_a_changed_row_changes_it() {
        let a = told(json!({"softwares": [{"name": "a"}, {"name": "b"}]}));
        let b = told(json!({"softwares": [{"name": "b"}, {"name": "a"}]}));
        let c = told(json!({"softwares": [{"name": "b"}, {"name": "c"}]}));
        assert_eq!(a.facts(), b.facts());
        assert_ne!(a.facts(), c.facts());
        assert_eq!(a.section("softwares").map(|s| (s.keys[0], s.rows)), b.section("softwares").map(|s| (s.keys[1], 2)));
        assert!(a.section("drives").is_none());
    }

    #[test]
    fn the_same_row_twice_is_another_print() {
        let once = told(json!({"memories": [{"capacity": 8}]}));
        let twice = told(json!({"memories": [{"capacity": 8}, {"capacity": 8}]}));
        let thrice = told(json!({"memories": [{"capacity": 8}, {"capacity": 8}, {"capacity": 8}]}));
        assert_ne!(once.facts(), twice.facts());
        assert_ne!(once.facts(), thrice.facts());
    }

    #[test]
    fn readings_have_a_print_of_their_own() {
        let a = told(json!({"drives": [{"volumn": "/", "free": 1}], "processes": [{"pid": 1}]}));
        let b = told(json!({"drives": [{"volumn": "/", "free": 2}], "processes": [{"pid": 1}, {"pid": 2}]}));
        assert_eq!(a.facts(), b.facts());
        assert_ne!(a.readings(), b.readings());
        assert!(a.sections().iter().all(|s| s.has_readings));
    }

    #[test]
    fn completeness_and_findings_belong_to_the_facts() {
        let full = told(json!({"cpus": [{"name": "x"}]}));
        let mut partial = full.inventory().clone();
        partial.completeness = Completeness::Partial;
        let mut odd = full.inventory().clone();
        odd.find("encoding", "latin");
        assert_ne!(full.facts(), Canonical::new(partial).facts());
        assert_ne!(full.facts(), Canonical::new(odd).facts());
    }
}
