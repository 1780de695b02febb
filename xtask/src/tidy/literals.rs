//! The string literals of a Rust source; enough of the language to tell them from comments and characters.

/// Each string literal with the line it begins in; escapes stay as they are written.
pub fn strings(source: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|r| !r.is_empty()) {
        let (skipped, literal) = next(rest, source[..at].chars().next_back());
        if let Some((from, to)) = literal {
            found.push((1 + source[..at].matches('\n').count(), &rest[from..to]));
        }
        at += skipped;
    }
    found
}

/// The length of the piece that `rest` begins with, and where in it a string's content is.
fn next(rest: &str, before: Option<char>) -> (usize, Option<(usize, usize)>) {
    let word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (rest.find("*/").map_or(rest.len(), |end| end + 2), None);
    }
    if let Some(raw) = rest.strip_prefix('r').filter(|_| !word || before == Some('b')) {
        let hashes = raw.bytes().take_while(|b| *b == b'#').count();
        if raw[hashes..].starts_with('"') {
            let from = 1 + hashes + 1;
            let close = format!("\"{}", "#".repeat(hashes));
            let to = rest[from..].find(&close).map_or(rest.len(), |end| from + end);
            return ((to + close.len()).min(rest.len()), Some((from, to)));
        }
    }
    if rest.starts_with('"') {
        let to = closing(rest, '"').unwrap_or(rest.len());
        return ((to + 1).min(rest.len()), Some((1, to)));
    }
    let first = rest.chars().next().map_or(1, char::len_utf8);
    if let Some(quoted) = rest.strip_prefix('\'') {
        // A lifetime has no closing quote after its first character.
        let one = quoted.chars().next().map_or(0, char::len_utf8);
        if quoted.starts_with('\\') {
            return (closing(rest, '\'').map_or(1, |end| end + 1), None);
        }
        return (if quoted[one..].starts_with('\'') { one + 2 } else { 1 }, None);
    }
    (first, None)
}

/// Where the quote that `text` begins with is closed.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().skip(1).find_map(|(at, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::strings;

    fn check(source: &str, expected: &[(usize, &str)]) {
        assert_eq!(strings(source), expected, "{source}");
    }

    #[test]
    fn strings_are_told_from_comments_characters_and_lifetimes() {
        check(r#"let a = "one"; // "not""#, &[(1, "one")]);
        check("/* \"not\" */ \"yes\"", &[(1, "yes")]);
        check(r#"fn f<'a>(x: &'a str) { if c == '"' { g("yes") } }"#, &[(1, "yes")]);
        check(r#"('\'', '\\', "yes", "ä")"#, &[(1, "yes"), (1, "ä")]);
        check(r#"b"bytes" "a\"b\\" "c""#, &[(1, "bytes"), (1, r#"a\"b\\"#), (1, "c")]);
        check("x;\nr#\"raw \"quoted\"\n\"#; r\"plain\\\"; \"next\"", &[(2, "raw \"quoted\"\n"), (3, "plain\\"), (3, "next")]);
        check("\"never closed", &[(1, "never closed")]);
    }
}
