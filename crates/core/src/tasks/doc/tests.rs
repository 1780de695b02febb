//! Documents: what is read, what is refused, and that what is written is what was read.

use super::*;
use serde_json::json;

fn faults(document: Value) -> Vec<String> {
    TaskDoc::parse(&document).expect_err("faults").iter().map(ToString::to_string).collect()
}

#[test]
fn the_smallest_task_has_its_defaults() {
    let doc = TaskDoc::parse(&json!({"name": " n ", "steps": [{"id": "a", "action": {"type": "inventory"}}]})).expect("valid");
    assert_eq!((doc.name.as_str(), doc.priority, doc.delivery), ("n", 5, Delivery::Pull));
    assert_eq!(doc.targets, Targets::default());
    assert_eq!(doc.rules(&doc.steps[0]).attempts_max, 3);
    let again = TaskDoc::parse(&serde_json::to_value(&doc).expect("json")).expect("round trip");
    assert_eq!(again, doc);
}

#[test]
fn every_fault_is_told_at_once_with_its_place() {
    let told = faults(json!({
        "nmae": "x", "actors": "own", "schedule": {"cron": "0 25 * * *"}, "priority": 12, "delivery": "carrier",
        "targets": {"subnets": ["s"], "groups": "g", "query": "nam == 'x'"}, "retry": {"attempts": 0, "backoff": "soon", "on": ["ok"]},
        "steps": [{"id": "1", "action": {"type": "run_script"}, "timeout": "1s"}]
    }))
    .join("\n");
    for part in [
        "/nmae: there is no key 'nmae' here; did you mean 'name'?",
        "/name: a task needs a name",
        "/actors: 'actors' is not available",
        "/schedule/cron: '25' in '0 25 * * *' is no hour: it is 0 to 23",
        "/priority: 12 is no priority",
        "/delivery: there is no delivery 'carrier'",
        "/targets/subnets: 'subnets' is not available",
        "/targets/groups: a list of texts is expected here, not a text",
        "/targets/query: there is no field 'nam'; did you mean 'name'?",
        "/retry/attempts: 0 attempts",
        "/retry/backoff: 'soon' is not a duration",
        "/retry/on/0: 'ok' is no outcome",
        "/steps/0/id: '1' is no step id",
        "/steps/0/timeout: a step needs at least 10s",
        "/steps/0/action/type: there is no action 'run_script'",
    ] {
        assert!(told.contains(part), "missing: {part}\nin:\n{told}");
    }
}

#[test]
fn what_is_no_task_at_all_is_refused() {
    for document in [json!(null), json!([]), json!("x"), json!({}), json!({"name": "x", "steps": []}), json!({"name": 7, "steps": 1})] {
        assert!(!faults(document).is_empty());
    }
    let two = json!({"name": "x", "steps": [{"action": {"type": "inventory"}}, {"action": {"type": "inventory"}}]});
    assert!(faults(two)[0].contains("several steps"));
}

#[test]
fn groups_are_named_by_name_or_id_and_as_many_as_are_taken() {
    let id: GroupId = "01939b0e-0000-7000-8000-00000000000A".parse().expect("an id");
    let doc = |targets: Value| TaskDoc::parse(&json!({"name": "x", "targets": targets, "steps": [{"action": {"type": "inventory"}}]}));
    let read = |targets| doc(targets).expect("valid").targets;
    let both = read(json!({"groups": ["labs", "01939B0E-0000-7000-8000-00000000000A"]}));
    assert_eq!((both.naming(id, "labs"), both.naming(id, "Labs")), (Some(GroupNaming::ByName), Some(GroupNaming::ById)));
    let out = read(json!({"all": true, "exclude": {"groups": ["kiosks"]}}));
    assert!(!out.exclude.is_empty());
    assert_eq!((out.naming(id, "kiosks"), out.naming(id, "labs")), (Some(GroupNaming::ByName), None));
    assert_eq!(serde_json::to_value(&out).expect("json"), json!({"all": true, "exclude": {"groups": ["kiosks"]}}));
    let many = |n: usize| doc(json!({"groups": vec!["g"; n]}));
    assert!(many(crate::limits::TASK_GROUPS_MAX).is_ok());
    assert!(many(crate::limits::TASK_GROUPS_MAX + 1).expect_err("too many")[0].what.contains("at most 1000"));
}
