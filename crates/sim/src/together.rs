//! Several agents of ours at once: their contacts and their reports are written in one set, as a busy server does it.

use crate::script::{Before, own_modules};
use crate::world::World;
use muster_core::fleet::Agent;
use muster_core::tasks::{AssignmentRecord, Outcome};
use muster_engine::contact::{self, OwnContact, OwnReports};
use muster_engine::work::{self, Claimed, Report, Said};
use std::collections::BTreeSet;

/// Who tells what, and how that stood before.
type Telling = (usize, Agent, Report, Option<AssignmentRecord>);

/// Agents of one set.
const MOST: usize = 4;

impl World {
    /// Some of our agents that are there, each once.
    fn some_own(&mut self) -> Vec<(usize, Agent)> {
        let mut own: Vec<usize> = (0..self.agents.len()).filter(|i| !self.agents[*i].away && self.agents[*i].is_own()).collect();
        let mut some = Vec::new();
        while some.len() < MOST && !own.is_empty() {
            let i = own.remove(self.dice.below(own.len()));
            some.extend(self.sender(i).map(|agent| (i, agent)));
        }
        some
    }

    /// Several come for work at the same moment.
    pub(crate) fn contacts_together(&mut self) {
        let some = self.some_own();
        let Some((_, first)) = some.first() else { return };
        let door = self.door(first.org);
        let seen: Vec<Before> = some.iter().map(|(_, agent)| self.before_contact(agent.clone())).collect();
        let max = self.dice.within(1, 4);
        let asks: Vec<OwnContact> =
            some.iter().map(|(_, agent)| OwnContact { agent: agent.id, modules: own_modules(true), max, walks: true }).collect();
        let answer = self.write("agent.contacts", &door, move |tx, cx| contact::own_contacts(tx, cx, &asks.iter().collect::<Vec<_>>()));
        seen.iter().for_each(|before| self.touch_all(Some(before)));
        let Ok(answers) = answer.result else { return self.note(format_args!("{} contacts together: no answer", some.len())) };
        for (((i, _), before), answer) in some.iter().zip(&seen).zip(answers) {
            let handed = answer.map_or(Vec::new(), |tidings| tidings.claimed);
            let claimed: Vec<Claimed> = handed.iter().map(|it| it.claimed.clone()).collect();
            self.handed_each(before, &claimed);
            let lost = self.is_answer_lost();
            self.note(format_args!("agent {i} contact with others: {} handed, lost {lost}", claimed.len()));
            if !lost {
                self.agents[*i].take(&handed);
            }
        }
    }

    /// One of ours opens a channel and says what it has: what was handed to it and never arrived is given back.
    pub(crate) fn channel_opened(&mut self) {
        let own: Vec<usize> = (0..self.agents.len()).filter(|i| !self.agents[*i].away && self.agents[*i].is_own()).collect();
        let Some(i) = self.dice.pick(&own) else { return };
        let Some(agent) = self.sender(i) else { return };
        let it = &self.agents[i];
        let has: Vec<_> = it.orders.iter().map(|r| (r.assignment, r.attempt)).chain(it.journal.iter().copied()).collect();
        let (before, told) = (self.before_contact(agent.clone()), it.digest());
        let answer = self.write("agent.resume", &self.door(agent.org), move |tx, cx| work::resume(tx, cx, &agent, &has, Some(&told)));
        self.touch_all(Some(&before));
        self.note(format_args!("agent {i} opens a channel: {:?} given back", answer.result.map_err(|e| e.key)));
    }

    /// Several tell how their work ended at the same moment.
    pub(crate) fn reports_together(&mut self) {
        let (mut told, mut assignments): (Vec<Telling>, _) = (Vec::new(), BTreeSet::new());
        for (i, agent) in self.some_own() {
            let place = self.dice.below(self.agents[i].orders.len());
            let Some(mut report) = self.agents[i].orders.get(place).cloned().filter(|_| self.agents[i].untold.is_empty()) else { continue };
            let ends = self.calm || self.dice.chance(700);
            report.at = self.agents[i].is_alone_in(&report).then_some(self.now());
            report.what = match ends {
                true if self.calm || self.dice.chance(700) => Said::Ended(Outcome::Ok),
                true => Said::Ended(Outcome::Error),
                false => Said::Running,
            };
            if assignments.insert(report.assignment) {
                self.begins(i, &report);
                if ends {
                    self.agents[i].orders.remove(place);
                    let now = self.now();
                    self.agents[i].goes_on(&report, now);
                }
                let before = self.known_state(&agent, report.assignment);
                told.push((i, agent, report, before));
            }
        }
        let Some((_, first, ..)) = told.first() else { return };
        let door = self.door(first.org);
        let all: Vec<OwnReports> =
            told.iter().map(|(_, agent, report, _)| OwnReports { agent: agent.id, reports: vec![report.clone()] }).collect();
        let answer = self.write("agent.reports", &door, move |tx, cx| contact::own_reports(tx, cx, &all.iter().collect::<Vec<_>>()));
        let answers = answer.result.unwrap_or_default();
        let mut answers = answers.into_iter().map(Result::ok);
        for (i, agent, report, before) in told {
            let taken = answers.next().flatten();
            self.heard_back(i, &report, taken.as_ref());
            self.reported(i, &agent, report, before, taken.and_then(|mut taken| taken.answers.pop()));
        }
    }
}
