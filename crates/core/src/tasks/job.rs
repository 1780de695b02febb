//! Jobs: which step is next, given what happened. One function for every walk, whoever does it: the server for agents that cannot
//! walk, and for all targets of a server job at once.
//!
//! Everything goes forward, but for one backward jump: a step that fails may have another one run, and is then tried again. A step
//! that is named for such a jump is done only then.

pub mod capture;
pub mod guard;
pub mod led;
#[cfg(test)]
mod tests;

use super::doc::{OnError, Step, Stragglers, TaskDoc};
use super::run::Counts;
use super::state::State;
use crate::fleet::DeviceFacts;
use crate::query::Query;
use capture::Capture;
use guard::{Bound, Facts, Guard};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a step came to, for one target of a client job or for all of a server job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// How it ended.
    pub state: State,
    /// Its exit code, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// What was captured of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Value>,
    /// How many targets ended in which state; of a server job.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, i64>,
}

impl StepResult {
    /// A step that ended so, with nothing more known of it.
    pub fn new(state: State) -> Self {
        Self { state, exit_code: None, outputs: BTreeMap::new(), counts: BTreeMap::new() }
    }
}

/// What a walk remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trail {
    /// What each step came to last, by its id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub results: BTreeMap<String, StepResult>,
    /// How often each step was jumped back from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub jumps: BTreeMap<String, u32>,
    /// How often each step was begun.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rounds: BTreeMap<String, u32>,
    /// The step that is tried again once the present one is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
}

impl Trail {
    /// A step is begun: its round, and how the round before ended, which counts no more.
    pub fn enter(&mut self, id: &str) -> (u32, Option<State>) {
        let round = self.rounds.entry(id.to_owned()).or_default();
        *round += 1;
        (*round, self.results.get(id).map(|r| r.state))
    }
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This step.
    Do(usize),
    /// Nothing: the walk has come to this.
    End(State),
}

/// A move of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// What follows.
    pub next: Next,
    /// Steps that will not be done; each is told once.
    pub skipped: Vec<usize>,
}

/// A condition of a step, as its walk asks it.
pub trait Condition {
    /// Whether it holds.
    fn holds(&self, trail: &Trail, device: Option<&DeviceFacts>) -> bool;
}

impl Condition for Guard {
    fn holds(&self, trail: &Trail, device: Option<&DeviceFacts>) -> bool {
        Guard::holds(self, &Facts { trail, device })
    }
}

impl Condition for Bound {
    fn holds(&self, trail: &Trail, _: Option<&DeviceFacts>) -> bool {
        Bound::holds(self, trail)
    }
}

/// A step as a walk needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part<C> {
    /// Its id in the task.
    pub id: String,
    /// It is done only if this holds; always when absent.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub when: Option<C>,
    /// What follows when it ends badly.
    pub on_error: OnError,
    /// Whether it is done only when another one fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_handler: bool,
    /// Whether targets that were late for its barrier still take part in what follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps_stragglers: bool,
    /// What is kept of it for later steps, by name; see [`capture`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
}

const fn none<C>() -> Option<C> {
    None
}

impl<C> Part<C> {
    /// What it came to, with what is captured of it.
    pub fn result(&self, state: State, exit_code: Option<i64>, output: Option<&str>) -> StepResult {
        let taken = |how: &String| Capture::parse(how).ok()?.take(exit_code, output);
        let outputs = self.outputs.iter().filter_map(|(name, how)| Some((name.clone(), taken(how)?))).collect();
        StepResult { exit_code, outputs, ..StepResult::new(state) }
    }
}

/// The steps of a task as a walk needs them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plan<C> {
    /// The steps, in order.
    pub parts: Vec<Part<C>>,
}

impl Plan<Guard> {
    /// Of a task.
    pub fn of(doc: &TaskDoc) -> Self {
        // It was read when the task was written; should it not be readable any more, nothing is done on a guess.
        let read = |text: &str| Guard::parse(text).unwrap_or(Guard::Device(Query::Always(false)));
        let guards: Vec<Option<Guard>> = doc.steps.iter().map(|s| s.when.as_deref().map(read)).collect();
        let asked =
            |id: &str| guards.iter().flatten().any(|g| g.paths().iter().any(|p| p.step == id && !matches!(p.part, guard::Part::Output(_))));
        let part = |(step, when): (&Step, &Option<Guard>)| Part {
            id: step.id.clone(),
            when: when.clone(),
            // What asks how a step ended takes its errors on itself.
            on_error: step.on_error.clone().unwrap_or(if asked(&step.id) { OnError::Continue } else { OnError::Fail }),
            is_handler: doc.is_handler(step),
            keeps_stragglers: step.barrier.is_some_and(|b| b.stragglers == Stragglers::Keep),
            outputs: step.outputs.clone(),
        };
        Self { parts: doc.steps.iter().zip(&guards).map(part).collect() }
    }

    /// Whether a condition asks anything of the device.
    pub fn asks_device(&self) -> bool {
        self.parts.iter().any(|part| part.when.as_ref().is_some_and(Guard::asks_device))
    }

    /// The conditions of one device, step by step.
    pub fn bound(&self, device: Option<&DeviceFacts>) -> Vec<Option<Bound>> {
        self.parts.iter().map(|part| part.when.as_ref().map(|g| g.bound(device))).collect()
    }

    /// The plan with the conditions of one device.
    pub fn with(&self, conditions: &[Option<Bound>]) -> Plan<Bound> {
        let part = |(place, it): (usize, &Part<Guard>)| Part {
            id: it.id.clone(),
            when: conditions.get(place).cloned().flatten(),
            on_error: it.on_error.clone(),
            is_handler: it.is_handler,
            keeps_stragglers: it.keeps_stragglers,
            outputs: it.outputs.clone(),
        };
        Plan { parts: self.parts.iter().enumerate().map(part).collect() }
    }
}

/// The rules of walking through a plan.
#[derive(Debug)]
pub struct Job<'a, C> {
    plan: &'a Plan<C>,
}

impl<'a, C: Condition> Job<'a, C> {
    /// Of a plan.
    pub fn of(plan: &'a Plan<C>) -> Self {
        Self { plan }
    }

    fn parts(&self) -> &'a [Part<C>] {
        &self.plan.parts
    }

    fn place(&self, id: &str) -> Option<usize> {
        self.parts().iter().position(|s| s.id == id)
    }

    /// The first move.
    pub fn begin(&self, trail: &mut Trail, device: Option<&DeviceFacts>) -> Move {
        self.forward(trail, 0, device)
    }

    /// The move after step `at`, whose result is in the trail. `failing` is whether it ended in error for somebody.
    pub fn follow(&self, trail: &mut Trail, at: usize, failing: bool, device: Option<&DeviceFacts>) -> Move {
        let Some(step) = self.parts().get(at) else { return self.end(trail, State::Error) };
        let state = trail.results.get(&step.id).map_or(State::Error, |r| r.state);
        if failing && let OnError::Retry { run, max } = &step.on_error {
            let jumps = trail.jumps.entry(step.id.clone()).or_default();
            if *jumps < *max
                && let Some(place) = self.place(run)
            {
                *jumps += 1;
                trail.back = Some(step.id.clone());
                return Move { next: Next::Do(place), skipped: Vec::new() };
            }
        }
        let back = trail.back.take();
        match state {
            State::Ok | State::Skipped => match back.and_then(|id| self.place(&id)) {
                Some(place) => Move { next: Next::Do(place), skipped: Vec::new() },
                None => self.forward(trail, at + 1, device),
            },
            State::Error | State::Unknown if step.on_error == OnError::Continue => self.forward(trail, at + 1, device),
            state => self.end(trail, state),
        }
    }

    fn forward(&self, trail: &mut Trail, from: usize, device: Option<&DeviceFacts>) -> Move {
        let mut skipped = Vec::new();
        for (place, step) in self.parts().iter().enumerate().skip(from) {
            if step.is_handler {
                continue;
            }
            if step.when.as_ref().is_none_or(|when| when.holds(trail, device)) {
                return Move { next: Next::Do(place), skipped };
            }
            trail.results.insert(step.id.clone(), StepResult::new(State::Skipped));
            skipped.push(place);
        }
        let done = trail.results.values().any(|r| r.state != State::Skipped);
        let end = self.end(trail, if done { State::Ok } else { State::Skipped });
        Move { skipped: skipped.into_iter().chain(end.skipped).collect(), ..end }
    }

    /// The end of a walk: what it never came to is skipped.
    pub fn end(&self, trail: &mut Trail, state: State) -> Move {
        let mut skipped = Vec::new();
        for (place, step) in self.parts().iter().enumerate() {
            if !trail.results.contains_key(&step.id) {
                trail.results.insert(step.id.clone(), StepResult::new(State::Skipped));
                skipped.push(place);
            }
        }
        Move { next: Next::End(state), skipped }
    }

    /// What a late result of step `at` makes of a walk that ended because nothing was known of it; `None`: it stays.
    pub fn amended(&self, at: usize, late: State) -> Option<State> {
        let is_last = !self.parts().iter().skip(at + 1).any(|s| !s.is_handler);
        match late {
            State::Error => Some(State::Error),
            State::Ok if is_last => Some(State::Ok),
            _ => None,
        }
    }

    /// What a step of a server job came to for all, and whether somebody failed who may be helped.
    pub fn gathered(&self, at: usize, counts: &Counts) -> (StepResult, bool) {
        let of = |state| counts.of(state) > 0;
        let tolerated = self.parts().get(at).is_some_and(|s| s.on_error == OnError::Continue);
        let kept = self.parts().get(at).is_some_and(|s| s.keeps_stragglers);
        let state = match () {
            () if of(State::Ok) => State::Ok,
            () if tolerated && (of(State::Error) || of(State::Unknown)) => State::Error,
            () if kept && (of(State::Expired) || of(State::Unknown)) => State::Ok,
            () => [State::Error, State::Unknown, State::Expired, State::Cancelled].into_iter().find(|s| of(*s)).unwrap_or(State::Skipped),
        };
        let told = State::ALL.into_iter().filter(|s| of(*s)).map(|s| (s.as_str().to_owned(), counts.of(s)));
        (StepResult { counts: told.collect(), ..StepResult::new(state) }, of(State::Error))
    }

    /// Whether a target that ended step `at` of a server job so takes no further part.
    pub fn drops(&self, at: usize, state: State) -> bool {
        let Some(step) = self.parts().get(at) else { return true };
        match state {
            State::Error | State::Unknown if step.on_error == OnError::Continue => false,
            State::Expired | State::Unknown if step.keeps_stragglers => false,
            State::Ok | State::Skipped => false,
            _ => true,
        }
    }

    /// Whether a step of a server job is done only by those that failed before it: a jump back, or the try after it.
    pub fn is_for_failed(&self, trail: &Trail, place: usize) -> Option<usize> {
        let step = self.parts().get(place)?;
        if let Some(back) = &trail.back {
            return self.place(back);
        }
        (trail.jumps.contains_key(&step.id) && trail.results.contains_key(&step.id)).then_some(place)
    }
}
