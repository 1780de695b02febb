//! A fast reader of inventories in the flat form in which agents write XML (`docs/protocols/legacy-xml.md`, "The fast path";
//! ADR 8). It finds the rows, prints them, and makes canonical only what somebody asks for.
//!
//! It has no rules of its own: whatever is made canonical goes through the standard reader's code, and a document that is not of
//! the flat form, damaged, or at a limit goes back to the standard reader whole.

mod flat;
mod prints;
mod rows;
mod ways;

use super::xml::Node;
use super::{Dialect, Message, Query, Request, request};
use crate::text::has_controls;
use flat::{Element, Structure};
use muster_core::inventory::{Canonical, Completeness, Finding, Inventory, Print, Row, SectionPrint, Told, is_single, prints_held};
use prints::Prints;
use std::ops::Range;

/// The form of a scanned inventory's prints, with the version of their making: also to be raised when the rules by which rows
/// are made canonical change, so that every inventory is looked at again.
pub const FORM: &str = "legacy-scan/1";

/// Scans the text of an inventory message: the same message as [`super::parse_request`] gives, its inventory in the form
/// [`FORM`]. Gives the text back when it is not for the scanner; the standard reader takes it then.
pub fn scan(text: String, agent: Dialect) -> Result<Message, String> {
    if has_controls(&text) {
        return Err(text);
    }
    scan_clean(text, Vec::new(), agent).map_err(|(text, _)| text)
}

/// The same for a text without control characters; `findings` tell what was odd about its bytes.
pub(super) fn scan_clean(text: String, findings: Vec<Finding>, agent: Dialect) -> Result<Message, (String, Vec<Finding>)> {
    let Some((request, read, parts)) = scan_text(&text, agent) else { return Err((text, findings)) };
    let Request { device_id, old_device_id, query, token, dialect, agent_version, .. } = request;
    let scan = Scan { text, dialect, findings: findings.clone(), read, parts };
    Ok(Message { device_id, old_device_id, query, token, dialect, agent_version, content: None, inventory: Some(Box::new(scan)), findings })
}

/// A scanned inventory.
struct Scan {
    text: String,
    dialect: Dialect,
    findings: Vec<Finding>,
    /// The sections that had to be read whole.
    read: Canonical,
    parts: Parts,
}

/// What is known of the sections of a scanned inventory.
struct Parts {
    /// Sorted by name; those of [`Scan::read`] too.
    sections: Vec<SectionPrint>,
    /// The others by name, and which of `order` are their elements.
    plain: Vec<(String, Range<usize>)>,
    elements: Vec<Element>,
    /// Elements that are rows, by section.
    order: Vec<u32>,
    readings: Print,
}

/// Whether a section is read whole by the standard reader: because its rows come of several elements, or because what is told of
/// the agent is in it.
fn is_read_whole(section: &str) -> bool {
    is_single(section) || matches!(section, "download" | "ipdiscover" | "deviceid" | "old_deviceid" | "versionclient" | "agent")
}

fn scan_text(text: &str, agent: Dialect) -> Option<(Request, Canonical, Parts)> {
    let mut structure = flat::structure(text)?;
    // The standard reader decides on a document that has everything but the sections scanned here.
    let mut request = request(skeleton(text, &mut structure), None, agent, Vec::new()).ok()?;
    if request.query != Query::Inventory {
        return None;
    }
    let Inventory { sections, findings: found, .. } = request.inventory.take()?;
    if !found.is_empty() {
        return None;
    }
    let completeness = request.dialect.completeness();
    let read = Canonical::new(Inventory { sections, completeness, findings: Vec::new() });
    let parts = parts(text, structure, request.dialect, &read);
    // What a document without sections means, the standard reader says.
    (!parts.sections.is_empty()).then_some((request, read, parts))
}

/// The document without the sections that are scanned.
fn skeleton(text: &str, structure: &mut Structure) -> Node {
    let whole: Vec<bool> = structure.sections.iter().map(|s| is_read_whole(s)).collect();
    let mut content = Node { name: "content".to_owned(), ..Node::default() };
    for (at, element) in structure.elements.iter().enumerate().filter(|(_, e)| whole[usize::from(e.section)]) {
        let name = structure.sections[usize::from(element.section)].clone();
        let node = structure.odd.remove(&at).unwrap_or_else(|| rows::node(text, element));
        content.children.push(Node { name, ..node });
    }
    let field = |(name, value): &(flat::Span, flat::Span)| Node {
        name: name.of(text).to_ascii_lowercase(),
        text: rows::clean(value.of(text)),
        children: Vec::new(),
    };
    let mut root = Node { name: "request".to_owned(), ..Node::default() };
    root.children = structure.fields.iter().map(field).collect();
    root.children.push(content);
    root
}

fn parts(text: &str, structure: Structure, dialect: Dialect, read: &Canonical) -> Parts {
    let Structure { sections: names, elements, odd, .. } = structure;
    let mut of_section = vec![0_usize; names.len()];
    for element in &elements {
        of_section[usize::from(element.section)] += 1;
    }
    let mut by_section: Vec<Vec<u32>> = of_section.into_iter().map(Vec::with_capacity).collect();
    for (at, element) in (0_u32..).zip(&elements) {
        by_section[usize::from(element.section)].push(at);
    }
    let mut plain: Vec<(String, Vec<u32>)> = names.into_iter().zip(by_section).filter(|(name, _)| !is_read_whole(name)).collect();
    plain.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut made = Parts { sections: read.sections().to_vec(), plain: Vec::new(), order: Vec::new(), elements, readings: Print::default() };
    let mut prints = Prints::new(text, dialect, odd);
    prints.readings.extend_from_slice(&read.readings().to_bytes());
    for (name, mut order) in plain {
        let print = prints.section(&name, &made.elements, &mut order);
        if print.rows > 0 {
            made.sections.push(print);
            made.plain.push((name, made.order.len()..made.order.len() + order.len()));
            made.order.append(&mut order);
        }
    }
    made.sections.sort_unstable_by(|a, b| a.section.cmp(&b.section));
    made.readings = Print::of(&prints.readings);
    made
}

impl Scan {
    /// The elements of a section that is not read whole.
    fn plain(&self, section: &str) -> &[u32] {
        let found = self.parts.plain.binary_search_by(|(name, _)| name.as_str().cmp(section));
        found.map_or(&[], |i| &self.parts.order[self.parts.plain[i].1.clone()])
    }

    fn make(&self, section: &str, at: u32) -> Option<Row> {
        rows::row(&self.text, section, &self.parts.elements[at as usize], self.dialect)
    }
}

impl Told for Scan {
    fn form(&self) -> &'static str {
        FORM
    }

    fn completeness(&self) -> Completeness {
        self.dialect.completeness()
    }

    fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn sections(&self) -> &[SectionPrint] {
        &self.parts.sections
    }

    fn readings(&self) -> Print {
        self.parts.readings
    }

    fn rows(&self, section: &str) -> Vec<Row> {
        match self.plain(section) {
            [] => self.read.rows(section),
            order => order.iter().filter_map(|at| self.make(section, *at)).collect(),
        }
    }

    fn row(&self, section: &str, index: usize) -> Option<Row> {
        match self.plain(section) {
            [] => self.read.row(section, index),
            order => self.make(section, *order.get(index)?),
        }
    }

    fn held(&self) -> usize {
        let parts = &self.parts;
        let elements = size_of_val(parts.elements.as_slice()) + size_of_val(parts.order.as_slice());
        self.text.capacity() + self.read.held() + elements + prints_held(&parts.sections)
    }
}
