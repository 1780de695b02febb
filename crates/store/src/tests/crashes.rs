//! Crashes that agents tell, and agents in quarantine.

use super::house::{HERE, NOW, THERE, all_pages, device, id, later, orgs, read, write};
use super::world::{World, on_all};
use crate::{AgentFilter, CrashFilter};
use muster_core::fleet::{Crash, CrashKind, Quarantine};
use muster_core::ids::{AgentId, CrashId, DeviceId};
use muster_core::limits::CRASHES_KEPT;
use muster_core::page::PageRequest;

on_all! {
    a_crash_is_kept_once_and_the_newest_of_an_agent_stay
    crashes_are_listed_by_agent_kind_and_version_and_stay_in_their_organization
    crashes_go_with_their_agent
    a_quarantine_is_kept_and_agents_are_found_by_it
}

fn crash(n: u128, agent: u128) -> Crash {
    Crash {
        id: CrashId(id(10_000 + n)),
        org: HERE,
        agent: AgentId(id(agent)),
        told: CrashId(id(n)),
        at: later(1),
        kind: if n.is_multiple_of(2) { CrashKind::Panic } else { CrashKind::Killed },
        version: format!("0.{}", n % 3),
        message: "index out of bounds".to_owned(),
        place: n.is_multiple_of(2).then(|| "src/work.rs:7:1".to_owned()),
        log: "a\nb\n".to_owned(),
    }
}

fn two_devices(w: &World) {
    orgs(w);
    write(w, |tx| {
        device(tx, 1, "one")?;
        device(tx, 2, "two")
    });
}

fn a_crash_is_kept_once_and_the_newest_of_an_agent_stay(w: &World) {
    two_devices(w);
    assert!(write(w, |tx| tx.crash_keep(&crash(1, 1001))));
    assert!(!write(w, |tx| tx.crash_keep(&crash(1, 1001))), "told twice");
    assert!(write(w, |tx| tx.crash_keep(&Crash { id: CrashId(id(77)), ..crash(1, 1002) })), "another agent may use the same id");
    let seen = read(w, |rx| rx.crash(HERE, CrashId(id(10_001)))).expect("there");
    assert_eq!(seen, (crash(1, 1001), "one".to_owned()));
    let most = CRASHES_KEPT as u128;
    write(w, move |tx| (2..most + 4).try_for_each(|n| tx.crash_keep(&crash(n, 1001)).map(drop)));
    let filter = CrashFilter { agent: Some(AgentId(id(1001))), ..CrashFilter::default() };
    let left = all_pages(w, 7, "-id", move |rx, page| rx.crashes(HERE, &filter, page));
    let told: Vec<CrashId> = left.into_iter().map(|(crash, _)| crash.told).collect();
    let newest: Vec<CrashId> = (4..most + 4).rev().map(|n| CrashId(id(n))).collect();
    assert_eq!(told, newest);
}

fn crashes_are_listed_by_agent_kind_and_version_and_stay_in_their_organization(w: &World) {
    two_devices(w);
    write(w, |tx| (1..=6).try_for_each(|n| tx.crash_keep(&crash(n, 1001 + n % 2)).map(drop)));
    let count = |filter: CrashFilter, org| read(w, move |rx| Ok(rx.crashes(org, &filter, &PageRequest::default())?.items.len()));
    assert_eq!(count(CrashFilter::default(), HERE), 6);
    assert_eq!(count(CrashFilter::default(), THERE), 0);
    assert_eq!(count(CrashFilter { agent: Some(AgentId(id(1002))), ..CrashFilter::default() }, HERE), 3);
    assert_eq!(count(CrashFilter { kinds: vec![CrashKind::Panic], ..CrashFilter::default() }, HERE), 3);
    assert_eq!(count(CrashFilter { version: Some("0.0".to_owned()), ..CrashFilter::default() }, HERE), 2);
    assert_eq!(read(w, |rx| rx.crash(THERE, CrashId(id(10_001)))), None);
}

fn crashes_go_with_their_agent(w: &World) {
    two_devices(w);
    write(w, |tx| tx.crash_keep(&crash(1, 1001)));
    write(w, |tx| tx.device_delete(HERE, DeviceId(id(1))));
    assert_eq!(read(w, |rx| rx.crash(HERE, CrashId(id(10_001)))), None);
}

fn a_quarantine_is_kept_and_agents_are_found_by_it(w: &World) {
    two_devices(w);
    let set = Quarantine { since: NOW, by: "ann".to_owned(), reason: "odd".to_owned() };
    let kept = set.clone();
    write(w, move |tx| {
        let agent = tx.agent(AgentId(id(1001)))?.expect("an agent");
        assert!(tx.agent_update(&muster_core::fleet::Agent { quarantine: Some(kept.clone()), ..agent })?);
        Ok(())
    });
    let found = |quarantined| {
        let filter = AgentFilter { quarantined: Some(quarantined), ..AgentFilter::default() };
        read(w, move |rx| Ok(rx.agents(HERE, &filter, &PageRequest::default())?.items))
    };
    let shut = found(true);
    assert_eq!(shut.iter().map(|(agent, name)| (agent.quarantine.clone(), name.as_str())).collect::<Vec<_>>(), [(Some(set), "one")]);
    assert!(!shut[0].0.may_be_asked("inventory"));
    assert_eq!(found(false).into_iter().map(|(_, name)| name).collect::<Vec<_>>(), ["two"]);
}
