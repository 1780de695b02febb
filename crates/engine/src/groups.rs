//! Groups: named lists of devices, and those that follow a query. Who is in one is looked up when a task starts; a run keeps the
//! devices it started with.

mod follow;

pub use follow::{Strays, refresh, strays};
pub(crate) use follow::{members, settle};

use crate::audit::{Object, record};
use crate::cx::Cx;
use crate::error::{Error, Field, Kind};
use crate::runs::house;
use muster_core::access::Role;
use muster_core::groups::{Group, Membership, group_description, group_name};
use muster_core::ids::{DeviceId, GroupId, OrgId};
use muster_core::limits::{DYNAMIC_GROUPS_MAX, GROUP_CHANGE_DEVICES_MAX};
use muster_core::page::{Page, PageRequest};
use muster_core::query::Query;
use muster_core::tasks::doc::GroupNaming;
use muster_store::{DeviceFilter, Rx, Tx};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ops::AddAssign;

/// Members changed in one command.
pub const PIECE: usize = 1_000;
/// Devices that an entry of the audit log names, and tasks that a refusal names.
const NAMED_MAX: usize = 100;

/// A group with how many devices are in it.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// The group.
    pub group: Group,
    /// How many devices.
    pub count: i64,
}

/// A page of groups.
pub fn group_list(rx: &mut Rx, cx: &Cx, q: Option<&str>, page: &PageRequest) -> Result<Page<GroupView>, Error> {
    cx.may_here(Role::Viewer, "listing groups")?;
    Ok(rx.groups(cx.org, q, page)?.map(|(group, count)| GroupView { group, count }))
}

/// One group.
pub fn group_view(rx: &mut Rx, cx: &Cx, id: GroupId) -> Result<GroupView, Error> {
    cx.may_here(Role::Viewer, "looking at groups")?;
    let found = rx.group(cx.org, id)?.ok_or_else(|| Error::not_found("group/not-found", "group", id))?;
    Ok(GroupView { group: found.0, count: found.1 })
}

/// What a person may change of a group.
#[derive(Clone, Debug, Default)]
pub struct GroupPatch {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The query that members follow; of a group that has one.
    pub query: Option<String>,
}

fn query_checked(text: &str) -> Result<Membership, Error> {
    Membership::following(text).map_err(|what| Error::invalid("group/invalid", "/query", what))
}

fn name_checked(name: &str) -> Result<String, Error> {
    group_name(name).map_err(|what| Error::invalid("group/invalid", "/name", what))
}

fn description_checked(text: &str) -> Result<String, Error> {
    group_description(text).map_err(|what| Error::invalid("group/invalid", "/description", what))
}

fn name_taken(name: &str) -> Error {
    Error::new(Kind::Conflict, "group/name-taken", format!("there is a group '{name}' already; choose another name or change that one"))
}

fn object(group: &Group) -> Object<'_> {
    Object { kind: "group", id: Some(group.id.0), name: &group.name }
}

fn shown(group: &Group) -> Value {
    match group.members.query() {
        Some(query) => json!({"name": group.name, "description": group.description, "query": query}),
        None => json!({"name": group.name, "description": group.description}),
    }
}

/// Makes a group: with a query one that follows it, otherwise one without members.
pub fn group_create(tx: &mut Tx, cx: &Cx, name: &str, description: &str, query: Option<&str>) -> Result<GroupView, Error> {
    cx.may_here(Role::Operator, "making groups")?;
    let members = query.map_or(Ok(Membership::Static), query_checked)?;
    if members.query().is_some() && tx.groups_following_count(cx.org)? >= DYNAMIC_GROUPS_MAX {
        let detail = format!("there are {DYNAMIC_GROUPS_MAX} groups with a query already; remove some first");
        return Err(Error::invalid("group/invalid", "/query", detail));
    }
    let description = description_checked(description)?;
    let group =
        Group { id: cx.id(), org: cx.org, name: name_checked(name)?, description, members, created: cx.now, updated: cx.now, version: 1 };
    if !tx.group_insert(&group)? {
        return Err(name_taken(&group.name));
    }
    record(tx, cx, Some(cx.org), "group_create", object(&group), None, Some(shown(&group)))?;
    Ok(GroupView { group, count: 0 })
}

/// Changes a group's name, description or query; `version` as read, when the caller insists. A name by which tasks know it stays.
pub fn group_update(tx: &mut Tx, cx: &Cx, id: GroupId, patch: &GroupPatch, version: Option<i64>) -> Result<GroupView, Error> {
    let GroupView { group: before, count } = group_view(tx, cx, id)?;
    cx.may_here(Role::Operator, "changing groups")?;
    if version.is_some_and(|v| v != before.version) {
        return Err(Error::stale("group"));
    }
    let mut group = before.clone();
    if let Some(name) = &patch.name {
        group.name = name_checked(name)?;
    }
    if let Some(description) = &patch.description {
        group.description = description_checked(description)?;
    }
    if let Some(query) = &patch.query {
        group.members = new_query(&before, query)?;
    }
    if group == before {
        return Ok(GroupView { group, count });
    }
    if group.name != before.name {
        if tx.group_named(cx.org, &group.name)?.is_some() {
            return Err(name_taken(&group.name));
        }
        unused(tx, &before, Some(GroupNaming::ByName), "name the group by its id there, or change them first")?;
    }
    (group.version, group.updated) = (before.version + 1, cx.now);
    if !tx.group_update(&group)? {
        return Err(Error::stale("group"));
    }
    record(tx, cx, Some(cx.org), "group_update", object(&group), Some(shown(&before)), Some(shown(&group)))?;
    Ok(GroupView { group, count })
}

/// What the members of a group follow from now on. Who were named by people stay named: a list does not become a query.
fn new_query(group: &Group, text: &str) -> Result<Membership, Error> {
    if group.members.query().is_none() {
        let detail = "people name the members of this group; make a new one for a query";
        return Err(Error::invalid("group/invalid", "/query", detail));
    }
    let asked = query_checked(text)?;
    Ok(if asked.query() == group.members.query() { group.members.clone() } else { asked })
}

/// Removes a group that no task is aimed at; its devices stay.
pub fn group_delete(tx: &mut Tx, cx: &Cx, id: GroupId) -> Result<(), Error> {
    let GroupView { group, count } = group_view(tx, cx, id)?;
    cx.may_here(Role::Operator, "removing groups")?;
    unused(tx, &group, None, "take it out of them first")?;
    tx.group_delete(cx.org, id)?;
    let mut before = shown(&group);
    before["count"] = json!(count);
    record(tx, cx, Some(cx.org), "group_delete", object(&group), Some(before), None)
}

/// Refuses while the current version of a task names the group, in any way or in this one.
fn unused(rx: &mut Rx, group: &Group, naming: Option<GroupNaming>, what_to_do: &str) -> Result<(), Error> {
    let mut tasks = rx.tasks_with_groups(group.org)?;
    tasks.retain(|t| t.doc.naming(group.id, &group.name).is_some_and(|found| naming.is_none_or(|n| n == found)));
    if tasks.is_empty() {
        return Ok(());
    }
    let named = &tasks[..tasks.len().min(NAMED_MAX)];
    let names: Vec<String> = named.iter().take(5).map(|t| format!("'{}'", t.doc.name)).collect();
    let more = if tasks.len() > names.len() { format!(" and {} more", tasks.len() - names.len()) } else { String::new() };
    let detail = format!("the group '{}' is used by {}{more}; {what_to_do}", group.name, names.join(", "));
    let list: Vec<Value> = named.iter().map(|t| json!({"id": t.id, "name": t.doc.name})).collect();
    Err(Error::new(Kind::Conflict, "group/in-use", detail).with("tasks", list).with("count", tasks.len()))
}

/// Groups by names or ids, as people write them.
pub fn group_ids(rx: &mut Rx, cx: &Cx, named: &[String]) -> Result<Vec<GroupId>, Error> {
    cx.may_here(Role::Viewer, "looking at groups")?;
    let found = rx.groups_named(cx.org, named)?;
    match unknown(&found, named).first() {
        Some((_, name)) => Err(Error::invalid("group/unknown", "group", no_group(name))),
        None => Ok(found.into_iter().map(|(id, _)| id).collect()),
    }
}

pub(crate) fn no_group(name: &str) -> String {
    format!("there is no group '{name}'; name it exactly, or by its id")
}

pub(crate) fn no_device(name: &str) -> String {
    format!("there is no device '{name}'; name it as it is shown, or by its id")
}

/// Names or ids among `named` that name none of `found`, with their places.
pub(crate) fn unknown<I: Ord + std::str::FromStr>(found: &[(I, String)], named: &[String]) -> Vec<(usize, String)> {
    let names: BTreeSet<&str> = found.iter().map(|(_, name)| name.as_str()).collect();
    let ids: BTreeSet<&I> = found.iter().map(|(id, _)| id).collect();
    let is_known = |name: &str| names.contains(name) || name.parse::<I>().is_ok_and(|id| ids.contains(&id));
    named.iter().enumerate().filter(|(_, name)| !is_known(name)).map(|(place, name)| (place, name.clone())).collect()
}

/// What is done to all devices that a query selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberAct {
    /// They come into the group.
    Add,
    /// They leave it.
    Remove,
}

/// A change of a group's members.
#[derive(Clone, Debug)]
pub enum Change {
    /// Of devices that were named.
    Named {
        /// Those that come.
        add: Vec<DeviceId>,
        /// Those that leave.
        remove: Vec<DeviceId>,
    },
    /// Of all that a query selects.
    Query {
        /// The query as it was written.
        text: String,
        /// What it says.
        query: Query,
        /// What is done to them.
        act: MemberAct,
    },
}

/// How many came and how many left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Those that were not in the group.
    pub added: usize,
    /// Those that were.
    pub removed: usize,
}

impl AddAssign for Changed {
    fn add_assign(&mut self, more: Self) {
        self.added += more.added;
        self.removed += more.removed;
    }
}

/// A change of devices by names or ids: all of a name that several have. Every name that names none is told at once.
pub fn change_named(rx: &mut Rx, cx: &Cx, id: GroupId, add: &[String], remove: &[String]) -> Result<Change, Error> {
    changeable(rx, cx, id)?;
    if add.len() + remove.len() > GROUP_CHANGE_DEVICES_MAX {
        let detail = format!("{} devices; at most {GROUP_CHANGE_DEVICES_MAX} are named at once, use a query", add.len() + remove.len());
        return Err(Error::invalid("group/invalid", if add.is_empty() { "/remove" } else { "/add" }, detail));
    }
    let (come, mut faults) = devices(rx, cx.org, "/add", add)?;
    let (leave, more) = devices(rx, cx.org, "/remove", remove)?;
    faults.extend(more);
    if faults.is_empty() && leave.iter().any(|d| come.contains(d)) {
        let detail = "a device cannot come and leave at once; name it in one of the two";
        faults.push(Field { pointer: "/remove".to_owned(), detail: detail.to_owned() });
    }
    if let Some(first) = faults.first() {
        let detail = if faults.len() == 1 { first.detail.clone() } else { format!("{} of the devices make no sense", faults.len()) };
        return Err(Error { fields: faults, ..Error::new(Kind::Invalid, "group/invalid", detail) });
    }
    Ok(Change::Named { add: come.into_iter().collect(), remove: leave.into_iter().collect() })
}

fn devices(rx: &mut Rx, org: OrgId, pointer: &str, named: &[String]) -> Result<(BTreeSet<DeviceId>, Vec<Field>), Error> {
    let found = rx.devices_named(org, named)?;
    let fault = |(place, name): (usize, String)| Field { pointer: format!("{pointer}/{place}"), detail: no_device(&name) };
    let faults = unknown(&found, named).into_iter().map(fault).collect();
    Ok((found.into_iter().map(|(id, _)| id).collect(), faults))
}

/// A change of all devices that a query selects.
pub fn change_by_query(rx: &mut Rx, cx: &Cx, id: GroupId, text: &str, act: MemberAct) -> Result<Change, Error> {
    changeable(rx, cx, id)?;
    let query = Query::parse(text).map_err(|bad| Error::invalid("group/invalid", "/query", bad.what))?;
    Ok(Change::Query { text: text.to_owned(), query, act })
}

fn changeable(rx: &mut Rx, cx: &Cx, id: GroupId) -> Result<Group, Error> {
    let view = group_view(rx, cx, id)?;
    cx.may_here(Role::Operator, "changing who is in groups")?;
    listed(&view.group)?;
    Ok(view.group)
}

/// Refuses a group whose members nobody names.
fn listed(group: &Group) -> Result<(), Error> {
    match group.members.query() {
        Some(query) => {
            let detail = format!("the members of this group follow its query ({query}); change that");
            Err(Error::new(Kind::Conflict, "group/dynamic", detail))
        }
        None => Ok(()),
    }
}

/// The devices that a query changes: those that are on the other side.
fn affected(id: GroupId, query: &Query, act: MemberAct) -> DeviceFilter {
    let filter = DeviceFilter { query: Some(query.clone()), ..DeviceFilter::default() };
    match act {
        MemberAct::Add => DeviceFilter { outside: Some(id), ..filter },
        MemberAct::Remove => DeviceFilter { groups: Some(vec![id]), ..filter },
    }
}

/// How many devices a change would move.
fn count(rx: &mut Rx, org: OrgId, id: GroupId, change: &Change) -> Result<i64, Error> {
    match change {
        Change::Named { add, remove } => {
            let members: BTreeSet<DeviceId> = rx.device_ids_in(org, &[id])?.into_iter().collect();
            let come = add.iter().filter(|d| !members.contains(d)).count();
            Ok(crate::runs::count(come + remove.iter().filter(|d| members.contains(d)).count()))
        }
        Change::Query { query, act, .. } => Ok(rx.devices_count(org, &affected(id, query, *act))?),
    }
}

/// Checks a change: the number of devices it moves must be said when it is above the size guard. Gives that number.
pub fn check(rx: &mut Rx, cx: &Cx, id: GroupId, change: &Change, confirm_count: Option<i64>) -> Result<i64, Error> {
    changeable(rx, cx, id)?;
    let count = count(rx, cx.org, id, change)?;
    let guard = i64::from(house(rx, cx.org)?.settings.size_guard);
    if confirm_count.map_or(count > guard, |said| said != count) {
        let detail = format!("this moves {count} devices into the group or out of it; say the number: confirm_count");
        return Err(Error::new(Kind::Conflict, "group/size-guard", detail).with("count", count));
    }
    Ok(count)
}

/// Does one piece of a change; call it until it moves nothing. The `first` is written to the audit log.
pub fn piece(tx: &mut Tx, cx: &Cx, id: GroupId, change: &Change, first: bool) -> Result<Changed, Error> {
    let group = changeable(tx, cx, id)?;
    let all = if first { count(tx, cx.org, id, change)? } else { 0 };
    if all > 0 {
        record(tx, cx, Some(cx.org), "group_members", object(&group), None, Some(told(change, all)))?;
    }
    match change {
        Change::Named { add, remove } => {
            let removed = tx.members_remove(cx.org, id, remove, cx.now)?;
            Ok(Changed { added: come(tx, cx, &group, add)?, removed })
        }
        Change::Query { query, act, .. } => {
            let some = tx.device_ids_where(cx.org, &affected(id, query, *act), PIECE)?;
            Ok(match act {
                MemberAct::Add => Changed { added: come(tx, cx, &group, &some)?, removed: 0 },
                MemberAct::Remove => Changed { added: 0, removed: tx.members_remove(cx.org, id, &some, cx.now)? },
            })
        }
    }
}

/// Devices come into a group; tasks that wait for that will start.
fn come(tx: &mut Tx, cx: &Cx, group: &Group, devices: &[DeviceId]) -> Result<usize, Error> {
    let before: BTreeSet<DeviceId> = tx.members_among(group.id, devices)?.into_iter().collect();
    let added = tx.members_add(group.org, group.id, devices, cx.now)?;
    let strange: Vec<DeviceId> = devices.iter().copied().filter(|d| !before.contains(d)).collect();
    let new = tx.members_among(group.id, &strange)?;
    follow::joined(tx, cx, group.org, group.id, &group.name, &new)?;
    Ok(added)
}

/// A group by its name or id.
pub(crate) fn group_of(rx: &mut Rx, org: OrgId, named: &str) -> Result<Group, Error> {
    let id = rx.groups_named(org, &[named.to_owned()])?.first().map(|(id, _)| *id);
    let group = id.map_or(Ok(None), |id| rx.group(org, id))?.map(|(group, _)| group);
    group.ok_or_else(|| Error::invalid("group/unknown", "group", no_group(named)))
}

/// Has it found anew who is in a group that follows a query; a worker does it, a piece at a time.
pub(crate) fn look_again(tx: &mut Tx, cx: &Cx, named: &str) -> Result<String, Error> {
    let group = group_of(tx, cx.org, named)?;
    if group.members.query().is_none() {
        let detail = format!("people list who is in '{}'; there is no query to ask", group.name);
        return Err(Error::invalid("group/listed", "group", detail));
    }
    tx.group_look_again(group.org, group.id)?;
    Ok(format!("it is looked up anew who is in the group '{}'", group.name))
}

/// Moves named devices for a task; as many as one command may.
pub(crate) fn moved(tx: &mut Tx, cx: &Cx, org: OrgId, name: &str, change: &Change) -> Result<Changed, Error> {
    let group = group_of(tx, org, name)?;
    listed(&group)?;
    let Change::Named { add, remove } = change else { return Ok(Changed::default()) };
    if add.len() + remove.len() > GROUP_CHANGE_DEVICES_MAX {
        let n = add.len() + remove.len();
        let detail = format!("{n} devices; a step moves at most {GROUP_CHANGE_DEVICES_MAX}: let a group follow a query instead");
        return Err(Error::invalid("group/invalid", "group", detail));
    }
    let done = Changed { removed: tx.members_remove(org, group.id, remove, cx.now)?, added: come(tx, cx, &group, add)? };
    if done != Changed::default() {
        record(
            tx,
            cx,
            Some(org),
            "group_members",
            object(&group),
            None,
            Some(told(change, crate::runs::count(done.added + done.removed))),
        )?;
    }
    Ok(done)
}

/// A change as the audit log tells it.
fn told(change: &Change, count: i64) -> Value {
    let some = |devices: &[DeviceId]| devices[..devices.len().min(NAMED_MAX)].to_vec();
    match change {
        Change::Named { add, remove } => json!({"add": some(add), "remove": some(remove), "count": count}),
        Change::Query { text, act, .. } => {
            json!({"query": text, "act": if *act == MemberAct::Add { "add" } else { "remove" }, "count": count})
        }
    }
}
