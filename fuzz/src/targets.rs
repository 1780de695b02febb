//! What is fuzzed: each target takes any bytes, and whatever it does with them must neither panic, nor overflow the stack, nor
//! take long, nor break the rule the target names.

#[path = "../../crates/wire/tests/scan/compare.rs"]
mod compare;

use muster_core::inventory::{Completeness, split};
use muster_core::limits::{CAPACITIES_MAX, DEVICEID_BYTES_MAX, FINDINGS_MAX, SECTIONS_MAX};
use muster_core::query::Query;
use muster_core::tasks::doc::TaskDoc;
use muster_wire::body::{Coding, decode_body, encode_body};
use muster_wire::bounds::shape;
use muster_wire::glpi_message::{Message as GlpiMessage, parse_message};
use muster_wire::legacy::{Dialect, parse_request};
use muster_wire::{glpi_content, native, text};
use serde_json::Value;

/// One thing to fuzz.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it checks.
    pub about: &'static str,
    /// The check.
    pub run: fn(&[u8]),
    /// Folders of samples to begin with, below the wire crate's.
    pub samples: &'static [&'static str],
    /// What its samples begin with: bytes that only choose among variants.
    pub head: &'static [u8],
    /// Further inputs to begin with.
    pub seeds: &'static [&'static str],
    /// Words to put in, one a line.
    pub words: &'static str,
    /// Longest input, bytes.
    pub longest: usize,
}

const XML: &[&str] = &["fusioninventory", "glpi", "ocs"];

/// All of them, those that matter most first.
pub const TARGETS: &[Target] = &[
    Target {
        name: "scan",
        about: "the scanner of legacy inventories says what the standard reader says, and its prints keep their law",
        run: scan,
        samples: XML,
        head: &[0, 0, 0, b'x'],
        seeds: &[],
        words: include_str!("../dictionaries/xml"),
        longest: 16_384,
    },
    Target {
        name: "legacy",
        about: "the standard reader of legacy messages keeps its limits",
        run: legacy,
        samples: XML,
        head: &[0],
        seeds: &["\0<REQUEST QUERY='PROLOG' DEVICEID='a' TOKEN='12345678' />"],
        words: include_str!("../dictionaries/xml"),
        longest: 16_384,
    },
    Target {
        name: "body",
        about: "an inflated body is within its limit, and what is packed comes out again",
        run: body,
        samples: XML,
        head: &[],
        seeds: &[],
        words: "<",
        longest: 8_192,
    },
    Target {
        name: "text",
        about: "decoded text has no control characters, and both ways of decoding agree",
        run: text,
        samples: XML,
        head: &[],
        seeds: &["<?xml version='1.0' encoding='UTF-16'?><a/>", "\u{feff}<a/>"],
        words: include_str!("../dictionaries/encodings"),
        longest: 4_096,
    },
    Target {
        name: "glpi_content",
        about: "the content of GLPI's JSON becomes an inventory within the limits",
        run: glpi,
        samples: &["glpi"],
        head: &[],
        seeds: &["{\"content\":{\"bios\":{\"ssn\":\"1\"},\"softwares\":[{\"name\":\"a\"}],\"versionclient\":\"x\"}}"],
        words: include_str!("../dictionaries/glpi"),
        longest: 16_384,
    },
    Target {
        name: "glpi_message",
        about: "messages of GLPI agents are read within the limits or refused with what was wrong",
        run: glpi_messages,
        samples: &["glpi"],
        head: &[],
        seeds: &[
            "{\"action\":\"contact\",\"deviceid\":\"a\",\"enabled-tasks\":[\"inventory\"],\"installed-tasks\":[\"deploy\"],\"httpd-port\":\"62354\",\"version\":\"1.12\"}",
            "{\"action\":\"inventory\",\"deviceid\":\"a\",\"partial\":true,\"tag\":\"t\",\"content\":{\"bios\":{\"ssn\":\"1\"},\"softwares\":[{\"name\":\"a\"}]}}",
            "{\"action\":\"netinventory\",\"deviceid\":\"a\",\"jobid\":1,\"content\":{\"network_device\":{\"name\":\"sw\"}}}",
        ],
        words: include_str!("../dictionaries/glpi"),
        longest: 16_384,
    },
    Target {
        name: "native",
        about: "messages of Muster's own agent are read or refused, and what is read is written the same",
        run: native_messages,
        samples: &[],
        head: &[],
        seeds: &[
            "\0{\"token\":\"t\",\"public_key\":\"k\",\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"name\":\"n\",\"machine\":{\"macs\":[]},\"version\":\"1\"}",
            "\u{1}{\"incarnation\":1,\"time_ms\":5,\"running\":[{\"assignment\":\"0198c0de-0000-7000-8000-000000000002\",\"attempt\":1}],\"wait_seconds\":5,\"version\":\"1\"}",
            "\u{2}{\"incarnation\":1,\"sections\":{\"bios\":{\"hash\":\"x\",\"rows\":[{\"ssn\":\"1\"}]}}}",
            "\u{3}{\"reports\":[{\"assignment\":\"0198c0de-0000-7000-8000-000000000002\",\"attempt\":1,\"incarnation\":2,\"state\":\"ok\",\"at_ms\":7}]}",
            "\u{4}{\"assignment\":\"0198c0de-0000-7000-8000-000000000002\",\"attempt\":1,\"run\":\"0198c0de-0000-7000-8000-000000000003\",\"step\":0,\"action\":{\"type\":\"inventory\"},\"lease_until_ms\":9,\"timeout_seconds\":60}",
            "\u{5}v1 0198c0de-0000-7000-8000-000000000001 5 AAAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ],
        words: include_str!("../dictionaries/native"),
        longest: 4_096,
    },
    Target {
        name: "query",
        about: "a query is read or refused, and what is read decides",
        run: query,
        samples: &[],
        head: &[],
        seeds: &[
            "true",
            "os_family == \"linux\" && !(memory_mb < 4096) || has(serial)",
            "name.startsWith(\"pc-\") && software.contains('vim')",
            "!verified",
            "[1,2].map(x, x)",
            "tag in ['a', \"b\"]",
        ],
        words: include_str!("../dictionaries/query"),
        longest: 4_200,
    },
    Target {
        name: "task",
        about: "a task document is read or refused with all its faults, as JSON and as YAML, and what is read is written the same",
        run: task,
        samples: &[],
        head: &[],
        seeds: &[
            "{\"name\":\"n\",\"targets\":{\"all\":true},\"steps\":[{\"id\":\"a\",\"action\":{\"type\":\"inventory\"}}]}",
            "name: n\ndescription: d\nlabels: [a, b]\ntargets:\n  devices: [pc]\n  query: 'name == \"a\"'\n  exclude:\n    tags: [x]\ndelivery: push\npriority: 3\nretry:\n  attempts: 2\n  backoff: 30s\n  on: [error]\nsteps:\n  - id: one\n    action:\n      type: inventory\n    timeout: 1h\n",
            "a: &x [1, 2]\nb: *x\n",
        ],
        words: include_str!("../dictionaries/yaml"),
        longest: 8_192,
    },
];

fn dialect(byte: u8) -> Dialect {
    compare::DIALECTS[usize::from(byte) % compare::DIALECTS.len()]
}

/// Dialect, two bytes of a place, and what stands there in a second document.
fn scan(input: &[u8]) {
    let Some(([which, high, low, byte], document)) = input.split_first_chunk::<4>() else { return };
    let dialect = dialect(*which);
    if !compare::same(document, dialect) {
        return;
    }
    let mut other = document.to_vec();
    let place = usize::from(u16::from_be_bytes([*high, *low])) % other.len();
    other[place] = *byte;
    if let (Some(a), Some(b)) = (compare::scanned(document, dialect), compare::scanned(&other, dialect)) {
        compare::lawful(&*a, &*b);
    }
}

fn legacy(input: &[u8]) {
    let Some((which, document)) = input.split_first() else { return };
    let Ok(request) = parse_request(document, dialect(*which)) else { return };
    assert!(request.findings.len() <= FINDINGS_MAX);
    let Some(inventory) = request.inventory else { return };
    assert!(inventory.sections.len() <= SECTIONS_MAX && inventory.findings.len() <= FINDINGS_MAX);
    for (name, rows) in &inventory.sections {
        let halves = split(name, rows);
        let read: Vec<muster_core::inventory::Row> = serde_json::from_slice(&halves.rows).expect("rows are JSON");
        assert_eq!(read, *rows);
    }
}

fn body(input: &[u8]) {
    const LIMIT: usize = 1 << 20;
    let Ok(decoded) = decode_body(input, LIMIT) else { return };
    assert!(decoded.bytes.len() <= LIMIT);
    for coding in [Coding::Zlib, Coding::Gzip] {
        let again = decode_body(&encode_body(&decoded.bytes, coding), LIMIT).expect("what we packed");
        assert!(again.bytes == decoded.bytes && !again.truncated);
    }
}

fn text(input: &[u8]) {
    let decoded = text::decode(input);
    assert!(!text::has_controls(&decoded.text));
    assert!(decoded.findings.len() <= 2);
    let owned = text::decode_owned(input.to_vec());
    assert_eq!((&*owned.0, owned.1), (&*decoded.text, decoded.findings));
}

fn glpi(input: &[u8]) {
    let Ok(Value::Object(mut message)) = serde_json::from_slice::<Value>(input) else { return };
    let content = match message.remove("content") {
        Some(Value::Object(content)) => content,
        _ => message,
    };
    let Ok(inventory) = glpi_content::read(content, Completeness::Full) else { return };
    assert!(inventory.sections.len() <= SECTIONS_MAX && inventory.findings.len() <= FINDINGS_MAX);
    for (name, rows) in &inventory.sections {
        split(name, rows);
    }
    native::section_marks(&inventory);
}

fn glpi_messages(input: &[u8]) {
    let _ = shape(input);
    match parse_message(input) {
        Ok(GlpiMessage::Contact(told)) => {
            assert!(told.device_id.len() <= DEVICEID_BYTES_MAX);
            assert!(told.enabled_tasks.len().max(told.installed_tasks.len()) <= CAPACITIES_MAX);
        }
        Ok(GlpiMessage::Inventory(told)) => {
            let inventory = told.inventory;
            // The tag of the message is a section of its own.
            assert!(inventory.sections.len() <= SECTIONS_MAX + 1 && inventory.findings.len() <= FINDINGS_MAX);
            for (name, rows) in &inventory.sections {
                split(name, rows);
            }
        }
        Ok(GlpiMessage::Network(_) | GlpiMessage::Other { .. }) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Reads JSON as a message; what could be read is written and read again as the same.
fn again<T: Message>(bytes: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_value(&read).expect("a message is JSON");
    let reread: T = serde_json::from_value(written.clone()).expect("what was written is read");
    assert_eq!(serde_json::to_value(&reread).expect("a message is JSON"), written);
}

/// What can be read and written.
trait Message: serde::de::DeserializeOwned + serde::Serialize {}
impl<T: serde::de::DeserializeOwned + serde::Serialize> Message for T {}

fn native_messages(input: &[u8]) {
    let Some((which, bytes)) = input.split_first() else { return };
    match which % 10 {
        8 => again::<muster_wire::channel::FromAgent>(bytes),
        9 => again::<muster_wire::channel::FromServer>(bytes),
        0 => again::<native::EnrolRequest>(bytes),
        1 => again::<native::ContactRequest>(bytes),
        2 => again::<native::InventoryRequest>(bytes),
        3 => again::<native::ReportRequest>(bytes),
        4 => again::<muster_wire::order::Order>(bytes),
        5 => {
            let Ok(header) = std::str::from_utf8(bytes) else { return };
            let Ok(auth) = header.parse::<native::RequestAuth>() else { return };
            auth.clock_is_off(0);
        }
        6 => {
            if let Ok(text) = std::str::from_utf8(bytes) {
                drop(native::public_key(text));
            }
        }
        _ => again::<native::ContactAnswer>(bytes),
    }
}

fn query(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(query) = Query::parse(text) {
        assert_eq!(Query::parse(text), Ok(query), "the same text is the same query");
    }
}

fn task(input: &[u8]) {
    let documents = [serde_json::from_slice::<Value>(input).ok(), serde_yaml_ng::from_slice::<Value>(input).ok()];
    for document in documents.into_iter().flatten() {
        match TaskDoc::parse(&document) {
            Ok(task) => {
                let written = serde_json::to_value(&task).expect("a task is JSON");
                assert_eq!(TaskDoc::parse(&written).as_ref(), Ok(&task));
                let yaml = serde_yaml_ng::to_string(&task).expect("a task is YAML");
                let read: Value = serde_yaml_ng::from_str(&yaml).expect("what was written is YAML");
                assert_eq!(TaskDoc::parse(&read).as_ref(), Ok(&task));
            }
            Err(faults) => assert!(!faults.is_empty()),
        }
    }
}
