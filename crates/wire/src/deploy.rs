//! Work as deploy jobs of FusionInventory and GLPI agents: what they ask for, what they are given, what they tell
//! (`docs/protocols/deploy.md`).
//!
//! An action becomes one command line of the agent's own shell. Absent on purpose: which work (the engine), and files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster_core::limits::OUTPUT_BYTES_MAX;
use muster_core::tasks::Action;
use muster_core::tasks::doc::{Power, Script, ServiceAct, Shell};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Lines of output that an agent tells of a command at most, the last ones: each is a request of its own.
pub const LOG_LINES_MAX: usize = 200;
/// The name of the command in what the agent tells.
const LABEL: &str = "muster";
/// How long a command has between being asked to end and being killed, seconds.
const KILL_AFTER: u32 = 10;
/// How long after the answer a machine goes down, seconds, so that its agent can still say that it was told to.
const DOWN_AFTER: u32 = 5;
/// What `timeout` ends with when the time was over.
const TIMED_OUT: i64 = 124;

/// The answer to `getConfig`: where to ask for jobs, so often one after the other.
pub fn schedule(remote: &str, times: usize) -> String {
    let entries: Vec<_> = (0..times).map(|_| json!({"task": "Deploy", "remote": remote})).collect();
    json!({"configValidityPeriod": 600, "schedule": entries}).to_string()
}

/// A command line and what counts as its success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// For the agent's own shell.
    pub exec: String,
    /// Exit codes that are taken for success.
    pub expect: Vec<i32>,
}

/// The answer to `getJobs`. One fault in it, and the agent silently drops all of it.
pub fn jobs(all: &[(String, Command)]) -> String {
    let job = |(uuid, command): &(String, Command)| {
        let checks = json!([{"type": "okCode", "values": command.expect}]);
        let cmd = json!({"exec": command.exec, "name": LABEL, "logLineLimit": LOG_LINES_MAX, "retChecks": checks});
        json!({"uuid": uuid, "associatedFiles": [], "checks": [], "actions": [{"cmd": cmd}]})
    };
    json!({"jobs": all.iter().map(job).collect::<Vec<_>>(), "associatedFiles": {}}).to_string()
}

/// An action as a command line; `None` where the system has none for it.
pub fn command(action: &Action, windows: bool, limit: Duration) -> Option<Command> {
    let zero = |exec: String| Some(Command { exec, expect: vec![0] });
    match (action, windows) {
        (Action::RunScript(script), false) => Some(script_on_unix(script, limit)),
        (Action::RunScript(script), true) => script_on_windows(script),
        (Action::PowerControl { act, warning, message }, false) => zero(power_on_unix(*act, minutes(*warning), message)),
        (Action::PowerControl { act, warning, message }, true) => zero(power_on_windows(*act, minutes(*warning), message)?),
        (Action::ControlService { service, act }, false) => Some(service_on_unix(service, *act)),
        (Action::ControlService { service, act }, true) => zero(service_on_windows(service, *act)?),
        (Action::IpConfiguration, false) => zero(shell(
            "if command -v ip >/dev/null 2>&1; then ip address; ip route; ip -6 route; else ifconfig -a; netstat -rn; fi; cat /etc/resolv.conf",
        )),
        (Action::IpConfiguration, true) => zero("ipconfig /all".to_owned()),
        _ => None,
    }
}

fn minutes(warning: Option<muster_core::settings::Span>) -> u64 {
    warning.map_or(0, |span| span.0.as_secs().div_ceil(60))
}

/// A text as one word of a Unix shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn shell(text: &str) -> String {
    format!("/bin/sh -c {}", quoted(text))
}

fn script_on_unix(script: &Script, limit: Duration) -> Command {
    let (program, flag) = match script.shell {
        Shell::Sh => ("sh", "-c"),
        Shell::Bash => ("bash", "-c"),
        Shell::Python => ("python3", "-c"),
        Shell::Powershell => ("pwsh", "-NoProfile -Command"),
    };
    let mut words = vec![program.to_owned(), flag.to_owned(), quoted(&script.script)];
    // After its text a shell takes its own name.
    if matches!(script.shell, Shell::Sh | Shell::Bash) {
        words.push(LABEL.to_owned());
    }
    words.extend(script.arguments.iter().map(|a| quoted(a)));
    let mut text = String::new();
    for (name, value) in &script.environment {
        text.push_str(&format!("export {name}={}; ", quoted(value)));
    }
    if let Some(directory) = &script.directory {
        text.push_str(&format!("cd {} || exit 1; ", quoted(directory)));
    }
    if let Some(mib) = script.memory_mib {
        text.push_str(&format!("ulimit -v {}; ", u64::from(mib) * 1_024));
    }
    let seconds = limit.as_secs().max(1);
    text.push_str("if command -v timeout >/dev/null 2>&1; then muster_limit='timeout -k ");
    text.push_str(&format!("{KILL_AFTER} {seconds}'; else muster_limit=; fi; exec $muster_limit {}", words.join(" ")));
    let exec = match &script.user {
        Some(user) => format!("su -s /bin/sh {} -c {}", quoted(user), quoted(&text)),
        None => shell(&text),
    };
    Command { exec, expect: if script.expect.is_empty() { vec![0] } else { script.expect.clone() } }
}

/// Only PowerShell's own: nothing else can be handed through the system's command line as it is.
fn script_on_windows(script: &Script) -> Option<Command> {
    let plain = script.arguments.is_empty() && script.environment.is_empty() && script.user.is_none() && script.directory.is_none();
    if script.shell != Shell::Powershell || !plain {
        return None;
    }
    let bytes: Vec<u8> = script.script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let exec = format!("powershell.exe -NoProfile -NonInteractive -EncodedCommand {}", STANDARD.encode(bytes));
    Some(Command { exec, expect: if script.expect.is_empty() { vec![0] } else { script.expect.clone() } })
}

fn power_on_unix(act: Power, minutes: u64, message: &str) -> String {
    let down = |how: &str| {
        let words = if message.is_empty() { String::new() } else { format!(" {}", quoted(message)) };
        match minutes {
            0 => shell(&format!("(sleep {DOWN_AFTER}; shutdown {how} now{words}) </dev/null >/dev/null 2>&1 &")),
            _ => shell(&format!("shutdown {how} +{minutes}{words}")),
        }
    };
    match act {
        Power::Shutdown => down("-h"),
        Power::Restart => down("-r"),
        Power::Abort => shell("shutdown -c"),
        Power::Suspend => shell(&format!("(sleep {DOWN_AFTER}; systemctl suspend) </dev/null >/dev/null 2>&1 &")),
        Power::LogOff => shell(
            "loginctl list-sessions --no-legend | while read -r id rest; do \
             if [ \"$(loginctl show-session --property=Class --value \"$id\")\" = user ]; then loginctl terminate-session \"$id\"; fi; done",
        ),
    }
}

/// A text within quotes of the system's command line. Quotes and percent signs mean things there; line breaks there are none.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !['"', '%', '!', '^'].contains(c)).collect()
}

fn power_on_windows(act: Power, minutes: u64, message: &str) -> Option<String> {
    let seconds = if minutes == 0 { u64::from(DOWN_AFTER) } else { minutes * 60 };
    let words = if message.is_empty() { String::new() } else { format!(" /c \"{}\"", plain(message)) };
    match act {
        Power::Shutdown => Some(format!("shutdown /s /t {seconds}{words}")),
        Power::Restart => Some(format!("shutdown /r /t {seconds}{words}")),
        Power::Abort => Some("shutdown /a".to_owned()),
        Power::Suspend | Power::LogOff => None,
    }
}

fn service_on_unix(service: &str, act: ServiceAct) -> Command {
    let name = quoted(service);
    let (systemd, openrc, other) = match act {
        ServiceAct::Status => (format!("systemctl status --no-pager --lines=20 {name}"), format!("rc-service {name} status"), "status"),
        ServiceAct::Enable => (format!("systemctl enable {name}"), format!("rc-update add {name}"), ""),
        ServiceAct::Disable => (format!("systemctl disable {name}"), format!("rc-update del {name}"), ""),
        act => (format!("systemctl {} {name}", act.as_str()), format!("rc-service {name} {}", act.as_str()), act.as_str()),
    };
    let other = if other.is_empty() { format!("update-rc.d {name} {}", act.as_str()) } else { format!("service {name} {other}") };
    let exec = shell(&format!("if [ -d /run/systemd/system ]; then {systemd}; elif [ -d /run/openrc ]; then {openrc}; else {other}; fi"));
    // A service that is stopped has a status too (LSB: 3).
    Command { exec, expect: if act == ServiceAct::Status { vec![0, 3] } else { vec![0] } }
}

fn service_on_windows(service: &str, act: ServiceAct) -> Option<String> {
    let name = plain(service);
    Some(match act {
        ServiceAct::Start => format!("net start \"{name}\""),
        ServiceAct::Stop => format!("net stop \"{name}\""),
        ServiceAct::Restart => format!("net stop \"{name}\" & net start \"{name}\""),
        ServiceAct::Enable => format!("sc config \"{name}\" start= auto"),
        ServiceAct::Disable => format!("sc config \"{name}\" start= disabled"),
        ServiceAct::Status => format!("sc query \"{name}\""),
        ServiceAct::Reload => return None,
    })
}

/// What one `setStatus` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The job began.
    Began,
    /// It goes on; a line of the command's own report, when it is one.
    Line(Option<String>),
    /// It ended well.
    Ok,
    /// It failed, in the agent's words.
    Failed(String),
}

/// Reads the parameters of a `setStatus`. `ok` alone is not the end: only the message without a step is.
pub fn told(asked: &BTreeMap<String, String>) -> Told {
    let value = |key: &str| asked.get(key).map_or("", String::as_str);
    let (step, message) = (value("currentStep"), value("msg"));
    match value("status") {
        "ko" => Told::Failed(message.strip_prefix(&format!("{LABEL}, ")).unwrap_or(message).to_owned()),
        "ok" if step.is_empty() && value("part") != "file" => Told::Ok,
        "" if step == "checking" && message == "starting" => Told::Began,
        _ => Told::Line(message.strip_prefix(&format!("{LABEL}: ")).filter(|_| step == "processing").map(str::to_owned)),
    }
}

/// The report of a command, put together from its lines: a head between two rules, the output, a rule, how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    rules: u32,
    over: bool,
    output: String,
    exit_code: Option<i64>,
}

impl Log {
    /// Takes the next line.
    pub fn line(&mut self, line: &str) {
        let is_rule = |c: char| line.len() == 32 && line.chars().all(|it| it == c);
        if !self.over && self.rules < 2 && is_rule('=') {
            self.rules += 1;
        } else if !self.over && is_rule('-') {
            self.over = true;
        } else if self.over {
            let code = line.strip_prefix("exit status: `").and_then(|rest| rest.strip_suffix('\''));
            self.exit_code = code.and_then(|c| c.parse().ok()).or(self.exit_code);
        } else if self.rules == 2 && self.output.len() + line.len() < OUTPUT_BYTES_MAX {
            self.output.push_str(line);
            self.output.push('\n');
        }
    }

    /// The output; none when there was none.
    pub fn output(&self) -> Option<String> {
        (!self.output.is_empty()).then(|| self.output.clone())
    }

    /// What the command ended with, where it was told.
    pub fn exit_code(&self) -> Option<i64> {
        self.exit_code
    }

    /// Whether it was ended because its time was over.
    pub fn timed_out(&self) -> bool {
        self.exit_code == Some(TIMED_OUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Script {
        Script { script: text.to_owned(), ..Script::default() }
    }

    /// Runs a command line as the agent does, and gives what it said and ended with.
    fn run(command: &Command) -> (String, i32) {
        let done = std::process::Command::new("/bin/sh").args(["-c", &format!("{} 2>&1", command.exec)]).output().expect("a shell");
        (String::from_utf8_lossy(&done.stdout).into_owned(), done.status.code().unwrap_or(-1))
    }

    #[test]
    fn a_script_arrives_with_its_quotes_arguments_variables_and_directory() {
        let it = Script {
            arguments: vec!["it's".to_owned(), "$HOME `x`".to_owned()],
            environment: [("WORD".to_owned(), "a 'b' \"c\"".to_owned())].into(),
            directory: Some("/".to_owned()),
            expect: vec![0, 3],
            ..script("echo \"$1|$2|$WORD|$PWD\"\necho 'two'; exit 3")
        };
        let command = command(&Action::RunScript(it), false, Duration::from_secs(60)).expect("a command");
        assert_eq!(run(&command), ("it's|$HOME `x`|a 'b' \"c\"|/\ntwo\n".to_owned(), 3));
        assert_eq!(command.expect, [0, 3]);
    }

    #[test]
    fn a_script_that_takes_too_long_is_ended() {
        let it = command(&Action::RunScript(script("echo begun; sleep 60")), false, Duration::from_secs(1)).expect("a command");
        assert_eq!(run(&it), ("begun\n".to_owned(), 124));
    }

    #[test]
    fn other_shells_and_systems_have_their_own_lines() {
        let python = Script { shell: Shell::Python, arguments: vec!["x y".to_owned()], ..script("import sys; print(sys.argv[1])") };
        let it = command(&Action::RunScript(python), false, Duration::from_secs(60)).expect("a command");
        assert_eq!(run(&it), ("x y\n".to_owned(), 0));
        assert_eq!(command(&Action::RunScript(script("dir")), true, Duration::from_secs(60)), None);
        let power = Script { shell: Shell::Powershell, ..script("Get-Date") };
        let line = command(&Action::RunScript(power), true, Duration::from_secs(60)).expect("a command").exec;
        assert!(line.ends_with("-EncodedCommand RwBlAHQALQBEAGEAdABlAA=="), "{line}");
        let service = |act, windows| {
            let it = Action::ControlService { service: "cron".to_owned(), act };
            command(&it, windows, Duration::ZERO).map(|c| (c.exec, c.expect))
        };
        assert_eq!(service(ServiceAct::Start, true), Some(("net start \"cron\"".to_owned(), vec![0])));
        assert_eq!(service(ServiceAct::Reload, true), None);
        assert!(service(ServiceAct::Status, false).is_some_and(|(exec, expect)| exec.contains("systemctl status") && expect == [0, 3]));
        let down = |message: &str, windows| {
            let it = Action::PowerControl { act: Power::Shutdown, warning: None, message: message.to_owned() };
            command(&it, windows, Duration::ZERO).expect("a command").exec
        };
        assert_eq!(down("it's \"late\" %PATH%", true), "shutdown /s /t 5 /c \"it's late PATH\"");
        assert!(down("", false).contains("sleep 5; shutdown -h now) </dev/null"));
    }

    #[test]
    fn the_answers_have_every_key_that_agents_insist_on() {
        let text = jobs(&[("u-1".to_owned(), Command { exec: "true".to_owned(), expect: vec![0] })]);
        let it: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(it["associatedFiles"].is_object());
        let job = &it["jobs"][0];
        assert!(job["uuid"] == "u-1" && job["associatedFiles"].is_array() && job["checks"].is_array());
        assert_eq!(job["actions"][0]["cmd"]["retChecks"], json!([{"type": "okCode", "values": [0]}]));
        let plan: serde_json::Value = serde_json::from_str(&schedule("http://s/", 2)).expect("JSON");
        assert_eq!(plan["schedule"], json!([{"task": "Deploy", "remote": "http://s/"}, {"task": "Deploy", "remote": "http://s/"}]));
    }

    fn said(pairs: &[(&str, &str)]) -> Told {
        told(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn only_the_last_word_ends_a_job() {
        assert_eq!(said(&[("part", "job"), ("currentStep", "checking"), ("msg", "starting")]), Told::Began);
        for more in [("currentStep", "checking"), ("currentStep", "prepare")] {
            assert_eq!(said(&[("part", "job"), ("status", "ok"), ("msg", "success"), more]), Told::Line(None));
        }
        assert_eq!(said(&[("part", "job"), ("currentStep", "processing"), ("msg", "muster: a: b")]), Told::Line(Some("a: b".to_owned())));
        assert_eq!(said(&[("part", "job"), ("status", "ok"), ("msg", "job successfully completed")]), Told::Ok);
        assert_eq!(
            said(&[("part", "job"), ("status", "ko"), ("currentStep", "processing"), ("msg", "muster, processing failure")]),
            Told::Failed("processing failure".to_owned())
        );
    }

    #[test]
    fn a_report_is_put_together_from_its_lines() {
        let mut log = Log::default();
        let (head, foot) = ("=".repeat(32), "-".repeat(32));
        for line in
            [&head, "Started cmd: /bin/sh -c 'x'", &head, "one", &head, "two", &foot, "exit status: `3'", "exit status is not ok: `3'"]
        {
            log.line(line);
        }
        assert_eq!((log.output(), log.exit_code()), (Some(format!("one\n{head}\ntwo\n")), Some(3)));
        let long = "x".repeat(1_000);
        let mut log = Log { rules: 2, ..Log::default() };
        (0..OUTPUT_BYTES_MAX).for_each(|_| log.line(&long));
        assert!(log.output().is_some_and(|o| o.len() <= OUTPUT_BYTES_MAX));
    }
}
