//! Single requests: every example of the inventory format in JSON and XML, and every crafted request to an OCS server, with what
//! the reference server answered.

#![allow(clippy::result_large_err, reason = "closures answer with the error of the engine")]

mod world;

use axum::http::StatusCode;
use muster_core::fleet::Device;
use muster_wire::body::{Coding, decode_body, encode_body};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use world::recorded::conversation;
use world::{Answer, FUSION, GLPI, GLPI_ID, World, document, field, sample, zlib};

fn files(folder: &Path, ends: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).filter(|p| p.to_string_lossy().ends_with(ends)).collect();
    files.sort();
    files
}

fn name(file: &Path) -> String {
    file.file_name().and_then(|n| n.to_str()).expect("a name").split('.').next().expect("a stem").to_owned()
}

/// The examples in JSON: names, bodies as an agent packs them, and what they say.
fn examples() -> Vec<(String, Vec<u8>, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/inventory-format");
    let read = |file: PathBuf| {
        let body = std::fs::read(&file).expect("a file");
        let text = decode_body(&body, 8 << 20).expect("zlib").bytes;
        (name(&file), body, serde_json::from_slice(&text).expect("JSON"))
    };
    files(&folder, ".json.zlib").into_iter().map(read).collect()
}

/// As GLPI Agent sends it.
async fn send(world: &World, agent_id: &str, body: Vec<u8>) -> Answer {
    world.clock.advance(Duration::from_secs(600));
    let headers = [("GLPI-Agent-ID", agent_id), ("Content-Type", "application/x-compress-zlib"), ("Pragma", "no-cache")];
    world.post_with("/front/inventory.php", GLPI, &headers, body).await
}

async fn device_named(world: &World, device_name: &str) -> Device {
    let all = world.devices().await;
    all.iter().find(|d| d.name == device_name).cloned().unwrap_or_else(|| panic!("{device_name}: {all:?}"))
}

#[tokio::test(start_paused = true)]
async fn every_example_in_json_is_taken_as_what_it_says_it_is() {
    let world = World::new().await;
    let (mut machines, mut of_network) = (std::collections::BTreeSet::new(), 0);
    let examples = examples();
    assert_eq!(examples.len(), 10);
    for (name, body, message) in &examples {
        let device_id = message["deviceid"].as_str().expect("an id");
        let is_network = message["content"].get("network_device").is_some();
        of_network += usize::from(is_network);
        if !is_network {
            machines.insert(device_id.to_owned());
        }
        // One agent each, but for things of the network, which one of them was told to ask.
        let number = if is_network { 1 } else { machines.len() };
        let answer = send(&world, &format!("92e89606-e55a-11f1-851f-{number:012x}"), body.clone()).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"status": "ok"})), "{name}");
    }
    assert_eq!((machines.len(), of_network), (4, 3));
    assert_eq!(world.devices().await.len(), machines.len(), "a partial inventory makes no second device, a switch is none");
    let first = world.all_agents().await.into_iter().find(|a| a.foreign_id.as_deref() == Some("glpixps-2018-07-09-09-07-13"));
    assert_eq!(world.kept(first.expect("the first").id, "netinventory").await.len(), of_network);
}

#[tokio::test(start_paused = true)]
async fn an_example_that_is_partial_replaces_its_sections_and_leaves_the_others() {
    let world = World::new().await;
    let examples = examples();
    let of = |name: &str| examples.iter().find(|e| e.0 == name).unwrap_or_else(|| panic!("{name}"));
    for (whole, parts, device_name) in [
        ("computer_1", &["computer_1_partial_cpu", "computer_1_partial_softs"][..], "glpixps"),
        ("computer_2", &["computer_2_partial_vms"], "COMP1"),
    ] {
        assert!(send(&world, GLPI_ID, of(whole).1.clone()).await.status.is_success(), "{whole}");
        let device = device_named(&world, device_name).await.id;
        for part in parts {
            let before = world.inventory(device).await;
            assert!(send(&world, GLPI_ID, of(part).1.clone()).await.status.is_success(), "{part}");
            let (after, told) = (world.inventory(device).await, of(part).2["content"].as_object().expect("sections"));
            for (section, rows) in &before {
                if !told.contains_key(section) {
                    assert_eq!(after.get(section), Some(rows), "{part}: {section} is not mentioned");
                }
            }
            for (section, rows) in told.iter().filter(|(_, rows)| rows.is_array()) {
                assert_eq!(after[section].as_array().map(Vec::len), rows.as_array().map(Vec::len), "{part}: {section} is replaced");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_example_in_xml_is_taken_as_what_it_says_it_is() {
    let world = World::new().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/samples/glpi");
    let all: Vec<String> = files(&folder, ".xml").iter().map(|f| std::fs::read_to_string(f).expect("text")).collect();
    assert_eq!(all.len(), 11);
    // Whoever was told to ask the network is known by an inventory of its own.
    let machine = document("fusioninventory/inventory.zlib");
    for id in ["foo", "johanxps-2020-08-19-14-29-10"] {
        let body = machine.replace(field(&machine, "DEVICEID"), id);
        assert_eq!(world.post("/", FUSION, zlib(&body)).await.status, StatusCode::OK);
    }
    let (mut inventories, mut results) = (0, 0);
    for xml in &all {
        world.clock.advance(Duration::from_secs(600));
        let answer = world.post("/plugins/fusioninventory/", FUSION, encode_body(xml.as_bytes(), Coding::Zlib)).await;
        assert_eq!(answer.status, StatusCode::OK, "{xml:.200}: {answer:?}");
        assert!(answer.text().ends_with("<REPLY></REPLY>\n"), "{answer:?}");
        match field(xml, "QUERY") {
            "INVENTORY" => inventories += 1,
            _ => results += usize::from(xml.contains("<DEVICE>")),
        }
    }
    assert_eq!((inventories, world.engine.inventories()), (3, 3 + 2));
    let mut kept = 0;
    for agent in world.all_agents().await {
        kept += world.kept(agent.id, "netdiscovery").await.len() + world.kept(agent.id, "netinventory").await.len();
    }
    assert_eq!(kept, results);
    for (id, os) in [("LF014", "linux"), ("android-5a30d8711bbadc9d", "android")] {
        let agents = world.all_agents().await;
        let agent = agents.iter().find(|a| a.foreign_id.as_deref().is_some_and(|f| f.starts_with(id))).expect("an agent");
        assert!(world.inventory(agent.device).await.contains_key("operatingsystem"), "{id} {os}");
    }
}

/// With the status of the reference server, and ours where it is another.
const VARIANTS: [(&str, u16, Option<u16>); 15] = [
    ("bad_deviceid", 400, None),
    ("download_unknown", 200, None),
    ("dup_same_name_serial_mac", 200, None),
    ("garbage", 500, None),
    // A person's browser comes this way: the console answers it, not the doors.
    ("get", 400, Some(404)),
    ("gzip", 200, None),
    ("inv_bad_ua", 200, None),
    ("no_query", 400, None),
    ("partial", 200, None),
    ("path_sub", 200, None),
    // The reference server refuses agents that are newer than itself; nothing here depends on it.
    ("ua_newer", 400, Some(200)),
    ("ua_windows", 200, None),
    ("ua_winold", 200, None),
    ("unknown_query", 400, None),
    ("update", 200, None),
];

#[tokio::test(start_paused = true)]
async fn every_crafted_request_to_an_ocs_server_has_the_reference_servers_status_with_its_recorded_headers() {
    let world = World::new().await;
    let recorded = conversation("ocs-variants");
    assert_eq!(recorded.iter().map(|r| r.kind.as_str()).collect::<Vec<_>>(), VARIANTS.map(|v| v.0));
    for (it, (name, reference, ours)) in recorded.iter().zip(VARIANTS) {
        let answer = it.send(&world).await;
        assert_eq!(answer.status.as_u16(), ours.unwrap_or(reference), "{name}: {answer:?}");
        if answer.status == StatusCode::OK && !answer.body.is_empty() {
            assert_eq!(answer.header("content-type"), Some("application/x-compressed"), "{name}");
            let coding = if name == "gzip" { Coding::Gzip } else { Coding::Zlib };
            assert_eq!(answer.unpacked().0, coding, "{name}: packed as the request");
        }
    }
    assert_eq!(sample("ocs/variant-garbage.body"), recorded[3].body);
}
