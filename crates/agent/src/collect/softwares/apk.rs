//! Alpine's packages, from apk's own list.

use crate::collect::machine::Fields;
use muster_core::inventory::Row;

/// The installed packages. The list does not tell when they were installed.
pub(super) fn packages(installed: &str) -> Vec<Row> {
    installed.split("\n\n").filter_map(package).collect()
}

fn package(paragraph: &str) -> Option<Row> {
    let field = |letter: &str| paragraph.lines().find_map(|line| line.strip_prefix(letter)?.strip_prefix(':'));
    let name = field("P").filter(|name| !name.is_empty())?;
    let fields = Fields::default()
        .text("name", Some(name))
        .text("version", field("V"))
        .text("arch", field("A"))
        .text("from", Some("apk"))
        .number("filesize", field("I").and_then(|size| size.parse().ok()))
        .text("publisher", field("m"))
        .text("comments", field("T"))
        .text("url_info_about", field("U"));
    Some(fields.row())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn packages_are_paragraphs_of_letters() {
        let text = "C:Q1x=\nP:made-up\nV:1.2-r0\nA:x86_64\nS:10\nI:2048\nT:short words\nm:A <a@example>\nF:etc\nR:x\n\nV:9\n";
        let expected = json!([{"name": "made-up", "version": "1.2-r0", "arch": "x86_64", "from": "apk", "filesize": 2048,
            "comments": "short words", "publisher": "A <a@example>"}]);
        assert_eq!(json!(packages(text)), expected);
    }
}
