//! Scripted agents of every dialect: what they know, and how they talk, lose answers, repeat and lie.

use crate::alone::Walking;
use crate::book::Kept;
use crate::dice::Dice;
use crate::moves::Move;
use crate::observe::{Handed, Offer, Told};
use crate::world::World;
use muster_core::fleet::{Agent, Protocol};
use muster_core::ids::{AgentId, AssignmentId, DeviceId, OrgId, RunId};
use muster_core::inventory::{Canonical, Completeness, Inventory, Row};
use muster_core::tasks::job::led::Piece;
use muster_core::tasks::state::Status;
use muster_core::tasks::{AssignmentRecord, Outcome, Refused, State};
use muster_core::time::Timestamp;
use muster_engine::contact::{self, Hello, OwnContact};
use muster_engine::enrol::{Enrol, enrol};
use muster_engine::intake::{self, Arrival, Plan};
use muster_engine::runs::RunDetail;
use muster_engine::work::{Claimed, Report, Said};
use muster_engine::{AssignmentFilter, Cx, Kind, Rx};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A scripted agent.
#[derive(Debug)]
pub(crate) struct Script {
    index: usize,
    /// Which tenant it belongs to.
    pub tenant: usize,
    pub protocol: Protocol,
    /// Counts its installations: each has its own identity.
    installation: u32,
    /// Which machine it stands on; two agents may share one.
    hardware: usize,
    trusted: usize,
    /// Its id, as far as it or its door knows.
    pub agent: Option<AgentId>,
    /// Its device, as last acknowledged.
    pub device: Option<DeviceId>,
    pub(crate) incarnation: u32,
    pub(crate) away: bool,
    asked: bool,
    pub woken: bool,
    pub(crate) orders: Vec<Report>,
    /// The jobs that it walks alone, by the attempt where they stand.
    pub(crate) jobs: BTreeMap<(AssignmentId, u32), Walking>,
    /// Verdicts of those jobs that it has not told yet, in their order.
    pub(crate) untold: Vec<Report>,
    /// Its order book.
    pub(crate) book: Vec<Kept>,
    /// What it began: its journal, which outlives every crash.
    pub(crate) journal: BTreeSet<(AssignmentId, u32)>,
    sent: Vec<Report>,
    counter: i64,
}

impl Script {
    pub(crate) fn new(dice: &mut Dice, index: usize, own: bool) -> Self {
        let protocol = dice.pick(&Protocol::ALL).filter(|_| !own).unwrap_or(Protocol::Muster);
        let shared = index > 0 && dice.chance(150);
        Self {
            index,
            tenant: dice.below(2),
            protocol,
            installation: 1,
            hardware: if shared { dice.below(index) } else { index },
            trusted: if own { 1 } else { dice.below(2) },
            agent: None,
            device: None,
            incarnation: 0,
            away: false,
            asked: false,
            woken: false,
            orders: Vec::new(),
            jobs: BTreeMap::new(),
            untold: Vec::new(),
            book: Vec::new(),
            journal: BTreeSet::new(),
            sent: Vec::new(),
            counter: 0,
        }
    }

    pub(crate) fn is_own(&self) -> bool {
        self.protocol == Protocol::Muster
    }

    fn foreign_id(&self) -> String {
        format!("pc{}-2026-01-02-03-04-{:02}", self.index, self.installation % 60)
    }

    fn section(&self) -> String {
        format!("mark_{}_{}", self.index, self.installation)
    }

    fn uuid(&self) -> String {
        format!("4c4c4544-0042-{:04}-8052-b4c04f{:06}", self.tenant, self.hardware)
    }

    fn hello(&self) -> Hello {
        let address = format!("10.{}.0.{}", self.tenant, self.index + 1);
        Hello {
            protocol: self.protocol,
            foreign_id: self.foreign_id(),
            version: Some("1.0".to_owned()),
            address: Some(address),
            vouched: false,
            packages: false,
        }
    }

    /// An inventory with a number by which it is known again.
    fn arrival(&self, dice: &mut Dice, number: i64) -> Arrival {
        let row = |fields: &[(&str, Value)]| -> Row { fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect() };
        let whole = self.protocol != Protocol::Ocs && dice.chance(800);
        let mut inventory = Inventory::empty(if whole { Completeness::Full } else { Completeness::Partial });
        let mut put = |name: String, rows: Vec<Row>| inventory.sections.insert(name, rows);
        put("hardware".to_owned(), vec![row(&[("name", json!(format!("pc{}", self.hardware))), ("uuid", json!(self.uuid()))])]);
        put(self.section(), vec![row(&[("n", json!(number))])]);
        if dice.chance(500) {
            let programs =
                (0..dice.below(4)).map(|n| row(&[("name", json!(format!("tool{n}"))), ("version", json!(dice.below(3).to_string()))]));
            put("softwares".to_owned(), programs.collect());
        }
        if dice.chance(60) {
            inventory.completeness = Completeness::Partial;
            inventory.find("truncated", "cut short");
        }
        Arrival {
            protocol: self.protocol,
            own: self.agent.filter(|_| self.is_own()),
            foreign_id: (!self.is_own()).then(|| self.foreign_id()),
            old_foreign_id: None,
            glpi_id: None,
            version: Some("1.0".to_owned()),
            source: format!("10.{}.0.{}", self.tenant, self.index + 1).parse().ok(),
            told: Arc::new(Canonical::new(inventory)),
            unchanged: std::collections::BTreeMap::new(),
        }
    }

    pub(crate) fn take(&mut self, handed: &[contact::Handed]) {
        for contact::Handed { claimed: it, job, .. } in handed {
            let key = (it.assignment, it.attempt);
            let is_it = |report: &Report| (report.assignment, report.attempt) == key;
            // What it went on with alone and is handed now is the same.
            if self.is_own() && (self.orders.iter().any(is_it) || self.untold.iter().any(is_it)) {
                continue;
            }
            // Its journal knows what it began before, and that it was told of: it is not begun again.
            if self.is_own() && self.journal.contains(&key) {
                self.untold.push(self.declines(key));
                continue;
            }
            if let Some((course, standing)) = job.as_deref() {
                let (assignment, attempt) = key;
                let piece = Piece { assignment, attempt, from: it.not_before, standing: standing.clone(), occasion: None };
                self.jobs.insert(key, Walking { course: course.clone(), piece, not_after: it.not_after, after: None });
            }
            self.orders.push(Report::new(it.assignment, it.attempt, self.incarnation, Said::Running));
        }
    }
}

/// The modules our own agent tells; one in ten times, none that anybody asks for.
pub(crate) fn own_modules(able: bool) -> Vec<String> {
    let modules: &[&str] = if able { &["inventory", "run_script", "check_addresses"] } else { &["deploy"] };
    modules.iter().map(|m| (*m).to_owned()).collect()
}

/// How long after a hand-out an agent begins at the latest.
pub(crate) fn lead(protocol: Protocol) -> Duration {
    if protocol == Protocol::Muster { Duration::ZERO } else { Duration::from_secs(60) }
}

/// How many more assignments of a run may be under way.
pub(crate) fn room_of(it: &RunDetail) -> usize {
    let under_way: i64 = it.steps.iter().map(|(_, counts)| counts.in_flight()).sum();
    it.run.in_flight_max.map_or(usize::MAX, |most| usize::try_from(most - under_way).unwrap_or(0))
}

/// What was seen of an agent's device just before a contact.
pub(crate) struct Before {
    agent: Agent,
    attempts: Vec<(AssignmentId, u32)>,
    times: Vec<(AssignmentId, Timestamp, Option<Timestamp>)>,
    paused: Vec<RunId>,
    claimable: usize,
    frozen: bool,
    agent_load: (usize, usize),
    org_load: (usize, usize),
}

impl World {
    /// One move of one agent: a woken one first, one that is away only returns.
    pub(crate) fn agent_moves(&mut self, it: Move) {
        let woken = self.agents.iter().position(|s| s.woken && !s.away);
        let i = woken.unwrap_or_else(|| self.dice.below(self.agents.len()));
        if it == Move::Return {
            let back: Vec<usize> = (0..self.agents.len()).filter(|i| self.agents[*i].away).collect();
            if let Some(i) = self.dice.pick(&back) {
                self.agents[i].away = false;
                self.note(format_args!("agent {i} returns"));
            }
            return;
        }
        if self.agents[i].away {
            return;
        }
        if self.dice.chance(self.swarm.vanish) {
            self.agents[i].away = true;
            return self.note(format_args!("agent {i} vanishes"));
        }
        match it {
            Move::Contact => self.contact(i),
            Move::Inventory => self.inventory(i, false),
            Move::Repeat => self.inventory(i, true),
            Move::Work => self.work(i),
            Move::OldReport => self.old_report(i),
            Move::StrangeReport => self.strange_report(i),
            Move::Rebirth if self.agents[i].is_own() => self.join(i),
            Move::Reinstall => self.reinstall(i),
            _ => {}
        }
    }

    pub(crate) fn is_answer_lost(&mut self) -> bool {
        self.dice.chance(self.swarm.answer_lost)
    }

    /// A contact in the agent's dialect.
    pub(crate) fn contact(&mut self, i: usize) {
        self.agents[i].woken = false;
        match (self.agents[i].is_own(), self.agents[i].agent) {
            (false, _) => self.prolog(i),
            (true, None) => self.join(i),
            (true, Some(id)) => self.own_contact(i, id),
        }
    }

    /// What could be handed to an agent now.
    pub(crate) fn before_contact(&self, agent: Agent) -> Before {
        let filter = AssignmentFilter { open: true, device: Some(agent.device), ..AssignmentFilter::default() };
        let page = muster_core::page::PageRequest { limit: 1_000, ..Default::default() };
        let rows = self.read(agent.org, move |rx, cx| muster_engine::runs::assignment_list(rx, cx, &filter, &page));
        let (now, mut attempts, mut paused, mut under_way) = (self.now(), Vec::new(), Vec::new(), 0);
        let mut by_run = std::collections::BTreeMap::new();
        let mut times = Vec::new();
        for (row, _) in rows.into_iter().flat_map(|p| p.items) {
            let record = row.record;
            let run = record.run;
            attempts.push((record.id, record.state.attempt));
            let seen = self.read(agent.org, move |rx, cx| muster_engine::runs::run_view(rx, cx, run));
            let (ended, held, run_room) =
                seen.map_or((false, false, usize::MAX), |r| (r.run.cancel_requested, r.run.paused || r.run.rollout.halted, room_of(&r)));
            let due = matches!(record.state.status, Status::Prepared { from } if from <= now);
            // What a machine will begin by its order book counts for it only once it says so.
            under_way += usize::from(!record.in_book && record.state.status.lease().is_some_and(|(actor, _)| actor.agent == agent.id));
            let end = record.state.limits.not_after;
            if let Status::Prepared { from } = record.state.status {
                times.push((record.id, from, end));
            }
            let in_time = end.is_none_or(|end| now.plus(lead(agent.protocol)) < end);
            let able = row.action == "inventory" || agent.protocol == Protocol::Muster;
            let of_run = by_run.entry(run).or_insert((0, run_room));
            of_run.0 += usize::from(able && due && in_time && !ended && !held && (agent.verified || row.open_to_strangers));
            if held {
                paused.push(run);
            }
        }
        let slices = self.slices_before(&agent);
        attempts.extend(slices.attempts);
        times.extend(slices.times);
        paused.extend(slices.paused);
        under_way += slices.under_way;
        by_run.extend(slices.claimable);
        let claimable: usize = by_run.into_values().map(|(claimable, room): (usize, usize)| claimable.min(room)).sum();
        let (frozen, per_agent, per_org) = self.house(agent.org);
        let (agent_load, org_load) = ((under_way, per_agent), (self.under_way(agent.org), per_org));
        let room = |(now, most): (usize, usize)| if most == 0 { usize::MAX } else { most.saturating_sub(now) };
        let claimable = if frozen { 0 } else { claimable.min(room(agent_load)).min(room(org_load)) };
        Before { agent, attempts, times, paused, claimable, frozen, agent_load, org_load }
    }

    /// Whether an organization's brake is on, and how many assignments an agent and all may have under way.
    fn house(&self, org: OrgId) -> (bool, usize, usize) {
        let Ok(org) = self.read(org, muster_engine::runs::house_view) else { return (false, 0, 0) };
        (org.freeze.is_some(), org.settings.in_flight_per_agent as usize, org.settings.in_flight as usize)
    }

    /// How many assignments of an organization are under way.
    fn under_way(&self, org: OrgId) -> usize {
        let filter = AssignmentFilter { open: true, states: vec![State::Started, State::Running], ..AssignmentFilter::default() };
        let page = muster_core::page::PageRequest { limit: 1_000, ..Default::default() };
        self.read(org, move |rx, cx| muster_engine::runs::assignment_list(rx, cx, &filter, &page)).map_or(0, |p| p.items.len())
    }

    /// Notes what was handed out and what could have been.
    fn handed(&mut self, before: &Before, claimed: &[Claimed], max: usize) {
        let agent = &before.agent;
        self.seen.offers.push(Offer {
            agent: agent.id,
            claimable: before.claimable,
            max,
            handed: claimed.len(),
            frozen: before.frozen,
            agent_load: before.agent_load,
            org_load: before.org_load,
        });
        self.handed_each(before, claimed);
    }

    pub(crate) fn handed_each(&mut self, before: &Before, claimed: &[Claimed]) {
        let agent = &before.agent;
        for it in claimed {
            let highest = before.attempts.iter().find(|(id, _)| *id == it.assignment).map_or(0, |(_, n)| *n);
            let handed = Handed {
                org: agent.org,
                agent: agent.id,
                protocol: agent.protocol,
                verified: agent.verified,
                assignment: it.assignment,
                run: it.run,
                attempt: it.attempt,
                action: it.action.clone(),
                paused: before.paused.contains(&it.run),
                at: self.now(),
                from: before.times.iter().find(|(id, ..)| *id == it.assignment).map_or(self.now(), |(_, from, _)| *from),
                not_after: before.times.iter().find(|(id, ..)| *id == it.assignment).and_then(|(.., end)| *end),
                before: highest,
            };
            self.model.was_handed(&handed);
            self.touched.push((agent.org, it.assignment));
            self.seen.handed.push(handed);
        }
    }

    /// PROLOG of a legacy agent, as its door does it: a look, and a command only when anything may wait.
    fn prolog(&mut self, i: usize) {
        let (hello, org) = (self.agents[i].hello(), self.tenants[self.agents[i].tenant].id);
        let door = self.door(org);
        let Ok(look) = self.engine.look_now(&door, &hello) else { return };
        let now = self.now();
        let greeting = if look.may_have_work {
            let before = look.agent.clone().map(|a| self.before_contact(a));
            let asked = hello.clone();
            let answer = self.write("agent.prolog", &door, move |tx, cx| contact::prolog(tx, cx, &asked));
            self.touch_all(before.as_ref());
            let Ok(greeting) = answer.result else { return self.note(format_args!("agent {i} PROLOG: no answer")) };
            if let Some(before) = &before {
                self.handed(before, &greeting.claimed, muster_core::limits::ORDERS_PER_CONTACT_MAX);
            }
            greeting
        } else {
            contact::prolog_idle(&look, &hello, now)
        };
        if let Some(agent) = &look.agent {
            self.engine.heard(contact::presence(agent, now, greeting.next_contact_hours, hello.address.clone(), None));
        }
        let lost = self.is_answer_lost();
        self.note(format_args!("agent {i} PROLOG: inventory {}, {} handed, lost {lost}", greeting.send_inventory, greeting.claimed.len()));
        if !lost {
            self.agents[i].asked = greeting.send_inventory;
        }
    }

    pub(crate) fn touch_all(&mut self, before: Option<&Before>) {
        if let Some(before) = before {
            self.touched.extend(before.attempts.iter().map(|(id, _)| (before.agent.org, *id)));
        }
    }

    fn own_contact(&mut self, i: usize, id: AgentId) {
        let door = self.door(self.tenants[self.agents[i].tenant].id);
        let Ok(look) = self.engine.look_own_now(&door, id) else { return self.barred(i) };
        let Some(agent) = look.agent.clone() else { return self.barred(i) };
        self.engine.heard(contact::presence(&agent, self.now(), 1, None, None));
        self.sync_book(i, &agent, &look.keeps);
        if !look.may_have_work {
            return self.note(format_args!("agent {i} contact: idle"));
        }
        let before = self.before_contact(agent);
        let max = self.dice.within(1, 4);
        let able = self.calm || self.dice.chance(900);
        let ask = OwnContact { agent: id, modules: own_modules(able), max, walks: true };
        let answer = self.write("agent.contact", &door, move |tx, cx| contact::own_contacts(tx, cx, &[&ask])?.remove(0));
        self.touch_all(Some(&before));
        let Ok(tidings) = answer.result else { return self.note(format_args!("agent {i} contact: no answer")) };
        let claimed: Vec<Claimed> = tidings.claimed.iter().map(|it| it.claimed.clone()).collect();
        if able || !claimed.is_empty() {
            self.handed(&before, &claimed, max);
        }
        let lost = self.is_answer_lost();
        self.note(format_args!("agent {i} contact: {} handed of {}, lost {lost}", claimed.len(), before.claimable));
        if !lost {
            self.agents[i].take(&tidings.claimed);
        }
    }

    /// The server does not know this agent of ours any more: it joins anew.
    fn barred(&mut self, i: usize) {
        self.note(format_args!("agent {i} is not known any more"));
        self.agents[i].agent = None;
        self.agents[i].device = None;
    }

    /// Our own agent joins; the same key again is a new incarnation.
    fn join(&mut self, i: usize) {
        let it = &self.agents[i];
        let tenant = self.tenants[it.tenant].clone();
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(it.index as u64 + 1).to_le_bytes());
        key[8..12].copy_from_slice(&it.installation.to_le_bytes());
        let new = Enrol {
            token: tenant.tokens[it.trusted].clone(),
            public_key: key.to_vec(),
            name: format!("pc{}", it.hardware),
            uuid: Some(it.uuid()),
            serial: None,
            macs: Vec::new(),
            version: None,
            source: None,
        };
        let answer = self.write("agent.enrol", &self.door(tenant.id), move |tx, cx| enrol(tx, cx, &new));
        let lost = self.is_answer_lost();
        self.note(format_args!("agent {i} joins: {:?}, lost {lost}", answer.result.as_ref().map(|e| e.incarnation).ok()));
        let Ok(enrolled) = answer.result else { return };
        self.model.came(enrolled.agent, enrolled.device, tenant.id);
        if !lost {
            let it = &mut self.agents[i];
            // A new life keeps nothing of the one before.
            it.book.clear();
            (it.agent, it.device, it.incarnation) = (Some(enrolled.agent), Some(enrolled.device), enrolled.incarnation);
        }
    }

    /// What an inventory changes as things stand.
    fn planned(&self, door: &Cx, arrival: &Arrival) -> Option<(intake::Before, Plan)> {
        let asked = arrival.clone();
        let before = self.engine.read_now(door, move |rx, cx| intake::before(rx, cx, &asked)).ok()?;
        let plan = intake::plan(&before, arrival).ok()?;
        Some((before, plan))
    }

    /// Sends an inventory; `again` sends the number of the last one, as after a lost answer.
    pub(crate) fn inventory(&mut self, i: usize, again: bool) {
        if self.agents[i].is_own() && self.agents[i].agent.is_none() {
            return self.join(i);
        }
        if !again || self.agents[i].counter == 0 {
            self.agents[i].counter += 1;
        }
        let it = &self.agents[i];
        let (number, section, tenant) = (it.counter, it.section(), self.tenants[it.tenant].clone());
        let arrival = it.arrival(&mut self.dice, number);
        let door = self.door(tenant.id);
        // As a door does it: worked out first, written after; others may come between.
        let planned = self.dice.chance(500).then(|| self.planned(&door, &arrival)).flatten();
        if planned.is_some() && self.dice.chance(200) {
            let other = self.dice.below(self.agents.len());
            if other != i {
                self.inventory(other, false);
            }
        }
        let before = self.sender(i).map(|a| self.before_contact(a));
        let whole = arrival.clone();
        let mut answer = self.write("agent.inventory", &door, move |tx, cx| match &planned {
            Some((before, plan)) => intake::apply(tx, cx, &arrival, before, plan),
            None => intake::inventory(tx, cx, &arrival),
        });
        if answer.result.as_ref().is_err_and(|e| e.key == intake::OVERTAKEN) {
            answer = self.write("agent.inventory", &door, move |tx, cx| intake::inventory(tx, cx, &whole));
        }
        self.touch_all(before.as_ref());
        if let (true, Some(device)) = (answer.is_maybe(), before.map(|b| b.agent.device)) {
            self.model.maybe_marked(device, &section, number);
        }
        match answer.result {
            Ok(stored) => {
                self.model.came(stored.agent, stored.device, tenant.id);
                self.model.marked(stored.device, &section, number);
                let lost = self.is_answer_lost();
                self.note(format_args!("agent {i} inventory {number}: {} sections written, lost {lost}", stored.written.len()));
                let it = &mut self.agents[i];
                (it.agent, it.device) = (Some(stored.agent), Some(stored.device));
                it.asked &= lost;
            }
            Err(error) if error.kind == Kind::Denied => self.barred(i),
            Err(error) => self.note(format_args!("agent {i} inventory {number}: {error}")),
        }
    }

    /// The agent as the server knows it now.
    pub(crate) fn sender(&self, i: usize) -> Option<Agent> {
        let it = &self.agents[i];
        let door = self.door(self.tenants[it.tenant].id);
        if let Some(id) = it.agent.filter(|_| it.is_own()) {
            return self.engine.read_now(&door, move |rx, _| contact::own(rx, id)).ok();
        }
        let (hello, org) = (it.hello(), self.tenants[it.tenant].id);
        let known = move |rx: &mut Rx, _: &Cx| contact::known(rx, org, hello.protocol, &hello.foreign_id, hello.address.as_deref());
        self.engine.read_now(&door, known).ok().flatten()
    }

    /// Goes on with what was handed out: a legacy agent sends what it was asked for, ours reports or sends.
    pub(crate) fn work(&mut self, i: usize) {
        if !self.agents[i].is_own() {
            if self.agents[i].asked {
                self.inventory(i, false);
            }
            return;
        }
        let (keeps, tells) = if self.swarm.alone { (800, 100) } else { (400, 400) };
        if !self.agents[i].untold.is_empty() && (self.calm || self.dice.chance(tells)) {
            return self.tell_untold(i);
        }
        let place = self.dice.below(self.agents[i].orders.len());
        let Some(mut report) = self.agents[i].orders.get(place).cloned() else { return };
        let key = (report.assignment, report.attempt);
        let begun = self.agents[i].journal.contains(&key);
        let (now, walking) = (self.now(), self.agents[i].jobs.get(&key).cloned());
        if walking.as_ref().is_some_and(|it| it.piece.from > now) {
            return self.note(format_args!("agent {i} waits with {}", report.assignment));
        }
        let is_late = walking.as_ref().is_some_and(|it| !begun && it.not_after.is_some_and(|end| end <= now));
        report.what = match self.dice.below(11) {
            0..3 => return self.inventory(i, false),
            _ if is_late => Said::Ended(Outcome::Declined),
            _ if self.calm => Said::Ended(Outcome::Ok),
            3..5 => Said::Running,
            5..7 => Said::Ended(Outcome::Error),
            7 if !begun => Said::Ended(Outcome::Declined),
            _ => Said::Ended(Outcome::Ok),
        };
        report.at = walking.is_some().then_some(now);
        self.begins(i, &report);
        if matches!(report.what, Said::Ended(_)) {
            report.output = Some("done".to_owned());
            self.agents[i].orders.remove(place);
            self.agents[i].goes_on(&report, now);
            if self.agents[i].sent.len() > 8 {
                self.agents[i].sent.remove(0);
            }
            self.agents[i].sent.push(report.clone());
            // Without a connection it goes on, and tells later.
            if walking.is_some() && !self.calm && (!self.agents[i].untold.is_empty() || self.dice.chance(keeps)) {
                self.note(format_args!("agent {i} keeps to itself that {} {}/{:?}", report.assignment, report.attempt, report.what));
                return self.agents[i].untold.push(report);
            }
        }
        self.report(i, report);
    }

    /// An agent notes that it begins before it says anything but that it will not.
    pub(crate) fn begins(&mut self, i: usize, report: &Report) {
        let order = (report.assignment, report.attempt);
        if report.what != Said::Ended(Outcome::Declined) && self.agents[i].journal.insert(order) {
            self.seen.begun.push(order);
        }
    }

    /// Repeats an old report, perhaps with another outcome, attempt or incarnation.
    fn old_report(&mut self, i: usize) {
        let Some(mut report) = self.dice.pick(&self.agents[i].sent) else { return };
        match self.dice.below(5) {
            0 => report.attempt = report.attempt.saturating_sub(1),
            1 => report.incarnation = report.incarnation.saturating_sub(1),
            2 => report.what = Said::Running,
            3 => report.what = Said::Ended(Outcome::Error),
            _ => {}
        }
        self.report(i, report);
    }

    /// Reports on somebody else's work.
    fn strange_report(&mut self, i: usize) {
        let Some((_, assignment)) = self.dice.pick(&self.known) else { return };
        let attempt = u32::try_from(self.dice.within(0, 2)).unwrap_or(1);
        let (incarnation, what) = (self.agents[i].incarnation, Said::Ended(Outcome::Ok));
        self.report(i, Report::new(assignment, attempt, incarnation, what));
    }

    pub(crate) fn report(&mut self, i: usize, report: Report) {
        let Some(agent) = self.sender(i).filter(|_| self.agents[i].is_own()) else { return };
        let before = self.known_state(&agent, report.assignment);
        let (id, sent, door) = (agent.id, report.clone(), self.door(agent.org));
        let answer = self.write("agent.report", &door, move |tx, cx| contact::own_report(tx, cx, id, std::slice::from_ref(&sent)));
        let told = answer.result.ok();
        self.heard_back(i, &report, told.as_ref());
        self.reported(i, &agent, report, before, told.and_then(|mut taken| taken.answers.pop()));
    }

    /// How an assignment stands, wherever it is.
    pub(crate) fn known_state(&mut self, agent: &Agent, assignment: AssignmentId) -> Option<AssignmentRecord> {
        let home = self.home_of(agent, assignment);
        self.see_assignment(home, assignment).map(|a| a.record)
    }

    /// The organization of an assignment; the agent may be of another one by now.
    fn home_of(&self, agent: &Agent, assignment: AssignmentId) -> OrgId {
        let known = self.known.iter().find(|(_, a)| *a == assignment).map(|(org, _)| *org);
        let shows = |org: &OrgId| self.read(*org, move |rx, cx| muster_engine::runs::assignment_view(rx, cx, assignment)).is_ok();
        known.or_else(|| self.orgs().into_iter().find(shows)).unwrap_or(agent.org)
    }

    /// Notes what became of a report.
    pub(crate) fn reported(
        &mut self,
        i: usize,
        agent: &Agent,
        report: Report,
        before: Option<AssignmentRecord>,
        answer: Option<Result<(), Refused>>,
    ) {
        let assignment = report.assignment;
        let home = self.home_of(agent, assignment);
        self.touched.push((home, assignment));
        self.note(format_args!("agent {i} reports {assignment} {}/{} {:?}: {answer:?}", report.attempt, report.incarnation, report.what));
        let Some(answer) = answer else { return };
        let after = self.known_state(agent, assignment);
        let told = Told {
            agent: agent.id,
            incarnation_now: agent.incarnation,
            assignment,
            attempt: report.attempt,
            incarnation: report.incarnation,
            said: report.what,
            alone: report.at.is_some(),
            answer,
            before,
            after,
        };
        if answer.is_ok() {
            self.model.was_told(&told);
        }
        self.seen.told.push(told);
    }

    /// The machine is set up anew: the old identity comes no more.
    fn reinstall(&mut self, i: usize) {
        let it = &mut self.agents[i];
        it.installation += 1;
        (it.agent, it.device, it.asked, it.counter) = (None, None, false, 0);
        it.orders.clear();
        it.jobs.clear();
        it.untold.clear();
        it.book.clear();
        it.journal.clear();
        it.sent.clear();
        self.note(format_args!("agent {i} is set up anew"));
    }

    /// Everybody is back.
    pub(crate) fn all_return(&mut self) {
        self.agents.iter_mut().for_each(|s| s.away = false);
    }
}
