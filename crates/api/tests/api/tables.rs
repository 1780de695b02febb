//! Every operation of the description, tried by those who may not, and by those who may.

use crate::world::World;
use muster_core::access::Role;
use muster_core::fleet::Protocol;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Everybody, also strangers.
    Anybody,
    /// Every known caller.
    Known,
    /// People only: a token is refused.
    Person,
    Operator,
    Admin,
    /// Administrators of all organizations.
    TopAdmin,
}

/// One operation: id, method, path with names of things in braces, body, who may, what it answers to those who may.
type Line = (&'static str, &'static str, &'static str, Option<Value>, Who, u16);

fn table() -> Vec<Line> {
    use Who::{Admin, Anybody, Known, Operator, Person, TopAdmin};
    let doc = json!({"name": "another", "targets": {"all": true}, "steps": [{"id": "c", "action": {"type": "inventory"}}]});
    let user = json!({"name": "bob", "password": "correct horse battery", "role": "viewer"});
    let sign_in = json!({"name": "ann", "password": "correct horse battery"});
    let password = json!({"old": "correct horse battery", "new": "correct horse stapler"});
    vec![
        ("session_create", "POST", "/session", Some(sign_in), Anybody, 200),
        ("session_view", "GET", "/session", None, Known, 200),
        ("session_delete", "DELETE", "/session", None, Known, 204),
        ("session_password", "POST", "/session/password", Some(password), Person, 204),
        ("overview_view", "GET", "/overview", None, Known, 200),
        ("event_stream", "GET", "/events", None, Known, 200),
        ("device_list", "GET", "/devices", None, Known, 200),
        ("device_view", "GET", "/devices/{device}", None, Known, 200),
        ("device_update", "PATCH", "/devices/{device}", Some(json!({"tag": "x"})), Operator, 200),
        ("device_delete", "DELETE", "/devices/{device}", None, Operator, 204),
        ("device_inventory", "GET", "/devices/{device}/inventory", None, Known, 200),
        ("device_history", "GET", "/devices/{device}/history", None, Known, 200),
        ("device_changes", "GET", "/devices/{device}/changes?from=7d", None, Known, 200),
        ("change_list", "GET", "/changes", None, Known, 200),
        ("software_list", "GET", "/software", None, Known, 200),
        ("software_versions", "GET", "/software/versions?name=bash", None, Known, 200),
        ("software_devices", "GET", "/software/devices?name=bash", None, Known, 200),
        ("software_appeared", "GET", "/software/appeared", None, Known, 200),
        ("device_assignments", "GET", "/devices/{device}/assignments", None, Known, 200),
        ("device_book", "GET", "/devices/{device}/book", None, Known, 200),
        ("group_list", "GET", "/groups", None, Known, 200),
        ("group_create", "POST", "/groups", Some(json!({"name": "another"})), Operator, 201),
        ("group_view", "GET", "/groups/{group}", None, Known, 200),
        ("group_update", "PATCH", "/groups/{group}", Some(json!({"name": "renamed"})), Operator, 200),
        ("group_delete", "DELETE", "/groups/{group}", None, Operator, 204),
        ("group_members", "POST", "/groups/{group}/members", Some(json!({"add": ["{device}"]})), Operator, 200),
        ("agent_list", "GET", "/agents", None, Known, 200),
        ("agent_view", "GET", "/agents/{agent}", None, Known, 200),
        ("agent_update", "PATCH", "/agents/{agent}", Some(json!({"verified": true})), Operator, 200),
        ("agent_wakes", "GET", "/agents/{agent}/wakes", None, Known, 200),
        ("crash_list", "GET", "/crashes?kind=panic,killed", None, Known, 200),
        ("crash_view", "GET", "/crashes/{crash}", None, Known, 200),
        ("agent_revoke", "POST", "/agents/{agent}/revoke", Some(json!({})), Operator, 200),
        ("device_identity", "GET", "/devices/{device}/identity", None, Known, 200),
        ("device_merge", "POST", "/devices/{device}/merge", Some(json!({"from": ["{other}"]})), Operator, 200),
        ("device_split", "POST", "/devices/{device}/split", Some(json!({"agents": ["{agent}"]})), Operator, 201),
        ("identity_undo", "POST", "/identity/{act}/undo", Some(json!({})), Operator, 200),
        ("duplicate_list", "GET", "/duplicates", None, Known, 200),
        ("duplicate_view", "GET", "/duplicates/{duplicate}", None, Known, 200),
        ("duplicate_dismiss", "POST", "/duplicates/{duplicate}/dismiss", Some(json!({"note": "two desks"})), Operator, 200),
        ("duplicate_reopen", "POST", "/duplicates/{duplicate}/reopen", Some(json!({})), Operator, 200),
        ("agent_credential_list", "GET", "/agent-credentials", None, Admin, 200),
        ("agent_credential_create", "POST", "/agent-credentials", Some(json!({"name": "c"})), Admin, 201),
        ("agent_credential_delete", "DELETE", "/agent-credentials/{agent_credential}", None, Admin, 204),
        ("task_list", "GET", "/tasks", None, Known, 200),
        ("task_create", "POST", "/tasks", Some(doc.clone()), Operator, 201),
        ("task_check", "POST", "/tasks/check", Some(json!({"name": "x", "steps": [{"action": {"type": "inventory"}}]})), Known, 200),
        ("task_forecast", "POST", "/tasks/forecast", Some(json!({"name": "x", "steps": [{"action": {"type": "inventory"}}]})), Known, 200),
        ("action_list", "GET", "/actions", None, Known, 200),
        ("task_view", "GET", "/tasks/{task}", None, Known, 200),
        ("task_update", "PUT", "/tasks/{task}", Some(doc), Operator, 200),
        ("task_delete", "DELETE", "/tasks/{task}", None, Operator, 204),
        ("task_preview", "POST", "/tasks/{task}/preview", Some(json!({})), Known, 200),
        ("approval_ask", "POST", "/tasks/{task}/approvals", Some(json!({})), Operator, 409),
        ("approval_list", "GET", "/approvals", None, Known, 200),
        ("approval_view", "GET", "/approvals/{approval}", None, Known, 200),
        ("approval_approve", "POST", "/approvals/{approval}/approve", Some(json!({})), Operator, 403),
        ("approval_reject", "POST", "/approvals/{approval}/reject", Some(json!({})), Operator, 200),
        ("run_start", "POST", "/tasks/{task}/runs", Some(json!({})), Operator, 201),
        ("schedule_view", "GET", "/tasks/{task}/schedule", None, Known, 200),
        ("schedule_switch", "PUT", "/tasks/{held}/schedule", Some(json!({"enabled": true})), Operator, 200),
        ("schedule_preview", "POST", "/schedules/preview", Some(json!({"schedule": {"every": "1h"}})), Known, 200),
        ("occurrence_list", "GET", "/tasks/{task}/occurrences", None, Known, 200),
        ("occurrence_start", "POST", "/tasks/{held}/occurrences/{nominal}/runs", Some(json!({})), Operator, 201),
        ("task_approve", "PUT", "/tasks/{task}/approval", Some(json!({"targets_max": 500})), Admin, 200),
        ("calendar_view", "GET", "/calendar", None, Known, 200),
        ("message_list", "GET", "/messages", None, Known, 200),
        ("message_read", "POST", "/messages/{message}/read", Some(json!({"all_before": true})), Operator, 200),
        ("view_list", "GET", "/reports/views", None, Known, 200),
        ("report_ask", "POST", "/reports/ask", Some(json!({"query": "select name from devices"})), Known, 200),
        ("report_list", "GET", "/reports", None, Known, 200),
        ("report_create", "POST", "/reports", Some(json!({"name": "another", "query": "select name from devices"})), Operator, 201),
        ("report_view", "GET", "/reports/{report}", None, Known, 200),
        ("report_update", "PATCH", "/reports/{report}", Some(json!({"name": "renamed"})), Operator, 200),
        ("report_run", "POST", "/reports/{report}/run", Some(json!({})), Operator, 200),
        ("report_results", "GET", "/reports/{report}/results", None, Known, 200),
        ("report_result", "GET", "/reports/{report}/results/{result}", None, Known, 200),
        ("report_delete", "DELETE", "/reports/{report}", None, Operator, 204),
        ("run_list", "GET", "/runs", None, Known, 200),
        ("run_view", "GET", "/runs/{run}", None, Known, 200),
        ("run_assignments", "GET", "/runs/{run}/assignments", None, Known, 200),
        ("run_targets", "GET", "/runs/{run}/targets", None, Known, 200),
        ("run_pool", "GET", "/runs/{run}/pool", None, Known, 404),
        ("run_retry", "POST", "/runs/{run}/retry", Some(json!({"states": ["cancelled"]})), Operator, 409),
        ("run_events", "GET", "/runs/{run}/events", None, Known, 200),
        ("run_cancel", "POST", "/runs/{run}/cancel", Some(json!({})), Operator, 200),
        ("run_pause", "POST", "/runs/{run}/pause", Some(json!({})), Operator, 200),
        ("run_resume", "POST", "/runs/{run}/resume", Some(json!({})), Operator, 200),
        ("assignment_view", "GET", "/assignments/{assignment}", None, Known, 200),
        ("assignment_why", "GET", "/assignments/{assignment}/why", None, Known, 200),
        ("assignment_cancel", "POST", "/assignments/{assignment}/cancel", Some(json!({})), Operator, 200),
        ("queue_list", "GET", "/queue", None, Known, 200),
        ("queue_cancel", "POST", "/queue/cancel", Some(json!({"filter": {}})), Operator, 200),
        ("queue_delay", "POST", "/queue/delay", Some(json!({"filter": {}, "by": "2h"})), Operator, 200),
        ("queue_prioritise", "POST", "/queue/priority", Some(json!({"filter": {}, "priority": 1})), Operator, 200),
        ("brake_view", "GET", "/brake", None, Known, 200),
        ("brake_pull", "POST", "/brake", Some(json!({"note": "wrong task"})), Operator, 200),
        ("brake_release", "DELETE", "/brake", None, Operator, 200),
        ("user_list", "GET", "/users", None, Admin, 200),
        ("user_create", "POST", "/users", Some(user), Admin, 201),
        ("user_view", "GET", "/users/{user}", None, Admin, 200),
        ("user_update", "PATCH", "/users/{user}", Some(json!({"disabled": true})), Admin, 200),
        ("user_delete", "DELETE", "/users/{user}", None, Admin, 204),
        ("token_list", "GET", "/tokens", None, Admin, 200),
        ("token_create", "POST", "/tokens", Some(json!({"name": "t", "role": "viewer"})), Admin, 201),
        ("token_delete", "DELETE", "/tokens/{token}", None, Admin, 204),
        ("join_token_list", "GET", "/join-tokens", None, Admin, 200),
        ("join_token_create", "POST", "/join-tokens", Some(json!({"name": "j"})), Admin, 201),
        ("join_token_delete", "DELETE", "/join-tokens/{join_token}", None, Admin, 204),
        ("org_list", "GET", "/orgs", None, Known, 200),
        ("org_create", "POST", "/orgs", Some(json!({"name": "third"})), TopAdmin, 201),
        ("settings_view", "GET", "/settings", None, Known, 200),
        ("settings_update", "PATCH", "/settings", Some(json!({"size_guard": 7})), Admin, 200),
        ("audit_list", "GET", "/audit", None, Admin, 200),
    ]
}

/// A world with one of each thing in the default organization, by name.
async fn things() -> (World, Vec<(&'static str, String)>) {
    let world = World::new();
    let (device, agent) = world.machines(&["alpha"])[0];
    world.report_as("alpha", Protocol::Ocs, "alpha");
    let other = world.report_as("beta", Protocol::Ocs, "alpha").device;
    let parts = world.machines(&["gamma", "delta"]);
    world.post(&format!("/api/v1/devices/{}/merge", parts[0].0), json!({"from": [parts[1].0]})).await.expect(200);
    let first = |v: Value, list: &str| v[list][0]["id"].as_str().expect("an id").to_owned();
    let act = first(world.get(&format!("/api/v1/devices/{}/identity", parts[0].0)).await.expect(200), "log");
    let duplicate = first(world.get("/api/v1/duplicates").await.expect(200), "items");
    let task = world.task("nightly").await;
    let run = world.run(&task).await;
    let id = |v: &Value| v["id"].as_str().expect("an id").to_owned();
    let held = world.held("held").await;
    let nominal = world.get(&format!("/api/v1/tasks/{held}/occurrences")).await.expect(200)["items"][0]["nominal"].clone();
    world.message("look").await;
    let message = first(world.get("/api/v1/messages").await.expect(200), "items");
    let assignment = id(&world.get("/api/v1/queue").await.expect(200)["items"][0]);
    world.person("ann", Role::Admin, None);
    let create = |path: &'static str, body: Value| world.call("POST", path).token(&world.admin).json(body).send();
    let user = world.person("cy", Role::Viewer, Some(world.org));
    let token = id(&create("/api/v1/tokens", json!({"name": "ci", "role": "viewer", "org": "default"})).await.expect(201));
    let join_token = id(&create("/api/v1/join-tokens", json!({"name": "site"})).await.expect(201));
    let credential = id(&create("/api/v1/agent-credentials", json!({"name": "agents"})).await.expect(201));
    let group = id(&create("/api/v1/groups", json!({"name": "labs"})).await.expect(201));
    let above = |n: u32| world.call("PATCH", "/api/v1/settings").token(&world.admin).json(json!({"approve_above": n})).send();
    above(1).await.expect(200);
    let approval = id(&world.post(&format!("/api/v1/tasks/{task}/approvals"), json!({})).await.expect(201));
    above(0).await.expect(200);
    let report = id(&create("/api/v1/reports", json!({"name": "names", "query": "select name from devices"})).await.expect(201));
    let result = world.post(&format!("/api/v1/reports/{report}/run"), json!({})).await.expect(200)["result"]["id"].clone();
    let crash = world.crash(agent);
    let ids = vec![
        ("approval", approval),
        ("crash", crash),
        ("report", report),
        ("result", result.as_str().expect("an id").to_owned()),
        ("group", group),
        ("agent_credential", credential),
        ("device", device.to_string()),
        ("agent", agent.to_string()),
        ("other", other.to_string()),
        ("act", act),
        ("duplicate", duplicate),
        ("task", task),
        ("held", held),
        ("nominal", nominal.as_str().expect("a nominal time").to_owned()),
        ("message", message),
        ("run", run),
        ("assignment", assignment),
        ("user", user),
        ("token", token),
        ("join_token", join_token),
    ];
    (world, ids)
}

/// A body with the ids of things in it.
fn filled(body: Option<Value>, ids: &[(&'static str, String)]) -> Option<Value> {
    let text = ids.iter().fold(body?.to_string(), |text, (name, id)| text.replace(&format!("\"{{{name}}}\""), &format!("\"{id}\"")));
    Some(serde_json::from_str(&text).expect("JSON"))
}

fn path(template: &str, ids: &[(&'static str, String)]) -> String {
    ids.iter().fold(format!("/api/v1{template}"), |path, (name, id)| path.replace(&format!("{{{name}}}"), id))
}

#[test]
fn every_operation_of_the_description_is_in_the_table() {
    let document = serde_json::to_value(muster_api::openapi()).expect("a document");
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let things = [
                "device",
                "agent",
                "act",
                "duplicate",
                "task",
                "run",
                "assignment",
                "user",
                "token",
                "join_token",
                "agent_credential",
                "nominal",
                "message",
                "group",
                "approval",
                "crash",
                "report",
                "result",
            ];
            let plain = things.iter().fold(path.replace("/api/v1", ""), |p, thing| p.replace(&format!("{{{thing}}}"), "{id}"));
            described.insert((operation["operationId"].as_str().expect("an id").to_owned(), method.to_uppercase(), plain));
        }
    }
    let plain = |p: &str| {
        let (mut out, mut inside) = (String::new(), false);
        for c in p.chars().take_while(|c| *c != '?') {
            match c {
                '{' => (inside, out) = (true, out + "{id}"),
                '}' => inside = false,
                c if !inside => out.push(c),
                _ => {}
            }
        }
        out
    };
    let tried: BTreeSet<_> = table().iter().map(|l| (l.0.to_owned(), l.1.to_owned(), plain(l.2))).collect();
    assert_eq!(described, tried);
}

#[tokio::test]
async fn without_credentials_every_operation_is_refused() {
    let (world, ids) = things().await;
    for (id, method, template, body, who, _) in table().into_iter().filter(|l| l.4 != Who::Anybody) {
        let call = world.call(method, &path(template, &ids)).json(filled(body, &ids).unwrap_or(Value::Null));
        let answer = call.send().await;
        assert_eq!(answer.status, 401, "{id} {who:?}: {}", answer.text);
        for wrong in ["Bearer mst_wrong", "Basic YTpi", "Bearer"] {
            let answer = world.call(method, &path(template, &ids)).header("authorization", wrong).send().await;
            assert_eq!(answer.status, 401, "{id} with {wrong}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_viewer_is_refused_what_changes_things_or_shows_people() {
    let (world, ids) = things().await;
    for (id, method, template, body, who, _) in table() {
        if matches!(who, Who::Anybody | Who::Known) {
            continue;
        }
        let call = world.call(method, &path(template, &ids)).token(&world.viewer);
        let call = if let Some(body) = filled(body, &ids) { call.json(body) } else { call };
        let answer = call.send().await;
        assert_eq!(answer.status, 403, "{id}: {}", answer.text);
        answer.refused(403, "access/denied");
    }
}

#[tokio::test]
async fn an_operator_is_refused_what_administrators_do() {
    let (world, ids) = things().await;
    for (id, method, template, body, who, _) in table() {
        if !matches!(who, Who::Admin | Who::TopAdmin) {
            continue;
        }
        let call = world.call(method, &path(template, &ids)).token(&world.operator);
        let call = if let Some(body) = filled(body, &ids) { call.json(body) } else { call };
        let answer = call.send().await;
        assert_eq!(answer.status, 403, "{id}: {}", answer.text);
    }
}

#[tokio::test]
async fn for_another_organization_nothing_of_this_one_exists() {
    let (world, ids) = things().await;
    for (id, method, template, body, who, _) in table() {
        if matches!(who, Who::Anybody | Who::Person) || ["event_stream", "session_delete"].contains(&id) {
            // The stream's own test is in `live`; a session belongs to no organization.
            continue;
        }
        let call = |org: Option<&str>| {
            let call = world.call(method, &path(template, &ids)).token(&world.stranger);
            let call = if let Some(body) = filled(body.clone(), &ids) { call.json(body) } else { call };
            if let Some(org) = org { call.header("muster-org", org).send() } else { call.send() }
        };
        let named = call(Some("default")).await;
        assert_eq!(named.status, 404, "{id} by the name of the organization: {}", named.text);
        let answer = call(None).await;
        if template.contains('{') {
            assert_eq!(answer.status, 404, "{id}: {}", answer.text);
            continue;
        }
        let leaked: Vec<_> = ids.iter().filter(|(_, thing)| answer.text.contains(thing.as_str())).collect();
        assert!(leaked.is_empty() && !answer.text.contains(&world.org.to_string()), "{id} shows {leaked:?}: {}", answer.text);
        let own = ["token_list", "org_list", "audit_list", "action_list", "view_list"].contains(&id);
        if method == "GET" && !own && answer.text.contains("\"items\"") {
            assert_eq!(answer.json()["items"], json!([]), "{id}");
        }
    }
}

#[tokio::test]
async fn those_who_may_are_answered() {
    for (id, method, template, body, who, status) in table() {
        if matches!(who, Who::Person) || id == "event_stream" {
            // Their own tests are in `sessions` and `live`.
            continue;
        }
        let (world, ids) = things().await;
        let token = match who {
            Who::Anybody | Who::Known => &world.viewer,
            Who::Operator => &world.operator,
            _ => &world.admin,
        };
        let call = world.call(method, &path(template, &ids)).token(token);
        let call = if let Some(body) = filled(body, &ids) { call.json(body) } else { call };
        let answer = call.send().await;
        assert_eq!(answer.status, status, "{id}: {}", answer.text);
    }
}
