//! Who acts, where, for which request; and where ids come from.

use crate::error::Error;
use muster_core::access::{Caller, Role};
use muster_core::ids::OrgId;
use muster_core::time::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// Where randomness comes from: the system in production, a seed in tests and the simulator.
pub trait Random: Send + Sync {
    /// Fills a buffer.
    fn fill(&self, bytes: &mut [u8]);
}

/// The system's randomness.
#[derive(Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system gives randomness");
    }
}

/// Randomness from a seed: the same seed gives the same bytes in the same order.
#[derive(Debug, Default)]
pub struct SeededRandom {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededRandom {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let n = self.drawn.fetch_add(1, Ordering::Relaxed);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes()).update(&n.to_le_bytes());
        hasher.finalize_xof().fill(bytes);
    }
}

/// The context of one command or query. A command may be run again from its start: ids come out the same.
#[derive(Clone, Debug)]
pub struct Cx {
    /// Who acts, and what it may.
    pub caller: Caller,
    /// The actor's name for the audit log.
    pub name: String,
    /// The organization acted in.
    pub org: OrgId,
    /// The request it belongs to.
    pub request: String,
    /// The instant of this run of the command.
    pub now: Timestamp,
    /// The load of the doors when it began (`muster_core::load`), 1 for none.
    pub load: f64,
    /// Whether OCS agents can be given packages here.
    pub packages: bool,
    /// The zone of the server's clock on the wall.
    pub server_zone: jiff::tz::TimeZone,
    seed: [u8; 32],
    made: Counter,
}

impl Cx {
    /// A context; `now` and the ids are set when a command runs with it.
    pub fn new(caller: Caller, name: impl Into<String>, org: OrgId, request: impl Into<String>) -> Self {
        Self {
            caller,
            name: name.into(),
            org,
            request: request.into(),
            now: Timestamp(0),
            load: 1.0,
            packages: false,
            server_zone: jiff::tz::TimeZone::UTC,
            seed: [0; 32],
            made: Counter::new(0),
        }
    }

    /// The same context for one more command: ids of its own, the same in each run of that command.
    pub(crate) fn seeded(&self, random: &dyn Random) -> Self {
        let mut seed = [0; 32];
        random.fill(&mut seed);
        Self { seed, ..self.clone() }
    }

    /// The same context at the beginning of a run of the command.
    pub(crate) fn at(&self, now: Timestamp) -> Self {
        Self { now, made: Counter::new(0), ..self.clone() }
    }

    /// The same context in another organization, with ids of its own.
    pub(crate) fn within(&self, org: OrgId) -> Self {
        let mut seed = [0; 32];
        self.draw(3, &mut seed);
        Self { org, seed, made: Counter::new(0), ..self.clone() }
    }

    fn draw(&self, purpose: u8, bytes: &mut [u8]) -> u64 {
        let n = self.made.get();
        self.made.set(n + 1);
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(&[purpose]).update(&n.to_le_bytes());
        hasher.finalize_xof().fill(bytes);
        n
    }

    /// A new id: UUID v7 of this instant, growing within the command.
    pub fn id<T: From<Uuid>>(&self) -> T {
        let mut bytes = [0; 16];
        let n = self.draw(1, &mut bytes);
        let millis = u64::try_from(self.now.millis().max(0)).unwrap_or(0);
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        let counter = u16::try_from(n & 0x0fff).unwrap_or(0);
        bytes[6] = 0x70 | u8::try_from(counter >> 8).unwrap_or(0);
        bytes[7] = u8::try_from(counter & 0xff).unwrap_or(0);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Uuid::from_bytes(bytes).into()
    }

    /// A new secret: 32 random bytes.
    pub fn secret(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.draw(2, &mut bytes);
        bytes
    }

    /// Refuses unless the caller may do what needs `least` in an organization. What the caller does not see does not exist.
    pub fn may(&self, least: Role, org: OrgId, what: &str) -> Result<(), Error> {
        if self.caller.may(least, org) { Ok(()) } else { Err(Error::denied(what)) }
    }

    /// The same in the organization acted in.
    pub fn may_here(&self, least: Role, what: &str) -> Result<(), Error> {
        self.may(least, self.org, what)
    }
}

/// A counter that crosses threads with its context; nobody counts in it from two threads at once.
#[derive(Debug)]
struct Counter(AtomicU64);

impl Counter {
    fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl Clone for Counter {
    fn clone(&self) -> Self {
        Self::new(self.get())
    }
}
