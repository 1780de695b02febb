//! Groups: named lists of devices of an organization.

use crate::ids::{GroupId, OrgId};
use crate::limits::{NAME_CHARS_MAX, NOTES_CHARS_MAX};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Where the members of a group come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// People name them.
    #[default]
    Static,
}

impl GroupKind {
    /// The word in database, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            GroupKind::Static => "static",
        }
    }
}

impl FromStr for GroupKind {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "static" => Ok(GroupKind::Static),
            other => Err(format!("there is no kind of group '{other}'; there is static")),
        }
    }
}

/// A group, without its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Whose it is.
    pub org: OrgId,
    /// Its name, unique in the organization; the case of letters matters.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where its members come from.
    pub kind: GroupKind,
    /// When it was made.
    pub created: Timestamp,
    /// When a person last changed it or its members.
    pub updated: Timestamp,
    /// Counts the changes of its name and description, for `If-Match`; members come and go without it.
    pub version: i64,
}

/// A group's name as it is kept; otherwise a sentence that says what is wrong.
pub fn group_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    let length = name.chars().count();
    if name.is_empty() {
        return Err("a group needs a name".to_owned());
    }
    if length > NAME_CHARS_MAX {
        return Err(format!("this name has {length} characters; at most {NAME_CHARS_MAX} are kept"));
    }
    if name.chars().any(char::is_control) {
        return Err("a name has no line ends, tabs or other control characters".to_owned());
    }
    if name.parse::<GroupId>().is_ok() {
        return Err(format!("'{name}' reads like an id, and tasks could not tell the two apart; choose another name"));
    }
    Ok(name.to_owned())
}

/// A group's description as it is kept; otherwise a sentence that says what is wrong.
pub fn group_description(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if length > NOTES_CHARS_MAX {
        return Err(format!("this text has {length} characters; at most {NOTES_CHARS_MAX} are kept"));
    }
    if text.contains('\0') {
        return Err("this text has a NUL character in it, which cannot be kept".to_owned());
    }
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_is_no_id() {
        assert_eq!(group_name(" Labs, ground floor ").as_deref(), Ok("Labs, ground floor"));
        assert!(group_name(&"ä".repeat(NAME_CHARS_MAX)).is_ok());
        let long = "a".repeat(NAME_CHARS_MAX + 1);
        for (text, part) in [
            ("  ", "needs a name"),
            (long.as_str(), "201 characters"),
            ("a\tb", "control characters"),
            ("01939b0e-0000-7000-8000-000000000000", "reads like an id"),
        ] {
            let told = group_name(text).expect_err(text);
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn a_description_is_trimmed_and_bounded() {
        assert_eq!(group_description(" two\nlines ").as_deref(), Ok("two\nlines"));
        assert!(group_description(&"ä".repeat(NOTES_CHARS_MAX)).is_ok());
        for (text, part) in [("a".repeat(NOTES_CHARS_MAX + 1), "4001 characters"), ("a\0b".to_owned(), "NUL")] {
            assert!(group_description(&text).expect_err("refused").contains(part));
        }
    }

    #[test]
    fn a_kind_is_its_word() {
        assert_eq!(GroupKind::Static.as_str().parse(), Ok(GroupKind::Static));
        assert!("dynamic".parse::<GroupKind>().expect_err("unknown").contains("there is static"));
    }
}
