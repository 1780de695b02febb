//! Assignments and attempts: how they are looked up. How they are made and changed is in [`save`].

mod save;

use crate::fault::Fault;
use crate::list::{List, Order, small, word};
use crate::tasks::event;
use crate::unit::Rx;
use crate::value::{Row, V};
use muster_core::fleet::Protocol;
use muster_core::ids::{AgentId, AssignmentId, DeviceId, OrgId, RunId, TaskId};
use muster_core::page::{Page, PageRequest};
use muster_core::tasks::pool::Range;
use muster_core::tasks::state::{Actor, Limits, Status};
use muster_core::tasks::{
    Assignment, AssignmentRecord, AssignmentRow, AttemptRecord, AttemptState, Change, Counts, Delivery, Event, Load, Rules, State,
};
use muster_core::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// What a list of assignments is narrowed by.
#[derive(Clone, Debug, Default)]
pub struct AssignmentFilter {
    /// Only these.
    pub ids: Option<Vec<AssignmentId>>,
    /// Only those that are not final.
    pub open: bool,
    /// Only those whose end nobody has asked for.
    pub not_asked: bool,
    /// Only those that wait, and may be handed out before an instant.
    pub waits_before: Option<Timestamp>,
    /// Only those of another priority.
    pub priority_is_not: Option<u8>,
    /// Any of these states.
    pub states: Vec<State>,
    /// Of this run.
    pub run: Option<RunId>,
    /// Of this task.
    pub task: Option<TaskId>,
    /// Of this device.
    pub device: Option<DeviceId>,
    /// Of the step with this id.
    pub step: Option<String>,
    /// Text in the device's or task's name; the case of ASCII letters does not matter.
    pub q: Option<String>,
}

/// An open assignment, where a list of them goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its id.
    pub id: AssignmentId,
    /// Its priority.
    pub priority: u8,
}

/// A new assignment.
#[derive(Clone, Debug)]
pub struct NewAssignment {
    /// Its id.
    pub id: AssignmentId,
    /// The target.
    pub device: DeviceId,
    /// Not handed out before.
    pub from: Timestamp,
    /// Nor at or after.
    pub not_after: Option<Timestamp>,
    /// How often its step is begun for its target: 1 at first.
    pub round: u32,
    /// How the round before ended, which counts no more.
    pub replaces: Option<State>,
}

const RECORD: &str = "a.id, a.org, a.run, a.step, a.device, a.state, a.priority, a.attempt, a.agent, a.incarnation, a.attempt_state, a.lease, a.due, \
     a.cancel_requested, a.created, a.updated, a.started, a.ended, a.exit_code, s.attempts_max, s.backoff, s.on_error, s.on_unknown, \
     s.idempotent, a.not_after, s.stops, a.round, s.walked, a.in_book, s.pooled";
const RECORD_FROM: &str = "assignment a JOIN run_step s ON s.run = a.run AND s.step = a.step";
const ROW: &str = "a.id, a.org, a.run, a.step, a.device, a.state, a.priority, a.attempt, a.agent, a.incarnation, a.attempt_state, a.lease, a.due, \
     a.cancel_requested, a.created, a.updated, a.started, a.ended, a.exit_code, s.attempts_max, s.backoff, s.on_error, s.on_unknown, \
     s.idempotent, a.not_after, s.stops, a.round, s.walked, a.in_book, s.pooled, r.task, r.task_name, s.name, coalesce(d.name, ''), g.protocol, CASE WHEN r.state = 'finished' THEN r.state WHEN r.halted = 1 THEN 'halted' WHEN r.paused = 1 THEN 'paused' ELSE r.state END, r.delivery, s.strangers, \
     s.action, r.cancel_requested, r.in_flight_max, \
     (SELECT CAST(sum(c.started + c.running) AS BIGINT) FROM run_count c WHERE c.run = a.run AND c.step >= 0 AND r.in_flight_max IS NOT NULL), \
     CASE WHEN a.in_book = 1 THEN (SELECT w.not_before FROM walk w WHERE w.run = a.run AND w.device = a.device) END, sl.low, sl.high, gd.id, gd.name";
const ROW_FROM: &str = "assignment a JOIN run_step s ON s.run = a.run AND s.step = a.step JOIN run r ON r.id = a.run \
     LEFT JOIN device d ON d.id = a.device AND d.org = a.org LEFT JOIN agent g ON g.id = a.agent LEFT JOIN device gd ON gd.id = g.device AND gd.org = a.org \
     LEFT JOIN slice sl ON sl.id = a.device";

const HOUR_MS: i64 = 3_600_000;

fn hour_of(at: Timestamp) -> i64 {
    at.0.div_euclid(HOUR_MS)
}

/// As what a change counts in its hour: a first hand-out, or a verdict.
fn counted(change: &Change) -> Option<State> {
    let after = change.after.status.state();
    match after {
        State::Started => change.before.started.is_none().then_some(after),
        State::Ok | State::Error | State::Unknown => (change.before.state.status.state() != after).then_some(after),
        _ => None,
    }
}

/// Whether a change hands out what should have begun before.
fn is_late(change: &Change) -> bool {
    change.attempt == Some(AttemptState::Started) && change.before.state.limits.not_after.is_some_and(|end| end <= change.at)
}

fn status(row: &Row) -> Result<Status, Fault> {
    let state: State = word(row, 5, "assignment", "state")?;
    let ended = Timestamp(row.opt_int(17)?.unwrap_or(0));
    let actor =
        || -> Result<Actor, Fault> { Ok(Actor { agent: row.id(8)?.into(), incarnation: small(row, 9, "assignment", "incarnation")? }) };
    let lease = Timestamp(row.int(11)?);
    Ok(match state {
        State::Prepared => Status::Prepared { from: Timestamp(row.int(12)?) },
        State::Started => Status::Started { actor: actor()?, lease },
        // `due` of a running one is the instant at which it began.
        State::Running => Status::Running { actor: actor()?, since: Timestamp(row.int(12)?), lease },
        State::Ok => Status::Ok { at: ended },
        State::Error => Status::Error { at: ended },
        State::Unknown => Status::Unknown { at: ended },
        State::Cancelled => Status::Cancelled { at: ended },
        State::Expired => Status::Expired { at: ended },
        State::Skipped => Status::Skipped { at: ended },
    })
}

fn record(row: &Row) -> Result<AssignmentRecord, Fault> {
    let last_actor = match (row.opt_id(8)?, row.opt_int(9)?) {
        (Some(agent), Some(_)) => Some(Actor { agent: agent.into(), incarnation: small(row, 9, "assignment", "incarnation")? }),
        _ => None,
    };
    Ok(AssignmentRecord {
        id: row.id(0)?.into(),
        org: row.id(1)?.into(),
        run: row.id(2)?.into(),
        step: row.int(3)?,
        device: row.id(4)?.into(),
        priority: small(row, 6, "assignment", "priority")?,
        state: Assignment {
            status: status(row)?,
            attempt: small(row, 7, "assignment", "attempt")?,
            last_actor,
            last_attempt: row.opt_text(10)?.map(|_| word::<AttemptState>(row, 10, "assignment", "attempt_state")).transpose()?,
            cancel_requested: row.flag(13),
            limits: Limits { not_after: row.opt_int(24)?.map(Timestamp), stops: row.flag(25) },
            rules: Rules {
                attempts_max: small(row, 19, "run_step", "attempts_max")?,
                backoff: Duration::from_millis(small(row, 20, "run_step", "backoff")?),
                on_error: row.flag(21),
                on_unknown: row.flag(22),
                idempotent: row.flag(23),
            },
        },
        created: Timestamp(row.int(14)?),
        updated: Timestamp(row.int(15)?),
        started: row.opt_int(16)?.map(Timestamp),
        exit_code: row.opt_int(18)?,
        round: small(row, 26, "assignment", "round")?,
        walked: row.flag(27),
        in_book: row.flag(28),
        pooled: row.flag(29),
    })
}

fn shown(row: &Row) -> Result<AssignmentRow, Fault> {
    Ok(AssignmentRow {
        record: record(row)?,
        task: row.id(30)?.into(),
        task_name: row.text(31)?.to_owned(),
        step_name: row.text(32)?.to_owned(),
        device_name: row.text(33)?.to_owned(),
        actor_protocol: row.opt_text(34)?.map(|_| word::<Protocol>(row, 34, "agent", "protocol").map(|p| p.to_string())).transpose()?,
        actor_device: row.opt_id(45)?.zip(row.opt_text(46)?).map(|(id, name)| (id.into(), name.to_owned())),
        run_state: word(row, 35, "run", "state")?,
        delivery: if row.text(36)? == "push" { Delivery::Push } else { Delivery::Pull },
        open_to_strangers: row.flag(37),
        action: row.text(38)?.to_owned(),
        run_ending: row.flag(39),
        run_load: Load { in_flight: row.opt_int(41)?.unwrap_or(0), most: row.opt_int(40)? },
        by_book: row.opt_int(42)?.map(Timestamp),
        slice: row.opt_text(43)?.zip(row.opt_text(44)?).and_then(|(low, high)| Range::of_keys(low, high)),
    })
}

/// What a text in a list of assignments means.
enum Meant {
    /// Nothing was asked for.
    All,
    /// The assignments of these devices and runs.
    These { devices: Vec<Uuid>, runs: Vec<Uuid> },
    /// Too many to name: a page of them is found soon.
    Many(String),
}

/// The most devices, and runs, that are named for a text.
const MEANT_MAX: usize = 500;

fn narrow(list: &mut List, org: OrgId, filter: &AssignmentFilter, meant: Meant, postgres: bool) {
    // Where devices or runs are named, SQLite is to go by them: '+' keeps it from going through the whole queue.
    let by_org = if matches!(meant, Meant::These { .. }) && !postgres { "+a.org = {}" } else { "a.org = {}" };
    list.filter(by_org, org.0);
    if filter.open {
        list.condition("a.open = 1");
    }
    if filter.not_asked {
        list.condition("a.cancel_requested = 0");
    }
    if let Some(until) = filter.waits_before {
        list.condition("a.state = 'prepared'");
        list.filter("a.due < {}", until.0);
    }
    if let Some(priority) = filter.priority_is_not {
        list.filter("a.priority <> {}", i64::from(priority));
    }
    if let Some(ids) = &filter.ids {
        list.any_of("a.id", ids.iter().map(|id| id.0));
    }
    if !filter.states.is_empty() {
        list.any_of("a.state", filter.states.iter().map(|s| s.as_str()));
        // Said in so many words, or the database does not see that its index of these few will do.
        if filter.states.iter().all(|s| !s.is_open() && *s != State::Ok) {
            list.condition("a.open = 0 AND a.state <> 'ok'");
        }
    }
    for (column, id) in [("a.run", filter.run.map(|r| r.0)), ("r.task", filter.task.map(|t| t.0)), ("a.device", filter.device.map(|d| d.0))]
    {
        if let Some(id) = id {
            list.filter(&format!("{column} = {{}}"), id);
        }
    }
    if let Some(step) = &filter.step {
        list.filter("s.name = {}", step.as_str());
    }
    match meant {
        Meant::All => {}
        Meant::Many(q) => list.contains(&["coalesce(d.name, '')", "r.task_name"], &q, postgres),
        Meant::These { devices, runs } => list.either_of(&[("a.device", &devices), ("a.run", &runs)]),
    }
}

impl Rx {
    /// What the text of a filter means.
    fn meant(&mut self, org: OrgId, filter: &AssignmentFilter) -> Result<Meant, Fault> {
        let Some(q) = &filter.q else { return Ok(Meant::All) };
        let postgres = self.is_postgres();
        let mut named = |from: &'static str, column: &str, extra: Option<&str>| -> Result<Vec<Uuid>, Fault> {
            let mut list = List::new("x.id", from);
            list.filter("x.org = {}", org.0);
            list.contains(&[column], q, postgres);
            if let Some(extra) = extra {
                list.condition(extra);
            }
            list.all(self, "x.id", MEANT_MAX + 1, |r| r.id(0))
        };
        let devices = named("device x", "x.name", None)?;
        let runs = named("run x", "x.task_name", filter.open.then_some("x.state <> 'finished'"))?;
        let is_many = devices.len() > MEANT_MAX || runs.len() > MEANT_MAX;
        Ok(if is_many { Meant::Many(q.clone()) } else { Meant::These { devices, runs } })
    }

    /// A page of assignments. Sorts: priority (the queue's order), created (also the default).
    pub fn assignments(&mut self, org: OrgId, filter: &AssignmentFilter, page: &PageRequest) -> Result<Page<AssignmentRow>, Fault> {
        let mut list = List::new(ROW, ROW_FROM);
        narrow(&mut list, org, filter, self.meant(org, filter)?, self.is_postgres());
        let column = if page.sort.as_deref() == Some("priority") { "a.priority" } else { "a.id" };
        list.page(self, page, &Order { column, id: "a.id" }, shown)
    }

    /// Devices of matching assignments, sorted.
    pub fn assignment_devices(&mut self, org: OrgId, filter: &AssignmentFilter) -> Result<Vec<DeviceId>, Fault> {
        let mut list = List::new("DISTINCT a.device", ROW_FROM);
        narrow(&mut list, org, filter, self.meant(org, filter)?, self.is_postgres());
        list.all(self, "a.device", usize::MAX >> 1, |r| r.id(0).map(DeviceId))
    }

    /// How many assignments match, exactly.
    pub fn assignments_count(&mut self, org: OrgId, filter: &AssignmentFilter) -> Result<i64, Fault> {
        let mut list = List::new(ROW, ROW_FROM);
        narrow(&mut list, org, filter, self.meant(org, filter)?, self.is_postgres());
        list.exactly(self)
    }

    /// Ids of matching assignments, at most `limit`.
    pub fn assignment_ids(&mut self, org: OrgId, filter: &AssignmentFilter, limit: usize) -> Result<Vec<AssignmentId>, Fault> {
        let mut list = List::new("a.id", ROW_FROM);
        narrow(&mut list, org, filter, self.meant(org, filter)?, self.is_postgres());
        list.all(self, "a.id", limit, |r| r.id(0).map(AssignmentId))
    }

    /// An assignment of an organization.
    pub fn assignment(&mut self, org: OrgId, id: AssignmentId) -> Result<Option<AssignmentRow>, Fault> {
        let filter = AssignmentFilter { ids: Some(vec![id]), ..AssignmentFilter::default() };
        Ok(self.assignments(org, &filter, &PageRequest::default())?.items.pop())
    }

    /// The attempts of an assignment, in order.
    pub fn attempts(&mut self, id: AssignmentId) -> Result<Vec<AttemptRecord>, Fault> {
        let sql = "SELECT no, agent, incarnation, state, handed, begun, ended, lease, exit_code, output, message FROM attempt WHERE assignment = ?1 ORDER BY no";
        let read = |r: &Row| {
            Ok(AttemptRecord {
                no: small(r, 0, "attempt", "no")?,
                agent: r.id(1)?.into(),
                incarnation: small(r, 2, "attempt", "incarnation")?,
                state: word(r, 3, "attempt", "state")?,
                handed: Timestamp(r.int(4)?),
                begun: r.opt_int(5)?.map(Timestamp),
                ended: r.opt_int(6)?.map(Timestamp),
                lease: Timestamp(r.int(7)?),
                exit_code: r.opt_int(8)?,
                output: r.opt_text(9)?.map(str::to_owned),
                message: r.opt_text(10)?.map(str::to_owned),
            })
        };
        self.rows(sql, &[V::U(id.0)])?.iter().map(read).collect()
    }

    /// The record of an assignment, in order, at most 1,000 entries.
    pub fn assignment_events(&mut self, id: AssignmentId) -> Result<Vec<Event>, Fault> {
        let sql = "SELECT id, run, assignment, attempt, at, kind, data FROM event WHERE assignment = ?1 ORDER BY id LIMIT 1000";
        self.rows(sql, &[V::U(id.0)])?.iter().map(event).collect()
    }

    /// Ids of assignments that time alone changes now, the longest overdue first.
    pub fn timed_out(&mut self, now: Timestamp, limit: i64) -> Result<Vec<AssignmentId>, Fault> {
        let sql = "SELECT id FROM assignment WHERE timer > 0 AND timer <= ?1 ORDER BY timer, id LIMIT ?2";
        self.rows(sql, &[now.0.into(), limit.into()])?.iter().map(|r| r.id(0).map(AssignmentId)).collect()
    }

    /// Open assignments of a device whose time may have come, by priority, then age, at most `limit` after `after`.
    pub fn open_of(
        &mut self,
        device: DeviceId,
        now: Timestamp,
        after: Option<(u8, AssignmentId)>,
        limit: i64,
    ) -> Result<Vec<Opened>, Fault> {
        let after = after.map_or((-1, AssignmentId(Uuid::nil())), |(priority, id)| (i64::from(priority), id));
        self.open_from(device, now, after, limit)
    }

    /// The types of what waits for a device and may be handed out now by time, each with whether it is a step of a job.
    pub fn actions_waiting(&mut self, device: DeviceId, now: Timestamp, limit: usize) -> Result<Vec<(String, bool)>, Fault> {
        let sql = "SELECT s.action, s.walked FROM assignment a JOIN run_step s ON s.run = a.run AND s.step = a.step \
             WHERE a.device = ?1 AND a.open = 1 AND a.due <= ?2 AND a.state = 'prepared' ORDER BY a.priority, a.id LIMIT ?3";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.rows(sql, &[V::U(device.0), now.0.into(), limit.into()])?;
        rows.iter().map(|r| Ok((r.text(0)?.to_owned(), r.flag(1)))).collect()
    }

    fn open_from(
        &mut self,
        device: DeviceId,
        now: Timestamp,
        (priority, id): (i64, AssignmentId),
        limit: i64,
    ) -> Result<Vec<Opened>, Fault> {
        // A prepared one is due at `due`; of one that is under way that is in the past.
        let sql = "SELECT id, priority FROM assignment WHERE device = ?1 AND open = 1 AND due <= ?2 \
             AND (priority > ?3 OR (priority = ?3 AND id > ?4)) ORDER BY priority, id LIMIT ?5";
        let rows = self.rows(sql, &[V::U(device.0), now.0.into(), priority.into(), V::U(id.0), limit.into()])?;
        rows.iter().map(|r| Ok(Opened { id: r.id(0)?.into(), priority: small(r, 1, "assignment", "priority")? })).collect()
    }

    /// As [`Rx::open_of`] for several devices, each from its place on: a page for each, in the same order.
    pub fn open_of_all(
        &mut self,
        devices: &[(DeviceId, (i64, AssignmentId))],
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Vec<Opened>>, Fault> {
        if !self.is_postgres() || devices.len() == 1 {
            return devices.iter().map(|(device, after)| self.open_from(*device, now, *after, limit)).collect();
        }
        let sql = "SELECT x.n, o.id, o.priority FROM unnest(?1::bigint[], ?2::uuid[], ?3::bigint[], ?4::uuid[]) AS x(n, device, priority, after) \
             CROSS JOIN LATERAL (SELECT a.id, a.priority FROM assignment a WHERE a.device = x.device AND a.open = 1 AND a.due <= ?5 \
             AND (a.priority > x.priority OR (a.priority = x.priority AND a.id > x.after)) ORDER BY a.priority, a.id LIMIT ?6) o \
             ORDER BY x.n, o.priority, o.id";
        let params = [
            V::Is((0..).take(devices.len()).map(Some).collect()),
            V::Us(devices.iter().map(|(device, _)| Some(device.0)).collect()),
            V::Is(devices.iter().map(|(_, (priority, _))| Some(*priority)).collect()),
            V::Us(devices.iter().map(|(_, (_, id))| Some(id.0)).collect()),
            now.0.into(),
            limit.into(),
        ];
        let mut pages = vec![Vec::new(); devices.len()];
        for row in self.rows(sql, &params)? {
            let opened = Opened { id: row.id(1)?.into(), priority: small(&row, 2, "assignment", "priority")? };
            if let Some(page) = usize::try_from(row.int(0)?).ok().and_then(|n| pages.get_mut(n)) {
                page.push(opened);
            }
        }
        Ok(pages)
    }

    /// Open assignments of a device, whenever their time comes, at most `limit`.
    pub fn open_ids(&mut self, device: DeviceId, limit: i64) -> Result<Vec<AssignmentId>, Fault> {
        let sql = "SELECT id FROM assignment WHERE device = ?1 AND open = 1 ORDER BY priority, id LIMIT ?2";
        self.rows(sql, &[V::U(device.0), limit.into()])?.iter().map(|r| r.id(0).map(AssignmentId)).collect()
    }

    /// When the next open assignment of a device is due; `None` when it has none.
    pub fn next_due(&mut self, device: DeviceId) -> Result<Option<Timestamp>, Fault> {
        let row = self.one("SELECT min(due) FROM assignment WHERE device = ?1 AND open = 1", &[V::U(device.0)])?;
        Ok(row.map(|r| r.opt_int(0)).transpose()?.flatten().map(Timestamp))
    }

    /// How many assignments of a run are under way.
    pub fn run_in_flight(&mut self, run: RunId) -> Result<i64, Fault> {
        let sql = "SELECT CAST(coalesce(sum(started + running), 0) AS BIGINT) FROM run_count WHERE run = ?1 AND step >= 0";
        self.one(sql, &[V::U(run.0)])?.map_or(Ok(0), |r| r.int(0))
    }

    /// The first of a run's assignments that are open.
    pub fn run_open(&mut self, run: RunId, limit: usize) -> Result<Vec<AssignmentRecord>, Fault> {
        let mut list = List::new(RECORD, RECORD_FROM);
        list.filter("a.run = {}", run.0);
        list.condition("a.open = 1");
        list.all(self, "a.id", limit, record)
    }

    /// How long an action took from hand-out to a good result, in the latest runs of an organization that ended; at most `limit`.
    pub fn took(&mut self, org: OrgId, action: &str, limit: i64) -> Result<Vec<Duration>, Fault> {
        let sql = "SELECT a.started, a.ended FROM (SELECT id FROM run WHERE org = ?1 AND state = 'finished' ORDER BY number DESC LIMIT 20) r \
                   JOIN run_step s ON s.run = r.id AND s.action = ?2 JOIN assignment a ON a.run = s.run AND a.step = s.step \
                   WHERE a.state = 'ok' AND a.started IS NOT NULL AND a.ended IS NOT NULL LIMIT ?3";
        let took = |row: &Row| Ok(Timestamp(row.int(1)?).since(Timestamp(row.int(0)?)));
        self.rows(sql, &[V::U(org.0), action.into(), limit.into()])?.iter().map(took).collect()
    }

    /// How many assignments of an organization are under way.
    pub fn org_in_flight(&mut self, org: OrgId) -> Result<i64, Fault> {
        let counts = self.open_counts(org)?;
        Ok(counts.of(State::Started) + counts.of(State::Running))
    }

    /// How many assignments each of the agents of some devices has under way, slices of pools among them; those with none are left out.
    pub fn agents_in_flight(&mut self, devices: &[DeviceId]) -> Result<BTreeMap<AgentId, i64>, Fault> {
        let mut counts = BTreeMap::new();
        for piece in devices.chunks(200) {
            let mut list = List::new("agent", "assignment a");
            list.any_of("a.device", piece.iter().map(|d| d.0));
            list.condition("a.open = 1 AND a.state <> 'prepared'");
            // What a machine will begin by its order book is not under way before it says so.
            list.condition("a.in_book = 0");
            let mut agents = list.all(self, "a.id", 100_000, |r| r.id(0))?;
            let mut slices = List::new("a.agent", "assignment a");
            slices.condition("a.open = 1 AND a.state <> 'prepared'");
            let devices: Vec<String> = piece.iter().map(|d| slices.param(d.0)).collect();
            slices.condition(format!("a.agent IN (SELECT g.id FROM agent g WHERE g.device IN ({}))", devices.join(", ")));
            slices.condition("EXISTS (SELECT 1 FROM run r WHERE r.id = a.run AND r.addresses IS NOT NULL)");
            agents.extend(slices.all(self, "a.agent", 100_000, |r| r.id(0))?);
            for agent in agents {
                *counts.entry(AgentId(agent)).or_default() += 1;
            }
        }
        Ok(counts)
    }

    /// Whether an assignment of a run that wakes agents waits for a device.
    pub fn push_waits(&mut self, device: DeviceId) -> Result<bool, Fault> {
        let sql = "SELECT 1 FROM assignment a JOIN run r ON r.id = a.run WHERE a.device = ?1 AND a.open = 1 AND a.state = 'prepared' AND r.delivery = 'push' LIMIT 1";
        Ok(self.one(sql, &[V::U(device.0)])?.is_some())
    }

    /// Starts and verdicts per hour, from the hour of an instant on: hour (ms), kind, count.
    pub fn events_by_hour(&mut self, org: OrgId, since: Timestamp) -> Result<Vec<(i64, String, i64)>, Fault> {
        let sql = "SELECT hour, kind, n FROM hour_count WHERE org = ?1 AND hour >= ?2 ORDER BY hour, kind";
        let rows = self.rows(sql, &[V::U(org.0), hour_of(since).into()])?;
        rows.iter().map(|r| Ok((r.int(0)? * HOUR_MS, r.text(1)?.to_owned(), r.int(2)?))).collect()
    }

    /// Open assignments by state and how many of the runs' assignments are in error.
    pub fn open_counts(&mut self, org: OrgId) -> Result<Counts, Fault> {
        let sql = "SELECT CAST(coalesce(sum(c.prepared), 0) AS BIGINT), CAST(coalesce(sum(c.started), 0) AS BIGINT), CAST(coalesce(sum(c.running), 0) AS BIGINT) \
             FROM run r JOIN run_count c ON c.run = r.id AND c.step >= 0 WHERE r.org = ?1 AND r.state <> 'finished'";
        let mut counts = Counts::default();
        if let Some(row) = self.one(sql, &[V::U(org.0)])? {
            for (i, state) in [State::Prepared, State::Started, State::Running].into_iter().enumerate() {
                counts.add(state, row.int(i)?);
            }
        }
        Ok(counts)
    }
}
