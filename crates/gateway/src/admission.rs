//! Whose turn it is: memory and places for agents' requests, given by class (`muster_core::load`) and in fairness to sources.
//!
//! A request asks for a number of bytes and one place. What it asks for is given before anything is allocated and held until its
//! [`Share`] is dropped. Who finds no room waits in a line: the most urgent class first, within it each source in its turn, so
//! that a source with a thousand requests delays another's one by one request only.

use crate::bodies::{COST_MIN, Refusal};
use muster_core::limits::HELD_COST;
use muster_core::load::{BULK_AT_ONCE_MAX, Class};
use muster_engine::Engine;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Who asks, and for what kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub class: Class,
    pub source: IpAddr,
}

impl Origin {
    pub(crate) fn new(class: Class, peer: Option<IpAddr>) -> Self {
        Self { class, source: source(peer) }
    }
}

/// A network of IPv6 is one source: whoever has it has all of its addresses.
pub(crate) fn source(peer: Option<IpAddr>) -> IpAddr {
    match peer {
        Some(IpAddr::V6(ip)) => {
            let s = ip.segments();
            IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
        }
        Some(ip) => ip,
        None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// Sizes of the room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Bytes of all shares.
    pub bytes: usize,
    /// Shares at once.
    pub requests: usize,
    /// Shares of one source at once.
    pub per_source: usize,
    /// Requests in the lines.
    pub waiting: usize,
}

/// The room and the lines before it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Admission {
    shared: Arc<Shared>,
}

struct Shared {
    room: Room,
    engine: Engine,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bytes: usize,
    running: usize,
    bulk: usize,
    sources: BTreeMap<IpAddr, usize>,
    lines: [Line; Class::ALL.len()],
    waiting: usize,
    numbers: u64,
}

/// The line of a class: sources in turn, each with its requests.
#[derive(Default)]
struct Line {
    turn: VecDeque<IpAddr>,
    of: BTreeMap<IpAddr, VecDeque<Waiter>>,
}

struct Waiter {
    number: u64,
    bytes: usize,
    tell: oneshot::Sender<Share>,
}

/// Bytes and a place; given back when it is dropped.
pub(crate) struct Share {
    shared: Arc<Shared>,
    origin: Origin,
    /// How much of the memory for documents it is.
    pub bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        let granted = {
            let mut state = self.shared.state();
            state.leave(self.origin, self.bytes);
            state.grant(&self.shared)
        };
        tell(granted);
    }
}

impl Share {
    /// Makes it larger or smaller, unless there is no room now.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        let granted = {
            let mut state = self.shared.state();
            let others = state.bytes - self.bytes;
            if bytes > self.bytes && others + bytes > self.origin.class.bytes_of(self.shared.room.bytes) {
                return false;
            }
            state.bytes = others + bytes;
            self.bytes = bytes;
            state.grant(&self.shared)
        };
        tell(granted);
        true
    }

    /// Gives back what reading took, now that the document is read and holds so much: it waits for the writer, and the rows and
    /// packed sections that are made of it meanwhile are a few times that. A large one keeps what it has, as few are let in.
    pub(crate) fn read(&mut self, held: usize) {
        let needs = (held * HELD_COST).max(COST_MIN);
        if self.origin.class != Class::Bulk && needs < self.bytes {
            self.resize(needs);
        }
    }

    /// Goes over to a less urgent class, as its document turned out to belong to, unless there is no place for one more of it.
    /// Its bytes are small and it has them.
    pub(crate) fn lower_to(&mut self, class: Class) -> bool {
        // This one is counted already.
        let fits = self.shared.state().running <= class.requests_of(self.shared.room.requests).max(1);
        if fits && self.origin.class < class && class != Class::Bulk {
            self.origin.class = class;
        }
        fits
    }
}

/// Shares are told outside of the lock: one that nobody takes any more is dropped, and that locks.
fn tell(granted: Vec<(oneshot::Sender<Share>, Share)>) {
    for (tell, share) in granted {
        drop(tell.send(share));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fits(&self, room: &Room, origin: Origin, bytes: usize) -> bool {
        let Origin { class, source } = origin;
        if self.running == 0 {
            // Alone, whatever can be served at all is served.
            return bytes <= room.bytes;
        }
        self.bytes + bytes <= class.bytes_of(room.bytes)
            && self.running < class.requests_of(room.requests).max(1)
            && (class != Class::Bulk || self.bulk < BULK_AT_ONCE_MAX)
            && self.has_room_for(room, source)
    }

    fn has_room_for(&self, room: &Room, source: IpAddr) -> bool {
        self.sources.get(&source).is_none_or(|n| *n < room.per_source)
    }

    fn enter(&mut self, origin: Origin, bytes: usize) {
        self.bytes += bytes;
        self.running += 1;
        self.bulk += usize::from(origin.class == Class::Bulk);
        *self.sources.entry(origin.source).or_default() += 1;
    }

    fn leave(&mut self, origin: Origin, bytes: usize) {
        self.bytes -= bytes;
        self.running -= 1;
        self.bulk -= usize::from(origin.class == Class::Bulk);
        if let Some(n) = self.sources.get_mut(&origin.source) {
            *n -= 1;
            if *n == 0 {
                self.sources.remove(&origin.source);
            }
        }
    }

    /// Whether somebody waits who goes before a newcomer of this class.
    fn somebody_before(&self, class: Class) -> bool {
        Class::ALL.iter().filter(|c| **c <= class).any(|c| !self.lines[*c as usize].turn.is_empty())
    }

    /// Lets in whom there is room for now.
    fn grant(&mut self, shared: &Arc<Shared>) -> Vec<(oneshot::Sender<Share>, Share)> {
        let mut granted = Vec::new();
        'classes: for class in Class::ALL {
            let mut passed_over = 0;
            while passed_over < self.lines[class as usize].turn.len() {
                let line = &mut self.lines[class as usize];
                let Some(source) = line.turn.pop_front() else { break };
                let origin = Origin { class, source };
                let Some(bytes) = line.of.get(&source).and_then(|q| q.front()).map(|w| w.bytes) else {
                    line.of.remove(&source);
                    continue;
                };
                if !self.has_room_for(&shared.room, source) {
                    self.lines[class as usize].turn.push_back(source);
                    passed_over += 1;
                    continue;
                }
                if !self.fits(&shared.room, origin, bytes) {
                    self.lines[class as usize].turn.push_front(source);
                    // Less urgent ones do not take what it waits for.
                    break 'classes;
                }
                if let Some(waiter) = self.take(origin) {
                    self.enter(origin, bytes);
                    granted.push((waiter.tell, Share { shared: Arc::clone(shared), origin, bytes }));
                }
            }
        }
        self.show(&shared.engine);
        granted
    }

    /// Takes the first request of a source whose turn was taken from the line.
    fn take(&mut self, origin: Origin) -> Option<Waiter> {
        let line = &mut self.lines[origin.class as usize];
        let queue = line.of.get_mut(&origin.source)?;
        let waiter = queue.pop_front();
        match queue.is_empty() {
            true => drop(line.of.remove(&origin.source)),
            false => line.turn.push_back(origin.source),
        }
        self.waiting -= usize::from(waiter.is_some());
        waiter
    }

    fn line_up(&mut self, origin: Origin, bytes: usize) -> (u64, oneshot::Receiver<Share>) {
        let (tell, told) = oneshot::channel();
        self.numbers += 1;
        self.waiting += 1;
        let number = self.numbers;
        let line = &mut self.lines[origin.class as usize];
        let queue = line.of.entry(origin.source).or_default();
        if queue.is_empty() {
            line.turn.push_back(origin.source);
        }
        queue.push_back(Waiter { number, bytes, tell });
        (number, told)
    }

    /// Takes a request out of its line, if it still stands there.
    fn give_up(&mut self, origin: Origin, number: u64) {
        let line = &mut self.lines[origin.class as usize];
        let Some(queue) = line.of.get_mut(&origin.source) else { return };
        let before = queue.len();
        queue.retain(|w| w.number != number);
        self.waiting -= before - queue.len();
        if queue.is_empty() {
            line.of.remove(&origin.source);
            line.turn.retain(|s| *s != origin.source);
        }
    }

    fn show(&self, engine: &Engine) {
        let doors = engine.doors();
        doors.bytes_in_flight.store(self.bytes as u64, Relaxed);
        doors.running.store(self.running as u64, Relaxed);
        doors.waiting.store(self.waiting as u64, Relaxed);
    }
}

/// A place in a line; given up when it is dropped.
struct Standing<'a> {
    shared: &'a Arc<Shared>,
    origin: Origin,
    number: u64,
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        let granted = {
            let mut state = self.shared.state();
            state.give_up(self.origin, self.number);
            // It may have stood before others that fit.
            state.grant(self.shared)
        };
        tell(granted);
    }
}

impl Admission {
    pub(crate) fn new(room: Room, engine: Engine) -> Self {
        Self { shared: Arc::new(Shared { room, engine, state: Mutex::default() }) }
    }

    /// The most that can be asked for.
    pub(crate) fn bytes_max(&self) -> usize {
        self.shared.room.bytes
    }

    /// A share, waiting for it at most so long.
    pub(crate) async fn enter(&self, origin: Origin, bytes: usize, wait: Duration) -> Result<Share, Refusal> {
        let began = Instant::now();
        let (number, told, granted) = {
            let mut state = self.shared.state();
            if !state.somebody_before(origin.class) && state.fits(&self.shared.room, origin, bytes) {
                state.enter(origin, bytes);
                state.show(&self.shared.engine);
                drop(state);
                return Ok(self.served(Share { shared: Arc::clone(&self.shared), origin, bytes }, began));
            }
            if bytes > self.shared.room.bytes || state.waiting >= origin.class.requests_of(self.shared.room.waiting) {
                return Err(Refusal::Busy);
            }
            let (number, told) = state.line_up(origin, bytes);
            // Those before it may wait for something else than room.
            (number, told, state.grant(&self.shared))
        };
        tell(granted);
        let standing = Standing { shared: &self.shared, origin, number };
        let share = tokio::time::timeout(wait, told).await;
        drop(standing);
        match share {
            Ok(Ok(share)) => Ok(self.served(share, began)),
            _ => Err(Refusal::Busy),
        }
    }

    fn served(&self, share: Share, began: Instant) -> Share {
        let engine = &self.shared.engine;
        engine.doors().served(share.origin.class, began.elapsed(), engine.now());
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_core::time::{HandClock, Timestamp};
    use muster_engine::{SeededRandom, Store};
    use std::task::{Context, Poll, Waker};

    const LONG: Duration = Duration::from_secs(60);

    fn admission(bytes: usize, requests: usize, per_source: usize) -> Admission {
        let clock = Arc::new(HandClock::at(Timestamp(1_795_000_000_000)));
        let engine = Engine::new(Store::inline(1, clock.clone()), clock, Arc::new(SeededRandom::new(1)));
        Admission::new(Room { bytes, requests, per_source, waiting: 64 }, engine)
    }

    fn from(class: Class, last: u8) -> Origin {
        Origin { class, source: IpAddr::from([10, 0, 0, last]) }
    }

    type Waiting<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Share, Refusal>> + 'a>>;

    /// Asks, and stands in line if need be.
    fn ask<'a>(to: &'a Admission, origin: Origin, bytes: usize) -> (Waiting<'a>, Option<Share>) {
        let mut waiting: Waiting<'a> = Box::pin(to.enter(origin, bytes, LONG));
        let got = poll(&mut waiting);
        (waiting, got)
    }

    fn poll(waiting: &mut Waiting<'_>) -> Option<Share> {
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(share)) => Some(share),
            Poll::Ready(Err(refusal)) => panic!("{refusal}"),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn the_urgent_find_room_where_the_patient_wait() {
        let room = admission(1_200, 100, 100);
        let (_, bulk) = ask(&room, from(Class::Bulk, 1), 900);
        let (mut second_bulk, none) = ask(&room, from(Class::Bulk, 2), 1);
        assert!(bulk.is_some() && none.is_none());
        let (_, inventory) = ask(&room, from(Class::Inventory, 3), 100);
        let (_, contact) = ask(&room, from(Class::Contact, 3), 100);
        let (_, verdict) = ask(&room, from(Class::Verdict, 3), 100);
        assert!(inventory.is_some() && contact.is_some() && verdict.is_some());
        let (mut late, none) = ask(&room, from(Class::Inventory, 4), 100);
        assert!(none.is_none());
        drop(bulk);
        assert!(poll(&mut late).is_some() && poll(&mut second_bulk).is_some());
    }

    #[tokio::test]
    async fn a_source_with_many_delays_another_by_one_only() {
        let room = admission(1 << 20, 2, 100);
        let (_, running) = ask(&room, from(Class::Verdict, 1), 1);
        let (_, held) = ask(&room, from(Class::Verdict, 1), 1);
        let mut flood: Vec<_> = (0..20).map(|_| ask(&room, from(Class::Verdict, 1), 1).0).collect();
        let (mut other, none) = ask(&room, from(Class::Verdict, 2), 1);
        assert!(none.is_none() && held.is_some());
        drop(running);
        let first = poll(&mut flood[0]).expect("the first of those who came before");
        assert!(poll(&mut other).is_none());
        drop(first);
        assert!(poll(&mut other).is_some());
    }

    #[tokio::test]
    async fn a_source_has_its_number_of_places_and_others_pass_it() {
        let room = admission(1 << 20, 100, 2);
        let shares: Vec<_> = (0..2).filter_map(|_| ask(&room, from(Class::Contact, 1), 1).1).collect();
        let (mut third, none) = ask(&room, from(Class::Contact, 1), 1);
        assert!(shares.len() == 2 && none.is_none());
        assert!(ask(&room, from(Class::Contact, 2), 1).1.is_some());
        drop(shares);
        assert!(poll(&mut third).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_leaves_the_line_and_all_is_given_back() {
        let room = admission(1_200, 100, 100);
        let (_, all) = ask(&room, from(Class::Verdict, 1), 1_200);
        assert_eq!(room.enter(from(Class::Verdict, 2), 1, Duration::from_secs(1)).await.err(), Some(Refusal::Busy));
        assert_eq!(room.enter(from(Class::Verdict, 2), 1_201, LONG).await.err(), Some(Refusal::Busy));
        let (gone, none) = ask(&room, from(Class::Verdict, 3), 1);
        assert!(none.is_none());
        drop(gone);
        drop(all);
        let state = room.shared.state();
        assert_eq!((state.bytes, state.running, state.waiting, state.sources.len()), (0, 0, 0, 0));
        assert!(state.lines.iter().all(|l| l.turn.is_empty() && l.of.is_empty()));
    }

    #[tokio::test]
    async fn a_share_grows_only_into_room_and_shrinks_for_others() {
        let room = admission(1_200, 100, 100);
        let (_, first) = ask(&room, from(Class::Verdict, 1), 600);
        let mut first = first.expect("room");
        let (_, second) = ask(&room, from(Class::Verdict, 1), 600);
        assert!(second.is_some() && !first.resize(601) && first.bytes == 600);
        let (mut third, none) = ask(&room, from(Class::Verdict, 2), 500);
        assert!(none.is_none() && first.resize(100));
        assert!(poll(&mut third).is_some());
    }

    #[tokio::test]
    async fn a_document_that_was_read_makes_room_for_others() {
        let room = admission(22 << 20, 100, 100);
        let (_, first) = ask(&room, from(Class::Inventory, 1), 10 << 20);
        let mut first = first.expect("room");
        let (mut second, none) = ask(&room, from(Class::Inventory, 2), 10 << 20);
        assert!(none.is_none());
        first.read(20 << 20);
        assert_eq!(first.bytes, 10 << 20, "it never takes more by this");
        first.read(100 << 10);
        assert_eq!(first.bytes, (100 << 10) * HELD_COST);
        assert!(poll(&mut second).is_some());
        first.read(1);
        assert_eq!(first.bytes, COST_MIN);
    }

    #[tokio::test]
    async fn four_large_inventories_are_read_at_once_and_small_ones_beside_them() {
        let room = admission(1 << 20, 100, 100);
        let large: Vec<_> = (0..4).filter_map(|n| ask(&room, from(Class::Bulk, n), 1).1).collect();
        let (_fifth, none) = ask(&room, from(Class::Bulk, 9), 1);
        assert!(large.len() == 4 && none.is_none());
        assert!(ask(&room, from(Class::Inventory, 9), 1).1.is_some());
    }
}
