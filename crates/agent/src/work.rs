//! The agent's loop: enrol if needed, ask for work and wait for it, do it, tell what came of it.
//!
//! Absent on purpose: how calls are signed (`client`) and how the machine is read (`collect`).

use crate::Options;
use crate::client::{CallError, Client, Credentials, SetupError, new_nonce};
use crate::clock::{SystemClock, random};
use crate::collect::{self, Collected, Machine};
use crate::identity::{DataDir, IdentityError, LastContact, Membership, Sent};
use crate::retry::{Backoff, WAIT_MAX};
use muster_core::inventory::Row;
use muster_core::time::{Clock, Timestamp};
use muster_wire::native::{self, Action, AttemptRef, ContactAnswer, Order, Report, ReportState};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How long the server may hold a contact, seconds.
const WAIT_SECONDS: u64 = 50;
/// What a call may take beyond the time that the server may hold it.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// What sending an inventory may take: slow lines exist.
const SEND_LIMIT: Duration = Duration::from_secs(300);
/// Orders taken at once.
const ORDERS_MAX: usize = 8;
/// The shortest time between two contacts that brought nothing.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest time between two contacts, whatever the server says.
const PAUSE_MAX: Duration = Duration::from_secs(86_400);
/// How often the time of the last contact is written down.
const CONTACT_KEPT_EVERY: Duration = Duration::from_secs(300);
/// What this agent can do, as the server's actions are called.
const MODULES: [&str; 3] = ["inventory", "basic_inventory", "ip_configuration"];
/// The sections that tell which machine this is.
const BASIC: [&str; 4] = ["hardware", "bios", "operatingsystem", "networks"];
/// Results that are remembered, so that an order that comes twice is not done twice.
const RESULTS_KEPT: usize = 256;
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
    machine: Machine,
    clock: Arc<dyn Clock>,
    data: DataDir,
    client: Client,
    server: String,
    backoff: Backoff,
    reports: Vec<Report>,
    done: VecDeque<Report>,
    contact_kept: Option<Timestamp>,
    /// Whether the brake is on, as last heard.
    frozen: bool,
}

/// An agent that has joined.
struct Member {
    credentials: Credentials,
    incarnation: u32,
}

/// Why an order did not end well.
struct Fault {
    state: ReportState,
    why: String,
}

/// What one round brought.
struct Round {
    contact_in: Duration,
    had_orders: bool,
    was_due: bool,
}

impl Agent {
    /// Opens the directory and makes the client; nothing is said to the server yet.
    pub(crate) fn new(options: Options) -> Result<Self, RunError> {
        let data = DataDir::open(&options.data)?;
        let joined = data.membership()?.map(|(membership, _)| membership.server);
        let server = options.server.clone().or(joined).ok_or(RunError::NoServer)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let client = Client::new(&server, options.authority.as_deref(), Arc::clone(&clock))?;
        if client.is_exposed() {
            tracing::warn!(server, "the server is reached without TLS: what is said can be read on the way, and joining is not protected");
        }
        let backoff = Backoff::new(options.first_wait);
        let machine = Machine::default();
        Ok(Self {
            options,
            machine,
            clock,
            data,
            client,
            server,
            backoff,
            reports: Vec::new(),
            done: VecDeque::new(),
            contact_kept: None,
            frozen: false,
        })
    }

    /// Works until something cannot be mended by waiting; with `once`, until nothing waits any more.
    pub(crate) async fn work(&mut self) -> Result<(), RunError> {
        let member = self.member().await?;
        if self.options.once { self.once(&member).await } else { self.forever(&member).await }
    }

    async fn forever(&mut self, member: &Member) -> Result<(), RunError> {
        loop {
            let began = self.clock.now();
            match self.round(member, WAIT_SECONDS).await {
                Ok(round) => {
                    self.backoff.reset();
                    if !round.had_orders {
                        let held = self.clock.now().since(began);
                        tokio::time::sleep(round.contact_in.max(PAUSE_MIN.saturating_sub(held))).await;
                    }
                }
                Err(RunError::Call(error)) => self.pause(&error).await,
                Err(error) => return Err(error),
            }
        }
    }

    async fn once(&mut self, member: &Member) -> Result<(), RunError> {
        let mut busy = 0;
        let mut rounds = 0;
        let mut was_due = false;
        while rounds < ONCE_ROUNDS_MAX {
            match self.round(member, 0).await {
                // An inventory that is due again right after it was sent is not sent again.
                Ok(round) if !round.had_orders && (was_due || !round.was_due) => return Ok(()),
                Ok(round) => {
                    rounds += 1;
                    was_due |= round.was_due;
                }
                Err(RunError::Call(CallError::Busy(wait))) if busy < ONCE_BUSY_MAX.0 && wait <= ONCE_BUSY_MAX.1 => {
                    busy += 1;
                    tokio::time::sleep(wait).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits after a failed call: as the server says, longer with every failure, and long when it refuses.
    async fn pause(&mut self, error: &CallError) {
        let chance = random().map_or(u16::MAX, u16::from_le_bytes);
        let wait = match error {
            CallError::Busy(wait) => (*wait).max(PAUSE_MIN.min(self.options.first_wait)),
            CallError::Refused { .. } => WAIT_MAX,
            _ => self.backoff.wait(chance),
        };
        tracing::warn!(seconds = wait.as_secs_f32(), "{error}; trying again later");
        tokio::time::sleep(wait).await;
    }

    /// Who this agent is; joins when it is nobody yet.
    async fn member(&mut self) -> Result<Member, RunError> {
        let key = self.data.key_or_new()?;
        if let Some((membership, server_key)) = self.data.membership()? {
            let credentials = Credentials { agent: membership.agent_id, key, server_key };
            return Ok(Member { credentials, incarnation: membership.incarnation });
        }
        let token = self.options.join.clone().ok_or(RunError::NoToken)?;
        let (host, machine) = collect::evidence(&self.machine);
        let name = self.options.name.clone().unwrap_or(host);
        let public_key = native::public_key_text(&key.verifying_key());
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let mut request = native::EnrolRequest { token, public_key, nonce: new_nonce()?, name, machine, version };
        let mut busy = 0;
        let (answer, server_key) = loop {
            match self.client.enrol(&request).await {
                Ok(answer) => break answer,
                Err(error @ CallError::Refused { .. }) => return Err(RunError::NotTaken(error)),
                Err(CallError::Busy(wait)) if self.options.once && busy < ONCE_BUSY_MAX.0 && wait <= ONCE_BUSY_MAX.1 => {
                    busy += 1;
                    tokio::time::sleep(wait).await;
                }
                Err(error) if self.options.once => return Err(error.into()),
                Err(error) => self.pause(&error).await,
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
            org: answer.org,
            joined: self.clock.now(),
        };
        self.data.join(&membership)?;
        Ok(Member { credentials: Credentials { agent: membership.agent_id, key, server_key }, incarnation: membership.incarnation })
    }

    /// Delivers reports, asks for work, does it, delivers reports again.
    async fn round(&mut self, member: &Member, wait_seconds: u64) -> Result<Round, RunError> {
        self.deliver(member).await?;
        let request = native::ContactRequest {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time_ms: self.clock.now().millis(),
            modules: MODULES.map(str::to_owned).to_vec(),
            busy: Vec::new(),
            wait_seconds,
            max_orders: ORDERS_MAX,
            frozen: Some(self.frozen),
        };
        let limit = CALL_LIMIT + Duration::from_secs(wait_seconds);
        let answer: ContactAnswer = self.client.call(&member.credentials, native::CONTACT_PATH, &request, limit).await?;
        self.keep_contact()?;
        self.frozen = answer.frozen;
        let had_orders = !answer.orders.is_empty();
        let mut has_sent = false;
        for order in answer.orders.into_iter().take(ORDERS_MAX) {
            has_sent |= self.obey(member, order).await;
        }
        self.deliver(member).await?;
        if answer.inventory_due && !has_sent {
            self.send_inventory(member, None).await?;
        }
        let contact_in = Duration::from_secs(answer.contact_in_seconds).min(PAUSE_MAX);
        Ok(Round { contact_in, had_orders, was_due: answer.inventory_due })
    }

    /// Does one order and queues the report. Gives whether an inventory was sent.
    async fn obey(&mut self, member: &Member, order: Order) -> bool {
        let known = self.done.iter().find(|r| r.assignment == order.assignment && r.attempt == order.attempt).cloned();
        if let Some(report) = known {
            // The order came twice: our word of it was lost.
            self.reports.push(report);
            return false;
        }
        tracing::info!(assignment = %order.assignment, attempt = order.attempt, action = ?order.action, "order");
        // Orders of one contact are done one after the other: the time of this one may have passed meanwhile.
        let is_over = order.not_after_ms.is_some_and(|end| self.client.now_ms() >= end);
        let result = if is_over {
            Err(Fault { state: ReportState::Declined, why: "its time was over before it could begin".to_owned() })
        } else {
            if order.action != Action::Unknown {
                self.begin(member, &order).await;
            }
            self.work_on(member, &order).await.map_err(|why| Fault { state: ReportState::Error, why })
        };
        let state = result.as_ref().map_or_else(|fault| fault.state, |_| ReportState::Ok);
        let message = result.as_ref().err().map(|fault| fault.why.clone());
        let report = Report { output: result.as_ref().ok().and_then(Clone::clone), message, ..self.word(member, &order, state) };
        if self.done.len() == RESULTS_KEPT {
            self.done.pop_front();
        }
        self.done.push_back(report.clone());
        self.reports.push(report);
        result.is_ok() && order.action == Action::Inventory
    }

    fn word(&self, member: &Member, order: &Order, state: ReportState) -> Report {
        Report {
            assignment: order.assignment,
            attempt: order.attempt,
            incarnation: member.incarnation,
            state,
            exit_code: None,
            output: None,
            message: None,
            at_ms: self.client.now_ms(),
        }
    }

    /// Tells that an order is begun. All this agent does can be done twice without harm, so word that is lost keeps nothing from it.
    async fn begin(&mut self, member: &Member, order: &Order) {
        let request = native::ReportRequest { reports: vec![self.word(member, order, ReportState::Running)] };
        let told: Result<native::ReportAnswer, _> = self.client.call(&member.credentials, native::REPORT_PATH, &request, CALL_LIMIT).await;
        if let Err(error) = told {
            tracing::warn!(assignment = %order.assignment, "that it began could not be told: {error}");
        }
    }

    /// Does an order; gives what it has to say.
    async fn work_on(&mut self, member: &Member, order: &Order) -> Result<Option<String>, String> {
        let attempt = Some(AttemptRef { assignment: order.assignment, attempt: order.attempt });
        let limit = Duration::from_secs(order.timeout_seconds.max(1));
        let work = async {
            let (sent, output) = match order.action {
                Action::Inventory => (self.send_inventory(member, attempt).await, None),
                Action::BasicInventory => (self.send_part(member, attempt, &BASIC).await, None),
                Action::IpConfiguration => {
                    (self.send_part(member, attempt, &["networks"]).await, Some(collect::ip_configuration(&self.machine)))
                }
                Action::Unknown => return Err("this agent does not know the action; a newer agent may".to_owned()),
            };
            sent.map(|()| output).map_err(|e| format!("what was read could not be delivered: {e}"))
        };
        match tokio::time::timeout(limit, work).await {
            Ok(done) => done,
            Err(_) => Err(format!("it took longer than {} seconds", limit.as_secs())),
        }
    }

    /// Reads the machine and sends some sections; the others stay as the server has them.
    async fn send_part(&mut self, member: &Member, attempt: Option<AttemptRef>, wanted: &[&str]) -> Result<(), RunError> {
        let Collected { mut inventory, .. } = self.collected().await;
        inventory.sections.retain(|name, _| wanted.contains(&name.as_str()));
        let sections = native::section_marks(&inventory);
        let content = Some(content_of(&mut inventory.sections, |_| true));
        let request = native::InventoryRequest { sections, content, partial: true, attempt };
        let _: native::InventoryAnswer = self.client.call(&member.credentials, native::INVENTORY_PATH, &request, SEND_LIMIT).await?;
        collect::give_memory_back();
        Ok(())
    }

    /// Sends the reports that wait. They stay when the server cannot be reached, and go when it does not accept them.
    async fn deliver(&mut self, member: &Member) -> Result<(), RunError> {
        if self.reports.is_empty() {
            return Ok(());
        }
        let request = native::ReportRequest { reports: self.reports.clone() };
        let answer: native::ReportAnswer = self.client.call(&member.credentials, native::REPORT_PATH, &request, CALL_LIMIT).await?;
        for result in answer.results.iter().filter(|result| !result.accepted) {
            let reason = result.reason.as_deref().unwrap_or("no reason was given");
            tracing::warn!(assignment = %result.assignment, attempt = result.attempt, "a report was not accepted: {reason}");
        }
        self.reports.clear();
        Ok(())
    }

    /// Collects, tells the hashes of all sections, then sends those that the server does not have; the first time all.
    async fn send_inventory(&mut self, member: &Member, attempt: Option<AttemptRef>) -> Result<(), RunError> {
        let Collected { mut inventory, failed } = self.collected().await;
        let before = self.data.sent().sections;
        let mut marks = native::section_marks(&inventory);
        for (section, sentence) in failed {
            tracing::warn!(section, "not read: {sentence}");
            // The old hash says: still there, as you know it.
            marks.extend(before.get(section).map(|mark| (section.to_owned(), mark.clone())));
        }
        let mut content = before.is_empty().then(|| content_of(&mut inventory.sections, |_| true));
        // Twice at most: what the server wants, and nothing more after that.
        for _ in 0..2 {
            let sends_content = content.is_some();
            let request = native::InventoryRequest { sections: marks.clone(), content: content.take(), partial: false, attempt };
            let answer: native::InventoryAnswer =
                self.client.call(&member.credentials, native::INVENTORY_PATH, &request, SEND_LIMIT).await?;
            if sends_content || answer.want.is_empty() {
                break;
            }
            content = Some(content_of(&mut inventory.sections, |name| answer.want.iter().any(|wanted| wanted == name)));
        }
        self.data.keep_sent(&Sent { sections: marks })?;
        drop(inventory);
        collect::give_memory_back();
        tracing::info!("inventory sent");
        Ok(())
    }

    /// Reads the machine on a thread of its own, with what the command line says about it.
    async fn collected(&self) -> Collected {
        let (machine, now) = (self.machine.clone(), self.clock.now());
        let (name, tag) = (self.options.name.clone(), self.options.tag.clone());
        let read = tokio::task::spawn_blocking(move || collect::collect(&machine, now)).await;
        let mut collected = match read {
            Ok(collected) => collected,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        let sections = &mut collected.inventory.sections;
        if let (Some(name), Some(row)) = (name, sections.get_mut("hardware").and_then(|rows| rows.first_mut())) {
            row.insert("name".to_owned(), Value::from(name));
        }
        if let Some(tag) = tag {
            let row = Row::from([("keyname".to_owned(), json!("TAG")), ("keyvalue".to_owned(), json!(tag))]);
            sections.insert("accountinfo".to_owned(), vec![row]);
        }
        collected
    }

    fn keep_contact(&mut self) -> Result<(), RunError> {
        let now = self.clock.now();
        if self.options.once || self.contact_kept.is_none_or(|kept| now.since(kept) >= CONTACT_KEPT_EVERY) {
            self.data.keep_contact(LastContact { at: now })?;
            self.contact_kept = Some(now);
        }
        Ok(())
    }
}

/// The chosen sections as the inventory format writes them; they are moved out.
fn content_of(sections: &mut std::collections::BTreeMap<String, Vec<Row>>, wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
    let mut content = Map::new();
    for (name, rows) in sections.iter_mut().filter(|(name, _)| wanted(name)) {
        let mut values = std::mem::take(rows).into_iter().map(|row| Value::Object(row.into_iter().collect()));
        let value = if muster_core::inventory::is_single(name) { values.next() } else { Some(Value::Array(values.collect())) };
        content.extend(value.map(|value| (name.clone(), value)));
    }
    content
}
