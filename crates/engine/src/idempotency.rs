//! Requests that may come twice: the answer is kept in the transaction of the command, for 24 hours.

use crate::cx::Cx;
use crate::error::{Error, Kind};
use muster_core::access::Actor;
use muster_store::{KeptAnswer, Rx, Tx};

/// A request that its sender marked as possibly repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    key: String,
    request: Vec<u8>,
}

impl Once {
    /// The longest key, bytes.
    pub const KEY_BYTES_MAX: usize = 200;

    /// A key with the parts that make the request what it is: method, path, organization, body. No secrets: only a fast hash
    /// of the parts is kept.
    pub fn new(key: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Self { key: key.to_owned(), request: hasher.finalize().as_bytes().to_vec() }
    }
}

fn caller(cx: &Cx) -> String {
    match cx.caller.actor {
        Actor::User(id) => format!("user:{id}"),
        Actor::Token(id) => format!("token:{id}"),
        Actor::Agent(id) => format!("agent:{id}"),
        Actor::System => "system".to_owned(),
    }
}

/// The body kept for a repeated request; `None` when it comes for the first time. The same key with another request is
/// refused, and so is the repetition of a request whose answer held a secret.
pub fn kept(rx: &mut Rx, cx: &Cx, once: &Once) -> Result<Option<String>, Error> {
    let Some(kept) = rx.kept_answer(&caller(cx), &once.key)? else { return Ok(None) };
    if kept.request != once.request {
        let detail = "this Idempotency-Key was used with another request; take a new key for a new request";
        return Err(Error::new(Kind::Conflict, "request/idempotency-mismatch", detail));
    }
    if kept.body.is_empty() {
        let detail = "this request was done already; its answer held a secret that is shown only once. Remove what it made and begin anew";
        return Err(Error::new(Kind::Conflict, "request/already-done", detail));
    }
    Ok(Some(kept.body))
}

/// Keeps the answer of a request, in the transaction that did it; an empty body stands for one that holds a secret.
pub fn keep(tx: &mut Tx, cx: &Cx, once: &Once, status: u16, body: &str) -> Result<(), Error> {
    let answer = KeptAnswer { request: once.request.clone(), status: i64::from(status), body: body.to_owned() };
    Ok(tx.answer_keep(&caller(cx), &once.key, &answer, cx.now)?)
}
