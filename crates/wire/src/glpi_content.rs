//! The `content` object of the GLPI inventory format as a canonical inventory (`docs/protocols/inventory-format.md`).
//!
//! Lives here: single sections as one row, arrays as rows, scalars as one row `{"value": …}`, and the limits. Absent on purpose:
//! the message around it, and judging of values: what the agent sent is kept, typed as it came.

use muster_core::inventory::{Completeness, Inventory, Row};
use muster_core::limits::{DOCUMENT_DEPTH_MAX, DOCUMENT_ELEMENTS_MAX, FIELD_BYTES_MAX, SECTIONS_MAX};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Why a `content` was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Nested deeper than [`DOCUMENT_DEPTH_MAX`].
    #[error("section '{0}' is nested deeper than {DOCUMENT_DEPTH_MAX} levels")]
    TooDeep(String),
    /// More than [`DOCUMENT_ELEMENTS_MAX`] values.
    #[error("the content has more than {DOCUMENT_ELEMENTS_MAX} values")]
    TooMany,
}

/// Reads a `content` object. Empty texts and nulls count as absent; an empty array is a section without rows.
pub fn read(content: Map<String, Value>, completeness: Completeness) -> Result<Inventory, ContentError> {
    let mut reader = Reader { inventory: Inventory::empty(completeness), elements: 0, controls: 0 };
    for (name, value) in content {
        reader.section(name.to_ascii_lowercase(), value)?;
    }
    if reader.controls > 0 {
        let detail = format!("control characters were removed from {} fields", reader.controls);
        reader.inventory.find("control_characters", detail);
    }
    Ok(reader.inventory)
}

struct Reader {
    inventory: Inventory,
    elements: usize,
    controls: usize,
}

impl Reader {
    fn section(&mut self, name: String, value: Value) -> Result<(), ContentError> {
        if self.inventory.sections.len() >= SECTIONS_MAX && !self.inventory.sections.contains_key(&name) {
            self.inventory.find("limit", format!("section '{name}' was left out: more than {SECTIONS_MAX} sections"));
            return Ok(());
        }
        let rows = match value {
            Value::Array(items) => {
                let mut rows = Vec::with_capacity(items.len());
                for item in items {
                    rows.extend(self.row(&name, item)?);
                }
                rows
            }
            other => match self.row(&name, other)? {
                Some(row) => vec![row],
                None => return Ok(()),
            },
        };
        self.inventory.sections.entry(name).or_default().extend(rows);
        Ok(())
    }

    /// One entry as a row; none when nothing is in it.
    fn row(&mut self, section: &str, value: Value) -> Result<Option<Row>, ContentError> {
        let Value::Object(fields) = value else {
            let value = self.value(section, "value", value, 2)?;
            return Ok(value.map(|value| Row::from([("value".to_owned(), value)])));
        };
        self.count()?;
        let mut row = Row::new();
        for (field, value) in fields {
            let field = field.to_ascii_lowercase();
            if let Some(value) = self.value(section, &field, value, 3)? {
                row.insert(field, value);
            }
        }
        Ok((!row.is_empty()).then_some(row))
    }

    fn value(&mut self, section: &str, field: &str, value: Value, depth: usize) -> Result<Option<Value>, ContentError> {
        self.count()?;
        if depth > DOCUMENT_DEPTH_MAX {
            return Err(ContentError::TooDeep(section.to_owned()));
        }
        Ok(match value {
            Value::Null => None,
            Value::String(text) => self.text(section, field, text),
            Value::Array(items) => {
                let mut kept = Vec::with_capacity(items.len());
                for item in items {
                    kept.extend(self.value(section, field, item, depth + 1)?);
                }
                Some(Value::Array(kept))
            }
            Value::Object(fields) => {
                let mut kept = Map::new();
                for (name, value) in fields {
                    if let Some(value) = self.value(section, &name, value, depth + 1)? {
                        kept.insert(name, value);
                    }
                }
                (!kept.is_empty()).then_some(Value::Object(kept))
            }
            other => Some(other),
        })
    }

    fn text(&mut self, section: &str, field: &str, mut text: String) -> Option<Value> {
        let mut found = Vec::new();
        if let Cow::Owned(clean) = crate::text::strip_controls(Cow::Borrowed(&text), &mut found) {
            self.controls += 1;
            text = clean;
        }
        if text.len() > FIELD_BYTES_MAX {
            self.inventory.find("limit", format!("{section}/{field} was cut from {} to {FIELD_BYTES_MAX} bytes", text.len()));
            text.truncate(text.floor_char_boundary(FIELD_BYTES_MAX));
        }
        if field == "mac" {
            text.make_ascii_lowercase();
        }
        (!text.trim().is_empty()).then_some(Value::String(text))
    }

    fn count(&mut self) -> Result<(), ContentError> {
        self.elements += 1;
        if self.elements > DOCUMENT_ELEMENTS_MAX { Err(ContentError::TooMany) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn content(value: Value) -> Result<Inventory, ContentError> {
        match value {
            Value::Object(map) => read(map, Completeness::Full),
            _ => panic!("an object is expected"),
        }
    }

    #[test]
    fn singles_arrays_and_scalars_become_rows() {
        let inventory = content(json!({
            "bios": {"ssn": "S1", "bdate": null}, "cpus": [{"name": "c", "core": 2}, {}], "versionclient": "GLPI-Agent_v1.12",
            "envs": [], "networks": [{"mac": "02:AA:00:00:00:01", "virtualdev": false}], "hardware": {}
        }))
        .expect("content");
        assert_eq!(
            json!(inventory.sections),
            json!({
                "bios": [{"ssn": "S1"}], "cpus": [{"core": 2, "name": "c"}], "envs": [], "versionclient": [{"value": "GLPI-Agent_v1.12"}],
                "networks": [{"mac": "02:aa:00:00:00:01", "virtualdev": false}]
            })
        );
        assert_eq!(inventory.completeness, Completeness::Full);
        assert_eq!(inventory.findings, []);
    }

    #[test]
    fn the_depth_limit_has_two_sides() {
        let nested = |arrays: usize| {
            let value = (0..arrays).fold(json!("x"), |inner, _| json!([inner]));
            content(json!({"a": {"f": value}}))
        };
        assert!(nested(DOCUMENT_DEPTH_MAX - 3).is_ok());
        assert_eq!(nested(DOCUMENT_DEPTH_MAX - 2), Err(ContentError::TooDeep("a".to_owned())));
    }

    #[test]
    fn the_number_of_values_has_two_sides() {
        let many = |rows: usize| content(json!({"a": vec![json!({"f": 1}); rows]}));
        assert!(many(DOCUMENT_ELEMENTS_MAX / 2).is_ok());
        assert_eq!(many(DOCUMENT_ELEMENTS_MAX / 2 + 1), Err(ContentError::TooMany));
    }

    #[test]
    fn long_fields_are_cut_and_control_characters_go() {
        let long = "é".repeat(FIELD_BYTES_MAX);
        let exact = "x".repeat(FIELD_BYTES_MAX);
        let inventory = content(json!({"a": {"long": long, "exact": exact, "nul": "a\u{0}b"}})).expect("content");
        assert_eq!(inventory.text("a", "long").map(str::len), Some(FIELD_BYTES_MAX));
        assert_eq!(inventory.text("a", "exact").map(str::len), Some(FIELD_BYTES_MAX));
        assert_eq!(inventory.text("a", "nul"), Some("ab"));
        let kinds: Vec<&str> = inventory.findings.iter().map(|f| f.kind.as_str()).collect();
        assert_eq!(kinds, ["limit", "control_characters"]);
    }

    #[test]
    fn sections_beyond_the_limit_are_left_out_with_a_finding() {
        let sections = |n: usize| {
            let map: Map<String, Value> = (0..n).map(|i| (format!("s{i}"), json!([{"a": 1}]))).collect();
            read(map, Completeness::Partial).expect("content")
        };
        assert_eq!(sections(SECTIONS_MAX).findings.len(), 0);
        let over = sections(SECTIONS_MAX + 1);
        assert_eq!((over.sections.len(), over.findings.len()), (SECTIONS_MAX, 1));
    }
}
