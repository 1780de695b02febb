//! Machines that are renamed, rebuilt, copied and impersonated.

use crate::world::{HOUR, Machine, World, on_all};
use muster_core::access::Role;
use muster_core::fleet::{CandidateKind, CandidateState, IdentityAct, Protocol, VerifiedBy};
use muster_engine::enrol::{Enrol, enrol};
use muster_engine::{access, groups, runs, tasks, workers};
use serde_json::json;

on_all! {
    a_renamed_machine_stays_itself
    a_changed_network_card_changes_nothing_but_the_evidence
    two_laptops_at_one_docking_station_stay_two
    of_a_template_copied_while_it_runs_each_is_a_device_and_a_person_is_asked
    a_template_copied_while_it_is_off_is_told_by_name_and_cards
    an_agent_installed_anew_joins_its_device_without_its_trust
    an_agent_that_names_its_former_id_joins_the_device_unless_the_hardware_denies_it
    worthless_serials_and_uuids_join_nobody
    agents_of_two_protocols_on_one_host_are_one_device
    an_upgrade_that_changes_the_id_keeps_the_agent
    a_forged_deviceid_gets_no_order_and_inherits_no_trust
    trust_by_a_network_holds_in_that_network_only
    hardware_that_fits_half_is_shown_to_a_person_and_forgotten_when_its_reason_goes
    an_own_agent_joins_the_device_of_a_legacy_agent_with_the_trust_of_its_token
    whoever_joins_with_a_token_of_a_group_comes_into_it
    the_same_id_in_another_organization_is_another_agent
    an_agent_that_is_revoked_is_trusted_no_more
}

fn a_renamed_machine_stays_itself(world: &World) {
    let first = world.send(&Machine::new(1));
    let again = world.send(&Machine { name: "office-7".to_owned(), ..Machine::new(1) });
    assert_eq!((again.agent, again.device, again.new_agent), (first.agent, first.device, false));
    assert_eq!(world.devices()[0].name, "office-7");
    // Renamed and installed anew at once: the network card settles it.
    let renamed = Machine { name: "office-8".to_owned(), ..Machine::new(1) }.reinstalled();
    assert_eq!(world.send(&renamed).device, first.device);
    assert_eq!(world.open(), []);
}

fn a_changed_network_card_changes_nothing_but_the_evidence(world: &World) {
    let first = world.send(&Machine::new(1));
    let changed = Machine { macs: vec!["00:1b:21:00:00:99".to_owned()], ..Machine::new(1) };
    assert_eq!(world.send(&changed).agent, first.agent);
    let evidence = world.identity(first.device).agents[0].evidence.clone();
    assert!(evidence.iter().any(|e| e.value == "00:1b:21:00:00:99") && evidence.iter().all(|e| e.value != "00:1b:21:00:00:01"));
    // And installed anew when the old agent has been silent for long.
    world.clock.advance(24 * HOUR);
    assert_eq!(world.send(&Machine { macs: vec!["00:1b:21:00:00:77".to_owned()], ..changed }.reinstalled()).device, first.device);
}

fn two_laptops_at_one_docking_station_stay_two(world: &World) {
    let dock = "00:50:b6:aa:bb:cc".to_owned();
    let with_dock = |n| Machine { macs: vec![Machine::new(n).macs[0].clone(), dock.clone()], ..Machine::new(n) };
    world.send(&with_dock(1));
    world.send(&with_dock(2));
    assert_eq!(world.devices().len(), 2);
    assert_eq!(world.open(), [], "UUID and serial number say enough");
}

fn of_a_template_copied_while_it_runs_each_is_a_device_and_a_person_is_asked(world: &World) {
    let copy = |n| Machine { uuid: Machine::new(1).uuid, serial: Machine::new(1).serial, ..Machine::new(n) };
    for n in 1..=3 {
        world.send(&copy(n));
    }
    assert_eq!(world.devices().len(), 3);
    let mut pairs = world.open();
    pairs.sort();
    let expected = [["pc-1", "pc-2"], ["pc-1", "pc-3"], ["pc-2", "pc-3"]].map(|p| (CandidateKind::Clone, p.map(str::to_owned).to_vec()));
    assert_eq!(pairs, expected);
    let told = &world.candidates(CandidateState::Open)[0].candidate;
    assert_eq!(told.reason.key, "same_hardware_other_host");
    assert_eq!(told.points, told.evidence.iter().map(|w| w.points).sum::<i32>());
    // Each goes on as itself.
    assert_eq!(world.send(&copy(2)).device, world.devices()[1].id);
}

fn a_template_copied_while_it_is_off_is_told_by_name_and_cards(world: &World) {
    world.send(&Machine::new(1));
    world.clock.advance(48 * HOUR);
    world.send(&Machine { uuid: Machine::new(1).uuid, serial: Machine::new(1).serial, ..Machine::new(2) });
    assert_eq!(world.open(), [(CandidateKind::Clone, vec!["pc-1".to_owned(), "pc-2".to_owned()])]);
}

fn an_agent_installed_anew_joins_its_device_without_its_trust(world: &World) {
    let first = world.send(&Machine::new(1));
    world.verify(first.agent);
    assert!(world.devices()[0].verified);
    let anew = world.send(&Machine::new(1).reinstalled());
    assert!(anew.new_agent && anew.agent != first.agent);
    assert_eq!(anew.device, first.device, "at once, too: everything fits");
    assert!(world.agent(first.agent).verified && !world.agent(anew.agent).verified);
    let device = &world.device(first.device).expect("shown").view.device;
    assert_eq!((device.verified, device.agent), (false, Some(first.agent)), "data of whom we trust go first");
    assert_eq!(world.acts(first.device), [IdentityAct::Reinstalled]);
    assert!(!world.look(&Machine::new(1).reinstalled()).agent.expect("known").verified);
}

fn an_agent_that_names_its_former_id_joins_the_device_unless_the_hardware_denies_it(world: &World) {
    let ocs = Machine { protocol: Protocol::Ocs, ..Machine::new(1) };
    let first = world.send(&ocs);
    world.verify(first.agent);
    // OCS on Windows makes a new id when the name or the cards change.
    let changed = Machine { name: "office-7".to_owned(), macs: vec!["00:1b:21:00:00:77".to_owned()], ..ocs.clone() };
    let anew = world.send(&Machine { old_id: Some(ocs.id.clone()), ..changed.reinstalled() });
    assert_eq!((anew.device, anew.new_agent), (first.device, true));
    assert!(!world.agent(anew.agent).verified);
    let log = world.identity(first.device).log;
    assert_eq!((log[0].0.act, log[0].0.reason.key.as_str()), (IdentityAct::Reinstalled, "old_deviceid"));
    let liar = Machine { protocol: Protocol::Ocs, old_id: Some(ocs.id), ..Machine::new(9) };
    assert_ne!(world.send(&liar).device, first.device);
}

fn worthless_serials_and_uuids_join_nobody(world: &World) {
    for (n, (uuid, serial)) in [
        ("00000000-0000-0000-0000-000000000000", "To Be Filled By O.E.M."),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", "Default string"),
        ("03000200-0400-0500-0006-000700080009", "System Serial Number"),
        ("00000000-0000-0000-0000-000000000000", "To Be Filled By O.E.M."),
        ("", "0123456789"),
    ]
    .into_iter()
    .enumerate()
    {
        let machine = Machine { uuid: uuid.to_owned(), serial: serial.to_owned(), ..Machine::new(u32::try_from(n).expect("small") + 1) };
        world.send(&machine);
    }
    assert_eq!((world.devices().len(), world.open().len()), (5, 0));
}

fn agents_of_two_protocols_on_one_host_are_one_device(world: &World) {
    let glpi = Machine { protocol: Protocol::Glpi, agent_id: Some("11111111-aaaa".to_owned()), ..Machine::new(1) };
    let first = world.send(&glpi);
    let ocs = Machine {
        protocol: Protocol::Ocs,
        id: "PC-1-2026-01-01-00-00-00".to_owned(),
        name: "PC-1.example.org".to_owned(),
        ..Machine::new(1)
    };
    let second = world.send(&ocs);
    assert_eq!((second.device, second.new_agent), (first.device, true));
    assert_eq!((world.acts(first.device), world.open()), (vec![IdentityAct::Joined], vec![]));
    assert_eq!(world.device(first.device).expect("shown").view.device.protocol, Some(Protocol::Glpi), "it does not flap");
    world.searched_tables_fit();
}

fn an_upgrade_that_changes_the_id_keeps_the_agent(world: &World) {
    let old = Machine { protocol: Protocol::Glpi, agent_id: Some("0f0f0f0f-1111-4222-8333-444444444444".to_owned()), ..Machine::new(1) };
    let first = world.send(&old);
    world.verify(first.agent);
    let new = old.reinstalled();
    let again = world.send(&new);
    assert_eq!((again.agent, again.new_agent), (first.agent, false), "its agent id did not change");
    assert!(world.agent(first.agent).verified);
    assert_eq!(world.agent(first.agent).foreign_id.as_deref(), Some(new.id.as_str()));
    assert_eq!(world.acts(first.device), [IdentityAct::RenamedAgent]);
    // From FusionInventory to GLPI with the same DEVICEID.
    let fusion = world.send(&Machine::new(2));
    let glpi = Machine { protocol: Protocol::Glpi, agent_id: Some("5".to_owned()), ..Machine::new(2) };
    assert_eq!(world.send(&glpi).agent, fusion.agent);
    // The same agent id from other hardware is nobody's upgrade.
    let stolen = Machine { agent_id: new.agent_id.clone(), protocol: Protocol::Glpi, ..Machine::new(9) };
    assert_ne!(world.send(&stolen).agent, first.agent);
    assert_eq!(world.agent(first.agent).foreign_id, Some(new.id));
}

fn a_forged_deviceid_gets_no_order_and_inherits_no_trust(world: &World) {
    let honest = Machine::new(1);
    let first = world.send(&honest);
    world.verify(first.agent);
    let before = world.device(first.device).expect("shown").sections;
    let forged = Machine { id: honest.id.clone(), software: vec!["malware".to_owned()], ..Machine::new(66) };
    let stored = world.send(&forged);
    assert!(stored.new_agent && stored.agent != first.agent && stored.device != first.device);
    assert_eq!(world.device(first.device).expect("shown").sections, before, "nothing of the device was overwritten");
    let claimant = world.agent(stored.agent);
    assert_eq!((claimant.verified, claimant.claim, claimant.foreign_id), (false, 1, Some(honest.id.clone())));
    let candidates = world.candidates(CandidateState::Open);
    assert_eq!((candidates.len(), candidates[0].candidate.kind), (1, CandidateKind::Clone));
    assert_eq!(candidates[0].candidate.reason.key, "same_id_other_hardware");
    // Both go on as themselves, by hardware and, where only the id is told, by address.
    assert_eq!((world.send(&honest).agent, world.send(&forged).agent), (first.agent, stored.agent));
    let (asked, forger) = (world.look(&honest).agent.expect("known"), world.look(&forged).agent.expect("known"));
    assert_eq!((asked.id, asked.verified, forger.id, forger.verified), (first.agent, true, stored.agent, false));
    let task = json!({"name": "ask", "targets": {"devices": [first.device]}, "steps": [{"id": "c", "action": {"type": "inventory"}}]});
    world
        .write(move |tx, cx| {
            let task = tasks::task_create(tx, cx, &task)?;
            runs::run_start(tx, cx, task.task.id, &runs::Start::default())
        })
        .expect("started");
    while world.engine.write_now("prepare", &world.cx, workers::prepare).expect("prepared").more {}
    assert_eq!((world.look(&forged).may_have_work, world.look(&honest).may_have_work), (false, true));
}

fn trust_by_a_network_holds_in_that_network_only(world: &World) {
    world.settings(json!({"verify_networks": ["10.0.0.0/24"]}));
    let machine = Machine::new(1);
    let first = world.send(&machine);
    assert_eq!((world.agent(first.agent).verified, world.agent(first.agent).verified_by), (true, Some(VerifiedBy::Network)));
    assert!(world.look(&machine).agent.expect("known").verified);
    let elsewhere = Machine { address: "192.0.2.7".to_owned(), ..machine.clone() };
    assert!(!world.look(&elsewhere).agent.expect("known").verified);
    // Who sends somebody else's id is not vouched for by the network either.
    let forged = world.send(&Machine { id: machine.id.clone(), ..Machine::new(66) });
    assert!(!world.agent(forged.agent).verified);
    world.verify(world.send(&Machine::new(3)).agent);
    let device = first.device;
    let patch = muster_engine::fleet::DevicePatch { verified: Some(true), ..Default::default() };
    world.write(move |tx, cx| muster_engine::fleet::device_update(tx, cx, device, &patch, None)).expect("verified");
    assert!(world.look(&elsewhere).agent.expect("known").verified, "a person's word counts everywhere");
}

fn hardware_that_fits_half_is_shown_to_a_person_and_forgotten_when_its_reason_goes(world: &World) {
    let bare = |n: u32, mac: &str| Machine { uuid: String::new(), serial: "0".to_owned(), macs: vec![mac.to_owned()], ..Machine::new(n) };
    let first = world.send(&bare(1, "00:1b:21:00:00:aa"));
    world.send(&bare(2, "00:1b:21:00:00:aa"));
    assert_eq!(world.open(), [(CandidateKind::Duplicate, vec!["pc-1".to_owned(), "pc-2".to_owned()])]);
    assert_eq!(world.candidates(CandidateState::Open)[0].candidate.points, 40);
    assert_eq!(world.identity(first.device).candidates.len(), 1);
    world.send(&bare(2, "00:1b:21:00:00:bb"));
    assert_eq!(world.open(), [], "it was another's adapter");
    world.send(&bare(3, "00:1b:21:00:00:aa"));
    assert_eq!(world.open().len(), 1);
    world.write(move |tx, cx| muster_engine::fleet::device_delete(tx, cx, first.device)).expect("removed");
    assert_eq!(world.open(), []);
}

fn an_own_agent_joins_the_device_of_a_legacy_agent_with_the_trust_of_its_token(world: &World) {
    let machine = Machine::new(1);
    let first = world.send(&machine);
    world.verify(first.agent);
    let new = access::NewJoinToken { name: "site".to_owned(), uses: None, expires: None, verified: false, group: None };
    let token = world.engine.write_now("token", &world.person(Role::Admin), move |tx, cx| access::join_token_create(tx, cx, &new));
    let token = token.expect("a token").1;
    let join = |key: u8, machine: &Machine| {
        let new = Enrol {
            token: token.clone(),
            public_key: vec![key; 32],
            name: machine.name.clone(),
            uuid: Some(machine.uuid.clone()),
            serial: Some(machine.serial.clone()),
            macs: machine.macs.clone(),
            version: None,
            source: None,
        };
        world.engine.write_now("enrol", &world.cx, move |tx, cx| enrol(tx, cx, &new)).expect("joined")
    };
    let own = join(1, &machine);
    assert_eq!(own.device, first.device);
    assert!(!world.agent(own.agent).verified, "the trust of the other agent is not inherited");
    // Another key on the same machine is another agent beside it.
    world.clock.advance(HOUR);
    let second = join(2, &machine);
    assert_eq!((second.device, second.agent != own.agent), (first.device, true));
    assert_eq!(world.acts(first.device), [IdentityAct::Reinstalled, IdentityAct::Joined]);
    let copy = Machine { uuid: machine.uuid.clone(), serial: machine.serial.clone(), ..Machine::new(2) };
    assert_ne!(join(3, &copy).device, first.device);
    assert_eq!(world.open().len(), 1);
}

fn whoever_joins_with_a_token_of_a_group_comes_into_it(world: &World) {
    let admin = world.person(Role::Admin);
    let make = |name: &'static str, query: Option<&'static str>| {
        world.engine.write_now("group", &admin, move |tx, cx| groups::group_create(tx, cx, name, "", query)).expect("a group").group.id
    };
    let (labs, _) = (make("labs", None), make("linux", Some("os_family == 'linux'")));
    let token = |group: &'static str| {
        let group = Some(group.to_owned());
        let new = access::NewJoinToken { name: "site".to_owned(), uses: None, expires: None, verified: false, group };
        world.engine.write_now("token", &admin, move |tx, cx| access::join_token_create(tx, cx, &new))
    };
    assert!(token("linux").is_err_and(|e| e.detail.contains("follow a query")));
    assert!(token("nowhere").is_err_and(|e| e.key == "group/unknown"));
    let text = token("labs").expect("a token").1;
    let join = |key: u8| {
        let new = Enrol {
            token: text.clone(),
            public_key: vec![key; 32],
            name: format!("pc{key}"),
            uuid: None,
            serial: Some(format!("SN-{key}-77")),
            macs: Vec::new(),
            version: None,
            source: None,
        };
        world.engine.write_now("enrol", &world.cx, move |tx, cx| enrol(tx, cx, &new)).expect("joined").device
    };
    let groups_of = |device| world.engine.read_now(&world.cx, move |rx, _| Ok(rx.groups_of(device)?)).expect("groups");
    assert_eq!(groups_of(join(1)), [(labs, "labs".to_owned())]);
    // A group that follows a query by now, or is gone, bars nobody.
    world.write(move |tx, cx| groups::group_delete(tx, cx, labs)).expect("removed");
    assert_eq!(groups_of(join(2)), []);
}

fn the_same_id_in_another_organization_is_another_agent(world: &World) {
    let first = world.send(&Machine::new(1));
    let other = world.engine.write_now("org", &world.cx, |tx, cx| access::org_create(tx, cx, "elsewhere")).expect("made").id;
    let door = world.engine.system(other, "test");
    let arrival = Machine::new(1).arrival();
    let there = world.engine.write_now("intake", &door, move |tx, cx| muster_engine::intake::inventory(tx, cx, &arrival)).expect("stored");
    assert!(there.new_agent && there.agent != first.agent && there.device != first.device);
    assert_eq!((world.devices().len(), world.open().len()), (1, 0));
    assert_eq!(world.look(&Machine::new(1)).agent.map(|a| a.id), Some(first.agent));
}

fn an_agent_that_is_revoked_is_trusted_no_more(world: &World) {
    let first = world.send(&Machine::new(1));
    world.verify(first.agent);
    assert_eq!(world.agent(first.agent).verified_by, Some(VerifiedBy::Person));
    world.write(move |tx, cx| muster_engine::enrol::revoke(tx, cx, first.agent)).expect("revoked");
    let agent = world.agent(first.agent);
    assert_eq!((agent.verified, agent.verified_by, world.devices()[0].verified), (false, None, false));
}
