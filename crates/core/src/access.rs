//! Who may do what: roles are verbs, scopes are organizations.

use crate::ids::{AgentId, OrgId, TokenId, UserId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a person or token is allowed in its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees everything, changes nothing.
    Viewer,
    /// Runs tasks, edits devices, tasks and agents.
    Operator,
    /// Also people, tokens and settings.
    Admin,
}

impl Role {
    /// The role's word in database, API and console.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Role::Viewer, Role::Operator, Role::Admin]
            .into_iter()
            .find(|r| r.as_str() == text)
            .ok_or_else(|| format!("there is no role '{text}'; there are viewer, operator and admin"))
    }
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person in the console.
    User(UserId),
    /// A script with a bearer token.
    Token(TokenId),
    /// An agent at its door.
    Agent(AgentId),
    /// Muster itself: workers and the administrator at the command line of the server.
    System,
}

/// A caller with what it may do and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who acts.
    pub actor: Actor,
    /// What it may.
    pub role: Role,
    /// The only organization it may act in; `None` is all of them.
    pub scope: Option<OrgId>,
}

impl Caller {
    /// Muster itself.
    pub const SYSTEM: Caller = Caller { actor: Actor::System, role: Role::Admin, scope: None };

    /// Whether the caller may do something that needs `least` in `org`.
    pub fn may(&self, least: Role, org: OrgId) -> bool {
        self.role >= least && self.sees(org)
    }

    /// Whether things of this organization exist for the caller.
    pub fn sees(&self, org: OrgId) -> bool {
        self.scope.is_none_or(|scope| scope == org)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_role_reaches_as_far_as_its_scope() {
        let (here, there) = (OrgId(Uuid::from_u128(1)), OrgId(Uuid::from_u128(2)));
        let operator = Caller { actor: Actor::System, role: Role::Operator, scope: Some(here) };
        assert!(operator.may(Role::Viewer, here) && operator.may(Role::Operator, here));
        assert!(!operator.may(Role::Admin, here));
        assert!(!operator.may(Role::Viewer, there));
        assert!(Caller::SYSTEM.may(Role::Admin, there));
    }
}
