//! Conditions of steps: a typed subset of CEL in our own syntax tree. What is missing is false.
//!
//! `steps.check.exit_code == 3 && device.os_family == "linux"`. Of a step there are `state`, `exit_code`, `outputs.NAME` and, in a
//! server job, `counts.STATE`; of the device, the fields of queries.

use super::{StepResult, Trail};
use crate::fleet::DeviceFacts;
use crate::limits::QUERY_TERMS_MAX;
use crate::query::{self, BadQuery, Field, Literal, Op, Query};
use crate::tasks::state::State;
use cel::common::ast::{Expr, operators};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A part of what a step came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The word of its state.
    State,
    /// Its exit code.
    ExitCode,
    /// What was captured under a name.
    Output(String),
    /// How many targets ended so.
    Count(State),
}

/// A part of what a step came to, by the step's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path {
    /// The step.
    pub step: String,
    /// The part.
    pub part: Part,
}

/// A condition's syntax tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// What is asked of the device, or always, or never.
    Device(Query),
    /// All must hold.
    And(Vec<Guard>),
    /// One must hold.
    Or(Vec<Guard>),
    /// Must not hold.
    Not(Box<Guard>),
    /// A part of a step's result compared with a literal; false when it is missing.
    Compare(Path, Op, Literal),
    /// Whether a part is there.
    Has(Path),
}

/// A condition for one device: what it asked of the device is answered, so that it holds or not by what the steps come to alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Always, or never.
    Known(bool),
    /// All must hold.
    And(Vec<Bound>),
    /// One must hold.
    Or(Vec<Bound>),
    /// Must not hold.
    Not(Box<Bound>),
    /// A part of a step's result compared with a literal; false when it is missing.
    Compare(Path, Op, Literal),
    /// Whether a part is there.
    Has(Path),
}

impl Bound {
    /// Whether it holds.
    pub fn holds(&self, trail: &Trail) -> bool {
        match self {
            Bound::Known(answer) => *answer,
            Bound::And(all) => all.iter().all(|it| it.holds(trail)),
            Bound::Or(any) => any.iter().any(|it| it.holds(trail)),
            Bound::Not(inner) => !inner.holds(trail),
            Bound::Compare(path, op, literal) => value(path, trail).is_some_and(|have| compare(&have, *op, literal)),
            Bound::Has(path) => value(path, trail).is_some(),
        }
    }
}

/// What a condition is asked of.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What happened so far.
    pub trail: &'a Trail,
    /// The device; none in a server job.
    pub device: Option<&'a DeviceFacts>,
}

fn bad<T>(what: impl Into<String>) -> Result<T, BadQuery> {
    Err(BadQuery { what: what.into() })
}

impl Guard {
    /// Reads a condition. Limits as of queries: [`crate::limits::QUERY_BYTES_MAX`] bytes, [`QUERY_TERMS_MAX`] terms.
    pub fn parse(text: &str) -> Result<Self, BadQuery> {
        let empty = "remove 'when', or write one such as steps.check.exit_code == 0";
        let program = query::compiled(text, "condition", empty)?;
        convert(&program.expression().expr, &mut 0)
    }

    /// Whether it holds.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        self.bound(facts.device).holds(facts.trail)
    }

    /// The condition for one device; without a device, whatever it asks of one does not hold.
    pub fn bound(&self, device: Option<&DeviceFacts>) -> Bound {
        match self {
            Guard::Device(Query::Always(answer)) => Bound::Known(*answer),
            Guard::Device(query) => Bound::Known(device.is_some_and(|device| query.matches(device))),
            Guard::And(all) => Bound::And(all.iter().map(|g| g.bound(device)).collect()),
            Guard::Or(any) => Bound::Or(any.iter().map(|g| g.bound(device)).collect()),
            Guard::Not(inner) => Bound::Not(Box::new(inner.bound(device))),
            Guard::Compare(path, op, literal) => Bound::Compare(path.clone(), *op, literal.clone()),
            Guard::Has(path) => Bound::Has(path.clone()),
        }
    }

    /// Everything it asks of steps.
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Guard::Device(_) => Vec::new(),
            Guard::And(all) | Guard::Or(all) => all.iter().flat_map(Guard::paths).collect(),
            Guard::Not(inner) => inner.paths(),
            Guard::Compare(path, ..) | Guard::Has(path) => vec![path],
        }
    }

    /// Whether it asks anything of the device.
    pub fn asks_device(&self) -> bool {
        match self {
            Guard::Device(query) => !matches!(query, Query::Always(_)),
            Guard::And(all) | Guard::Or(all) => all.iter().any(Guard::asks_device),
            Guard::Not(inner) => inner.asks_device(),
            Guard::Compare(..) | Guard::Has(_) => false,
        }
    }
}

fn value(path: &Path, trail: &Trail) -> Option<Value> {
    let result: &StepResult = trail.results.get(&path.step)?;
    match &path.part {
        Part::State => Some(result.state.as_str().into()),
        Part::ExitCode => result.exit_code.map(Value::from),
        Part::Output(name) => result.outputs.get(name).cloned(),
        Part::Count(state) => Some(result.counts.get(state.as_str()).copied().unwrap_or(0).into()),
    }
}

/// A value compared as the literal asks: a text that is a whole number counts as one beside a number.
fn compare(have: &Value, op: Op, literal: &Literal) -> bool {
    match literal {
        Literal::Flag(wanted) => op == Op::Eq && have.as_bool() == Some(*wanted),
        Literal::Number(wanted) => {
            let number = have.as_i64().or_else(|| have.as_str().and_then(|text| text.trim().parse().ok()));
            number.is_some_and(|have| query::ordered(&have, op, wanted))
        }
        Literal::Text(wanted) => match have {
            Value::String(text) => query::compare_text(text, op, wanted),
            Value::Null | Value::Array(_) | Value::Object(_) => false,
            other => query::compare_text(&other.to_string(), op, wanted),
        },
    }
}

fn convert(expr: &Expr, terms: &mut usize) -> Result<Guard, BadQuery> {
    *terms += 1;
    if *terms > QUERY_TERMS_MAX {
        return bad(format!("the condition has more than {QUERY_TERMS_MAX} terms"));
    }
    if !asks_steps(expr) {
        let query = query::convert(expr, terms)?;
        return match uses(&query, Field::Software) {
            true => bad("a condition cannot ask for programs; narrow the targets by a query instead"),
            false => Ok(Guard::Device(query)),
        };
    }
    match expr {
        Expr::Select(select) if select.test => Ok(Guard::Has(path_of(&select.operand.expr, Some(&select.field))?)),
        Expr::Select(_) => Ok(Guard::Compare(path_of(expr, None)?, Op::Eq, Literal::Flag(true))),
        Expr::Call(call) => convert_call(&call.func_name, call.target.as_deref().map(|t| &t.expr), &call.args, terms),
        _ => bad("this form is not part of a condition: use steps, literals, == != < <= > >= in && || ! contains startsWith endsWith has"),
    }
}

fn convert_call(name: &str, target: Option<&Expr>, args: &[cel::IdedExpr], terms: &mut usize) -> Result<Guard, BadQuery> {
    let all = |terms: &mut usize| args.iter().map(|a| convert(&a.expr, terms)).collect::<Result<Vec<Guard>, _>>();
    match (name, target, args) {
        (operators::LOGICAL_AND, None, _) => Ok(Guard::And(all(terms)?)),
        (operators::LOGICAL_OR, None, _) => Ok(Guard::Or(all(terms)?)),
        (operators::LOGICAL_NOT, None, [inner]) => Ok(Guard::Not(Box::new(convert(&inner.expr, terms)?))),
        (operators::NOT_EQUALS, None, [left, right]) => Ok(Guard::Not(Box::new(comparison(&left.expr, Op::Eq, &right.expr)?))),
        (operators::IN, None, [left, right]) => match &right.expr {
            Expr::List(list) => {
                let each = list.elements.iter().map(|e| comparison(&left.expr, Op::Eq, &e.expr));
                each.collect::<Result<Vec<_>, _>>().map(Guard::Or)
            }
            _ => bad("'in' wants a list: steps.check.exit_code in [0, 3]"),
        },
        _ => match (query::operator(name, target.is_some()), target, args) {
            (Some(op), Some(left), [right]) | (Some(op), None, [cel::IdedExpr { expr: left, .. }, right]) => {
                comparison(left, op, &right.expr)
            }
            _ => {
                let name = name.trim_matches('_');
                bad(format!("'{name}' is not part of a condition: use == != < <= > >= in && || ! contains startsWith endsWith has"))
            }
        },
    }
}

fn comparison(left: &Expr, op: Op, right: &Expr) -> Result<Guard, BadQuery> {
    if matches!(left, Expr::Literal(_)) {
        return comparison(right, query::turned(op), left);
    }
    let (path, literal) = (path_of(left, None)?, query::literal_of(right)?);
    let what = format!("steps.{}", path.step);
    match (&path.part, &literal) {
        (Part::ExitCode | Part::Count(_), Literal::Number(_)) => {}
        (Part::ExitCode | Part::Count(_), _) => return bad(format!("a number of {what} is compared with a whole number")),
        (Part::State, Literal::Text(word)) if op == Op::Eq => {
            word.parse::<State>().map_err(|what| BadQuery { what })?;
        }
        (Part::State, _) => return bad(format!("{what}.state is compared with a word in quotes, such as \"ok\", by == or !=")),
        (Part::Output(_), _) => {}
    }
    Ok(Guard::Compare(path, op, literal))
}

/// The names of a chain such as `steps.check.exit_code`.
fn chain(expr: &Expr) -> Option<Vec<&str>> {
    match expr {
        Expr::Ident(name) => Some(vec![name]),
        Expr::Select(select) => {
            let mut names = chain(&select.operand.expr)?;
            names.push(&select.field);
            Some(names)
        }
        _ => None,
    }
}

fn path_of(expr: &Expr, last: Option<&str>) -> Result<Path, BadQuery> {
    let names = chain(expr).map(|names| names.into_iter().chain(last).collect::<Vec<_>>());
    let part = match names.as_deref() {
        Some(["steps", _, "state"]) => Part::State,
        Some(["steps", _, "exit_code"]) => Part::ExitCode,
        Some(["steps", _, "outputs", name]) => Part::Output((*name).to_owned()),
        Some(["steps", _, "counts", word]) => Part::Count(word.parse().map_err(|what| BadQuery { what })?),
        Some(["steps", step, part, ..]) => {
            return bad(format!("a step has no '{part}'; there are steps.{step}.state, .exit_code, .outputs.NAME and .counts.STATE"));
        }
        _ => return bad("one side is a part of a step, such as steps.check.exit_code, the other a literal"),
    };
    let step = names.and_then(|names| names.get(1).map(|step| (*step).to_owned())).unwrap_or_default();
    Ok(Path { step, part })
}

/// Whether anything is asked of steps.
fn asks_steps(expr: &Expr) -> bool {
    match expr {
        Expr::Ident(name) => name == "steps",
        Expr::Select(select) => asks_steps(&select.operand.expr),
        Expr::Call(call) => call.target.as_ref().is_some_and(|t| asks_steps(&t.expr)) || call.args.iter().any(|a| asks_steps(&a.expr)),
        Expr::List(list) => list.elements.iter().any(|e| asks_steps(&e.expr)),
        _ => false,
    }
}

fn uses(query: &Query, field: Field) -> bool {
    match query {
        Query::Always(_) => false,
        Query::And(all) | Query::Or(all) => all.iter().any(|q| uses(q, field)),
        Query::Not(inner) => uses(inner, field),
        Query::Compare(asked, ..) | Query::Has(asked) => *asked == field,
    }
}
