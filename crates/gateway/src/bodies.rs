//! Reading bodies: within a size and a time, unpacked within what all bodies together may take.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use muster_wire::body::{BodyError, Decoded, decode_body};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is counted at once, bytes.
const UNIT: usize = 1 << 10;
/// How many times larger inventories are when unpacked: seen 7 to 13 (`docs/protocols/ocs.md`, "Bodies").
const RATIO_EXPECTED: usize = 16;
/// Work on larger documents leaves the threads that serve connections, bytes.
const BLOCKING_FROM: usize = 256 << 10;

/// Why a body was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Larger than the limit as it comes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// It did not come within the time.
    #[error("the body did not come within {0} seconds")]
    TooSlow(u64),
    /// The connection broke.
    #[error("the connection ended before the body")]
    Broken,
    /// Too many others are being worked on.
    #[error("too many documents are being read at once; come again later")]
    Busy,
    /// It could not be unpacked.
    #[error("{0}")]
    Body(#[from] BodyError),
    /// Reading it failed by our own fault.
    #[error("the document could not be read by a fault of the server; its log says more")]
    Fault,
}

impl Refusal {
    /// The status for agents that have no rule of their own for it.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) | Self::Body(BodyError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Broken | Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Fault => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Reads a body of at most `max` bytes within `time`, whether its length was told or not.
pub(crate) async fn read(headers: &HeaderMap, body: Body, max: usize, time: Duration) -> Result<Bytes, Refusal> {
    let told = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|n| n > max as u64) {
        return Err(Refusal::TooLarge(max));
    }
    match tokio::time::timeout(time, Limited::new(body, max).collect()).await {
        Err(_) => Err(Refusal::TooSlow(time.as_secs())),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge(max)),
        Ok(Err(_)) => Err(Refusal::Broken),
    }
}

/// Unpacks bodies so that all of them together stay within a limit.
#[derive(Clone)]
pub(crate) struct Unpacking {
    units: Arc<Semaphore>,
    each_max: usize,
    wait: Duration,
}

impl Unpacking {
    /// `all_max` and `each_max` in bytes; a body waits `wait` for its share.
    pub(crate) fn new(all_max: usize, each_max: usize, wait: Duration) -> Self {
        Self { units: Arc::new(Semaphore::new(all_max / UNIT)), each_max, wait }
    }

    async fn share(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let units = u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX);
        let permit = tokio::time::timeout(self.wait, Arc::clone(&self.units).acquire_many_owned(units)).await;
        permit.ok().and_then(Result::ok).ok_or(Refusal::Busy)
    }

    /// Unpacks a body and does `work` on it. The share is held until the caller drops it, which is when the document is done with.
    pub(crate) async fn unpack<T, F>(&self, raw: &Bytes, work: F) -> Result<(T, OwnedSemaphorePermit), Refusal>
    where
        T: Send + 'static,
        F: FnOnce(Decoded) -> T + Clone + Send + 'static,
    {
        let expected = raw.len().saturating_mul(RATIO_EXPECTED).max(64 << 10).min(self.each_max);
        for limit in [expected, self.each_max] {
            let share = self.share(limit).await?;
            match unpack_within(raw, limit, work.clone()).await {
                // Rarely well packed documents, and bombs: begin again with the largest share.
                Err(Refusal::Body(BodyError::TooLarge { .. })) if limit < self.each_max => drop(share),
                done => return done.map(|value| (value, share)),
            }
        }
        Err(Refusal::Body(BodyError::TooLarge { limit: self.each_max }))
    }
}

async fn unpack_within<T, F>(raw: &Bytes, limit: usize, work: F) -> Result<T, Refusal>
where
    T: Send + 'static,
    F: FnOnce(Decoded) -> T + Send + 'static,
{
    let bytes = raw.clone();
    let whole = move || decode_body(&bytes, limit).map(work).map_err(Refusal::from);
    if limit <= BLOCKING_FROM {
        return whole();
    }
    tokio::task::spawn_blocking(whole).await.unwrap_or_else(|error| {
        tracing::error!(%error, "reading a document panicked");
        Err(Refusal::Fault)
    })
}
