//! What the checkers look at: answers as agents and people got them, and what the engine's queries show.

use crate::world::World;
use muster_core::fleet::Protocol;
use muster_core::ids::{AgentId, AssignmentId, DeviceId, GroupId, OrgId, RunId, TaskId};
use muster_core::page::{Cursor, PageRequest};
use muster_core::tasks::pool::Range;
use muster_core::tasks::{AssignmentRecord, AttemptRecord, Counts, Event, Reason, Refused, Run, RunStep, Walk};
use muster_core::time::Timestamp;
use muster_engine::runs::{assignment_list, assignment_view, run_events, run_list, run_targets, run_view};
use muster_engine::work::Said;
use muster_engine::{AssignmentFilter, RunFilter};
use std::collections::BTreeSet;

/// A piece of work that reached an agent.
#[derive(Clone, Debug)]
pub struct Handed {
    /// The agent's organization.
    pub org: OrgId,
    /// The agent.
    pub agent: AgentId,
    /// How it speaks.
    pub protocol: Protocol,
    /// Whether it was verified just before.
    pub verified: bool,
    /// The assignment.
    pub assignment: AssignmentId,
    /// Its run.
    pub run: RunId,
    /// The attempt.
    pub attempt: u32,
    /// The action's type.
    pub action: String,
    /// Whether its run was paused just before.
    pub paused: bool,
    /// When.
    pub at: Timestamp,
    /// Not before this instant.
    pub from: Timestamp,
    /// It must begin before this instant.
    pub not_after: Option<Timestamp>,
    /// The highest attempt just before.
    pub before: u32,
}

/// A contact and what could be handed out at it.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The agent.
    pub agent: AgentId,
    /// How many pieces were claimable just before.
    pub claimable: usize,
    /// How many it takes at most.
    pub max: usize,
    /// How many were handed out.
    pub handed: usize,
    /// Whether the organization's brake was on.
    pub frozen: bool,
    /// What the agent had under way just before, and may have.
    pub agent_load: (usize, usize),
    /// The same of its organization; 0 is no limit.
    pub org_load: (usize, usize),
}

/// A report and what it came to.
#[derive(Clone, Debug)]
pub struct Told {
    /// Who reported.
    pub agent: AgentId,
    /// Its incarnation now.
    pub incarnation_now: u32,
    /// The assignment.
    pub assignment: AssignmentId,
    /// The attempt it named.
    pub attempt: u32,
    /// The incarnation it named.
    pub incarnation: u32,
    /// Whether it is of a job that the agent walks alone.
    pub alone: bool,
    /// What it said.
    pub said: Said,
    /// The answer.
    pub answer: Result<(), Refused>,
    /// The assignment before, when it is visible in the agent's organization.
    pub before: Option<AssignmentRecord>,
    /// The assignment afterwards.
    pub after: Option<AssignmentRecord>,
}

/// An attempt of somebody to reach into another organization, and whether it worked.
#[derive(Clone, Debug)]
pub struct Intrusion {
    /// What was tried.
    pub what: &'static str,
    /// Whether it was answered with anything but a refusal.
    pub worked: bool,
}

/// Whether an agent was verified before a person merged, parted or undid, and whether it is since.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The agent.
    pub agent: AgentId,
    /// Before.
    pub before: bool,
    /// Afterwards.
    pub after: bool,
}

/// An assignment with all that is known of it.
#[derive(Clone, Debug)]
pub struct ObservedAssignment {
    /// The organization that was asked.
    pub org: OrgId,
    /// The assignment.
    pub record: AssignmentRecord,
    /// Why it stands where it does.
    pub reason: Reason,
    /// Its attempts.
    pub attempts: Vec<AttemptRecord>,
    /// Its record.
    pub events: Vec<Event>,
}

/// A run as people see it.
#[derive(Clone, Debug)]
pub struct ObservedRun {
    /// The organization that was asked.
    pub org: OrgId,
    /// The run.
    pub run: Run,
    /// Its steps with their totals.
    pub steps: Vec<(RunStep, Counts)>,
    /// Its assignments counted one by one; `None` when they were not counted.
    pub rows: Option<Counts>,
    /// The devices of its assignments, or of its walks, when those were counted.
    pub targets: BTreeSet<DeviceId>,
    /// Its walks, when it has several steps and they were read.
    pub walks: Vec<Walk>,
    /// Its assignments, when it has several steps, waves or slices and they were read.
    pub pieces: Vec<AssignmentRecord>,
    /// Its slices, when a pool does it and they were read.
    pub slices: Vec<(DeviceId, Range)>,
    /// How many of its pool may be at work at once.
    pub pool_max: Option<usize>,
    /// Its record, the newest first; empty when it was not read.
    pub events: Vec<Event>,
}

/// A group that follows a query, as it is shown.
#[derive(Clone, Debug)]
pub struct ObservedGroup {
    /// The group.
    pub id: GroupId,
    /// Its query.
    pub query: String,
    /// Whether it says that its members are those of its query.
    pub fresh: bool,
    /// How many it says there are.
    pub count: i64,
    /// Its members, sorted.
    pub members: Vec<DeviceId>,
    /// What its query selects at the same moment, sorted.
    pub selected: Vec<DeviceId>,
}

/// What one look shows.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// When.
    pub now: Timestamp,
    /// Handed out in this step.
    pub handed: Vec<Handed>,
    /// Contacts of this step.
    pub offers: Vec<Offer>,
    /// Attempts that agents began in this step, by their own journals.
    pub begun: Vec<(AssignmentId, u32)>,
    /// Reports of this step.
    pub told: Vec<Told>,
    /// Intrusions of this step.
    pub intrusions: Vec<Intrusion>,
    /// Starts of this step that needed a second person and had none.
    pub unapproved: Vec<String>,
    /// Agents around a merge, split or undo of this step.
    pub trust: Vec<Trust>,
    /// Things that went wrong inside the engine in this step.
    pub broken: Vec<String>,
    /// Assignments looked at.
    pub assignments: Vec<ObservedAssignment>,
    /// Runs looked at.
    pub runs: Vec<ObservedRun>,
    /// Whether runs, tasks, devices and marks are all there are; assignments may be a sample.
    pub full: bool,
    /// Tasks that are there, with their versions; only in a full look.
    pub tasks: Vec<(TaskId, i64)>,
    /// Numbers found under the marks of the model; only in a full look.
    pub marks: Vec<(DeviceId, String, Option<i64>)>,
    /// Devices with the organization under which they were found; only in a full look.
    pub devices: Vec<(DeviceId, OrgId)>,
    /// Groups that follow a query; in a full look and now and then.
    pub groups: Vec<ObservedGroup>,
    /// Runs that had not ended when everything had come to rest; only after the end.
    pub unfinished: Vec<(RunId, String)>,
}

/// Rows of one page.
const PAGE: usize = 1_000;

fn page() -> PageRequest {
    PageRequest { limit: PAGE, ..PageRequest::default() }
}

fn next_page(next: Option<String>) -> Option<PageRequest> {
    let cursor = Cursor::decode(&next?);
    cursor.map(|c| PageRequest { cursor: Some(c), ..page() })
}

impl World {
    /// One assignment.
    pub(crate) fn see_assignment(&mut self, org: OrgId, id: AssignmentId) -> Option<ObservedAssignment> {
        let detail = self.read(org, move |rx, cx| assignment_view(rx, cx, id)).ok()?;
        Some(ObservedAssignment {
            org,
            record: detail.row.record,
            reason: detail.reason,
            attempts: detail.attempts.into_iter().map(|(attempt, _)| attempt).collect(),
            events: detail.events,
        })
    }

    fn see_run(&mut self, org: OrgId, id: RunId, whole: bool) -> Option<ObservedRun> {
        let detail = self.read(org, move |rx, cx| run_view(rx, cx, id)).ok()?;
        let (targets, walks, pieces) = (BTreeSet::new(), Vec::new(), Vec::new());
        let (events, slices, pool_max) = (Vec::new(), Vec::new(), None);
        let mut seen =
            ObservedRun { org, run: detail.run, steps: detail.steps, rows: None, targets, walks, pieces, slices, pool_max, events };
        if whole {
            let mut rows = Counts::default();
            if seen.run.walked {
                seen.walks = self.walks(org, id);
                seen.walks.iter().for_each(|walk| rows.add(walk.state, 1));
                seen.targets.extend(seen.walks.iter().map(|walk| walk.device));
                seen.pieces = self.rows(org, id);
            } else {
                for record in self.rows(org, id) {
                    rows.add(record.state.status.state(), 1);
                    seen.targets.insert(record.device);
                }
            }
            let in_waves = !seen.run.walked && !seen.run.rollout.waves.is_empty();
            if in_waves || seen.run.is_pooled() {
                seen.pieces = self.rows(org, id);
            }
            if seen.run.is_pooled() {
                (seen.slices, seen.pool_max) = self.see_pool(org, &seen.run);
            }
            seen.rows = Some(rows);
            seen.events = self.run_record(org, id);
        }
        Some(seen)
    }

    fn run_record(&mut self, org: OrgId, id: RunId) -> Vec<Event> {
        let mut all: Vec<Event> = Vec::new();
        loop {
            let before = all.last().map(|e| e.id);
            let part = self.read(org, move |rx, cx| run_events(rx, cx, id, before, PAGE)).unwrap_or_default();
            let last = part.len() < PAGE;
            all.extend(part);
            if last {
                return all;
            }
        }
    }

    /// The assignments of a run, one by one.
    fn rows(&mut self, org: OrgId, run: RunId) -> Vec<AssignmentRecord> {
        let filter = AssignmentFilter { run: Some(run), ..AssignmentFilter::default() };
        let (mut all, mut next) = (Vec::new(), Some(page()));
        while let Some(request) = next {
            let filter = filter.clone();
            let Ok(part) = self.read(org, move |rx, cx| assignment_list(rx, cx, &filter, &request)) else { break };
            all.extend(part.items.into_iter().map(|(row, _)| row.record));
            next = next_page(part.next);
        }
        all
    }

    /// The walks of a run, one by one.
    fn walks(&mut self, org: OrgId, run: RunId) -> Vec<Walk> {
        let (mut all, mut next) = (Vec::new(), Some(page()));
        while let Some(request) = next {
            let Ok(part) = self.read(org, move |rx, cx| run_targets(rx, cx, run, &[], &request)) else { break };
            all.extend(part.items.into_iter().map(|(walk, _)| walk));
            next = next_page(part.next);
        }
        all
    }

    /// Every run of an organization.
    pub(crate) fn all_runs(&mut self, org: OrgId) -> Vec<Run> {
        let (mut all, mut next) = (Vec::new(), Some(page()));
        while let Some(request) = next {
            let Ok(part) = self.read(org, move |rx, cx| run_list(rx, cx, &RunFilter::default(), &request)) else { break };
            all.extend(part.items);
            next = next_page(part.next);
        }
        all
    }

    /// Why the first open assignments of a run wait.
    pub(crate) fn reasons_of(&self, org: OrgId, run: muster_core::ids::RunId) -> Vec<String> {
        let filter = AssignmentFilter { open: true, run: Some(run), ..AssignmentFilter::default() };
        let request = PageRequest { limit: 3, ..PageRequest::default() };
        let page = self.read(org, move |rx, cx| muster_engine::runs::assignment_list(rx, cx, &filter, &request));
        page.into_iter().flat_map(|p| p.items).map(|(row, reason)| format!("{:?} {reason:?}", row.record.state.status)).collect()
    }

    /// A quick look: what this step touched, and one thing at random.
    pub(crate) fn look(&mut self) -> Observed {
        let mut seen = std::mem::take(&mut self.seen);
        seen.now = self.now();
        let mut touched = std::mem::take(&mut self.touched);
        touched.extend(self.dice.pick(&self.known));
        touched.sort_unstable();
        touched.dedup();
        for (org, id) in touched {
            seen.assignments.extend(self.see_assignment(org, id));
        }
        let mut runs: Vec<(OrgId, RunId)> = seen.assignments.iter().map(|a| (a.org, a.record.run)).collect();
        runs.sort_unstable();
        runs.dedup();
        for (org, run) in runs {
            seen.runs.extend(self.see_run(org, run, false));
        }
        if self.dice.below(10) == 0 {
            seen.groups = self.orgs().into_iter().flat_map(|org| self.see_groups(org)).collect();
        }
        seen
    }

    /// A look at everything; `every` second, third … assignment in detail.
    pub(crate) fn look_at_all(&mut self, every: usize) -> Observed {
        let mut seen = self.look();
        let had: Vec<AssignmentId> = seen.assignments.iter().map(|a| a.record.id).collect();
        seen.full = true;
        seen.runs.clear();
        self.known.clear();
        for org in self.orgs() {
            for run in self.all_runs(org) {
                let id = run.id;
                seen.runs.extend(self.see_run(org, id, true));
                let ids: Vec<_> = self.rows(org, id).into_iter().map(|r| (org, r.id)).collect();
                self.known.extend(ids);
            }
        }
        for (org, id) in self.known.clone() {
            if !had.contains(&id) && self.dice.below(every) == 0 {
                seen.assignments.extend(self.see_assignment(org, id));
            }
        }
        self.look_at_things(&mut seen);
        seen.groups = self.orgs().into_iter().flat_map(|org| self.see_groups(org)).collect();
        seen
    }

    /// Tasks, devices and the marks of inventories.
    fn look_at_things(&mut self, seen: &mut Observed) {
        for (id, (org, _)) in self.model.tasks.clone() {
            if let Ok(view) = self.read(org, move |rx, cx| muster_engine::tasks::task_view(rx, cx, id)) {
                seen.tasks.push((id, view.task.version));
            }
        }
        for ((device, section), _) in self.model.marks.clone() {
            let Some(org) = self.model.devices.get(&device).copied() else { continue };
            let wanted = vec![section.clone()];
            let stored = self.read(org, move |rx, cx| muster_engine::fleet::device_inventory(rx, cx, device, &wanted));
            let number = stored.ok().and_then(|(_, sections)| sections.get(&section)?.get(0)?.get("n")?.as_i64());
            seen.marks.push((device, section, number));
        }
        for org in self.orgs() {
            let filter = muster_engine::DeviceFilter::default();
            let found = self.read(org, move |rx, cx| muster_engine::fleet::device_list(rx, cx, filter, None, &page()));
            seen.devices.extend(found.into_iter().flat_map(|p| p.items).map(|d| (d.device.id, org)));
        }
    }
}
