//! 'Did you mean …': the known word nearest to an unknown one.

/// The known word nearest to `word`, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(&lower, k), k))
        .filter(|(distance, k)| *distance <= 1 + k.len().max(lower.len()) / 3)
        .min()
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_finger_finds_its_word_and_nonsense_does_not() {
        assert_eq!(nearest("targtes", ["targets", "steps"]), Some("targets"));
        assert_eq!(nearest("xyzzyplugh", ["targets", "steps"]), None);
    }
}
