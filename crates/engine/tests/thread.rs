//! The thread through the engine: an agent reports, a task runs on it, a person sees it. With a hand-moved clock, on SQLite, on
//! PostgreSQL and on the simulator's store.

use muster_core::access::Caller;
use muster_core::fleet::Protocol;
use muster_core::ids::RunId;
use muster_core::inventory::{Canonical, Completeness, Inventory};
use muster_core::page::PageRequest;
use muster_core::tasks::{OccurrenceState, RunState, State, Verdict};
use muster_core::time::{Clock, HandClock, Timestamp};
use muster_engine::contact::{self, Hello};
use muster_engine::intake::Arrival;
use muster_engine::queue::QueueAct;
use muster_engine::runs::{RunDetail, Start};
use muster_engine::{
    AssignmentFilter, Cx, DeviceFilter, Engine, Error, Kind, SeededRandom, Store, access, brake, fleet, intake, queue, runs, schedules,
    steps, tasks, workers,
};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_795_000_000_000);

struct World {
    engine: Engine,
    clock: Arc<HandClock>,
    cx: Cx,
    _kept: Box<dyn std::any::Any>,
}

/// Runs each test on the three stores.
macro_rules! on_all {
    ($($name:ident)*) => {
        mod inline { $(#[test] fn $name() { super::$name(super::World::inline()); })* }
        mod sqlite { $(#[test] fn $name() { super::$name(super::World::sqlite()); })* }
        mod postgres { $(#[test] fn $name() { super::$name(super::World::postgres()); })* }
    };
}

on_all! {
    a_prolog_alone_creates_nothing_and_an_inventory_makes_the_device
    the_same_inventory_writes_no_section_and_a_changed_one_writes_one
    an_inventory_in_steps_ends_as_one_in_a_single_transaction
    a_plan_that_was_overtaken_is_refused_and_changes_nothing
    a_task_reaches_the_agent_at_its_prolog_and_ends_with_its_inventory
    silence_lapses_is_tried_again_and_ends_unknown
    cancelling_a_run_ends_what_waits_and_the_totals_sum
    empty_selects_nothing_and_many_need_their_number
    what_waits_says_why
    the_brake_holds_back_every_start_until_it_is_released
    a_paused_run_hands_out_nothing_and_goes_on_when_resumed
    nobody_gets_more_than_may_be_under_way
    what_was_put_off_waits_and_what_was_put_first_goes_first
    a_nightly_task_hands_out_nothing_after_its_window_and_says_so
    a_night_in_which_no_server_ran_is_missed
    a_large_occurrence_waits_for_a_person_unless_that_many_were_approved
    a_recurring_task_without_a_window_ends_where_the_next_begins
    what_happens_to_a_device_starts_the_tasks_that_wait_for_it
    the_server_does_its_own_steps
    a_step_that_cannot_be_done_fails_alone
    each_machine_has_the_window_of_its_own_wall
}

impl World {
    fn inline() -> Self {
        Self::on(|clock| Store::inline(7, clock), ())
    }

    fn sqlite() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("muster.db");
        Self::on(move |clock| Store::open_sqlite(&path, clock).expect("opened"), dir)
    }

    fn postgres() -> Self {
        let database = muster_store::testdb::database();
        let url = database.url().to_owned();
        Self::on(move |clock| Store::open_postgres(&url, clock).expect("opened"), database)
    }

    fn on(open: impl FnOnce(Arc<dyn Clock>) -> Store, kept: impl std::any::Any) -> Self {
        let clock = Arc::new(HandClock::at(NOW));
        let store = open(clock.clone());
        let engine = Engine::new(store, clock.clone(), Arc::new(SeededRandom::new(7)));
        let nowhere = engine.cx(Caller::SYSTEM, "test", muster_core::ids::OrgId(uuid::Uuid::nil()), "test");
        let org = engine.write_now("org.default", &nowhere, access::default_org).expect("the default organization");
        let cx = engine.cx(Caller::SYSTEM, "test", org.id, "test");
        Self { engine, clock, cx, _kept: Box::new(kept) }
    }

    fn arrival(&self, host: &str, inventory: Inventory) -> Arrival {
        Arrival {
            protocol: Protocol::Fusioninventory,
            own: None,
            foreign_id: Some(format!("{host}-2026-11-21-03-09-07")),
            old_foreign_id: None,
            glpi_id: None,
            version: Some("2.6".to_owned()),
            source: "10.0.0.7".parse().ok(),
            unchanged: Default::default(),
            told: Arc::new(Canonical::new(inventory)),
        }
    }

    fn send(&self, arrival: Arrival) -> intake::Stored {
        self.engine.write_now("intake", &self.cx, move |tx, cx| intake::inventory(tx, cx, &arrival)).expect("stored")
    }

    fn planned(&self, arrival: &Arrival) -> (intake::Before, intake::Plan) {
        let asked = arrival.clone();
        let before = self.engine.read_now(&self.cx, move |rx, cx| intake::before(rx, cx, &asked)).expect("looked up");
        let plan = intake::plan(&before, arrival).expect("planned");
        (before, plan)
    }

    fn apply(&self, arrival: &Arrival, planned: &(intake::Before, intake::Plan)) -> Result<intake::Stored, Error> {
        let (arrival, (before, plan)) = (arrival.clone(), planned.clone());
        self.engine.write_now("apply", &self.cx, move |tx, cx| intake::apply(tx, cx, &arrival, &before, &plan))
    }

    fn prolog(&self, host: &str) -> contact::Greeting {
        let hello = Hello {
            protocol: Protocol::Fusioninventory,
            foreign_id: format!("{host}-2026-11-21-03-09-07"),
            version: None,
            address: Some("10.0.0.7".to_owned()),
            vouched: false,
            packages: false,
        };
        self.engine.write_now("prolog", &self.cx, move |tx, cx| contact::prolog(tx, cx, &hello)).expect("greeted")
    }

    fn start(&self, task: serde_json::Value) -> Result<RunDetail, Error> {
        self.engine.write_now("start", &self.cx, move |tx, cx| {
            let task = tasks::task_create(tx, cx, &task)?;
            runs::run_start(tx, cx, task.task.id, &Start::default())
        })
    }

    fn prepare(&self) {
        while self.engine.write_now("prepare", &self.cx, workers::prepare).expect("prepared").more {}
    }

    fn run(&self, id: RunId) -> RunDetail {
        self.engine.read_now(&self.cx, move |rx, cx| runs::run_view(rx, cx, id)).expect("the run")
    }
}

/// Machines that reported and are known.
fn known(world: &World, hosts: &[&str]) {
    hosts.iter().for_each(|host| drop(world.send(world.arrival(host, inventory(host, "5.1")))));
}

/// A run on all machines, made.
fn run_on_all(world: &World, task: &str) -> RunId {
    let id = world.start(inventory_task(task)).expect("started").run.id;
    world.prepare();
    id
}

fn the_brake_holds_back_every_start_until_it_is_released(world: World) {
    known(&world, &["pc-1"]);
    let id = run_on_all(&world, "collect");
    world.engine.write_now("brake", &world.cx, |tx, cx| brake::freeze(tx, cx, "wrong task")).expect("pulled");
    assert_eq!(world.prolog("pc-1").claimed, []);
    assert_eq!(world.start(inventory_task("other")).expect_err("refused").key, "org/frozen");
    world.send(world.arrival("pc-1", inventory("pc-1", "5.2")));
    assert_eq!(world.run(id).run.counts.of(State::Prepared), 1, "an inventory that comes unasked ends nothing while the brake is on");
    world.engine.write_now("brake", &world.cx, brake::release).expect("released");
    assert_eq!(world.prolog("pc-1").claimed.len(), 1);
}

fn a_paused_run_hands_out_nothing_and_goes_on_when_resumed(world: World) {
    known(&world, &["pc-1", "pc-2"]);
    let id = run_on_all(&world, "collect");
    assert_eq!(world.prolog("pc-1").claimed.len(), 1);
    let hold = |act: fn(&mut muster_engine::Tx, &Cx, RunId) -> Result<RunDetail, Error>| {
        world.engine.write_now("hold", &world.cx, move |tx, cx| act(tx, cx, id)).expect("held")
    };
    assert_eq!(hold(brake::run_pause).run.state, RunState::Paused);
    assert_eq!(world.prolog("pc-2").claimed, []);
    world.send(world.arrival("pc-1", inventory("pc-1", "5.2")));
    let run = world.run(id).run;
    assert_eq!((run.counts.of(State::Ok), run.state), (1, RunState::Paused), "what is under way ends");
    assert_eq!(hold(brake::run_resume).run.state, RunState::Running);
    assert_eq!(world.prolog("pc-2").claimed.len(), 1);
    world.send(world.arrival("pc-2", inventory("pc-2", "5.2")));
    assert_eq!(world.run(id).run.state, RunState::Finished);
    let again = world.engine.write_now("hold", &world.cx, move |tx, cx| brake::run_pause(tx, cx, id));
    assert_eq!(again.expect_err("refused").key, "run/finished");
}

fn nobody_gets_more_than_may_be_under_way(world: World) {
    let set = |patch: serde_json::Value| {
        let patch = patch.as_object().cloned().expect("an object");
        world.engine.write_now("settings", &world.cx, move |tx, cx| access::settings_update(tx, cx, &patch, None)).expect("set");
    };
    known(&world, &["pc-1", "pc-2"]);
    for task in ["one", "two", "three"] {
        run_on_all(&world, task);
    }
    set(json!({"in_flight_per_agent": 2}));
    assert_eq!(world.prolog("pc-1").claimed.len(), 2);
    assert_eq!(world.prolog("pc-1").claimed.len(), 0);
    set(json!({"in_flight": 3}));
    assert_eq!(world.prolog("pc-2").claimed.len(), 1);
    let why = |world: &World| {
        let filter = AssignmentFilter { open: true, states: vec![State::Prepared], ..AssignmentFilter::default() };
        let read = move |rx: &mut muster_engine::Rx, cx: &Cx| runs::assignment_list(rx, cx, &filter, &PageRequest::default());
        let page = world.engine.read_now(&world.cx, read).expect("a page");
        page.items.into_iter().map(|(_, reason)| reason.expect("open").reason.key).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(Vec::from_iter(why(&world)), ["agent_busy", "org_full"]);
    world.send(world.arrival("pc-1", inventory("pc-1", "5.2")));
    assert_eq!(world.prolog("pc-2").claimed.len(), 1, "two ended and one is under way: of the agent's two one is left");
}

fn what_was_put_off_waits_and_what_was_put_first_goes_first(world: World) {
    known(&world, &["pc-1"]);
    let [first, second] = ["first", "second"].map(|task| run_on_all(&world, task));
    let act = |run: RunId, act: QueueAct| {
        let filter = AssignmentFilter { run: Some(run), ..AssignmentFilter::default() };
        world.engine.write_now("queue", &world.cx, move |tx, cx| queue::piece(tx, cx, &filter, act, true)).expect("done")
    };
    let later = NOW.plus(Duration::from_secs(3_600));
    assert_eq!(act(first, QueueAct::Delay(later)), 1);
    assert_eq!(act(first, QueueAct::Delay(NOW)), 0, "never sooner");
    let claimed = |world: &World| world.prolog("pc-1").claimed.into_iter().map(|c| c.run).collect::<Vec<_>>();
    assert_eq!(claimed(&world), [second]);
    world.clock.advance(Duration::from_secs(3_600));
    let third = run_on_all(&world, "third");
    assert_eq!(act(third, QueueAct::Prioritise(0)), 1);
    assert_eq!(claimed(&world), [third, first]);
}

/// A task that runs by itself.
fn scheduled(world: &World, more: serde_json::Value) -> muster_core::ids::TaskId {
    let mut document = inventory_task("nightly");
    document.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    world.engine.write_now("task", &world.cx, move |tx, cx| tasks::task_create(tx, cx, &document)).expect("written").task.id
}

/// The workers that start and end things, until nothing more is due.
fn workers_go(world: &World) {
    for worker in [schedules::look, schedules::answer, workers::prepare, workers::lapse] {
        while world.engine.write_now("worker", &world.cx, worker).expect("worked").more {}
    }
}

fn at(world: &World, text: &str) {
    world.clock.set(Timestamp::parse(text).expect("an instant"));
    workers_go(world);
}

fn occurrences(world: &World, task: muster_core::ids::TaskId) -> Vec<(String, OccurrenceState, String)> {
    let page = PageRequest { limit: 100, ..PageRequest::default() };
    let past = world.engine.read_now(&world.cx, move |rx, cx| schedules::past(rx, cx, task, &page)).expect("a page");
    past.items.into_iter().map(|o| (o.nominal, o.state, o.detail)).collect()
}

fn runs_of(world: &World) -> Vec<muster_core::tasks::Run> {
    let page = PageRequest { limit: 100, ..PageRequest::default() };
    world.engine.read_now(&world.cx, move |rx, cx| runs::run_list(rx, cx, &Default::default(), &page)).expect("runs").items
}

/// Midnight of the server's wall, never after 06:00: a machine that comes at 07:00 gets nothing, and the run says so.
fn a_nightly_task_hands_out_nothing_after_its_window_and_says_so(world: World) {
    at(&world, "2026-11-20T12:00:00Z");
    known(&world, &["pc-1", "pc-2"]);
    let task = scheduled(&world, json!({"schedule": {"cron": "0 0 * * *", "zone": "server"}, "window": {"not_after": "06:00"}}));
    at(&world, "2026-11-20T23:59:59Z");
    assert_eq!(runs_of(&world).len(), 0);
    at(&world, "2026-11-21T00:00:01Z");
    let run = runs_of(&world).pop().expect("the run");
    assert_eq!(run.nominal.as_deref(), Some("2026-11-21T00:00:00Z"));
    assert_eq!(run.not_after, Timestamp::parse("2026-11-21T06:00:00Z"));
    assert_eq!(world.prolog("pc-1").claimed.len(), 1);
    world.send(world.arrival("pc-1", inventory("pc-1", "5.2")));
    // Foreign agents begin up to a minute after the answer.
    at(&world, "2026-11-21T05:59:01Z");
    assert_eq!(world.prolog("pc-2").claimed, []);
    at(&world, "2026-11-21T07:00:00Z");
    assert_eq!(world.prolog("pc-2").claimed, []);
    let run = world.run(run.id).run;
    assert_eq!((run.counts.of(State::Ok), run.counts.of(State::Expired)), (1, 1));
    assert_eq!((run.state, run.verdict, run.handed_late), (RunState::Finished, Some(Verdict::Partial), 0));
    assert_eq!(occurrences(&world, task), [("2026-11-21T00:00:00Z".to_owned(), OccurrenceState::Started, String::new())]);
    at(&world, "2026-11-22T00:00:00Z");
    assert_eq!(runs_of(&world).len(), 2, "and again the next night, once");
    workers_go(&world);
    assert_eq!(runs_of(&world).len(), 2);
    at(&world, "2026-11-22T07:00:00Z");
    let states: Vec<_> = occurrences(&world, task).into_iter().map(|(_, state, detail)| (state, detail)).collect();
    let nothing_began = (OccurrenceState::Missed, "not_begun".to_owned());
    assert!(states.contains(&nothing_began), "nobody came in the second night: {states:?}");
}

fn a_night_in_which_no_server_ran_is_missed(world: World) {
    at(&world, "2026-11-20T12:00:00Z");
    known(&world, &["pc-1"]);
    let task = scheduled(&world, json!({"schedule": {"cron": "0 0 * * *", "zone": "server"}, "window": {"not_after": "06:00"}}));
    at(&world, "2026-11-21T07:30:00Z");
    assert_eq!(runs_of(&world).len(), 0);
    let missed = ("2026-11-21T00:00:00Z".to_owned(), OccurrenceState::Missed, "server_down".to_owned());
    assert_eq!(occurrences(&world, task), [missed]);
    assert_eq!(world.prolog("pc-1").claimed, []);
}

fn a_large_occurrence_waits_for_a_person_unless_that_many_were_approved(world: World) {
    at(&world, "2026-11-20T12:00:00Z");
    known(&world, &["pc-1", "pc-2"]);
    let patch = json!({"size_guard": 1}).as_object().cloned().expect("an object");
    world.engine.write_now("settings", &world.cx, move |tx, cx| access::settings_update(tx, cx, &patch, None)).expect("set");
    let task = scheduled(&world, json!({"schedule": {"every": "1h"}}));
    at(&world, "2026-11-20T13:00:01Z");
    assert_eq!(runs_of(&world).len(), 0);
    let held = occurrences(&world, task).pop().expect("an occurrence");
    assert_eq!((held.1, held.2.as_str()), (OccurrenceState::Held, "size_guard"));
    let begin = |start: Start| {
        let nominal = held.0.clone();
        world.engine.write_now("held", &world.cx, move |tx, cx| schedules::start_held(tx, cx, task, &nominal, &start))
    };
    assert_eq!(begin(Start::default()).expect_err("refused").key, "run/size-guard");
    assert_eq!(begin(Start { confirm_count: Some(2), plan: None }).expect("started").run.targeted, 2);
    assert_eq!(begin(Start { confirm_count: Some(2), plan: None }).expect_err("refused").key, "occurrence/not-held");
    world.engine.write_now("approve", &world.cx, move |tx, cx| schedules::approve(tx, cx, task, Some(2))).expect("approved");
    at(&world, "2026-11-20T14:00:01Z");
    assert_eq!(runs_of(&world).len(), 2);
}

fn a_recurring_task_without_a_window_ends_where_the_next_begins(world: World) {
    at(&world, "2026-11-20T12:00:00Z");
    known(&world, &["pc-1"]);
    scheduled(&world, json!({"schedule": {"every": "30m"}}));
    for (time, runs) in [("2026-11-20T12:30:00Z", 1), ("2026-11-20T13:00:00Z", 2)] {
        at(&world, time);
        assert_eq!(runs_of(&world).len(), runs);
    }
    let claimed = world.prolog("pc-1").claimed;
    assert_eq!(claimed.len(), 1, "one occurrence is claimed, not all that were ever missed");
    let ended = runs_of(&world).into_iter().filter(|r| r.counts.of(State::Expired) == 1).count();
    assert_eq!(ended, 1);
}

fn what_happens_to_a_device_starts_the_tasks_that_wait_for_it(world: World) {
    let named = |name: &str, on: serde_json::Value| {
        let mut document = inventory_task(name);
        document["schedule"] = json!({"on": on});
        world.engine.write_now("task", &world.cx, move |tx, cx| tasks::task_create(tx, cx, &document)).expect("written").task.id
    };
    let enrolled = named("enrolled", json!("device_enrolled"));
    let changed = named("changed", json!({"inventory_changed": "softwares"}));
    let ended = named("ended", json!({"task_ended": "changed"}));
    let begun = |world: &World, task| occurrences(world, task).into_iter().filter(|o| o.1 == OccurrenceState::Started).count();
    known(&world, &["pc-1", "pc-2"]);
    workers_go(&world);
    assert_eq!(begun(&world, enrolled), 0, "what happens is gathered for some seconds");
    world.clock.advance(Duration::from_secs(6));
    workers_go(&world);
    assert_eq!((begun(&world, enrolled), begun(&world, changed)), (1, 0));
    assert_eq!(runs_of(&world).iter().map(|r| r.targeted).collect::<Vec<_>>(), [2]);
    world.send(world.arrival("pc-1", inventory("pc-1", "5.2")));
    world.clock.advance(Duration::from_secs(6));
    workers_go(&world);
    assert_eq!(begun(&world, changed), 1);
    assert_eq!(begun(&world, ended), 0);
    world.prolog("pc-1");
    world.send(world.arrival("pc-1", inventory("pc-1", "5.2")));
    world.clock.advance(Duration::from_secs(6));
    workers_go(&world);
    assert_eq!(begun(&world, ended), 1);
}

fn the_server_does_its_own_steps(world: World) {
    let step = |name: &str, action: serde_json::Value| {
        let document = json!({"name": name, "targets": {"all": true}, "steps": [{"id": "do", "action": action}]});
        let run = world.start(document).expect("started").run.id;
        world.prepare();
        let (errands, _) = world.engine.write_now("steps", &world.cx, steps::work).expect("worked");
        (run, errands)
    };
    let (raised, none) = step("tell", json!({"type": "raise_message", "title": "{{task.name}} began", "level": "warning"}));
    assert_eq!(none, []);
    assert_eq!((world.run(raised).run.state, world.run(raised).run.verdict), (RunState::Finished, Some(Verdict::Ok)));
    let messages = world.engine.read_now(&world.cx, |rx, cx| Ok(rx.messages(cx.org, true, &PageRequest::default())?)).expect("messages");
    assert_eq!((messages.items[0].title.as_str(), messages.items[0].level.as_str()), ("tell began", "warning"));
    let (called, errands) = step("call", json!({"type": "call_web_service", "url": "http://127.0.0.1:9/hook", "method": "POST"}));
    assert_eq!(world.run(called).run.state, RunState::Running);
    let told = steps::Told { outcome: muster_core::tasks::Outcome::Error, exit_code: Some(500), message: "no".into(), output: None };
    let errand = errands[0].clone();
    world.engine.write_now("done", &world.cx, move |tx, cx| steps::done(tx, cx, &errand, &told)).expect("noted");
    let run = world.run(called).run;
    assert_eq!((run.state, run.verdict), (RunState::Finished, Some(Verdict::Error)), "a POST that failed is not sent again");
}

/// A worker does the steps of all: one that cannot be done must not keep back the others.
fn a_step_that_cannot_be_done_fails_alone(world: World) {
    let gone = world.send(world.arrival("pc-1", inventory("pc-1", "5.1"))).device;
    let once = json!({"attempts": 1});
    let doc = |name: &str, action: serde_json::Value| json!({"name": name, "targets": {"devices": ["pc-1"]}, "steps": [{"id": "do", "action": action, "retry": once}]});
    let woken = world.start(doc("wake", json!({"type": "wake_agents"}))).expect("started").run.id;
    let told = world.start(doc("tell", json!({"type": "write_log", "message": "here"}))).expect("started").run.id;
    world.prepare();
    world.engine.write_now("gone", &world.cx, move |tx, cx| muster_engine::fleet::device_delete(tx, cx, gone)).expect("removed");
    world.engine.write_now("steps", &world.cx, steps::work).expect("worked");
    let end = |run| (world.run(run).run.state, world.run(run).run.verdict);
    assert_eq!(end(told), (RunState::Finished, Some(Verdict::Ok)));
    assert_eq!(end(woken), (RunState::Finished, Some(Verdict::Error)));
}

/// Midnight comes to Tokyo first: each machine has its own window, by the zone it told or by the organization's.
fn each_machine_has_the_window_of_its_own_wall(world: World) {
    at(&world, "2026-11-20T09:00:00Z");
    for (host, zone) in [("tokyo", Some("Asia/Tokyo")), ("paris", Some("Europe/Paris")), ("nowhere", None)] {
        let mut it = inventory(host, "5.1");
        let zone = zone.map_or(json!({}), |zone| json!({"timezone": {"name": zone, "offset": "+0000"}}));
        it.sections.insert("operatingsystem".into(), serde_json::from_value(json!([zone])).expect("rows"));
        world.send(world.arrival(host, it));
    }
    scheduled(&world, json!({"schedule": {"cron": "0 0 * * *", "zone": "device"}, "window": {"not_after": "06:00"}}));
    at(&world, "2026-11-20T10:00:01Z");
    assert_eq!(runs_of(&world).len(), 1, "it is midnight somewhere");
    for (time, who) in [
        ("2026-11-20T14:59:00Z", vec![]),
        ("2026-11-20T15:00:00Z", vec!["tokyo"]),
        ("2026-11-20T23:00:00Z", vec!["paris"]),
        ("2026-11-21T00:00:00Z", vec!["nowhere"]),
    ] {
        at(&world, time);
        let got: Vec<&str> = ["tokyo", "paris", "nowhere"].into_iter().filter(|host| !world.prolog(host).claimed.is_empty()).collect();
        assert_eq!(got, who, "{time}");
    }
}

fn inventory(host: &str, bash: &str) -> Inventory {
    let rows = |v: serde_json::Value| serde_json::from_value(v).expect("rows");
    let mut inventory = Inventory::empty(Completeness::Full);
    inventory.sections.insert("hardware".into(), rows(json!([{"name": host, "uuid": format!("uuid-of-{host}"), "memory": 2048}])));
    inventory.sections.insert("softwares".into(), rows(json!([{"name": "bash", "version": bash}, {"name": "vim", "version": "9"}])));
    inventory.sections.insert("drives".into(), rows(json!([{"volumn": "/dev/a", "free": 10}])));
    inventory
}

fn inventory_task(name: &str) -> serde_json::Value {
    json!({"name": name, "targets": {"all": true}, "steps": [{"id": "collect", "action": {"type": "inventory"}}]})
}

fn a_prolog_alone_creates_nothing_and_an_inventory_makes_the_device(world: World) {
    assert!(world.prolog("pc-1").send_inventory);
    let list = |world: &World| {
        world
            .engine
            .read_now(&world.cx, |rx, cx| fleet::device_list(rx, cx, DeviceFilter::default(), None, &PageRequest::default()))
            .expect("list")
    };
    assert_eq!(list(&world).items.len(), 0);
    let stored = world.send(world.arrival("pc-1", inventory("pc-1", "5.1")));
    assert!(stored.new_agent);
    let devices = list(&world);
    assert_eq!(devices.items[0].device.name, "pc-1");
    assert_eq!(devices.items[0].device.software_count, 2);
    assert!(!world.prolog("pc-1").send_inventory, "the routine inventory is not due");
    world.clock.advance(Duration::from_secs(24 * 3_600));
    assert!(world.prolog("pc-1").send_inventory);
}

fn the_same_inventory_writes_no_section_and_a_changed_one_writes_one(world: World) {
    assert_eq!(world.send(world.arrival("pc-1", inventory("pc-1", "5.1"))).written.len(), 3);
    let mut same = inventory("pc-1", "5.1");
    same.sections.get_mut("drives").expect("drives")[0].insert("free".into(), json!(3));
    let again = world.send(world.arrival("pc-1", same));
    assert_eq!((again.written, again.removed), (vec![], vec![]));
    let changed = world.send(world.arrival("pc-1", inventory("pc-1", "5.2")));
    assert_eq!(changed.written, ["softwares"]);
    let mut gone = inventory("pc-1", "5.2");
    gone.sections.remove("drives");
    assert_eq!(world.send(world.arrival("pc-1", gone.clone())).removed, ["drives"]);
    gone.completeness = Completeness::Partial;
    gone.sections.remove("softwares");
    assert_eq!(world.send(world.arrival("pc-1", gone)).removed, Vec::<String>::new(), "a partial document deletes nothing");
}

/// All that people see of a device by its name; ids of history apart.
fn seen(world: &World, name: &str) -> String {
    let filter = DeviceFilter { q: Some(name.to_owned()), ..DeviceFilter::default() };
    let read = move |rx: &mut muster_engine::Rx, cx: &Cx| {
        let found = fleet::device_list(rx, cx, filter, None, &PageRequest::default())?;
        let device = found.items[0].device.clone();
        let (_, sections) = fleet::device_inventory(rx, cx, device.id, &[])?;
        let history = rx.history(device.id, None, &PageRequest::default())?;
        let history: Vec<_> = history.items.into_iter().map(|h| h.sections).collect();
        let mut programs = Vec::new();
        for name in ["bash", "vim", "nano"] {
            let with = DeviceFilter { software: Some(name.to_owned()), ..DeviceFilter::default() };
            programs.push(fleet::device_list(rx, cx, with, None, &PageRequest::default())?.items.len());
        }
        let device =
            muster_core::fleet::Device { id: muster_core::ids::DeviceId(Default::default()), agent: None, last_contact: None, ..device };
        Ok(format!("{device:?}\n{}\n{history:?}\n{programs:?}", json!(sections)))
    };
    world.engine.read_now(&world.cx, read).expect("read")
}

/// Documents of one machine, each unlike the one before it in its own way.
fn life() -> Vec<Inventory> {
    let mut all = vec![inventory("pc-1", "5.1"), inventory("pc-1", "5.1"), inventory("pc-1", "5.2")];
    let mut readings = inventory("pc-1", "5.2");
    readings.sections.get_mut("drives").expect("drives")[0].insert("free".into(), json!(3));
    let mut memory = readings.clone();
    memory.sections.get_mut("hardware").expect("hardware")[0].insert("memory".into(), json!(4096));
    let mut gone = memory.clone();
    gone.sections.remove("drives");
    let mut partial = Inventory::empty(Completeness::Partial);
    partial.sections.insert("softwares".into(), serde_json::from_value(json!([{"name": "nano", "version": "1"}])).expect("rows"));
    partial.find("truncated", "cut");
    all.extend([readings, memory, gone, partial, inventory("pc-1", "5.1")]);
    all
}

fn an_inventory_in_steps_ends_as_one_in_a_single_transaction(world: World) {
    let other = |host: &str, inventory: &Inventory| {
        let mut renamed = inventory.clone();
        if let Some(hardware) = renamed.sections.get_mut("hardware") {
            hardware[0].insert("name".into(), json!(host));
            hardware[0].insert("uuid".into(), json!(format!("uuid-of-{host}")));
        }
        world.arrival(host, renamed)
    };
    for inventory in life() {
        world.clock.advance(Duration::from_secs(60));
        world.send(other("whole", &inventory));
        let arrival = other("steps", &inventory);
        let planned = world.planned(&arrival);
        world.apply(&arrival, &planned).expect("applied");
        assert_eq!(seen(&world, "steps"), seen(&world, "whole").replace("whole", "steps"), "{:?}", inventory.sections);
    }
}

fn a_plan_that_was_overtaken_is_refused_and_changes_nothing(world: World) {
    let (first, second) = (world.arrival("pc-1", inventory("pc-1", "5.1")), world.arrival("pc-1", inventory("pc-1", "5.2")));
    let early = world.planned(&first);
    world.send(first.clone());
    let early = world.apply(&first, &early).expect("the first inventory looks again by itself");
    assert!(!early.new_agent);
    let late = world.planned(&second);
    world.send(world.arrival("pc-1", inventory("pc-1", "6.0")));
    let before = seen(&world, "pc-1");
    assert_eq!(world.apply(&second, &late).expect_err("overtaken").key, intake::OVERTAKEN);
    assert_eq!(seen(&world, "pc-1"), before);
}

fn a_task_reaches_the_agent_at_its_prolog_and_ends_with_its_inventory(world: World) {
    world.send(world.arrival("pc-1", inventory("pc-1", "5.1")));
    world.send(world.arrival("pc-2", inventory("pc-2", "5.1")));
    let run = world.start(inventory_task("all")).expect("started");
    assert_eq!((run.run.state, run.run.targeted, run.run.number), (RunState::Preparing, 2, 1));
    assert_eq!(run.run.counts.total(), 2, "the totals sum before the assignments are made");
    world.prepare();
    assert_eq!(world.run(run.run.id).run.state, RunState::Waiting);
    let greeting = world.prolog("pc-1");
    assert!(greeting.send_inventory && greeting.claimed.len() == 1);
    assert!(world.prolog("pc-1").send_inventory, "asked again, it is offered again without a second attempt");
    assert_eq!(world.run(run.run.id).run.counts.of(State::Started), 1);
    world.send(world.arrival("pc-1", inventory("pc-1", "5.1")));
    world.send(world.arrival("pc-2", inventory("pc-2", "5.1")));
    let ended = world.run(run.run.id).run;
    assert_eq!((ended.state, ended.verdict, ended.counts.of(State::Ok)), (RunState::Finished, Some(Verdict::Ok), 2));
    let filter = AssignmentFilter { run: Some(ended.id), ..AssignmentFilter::default() };
    let all = world.engine.read_now(&world.cx, move |rx, cx| runs::assignment_list(rx, cx, &filter, &PageRequest::default())).expect("all");
    assert!(all.items.iter().all(|(row, _)| row.record.started.is_some()), "an unasked inventory began and ended the work at once");
}

fn silence_lapses_is_tried_again_and_ends_unknown(world: World) {
    world.send(world.arrival("pc-1", inventory("pc-1", "5.1")));
    let run = world.start(inventory_task("all")).expect("started").run.id;
    world.prepare();
    for _ in 0..3 {
        assert_eq!(world.prolog("pc-1").claimed.len(), 1);
        world.clock.advance(Duration::from_secs(601));
        assert_eq!(world.engine.write_now("lapse", &world.cx, workers::lapse).expect("lapsed").count, 1);
        world.clock.advance(Duration::from_secs(3_600));
    }
    let ended = world.run(run).run;
    assert_eq!((ended.verdict, ended.counts.of(State::Unknown)), (Some(Verdict::Error), 1));
}

fn cancelling_a_run_ends_what_waits_and_the_totals_sum(world: World) {
    for n in 0..5 {
        world.send(world.arrival(&format!("pc-{n}"), inventory(&format!("pc-{n}"), "5.1")));
    }
    let id = world.start(inventory_task("all")).expect("started").run.id;
    world.prepare();
    world.prolog("pc-3");
    world.engine.write_now("cancel", &world.cx, move |tx, cx| runs::run_cancel(tx, cx, id)).expect("cancelled");
    assert!(world.prolog("pc-4").claimed.is_empty(), "nothing is handed out from that moment on");
    world.prepare();
    let run = world.run(id).run;
    assert_eq!((run.counts.of(State::Cancelled), run.counts.of(State::Started), run.counts.total()), (4, 1, 5));
    world.send(world.arrival("pc-3", inventory("pc-3", "5.1")));
    assert_eq!(world.run(id).run.verdict, Some(Verdict::Partial));
}

fn empty_selects_nothing_and_many_need_their_number(world: World) {
    let empty = world.start(json!({"name": "none", "steps": [{"id": "a", "action": {"type": "inventory"}}]})).expect_err("empty");
    assert_eq!((empty.kind, empty.key), (Kind::Conflict, "run/empty"));
    let unknown = json!({"name": "typo", "targets": {"devices": ["pc-404"]}, "steps": [{"id": "a", "action": {"type": "inventory"}}]});
    assert_eq!(world.start(unknown).expect_err("a name that names nothing").fields[0].pointer, "/targets/devices/0");
    let patch = json!({"size_guard": 1});
    world
        .engine
        .write_now("settings", &world.cx, move |tx, cx| access::settings_update(tx, cx, patch.as_object().expect("object"), None))
        .expect("set");
    for n in 0..3 {
        world.send(world.arrival(&format!("pc-{n}"), inventory(&format!("pc-{n}"), "5.1")));
    }
    let task = inventory_task("all");
    let id = world.engine.write_now("task", &world.cx, move |tx, cx| tasks::task_create(tx, cx, &task)).expect("task").task.id;
    let start = |start: Start| world.engine.write_now("start", &world.cx, move |tx, cx| runs::run_start(tx, cx, id, &start));
    let refused = start(Start::default()).expect_err("guard");
    assert_eq!((refused.key, refused.extra["count"].as_i64()), ("run/size-guard", Some(3)));
    assert_eq!(start(Start { confirm_count: Some(2), plan: None }).expect_err("wrong").key, "run/size-guard");
    let plan = world.engine.read_now(&world.cx, move |rx, cx| tasks::task_preview(rx, cx, id)).expect("preview");
    assert_eq!(plan.count, 3);
    world.send(world.arrival("pc-9", inventory("pc-9", "5.1")));
    assert_eq!(start(Start { confirm_count: None, plan: Some(plan.plan) }).expect_err("changed").key, "run/plan-changed");
    assert!(start(Start { confirm_count: Some(4), plan: None }).is_ok());
}

fn what_waits_says_why(world: World) {
    world.send(world.arrival("pc-1", inventory("pc-1", "5.1")));
    world.start(inventory_task("all")).expect("started");
    world.prepare();
    let why = |world: &World| {
        let page = world
            .engine
            .read_now(&world.cx, |rx, cx| {
                runs::assignment_list(rx, cx, &AssignmentFilter { open: true, ..AssignmentFilter::default() }, &PageRequest::default())
            })
            .expect("queue");
        page.items[0].1.clone().expect("a reason").reason.key
    };
    assert_eq!(why(&world), "waiting_for_contact");
    world.prolog("pc-1");
    assert_eq!(why(&world), "leased");
    world.clock.advance(Duration::from_secs(601));
    world.engine.write_now("lapse", &world.cx, workers::lapse).expect("lapsed");
    assert_eq!(why(&world), "retry");
    world.clock.advance(Duration::from_secs(86_400));
    assert_eq!(why(&world), "agent_silent");
    assert_eq!(world.clock.now().since(NOW), Duration::from_secs(87_001));

    // An agent of others tidies no disks, and runs no scripts before it is verified: the preview says so before anything is started.
    for (action, reason) in [(json!({"type": "defragment"}), "unable"), (json!({"type": "run_script", "script": "true"}), "not_verified")] {
        let task = json!({"name": reason, "targets": {"all": true}, "steps": [{"id": "a", "action": action}]});
        let id = world.engine.write_now("task", &world.cx, move |tx, cx| tasks::task_create(tx, cx, &task)).expect("task").task.id;
        let plan = world.engine.read_now(&world.cx, move |rx, cx| tasks::task_preview(rx, cx, id)).expect("preview");
        assert_eq!(plan.targets[0].1.reason.key, reason);
    }
}
