//! Groups that follow a query: who is in them after everything that may happen to a device, and what their members are to tasks.

use crate::world::{Machine, World, on_all};
use muster_core::access::Role;
use muster_core::fleet::{IdentityAct, Protocol};
use muster_core::groups::Membership;
use muster_core::ids::{DeviceId, GroupId};
use muster_core::query::Query;
use muster_core::tasks::OccurrenceState;
use muster_engine::groups::{self, Change, GroupPatch};
use muster_engine::runs::{self, Start};
use muster_engine::{DeviceFilter, fleet, schedules, tasks};
use serde_json::{Value, json};
use std::time::Duration;

on_all! {
    members_follow_what_machines_tell_and_people_change
    members_follow_merges_splits_and_their_undoing
    a_changed_query_is_followed_piece_by_piece_and_tasks_never_wait_for_it
    a_start_hits_what_the_query_selects_and_spares_it
    who_joins_starts_what_waits_for_it
    nobody_is_named_in_or_out_and_a_list_stays_a_list
    groups_of_another_organization_are_not_asked
}

fn make(world: &World, name: &str, query: &str) -> GroupId {
    let (name, query) = (name.to_owned(), query.to_owned());
    let id = world.write(move |tx, cx| groups::group_create(tx, cx, &name, "", Some(&query))).expect("made").group.id;
    world.refresh();
    id
}

fn view(world: &World, id: GroupId) -> groups::GroupView {
    world.read(move |rx, cx| groups::group_view(rx, cx, id))
}

/// The names of the members; there must be as many as are counted, and those that the query selects.
fn members(world: &World, id: GroupId) -> Vec<String> {
    let there = world.devices_where(DeviceFilter { groups: Some(vec![id]), ..DeviceFilter::default() });
    let group = view(world, id);
    assert_eq!(group.count, i64::try_from(there.len()).expect("few"));
    let query = group.group.members.query().map(|q| Query::parse(q).expect("a query"));
    let selected = world.devices_where(DeviceFilter { query, ..DeviceFilter::default() });
    assert_eq!(there, selected, "the members and what the query selects");
    there.into_iter().map(|d| d.name).collect()
}

fn machine(world: &World, n: u32) -> DeviceId {
    world.clock.advance(Duration::from_secs(1));
    world.send(&Machine::new(n)).device
}

fn task(world: &World, more: Value) -> muster_core::ids::TaskId {
    let mut doc = json!({"name": "t", "steps": [{"id": "a", "action": {"type": "inventory"}}]});
    doc.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    world.write(move |tx, cx| tasks::task_create(tx, cx, &doc)).expect("written").task.id
}

fn members_follow_what_machines_tell_and_people_change(world: &World) {
    let tools = make(world, "tools", "software == 'tool-2' || tag == 'x'");
    let known = make(world, "verified", "verified && ip.startsWith('10.0.0.')");
    let (one, two) = (machine(world, 1), world.send(&Machine::new(2)));
    assert_eq!((members(world, tools), members(world, known)), (vec!["pc-2".to_owned()], vec![]));
    world.send(&Machine { software: vec!["bash".to_owned()], ..Machine::new(2) });
    world.send(&Machine { software: vec!["tool-2".to_owned()], ..Machine::new(1) });
    assert_eq!(members(world, tools), ["pc-1"]);
    let tag = |tag: &str| fleet::DevicePatch { tag: Some(tag.to_owned()), ..fleet::DevicePatch::default() };
    let patched = tag("x");
    world.write(move |tx, cx| fleet::device_update(tx, cx, two.device, &patched, None)).expect("tagged");
    assert_eq!(members(world, tools), ["pc-1", "pc-2"]);
    let patched = tag("");
    world.write(move |tx, cx| fleet::device_update(tx, cx, two.device, &patched, None)).expect("untagged");
    assert_eq!(members(world, tools), ["pc-1"]);
    world.verify(two.agent);
    assert_eq!(members(world, known), ["pc-2"]);
    world.send(&Machine { address: "192.168.0.9".to_owned(), ..Machine::new(2) });
    assert_eq!(members(world, known), Vec::<String>::new());
    assert_eq!(members(world, tools), ["pc-1", "pc-2"]);
    world.write(move |tx, cx| fleet::device_delete(tx, cx, one)).expect("removed");
    assert_eq!(members(world, tools), ["pc-2"]);
}

fn members_follow_merges_splits_and_their_undoing(world: &World) {
    let ocs = make(world, "ocs", "protocol == 'ocs' || name == 'kiosk'");
    let home = machine(world, 1);
    let guest = world.send(&Machine { protocol: Protocol::Ocs, ..Machine::new(1) });
    assert_eq!((guest.device, members(world, ocs)), (home, vec![]));
    let parted = world.split(home, &[guest.agent], Some("kiosk")).expect("parted").view.device.id;
    assert_eq!(members(world, ocs), ["kiosk"]);
    world.undo(home, IdentityAct::Split).expect("undone");
    assert_eq!(members(world, ocs), Vec::<String>::new());
    let other = world.send(&Machine { protocol: Protocol::Ocs, ..Machine::new(2) }).device;
    assert_eq!(members(world, ocs), ["pc-2"]);
    world.clock.advance(Duration::from_secs(60));
    world.merge(home, &[other]).expect("merged");
    assert_eq!(members(world, ocs), Vec::<String>::new());
    world.undo(home, IdentityAct::Merge).expect("undone");
    assert_eq!(members(world, ocs), ["pc-2"]);
    assert_ne!(parted, home);
}

fn a_changed_query_is_followed_piece_by_piece_and_tasks_never_wait_for_it(world: &World) {
    for piece in 0..2 {
        let known = move |tx: &mut muster_engine::Tx, cx: &muster_engine::Cx| {
            (piece * 150..(piece + 1) * 150).try_for_each(|n| Ok(tx.device_insert(cx.id(), cx.org, &format!("pc-{n}"), cx.now)?))
        };
        world.write(known).expect("known");
    }
    let group = make(world, "some", "name.endsWith('0')");
    assert_eq!(members(world, group).len(), 30);
    let follow = |query: &str, version| {
        let patch = GroupPatch { query: Some(query.to_owned()), ..GroupPatch::default() };
        world.write(move |tx, cx| groups::group_update(tx, cx, group, &patch, version))
    };
    assert_eq!(follow("nam == 'x'", None).expect_err("a fault").fields[0].pointer, "/query");
    let same = follow(" name.endsWith('0') ", Some(1)).expect("the same");
    assert_eq!((same.group.version, same.group.members.is_fresh()), (1, true));
    let changed = follow("!name.endsWith('0')", Some(1)).expect("changed").group;
    assert_eq!((changed.version, changed.members.is_fresh()), (2, false));
    // What a task hits is asked of the query at once.
    let id = task(world, json!({"targets": {"groups": ["some"]}}));
    assert_eq!(world.read(move |rx, cx| tasks::task_preview(rx, cx, id)).count, 270);
    // A device that changes meanwhile follows the new query.
    let new = machine(world, 900);
    assert!(world.device(new).expect("there").groups.is_empty());
    assert_eq!(world.refresh(), 300);
    assert!(view(world, group).group.members.is_fresh());
    assert_eq!(members(world, group).len(), 270);
}

fn a_start_hits_what_the_query_selects_and_spares_it(world: &World) {
    for n in 1..=3 {
        machine(world, n);
    }
    make(world, "odd", "name in ['pc-1', 'pc-3']");
    let only = task(world, json!({"name": "only", "targets": {"groups": ["odd"]}}));
    let spared = task(world, json!({"name": "spared", "targets": {"all": true, "exclude": {"groups": ["odd"]}}}));
    for (id, count) in [(only, 2), (spared, 1)] {
        let run = world.write(move |tx, cx| runs::run_start(tx, cx, id, &Start::default())).expect("started").run;
        assert_eq!(run.targeted, count);
    }
}

fn who_joins_starts_what_waits_for_it(world: &World) {
    let tagged = make(world, "new", "tag == 'new'");
    let named = world.write(|tx, cx| groups::group_create(tx, cx, "named", "", None)).expect("made").group.id;
    let on =
        |name: &str, group: &str| task(world, json!({"name": name, "targets": {"all": true}, "schedule": {"on": {"joined_group": group}}}));
    let (by_name, by_id) = (on("by name", "new"), on("by id", &named.to_string()));
    let (one, two) = (machine(world, 1), machine(world, 2));
    let started = |id| {
        world.clock.advance(Duration::from_secs(10));
        while world.engine.write_now("happenings", &world.cx, schedules::answer).expect("answered").more {}
        let page = muster_core::page::PageRequest::default();
        let all = world.read(move |rx, cx| schedules::past(rx, cx, id, &page)).items;
        assert!(all.iter().all(|o| o.state == OccurrenceState::Started));
        all.iter().map(|o| o.targets.unwrap_or(0)).collect::<Vec<_>>()
    };
    assert_eq!((started(by_name), started(by_id)), (vec![], vec![]));
    let patch = fleet::DevicePatch { tag: Some("new".to_owned()), ..fleet::DevicePatch::default() };
    world.write(move |tx, cx| fleet::device_update(tx, cx, one, &patch, None)).expect("tagged");
    let add = Change::Named { add: vec![one, two], remove: vec![] };
    for first in [true, false] {
        let add = add.clone();
        world.write(move |tx, cx| groups::piece(tx, cx, named, &add, first)).expect("moved");
    }
    assert_eq!((started(by_name), started(by_id)), (vec![1], vec![2]));
    let renamed = GroupPatch { name: Some("other".to_owned()), ..GroupPatch::default() };
    let refused = world.write(move |tx, cx| groups::group_update(tx, cx, tagged, &renamed, None)).expect_err("a task waits for it");
    assert_eq!(refused.key, "group/in-use");
}

fn nobody_is_named_in_or_out_and_a_list_stays_a_list(world: &World) {
    let one = machine(world, 1);
    let all = make(world, "all", "true");
    let named = vec![one.to_string()];
    let read = world.engine.read_now(&world.person(Role::Operator), move |rx, cx| groups::change_named(rx, cx, all, &[], &named));
    assert_eq!(read.expect_err("it follows a query").key, "group/dynamic");
    let list = world.write(|tx, cx| groups::group_create(tx, cx, "list", "", None)).expect("made").group;
    let (id, patch) = (list.id, GroupPatch { query: Some("true".to_owned()), ..GroupPatch::default() });
    let refused = world.write(move |tx, cx| groups::group_update(tx, cx, id, &patch, None)).expect_err("a list");
    assert_eq!((list.members, refused.fields[0].pointer.as_str()), (Membership::Static, "/query"));
}

fn groups_of_another_organization_are_not_asked(world: &World) {
    let nowhere = world.engine.cx(muster_core::access::Caller::SYSTEM, "test", muster_core::ids::OrgId(uuid::Uuid::nil()), "test");
    let other = world.engine.write_now("org", &nowhere, |tx, cx| muster_engine::access::org_create(tx, cx, "other")).expect("made").id;
    let there = world.engine.system(other, "test");
    let all = |tx: &mut muster_engine::Tx, cx: &muster_engine::Cx| groups::group_create(tx, cx, "all", "", Some("true"));
    let theirs = world.engine.write_now("group", &there, all).expect("made").group.id;
    machine(world, 1);
    world.refresh();
    let count = world.engine.read_now(&there, move |rx, cx| groups::group_view(rx, cx, theirs)).expect("there").count;
    assert_eq!(count, 0);
    let ours = make(world, "all", "true");
    assert_eq!(members(world, ours), ["pc-1"]);
}
