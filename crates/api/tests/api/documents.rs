//! The description of the API, health, metrics, the console, refusals of what is not there.

use crate::world::World;
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn the_description_in_docs_is_the_one_of_the_program() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let text = serde_json::to_string_pretty(&muster_api::openapi()).expect("a document") + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, &text).expect("the file can be written");
    }
    let kept = std::fs::read_to_string(file).expect("docs/openapi.json; write it with UPDATE=1");
    assert!(kept == text, "docs/openapi.json is not up to date; run this test with UPDATE=1");
}

#[tokio::test]
async fn the_actions_in_docs_are_those_of_the_program() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/actions.json");
    let world = World::new();
    let told = world.call("GET", "/api/v1/actions").token(&world.admin).send().await.expect(200);
    let text = serde_json::to_string_pretty(&told).expect("a document") + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, &text).expect("the file can be written");
    }
    let kept = std::fs::read_to_string(file).expect("docs/actions.json; write it with UPDATE=1");
    assert!(kept == text, "docs/actions.json is not up to date; run this test with UPDATE=1. The console's forms are tested with it");
}

#[test]
fn every_operation_has_an_id_a_summary_and_full_path_and_every_reference_leads_somewhere() {
    let document = serde_json::to_value(muster_api::openapi()).expect("a document");
    assert!(document["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")));
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        assert!(path.starts_with("/api/v1/"), "{path}");
        for (method, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an id").to_owned();
            assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{method} {path}");
            assert!(ids.insert(id), "{method} {path}: its id is taken");
        }
    }
    let patch = |shape: &str| -> BTreeSet<String> {
        document["components"]["schemas"][shape]["properties"].as_object().expect("a shape").keys().cloned().collect()
    };
    assert_eq!(patch("Settings"), patch("SettingsPatch"));
    let text = document.to_string();
    for (at, _) in text.match_indices("#/components/schemas/") {
        let name: String = text[at + 21..].chars().take_while(|c| *c != '"').collect();
        assert!(document["components"]["schemas"][&name].is_object(), "{name} is described nowhere");
    }
}

#[test]
fn the_examples_of_the_consoles_help_are_queries() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../console/src/parts/QueryHelp.tsx"));
    let examples: Vec<&str> = page.lines().skip_while(|l| !l.contains("EXAMPLES = [")).skip(1).take_while(|l| *l != "];").collect();
    assert!(examples.len() > 3, "{examples:?}");
    for line in examples {
        let text = line.trim().trim_end_matches(',').trim_matches(['\'', '"']);
        muster_core::query::Query::parse(text).unwrap_or_else(|bad| panic!("{text}: {bad}"));
    }
}

#[tokio::test]
async fn the_description_is_shown_to_programs_and_people() {
    let world = World::new();
    let document = world.call("GET", "/api/v1/openapi.json").send().await.expect(200);
    assert_eq!(document["info"]["version"], "0.1.0");
    let page = world.call("GET", "/api/docs").send().await;
    assert!(page.header("content-type").starts_with("text/html") && !page.text.contains("<script"));
    for (path, _) in document["paths"].as_object().expect("paths") {
        assert!(page.text.contains(path.as_str()), "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_refused_in_the_same_form() {
    let world = World::new();
    let problem = world.get("/api/v1/nothing").await.refused(404, "request/unknown-path");
    assert!(problem["request_id"].as_str().is_some_and(|id| !id.is_empty()));
    world.call("POST", "/api/v1/devices").token(&world.admin).send().await.refused(405, "request/method-not-allowed");
    world.call("POST", "/somewhere").send().await.refused(405, "request/method-not-allowed");
    let named = world.call("GET", "/api/v1/devices").header("x-request-id", "abc-1").send().await;
    assert_eq!(named.header("x-request-id"), "abc-1");
    assert_eq!(named.header("cache-control"), "no-store");
    assert_eq!(named.refused(401, "access/unauthenticated")["request_id"], "abc-1");
    let odd = world.call("GET", "/healthz").header("x-request-id", "a b\u{e9}").send().await;
    assert!(!odd.header("x-request-id").contains(' '));
}

#[tokio::test]
async fn health_readiness_and_numbers_are_told() {
    let world = World::new();
    assert_eq!(world.call("GET", "/healthz").send().await.text, "ok\n");
    assert_eq!(world.call("GET", "/readyz").send().await.text, "ready\n");
    world.call("GET", "/api/v1/nothing").send().await;
    let metrics = world.call("GET", "/metrics").send().await.text;
    for line in [
        "muster_http_requests_total{class=\"2xx\"} 2",
        "muster_http_requests_total{class=\"4xx\"} 1",
        "muster_http_requests_total{class=\"5xx\"} 0",
        "muster_sign_ins_total{result=\"limited\"} 0",
        "muster_inventories_total 0",
        "muster_store_queue{kind=\"commands\"} 0",
        "muster_event_streams 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line} in\n{metrics}");
    }
}

#[tokio::test]
async fn every_other_path_under_get_is_the_console() {
    let world = World::new();
    for path in ["/", "/devices", "/runs/0198c0de-0000-7000-8000-000000000000"] {
        let page = world.call("GET", path).send().await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert_eq!((page.header("cache-control"), page.header("x-content-type-options")), ("no-cache", "nosniff"), "{path}");
    }
    world.call("GET", "/assets/gone-12345678.js").send().await.refused(404, "request/unknown-path");
    let value: Value = world.call("GET", "/api").send().await.refused(404, "request/unknown-path");
    assert_eq!(value["status"], 404);
}
