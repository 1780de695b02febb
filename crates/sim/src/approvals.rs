//! Starts that need a second person: one asks, another approves or rejects, and nobody what is their own.

use crate::world::World;
use muster_core::access::{Actor, Caller, Role};
use muster_core::ids::{OrgId, TaskId, UserId};
use muster_engine::Cx;
use muster_engine::approvals::{Answer, approval_answer, approval_ask};
use muster_engine::runs::house_view;
use muster_engine::tasks::task_preview;
use uuid::Uuid;

/// What was shown of a start just before it.
pub(crate) struct Shown {
    count: usize,
    plan: String,
    above: u32,
}

impl World {
    /// Another person than the one who writes and starts tasks.
    fn colleague(&self, org: OrgId) -> Cx {
        let caller = Caller { actor: Actor::User(UserId(Uuid::from_u128(org.0.as_u128() ^ 2))), role: Role::Admin, scope: Some(org) };
        self.engine.cx(caller, "lee", org, "sim")
    }

    /// The start of a task is asked for, and answered; sometimes by who may not.
    pub(crate) fn start_approve(&mut self) {
        let Some((id, org)) = self.any_task() else { return };
        let asked = self.write("approval.ask", &self.person(org), move |tx, cx| approval_ask(tx, cx, id, None, ""));
        self.note(format_args!(
            "a person asks for the start of task {id}: {:?}",
            asked.result.as_ref().map(|a| a.count).map_err(|e| e.key)
        ));
        let Ok(it) = asked.result else { return };
        let approval = it.id;
        if self.dice.chance(300) {
            let own =
                self.write("approval.answer", &self.person(org), move |tx, cx| approval_answer(tx, cx, approval, Answer::Approve, ""));
            self.intruded("an approval of their own", own.result.is_ok());
        }
        let answer = if self.dice.chance(800) { Answer::Approve } else { Answer::Reject };
        let said = self.write("approval.answer", &self.colleague(org), move |tx, cx| approval_answer(tx, cx, approval, answer, ""));
        self.note(format_args!("another one says {answer:?}: {:?}", said.result.as_ref().map(|a| a.state).map_err(|e| e.key)));
        if answer == Answer::Approve && (said.result.is_ok() || said.is_maybe()) {
            self.model.approved.insert((id, it.plan));
        }
    }

    /// What a start would hit, and from how many on it needs a second person.
    pub(crate) fn shown_start(&self, org: OrgId, id: TaskId) -> Option<Shown> {
        let above = self.read(org, house_view).ok()?.settings.approve_above;
        let preview = self.read(org, move |rx, cx| task_preview(rx, cx, id)).ok()?;
        Some(Shown { count: preview.count, plan: preview.plan, above })
    }

    /// A start was acknowledged: where it needed a second person, one had approved exactly that, and it was not started by it before.
    pub(crate) fn started_as_shown(&mut self, id: TaskId, shown: Shown) {
        let Shown { count, plan, above } = shown;
        if above > 0 && count > above as usize && !self.model.approved.remove(&(id, plan)) {
            self.seen.unapproved.push(format!("task {id} started on {count} targets, above {above}, and nobody approved it"));
        }
    }
}
