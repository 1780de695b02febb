//! Questions in SQL over the API, and what a task would do before it is saved.

use crate::world::World;
use serde_json::{Value, json};

#[tokio::test]
async fn a_question_is_asked_saved_run_and_had_as_csv() {
    let world = World::new();
    world.machines(&["alpha", "bravo"]);
    let query = "SELECT name, software_count FROM devices ORDER BY name DESC";
    let answer = world.post("/api/v1/reports/ask", json!({"query": query})).await.expect(200);
    assert_eq!(answer["columns"], json!(["name", "software_count"]));
    assert_eq!((&answer["rows"][0][0], &answer["rows"][1][0], &answer["more"]), (&json!("bravo"), &json!("alpha"), &json!(false)));
    let refused = world.post("/api/v1/reports/ask", json!({"query": "SELECT hash FROM person"})).await.refused(400, "report/invalid");
    assert_eq!(refused["errors"][0]["pointer"], "/query");
    assert!(refused["detail"].as_str().expect("a sentence").contains("no view 'person'"), "{refused}");
    let report = world.post("/api/v1/reports", json!({"name": "names", "query": query})).await.expect(201);
    let path = format!("/api/v1/reports/{}", report["id"].as_str().expect("an id"));
    let kept = world.post(&format!("{path}/run"), json!({})).await.expect(200)["result"].clone();
    assert_eq!((&kept["count"], &kept["more"]), (&json!(2), &json!(false)));
    let result = format!("{path}/results/{}", kept["id"].as_str().expect("an id"));
    assert_eq!(world.get(&result).await.expect(200)["rows"], answer["rows"]);
    let csv = world.get(&format!("{result}?format=csv")).await;
    assert_eq!((csv.status.as_u16(), csv.text.lines().next()), (200, Some("name,software_count")));
    assert_eq!(csv.text.lines().count(), 3);
    world.get(&format!("{result}?format=xml")).await.refused(400, "request/invalid");
    world.get(&format!("{path}/results/nothing")).await.refused(404, "report/no-result");
    let views = world.get("/api/v1/reports/views").await.expect(200);
    let names: Vec<&Value> = views["items"].as_array().expect("views").iter().map(|view| &view["name"]).collect();
    assert!(names.contains(&&json!("devices")) && views["functions"].as_array().is_some_and(|all| !all.is_empty()), "{names:?}");
}

#[tokio::test]
async fn what_a_task_would_do_is_told_before_it_is_saved() {
    let world = World::new();
    world.machines(&["alpha", "bravo", "gamma"]);
    let task = |name: &str, most: u32| {
        json!({"name": name, "targets": {"all": true}, "schedule": {"cron": "0 0 * * *", "zone": "server"}, "window": {"not_after": "06:00"},
            "rollout": {"max_in_flight": most}, "steps": [{"id": "a", "action": {"type": "inventory"}}]})
    };
    let ask = async |body: Value| world.call("POST", "/api/v1/tasks/forecast").token(&world.viewer).json(body).send().await;
    let alone = ask(task("night", 2)).await.expect(200);
    assert_eq!((&alone["course"]["targets"], &alone["course"]["late"], &alone["beside"]), (&json!(3), &json!(0), &json!([])));
    assert_eq!((&alone["begins"], &alone["until"]), (&json!("2026-11-19T00:00:00.000Z"), &json!("2026-11-19T06:00:00.000Z")));
    assert_eq!((&alone["measured"], &alone["per_device"]), (&json!(0), &json!(false)));
    world.written(task("night", 2)).await;
    let beside = ask(task("another night", 2)).await.expect(200);
    assert_eq!(beside["beside"][0]["task"]["name"], "night");
    assert_eq!(ask(task("night", 1)).await.expect(200)["beside"], json!([]), "it would replace the one that is saved");
    let log = json!({"name": "log", "steps": [{"action": {"type": "write_log", "message": "x"}}]});
    assert_eq!(ask(log).await.expect(200), Value::Null);
    ask(json!({"name": "x", "steps": []})).await.refused(400, "task/invalid");
}
