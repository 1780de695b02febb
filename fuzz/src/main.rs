//! Coverage-guided fuzzing without anything to install: `cargo xtask fuzz` builds this with counters at every edge and runs it.
//! README.md says how to use it.

mod coverage;
mod mutate;
mod seeds;
mod targets;
mod worker;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::Duration;
use targets::{TARGETS, Target};

const HELP: &str = "muster-fuzz list
muster-fuzz run TARGET SECONDS       fuzz for a time; ends at the first finding
muster-fuzz replay TARGET FILE       run one input
";

/// How much of a processor one input may take before it counts as hanging.
const HANG: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["list"] => {
            for target in TARGETS {
                println!("{:14} {}", target.name, target.about);
            }
            ExitCode::SUCCESS
        }
        ["run", name, seconds] => match (find(name), seconds.parse()) {
            (Some(target), Ok(seconds)) => watch(target, Duration::from_secs(seconds)),
            _ => refuse(),
        },
        ["work", name, seconds, seed, current] => match (find(name), seconds.parse(), seed.parse()) {
            (Some(target), Ok(seconds), Ok(seed)) => worker::work(target, Duration::from_secs(seconds), seed, Path::new(current)),
            _ => refuse(),
        },
        ["replay", name, file] => match (find(name), std::fs::read(file)) {
            (Some(target), Ok(input)) => worker::replay(target, input),
            _ => refuse(),
        },
        _ => refuse(),
    }
}

fn refuse() -> ExitCode {
    eprint!("{HELP}");
    ExitCode::FAILURE
}

fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == name)
}

/// Runs the worker as a program of its own: what overflows the stack or eats all memory ends that one only.
fn watch(target: &Target, time: Duration) -> ExitCode {
    let current = std::env::temp_dir().join(format!("muster-fuzz-{}-{}", target.name, std::process::id()));
    let seed = RandomState::new().build_hasher().finish();
    println!("{}: {} (seed {seed})", target.name, target.about);
    let started = std::env::current_exe().and_then(|program| {
        // 3 GiB of addresses: far more than any input is worth.
        let limited = ["-c", "ulimit -v 3145728; exec \"$0\" \"$@\""];
        let arguments = ["work", target.name, &time.as_secs().to_string(), &seed.to_string()].map(str::to_owned);
        Command::new("sh").args(limited).arg(program).args(arguments).arg(&current).spawn()
    });
    let all_is_well = match started {
        Ok(child) => wait(child, &current),
        Err(error) => {
            eprintln!("the worker cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    if !all_is_well {
        eprintln!("{}: a finding, {}", target.name, save(target, &current).display());
    }
    drop(std::fs::remove_file(&current));
    if all_is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Waits for the worker; one that stays with one input too long is ended.
#[expect(clippy::disallowed_methods, reason = "it waits for another program, and drives nothing else")]
fn wait(mut child: Child, current: &Path) -> bool {
    let mut seen = (None, Duration::ZERO);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => {}
            Err(_) => return false,
        }
        let changed = current.metadata().and_then(|m| m.modified()).ok();
        let taken = processor_time(child.id());
        if changed != seen.0 {
            seen = (changed, taken);
        } else if taken.saturating_sub(seen.1) > HANG {
            eprintln!("one input took more than {HANG:?} of a processor");
            drop(child.kill());
            return false;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// What a program has taken of a processor (proc(5), `stat`: its 14th and 15th field, in hundredths of a second).
fn processor_time(program: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{program}/stat")).unwrap_or_default();
    // The name before may have spaces and brackets in it.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    Duration::from_millis(ticks * 10)
}

fn save(target: &Target, current: &Path) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("findings");
    let input = std::fs::read(current).unwrap_or_default();
    let path = folder.join(format!("{}-{:016x}", target.name, muster_core::inventory::row_key(&input)));
    if let Err(error) = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, &input)) {
        eprintln!("{} cannot be written: {error}", path.display());
    }
    path
}
