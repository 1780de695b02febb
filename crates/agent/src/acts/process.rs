//! Programs that run until they end or must not go on: in a group of their own, with output that is bounded.

use super::{Done, Ended};
use muster_core::limits::OUTPUT_BYTES_MAX;
use muster_wire::native::ReportState;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

/// How long a program that is asked to end may take before it is ended.
const ASKED_FOR: Duration = Duration::from_secs(10);
/// How long output is waited for that others hold open after the program ended.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Half of what is kept of an output, less the line between.
const HALF: usize = (OUTPUT_BYTES_MAX - 100) / 2;

/// What is kept of an output: its beginning and its end.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        let room = HALF - self.head.len();
        let (first, rest) = bytes.split_at(bytes.len().min(room));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(HALF);
        self.tail.drain(..over);
        self.dropped += over as u64;
    }

    /// How many bytes came.
    pub(crate) fn bytes(&self) -> u64 {
        self.head.len() as u64 + self.tail.len() as u64 + self.dropped
    }

    /// As text, with a line where something is left out.
    pub(crate) fn text(&self) -> String {
        let mut bytes = self.head.clone();
        if self.dropped > 0 {
            bytes.extend_from_slice(format!("\n[{} bytes are left out here]\n", self.dropped).as_bytes());
        }
        bytes.extend(&self.tail);
        super::cut(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// How a program came to its end.
pub(crate) enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It was made to, for this reason.
    Stopped(String),
}

/// Runs a program in a process group of its own. `ended` asks the whole group to end, and makes it ten seconds later.
pub(crate) async fn run(
    mut command: Command,
    output: &Arc<Mutex<Kept>>,
    mut ended: impl Future<Output = String> + Unpin,
) -> Result<End, String> {
    let (mut reader, mut child) = spawn(&mut command)?;
    drop(command);
    let group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let into = Arc::clone(output);
    let mut reading = tokio::spawn(async move {
        let mut piece = vec![0; 16 << 10];
        while let Ok(n @ 1..) = reader.read(&mut piece).await {
            into.lock().unwrap_or_else(PoisonError::into_inner).add(&piece[..n]);
        }
    });
    let end = tokio::select! {
        status = child.wait() => status.map(End::Exited).map_err(|e| format!("its end could not be seen: {e}")),
        why = &mut ended => {
            stop(&mut child, &group).await;
            Ok(End::Stopped(why))
        }
    };
    // By itself or not, it is over; what a program left behind on purpose stays.
    std::mem::forget(group);
    // What was put out before the end; whoever was left behind may hold the line open for ever.
    if tokio::time::timeout(LAST_WORDS, &mut reading).await.is_err() {
        reading.abort();
    }
    end
}

fn spawn(command: &mut Command) -> Result<(pipe::Receiver, Child), String> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let bad = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => format!("this machine has no program '{program}'"),
        _ => format!("'{program}' could not be started: {e}"),
    };
    let (reader, writer) = std::io::pipe().map_err(bad)?;
    let also = writer.try_clone().map_err(bad)?;
    let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(bad)?;
    command.stdin(Stdio::null()).stdout(writer).stderr(also).process_group(0).kill_on_drop(true);
    Ok((reader, command.spawn().map_err(bad)?))
}

/// A process group, ended with whoever watches it: an agent that ends leaves no half-done work running unseen.
struct Group(Option<Pid>);

impl Group {
    fn tell(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // Nobody of it may be left.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.tell(Signal::KILL);
    }
}

/// Asks a group to end, makes it when it does not, and in any case what its first program left behind.
async fn stop(child: &mut Child, group: &Group) {
    group.tell(Signal::TERM);
    let is_over = tokio::time::timeout(ASKED_FOR, child.wait()).await.is_ok();
    group.tell(Signal::KILL);
    if !is_over {
        let _ = child.wait().await;
    }
}

/// What came of a program that should end with one of these codes; 0 when none is named.
pub(crate) fn verdict(end: Result<End, String>, expect: &[i32], output: &Arc<Mutex<Kept>>) -> Done {
    use std::os::unix::process::ExitStatusExt as _;
    let text = output.lock().unwrap_or_else(PoisonError::into_inner).text();
    let done = match end {
        Err(why) => Done::error(why),
        Ok(End::Stopped(why)) => Done::error(why),
        Ok(End::Exited(status)) => match (status.code(), status.signal()) {
            (Some(code), _) if expect.contains(&code) || (expect.is_empty() && code == 0) => Done { exit_code: Some(code), ..Done::ok() },
            (Some(code), _) => Done { exit_code: Some(code), ..Done::error(format!("it ended with exit code {code}")) },
            (None, signal) => Done::error(format!("it was ended by signal {}", signal.unwrap_or_default())),
        },
    };
    debug_assert!(matches!(done.state, ReportState::Ok | ReportState::Error));
    done.with(text)
}

/// Runs a program with arguments, as [`run`] and [`verdict`] together.
pub(crate) async fn tool(program: &str, arguments: &[&str], expect: &[i32], output: &Arc<Mutex<Kept>>, ended: Ended) -> Done {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C");
    verdict(run(command, output, ended).await, expect, output)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Arc<Mutex<Kept>> {
        Arc::default()
    }

    fn never() -> Ended {
        Box::pin(std::future::pending())
    }

    #[test]
    fn of_a_long_output_the_beginning_and_the_end_are_kept() {
        let mut kept = Kept::default();
        kept.add(b"begin");
        for _ in 0..3_000 {
            kept.add(&[b'x'; 100]);
        }
        kept.add(b"end");
        let text = kept.text();
        assert!(text.starts_with("beginx") && text.ends_with("xend") && text.len() <= OUTPUT_BYTES_MAX, "{}", text.len());
        assert!(text.contains(&format!("[{} bytes are left out here]", kept.bytes() as usize - 2 * HALF)));
        let mut odd = Kept::default();
        odd.add(&[0xff; OUTPUT_BYTES_MAX]);
        assert!(odd.text().len() <= OUTPUT_BYTES_MAX);
    }

    #[tokio::test]
    async fn both_outputs_come_in_order_with_the_exit_code() {
        let output = kept();
        let done = tool("sh", &["-c", "echo a; echo b >&2; echo c; exit 3"], &[], &output, never()).await;
        assert_eq!((done.state, done.exit_code, done.output.as_deref()), (ReportState::Error, Some(3), Some("a\nb\nc\n")));
        assert_eq!(tool("sh", &["-c", "exit 3"], &[0, 3], &kept(), never()).await.state, ReportState::Ok);
        let killed = tool("sh", &["-c", "kill -9 $$"], &[], &kept(), never()).await;
        assert!(killed.message.is_some_and(|m| m.contains("signal 9")));
        let missing = tool("no-such-program", &[], &[], &kept(), never()).await;
        assert_eq!(missing.message.as_deref(), Some("this machine has no program 'no-such-program'"));
    }

    #[tokio::test]
    async fn what_is_left_behind_does_not_hold_the_end_up() {
        let done = tool("sh", &["-c", "echo a; sleep 600 & exit 0"], &[], &kept(), never()).await;
        assert_eq!((done.state, done.output.as_deref()), (ReportState::Ok, Some("a\n")));
    }

    #[tokio::test]
    async fn a_group_that_must_not_go_on_is_ended_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("pids");
        let script = format!("sleep 600 & echo $! > '{0}.new'; mv '{0}.new' '{0}'; echo up; wait", file.display());
        let (begun, there) = (file.clone(), Arc::new(tokio::sync::Notify::new()));
        let seen = Arc::clone(&there);
        std::thread::spawn(move || {
            while !begun.exists() {
                std::thread::yield_now();
            }
            seen.notify_one();
        });
        let ended: Ended = Box::pin(async move {
            there.notified().await;
            "a person ended it".to_owned()
        });
        let done = tool("sh", &["-c", &script], &[], &kept(), ended).await;
        assert_eq!((done.state, done.message.as_deref()), (ReportState::Error, Some("a person ended it")));
        let left = std::fs::read_to_string(&file).expect("the number of the process that was left behind");
        // A process that was killed takes a moment to be gone.
        let is_there = || std::fs::read_to_string(format!("/proc/{}/stat", left.trim())).is_ok_and(|stat| !stat.contains(") Z "));
        while is_there() {
            tokio::task::yield_now().await;
        }
    }
}
