//! Reading bodies: within a size and a time, unpacked within what all documents together may take.
//!
//! A body holds little until it is there: beyond [`BODY_FREE_BYTES`] each piece of it takes of what all bodies on their way may
//! hold. Unpacked is only what has a share of the memory for documents, reckoned from its size and the number of its elements.

use crate::admission::{Admission, Origin, Share};
use crate::gateway::{Gateway, Options};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use muster_core::limits::{
    BODY_FREE_BYTES, BODY_GRACE_SECONDS, BULK_FROM_BYTES, DOCUMENT_COST, ELEMENT_COST_BYTES, INFLATED_RATIO_MAX, RECEIVING_BYTES_MAX,
    ROW_COST_BYTES,
};
use muster_core::load::Class;
use muster_engine::{Engine, Reason};
use muster_wire::body::{BodyError, Coding, Decoded, decode_body, sniff, unpacked_size};
use muster_wire::bounds::{OutOfBounds, Shape, shape};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The least a document is reckoned to take, bytes.
pub(crate) const COST_MIN: usize = 64 << 10;
/// How many times larger inventories are when unpacked: seen 7 to 13 (`docs/protocols/ocs.md`, "Bodies").
const RATIO_EXPECTED: usize = 16;
/// Reading larger documents leaves the threads that serve connections, bytes; unpacking is four times as quick.
const BLOCKING_FROM: usize = 256 << 10;
/// A body on its way is held in pieces of this size, bytes.
const PIECE: usize = 64 << 10;
/// Large documents that are unpacked or read at once: each thread that does it keeps memory of its own.
const ASIDE_MAX: usize = 4;
/// A refused body is read on for this long, so that its sender hears the answer instead of a broken connection.
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Why a body was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Larger than the limit as it comes.
    #[error("the body is larger than {0} bytes; send less, or raise max_body on the server")]
    TooLarge(usize),
    /// It did not come within the time.
    #[error("only {bytes} bytes of the body came within {seconds} seconds; send it faster")]
    TooSlow {
        /// What came.
        bytes: usize,
        /// Within what.
        seconds: u64,
    },
    /// The connection broke.
    #[error("the connection ended before the body")]
    Broken,
    /// Too many others are being worked on.
    #[error("there is too much to do now; come again later")]
    Busy,
    /// It could not be unpacked.
    #[error("{0}")]
    Body(#[from] BodyError),
    /// It is deeper or has more elements than any document has.
    #[error("{0}")]
    Shape(#[from] OutOfBounds),
    /// Reading it would take more memory than all documents together may have.
    #[error("the document has {bytes} bytes and {elements} tags or values, which takes more memory than there is for all documents")]
    TooCostly {
        /// Its size.
        bytes: usize,
        /// Its tags or values.
        elements: usize,
    },
    /// Reading it failed by our own fault.
    #[error("the document could not be read by a fault of the server; its log says more")]
    Fault,
}

impl Refusal {
    /// The status for agents that have no rule of their own for it.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) | Self::TooCostly { .. } | Self::Body(BodyError::TooLarge { .. } | BodyError::Ratio { .. }) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Broken | Self::Body(_) | Self::Shape(_) => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Fault => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn reason(&self) -> Reason {
        match self {
            Self::Busy => Reason::Busy,
            Self::TooSlow { .. } => Reason::Slow,
            Self::Broken => Reason::Broken,
            Self::Shape(_) => Reason::Shape,
            Self::Body(_) | Self::Fault if self.status() != StatusCode::PAYLOAD_TOO_LARGE => Reason::Unreadable,
            _ => Reason::Large,
        }
    }
}

/// What bodies on their way hold, in all and by source.
#[derive(Default)]
struct Receiving {
    held: Mutex<(usize, BTreeMap<IpAddr, usize>)>,
}

/// A part of that; given back when it is dropped.
struct Held {
    engine: Engine,
    receiving: Arc<Receiving>,
    origin: Origin,
    bytes: usize,
}

impl Receiving {
    fn held(&self) -> MutexGuard<'_, (usize, BTreeMap<IpAddr, usize>)> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Takes more, unless it is too much for its class, or more than five sixths of all for its source.
    fn more(&mut self, bytes: usize) -> bool {
        let mut held = self.receiving.held();
        let (all, source) = (held.0 + bytes, held.1.get(&self.origin.source).copied().unwrap_or_default() + bytes);
        if all > self.origin.class.bytes_of(RECEIVING_BYTES_MAX) || source > RECEIVING_BYTES_MAX / 6 * 5 {
            return false;
        }
        held.0 = all;
        held.1.insert(self.origin.source, source);
        self.bytes += bytes;
        self.engine.doors().bytes_receiving.store(all as u64, Relaxed);
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut held = self.receiving.held();
        held.0 -= self.bytes;
        let left = held.1.get(&self.origin.source).copied().unwrap_or_default() - self.bytes;
        match left {
            0 => drop(held.1.remove(&self.origin.source)),
            left => drop(held.1.insert(self.origin.source, left)),
        }
        self.engine.doors().bytes_receiving.store(held.0 as u64, Relaxed);
    }
}

/// A body as it came.
pub(crate) struct Raw {
    /// Its bytes.
    pub bytes: Bytes,
    /// Whose it is.
    pub origin: Origin,
    _held: Held,
}

/// Reads a body within its size and time, whether its length was told or not. A refusal is counted.
pub(crate) async fn read(gateway: &Gateway, headers: &HeaderMap, mut body: Body, origin: Origin) -> Result<Raw, Refusal> {
    let inner = &gateway.inner;
    let max = inner.options.body_bytes_max;
    let told = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    let held = Held { engine: inner.engine.clone(), receiving: Arc::clone(&inner.unpacking.receiving), origin, bytes: 0 };
    let result = match told.filter(|n| *n > max) {
        Some(_) => Err(Refusal::TooLarge(max)),
        None => receive(&inner.options, &mut body, told, held).await,
    };
    if let Err(refusal) = &result {
        inner.engine.doors().refused(origin.class, refusal.reason());
        if matches!(refusal, Refusal::Busy | Refusal::TooLarge(_)) && told.is_none_or(|n| n <= 2 * max) {
            // Nobody hears of it when the sender is gone meanwhile.
            let _ = tokio::time::timeout(DISCARD_TIME, discard(&mut body, 2 * max)).await;
        }
    }
    result.map(|(bytes, held)| Raw { bytes, origin, _held: held })
}

/// How long a sender has for what came so far: some seconds, and for each kilobyte one more.
fn time_for(bytes: usize, options: &Options) -> Duration {
    let seconds = BODY_GRACE_SECONDS + (bytes / options.body_bytes_per_second_min.max(1)) as u64;
    Duration::from_secs(seconds).min(options.body_time)
}

async fn receive(options: &Options, body: &mut Body, told: Option<usize>, mut held: Held) -> Result<(Bytes, Held), Refusal> {
    let (max, began) = (options.body_bytes_max, Instant::now());
    let mut first: Vec<u8> = Vec::with_capacity(told.unwrap_or(1 << 10).min(BODY_FREE_BYTES));
    // Pieces of one size: what a body lets go fits the next one.
    let (mut more, mut size): (Vec<Vec<u8>>, usize) = (Vec::new(), 0);
    loop {
        let time = time_for(size, options);
        let frame = tokio::time::timeout_at(began + time, body.frame()).await;
        let Some(frame) = frame.map_err(|_| Refusal::TooSlow { bytes: size, seconds: time.as_secs() })? else { break };
        let Ok(data) = frame.map_err(|_| Refusal::Broken)?.into_data() else { continue };
        size += data.len();
        if size > max {
            return Err(Refusal::TooLarge(max));
        }
        let (head, mut rest) = data.split_at(data.len().min(BODY_FREE_BYTES - first.len()));
        first.extend_from_slice(head);
        while !rest.is_empty() {
            if more.last().is_none_or(|piece| piece.len() == PIECE) {
                if !held.more(PIECE) {
                    return Err(Refusal::Busy);
                }
                more.push(Vec::with_capacity(PIECE));
            }
            let Some(piece) = more.last_mut() else { break };
            let (now, later) = rest.split_at(rest.len().min(PIECE - piece.len()));
            piece.extend_from_slice(now);
            rest = later;
        }
    }
    if more.is_empty() {
        return Ok((first.into(), held));
    }
    first.reserve_exact(size - first.len());
    more.into_iter().for_each(|piece| first.extend_from_slice(&piece));
    Ok((first.into(), held))
}

async fn discard(body: &mut Body, most: usize) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > most {
            return;
        }
    }
}

/// Unpacks bodies so that all of them together stay within a limit.
#[derive(Clone)]
pub(crate) struct Unpacking {
    admission: Admission,
    engine: Engine,
    receiving: Arc<Receiving>,
    each_max: usize,
    wait: Duration,
}

impl Unpacking {
    /// Documents of at most `each_max` bytes; each waits `wait` for its share.
    pub(crate) fn new(admission: Admission, engine: Engine, each_max: usize, wait: Duration) -> Self {
        Self { admission, engine, receiving: Arc::default(), each_max, wait }
    }

    /// Unpacks a body and does `work` on it. The share is held until the caller drops it, which is when the document is done with.
    /// A refusal is counted.
    pub(crate) async fn unpack<T, F>(&self, raw: Raw, work: F) -> Result<(T, Share), Refusal>
    where
        T: Send + 'static,
        F: FnOnce(Decoded) -> T + Send + 'static,
    {
        let class = raw.origin.class;
        let done = match self.document(raw).await {
            Ok((decoded, mut share)) => aside(decoded.bytes.len(), move || work(decoded)).await.map(|value| {
                // The document itself is gone; its rows wait for the writer. That works on one at a time, so a small one may need
                // again what it gives back here; a large one keeps it.
                if share.bytes <= BULK_FROM_BYTES {
                    share.resize((share.bytes / 2).max(COST_MIN));
                }
                (value, share)
            }),
            Err(refusal) => Err(refusal),
        };
        done.inspect_err(|refusal| self.engine.doors().refused(class, refusal.reason()))
    }

    /// The document in a body, with a share of its cost.
    async fn document(&self, raw: Raw) -> Result<(Decoded, Share), Refusal> {
        let (mut limit, mut cost, mut known) = match sniff(&raw.bytes)? {
            // Nothing is unpacked: what it costs is known before it costs anything.
            Coding::Plain if raw.bytes.len() > self.each_max => return Err(BodyError::TooLarge { limit: self.each_max }.into()),
            Coding::Plain => (raw.bytes.len(), self.whole_cost(&raw.bytes)?, true),
            Coding::Zlib | Coding::Gzip => {
                let expected = raw.bytes.len().saturating_mul(RATIO_EXPECTED).max(COST_MIN / DOCUMENT_COST).min(self.each_max);
                (expected, self.cost(expected, Shape::default()), false)
            }
        };
        loop {
            let mut share = self.enter(raw.origin, cost).await?;
            let bytes = raw.bytes.clone();
            let decoded = match aside(limit / 4, move || decode_body(&bytes, limit)).await? {
                // Rarely well packed documents, and bombs: look how large it is before any of it is kept.
                Err(BodyError::TooLarge { .. }) if limit < self.each_max && !known => {
                    let (bytes, each_max) = (raw.bytes.clone(), self.each_max);
                    limit = aside(each_max, move || unpacked_size(&bytes, each_max, INFLATED_RATIO_MAX)).await??;
                    (cost, known) = (self.cost(limit, Shape::default()), true);
                    if share.resize(cost) {
                        let bytes = raw.bytes.clone();
                        aside(limit / 4, move || decode_body(&bytes, limit)).await??
                    } else {
                        continue;
                    }
                }
                decoded => decoded?,
            };
            let (size, whole) = (decoded.bytes.len(), self.whole_cost(&decoded.bytes)?);
            if share.resize(whole.min(self.most())) {
                return Ok((decoded, share));
            }
            // Waiting with a document in hand would keep others from ending: let go, and wait for all that is needed.
            (limit, cost, known) = (size, whole, true);
        }
    }

    /// What a document is reckoned to take, bytes.
    fn cost(&self, bytes: usize, shape: Shape) -> usize {
        let parts = shape.parts * ELEMENT_COST_BYTES + shape.rows * ROW_COST_BYTES;
        bytes.saturating_mul(DOCUMENT_COST).saturating_add(parts).max(COST_MIN)
    }

    /// What a document is reckoned to take, bytes, unless that is more than there is for all.
    fn whole_cost(&self, document: &[u8]) -> Result<usize, Refusal> {
        let shape = shape(document)?;
        let whole = self.cost(document.len(), shape);
        // With nothing at all to give, nobody's document is at fault.
        match whole > self.admission.bytes_max().max(COST_MIN) {
            true => Err(Refusal::TooCostly { bytes: document.len(), elements: shape.parts }),
            false => Ok(whole),
        }
    }

    async fn enter(&self, origin: Origin, cost: usize) -> Result<Share, Refusal> {
        let is_large = cost > BULK_FROM_BYTES && origin.class != Class::Verdict;
        let class = if is_large { Class::Bulk } else { origin.class };
        // A guess is no reason to refuse: what may be larger gets the most there is, and is looked at.
        self.admission.enter(Origin { class, ..origin }, cost.min(self.most()), self.wait).await
    }

    /// The most that one document is given.
    fn most(&self) -> usize {
        Class::Bulk.bytes_of(self.admission.bytes_max()).max(COST_MIN)
    }
}

/// Does work of a size: on a thread of its own when it is large.
async fn aside<T, F>(size: usize, work: F) -> Result<T, Refusal>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    if size <= BLOCKING_FROM {
        return Ok(work());
    }
    static PLACES: Semaphore = Semaphore::const_new(ASIDE_MAX);
    let place = PLACES.acquire().await.map_err(|_| Refusal::Fault)?;
    let done = tokio::task::spawn_blocking(work).await;
    drop(place);
    done.map_err(|error| {
        tracing::error!(%error, "reading a document panicked");
        Refusal::Fault
    })
}
