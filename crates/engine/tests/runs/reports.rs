//! Questions in SQL, saved ones, kept answers; steps of the server that ask, delete, purge and look groups up anew.

use crate::world::{Own, World, on_all, script};
use muster_core::access::{Caller, Role};
use muster_core::ids::{OrgId, ReportId};
use muster_core::page::PageRequest;
use muster_core::reports::Answer;
use muster_core::tasks::{Action, State};
use muster_engine::reports::{self, ReportPatch};
use muster_engine::runs::Start;
use muster_engine::{AssignmentFilter, Error, VIEWS, access, groups, leftovers, runs, steps, tasks, workers};
use serde_json::{Value, json};
use std::time::Duration;

on_all! {
    every_view_and_column_can_be_asked
    answers_are_of_one_organization_in_order_and_bounded
    what_the_database_does_not_understand_is_said
    reports_are_saved_changed_run_and_deleted
    steps_ask_and_keep_and_purge
    a_step_deletes_what_it_names_or_says_why_not
    a_step_has_a_group_looked_up_anew
    what_acts_on_the_server_itself_is_written_by_those_who_act_everywhere
}

fn ask(w: &World, query: &str) -> Result<Answer, Error> {
    let query = query.to_owned();
    w.engine.read_now(&w.cx, move |rx, cx| reports::ask(rx, cx, &query))
}

fn rows(w: &World, query: &str) -> Vec<Vec<Value>> {
    ask(w, query).unwrap_or_else(|error| panic!("{query}: {}", error.detail)).rows
}

fn machines(w: &World) -> Vec<Own> {
    (1..=3).map(|n| w.own(n)).collect()
}

fn every_view_and_column_can_be_asked(w: &World) {
    let own = machines(w)[0];
    w.start("client_job", json!([script("one")]));
    w.ok(own);
    for view in VIEWS {
        let answer = ask(w, &format!("SELECT * FROM {}", view.name)).unwrap_or_else(|error| panic!("{}: {}", view.name, error.detail));
        assert_eq!(answer.columns, view.columns.iter().map(|column| column.name).collect::<Vec<_>>(), "{}", view.name);
        for column in view.columns {
            rows(w, &format!("SELECT {0} FROM {1} WHERE {0} IS NOT NULL ORDER BY {0}", column.name, view.name));
        }
    }
    let joined = "SELECT d.name, r.step, r.state, r.started FROM results r JOIN devices d ON d.id = r.device_id WHERE r.state = 'ok'";
    assert_eq!(rows(w, joined), [[json!("pc1"), json!("one"), json!("ok"), json!("2026-11-18T11:06:40Z")]].map(Vec::from));
    assert_eq!(rows(w, "SELECT id FROM devices WHERE name = 'pc1'"), [[json!(own.device.to_string())]].map(Vec::from));
    w.clock.advance(Duration::from_secs(86_400 * 40));
    assert_eq!(rows(w, "SELECT count(*) FROM devices WHERE days_since_contact >= 39"), [[json!(3)]].map(Vec::from));
}

fn answers_are_of_one_organization_in_order_and_bounded(w: &World) {
    machines(w);
    let elsewhere = w.engine.cx(Caller::SYSTEM, "test", OrgId(uuid::Uuid::nil()), "test");
    let other = w.engine.write_now("org", &elsewhere, |tx, cx| access::org_create(tx, cx, "other")).expect("an organization").id;
    let there = w.engine.cx(Caller::SYSTEM, "test", other, "test");
    for view in VIEWS {
        let query = format!("SELECT * FROM {}", view.name);
        assert_eq!(
            w.engine.read_now(&there, move |rx, cx| reports::ask(rx, cx, &query)).expect("an answer").rows,
            Vec::<Vec<Value>>::new()
        );
    }
    let names: Vec<Vec<Value>> = ["pc3", "pc2", "pc1"].map(|name| vec![json!(name)]).into();
    assert_eq!(rows(w, "SELECT name FROM devices ORDER BY name DESC"), names);
    assert_eq!(rows(w, "SELECT name, name FROM devices WHERE name = 'pc1'"), [[json!("pc1"), json!("pc1")]].map(Vec::from));
    assert_eq!(rows(w, "SELECT avg(software_count), sum(software_count) / 2, 'ä?1' FROM devices").len(), 1);
    let many = "SELECT 1 FROM devices a, devices b, devices c, devices d, devices e, devices f, devices g, devices h, devices i";
    let answer = ask(w, many).expect("an answer");
    assert_eq!((answer.rows.len(), answer.more), (10_000, true));
    let wide = format!("SELECT '{}' FROM devices a, devices b, devices c, devices d, devices e, devices f", "x".repeat(10_000));
    let answer = ask(w, &wide).expect("an answer");
    assert!(answer.more && (300..500).contains(&answer.rows.len()), "{}", answer.rows.len());
}

fn what_the_database_does_not_understand_is_said(w: &World) {
    for (query, named) in [
        ("SELECT nam FROM devices", "nam"),
        ("SELECT name FROM person", "no view 'person'"),
        ("SELECT name FROM devices WHERE", "no SQL"),
        ("SELECT count(*, 2) FROM devices", ""),
    ] {
        let refused = ask(w, query).expect_err(query);
        assert!(
            refused.key == "report/invalid" && refused.fault.is_none() && refused.detail.contains(named),
            "{query}: {}",
            refused.detail
        );
        assert!(!refused.detail.contains("device_group"), "what is behind the views is not told: {}", refused.detail);
    }
}

fn saved(w: &World, name: &str, query: &str) -> ReportId {
    let new = ReportPatch { name: Some(name.to_owned()), query: Some(query.to_owned()), ..ReportPatch::default() };
    w.write(move |tx, cx| reports::report_create(tx, cx, &new)).id
}

fn kept(w: &World, id: ReportId) -> usize {
    w.engine
        .read_now(&w.cx, move |rx, cx| reports::result_list(rx, cx, id, &PageRequest { limit: 500, ..Default::default() }))
        .expect("a page")
        .items
        .len()
}

fn run(w: &World, id: ReportId) {
    let answer = w.engine.read_now(&w.cx, move |rx, cx| reports::ask_report(rx, cx, id)).expect("an answer");
    w.write(move |tx, cx| reports::keep(tx, cx, id, &answer));
}

fn reports_are_saved_changed_run_and_deleted(w: &World) {
    machines(w);
    let id = saved(w, "names", "SELECT name FROM devices ORDER BY name");
    let refused =
        |patch: ReportPatch| w.engine.write_now("test", &w.cx, move |tx, cx| reports::report_create(tx, cx, &patch)).expect_err("refused");
    let patch = |name: &str, query: &str| ReportPatch { name: Some(name.to_owned()), query: Some(query.to_owned()), description: None };
    assert_eq!(refused(patch("names", "SELECT 1")).key, "report/name-taken");
    assert_eq!(refused(patch("", "SELECT 1")).key, "report/invalid");
    assert_eq!(refused(patch("other", "DELETE FROM devices")).key, "report/invalid");
    assert_eq!(refused(ReportPatch { name: Some("other".to_owned()), ..ReportPatch::default() }).key, "report/invalid");
    run(w, id);
    w.clock.advance(Duration::from_secs(60));
    run(w, id);
    let page = w.engine.read_now(&w.cx, move |rx, cx| reports::result_list(rx, cx, id, &PageRequest::default())).expect("a page");
    let newest = page.items.iter().max_by_key(|it| it.at).expect("kept").clone();
    assert_eq!((page.items.len(), newest.count, newest.more), (2, 3, false));
    let answer = w.engine.read_now(&w.cx, move |rx, cx| reports::result_view(rx, cx, id, newest.id)).expect("kept").1;
    assert_eq!(answer.csv(), "name\r\npc1\r\npc2\r\npc3\r\n");
    let rename = ReportPatch { name: Some("all names".to_owned()), ..ReportPatch::default() };
    let changed = w.write(move |tx, cx| reports::report_update(tx, cx, id, &rename, Some(1)));
    assert_eq!((changed.name.as_str(), changed.version), ("all names", 2));
    let stale = ReportPatch { name: Some("x".to_owned()), ..ReportPatch::default() };
    let refused = w.engine.write_now("test", &w.cx, move |tx, cx| reports::report_update(tx, cx, id, &stale, Some(1)));
    assert_eq!(refused.expect_err("stale").kind, muster_engine::Kind::Conflict);
    for _ in 0..110 {
        run(w, id);
    }
    assert_eq!(kept(w, id), 100, "the oldest go");
    let viewer = w.engine.cx(Caller { role: Role::Viewer, scope: Some(w.cx.org), ..Caller::SYSTEM }, "vi", w.cx.org, "test");
    assert!(w.engine.read_now(&viewer, |rx, cx| reports::ask(rx, cx, "SELECT 1")).is_ok());
    assert!(w.engine.read_now(&viewer, move |rx, cx| reports::ask_report(rx, cx, id)).is_err());
    w.write(move |tx, cx| reports::report_delete(tx, cx, id));
    assert_eq!(w.engine.read_now(&w.cx, move |rx, cx| reports::report_view(rx, cx, id)).expect_err("gone").key, "report/not-found");
}

fn what_acts_on_the_server_itself_is_written_by_those_who_act_everywhere(w: &World) {
    let here = w.engine.cx(Caller { role: Role::Admin, scope: Some(w.cx.org), ..Caller::SYSTEM }, "ann", w.cx.org, "test");
    let doc = |step: Value| json!({"name": "on the server", "targets": {}, "steps": [step]});
    let script = json!({"id": "s", "scope": "server", "action": {"type": "run_script", "script": "true"}});
    let moves = json!({"id": "s", "action": {"type": "move_item", "kind": "task", "item": "x", "org": "other"}});
    for step in [json!({"id": "s", "action": {"type": "restart_server"}}), moves, script.clone()] {
        let it = doc(step);
        let refused = w.engine.write_now("test", &here, move |tx, cx| tasks::task_create(tx, cx, &it)).expect_err("refused");
        assert_eq!(refused.kind, muster_engine::Kind::Denied, "{refused}");
    }
    let id = w.task(doc(script));
    let changed = doc(json!({"id": "s", "action": {"type": "wake_agents"}}));
    let refused = w.engine.write_now("test", &here, move |tx, cx| tasks::task_update(tx, cx, id, &changed, None));
    assert_eq!(refused.expect_err("refused").kind, muster_engine::Kind::Denied);
}

/// What a task of one step of the server came to: its state, the sentence, and the output.
pub(crate) fn does(w: &World, name: &str, action: Value) -> (State, String, Option<String>) {
    let task = w.task(json!({"name": name, "targets": {}, "steps": [{"id": "s", "action": action}], "retry": {"attempts": 1}}));
    let id = w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
    loop {
        let more = w.write(workers::prepare).more;
        let (errands, begun) = w.write(steps::work);
        for errand in errands {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let cx = w.engine.system(w.cx.org, "test");
            let told = match &errand.action {
                Action::CleanFiles { older_than, what } => {
                    runtime.block_on(leftovers::step(&w.engine, &cx, what, older_than.map(|it| it.0)))
                }
                action => runtime.block_on(reports::step(&w.engine, &cx, action)),
            };
            w.write(move |tx, cx| steps::done(tx, cx, &errand, &told));
        }
        if !more && !begun {
            break;
        }
    }
    let of_run = AssignmentFilter { run: Some(id), ..AssignmentFilter::default() };
    let page = w.engine.read_now(&w.cx, move |rx, cx| runs::assignment_list(rx, cx, &of_run, &PageRequest::default())).expect("a page");
    let assignment = page.items[0].0.record.id;
    let detail = w.engine.read_now(&w.cx, move |rx, cx| runs::assignment_view(rx, cx, assignment)).expect("it");
    let attempt = detail.attempts.last().expect("an attempt");
    (detail.row.record.state.status.state(), attempt.0.message.clone().unwrap_or_default(), attempt.0.output.clone())
}

fn steps_ask_and_keep_and_purge(w: &World) {
    machines(w);
    let (state, message, output) =
        does(w, "ask", json!({"type": "run_query", "query": "SELECT name FROM devices WHERE name <> 'pc2' ORDER BY 1"}));
    assert_eq!((state, message.as_str(), output.as_deref()), (State::Ok, "2 rows", Some("name\r\npc1\r\npc3\r\n")));
    let (state, message, _) = does(w, "wrong", json!({"type": "run_query", "query": "SELECT secret FROM person"}));
    assert!(state == State::Error && message.contains("no view 'person'"), "{message}");
    let id = saved(w, "names", "SELECT name FROM devices");
    for name in ["keep", "keep again"] {
        let (state, message, _) = does(w, name, json!({"type": "run_report", "report": "names"}));
        assert_eq!((state, message.as_str()), (State::Ok, "3 rows are kept of the report 'names'"));
        w.clock.advance(Duration::from_secs(3_600));
    }
    assert_eq!(kept(w, id), 2);
    let (state, message, _) = does(w, "purge", json!({"type": "purge_report", "report": id.to_string(), "older_than": "90m"}));
    assert!(state == State::Ok && message.starts_with("1 kept"), "{message}");
    let (_, message, _) = does(w, "keep one", json!({"type": "purge_report", "report": "names", "keep": 1}));
    assert!(message.starts_with("0 kept"), "{message}");
    let (_, message, _) = does(w, "purge all", json!({"type": "purge_report", "report": "names"}));
    assert!(message.starts_with("1 kept") && kept(w, id) == 0, "{message}");
    let (state, message, _) = does(w, "no report", json!({"type": "run_report", "report": "nothing"}));
    assert!(state == State::Error && message.contains("nothing"), "{message}");
}

fn a_step_deletes_what_it_names_or_says_why_not(w: &World) {
    let all = machines(w);
    w.task(json!({"name": "old", "targets": {"all": true}, "steps": [script("one")]}));
    w.write(|tx, cx| groups::group_create(tx, cx, "labs", "", None));
    let labs = w.task(json!({"name": "in labs", "targets": {"groups": ["labs"]}, "steps": [script("one")]}));
    saved(w, "names", "SELECT name FROM devices");
    let delete = |n: &str, kind: &str, item: &str| does(w, n, json!({"type": "delete_item", "kind": kind, "item": item}));
    let (state, message, _) = delete("1", "task", "old");
    assert_eq!((state, message.as_str()), (State::Ok, "the task 'old' is deleted"));
    let (state, message, _) = delete("2", "group", "labs");
    assert!(state == State::Error && message.contains("in labs"), "a task names it: {message}");
    w.write(move |tx, cx| tasks::task_delete(tx, cx, labs));
    assert_eq!(delete("3", "group", "labs").0, State::Ok);
    assert_eq!(delete("4", "report", "names").0, State::Ok);
    assert_eq!(delete("5", "device", "pc2").0, State::Ok);
    assert_eq!(delete("6", "device", &all[2].device.to_string()).0, State::Ok);
    assert_eq!(rows(w, "SELECT name FROM devices"), [[json!("pc1")]].map(Vec::from));
    for kind in ["task", "group", "device", "report"] {
        let (state, message, _) = delete(&format!("no {kind}"), kind, "nothing of this name");
        assert!(state == State::Error && message.contains("nothing of this name"), "{message}");
    }
}

fn a_step_has_a_group_looked_up_anew(w: &World) {
    machines(w);
    w.write(|tx, cx| groups::group_create(tx, cx, "all", "", Some("true")));
    w.write(|tx, cx| groups::group_create(tx, cx, "listed", "", None));
    let settled = || loop {
        let Some(strays) = w.engine.read_now(&w.cx, groups::strays).expect("read") else { return };
        w.write(move |tx, cx| groups::refresh(tx, cx, &strays));
    };
    settled();
    let (state, message, _) = does(w, "look", json!({"type": "update_group", "group": "all"}));
    assert_eq!((state, message.as_str()), (State::Ok, "it is looked up anew who is in the group 'all'"));
    assert!(w.engine.read_now(&w.cx, groups::strays).expect("read").is_some(), "a worker looks");
    settled();
    assert_eq!(rows(w, "SELECT count(*) FROM group_members"), [[json!(3)]].map(Vec::from));
    let (state, message, _) = does(w, "list", json!({"type": "update_group", "group": "listed"}));
    assert!(state == State::Error && message.contains("listed"), "{message}");
    // What a step names may not be renamed or deleted under it.
    let refused = w.engine.write_now("test", &w.cx, |tx, cx| {
        let id = groups::group_ids(tx, cx, &["all".to_owned()])?[0];
        groups::group_delete(tx, cx, id)
    });
    assert_eq!(refused.expect_err("in use").key, "group/in-use");
}
