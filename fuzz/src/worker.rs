//! The loop: an input is changed, run, and kept when it ran something new.

use crate::coverage::Coverage;
use crate::mutate::{Random, mutate};
use crate::seeds;
use crate::targets::Target;
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// An input that takes more of a processor is a finding. Far above what any should. Time on the clock says nothing: the machine may
/// have other work, or stop the program.
const SLOW: Duration = Duration::from_secs(5);
/// The least stack that product code may find: that of a thread of the async runtime.
const STACK_BYTES: usize = 2 << 20;
/// The exit code that says: `current` is a finding.
pub const FOUND: u8 = 77;

/// Runs for a time. `current` is where the input at hand is written before it is run, so that it survives whatever happens.
pub fn work(target: &'static Target, time: Duration, seed: u64, current: &Path) -> ExitCode {
    let Ok(file) = File::create(current) else {
        eprintln!("{} cannot be written", current.display());
        return ExitCode::FAILURE;
    };
    let body = move || Worker::new(target, file, seed).run(time);
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(body);
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        _ => ExitCode::from(FOUND),
    }
}

/// Runs one input; a panic ends the program.
pub fn replay(target: &'static Target, input: Vec<u8>) -> ExitCode {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || (target.run)(&input));
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// What this thread has taken of a processor.
fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
}

struct Worker {
    target: &'static Target,
    current: File,
    coverage: Coverage,
    random: Random,
    words: Vec<&'static str>,
    corpus: Vec<Vec<u8>>,
    runs: u64,
}

impl Worker {
    fn new(target: &'static Target, current: File, seed: u64) -> Self {
        Self {
            target,
            current,
            coverage: Coverage::new(),
            random: Random::new(seed),
            words: target.words.lines().collect(),
            corpus: Vec::new(),
            runs: 0,
        }
    }

    /// Whether nothing was found.
    fn run(mut self, time: Duration) -> bool {
        assert!(self.coverage.known() > 0, "this program was built without counters; `cargo xtask fuzz` builds it with them");
        let start = Instant::now();
        for seed in seeds::of(self.target) {
            if !self.try_input(seed, false) {
                return false;
            }
        }
        if self.corpus.is_empty() {
            self.corpus.push(b" ".to_vec());
        }
        let mut said = Duration::ZERO;
        while start.elapsed() < time {
            let input = self.next_input();
            if !self.try_input(input, true) {
                return false;
            }
            if start.elapsed() >= said {
                said = start.elapsed() + Duration::from_secs(60);
                self.say(start.elapsed());
            }
        }
        self.say(start.elapsed());
        true
    }

    fn next_input(&mut self) -> Vec<u8> {
        // What was found last has been tried least.
        let newest = self.corpus.len() - self.corpus.len().div_ceil(8);
        let at = match self.random.below(3) {
            0 => newest + self.random.below(self.corpus.len() - newest),
            _ => self.random.below(self.corpus.len()),
        };
        let other = self.random.below(self.corpus.len());
        let mut input = self.corpus[at].clone();
        mutate(&mut input, &self.corpus[other], &self.words, self.target.longest, &mut self.random);
        input
    }

    /// Runs an input, and keeps it when it ran something new. Whether all was well.
    fn try_input(&mut self, input: Vec<u8>, is_new: bool) -> bool {
        self.runs += 1;
        let written = self.current.set_len(input.len() as u64).and_then(|()| self.current.write_all_at(&input, 0));
        assert!(written.is_ok(), "the input at hand cannot be written");
        self.coverage.reset();
        let start = processor_time();
        let ended = catch_unwind(AssertUnwindSafe(|| (self.target.run)(&input)));
        let took = processor_time().saturating_sub(start);
        let has_news = self.coverage.has_news();
        if took > SLOW {
            eprintln!("an input took {took:?}");
            return false;
        }
        if has_news {
            if is_new {
                self.keep(&input);
            }
            self.corpus.push(input);
        }
        ended.is_ok()
    }

    fn keep(&self, input: &[u8]) {
        let folder = seeds::folder(self.target);
        let path = folder.join(format!("{:016x}", muster_core::inventory::row_key(input)));
        // A corpus that cannot be kept costs the next run time, nothing else.
        drop(std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(path, input)));
    }

    fn say(&self, elapsed: Duration) {
        let seconds = elapsed.as_secs();
        println!(
            "{} {:>5} s  {:>10} runs  {:>6}/s  {:>6} edges of {}  {:>5} inputs",
            self.target.name,
            seconds,
            self.runs,
            self.runs / seconds.max(1),
            self.coverage.edges(),
            self.coverage.known(),
            self.corpus.len()
        );
    }
}
