//! What texts of actions can say of their run: `{{task.name}}`, and of the steps before: `{{steps.check.version}}`.

use crate::nearest::nearest;
use crate::tasks::job::Trail;
use serde_json::Value;

/// Every placeholder there is, without its braces.
pub const PLACEHOLDERS: [&str; 4] = ["task.name", "run.number", "run.id", "targets.count"];

/// What stands for the placeholders.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// `task.name`.
    pub task_name: &'a str,
    /// `run.number`.
    pub run_number: i64,
    /// `run.id`.
    pub run_id: &'a str,
    /// `targets.count`.
    pub targets_count: i64,
    /// What the steps before came to, in a job.
    pub trail: Option<&'a Trail>,
}

impl Facts<'_> {
    fn get(&self, name: &str) -> Option<String> {
        Some(match name {
            "task.name" => self.task_name.to_owned(),
            "run.number" => self.run_number.to_string(),
            "run.id" => self.run_id.to_owned(),
            "targets.count" => self.targets_count.to_string(),
            _ => return step_value(self.trail?, name),
        })
    }
}

/// The parts of `steps.ID.NAME` or `steps.ID.outputs.NAME`.
pub(super) fn step_part(name: &str) -> Option<(&str, &str)> {
    let (step, part) = name.strip_prefix("steps.")?.split_once('.')?;
    Some((step, part.strip_prefix("outputs.").unwrap_or(part)))
}

fn step_value(trail: &Trail, name: &str) -> Option<String> {
    let (step, part) = step_part(name)?;
    let result = trail.results.get(step);
    let value = match part {
        "state" => result.map(|r| Value::from(r.state.as_str())),
        "exit_code" => result.and_then(|r| r.exit_code).map(Value::from),
        name => result.and_then(|r| r.outputs.get(name)).cloned(),
    };
    // What was not captured is nothing, and not its own name.
    Some(match value {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    })
}

/// The placeholders of a text that ask for a step.
pub(super) fn of_steps(text: &str) -> Vec<&str> {
    let name = |piece| match piece {
        Piece::Name(name) if name.trim().starts_with("steps.") => Some(name.trim()),
        _ => None,
    };
    pieces(text).into_iter().filter_map(name).collect()
}

/// A placeholder of a text that is known only where the run is.
pub(super) fn of_run(text: &str) -> Option<&str> {
    pieces(text).into_iter().find_map(|piece| match piece {
        Piece::Name(name) if PLACEHOLDERS[1..].contains(&name.trim()) => Some(name.trim()),
        _ => None,
    })
}

/// A text as it is and a placeholder's name with the spaces around it, by turns.
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
    Unclosed(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut rest, mut pieces) = (text, Vec::new());
    while let Some((before, after)) = rest.split_once("{{") {
        pieces.push(Piece::Text(before));
        let Some((name, behind)) = after.split_once("}}") else {
            pieces.push(Piece::Unclosed(after));
            return pieces;
        };
        pieces.push(Piece::Name(name));
        rest = behind;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// What is wrong with the placeholders of a text, one sentence each.
pub(super) fn faults(text: &str) -> Vec<String> {
    let fault = |piece| match piece {
        Piece::Name(name) if !PLACEHOLDERS.contains(&name.trim()) && step_part(name.trim()).is_none() => {
            let name = name.trim();
            let hint = nearest(name, PLACEHOLDERS).map_or_else(String::new, |near| format!("; did you mean '{{{{{near}}}}}'?"));
            let end = if hint.is_empty() { format!("; there are {}", PLACEHOLDERS.join(", ")) } else { hint };
            Some(format!("there is no placeholder '{{{{{name}}}}}'{end}"))
        }
        Piece::Unclosed(_) => Some("a placeholder begins with '{{' and must end with '}}'".to_owned()),
        _ => None,
    };
    pieces(text).into_iter().filter_map(fault).collect()
}

/// A text with its placeholders filled in. What is filled in is not looked at again; what is no placeholder stays.
pub fn fill(text: &str, facts: &Facts) -> String {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Name(name) => match facts.get(name.trim()) {
                Some(value) => filled.push_str(&value),
                None => filled.push_str(&format!("{{{{{name}}}}}")),
            },
            Piece::Unclosed(rest) => {
                filled.push_str("{{");
                filled.push_str(rest);
            }
        }
    }
    filled
}
