//! The checkers: one function per rule of the engine, over what was observed and what was acknowledged.
//!
//! They use none of the engine's own decisions, only the words of its answers.

pub(crate) mod jobs;
pub(crate) mod pools;
pub(crate) mod waves;

use crate::model::Model;
use crate::observe::{Observed, ObservedAssignment, ObservedGroup, ObservedRun, Told};
use crate::script::lead;
use muster_core::ids::{AssignmentId, DeviceId};
use muster_core::tasks::state::Status;
use muster_core::tasks::{AttemptRecord, AttemptState, Counts, Event, Outcome, Run, RunState, Scope, State};
use muster_core::time::Timestamp;
use muster_engine::work::Said;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The rule's number in the engine's list; 0 is a failure inside the engine.
    pub rule: u8,
    /// What was seen.
    pub what: String,
}

/// Reasons for which an open assignment may wait.
const WAITING: &[&str] = &[
    "frozen",
    "run_paused",
    "ending",
    "retry",
    "not_yet",
    "too_late",
    "server_next",
    "unable",
    "switched_off",
    "agent_busy",
    "run_full",
    "org_full",
    "no_agent",
    "not_verified",
    "waking",
    "wake_busy",
    "wake_refused",
    "wake_denied",
    "wake_timeout",
    "wake_unreachable",
    "never_contacted",
    "agent_silent",
    "waiting_for_contact",
    "pool_empty",
    "pool_silent",
    "pool_full",
    "pool_next",
];
/// Reasons of one that is with an agent.
const LEASED: &[&str] = &["leased", "by_machine", "cannot_be_stopped", "stopping"];

/// What the checkers remember from look to look.
#[derive(Debug, Default)]
pub struct Checkers {
    states: BTreeMap<AssignmentId, State>,
    outcomes: BTreeMap<(AssignmentId, u32), AttemptState>,
    handed: BTreeSet<(AssignmentId, u32)>,
    begun: BTreeMap<AssignmentId, BTreeSet<u32>>,
    breaches: Vec<Breach>,
}

impl Checkers {
    /// Compares a look with the rules; gives what is broken.
    pub fn check(&mut self, seen: &Observed, model: &Model) -> Vec<Breach> {
        for what in &seen.broken {
            self.breach(0, what.clone());
        }
        for (id, no) in &seen.begun {
            self.begun.entry(*id).or_default().insert(*no);
        }
        for it in &seen.assignments {
            self.outcomes_are_final(it);
            self.finality(it);
            self.attempts(it);
            self.reason(it);
            self.cancelled_rows(it);
            self.acknowledged_work(it, model);
            self.replay(it);
        }
        for run in &seen.runs {
            jobs::check(run, &mut |what| self.breaches.push(Breach { rule: 7, what }));
            waves::check(run, &mut |what| self.breaches.push(Breach { rule: 12, what }));
            pools::check(run, model, &mut |what| self.breaches.push(Breach { rule: 6, what }));
            jobs::totals(run, &mut |what| self.breaches.push(Breach { rule: 8, what }));
            self.totals(run);
            self.snapshot(run, model);
            self.run_record(run, seen);
            self.borders_of_run(run, model);
        }
        self.hand_outs(seen, model);
        seen.told.iter().for_each(|t| self.stale_reports(t));
        for it in seen.intrusions.iter().filter(|i| i.worked) {
            self.breach(13, format!("somebody reached {}", it.what));
        }
        for it in seen.trust.iter().filter(|t| t.before != t.after) {
            self.breach(13, format!("agent {} was verified {} and is {} after a merge, split or undo", it.agent, it.before, it.after));
        }
        for what in &seen.unapproved {
            self.breach(17, what.clone());
        }
        for group in &seen.groups {
            self.members(group);
        }
        if seen.full {
            self.occurrences(seen, model);
            self.acknowledged_things(seen, model);
            self.reasons_end(seen);
        }
        for (id, state) in &seen.unfinished {
            self.breach(15, format!("run {id} did not end: {state}"));
        }
        std::mem::take(&mut self.breaches)
    }

    /// What an attempt had come to when it was last seen.
    pub(crate) fn outcome_seen(&self, id: AssignmentId, attempt: u32) -> Option<AttemptState> {
        self.outcomes.get(&(id, attempt)).copied()
    }

    fn breach(&mut self, rule: u8, what: String) {
        self.breaches.push(Breach { rule, what });
    }

    fn require(&mut self, rule: u8, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.breach(rule, what());
        }
    }

    /// Rule 16: the members of a group with a query are those of the query, but for a moment after the query was changed.
    fn members(&mut self, group: &ObservedGroup) {
        let there = group.members.len();
        self.require(16, i64::try_from(there) == Ok(group.count), || format!("group {} says {} and has {there}", group.id, group.count));
        self.require(16, !group.fresh || group.members == group.selected, || {
            format!("group {} has {:?}, its query {} selects {:?}", group.id, group.members, group.query, group.selected)
        });
    }

    /// Rule 1: an outcome is final, except that unknown may become ok or error.
    fn outcomes_are_final(&mut self, it: &ObservedAssignment) {
        let id = it.record.id;
        for attempt in &it.attempts {
            let before = self.outcomes.insert((id, attempt.no), attempt.state);
            let fits = match before {
                None | Some(AttemptState::Started) => true,
                Some(AttemptState::Running) => attempt.state != AttemptState::Started,
                Some(AttemptState::Unknown) => {
                    matches!(attempt.state, AttemptState::Unknown | AttemptState::Ok | AttemptState::Error | AttemptState::Declined)
                }
                Some(same) => same == attempt.state,
            };
            self.require(1, fits, || format!("attempt {} of {id} went from {before:?} to {:?}", attempt.no, attempt.state));
        }
        let state = it.record.state.status.state();
        let before = self.states.insert(id, state);
        let fits = match before {
            Some(State::Unknown) => matches!(state, State::Unknown | State::Ok | State::Error),
            Some(old) if !old.is_open() => old == state,
            _ => true,
        };
        self.require(1, fits, || format!("{id} went from {before:?} to {state}"));
    }

    /// Rule 1: final if and only if no try remains.
    fn finality(&mut self, it: &ObservedAssignment) {
        let (a, id) = (&it.record.state, it.record.id);
        // What was given back was not begun: it may be handed out again whatever it is.
        let declined = it.attempts.last().is_some_and(|last| last.state == AttemptState::Declined);
        let more = (a.rules.idempotent || declined) && a.attempt < a.rules.attempts_max && !a.cancel_requested;
        // No try remains that could begin in its time only after the pause.
        let pause = a.rules.backoff.saturating_mul(1 << a.attempt.saturating_sub(1).min(16)).min(Duration::from_secs(86_400));
        let over = |end: Timestamp| a.status.ended().is_some_and(|at| end <= at.plus(pause));
        let remain = more && !a.limits.not_after.is_some_and(over);
        // A job that waits for it no longer leaves it no further try.
        let late = it.events.last().is_some_and(|e| e.data.get("barrier").is_some());
        let before_last = it.events.iter().rev().nth(1).map(|e| e.kind.as_str());
        match a.status.state() {
            State::Error => {
                // What no agent of its target can do fails without a try.
                let may = remain && a.attempt > 0 && (a.rules.on_error || declined) && before_last != Some("unknown");
                self.require(1, !may, || format!("{id} ended in error after try {} of {}", a.attempt, a.rules.attempts_max));
            }
            State::Unknown => {
                self.require(1, late || !(remain && a.rules.on_unknown), || format!("{id} ended unknown after try {}", a.attempt));
            }
            State::Prepared => {
                let lost = it.attempts.last().is_some_and(never_arrived);
                self.require(1, a.attempt == 0 || remain || lost, || format!("{id} waits after its last try {}", a.attempt));
            }
            State::Expired => {
                let passed = a.limits.not_after.is_some_and(|end| {
                    let first = |at: Timestamp| if declined { at.plus(pause) } else { at };
                    a.status.ended().is_some_and(|at| end <= first(at))
                });
                self.require(5, late || passed, || format!("{id} expired before its time was over"));
                let begun = it.attempts.iter().any(|attempt| attempt.state != AttemptState::Declined);
                self.require(5, !begun, || format!("{id} expired though it was tried {} times", a.attempt));
            }
            _ => {}
        }
    }

    /// Rules 2 and 3: attempts are 1, 2, 3 … and not more than allowed; one at most is alive.
    fn attempts(&mut self, it: &ObservedAssignment) {
        let (a, id) = (&it.record.state, it.record.id);
        let numbers: Vec<u32> = it.attempts.iter().map(|t| t.no).collect();
        let expected: Vec<u32> = (1..=a.attempt).collect();
        self.require(2, numbers == expected, || format!("{id} is at attempt {}, its attempts are {numbers:?}", a.attempt));
        // What never arrived was no try.
        let made = it.attempts.iter().filter(|attempt| !never_arrived(attempt)).count();
        self.require(3, made <= a.rules.attempts_max as usize, || format!("{id} was tried {made} times of {}", a.rules.attempts_max));
        let kept = it.attempts.iter().filter(|t| t.state != AttemptState::Declined).count();
        let begun = self.begun.get(&id).map_or(0, BTreeSet::len);
        self.require(3, a.rules.idempotent || kept.max(begun) <= 1, || format!("{id} was begun {begun} times, in {kept} attempts"));
        let alive = it.attempts.iter().filter(|t| matches!(t.state, AttemptState::Started | AttemptState::Running)).count();
        let leased = usize::from(a.status.lease().is_some());
        self.require(2, alive == leased, || format!("{id} is {} with {alive} attempts under way", a.status.state()));
    }

    /// Rule 2: a report of an older attempt or incarnation changes nothing.
    fn stale_reports(&mut self, told: &Told) {
        let current = told.before.as_ref().is_some_and(|b| {
            let actor = b.state.last_actor;
            b.state.attempt == told.attempt
                && actor.is_some_and(|a| a.agent == told.agent && a.incarnation == told.incarnation)
                && told.incarnation == told.incarnation_now
        });
        // What an agent did alone begins with its word of it.
        let begins = told.before.as_ref().is_some_and(|b| b.state.attempt + 1 == told.attempt && b.state.status.state() == State::Prepared);
        if current || (told.alone && begins && told.incarnation == told.incarnation_now) {
            return;
        }
        let what = format!("{} of {} by {} in life {}", told.attempt, told.assignment, told.agent, told.incarnation);
        self.require(2, told.answer.is_err(), || format!("an old report was taken: attempt {what}"));
        self.require(2, told.before == told.after, || format!("an old report changed something: attempt {what}"));
    }

    /// Rules 2, 4, 9, 12, 13: what reaches an agent.
    fn hand_outs(&mut self, seen: &Observed, model: &Model) {
        for it in &seen.handed {
            let (id, no) = (it.assignment, it.attempt);
            let first = self.handed.insert((id, no));
            self.require(2, first, || format!("attempt {no} of {id} was handed out twice"));
            self.require(2, no == it.before + 1, || format!("attempt {no} of {id} came after attempt {}", it.before));
            let ended = model.cancelled.contains(&id) || model.cancelled_runs.contains(&it.run);
            self.require(9, !ended, || format!("{id} was handed out after it was cancelled"));
            let begins = it.at.plus(lead(it.protocol));
            let in_time = it.from <= it.at && it.not_after.is_none_or(|end| begins < end);
            self.require(5, in_time, || format!("{id} was handed out at {}, its time is {} to {:?}", it.at, it.from, it.not_after));
            self.require(9, !it.paused, || format!("{id} was handed out while its run was paused"));
            self.require(13, it.verified || it.action == "inventory", || format!("{} went to an unverified agent", it.action));
            let run_org = model.runs.get(&it.run).map(|(org, _)| *org);
            let agent_org = model.agents.get(&it.agent).copied();
            let home = run_org.is_none_or(|o| o == it.org) && agent_org.is_none_or(|o| o == it.org);
            self.require(13, home, || format!("{id} went to agent {} of another organization", it.agent));
        }
        for it in &seen.offers {
            let expected = it.claimable.min(it.max);
            self.require(4, it.handed == expected, || format!("agent {} got {} of {expected} claimable", it.agent, it.handed));
            self.require(9, !it.frozen || it.handed == 0, || format!("agent {} got {} while the brake was on", it.agent, it.handed));
            for (whose, (before, most)) in [("an agent", it.agent_load), ("an organization", it.org_load)] {
                let fits = most == 0 || it.handed == 0 || before + it.handed <= most;
                self.require(12, fits, || format!("{whose} had {before} under way, got {} and may have {most}", it.handed));
            }
        }
    }

    /// Rule 4: each open assignment waits for a reason of the list or is leased, and the reason names its end.
    fn reason(&mut self, it: &ObservedAssignment) {
        let (id, state) = (it.record.id, it.record.state.status.state());
        let key = it.reason.reason.key.as_str();
        let known = match state {
            State::Prepared => WAITING.contains(&key),
            State::Started | State::Running => LEASED.contains(&key),
            _ => key == "done",
        };
        self.require(4, known, || format!("{id} is {state} for the reason '{key}'"));
        let named = !it.reason.reason.text.is_empty() && !it.reason.ends.key.is_empty() && !it.reason.ends.text.is_empty();
        self.require(4, named, || format!("{id}: '{key}' does not name what ends it"));
    }

    /// Rule 4: nothing waits for the agents of a device that was removed or is of another organization, or in a run that has ended.
    fn reasons_end(&mut self, seen: &Observed) {
        let runs: BTreeMap<_, _> = seen.runs.iter().map(|r| (r.run.id, r.run.state)).collect();
        for it in &seen.assignments {
            let (record, state) = (&it.record, it.record.state.status.state());
            let of_machine = record.device != DeviceId::SERVER && !record.pooled;
            let is_here = || seen.devices.contains(&(record.device, it.org));
            let there = state != State::Prepared || !of_machine || is_here();
            self.require(4, there, || format!("{} waits for the agents of device {}, which is not there", record.id, record.device));
            let alive = !state.is_open() || runs.get(&record.run).is_none_or(|s| *s != RunState::Finished);
            self.require(4, alive, || format!("{} is {state} in a run that has finished", record.id));
        }
    }

    /// Rule 11: one run per schedule and nominal time; none of a schedule that is out of action.
    fn occurrences(&mut self, seen: &Observed, model: &Model) {
        let late = |run: &&Run| model.switched_off.get(&run.task).is_some_and(|known| !known.contains(&run.id));
        for run in seen.runs.iter().map(|r| &r.run).filter(|run| run.nominal.is_some()).filter(late) {
            self.require(11, false, || format!("run {} of task {} began although its schedule is out of action", run.id, run.task));
        }
        let mut runs: BTreeMap<_, usize> = BTreeMap::new();
        for run in seen.runs.iter().map(|r| &r.run) {
            if let Some(nominal) = &run.nominal {
                *runs.entry((run.task, nominal)).or_default() += 1;
            }
        }
        for ((task, nominal), count) in runs {
            self.require(11, count == 1, || format!("task {task} ran {count} times for {nominal}"));
        }
    }

    /// Rule 8: targeted is the sum of the totals, by run and by step; totals equal the rows.
    fn totals(&mut self, it: &ObservedRun) {
        let (run, id) = (&it.run, it.run.id);
        let sum = run.counts.total();
        self.require(8, sum == run.targeted, || format!("run {id} targets {}, its totals sum to {sum}", run.targeted));
        for (step, counts) in &it.steps {
            let (sum, wanted) = (counts.total(), if run.walked && step.scope == Scope::Server { 1 } else { run.targeted });
            self.require(8, sum == wanted, || format!("run {id} targets {wanted}, step {} sums to {sum}", step.name));
        }
        if let Some(mut rows) = it.rows {
            rows.add(State::Prepared, run.targeted - run.made);
            let all = it.steps.iter().fold(Counts::default(), |a, (_, b)| a.plus(b));
            let fits = rows == run.counts && (run.walked || rows == all);
            self.require(8, fits, || format!("run {id} counts {:?}, its rows {rows:?}", run.counts));
        }
        let finished = run.state == RunState::Finished;
        // Others may join one that is done, until the end of its time.
        let waits = run.late_due.is_some() && run.not_after.is_some() && !run.cancel_requested;
        let fits = finished == (run.counts.open() == 0) || (waits && !finished);
        self.require(8, fits, || format!("run {id} is {} with {} open", run.state, run.counts.open()));
        let verdict = if finished { run.counts.verdict() } else { None };
        self.require(8, run.verdict == verdict, || format!("run {id} has the verdict {:?}, its totals say {verdict:?}", run.verdict));
    }

    /// Rule 12: the targets are exactly those that were confirmed, whatever became of devices and groups since.
    fn snapshot(&mut self, it: &ObservedRun, model: &Model) {
        let (Some(_), Some(confirmed)) = (it.rows, model.confirmed.get(&it.run.id)) else { return };
        // What the server does itself is done once, whomever it is about.
        if it.targets.contains(&DeviceId::SERVER) {
            return;
        }
        if it.run.is_pooled() {
            return;
        }
        let (id, made) = (it.run.id, it.run.made == it.run.targeted);
        let strays: Vec<&DeviceId> = it.targets.difference(confirmed).collect();
        let fits = i64::try_from(strays.len()).is_ok_and(|count| count <= it.run.late_joined);
        self.require(12, fits, || {
            format!("run {id} hits {strays:?}, which nobody confirmed; {} joined it since its start", it.run.late_joined)
        });
        let spared = confirmed.difference(&it.targets).next().filter(|_| made);
        self.require(12, spared.is_none(), || format!("run {id} spares {spared:?}, which was confirmed"));
    }

    /// Rule 9: a cancelled one has nothing under way and was not handed out after the end was asked for.
    fn cancelled_rows(&mut self, it: &ObservedAssignment) {
        let id = it.record.id;
        if it.record.state.status.state() == State::Cancelled {
            let place = it.events.iter().position(|e| e.kind == "cancelled");
            let after = place.is_some_and(|p| it.events.len() > p + 1);
            self.require(9, !after, || format!("{id} went on after it was cancelled"));
            self.require(9, it.record.state.cancel_requested, || format!("{id} is cancelled and nobody asked for it"));
        }
    }

    /// Rules 9 and 14: the record of a run: nothing is handed out after its end was asked for; each change once.
    fn run_record(&mut self, it: &ObservedRun, seen: &Observed) {
        if it.events.is_empty() {
            return;
        }
        let (run, id) = (&it.run, it.run.id);
        let own: Vec<&Event> = it.events.iter().filter(|e| e.assignment.is_none()).collect();
        let count = |kind: &str| own.iter().filter(|e| e.kind == kind).count();
        // What joins a run makes it complete, and perhaps over, once more.
        let joined = count("joined");
        let expected = [
            ("created", 1, 0),
            ("made", usize::from(run.made >= run.targeted && run.state != RunState::Preparing), joined),
            ("cancel_requested", usize::from(run.cancel_requested), 0),
            ("finished", usize::from(run.state == RunState::Finished), joined),
        ];
        for (kind, wanted, more) in expected {
            let found = count(kind);
            self.require(14, (wanted..=wanted + more).contains(&found), || {
                format!("run {id} has {found} events '{kind}', {wanted} expected")
            });
        }
        if let Some(asked) = own.iter().find(|e| e.kind == "cancel_requested").map(|e| e.id) {
            let late = it.events.iter().find(|e| e.id > asked && e.kind == "started");
            self.require(9, late.is_none(), || format!("run {id}: {late:?} came after its end was asked for"));
        }
        let begun = it.events.iter().filter(|e| e.kind == "started").count();
        let all: Vec<_> = seen.assignments.iter().filter(|a| a.record.run == id).collect();
        if !run.walked && i64::try_from(all.len()) == Ok(run.made) {
            let attempts: usize = all.iter().map(|a| a.attempts.len()).sum();
            self.require(14, begun == attempts, || format!("run {id} has {attempts} attempts and {begun} events of a start"));
        }
    }

    /// Rule 10: hand-outs and reports that were acknowledged are there.
    fn acknowledged_work(&mut self, it: &ObservedAssignment, model: &Model) {
        let id = it.record.id;
        let attempt = |no: u32| it.attempts.iter().find(|a| a.no == no);
        for (no, agent) in model.handed.get(&id).into_iter().flatten() {
            let there = attempt(*no).is_some_and(|a| a.agent == *agent);
            self.require(10, there, || format!("attempt {no} of {id} was handed to {agent} and is not there"));
        }
        for (no, said) in model.said.get(&id).into_iter().flatten() {
            let kept = attempt(*no).is_some_and(|a| match said {
                Said::Running => a.begun.is_some(),
                Said::Ended(Outcome::Ok) => a.state == AttemptState::Ok,
                Said::Ended(Outcome::Error) => a.state == AttemptState::Error,
                Said::Ended(Outcome::Declined) => a.state == AttemptState::Declined,
            });
            self.require(10, kept, || format!("the report {said:?} on attempt {no} of {id} was taken and is not there"));
        }
    }

    /// Rules 10 and 13: tasks, runs, devices and inventories that were acknowledged are there, each where it belongs.
    fn acknowledged_things(&mut self, seen: &Observed, model: &Model) {
        for (id, (_, version)) in &model.tasks {
            let there = seen.tasks.iter().any(|(t, v)| t == id && v >= version);
            self.require(10, there, || format!("task {id} in version {version} was acknowledged and is not there"));
        }
        for (id, (_, targeted)) in &model.runs {
            let there = seen.runs.iter().any(|r| r.run.id == *id && [0, r.run.late_joined].contains(&(r.run.targeted - *targeted)));
            self.require(10, there, || format!("run {id} on {targeted} devices was acknowledged and is not there"));
        }
        for id in &model.cancelled_runs {
            let asked = seen.runs.iter().any(|r| r.run.id == *id && r.run.cancel_requested);
            self.require(10, asked, || format!("the end of run {id} was acknowledged and is not asked for"));
        }
        for (device, section, stored) in &seen.marks {
            let mark = model.marks.get(&(*device, section.clone())).cloned().unwrap_or_default();
            self.require(10, mark.fits(*stored), || format!("device {device} holds {section} {stored:?}, {mark:?} was acknowledged"));
        }
        for (device, org) in &model.devices {
            let found: Vec<_> = seen.devices.iter().filter(|(d, _)| d == device).map(|(_, o)| *o).collect();
            self.require(10, !found.is_empty(), || format!("device {device} was acknowledged and is not there"));
            self.require(13, found.iter().all(|o| o == org), || format!("device {device} shows in another organization"));
        }
    }

    /// Rule 13: what one organization is shown is its own.
    fn borders_of_run(&mut self, it: &ObservedRun, model: &Model) {
        let own = it.run.org == it.org && model.runs.get(&it.run.id).is_none_or(|(org, _)| *org == it.org);
        self.require(13, own, || format!("run {} shows in another organization", it.run.id));
    }

    /// Rule 14: the record, replayed from prepared, gives the present state; each step of it may follow the one before.
    fn replay(&mut self, it: &ObservedAssignment) {
        let (id, now) = (it.record.id, it.record.state.status.state());
        let (mut state, mut attempt) = (State::Prepared, 0);
        for event in &it.events {
            let Ok(next) = event.kind.parse::<State>() else { continue };
            let fits = follows(state, next) && (next != State::Started || event.attempt == Some(attempt + 1));
            self.require(14, fits, || format!("{id}: the record goes from {state} to {next} (attempt {:?})", event.attempt));
            attempt = event.attempt.unwrap_or(attempt);
            state = next;
        }
        self.require(14, state == now, || format!("{id} is {now}, its record ends at {state}"));
        let last = it.record.state.attempt;
        self.require(14, attempt == last, || format!("{id} is at attempt {last}, its record at {attempt}"));
        let leased = matches!(it.record.state.status, Status::Started { .. } | Status::Running { .. });
        self.require(4, leased == it.record.state.status.lease().is_some(), || format!("{id} is {now} without a lease"));
    }
}

/// Whether an attempt never came to its agent.
fn never_arrived(attempt: &AttemptRecord) -> bool {
    attempt.message.as_deref() == Some(muster_engine::work::NEVER_ARRIVED)
}

/// Whether a state may follow another in the record.
fn follows(from: State, to: State) -> bool {
    use State::{Cancelled, Error, Expired, Ok, Prepared, Running, Skipped, Started, Unknown};
    match from {
        Prepared => matches!(to, Started | Cancelled | Ok | Error | Unknown | Expired | Skipped),
        Started => matches!(to, Running | Ok | Error | Unknown | Prepared | Expired | Cancelled),
        Running => matches!(to, Ok | Error | Unknown | Prepared),
        Unknown => matches!(to, Ok | Error),
        _ => false,
    }
}
