//! Windows in every zone of the world, held against a clock on the wall that is read minute by minute.

use super::*;
use crate::tasks::schedule::tests::walls;
use jiff::civil::{DateTime, time};
use proptest::prelude::*;

fn daily(from: Option<Time>, to: Option<Time>) -> Window {
    Window { not_before: from.map(Edge::Daily), not_after: to.map(Edge::Daily), ..Window::default() }
}

#[test]
fn a_daily_window_is_never_shorter_than_what_the_wall_shows_of_it() {
    let ranges = [(time(22, 0, 0, 0), time(6, 0, 0, 0)), (time(1, 0, 0, 0), time(3, 30, 0, 0)), (time(2, 15, 0, 0), time(2, 45, 0, 0))];
    for wall in walls() {
        for (from, to) in ranges {
            let window = daily(Some(from), Some(to));
            for (at, shown) in wall.shown.iter().step_by(97).skip(2) {
                let nominal = ours(*at);
                let open = window.open(nominal, &wall.zone).unwrap_or_else(|e| panic!("{e}: {} at {shown}", wall.name));
                let close = open.not_after.expect("it closes");
                assert!(nominal <= open.not_before && open.not_before < close, "{} at {shown}: {open:?}", wall.name);
                let is_inside = |shown: &DateTime| {
                    let t = shown.time();
                    if from < to { from <= t && t < to } else { from <= t || t < to }
                };
                // No minute that the wall shows as inside lies between the nominal time and the opening.
                let missed = wall.shown.iter().find(|(t, s)| nominal <= ours(*t) && ours(*t) < open.not_before && is_inside(s));
                assert_eq!(missed, None, "{} at {shown}: opens at {}", wall.name, open.not_before);
                // What follows the close is outside; a close that the wall leaves out is where its gap ends.
                let before = wall.shown.windows(2).find(|w| ours(w[1].0) == close);
                let is_right = before.is_none_or(|w| w[1].1.time() >= to || w[0].1 + 1.minute() < w[1].1);
                assert!(is_right, "{} at {shown}: closes between {before:?}", wall.name);
            }
        }
    }
}

#[test]
fn a_bare_end_is_the_first_one_after_the_nominal_time_whatever_clocks_do() {
    for wall in walls() {
        for to in [time(6, 0, 0, 0), time(2, 30, 0, 0), time(0, 0, 0, 0)] {
            let window = daily(None, Some(to));
            let mut ends: Vec<_> = wall.days().filter_map(|day| wall.last(day.to_datetime(to))).map(ours).collect();
            ends.sort_unstable();
            for (at, shown) in wall.shown.iter().step_by(53).skip(3) {
                let open = window.open(ours(*at), &wall.zone).expect("it opens");
                let Some(wanted) = ends.iter().find(|end| **end > ours(*at)) else { continue };
                assert_eq!((open.not_before, open.not_after), (ours(*at), Some(*wanted)), "{to} in {} at {shown}", wall.name);
            }
        }
    }
}

#[test]
fn days_and_instants_bound_a_window() {
    let utc = TimeZone::UTC;
    let at = |text: &str| Timestamp::parse(text).expect("an instant");
    let weekend = Window { days: Days::of(["sat", "sun"]).expect("days"), ..daily(Some(time(22, 0, 0, 0)), Some(time(4, 0, 0, 0))) };
    // 2026-12-01 is a Tuesday.
    let open = weekend.open(at("2026-12-01T00:00:00Z"), &utc).expect("it opens");
    assert_eq!((open.not_before, open.not_after), (at("2026-12-05T22:00:00Z"), Some(at("2026-12-06T04:00:00Z"))));
    let between =
        |from: &str, to: &str| Window { not_before: Some(Edge::At(at(from))), not_after: Some(Edge::At(at(to))), ..Window::default() };
    let fixed = between("2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z");
    assert_eq!(fixed.open(at("2026-12-01T12:00:00Z"), &utc).map(|o| o.not_before), Ok(at("2026-12-01T12:00:00Z")));
    assert_eq!(fixed.open(at("2026-12-02T00:00:00Z"), &utc), Err(Never::Closed { closed: at("2026-12-02T00:00:00Z") }));
    assert_eq!(Window::default().open(at("2026-12-02T00:00:00Z"), &utc).map(|o| o.not_after), Ok(None));
}

#[test]
fn an_unknown_day_is_named() {
    assert_eq!(Days::of(["mon", "noday"]), Err("noday"));
    assert_eq!(Days::of(["sun", "mon"]).map(|d| d.words().collect::<Vec<_>>()), Ok(vec!["mon", "sun"]));
    assert!(Days::default().is_all());
}

proptest! {
    #[test]
    fn nothing_is_handed_out_before_a_window_or_in_its_lead(from in 0i64..1_000_000, length in 1i64..1_000_000, lead in 0u64..120, now in -10i64..2_100_000) {
        let open = Open { not_before: Timestamp(from * 1_000), not_after: Some(Timestamp((from + length) * 1_000)) };
        let now_at = Timestamp(now * 1_000);
        let wanted = from <= now && now < from + length - i64::try_from(lead).expect("small");
        prop_assert_eq!(claimable(&open, Duration::from_secs(lead), now_at), wanted);
        prop_assert!(!claimable(&open, Duration::from_secs(lead), now_at) || claimable(&open, Duration::ZERO, now_at));
    }
}
