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
        limits: Limits::default(),
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
    Input::Claim { actor, lease: LEASE, lead: Duration::ZERO }
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
    let lapsed = |idempotent| after(fresh(idempotent), &[(claim_by(actor(1)), NOW), (Input::Time, LEASE)]);
    assert_eq!(lapsed(true).status, Status::Prepared { from: LEASE.plus(Duration::from_secs(30)) });
    assert_eq!(lapsed(false).status, Status::Unknown { at: LEASE });
    let leased = after(fresh(true), &[(claim_by(actor(1)), NOW)]);
    assert_eq!(decide(&leased, Input::Time, NOW), Err(Refused::NotYet));
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
    let unknown = after(fresh(false), &[(claim_by(actor(1)), NOW), (Input::Time, LEASE)]);
    assert_eq!(after(unknown, &[(ended(1, Outcome::Error), LEASE)]).status.state(), State::Error);
    let pausing = after(fresh(true), &[(claim_by(actor(1)), NOW), (Input::Time, LEASE)]);
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
        after(fresh(true), &[(claim_by(actor(1)), NOW), (Input::Time, LEASE), (claim_by(actor(1)), LEASE.plus(Duration::from_secs(30)))]);
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
    assert_eq!(after(asked, &[(Input::Time, LEASE)]).status.state(), State::Unknown, "no further try once a person wants its end");
    assert_eq!(after(asked, &[(ended(1, Outcome::Error), NOW)]).status.state(), State::Error);
}

fn until(not_after: Timestamp, stops: bool) -> Assignment {
    Assignment { limits: Limits { not_after: Some(not_after), stops }, ..fresh(true) }
}

#[test]
fn nothing_is_handed_out_that_could_begin_after_its_time() {
    let it = until(Timestamp(NOW.0 + 60_000), false);
    let claim = |lead| decide(&it, Input::Claim { actor: actor(1), lease: LEASE, lead: Duration::from_secs(lead) }, NOW);
    assert!(claim(59).is_ok());
    assert_eq!(claim(60), Err(Refused::NotClaimable));
    assert_eq!(it.timer(), Some(Timestamp(NOW.0 + 60_000)));
}

#[test]
fn the_end_of_its_time_is_told_by_what_was_tried() {
    let end = Timestamp(NOW.0 + 40_000);
    let it = until(end, false);
    assert_eq!(decide(&it, Input::Time, NOW), Err(Refused::NotYet));
    assert_eq!(after(it, &[(Input::Time, end)]).status, Status::Expired { at: end });
    let pausing = after(it, &[(claim_by(actor(1)), NOW), (ended(1, Outcome::Error), NOW)]);
    assert_eq!(pausing.status.state(), State::Prepared, "the next try is within its time");
    assert_eq!(after(pausing, &[(Input::Time, end)]).status, Status::Error { at: end });
    let late = Timestamp(NOW.0 + 20_000);
    let it = after(it, &[(claim_by(actor(1)), NOW), (ended(1, Outcome::Error), late)]);
    assert_eq!(it.status, Status::Error { at: late }, "the next try would be after its time");
}

#[test]
fn what_is_under_way_at_the_end_of_its_time_goes_on_or_is_asked_to_stop() {
    let end = Timestamp(NOW.0 + 40_000);
    let under_way = |stops| after(until(end, stops), &[(claim_by(actor(1)), NOW)]);
    assert_eq!(decide(&under_way(false), Input::Time, end), Err(Refused::Nothing));
    assert_eq!(under_way(false).timer(), Some(LEASE));
    assert_eq!(under_way(true).timer(), Some(end));
    let asked = after(under_way(true), &[(Input::Time, end)]);
    assert!(asked.cancel_requested && asked.status.state() == State::Started);
    assert_eq!(asked.timer(), Some(LEASE));
}

#[test]
fn what_was_given_back_unbegun_is_handed_out_again_whatever_the_action() {
    let given = after(fresh(false), &[(claim_by(actor(1)), NOW), (ended(1, Outcome::Declined), NOW)]);
    assert_eq!(given.status.state(), State::Prepared);
    let again = after(given, &[(claim_by(actor(1)), NOW.plus(Duration::from_secs(30)))]);
    assert_eq!(again.attempt, 2);
    let begun = after(fresh(false), &[(claim_by(actor(1)), NOW), (Input::Began { attempt: 1, actor: actor(1), lease: LEASE }, NOW)]);
    assert_eq!(decide(&begun, ended(1, Outcome::Declined), NOW), Err(Refused::Final), "what began is not given back");
    let late = after(until(Timestamp(NOW.0 + 10_000), false), &[(claim_by(actor(1)), NOW), (ended(1, Outcome::Declined), NOW)]);
    assert_eq!(late.status.state(), State::Expired);
}

#[test]
fn what_never_arrived_is_handed_out_again_at_once_also_after_the_last_try() {
    let lost = Input::NeverArrived { attempt: 1, actor: actor(1) };
    let once = Assignment { rules: Rules { attempts_max: 1, ..fresh(false).rules }, ..fresh(false) };
    let again = after(once, &[(claim_by(actor(1)), NOW), (lost, NOW)]);
    assert_eq!((again.status, again.last_attempt), (Status::Prepared { from: NOW }, Some(AttemptState::Declined)));
    let begun = after(fresh(false), &[(claim_by(actor(1)), NOW), (Input::Began { attempt: 1, actor: actor(1), lease: LEASE }, NOW)]);
    assert_eq!(decide(&begun, lost, NOW), Err(Refused::Final), "what began has arrived");
    assert_eq!(decide(&again, lost, NOW), Err(Refused::Final), "told once");
    let asked = after(fresh(false), &[(claim_by(actor(1)), NOW), (Input::Cancel, NOW), (lost, NOW)]);
    assert_eq!(asked.status.state(), State::Cancelled);
}

#[test]
fn what_waits_can_be_put_off_and_never_comes_sooner_by_it() {
    let until = NOW.plus(Duration::from_secs(3_600));
    let put_off = after(fresh(true), &[(Input::Delay { until }, NOW)]);
    assert_eq!(put_off.status, Status::Prepared { from: until });
    assert_eq!(decide(&put_off, Input::Delay { until: NOW }, NOW), Err(Refused::Nothing));
    assert_eq!(decide(&after(fresh(true), &[(claim_by(actor(1)), NOW)]), Input::Delay { until }, NOW), Err(Refused::NotClaimable));
}

fn any_input() -> impl Strategy<Value = Input> {
    let who = (1u128..3, 1u32..3).prop_map(|(n, incarnation)| Actor { incarnation, ..actor(n) });
    let attempt = 0u32..5;
    let lease = (1_000_000i64..3_000_000).prop_map(Timestamp);
    prop_oneof![
        (who.clone(), lease.clone()).prop_map(|(actor, lease)| Input::Claim { actor, lease, lead: Duration::ZERO }),
        (attempt.clone(), who.clone(), lease).prop_map(|(attempt, actor, lease)| Input::Began { attempt, actor, lease }),
        (attempt.clone(), who.clone()).prop_map(|(attempt, actor)| Input::NeverArrived { attempt, actor }),
        (attempt, who, prop::sample::select(vec![Outcome::Ok, Outcome::Error, Outcome::Declined]))
            .prop_map(|(attempt, actor, outcome)| Input::Ended { attempt, actor, outcome }),
        (1_000_000i64..3_000_000).prop_map(|until| Input::Delay { until: Timestamp(until) }),
        Just(Input::Time),
        Just(Input::Cancel),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_finals_stay_final_and_attempts_only_grow(
        idempotent: bool,
        end in prop::option::of(1_000_000i64..3_000_000),
        stops: bool,
        inputs in prop::collection::vec((any_input(), 0i64..90_000), 0..60),
    ) {
        let mut it = Assignment { limits: Limits { not_after: end.map(Timestamp), stops }, ..fresh(idempotent) };
        let mut now = NOW;
        let (mut handed_out, mut declined, mut arrived_not) = (0, 0, 0);
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
            prop_assert!(!claimed || !it.limits.is_over(now), "nothing is handed out after its time");
            arrived_not += u32::from(matches!(input, Input::NeverArrived { .. }));
            declined += u32::from(decision.attempt == Some(AttemptState::Declined));
            let still = decide(&decision.next, Input::Time, Timestamp(i64::MAX));
            prop_assert_eq!(decision.next.timer().is_some(), still.is_ok(), "what time changes has a timer: {:?}", decision.next);
            prop_assert!(decision.next.attempt == it.attempt || claimed);
            handed_out += u32::from(claimed);
            it = decision.next;
            prop_assert_eq!(it.attempt, handed_out);
            prop_assert!(it.attempt <= it.rules.attempts_max + arrived_not);
            prop_assert!(idempotent || it.attempt <= declined + 1);
        }
    }
}
