//! An inventory arrives: who sent it, what changed, write only that.
//!
//! Doors go three steps, cheapest first: [`Engine::touch`] for one that repeats the last; [`before`], [`plan`] and [`apply`], so
//! that comparing and packing happen outside the transaction; and [`inventory`], all in one transaction, when others kept coming
//! between. What changes is worked out in [`mod@plan`], the searched columns in `searched`.

mod plan;
mod searched;

pub use plan::{Plan, plan};
pub(crate) use searched::{DRAWN_FROM, logins};

use crate::cx::Cx;
use crate::engine::Engine;
use crate::error::{Error, Kind};
use crate::fleet::source_sections;
use crate::identity::{known_sender, learned, sender};
use crate::schedules::{self, Happened};
use crate::work;
use muster_core::fleet::{Agent, Protocol, StoredSection};
use muster_core::ids::{AgentId, DeviceId, OrgId};
use muster_core::inventory::{Completeness, Inventory, Keyed, Print, Row, Told, hash, is_reading_section, split};
use muster_store::{Rx, Touch, Touched, Tx, Whose};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// An inventory with who says it comes from where.
#[derive(Clone)]
pub struct Arrival {
    /// How the agent speaks.
    pub protocol: Protocol,
    /// Our own agent's id, when it is ours.
    pub own: Option<AgentId>,
    /// A foreign agent's DEVICEID.
    pub foreign_id: Option<String>,
    /// The DEVICEID it had before, when it says so.
    pub old_foreign_id: Option<String>,
    /// A GLPI agent's UUID.
    pub glpi_id: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The address it comes from.
    pub source: Option<IpAddr>,
    /// What it tells.
    pub told: Arc<dyn Told>,
    /// Our own agent: sections that it has but did not send, because we hold them by these hashes; see [`wanted`].
    pub unchanged: BTreeMap<String, [u8; 32]>,
}

impl Arrival {
    /// The named sections as they were told, in canonical form.
    pub fn view(&self, sections: &[&str]) -> Inventory {
        let mut view = Inventory::empty(self.told.completeness());
        for name in sections.iter().filter(|name| self.told.section(name).is_some()) {
            view.sections.insert((*name).to_owned(), self.told.rows(name));
        }
        view
    }

    fn has(&self, section: &str) -> bool {
        self.told.section(section).is_some() || self.unchanged.contains_key(section)
    }

    /// By what a repetition is recognised; only a foreign agent that names no former id can repeat itself.
    fn touch(&self, door: OrgId) -> Option<Touch> {
        let foreign_id = self.foreign_id.clone().filter(|_| self.own.is_none() && self.old_foreign_id.is_none())?;
        let (facts, readings) = (self.told.facts(), self.told.readings());
        Some(Touch { door, protocol: self.protocol, foreign_id, glpi_id: self.glpi_id.clone(), facts, readings })
    }
}

/// What an inventory came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The agent.
    pub agent: AgentId,
    /// Its device.
    pub device: DeviceId,
    /// Whether the agent is new.
    pub new_agent: bool,
    /// Sections whose facts were written.
    pub written: Vec<String>,
    /// Sections that are gone.
    pub removed: Vec<String>,
    /// The tag the server holds for the device.
    pub tag: Option<String>,
}

impl From<Touched> for Stored {
    fn from(t: Touched) -> Self {
        Self { agent: t.agent, device: t.device, new_agent: false, written: Vec::new(), removed: Vec::new(), tag: t.tag }
    }
}

/// The key of the error by which an inventory is refused whose `unchanged` sections we do not hold: look again what is wanted.
pub const NOT_HELD: &str = "inventory/not-held";
/// The key of the error that says that others wrote between [`before`] and [`apply`]: begin again.
pub const OVERTAKEN: &str = "inventory/overtaken";

fn overtaken() -> Error {
    Error::new(Kind::Conflict, OVERTAKEN, "something else of this device was written meanwhile; send the inventory again")
}

/// What to do while the store is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Refuse at once; the agent comes again.
    None,
    /// Wait: the agent asks later what became of it.
    Waits,
}

/// Stores an inventory: the steps of this module, as a door takes them.
pub async fn store(engine: &Engine, cx: &Cx, arrival: Arc<Arrival>, patience: Patience) -> Result<Stored, Error> {
    if let Some(touch) = arrival.touch(cx.org)
        && let Some(touched) = engine.touch(touch, patience).await?
        // What waits for an inventory is ended by the long way.
        && !touched.has_open
    {
        return Ok(touched.into());
    }
    for _ in 0..3 {
        let (asked, told) = (arrival.clone(), arrival.clone());
        let before = engine.read(cx, move |rx, cx| before(rx, cx, &asked)).await?;
        let plan = Arc::new(plan(&before, &arrival)?);
        let command = move |tx: &mut Tx, cx: &Cx| apply(tx, cx, &told, &before, &plan);
        let done = match patience {
            Patience::None => engine.try_write("intake.inventory", cx, command).await,
            Patience::Waits => engine.write("intake.inventory", cx, command).await,
        };
        match done {
            Err(error) if error.key == OVERTAKEN => {}
            done => return done,
        }
    }
    // Others kept coming between: now nobody does.
    engine.write("intake.whole", cx, move |tx, cx| inventory(tx, cx, &arrival)).await
}

/// What is known of an agent and its device before an inventory of it is taken.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// The agent; `None` when it is not known yet.
    agent: Option<Agent>,
    /// Whether this very inventory makes it known.
    is_new: bool,
    /// The number of the device's inventory.
    fence: i64,
    /// All agents of the device.
    agents: Vec<Agent>,
    /// What this agent told, without the documents.
    own: BTreeMap<String, StoredSection>,
    /// Per section the one agent whose data are shown.
    sources: Vec<StoredSection>,
    /// Documents of this agent that differ from what came.
    keyed: BTreeMap<String, Keyed>,
    /// Facts that are needed for the searched columns and were not told.
    facts: BTreeMap<(AgentId, String), Vec<Row>>,
    /// The readings, when some of them stay.
    readings: BTreeMap<String, Vec<Row>>,
    /// Their print.
    readings_print: Option<Print>,
}

/// Looks up what an inventory has to be compared with.
pub fn before(rx: &mut Rx, cx: &Cx, arrival: &Arrival) -> Result<Before, Error> {
    match known_sender(rx, cx.org, arrival)? {
        Some(agent) => before_of(rx, arrival, agent, false),
        None => Ok(Before::default()),
    }
}

fn before_of(rx: &mut Rx, arrival: &Arrival, agent: Agent, is_new: bool) -> Result<Before, Error> {
    if !arrival.unchanged.is_empty() && !wanted(rx, agent.id, &arrival.unchanged)?.is_empty() {
        return Err(Error::new(Kind::Conflict, NOT_HELD, "the inventory builds on sections that are not held any more; send them again"));
    }
    let (fence, readings_print) = rx.inventory_stand(agent.device, agent.id)?;
    let agents = rx.agents_of(agent.device)?;
    let own: BTreeMap<_, _> = rx.sections(&[agent.id])?.into_iter().map(|s| (s.section.clone(), s)).collect();
    let sources = if agents.len() > 1 { source_sections(rx, &agents)? } else { own.values().cloned().collect() };
    let mut before = Before { fence, readings_print, agents, own, sources, is_new, ..Before::default() };
    for section in before.differing(arrival) {
        if let Some(keyed) = rx.section_keyed(agent.id, &section, arrival.told.form())? {
            before.keyed.insert(section, keyed);
        }
    }
    for source in searched::wanted(&before, &agent, arrival) {
        let facts = rx.section_facts(source.agent, &source.section)?.unwrap_or_default();
        before.facts.insert((source.agent, source.section), serde_json::from_slice(&facts).unwrap_or_default());
    }
    if arrival.told.completeness() == Completeness::Partial || !arrival.unchanged.is_empty() {
        before.readings = stored_readings(rx, agent.id)?;
    }
    before.agent = Some(agent);
    Ok(before)
}

impl Before {
    /// Sections of this agent that differ from what came, or are gone.
    fn differing(&self, arrival: &Arrival) -> Vec<String> {
        let changed = |s: &&StoredSection| match arrival.told.section(&s.section) {
            Some(new) => s.print != Some(arrival.told.mark(new)),
            None => arrival.told.completeness() == Completeness::Full && !arrival.has(&s.section),
        };
        self.own.values().filter(changed).map(|s| s.section.clone()).collect()
    }
}

/// Writes a plan, unless something else was written since [`before`].
pub fn apply(tx: &mut Tx, cx: &Cx, arrival: &Arrival, before: &Before, plan: &Plan) -> Result<Stored, Error> {
    match &before.agent {
        Some(agent) => write(tx, cx, arrival, &Sender { agent: agent.clone(), is_new: false, was_met: false }, plan),
        None => first(tx, cx, arrival, plan),
    }
}

/// Who an inventory comes from.
struct Sender {
    agent: Agent,
    /// Whether this inventory makes it known.
    is_new: bool,
    /// Whether it was looked for in this transaction, and perhaps changed.
    was_met: bool,
}

fn meet(tx: &mut Tx, cx: &Cx, arrival: &Arrival) -> Result<Sender, Error> {
    let (agent, is_new) = sender(tx, cx, arrival)?;
    Ok(Sender { agent, is_new, was_met: true })
}

/// The first inventory of an agent. What was planned holds when its device is new too.
fn first(tx: &mut Tx, cx: &Cx, arrival: &Arrival, plan: &Plan) -> Result<Stored, Error> {
    let from = meet(tx, cx, arrival)?;
    let alone = tx.agents_of(from.agent.device)?.len() == 1;
    if from.is_new && alone {
        return write(tx, cx, arrival, &from, plan);
    }
    again(tx, cx, arrival, &from)
}

/// Stores an inventory in one transaction; an agent that reports for the first time is made known by it.
pub fn inventory(tx: &mut Tx, cx: &Cx, arrival: &Arrival) -> Result<Stored, Error> {
    let from = meet(tx, cx, arrival)?;
    again(tx, cx, arrival, &from)
}

fn again(tx: &mut Tx, cx: &Cx, arrival: &Arrival, from: &Sender) -> Result<Stored, Error> {
    let before = before_of(tx, arrival, from.agent.clone(), from.is_new)?;
    let plan = self::plan(&before, arrival)?;
    write(tx, cx, arrival, from, &plan)
}

fn write(tx: &mut Tx, cx: &Cx, arrival: &Arrival, from: &Sender, plan: &Plan) -> Result<Stored, Error> {
    let agent = &from.agent;
    let of = Whose { org: agent.org, device: agent.device, agent: agent.id, at: cx.now, history: cx.id() };
    if !tx.inventory_write(&of, plan.write())? {
        return Err(overtaken());
    }
    let (written, removed) = plan.names();
    if !removed.is_empty() {
        // What this agent tells no more, another one of the device may tell.
        crate::rebuild::reorder(tx, agent.org, agent.device)?;
    }
    if from.was_met || plan.touches(&["hardware", "bios", "networks"]) {
        learned(tx, cx, agent, arrival)?;
    }
    let is_unchanged = written.is_empty() && removed.is_empty();
    if !from.is_new && !is_unchanged {
        let sections: Vec<String> = written.iter().chain(&removed).cloned().collect();
        schedules::happened(tx, cx, agent.org, agent.device, Happened::Changed(&sections))?;
    }
    let damaged = arrival.told.findings().iter().any(|f| f.kind == "truncated");
    // A part that our own agent was asked for is no answer to an order for the whole.
    let is_part = arrival.own.is_some() && arrival.told.completeness() == Completeness::Partial;
    if !damaged && !is_part {
        work::inventory_arrived(tx, cx, agent)?;
    }
    let tag = if arrival.protocol == Protocol::Ocs { tx.device_tag(agent.device)? } else { None };
    Ok(Stored { agent: agent.id, device: agent.device, new_agent: from.is_new, written, removed, tag })
}

/// Which of the told sections we do not hold by their hash. A section of readings is compared as the rows it came with
/// (`docs/protocols/native.md`, "Calls"); an empty one needs no content.
pub fn wanted(rx: &mut Rx, agent: AgentId, told: &BTreeMap<String, [u8; 32]>) -> Result<Vec<String>, Error> {
    let mut held: BTreeMap<String, [u8; 32]> = rx.sections(&[agent])?.into_iter().map(|s| (s.section, s.hash)).collect();
    if told.keys().any(|name| is_reading_section(name)) {
        let readings = stored_readings(rx, agent)?;
        held.extend(readings.into_iter().filter(|(name, _)| is_reading_section(name)).map(|(name, rows)| {
            let rows = split(&name, &rows).rows;
            (name, hash(&rows))
        }));
    }
    let empty = hash(b"[]");
    Ok(told.iter().filter(|(name, hash)| **hash != empty && held.get(*name) != Some(*hash)).map(|(name, _)| name.clone()).collect())
}

fn stored_readings(rx: &mut Rx, agent: AgentId) -> Result<BTreeMap<String, Vec<Row>>, Error> {
    Ok(rx.readings(agent)?.and_then(|document| serde_json::from_slice(&document).ok()).unwrap_or_default())
}
