//! Queries over devices: a typed subset of CEL in our own syntax tree.
//!
//! `os_family == "linux" && !(tag in ["kiosk", "lab"]) && name.startsWith("pc-")`. Missing is false, comparison is bytewise. The
//! evaluator here and the SQL made by the store must give the same devices; nothing else interprets a query.

use crate::limits::{QUERY_BYTES_MAX, QUERY_TERMS_MAX};
use crate::nearest::nearest;
use cel::common::ast::{Expr, LiteralValue, operators};
use serde::{Deserialize, Serialize};

/// A field of a device that a query may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The shown name.
    Name,
    /// The administrative tag.
    Tag,
    /// The operating system's full name.
    Os,
    /// `linux`, `windows`, `macos`, `other`.
    OsFamily,
    /// Maker of the machine.
    Manufacturer,
    /// Model of the machine.
    Model,
    /// Serial number of the machine.
    Serial,
    /// System UUID.
    Uuid,
    /// Protocol of the device's agent.
    Protocol,
    /// Version of the device's agent.
    AgentVersion,
    /// Name of the first processor.
    Cpu,
    /// Memory, MB.
    MemoryMb,
    /// Number of programs.
    SoftwareCount,
    /// Whether its agents are verified.
    Verified,
    /// Any of its IP addresses.
    Ip,
    /// Any of its MAC addresses.
    Mac,
    /// The name of any of its programs.
    Software,
}

/// What kind of value a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One text.
    Text,
    /// One whole number.
    Number,
    /// True or false.
    Flag,
    /// Any of several texts: a comparison holds when it holds for one of them.
    Texts,
}

const FIELDS: &[(&str, Field, Kind)] = &[
    ("agent_version", Field::AgentVersion, Kind::Text),
    ("cpu", Field::Cpu, Kind::Text),
    ("ip", Field::Ip, Kind::Texts),
    ("mac", Field::Mac, Kind::Texts),
    ("manufacturer", Field::Manufacturer, Kind::Text),
    ("memory_mb", Field::MemoryMb, Kind::Number),
    ("model", Field::Model, Kind::Text),
    ("name", Field::Name, Kind::Text),
    ("os", Field::Os, Kind::Text),
    ("os_family", Field::OsFamily, Kind::Text),
    ("protocol", Field::Protocol, Kind::Text),
    ("serial", Field::Serial, Kind::Text),
    ("software", Field::Software, Kind::Texts),
    ("software_count", Field::SoftwareCount, Kind::Number),
    ("tag", Field::Tag, Kind::Text),
    ("uuid", Field::Uuid, Kind::Text),
    ("verified", Field::Verified, Kind::Flag),
];

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// `==`
    Eq,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `.startsWith("…")`
    StartsWith,
    /// `.endsWith("…")`
    EndsWith,
    /// `.contains("…")`
    Contains,
}

/// A literal of a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Flag(bool),
}

/// A query's syntax tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Always (`true`) or never (`false`).
    Always(bool),
    /// All must hold.
    And(Vec<Query>),
    /// One must hold.
    Or(Vec<Query>),
    /// Must not hold.
    Not(Box<Query>),
    /// A field compared with a literal; false when the field is missing.
    Compare(Field, Op, Literal),
    /// `has(field)`: the field is there.
    Has(Field),
}

/// Why a text is no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BadQuery {
    /// A sentence: what is wrong, with which part, what to do.
    pub what: String,
}

fn bad<T>(what: impl Into<String>) -> Result<T, BadQuery> {
    Err(BadQuery { what: what.into() })
}

impl Query {
    /// Reads a query. Limits: [`QUERY_BYTES_MAX`] bytes, [`QUERY_TERMS_MAX`] terms.
    pub fn parse(text: &str) -> Result<Self, BadQuery> {
        let program = compiled(text, "query", "it selects nothing. Write 'true' to mean every device")?;
        let mut terms = 0;
        convert(&program.expression().expr, &mut terms)
    }

    /// Whether a device is selected.
    pub fn matches(&self, device: &impl Facts) -> bool {
        match self {
            Query::Always(answer) => *answer,
            Query::And(all) => all.iter().all(|q| q.matches(device)),
            Query::Or(any) => any.iter().any(|q| q.matches(device)),
            Query::Not(q) => !q.matches(device),
            Query::Has(field) => !device.texts(*field).is_empty() || device.number(*field).is_some() || device.flag(*field).is_some(),
            Query::Compare(field, op, literal) => match literal {
                Literal::Text(wanted) => device.texts(*field).iter().any(|have| compare_text(have, *op, wanted)),
                Literal::Number(wanted) => device.number(*field).is_some_and(|have| ordered(&have, *op, wanted)),
                Literal::Flag(wanted) => device.flag(*field).is_some_and(|have| have == *wanted),
            },
        }
    }
}

impl Query {
    /// Whether the answer may depend on a field.
    pub fn asks(&self, field: Field) -> bool {
        match self {
            Query::Always(_) => false,
            Query::And(parts) | Query::Or(parts) => parts.iter().any(|q| q.asks(field)),
            Query::Not(q) => q.asks(field),
            Query::Has(asked) | Query::Compare(asked, ..) => *asked == field,
        }
    }
}

/// What a query can ask of a device.
pub trait Facts {
    /// The texts of a field; none when it is missing or not text.
    fn texts(&self, field: Field) -> Vec<&str>;
    /// The number of a field.
    fn number(&self, field: Field) -> Option<i64>;
    /// The flag of a field.
    fn flag(&self, field: Field) -> Option<bool>;
}

/// The kind of a field.
pub fn kind(field: Field) -> Kind {
    FIELDS.iter().find(|(_, f, _)| *f == field).map_or(Kind::Text, |(_, _, kind)| *kind)
}

/// A text in CEL, within [`QUERY_BYTES_MAX`]; `what` it is, and what to say of an empty one.
pub(crate) fn compiled(text: &str, what: &str, empty: &str) -> Result<cel::Program, BadQuery> {
    if text.len() > QUERY_BYTES_MAX {
        return bad(format!("the {what} has {} bytes; at most {QUERY_BYTES_MAX} are read", text.len()));
    }
    if text.trim().is_empty() {
        return bad(format!("the {what} is empty: {empty}"));
    }
    cel::Program::compile(text).or_else(|errors| {
        let first = errors.errors.first().map_or_else(|| errors.to_string(), |e| e.msg.clone());
        bad(format!("the {what} cannot be read: {first}"))
    })
}

pub(crate) fn ordered<T: Ord>(have: &T, op: Op, wanted: &T) -> bool {
    match op {
        Op::Eq => have == wanted,
        Op::Lt => have < wanted,
        Op::Le => have <= wanted,
        Op::Gt => have > wanted,
        Op::Ge => have >= wanted,
        Op::StartsWith | Op::EndsWith | Op::Contains => false,
    }
}

pub(crate) fn compare_text(have: &str, op: Op, wanted: &str) -> bool {
    match op {
        Op::StartsWith => have.starts_with(wanted),
        Op::EndsWith => have.ends_with(wanted),
        Op::Contains => have.contains(wanted),
        _ => ordered(&have.as_bytes(), op, &wanted.as_bytes()),
    }
}

pub(crate) fn convert(expr: &Expr, terms: &mut usize) -> Result<Query, BadQuery> {
    *terms += 1;
    if *terms > QUERY_TERMS_MAX {
        return bad(format!("the query has more than {QUERY_TERMS_MAX} terms; split it"));
    }
    match expr {
        Expr::Literal(LiteralValue::Boolean(b)) => Ok(Query::Always(*b.inner())),
        Expr::Select(select) if select.test => Ok(Query::Has(field_named(&select.field)?.0)),
        Expr::Ident(_) | Expr::Select(_) => match field_of(expr)? {
            (field, Kind::Flag) => Ok(Query::Compare(field, Op::Eq, Literal::Flag(true))),
            _ => bad("a field alone says nothing: compare it, for instance name == \"pc-1\""),
        },
        Expr::Call(call) => convert_call(&call.func_name, call.target.as_deref().map(|t| &t.expr), &call.args, terms),
        _ => bad("this form is not part of a query: use fields, literals, == != < <= > >= in && || ! contains startsWith endsWith has"),
    }
}

fn convert_call(name: &str, target: Option<&Expr>, args: &[cel::IdedExpr], terms: &mut usize) -> Result<Query, BadQuery> {
    let two = |terms: &mut usize| -> Result<Vec<Query>, BadQuery> { args.iter().map(|a| convert(&a.expr, terms)).collect() };
    let op = match (name, target, args) {
        (operators::LOGICAL_AND, None, _) => return Ok(Query::And(two(terms)?)),
        (operators::LOGICAL_OR, None, _) => return Ok(Query::Or(two(terms)?)),
        (operators::LOGICAL_NOT, None, [inner]) => return Ok(Query::Not(Box::new(convert(&inner.expr, terms)?))),
        (operators::NOT_EQUALS, None, [left, right]) => {
            return Ok(Query::Not(Box::new(comparison(&left.expr, Op::Eq, &right.expr)?)));
        }
        (operators::IN, None, [left, right]) => return membership(&left.expr, &right.expr),
        _ => operator(name, target.is_some()).ok_or_else(|| BadQuery {
            what: format!(
                "'{}' is not part of a query: use == != < <= > >= in && || ! contains startsWith endsWith has",
                name.trim_matches('_')
            ),
        })?,
    };
    match (target, args) {
        (Some(field), [literal]) => comparison(field, op, &literal.expr),
        (None, [left, right]) => comparison(&left.expr, op, &right.expr),
        _ => bad("a comparison has two sides"),
    }
}

/// The comparison of a function's name; of a method when `is_method`.
pub(crate) fn operator(name: &str, is_method: bool) -> Option<Op> {
    Some(match (name, is_method) {
        ("contains", true) => Op::Contains,
        ("startsWith", true) => Op::StartsWith,
        ("endsWith", true) => Op::EndsWith,
        (operators::EQUALS, false) => Op::Eq,
        (operators::LESS, false) => Op::Lt,
        (operators::LESS_EQUALS, false) => Op::Le,
        (operators::GREATER, false) => Op::Gt,
        (operators::GREATER_EQUALS, false) => Op::Ge,
        _ => return None,
    })
}

/// The comparison with its sides changed.
pub(crate) fn turned(op: Op) -> Op {
    match op {
        Op::Lt => Op::Gt,
        Op::Le => Op::Ge,
        Op::Gt => Op::Lt,
        Op::Ge => Op::Le,
        other => other,
    }
}

fn comparison(left: &Expr, op: Op, right: &Expr) -> Result<Query, BadQuery> {
    if let (Expr::Literal(_), Expr::Ident(_) | Expr::Select(_)) = (left, right) {
        return comparison(right, turned(op), left);
    }
    let (field, kind) = field_of(left)?;
    let literal = literal_of(right)?;
    let name = FIELDS.iter().find(|(_, f, _)| *f == field).map_or("", |(n, _, _)| n);
    match (&literal, kind, op) {
        (Literal::Text(_), Kind::Text | Kind::Texts, _) => {}
        (Literal::Number(_), Kind::Number, Op::Eq | Op::Lt | Op::Le | Op::Gt | Op::Ge) => {}
        (Literal::Flag(_), Kind::Flag, Op::Eq) => {}
        (_, Kind::Text | Kind::Texts, _) => return bad(format!("{name} is a text: write its value in quotes")),
        (_, Kind::Number, _) => return bad(format!("{name} is a whole number: compare it with one")),
        (_, Kind::Flag, _) => return bad(format!("{name} is true or false: write {name} or !{name}")),
    }
    Ok(Query::Compare(field, op, literal))
}

fn membership(left: &Expr, right: &Expr) -> Result<Query, BadQuery> {
    match (left, right) {
        (_, Expr::List(list)) => {
            list.elements.iter().map(|e| comparison(left, Op::Eq, &e.expr)).collect::<Result<Vec<_>, _>>().map(Query::Or)
        }
        (Expr::Literal(_), _) => comparison(right, Op::Eq, left),
        _ => bad("'in' wants a list: tag in [\"a\", \"b\"]"),
    }
}

fn field_of(expr: &Expr) -> Result<(Field, Kind), BadQuery> {
    match expr {
        Expr::Ident(name) => field_named(name),
        Expr::Select(select) if !select.test => match &select.operand.expr {
            Expr::Ident(root) if root == "device" => field_named(&select.field),
            Expr::Select(os) if os.field == "os" && !os.test && matches!(&os.operand.expr, Expr::Ident(root) if root == "device") => {
                match select.field.as_str() {
                    "family" => field_named("os_family"),
                    "name" => field_named("os"),
                    other => bad(format!("there is no device.os.{other}; there are device.os.family and device.os.name")),
                }
            }
            _ => bad("fields are written as name or device.name"),
        },
        _ => bad("the left side must be a field, such as name or os_family"),
    }
}

fn field_named(name: &str) -> Result<(Field, Kind), BadQuery> {
    if let Some((_, field, kind)) = FIELDS.iter().find(|(n, _, _)| *n == name) {
        return Ok((*field, *kind));
    }
    match nearest(name, FIELDS.iter().map(|(n, _, _)| *n)) {
        Some(near) => bad(format!("there is no field '{name}'; did you mean '{near}'?")),
        None => bad(format!("there is no field '{name}'; there are: {}", FIELDS.iter().map(|f| f.0).collect::<Vec<_>>().join(", "))),
    }
}

pub(crate) fn literal_of(expr: &Expr) -> Result<Literal, BadQuery> {
    match expr {
        Expr::Literal(LiteralValue::String(s)) => Ok(Literal::Text(s.inner().to_owned())),
        Expr::Literal(LiteralValue::Int(i)) => Ok(Literal::Number(*i.inner())),
        Expr::Literal(LiteralValue::Boolean(b)) => Ok(Literal::Flag(*b.inner())),
        _ => bad("the right side must be a text in quotes, a whole number, true or false"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pc;
    impl Facts for Pc {
        fn texts(&self, field: Field) -> Vec<&str> {
            match field {
                Field::Name => vec!["pc-7"],
                Field::OsFamily => vec!["linux"],
                Field::Ip => vec!["10.0.0.7", "fe80::1"],
                _ => vec![],
            }
        }
        fn number(&self, field: Field) -> Option<i64> {
            (field == Field::MemoryMb).then_some(2048)
        }
        fn flag(&self, field: Field) -> Option<bool> {
            (field == Field::Verified).then_some(true)
        }
    }

    fn check(text: &str, expected: bool) {
        assert_eq!(Query::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).matches(&Pc), expected, "{text}");
    }

    #[test]
    fn queries_select_as_they_read() {
        check("true", true);
        check("name == 'pc-7'", true);
        check("device.name == \"pc-7\" && memory_mb >= 2048", true);
        check("2048 < memory_mb", false);
        check("name in ['a', 'pc-7']", true);
        check("name in []", false);
        check("!(os_family == 'windows') || verified", true);
        check("verified == false", false);
        check("name.startsWith('pc-') && name.endsWith('7') && name.contains('-')", true);
        check("'10.0.0.7' in ip", true);
        check("ip == 'fe80::1'", true);
    }

    #[test]
    fn what_is_missing_is_false_and_its_denial_true() {
        check("tag == 'x'", false);
        check("tag != 'x'", true);
        check("has(device.tag)", false);
        check("has(device.name)", true);
        check("software == 'bash'", false);
    }

    #[test]
    fn a_query_tells_what_it_asks_for() {
        let query = Query::parse("!(has(device.tag) || software == 'bash') && true").expect("a query");
        assert!(query.asks(Field::Software) && query.asks(Field::Tag) && !query.asks(Field::Name));
    }

    #[test]
    fn a_bad_query_says_what_is_wrong() {
        for (text, part) in [
            ("", "selects nothing"),
            ("nam == 'x'", "did you mean 'name'"),
            ("name", "compare it"),
            ("name == 7", "in quotes"),
            ("memory_mb == 'x'", "whole number"),
            ("name.matches('x')", "not part of a query"),
            ("software.exists(s, s == 'x')", "not part of a query"),
            ("name == ", "cannot be read"),
        ] {
            let error = Query::parse(text).expect_err(text).what;
            assert!(error.contains(part), "{text}: {error}");
        }
        let long = vec!["name == 'x'"; 101].join(" || ");
        assert!(Query::parse(&long).expect_err("too many").what.contains("more than 200 terms"));
        assert!(Query::parse(&vec!["verified"; 99].join("||")).is_ok());
        assert!(Query::parse(&" ".repeat(QUERY_BYTES_MAX + 1)).is_err());
    }
}
