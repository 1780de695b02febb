//! What ran: the counters that the compiler puts at every edge (`xtask/src/fuzz.rs` has the flags).
//!
//! Unsafe, because counters are memory that the compiler writes to at every edge, those of this file too. Only one thread runs
//! what is counted.

use std::sync::Mutex;

/// Counters of one piece of the program: address and number.
static PIECES: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// Called by the program's own start-up code, once for each piece, before `main`.
///
/// # Safety
/// `start` and `end` bound one array of counters that lives as long as the program.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, end: *mut u8) {
    let mut pieces = PIECES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let piece = (start as usize, end as usize - start as usize);
    if piece.1 > 0 && !pieces.contains(&piece) {
        pieces.push(piece);
    }
}

/// All counters of the program, and what was ever seen in them.
pub struct Coverage {
    pieces: Vec<Piece>,
    edges: usize,
}

struct Piece {
    counters: *mut u8,
    /// What the counters said after the last run.
    counts: Vec<u8>,
    seen: Vec<u8>,
}

impl Coverage {
    /// Takes hold of the counters; to be called once.
    pub fn new() -> Self {
        let pieces = std::mem::take(&mut *PIECES.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let piece = |(start, len): (usize, usize)| Piece { counters: start as *mut u8, counts: vec![0; len], seen: vec![0; len] };
        Self { pieces: pieces.into_iter().map(piece).collect(), edges: 0 }
    }

    /// How many edges there are.
    pub fn known(&self) -> usize {
        self.pieces.iter().map(|p| p.seen.len()).sum()
    }

    /// How many were ever run.
    pub fn edges(&self) -> usize {
        self.edges
    }

    /// Forgets what ran.
    pub fn reset(&mut self) {
        for piece in &mut self.pieces {
            // SAFETY: the array has this length and lives as long as the program; no reference to it is ever made, because this
            // code is counted too.
            unsafe { piece.counters.write_bytes(0, piece.seen.len()) };
        }
    }

    /// Whether something ran that never did, or so often as it never did.
    pub fn has_news(&mut self) -> bool {
        let mut news = false;
        for piece in &mut self.pieces {
            // SAFETY: as above, and what is copied to is of the same length and elsewhere.
            unsafe { piece.counters.copy_to_nonoverlapping(piece.counts.as_mut_ptr(), piece.counts.len()) };
            for (counts, seen) in piece.counts.chunks(64).zip(piece.seen.chunks_mut(64)) {
                if counts.iter().all(|c| *c == 0) {
                    continue;
                }
                for (count, seen) in counts.iter().zip(seen) {
                    let bucket = bucket(*count);
                    if bucket & !*seen != 0 {
                        self.edges += usize::from(*seen == 0);
                        *seen |= bucket;
                        news = true;
                    }
                }
            }
        }
        news
    }
}

/// One bit for "about so often".
fn bucket(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..=7 => 8,
        8..=15 => 16,
        16..=31 => 32,
        32..=127 => 64,
        128.. => 128,
    }
}
