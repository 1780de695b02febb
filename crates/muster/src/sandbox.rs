//! Scripts that the server runs itself: as nobody, in a sandbox of bubblewrap's, with limits of time, memory, processes and files.
//!
//! A script sees the system's programs and libraries, read-only, a `/tmp` of its own in memory, and nothing else: no network, no data of the server,
//! no other process. What it leaves is gone when it ends.

use muster_core::tasks::Outcome;
use muster_core::tasks::doc::{Script, Shell};
use muster_engine::steps::Told;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

/// The sandbox.
const BWRAP: &str = "bwrap";
/// Nobody's user and group.
const NOBODY: u32 = 65_534;
/// Memory of a script unless it says otherwise, MiB.
const MEMORY_MIB: u32 = 256;
/// Processes of a script.
const PROCESSES: u32 = 64;
/// The largest file that a script may write, bytes: what is in `/tmp` is in memory.
const FILE_BYTES: u64 = 64 << 20;
/// Of each of its outputs so much is kept, bytes.
const OUTPUT_BYTES: u64 = 64 << 10;
/// What a script sees of the system, as far as it is there.
const SEEN: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/alternatives", "/etc/ld.so.cache"];

/// Runs a script; never fails: every failure is an outcome.
pub(crate) async fn run(script: &Script, limit: Duration) -> Told {
    let told = |outcome, message: String| Told { outcome, exit_code: None, message, output: None };
    let failed = |why: &str| told(Outcome::Error, format!("the sandbox could not be started: {why}"));
    // What it says when it does not start looks like the words of a script.
    match command(script, limit, &["true"]).output().await {
        Ok(it) if it.status.success() => {}
        Ok(it) => return failed(String::from_utf8_lossy(&it.stderr).trim()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return told(Outcome::Error, "scripts of the server need bubblewrap: install the package 'bubblewrap' on it".to_owned());
        }
        Err(error) => return failed(&error.to_string()),
    }
    let mut child = match command(script, limit, &words(script)).spawn() {
        Ok(child) => child,
        Err(error) => return failed(&error.to_string()),
    };
    let (from_out, from_err) = (child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let whole = async { tokio::join!(keep(from_out, &mut out), keep(from_err, &mut err), child.wait()).2 };
    let end = tokio::time::timeout(limit, whole).await;
    let output = String::from_utf8_lossy(&out).into_owned() + &String::from_utf8_lossy(&err);
    let told = match end {
        // Dropped, it is killed, and with it everything in its sandbox.
        Err(_) => told(Outcome::Error, format!("ended because its time was over ({} s)", limit.as_secs())),
        Ok(Err(error)) => told(Outcome::Error, format!("its end could not be seen: {error}")),
        Ok(Ok(status)) => ended(script, status),
    };
    Told { output: Some(output).filter(|it| !it.is_empty()), ..told }
}

fn ended(script: &Script, status: ExitStatus) -> Told {
    let code = status.code();
    let good = |code: i32| if script.expect.is_empty() { code == 0 } else { script.expect.contains(&code) };
    let outcome = if code.is_some_and(good) { Outcome::Ok } else { Outcome::Error };
    let message = match (code, status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    Told { outcome, exit_code: code.map(i64::from), message, output: None }
}

/// Keeps the first part of an output, piece by piece; what is beyond is read and dropped, so that nobody waits for a reader.
async fn keep(from: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut first = (&mut from).take(OUTPUT_BYTES);
    while first.read_buf(kept).await.is_ok_and(|read| read > 0) {}
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
}

fn command(script: &Script, limit: Duration, words: &[&str]) -> Command {
    let mut command = Command::new(BWRAP);
    command.args(["--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--hostname", "muster-script"]);
    for path in SEEN {
        // A link to a directory of /usr stays one.
        match std::fs::read_link(path) {
            Ok(to) => drop(command.arg("--symlink").arg(to).arg(path)),
            Err(_) if Path::new(path).exists() => drop(command.args(["--ro-bind", path, path])),
            Err(_) => {}
        }
    }
    let memory = u64::from(script.memory_mib.unwrap_or(MEMORY_MIB)) << 20;
    let room = memory.to_string();
    command.args([
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--size",
        &room,
        "--tmpfs",
        "/tmp",
        "--remount-ro",
        "/",
        "--chdir",
        "/tmp",
        "--uid",
        "65534",
        "--gid",
        "65534",
    ]);
    command.args(["--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "HOME", "/tmp", "--setenv", "LANG", "C.UTF-8"]);
    for (name, value) in &script.environment {
        command.args(["--setenv", name, value]);
    }
    let seconds = limit.as_secs().max(1);
    command.arg("--").arg("prlimit");
    command.args([format!("--as={memory}"), format!("--cpu={seconds}"), format!("--nproc={PROCESSES}"), format!("--fsize={FILE_BYTES}")]);
    command.arg("--").args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).current_dir("/").env_clear();
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin");
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// The program that reads the script, the script, and its arguments.
fn words(script: &Script) -> Vec<&str> {
    let mut words = match script.shell {
        Shell::Sh => vec!["sh", "-c", &script.script, "muster"],
        Shell::Bash => vec!["bash", "-c", &script.script, "muster"],
        Shell::Python => vec!["python3", "-c", &script.script],
        Shell::Powershell => vec!["pwsh", "-NoProfile", "-Command", &script.script],
    };
    words.extend(script.arguments.iter().map(String::as_str));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Script {
        Script { script: text.to_owned(), ..Script::default() }
    }

    async fn told(script: &Script, limit: Duration) -> Told {
        assert!(
            std::process::Command::new(BWRAP).arg("--version").output().is_ok(),
            "the test needs bubblewrap: apt-get install bubblewrap"
        );
        run(script, limit).await
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_script_has_its_arguments_and_variables_and_tells_its_code_and_output() {
        let it = Script {
            arguments: vec!["it's".to_owned()],
            environment: [("WORD".to_owned(), "a b".to_owned())].into(),
            expect: vec![3],
            ..script("echo \"$1|$WORD\"; echo wrong >&2; exit 3")
        };
        let told = told(&it, LONG).await;
        assert_eq!((told.outcome, told.exit_code, told.output.as_deref()), (Outcome::Ok, Some(3), Some("it's|a b\nwrong\n")), "{told:?}");
    }

    #[tokio::test]
    async fn it_is_nobody_and_reaches_nothing_of_the_machine() {
        let told = told(
            &script(
                "id -u; cat /etc/shadow /proc/1/environ 2>&1 | grep -c PATH_OF_SERVER; ls / | tr '\\n' ' '; touch /usr/mark 2>&1; \
                 grep -c : /proc/net/dev; ls /proc | grep -c '^[0-9]'",
            ),
            LONG,
        )
        .await;
        let output = told.output.clone().unwrap_or_default();
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(lines[..2], ["65534", "0"], "{told:?}");
        let seen: Vec<&str> = lines[2].split(' ').collect();
        assert!(!seen.iter().any(|it| ["home", "root", "var", "work", "srv"].contains(it)), "{told:?}");
        assert!(output.contains("Read-only file system") || output.contains("Permission denied"), "{told:?}");
        assert_eq!(lines.iter().rev().nth(1), Some(&"1"), "its own loopback is all its network: {told:?}");
    }

    #[tokio::test]
    async fn time_memory_processes_and_files_are_bounded() {
        let late = told(&script("echo so far; sleep 60"), Duration::from_secs(2)).await;
        assert!(late.outcome == Outcome::Error && late.message.contains("its time was over"), "{late:?}");
        assert_eq!(late.output.as_deref(), Some("so far\n"), "what it said by then is kept");
        let small = Script { memory_mib: Some(64), shell: Shell::Python, ..script("x = 'x' * (200 << 20)") };
        let told_small = told(&small, LONG).await;
        assert!(told_small.outcome == Outcome::Error && told_small.output.is_some_and(|o| o.contains("MemoryError")));
        let many = told(&script("i=0; while [ $i -lt 200 ]; do sleep 5 & i=$((i+1)); done; echo all"), LONG).await;
        assert!(many.outcome == Outcome::Error, "{many:?}");
        let large = told(&script("head -c 100000000 /dev/zero > /tmp/x; echo $?; stat -c %s /tmp/x"), LONG).await;
        assert!(large.output.as_deref().is_some_and(|o| o.contains("67108864")), "{large:?}");
        let loud = told(&script("head -c 10000000 /dev/zero | tr '\\0' x"), LONG).await;
        assert_eq!((loud.outcome, loud.output.map(|o| o.len())), (Outcome::Ok, Some(65_536)));
    }
}
