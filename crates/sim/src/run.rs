//! Running worlds: one seed to its end, many seeds side by side.

use crate::check::{Breach, Checkers};
use crate::observe::Observed;
use crate::plant::Plant;
use crate::steps::Steps;
use crate::world::World;
use muster_core::tasks::RunState;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Sizes of a world.
#[derive(Clone, Debug)]
pub struct Options {
    /// Moves before the faults stop (200).
    pub steps: usize,
    /// Agents at most, 5 or more (60).
    pub devices_max: usize,
    /// A look at everything every so many steps (100).
    pub look_every: usize,
    /// A fault to be planted into what the checkers see.
    pub plant: Option<Plant>,
    /// The only steps that happen; all of them when it is not said.
    pub only: Option<Steps>,
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: 200, devices_max: 60, look_every: 100, plant: None, only: None }
    }
}

/// A broken rule, with what is needed to see it again.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The step after which it was seen; steps beyond the options' belong to the rest after the faults.
    pub step: usize,
    /// What is broken.
    pub breaches: Vec<Breach>,
    /// The last things that happened, at most 30.
    pub history: Vec<String>,
    /// The only steps that happened, if not all did.
    pub only: Option<Steps>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} breaks the rules after step {}:", self.seed, self.step)?;
        for breach in self.breaches.iter().take(10) {
            writeln!(f, "  rule {}: {}", breach.rule, breach.what)?;
        }
        writeln!(f, "what happened last:")?;
        for line in &self.history {
            writeln!(f, "  {line}")?;
        }
        write!(f, "again: cargo xtask sim --seed {}", self.seed)?;
        self.only.as_ref().map_or(Ok(()), |only| write!(f, " --steps {only}"))
    }
}

/// What a world came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Commands that were run.
    pub commands: u64,
    /// Runs that were started.
    pub runs: usize,
    /// Pieces of work that reached agents.
    pub handed: usize,
    /// Hash of everything that happened.
    pub history: u64,
    /// Whether the planted fault found its place.
    pub planted: bool,
    /// What broke, if anything; the world ends there.
    pub failure: Option<Failure>,
}

/// Turns of rest after the faults, at most: a job needs one for each step. The time between them doubles from ten minutes to some
/// days.
const REST_TURNS: u32 = 40;

struct Watch<'a> {
    options: &'a Options,
    checkers: Checkers,
    handed: usize,
    planted: bool,
}

impl Watch<'_> {
    fn breaches(&mut self, world: &World, mut seen: Observed) -> Vec<Breach> {
        self.handed += seen.handed.len();
        if let Some(plant) = self.options.plant.filter(|_| !self.planted) {
            self.planted = plant.apply(&mut seen, &world.model, &self.checkers);
        }
        self.checkers.check(&seen, &world.model)
    }
}

/// Runs the world of a seed to its end, or to the first broken rule.
pub fn run(seed: u64, options: &Options) -> Report {
    let mut world = World::new(seed, options.devices_max);
    let mut watch = Watch { options, checkers: Checkers::default(), handed: 0, planted: false };
    let ended = live(&mut world, &mut watch);
    let history = || world.history.last.iter().cloned().collect();
    let failure = ended.err().map(|(step, breaches)| Failure { seed, step, breaches, history: history(), only: options.only.clone() });
    Report {
        seed,
        commands: world.commands,
        runs: world.model.runs.len(),
        handed: watch.handed,
        history: world.history.hash,
        planted: watch.planted,
        failure,
    }
}

type Broken = (usize, Vec<Breach>);

fn live(world: &mut World, watch: &mut Watch<'_>) -> Result<(), Broken> {
    let fine = |step: usize, breaches: Vec<Breach>| if breaches.is_empty() { Ok(()) } else { Err((step, breaches)) };
    let options = watch.options;
    for step in (1..=options.steps).filter(|step| options.only.as_ref().is_none_or(|only| only.has(*step))) {
        world.dice_of_step(step);
        let Some(next) = world.draw() else { break };
        world.act(next);
        let whole = step % options.look_every == 0;
        let seen = if whole { world.look_at_all(10) } else { world.look() };
        fine(step, watch.breaches(world, seen))?;
    }
    world.dice_of_step(options.steps + REST_TURNS as usize + 1);
    world.note("faults stop");
    world.calm_down();
    world.all_return();
    world.people_let_go();
    for turn in 0..REST_TURNS {
        world.dice_of_step(options.steps + 1 + turn as usize);
        rest(world, turn);
        let seen = world.look();
        fine(options.steps + turn as usize, watch.breaches(world, seen))?;
        if turn > 1 && unfinished(world).is_empty() {
            break;
        }
    }
    let mut last = world.look_at_all(1);
    last.unfinished = unfinished(world);
    fine(options.steps, watch.breaches(world, last))
}

fn unfinished(world: &mut World) -> Vec<(muster_core::ids::RunId, String)> {
    let orgs = world.orgs();
    let runs = orgs.into_iter().flat_map(|org| world.all_runs(org)).collect::<Vec<_>>();
    let open: Vec<_> = runs.into_iter().filter(|r| r.state != RunState::Finished).collect();
    open.into_iter().map(|r| (r.id, format!("{} {:?} {:?}", r.state, r.counts, world.reasons_of(r.org, r.id)))).collect()
}

/// One turn without faults: time goes on, workers work, every agent comes and does what it is given.
fn rest(world: &mut World, turn: u32) {
    world.clock.advance(Duration::from_secs(600 << turn.min(9)));
    world.note(format_args!("rest {turn}"));
    world.halted_go_on();
    while world.work_prepare() {}
    while world.work_lapse() {}
    while world.work_steps() {}
    while world.work_jobs() {}
    while world.work_steps() {}
    while world.work_groups() {}
    while world.work_book() {}
    for i in 0..world.agents.len() {
        world.contact(i);
        world.begin_kept(i);
        if turn == 0 {
            world.inventory(i, false);
        }
        for _ in 0..4 {
            world.work(i);
        }
    }
    world.work_presence();
    if turn == 1 {
        world.devices_without_agents_go();
    }
}

/// Runs `count` seeds from `from` on over `threads` threads, with the usual sizes; gives the failures in order of seeds.
pub fn seeds(from: u64, count: u64, threads: usize) -> Vec<Failure> {
    seeds_with(from, count, threads, &Options::default())
}

/// As [`seeds`], with other sizes.
pub fn seeds_with(from: u64, count: u64, threads: usize, options: &Options) -> Vec<Failure> {
    let (next, failures) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    if let Some(failure) = run(from.wrapping_add(n), options).failure {
                        failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(failure);
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    failures.sort_by_key(|f| f.seed);
    failures
}
