//! What ran: the counters that the compiler puts at every edge (`xtask/src/fuzz.rs` has the flags).
//!
//! The only unsafe code of the repository: counters are memory that the compiler owns, and this program has one thread.

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
    counters: Vec<&'static mut [u8]>,
    seen: Vec<Vec<u8>>,
    edges: usize,
}

impl Coverage {
    /// Takes hold of the counters; to be called once.
    pub fn new() -> Self {
        let pieces = std::mem::take(&mut *PIECES.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        // SAFETY: each array is valid for the life of the program, and nobody else has it: the list was taken away above. The code
        // that counts writes to it behind the compiler's back, but on this one thread, and never while these slices are read.
        let slice = |(start, len): (usize, usize)| unsafe { std::slice::from_raw_parts_mut(start as *mut u8, len) };
        let counters: Vec<&'static mut [u8]> = pieces.into_iter().map(slice).collect();
        let seen = counters.iter().map(|c| vec![0; c.len()]).collect();
        Self { counters, seen, edges: 0 }
    }

    /// How many edges there are.
    pub fn known(&self) -> usize {
        self.counters.iter().map(|c| c.len()).sum()
    }

    /// How many were ever run.
    pub fn edges(&self) -> usize {
        self.edges
    }

    /// Forgets what ran.
    pub fn reset(&mut self) {
        for piece in &mut self.counters {
            piece.fill(0);
        }
    }

    /// Whether something ran that never did, or so often as it never did.
    pub fn has_news(&mut self) -> bool {
        let mut news = false;
        for (piece, seen) in self.counters.iter().zip(&mut self.seen) {
            for (counts, seen) in piece.chunks(64).zip(seen.chunks_mut(64)) {
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
