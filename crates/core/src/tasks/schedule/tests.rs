//! Schedules in every zone of the world, held against a clock on the wall that is read minute by minute.

use super::*;
use crate::tasks::zone;
use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp as Instant, ToSpan};

/// Around each change of a clock this much is read.
const AROUND: SignedDuration = SignedDuration::from_hours(13);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// What a clock on the wall shows, minute by minute.
pub(crate) struct Wall {
    pub name: String,
    pub zone: TimeZone,
    pub shown: Vec<(Instant, DateTime)>,
}

impl Wall {
    fn around(name: &str, zone: &TimeZone, change: Instant) -> Self {
        let (first, last) = (change - AROUND, change + AROUND);
        let minutes = std::iter::successors(Some(first), |at| Some(*at + MINUTE)).take_while(|at| *at <= last);
        Self { name: name.to_owned(), zone: zone.clone(), shown: minutes.map(|at| (at, zone.to_datetime(at))).collect() }
    }

    /// The first minute that shows `wall`; the first after the gap when none does.
    pub fn first(&self, wall: DateTime) -> Option<Instant> {
        let shows = self.shown.iter().find(|(_, shown)| *shown == wall).map(|(at, _)| *at);
        shows.or_else(|| self.shown.windows(2).find(|w| w[0].1 < wall && wall < w[1].1).map(|w| w[1].0))
    }

    /// The last minute that shows `wall`; the first after the gap when none does.
    pub fn last(&self, wall: DateTime) -> Option<Instant> {
        self.shown.iter().rev().find(|(_, shown)| *shown == wall).map(|(at, _)| *at).or_else(|| self.first(wall))
    }

    /// The dates it shows as a whole or in part.
    pub fn days(&self) -> impl Iterator<Item = Date> {
        let day = |place: Option<&(Instant, DateTime)>| place.map_or(date(2000, 1, 1), |(_, shown)| shown.date());
        let (from, to) = (day(self.shown.first()), day(self.shown.last()));
        from.series(1.day()).take_while(move |day| *day <= to)
    }

    fn span(&self) -> (Instant, Instant) {
        // Times outside of what is read may fall on an instant inside, so the edges are left out.
        (self.shown[180].0, self.shown[self.shown.len() - 180].0)
    }
}

/// Every change of every clock in three years, and two of the strangest: days that a place left out.
pub(crate) fn walls() -> impl Iterator<Item = Wall> {
    let strange = [("Pacific/Apia", date(2011, 12, 30)), ("Pacific/Kwajalein", date(1993, 8, 21)), ("Antarctica/Troll", date(2026, 3, 29))];
    let strange = strange.into_iter().filter_map(|(name, day)| {
        let zone = zone::named(name)?;
        let start = day.to_zoned(TimeZone::UTC).ok()?.timestamp() - SignedDuration::from_hours(30);
        let change = zone.following(start).next()?.timestamp();
        Some(Wall::around(name, &zone, change))
    });
    let named = zone::names().iter().filter_map(|name| Some((name, zone::named(name)?)));
    let all = named.flat_map(|(name, zone)| {
        let start = date(2025, 1, 1).to_zoned(TimeZone::UTC).expect("a day").timestamp();
        let end = date(2028, 1, 1).to_zoned(TimeZone::UTC).expect("a day").timestamp();
        let changes: Vec<Instant> = zone.following(start).map(|t| t.timestamp()).take_while(|t| *t < end).collect();
        changes.into_iter().map(move |change| Wall::around(name, &zone, change)).collect::<Vec<_>>()
    });
    strange.chain(all)
}

/// The instants in the middle of what a wall shows at which an expression fires.
fn fires(cron: &Cron, wall: &Wall) -> Vec<Instant> {
    let (from, to) = wall.span();
    let next = |after: Instant| cron.next_in(&wall.zone, after);
    std::iter::successors(next(from - MINUTE), |at| next(*at)).take_while(|at| *at <= to).collect()
}

#[test]
fn a_schedule_that_names_hours_fires_once_per_date_and_time_whatever_clocks_do() {
    let times: &[(&str, &[(i8, i8)])] = &[
        ("0 0 * * *", &[(0, 0)]),
        ("30 2 * * *", &[(2, 30)]),
        ("15,45 1-3 * * *", &[(1, 15), (1, 45), (2, 15), (2, 45), (3, 15), (3, 45)]),
        ("59 23 * * *", &[(23, 59)]),
    ];
    let mut changes = 0;
    for wall in walls() {
        changes += 1;
        let (from, to) = wall.span();
        for (text, named) in times {
            let walls = wall.days().flat_map(|day| named.iter().map(move |(hour, minute)| day.at(*hour, *minute, 0, 0)));
            let mut wanted: Vec<Instant> = walls.filter_map(|w| wall.first(w)).filter(|at| from <= *at && *at <= to).collect();
            wanted.sort_unstable();
            wanted.dedup();
            assert_eq!(fires(&Cron::parse(text).expect("read"), &wall), wanted, "{text} in {}", wall.name);
        }
    }
    assert!(changes > 500, "{changes} changes of clocks were looked at");
}

#[test]
fn a_schedule_that_leaves_the_hour_open_fires_whenever_the_wall_shows_it() {
    for wall in walls() {
        let (from, to) = wall.span();
        for (text, minutes) in [("0 * * * *", &[0][..]), ("*/20 * * * *", &[0, 20, 40]), ("30 */1 * * *", &[30])] {
            let shows = |(at, shown): &&(Instant, DateTime)| from <= *at && *at <= to && minutes.contains(&shown.minute());
            let wanted: Vec<Instant> = wall.shown.iter().filter(shows).map(|(at, _)| *at).collect();
            assert_eq!(fires(&Cron::parse(text).expect("read"), &wall), wanted, "{text} in {}", wall.name);
        }
    }
}

#[test]
fn what_comes_next_does_not_depend_on_when_it_is_asked() {
    let cron = Cron::parse("15,45 1-3 * * *").expect("read");
    for wall in walls().step_by(7) {
        let all = fires(&cron, &wall);
        for (at, shown) in wall.shown.iter().step_by(11) {
            let next = cron.next_in(&wall.zone, *at);
            let wanted = all.iter().find(|fire| *fire > at).copied();
            assert!(wanted.is_none() || next == wanted || *at < wall.span().0, "{} at {shown}: {next:?} {wanted:?}", wall.name);
        }
    }
}

fn zones() -> Zones {
    Zones::new(TimeZone::UTC, &ZoneName::Server)
}

fn schedule(when: When) -> Schedule {
    Schedule { when, misfire: Misfire::Skip, offline: false }
}

#[test]
fn with_the_zone_of_each_device_no_device_has_an_occurrence_before_it_starts_or_twice() {
    let cron = Cron::parse("*/30 0-3 * * *").expect("read");
    let schedule = schedule(When::Cron { cron, zone: ZoneName::Device });
    for wall in walls().step_by(3) {
        let (from, to) = wall.span();
        let early = ours(from - SignedDuration::from_hours(30));
        let mut instants = Vec::new();
        for it in upcoming(&schedule, &zones(), early, early, 200) {
            let Some(at) = schedule.instant_for(&it.nominal, &wall.zone) else { continue };
            assert!(it.starts <= at, "{} in {}", it.nominal, wall.name);
            instants.push(at);
        }
        let within: Vec<Timestamp> = instants.into_iter().filter(|at| ours(from) <= *at && *at <= ours(to)).collect();
        assert!(within.windows(2).all(|w| w[0] < w[1]), "{}: {within:?}", wall.name);
        let When::Cron { cron, .. } = &schedule.when else { unreachable!("it is a cron") };
        let own: Vec<Timestamp> = fires(cron, &wall).into_iter().map(ours).collect();
        assert_eq!(within, own, "each device has what its own wall has: {}", wall.name);
    }
}

#[test]
fn every_counts_from_the_anchor_and_now_comes_once() {
    let anchor = Timestamp(1_795_000_000_000);
    let hour = schedule(When::Every(Span(std::time::Duration::from_secs(3_600))));
    let at = |n: i64| Timestamp(anchor.0 + n * 3_600_000);
    for (after, wanted) in [(Timestamp(anchor.0 - 1), at(0)), (anchor, at(1)), (Timestamp(at(5).0 - 1), at(5)), (at(5), at(6))] {
        assert_eq!(next(&hour, &zones(), anchor, after).map(|o| o.starts), Some(wanted));
    }
    let now = schedule(When::Now);
    assert_eq!(next(&now, &zones(), anchor, Timestamp(anchor.0 - 1)).map(|o| o.starts), Some(anchor));
    assert_eq!(next(&now, &zones(), anchor, anchor), None);
    assert_eq!(next(&schedule(When::On(Trigger::DeviceEnrolled)), &zones(), anchor, anchor), None);
}

#[test]
fn a_nominal_time_is_read_again_as_itself() {
    for text in ["2026-12-01T00:00:00Z", "2026-12-01T00:00:00.25Z", "2026-12-01T00:00", "2026-12-01T00:00:07"] {
        assert_eq!(text.parse::<Nominal>().map(|n| n.to_string()), Ok(text.to_owned()));
    }
    assert!("tomorrow".parse::<Nominal>().is_err_and(|what| what.contains("'tomorrow'")));
}
