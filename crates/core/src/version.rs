//! Versions of programs: which of two is newer, whoever wrote them.
//!
//! Lives here: one order for the versions of packages (Debian, RPM), of Windows programs and of everything else that counts in
//! digits and letters. Absent on purpose: which versions exist (the dictionary of programs knows).

use std::cmp::Ordering;

/// Compares two versions as package managers do:
///
/// - an epoch (`2:`) goes before everything; no epoch is 0;
/// - what follows the last `-` is the revision and counts only between equal versions;
/// - otherwise both are read as runs of digits, compared as numbers, and of letters, compared as texts without their case;
///   every other character only parts the runs;
/// - `~` comes before everything, even before the end (`1.0~rc1` < `1.0`); `^` right after the end (`1.0` < `1.0^git` < `1.0.1`);
/// - the end comes before letters, letters before digits (`1.0` < `1.0a` < `1.0.1`).
///
/// Versions that differ only in case or in the characters between their runs are equal. The order is total over what is left.
pub fn compare(a: &str, b: &str) -> Ordering {
    let ((epoch_a, a), (epoch_b, b)) = (epoch(a.trim()), epoch(b.trim()));
    let ((version_a, revision_a), (version_b, revision_b)) = (revision(a), revision(b));
    number(epoch_a, epoch_b).then_with(|| runs(version_a, version_b)).then_with(|| runs(revision_a, revision_b))
}

/// Whether a version is within `from` (included) and `below` (not included). An unknown (empty) version is in no range.
pub fn within(version: &str, from: Option<&str>, below: Option<&str>) -> bool {
    if version.trim().is_empty() {
        return from.is_none() && below.is_none();
    }
    from.is_none_or(|from| compare(version, from).is_ge()) && below.is_none_or(|below| compare(version, below).is_lt())
}

fn epoch(text: &str) -> (&str, &str) {
    match text.split_once(':') {
        Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()) => (epoch, rest),
        _ => ("", text),
    }
}

fn revision(text: &str) -> (&str, &str) {
    text.rsplit_once('-').unwrap_or((text, ""))
}

/// A part of a version, in the order in which parts of different kinds come.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Tilde,
    End,
    Caret,
    Letters,
    Digits,
}

fn runs(mut a: &str, mut b: &str) -> Ordering {
    loop {
        let (kind_a, run_a, rest_a) = next(a);
        let (kind_b, run_b, rest_b) = next(b);
        let order = kind_a.cmp(&kind_b).then_with(|| match kind_a {
            Kind::Digits => number(run_a, run_b),
            Kind::Letters => letters(run_a, run_b),
            _ => Ordering::Equal,
        });
        if order.is_ne() || kind_a == Kind::End {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// The first part of a version and what follows it.
fn next(text: &str) -> (Kind, &str, &str) {
    let text = text.trim_start_matches(|c: char| !c.is_ascii_digit() && !c.is_alphabetic() && c != '~' && c != '^');
    let run = |fits: fn(char) -> bool| text.find(|c| !fits(c)).unwrap_or(text.len());
    let (kind, end) = match text.chars().next() {
        None => (Kind::End, 0),
        Some('~') => (Kind::Tilde, 1),
        Some('^') => (Kind::Caret, 1),
        Some(c) if c.is_ascii_digit() => (Kind::Digits, run(|c| c.is_ascii_digit())),
        Some(_) => (Kind::Letters, run(char::is_alphabetic)),
    };
    (kind, &text[..end], &text[end..])
}

/// Numbers of any length.
fn number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn letters(a: &str, b: &str) -> Ordering {
    let fold = |text: &str| text.to_lowercase();
    if a == b { Ordering::Equal } else { fold(a).cmp(&fold(b)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_are_ordered_as_package_managers_order_them() {
        for (older, newer) in [
            ("1.9", "1.10"),
            ("1.0~rc1", "1.0"),
            ("1.0~rc1", "1.0~rc2"),
            ("1.0~~", "1.0~"),
            ("1.0~rc1-3", "1.0-1"),
            ("1.0", "1.0.1"),
            ("1.0", "1.0a"),
            ("1.0a", "1.0b"),
            ("1.0a", "1.0.1"),
            ("9.0", "1:0.1"),
            ("1:9", "2:1"),
            // Debian
            ("5.2.15-2+b7", "5.2.15-2+b10"),
            ("1.0-2", "1.0.1-1"),
            ("3.0.11-1~deb12u1", "3.0.11-1~deb12u2"),
            ("3.0.11-1~deb12u2", "3.0.11-1"),
            ("2.36-9+deb12u4", "2.36-9+deb12u10"),
            ("20230311", "20230311+deb12u1"),
            ("1:9.18.19-1~deb12u1", "1:9.18.24-1"),
            ("7.88.1-10", "8.0.1-1"),
            ("0.0.20240101", "1"),
            // RPM
            ("4.18.0-348.el8", "4.18.0-372.9.1.el8"),
            ("1.0^20240101git", "1.0.1"),
            ("1.0", "1.0^20240101git"),
            ("5.14.0-70.13.1.el9_0", "5.14.0-70.22.1.el9_0"),
            ("1.1.1k-9.el8_7", "1:1.1.1k-9.el8_7"),
            ("2.el7", "2.1.el7"),
            // Windows and others
            ("16.0.4266.1001", "16.0.14332.20481"),
            ("99.0.4844.84", "100.0.4896.60"),
            ("10.0.19041.1", "10.0.19045.0"),
            ("7.9", "7.9.1"),
            ("v1.2", "v1.10"),
            ("1.2.3-beta.2", "1.2.3-beta.11"),
            ("", "0"),
            ("9", "99999999999999999999999999"),
        ] {
            assert_eq!(compare(older, newer), Ordering::Less, "{older} < {newer}");
            assert_eq!(compare(newer, older), Ordering::Greater, "{newer} > {older}");
        }
    }

    #[test]
    fn versions_that_say_the_same_are_equal() {
        for (a, b) in [("1.0", "1.0"), ("1.0", "01.00"), ("0:1.0", "1.0"), ("1.0RC1", "1.0rc1"), ("1_0", "1.0"), (" 1.0 ", "1.0")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} = {b}");
        }
    }

    #[test]
    fn a_range_takes_its_lower_end_and_leaves_its_upper() {
        assert!(within("1.5", Some("1.5"), Some("1.6")) && !within("1.6", Some("1.5"), Some("1.6")) && !within("1.4", Some("1.5"), None));
        assert!(within("1.6~rc1", None, Some("1.6")) && within("", None, None));
        assert!(!within("", None, Some("9")) && !within(" ", Some("0"), None), "an unknown version is in no range");
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in "[0-9a-cA-C.~^:+-]{0,12}", b in "[0-9a-cA-C.~^:+-]{0,12}", c in "[0-9a-cA-C.~^:+-]{0,12}") {
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            let mut sorted = [&a, &b, &c];
            sorted.sort_by(|x, y| compare(x, y));
            prop_assert!(compare(sorted[0], sorted[1]).is_le() && compare(sorted[1], sorted[2]).is_le());
            prop_assert!(compare(sorted[0], sorted[2]).is_le(), "{:?}", sorted);
        }

        #[test]
        fn anything_at_all_can_be_compared(a in ".{0,20}", b in ".{0,20}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        }
    }
}
