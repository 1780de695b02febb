//! Jobs of several steps on our own agents and on others, with a hand-moved clock, on SQLite, PostgreSQL and the simulator's store.

use muster_core::access::Caller;
use muster_core::fleet::Protocol;
use muster_core::ids::{AgentId, DeviceId, OrgId, RunId};
use muster_core::inventory::{Canonical, Completeness, Inventory};
use muster_core::page::PageRequest;
use muster_core::tasks::{Outcome, RunState, State, Verdict, Walk};
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
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_795_000_000_000);

struct World {
    engine: Engine,
    clock: Arc<HandClock>,
    cx: Cx,
    token: String,
    _kept: Box<dyn std::any::Any>,
}

macro_rules! on_all {
    ($($name:ident)*) => {
        mod inline { $(#[test] fn $name() { super::$name(&super::World::inline()); })* }
        mod sqlite { $(#[test] fn $name() { super::$name(&super::World::sqlite()); })* }
        mod postgres { $(#[test] fn $name() { super::$name(&super::World::postgres()); })* }
    };
}

on_all! {
    each_machine_of_a_client_job_walks_alone_and_helps_itself
    a_server_job_waits_for_all_and_takes_one_branch
    a_step_that_no_agent_can_do_is_named_before_and_fails_the_job
    what_a_step_told_is_a_parameter_of_the_next
    a_quorum_and_a_deadline_leave_stragglers_behind
    a_job_that_is_cancelled_ends_for_all
    what_did_not_end_well_is_done_again
    a_late_result_of_the_last_step_settles_the_target
}

/// A machine with our own agent.
#[derive(Clone, Copy)]
struct Own {
    agent: AgentId,
    device: DeviceId,
    incarnation: u32,
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
        let engine = Engine::new(open(clock.clone()), clock.clone(), Arc::new(SeededRandom::new(7)));
        let nowhere = engine.cx(Caller::SYSTEM, "test", OrgId(uuid::Uuid::nil()), "test");
        let org = engine.write_now("org.default", &nowhere, access::default_org).expect("the default organization");
        let cx = engine.cx(Caller::SYSTEM, "test", org.id, "test");
        let new = NewJoinToken { name: "all".to_owned(), uses: None, expires: None, verified: true };
        let token = engine.write_now("token", &cx, move |tx, cx| access::join_token_create(tx, cx, &new)).expect("a token").1;
        Self { engine, clock, cx, token, _kept: Box::new(kept) }
    }

    fn write<T: Send + 'static>(&self, f: impl Fn(&mut muster_engine::Tx, &Cx) -> Result<T, Error> + Send + 'static) -> T {
        self.engine.write_now("test", &self.engine.system(self.cx.org, "test"), f).expect("done")
    }

    fn own(&self, n: u8) -> Own {
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
    fn other(&self, name: &str) -> DeviceId {
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

    fn task(&self, document: Value) -> muster_core::ids::TaskId {
        self.write(move |tx, cx| tasks::task_create(tx, cx, &document)).task.id
    }

    fn start(&self, mode: &str, steps: Value) -> RunId {
        let task = self.task(json!({"name": "job", "mode": mode, "targets": {"all": true}, "steps": steps, "retry": {"attempts": 1}}));
        let run = self.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
        self.work();
        run
    }

    /// Everything the workers can do now.
    fn work(&self) {
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
    fn take(&self, own: Own) -> Vec<(Claimed, Value)> {
        let modules: Vec<String> = ["inventory", "run_script"].map(str::to_owned).to_vec();
        self.write(move |tx, cx| contact::own_contact(tx, cx, own.agent, &modules, 8)).claimed
    }

    /// An agent does the one thing that waits for it; gives its step.
    fn does(&self, own: Own, outcome: Outcome, exit_code: i64, output: &str) -> String {
        let mut taken = self.take(own);
        assert_eq!(taken.len(), 1, "one thing waits for it");
        let (it, _) = taken.remove(0);
        self.tell(own, &it, outcome, exit_code, output);
        it.of.step_name
    }

    fn tell(&self, own: Own, it: &Claimed, outcome: Outcome, exit_code: i64, output: &str) {
        let report = Report {
            assignment: it.assignment,
            attempt: it.attempt,
            incarnation: own.incarnation,
            what: Said::Ended(outcome),
            exit_code: Some(exit_code),
            output: Some(output.to_owned()),
            message: None,
        };
        let told = self.write(move |tx, cx| contact::own_report(tx, cx, own.agent, std::slice::from_ref(&report)));
        assert_eq!(told, [Ok(())]);
        self.work();
    }

    fn ok(&self, own: Own) -> String {
        self.does(own, Outcome::Ok, 0, "")
    }

    fn run(&self, id: RunId) -> RunDetail {
        self.engine.read_now(&self.cx, move |rx, cx| runs::run_view(rx, cx, id)).expect("the run")
    }

    fn walk(&self, run: RunId, device: DeviceId) -> Walk {
        let page = self.engine.read_now(&self.cx, move |rx, cx| runs::run_targets(rx, cx, run, &[], &PageRequest::default()));
        page.expect("targets").items.into_iter().map(|(walk, _)| walk).find(|w| w.device == device).expect("its walk")
    }

    /// Every step's totals, as `state count` by step, and whether all of them sum.
    fn steps(&self, run: RunId) -> Vec<String> {
        let it = self.run(run);
        let told = |(step, counts): &(muster_core::tasks::RunStep, muster_core::tasks::Counts)| {
            let some = State::ALL.into_iter().filter(|s| counts.of(*s) > 0).map(|s| format!("{s} {}", counts.of(s)));
            format!("{}: {}", step.name, some.collect::<Vec<_>>().join(", "))
        };
        it.steps.iter().map(told).collect()
    }
}

fn script(id: &str) -> Value {
    json!({"id": id, "action": {"type": "run_script", "script": "true"}})
}

fn with(mut step: Value, key: &str, value: Value) -> Value {
    step[key] = value;
    step
}

/// Altiris's client job: one machine fails, is helped and tries again, while the others are long done.
fn each_machine_of_a_client_job_walks_alone_and_helps_itself(w: &World) {
    let (a, b) = (w.own(1), w.own(2));
    let install = with(script("install"), "on_error", json!({"run": "fix", "then": "retry", "max": 2}));
    let run = w.start("client_job", json!([install, script("fix"), script("check")]));
    assert_eq!((w.ok(a), w.ok(a)), ("install".to_owned(), "check".to_owned()));
    assert_eq!(w.walk(run, a.device).state, State::Ok, "nobody waited for the other");
    assert_eq!(w.does(b, Outcome::Error, 1, "no space"), "install");
    assert_eq!(
        w.steps(run),
        ["install: error 1, ok 1", "fix: prepared 1, skipped 1", "check: prepared 1, ok 1"].map(|s| {
            // The order of states is that of the totals.
            s.replace("error 1, ok 1", "ok 1, error 1")
        })
    );
    assert_eq!((w.ok(b), w.ok(b), w.ok(b)), ("fix".to_owned(), "install".to_owned(), "check".to_owned()));
    let it = w.run(run);
    assert_eq!((it.run.state, it.run.verdict, it.run.counts.of(State::Ok)), (RunState::Finished, Some(Verdict::Ok), 2));
    assert_eq!(w.steps(run), ["install: ok 2", "fix: ok 1, skipped 1", "check: ok 2"]);
    assert_eq!(w.walk(run, b.device).trail.rounds["install"], 2);
}

/// Altiris's server job: the next step begins once every machine has ended the one before, and all take the same branch.
fn a_server_job_waits_for_all_and_takes_one_branch(w: &World) {
    let (a, b) = (w.own(1), w.own(2));
    let tell = json!({"id": "tell", "action": {"type": "raise_message", "title": "{{steps.first.state}}"}, "when": "steps.first.counts.error > 0"});
    let never = with(script("never"), "when", json!("steps.first.counts.ok == 0"));
    let run = w.start("server_job", json!([with(script("first"), "on_error", json!("fail")), never, tell, script("last")]));
    assert_eq!(w.does(a, Outcome::Error, 1, ""), "first");
    assert!(w.take(a).is_empty(), "it waits for the others, and takes no further part");
    assert_eq!(w.run(run).run.state, RunState::Running);
    assert_eq!(w.ok(b), "first");
    assert_eq!(w.steps(run), ["first: ok 1, error 1", "never: skipped 2", "tell: ok 1", "last: prepared 1, skipped 1"]);
    assert!(w.take(a).is_empty());
    assert_eq!(w.ok(b), "last");
    let it = w.run(run);
    assert_eq!((it.run.state, it.run.verdict), (RunState::Finished, Some(Verdict::Partial)));
    assert_eq!((w.walk(run, a.device).state, w.walk(run, b.device).state), (State::Error, State::Ok));
    assert_eq!(it.run.counts.total(), it.run.targeted);
}

/// A2: a step that cannot run on an assigned computer is named by the preview, and fails the job for it if started all the same.
fn a_step_that_no_agent_can_do_is_named_before_and_fails_the_job(w: &World) {
    let (a, strange) = (w.own(1), w.other("old"));
    let task = w.task(json!({"name": "job", "targets": {"all": true}, "retry": {"attempts": 1},
        "steps": [{"id": "look", "action": {"type": "inventory"}}, script("act")]}));
    let preview = w.engine.read_now(&w.cx, move |rx, cx| tasks::task_preview(rx, cx, task)).expect("a preview");
    assert_eq!(preview.unable, [("act".to_owned(), "run_script", 1)]);
    let reason = |device| preview.targets.iter().find(|(d, _)| d.id == device).map(|(_, r)| r.reason.key.clone());
    assert_eq!(reason(strange).as_deref(), Some("unable"));
    let run = w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
    w.work();
    w.other("old");
    assert_eq!(w.walk(run, strange).state, State::Error);
    assert_eq!((w.ok(a), w.ok(a)), ("look".to_owned(), "act".to_owned()));
    assert_eq!(w.run(run).run.verdict, Some(Verdict::Partial));
    assert_eq!(w.steps(run), ["look: ok 2", "act: ok 1, error 1"]);
}

fn what_a_step_told_is_a_parameter_of_the_next(w: &World) {
    let (a, b) = (w.own(1), w.own(2));
    let ask = with(script("ask"), "outputs", json!({"version": "regex(version ([0-9]+))"}));
    let mut set = with(script("set"), "when", json!("steps.ask.outputs.version > 3"));
    set["action"]["arguments"] = json!(["--from={{steps.ask.version}}", "{{ .Names }}"]);
    let run = w.start("client_job", json!([ask, set]));
    w.does(a, Outcome::Ok, 0, "this is version 7\n");
    let (it, action) = w.take(a).remove(0);
    assert_eq!(action["arguments"], json!(["--from=7", "{{ .Names }}"]));
    w.tell(a, &it, Outcome::Ok, 0, "");
    w.does(b, Outcome::Ok, 0, "version 2");
    assert!(w.take(b).is_empty());
    assert_eq!(w.steps(run), ["ask: ok 2", "set: ok 1, skipped 1"]);
    assert_eq!(w.run(run).run.verdict, Some(Verdict::Ok));
}

fn a_quorum_and_a_deadline_leave_stragglers_behind(w: &World) {
    let all: Vec<Own> = (1..=4).map(|n| w.own(n)).collect();
    let most = with(script("most"), "barrier", json!({"quorum": "75%"}));
    let soon = with(script("soon"), "barrier", json!({"deadline": "1h", "stragglers": "keep"}));
    let tell = json!({"id": "tell", "action": {"type": "raise_message", "title": "on"}});
    let run = w.start("server_job", json!([most, soon, tell, script("last")]));
    for own in &all[..3] {
        w.ok(*own);
    }
    // The fourth was not waited for, and takes no further part.
    assert_eq!(w.steps(run), ["most: ok 3, expired 1", "soon: prepared 3, skipped 1", "tell: prepared 1", "last: prepared 3, skipped 1"]);
    w.ok(all[0]);
    let late = w.take(all[1]).remove(0).0;
    w.clock.advance(Duration::from_secs(3_601));
    w.work();
    // The deadline of the second step: what waits expires, of what is under way nothing is known; both go on.
    assert_eq!(w.steps(run)[1], "soon: ok 1, unknown 1, expired 1, skipped 1");
    assert_eq!(w.steps(run)[3], "last: prepared 3, skipped 1");
    w.tell(all[1], &late, Outcome::Ok, 0, "");
    assert_eq!(w.steps(run)[1], "soon: ok 2, expired 1, skipped 1", "its late result is kept");
    for own in &all[..3] {
        assert_eq!(w.ok(*own), "last");
    }
    let it = w.run(run);
    assert_eq!((it.run.state, it.run.counts.of(State::Ok), it.run.counts.of(State::Expired)), (RunState::Finished, 3, 1));
}

fn a_job_that_is_cancelled_ends_for_all(w: &World) {
    for (mode, more) in
        [("client_job", json!([])), ("server_job", json!([{"id": "tell", "action": {"type": "raise_message", "title": "x"}}]))]
    {
        let (a, b) = (w.own(1), w.own(2));
        let steps: Vec<Value> = [script("one"), script("two")].into_iter().chain(more.as_array().cloned().unwrap_or_default()).collect();
        let task = w.task(json!({"name": mode, "mode": mode, "targets": {"all": true}, "steps": steps}));
        let run = w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
        w.work();
        w.ok(a);
        let under_way = w.take(b).remove(0).0;
        w.write(move |tx, cx| runs::run_cancel(tx, cx, run));
        w.work();
        assert_eq!(w.run(run).run.state, RunState::Running, "{mode}: what is under way is waited for");
        w.tell(b, &under_way, Outcome::Ok, 0, "");
        let it = w.run(run);
        assert_eq!((it.run.state, it.run.counts.of(State::Cancelled)), (RunState::Finished, 2), "{mode}");
        assert!(w.take(a).is_empty() && w.take(b).is_empty());
        assert_eq!(it.steps.iter().map(|(_, c)| c.open()).sum::<i64>(), 0, "{mode}");
    }
}

fn what_did_not_end_well_is_done_again(w: &World) {
    let (a, b) = (w.own(1), w.own(2));
    let run = w.start("client_job", json!([script("one"), script("two")]));
    w.does(a, Outcome::Error, 1, "");
    w.ok(b);
    w.ok(b);
    let again = w.write(move |tx, cx| runs::run_retry(tx, cx, run, &[State::Error, State::Unknown], &Start::default()));
    assert_eq!(again.run.targeted, 1);
    w.work();
    assert!(w.take(b).is_empty());
    assert_eq!((w.ok(a), w.ok(a)), ("one".to_owned(), "two".to_owned()));
    assert_eq!(w.run(again.run.id).run.verdict, Some(Verdict::Ok));
    let id = again.run.id;
    let none = w.engine.write_now("test", &w.cx, move |tx, cx| runs::run_retry(tx, cx, id, &[State::Error], &Start::default()));
    assert_eq!(none.expect_err("nothing failed").key, "run/empty");
    let open = w.engine.write_now("test", &w.cx, move |tx, cx| runs::run_retry(tx, cx, id, &[State::Running], &Start::default()));
    assert_eq!(open.expect_err("running has not ended").key, "run/retry-open");
}

fn a_late_result_of_the_last_step_settles_the_target(w: &World) {
    let a = w.own(1);
    let run = w.start("client_job", json!([script("one"), with(script("two"), "timeout", json!("60s"))]));
    w.ok(a);
    let (late, _) = w.take(a).remove(0);
    w.clock.advance(Duration::from_secs(7_200));
    w.work();
    assert_eq!((w.walk(run, a.device).state, w.run(run).run.verdict), (State::Unknown, Some(Verdict::Error)));
    w.tell(a, &late, Outcome::Ok, 0, "");
    assert_eq!((w.walk(run, a.device).state, w.run(run).run.verdict), (State::Ok, Some(Verdict::Ok)));
}
