//! Contacts for which nothing waits are answered from memory, and what is kept there goes as soon as it may be wrong.

use muster_core::access::Caller;
use muster_core::fleet::Protocol;
use muster_core::ids::OrgId;
use muster_core::inventory::{Canonical, Completeness, Inventory, Row};
use muster_core::time::{Clock, HandClock, Timestamp};
use muster_engine::contact::{Hello, Look};
use muster_engine::intake::Arrival;
use muster_engine::runs::Start;
use muster_engine::{Cx, Engine, SeededRandom, Store, access, brake, fleet, intake, runs, tasks, work, workers};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_795_000_000_000);

struct World {
    engine: Engine,
    clock: Arc<HandClock>,
    cx: Cx,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(HandClock::at(NOW));
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open_sqlite(&dir.path().join("muster.db"), clock.clone()).expect("opened");
        let engine = Engine::new(store, clock.clone(), Arc::new(SeededRandom::new(7)));
        let nowhere = engine.cx(Caller::SYSTEM, "test", OrgId(uuid::Uuid::nil()), "test");
        let org = engine.write_now("org", &nowhere, access::default_org).expect("the default organization");
        let cx = engine.cx(Caller::SYSTEM, "test", org.id, "test");
        Self { engine, clock, cx, _dir: dir }
    }

    fn report(&self, host: &'static str) -> intake::Stored {
        let row: Row = serde_json::from_value(json!({"name": host, "uuid": format!("uuid-of-{host}")})).expect("a row");
        let mut inventory = Inventory::empty(Completeness::Full);
        inventory.sections.insert("hardware".to_owned(), vec![row]);
        let arrival = Arrival {
            unchanged: Default::default(),
            protocol: Protocol::Ocs,
            own: None,
            foreign_id: Some(id_of(host)),
            old_foreign_id: None,
            glpi_id: None,
            version: None,
            source: None,
            told: Arc::new(Canonical::new(inventory)),
        };
        let stored = self.engine.write_now("intake", &self.cx, move |tx, cx| intake::inventory(tx, cx, &arrival)).expect("stored");
        let at = self.clock.now();
        let heard = muster_engine::Heard {
            agent: stored.agent,
            device: stored.device,
            at,
            next: None,
            address: None,
            version: None,
            inventory: true,
            clock_offset: None,
        };
        self.engine.heard(heard);
        stored
    }

    /// A look, and how many reads of the database it took.
    fn look(&self, host: &str) -> (Look, u64) {
        let before = self.engine.store().stats().reads;
        let hello =
            Hello { protocol: Protocol::Ocs, foreign_id: id_of(host), version: None, address: None, vouched: false, packages: false };
        let look = self.engine.look_now(&self.cx, &hello).expect("looked");
        (look, self.engine.store().stats().reads - before)
    }

    fn reads(&self, host: &str) -> u64 {
        self.look(host).1
    }

    fn start(&self) -> runs::RunDetail {
        let document = json!({"name": "scan", "targets": {"all": true}, "steps": [{"id": "c", "action": {"type": "inventory"}}]});
        let started = self.engine.write_now("start", &self.cx, move |tx, cx| {
            let task = tasks::task_create(tx, cx, &document)?;
            runs::run_start(tx, cx, task.task.id, &Start::default())
        });
        while self.engine.write_now("prepare", &self.cx, workers::prepare).expect("prepared").more {}
        started.expect("started")
    }
}

fn id_of(host: &str) -> String {
    format!("{host}-2026-11-21-03-09-07")
}

#[test]
fn a_contact_with_nothing_to_do_reads_nothing_and_a_stranger_is_looked_up_each_time() {
    let world = World::new();
    world.report("alpha");
    assert_eq!((world.reads("alpha"), world.reads("alpha"), world.reads("alpha")), (1, 0, 0));
    assert_eq!((world.reads("nobody"), world.reads("nobody")), (1, 1));
    assert!(world.look("nobody").0.agent.is_none() && world.look("alpha").0.agent.is_some());
}

#[test]
fn work_is_found_at_the_next_contact_and_again_when_it_is_tried_again() {
    let world = World::new();
    let known = world.report("alpha");
    assert_eq!((world.reads("alpha"), world.reads("alpha")), (1, 0));
    let run = world.start();
    let (look, reads) = world.look("alpha");
    assert!(look.may_have_work && reads == 1);
    assert_eq!(world.reads("alpha"), 1, "what has work is not kept");
    let agent = look.agent.expect("known");
    let claimed = world.engine.write_now("claim", &world.cx, move |tx, cx| {
        let org = tx.org(cx.org)?.expect("there");
        work::claim(tx, cx, &agent, &org, &["inventory"], 8)
    });
    assert_eq!(claimed.expect("claimed").len(), 1);
    world.clock.advance(Duration::from_secs(7_200));
    assert_eq!(world.engine.write_now("lapse", &world.cx, workers::lapse).expect("lapsed").count, 1);
    // The pause before the next try: nothing may be handed out yet, and it is known from when on.
    assert_eq!((world.look("alpha").0.may_have_work, world.reads("alpha")), (false, 0));
    world.clock.advance(Duration::from_secs(60));
    assert!(world.look("alpha").0.may_have_work);
    world.report("alpha");
    assert_eq!(known.device, world.look("alpha").0.agent.expect("known").device);
    assert_eq!((world.look("alpha").0.may_have_work, world.reads("alpha")), (false, 0));
    let done = world.engine.read_now(&world.cx, move |rx, cx| runs::run_view(rx, cx, run.run.id)).expect("there");
    assert_eq!(done.run.state, muster_core::tasks::RunState::Finished);
}

#[test]
fn what_changes_an_agent_its_device_or_the_house_is_seen_at_once() {
    let world = World::new();
    let known = world.report("alpha");
    world.report("bravo");
    let warm = || assert_eq!((world.look("alpha").1 <= 1, world.reads("alpha")), (true, 0));
    warm();
    assert!(!world.look("alpha").0.agent.expect("known").verified);
    let patch = fleet::AgentPatch { verified: Some(true), ..fleet::AgentPatch::default() };
    world.engine.write_now("verify", &world.cx, move |tx, cx| fleet::agent_update(tx, cx, known.agent, &patch, None)).expect("verified");
    assert!(world.look("alpha").0.agent.expect("known").verified);
    warm();
    let settings = json!({"contact_every": "5m"}).as_object().cloned().expect("an object");
    world.engine.write_now("settings", &world.cx, move |tx, cx| access::settings_update(tx, cx, &settings, None)).expect("set");
    assert_eq!(world.look("alpha").0.org.settings.contact_every.0, Duration::from_secs(300));
    warm();
    world.engine.write_now("freeze", &world.cx, |tx, cx| brake::freeze(tx, cx, "")).expect("frozen");
    world.start_refused();
    assert!(world.look("alpha").0.org.freeze.is_some());
    world.engine.write_now("release", &world.cx, brake::release).expect("released");
    assert!(world.look("alpha").0.org.freeze.is_none());
    warm();
    world.clock.advance(Duration::from_secs(60));
    world.report("alpha");
    assert_eq!(world.look("alpha").0.agent.expect("known").last_inventory, Some(world.clock.now()));
    warm();
    world.engine.write_now("delete", &world.cx, move |tx, cx| fleet::device_delete(tx, cx, known.device)).expect("deleted");
    assert!(world.look("alpha").0.agent.is_none());
}

impl World {
    fn start_refused(&self) {
        let document = json!({"name": "held", "targets": {"all": true}, "steps": [{"id": "c", "action": {"type": "inventory"}}]});
        let refused = self.engine.write_now("start", &self.cx, move |tx, cx| {
            let task = tasks::task_create(tx, cx, &document)?;
            runs::run_start(tx, cx, task.task.id, &Start::default())
        });
        assert_eq!(refused.expect_err("refused").key, "org/frozen");
    }
}
