//! What is remembered against misuse: nonces that were seen, and failed attempts to join. In memory: a restart forgets them.

use super::Refused;
use crate::admission::source;
use axum::http::StatusCode;
use muster_core::ids::AgentId;
use muster_wire::native::{CLOCK_OFF_MS_MAX, Nonce, RequestAuth};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Requests of one agent within the window; an honest one makes a few a minute.
const NONCES_PER_AGENT_MAX: usize = 2_048;
const WINDOW_MS: i64 = CLOCK_OFF_MS_MAX as i64;
/// Failed attempts to join from one address within a minute.
const FAILURES_MAX: u32 = 30;
const MINUTE_MS: i64 = 60_000;
/// Addresses remembered; the oldest is forgotten beyond.
const SOURCES_MAX: usize = 10_000;

/// The nonces of requests whose signature was right. Each is kept as long as its request would pass the clock's window.
#[derive(Default)]
pub(crate) struct Nonces {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    agents: BTreeMap<AgentId, BTreeMap<Nonce, i64>>,
    swept: i64,
}

impl Nonces {
    /// Notes a verified request; refuses one that came before.
    pub(super) fn first_time(&self, auth: &RequestAuth, now: i64) -> Result<(), Refused> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if (now - seen.swept).abs() > WINDOW_MS {
            seen.swept = now;
            seen.agents.retain(|_, nonces| {
                nonces.retain(|_, until| *until >= now);
                !nonces.is_empty()
            });
        }
        let nonces = seen.agents.entry(auth.agent).or_default();
        if nonces.len() >= NONCES_PER_AGENT_MAX {
            nonces.retain(|_, until| *until >= now);
        }
        if nonces.len() >= NONCES_PER_AGENT_MAX {
            return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "limit", "this agent sends too many requests; it shall slow down"));
        }
        match nonces.insert(auth.nonce, auth.time_ms.saturating_add(WINDOW_MS)) {
            None => Ok(()),
            Some(_) => Err(Refused::new(StatusCode::UNAUTHORIZED, "nonce", "this request came before; each needs a nonce of its own")),
        }
    }
}

/// Failed attempts to join or to show a secret, by address.
#[derive(Default)]
pub(crate) struct Failures {
    sources: Mutex<BTreeMap<IpAddr, (i64, u32)>>,
}

impl Failures {
    /// Whether an address has failed too often within the minute.
    pub(crate) fn too_many(&self, peer: Option<IpAddr>, now: i64) -> bool {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.get(&source(peer)).is_some_and(|(since, count)| *count >= FAILURES_MAX && now - since < MINUTE_MS)
    }

    /// Notes a failure.
    pub(crate) fn note(&self, peer: Option<IpAddr>, now: i64) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.len() >= SOURCES_MAX {
            sources.retain(|_, (since, _)| now - *since < MINUTE_MS);
        }
        if sources.len() >= SOURCES_MAX {
            let oldest = sources.iter().min_by_key(|(_, (since, _))| *since).map(|(ip, _)| *ip);
            oldest.map(|ip| sources.remove(&ip));
        }
        let entry = sources.entry(source(peer)).or_insert((now, 0));
        if now - entry.0 >= MINUTE_MS {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_failures_a_minute_bar_an_address_and_its_network_until_the_minute_is_over() {
        let failures = Failures::default();
        let (one, neighbour) = ("2001:db8::1".parse().ok(), "2001:db8::2".parse().ok());
        for at in 0..29 {
            failures.note(one, at);
        }
        assert!(!failures.too_many(one, 29));
        failures.note(neighbour, 29);
        assert!(failures.too_many(one, 59_999) && failures.too_many(neighbour, 30));
        assert!(!failures.too_many("192.0.2.1".parse().ok(), 30));
        assert!(!failures.too_many(one, 60_000));
    }

    #[test]
    fn an_agent_that_floods_is_slowed_and_nonces_are_forgotten_with_their_window() {
        let (nonces, agent) = (Nonces::default(), AgentId(Default::default()));
        let auth = |n: u32, time: i64| -> RequestAuth {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&n.to_le_bytes());
            let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
            muster_wire::native::sign_request(&key, agent, "POST", "/", time, Nonce(bytes), b"").parse().expect("header")
        };
        for n in 0..2_048 {
            assert!(nonces.first_time(&auth(n, 1_000), 1_000).is_ok());
        }
        assert_eq!(nonces.first_time(&auth(9_999, 1_000), 1_000).map_err(|r| r.status), Err(StatusCode::TOO_MANY_REQUESTS));
        let later = 1_000 + WINDOW_MS + 1;
        assert!(nonces.first_time(&auth(9_999, later), later).is_ok());
        assert!(nonces.first_time(&auth(0, later), later).is_ok());
        assert_eq!(nonces.first_time(&auth(0, later), later).map_err(|r| r.body.error), Err("nonce".to_owned()));
    }
}
