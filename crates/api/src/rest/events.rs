//! Live changes as server-sent events: what changed, not how. A lost one costs a period, nothing more.

use crate::auth::{Credential, Ctx};
use crate::problem::Problem;
use crate::state::App;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use futures_util::stream::{self, Stream};
use muster_engine::{Hint, Topic};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use uuid::Uuid;

/// How often a stream says that it lives, and looks whether its caller may still listen.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Changes of one kind told one by one within [`WINDOW`]; then only that there were more.
const EACH_MAX: u8 = 4;
/// The window of [`EACH_MAX`].
const WINDOW: Duration = Duration::from_secs(1);

/// The kinds of changes, as the events name them.
const KINDS: [(Topic, &str); 9] = [
    (Topic::Device, "device"),
    (Topic::Agent, "agent"),
    (Topic::Task, "task"),
    (Topic::Run, "run"),
    (Topic::Assignment, "assignment"),
    (Topic::Settings, "settings"),
    (Topic::Schedule, "schedule"),
    (Topic::Message, "message"),
    (Topic::Group, "group"),
];

/// Tells live changes of the organization acted in: `event: change` with `{"kind", "id"}` (`id` null is several), `event: reset`
/// when some were lost and everything is to be read again.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", operation_id = "event_stream",
    responses((status = 200, description = "A stream without end.", body = String, content_type = "text/event-stream")))]
pub async fn event_stream(ctx: Ctx) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let busy = || {
        let detail = "too many people listen at this moment; try again in a minute";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "server/busy", detail).retry_after(60)
    };
    let place = ctx.app.streams().clone().try_acquire_owned().map_err(|_| busy())?;
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let listener = Listener {
        hints: ctx.app.engine().hints(),
        shutdown: ctx.app.options().shutdown.clone(),
        org: ctx.org.id.0,
        credential: ctx.credential,
        app: ctx.app,
        heartbeat,
        burst: Burst::new(Instant::now()),
        ready: VecDeque::new(),
        _place: place,
    };
    Ok(Sse::new(stream::unfold(listener, |mut listener| async move { listener.next().await.map(|event| (Ok(event), listener)) })))
}

/// One open stream.
struct Listener {
    hints: broadcast::Receiver<Hint>,
    shutdown: watch::Receiver<bool>,
    org: Uuid,
    credential: Credential,
    app: App,
    heartbeat: Interval,
    burst: Burst,
    ready: VecDeque<Change>,
    _place: OwnedSemaphorePermit,
}

type Change = (&'static str, Option<Uuid>);

impl Listener {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if *self.shutdown.borrow() {
                return None;
            }
            if let Some((kind, id)) = self.ready.pop_front() {
                let data = serde_json::json!({"kind": kind, "id": id}).to_string();
                return Some(Event::default().event("change").data(data));
            }
            let rest = self.burst.ends;
            let waits = self.burst.waits();
            tokio::select! {
                hint = self.hints.recv() => match hint {
                    Ok(hint) => self.hear(hint),
                    Err(broadcast::error::RecvError::Lagged(_)) => return Some(Event::default().event("reset").data("{}")),
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                () = tokio::time::sleep_until(rest), if waits => self.ready.extend(self.burst.rest(Instant::now())),
                _ = self.heartbeat.tick() => {
                    if !self.may_listen().await {
                        return None;
                    }
                    return Some(Event::default().comment("alive"));
                }
                // An error is a program that is gone: its streams end.
                changed = self.shutdown.changed() => changed.ok()?,
            }
        }
    }

    fn hear(&mut self, hint: Hint) {
        if hint.org.is_some_and(|org| org != self.org) {
            return;
        }
        if let Some(place) = KINDS.iter().position(|(topic, _)| *topic == hint.topic) {
            self.ready.extend(self.burst.hear(place, hint.id, Instant::now()));
        }
    }

    /// Whether the caller is still known and still sees the organization.
    async fn may_listen(&self) -> bool {
        let (credential, org) = (self.credential.clone(), muster_core::ids::OrgId(self.org));
        let look = move |rx: &mut muster_engine::Rx, _: &muster_engine::Cx| credential.look_up(rx);
        let found = self.app.engine().read(&self.app.nobody("events"), look).await;
        // A database that does not answer is no reason to send people away.
        found.map_or(true, |found| found.is_some_and(|(caller, _)| caller.sees(org)))
    }
}

/// Holds back bursts: some changes of each kind are told one by one, the rest as one when the window ends.
struct Burst {
    ends: Instant,
    told: [u8; KINDS.len()],
    held: [bool; KINDS.len()],
}

impl Burst {
    fn new(now: Instant) -> Self {
        Self { ends: now + WINDOW, told: [0; KINDS.len()], held: [false; KINDS.len()] }
    }

    /// Whether something is held back until the window ends.
    fn waits(&self) -> bool {
        self.held.contains(&true)
    }

    /// A change; gives what is to be told at once.
    fn hear(&mut self, place: usize, id: Option<Uuid>, now: Instant) -> Vec<Change> {
        let mut out = if now >= self.ends { self.rest(now) } else { Vec::new() };
        if self.told[place] < EACH_MAX {
            self.told[place] += 1;
            out.push((KINDS[place].1, id));
        } else {
            self.held[place] = true;
        }
        out
    }

    /// The window has ended: what was held back, and a new window.
    fn rest(&mut self, now: Instant) -> Vec<Change> {
        let held = self.held;
        *self = Self::new(now);
        let all = KINDS.iter().zip(held).filter(|(_, held)| *held);
        all.map(|((_, kind), _)| (*kind, None)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_told_as_a_few_and_then_as_one() {
        let start = Instant::now();
        let mut burst = Burst::new(start);
        let id = Some(Uuid::from_u128(7));
        let told: Vec<Change> = (0..100).flat_map(|_| burst.hear(4, id, start)).collect();
        assert_eq!(told, [("assignment", id); 4]);
        assert_eq!(burst.hear(0, id, start), [("device", id)], "another kind has its own bound");
        assert!(burst.waits());
        assert_eq!(burst.rest(start + WINDOW), [("assignment", None)]);
        assert!(!burst.waits());
    }

    #[test]
    fn what_was_held_back_is_told_before_the_next_window_begins() {
        let start = Instant::now();
        let mut burst = Burst::new(start);
        (0..5).for_each(|_| drop(burst.hear(1, None, start)));
        let id = Some(Uuid::from_u128(7));
        assert_eq!(burst.hear(1, id, start + WINDOW), [("agent", None), ("agent", id)]);
    }
}
