//! Bodies as they come over the wire: what they are packed in, unpacked within a limit, and packing of answers.
//!
//! The bytes decide, never the Content-Type: proxies rewrite it (`docs/protocols/legacy-xml.md`, "Compression"). Absent on
//! purpose: reading from sockets and the limits' values (`muster_core::limits`).

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::{CompressionLvl, Compressor, DecompressionError, Decompressor};
use muster_core::limits::{GZIP_MEMBERS_MAX, RATIO_FROM_BYTES};
use std::cell::RefCell;
use std::io::Read as _;

/// What is unpacked at a time where only the size is wanted, bytes.
const PIECE: usize = 32 << 10;
/// A document is tried at this size first, in times of what came: inventories get 7 to 13 times larger.
const RATIO_LIKELY: usize = 16;
/// What each thread keeps for that try, bytes.
const SCRATCH_BYTES_MAX: usize = 1 << 20;

/// What a body was, or shall be, packed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// A zlib stream (RFC 1950).
    Zlib,
    /// A gzip file (RFC 1952), perhaps of several members.
    Gzip,
    /// Text as it is.
    Plain,
}

/// An unpacked body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The document's bytes.
    pub bytes: Vec<u8>,
    /// What it was packed in; OCS agents want the answer in the same.
    pub coding: Coding,
    /// The stream ended before its end: `bytes` is what could be unpacked.
    pub truncated: bool,
}

/// Why a body was not unpacked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Nothing came.
    #[error("the body is empty; a zlib, gzip, XML or JSON body is expected")]
    Empty,
    /// Neither packed nor text that begins like XML or JSON.
    #[error("the body begins with {0}, which is neither zlib, gzip, XML nor JSON")]
    Unknown(String),
    /// More than the limit comes out.
    #[error("the body is larger than {limit} bytes when unpacked")]
    TooLarge {
        /// The limit, bytes.
        limit: usize,
    },
    /// More comes out for each byte than of any document.
    #[error("the body gets more than {ratio} times larger when unpacked, which no document does")]
    Ratio {
        /// The limit.
        ratio: usize,
    },
    /// A gzip body in too many pieces.
    #[error("the gzip body has more than {GZIP_MEMBERS_MAX} members; write it as one")]
    Members,
    /// The stream contradicts itself, or its checksum does.
    #[error("the {0} stream is damaged: its content does not agree with itself or its checksum")]
    Corrupt(&'static str),
}

/// Unpacks a body to at most `limit` bytes.
///
/// A zlib stream without its checksum is accepted, bytes after its end are ignored, a stream that is cut gives what could be
/// unpacked (`docs/protocols/ocs.md`, "Bodies").
pub fn decode_body(raw: &[u8], limit: usize) -> Result<Decoded, BodyError> {
    let coding = sniff(raw)?;
    let (bytes, truncated) = match coding {
        Coding::Zlib => inflate_zlib(raw, limit)?,
        Coding::Gzip => inflate_gzip(raw, limit)?,
        Coding::Plain if raw.len() > limit => return Err(BodyError::TooLarge { limit }),
        Coding::Plain => (raw.to_vec(), false),
    };
    Ok(Decoded { bytes, coding, truncated })
}

/// How many bytes a body has when unpacked: at most `limit`, and at most `ratio` times what came once it is larger than
/// [`RATIO_FROM_BYTES`]. Takes 32 KiB of memory, whatever comes out.
pub fn unpacked_size(raw: &[u8], limit: usize, ratio: usize) -> Result<usize, BodyError> {
    let by_ratio = raw.len().saturating_mul(ratio).max(RATIO_FROM_BYTES);
    let most = limit.min(by_ratio);
    let counted = match sniff(raw)? {
        Coding::Plain if raw.len() > limit => Err(BodyError::TooLarge { limit }),
        Coding::Plain => return Ok(raw.len()),
        Coding::Zlib => inflate_damaged(raw, most, &mut |_| ()),
        Coding::Gzip => gunzip(raw, most, &mut |_| ()),
    };
    match counted {
        Err(BodyError::TooLarge { .. }) if by_ratio < limit => Err(BodyError::Ratio { ratio }),
        counted => counted.map(|(size, _)| size),
    }
}

/// Up to so many bytes an answer fits in one packet anyway: it is framed but not made smaller, which would take longer than all else.
const SMALL_BYTES: usize = 1_000;
/// FusionInventory agents look for exactly this. Its second byte only hints at how hard was packed.
const ZLIB_BEGINS: [u8; 2] = [0x78, 0x9c];

/// Packs an answer. Zlib streams begin with `78 9C`.
pub fn encode_body(bytes: &[u8], coding: Coding) -> Vec<u8> {
    let level = if bytes.len() <= SMALL_BYTES { CompressionLvl::new(0).unwrap_or_default() } else { CompressionLvl::default() };
    let mut packer = Compressor::new(level);
    let (mut packed, done) = match coding {
        Coding::Plain => return bytes.to_vec(),
        Coding::Zlib => {
            let mut out = vec![0; packer.zlib_compress_bound(bytes.len())];
            let done = packer.zlib_compress(bytes, &mut out);
            (out, done)
        }
        Coding::Gzip => {
            let mut out = vec![0; packer.gzip_compress_bound(bytes.len())];
            let done = packer.gzip_compress(bytes, &mut out);
            (out, done)
        }
    };
    packed.truncate(done.expect("the buffer has the size the library asked for"));
    if coding == Coding::Zlib {
        packed[..2].copy_from_slice(&ZLIB_BEGINS);
    }
    packed
}

/// What a body is packed in, told by its first bytes.
pub fn sniff(raw: &[u8]) -> Result<Coding, BodyError> {
    match raw {
        [] => return Err(BodyError::Empty),
        [0x1f, 0x8b, ..] => return Ok(Coding::Gzip),
        // RFC 1950: method 8, a window of at most 32 KiB, header divisible by 31, no preset dictionary.
        [a, b, ..] if a & 0x0f == 8 && a >> 4 <= 7 && (u16::from(*a) << 8 | u16::from(*b)).is_multiple_of(31) && b & 0x20 == 0 => {
            return Ok(Coding::Zlib);
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Ok(Coding::Plain),
        _ => {}
    }
    let text = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw).trim_ascii_start();
    match text.first() {
        Some(b'<' | b'{' | b'[') => Ok(Coding::Plain),
        Some(_) => Err(BodyError::Unknown(raw.iter().take(4).map(|b| format!("{b:02X} ")).collect::<String>().trim_end().to_owned())),
        None => Err(BodyError::Empty),
    }
}

thread_local! {
    /// Where a thread unpacks first: most documents fit, and what is kept of each has its exact size.
    static SCRATCH: RefCell<(Decompressor, Vec<u8>)> = RefCell::new((Decompressor::new(), Vec::new()));
}

fn inflate_zlib(raw: &[u8], limit: usize) -> Result<(Vec<u8>, bool), BodyError> {
    let likely = raw.len().saturating_mul(RATIO_LIKELY).clamp(1024, SCRATCH_BYTES_MAX).min(limit);
    let tried = SCRATCH.with_borrow_mut(|(unpacker, scratch)| {
        if scratch.len() < likely {
            scratch.resize(likely, 0);
        }
        let done = unpacker.zlib_decompress(raw, &mut scratch[..likely])?;
        Ok(scratch[..done].to_vec())
    });
    match tried {
        Ok(bytes) => Ok((bytes, false)),
        Err(DecompressionError::InsufficientSpace) if likely >= limit => Err(BodyError::TooLarge { limit }),
        // Counting first costs time once and never more memory than the document has.
        Err(_) => {
            let mut out = Vec::with_capacity(inflate_damaged(raw, limit, &mut |_| ())?.0);
            let (_, truncated) = inflate_damaged(raw, limit, &mut |piece| out.extend_from_slice(piece))?;
            Ok((out, truncated))
        }
    }
}

/// Unpacks a zlib stream piece by piece, also one that is cut, or lacks its checksum. Gives how many bytes it has and whether it
/// is cut.
fn inflate_damaged(raw: &[u8], limit: usize, take: &mut dyn FnMut(&[u8])) -> Result<(usize, bool), BodyError> {
    let stream = raw.get(2..).unwrap_or_default();
    let mut inflate = Decompress::new(false);
    let mut piece = vec![0; PIECE];
    let (mut size, mut sum) = (0, Adler::default());
    loop {
        let (read, before) = (index(inflate.total_in()), index(inflate.total_out()));
        let state = inflate.decompress(stream.get(read..).unwrap_or_default(), &mut piece, FlushDecompress::None);
        let new = &piece[..index(inflate.total_out()) - before];
        size += new.len();
        if size > limit {
            return Err(BodyError::TooLarge { limit });
        }
        sum.add(new);
        take(new);
        match state {
            Ok(Status::StreamEnd) => {
                let trailer = stream.get(index(inflate.total_in())..).unwrap_or_default();
                return match trailer.first_chunk::<4>() {
                    Some(told) if u32::from_be_bytes(*told) != sum.value() => Err(BodyError::Corrupt("zlib")),
                    _ => Ok((size, false)),
                };
            }
            Err(_) if size == 0 => return Err(BodyError::Corrupt("zlib")),
            Err(_) => return Ok((size, true)),
            Ok(_) if index(inflate.total_in()) == read && new.is_empty() => return Ok((size, true)),
            Ok(_) => {}
        }
    }
}

/// The checksum of zlib (RFC 1950), piece by piece.
struct Adler {
    a: u32,
    b: u32,
}

impl Default for Adler {
    fn default() -> Self {
        Self { a: 1, b: 0 }
    }
}

impl Adler {
    fn add(&mut self, bytes: &[u8]) {
        // As many as fit before the sums overflow.
        for piece in bytes.chunks(5_552) {
            for byte in piece {
                self.a += u32::from(*byte);
                self.b += self.a;
            }
            (self.a, self.b) = (self.a % 65_521, self.b % 65_521);
        }
    }

    fn value(&self) -> u32 {
        self.b << 16 | self.a
    }
}

fn index(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn inflate_gzip(raw: &[u8], limit: usize) -> Result<(Vec<u8>, bool), BodyError> {
    let mut out = Vec::with_capacity(gunzip(raw, limit, &mut |_| ())?.0);
    let (_, truncated) = gunzip(raw, limit, &mut |piece| out.extend_from_slice(piece))?;
    Ok((out, truncated))
}

/// Unpacks gzip members piece by piece. What follows the last member and is none itself is ignored.
fn gunzip(raw: &[u8], limit: usize, take: &mut dyn FnMut(&[u8])) -> Result<(usize, bool), BodyError> {
    let (mut rest, mut size, mut members) = (raw, 0, 0);
    let mut piece = vec![0; PIECE];
    while rest.starts_with(&[0x1f, 0x8b]) {
        members += 1;
        if members > GZIP_MEMBERS_MAX {
            return Err(BodyError::Members);
        }
        let mut member = flate2::bufread::GzDecoder::new(rest);
        loop {
            match member.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => {
                    size += n;
                    if size > limit {
                        return Err(BodyError::TooLarge { limit });
                    }
                    take(&piece[..n]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok((size, true)),
                Err(_) => return Err(BodyError::Corrupt("gzip")),
            }
        }
        rest = member.into_inner();
    }
    Ok((size, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const XML: &[u8] = b"<?xml version=\"1.0\"?><REQUEST><QUERY>PROLOG</QUERY></REQUEST>";

    fn decode(raw: &[u8]) -> Result<Decoded, BodyError> {
        decode_body(raw, 1 << 20)
    }

    fn zlib_at(level: u32, bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn noise(n: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b' ' + u8::try_from(state >> 26).expect("six bits")
        };
        std::iter::once(b'<').chain(std::iter::repeat_with(&mut next).take(n)).collect()
    }

    #[test]
    fn what_is_packed_comes_out_again_in_all_three_codings() {
        for coding in [Coding::Zlib, Coding::Gzip, Coding::Plain] {
            let packed = encode_body(XML, coding);
            assert_eq!(decode(&packed), Ok(Decoded { bytes: XML.to_vec(), coding, truncated: false }));
        }
    }

    #[test]
    fn zlib_answers_begin_with_78_9c() {
        for size in [0, 10, 100_000] {
            assert_eq!(encode_body(&noise(size), Coding::Zlib)[..2], [0x78, 0x9c]);
        }
    }

    #[test]
    fn zlib_of_every_level_is_understood() {
        for level in 0..=9 {
            assert_eq!(decode(&zlib_at(level, XML)).map(|d| (d.bytes, d.truncated)), Ok((XML.to_vec(), false)));
        }
    }

    #[test]
    fn gzip_with_a_file_name_and_of_several_members_is_understood() {
        let mut raw = Vec::new();
        for half in [&XML[..20], &XML[20..]] {
            let mut encoder = flate2::GzBuilder::new().filename("inventory.xml").write(&mut raw, flate2::Compression::default());
            encoder.write_all(half).expect("memory");
            encoder.finish().expect("memory");
        }
        assert_eq!(decode(&raw).map(|d| d.bytes), Ok(XML.to_vec()));
        raw.extend_from_slice(b"garbage");
        assert_eq!(decode(&raw).map(|d| (d.bytes, d.truncated)), Ok((XML.to_vec(), false)));
        let cut = decode(&raw[..raw.len() - 30]).expect("a part");
        assert!(cut.truncated && cut.bytes.starts_with(&XML[..20]));
    }

    #[test]
    fn a_zlib_stream_without_its_checksum_is_whole() {
        let packed = encode_body(XML, Coding::Zlib);
        for missing in 1..=4 {
            assert_eq!(decode(&packed[..packed.len() - missing]).map(|d| (d.bytes, d.truncated)), Ok((XML.to_vec(), false)));
        }
    }

    #[test]
    fn bytes_after_a_zlib_stream_are_ignored() {
        let packed = [encode_body(XML, Coding::Zlib), b"trailing bytes".to_vec()].concat();
        assert_eq!(decode(&packed).map(|d| (d.bytes, d.truncated)), Ok((XML.to_vec(), false)));
    }

    #[test]
    fn a_wrong_checksum_is_refused() {
        let mut packed = encode_body(XML, Coding::Zlib);
        *packed.last_mut().expect("bytes") ^= 1;
        assert_eq!(decode(&packed), Err(BodyError::Corrupt("zlib")));
        let mut packed = encode_body(XML, Coding::Gzip);
        let at = packed.len() - 6;
        packed[at] ^= 1;
        assert_eq!(decode(&packed), Err(BodyError::Corrupt("gzip")));
    }

    #[test]
    fn a_cut_zlib_stream_gives_a_beginning_and_says_so() {
        let whole = noise(20_000);
        let packed = encode_body(&whole, Coding::Zlib);
        let mut longest = 0;
        for cut in (2..packed.len() - 5).step_by(97) {
            let decoded = decode(&packed[..cut]).expect("a part");
            assert!(decoded.truncated && whole.starts_with(&decoded.bytes), "cut at {cut}");
            longest = longest.max(decoded.bytes.len());
        }
        assert!(longest > 15_000);
    }

    #[test]
    fn the_limit_is_met_exactly_and_one_byte_more_is_refused() {
        let text = vec![b'<'; 70_000];
        for coding in [Coding::Zlib, Coding::Gzip, Coding::Plain] {
            let packed = encode_body(&text, coding);
            assert_eq!(decode_body(&packed, 70_000).map(|d| d.bytes.len()), Ok(70_000), "{coding:?}");
            assert_eq!(decode_body(&packed, 69_999), Err(BodyError::TooLarge { limit: 69_999 }), "{coding:?}");
        }
    }

    #[test]
    fn a_bomb_is_refused_without_its_checksum_too() {
        let bomb = encode_body(&vec![b' '; 8 << 20], Coding::Zlib);
        assert!(bomb.len() < 10_000);
        assert_eq!(decode_body(&bomb, 1 << 20), Err(BodyError::TooLarge { limit: 1 << 20 }));
        assert_eq!(decode_body(&bomb[..bomb.len() - 4], 1 << 20), Err(BodyError::TooLarge { limit: 1 << 20 }));
        assert_eq!(decode_body(&bomb, 8 << 20).map(|d| d.bytes.len()), Ok(8 << 20));
    }

    #[test]
    fn the_size_is_told_without_unpacking_and_a_bomb_by_its_ratio() {
        for coding in [Coding::Zlib, Coding::Gzip, Coding::Plain] {
            let text = noise(3 << 20);
            let packed = encode_body(&text, coding);
            assert_eq!(unpacked_size(&packed, 4 << 20, 100), Ok(text.len()), "{coding:?}");
            assert_eq!(unpacked_size(&packed, 3 << 20, 100), Err(BodyError::TooLarge { limit: 3 << 20 }), "{coding:?}");
        }
        let blanks = |n: usize| encode_body(&[b"<".to_vec(), vec![b' '; n]].concat(), Coding::Zlib);
        assert_eq!(unpacked_size(&blanks(RATIO_FROM_BYTES - 1), 64 << 20, 200), Ok(RATIO_FROM_BYTES));
        assert_eq!(unpacked_size(&blanks(32 << 20), 64 << 20, 200), Err(BodyError::Ratio { ratio: 200 }));
        assert_eq!(unpacked_size(&blanks(32 << 20), 64 << 20, 2_000), Ok((32 << 20) + 1));
    }

    #[test]
    fn a_gzip_body_of_a_thousand_members_is_read_and_one_more_is_refused() {
        let of = |n: usize| encode_body(b"<", Coding::Gzip).repeat(n);
        assert_eq!(decode(&of(GZIP_MEMBERS_MAX)).map(|d| d.bytes.len()), Ok(GZIP_MEMBERS_MAX));
        assert_eq!(decode(&of(GZIP_MEMBERS_MAX + 1)), Err(BodyError::Members));
    }

    #[test]
    fn plain_text_may_have_a_mark_and_blanks_before_it() {
        for plain in [&b"  \r\n<a/>"[..], b"\xef\xbb\xbf<a/>", b"\xff\xfe<\0a\0", b"\xfe\xff\0<", b" {}", b"\xef\xbb\xbf\n{\"a\":1}"] {
            assert_eq!(decode(plain).map(|d| (d.coding, d.bytes)), Ok((Coding::Plain, plain.to_vec())));
        }
    }

    #[test]
    fn garbage_and_emptiness_are_named() {
        assert_eq!(decode(b""), Err(BodyError::Empty));
        assert_eq!(decode(b" \n"), Err(BodyError::Empty));
        assert_eq!(decode(b"garbage!"), Err(BodyError::Unknown("67 61 72 62".to_owned())));
        assert_eq!(decode(&[0x78, 0x9c, 0xff, 0xff]), Err(BodyError::Corrupt("zlib")));
        let deflate_only = &encode_body(XML, Coding::Zlib)[2..];
        assert!(matches!(decode(deflate_only), Err(BodyError::Unknown(_))));
    }
}
