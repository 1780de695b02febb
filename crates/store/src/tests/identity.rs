//! Identity: candidates, the log, agents that change their device, what is hidden.

use super::house::{HERE, NOW, THERE, all_pages, device, id, later, new_agent, orgs, read, write};
use super::world::{World, on_all};
use crate::{CandidateFilter, DeviceFilter};
use muster_core::fleet::{
    CandidateKind, CandidateState, DoubleCandidate, EvidenceKind, IdentityAct, IdentityEntry, MovedAgent, NamedDevice, Protocol, Weight,
    sentence,
};
use muster_core::ids::{AgentId, CandidateId, DeviceId, IdentityLogId};
use muster_core::page::PageRequest;
use serde_json::json;

on_all! {
    a_pair_is_kept_once_and_what_a_person_said_stays
    candidates_are_narrowed_sorted_and_shown_while_both_devices_are_there
    a_merged_device_is_in_no_list_and_leads_to_its_last_survivor
    the_log_is_shown_for_both_devices_and_undone_once
    one_deviceid_may_be_held_by_several_in_order
    nothing_of_identity_is_seen_from_another_organization
}

fn candidate(n: u128, a: u128, b: u128, points: i32) -> DoubleCandidate {
    DoubleCandidate {
        id: CandidateId(id(n)),
        org: HERE,
        at: later(n as u64),
        kind: if n.is_multiple_of(2) { CandidateKind::Duplicate } else { CandidateKind::Clone },
        devices: (DeviceId(id(a)), DeviceId(id(b))),
        points,
        evidence: vec![Weight { kind: EvidenceKind::Uuid, value: "u".to_owned(), points, shared: true }],
        state: CandidateState::Open,
        reason: sentence("hardware_alike", json!({"points": points}), "They look alike."),
        note: None,
    }
}

fn furnish(w: &World) {
    orgs(w);
    write(w, |tx| {
        for (n, name) in [(10, "alpha"), (11, "beta"), (12, "gamma")] {
            device(tx, n, name)?;
        }
        for (n, a, b, points) in [(50, 10, 11, 40), (51, 10, 12, 90), (52, 11, 12, -60)] {
            tx.candidate_note(&candidate(n, a, b, points))?;
        }
        Ok(())
    });
}

fn found(w: &World, filter: CandidateFilter, sort: &str) -> Vec<u128> {
    all_pages(w, 2, sort, move |rx, p| rx.candidates(HERE, &filter, p)).iter().map(|c| c.id.0.as_u128()).collect()
}

fn a_pair_is_kept_once_and_what_a_person_said_stays(w: &World) {
    furnish(w);
    assert_eq!(read(w, |rx| rx.candidate(HERE, CandidateId(id(50)))), Some(candidate(50, 10, 11, 40)));
    write(w, |tx| tx.candidate_state(CandidateId(id(50)), CandidateState::Dismissed, Some("two desks"), later(9)));
    write(w, |tx| tx.candidate_note(&DoubleCandidate { id: CandidateId(id(60)), ..candidate(50, 10, 11, 77) }));
    let kept = read(w, |rx| rx.candidates_of(DeviceId(id(11))));
    let told: Vec<_> = kept.iter().map(|c| (c.id.0.as_u128(), c.points, c.state, c.note.as_deref())).collect();
    assert_eq!(told, [(50, 77, CandidateState::Dismissed, Some("two desks")), (52, -60, CandidateState::Open, None)]);
    write(w, |tx| tx.candidate_forget(CandidateId(id(50))));
    assert_eq!(read(w, |rx| rx.candidate(HERE, CandidateId(id(50)))), None);
}

fn candidates_are_narrowed_sorted_and_shown_while_both_devices_are_there(w: &World) {
    furnish(w);
    let filter = CandidateFilter::default;
    assert_eq!(found(w, filter(), "-points"), [51, 50, 52]);
    assert_eq!(found(w, filter(), "at"), [50, 51, 52]);
    let text = |q: &str| CandidateFilter { q: Some(q.to_owned()), ..filter() };
    assert_eq!((found(w, text("BETA"), "at"), found(w, text("%"), "at")), (vec![50, 52], vec![]));
    assert_eq!(found(w, CandidateFilter { kinds: vec![CandidateKind::Clone], ..filter() }, "at"), [51]);
    assert_eq!(found(w, CandidateFilter { device: Some(DeviceId(id(11))), ..filter() }, "at"), [50, 52]);
    write(w, |tx| {
        tx.candidate_state(CandidateId(id(52)), CandidateState::Merged, None, NOW)?;
        tx.device_merged(HERE, DeviceId(id(12)), Some(DeviceId(id(11))))
    });
    assert_eq!(found(w, filter(), "at"), [50], "a pair with a hidden device waits for nobody");
    assert_eq!(found(w, CandidateFilter { states: vec![CandidateState::Merged], ..filter() }, "at"), [52]);
    write(w, |tx| tx.device_delete(HERE, DeviceId(id(10))));
    assert_eq!(found(w, filter(), "at"), []);
}

fn a_merged_device_is_in_no_list_and_leads_to_its_last_survivor(w: &World) {
    furnish(w);
    let (a, b, c) = (DeviceId(id(10)), DeviceId(id(11)), DeviceId(id(12)));
    write(w, move |tx| {
        tx.agents_move(a, b, &[AgentId(id(1010))])?;
        tx.device_merged(HERE, a, Some(b))?;
        tx.agents_move(b, c, &[AgentId(id(1010)), AgentId(id(1011))])?;
        tx.device_merged(HERE, b, Some(c))
    });
    let last = Some(NamedDevice { id: c, name: "gamma".to_owned() });
    assert_eq!(
        read(w, move |rx| Ok((rx.merged_into(HERE, a)?, rx.merged_into(HERE, b)?, rx.merged_into(HERE, c)?))),
        (last.clone(), last, None)
    );
    assert_eq!(read(w, move |rx| Ok((rx.is_merged_into(a, b)?, rx.is_merged_into(a, c)?))), (true, false));
    let names = ["alpha".to_owned(), b.to_string()];
    read(w, move |rx| {
        assert_eq!((rx.device(HERE, a)?, rx.devices_by_id(HERE, &[a, b])?), (None, vec![]));
        assert_eq!((rx.device_ids(HERE, None, &names, false)?, rx.device_ids(HERE, None, &[], true)?), (vec![], vec![c]));
        assert_eq!((rx.devices_there(HERE, &[a, b, c])?, rx.device_counts(HERE, NOW)?.0), (vec![c], 1));
        assert_eq!(rx.device_groups(HERE, &[a, b, c], NOW)?.iter().map(|g| g.count).sum::<i64>(), 1);
        assert_eq!(rx.devices(HERE, &DeviceFilter::default(), &PageRequest::default())?.total, Some(1));
        assert_eq!(rx.devices_with_merged(HERE, &[a, b, c])?.len(), 3);
        assert_eq!(rx.agents_of(c)?.len(), 3);
        Ok(())
    });
    let moved_twice = w.store.write_now("t", move |tx| tx.agents_move(a, b, &[AgentId(id(1010))]));
    assert!(moved_twice.is_err(), "an agent that has gone elsewhere is not moved");
    write(w, move |tx| tx.device_delete(HERE, c));
    assert_eq!(read(w, move |rx| Ok(rx.devices_with_merged(HERE, &[a, b, c])?.len())), 0, "what was merged goes with it");
}

fn entry(n: u128, from: Option<u128>, to: u128) -> IdentityEntry {
    let named = |n: u128| NamedDevice { id: DeviceId(id(n)), name: format!("pc-{n}") };
    IdentityEntry {
        id: IdentityLogId(id(n)),
        org: HERE,
        at: NOW,
        actor: "ann".to_owned(),
        act: IdentityAct::Merge,
        agents: vec![MovedAgent { id: AgentId(id(1010)), protocol: Protocol::Glpi, foreign_id: None }],
        from: from.map(named),
        to: Some(named(to)),
        reason: sentence("by_person", json!({"by": "ann"}), "ann said so."),
        undone: false,
    }
}

fn the_log_is_shown_for_both_devices_and_undone_once(w: &World) {
    furnish(w);
    write(w, |tx| [entry(70, Some(10), 11), entry(71, None, 11)].iter().try_for_each(|e| tx.identity_log_insert(e)));
    let log = |n: u128| read(w, move |rx| rx.identity_log(HERE, DeviceId(id(n)), 10)).iter().map(|e| e.id.0.as_u128()).collect::<Vec<_>>();
    assert_eq!((log(10), log(11), log(12)), (vec![70], vec![71, 70], vec![]));
    assert_eq!(read(w, |rx| rx.identity_entry(HERE, IdentityLogId(id(70)))), Some(entry(70, Some(10), 11)));
    write(w, |tx| tx.identity_undone(IdentityLogId(id(70))));
    assert!(w.store.write_now("t", |tx| tx.identity_undone(IdentityLogId(id(70)))).is_err());
    assert!(read(w, |rx| rx.identity_entry(HERE, IdentityLogId(id(70)))).is_some_and(|e| e.undone));
}

fn one_deviceid_may_be_held_by_several_in_order(w: &World) {
    furnish(w);
    let holder =
        |n: u128, claim| muster_core::fleet::NewAgent { foreign_id: Some("same".to_owned()), claim, ..new_agent(n, 10, Protocol::Ocs) };
    write(w, move |tx| [holder(2001, 1), holder(2000, 0)].iter().try_for_each(|a| tx.agent_insert(a, NOW)));
    let held = |w: &World| {
        read(w, |rx| rx.agents_foreign(HERE, "same", &[Protocol::Ocs])).iter().map(|a| (a.id.0.as_u128(), a.claim)).collect::<Vec<_>>()
    };
    assert_eq!(held(w), [(2000, 0), (2001, 1)]);
    assert!(w.store.write_now("t", move |tx| tx.agent_insert(&holder(2002, 1), NOW)).is_err(), "each claim once");
    write(w, |tx| tx.agent_renamed(AgentId(id(2000)), "other", 0));
    assert_eq!(held(w), [(2001, 1)]);
}

fn nothing_of_identity_is_seen_from_another_organization(w: &World) {
    furnish(w);
    write(w, |tx| {
        tx.identity_log_insert(&entry(70, Some(10), 11))?;
        tx.device_merged(THERE, DeviceId(id(10)), Some(DeviceId(id(11))))
    });
    read(w, |rx| {
        assert_eq!(rx.candidates(THERE, &CandidateFilter::default(), &PageRequest::default())?.items, []);
        assert_eq!(rx.candidate(THERE, CandidateId(id(50)))?, None);
        assert_eq!((rx.identity_log(THERE, DeviceId(id(10)), 10)?, rx.identity_entry(THERE, IdentityLogId(id(70)))?), (vec![], None));
        assert_eq!((rx.agents_glpi(THERE, "x")?, rx.devices_with_merged(THERE, &[DeviceId(id(10))])?), (vec![], vec![]));
        assert!(rx.device(HERE, DeviceId(id(10)))?.is_some(), "nothing is hidden from there");
        Ok(())
    });
    write(w, |tx| tx.device_merged(HERE, DeviceId(id(10)), Some(DeviceId(id(11)))));
    assert_eq!(read(w, |rx| rx.merged_into(THERE, DeviceId(id(10)))), None);
}
