//! An agent comes: who is it, is there work, when shall it come again.

use crate::book::Keeps;
use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::packages::{self, Offered};
use crate::work::{self, Claimed};
use muster_core::access::Org;
use muster_core::fleet::{Agent, Protocol, is_trusted_at, kin, next_contact_hours, next_contact_in, speaker};
use muster_core::ids::{AgentId, AssignmentId, DeviceId, OrgId, RunId, TaskId};
use muster_core::load::puts_off_routine;
use muster_core::settings::Settings;
use muster_core::tasks::job::led::{Course, Standing};
use muster_core::tasks::{Action, TaskDoc};
use muster_core::time::Timestamp;
use muster_store::{Heard, Rx, Tx};
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// How a legacy agent introduces itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Hello {
    /// How it speaks.
    pub protocol: Protocol,
    /// Its DEVICEID.
    pub foreign_id: String,
    /// Its version.
    pub version: Option<String>,
    /// The address it comes from.
    pub address: Option<String>,
    /// Whether it showed a credential that verifies.
    pub vouched: bool,
    /// Whether it can be given packages: an OCS agent fetches them by TLS only.
    pub packages: bool,
}

/// What a legacy agent is told at its PROLOG.
#[derive(Clone, Debug, PartialEq)]
pub struct Greeting {
    /// Whether an inventory is wanted now.
    pub send_inventory: bool,
    /// When to come again, hours, at least 1.
    pub next_contact_hours: u64,
    /// The same exactly, for agents that can be told.
    pub next_contact_in: std::time::Duration,
    /// The agent, when we know it. A PROLOG alone creates nothing.
    pub known: Option<AgentId>,
    /// What was handed out with this answer.
    pub claimed: Vec<Claimed>,
    /// Whether deploy jobs wait for it.
    pub deploys: bool,
    /// Packages that it shall fetch.
    pub packages: Vec<Offered>,
}

/// What a quick look at a contact finds.
#[derive(Clone, Debug)]
pub struct Look {
    /// The agent, when we know it.
    pub agent: Option<Agent>,
    /// Its organization, or the given one.
    pub org: Arc<Org>,
    /// Whether anything may wait for it.
    pub may_have_work: bool,
    /// The tasks it is to keep; agents of others keep none.
    pub keeps: Keeps,
    /// The load of the doors, by which contacts are spread.
    pub load: f64,
}

/// The known agent of a DEVICEID that speaks from an address at the door of an organization. Several may send the same id
/// (docs/adr/0009); its device may have been moved to another organization (docs/adr/0018).
pub fn known(rx: &mut Rx, door: OrgId, protocol: Protocol, foreign_id: &str, address: Option<&str>) -> Result<Option<Agent>, Error> {
    let agents = rx.agents_foreign(door, foreign_id, kin(protocol))?;
    Ok(speaker(&agents, address).cloned())
}

fn house(rx: &mut Rx, org: OrgId) -> Result<Org, Error> {
    rx.org(org)?.ok_or_else(|| Error::not_found("org/not-found", "organization", org))
}

/// Whether anything of a device may be handed out now, or is under way.
fn waits(rx: &mut Rx, device: DeviceId, now: Timestamp) -> Result<bool, Error> {
    Ok(!rx.open_of(device, now, None, 1)?.is_empty())
}

/// Looks who comes and whether anything may wait, without writing. An agent that a network vouched for counts as unverified
/// when it comes from elsewhere.
pub fn look(rx: &mut Rx, cx: &Cx, hello: &Hello) -> Result<Look, Error> {
    let mut agent = known(rx, cx.org, hello.protocol, &hello.foreign_id, hello.address.as_deref())?;
    let org = house(rx, agent.as_ref().map_or(cx.org, |agent| agent.org))?;
    if let Some(agent) = &mut agent {
        let source = hello.address.as_deref().and_then(|a| a.parse().ok());
        agent.verified = is_trusted_at(agent, &org.settings, source, hello.vouched);
    }
    let may_have_work = match &agent {
        Some(agent) => org.freeze.is_none() && waits(rx, agent.device, cx.now)?,
        None => false,
    };
    Ok(Look { agent, org: Arc::new(org), may_have_work, keeps: Keeps::Nothing, load: cx.load })
}

/// As [`look`], with the instant from which on something may wait for an agent for which nothing does.
pub(crate) fn look_ahead(rx: &mut Rx, cx: &Cx, hello: &Hello) -> Result<(Look, Option<Timestamp>), Error> {
    let look = look(rx, cx, hello)?;
    let until = look.agent.as_ref().map_or(Ok(None), |agent| rx.next_due(agent.device))?;
    Ok((look, until))
}

/// Whether the routine inventory is due of an agent that may be asked for it.
fn inventory_due(agent: &Agent, settings: &Settings, now: Timestamp) -> bool {
    agent.may_be_asked("inventory") && agent.is_inventory_due(settings.inventory_every.0, now)
}

fn greeting(look: &Look, hello_id: &str, now: Timestamp) -> Greeting {
    let spread = look.agent.as_ref().map_or_else(
        || u128::from_le_bytes(blake3::hash(hello_id.as_bytes()).as_bytes()[..16].try_into().expect("a hash has sixteen bytes")),
        |a| a.id.0.as_u128(),
    );
    Greeting {
        send_inventory: look.agent.as_ref().is_none_or(|a| inventory_due(a, &look.org.settings, now)) && !puts_off_routine(look.load),
        next_contact_hours: next_contact_hours(spread, look.org.settings.contact_every.0, look.load, now),
        next_contact_in: next_contact_in(spread, look.org.settings.contact_every.0, look.load, now),
        known: look.agent.as_ref().map(|a| a.id),
        claimed: Vec::new(),
        deploys: false,
        packages: Vec::new(),
    }
}

/// The answer to a PROLOG for which nothing can wait: no write is needed.
pub fn prolog_idle(look: &Look, hello: &Hello, now: Timestamp) -> Greeting {
    greeting(look, &hello.foreign_id, now)
}

/// Answers a PROLOG and hands out what waits.
pub fn prolog(tx: &mut Tx, cx: &Cx, hello: &Hello) -> Result<Greeting, Error> {
    let look = look(tx, cx, hello)?;
    let mut answer = greeting(&look, &hello.foreign_id, cx.now);
    if let Some(agent) = &look.agent {
        // An inventory of such an agent tells all that it can tell of addresses.
        let by_inventory: &[&str] = if hello.protocol == Protocol::Ocs { &["inventory", "ip_configuration"] } else { &["inventory"] };
        answer.claimed = work::claim(tx, cx, agent, &look.org, by_inventory, muster_core::limits::ORDERS_PER_CONTACT_MAX)?;
        let held = agent.may_be_asked("inventory") && work::holds(tx, agent, by_inventory)?;
        answer.send_inventory |= held || !answer.claimed.is_empty();
        answer.deploys = crate::deploy::asks(tx, cx, agent)? > 0;
        if hello.protocol == Protocol::Ocs && hello.packages {
            answer.packages = packages::hand_out(tx, cx, agent, &look.org)?;
        }
    }
    Ok(answer)
}

/// The note of presence of a contact.
pub fn presence(agent: &Agent, at: Timestamp, next_contact_hours: u64, address: Option<String>, version: Option<String>) -> Heard {
    let next = at.plus(std::time::Duration::from_secs(next_contact_hours * 3_600));
    Heard { agent: agent.id, device: agent.device, at, next: Some(next), address, version, inventory: false, clock_offset: None }
}

/// The note of presence of our own agent.
pub fn own_presence(
    agent: &Agent,
    at: Timestamp,
    contact_in: std::time::Duration,
    address: Option<String>,
    version: Option<String>,
) -> Heard {
    Heard {
        agent: agent.id,
        device: agent.device,
        at,
        next: Some(at.plus(contact_in)),
        address,
        version,
        inventory: false,
        clock_offset: None,
    }
}

/// A piece of work as our own agent gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Handed {
    /// What was claimed.
    pub claimed: Claimed,
    /// The action: `type` and parameters.
    pub action: Value,
    /// The job that it walks alone from here.
    pub job: Option<Box<(Course, Standing)>>,
}

/// What our own agent is told at a contact.
#[derive(Clone, Debug, PartialEq)]
pub struct Tidings {
    /// Work handed out.
    pub claimed: Vec<Handed>,
    /// Whether the brake is on: nothing that was handed out before may begin.
    pub frozen: bool,
    /// When to come again, unless it waits on the line.
    pub contact_in: std::time::Duration,
    /// Whether the routine inventory is due.
    pub inventory_due: bool,
}

/// Our own agent by id; revoked or unknown ones are refused.
pub fn own(rx: &mut Rx, id: AgentId) -> Result<Agent, Error> {
    rx.agent(id)?.filter(is_enrolled).ok_or_else(not_enrolled)
}

fn is_enrolled(agent: &Agent) -> bool {
    agent.protocol == Protocol::Muster && agent.public_key.is_some()
}

fn not_enrolled() -> Error {
    Error::new(Kind::Denied, "agent/not-enrolled", "this agent is not enrolled here; enrol it again")
}

/// Looks for our own agent and whether anything may wait for it, without writing.
pub fn look_own(rx: &mut Rx, cx: &Cx, id: AgentId) -> Result<(Look, Option<Timestamp>), Error> {
    let agent = own(rx, id)?;
    let org = house(rx, agent.org)?;
    let (in_pool, again) = crate::pool::waits(rx, &agent, cx.now)?;
    let may_have_work = org.freeze.is_none() && (in_pool || waits(rx, agent.device, cx.now)?);
    let until = rx.next_due(agent.device)?.into_iter().chain(again).min();
    let keeps = Keeps::of(rx, &agent)?;
    Ok((Look { agent: Some(agent), org: Arc::new(org), may_have_work, keeps, load: cx.load }, until))
}

/// Answers a contact of our own agent for which nothing can wait; `None`: something may.
pub fn own_idle(look: &Look, cx: &Cx) -> Option<Tidings> {
    let agent = look.agent.as_ref().filter(|_| !look.may_have_work)?;
    Some(tidings(cx, agent, &look.org, Vec::new()))
}

fn tidings(cx: &Cx, agent: &Agent, org: &Org, claimed: Vec<Handed>) -> Tidings {
    let settings = &org.settings;
    Tidings {
        claimed,
        frozen: org.freeze.is_some(),
        contact_in: next_contact_in(agent.id.0.as_u128(), settings.contact_every.0, cx.load, cx.now),
        inventory_due: inventory_due(agent, settings, cx.now) && !puts_off_routine(cx.load),
    }
}

/// A contact of our own agent.
#[derive(Clone, Debug)]
pub struct OwnContact {
    /// The agent.
    pub agent: AgentId,
    /// The actions it can do.
    pub modules: Vec<String>,
    /// How many pieces it takes now.
    pub max: usize,
    /// Whether it can walk a job alone.
    pub walks: bool,
}

/// Answers a contact of our own agent and hands out what waits, at most `max` pieces of the modules it has.
pub fn own_contact(tx: &mut Tx, cx: &Cx, id: AgentId, modules: &[String], max: usize) -> Result<Tidings, Error> {
    let one = OwnContact { agent: id, modules: modules.to_vec(), max, walks: false };
    own_contacts(tx, cx, &[&one])?.pop().unwrap_or_else(|| Err(not_enrolled()))
}

/// Answers contacts of several of our own agents at once. Whoever is unknown or revoked is refused alone.
pub fn own_contacts(tx: &mut Tx, cx: &Cx, all: &[&OwnContact]) -> Result<Vec<Result<Tidings, Error>>, Error> {
    let (agents, orgs) = homes(tx, all.iter().map(|it| it.agent))?;
    let actions: Vec<Vec<&str>> = all.iter().map(|it| it.modules.iter().map(String::as_str).collect()).collect();
    let mut asks = Vec::with_capacity(all.len());
    for (it, actions) in all.iter().zip(&actions) {
        let home = agents.get(&it.agent).and_then(|agent| Some((agent, orgs.get(&agent.org)?)));
        let max = it.max.min(muster_core::limits::ORDERS_PER_CONTACT_MAX);
        asks.extend(home.map(|(agent, org)| work::Ask { agent, org, actions, max, walks: it.walks }));
    }
    let mut claimed = work::claim_set(tx, cx, &asks)?.into_iter().zip(&asks);
    let mut docs = BTreeMap::new();
    let mut answers = Vec::with_capacity(all.len());
    for it in all {
        if !agents.contains_key(&it.agent) {
            answers.push(Err(not_enrolled()));
        } else if let Some((claimed, ask)) = claimed.next() {
            answers.push(Ok(tidings(cx, ask.agent, ask.org, with_actions(tx, &mut docs, ask, claimed)?)));
        }
    }
    Ok(answers)
}

/// Agents and their organizations.
type Homes = (BTreeMap<AgentId, Agent>, BTreeMap<OrgId, Org>);

/// Our own agents by id, without those that are unknown or revoked, and their organizations.
fn homes(tx: &mut Tx, ids: impl Iterator<Item = AgentId>) -> Result<Homes, Error> {
    let ids: Vec<AgentId> = ids.collect();
    let agents: BTreeMap<AgentId, Agent> = tx.agents_by_id(&ids)?.into_iter().filter(is_enrolled).map(|a| (a.id, a)).collect();
    let mut orgs = BTreeMap::new();
    for agent in agents.values() {
        if let Entry::Vacant(place) = orgs.entry(agent.org) {
            place.insert(house(tx, agent.org)?);
        }
    }
    Ok((agents, orgs))
}

/// Documents of tasks by version.
type Docs = BTreeMap<(TaskId, i64), Option<TaskDoc>>;

/// Work that was handed out, with what is to be done.
fn with_actions(tx: &mut Tx, docs: &mut Docs, ask: &work::Ask<'_>, claimed: Vec<Claimed>) -> Result<Vec<Handed>, Error> {
    let agent = ask.agent;
    let mut all = Vec::with_capacity(claimed.len());
    for it in claimed {
        let version = (it.of.task, it.of.version);
        if let Entry::Vacant(place) = docs.entry(version) {
            place.insert(tx.task_doc(it.of.task, it.of.version)?);
        }
        let doc = docs.get(&version).and_then(Option::as_ref);
        let action = step_of(doc, &it)?.clone();
        let action = filled_for(tx, agent, it.run, &action)?;
        let action = serde_json::to_value(&action).map_err(|e| Error::invalid("task/action", "/steps", e.to_string()))?;
        let job = if it.leads { crate::jobs::alone(tx, doc, &it, agent, &ask.org.settings)?.map(Box::new) } else { None };
        all.push(Handed { claimed: it, action, job });
    }
    Ok(all)
}

fn step_of<'a>(doc: Option<&'a TaskDoc>, it: &Claimed) -> Result<&'a Action, Error> {
    let step = doc.and_then(|doc| doc.steps.get(usize::try_from(it.step).ok()?));
    step.map(|step| &step.action).ok_or_else(|| Error::not_found("task/not-found", "task", it.of.task))
}

/// What is to be done of one piece of work that was handed out.
pub(crate) fn action_of(tx: &mut Tx, agent: &Agent, it: &Claimed) -> Result<Action, Error> {
    let doc = tx.task_doc(it.of.task, it.of.version)?;
    let action = step_of(doc.as_ref(), it)?;
    filled_for(tx, agent, it.run, action)
}

/// An action with its placeholders filled: of its run, and of what the steps before told of this target.
pub(crate) fn filled_for(rx: &mut Rx, agent: &Agent, run: RunId, action: &Action) -> Result<Action, Error> {
    let mut has_any = false;
    let _ = action.with_texts(|text| {
        has_any |= text.contains("{{");
        String::new()
    });
    if !has_any {
        return Ok(action.clone());
    }
    let Some(run) = rx.run(agent.org, run)? else { return Ok(action.clone()) };
    let walk = if run.walked { rx.walk(run.id, agent.device)? } else { None };
    Ok(crate::steps::filled(action, &run, walk.as_ref().map(|w| &w.trail)))
}

/// Attempts under way of our own agent that it must stop: it is in quarantine, a person ended them, their time is over and they may not finish, a later
/// attempt is there, or they are gone.
pub fn to_stop(rx: &mut Rx, cx: &Cx, agent: &Agent, busy: &[(AssignmentId, u32)]) -> Result<Vec<(AssignmentId, u32)>, Error> {
    // Whoever keeps a channel open may know an older state of the agent.
    if rx.agent(agent.id)?.is_none_or(|agent| agent.quarantine.is_some()) {
        return Ok(busy.to_vec());
    }
    let mut stop = Vec::new();
    for (id, attempt) in busy.iter().copied() {
        let state = rx.assignment(agent.org, id)?.map(|row| row.record.state);
        let goes_on = state.is_some_and(|it| it.attempt == attempt && !it.is_to_stop(cx.now));
        if !goes_on {
            stop.push((id, attempt));
        }
    }
    Ok(stop)
}

/// Reports of our own agent.
#[derive(Clone, Debug)]
pub struct OwnReports {
    /// The agent.
    pub agent: AgentId,
    /// What it tells, oldest first.
    pub reports: Vec<work::Report>,
}

/// Takes the reports of our own agent.
pub fn own_report(tx: &mut Tx, cx: &Cx, id: AgentId, reports: &[work::Report]) -> Result<work::Taken, Error> {
    let one = OwnReports { agent: id, reports: reports.to_vec() };
    own_reports(tx, cx, &[&one])?.pop().unwrap_or_else(|| Err(not_enrolled()))
}

/// Takes the reports of several of our own agents at once. Whoever is unknown or revoked is refused alone.
pub fn own_reports(tx: &mut Tx, cx: &Cx, all: &[&OwnReports]) -> Result<Vec<Result<work::Taken, Error>>, Error> {
    let (agents, orgs) = homes(tx, all.iter().map(|it| it.agent))?;
    let mut told = Vec::with_capacity(all.len());
    for it in all {
        let home = agents.get(&it.agent).and_then(|agent| Some((agent, &orgs.get(&agent.org)?.settings)));
        told.extend(home.map(|(agent, settings)| work::Told { agent, settings, reports: &it.reports }));
    }
    let mut answers = work::report_set(tx, cx, &told)?.into_iter();
    let is_known = |it: &&OwnReports| agents.contains_key(&it.agent);
    Ok(all.iter().map(|it| if is_known(it) { answers.next().ok_or_else(not_enrolled) } else { Err(not_enrolled()) }).collect())
}
