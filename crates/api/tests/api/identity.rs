//! Identity: how a device is known, duplicates, merge, split, undo.

use crate::world::{World, names};
use muster_core::fleet::Protocol;
use serde_json::json;

#[tokio::test]
async fn a_device_shows_by_what_it_is_known() {
    let world = World::new();
    let first = world.report("alpha", "Debian GNU/Linux 12", &["bash"]);
    world.report_as("alpha", Protocol::Ocs, "alpha");
    let shown = world.get(&format!("/api/v1/devices/{}/identity", first.device)).await.expect(200);
    assert_eq!(shown["device"], json!({"id": first.device.to_string(), "name": "alpha"}));
    let agents = shown["agents"].as_array().expect("agents");
    assert_eq!(agents.len(), 2);
    assert_eq!((&agents[0]["agent"]["protocol"], &agents[0]["agent"]["verified"]), (&json!("fusioninventory"), &json!(false)));
    let evidence = agents[0]["evidence"].as_array().expect("evidence");
    assert!(evidence.contains(&json!({"kind": "uuid", "value": "uuid-of-alpha", "worth": 50})), "{evidence:?}");
    assert_eq!((&shown["log"][0]["kind"], &shown["log"][0]["can_undo"]), (&json!("joined"), &json!(false)));
    assert_eq!(shown["log"][0]["reason"]["key"], "same_hardware");
    world.get("/api/v1/devices/nonsense/identity").await.refused(404, "device/not-found");
}

#[tokio::test]
async fn duplicates_are_listed_with_their_evidence_dismissed_and_reopened() {
    let world = World::new();
    let first = world.report("alpha", "Debian GNU/Linux 12", &[]);
    world.report_as("beta", Protocol::Fusioninventory, "alpha");
    world.report("gamma", "Debian GNU/Linux 12", &[]);
    let list = world.get("/api/v1/duplicates").await.expect(200);
    assert_eq!((&list["total"], &list["items"][0]["kind"], &list["items"][0]["state"]), (&json!(1), &json!("clone"), &json!("open")));
    let it = &list["items"][0];
    let sum: i64 = it["evidence"].as_array().expect("evidence").iter().map(|e| e["points"].as_i64().expect("points")).sum();
    assert_eq!(it["points"], sum);
    let mut both = vec![it["devices"][0]["name"].as_str(), it["devices"][1]["name"].as_str()];
    both.sort();
    assert_eq!(both, [Some("alpha"), Some("beta")]);
    let path = format!("/api/v1/duplicates/{}", it["id"].as_str().expect("an id"));
    assert_eq!(world.get(&path).await.expect(200)["id"], it["id"]);
    let dismissed = world.post(&format!("{path}/dismiss"), json!({"note": "two desks"})).await.expect(200);
    assert_eq!((&dismissed["state"], &dismissed["note"]), (&json!("dismissed"), &json!("two desks")));
    for (query, expected) in [
        ("".to_owned(), 0),
        ("?state=dismissed".to_owned(), 1),
        ("?state=open,dismissed&kind=clone&q=ALPHA&sort=-at".to_owned(), 1),
        ("?state=dismissed&kind=duplicate".to_owned(), 0),
        (format!("?state=dismissed&device={}", first.device), 1),
        ("?state=dismissed&q=gamma".to_owned(), 0),
    ] {
        assert_eq!(world.get(&format!("/api/v1/duplicates{query}")).await.expect(200)["total"], expected, "{query}");
    }
    assert_eq!(world.post(&format!("{path}/reopen"), json!({})).await.expect(200)["state"], "open");
    world.get("/api/v1/duplicates?state=closed").await.refused(400, "request/invalid");
    world.get("/api/v1/duplicates/nonsense").await.refused(404, "duplicate/not-found");
    let audit = world.get("/api/v1/audit?verb=duplicate_dismiss").await.expect(200);
    assert_eq!(audit["items"][0]["after"]["note"], "two desks");
}

#[tokio::test]
async fn devices_are_merged_and_old_links_lead_on() {
    let world = World::new();
    let (a, b) = (world.machines(&["alpha"])[0], world.machines(&["beta"])[0]);
    let path = format!("/api/v1/devices/{}", a.0);
    let answer = world.post(&format!("{path}/merge"), json!({"from": [b.0]})).await;
    assert_eq!(answer.header("etag"), "\"2\"");
    assert_eq!(answer.expect(200)["agents"].as_array().map(Vec::len), Some(2));
    let left = world.get("/api/v1/devices").await.expect(200);
    assert_eq!((&left["items"][0]["id"], &left["total"]), (&json!(a.0.to_string()), &json!(1)));
    assert_eq!(names(&left), ["beta"], "the agent that came last is shown");
    assert_eq!(world.get("/api/v1/overview").await.expect(200)["devices"], 1);
    for rest in ["", "/identity", "/inventory", "/history", "/assignments"] {
        let gone = world.get(&format!("/api/v1/devices/{}{rest}", b.0)).await.refused(410, "device/merged");
        assert_eq!(gone["into"], json!({"id": a.0.to_string(), "name": "beta"}), "{rest}");
    }
    for (from, pointer) in [(json!([]), "/from"), (json!([a.0]), "/from"), (json!(["x"]), "/from/0")] {
        let problem = world.post(&format!("{path}/merge"), json!({"from": from})).await.expect(400);
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    let log = world.get(&format!("{path}/identity")).await.expect(200)["log"].clone();
    assert_eq!((&log[0]["kind"], &log[0]["actor"], &log[0]["can_undo"]), (&json!("merge"), &json!("token operator"), &json!(true)));
    assert_eq!((&log[0]["from"]["name"], &log[0]["agents"][0]["id"]), (&json!("beta"), &json!(b.1.to_string())));
    let undo = format!("/api/v1/identity/{}/undo", log[0]["id"].as_str().expect("an id"));
    assert_eq!(world.post(&undo, json!({})).await.expect(200)["id"], a.0.to_string());
    world.get(&format!("/api/v1/devices/{}", b.0)).await.expect(200);
    let refused = world.post(&undo, json!({})).await.refused(409, "identity/cannot-undo");
    assert!(refused["detail"].as_str().is_some_and(|d| d.contains("undone already")));
    world.post("/api/v1/identity/nonsense/undo", json!({})).await.refused(404, "identity/not-found");
}

#[tokio::test]
async fn agents_are_parted_once_per_key() {
    let world = World::new();
    let device = world.report("alpha", "Debian GNU/Linux 12", &["bash"]).device;
    let ocs = world.report_as("alpha", Protocol::Ocs, "alpha").agent;
    let path = format!("/api/v1/devices/{device}/split");
    let split = || {
        let call = world.call("POST", &path).token(&world.operator).header("idempotency-key", "k1");
        call.json(json!({"agents": [ocs], "name": "kiosk"})).send()
    };
    let new = split().await.expect(201);
    assert_eq!((&new["name"], &new["agents"][0]["id"]), (&json!("kiosk"), &json!(ocs.to_string())));
    assert_eq!(split().await.expect(201)["id"], new["id"], "the same request again parts nothing more");
    assert_eq!(world.get("/api/v1/devices").await.expect(200)["total"], 2);
    for (agents, pointer) in [(json!([]), "/agents"), (json!([ocs]), "/agents"), (json!(["x"]), "/agents/0")] {
        let problem = world.post(&path, json!({"agents": agents})).await.expect(400);
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    assert_eq!(world.get("/api/v1/duplicates?state=dismissed").await.expect(200)["items"][0]["reason"]["key"], "parted");
}

#[tokio::test]
async fn a_revoked_agent_is_a_stranger_again() {
    let world = World::new();
    let agent = world.machines(&["alpha"])[0].1;
    let path = format!("/api/v1/agents/{agent}");
    let patch = world.call("PATCH", &path).token(&world.operator).json(json!({"verified": true}));
    assert_eq!(patch.send().await.expect(200)["verified"], true);
    assert_eq!(world.post(&format!("{path}/revoke"), json!({})).await.expect(200)["verified"], false);
    assert_eq!(world.get("/api/v1/audit?verb=agent_revoke").await.expect(200)["items"].as_array().map(Vec::len), Some(1));
    world.post("/api/v1/agents/nonsense/revoke", json!({})).await.refused(404, "agent/not-found");
}
