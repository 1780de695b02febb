//! The channels there are, and which of them a change concerns: hints are many, and few of them are for any one agent.

use crate::gateway::Inner;
use muster_core::fleet::Agent;
use muster_core::ids::{AgentId, DeviceId};
use muster_engine::{Hint, Topic};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// How soon all channels of an organization look because of new work, the brake or a setting.
const SOON: Duration = Duration::from_millis(100);
/// Channels that look at once: what is beyond waits for its turn, so that a whole fleet that is given work does not crowd out everybody
/// else, nor itself.
const LOOKS_MAX: usize = 192;
/// How soon, and how many at once, of those for which something waits look again because something ended: there may be room now.
const ROOM: (Duration, usize) = (Duration::from_millis(250), 64);

/// The channels there are: one for each agent; a newer one ends the older.
pub(crate) struct Channels {
    open: Mutex<Open>,
    /// Turns of looking.
    pub(super) turns: Semaphore,
}

impl Default for Channels {
    fn default() -> Self {
        Self { open: Mutex::default(), turns: Semaphore::new(LOOKS_MAX) }
    }
}

#[derive(Default)]
struct Open {
    agents: HashMap<AgentId, Entry>,
    devices: HashMap<DeviceId, Vec<AgentId>>,
    opened: u64,
    is_watched: bool,
    /// Where the next round of those that wait begins.
    rotor: usize,
}

struct Entry {
    number: u64,
    org: Uuid,
    wake: Arc<Notify>,
    work: Arc<AtomicBool>,
    waits: Arc<AtomicBool>,
    end: watch::Sender<bool>,
    /// Closes when the channel is over.
    over: watch::Receiver<()>,
}

/// What a channel is told by.
pub(super) struct Ear {
    pub(super) number: u64,
    /// Something may be new for it.
    pub(super) wake: Arc<Notify>,
    /// Whether it was woken because there is work for its very device.
    pub(super) work: Arc<AtomicBool>,
    /// Whether something waits for it that it may not have now.
    pub(super) waits: Arc<AtomicBool>,
    /// Becomes true when the agent opens another one.
    pub(super) ended: watch::Receiver<bool>,
    /// The older channel of the same agent, which was told to end: it may be handing something out yet.
    older: Option<watch::Receiver<()>>,
    /// Lives as long as the channel does.
    _alive: watch::Sender<()>,
}

impl Ear {
    /// Waits until the older channel of the same agent hands out nothing any more.
    pub(super) async fn older_is_over(&mut self) {
        if let Some(mut older) = self.older.take() {
            // Nothing is ever sent: it ends with its sender.
            while older.changed().await.is_ok() {}
        }
    }

    /// Whether the agent opened another one.
    pub(super) fn is_ended(&self) -> bool {
        *self.ended.borrow()
    }
}

impl Channels {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A channel begins; the first one has the hints watched.
    pub(super) fn begin(&self, agent: &Agent, inner: &Arc<Inner>) -> Ear {
        let (wake, waits, (end, ended)) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)), watch::channel(false));
        let (work, (alive, over)) = (Arc::new(AtomicBool::new(false)), watch::channel(()));
        let mut open = self.open();
        open.opened += 1;
        let number = open.opened;
        let entry =
            Entry { number, org: agent.org.0, wake: Arc::clone(&wake), work: Arc::clone(&work), waits: Arc::clone(&waits), end, over };
        let older = open.agents.insert(agent.id, entry).map(|older| {
            older.end.send_replace(true);
            older.over
        });
        if older.is_none() {
            open.devices.entry(agent.device).or_default().push(agent.id);
        }
        if !std::mem::replace(&mut open.is_watched, true) {
            drop(tokio::spawn(watch_hints(Arc::downgrade(inner), inner.engine.hints())));
        }
        Ear { number, wake, work, waits, ended, older, _alive: alive }
    }

    pub(super) fn end(&self, agent: AgentId, device: DeviceId, number: u64) {
        let mut open = self.open();
        if open.agents.get(&agent).is_some_and(|entry| entry.number == number) {
            open.agents.remove(&agent);
            if let Some(of_device) = open.devices.get_mut(&device) {
                of_device.retain(|id| *id != agent);
                if of_device.is_empty() {
                    open.devices.remove(&device);
                }
            }
        }
    }

    /// Wakes the channels of one organization, or all.
    fn wake_all(&self, org: Option<Uuid>) {
        for entry in self.open().agents.values().filter(|entry| org.is_none_or(|org| entry.org == org)) {
            entry.wake.notify_one();
        }
    }

    /// Wakes some of those of an organization for which something waits, others the next time.
    fn wake_some(&self, org: Option<Uuid>) {
        let mut open = self.open();
        let waiting: Vec<&Arc<Notify>> = open
            .agents
            .values()
            .filter(|entry| org.is_none_or(|org| entry.org == org) && entry.waits.load(Relaxed))
            .map(|entry| &entry.wake)
            .collect();
        let from = if waiting.is_empty() { 0 } else { open.rotor % waiting.len() };
        for wake in waiting.iter().cycle().skip(from).take(ROOM.1.min(waiting.len())) {
            wake.notify_one();
        }
        open.rotor = open.rotor.wrapping_add(ROOM.1);
    }

    /// Wakes the channels of one agent or device; `has_work` is whether there is work for it.
    fn wake(&self, id: Uuid, has_work: bool) {
        let open = self.open();
        let of_device = open.devices.get(&DeviceId(id)).into_iter().flatten();
        for entry in of_device.chain([&AgentId(id)]).filter_map(|id| open.agents.get(id)) {
            entry.work.fetch_or(has_work, Relaxed);
            entry.wake.notify_one();
        }
    }
}

/// Whom a hint concerns.
#[derive(Debug, PartialEq, Eq)]
enum Concern {
    Nobody,
    One(Uuid),
    /// All of an organization.
    All,
    /// Some of those of an organization that wait.
    Some,
}

fn concern(hint: &Hint) -> Concern {
    match (hint.topic, hint.id) {
        (Topic::Work | Topic::Agent | Topic::Device, Some(id)) => Concern::One(id),
        (Topic::Work | Topic::Settings, _) => Concern::All,
        (Topic::Run, _) => Concern::Some,
        _ => Concern::Nobody,
    }
}

/// Passes hints on for as long as there is a gateway.
async fn watch_hints(inner: Weak<Inner>, mut hints: Receiver<Hint>) {
    // When whose channels are to be woken, all of them or some.
    let mut due: BTreeMap<(Option<Uuid>, bool), Instant> = BTreeMap::new();
    loop {
        let next = due.values().min().copied();
        let hint = tokio::select! {
            hint = hints.recv() => Some(hint),
            () = async { if let Some(next) = next { sleep_until(next).await } else { std::future::pending().await } } => None,
        };
        let Some(inner) = inner.upgrade() else { return };
        let now = Instant::now();
        match hint {
            None => {}
            Some(Err(RecvError::Closed)) => return,
            Some(Err(RecvError::Lagged(_))) => drop(due.insert((None, true), now)),
            Some(Ok(hint)) => match concern(&hint) {
                Concern::Nobody => {}
                Concern::One(id) => inner.channels.wake(id, hint.topic == Topic::Work),
                Concern::All => drop(due.entry((hint.org, true)).or_insert(now + SOON)),
                Concern::Some => drop(due.entry((hint.org, false)).or_insert(now + ROOM.0)),
            },
        }
        due.retain(|(org, all), at| {
            let is_due = *at <= now;
            match (is_due, all) {
                (true, true) => inner.channels.wake_all(*org),
                (true, false) => inner.channels.wake_some(*org),
                (false, _) => {}
            }
            !is_due
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_one_wakes_one() {
        let hint = |topic, id| Hint { topic, id, org: None };
        assert_eq!(concern(&hint(Topic::Work, Some(Uuid::nil()))), Concern::One(Uuid::nil()));
        assert_eq!(concern(&hint(Topic::Work, None)), Concern::All);
        assert_eq!(concern(&hint(Topic::Settings, None)), Concern::All);
        // A run that goes on changes all the time.
        assert_eq!(concern(&hint(Topic::Run, Some(Uuid::nil()))), Concern::Some);
        assert_eq!(concern(&hint(Topic::Assignment, Some(Uuid::nil()))), Concern::Nobody);
    }
}
