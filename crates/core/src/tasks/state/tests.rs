use super::*;
use proptest::prelude::*;
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_000_000);
const LEASE: Timestamp = Timestamp(1_060_000);

fn actor(n: u128) -> Actor {
    Actor { agent: AgentId(Uuid::from_u128(n)), incarnation: 1 }
}

fn fresh(idempotent: bool) -> Assignment {
    Assignment {
        status: Status::Prepared { from: NOW },
        attempt: 0,
        last_actor: None,
        last_attempt: None,
        cancel_requested: false,
        rules: Rules { attempts_max: 3, backoff: Duration::from_secs(30), on_error: true, on_unknown: true, idempotent },
    }
}

fn after(mut it: Assignment, inputs: &[(Input, Timestamp)]) -> Assignment {
    for (input, now) in inputs {
        it = decide(&it, *input, *now).unwrap_or_else(|e| panic!("{input:?}: {e}")).next;
    }
    it
}

const fn claim_by(actor: Actor) -> Input {
    Input::Claim { actor, lease: LEASE }
}

fn ended(attempt: u32, outcome: Outcome) -> Input {
    Input::Ended { attempt, actor: actor(1), outcome }
}

#[test]
fn a_claim_makes_the_next_attempt_and_a_report_ends_it() {
    let it = after(fresh(true), &[(claim_by(actor(1)), NOW)]);
    assert_eq!((it.status.state(), it.attempt), (State::Started, 1));
    let it = after(it, &[(Input::Began { attempt: 1, actor: actor(1), lease: LEASE }, NOW), (ended(1, Outcome::Ok), NOW)]);
    assert_eq!(it.status, Status::Ok { at: NOW });
}

#[test]
fn nobody_claims_what_is_leased_final_cancelled_or_not_yet_due() {
    let refused = |it: &Assignment, now| decide(it, claim_by(actor(2)), now) == Err(Refused::NotClaimable);
    let started = after(fresh(true), &[(claim_by(actor(1)), NOW)]);
    assert!(refused(&started, NOW));
    assert!(refused(&after(started, &[(ended(1, Outcome::Ok), NOW)]), NOW));
    assert!(refused(&after(fresh(true), &[(Input::Cancel, NOW)]), NOW));
    assert!(refused(&fresh(true), Timestamp(NOW.0 - 1)));
}

#[test]
fn a_lapsed_lease_is_claimed_again_only_if_the_action_may_be_repeated() {
    let lapsed = |idempotent| after(fresh(idempotent), &[(claim_by(actor(1)), NOW), (Input::Lapse, LEASE)]);
    assert_eq!(lapsed(true).status, Status::Prepared { from: LEASE.plus(Duration::from_secs(30)) });
    assert_eq!(lapsed(false).status, Status::Unknown { at: LEASE });
    let leased = after(fresh(true), &[(claim_by(actor(1)), NOW)]);
    assert_eq!(decide(&leased, Input::Lapse, NOW), Err(Refused::StillLeased));
}

#[test]
fn the_pause_doubles_and_the_last_try_is_final() {
    let mut it = fresh(true);
    let mut now = NOW;
    for (attempt, pause) in [(1, 30), (2, 60)] {
        it = after(it, &[(claim_by(actor(1)), now), (ended(attempt, Outcome::Error), now)]);
        assert_eq!(it.status, Status::Prepared { from: now.plus(Duration::from_secs(pause)) });
        now = now.plus(Duration::from_secs(pause));
    }
    it = after(it, &[(claim_by(actor(1)), now), (ended(3, Outcome::Error), now)]);
    assert_eq!(it.status.state(), State::Error);
}

#[test]
fn a_late_result_settles_unknown_and_the_pause_before_a_retry() {
    let unknown = after(fresh(false), &[(claim_by(actor(1)), NOW), (Input::Lapse, LEASE)]);
    assert_eq!(after(unknown, &[(ended(1, Outcome::Error), LEASE)]).status.state(), State::Error);
    let pausing = after(fresh(true), &[(claim_by(actor(1)), NOW), (Input::Lapse, LEASE)]);
    assert_eq!(after(pausing, &[(ended(1, Outcome::Ok), LEASE)]).status.state(), State::Ok);
}

#[test]
fn an_attempt_that_ended_in_error_cannot_become_ok() {
    let pausing = after(fresh(true), &[(claim_by(actor(1)), NOW), (ended(1, Outcome::Error), NOW)]);
    assert_eq!(decide(&pausing, ended(1, Outcome::Ok), NOW), Err(Refused::Final));
    assert_eq!(decide(&pausing, ended(1, Outcome::Error), NOW), Err(Refused::Final));
}

#[test]
fn a_report_of_an_older_attempt_or_incarnation_or_of_another_agent_changes_nothing() {
    let second =
        after(fresh(true), &[(claim_by(actor(1)), NOW), (Input::Lapse, LEASE), (claim_by(actor(1)), LEASE.plus(Duration::from_secs(30)))]);
    let reborn = Actor { incarnation: 2, ..actor(1) };
    for input in [
        ended(1, Outcome::Ok),
        Input::Ended { attempt: 2, actor: reborn, outcome: Outcome::Ok },
        Input::Ended { attempt: 2, actor: actor(2), outcome: Outcome::Ok },
        Input::Began { attempt: 3, actor: actor(1), lease: LEASE },
        Input::Began { attempt: 0, actor: actor(1), lease: LEASE },
    ] {
        assert_eq!(decide(&second, input, LEASE), Err(Refused::Stale), "{input:?}");
    }
}

#[test]
fn cancelling_ends_what_waits_and_asks_for_the_end_of_what_runs() {
    assert_eq!(after(fresh(true), &[(Input::Cancel, NOW)]).status.state(), State::Cancelled);
    let asked = after(fresh(true), &[(claim_by(actor(1)), NOW), (Input::Cancel, NOW)]);
    assert!(asked.cancel_requested && asked.status.state() == State::Started);
    assert_eq!(decide(&asked, Input::Cancel, NOW), Err(Refused::Nothing));
    assert_eq!(after(asked, &[(Input::Lapse, LEASE)]).status.state(), State::Unknown, "no further try once a person wants its end");
    assert_eq!(after(asked, &[(ended(1, Outcome::Error), NOW)]).status.state(), State::Error);
}

fn any_input() -> impl Strategy<Value = Input> {
    let who = (1u128..3, 1u32..3).prop_map(|(n, incarnation)| Actor { incarnation, ..actor(n) });
    let attempt = 0u32..5;
    let lease = (1_000_000i64..3_000_000).prop_map(Timestamp);
    prop_oneof![
        (who.clone(), lease.clone()).prop_map(|(actor, lease)| Input::Claim { actor, lease }),
        (attempt.clone(), who.clone(), lease).prop_map(|(attempt, actor, lease)| Input::Began { attempt, actor, lease }),
        (attempt, who, any::<bool>()).prop_map(|(attempt, actor, ok)| Input::Ended {
            attempt,
            actor,
            outcome: if ok { Outcome::Ok } else { Outcome::Error }
        }),
        Just(Input::Lapse),
        Just(Input::Cancel),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_finals_stay_final_and_attempts_only_grow(
        idempotent: bool,
        inputs in prop::collection::vec((any_input(), 0i64..90_000), 0..60),
    ) {
        let mut it = fresh(idempotent);
        let mut now = NOW;
        let mut handed_out = 0;
        for (input, wait) in inputs {
            now = Timestamp(now.0 + wait);
            let Ok(decision) = decide(&it, input, now) else { continue };
            let (before, next) = (it.status.state(), decision.next.status.state());
            if !before.is_open() {
                prop_assert!(before == State::Unknown && matches!(next, State::Ok | State::Error), "{before} -> {next}");
            }
            prop_assert_eq!(decision.changed, before != next);
            if decision.next.attempt == it.attempt && matches!(it.last_attempt, Some(AttemptState::Ok | AttemptState::Error)) {
                prop_assert_eq!(decision.next.last_attempt, it.last_attempt);
            }
            let claimed = matches!(input, Input::Claim { .. });
            prop_assert!(decision.next.attempt == it.attempt || claimed);
            handed_out += u32::from(claimed);
            it = decision.next;
            prop_assert_eq!(it.attempt, handed_out);
            let most = if idempotent { it.rules.attempts_max } else { 1 };
            prop_assert!(it.attempt <= most);
        }
    }
}
