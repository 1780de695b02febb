//! How this agent speaks with its server: by the channel where there is one, else by asking and waiting on the line. When the next
//! channel is opened, and what it was told of this agent.

use crate::channel::Channel;
use crate::client::CallError;
use muster_wire::channel::FromServer;
use muster_wire::native::ContactRequest;
use std::time::Duration;
use tokio::time::Instant;

/// How long nothing but asking is done where no channel came to be: a proxy may not let it through.
const WITHOUT: Duration = Duration::from_secs(600);
/// How often a server that answers contacts is tried for a channel before that.
const TRIES: u32 = 3;

/// How an agent speaks.
pub(crate) struct Way {
    is_wanted: bool,
    channel: Option<Channel>,
    /// No attempt at a channel before this.
    from: Instant,
    failed: u32,
    told: Option<ContactRequest>,
}

/// What came by a channel.
pub(crate) enum News {
    /// A message.
    Said(FromServer),
    /// It ended.
    Ended,
}

impl Way {
    /// With a channel, if it is wanted.
    pub(crate) fn new(is_wanted: bool) -> Self {
        Self { is_wanted, channel: None, from: Instant::now(), failed: 0, told: None }
    }

    /// Whether a channel is open.
    pub(crate) fn is_open(&self) -> bool {
        self.channel.is_some()
    }

    /// Whether one is to be opened now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.is_wanted && self.channel.is_none() && now >= self.from
    }

    /// One was opened, with word of this state.
    pub(crate) fn opened(&mut self, channel: Channel) {
        (self.channel, self.failed, self.told) = (Some(channel), 0, None);
    }

    /// None could be opened. Gives whether that is as if the server had not been reached; otherwise it is asked without one.
    pub(crate) fn not_opened(&mut self, error: &CallError, now: Instant) -> bool {
        self.failed += 1;
        let is_unreachable = matches!(error, CallError::Unreachable(_) | CallError::Busy(_));
        self.from = now + if is_unreachable && self.failed < TRIES { Duration::from_secs(30) } else { WITHOUT };
        is_unreachable
    }

    /// The server answered a contact: it may have a channel, too.
    pub(crate) fn answered(&mut self, now: Instant) {
        if self.failed < TRIES && self.from > now && self.from <= now + Duration::from_secs(30) {
            self.from = now;
        }
    }

    /// The channel is over; the next is opened after this time.
    pub(crate) fn ended(&mut self, next_in: Duration, now: Instant) {
        (self.channel, self.told, self.from) = (None, None, now + next_in);
    }

    /// Tells the channel how this agent stands, when that has changed.
    pub(crate) fn tell(&mut self, state: ContactRequest) {
        let is_news = |told: &ContactRequest| {
            (&told.busy, &told.ahead, &told.book, told.max_orders, told.frozen)
                != (&state.busy, &state.ahead, &state.book, state.max_orders, state.frozen)
        };
        if let Some(channel) = &self.channel
            && self.told.as_ref().is_none_or(is_news)
            && channel.state(state.clone())
        {
            self.told = Some(state);
        }
    }

    /// The channel, if one is open.
    pub(crate) fn channel(&self) -> Option<&Channel> {
        self.channel.as_ref()
    }

    /// What comes next by the channel; nothing, for ever, while there is none.
    pub(crate) async fn next(&mut self) -> News {
        match &mut self.channel {
            Some(channel) => channel.next().await.map_or(News::Ended, News::Said),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_has_no_channel_is_asked_without_one_for_a_while() {
        let (mut way, now) = (Way::new(true), Instant::now());
        assert!(way.is_due(now));
        let refused = CallError::Refused { status: 404, key: "unknown-call".to_owned(), message: String::new() };
        assert!(!way.not_opened(&refused, now));
        way.answered(now);
        assert!(!way.is_due(now + Duration::from_secs(599)) && way.is_due(now + WITHOUT));
        assert!(!Way::new(false).is_due(now));
    }

    #[test]
    fn a_server_that_is_away_is_tried_again_as_soon_as_it_answers_but_not_for_ever() {
        let (mut way, now) = (Way::new(true), Instant::now());
        let away = CallError::Unreachable("refused".to_owned());
        for _ in 1..TRIES {
            assert!(way.not_opened(&away, now) && !way.is_due(now));
            way.answered(now);
            assert!(way.is_due(now));
        }
        assert!(way.not_opened(&away, now), "whatever is on the way does not let it through");
        way.answered(now);
        assert!(!way.is_due(now + Duration::from_secs(60)) && way.is_due(now + WITHOUT));
    }
}
