//! Schedules, their occurrences, approvals, the calendar, and messages.

use crate::world::World;
use serde_json::{Value, json};
use std::time::Duration;

fn next(ahead: &Value, key: &str) -> Vec<String> {
    ahead["next"].as_array().expect("a list").iter().map(|n| n[key].as_str().unwrap_or("-").to_owned()).collect()
}

#[tokio::test]
async fn the_next_ten_are_shown_with_their_offsets_and_windows_before_anything_is_saved() {
    let world = World::new();
    let ask = async |body: Value| world.call("POST", "/api/v1/schedules/preview").token(&world.viewer).json(body).send().await;
    // The clock stands at 2026-11-18; Paris leaves summer time on 2027-10-31 only, Sydney is ahead by eleven hours.
    let paris = json!({"schedule": {"cron": "30 2 * * *", "zone": "Europe/Paris"}, "window": {"not_after": "06:00"}});
    let ahead = ask(paris).await.expect(200);
    assert_eq!((&ahead["zone"], &ahead["per_device"]), (&json!("Europe/Paris"), &json!(false)));
    assert_eq!(next(&ahead, "local").len(), 10);
    assert_eq!(next(&ahead, "local")[0], "2026-11-19T02:30:00+01:00");
    assert_eq!((&*next(&ahead, "opens")[0], &*next(&ahead, "closes")[0]), ("2026-11-19T01:30:00.000Z", "2026-11-19T05:00:00.000Z"));
    let own = ask(json!({"schedule": {"cron": "0 0 * * *", "zone": "device"}})).await.expect(200);
    assert_eq!((&own["per_device"], &*next(&own, "nominal")[0]), (&json!(true), "2026-11-20T00:00"));
    assert_eq!(next(&own, "starts")[0], "2026-11-19T10:00:00.000Z", "a day begins first where clocks are fourteen hours ahead");
    assert_eq!(ask(json!({})).await.expect(200)["next"], json!([]));
    let wrong = json!({"schedule": {"cron": "61 * * * *", "zone": "Europe/Pariss"}, "window": {"not_after": "25:00"}});
    let problem = ask(wrong).await.refused(400, "task/invalid");
    let pointers: Vec<_> = problem["errors"].as_array().expect("errors").iter().map(|e| e["pointer"].as_str().expect("one")).collect();
    assert_eq!(pointers, ["/schedule/zone", "/schedule/cron", "/window/not_after"]);
}

#[tokio::test]
async fn an_occurrence_above_what_is_approved_waits_for_a_person_who_says_how_many() {
    let world = World::new();
    world.machines(&["alpha", "bravo"]);
    let task = world.held("hourly").await;
    let path = format!("/api/v1/tasks/{task}");
    assert_eq!(world.get(&path).await.expect(200)["targets_max"], 1);
    world.clock.advance(Duration::from_secs(3_600));
    world.look();
    let list = world.get(&format!("{path}/occurrences?limit=1")).await.expect(200);
    let newest = list["items"][0].clone();
    let needs = world.get("/api/v1/overview").await.expect(200)["needs"].clone();
    let held = needs.as_array().expect("needs").iter().filter(|need| need["key"] == "occurrence_held").count();
    assert_eq!(held, 2, "{needs}");
    assert_eq!((&newest["state"], &newest["detail"], &newest["targets"]), (&json!("held"), &json!("size_guard"), &json!(2)));
    let rest = world.get(&format!("{path}/occurrences?limit=1&cursor={}", list["next"].as_str().expect("more"))).await.expect(200);
    assert!(rest["items"][0]["at"].as_str() < newest["at"].as_str() && rest["next"].is_null(), "{rest}");
    world.call("PATCH", "/api/v1/settings").token(&world.admin).json(json!({"size_guard": 1})).send().await.expect(200);
    let start = format!("{path}/occurrences/{}/runs", newest["nominal"].as_str().expect("a time"));
    assert_eq!(world.post(&start, json!({})).await.refused(409, "run/size-guard")["count"], 2);
    let run = world.post(&start, json!({"confirm_count": 2})).await.expect(201);
    assert_eq!((&run["nominal"], &run["targeted"]), (&newest["nominal"], &json!(2)));
    world.post(&start, json!({"confirm_count": 2})).await.refused(409, "occurrence/not-held");
    let started = world.get(&format!("{path}/occurrences")).await.expect(200)["items"][0].clone();
    assert_eq!((&started["state"], &started["run"]), (&json!("started"), &run["id"]));
    world.post(&format!("{path}/occurrences/yesterday/runs"), json!({})).await.refused(404, "occurrence/not-found");
    let approve = async |n: Value| world.call("PUT", &format!("{path}/approval")).token(&world.admin).json(n).send().await;
    approve(json!({"targets_max": 0})).await.refused(400, "task/approval");
    assert_eq!(approve(json!({"targets_max": null})).await.expect(200)["targets_max"], Value::Null);
}

#[tokio::test]
async fn a_schedule_out_of_action_says_so_and_nothing_comes_of_it() {
    let world = World::new();
    let steps = json!([{"id": "c", "action": {"type": "inventory"}}]);
    let doc = json!({"name": "nightly", "targets": {"all": true}, "schedule": {"every": "1h"}, "steps": steps});
    let task = world.post("/api/v1/tasks", doc).await.expect(201);
    assert_eq!(task["schedule_off"], Value::Null);
    let path = format!("/api/v1/tasks/{}/schedule", task["id"].as_str().expect("an id"));
    let switch = async |body: Value| world.call("PUT", &path).token(&world.operator).json(body).send().await;
    switch(json!({})).await.refused(400, "request/invalid");
    let off = switch(json!({"enabled": false, "reason": "holidays"})).await.expect(200);
    assert_eq!((&off["schedule_off"]["reason"], &off["version"]), (&json!("holidays"), &json!(1)));
    let ahead = world.get(&path).await.expect(200);
    assert_eq!((&ahead["off"]["reason"], &ahead["next"]), (&json!("holidays"), &json!([])));
    let calendar = world.get("/api/v1/calendar").await.expect(200);
    assert_eq!(calendar["items"], json!([]));
    let on = switch(json!({"enabled": true})).await.expect(200);
    assert_eq!((&on["schedule_off"], world.get(&path).await.expect(200)["next"].as_array().map(Vec::len)), (&Value::Null, Some(10)));
    let by_hand = json!({"name": "by hand", "targets": {"all": true}, "steps": [{"id": "c", "action": {"type": "inventory"}}]});
    let by_hand = world.post("/api/v1/tasks", by_hand).await.expect(201);
    let path = format!("/api/v1/tasks/{}/schedule", by_hand["id"].as_str().expect("an id"));
    world.call("PUT", &path).token(&world.operator).json(json!({"enabled": false})).send().await.refused(409, "task/no-schedule");
}

#[tokio::test]
async fn the_calendar_shows_what_was_and_what_comes_in_one_order() {
    let world = World::new();
    world.machines(&["alpha", "bravo"]);
    world.held("hourly").await;
    let doc = json!({"name": "nightly", "targets": {"all": true}, "schedule": {"cron": "0 0 * * *", "zone": "Europe/Paris"},
        "window": {"not_after": "06:00"}, "steps": [{"id": "c", "action": {"type": "inventory"}}]});
    world.post("/api/v1/tasks", doc).await.expect(201);
    let shown = world.get("/api/v1/calendar?from=2026-11-18T00:00:00Z&to=2026-11-20T00:00:00Z").await.expect(200);
    let items = shown["items"].as_array().expect("items");
    assert_eq!(
        (&items[0]["state"], &items[0]["detail"], &items[0]["task"]["name"]),
        (&json!("held"), &json!("size_guard"), &json!("hourly"))
    );
    assert!(items.iter().skip(1).all(|i| i["state"] == "coming"), "{shown}");
    let starts: Vec<_> = items.iter().map(|i| i["starts"].as_str().expect("a time")).collect();
    assert!(starts.is_sorted() && !shown["more"].as_bool().expect("told"));
    let nightly = items.iter().find(|i| i["task"]["name"] == "nightly").expect("one night");
    assert_eq!((&nightly["opens"], &nightly["closes"]), (&json!("2026-11-18T23:00:00.000Z"), &json!("2026-11-19T05:00:00.000Z")));
    world.get("/api/v1/calendar?from=2026-11-18T00:00:00Z&to=2027-03-20T00:00:00Z").await.refused(400, "calendar/span");
    let far = world.get("/api/v1/calendar?from=2026-11-18T00:00:00Z&to=2027-01-15T00:00:00Z").await.expect(200);
    assert_eq!((far["items"].as_array().map(Vec::len), &far["more"]), (Some(1_000), &json!(true)));
}

#[tokio::test]
async fn messages_are_read_one_by_one_or_all_before_one() {
    let world = World::new();
    for title in ["first", "second", "third"] {
        world.message(title).await;
    }
    let unread = async || world.get("/api/v1/messages?unread=true").await.expect(200);
    let all = unread().await;
    let titles: Vec<_> = all["items"].as_array().expect("items").iter().map(|m| m["title"].as_str().expect("a title")).collect();
    assert_eq!(titles, ["third", "second", "first"]);
    let of = |place: usize| format!("/api/v1/messages/{}/read", all["items"][place]["id"].as_str().expect("an id"));
    let second = &all["items"][1];
    assert_eq!((&second["level"], &second["task"], &second["text"]), (&json!("warning"), &json!("says second"), &json!("it is 2")));
    assert_eq!(world.post(&of(1), json!({})).await.expect(200)["read"], 1);
    assert_eq!(world.post(&of(1), json!({})).await.expect(200)["read"], 0);
    assert_eq!(unread().await["items"].as_array().map(Vec::len), Some(2));
    let overview = world.get("/api/v1/overview").await.expect(200);
    let needs = |key: &str| overview["needs"].as_array().expect("needs").iter().any(|need| need["key"] == key);
    assert!(overview["unread"] == 2 && needs("messages_unread") && !needs("occurrence_held"), "{overview}");
    assert_eq!(world.post(&of(0), json!({"all_before": true})).await.expect(200)["read"], 2);
    assert_eq!(unread().await["items"], json!([]));
    assert_eq!(world.get("/api/v1/messages").await.expect(200)["items"][0]["read"]["by"], "token operator");
    let nobody = "/api/v1/messages/01939b0e-0000-7000-8000-000000000000/read";
    world.post(nobody, json!({})).await.refused(404, "message/not-found");
}

#[tokio::test]
async fn a_preview_and_a_run_say_when_it_would_end_and_from_how_much_they_know_it() {
    let world = World::new();
    world.machines(&["alpha", "bravo"]);
    let task = world.task("nightly").await;
    let preview = async || world.post(&format!("/api/v1/tasks/{task}/preview"), json!({})).await.expect(200)["forecast"].clone();
    let first = preview().await;
    assert_eq!((&first["absent"], &first["late"], &first["measured"]), (&json!(0), &json!(0), &json!(0)));
    assert!(first["ends"].is_string(), "{first}");
    let run = world.run(&task).await;
    let path = format!("/api/v1/runs/{run}");
    assert!(world.get(&path).await.expect(200)["forecast"]["ends"].is_string());
    world.post("/api/v1/brake", json!({})).await.expect(200);
    assert_eq!(world.get(&path).await.expect(200)["forecast"], Value::Null, "while the brake is on nothing ends");
    world.call("DELETE", "/api/v1/brake").token(&world.operator).send().await.expect(200);
    world.report("alpha", "Debian GNU/Linux 12", &["bash"]);
    world.report("bravo", "Debian GNU/Linux 12", &["bash"]);
    assert_eq!(world.get(&path).await.expect(200)["forecast"], Value::Null, "nothing is left of it");
    assert_eq!(preview().await["measured"], 2, "two of them were measured");
    world.clock.advance(Duration::from_secs(7 * 86_400));
    let silent = preview().await;
    assert_eq!((&silent["absent"], &silent["ends"]), (&json!(2), &Value::Null));
    let raise = json!({"name": "says", "steps": [{"id": "say", "action": {"type": "write_log", "message": "it is time"}}]});
    let says = world.post("/api/v1/tasks", raise).await.expect(201)["id"].as_str().expect("an id").to_owned();
    let own = world.post(&format!("/api/v1/tasks/{says}/preview"), json!({})).await.expect(200);
    assert_eq!(own["forecast"], Value::Null);
}
