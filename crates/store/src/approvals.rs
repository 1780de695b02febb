//! Approvals of large starts.

use crate::fault::Fault;
use crate::list::{List, Order, word};
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::ids::{ApprovalId, OrgId, RunId, TaskId};
use muster_core::page::{Page, PageRequest};
use muster_core::tasks::approval::{Approval, ApprovalState, Decision};
use muster_core::time::Timestamp;

const APPROVAL: &str = "p.id, p.org, p.task, p.task_name, p.version, p.author, p.plan, p.targets, p.asked_by, p.asked, p.note, p.state, \
     p.decided_by, p.decided, p.decision, p.run";

fn approval(row: &Row) -> Result<Approval, Fault> {
    Ok(Approval {
        id: row.id(0)?.into(),
        org: row.id(1)?.into(),
        task: row.id(2)?.into(),
        task_name: row.text(3)?.to_owned(),
        version: row.int(4)?,
        author: row.text(5)?.to_owned(),
        plan: row.text(6)?.to_owned(),
        count: row.int(7)?,
        asked_by: row.text(8)?.to_owned(),
        asked: Timestamp(row.int(9)?),
        note: row.text(10)?.to_owned(),
        state: word(row, 11, "approval", "state")?,
        decision: match row.opt_int(13)? {
            Some(at) => Some(Decision {
                by: row.opt_text(12)?.unwrap_or_default().to_owned(),
                at: Timestamp(at),
                note: row.opt_text(14)?.unwrap_or_default().to_owned(),
            }),
            None => None,
        },
        run: row.opt_id(15)?.map(RunId),
    })
}

impl Rx {
    /// A page of approvals of an organization or of one task; no states are all. Sorts: asked.
    pub fn approvals(
        &mut self,
        org: OrgId,
        task: Option<TaskId>,
        states: &[ApprovalState],
        page: &PageRequest,
    ) -> Result<Page<Approval>, Fault> {
        let mut list = List::new(APPROVAL, "approval p");
        list.filter("p.org = {}", org.0);
        if let Some(task) = task {
            list.filter("p.task = {}", task.0);
        }
        if !states.is_empty() {
            list.any_of("p.state", states.iter().map(|s| s.as_str()));
        }
        list.page(self, page, &Order { column: "p.id", id: "p.id" }, approval)
    }

    /// One approval.
    pub fn approval(&mut self, org: OrgId, id: ApprovalId) -> Result<Option<Approval>, Fault> {
        let mut list = List::new(APPROVAL, "approval p");
        list.filter("p.org = {}", org.0);
        list.filter("p.id = {}", id.0);
        Ok(list.all(self, "p.id", 1, approval)?.pop())
    }

    /// The newest approval of a plan that may still be decided or used.
    pub fn approval_of(&mut self, task: TaskId, plan: &str) -> Result<Option<Approval>, Fault> {
        let mut list = List::new(APPROVAL, "approval p");
        list.filter("p.task = {}", task.0);
        list.filter("p.plan = {}", plan);
        list.any_of("p.state", [ApprovalState::Asked, ApprovalState::Approved].map(ApprovalState::as_str));
        Ok(list.all(self, "p.id DESC", 1, approval)?.pop())
    }
}

impl Tx {
    fn approval_changed(&mut self, org: OrgId, task: TaskId) {
        self.after(Hint { topic: Topic::Task, id: Some(task.0), org: Some(org.0) });
    }

    /// Adds an approval that is asked for; false when one is open for the same plan.
    pub fn approval_insert(&mut self, a: &Approval) -> Result<bool, Fault> {
        let done = self.exec(
            "INSERT INTO approval (id, org, task, task_name, version, author, plan, targets, asked_by, asked, note, state) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING",
            &[
                V::U(a.id.0),
                V::U(a.org.0),
                V::U(a.task.0),
                (&a.task_name).into(),
                a.version.into(),
                (&a.author).into(),
                (&a.plan).into(),
                a.count.into(),
                (&a.asked_by).into(),
                a.asked.0.into(),
                (&a.note).into(),
                a.state.as_str().into(),
            ],
        )?;
        self.approval_changed(a.org, a.task);
        Ok(done == 1)
    }

    /// Saves where an approval stands; the command is run again when somebody else was faster.
    pub fn approval_update(&mut self, a: &Approval, before: ApprovalState) -> Result<(), Fault> {
        self.fenced(
            1,
            "UPDATE approval SET state = ?3, decided_by = ?4, decided = ?5, decision = ?6, run = ?7 WHERE id = ?1 AND state = ?2",
            &[
                V::U(a.id.0),
                before.as_str().into(),
                a.state.as_str().into(),
                a.decision.as_ref().map(|d| d.by.as_str()).into(),
                a.decision.as_ref().map(|d| d.at.0).into(),
                a.decision.as_ref().map(|d| d.note.as_str()).into(),
                a.run.map(|r| r.0).into(),
            ],
        )?;
        self.approval_changed(a.org, a.task);
        Ok(())
    }
}
