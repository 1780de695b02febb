//! What makes steps a job: conditions, what follows an error, what is captured, and the barrier of a server job.

use super::read::{Reader, given, kind_of};
use super::{Mode, Scope, Step, TaskDoc, placeholders};
use crate::limits::{JUMPS_MAX, QUERY_BYTES_MAX, STEP_OUTPUTS_MAX};
use crate::settings::Span;
use crate::tasks::job::capture::Capture;
use crate::tasks::job::guard::{Guard, Part};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What follows a step that ends badly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The walk ends.
    #[default]
    Fail,
    /// It goes on as if nothing had happened.
    Continue,
    /// Another step is done, then this one again.
    Retry {
        /// The id of the other step.
        run: String,
        /// How often at most.
        max: u32,
    },
}

impl Serialize for OnError {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fail => json!("fail"),
            Self::Continue => json!("continue"),
            Self::Retry { run, max } => json!({"run": run, "then": "retry", "max": max}),
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for OnError {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let mut reader = Reader::default();
        let read = reader.on_error("", &value);
        read.filter(|_| reader.faults.is_empty()).ok_or_else(|| D::Error::custom(format!("{value} is not what follows an error")))
    }
}

/// What becomes of targets that a barrier did not wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stragglers {
    /// They take no further part.
    #[default]
    Drop,
    /// They take part in what follows.
    Keep,
}

/// How long a server job waits for a step to end on every target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Barrier {
    /// Enough of them: percent of the targets of the step; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "percent")]
    pub quorum: Option<u32>,
    /// So long at most, from the moment at which the step was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
    /// What becomes of those that it does not wait for.
    #[serde(default)]
    pub stragglers: Stragglers,
}

mod percent {
    use super::*;

    #[expect(clippy::ref_option, reason = "the shape that serde asks for")]
    pub(super) fn serialize<S: Serializer>(quorum: &Option<u32>, to: S) -> Result<S::Ok, S::Error> {
        quorum.map(|n| format!("{n}%")).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| read(&text).ok_or_else(|| D::Error::custom("no percentage"))).transpose()
    }

    pub(super) fn read(text: &str) -> Option<u32> {
        text.trim().strip_suffix('%')?.trim().parse().ok().filter(|n| (1..=100).contains(n))
    }
}

impl TaskDoc {
    /// Whether each target has a walk: several steps are done one after the other, or machines begin by themselves.
    pub fn is_job(&self) -> bool {
        self.steps.len() > 1 || self.is_offline()
    }

    /// Whether machines keep the task and begin it by their own clocks.
    pub fn is_offline(&self) -> bool {
        self.schedule.as_ref().is_some_and(|schedule| schedule.offline)
    }

    /// Whether a step is done only when another one fails.
    pub fn is_handler(&self, step: &Step) -> bool {
        self.steps.iter().any(|s| matches!(&s.on_error, Some(OnError::Retry { run, .. }) if *run == step.id))
    }
}

impl Reader {
    pub(super) fn on_error(&mut self, at: &str, value: &Value) -> Option<OnError> {
        let advice = "it is fail, continue, or {run: STEP, then: retry, max: 3}";
        match value {
            Value::String(word) if word == "fail" => Some(OnError::Fail),
            Value::String(word) if word == "continue" => Some(OnError::Continue),
            Value::Object(_) => {
                let map = self.object(at, value, &["run", "then", "max"], &[])?;
                let run = self.text(&format!("{at}/run"), map.get("run"), 60);
                if run.is_none() && given(map.get("run")).is_none() {
                    self.fault(&format!("{at}/run"), "the step that is run is missing");
                }
                self.word(&format!("{at}/then"), map.get("then"), &[("retry", ())]);
                let max = match given(map.get("max")) {
                    None => Some(3),
                    _ => self.number(&format!("{at}/max"), map.get("max"), 1..=JUMPS_MAX),
                };
                Some(OnError::Retry { run: run?, max: max? })
            }
            other => {
                self.fault(at, format!("{other} is not what follows an error: {advice}"));
                None
            }
        }
    }

    pub(super) fn when(&mut self, at: &str, value: Option<&Value>) -> Option<String> {
        let text = self.text(at, value, QUERY_BYTES_MAX)?;
        match Guard::parse(&text) {
            Ok(_) => Some(text),
            Err(bad) => {
                self.fault(at, bad.what);
                None
            }
        }
    }

    pub(super) fn outputs(&mut self, at: &str, value: Option<&Value>) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let Some(value) = given(value) else { return all };
        let Some(map) = value.as_object().filter(|map| map.len() <= STEP_OUTPUTS_MAX) else {
            let found = value.as_object().map_or(kind_of(value).to_owned(), |map| format!("{} of them", map.len()));
            self.fault(
                at,
                format!("at most {STEP_OUTPUTS_MAX} values such as {{version: regex(version ([0-9.]+))}} are expected here, not {found}"),
            );
            return all;
        };
        for (name, how) in map {
            let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            if !super::read::is_step_id(name) {
                self.fault(&place, format!("'{name}' is no name of a value; use letters, digits and _, beginning with a letter"));
            }
            match how.as_str().map(|text| (text, Capture::parse(text))) {
                Some((text, Ok(_))) => drop(all.insert(name.clone(), text.to_owned())),
                Some((_, Err(what))) => self.fault(&place, what),
                None => self.fault(&place, format!("a text is expected here, not {}", kind_of(how))),
            }
        }
        all
    }

    pub(super) fn barrier(&mut self, at: &str, value: Option<&Value>) -> Option<Barrier> {
        let map = self.object(at, given(value)?, &["quorum", "deadline", "stragglers"], &[])?;
        let quorum = self.text(&format!("{at}/quorum"), map.get("quorum"), 10);
        let percent = quorum.as_deref().and_then(percent::read);
        if let Some(text) = quorum.filter(|_| percent.is_none()) {
            self.fault(&format!("{at}/quorum"), format!("'{text}' is no share of the targets, such as 90%"));
        }
        let deadline = self.span(&format!("{at}/deadline"), map.get("deadline"));
        if deadline.is_some_and(|d| d.0 < Duration::from_secs(60)) {
            self.fault(&format!("{at}/deadline"), "a barrier waits at least 60s");
        }
        let words = [("drop", Stragglers::Drop), ("keep", Stragglers::Keep)];
        let stragglers = self.word(&format!("{at}/stragglers"), map.get("stragglers"), &words).unwrap_or_default();
        if percent.is_none() && deadline.is_none() {
            self.fault(at, "a barrier waits for every target anyway; give it a quorum, a deadline, or both");
        }
        Some(Barrier { quorum: percent, deadline, stragglers })
    }

    /// What only shows once all steps are read.
    pub(super) fn flow(&mut self, mode: Mode, steps: &[Step]) {
        self.sides(mode, steps);
        for (i, step) in steps.iter().enumerate() {
            let at = format!("/steps/{i}");
            if steps.iter().take(i).any(|s| s.id == step.id) {
                self.fault(&format!("{at}/id"), format!("there is a step '{}' already; ids differ", step.id));
            }
            if let Some(guard) = step.when.as_deref().and_then(|w| Guard::parse(w).ok()) {
                self.asked(&format!("{at}/when"), &guard, mode, &steps[..i]);
            }
            self.filled_in(&at, step, mode, &steps[..i]);
            if let Some(OnError::Retry { run, .. }) = &step.on_error {
                self.jump(&format!("{at}/on_error/run"), run, step, steps);
            }
            if step.barrier.is_some() && (mode != Mode::ServerJob || step.scope() != Scope::Client) {
                self.fault(&format!("{at}/barrier"), "only steps of machines in a server job have a barrier; remove 'barrier'");
            }
        }
    }

    fn sides(&mut self, mode: Mode, steps: &[Step]) {
        let servers: Vec<usize> = (0..steps.len()).filter(|i| steps[*i].scope() == Scope::Server).collect();
        match (mode, servers.first()) {
            (Mode::ClientJob, Some(first)) if steps.len() > 1 => {
                let what = "a client job has steps of machines only: each goes on by itself; set mode: server_job, where the server leads";
                self.fault(&format!("/steps/{first}/action"), what);
            }
            (Mode::ServerJob, None) if !steps.is_empty() => {
                let what =
                    "every step of this server job is done by machines, and none would wait for the others' sake; make it a client_job";
                self.fault("/mode", what);
            }
            _ => {}
        }
    }

    fn asked(&mut self, at: &str, guard: &Guard, mode: Mode, before: &[Step]) {
        if mode == Mode::ServerJob && guard.asks_device() {
            self.fault(
                at,
                "in a server job all targets take the same branch, so a condition cannot ask for the device; narrow the targets instead",
            );
        }
        for path in guard.paths() {
            let Some(step) = before.iter().find(|s| s.id == path.step) else {
                self.fault(at, format!("there is no step '{}' before this one", path.step));
                continue;
            };
            match &path.part {
                Part::Output(name) if !step.outputs.contains_key(name) => {
                    self.fault(at, format!("step '{}' captures no '{name}'; name it in its 'outputs'", path.step));
                }
                Part::Output(_) | Part::ExitCode if mode == Mode::ServerJob && step.scope() == Scope::Client => {
                    let what = "differs from target to target, and a server job has one branch for all; ask for .state or .counts";
                    self.fault(at, format!("what step '{}' told {what}", path.step));
                }
                Part::Count(_) if mode == Mode::ClientJob => {
                    self.fault(at, "a client job has no counts: each target walks alone; ask for .state or .exit_code");
                }
                _ => {}
            }
        }
    }

    /// What machines that begin by themselves cannot know or wait for.
    pub(super) fn offline(&mut self, mode: Mode, rollout: &super::Rollout, steps: &[Step]) {
        if mode == Mode::ServerJob {
            self.fault(
                "/schedule/offline",
                "machines begin by themselves, so their steps cannot wait for each other: set mode: client_job",
            );
        }
        if !rollout.waves.is_empty() || rollout.max_in_flight.is_some() {
            self.fault(
                "/rollout",
                "machines begin by themselves, so waves and limits cannot hold them; remove 'waves' and 'max_in_flight'",
            );
        }
        for (place, step) in steps.iter().enumerate() {
            if step.scope() == Scope::Server {
                self.fault(
                    &format!("/steps/{place}/action"),
                    "the server does this step, and machines begin without it; use a step of machines",
                );
            }
            let mut of_run = None;
            let _ = step.action.with_texts(|text| {
                of_run = of_run.take().or_else(|| placeholders::of_run(text).map(str::to_owned));
                String::new()
            });
            if let Some(name) = of_run {
                let what = format!("'{{{{{name}}}}}' is not known on a machine that begins by itself; remove it");
                self.fault(&format!("/steps/{place}/action"), what);
            }
        }
    }

    /// What texts ask of steps must be known by then.
    fn filled_in(&mut self, at: &str, step: &Step, mode: Mode, before: &[Step]) {
        let mut asked = Vec::new();
        let _ = step.action.with_texts(|text| {
            asked.extend(placeholders::of_steps(text).into_iter().map(str::to_owned));
            String::new()
        });
        for name in asked {
            let Some((id, part)) = placeholders::step_part(&name) else {
                self.fault(&format!("{at}/action"), format!("'{{{{{name}}}}}' is no part of a step, such as {{{{steps.check.version}}}}"));
                continue;
            };
            let found = before.iter().find(|s| s.id == id);
            let what = match found {
                None => format!("there is no step '{id}' before this one, which '{{{{{name}}}}}' asks for"),
                Some(s) if part != "state" && part != "exit_code" && !s.outputs.contains_key(part) => {
                    format!("step '{id}' captures no '{part}', which '{{{{{name}}}}}' asks for; name it in its 'outputs'")
                }
                Some(s) if mode == Mode::ServerJob && s.scope() == Scope::Client && step.scope() == Scope::Server && part != "state" => {
                    format!("what step '{id}' told differs from target to target, and this step is done once for all")
                }
                Some(_) => continue,
            };
            self.fault(&format!("{at}/action"), what);
        }
    }

    fn jump(&mut self, at: &str, run: &str, step: &Step, steps: &[Step]) {
        let Some(other) = steps.iter().find(|s| s.id == run) else {
            return self.fault(at, format!("there is no step '{run}'"));
        };
        if run == step.id {
            self.fault(at, "a step cannot be run to help itself; to try it again, write 'retry'");
        }
        if other.when.is_some() || other.on_error.is_some() || other.barrier.is_some() {
            self.fault(
                at,
                format!("step '{run}' is done only when '{}' fails; it has no 'when', 'on_error' or 'barrier' of its own", step.id),
            );
        }
    }
}
