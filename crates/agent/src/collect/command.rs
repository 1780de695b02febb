//! Running a program with a time limit and bounded output.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Output of a program that is kept, bytes.
const OUTPUT_BYTES_MAX: u64 = 64 << 20;
/// How often a program that has closed its output is asked whether it has ended.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// Runs a program in the C locale and gives its standard output. A sentence says why not: not started, over its time, or
/// ended with an error.
pub(crate) fn run(program: &str, arguments: &[&str], limit: Duration) -> Result<String, String> {
    let deadline = Instant::now() + limit;
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("{program} could not be started: {e}"))?;
    let Some(output) = child.stdout.take() else {
        return Err(format!("{program} has no standard output"));
    };
    let (tell, told) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes);
        // Nobody listens any more when the time was over.
        let _ = tell.send(read.map(|_| bytes));
    });
    let bytes = told.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if bytes.is_ok() && Instant::now() < deadline => std::thread::park_timeout(ASK_EVERY),
            _ => break None,
        }
    };
    let Some(status) = status else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("{program} was stopped: it took longer than {} seconds", limit.as_secs_f32()));
    };
    match bytes {
        Ok(Ok(bytes)) if status.success() => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Err(format!("{program} ended with {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_comes_back_and_errors_are_told() {
        assert_eq!(run("/bin/sh", &["-c", "echo $LC_ALL"], Duration::from_secs(20)), Ok("C\n".to_owned()));
        assert!(run("/bin/sh", &["-c", "echo a; exit 3"], Duration::from_secs(20)).is_err_and(|e| e.contains('3')));
        assert!(run("/not/a/program", &[], Duration::from_secs(1)).is_err_and(|e| e.contains("could not be started")));
    }

    #[test]
    fn a_program_over_its_time_is_stopped() {
        let quiet = run("/bin/sh", &["-c", "exec sleep 600"], Duration::from_millis(30));
        assert!(quiet.is_err_and(|e| e.contains("longer than")));
        let closed = run("/bin/sh", &["-c", "exec sleep 600 >&-"], Duration::from_millis(30));
        assert!(closed.is_err_and(|e| e.contains("longer than")));
    }
}
