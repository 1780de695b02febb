//! What an OCS server does: identity, account information, messages, locks.

#![allow(clippy::result_large_err, reason = "closures answer with the error of the engine")]

mod world;

use axum::body::Body;
use axum::http::StatusCode;
use muster_engine::fleet::{DevicePatch, device_update};
use muster_wire::body::{Coding, encode_body};
use std::time::Duration;
use world::{OCS, World, ocs_inventory, prolog, sample, zlib};

const ID: &str = "till-2026-11-21-03-09-07";
const NO_UPDATE: &str = "<REPLY><RESPONSE>NO_ACCOUNT_UPDATE</RESPONSE></REPLY>";

fn update(tag: &str) -> String {
    let account = format!("<ACCOUNTINFO><KEYNAME>TAG</KEYNAME><KEYVALUE>{tag}</KEYVALUE></ACCOUNTINFO>");
    format!("<REPLY><RESPONSE>ACCOUNT_UPDATE</RESPONSE>{account}</REPLY>")
}

async fn tell(world: &World, tag: Option<&str>) -> String {
    world.clock.advance(Duration::from_secs(60));
    let answer = world.post("/ocsinventory", OCS, ocs_inventory(ID, tag)).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.unpacked().1.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_agents_first_tag_is_kept_told_once_and_then_agreed_on() {
    let world = World::new().await;
    assert_eq!(tell(&world, Some("LAB1")).await, NO_UPDATE);
    assert_eq!(world.device().await.tag.as_deref(), Some("LAB1"));
    assert_eq!(tell(&world, None).await, update("LAB1"));
    assert_eq!(tell(&world, Some("LAB1")).await, NO_UPDATE);
    assert_eq!(tell(&world, Some("ELSEWHERE")).await, update("LAB1"), "later the server's tag wins");
    assert_eq!(world.device().await.tag.as_deref(), Some("LAB1"));
    assert_eq!(world.history(world.device().await.id).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_device_without_a_tag_is_na_until_a_person_gives_one() {
    let world = World::new().await;
    assert_eq!(tell(&world, None).await, NO_UPDATE);
    assert_eq!(tell(&world, None).await, update("NA"));
    assert_eq!(tell(&world, Some("NA")).await, NO_UPDATE);
    assert_eq!(world.device().await.tag, None);
    let id = world.device().await.id;
    let patch = DevicePatch { tag: Some("PARIS".to_owned()), ..DevicePatch::default() };
    world.engine.write("tag", &world.cx(), move |tx, cx| device_update(tx, cx, id, &patch, None)).await.expect("changed");
    assert_eq!(tell(&world, Some("NA")).await, update("PARIS"));
    assert_eq!(tell(&world, Some("PARIS")).await, NO_UPDATE);
}

#[tokio::test(start_paused = true)]
async fn other_account_information_of_the_agent_is_told_back_to_it() {
    let world = World::new().await;
    tell(&world, Some("LAB1")).await;
    let body = "<REQUEST><CONTENT><ACCOUNTINFO><KEYNAME>fields_3</KEYNAME><KEYVALUE>R&amp;D</KEYVALUE></ACCOUNTINFO><HARDWARE><NAME>till</NAME></HARDWARE>\
                </CONTENT><DEVICEID>till-2026-11-21-03-09-07</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>";
    let answer = world.post("/ocsinventory", OCS, zlib(body)).await.unpacked().1;
    assert!(
        answer.contains("<KEYVALUE>LAB1</KEYVALUE>") && answer.contains("<KEYNAME>fields_3</KEYNAME><KEYVALUE>R&amp;D</KEYVALUE>"),
        "{answer}"
    );
}

#[tokio::test(start_paused = true)]
async fn crafted_messages_have_the_reference_servers_status() {
    let world = World::new().await;
    for (name, status) in [
        ("bad_deviceid", 400),
        ("no_query", 400),
        ("unknown_query", 400),
        ("garbage", 500),
        ("gzip", 200),
        ("path_sub", 200),
        ("inv_bad_ua", 200),
        ("partial", 200),
        ("dup_same_name_serial_mac", 200),
    ] {
        let answer = world.post("/ocsinventory", OCS, sample(&format!("ocs/variant-{name}.body"))).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {answer:?}");
    }
    let update = world.post("/ocsinventory", OCS, sample("ocs/variant-update.body")).await;
    assert!(update.unpacked().1.contains("<RESPONSE>NO_UPDATE</RESPONSE>"));
    assert_eq!(world.post("/ocsinventory", OCS, Body::empty()).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    let deflate = &encode_body(b"<?xml version=\"1.0\"?><REQUEST/>", Coding::Zlib)[2..];
    assert_eq!(world.post("/ocsinventory", OCS, deflate.to_vec()).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    let doctype = "<!DOCTYPE a><REQUEST><DEVICEID>till-2026-11-21-03-09-07</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>";
    assert_eq!(world.post("/ocsinventory", OCS, zlib(doctype)).await.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test(start_paused = true)]
async fn a_device_id_without_its_date_or_with_more_behind_it_is_refused() {
    let world = World::new().await;
    for id in ["till", "till-2026-11-21", "-2026-11-21-03-09-07", "till-2026-11-21-03-09-07x"] {
        let answer = world.post("/ocsinventory", OCS, prolog(id)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{id}");
        assert!(answer.text().contains("DEVICEID"), "{answer:?}");
        assert_eq!(world.post("/ocsinventory", OCS, ocs_inventory(id, None)).await.status, StatusCode::BAD_REQUEST, "{id}");
    }
    assert!(world.devices().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn messages_with_nothing_to_say_are_answered_empty() {
    let world = World::new().await;
    let crafted = |query: &str| zlib(&format!("<REQUEST><DEVICEID>{ID}</DEVICEID><QUERY>{query}</QUERY><TYPE>IP</TYPE></REQUEST>"));
    for body in [
        sample("ocs/download-success.body"),
        sample("ocs/download-success-3.body"),
        sample("ocs/download-bad-digest.body"),
        sample("ocs/variant-download_unknown.body"),
        crafted("NOTIFY"),
        crafted("SNMP"),
    ] {
        let answer = world.post("/ocsinventory", OCS, body).await;
        assert_eq!((answer.status, answer.body.len(), answer.header("content-length")), (StatusCode::OK, 0, Some("0")));
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_inventories_of_a_device_at_once_one_is_refused_and_a_prolog_is_not() {
    let world = World::new().await;
    let post = || world.post("/ocsinventory", OCS, ocs_inventory(ID, None));
    let other = world.post("/ocsinventory", OCS, ocs_inventory("desk-2026-11-21-03-09-07", None));
    let (a, b, c, d) = tokio::join!(post(), post(), other, world.post("/ocsinventory", OCS, prolog(ID)));
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403]);
    assert_eq!((c.status, d.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(post().await.status, StatusCode::OK, "the turn is over");
}

#[tokio::test(start_paused = true)]
async fn a_partial_inventory_leaves_everything_else_as_it_was() {
    let world = World::new().await;
    let whole = world::document("ocs/01-first-inventory.inventory.body");
    let id = world::field(&whole, "DEVICEID");
    world.post("/ocsinventory", OCS, sample("ocs/01-first-inventory.inventory.body")).await;
    let before = world.device().await;
    world.clock.advance(Duration::from_secs(60));
    let part = format!(
        "<REQUEST><CONTENT><HARDWARE><NAME>{}</NAME><OSNAME>Other</OSNAME></HARDWARE></CONTENT><DEVICEID>{id}</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>",
        world::field(&whole, "NAME")
    );
    assert_eq!(world.post("/ocsinventory", OCS, zlib(&part)).await.status, StatusCode::OK);
    let after = world.device().await;
    assert_eq!((after.id, after.software_count, after.macs), (before.id, before.software_count, before.macs));
    assert_eq!((after.os.as_deref(), after.serial), (Some("Other"), before.serial));
}
