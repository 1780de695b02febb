//! Query parameters of lists: which are known, pages, filters.

use crate::auth::Ctx;
use crate::csv::{self, Sheet};
use crate::problem::Problem;
use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use muster_core::nearest::nearest;
use muster_core::page::{Page, PageRequest};
use muster_core::settings::Span;
use muster_core::time::Timestamp;
use muster_engine::{Cx, Error, Rx};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt::Display;
use std::str::FromStr;
use utoipa::{IntoParams, ToSchema};

/// The query parameters of an operation; an unknown one is refused by the name of the nearest.
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + IntoParams> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|e| Problem::invalid("", format!("the query of this address cannot be read: {e}")))?;
        let known: Vec<String> = T::into_params(|| None).into_iter().map(|p| p.name).collect();
        let mut map: Map<String, Value> = Map::new();
        for (name, value) in pairs {
            if !known.contains(&name) {
                let hint = nearest(&name, known.iter().map(String::as_str))
                    .map_or_else(|| format!("there are {}", known.join(", ")), |near| format!("did you mean '{near}'?"));
                return Err(Problem::invalid(&name, format!("there is no parameter '{name}' here; {hint}")));
            }
            // A parameter that comes twice means any of its values, as with commas.
            let value = match map.get(&name).and_then(Value::as_str) {
                Some(before) => format!("{before},{value}"),
                None => value,
            };
            map.insert(name, Value::String(value));
        }
        serde_json::from_value(Value::Object(map)).map(Self).map_err(|e| Problem::invalid("", e.to_string()))
    }
}

/// Makes the parameters of a list: its filters and those of every page.
macro_rules! asked {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
        #[serde(default)]
        #[into_params(parameter_in = Query)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: Option<String>,)*
            /// Rows at most, 1 to 1000; 50 unless given.
            #[param(value_type = Option<u32>)]
            pub limit: Option<String>,
            /// `next` of the page before.
            pub cursor: Option<String>,
            /// Field to sort by; `-` in front sorts downwards.
            pub sort: Option<String>,
        }

        impl $name {
            /// The page asked for; without a sort, in the order `default`.
            fn page(&self, sorts: &[&str], default: &str) -> Result<muster_core::page::PageRequest, crate::problem::Problem> {
                crate::list::page(self.limit.as_deref(), self.cursor.as_deref(), self.sort.as_deref().unwrap_or(default), sorts)
            }
        }
    };
}
pub(crate) use asked;

/// Reads the page asked for.
pub fn page(limit: Option<&str>, cursor: Option<&str>, sort: &str, sorts: &[&str]) -> Result<PageRequest, Problem> {
    PageRequest::parse(limit, Some(sort), cursor, sorts).map_err(|bad| Problem::invalid(bad.parameter, bad.what))
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Goes on as `cursor`; null at the end.
    pub next: Option<String>,
    /// How many match in all; null when that is not counted.
    pub total: Option<i64>,
}

impl<T> List<T> {
    /// A page of the store as a page of the API.
    pub fn of<U>(page: Page<U>, f: impl FnMut(U) -> T) -> Self {
        Self { items: page.items.into_iter().map(f).collect(), next: page.next, total: page.total }
    }
}

/// A list as it was asked for: one page as JSON, or all rows as CSV.
pub(crate) async fn listed<T, F>(ctx: Ctx, sheet: Option<Sheet>, page: PageRequest, ask: F) -> Result<Response, Problem>
where
    T: Serialize + Send + 'static,
    F: Fn(&mut Rx, &Cx, &PageRequest) -> Result<Page<T>, Error> + Clone + Send + Sync + 'static,
{
    match sheet {
        Some(sheet) => csv::answer(ctx, sheet, page, ask).await,
        None => {
            let page = ctx.read(move |rx, cx| ask(rx, cx, &page)).await?;
            Ok(Json(List::of(page, |row| row)).into_response())
        }
    }
}

/// The values of a filter: several by comma; `\,` is a comma within a value.
pub fn values(text: Option<&str>) -> Vec<String> {
    let Some(text) = text else { return Vec::new() };
    let mut all = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ',' => all.push(String::new()),
            '\\' => all.last_mut().expect("it begins with one").extend(chars.next()),
            c => all.last_mut().expect("it begins with one").push(c),
        }
    }
    all.retain(|v| !v.trim().is_empty());
    all.iter().map(|v| v.trim().to_owned()).collect()
}

/// The values of a filter as words of a kind.
pub fn words<T: FromStr<Err: Display>>(name: &str, text: Option<&str>) -> Result<Vec<T>, Problem> {
    values(text).iter().map(|v| v.parse().map_err(|e: T::Err| Problem::invalid(name, e.to_string()))).collect()
}

/// One value of a kind, such as an id.
pub fn one<T: FromStr<Err: Display>>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    text.filter(|t| !t.is_empty()).map(|t| t.parse().map_err(|e: T::Err| Problem::invalid(name, e.to_string()))).transpose()
}

/// `true` or `false`.
pub fn flag(name: &str, text: Option<&str>) -> Result<Option<bool>, Problem> {
    match text {
        None | Some("") => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(Problem::invalid(name, format!("{name} is '{other}'; it is true or false"))),
    }
}

/// An instant: RFC 3339, a day (its beginning, UTC), or a period back from now such as `7d`.
pub fn moment(name: &str, text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else { return Ok(None) };
    // A plus sign of an offset comes as a space when it is not encoded.
    let spelled = text.replace(' ', "+");
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    let back = || Span::parse(text).map(|span| now.minus(span.0));
    let found = Timestamp::parse(&spelled).or_else(day).or_else(back);
    let unread = || {
        let forms = "an instant such as 2026-11-21T08:00:00Z, a day such as 2026-11-21, or a period back from now such as 7d or 12h";
        Problem::invalid(name, format!("{name} is '{text}'; it is {forms}"))
    };
    found.map(Some).ok_or_else(unread)
}

/// A text, unless it is empty.
pub fn text(text: Option<String>) -> Option<String> {
    text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_parted_by_commas_that_are_not_escaped() {
        assert_eq!(values(Some(r"Dell\, Inc., HP,,")), ["Dell, Inc.", "HP"]);
        assert_eq!(values(None), Vec::<String>::new());
        assert_eq!(values(Some("\\")), Vec::<String>::new());
    }

    #[test]
    fn a_moment_is_an_instant_a_day_or_a_period_back() {
        let now = Timestamp::parse("2026-11-21T12:00:00Z").expect("an instant");
        let read = |text| moment("since", Some(text), now).expect("read").map(|at| at.to_string());
        assert_eq!(read("2026-11-20T01:00:00+01:00").as_deref(), Some("2026-11-20T00:00:00.000Z"));
        assert_eq!(read("2026-11-20T01:00:00 01:00").as_deref(), Some("2026-11-20T00:00:00.000Z"));
        assert_eq!(read("2026-11-20").as_deref(), Some("2026-11-20T00:00:00.000Z"));
        assert_eq!(read("12h").as_deref(), Some("2026-11-21T00:00:00.000Z"));
        assert_eq!(read(""), None);
        assert!(moment("since", Some("yesterday"), now).is_err());
    }

    #[test]
    fn a_flag_is_true_or_false() {
        assert_eq!(flag("x", Some("true")).expect("read"), Some(true));
        assert_eq!(flag("x", None).expect("read"), None);
        assert!(flag("x", Some("yes")).is_err());
    }
}
