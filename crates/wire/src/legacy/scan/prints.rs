//! Prints of sections whose rows are one element each, from the bytes of the document.
//!
//! The law: equal prints and keys mean equal facts, because a row is made of nothing but its element's bytes, its section and the
//! dialect, and all three are in them. What has other bytes may still be the same row; then it is looked at for nothing.

use super::super::{Dialect, Node, canonical};
use super::flat::{Element, Shape, fields};
use super::rows;
use muster_core::inventory::{Print, Row, SectionPrint, fact_line, is_reading_section, reading_fields};
use std::collections::HashMap;

/// The prints of sections as they are made.
pub(super) struct Prints<'t> {
    text: &'t str,
    dialect: Dialect,
    /// In every print, because the same bytes are other rows in another dialect.
    salt: Print,
    /// Bytes of the readings, or prints of them, in order.
    pub readings: Vec<u8>,
    /// What the standard reader made of odd elements.
    odd: HashMap<usize, Node>,
    /// Facts of the row at hand.
    facts: Vec<u8>,
}

/// A row that counts: what tells it from others.
struct RowPrint {
    facts: Print,
    has_readings: bool,
}

impl<'t> Prints<'t> {
    pub(super) fn new(text: &'t str, dialect: Dialect, odd: HashMap<usize, Node>) -> Self {
        let salt = Print::of(format!("{dialect:?}").as_bytes());
        Self { text, dialect, salt, readings: salt.to_bytes().to_vec(), odd, facts: Vec::new() }
    }

    /// The print of a section; `order` names its elements, and keeps those that are rows.
    pub(super) fn section(&mut self, name: &str, elements: &[Element], order: &mut Vec<u32>) -> SectionPrint {
        let is_reading = is_reading_section(name);
        let mut made =
            SectionPrint { section: name.to_owned(), rows: 0, print: Print::default(), keys: Vec::new(), has_readings: is_reading };
        if is_reading {
            self.readings.extend_from_slice(name.as_bytes());
        } else {
            made.print = self.salt;
            made.keys.reserve(order.len());
        }
        order.retain(|at| {
            let at = *at as usize;
            let Some(told) = self.row(name, at, &elements[at], made.rows) else { return false };
            made.rows += 1;
            if is_reading {
                self.readings.extend_from_slice(&told.facts.to_bytes());
            } else {
                made.has_readings |= told.has_readings;
                made.print.add(told.facts);
                made.keys.push(key(told.facts, self.salt));
            }
            true
        });
        made
    }

    /// The print of the element at `at` as row `index` of its section; none when it is empty and therefore no row.
    fn row(&mut self, section: &str, at: usize, element: &Element, index: usize) -> Option<RowPrint> {
        let is_cut = !reading_fields(section).is_empty();
        match element.shape {
            Shape::Empty => return None,
            Shape::Odd => {
                let node = self.odd.remove(&at).unwrap_or_else(|| rows::node(self.text, element));
                let row = canonical::section_row(section, node, self.dialect)?;
                if is_cut {
                    return Some(self.of_row(section, &row, index));
                }
            }
            Shape::Leaf | Shape::Flat => {
                if !self.has_text(section, element) {
                    rows::row(self.text, section, element, self.dialect)?;
                }
                if is_cut && element.shape == Shape::Flat {
                    return Some(self.without_readings(section, element, index));
                }
            }
        }
        Some(RowPrint { facts: Print::of(element.whole.of(self.text).as_bytes()), has_readings: false })
    }

    /// Whether an element is surely a row.
    fn has_text(&self, section: &str, element: &Element) -> bool {
        // What OCS writes into MEMBER may be nothing but commas.
        let is_split = section == "local_groups" && element.shape == Shape::Flat && self.dialect.is_ocs();
        let is_text = |text: &str| text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if is_split {
            return fields(element.inner.of(self.text)).any(|(name, text, _)| !starts_with_member(name) && is_text(text));
        }
        element.has_text
    }

    /// A row in the flat form cut in facts and readings, field by field.
    fn without_readings(&mut self, section: &str, element: &Element, index: usize) -> RowPrint {
        let mut has_readings = false;
        self.facts.clear();
        for (name, text, whole) in fields(element.inner.of(self.text)) {
            if !reading_fields(section).iter().any(|r| r.eq_ignore_ascii_case(name)) {
                self.facts.extend_from_slice(whole.as_bytes());
            } else if !rows::clean(text).is_empty() {
                has_readings = true;
                self.reading(section, index, whole.as_bytes());
            }
        }
        RowPrint { facts: Print::of(&self.facts), has_readings }
    }

    /// The same for one that had to be made.
    fn of_row(&mut self, section: &str, row: &Row, index: usize) -> RowPrint {
        let mut has_readings = false;
        for (field, value) in row.iter().filter(|(field, _)| reading_fields(section).contains(&field.as_str())) {
            has_readings = true;
            self.reading(section, index, format!("{field}={value}").as_bytes());
        }
        RowPrint { facts: Print::of(fact_line(section, row).as_bytes()), has_readings }
    }

    fn reading(&mut self, section: &str, index: usize, bytes: &[u8]) {
        self.readings.extend_from_slice(section.as_bytes());
        self.readings.extend_from_slice(&index.to_le_bytes());
        self.readings.extend_from_slice(bytes);
    }
}

/// The key of a row by its print: one hash serves both.
fn key(facts: Print, salt: Print) -> u64 {
    (facts.0 ^ salt.0) as u64
}

fn starts_with_member(name: &str) -> bool {
    name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("member"))
}

#[cfg(test)]
mod tests {
    use super::super::super::types;
    use muster_core::inventory::reading_fields;

    #[test]
    fn no_reading_is_known_by_another_name() {
        // Facts are told from readings by the names in the document: an alias into or out of the readings would need more.
        for section in ["drives", "batteries", "cpus", "virtualmachines", "users"] {
            assert!(!reading_fields(section).is_empty(), "{section}");
            for reading in reading_fields(section) {
                assert_eq!(types::alias(section, reading), None, "{section}/{reading}");
                assert!(!types::aliases(section).iter().any(|(_, name)| name == reading), "{section}/{reading}");
            }
        }
    }
}
