//! The walk through time: one heap of what happens next, and a queue for each limit.

use super::{Course, Fleet, LONGEST, Line, MARKS, Work};
use crate::time::Timestamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// Pieces that are tried when one of their limits has room again, while others are under way.
const TRIES: usize = 8;

/// What is looked at for each piece, and at least: whoever has not begun by then is taken not to come in time.
const EVENTS_EACH: usize = 20;
const EVENTS: usize = 100_000;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A piece is over.
    Done(u32),
    /// The next wave of a work begins.
    Wave(u32),
    /// A piece whose machine waits on the line is looked at.
    Try(u32),
    /// A machine asks for work.
    Ask(u32),
    /// The time of a piece is over.
    Over(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waits,
    UnderWay,
    Ended,
    Late,
    Absent,
}

/// One machine's part of one work.
#[derive(Clone, Copy, Debug)]
struct Piece {
    work: u32,
    machine: u32,
    from: Timestamp,
    /// From here on it may not begin.
    until: Option<Timestamp>,
    wave: u32,
    state: State,
    kept: [bool; 4],
}

/// What keeps a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Run,
    House,
    Machine,
    Wave,
}

/// Where a work stands.
#[derive(Default)]
struct Standing {
    under_way: u32,
    wave: u32,
    /// Pieces of each wave that are not over.
    left: Vec<i64>,
    /// Pieces that its limit keeps.
    kept: VecDeque<u32>,
    /// Pieces of later waves.
    ahead: Vec<u32>,
}

struct Walk<'a> {
    fleet: &'a Fleet,
    works: &'a [Work],
    pieces: Vec<Piece>,
    /// The pieces of each machine, the first to be done first.
    of_machine: Vec<Vec<u32>>,
    busy: Vec<u32>,
    /// When each machine that asks does so next, if it is to.
    asks: Vec<Option<Timestamp>>,
    standing: Vec<Standing>,
    under_way: u32,
    kept: VecDeque<u32>,
    next: BinaryHeap<Reverse<(Timestamp, Event)>>,
    courses: Vec<Course>,
    ended: Vec<Vec<Timestamp>>,
    /// Whether the ends of their times are kept to.
    ends_hold: bool,
}

/// What becomes of each work.
pub fn walk(fleet: &Fleet, works: &[Work]) -> Vec<Course> {
    run(fleet, works, true)
}

/// The same if nothing had an end: [`Course::overdue`] says by how much it would be over.
pub(super) fn without_ends(fleet: &Fleet, works: &[Work]) -> Vec<Course> {
    run(fleet, works, false)
}

fn run(fleet: &Fleet, works: &[Work], ends_hold: bool) -> Vec<Course> {
    let mut walk = Walk::new(fleet, works, ends_hold);
    let end = fleet.from.plus(LONGEST);
    // Machines that ask again and again in vain would ask without end.
    for _ in 0..walk.pieces.len() * EVENTS_EACH + EVENTS {
        match walk.next.pop() {
            Some(Reverse((at, event))) if at <= end => walk.step(at, event),
            _ => break,
        }
    }
    walk.finish()
}

/// A number by lot, evenly spread, the same for the same `n`.
pub fn lot(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How long a piece lasts: log-normal, so that half of them take the typical time and nineteen of twenty no more than the slow one.
fn lasts(work: &Work, n: u64) -> Duration {
    let (typical, slow) = (work.pace.typical.as_secs_f64().max(0.001), work.pace.slow.as_secs_f64());
    let share = |n: u64| f64::from((lot(n) >> 40) as u32 + 1) / f64::from(1_u32 << 24);
    let normal = (-2.0 * share(2 * n).ln()).sqrt() * (std::f64::consts::TAU * share(2 * n + 1)).cos();
    let spread = (slow / typical).max(1.0).ln() / 1.645;
    Duration::from_secs_f64((typical * (spread * normal).exp()).min(LONGEST.as_secs_f64()))
}

/// The first of the moments `first`, `first + every`, … that is not before an instant.
pub fn from_then_on(first: Timestamp, every: Duration, at: Timestamp) -> Timestamp {
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
    let behind = (at.millis() - first.millis()).max(0);
    Timestamp(first.millis().saturating_add((behind / every + i64::from(behind % every > 0)).saturating_mul(every)))
}

fn place(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl<'a> Walk<'a> {
    fn new(fleet: &'a Fleet, works: &'a [Work], ends_hold: bool) -> Self {
        let mut it = Self {
            fleet,
            works,
            pieces: Vec::new(),
            of_machine: vec![Vec::new(); fleet.machines.len()],
            busy: vec![0; fleet.machines.len()],
            asks: vec![None; fleet.machines.len()],
            standing: Vec::new(),
            under_way: 0,
            kept: VecDeque::new(),
            next: BinaryHeap::new(),
            courses: Vec::new(),
            ended: vec![Vec::new(); works.len()],
            ends_hold,
        };
        let mut order: Vec<usize> = (0..works.len()).collect();
        order.sort_by_key(|n| works[*n].priority);
        it.standing.resize_with(works.len(), Standing::default);
        it.courses.resize_with(works.len(), Course::default);
        order.into_iter().for_each(|n| it.add(n));
        for machine in 0..fleet.machines.len() {
            match fleet.machines[machine].line {
                Line::Asks { first, .. } if !it.of_machine[machine].is_empty() => it.asks_at(first.max(fleet.from), place(machine)),
                Line::Asks { .. } | Line::Absent => {}
                Line::Waits(_) => it.next.extend(it.of_machine[machine].iter().map(|n| Reverse((fleet.from, Event::Try(*n))))),
            }
        }
        it
    }

    /// Adds the pieces of a work; who is in which wave is drawn by lot.
    fn add(&mut self, n: usize) {
        let (work, seed) = (&self.works[n], lot(n as u64) << 32);
        let mut drawn: Vec<u32> = (0..place(work.targets.len())).collect();
        if !work.waves.is_empty() {
            drawn.sort_by_key(|target| lot(seed ^ u64::from(*target)));
        }
        self.standing[n].left = vec![0; work.waves.len().max(1)];
        self.courses[n].targets = i64::try_from(work.targets.len()).unwrap_or(i64::MAX);
        for (position, target) in drawn.into_iter().enumerate() {
            let target = work.targets[target as usize];
            let Some(machine) = self.fleet.machines.get(target.machine as usize) else { continue };
            let position = i64::try_from(position).unwrap_or(i64::MAX);
            let wave = work.waves.iter().position(|end| position < *end).unwrap_or(work.waves.len().saturating_sub(1));
            let (from, until) = target.open.map_or((self.fleet.from, Some(self.fleet.from)), |open| {
                (open.not_before.max(self.fleet.from), open.not_after.map(|end| end.minus(machine.lead)))
            });
            let id = place(self.pieces.len());
            self.pieces.push(Piece {
                work: place(n),
                machine: target.machine,
                from,
                until,
                wave: place(wave),
                state: State::Waits,
                kept: [false; 4],
            });
            self.standing[n].left[wave] += 1;
            self.of_machine[target.machine as usize].push(id);
            // Only where others wait for it does it matter when the time of one is over.
            if let Some(until) = until.filter(|_| !work.waves.is_empty() && self.ends_hold) {
                self.next.push(Reverse((until.max(self.fleet.from), Event::Over(id))));
            }
        }
    }

    fn step(&mut self, at: Timestamp, event: Event) {
        match event {
            Event::Done(id) => self.done(at, id),
            Event::Wave(work) => {
                self.standing[work as usize].wave += 1;
                let ahead = std::mem::take(&mut self.standing[work as usize].ahead);
                for id in ahead {
                    let machine = self.pieces[id as usize].machine;
                    match self.fleet.machines[machine as usize].line {
                        Line::Asks { first, every } => self.asks_at(from_then_on(first, every, at), machine),
                        _ => self.next.push(Reverse((at, Event::Try(id)))),
                    }
                }
                self.settle_wave(at, work);
            }
            Event::Try(id) => drop(self.try_line(at, id)),
            Event::Ask(machine) => self.ask(at, machine),
            Event::Over(id) => {
                let absent = self.fleet.machines[self.pieces[id as usize].machine as usize].line == Line::Absent;
                self.give_up(at, id, if absent { State::Absent } else { State::Late });
            }
        }
    }

    /// Looks whether a piece may begin; what keeps it.
    fn cause(&self, id: u32) -> Option<Cause> {
        let piece = &self.pieces[id as usize];
        let (work, standing) = (&self.works[piece.work as usize], &self.standing[piece.work as usize]);
        if piece.wave > standing.wave {
            return Some(Cause::Wave);
        }
        if self.busy[piece.machine as usize] >= self.fleet.per_machine.max(1) {
            return Some(Cause::Machine);
        }
        if work.most.is_some_and(|most| standing.under_way >= most) {
            return Some(Cause::Run);
        }
        self.fleet.in_flight.is_some_and(|most| self.under_way >= most).then_some(Cause::House)
    }

    fn note(&mut self, id: u32, cause: Cause) {
        let piece = &mut self.pieces[id as usize];
        if std::mem::replace(&mut piece.kept[cause as usize], true) {
            return;
        }
        let kept = &mut self.courses[piece.work as usize].kept;
        let count = match cause {
            Cause::Run => &mut kept.run,
            Cause::House => &mut kept.house,
            Cause::Machine => &mut kept.machine,
            Cause::Wave => &mut kept.wave,
        };
        *count += 1;
    }

    fn is_over(&self, at: Timestamp, piece: &Piece) -> bool {
        self.ends_hold && piece.until.is_some_and(|until| at >= until)
    }

    /// A piece whose machine waits on the line; gives whether it began.
    fn try_line(&mut self, at: Timestamp, id: u32) -> bool {
        let piece = self.pieces[id as usize];
        if piece.state != State::Waits {
            return false;
        }
        let machine = self.fleet.machines[piece.machine as usize];
        // Only its own request brings it there otherwise.
        let Line::Waits(after) = machine.line else { return false };
        if self.is_over(at, &piece) {
            self.give_up(at, id, State::Late);
            return false;
        }
        let soonest = machine.up.on(at.max(piece.from.plus(after)));
        if soonest > at {
            self.next.push(Reverse((soonest, Event::Try(id))));
            return false;
        }
        match self.cause(id) {
            None => self.begin(at, id),
            Some(cause) => {
                self.note(id, cause);
                match cause {
                    Cause::Run => self.standing[piece.work as usize].kept.push_back(id),
                    Cause::House => self.kept.push_back(id),
                    Cause::Wave => self.standing[piece.work as usize].ahead.push(id),
                    // It is looked at when its machine is done with another.
                    Cause::Machine => {}
                }
                return false;
            }
        }
        true
    }

    /// Has a machine ask at an instant, unless it does so before.
    fn asks_at(&mut self, at: Timestamp, machine: u32) {
        let next = &mut self.asks[machine as usize];
        if next.is_none_or(|next| at < next) {
            *next = Some(at);
            self.next.push(Reverse((at, Event::Ask(machine))));
        }
    }

    fn ask(&mut self, at: Timestamp, machine: u32) {
        let it = self.fleet.machines[machine as usize];
        let Line::Asks { every, .. } = it.line else { return };
        if self.asks[machine as usize].take_if(|next| *next == at).is_none() {
            return;
        }
        let on = it.up.on(at);
        if on > at {
            return self.asks_at(on, machine);
        }
        for n in 0..self.of_machine[machine as usize].len() {
            let id = self.of_machine[machine as usize][n];
            let piece = self.pieces[id as usize];
            if piece.state != State::Waits {
                continue;
            }
            if self.is_over(at, &piece) {
                self.give_up(at, id, State::Late);
            } else if at < piece.from {
                self.asks_at(from_then_on(at, every, piece.from), machine);
            } else if let Some(cause) = self.cause(id) {
                self.note(id, cause);
                match cause {
                    // It asks in vain until then.
                    Cause::Wave => self.standing[piece.work as usize].ahead.push(id),
                    _ => self.asks_at(from_then_on(at, every, Timestamp(at.millis() + 1)), machine),
                }
            } else {
                self.begin(at, id);
            }
        }
    }

    fn begin(&mut self, at: Timestamp, id: u32) {
        let piece = &mut self.pieces[id as usize];
        piece.state = State::UnderWay;
        let (work, machine, until) = (piece.work as usize, piece.machine as usize, piece.until);
        let took = lasts(&self.works[work], u64::from(id));
        self.busy[machine] += 1;
        self.under_way += 1;
        self.standing[work].under_way += 1;
        let course = &mut self.courses[work];
        course.begun += 1;
        course.most_at_once = course.most_at_once.max(i64::from(self.standing[work].under_way));
        course.last_begun = course.last_begun.max(Some(at));
        course.overdue = course.overdue.max(until.map_or(Duration::ZERO, |until| at.since(until)));
        self.next.push(Reverse((at.plus(took), Event::Done(id))));
    }

    fn done(&mut self, at: Timestamp, id: u32) {
        self.pieces[id as usize].state = State::Ended;
        let (work, machine) = (self.pieces[id as usize].work, self.pieces[id as usize].machine as usize);
        self.busy[machine] -= 1;
        self.under_way -= 1;
        self.standing[work as usize].under_way -= 1;
        self.ended[work as usize].push(at);
        self.settled(at, id);
        if matches!(self.fleet.machines[machine].line, Line::Waits(_)) && self.of_machine[machine].len() > 1 {
            let waiting = self.of_machine[machine].iter().filter(|id| {
                let piece = &self.pieces[**id as usize];
                piece.state == State::Waits && piece.kept[Cause::Machine as usize]
            });
            self.next.extend(waiting.map(|id| Reverse((at, Event::Try(*id)))));
        }
        self.let_in(at, work as usize);
    }

    /// Tries those that a limit kept, as one of each has room again.
    fn let_in(&mut self, at: Timestamp, work: usize) {
        let tries = |is_idle: bool, waiting: usize| if is_idle { waiting } else { waiting.min(TRIES) };
        for _ in 0..tries(self.standing[work].under_way == 0, self.standing[work].kept.len()) {
            let Some(id) = self.standing[work].kept.pop_front() else { break };
            if self.try_line(at, id) {
                break;
            }
        }
        for _ in 0..tries(self.under_way == 0, self.kept.len()) {
            let Some(id) = self.kept.pop_front() else { break };
            if self.try_line(at, id) {
                break;
            }
        }
    }

    fn give_up(&mut self, at: Timestamp, id: u32, state: State) {
        if self.pieces[id as usize].state == State::Waits {
            self.pieces[id as usize].state = state;
            self.settled(at, id);
        }
    }

    /// A piece is over: its wave may be.
    fn settled(&mut self, at: Timestamp, id: u32) {
        let Piece { work, wave, .. } = self.pieces[id as usize];
        self.standing[work as usize].left[wave as usize] -= 1;
        if wave == self.standing[work as usize].wave {
            self.settle_wave(at, work);
        }
    }

    fn settle_wave(&mut self, at: Timestamp, work: u32) {
        let (it, standing) = (&self.works[work as usize], &self.standing[work as usize]);
        let wave = standing.wave as usize;
        if wave + 1 < it.waves.len() && standing.left[wave] == 0 {
            self.next.push(Reverse((at.plus(it.wait), Event::Wave(work))));
        }
    }

    fn finish(mut self) -> Vec<Course> {
        for piece in &self.pieces {
            let (course, standing) = (&mut self.courses[piece.work as usize], &self.standing[piece.work as usize]);
            let is_absent = self.fleet.machines[piece.machine as usize].line == Line::Absent;
            match piece.state {
                State::UnderWay | State::Ended => {}
                State::Waits if is_absent => course.absent += 1,
                State::Waits if piece.until.is_none() && piece.wave > standing.wave => course.unreached += 1,
                State::Waits | State::Late => course.late += 1,
                State::Absent => course.absent += 1,
            }
        }
        for (course, ended) in self.courses.iter_mut().zip(&mut self.ended) {
            ended.sort_unstable();
            course.ends = ended.last().copied();
            course.marks = MARKS.map(|percent| ended.get((ended.len() * percent).div_ceil(100).saturating_sub(1)).copied());
        }
        self.courses
    }
}
