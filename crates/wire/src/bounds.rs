//! How deep and how many: told by one pass over a document's bytes, before anything is built from them.
//!
//! Absent on purpose: reading. A document that passes may still be none; readers have limits of their own.

use muster_core::limits::{DOCUMENT_ELEMENTS_MAX, JSON_DEPTH_MAX};

/// Elements below so many others are rows.
const ROW_DEPTH: usize = 2;

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

/// Elements that hold others, and those that are rows by their place (below `<REQUEST><CONTENT>`), told as the readers see
/// them: an end tag closes what is open within its element too, one that fits none closes nothing.
fn xml(bytes: &[u8]) -> Shape {
    let (mut shape, mut open, mut at) = (Shape::default(), Vec::<(&[u8], bool)>::new(), 0);
    while let Some(found) = memchr::memchr(b'<', &bytes[at..]) {
        let start = at + found;
        let rest = &bytes[start + 1..];
        if let Some(length) = aside(rest) {
            at = start + 1 + length;
            continue;
        }
        shape.parts += 1;
        let closes = rest.first() == Some(&b'/');
        let name = &rest[usize::from(closes)..];
        let name = &name[..name.iter().take(64).position(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/' | b'<')).unwrap_or(0)];
        let (length, is_empty) = tag(rest);
        at = start + 1 + length;
        if closes {
            if let Some(depth) = open.iter().rposition(|(n, _)| n.eq_ignore_ascii_case(name)) {
                open.truncate(depth);
            }
            continue;
        }
        if open.len() <= ROW_DEPTH {
            shape.rows += 1;
        } else if let Some((_, holds)) = open.last_mut().filter(|(_, holds)| !holds) {
            *holds = true;
            shape.rows += usize::from(open.len() > ROW_DEPTH + 1);
        }
        // Deeper than any reader goes nothing is told apart any more.
        if !is_empty && open.len() < 64 {
            open.push((name, false));
        }
        if shape.parts >= 2 * DOCUMENT_ELEMENTS_MAX {
            break;
        }
    }
    shape
}

/// How long what is no tag is: a comment, CDATA, an instruction, a declaration.
fn aside(rest: &[u8]) -> Option<usize> {
    let end = match rest {
        [b'!', b'-', b'-', ..] => b"-->".as_slice(),
        [b'!', b'[', b'C', ..] => b"]]>",
        [b'?', ..] => b"?>",
        [b'!', ..] => b">",
        _ => return None,
    };
    Some(memchr::memmem::find(rest, end).map_or(rest.len(), |at| at + end.len()))
}

/// How long a tag is, and whether it is an empty element. A `>` within an attribute's value ends none.
fn tag(rest: &[u8]) -> (usize, bool) {
    let (mut quote, mut before) = (None, 0);
    for (at, byte) in rest.iter().enumerate() {
        match (quote, *byte) {
            (Some(open), b) if open == b => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') if before == b'=' => quote = Some(*byte),
            (None, b'>') => return (at + 1, before == b'/'),
            (None, b'<') => return (at, false),
            _ => {}
        }
        before = *byte;
    }
    (rest.len(), false)
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
        let rows = |content: &str| shape(format!("<REQUEST><CONTENT>{content}</CONTENT></REQUEST>").as_bytes()).map(|s| s.rows - 2);
        assert_eq!(of(""), Ok((0, 0)));
        assert_eq!(of("<r><c><a><b>1</b><d/></a></c></r>"), Ok((9, 3)));
        assert_eq!(rows("<A>1</A><A b='>'/><A b=\"1\"/><!-- <A> <A> --><A><B><D>1</D></B><B>2</B></A>"), Ok(5));
        // Crossed and missing end tags do not hide rows.
        assert_eq!(rows("<A><b></A><A><b></x></A><A>1</A><![CDATA[<x><x><x>]]><A>2</A>"), Ok(4));
        assert_eq!(of(&"<a/>".repeat(3 * DOCUMENT_ELEMENTS_MAX)), Ok((2 * DOCUMENT_ELEMENTS_MAX, 2 * DOCUMENT_ELEMENTS_MAX)));
        assert!(of(&"<a>".repeat(1 << 20)).is_ok() && of(&"<a '".repeat(1 << 20)).is_ok() && of(&"<!--".repeat(1 << 18)).is_ok());
    }
}
