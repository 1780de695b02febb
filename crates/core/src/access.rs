//! Who may do what: roles are verbs, scopes are organizations.

use crate::ids::{AgentCredentialId, AgentId, GroupId, JoinTokenId, OrgId, TokenId, UserId};
use crate::time::Timestamp;
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

/// A tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Org {
    /// Its id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
    /// Its settings.
    pub settings: crate::settings::Settings,
    /// Counts the changes of its settings, for `If-Match`.
    pub settings_version: i64,
    /// When it was made.
    pub created: Timestamp,
    /// Its brake, when it is on: nothing is handed out and nothing starts.
    pub freeze: Option<Freeze>,
}

/// The brake of an organization.
#[derive(Clone, Debug, PartialEq)]
pub struct Freeze {
    /// Since when.
    pub at: Timestamp,
    /// Who pulled it.
    pub by: String,
    /// Why, in a person's words.
    pub note: String,
}

/// A person who signs in.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The id.
    pub id: UserId,
    /// The only organization; `None` is all.
    pub org: Option<OrgId>,
    /// The name to sign in with.
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// The password's hash, PHC format.
    pub password: String,
    /// The first password must be changed.
    pub must_change: bool,
    /// When the person was added.
    pub created: Timestamp,
    /// Last sign-in.
    pub last_login: Option<Timestamp>,
    /// May not sign in.
    pub disabled: bool,
    /// Counts changes, for `If-Match`.
    pub version: i64,
}

/// A bearer token of the API; only its hash is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// The id.
    pub id: TokenId,
    /// The only organization; `None` is all.
    pub org: Option<OrgId>,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

/// A token by which agents join; only its hash is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinToken {
    /// The id.
    pub id: JoinTokenId,
    /// Where agents join.
    pub org: OrgId,
    /// What it is for.
    pub name: String,
    /// How often it can still be used; `None` is without end.
    pub uses_left: Option<i64>,
    /// How often it was used.
    pub used: i64,
    /// Whether agents that join with it are verified.
    pub verified: bool,
    /// Into which group their devices come.
    pub group: Option<GroupId>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

/// A name and secret by which foreign agents show that they belong here: user and password of basic authentication, client id
/// and secret of OAuth. Only the secret's hash is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentCredential {
    /// The id.
    pub id: AgentCredentialId,
    /// Where agents that are new come to.
    pub org: OrgId,
    /// User name, or client id; one of its kind in the whole server.
    pub name: String,
    /// The secret's hash, PHC format.
    pub secret: String,
    /// Whether new agents that come with it are verified.
    pub verified: bool,
    /// When it was made.
    pub created: Timestamp,
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// The id.
    pub id: uuid::Uuid,
    /// When.
    pub at: Timestamp,
    /// Who, for people.
    pub actor: String,
    /// What was done, `noun_verb`.
    pub verb: String,
    /// The kind of thing it was done to.
    pub object_kind: String,
    /// The thing.
    pub object_id: Option<uuid::Uuid>,
    /// The thing's name then.
    pub object_name: String,
    /// How it was, JSON.
    pub before: Option<serde_json::Value>,
    /// How it became, JSON.
    pub after: Option<serde_json::Value>,
    /// The request it came with.
    pub request: String,
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
