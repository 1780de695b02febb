//! Signing in, people, tokens, organizations, settings.

use crate::audit::{Object, record};
use crate::cx::Cx;
use crate::error::{Error, Kind};
use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use muster_core::access::{Actor, AgentCredential, Caller, JoinToken, Org, Person, Role, Token};
use muster_core::groups::Membership;
use muster_core::ids::{AgentCredentialId, GroupId, JoinTokenId, OrgId, TokenId, UserId};
use muster_core::limits::NAME_CHARS_MAX;
use muster_core::page::{Page, PageRequest};
use muster_core::settings::Settings;
use muster_core::time::Timestamp;
use muster_store::{Rx, SessionRow, Tx};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How long a session lasts without being used anew: 12 hours.
const SESSION: Duration = Duration::from_secs(12 * 3_600);
/// The shortest password, characters.
pub const PASSWORD_CHARS_MIN: usize = 12;

/// The hash under which a secret text (token, session) is kept.
pub fn secret_hash(text: &str) -> Vec<u8> {
    blake3::hash(text.as_bytes()).as_bytes().to_vec()
}

fn secret_text(cx: &Cx, prefix: &str) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(cx.secret()))
}

/// Hashes a password (argon2id). Slow on purpose: call it outside of a command, a few at a time.
pub fn password_hash(password: &str) -> Result<String, Error> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|e| Error::new(Kind::Internal, "server/internal", format!("the password could not be hashed: {e}")))
}

/// Whether a password is the hashed one. Slow on purpose.
pub fn password_matches(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// A hash that fits no password, so that an unknown name takes as long as a known one.
pub const NOBODY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Checks that a text can be a password.
pub fn password_check(pointer: &str, password: &str) -> Result<(), Error> {
    let chars = password.chars().count();
    if !(PASSWORD_CHARS_MIN..=1_000).contains(&chars) {
        let detail = format!("this password has {chars} characters; it needs {PASSWORD_CHARS_MIN} to 1000");
        return Err(Error::invalid("user/bad-password", pointer, detail));
    }
    Ok(())
}

fn name_check(pointer: &str, name: &str) -> Result<String, Error> {
    let name = name.trim();
    let chars = name.chars().count();
    if chars == 0 || chars > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(Error::invalid(
            "request/invalid",
            pointer,
            format!("a name has 1 to {NAME_CHARS_MAX} characters, none of them a control character"),
        ));
    }
    Ok(name.to_owned())
}

/// A person by name, for signing in; the door compares the password.
pub fn login_look_up(rx: &mut Rx, name: &str) -> Result<Option<Person>, Error> {
    Ok(rx.person_named(name.trim())?.filter(|p| !p.disabled))
}

/// Begins a session for a person whose password was checked against `hash`; gives the session's secret and its row.
pub fn session_begin(tx: &mut Tx, cx: &Cx, id: UserId, hash: &str) -> Result<(String, SessionRow), Error> {
    let wrong = || Error::new(Kind::Unauthenticated, "access/wrong-password", "this name and password do not fit");
    let mut person = tx.person(id)?.filter(|p| !p.disabled && p.password == hash).ok_or_else(wrong)?;
    let secret = secret_text(cx, "mses_");
    let csrf = URL_SAFE_NO_PAD.encode(cx.secret());
    let expires = cx.now.plus(SESSION);
    tx.session_insert(&secret_hash(&secret), id, &csrf, cx.now, expires)?;
    person.last_login = Some(cx.now);
    tx.person_update(&person)?;
    person.version += 1;
    Ok((secret, SessionRow { person, csrf, expires }))
}

/// The session of a secret.
pub fn session_view(rx: &mut Rx, secret: &str) -> Result<Option<SessionRow>, Error> {
    let now = rx.now();
    Ok(rx.session(&secret_hash(secret), now)?)
}

/// Ends a session.
pub fn session_end(tx: &mut Tx, secret: &str) -> Result<(), Error> {
    Ok(tx.session_delete(&secret_hash(secret))?)
}

/// Changes the caller's own password; all other sessions end. The old one was checked against `old_hash`.
pub fn password_change(tx: &mut Tx, cx: &Cx, old_hash: &str, new_hash: &str, keep: Option<&str>) -> Result<(), Error> {
    let Actor::User(id) = cx.caller.actor else { return Err(Error::denied("only people have passwords")) };
    let mut person = tx.person(id)?.filter(|p| p.password == old_hash).ok_or_else(|| Error::stale("password"))?;
    person.password = new_hash.to_owned();
    person.must_change = false;
    tx.person_update(&person)?;
    tx.sessions_delete(id, keep.map(secret_hash).as_deref())?;
    record(tx, cx, person.org, "user_password", Object { kind: "user", id: Some(id.0), name: &person.name }, None, None)
}

/// The caller behind a bearer token.
pub fn token_view(rx: &mut Rx, text: &str) -> Result<Option<(Caller, Token)>, Error> {
    let now = rx.now();
    let token = rx.token_of(&secret_hash(text), now)?;
    Ok(token.map(|t| (Caller { actor: Actor::Token(t.id), role: t.role, scope: t.org }, t)))
}

/// Notes that a token was used.
pub fn token_used(tx: &mut Tx, cx: &Cx, id: TokenId) -> Result<(), Error> {
    Ok(tx.token_used(id, cx.now)?)
}

/// The organization that a header names, or the caller's own, or `default`.
pub fn org_of(rx: &mut Rx, caller: &Caller, named: Option<&str>) -> Result<Org, Error> {
    let found = match (named, caller.scope) {
        (Some(name), _) => match name.parse::<OrgId>() {
            Ok(id) => rx.org(id)?,
            Err(_) => rx.org_named(name)?,
        },
        (None, Some(scope)) => rx.org(scope)?,
        (None, None) => rx.org_named(DEFAULT_ORG)?,
    };
    found.filter(|org| caller.sees(org.id)).ok_or_else(|| Error::not_found("org/not-found", "organization", named.unwrap_or("here")))
}

/// The name of the organization that is always there.
pub const DEFAULT_ORG: &str = "default";

/// Makes the default organization unless it is there; gives it.
pub fn default_org(tx: &mut Tx, cx: &Cx) -> Result<Org, Error> {
    if let Some(org) = tx.org_named(DEFAULT_ORG)? {
        return Ok(org);
    }
    let org = Org {
        id: cx.id(),
        name: DEFAULT_ORG.to_owned(),
        settings: Settings::default(),
        settings_version: 1,
        created: cx.now,
        freeze: None,
    };
    tx.org_insert(&org)?;
    tx.org_named(DEFAULT_ORG)?.ok_or_else(|| Error::not_found("org/not-found", "organization", DEFAULT_ORG))
}

/// Organizations that the caller sees.
pub fn org_list(rx: &mut Rx, cx: &Cx) -> Result<Vec<Org>, Error> {
    Ok(rx.orgs()?.into_iter().filter(|o| cx.caller.sees(o.id)).collect())
}

/// Adds an organization. For administrators of all.
pub fn org_create(tx: &mut Tx, cx: &Cx, name: &str) -> Result<Org, Error> {
    if cx.caller.scope.is_some() || cx.caller.role < Role::Admin {
        return Err(Error::denied("adding an organization needs an administrator of all organizations"));
    }
    let org = Org {
        id: cx.id(),
        name: name_check("/name", name)?,
        settings: Settings::default(),
        settings_version: 1,
        created: cx.now,
        freeze: None,
    };
    if !tx.org_insert(&org)? {
        return Err(Error::new(Kind::Conflict, "org/name-taken", format!("there is an organization '{}' already", org.name)));
    }
    record(tx, cx, Some(org.id), "org_create", Object { kind: "org", id: Some(org.id.0), name: &org.name }, None, None)?;
    Ok(org)
}

/// The organization acted in, with its settings.
pub fn settings_view(rx: &mut Rx, cx: &Cx) -> Result<Org, Error> {
    cx.may_here(Role::Viewer, "reading settings")?;
    rx.org(cx.org)?.ok_or_else(|| Error::not_found("org/not-found", "organization", cx.org))
}

/// Changes settings; `version` as read, when the caller insists.
pub fn settings_update(tx: &mut Tx, cx: &Cx, patch: &Map<String, Value>, version: Option<i64>) -> Result<Org, Error> {
    cx.may_here(Role::Admin, "changing settings")?;
    let mut org = settings_view(tx, cx)?;
    if version.is_some_and(|v| v != org.settings_version) {
        return Err(Error::stale("organization's settings"));
    }
    let before = json!(org.settings);
    let pointer = |key: &str| format!("/{key}");
    org.settings = org.settings.patched(patch).map_err(|bad| Error::invalid("settings/invalid", &pointer(&bad.key), bad.what))?;
    if !tx.settings_update(&org)? {
        return Err(Error::stale("organization's settings"));
    }
    org.settings_version += 1;
    if before["zone"] != json!(org.settings.zone) {
        tx.schedules_anew(org.id, cx.now)?;
    }
    let object = Object { kind: "settings", id: Some(org.id.0), name: &org.name };
    record(tx, cx, Some(org.id), "settings_update", object, Some(before), Some(json!(org.settings)))?;
    Ok(org)
}

/// Where a person or token given by the caller may act: nobody gives more than they have.
fn granted(cx: &Cx, org: Option<OrgId>) -> Result<Option<OrgId>, Error> {
    cx.may_here(Role::Admin, "managing people and tokens")?;
    match (cx.caller.scope, org) {
        (None, org) => Ok(org),
        (Some(mine), None) => Ok(Some(mine)),
        (Some(mine), Some(org)) if mine == org => Ok(Some(mine)),
        _ => Err(Error::denied("managing people and tokens of another organization")),
    }
}

/// Whether a person or token is one the caller manages.
fn manages(cx: &Cx, org: Option<OrgId>) -> bool {
    cx.caller.scope.is_none() || cx.caller.scope == org
}

/// A person to be added.
#[derive(Clone, Debug)]
pub struct NewPerson {
    /// The name to sign in with.
    pub name: String,
    /// The password's hash.
    pub password: String,
    /// What the person may do.
    pub role: Role,
    /// The only organization; `None` is all.
    pub org: Option<OrgId>,
    /// The first password must be changed.
    pub must_change: bool,
}

/// People the caller manages.
pub fn user_list(rx: &mut Rx, cx: &Cx, page: &PageRequest) -> Result<Page<Person>, Error> {
    cx.may_here(Role::Admin, "listing people")?;
    Ok(rx.people(cx.caller.scope, page)?)
}

/// One person.
pub fn user_view(rx: &mut Rx, cx: &Cx, id: UserId) -> Result<Person, Error> {
    cx.may_here(Role::Admin, "looking at people")?;
    rx.person(id)?.filter(|p| manages(cx, p.org)).ok_or_else(|| Error::not_found("user/not-found", "user", id))
}

/// Adds a person.
pub fn user_create(tx: &mut Tx, cx: &Cx, new: &NewPerson) -> Result<Person, Error> {
    let person = Person {
        id: cx.id(),
        org: granted(cx, new.org)?,
        name: name_check("/name", &new.name)?,
        role: new.role,
        password: new.password.clone(),
        must_change: new.must_change,
        created: cx.now,
        last_login: None,
        disabled: false,
        version: 1,
    };
    if !tx.person_insert(&person)? {
        return Err(Error::new(Kind::Conflict, "user/name-taken", format!("there is a user '{}' already", person.name)));
    }
    let object = Object { kind: "user", id: Some(person.id.0), name: &person.name };
    record(tx, cx, person.org, "user_create", object, None, Some(json!({"role": person.role})))?;
    Ok(person)
}

/// What may be changed of a person.
#[derive(Clone, Debug, Default)]
pub struct PersonPatch {
    /// A new role.
    pub role: Option<Role>,
    /// Whether signing in is barred.
    pub disabled: Option<bool>,
    /// A new password's hash; it must be changed at the next sign-in.
    pub password: Option<String>,
}

/// Changes a person. The last administrator of all organizations stays one.
pub fn user_update(tx: &mut Tx, cx: &Cx, id: UserId, patch: &PersonPatch) -> Result<Person, Error> {
    let mut person = user_view(tx, cx, id)?;
    let before = json!({"role": person.role, "disabled": person.disabled});
    person.role = patch.role.unwrap_or(person.role);
    person.disabled = patch.disabled.unwrap_or(person.disabled);
    if let Some(hash) = &patch.password {
        person.password.clone_from(hash);
        person.must_change = true;
    }
    if !tx.person_update(&person)? {
        return Err(Error::stale("user"));
    }
    if person.disabled || patch.password.is_some() {
        tx.sessions_delete(id, None)?;
    }
    last_admin(tx)?;
    person.version += 1;
    let after = json!({"role": person.role, "disabled": person.disabled, "password": patch.password.is_some()});
    let object = Object { kind: "user", id: Some(id.0), name: &person.name };
    record(tx, cx, person.org, "user_update", object, Some(before), Some(after))?;
    Ok(person)
}

fn last_admin(tx: &mut Tx) -> Result<(), Error> {
    if tx.admins()? == 0 {
        let detail = "this would leave nobody who administers all organizations; make somebody else an administrator first";
        return Err(Error::new(Kind::Conflict, "user/last-admin", detail));
    }
    Ok(())
}

/// Removes a person.
pub fn user_delete(tx: &mut Tx, cx: &Cx, id: UserId) -> Result<(), Error> {
    let person = user_view(tx, cx, id)?;
    tx.person_delete(id)?;
    last_admin(tx)?;
    record(tx, cx, person.org, "user_delete", Object { kind: "user", id: Some(id.0), name: &person.name }, None, None)
}

/// Bearer tokens the caller manages.
pub fn token_list(rx: &mut Rx, cx: &Cx, page: &PageRequest) -> Result<Page<Token>, Error> {
    cx.may_here(Role::Admin, "listing tokens")?;
    Ok(rx.tokens(cx.caller.scope, page)?)
}

/// Adds a bearer token; its text is given this once.
pub fn token_create(
    tx: &mut Tx,
    cx: &Cx,
    name: &str,
    role: Role,
    org: Option<OrgId>,
    expires: Option<Timestamp>,
) -> Result<(Token, String), Error> {
    let token =
        Token { id: cx.id(), org: granted(cx, org)?, name: name_check("/name", name)?, role, created: cx.now, last_used: None, expires };
    let text = secret_text(cx, "mst_");
    tx.token_insert(&token, &secret_hash(&text))?;
    let object = Object { kind: "token", id: Some(token.id.0), name: &token.name };
    record(tx, cx, token.org, "token_create", object, None, Some(json!({"role": role})))?;
    Ok((token, text))
}

/// Removes a bearer token; it ends at once.
pub fn token_delete(tx: &mut Tx, cx: &Cx, id: TokenId) -> Result<(), Error> {
    cx.may_here(Role::Admin, "removing tokens")?;
    let token = tx.token(id)?.filter(|t| manages(cx, t.org)).ok_or_else(|| Error::not_found("token/not-found", "token", id))?;
    tx.token_delete(id)?;
    record(tx, cx, token.org, "token_delete", Object { kind: "token", id: Some(id.0), name: &token.name }, None, None)
}

/// Tokens by which agents join the organization acted in.
pub fn join_token_list(rx: &mut Rx, cx: &Cx, page: &PageRequest) -> Result<Page<JoinToken>, Error> {
    cx.may_here(Role::Admin, "listing join tokens")?;
    Ok(rx.join_tokens(cx.org, page)?)
}

/// A join token to be added.
#[derive(Clone, Debug)]
pub struct NewJoinToken {
    /// What it is for.
    pub name: String,
    /// How often it can be used; `None` is without end.
    pub uses: Option<i64>,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// Whether agents that join with it are verified.
    pub verified: bool,
    /// Into which group their devices come, by name or id; one that people list.
    pub group: Option<String>,
}

/// The group of a join token.
fn group_of(rx: &mut Rx, cx: &Cx, named: Option<&str>) -> Result<Option<GroupId>, Error> {
    let Some(name) = named.map(str::trim).filter(|name| !name.is_empty()) else { return Ok(None) };
    let id = rx.groups_named(cx.org, &[name.to_owned()])?.first().map(|(id, _)| *id);
    let group = id.map_or(Ok(None), |id| rx.group(cx.org, id))?.map(|(group, _)| group);
    match group.ok_or_else(|| Error::invalid("group/unknown", "/group", crate::groups::no_group(name)))? {
        group if group.members == Membership::Static => Ok(Some(group.id)),
        group => {
            let text = format!("the members of '{}' follow a query; name a group that people list", group.name);
            Err(Error::invalid("join-token/invalid", "/group", text))
        }
    }
}

/// Adds a join token; its text is given this once.
pub fn join_token_create(tx: &mut Tx, cx: &Cx, new: &NewJoinToken) -> Result<(JoinToken, String), Error> {
    cx.may_here(Role::Admin, "making join tokens")?;
    if new.uses.is_some_and(|n| n < 1) {
        return Err(Error::invalid("join-token/invalid", "/uses", "a join token is used at least once"));
    }
    let token = JoinToken {
        id: cx.id::<JoinTokenId>(),
        org: cx.org,
        name: name_check("/name", &new.name)?,
        uses_left: new.uses,
        used: 0,
        verified: new.verified,
        group: group_of(tx, cx, new.group.as_deref())?,
        created: cx.now,
        expires: new.expires,
    };
    let text = secret_text(cx, "mjoin_");
    tx.join_token_insert(&token, &secret_hash(&text))?;
    record(tx, cx, Some(cx.org), "join_token_create", Object { kind: "join_token", id: Some(token.id.0), name: &token.name }, None, None)?;
    Ok((token, text))
}

/// The shortest secret of foreign agents, characters.
pub const AGENT_SECRET_CHARS_MIN: usize = 10;

/// A credential of foreign agents to be added.
#[derive(Clone, Debug)]
pub struct NewAgentCredential {
    /// User name, or client id.
    pub name: String,
    /// The secret's hash, as [`password_hash`] makes it.
    pub secret: String,
    /// Whether new agents that come with it are verified.
    pub verified: bool,
}

/// A new secret for foreign agents: 43 characters that need no escaping in any configuration file.
pub fn agent_secret(random: &dyn crate::Random) -> String {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Checks that a text can be the secret of foreign agents.
pub fn agent_secret_check(pointer: &str, secret: &str) -> Result<(), Error> {
    let chars = secret.chars().count();
    if !(AGENT_SECRET_CHARS_MIN..=200).contains(&chars) || secret.chars().any(char::is_control) {
        let detail =
            format!("this secret has {chars} characters; it needs {AGENT_SECRET_CHARS_MIN} to 200, none of them a control character");
        return Err(Error::invalid("agent-credential/bad-secret", pointer, detail));
    }
    Ok(())
}

/// Credentials of foreign agents in the organization acted in.
pub fn agent_credential_list(rx: &mut Rx, cx: &Cx, page: &PageRequest) -> Result<Page<AgentCredential>, Error> {
    cx.may_here(Role::Admin, "listing agents' credentials")?;
    Ok(rx.agent_credentials(cx.org, page)?)
}

/// Adds a credential of foreign agents.
pub fn agent_credential_create(tx: &mut Tx, cx: &Cx, new: &NewAgentCredential) -> Result<AgentCredential, Error> {
    cx.may_here(Role::Admin, "making agents' credentials")?;
    let name = name_check("/name", &new.name)?;
    if name.contains(':') {
        return Err(Error::invalid(
            "agent-credential/invalid",
            "/name",
            "a colon ends the name in basic authentication; choose another name",
        ));
    }
    if tx.agent_credential_named(&name)?.is_some() {
        let detail = format!("there is already a credential '{name}'; agents name no organization, so the name is unique in the server");
        return Err(Error::new(Kind::Conflict, "agent-credential/name-taken", detail));
    }
    let id = cx.id::<AgentCredentialId>();
    let made = AgentCredential { id, org: cx.org, name, secret: new.secret.clone(), verified: new.verified, created: cx.now };
    tx.agent_credential_insert(&made)?;
    let object = Object { kind: "agent_credential", id: Some(made.id.0), name: &made.name };
    record(tx, cx, Some(cx.org), "agent_credential_create", object, None, Some(json!({"verified": made.verified})))?;
    Ok(made)
}

/// Removes a credential of foreign agents; tokens had with it end at once, agents that came with it stay.
pub fn agent_credential_delete(tx: &mut Tx, cx: &Cx, id: AgentCredentialId) -> Result<(), Error> {
    cx.may_here(Role::Admin, "removing agents' credentials")?;
    let gone = tx.agent_credential(id)?.filter(|c| c.org == cx.org);
    let gone = gone.ok_or_else(|| Error::not_found("agent-credential/not-found", "agent credential", id))?;
    tx.agent_credential_delete(id)?;
    let object = Object { kind: "agent_credential", id: Some(id.0), name: &gone.name };
    record(tx, cx, Some(cx.org), "agent_credential_delete", object, None, None)
}

/// Removes a join token; agents that joined stay.
pub fn join_token_delete(tx: &mut Tx, cx: &Cx, id: JoinTokenId) -> Result<(), Error> {
    cx.may_here(Role::Admin, "removing join tokens")?;
    let token = tx.join_token(id)?.filter(|t| t.org == cx.org).ok_or_else(|| Error::not_found("join-token/not-found", "join token", id))?;
    tx.join_token_delete(id)?;
    record(tx, cx, Some(cx.org), "join_token_delete", Object { kind: "join_token", id: Some(id.0), name: &token.name }, None, None)
}
