//! Devices and agents: filters, sorts, pages, changes, inventories.

use crate::world::{World, names};
use serde_json::{Value, json};
use std::time::Duration;

fn fleet() -> World {
    let world = World::new();
    world.report("alpha", "Debian GNU/Linux 12", &["bash", "vim"]);
    world.report("bravo", "Microsoft Windows 11 Pro", &["7-Zip"]);
    world.report("charlie", "Ubuntu 24.04", &["bash"]);
    world
}

#[tokio::test]
async fn devices_are_listed_filtered_and_sorted() {
    let world = fleet();
    for (query, expected) in [
        ("", vec!["alpha", "bravo", "charlie"]),
        ("sort=-name", vec!["charlie", "bravo", "alpha"]),
        ("sort=os", vec!["alpha", "bravo", "charlie"]),
        ("os_family=linux", vec!["alpha", "charlie"]),
        ("os_family=linux,windows&name=bravo,charlie", vec!["bravo", "charlie"]),
        ("name=alpha&name=bravo", vec!["alpha", "bravo"]),
        ("manufacturer=Acme%5C,%20Inc.&serial=SN-alpha", vec!["alpha"]),
        ("software=bash", vec!["alpha", "charlie"]),
        ("q=windows%20sn-br", vec!["bravo"]),
        ("query=os_family%20%3D%3D%20%22linux%22%20%26%26%20name%20!%3D%20%22alpha%22", vec!["charlie"]),
        ("protocol=fusioninventory&verified=false&online=true", vec!["alpha", "bravo", "charlie"]),
        ("protocol=muster", vec![]),
        ("online=false", vec![]),
    ] {
        let list = world.get(&format!("/api/v1/devices?{query}")).await.expect(200);
        assert_eq!(names(&list), expected, "{query}");
        assert_eq!(list["total"], expected.len(), "{query}");
    }
    world.clock.advance(Duration::from_secs(86_400));
    assert_eq!(names(&world.get("/api/v1/devices?online=false&sort=-name").await.expect(200)), ["charlie", "bravo", "alpha"]);
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let world = fleet();
    for sort in ["", "&sort=-name", "&sort=last_contact", "&sort=-os"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world.get(&format!("/api/v1/devices?limit=2{sort}{cursor}")).await.expect(200);
            assert_eq!(page["total"], 3);
            seen.extend(names(&page).into_iter().map(str::to_owned));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        seen.sort();
        assert_eq!(seen, ["alpha", "bravo", "charlie"], "{sort}");
    }
}

#[tokio::test]
async fn a_parameter_that_makes_no_sense_is_named() {
    let world = fleet();
    for (query, pointer, part) in [
        ("nam=x", "nam", "did you mean 'name'"),
        ("limit=0", "limit", "from 1 to 1000"),
        ("sort=colour", "sort", "it is by name"),
        ("cursor=rubbish", "cursor", "begin again"),
        ("verified=yes", "verified", "true or false"),
        ("protocol=snmp", "protocol", "there are muster"),
        ("query=nam%20%3D%3D%20'x'", "query", "did you mean 'name'"),
    ] {
        let problem = world.get(&format!("/api/v1/devices?{query}")).await.refused(400, "request/invalid");
        let error = &problem["errors"][0];
        assert!(error["pointer"] == pointer && error["detail"].as_str().is_some_and(|d| d.contains(part)), "{query}: {problem}");
    }
}

#[tokio::test]
async fn a_device_is_shown_whole() {
    let world = World::new();
    let stored = world.report("alpha", "Debian GNU/Linux 12", &["bash", "vim"]);
    let path = format!("/api/v1/devices/{}", stored.device);
    let answer = world.get(&path).await;
    assert_eq!(answer.header("etag"), "\"1\"");
    let device = answer.expect(200);
    assert_eq!((&device["name"], &device["org"], &device["os_family"]), (&json!("alpha"), &json!("default"), &json!("linux")));
    assert_eq!((&device["software_count"], &device["memory_mb"]), (&json!(2), &json!(2048)));
    assert_eq!(device["agent"]["id"], stored.agent.to_string());
    assert_eq!((&device["agent"]["protocol"], &device["agent"]["online"]), (&json!("fusioninventory"), &json!(true)));
    assert_eq!(device["agents"][0]["foreign_id"], "alpha-2026-11-21-03-09-07");
    assert_eq!(device["agents"][0]["wake"], json!({"way": "http"}));
    let software = device["sections"].as_array().expect("sections").iter().find(|s| s["name"] == "softwares").expect("programs");
    assert_eq!((&software["count"], &software["source"]), (&json!(2), &json!(stored.agent.to_string())));
    let kinds: Vec<_> = device["evidence"].as_array().expect("evidence").iter().map(|e| e["kind"].as_str().unwrap_or("")).collect();
    assert!(kinds.contains(&"uuid") && kinds.contains(&"mac") && kinds.contains(&"deviceid"), "{kinds:?}");
    let inventory = world.get(&format!("{path}/inventory?section=bios,softwares")).await.expect(200);
    assert_eq!(inventory["sections"]["bios"]["smodel"], "X1");
    assert_eq!(inventory["sections"].as_object().expect("sections").len(), 2);
    world.get("/api/v1/devices/nonsense").await.refused(404, "device/not-found");
}

#[tokio::test]
async fn what_changed_on_a_device_is_told_page_by_page() {
    let world = World::new();
    let stored = world.report("alpha", "Debian GNU/Linux 12", &["bash"]);
    world.clock.advance(Duration::from_secs(3_600));
    world.report("alpha", "Debian GNU/Linux 13", &["bash", "vim"]);
    let path = format!("/api/v1/devices/{}/history", stored.device);
    let all = world.get(&path).await.expect(200);
    let rows = all["items"].as_array().expect("items");
    let told: Vec<_> = rows.iter().take(2).map(|r| (r["section"].as_str(), r["kind"].as_str(), r["added_count"].as_u64())).collect();
    assert_eq!(told, [(Some("operatingsystem"), Some("changed"), Some(1)), (Some("softwares"), Some("changed"), Some(1))]);
    assert_eq!(rows[1]["added"][0]["name"], "vim");
    assert!(rows[2..].iter().all(|r| r["kind"] == "first" && r["added"] == json!([])));
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("{path}?limit=3{cursor}")).await.expect(200);
        seen.extend(page["items"].as_array().expect("items").iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(&seen, rows);
    assert_eq!(world.get(&format!("{path}?section=softwares")).await.expect(200)["items"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_device_is_changed_in_the_version_that_was_read_and_removed() {
    let world = World::new();
    let stored = world.report("alpha", "Debian GNU/Linux 12", &[]);
    let path = format!("/api/v1/devices/{}", stored.device);
    let patch = |tag: &str, body| world.call("PATCH", &path).token(&world.operator).header("if-match", tag).json(body);
    let changed = patch("\"1\"", json!({"name": "front desk", "tag": "lab", "verified": true})).send().await;
    assert_eq!(changed.header("etag"), "\"2\"");
    let changed = changed.expect(200);
    assert_eq!((&changed["name"], &changed["tag"], &changed["verified"]), (&json!("front desk"), &json!("lab"), &json!(true)));
    patch("\"1\"", json!({"tag": "x"})).send().await.refused(412, "request/stale");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(patch("*", json!({"tag": null})).send().await.expect(200)["tag"], json!(null));
    let bad = patch("*", json!({"nmae": "x", "verified": "yes"})).send().await.refused(400, "request/invalid");
    assert_eq!(bad["errors"].as_array().map(Vec::len), Some(2), "{bad}");
    assert_eq!(world.get(&format!("/api/v1/agents/{}", stored.agent)).await.expect(200)["verified"], true);
    let audit = world.get("/api/v1/audit?verb=device_update&limit=1").await.expect(200);
    assert_eq!(audit["items"][0]["object"]["id"], stored.device.to_string());
    assert_eq!(audit["items"][0]["actor"], "token operator");
    let older = audit["next"].as_str().expect("one more").to_owned();
    let audit = world.get(&format!("/api/v1/audit?verb=device_update&limit=1&cursor={older}")).await.expect(200);
    assert_eq!((&audit["items"][0]["before"]["name"], &audit["next"]), (&json!("alpha"), &json!(null)));
    world.call("DELETE", &path).token(&world.operator).send().await.expect(204);
    world.get(&path).await.refused(404, "device/not-found");
}

#[tokio::test]
async fn a_device_is_moved_by_those_who_act_in_both_organizations() {
    let world = World::new();
    let stored = world.report("alpha", "Debian GNU/Linux 12", &[]);
    let path = format!("/api/v1/devices/{}", stored.device);
    let patch = |token: &str, body: Value| world.call("PATCH", &path).token(token).json(body).send();
    let refused = patch(&world.operator, json!({"org": "elsewhere"})).await.refused(400, "org/unknown");
    assert_eq!(refused["errors"][0]["pointer"], "/org", "{refused}");
    let moved = patch(&world.admin, json!({"org": "elsewhere", "tag": "lyon"})).await.expect(200);
    assert_eq!((&moved["org"], &moved["tag"]), (&json!("elsewhere"), &json!("lyon")));
    world.get(&path).await.refused(404, "device/not-found");
    let there = world.call("GET", &path).token(&world.stranger).send().await.expect(200);
    assert_eq!((&there["org"], &there["agents"].as_array().map(Vec::len)), (&json!("elsewhere"), &Some(1)));
    assert_eq!(world.report("alpha", "Debian GNU/Linux 13", &[]).device, stored.device, "its agent comes as before");
}

#[tokio::test]
async fn agents_are_listed_and_verified() {
    let world = fleet();
    let list = world.get("/api/v1/agents?protocol=fusioninventory&verified=false&q=bravo&sort=-last_contact").await.expect(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    let agent = &list["items"][0];
    assert_eq!((&agent["device"]["name"], &agent["version"], &agent["incarnation"]), (&json!("bravo"), &json!("2.6"), &json!(1)));
    let path = format!("/api/v1/agents/{}", agent["id"].as_str().expect("an id"));
    let patch = world.call("PATCH", &path).token(&world.operator).header("if-match", "\"1\"").json(json!({"verified": true}));
    assert_eq!(patch.send().await.expect(200)["verified"], true);
    assert_eq!(world.get("/api/v1/agents?verified=true").await.expect(200)["total"], 1);
    assert_eq!(world.get(&format!("{path}/wakes")).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn an_agent_shows_what_it_told_and_what_a_person_switched_off() {
    let world = World::new();
    world.report("alpha", "Debian", &[]);
    let list = world.get("/api/v1/agents").await.expect(200);
    assert!(list["items"][0].get("kept_documents").is_none(), "only told of one agent: {list}");
    let path = format!("/api/v1/agents/{}", list["items"][0]["id"].as_str().expect("an id"));
    let agent = world.get(&path).await.expect(200);
    for (field, value) in [("capacities", json!([])), ("disabled", json!([])), ("proxies", json!([])), ("kept_documents", json!(0))] {
        assert_eq!(agent[field], value, "{field}");
    }
    let patch = |body| world.call("PATCH", &path).token(&world.admin).json(body).send();
    let agent = patch(json!({"disabled": ["Inventory", "deploy", "inventory"]})).await.expect(200);
    assert_eq!(agent["disabled"], json!(["deploy", "inventory"]));
    assert_eq!(patch(json!({"verified": true})).await.expect(200)["disabled"], json!(["deploy", "inventory"]), "it stays");
    let problem = patch(json!({"disabled": ["rm -rf"]})).await.refused(400, "agent/invalid");
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("'rm -rf' is no name of an action")), "{problem}");
    assert_eq!(patch(json!({"disabled": []})).await.expect(200)["disabled"], json!([]));
}

#[tokio::test]
async fn crashes_are_listed_without_their_logs_and_shown_with_them() {
    let world = World::new();
    let (_, agent) = world.machines(&["alpha"])[0];
    let id = world.crash(agent);
    let list = world.get(&format!("/api/v1/crashes?agent={agent}&kind=panic")).await.expect(200);
    assert_eq!((&list["items"][0]["id"], &list["items"][0]["device_name"]), (&json!(id), &json!("alpha")));
    assert!(list["items"][0].get("log").is_none());
    assert_eq!(world.get("/api/v1/crashes?kind=killed").await.expect(200)["items"], json!([]));
    assert_eq!(world.get("/api/v1/crashes?kind=sneeze").await.status, 400);
    assert_eq!(world.get(&format!("/api/v1/crashes/{id}")).await.expect(200)["log"], "it squeaked");
}

#[tokio::test]
async fn a_quarantine_names_who_and_why_and_goes_on_when_the_reason_changes() {
    let world = World::new();
    let (_, agent) = world.machines(&["alpha"])[0];
    let path = format!("/api/v1/agents/{agent}");
    let patch = |body: Value| world.call("PATCH", &path).token(&world.operator).json(body).send();
    let shut = patch(json!({"quarantined": true, "reason": "odd"})).await.expect(200);
    let since = shut["quarantine"]["since"].clone();
    assert_eq!(shut["quarantine"]["reason"], "odd");
    world.clock.advance(Duration::from_secs(60));
    let again = patch(json!({"quarantined": true, "reason": "very odd"})).await.expect(200);
    assert_eq!((&again["quarantine"]["since"], &again["quarantine"]["reason"]), (&since, &json!("very odd")));
    assert_eq!(patch(json!({"verified": true})).await.expect(200)["quarantine"]["since"], since, "what is not named stays");
    assert_eq!(patch(json!({"quarantined": false})).await.expect(200)["quarantine"], Value::Null);
    assert_eq!(patch(json!({"quarantined": true, "reason": "x".repeat(20_000)})).await.status, 400);
}
