//! The audit log: every write of a person or script, with who, what, before and after.

use crate::cx::Cx;
use crate::error::Error;
use muster_core::access::{AuditEntry, Role};
use muster_core::ids::OrgId;
use muster_core::page::{Page, PageRequest};
use muster_store::{Rx, Tx};
use serde_json::Value;
use uuid::Uuid;

/// What a write was done to.
pub struct Object<'a> {
    /// Its kind, such as `task`.
    pub kind: &'a str,
    /// Its id.
    pub id: Option<Uuid>,
    /// Its name at that time.
    pub name: &'a str,
}

/// Records a write in the same transaction.
pub fn record(
    tx: &mut Tx,
    cx: &Cx,
    org: Option<OrgId>,
    verb: &str,
    object: Object<'_>,
    before: Option<Value>,
    after: Option<Value>,
) -> Result<(), Error> {
    let entry = AuditEntry {
        id: cx.id(),
        at: cx.now,
        actor: cx.name.clone(),
        verb: verb.to_owned(),
        object_kind: object.kind.to_owned(),
        object_id: object.id,
        object_name: object.name.to_owned(),
        before,
        after,
        request: cx.request.clone(),
    };
    Ok(tx.audit_insert(org, &entry)?)
}

/// The log, the newest first. Administrators only; what concerns no single organization is for those of the whole house.
pub fn audit_list(rx: &mut Rx, cx: &Cx, actor: Option<&str>, verb: Option<&str>, page: &PageRequest) -> Result<Page<AuditEntry>, Error> {
    cx.may_here(Role::Admin, "reading the audit log")?;
    Ok(rx.audit(cx.org, cx.caller.scope.is_none(), actor, verb, page)?)
}
