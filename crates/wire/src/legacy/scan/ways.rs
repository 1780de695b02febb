//! What stands between two texts, learnt from the rows before: `</NAME>\n      <VERSION>` is the same in every row of a section,
//! so one comparison stands for reading an end tag, blanks and a start tag.
//!
//! A way is only what was read once and found right, in the same field of the same section. Reading depends on nothing but the
//! bytes of the way, so whoever meets the same bytes would read the same.

/// Fields of a section that are learnt, and ways out of one of them: enough for agents, little for whoever wants to waste time.
const FIELDS_MAX: usize = 64;
const WAYS_MAX: usize = 4;

/// Where reading is: behind a section's start tag, or at the end of a field's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(usize);

/// Behind a section's start tag.
pub(super) const START: Place = Place(0);

/// From one place to the next text, or to the end of the row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<'t> {
    /// What stands there.
    pub bytes: &'t [u8],
    /// Elements that begin in it.
    pub elements: usize,
    /// In the text of which field it ends; none at the end of the row.
    pub to: Option<Place>,
}

/// The ways through rows of one section.
#[derive(Debug, Default)]
pub(super) struct Ways<'t> {
    fields: Vec<(&'t [u8], Vec<Way<'t>>)>,
}

impl<'t> Ways<'t> {
    /// Forgets all, for another section.
    pub(super) fn forget(&mut self) {
        self.fields.clear();
    }

    /// The way from a place that goes on as `rest` does.
    #[inline]
    pub(super) fn find(&mut self, from: Place, rest: &[u8]) -> Option<Way<'t>> {
        let ways = &mut self.fields.get_mut(from.0)?.1;
        let at = ways.iter().position(|way| begins_with(rest, way.bytes))?;
        // The one taken last is the likeliest.
        ways.swap(0, at);
        Some(ways[0])
    }

    /// The place of a field; none when there are too many.
    pub(super) fn place(&mut self, field: &'t [u8]) -> Option<Place> {
        if self.fields.is_empty() {
            self.fields.push((b"", Vec::new()));
        }
        let known = self.fields[1..].iter().position(|(name, _)| *name == field);
        if known.is_none() && self.fields.len() < FIELDS_MAX {
            self.fields.push((field, Vec::new()));
            return Some(Place(self.fields.len() - 1));
        }
        known.map(|at| Place(at + 1))
    }

    /// The name of the field at a place.
    pub(super) fn field(&self, place: Place) -> &'t [u8] {
        self.fields.get(place.0).map_or(b"", |(name, _)| name)
    }

    /// Remembers a way that was read.
    pub(super) fn learn(&mut self, from: Place, way: Way<'t>) {
        if let Some((_, ways)) = self.fields.get_mut(from.0) {
            ways.truncate(WAYS_MAX - 1);
            ways.push(way);
        }
    }
}

/// `starts_with` for pieces of a few dozen bytes: eight at a time, without a call.
#[inline]
pub(super) fn begins_with(text: &[u8], start: &[u8]) -> bool {
    let Some(text) = text.get(..start.len()) else { return false };
    let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
    match (text.last_chunk(), start.last_chunk()) {
        // The last eight may overlap those before.
        (Some(a), Some(b)) => {
            let pairs = text.as_chunks().0.iter().zip(start.as_chunks().0);
            word(a) == word(b) && pairs.into_iter().all(|(a, b)| word(a) == word(b))
        }
        _ => text.iter().eq(start),
    }
}

#[cfg(test)]
mod tests {
    use super::begins_with;

    #[test]
    fn the_quick_comparison_is_the_slow_one() {
        let text: Vec<u8> = (0..40).collect();
        for len in 0..=text.len() {
            assert!(begins_with(&text, &text[..len]), "{len}");
            assert!(!begins_with(&text[..len], &[text[..len].to_vec(), vec![0]].concat()), "{len} is too short");
            for at in 0..len {
                let mut other = text[..len].to_vec();
                other[at] ^= 1;
                assert!(!begins_with(&text, &other), "{len} {at}");
            }
        }
    }
}
