//! Many at once: agents, workers and people on two servers of one database, on threads. What each of them was answered is
//! written down with the order in which it asked and was answered, and must fit one history that keeps the engine's rules.

use muster_core::access::Caller;
use muster_core::ids::{AgentId, AssignmentId, OrgId, RunId};
use muster_core::page::{Cursor, PageRequest};
use muster_core::tasks::state::AttemptState;
use muster_core::tasks::{Counts, Outcome, RunState, State};
use muster_core::time::{Clock, HandClock, Timestamp};
use muster_engine::contact::{self, OwnContact};
use muster_engine::enrol::{Enrol, enrol};
use muster_engine::runs::{self, Start};
use muster_engine::work::{Report, Said};
use muster_engine::{
    AssignmentFilter, Cx, Engine, Error, Fault, Rx, SeededRandom, Store, SystemRandom, Tx, access, brake, schedules, tasks, workers,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_795_000_000_000);
const AGENTS: usize = 24;
/// How many of the organization's assignments may be under way.
const IN_FLIGHT: usize = 10;
/// What each thread does at most; it ends when enough has happened.
const STEPS: usize = 50_000;
/// Runs that people start: each costs a look at every one of its assignments.
const RUNS: usize = 40;

/// A piece that was handed out.
#[derive(Clone, Copy, Debug)]
struct Handed {
    assignment: AssignmentId,
    attempt: u32,
    agent: AgentId,
    /// Places in the common order: before the agent asked, after it was answered.
    asked: u64,
    answered: u64,
}

/// What was answered to all.
#[derive(Default)]
struct Log {
    handed: Vec<Handed>,
    /// Ends that were accepted, by attempt.
    ended: Vec<(AssignmentId, u32, Outcome)>,
    /// When the cancelling of an assignment was acknowledged.
    cancelled: BTreeMap<AssignmentId, u64>,
    /// From when until when the brake was certainly on.
    frozen: Vec<(u64, u64)>,
    runs: BTreeSet<RunId>,
    /// Commands that failed in a way no caller could understand.
    broken: Vec<String>,
    most_in_flight: usize,
}

impl Log {
    /// Whether enough happened for a history to say something.
    fn is_enough(&self) -> bool {
        let (work, people) = (self.handed.len().min(self.ended.len() * 2), self.cancelled.len().min(self.frozen.len()));
        work >= 400 && people > 5 && self.runs.len() > 10
    }
}

struct House {
    engines: [Engine; 2],
    clock: Arc<HandClock>,
    org: OrgId,
    agents: Vec<AgentId>,
    tasks: Vec<muster_core::ids::TaskId>,
    ticket: AtomicU64,
    log: Mutex<Log>,
    over: AtomicBool,
}

/// One thread: its server and its chance.
struct Hand<'a> {
    house: &'a House,
    engine: &'a Engine,
    cx: Cx,
    chance: u64,
}

impl Hand<'_> {
    fn below(&mut self, bound: usize) -> usize {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.chance >> 33).unwrap_or(0) % bound.max(1)
    }

    fn ticket(&self) -> u64 {
        self.house.ticket.fetch_add(1, Ordering::SeqCst)
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.house.log.lock().expect("no thread panicked")
    }

    /// A command; a refusal is an answer, also 'this takes too long, nothing was changed' of a machine that is busy with other things. A
    /// broken store is none.
    fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        f: impl Fn(&mut Tx, &Cx) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let answer = self.engine.write_now(name, &self.cx, f);
        if let Err(error) = &answer
            && error.fault.as_ref().is_some_and(|fault| !matches!(fault, Fault::TooLong))
        {
            self.log().broken.push(format!("{name}: {error:?}"));
        }
        answer
    }

    fn read<T: Send + 'static>(&self, f: impl FnOnce(&mut Rx, &Cx) -> Result<T, Error> + Send + 'static) -> T {
        self.engine.read_now(&self.cx, f).expect("read")
    }

    fn in_flight(&self) -> usize {
        let filter = AssignmentFilter { open: true, states: vec![State::Started, State::Running], ..AssignmentFilter::default() };
        let page = PageRequest { limit: 1_000, ..PageRequest::default() };
        self.read(move |rx, cx| runs::assignment_list(rx, cx, &filter, &page)).items.len()
    }

    /// One to four agents come in one set, as the door writes them.
    fn contacts(&mut self) -> Vec<Handed> {
        let count = 1 + self.below(4);
        let who: BTreeSet<usize> = (0..count).map(|_| self.below(AGENTS)).collect();
        let modules = vec!["ip_configuration".to_owned()];
        let all: Vec<OwnContact> =
            who.iter().map(|i| OwnContact { agent: self.house.agents[*i], modules: modules.clone(), max: 2, walks: false }).collect();
        let (asked, given) = (self.ticket(), all.clone());
        let answer = self.write("contacts", move |tx, cx| contact::own_contacts(tx, cx, &given.iter().collect::<Vec<_>>()));
        let answered = self.ticket();
        let mut handed = Vec::new();
        for (it, tidings) in all.iter().zip(answer.into_iter().flatten()) {
            for claimed in tidings.expect("known agents").claimed.into_iter().map(|it| it.claimed) {
                handed.push(Handed { assignment: claimed.assignment, attempt: claimed.attempt, agent: it.agent, asked, answered });
            }
        }
        self.log().handed.extend(&handed);
        handed
    }

    fn report(&mut self, it: Handed, what: Said) {
        let (assignment, attempt) = (it.assignment, it.attempt);
        let report =
            Report { assignment, attempt, incarnation: 1, what, exit_code: None, output: None, message: None, occasion: None, at: None };
        let answer = self.write("reports", move |tx, cx| contact::own_report(tx, cx, it.agent, std::slice::from_ref(&report)));
        if let (Said::Ended(outcome), Ok([Ok(())])) = (what, answer.as_ref().map(|taken| &*taken.answers)) {
            self.log().ended.push((assignment, attempt, outcome));
        }
    }

    /// Agents come, and tell of what was handed to anybody, perhaps twice or with another end.
    fn work(&mut self) {
        let mut mine = Vec::new();
        for _ in 0..STEPS {
            if self.log().is_enough() {
                return;
            }
            mine.extend(self.contacts());
            for _ in 0..self.below(4) {
                if mine.is_empty() {
                    break;
                }
                let place = self.below(mine.len());
                let it = mine[place];
                let what = [Said::Running, Said::Ended(Outcome::Ok), Said::Ended(Outcome::Ok), Said::Ended(Outcome::Error)][self.below(4)];
                self.report(it, what);
                if what != Said::Running && self.below(3) > 0 {
                    mine.swap_remove(place);
                }
            }
        }
    }

    fn workers(&self) {
        for worker in [schedules::look, schedules::answer, workers::prepare, workers::lapse] {
            drop(self.write("worker", worker));
        }
    }

    fn open(&self) -> Vec<AssignmentId> {
        let filter = AssignmentFilter { open: true, ..AssignmentFilter::default() };
        let page = PageRequest { limit: 50, ..PageRequest::default() };
        self.read(move |rx, cx| runs::assignment_list(rx, cx, &filter, &page)).items.into_iter().map(|(row, _)| row.record.id).collect()
    }

    /// A person starts runs, cancels, and pulls the brake if it is this person's to pull: two would release each other's.
    fn act(&mut self, has_brake: bool) {
        match self.below(if has_brake { 12 } else { 10 }) {
            0..6 if self.log().runs.len() < RUNS => {
                let task = self.house.tasks[self.below(self.house.tasks.len())];
                let run = self.write("start", move |tx, cx| runs::run_start(tx, cx, task, &Start::default()));
                self.log().runs.extend(run.map(|r| r.run.id));
            }
            0..10 => {
                let open = self.open();
                if open.is_empty() {
                    return;
                }
                let id = open[self.below(open.len())];
                let answer = self.write("cancel", move |tx, cx| runs::assignment_cancel(tx, cx, id));
                let acknowledged = self.ticket();
                if answer.is_ok_and(|it| it.row.record.state.status.state() == State::Cancelled) {
                    self.log().cancelled.entry(id).or_insert(acknowledged);
                }
            }
            _ => {
                let on = self.write("freeze", |tx, cx| brake::freeze(tx, cx, "it burns")).is_ok();
                let from = self.ticket();
                // Some round trips long, so that agents come meanwhile.
                let busy = (0..3).map(|_| self.in_flight()).max();
                assert!(busy <= Some(IN_FLIGHT), "{busy:?} are under way at once");
                let until = self.ticket();
                drop(self.write("release", brake::release));
                if on {
                    self.log().frozen.push((from, until));
                }
            }
        }
    }
}

impl House {
    fn new(open: impl Fn(Arc<dyn Clock>) -> Store) -> Self {
        let clock = Arc::new(HandClock::at(NOW));
        let engine = Engine::new(open(clock.clone()), clock.clone(), Arc::new(SeededRandom::new(7)));
        let nowhere = engine.cx(Caller::SYSTEM, "test", OrgId(uuid::Uuid::nil()), "test");
        let org = engine.write_now("org", &nowhere, access::default_org).expect("an organization").id;
        let cx = engine.cx(Caller::SYSTEM, "test", org, "test");
        let patch = json!({"in_flight": IN_FLIGHT, "in_flight_per_agent": 2});
        let patch = patch.as_object().cloned().expect("an object");
        engine.write_now("settings", &cx, move |tx, cx| access::settings_update(tx, cx, &patch, None)).expect("set");
        let new = access::NewJoinToken { name: "all".to_owned(), uses: None, expires: None, verified: true, group: None };
        let token = engine.write_now("token", &cx, move |tx, cx| access::join_token_create(tx, cx, &new)).expect("a token").1;
        let agents = (0..AGENTS).map(|n| joined(&engine, &cx, &token, n)).collect();
        let task = |n: usize| {
            let retry = json!({"attempts": 3, "on": ["error", "unknown"]});
            let step = json!({"id": "do", "action": {"type": "ip_configuration"}, "retry": retry});
            let mut doc = json!({"name": format!("task {n}"), "targets": {"all": true}, "steps": [step]});
            if n == 0 {
                doc["schedule"] = json!({"every": "10m"});
            }
            engine.write_now("task", &cx, move |tx, cx| tasks::task_create(tx, cx, &doc)).expect("a task").task.id
        };
        let tasks = (0..4).map(task).collect();
        let other = Engine::new(open(clock.clone()), clock.clone(), Arc::new(SystemRandom));
        let (ticket, log, over) = (AtomicU64::new(0), Mutex::default(), AtomicBool::new(false));
        Self { engines: [engine, other], clock, org, agents, tasks, ticket, log, over }
    }

    fn hand(&self, n: usize) -> Hand<'_> {
        let engine = &self.engines[n % 2];
        Hand { house: self, engine, cx: engine.cx(Caller::SYSTEM, "test", self.org, "test"), chance: n as u64 + 1 }
    }

    /// Everybody at once: three threads of agents for each server, workers, people, and one that looks on while time passes.
    fn live(&self) {
        std::thread::scope(|scope| {
            let busy: Vec<_> = (0..6).map(|n| scope.spawn(move || self.hand(n).work())).collect();
            let until_over = |n: usize, act: fn(&mut Hand<'_>)| {
                scope.spawn(move || {
                    let mut hand = self.hand(n);
                    while !self.over.load(Ordering::SeqCst) {
                        act(&mut hand);
                    }
                });
            };
            until_over(6, |hand| hand.workers());
            until_over(7, |hand| hand.workers());
            until_over(8, |hand| hand.act(true));
            until_over(9, |hand| hand.act(false));
            until_over(10, |hand| {
                let seen = hand.in_flight();
                let mut log = hand.log();
                log.most_in_flight = log.most_in_flight.max(seen);
                drop(log);
                hand.house.clock.advance(Duration::from_secs(2));
            });
            let ended: Vec<_> = busy.into_iter().map(|it| it.join()).collect();
            self.over.store(true, Ordering::SeqCst);
            assert!(ended.iter().all(Result::is_ok), "a thread of agents panicked");
        });
    }

    fn runs(&self) -> Vec<muster_core::tasks::Run> {
        let (hand, mut all, mut page) = (self.hand(0), Vec::new(), PageRequest { limit: 500, ..PageRequest::default() });
        loop {
            let asked = page.clone();
            let found = hand.read(move |rx, cx| runs::run_list(rx, cx, &Default::default(), &asked));
            all.extend(found.items);
            match found.next {
                Some(next) => page.cursor = Cursor::decode(&next),
                None => return all,
            }
        }
    }

    /// Nobody interferes any more: what is open is done.
    fn finish(&self) {
        let mut hand = self.hand(0);
        for task in self.tasks.clone() {
            drop(hand.write("task.delete", move |tx, cx| tasks::task_delete(tx, cx, task)));
        }
        for _ in 0..2_000 {
            hand.workers();
            for it in hand.contacts() {
                hand.report(it, Said::Ended(Outcome::Ok));
            }
            self.clock.advance(Duration::from_secs(60));
            if self.runs().iter().all(|run| run.state == RunState::Finished) {
                return;
            }
        }
        panic!("runs do not end: {:?}", self.runs().iter().filter(|r| r.state != RunState::Finished).map(|r| r.counts).collect::<Vec<_>>());
    }

    /// One history must explain all answers.
    fn check(&self) {
        let log = self.log.lock().expect("no thread panicked");
        assert_eq!(log.broken, Vec::<String>::new());
        assert!(log.most_in_flight <= IN_FLIGHT, "{} were under way at once", log.most_in_flight);
        assert!(log.is_enough(), "hardly anything happened: {} handed out, {} cancelled", log.handed.len(), log.cancelled.len());
        let mut attempts = BTreeMap::new();
        for it in &log.handed {
            let twice = attempts.insert((it.assignment, it.attempt), *it);
            assert!(twice.is_none(), "handed out twice: {it:?} and {twice:?}");
            let cancelled = log.cancelled.get(&it.assignment).is_some_and(|at| *at < it.asked);
            assert!(!cancelled, "handed out after its cancelling was acknowledged: {it:?}");
            let frozen = log.frozen.iter().find(|(from, until)| *from < it.asked && it.answered < *until);
            assert!(frozen.is_none(), "handed out while the brake was on: {it:?} in {frozen:?}");
        }
        let runs = self.runs();
        assert!(log.runs.iter().all(|id| runs.iter().any(|r| r.id == *id)), "an acknowledged start is lost");
        let nominal: Vec<_> = runs.iter().filter_map(|r| r.nominal.as_ref()).collect();
        assert_eq!(nominal.iter().collect::<BTreeSet<_>>().len(), nominal.len(), "an occurrence was started twice");
        let states: BTreeMap<_, _> = runs.iter().flat_map(|run| self.check_run(run, &attempts, &log)).collect();
        assert!(log.cancelled.keys().all(|id| states.get(id) == Some(&State::Cancelled)), "an acknowledged end was undone");
        assert!(attempts.keys().all(|(id, _)| states.contains_key(id)), "an assignment that was handed out is lost");
    }

    fn check_run(
        &self,
        run: &muster_core::tasks::Run,
        handed: &BTreeMap<(AssignmentId, u32), Handed>,
        log: &Log,
    ) -> Vec<(AssignmentId, State)> {
        let (hand, id) = (self.hand(0), run.id);
        let filter = AssignmentFilter { run: Some(id), ..AssignmentFilter::default() };
        let page = PageRequest { limit: 1_000, ..PageRequest::default() };
        let rows = hand.read(move |rx, cx| runs::assignment_list(rx, cx, &filter, &page)).items;
        let mut counts = Counts::default();
        for (row, _) in &rows {
            let record = row.record.clone();
            counts.add(record.state.status.state(), 1);
            let view = hand.read(move |rx, cx| runs::assignment_view(rx, cx, record.id));
            for (n, (attempt, _)) in view.attempts.iter().enumerate() {
                assert_eq!(attempt.no as usize, n + 1, "attempts are 1, 2, 3 …");
                let key = (view.row.record.id, attempt.no);
                assert_eq!(handed.get(&key).map(|h| h.agent), Some(attempt.agent), "{key:?} was handed to somebody else");
                for (_, _, outcome) in log.ended.iter().filter(|(id, no, _)| (*id, *no) == key) {
                    let expected = if *outcome == Outcome::Ok { AttemptState::Ok } else { AttemptState::Error };
                    assert_eq!(attempt.state, expected, "{key:?}: an accepted end was changed");
                }
            }
        }
        assert_eq!(run.counts, counts, "the totals of run {id} are those of its rows");
        assert_eq!(run.counts.total(), run.targeted, "all that was targeted is there");
        rows.into_iter().map(|(row, _)| (row.record.id, row.record.state.status.state())).collect()
    }
}

fn joined(engine: &Engine, cx: &Cx, token: &str, n: usize) -> AgentId {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&(n as u64 + 1).to_le_bytes());
    let new = Enrol {
        token: token.to_owned(),
        public_key: key.to_vec(),
        name: format!("pc{n}"),
        uuid: None,
        serial: None,
        macs: Vec::new(),
        version: None,
        source: None,
    };
    engine.write_now("enrol", cx, move |tx, cx| enrol(tx, cx, &new)).expect("joined").agent
}

fn one_history(open: impl Fn(Arc<dyn Clock>) -> Store) {
    let house = House::new(open);
    house.live();
    house.finish();
    house.check();
}

#[test]
fn on_postgresql_all_answers_fit_one_history() {
    let database = muster_store::testdb::database();
    let url = database.url().to_owned();
    one_history(move |clock| Store::open_postgres(&url, clock).expect("opened"));
}

#[test]
fn on_sqlite_all_answers_fit_one_history() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("muster.db");
    // One server owns the file: both engines stand on its store.
    let store: std::cell::OnceCell<Store> = std::cell::OnceCell::new();
    one_history(move |clock| store.get_or_init(|| Store::open_sqlite(&path, clock).expect("opened")).clone());
}
