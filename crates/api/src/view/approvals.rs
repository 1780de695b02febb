//! Approvals over the wire.

use super::{ApprovalState, Named, Time};
use muster_core::tasks::approval::{APPROVAL_VALID, Approval as CoreApproval, ApprovalState as CoreState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who decided about an approval.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ApprovalDecision {
    /// The person's name.
    pub by: String,
    /// When.
    pub at: Time,
    /// Their words; may be empty.
    pub note: String,
}

/// A start that needs a second person.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StartApproval {
    /// Its id.
    pub id: String,
    /// The task, by the name it had.
    pub task: Named,
    /// The version that would start.
    pub version: i64,
    /// Who wrote that version.
    pub author: Option<String>,
    /// The token of exactly this set of targets; a start with it uses the approval.
    pub plan: String,
    /// How many targets.
    pub count: i64,
    /// Who asked.
    pub asked_by: String,
    /// When.
    pub asked: Time,
    /// Why, in the words of who asked; may be empty.
    pub note: String,
    /// Where it stands.
    pub state: ApprovalState,
    /// Who decided; null while it is asked.
    pub decision: Option<ApprovalDecision>,
    /// Until when a start may use it; null unless it is approved.
    pub valid_until: Option<Time>,
    /// The run that was started with it.
    pub run: Option<String>,
}

impl From<CoreApproval> for StartApproval {
    fn from(a: CoreApproval) -> Self {
        let decided = a.decision.as_ref().map(|d| d.at).filter(|_| a.state == CoreState::Approved);
        Self {
            id: a.id.to_string(),
            task: Named::new(a.task, a.task_name),
            version: a.version,
            author: Some(a.author).filter(|name| !name.is_empty()),
            plan: a.plan,
            count: a.count,
            asked_by: a.asked_by,
            asked: a.asked.into(),
            note: a.note,
            state: a.state.into(),
            decision: a.decision.map(|d| ApprovalDecision { by: d.by, at: d.at.into(), note: d.note }),
            valid_until: decided.map(|at| at.plus(APPROVAL_VALID).into()),
            run: a.run.map(|r| r.to_string()),
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct ApprovalAsk {
    /// The token of a preview: only exactly that set.
    pub plan: Option<String>,
    /// Why, for who decides.
    pub note: String,
}

/// The words of who decides.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct ApprovalNote {
    /// For who asked.
    pub note: String,
}
