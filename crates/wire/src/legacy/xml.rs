//! Text to a tree of elements, forgiving: [`read`] is the only function that knows how, so that another reader can take its
//! place.
//!
//! Attributes become children, because agents use either (`docs/protocols/ocs.md`, "Attributes or elements"). Names are lower
//! case. Absent on purpose: what the elements mean.

use muster_core::inventory::Finding;
use muster_core::limits::{DOCUMENT_DEPTH_MAX, DOCUMENT_ELEMENTS_MAX, FIELD_BYTES_MAX, FINDINGS_MAX};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{ParseError, ParseErrorKind};

/// How often reading starts again behind a `<` that begins no element, before the rest is given up.
const RESUMES_MAX: usize = 32;

/// An element or attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Name, lower case.
    pub name: String,
    /// Its own text, without blanks around it; at most [`FIELD_BYTES_MAX`] bytes.
    pub text: String,
    /// Attributes first, then elements, in the order of the document.
    pub children: Vec<Node>,
}

impl Node {
    /// The first child of this name.
    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|c| c.name == name)
    }

    /// All children of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |c| c.name == name)
    }

    /// The text of the first child of this name that has one; empty elements count as absent.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.children.iter().find(|c| c.name == name && !c.text.is_empty()).map(|c| c.text.as_str())
    }
}

/// Where and how a document was damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// Byte offset in the text.
    pub at: usize,
    /// In words.
    pub what: String,
    /// Elements that were open when reading had to stop, outermost first; none when it went on to the end.
    pub open: Vec<String>,
}

/// A tree and what was odd about its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub root: Node,
    pub damage: Option<Damage>,
    pub findings: Vec<Finding>,
}

/// Reads a document. What cannot be read is left out and told as damage; limits and DOCTYPE are errors.
pub(super) fn read(text: &str) -> Result<Document, ParseError> {
    let mut tree = Tree::default();
    let mut start = 0;
    while let Some(next) = read_from(text, start, &mut tree)? {
        start = next;
    }
    tree.finish(text.len())
}

/// One element, read by itself.
pub(super) struct Piece {
    pub node: Node,
    /// Where it ends, bytes.
    pub end: usize,
    /// Elements and attributes in it, with itself.
    pub elements: usize,
    /// Levels of elements, with its own.
    pub depth: usize,
}

/// Reads the element with which `text` begins, and nothing behind it. None when there is anything to say about it: within a
/// document it is what [`read`] makes of it only when it is whole, undamaged and within the limits.
pub(super) fn element(text: &str) -> Option<Piece> {
    let mut tree = Tree::default();
    match read_from(text, 0, &mut tree) {
        Ok(None) if tree.damage.is_none() && tree.findings.is_empty() => {}
        _ => return None,
    }
    Some(Piece { node: tree.done?, end: tree.end, elements: tree.elements, depth: tree.deepest })
}

/// Reads on from `start`. Gives where to go on when a `<` turned out to begin no element.
fn read_from(text: &str, start: usize, tree: &mut Tree) -> Result<Option<usize>, ParseError> {
    let mut reader = Reader::from_str(&text[start..]);
    let config = reader.config_mut();
    config.allow_dangling_amp = true;
    config.allow_unmatched_ends = true;
    config.check_end_names = false;
    loop {
        let at = start + offset(reader.buffer_position());
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => return Ok(tree.stopped(text, at, &error.to_string())),
        };
        match event {
            Event::Start(tag) | Event::Empty(tag) if inner_less_than(&tag).is_some() || !begins_name(&tag) => {
                let inner = inner_less_than(&tag).map_or(at + 1, |i| at + 1 + i);
                tree.text(&text[at..inner]);
                tree.damaged(at, "a '<' begins no element");
                return Ok(tree.may_resume().then_some(inner));
            }
            Event::Start(tag) => tree.open(at, &tag)?,
            Event::Empty(tag) => {
                tree.open(at, &tag)?;
                tree.close(at, tag.name().0);
            }
            Event::End(tag) => tree.close(at, tag.name().0),
            Event::Text(piece) => tree.text(&piece),
            Event::CData(piece) => tree.text(&piece),
            Event::GeneralRef(name) => match resolve(&name) {
                Some(c) => tree.text(c.encode_utf8(&mut [0; 4])),
                None => tree.text(&format!("&{};", &*name)),
            },
            Event::DocType(_) => return Err(ParseError::new(ParseErrorKind::Doctype, at, "a DOCTYPE is not accepted")),
            Event::Eof => return Ok(None),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
        if tree.done.is_some() {
            tree.end = start + offset(reader.buffer_position());
            return Ok(None);
        }
    }
}

#[derive(Default)]
struct Tree {
    stack: Vec<Node>,
    deepest: usize,
    done: Option<Node>,
    /// Where what is done ends.
    end: usize,
    elements: usize,
    resumes: usize,
    damage: Option<Damage>,
    findings: Vec<Finding>,
}

impl Tree {
    fn open(&mut self, at: usize, tag: &BytesStart<'_>) -> Result<(), ParseError> {
        self.count(at)?;
        if self.stack.len() >= DOCUMENT_DEPTH_MAX {
            let what = format!("elements are nested deeper than {DOCUMENT_DEPTH_MAX} levels");
            return Err(ParseError::new(ParseErrorKind::TooDeep, at, what));
        }
        let mut node = Node { name: tag.name().0.to_ascii_lowercase(), ..Node::default() };
        for attribute in tag.attributes().with_checks(false) {
            let Ok(attribute) = attribute else {
                self.damaged(at, "an attribute has no proper name or value");
                continue;
            };
            self.count(at)?;
            let name = attribute.key.0.to_ascii_lowercase();
            let text = self.cut(&name, unescape(&attribute.value));
            node.children.push(Node { name, text, children: Vec::new() });
        }
        self.stack.push(node);
        self.deepest = self.deepest.max(self.stack.len());
        Ok(())
    }

    /// An end tag. One that fits an outer element closes those within; one that fits none is ignored.
    fn close(&mut self, at: usize, name: &str) {
        let Some(depth) = self.stack.iter().rposition(|n| n.name.eq_ignore_ascii_case(name)) else {
            self.damaged(at, &format!("</{name}> closes no open element"));
            return;
        };
        if depth + 1 < self.stack.len() {
            self.damaged(at, &format!("</{name}> comes before the end of what is inside"));
        }
        while self.stack.len() > depth {
            self.fold();
        }
    }

    /// Puts the innermost open element into its parent.
    fn fold(&mut self) {
        let Some(mut node) = self.stack.pop() else { return };
        let text = std::mem::take(&mut node.text);
        node.text = self.cut(&node.name, text);
        match self.stack.last_mut() {
            Some(parent) => parent.children.push(node),
            None => self.done = Some(node),
        }
    }

    fn text(&mut self, piece: &str) {
        if let Some(node) = self.stack.last_mut() {
            // Blanks at the ends go anyway; between elements there is nothing else.
            let piece = if node.text.is_empty() { piece.trim_start() } else { piece };
            node.text.push_str(piece);
        }
    }

    fn cut(&mut self, name: &str, mut text: String) -> String {
        trim(&mut text);
        if text.len() > FIELD_BYTES_MAX {
            self.find("limit", format!("<{name}> was cut from {} to {FIELD_BYTES_MAX} bytes", text.len()));
            text.truncate(text.floor_char_boundary(FIELD_BYTES_MAX));
        }
        text
    }

    fn count(&mut self, at: usize) -> Result<(), ParseError> {
        self.elements += 1;
        if self.elements <= DOCUMENT_ELEMENTS_MAX {
            return Ok(());
        }
        let what = format!("more than {DOCUMENT_ELEMENTS_MAX} elements and attributes");
        Err(ParseError::new(ParseErrorKind::TooMany, at, what))
    }

    fn find(&mut self, kind: &str, detail: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding::new(kind, detail));
        }
    }

    /// Notes the first damage.
    fn damaged(&mut self, at: usize, what: &str) {
        self.damage.get_or_insert_with(|| Damage { at, what: what.to_owned(), open: Vec::new() });
    }

    fn may_resume(&mut self) -> bool {
        self.resumes += 1;
        self.resumes <= RESUMES_MAX
    }

    /// The reader gave up at `at`: at a stray `<` when elements follow, else because the document is cut.
    fn stopped(&mut self, text: &str, at: usize, error: &str) -> Option<usize> {
        self.damaged(at, error);
        let rest = text.get(at + 1..)?;
        let markup = rest.starts_with(['!', '?']);
        if markup || self.stack.is_empty() || !rest.contains('<') || !self.may_resume() {
            return None;
        }
        self.text("<");
        Some(at + 1)
    }

    fn finish(mut self, end: usize) -> Result<Document, ParseError> {
        if self.done.is_none() {
            let open: Vec<String> = self.stack.iter().map(|n| n.name.clone()).collect();
            let damage = self.damage.take();
            let at = damage.as_ref().map_or(end, |d| d.at);
            let why = damage.map_or_else(String::new, |d| format!(" ({})", d.what));
            let what = format!("the document ends before its end{why}");
            self.damage = Some(Damage { at, what, open });
            while !self.stack.is_empty() {
                self.fold();
            }
        }
        match self.done {
            Some(root) => Ok(Document { root, damage: self.damage, findings: self.findings }),
            None => Err(ParseError::new(ParseErrorKind::Malformed, 0, "there is no element; <REQUEST> is expected")),
        }
    }
}

/// Takes the blanks at both ends away.
pub(super) fn trim(text: &mut String) {
    text.truncate(text.trim_end().len());
    let blanks = text.len() - text.trim_start().len();
    text.drain(..blanks);
}

fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn begins_name(tag: &str) -> bool {
    tag.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == ':')
}

/// Where in a tag a `<` is that is in no attribute's value: the tag is none, and something else begins there.
fn inner_less_than(tag: &str) -> Option<usize> {
    // Hardly any tag has one at all.
    memchr::memchr(b'<', tag.as_bytes())?;
    let mut quote = None;
    let mut before = 0;
    for (i, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (None, b'"' | b'\'') if before == b'=' => quote = Some(byte),
            (None, b'<') => return Some(i),
            _ => {}
        }
        before = byte;
    }
    None
}

/// The character an entity stands for: the five of XML, and numeric ones that name a character XML allows.
fn resolve(name: &str) -> Option<char> {
    let number = match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => name.strip_prefix('#')?,
    };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok()?,
        None if number.bytes().all(|b| b.is_ascii_digit()) => number.parse().ok()?,
        _ => return None,
    };
    char::from_u32(code).filter(|c| *c >= ' ' || matches!(c, '\t' | '\n' | '\r')).filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}'))
}

/// An attribute's value with its entities resolved; what is no entity stays.
pub(super) fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        match entity(after) {
            Some((c, end)) => {
                out.push(c);
                rest = &after[end..];
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The character of the entity whose '&' stands before `text`, and where the entity ends; none when it is none.
pub(super) fn entity(text: &str) -> Option<(char, usize)> {
    // No entity is longer than a numeric one of a few leading zeros.
    let end = text.bytes().take(12).position(|b| b == b';')?;
    Some((resolve(&text[..end])?, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(text: &str) -> Node {
        read(text).expect("document").root
    }

    fn undamaged(text: &str) -> Node {
        let document = read(text).expect("document");
        assert_eq!(document.damage, None, "{text}");
        document.root
    }

    fn kind(text: &str) -> ParseErrorKind {
        read(text).expect_err("an error").kind
    }

    #[test]
    fn attributes_and_elements_are_the_same() {
        let a = undamaged("<R A=\"1\" b='x &amp; y'/>");
        let b = undamaged("<r><a>1</a><B> x &amp; y\n</B></r>");
        assert_eq!(a, b);
        assert_eq!(undamaged("<R A=\"1 < 2\"/>").field("a"), Some("1 < 2"));
    }

    #[test]
    fn entities_that_are_known_are_resolved_and_others_stay() {
        let text = "&lt;&gt;&amp;&quot;&apos;&#233;&#xE9;&#x1F600;&nbsp;&#0;&#x1;&#xD800;&#99999999;& and &;";
        let expected = "<>&\"'éé😀&nbsp;&#0;&#x1;&#xD800;&#99999999;& and &;";
        assert_eq!(undamaged(&format!("<a>{text}</a>")).text, expected);
        assert_eq!(undamaged(&format!("<a b=\"{text}\"/>")).field("b"), Some(expected));
    }

    #[test]
    fn cdata_comments_and_instructions_are_read_past() {
        assert_eq!(undamaged("<?xml version='1.0'?><!-- c --><a>x<!-- <b> --><?pi?><![CDATA[<&]]>y</a><!-- end -->").text, "x<&y");
    }

    #[test]
    fn a_stray_less_than_costs_one_piece_of_text_only() {
        let document = read("<r><row><n>a < b</n><v>1</v></row><row><n>c <3</n><v>2</v></row></r>").expect("document");
        let rows: Vec<_> = document.root.all("row").map(|r| (r.field("n"), r.field("v"))).collect();
        assert_eq!(rows, [(Some("a < b"), Some("1")), (Some("c <3"), Some("2"))]);
        assert!(document.damage.expect("damage").open.is_empty());
    }

    #[test]
    fn crossed_end_tags_are_closed_where_they_must() {
        let document = read("<r><row><n>a</row><row><n>b</n></x></row></r>").expect("document");
        assert_eq!(document.root.all("row").map(|r| r.field("n")).collect::<Vec<_>>(), [Some("a"), Some("b")]);
        assert_eq!(document.damage.expect("damage").at, 12);
    }

    #[test]
    fn a_cut_document_tells_what_was_open() {
        for text in ["<r><row><n>ab", "<r><row><n>ab</", "<r><row><n", "<r><row><n>ab<!-- c"] {
            let damage = read(text).expect("document").damage.expect("damage");
            assert!(damage.open.starts_with(&["r".to_owned(), "row".to_owned()]), "{text}: {damage:?}");
        }
    }

    #[test]
    fn what_follows_the_root_is_ignored() {
        assert_eq!(undamaged("<r>1</r> garbage <x> & <").text, "1");
    }

    #[test]
    fn a_doctype_is_refused_with_or_without_entities() {
        assert_eq!(kind("<!DOCTYPE r SYSTEM 'http://x/'><r/>"), ParseErrorKind::Doctype);
        let bomb = "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;&lol;\">]><r>&lol2;</r>";
        assert_eq!(kind(bomb), ParseErrorKind::Doctype);
        assert_eq!(undamaged("<r>&lol2;</r>").text, "&lol2;");
    }

    #[test]
    fn depth_has_two_sides() {
        let nested = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
        undamaged(&nested(DOCUMENT_DEPTH_MAX));
        assert_eq!(kind(&nested(DOCUMENT_DEPTH_MAX + 1)), ParseErrorKind::TooDeep);
        assert_eq!(kind(&"<a>".repeat(1_000_000)), ParseErrorKind::TooDeep);
    }

    #[test]
    fn the_number_of_elements_has_two_sides_and_attributes_count() {
        let many = |n: usize| format!("<r>{}</r>", "<a/>".repeat(n));
        assert_eq!(undamaged(&many(DOCUMENT_ELEMENTS_MAX - 1)).children.len(), DOCUMENT_ELEMENTS_MAX - 1);
        assert_eq!(kind(&many(DOCUMENT_ELEMENTS_MAX)), ParseErrorKind::TooMany);
        assert_eq!(kind(&format!("<r {}/>", "a='' ".repeat(DOCUMENT_ELEMENTS_MAX))), ParseErrorKind::TooMany);
    }

    #[test]
    fn a_long_field_is_cut_at_a_character_with_a_finding() {
        let field = |n: usize| read(&format!("<r><f>{}</f></r>", "é".repeat(n))).expect("document");
        let exact = field(FIELD_BYTES_MAX / 2);
        assert_eq!((exact.root.field("f").map(str::len), exact.findings.len()), (Some(FIELD_BYTES_MAX), 0));
        let long = field(FIELD_BYTES_MAX / 2 + 1);
        assert_eq!(long.root.field("f").map(str::len), Some(FIELD_BYTES_MAX));
        assert_eq!(long.findings[0].kind, "limit");
        let long = root(&format!("<r f='{}'/>", "x".repeat(FIELD_BYTES_MAX + 1)));
        assert_eq!(long.field("f").map(str::len), Some(FIELD_BYTES_MAX));
    }

    #[test]
    fn many_stray_less_thans_end_quickly() {
        let text = format!("<r>{}", "<'".repeat(500_000));
        assert!(read(&text).expect("document").damage.is_some());
        let text = format!("<r>{}", "<a ".repeat(500_000));
        assert!(read(&text).expect("document").damage.is_some());
    }

    #[test]
    fn no_element_at_all_is_malformed() {
        for text in ["", "  ", "{\"a\":1}", "<?xml version='1.0'?>", "<!-- x -->", "</a>"] {
            assert_eq!(kind(text), ParseErrorKind::Malformed, "{text}");
        }
    }
}
