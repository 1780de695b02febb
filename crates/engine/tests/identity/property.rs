//! Any sequence of inventories, merges, splits and undoings leaves every agent on exactly one device that is shown, with its
//! evidence and history, and what is searched says what the agents say.

use crate::world::{HOUR, Machine, World};
use muster_core::fleet::{IdentityAct, Protocol};
use muster_core::ids::{AgentId, DeviceId};
use muster_core::page::PageRequest;
use muster_engine::{AgentFilter, DeviceFilter, fleet};
use std::collections::{BTreeMap, BTreeSet};

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n.max(1) as u64).expect("small")
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(self.below(all.len())).copied()
    }
}

#[test]
fn any_sequence_of_acts_keeps_the_fleet_whole() {
    let (mut merges, mut splits, mut undone) = (0, 0, 0);
    for seed in 0..12 {
        let world = World::inline();
        let (m, s, u) = live(&world, &mut Dice(seed), 40);
        (merges, splits, undone) = (merges + m, splits + s, undone + u);
    }
    assert!(merges > 20 && splits > 10 && undone > 20, "{merges} merges, {splits} splits, {undone} undone");
}

#[test]
fn a_sequence_of_acts_keeps_the_fleet_whole_on_postgres() {
    let (merges, ..) = live(&World::postgres(), &mut Dice(77), 30);
    assert!(merges > 0);
}

fn live(world: &World, dice: &mut Dice, steps: usize) -> (usize, usize, usize) {
    let machines: Vec<Machine> = (0..7)
        .map(|n| {
            let host = n / 2 + 1;
            let protocol = [Protocol::Fusioninventory, Protocol::Ocs][usize::try_from(n % 2).expect("small")];
            let software = vec!["bash".to_owned(), format!("tool-{host}"), format!("own-{n}")];
            Machine { protocol, software, ..Machine::new(host) }
        })
        .collect();
    let mut sent: BTreeMap<AgentId, usize> = BTreeMap::new();
    for machine in &machines {
        *sent.entry(world.send(machine).agent).or_default() += 1;
    }
    let (mut merges, mut splits, mut undone) = (0, 0, 0);
    for step in 0..steps {
        let devices: Vec<DeviceId> = world.devices().iter().map(|d| d.id).collect();
        let device = dice.pick(&devices).expect("a device");
        match dice.below(5) {
            0 => {
                let other = dice.pick(&devices).expect("a device");
                merges += usize::from(world.merge(device, &[other]).is_ok());
            }
            1 => {
                let agents: Vec<AgentId> = world.device(device).expect("shown").agents.iter().map(|a| a.id).collect();
                let agent = dice.pick(&agents).expect("an agent");
                splits += usize::from(world.split(device, &[agent], None).is_ok());
            }
            2 => {
                let act = dice.pick(&[IdentityAct::Merge, IdentityAct::Split]).expect("one");
                let log = world.identity(device).log;
                if let Some((entry, can)) = log.into_iter().find(|(e, _)| e.act == act) {
                    let done = world.write(move |tx, cx| muster_engine::identity::acts::identity_undo(tx, cx, entry.id)).is_ok();
                    assert_eq!(done, can, "the log says whether it can be undone");
                    undone += usize::from(done);
                }
            }
            _ => {
                let mut machine = machines[dice.below(machines.len())].clone();
                machine.software.push(format!("came-{}", step % 5));
                world.clock.advance(HOUR);
                let stored = world.send(&machine);
                *sent.entry(stored.agent).or_default() += usize::from(!stored.written.is_empty());
            }
        }
        whole(world, &sent);
    }
    (merges, splits, undone)
}

fn whole(world: &World, sent: &BTreeMap<AgentId, usize>) {
    world.searched_tables_fit();
    let devices: BTreeSet<DeviceId> = world.devices().iter().map(|d| d.id).collect();
    let page = PageRequest { limit: 1_000, ..PageRequest::default() };
    let agents = world.read(move |rx, cx| fleet::agent_list(rx, cx, AgentFilter::default(), None, &page)).items;
    assert_eq!(agents.iter().map(|a| a.agent.id).collect::<BTreeSet<_>>(), sent.keys().copied().collect());
    for view in &agents {
        assert!(devices.contains(&view.agent.device), "agent {} is on a device that is hidden", view.agent.id);
    }
    let mut entries: BTreeMap<AgentId, usize> = BTreeMap::new();
    for device in &devices {
        let (id, page) = (*device, PageRequest { limit: 1_000, ..PageRequest::default() });
        let own: BTreeSet<AgentId> = agents.iter().filter(|a| a.agent.device == id).map(|a| a.agent.id).collect();
        for entry in world.read(move |rx, _| Ok(rx.history(id, None, &page)?)).items {
            assert!(own.contains(&entry.agent), "history of agent {} is not where the agent is", entry.agent);
            *entries.entry(entry.agent).or_default() += 1;
        }
        let evidence = world.read(move |rx, _| Ok(rx.evidence_of(id)?));
        assert!(evidence.iter().all(|e| own.contains(&e.agent)) && own.iter().all(|a| evidence.iter().any(|e| e.agent == *a)));
    }
    assert_eq!(&entries, sent, "no entry of history is lost or doubled");
    programs_are_found_where_they_are(world);
}

/// Every device that is found by a program shows it, and no other.
fn programs_are_found_where_they_are(world: &World) {
    let names = (0..7).map(|n| format!("own-{n}")).chain((0..5).map(|n| format!("came-{n}")));
    for name in names {
        let filter = DeviceFilter { software: Some(name.clone()), ..DeviceFilter::default() };
        for device in world.devices_where(filter) {
            let wanted = vec!["softwares".to_owned()];
            let (_, sections) = world.read(move |rx, cx| fleet::device_inventory(rx, cx, device.id, &wanted));
            assert!(sections["softwares"].to_string().contains(&name), "{} does not have {name}", device.name);
        }
    }
}
