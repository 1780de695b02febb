//! Orders on their way: taken, begun, ended, told. Each is written down (`journal`) before the next thing happens to it.
//!
//! Absent on purpose: the network (`work`) and what an action does (`acts`).

mod alone;
mod kept;

use crate::acts::{self, Around, Done, Ended, MODULES};
use crate::book::Book;
use crate::identity::IdentityError;
use crate::journal::{Journal, Next, OpenOrder, Stage, Taken};
use crate::link::Link;
use ed25519_dalek::VerifyingKey;
use muster_core::tasks::Action;
use muster_core::tasks::book::Occasion;
use muster_core::tasks::job::led::Piece;
use muster_core::tasks::window::{Open, claimable};
use muster_core::time::Timestamp;
use muster_wire::native::{AttemptRef, Report, ReportResult, ReportState};
use muster_wire::order::{Opened, Opener, Order, OrderRefusal};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Orders that this agent has in hand at once.
pub(crate) const ORDERS_MAX: usize = 8;
/// Words that wait to be told beside verdicts; the oldest go.
const WORDS_MAX: usize = 256;
/// What is told in one call: verdicts, and bytes of their output.
const BATCH_MAX: (usize, usize) = (64, 1 << 20);
/// The first and the longest pause between two tellings of what a job has put out so far.
const PROGRESS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// How long a job that is walked alone waits for the server to say that it goes on, milliseconds; without a connection it goes on at once.
const ASK_MS: i64 = 10_000;
/// How often the end of a window is looked at: the clock may be corrected meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What happens to jobs while the agent waits.
pub(crate) enum Event {
    /// One is over.
    Ended(AttemptRef, Done),
    /// One has put this out so far.
    Progress(AttemptRef, String),
}

/// What a job has put out so far.
type Progress = (AttemptRef, String);

/// What is told in one call.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    words: Vec<Report>,
    verdicts: Vec<Report>,
}

impl Batch {
    /// In the order of their attempts: of a job that is walked alone, the server hears of each step after the one before.
    pub(crate) fn reports(&self) -> Vec<Report> {
        let mut all: Vec<Report> = self.words.iter().chain(&self.verdicts).cloned().collect();
        all.sort_by_key(|report| (report.assignment, report.attempt));
        all
    }
}

/// An order that may be begun.
struct Held {
    opened: Opened,
    action: Action,
    /// Until when, by the server's clock, it waits for the server to have heard of the piece before it.
    asks: Option<i64>,
}

struct Running {
    opened: Opened,
    /// Gets the reason when it must not go on.
    stop: watch::Sender<Option<String>>,
    task: tokio::task::Id,
    is_reset: bool,
    is_inventory: bool,
}

/// All orders of this agent.
pub(crate) struct Jobs {
    link: Arc<Link>,
    journal: Journal,
    boot: String,
    waiting: Vec<Held>,
    running: BTreeMap<(muster_core::ids::AssignmentId, u32), Running>,
    words: Vec<Report>,
    /// What each later piece of a job follows.
    after: BTreeMap<AttemptKey, AttemptRef>,
    /// What this machine begins by its own clock.
    book: Book,
    /// Of which occurrence attempts are that were begun so.
    occasions: BTreeMap<AttemptKey, Occasion>,
    /// Those of which the server was not told yet, or did not know what to make.
    unknown: BTreeSet<AttemptKey>,
    /// What the jobs do; it ends with this.
    tasks: JoinSet<Done>,
    progress: (mpsc::Sender<Progress>, mpsc::Receiver<Progress>),
    resets: bool,
}

/// Whether an order may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Begin {
    Now,
    /// Not before this instant by the server's clock, milliseconds, or a change.
    Later(i64),
    Never(&'static str),
}

/// The rule of beginning: within its time as the server reckons it, while the server waits for it, and not while the brake is on.
fn may_begin(opened: &Opened, effect_after: Duration, is_frozen: bool, now_ms: i64) -> Begin {
    let (from, end, now) = (opened.target.not_before_ms, opened.target.not_after_ms.map(Timestamp), Timestamp(now_ms));
    let from_now_on = Open { not_before: now, not_after: end };
    if !claimable(&from_now_on, effect_after, now) {
        return Begin::Never("its time was over before it could begin");
    }
    if opened.lease_until_ms <= now_ms {
        return Begin::Never("the server waited no longer for it before it could begin");
    }
    match from {
        Some(from) if from > now_ms => Begin::Later(from),
        _ if is_frozen => Begin::Later(end.map_or(opened.lease_until_ms, |end| end.millis().min(opened.lease_until_ms))),
        _ => Begin::Now,
    }
}

type AttemptKey = (muster_core::ids::AssignmentId, u32);

fn key(attempt: AttemptRef) -> AttemptKey {
    (attempt.assignment, attempt.attempt)
}

impl Jobs {
    /// Takes up what an earlier life of the program left.
    pub(crate) fn new(link: Arc<Link>, journal: Journal, boot: String) -> Result<Self, IdentityError> {
        let (waiting, running, words, tasks) = (Vec::new(), BTreeMap::new(), Vec::new(), JoinSet::new());
        let progress = mpsc::channel(ORDERS_MAX);
        let (after, book, occasions, unknown) = (BTreeMap::new(), Book::default(), BTreeMap::new(), BTreeSet::new());
        let mut jobs =
            Self { link, journal, boot, waiting, running, words, after, book, occasions, unknown, tasks, progress, resets: false };
        jobs.open_book()?;
        for OpenOrder { attempt, work, boot } in jobs.journal.open_orders() {
            match (boot, work.piece) {
                (None, None) => jobs.take_up(attempt, &work.order),
                (None, Some(next)) => jobs.take_up_piece(attempt, &work.order, &next),
                (Some(boot), next) => jobs.find_interrupted(attempt, &work.order, next.as_ref(), &boot),
            }
        }
        Ok(jobs)
    }

    /// An order that was taken and not begun.
    fn take_up(&mut self, attempt: AttemptRef, order: &Order) {
        match order.open(&self.opener(&self.link.keys())) {
            Ok(opened) => self.hold(opened),
            Err(why) => {
                let word = self.word(attempt, ReportState::Declined);
                self.end(Report { refused: Some(why), message: Some(why.to_string()), ..word });
            }
        }
    }

    /// An order that was begun, and whose end nobody saw. What can be done twice without harm is, within its time.
    fn find_interrupted(&mut self, attempt: AttemptRef, order: &Order, next: Option<&Next>, boot: &str) {
        self.after.extend(next.and_then(|next| Some((key(attempt), next.after?))));
        let found = self.reopened(order, next).and_then(|opened| acts::read(&opened.step).map(|action| (opened, action)));
        match found {
            Err(why) => self.end(Report { message: Some(why), ..self.word(attempt, ReportState::Error) }),
            Ok((opened, action)) => {
                self.came_by_book(&opened);
                let may = may_begin(&opened, acts::takes_effect_after(&action), false, self.link.now_ms());
                if opened.step.idempotent && may == Begin::Now {
                    tracing::info!(assignment = %attempt.assignment, "it was interrupted and begins again");
                    self.start(Held { opened, action, asks: None });
                } else {
                    let done = acts::after_interruption(&action, boot != self.boot);
                    self.finish(&opened, self.verdict(attempt, done));
                }
            }
        }
    }

    /// Who opens orders; of those that were taken before, also what former keys of the server signed.
    fn opener<'a>(&self, keys: &'a [VerifyingKey]) -> Opener<'a> {
        Opener { keys, agent: self.link.credentials.agent, incarnation: self.link.incarnation, now_ms: self.link.now_ms() }
    }

    /// Takes an order, or refuses it.
    pub(crate) fn take(&mut self, order: &Order) {
        let opened = match order.open(&self.opener(&[self.link.credentials.server_key.key()])) {
            // An entry of the order book is no order.
            Ok(opened) if opened.recurs.is_some() => return self.refuse(order, OrderRefusal::Malformed),
            Ok(opened) => opened,
            Err(why) => return self.refuse(order, why),
        };
        match self.journal.take(order, &opened) {
            Ok(Taken::New) => {
                let attempt = opened.attempt;
                tracing::info!(assignment = %attempt.assignment, attempt = attempt.attempt, task = opened.task_name, step = opened.step.id, "order");
                self.hold(opened);
            }
            Ok(Taken::Known) => {}
            Ok(Taken::Replayed) => self.refuse(order, OrderRefusal::Replayed),
            Err(error) => {
                let message = Some(format!("it could not be written down, so it was not begun: {error}"));
                self.say(Report { message, ..self.word(opened.attempt, ReportState::Declined) });
            }
        }
    }

    /// Says why an order is not taken, unless that would be word of one that is on its way: whoever sent this does not decide that.
    fn refuse(&mut self, order: &Order, why: OrderRefusal) {
        let named = order.named();
        tracing::warn!(reason = why.as_str(), assignment = ?named.map(|n| n.assignment), "an order was refused: {why}");
        let Some(attempt) = named.filter(|named| matches!(self.journal.stage(*named), None | Some(Stage::Told))) else { return };
        let word = self.word(attempt, ReportState::Declined);
        self.say(Report { refused: Some(why), message: Some(why.to_string()), ..word });
    }

    fn hold(&mut self, opened: Opened) {
        match acts::read(&opened.step) {
            Ok(action) => self.waiting.push(Held { opened, action, asks: None }),
            Err(why) => self.finish(&opened, Report { message: Some(why), ..self.word(opened.attempt, ReportState::Error) }),
        }
    }

    /// Begins what may begin; gives the instant by the server's clock at which to look again.
    pub(crate) fn begin_due(&mut self, is_frozen: bool) -> Option<i64> {
        let (now, mut next) = (self.link.now_ms(), None::<i64>);
        for mut held in std::mem::take(&mut self.waiting) {
            held.asks = held.asks.filter(|until| *until > now);
            if let Some(until) = held.asks {
                next = Some(next.map_or(until, |next| next.min(until)));
                self.waiting.push(held);
                continue;
            }
            match may_begin(&held.opened, acts::takes_effect_after(&held.action), is_frozen, now) {
                Begin::Now => self.begin(held),
                Begin::Later(at) => {
                    next = Some(next.map_or(at, |next| next.min(at)));
                    self.waiting.push(held);
                }
                Begin::Never(why) => self.give_back(held.opened.attempt, why),
            }
        }
        next
    }

    fn give_back(&mut self, attempt: AttemptRef, why: &str) {
        self.end(Report { message: Some(why.to_owned()), ..self.word(attempt, ReportState::Declined) });
    }

    /// Writes down that it begins, then begins.
    fn begin(&mut self, held: Held) {
        let attempt = held.opened.attempt;
        match self.journal.begin(attempt, &self.boot) {
            Ok(true) => self.start(held),
            Ok(false) => tracing::error!(assignment = %attempt.assignment, "it was begun before and is not begun again"),
            Err(error) => self.give_back(attempt, &format!("that it begins could not be written down: {error}")),
        }
    }

    fn start(&mut self, Held { opened, action, .. }: Held) {
        let (attempt, kept) = (opened.attempt, opened.clone());
        self.say(self.word(attempt, ReportState::Running));
        let (stop, stopped) = watch::channel(None);
        let (is_reset, is_inventory) = (action == Action::ResetAgent, action == Action::Inventory);
        let work = perform(Arc::clone(&self.link), opened, action, stopped, self.progress.0.clone());
        let task = self.tasks.spawn(work).id();
        self.running.insert(key(attempt), Running { opened: kept, stop, task, is_reset, is_inventory });
    }

    /// What happens next to a job; nothing, for ever, while there is none.
    pub(crate) async fn next(&mut self) -> Event {
        tokio::select! {
            Some((attempt, output)) = self.progress.1.recv() => Event::Progress(attempt, output),
            Some(ended) = self.tasks.join_next_with_id() => {
                // A fault of this program ends one job, not the agent.
                let (task, done) = match ended {
                    Ok((task, done)) => (task, done),
                    Err(fault) => (fault.id(), Done::error(format!("the agent failed: {fault}"))),
                };
                let attempt = self.running.iter().find(|(_, it)| it.task == task).map(|(&(assignment, attempt), _)| AttemptRef { assignment, attempt });
                match attempt {
                    Some(attempt) => Event::Ended(attempt, done),
                    None => std::future::pending().await,
                }
            }
            else => std::future::pending().await,
        }
    }

    /// Ends what runs and waits until it is gone; what becomes of it is for the next life to find out.
    pub(crate) async fn shutdown(&mut self) {
        self.tasks.shutdown().await;
    }

    /// Ends what must not go on.
    pub(crate) fn stop(&mut self, attempt: AttemptRef, why: &str) {
        if let Some(running) = self.running.get(&key(attempt)) {
            running.stop.send_replace(Some(why.to_owned()));
        }
        if let Some(place) = self.waiting.iter().position(|held| held.opened.attempt == attempt) {
            self.waiting.remove(place);
            self.give_back(attempt, why);
        }
    }

    /// Takes note of what happened to a job.
    pub(crate) fn heard(&mut self, attempt: AttemptRef, done: Done) {
        let running = self.running.remove(&key(attempt));
        self.resets |= running.as_ref().is_some_and(|running| running.is_reset && done.state == ReportState::Ok);
        let verdict = self.verdict(attempt, done);
        match running {
            // A job that was told to stop is the server's to go on with.
            Some(running) if running.stop.borrow().is_none() => self.finish(&running.opened, verdict),
            _ => self.end(verdict),
        }
        if self.resets {
            let others: Vec<AttemptRef> = self.in_hand();
            for other in others {
                self.stop(other, "the agent was reset");
            }
        }
    }

    /// Takes note of what a job has put out so far.
    pub(crate) fn progressed(&mut self, attempt: AttemptRef, output: String) {
        if self.running.contains_key(&key(attempt)) {
            self.words.retain(|word| (word.assignment, word.attempt) != key(attempt) || word.state != ReportState::Running);
            self.say(Report { output: Some(output), ..self.word(attempt, ReportState::Running) });
        }
    }

    /// Attempts that the server is to know of as under way; those that were told to stop need no telling again.
    pub(crate) fn busy(&self) -> Vec<AttemptRef> {
        let running = self.running.iter().filter(|(_, it)| it.stop.borrow().is_none());
        let running = running.map(|(&(assignment, attempt), _)| AttemptRef { assignment, attempt });
        running.chain(self.waiting.iter().map(|held| held.opened.attempt)).filter(|it| !self.is_ahead(*it)).collect()
    }

    /// All attempts that are with this agent, also those that are over and were not told.
    pub(crate) fn held(&self) -> Vec<AttemptRef> {
        let untold = self.journal.untold().map(|report| AttemptRef { assignment: report.assignment, attempt: report.attempt });
        self.in_hand().into_iter().filter(|it| !self.is_ahead(*it)).chain(untold).collect()
    }

    fn in_hand(&self) -> Vec<AttemptRef> {
        let running = self.running.keys().map(|&(assignment, attempt)| AttemptRef { assignment, attempt });
        running.chain(self.waiting.iter().map(|held| held.opened.attempt)).collect()
    }

    /// How many orders more would be taken now.
    pub(crate) fn room(&self) -> usize {
        if self.resets { 0 } else { ORDERS_MAX.saturating_sub(self.running.len() + self.waiting.len()) }
    }

    /// Whether a whole inventory is brought in by an order that is in hand.
    pub(crate) fn brings_inventory(&self) -> bool {
        self.waiting.iter().any(|held| held.action == Action::Inventory) || self.running.values().any(|it| it.is_inventory)
    }

    /// Whether nothing is in hand.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// Whether everything was told.
    pub(crate) fn is_told(&self) -> bool {
        self.words.is_empty() && self.journal.untold().next().is_none()
    }

    /// Whether the agent is to start anew, now that nothing is left to do.
    pub(crate) fn is_reset(&self) -> bool {
        self.resets && self.is_idle() && self.is_told()
    }

    /// What is to be told next; words leave with it.
    pub(crate) fn batch(&mut self) -> Batch {
        let mut bytes = 0;
        let small = |report: &&Report| {
            let is_first = bytes == 0;
            bytes += 1 + report.output.as_ref().map_or(0, String::len);
            is_first || bytes <= BATCH_MAX.1
        };
        let verdicts = self.journal.untold().take(BATCH_MAX.0).take_while(small).cloned().collect();
        Batch { words: std::mem::take(&mut self.words), verdicts }
    }

    /// What could not be told waits again; word of progress that a verdict has overtaken does not. Jobs go on without a connection.
    pub(crate) fn untold(&mut self, batch: Batch) {
        let cut: Vec<AttemptRef> = batch.verdicts.iter().map(of).collect();
        let after = &self.after;
        for held in &mut self.waiting {
            if after.get(&key(held.opened.attempt)).is_some_and(|before| cut.contains(before)) {
                held.asks = None;
            }
        }
        let later = std::mem::take(&mut self.words);
        for word in batch.words.into_iter().chain(later) {
            self.say(word);
        }
    }

    /// What was told, whether it was taken or not, is not told again, unless the server does not know the occurrence yet. A job goes on
    /// where the server says so. Gives whether something is to be told again.
    pub(crate) fn told(&mut self, batch: &Batch, results: &[ReportResult]) -> Result<bool, IdentityError> {
        let later: BTreeSet<AttemptKey> = results.iter().filter(|it| it.later).map(|it| (it.assignment, it.attempt)).collect();
        for known in results.iter().filter(|it| it.accepted) {
            self.unknown.remove(&(known.assignment, known.attempt));
        }
        let begun = batch.words.iter().filter(|word| word.state == ReportState::Running && later.contains(&key(of(word))));
        for word in begun.cloned().collect::<Vec<_>>() {
            if self.running.contains_key(&key(of(&word))) {
                self.say(word);
            }
        }
        let told: Vec<AttemptRef> = batch.verdicts.iter().map(of).filter(|it| !later.contains(&key(*it))).collect();
        self.journal.told(&told, &self.link.data)?;
        for attempt in told {
            let goes_on = results.iter().any(|it| it.goes_on && (it.assignment, it.attempt) == key(attempt));
            if !goes_on {
                self.leave_after(attempt)?;
            }
        }
        let after = &self.after;
        for held in self.waiting.iter_mut().filter(|held| held.asks.is_some()) {
            let before = after.get(&key(held.opened.attempt));
            held.asks = held.asks.filter(|_| before.is_some_and(|it| matches!(self.journal.stage(*it), Some(Stage::Ended(_)))));
        }
        let journal = &self.journal;
        let is_kept = |(assignment, attempt): &AttemptKey| journal.stage(AttemptRef { assignment: *assignment, attempt: *attempt });
        self.after.retain(|it, _| is_kept(it).is_some());
        self.occasions.retain(|it, _| is_kept(it).is_some_and(|stage| *stage != Stage::Told));
        self.unknown.retain(|it| is_kept(it).is_some_and(|stage| *stage != Stage::Told));
        Ok(!later.is_empty())
    }

    fn say(&mut self, word: Report) {
        if self.words.len() == WORDS_MAX {
            self.words.remove(0);
        }
        self.words.push(word);
    }

    fn end(&mut self, report: Report) {
        self.end_with(report, None);
    }

    /// Writes a verdict down, with what follows it. A disk that takes nothing does not keep it from being told. Gives whether it is new.
    fn end_with(&mut self, report: Report, next: Option<Piece>) -> bool {
        let state = report.state;
        tracing::info!(assignment = %report.assignment, attempt = report.attempt, ?state, message = report.message, "over");
        self.journal.end(report.clone(), next).unwrap_or_else(|error| {
            tracing::error!("a verdict could not be written down: {error}");
            self.say(report);
            false
        })
    }

    fn verdict(&self, attempt: AttemptRef, done: Done) -> Report {
        let Done { state, exit_code, output, message } = done;
        Report { exit_code, output, message, ..self.word(attempt, state) }
    }

    fn word(&self, attempt: AttemptRef, state: ReportState) -> Report {
        Report {
            assignment: attempt.assignment,
            attempt: attempt.attempt,
            incarnation: self.link.incarnation,
            state,
            exit_code: None,
            output: None,
            message: None,
            occasion: self.occasions.get(&key(attempt)).cloned(),
            refused: None,
            at_ms: self.link.now_ms(),
        }
    }
}

fn of(report: &Report) -> AttemptRef {
    AttemptRef { assignment: report.assignment, attempt: report.attempt }
}

/// What this agent can do.
pub(crate) fn modules() -> Vec<String> {
    MODULES.map(str::to_owned).to_vec()
}

/// Does a job and tells what it puts out meanwhile.
async fn perform(
    link: Arc<Link>,
    opened: Opened,
    action: Action,
    stopped: watch::Receiver<Option<String>>,
    progress: mpsc::Sender<Progress>,
) -> Done {
    let (attempt, output) = (opened.attempt, Arc::default());
    let around = Around {
        link: Arc::clone(&link),
        attempt,
        output: Arc::clone(&output),
        ended: ended(link, &opened, stopped),
        slice: opened.step.slice,
    };
    let work = acts::act(&action, around);
    tokio::pin!(work);
    let (mut pause, mut told) = (PROGRESS.0, 0);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(pause) => {
                let (bytes, text) = {
                    let kept = output.lock().unwrap_or_else(PoisonError::into_inner);
                    (kept.bytes(), (kept.bytes() > told).then(|| kept.text()))
                };
                if let Some(text) = text {
                    (told, pause) = (bytes, (pause * 2).min(PROGRESS.1));
                    // Where there is no room, what comes next says it too.
                    let _ = progress.try_send((attempt, text));
                }
            }
        }
    }
}

/// Ends when a job must not go on: a person or the server says so, it takes too long, or its time is over and it may not finish.
fn ended(link: Arc<Link>, opened: &Opened, mut stopped: watch::Receiver<Option<String>>) -> Ended {
    let limit = Duration::from_secs(opened.step.timeout_seconds.max(1));
    let end = opened.target.not_after_ms.filter(|_| opened.step.stops);
    Box::pin(async move {
        let window = async {
            let Some(end) = end else { return std::future::pending().await };
            loop {
                let left = u64::try_from(end.saturating_sub(link.now_ms())).unwrap_or(0);
                if left == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(left).min(LOOK_EVERY)).await;
            }
        };
        let told = async {
            let why = stopped.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
            match why {
                Some(why) => why,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            why = told => why,
            () = tokio::time::sleep(limit) => format!("it took longer than {} seconds and was stopped", limit.as_secs()),
            () = window => "its time was over and it was stopped".to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_wire::order::{Step, Target};
    use serde_json::json;

    fn opened(not_before_ms: Option<i64>, not_after_ms: Option<i64>) -> Opened {
        let id = |n: u8| format!("00000000-0000-7000-8000-0000000000{n:02x}");
        Opened {
            run: id(1).parse().expect("id"),
            task_name: "t".to_owned(),
            attempt: AttemptRef { assignment: id(2).parse().expect("id"), attempt: 1 },
            step: Step {
                step: 0,
                id: "a".to_owned(),
                action: json!({}),
                timeout_seconds: 60,
                idempotent: false,
                stops: false,
                slice: None,
            },
            target: Target { agent: id(3).parse().expect("id"), incarnation: 1, not_before_ms, not_after_ms },
            lease_until_ms: 10_000,
            job: None,
            recurs: None,
        }
    }

    #[test]
    fn nothing_begins_outside_its_time_or_while_the_brake_is_on() {
        let at = |from, until, now| may_begin(&opened(from, until), Duration::ZERO, false, now);
        assert_eq!(at(None, None, 0), Begin::Now);
        assert_eq!(at(Some(500), None, 499), Begin::Later(500));
        assert_eq!(at(Some(500), Some(900), 500), Begin::Now);
        assert_eq!(at(Some(500), Some(900), 899), Begin::Now);
        assert!(matches!(at(Some(500), Some(900), 900), Begin::Never(why) if why.contains("time was over")));
        assert!(matches!(at(None, None, 10_000), Begin::Never(why) if why.contains("no longer")));
        assert_eq!(may_begin(&opened(None, Some(900)), Duration::ZERO, true, 0), Begin::Later(900));
        assert_eq!(may_begin(&opened(None, None), Duration::ZERO, true, 0), Begin::Later(10_000));
    }

    #[test]
    fn what_takes_effect_later_begins_so_much_earlier() {
        assert_eq!(may_begin(&opened(None, Some(900)), Duration::from_millis(300), false, 599), Begin::Now);
        assert!(matches!(may_begin(&opened(None, Some(900)), Duration::from_millis(300), false, 600), Begin::Never(_)));
    }
}
