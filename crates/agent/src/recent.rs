//! The latest of this program's own log, kept in memory for whoever asks for it from afar.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing_subscriber::fmt::MakeWriter;

/// How much is kept, bytes: what one report can carry.
const KEPT_MAX: usize = muster_core::limits::OUTPUT_BYTES_MAX;

static KEPT: Mutex<VecDeque<u8>> = Mutex::new(VecDeque::new());

fn kept() -> MutexGuard<'static, VecDeque<u8>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a log on standard error and keeps its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recent;

impl MakeWriter<'_> for Recent {
    type Writer = Recent;

    fn make_writer(&self) -> Self::Writer {
        Self
    }
}

impl Write for Recent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        keep(&mut kept(), bytes);
        io::stderr().write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn keep(kept: &mut VecDeque<u8>, bytes: &[u8]) {
    kept.extend(bytes);
    let over = kept.len().saturating_sub(KEPT_MAX);
    if over > 0 {
        // Whole lines only.
        let cut = kept.iter().skip(over).position(|byte| *byte == b'\n').map_or(kept.len(), |line| over + line + 1);
        kept.drain(..cut);
    }
}

/// The latest lines, at most so many; nothing when this program keeps none.
pub(crate) fn lines(most: usize) -> String {
    last(&String::from_utf8_lossy(kept().make_contiguous()), most)
}

/// The last lines of a text, without the colours of a terminal.
fn last(text: &str, most: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    let mut plain = String::new();
    for line in &all[all.len().saturating_sub(most)..] {
        let mut parts = line.split('\u{1b}');
        plain.push_str(parts.next().unwrap_or_default());
        for part in parts {
            plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
        }
        plain.push('\n');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_in_whole_lines() {
        let mut log = VecDeque::new();
        for n in 0..20_000 {
            keep(&mut log, format!("line {n}\n").as_bytes());
        }
        let text = String::from_utf8(log.into_iter().collect()).expect("text");
        assert!(text.len() <= KEPT_MAX && text.starts_with("line ") && text.ends_with("line 19999\n"), "{}", text.len());
    }

    #[test]
    fn the_last_lines_are_told_without_colours() {
        assert_eq!(last("a\n\u{1b}[2mb\u{1b}[0m c\nd\n", 2), "b c\nd\n");
        assert_eq!(last("", 5), "");
    }
}
