//! Moves: a device, a task, a group or a report of one organization comes to another (docs/adr/0018). Who moves acts in both.
//!
//! A device goes as a whole; a definition is written anew there and deleted here. What belongs to machines of this organization (members
//! of a group, kept answers of a report) is never taken along: it has to go first.

use crate::audit::{Object, record};
use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::identity::notice;
use crate::reports::ReportPatch;
use crate::schedules::{self, Happened};
use crate::{access, groups, reports, tasks, work};
use muster_core::access::{Org, Role};
use muster_core::fleet::Device;
use muster_core::groups::Group;
use muster_core::page::PageRequest;
use muster_core::reports::Report;
use muster_core::tasks::Task;
use muster_core::tasks::doc::ScheduleAct;
use muster_store::{Rx, Tx};
use serde_json::json;

/// The organization that something is moved to, by name or id; the caller must be able to write there.
pub(crate) fn destination(rx: &mut Rx, cx: &Cx, pointer: &str, named: &str) -> Result<Org, Error> {
    let unknown = || Error::invalid("org/unknown", pointer, format!("there is no organization '{named}'; name it exactly, or by its id"));
    let found = access::org_of(rx, &cx.caller, Some(named));
    let org = found.map_err(|error| if error.fault.is_none() { unknown() } else { error })?;
    cx.may(Role::Operator, org.id, "moving something to that organization")?;
    Ok(org)
}

/// Gives a device to another organization, with its agents and all that is known of it. What waits for it here is cancelled; what was
/// begun ends here. Whether it is verified stays.
pub(crate) fn device(tx: &mut Tx, cx: &Cx, device: &Device, to: &Org) -> Result<Device, Error> {
    let parts = tx.device_parts(device.id)?;
    for part in &parts {
        work::cancel_of_moved(tx, cx, *part, &to.name)?;
    }
    tx.device_moved(&parts, cx.org, to.id, cx.now)?;
    tx.book_now(cx.org, cx.now)?;
    tx.book_now(to.id, cx.now)?;
    let there = cx.within(to.id);
    notice(tx, &there, to.id, device.id)?;
    schedules::happened(tx, &there, to.id, device.id, Happened::Enrolled)?;
    let from = tx.org(cx.org)?.map_or_else(String::new, |org| org.name);
    for org in [cx.org, to.id] {
        let object = Object { kind: "device", id: Some(device.id.0), name: &device.name };
        record(tx, cx, Some(org), "device_move", object, Some(json!({"org": from})), Some(json!({"org": to.name})))?;
    }
    tx.device(to.id, device.id)?.ok_or_else(|| Error::not_found("device/not-found", "device", device.id))
}

/// Writes a task in another organization and deletes it here. Its runs stay here; its schedule is out of action there when it is here.
pub(crate) fn task(tx: &mut Tx, cx: &Cx, task: &Task, to: &Org) -> Result<(), Error> {
    let there = cx.within(to.id);
    let document = serde_json::to_value(&task.doc).map_err(|e| Error::invalid("task/invalid", "", e.to_string()))?;
    let written = tasks::task_create(tx, &there, &document)?.task;
    if let Some(off) = &task.schedule_off {
        schedules::switched(tx, &there, written, ScheduleAct::Disable, &off.reason)?;
    }
    tasks::task_delete(tx, cx, task.id)
}

/// Makes a group in another organization and removes it here. One that people list must be empty: its machines are of here.
pub(crate) fn group(tx: &mut Tx, cx: &Cx, group: &Group, to: &Org) -> Result<(), Error> {
    let count = groups::group_view(tx, cx, group.id)?.count;
    if group.members.query().is_none() && count > 0 {
        let detail = format!("the group '{}' has {count} devices of this organization; take them out of it first", group.name);
        return Err(Error::new(Kind::Conflict, "group/has-members", detail));
    }
    groups::group_create(tx, &cx.within(to.id), &group.name, &group.description, group.members.query())?;
    groups::group_delete(tx, cx, group.id)
}

/// Saves a report in another organization and deletes it here. Its kept answers are about machines of here, and must go first.
pub(crate) fn report(tx: &mut Tx, cx: &Cx, report: &Report, to: &Org) -> Result<(), Error> {
    let kept = tx.report_results(report.id, &PageRequest { limit: 1, ..PageRequest::default() })?;
    if !kept.items.is_empty() {
        let detail = format!("answers are kept of the report '{}'; they are about this organization: purge them first", report.name);
        return Err(Error::new(Kind::Conflict, "report/has-answers", detail));
    }
    let Report { name, description, query, .. } = report.clone();
    let new = ReportPatch { name: Some(name), description: Some(description), query: Some(query) };
    reports::report_create(tx, &cx.within(to.id), &new)?;
    reports::report_delete(tx, cx, report.id)
}
