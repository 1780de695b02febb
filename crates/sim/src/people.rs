//! People: they write tasks, start and end runs, change and remove devices, and reach where they may not.

use crate::observe::Intrusion;
use crate::world::World;
use muster_core::ids::{DeviceId, OrgId, RunId};
use muster_core::page::PageRequest;
use muster_core::tasks::doc::ScheduleAct;
use muster_core::tasks::{RunState, State};
use muster_engine::fleet::{DevicePatch, device_delete, device_list, device_update, device_view};
use muster_engine::queue::{self, QueueAct};
use muster_engine::runs::{Start, assignment_cancel, assignment_view, house_view, run_cancel, run_events, run_start, run_view};
use muster_engine::schedules::switch;
use muster_engine::tasks::{task_create, task_delete, task_preview, task_update, task_view};
use muster_engine::{AssignmentFilter, Cx, DeviceFilter, Tx, brake};
use serde_json::{Value, json};
use std::time::Duration;

/// Runs that may be open at once in one organization, so that a world stays small.
const OPEN_RUNS_MAX: usize = 12;

impl World {
    pub(crate) fn org(&mut self) -> OrgId {
        self.tenants[self.dice.below(2)].id
    }

    pub(crate) fn devices(&self, org: OrgId) -> Vec<(DeviceId, String)> {
        let page = PageRequest { limit: 1_000, ..PageRequest::default() };
        let found = self.read(org, move |rx, cx| device_list(rx, cx, DeviceFilter::default(), None, &page));
        found.into_iter().flat_map(|p| p.items).map(|d| (d.device.id, d.device.name)).collect()
    }

    fn document(&mut self, org: OrgId, name: &str) -> Value {
        let devices = self.devices(org);
        let targets = match self.dice.below(6) {
            0 | 1 => json!({"all": true}),
            2 => json!({"query": self.dice.pick(&["verified == false", "name.startsWith(\"pc1\")", "protocol == \"ocs\"", "true"])}),
            4 => self.grouped(org),
            3 => json!({"all": true, "exclude": {"devices": self.dice.pick(&devices).map(|d| vec![d.1]).unwrap_or_default()}}),
            _ => {
                let ids: Vec<String> = (0..3).filter_map(|_| self.dice.pick(&devices)).map(|d| d.0.to_string()).collect();
                json!({"devices": ids})
            }
        };
        let on: &[&str] = self.dice.pick(&[&["error", "unknown"][..], &["error"], &["unknown"], &[]]).unwrap_or(&[]);
        let timeout = self.dice.pick(&["60s", "10m", "2h"]);
        let mut document = json!({
            "name": name, "targets": targets, "delivery": self.dice.pick(&["pull", "push"]), "priority": self.dice.below(10),
            "retry": {"attempts": self.dice.within(1, 4), "backoff": self.dice.pick(&["0s", "30s", "1h"]), "on": on},
            "steps": [{"id": "collect", "action": {"type": "inventory"}, "timeout": timeout}],
        });
        self.timed(&mut document);
        self.rolled_out(&mut document);
        self.kept(&mut document);
        self.pooled(&mut document);
        self.joined_later(&mut document);
        document
    }

    /// Gives some tasks a schedule, a window, a limit, or an action of the server.
    fn timed(&mut self, document: &mut Value) {
        if self.dice.chance(self.swarm.scheduled) {
            let zone = self.dice.pick(&["server", "device", "Europe/Paris", "America/St_Johns"]);
            document["schedule"] = match self.dice.below(6) {
                0 => json!({"every": self.dice.pick(&["10m", "6h", "24h"])}),
                1 => json!({"cron": self.dice.pick(&["0 * * * *", "30 2 * * *", "0 0 * * 1-5"]), "zone": zone}),
                2 => json!({"on": "device_enrolled"}),
                3 => json!({"on": {"inventory_changed": "softwares"}}),
                4 => json!({"now": true}),
                _ => json!({"at": self.now().plus(Duration::from_secs(self.dice.within(60, 90_000) as u64)).to_string()}),
            };
            document["schedule"]["misfire"] = json!(self.dice.pick(&["skip", "run_once"]));
        }
        if self.swarm.keeps && self.dice.chance(800) {
            document["schedule"] = json!({"every": self.dice.pick(&["10m", "1h", "6h"]), "offline": true});
        }
        if self.dice.chance(self.swarm.windowed) {
            document["window"] = match self.dice.below(4) {
                0 => json!({"not_after": "06:00"}),
                1 => json!({"not_before": "22:00", "not_after": "06:00", "zone": "device"}),
                2 => json!({"not_before": "12:00"}),
                _ => json!({"not_before": "09:00", "not_after": "17:00", "days": ["mon", "tue", "wed", "thu", "fri"]}),
            };
            document["window"]["at_end"] = json!(self.dice.pick(&["let_finish", "stop"]));
        }
        if self.dice.chance(100) && !self.swarm.keeps {
            document["rollout"] = json!({"max_in_flight": self.dice.within(1, 4)});
        }
        if (self.swarm.alone && self.dice.chance(800)) || self.dice.chance(self.swarm.jobs) {
            self.job(document);
        } else if self.dice.chance(100) {
            // What is done twice does harm. What no agent of a device can do ends with its time.
            document["steps"] = json!([{"id": "do", "action": {"type": "run_script", "script": "true"}, "timeout": "10m"}]);
            document["window"] =
                json!({"not_after": self.dice.pick(&["06:00", "13:00"]), "at_end": self.dice.pick(&["let_finish", "stop"])});
        } else if self.dice.chance(80) {
            document["steps"] = json!([{"id": "do", "action": match self.dice.below(3) {
                0 => json!({"type": "raise_message", "title": "{{task.name}}"}),
                1 => json!({"type": "call_web_service", "url": "http://192.0.2.1/", "method": self.dice.pick(&["GET", "POST"])}),
                _ => json!({"type": "wake_agents"}),
            }}]);
        }
    }

    /// Lets machines keep some tasks that recur.
    fn kept(&mut self, document: &mut Value) {
        let recurs = document["schedule"]["every"].is_string() || document["schedule"]["cron"].is_string();
        let is_plain =
            document["mode"] != "server_job" && document["rollout"]["waves"].is_null() && document["rollout"]["max_in_flight"].is_null();
        if recurs && is_plain && self.dice.chance(300) {
            document["schedule"]["offline"] = json!(true);
        }
    }

    /// Lets machines join some runs after their start.
    fn joined_later(&mut self, document: &mut Value) {
        let is_plain = document["mode"] != "server_job" && document["schedule"]["offline"] != true && document["actors"].is_null();
        if is_plain && self.dice.chance(self.swarm.late) {
            document["targets"]["late_joiners"] = json!(true);
        }
    }

    /// Cuts some tasks into waves, or lets them stop by themselves.
    fn rolled_out(&mut self, document: &mut Value) {
        if document["mode"] != "server_job" && !self.swarm.keeps && self.dice.chance(self.swarm.waves) {
            let waves: &[&str] = self.dice.pick(&[&["1%", "100%"][..], &["30%", "60%", "100%"], &["50%"]]).unwrap_or(&[]);
            document["rollout"]["waves"] = json!(waves);
            document["rollout"]["wait"] = json!(self.dice.pick(&["60s", "2h"]));
            if self.dice.chance(300) {
                document["rollout"]["halt_on_lost_rate"] = json!("20%");
            }
        }
        if self.dice.chance(self.swarm.waves) {
            document["rollout"]["halt_on_error_rate"] = json!(self.dice.pick(&["0%", "5%", "30%"]));
        }
    }

    pub(crate) fn task_new(&mut self) {
        let org = self.org();
        let document = self.document(org, &format!("task {}", self.commands));
        let answer = self.write("task.create", &self.person(org), move |tx, cx| task_create(tx, cx, &document));
        self.note(format_args!("a person writes a task: {:?}", answer.result.as_ref().map(|t| t.task.id).map_err(|e| e.key)));
        if let Ok(view) = answer.result {
            self.model.tasks.insert(view.task.id, (org, view.task.version));
        }
    }

    pub(crate) fn any_task(&mut self) -> Option<(muster_core::ids::TaskId, OrgId)> {
        let all: Vec<_> = self.model.tasks.iter().map(|(id, (org, _))| (*id, *org)).collect();
        self.dice.pick(&all)
    }

    pub(crate) fn task_change(&mut self) {
        let Some((id, org)) = self.any_task() else { return };
        let document = self.document(org, &format!("task {}", self.commands));
        let answer = self.write("task.update", &self.person(org), move |tx, cx| task_update(tx, cx, id, &document, None));
        self.note(format_args!("a person changes task {id}: {:?}", answer.result.as_ref().map(|t| t.task.version).map_err(|e| e.key)));
        if let Ok(view) = answer.result {
            self.model.tasks.insert(id, (org, view.task.version));
        }
    }

    pub(crate) fn task_remove(&mut self) {
        let Some((id, org)) = self.any_task() else { return };
        let answer = self.write("task.delete", &self.person(org), move |tx, cx| task_delete(tx, cx, id));
        self.note(format_args!("a person deletes task {id}: {:?}", answer.result.as_ref().map_err(|e| e.key)));
        if answer.result.is_ok() || answer.is_maybe() {
            self.model.tasks.remove(&id);
        }
    }

    /// Puts the schedule of a task out of action, or back.
    pub(crate) fn schedule_switch(&mut self) {
        let Some((id, org)) = self.any_task() else { return };
        let is_off = self.read(org, move |rx, cx| task_view(rx, cx, id)).is_ok_and(|view| view.task.schedule_off.is_some());
        let act = if is_off { ScheduleAct::Enable } else { ScheduleAct::Disable };
        let answer = self.write("schedule.switch", &self.person(org), move |tx, cx| switch(tx, cx, id, act, "holidays"));
        self.note(format_args!(
            "a person switches the schedule of task {id}, {act:?}: {:?}",
            answer.result.as_ref().map(|_| ()).map_err(|e| e.key)
        ));
        // Unless it is certain that it is off, nothing is claimed of it.
        self.model.switched_off.remove(&id);
        // What machines keep they may begin before they hear of it.
        let off = answer.result.ok().filter(|view| view.task.schedule_off.is_some() && !view.task.doc.is_offline());
        if off.is_some() {
            let filter = muster_engine::RunFilter { task: Some(id), ..muster_engine::RunFilter::default() };
            let page = PageRequest { limit: 1_000, ..PageRequest::default() };
            let runs = self.read(org, move |rx, cx| muster_engine::runs::run_list(rx, cx, &filter, &page));
            self.model.switched_off.extend(runs.ok().map(|runs| (id, runs.items.iter().map(|run| run.id).collect())));
        }
    }

    fn open_runs(&self, org: OrgId) -> Vec<RunId> {
        let filter = muster_engine::RunFilter {
            states: RunState::ALL.into_iter().filter(|s| *s != RunState::Finished).collect(),
            ..muster_engine::RunFilter::default()
        };
        let found = self.read(org, move |rx, cx| muster_engine::runs::run_list(rx, cx, &filter, &PageRequest::default()));
        found.into_iter().flat_map(|p| p.items).map(|r| r.id).collect()
    }

    /// Starts a task, sometimes by its preview, sometimes with a number that may be wrong.
    pub(crate) fn run_new(&mut self) {
        let Some((id, org)) = self.any_task() else { return };
        if self.open_runs(org).len() >= OPEN_RUNS_MAX {
            return;
        }
        let mut start = Start::default();
        match self.dice.below(4) {
            0 => start.plan = self.read(org, move |rx, cx| task_preview(rx, cx, id)).ok().map(|p| p.plan),
            1 => start.confirm_count = Some(self.dice.within(1, 10)),
            _ => {}
        }
        let (shown, as_shown) = (self.shown_targets(org, id), self.shown_start(org, id));
        let answer = self.write("run.start", &self.person(org), move |tx, cx| run_start(tx, cx, id, &start));
        self.note(format_args!(
            "a person starts task {id}: {:?}",
            answer.result.as_ref().map(|r| (r.run.id, r.run.targeted)).map_err(|e| e.key)
        ));
        if let Ok(detail) = answer.result {
            if let Some(as_shown) = as_shown {
                self.started_as_shown(id, as_shown);
            }
            self.model.runs.insert(detail.run.id, (org, detail.run.targeted));
            match self.addresses_of(org, id) {
                Some(addresses) => drop(self.model.addresses.insert(detail.run.id, addresses)),
                None => self.model.confirmed.extend(shown.map(|devices| (detail.run.id, devices))),
            }
        }
    }

    pub(crate) fn run_end(&mut self) {
        let org = self.org();
        let open = self.open_runs(org);
        let Some(id) = self.dice.pick(&open) else { return };
        let answer = self.write("run.cancel", &self.person(org), move |tx, cx| run_cancel(tx, cx, id));
        self.note(format_args!("a person cancels run {id}: {:?}", answer.result.as_ref().map(|_| ()).map_err(|e| e.key)));
        if answer.result.is_ok() {
            self.model.cancelled_runs.insert(id);
        }
    }

    pub(crate) fn assignment_end(&mut self) {
        let Some((org, id)) = self.dice.pick(&self.known) else { return };
        let answer = self.write("assignment.cancel", &self.person(org), move |tx, cx| assignment_cancel(tx, cx, id));
        self.touched.push((org, id));
        let state = answer.result.as_ref().map(|d| d.row.record.state.status.state()).map_err(|e| e.key);
        self.note(format_args!("a person cancels assignment {id}: {state:?}"));
        if state == Ok(State::Cancelled) {
            self.model.cancelled.insert(id);
        }
    }

    /// Acts on the queue of one run.
    pub(crate) fn queue_act(&mut self, act: QueueAct) {
        let org = self.org();
        let open = self.open_runs(org);
        let Some(run) = self.dice.pick(&open) else { return };
        let filter = AssignmentFilter { run: Some(run), ..AssignmentFilter::default() };
        let answer = self.write("queue.act", &self.person(org), move |tx, cx| queue::piece(tx, cx, &filter, act, true));
        self.note(format_args!("a person acts on the queue of run {run}, {act:?}: {:?}", answer.result.map_err(|e| e.key)));
    }

    /// Resumes a run that is paused; pauses another one now and then.
    pub(crate) fn run_hold(&mut self) {
        let org = self.org();
        let open = self.open_runs(org);
        let Some(id) = self.dice.pick(&open) else { return };
        let paused = !self.read(org, move |rx, cx| run_view(rx, cx, id)).is_ok_and(|r| r.run.paused || r.run.rollout.halted);
        if paused && !self.dice.chance(300) {
            return;
        }
        let act = if paused { brake::run_pause } else { brake::run_resume };
        let answer = self.write("run.hold", &self.person(org), move |tx, cx| act(tx, cx, id));
        self.note(format_args!("a person holds run {id} ({paused}): {:?}", answer.result.as_ref().map(|_| ()).map_err(|e| e.key)));
    }

    /// Releases the brake of an organization where it is on; pulls it now and then.
    pub(crate) fn brake(&mut self) {
        let org = self.org();
        let on = !self.read(org, house_view).is_ok_and(|o| o.freeze.is_some());
        if on && !self.dice.chance(200) {
            return;
        }
        let act = move |tx: &mut Tx, cx: &Cx| if on { brake::freeze(tx, cx, "it burns") } else { brake::release(tx, cx) };
        let answer = self.write("brake", &self.person(org), act);
        self.note(format_args!("a person moves the brake of {org} ({on}): {:?}", answer.result.as_ref().map(|_| ()).map_err(|e| e.key)));
    }

    /// Brakes are released and runs go on.
    pub(crate) fn people_let_go(&mut self) {
        for (id, (org, _)) in self.model.tasks.clone() {
            // What recurs would never end.
            if self.write("task.delete", &self.person(org), move |tx, cx| task_delete(tx, cx, id)).result.is_ok() {
                self.model.tasks.remove(&id);
            }
        }
        for org in self.orgs() {
            drop(self.write("brake", &self.person(org), brake::release));
            for id in self.open_runs(org) {
                drop(self.write("run.hold", &self.person(org), move |tx, cx| brake::run_resume(tx, cx, id)));
            }
        }
    }

    /// Runs that stopped by themselves go on.
    pub(crate) fn halted_go_on(&mut self) {
        for org in self.orgs() {
            for run in self.all_runs(org).into_iter().filter(|r| r.rollout.halted && r.state != RunState::Finished) {
                let id = run.id;
                drop(self.write("run.hold", &self.person(org), move |tx, cx| brake::run_resume(tx, cx, id)));
            }
        }
    }

    pub(crate) fn device_change(&mut self) {
        let org = self.org();
        let devices = self.devices(org);
        let Some((id, _)) = self.dice.pick(&devices) else { return };
        let patch = DevicePatch { verified: Some(self.dice.chance(500)), notes: Some("seen".to_owned()), ..DevicePatch::default() };
        let answer = self.write("device.update", &self.person(org), move |tx, cx| device_update(tx, cx, id, &patch, None));
        self.note(format_args!("a person changes device {id}: {:?}", answer.result.as_ref().map(|_| ()).map_err(|e| e.key)));
    }

    /// Whoever acts in both organizations moves a device from one to the other; its agents come as before.
    pub(crate) fn device_move(&mut self) {
        let org = self.org();
        let devices = self.devices(org);
        let (Some((id, _)), Some(to)) = (self.dice.pick(&devices), self.orgs().into_iter().find(|other| *other != org)) else { return };
        let mut mover = self.person(org);
        mover.caller.scope = None;
        let patch = DevicePatch { org: Some(to.to_string()), ..DevicePatch::default() };
        let answer = self.write("device.update", &mover, move |tx, cx| device_update(tx, cx, id, &patch, None));
        self.note(format_args!("a person moves device {id} to {to}: {:?}", answer.result.as_ref().map(|_| ()).map_err(|e| e.key)));
        if (answer.result.is_ok() || answer.is_maybe())
            && let Ok(there) = self.read(to, move |rx, cx| device_view(rx, cx, id))
        {
            self.model.moved(id, to, there.agents.iter().map(|agent| agent.id));
        }
    }

    pub(crate) fn device_remove_any(&mut self) {
        let org = self.org();
        let devices = self.devices(org);
        if let Some((id, _)) = self.dice.pick(&devices) {
            self.device_remove(org, id);
        }
    }

    fn device_remove(&mut self, org: OrgId, id: DeviceId) {
        let answer = self.write("device.delete", &self.person(org), move |tx, cx| device_delete(tx, cx, id));
        self.note(format_args!("a person removes device {id}: {:?}", answer.result.as_ref().map_err(|e| e.key)));
        if answer.result.is_ok() || answer.is_maybe() {
            self.model.forget(id);
        }
    }

    /// Removes devices for which no agent will come any more.
    pub(crate) fn devices_without_agents_go(&mut self) {
        let alive: Vec<DeviceId> = self.agents.iter().filter_map(|s| s.device).collect();
        for org in self.orgs() {
            for (id, _) in self.devices(org) {
                if !alive.contains(&id) {
                    self.device_remove(org, id);
                }
            }
        }
    }

    pub(crate) fn settings_change(&mut self) {
        let org = self.org();
        let patch = match self.dice.below(6) {
            5 => json!({"approve_above": self.dice.pick(&[0, 0, 2, 5])}),
            3 => json!({"in_flight_per_agent": self.dice.pick(&[1, 2, 4, 4])}),
            4 => json!({"in_flight": self.dice.pick(&[0, 0, 1, 3])}),
            0 => json!({"inventory_lease": self.dice.pick(&["60s", "10m", "2h"])}),
            1 => json!({"wake_enabled": self.dice.chance(500)}),
            _ => json!({"verify_new_agents": self.dice.chance(500)}),
        };
        let patch = patch.as_object().cloned().unwrap_or_default();
        let person = self.person(org);
        let answer = self.write("settings.update", &person, move |tx, cx| muster_engine::access::settings_update(tx, cx, &patch, None));
        self.note(format_args!("a person changes settings: {:?}", answer.result.map(|o| o.settings_version).map_err(|e| e.key)));
    }

    /// A person of one organization reaches for things of the other, from both sides of the border.
    pub(crate) fn intrude(&mut self) {
        let mine = self.dice.below(2);
        let (home, other) = (self.tenants[mine].id, self.tenants[1 - mine].id);
        let (mut abroad, at_home) = (self.person(home), self.person(home));
        abroad.org = other;
        let runs: Vec<RunId> = self.model.runs.iter().filter(|(_, (o, _))| *o == other).map(|(id, _)| *id).collect();
        let known: Vec<_> = self.known.iter().filter(|(o, _)| *o == other).map(|(_, id)| *id).collect();
        let devices: Vec<DeviceId> = self.model.devices.iter().filter(|(_, o)| **o == other).map(|(id, _)| *id).collect();
        for cx in [abroad, at_home] {
            if let Some(id) = self.dice.pick(&runs) {
                let seen = self.engine.read_now(&cx, move |rx, cx| run_view(rx, cx, id)).is_ok();
                let events = self.engine.read_now(&cx, move |rx, cx| run_events(rx, cx, id, None, 5)).is_ok();
                let ended = self.write("run.cancel", &cx, move |tx, cx| run_cancel(tx, cx, id)).result.is_ok();
                self.intruded("a run of another organization", seen || events || ended);
            }
            if let Some(id) = self.dice.pick(&known) {
                let seen = self.engine.read_now(&cx, move |rx, cx| assignment_view(rx, cx, id)).is_ok();
                let ended = self.write("assignment.cancel", &cx, move |tx, cx| assignment_cancel(tx, cx, id)).result.is_ok();
                self.intruded("an assignment of another organization", seen || ended);
            }
            if let Some(id) = self.dice.pick(&devices) {
                let seen = self.engine.read_now(&cx, move |rx, cx| device_view(rx, cx, id)).is_ok();
                let gone = self.write("device.delete", &cx, move |tx, cx| device_delete(tx, cx, id)).result.is_ok();
                self.intruded("a device of another organization", seen || gone);
            }
        }
        self.note("a person reaches into the other organization");
    }

    pub(crate) fn intruded(&mut self, what: &'static str, worked: bool) {
        self.seen.intrusions.push(Intrusion { what, worked });
    }
}
