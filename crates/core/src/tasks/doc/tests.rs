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
        "steps": [{"id": "1", "action": {"type": "run_scrpt"}, "timeout": "1s"}]
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
        "/steps/0/action/type: there is no action 'run_scrpt'",
        "Did you mean 'run_script'?",
    ] {
        assert!(told.contains(part), "missing: {part}\nin:\n{told}");
    }
}

#[test]
fn what_is_no_task_at_all_is_refused() {
    for document in [json!(null), json!([]), json!("x"), json!({}), json!({"name": "x", "steps": []}), json!({"name": 7, "steps": 1})] {
        assert!(!faults(document).is_empty());
    }
}

#[test]
fn groups_are_named_by_name_or_id_and_as_many_as_are_taken() {
    let id: GroupId = "01939b0e-0000-7000-8000-00000000000A".parse().expect("an id");
    let doc = |targets: Value| TaskDoc::parse(&json!({"name": "x", "targets": targets, "steps": [{"action": {"type": "inventory"}}]}));
    let read = |targets| doc(targets).expect("valid");
    let both = read(json!({"groups": ["labs", "01939B0E-0000-7000-8000-00000000000A"]}));
    assert_eq!((both.naming(id, "labs"), both.naming(id, "Labs")), (Some(GroupNaming::ByName), Some(GroupNaming::ById)));
    let out = read(json!({"all": true, "exclude": {"groups": ["kiosks"]}}));
    assert!(!out.targets.exclude.is_empty());
    assert_eq!((out.naming(id, "kiosks"), out.naming(id, "labs")), (Some(GroupNaming::ByName), None));
    assert_eq!(serde_json::to_value(&out.targets).expect("json"), json!({"all": true, "exclude": {"groups": ["kiosks"]}}));
    let mut waits = read(json!({"all": true}));
    waits.schedule = Some(serde_json::from_value(json!({"on": {"joined_group": "labs"}})).expect("a schedule"));
    assert_eq!((waits.naming(id, "labs"), waits.naming(id, "kiosks")), (Some(GroupNaming::ByName), None));
    let many = |n: usize| doc(json!({"groups": vec!["g"; n]}));
    assert!(many(crate::limits::TASK_GROUPS_MAX).is_ok());
    assert!(many(crate::limits::TASK_GROUPS_MAX + 1).expect_err("too many")[0].what.contains("at most 1000"));
}

#[test]
fn what_agents_do_is_read_with_its_parameters_and_written_as_it_was() {
    for action in [
        json!({"type": "run_script", "script": "who | grep -q . && exit 3 || exit 0"}),
        json!({"type": "run_script", "script": "x", "shell": "python", "arguments": ["a", "-b"], "environment": {"LANG": "C"},
            "directory": "/srv", "user": "www-data", "expect": [0, 3], "memory_mib": 64, "cpu_percent": 50}),
        json!({"type": "power_control", "do": "shutdown", "warning": "5m", "message": "we clean up"}),
        json!({"type": "power_control", "do": "abort"}),
        json!({"type": "control_service", "service": "getty@tty1", "do": "restart"}),
        json!({"type": "defragment"}),
        json!({"type": "defragment", "volumes": ["/", "/home"]}),
        json!({"type": "configure_agent", "tag": ""}),
        json!({"type": "reset_agent"}),
        json!({"type": "agent_log", "lines": 200}),
    ] {
        let read = TaskDoc::parse(&json!({"name": "x", "steps": [{"id": "a", "action": action}]})).expect("valid");
        assert_eq!(serde_json::to_value(&read.steps[0].action).expect("json"), action);
        assert_eq!((read.steps[0].scope(), read.steps[0].needs_targets()), (Scope::Client, true));
    }
}

#[test]
fn parameters_that_no_machine_could_take_are_told() {
    let told = |action: Value| faults(json!({"name": "x", "steps": [{"id": "a", "action": action}]})).join("\n");
    for (action, part) in [
        (json!({"type": "run_script"}), "run_script needs 'script'"),
        (json!({"type": "run_script", "script": " "}), "run_script needs 'script'"),
        (json!({"type": "run_script", "script": "x", "shell": "bsh"}), "there is no shell 'bsh'; there are sh, bash, python, powershell"),
        (json!({"type": "run_script", "script": "x".repeat(64 << 10) + "y"}), "at most 65536"),
        (json!({"type": "run_script", "script": "x", "user": "-u root"}), "'-u root' is no name of a user"),
        (json!({"type": "run_script", "script": "x", "directory": "srv"}), "'srv' is no whole path"),
        (json!({"type": "run_script", "script": "x", "environment": {"A=B": "c"}}), "'A=B' is no name of a variable"),
        (json!({"type": "run_script", "script": "x", "environment": ["A"]}), "variables such as {LANG: C}"),
        (json!({"type": "run_script", "script": "x", "expect": [256]}), "exit codes from 0 to 255"),
        (json!({"type": "run_script", "script": "x", "memory_mib": 0}), "memory_mib is 0"),
        (json!({"type": "run_script", "script": "x", "sandbox": true}), "there is no key 'sandbox'"),
        (json!({"type": "power_control"}), "power_control needs 'do'"),
        (json!({"type": "power_control", "do": "reboot"}), "there is no do 'reboot'"),
        (json!({"type": "power_control", "do": "shutdown", "warning": "90s"}), "whole minutes"),
        (json!({"type": "power_control", "do": "suspend", "warning": "5m"}), "only a shutdown or a restart is announced"),
        (json!({"type": "control_service", "service": "../cron", "do": "stop"}), "is no name of a service"),
        (json!({"type": "control_service", "service": "--force", "do": "stop"}), "is no name of a service"),
        (json!({"type": "defragment", "volumes": ["home"]}), "'home' is no place where a file system is mounted"),
        (json!({"type": "configure_agent"}), "nothing would change"),
    ] {
        let faults = told(action.clone());
        assert!(faults.contains(part), "missing: {part}\nin: {faults}\nfor {action}");
    }
}

#[test]
fn a_web_service_is_called_by_either_side_and_only_that() {
    let step = |action: Value, scope: &str| TaskDoc::parse(&json!({"name": "x", "steps": [{"id": "a", "action": action, "scope": scope}]}));
    let call = json!({"type": "call_web_service", "url": "https://example.org/"});
    let by_agents = step(call.clone(), "client").expect("valid");
    assert!(by_agents.steps[0].scope() == Scope::Client && by_agents.steps[0].needs_targets());
    let by_server = step(call, "server").expect("valid");
    assert!(by_server.steps[0].scope() == Scope::Server && !by_server.steps[0].needs_targets());
    assert!(
        step(json!({"type": "run_script", "script": "x"}), "server").expect_err("agents do")[0].what.contains("has the scope 'client'")
    );
}

#[test]
fn what_may_be_repeated_is_as_the_action_has_it_or_as_a_person_may_say() {
    let step =
        |action: Value, said: Value| TaskDoc::parse(&json!({"name": "x", "steps": [{"id": "a", "action": action, "idempotent": said}]}));
    let script = || json!({"type": "run_script", "script": "x"});
    assert!(!step(script(), json!(null)).expect("valid").steps[0].is_idempotent());
    assert!(step(script(), json!(true)).expect("valid").steps[0].is_idempotent());
    assert!(step(json!({"type": "power_control", "do": "restart"}), json!(true)).is_err());
    assert!(
        step(json!({"type": "control_service", "service": "cron", "do": "start"}), json!(null)).expect("valid").steps[0].is_idempotent()
    );
    assert!(
        !step(json!({"type": "control_service", "service": "cron", "do": "restart"}), json!(null)).expect("valid").steps[0].is_idempotent()
    );
}
