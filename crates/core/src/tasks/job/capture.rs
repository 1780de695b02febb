//! What is kept of a step for later ones: its exit code, its whole output, a group of a regular expression, a place in JSON.

use crate::limits::{OUTPUT_PATTERN_BYTES_MAX, OUTPUT_VALUE_BYTES_MAX};
use regex_lite::RegexBuilder;
use serde_json::Value;

/// How a value is captured.
#[derive(Clone, Debug)]
pub enum Capture {
    /// `exit_code`
    ExitCode,
    /// `output`: the whole of it, without white space around it.
    Output,
    /// `regex(PATTERN)`: the first group of the first place where it fits, or the whole of that place when it has no group.
    Regex(regex_lite::Regex),
    /// `json(PATH)`: a place such as `disk.free[0]` in an output that is JSON.
    Json(Vec<Place>),
}

/// A part of a way through JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A key of an object.
    Key(String),
    /// A place in a list.
    Index(usize),
}

impl Capture {
    /// Reads how a value is captured; a sentence when it cannot be.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > OUTPUT_PATTERN_BYTES_MAX {
            return Err(format!("this has {} bytes; at most {OUTPUT_PATTERN_BYTES_MAX} are read", text.len()));
        }
        let inside = |word: &str| text.trim().strip_prefix(word)?.strip_prefix('(')?.strip_suffix(')');
        match text.trim() {
            "exit_code" => Ok(Self::ExitCode),
            "output" => Ok(Self::Output),
            _ => match (inside("regex"), inside("json")) {
                (Some(pattern), _) => {
                    let built = RegexBuilder::new(pattern).multi_line(true).size_limit(1 << 20).build();
                    built.map(Self::Regex).map_err(|e| format!("the regular expression cannot be used: {e}"))
                }
                (_, Some(path)) => places(path.trim()).map(Self::Json),
                _ => Err(format!("'{text}' is no way to capture; write exit_code, output, regex(PATTERN) or json(PATH)")),
            },
        }
    }

    /// What is captured; `None`: it is not there, or longer than [`OUTPUT_VALUE_BYTES_MAX`] bytes.
    pub fn take(&self, exit_code: Option<i64>, output: Option<&str>) -> Option<Value> {
        let text = |text: &str| (text.len() <= OUTPUT_VALUE_BYTES_MAX).then(|| Value::from(text));
        match self {
            Self::ExitCode => exit_code.map(Value::from),
            Self::Output => text(output?.trim()),
            Self::Regex(regex) => {
                let found = regex.captures(output?)?;
                text(found.get(1).or_else(|| found.get(0))?.as_str())
            }
            Self::Json(places) => {
                let document: Value = serde_json::from_str(output?.trim()).ok()?;
                let found = places.iter().try_fold(&document, |at, place| match place {
                    Place::Key(key) => at.get(key),
                    Place::Index(index) => at.get(index),
                })?;
                match found {
                    Value::String(found) => text(found),
                    Value::Number(_) | Value::Bool(_) => Some(found.clone()),
                    _ => None,
                }
            }
        }
    }
}

fn places(path: &str) -> Result<Vec<Place>, String> {
    let path = path.strip_prefix('$').map_or(path, |rest| rest.strip_prefix('.').unwrap_or(rest));
    let mut all = Vec::new();
    for part in path.split('.').filter(|_| !path.is_empty()) {
        let (key, rest) = part.split_at(part.find('[').unwrap_or(part.len()));
        if !key.is_empty() {
            all.push(Place::Key(key.to_owned()));
        } else if rest.is_empty() {
            return Err(format!("'{path}' is no place in JSON, such as disk.free or disks[0].name"));
        }
        for index in rest.split('[').skip(1) {
            let number = index.strip_suffix(']').and_then(|n| n.parse().ok());
            let number = number.ok_or_else(|| format!("'[{index}' in '{path}' is no place in a list, such as [0]"))?;
            all.push(Place::Index(number));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn taken(how: &str, output: &str) -> Option<Value> {
        Capture::parse(how).unwrap_or_else(|e| panic!("{how}: {e}")).take(Some(3), Some(output))
    }

    #[test]
    fn values_are_captured_in_each_form() {
        assert_eq!(taken("exit_code", ""), Some(json!(3)));
        assert_eq!(taken("output", " a b\n"), Some(json!("a b")));
        assert_eq!(taken("regex(version ([0-9.]+))", "x\nversion 1.2\n"), Some(json!("1.2")));
        assert_eq!(taken("regex(^b.*$)", "a\nbc\n"), Some(json!("bc")));
        assert_eq!(taken("regex(z)", "a"), None);
        assert_eq!(taken("json(disks[1].free)", r#"{"disks": [{}, {"free": 7}]}"#), Some(json!(7)));
        assert_eq!(taken("json($.a)", r#"{"a": true}"#), Some(json!(true)));
        assert_eq!(taken("json(a)", r#"{"a": {}}"#), None);
        assert_eq!(taken("json(a)", "no json"), None);
        assert_eq!(taken("output", &"x".repeat(OUTPUT_VALUE_BYTES_MAX)), Some(json!("x".repeat(OUTPUT_VALUE_BYTES_MAX))));
        assert_eq!(taken("output", &"x".repeat(OUTPUT_VALUE_BYTES_MAX + 1)), None);
    }

    #[test]
    fn what_is_no_way_to_capture_is_refused() {
        for how in ["", "exit", "regex((", "regex((()", "json(a..b)", "json(a[x])", "json(a[1)"] {
            assert!(Capture::parse(how).is_err(), "{how}");
        }
        assert!(Capture::parse(&format!("regex({})", "x".repeat(OUTPUT_PATTERN_BYTES_MAX))).is_err());
    }
}
