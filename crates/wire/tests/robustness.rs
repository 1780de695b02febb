//! Damaged documents: nothing panics, nothing is taken as whole, and what is given is what the whole document gives.

use muster_core::inventory::{Completeness, Inventory, is_single};
use muster_core::limits::INFLATED_BYTES_MAX;
use muster_wire::body::{Coding, decode_body, encode_body};
use muster_wire::legacy::{Dialect, parse_request};
use std::path::Path;

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name);
    let raw = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    decode_body(&raw, INFLATED_BYTES_MAX).expect("body").bytes
}

/// The same document with id and query before the content, so that a cut one still tells whose it is.
fn id_first(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).expect("UTF-8").trim_end();
    let (head, tail) = text.split_once("<CONTENT>").expect("CONTENT");
    let (content, end) = tail.split_once("</CONTENT>").expect("the end of CONTENT");
    let (ids, _) = end.split_once("</REQUEST>").expect("the end of REQUEST");
    format!("{head}{ids}<CONTENT>{content}</CONTENT></REQUEST>")
}

/// Whole lists, and singles without a wrong field.
fn is_part_of(part: &Inventory, whole: &Inventory) -> Result<(), String> {
    for (section, rows) in &part.sections {
        let expected = whole.rows(section);
        let fits = if is_single(section) {
            rows.iter().zip(expected).all(|(row, all)| row.iter().all(|(k, v)| all.get(k) == Some(v)))
        } else {
            rows == expected
        };
        if !fits {
            return Err(format!("section {section}: {rows:?}"));
        }
    }
    Ok(())
}

fn every_cut(document: &str, agent: Dialect, positions: usize) {
    let whole = parse_request(document.as_bytes(), agent).expect("request").inventory.expect("inventory");
    let mut most = 0;
    for i in 0..positions {
        let cut = document.len() * i / positions;
        let Ok(request) = parse_request(&document.as_bytes()[..cut], agent) else {
            continue;
        };
        let part = request.inventory.expect("inventory");
        assert_eq!(part.completeness, Completeness::Partial, "cut at {cut}");
        assert!(part.findings.iter().any(|f| f.kind == "truncated"), "cut at {cut}");
        is_part_of(&part, &whole).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
        most = most.max(part.sections.len());
    }
    assert!(most + 3 > whole.sections.len(), "late cuts give nearly everything: {most} of {}", whole.sections.len());
}

#[test]
fn no_truncation_of_a_fusioninventory_document_is_full_or_loses_a_row() {
    every_cut(&id_first(&sample("fusioninventory/inventory.zlib")), Dialect::FusionInventory, 400);
}

#[test]
fn no_truncation_of_the_last_bytes_is_full() {
    let document = id_first(&sample("fusioninventory/inventory-basic-auth.zlib"));
    every_cut(&document, Dialect::FusionInventory, document.len());
}

#[test]
fn no_truncation_of_the_documents_as_they_come_is_full() {
    for (name, agent) in [("glpi/13.xml", Dialect::GlpiLegacy), ("glpi/inventory-legacy.zlib", Dialect::GlpiLegacy)] {
        let bytes = sample(name);
        let end = bytes.trim_ascii_end().len();
        for i in 0..200 {
            let cut = end * i / 200;
            if let Ok(request) = parse_request(&bytes[..cut], agent) {
                let inventory = request.inventory.expect("inventory");
                assert_eq!(inventory.completeness, Completeness::Partial, "{name} cut at {cut}");
            }
        }
    }
}

#[test]
fn a_cut_zlib_body_never_gives_a_full_inventory() {
    let packed = encode_body(id_first(&sample("fusioninventory/inventory.zlib")).as_bytes(), Coding::Zlib);
    let mut parts = 0;
    for i in 0..200 {
        let cut = 2 + (packed.len() - 6) * i / 200;
        let Ok(body) = decode_body(&packed[..cut], INFLATED_BYTES_MAX) else { continue };
        assert!(body.truncated, "cut at {cut}");
        if let Ok(request) = parse_request(&body.bytes, Dialect::FusionInventory) {
            assert_eq!(request.inventory.expect("inventory").completeness, Completeness::Partial, "cut at {cut}");
            parts += 1;
        }
    }
    assert!(parts > 100, "{parts}");
}

#[test]
fn changed_bytes_never_panic() {
    let whole = sample("fusioninventory/inventory-basic-auth.zlib");
    let mut state = 7u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let others = b"<>&;\"'/!?[]-=\0\xff\xe9aA #";
    let mut understood = 0;
    for _ in 0..2_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            bytes[at] = others[random(others.len())];
        }
        understood += usize::from(parse_request(&bytes, Dialect::FusionInventory).is_ok());
    }
    assert!(understood > 1_000, "{understood}");
}
