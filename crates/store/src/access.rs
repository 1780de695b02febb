//! Organizations, people, tokens, sessions, audit, idempotency keys.

use crate::fault::Fault;
use crate::list::{List, Order, json, word};
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::access::{AgentCredential, AuditEntry, Freeze, JoinToken, Org, Person, Role, Token};
use muster_core::ids::{AgentCredentialId, GroupId, JoinTokenId, OrgId, TokenId, UserId};
use muster_core::page::{Page, PageRequest};
use muster_core::time::Timestamp;
use std::time::Duration;

/// A signed-in person.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRow {
    /// Who.
    pub person: Person,
    /// What unsafe requests must carry.
    pub csrf: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// An answer kept for a repeated request.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptAnswer {
    /// Hash of the request it answered.
    pub request: Vec<u8>,
    /// Status code.
    pub status: i64,
    /// Body.
    pub body: String,
}

/// How long an answer is kept for a repeated request.
const ANSWER_KEPT: Duration = Duration::from_secs(86_400);

const ORG: &str = "id, name, settings, settings_version, created, frozen_at, frozen_by, frozen_note";
const PERSON: &str = "p.id, p.org, p.name, p.role, p.password, p.must_change, p.created, p.last_login, p.disabled, p.version";
const TOKEN: &str = "id, org, name, role, created, last_used, expires";
const JOIN: &str = "id, org, name, uses_left, used, verified, created, expires, group_id";
const CREDENTIAL: &str = "id, org, name, secret, verified, created";
const AUDIT: &str = "id, at, actor, verb, object_kind, object_id, object_name, before, after, request";

fn org(row: &Row) -> Result<Org, Fault> {
    Ok(Org {
        id: row.id(0)?.into(),
        name: row.text(1)?.to_owned(),
        settings: json(row, 2, "org", "settings")?,
        settings_version: row.int(3)?,
        created: Timestamp(row.int(4)?),
        freeze: match row.opt_int(5)? {
            Some(at) => Some(Freeze { at: Timestamp(at), by: row.text(6)?.to_owned(), note: row.text(7)?.to_owned() }),
            None => None,
        },
    })
}

fn person(row: &Row) -> Result<Person, Fault> {
    Ok(Person {
        id: row.id(0)?.into(),
        org: row.opt_id(1)?.map(OrgId),
        name: row.text(2)?.to_owned(),
        role: word::<Role>(row, 3, "person", "role")?,
        password: row.text(4)?.to_owned(),
        must_change: row.flag(5),
        created: Timestamp(row.int(6)?),
        last_login: row.opt_int(7)?.map(Timestamp),
        disabled: row.flag(8),
        version: row.int(9)?,
    })
}

fn token(row: &Row) -> Result<Token, Fault> {
    Ok(Token {
        id: row.id(0)?.into(),
        org: row.opt_id(1)?.map(OrgId),
        name: row.text(2)?.to_owned(),
        role: word::<Role>(row, 3, "token", "role")?,
        created: Timestamp(row.int(4)?),
        last_used: row.opt_int(5)?.map(Timestamp),
        expires: row.opt_int(6)?.map(Timestamp),
    })
}

fn join_token(row: &Row) -> Result<JoinToken, Fault> {
    Ok(JoinToken {
        id: row.id(0)?.into(),
        org: row.id(1)?.into(),
        name: row.text(2)?.to_owned(),
        uses_left: row.opt_int(3)?,
        used: row.int(4)?,
        verified: row.flag(5),
        created: Timestamp(row.int(6)?),
        expires: row.opt_int(7)?.map(Timestamp),
        group: row.opt_id(8)?.map(GroupId),
    })
}

fn credential(row: &Row) -> Result<AgentCredential, Fault> {
    Ok(AgentCredential {
        id: row.id(0)?.into(),
        org: row.id(1)?.into(),
        name: row.text(2)?.to_owned(),
        secret: row.text(3)?.to_owned(),
        verified: row.flag(4),
        created: Timestamp(row.int(5)?),
    })
}

fn audit(row: &Row) -> Result<AuditEntry, Fault> {
    let document = |i: usize, column| row.opt_text(i)?.map(|_| json(row, i, "audit", column)).transpose();
    Ok(AuditEntry {
        id: row.id(0)?,
        at: Timestamp(row.int(1)?),
        actor: row.text(2)?.to_owned(),
        verb: row.text(3)?.to_owned(),
        object_kind: row.text(4)?.to_owned(),
        object_id: row.opt_id(5)?,
        object_name: row.text(6)?.to_owned(),
        before: document(7, "before")?,
        after: document(8, "after")?,
        request: row.text(9)?.to_owned(),
    })
}

impl Rx {
    /// All organizations by name, at most 1,000.
    pub fn orgs(&mut self) -> Result<Vec<Org>, Fault> {
        List::new(ORG, "org").all(self, "name", 1_000, org)
    }

    /// An organization.
    pub fn org(&mut self, id: OrgId) -> Result<Option<Org>, Fault> {
        self.one(
            "SELECT id, name, settings, settings_version, created, frozen_at, frozen_by, frozen_note FROM org WHERE id = ?1",
            &[V::U(id.0)],
        )?
        .as_ref()
        .map(org)
        .transpose()
    }

    /// An organization by its name.
    pub fn org_named(&mut self, name: &str) -> Result<Option<Org>, Fault> {
        self.one(
            "SELECT id, name, settings, settings_version, created, frozen_at, frozen_by, frozen_note FROM org WHERE name = ?1",
            &[name.into()],
        )?
        .as_ref()
        .map(org)
        .transpose()
    }

    /// A person by name.
    pub fn person_named(&mut self, name: &str) -> Result<Option<Person>, Fault> {
        self.one(
            "SELECT p.id, p.org, p.name, p.role, p.password, p.must_change, p.created, p.last_login, p.disabled, p.version FROM person p WHERE p.name = ?1",
            &[name.into()],
        )?
        .as_ref()
        .map(person)
        .transpose()
    }

    /// A person.
    pub fn person(&mut self, id: UserId) -> Result<Option<Person>, Fault> {
        self.one(
            "SELECT p.id, p.org, p.name, p.role, p.password, p.must_change, p.created, p.last_login, p.disabled, p.version FROM person p WHERE p.id = ?1",
            &[V::U(id.0)],
        )?
        .as_ref()
        .map(person)
        .transpose()
    }

    /// People; those of one organization, or all.
    pub fn people(&mut self, scope: Option<OrgId>, page: &PageRequest) -> Result<Page<Person>, Fault> {
        let mut list = List::new(PERSON, "person p");
        if let Some(org) = scope {
            list.filter("p.org = {}", org.0);
        }
        list.page(self, page, &Order { column: "p.name", id: "p.id" }, person)
    }

    /// How many people can administer everything.
    pub fn admins(&mut self) -> Result<i64, Fault> {
        let mut list = List::new("1", "person p");
        list.condition("p.role = 'admin' AND p.org IS NULL AND p.disabled = 0");
        list.exactly(self)
    }

    /// The session of a hash, if it has not ended.
    pub fn session(&mut self, hash: &[u8], now: Timestamp) -> Result<Option<SessionRow>, Fault> {
        let row = self.one(
            "SELECT p.id, p.org, p.name, p.role, p.password, p.must_change, p.created, p.last_login, p.disabled, p.version, s.csrf, s.expires \
             FROM session s JOIN person p ON p.id = s.person WHERE s.hash = ?1 AND s.expires > ?2 AND p.disabled = 0",
            &[hash.into(), now.0.into()],
        )?;
        row.map(|r| Ok(SessionRow { person: person(&r)?, csrf: r.text(10)?.to_owned(), expires: Timestamp(r.int(11)?) })).transpose()
    }

    /// The token of a hash, if it has not ended.
    pub fn token_of(&mut self, hash: &[u8], now: Timestamp) -> Result<Option<Token>, Fault> {
        let sql =
            "SELECT id, org, name, role, created, last_used, expires FROM token WHERE hash = ?1 AND (expires IS NULL OR expires > ?2)";
        self.one(sql, &[hash.into(), now.0.into()])?.as_ref().map(token).transpose()
    }

    /// A token.
    pub fn token(&mut self, id: TokenId) -> Result<Option<Token>, Fault> {
        let sql = "SELECT id, org, name, role, created, last_used, expires FROM token WHERE id = ?1";
        self.one(sql, &[V::U(id.0)])?.as_ref().map(token).transpose()
    }

    /// Tokens; those of one organization, or all.
    pub fn tokens(&mut self, scope: Option<OrgId>, page: &PageRequest) -> Result<Page<Token>, Fault> {
        let mut list = List::new(TOKEN, "token");
        if let Some(org) = scope {
            list.filter("org = {}", org.0);
        }
        list.page(self, page, &Order { column: "name", id: "id" }, token)
    }

    /// A join token.
    pub fn join_token(&mut self, id: JoinTokenId) -> Result<Option<JoinToken>, Fault> {
        let sql = "SELECT id, org, name, uses_left, used, verified, created, expires, group_id FROM join_token WHERE id = ?1";
        self.one(sql, &[V::U(id.0)])?.as_ref().map(join_token).transpose()
    }

    /// Join tokens of an organization.
    pub fn join_tokens(&mut self, org: OrgId, page: &PageRequest) -> Result<Page<JoinToken>, Fault> {
        let mut list = List::new(JOIN, "join_token");
        list.filter("org = {}", org.0);
        list.page(self, page, &Order { column: "name", id: "id" }, join_token)
    }

    /// A credential of foreign agents.
    pub fn agent_credential(&mut self, id: AgentCredentialId) -> Result<Option<AgentCredential>, Fault> {
        let sql = "SELECT id, org, name, secret, verified, created FROM agent_credential WHERE id = ?1";
        self.one(sql, &[V::U(id.0)])?.as_ref().map(credential).transpose()
    }

    /// A credential of foreign agents by its name.
    pub fn agent_credential_named(&mut self, name: &str) -> Result<Option<AgentCredential>, Fault> {
        let sql = "SELECT id, org, name, secret, verified, created FROM agent_credential WHERE name = ?1";
        self.one(sql, &[name.into()])?.as_ref().map(credential).transpose()
    }

    /// Credentials of foreign agents of an organization.
    pub fn agent_credentials(&mut self, org: OrgId, page: &PageRequest) -> Result<Page<AgentCredential>, Fault> {
        let mut list = List::new(CREDENTIAL, "agent_credential");
        list.filter("org = {}", org.0);
        list.page(self, page, &Order { column: "name", id: "id" }, credential)
    }

    /// The audit log of an organization, the newest first; `house`: with what concerns no single organization.
    pub fn audit(
        &mut self,
        org: OrgId,
        house: bool,
        actor: Option<&str>,
        verb: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<AuditEntry>, Fault> {
        let mut list = List::new(AUDIT, "audit");
        list.filter(if house { "org = {} OR org IS NULL" } else { "org = {}" }, org.0);
        if let Some(actor) = actor {
            list.filter("actor = {}", actor);
        }
        if let Some(verb) = verb {
            list.filter("verb = {}", verb);
        }
        list.newest_first(self, page, "id", audit)
    }

    /// The kept answer of an idempotency key, for 24 h.
    pub fn kept_answer(&mut self, caller: &str, key: &str) -> Result<Option<KeptAnswer>, Fault> {
        let oldest = self.now().minus(ANSWER_KEPT);
        let row = self.one(
            "SELECT request, status, body FROM idempotency WHERE caller = ?1 AND key = ?2 AND at >= ?3",
            &[caller.into(), key.into(), oldest.0.into()],
        )?;
        row.map(|r| Ok(KeptAnswer { request: r.bytes(0)?.to_vec(), status: r.int(1)?, body: r.text(2)?.to_owned() })).transpose()
    }
}

impl Tx {
    /// Adds an organization; false when the name is taken.
    pub fn org_insert(&mut self, org: &Org) -> Result<bool, Fault> {
        let settings = serde_json::to_string(&org.settings).map_err(|e| Fault::Db(e.to_string()))?;
        let done = self.exec(
            "INSERT INTO org (id, name, settings, settings_version, run_number, created) VALUES (?1, ?2, ?3, ?4, 0, ?5) ON CONFLICT DO NOTHING",
            &[V::U(org.id.0), (&org.name).into(), settings.into(), org.settings_version.into(), org.created.0.into()],
        )?;
        Ok(done == 1)
    }

    /// Saves whether the brake of an organization is on.
    pub fn org_freeze(&mut self, org: &Org) -> Result<(), Fault> {
        let freeze = org.freeze.as_ref();
        self.fenced(
            1,
            "UPDATE org SET frozen_at = ?2, frozen_by = ?3, frozen_note = ?4 WHERE id = ?1",
            &[V::U(org.id.0), freeze.map(|f| f.at.0).into(), freeze.map(|f| &f.by).into(), freeze.map(|f| &f.note).into()],
        )?;
        self.after(Hint { topic: Topic::Settings, id: Some(org.id.0), org: Some(org.id.0) });
        Ok(())
    }

    /// Saves settings where the version still matches; false when it does not.
    pub fn settings_update(&mut self, org: &Org) -> Result<bool, Fault> {
        let settings = serde_json::to_string(&org.settings).map_err(|e| Fault::Db(e.to_string()))?;
        let done = self.exec(
            "UPDATE org SET settings = ?2, settings_version = settings_version + 1 WHERE id = ?1 AND settings_version = ?3",
            &[V::U(org.id.0), settings.into(), org.settings_version.into()],
        )?;
        self.after(Hint { topic: Topic::Settings, id: None, org: Some(org.id.0) });
        Ok(done == 1)
    }

    /// Adds a person; false when the name is taken.
    pub fn person_insert(&mut self, p: &Person) -> Result<bool, Fault> {
        let done = self.exec(
            "INSERT INTO person (id, org, name, role, password, must_change, created, last_login, disabled, version) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, ?8, 1) ON CONFLICT DO NOTHING",
            &[
                V::U(p.id.0),
                p.org.map(|o| o.0).into(),
                (&p.name).into(),
                p.role.as_str().into(),
                (&p.password).into(),
                p.must_change.into(),
                p.created.0.into(),
                p.disabled.into(),
            ],
        )?;
        Ok(done == 1)
    }

    /// Saves a person where the version still matches; false when it does not.
    pub fn person_update(&mut self, p: &Person) -> Result<bool, Fault> {
        let done = self.exec(
            "UPDATE person SET org = ?2, role = ?3, password = ?4, must_change = ?5, disabled = ?6, last_login = ?7, version = version + 1 WHERE id = ?1 AND version = ?8",
            &[
                V::U(p.id.0),
                p.org.map(|o| o.0).into(),
                p.role.as_str().into(),
                (&p.password).into(),
                p.must_change.into(),
                p.disabled.into(),
                p.last_login.map(|t| t.0).into(),
                p.version.into(),
            ],
        )?;
        Ok(done == 1)
    }

    /// Removes a person with all sessions.
    pub fn person_delete(&mut self, id: UserId) -> Result<bool, Fault> {
        Ok(self.exec("DELETE FROM person WHERE id = ?1", &[V::U(id.0)])? == 1)
    }

    /// Begins a session.
    pub fn session_insert(&mut self, hash: &[u8], person: UserId, csrf: &str, created: Timestamp, expires: Timestamp) -> Result<(), Fault> {
        self.exec("DELETE FROM session WHERE expires <= ?1", &[created.0.into()])?;
        self.exec(
            "INSERT INTO session (hash, person, csrf, created, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
            &[hash.into(), V::U(person.0), csrf.into(), created.0.into(), expires.0.into()],
        )?;
        Ok(())
    }

    /// Ends a session.
    pub fn session_delete(&mut self, hash: &[u8]) -> Result<(), Fault> {
        self.exec("DELETE FROM session WHERE hash = ?1", &[hash.into()])?;
        Ok(())
    }

    /// Ends all sessions of a person, but for one.
    pub fn sessions_delete(&mut self, person: UserId, but: Option<&[u8]>) -> Result<(), Fault> {
        self.exec("DELETE FROM session WHERE person = ?1 AND hash <> ?2", &[V::U(person.0), but.unwrap_or_default().into()])?;
        Ok(())
    }

    /// Adds a bearer token.
    pub fn token_insert(&mut self, t: &Token, hash: &[u8]) -> Result<(), Fault> {
        self.exec(
            "INSERT INTO token (id, org, name, role, hash, created, last_used, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7)",
            &[
                V::U(t.id.0),
                t.org.map(|o| o.0).into(),
                (&t.name).into(),
                t.role.as_str().into(),
                hash.into(),
                t.created.0.into(),
                t.expires.map(|e| e.0).into(),
            ],
        )?;
        Ok(())
    }

    /// Notes that a token was used.
    pub fn token_used(&mut self, id: TokenId, at: Timestamp) -> Result<(), Fault> {
        self.exec("UPDATE token SET last_used = ?2 WHERE id = ?1", &[V::U(id.0), at.0.into()])?;
        Ok(())
    }

    /// Removes a bearer token.
    pub fn token_delete(&mut self, id: TokenId) -> Result<bool, Fault> {
        Ok(self.exec("DELETE FROM token WHERE id = ?1", &[V::U(id.0)])? == 1)
    }

    /// Adds a join token.
    pub fn join_token_insert(&mut self, t: &JoinToken, hash: &[u8]) -> Result<(), Fault> {
        self.exec(
            "INSERT INTO join_token (id, org, name, hash, uses_left, used, verified, created, expires, group_id) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9)",
            &[
                V::U(t.id.0),
                V::U(t.org.0),
                (&t.name).into(),
                hash.into(),
                t.uses_left.into(),
                t.verified.into(),
                t.created.0.into(),
                t.expires.map(|e| e.0).into(),
                t.group.map_or(V::Null, |group| V::U(group.0)),
            ],
        )?;
        Ok(())
    }

    /// Uses a join token once; `None` when it is unknown, used up or over.
    pub fn join_token_use(&mut self, hash: &[u8], now: Timestamp) -> Result<Option<JoinToken>, Fault> {
        let row = self.one(
            "UPDATE join_token SET used = used + 1, uses_left = uses_left - 1 \
             WHERE hash = ?1 AND (uses_left IS NULL OR uses_left > 0) AND (expires IS NULL OR expires > ?2) \
             RETURNING id, org, name, uses_left, used, verified, created, expires, group_id",
            &[hash.into(), now.0.into()],
        )?;
        row.as_ref().map(join_token).transpose()
    }

    /// Removes a join token.
    pub fn join_token_delete(&mut self, id: JoinTokenId) -> Result<bool, Fault> {
        Ok(self.exec("DELETE FROM join_token WHERE id = ?1", &[V::U(id.0)])? == 1)
    }

    /// Adds a credential of foreign agents.
    pub fn agent_credential_insert(&mut self, c: &AgentCredential) -> Result<(), Fault> {
        self.exec(
            "INSERT INTO agent_credential (id, org, name, secret, verified, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            &[V::U(c.id.0), V::U(c.org.0), (&c.name).into(), (&c.secret).into(), c.verified.into(), c.created.0.into()],
        )?;
        Ok(())
    }

    /// Removes a credential of foreign agents.
    pub fn agent_credential_delete(&mut self, id: AgentCredentialId) -> Result<bool, Fault> {
        Ok(self.exec("DELETE FROM agent_credential WHERE id = ?1", &[V::U(id.0)])? == 1)
    }

    /// Writes a line of the audit log.
    pub fn audit_insert(&mut self, org: Option<OrgId>, e: &AuditEntry) -> Result<(), Fault> {
        self.send(
            "INSERT INTO audit (id, org, at, actor, verb, object_kind, object_id, object_name, before, after, request) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            &[
                V::U(e.id),
                org.map(|o| o.0).into(),
                e.at.0.into(),
                (&e.actor).into(),
                (&e.verb).into(),
                (&e.object_kind).into(),
                e.object_id.into(),
                (&e.object_name).into(),
                e.before.as_ref().map(ToString::to_string).into(),
                e.after.as_ref().map(ToString::to_string).into(),
                (&e.request).into(),
            ],
        )
    }

    /// Keeps the answer of an idempotency key for 24 h; old ones are dropped.
    pub fn answer_keep(&mut self, caller: &str, key: &str, answer: &KeptAnswer, now: Timestamp) -> Result<(), Fault> {
        self.send("DELETE FROM idempotency WHERE at < ?1", &[now.minus(ANSWER_KEPT).0.into()])?;
        self.exec(
            "INSERT INTO idempotency (caller, key, request, status, body, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            &[caller.into(), key.into(), answer.request.clone().into(), answer.status.into(), (&answer.body).into(), now.0.into()],
        )?;
        Ok(())
    }
}
