//! Signing in, CSRF, tokens, people.

use crate::world::{Answer, NOW, PASSWORD, World};
use muster_core::access::Role;
use serde_json::json;
use std::time::Duration;

async fn sign_in(world: &World, name: &str, password: &str) -> Answer {
    world.call("POST", "/api/v1/session").json(json!({"name": name, "password": password})).send().await
}

fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().expect("a cookie").to_owned()
}

#[tokio::test]
async fn a_person_signs_in_works_and_signs_out() {
    let world = World::new();
    world.person("ann", Role::Admin, None);
    let signed = sign_in(&world, "ann", PASSWORD).await;
    let (set, cookie) = (signed.header("set-cookie").to_owned(), cookie(&signed));
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && !set.contains("Secure"), "{set}");
    let me = signed.expect(200);
    assert_eq!((&me["user"]["name"], &me["user"]["role"], &me["user"]["org"]), (&json!("ann"), &json!("admin"), &json!(null)));
    assert_eq!(me["orgs"].as_array().expect("orgs").len(), 2);
    assert_eq!((&me["version"], &me["server_time"]), (&json!("0.1.0"), &json!(NOW.to_string())));
    let again = world.call("GET", "/api/v1/session").header("cookie", &cookie).send().await.expect(200);
    assert_eq!(again, me);
    let csrf = me["csrf"].as_str().expect("a token");
    let out = world.call("DELETE", "/api/v1/session").header("cookie", &cookie).header("x-csrf-token", csrf).send().await;
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    out.expect(204);
    world.call("GET", "/api/v1/session").header("cookie", &cookie).send().await.refused(401, "access/unauthenticated");
}

#[tokio::test]
async fn an_unsafe_request_with_a_cookie_needs_the_csrf_token() {
    let world = World::new();
    world.person("ann", Role::Admin, None);
    let signed = sign_in(&world, "ann", PASSWORD).await;
    let cookie = cookie(&signed);
    let csrf = signed.expect(200)["csrf"].as_str().expect("a token").to_owned();
    let create = |name: &str| world.call("POST", "/api/v1/orgs").header("cookie", &cookie).json(json!({"name": name}));
    create("one").send().await.refused(403, "access/csrf");
    create("one").header("x-csrf-token", &csrf[1..]).send().await.refused(403, "access/csrf");
    create("one").header("x-csrf-token", &csrf).send().await.expect(201);
}

#[tokio::test]
async fn after_ten_failures_sign_in_waits_a_minute() {
    let world = World::new();
    world.person("ann", Role::Viewer, None);
    for _ in 0..10 {
        sign_in(&world, "ann", "wrong").await.refused(401, "access/wrong-password");
    }
    let refused = sign_in(&world, "ann", PASSWORD).await;
    assert_eq!(refused.header("retry-after"), "60");
    refused.refused(429, "access/too-many-failures");
    sign_in(&world, "nobody", "wrong").await.refused(401, "access/wrong-password");
    world.clock.advance(Duration::from_secs(60));
    sign_in(&world, "ann", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let world = World::new();
    world.person("ann", Role::Viewer, None);
    let other = cookie(&sign_in(&world, "ann", PASSWORD).await);
    let mine = sign_in(&world, "ann", PASSWORD).await;
    let cookie = cookie(&mine);
    let csrf = mine.expect(200)["csrf"].as_str().expect("a token").to_owned();
    let change = |old: &str, new: &str| {
        let call = world.call("POST", "/api/v1/session/password").header("cookie", &cookie).header("x-csrf-token", &csrf);
        call.json(json!({"old": old, "new": new}))
    };
    let short = change(PASSWORD, "short").send().await.refused(400, "user/bad-password");
    assert_eq!(short["errors"][0]["pointer"], "/new");
    let wrong = change("wrong", "a much better password").send().await.refused(400, "request/invalid");
    assert_eq!(wrong["errors"][0]["pointer"], "/old");
    change(PASSWORD, "a much better password").send().await.expect(204);
    world.call("GET", "/api/v1/session").header("cookie", &cookie).send().await.expect(200);
    world.call("GET", "/api/v1/session").header("cookie", &other).send().await.refused(401, "access/unauthenticated");
    sign_in(&world, "ann", PASSWORD).await.refused(401, "access/wrong-password");
    sign_in(&world, "ann", "a much better password").await.expect(200);
}

#[tokio::test]
async fn a_token_is_shown_once_works_until_it_is_removed_and_is_never_kept() {
    let world = World::new();
    let create = || {
        let call = world.call("POST", "/api/v1/tokens").token(&world.admin).header("idempotency-key", "k1");
        call.json(json!({"name": "ci", "role": "viewer", "org": "default", "expires": "2027-01-01T00:00:00Z"}))
    };
    let made = create().send().await.expect(201);
    let text = made["token"].as_str().expect("its text").to_owned();
    assert!(text.starts_with("mst_"));
    assert_eq!((&made["org"], &made["last_used"]), (&json!("default"), &json!(null)));
    create().send().await.refused(409, "request/already-done");
    let me = world.call("GET", "/api/v1/session").token(&text).send().await.expect(200);
    assert_eq!((&me["user"]["name"], &me["csrf"]), (&json!("ci"), &json!("")));
    let list = world.get("/api/v1/tokens").await;
    assert!(!list.text.contains(&text));
    let mine = list.expect(200)["items"].as_array().expect("items").iter().find(|t| t["name"] == "ci").expect("listed").clone();
    assert_eq!(mine["last_used"], NOW.to_string());
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().expect("an id"));
    world.call("DELETE", &path).token(&world.admin).send().await.expect(204);
    world.call("GET", "/api/v1/session").token(&text).send().await.refused(401, "access/unauthenticated");
}

#[tokio::test]
async fn a_join_token_is_made_and_removed() {
    let world = World::new();
    let new = json!({"name": "site", "uses": 5, "verified": true});
    let made = world.call("POST", "/api/v1/join-tokens").token(&world.admin).json(new).send().await.expect(201);
    assert!(made["token"].as_str().is_some_and(|t| t.starts_with("mjoin_")));
    assert_eq!((&made["uses_left"], &made["used"], &made["org"]), (&json!(5), &json!(0), &json!("default")));
    let bad = json!({"name": "site", "uses": 0, "expires": "soon"});
    let bad = world.call("POST", "/api/v1/join-tokens").token(&world.admin).json(bad).send().await.refused(400, "request/invalid");
    assert_eq!(bad["errors"][0]["pointer"], "/expires");
    let path = format!("/api/v1/join-tokens/{}", made["id"].as_str().expect("an id"));
    world.call("DELETE", &path).token(&world.admin).send().await.expect(204);
    assert_eq!(world.get("/api/v1/join-tokens").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn people_are_added_changed_and_removed_and_one_administrator_stays() {
    let world = World::new();
    world.person("ann", Role::Admin, None);
    let create = |name: &str, key: &str| {
        let call = world.call("POST", "/api/v1/users").token(&world.admin).header("idempotency-key", key);
        call.json(json!({"name": name, "password": PASSWORD, "role": "operator", "org": world.org}))
    };
    let made = create("bob", "k1").send().await.expect(201);
    assert_eq!((&made["role"], &made["org"], &made["disabled"]), (&json!("operator"), &json!("default"), &json!(false)));
    assert_eq!(create("bob", "k1").send().await.expect(201), made, "the same request is done once");
    create("eve", "k1").send().await.refused(422, "request/idempotency-mismatch");
    create("bob", "k2").send().await.refused(409, "user/name-taken");
    assert_eq!(sign_in(&world, "bob", PASSWORD).await.expect(200)["must_change_password"], true);
    let path = format!("/api/v1/users/{}", made["id"].as_str().expect("an id"));
    let patch = |tag: &str| world.call("PATCH", &path).token(&world.admin).header("if-match", tag).json(json!({"disabled": true}));
    patch("\"1\"").send().await.refused(412, "request/stale");
    let tag = world.get(&path).await.header("etag").to_owned();
    assert_eq!(patch(&tag).send().await.expect(200)["disabled"], true);
    sign_in(&world, "bob", PASSWORD).await.refused(401, "access/wrong-password");
    world.call("DELETE", &path).token(&world.admin).send().await.expect(204);
    world.get(&path).await.refused(404, "user/not-found");
    let ann = world.get("/api/v1/users").await.expect(200)["items"][0]["id"].as_str().expect("an id").to_owned();
    let last = world.call("DELETE", &format!("/api/v1/users/{ann}")).token(&world.admin).send().await;
    last.refused(409, "user/last-admin");
}

#[tokio::test]
async fn nobody_gives_away_more_than_they_have() {
    let world = World::new();
    let give = |org: serde_json::Value| {
        world.call("POST", "/api/v1/tokens").token(&world.stranger).json(json!({"name": "x", "role": "admin", "org": org}))
    };
    give(json!("default")).send().await.refused(404, "org/not-found");
    assert_eq!(give(json!(null)).send().await.expect(201)["org"], "elsewhere");
    world.call("POST", "/api/v1/orgs").token(&world.stranger).json(json!({"name": "y"})).send().await.refused(403, "access/denied");
}

#[tokio::test]
async fn a_credential_of_agents_shows_its_secret_once() {
    let world = World::new();
    let create = |body| world.call("POST", "/api/v1/agent-credentials").token(&world.admin).json(body).send();
    let made = create(json!({"name": "site paris", "verified": true})).await.expect(201);
    assert!(made["secret"].as_str().is_some_and(|s| s.len() == 43), "{made}");
    let given = create(json!({"name": "old fleet", "secret": "as it always was"})).await.expect(201);
    assert_eq!((&given["secret"], &given["verified"]), (&json!("as it always was"), &json!(false)));
    create(json!({"name": "site paris"})).await.refused(409, "agent-credential/name-taken");
    create(json!({"name": "x", "secret": "short"})).await.refused(400, "agent-credential/bad-secret");
    create(json!({"name": "a:b"})).await.refused(400, "agent-credential/invalid");
    let list = world.get("/api/v1/agent-credentials").await.expect(200);
    assert_eq!(list["total"], 2);
    assert!(list["items"].as_array().expect("items").iter().all(|c| c.get("secret").is_none()), "{list}");
    let path = format!("/api/v1/agent-credentials/{}", made["id"].as_str().expect("an id"));
    world.call("DELETE", &path).token(&world.admin).send().await.expect(204);
    assert_eq!(world.get("/api/v1/agent-credentials").await.expect(200)["total"], 1);
}
