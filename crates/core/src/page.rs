//! Pages of lists: what is asked for, and the cursor that continues a page.

use crate::limits::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The place after which a page goes on: the sort value and the id of the last row shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// The order it belongs to, so that it cannot be used with another.
    pub sort: String,
    /// The last row's sort value.
    pub value: SortValue,
    /// The last row's id.
    pub id: Uuid,
}

/// A value by which a list is sorted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SortValue {
    /// Numbers and instants.
    Number(i64),
    /// Texts.
    Text(String),
}

impl Cursor {
    /// As opaque text.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// From opaque text; `None` when it is none of ours.
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

/// Which page of a list is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct PageRequest {
    /// Rows at most.
    pub limit: usize,
    /// Field by which to sort, as the API names it; `None` is the list's own order.
    pub sort: Option<String>,
    /// Downwards.
    pub descending: bool,
    /// Where to go on.
    pub cursor: Option<Cursor>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: PAGE_ROWS_DEFAULT, sort: None, descending: false, cursor: None }
    }
}

/// What is wrong with a page request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BadPage {
    /// The parameter at fault.
    pub parameter: &'static str,
    /// A sentence.
    pub what: String,
}

impl PageRequest {
    /// Reads `limit`, `sort` (`name` or `-name`) and `cursor`; `sorts` are the list's sortable fields.
    pub fn parse(limit: Option<&str>, sort: Option<&str>, cursor: Option<&str>, sorts: &[&str]) -> Result<Self, BadPage> {
        let limit = match limit {
            None => PAGE_ROWS_DEFAULT,
            Some(text) => text.parse().ok().filter(|n| (1..=PAGE_ROWS_MAX).contains(n)).ok_or_else(|| BadPage {
                parameter: "limit",
                what: format!("limit is '{text}'; it is a whole number from 1 to {PAGE_ROWS_MAX}"),
            })?,
        };
        let (descending, sort) = match sort {
            None => (false, None),
            Some(text) => match text.strip_prefix('-') {
                Some(field) => (true, Some(field.to_owned())),
                None => (false, Some(text.to_owned())),
            },
        };
        if let Some(field) = sort.as_deref().filter(|f| !sorts.contains(f)) {
            return Err(BadPage {
                parameter: "sort",
                what: format!("this list is not sorted by '{field}'; it is by {}", sorts.join(", ")),
            });
        }
        let request = Self { limit, sort, descending, cursor: None };
        let Some(text) = cursor else { return Ok(request) };
        match Cursor::decode(text) {
            Some(c) if c.sort == request.order() => Ok(Self { cursor: Some(c), ..request }),
            _ => Err(BadPage {
                parameter: "cursor",
                what: "this cursor belongs to another list or order; begin again without it".to_owned(),
            }),
        }
    }

    /// The order's name, as cursors carry it.
    pub fn order(&self) -> String {
        format!("{}{}", if self.descending { "-" } else { "" }, self.sort.as_deref().unwrap_or(""))
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How to go on; `None` at the end.
    pub next: Option<String>,
    /// How many match in all; `None` when more than [`crate::limits::TOTAL_COUNTED_MAX`].
    pub total: Option<i64>,
}

impl<T> Page<T> {
    /// The same page with other items.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next, total: self.total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_fits_only_its_order() {
        let cursor = Cursor { sort: "-name".to_owned(), value: SortValue::Text("pc".to_owned()), id: Uuid::from_u128(7) };
        let text = cursor.encode();
        let request = |sort, cursor: &str| PageRequest::parse(None, Some(sort), Some(cursor), &["name"]);
        assert_eq!(request("-name", &text).expect("fits").cursor, Some(cursor));
        assert_eq!(request("name", &text).expect_err("other order").parameter, "cursor");
        assert_eq!(request("name", "rubbish!").expect_err("rubbish").parameter, "cursor");
    }

    #[test]
    fn limits_have_two_sides() {
        let limit = |text| PageRequest::parse(Some(text), None, None, &[]).map(|r| r.limit);
        assert_eq!(limit("1000"), Ok(1000));
        for bad in ["0", "1001", "-1", "x"] {
            assert_eq!(limit(bad).expect_err(bad).parameter, "limit");
        }
    }
}
