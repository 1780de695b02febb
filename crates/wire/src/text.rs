//! Character sets: a document's bytes as text, with what was odd about them.
//!
//! Absent on purpose: markup. Only the XML declaration is looked at, for its encoding (`docs/protocols/ocs.md`, "Text").

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use muster_core::inventory::Finding;
use std::borrow::Cow;

/// A document as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// The text, without byte order mark and control characters.
    pub text: Cow<'a, str>,
    /// `encoding` and `control_characters`, where they apply.
    pub findings: Vec<Finding>,
}

/// Reads bytes as text: by byte order mark, else by XML declaration, else as UTF-8, else as windows-1252.
///
/// ISO-8859-1 and US-ASCII count as windows-1252, as everywhere on the web. Bytes that do not fit a declared encoding become
/// replacement characters, with the finding `encoding`. A character cut in two at the very end is dropped.
pub fn decode(bytes: &[u8]) -> Text<'_> {
    let mut findings = Vec::new();
    let text = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => decode_as(encoding, &bytes[mark..], &mut findings),
        None => match declared(bytes) {
            Some(encoding) => decode_as(encoding, bytes, &mut findings),
            None => undeclared(bytes, &mut findings),
        },
    };
    let text = strip_controls(text, &mut findings);
    Text { text, findings }
}

/// The same for bytes that need not be kept: those that are UTF-8 already become the text without a copy.
pub fn decode_owned(bytes: Vec<u8>) -> (String, Vec<Finding>) {
    let marked = Encoding::for_bom(&bytes).is_some();
    let bytes = if !marked && declared(&bytes).is_none_or(|e| e == UTF_8) {
        match String::from_utf8(bytes) {
            Ok(text) if !has_controls(&text) => return (text, Vec::new()),
            Ok(text) => text.into_bytes(),
            Err(error) => error.into_bytes(),
        }
    } else {
        bytes
    };
    let decoded = decode(&bytes);
    (decoded.text.into_owned(), decoded.findings)
}

/// Whether a text has characters that [`strip_controls`] removes.
pub fn has_controls(text: &str) -> bool {
    // By pieces without a way out of them, which the compiler turns into wide instructions.
    text.as_bytes().chunks(256).any(|piece| piece.iter().fold(false, |found, b| found | is_control(*b)))
}

/// Removes the control characters that neither XML nor the databases take: all below blank but tab, line feed and carriage
/// return.
pub fn strip_controls<'a>(text: Cow<'a, str>, findings: &mut Vec<Finding>) -> Cow<'a, str> {
    if !has_controls(&text) {
        return text;
    }
    let count = text.bytes().filter(|b| is_control(*b)).count();
    findings.push(Finding::new("control_characters", format!("{count} control characters were removed")));
    Cow::Owned(text.chars().filter(|c| !u8::try_from(*c).is_ok_and(is_control)).collect())
}

fn is_control(byte: u8) -> bool {
    (byte < b' ') & (byte != b'\t') & (byte != b'\n') & (byte != b'\r')
}

fn decode_as<'a>(encoding: &'static Encoding, bytes: &'a [u8], findings: &mut Vec<Finding>) -> Cow<'a, str> {
    let bytes = if encoding == UTF_8 { without_cut_character(bytes) } else { bytes };
    let (text, damaged) = encoding.decode_without_bom_handling(bytes);
    if damaged {
        let detail = format!("bytes that are not {} were replaced", encoding.name());
        findings.push(Finding::new("encoding", detail));
    }
    text
}

fn undeclared<'a>(bytes: &'a [u8], findings: &mut Vec<Finding>) -> Cow<'a, str> {
    match std::str::from_utf8(without_cut_character(bytes)) {
        Ok(text) => Cow::Borrowed(text),
        Err(error) => {
            let detail = format!("byte {} is not UTF-8 and no encoding is declared: read as windows-1252", error.valid_up_to());
            findings.push(Finding::new("encoding", detail));
            WINDOWS_1252.decode_without_bom_handling(bytes).0
        }
    }
}

/// A truncated document may end within a character; that says nothing about its encoding.
fn without_cut_character(bytes: &[u8]) -> &[u8] {
    let start = bytes.len().saturating_sub(3);
    let Some(lead) = bytes[start..].iter().rposition(|b| *b >= 0xc2) else {
        return bytes;
    };
    match std::str::from_utf8(&bytes[start + lead..]) {
        Err(error) if error.error_len().is_none() => &bytes[..start + lead],
        _ => bytes,
    }
}

/// The encoding an XML declaration names, if it is one we can tell by.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.trim_ascii_start();
    let head = &head[..head.len().min(200)];
    let end = head.windows(2).position(|w| w == b"?>")?;
    let declaration = std::str::from_utf8(head[..end].strip_prefix(b"<?xml")?).ok()?;
    let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let encoding = Encoding::for_label(value[1..].split(quote).next()?.trim().as_bytes())?;
    // A document whose declaration can be read byte by byte is not UTF-16, whatever it says.
    let readable = encoding != UTF_16LE && encoding != UTF_16BE && encoding != encoding_rs::REPLACEMENT;
    readable.then_some(encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &Text<'_>) -> Vec<String> {
        text.findings.iter().map(|f| f.kind.clone()).collect()
    }

    fn check(bytes: &[u8], expected: &str, findings: &[&str]) {
        let text = decode(bytes);
        assert_eq!(text.text, expected);
        assert_eq!(kinds(&text), findings);
    }

    #[test]
    fn bytes_that_are_given_away_become_the_same_text() {
        let declared = |name: &str, rest: &[u8]| [format!("<?xml version='1.0' encoding='{name}'?>").as_bytes(), rest].concat();
        let cases = [
            "<a>é</a>".as_bytes().to_vec(),
            "\u{feff}<a>é</a>".as_bytes().to_vec(),
            b"<a>\0b</a>".to_vec(),
            b"<a>caf\xe9</a>".to_vec(),
            "<a>é€".as_bytes()[..7].to_vec(),
            declared("ISO-8859-1", "é".as_bytes()),
            declared("UTF-8", b"caf\xe9"),
            declared("UTF-8", "é\x01".as_bytes()),
            declared("UTF-16", "é".as_bytes()),
            vec![b'x'; 1_000],
            [vec![b'x'; 1_000], vec![0x1f]].concat(),
        ];
        for bytes in cases {
            let expected = decode(&bytes);
            assert_eq!(decode_owned(bytes.clone()), (expected.text.into_owned(), expected.findings), "{bytes:?}");
        }
    }

    #[test]
    fn utf_8_is_taken_as_it_is_with_or_without_a_mark() {
        check("<a>é€</a>".as_bytes(), "<a>é€</a>", &[]);
        check("\u{feff}<a>é</a>".as_bytes(), "<a>é</a>", &[]);
    }

    #[test]
    fn declared_latin_1_and_ascii_are_read_as_windows_1252() {
        for name in ["ISO-8859-1", "iso-8859-1", "US-ASCII", "windows-1252"] {
            let head = format!("<?xml version='1.0' encoding='{name}'?><a>");
            check(&[head.as_bytes(), b"\xe9\x80"].concat(), &format!("{head}é€"), &[]);
        }
    }

    #[test]
    fn utf_16_is_told_by_its_mark() {
        let units = |swap: bool| -> Vec<u8> {
            "\u{feff}<a>é</a>".encode_utf16().flat_map(|u| if swap { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
        };
        check(&units(false), "<a>é</a>", &[]);
        check(&units(true), "<a>é</a>", &[]);
    }

    #[test]
    fn undeclared_bytes_that_are_not_utf_8_are_read_as_windows_1252() {
        check(b"<a>caf\xe9</a>", "<a>café</a>", &["encoding"]);
        check(b"<?xml version='1.0'?><a>caf\xe9</a>", "<?xml version='1.0'?><a>café</a>", &["encoding"]);
    }

    #[test]
    fn declared_utf_8_that_is_none_gets_replacement_characters() {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?><a>";
        check(&[head.as_bytes(), b"caf\xe9</a>"].concat(), &format!("{head}caf\u{fffd}</a>"), &["encoding"]);
    }

    #[test]
    fn a_declaration_that_cannot_be_true_is_not_believed() {
        let text = "<?xml version='1.0' encoding='UTF-16'?><a>é</a>";
        check(text.as_bytes(), text, &[]);
        let text = "<?xml version='1.0' encoding='no-such'?><a>é</a>";
        check(text.as_bytes(), text, &[]);
    }

    #[test]
    fn a_character_cut_at_the_end_does_not_change_the_encoding() {
        let whole = "<a>é€𝄞".as_bytes();
        for cut in 3..whole.len() {
            let text = decode(&whole[..cut]);
            assert!("<a>é€𝄞".starts_with(&*text.text), "{cut}");
            assert_eq!(kinds(&text), Vec::<String>::new());
        }
    }

    #[test]
    fn control_characters_are_removed_and_tab_and_line_ends_stay() {
        check(b"<a>\0\x01b\tc\r\n\x1f</a>", "<a>b\tc\r\n</a>", &["control_characters"]);
        check(b"<a>\t\r\n</a>", "<a>\t\r\n</a>", &[]);
    }
}
