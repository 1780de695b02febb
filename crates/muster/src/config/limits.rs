//! The keys that bound what agents and strangers may cost.

use super::Said;
use super::value::{Value, size};
use muster_core::limits::{
    BODY_BYTES_MAX, BODY_BYTES_PER_SECOND_MIN, DOCUMENT_COST, INFLATED_BYTES_DEFAULT, INFLATED_BYTES_MAX, INFLATED_IN_FLIGHT_BYTES_MAX,
    RECEIVING_BYTES_MAX, REQUESTS_PER_SOURCE_MAX,
};
use std::time::Duration;

/// What agents and strangers may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorLimits {
    /// Connections of one source at once.
    pub connections_per_source: usize,
    /// Agents' requests of one source that are worked on at once.
    pub requests_per_source: usize,
    /// A body as it comes, bytes.
    pub body: usize,
    /// A body unpacked, bytes.
    pub inflated: usize,
    /// What all documents at once may take, bytes.
    pub in_flight: usize,
    /// The longest time for a body.
    pub body_time: Duration,
    /// The slowest sender that is waited for, bytes a second.
    pub body_rate: usize,
    /// How long a message waits for its turn.
    pub queue_time: Duration,
}

impl Default for DoorLimits {
    fn default() -> Self {
        Self {
            connections_per_source: super::CONNECTIONS / 2,
            requests_per_source: REQUESTS_PER_SOURCE_MAX,
            body: BODY_BYTES_MAX,
            inflated: INFLATED_BYTES_DEFAULT,
            in_flight: INFLATED_IN_FLIGHT_BYTES_MAX,
            body_time: Duration::from_secs(60),
            body_rate: BODY_BYTES_PER_SECOND_MIN,
            queue_time: Duration::from_secs(10),
        }
    }
}

impl DoorLimits {
    /// As it was said; what makes no sense together is a problem.
    pub(super) fn of(said: &mut Said, connections: usize) -> Self {
        let or = Self::default();
        let limits = Self {
            connections_per_source: said.number("max_connections_per_source", (connections / 2).max(1)),
            requests_per_source: said.number("max_requests_per_source", or.requests_per_source),
            body: said.number("max_body", or.body),
            inflated: said.number("max_inflated", or.inflated),
            in_flight: said.number("max_in_flight", or.in_flight),
            body_time: said.duration("body_timeout", or.body_time.as_secs()),
            body_rate: said.number("min_body_rate", or.body_rate),
            queue_time: said.duration("queue_timeout", or.queue_time.as_secs()),
        };
        for (key, held, most) in [("max_body", limits.body, RECEIVING_BYTES_MAX), ("max_inflated", limits.inflated, INFLATED_BYTES_MAX)] {
            if held > most {
                said.problem(key, &format!("{} is more than {}, the most there is", size(held), size(most)));
            }
        }
        let needed = limits.inflated.saturating_mul(DOCUMENT_COST);
        if needed > limits.in_flight {
            let what = format!(
                "reading {} of max_inflated may take {}; set it to that or more, or lower max_inflated",
                size(limits.inflated),
                size(needed)
            );
            said.problem("max_in_flight", &what);
        }
        limits
    }

    /// The value of a key of these.
    pub(super) fn shown(&self, key: &str) -> Option<Value> {
        Some(match key {
            "max_connections_per_source" => Value::Count(self.connections_per_source),
            "max_requests_per_source" => Value::Count(self.requests_per_source),
            "max_body" => Value::Size(self.body),
            "max_inflated" => Value::Size(self.inflated),
            "max_in_flight" => Value::Size(self.in_flight),
            "body_timeout" => Value::Duration(self.body_time),
            "min_body_rate" => Value::Size(self.body_rate),
            "queue_timeout" => Value::Duration(self.queue_time),
            _ => return None,
        })
    }
}
