//! What keys may hold, and how it is read from text and from TOML.

use muster_core::settings::Span;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// What a key may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Address,
    Path,
    DatabaseUrl,
    SmtpUrl,
    Mailbox,
    Switch,
    Words,
    Log,
    LogFormat,
    Count,
    Size,
    Duration,
}

/// A value that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Address(SocketAddr),
    Path(PathBuf),
    Text(String),
    Switch(bool),
    Words(Vec<String>),
    Count(usize),
    Size(usize),
    Duration(Duration),
}

/// Reads a value from the environment or a flag; `Err` is the end of a sentence.
pub(crate) fn from_text(kind: Kind, text: &str) -> Result<Value, String> {
    let wrong = |wanted: &str| format!("'{text}' is not {wanted}");
    match kind {
        Kind::Address => {
            address(text).map(Value::Address).ok_or_else(|| wrong("an address with a port such as 127.0.0.1:8350 or [::]:8350"))
        }
        Kind::Path if text.is_empty() => Err("the path is empty".to_owned()),
        Kind::Path => Ok(Value::Path(PathBuf::from(text))),
        Kind::DatabaseUrl if text.starts_with("postgres://") || text.starts_with("postgresql://") => Ok(Value::Text(text.to_owned())),
        Kind::DatabaseUrl => Err("it must begin with postgres://; for the embedded database leave it out and set data".to_owned()),
        Kind::SmtpUrl => crate::mail::server(text).map(|()| Value::Text(text.to_owned())),
        Kind::Mailbox => match text.parse::<lettre::message::Mailbox>() {
            Ok(_) => Ok(Value::Text(text.to_owned())),
            Err(_) => Err(wrong("a mail address such as Muster <muster@example.org>")),
        },
        Kind::Switch => match text.to_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Value::Switch(true)),
            "false" | "0" | "no" | "off" => Ok(Value::Switch(false)),
            _ => Err(wrong("true or false")),
        },
        Kind::Words => Ok(Value::Words(text.split(',').map(str::trim).filter(|w| !w.is_empty()).map(str::to_owned).collect())),
        Kind::Log => match text.parse::<tracing_subscriber::filter::Targets>() {
            Ok(_) => Ok(Value::Text(text.to_owned())),
            Err(_) => Err(wrong("a log level such as info, or muster_store=debug,info")),
        },
        Kind::LogFormat if ["text", "json"].contains(&text) => Ok(Value::Text(text.to_owned())),
        Kind::LogFormat => Err(wrong("text or json")),
        Kind::Count => match text.parse::<usize>() {
            Ok(n) if (1..=1_000_000).contains(&n) => Ok(Value::Count(n)),
            _ => Err(wrong("a whole number from 1 to 1000000")),
        },
        Kind::Size => match bytes(text) {
            Some(n) if (1..=16 << 30).contains(&n) => Ok(Value::Size(n)),
            Some(_) => Err(format!("{text} is not between 1B and 16GiB")),
            None => Err(wrong("a size such as 64KiB, 16MiB or 1GiB")),
        },
        Kind::Duration => match Span::parse(text) {
            Some(span) if span.0 >= Duration::from_millis(100) && span.0 <= Duration::from_secs(3_600) => Ok(Value::Duration(span.0)),
            Some(_) => Err(format!("{text} is not between 100ms and 1h")),
            None => Err(wrong("a duration such as 500ms, 30s or 5m")),
        },
    }
}

/// Reads a value of the file.
pub(crate) fn from_toml(kind: Kind, value: &toml::Value) -> Result<Value, String> {
    match (kind, value) {
        (Kind::Switch, toml::Value::Boolean(on)) => Ok(Value::Switch(*on)),
        (Kind::Count, toml::Value::Integer(n)) => from_text(kind, &n.to_string()),
        (Kind::Words, toml::Value::Array(words)) => words
            .iter()
            .map(|w| w.as_str().map(str::to_owned).ok_or_else(|| format!("{w} is not a text")))
            .collect::<Result<_, _>>()
            .map(Value::Words),
        (Kind::Switch, _) => Err("write true or false, without quotes".to_owned()),
        (Kind::Count, _) => Err("write a whole number, without quotes".to_owned()),
        (Kind::Words, _) => Err("write a list of texts in brackets".to_owned()),
        (_, toml::Value::String(text)) => from_text(kind, text),
        _ => Err("write a text in quotes".to_owned()),
    }
}

const UNITS: [(&str, usize); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A size in bytes: a whole number and a unit.
fn bytes(text: &str) -> Option<usize> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, factor) = UNITS.into_iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<usize>().ok()?.checked_mul(factor)
}

/// A size with the largest unit that gives a whole number.
pub(super) fn size(bytes: usize) -> String {
    let (name, factor) = UNITS.into_iter().find(|(_, factor)| bytes.is_multiple_of(*factor)).unwrap_or(("B", 1));
    format!("{}{name}", bytes / factor)
}

fn address(text: &str) -> Option<SocketAddr> {
    if let Some(port) = text.strip_prefix("localhost:") {
        return port.parse().ok().map(|p| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), p));
    }
    text.parse().ok()
}

/// How a value is shown; what is secret in it is `***`.
pub(crate) fn shown(kind: Kind, value: &Value) -> toml::Value {
    match value {
        Value::Address(a) => a.to_string().into(),
        Value::Path(p) => p.display().to_string().into(),
        Value::Text(t) if matches!(kind, Kind::DatabaseUrl | Kind::SmtpUrl) => without_password(t).into(),
        Value::Text(t) => t.clone().into(),
        Value::Switch(on) => (*on).into(),
        Value::Words(w) => w.clone().into(),
        Value::Count(n) => i64::try_from(*n).unwrap_or(i64::MAX).into(),
        Value::Size(n) => size(*n).into(),
        Value::Duration(d) => Span(*d).to_string().into(),
    }
}

/// An address whose password, also one in the query, is `***`.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "***".to_owned() };
    let (place, query) = rest.split_once('?').map_or((rest, None), |(p, q)| (p, Some(q)));
    let place = match place.rsplit_once('@') {
        Some((who, host)) => match who.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => place.to_owned(),
        },
        None => place.to_owned(),
    };
    let hidden = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if name.eq_ignore_ascii_case("password") => format!("{name}=***"),
        _ => pair.to_owned(),
    };
    match query {
        Some(query) => format!("{scheme}://{place}?{}", query.split('&').map(hidden).collect::<Vec<_>>().join("&")),
        None => format!("{scheme}://{place}"),
    }
}
