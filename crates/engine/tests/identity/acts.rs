//! Merge, split and undo.

use crate::world::{HOUR, Machine, World, on_all};
use muster_core::access::Role;
use muster_core::fleet::{CandidateState, IdentityAct, Protocol};
use muster_core::ids::{DeviceId, IdentityLogId};
use muster_core::page::PageRequest;
use muster_core::tasks::State;
use muster_engine::identity::{acts, candidates};
use muster_engine::{DeviceFilter, Error, Kind, fleet, runs, tasks, workers};
use serde_json::json;

on_all! {
    a_merge_moves_agents_and_history_and_hides_the_other
    a_merged_device_answers_with_the_one_it_is_part_of
    an_undone_merge_brings_back_id_name_notes_and_tag
    no_merge_raises_trust
    what_waits_for_a_merged_device_is_cancelled_and_the_totals_sum
    a_split_makes_a_device_of_the_named_agents
    a_split_that_names_all_none_or_strange_agents_is_refused
    an_undo_that_later_changes_made_ambiguous_is_refused_with_the_reason
    a_dismissed_candidate_does_not_come_back_by_itself
    when_a_program_came_survives_a_merge
    removing_a_device_removes_what_was_merged_into_it
    those_who_may_only_look_change_nothing
}

/// Two agents of one machine that were taken for two.
fn two(world: &World) -> (DeviceId, DeviceId) {
    let first = world.send(&Machine::new(1));
    let second = world.send(&Machine { protocol: Protocol::Ocs, software: vec!["bash".into(), "only-ocs".into()], ..Machine::new(2) });
    assert_ne!(first.device, second.device);
    (first.device, second.device)
}

fn with(software: &str) -> DeviceFilter {
    DeviceFilter { software: Some(software.to_owned()), ..DeviceFilter::default() }
}

fn a_merge_moves_agents_and_history_and_hides_the_other(world: &World) {
    let (a, b) = two(world);
    let merged = world.merge(a, &[b]).expect("merged");
    assert_eq!((merged.agents.len(), merged.view.device.name.as_str()), (2, "pc-1"));
    assert_eq!(world.devices().iter().map(|d| d.id).collect::<Vec<_>>(), [a]);
    let history = world.read(move |rx, _| Ok(rx.history(a, None, &PageRequest::default())?));
    assert_eq!(history.items.len(), 2);
    // The better source's programs are found, the other's are not.
    assert_eq!((world.devices_where(with("tool-1")).len(), world.devices_where(with("only-ocs")).len()), (1, 0));
    world.searched_tables_fit();
    assert_eq!(world.acts(a), [IdentityAct::Merge]);
    // Both agents go on on the one device.
    let ocs = Machine { protocol: Protocol::Ocs, ..Machine::new(2) };
    assert_eq!((world.send(&Machine::new(1)).device, world.send(&ocs).device), (a, a));
    world.searched_tables_fit();
    let counts = world.read(|rx, cx| Ok(rx.device_counts(cx.org, crate::world::NOW)?));
    assert_eq!(counts.0, 1);
}

fn a_merged_device_answers_with_the_one_it_is_part_of(world: &World) {
    let (a, b) = two(world);
    let c = world.send(&Machine::new(3)).device;
    world.merge(a, &[b]).expect("merged");
    world.merge(c, &[a]).expect("merged again");
    for gone in [a, b] {
        let error = world.device(gone).expect_err("merged");
        assert_eq!((error.key, error.extra["into"]["id"].as_str()), ("device/merged", Some(c.to_string().as_str())));
    }
    assert_eq!(world.merge(c, &[b]).expect_err("merged").key, "device/merged");
    let named = [b.to_string(), "pc-2".to_owned()];
    assert_eq!(world.read(move |rx, cx| Ok(rx.device_ids(cx.org, None, &named, true)?)), [c], "no target is hidden");
}

fn an_undone_merge_brings_back_id_name_notes_and_tag(world: &World) {
    let (a, b) = two(world);
    let patch = fleet::DevicePatch {
        name: Some("front desk".to_owned()),
        tag: Some("lab".to_owned()),
        notes: Some("old".to_owned()),
        ..fleet::DevicePatch::default()
    };
    world.write(move |tx, cx| fleet::device_update(tx, cx, b, &patch, None)).expect("changed");
    let before = world.device(b).expect("shown");
    world.merge(a, &[b]).expect("merged");
    // History that came meanwhile goes with its agent.
    world.clock.advance(HOUR);
    world.send(&Machine { protocol: Protocol::Ocs, software: vec!["later".into()], ..Machine::new(2) });
    assert_eq!(world.undo(a, IdentityAct::Merge).expect("undone").view.device.id, a);
    let after = world.device(b).expect("back");
    let shown = |d: &fleet::DeviceDetail| {
        let d = &d.view.device;
        (d.id, d.name.clone(), d.tag.clone(), d.notes.clone(), d.serial.clone(), d.first_seen)
    };
    assert_eq!(shown(&after), shown(&before));
    assert_eq!(after.agents.len(), 1);
    assert_eq!(world.devices_where(with("later")).iter().map(|d| d.id).collect::<Vec<_>>(), [b]);
    let history = world.read(move |rx, _| Ok(rx.history(b, None, &PageRequest::default())?));
    assert_eq!(history.items.len(), 2);
    world.searched_tables_fit();
    let log = world.identity(a).log;
    assert_eq!(
        log.iter().map(|(e, can)| (e.act, e.undone, *can)).collect::<Vec<_>>(),
        [(IdentityAct::Undo, false, false), (IdentityAct::Merge, true, false)]
    );
    assert_eq!(world.undo(a, IdentityAct::Merge).expect_err("once only").key, "identity/cannot-undo");
}

fn no_merge_raises_trust(world: &World) {
    let (a, b) = two(world);
    let (trusted, stranger) = (world.device(a).expect("a").agents[0].id, world.device(b).expect("b").agents[0].id);
    world.verify(trusted);
    for (into, from) in [(a, b), (b, a)] {
        let merged = world.merge(into, &[from]).expect("merged");
        assert!(!merged.view.device.verified);
        assert_eq!((world.agent(trusted).verified, world.agent(stranger).verified), (true, false));
        world.undo(into, IdentityAct::Merge).expect("undone");
        assert_eq!((world.agent(trusted).verified, world.agent(stranger).verified), (true, false));
    }
    assert!(world.device(a).expect("a").view.device.verified && !world.device(b).expect("b").view.device.verified);
    // A change of something else gives no trust either.
    world.merge(a, &[b]).expect("merged");
    let patch = fleet::DevicePatch { notes: Some("x".to_owned()), ..Default::default() };
    world.write(move |tx, cx| fleet::device_update(tx, cx, a, &patch, None)).expect("changed");
    assert_eq!((world.agent(trusted).verified, world.agent(stranger).verified), (true, false));
}

fn what_waits_for_a_merged_device_is_cancelled_and_the_totals_sum(world: &World) {
    let (a, b) = two(world);
    let c = world.send(&Machine::new(3)).device;
    let task = json!({"name": "all", "targets": {"all": true}, "steps": [{"id": "c", "action": {"type": "inventory"}}]});
    let start = move |tx: &mut muster_engine::Tx, cx: &muster_engine::Cx| {
        let task = tasks::task_create(tx, cx, &task)?;
        runs::run_start(tx, cx, task.task.id, &runs::Start::default())
    };
    let run = world.write(start).expect("started").run.id;
    world.merge(a, &[c]).expect("merged before its assignments are made");
    while world.engine.write_now("prepare", &world.cx, workers::prepare).expect("prepared").more {}
    world.merge(a, &[b]).expect("merged after");
    let run = world.read(move |rx, cx| runs::run_view(rx, cx, run)).run;
    assert_eq!((run.counts.of(State::Cancelled), run.counts.of(State::Prepared), run.counts.total()), (2, 1, run.targeted));
    let filter = muster_engine::AssignmentFilter { device: Some(b), ..Default::default() };
    let rows = world.read(move |rx, cx| runs::assignment_list(rx, cx, &filter, &PageRequest::default())).items;
    let id = rows[0].0.record.id;
    let events = world.read(move |rx, cx| runs::assignment_view(rx, cx, id)).events;
    assert!(events.iter().any(|e| e.kind == "cancelled" && e.data["reason"] == "device_merged"), "{events:?}");
}

fn a_split_makes_a_device_of_the_named_agents(world: &World) {
    let glpi = Machine { protocol: Protocol::Glpi, ..Machine::new(1) };
    let ocs =
        Machine { protocol: Protocol::Ocs, id: "PC-1-2026-01-01-00-00-00".into(), software: vec!["only-ocs".into()], ..Machine::new(1) };
    let device = world.send(&glpi).device;
    let stored = world.send(&ocs);
    assert_eq!(stored.device, device);
    let new = world.split(device, &[stored.agent], Some("kiosk")).expect("split");
    let id = new.view.device.id;
    assert_eq!((new.view.device.name.as_str(), new.agents.len(), world.device(device).expect("left").agents.len()), ("kiosk", 1, 1));
    assert_eq!(world.devices_where(with("only-ocs")).iter().map(|d| d.id).collect::<Vec<_>>(), [id]);
    world.searched_tables_fit();
    assert_eq!(world.send(&ocs).device, id, "it stays parted");
    assert_eq!((world.open(), world.candidates(CandidateState::Dismissed).len()), (vec![], 1), "and nobody is asked again");
    world.undo(device, IdentityAct::Split).expect("undone");
    assert_eq!((world.devices().len(), world.device(device).expect("whole").agents.len()), (1, 2));
    assert_eq!(world.device(id).expect_err("hidden").key, "device/merged");
    world.searched_tables_fit();
}

fn a_split_that_names_all_none_or_strange_agents_is_refused(world: &World) {
    let (a, b) = two(world);
    let (one, other) = (world.device(a).expect("a").agents[0].id, world.device(b).expect("b").agents[0].id);
    for agents in [vec![], vec![one], vec![one, other], vec![other]] {
        let error = world.split(a, &agents, None).expect_err("refused");
        assert_eq!((error.kind, error.key), (Kind::Invalid, "identity/invalid"), "{agents:?}");
    }
    for from in [vec![], vec![a], vec![b, b], vec![a, b]] {
        assert_eq!(world.merge(a, &from).expect_err("refused").key, "identity/invalid", "{from:?}");
    }
    let nobody = DeviceId(uuid::Uuid::from_u128(99));
    assert_eq!(world.merge(a, &[nobody]).expect_err("refused").key, "device/not-found");
    assert_eq!(world.devices().len(), 2);
}

fn an_undo_that_later_changes_made_ambiguous_is_refused_with_the_reason(world: &World) {
    let (a, b) = two(world);
    let c = world.send(&Machine::new(3)).device;
    world.merge(a, &[b]).expect("merged");
    let merge = world.identity(a).log[0].0.id;
    world.merge(c, &[a]).expect("merged on");
    let undo = |id: IdentityLogId| world.write(move |tx, cx| acts::identity_undo(tx, cx, id));
    let told = |error: Error| (error.key, error.detail);
    let (key, detail) = told(undo(merge).expect_err("its device is hidden"));
    assert!(key == "identity/cannot-undo" && detail.contains("undo that first"), "{detail}");
    world.undo(c, IdentityAct::Merge).expect("undone");
    // One of the two agents is parted again: where would it belong?
    let ocs = world.device(a).expect("a").agents.iter().find(|x| x.protocol == Protocol::Ocs).expect("there").id;
    let new = world.split(a, &[ocs], None).expect("split").view.device.id;
    let (_, detail) = told(undo(merge).expect_err("the agent is elsewhere"));
    assert!(detail.contains("does not speak for"), "{detail}");
    // The parted device has got company: undoing the split would take that along.
    world.merge(new, &[c]).expect("merged");
    let log = world.identity(a).log;
    let split = log.iter().find(|(e, _)| e.act == IdentityAct::Split).expect("there");
    assert!(!split.1);
    assert!(told(undo(split.0.id).expect_err("company")).1.contains("other agents"));
    let nothing = IdentityLogId(uuid::Uuid::from_u128(1));
    assert_eq!(undo(nothing).expect_err("unknown").key, "identity/not-found");
    world.searched_tables_fit();
}

fn a_dismissed_candidate_does_not_come_back_by_itself(world: &World) {
    let copy = Machine { uuid: Machine::new(1).uuid, serial: Machine::new(1).serial, ..Machine::new(2) };
    world.send(&Machine::new(1));
    world.send(&copy);
    let id = world.candidates(CandidateState::Open)[0].candidate.id;
    let dismissed = world.write(move |tx, cx| candidates::candidate_dismiss(tx, cx, id, Some("two desks"))).expect("dismissed");
    assert_eq!((dismissed.candidate.state, dismissed.candidate.note.as_deref()), (CandidateState::Dismissed, Some("two desks")));
    world.send(&Machine { macs: vec!["00:1b:21:00:00:77".to_owned()], ..copy.clone() });
    assert_eq!(world.open(), []);
    let reopened = world.write(move |tx, cx| candidates::candidate_reopen(tx, cx, id)).expect("reopened");
    assert_eq!((reopened.candidate.state, reopened.candidate.note), (CandidateState::Open, None));
    let [first, second] = reopened.devices.map(|d| d.expect("there").0.id);
    world.merge(first, &[second]).expect("merged");
    assert_eq!((world.open(), world.candidates(CandidateState::Merged).len()), (vec![], 1));
    let error = world.write(move |tx, cx| candidates::candidate_dismiss(tx, cx, id, None)).expect_err("merged");
    assert_eq!(error.key, "duplicate/decided");
    world.undo(first, IdentityAct::Merge).expect("undone");
    assert_eq!(world.open().len(), 1);
}

fn when_a_program_came_survives_a_merge(world: &World) {
    let (a, b) = two(world);
    world.clock.advance(HOUR);
    let more = Machine { software: vec!["bash".into(), "tool-1".into(), "came-later".into()], ..Machine::new(1) };
    world.send(&more);
    let since = |device| {
        let program = muster_store::Software::new("came-later", "1", "", "");
        world.read(move |rx, _| Ok(rx.software_since(&[device], std::slice::from_ref(&program))?)).into_values().next()
    };
    let came = since(a);
    assert_eq!(came, Some(crate::world::NOW.plus(HOUR)));
    world.merge(b, &[a]).expect("merged");
    assert_eq!((since(b), since(a)), (came, None));
    world.undo(b, IdentityAct::Merge).expect("undone");
    assert_eq!((since(a), since(b)), (came, None));
}

fn removing_a_device_removes_what_was_merged_into_it(world: &World) {
    let (a, b) = two(world);
    world.merge(a, &[b]).expect("merged");
    world.write(move |tx, cx| fleet::device_delete(tx, cx, a)).expect("removed");
    assert_eq!(world.device(b).expect_err("gone").key, "device/not-found");
    assert!(world.devices().is_empty());
    // Who comes again is new.
    assert!(world.send(&Machine::new(1)).new_agent);
}

fn those_who_may_only_look_change_nothing(world: &World) {
    let (a, b) = two(world);
    let viewer = world.person(Role::Viewer);
    let agent = world.device(a).expect("a").agents[0].id;
    let merge = world.engine.write_now("t", &viewer, move |tx, cx| acts::device_merge(tx, cx, a, &[b]));
    let split = world.engine.write_now("t", &viewer, move |tx, cx| acts::device_split(tx, cx, a, &[agent], None));
    assert_eq!((merge.expect_err("denied").kind, split.expect_err("denied").kind), (Kind::Denied, Kind::Denied));
    assert!(world.engine.read_now(&viewer, move |rx, cx| acts::identity_view(rx, cx, a)).is_ok());
    let page = PageRequest::default();
    let audit = world.engine.read_now(&world.cx, move |rx, cx| muster_engine::audit::audit_list(rx, cx, None, Some("device_merge"), &page));
    assert!(audit.expect("the log").items.is_empty());
    world.merge(a, &[b]).expect("an operator may");
    let page = PageRequest::default();
    let audit = world.engine.read_now(&world.cx, move |rx, cx| muster_engine::audit::audit_list(rx, cx, None, Some("device_merge"), &page));
    assert_eq!(audit.expect("the log").items.len(), 1);
}
