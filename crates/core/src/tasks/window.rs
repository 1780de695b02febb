//! In which span of time a piece of an occurrence may begin.
//!
//! **When clocks change.** A window never is shorter than what the clock on the wall shows of it: of a time that exists
//! twice it opens at the first and closes at the second; at a time that does not exist it opens or closes at the first
//! instant after the gap. A day whose window lies in a gap as a whole has none.

#[cfg(test)]
mod tests;

use super::schedule::{Schedule, first_instant, last_instant, ours, theirs};
use super::zone::ZoneName;
use crate::settings::Span;
use crate::time::Timestamp;
use jiff::ToSpan;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// In which span of time each occurrence may begin on its targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Where it opens; at the nominal time when absent.
    pub not_before: Option<Edge>,
    /// Where it closes; never when absent.
    pub not_after: Option<Edge>,
    /// The days on which it opens; only where `not_before` is a time of day.
    pub days: Days,
    /// Whose wall; the schedule's when absent, see [`Window::zone_with`].
    pub zone: Option<ZoneName>,
    /// What becomes of work that runs when it closes.
    pub at_end: AtEnd,
    /// Longest time from its begin to its end.
    pub longest_run: Option<Span>,
}

/// One edge of a window. Both edges of one are of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// A time of each day.
    Daily(Time),
    /// An instant.
    At(Timestamp),
}

/// What becomes of work that runs when the window closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtEnd {
    /// It goes on.
    #[default]
    LetFinish,
    /// It is stopped where the agent can.
    Stop,
}

impl AtEnd {
    /// The word in documents, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            AtEnd::LetFinish => "let_finish",
            AtEnd::Stop => "stop",
        }
    }
}

/// Days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(u8);

impl Default for Days {
    fn default() -> Self {
        Self(0b111_1111)
    }
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

impl Days {
    /// The days of a list of words; the error is the first unknown one.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        words.into_iter().try_fold(Self(0), |days, word| {
            let place = DAYS.iter().position(|(known, _)| *known == word).ok_or(word)?;
            Ok(Self(days.0 | 1 << place))
        })
    }

    /// Whether it is one of them.
    pub fn contains(self, day: Weekday) -> bool {
        DAYS.iter().enumerate().any(|(place, (_, known))| *known == day && self.0 & 1 << place != 0)
    }

    /// Their words, Monday first.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        DAYS.into_iter().filter(move |(_, day)| self.contains(*day)).map(|(word, _)| word)
    }

    /// Whether it is every day.
    pub fn is_all(self) -> bool {
        self == Self::default()
    }
}

/// A window of one target: `[not_before, not_after)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// From here on.
    pub not_before: Timestamp,
    /// Before here; without an end when absent.
    pub not_after: Option<Timestamp>,
}

/// Why an occurrence has no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Never {
    /// It had closed when the occurrence came.
    #[error("the window closed at {closed}, before the occurrence")]
    Closed {
        /// When.
        closed: Timestamp,
    },
    /// The calendar ends before it opens.
    #[error("the window does not open in the years that can be reckoned with")]
    OutOfTime,
}

impl Window {
    /// The zone it goes by beside a schedule.
    pub fn zone_with(&self, schedule: Option<&Schedule>) -> ZoneName {
        self.zone.as_ref().or_else(|| schedule.and_then(Schedule::zone)).cloned().unwrap_or(ZoneName::Organization)
    }

    /// The window of an occurrence for a target in `zone`, whose own nominal instant is `nominal`.
    pub fn open(&self, nominal: Timestamp, zone: &TimeZone) -> Result<Open, Never> {
        match (self.not_before, self.not_after) {
            (None, None) => Ok(Open { not_before: nominal, not_after: None }),
            (Some(Edge::Daily(from)), Some(Edge::Daily(to))) => self.next_range(from, to, nominal, zone),
            (Some(Edge::Daily(from)), None) => {
                let at = self.days_around(nominal, zone)?.find_map(|day| on_day(first_instant, zone, day, from).filter(|t| *t >= nominal));
                Ok(Open { not_before: at.ok_or(Never::OutOfTime)?, not_after: None })
            }
            (None, Some(Edge::Daily(to))) => {
                let at = self.days_around(nominal, zone)?.find_map(|day| on_day(last_instant, zone, day, to).filter(|t| *t > nominal));
                Ok(Open { not_before: nominal, not_after: Some(at.ok_or(Never::OutOfTime)?) })
            }
            (from, to) => Self::between(from, to, nominal),
        }
    }

    /// Instants are as they are, but not before the nominal time.
    fn between(from: Option<Edge>, to: Option<Edge>, nominal: Timestamp) -> Result<Open, Never> {
        let instant = |edge: Option<Edge>| match edge {
            Some(Edge::At(at)) => Some(at),
            _ => None,
        };
        let not_before = instant(from).map_or(nominal, |from| from.max(nominal));
        match instant(to) {
            Some(closed) if closed <= not_before => Err(Never::Closed { closed }),
            not_after => Ok(Open { not_before, not_after }),
        }
    }

    /// The daily range the nominal time lies in, from there on; otherwise the next one.
    fn next_range(&self, from: Time, to: Time, nominal: Timestamp, zone: &TimeZone) -> Result<Open, Never> {
        let range = |day: Date| {
            let last = if to <= from { day.tomorrow().ok()? } else { day };
            let (opens, closes) = (on_day(first_instant, zone, day, from)?, on_day(last_instant, zone, last, to)?);
            let not_before = opens.max(nominal);
            (closes > not_before && closes > opens).then_some(Open { not_before, not_after: Some(closes) })
        };
        self.days_around(nominal, zone)?.find_map(range).ok_or(Never::OutOfTime)
    }

    /// The days from just before the nominal time on which it may open. A month is enough: a week, and days that clocks leave out.
    fn days_around(&self, nominal: Timestamp, zone: &TimeZone) -> Result<impl Iterator<Item = Date>, Never> {
        let today = zone.to_datetime(theirs(nominal).ok_or(Never::OutOfTime)?).date();
        let first = today.checked_sub(2.days()).map_err(|_| Never::OutOfTime)?;
        let days = self.days;
        Ok(first.series(1.day()).take(31).filter(move |day| days.contains(day.weekday())))
    }
}

type Which = fn(&TimeZone, jiff::civil::DateTime) -> Option<jiff::Timestamp>;

fn on_day(which: Which, zone: &TimeZone, day: Date, time: Time) -> Option<Timestamp> {
    which(zone, day.to_datetime(time)).map(ours)
}

/// Whether something may be handed out now: within `[not_before, not_after − lead)`.
pub fn claimable(open: &Open, lead: Duration, now: Timestamp) -> bool {
    open.not_before <= now && open.not_after.is_none_or(|end| now < end.minus(lead))
}
