use super::*;
use crate::errand::Runner;
use crate::wake::WAKE_TIMEOUT;
use muster_core::fleet::Protocol;
use muster_core::ids::{AgentId, RunId};
use muster_core::tasks::RunState;
use muster_core::time::HandClock;
use muster_engine::enrol::{Enrol, enrol};
use muster_engine::{AgentFilter, Heard, SeededRandom, Store, access, runs, tasks};
use serde_json::json;
use uuid::Uuid;

const START: Timestamp = Timestamp(1_795_000_000_000);

struct World {
    driver: Driver,
    agent: AgentId,
}

/// An engine in memory with one device of Muster's own agent, and a driver that does not run yet.
fn world() -> World {
    crate::tls::install_provider();
    let clock = Arc::new(HandClock::at(START));
    let engine = Engine::new(Store::inline(1, clock.clone()), clock, Arc::new(SeededRandom::new(1)));
    let cx = engine.system(OrgId(Uuid::nil()), "test");
    let org = engine.write_now("org", &cx, access::default_org).expect("made").id;
    let cx = engine.system(org, "test");
    let agent = engine.write_now("agent", &cx, |tx, cx| {
        let new = access::NewJoinToken { name: "t".into(), uses: None, expires: None, verified: true, group: None };
        let token = access::join_token_create(tx, cx, &new)?.1;
        let agent = Enrol {
            token,
            public_key: vec![7; 32],
            name: "pc".into(),
            uuid: None,
            serial: None,
            macs: Vec::new(),
            version: None,
            source: None,
        };
        Ok(enrol(tx, cx, &agent)?.agent)
    });
    let driver = Driver::new(engine, org, Outside::new(WAKE_TIMEOUT).expect("a client"), Runner::new(Vec::new(), None));
    World { driver, agent: agent.expect("joined") }
}

async fn start_run(driver: &Driver) -> RunId {
    let cx = driver.engine.system(driver.org, "test");
    let started = driver.engine.write("run", &cx, |tx, cx| {
        let document = json!({"name": "look", "targets": {"all": true}, "steps": [{"id": "i", "action": {"type": "inventory"}}]});
        let task = tasks::task_create(tx, cx, &document)?;
        runs::run_start(tx, cx, task.task.id, &runs::Start::default())
    });
    started.await.expect("started").run.id
}

async fn run_state(driver: &Driver, id: RunId) -> RunState {
    let cx = driver.engine.system(driver.org, "test");
    driver.engine.read(&cx, move |rx, cx| runs::run_view(rx, cx, id)).await.expect("read").run.state
}

#[tokio::test(start_paused = true)]
async fn a_hint_of_a_new_run_makes_its_assignments_before_the_period_is_over() {
    let World { driver, .. } = world();
    let (stop, stopping) = watch::channel(false);
    let driving = tokio::spawn(driver.clone().run(stopping));
    // Everybody has gone round once and rests for a period.
    sleep(Duration::from_millis(100)).await;
    let id = start_run(&driver).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(run_state(&driver, id).await, RunState::Waiting);
    assert_eq!(driver.beat().load(Relaxed), START.millis());
    stop.send_replace(true);
    driving.await.expect("ended");
    assert!(driver.last().iter().all(|(_, last)| last.activations > 0 && last.result.is_ok()), "{:?}", driver.last());
}

#[tokio::test(start_paused = true)]
async fn what_was_heard_is_written_at_the_latest_when_the_driver_ends() {
    let World { driver, agent } = world();
    let (_stop, stopping) = watch::channel(true);
    let cx = driver.engine.system(driver.org, "test");
    let contact = |page: &muster_core::page::Page<(muster_core::fleet::Agent, String)>| page.items[0].0.last_contact;
    let look = |rx: &mut muster_engine::Rx, cx: &muster_engine::Cx| Ok(rx.agents(cx.org, &AgentFilter::default(), &Default::default())?);
    let seen = driver.engine.read(&cx, look).await.expect("read");
    assert_eq!((seen.items[0].0.id, seen.items[0].0.protocol), (agent, Protocol::Muster));
    let later = START.plus(Duration::from_secs(60));
    driver.engine.heard(Heard {
        agent,
        device: seen.items[0].0.device,
        at: later,
        next: None,
        address: None,
        version: None,
        inventory: false,
        clock_offset: None,
    });
    driver.clone().run(stopping).await;
    assert_eq!(contact(&driver.engine.read(&cx, look).await.expect("read")), Some(later));
}

#[test]
fn a_worker_that_fails_rests_longer_and_longer_up_to_a_bound() {
    let rests: Vec<u64> = [0, 1, 2, 3, 4, 5, 6, 60, u32::MAX].into_iter().map(|n| rest(n).as_secs()).collect();
    assert_eq!(rests, [1, 2, 4, 8, 16, 30, 30, 30, 30]);
}

#[test]
fn runs_wakes_and_schedules_are_nudged() {
    let nudged = |topic| Worker::ALL.into_iter().filter(move |w| w.nudged_by(topic)).collect::<Vec<_>>();
    assert_eq!(nudged(Topic::Run), [Worker::Prepare, Worker::Steps, Worker::Jobs]);
    assert_eq!(nudged(Topic::Schedule), [Worker::Schedules, Worker::Book]);
    assert_eq!(nudged(Topic::Wake), [Worker::Wakes]);
    assert!(nudged(Topic::Device).is_empty());
}

#[tokio::test(start_paused = true)]
async fn steps_of_the_server_that_are_under_way_are_waited_for_and_then_ended() {
    let World { driver, .. } = world();
    let seen = Arc::new(AtomicI64::new(0));
    let guard = |value: i64| {
        let seen = Arc::clone(&seen);
        at_the_end(move || {
            seen.fetch_add(value, Relaxed);
        })
    };
    let (short, long) = (guard(1), guard(10));
    {
        let mut under_way = driver.errands.lock().expect("not poisoned");
        under_way.spawn(async move {
            sleep(Duration::from_secs(5)).await;
            drop(short);
        });
        under_way.spawn(async move {
            std::future::pending::<()>().await;
            drop(long);
        });
    }
    let began = tokio::time::Instant::now();
    driver.settle(Duration::from_secs(20)).await;
    assert_eq!(began.elapsed(), Duration::from_secs(20));
    assert_eq!(seen.load(Relaxed), 11, "both are over");
    driver.settle(Duration::from_secs(20)).await;
    assert_eq!(began.elapsed(), Duration::from_secs(20), "nothing is under way");
}

/// Does something when it is dropped.
fn at_the_end(what: impl FnOnce() + Send) -> impl Send {
    struct Guard<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> Drop for Guard<F> {
        fn drop(&mut self) {
            self.0.take().into_iter().for_each(|what| what());
        }
    }
    Guard(Some(what))
}
