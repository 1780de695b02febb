//! Starts that need a second person, as two people sign in and do it.

use crate::world::{PASSWORD, World};
use muster_core::access::Role;
use serde_json::{Value, json};

/// A person's way to call, signed in.
struct Signed {
    cookie: String,
    csrf: String,
}

async fn sign_in(world: &World, name: &'static str) -> Signed {
    world.person(name, Role::Operator, Some(world.org));
    let answer = world.call("POST", "/api/v1/session").json(json!({"name": name, "password": PASSWORD})).send().await;
    let cookie = answer.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    let csrf = answer.expect(200)["csrf"].as_str().expect("a token").to_owned();
    Signed { cookie, csrf }
}

async fn post(world: &World, who: &Signed, path: &str, body: Value) -> crate::world::Answer {
    world.call("POST", path).header("cookie", &who.cookie).header("x-csrf-token", &who.csrf).json(body).send().await
}

#[tokio::test]
async fn a_start_is_asked_for_by_one_person_and_approved_by_another() {
    let world = World::new();
    world.machines(&["alpha", "bravo", "charlie"]);
    world.call("PATCH", "/api/v1/settings").token(&world.admin).json(json!({"approve_above": 2})).send().await.expect(200);
    let task = world.task("patch").await;
    let (ann, bob) = (sign_in(&world, "ann").await, sign_in(&world, "bob").await);
    let runs = format!("/api/v1/tasks/{task}/runs");
    let refused = post(&world, &ann, &runs, json!({})).await.refused(409, "run/needs-approval");
    assert_eq!(refused["count"], 3);
    let preview = post(&world, &ann, &format!("/api/v1/tasks/{task}/preview"), json!({})).await.expect(200);
    assert_eq!((&preview["needs_approval"], &preview["approval"]), (&json!(true), &Value::Null));
    assert_eq!(preview["plan"], refused["plan"]);
    let asks = format!("/api/v1/tasks/{task}/approvals");
    post(&world, &ann, &asks, json!({"plan": "another"})).await.refused(409, "run/plan-changed");
    let asked = post(&world, &ann, &asks, json!({"plan": preview["plan"], "note": "patch day"})).await.expect(201);
    assert_eq!(
        (&asked["state"], &asked["asked_by"], &asked["note"], &asked["count"]),
        (&json!("asked"), &json!("ann"), &json!("patch day"), &json!(3))
    );
    let needs = world.get("/api/v1/overview").await.expect(200)["needs"].clone();
    assert!(needs.as_array().expect("needs").iter().any(|n| n["key"] == "approval_asked" && n["params"]["count"] == 3), "{needs}");
    let path = format!("/api/v1/approvals/{}", asked["id"].as_str().expect("an id"));
    let approve = format!("{path}/approve");
    post(&world, &ann, &approve, json!({})).await.refused(403, "approval/not-yours");
    world.post(&approve, json!({})).await.refused(403, "approval/not-yours");
    let approved = post(&world, &bob, &approve, json!({"note": "go"})).await.expect(200);
    assert_eq!(
        (&approved["state"], &approved["decision"]["by"], &approved["decision"]["note"]),
        (&json!("approved"), &json!("bob"), &json!("go"))
    );
    assert!(approved["valid_until"].is_string());
    post(&world, &bob, &format!("{path}/reject"), json!({})).await.refused(409, "approval/decided");
    let run = post(&world, &ann, &runs, json!({"plan": preview["plan"]})).await.expect(201);
    let used = world.get(&path).await.expect(200);
    assert_eq!((&used["state"], &used["run"]), (&json!("used"), &run["id"]));
    let listed = world.get(&format!("/api/v1/approvals?state=used,asked&task={task}")).await.expect(200);
    assert_eq!((&listed["total"], &listed["items"][0]["id"]), (&json!(1), &asked["id"]));
    world.get("/api/v1/approvals?state=perhaps").await.refused(400, "request/invalid");
    post(&world, &ann, &runs, json!({})).await.refused(409, "run/needs-approval");
}

#[tokio::test]
async fn every_setting_is_shown_and_may_be_changed() {
    let world = World::new();
    let shown = world.get("/api/v1/settings").await.expect(200);
    let kept = serde_json::to_value(muster_core::settings::Settings::default()).expect("a document");
    let keys = |v: &Value| v.as_object().expect("an object").keys().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(keys(&shown), keys(&kept));
    for (key, value) in kept.as_object().expect("an object") {
        assert_eq!(&shown[key], value, "{key}");
    }
    world.call("PATCH", "/api/v1/settings").token(&world.admin).json(shown.clone()).send().await.expect(200);
    assert_eq!(world.get("/api/v1/settings").await.expect(200), shown);
}
