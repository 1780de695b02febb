//! Devices that come to another organization.

use crate::world::{HOUR, Machine, World, on_all};
use muster_core::access::{Actor, Caller, Role};
use muster_core::fleet::{IdentityAct, Protocol};
use muster_core::ids::{DeviceId, OrgId, UserId};
use muster_core::page::PageRequest;
use muster_core::tasks::State;
use muster_engine::glpi::Introduction;
use muster_engine::history::{ChangeFilter, change_list};
use muster_engine::{Cx, DeviceFilter, Error, access, fleet, groups, runs, tasks, workers};
use serde_json::json;

on_all! {
    a_device_comes_to_another_organization_with_all_that_is_known_of_it
    its_agents_come_at_the_old_door_and_are_of_the_new_organization
    what_waits_for_it_is_cancelled_and_groups_are_left
    what_was_merged_comes_along_and_is_parted_there
    a_successor_of_its_agent_speaks_for_it
    who_does_not_act_in_both_moves_nothing
    it_comes_back_as_it_went
}

fn elsewhere(world: &World) -> OrgId {
    let name = "elsewhere";
    world.engine.write_now("org", &world.cx, move |tx, cx| access::org_create(tx, cx, name)).expect("an organization").id
}

/// Somebody who acts in all organizations.
fn everywhere(world: &World, org: OrgId) -> Cx {
    let caller = Caller { actor: Actor::User(UserId(uuid::Uuid::from_u128(6))), role: Role::Operator, scope: None };
    world.engine.cx(caller, "lee", org, "test")
}

fn moved(world: &World, cx: &Cx, device: DeviceId, org: &str) -> Result<OrgId, Error> {
    let patch = fleet::DevicePatch { org: Some(org.to_owned()), ..fleet::DevicePatch::default() };
    world.engine.write_now("move", cx, move |tx, cx| fleet::device_update(tx, cx, device, &patch, None)).map(|it| it.device.org)
}

fn names(world: &World, cx: &Cx, filter: DeviceFilter) -> Vec<String> {
    let list = world.engine.read_now(cx, move |rx, cx| fleet::device_list(rx, cx, filter, None, &PageRequest::default()));
    list.expect("a list").items.into_iter().map(|it| it.device.name).collect()
}

fn a_device_comes_to_another_organization_with_all_that_is_known_of_it(world: &World) {
    let (to, device) = (elsewhere(world), world.send(&Machine::new(1)).device);
    world.clock.advance(HOUR);
    world.send(&Machine { software: vec!["later".to_owned()], ..Machine::new(1) });
    let there = everywhere(world, to);
    assert_eq!(moved(world, &everywhere(world, world.cx.org), device, "elsewhere").expect("moved"), to);
    assert_eq!(world.device(device).expect_err("gone").key, "device/not-found");
    assert_eq!(names(world, &there, DeviceFilter { software: Some("later".to_owned()), ..DeviceFilter::default() }), ["pc-1"]);
    let seen = world.engine.read_now(&there, move |rx, cx| fleet::device_view(rx, cx, device)).expect("it is there");
    assert_eq!((seen.view.org_name.as_str(), seen.agents.len(), seen.agents[0].org), ("elsewhere", 1, to));
    let history = |cx: &Cx| {
        let (page, filter) = (PageRequest::default(), ChangeFilter::default());
        world.engine.read_now(cx, move |rx, cx| change_list(rx, cx, &filter, &page)).expect("changes").items.len()
    };
    assert!(history(&there) > 0 && history(&world.cx) == 0, "its history went with it");
    let audit = |cx: &Cx| {
        let mut cx = cx.clone();
        cx.caller.role = Role::Admin;
        let page = PageRequest::default();
        let log = world.engine.read_now(&cx, move |rx, cx| muster_engine::audit::audit_list(rx, cx, None, Some("device_move"), &page));
        log.expect("a log").items.into_iter().map(|it| (it.before, it.after)).collect::<Vec<_>>()
    };
    let said = vec![(Some(json!({"org": "default"})), Some(json!({"org": "elsewhere"})))];
    assert_eq!((audit(&world.cx), audit(&there)), (said.clone(), said), "both organizations know");
}

fn its_agents_come_at_the_old_door_and_are_of_the_new_organization(world: &World) {
    let (to, first) = (elsewhere(world), world.send(&Machine::new(1)));
    moved(world, &everywhere(world, world.cx.org), first.device, &to.to_string()).expect("moved");
    let freeze = |cx: &Cx| world.engine.write_now("freeze", cx, |tx, cx| muster_engine::brake::freeze(tx, cx, "it burns")).map(drop);
    freeze(&world.cx).expect("held");
    let look = world.look(&Machine::new(1));
    assert_eq!((look.agent.map(|it| (it.id, it.org)), look.org.id, look.org.freeze.is_some()), (Some((first.agent, to)), to, false));
    // The same inventory again, another one, and a word from a machine that copied its id.
    for machine in [Machine::new(1), Machine { software: vec!["other".to_owned()], ..Machine::new(1) }] {
        let stored = world.send(&machine);
        assert_eq!((stored.agent, stored.device, stored.new_agent), (first.agent, first.device, false));
    }
    assert_eq!(
        names(world, &everywhere(world, to), DeviceFilter { software: Some("other".to_owned()), ..DeviceFilter::default() }),
        ["pc-1"]
    );
    let copy = Machine { id: Machine::new(1).id, ..Machine::new(7) };
    assert_ne!(world.send(&copy).device, first.device);
    assert_eq!(world.devices().iter().map(|it| it.name.clone()).collect::<Vec<_>>(), ["pc-7"], "and that one is of here");
    // Work of the new organization reaches it.
    world.verify_in(to, first.agent);
    let task = json!({"name": "all", "targets": {"all": true}, "steps": [{"id": "c", "action": {"type": "inventory"}}]});
    let there = everywhere(world, to);
    let start = move |tx: &mut muster_engine::Tx, cx: &Cx| {
        let task = tasks::task_create(tx, cx, &task)?.task.id;
        runs::run_start(tx, cx, task, &runs::Start::default())
    };
    let run = world.engine.write_now("start", &there, start).expect("started").run.id;
    while world.engine.write_now("prepare", &world.cx, workers::prepare).expect("prepared").more {}
    world.send(&Machine::new(1));
    let counts = world.engine.read_now(&there, move |rx, cx| runs::run_view(rx, cx, run)).expect("the run").run.counts;
    assert_eq!((counts.of(State::Ok), counts.total()), (1, 1));
}

fn what_waits_for_it_is_cancelled_and_groups_are_left(world: &World) {
    let (to, device) = (elsewhere(world), world.send(&Machine::new(1)).device);
    world.send(&Machine::new(2));
    let labs = world.write(|tx, cx| groups::group_create(tx, cx, "labs", "", None)).expect("made").group.id;
    world.write(|tx, cx| groups::group_create(tx, cx, "all", "", Some("true"))).expect("made");
    let come = groups::Change::Named { add: vec![device], remove: Vec::new() };
    world.write(move |tx, cx| groups::piece(tx, cx, labs, &come, true)).expect("in");
    let there = everywhere(world, to);
    world.engine.write_now("group", &there, |tx, cx| groups::group_create(tx, cx, "theirs", "", Some("true"))).expect("made");
    world.refresh();
    let task = json!({"name": "all", "targets": {"all": true}, "steps": [{"id": "c", "action": {"type": "inventory"}}]});
    let start = move |tx: &mut muster_engine::Tx, cx: &Cx| {
        let task = tasks::task_create(tx, cx, &task)?.task.id;
        runs::run_start(tx, cx, task, &runs::Start::default())
    };
    let (made, later) = (world.write(start.clone()).expect("started").run.id, world.cx.org);
    while world.engine.write_now("prepare", &world.cx, workers::prepare).expect("prepared").more {}
    moved(world, &everywhere(world, later), device, "elsewhere").expect("moved");
    let run = world.read(move |rx, cx| runs::run_view(rx, cx, made)).run;
    assert_eq!((run.counts.of(State::Cancelled), run.counts.of(State::Prepared), run.counts.total()), (1, 1, run.targeted));
    let filter = muster_engine::AssignmentFilter { device: Some(device), ..Default::default() };
    let rows = world.read(move |rx, cx| runs::assignment_list(rx, cx, &filter, &PageRequest::default())).items;
    let id = rows[0].0.record.id;
    assert_eq!(rows[0].0.device_name, "", "its name is not told where it went from");
    let events = world.read(move |rx, cx| runs::assignment_view(rx, cx, id)).events;
    let said = events.iter().find(|it| it.kind == "cancelled").expect("it was cancelled");
    assert_eq!((&said.data["reason"], &said.data["to"]), (&json!("device_moved"), &json!("elsewhere")));
    let members = |cx: &Cx, device| world.engine.read_now(cx, move |rx, _| Ok(rx.groups_of(device)?)).expect("groups");
    assert_eq!(members(&there, device).into_iter().map(|it| it.1).collect::<Vec<_>>(), ["theirs"]);
    assert_eq!(
        world.read(|rx, cx| groups::group_list(rx, cx, None, &PageRequest::default())).items.iter().map(|it| it.count).sum::<i64>(),
        1
    );
}

fn what_was_merged_comes_along_and_is_parted_there(world: &World) {
    let to = elsewhere(world);
    let (a, b) = (world.send(&Machine::new(1)).device, world.send(&Machine { protocol: Protocol::Ocs, ..Machine::new(2) }).device);
    let c = world.send(&Machine::new(3)).device;
    world.merge(a, &[b]).expect("merged");
    moved(world, &everywhere(world, world.cx.org), a, "elsewhere").expect("moved");
    assert_eq!(world.devices().iter().map(|it| it.id).collect::<Vec<_>>(), [c]);
    for (gone, key) in [(a, "device/not-found"), (b, "device/not-found")] {
        assert_eq!(world.device(gone).expect_err("gone").key, key);
    }
    let there = everywhere(world, to);
    let log = world.engine.read_now(&there, move |rx, cx| muster_engine::identity::acts::identity_view(rx, cx, a)).expect("known").log;
    let (entry, can_undo) = log.into_iter().find(|(it, _)| it.act == IdentityAct::Merge).expect("the merge");
    assert!(can_undo);
    world.engine.write_now("undo", &there, move |tx, cx| muster_engine::identity::acts::identity_undo(tx, cx, entry.id)).expect("undone");
    assert_eq!(names(world, &there, DeviceFilter::default()), ["pc-1", "pc-2"]);
}

fn a_successor_of_its_agent_speaks_for_it(world: &World) {
    let (to, first) = (elsewhere(world), world.send(&Machine { protocol: Protocol::Ocs, ..Machine::new(1) }));
    moved(world, &everywhere(world, world.cx.org), first.device, "elsewhere").expect("moved");
    let machine = Machine { protocol: Protocol::Ocs, ..Machine::new(1) };
    let again = Machine { old_id: Some(machine.id.clone()), ..machine.reinstalled() };
    world.settings(json!({"verify_networks": ["10.0.0.0/8"]}));
    let stored = world.send(&again);
    assert_eq!((stored.device, stored.new_agent, world.agent(stored.agent).org), (first.device, true, to));
    let vouched = Introduction { vouched: true, ..Introduction::default() };
    world.write(move |tx, cx| muster_engine::glpi::introduce(tx, cx, stored.agent, &vouched)).expect("introduced");
    assert!(!world.agent(stored.agent).verified, "nothing of here gives trust there");
    assert!(world.agent(world.send(&Machine::new(2)).agent).verified, "as it does here");
    assert_eq!(world.look(&again).agent.map(|it| it.id), Some(stored.agent));
    assert_eq!(world.devices().len(), 1);
}

fn who_does_not_act_in_both_moves_nothing(world: &World) {
    let (to, device) = (elsewhere(world), world.send(&Machine::new(1)).device);
    let by_all = everywhere(world, world.cx.org);
    let refused = |cx: &Cx, org: &str| moved(world, cx, device, org).expect_err("refused").key;
    assert_eq!(refused(&world.person(Role::Admin), "elsewhere"), "org/unknown", "what somebody does not see is not there");
    assert_eq!(refused(&by_all, "nowhere"), "org/unknown");
    let mut viewer = by_all.clone();
    viewer.caller.role = Role::Viewer;
    assert_eq!(refused(&viewer, "elsewhere"), "access/denied");
    let mut there = by_all.clone();
    there.org = to;
    assert_eq!(refused(&there, "default"), "device/not-found", "it is moved from where it is");
    // To where it is, is no move.
    assert_eq!(moved(world, &world.person(Role::Operator), device, "default").expect("as it is"), world.cx.org);
    assert_eq!(names(world, &there, DeviceFilter::default()), Vec::<String>::new());
}

fn it_comes_back_as_it_went(world: &World) {
    let (to, first) = (elsewhere(world), world.send(&Machine::new(1)));
    let (here, there) = (everywhere(world, world.cx.org), everywhere(world, to));
    let before = world.device(first.device).expect("shown").view.device;
    moved(world, &here, first.device, "elsewhere").expect("moved");
    moved(world, &there, first.device, "default").expect("moved back");
    let after = world.device(first.device).expect("back").view.device;
    assert_eq!(muster_core::fleet::Device { version: before.version, ..after }, before);
    assert_eq!(world.send(&Machine::new(1)).agent, first.agent);
    world.searched_tables_fit();
}
