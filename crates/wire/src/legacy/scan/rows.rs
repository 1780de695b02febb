//! Elements of a scanned document as the nodes of the standard reader, and so as rows by the standard rules.

use super::super::xml::{self, Node};
use super::super::{Dialect, canonical};
use super::flat::{Element, Shape, fields};
use muster_core::inventory::Row;

/// What the standard reader makes of an element, but for its name.
pub(super) fn node(text: &str, element: &Element) -> Node {
    match element.shape {
        Shape::Empty => Node::default(),
        Shape::Leaf => Node { text: clean(element.inner.of(text)), ..Node::default() },
        Shape::Flat => {
            let inner = element.inner.of(text);
            let field =
                |(name, text, _): (&str, &str, &str)| Node { name: name.to_ascii_lowercase(), text: clean(text), children: Vec::new() };
            Node { children: fields(inner).map(field).collect(), ..Node::default() }
        }
        // The scan has read it the same way, so there is something.
        Shape::Odd => xml::element(element.whole.of(text)).map(|piece| piece.node).unwrap_or_default(),
    }
}

/// An element as a row of a section whose rows are one element each.
pub(super) fn row(text: &str, section: &str, element: &Element, dialect: Dialect) -> Option<Row> {
    canonical::section_row(section, node(text, element), dialect)
}

/// A text with its entities resolved, without blanks at its ends.
pub(super) fn clean(text: &str) -> String {
    if memchr::memchr(b'&', text.as_bytes()).is_none() {
        return text.trim().to_owned();
    }
    let mut text = xml::unescape(text);
    xml::trim(&mut text);
    text
}
