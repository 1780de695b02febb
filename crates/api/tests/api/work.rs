//! Tasks, runs, assignments, the queue, settings.

use crate::world::{World, names};
use serde_json::{Value, json};

fn doc(name: &str) -> Value {
    json!({"name": name, "targets": {"all": true}, "steps": [{"id": "collect", "action": {"type": "inventory"}}]})
}

#[tokio::test]
async fn a_task_is_written_in_versions_as_json_or_yaml() {
    let world = World::new();
    let made = world.post("/api/v1/tasks", doc("nightly")).await.expect(201);
    assert_eq!((&made["version"], &made["org"], &made["runs"]), (&json!(1), &json!("default"), &json!(0)));
    assert_eq!((&made["doc"]["targets"], &made["doc"]["priority"]), (&json!({"all": true}), &json!(5)));
    assert_eq!(made["author"], "token operator");
    let path = format!("/api/v1/tasks/{}", made["id"].as_str().expect("an id"));
    let yaml = made["yaml"].as_str().expect("text").replace("priority: 5", "priority: 2");
    let put =
        |tag: &str, yaml: &str| world.call("PUT", &path).token(&world.operator).header("if-match", tag).text("application/yaml", yaml);
    let changed = put("\"1\"", &yaml).send().await;
    assert_eq!(changed.header("etag"), "\"2\"");
    assert_eq!(changed.expect(200)["doc"]["priority"], 2);
    assert_eq!(put("\"2\"", &yaml).send().await.expect(200)["version"], 2, "the same document is no new version");
    put("\"1\"", &yaml).send().await.refused(412, "request/stale");
    world.post("/api/v1/tasks", doc("nightly")).await.refused(409, "task/name-taken");
    world.post("/api/v1/tasks", doc("weekly")).await.expect(201);
    assert_eq!(world.get("/api/v1/tasks?sort=-name").await.expect(200)["items"][0]["doc"]["name"], "weekly");
    world.call("DELETE", &path).token(&world.operator).send().await.expect(204);
    world.get(&path).await.refused(404, "task/not-found");
}

#[tokio::test]
async fn a_document_is_checked_without_changing_anything() {
    let world = World::new();
    let check = async |document: Value| world.post("/api/v1/tasks/check", document).await.expect(200);
    let new = check(doc("nightly")).await;
    assert_eq!((&new["change"], &new["task"], &new["doc"]["priority"]), (&json!("create"), &Value::Null, &json!(5)));
    let made = world.post("/api/v1/tasks", doc("nightly")).await.expect(201);
    assert_eq!(new["yaml"], made["yaml"]);
    let same = check(doc("nightly")).await;
    assert_eq!((&same["change"], &same["task"]["id"]), (&json!("none"), &made["id"]));
    let mut other = doc("nightly");
    other["priority"] = json!(2);
    let changed = check(other).await;
    assert_eq!((&changed["change"], &changed["task"]["version"]), (&json!("update"), &json!(1)));
    assert_eq!(world.get("/api/v1/tasks").await.expect(200)["total"], 1);
    world.post("/api/v1/tasks/check", json!({"name": "x"})).await.refused(400, "task/invalid");
}

#[tokio::test]
async fn every_fault_of_a_task_is_told_at_once_by_its_place() {
    let world = World::new();
    let bad = json!({"nam": "x", "targtes": {}, "priority": 10, "targets": {"query": "nam == 1"}, "steps": []});
    let problem = world.post("/api/v1/tasks", bad).await.refused(400, "task/invalid");
    let pointers: Vec<_> = problem["errors"].as_array().expect("errors").iter().map(|e| e["pointer"].as_str().unwrap_or("")).collect();
    for expected in ["/nam", "/targtes", "/priority", "/targets/query", "/steps", "/name"] {
        assert!(pointers.contains(&expected), "{expected} in {pointers:?}");
    }
    let yaml = world.call("POST", "/api/v1/tasks").token(&world.operator).text("application/yaml", "name: [").send().await;
    assert!(yaml.refused(400, "request/invalid")["detail"].as_str().is_some_and(|d| d.contains("YAML")));
    let form = world.call("POST", "/api/v1/tasks").token(&world.operator).text("application/x-www-form-urlencoded", "a=b").send().await;
    form.refused(415, "request/media-type");
    let large = "x".repeat((1 << 20) + 1);
    let large = world.call("POST", "/api/v1/tasks").token(&world.operator).text("application/json", &large).send().await;
    large.refused(413, "request/too-large");
}

#[tokio::test]
async fn a_task_is_made_once_per_idempotency_key() {
    let world = World::new();
    let post = |key: &str, name: &str| {
        world.call("POST", "/api/v1/tasks").token(&world.operator).header("idempotency-key", key).json(doc(name)).send()
    };
    let first = post("k1", "nightly").await.expect(201);
    assert_eq!(post("k1", "nightly").await.expect(201), first);
    post("k1", "weekly").await.refused(422, "request/idempotency-mismatch");
    post("k2", "nightly").await.refused(409, "task/name-taken");
    let other = world.call("POST", "/api/v1/tasks").token(&world.stranger).header("idempotency-key", "k1").json(doc("x")).send().await;
    assert_ne!(other.expect(201)["id"], first["id"], "keys are each caller's own");
}

#[tokio::test]
async fn a_preview_names_the_targets_and_binds_the_start_to_them() {
    let world = World::new();
    world.machines(&["alpha", "bravo", "kiosk"]);
    let mut task = doc("nightly");
    task["targets"]["exclude"] = json!({"devices": ["kiosk"]});
    let id = world.post("/api/v1/tasks", task).await.expect(201)["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/tasks/{id}");
    let preview = world.post(&format!("{path}/preview"), json!({})).await.expect(200);
    assert_eq!((&preview["count"], &preview["guard"], &preview["needs_count"]), (&json!(2), &json!(100), &json!(false)));
    assert_eq!((&preview["by_protocol"], &preview["by_os"]), (&json!({"fusioninventory": 2}), &json!({"linux": 2})));
    assert_eq!((&preview["online"], &preview["excluded"][0]["count"]), (&json!(2), &json!(1)));
    assert_eq!(preview["targets"][0]["reason"]["key"], "waiting_for_contact");
    world.machines(&["charlie"]);
    let plan = json!({"plan": preview["plan"]});
    world.post(&format!("{path}/runs"), plan).await.refused(409, "run/plan-changed");
    let plan = world.post(&format!("{path}/preview"), json!({})).await.expect(200)["plan"].clone();
    assert_eq!(world.post(&format!("{path}/runs"), json!({"plan": plan})).await.expect(201)["targeted"], 3);
}

#[tokio::test]
async fn a_large_start_and_a_large_cancel_say_their_number() {
    let world = World::new();
    let patch = |body| world.call("PATCH", "/api/v1/settings").token(&world.admin).json(body);
    patch(json!({"size_guard": 1})).send().await.expect(200);
    let id = world.task("nightly").await;
    let path = format!("/api/v1/tasks/{id}/runs");
    world.post(&path, json!({})).await.refused(409, "run/empty");
    world.machines(&["alpha", "bravo"]);
    assert_eq!(world.post(&path, json!({})).await.refused(409, "run/size-guard")["count"], 2);
    assert_eq!(world.post(&path, json!({"confirm_count": 3})).await.refused(409, "run/size-guard")["count"], 2);
    world.post(&path, json!({"confirm_count": 2})).await.expect(201);
    world.prepare();
    let cancel = |body| world.post("/api/v1/queue/cancel", body);
    cancel(json!({})).await.refused(400, "request/invalid");
    assert_eq!(cancel(json!({"filter": {}})).await.refused(409, "queue/size-guard")["count"], 2);
    assert_eq!(cancel(json!({"filter": {"q": "alpha"}})).await.expect(200)["cancelled"], 1);
    assert_eq!(cancel(json!({"filter": {"task": id}, "confirm_count": 1})).await.expect(200)["cancelled"], 1);
    assert_eq!(world.get("/api/v1/queue").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn the_queue_is_put_off_and_put_in_order_by_a_filter() {
    let world = World::new();
    world.machines(&["alpha", "bravo"]);
    world.run(&world.task("nightly").await).await;
    let act = async |what: &str, body| world.post(&format!("/api/v1/queue/{what}"), body).await;
    for (what, body) in [
        ("priority", json!({"filter": {}})),
        ("priority", json!({"filter": {}, "priority": 10})),
        ("priority", json!({"priority": 1})),
        ("delay", json!({"filter": {}})),
        ("delay", json!({"filter": {}, "by": "soon"})),
        ("delay", json!({"filter": {}, "until": "2001-01-01T00:00:00Z"})),
    ] {
        act(what, body).await.refused(400, "request/invalid");
    }
    assert_eq!(act("priority", json!({"filter": {"q": "bravo"}, "priority": 1})).await.expect(200)["changed"], 1);
    let queue = world.get("/api/v1/queue?sort=priority").await.expect(200);
    assert_eq!(queue["items"][0]["device"]["name"], "bravo");
    assert_eq!(act("delay", json!({"filter": {"q": "alpha"}, "by": "2h"})).await.expect(200)["changed"], 1);
    assert_eq!(act("delay", json!({"filter": {"q": "alpha"}, "by": "1h"})).await.expect(200)["changed"], 0, "never sooner");
    let waiting = world.get("/api/v1/queue?q=alpha").await.expect(200);
    assert_eq!(waiting["items"][0]["reason"]["key"], "not_yet");
}

#[tokio::test]
async fn the_brake_keeps_runs_from_starting_and_says_who_pulled_it() {
    let world = World::new();
    world.machines(&["alpha"]);
    let task = world.task("nightly").await;
    let run = world.run(&task).await;
    let path = "/api/v1/brake";
    assert_eq!(world.get(path).await.expect(200)["on"], false);
    let on = world.post(path, json!({"note": "wrong script"})).await.expect(200);
    assert_eq!((&on["on"], &on["note"]), (&json!(true), &json!("wrong script")));
    assert!(on["by"].is_string() && on["since"].is_string());
    world.post(&format!("/api/v1/tasks/{task}/runs"), json!({})).await.refused(409, "org/frozen");
    assert_eq!(world.get("/api/v1/queue").await.expect(200)["items"][0]["reason"]["key"], "frozen");
    let off = world.call("DELETE", path).token(&world.operator).send().await.expect(200);
    assert_eq!(off["on"], false);
    let hold = async |what: &str| world.post(&format!("/api/v1/runs/{run}/{what}"), json!({})).await;
    assert_eq!(hold("pause").await.expect(200)["state"], "paused");
    assert_eq!(world.get("/api/v1/queue").await.expect(200)["items"][0]["reason"]["key"], "run_paused");
    assert_eq!(hold("resume").await.expect(200)["state"], "waiting");
    hold("cancel").await.expect(200);
    hold("pause").await.refused(409, "run/ending");
}

#[tokio::test]
async fn a_run_is_followed_from_its_start_to_its_end() {
    let world = World::new();
    let machines = world.machines(&["alpha", "bravo"]);
    let task = world.task("nightly").await;
    let run = world.run(&task).await;
    let path = format!("/api/v1/runs/{run}");
    let shown = world.get(&path).await.expect(200);
    assert_eq!((&shown["state"], &shown["counts"]["prepared"], &shown["progress"]), (&json!("waiting"), &json!(2), &json!(0.0)));
    assert_eq!((&shown["steps"][0]["id"], &shown["steps"][0]["action"]), (&json!("collect"), &json!("inventory")));
    world.report("alpha", "Debian GNU/Linux 12", &["bash"]);
    let shown = world.get(&path).await.expect(200);
    assert_eq!((&shown["state"], &shown["counts"]["ok"], &shown["progress"]), (&json!("running"), &json!(1), &json!(0.5)));
    let open = world.get(&format!("{path}/assignments?state=prepared")).await.expect(200);
    assert_eq!((&open["items"][0]["device"]["name"], &open["total"]), (&json!("bravo"), &json!(1)));
    let done = world.get(&format!("{path}/assignments?state=ok")).await.expect(200)["items"][0].clone();
    assert_eq!((&done["actor"]["protocol"], &done["attempt"]), (&json!("fusioninventory"), &json!(1)));
    let full = world.get(&format!("/api/v1/assignments/{}", done["id"].as_str().expect("an id"))).await.expect(200);
    assert_eq!((&full["attempts"][0]["state"], &full["attempts"][0]["agent"]["id"]), (&json!("ok"), &json!(machines[0].1)));
    assert!(full["events"].as_array().is_some_and(|e| !e.is_empty() && e[0]["device"]["name"] == "alpha"));
    world.report("bravo", "Debian GNU/Linux 12", &["bash"]);
    let shown = world.get(&path).await.expect(200);
    assert_eq!((&shown["state"], &shown["verdict"], &shown["progress"]), (&json!("finished"), &json!("ok"), &json!(1.0)));
    let (mut kinds, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("{path}/events?limit=2{cursor}")).await.expect(200);
        kinds.extend(page["items"].as_array().expect("items").iter().map(|e| e["kind"].as_str().unwrap_or("").to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(kinds.first().map(String::as_str), Some("finished"), "{kinds:?}");
    assert!(kinds.contains(&"made".to_owned()), "{kinds:?}");
    let listed = world.get("/api/v1/tasks").await.expect(200)["items"][0].clone();
    assert_eq!((&listed["runs"], &listed["last_run"]["id"]), (&json!(1), &json!(run)));
}

#[tokio::test]
async fn runs_are_listed_the_newest_first() {
    let world = World::new();
    world.machines(&["alpha"]);
    let task = world.task("nightly").await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        world.clock.advance(std::time::Duration::from_secs(1));
        runs.push(world.run(&task).await);
    }
    let ids = |list: Value| -> Vec<String> {
        list["items"].as_array().expect("items").iter().map(|r| r["id"].as_str().expect("an id").to_owned()).collect()
    };
    let oldest_first = ids(world.get("/api/v1/runs?sort=created").await.expect(200));
    assert_eq!(oldest_first, runs);
    runs.reverse();
    assert_eq!(ids(world.get("/api/v1/runs").await.expect(200)), runs);
    let first = world.get(&format!("/api/v1/runs?limit=2&task={task}&state=waiting,running")).await.expect(200);
    let next = first["next"].as_str().expect("more").to_owned();
    let rest = world.get(&format!("/api/v1/runs?limit=2&task={task}&state=waiting,running&cursor={next}")).await.expect(200);
    assert_eq!([ids(first), ids(rest)].concat(), runs);
    assert_eq!(ids(world.get("/api/v1/runs?verdict=ok").await.expect(200)), Vec::<String>::new());
}

#[tokio::test]
async fn an_assignment_says_why_it_waits_and_is_cancelled() {
    let world = World::new();
    let machines = world.machines(&["alpha", "bravo"]);
    let run = world.run(&world.task("nightly").await).await;
    let queue = world.get(&format!("/api/v1/queue?device={}&sort=-created", machines[0].0)).await.expect(200);
    let waiting = &queue["items"][0];
    assert_eq!((&waiting["reason"]["key"], &waiting["state"]), (&json!("waiting_for_contact"), &json!("prepared")));
    let path = format!("/api/v1/assignments/{}", waiting["id"].as_str().expect("an id"));
    let why = world.get(&format!("{path}/why")).await.expect(200);
    assert_eq!((&why["reason"]["key"], &why["reason"]["ends"]["key"]), (&json!("waiting_for_contact"), &json!("contact")));
    assert!(why["conditions"].as_array().is_some_and(|c| c.iter().all(|c| c["ok"] == true)), "{why}");
    let cancelled = world.post(&format!("{path}/cancel"), json!({})).await.expect(200);
    assert_eq!((&cancelled["state"], &cancelled["cancel_requested"]), (&json!("cancelled"), &json!(true)));
    world.post(&format!("{path}/cancel"), json!({})).await.refused(409, "assignment/final");
    let of_device = world.get(&format!("/api/v1/devices/{}/assignments?state=cancelled", machines[0].0)).await.expect(200);
    assert_eq!(of_device["total"], 1);
    assert_eq!(world.post(&format!("/api/v1/runs/{run}/cancel"), json!({})).await.expect(200)["cancel_requested"], true);
    world.prepare();
    let shown = world.get(&format!("/api/v1/runs/{run}")).await.expect(200);
    assert_eq!((&shown["state"], &shown["verdict"]), (&json!("finished"), &json!("cancelled")));
    world.post(&format!("/api/v1/runs/{run}/cancel"), json!({})).await.refused(409, "run/finished");
}

#[tokio::test]
async fn a_bulk_cancel_by_ids_is_done_once_per_key() {
    let world = World::new();
    world.machines(&["alpha", "bravo"]);
    world.run(&world.task("nightly").await).await;
    let queue = world.get("/api/v1/queue").await.expect(200);
    let ids: Vec<&Value> = queue["items"].as_array().expect("items").iter().map(|a| &a["id"]).take(1).collect();
    let cancel = || world.call("POST", "/api/v1/queue/cancel").token(&world.operator).header("idempotency-key", "k1");
    assert_eq!(cancel().json(json!({"ids": ids})).send().await.expect(200)["cancelled"], 1);
    assert_eq!(cancel().json(json!({"ids": ids})).send().await.expect(200)["cancelled"], 1, "as it was answered the first time");
    cancel().json(json!({"filter": {}})).send().await.refused(422, "request/idempotency-mismatch");
    let bad = world.post("/api/v1/queue/cancel", json!({"ids": ["x"]})).await.refused(400, "request/invalid");
    assert_eq!(bad["errors"][0]["pointer"], "/ids/0");
    assert_eq!(world.get("/api/v1/queue").await.expect(200)["total"], 1);
}

#[tokio::test]
async fn settings_are_changed_in_the_version_that_was_read() {
    let world = World::new();
    let read = world.get("/api/v1/settings").await;
    let tag = read.header("etag").to_owned();
    assert_eq!(read.expect(200)["contact_every"], "1h");
    let patch = |tag: &str, body| world.call("PATCH", "/api/v1/settings").token(&world.admin).header("if-match", tag).json(body);
    let changed = patch(&tag, json!({"contact_every": "5m", "verify_networks": ["10.0.0.0/8"]})).send().await.expect(200);
    assert_eq!((&changed["contact_every"], &changed["verify_networks"]), (&json!("5m"), &json!(["10.0.0.0/8"])));
    patch(&tag, json!({"contact_every": "6m"})).send().await.refused(412, "request/stale");
    let bad = patch("*", json!({"contact_evry": "6m"})).send().await.refused(400, "settings/invalid");
    assert!(bad["errors"][0]["pointer"] == "/contact_evry" && bad["detail"].as_str().is_some_and(|d| d.contains("contact_every")));
}

#[tokio::test]
async fn the_first_screen_tells_what_waits_and_what_needs_a_person() {
    let world = World::new();
    world.machines(&["alpha", "bravo"]);
    world.run(&world.task("nightly").await).await;
    let screen = world.get("/api/v1/overview").await.expect(200);
    assert_eq!((&screen["waiting"], &screen["running"], &screen["late"]), (&json!(2), &json!(0), &json!(0)));
    assert_eq!((&screen["devices"], &screen["online"], &screen["unverified"]), (&json!(2), &json!(2), &json!(2)));
    assert_eq!((&screen["scheduler_lag_ms"], &screen["needs"][0]["key"]), (&json!(300), &json!("devices_unverified")));
    assert_eq!(screen["hours"].as_array().map(Vec::len), Some(24));
    assert_eq!(screen["runs"][0]["task"]["name"], "nightly");
    world.clock.advance(std::time::Duration::from_secs(3 * 3_600));
    assert_eq!(world.get("/api/v1/overview").await.expect(200)["late"], 2);
}

#[tokio::test]
async fn one_organization_does_not_see_another() {
    let world = World::new();
    world.machines(&["alpha"]);
    let made = world.call("POST", "/api/v1/orgs").token(&world.admin).json(json!({"name": "third"})).send().await.expect(201);
    let there = |org: &str| world.call("GET", "/api/v1/devices").token(&world.admin).header("muster-org", org).send();
    assert_eq!(names(&there("default").await.expect(200)), ["alpha"]);
    assert_eq!(names(&there("third").await.expect(200)), Vec::<&str>::new());
    assert_eq!(names(&there(made["id"].as_str().expect("an id")).await.expect(200)), Vec::<&str>::new());
    there("nowhere").await.refused(404, "org/not-found");
}

#[tokio::test]
async fn a_job_shows_each_target_at_its_step() {
    let world = World::new();
    world.machines(&["alpha", "bravo"]);
    let step = |id: &str| json!({"id": id, "action": {"type": "inventory"}});
    let mut job = doc("job");
    job["mode"] = json!("server_job");
    job["steps"] = json!([step("look"), step("again")]);
    let refused = world.post("/api/v1/tasks", job.clone()).await.refused(400, "task/invalid");
    assert!(refused["errors"][0]["detail"].as_str().is_some_and(|d| d.contains("make it a client_job")), "{refused}");
    job["mode"] = json!("client_job");
    job["steps"][1]["when"] = json!("steps.look.state == 'ok'");
    job["steps"][1]["on_error"] = json!({"run": "help", "then": "retry", "max": 2});
    job["steps"].as_array_mut().expect("steps").push(step("help"));
    let task = world.written(job).await;
    let kept = world.get(&format!("/api/v1/tasks/{task}")).await.expect(200);
    assert_eq!(kept["doc"]["steps"][1]["on_error"], json!({"run": "help", "then": "retry", "max": 2}));
    let preview = world.post(&format!("/api/v1/tasks/{task}/preview"), json!({})).await.expect(200);
    assert_eq!((&preview["unable"], &preview["count"]), (&json!([]), &json!(2)));
    let id = world.run(&task).await;
    let run = format!("/api/v1/runs/{id}");
    world.prepare();
    assert_eq!(world.asks("alpha"), 1);
    world.report("alpha", "Debian GNU/Linux 12", &["bash"]);
    let now = world.get(&run).await.expect(200);
    assert_eq!((&now["is_job"], &now["mode"], &now["steps"][0]["scope"]), (&json!(true), &json!("client_job"), &json!("client")));
    assert_eq!((&now["counts"]["running"], &now["counts"]["prepared"]), (&json!(1), &json!(1)), "by target");
    assert_eq!((&now["steps"][0]["counts"]["ok"], &now["steps"][1]["counts"]["prepared"]), (&json!(1), &json!(2)));
    let targets = world.get(&format!("{run}/targets")).await.expect(200);
    assert_eq!(targets["total"], 2);
    let running = world.get(&format!("{run}/targets?state=running")).await.expect(200);
    let alpha = &running["items"][0];
    assert_eq!((&alpha["device"]["name"], &alpha["step"], &alpha["round"]), (&json!("alpha"), &json!("again"), &json!(1)));
    assert_eq!(alpha["steps"]["look"]["state"], "ok");
    assert_eq!(world.get(&format!("{run}/assignments?step=again")).await.expect(200)["total"], 1);
    assert_eq!(world.get(&format!("{run}/assignments?step=nothing")).await.expect(200)["total"], 0);
    world.post(&format!("{run}/cancel"), json!({})).await.expect(200);
    world.prepare();
    let ended = world.get(&run).await.expect(200);
    assert_eq!((&ended["state"], &ended["counts"]["cancelled"]), (&json!("finished"), &json!(2)));
    world.post(&format!("{run}/retry"), json!({})).await.refused(409, "run/empty");
    world.post(&format!("{run}/retry"), json!({"states": ["late"]})).await.refused(400, "request/invalid");
    let again = world.post(&format!("{run}/retry"), json!({"states": ["cancelled"]})).await.expect(201);
    assert_eq!(again["targeted"], 2);
}
