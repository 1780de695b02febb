//! What agents tell of their work.

use super::{Around, Report, Said, after, change, cut, patience, save};
use crate::book::Arrival;
use crate::cx::Cx;
use crate::error::Error;
use muster_core::fleet::Agent;
use muster_core::ids::AssignmentId;
use muster_core::limits::OUTPUT_BYTES_MAX;
use muster_core::settings::Settings;
use muster_core::tasks::state::Actor;
use muster_core::tasks::{AssignmentRecord, AttemptState, Change, Input, Mode, Outcome, Refused, State};
use muster_store::Tx;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What an agent tells at once.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The agent.
    pub agent: &'a Agent,
    /// The settings of its organization.
    pub settings: &'a Settings,
    /// Its reports, oldest first.
    pub reports: &'a [Report],
}

/// Per report of an agent, whether it changed the state, or why not.
pub type Answers = Vec<Result<(), Refused>>;

/// What an agent is answered to its reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taken {
    /// Report by report.
    pub answers: Answers,
    /// Which of the assignments that ended belong to a job that it still walks alone: it goes on.
    pub goes_on: BTreeSet<AssignmentId>,
    /// Which of those of which nothing is known here will be, a little later: they are to be told again.
    pub later: BTreeSet<AssignmentId>,
}

/// Takes an agent's reports.
pub fn report(tx: &mut Tx, cx: &Cx, agent: &Agent, settings: &Settings, reports: &[Report]) -> Result<Answers, Error> {
    Ok(report_set(tx, cx, &[Told { agent, settings, reports }])?.pop().unwrap_or_default().answers)
}

/// What several agents tell at once is loaded together, decided one after the other, and saved together.
pub fn report_set(tx: &mut Tx, cx: &Cx, told: &[Told<'_>]) -> Result<Vec<Taken>, Error> {
    let ids: Vec<AssignmentId> = told.iter().flat_map(|t| t.reports).map(|r| r.assignment).collect();
    let mut records: BTreeMap<AssignmentId, AssignmentRecord> = tx.assignments_for_update(&ids)?.into_iter().map(|r| (r.id, r)).collect();
    let (mut around, mut changes, mut answers) = (Around::default(), Vec::new(), Vec::with_capacity(told.len()));
    for it in told {
        let (mut of_one, mut later) = (Vec::with_capacity(it.reports.len()), BTreeSet::new());
        for (place, report) in it.reports.iter().enumerate() {
            if let Some(occasion) = report.occasion.as_ref().filter(|_| !records.contains_key(&report.assignment))
                && report.incarnation == it.agent.incarnation
                && crate::book::arrived(tx, cx, it.agent, occasion)? == Arrival::Later
            {
                later.insert(report.assignment);
                of_one.push(Err(Refused::NotYet));
                continue;
            }
            if let Some(begun) = begun_alone(tx, cx, &records, it, report)? {
                records.insert(report.assignment, after(&begun));
                changes.push(begun);
            }
            of_one.push(match take(tx, cx, &mut around, &records, it, report)? {
                Ok(Some(change)) => {
                    records.insert(report.assignment, after(&change));
                    changes.push(change);
                    Ok(())
                }
                Ok(None) => Ok(()),
                Err(refused) => Err(refused),
            });
            // What follows in a job is there once its walk has moved.
            let rest = it.reports.get(place + 1..).unwrap_or_default();
            let is_over = |state: State| !state.is_open() || state == State::Prepared;
            let moves = |c: &Change| c.before.id == report.assignment && c.before.walked && is_over(c.after.status.state());
            if !rest.is_empty() && changes.last().is_some_and(moves) {
                save(tx, cx, &std::mem::take(&mut changes))?;
                let ids: Vec<AssignmentId> = rest.iter().map(|r| r.assignment).collect();
                records.extend(tx.assignments_for_update(&ids)?.into_iter().map(|r| (r.id, r)));
            }
        }
        answers.push(Taken { answers: of_one, goes_on: BTreeSet::new(), later });
    }
    save(tx, cx, &changes)?;
    for (taken, it) in answers.iter_mut().zip(told) {
        let actor = Actor { agent: it.agent.id, incarnation: it.agent.incarnation };
        for report in it.reports.iter().filter(|r| matches!(r.what, Said::Ended(_))) {
            let Some(record) = records.get(&report.assignment).filter(|r| r.walked && r.org == it.agent.org) else { continue };
            let led = tx.walk(record.run, record.device)?.filter(|walk| walk.state.is_open()).and_then(|walk| walk.led);
            taken.goes_on.extend(led.filter(|led| led.goes_on && led.actor() == actor).map(|_| report.assignment));
        }
    }
    Ok(answers)
}

/// The beginning of an attempt of which only its report tells: the agent walked the job alone, and went on before it could hear that the
/// server leads.
fn begun_alone(
    tx: &mut Tx,
    cx: &Cx,
    records: &BTreeMap<AssignmentId, AssignmentRecord>,
    told: &Told<'_>,
    report: &Report,
) -> Result<Option<Change>, Error> {
    let is_next = |r: &&AssignmentRecord| {
        r.org == told.agent.org && r.walked && r.state.status.state() == State::Prepared && r.state.attempt + 1 == report.attempt
    };
    let Some(record) = records.get(&report.assignment).filter(is_next) else { return Ok(None) };
    let actor = Actor { agent: told.agent.id, incarnation: told.agent.incarnation };
    let Some(walk) = tx.walk(record.run, record.device)? else { return Ok(None) };
    let is_own = report.incarnation == actor.incarnation && walk.led.is_some_and(|led| led.actor() == actor);
    if !is_own || report.what == Said::Ended(Outcome::Declined) {
        return Ok(None);
    }
    // It was begun before the server made it.
    let at = report.at.map_or(cx.now, |at| at.max(walk.not_before).min(cx.now));
    let begun = change(record.clone(), Input::Lead { actor, lease: cx.now.plus(told.settings.inventory_lease.0) }, at).ok();
    Ok(begun.map(|it| Change { data: json!({"agent": told.agent.id, "alone": true}), ..it }))
}

/// What a report changes; nothing when it says what is known.
fn take(
    tx: &mut Tx,
    cx: &Cx,
    around: &mut Around,
    records: &BTreeMap<AssignmentId, AssignmentRecord>,
    told: &Told<'_>,
    report: &Report,
) -> Result<Result<Option<Change>, Refused>, Error> {
    let Told { agent, settings, .. } = *told;
    // What it did for the organization that its device was moved from is told there.
    let is_its = |r: &&AssignmentRecord| r.org == agent.org || r.state.last_actor.is_some_and(|actor| actor.agent == agent.id);
    let record = records.get(&report.assignment).filter(is_its).cloned();
    // An agent that joined anew answers for nothing of its former life.
    let Some(record) = record.filter(|_| report.incarnation == agent.incarnation) else { return Ok(Err(Refused::Stale)) };
    let (run, steps) = around.load(tx, record.org, record.run)?;
    let alone = record.walked && run.as_ref().is_some_and(|run| run.mode == Mode::ClientJob);
    let step = steps.iter().find(|s| s.step == record.step);
    let lease = step.map_or(settings.inventory_lease.0, |s| patience(s, settings, agent.protocol, false));
    let actor = Actor { agent: agent.id, incarnation: report.incarnation };
    let input = match report.what {
        Said::Running => Input::Began { attempt: report.attempt, actor, lease: cx.now.plus(lease) },
        Said::Ended(outcome) => Input::Ended { attempt: report.attempt, actor, outcome },
    };
    let known = record.state.last_attempt;
    // What was done alone is told later; an agent's clock is believed as far as it fits in between.
    let at = report.at.filter(|_| alone).map_or(cx.now, |at| at.max(record.updated).min(cx.now));
    Ok(match change(record, input, at) {
        Ok(change) => Ok(Some(Change {
            exit_code: report.exit_code,
            output: report.output.as_deref().map(|o| cut(o, OUTPUT_BYTES_MAX)),
            message: report.message.as_deref().map(|m| cut(m, 2_000)),
            ..change
        })),
        Err(Refused::Final) if confirms(known, report.what) => Ok(None),
        Err(refused) => Err(refused),
    })
}

/// Whether a report of the last attempt says what is already known of it, as after an inventory that ended the attempt by arriving. What
/// the assignment came to is another thing: one that was given back for the last time ends in error, and its attempt did not.
fn confirms(known: Option<AttemptState>, said: Said) -> bool {
    matches!(
        (known, said),
        (Some(AttemptState::Ok), Said::Ended(Outcome::Ok))
            | (Some(AttemptState::Error), Said::Ended(Outcome::Error))
            | (Some(AttemptState::Declined), Said::Ended(Outcome::Declined))
    )
}
