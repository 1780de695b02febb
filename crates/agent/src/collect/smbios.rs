//! The firmware's table of the hardware (SMBIOS), as the kernel shows it: memory devices and processors.
//!
//! Source: DMTF DSP0134 (System Management BIOS), structures of type 4, 16 and 17.

use super::machine::Fields;
use muster_core::inventory::Row;

/// Structures looked at in one table.
const STRUCTURES_MAX: usize = 4_096;

/// One structure: its formatted bytes (header included) and its texts.
#[derive(Debug)]
struct Structure<'a> {
    kind: u8,
    bytes: &'a [u8],
    texts: &'a [u8],
}

impl Structure<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn word(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes.get(at..at + 2)?.try_into().ok()?))
    }

    fn double(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes.get(at..at + 4)?.try_into().ok()?))
    }

    /// The text whose number (from 1; 0 is none) stands at `at`.
    fn text(&self, at: usize) -> Option<String> {
        let number = usize::from(self.byte(at)?).checked_sub(1)?;
        let bytes = self.texts.split(|b| *b == 0).nth(number)?;
        let text = String::from_utf8_lossy(bytes).trim().to_owned();
        let says_nothing = ["not specified", "unknown", "none", "no dimm", "[empty]", "empty", "nodim"];
        (!text.is_empty() && !says_nothing.contains(&text.to_ascii_lowercase().as_str())).then_some(text)
    }
}

/// The structures of a raw table, up to its end mark or the first thing that is none.
fn structures(mut table: &[u8]) -> Vec<Structure<'_>> {
    let mut found = Vec::new();
    while let [kind, length, ..] = *table {
        let length = usize::from(length);
        if length < 4 || table.len() < length || kind == 127 || found.len() == STRUCTURES_MAX {
            break;
        }
        let (bytes, rest) = table.split_at(length);
        // The texts end with two NULs; a structure without texts has just these.
        let end = rest.windows(2).position(|pair| pair == [0, 0]).unwrap_or(rest.len());
        found.push(Structure { kind, bytes, texts: &rest[..end] });
        table = rest.get(end + 2..).unwrap_or_default();
    }
    found
}

/// The section `memories`: one row per slot, empty ones included.
pub(crate) fn memories(table: &[u8]) -> Vec<Row> {
    let all = structures(table);
    let correction = |handle: u16| {
        let array = all.iter().find(|s| s.kind == 16 && s.word(2) == Some(handle))?;
        match array.byte(6)? {
            3 => Some("None"),
            4 => Some("Parity"),
            5 => Some("Single-bit ECC"),
            6 => Some("Multi-bit ECC"),
            7 => Some("CRC"),
            _ => None,
        }
    };
    let slots = all.iter().filter(|s| s.kind == 17).zip(1..);
    slots.map(|(slot, number)| memory(slot, number, slot.word(4).and_then(correction))).collect()
}

fn memory(slot: &Structure<'_>, number: i64, correction: Option<&str>) -> Row {
    let capacity = capacity(slot);
    let fields = Fields::default()
        .number("numslots", Some(number))
        .text("caption", slot.text(0x10))
        .text("formfactor", slot.byte(0x0e).and_then(form_factor))
        .text("description", slot.byte(0x0e).and_then(form_factor));
    if capacity.is_none() {
        return fields.row();
    }
    // The speed it runs at, if told; else the speed it could run at.
    let speed = [0x20, 0x15].into_iter().filter_map(|at| slot.word(at)).find(|s| *s != 0 && *s != 0xffff);
    fields
        .number("capacity", capacity)
        .text("type", slot.byte(0x12).and_then(memory_type))
        .text("speed", speed.map(|s| s.to_string()))
        .text("manufacturer", slot.text(0x17))
        .text("serialnumber", slot.text(0x18))
        .text("model", slot.text(0x1a))
        .text("memorycorrection", correction)
        .row()
}

/// Megabytes in a slot; none when it is empty or not told.
fn capacity(slot: &Structure<'_>) -> Option<i64> {
    match slot.word(0x0c)? {
        0 | 0xffff => None,
        0x7fff => Some(i64::from(slot.double(0x1c)? & 0x7fff_ffff)),
        kilobytes if kilobytes & 0x8000 != 0 => Some(i64::from(kilobytes & 0x7fff) / 1024),
        megabytes => Some(i64::from(megabytes)),
    }
}

fn form_factor(code: u8) -> Option<&'static str> {
    Some(match code {
        0x03 => "SIMM",
        0x05 => "Chip",
        0x06 => "DIP",
        0x09 => "DIMM",
        0x0b => "Row Of Chips",
        0x0c => "RIMM",
        0x0d => "SODIMM",
        0x0f => "FB-DIMM",
        0x10 => "Die",
        0x11 => "CAMM",
        _ => return None,
    })
}

fn memory_type(code: u8) -> Option<&'static str> {
    Some(match code {
        0x03 => "DRAM",
        0x07 => "RAM",
        0x09 => "Flash",
        0x0f => "SDRAM",
        0x12 => "DDR",
        0x13 => "DDR2",
        0x14 => "DDR2 FB-DIMM",
        0x18 => "DDR3",
        0x1a => "DDR4",
        0x1b => "LPDDR",
        0x1c => "LPDDR2",
        0x1d => "LPDDR3",
        0x1e => "LPDDR4",
        0x20 => "HBM",
        0x21 => "HBM2",
        0x22 => "DDR5",
        0x23 => "LPDDR5",
        0x24 => "HBM3",
        _ => return None,
    })
}

/// What the firmware tells of one processor socket in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Socket {
    /// Speed at start, MHz.
    pub speed: Option<i64>,
    /// External clock, MHz.
    pub external_clock: Option<i64>,
    /// Serial number.
    pub serial: Option<String>,
    /// The eight bytes of the processor id, hex with spaces, as `dmidecode` prints them.
    pub id: Option<String>,
}

/// The sockets with a processor in them, in the table's order.
pub(crate) fn sockets(table: &[u8]) -> Vec<Socket> {
    let told = |speed: &u16| *speed != 0 && *speed != 0xffff;
    let populated = |s: &Structure<'_>| s.kind == 4 && s.byte(0x05) == Some(3) && s.byte(0x18).is_some_and(|status| status & 0x40 != 0);
    let socket = |s: Structure<'_>| Socket {
        speed: s.word(0x16).filter(told).map(i64::from),
        external_clock: s.word(0x12).filter(told).map(i64::from),
        serial: s.text(0x20),
        id: s.bytes.get(8..16).map(|id| id.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(" ")),
    };
    structures(table).into_iter().filter(populated).map(socket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn structure(kind: u8, handle: u16, length: usize, set: &[(usize, &[u8])], texts: &[&str]) -> Vec<u8> {
        let mut bytes = vec![0; length];
        bytes[0] = kind;
        bytes[1] = u8::try_from(length).expect("length");
        bytes[2..4].copy_from_slice(&handle.to_le_bytes());
        for (at, value) in set {
            bytes[*at..at + value.len()].copy_from_slice(value);
        }
        for text in texts {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
        bytes.extend_from_slice(if texts.is_empty() { &[0, 0] } else { &[0] });
        bytes
    }

    fn table() -> Vec<u8> {
        [
            structure(16, 7, 0x17, &[(6, &[6])], &[]),
            structure(
                17,
                8,
                0x28,
                &[
                    (4, &[7, 0]),
                    (0x0c, &[0xff, 0x7f]),
                    (0x0e, &[9]),
                    (0x10, &[1]),
                    (0x12, &[0x22]),
                    (0x15, &[0xc0, 0x12]),
                    (0x17, &[2]),
                    (0x18, &[3]),
                    (0x1c, &[0, 0, 1, 0]),
                ],
                &["DIMM A1", "Acme", "5EED"],
            ),
            structure(17, 9, 0x28, &[(0x0e, &[9]), (0x10, &[1])], &["DIMM A2"]),
            structure(4, 10, 0x30, &[(5, &[3]), (8, &[0xf2, 6]), (0x12, &[100, 0]), (0x16, &[0x8c, 0x0a]), (0x18, &[0x41])], &[]),
            structure(4, 11, 0x30, &[(5, &[3]), (0x18, &[0x00])], &[]),
            structure(127, 12, 4, &[], &[]),
        ]
        .concat()
    }

    #[test]
    fn slots_are_listed_with_what_is_in_them() {
        assert_eq!(
            json!(memories(&table())),
            json!([
                {"numslots": 1, "caption": "DIMM A1", "capacity": 65536, "type": "DDR5", "speed": "4800", "manufacturer": "Acme",
                 "serialnumber": "5EED", "formfactor": "DIMM", "description": "DIMM", "memorycorrection": "Multi-bit ECC"},
                {"numslots": 2, "caption": "DIMM A2", "formfactor": "DIMM", "description": "DIMM"}
            ])
        );
    }

    #[test]
    fn only_sockets_with_a_processor_count() {
        let expected =
            Socket { speed: Some(2700), external_clock: Some(100), serial: None, id: Some("F2 06 00 00 00 00 00 00".to_owned()) };
        assert_eq!(sockets(&table()), [expected]);
    }

    proptest! {
        #[test]
        fn no_table_makes_the_reader_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0usize..400) {
            prop_assert!(memories(&bytes).len() <= STRUCTURES_MAX);
            let _ = sockets(&bytes);
            bytes = table();
            bytes.truncate(cut);
            prop_assert!(memories(&bytes).len() <= 2);
        }
    }
}
