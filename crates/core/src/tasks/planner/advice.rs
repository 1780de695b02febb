//! What to change: each remedy is walked through, and told where it helps.

use super::walk::without_ends;
use super::{Course, Fleet, Line, Work, walk};
use crate::tasks::forecast::WOKEN_IN;
use crate::time::Timestamp;
use std::time::Duration;

/// By how much a limit is raised to see whether that helps, in percent.
const RAISED: [u64; 7] = [125, 150, 200, 300, 500, 1_000, 2_000];
/// Windows are moved by whole steps.
const STEP: Duration = Duration::from_secs(300);

/// Something that can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// So many machines do it at once.
    MaxInFlight(u32),
    /// So many pieces of work are under way at once in the organization.
    InFlight(u32),
    /// The window is longer by so much.
    LongerWindow(Duration),
    /// The machines are woken.
    Push,
    /// The next wave begins at once.
    NoWait,
}

/// A remedy, and what becomes of the work with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What is changed.
    pub remedy: Remedy,
    /// The course with it.
    pub course: Course,
}

/// What would help the work at `place`, the best first; nothing where nobody is late and nothing keeps machines waiting.
pub fn advise(fleet: &Fleet, works: &[Work], place: usize, now: &Course) -> Vec<Advice> {
    let Some(work) = works.get(place) else { return Vec::new() };
    let case = Case { fleet, works, place, now };
    let found = [
        work.most.filter(|_| now.kept.run > 0).and_then(|most| case.raised(most, |case, most| case.with(Remedy::MaxInFlight(most)))),
        fleet.in_flight.filter(|_| now.kept.house > 0).and_then(|most| case.raised(most, |case, most| case.with(Remedy::InFlight(most)))),
        Some(Remedy::Push).filter(|_| case.some_ask()).map(|it| case.with(it)),
        Some(Remedy::NoWait).filter(|_| now.kept.wave > 0 && work.wait > Duration::ZERO).map(|it| case.with(it)),
        case.longer(),
    ];
    let mut all: Vec<Advice> = found.into_iter().flatten().filter(|it| case.helps(&it.course)).collect();
    all.sort_by_key(|it| (it.course.late, matches!(it.remedy, Remedy::LongerWindow(_)), it.course.ends));
    all
}

struct Case<'a> {
    fleet: &'a Fleet,
    works: &'a [Work],
    place: usize,
    now: &'a Course,
}

impl Case<'_> {
    /// The course with a remedy.
    fn with(&self, remedy: Remedy) -> Advice {
        let (mut fleet, mut works) = (self.fleet.clone(), self.works.to_vec());
        let work = &mut works[self.place];
        match remedy {
            Remedy::MaxInFlight(most) => work.most = Some(most),
            Remedy::InFlight(most) => fleet.in_flight = Some(most),
            Remedy::NoWait => work.wait = Duration::ZERO,
            Remedy::LongerWindow(by) => {
                for open in work.targets.iter_mut().filter_map(|target| target.open.as_mut()) {
                    open.not_after = open.not_after.map(|end| end.plus(by));
                }
            }
            Remedy::Push => {
                let asks = |line: &Line| matches!(line, Line::Asks { .. });
                fleet.machines.iter_mut().filter(|m| asks(&m.line)).for_each(|m| m.line = Line::Waits(WOKEN_IN));
            }
        }
        let course = walk(&fleet, &works).swap_remove(self.place);
        Advice { remedy, course }
    }

    /// The smallest limit with which as few are late as with the largest.
    fn raised(&self, most: u32, with: impl Fn(&Self, u32) -> Advice) -> Option<Advice> {
        let limit = |percent: &u64| u32::try_from((u64::from(most) * percent).div_ceil(100)).unwrap_or(u32::MAX);
        let best = with(self, limit(RAISED.last()?));
        let is_as_good =
            |it: &Advice| it.course.late <= best.course.late && !is_clearly_earlier(best.course.ends, it.course.ends, self.fleet.from);
        RAISED[..RAISED.len() - 1].iter().map(|percent| with(self, limit(percent))).find(is_as_good).or(Some(best))
    }

    /// How much longer the window would have to be for all that come.
    fn longer(&self) -> Option<Advice> {
        if self.now.late == 0 {
            return None;
        }
        let overdue = without_ends(self.fleet, self.works).swap_remove(self.place).overdue;
        let steps = overdue.as_secs() / STEP.as_secs() + 1;
        Some(self.with(Remedy::LongerWindow(STEP * u32::try_from(steps).ok()?)))
    }

    fn some_ask(&self) -> bool {
        let asks = |target: &super::Target| {
            self.fleet.machines.get(target.machine as usize).is_some_and(|machine| matches!(machine.line, Line::Asks { .. }))
        };
        self.works[self.place].targets.iter().any(asks)
    }

    /// Whether fewer are late, or as few and all is done clearly earlier.
    fn helps(&self, then: &Course) -> bool {
        let (now, from) = (self.now, self.fleet.from);
        then.late < now.late
            || (then.late == now.late && then.unreached < now.unreached)
            || (then.late == now.late && then.begun >= now.begun && is_clearly_earlier(then.ends, now.ends, from))
    }
}

/// By a tenth of the whole time, and more than a minute.
fn is_clearly_earlier(then: Option<Timestamp>, now: Option<Timestamp>, from: Timestamp) -> bool {
    let (Some(then), Some(now)) = (then, now) else { return false };
    let saved = now.since(then);
    saved > Duration::from_secs(60) && saved * 10 > now.since(from)
}
