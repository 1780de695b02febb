//! The facts of one section as they are stored, and how what came differs from them.

use super::told::{SectionPrint, Told};
use super::{Row, SectionChange, fact_line, hash};
use std::cmp::Ordering;

/// The facts of a section: canonical rows ([`fact_line`]), sorted, one per line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    text: String,
    /// Where each line ends; line breaks lie between.
    ends: Vec<usize>,
}

impl Lines {
    /// From sorted lines.
    fn from_sorted<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut made = Self::default();
        for line in lines {
            if !made.ends.is_empty() {
                made.text.push('\n');
            }
            made.text.push_str(line);
            made.ends.push(made.text.len());
        }
        made
    }

    /// The facts of some rows.
    pub fn of_rows(section: &str, rows: &[Row]) -> Self {
        let mut lines: Vec<String> = rows.iter().map(|row| fact_line(section, row)).collect();
        lines.sort_unstable();
        Self::from_sorted(lines.iter().map(String::as_str))
    }

    /// Reads a stored document: lines, or a JSON array as earlier versions kept it. `None` when it is neither.
    pub fn parse(document: Vec<u8>) -> Option<Self> {
        let text = String::from_utf8(document).ok()?;
        if text.starts_with('[') {
            let rows: Vec<Row> = serde_json::from_str(&text).ok()?;
            return Some(Self::of_rows("", &rows));
        }
        if text.is_empty() {
            return Some(Self::default());
        }
        // A line break inside a row is written as an escape, so each one ends a row.
        let mut ends: Vec<usize> = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i).collect();
        ends.push(text.len());
        Some(Self { text, ends })
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A row's line.
    pub fn get(&self, i: usize) -> Option<&str> {
        let end = *self.ends.get(i)?;
        let start = if i == 0 { 0 } else { self.ends[i - 1] + 1 };
        self.text.get(start..end)
    }

    /// All lines, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|i| self.get(i))
    }

    /// As it is stored.
    pub fn document(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The canonical JSON array, over which [`hash`] is taken.
    pub fn to_array(&self) -> Vec<u8> {
        let mut array = Vec::with_capacity(self.text.len() + 2);
        array.push(b'[');
        array.extend_from_slice(self.text.as_bytes());
        for end in &self.ends[..self.ends.len().saturating_sub(1)] {
            array[end + 1] = b',';
        }
        array.push(b']');
        array
    }

    /// The hash of the facts.
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.to_array())
    }

    /// The rows.
    pub fn rows(&self) -> Vec<Row> {
        self.iter().map(row_of).collect()
    }
}

fn row_of(line: &str) -> Row {
    serde_json::from_str(line).unwrap_or_default()
}

/// A section as it is and will be stored, with the keys of its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyed {
    /// Its facts.
    pub lines: Lines,
    /// One key per line; empty when rows cannot be told one by one.
    pub keys: Vec<u64>,
}

impl Keyed {
    /// Everything that was told of a section.
    pub fn of(told: &dyn Told, section: &SectionPrint) -> Self {
        let rows = told.rows(&section.section);
        let keys = if section.keys.len() == rows.len() { section.keys.as_slice() } else { &[] };
        let lines = rows.iter().map(|row| fact_line(&section.section, row));
        Self::sorted(lines.enumerate().map(|(i, line)| (line, keys.get(i).copied())).collect())
    }

    fn sorted(mut lines: Vec<(String, Option<u64>)>) -> Self {
        lines.sort_unstable();
        let keys: Option<Vec<u64>> = lines.iter().map(|(_, key)| *key).collect();
        Self { lines: Lines::from_sorted(lines.iter().map(|(line, _)| line.as_str())), keys: keys.unwrap_or_default() }
    }
}

/// How a section that came differs from what is stored: the new state, and what was added and removed as multisets of rows.
/// Rows whose keys are known are not made canonical.
pub fn differ(before: &Keyed, told: &dyn Told, section: &SectionPrint) -> (Keyed, SectionChange) {
    let by_key = !section.keys.is_empty() && before.keys.len() == before.lines.len();
    if by_key { by_keys(before, told, section) } else { None }.unwrap_or_else(|| whole(before, told, section))
}

/// Compares line by line.
fn whole(before: &Keyed, told: &dyn Told, section: &SectionPrint) -> (Keyed, SectionChange) {
    let after = Keyed::of(told, section);
    let change = change(before.lines.iter(), after.lines.iter());
    (after, change)
}

/// Compares by keys; only rows with new keys are made canonical. `None` when the document cannot give one of them.
fn by_keys(before: &Keyed, told: &dyn Told, section: &SectionPrint) -> Option<(Keyed, SectionChange)> {
    let (gone, came) = unmatched(&before.keys, &section.keys);
    let mut added: Vec<(String, u64)> = Vec::with_capacity(came.len());
    for i in came {
        added.push((fact_line(&section.section, &told.row(&section.section, i)?), section.keys[i]));
    }
    added.sort_unstable();
    // Rows that only changed their key are the same facts, and fall out here.
    let removed = gone.iter().filter_map(|i| before.lines.get(*i));
    let change = change(removed, added.iter().map(|(line, _)| line.as_str()));
    Some((merged(before, &gone, &added), change))
}

/// What only one of two sorted lists of lines has.
fn change<'a>(old: impl Iterator<Item = &'a str>, new: impl Iterator<Item = &'a str>) -> SectionChange {
    let (removed, added) = unshared(old, new, |line| *line);
    SectionChange { added: added.into_iter().map(row_of).collect(), removed: removed.into_iter().map(row_of).collect() }
}

/// What only the first, and only the second, of two sorted lists has, as multisets.
fn unshared<T, K: Ord>(old: impl Iterator<Item = T>, new: impl Iterator<Item = T>, key: impl Fn(&T) -> K) -> (Vec<T>, Vec<T>) {
    let (mut old, mut new) = (old.peekable(), new.peekable());
    let (mut only_old, mut only_new) = (Vec::new(), Vec::new());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(o), Some(n)) => key(o).cmp(&key(n)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return (only_old, only_new),
        };
        match order {
            Ordering::Less => only_old.extend(old.next()),
            Ordering::Greater => only_new.extend(new.next()),
            Ordering::Equal => drop((old.next(), new.next())),
        }
    }
}

/// What stays and what came, sorted.
fn merged(before: &Keyed, gone: &[usize], added: &[(String, u64)]) -> Keyed {
    let mut gone = gone.iter().copied().peekable();
    let stays = (0..before.lines.len()).filter(|i| gone.next_if_eq(i).is_none());
    let mut lines: Vec<&str> = Vec::with_capacity(before.lines.len() + added.len());
    let mut keys = Vec::with_capacity(before.lines.len() + added.len());
    let mut new = added.iter().peekable();
    for i in stays {
        let Some(line) = before.lines.get(i) else { continue };
        while let Some((added, key)) = new.next_if(|(added, _)| added.as_str() < line) {
            lines.push(added);
            keys.push(*key);
        }
        lines.push(line);
        keys.push(before.keys[i]);
    }
    for (added, key) in new {
        lines.push(added);
        keys.push(*key);
    }
    Keyed { lines: Lines::from_sorted(lines.into_iter()), keys }
}

/// Places in `old` and in `new` whose keys the other has not, as multisets; ascending.
fn unmatched(old: &[u64], new: &[u64]) -> (Vec<usize>, Vec<usize>) {
    let order = |keys: &[u64]| {
        let mut placed: Vec<(u64, usize)> = keys.iter().copied().zip(0..).collect();
        placed.sort_unstable();
        placed
    };
    let (gone, came) = unshared(order(old).into_iter(), order(new).into_iter(), |(key, _)| *key);
    let places = |found: Vec<(u64, usize)>| {
        let mut places: Vec<usize> = found.into_iter().map(|(_, place)| place).collect();
        places.sort_unstable();
        places
    };
    (places(gone), places(came))
}

#[cfg(test)]
mod tests {
    use super::super::{Canonical, Completeness, Inventory, compare, split};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn rows(names: &[u8]) -> Vec<Row> {
        names.iter().map(|n| Row::from([("name".to_owned(), json!(format!("p{n}\n")))])).collect()
    }

    fn told(rows: Vec<Row>) -> Canonical {
        let mut inventory = Inventory::empty(Completeness::Full);
        inventory.sections.insert("softwares".to_owned(), rows);
        Canonical::new(inventory)
    }

    proptest! {
        #[test]
        fn differences_by_key_and_by_line_are_those_of_the_facts(
            old in prop::collection::vec(0u8..12, 0..20), new in prop::collection::vec(0u8..12, 0..20), forget in any::<bool>()
        ) {
            let (old, new) = (rows(&old), told(rows(&new)));
            let was = told(old.clone());
            let mut before = Keyed::of(&was, was.section("softwares").expect("told"));
            if forget {
                before.keys.clear();
            }
            let section = new.section("softwares").expect("told");
            let (after, change) = differ(&before, &new, section);
            prop_assert_eq!(&after, &Keyed::of(&new, section));
            let facts = |rows: &[Row]| split("softwares", rows).facts;
            let mut expected = compare(&facts(&old), &facts(&new.rows("softwares")));
            let mut change = change;
            for side in [&mut expected.added, &mut expected.removed, &mut change.added, &mut change.removed] {
                side.sort_by_key(|row| fact_line("softwares", row));
            }
            prop_assert_eq!(change, expected);
            prop_assert_eq!(after.lines.to_array(), facts(&new.rows("softwares")));
            prop_assert_eq!(Lines::parse(after.lines.document().to_vec()), Some(after.lines.clone()));
            prop_assert_eq!(Lines::parse(after.lines.to_array()), Some(after.lines));
        }
    }

    #[test]
    fn a_row_that_only_changed_its_key_is_no_change() {
        let was = told(rows(&[1, 2, 3]));
        let mut before = Keyed::of(&was, was.section("softwares").expect("told"));
        before.keys[1] ^= 1;
        let (after, change) = differ(&before, &was, was.section("softwares").expect("told"));
        assert_eq!(change, SectionChange::default());
        assert_eq!(after, Keyed::of(&was, was.section("softwares").expect("told")));
    }

    #[test]
    fn a_document_that_is_none_is_told() {
        assert_eq!(Lines::parse(vec![0xff]), None);
        assert_eq!(Lines::parse(b"[1".to_vec()), None);
        assert_eq!(Lines::parse(Vec::new()), Some(Lines::default()));
        assert_eq!(Lines::default().to_array(), b"[]");
    }
}
