//! The first screen: what runs, what waits, what needs a person.

use crate::cx::Cx;
use crate::error::Error;
use muster_core::access::Role;
use muster_core::page::PageRequest;
use muster_core::tasks::approval::{Approval, ApprovalState};
use muster_core::tasks::{Counts, OccurrenceRecord, OccurrenceState, Run, RunState, State};
use muster_core::time::Timestamp;
use muster_store::{RunFilter, Rx};
use std::time::Duration;

/// Occurrences of a day that are looked at.
const STUCK_MAX: usize = 1_000;

/// One hour's starts and verdicts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// Its beginning.
    pub at: Timestamp,
    /// Assignments first handed out.
    pub started: i64,
    /// Assignments ended well.
    pub ok: i64,
    /// Ended badly.
    pub error: i64,
    /// Lost.
    pub unknown: i64,
}

/// What the first screen shows.
#[derive(Clone, Debug)]
pub struct Overview {
    /// Open assignments by state.
    pub open: Counts,
    /// Devices in all, online, not verified.
    pub devices: (i64, i64, i64),
    /// Runs that are not finished, at most 20.
    pub runs: Vec<Run>,
    /// The last ten finished runs.
    pub recent: Vec<Run>,
    /// The last 24 hours.
    pub hours: Vec<Hour>,
    /// Occurrences of the last day that are held or were missed, each with the name of its task.
    pub stuck: Vec<(OccurrenceRecord, String)>,
    /// Messages that nobody has read, counted up to a thousand.
    pub unread: i64,
    /// Starts that wait for a second person.
    pub approvals: Vec<Approval>,
}

/// What the first screen shows.
pub fn overview(rx: &mut Rx, cx: &Cx) -> Result<Overview, Error> {
    cx.may_here(Role::Viewer, "looking at the overview")?;
    let org = rx.org(cx.org)?.ok_or_else(|| Error::not_found("org/not-found", "organization", cx.org))?;
    let list = |states: Vec<RunState>, limit: usize, rx: &mut Rx| -> Result<Vec<Run>, Error> {
        let page = PageRequest { limit, descending: true, ..PageRequest::default() };
        Ok(rx.runs(cx.org, &RunFilter { states, ..RunFilter::default() }, &page)?.items)
    };
    let open_states = RunState::ALL.into_iter().filter(|s| *s != RunState::Finished).collect();
    Ok(Overview {
        open: rx.open_counts(cx.org)?,
        devices: rx.device_counts(cx.org, crate::fleet::online_since(&org.settings, cx.now))?,
        runs: list(open_states, 20, rx)?,
        recent: list(vec![RunState::Finished], 10, rx)?,
        hours: hours(rx, cx)?,
        stuck: stuck(rx, cx)?,
        unread: rx.messages_unread(cx.org)?,
        approvals: {
            let newest = PageRequest { limit: 20, descending: true, ..PageRequest::default() };
            rx.approvals(cx.org, None, &[ApprovalState::Asked], &newest)?.items
        },
    })
}

fn stuck(rx: &mut Rx, cx: &Cx) -> Result<Vec<(OccurrenceRecord, String)>, Error> {
    let day = Duration::from_secs(86_400);
    let mut all = rx.occurrences_between(cx.org, cx.now.minus(day), cx.now.plus(day), STUCK_MAX)?;
    all.retain(|(it, _)| matches!(it.state, OccurrenceState::Held | OccurrenceState::Missed));
    Ok(all)
}

fn hours(rx: &mut Rx, cx: &Cx) -> Result<Vec<Hour>, Error> {
    let this = cx.now.millis() - cx.now.millis().rem_euclid(3_600_000);
    let first = Timestamp(this).minus(Duration::from_secs(23 * 3_600));
    let mut hours: Vec<Hour> = (0..24).map(|i| Hour { at: Timestamp(first.millis() + i * 3_600_000), ..Hour::default() }).collect();
    for (at, kind, count) in rx.events_by_hour(cx.org, first)? {
        let Some(hour) = hours.iter_mut().find(|h| h.at.millis() == at) else { continue };
        match kind.parse::<State>() {
            Ok(State::Started) => hour.started += count,
            Ok(State::Ok) => hour.ok += count,
            Ok(State::Error) => hour.error += count,
            Ok(State::Unknown) => hour.unknown += count,
            _ => {}
        }
    }
    Ok(hours)
}
