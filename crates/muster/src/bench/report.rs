//! What a run prints: its conditions, a line per measurement, goals with what was reached. Figures are never judged an error.

use super::floor::Floor;
use super::intake::{Mode, Plan};
use super::load::Sent;
use super::peer::Memory;
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

/// Samples from which a p99 tells something.
const SAMPLES: u64 = 500;

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was sent.
    pub mode: Mode,
    /// Which time, from 1.
    pub round: u32,
    /// Inventories answered 200.
    pub taken: usize,
    /// Answers other than 200.
    pub refused: usize,
    /// Contacts that ended without an answer.
    pub broken: usize,
    /// Inventories per second.
    pub per_second: f64,
    /// Milliseconds until an inventory was answered: half were faster.
    pub p50_ms: f64,
    /// 99 of 100 were faster.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// The same of questions; 0 when none were asked.
    pub prolog_p50_ms: f64,
    /// As above.
    pub prolog_p99_ms: f64,
    /// Processor time of the server for each inventory, microseconds.
    pub server_us: f64,
    /// That of PostgreSQL, when its process was named.
    pub postgres_us: Option<f64>,
    /// That of the generator: it uses the same processors.
    pub generator_us: f64,
    /// `server_us` by the floor.
    pub floors: f64,
    /// Resident memory of the server afterwards, MiB.
    pub resident_mib: u64,
    /// At most so far.
    pub peak_mib: u64,
}

/// Processor times of one measurement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// The server.
    pub server: Duration,
    /// PostgreSQL.
    pub postgres: Option<Duration>,
    /// The generator while it sent.
    pub generator: Duration,
}

impl Row {
    /// Makes a row of what was measured.
    pub fn new(mode: Mode, round: u32, mut sent: Sent, spent: Spent, memory: Memory, floor: &Floor) -> Self {
        sent.inventories.sort_unstable();
        sent.prologs.sort_unstable();
        let taken = sent.taken.len();
        let each = |all: Duration| all.as_secs_f64() * 1e6 / taken.max(1) as f64;
        let server_us = each(spent.server);
        Self {
            mode,
            round,
            taken,
            refused: sent.refused,
            broken: sent.broken,
            per_second: taken as f64 / sent.took.as_secs_f64().max(1e-9),
            p50_ms: percentile(&sent.inventories, 0.5),
            p99_ms: percentile(&sent.inventories, 0.99),
            max_ms: percentile(&sent.inventories, 1.0),
            prolog_p50_ms: percentile(&sent.prologs, 0.5),
            prolog_p99_ms: percentile(&sent.prologs, 0.99),
            server_us,
            postgres_us: spent.postgres.map(each),
            generator_us: each(spent.generator),
            floors: server_us / (floor.sum().as_secs_f64() * 1e6).max(1e-9),
            resident_mib: memory.resident / 1024,
            peak_mib: memory.peak / 1024,
        }
    }
}

/// The value below which a part of sorted times lies, milliseconds; 0 when there are none.
fn percentile(sorted: &[Duration], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = ((sorted.len() as f64 * part).ceil() as usize).saturating_sub(1).min(last);
    sorted.get(at).map_or(0.0, |t| t.as_secs_f64() * 1e3)
}

/// Prints a run as it goes: a table, or one line of JSON for each thing.
pub struct Report {
    /// JSON instead of tables.
    pub json: bool,
}

impl Report {
    /// The conditions and the floor.
    pub fn begin(&self, plan: &Plan, floor: &Floor) {
        let us = |d: Duration| d.as_secs_f64() * 1e6;
        if self.json {
            let floor = json!({
                "read_us": us(floor.read), "http_us": us(floor.http), "sum_us": us(floor.sum()),
                "packed_bytes": floor.packed, "unpacked_bytes": floor.unpacked,
            });
            println!("{}", json!({"run": plan.conditions(), "floor": floor}));
            return;
        }
        println!("{}", plan.describe());
        println!("an inventory has {} bytes of XML, {} as it is sent (means)", floor.unpacked, floor.packed);
        println!(
            "floor: {:.0} us = {:.0} us to inflate, read and hash one on one thread + {:.0} us to receive it by bare HTTP\n",
            us(floor.sum()),
            us(floor.read),
            us(floor.http)
        );
        println!(
            "{:<8} {:>5} {:>7} {:>7} {:>9} {:>8} {:>8} {:>10} {:>10} {:>10} {:>8} {:>9} {:>8} {:>8}",
            "mode",
            "round",
            "taken",
            "failed",
            "per s",
            "p50 ms",
            "p99 ms",
            "prolog p50",
            "server us",
            "postgr. us",
            "x floor",
            "gener. us",
            "RSS MiB",
            "peak MiB"
        );
    }

    /// One measurement.
    pub fn row(&self, row: &Row) {
        if self.json {
            println!("{}", json!(row));
            return;
        }
        println!(
            "{:<8} {:>5} {:>7} {:>7} {:>9.0} {:>8.1} {:>8.1} {:>10.2} {:>10.0} {:>10} {:>8.2} {:>9.0} {:>8} {:>8}",
            row.mode.name(),
            row.round,
            row.taken,
            row.refused + row.broken,
            row.per_second,
            row.p50_ms,
            row.p99_ms,
            row.prolog_p50_ms,
            row.server_us,
            row.postgres_us.map_or_else(|| "-".to_owned(), |us| format!("{us:.0}")),
            row.floors,
            row.generator_us,
            row.resident_mib,
            row.peak_mib
        );
    }

    /// The memory with a number of devices.
    pub fn memory(&self, devices: u64, memory: Memory) {
        let (resident, peak) = (memory.resident / 1024, memory.peak / 1024);
        if self.json {
            println!("{}", json!({"memory": {"devices": devices, "resident_mib": resident, "peak_mib": peak}}));
        } else {
            println!("memory with {devices} devices: {resident} MiB, peak {peak} MiB");
        }
    }

    /// What is stored of what was answered 200, and how many changes were found in histories, all that were looked for.
    pub fn stored(&self, stored: u64, taken: u64, changes: usize) {
        if self.json {
            println!("{}", json!({"stored": stored, "taken": taken, "changes_found": changes}));
        } else {
            println!("\nstored: {stored} devices of {taken} answered 200; {changes} changes looked for in histories, all found");
        }
    }

    /// What was reached of the goals.
    pub fn goals(&self, plan: &Plan, rows: &[Row], devices: u64, memory: Memory) {
        if !self.json {
            println!("\ngoals");
        }
        for goal in goals(plan, rows, devices, memory) {
            if self.json {
                println!("{}", json!({"goal": goal.text, "value": goal.value, "bar": goal.bar, "reached": goal.reached()}));
            } else {
                let verdict = match goal.reached() {
                    None => "not judged",
                    Some(true) => "reached",
                    Some(false) => "missed",
                };
                println!("  {verdict:<10} {:<58} {:>9.2}   bar {}{}", goal.text, goal.value, goal.bar, goal.note);
            }
        }
    }
}

/// A goal of docs/benchmarks.md.
#[derive(Debug)]
struct Goal {
    text: &'static str,
    value: f64,
    bar: f64,
    is_least: bool,
    /// Why it is not judged in this run; empty when it is.
    note: String,
}

impl Goal {
    fn reached(&self) -> Option<bool> {
        let reached = if self.is_least { self.value >= self.bar } else { self.value <= self.bar };
        self.note.is_empty().then_some(reached)
    }
}

fn goals(plan: &Plan, rows: &[Row], devices: u64, memory: Memory) -> Vec<Goal> {
    let of = |mode: Mode, value: fn(&Row) -> f64| median(rows.iter().filter(|r| r.mode == mode).map(value).collect());
    let mut all = Vec::new();
    let mut goal = |text, value: Option<f64>, bar, is_least, note: Option<String>| {
        if let Some(value) = value {
            all.push(Goal { text, value, bar, is_least, note: note.map(|n| format!("   ({n})")).unwrap_or_default() });
        }
    };
    goal("same: server's processor time by the floor's", of(Mode::Same, |r| r.floors), 1.5, false, None);
    let by_same = of(Mode::Changed, |r| r.server_us).zip(of(Mode::Same, |r| r.server_us)).map(|(changed, same)| changed / same.max(1e-9));
    goal("changed: server's processor time by that of same", by_same, 2.0, false, None);
    let postgres = plan.postgres().then(|| "the bar is for SQLite".to_owned());
    goal("first: inventories per second", of(Mode::First, |r| r.per_second), 250.0, true, postgres);
    let few = (devices < 10_000).then(|| format!("{devices} devices; the bar is for 10000"));
    goal("peak memory, MiB", Some(memory.peak as f64 / 1024.0), 150.0, false, few);
    let clients = plan.clients();
    for (mode, text) in [
        (Mode::First, "first: p99 by p50"),
        (Mode::Same, "same: p99 by p50"),
        (Mode::Changed, "changed: p99 by p50"),
        (Mode::Quiet, "quiet: p99 by p50"),
    ] {
        let others = (clients != 64).then(|| format!("{clients} clients; the bar is for 64"));
        let few = (plan.devices() < SAMPLES).then(|| format!("of {} samples", plan.devices()));
        goal(text, of(mode, |r| r.p99_ms / r.p50_ms.max(1e-9)), 5.0, false, others.or(few));
    }
    all
}

/// The middle of some values, the upper of two; none of none.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// A whole number with its thousands apart.
pub fn thousands(n: f64) -> String {
    let digits = format!("{n:.0}");
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!((percentile(&times, 0.5), percentile(&times, 0.99), percentile(&times, 1.0)), (100.0, 198.0, 200.0));
        assert_eq!((percentile(&times[..1], 0.99), percentile(&[], 0.5)), (1.0, 0.0));
    }

    #[test]
    fn a_goal_is_reached_on_its_side_of_the_bar_and_not_judged_where_it_was_not_meant() {
        let goal = |value, is_least, note: &str| Goal { text: "", value, bar: 2.0, is_least, note: note.to_owned() }.reached();
        assert_eq!((goal(2.0, false, ""), goal(2.1, false, "")), (Some(true), Some(false)));
        assert_eq!((goal(2.0, true, ""), goal(1.9, true, "")), (Some(true), Some(false)));
        assert_eq!(goal(9.0, false, "few"), None);
    }

    #[test]
    fn the_median_of_rounds_is_one_of_them() {
        assert_eq!((median(vec![3.0, 1.0, 2.0]), median(vec![1.0, 2.0]), median(Vec::new())), (Some(2.0), Some(2.0), None));
    }
}
