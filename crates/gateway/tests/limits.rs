//! Damage, bombs, floods: each refused in the caller's own form, and nothing of it stored.

#![allow(clippy::result_large_err, reason = "closures answer with the error of the engine")]

mod world;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures_util::stream;
use muster_core::limits::{BODY_BYTES_MAX, INFLATED_BYTES_MAX};
use muster_core::time::HandClock;
use muster_engine::Store;
use muster_wire::body::{Coding, encode_body};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use world::{Answer, FUSION, GLPI, OCS, World, document, ocs_inventory, sample, zlib};

fn is_error_reply(answer: &Answer, status: StatusCode) {
    assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/xml")), "{answer:?}");
    let text = answer.text();
    assert!(text.contains("<REPLY><ERROR>") && text.trim_end().ends_with("</ERROR></REPLY>"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn garbage_is_refused_in_the_form_of_the_caller() {
    let world = World::new().await;
    for body in [&b"garbage!"[..], b"", b"\x78\x9c\xff\xff", b"<html><body/></html>", b"<REQUEST><QUERY>PROLOG</QUERY></REQUEST>", b"<a"] {
        is_error_reply(&world.post("/", FUSION, body.to_vec()).await, StatusCode::BAD_REQUEST);
        is_error_reply(&world.post("/", GLPI, body.to_vec()).await, StatusCode::BAD_REQUEST);
        let ocs = world.post("/ocsinventory", OCS, body.to_vec()).await;
        assert!([400, 500].contains(&ocs.status.as_u16()) && !ocs.body.is_empty() && ocs.body.len() < 400, "{ocs:?}");
    }
    let unknown = "<REQUEST><DEVICEID>a</DEVICEID><QUERY>WHATEVER</QUERY></REQUEST>";
    is_error_reply(&world.post("/", FUSION, zlib(unknown)).await, StatusCode::BAD_REQUEST);
    assert!(world.devices().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_bomb_is_refused_and_the_next_message_is_served() {
    let world = World::new().await;
    let mut bomb = b"<?xml version=\"1.0\"?><REQUEST>".to_vec();
    bomb.resize(INFLATED_BYTES_MAX + 1, b' ');
    for coding in [Coding::Zlib, Coding::Gzip] {
        let packed = encode_body(&bomb, coding);
        assert!(packed.len() < 100_000);
        is_error_reply(&world.post("/", FUSION, packed.clone()).await, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(world.post("/ocsinventory", OCS, packed).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
    assert_eq!(world.post("/", FUSION, sample("fusioninventory/inventory.zlib")).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_refused_with_and_without_its_length_told() {
    let world = World::new().await;
    let told = world.post_with("/", FUSION, &[("Content-Length", "16777217")], Body::from("<a/>")).await;
    is_error_reply(&told, StatusCode::PAYLOAD_TOO_LARGE);
    let chunk = Bytes::from(vec![b'<'; 1 << 20]);
    let chunks = (0..=BODY_BYTES_MAX >> 20).map(move |_| Ok::<_, Infallible>(chunk.clone()));
    is_error_reply(&world.post("/", FUSION, Body::from_stream(stream::iter(chunks))).await, StatusCode::PAYLOAD_TOO_LARGE);
    let small = World::with(|o| o.body_bytes_max = 1 << 20).await;
    let of = |bytes: usize| [b"<".to_vec(), vec![b' '; bytes - 1]].concat();
    is_error_reply(&small.post("/", FUSION, of(1 << 20)).await, StatusCode::BAD_REQUEST);
    is_error_reply(&small.post("/", FUSION, of((1 << 20) + 1)).await, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(start_paused = true)]
async fn a_chunked_body_is_read_as_any_other() {
    let world = World::new().await;
    let whole = sample("fusioninventory/inventory.zlib");
    let chunks: Vec<Result<Bytes, Infallible>> = whole.chunks(100).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
    assert_eq!(world.post("/", FUSION, Body::from_stream(stream::iter(chunks))).await.status, StatusCode::OK);
    assert_eq!(world.device().await.name, "lab-host-01");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_waited_for_ten_seconds_and_a_slow_one_for_a_minute() {
    let world = World::new().await;
    let began = tokio::time::Instant::now();
    let silent = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    is_error_reply(&world.post("/", FUSION, silent).await, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(began.elapsed().as_secs(), 10);
    let began = tokio::time::Instant::now();
    let drops = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(&[b'<'; 600])), ()))
    });
    is_error_reply(&world.post("/", FUSION, Body::from_stream(drops)).await, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(began.elapsed().as_secs(), 60, "more than a kilobyte a second is fast enough, and a minute is all there is");
    let began = tokio::time::Instant::now();
    let drops = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(&[b'<'; 300])), ()))
    });
    is_error_reply(&world.post("/", FUSION, Body::from_stream(drops)).await, StatusCode::REQUEST_TIMEOUT);
    assert!((20..40).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let broken = Body::from_stream(stream::iter([Ok(Bytes::from_static(b"<RE")), Err(std::io::Error::other("reset"))]));
    is_error_reply(&world.post("/", FUSION, broken).await, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_inventory_deletes_nothing() {
    let world = World::new().await;
    let whole = sample("fusioninventory/inventory.zlib");
    world.post("/", FUSION, whole.clone()).await;
    let before = world.device().await;
    world.clock.advance(Duration::from_secs(60));
    let xml = document("fusioninventory/inventory.zlib");
    let id = world::field(&xml, "DEVICEID").to_owned();
    // The id first, as some producers write it, so that the cut document still says whose it is.
    let content = xml.split_once("<CONTENT>").expect("content").1;
    let id_first = format!("<REQUEST><DEVICEID>{id}</DEVICEID><QUERY>INVENTORY</QUERY><CONTENT>{content}");
    for cut in [id_first.len() / 2, id_first.len() / 3] {
        let answer = world.post("/", FUSION, zlib(&id_first[..cut])).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    let packed = zlib(&id_first);
    assert_eq!(world.post("/", FUSION, packed[..packed.len() * 2 / 3].to_vec()).await.status, StatusCode::OK);
    let after = world.device().await;
    assert_eq!((after.software_count, after.macs.clone(), after.os.clone()), (before.software_count, before.macs, before.os));
    assert!(after.findings.iter().any(|f| f.kind == "truncated"), "{:?}", after.findings);
    assert_eq!(world.history(after.id).await.len(), 1);
    let ocs = sample("ocs/01-first-inventory.inventory.body");
    let answer = world.post("/ocsinventory", OCS, ocs[..ocs.len() / 2].to_vec()).await;
    assert!(!answer.status.is_success(), "an OCS agent forgets what it told when it sees 200: {answer:?}");
}

#[tokio::test(start_paused = true)]
async fn of_two_inventories_of_a_fusioninventory_agent_at_once_both_are_stored() {
    let world = World::new().await;
    let post = || world.post("/", FUSION, sample("fusioninventory/inventory.zlib"));
    let (a, b) = tokio::join!(post(), post());
    assert_eq!((a.status, b.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(world.engine.inventories(), 2);
    assert_eq!(world.history(world.device().await.id).await.len(), 1);
}

fn comes_again_later(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    let after: u64 = answer.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((30..=150).contains(&after), "{after}");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_sends_agents_away_for_a_while() {
    let clock = Arc::new(HandClock::at(world::NOW));
    let options = muster_store::Options { queue: 1, ..muster_store::Options::default() };
    let store = Store::inline_with(7, clock.clone(), &options);
    let world = World::on(store, clock, |_| {}).await;
    let post = |i: u32| world.post("/ocsinventory", OCS, ocs_inventory(&format!("pc{i}-2026-11-21-03-09-07"), None));
    assert_eq!(post(0).await.status, StatusCode::OK);
    let answers = futures_util::future::join_all((1..20).map(post)).await;
    let (taken, refused): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|a| a.status == StatusCode::OK);
    assert!(!taken.is_empty() && !refused.is_empty(), "{} taken", taken.len());
    refused.iter().for_each(|a| comes_again_later(a));
    assert_eq!(world.devices().await.len(), taken.len() + 1, "200 means stored, and nothing else does");
}

#[tokio::test(start_paused = true)]
async fn when_memory_for_documents_is_taken_the_next_is_sent_away() {
    let world = World::with(|o| {
        o.inflated_bytes_max = 64 << 10;
        o.inflated_in_flight_bytes_max = 64 << 10;
    })
    .await;
    let post = |i: u32| world.post("/", FUSION, zlib(&format!("<REQUEST><DEVICEID>pc{i}</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>")));
    assert_eq!(post(0).await.status, StatusCode::OK);
    // One share is all there is: held by a message whose answer is being made, it is waited for, so all are served in turn.
    let answers = futures_util::future::join_all((0..5).map(post)).await;
    assert!(answers.iter().all(|a| a.status == StatusCode::OK));
    let none = World::with(|o| o.inflated_in_flight_bytes_max = 0).await;
    let answer = none.post("/", FUSION, sample("fusioninventory/prolog.zlib")).await;
    is_error_reply(&answer, StatusCode::SERVICE_UNAVAILABLE);
    comes_again_later(&answer);
    comes_again_later(&none.post("/ocsinventory", OCS, sample("ocs/prolog.body")).await);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_brings_too_many_strangers_is_stopped() {
    let world = World::new().await;
    let patch = serde_json::json!({"new_agents_per_source_max": 2}).as_object().cloned().expect("an object");
    let set = move |tx: &mut muster_engine::Tx, cx: &muster_engine::Cx| muster_engine::access::settings_update(tx, cx, &patch, None);
    world.engine.write("settings", &world.cx(), set).await.expect("set");
    for i in 0..2 {
        let answer = world.post("/ocsinventory", OCS, ocs_inventory(&format!("pc{i}-2026-11-21-03-09-07"), None)).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let ocs = world.post("/ocsinventory", OCS, ocs_inventory("pc3-2026-11-21-03-09-07", None)).await;
    assert_eq!(ocs.status, StatusCode::FORBIDDEN);
    let fusion = world.post("/", FUSION, sample("fusioninventory/inventory.zlib")).await;
    is_error_reply(&fusion, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(world.devices().await.len(), 2);
}
