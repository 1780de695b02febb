//! Groups that follow a query: who comes and who leaves when a device changes, and when the query does.
//!
//! Every command that changes what queries ask of a device ends with [`follow`], which evaluates the groups in memory. When a query
//! changes, SQL finds the devices that stand on the wrong side ([`strays`]), and the same evaluation settles them ([`refresh`]).

use crate::cx::Cx;
use crate::error::Error;
use crate::rebuild::program_names;
use crate::schedules::{self, Happened};
use muster_core::fleet::DeviceFacts;
use muster_core::ids::{DeviceId, GroupId, OrgId};
use muster_core::query::{Field, Query};
use muster_store::{DeviceFilter, Following, Rx, Tx};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Devices settled in one command.
const PIECE: usize = 250;
/// Queries kept as they were read: reading one takes longer than evaluating it for a device.
const READ_MAX: usize = 2_000;

static READ: LazyLock<Mutex<BTreeMap<String, Arc<Query>>>> = LazyLock::new(Mutex::default);

/// A stored query. One that cannot be read any more selects nothing and is told in the log: it must not keep inventories out.
fn read(group: &Following) -> Arc<Query> {
    let mut kept = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(query) = kept.get(&group.query) {
        return Arc::clone(query);
    }
    let query = Query::parse(&group.query).unwrap_or_else(|bad| {
        tracing::error!(group = %group.id, name = group.name, error = %bad, "the query of a group cannot be read; nobody is in it");
        Query::Always(false)
    });
    if kept.len() >= READ_MAX {
        kept.clear();
    }
    let query = Arc::new(query);
    kept.insert(group.query.clone(), Arc::clone(&query));
    query
}

/// The members of groups as they are at this moment: those of a query are asked of the query itself.
pub(crate) fn members(rx: &mut Rx, org: OrgId, groups: &[GroupId]) -> Result<Vec<DeviceId>, Error> {
    let following = rx.groups_with_query(groups)?;
    let listed: Vec<GroupId> = groups.iter().copied().filter(|id| following.iter().all(|f| f.id != *id)).collect();
    let mut found = rx.device_ids_in(org, &listed)?;
    for group in &following {
        found.extend(rx.device_ids(org, Some(read(group).as_ref()), &[], false)?);
    }
    Ok(found)
}

/// Ends a command: the devices of which something changed come into groups and leave them.
pub(crate) fn settle(tx: &mut Tx, cx: &Cx) -> Result<(), Error> {
    let devices = tx.take_redrawn();
    if devices.is_empty() { Ok(()) } else { follow(tx, cx, &devices).map(drop) }
}

/// Looks which groups with a query devices are in now; gives how many came or left.
fn follow(tx: &mut Tx, cx: &Cx, devices: &[DeviceId]) -> Result<usize, Error> {
    let mut by_org: BTreeMap<OrgId, Vec<(Following, Arc<Query>)>> = BTreeMap::new();
    for group in tx.groups_following(devices)? {
        let query = read(&group);
        by_org.entry(group.org).or_default().push((group, query));
    }
    if by_org.is_empty() {
        return Ok(0);
    }
    let held = tx.following_members(devices)?;
    let mut moved = 0;
    for (org, groups) in by_org {
        let facts = facts(tx, org, devices, groups.iter().any(|(_, query)| query.asks(Field::Software)))?;
        for (group, query) in &groups {
            let is_in = |d: &DeviceId| facts.get(d).is_some_and(|facts| query.matches(facts));
            let was_in = |d: &DeviceId| held.contains(&(group.id, *d));
            let come: Vec<DeviceId> = devices.iter().copied().filter(|d| is_in(d) && !was_in(d)).collect();
            let leave: Vec<DeviceId> = devices.iter().copied().filter(|d| was_in(d) && !is_in(d)).collect();
            tx.following_change(group, &come, &leave)?;
            joined(tx, cx, org, group.id, &group.name, &come)?;
            moved += come.len() + leave.len();
        }
    }
    Ok(moved)
}

fn facts(rx: &mut Rx, org: OrgId, devices: &[DeviceId], with_software: bool) -> Result<BTreeMap<DeviceId, DeviceFacts>, Error> {
    let mut facts: BTreeMap<DeviceId, DeviceFacts> = rx.devices_by_id(org, devices)?.into_iter().map(|d| (d.id, d.into())).collect();
    if with_software {
        for (device, facts) in &mut facts {
            facts.software = program_names(rx, *device)?;
        }
    }
    Ok(facts)
}

/// Tasks that wait for devices to join a group will start.
pub(super) fn joined(tx: &mut Tx, cx: &Cx, org: OrgId, id: GroupId, name: &str, come: &[DeviceId]) -> Result<(), Error> {
    if !come.is_empty() {
        tx.runs_join_now(org, cx.now)?;
        tx.book_now(org, cx.now)?;
    }
    come.iter().try_for_each(|device| schedules::happened(tx, cx, org, *device, Happened::Joined(id, name)))
}

/// A group whose query changed, with devices that stand on the wrong side.
#[derive(Clone, Debug)]
pub struct Strays {
    group: Following,
    devices: Vec<DeviceId>,
}

impl Strays {
    /// Whether all devices stand right.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }
}

/// Finds members of a group whose query changed that the query does not select, and devices that it selects and that are none: a
/// piece of them, or none when all stand right. `None`: no query changed.
pub fn strays(rx: &mut Rx, _: &Cx) -> Result<Option<Strays>, Error> {
    let Some(group) = rx.group_stale()? else { return Ok(None) };
    let query = read(&group).as_ref().clone();
    let denied = Query::Not(Box::new(query.clone()));
    let come = DeviceFilter { query: Some(query), outside: Some(group.id), ..DeviceFilter::default() };
    let mut found: BTreeSet<DeviceId> = rx.device_ids_where(group.org, &come, PIECE)?.into_iter().collect();
    let leave = DeviceFilter { query: Some(denied), groups: Some(vec![group.id]), ..DeviceFilter::default() };
    found.extend(rx.device_ids_where(group.org, &leave, PIECE)?);
    Ok(Some(Strays { group, devices: found.into_iter().collect() }))
}

/// Lets them come and leave, as they are now; gives how many did. When there were none, the members are those of the query.
pub fn refresh(tx: &mut Tx, cx: &Cx, strays: &Strays) -> Result<usize, Error> {
    if strays.devices.is_empty() {
        tx.group_fresh(&strays.group)?;
        return Ok(0);
    }
    tx.devices_hold(&strays.devices)?;
    follow(tx, cx, &strays.devices)
}
