//! 'Why has it not run?': one closed list of reasons, from the same facts the claim uses.
//!
//! A reason is a key with parameters (the console translates it), an English sentence, and what will end it.

use super::gate::{Around, Hands, Held, Load, held, held_from};
use super::pool::Standing;
use super::run::RunState;
use super::state::{Assignment, State, Status};
use crate::fleet::{Protocol, WakeOutcome};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// A keyed sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sentence {
    /// Its stable key.
    pub key: String,
    /// What goes into it: texts (instants as RFC 3339) and numbers.
    pub params: Map<String, Value>,
    /// The sentence in English.
    pub text: String,
}

/// Why an assignment stands where it does, and what will end that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The reason itself.
    #[serde(flatten)]
    pub reason: Sentence,
    /// What will end it.
    pub ends: Sentence,
}

/// One condition of being handed out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// Its stable key.
    pub key: String,
    /// Whether it holds.
    pub ok: bool,
    /// A sentence with the evidence.
    pub text: String,
    /// What the sentence is made of.
    pub params: Map<String, Value>,
    /// When the evidence is from.
    pub at: Option<Timestamp>,
}

/// An agent that could do the work.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its name for people: protocol and version.
    pub protocol: Protocol,
    /// What it can and may.
    pub hands: Hands,
    /// When it was last heard.
    pub last_contact: Option<Timestamp>,
    /// When it is expected.
    pub next_contact: Option<Timestamp>,
    /// Whether it counts as online.
    pub online: bool,
    /// Where its own HTTP server is.
    pub address: Option<String>,
    /// What the last wake-up came to.
    pub last_wake: Option<(Timestamp, WakeOutcome, String)>,
}

/// Everything that decides whether an assignment can be handed out.
#[derive(Clone, Debug)]
pub struct Situation {
    /// The assignment.
    pub assignment: Assignment,
    /// What holds for every agent.
    pub around: Around,
    /// Whether the server does it itself.
    pub by_server: bool,
    /// From when on its machine begins it by its order book, while it has not said that it did.
    pub by_book: Option<Timestamp>,
    /// The pool that does it, where one does.
    pub pool: Option<Standing>,
    /// Whether the run wakes agents.
    pub push: bool,
    /// The agents of the target, the likeliest first.
    pub candidates: Vec<Candidate>,
}

fn sentence(key: &str, params: Value, text: String) -> Sentence {
    Sentence { key: key.to_owned(), params: params.as_object().cloned().unwrap_or_default(), text }
}

fn reason(key: &str, params: Value, text: String, ends: Sentence) -> Reason {
    Reason { reason: sentence(key, params, text), ends }
}

fn shown(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |t| t.to_string())
}

/// Why it stands where it does.
pub fn why(it: &Situation, now: Timestamp) -> Reason {
    let a = &it.assignment;
    match a.status {
        Status::Started { lease, .. } | Status::Running { lease, .. } => leased(it, lease),
        Status::Prepared { from } => waiting(it, from, now),
        other => {
            let state = other.state();
            let ends = if state == State::Unknown {
                sentence("late_result", json!({"attempt": a.attempt}), format!("A late result of attempt {} still settles it.", a.attempt))
            } else {
                sentence("nothing", json!({}), "Nothing more will happen.".to_owned())
            };
            reason("done", json!({"state": state.as_str(), "at": shown(other.ended())}), format!("It ended: {state}."), ends)
        }
    }
}

fn leased(it: &Situation, lease: Timestamp) -> Reason {
    let a = &it.assignment;
    let params = json!({"attempt": a.attempt, "until": lease.to_string()});
    let ends = sentence("result_or_lapse", params.clone(), format!("The agent's result, or the end of its lease at {lease}."));
    if a.cancel_requested && a.limits.stops && a.limits.not_after.is_some_and(|end| end <= lease) {
        let text = "Its time is over and it was asked to stop; its end is awaited.".to_owned();
        return reason("stopping", params, text, ends);
    }
    if a.cancel_requested {
        return reason(
            "cannot_be_stopped",
            params,
            "It was cancelled after it was handed out; this agent cannot be stopped.".to_owned(),
            ends,
        );
    }
    if let Some(from) = it.by_book {
        let last = it.candidates.first().and_then(|c| c.last_contact);
        let params = json!({"attempt": a.attempt, "until": lease.to_string(), "from": from.to_string(), "last_contact": shown(last)});
        let text = format!("The machine begins it by its own clock from {from} on, also without a connection; its word is awaited.");
        return reason("by_machine", params, text, ends);
    }
    let text = match a.status.state() {
        State::Running => format!("Attempt {} is under way.", a.attempt),
        _ => format!("Attempt {} was handed out; its result is awaited.", a.attempt),
    };
    reason("leased", params, text, ends)
}

fn waiting(it: &Situation, from: Timestamp, now: Timestamp) -> Reason {
    let a = &it.assignment;
    if let Some(held) = held(a, &it.around, now) {
        return held_reason(it, from, held);
    }
    if it.by_server {
        let ends = sentence("server_does", json!({}), "The server has done it.".to_owned());
        return reason("server_next", json!({}), "The server does it itself in a moment.".to_owned(), ends);
    }
    if let Some(pool) = &it.pool {
        return match held_from(a, &it.around, &ANYBODY, now) {
            Some(held) => held_reason(it, from, held),
            None => pool_reason(pool),
        };
    }
    let Some(likeliest) = it.candidates.first() else {
        let ends = sentence("agent_comes", json!({}), "An agent of this device reports.".to_owned());
        return reason("no_agent", json!({}), "No agent speaks for this device.".to_owned(), ends);
    };
    let each = it.candidates.iter().map(|c| (c, held_from(a, &it.around, &c.hands, now)));
    let free = each.clone().find(|(_, held)| held.is_none()).map(|(c, _)| c);
    let best = free.unwrap_or(likeliest);
    if let (None, Some(held)) = (free, each.filter_map(|(_, held)| held).max_by_key(nearness)) {
        return held_reason(it, from, held);
    }
    if it.push
        && let Some(told) = wake_reason(best)
    {
        return told;
    }
    contact_reason(best, now)
}

/// Somebody of a pool for whom nothing is in the way.
const ANYBODY: Hands = Hands {
    able: true,
    verified: true,
    quarantined: None,
    switched_on: true,
    load: Load { in_flight: 0, most: None },
    lead: Duration::ZERO,
};

/// What a slice that could be taken waits for.
fn pool_reason(pool: &Standing) -> Reason {
    let Standing { members, online, working, most } = *pool;
    let params = json!({"members": members, "online": online, "working": working, "most": most});
    let ends = |key: &str, text: &str| sentence(key, json!({}), text.to_owned());
    let one_ends = || ends("one_ends", "One of those that are under way ends.");
    if members == 0 {
        let text = "No agent of the pool may do this: none is verified, selected and has the module switched on.".to_owned();
        return reason("pool_empty", params, text, ends("pool_grows", "An agent that may do it comes into the pool."));
    }
    if online == 0 {
        let text = format!("Of the {members} agents of the pool none is heard.");
        return reason("pool_silent", params, text, ends("contact", "The agent contacts the server."));
    }
    if most.is_some_and(|most| working >= most) {
        return reason("pool_full", params, format!("{working} agents of the pool are at work, as many as may be."), one_ends());
    }
    let text = format!("The next agent of the pool that is free takes it: {working} of {online} are at work.");
    reason("pool_next", params, text, ends("one_is_free", "An agent of the pool asks for its next slice."))
}

/// Of what keeps it from several agents, how little is missing.
fn nearness(held: &Held) -> u8 {
    match held {
        Held::Over(_) => 0,
        Held::Unable => 1,
        Held::Quarantined(_) => 2,
        Held::Stranger => 3,
        Held::SwitchedOff => 4,
        Held::AgentFull(_) => 5,
        _ => 6,
    }
}

/// The words for what keeps it, and for what ends that.
fn held_reason(it: &Situation, from: Timestamp, held: Held) -> Reason {
    let a = &it.assignment;
    let by = |key: &str, text: &str| sentence(key, json!({}), text.to_owned());
    let full = |load: Load| json!({"in_flight": load.in_flight, "most": load.most});
    match held {
        Held::Frozen(since) => reason(
            "frozen",
            json!({"since": since.to_string()}),
            format!("The brake is on since {since}: nothing is handed out."),
            by("release", "A person releases the brake."),
        ),
        Held::Run(run) => {
            reason("run_paused", json!({"run": run.as_str()}), format!("The run is {run}."), by("resume", "A person resumes the run."))
        }
        Held::Ending => {
            reason("ending", json!({}), "The end of the run was asked for.".to_owned(), by("ended", "It is ended in a moment."))
        }
        Held::NotYet(_) if a.attempt > 0 => {
            let (next, of) = (a.attempt + 1, a.rules.attempts_max);
            let params = json!({"attempt": next, "of": of, "at": from.to_string()});
            let ends = sentence("time", json!({"at": from.to_string()}), format!("At {from} it may be handed out again."));
            reason("retry", params, format!("Try {next} of {of} comes at {from}."), ends)
        }
        Held::NotYet(at) => {
            let params = json!({"at": at.to_string()});
            let ends = sentence("time", params.clone(), format!("At {at} it may be handed out."));
            reason("not_yet", params, format!("Outside its window until {at}."), ends)
        }
        Held::Over(end) => {
            let params = json!({"at": end.to_string()});
            let ends = sentence("expires", params.clone(), format!("At {end} it expires."));
            reason("too_late", params, format!("Its window closes at {end}, before the agent would begin."), ends)
        }
        Held::Unable => {
            let ends = by("agent_comes", "An agent that can do it reports for this device.");
            reason("unable", json!({}), "No agent of this device can do this.".to_owned(), ends)
        }
        Held::Quarantined(since) => reason(
            "quarantined",
            json!({"since": since.to_string()}),
            format!("The agent is in quarantine since {since}: it gets no work."),
            by("quarantine_over", "A person ends the quarantine."),
        ),
        Held::Stranger => reason(
            "not_verified",
            json!({}),
            "The agent is not verified; it gets inventory work only.".to_owned(),
            by("verify", "A person or a rule verifies the agent."),
        ),
        Held::SwitchedOff => reason(
            "switched_off",
            json!({}),
            "This action is switched off for the agent.".to_owned(),
            by("switch_on", "A person switches the action on again, here or in the agent's configuration."),
        ),
        Held::AgentFull(load) => reason(
            "agent_busy",
            full(load),
            format!("{} ahead of it on this agent.", load.in_flight),
            by("one_ends", "One of those that are under way ends."),
        ),
        Held::RunFull(load) => reason(
            "run_full",
            full(load),
            format!("{} of this run are under way, as many as may be.", load.in_flight),
            by("one_ends", "One of those that are under way ends."),
        ),
        Held::OrgFull(load) => reason(
            "org_full",
            full(load),
            format!("{} of this organization are under way, as many as may be.", load.in_flight),
            by("one_ends", "One of those that are under way ends."),
        ),
    }
}

/// What the last wake-up tells, if it is newer than the last contact.
fn wake_reason(agent: &Candidate) -> Option<Reason> {
    let (at, outcome, detail) = agent.last_wake.as_ref().filter(|(at, ..)| agent.last_contact.is_none_or(|c| c < *at))?;
    let address = agent.address.clone().unwrap_or_default();
    let params = json!({"address": address, "at": at.to_string(), "detail": detail});
    let ends = sentence("wake_or_contact", json!({}), "The next wake-up succeeds, or the agent comes by itself.".to_owned());
    let (key, text) = match outcome {
        WakeOutcome::Ok => ("waking", format!("{address} was asked to come at {at}; it has not come yet.")),
        WakeOutcome::Busy => ("wake_busy", format!("{address} was busy with another task at {at}; a wake-up then would be lost.")),
        WakeOutcome::Refused => ("wake_refused", format!("Wake refused: nobody listens at {address} ({detail}).")),
        WakeOutcome::Denied => (
            "wake_denied",
            format!("Wake denied: the agent at {address} does not trust this server's address; see its httpd-trust option."),
        ),
        WakeOutcome::Timeout => ("wake_timeout", format!("Wake without answer: {address} is silent (switched off, or a firewall).")),
        WakeOutcome::Unreachable => ("wake_unreachable", format!("Wake impossible: {address} cannot be reached ({detail}).")),
    };
    Some(reason(key, params, text, ends))
}

fn contact_reason(agent: &Candidate, now: Timestamp) -> Reason {
    let params = json!({
        "protocol": agent.protocol.as_str(), "last_contact": shown(agent.last_contact), "next_contact": shown(agent.next_contact),
    });
    let ends = sentence("contact", params.clone(), "The agent contacts the server.".to_owned());
    match (agent.last_contact, agent.next_contact) {
        (None, _) => reason("never_contacted", params, "The agent has not come yet.".to_owned(), ends),
        (Some(last), _) if !agent.online => reason("agent_silent", params, format!("The agent is silent since {last}."), ends),
        (Some(last), Some(next)) if next >= now => reason(
            "waiting_for_contact",
            params,
            format!("Waits for the agent to come: last contact {last}, next expected by {next}."),
            ends,
        ),
        (Some(last), _) => reason("waiting_for_contact", params, format!("Waits for the agent to come: last contact {last}."), ends),
    }
}

/// The ordered conditions behind the reason, each with its evidence.
pub fn conditions(it: &Situation, now: Timestamp) -> Vec<Condition> {
    let (a, around) = (&it.assignment, &it.around);
    let best = it.candidates.first();
    let any = |allowed: fn(&Hands) -> bool| it.candidates.iter().any(|c| allowed(&c.hands));
    let condition = |key: &str, ok: bool, params: Value, at: Option<Timestamp>, text: String| Condition {
        key: key.to_owned(),
        ok,
        text,
        params: params.as_object().cloned().unwrap_or_default(),
        at,
    };
    let either = |ok: bool, yes: &str, no: &str| if ok { yes } else { no }.to_owned();
    let due = match a.status {
        Status::Prepared { from } => from <= now,
        _ => true,
    };
    let (free, held) = (around.frozen.is_none(), matches!(around.state, RunState::Paused | RunState::Halted));
    let in_time = !a.limits.is_over(now);
    let end = a.limits.not_after;
    let heard = it.pool.map_or_else(|| best.is_some_and(|b| b.online), |pool| pool.online > 0);
    let has_room =
        !around.run.is_full() && !around.org.is_full() && (it.pool.is_some() || !it.candidates.iter().all(|c| c.hands.load.is_full()));
    vec![
        condition(
            "open",
            a.status.state().is_open(),
            json!({"state": a.status.state().as_str()}),
            a.status.ended(),
            format!("Its state is {}.", a.status.state()),
        ),
        condition("released", free, json!({}), around.frozen, either(free, "The brake is off.", "The brake is on.")),
        condition("run_active", !held, json!({"run": around.state.as_str()}), None, format!("The run is {}.", around.state)),
        condition(
            "not_cancelled",
            !a.cancel_requested && !around.ending,
            json!({}),
            None,
            either(a.cancel_requested || around.ending, "Its end was asked for.", "Nobody asked for its end."),
        ),
        condition(
            "due",
            due,
            json!({"attempt": a.attempt, "of": a.rules.attempts_max}),
            None,
            format!("Attempt {} of {} is behind it.", a.attempt, a.rules.attempts_max),
        ),
        condition(
            "in_time",
            in_time,
            json!({"until": shown(end)}),
            end,
            end.map_or_else(|| "It has no deadline.".to_owned(), |end| format!("It may be handed out until {end}.")),
        ),
        match &it.pool {
            Some(pool) => {
                let params = json!({"agents": pool.members});
                condition("has_agent", pool.members > 0, params, None, format!("{} agents are in the pool.", pool.members))
            }
            None => {
                let agents = it.candidates.len();
                condition("has_agent", agents > 0, json!({"agents": agents}), None, format!("{agents} agents speak for the device."))
            }
        },
        condition(
            "able",
            any(|h| h.able) || it.pool.is_some(),
            json!({}),
            None,
            either(any(|h| h.able) || it.pool.is_some(), "Its agents can do it.", "None of its agents can do it."),
        ),
        condition(
            "trusted",
            around.open_to_strangers || it.pool.is_some() || any(|h| h.verified),
            json!({}),
            None,
            "The action is open to its agents.".to_owned(),
        ),
        condition(
            "switched_on",
            it.candidates.is_empty() || any(|h| h.switched_on),
            json!({}),
            None,
            either(any(|h| h.switched_on), "The action is switched on.", "The action is switched off for its agents."),
        ),
        condition(
            "room",
            has_room || it.candidates.is_empty(),
            json!({"run": around.run.in_flight, "org": around.org.in_flight}),
            None,
            either(has_room, "As many as are under way leave room for it.", "As many are under way as may be."),
        ),
        condition(
            "heard",
            heard,
            json!({"last_contact": shown(best.and_then(|b| b.last_contact)), "online": it.pool.map(|pool| pool.online)}),
            best.and_then(|b| b.last_contact),
            it.pool.map_or_else(
                || format!("Last contact: {}.", shown(best.and_then(|b| b.last_contact))),
                |pool| format!("{} agents of the pool are heard.", pool.online),
            ),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::state::{Actor, Limits, Rules};
    use super::*;
    use crate::ids::AgentId;

    const NOW: Timestamp = Timestamp(1_795_000_000_000);

    fn agent() -> Candidate {
        Candidate {
            protocol: Protocol::Fusioninventory,
            hands: Hands {
                able: true,
                verified: false,
                switched_on: true,
                quarantined: None,
                load: Load::default(),
                lead: Duration::from_secs(60),
            },
            last_contact: Some(NOW.minus(Duration::from_secs(600))),
            next_contact: Some(NOW.plus(Duration::from_secs(3_000))),
            online: true,
            address: Some("10.0.0.7:62354".to_owned()),
            last_wake: None,
        }
    }

    fn situation() -> Situation {
        Situation {
            assignment: Assignment {
                status: Status::Prepared { from: NOW },
                attempt: 0,
                last_actor: None,
                last_attempt: None,
                cancel_requested: false,
                limits: Limits::default(),
                rules: Rules { attempts_max: 3, backoff: Duration::from_secs(30), on_error: true, on_unknown: true, idempotent: true },
            },
            around: Around {
                frozen: None,
                org: Load::default(),
                state: RunState::Waiting,
                ending: false,
                run: Load::default(),
                open_to_strangers: true,
            },
            by_server: false,
            by_book: None,
            pool: None,
            push: false,
            candidates: vec![agent()],
        }
    }

    fn key(change: impl FnOnce(&mut Situation)) -> String {
        let mut it = situation();
        change(&mut it);
        let told = why(&it, NOW);
        assert!(!told.ends.text.is_empty() && !told.reason.text.is_empty());
        told.reason.key
    }

    #[test]
    fn each_situation_has_its_reason() {
        let lease = NOW.plus(Duration::from_secs(60));
        let actor = Actor { agent: AgentId(uuid::Uuid::from_u128(1)), incarnation: 1 };
        assert_eq!(key(|_| ()), "waiting_for_contact");
        assert_eq!(key(|s| s.around.frozen = Some(NOW)), "frozen");
        let pool = |members, online, working, most| move |s: &mut Situation| s.pool = Some(Standing { members, online, working, most });
        assert_eq!(key(pool(0, 0, 0, None)), "pool_empty");
        assert_eq!(key(pool(3, 0, 0, None)), "pool_silent");
        assert_eq!(key(pool(3, 2, 2, Some(2))), "pool_full");
        assert_eq!(key(pool(3, 2, 2, None)), "pool_next");
        let held = |s: &mut Situation| (s.pool, s.around.frozen) = (Some(Standing::default()), Some(NOW));
        assert_eq!(key(held), "frozen", "what holds for everybody comes first");
        assert_eq!(key(|s| s.around.state = RunState::Paused), "run_paused");
        assert_eq!(key(|s| s.around.ending = true), "ending");
        assert_eq!(key(|s| (s.by_server, s.candidates) = (true, Vec::new())), "server_next");
        assert_eq!(key(|s| s.assignment.status = Status::Prepared { from: lease }), "not_yet");
        assert_eq!(key(|s| s.assignment.limits.not_after = Some(NOW.plus(Duration::from_secs(59)))), "too_late");
        assert_eq!(key(|s| s.candidates[0].hands.able = false), "unable");
        let full = Load { in_flight: 4, most: Some(4) };
        assert_eq!(key(|s| s.candidates[0].hands.load = full), "agent_busy");
        assert_eq!(key(|s| s.around.run = full), "run_full");
        assert_eq!(key(|s| s.around.org = full), "org_full");
        let two = |s: &mut Situation| {
            s.candidates.push(agent());
            s.candidates[0].hands.load = full;
        };
        assert_eq!(key(two), "waiting_for_contact", "another agent is free");
        assert_eq!(key(|s| s.candidates.clear()), "no_agent");
        assert_eq!(key(|s| s.around.open_to_strangers = false), "not_verified");
        assert_eq!(key(|s| s.candidates[0].hands.switched_on = false), "switched_off");
        assert_eq!(key(|s| s.candidates[0].last_contact = None), "never_contacted");
        assert_eq!(key(|s| s.candidates[0].online = false), "agent_silent");
        assert_eq!(key(|s| (s.assignment.attempt, s.assignment.status) = (1, Status::Prepared { from: lease })), "retry");
        assert_eq!(key(|s| s.assignment.status = Status::Started { actor, lease }), "leased");
        assert_eq!(
            key(|s| (s.assignment.status, s.assignment.cancel_requested) = (Status::Started { actor, lease }, true)),
            "cannot_be_stopped"
        );
        assert_eq!(key(|s| s.assignment.status = Status::Unknown { at: NOW }), "done");
    }

    #[test]
    fn a_wake_up_newer_than_the_last_contact_is_the_reason_of_a_push() {
        for (outcome, expected) in [
            (WakeOutcome::Ok, "waking"),
            (WakeOutcome::Busy, "wake_busy"),
            (WakeOutcome::Refused, "wake_refused"),
            (WakeOutcome::Denied, "wake_denied"),
            (WakeOutcome::Timeout, "wake_timeout"),
            (WakeOutcome::Unreachable, "wake_unreachable"),
        ] {
            let woken = |at: Timestamp| {
                key(|s| {
                    s.push = true;
                    s.candidates[0].last_wake = Some((at, outcome, String::new()));
                })
            };
            assert_eq!(woken(NOW), expected);
            assert_eq!(woken(NOW.minus(Duration::from_secs(9_999))), "waiting_for_contact");
        }
    }

    #[test]
    fn the_conditions_name_the_first_that_fails() {
        let mut it = situation();
        it.candidates.clear();
        let failing: Vec<_> = conditions(&it, NOW).into_iter().filter(|c| !c.ok).map(|c| c.key).collect();
        assert_eq!(failing, ["has_agent", "able", "heard"]);
    }
}
