//! Approvals: a start above a size waits for a second person, who sees exactly the set that would be hit.

use crate::audit::{Object, record};
use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::runs::{Aim, count, house, plan_changed, targets_of};
use crate::tasks::{found as task_found, plan_token};
use muster_core::access::{Actor, Org, Role};
use muster_core::ids::{ApprovalId, RunId, TaskId};
use muster_core::limits::NOTES_CHARS_MAX;
use muster_core::page::{Page, PageRequest};
use muster_core::tasks::Task;
use muster_core::tasks::approval::{Approval, ApprovalState, Decision, NotYours, is_needed};
use muster_store::{Rx, Tx};
use serde_json::{Value, json};

/// A page of approvals, the newest first unless asked for otherwise; of one task, of some states.
pub fn approval_list(
    rx: &mut Rx,
    cx: &Cx,
    task: Option<TaskId>,
    states: &[ApprovalState],
    page: &PageRequest,
) -> Result<Page<Approval>, Error> {
    cx.may_here(Role::Viewer, "looking at approvals")?;
    Ok(rx.approvals(cx.org, task, states, page)?)
}

/// One approval.
pub fn approval_view(rx: &mut Rx, cx: &Cx, id: ApprovalId) -> Result<Approval, Error> {
    cx.may_here(Role::Viewer, "looking at approvals")?;
    rx.approval(cx.org, id)?.ok_or_else(|| Error::not_found("approval/not-found", "approval", id))
}

/// A note as it is kept.
fn noted(note: &str) -> Result<String, Error> {
    let length = note.chars().count();
    if length > NOTES_CHARS_MAX || note.contains('\0') {
        let detail = format!("this note has {length} characters; at most {NOTES_CHARS_MAX} are kept, and none of them is NUL");
        return Err(Error::invalid("approval/invalid", "/note", detail));
    }
    Ok(note.trim().to_owned())
}

fn shown(it: &Approval) -> Value {
    json!({"targets": it.count, "version": it.version, "asked_by": it.asked_by, "state": it.state.as_str()})
}

fn told(tx: &mut Tx, cx: &Cx, verb: &'static str, it: &Approval, before: Option<Value>) -> Result<(), Error> {
    let object = Object { kind: "approval", id: Some(it.id.0), name: &it.task_name };
    record(tx, cx, Some(it.org), verb, object, before, Some(shown(it)))
}

/// Asks for the approval of a start of the task as it would be now; `plan` as previewed, when the caller insists. Where one is open for
/// the same set, that one is given.
pub fn approval_ask(tx: &mut Tx, cx: &Cx, id: TaskId, plan: Option<&str>, note: &str) -> Result<Approval, Error> {
    let task = task_found(tx, cx, id)?;
    cx.may_here(Role::Operator, "asking for approvals")?;
    let org = house(tx, cx.org)?;
    let aim = targets_of(tx, cx.org, &task.doc)?;
    let now = plan_token(&task, &aim);
    if plan.is_some_and(|said| said != now) {
        return Err(plan_changed(aim.count()));
    }
    if !is_needed(org.settings.approve_above, count(aim.count())) {
        let detail = format!("a start on {} devices needs no approval; start the task", aim.count());
        return Err(Error::new(Kind::Conflict, "approval/not-needed", detail).with("count", aim.count()));
    }
    if let Some(open) = still_open(tx, cx, &task, &now)? {
        return Ok(open);
    }
    let it = Approval {
        id: cx.id(),
        org: cx.org,
        task: id,
        task_name: task.doc.name.clone(),
        version: task.version,
        author: task.author.clone(),
        plan: now,
        count: count(aim.count()),
        asked_by: cx.name.clone(),
        asked: cx.now,
        note: noted(note)?,
        state: ApprovalState::Asked,
        decision: None,
        run: None,
    };
    if !tx.approval_insert(&it)? {
        return Err(Error::stale("approval"));
    }
    told(tx, cx, "approval_ask", &it, None)?;
    Ok(it)
}

/// The approval of a plan that waits or may be used; one whose time has passed is closed.
fn still_open(tx: &mut Tx, cx: &Cx, task: &Task, plan: &str) -> Result<Option<Approval>, Error> {
    let Some(mut open) = tx.approval_of(task.id, plan)? else { return Ok(None) };
    if open.state == ApprovalState::Asked || open.allows(plan, cx.now) {
        return Ok(Some(open));
    }
    let before = open.state;
    open.state = ApprovalState::Rejected;
    tx.approval_update(&open, before)?;
    Ok(None)
}

/// What a person says to an approval that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// One start of exactly this set may be.
    Approve,
    /// It may not; who asked takes it back in the same way.
    Reject,
}

/// A second person approves or rejects. What would start must still be what was asked for.
pub fn approval_answer(tx: &mut Tx, cx: &Cx, id: ApprovalId, answer: Answer, note: &str) -> Result<Approval, Error> {
    let mut it = approval_view(tx, cx, id)?;
    cx.may_here(Role::Operator, "deciding about approvals")?;
    if it.state != ApprovalState::Asked {
        let detail = format!("this was decided already: it is {}", it.state);
        return Err(Error::new(Kind::Conflict, "approval/decided", detail));
    }
    let note = noted(note)?;
    if answer == Answer::Approve {
        it.may_approve(&cx.name, matches!(cx.caller.actor, Actor::User(_))).map_err(refused)?;
        let task = task_found(tx, cx, it.task)?;
        let aim = targets_of(tx, cx.org, &task.doc)?;
        if plan_token(&task, &aim) != it.plan {
            return Err(plan_changed(aim.count()));
        }
    }
    let before = shown(&it);
    it.state = if answer == Answer::Approve { ApprovalState::Approved } else { ApprovalState::Rejected };
    it.decision = Some(Decision { by: cx.name.clone(), at: cx.now, note });
    tx.approval_update(&it, ApprovalState::Asked)?;
    let verb = if answer == Answer::Approve { "approval_approve" } else { "approval_reject" };
    told(tx, cx, verb, &it, Some(before))?;
    Ok(it)
}

fn refused(why: NotYours) -> Error {
    let detail = match why {
        NotYours::NoPerson => "an approval is the word of a person who is signed in, not of a token",
        NotYours::Asked => "you asked for this start; another person has to approve it",
        NotYours::Wrote => "you wrote this version of the task; another person has to approve its start",
    };
    Error::new(Kind::Denied, "approval/not-yours", detail)
}

/// Refuses a start that needs an approval and has none; gives the one it may use.
pub(crate) fn checked(rx: &mut Rx, cx: &Cx, org: &Org, task: &Task, aim: &Aim) -> Result<Option<Approval>, Error> {
    if !is_needed(org.settings.approve_above, count(aim.count())) {
        return Ok(None);
    }
    let plan = plan_token(task, aim);
    match rx.approval_of(task.id, &plan)?.filter(|it| it.allows(&plan, cx.now)) {
        Some(it) => Ok(Some(it)),
        None => {
            let (n, above) = (aim.count(), org.settings.approve_above);
            let detail = format!("a start on {n} devices needs the approval of a second person (above {above}); ask for it");
            Err(Error::new(Kind::Conflict, "run/needs-approval", detail).with("count", n).with("plan", plan))
        }
    }
}

/// A run was started with it.
pub(crate) fn used(tx: &mut Tx, it: Option<Approval>, run: RunId) -> Result<(), Error> {
    let Some(mut it) = it else { return Ok(()) };
    (it.state, it.run) = (ApprovalState::Used, Some(run));
    Ok(tx.approval_update(&it, ApprovalState::Approved)?)
}
