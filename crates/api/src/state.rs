//! What all handlers share.

use crate::metrics::Counters;
use crate::password::{Gate, SignIns};
use muster_core::ids::OrgId;
use muster_core::time::Timestamp;
use muster_engine::{Cx, Engine};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

/// What the program decides about the people's doors.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether the session's cookie is for TLS only.
    pub secure_cookies: bool,
    /// The server's version, shown to people.
    pub version: &'static str,
    /// Becomes true when the server stops: event streams end.
    pub shutdown: watch::Receiver<bool>,
    /// When the driver of the workers last went round (milliseconds since 1970; 0 is never): shown as the scheduler's lag.
    pub scheduler_beat: Arc<AtomicI64>,
}

/// What the doors need.
#[derive(Clone)]
pub struct Api {
    /// The engine behind them.
    pub engine: Engine,
    /// What the program decides.
    pub options: Options,
}

/// Event streams open at once; more are told to come again.
const STREAMS_MAX: usize = 1_000;

/// What all handlers share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    inner: Arc<Inner>,
}

struct Inner {
    api: Api,
    gate: Gate,
    sign_ins: SignIns,
    counters: Counters,
    streams: Arc<Semaphore>,
    intake: Mutex<Intake>,
}

/// Two looks at the number of stored inventories, for a rate.
#[derive(Clone, Copy, Default)]
struct Intake {
    before: (i64, u64),
    last: (i64, u64),
}

impl App {
    pub(crate) fn new(api: Api) -> Self {
        let start = (api.engine.now().millis(), api.engine.inventories());
        let inner = Inner {
            api,
            gate: Gate::default(),
            sign_ins: SignIns::default(),
            counters: Counters::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            intake: Mutex::new(Intake { before: start, last: start }),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.api.engine
    }

    pub(crate) fn options(&self) -> &Options {
        &self.inner.api.options
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.inner.gate
    }

    pub(crate) fn sign_ins(&self) -> &SignIns {
        &self.inner.sign_ins
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    pub(crate) fn streams(&self) -> &Arc<Semaphore> {
        &self.inner.streams
    }

    pub(crate) fn streams_open(&self) -> usize {
        STREAMS_MAX - self.inner.streams.available_permits()
    }

    /// A context before the caller is known.
    pub(crate) fn nobody(&self, request: &str) -> Cx {
        self.engine().system(OrgId(Uuid::nil()), request)
    }

    /// Inventories stored per second, over the last ten to twenty seconds in which somebody asked.
    pub(crate) fn intake_per_second(&self, now: Timestamp) -> f64 {
        let count = self.engine().inventories();
        let mut seen = self.inner.intake.lock().unwrap_or_else(PoisonError::into_inner);
        if now.millis() - seen.last.0 >= 10_000 {
            seen.before = seen.last;
            seen.last = (now.millis(), count);
        }
        let ms = now.millis() - seen.before.0;
        if ms <= 0 { 0.0 } else { count.saturating_sub(seen.before.1) as f64 * 1000.0 / ms as f64 }
    }
}
