//! What reading one inventory costs, stage by stage: `cargo run --release -p muster-wire --example scan_speed`.
//!
//! Each line is one document: medians in microseconds, and how often the fast way fits into the slow one.

use muster_core::inventory::Canonical;
use muster_core::limits::INFLATED_BYTES_MAX;
use muster_wire::body::{Coding, decode_body, encode_body};
use muster_wire::legacy::{Dialect, parse_request, read_message, scan};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

const ROUNDS: usize = 200;

/// The server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    println!("medians of {ROUNDS} rounds, microseconds of one thread\n");
    println!(
        "{:24} {:>8} {:>6} {:>8} {:>6} {:>6} {:>8} {:>9} {:>6} | {:>10} {:>14} {:>13}",
        "document",
        "bytes",
        "rows",
        "inflate",
        "text",
        "scan",
        "events",
        "standard",
        "rows",
        "events:scan",
        "standard:scan",
        "standard:rows"
    );
    document("900 programs", synthetic(900).as_bytes(), Dialect::FusionInventory);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    for (name, dialect) in [
        ("ocs/01-first-inventory.inventory.body", Dialect::OcsUnix),
        ("ocs/13-ipdiscover-manual.inventory.body", Dialect::OcsUnix),
        ("glpi/1.xml", Dialect::FusionInventory),
        ("glpi/3.xml", Dialect::GlpiLegacy),
        ("glpi/13.xml", Dialect::GlpiLegacy),
        ("fusioninventory/inventory.zlib", Dialect::FusionInventory),
        ("fusioninventory/inventory.plain", Dialect::FusionInventory),
    ] {
        let raw = std::fs::read(folder.join(name)).expect("a sample");
        let bytes = decode_body(&raw, INFLATED_BYTES_MAX).expect("a body").bytes;
        let short = name.trim_end_matches(".inventory.body");
        document(&short[..short.len().min(24)], &bytes, dialect);
    }
}

/// Each round does every stage, so that what else the machine does meets all of them.
fn document(name: &str, bytes: &[u8], dialect: Dialect) {
    let packed = encode_body(bytes, Coding::Zlib);
    let text = std::str::from_utf8(bytes).expect("UTF-8").to_owned();
    let told = read_message(bytes.to_vec(), dialect).expect("a message").inventory.expect("an inventory");
    assert_eq!(told.form(), scan::FORM, "{name} is not for the scanner");
    let mut times: [Vec<f64>; 6] = Default::default();
    for _ in 0..ROUNDS {
        let (own_bytes, own_text) = (bytes.to_vec(), text.clone());
        times[0].push(time(|| decode_body(&packed, INFLATED_BYTES_MAX).expect("a body")));
        times[1].push(time(move || muster_wire::text::decode_owned(own_bytes)));
        times[2].push(time(move || scan::scan(own_text, dialect).ok()));
        times[3].push(time(|| drain(&text)));
        times[4].push(time(|| Canonical::new(parse_request(bytes, dialect).expect("a message").inventory.expect("an inventory"))));
        times[5].push(time(|| told.sections().iter().map(|s| told.rows(&s.section)).collect::<Vec<_>>()));
    }
    let [inflate, decode, scanned, events, standard, rows] = times.map(median);
    let count: usize = told.sections().iter().map(|s| s.rows).sum();
    println!(
        "{name:24} {:>8} {count:>6} {inflate:>8.0} {decode:>6.1} {scanned:>6.0} {events:>8.0} {standard:>9.0} {rows:>6.0} | {:>11.1} {:>13.1} {:>13.1}",
        bytes.len(),
        events / scanned,
        standard / scanned,
        standard / (scanned + rows),
    );
}

/// How long something takes, microseconds; dropping what it gives does not count.
fn time<O>(work: impl FnOnce() -> O) -> f64 {
    let start = Instant::now();
    let output = black_box(work());
    let time = start.elapsed();
    drop(output);
    time.as_secs_f64() * 1e6
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

fn drain(text: &str) -> usize {
    let mut reader = Reader::from_str(text);
    let mut count = 0;
    loop {
        match reader.read_event().expect("XML") {
            Event::Eof => return count,
            event => count += event.len(),
        }
    }
}

/// A machine as FusionInventory tells of it, with invented programs.
fn synthetic(programs: usize) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<REQUEST>\n  <CONTENT>\n");
    for i in 0..programs {
        text += &format!(
            "    <SOFTWARES>\n      <ARCH>amd64</ARCH>\n      <COMMENTS>what program number {i} is for, in a few words</COMMENTS>\n      \
             <FILESIZE>{}</FILESIZE>\n      <FROM>deb</FROM>\n      <INSTALLDATE>{:02}/05/2025</INSTALLDATE>\n      \
             <NAME>lib-invented-{i}-dev</NAME>\n      <PUBLISHER>Somebody &lt;somebody@example.org&gt;</PUBLISHER>\n      \
             <SYSTEM_CATEGORY>libdevel</SYSTEM_CATEGORY>\n      <VERSION>1.{}.{}-{}+deb12u1</VERSION>\n    </SOFTWARES>\n",
            i * 7_919,
            i % 28 + 1,
            i % 13,
            i % 7,
            i % 3
        );
    }
    text + "    <BIOS>\n      <SSN>S-1</SSN>\n    </BIOS>\n    <HARDWARE>\n      <NAME>bench</NAME>\n      <MEMORY>16384</MEMORY>\n    \
        </HARDWARE>\n    <VERSIONCLIENT>FusionInventory-Agent_v2.6</VERSIONCLIENT>\n  </CONTENT>\n  \
        <DEVICEID>bench-2025-01-02-03-04-05</DEVICEID>\n  <QUERY>INVENTORY</QUERY>\n</REQUEST>\n"
}
