//! A contact: the agent asks for work, and may wait on the line until there is some.

use super::{Call, Refused, Said};
use crate::bodies::Refusal;
use crate::gateway::address;
use muster_core::ids::{AssignmentId, OrgId, RunId};
use muster_core::limits::{LONG_POLL_SECONDS_MAX, WRITER_QUEUE_MAX};
use muster_core::load::Class;
use muster_core::time::Timestamp;
use muster_engine::book::{self, Book, Compared, Entry, Keeps};
use muster_engine::contact::{Handed, OwnContact, Tidings, own_idle, own_presence};
use muster_engine::{Cx, Heard, Hint, Reason, Topic, contact};
use muster_wire::native::{AttemptRef, ContactAnswer, ContactRequest};
use muster_wire::order::{Manifest, Order, Signed, Step, Target, Token};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

/// How often is looked without any hint: a lost one costs this much.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How soon is looked again because of a hint: while a large run goes, hints come by the thousand.
pub(super) const LOOK_PAUSE: Duration = Duration::from_millis(250);
/// When an agent that waits for work is to come again.
const AGAIN: Duration = Duration::from_secs(1);
/// Attempts that one agent has under way at once.
pub(super) const BUSY_MAX: usize = 64;
/// The longest digest of an order book that is looked at.
const DIGEST_MAX: usize = 64;
/// Modules of one agent.
pub(super) const MODULES_MAX: usize = 32;

#[tracing::instrument(name = "gateway.own.contact", level = "debug", skip_all, fields(agent = %call.agent.id))]
pub(super) async fn answer(call: &Call<'_>) -> Result<Said, Refused> {
    let mut told: ContactRequest = call.read().await?;
    told.modules.truncate(MODULES_MAX);
    let wait = Duration::from_secs(told.wait_seconds.min(LONG_POLL_SECONDS_MAX));
    heard(call, &told, wait + LOOK_EVERY);
    told.busy.truncate(BUSY_MAX);
    let seen = wait_for_work(call, &told, wait).await?;
    // Who waits for work comes again at once; the slot is for those who ask and go.
    let again_in = if wait.is_zero() { seen.tidings.contact_in } else { AGAIN };
    heard(call, &told, again_in);
    tracing::debug!(orders = seen.tidings.claimed.len(), "answered");
    Ok(Said::ok(&told_back(call, &seen, again_in)))
}

/// What an agent is told.
pub(super) fn told_back(call: &Call<'_>, seen: &Seen, again_in: Duration) -> ContactAnswer {
    let tidings = &seen.tidings;
    ContactAnswer {
        orders: tidings.claimed.iter().filter_map(|handed| order(call, handed)).collect(),
        contact_in_seconds: again_in.as_secs().max(1),
        inventory_due: tidings.inventory_due,
        stop: seen.stop.clone(),
        frozen: tidings.frozen,
        book: seen.book.as_ref().map(|book| book.entries.iter().filter_map(|entry| entry_of(call, entry)).collect()),
        server_time_ms: now(call).millis(),
    }
}

pub(super) fn now(call: &Call<'_>) -> Timestamp {
    call.gateway.inner.engine.now()
}

pub(super) fn heard(call: &Call<'_>, told: &ContactRequest, again_in: Duration) {
    let version = Some(told.version.chars().take(100).collect());
    let offset = told.time_ms.saturating_sub(now(call).millis());
    call.gateway.inner.lives.heard(call, told);
    let heard = own_presence(&call.agent, now(call), again_in, address(call.peer), version);
    call.gateway.inner.engine.heard(Heard { clock_offset: Some(offset), ..heard });
}

/// The signed order of an attempt (docs/adr/0010): a manifest for this one target, and the token of the attempt.
fn order(call: &Call<'_>, handed: &Handed) -> Option<Order> {
    let Handed { claimed, action, job } = handed;
    let (job, standing) = job.as_deref().cloned().unzip();
    let (agent, key, issued_ms) = (&call.agent, call.gateway.inner.options.server_keys.current(), now(call).millis());
    let step = u32::try_from(claimed.step).ok()?;
    let mut nonce = [0; 16];
    call.gateway.inner.engine.random().fill(&mut nonce);
    let manifest = Manifest {
        v: 1,
        org: agent.org,
        run: claimed.run,
        task: claimed.of.task,
        task_name: claimed.of.task_name.clone(),
        version: claimed.of.version,
        steps: vec![Step {
            step,
            id: claimed.of.step_name.clone(),
            action: action.clone(),
            timeout_seconds: claimed.timeout_seconds,
            idempotent: claimed.of.idempotent,
            stops: claimed.of.stops,
            slice: claimed.slice,
        }],
        job,
        root: String::new(),
        count: 0,
        issued_ms,
        nonce: format!("{:032x}", u128::from_be_bytes(nonce)),
    };
    let target = Target {
        agent: agent.id,
        incarnation: agent.incarnation,
        not_before_ms: Some(claimed.not_before.millis()),
        not_after_ms: claimed.not_after.map(Timestamp::millis),
    };
    let token = Token {
        manifest: String::new(),
        assignment: claimed.assignment,
        attempt: claimed.attempt,
        step,
        agent: agent.id,
        incarnation: agent.incarnation,
        lease_until_ms: claimed.lease.millis(),
        issued_ms,
        standing,
        recurs: None,
    };
    Signed::new(key, manifest, vec![target]).order(key, 0, token)
}

/// A signed entry of the order book.
fn entry_of(call: &Call<'_>, entry: &Entry) -> Option<Order> {
    let Entry { row, task_name, recurs, course } = entry;
    let (key, issued_ms) = (call.gateway.inner.options.server_keys.current(), now(call).millis());
    let (place, leg) = (row.standing.place, course.legs.get(row.standing.place)?);
    let step = u32::try_from(place).ok()?;
    let mut nonce = [0; 16];
    call.gateway.inner.engine.random().fill(&mut nonce);
    let manifest = Manifest {
        v: 1,
        org: row.org,
        run: RunId(uuid::Uuid::nil()),
        task: row.task,
        task_name: task_name.clone(),
        version: row.version,
        steps: vec![Step {
            step,
            id: course.plan.parts.get(place)?.id.clone(),
            action: leg.action.clone(),
            timeout_seconds: leg.timeout_seconds,
            idempotent: leg.idempotent,
            stops: leg.stops,
            slice: None,
        }],
        job: Some(course.clone()),
        root: String::new(),
        count: 0,
        issued_ms,
        nonce: format!("{:032x}", u128::from_be_bytes(nonce)),
    };
    let target = Target { agent: row.actor.agent, incarnation: row.actor.incarnation, not_before_ms: None, not_after_ms: None };
    let token = Token {
        manifest: String::new(),
        assignment: AssignmentId::NONE,
        attempt: row.issue,
        step,
        agent: row.actor.agent,
        incarnation: row.actor.incarnation,
        lease_until_ms: row.valid.millis(),
        issued_ms,
        standing: Some(row.standing.clone()),
        recurs: Some(recurs.clone()),
    };
    Signed::new(key, manifest, vec![target]).order(key, 0, token)
}

/// Looks at once, then at hints and now and then, until there is work, the time is over or the server stops.
async fn wait_for_work(call: &Call<'_>, told: &ContactRequest, wait: Duration) -> Result<Seen, Refused> {
    let inner = &call.gateway.inner;
    // Registered before looking, so that nothing is lost between.
    let mut hints = inner.engine.hints();
    let mut shutdown = inner.options.shutdown.clone();
    let deadline = Instant::now() + wait;
    let mut next_look = Instant::now();
    let mut seen = look(call, told, false).await?;
    loop {
        let over = Instant::now() >= deadline || *shutdown.borrow_and_update();
        if over || seen.is_news(told) {
            return Ok(seen);
        }
        let tick = (Instant::now() + LOOK_EVERY).min(deadline);
        let hinted = tokio::select! {
            () = concerning(&mut hints, call.agent.org) => true,
            () = tokio::time::sleep_until(tick) => false,
            stops = shutdown.changed() => {
                if stops.is_err() {
                    // Nobody is left who could stop the server: wait without asking further.
                    tokio::time::sleep_until(tick).await;
                }
                false
            }
        };
        if hinted {
            tokio::time::sleep_until(next_look.min(deadline)).await;
            next_look = Instant::now() + LOOK_PAUSE;
            hints = hints.resubscribe();
        }
        // What waits but is not for this agent now is not asked for again until something changes: that would be a write each time.
        if hinted || !seen.something_waits || !told.busy.is_empty() {
            seen = look(call, told, false).await?;
        }
    }
}

/// What a look found.
pub(super) struct Seen {
    pub(super) tidings: Tidings,
    pub(super) stop: Vec<AttemptRef>,
    pub(super) something_waits: bool,
    /// The order book, when the agent holds another one.
    pub(super) book: Option<Book>,
    /// Whether its device came to another organization since this connection began.
    pub(super) is_moved: bool,
}

impl Seen {
    /// Whether an agent that waits on the line is told at once.
    pub(super) fn is_news(&self, told: &ContactRequest) -> bool {
        let it = &self.tidings;
        self.book.is_some()
            || !it.claimed.is_empty()
            || it.inventory_due
            || !self.stop.is_empty()
            || told.frozen.is_some_and(|known| known != it.frozen)
    }
}

/// Looks for news. Whether anything waits is read first, without writing, unless it `is_known` that something does.
pub(super) async fn look(call: &Call<'_>, told: &ContactRequest, is_known: bool) -> Result<Seen, Refused> {
    let engine = &call.gateway.inner.engine;
    let (mut cx, id) = (call.gateway.cx_in(call.agent.org), call.agent.id);
    cx.now = engine.now();
    // Who is woken for work of its own is not looked at further.
    let looked = if is_known { None } else { Some(engine.look_own(&cx, id).await?) };
    let is_moved = looked.as_ref().and_then(|look| look.agent.as_ref()).is_some_and(|agent| agent.org != call.agent.org);
    let stop = to_stop(call, &cx, told).await?;
    let book = match &looked {
        Some(look) => book_for(call, &cx, told, &look.keeps).await?,
        None => None,
    };
    if let Some(tidings) = looked.and_then(|look| own_idle(&look, &cx)) {
        return Ok(Seen { tidings, stop, something_waits: false, book, is_moved });
    }
    let (modules, max, walks) = (told.modules.clone(), told.max_orders, told.walks);
    // What is left of the writer's queue is for those who report.
    if engine.store().stats().queued >= Class::Contact.requests_of(WRITER_QUEUE_MAX) as u64 {
        engine.doors().refused(Class::Contact, Reason::Busy);
        return Err(Refusal::Busy.into());
    }
    let tidings = engine.own_contact(&cx, OwnContact { agent: id, modules, max, walks }).await?;
    Ok(Seen { tidings, stop, something_waits: true, book, is_moved })
}

/// The order book for an agent that holds another one than it is to keep; that it took the one it is to keep is noted.
async fn book_for(call: &Call<'_>, cx: &Cx, told: &ContactRequest, keeps: &Keeps) -> Result<Option<Book>, Refused> {
    let Some(digest) = told.book.as_deref().filter(|digest| digest.len() <= DIGEST_MAX) else { return Ok(None) };
    let (engine, compared) = (&call.gateway.inner.engine, keeps.compared(digest));
    let (agent, digest) = (call.agent.clone(), digest.to_owned());
    Ok(match compared {
        Compared::Same => None,
        Compared::Taken => engine.write("book.taken", cx, move |tx, cx| book::taken(tx, cx, &agent, &digest)).await.map(|()| None)?,
        Compared::Behind | Compared::Drifted => {
            Some(engine.write("book.give", cx, move |tx, cx| book::give(tx, cx, &agent, &digest)).await?)
        }
    })
}

/// Which of the attempts that the agent has under way must not go on.
async fn to_stop(call: &Call<'_>, cx: &Cx, told: &ContactRequest) -> Result<Vec<AttemptRef>, Refused> {
    if told.busy.is_empty() {
        return Ok(Vec::new());
    }
    let busy: Vec<_> = told.busy.iter().map(|it| (it.assignment, it.attempt)).collect();
    let agent = call.agent.clone();
    let stop = call.gateway.inner.engine.read(cx, move |rx, cx| contact::to_stop(rx, cx, &agent, &busy)).await?;
    Ok(stop.into_iter().map(|(assignment, attempt)| AttemptRef { assignment, attempt }).collect())
}

/// Ends at a hint that may mean work for an agent of this organization.
pub(super) async fn concerning(hints: &mut Receiver<Hint>, org: OrgId) {
    loop {
        match hints.recv().await {
            Ok(hint) => {
                let topic = matches!(hint.topic, Topic::Assignment | Topic::Run | Topic::Settings | Topic::Wake);
                if topic && hint.org.is_none_or(|o| o == org.0) {
                    return;
                }
            }
            Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending::<()>().await,
        }
    }
}
