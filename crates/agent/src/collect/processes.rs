//! The section `processes`: what runs now. Readings.

use super::machine::{Fields, Machine};
use super::when::Zone;
use muster_core::inventory::Row;
use muster_core::time::Timestamp;
use std::collections::BTreeMap;

/// Processes that are listed.
const PROCESSES_MAX: usize = 5_000;
/// A command line, characters; longer ones are cut.
const COMMAND_CHARS_MAX: usize = 4_096;
/// Ticks of a second in `/proc/*/stat` (`USER_HZ`, the same on every Linux).
const TICKS: i64 = 100;

/// What all rows need.
pub(crate) struct Context<'a> {
    /// User number → login name.
    pub names: &'a BTreeMap<u32, String>,
    /// The machine's zone.
    pub zone: &'a Zone,
    /// When the kernel started.
    pub boot: Option<Timestamp>,
    /// The time of the inventory.
    pub now: Timestamp,
    /// The machine's memory, kilobytes.
    pub memory: Option<i64>,
}

/// Reads the section, in the order of process numbers.
pub(crate) fn collect(machine: &Machine, context: &Context<'_>) -> Vec<Row> {
    let mut pids: Vec<u32> = machine.list("proc").iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    pids.into_iter().take(PROCESSES_MAX).filter_map(|pid| row(machine, pid, context)).collect()
}

fn row(machine: &Machine, pid: u32, context: &Context<'_>) -> Option<Row> {
    let stat = stat(&machine.text(&format!("proc/{pid}/stat"))?)?;
    let owner = machine.owner(&format!("proc/{pid}"))?;
    let user = context.names.get(&owner).cloned().unwrap_or_else(|| owner.to_string());
    let line = machine.text(&format!("proc/{pid}/cmdline")).map(|text| command_line(&text)).filter(|line| !line.is_empty());
    let started = context.boot.and_then(|boot| Some(Timestamp(boot.millis().checked_add(stat.started.checked_mul(1000 / TICKS)?)?)));
    let lived = started.map_or(0, |at| context.now.since(at).as_secs());
    // A page is 4 KiB wherever this matters: the share is for people.
    let share = context.memory.filter(|kb| *kb > 0).map(|kb| format!("{:.1}", stat.pages as f64 * 4.0 * 100.0 / kb as f64));
    let usage = (lived > 0).then(|| format!("{:.1}", stat.ticks as f64 / TICKS as f64 * 100.0 / lived as f64));
    let fields = Fields::default()
        .text("user", Some(user))
        .number("pid", Some(i64::from(pid)))
        .text("cmd", Some(line.unwrap_or_else(|| format!("[{}]", stat.name))))
        .text("mem", share)
        .text("cpuusage", usage)
        .number("virtualmemory", Some(stat.virtual_bytes / 1024))
        .text("tty", Some(terminal(stat.terminal)))
        .text("started", started.and_then(|at| context.zone.date_time(at)));
    Some(fields.row())
}

/// What is used of `/proc/PID/stat` (`proc_pid_stat(5)`).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    name: String,
    terminal: i64,
    ticks: i64,
    started: i64,
    virtual_bytes: i64,
    pages: i64,
}

/// Reads the line. A name may hold spaces and brackets: the last bracket ends it.
fn stat(line: &str) -> Option<Stat> {
    let (left, right) = line.rsplit_once(')')?;
    let name = left.split_once('(')?.1.to_owned();
    let numbers: Vec<i64> = right.split_whitespace().skip(1).map(|word| word.parse().unwrap_or(i64::MAX)).collect();
    // The first number is field 4, the parent.
    let field = |number: usize| numbers.get(number - 4).copied();
    let ticks = field(14)?.saturating_add(field(15)?);
    Some(Stat { name, terminal: field(7)?, ticks, started: field(22)?, virtual_bytes: field(23)?, pages: field(24)? })
}

/// The arguments with spaces between them.
fn command_line(text: &str) -> String {
    text.trim_end_matches('\0').replace('\0', " ").chars().take(COMMAND_CHARS_MAX).collect::<String>().trim().to_owned()
}

/// The name of a terminal's device number.
fn terminal(number: i64) -> String {
    let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xf_ff00));
    match major {
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        _ => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let line = "17 (a) b (c)) S 1 2 3 34816 5 6 7 8 9 10 30 12 13 14 15 16 17 18 400 8192 2 x";
        let read = stat(line).expect("stat");
        let expected = Stat { name: "a) b (c)".to_owned(), terminal: 34816, ticks: 42, started: 400, virtual_bytes: 8192, pages: 2 };
        assert_eq!(read, expected);
        assert_eq!(stat("17 (a) S 1"), None);
    }

    #[test]
    fn terminals_and_command_lines_are_readable() {
        assert_eq!([34816, 1025, 1088, 0].map(terminal), ["pts/0", "tty1", "ttyS0", "?"]);
        assert_eq!(command_line("/bin/a\0-b\0c d\0\0"), "/bin/a -b c d");
    }
}
