//! Chance from a seed, and the record of what it led to.

use std::collections::VecDeque;

/// SplitMix64: the same numbers for the same seed, everywhere.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x5bd1_e995_9e37_79b9)
    }

    /// Those of one step of a world: what other steps drew, or whether they happened, changes nothing here.
    pub(crate) fn of_step(seed: u64, step: usize) -> Self {
        let mut dice = Self::new(seed);
        dice.0 = dice.next() ^ (step as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
        dice.0 = dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn within(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True in so many of a thousand cases.
    pub(crate) fn chance(&mut self, of_thousand: usize) -> bool {
        self.below(1_000) < of_thousand
    }

    /// One of them, if there are any.
    pub(crate) fn pick<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        if items.is_empty() { None } else { Some(items[self.below(items.len())].clone()) }
    }
}

/// How many of the last lines are kept for people.
const KEPT: usize = 30;

/// What happened: its hash, and its last lines.
#[derive(Debug)]
pub(crate) struct History {
    pub hash: u64,
    pub last: VecDeque<String>,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, last: VecDeque::new() }
    }

    pub(crate) fn note(&mut self, line: String) {
        for byte in line.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_bounds_hold() {
        let draw = |seed| {
            let mut dice = Dice::new(seed);
            (0..50).map(|_| dice.within(3, 9)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!(draw(7).iter().all(|n| (3..=9).contains(n)));
    }

    #[test]
    fn each_step_has_dice_of_its_own() {
        let draw = |seed, step| {
            let mut dice = Dice::of_step(seed, step);
            (0..20).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 3), draw(7, 3));
        assert_ne!(draw(7, 3), draw(7, 4));
        assert_ne!(draw(7, 3), draw(8, 3));
    }

    #[test]
    fn a_history_keeps_its_last_lines_and_hashes_all() {
        let mut long = History::new();
        (0..100).for_each(|n| long.note(n.to_string()));
        assert_eq!((long.last.len(), long.last[0].as_str()), (30, "70"));
        let mut other = History::new();
        (1..100).for_each(|n| other.note(n.to_string()));
        assert_eq!(long.last, other.last);
        assert_ne!(long.hash, other.hash);
    }
}
