//! Every recorded conversation against the real door, with the recorded headers: status, content type, form, and what is stored.

#![allow(clippy::result_large_err, reason = "closures answer with the error of the engine")]

mod world;

use axum::http::StatusCode;
use muster_core::fleet::Protocol;
use muster_wire::body::{Coding, decode_body, encode_body};
use serde_json::json;
use std::time::Duration;
use world::recorded::{Recorded, conversation, folders};
use world::{Answer, World, field};

const EMPTY_REPLY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<REPLY></REPLY>\n";

/// What is to be in the store after a conversation.
struct Expected {
    folder: &'static str,
    agents: usize,
    protocol: Protocol,
    inventories: u64,
    /// Documents that are kept, when the agent was known before: of devices found, of devices asked.
    kept: (usize, usize),
}

const fn of(folder: &'static str, protocol: Protocol, agents: usize, inventories: u64) -> Expected {
    Expected { folder, agents, protocol, inventories, kept: (0, 0) }
}

/// The agent is known before, by an inventory made for it.
const fn known(folder: &'static str, protocol: Protocol, kept: (usize, usize)) -> Expected {
    Expected { folder, agents: 1, protocol, inventories: 1, kept }
}

const F: Protocol = Protocol::Fusioninventory;
const G: Protocol = Protocol::Glpi;
const O: Protocol = Protocol::Ocs;

const ALL: [Expected; 32] = [
    of("fusioninventory/basic-auth", F, 1, 1),
    of("fusioninventory/inventory", F, 1, 1),
    of("fusioninventory/inventory-gzip", F, 1, 1),
    of("fusioninventory/inventory-uncompressed", F, 1, 1),
    known("fusioninventory/netdiscovery", F, (4, 0)),
    known("fusioninventory/netinventory-device-pid", F, (0, 4)),
    known("fusioninventory/netinventory-param-pid", F, (0, 4)),
    of("fusioninventory/wakeonlan", F, 0, 0),
    of("glpi/basic-auth", G, 1, 1),
    of("glpi/contact-error", G, 0, 0),
    of("glpi/daemon-now", G, 1, 2),
    of("glpi/inventory", G, 1, 1),
    of("glpi/inventory-gzip", G, 1, 1),
    of("glpi/inventory-second-run", G, 1, 2),
    of("glpi/inventory-uncompressed", G, 1, 1),
    of("glpi/legacy-xml-server", G, 1, 1),
    known("glpi/netdiscovery", G, (4, 0)),
    known("glpi/netinventory-device-pid", G, (0, 4)),
    known("glpi/netinventory-no-start-stop", G, (0, 4)),
    known("glpi/netinventory-param-pid", G, (0, 4)),
    of("glpi/oauth", G, 1, 1),
    of("glpi/pending-inventory", G, 1, 1),
    of("glpi/through-proxy-agent", G, 2, 2),
    of("ocs/01-first-inventory", O, 1, 1),
    of("ocs/03-repeat-inventory", O, 1, 1),
    of("ocs/05-deploy-store", O, 1, 1),
    of("ocs/07-deploy-launch-exit-3", O, 1, 1),
    of("ocs/09-deploy-bad-digest", O, 1, 1),
    of("ocs/13-ipdiscover-manual", O, 1, 1),
    of("ocs/16-registry-option", O, 0, 0),
    // Strangers' results are answered all the same, and not kept.
    Expected { folder: "glpi/netdiscovery", agents: 0, protocol: G, inventories: 0, kept: (0, 0) },
    Expected { folder: "fusioninventory/netdiscovery", agents: 0, protocol: F, inventories: 0, kept: (0, 0) },
];

#[test]
fn every_recorded_folder_is_in_the_list() {
    let listed: std::collections::BTreeSet<String> = ALL.iter().map(|e| e.folder.to_owned()).collect();
    assert_eq!(folders().into_iter().collect::<std::collections::BTreeSet<_>>(), listed);
}

fn xml_of(body: &[u8]) -> String {
    String::from_utf8_lossy(&decode_body(body, 1 << 24).expect("a body").bytes).into_owned()
}

/// Whether an answer has the form that the agent understands, by the kind of its message.
fn is_answered_in_its_form(it: &Recorded, answer: &Answer, folder: &str) {
    let place = format!("{folder} {}: {answer:?}", it.kind);
    let agent = it.header("user-agent").unwrap_or_default();
    let is_native = it.kind.starts_with("json-") || (it.kind == "prolog" && it.header("glpi-agent-id").is_some());
    if it.kind == "req" {
        // The request was answered at once, so there is nothing to ask for.
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{place}");
        return;
    }
    assert_eq!(answer.status, StatusCode::OK, "{place}");
    if is_native {
        let told = answer.json();
        assert_eq!(answer.header("glpi-request-id"), it.header("glpi-request-id"), "{place}");
        match it.kind.as_str() {
            "prolog" => assert_eq!(told, json!({"status": "pending"}), "{place}"),
            "json-inventory" => assert_eq!(told, json!({"status": "ok"}), "{place}"),
            "json-contact" => {
                assert_eq!(told["status"], "ok", "{place}");
                let expiration = told["expiration"].as_str().and_then(|e| e.strip_suffix('s')).map(str::parse::<u64>);
                assert!(expiration.is_some_and(|e| e.is_ok_and(|s| (360..=3_960).contains(&s))), "{place}");
                assert!(told["disabled"].as_array().is_some_and(|d| d.contains(&json!("deploy"))), "{place}");
                assert_eq!(told["tasks"]["netdiscovery"], json!({"server": "glpi", "version": "10.0.17"}), "{place}");
            }
            "json-token" => assert_eq!((&told["token_type"], &told["expires_in"]), (&json!("Bearer"), &json!(3_600)), "{place}"),
            other => panic!("{other} is new"),
        }
        return;
    }
    if agent.starts_with("OCS") {
        if it.kind == "download" {
            assert!(answer.body.is_empty(), "{place}");
            return;
        }
        assert_eq!(answer.header("content-type"), Some("application/x-compressed"), "{place}");
        let (coding, text) = answer.unpacked();
        let part = if it.kind == "prolog" { "<RESPONSE>SEND</RESPONSE>" } else { "ACCOUNT_UPDATE</RESPONSE>" };
        assert!(coding == Coding::Zlib && text.contains(part), "{place} {text}");
        return;
    }
    assert_eq!(answer.header("content-type"), Some("application/xml"), "{place}");
    let text = answer.text();
    match it.kind.as_str() {
        "prolog" => assert!(text.contains("<PROLOG_FREQ>1</PROLOG_FREQ><RESPONSE>"), "{place}"),
        _ => assert_eq!(text, EMPTY_REPLY, "{place}"),
    }
}

/// Makes an agent known under the DEVICEID that a conversation uses.
async fn make_known(world: &World, conversation: &[Recorded], protocol: Protocol) {
    let device_id = field(&xml_of(&conversation[0].body), "DEVICEID").to_owned();
    let donor = if protocol == F { "fusioninventory/inventory" } else { "glpi/legacy-xml-server" };
    let mut inventory = world::recorded::conversation(donor).pop().expect("an inventory");
    let text = xml_of(&inventory.body);
    inventory.body = encode_body(text.replace(field(&text, "DEVICEID"), &device_id).as_bytes(), Coding::Zlib);
    assert_eq!(inventory.send(world).await.status, StatusCode::OK);
}

/// Replays a conversation; `token` is put where the recorded one was.
async fn replay(world: &World, folder: &str) {
    let demands = folder.ends_with("basic-auth") || folder.ends_with("oauth");
    let mut token = None;
    for mut it in conversation(folder) {
        if let (Some("Bearer tok-123"), Some(token)) = (it.header("authorization"), &token) {
            it.set("Authorization", &format!("Bearer {token}"));
        }
        let answer = it.send(world).await;
        if demands && it.header("authorization").is_none() && it.kind != "json-token" {
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{folder} {}: {answer:?}", it.kind);
            let challenge = if folder.ends_with("oauth") { "Bearer" } else { "Basic realm=\"muster\"" };
            assert_eq!(answer.header("www-authenticate"), Some(challenge), "{folder} {}", it.kind);
            continue;
        }
        is_answered_in_its_form(&it, &answer, folder);
        if it.kind == "json-token" {
            token = answer.json()["access_token"].as_str().map(str::to_owned);
        }
    }
}

async fn prepare(world: &World, expected: &Expected) {
    if expected.folder.ends_with("basic-auth") {
        world.settings(json!({"agent_auth": "basic"})).await;
        world.credential("u1", "p1", false).await;
    }
    if expected.folder.ends_with("oauth") {
        world.settings(json!({"agent_auth": "oauth"})).await;
        world.credential("cid", "sec", true).await;
    }
    if expected.kept != (0, 0) {
        make_known(world, &conversation(expected.folder), expected.protocol).await;
    }
    if expected.folder == "glpi/inventory-second-run" {
        replay(world, "glpi/inventory").await;
    }
    world.clock.advance(Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn every_recorded_conversation_is_answered_and_stored() {
    for expected in &ALL {
        let folder = expected.folder;
        let world = World::new().await;
        prepare(&world, expected).await;
        replay(&world, folder).await;
        let agents = world.all_agents().await;
        assert_eq!((agents.len(), world.engine.inventories()), (expected.agents, expected.inventories), "{folder}");
        for agent in &agents {
            assert_eq!(agent.protocol, expected.protocol, "{folder}");
            let kept = (world.kept(agent.id, "netdiscovery").await, world.kept(agent.id, "netinventory").await);
            assert_eq!((kept.0.len(), kept.1.len()), expected.kept, "{folder}");
            assert!(kept.0.iter().chain(&kept.1).all(|d| d.contains("<DEVICE>")), "{folder}: as it came");
            let inventory = world.inventory(agent.device).await;
            let name = &inventory["hardware"]["name"];
            assert!(name == "lab-host-01" || name == "vm", "{folder}: {name}");
            assert_eq!(agent.verified, folder == "glpi/oauth", "{folder}: by its credential");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_run_of_an_agent_changes_only_what_it_tells() {
    let world = World::new().await;
    replay(&world, "glpi/inventory").await;
    let device = world.device().await;
    let before = world.inventory(device.id).await;
    world.clock.advance(Duration::from_secs(3_600));
    replay(&world, "glpi/inventory-second-run").await;
    let after = world.inventory(device.id).await;
    let sections = |m: &serde_json::Map<String, serde_json::Value>| m.keys().cloned().collect::<Vec<_>>();
    assert_eq!(sections(&before), sections(&after), "a section that a partial inventory does not mention stays");
    assert_eq!(before["softwares"], after["softwares"]);
    assert_ne!(before["drives"][0]["free"], after["drives"][0]["free"]);
    assert_eq!(after["drives"][0]["free"], 74_027, "as the partial inventory says");
}

#[tokio::test(start_paused = true)]
async fn an_agent_behind_a_proxy_has_no_address_of_its_own_and_names_its_proxy() {
    let world = World::new().await;
    replay(&world, "glpi/through-proxy-agent").await;
    let agents = world.all_agents().await;
    const PROXY: &str = "439863b4-e55b-11f1-bbb4-29fb1a65435a";
    let proxy = agents.iter().find(|a| a.glpi_id.as_deref() == Some(PROXY)).expect("the proxy");
    let inner = agents.iter().find(|a| a.glpi_id.as_deref() != Some(PROXY)).expect("the inner one");
    assert_eq!((proxy.proxies.len(), proxy.address.as_deref()), (0, Some("10.0.0.7")));
    assert_eq!((inner.proxies.clone(), inner.address.as_deref()), (vec![PROXY.to_owned()], None));
    assert_eq!(proxy.port, Some(62_354), "told at its contact before it was known");
    let told: Vec<(&str, bool)> = proxy.capacities.iter().map(|c| (c.name.as_str(), c.enabled)).collect();
    assert!(told.contains(&("inventory", true)) && told.contains(&("deploy", false)), "{told:?}");
}
