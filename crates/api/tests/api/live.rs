//! Live changes.

use crate::world::World;
use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::json;
use std::time::Duration;

/// The next part of a stream; `None` is its end.
async fn part(body: &mut Body) -> Option<String> {
    let frame = tokio::time::timeout(Duration::from_secs(10), body.frame()).await.expect("an event in time")?;
    let bytes = frame.expect("a frame").into_data().expect("data");
    Some(String::from_utf8(bytes.to_vec()).expect("text"))
}

async fn listen(world: &World, token: &str) -> Body {
    let response = world.call("GET", "/api/v1/events").token(token).response().await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body()
}

#[tokio::test]
async fn a_committed_change_is_told_to_its_organization_only() {
    let world = World::new();
    let (mut mine, mut theirs) = (listen(&world, &world.viewer).await, listen(&world, &world.stranger).await);
    let id = world.task("nightly").await;
    let told = part(&mut mine).await.expect("an event");
    assert!(told.contains("event: change") && told.contains(&json!({"kind": "task", "id": id}).to_string()), "{told}");
    let group = world.post("/api/v1/groups", json!({"name": "labs"})).await.expect(201)["id"].clone();
    let told = part(&mut mine).await.expect("an event");
    assert!(told.contains(&json!({"kind": "group", "id": group}).to_string()), "{told}");
    let patch = world.call("PATCH", "/api/v1/settings").token(&world.stranger).json(json!({"size_guard": 7}));
    patch.send().await.expect(200);
    let told = part(&mut theirs).await.expect("an event");
    assert!(told.contains(r#"{"kind":"settings","id":null}"#), "{told}");
}

#[tokio::test]
async fn a_stream_that_fell_behind_is_told_to_read_again() {
    let world = World::new();
    let mut body = listen(&world, &world.viewer).await;
    for i in 0..4_200 {
        world
            .engine
            .write_now("hint", &world.cx(), move |tx, cx| {
                let topic = muster_engine::Topic::Device;
                tx.after(muster_engine::Hint { topic, id: Some(uuid::Uuid::from_u128(i)), org: Some(cx.org.0) });
                Ok(())
            })
            .expect("told");
    }
    assert!(part(&mut body).await.expect("an event").contains("event: reset"));
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let world = World::new();
    let mut body = listen(&world, &world.viewer).await;
    world.shutdown.send(true).expect("somebody listens");
    assert_eq!(part(&mut body).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_says_that_it_lives_until_its_caller_is_gone() {
    let world = World::new();
    let mut body = listen(&world, &world.viewer).await;
    let alive = body.frame().await.expect("a part").expect("a frame").into_data().expect("data");
    assert!(alive.starts_with(b":"), "{alive:?}");
    let token = world.get("/api/v1/tokens").await.expect(200)["items"]
        .as_array()
        .expect("items")
        .iter()
        .find(|t| t["name"] == "viewer")
        .and_then(|t| t["id"].as_str().map(str::to_owned))
        .expect("the viewer's token");
    world.call("DELETE", &format!("/api/v1/tokens/{token}")).token(&world.admin).send().await.expect(204);
    assert!(body.frame().await.is_none());
}
