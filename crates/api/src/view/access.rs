//! People, tokens, organizations, settings, audit, the first screen.

use super::{Named, Role, RunSummary, Time, time};
use muster_core::access as core;
use muster_core::settings as core_settings;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Name and password.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct SignIn {
    /// The name to sign in with.
    #[schema(required)]
    pub name: String,
    /// The password.
    #[schema(required)]
    pub password: String,
}

/// The old and the new password.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct PasswordChange {
    /// The password so far.
    #[schema(required)]
    pub old: String,
    /// The new one, at least 10 characters.
    #[schema(required)]
    pub new: String,
}

/// Who calls.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MeUser {
    /// The id of the person or token.
    pub id: String,
    /// The name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The name of the only organization; null is all.
    pub org: Option<String>,
}

/// Who calls, and what the console needs to begin.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Me {
    /// Who calls.
    pub user: MeUser,
    /// Organizations it may act in.
    pub orgs: Vec<Named>,
    /// To be sent as `X-CSRF-Token` with every write of this session; empty for tokens.
    pub csrf: String,
    /// The server's version.
    pub version: String,
    /// The server's clock.
    pub server_time: Time,
    /// The first password must be changed.
    pub must_change_password: bool,
}

/// A person who signs in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct User {
    /// The id.
    pub id: String,
    /// The name to sign in with.
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// The name of the only organization; null is all.
    pub org: Option<String>,
    /// When the person was added.
    pub created: Time,
    /// Last sign-in.
    pub last_login: Option<Time>,
    /// May not sign in.
    pub disabled: bool,
}

impl User {
    pub(crate) fn of(p: core::Person, org: Option<String>) -> Self {
        let (created, last_login) = (p.created.into(), time(p.last_login));
        Self { id: p.id.to_string(), name: p.name, role: p.role.into(), org, created, last_login, disabled: p.disabled }
    }
}

/// A person to be added.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct NewUser {
    /// The name to sign in with.
    #[schema(required)]
    pub name: String,
    /// The first password, at least 10 characters; it must be changed at the first sign-in.
    #[schema(required)]
    pub password: String,
    /// What the person may do.
    #[schema(value_type = Role, required)]
    pub role: Option<Role>,
    /// Id or name of the only organization; absent is all that the caller has.
    pub org: Option<String>,
}

/// What may be changed of a person; what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct UserPatch {
    /// A new role.
    pub role: Option<Role>,
    /// Whether signing in is barred.
    pub disabled: Option<bool>,
    /// A new password; it must be changed at the next sign-in.
    pub password: Option<String>,
}

/// A bearer token of the API.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Token {
    /// The id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The name of the only organization; null is all.
    pub org: Option<String>,
    /// When it was made.
    pub created: Time,
    /// When it was last used, to the minute.
    pub last_used: Option<Time>,
    /// When it ends.
    pub expires: Option<Time>,
}

impl Token {
    pub(crate) fn of(t: core::Token, org: Option<String>) -> Self {
        let (last_used, expires) = (time(t.last_used), time(t.expires));
        Self { id: t.id.to_string(), name: t.name, role: t.role.into(), org, created: t.created.into(), last_used, expires }
    }
}

/// A token to be added.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct NewToken {
    /// What it is for.
    #[schema(required)]
    pub name: String,
    /// What it may do.
    #[schema(value_type = Role, required)]
    pub role: Option<Role>,
    /// Id or name of the only organization; absent is all that the caller has.
    pub org: Option<String>,
    /// When it ends, RFC 3339.
    #[schema(format = DateTime)]
    pub expires: Option<String>,
}

/// A new token with its text, which is shown this once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TokenMade {
    /// The token.
    #[serde(flatten)]
    pub made: Token,
    /// Its text.
    pub token: String,
}

/// A token by which agents join.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct JoinToken {
    /// The id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The name of the organization that agents join.
    pub org: String,
    /// How often it can still be used; null is without end.
    pub uses_left: Option<i64>,
    /// When it ends.
    pub expires: Option<Time>,
    /// When it was made.
    pub created: Time,
    /// How often it was used.
    pub used: i64,
    /// Whether agents that join with it are verified.
    pub verified: bool,
    /// Id of the group into which their devices come.
    pub group: Option<String>,
}

impl JoinToken {
    pub(crate) fn of(t: core::JoinToken, org: &str) -> Self {
        Self {
            id: t.id.to_string(),
            name: t.name,
            org: org.to_owned(),
            uses_left: t.uses_left,
            expires: time(t.expires),
            created: t.created.into(),
            used: t.used,
            verified: t.verified,
            group: t.group.map(|group| group.to_string()),
        }
    }
}

/// A join token to be added.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct NewJoinToken {
    /// What it is for.
    #[schema(required)]
    pub name: String,
    /// How often it can be used; absent is without end.
    pub uses: Option<i64>,
    /// When it ends, RFC 3339.
    #[schema(format = DateTime)]
    pub expires: Option<String>,
    /// Whether agents that join with it are verified.
    pub verified: bool,
    /// Into which group their devices come, by name or id; one that people list.
    pub group: Option<String>,
}

/// A new join token with its text, which is shown this once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct JoinTokenMade {
    /// The token.
    #[serde(flatten)]
    pub made: JoinToken,
    /// Its text.
    pub token: String,
}

/// A name and secret by which foreign agents show that they belong here.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AgentCredential {
    /// The id.
    pub id: String,
    /// User name of basic authentication, client id of OAuth.
    pub name: String,
    /// The name of the organization that new agents come to.
    pub org: String,
    /// Whether new agents that come with it are verified.
    pub verified: bool,
    /// When it was made.
    pub created: Time,
}

impl AgentCredential {
    pub(crate) fn of(c: core::AgentCredential, org: &str) -> Self {
        Self { id: c.id.to_string(), name: c.name, org: org.to_owned(), verified: c.verified, created: c.created.into() }
    }
}

/// A credential of foreign agents to be added.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct NewAgentCredential {
    /// User name, or client id; without a colon, one of its kind in the server.
    #[schema(required)]
    pub name: String,
    /// The secret, at least 10 characters; absent makes one.
    pub secret: Option<String>,
    /// Whether new agents that come with it are verified.
    pub verified: bool,
}

/// A new credential with its secret, which is shown this once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AgentCredentialMade {
    /// The credential.
    #[serde(flatten)]
    pub made: AgentCredential,
    /// Password, or client secret.
    pub secret: String,
}

/// An organization.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Org {
    /// The id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Time,
}

impl From<core::Org> for Org {
    fn from(org: core::Org) -> Self {
        Self { id: org.id.to_string(), name: org.name, created: org.created.into() }
    }
}

/// An organization to be added.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct NewOrg {
    /// Its name.
    #[schema(required)]
    pub name: String,
}

/// Settings of an organization. Durations are a number and a unit: `30s`, `15m`, `24h`, `7d`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Settings {
    /// How often each device is inventoried without a task.
    pub inventory_every: String,
    /// How often agents that poll are asked to come.
    pub contact_every: String,
    /// A start on more targets needs their number to be said.
    pub size_guard: u32,
    /// A start on more targets needs the approval of a second person; 0 is never.
    pub approve_above: u32,
    /// Whose clock on the wall schedules go by that name none: an IANA name, or `server`.
    pub zone: String,
    /// Assignments that are in flight at once on one agent.
    pub in_flight_per_agent: u32,
    /// Assignments that are in flight at once in the organization; 0 is without a limit.
    pub in_flight: u32,
    /// Grace beyond one and a half contact periods until an agent is shown offline.
    pub offline_after: String,
    /// Whether push delivery may call agents' own HTTP servers.
    pub wake_enabled: bool,
    /// Whether new agents are verified as they come.
    pub verify_new_agents: bool,
    /// Networks whose new agents are verified as they come.
    pub verify_networks: Vec<String>,
    /// Unverified agents accepted from one address within 24 hours.
    pub new_agents_per_source_max: u32,
    /// How long a legacy agent may take from the hand-out of an inventory until it arrives.
    pub inventory_lease: String,
    /// How long a machine may go on with a job alone, without a word, before what it does counts as unknown.
    #[schema(example = "2h")]
    pub offline_for: String,
    /// What foreign agents must show: `off`, `basic` (name and secret, or a token), `oauth` (a token: GLPI agents only). Counts in
    /// the organization of agents that name none.
    pub agent_auth: String,
}

impl From<core_settings::Settings> for Settings {
    fn from(s: core_settings::Settings) -> Self {
        Self {
            inventory_every: s.inventory_every.to_string(),
            contact_every: s.contact_every.to_string(),
            size_guard: s.size_guard,
            approve_above: s.approve_above,
            zone: s.zone.to_string(),
            in_flight_per_agent: s.in_flight_per_agent,
            in_flight: s.in_flight,
            offline_after: s.offline_after.to_string(),
            wake_enabled: s.wake_enabled,
            verify_new_agents: s.verify_new_agents,
            verify_networks: s.verify_networks,
            new_agents_per_source_max: s.new_agents_per_source_max,
            inventory_lease: s.inventory_lease.to_string(),
            offline_for: s.offline_for.to_string(),
            agent_auth: s.agent_auth.as_str().to_owned(),
        }
    }
}

/// Settings to be changed; what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct SettingsPatch {
    /// How often each device is inventoried without a task.
    pub inventory_every: Option<String>,
    /// How often agents that poll are asked to come.
    pub contact_every: Option<String>,
    /// A start on more targets needs their number to be said.
    pub size_guard: Option<u32>,
    /// A start on more targets needs the approval of a second person; 0 is never.
    pub approve_above: Option<u32>,
    /// Whose clock on the wall schedules go by that name none: an IANA name, or `server`.
    pub zone: Option<String>,
    /// Assignments that are in flight at once on one agent.
    pub in_flight_per_agent: Option<u32>,
    /// Assignments that are in flight at once in the organization; 0 is without a limit.
    pub in_flight: Option<u32>,
    /// Grace beyond one and a half contact periods until an agent is shown offline.
    pub offline_after: Option<String>,
    /// Whether push delivery may call agents' own HTTP servers.
    pub wake_enabled: Option<bool>,
    /// Whether new agents are verified as they come.
    pub verify_new_agents: Option<bool>,
    /// Networks whose new agents are verified as they come.
    pub verify_networks: Option<Vec<String>>,
    /// Unverified agents accepted from one address within 24 hours.
    pub new_agents_per_source_max: Option<u32>,
    /// How long a legacy agent may take from the hand-out of an inventory until it arrives.
    pub inventory_lease: Option<String>,
    /// How long a machine may go on with a job alone, without a word.
    pub offline_for: Option<String>,
    /// What foreign agents must show: `off`, `basic`, `oauth`.
    pub agent_auth: Option<String>,
}

/// To what a write was done.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditObject {
    /// Its kind, such as `task`.
    pub kind: String,
    /// Its id.
    pub id: Option<String>,
    /// Its name then.
    pub name: String,
}

/// One line of the audit log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    /// The id.
    pub id: String,
    /// When.
    pub at: Time,
    /// Who.
    pub actor: String,
    /// What was done, `noun_verb`.
    pub verb: String,
    /// To what.
    pub object: AuditObject,
    /// How it was.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// How it became.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
    /// The request it came with.
    pub request_id: String,
}

impl From<core::AuditEntry> for AuditEntry {
    fn from(e: core::AuditEntry) -> Self {
        let object = AuditObject { kind: e.object_kind, id: e.object_id.map(|id| id.to_string()), name: e.object_name };
        let (id, at) = (e.id.to_string(), e.at.into());
        Self { id, at, actor: e.actor, verb: e.verb, object, before: e.before, after: e.after, request_id: e.request }
    }
}

/// Something that needs a person.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Need {
    /// Its stable key.
    pub key: String,
    /// What the sentence is made of.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// The sentence in English.
    pub text: String,
    /// Where in the console to see to it.
    pub link: String,
}

/// One hour's starts and verdicts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Hour {
    /// Its beginning.
    pub at: Time,
    /// Assignments first handed out.
    pub started: i64,
    /// Ended well.
    pub ok: i64,
    /// Ended badly.
    pub error: i64,
    /// Lost.
    pub unknown: i64,
}

/// What the first screen shows.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Overview {
    /// Assignments in an agent's hands.
    pub running: i64,
    /// Assignments that wait to be handed out.
    pub waiting: i64,
    /// Open assignments of runs that were started longer ago than agents may stay away (of the 20 newest open runs).
    pub late: i64,
    /// Open runs with assignments that ended badly or were lost (of the 20 newest).
    pub failing: i64,
    /// Devices in all.
    pub devices: i64,
    /// Devices heard recently.
    pub online: i64,
    /// Devices not verified.
    pub unverified: i64,
    /// How long ago the workers last went round, milliseconds.
    pub scheduler_lag_ms: i64,
    /// Inventories stored per second, lately.
    pub intake_per_second: f64,
    /// Open runs, the newest first, at most 20.
    pub runs: Vec<RunSummary>,
    /// The last ten that finished.
    pub recent: Vec<RunSummary>,
    /// Messages that nobody has read, counted up to a thousand.
    pub unread: i64,
    /// What needs a person.
    pub needs: Vec<Need>,
    /// The last 24 hours, the oldest first.
    pub hours: Vec<Hour>,
}
