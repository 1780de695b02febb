//! The work of agents: claims, lapsed leases, cancellation, and in `told` what they report. Rules are in `muster_core::tasks::state`.

mod pooled;
mod told;

pub use told::{Answers, Taken, Told, report, report_set};

use crate::book::Compared;
use crate::cx::Cx;
use crate::error::Error;
use crate::packages::{PACKAGE_GRACE, PACKAGED, PACKAGES_MAX};
use muster_core::access::Org;
use muster_core::fleet::{Agent, Protocol};
use muster_core::ids::{AgentId, AssignmentId, DeviceId, OrgId, RunId, TaskId};
use muster_core::settings::Settings;
use muster_core::tasks::book::Occasion;
use muster_core::tasks::pool::Range;
use muster_core::tasks::state::{Actor, Status};
use muster_core::tasks::{
    AssignmentRecord, Change, Hands, Input, Lead, Load, Mode, Outcome, Refused, Run, RunState, RunStep, Scope, State, decide, gate,
    held_from,
};
use muster_core::time::Timestamp;
use muster_store::{Opened, Tx};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

/// Open assignments of one device looked at at a time.
const LOOKED_AT: i64 = 64;
/// How often that is done in one contact.
const LOOKS_MAX: usize = 32;
/// How long after the longest time for it the verdict of our own agent is waited for.
const VERDICT_GRACE: Duration = Duration::from_secs(30);

/// What is told of an attempt that never came to its agent.
pub const NEVER_ARRIVED: &str = "it never arrived at the agent";

/// A piece of work handed to an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The assignment.
    pub assignment: AssignmentId,
    /// The run.
    pub run: RunId,
    /// The attempt's number.
    pub attempt: u32,
    /// The step's index in the task.
    pub step: i64,
    /// The action's type.
    pub action: String,
    /// Until when the agent must be heard of.
    pub lease: Timestamp,
    /// Longest time for it, seconds.
    pub timeout_seconds: u64,
    /// It must not begin before this instant.
    pub not_before: Timestamp,
    /// It must not begin at or after this instant.
    pub not_after: Option<Timestamp>,
    /// What the run and the step are called, and what may be done with it.
    pub of: Part,
    /// The agent gets the rest of the job with it, and walks on alone.
    pub leads: bool,
    /// The addresses, where it is a slice of a pool's.
    pub slice: Option<Range>,
}

/// The part of a task that is handed out.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The task.
    pub task: TaskId,
    /// Its version.
    pub version: i64,
    /// Its name when the run started.
    pub task_name: String,
    /// The step's id.
    pub step_name: String,
    /// Whether it may be done twice without harm.
    pub idempotent: bool,
    /// Whether it is ended when its time is over.
    pub stops: bool,
}

/// What an agent says of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The assignment.
    pub assignment: AssignmentId,
    /// The attempt's number.
    pub attempt: u32,
    /// The agent's incarnation when it took it.
    pub incarnation: u32,
    /// What it says.
    pub what: Said,
    /// Exit code, when there is one.
    pub exit_code: Option<i64>,
    /// Output; cut to [`muster_core::limits::OUTPUT_BYTES_MAX`].
    pub output: Option<String>,
    /// A word on it.
    pub message: Option<String>,
    /// The occurrence of which it is, where the agent began it by its order book.
    pub occasion: Option<Occasion>,
    /// When that was by the agent's clock, as it corrects it; of a job that it walks alone, which may be told much later.
    pub at: Option<Timestamp>,
}

impl Report {
    /// Of an attempt, with nothing beside what it says.
    pub fn new(assignment: AssignmentId, attempt: u32, incarnation: u32, what: Said) -> Self {
        Self { assignment, attempt, incarnation, what, exit_code: None, output: None, message: None, occasion: None, at: None }
    }
}

/// What a report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It began, or goes on.
    Running,
    /// It ended.
    Ended(Outcome),
}

/// The runs and steps around a set of assignments, each loaded once.
#[derive(Default)]
pub(crate) struct Around {
    runs: BTreeMap<RunId, (Option<Run>, Vec<RunStep>)>,
    in_flight: BTreeMap<RunId, i64>,
    org_in_flight: Option<i64>,
}

impl Around {
    fn load(&mut self, tx: &mut Tx, org: OrgId, run: RunId) -> Result<&(Option<Run>, Vec<RunStep>), Error> {
        match self.runs.entry(run) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert((tx.run(org, run)?, tx.run_steps(run)?))),
        }
    }

    /// What a run with a limit has under way. Its row is locked, so that two claims do not both take the last place.
    fn run_load(&mut self, tx: &mut Tx, run: &Run) -> Result<Load, Error> {
        let Some(most) = run.in_flight_max else { return Ok(Load::default()) };
        let in_flight = match self.in_flight.entry(run.id) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                tx.run_for_update(run.org, run.id)?;
                *place.insert(tx.run_in_flight(run.id)?)
            }
        };
        Ok(Load { in_flight, most: Some(most) })
    }

    /// What an organization with a limit has under way.
    fn org_load(&mut self, tx: &mut Tx, org: &Org) -> Result<Load, Error> {
        let Some(most) = in_flight_max(&org.settings) else { return Ok(Load::default()) };
        let in_flight = match self.org_in_flight {
            Some(known) => known,
            None => {
                tx.org_lock(org.id)?;
                tx.org_in_flight(org.id)?
            }
        };
        self.org_in_flight = Some(in_flight);
        Ok(Load { in_flight, most: Some(most) })
    }

    /// One more is under way.
    fn handed(&mut self, run: RunId) {
        if let Some(n) = self.in_flight.get_mut(&run) {
            *n += 1;
        }
        self.org_in_flight = self.org_in_flight.map(|n| n + 1);
    }
}

/// How many assignments of an organization may be under way, when that is limited.
pub(crate) fn in_flight_max(settings: &Settings) -> Option<i64> {
    (settings.in_flight > 0).then_some(i64::from(settings.in_flight))
}

pub(crate) fn change(record: AssignmentRecord, input: Input, now: Timestamp) -> Result<Change, Refused> {
    let decision = decide(&record.state, input, now)?;
    Ok(Change {
        before: record,
        after: decision.next,
        attempt: decision.attempt,
        exit_code: None,
        output: None,
        message: None,
        data: json!({}),
        lead: Lead::No,
        at: now,
    })
}

/// The assignment as a change leaves it, so that a second decision can follow in the same transaction.
pub(crate) fn after(change: &Change) -> AssignmentRecord {
    let started = change.before.started.or((change.after.status.state() == State::Started).then_some(change.at));
    AssignmentRecord { state: change.after, updated: change.at, started, ..change.before.clone() }
}

/// How long an attempt of a step may stay silent.
pub(crate) fn lease_of(step: &RunStep, settings: &Settings) -> std::time::Duration {
    let silent = step.timeout.unwrap_or(settings.inventory_lease.0);
    step.longest_run.map_or(silent, |longest| longest.min(silent))
}

/// How much longer than the work may take is waited for word of it: our own agent ends it by itself and says so; an OCS agent makes its
/// inventory first, and does what else it was given before.
fn grace(action: &str, limit: Duration, protocol: Protocol) -> Duration {
    match protocol {
        Protocol::Muster => VERDICT_GRACE,
        Protocol::Ocs if PACKAGED.contains(&action) => limit * u32::try_from(PACKAGES_MAX - 1).unwrap_or(u32::MAX) + PACKAGE_GRACE,
        _ => Duration::ZERO,
    }
}

/// How long word of an attempt is waited for; one who walks a job `alone` may have no connection for a while. A slice goes to another
/// agent without grace: its limit has that already.
pub(crate) fn patience(step: &RunStep, settings: &Settings, protocol: Protocol, alone: bool) -> Duration {
    let limit = lease_of(step, settings);
    let waited = limit + if step.pooled { Duration::ZERO } else { grace(&step.action, limit, protocol) };
    if alone { waited.max(settings.offline_for.0) } else { waited }
}

/// What an agent can and may of an action; `able` is whether its kind can do it.
pub(crate) fn hands(agent: &Agent, action: &str, able: bool, in_flight: i64, settings: &Settings) -> Hands {
    Hands {
        able,
        verified: agent.verified,
        quarantined: agent.quarantine.as_ref().map(|it| it.since),
        switched_on: agent.may_be_asked(action),
        load: Load { in_flight, most: Some(i64::from(settings.in_flight_per_agent)) },
        lead: agent.protocol.lead(),
    }
}

/// An agent that asks for work.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The agent.
    pub agent: &'a Agent,
    /// Its organization.
    pub org: &'a Org,
    /// The actions it can do.
    pub actions: &'a [&'a str],
    /// How many pieces it takes now.
    pub max: usize,
    /// Whether it can walk a job alone.
    pub walks: bool,
}

/// Hands an agent the work that waits for its device: at most `max` pieces whose action is one of `actions`.
pub fn claim(tx: &mut Tx, cx: &Cx, agent: &Agent, org: &Org, actions: &[&str], max: usize) -> Result<Vec<Claimed>, Error> {
    Ok(claim_set(tx, cx, &[Ask { agent, org, actions, max, walks: false }])?.pop().unwrap_or_default())
}

/// What several agents ask for at once is loaded together, decided one after the other, and saved together.
pub fn claim_set(tx: &mut Tx, cx: &Cx, asks: &[Ask<'_>]) -> Result<Vec<Vec<Claimed>>, Error> {
    let mut hall = Hall::default();
    let mut claimed = vec![Vec::new(); asks.len()];
    // Where each goes on looking; `None` when there is no more for it.
    let mut after: Vec<Option<(i64, AssignmentId)>> =
        asks.iter().map(|ask| (ask.max > 0 && ask.org.freeze.is_none()).then_some((-1, AssignmentId(uuid::Uuid::nil())))).collect();
    for _ in 0..LOOKS_MAX {
        let wanted: Vec<(usize, DeviceId, (i64, AssignmentId))> =
            after.iter().enumerate().filter_map(|(n, from)| Some((n, asks.get(n)?.agent.device, (*from)?))).collect();
        if wanted.is_empty() {
            break;
        }
        let from: Vec<_> = wanted.iter().map(|(_, device, from)| (*device, *from)).collect();
        let pages = tx.open_of_all(&from, cx.now, LOOKED_AT)?;
        let devices: Vec<DeviceId> = asks.iter().map(|ask| ask.agent.device).collect();
        hall.load(tx, &devices, &pages)?;
        for ((n, ..), page) in wanted.iter().zip(pages) {
            let (ask, mine) = (&asks[*n], &mut claimed[*n]);
            for opened in &page {
                if mine.len() < ask.max {
                    mine.extend(hall.offer(tx, cx, ask, opened.id)?);
                }
            }
            after[*n] = page.last().filter(|_| mine.len() < ask.max).map(|last| (i64::from(last.priority), last.id));
        }
    }
    for (ask, mine) in asks.iter().zip(&mut claimed).filter(|(ask, mine)| mine.len() < ask.max && ask.org.freeze.is_none()) {
        hall.add_slices(tx, cx, ask, asks, mine)?;
    }
    save(tx, cx, &hall.changes)?;
    Ok(claimed)
}

/// What claims of one set share.
#[derive(Default)]
struct Hall {
    around: Around,
    records: BTreeMap<AssignmentId, AssignmentRecord>,
    in_flight: Option<BTreeMap<AgentId, i64>>,
    pools: pooled::Pools,
    changes: Vec<Change>,
}

impl Hall {
    /// Loads what may be handed out, locked, and what the agents of these devices have under way.
    fn load(&mut self, tx: &mut Tx, devices: &[DeviceId], pages: &[Vec<Opened>]) -> Result<(), Error> {
        let ids: Vec<AssignmentId> = pages.iter().flatten().map(|o| o.id).filter(|id| !self.records.contains_key(id)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.records.extend(tx.assignments_for_update(&ids)?.into_iter().map(|r| (r.id, r)));
        if self.in_flight.is_none() {
            self.in_flight = Some(tx.agents_in_flight(devices)?);
        }
        Ok(())
    }

    /// Offers an assignment to an agent.
    fn offer(&mut self, tx: &mut Tx, cx: &Cx, ask: &Ask<'_>, id: AssignmentId) -> Result<Option<Claimed>, Error> {
        let Some(record) = self.records.get(&id).cloned() else { return Ok(None) };
        let counts = self.in_flight.get_or_insert_default();
        let under_way = counts.entry(ask.agent.id).or_default();
        let Some((change, order)) = offer(tx, cx, &mut self.around, record, ask, *under_way)? else { return Ok(None) };
        *under_way += 1;
        self.around.handed(order.run);
        // Another agent of the device may ask in the same set.
        self.records.insert(id, after(&change));
        self.changes.push(change);
        Ok(Some(order))
    }
}

/// Hands one assignment to an agent, unless something keeps it (`muster_core::tasks::gate`).
fn offer(
    tx: &mut Tx,
    cx: &Cx,
    around: &mut Around,
    record: AssignmentRecord,
    ask: &Ask<'_>,
    under_way: i64,
) -> Result<Option<(Change, Claimed)>, Error> {
    let Ask { agent, org, actions, .. } = *ask;
    let (Some(run), steps) = around.load(tx, record.org, record.run)?.clone() else { return Ok(None) };
    let leads = ask.walks && run.mode == Mode::ClientJob && record.walked && steps.iter().all(|s| may_do(agent, actions, s));
    let Some(step) = steps.into_iter().find(|s| s.step == record.step && s.scope == Scope::Client) else { return Ok(None) };
    if agent.org != run.org || record.state.status.state() != State::Prepared {
        return Ok(None);
    }
    let facts = gate::Around {
        frozen: org.freeze.as_ref().map(|f| f.at),
        org: around.org_load(tx, org)?,
        state: run.gate_state(),
        ending: run.cancel_requested,
        run: around.run_load(tx, &run)?,
        open_to_strangers: step.open_to_strangers,
    };
    let hands = hands(agent, &step.action, actions.contains(&step.action.as_str()), under_way, &org.settings);
    if held_from(&record.state, &facts, &hands, cx.now).is_some() {
        return Ok(None);
    }
    let lease = cx.now.plus(patience(&step, &org.settings, agent.protocol, leads));
    let actor = Actor { agent: agent.id, incarnation: agent.incarnation };
    let not_before = if let Status::Prepared { from } = record.state.status { from } else { cx.now };
    let Ok(mut change) = change(record, Input::Claim { actor, lease, lead: hands.lead }, cx.now) else { return Ok(None) };
    change.data = json!({"agent": agent.id, "protocol": agent.protocol});
    if leads {
        change.data["alone"] = json!(true);
        change.lead = Lead::Begins;
    }
    let order = Claimed {
        assignment: change.before.id,
        run: change.before.run,
        attempt: change.after.attempt,
        step: step.step,
        timeout_seconds: lease_of(&step, &org.settings).as_secs(),
        action: step.action,
        lease,
        not_before,
        not_after: change.before.state.limits.not_after,
        of: Part {
            task: run.task,
            version: run.task_version,
            task_name: run.task_name,
            step_name: step.name,
            idempotent: step.rules.idempotent,
            stops: step.stops,
        },
        leads,
        slice: None,
    };
    Ok(Some((change, order)))
}

/// Whether an agent can and may do a step when it comes to it alone.
fn may_do(agent: &Agent, actions: &[&str], step: &RunStep) -> bool {
    let able = step.scope == Scope::Client && actions.contains(&step.action.as_str());
    able && agent.may_be_asked(&step.action) && (agent.verified || step.open_to_strangers)
}

/// Whether an attempt is in this agent's hands: it came again before it reported, which renews the offer and is no error.
pub fn holds(tx: &mut Tx, agent: &Agent, actions: &[&str]) -> Result<bool, Error> {
    let ids = tx.open_ids(agent.device, LOOKED_AT)?;
    let mut around = Around::default();
    for record in tx.assignments_for_update(&ids)? {
        let mine = record.state.status.lease().is_some_and(|(actor, _)| actor.agent == agent.id);
        if mine && around.load(tx, record.org, record.run)?.1.iter().any(|s| s.step == record.step && actions.contains(&s.action.as_str()))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Cuts a text to a number of bytes, at a character, without NUL (which PostgreSQL's text does not take).
pub(crate) fn cut(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace('\0', "\u{fffd}")
}

/// What was handed to one of our own agents before this instant, and is not among what it has, never arrived there and never began: it is
/// given back. Gives how many.
/// What it begins by its order book it need not have yet, if it says by the digest that it holds that.
pub fn resume(tx: &mut Tx, cx: &Cx, agent: &Agent, has: &[(AssignmentId, u32)], book: Option<&str>) -> Result<usize, Error> {
    let mut ids = tx.open_ids(agent.device, LOOKED_AT)?;
    ids.extend(tx.slices_in_hands(agent.org, agent.id)?);
    let mine = Actor { agent: agent.id, incarnation: agent.incarnation };
    let is_lost = |record: &AssignmentRecord| {
        matches!(record.state.status, Status::Started { actor, .. } if actor == mine) && !has.contains(&(record.id, record.state.attempt))
    };
    let mut changes = Vec::new();
    let keeps = match book {
        Some(told) => matches!(crate::book::compare(tx, agent, told)?, Compared::Same | Compared::Taken),
        None => false,
    };
    for record in tx.assignments_for_update(&ids)?.into_iter().filter(is_lost) {
        if keeps && record.in_book {
            continue;
        }
        let input = Input::NeverArrived { attempt: record.state.attempt, actor: mine };
        let message = Some(NEVER_ARRIVED.to_owned());
        changes.extend(change(record, input, cx.now).ok().map(|change| Change { message, ..change }));
    }
    save(tx, cx, &changes)?;
    Ok(changes.len())
}

/// An inventory of a device arrived from one of its agents: it ends the device's open inventory attempts that this agent has,
/// and those that nobody has yet.
pub fn inventory_arrived(tx: &mut Tx, cx: &Cx, agent: &Agent) -> Result<(), Error> {
    let ids = tx.open_ids(agent.device, LOOKED_AT)?;
    if ids.is_empty() {
        return Ok(());
    }
    let frozen = tx.org(agent.org)?.is_some_and(|org| org.freeze.is_some());
    let actor = Actor { agent: agent.id, incarnation: agent.incarnation };
    let mut around = Around::default();
    let mut changes = Vec::new();
    for record in tx.assignments_for_update(&ids)? {
        let (run, steps) = around.load(tx, record.org, record.run)?;
        let held =
            frozen || run.as_ref().is_none_or(|r| matches!(r.gate_state(), RunState::Paused | RunState::Halted) || r.cancel_requested);
        let is_told = |action: &str| action == "inventory" || (action == "ip_configuration" && agent.protocol == Protocol::Ocs);
        let inventory = steps.iter().any(|s| s.step == record.step && is_told(&s.action));
        // What is more than an inventory is obeyed, and who obeys is verified.
        let may = agent.verified || steps.iter().any(|s| s.step == record.step && s.open_to_strangers);
        if !inventory || !may || (held && record.state.status.state() == State::Prepared) {
            continue;
        }
        let mut record = record;
        if let Ok(mut taken) = change(record.clone(), Input::Claim { actor, lease: cx.now, lead: Duration::ZERO }, cx.now) {
            taken.data = json!({"agent": agent.id, "protocol": agent.protocol, "unasked": true});
            record = after(&taken);
            changes.push(taken);
        }
        let input = Input::Ended { attempt: record.state.attempt, actor, outcome: Outcome::Ok };
        if let Ok(done) = change(record, input, cx.now) {
            changes.push(done);
        }
    }
    save(tx, cx, &changes)
}

/// Does what time alone does: ends leases that have lapsed, and what waits when its window closes; gives how many.
pub fn time_passed(tx: &mut Tx, cx: &Cx, limit: i64) -> Result<usize, Error> {
    let ids = tx.timed_out(cx.now, limit)?;
    let records = tx.assignments_for_update(&ids)?;
    let changes: Vec<Change> = records.into_iter().filter_map(|r| change(r, Input::Time, cx.now).ok()).collect();
    save(tx, cx, &changes)?;
    Ok(changes.len())
}

/// Cancels assignments; gives how many were ended or asked to end.
pub(crate) fn cancel(tx: &mut Tx, cx: &Cx, ids: &[AssignmentId]) -> Result<usize, Error> {
    cancel_saying(tx, cx, ids, &json!({"by": cx.name}))
}

/// Puts off assignments that wait; gives how many.
pub(crate) fn delay(tx: &mut Tx, cx: &Cx, ids: &[AssignmentId], until: Timestamp) -> Result<usize, Error> {
    let records = tx.assignments_for_update(ids)?;
    let changes: Vec<Change> = records.into_iter().filter_map(|r| change(r, Input::Delay { until }, cx.now).ok()).collect();
    save(tx, cx, &changes)?;
    Ok(changes.len())
}

fn cancel_saying(tx: &mut Tx, cx: &Cx, ids: &[AssignmentId], by: &Value) -> Result<usize, Error> {
    let records = tx.assignments_for_update(ids)?;
    let changes: Vec<Change> =
        records.into_iter().filter_map(|r| change(r, Input::Cancel, cx.now).ok()).map(|c| Change { data: by.clone(), ..c }).collect();
    save(tx, cx, &changes)?;
    Ok(changes.len())
}

/// Cancels what is open for a device that is being removed.
pub(crate) fn cancel_of_device(tx: &mut Tx, cx: &Cx, device: DeviceId) -> Result<(), Error> {
    cancel_all_of_device(tx, cx, device, &json!({"by": cx.name}))
}

/// Cancels what is open for a device that becomes part of another; the record says so.
pub(crate) fn cancel_of_merged(tx: &mut Tx, cx: &Cx, device: DeviceId, into: DeviceId) -> Result<(), Error> {
    cancel_all_of_device(tx, cx, device, &json!({"by": cx.name, "reason": "device_merged", "into": into}))
}

/// Cancels what is open for a device that comes to another organization; the record says so.
pub(crate) fn cancel_of_moved(tx: &mut Tx, cx: &Cx, device: DeviceId, to: &str) -> Result<(), Error> {
    cancel_all_of_device(tx, cx, device, &json!({"by": cx.name, "reason": "device_moved", "to": to}))
}

fn cancel_all_of_device(tx: &mut Tx, cx: &Cx, device: DeviceId, by: &Value) -> Result<(), Error> {
    loop {
        let ids = tx.open_ids(device, LOOKED_AT)?;
        if ids.is_empty() || cancel_saying(tx, cx, &ids, by)? == 0 {
            return Ok(());
        }
    }
}

/// Saves decisions, then lets the runs they touch follow their totals.
pub(crate) fn save(tx: &mut Tx, cx: &Cx, changes: &[Change]) -> Result<(), Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let touched = tx.save(changes)?;
    crate::jobs::follow(tx, cx, changes)?;
    crate::pool::follow(tx, cx, changes)?;
    for (run, org) in touched {
        settle(tx, cx, org, run)?;
    }
    Ok(())
}

/// Lets a run follow its totals: waiting, running, finished with a verdict.
pub(crate) fn settle(tx: &mut Tx, cx: &Cx, org: OrgId, id: RunId) -> Result<(), Error> {
    let Some(before) = tx.run(org, id)? else { return Ok(()) };
    let follows = matches!(before.state, RunState::Waiting | RunState::Running)
        || (before.state == RunState::Preparing && before.made >= before.wave_end())
        || (before.counts.open() == 0 && before.made >= before.targeted && before.state != RunState::Finished)
        || (before.state == RunState::Paused && !before.paused)
        || before.is_failing()
        || is_amended(&before);
    if !follows {
        return Ok(());
    }
    let Some(mut run) = tx.run_for_update(org, id)? else { return Ok(()) };
    let old = (run.state, run.started);
    let turned = crate::rollout::follow(tx, cx, &mut run)?;
    run.state = run.standing();
    run.started = run.started.or(run.has_begun().then_some(cx.now));
    if run.state == RunState::Finished && old.0 != RunState::Finished {
        // Of one that a machine joined when it was over, whoever waits for its end knows.
        let is_first = run.ended.is_none();
        run.verdict = run.counts.verdict();
        run.ended = Some(cx.now);
        tx.run_update(&run)?;
        tx.event_insert(org, id, None, None, cx.now, "finished", &json!({"verdict": run.verdict, "counts": run.counts}))?;
        if is_first {
            crate::schedules::run_ended(tx, cx, &run)?;
        }
    } else if is_amended(&run) {
        run.verdict = run.counts.verdict();
        tx.run_update(&run)?;
    } else if turned || (run.state, run.started) != old {
        tx.run_update(&run)?;
    }
    Ok(())
}

/// Whether a late result changed what a finished run came to.
fn is_amended(run: &Run) -> bool {
    run.state == RunState::Finished && run.verdict != run.counts.verdict()
}
