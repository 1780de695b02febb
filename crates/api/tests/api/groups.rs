//! Groups: made, changed, removed; who is in them; tasks that are aimed at them.

use crate::world::{World, names};
use serde_json::{Value, json};

async fn group(world: &World, name: &str) -> String {
    let made = world.post("/api/v1/groups", json!({"name": name})).await.expect(201);
    made["id"].as_str().expect("an id").to_owned()
}

async fn members(world: &World, group: &str, change: Value) -> Value {
    let done = world.post(&format!("/api/v1/groups/{group}/members"), change).await.expect(200);
    json!([done["added"], done["removed"], done["count"]])
}

#[tokio::test]
async fn a_group_is_made_shown_changed_and_removed() {
    let world = World::new();
    let made = world.post("/api/v1/groups", json!({"name": "labs", "description": "ground floor", "kind": "static"})).await.expect(201);
    assert_eq!((&made["kind"], &made["count"], &made["version"]), (&json!("static"), &json!(0), &json!(1)));
    let path = format!("/api/v1/groups/{}", made["id"].as_str().expect("an id"));
    let shown = world.get(&path).await;
    assert_eq!(shown.header("etag"), "\"1\"");
    assert_eq!(shown.expect(200), made);
    let patch = |tag: &str, body| world.call("PATCH", &path).token(&world.operator).header("if-match", tag).json(body);
    let changed = patch("\"1\"", json!({"name": "Labs"})).send().await;
    assert_eq!(changed.header("etag"), "\"2\"");
    assert_eq!(changed.expect(200)["description"], "ground floor");
    patch("\"1\"", json!({"name": "x"})).send().await.refused(412, "request/stale");
    group(&world, "labs").await;
    patch("*", json!({"name": "labs"})).send().await.refused(409, "group/name-taken");
    world.post("/api/v1/groups", json!({"name": "Labs"})).await.refused(409, "group/name-taken");
    for (body, pointer) in [
        (json!({"name": " "}), "/name"),
        (json!({"name": "01939b0e-0000-7000-8000-000000000000"}), "/name"),
        (json!({"name": "x", "kind": "dynamic"}), "/query"),
        (json!({"name": "x", "kind": "static", "query": "true"}), "/kind"),
        (json!({"name": "x", "query": "nam == 'x'"}), "/query"),
        (json!({"name": "x", "kind": "clever"}), "/kind"),
        (json!({"nmae": "x"}), "/nmae"),
    ] {
        assert_eq!(world.post("/api/v1/groups", body).await.expect(400)["errors"][0]["pointer"], pointer);
    }
    world.call("DELETE", &path).token(&world.operator).send().await.expect(204);
    world.get(&path).await.refused(404, "group/not-found");
    world.get("/api/v1/groups/nonsense").await.refused(404, "group/not-found");
    let audit = world.get("/api/v1/audit?verb=group_delete").await.expect(200);
    assert_eq!((&audit["items"][0]["object"]["kind"], &audit["items"][0]["before"]["name"]), (&json!("group"), &json!("Labs")));
}

#[tokio::test]
async fn a_group_follows_its_query() {
    let world = World::new();
    let made = world.post("/api/v1/groups", json!({"name": "linux", "query": "os_family == 'linux'"})).await.expect(201);
    assert_eq!((&made["kind"], &made["query"], &made["refreshing"]), (&json!("dynamic"), &json!("os_family == 'linux'"), &json!(true)));
    let path = format!("/api/v1/groups/{}", made["id"].as_str().expect("an id"));
    world.post(&format!("{path}/members"), json!({"add": ["x"]})).await.refused(409, "group/dynamic");
    let patch = |body| world.call("PATCH", &path).token(&world.operator).json(body);
    let changed = patch(json!({"query": "true"})).send().await.expect(200);
    assert_eq!((&changed["query"], &changed["version"]), (&json!("true"), &json!(2)));
    assert_eq!(patch(json!({"query": "nam == 1"})).send().await.expect(400)["errors"][0]["pointer"], "/query");
    let list = group(&world, "list").await;
    let refused = world.call("PATCH", &format!("/api/v1/groups/{list}")).token(&world.operator).json(json!({"query": "true"})).send().await;
    assert_eq!(refused.expect(400)["errors"][0]["pointer"], "/query");
}

#[tokio::test]
async fn groups_are_listed_searched_sorted_and_paged() {
    let world = World::new();
    for name in ["bravo", "alpha", "charlie"] {
        group(&world, name).await;
        world.clock.advance(std::time::Duration::from_secs(1));
    }
    for (query, expected) in [
        ("", vec!["alpha", "bravo", "charlie"]),
        ("sort=-name", vec!["charlie", "bravo", "alpha"]),
        ("sort=-updated", vec!["charlie", "alpha", "bravo"]),
        ("q=AL", vec!["alpha"]),
        ("q=nothing", vec![]),
    ] {
        let list = world.get(&format!("/api/v1/groups?{query}")).await.expect(200);
        assert_eq!((names(&list), &list["total"]), (expected.clone(), &json!(expected.len())), "{query}");
    }
    let first = world.get("/api/v1/groups?limit=2").await.expect(200);
    let rest = world.get(&format!("/api/v1/groups?limit=2&cursor={}", first["next"].as_str().expect("more"))).await.expect(200);
    assert_eq!((names(&first), names(&rest), &rest["next"]), (vec!["alpha", "bravo"], vec!["charlie"], &Value::Null));
    world.get("/api/v1/groups?sort=count").await.refused(400, "request/invalid");
}

#[tokio::test]
async fn members_come_and_go_by_name_id_and_query_and_devices_are_narrowed_to_them() {
    let world = World::new();
    let device = world.machines(&["alpha", "bravo", "charlie"])[0].0;
    let labs = group(&world, "labs").await;
    assert_eq!(members(&world, &labs, json!({"add": ["bravo", device.to_string()]})).await, json!([2, 0, 2]));
    assert_eq!(members(&world, &labs, json!({"add": ["bravo", "charlie"], "remove": ["alpha"]})).await, json!([1, 1, 2]));
    let listed = async |group: &str| world.get(&format!("/api/v1/devices?group={group}")).await;
    assert_eq!(names(&listed(&labs).await.expect(200)), ["bravo", "charlie"]);
    let kiosks = group(&world, "kiosks, front").await;
    assert_eq!(members(&world, &kiosks, json!({"query": "name != 'charlie'", "act": "add"})).await, json!([2, 0, 2]));
    assert_eq!(names(&listed("labs,kiosks%5C,%20front").await.expect(200)), ["alpha", "bravo", "charlie"]);
    assert_eq!(names(&listed(&format!("{labs}&name=bravo")).await.expect(200)), ["bravo"]);
    let unknown = listed("labz").await.refused(400, "group/unknown");
    assert_eq!(unknown["errors"][0]["pointer"], "group");
    let shown = world.get(&format!("/api/v1/devices/{device}")).await.expect(200);
    assert_eq!(shown["groups"], json!([{"id": kiosks, "name": "kiosks, front"}]));
    assert_eq!(members(&world, &kiosks, json!({"query": "true", "act": "remove"})).await, json!([0, 2, 0]));
    let bad = async |body: Value| world.post(&format!("/api/v1/groups/{labs}/members"), body).await.expect(400)["errors"].clone();
    let pointers = async |body: Value| -> Vec<String> {
        bad(body).await.as_array().expect("faults").iter().map(|e| e["pointer"].as_str().expect("one").to_owned()).collect()
    };
    assert_eq!(pointers(json!({"add": ["nobody", "alpha"], "remove": ["no one"]})).await, ["/add/0", "/remove/0"]);
    for body in [json!({}), json!({"add": []}), json!({"add": ["alpha"], "query": "true", "act": "add"}), json!({"act": "add"})] {
        assert_eq!(pointers(body).await, [""]);
    }
    assert_eq!(pointers(json!({"query": "true"})).await, ["/act"]);
    assert_eq!(pointers(json!({"query": "nam == 'x'", "act": "add"})).await, ["/query"]);
    assert_eq!(pointers(json!({"query": "true", "act": "toggle"})).await, ["/act"]);
}

#[tokio::test]
async fn many_members_need_their_number_and_a_repeated_request_gets_its_answer_again() {
    let world = World::new();
    world.machines(&["alpha", "bravo", "charlie"]);
    world.call("PATCH", "/api/v1/settings").token(&world.admin).json(json!({"size_guard": 2})).send().await.expect(200);
    let labs = group(&world, "labs").await;
    let path = format!("/api/v1/groups/{labs}/members");
    let all = json!({"query": "true", "act": "add"});
    assert_eq!(world.post(&path, all.clone()).await.refused(409, "group/size-guard")["count"], 3);
    let named = json!({"add": ["alpha", "bravo", "charlie"], "confirm_count": 2});
    assert_eq!(world.post(&path, named).await.refused(409, "group/size-guard")["count"], 3);
    let sure = json!({"query": "true", "act": "add", "confirm_count": 3});
    let once = || world.call("POST", &path).token(&world.operator).header("idempotency-key", "k1").json(sure.clone()).send();
    let first = once().await.expect(200);
    assert_eq!(first, json!({"added": 3, "removed": 0, "count": 3}));
    assert_eq!(once().await.expect(200), first, "nothing would come now, and the answer is the first one");
    assert_eq!(world.post(&path, all).await.expect(200)["added"], 0);
}

#[tokio::test]
async fn a_task_keeps_its_groups_as_written_and_holds_them() {
    let world = World::new();
    world.machines(&["alpha", "bravo", "charlie"]);
    let (labs, kiosks) = (group(&world, "labs").await, group(&world, "kiosks").await);
    members(&world, &labs, json!({"add": ["alpha", "bravo"]})).await;
    members(&world, &kiosks, json!({"add": ["bravo"]})).await;
    let targets = json!({"groups": ["labs"], "exclude": {"groups": [kiosks]}});
    let doc = json!({"name": "nightly", "targets": targets, "steps": [{"id": "c", "action": {"type": "inventory"}}]});
    let task = world.post("/api/v1/tasks", doc).await.expect(201);
    assert_eq!(task["doc"]["targets"], targets);
    assert!(task["yaml"].as_str().is_some_and(|y| y.contains("groups:\n  - labs")), "{}", task["yaml"]);
    let path = format!("/api/v1/tasks/{}", task["id"].as_str().expect("an id"));
    let preview = world.post(&format!("{path}/preview"), json!({})).await.expect(200);
    assert_eq!((&preview["count"], &preview["excluded"][0]["count"]), (&json!(1), &json!(1)));
    let delete = async |id: &str| world.call("DELETE", &format!("/api/v1/groups/{id}")).token(&world.operator).send().await;
    for id in [&labs, &kiosks] {
        let refused = delete(id).await.refused(409, "group/in-use");
        assert_eq!(refused["tasks"], json!([{"id": task["id"], "name": "nightly"}]));
    }
    let rename = world.call("PATCH", &format!("/api/v1/groups/{labs}")).token(&world.operator).json(json!({"name": "x"}));
    rename.send().await.refused(409, "group/in-use");
    let typo = json!({"name": "typo", "targets": {"groups": ["labs", "labz"]}, "steps": [{"action": {"type": "inventory"}}]});
    let id = world.post("/api/v1/tasks", typo).await.expect(201)["id"].as_str().expect("an id").to_owned();
    let refused = world.post(&format!("/api/v1/tasks/{id}/runs"), json!({})).await.refused(400, "task/unknown-group");
    assert_eq!(refused["errors"][0]["pointer"], "/targets/groups/1");
    for task in [&path, &format!("/api/v1/tasks/{id}")] {
        world.call("DELETE", task).token(&world.operator).send().await.expect(204);
    }
    delete(&labs).await.expect(204);
}
