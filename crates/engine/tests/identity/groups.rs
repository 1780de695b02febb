//! Groups: who may change them, which tasks hold them, what a start makes of their members, and what merges do to those.

use crate::world::{HOUR, Machine, World, on_all};
use muster_core::access::Role;
use muster_core::fleet::{IdentityAct, Protocol};
use muster_core::groups::Group;
use muster_core::ids::{DeviceId, GroupId, RunId, TaskId};
use muster_core::limits::GROUP_CHANGE_DEVICES_MAX;
use muster_core::page::PageRequest;
use muster_core::tasks::OccurrenceState;
use muster_engine::groups::{self, Change, Changed, GroupPatch, MemberAct};
use muster_engine::runs::{self, RunDetail, Start};
use muster_engine::{AssignmentFilter, Cx, DeviceFilter, Error, Tx, fleet, schedules, tasks, workers};
use serde_json::{Value, json};
use std::time::Duration;

on_all! {
    a_group_is_made_changed_and_removed_with_what_was_before_in_the_audit_log
    members_are_named_by_name_or_id_and_every_fault_is_told
    a_query_moves_members_piece_by_piece_and_many_need_their_number
    very_many_members_move_in_pieces
    a_task_hits_the_members_of_its_groups_and_spares_those_taken_out
    a_run_keeps_the_members_it_started_with
    a_group_that_a_task_names_is_not_removed_nor_loses_the_name
    a_group_or_spared_device_that_is_gone_is_a_fault_of_the_start_with_its_place
    an_occurrence_whose_group_or_device_is_gone_waits_for_a_person
    what_happens_to_a_device_starts_nothing_when_the_group_is_gone
    more_than_may_start_unattended_waits_for_a_person_only_when_a_person_would_hit_the_same
    a_merged_machine_is_hit_through_the_groups_of_what_is_part_of_it
    a_parted_machine_stays_in_the_groups
    a_viewer_looks_and_changes_nothing
}

fn make(world: &World, name: &str) -> GroupId {
    let name = name.to_owned();
    world.write(move |tx, cx| groups::group_create(tx, cx, &name, "", None)).expect("made").group.id
}

fn change(world: &World, id: GroupId, change: &Change) -> Changed {
    let (mut all, mut first) = (Changed::default(), true);
    loop {
        let change = change.clone();
        let done = world.write(move |tx, cx| groups::piece(tx, cx, id, &change, first)).expect("changed");
        // Entries of the audit log are in the order of their instants.
        world.clock.advance(Duration::from_secs(1));
        if done == Changed::default() {
            return all;
        }
        (all, first) = (
            {
                all += done;
                all
            },
            false,
        );
    }
}

fn named(world: &World, id: GroupId, add: &[&str], remove: &[&str]) -> Result<Change, Error> {
    let own = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let (add, remove) = (own(add), own(remove));
    world.engine.read_now(&world.person(Role::Operator), move |rx, cx| groups::change_named(rx, cx, id, &add, &remove))
}

fn add(world: &World, id: GroupId, devices: &[&str]) -> Changed {
    change(world, id, &named(world, id, devices, &[]).expect("known devices"))
}

fn remove(world: &World, id: GroupId, devices: &[&str]) -> Changed {
    change(world, id, &named(world, id, &[], devices).expect("known devices"))
}

fn members(world: &World, id: GroupId) -> Vec<String> {
    world.devices_where(DeviceFilter { groups: Some(vec![id]), ..DeviceFilter::default() }).into_iter().map(|d| d.name).collect()
}

fn view(world: &World, id: GroupId) -> (Group, i64) {
    let view = world.read(move |rx, cx| groups::group_view(rx, cx, id));
    (view.group, view.count)
}

/// Known machines, their ids in order.
fn machines(world: &World, count: u32) -> Vec<DeviceId> {
    let known = |n| {
        world.clock.advance(Duration::from_secs(1));
        world.send(&Machine::new(n)).device
    };
    (1..=count).map(known).collect()
}

fn task(world: &World, name: &str, more: Value) -> TaskId {
    let mut doc = json!({"name": name, "steps": [{"id": "a", "action": {"type": "inventory"}}]});
    doc.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    world.write(move |tx, cx| tasks::task_create(tx, cx, &doc)).expect("written").task.id
}

fn start(world: &World, id: TaskId) -> Result<RunDetail, Error> {
    world.write(move |tx, cx| runs::run_start(tx, cx, id, &Start::default()))
}

/// The devices of a run's assignments, once all are made.
fn hit(world: &World, run: RunId) -> Vec<String> {
    while world.engine.write_now("prepare", &world.cx, workers::prepare).expect("prepared").more {}
    let filter = AssignmentFilter { run: Some(run), ..AssignmentFilter::default() };
    let page = world.read(move |rx, cx| runs::assignment_list(rx, cx, &filter, &PageRequest::default()));
    let mut names: Vec<String> = page.items.into_iter().map(|(row, _)| row.device_name).collect();
    names.sort();
    names
}

/// What the audit log tells of one act on groups, the newest first: before and after.
fn told(world: &World, verb: &'static str) -> Vec<(Value, Value)> {
    let newest = PageRequest { descending: true, ..PageRequest::default() };
    let page = world.read(move |rx, cx| muster_engine::audit::audit_list(rx, cx, None, Some(verb), &newest));
    page.items.into_iter().map(|e| (e.before.unwrap_or_default(), e.after.unwrap_or_default())).collect()
}

fn a_group_is_made_changed_and_removed_with_what_was_before_in_the_audit_log(world: &World) {
    let id = make(world, " Labs ");
    let again = world.write(|tx, cx| groups::group_create(tx, cx, "Labs", "", None)).expect_err("taken");
    assert_eq!(again.key, "group/name-taken");
    make(world, "labs");
    let patch =
        |name: &str, description: &str| GroupPatch { name: Some(name.to_owned()), description: Some(description.to_owned()), query: None };
    let update = |patch: GroupPatch, version| world.write(move |tx, cx| groups::group_update(tx, cx, id, &patch, version));
    assert_eq!(update(patch("labs", ""), Some(1)).expect_err("taken").key, "group/name-taken");
    assert_eq!(update(patch("Rooms", "all"), Some(1)).expect("changed").group.version, 2);
    assert_eq!(update(patch("Halls", ""), Some(1)).expect_err("stale").key, "request/stale");
    assert_eq!(update(patch("Rooms", "all"), Some(2)).expect("the same").group.version, 2);
    for (bad, pointer) in [(patch(" ", ""), "/name"), (patch("x", &"y".repeat(4_001)), "/description")] {
        assert_eq!(update(bad, None).expect_err("refused").fields[0].pointer, pointer);
    }
    world.write(move |tx, cx| groups::group_delete(tx, cx, id)).expect("removed");
    let gone = world.engine.read_now(&world.cx, move |rx, cx| groups::group_view(rx, cx, id)).expect_err("gone");
    assert_eq!(gone.key, "group/not-found");
    assert_eq!((told(world, "group_create").len(), told(world, "group_delete")[0].0["name"].as_str()), (2, Some("Rooms")));
    let (before, after) = told(world, "group_update").remove(0);
    assert_eq!((&before["name"], &after["name"]), (&json!("Labs"), &json!("Rooms")));
}

fn members_are_named_by_name_or_id_and_every_fault_is_told(world: &World) {
    let ids = machines(world, 3);
    let group = make(world, "labs");
    assert_eq!(add(world, group, &["pc-1", &ids[1].to_string()]), Changed { added: 2, removed: 0 });
    assert_eq!(add(world, group, &["pc-1"]), Changed::default());
    let both = named(world, group, &["pc-3", "pc-2"], &["pc-1"]).expect("known");
    assert_eq!(change(world, group, &both), Changed { added: 1, removed: 1 });
    assert_eq!((members(world, group), view(world, group).1), (vec!["pc-2".to_owned(), "pc-3".to_owned()], 2));
    let faults = named(world, group, &["pc-1", "pc-9"], &["nobody"]).expect_err("unknown").fields;
    assert_eq!(faults.iter().map(|f| f.pointer.as_str()).collect::<Vec<_>>(), ["/add/1", "/remove/0"]);
    assert_eq!(named(world, group, &["pc-1"], &[&ids[0].to_string()]).expect_err("both").fields[0].pointer, "/remove");
    let many = |n: usize| named(world, group, &vec!["pc-1"; n], &[]);
    assert!(many(GROUP_CHANGE_DEVICES_MAX).is_ok());
    assert!(many(GROUP_CHANGE_DEVICES_MAX + 1).expect_err("too many").detail.contains("use a query"));
    let device = ids[1];
    assert_eq!(world.device(device).expect("shown").groups, [(group, "labs".to_owned())]);
    world.write(move |tx, cx| fleet::device_delete(tx, cx, device)).expect("removed");
    assert_eq!((members(world, group), view(world, group).1), (vec!["pc-3".to_owned()], 1));
    let (_, after) = told(world, "group_members").remove(0);
    assert_eq!((&after["count"], &after["add"][1]), (&json!(2), &json!(ids[2])));
}

fn a_query_moves_members_piece_by_piece_and_many_need_their_number(world: &World) {
    machines(world, 5);
    world.settings(json!({"size_guard": 2}));
    let group = make(world, "labs");
    add(world, group, &["pc-1"]);
    let by = |text: &'static str, act| {
        let read = move |rx: &mut _, cx: &_| groups::change_by_query(rx, cx, group, text, act);
        world.engine.read_now(&world.person(Role::Operator), read)
    };
    let check = |it: &Change, confirm| {
        let it = it.clone();
        world.engine.read_now(&world.person(Role::Operator), move |rx, cx| groups::check(rx, cx, group, &it, confirm))
    };
    let all = by("name != 'pc-5'", MemberAct::Add).expect("a query");
    let refused = check(&all, None).expect_err("guard");
    assert_eq!((refused.key, refused.extra["count"].as_i64()), ("group/size-guard", Some(3)));
    assert_eq!(check(&all, Some(4)).expect_err("another number").extra["count"].as_i64(), Some(3));
    assert_eq!((check(&all, Some(3)), change(world, group, &all)), (Ok(3), Changed { added: 3, removed: 0 }));
    assert_eq!(members(world, group), ["pc-1", "pc-2", "pc-3", "pc-4"]);
    let some = by("name == 'pc-2' || name == 'pc-5'", MemberAct::Remove).expect("a query");
    assert_eq!((check(&some, None), change(world, group, &some)), (Ok(1), Changed { added: 0, removed: 1 }));
    let list = named(world, group, &["pc-2", "pc-3", "pc-5"], &["pc-1"]).expect("known");
    assert_eq!(check(&list, None).expect_err("names are counted, too").extra["count"].as_i64(), Some(3));
    assert_eq!(by("nam == 'x'", MemberAct::Add).expect_err("a fault").fields[0].pointer, "/query");
}

fn very_many_members_move_in_pieces(world: &World) {
    let group = make(world, "all");
    let pieces = |start: usize, end: usize| {
        let known =
            move |tx: &mut Tx, cx: &Cx| (start..end).try_for_each(|n| Ok(tx.device_insert(cx.id(), cx.org, &format!("pc-{n}"), cx.now)?));
        world.write(known).expect("known");
    };
    pieces(0, 600);
    pieces(600, groups::PIECE + 1);
    let text = "name.startsWith('pc-')";
    let all = |act| world.read(move |rx, cx| groups::change_by_query(rx, cx, group, text, act));
    for (act, counts) in [(MemberAct::Add, [groups::PIECE, 1, 0]), (MemberAct::Remove, [groups::PIECE, 1, 0])] {
        let change = all(act);
        for count in counts {
            let change = change.clone();
            let done = world.write(move |tx, cx| groups::piece(tx, cx, group, &change, false)).expect("moved");
            assert_eq!(done.added + done.removed, count, "{act:?}");
        }
    }
    assert_eq!(view(world, group).1, 0);
}

fn a_task_hits_the_members_of_its_groups_and_spares_those_taken_out(world: &World) {
    machines(world, 5);
    let (labs, kiosks) = (make(world, "labs"), make(world, "kiosks"));
    add(world, labs, &["pc-1", "pc-2", "pc-3"]);
    add(world, kiosks, &["pc-3", "pc-4"]);
    for (name, targets, expected) in [
        ("name", json!({"groups": ["labs"]}), vec!["pc-1", "pc-2", "pc-3"]),
        ("id", json!({"groups": [kiosks, "labs"]}), vec!["pc-1", "pc-2", "pc-3", "pc-4"]),
        ("out", json!({"groups": ["labs"], "devices": ["pc-5"], "exclude": {"groups": ["kiosks"]}}), vec!["pc-1", "pc-2", "pc-5"]),
        ("all", json!({"all": true, "exclude": {"groups": [labs]}}), vec!["pc-4", "pc-5"]),
    ] {
        let id = task(world, name, json!({"targets": targets}));
        let preview = world.read(move |rx, cx| tasks::task_preview(rx, cx, id));
        let run = start(world, id).expect("started").run.id;
        assert_eq!((hit(world, run), preview.count), (expected.iter().map(|n| (*n).to_owned()).collect(), expected.len()), "{name}");
    }
    let empty = make(world, "empty");
    let id = task(world, "none", json!({"targets": {"groups": [empty]}}));
    assert_eq!(start(world, id).expect_err("nobody").key, "run/empty");
}

fn a_run_keeps_the_members_it_started_with(world: &World) {
    machines(world, 3);
    let labs = make(world, "labs");
    add(world, labs, &["pc-1", "pc-2"]);
    let id = task(world, "t", json!({"targets": {"groups": ["labs"]}}));
    let plan = world.read(move |rx, cx| tasks::task_preview(rx, cx, id)).plan;
    let first = start(world, id).expect("started").run.id;
    remove(world, labs, &["pc-2"]);
    add(world, labs, &["pc-3"]);
    assert_eq!(hit(world, first), ["pc-1", "pc-2"]);
    let by_plan = Start { plan: Some(plan), ..Start::default() };
    let refused = world.write(move |tx, cx| runs::run_start(tx, cx, id, &by_plan)).expect_err("another set");
    assert_eq!(refused.key, "run/plan-changed");
    let second = start(world, id).expect("started").run.id;
    assert_eq!(hit(world, second), ["pc-1", "pc-3"]);
}

fn a_group_that_a_task_names_is_not_removed_nor_loses_the_name(world: &World) {
    let (labs, kiosks, free) = (make(world, "labs"), make(world, "kiosks"), make(world, "free"));
    let by_name = task(world, "by name", json!({"targets": {"groups": ["labs"]}}));
    task(world, "by id", json!({"targets": {"all": true, "exclude": {"groups": [kiosks]}}}));
    task(world, "talks", json!({"description": "of \"groups\": free"}));
    let delete = |id| world.write(move |tx, cx| groups::group_delete(tx, cx, id));
    let rename = |id, name: &str| {
        let patch = GroupPatch { name: Some(name.to_owned()), ..GroupPatch::default() };
        world.write(move |tx, cx| groups::group_update(tx, cx, id, &patch, None))
    };
    let refused = delete(labs).expect_err("in use");
    assert_eq!((refused.key, &refused.extra["tasks"]), ("group/in-use", &json!([{"id": by_name, "name": "by name"}])));
    assert!(refused.detail.contains("'by name'"), "{}", refused.detail);
    assert_eq!(
        (rename(labs, "l").expect_err("by name").key, rename(kiosks, "k").expect("by id").group.name.as_str()),
        ("group/in-use", "k")
    );
    assert_eq!(delete(kiosks).expect_err("in use").key, "group/in-use");
    delete(free).expect("nobody names it");
    // The document that counts is the current one.
    let doc = json!({"name": "by name", "targets": {"all": true}, "steps": [{"id": "a", "action": {"type": "inventory"}}]});
    world.write(move |tx, cx| tasks::task_update(tx, cx, by_name, &doc, None)).expect("changed");
    delete(labs).expect("nobody names it any more");
}

fn a_group_or_spared_device_that_is_gone_is_a_fault_of_the_start_with_its_place(world: &World) {
    machines(world, 1);
    make(world, "labs");
    for (name, targets, pointer) in [
        ("in", json!({"groups": ["labs", "Labs"]}), "/targets/groups/1"),
        ("out", json!({"all": true, "exclude": {"groups": ["kiosks"]}}), "/targets/exclude/groups/0"),
        ("spared", json!({"all": true, "exclude": {"devices": ["pc-1", "pc-x"]}}), "/targets/exclude/devices/1"),
    ] {
        let key = if pointer.contains("groups") { "task/unknown-group" } else { "task/unknown-device" };
        let id = task(world, name, json!({"targets": targets}));
        let refused = start(world, id).expect_err("unknown");
        assert_eq!((refused.key, refused.fields[0].pointer.as_str()), (key, pointer));
        let preview = world.engine.read_now(&world.cx, move |rx, cx| tasks::task_preview(rx, cx, id));
        assert_eq!(preview.expect_err("unknown").key, key);
    }
}

fn look(world: &World) {
    while world.engine.write_now("look", &world.cx, schedules::look).expect("looked").more {}
    while world.engine.write_now("answer", &world.cx, schedules::answer).expect("answered").more {}
}

fn came(world: &World, id: TaskId) -> Vec<(String, OccurrenceState, String)> {
    let page = PageRequest { descending: true, ..PageRequest::default() };
    let list = world.read(move |rx, cx| schedules::past(rx, cx, id, &page));
    list.items.into_iter().map(|o| (o.nominal, o.state, o.detail)).collect()
}

fn an_occurrence_whose_group_or_device_is_gone_waits_for_a_person(world: &World) {
    let ids = machines(world, 2);
    let hourly = |name: &str, targets: Value| task(world, name, json!({"targets": targets, "schedule": {"every": "1h"}}));
    let of_group = hourly("group", json!({"groups": ["labs"]}));
    let of_device = hourly("device", json!({"devices": ["pc-1", "pc-2"]}));
    let of_spared = hourly("spared", json!({"all": true, "exclude": {"devices": ["pc-2"]}}));
    let fine = hourly("fine", json!({"all": true}));
    let gone = ids[1];
    world.write(move |tx, cx| fleet::device_delete(tx, cx, gone)).expect("removed");
    world.clock.advance(HOUR);
    look(world);
    for (id, state, word) in [
        (of_group, OccurrenceState::Held, "unknown_group"),
        (of_device, OccurrenceState::Held, "unknown_device"),
        (of_spared, OccurrenceState::Held, "unknown_device"),
        (fine, OccurrenceState::Started, ""),
    ] {
        let (_, found, detail) = came(world, id).into_iter().next().expect("an occurrence");
        assert_eq!((found, detail.as_str()), (state, word), "one that cannot start keeps none from starting");
    }
    // It starts once the group is there and a person says so; the next hour goes by itself.
    let nominal = came(world, of_group)[0].0.clone();
    let begin = |nominal: String| world.write(move |tx, cx| schedules::start_held(tx, cx, of_group, &nominal, &Start::default()));
    assert_eq!(begin(nominal.clone()).expect_err("still gone").key, "task/unknown-group");
    let labs = make(world, "labs");
    add(world, labs, &["pc-1"]);
    let run = begin(nominal).expect("started").run;
    assert_eq!((run.targeted, hit(world, run.id)), (1, vec!["pc-1".to_owned()]));
    world.clock.advance(HOUR);
    look(world);
    assert_eq!(came(world, of_group)[0].1, OccurrenceState::Started);
}

fn what_happens_to_a_device_starts_nothing_when_the_group_is_gone(world: &World) {
    machines(world, 1);
    let id = task(world, "on", json!({"targets": {"all": true, "exclude": {"groups": ["kiosks"]}}, "schedule": {"on": "device_enrolled"}}));
    world.send(&Machine::new(2));
    world.clock.advance(Duration::from_secs(10));
    look(world);
    let told: Vec<_> = came(world, id).into_iter().map(|(_, state, detail)| (state, detail)).collect();
    assert_eq!(told, [(OccurrenceState::Missed, "unknown_group".to_owned())]);
    assert_eq!(world.read(move |rx, cx| tasks::task_view(rx, cx, id)).runs, 0);
}

fn more_than_may_start_unattended_waits_for_a_person_only_when_a_person_would_hit_the_same(world: &World) {
    machines(world, 1);
    world.settings(json!({"size_guard": 1}));
    let on = |name: &str, event: Value| task(world, name, json!({"targets": {"all": true}, "schedule": {"on": event}}));
    let (enrolled, ended) = (on("enrolled", json!("device_enrolled")), on("ended", json!({"task_ended": "first"})));
    world.send(&Machine::new(2));
    world.send(&Machine::new(3));
    let first = task(world, "first", json!({"targets": {"devices": ["pc-1"]}}));
    let run = start(world, first).expect("started").run.id;
    world.write(move |tx, cx| runs::run_cancel(tx, cx, run)).expect("cancelled");
    while world.engine.write_now("prepare", &world.cx, workers::prepare).expect("prepared").more {}
    world.clock.advance(Duration::from_secs(10));
    look(world);
    for (id, state) in [(enrolled, OccurrenceState::Missed), (ended, OccurrenceState::Held)] {
        let told: Vec<_> = came(world, id).into_iter().map(|(_, state, detail)| (state, detail)).collect();
        assert_eq!(told, [(state, "size_guard".to_owned())]);
    }
    let nominal = came(world, ended)[0].0.clone();
    let all = Start { confirm_count: Some(3), plan: None };
    let run = world.write(move |tx, cx| schedules::start_held(tx, cx, ended, &nominal, &all)).expect("started").run;
    assert_eq!(run.targeted, 3);
}

fn a_merged_machine_is_hit_through_the_groups_of_what_is_part_of_it(world: &World) {
    let ids = machines(world, 3);
    let (a, b, c) = (ids[0], ids[1], ids[2]);
    let labs = make(world, "labs");
    add(world, labs, &["pc-1", "pc-3"]);
    // By id: a merged device is shown by the name that one of its agents tells.
    let there = |expected: &[DeviceId]| {
        let filter = DeviceFilter { groups: Some(vec![labs]), ..DeviceFilter::default() };
        let mut found: Vec<DeviceId> = world.devices_where(filter).into_iter().map(|d| d.id).collect();
        found.sort_unstable();
        assert_eq!((found.as_slice(), view(world, labs).1), (expected, i64::try_from(expected.len()).expect("few")));
    };
    world.merge(b, &[a]).expect("merged");
    there(&[b, c]);
    let id = task(world, "t", json!({"targets": {"groups": ["labs"]}}));
    assert_eq!(start(world, id).expect("started").run.targeted, 2);
    world.undo(b, IdentityAct::Merge).expect("undone");
    there(&[a, c]);
    world.clock.advance(HOUR);
    world.merge(b, &[a]).expect("merged");
    assert_eq!(remove(world, labs, &[&b.to_string()]), Changed { added: 0, removed: 1 });
    world.undo(b, IdentityAct::Merge).expect("undone");
    there(&[c]);
}

fn a_parted_machine_stays_in_the_groups(world: &World) {
    let home = world.send(&Machine::new(1)).device;
    let guest = world.send(&Machine { protocol: Protocol::Ocs, ..Machine::new(1) });
    assert_eq!(guest.device, home);
    let labs = make(world, "labs");
    add(world, labs, &["pc-1"]);
    world.split(home, &[guest.agent], Some("kiosk")).expect("parted");
    assert_eq!(members(world, labs), ["kiosk", "pc-1"]);
    world.undo(home, IdentityAct::Split).expect("undone");
    assert_eq!((members(world, labs), view(world, labs).1), (vec!["pc-1".to_owned()], 1));
}

fn a_viewer_looks_and_changes_nothing(world: &World) {
    machines(world, 1);
    let labs = make(world, "labs");
    let viewer = world.person(Role::Viewer);
    assert_eq!(
        world.engine.read_now(&viewer, |rx, cx| groups::group_list(rx, cx, None, &PageRequest::default())).expect("shown").items.len(),
        1
    );
    let words = ["labs".to_owned(), "Labs".to_owned()];
    assert_eq!(world.engine.read_now(&viewer, move |rx, cx| groups::group_ids(rx, cx, &words)).expect_err("unknown").key, "group/unknown");
    let add = Change::Named { add: vec![DeviceId::SERVER], remove: vec![] };
    let made = world.engine.write_now("g", &viewer, |tx, cx| groups::group_create(tx, cx, "x", "", None).map(drop));
    let gone = world.engine.write_now("g", &viewer, move |tx, cx| groups::group_delete(tx, cx, labs));
    let changed =
        world.engine.write_now("g", &viewer, move |tx, cx| groups::group_update(tx, cx, labs, &GroupPatch::default(), None).map(drop));
    let moved = world.engine.write_now("g", &viewer, move |tx, cx| groups::piece(tx, cx, labs, &add, true).map(drop));
    for refused in [made, gone, changed, moved] {
        assert_eq!(refused.expect_err("a viewer").key, "access/denied");
    }
}
