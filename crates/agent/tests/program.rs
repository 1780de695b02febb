//! The program as people start it: exit status, output, signals.

use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn agent(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster-agent"));
    command.args(arguments).env_remove("MUSTER_AGENT_SERVER").env_remove("MUSTER_AGENT_JOIN").env_remove("MUSTER_LOG");
    command
}

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("muster-agent-program-{}-{name}", std::process::id()));
    path.to_str().expect("text").to_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_inventory_is_printed_as_one_document_and_nothing_else() {
    let output = agent(&["inventory", "--stdout", "--tag", "rack 4"]).output().expect("started");
    assert!(output.status.success(), "{}", errors(&output));
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&document["action"], &document["itemtype"], &document["tag"]), (&"inventory".into(), &"Computer".into(), &"rack 4".into()));
    assert!(document["deviceid"].is_string() && document["content"]["operatingsystem"].is_object());
}

#[test]
fn without_a_membership_show_says_so_and_makes_no_directory() {
    let data = data("show");
    let output = agent(&["show", "--data", &data]).output().expect("started");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("has not joined"));
    assert!(!Path::new(&data).exists());
}

#[test]
fn once_fails_when_the_server_cannot_be_reached() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let data = data("once");
    let server = format!("http://{closed}");
    let output = agent(&["--once", "--server", &server, "--join", "t", "--data", &data]).output().expect("started");
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("could not be reached"), "{}", errors(&output));
    let _ = std::fs::remove_dir_all(data);
}

#[test]
fn sigterm_ends_the_agent_cleanly_while_it_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = format!("http://{}", listener.local_addr().expect("an address"));
    let data = data("signal");
    let child = agent(&["--server", &server, "--join", "t", "--data", &data]).stderr(Stdio::piped()).spawn().expect("started");
    let (_held, _) = listener.accept().expect("the agent calls");
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let output = child.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let _ = std::fs::remove_dir_all(data);
}
