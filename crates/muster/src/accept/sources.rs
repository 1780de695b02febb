//! How many connections each source has.

use muster_engine::Engine;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections by source. Cheap to clone.
#[derive(Clone)]
pub(super) struct Sources {
    each: usize,
    engine: Option<Engine>,
    open: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

/// A connection that is counted; ends when it is dropped.
pub(super) struct Counted {
    sources: Sources,
    source: IpAddr,
}

impl Sources {
    /// At most `each` for a source; what is open is told to the engine's page of numbers.
    pub(super) fn new(each: usize, engine: Option<Engine>) -> Self {
        Self { each, engine, open: Arc::default() }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection, unless its source has too many.
    pub(super) fn count(&self, peer: IpAddr) -> Option<Counted> {
        let source = source(peer);
        let mut open = self.open();
        let held = open.get(&source).copied().unwrap_or_default();
        let doors = self.engine.as_ref().map(Engine::doors);
        if held >= self.each {
            doors.map(|d| d.connections_refused.fetch_add(1, Relaxed));
            return None;
        }
        open.insert(source, held + 1);
        doors.map(|d| d.connections.fetch_add(1, Relaxed));
        Some(Counted { sources: self.clone(), source })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.sources.open();
        if let Some(n) = open.get_mut(&self.source) {
            *n -= 1;
            if *n == 0 {
                open.remove(&self.source);
            }
        }
        if let Some(engine) = &self.sources.engine {
            engine.doors().connections.fetch_sub(1, Relaxed);
        }
    }
}

/// A network of IPv6 is one source: whoever has it has all of its addresses.
fn source(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(ip) => {
            let s = ip.segments();
            IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_its_number_of_connections_and_a_network_of_ipv6_is_one() {
        let sources = Sources::new(2, None);
        let count = |address: &str| sources.count(address.parse().expect("an address"));
        let (_first, second) = (count("10.0.0.1"), count("::ffff:10.0.0.1"));
        assert!(second.is_some() && count("10.0.0.1").is_none() && count("10.0.0.2").is_some());
        let _six = (count("2001:db8::1"), count("2001:db8::2"));
        assert!(count("2001:db8::3").is_none());
        drop(second);
        assert!(count("10.0.0.1").is_some());
    }
}
