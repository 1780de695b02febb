//! `muster bench work`: a run on a large fleet, made, handed out and ended by the real engine on a real database, beside the bare
//! database that writes the same rows; how long another command waits meanwhile; and pages of a long queue.

use super::report::thousands;
use crate::clock::SystemClock;
use anyhow::{Context as _, ensure};
use axum::body::Body;
use axum::http::Request;
use clap::Args;
use muster_api::{Api, Options, router};
use muster_core::access::Role;
use muster_core::fleet::{NewAgent, Protocol};
use muster_core::ids::{AgentId, DeviceId, OrgId, RunId};
use muster_core::time::Clock as _;
use muster_engine::contact::{OwnContact, OwnReports};
use muster_engine::runs::Start;
use muster_engine::work::{Claimed, Report, Said};
use muster_engine::{Cx, Engine, Error, access, runs, tasks, workers};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tower::ServiceExt as _;
use uuid::Uuid;

/// How large it is.
#[derive(Debug, Args)]
pub struct Work {
    /// How many devices the run has
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    devices: u32,
    /// How many agents talk at once
    #[arg(long, default_value_t = 64, value_name = "N")]
    clients: usize,
    /// Afterwards start runs until so many assignments are open, and look at pages; 0 leaves it out
    #[arg(long, default_value_t = 0, value_name = "N")]
    pages_at: u32,
    /// PostgreSQL instead of the embedded database; it must be empty
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Devices or rows written in one command.
const PIECE: u32 = 500;
/// How often another command is tried while a run goes.
const PROBE_EVERY: Duration = Duration::from_millis(10);
/// How often a page is looked at.
const LOOKS: usize = 20;

struct House {
    engine: Engine,
    org: OrgId,
    agents: Arc<Vec<AgentId>>,
    clients: usize,
    _data: tempfile::TempDir,
}

/// Measures and prints.
pub async fn run(args: &Work) -> anyhow::Result<()> {
    measure(args).await.map_err(|error| match error.downcast_ref::<Error>().and_then(|e| e.fault.as_ref()) {
        // Here nobody reads a server's log.
        Some(fault) => anyhow::anyhow!("{error}: {fault}"),
        None => error,
    })
}

async fn measure(args: &Work) -> anyhow::Result<()> {
    let house = House::furnish(args).await?;
    let database = if args.database.is_some() { "PostgreSQL" } else { "SQLite" };
    println!("{} devices, {} agents at once, {database}", thousands(f64::from(args.devices)), args.clients);
    println!("             a second   bare a second   ratio   other commands meanwhile: p50 ms   p99 ms   longest ms");
    let floor = house.floor().await?;
    let run = house.start("inventory of all").await?;
    let made = house.measured(|| house.make()).await?;
    made.print("created", floor.0);
    let claimed: Arc<std::sync::Mutex<Vec<(AgentId, Claimed)>>> = Arc::default();
    let (handed, kept) = (claimed.clone(), house.agents.clone());
    let claim = move |engine: Engine, cx: Cx, place: usize| {
        let (handed, id) = (handed.clone(), kept[place]);
        async move {
            let modules = ["inventory".to_owned()];
            let got = engine.own_contact(&cx, OwnContact { agent: id, modules: modules.to_vec(), max: 1, walks: false }).await?.claimed;
            handed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(got.into_iter().map(|it| (id, it.claimed)));
            Ok(())
        }
    };
    house.measured(|| house.each(claim)).await?.print("claimed", floor.1);
    let claimed = Arc::new(std::mem::take(&mut *claimed.lock().unwrap_or_else(std::sync::PoisonError::into_inner)));
    ensure!(claimed.len() == house.agents.len(), "{} of {} were handed out", claimed.len(), house.agents.len());
    let end = move |engine: Engine, cx: Cx, place: usize| {
        let (id, order) = claimed[place].clone();
        async move {
            let report = Report {
                assignment: order.assignment,
                attempt: order.attempt,
                incarnation: 1,
                what: Said::Ended(muster_core::tasks::Outcome::Ok),
                exit_code: Some(0),
                output: None,
                message: None,
                occasion: None,
                at: None,
            };
            let taken = engine.own_reports(&cx, OwnReports { agent: id, reports: vec![report] }).await?;
            if taken.answers.iter().all(Result::is_ok) {
                Ok(())
            } else {
                Err(Error::not_found("bench/report", "attempt", order.assignment))
            }
        }
    };
    house.measured(|| house.each(end)).await?.print("finished", floor.2);
    let ended = house.engine.read(&house.cx(), move |rx, cx| runs::run_view(rx, cx, run)).await?.run;
    ensure!(ended.verdict == Some(muster_core::tasks::Verdict::Ok), "the run came to {:?}", ended.counts);
    if args.pages_at > 0 {
        house.pages(args.pages_at).await?;
    }
    Ok(())
}

/// How fast something went, and how long other commands took meanwhile.
struct Measured {
    per_second: f64,
    others: Vec<Duration>,
}

impl Measured {
    fn print(mut self, what: &str, floor: f64) {
        self.others.sort_unstable();
        let at =
            |permille: usize| self.others.get((self.others.len().max(1) - 1) * permille / 1_000).map_or(0.0, |d| d.as_secs_f64() * 1e3);
        println!(
            "{what:<10} {:>10} {:>15} {:>7.2} {:>35.1} {:>8.1} {:>12.1}",
            thousands(self.per_second),
            thousands(floor),
            self.per_second / floor,
            at(500),
            at(990),
            at(1_000)
        );
    }
}

impl House {
    async fn furnish(args: &Work) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let engine = super::engine_on(data.path(), args.database.as_deref())?;
        let cx = engine.system(OrgId(Uuid::nil()), "bench");
        let org = engine.write("org.default", &cx, access::default_org).await?.id;
        let count = |n: u32| u128::from(n);
        let agents: Vec<AgentId> = (0..args.devices).map(|n| AgentId(Uuid::from_u128(1 << 64 | count(n)))).collect();
        for first in (0..args.devices).step_by(PIECE as usize) {
            let last = (first + PIECE).min(args.devices);
            let furnish = move |tx: &mut muster_engine::Tx, cx: &Cx| {
                for n in first..last {
                    let device = DeviceId(Uuid::from_u128(2 << 64 | count(n)));
                    tx.device_insert(device, org, &format!("bench-{n:07}"), cx.now)?;
                    tx.agent_insert(&agent(AgentId(Uuid::from_u128(1 << 64 | count(n))), org, device), cx.now)?;
                }
                Ok(())
            };
            engine.write("bench.furnish", &engine.system(org, "bench"), furnish).await?;
        }
        Ok(Self { engine, org, agents: Arc::new(agents), clients: args.clients.max(1), _data: data })
    }

    fn cx(&self) -> Cx {
        self.engine.system(self.org, "bench")
    }

    async fn start(&self, name: &str) -> anyhow::Result<RunId> {
        let document = json!({"name": name, "targets": {"all": true}, "steps": [{"id": "c", "action": {"type": "inventory"}}]});
        let start = Start { confirm_count: Some(self.agents.len()), plan: None };
        let begin = move |tx: &mut muster_engine::Tx, cx: &Cx| {
            let task = tasks::task_create(tx, cx, &document)?;
            runs::run_start(tx, cx, task.task.id, &start)
        };
        Ok(self.engine.write("bench.start", &self.cx(), begin).await?.run.id)
    }

    /// Lets the worker make all assignments.
    async fn make(&self) -> anyhow::Result<()> {
        while self.engine.write("workers.prepare", &self.cx(), workers::prepare).await?.more {}
        Ok(())
    }

    /// Does something for each agent, many at once.
    async fn each<F, W>(&self, work: F) -> anyhow::Result<()>
    where
        F: Fn(Engine, Cx, usize) -> W + Clone + Send + Sync + 'static,
        W: Future<Output = Result<(), Error>> + Send,
    {
        let (next, count) = (Arc::new(AtomicUsize::new(0)), self.agents.len());
        let clients: Vec<_> = (0..self.clients)
            .map(|_| {
                let (engine, org, next, work) = (self.engine.clone(), self.org, next.clone(), work.clone());
                tokio::spawn(async move {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        if place >= count {
                            return Ok::<(), Error>(());
                        }
                        work(engine.clone(), engine.system(org, "bench"), place).await?;
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.context("a client panicked")??;
        }
        Ok(())
    }

    /// Times something done for the whole fleet, while another command comes again and again.
    async fn measured<W: Future<Output = anyhow::Result<()>>>(&self, work: impl FnOnce() -> W) -> anyhow::Result<Measured> {
        let (engine, cx, over) = (self.engine.clone(), self.cx(), Arc::new(AtomicBool::new(false)));
        let ends = over.clone();
        let probe = tokio::spawn(async move {
            let mut took = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                let began = Instant::now();
                // One that writes a row, as any click of a person does.
                let note = |tx: &mut muster_engine::Tx, cx: &Cx| {
                    let heard = muster_engine::Heard {
                        agent: cx.id(),
                        device: cx.id(),
                        at: cx.now,
                        next: None,
                        address: None,
                        version: None,
                        inventory: false,
                        clock_offset: None,
                    };
                    Ok(tx.heard(&[heard])?)
                };
                engine.write("bench.other", &cx, note).await?;
                took.push(began.elapsed());
                tokio::time::sleep(PROBE_EVERY).await;
            }
            Ok::<_, Error>(took)
        });
        let began = Instant::now();
        work().await?;
        let took = began.elapsed();
        over.store(true, Ordering::Relaxed);
        let others = probe.await.context("the other command panicked")??;
        Ok(Measured { per_second: self.agents.len() as f64 / took.as_secs_f64(), others })
    }

    /// The bare database: created, claimed, ended a second.
    async fn floor(&self) -> anyhow::Result<(f64, f64, f64)> {
        let (cx, run) = (self.cx(), Uuid::from_u128(9));
        self.engine.write("floor.tables", &cx, |tx, _| Ok(tx.floor_tables()?)).await?;
        let rows: Vec<(Uuid, Uuid)> = self.agents.iter().map(|_| (cx.id(), cx.id())).collect();
        let began = Instant::now();
        for piece in rows.chunks(PIECE as usize) {
            let piece = piece.to_vec();
            self.engine.write("floor.make", &cx, move |tx, _| Ok(tx.floor_make(run, &piece)?)).await?;
        }
        let made = began.elapsed();
        let rows = Arc::new(rows);
        let (of_claim, of_end) = (rows.clone(), rows);
        let claim = move |engine: Engine, cx: Cx, place: usize| {
            let device = of_claim[place].1;
            async move { engine.write("floor.claim", &cx, move |tx, cx| Ok(tx.floor_claim(device, cx.now.0)?)).await.map(|_| ()) }
        };
        let claimed = self.measured(|| self.each(claim)).await?.per_second;
        let end = move |engine: Engine, cx: Cx, place: usize| {
            let id = of_end[place].0;
            async move { engine.write("floor.end", &cx, move |tx, cx| Ok(tx.floor_end(id, cx.now.0)?)).await }
        };
        let ended = self.measured(|| self.each(end)).await?.per_second;
        Ok((self.agents.len() as f64 / made.as_secs_f64(), claimed, ended))
    }

    /// First pages over the API while very much is open.
    async fn pages(&self, open: u32) -> anyhow::Result<()> {
        let mut run = None;
        for n in 0..open.div_ceil(u32::try_from(self.agents.len()).unwrap_or(u32::MAX)) {
            run = Some(self.start(&format!("waiting {n}")).await?);
            self.make().await?;
        }
        let run = run.context("a run was started")?;
        let token =
            self.engine.write("bench.token", &self.cx(), |tx, cx| access::token_create(tx, cx, "bench", Role::Admin, None, None)).await?.1;
        let (_stop, shutdown) = watch::channel(false);
        let beat = Arc::new(AtomicI64::new(SystemClock.now().0));
        let options = Options { secure_cookies: false, version: "bench", shutdown, scheduler_beat: beat };
        let api = router(Api { engine: self.engine.clone(), options });
        println!("\n{} assignments open, first pages over the API      p50 ms   longest ms", thousands(f64::from(open)));
        for (what, path) in [
            ("queue", "/queue".to_owned()),
            ("queue, one state", "/queue?state=prepared".to_owned()),
            ("queue, text", "/queue?q=bench-0000007".to_owned()),
            ("run", format!("/runs/{run}")),
            ("run, assignments", format!("/runs/{run}/assignments")),
            ("run, one state", format!("/runs/{run}/assignments?state=prepared")),
            ("run, errors", format!("/runs/{run}/assignments?state=error")),
            ("run, events", format!("/runs/{run}/events")),
            ("runs", "/runs".to_owned()),
            ("overview", "/overview".to_owned()),
        ] {
            let mut took = Vec::new();
            for _ in 0..LOOKS {
                let request = Request::get(format!("/api/v1{path}")).header("authorization", format!("Bearer {token}"));
                let began = Instant::now();
                let answer = api.clone().oneshot(request.body(Body::empty())?).await?;
                ensure!(answer.status().is_success(), "{path} was answered {}", answer.status());
                whole(answer.into_body()).await?;
                took.push(began.elapsed());
            }
            took.sort_unstable();
            let millis = |d: Option<&Duration>| d.map_or(0.0, |d| d.as_secs_f64() * 1e3);
            println!("{what:<50} {:>8.1} {:>12.1}", millis(took.get(LOOKS / 2)), millis(took.last()));
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "an answer of this process, not a stranger's body")]
async fn whole(body: Body) -> anyhow::Result<()> {
    axum::body::to_bytes(body, usize::MAX).await?;
    Ok(())
}

fn agent(id: AgentId, org: OrgId, device: DeviceId) -> NewAgent {
    NewAgent {
        id,
        org,
        device,
        protocol: Protocol::Muster,
        foreign_id: None,
        glpi_id: None,
        public_key: Some(id.0.as_bytes().to_vec()),
        version: Some("0.1.0".to_owned()),
        verified: true,
        verified_by: None,
        source: None,
        claim: 0,
        door: org,
    }
}
