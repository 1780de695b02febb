//! The scanner of legacy inventories is the standard reader, only faster: it says the same or leaves the document to it.

mod compare;
mod generated;
mod laws;
mod samples;

use compare::{DIALECTS, lawful, same, scanned};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use muster_core::inventory::Told;
use muster_wire::legacy::{Dialect, scan};
use std::io::Read as _;
use std::path::Path;

/// A sample, unpacked without the crate under test.
fn document(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name);
    let raw = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut bytes = Vec::new();
    match raw.first() {
        Some(0x78) => ZlibDecoder::new(&raw[..]).read_to_end(&mut bytes).expect("zlib"),
        Some(0x1f) => MultiGzDecoder::new(&raw[..]).read_to_end(&mut bytes).expect("gzip"),
        _ => raw.as_slice().read_to_end(&mut bytes).expect("memory"),
    };
    bytes
}
