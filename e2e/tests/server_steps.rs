//! Steps that the server does itself, against a real mail server and a real web service.

use anyhow::{Context as _, Result};
use muster_e2e::{Client, Database, MailServer, Server, until};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(40);

/// Runs a task of one step; gives its assignment when it is over.
async fn assignment_of(client: &Client, action: Value) -> Result<Value> {
    let retry = json!({"attempts": 3, "backoff": "1s", "on": ["error"]});
    let task = json!({"name": action["type"], "retry": retry, "steps": [{"id": "step", "action": action}]});
    let task = client.post("/api/v1/tasks", &task).await?;
    let run = client.post(&format!("/api/v1/tasks/{}/runs", task["id"].as_str().context("an id")?), &json!({})).await?;
    let run = run["id"].as_str().context("an id")?.to_owned();
    until("the run ends", LIMIT, || async {
        let now = client.get(&format!("/api/v1/runs/{run}")).await?;
        Ok((now["state"] == "finished").then_some(()))
    })
    .await?;
    let list = client.get(&format!("/api/v1/runs/{run}/assignments")).await?;
    client.get(&format!("/api/v1/assignments/{}", list["items"][0]["id"].as_str().context("an id")?)).await
}

#[tokio::test]
async fn a_mail_that_is_refused_for_a_while_is_sent_again_and_arrives_once() -> Result<()> {
    let mut mail = MailServer::start(1)?;
    let configuration = format!("smtp = \"smtp://127.0.0.1:{}\"\nmail_from = \"Muster <muster@example.org>\"\n", mail.port);
    let server = Server::start_with(Database::Sqlite, &configuration)?;
    let action = json!({"type": "send_email", "to": ["ann@example.org", "bob@example.org"], "subject": "Run {{run.number}} – über",
        "body": "The task {{task.name}} ran.\n"});
    let done = assignment_of(&server.client("operator")?, action).await?;
    assert_eq!((&done["state"], &done["attempt"]), (&json!("ok"), &json!(2)), "{done}");
    let first = done["attempts"].as_array().context("attempts")?.iter().find(|a| a["no"] == 1).context("the first")?;
    assert!(first["message"].as_str().is_some_and(|m| m.contains("try again later")), "{first}");
    let kept = mail.kept()?;
    assert_eq!((&kept["from"], &kept["to"]), (&json!("muster@example.org"), &json!(["ann@example.org", "bob@example.org"])));
    let text = kept["text"].as_str().context("a text")?;
    let id = done["id"].as_str().context("an id")?;
    for part in [&format!("Message-ID: <{id}@example.org>"), "Subject: Run 1 ", "The task send_email ran."] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_kept_and_needed_no_more_is_removed() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let done =
        assignment_of(&server.client("operator")?, json!({"type": "clean_files", "older_than": "30d", "what": ["crashes", "programs"]}))
            .await?;
    assert_eq!(done["state"], "ok", "{done}");
    assert_eq!(done["attempts"][0]["message"], "0 reports of crashes and 0 programs are removed", "{done}");
    Ok(())
}

#[tokio::test]
async fn a_web_service_is_called_with_what_the_task_says_unless_it_is_the_servers_own() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let heard = std::thread::spawn(move || -> Result<String> {
        let (mut stream, _) = listener.accept()?;
        let (mut text, mut piece) = (String::new(), [0; 4_096]);
        while !text.contains("run 1") {
            let n = stream.read(&mut piece)?;
            text.push_str(&String::from_utf8_lossy(&piece[..n]));
        }
        stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone")?;
        Ok(text)
    });
    let action = json!({"type": "call_web_service", "url": url, "method": "POST", "headers": {"X-Of": "muster"},
        "body": "run {{run.number}}", "expect": [202]});
    let closed = Server::start(Database::Sqlite)?;
    let refused = assignment_of(&closed.client("operator")?, action.clone()).await?;
    assert_eq!(refused["state"], "error");
    assert!(refused["attempts"][0]["message"].as_str().is_some_and(|m| m.contains("web_calls_to")), "{refused}");
    let server = Server::start_with(Database::Sqlite, "web_calls_to = [\"127.0.0.0/8\"]\n")?;
    let done = assignment_of(&server.client("operator")?, action).await?;
    assert_eq!((&done["state"], &done["exit_code"], &done["output"]), (&json!("ok"), &json!(202), &json!("done")), "{done}");
    let request = heard.join().expect("the thread ends")?;
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n") && request.contains("x-of: muster"), "{request}");
    Ok(())
}

#[tokio::test]
async fn a_script_of_the_server_runs_as_nobody_and_its_services_start_anew_where_they_were() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let run = async |step: Value| -> Result<Value> {
        let task = client.post("/api/v1/tasks", &json!({"name": step["id"], "steps": [step]})).await?;
        let run = client.start(task["id"].as_str().context("an id")?).await?;
        let looked = async || client.finished(&run, LIMIT).await;
        // While the services start anew nobody answers.
        until("the run ends", LIMIT, || async { Ok(looked().await.ok()) }).await?;
        let all = client.assignments(&run).await?;
        client.get(&format!("/api/v1/assignments/{}", all[0]["id"].as_str().context("an id")?)).await
    };
    let script = json!({"type": "run_script", "script": "id -u; cat \"$1\" 2>&1", "arguments": [server.data().display().to_string()], "expect": [1]});
    let done = run(json!({"id": "look", "scope": "server", "action": script})).await?;
    let output = done["output"].as_str().unwrap_or_default();
    assert!(done["state"] == "ok" && output.starts_with("65534\n") && output.contains("No such file"), "{done:#}");
    let done = run(json!({"id": "anew", "action": {"type": "restart_server"}})).await?;
    assert_eq!((&done["state"], &done["attempt"]), (&json!("ok"), &json!(1)), "{done:#}");
    until("it started anew", LIMIT, || async { Ok(server.log().contains("started anew").then_some(())) }).await?;
    let done = run(json!({"id": "again", "action": {"type": "write_log", "message": "still there"}})).await?;
    assert_eq!(done["state"], "ok", "{done:#}");
    Ok(())
}
