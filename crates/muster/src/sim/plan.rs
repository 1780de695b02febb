//! `muster sim plan`: a fleet in a few words, a task or a few options, and what becomes of it.

use crate::clock::SystemClock;
use crate::ctl::{documents, plan_text};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use jiff::tz::TimeZone;
use muster_core::settings::Span;
use muster_core::tasks::forecast::{Pace, WOKEN_IN};
use muster_core::tasks::planner::{self, Fleet, Line, Machine, Target, Up, Work};
use muster_core::tasks::timing::Timing;
use muster_core::tasks::{Delivery, Share, TaskDoc, ZoneName, Zones, rollout, zone};
use muster_core::time::{Clock as _, Timestamp};
use muster_engine::planner::Situation;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// The fleet, and what is done.
#[derive(Debug, Args)]
#[command(
    after_help = "Without --file a task of one step is planned that begins now, or at --start.\n\nExample: 100,000 machines in two zones, a third of them on by day only, from midnight to six on each machine's own clock:\n  \
    muster sim plan --machines 100000 --zone Europe/Paris=60% --zone America/Sao_Paulo --by-day 30% --window 00:00-06:00 --takes 3m --max-in-flight 500"
)]
pub struct Plan {
    /// A task, YAML or JSON: its schedule, window, roll-out, delivery and priority; options here go before it
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Machines of the fleet, all of which are to do it
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    machines: u32,
    /// Those that wait on the line, as Muster's own agents do; the others ask now and then
    #[arg(long, default_value = "100%", value_name = "SHARE", value_parser = share)]
    on_line: Share,
    /// How often those ask that do not wait on the line
    #[arg(long, default_value = "1h", value_name = "TIME", value_parser = span)]
    contact_every: Span,
    /// Those that are not expected at all
    #[arg(long, default_value = "0%", value_name = "SHARE", value_parser = share)]
    absent: Share,
    /// Those that are on by day only
    #[arg(long, default_value = "0%", value_name = "SHARE", value_parser = share)]
    by_day: Share,
    /// When it is day, on the clock of each machine
    #[arg(long, default_value = "08:00-18:00", value_name = "FROM-TO", value_parser = hours)]
    day: (Duration, Duration),
    /// A zone of machines and the share of them that is there; the last may do without; may be given more than once [UTC]
    #[arg(long = "zone", value_name = "ZONE[=SHARE]", value_parser = zone_share)]
    zones: Vec<(ZoneName, Option<Share>)>,
    /// How long it takes on a machine: half of them are done by then
    #[arg(long, default_value = "1m", value_name = "TIME", value_parser = span)]
    takes: Span,
    /// By when nineteen of twenty are done [five times --takes]
    #[arg(long, value_name = "TIME", value_parser = span)]
    slow: Option<Span>,
    /// From when on it is planned: an instant, such as 2026-12-01T00:00:00Z [now]
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    start: Option<Timestamp>,
    /// In which hours machines may begin, on the clock of each
    #[arg(long, value_name = "FROM-TO")]
    window: Option<String>,
    /// Machines that do it at once
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u32>,
    /// Pieces of work under way at once in the organization
    #[arg(long, value_name = "N")]
    in_flight: Option<u32>,
    /// And on one machine
    #[arg(long, default_value_t = 4, value_name = "N")]
    per_machine: u32,
    /// The waves of a roll-out, such as 1%,10%
    #[arg(long, value_name = "SHARES", value_delimiter = ',')]
    waves: Vec<String>,
    /// From the end of a wave to the next
    #[arg(long, value_name = "TIME")]
    wait: Option<String>,
    /// Machines are woken
    #[arg(long)]
    push: bool,
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
}

fn share(text: &str) -> Result<Share, String> {
    Share::parse(text).ok_or_else(|| format!("'{text}' is no share, such as 30%"))
}

fn span(text: &str) -> Result<Span, String> {
    Span::parse(text).ok_or_else(|| format!("'{text}' is no time, such as 30s, 5m or 2h"))
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| format!("'{text}' is no instant, such as 2026-12-01T00:00:00Z"))
}

/// Two times of a day: from one, for so long.
fn hours(text: &str) -> Result<(Duration, Duration), String> {
    let bad = || format!("'{text}' is no span of a day, such as 08:00-18:00");
    let (from, to) = text.split_once('-').ok_or_else(bad)?;
    let minutes = |time: &str| {
        let (hour, minute) = time.split_once(':')?;
        let (hour, minute): (u64, u64) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let (from, to) = minutes(from).zip(minutes(to)).ok_or_else(bad)?;
    let length = if to > from { to - from } else { 1_440 + to - from };
    Ok((Duration::from_secs(from * 60), Duration::from_secs(length * 60)))
}

fn zone_share(text: &str) -> Result<(ZoneName, Option<Share>), String> {
    let (name, part) = text.split_once('=').map_or((text, None), |(name, part)| (name, Some(part)));
    let name = match name.parse()? {
        ZoneName::Named(name) => ZoneName::Named(name),
        other => return Err(format!("'{other}' is no zone of its own; write an IANA name such as Europe/Paris")),
    };
    Ok((name, part.map(share).transpose()?))
}

/// Where a machine stands among all in one respect, 0 to 10,000: the same each time, and each respect apart from the others.
fn lot(machine: u32, respect: u64) -> u32 {
    u32::try_from(planner::lot(u64::from(machine) | respect << 32) % 10_000).unwrap_or(0)
}

impl Plan {
    /// Plans and prints.
    pub fn print(&self) -> anyhow::Result<()> {
        let forecast = serde_json::to_value(muster_api::view::TaskForecast::from(self.situation()?.planned()))?;
        if self.json {
            return crate::cli::print(&(serde_json::to_string_pretty(&forecast)? + "\n"));
        }
        crate::cli::print(&plan_text(&forecast))
    }

    /// The task: of the file, with what the options say of it.
    fn document(&self) -> anyhow::Result<TaskDoc> {
        let mut document = match &self.file {
            None => json!({"name": "plan", "targets": {"all": true}, "steps": [{"action": {"type": "inventory"}}]}),
            Some(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
                let mut found = documents(&name, &text)?;
                ensure!(found.len() == 1, "{name} holds {} tasks; a plan is of one", found.len());
                found.remove(0)
            }
        };
        if let Some(window) = &self.window {
            let Some((from, to)) = window.split_once('-') else {
                bail!("--window {window}: write two times of a day, such as 00:00-06:00")
            };
            document["window"] = json!({"not_before": from, "not_after": to, "zone": "device"});
        }
        let mut put = |key: &str, value: Value| {
            if !document["rollout"].is_object() {
                document["rollout"] = json!({});
            }
            document["rollout"][key] = value;
        };
        if let Some(most) = self.max_in_flight {
            put("max_in_flight", json!(most));
        }
        if !self.waves.is_empty() {
            put("waves", json!(self.waves));
        }
        if let Some(wait) = &self.wait {
            put("wait", json!(wait));
        }
        if self.push {
            document["delivery"] = json!("push");
        }
        let faults = |faults: Vec<muster_core::tasks::BadTask>| faults.iter().map(|it| format!("\n  {it}")).collect::<String>();
        TaskDoc::parse(&document).map_err(|bad| anyhow::anyhow!("the task has faults:{}", faults(bad)))
    }

    fn situation(&self) -> anyhow::Result<Situation> {
        let (doc, now) = (self.document()?, self.start.unwrap_or_else(|| SystemClock.now()));
        let zones = self.places()?;
        let first = zones.first().map_or(TimeZone::UTC, |(zone, _)| zone.clone());
        let named = first.iana_name().map_or(ZoneName::Server, |name| ZoneName::Named(name.to_owned()));
        let timing = Timing::of_next(Zones::new(first, &named), doc.schedule.as_ref(), doc.window.as_ref(), now);
        let opens: Vec<_> = zones.iter().map(|(zone, _)| timing.open(zone)).collect();
        let from = opens.iter().flatten().map(|open| open.not_before).min().unwrap_or(now).max(now);
        let offsets: Vec<i64> = zones.iter().map(|(zone, _)| offset(zone, from)).collect();
        let (mut machines, mut targets) = (Vec::new(), Vec::new());
        for n in 0..self.machines {
            let place = zones.iter().position(|(_, end)| lot(n, 1) < *end).unwrap_or(0);
            machines.push(self.machine(n, offsets[place], doc.delivery == Delivery::Push, from));
            targets.push(Target { machine: n, open: opens[place] });
        }
        let typical = self.takes.0;
        let work = Work {
            targets,
            pace: Pace { typical, slow: self.slow.map_or(typical * 5, |slow| slow.0).max(typical), measured: 0 },
            most: doc.rollout.max_in_flight,
            waves: rollout::ends(&doc.rollout.waves, i64::from(self.machines)),
            wait: doc.rollout.wait.map_or(Duration::ZERO, |wait| wait.0),
            priority: doc.priority,
        };
        let fleet = Fleet { machines, in_flight: self.in_flight, per_machine: self.per_machine, from };
        Ok(Situation::of(fleet, work, timing.is_per_device()))
    }

    /// Zones, and up to which of ten thousand machines are there.
    fn places(&self) -> anyhow::Result<Vec<(TimeZone, u32)>> {
        let (mut places, mut taken) = (Vec::new(), 0);
        for (n, (name, part)) in self.zones.iter().enumerate() {
            let rest = 10_000_u32.saturating_sub(taken);
            let part = match part {
                Some(part) => part.hundredths(),
                None if n + 1 == self.zones.len() => rest,
                None => bail!("--zone {name}: only the last zone may do without a share"),
            };
            ensure!(part <= rest, "--zone {name}: together the zones have more than 100%");
            taken += part;
            places.push((zone::named(&name.to_string()).unwrap_or(TimeZone::UTC), taken));
        }
        ensure!(
            places.is_empty() || taken == 10_000,
            "the zones have {} of the machines; the last one may do without a share",
            Share::of(taken)
        );
        if places.is_empty() {
            places.push((TimeZone::UTC, 10_000));
        }
        Ok(places)
    }

    fn machine(&self, n: u32, offset: i64, push: bool, from: Timestamp) -> Machine {
        let is = |share: Share, respect| lot(n, respect) < share.hundredths();
        let every = self.contact_every.0;
        let line = match () {
            () if is(self.absent, 2) => Line::Absent,
            () if is(self.on_line, 3) => Line::Waits(Duration::ZERO),
            () if push => Line::Waits(WOKEN_IN),
            () => Line::Asks { first: from.plus(every.mul_f64(f64::from(lot(n, 5)) / 10_000.0)), every },
        };
        let up = if is(self.by_day, 4) {
            let (day, length) = self.day;
            let since = i64::try_from(day.as_secs()).unwrap_or(0) - offset;
            Up::Daily { from: Duration::from_secs(since.rem_euclid(86_400).unsigned_abs()), length }
        } else {
            Up::Always
        };
        let lead = if matches!(line, Line::Asks { .. }) { Duration::from_secs(60) } else { Duration::ZERO };
        Machine { line, up, lead }
    }
}

/// How far a zone's clock is ahead of UTC at an instant, seconds.
fn offset(zone: &TimeZone, at: Timestamp) -> i64 {
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
    i64::from(zone.to_offset(at).seconds())
}

#[cfg(test)]
mod tests;
