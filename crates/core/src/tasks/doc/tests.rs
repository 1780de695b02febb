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
        "nmae": "x", "actors": {"relay": "north"}, "schedule": {"cron": "0 25 * * *"}, "priority": 12, "delivery": "carrier",
        "targets": {"subnets": ["s"], "groups": "g", "query": "nam == 'x'"}, "retry": {"attempts": 0, "backoff": "soon", "on": ["ok"]},
        "steps": [{"id": "1", "action": {"type": "run_scrpt"}, "timeout": "1s"}]
    }))
    .join("\n");
    for part in [
        "/nmae: there is no key 'nmae' here; did you mean 'name'?",
        "/name: a task needs a name",
        "/actors/relay: 'relay' is not available",
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
fn a_web_service_is_called_and_a_script_run_by_either_side_and_nothing_else() {
    let step = |action: Value, scope: &str| TaskDoc::parse(&json!({"name": "x", "steps": [{"id": "a", "action": action, "scope": scope}]}));
    let call = json!({"type": "call_web_service", "url": "https://example.org/"});
    let by_agents = step(call.clone(), "client").expect("valid");
    assert!(by_agents.steps[0].scope() == Scope::Client && by_agents.steps[0].needs_targets());
    let by_server = step(call, "server").expect("valid");
    assert!(by_server.steps[0].scope() == Scope::Server && !by_server.steps[0].needs_targets());
    assert!(
        step(json!({"type": "control_service", "service": "x", "do": "start"}), "server").expect_err("agents do")[0]
            .what
            .contains("has the scope 'client'")
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

#[test]
fn a_pool_does_one_step_for_addresses() {
    let doc = json!({
        "name": "who answers",
        "targets": {"ip_ranges": ["10.0.0.0/24", "10.0.1.5-10.0.1.90"], "exclude": {"ip_ranges": ["10.0.0.1"]}},
        "actors": {"pool": {"module": "check_addresses", "selector": {"groups": ["branches"], "subnets": ["10.0.0.0/16"]}, "max": 10}},
        "steps": [{"id": "check", "action": {"type": "check_addresses", "ports": [22, 443], "timeout": "500ms"}}],
    });
    let read = TaskDoc::parse(&doc).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert_eq!(crate::tasks::pool::count(&read.addresses()), 255 + 86);
    assert_eq!((read.is_pooled(), read.actors.most()), (true, Some(10)));
    assert_eq!(serde_json::to_value(&read).expect("a document")["actors"], doc["actors"], "it stays as it was written");
    assert_eq!(read.rules(&read.steps[0]).backoff, Duration::ZERO);
    let named = with(&doc, "/actors", json!({"agents": ["0190a1b2-0000-7000-8000-000000000001"]}));
    assert!(TaskDoc::parse(&named).is_ok_and(|it| matches!(it.actors, Actors::Agents(ids) if ids.len() == 1)));
    for (place, value, pointer) in [
        ("/actors", json!("own"), "/actors"),
        ("/actors", json!("everybody"), "/actors"),
        ("/actors", json!({"relay": "north"}), "/actors/relay"),
        ("/actors", json!({"pool": {}, "agents": ["x"]}), "/actors"),
        ("/actors", json!({"agents": ["pc-7"]}), "/actors/agents/0"),
        ("/actors", json!({"agents": []}), "/actors/agents"),
        ("/actors/pool/module", json!("netdiscovery"), "/actors/pool/module"),
        ("/actors/pool/max", json!(0), "/actors/pool/max"),
        ("/actors/pool/selector", json!({"sites": ["north"]}), "/actors/pool/selector/sites"),
        ("/actors/pool/selector/subnets", json!(["the lab"]), "/actors/pool/selector/subnets/0"),
        ("/targets", json!({"ip_ranges": ["10.0.0.0/8"]}), "/targets/ip_ranges"),
        ("/targets", json!({"ip_ranges": ["10.0.0.9-10.0.0.1"]}), "/targets/ip_ranges/0"),
        ("/targets", json!({"ip_ranges": ["10.0.0.0/24"], "all": true}), "/targets/all"),
        ("/targets", json!({"ip_ranges": ["10.0.0.0/24"], "exclude": {"tags": ["x"]}}), "/targets/exclude/tags"),
        ("/steps/0/action/ports", json!([]), "/steps/0/action/ports"),
        ("/steps/0/action/ports", json!([0]), "/steps/0/action/ports/0"),
        ("/steps/0/action/ports", json!([22, 22]), "/steps/0/action/ports/1"),
        ("/steps/0/action/timeout", json!("1m"), "/steps/0/action/timeout"),
        ("/steps/0/action", json!({"type": "inventory"}), "/targets/ip_ranges"),
    ] {
        let faults = TaskDoc::parse(&with(&doc, place, value.clone())).expect_err("a fault");
        assert!(faults.iter().any(|fault| fault.pointer == pointer), "{place} = {value}: {faults:?}");
    }
    for (key, value) in [("when", json!("true")), ("barrier", json!({"quorum": "90%"})), ("outputs", json!({"code": "exit_code"}))] {
        let mut other = doc.clone();
        other["steps"][0][key] = value;
        assert!(TaskDoc::parse(&other).is_err(), "{key}");
    }
    for (key, value) in [("mode", json!("server_job")), ("rollout", json!({"waves": ["1%", "100%"]}))] {
        let mut other = doc.clone();
        other[key] = value;
        assert!(TaskDoc::parse(&other).is_err(), "{key}");
    }
}

fn with(doc: &Value, place: &str, value: Value) -> Value {
    let mut other = doc.clone();
    *other.pointer_mut(place).unwrap_or_else(|| panic!("no {place}")) = value;
    other
}

#[test]
fn a_script_of_the_server_has_no_user_and_no_directory() {
    let doc = |action: Value| json!({"name": "n", "steps": [{"id": "a", "scope": "server", "action": action}]});
    let read = TaskDoc::parse(&doc(json!({"type": "run_script", "script": "true"}))).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert!(read.steps[0].scope() == Scope::Server && !read.steps[0].needs_targets());
    let faults = faults(doc(json!({"type": "run_script", "script": "true", "user": "www-data", "directory": "/srv", "cpu_percent": 50})));
    for key in ["user", "directory", "cpu_percent"] {
        assert!(faults.iter().any(|it| it.contains(&format!("/steps/0/action/{key}:"))), "{faults:?}");
    }
}

#[test]
fn what_is_cleaned_up_is_named_once_and_in_known_words() {
    let doc = |action: Value| json!({"name": "n", "steps": [{"id": "a", "action": action}]});
    for action in
        [json!({"type": "clean_files"}), json!({"type": "clean_files", "older_than": "90d", "what": ["programs", "documents", "crashes"]})]
    {
        let read = TaskDoc::parse(&doc(action.clone())).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert_eq!(serde_json::to_value(&read.steps[0].action).expect("json"), action);
        assert!(read.steps[0].scope() == Scope::Server && !read.steps[0].needs_targets());
        assert!(read.steps[0].is_idempotent());
    }
    for (key, value, part) in [
        ("what", json!(["crashes", "crashes"]), "/what/1: 'crashes' is there twice"),
        (
            "what",
            json!(["crashes", "dokuments"]),
            "/what/1: there is no kind 'dokuments'; there are documents, crashes, programs. Did you mean 'documents'?",
        ),
        ("what", json!("crashes"), "/what: a list of texts is expected here, not a text"),
        ("what", json!([7]), "/what/0: a text is expected here, not a number"),
        ("older_than", json!("long"), "/older_than: 'long' is not a duration"),
        ("newer_than", json!("1d"), "/newer_than: there is no key 'newer_than' here; did you mean 'older_than'?"),
    ] {
        let told = faults(doc(json!({"type": "clean_files", key: value}))).join("\n");
        assert!(told.contains(part), "missing: {part}\nin: {told}");
    }
}
