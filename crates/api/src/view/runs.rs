//! Runs, assignments, attempts, the record, the queue.

use super::{AttemptState, Delivery, Named, Protocol, Reason, RunState, State, Time, Verdict, time};
use muster_core::limits::OUTPUT_BYTES_MAX;
use muster_core::tasks as core;
use muster_engine::runs::{AssignmentDetail, RunDetail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How many assignments stand where.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Counts {
    /// Wait to be handed out.
    pub prepared: i64,
    /// Handed out.
    pub started: i64,
    /// Under way.
    pub running: i64,
    /// Done well.
    pub ok: i64,
    /// Done badly.
    pub error: i64,
    /// Lost.
    pub unknown: i64,
    /// Ended by a person.
    pub cancelled: i64,
    /// Their time passed.
    pub expired: i64,
    /// Another branch was taken.
    pub skipped: i64,
}

impl From<core::Counts> for Counts {
    fn from(c: core::Counts) -> Self {
        Self {
            prepared: c.of(core::State::Prepared),
            started: c.of(core::State::Started),
            running: c.of(core::State::Running),
            ok: c.of(core::State::Ok),
            error: c.of(core::State::Error),
            unknown: c.of(core::State::Unknown),
            cancelled: c.of(core::State::Cancelled),
            expired: c.of(core::State::Expired),
            skipped: c.of(core::State::Skipped),
        }
    }
}

/// The task of a run, in the version it keeps.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunTask {
    /// Its id.
    pub id: String,
    /// Its name at that version.
    pub name: String,
    /// The version.
    pub version: i64,
}

/// One execution of a task.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunSummary {
    /// Its id.
    pub id: String,
    /// Its number in the organization.
    pub number: i64,
    /// The task.
    pub task: RunTask,
    /// Where it stands.
    pub state: RunState,
    /// What it came to.
    pub verdict: Option<Verdict>,
    /// Its targets by state: assignments in a run of one step, otherwise what the walks of the targets came to.
    pub counts: Counts,
    /// Devices it is aimed at, or slices of addresses where a pool does it.
    pub targeted: i64,
    /// How many addresses it has, where a pool does it; null otherwise.
    pub addresses: Option<i64>,
    /// When a person started it.
    pub created: Time,
    /// When something was first handed out.
    pub started: Option<Time>,
    /// When it finished.
    pub ended: Option<Time>,
    /// Who started it.
    pub started_by: Option<String>,
    /// `client_job`: each target at its own pace; `server_job`: step by step for all.
    pub mode: String,
    /// Whether it has several steps: `/runs/{id}/targets` then lists each target's way through them.
    pub is_job: bool,
}

impl From<core::Run> for RunSummary {
    fn from(r: core::Run) -> Self {
        Self {
            id: r.id.to_string(),
            number: r.number,
            task: RunTask { id: r.task.to_string(), name: r.task_name, version: r.task_version },
            state: r.state.into(),
            verdict: r.verdict.map(Verdict::from),
            counts: r.counts.into(),
            targeted: r.targeted,
            addresses: r.addresses,
            created: r.created.into(),
            started: time(r.started),
            ended: time(r.ended),
            started_by: Some(r.started_by).filter(|s| !s.is_empty()),
            mode: r.mode.as_str().to_owned(),
            is_job: r.walked,
        }
    }
}

/// One step of a run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunStepView {
    /// Its id in the task.
    pub id: String,
    /// The action's type.
    pub action: String,
    /// `server` or `client`.
    pub scope: String,
    /// Its assignments by state; of each target the last round counts.
    pub counts: Counts,
}

/// What a step came to for one target.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TargetStep {
    /// How it ended.
    pub state: State,
    /// Its exit code, where there is one.
    pub exit_code: Option<i64>,
    /// What was captured of it, by name.
    #[schema(value_type = Object)]
    pub outputs: Map<String, Value>,
}

/// One target of a run of several steps.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunTarget {
    /// The device; its name is empty when it was removed.
    pub device: Named,
    /// `prepared` before its first step is handed out, `running` then, and what it came to.
    pub state: State,
    /// The step it is at, or was at last; null before the first.
    pub step: Option<String>,
    /// How often that step was begun for it.
    pub round: u32,
    /// What its steps came to so far, by their ids.
    pub steps: BTreeMap<String, TargetStep>,
    /// When it last changed.
    pub updated: Time,
}

impl RunTarget {
    pub(crate) fn of((walk, name): (core::Walk, String), steps: &[String]) -> Self {
        let step = |(id, r): (String, core::job::StepResult)| {
            (id, TargetStep { state: r.state.into(), exit_code: r.exit_code, outputs: r.outputs.into_iter().collect() })
        };
        Self {
            device: Named::new(walk.device, name),
            state: walk.state.into(),
            step: usize::try_from(walk.step).ok().and_then(|place| steps.get(place).cloned()),
            round: walk.round,
            steps: walk.trail.results.into_iter().map(step).collect(),
            updated: walk.updated.into(),
        }
    }
}

/// Which targets of a run are done again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunRetry {
    /// Those that came to one of these states; `error`, `unknown` and `expired` when absent.
    pub states: Option<Vec<String>>,
    /// Their number, typed back; asked for above the size guard.
    pub confirm_count: Option<usize>,
}

/// A run with its steps.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Run {
    /// The run.
    #[serde(flatten)]
    pub run: RunSummary,
    /// Its steps.
    pub steps: Vec<RunStepView>,
    /// The share of assignments that are final, 0 to 1.
    pub progress: f64,
    /// How work reaches the agents.
    pub delivery: Delivery,
    /// A person ends it.
    pub cancel_requested: bool,
    /// A person holds it back.
    pub paused: bool,
    /// The nominal time of its schedule, when one started it.
    pub nominal: Option<String>,
    /// The earliest instant at which any of its targets may begin.
    pub not_before: Option<Time>,
    /// The latest end of a target's time; null is none.
    pub not_after: Option<Time>,
    /// How many of its assignments were handed out after the end of their time: 0, as counted with each hand-out.
    pub handed_out_late: i64,
    /// How many devices joined after its start, where `targets.late_joiners` lets them.
    pub joined_late: i64,
    /// Assignments under way at once at most; null is no limit.
    pub in_flight_max: Option<i64>,
    /// Its waves; empty where all its targets go at once.
    pub waves: Vec<RunWave>,
    /// When the next wave is let through; null while a wave is under way.
    pub gate_at: Option<Time>,
    /// It stopped by itself; `resume` lets it go on, `cancel` abandons it.
    pub halted: bool,
    /// The share of failures that it stops by itself for, such as `5%`.
    pub halt_on_error_rate: Option<String>,
    /// When what is left of it would end; null when nothing is left or nothing goes on.
    pub forecast: Option<super::Forecast>,
}

impl From<RunDetail> for Run {
    fn from(detail: RunDetail) -> Self {
        let (run, steps, forecast) = (detail.run, detail.steps, detail.forecast);
        let (all, open) = steps.iter().fold((0, 0), |(all, open), (_, c)| (all + c.total(), open + c.open()));
        let done = all - open;
        let progress = if all <= 0 { 1.0 } else { (done as f64 / all as f64).clamp(0.0, 1.0) };
        let step = |(s, c): (core::RunStep, core::Counts)| RunStepView {
            id: s.name,
            action: s.action,
            scope: s.scope.as_str().to_owned(),
            counts: c.into(),
        };
        Self {
            steps: steps.into_iter().map(step).collect(),
            progress,
            delivery: run.delivery.into(),
            cancel_requested: run.cancel_requested,
            paused: run.paused,
            nominal: run.nominal.clone(),
            not_before: time(run.not_before),
            not_after: time(run.not_after),
            handed_out_late: run.handed_late,
            joined_late: run.late_joined,
            in_flight_max: run.in_flight_max,
            waves: waves(&run.rollout),
            gate_at: time(run.rollout.gate_at),
            halted: run.rollout.halted,
            halt_on_error_rate: run.rollout.halt_rate.map(|share| share.to_string()),
            forecast: forecast.map(super::Forecast::from),
            run: run.into(),
        }
    }
}

/// One wave of a roll-out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunWave {
    /// Targets in it.
    pub targets: i64,
    /// `over`, `now` or `ahead`.
    pub state: &'static str,
}

fn waves(standing: &core::Standing) -> Vec<RunWave> {
    let mut before = 0;
    let each = |(n, end): (usize, &i64)| {
        let targets = end - before;
        before = *end;
        let is_over = n < standing.wave || (n == standing.wave && standing.gate_at.is_some());
        RunWave {
            targets,
            state: if is_over {
                "over"
            } else if n == standing.wave {
                "now"
            } else {
                "ahead"
            },
        }
    };
    standing.waves.iter().enumerate().map(each).collect()
}

/// The agent of the last attempt.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AssignmentActor {
    /// Its id.
    pub agent: String,
    /// How it speaks; null when it is gone.
    pub protocol: Option<String>,
    /// Its device; null when it is gone.
    pub device: Option<Named>,
}

/// One piece of a run given to one device, or one slice of addresses given to a pool.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Assignment {
    /// Its id.
    pub id: String,
    /// The run.
    pub run: String,
    /// The task.
    pub task: Named,
    /// The step's id in the task.
    pub step: String,
    /// The device; its name is empty when it was removed. Null where the target is a slice of addresses.
    pub device: Option<Named>,
    /// The agent of the last attempt.
    pub actor: Option<AssignmentActor>,
    /// Where it stands.
    pub state: State,
    /// Attempts made; 0 before the first.
    pub attempt: u32,
    /// Attempts at most.
    pub attempts_max: u32,
    /// How often its step was begun anew for its target, by a jump back of the job; 1 at first.
    pub round: u32,
    /// The addresses, such as `10.0.0.16-10.0.0.31`, where a pool does it; null otherwise.
    pub slice: Option<String>,
    /// When it was made.
    pub created: Time,
    /// When it was first handed out.
    pub started: Option<Time>,
    /// When it ended.
    pub ended: Option<Time>,
    /// When it last changed.
    pub updated: Time,
    /// Why it stands there, while it is open.
    pub reason: Option<Reason>,
    /// Exit code of the last attempt that gave one.
    pub exit_code: Option<i64>,
    /// Output of the last attempt; null in lists.
    pub output: Option<String>,
    /// Whether output was cut.
    pub output_truncated: bool,
    /// Its end was asked for.
    pub cancel_requested: bool,
}

impl Assignment {
    pub(crate) fn of(row: core::AssignmentRow, reason: Option<core::Reason>) -> Self {
        let r = row.record;
        let (protocol, of) = (row.actor_protocol, row.actor_device);
        Self {
            id: r.id.to_string(),
            run: r.run.to_string(),
            task: Named::new(row.task, row.task_name),
            step: row.step_name,
            device: (!r.pooled).then(|| Named::new(r.device, row.device_name)),
            actor: r.state.last_actor.map(|a| AssignmentActor {
                agent: a.agent.to_string(),
                protocol,
                device: of.map(|(id, name)| Named::new(id, name)),
            }),
            state: r.state.status.state().into(),
            attempt: r.state.attempt,
            attempts_max: r.state.rules.attempts_max,
            round: r.round,
            slice: row.slice.map(|range| range.to_string()),
            created: r.created.into(),
            started: time(r.started),
            ended: time(r.state.status.ended()),
            updated: r.updated.into(),
            reason: reason.map(Reason::from),
            exit_code: r.exit_code,
            output: None,
            output_truncated: false,
            cancel_requested: r.state.cancel_requested,
        }
    }

    fn with_output(mut self, output: Option<String>) -> Self {
        // A text is cut at a character, so up to three bytes before the limit.
        self.output_truncated = output.as_ref().is_some_and(|o| o.len() + 3 >= OUTPUT_BYTES_MAX);
        self.output = output;
        self
    }
}

/// The agent of an attempt.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AttemptAgent {
    /// Its id.
    pub id: String,
    /// How it speaks; null when it is gone.
    pub protocol: Option<Protocol>,
    /// Its DEVICEID, or its device's name.
    pub name: String,
}

/// One try of an assignment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Attempt {
    /// Its number, from 1.
    pub no: u32,
    /// Who had it.
    pub agent: AttemptAgent,
    /// What became of it.
    pub state: AttemptState,
    /// When it was handed out.
    pub handed_at: Time,
    /// When the agent said it began.
    pub begun_at: Option<Time>,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// Until when it must be heard of.
    pub lease_until: Time,
    /// Exit code.
    pub exit_code: Option<i64>,
    /// Output.
    pub output: Option<String>,
    /// What the agent said of it.
    pub message: Option<String>,
}

/// One entry of the record.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Event {
    /// Its number; grows.
    pub id: String,
    /// When.
    pub at: Time,
    /// A state's word, or `created`, `made`, `cancel_requested`, `finished`.
    pub kind: String,
    /// The assignment it is about.
    pub assignment: Option<String>,
    /// That assignment's device.
    pub device: Option<Named>,
    /// The attempt it is about.
    pub attempt: Option<u32>,
    /// More of it.
    #[schema(value_type = Object)]
    pub data: Value,
}

impl Event {
    pub(crate) fn of(e: core::Event, device: Option<Named>) -> Self {
        let (id, assignment) = (e.id.to_string(), e.assignment.map(|a| a.to_string()));
        Self { id, at: e.at.into(), kind: e.kind, assignment, device, attempt: e.attempt, data: e.data }
    }
}

/// An assignment with its attempts and its record.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AssignmentFull {
    /// The assignment.
    #[serde(flatten)]
    pub assignment: Assignment,
    /// Its attempts, the first first.
    pub attempts: Vec<Attempt>,
    /// Its record, the oldest first.
    pub events: Vec<Event>,
}

impl From<AssignmentDetail> for AssignmentFull {
    fn from(detail: AssignmentDetail) -> Self {
        let device = (!detail.row.record.pooled).then(|| Named::new(detail.row.record.device, detail.row.device_name.clone()));
        let names = detail.names;
        let attempt = |(a, agent): (core::AttemptRecord, Option<muster_core::fleet::Agent>)| Attempt {
            no: a.no,
            agent: AttemptAgent {
                id: a.agent.to_string(),
                protocol: agent.as_ref().map(|g| g.protocol.into()),
                name: agent.and_then(|g| g.foreign_id.or_else(|| names.get(&g.device).cloned())).unwrap_or_default(),
            },
            state: a.state.into(),
            handed_at: a.handed.into(),
            begun_at: time(a.begun),
            ended_at: time(a.ended),
            lease_until: a.lease.into(),
            exit_code: a.exit_code,
            output: a.output,
            message: a.message,
        };
        let output = detail.attempts.last().and_then(|(a, _)| a.output.clone());
        let open = detail.row.record.state.status.state().is_open();
        Self {
            assignment: Assignment::of(detail.row, open.then_some(detail.reason)).with_output(output),
            attempts: detail.attempts.into_iter().map(attempt).collect(),
            events: detail.events.into_iter().map(|e| Event::of(e, device.clone())).collect(),
        }
    }
}

/// One condition of being handed out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Condition {
    /// Its stable key.
    pub key: String,
    /// Whether it holds.
    pub ok: bool,
    /// A sentence with the evidence.
    pub text: String,
    /// What the sentence is made of.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// When the evidence is from.
    pub at: Option<Time>,
}

/// Why an assignment stands where it does.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Why {
    /// The assignment.
    pub assignment: String,
    /// Where it stands.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// The conditions behind it, in order.
    pub conditions: Vec<Condition>,
}

impl From<AssignmentDetail> for Why {
    fn from(detail: AssignmentDetail) -> Self {
        let condition = |c: core::Condition| Condition { key: c.key, ok: c.ok, text: c.text, params: c.params, at: time(c.at) };
        Self {
            assignment: detail.row.record.id.to_string(),
            state: detail.row.record.state.status.state().into(),
            reason: detail.reason.into(),
            conditions: detail.conditions.into_iter().map(condition).collect(),
        }
    }
}

/// How a pool stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct PoolStanding {
    /// Agents in it: they can, they may, they are selected. At most 1,000 are counted.
    pub members: usize,
    /// How many of them are heard.
    pub online: usize,
    /// How many have a slice in their hands.
    pub working: usize,
    /// How many may have one at once; null is no limit.
    pub max: Option<usize>,
}

impl From<core::pool::Standing> for PoolStanding {
    fn from(it: core::pool::Standing) -> Self {
        Self { members: it.members, online: it.online, working: it.working, max: it.most }
    }
}

/// So many slices, and their addresses.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct PoolPart {
    /// Slices.
    pub slices: i64,
    /// Addresses.
    pub addresses: i64,
}

impl From<(i64, i64)> for PoolPart {
    fn from((slices, addresses): (i64, i64)) -> Self {
        Self { slices, addresses }
    }
}

/// What one agent did of a run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PoolShare {
    /// Its id.
    pub agent: String,
    /// Its device; null when it is gone.
    pub device: Option<Named>,
    /// What ended well.
    pub done: PoolPart,
    /// What ended otherwise, by its hand.
    pub failed: PoolPart,
    /// What it has in its hands.
    pub working: PoolPart,
}

/// The pool of a run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunPool {
    /// How it stands now.
    #[serde(flatten)]
    pub standing: PoolStanding,
    /// Into how many slices the addresses were cut.
    pub slices: i64,
    /// How many addresses there are.
    pub addresses: i64,
    /// Who did what, the busiest first.
    pub shares: Vec<PoolShare>,
}

impl From<muster_engine::pool::PoolView> for RunPool {
    fn from(it: muster_engine::pool::PoolView) -> Self {
        let shares = it.shares.into_iter().map(|(share, device)| PoolShare {
            agent: share.agent.to_string(),
            device: device.map(|device| Named::new(device.id, device.name)),
            done: share.done.into(),
            failed: share.failed.into(),
            working: share.working.into(),
        });
        Self { standing: it.standing.into(), slices: it.slices, addresses: it.addresses, shares: shares.collect() }
    }
}
