//! A world with our own agents and others, a hand-moved clock, on SQLite, PostgreSQL and the simulator's store.

use muster_core::access::Caller;
use muster_core::fleet::Protocol;
use muster_core::ids::{AgentId, DeviceId, OrgId, RunId};
use muster_core::inventory::{Canonical, Completeness, Inventory};
use muster_core::page::PageRequest;
use muster_core::tasks::{Outcome, State, Walk};
use muster_core::time::{Clock, HandClock, Timestamp};
use muster_engine::access::NewJoinToken;
use muster_engine::contact;
use muster_engine::enrol::{Enrol, enrol};
use muster_engine::intake::{self, Arrival};
use muster_engine::runs::{RunDetail, Start};
use muster_engine::work::{Claimed, Report, Said};
use muster_engine::{Cx, Engine, Error, SeededRandom, Store, access, jobs, runs, steps, tasks, workers};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const NOW: Timestamp = Timestamp(1_795_000_000_000);

pub(crate) struct World {
    pub engine: Engine,
    pub clock: Arc<HandClock>,
    pub cx: Cx,
    token: String,
    _kept: Box<dyn std::any::Any>,
}

macro_rules! on_all {
    ($($name:ident)*) => {
        mod inline { $(#[test] fn $name() { super::$name(&crate::world::World::inline()); })* }
        mod sqlite { $(#[test] fn $name() { super::$name(&crate::world::World::sqlite()); })* }
        mod postgres { $(#[test] fn $name() { super::$name(&crate::world::World::postgres()); })* }
    };
}

/// A machine with our own agent.
#[derive(Clone, Copy)]
pub(crate) struct Own {
    pub agent: AgentId,
    pub device: DeviceId,
    pub incarnation: u32,
}

impl World {
    pub(crate) fn inline() -> Self {
        Self::on(|clock| Store::inline(7, clock), ())
    }

    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("muster.db");
        Self::on(move |clock| Store::open_sqlite(&path, clock).expect("opened"), dir)
    }

    pub(crate) fn postgres() -> Self {
        let database = muster_store::testdb::database();
        let url = database.url().to_owned();
        Self::on(move |clock| Store::open_postgres(&url, clock).expect("opened"), database)
    }

    pub(crate) fn on(open: impl FnOnce(Arc<dyn Clock>) -> Store, kept: impl std::any::Any) -> Self {
        let clock = Arc::new(HandClock::at(NOW));
        let engine = Engine::new(open(clock.clone()), clock.clone(), Arc::new(SeededRandom::new(7)));
        let nowhere = engine.cx(Caller::SYSTEM, "test", OrgId(uuid::Uuid::nil()), "test");
        let org = engine.write_now("org.default", &nowhere, access::default_org).expect("the default organization");
        let cx = engine.cx(Caller::SYSTEM, "test", org.id, "test");
        let new = NewJoinToken { name: "all".to_owned(), uses: None, expires: None, verified: true, group: None };
        let token = engine.write_now("token", &cx, move |tx, cx| access::join_token_create(tx, cx, &new)).expect("a token").1;
        Self { engine, clock, cx, token, _kept: Box::new(kept) }
    }

    pub(crate) fn write<T: Send + 'static>(&self, f: impl Fn(&mut muster_engine::Tx, &Cx) -> Result<T, Error> + Send + 'static) -> T {
        self.engine.write_now("test", &self.engine.system(self.cx.org, "test"), f).expect("done")
    }

    pub(crate) fn own(&self, n: u8) -> Own {
        let new = Enrol {
            token: self.token.clone(),
            public_key: vec![n; 32],
            name: format!("pc{n}"),
            uuid: Some(format!("4c4c4544-0042-0000-8052-b4c04f0000{n:02}")),
            serial: None,
            macs: Vec::new(),
            version: None,
            source: None,
        };
        let it = self.write(move |tx, cx| enrol(tx, cx, &new));
        Own { agent: it.agent, device: it.device, incarnation: it.incarnation }
    }

    /// A machine with an agent of another kind.
    pub(crate) fn other(&self, name: &str) -> DeviceId {
        let mut inventory = Inventory::empty(Completeness::Full);
        let row = [("name".to_owned(), json!(name))].into_iter().collect();
        inventory.sections.insert("hardware".to_owned(), vec![row]);
        let arrival = Arrival {
            protocol: Protocol::Ocs,
            own: None,
            foreign_id: Some(format!("{name}-2026-01-02-03-04-05")),
            old_foreign_id: None,
            glpi_id: None,
            version: None,
            source: None,
            told: Arc::new(Canonical::new(inventory)),
            unchanged: BTreeMap::new(),
        };
        self.write(move |tx, cx| intake::inventory(tx, cx, &arrival)).device
    }

    pub(crate) fn task(&self, document: Value) -> muster_core::ids::TaskId {
        self.write(move |tx, cx| tasks::task_create(tx, cx, &document)).task.id
    }

    pub(crate) fn start(&self, mode: &str, steps: Value) -> RunId {
        let task = self.task(json!({"name": "job", "mode": mode, "targets": {"all": true}, "steps": steps, "retry": {"attempts": 1}}));
        let run = self.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
        self.work();
        run
    }

    pub(crate) fn settings(&self, patch: Value) {
        let Value::Object(patch) = patch else { panic!("settings are an object") };
        self.write(move |tx, cx| access::settings_update(tx, cx, &patch, None).map(drop));
    }

    /// Everything the workers can do now.
    pub(crate) fn work(&self) {
        loop {
            let more = self.write(workers::prepare).more | self.write(workers::lapse).more | self.write(jobs::work).more;
            let (errands, begun) = self.write(steps::work);
            assert!(errands.is_empty(), "these steps stay in the house");
            if !more && !begun {
                return;
            }
        }
    }

    /// What an agent is handed at a contact, with its actions.
    pub(crate) fn take(&self, own: Own) -> Vec<(Claimed, Value)> {
        let modules: Vec<String> = ["inventory", "run_script", "check_addresses", "defragment"].map(str::to_owned).to_vec();
        let handed = self.write(move |tx, cx| contact::own_contact(tx, cx, own.agent, &modules, 8)).claimed;
        handed.into_iter().map(|it| (it.claimed, it.action)).collect()
    }

    /// An agent does the one thing that waits for it; gives its step.
    pub(crate) fn does(&self, own: Own, outcome: Outcome, exit_code: i64, output: &str) -> String {
        let mut taken = self.take(own);
        assert_eq!(taken.len(), 1, "one thing waits for it");
        let (it, _) = taken.remove(0);
        self.tell(own, &it, outcome, exit_code, output);
        it.of.step_name
    }

    pub(crate) fn tell(&self, own: Own, it: &Claimed, outcome: Outcome, exit_code: i64, output: &str) {
        let report = Report {
            assignment: it.assignment,
            attempt: it.attempt,
            incarnation: own.incarnation,
            what: Said::Ended(outcome),
            exit_code: Some(exit_code),
            output: Some(output.to_owned()),
            message: None,
            occasion: None,
            at: None,
        };
        let told = self.write(move |tx, cx| contact::own_report(tx, cx, own.agent, std::slice::from_ref(&report)));
        assert_eq!(told.answers, [Ok(())]);
        self.work();
    }

    pub(crate) fn ok(&self, own: Own) -> String {
        self.does(own, Outcome::Ok, 0, "")
    }

    pub(crate) fn run(&self, id: RunId) -> RunDetail {
        self.engine.read_now(&self.cx, move |rx, cx| runs::run_view(rx, cx, id)).expect("the run")
    }

    pub(crate) fn walk(&self, run: RunId, device: DeviceId) -> Walk {
        let page = self.engine.read_now(&self.cx, move |rx, cx| runs::run_targets(rx, cx, run, &[], &PageRequest::default()));
        page.expect("targets").items.into_iter().map(|(walk, _)| walk).find(|w| w.device == device).expect("its walk")
    }

    /// Every step's totals, as `state count` by step, and whether all of them sum.
    pub(crate) fn steps(&self, run: RunId) -> Vec<String> {
        let it = self.run(run);
        let told = |(step, counts): &(muster_core::tasks::RunStep, muster_core::tasks::Counts)| {
            let some = State::ALL.into_iter().filter(|s| counts.of(*s) > 0).map(|s| format!("{s} {}", counts.of(s)));
            format!("{}: {}", step.name, some.collect::<Vec<_>>().join(", "))
        };
        it.steps.iter().map(told).collect()
    }
}

pub(crate) fn script(id: &str) -> Value {
    json!({"id": id, "action": {"type": "run_script", "script": "true"}})
}

pub(crate) fn with(mut step: Value, key: &str, value: Value) -> Value {
    step[key] = value;
    step
}

pub(crate) use on_all;
