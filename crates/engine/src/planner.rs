//! What a task would do to its window, before it is saved: when its next run ends, who does not make it, what happens to the others
//! that are planned for the same time, and what to change. The walk through time is in `muster_core::tasks::planner`.

use crate::cx::Cx;
use crate::error::Error;
use crate::forecast::pace_of;
use crate::runs::{Loads, candidates, count, house, targets_of};
use crate::schedules::{open_for, zones};
use crate::tasks::{UNKNOWN_DEVICE, UNKNOWN_GROUP};
use muster_core::access::{Org, Role};
use muster_core::fleet::{Agent, Protocol};
use muster_core::ids::{DeviceId, TaskId};
use muster_core::limits::{PLANNED_BESIDE_MAX, PLANNED_PIECES_MAX, PLANNED_SAMPLE};
use muster_core::tasks::forecast::WOKEN_IN;
use muster_core::tasks::planner::{Advice, Course, Fleet, Line, Machine, Target, Up, Work, advise, from_then_on, walk};
use muster_core::tasks::schedule::next;
use muster_core::tasks::timing::Timing;
use muster_core::tasks::why::Candidate;
use muster_core::tasks::{Action, Delivery, Open, Schedule, Scope, TaskDoc, rollout};
use muster_core::time::Timestamp;
use muster_store::Rx;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long is looked for others beside work without an end.
const BESIDE_FOR: Duration = Duration::from_secs(86_400);
/// Occurrences of another task that are looked through for one beside it.
const OCCURRENCES_LOOKED_AT: usize = 50;

/// Another task that is planned for the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Other {
    task: TaskId,
    name: String,
}

/// A fleet and the work that is planned for it, read from the store: the walk itself needs none.
#[derive(Clone, Debug)]
pub struct Situation {
    fleet: Fleet,
    /// The work asked for, and then that of the others.
    works: Vec<Work>,
    others: Vec<Other>,
    per_device: bool,
    /// When it may begin on the organization's own clock: told where it has no machines.
    open: Option<Open>,
}

/// What becomes of another task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// The task.
    pub task: TaskId,
    /// Its name.
    pub name: String,
    /// Its course without the task asked for.
    pub before: Course,
    /// And with it.
    pub with: Course,
}

/// What a task would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When the first of its machines may begin.
    pub begins: Timestamp,
    /// When the last of them may not begin any more; `None`: there is no end.
    pub until: Option<Timestamp>,
    /// Whether each device has its own time.
    pub per_device: bool,
    /// What becomes of it.
    pub course: Course,
    /// From how many measured times; 0: how long it takes is assumed.
    pub measured: usize,
    /// By how much later all that is planned for its time ends.
    pub adds: Duration,
    /// The others that are planned for its time, the most delayed first.
    pub beside: Vec<Beside>,
    /// What would help, the best first.
    pub advice: Vec<Advice>,
}

/// Reads what is needed to say what the next run of a document would do; `None` where machines do nothing of it. The document need
/// not be saved; one that is saved by this name is left out.
pub fn situation(rx: &mut Rx, cx: &Cx, document: &Value) -> Result<Option<Situation>, Error> {
    cx.may_here(Role::Viewer, "planning tasks")?;
    let doc = crate::tasks::read(document)?;
    let Some(asked) = Asked::of(&doc) else { return Ok(None) };
    let org = house(rx, cx.org)?;
    let zones = zones(cx, &org);
    let own = zones.organization.clone();
    let timing = Timing::of_next(zones, doc.schedule.as_ref(), doc.window.as_ref(), cx.now);
    let aim = targets_of(rx, cx.org, &doc)?;
    let devices = aim.devices();
    let mut plan = Plan { works: Vec::new(), machines: BTreeMap::new() };
    let opens = plan.add(rx, &org, &doc, &timing, devices)?;
    plan.expect(rx, cx, &org, &asked, devices)?;
    let open = timing.open(&own);
    let first = opens.iter().flatten().map(|open| open.not_before).min();
    let begins = first.or(open.map(|open| open.not_before)).unwrap_or(cx.now).max(cx.now);
    let ends = opens.iter().flatten().map(|open| open.not_after).max().flatten().unwrap_or(begins.plus(BESIDE_FOR));
    let mut others = Vec::new();
    for id in rx.scheduled_tasks(cx.org, 5_000)? {
        if others.len() == PLANNED_BESIDE_MAX || plan.works.iter().map(|work| work.targets.len()).sum::<usize>() >= PLANNED_PIECES_MAX {
            break;
        }
        let Some(task) = rx.task(cx.org, id)?.filter(|task| task.doc.name != doc.name) else { continue };
        let (Some(schedule), Some(asked)) = (task.acting_schedule(), Asked::of(&task.doc)) else { continue };
        let Some(timing) = beside(cx, &org, &task.doc, schedule, (begins, ends)) else { continue };
        let devices = match targets_of(rx, cx.org, &task.doc) {
            Ok(aim) => aim.devices().to_vec(),
            // It will be held for that reason, and is nothing of this one's.
            Err(error) if [UNKNOWN_DEVICE, UNKNOWN_GROUP].contains(&error.key) => continue,
            Err(error) => return Err(error),
        };
        plan.add(rx, &org, &task.doc, &timing, &devices)?;
        plan.expect(rx, cx, &org, &asked, &devices)?;
        others.push(Other { task: task.id, name: task.doc.name });
    }
    let settings = &org.settings;
    let in_flight = Some(settings.in_flight).filter(|most| *most > 0);
    let fleet = plan.fleet(begins, in_flight, settings.in_flight_per_agent);
    Ok(Some(Situation { fleet, works: plan.works, others, per_device: timing.is_per_device(), open }))
}

impl Situation {
    /// Of a fleet that has nothing else to do.
    pub fn of(fleet: Fleet, work: Work, per_device: bool) -> Self {
        Self { fleet, works: vec![work], others: Vec::new(), per_device, open: None }
    }

    /// Walks through it: up to some seconds of one processor for a hundred thousand machines.
    pub fn planned(&self) -> Planned {
        let mut courses = walk(&self.fleet, &self.works);
        let without = walk(&self.fleet, &self.works[1..]);
        let course = courses.remove(0);
        let end = |all: &[Course]| all.iter().filter_map(|it| it.ends).max().unwrap_or(self.fleet.from);
        let (before, with) = (end(&without), end(&courses).max(course.ends.unwrap_or(self.fleet.from)));
        let beside = self.others.iter().cloned().zip(without).zip(courses);
        let mut beside: Vec<Beside> = beside.map(|((Other { task, name }, before), with)| Beside { task, name, before, with }).collect();
        let delay = |it: &Beside| it.with.ends.zip(it.before.ends).map_or(Duration::ZERO, |(with, before)| with.since(before));
        beside.sort_by_key(|it| (std::cmp::Reverse(it.with.late - it.before.late), std::cmp::Reverse(delay(it))));
        let mut opens: Vec<Open> = self.works[0].targets.iter().filter_map(|target| target.open).collect();
        opens.extend(self.open.filter(|_| self.works[0].targets.is_empty()));
        let closes = opens.iter().map(|open| open.not_after).collect::<Option<Vec<Timestamp>>>();
        Planned {
            begins: opens.iter().map(|open| open.not_before).min().unwrap_or(self.fleet.from).max(self.fleet.from),
            until: closes.and_then(|all| all.into_iter().max()),
            per_device: self.per_device,
            measured: self.works[0].pace.measured,
            adds: with.since(before),
            advice: advise(&self.fleet, &self.works, 0, &course),
            course,
            beside,
        }
    }
}

/// What is asked of the machines of a task.
struct Asked {
    action: &'static str,
    strangers_may: bool,
    push: bool,
}

impl Asked {
    fn of(doc: &TaskDoc) -> Option<Self> {
        // How long a pool takes for addresses is not known before it has begun.
        let step = doc.steps.iter().find(|step| step.scope() == Scope::Client).filter(|_| !doc.is_pooled())?;
        let strangers_may = Action::is_open_to_strangers(&step.action);
        Some(Self { action: step.action.kind(), strangers_may, push: doc.delivery == Delivery::Push })
    }
}

/// The first occurrence of another task that may begin while this one is done.
fn beside(cx: &Cx, org: &Org, doc: &TaskDoc, schedule: &Schedule, (from, to): (Timestamp, Timestamp)) -> Option<Timing> {
    let (zones, mut after) = (zones(cx, org), cx.now);
    for _ in 0..OCCURRENCES_LOOKED_AT {
        let it = next(schedule, &zones, cx.now, after).filter(|it| it.starts < to)?;
        let timing = Timing::of(zones.clone(), Some(schedule), doc.window.as_ref(), &it);
        let open = timing.open(&zones.organization);
        if open.is_some_and(|open| {
            open.not_before < to && open.not_after.is_none_or(|end| end > from) && open.not_before.plus(BESIDE_FOR) > from
        }) {
            return Some(timing);
        }
        after = it.starts;
    }
    None
}

/// A plan while it is put together.
struct Plan {
    works: Vec<Work>,
    /// The machines by their places, and how each takes up work.
    machines: BTreeMap<DeviceId, (u32, Option<Machine>)>,
}

impl Plan {
    fn place(&mut self, device: DeviceId) -> u32 {
        let next = u32::try_from(self.machines.len()).unwrap_or(u32::MAX);
        self.machines.entry(device).or_insert((next, None)).0
    }

    /// Adds the work of a task; gives when its targets may begin.
    fn add(&mut self, rx: &mut Rx, org: &Org, doc: &TaskDoc, timing: &Timing, devices: &[DeviceId]) -> Result<Vec<Option<Open>>, Error> {
        let told = if timing.is_per_device() { rx.device_zones(devices)? } else { BTreeMap::new() };
        let common = if timing.is_per_device() { None } else { Some(open_for(timing, None)) };
        let mut by_zone: BTreeMap<Option<&str>, Option<Open>> = BTreeMap::new();
        let mut opens = Vec::with_capacity(devices.len());
        for device in devices {
            let zone = told.get(device).map(String::as_str);
            opens.push(common.unwrap_or_else(|| *by_zone.entry(zone).or_insert_with(|| open_for(timing, zone))));
        }
        let targets = devices.iter().zip(&opens).map(|(device, open)| Target { machine: self.place(*device), open: *open }).collect();
        let of_machines = doc.steps.iter().filter(|step| step.scope() == Scope::Client && !doc.is_handler(step));
        let actions: Vec<&str> = of_machines.map(|step| step.action.kind()).collect();
        self.works.push(Work {
            targets,
            pace: pace_of(rx, org.id, &actions)?,
            most: doc.rollout.max_in_flight,
            waves: rollout::ends(&doc.rollout.waves, count(devices.len())),
            wait: doc.rollout.wait.map_or(Duration::ZERO, |wait| wait.0),
            priority: doc.priority,
        });
        Ok(opens)
    }

    /// How machines that are not known yet take up work: of many, some stand for the others.
    fn expect(&mut self, rx: &mut Rx, cx: &Cx, org: &Org, asked: &Asked, devices: &[DeviceId]) -> Result<(), Error> {
        let new = |device: &&DeviceId| self.machines.get(*device).is_some_and(|(_, machine)| machine.is_none());
        let unknown: Vec<DeviceId> = devices.iter().filter(new).copied().collect();
        let step = unknown.len().div_ceil(PLANNED_SAMPLE).max(1);
        let sample: Vec<DeviceId> = unknown.iter().step_by(step).copied().collect();
        let loads = Loads::idle(cx);
        let mut agents: BTreeMap<DeviceId, Vec<Agent>> = BTreeMap::new();
        for agent in rx.agents_of_all(&sample)? {
            agents.entry(agent.device).or_default().push(agent);
        }
        let found: Vec<Machine> = sample
            .iter()
            .map(|device| {
                let agents = agents.get(device).map_or(&[][..], Vec::as_slice);
                machine(&candidates(agents, asked.action, &org.settings, &loads, cx.now), asked, org, cx.now)
            })
            .collect();
        for (n, device) in unknown.iter().enumerate() {
            if let (Some((_, machine)), Some(like)) = (self.machines.get_mut(device), found.get(n / step)) {
                *machine = Some(shifted(*like, n % step, step));
            }
        }
        Ok(())
    }

    fn fleet(&self, from: Timestamp, in_flight: Option<u32>, per_machine: u32) -> Fleet {
        let nobody = Machine { line: Line::Absent, up: Up::Always, lead: Duration::ZERO };
        let mut machines = vec![nobody; self.machines.len()];
        for (place, machine) in self.machines.values() {
            machines[*place as usize] = machine.map_or(nobody, |it| match it.line {
                Line::Asks { first, every } => Machine { line: Line::Asks { first: from_then_on(first, every, from), every }, ..it },
                _ => it,
            });
        }
        Fleet { machines, in_flight, per_machine, from }
    }
}

/// How a machine takes up work, by the agent that has it soonest.
fn machine(candidates: &[Candidate], asked: &Asked, org: &Org, now: Timestamp) -> Machine {
    let every = org.settings.contact_every.0;
    let able = candidates.iter().filter(|c| c.hands.able && c.hands.switched_on && (c.hands.verified || asked.strangers_may) && c.online);
    let line = |c: &Candidate| match c.next_contact {
        _ if c.protocol == Protocol::Muster => Line::Waits(Duration::ZERO),
        _ if asked.push && org.settings.wake_enabled && c.protocol.has_http_wake() && c.address.is_some() => Line::Waits(WOKEN_IN),
        next => Line::Asks { first: next.unwrap_or(now).max(now), every },
    };
    let soonest = |line: &Line| match line {
        Line::Waits(after) => now.plus(*after),
        Line::Asks { first, .. } => *first,
        Line::Absent => Timestamp(i64::MAX),
    };
    let found = able.map(|c| (line(c), c.hands.lead)).min_by_key(|(line, _)| soonest(line));
    let (line, lead) = found.unwrap_or((Line::Absent, Duration::ZERO));
    Machine { line, up: Up::Always, lead }
}

/// One of `count` that are taken to be like another: they ask at moments of their own.
fn shifted(like: Machine, n: usize, count: usize) -> Machine {
    match like.line {
        Line::Asks { first, every } => {
            let share = f64::from(u32::try_from(n).unwrap_or(0)) / f64::from(u32::try_from(count).unwrap_or(1).max(1));
            Machine { line: Line::Asks { first: first.plus(every.mul_f64(share)), every }, ..like }
        }
        _ => like,
    }
}
