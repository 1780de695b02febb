use super::*;
use crate::tasks::forecast::Pace;

const NOW: Timestamp = Timestamp(1_795_003_200_000);
const MINUTE: Duration = Duration::from_secs(60);

fn exactly(seconds: u64) -> Pace {
    Pace { typical: Duration::from_secs(seconds), slow: Duration::from_secs(seconds), measured: 1 }
}

fn minute(n: u32) -> Timestamp {
    NOW.plus(MINUTE * n)
}

fn on_line(count: usize) -> Fleet {
    let machine = Machine { line: Line::Waits(Duration::ZERO), up: Up::Always, lead: Duration::ZERO };
    Fleet { machines: vec![machine; count], in_flight: None, per_machine: 4, from: NOW }
}

fn asking(count: usize, every: Duration) -> Fleet {
    let each = |n: usize| Line::Asks { first: NOW.plus(every.mul_f64(n as f64 / count as f64)), every };
    let machines = (0..count).map(|n| Machine { line: each(n), up: Up::Always, lead: Duration::ZERO }).collect();
    Fleet { machines, ..on_line(0) }
}

fn work(count: usize, pace: Pace, end: Option<Timestamp>) -> Work {
    let open = Some(Open { not_before: NOW, not_after: end });
    let targets = (0..count).map(|n| Target { machine: u32::try_from(n).expect("small"), open }).collect();
    Work { targets, pace, most: None, waves: Vec::new(), wait: Duration::ZERO, priority: 5 }
}

fn one(fleet: &Fleet, work: &Work) -> Course {
    walk(fleet, std::slice::from_ref(work)).remove(0)
}

#[test]
fn without_limits_all_begin_at_once() {
    let course = one(&on_line(100), &work(100, exactly(60), None));
    assert_eq!((course.begun, course.late, course.absent, course.ends), (100, 0, 0, Some(minute(1))));
    assert_eq!((course.most_at_once, course.kept), (100, Kept::default()));
}

#[test]
fn a_limit_lets_them_through_one_after_the_other_and_the_end_cuts_them_off() {
    let limited = Work { most: Some(10), ..work(100, exactly(60), None) };
    let course = one(&on_line(100), &limited);
    assert_eq!((course.begun, course.ends, course.most_at_once, course.kept.run), (100, Some(minute(10)), 10, 90));
    // Those of the sixth minute would begin at the end.
    let course = one(&on_line(100), &Work { most: Some(10), ..work(100, exactly(60), Some(minute(5))) });
    assert_eq!((course.begun, course.late, course.last_begun, course.ends), (50, 50, Some(minute(4)), Some(minute(5))));
}

#[test]
fn the_limit_of_the_house_holds_for_all_works_together_and_the_first_priority_goes_first() {
    let fleet = Fleet { in_flight: Some(10), ..on_line(100) };
    let half = |from: usize, priority| {
        let all = work(100, exactly(60), None);
        Work { targets: all.targets[from..from + 50].to_vec(), priority, ..all }
    };
    let courses = walk(&fleet, &[half(0, 9), half(50, 1)]);
    assert_eq!((courses[1].ends, courses[0].ends), (Some(minute(5)), Some(minute(10))));
    assert_eq!(courses[0].kept.house + courses[1].kept.house, 90);
}

#[test]
fn a_machine_does_one_after_the_other_beyond_what_it_may() {
    let fleet = Fleet { per_machine: 1, ..on_line(10) };
    let courses = walk(&fleet, &[work(10, exactly(60), None), work(10, exactly(60), None)]);
    assert_eq!((courses[0].ends, courses[1].ends, courses[1].kept.machine), (Some(minute(1)), Some(minute(2)), 10));
}

#[test]
fn who_asks_now_and_then_comes_in_its_time_or_is_late() {
    let fleet = asking(60, MINUTE * 60);
    assert_eq!(one(&fleet, &work(60, exactly(60), None)).ends, Some(minute(60)));
    let course = one(&fleet, &work(60, exactly(60), Some(minute(30))));
    assert_eq!((course.begun, course.late), (30, 30));
    // Who finds no room asks a period later: the limit costs whole periods.
    let limited = Work { most: Some(1), ..work(60, exactly(90), None) };
    assert!(one(&fleet, &limited).ends > Some(minute(90)), "{:?}", one(&fleet, &limited).ends);
}

#[test]
fn machines_are_on_at_their_hours_and_some_never() {
    // On for one hour each day, from six hours after NOW.
    let midnight = NOW.millis().rem_euclid(86_400_000);
    let from = Duration::from_millis(u64::try_from((midnight + 6 * 3_600_000) % 86_400_000).expect("positive"));
    let up = Up::Daily { from, length: MINUTE * 60 };
    assert_eq!((up.on(NOW), up.on(minute(365)), up.on(minute(420))), (minute(360), minute(365), minute(360 + 1_440)));
    let mut fleet = on_line(3);
    fleet.machines[1].up = up;
    fleet.machines[2].line = Line::Absent;
    let course = one(&fleet, &work(3, exactly(60), None));
    assert_eq!((course.begun, course.absent, course.ends), (2, 1, Some(minute(361))));
    let course = one(&fleet, &work(3, exactly(60), Some(minute(300))));
    assert_eq!((course.begun, course.late, course.absent), (1, 1, 1));
}

#[test]
fn waves_follow_each_other_and_one_that_never_ends_keeps_the_next() {
    let waved = Work { waves: vec![1, 10, 100], wait: MINUTE * 10, ..work(100, exactly(60), None) };
    let course = one(&on_line(100), &waved);
    assert_eq!((course.begun, course.ends, course.kept.wave), (100, Some(minute(23)), 99));
    let mut fleet = on_line(100);
    fleet.machines.iter_mut().for_each(|machine| machine.line = Line::Absent);
    fleet.machines[..50].iter_mut().for_each(|machine| machine.line = Line::Waits(Duration::ZERO));
    let course = one(&fleet, &waved);
    assert!(course.unreached > 0 && course.begun + course.unreached == 50 && course.absent == 50, "{course:?}");
    // An end lets the waves go on: whoever did not come is over then.
    let course = one(&fleet, &Work { wait: Duration::ZERO, ..waved.clone() });
    assert!(course.unreached > 0);
    let ended = Work { targets: work(100, exactly(60), Some(minute(30))).targets, wait: Duration::ZERO, ..waved };
    let course = one(&fleet, &ended);
    assert_eq!(course.begun + course.late + course.absent, 100);
    assert_eq!((course.absent, course.unreached), (50, 0));
}

#[test]
fn nobody_is_lost_and_the_same_input_gives_the_same_course() {
    let mut fleet = asking(1_000, MINUTE * 30);
    fleet.machines[..400].iter_mut().for_each(|machine| machine.line = Line::Waits(Duration::from_secs(30)));
    fleet.in_flight = Some(40);
    let pace = Pace { typical: MINUTE, slow: MINUTE * 5, measured: 9 };
    let works = [
        Work { most: Some(30), ..work(1_000, pace, Some(minute(120))) },
        Work { waves: vec![10, 500, 1_000], ..work(1_000, pace, Some(minute(200))) },
    ];
    let courses = walk(&fleet, &works);
    for course in &courses {
        assert_eq!(course.begun + course.late + course.absent + course.unreached, course.targets);
        assert!(course.most_at_once <= 40 && course.marks[0] <= course.marks[1] && course.marks[2] <= course.ends);
    }
    assert!(courses[0].most_at_once <= 30);
    assert_eq!(courses, walk(&fleet, &works));
}

#[test]
fn who_asks_for_a_later_wave_asks_again_when_it_is_open_and_asking_in_vain_has_an_end() {
    let fleet = asking(100, MINUTE * 60);
    let waved = Work { waves: vec![10, 100], wait: MINUTE * 60 * 24 * 3, ..work(100, exactly(60), None) };
    let course = one(&fleet, &waved);
    assert_eq!((course.begun, course.kept.wave > 0), (100, true));
    let (first, last) = (MINUTE * 60 * 24 * 3, MINUTE * 60 * (24 * 3 + 3));
    assert!(course.ends.is_some_and(|ends| (first..last).contains(&ends.since(NOW))), "{:?}", course.ends);
    // One at a time for a day each: nearly all ask in vain, every second.
    let vain = Work { most: Some(1), ..work(100, exactly(86_400), None) };
    let course = one(&asking(100, Duration::from_secs(1)), &vain);
    assert_eq!(course.begun + course.late, 100);
    assert!(course.late > 90, "{course:?}");
}

#[test]
fn durations_are_around_the_typical_one() {
    let pace = Pace { typical: MINUTE, slow: MINUTE * 5, measured: 9 };
    let course = one(&on_line(10_000), &work(10_000, pace, None));
    let half = course.marks[0].expect("ended").since(NOW).as_secs_f64();
    assert!((55.0..65.0).contains(&half), "{half}");
}

#[test]
fn what_helps_is_told_and_what_does_not_is_not() {
    let (fleet, it) = (on_line(100), Work { most: Some(10), ..work(100, exactly(60), Some(minute(5))) });
    let now = one(&fleet, &it);
    let advice = advise(&fleet, std::slice::from_ref(&it), 0, &now);
    let remedies: Vec<Remedy> = advice.iter().map(|it| it.remedy).collect();
    assert!(matches!(remedies[..], [Remedy::MaxInFlight(20 | 30 | 50 | 100), Remedy::LongerWindow(by)] if by == MINUTE * 5), "{advice:?}");
    assert!(advice.iter().all(|it| it.course.late == 0));
    let calm = one(&fleet, &work(100, exactly(60), Some(minute(5))));
    assert_eq!(advise(&fleet, &[work(100, exactly(60), Some(minute(5)))], 0, &calm), []);
    let asks = asking(60, MINUTE * 60);
    let it = work(60, exactly(60), Some(minute(30)));
    let advice = advise(&asks, std::slice::from_ref(&it), 0, &one(&asks, &it));
    assert_eq!(advice.iter().map(|it| it.remedy).collect::<Vec<_>>(), [Remedy::Push, Remedy::LongerWindow(MINUTE * 30)]);
}
