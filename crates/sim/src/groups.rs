//! People and groups: they make, change and remove them, move devices in and out and change what members follow, while tasks that
//! name them run.

use crate::observe::ObservedGroup;
use crate::world::World;
use muster_core::groups::Membership;
use muster_core::ids::{DeviceId, GroupId, OrgId, TaskId};
use muster_core::page::PageRequest;
use muster_core::query::Query;
use muster_engine::DeviceFilter;
use muster_engine::groups::{self, Change, GroupPatch, MemberAct};
use muster_engine::tasks::task_preview;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Groups of one organization, so that a world stays small.
const GROUPS_MAX: usize = 4;
/// Queries whose answer moves: with trust, names, protocols and programs.
const QUERIES: [&str; 7] = [
    "verified == false",
    "protocol == \"ocs\"",
    "true",
    "!has(device.tag) && software_count > 0",
    "name.contains(\"1\") || software.startsWith(\"tool\")",
    "ip.startsWith(\"10.\") && !verified",
    "os_family == \"linux\" || tag in [\"lab\", \"kiosk\"]",
];

impl World {
    fn groups(&self, org: OrgId) -> Vec<(GroupId, String)> {
        let page = PageRequest { limit: 100, ..PageRequest::default() };
        let found = self.read(org, move |rx, cx| groups::group_list(rx, cx, None, &page));
        found.into_iter().flat_map(|p| p.items).map(|v| (v.group.id, v.group.name)).collect()
    }

    /// Targets that name groups: those that are there by name or id, and now and then one that is not.
    pub(crate) fn grouped(&mut self, org: OrgId) -> Value {
        let known = self.groups(org);
        if known.is_empty() {
            return json!({"all": true});
        }
        let mut word = || match self.dice.pick(&known) {
            Some((_, name)) if self.dice.chance(500) => name,
            Some((id, _)) if self.dice.chance(900) => id.to_string(),
            _ => "nobody".to_owned(),
        };
        let (some, other) = (word(), word());
        match self.dice.below(3) {
            0 => json!({"groups": [some]}),
            1 => json!({"groups": [some, other]}),
            _ => json!({"all": true, "exclude": {"groups": [some]}}),
        }
    }

    /// A person does something about a group.
    pub(crate) fn group_act(&mut self) {
        let org = self.org();
        let known = self.groups(org);
        let Some((id, _)) = self.dice.pick(&known).filter(|_| known.len() >= GROUPS_MAX || self.dice.chance(700)) else {
            return self.group_new(org);
        };
        match self.dice.below(8) {
            0 => {
                let answer = self.write("group.delete", &self.person(org), move |tx, cx| groups::group_delete(tx, cx, id));
                self.note(format_args!("a person removes group {id}: {:?}", answer.result.map_err(|e| e.key)));
            }
            1 => {
                let patch = GroupPatch { name: Some(format!("group {}", self.commands)), ..GroupPatch::default() };
                let answer = self.write("group.update", &self.person(org), move |tx, cx| groups::group_update(tx, cx, id, &patch, None));
                self.note(format_args!("a person renames group {id}: {:?}", answer.result.map(|v| v.group.version).map_err(|e| e.key)));
            }
            2 | 3 => {
                let patch = GroupPatch { query: self.dice.pick(&QUERIES).map(str::to_owned), ..GroupPatch::default() };
                let query = patch.query.clone();
                let answer = self.write("group.update", &self.person(org), move |tx, cx| groups::group_update(tx, cx, id, &patch, None));
                let came = answer.result.map(|v| v.group.version).map_err(|e| e.key);
                self.note(format_args!("a person lets group {id} follow {query:?}: {came:?}"));
            }
            _ => self.members_move(org, id),
        }
    }

    /// A new group, mostly with some devices at once.
    fn group_new(&mut self, org: OrgId) {
        let name = format!("group {}", self.commands);
        let query = self.dice.pick(&QUERIES).filter(|_| self.dice.chance(500));
        let answer = self.write("group.create", &self.person(org), move |tx, cx| groups::group_create(tx, cx, &name, "", query));
        let made = answer.result.map(|v| v.group.id).map_err(|e| e.key);
        self.note(format_args!("a person makes a group of {query:?}: {made:?}"));
        let devices = self.devices(org).into_iter().filter(|_| self.dice.chance(600)).map(|d| d.0).collect();
        if let Ok(id) = made {
            self.members_change(org, id, Change::Named { add: devices, remove: Vec::new() });
        }
    }

    fn members_move(&mut self, org: OrgId, id: GroupId) {
        let devices = self.devices(org);
        let some: Vec<DeviceId> = (0..3).filter_map(|_| self.dice.pick(&devices)).map(|d| d.0).collect();
        let change = match self.dice.below(4) {
            0 => Change::Named { add: Vec::new(), remove: some },
            1 => {
                let text = self.dice.pick(&["verified == false", "protocol == \"ocs\"", "true"]).unwrap_or("true");
                let act = if self.dice.chance(600) { MemberAct::Add } else { MemberAct::Remove };
                let read = self.read(org, move |rx, cx| groups::change_by_query(rx, cx, id, text, act));
                let Ok(change) = read else { return };
                change
            }
            _ => Change::Named { add: some, remove: Vec::new() },
        };
        self.members_change(org, id, change);
    }

    fn members_change(&mut self, org: OrgId, id: GroupId, change: Change) {
        let answer = self.write("group.members", &self.person(org), move |tx, cx| groups::piece(tx, cx, id, &change, true));
        self.note(format_args!("a person moves devices of group {id}: {:?}", answer.result.map_err(|e| e.key)));
    }

    /// The groups of an organization that follow a query, as they are shown and as the query selects.
    pub(crate) fn see_groups(&self, org: OrgId) -> Vec<ObservedGroup> {
        let page = PageRequest { limit: 100, ..PageRequest::default() };
        let found = self.read(org, move |rx, cx| groups::group_list(rx, cx, None, &page));
        let mut seen = Vec::new();
        for view in found.into_iter().flat_map(|p| p.items) {
            let Membership::Dynamic { query, fresh } = view.group.members else { continue };
            let Ok(asked) = Query::parse(&query) else { continue };
            let id = view.group.id;
            let select = |filter: DeviceFilter| self.read(org, move |rx, _| Ok(rx.device_ids_where(org, &filter, usize::MAX >> 1)?));
            let members = select(DeviceFilter { groups: Some(vec![id]), ..DeviceFilter::default() });
            let selected = select(DeviceFilter { query: Some(asked), ..DeviceFilter::default() });
            let (Ok(members), Ok(selected)) = (members, selected) else { continue };
            seen.push(ObservedGroup { id, query, fresh, count: view.count, members, selected });
        }
        seen
    }

    /// The devices that a start now is shown to hit, when all of them are shown.
    pub(crate) fn shown_targets(&self, org: OrgId, task: TaskId) -> Option<BTreeSet<DeviceId>> {
        let preview = self.read(org, move |rx, cx| task_preview(rx, cx, task)).ok()?;
        let shown: BTreeSet<DeviceId> = preview.targets.into_iter().map(|(device, _)| device.id).collect();
        (shown.len() == preview.count).then_some(shown)
    }
}
