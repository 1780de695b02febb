//! The independent model: what was acknowledged, kept apart from the engine. No rules of the engine are used here.

use crate::observe::{Handed, Told};
use muster_core::ids::{AgentId, AssignmentId, DeviceId, OrgId, RunId, TaskId};
use muster_engine::work::Said;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What one section of one device may hold: the acknowledged number, or one that was sent since and may have been stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The number that was acknowledged last.
    pub known: Option<i64>,
    /// Numbers sent later whose answer was lost.
    pub maybe: Vec<i64>,
}

impl Mark {
    /// Whether a stored number fits what was acknowledged.
    pub fn fits(&self, stored: Option<i64>) -> bool {
        stored == self.known || stored.is_some_and(|n| self.maybe.contains(&n))
    }
}

/// Everything that was acknowledged.
#[derive(Debug, Default)]
pub struct Model {
    /// Organization of each agent that was told its id.
    pub agents: BTreeMap<AgentId, OrgId>,
    /// Organization of each device of an acknowledged inventory or enrolment.
    pub devices: BTreeMap<DeviceId, OrgId>,
    /// Marks of inventories, by device and section.
    pub marks: BTreeMap<(DeviceId, String), Mark>,
    /// Tasks with the least version they have; removed ones are left out.
    pub tasks: BTreeMap<TaskId, (OrgId, i64)>,
    /// Tasks whose schedules were acknowledged as out of action, with the runs that they had by then.
    pub switched_off: BTreeMap<TaskId, BTreeSet<RunId>>,
    /// Runs with how many they target.
    pub runs: BTreeMap<RunId, (OrgId, i64)>,
    /// What a preview showed right before the start of each run: the devices it would hit.
    pub confirmed: BTreeMap<RunId, BTreeSet<DeviceId>>,
    /// The addresses of runs of pools, as their tasks were written.
    pub addresses: BTreeMap<RunId, BTreeSet<IpAddr>>,
    /// Starts that a second person may have approved and that were not used yet: the task, and the plan.
    pub approved: BTreeSet<(TaskId, String)>,
    /// Runs whose end was acknowledged as asked for.
    pub cancelled_runs: BTreeSet<RunId>,
    /// Assignments that were acknowledged as cancelled.
    pub cancelled: BTreeSet<AssignmentId>,
    /// Who was handed what, by attempt.
    pub handed: BTreeMap<AssignmentId, BTreeMap<u32, AgentId>>,
    /// What was accepted of reports, by attempt.
    pub said: BTreeMap<AssignmentId, BTreeMap<u32, Said>>,
}

impl Model {
    pub(crate) fn was_handed(&mut self, handed: &Handed) {
        self.handed.entry(handed.assignment).or_default().insert(handed.attempt, handed.agent);
    }

    pub(crate) fn was_told(&mut self, told: &Told) {
        let all = self.said.entry(told.assignment).or_default();
        all.insert(told.attempt, told.said);
    }

    pub(crate) fn marked(&mut self, device: DeviceId, section: &str, number: i64) {
        self.marks.insert((device, section.to_owned()), Mark { known: Some(number), maybe: Vec::new() });
    }

    pub(crate) fn maybe_marked(&mut self, device: DeviceId, section: &str, number: i64) {
        // Where nothing was acknowledged, nothing is claimed: what a merge brought along may be there.
        if let Some(mark) = self.marks.get_mut(&(device, section.to_owned())) {
            mark.maybe.push(number);
        }
    }

    /// An agent that speaks for a device came at the door of an organization: it is of that one, unless its device was moved.
    pub(crate) fn came(&mut self, agent: AgentId, device: DeviceId, door: OrgId) {
        let home = self.devices.get(&device).or(self.agents.get(&agent)).copied().unwrap_or(door);
        self.agents.insert(agent, home);
        self.devices.insert(device, home);
    }

    /// A device with these agents is of that organization now.
    pub(crate) fn moved(&mut self, device: DeviceId, to: OrgId, agents: impl Iterator<Item = AgentId>) {
        self.devices.insert(device, to);
        self.agents.extend(agents.map(|agent| (agent, to)));
    }

    /// A device went, or may have gone: nothing is claimed of it any more.
    pub(crate) fn forget(&mut self, device: DeviceId) {
        self.devices.remove(&device);
        self.marks.retain(|(d, _), _| *d != device);
    }
}
