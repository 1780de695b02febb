//! Real inventories as templates, and the programs that invented machines draw from.
//!
//! The samples are recorded messages of real agents; origin and licence are in `crates/wire/tests/samples/README.md`. Absent on
//! purpose: what an invented machine says (`machine`).

use super::machine::Protocol;
use anyhow::{Context as _, anyhow};
use muster_core::limits::INFLATED_BYTES_MAX;
use muster_wire::body::decode_body;
use std::collections::BTreeSet;

const FUSION: &[u8] = include_bytes!("../../../wire/tests/samples/fusioninventory/inventory.zlib");
const OCS: &[u8] = include_bytes!("../../../wire/tests/samples/ocs/01-first-inventory.inventory.body");

/// How many programs there are to draw from.
pub const DICTIONARY: usize = 2_000;

/// What distributions make of one source package; the second half of the dictionary is made with these.
const RELATIVES: [(&str, &str); 6] = [
    ("-dev", "development files"),
    ("-common", "files that do not depend on the architecture"),
    ("-doc", "documentation"),
    ("-data", "data files"),
    ("-utils", "utilities"),
    ("-dbgsym", "debug symbols"),
];

/// A program as packages describe it. All texts are escaped for XML already.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// Name of the package.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub arch: String,
    /// One line about it.
    pub comments: String,
    /// Who makes it; often empty.
    pub publisher: String,
    /// Bytes on disk.
    pub size: String,
    /// When it was installed, in the agent's form.
    pub installed: String,
}

/// A value that differs between machines, or from one contact to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Host name.
    Name,
    /// DEVICEID.
    DeviceId,
    /// System UUID.
    Uuid,
    /// Serial number of the machine, its board or a part: which one.
    Serial(&'static str),
    /// Hardware address of the n-th interface.
    Mac(usize),
    /// IPv4 address of the n-th interface.
    Address(usize),
    /// Reading: MiB free on a file system.
    Free,
    /// Reading: when it started, as a day and a time.
    Booted,
    /// Reading: how long it runs, in OCS's form after the architecture.
    Uptime,
    /// Reading: when the agent looked.
    Looked,
    /// All programs.
    Programs,
    /// Reading: all processes.
    Processes,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The same for every machine.
    Text(String),
    /// To be filled in.
    Slot(Slot),
}

/// The recorded inventory of a protocol, as text.
fn recorded(protocol: Protocol) -> anyhow::Result<String> {
    let raw = if protocol == Protocol::Ocs { OCS } else { FUSION };
    let decoded = decode_body(raw, INFLATED_BYTES_MAX).map_err(|e| anyhow!("the recorded inventory: {e}"))?;
    String::from_utf8(decoded.bytes).context("the recorded inventory is not UTF-8")
}

/// Cuts the recorded inventory of a protocol where machines differ.
pub fn template(protocol: Protocol) -> anyhow::Result<Vec<Part>> {
    let text = recorded(protocol)?;
    let mut cutter = Cutter { protocol, section: "", parts: Vec::new(), macs: Vec::new(), addresses: 0 };
    for line in text.lines() {
        cutter.line(line);
    }
    Ok(cutter.parts)
}

struct Cutter<'a> {
    protocol: Protocol,
    section: &'a str,
    parts: Vec<Part>,
    macs: Vec<&'a str>,
    addresses: usize,
}

impl<'a> Cutter<'a> {
    fn line(&mut self, line: &'a str) {
        let bare = line.trim();
        let (tag, rest) = bare.strip_prefix('<').and_then(|b| b.split_once('>')).unwrap_or(("", ""));
        if line.len() - bare.len() == 4 && !tag.starts_with('/') {
            let first = self.section != tag;
            self.section = tag;
            if tag == "SOFTWARES" && first {
                self.parts.push(Part::Slot(Slot::Programs));
            }
            if tag == "STORAGES" && first && self.protocol == Protocol::Fusioninventory {
                self.parts.push(Part::Slot(Slot::Processes));
            }
        }
        if self.section == "SOFTWARES" && (line.starts_with("    ")) {
            return;
        }
        if line.len() - bare.len() < 4 {
            self.section = "";
        }
        let value = rest.split_once("</").map(|(value, _)| value);
        match value.and_then(|value| self.slot(tag, value)) {
            None => self.text(&format!("{line}\n")),
            Some(slot) => {
                self.text(&format!("{}<{tag}>", &line[..line.len() - bare.len()]));
                self.parts.push(Part::Slot(slot));
                self.text(&format!("</{tag}>\n"));
            }
        }
        // FusionInventory tells a UUID wherever the firmware has one; the recorded machine had none.
        if (self.protocol, self.section, tag) == (Protocol::Fusioninventory, "HARDWARE", "NAME") {
            self.text("      <UUID>");
            self.parts.push(Part::Slot(Slot::Uuid));
            self.text("</UUID>\n");
        }
    }

    fn slot(&mut self, tag: &str, value: &'a str) -> Option<Slot> {
        match (self.section, tag) {
            ("HARDWARE", "NAME") | ("OPERATINGSYSTEM", "FQDN") => Some(Slot::Name),
            ("HARDWARE", "UUID") => Some(Slot::Uuid),
            ("HARDWARE", "IPADDR") => Some(Slot::Address(0)),
            ("HARDWARE", "DESCRIPTION") => Some(Slot::Uptime),
            ("BIOS", "SSN") => Some(Slot::Serial("S")),
            ("BIOS", "MSN") => Some(Slot::Serial("M")),
            ("BIOS", "ASSETTAG") => Some(Slot::Serial("A")),
            ("MEMORIES", "SERIALNUMBER") => Some(Slot::Serial("R")),
            ("STORAGES", "SERIALNUMBER") => Some(Slot::Serial("D")),
            ("NETWORKS", "MACADDR") if value != "00:00:00:00:00:00" => Some(Slot::Mac(self.mac(value))),
            ("NETWORKS", "IPADDRESS") if !value.starts_with("127.") => {
                self.addresses += 1;
                Some(Slot::Address(self.addresses - 1))
            }
            ("DRIVES", "FREE") => Some(Slot::Free),
            ("OPERATINGSYSTEM", "BOOT_TIME") => Some(Slot::Booted),
            ("ACCESSLOG", "LOGDATE") => Some(Slot::Looked),
            ("", "DEVICEID") => Some(Slot::DeviceId),
            _ => None,
        }
    }

    /// One interface has several rows when it has addresses of several families: the same value keeps its number.
    fn mac(&mut self, value: &'a str) -> usize {
        self.macs.iter().position(|m| *m == value).unwrap_or_else(|| {
            self.macs.push(value);
            self.macs.len() - 1
        })
    }

    fn text(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(Part::Text(last)) => last.push_str(text),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
    }
}

/// [`DICTIONARY`] programs, sorted by name: those of the recorded OCS inventory and relatives of them.
pub fn dictionary() -> anyhow::Result<Vec<Program>> {
    let text = recorded(Protocol::Ocs)?;
    let mut programs: Vec<Program> = text.split("<SOFTWARES>").skip(1).map(program).collect();
    let mut names: BTreeSet<String> = programs.iter().map(|p| p.name.clone()).collect();
    let real = programs.clone();
    for (suffix, about) in RELATIVES {
        for of in &real {
            let base = of.name.split(':').next().unwrap_or(&of.name);
            let name = format!("{base}{suffix}");
            if programs.len() < DICTIONARY && names.insert(name.clone()) {
                programs.push(Program { name, comments: format!("{} - {about}", of.comments), ..of.clone() });
            }
        }
    }
    programs.sort_unstable();
    programs.dedup_by(|a, b| a.name == b.name);
    Ok(programs)
}

fn program(element: &str) -> Program {
    let field = |tag: &str| {
        let after = element.split_once(&format!("<{tag}>")).map_or("", |(_, after)| after);
        after.split_once("</").map_or("", |(value, _)| value).to_owned()
    };
    Program {
        name: field("NAME"),
        version: field("VERSION"),
        arch: field("ARCHITECTURE"),
        comments: field("COMMENTS"),
        publisher: field("PUBLISHER"),
        size: field("FILESIZE"),
        installed: field("INSTALLDATE"),
    }
}
