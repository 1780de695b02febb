//! Cron expressions on the clock on the wall, and how that clock becomes instants.

use croner::Weekday;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};
use std::sync::Arc;

use crate::limits::SCHEDULE_SEARCH_YEARS;

/// A cron expression of five fields. It matches at least one minute of the calendar.
#[derive(Clone, Debug)]
pub struct Cron {
    text: String,
    pattern: Arc<croner::Cron>,
    follows_elapsed: bool,
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

const WORDS: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, or L for the last"),
    ("month", "1 to 12 or JAN to DEC"),
    ("day of the week", "0 to 7 or SUN to SAT, where 0 and 7 are Sunday; TUE#2 is the second Tuesday, FRI#L the last Friday"),
];

impl Cron {
    /// Reads an expression; the error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let fields = if text.starts_with('@') {
            let known = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
            known.map(|(_, fields)| *fields).ok_or_else(|| {
                let known: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
                format!("there is no '{text}'; there are {}, or write five fields such as 0 2 * * *", known.join(", "))
            })?
        } else {
            text
        };
        let list: Vec<&str> = fields.split_whitespace().collect();
        let Ok(list) = <[&str; 5]>::try_from(list.as_slice()) else {
            return Err(format!(
                "'{text}' has {} fields; a cron expression has five: minute, hour, day of the month, month, day of the week, such as 0 2 * * 1-5",
                list.len()
            ));
        };
        let pattern = read(list).ok_or_else(|| fault(text, list))?;
        let cron =
            Self { text: text.to_owned(), pattern: Arc::new(pattern), follows_elapsed: list[1].split(',').any(|p| p.starts_with('*')) };
        if !cron.ever_matches() {
            return Err(format!("'{text}' names a date that never comes; correct the day or the month"));
        }
        Ok(cron)
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the hour is left open (`*`, `*/n`), so that elapsed time counts and not the clock on the wall.
    pub fn follows_elapsed(&self) -> bool {
        self.follows_elapsed
    }

    fn matches_day(&self, day: Date) -> bool {
        let weekday = Weekday::from_days_from_sunday(day.weekday().to_sunday_zero_offset().unsigned_abs().into());
        let (year, month, date) = (day.year().into(), day.month().unsigned_abs().into(), day.day().unsigned_abs().into());
        let pattern = &self.pattern.pattern;
        pattern.month_match(month).unwrap_or(false) && pattern.day_match(year, month, date, weekday).unwrap_or(false)
    }

    /// The calendar repeats its weekdays and leap days after 28 years.
    fn ever_matches(&self) -> bool {
        let days = jiff::civil::date(2000, 1, 1).series(1.day());
        days.take_while(|day| day.year() < 2028).any(|day| self.matches_day(day))
    }

    /// The first minute it names at or after `from`, and before `until`.
    pub(super) fn first(&self, from: DateTime, until: DateTime) -> Option<DateTime> {
        let floor = from.with().second(0).subsec_nanosecond(0).build().ok()?;
        let from = if floor == from { from } else { floor.checked_add(1.minute()).ok()? };
        let mut day = from.date();
        while day <= until.date() {
            if self.matches_day(day) {
                let earliest = if day == from.date() { (from.hour(), from.minute()) } else { (0, 0) };
                if let Some((hour, minute)) = self.minute_of_day(earliest) {
                    return Some(day.at(hour, minute, 0, 0)).filter(|found| *found < until);
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    fn minute_of_day(&self, (from_hour, from_minute): (i8, i8)) -> Option<(i8, i8)> {
        let pattern = &self.pattern.pattern;
        let fits = |hour: i8, minute: &i8| {
            (hour > from_hour || *minute >= from_minute) && pattern.minute_match(minute.unsigned_abs().into()).unwrap_or(false)
        };
        let hours = (from_hour..24).filter(|hour| pattern.hour_match(hour.unsigned_abs().into()).unwrap_or(false));
        hours.flat_map(|hour| (0..60).filter(move |minute| fits(hour, minute)).map(move |minute| (hour, minute))).next()
    }

    /// The first instant after `after` at which it fires in a zone.
    pub(super) fn next_in(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let until = horizon(zone.to_datetime(after))?;
        if self.follows_elapsed { self.next_elapsed(zone, after, until) } else { self.next_on_the_wall(zone, after, until) }
    }

    /// One firing per date and time on the wall.
    fn next_on_the_wall(&self, zone: &TimeZone, after: Timestamp, until: DateTime) -> Option<Timestamp> {
        // In the second pass of a fold the wall shows what fired in the first one; what comes next is found by going on.
        let mut from = gap_start(zone, after);
        loop {
            let wall = self.first(from, until)?;
            let instant = first_instant(zone, wall)?;
            if instant > after {
                return Some(instant);
            }
            from = wall.checked_add(1.minute()).ok()?;
        }
    }

    /// One firing for each time that the wall shows what it names: stretches of one offset, one after the other.
    fn next_elapsed(&self, zone: &TimeZone, after: Timestamp, until: DateTime) -> Option<Timestamp> {
        let mut from = after.checked_add(1.nanosecond()).ok()?;
        loop {
            let offset = zone.to_offset(from);
            let end = zone.following(from).next().map(|t| t.timestamp());
            let end_wall = end.map_or(until, |end| offset.to_datetime(end).min(until));
            if let Some(wall) = self.first(offset.to_datetime(from), end_wall) {
                return offset.to_timestamp(wall).ok();
            }
            from = end.filter(|_| end_wall < until)?;
        }
    }

    /// Whether in this zone `wall` falls on the same instant as an earlier time this expression names: both lie in one gap.
    pub(super) fn is_doubled(&self, zone: &TimeZone, wall: DateTime) -> bool {
        first_instant(zone, wall).and_then(|instant| self.first(gap_start(zone, instant), wall)).is_some()
    }
}

/// What the wall would show at `at` by the offset that held just before: earlier than what it shows, if a gap ends there.
fn gap_start(zone: &TimeZone, at: Timestamp) -> DateTime {
    let shown = zone.to_datetime(at);
    at.checked_sub(1.nanosecond()).map_or(shown, |before| zone.to_offset(before).to_datetime(at).min(shown))
}

pub(super) fn horizon(from: DateTime) -> Option<DateTime> {
    from.checked_add(SCHEDULE_SEARCH_YEARS.years()).ok()
}

/// The instant at which the wall shows `wall`: the first one when there are two, the first after the gap when there is none.
pub(in crate::tasks) fn first_instant(zone: &TimeZone, wall: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(wall).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(wall).ok(),
        AmbiguousOffset::Gap { before, after } => {
            let (from, to) = (after.to_timestamp(wall).ok()?, before.to_timestamp(wall).ok()?);
            let start = from.checked_sub(1.nanosecond()).ok()?;
            let changes = zone.following(start).map(|t| t.timestamp()).take_while(|t| *t <= to);
            Some(changes.filter(|t| zone.to_offset(*t) == after).last().unwrap_or(to))
        }
    }
}

/// The instant at which the wall shows `wall` for the last time; the first after the gap when it never does.
pub(in crate::tasks) fn last_instant(zone: &TimeZone, wall: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Fold { after, .. } => after.to_timestamp(wall).ok(),
        _ => first_instant(zone, wall),
    }
}

/// Reads five fields; none when one of them is wrong.
fn read(fields: [&str; 5]) -> Option<croner::Cron> {
    // The crate also takes these, with meanings other crons do not share.
    let foreign = |field: &str| field.contains(['?', '+']) || field.split(',').any(str::is_empty);
    if fields.iter().any(|field| foreign(field)) {
        return None;
    }
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(&fields.join(" ")).ok()
}

/// Which field is wrong.
fn fault(text: &str, fields: [&str; 5]) -> String {
    let alone = |at: usize| {
        let mut others = ["*"; 5];
        others[at] = fields[at];
        others
    };
    match (0..5).find(|at| read(alone(*at)).is_none()) {
        Some(at) => {
            let (name, range) = FIELDS[at];
            format!("'{}' in '{text}' is no {name}: it is {range}; ranges 1-5, lists 1,3 and steps */2 are taken", fields[at])
        }
        None => {
            format!("'{text}' is no cron expression; write minute, hour, day of the month, month, day of the week, such as 0 2 * * 1-5")
        }
    }
}
