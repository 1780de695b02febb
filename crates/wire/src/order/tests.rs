use super::*;
use serde_json::json;
use std::fmt::Debug;
use std::str::FromStr;

const NOW: i64 = 1_795_000_000_000;

fn id<T: FromStr<Err: Debug>>(n: u128) -> T {
    format!("00000000-0000-7000-8000-{n:012x}").parse().expect("an id")
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn target(n: u128) -> Target {
    Target { agent: id(n), incarnation: 2, not_before_ms: Some(NOW), not_after_ms: Some(NOW + 3_600_000) }
}

fn manifest() -> Manifest {
    let action = json!({"type": "inventory"});
    Manifest {
        v: 1,
        org: id(1),
        run: id(2),
        task: id(3),
        task_name: "nightly".to_owned(),
        version: 4,
        steps: vec![Step { step: 0, id: "a".to_owned(), action, timeout_seconds: 60, idempotent: true, stops: false, slice: None }],
        job: None,
        root: String::new(),
        count: 0,
        issued_ms: NOW,
        nonce: "00".repeat(16),
    }
}

fn token(n: u128) -> Token {
    Token {
        manifest: String::new(),
        assignment: id(100 + n),
        attempt: 1,
        step: 0,
        agent: id(n),
        incarnation: 2,
        lease_until_ms: NOW + 60_000,
        issued_ms: NOW,
        standing: None,
        recurs: None,
    }
}

fn order_of(n: u128, count: u128) -> Order {
    let signed = Signed::new(&key(1), manifest(), (0..count).map(target).collect());
    signed.order(&key(1), usize::try_from(n).expect("small"), token(n)).expect("a target")
}

fn open(order: &Order, n: u128, now_ms: i64) -> Result<Opened, OrderRefusal> {
    let keys = [key(1).verifying_key()];
    order.open(&Opener { keys: &keys, agent: id(n), incarnation: 2, now_ms })
}

#[test]
fn each_of_any_number_of_targets_can_open_its_order_and_no_other() {
    for count in [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 33, 100] {
        for n in 0..count {
            let order = order_of(n, count);
            let opened = open(&order, n, NOW).expect("opened");
            assert_eq!((opened.attempt, opened.step.id.as_str()), (order.named().expect("named"), "a"));
            assert_eq!(open(&order, n + 1, NOW), Err(OrderRefusal::Aim), "{n} of {count}");
        }
    }
}

#[test]
fn an_order_that_somebody_changed_or_made_is_refused() {
    let good = order_of(3, 5);
    let forged = [
        Order { manifest: good.manifest.replace("inventory", "invent0ry"), ..good.clone() },
        Order { token: good.token.replace("\"attempt\":1", "\"attempt\":2"), ..good.clone() },
        Order { manifest_signature: good.token_signature.clone(), ..good.clone() },
        Order { token_signature: String::new(), ..good.clone() },
        Signed::new(&key(2), manifest(), vec![target(3)]).order(&key(2), 0, token(3)).expect("one of a stranger"),
    ];
    for order in &forged {
        assert_eq!(open(order, 3, NOW), Err(OrderRefusal::Forged), "{order:?}");
    }
    // A text that was signed as another thing proves nothing.
    let swapped = Order { manifest: good.token.clone(), manifest_signature: good.token_signature.clone(), ..good };
    assert_eq!(open(&swapped, 3, NOW), Err(OrderRefusal::Forged));
}

#[test]
fn an_order_of_true_parts_that_do_not_belong_together_is_refused() {
    let (mine, other) = (order_of(3, 5), order_of(4, 5));
    let parts = [
        Order { target: other.target, proof: other.proof.clone(), ..mine.clone() },
        Order { proof: other.proof.clone(), ..mine.clone() },
        Order { target: Target { not_after_ms: None, ..mine.target }, ..mine.clone() },
        Order { proof: Proof { path: mine.proof.path[1..].to_vec(), ..mine.proof.clone() }, ..mine.clone() },
        Order { proof: Proof { path: [mine.proof.path.clone(), vec!["00".repeat(32)]].concat(), ..mine.proof.clone() }, ..mine.clone() },
        Order { proof: Proof { place: 99, ..mine.proof.clone() }, ..mine.clone() },
        Order { token: other.token.clone(), token_signature: other.token_signature.clone(), ..mine.clone() },
    ];
    for order in &parts {
        assert_eq!(open(order, 3, NOW), Err(OrderRefusal::Aim), "{order:?}");
    }
    // The token of one run with the manifest of another.
    let second = Manifest { run: id(9), ..manifest() };
    let second = Signed::new(&key(1), second, vec![target(3)]).order(&key(1), 0, token(3)).expect("a target");
    let mixed = Order { token: mine.token.clone(), token_signature: mine.token_signature.clone(), ..second };
    assert_eq!(open(&mixed, 3, NOW), Err(OrderRefusal::Aim));
}

#[test]
fn an_order_of_another_life_of_the_past_and_of_the_future_is_refused() {
    let order = order_of(0, 1);
    let keys = [key(2).verifying_key(), key(1).verifying_key()];
    let reborn = Opener { keys: &keys, agent: id(0), incarnation: 3, now_ms: NOW };
    assert_eq!(order.open(&reborn), Err(OrderRefusal::Incarnation));
    assert!(open(&order, 0, NOW + 59_999).is_ok());
    assert_eq!(open(&order, 0, NOW + 60_000), Err(OrderRefusal::Outdated));
    assert!(open(&order, 0, NOW - 120_000).is_ok());
    assert_eq!(open(&order, 0, NOW - 120_001), Err(OrderRefusal::Future));
    let early = Target { not_before_ms: Some(NOW + 120_001), ..target(0) };
    let early = Signed::new(&key(1), manifest(), vec![early]).order(&key(1), 0, token(0)).expect("a target");
    assert_eq!(open(&early, 0, NOW), Err(OrderRefusal::Future));
}

#[test]
fn a_form_that_is_not_known_is_refused_as_such() {
    let newer = Signed::new(&key(1), Manifest { v: 2, ..manifest() }, vec![target(0)]).order(&key(1), 0, token(0)).expect("a target");
    let without_step =
        Signed::new(&key(1), manifest(), vec![target(0)]).order(&key(1), 0, Token { step: 7, ..token(0) }).expect("a target");
    for order in [newer, without_step] {
        assert_eq!(open(&order, 0, NOW), Err(OrderRefusal::Malformed));
    }
}

#[test]
fn words_of_refusals_are_those_of_the_wire() {
    for refusal in OrderRefusal::ALL {
        assert_eq!(serde_json::to_value(refusal).expect("json"), json!(refusal.as_str()));
    }
}
