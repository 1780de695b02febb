//! What keeps an assignment from being handed out: one closed list, asked by the claim, by 'why' and by the preview.

use super::run::RunState;
use super::state::{Assignment, Status};
use crate::time::Timestamp;
use std::time::Duration;

/// What is under way, and how much may be. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Under way now.
    pub in_flight: i64,
    /// At most.
    pub most: Option<i64>,
}

impl Load {
    /// Whether one more would be too many.
    pub fn is_full(&self) -> bool {
        self.most.is_some_and(|most| self.in_flight >= most)
    }
}

/// What holds for every agent: organization, run and step.
#[derive(Clone, Copy, Debug)]
pub struct Around {
    /// Since when the organization's brake is on.
    pub frozen: Option<Timestamp>,
    /// What the organization has under way.
    pub org: Load,
    /// Where the run stands.
    pub state: RunState,
    /// A person ends the run.
    pub ending: bool,
    /// What the run has under way.
    pub run: Load,
    /// Whether unverified agents may do the step.
    pub open_to_strangers: bool,
}

/// What holds for one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hands {
    /// Whether its kind can do the action at all.
    pub able: bool,
    /// Whether it is verified.
    pub verified: bool,
    /// Since when a person shuts it out of all work.
    pub quarantined: Option<Timestamp>,
    /// Whether the action is switched on for it.
    pub switched_on: bool,
    /// What it has under way.
    pub load: Load,
    /// How long after the hand-out it begins at the latest.
    pub lead: Duration,
}

/// What keeps an assignment from being handed out, the first that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The brake is on.
    Frozen(Timestamp),
    /// The run is paused or halted.
    Run(RunState),
    /// Its end was asked for.
    Ending,
    /// It is not time yet; after a try, it is the pause before the next.
    NotYet(Timestamp),
    /// It could begin only after the end of its time.
    Over(Timestamp),
    /// The agent's kind cannot do it.
    Unable,
    /// A person shuts the agent out of all work.
    Quarantined(Timestamp),
    /// The agent is not verified.
    Stranger,
    /// The action is switched off for the agent.
    SwitchedOff,
    /// The agent has enough to do.
    AgentFull(Load),
    /// The run has enough under way.
    RunFull(Load),
    /// The organization has enough under way.
    OrgFull(Load),
}

/// What keeps it from everybody at this moment, but for limits that others fill.
pub fn held(it: &Assignment, around: &Around, now: Timestamp) -> Option<Held> {
    if let Some(since) = around.frozen {
        return Some(Held::Frozen(since));
    }
    if matches!(around.state, RunState::Paused | RunState::Halted) {
        return Some(Held::Run(around.state));
    }
    if around.ending || it.cancel_requested {
        return Some(Held::Ending);
    }
    match it.status {
        Status::Prepared { from } if from > now => Some(Held::NotYet(from)),
        _ => None,
    }
}

/// What keeps it from one agent at this moment; `None`: the agent is handed it when it comes.
pub fn held_from(it: &Assignment, around: &Around, hands: &Hands, now: Timestamp) -> Option<Held> {
    if let Some(held) = held(it, around, now) {
        return Some(held);
    }
    match it.limits.not_after {
        Some(end) if it.limits.is_over(now.plus(hands.lead)) => return Some(Held::Over(end)),
        _ => {}
    }
    if let Some(since) = hands.quarantined {
        return Some(Held::Quarantined(since));
    }
    Some(match () {
        () if !hands.able => Held::Unable,
        () if !hands.verified && !around.open_to_strangers => Held::Stranger,
        () if !hands.switched_on => Held::SwitchedOff,
        () if hands.load.is_full() => Held::AgentFull(hands.load),
        () if around.run.is_full() => Held::RunFull(around.run),
        () if around.org.is_full() => Held::OrgFull(around.org),
        () => return None,
    })
}
