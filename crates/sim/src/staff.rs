//! The workers, activated at seeded moments, with a scripted outside for wake-ups.

use crate::world::{Answer, World};
use muster_core::fleet::WakeOutcome;
use muster_core::tasks::Outcome;
use muster_engine::workers::{Done, lapse, prepare, presence, wake_done, wakes_take};
use muster_engine::{groups, jobs, schedules, steps};
use muster_store::Strike;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Wake-ups taken at once.
const WAKES: i64 = 8;

impl World {
    /// Makes or cancels assignments, one piece; gives whether more is due.
    pub(crate) fn work_prepare(&mut self) -> bool {
        let cx = self.door(self.tenants[0].id);
        let done = self.write("runs.prepare", &cx, prepare);
        self.worked("prepare", done)
    }

    /// Ends leases; gives whether more is due.
    pub(crate) fn work_lapse(&mut self) -> bool {
        let cx = self.door(self.tenants[0].id);
        let done = self.write("runs.lapse", &cx, lapse);
        self.worked("lapse", done)
    }

    /// Starts what is due by the clock.
    pub(crate) fn work_schedules(&mut self) -> bool {
        let cx = self.door(self.tenants[0].id);
        let done = self.write("schedules.look", &cx, schedules::look);
        self.worked("schedules", done)
    }

    /// Starts what something happened for.
    pub(crate) fn work_happenings(&mut self) -> bool {
        let cx = self.door(self.tenants[0].id);
        let done = self.write("schedules.answer", &cx, schedules::answer);
        self.worked("happenings", done)
    }

    /// Does the server's own steps; what comes of errands may be lost with the server.
    pub(crate) fn work_steps(&mut self) -> bool {
        let cx = self.door(self.tenants[0].id);
        let answer = self.write("steps.work", &cx, steps::work);
        let (errands, more) = self.never_fails("steps", answer);
        self.note(format_args!("worker steps: {} errands", errands.len()));
        for errand in errands {
            if !self.calm && self.dice.chance(200) {
                continue;
            }
            let outcome = self.dice.pick(&[Outcome::Ok, Outcome::Error]).unwrap_or(Outcome::Ok);
            let told = steps::Told { outcome, exit_code: Some(200), message: "scripted".to_owned(), output: None };
            self.touched.push((errand.org, errand.assignment));
            drop(self.write("steps.done", &cx, move |tx, cx| steps::done(tx, cx, &errand, &told)));
        }
        more
    }

    /// Leads server jobs; gives whether more is due.
    pub(crate) fn work_jobs(&mut self) -> bool {
        let cx = self.door(self.tenants[0].id);
        let done = self.write("jobs.work", &cx, jobs::work);
        self.worked("jobs", done)
    }

    /// A worker fails only when the store does: whatever else it meets is that one thing's error, and must not stop all others.
    pub(crate) fn never_fails<T: Default>(&mut self, name: &str, answer: Answer<T>) -> T {
        match answer {
            Answer { result: Err(error), strike: Strike::Pass } => {
                self.seen.broken.push(format!("the worker {name} cannot go on: {} {error}", error.key));
                T::default()
            }
            Answer { result, .. } => result.unwrap_or_default(),
        }
    }

    fn worked(&mut self, name: &str, done: Answer<Done>) -> bool {
        let done = self.never_fails(name, done);
        self.note(format_args!("worker {name}: {}", done.count));
        done.more
    }

    /// Brings the members of a group whose query changed up to date; gives whether more is due.
    pub(crate) fn work_groups(&mut self) -> bool {
        let cx = self.door(self.tenants[0].id);
        let strays = match self.engine.read_now(&cx, groups::strays) {
            Ok(Some(strays)) => strays,
            Ok(None) => return false,
            Err(error) => {
                self.seen.broken.push(format!("the worker groups cannot look: {} {error}", error.key));
                return false;
            }
        };
        let done = strays.is_empty();
        let answer = self.write("groups.refresh", &cx, move |tx, cx| groups::refresh(tx, cx, &strays));
        let count = self.never_fails("groups", answer);
        self.note(format_args!("worker groups: {count}"));
        count > 0 || done
    }

    /// Writes presence.
    pub(crate) fn work_presence(&mut self) {
        let cx = self.door(self.tenants[0].id);
        let engine = self.engine.clone();
        // An inline store answers at once outside of a runtime, so one poll is enough.
        let answer = match pin!(presence(&engine, &cx)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => return self.seen.broken.push("presence was not written at once".to_owned()),
        };
        self.note(format_args!("worker presence: {:?}", answer.map(|d| d.count).ok()));
    }

    /// Takes wake-ups that are due.
    pub(crate) fn work_wakes(&mut self) {
        let cx = self.door(self.tenants[0].id);
        let calls = self.write("wakes.take", &cx, |tx, cx| wakes_take(tx, cx, WAKES)).result.unwrap_or_default();
        self.note(format_args!("worker wakes: {}", calls.len()));
        self.wakes.extend(calls);
    }

    /// The outside answers a wake-up.
    pub(crate) fn work_wake_done(&mut self) {
        if self.wakes.is_empty() {
            return;
        }
        let place = self.dice.below(self.wakes.len());
        let call = self.wakes.swap_remove(place);
        let all =
            [WakeOutcome::Ok, WakeOutcome::Busy, WakeOutcome::Refused, WakeOutcome::Denied, WakeOutcome::Timeout, WakeOutcome::Unreachable];
        let outcome = if self.calm || self.dice.chance(400) { WakeOutcome::Ok } else { self.dice.pick(&all).unwrap_or(WakeOutcome::Ok) };
        let cx = self.door(call.org);
        let woken = call.agent;
        let done = self.write("wakes.done", &cx, move |tx, cx| wake_done(tx, cx, &call, outcome, "scripted"));
        self.note(format_args!("wake-up of {woken}: {outcome:?}, noted {}", done.result.is_ok()));
        if outcome == WakeOutcome::Ok
            && let Some(script) = self.agents.iter_mut().find(|s| s.agent == Some(woken))
        {
            script.woken = true;
        }
    }
}
