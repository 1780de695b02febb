//! Groups: named sets of devices of an organization, listed by people or following a query.

use crate::ids::{GroupId, OrgId};
use crate::limits::{NAME_CHARS_MAX, NOTES_CHARS_MAX};
use crate::query::Query;
use crate::time::Timestamp;

/// Where the members of a group come from, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// People name them.
    Static,
    /// They follow a query.
    Dynamic,
}

impl GroupKind {
    /// The word in database, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            GroupKind::Static => "static",
            GroupKind::Dynamic => "dynamic",
        }
    }
}

/// Where the members of a group come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// People name them.
    Static,
    /// All that a query selects, kept up to date.
    Dynamic {
        /// The query ([`crate::query::Query`]).
        query: String,
        /// Whether the members are those of this query; false for a moment after the query was changed.
        fresh: bool,
    },
}

impl Membership {
    /// Of a group that follows a query from now on; otherwise a sentence that says what is wrong with it.
    pub fn following(text: &str) -> Result<Self, String> {
        let query = text.trim();
        Query::parse(query).map_err(|bad| bad.what)?;
        Ok(Membership::Dynamic { query: query.to_owned(), fresh: false })
    }

    /// The kind of group.
    pub const fn kind(&self) -> GroupKind {
        match self {
            Membership::Static => GroupKind::Static,
            Membership::Dynamic { .. } => GroupKind::Dynamic,
        }
    }

    /// Whether the members are the right ones now.
    pub const fn is_fresh(&self) -> bool {
        match self {
            Membership::Static => true,
            Membership::Dynamic { fresh, .. } => *fresh,
        }
    }

    /// The query that members follow.
    pub fn query(&self) -> Option<&str> {
        match self {
            Membership::Static => None,
            Membership::Dynamic { query, .. } => Some(query),
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
    pub members: Membership,
    /// When it was made.
    pub created: Timestamp,
    /// When a person last changed it or its members.
    pub updated: Timestamp,
    /// Counts the changes of its name, description and query, for `If-Match`; members come and go without it.
    pub version: i64,
}

/// A group's name as it is kept; otherwise a sentence that says what is wrong.
pub fn group_name(text: &str) -> Result<String, String> {
    name_of("a group", text)
}

/// The name of something that tasks may name by its id as well, as it is kept.
pub fn name_of(what: &str, text: &str) -> Result<String, String> {
    let name = text.trim();
    let length = name.chars().count();
    if name.is_empty() {
        return Err(format!("{what} needs a name"));
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
    fn a_query_is_read_before_it_is_kept() {
        let kept = Membership::following(" os_family == 'linux' ").expect("a query");
        assert_eq!((kept.kind().as_str(), kept.query()), ("dynamic", Some("os_family == 'linux'")));
        assert_eq!((Membership::Static.kind().as_str(), Membership::Static.query()), ("static", None));
        for (text, part) in [("", "selects nothing"), ("nam == 'x'", "did you mean 'name'")] {
            assert!(Membership::following(text).expect_err("refused").contains(part));
        }
    }
}
