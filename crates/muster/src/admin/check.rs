//! `muster admin check`: the database's own integrity, and what Muster promises about its totals and about what is searched.

use crate::open::Opened;
use anyhow::Context;
use muster_core::access::Org;
use muster_core::page::{Cursor, PageRequest};
use muster_core::tasks::{Counts, Run, RunState, State};
use muster_engine::{AssignmentFilter, DeviceFilter, Error, RunFilter, Rx, access, rebuild, runs};

/// Everything that is wrong, a sentence each.
pub fn check(opened: &Opened) -> anyhow::Result<Vec<String>> {
    let mut findings = opened.engine.store().integrity().context("the database cannot be checked")?;
    let cx = opened.engine.system(opened.org, "muster admin check");
    for org in opened.engine.read_now(&cx, access::org_list)? {
        check_runs(opened, &org, &mut findings)?;
        check_devices(opened, &org, &mut findings)?;
    }
    Ok(findings)
}

/// Devices are found by what their agents told.
fn check_devices(opened: &Opened, org: &Org, findings: &mut Vec<String>) -> anyhow::Result<()> {
    let cx = opened.engine.system(org.id, "muster admin check");
    let mut page = PageRequest::default();
    loop {
        let asked = page.clone();
        let found = opened.engine.read_now(&cx, move |rx, cx| {
            let devices = rx.devices(cx.org, &DeviceFilter::default(), &asked)?;
            let mut wrong = Vec::new();
            for device in &devices.items {
                wrong.extend(rebuild::differences(rx, cx.org, device.id)?);
            }
            Ok((wrong, devices.next))
        })?;
        findings.extend(found.0);
        match found.1.as_deref().and_then(Cursor::decode) {
            Some(next) => page.cursor = Some(next),
            None => return Ok(()),
        }
    }
}

fn check_runs(opened: &Opened, org: &Org, findings: &mut Vec<String>) -> anyhow::Result<()> {
    let cx = opened.engine.system(org.id, "muster admin check");
    let mut page = PageRequest::default();
    loop {
        let asked = page.clone();
        let runs = opened.engine.read_now(&cx, move |rx, cx| runs::run_list(rx, cx, &RunFilter::default(), &asked))?;
        for run in runs.items {
            findings.extend(opened.engine.read_now(&cx, move |rx, _| of_run(rx, &run))?);
        }
        match runs.next.as_deref().and_then(Cursor::decode) {
            Some(next) => page.cursor = Some(next),
            None => return Ok(()),
        }
    }
}

/// What is wrong with a run: kept totals against its assignments, its state against its totals. Read at one instant.
fn of_run(rx: &mut Rx, seen: &Run) -> Result<Vec<String>, Error> {
    let Some(run) = rx.run(seen.org, seen.id)? else { return Ok(Vec::new()) };
    if run.made < run.targeted {
        return Ok(Vec::new());
    }
    if run.walked {
        return Ok(wrong_totals(&run, &run.counts, &rx.walks_counted(run.id)?));
    }
    let kept = rx.run_counts(run.id)?.into_iter().fold(Counts::default(), |sum, (_, counts)| sum.plus(&counts));
    let mut counted = Counts::default();
    for state in State::ALL {
        let filter = AssignmentFilter { run: Some(run.id), states: vec![state], ..AssignmentFilter::default() };
        counted.add(state, rx.assignments_count(run.org, &filter)?);
    }
    Ok(wrong_totals(&run, &kept, &counted))
}

fn wrong_totals(run: &Run, kept: &Counts, counted: &Counts) -> Vec<String> {
    let name = format!("run {} of '{}' ({})", run.number, run.task_name, run.id);
    let mut findings = Vec::new();
    for state in State::ALL.into_iter().filter(|s| kept.of(*s) != counted.of(*s)) {
        findings.push(format!("{name}: {} assignments are {state}, its totals say {}", counted.of(state), kept.of(state)));
    }
    if (run.state == RunState::Finished) != (counted.open() == 0) {
        findings.push(format!("{name}: it is {} with {} open assignments", run.state.as_str(), counted.open()));
    }
    if counted.total() < run.targeted {
        findings.push(format!("{name}: it targets {} devices and has {} assignments", run.targeted, counted.total()));
    }
    findings
}
