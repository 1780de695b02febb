//! What the agents' doors count and measure, for the metrics page and for the answers that spread load. In memory only.

use muster_core::fleet::CrashKind;
use muster_core::load::{Class, LoadMeter};
use muster_core::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is too much to do.
    Busy,
    /// Too large, as it came or unpacked, or too costly to read.
    Large,
    /// It came too slowly.
    Slow,
    /// The connection ended before the body.
    Broken,
    /// It could not be unpacked or read.
    Unreadable,
    /// Too deep, or too many elements.
    Shape,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 6] = [Reason::Busy, Reason::Large, Reason::Slow, Reason::Broken, Reason::Unreadable, Reason::Shape];

    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Busy => "busy",
            Reason::Large => "large",
            Reason::Slow => "slow",
            Reason::Broken => "broken",
            Reason::Unreadable => "unreadable",
            Reason::Shape => "shape",
        }
    }
}

/// Counters and gauges of the agents' doors.
#[derive(Debug)]
pub struct Doors {
    refused: [[AtomicU64; Reason::ALL.len()]; Class::ALL.len()],
    served: [AtomicU64; Class::ALL.len()],
    sent_away: AtomicU64,
    orders_refused: Mutex<BTreeMap<&'static str, u64>>,
    crashes: [AtomicU64; CrashKind::ALL.len()],
    meter: Mutex<LoadMeter>,
    load: AtomicU64,
    /// Bytes that documents under way are reckoned to take.
    pub bytes_in_flight: AtomicU64,
    /// Bytes of bodies on their way or waiting to be read, beyond what each may have.
    pub bytes_receiving: AtomicU64,
    /// Requests that are being worked on.
    pub running: AtomicU64,
    /// Requests that wait for their turn.
    pub waiting: AtomicU64,
    /// Connections, of agents and people.
    pub connections: AtomicU64,
    /// Channels of our own agents.
    pub channels: AtomicU64,
    /// Connections that were refused because their source had too many.
    pub connections_refused: AtomicU64,
    /// Whether OCS agents can fetch packages: they do by TLS only.
    pub packages: AtomicBool,
}

impl Default for Doors {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            refused: Default::default(),
            served: Default::default(),
            sent_away: zero(),
            orders_refused: Mutex::default(),
            crashes: Default::default(),
            meter: Mutex::default(),
            load: AtomicU64::new(1f64.to_bits()),
            bytes_in_flight: zero(),
            bytes_receiving: zero(),
            running: zero(),
            waiting: zero(),
            connections: zero(),
            channels: zero(),
            connections_refused: zero(),
            packages: AtomicBool::new(false),
        }
    }
}

impl Doors {
    fn meter(&self) -> MutexGuard<'_, LoadMeter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a refusal.
    pub fn refused(&self, class: Class, reason: Reason) {
        self.refused[class as usize][reason as usize].fetch_add(1, Relaxed);
    }

    /// How many were refused.
    pub fn refusals(&self, class: Class, reason: Reason) -> u64 {
        self.refused[class as usize][reason as usize].load(Relaxed)
    }

    /// Counts a message whose turn came after a wait.
    pub fn served(&self, class: Class, waited: Duration, now: Timestamp) {
        self.served[class as usize].fetch_add(1, Relaxed);
        let mut meter = self.meter();
        meter.served(waited, now);
        self.load.store(meter.load(now).to_bits(), Relaxed);
    }

    /// How many messages had their turn.
    pub fn served_count(&self, class: Class) -> u64 {
        self.served[class as usize].load(Relaxed)
    }

    /// Counts an agent that is told to come again later; gives the load by which that is spread.
    pub fn sent_away(&self, now: Timestamp) -> f64 {
        self.sent_away.fetch_add(1, Relaxed);
        let mut meter = self.meter();
        meter.refused(now);
        let load = meter.load(now);
        self.load.store(load.to_bits(), Relaxed);
        load
    }

    /// How many agents were told to come again later.
    pub fn sent_away_count(&self) -> u64 {
        self.sent_away.load(Relaxed)
    }

    /// Counts a crash that one of our own agents told.
    pub fn crashed(&self, kind: CrashKind) {
        self.crashes[kind as usize].fetch_add(1, Relaxed);
    }

    /// How many crashes of a kind agents told.
    pub fn crashes(&self, kind: CrashKind) -> u64 {
        self.crashes[kind as usize].load(Relaxed)
    }

    /// Counts an order that one of our own agents refused, by the word of its reason.
    pub fn order_refused(&self, reason: &'static str) {
        *self.orders_refused.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    /// How many orders were refused, by reason; a reason that never came is absent.
    pub fn orders_refused(&self) -> BTreeMap<&'static str, u64> {
        self.orders_refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The load as it was at the last message (`muster_core::load`), 1 to 16.
    pub fn load(&self) -> f64 {
        f64::from_bits(self.load.load(Relaxed))
    }
}
