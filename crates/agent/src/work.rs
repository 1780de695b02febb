//! The agent's loop: join if needed, ask for work and wait for it, hand it to the jobs, tell what came of it; all at once, so that a
//! job that takes long holds nothing up.
//!
//! Absent on purpose: how calls are signed (`client`), what happens to an order (`jobs`) and how the machine is read (`collect`).

use crate::Options;
use crate::book::Book;
use crate::channel::Channel;
use crate::client::{CallError, Client, Credentials, Pinned, SetupError, new_nonce};
use crate::clock::{SystemClock, random};
use crate::collect::{self, Machine};
use crate::crash::{self, Alive};
use crate::identity::{DataDir, IdentityError, Membership, Names};
use crate::jobs::{Batch, Event, Jobs, modules};
use crate::journal::Journal;
use crate::link::Link;
use crate::retry::{Backoff, WAIT_MAX};
use crate::way::{News, Way};
use muster_core::time::{Clock, Timestamp};
use muster_wire::channel::FromServer;
use muster_wire::crash::{CRASH_PATH, CrashAnswer, CrashReport, CrashRequest};
use muster_wire::native::{self, AttemptRef, ContactAnswer, ContactRequest, ReportAnswer};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// How long the server may hold a contact, seconds; the shorter one when this agent has no room for more.
const WAIT_SECONDS: (u64, u64) = (50, 5);
/// What a call may take beyond the time that the server may hold it.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// The shortest time between two contacts that brought nothing.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest time between two contacts, whatever the server says.
const PAUSE_MAX: Duration = Duration::from_secs(86_400);
/// The longest time over which the server can spread those who come back, seconds.
const SPREAD_MAX: u64 = 3_600;
/// How often the time of the last contact is written down.
const CONTACT_KEPT_EVERY: Duration = Duration::from_secs(300);
/// How often is looked whether something may begin, at the latest.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How often `--once` asks while something runs: it may have to stop.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How often is looked for crashes that were not told.
const CRASHES_EVERY: Duration = Duration::from_secs(60);
/// When is told again what the server did not know yet.
const LATER: Duration = Duration::from_secs(5);
/// Rounds of `--once`: work may bring work, but not for ever.
const ONCE_ROUNDS_MAX: usize = 20;
/// How often, and how long at most, `--once` waits for a busy server.
const ONCE_BUSY_MAX: (usize, Duration) = (5, Duration::from_secs(60));

/// Why the agent ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The directory is of no use.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The client could not be made.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Nobody said which server.
    #[error("no server is known; say which with --server URL or MUSTER_AGENT_SERVER")]
    NoServer,
    /// The agent is not enrolled and has no token.
    #[error("this agent has not joined yet; give it a join token with --join TOKEN or MUSTER_AGENT_JOIN")]
    NoToken,
    /// The server does not take this agent.
    #[error("joining failed: {0}")]
    NotTaken(CallError),
    /// `--once` could not do what was waiting.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// One agent at work.
pub(crate) struct Agent {
    options: Options,
    clock: Arc<dyn Clock>,
    data: Arc<DataDir>,
    server: String,
    backoff: Backoff,
    boot: String,
    _alive: Alive,
}

/// How a life of the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// Nothing waits any more.
    Done,
    /// It was reset.
    Anew,
}

impl Agent {
    /// Opens the directory; nothing is said to the server yet.
    pub(crate) fn new(options: Options) -> Result<Self, RunError> {
        let data = DataDir::open(&options.data)?;
        let joined = data.membership()?.map(|(membership, _)| membership.server);
        let server = options.server.clone().or(joined).ok_or(RunError::NoServer)?;
        let backoff = Backoff::new(options.first_wait);
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        let data = Arc::new(data);
        let alive = Alive::begin(&data, &boot, &SystemClock)?;
        Ok(Self { options, clock: Arc::new(SystemClock), data, server, backoff, boot, _alive: alive })
    }

    /// Works until something cannot be mended by waiting; with `once`, until nothing waits any more.
    pub(crate) async fn work(&mut self) -> Result<(), RunError> {
        loop {
            let link = Arc::new(self.join().await?);
            match Loop::new(self, link)?.run().await? {
                Over::Anew if !self.options.once => tracing::info!("starting anew"),
                _ => return Ok(()),
            }
        }
    }

    /// Who this agent is; joins when it is nobody yet.
    async fn join(&mut self) -> Result<Link, RunError> {
        let client = Client::new(&self.server, self.options.authority.as_deref(), Arc::clone(&self.clock))?;
        if client.is_exposed() {
            let server = &self.server;
            tracing::warn!(server, "the server is reached without TLS: what is said can be read on the way, and joining is not protected");
        }
        let key = self.data.key_or_new()?;
        let (membership, server_key) = match self.data.membership()? {
            Some(known) => known,
            None => self.enrol(&client, &key).await?,
        };
        let former = membership.former_keys.iter().filter_map(|text| native::public_key(text).ok());
        let kept = std::iter::once(server_key).chain(former).collect();
        if let Some(last) = self.data.last_contact() {
            client.clock().remembered(last.ahead_ms);
        }
        Ok(Link {
            client,
            credentials: Credentials { agent: membership.agent_id, key, server_key: Pinned::new(server_key) },
            kept: Mutex::new(kept),
            incarnation: membership.incarnation,
            data: Arc::clone(&self.data),
            machine: Machine::default(),
            clock: Arc::clone(&self.clock),
            told: Names { tag: self.options.tag.clone(), name: self.options.name.clone() },
            names: Mutex::new(self.data.names()?),
            inventory: tokio::sync::Mutex::default(),
        })
    }

    async fn enrol(
        &mut self,
        client: &Client,
        key: &ed25519_dalek::SigningKey,
    ) -> Result<(Membership, ed25519_dalek::VerifyingKey), RunError> {
        let token = self.options.join.clone().ok_or(RunError::NoToken)?;
        let (host, machine) = collect::evidence(&Machine::default());
        let name = self.options.name.clone().unwrap_or(host);
        let public_key = native::public_key_text(&key.verifying_key());
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let mut request = native::EnrolRequest { token, public_key, nonce: new_nonce()?, name, machine, version };
        let mut busy = 0;
        let (answer, server_key) = loop {
            match client.enrol(&request).await {
                Ok(answer) => break answer,
                Err(error @ CallError::Refused { .. }) => return Err(RunError::NotTaken(error)),
                Err(CallError::Busy(wait)) if self.options.once && busy < ONCE_BUSY_MAX.0 && wait <= ONCE_BUSY_MAX.1 => {
                    busy += 1;
                    tokio::time::sleep(wait).await;
                }
                Err(error) if self.options.once => return Err(error.into()),
                Err(error) => tokio::time::sleep(self.wait_after(&error)).await,
            }
            request.nonce = new_nonce()?;
        };
        self.backoff.reset();
        tracing::info!(agent = %answer.agent_id, org = answer.org, server = self.server, "joined");
        let membership = Membership {
            server: self.server.clone(),
            agent_id: answer.agent_id,
            incarnation: answer.incarnation,
            server_key: answer.server_key,
            former_keys: Vec::new(),
            org: answer.org,
            joined: self.clock.now(),
        };
        // The orders of an earlier life do not follow into this one.
        Journal::open(&self.data, membership.joined)?.forget_all(&self.data)?;
        Book::forget(&self.data);
        self.data.join(&membership)?;
        Ok((membership, server_key))
    }

    /// How long to wait after a failed call: as the server says, longer with every failure, and long when it refuses.
    fn wait_after(&mut self, error: &CallError) -> Duration {
        let wait = match error {
            CallError::Busy(wait) => (*wait).max(PAUSE_MIN.min(self.options.first_wait)),
            CallError::Refused { .. } => WAIT_MAX,
            _ => self.backoff.wait(chance()),
        };
        tracing::warn!(seconds = wait.as_secs_f32(), "{error}; trying again later");
        wait
    }
}

fn chance() -> u16 {
    random().map_or(u16::MAX, u16::from_le_bytes)
}

type Call<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// Crashes, and what telling them came to.
type CrashesTold = (Vec<CrashReport>, Result<CrashAnswer, CallError>);

/// The answer of a call that is under way; nothing, for ever, when none is.
async fn answer_of<T>(call: &mut Option<Call<T>>) -> T {
    match call {
        Some(under_way) => {
            let answer = under_way.await;
            *call = None;
            answer
        }
        None => std::future::pending().await,
    }
}

/// One life of the loop.
struct Loop<'a> {
    agent: &'a mut Agent,
    link: Arc<Link>,
    jobs: Jobs,
    contact: Option<Call<Result<ContactAnswer, CallError>>>,
    report: Option<Call<(Batch, Result<ReportAnswer, CallError>)>>,
    crash: Option<Call<CrashesTold>>,
    way: Way,
    /// Over which time the server wants agents to come back when their channels break.
    spread: Option<Duration>,
    /// A channel that is being opened.
    opening: Option<Call<Result<Channel, CallError>>>,
    /// What this life calls itself.
    life: String,
    /// No contact and no report before these instants.
    contact_from: Instant,
    report_from: Instant,
    crash_from: Instant,
    asked: Instant,
    /// The routine inventory, while it is being sent.
    routine: Option<Call<Result<(), CallError>>>,
    /// Whether the brake is on, as last heard.
    is_frozen: bool,
    contact_kept: Option<Timestamp>,
    once: Once,
}

/// How far `--once` has come.
#[derive(Default)]
struct Once {
    rounds: usize,
    busy: usize,
    was_due: bool,
    /// The last contact brought nothing.
    is_over: bool,
}

impl<'a> Loop<'a> {
    fn new(agent: &'a mut Agent, link: Arc<Link>) -> Result<Self, RunError> {
        let journal = Journal::open(&agent.data, agent.clock.now())?;
        let jobs = Jobs::new(Arc::clone(&link), journal, agent.boot.clone())?;
        let now = Instant::now();
        let is_channel_wanted = !agent.options.once && !agent.options.poll && !link.client.is_exposed();
        let life = format!("{:016x}", u64::from_be_bytes(random().map_err(IdentityError::Randomness)?));
        Ok(Self {
            agent,
            link,
            jobs,
            way: Way::new(is_channel_wanted),
            spread: None,
            opening: None,
            life,
            contact: None,
            report: None,
            crash: None,
            contact_from: now,
            report_from: now,
            crash_from: now,
            asked: now,
            routine: None,
            is_frozen: false,
            contact_kept: None,
            once: Once::default(),
        })
    }

    async fn run(mut self) -> Result<Over, RunError> {
        let over = self.turn().await;
        self.jobs.shutdown().await;
        over
    }

    async fn turn(&mut self) -> Result<Over, RunError> {
        loop {
            let due = self.jobs.begin_kept();
            let look_at = self.jobs.begin_due(self.is_frozen).into_iter().chain(due).min();
            if let Some(over) = self.is_over() {
                return Ok(over);
            }
            self.call();
            let wake = self.wake(look_at);
            tokio::select! {
                answer = answer_of(&mut self.contact) => self.contacted(answer)?,
                opened = answer_of(&mut self.opening) => self.opened(opened)?,
                news = self.way.next() => self.told(news)?,
                (batch, answer) = answer_of(&mut self.report) => self.reported(batch, answer)?,
                (crashes, answer) = answer_of(&mut self.crash) => self.crashes_told(&crashes, answer),
                sent = answer_of(&mut self.routine) => self.brought(sent)?,
                event = self.jobs.next() => self.heard(event),
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    fn is_over(&self) -> Option<Over> {
        let is_quiet =
            self.jobs.is_idle() && self.jobs.is_told() && self.report.is_none() && self.crash.is_none() && self.routine.is_none();
        if self.jobs.is_reset() && is_quiet {
            return Some(Over::Anew);
        }
        (self.agent.options.once && is_quiet && self.once.is_over).then_some(Over::Done)
    }

    /// When something is to be done that nobody calls for.
    fn wake(&self, look_at: Option<i64>) -> Instant {
        let now = Instant::now();
        let look_in = look_at.map(|at| Duration::from_millis(u64::try_from(at - self.link.now_ms()).unwrap_or(0)));
        let looked = now + look_in.unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
        let is_asking = self.contact.is_some() || self.opening.is_some() || self.way.is_open();
        let contact = if is_asking { looked } else { self.contact_from };
        let report = if self.report.is_none() && !self.jobs.is_told() { self.report_from } else { looked };
        looked.min(contact).min(report).max(now)
    }

    /// Makes the calls whose time has come.
    fn call(&mut self) {
        let now = Instant::now();
        if self.report.is_none() && now >= self.report_from && !self.jobs.is_told() {
            let (link, batch) = (Arc::clone(&self.link), self.jobs.batch());
            let by_channel = self.way.channel().map(|channel| channel.report(batch.reports(), CALL_LIMIT));
            self.report = Some(Box::pin(async move {
                let answer = match by_channel {
                    Some(answer) => answer.await,
                    None => link.call(native::REPORT_PATH, &native::ReportRequest { reports: batch.reports() }, CALL_LIMIT).await,
                };
                (batch, answer)
            }));
        }
        if self.crash.is_none() && now >= self.crash_from.max(self.report_from) {
            self.tell_crashes(now);
        }
        if self.way.is_open() {
            return self.way.tell(self.state(self.jobs.busy(), 0));
        }
        let is_asking = self.contact.is_some() || self.opening.is_some();
        if !is_asking && now >= self.contact_from && self.way.is_due(now) {
            let (link, state) = (Arc::clone(&self.link), self.state(self.jobs.held(), 0));
            self.opening = Some(Box::pin(async move { link.channel(state).await }));
            return;
        }
        // What was begun is told first, so that `--once` does not ask for what is over.
        let waits_for_report = self.agent.options.once && self.report.is_some();
        if !is_asking && now >= self.contact_from && !waits_for_report {
            self.contact = Some(self.ask());
            self.asked = now;
        }
    }

    fn tell_crashes(&mut self, now: Instant) {
        self.crash_from = now + CRASHES_EVERY;
        let crashes = crash::untold(self.link.data.path());
        if crashes.is_empty() {
            return;
        }
        let link = Arc::clone(&self.link);
        self.crash = Some(Box::pin(async move {
            let request = CrashRequest { crashes };
            let answer = link.call(CRASH_PATH, &request, CALL_LIMIT).await;
            (request.crashes, answer)
        }));
    }

    /// An older server takes none: they wait for a newer one.
    fn crashes_told(&mut self, crashes: &[CrashReport], answer: Result<CrashAnswer, CallError>) {
        match answer {
            Ok(_) => crash::told(self.link.data.path(), crashes),
            Err(error) => tracing::warn!("a crash could not be told: {error}"),
        }
    }

    fn ask(&self) -> Call<Result<ContactAnswer, CallError>> {
        let room = self.jobs.room();
        let wait_seconds = match (self.agent.options.once, room) {
            (true, _) => 0,
            (false, 0) => WAIT_SECONDS.1,
            (false, _) => WAIT_SECONDS.0,
        };
        let request = self.state(self.jobs.busy(), wait_seconds);
        let (link, limit) = (Arc::clone(&self.link), CALL_LIMIT + Duration::from_secs(wait_seconds));
        Box::pin(async move { link.call(native::CONTACT_PATH, &request, limit).await })
    }

    /// What this agent says of itself.
    fn state(&self, busy: Vec<AttemptRef>, wait_seconds: u64) -> ContactRequest {
        ContactRequest {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time_ms: self.agent.clock.now().millis(),
            modules: modules(),
            busy,
            wait_seconds,
            max_orders: self.jobs.room(),
            life: Some(self.life.clone()),
            frozen: Some(self.is_frozen),
            walks: true,
            ahead: self.jobs.ahead(),
            book: Some(self.jobs.book_digest()),
        }
    }

    fn opened(&mut self, opened: Result<Channel, CallError>) -> Result<(), RunError> {
        match opened {
            Ok(channel) => {
                tracing::info!("the channel is open");
                self.agent.backoff.reset();
                self.way.opened(channel);
                Ok(())
            }
            Err(error) if self.way.not_opened(&error, Instant::now()) => self.failed(error),
            Err(error) => {
                tracing::info!("there is no channel ({error}); the server is asked without one");
                Ok(())
            }
        }
    }

    /// What came by the channel.
    fn told(&mut self, news: News) -> Result<(), RunError> {
        match news {
            News::Said(FromServer::Tidings { tidings }) => self.take(tidings).map(drop),
            News::Said(FromServer::Alive { server_time_ms, reconnect_within_seconds }) => {
                self.spread_over(reconnect_within_seconds);
                self.link.reached(server_time_ms);
                self.keep_contact()
            }
            News::Said(FromServer::Bye { reconnect_in_seconds, why }) => {
                let step = Duration::from_secs(reconnect_in_seconds).min(PAUSE_MAX / 2);
                let next_in = step + step.mul_f64(f64::from(chance()) / f64::from(u16::MAX));
                tracing::info!(seconds = next_in.as_secs_f32(), "the server ends the channel ({why}); opening another later");
                self.channel_ended(next_in);
                Ok(())
            }
            News::Said(FromServer::Welcome { reconnect_within_seconds, .. }) => {
                self.spread_over(reconnect_within_seconds);
                Ok(())
            }
            News::Said(_) => Ok(()),
            News::Ended => {
                // The whole fleet may have been cut at this moment.
                let spread = self.spread.map(|spread| spread.mul_f64(f64::from(chance()) / f64::from(u16::MAX)));
                let next_in = spread.unwrap_or_else(|| self.agent.backoff.wait(chance()));
                self.channel_ended(next_in);
                Ok(())
            }
        }
    }

    fn spread_over(&mut self, seconds: Option<u64>) {
        self.spread = seconds.map(|seconds| Duration::from_secs(seconds.min(SPREAD_MAX))).or(self.spread);
    }

    /// Neither does it ask meanwhile: whatever ended the channel is not answered by more calls.
    fn channel_ended(&mut self, next_in: Duration) {
        let now = Instant::now();
        self.way.ended(next_in, now);
        self.contact_from = self.contact_from.max(now + next_in);
    }

    fn contacted(&mut self, answer: Result<ContactAnswer, CallError>) -> Result<(), RunError> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.failed(error),
        };
        self.agent.backoff.reset();
        self.way.answered(Instant::now());
        let (contact_in, due) = (Duration::from_secs(answer.contact_in_seconds).min(PAUSE_MAX), answer.inventory_due);
        let had_orders = self.take(answer)?;
        self.once.rounds += 1;
        // An inventory that is due again right after it was sent is not sent again.
        self.once.is_over = (!had_orders && (self.once.was_due || !due)) || self.once.rounds >= ONCE_ROUNDS_MAX;
        self.once.was_due |= due;
        self.contact_from = self.next_contact(contact_in, had_orders);
        Ok(())
    }

    /// Takes what the server tells; gives whether there were orders.
    fn take(&mut self, answer: ContactAnswer) -> Result<bool, RunError> {
        self.link.reached(answer.server_time_ms);
        self.keep_contact()?;
        self.is_frozen = answer.frozen;
        for attempt in answer.stop {
            self.jobs.stop(attempt, "a person or the end of its time stopped it");
        }
        if let Some(book) = &answer.book {
            self.jobs.take_book(book)?;
        }
        let had_orders = !answer.orders.is_empty();
        for order in answer.orders.iter().take(crate::jobs::ORDERS_MAX) {
            self.jobs.take(order);
        }
        // An order to bring in the inventory does that too.
        let is_due = answer.inventory_due && self.routine.is_none() && !self.jobs.brings_inventory();
        if is_due && !(self.agent.options.once && self.once.was_due) {
            let link = Arc::clone(&self.link);
            self.routine = Some(Box::pin(async move { link.send_inventory(None).await }));
        }
        Ok(had_orders)
    }

    fn next_contact(&self, contact_in: Duration, had_orders: bool) -> Instant {
        let now = Instant::now();
        match (self.agent.options.once, had_orders) {
            (true, _) if self.jobs.is_idle() && self.routine.is_none() => now,
            (true, _) => now + ASK_EVERY,
            (false, true) => now,
            (false, false) => now + contact_in.max(PAUSE_MIN.saturating_sub(now - self.asked)),
        }
    }

    fn reported(&mut self, batch: Batch, answer: Result<ReportAnswer, CallError>) -> Result<(), RunError> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.jobs.untold(batch);
                return self.failed(error);
            }
        };
        for result in answer.results.iter().filter(|result| !result.accepted && !result.later) {
            let reason = result.reason.as_deref().unwrap_or("no reason was given");
            tracing::warn!(assignment = %result.assignment, attempt = result.attempt, "a report was not accepted: {reason}");
        }
        if self.jobs.told(&batch, &answer.results)? {
            self.report_from = self.report_from.max(Instant::now() + LATER);
        }
        self.ask_when_idle();
        Ok(())
    }

    fn heard(&mut self, event: Event) {
        match event {
            Event::Progress(attempt, output) => self.jobs.progressed(attempt, output),
            Event::Ended(attempt, done) => self.jobs.heard(attempt, done),
        }
    }

    fn brought(&mut self, sent: Result<(), CallError>) -> Result<(), RunError> {
        match sent {
            Ok(()) => self.ask_when_idle(),
            Err(error) => return self.failed(error),
        }
        Ok(())
    }

    /// With `--once` the next contact comes as soon as nothing is under way any more.
    fn ask_when_idle(&mut self) {
        if self.agent.options.once && self.jobs.is_idle() && self.routine.is_none() {
            self.contact_from = Instant::now();
        }
    }

    /// A call failed: nothing is said for a while; with `--once` it is the end, unless the server is only busy.
    fn failed(&mut self, error: CallError) -> Result<(), RunError> {
        if self.agent.options.once {
            match &error {
                CallError::Busy(wait) if self.once.busy < ONCE_BUSY_MAX.0 && *wait <= ONCE_BUSY_MAX.1 => self.once.busy += 1,
                _ => return Err(error.into()),
            }
        }
        let from = Instant::now() + self.agent.wait_after(&error);
        (self.contact_from, self.report_from) = (self.contact_from.max(from), self.report_from.max(from));
        Ok(())
    }

    fn keep_contact(&mut self) -> Result<(), RunError> {
        let now = self.agent.clock.now();
        if self.agent.options.once || self.contact_kept.is_none_or(|kept| now.since(kept) >= CONTACT_KEPT_EVERY) {
            self.link.keep_contact(now)?;
            self.contact_kept = Some(now);
        }
        Ok(())
    }
}
