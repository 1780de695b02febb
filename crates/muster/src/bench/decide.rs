//! `muster bench decide`: how many decisions the pure core makes in a second, on one thread, without a store.

use super::report::thousands;
use clap::Args;
use muster_core::fleet::Protocol;
use muster_core::ids::AgentId;
use muster_core::tasks::state::{Actor, Limits, Status};
use muster_core::tasks::why::Candidate;
use muster_core::tasks::{Around, Assignment, Hands, Input, Load, Outcome, Rules, RunState, Situation, decide, held_from, why};
use muster_core::time::Timestamp;
use std::hint::black_box;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long each is measured.
#[derive(Debug, Args)]
pub struct Decide {
    /// Seconds for each figure
    #[arg(long, default_value_t = 2, value_name = "SECONDS")]
    seconds: u64,
}

const NOW: Timestamp = Timestamp(1_795_000_000_000);
const LEASE: Duration = Duration::from_secs(600);

fn rules() -> Rules {
    Rules { attempts_max: 3, backoff: Duration::from_secs(30), on_error: true, on_unknown: true, idempotent: true }
}

fn prepared() -> Assignment {
    Assignment {
        status: Status::Prepared { from: NOW },
        attempt: 0,
        last_actor: None,
        last_attempt: None,
        cancel_requested: false,
        limits: Limits { not_after: Some(NOW.plus(Duration::from_secs(86_400))), stops: false },
        rules: rules(),
    }
}

/// The life of one assignment: handed out, lapsed, handed out again, begun, ended. Gives the number of decisions.
fn life(actor: Actor) -> u64 {
    let mut it = black_box(prepared());
    let mut now = NOW;
    let steps: [fn(Actor, Timestamp) -> Input; 5] = [
        |actor, now| Input::Claim { actor, lease: now.plus(LEASE), lead: Duration::ZERO },
        |_, _| Input::Time,
        |actor, now| Input::Claim { actor, lease: now.plus(LEASE), lead: Duration::ZERO },
        |actor, now| Input::Began { attempt: 2, actor, lease: now.plus(LEASE) },
        |actor, _| Input::Ended { attempt: 2, actor, outcome: Outcome::Ok },
    ];
    let mut made = 0;
    for step in steps {
        if let Ok(decision) = decide(&it, black_box(step(actor, now)), now) {
            it = decision.next;
            made += 1;
        }
        now = now.plus(LEASE + LEASE);
    }
    black_box(it);
    made
}

fn situation() -> Situation {
    let around = Around {
        frozen: None,
        org: Load::default(),
        state: RunState::Running,
        ending: false,
        run: Load { in_flight: 5, most: Some(100) },
        open_to_strangers: true,
    };
    let hands = Hands {
        able: true,
        verified: true,
        switched_on: true,
        quarantined: None,
        load: Load { in_flight: 0, most: Some(4) },
        lead: Duration::ZERO,
    };
    let candidate = Candidate {
        protocol: Protocol::Glpi,
        hands,
        last_contact: Some(NOW),
        next_contact: Some(NOW.plus(LEASE)),
        online: true,
        address: None,
        last_wake: None,
    };
    Situation { assignment: prepared(), around, by_server: false, by_book: None, pool: None, push: false, candidates: vec![candidate] }
}

/// Repeats `work` for a time; gives how much of it is done in a second.
fn rate(seconds: u64, mut work: impl FnMut() -> u64) -> f64 {
    let (began, mut done) = (Instant::now(), 0u64);
    while began.elapsed() < Duration::from_secs(seconds) {
        for _ in 0..1_000 {
            done += work();
        }
    }
    done as f64 / began.elapsed().as_secs_f64()
}

/// Measures and prints.
pub fn decide_rate(args: &Decide) {
    let actor = Actor { agent: AgentId(Uuid::from_u128(7)), incarnation: 1 };
    let decisions = rate(args.seconds, || life(actor));
    let it = situation();
    let hands = it.candidates[0].hands;
    let gates = rate(args.seconds, || u64::from(held_from(black_box(&it.assignment), &it.around, &hands, black_box(NOW)).is_none()));
    let reasons = rate(args.seconds, || u64::from(!black_box(why(black_box(&it), NOW)).reason.key.is_empty()));
    println!("one thread, no store        a second");
    println!("decisions of a state   {:>13}", thousands(decisions));
    println!("claims let through     {:>13}", thousands(gates));
    println!("reasons with sentences {:>13}", thousands(reasons));
}
