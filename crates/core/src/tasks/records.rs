//! Tasks, runs and assignments as they are kept.

use super::doc::{Delivery, Mode, Scope, TaskDoc};
use super::gate::Load;
use super::job::Trail;
use super::job::guard::Bound;
use super::job::led;
use super::pool::Range;
use super::rollout::{Share, is_beyond};
use super::run::{Counts, RunState, Verdict};
use super::schedule::{Schedule, ScheduleOff};
use super::state::{Actor, Assignment, AttemptState, Rules, State, Status};
use crate::ids::{AgentId, AssignmentId, DeviceId, OrgId, RunId, TaskId};
use crate::settings::Settings;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::str::FromStr;

/// What a person wrote, in its newest version.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Whose it is.
    pub org: OrgId,
    /// Counts its changes; a version never changes.
    pub version: i64,
    /// The document of this version.
    pub doc: TaskDoc,
    /// When it was first written.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// Who wrote this version.
    pub author: String,
    /// Up to how many targets it starts unattended; `None`: as many as the size guard lets a person start.
    pub targets_max: Option<i64>,
    /// Its schedule was put out of action.
    pub schedule_off: Option<ScheduleOff>,
}

impl Task {
    /// The schedule by which it starts now: none while it is out of action.
    pub fn acting_schedule(&self) -> Option<&Schedule> {
        self.doc.schedule.as_ref().filter(|_| self.schedule_off.is_none())
    }

    /// Whether machines keep it now and begin it by themselves.
    pub fn is_kept(&self) -> bool {
        self.doc.is_offline() && self.schedule_off.is_none()
    }
}

/// One execution of a task version.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Whose it is.
    pub org: OrgId,
    /// Its number in the organization.
    pub number: i64,
    /// The task.
    pub task: TaskId,
    /// The version it keeps.
    pub task_version: i64,
    /// The task's name at that version.
    pub task_name: String,
    /// Where it stands.
    pub state: RunState,
    /// What it came to.
    pub verdict: Option<Verdict>,
    /// How work reaches the agents.
    pub delivery: Delivery,
    /// 0 (first) to 9.
    pub priority: u8,
    /// Devices in its snapshot.
    pub targeted: i64,
    /// Devices of the snapshot whose assignments are made.
    pub made: i64,
    /// A person ends it.
    pub cancel_requested: bool,
    /// A person holds it back.
    pub paused: bool,
    /// Its occurrence, when a schedule started it.
    pub nominal: Option<String>,
    /// The instant from which windows are reckoned: the nominal one of a schedule, else that of the start.
    pub nominal_at: Timestamp,
    /// The earliest instant at which any of its targets may begin, known once its assignments are made.
    pub not_before: Option<Timestamp>,
    /// The latest end of a target's time, when there is one.
    pub not_after: Option<Timestamp>,
    /// Assignments under way at once at most.
    pub in_flight_max: Option<i64>,
    /// How many of its assignments were handed out after the end of their time. The engine's rules keep it at 0; the store counts.
    pub handed_late: i64,
    /// When it was started by a person.
    pub created: Timestamp,
    /// When something was first handed out.
    pub started: Option<Timestamp>,
    /// When it finished.
    pub ended: Option<Timestamp>,
    /// Who started it.
    pub started_by: String,
    /// In what order targets go through its steps.
    pub mode: Mode,
    /// Whether it has several steps: each target walks through them, and is counted by what its walk came to.
    pub walked: bool,
    /// Its waves, and what it stops by itself for.
    pub rollout: Standing,
    /// When is looked next for devices that its targets select by now; absent where nobody may join.
    pub late_due: Option<Timestamp>,
    /// How many joined after its start.
    pub late_joined: i64,
    /// How many addresses it has, where a pool does it: its targets are slices of them.
    pub addresses: Option<i64>,
    /// Totals by target.
    pub counts: Counts,
}

/// Where a run stands in its roll-out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many targets the first, the first two, … waves have; empty where all go at once.
    pub waves: Vec<i64>,
    /// The wave it is in, from 0.
    pub wave: usize,
    /// When the next wave is let through, once this one is over.
    pub gate_at: Option<Timestamp>,
    /// The share of failures that it stops by itself for.
    pub halt_rate: Option<Share>,
    /// It stopped by itself.
    pub halted: bool,
    /// What had ended, and failed, when a person last let it go on.
    pub forgiven: (i64, i64),
}

impl Run {
    /// How many targets may be made by now: those of the waves that were let through.
    pub fn wave_end(&self) -> i64 {
        self.rollout.waves.get(self.rollout.wave).copied().unwrap_or(self.targeted)
    }

    /// Whether everybody in the waves so far has ended and others wait for theirs.
    pub fn is_wave_over(&self) -> bool {
        let made = self.made >= self.wave_end() && self.made < self.targeted;
        made && self.counts.open() == self.targeted - self.made && !self.cancel_requested
    }

    /// What has ended by now, and how much of it badly.
    pub fn results(&self) -> (i64, i64) {
        let failed = self.counts.of(State::Error) + self.counts.of(State::Unknown);
        (self.counts.of(State::Ok) + failed, failed)
    }

    /// Whether more failed than it may, not counting what a person let pass.
    pub fn is_failing(&self) -> bool {
        let ((ended, failed), (ended_before, failed_before)) = (self.results(), self.rollout.forgiven);
        let beyond = |bound| is_beyond(bound, failed - failed_before, ended - ended_before);
        !self.rollout.halted && self.counts.open() > 0 && self.rollout.halt_rate.is_some_and(beyond)
    }

    /// Where it stands once its assignments are made.
    pub fn standing(&self) -> RunState {
        match self.counts.run_state() {
            RunState::Finished if !self.waits_for_joiners() => RunState::Finished,
            // All are done, and others may come until its end.
            RunState::Finished if !self.rollout.halted && !self.paused => RunState::Running,
            _ if self.rollout.halted => RunState::Halted,
            _ if self.paused => RunState::Paused,
            // A step of the server may be all that was done so far.
            RunState::Waiting if self.started.is_some() => RunState::Running,
            state => state,
        }
    }

    /// Whether devices may join until the end of its time, which has not come.
    pub fn waits_for_joiners(&self) -> bool {
        self.late_due.is_some() && self.not_after.is_some() && !self.cancel_requested
    }

    /// How many more devices may join: in all no more than the size guard lets start without a number, and none past the number from which
    /// a second person is asked.
    pub fn room_for_joiners(&self, settings: &Settings) -> i64 {
        let (at_start, approved) = (self.targeted - self.late_joined, i64::from(settings.approve_above));
        let unapproved = if approved > 0 { (approved - at_start).max(0) } else { i64::MAX };
        (unapproved.min(i64::from(settings.size_guard)) - self.late_joined).max(0)
    }

    /// Its state as the gate of claims sees it: what holds it back holds also while its assignments are made.
    pub fn gate_state(&self) -> RunState {
        match self.state {
            RunState::Finished => RunState::Finished,
            _ if self.rollout.halted => RunState::Halted,
            _ if self.paused => RunState::Paused,
            state => state,
        }
    }

    /// Whether a pool does it.
    pub fn is_pooled(&self) -> bool {
        self.addresses.is_some()
    }

    /// Whether something was handed out.
    pub fn has_begun(&self) -> bool {
        [State::Started, State::Running, State::Ok, State::Error, State::Unknown].iter().any(|s| self.counts.of(*s) > 0)
    }
}

/// One step of a run with what is needed to hand it out.
#[derive(Clone, Debug, PartialEq)]
pub struct RunStep {
    /// The run.
    pub run: RunId,
    /// Its index.
    pub step: i64,
    /// Its id in the task.
    pub name: String,
    /// The action's type.
    pub action: String,
    /// How often it is tried.
    pub rules: Rules,
    /// Whether unverified agents may do it.
    pub open_to_strangers: bool,
    /// Longest time from hand-out to result, when the task says so.
    pub timeout: Option<std::time::Duration>,
    /// Who does it.
    pub scope: Scope,
    /// Whether it is asked to stop at the end of its time.
    pub stops: bool,
    /// The longest it may be under way, when the task says so.
    pub longest_run: Option<std::time::Duration>,
    /// Whether it is one of several.
    pub walked: bool,
    /// Whether a pool does it, in slices.
    pub pooled: bool,
}

/// An assignment with what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct AssignmentRecord {
    /// Its id.
    pub id: AssignmentId,
    /// Whose it is.
    pub org: OrgId,
    /// The run.
    pub run: RunId,
    /// Index of the step.
    pub step: i64,
    /// The target; of a pool the slice, which has an id like a device's.
    pub device: DeviceId,
    /// 0 (first) to 9.
    pub priority: u8,
    /// Where it stands.
    pub state: Assignment,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// When it was first handed out.
    pub started: Option<Timestamp>,
    /// Exit code of the last attempt that gave one.
    pub exit_code: Option<i64>,
    /// How often its step was begun anew for its target, by a jump back; 1 at first.
    pub round: u32,
    /// Whether its step is one of several.
    pub walked: bool,
    /// Whether its machine begins it by its order book, and has not said that it did.
    pub in_book: bool,
    /// Whether its target is a slice of addresses, which a pool does.
    pub pooled: bool,
}

/// An assignment as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct AssignmentRow {
    /// The assignment.
    pub record: AssignmentRecord,
    /// The task.
    pub task: TaskId,
    /// The task's name.
    pub task_name: String,
    /// The step's id in the task.
    pub step_name: String,
    /// The device's name; empty when it was deleted.
    pub device_name: String,
    /// Protocol of the last actor.
    pub actor_protocol: Option<String>,
    /// The last actor's device, with its name.
    pub actor_device: Option<(DeviceId, String)>,
    /// State of the run.
    pub run_state: RunState,
    /// How the run delivers.
    pub delivery: Delivery,
    /// Whether unverified agents may do it.
    pub open_to_strangers: bool,
    /// The type of its action.
    pub action: String,
    /// Whether the end of its run was asked for.
    pub run_ending: bool,
    /// Assignments of its run under way, and at most.
    pub run_load: Load,
    /// From when on its machine begins it by its order book, while it has not said that it did.
    pub by_book: Option<Timestamp>,
    /// The addresses of a slice.
    pub slice: Option<Range>,
}

/// One try of an assignment.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRecord {
    /// Its number, from 1.
    pub no: u32,
    /// Who had it.
    pub agent: AgentId,
    /// In which life.
    pub incarnation: u32,
    /// What became of it.
    pub state: AttemptState,
    /// When it was handed out.
    pub handed: Timestamp,
    /// When the agent said it began.
    pub begun: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Until when it must be heard of.
    pub lease: Timestamp,
    /// Exit code, when there is one.
    pub exit_code: Option<i64>,
    /// Output, cut to [`crate::limits::OUTPUT_BYTES_MAX`].
    pub output: Option<String>,
    /// What the agent said of it.
    pub message: Option<String>,
}

/// One entry of the append-only record.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number; grows.
    pub id: i64,
    /// The run.
    pub run: RunId,
    /// The assignment, when it is about one.
    pub assignment: Option<AssignmentId>,
    /// The attempt, when it is about one.
    pub attempt: Option<u32>,
    /// When.
    pub at: Timestamp,
    /// What: a state's word, or `created`, `made`, `cancel_requested`, `finished`.
    pub kind: String,
    /// More of it.
    pub data: Value,
}

/// What one decision changes, to be saved with its event and counters.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The assignment before.
    pub before: AssignmentRecord,
    /// Its state afterwards.
    pub after: Assignment,
    /// What becomes of the attempt `after.attempt`.
    pub attempt: Option<AttemptState>,
    /// Exit code to keep.
    pub exit_code: Option<i64>,
    /// Output to keep with the attempt.
    pub output: Option<String>,
    /// Message to keep with the attempt.
    pub message: Option<String>,
    /// More for the event.
    pub data: Value,
    /// Whether the actor walks the job on alone.
    pub lead: Lead,
    /// Now.
    pub at: Timestamp,
}

impl Change {
    /// Whether its machine begins it by its order book, and has not said that it did: until then, or until it is taken back.
    pub fn is_in_book(&self) -> bool {
        let stays = self.before.in_book && self.after.attempt == self.before.state.attempt;
        matches!(self.after.status, Status::Started { .. }) && (self.lead == Lead::InBook || stays)
    }
}

/// Whether an agent that takes a step of a job walks on alone from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lead {
    /// The server leads.
    #[default]
    No,
    /// It was given the rest of the job.
    Begins,
    /// It has it, and goes on.
    GoesOn,
    /// Its machine begins it by its order book.
    InBook,
}

/// What one machine is to keep of a task, see [`super::book`].
#[derive(Clone, Debug, PartialEq)]
pub struct BookRow {
    /// The machine.
    pub device: DeviceId,
    /// The task.
    pub task: TaskId,
    /// Whose it is.
    pub org: OrgId,
    /// The version that it is to keep.
    pub version: i64,
    /// Counts what was handed out of it.
    pub issue: u32,
    /// The agent that keeps it, in which of its lives.
    pub actor: Actor,
    /// A hash of what it depends on beside the version.
    pub print: String,
    /// Where its walk begins.
    pub standing: led::Standing,
    /// Occurrences that start up to here are none of it.
    pub since: Timestamp,
    /// Until when it is good unless it is given anew.
    pub valid: Timestamp,
    /// Since when the agent says that it holds this issue.
    pub held: Option<Timestamp>,
    /// Since when the agent holds this or an earlier issue that says the same: it begins the occurrences, also before it hears of this one.
    pub begins: Option<Timestamp>,
    /// Since when it is to keep it no more. What it began by it before it heard so is still known by it.
    pub gone: Option<Timestamp>,
}

/// The agent that walks a job alone, for one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Led {
    /// The agent.
    pub agent: AgentId,
    /// In which of its lives.
    pub incarnation: u32,
    /// The conditions of this target as it was given them, step by step.
    pub conditions: Vec<Option<Bound>>,
    /// Whether it goes on; otherwise the server leads, and what the agent did before it knew of that still counts.
    pub goes_on: bool,
    /// It begins by its order book.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_book: bool,
}

impl Led {
    /// The agent in its life.
    pub fn actor(&self) -> Actor {
        Actor { agent: self.agent, incarnation: self.incarnation }
    }
}

/// Agents that wait to be woken.
#[derive(Clone, Debug, PartialEq)]
pub struct DueWake {
    /// The agent.
    pub agent: AgentId,
    /// Whose it is.
    pub org: OrgId,
    /// How often it was tried.
    pub tries: u32,
    /// It is wanted though nothing waits for the agent.
    pub anyway: bool,
}

/// A target's way through the steps of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Walk {
    /// The run.
    pub run: RunId,
    /// The target.
    pub device: DeviceId,
    /// `prepared` before its first step is handed out, `running` then, and what it came to: one verdict for the target.
    pub state: State,
    /// The step it is at, or was at last; -1 before the first.
    pub step: i64,
    /// The round of that step.
    pub round: u32,
    /// It begins nothing before this instant.
    pub not_before: Timestamp,
    /// Nor at or after this one.
    pub not_after: Option<Timestamp>,
    /// What happened so far.
    pub trail: Trail,
    /// The agent that walks on alone; the server leads when there is none.
    pub led: Option<Led>,
    /// When it last changed.
    pub updated: Timestamp,
}

/// What a server job does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobPhase {
    /// Its targets are brought to the step, piece by piece.
    Moving,
    /// The step is under way.
    Waiting,
    /// Its targets are told the end, piece by piece.
    Ending(State),
    /// It has ended.
    Done,
}

impl JobPhase {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Waiting => "waiting",
            Self::Ending(state) => state.as_str(),
            Self::Done => "done",
        }
    }
}

impl FromStr for JobPhase {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        Ok(match word {
            "moving" => Self::Moving,
            "waiting" => Self::Waiting,
            "done" => Self::Done,
            state => Self::Ending(state.parse()?),
        })
    }
}

/// Where a server job stands.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRecord {
    /// The run.
    pub run: RunId,
    /// Whose it is.
    pub org: OrgId,
    /// What it does next.
    pub phase: JobPhase,
    /// The step it is at.
    pub step: i64,
    /// The round of that step.
    pub round: u32,
    /// The last target that was brought there.
    pub reached: Option<DeviceId>,
    /// Since when it waits.
    pub since: Timestamp,
    /// When it is looked at again; `None`: once something happens.
    pub due: Option<Timestamp>,
    /// What happened so far, for all.
    pub trail: Trail,
}
