//! Recorded documents, whole and mangled.

use super::*;

/// Inventories, and the rest: whatever is no inventory is left to the standard reader.
const TAKEN: &[(&str, Dialect)] = &[
    ("fusioninventory/inventory.zlib", Dialect::FusionInventory),
    ("fusioninventory/inventory.gzip", Dialect::FusionInventory),
    ("fusioninventory/inventory.plain", Dialect::FusionInventory),
    ("fusioninventory/inventory-basic-auth.zlib", Dialect::FusionInventory),
    ("glpi/inventory-legacy.zlib", Dialect::GlpiLegacy),
    ("glpi/1.xml", Dialect::FusionInventory),
    ("glpi/3.xml", Dialect::GlpiLegacy),
    ("glpi/13.xml", Dialect::GlpiLegacy),
    ("ocs/01-first-inventory.inventory.body", Dialect::OcsUnix),
    ("ocs/03-repeat-inventory.inventory.body", Dialect::OcsUnix),
    ("ocs/05-deploy-store.inventory.body", Dialect::OcsUnix),
    ("ocs/07-deploy-launch-exit-3.inventory.body", Dialect::OcsUnix),
    ("ocs/09-deploy-bad-digest.inventory.body", Dialect::OcsUnix),
    ("ocs/13-ipdiscover-manual.inventory.body", Dialect::OcsUnix),
    ("ocs/variant-partial.body", Dialect::OcsUnix),
    ("ocs/variant-inv_bad_ua.body", Dialect::Unknown),
    ("ocs/variant-dup_same_name_serial_mac.body", Dialect::OcsUnix),
];

const LEFT: &[&str] = &[
    "fusioninventory/netdiscovery.zlib",
    "fusioninventory/prolog.zlib",
    "fusioninventory/prolog.gzip",
    "fusioninventory/snmpquery.zlib",
    "glpi/5.xml",
    "glpi/5-good.xml",
    "glpi/7.xml",
    "glpi/9.xml",
    "glpi/11.xml",
    "glpi/15.xml",
    "glpi/17.xml",
    "glpi/19.xml",
    "glpi/prolog.zlib",
    "ocs/download-success.body",
    "ocs/prolog.body",
    "ocs/variant-garbage.body",
    "ocs/variant-no_query.body",
    "ocs/variant-unknown_query.body",
    "ocs/variant-update.body",
];

#[test]
fn every_recorded_inventory_is_taken_by_the_scanner_and_says_the_same() {
    for (name, dialect) in TAKEN {
        assert!(same(&document(name), *dialect), "{name} is not taken");
    }
}

#[test]
fn what_is_no_inventory_is_left_to_the_standard_reader() {
    for name in LEFT {
        for dialect in DIALECTS {
            assert!(!same(&document(name), dialect), "{name}");
        }
    }
}

#[test]
fn a_recorded_inventory_says_the_same_whoever_claims_to_have_sent_it() {
    for (name, _) in TAKEN {
        for dialect in DIALECTS {
            same(&document(name), dialect);
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % n
    }
}

const SNIPPETS: &[&str] = &[
    "<",
    ">",
    "&",
    ";",
    "/",
    "=",
    "\"",
    " ",
    "\n",
    "\u{a0}",
    "\0",
    "é",
    "&amp;",
    "&#233;",
    "&#0;",
    "&nbsp;",
    "&#32;",
    "<!--",
    "-->",
    "<!-- c -->",
    "<?p?>",
    "<![CDATA[x]]>",
    "<A>",
    "</A>",
    "<A/>",
    "<A B='1'/>",
    "</SOFTWARES>",
    "<SOFTWARES>",
    "<NAME>",
    "</NAME>",
    "</CONTENT>",
    "<CONTENT>",
    "<QUERY>",
    "<QUERY>PROLOG</QUERY>",
    "</REQUEST>",
    "<!DOCTYPE r>",
    "<HARDWARE><OSNAME>x</OSNAME></HARDWARE>",
    ",",
    "]]>",
    "x",
];

/// One change of a document: bytes taken away, doubled, exchanged or put in.
fn mangle(bytes: &mut Vec<u8>, random: &mut Random) {
    let (a, b) = (random.below(bytes.len()), random.below(bytes.len()));
    let near = (a + random.below(30)).min(bytes.len());
    match random.below(8) {
        0 => bytes.truncate(a.max(1)),
        1 => drop(bytes.drain(a..near)),
        2 => bytes.swap(a, b),
        3 => bytes[a] = b"<>&;/ =aZ_0\n\xc3"[random.below(13)],
        4 => {
            let piece = bytes[a..near].to_vec();
            bytes.splice(b..b, piece);
        }
        _ => {
            // Most oddities matter at the edge of a tag.
            let edge = bytes[a..].iter().position(|c| matches!(c, b'<' | b'>')).map_or(a, |i| a + i + random.below(2));
            let snippet = SNIPPETS[random.below(SNIPPETS.len())].as_bytes();
            bytes.splice(edge..edge, snippet.iter().copied());
        }
    }
    if bytes.is_empty() {
        bytes.push(b'<');
    }
}

#[test]
fn mangled_inventories_say_the_same_in_both_readers() {
    let mut random = Random(3);
    let mut taken = 0;
    for (name, dialect) in [TAKEN[2], TAKEN[3], TAKEN[4], TAKEN[7], TAKEN[15]] {
        let whole = document(name);
        let original = scanned(&whole, dialect).expect("taken");
        for _ in 0..250 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(3) {
                mangle(&mut bytes, &mut random);
            }
            same(&bytes, dialect);
            if let Some(told) = scanned(&bytes, dialect) {
                taken += 1;
                lawful(&*original, &*told);
            }
        }
    }
    assert!(taken > 100, "only {taken} were left to the scanner");
}

#[test]
fn an_inventory_cut_anywhere_is_left_to_the_standard_reader() {
    let whole = document("fusioninventory/inventory-basic-auth.zlib");
    let end = whole.trim_ascii_end().len();
    for cut in (1..end).step_by(7) {
        assert!(!same(&whole[..cut], Dialect::FusionInventory), "{cut}");
    }
    assert!(same(&whole[..end], Dialect::FusionInventory));
}
