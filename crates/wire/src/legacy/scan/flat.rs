//! The shape of a document in one pass: where its elements are. It reads the flat form in which agents write,
//! `REQUEST/CONTENT/SECTION/FIELD` without attributes; an element of a section that has any other form is measured by the
//! standard reader, and everything unusual outside of sections is left to it with the whole document.
//!
//! Absent on purpose: what the elements mean. Names and texts are only found here, never copied.

use super::super::{Node, types, xml};
use super::ways::{Place, START, Way, Ways};
use muster_core::limits::{DOCUMENT_DEPTH_MAX, DOCUMENT_ELEMENTS_MAX, FIELD_BYTES_MAX, SECTIONS_MAX};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// A piece of the text, byte offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// None beyond 4 GiB.
    fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }

    pub(super) fn of(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

/// What an element below `<CONTENT>` has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing, or blanks.
    Empty,
    /// Text.
    Leaf,
    /// Elements that are empty or have text.
    Flat,
    /// Anything else; only the standard reader knows.
    Odd,
}

/// An element below `<CONTENT>`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    /// Which of [`Structure::sections`].
    pub section: u16,
    pub shape: Shape,
    /// Some text in it begins with a letter or the like, so that it cannot be empty.
    pub has_text: bool,
    /// From its `<` to behind its last `>`.
    pub whole: Span,
    /// What is between its tags; of [`Shape::Odd`] nothing.
    pub inner: Span,
}

/// Where everything is.
#[derive(Debug, Default)]
pub(super) struct Structure {
    /// Canonical names of the sections, in the order in which they were met.
    pub sections: Vec<String>,
    pub elements: Vec<Element>,
    /// What the standard reader made of the odd ones, by their place in `elements`.
    pub odd: HashMap<usize, Node>,
    /// Name and text of the elements beside `<CONTENT>`.
    pub fields: Vec<(Span, Span)>,
}

/// Reads the whole document. None when it is not of the flat form, or reaches a limit.
pub(super) fn structure(text: &str) -> Option<Structure> {
    let mut reader = Flat {
        text,
        bytes: text.as_bytes(),
        at: 0,
        elements: 0,
        made: Structure::default(),
        known: BTreeMap::new(),
        ways: Ways::default(),
    };
    reader.declaration()?;
    reader.document()?;
    Some(reader.made)
}

/// A tag that opens: its name, and whether it closes too.
struct Open<'t> {
    name: &'t [u8],
    is_closed: bool,
}

struct Flat<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    elements: usize,
    made: Structure,
    /// Names of sections as written.
    known: BTreeMap<&'t [u8], u16>,
    /// Through rows of the section at hand.
    ways: Ways<'t>,
}

impl<'t> Flat<'t> {
    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn declaration(&mut self) -> Option<()> {
        self.skip_blanks();
        if self.bytes[self.at..].starts_with(b"<?xml ") {
            let end = memchr::memchr(b'>', &self.bytes[self.at..])? + self.at;
            let inside = &self.bytes[self.at + 5..end];
            if inside.last() != Some(&b'?') || inside[..inside.len() - 1].iter().any(|b| matches!(b, b'<' | b'?')) {
                return None;
            }
            self.at = end + 1;
        }
        Some(())
    }

    fn document(&mut self) -> Option<()> {
        self.skip_blanks();
        let root = self.open().filter(|t| t.name.eq_ignore_ascii_case(b"request") && !t.is_closed)?;
        let mut has_content = false;
        loop {
            self.skip_blanks();
            if self.close(root.name) {
                break;
            }
            let start = self.at;
            let tag = self.open()?;
            if tag.name.eq_ignore_ascii_case(b"content") {
                if has_content || tag.is_closed {
                    return None;
                }
                has_content = true;
                self.content(tag.name)?;
                continue;
            }
            let (text, _) = self.rest_of_leaf(&tag)?;
            let name = Span::new(start + 1, start + 1 + tag.name.len())?;
            self.made.fields.push((name, Span::new(text.start, text.end)?));
        }
        self.skip_blanks();
        (has_content && self.at == self.bytes.len() && self.elements <= DOCUMENT_ELEMENTS_MAX).then_some(())
    }

    fn content(&mut self, name: &[u8]) -> Option<()> {
        let mut last: (&[u8], u16) = (b"", 0);
        loop {
            self.skip_blanks();
            if self.close(name) {
                return Some(());
            }
            let start = self.at;
            let before = self.elements;
            let element = match self.element(&mut last) {
                Some(element) => element,
                None => {
                    (self.at, self.elements) = (start, before);
                    self.odd()?
                }
            };
            self.made.elements.push(element);
            if self.elements > DOCUMENT_ELEMENTS_MAX {
                return None;
            }
        }
    }

    /// An element of a section in the flat form.
    fn element(&mut self, last: &mut (&'t [u8], u16)) -> Option<Element> {
        let start = self.at;
        let tag = self.open()?;
        let inner = self.at;
        let (shape, has_text, end) = if tag.is_closed {
            (Shape::Empty, false, inner)
        } else {
            self.skip_blanks();
            match self.bytes.get(self.at..self.at + 2)? {
                [b'<', b'/'] => {
                    let end = self.at;
                    if !self.close(tag.name) {
                        return None;
                    }
                    (Shape::Empty, false, end)
                }
                [b'<', _] => {
                    let is_again = last.0 == tag.name;
                    let (has_text, end) = self.fields(tag.name, is_again)?;
                    (Shape::Flat, has_text, end)
                }
                _ => {
                    self.at = inner;
                    let (text, has_text) = self.rest_of_leaf(&tag)?;
                    (Shape::Leaf, has_text, text.end)
                }
            }
        };
        if last.0 != tag.name {
            *last = (tag.name, self.section(tag.name)?);
        }
        Some(Element { section: last.1, shape, has_text, whole: Span::new(start, self.at)?, inner: Span::new(inner, end)? })
    }

    /// The fields of a row, to behind its end tag; where the end tag begins. `is_again`: the row before was of the same section,
    /// so that there is something to learn.
    fn fields(&mut self, section: &'t [u8], is_again: bool) -> Option<(bool, usize)> {
        if !is_again {
            self.ways.forget();
        }
        let mut has_text = false;
        // Reading is behind the section's start tag, or at the end of the text of a field.
        let mut field: Option<&'t [u8]> = None;
        let mut place = is_again.then_some(START);
        loop {
            if let Some(way) = place.and_then(|place| self.ways.find(place, &self.bytes[self.at..])) {
                self.at += way.bytes.len();
                self.elements += way.elements;
                place = way.to;
                field = way.to.map(|to| self.ways.field(to));
            } else {
                (field, place) = self.next_text(section, field, place)?;
            }
            if field.is_none() {
                return Some((has_text, self.at - section.len() - 3));
            }
            has_text |= self.text()?.1;
        }
    }

    /// From the section's start tag, or out of the text of a field, into the text of the next field or behind the end of the row:
    /// which field that is, and its place where it has one.
    fn next_text(&mut self, section: &[u8], field: Option<&[u8]>, place: Option<Place>) -> Option<(Option<&'t [u8]>, Option<Place>)> {
        let (start, before) = (self.at, self.elements);
        if field.is_some_and(|name| !self.close(name)) {
            return None;
        }
        let next = loop {
            self.skip_blanks();
            if self.close(section) {
                break None;
            }
            let tag = self.open()?;
            if !tag.is_closed {
                break Some(tag.name);
            }
        };
        let Some(from) = place else { return Some((next, None)) };
        let to = next.and_then(|name| self.ways.place(name));
        // A way to a field without a place would look like one to the end of the row.
        if to.is_some() == next.is_some() {
            self.ways.learn(from, Way { bytes: &self.bytes[start..self.at], elements: self.elements - before, to });
        }
        Some((next, to))
    }

    /// An element in another form, by the standard reader.
    fn odd(&mut self) -> Option<Element> {
        // A comment or an instruction the reader would skip, and take the next element for this one.
        if !matches!(self.bytes.get(self.at..self.at + 2)?, [b'<', next] if !matches!(next, b'!' | b'?')) {
            return None;
        }
        let piece = xml::element(&self.text[self.at..])?;
        self.elements += piece.elements;
        // REQUEST and CONTENT are around it.
        if piece.depth + 2 > DOCUMENT_DEPTH_MAX {
            return None;
        }
        let section = self.canonical_section(&piece.node.name)?;
        self.made.odd.insert(self.made.elements.len(), piece.node);
        let start = self.at;
        self.at += piece.end;
        let whole = Span::new(start, self.at)?;
        Some(Element { section, shape: Shape::Odd, has_text: false, whole, inner: Span { start: whole.start, end: whole.start } })
    }

    fn section(&mut self, name: &'t [u8]) -> Option<u16> {
        if let Some(known) = self.known.get(name) {
            return Some(*known);
        }
        let section = self.canonical_section(&String::from_utf8_lossy(name).to_ascii_lowercase())?;
        self.known.insert(name, section);
        Some(section)
    }

    fn canonical_section(&mut self, element: &str) -> Option<u16> {
        let name = types::section_name(element);
        let found = self.made.sections.iter().position(|s| s == name);
        let index = found.unwrap_or_else(|| {
            self.made.sections.push(name.to_owned());
            self.made.sections.len() - 1
        });
        // Two may come of what HARDWARE tells.
        (self.made.sections.len() + 2 <= SECTIONS_MAX).then_some(u16::try_from(index).ok()?)
    }

    /// `<NAME>` or `<NAME/>`.
    #[inline]
    fn open(&mut self) -> Option<Open<'t>> {
        let rest = self.bytes.get(self.at..)?;
        if rest.first() != Some(&b'<') {
            return None;
        }
        let mut end = 1;
        while rest.get(end).is_some_and(|b| NAME[usize::from(*b)]) {
            end += 1;
        }
        if end == 1 || rest[1].is_ascii_digit() {
            return None;
        }
        self.elements += 1;
        let (is_closed, after) = match rest.get(end..end + 2)? {
            [b'>', _] => (false, end + 1),
            [b'/', b'>'] => (true, end + 2),
            _ => return None,
        };
        self.at += after;
        Some(Open { name: &rest[1..end], is_closed })
    }

    /// `</NAME>`, if it is there.
    #[inline]
    fn close(&mut self, name: &[u8]) -> bool {
        let Some(rest) = self.bytes.get(self.at..self.at + name.len() + 3) else { return false };
        let is_there = rest[0] == b'<' && rest[1] == b'/' && rest[name.len() + 2] == b'>' && &rest[2..name.len() + 2] == name;
        if is_there {
            self.at += name.len() + 3;
        }
        is_there
    }

    /// To behind the end tag of an element that has no elements: where its text is, and whether it is surely not empty.
    fn rest_of_leaf(&mut self, tag: &Open<'_>) -> Option<(Range<usize>, bool)> {
        if tag.is_closed {
            return Some((self.at..self.at, false));
        }
        let text = self.text()?;
        self.close(tag.name).then_some(text)
    }

    /// To the end of a text: where it is, and whether it is surely not empty.
    #[inline]
    fn text(&mut self) -> Option<(Range<usize>, bool)> {
        let start = self.at;
        let mut end = text_end(self.bytes, start)?;
        while self.bytes[end] == b'&' {
            end += 1 + xml::entity(&self.text[end + 1..])?.1;
            end = text_end(self.bytes, end)?;
        }
        let first = self.bytes[start];
        let has_text = first.is_ascii_graphic() && first != b'<' && first != b'&';
        self.at = end;
        (end - start <= FIELD_BYTES_MAX).then_some((start..end, has_text))
    }
}

/// Where the next `<` or `&` is. Most texts are short, so the first bytes are looked at eight at a time without a call.
#[inline]
fn text_end(bytes: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    // The top bit of each byte that is zero; above a true one there may be false ones, so only the lowest counts.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let mut at = from;
    for _ in 0..4 {
        let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else { break };
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ (ONES * b'<' as u64)) | zeros(word ^ (ONES * b'&' as u64));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    Some(at + memchr::memchr2(b'<', b'&', bytes.get(at..)?)?)
}

/// Bytes of names in the flat form.
const NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_';
        byte += 1;
    }
    table
};

/// Name, text and all of each field of a row of [`Shape::Flat`].
pub(super) fn fields(inner: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let mut rest = inner;
    std::iter::from_fn(move || {
        let start = memchr::memchr(b'<', rest.as_bytes())?;
        let field = &rest[start..];
        let tag = memchr::memchr(b'>', field.as_bytes())?;
        if let Some(name) = field[1..tag].strip_suffix('/') {
            rest = &field[tag + 1..];
            return Some((name, "", &field[..tag + 1]));
        }
        let name = &field[1..tag];
        let text = &field[tag + 1..];
        let text = &text[..memchr::memchr(b'<', text.as_bytes())?];
        let end = tag + 1 + text.len() + name.len() + 3;
        rest = &field[end..];
        Some((name, text, &field[..end]))
    })
}
