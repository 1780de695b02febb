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

/// What a document is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Tags of XML, values of JSON.
    pub parts: usize,
    /// Those with others in them.
    pub rows: usize,
}

/// What a document is made of, XML or JSON, whichever its first character says; JSON within the limits (XML is checked where it
/// is read). In another encoding than UTF-8 it is an estimate.
pub fn shape(bytes: &[u8]) -> Result<Shape, OutOfBounds> {
    match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{' | b'[') => json(bytes),
        _ => Ok(xml(bytes)),
    }
}

/// A tag that opens right after one that opens is inside of it; one that closes right after one that closes is outside. Whichever
/// there are more of counts: who hides the one cannot hide the other. Beyond what is read nothing is counted.
fn xml(bytes: &[u8]) -> Shape {
    let (mut parts, mut opened, mut closed, mut before) = (0, 0, 0, None);
    for at in memchr::memchr_iter(b'<', bytes) {
        let closes = bytes.get(at + 1) == Some(&b'/');
        parts += 1;
        opened += usize::from(!closes && before == Some(false));
        closed += usize::from(closes && before == Some(true));
        before = Some(closes);
    }
    Shape { parts: parts.min(2 * DOCUMENT_ELEMENTS_MAX), rows: opened.max(closed).min(DOCUMENT_ELEMENTS_MAX) }
}

fn json(bytes: &[u8]) -> Result<Shape, OutOfBounds> {
    let (mut depth, mut shape, mut at) = (0usize, Shape::default(), 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_text(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                shape.parts += 1;
                shape.rows += 1;
                if depth > JSON_DEPTH_MAX {
                    return Err(OutOfBounds::TooDeep(at));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => shape.parts += 1,
            _ => {}
        }
        if shape.parts > DOCUMENT_ELEMENTS_MAX {
            return Err(OutOfBounds::TooMany(at));
        }
        at += 1;
    }
    Ok(shape)
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
        let parts = |text: &[u8]| shape(text).map(|s| s.parts);
        assert!(shape(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(shape(nested(JSON_DEPTH_MAX + 1).as_bytes()), Err(OutOfBounds::TooDeep(JSON_DEPTH_MAX)));
        assert_eq!(parts(br#"{"a":"[[[[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[","b":"\\"}"#), Ok(2));
        assert_eq!(parts(br#"{"cut"#), Ok(1));
        assert_eq!(parts(br#"{"cut\"#), Ok(1));
    }

    #[test]
    fn the_number_of_values_has_two_sides() {
        let many = |n: usize| format!("[{}]", vec!["0"; n].join(","));
        assert_eq!(shape(many(DOCUMENT_ELEMENTS_MAX).as_bytes()), Ok(Shape { parts: DOCUMENT_ELEMENTS_MAX, rows: 1 }));
        assert!(matches!(shape(many(DOCUMENT_ELEMENTS_MAX + 1).as_bytes()), Err(OutOfBounds::TooMany(_))));
        assert!(matches!(shape(format!("[{}", "{},".repeat(DOCUMENT_ELEMENTS_MAX)).as_bytes()), Err(OutOfBounds::TooMany(_))));
    }

    #[test]
    fn tags_and_rows_of_xml_are_estimated_and_never_refused() {
        let of = |text: &str| shape(text.as_bytes()).map(|s| (s.parts, s.rows));
        assert_eq!(of(" <r><a><b>1</b><c>2</c></a><a><b>1</b></a></r>"), Ok((12, 3)));
        assert_eq!(of("<r><a b='1'/><a b='1'/></r>"), Ok((4, 2)));
        assert_eq!(of(&"<a/>".repeat(3 * DOCUMENT_ELEMENTS_MAX)), Ok((2 * DOCUMENT_ELEMENTS_MAX, DOCUMENT_ELEMENTS_MAX)));
        assert_eq!(of(""), Ok((0, 0)));
    }
}
