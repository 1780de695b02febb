//! How deep and how many: told by one pass over a document's bytes, before anything is built from them.
//!
//! Absent on purpose: reading. A document that passes may still be none; readers have limits of their own.

use muster_core::limits::{DOCUMENT_ELEMENTS_MAX, JSON_DEPTH_MAX};

/// Why a document is not read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfBounds {
    /// Nested deeper than [`JSON_DEPTH_MAX`].
    #[error("the document is nested deeper than {JSON_DEPTH_MAX} levels, at byte {0}")]
    TooDeep(usize),
    /// More than [`DOCUMENT_ELEMENTS_MAX`] values.
    #[error("the document has more than {DOCUMENT_ELEMENTS_MAX} values; the last that was counted is at byte {0}")]
    TooMany(usize),
}

/// Elements of a document in XML or values of one in JSON, whichever its first character says; JSON within the limits (XML is
/// checked where it is read). In another encoding than UTF-8 the count is an estimate.
pub fn elements(bytes: &[u8]) -> Result<usize, OutOfBounds> {
    match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{' | b'[') => json(bytes),
        // The '<' of end tags counts twice what is there, which makes up for attributes.
        _ => Ok(bytes.iter().filter(|b| **b == b'<').count().min(2 * DOCUMENT_ELEMENTS_MAX)),
    }
}

fn json(bytes: &[u8]) -> Result<usize, OutOfBounds> {
    let (mut depth, mut values, mut at) = (0usize, 0usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_text(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                values += 1;
                if depth > JSON_DEPTH_MAX {
                    return Err(OutOfBounds::TooDeep(at));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if values > DOCUMENT_ELEMENTS_MAX {
            return Err(OutOfBounds::TooMany(at));
        }
        at += 1;
    }
    Ok(values)
}

/// Where the text that begins at `start` ends: its closing quote, or the last byte.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_of_json_has_two_sides_and_brackets_in_texts_do_not_count() {
        let nested = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(elements(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(elements(nested(JSON_DEPTH_MAX + 1).as_bytes()), Err(OutOfBounds::TooDeep(JSON_DEPTH_MAX)));
        assert_eq!(elements(br#"{"a":"[[[[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[","b":"\\"}"#), Ok(2));
        assert_eq!(elements(br#"{"cut"#), Ok(1));
        assert_eq!(elements(br#"{"cut\"#), Ok(1));
    }

    #[test]
    fn the_number_of_values_has_two_sides() {
        let many = |n: usize| format!("[{}]", vec!["0"; n].join(","));
        assert_eq!(elements(many(DOCUMENT_ELEMENTS_MAX).as_bytes()), Ok(DOCUMENT_ELEMENTS_MAX));
        assert!(matches!(elements(many(DOCUMENT_ELEMENTS_MAX + 1).as_bytes()), Err(OutOfBounds::TooMany(_))));
        assert!(matches!(elements(format!("[{}", "{},".repeat(DOCUMENT_ELEMENTS_MAX)).as_bytes()), Err(OutOfBounds::TooMany(_))));
    }

    #[test]
    fn elements_of_xml_are_estimated_and_never_refused() {
        assert_eq!(elements(b" <a><b/><c>x</c></a>"), Ok(5));
        assert_eq!(elements("<a/>".repeat(3 * DOCUMENT_ELEMENTS_MAX).as_bytes()), Ok(2 * DOCUMENT_ELEMENTS_MAX));
        assert_eq!(elements(b""), Ok(0));
    }
}
