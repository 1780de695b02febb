//! Making a failure small: which steps are needed to see the same rule broken?

use crate::run::{Failure, Options, run};
use crate::steps::Steps;

/// Worlds that are tried at most, a tenth of a second each.
const TRIES: usize = 400;

struct Search<'a> {
    options: &'a Options,
    /// The smallest failure so far.
    found: Failure,
    rule: u8,
    left: usize,
}

impl Search<'_> {
    /// Whether the rule is still broken when only these steps happen; such a failure is kept.
    fn breaks(&mut self, steps: &[usize]) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        let options = Options { only: Some(steps.iter().copied().collect::<Steps>()), ..self.options.clone() };
        let Some(failure) = run(self.found.seed, &options).failure else { return false };
        let same = failure.breaches.iter().any(|b| b.rule == self.rule);
        if same {
            self.found = failure;
        }
        same
    }

    /// Leaves out ever smaller pieces (delta debugging) until each step that is left is needed, or the tries are used up.
    fn go(&mut self, mut steps: Vec<usize>) {
        let mut pieces = 2;
        while steps.len() > 1 {
            let size = steps.len().div_ceil(pieces);
            let without = |at: usize| [&steps[..at], &steps[(at + size).min(steps.len())..]].concat();
            let smaller = (0..steps.len()).step_by(size).map(without).find(|rest| self.breaks(rest));
            match smaller {
                Some(rest) => (steps, pieces) = (rest, pieces.saturating_sub(1).max(2)),
                None if size == 1 || self.left == 0 => return,
                None => pieces = (pieces * 2).min(steps.len()),
            }
        }
    }
}

/// A failure of the same seed and the same rule with fewer steps, as few as four hundred tries can find; at worst the same.
pub fn shrink(failure: &Failure, options: &Options) -> Failure {
    let Some(rule) = failure.breaches.first().map(|b| b.rule) else { return failure.clone() };
    let last = failure.step.min(options.steps);
    let steps: Vec<usize> = (1..=last).filter(|step| options.only.as_ref().is_none_or(|only| only.has(*step))).collect();
    let mut search = Search { options, found: failure.clone(), rule, left: TRIES };
    search.go(steps);
    search.found
}
