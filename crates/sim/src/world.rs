//! The world: one to three engines on one store in memory, a clock moved by hand, two organizations, and what surrounds them.

use crate::dice::{Dice, History};
use crate::model::Model;
use crate::moves::Move;
use crate::observe::Observed;
use crate::script::Script;
use muster_core::access::{Actor, Caller, Role};
use muster_core::ids::{AssignmentId, OrgId, UserId};
use muster_core::time::{Clock, HandClock, Timestamp};
use muster_engine::access::{NewJoinToken, join_token_create, org_create};
use muster_engine::workers::WakeCall;
use muster_engine::{Cx, Engine, Error, Kind, Rx, SeededRandom, Store, Tx};
use muster_store::{FaultPlan, Strike};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The instant at which every world begins: 2026-11-18T11:06:40Z.
const BEGIN: Timestamp = Timestamp(1_795_000_000_000);

/// What came of a command, and what happened to its transaction (which callers do not know).
pub(crate) struct Answer<T> {
    pub result: Result<T, Error>,
    pub strike: Strike,
}

impl<T> Answer<T> {
    /// Whether the caller was left in the dark while something may have been written.
    pub fn is_maybe(&self) -> bool {
        self.strike == Strike::Unknown
    }
}

/// An organization with what its agents need to join.
#[derive(Clone)]
pub(crate) struct Tenant {
    pub id: OrgId,
    /// Join tokens: of agents that are not verified, and of those that are.
    pub tokens: [String; 2],
}

/// Which troubles this seed knows and how likely they are, in thousandths.
pub(crate) struct Swarm {
    pub weights: Vec<(Move, usize)>,
    pub crash: usize,
    pub unknown: usize,
    pub full: usize,
    pub answer_lost: usize,
    pub vanish: usize,
    pub backwards: bool,
    pub scheduled: usize,
    pub windowed: usize,
    pub jobs: usize,
    pub waves: usize,
    /// How many tasks are done by pools, per mille.
    pub pools: usize,
    /// How many tasks let machines join their runs later, per mille.
    pub late: usize,
    /// A fleet of our own trusted agents, which walk jobs alone.
    pub alone: bool,
    /// Machines of that fleet keep tasks and begin them by their own clocks.
    pub keeps: bool,
}

/// One of several servers on one store: what it keeps in memory is its own, and so is its clock.
struct Server {
    engine: Engine,
    /// How far its clock is ahead.
    ahead: Duration,
}

/// How far the clocks of servers are apart at most, milliseconds.
const APART_MS: usize = 4_000;

pub(crate) struct World {
    seed: u64,
    pub dice: Dice,
    pub history: History,
    pub clock: Arc<HandClock>,
    store: Store,
    random: Arc<SeededRandom>,
    /// The server that does this step.
    pub engine: Engine,
    servers: Vec<Server>,
    at: usize,
    pub tenants: Vec<Tenant>,
    pub agents: Vec<Script>,
    pub swarm: Swarm,
    pub model: Model,
    /// What this step showed so far.
    pub seen: Observed,
    /// What this step touched.
    pub touched: Vec<(OrgId, AssignmentId)>,
    /// Assignments known to be there.
    pub known: Vec<(OrgId, AssignmentId)>,
    pub wakes: Vec<WakeCall>,
    /// Faults are over.
    pub calm: bool,
    pub commands: u64,
    /// How far the wall clock was set back in all.
    pub set_back: Duration,
}

impl World {
    pub(crate) fn new(seed: u64, devices_max: usize) -> Self {
        let mut dice = Dice::new(seed);
        let clock = Arc::new(HandClock::at(BEGIN));
        let store = Store::inline(seed, Arc::clone(&clock) as Arc<dyn Clock>);
        let random = Arc::new(SeededRandom::new(seed));
        let new = || Engine::new(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>, Arc::clone(&random) as _);
        let count = if dice.chance(500) { 1 } else { dice.within(2, 3) };
        let apart = if dice.chance(500) { 1 } else { APART_MS };
        let ahead = |dice: &mut Dice, n: usize| if n == 0 { Duration::ZERO } else { Duration::from_millis(dice.below(apart) as u64) };
        let servers: Vec<Server> = (0..count).map(|n| Server { engine: new(), ahead: ahead(&mut dice, n) }).collect();
        let engine = servers[0].engine.clone();
        let swarm = swarm(&mut dice);
        let mut world = Self {
            seed,
            dice,
            history: History::new(),
            clock,
            store,
            random,
            engine,
            servers,
            at: 0,
            tenants: Vec::new(),
            agents: Vec::new(),
            swarm,
            model: Model::default(),
            seen: Observed::default(),
            touched: Vec::new(),
            known: Vec::new(),
            wakes: Vec::new(),
            calm: true,
            commands: 0,
            set_back: Duration::ZERO,
        };
        world.found();
        let most = devices_max.max(5);
        let count = if world.dice.chance(850) { world.dice.within(5, most.min(12)) } else { world.dice.within(5, most) };
        for index in 0..count {
            let script = Script::new(&mut world.dice, index, world.swarm.alone);
            world.agents.push(script);
        }
        world.calm = false;
        world
    }

    /// Two organizations with join tokens.
    fn found(&mut self) {
        for name in ["north", "south"] {
            let nowhere = OrgId(Uuid::nil());
            let org = self.write("sim.org", &self.engine.system(nowhere, "sim"), move |tx, cx| org_create(tx, cx, name));
            let id = org.result.expect("a new world takes an organization").id;
            let tokens = [false, true].map(|verified| {
                let new = NewJoinToken { name: "all".to_owned(), uses: None, expires: None, verified, group: None };
                let token = self.write("sim.token", &self.engine.system(id, "sim"), move |tx, cx| join_token_create(tx, cx, &new));
                token.result.expect("a new world takes a join token").1
            });
            self.tenants.push(Tenant { id, tokens });
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn orgs(&self) -> Vec<OrgId> {
        self.tenants.iter().map(|t| t.id).collect()
    }

    pub(crate) fn note(&mut self, line: impl std::fmt::Display) {
        let at = self.now();
        self.history.note(format!("{at} {line}"));
    }

    /// An operator of one organization.
    pub(crate) fn person(&self, org: OrgId) -> Cx {
        let caller = Caller { actor: Actor::User(UserId(Uuid::from_u128(org.0.as_u128() ^ 1))), role: Role::Admin, scope: Some(org) };
        self.engine.cx(caller, "kim", org, "sim")
    }

    /// The context of an agent's door.
    pub(crate) fn door(&self, org: OrgId) -> Cx {
        self.engine.system(org, "sim")
    }

    /// Runs a command; chance may strike its transaction.
    pub(crate) fn write<T, F>(&mut self, name: &'static str, cx: &Cx, f: F) -> Answer<T>
    where
        F: Fn(&mut Tx, &Cx) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let Swarm { crash, unknown, full, .. } = self.swarm;
        let (crash, unknown, full) = if self.calm { (0, 0, 0) } else { (crash, unknown, full) };
        let strike = match self.dice.below(1_000) {
            n if n < crash => Strike::Crash,
            n if n < crash + unknown => Strike::Unknown,
            n if n < crash + unknown + full => Strike::Full,
            _ => Strike::Pass,
        };
        self.store.faults(FaultPlan { next: [strike].into(), ..FaultPlan::default() });
        let result = self.engine.write_now(name, cx, f);
        self.commands += 1;
        if let Err(error) = &result
            && error.kind == Kind::Internal
        {
            self.seen.broken.push(format!("{name}: {:?}", error.fault));
        }
        match strike {
            Strike::Pass => {}
            Strike::Crash => {
                self.note(format_args!("  {name}: the server dies before COMMIT"));
                self.restart();
            }
            Strike::Full => self.note(format_args!("  {name}: the store is busy")),
            Strike::Unknown => self.note(format_args!("  {name}: committed, the link breaks")),
        }
        Answer { result, strike }
    }

    /// A query of a person of an organization.
    pub(crate) fn read<T, F>(&self, org: OrgId, f: F) -> Result<T, Error>
    where
        F: FnOnce(&mut Rx, &Cx) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        self.engine.read_now(&self.person(org), f)
    }

    /// The server ends and starts: what was only in memory is gone.
    pub(crate) fn restart(&mut self) {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        self.engine = Engine::new(self.store.clone(), clock, Arc::clone(&self.random) as _);
        self.servers[self.at].engine = self.engine.clone();
    }

    /// Any of the servers does what comes next, at the time of its own clock.
    pub(crate) fn change_server(&mut self) {
        if self.servers.len() < 2 {
            return;
        }
        let next = self.dice.below(self.servers.len());
        self.clock.set(self.now().minus(self.servers[self.at].ahead).plus(self.servers[next].ahead));
        self.at = next;
        self.engine = self.servers[next].engine.clone();
    }

    /// From now on chance is that of one step.
    pub(crate) fn dice_of_step(&mut self, step: usize) {
        self.dice = Dice::of_step(self.seed, step);
    }

    /// From now on nothing fails.
    pub(crate) fn calm_down(&mut self) {
        self.calm = true;
        self.swarm.answer_lost = 0;
        self.swarm.vanish = 0;
        self.restart();
    }
}

/// Switches some moves off and weights the rest wildly.
fn swarm(dice: &mut Dice) -> Swarm {
    let mut weights = Vec::new();
    for it in Move::ALL {
        let off = if it.is_needed() { 20 } else { 250 };
        if !dice.chance(off) {
            let weight = 1 << dice.below(if it.is_needed() { 6 } else { 4 });
            // Agents come far more often than people act.
            let more = if matches!(it, Move::Contact | Move::Work) { 30 } else { 4 };
            weights.push((it, if it.is_needed() { weight + more } else { weight }));
        }
    }
    let alone = dice.chance(250);
    let keeps = alone && dice.chance(500);
    if alone {
        // Who leads changes hands when work is held.
        weights.extend([Move::Pause, Move::Pause, Move::Freeze].map(|it| (it, 6)));
        let often = if keeps { 40 } else { 4 };
        weights.extend([Move::Keep, Move::Book, Move::Schedules].map(|it| (it, often)));
    }
    let rate = |dice: &mut Dice, most: usize| if dice.chance(500) { 0 } else { dice.below(most) };
    Swarm {
        weights,
        crash: rate(dice, 60),
        unknown: rate(dice, 60),
        full: rate(dice, 60),
        answer_lost: rate(dice, 300),
        vanish: rate(dice, 100),
        backwards: dice.chance(400),
        scheduled: rate(dice, 500),
        windowed: rate(dice, 500),
        jobs: rate(dice, 500),
        waves: rate(dice, 400),
        pools: rate(dice, 200),
        late: rate(dice, 300),
        alone,
        keeps,
    }
}
