//! Some of the steps of a world, as people write them: `3,17,40-44`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Numbers of steps, from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps(BTreeSet<usize>);

/// The highest number of a step that can be named.
const STEP_MAX: usize = 1_000_000;

impl Steps {
    /// Whether a step is one of them.
    pub fn has(&self, step: usize) -> bool {
        self.0.contains(&step)
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<usize> for Steps {
    fn from_iter<I: IntoIterator<Item = usize>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for step in self.0.iter().copied() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == step => *last = step,
                _ => ranges.push((step, step)),
            }
        }
        for (i, (first, last)) in ranges.into_iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

impl FromStr for Steps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |t: &str| {
            let number = t.trim().parse().ok().filter(|n| (1..=STEP_MAX).contains(n));
            number.ok_or_else(|| format!("'{}' is not the number of a step; write steps as in 3,17,40-44", t.trim()))
        };
        let mut steps = BTreeSet::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Err(format!("'{}' goes backwards; write the lower number first, as in {last}-{first}", part.trim()));
            }
            steps.extend(first..=last);
        }
        Ok(Self(steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["3", "3,17,40-44", "1-2,4", ""] {
            assert_eq!(text.parse::<Steps>().expect(text).to_string(), text);
        }
        assert_eq!(" 5 , 1 - 2,2".parse(), Ok([1, 2, 5].into_iter().collect::<Steps>()));
    }

    #[test]
    fn what_is_no_step_is_refused_by_its_text() {
        for (text, named) in [("0", "'0'"), ("5-3", "3-5"), ("x", "'x'"), ("3-", "''"), ("1-99999999999", "'99999999999'")] {
            let told = text.parse::<Steps>().expect_err(text);
            assert!(told.contains(named), "{told}");
        }
    }
}
