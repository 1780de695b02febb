//! Pools: tasks that one does, and which slices an agent could have.

use crate::world::World;
use muster_core::fleet::{Agent, Protocol};
use muster_core::ids::{AssignmentId, DeviceId, OrgId, RunId, TaskId};
use muster_core::page::PageRequest;
use muster_core::tasks::doc::Actors;
use muster_core::tasks::pool::Range;
use muster_core::tasks::state::Status;
use muster_core::tasks::{AssignmentRecord, Run, RunState, TaskDoc};
use muster_core::time::Timestamp;
use muster_engine::runs::{assignment_list, run_list, run_view};
use muster_engine::tasks::task_view;
use muster_engine::{AssignmentFilter, RunFilter};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The slices around an agent just before a contact.
#[derive(Default)]
pub(crate) struct SlicesBefore {
    pub attempts: Vec<(AssignmentId, u32)>,
    pub times: Vec<(AssignmentId, Timestamp, Option<Timestamp>)>,
    pub paused: Vec<RunId>,
    /// How many slices the agent has in its hands.
    pub under_way: usize,
    /// For each run, how many it could have, and how much room the run has.
    pub claimable: BTreeMap<RunId, (usize, usize)>,
}

impl World {
    /// Lets pools do some tasks.
    pub(crate) fn pooled(&mut self, document: &mut Value) {
        if !self.dice.chance(self.swarm.pools) {
            return;
        }
        let ranges: &[&str] = self
            .dice
            .pick(&[&["10.0.0.0/27"][..], &["10.0.0.0/26", "10.1.0.5-10.1.0.40", "10.0.0.60-10.0.0.70"], &["10.0.0.9"], &["10.1.0.0/25"]])
            .unwrap_or(&[]);
        let excluded: &[&str] = self.dice.pick(&[&[][..], &["10.0.0.0", "10.1.0.16-10.1.0.23"]]).unwrap_or(&[]);
        document["targets"] = json!({"ip_ranges": ranges, "exclude": {"ip_ranges": excluded}});
        document["actors"] = match self.dice.below(4) {
            0 => json!({"pool": {"module": "check_addresses", "max": self.dice.within(1, 2)}}),
            1 => {
                let known: Vec<String> = self.model.agents.keys().map(ToString::to_string).collect();
                let some: BTreeSet<String> = (0..2).filter_map(|_| self.dice.pick(&known)).collect();
                if some.is_empty() { json!({"pool": {}}) } else { json!({"agents": some}) }
            }
            _ => json!({"pool": {}}),
        };
        document["steps"] =
            json!([{"id": "check", "action": {"type": "check_addresses", "ports": [22]}, "timeout": self.dice.pick(&["60s", "10m"])}]);
        document["retry"]["backoff"] = json!(self.dice.pick(&["0s", "30s", "10m"]));
        // Where nobody may do it, it ends with its time.
        document["window"] = json!({"not_after": self.dice.pick(&["06:00", "13:00"]), "at_end": self.dice.pick(&["let_finish", "stop"])});
        let limit = document["rollout"]["max_in_flight"].take();
        document["rollout"] = if limit.is_null() { json!({}) } else { json!({"max_in_flight": limit}) };
        for key in ["mode", "schedule"] {
            let is_offline = document[key]["offline"] == true;
            if let Some(map) = document.as_object_mut().filter(|_| key == "mode" || is_offline) {
                map.remove(key);
            }
        }
    }

    /// The addresses of a task, one by one as they are written; none where machines are its targets.
    pub(crate) fn addresses_of(&self, org: OrgId, task: TaskId) -> Option<BTreeSet<IpAddr>> {
        let doc = self.read(org, move |rx, cx| task_view(rx, cx, task)).ok()?.task.doc;
        let each = |texts: &[String]| -> BTreeSet<IpAddr> {
            texts.iter().filter_map(|text| text.parse::<Range>().ok()).flat_map(|range| range.addresses()).collect()
        };
        let wanted = doc.is_pooled().then(|| each(&doc.targets.ip_ranges))?;
        Some(wanted.difference(&each(&doc.targets.exclude.ip_ranges)).copied().collect())
    }

    /// The slices of a run, and how many of its pool may be at work.
    pub(crate) fn see_pool(&self, org: OrgId, run: &Run) -> (Vec<(DeviceId, Range)>, Option<usize>) {
        let id = run.id;
        let slices = self.read(org, move |rx, _| Ok(rx.slices_of(id)?)).unwrap_or_default();
        (slices.into_iter().map(|slice| (slice.id, slice.range)).collect(), self.pool_doc(org, run).and_then(|doc| doc.actors.most()))
    }

    fn pool_doc(&self, org: OrgId, run: &Run) -> Option<TaskDoc> {
        let (task, version) = (run.task, run.task_version);
        self.read(org, move |rx, _| Ok(rx.task_doc(task, version)?)).ok().flatten()
    }

    /// What an agent could have of the slices that there are.
    pub(crate) fn slices_before(&self, agent: &Agent) -> SlicesBefore {
        let mut seen = SlicesBefore::default();
        let page = PageRequest { limit: 1_000, ..PageRequest::default() };
        let open = RunFilter { states: RunState::ALL.into_iter().filter(|s| *s != RunState::Finished).collect(), ..RunFilter::default() };
        let asked = page.clone();
        let runs = self.read(agent.org, move |rx, cx| run_list(rx, cx, &open, &asked)).map_or(Vec::new(), |page| page.items);
        for run in runs.into_iter().filter(Run::is_pooled) {
            let (filter, asked) = (AssignmentFilter { open: true, run: Some(run.id), ..AssignmentFilter::default() }, page.clone());
            let rows = self.read(agent.org, move |rx, cx| assignment_list(rx, cx, &filter, &asked));
            let rows: Vec<AssignmentRecord> = rows.map_or(Vec::new(), |page| page.items.into_iter().map(|(row, _)| row.record).collect());
            self.slices_of_run(agent, &run, &rows, &mut seen);
        }
        seen
    }

    fn slices_of_run(&self, agent: &Agent, run: &Run, rows: &[AssignmentRecord], seen: &mut SlicesBefore) {
        let (now, held) = (self.now(), run.paused || run.rollout.halted);
        let Some(doc) = self.pool_doc(agent.org, run) else { return };
        let pause = doc.retry.backoff.0;
        let is_named = if let Actors::Agents(ids) = &doc.actors { ids.contains(&agent.id) } else { true };
        let is_member = is_named && agent.verified && agent.protocol == Protocol::Muster;
        let holders: Vec<_> = rows.iter().filter_map(|r| r.state.status.lease().map(|(actor, _)| actor.agent)).collect();
        let own = holders.iter().filter(|id| **id == agent.id).count();
        let may_have = |record: &&AssignmentRecord| {
            let due = matches!(record.state.status, Status::Prepared { from } if from <= now);
            let in_time = record.state.limits.not_after.is_none_or(|end| now < end);
            let was_own = record.state.last_actor.is_some_and(|actor| actor.agent == agent.id);
            due && in_time && (!was_own || record.updated.plus(pause) <= now)
        };
        let working = holders.iter().collect::<BTreeSet<_>>().len();
        let has_room = doc.actors.most().is_none_or(|most| working < most);
        let is_free = is_member && !held && !run.cancel_requested && own == 0 && has_room;
        let claimable = usize::from(is_free && rows.iter().any(|record| may_have(&record)));
        let id = run.id;
        let room = self.read(agent.org, move |rx, cx| run_view(rx, cx, id)).map_or(usize::MAX, |it| crate::script::room_of(&it));
        seen.claimable.insert(run.id, (claimable, room));
        seen.under_way += own;
        if held {
            seen.paused.push(run.id);
        }
        for record in rows {
            seen.attempts.push((record.id, record.state.attempt));
            if let Status::Prepared { from } = record.state.status {
                seen.times.push((record.id, from, record.state.limits.not_after));
            }
        }
    }
}
