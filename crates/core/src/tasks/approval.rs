//! Approvals: above a size a start needs the word of a second person, bound to exactly the set that was shown.

use crate::ids::{ApprovalId, OrgId, RunId, TaskId};
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// So long a given approval may be used.
pub const APPROVAL_VALID: Duration = Duration::from_secs(7 * 86_400);

/// Where an approval stands, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalState {
    /// It waits for a second person.
    Asked,
    /// One start is approved.
    Approved,
    /// A person refused it, or who asked took it back.
    Rejected,
    /// A run was started with it.
    Used,
}

impl ApprovalState {
    /// All of them.
    pub const ALL: [ApprovalState; 4] = [ApprovalState::Asked, ApprovalState::Approved, ApprovalState::Rejected, ApprovalState::Used];

    /// The word in database, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            ApprovalState::Asked => "asked",
            ApprovalState::Approved => "approved",
            ApprovalState::Rejected => "rejected",
            ApprovalState::Used => "used",
        }
    }
}

impl fmt::Display for ApprovalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ApprovalState {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == word)
            .ok_or_else(|| format!("there is no state '{word}' of an approval; there are {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// Who decided, when, and in which words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The person's name.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Their words; may be empty.
    pub note: String,
}

/// A start that needs a second person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// Whose it is.
    pub org: OrgId,
    /// The task.
    pub task: TaskId,
    /// Its name then.
    pub task_name: String,
    /// The version that would start.
    pub version: i64,
    /// Who wrote that version.
    pub author: String,
    /// The token of the preview: exactly this set of targets of this version.
    pub plan: String,
    /// How many targets that is.
    pub count: i64,
    /// Who asked.
    pub asked_by: String,
    /// When.
    pub asked: Timestamp,
    /// Why, in the words of who asked; may be empty.
    pub note: String,
    /// Where it stands.
    pub state: ApprovalState,
    /// Who decided; none yet while it is asked.
    pub decision: Option<Decision>,
    /// The run that was started with it.
    pub run: Option<RunId>,
}

/// Why a person may not approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotYours {
    /// Programs and Muster itself approve nothing.
    NoPerson,
    /// The same person asked for it.
    Asked,
    /// The same person wrote the version that would start.
    Wrote,
}

impl Approval {
    /// Whether this person may approve it: a second one, who neither asked for it nor wrote what would start.
    pub fn may_approve(&self, name: &str, is_person: bool) -> Result<(), NotYours> {
        match () {
            () if !is_person => Err(NotYours::NoPerson),
            () if self.asked_by == name => Err(NotYours::Asked),
            () if self.author == name => Err(NotYours::Wrote),
            () => Ok(()),
        }
    }

    /// Whether a start of this plan may use it now.
    pub fn allows(&self, plan: &str, now: Timestamp) -> bool {
        let decided = self.decision.as_ref().map(|d| d.at);
        self.state == ApprovalState::Approved && self.plan == plan && decided.is_some_and(|at| now < at.plus(APPROVAL_VALID))
    }
}

/// Whether a start on so many targets needs a second person; `above` is the setting, 0 for never.
pub fn is_needed(above: u32, count: i64) -> bool {
    above > 0 && count > i64::from(above)
}

/// On how many targets a task starts without a person: as many as were approved for it, otherwise as many as one person may start
/// without further ado.
pub fn unattended_max(approved: Option<i64>, size_guard: u32, above: u32) -> i64 {
    let alone = if above == 0 { size_guard } else { size_guard.min(above) };
    approved.unwrap_or(i64::from(alone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn approval(state: ApprovalState, at: Option<i64>) -> Approval {
        Approval {
            id: Uuid::nil().into(),
            org: Uuid::nil().into(),
            task: Uuid::nil().into(),
            task_name: "t".to_owned(),
            version: 1,
            author: "ann".to_owned(),
            plan: "p".to_owned(),
            count: 7,
            asked_by: "bob".to_owned(),
            asked: Timestamp(0),
            note: String::new(),
            state,
            decision: at.map(|at| Decision { by: "eve".to_owned(), at: Timestamp(at), note: String::new() }),
            run: None,
        }
    }

    #[test]
    fn only_a_second_person_approves() {
        let it = approval(ApprovalState::Asked, None);
        assert_eq!(it.may_approve("ann", true), Err(NotYours::Wrote));
        assert_eq!(it.may_approve("bob", true), Err(NotYours::Asked));
        assert_eq!(it.may_approve("token ci", false), Err(NotYours::NoPerson));
        assert_eq!(it.may_approve("eve", true), Ok(()));
    }

    #[test]
    fn an_approval_allows_one_plan_for_a_time() {
        let it = approval(ApprovalState::Approved, Some(1_000));
        let end = Timestamp(1_000).plus(APPROVAL_VALID);
        assert!(it.allows("p", Timestamp(2_000)) && it.allows("p", Timestamp(end.0 - 1)));
        assert!(!it.allows("q", Timestamp(2_000)) && !it.allows("p", end));
        for state in [ApprovalState::Asked, ApprovalState::Rejected, ApprovalState::Used] {
            assert!(!approval(state, Some(1_000)).allows("p", Timestamp(2_000)), "{state}");
        }
    }

    #[test]
    fn more_than_the_bound_needs_one_and_no_bound_none() {
        assert_eq!([(0, 9), (5, 5), (5, 6)].map(|(above, n)| is_needed(above, n)), [false, false, true]);
        assert_eq!([(None, 0), (None, 5), (None, 500), (Some(7), 5)].map(|(a, above)| unattended_max(a, 100, above)), [100, 5, 100, 7]);
        assert_eq!(ApprovalState::ALL.map(|s| s.as_str().parse()), ApprovalState::ALL.map(Ok));
    }
}
