//! What a task would do, before it is saved.

use super::{Named, Time};
use muster_core::tasks::planner as core;
use muster_engine::planner::{Beside, Planned};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// What keeps machines waiting: how many are kept at least once by each.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct PlanKept {
    /// By what the run may have under way at once.
    pub run: i64,
    /// By what the organization may.
    pub organization: i64,
    /// By what one machine may.
    pub machine: i64,
    /// By a wave that is not theirs.
    pub wave: i64,
}

/// What becomes of the machines of a task.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct PlanCourse {
    /// Machines that are to do it.
    pub targets: i64,
    /// Those that begin in their time.
    pub begun: i64,
    /// Those that come, but not in their time.
    pub late: i64,
    /// Those that are not expected: not heard of lately, or without an agent that may do it.
    pub absent: i64,
    /// Those of waves that are not reached, because somebody of the waves before never ends.
    pub unreached: i64,
    /// When the last ends; null: nobody begins.
    pub ends: Option<Time>,
    /// When half of those that begin have ended.
    pub half_ended: Option<Time>,
    /// When nine of ten have.
    pub most_ended: Option<Time>,
    /// The most that are under way at once.
    pub most_at_once: i64,
    /// What keeps them waiting.
    pub kept: PlanKept,
}

impl From<core::Course> for PlanCourse {
    fn from(it: core::Course) -> Self {
        let kept = PlanKept { run: it.kept.run, organization: it.kept.house, machine: it.kept.machine, wave: it.kept.wave };
        Self {
            targets: it.targets,
            begun: it.begun,
            late: it.late,
            absent: it.absent,
            unreached: it.unreached,
            ends: it.ends.map(Time),
            half_ended: it.marks[0].map(Time),
            most_ended: it.marks[1].map(Time),
            most_at_once: it.most_at_once,
            kept,
        }
    }
}

/// Something that would help, and what would become of the task with it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PlanAdvice {
    /// `max_in_flight`, `in_flight`, `longer_window`, `push` or `no_wait`.
    pub key: &'static str,
    /// To how many, or by how many seconds.
    #[schema(value_type = Object)]
    pub params: Value,
    /// The same in a sentence.
    pub text: String,
    /// The course with it.
    pub course: PlanCourse,
}

impl From<core::Advice> for PlanAdvice {
    fn from(it: core::Advice) -> Self {
        let (key, params, text) = match it.remedy {
            core::Remedy::MaxInFlight(most) => ("max_in_flight", json!({"most": most}), format!("Let {most} machines do it at once.")),
            core::Remedy::InFlight(most) => {
                ("in_flight", json!({"most": most}), format!("Let the organization have {most} pieces of work under way at once."))
            }
            core::Remedy::LongerWindow(by) => {
                let (hours, minutes) = (by.as_secs() / 3_600, by.as_secs() / 60 % 60);
                let text = if hours == 0 { format!("{minutes} min") } else { format!("{hours} h {minutes} min") };
                ("longer_window", json!({"seconds": by.as_secs()}), format!("Let the window end {text} later."))
            }
            core::Remedy::Push => ("push", json!({}), "Wake the machines instead of waiting until they ask.".to_owned()),
            core::Remedy::NoWait => ("no_wait", json!({}), "Let each wave begin when the one before has ended.".to_owned()),
        };
        Self { key, params, text, course: it.course.into() }
    }
}

/// Another task that is planned for the same time.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PlanBeside {
    /// The task.
    pub task: Named,
    /// What becomes of it without the one asked for.
    pub before: PlanCourse,
    /// And with it.
    pub with: PlanCourse,
}

impl From<Beside> for PlanBeside {
    fn from(it: Beside) -> Self {
        let task = Named { id: it.task.to_string(), name: it.name };
        Self { task, before: it.before.into(), with: it.with.into() }
    }
}

/// What the next run of a task would do: an estimate from how its fleet is now and how long its steps took before.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TaskForecast {
    /// When the first of its machines may begin.
    pub begins: Time,
    /// From when on none may begin any more; null: there is no end.
    pub until: Option<Time>,
    /// Whether each device has its own time.
    pub per_device: bool,
    /// What becomes of it.
    pub course: PlanCourse,
    /// From how many measured times; 0: how long it takes is assumed.
    pub measured: usize,
    /// By how many seconds later all that is planned for its time ends.
    pub adds_seconds: u64,
    /// The other tasks that are planned for its time, the most delayed first; at most twenty are looked at.
    pub beside: Vec<PlanBeside>,
    /// What would help, the best first.
    pub advice: Vec<PlanAdvice>,
}

impl From<Planned> for TaskForecast {
    fn from(it: Planned) -> Self {
        Self {
            begins: Time(it.begins),
            until: it.until.map(Time),
            per_device: it.per_device,
            course: it.course.into(),
            measured: it.measured,
            adds_seconds: it.adds.as_secs(),
            beside: it.beside.into_iter().map(PlanBeside::from).collect(),
            advice: it.advice.into_iter().map(PlanAdvice::from).collect(),
        }
    }
}
