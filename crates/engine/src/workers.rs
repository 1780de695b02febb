//! What runs by itself. A worker is idempotent, takes no input, looks at the database and does a bounded amount of what is
//! due; a timer, a hint, a test or the simulator calls it. Only the driver (in the program) sleeps.

use crate::cx::Cx;
use crate::engine::Engine;
use crate::error::Error;
use crate::groups;
use crate::jobs;
use crate::schedules;
use crate::software;
use crate::work;
use muster_core::fleet::{WAKE_TRIES_MAX, WakeOutcome, WakeTry, next_wake_in};
use muster_core::ids::{AgentId, AssignmentId, DeviceId, OrgId};
use muster_core::tasks::timing::Timing;
use muster_core::tasks::{Delivery, DueWake, Run, RunState};
use muster_core::time::Timestamp;
use muster_store::{AssignmentFilter, NewAssignment, Tx};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What one activation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Things done.
    pub count: usize,
    /// More is due: activate again soon.
    pub more: bool,
}

/// Assignments made or cancelled in one command: others wait for it.
const PIECE: usize = 250;
/// How often is looked for devices that may join a run, unless something calls for it.
const JOINERS_EVERY: Duration = Duration::from_secs(30);
/// Leases ended in one command.
const LAPSES: i64 = 256;

/// Makes the assignments of runs that are being prepared, one piece.
pub fn prepare(tx: &mut Tx, cx: &Cx) -> Result<Done, Error> {
    for run in tx.runs_at_work(cx.now, 16)? {
        if run.rollout.gate_at.is_some_and(|at| at <= cx.now) && !run.cancel_requested {
            crate::rollout::gate(tx, cx, &run)?;
            return Ok(Done { count: 1, more: true });
        }
        if run.state == RunState::Preparing && !run.cancel_requested {
            let count = prepare_piece(tx, cx, &run)?;
            return Ok(Done { count, more: true });
        }
        if run.cancel_requested {
            let count = cancel_piece(tx, cx, &run)?;
            return Ok(Done { count, more: true });
        }
    }
    match tx.runs_to_join(cx.now, 1)?.first() {
        Some(run) => joiners(tx, cx, run).map(|count| Done { count, more: true }),
        None => Ok(Done::default()),
    }
}

/// Devices that the targets of a run select by now, and did not at its start, join it: a piece of them.
fn joiners(tx: &mut Tx, cx: &Cx, run: &Run) -> Result<usize, Error> {
    let Some(mut run) = tx.run_for_update(run.org, run.id)? else { return Ok(0) };
    let (settings, doc) = (tx.org(run.org)?.map(|org| org.settings).unwrap_or_default(), tx.task_doc(run.task, run.task_version)?);
    if run.not_after.is_some_and(|end| end <= cx.now) {
        run.late_due = None;
        tx.run_update(&run)?;
        return work::settle(tx, cx, run.org, run.id).map(|()| 1);
    }
    let known = known_targets(tx, &run)?;
    // A target that cannot be found any more selects nobody new.
    let selected = match doc.map_or(Ok(Vec::new()), |doc| crate::tasks::resolve(tx, run.org, &doc.targets)) {
        Err(error) if error.fault.is_none() => Vec::new(),
        selected => selected?,
    };
    let room = run.room_for_joiners(&settings);
    let mut new: Vec<DeviceId> = selected.into_iter().filter(|device| !known.contains(device)).collect();
    let is_last = new.len() <= PIECE;
    new.truncate(PIECE.min(usize::try_from(room).unwrap_or(0)));
    run.late_due = Some(if is_last || new.is_empty() { cx.now.plus(JOINERS_EVERY) } else { cx.now });
    if !new.is_empty() {
        let count = crate::runs::count(new.len());
        tx.snapshot_append(run.id, run.targeted, &new)?;
        (run.targeted, run.late_joined) = (run.targeted + count, run.late_joined + count);
        if let Some(last) = run.rollout.waves.last_mut() {
            *last = run.targeted;
        }
        if run.made < run.wave_end() {
            run.state = RunState::Preparing;
        }
        tx.event_insert(run.org, run.id, None, None, cx.now, "joined", &json!({"devices": count, "targeted": run.targeted}))?;
    }
    tx.run_update(&run)?;
    Ok(new.len() + 1)
}

fn known_targets(tx: &mut Tx, run: &Run) -> Result<BTreeSet<DeviceId>, Error> {
    let mut known = BTreeSet::new();
    while known.len() < usize::try_from(run.targeted).unwrap_or(0) {
        let part = tx.snapshot_part(run.id, crate::runs::count(known.len()))?;
        if part.is_empty() {
            break;
        }
        known.extend(part);
    }
    Ok(known)
}

fn prepare_piece(tx: &mut Tx, cx: &Cx, run: &Run) -> Result<usize, Error> {
    let Some(mut run) = tx.run_for_update(run.org, run.id)? else { return Ok(0) };
    // What is cancelled is made as such, whatever its wave.
    let end = if run.cancel_requested { run.targeted } else { run.wave_end() };
    let room = usize::try_from(end - run.made).unwrap_or(0).min(PIECE);
    let devices: Vec<DeviceId> = tx.snapshot_part(run.id, run.made)?.into_iter().take(room).collect();
    let timing = schedules::timing(tx, cx, &run)?;
    let zones = if timing.is_per_device() { tx.device_zones(&devices)? } else { BTreeMap::new() };
    let new: Vec<NewAssignment> = devices.iter().map(|d| timed(cx, &timing, *d, zones.get(d).map(String::as_str))).collect();
    run.not_before = new.iter().map(|n| n.from).chain(run.not_before).min();
    run.not_after = new.iter().filter_map(|n| n.not_after).chain(run.not_after).max();
    if run.walked {
        jobs::begin(tx, cx, &run, &new)?;
    } else {
        tx.assignments_insert(run.org, run.id, 0, run.priority, cx.now, &new)?;
        if run.delivery == Delivery::Push && !run.cancel_requested {
            wake_agents(tx, cx, run.org, &new)?;
        }
    }
    let there = tx.devices_there(run.org, &devices)?;
    let is_gone = |d: &DeviceId| *d != DeviceId::SERVER && !run.is_pooled() && there.binary_search(d).is_err();
    let gone: Vec<DeviceId> = devices.iter().copied().filter(is_gone).collect();
    run.made += i64::try_from(devices.len()).unwrap_or(0);
    let complete = run.made >= run.targeted || (devices.is_empty() && room > 0);
    let is_there = complete || run.made >= end;
    if complete {
        run.made = run.targeted;
    }
    if is_there {
        run.state = if run.paused { RunState::Paused } else { RunState::Waiting };
    }
    if complete {
        tx.event_insert(run.org, run.id, None, None, cx.now, "made", &json!({"assignments": run.targeted}))?;
    }
    tx.run_update(&run)?;
    // Devices that were removed since the start: nobody will come for them.
    if !gone.is_empty() {
        let ids: Vec<AssignmentId> = new.iter().filter(|n| gone.contains(&n.device)).map(|n| n.id).collect();
        if run.walked {
            jobs::leave(tx, cx, &run, &gone)?;
        } else {
            work::cancel(tx, cx, &ids)?;
        }
    }
    if complete && run.walked {
        jobs::lead(tx, cx, &run)?;
    }
    if is_there && run.is_pooled() {
        crate::pool::call(tx, cx, &run)?;
    }
    if is_there {
        work::settle(tx, cx, run.org, run.id)?;
    }
    Ok(devices.len())
}

/// Puts the agents of devices that can be woken over HTTP on the list.
pub(crate) fn wake_agents(tx: &mut Tx, cx: &Cx, org: OrgId, new: &[NewAssignment]) -> Result<(), Error> {
    if !tx.org(org)?.is_some_and(|o| o.settings.wake_enabled) {
        return Ok(());
    }
    let devices: Vec<DeviceId> = new.iter().map(|n| n.device).collect();
    let mut wakeable: BTreeMap<Timestamp, Vec<AgentId>> = BTreeMap::new();
    for agent in tx.agents_of_all(&devices)?.iter().filter(|a| a.protocol.has_http_wake() && a.address.is_some()) {
        let from = new.iter().find(|n| n.device == agent.device).map_or(cx.now, |n| n.from.max(cx.now));
        wakeable.entry(from).or_default().push(agent.id);
    }
    for (due, agents) in wakeable {
        tx.wakes_insert(org, &agents, due, false)?;
    }
    Ok(())
}

/// An assignment with its time; one whose time has passed ends at the next look.
fn timed(cx: &Cx, timing: &Timing, device: DeviceId, zone: Option<&str>) -> NewAssignment {
    let (from, not_after) = schedules::open_for(timing, zone).map_or((cx.now, Some(cx.now)), |open| (open.not_before, open.not_after));
    NewAssignment { id: cx.id(), device, from, not_after, round: 1, replaces: None }
}

/// Ends a piece of a cancelled run; what was never made is made as cancelled, so that the totals sum to what was targeted.
fn cancel_piece(tx: &mut Tx, cx: &Cx, run: &Run) -> Result<usize, Error> {
    if run.made < run.targeted {
        return prepare_piece(tx, cx, run);
    }
    let filter = AssignmentFilter { open: true, not_asked: true, run: Some(run.id), ..AssignmentFilter::default() };
    let ids = tx.assignment_ids(run.org, &filter, PIECE)?;
    if ids.is_empty() {
        tx.run_cancel_done(run.id)?;
        if run.walked {
            tx.job_nudge(run.id, cx.now)?;
        }
        work::settle(tx, cx, run.org, run.id)?;
        return Ok(0);
    }
    work::cancel(tx, cx, &ids)
}

/// Ends leases that have lapsed.
pub fn lapse(tx: &mut Tx, cx: &Cx) -> Result<Done, Error> {
    let count = work::time_passed(tx, cx, LAPSES)?;
    Ok(Done { count, more: count == usize::try_from(LAPSES).unwrap_or(0) })
}

/// Writes presence that was kept in memory.
pub async fn presence(engine: &Engine, cx: &Cx) -> Result<Done, Error> {
    let heard = engine.take_presence();
    if heard.is_empty() {
        return Ok(Done::default());
    }
    let count = heard.len();
    for piece in heard.chunks(500) {
        let owned = piece.to_vec();
        if let Err(error) = engine.write("agents.heard", cx, move |tx, _| Ok(tx.heard(&owned)?)).await {
            engine.give_back_presence(piece.to_vec());
            return Err(error);
        }
    }
    Ok(Done { count, more: false })
}

/// Counts programs across the fleet, a piece at a time, outside of any transaction that writes.
pub async fn tally(engine: &Engine, cx: &Cx) -> Result<Done, Error> {
    let begun = engine.now();
    let Some(piece) = engine.read(cx, software::count_piece).await? else { return Ok(Done::default()) };
    let took = u64::try_from(engine.now().since(begun).as_millis()).unwrap_or(u64::MAX);
    let done = Done { count: piece.count(), more: piece.more() };
    engine.write("workers.tally", cx, move |tx, cx| software::count_save(tx, cx, &piece, took)).await?;
    Ok(done)
}

/// Brings the members of a group whose query changed up to date, a piece at a time; they are found outside of any transaction that
/// writes.
pub async fn members(engine: &Engine, cx: &Cx) -> Result<Done, Error> {
    let Some(strays) = engine.read(cx, groups::strays).await? else { return Ok(Done::default()) };
    let done = strays.is_empty();
    let count = engine.write("workers.groups", cx, move |tx, cx| groups::refresh(tx, cx, &strays)).await?;
    // Those that were found and did not move had changed meanwhile: they are looked for again a period later.
    Ok(Done { count, more: count > 0 || done })
}

/// An agent to be asked over HTTP to come now.
#[derive(Clone, Debug, PartialEq)]
pub struct WakeCall {
    /// The agent.
    pub agent: AgentId,
    /// Its organization.
    pub org: OrgId,
    /// Its address.
    pub address: String,
    /// The port of its HTTP server.
    pub port: u16,
    /// How often it was tried before.
    pub tries: u32,
}

/// How long a wake-up may take before another node tries it.
const WAKE_LEASE: Duration = Duration::from_secs(60);

/// Takes wake-ups that are due. What is no longer wanted is dropped.
pub fn wakes_take(tx: &mut Tx, cx: &Cx, limit: i64) -> Result<Vec<WakeCall>, Error> {
    let mut calls = Vec::new();
    for due in tx.wakes_due(cx.now, limit)? {
        if let Some(call) = wake_take(tx, cx, &due)? {
            calls.push(call);
        }
    }
    Ok(calls)
}

fn wake_take(tx: &mut Tx, cx: &Cx, due: &DueWake) -> Result<Option<WakeCall>, Error> {
    if !tx.wake_take(due, cx.now, cx.now.plus(WAKE_LEASE))? {
        return Ok(None);
    }
    let agent = tx.agent(due.agent)?;
    let wanted = match &agent {
        Some(agent) => (due.anyway || tx.push_waits(agent.device)?) && due.tries < WAKE_TRIES_MAX,
        None => false,
    };
    match agent {
        Some(agent) if wanted => Ok(agent.address.clone().map(|address| WakeCall {
            agent: agent.id,
            org: agent.org,
            address,
            port: agent.port.unwrap_or(muster_core::fleet::AGENT_HTTP_PORT),
            tries: due.tries,
        })),
        _ => {
            tx.wake_drop(due.agent)?;
            Ok(None)
        }
    }
}

/// Records what came of a wake-up and plans the next. An agent that was removed meanwhile has no record any more.
pub fn wake_done(tx: &mut Tx, cx: &Cx, call: &WakeCall, outcome: WakeOutcome, detail: &str) -> Result<(), Error> {
    if tx.agent(call.agent)?.is_none() {
        return Ok(());
    }
    let tries = call.tries + 1;
    let next: Option<Timestamp> = (tries < WAKE_TRIES_MAX).then(|| cx.now.plus(next_wake_in(outcome, tries)));
    let tried = WakeTry { id: cx.id(), at: cx.now, outcome, detail: detail.chars().take(300).collect() };
    Ok(tx.wake_record(call.org, call.agent, &tried, next)?)
}
