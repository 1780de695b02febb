use super::client::{Access, Client, encoded, refusal};
use super::login::Kept;
use super::{credentials, groups, identity, lists, output, queue, runs, software, tasks};
use crate::ctl::{Command, Ctl};
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use clap::{CommandFactory, Parser};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

/// A server of these routes.
async fn serve(routes: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

fn client(address: SocketAddr) -> Client {
    crate::tls::install_provider();
    Client::new(&Access { server: format!("http://{address}"), token: "mst_x".into(), org: Some("north".into()), ca: None })
        .expect("a client")
}

#[test]
fn the_command_line_is_consistent_and_reads_what_the_manual_shows() {
    Ctl::command().debug_assert();
    for line in [
        "musterctl devices web --filter protocol=ocs,glpi --sort=-last_inventory -o json",
        "musterctl task run nightly --watch --confirm-count 200",
        "musterctl task apply -f -",
        "musterctl queue",
        "musterctl queue cancel --filter state=prepared --confirm-count 5",
        "musterctl queue delay --by 2h 0192 0193",
        "musterctl queue delay --filter task=0192 --until 2026-12-01T06:00:00Z --confirm-count 500",
        "musterctl queue priority 0 --filter q=web",
        "musterctl task schedule nightly",
        "musterctl task occurrences nightly --limit 5",
        "musterctl task start nightly 2026-12-01T00:00 --confirm-count 6210",
        "musterctl task approve nightly 5000",
        "musterctl task approve nightly none",
        "musterctl task actions run_script",
        "musterctl agent quarantine 0192 --reason odd",
        "musterctl agent release 0192",
        "musterctl crashes 0192",
        "musterctl crashes --filter kind=panic",
        "musterctl calendar --to 2026-12-24T00:00:00Z",
        "musterctl messages --unread",
        "musterctl messages read 0192 --all-before",
        "musterctl brake",
        "musterctl brake on --note power-cut",
        "musterctl brake off -o json",
        "musterctl run pause 12",
        "musterctl run resume 12",
        "musterctl settings set contact_every=15m size_guard=200",
        "musterctl run why 0192",
        "musterctl duplicates --state dismissed",
        "musterctl duplicates dismiss 0192 --note two-desks",
        "musterctl duplicates reopen 0192",
        "musterctl device identity web-17",
        "musterctl device merge web-17 web-18 web-19",
        "musterctl device split web-17 --agent 0192 --agent 0193 --name kiosk",
        "musterctl device move web-17 lyon",
        "musterctl org create lyon",
        "musterctl orgs -o json",
        "musterctl identity undo 0192",
        "musterctl agent verify 0192",
        "musterctl agent revoke 0192",
        "musterctl software",
        "musterctl software --find ssl --sort=-devices",
        "musterctl software openssl --below 3.0.15 --from 3 -o csv --columns device_name,version",
        "musterctl software appeared --since 7d --until 2026-11-20 --sort=-devices",
        "musterctl changes --since 7d --section softwares --all",
        "musterctl device changes web-17 --from 2026-11-01 --to 2026-11-20",
        "musterctl device history web-17 --section softwares,drives --limit 5",
        "musterctl groups labs --sort=-updated",
        "musterctl group show labs",
        "musterctl approvals --filter state=asked",
        "musterctl approvals ask nightly --note patch-day",
        "musterctl approvals reject 0192",
        "musterctl reports --sort=-updated",
        "musterctl report ask SELECT -o csv",
        "musterctl report views",
        "musterctl report create old --query SELECT --description x",
        "musterctl report update old --name older",
        "musterctl report run old -o json",
        "musterctl report results old",
        "musterctl report results old 0192 -o csv",
        "musterctl report delete old",
        "musterctl task forecast nightly -o json",
        "musterctl task forecast --file nightly.yaml",
        "musterctl task apply -f tasks -f more.yaml --prune git --dry-run -o json",
        "musterctl group create labs --description ground-floor",
        "musterctl group create linux --query os_family=='linux'",
        "musterctl group update linux --query true",
        "musterctl group update labs --name rooms",
        "musterctl group delete labs -o json",
        "musterctl group add labs web-17 web-18 --confirm-count 2",
        "musterctl group remove labs --query tag=='old' --confirm-count 200",
        "musterctl devices --filter group=labs",
        "musterctl agent-credentials -o yaml",
        "musterctl agent-credentials list --sort=-created --all",
        "musterctl agent-credentials create lyon --verified -o json",
        "musterctl agent-credentials create lyon --secret-stdin",
        "musterctl agent-credentials delete lyon",
    ] {
        assert!(Ctl::try_parse_from(line.split(' ')).is_ok(), "{line}");
    }
    for line in [
        "musterctl devices --filter nonsense",
        "musterctl device merge web-17",
        "musterctl device split web-17",
        "musterctl device move web-17",
        "musterctl queue delay 0192",
        "musterctl queue delay 0192 --by 2h --until 2026-12-01T06:00:00Z",
        "musterctl queue priority 10 0192",
        "musterctl brake sideways",
        "musterctl group create",
        "musterctl group update labs",
        "musterctl group add labs",
        "musterctl group add labs web-17 --query true",
        "musterctl agent-credentials create",
        "musterctl agent-credentials delete",
        "musterctl queue delay 0192",
        "musterctl queue delay 0192 --by 2h --until 2026-12-01T06:00:00Z",
        "musterctl queue priority 10 0192",
        "musterctl run pause",
        "musterctl report create old",
        "musterctl report update old",
        "musterctl report ask",
        "musterctl task forecast",
        "musterctl task forecast nightly --file nightly.yaml",
        "musterctl task approve nightly many",
        "musterctl task start nightly",
        "musterctl messages read",
    ] {
        assert!(Ctl::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
}

#[test]
fn a_refusal_is_a_sentence_with_the_fields_at_fault_and_what_to_do() {
    let problem = json!({"type": "https://muster.dev/problems/task/invalid", "detail": "the task has 2 faults",
        "errors": [{"pointer": "/steps/0", "detail": "no action"}, {"pointer": "/name", "detail": "too long"}]});
    let text = refusal(StatusCode::UNPROCESSABLE_ENTITY, Some(&problem));
    assert_eq!(text, "the task has 2 faults\n  /steps/0: no action\n  /name: too long");
    let guard = json!({"type": "https://muster.dev/problems/run/size-guard", "detail": "this starts on 312 machines", "count": 312});
    assert!(refusal(StatusCode::CONFLICT, Some(&guard)).contains("--confirm-count 312"));
    assert!(refusal(StatusCode::UNAUTHORIZED, Some(&json!({"title": "who?"}))).contains("musterctl login"));
    assert_eq!(refusal(StatusCode::BAD_GATEWAY, None), "the server answered 502 Bad Gateway");
}

#[test]
fn a_stronger_source_covers_a_weaker_key_by_key() {
    let strong = Kept { server: Some("a".into()), ..Kept::default() };
    let weak = Kept { server: Some("b".into()), token: Some("t".into()), ..Kept::default() };
    let both = strong.over(weak);
    assert_eq!((both.server.as_deref(), both.token.as_deref(), both.org), (Some("a"), Some("t"), None));
    assert!(toml::from_str::<Kept>("tokn = \"x\"").is_err());
}

#[test]
fn tables_show_values_in_words_and_let_no_device_steer_the_terminal() {
    let items =
        [json!({"name": "pc\u{1b}[31m", "agent": {"online": true}, "ips": ["10.0.0.1", "10.0.0.2"]}), json!({"name": "b", "agent": null})];
    let table = output::table(&items, &[("NAME", "/name"), ("ONLINE", "/agent/online"), ("IPS", "/ips")]);
    let lines: Vec<&str> = table.lines().map(str::trim).collect();
    assert!(lines[0].starts_with("NAME") && lines[0].ends_with("IPS"), "{table}");
    assert!(lines[1].contains("yes") && lines[1].ends_with("10.0.0.1, 10.0.0.2") && !table.contains('\u{1b}'), "{table}");
    assert!(lines[2].starts_with('b') && lines[2].ends_with('-'), "{table}");
}

#[test]
fn progress_counts_what_is_over_and_the_exit_code_tells_failure() {
    let run = json!({"state": "running", "targeted": 10, "verdict": null, "counts": {"prepared": 3, "started": 1, "running": 1, "ok": 4, "error": 1}});
    assert_eq!(runs::progress(&run), (5, 10, "running running 1, started 1, ok 4, error 1".to_owned()));
    let code = |verdict: &str| format!("{:?}", runs::ending(&json!({"verdict": verdict})));
    assert_eq!(code("ok"), format!("{:?}", std::process::ExitCode::SUCCESS));
    for bad in ["error", "partial", "cancelled"] {
        assert_eq!(code(bad), format!("{:?}", std::process::ExitCode::from(super::RUN_FAILED)));
    }
}

#[test]
fn a_task_file_is_yaml_or_json_with_names() {
    let names = |text: &str| tasks::documents("f", text).expect("read").iter().map(|d| d["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names("name: a\nsteps: []"), ["a"]);
    assert_eq!(names("{\"name\": \"a\"}"), ["a"]);
    assert_eq!(names("---\nname: a\n---\n# nothing\n---\nname: b\n"), ["a", "b"]);
    assert!(tasks::documents("f.yaml", "steps: []").expect_err("refused").to_string().starts_with("f.yaml: a task has a name"));
    assert!(tasks::documents("f.yaml", "name: a\n---\nname: [").expect_err("refused").to_string().starts_with("f.yaml is neither"));
}

/// A server with the tasks 'same' and 'old' and 'gone', that says what documents would become by their names.
fn tasks_server(calls: Arc<Mutex<Vec<String>>>) -> Router {
    let heard = calls.clone();
    let check = move |Json(doc): Json<Value>| async move {
        let kept = |yaml: &str| json!({"id": "1", "version": 4, "yaml": yaml});
        let (status, answer) = match doc["name"].as_str() {
            Some("new") => (StatusCode::OK, json!({"change": "create", "doc": doc, "yaml": "a\n", "task": null})),
            Some("old") => (StatusCode::OK, json!({"change": "update", "doc": doc, "yaml": "a\nc\n", "task": kept("a\nb\n")})),
            Some("same") => (StatusCode::OK, json!({"change": "none", "doc": doc, "yaml": "a\n", "task": kept("a\n")})),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, json!({"detail": "the task has a fault", "errors": []})),
        };
        (status, Json(answer))
    };
    let list = |Query(query): Query<BTreeMap<String, String>>| async move {
        assert_eq!(query["label"], "git");
        Json(
            json!({"items": [{"id": "9", "version": 2, "doc": {"name": "gone"}}, {"id": "1", "version": 4, "doc": {"name": "old"}}], "next": null}),
        )
    };
    let any = move |method: axum::http::Method, uri: axum::http::Uri, headers: HeaderMap| async move {
        let at = headers.get("if-match").and_then(|v| v.to_str().ok()).unwrap_or("-").to_owned();
        heard.lock().expect("calls").push(format!("{method} {} {at}", uri.path()));
        Json(json!({"id": "7", "version": 5}))
    };
    let routes = Router::new().route("/api/v1/tasks/check", axum::routing::post(check));
    routes.route("/api/v1/tasks", get(list).post(any.clone())).fallback(any)
}

#[tokio::test]
async fn a_folder_of_tasks_is_compared_applied_and_pruned() {
    let calls: Arc<Mutex<Vec<String>>> = Arc::default();
    let client = client(serve(tasks_server(calls.clone())).await);
    let dir = tempfile::tempdir().expect("a folder");
    let below = dir.path().join("nightly");
    for folder in [&below, &dir.path().join(".git")] {
        std::fs::create_dir(folder).expect("made");
    }
    let put = |path: &str, text: &str| std::fs::write(dir.path().join(path), text).expect("written");
    put("a.yaml", "name: new\nlabels: [git]\n---\nname: same\nlabels: [git]\n");
    put("nightly/b.json", "{\"name\": \"old\", \"labels\": [\"git\"]}");
    put("README.md", "no task");
    put(".git/x.yaml", "no task");
    let run = async |more: &str| {
        let line = format!("musterctl task apply -f {}{more}", dir.path().display());
        match Ctl::try_parse_from(line.split(' ')).expect("a command line").command {
            Command::Task(it) => tasks::run(&client, it, output::Form::Table).await,
            other => panic!("{other:?} is about something else"),
        }
    };
    let code = |code: std::process::ExitCode| format!("{code:?}");
    let due = code(std::process::ExitCode::from(super::apply::CHANGES_DUE));
    assert_eq!(code(run(" --dry-run --prune git").await.expect("shown")), due);
    assert_eq!(*calls.lock().expect("calls"), Vec::<String>::new());
    run(" --prune git").await.expect("applied");
    let expected = ["POST /api/v1/tasks -", "PUT /api/v1/tasks/1 \"4\"", "DELETE /api/v1/tasks/9 -"];
    assert_eq!(std::mem::take(&mut *calls.lock().expect("calls")), expected);
    put("nightly/c.yml", "name: broken");
    let refused = format!("{:#}", run(" --prune git").await.expect_err("a fault"));
    assert!(refused.contains("nothing was changed") && refused.contains("c.yml: the task has a fault"), "{refused}");
    put("nightly/c.yml", "name: old");
    assert!(run("").await.expect_err("twice").to_string().contains("the task 'old' is in"));
    put("nightly/c.yml", "name: new");
    put("a.yaml", "");
    assert!(run(" --prune git").await.expect_err("no label").to_string().contains("lacks the label 'git'"));
    assert_eq!(*calls.lock().expect("calls"), Vec::<String>::new());
}

#[test]
fn a_difference_shows_what_changed_and_some_lines_around() {
    let diff = super::apply::unified("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nd\nE\nf\n");
    assert_eq!(diff, "@@ -3,4 +3,4 @@\n c\n d\n-e\n+E\n f\n");
}

#[test]
fn a_comparison_is_shown_a_thing_a_line() {
    let answer = json!({"sections": [{"section": "softwares", "added": [{"name": "zsh", "version": "5"}], "removed": [{"name": "vim"}],
        "changed": [{"before": {"name": "bash", "version": "5.1"}, "after": {"name": "bash", "version": "5.2"}, "fields": ["version"]}]}]});
    let lines = software::lines(&answer);
    let told: Vec<String> = lines.iter().map(|l| format!("{} {} {}", l["sign"], l["what"], l["fields"]).replace('"', "")).collect();
    assert_eq!(told, ["+ zsh 5 ", "- vim ", "~ bash 5.2 version 5.1 -> 5.2"]);
}

#[tokio::test]
async fn csv_is_passed_on_as_it_comes_with_the_filters_and_columns() {
    let sheet = |Query(query): Query<BTreeMap<String, String>>| async move {
        assert_eq!((&query["format"][..], &query["columns"][..], &query["below"][..]), ("csv", "name", "3 a"));
        "name\r\nx\r\n"
    };
    let refused = || async { (StatusCode::BAD_REQUEST, Json(json!({"detail": "there is no column 'x' here"}))) };
    let routes = Router::new().route("/api/v1/software/devices", get(sheet)).route("/api/v1/agents", get(refused));
    let client = client(serve(routes).await);
    let mut got = Vec::new();
    let query = [("format", "csv"), ("columns", "name"), ("below", "3 a")];
    let take = |piece: &[u8]| {
        got.extend_from_slice(piece);
        Ok(())
    };
    client.pieces("software/devices", &query, take).await.expect("taken");
    assert_eq!(got, b"name\r\nx\r\n");
    let error = client.pieces("agents", &[], |_| Ok(())).await.expect_err("refused");
    assert_eq!(error.to_string(), "there is no column 'x' here");
}

#[tokio::test]
async fn a_device_is_moved_by_its_name() {
    let calls: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = calls.clone();
    let list = || async { Json(json!({"items": [{"id": "7", "name": "web-17"}], "next": null})) };
    let any = move |method: axum::http::Method, uri: axum::http::Uri, body: String| async move {
        heard.lock().expect("calls").push(format!("{method} {} {body}", uri.path()));
        Json(json!({"id": "7", "org": "lyon"}))
    };
    let client = client(serve(Router::new().route("/api/v1/devices", get(list)).fallback(any)).await);
    let line = Ctl::try_parse_from(["musterctl", "device", "move", "web-17", "lyon"]).expect("a command line");
    assert_eq!(line.target.org, None, "where it goes is not where it is looked for");
    match line.command {
        Command::Device(it) => identity::device(&client, it, output::Form::Json).await.expect("moved"),
        other => panic!("{other:?} is about something else"),
    }
    assert_eq!(*calls.lock().expect("calls"), [r#"PATCH /api/v1/devices/7 {"org":"lyon"}"#]);
}

#[test]
fn texts_are_encoded_for_addresses() {
    assert_eq!(encoded("a b/ü&c"), "a%20b%2F%C3%BC%26c");
    assert_eq!(lists::pair("k=v=w"), Ok(("k".to_owned(), "v=w".to_owned())));
}

#[tokio::test]
async fn a_name_is_found_over_pages_exactly_and_with_the_callers_credentials() {
    let page = |Query(query): Query<BTreeMap<String, String>>, headers: HeaderMap| async move {
        assert_eq!(
            (&headers["authorization"], &headers["muster-org"]),
            (&"Bearer mst_x".parse().expect("value"), &"north".parse().expect("value"))
        );
        assert_eq!(query["q"], "web 1");
        Json(match query.get("cursor") {
            None => json!({"items": [{"id": "1", "name": "web 10"}], "next": "c", "total": 3}),
            Some(_) => json!({"items": [{"id": "2", "name": "web 1"}, {"id": "3", "name": "my web 1"}], "next": null, "total": 3}),
        })
    };
    let client = client(serve(Router::new().route("/api/v1/devices", get(page))).await);
    assert_eq!(client.id_of("devices", "device", "web 1").await.expect("found"), "2");
    let id = "01920000-0000-7000-8000-000000000000";
    assert_eq!(client.id_of("devices", "device", id).await.expect("as it is"), id);
}

#[tokio::test]
async fn a_run_is_found_by_its_number_and_one_that_is_not_there_is_said() {
    let runs = || async { Json(json!({"items": [{"id": "a", "number": 7}, {"id": "b", "number": 6}], "next": null})) };
    let client = client(serve(Router::new().route("/api/v1/runs", get(runs))).await);
    assert_eq!(client.id_of("runs", "run", "6").await.expect("found"), "b");
    assert_eq!(client.id_of("runs", "run", "8").await.expect_err("none").to_string(), "there is no run '8'");
}

#[tokio::test]
async fn what_is_no_muster_and_what_is_not_there_are_told_apart() {
    let client_of_page = client(serve(Router::new().fallback(|| async { "<html>" })).await);
    assert!(format!("{:#}", client_of_page.get("x", &[]).await.expect_err("no JSON")).contains("is it a Muster server?"));
    let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("an address");
    let nobody: Result<Value, _> = client(free).get("x", &[]).await;
    assert!(nobody.expect_err("nobody").to_string().contains("cannot be reached"));
}

/// Runs what a command line says about credentials.
async fn credentials_line(client: &Client, line: &str) -> anyhow::Result<()> {
    match Ctl::try_parse_from(line.split(' ')).expect("a command line").command {
        Command::AgentCredentials(it) => credentials::run(client, it, output::Form::Json).await,
        other => panic!("{other:?} is about something else"),
    }
}

#[tokio::test]
async fn a_credential_is_made_as_it_was_said_and_deleted_by_its_name() {
    let calls: Arc<Mutex<Vec<String>>> = Arc::default();
    let (made, gone) = (calls.clone(), calls.clone());
    let id = "01920000-0000-7000-8000-000000000000";
    let list = move |Query(query): Query<BTreeMap<String, String>>| async move {
        assert!(!query.contains_key("q"), "the server looks for no text in this list: {query:?}");
        Json(json!({"items": [{"id": id, "name": "lyon"}, {"id": "2", "name": "lyon 2"}], "next": null}))
    };
    let create = move |Json(body): Json<Value>| async move {
        made.lock().expect("calls").push(body.to_string());
        (StatusCode::CREATED, Json(json!({"id": "1", "name": "paris", "secret": "s"})))
    };
    let delete = move |Path(id): Path<String>| async move {
        gone.lock().expect("calls").push(id);
        StatusCode::NO_CONTENT
    };
    let routes = Router::new()
        .route("/api/v1/agent-credentials", get(list).post(create))
        .route("/api/v1/agent-credentials/{id}", axum::routing::delete(delete));
    let client = client(serve(routes).await);
    credentials_line(&client, "musterctl agent-credentials create paris --verified").await.expect("made");
    credentials_line(&client, "musterctl agent-credentials create paris").await.expect("made");
    credentials_line(&client, "musterctl agent-credentials delete lyon").await.expect("deleted");
    let unknown = credentials_line(&client, "musterctl agent-credentials delete nice").await.expect_err("none");
    assert_eq!(unknown.to_string(), "there is no credential 'nice'");
    let expected = [r#"{"name":"paris","verified":true}"#, r#"{"name":"paris","verified":false}"#, id];
    assert_eq!(*calls.lock().expect("calls"), expected);
}

/// Runs what a command line says about the queue, the brake or a run.
async fn work_line(client: &Client, line: &str) -> anyhow::Result<()> {
    match Ctl::try_parse_from(line.split(' ')).expect("a command line").command {
        Command::Queue { command: Some(it), .. } => queue::run(client, it, output::Form::Json).await,
        Command::Brake { command } => queue::brake(client, command, output::Form::Json).await,
        Command::Run(it) => runs::run(client, it, output::Form::Json).await.map(|_| ()),
        Command::Task(it) => tasks::run(client, it, output::Form::Json).await.map(|_| ()),
        Command::Calendar(args) => super::time::calendar(client, &args, output::Form::Json).await,
        Command::Messages { list, command: None } => super::time::messages(client, list, output::Form::Json).await,
        Command::Messages { command: Some(it), .. } => super::time::message(client, it, output::Form::Json).await,
        other => panic!("{other:?} is about something else"),
    }
}

#[tokio::test]
async fn the_queue_the_brake_and_a_run_are_acted_on_as_it_was_said() {
    let calls: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = calls.clone();
    let any = move |method: axum::http::Method, uri: axum::http::Uri, body: String| async move {
        heard.lock().expect("calls").push(format!("{method} {} {body}", uri.path()));
        Json(json!({"changed": 1}))
    };
    let client = client(serve(Router::new().fallback(any)).await);
    let run = "01920000-0000-7000-8000-000000000000";
    for line in [
        "musterctl queue cancel a b",
        "musterctl queue delay --by 2h --filter state=prepared --confirm-count 7",
        "musterctl queue delay --until 2026-12-01T06:00:00Z a",
        "musterctl queue priority 0 a",
        "musterctl brake",
        "musterctl brake on --note fire",
        "musterctl brake off",
        &format!("musterctl run pause {run}"),
        &format!("musterctl run resume {run}"),
        &format!("musterctl task start {run} 2026-12-01T00:00 --confirm-count 2"),
        &format!("musterctl task approve {run} 5000"),
        &format!("musterctl task approve {run} none"),
        &format!("musterctl task schedule {run}"),
        &format!("musterctl task disable {run} --reason holidays"),
        &format!("musterctl task enable {run}"),
        "musterctl messages read a --all-before",
    ] {
        work_line(&client, line).await.expect(line);
    }
    let nothing = work_line(&client, "musterctl queue priority 3").await.expect_err("neither ids nor a filter");
    assert!(nothing.to_string().contains("either ids"), "{nothing}");
    let expected = [
        r#"POST /api/v1/queue/cancel {"ids":["a","b"]}"#.to_owned(),
        r#"POST /api/v1/queue/delay {"filter":{"state":"prepared"},"confirm_count":7,"by":"2h"}"#.to_owned(),
        r#"POST /api/v1/queue/delay {"ids":["a"],"until":"2026-12-01T06:00:00Z"}"#.to_owned(),
        r#"POST /api/v1/queue/priority {"ids":["a"],"priority":0}"#.to_owned(),
        "GET /api/v1/brake ".to_owned(),
        r#"POST /api/v1/brake {"note":"fire"}"#.to_owned(),
        "DELETE /api/v1/brake ".to_owned(),
        format!("POST /api/v1/runs/{run}/pause {{}}"),
        format!("POST /api/v1/runs/{run}/resume {{}}"),
        format!(r#"POST /api/v1/tasks/{run}/occurrences/2026-12-01T00%3A00/runs {{"confirm_count":2}}"#),
        format!(r#"PUT /api/v1/tasks/{run}/approval {{"targets_max":5000}}"#),
        format!(r#"PUT /api/v1/tasks/{run}/approval {{"targets_max":null}}"#),
        format!("GET /api/v1/tasks/{run}/schedule "),
        format!(r#"PUT /api/v1/tasks/{run}/schedule {{"enabled":false,"reason":"holidays"}}"#),
        format!(r#"PUT /api/v1/tasks/{run}/schedule {{"enabled":true}}"#),
        r#"POST /api/v1/messages/a/read {"all_before":true}"#.to_owned(),
    ];
    assert_eq!(*calls.lock().expect("calls"), expected);
}

/// Runs what a command line says about a group.
async fn group_line(client: &Client, line: &[&str]) -> anyhow::Result<()> {
    match Ctl::try_parse_from([&["musterctl", "group"], line].concat()).expect("a command line").command {
        Command::Group(it) => groups::run(client, it, output::Form::Json).await,
        other => panic!("{other:?} is about something else"),
    }
}

#[tokio::test]
async fn a_group_is_found_by_its_name_and_changed_as_it_was_said() {
    let calls: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = calls.clone();
    let id = "01920000-0000-7000-8000-000000000000";
    let list = move |Query(query): Query<BTreeMap<String, String>>| async move {
        assert!(["labs", "nobody"].contains(&&*query["q"]), "{query:?}");
        Json(json!({"items": [{"id": id, "name": "labs"}, {"id": "2", "name": "labs 2"}], "next": null}))
    };
    let any = move |method: axum::http::Method, uri: axum::http::Uri, body: String| async move {
        heard.lock().expect("calls").push(format!("{method} {} {body}", uri.path()));
        if method == axum::http::Method::DELETE {
            let problem = json!({"detail": "the group 'labs' is used by 'nightly'; take it out of them first"});
            return (StatusCode::CONFLICT, Json(problem));
        }
        (StatusCode::OK, Json(json!({"added": 1, "removed": 0, "count": 1})))
    };
    let routes = Router::new().route("/api/v1/groups", get(list).post(any.clone())).fallback(any);
    let client = client(serve(routes).await);
    for line in [
        &["create", "labs", "--description", "ground floor"][..],
        &["show", "labs"],
        &["update", "labs", "--name", "rooms"],
        &["add", id, "web-17", "web 18", "--confirm-count", "2"],
        &["remove", "labs", "--query", "tag == 'old'"],
    ] {
        group_line(&client, line).await.unwrap_or_else(|e| panic!("{line:?}: {e}"));
    }
    assert_eq!(group_line(&client, &["show", "nobody"]).await.expect_err("none").to_string(), "there is no group 'nobody'");
    assert!(group_line(&client, &["delete", "labs"]).await.expect_err("in use").to_string().contains("'nightly'"));
    let expected = [
        r#"POST /api/v1/groups {"name":"labs","description":"ground floor"}"#.to_owned(),
        format!("GET /api/v1/groups/{id} "),
        format!(r#"PATCH /api/v1/groups/{id} {{"name":"rooms"}}"#),
        format!(r#"POST /api/v1/groups/{id}/members {{"add":["web-17","web 18"],"confirm_count":2}}"#),
        format!(r#"POST /api/v1/groups/{id}/members {{"query":"tag == 'old'","act":"remove"}}"#),
        format!("DELETE /api/v1/groups/{id} "),
    ];
    assert_eq!(*calls.lock().expect("calls"), expected);
}
