//! Removing documents, crashes and programs that nothing needs any more.

use super::house::{HERE, NOW, THERE, device, id, later, new_agent, orgs, read, write};
use super::world::{World, on_all};
use crate::Tx;
use crate::history::floor;
use muster_core::fleet::{Crash, CrashKind, KeptDocument, NewAgent, Protocol};
use muster_core::ids::{AgentId, CrashId, DeviceId, OrgId};
use muster_core::software::Program;
use muster_core::tasks::doc::Leftover;
use muster_core::time::Timestamp;
use uuid::Uuid;

on_all! {
    each_kind_goes_alone_and_of_one_organization
    what_is_exactly_as_old_as_may_be_stays
    no_more_goes_than_may_and_the_oldest_first
    a_program_that_a_machine_has_stays_and_one_that_comes_back_is_known_again
}

const EVER: Timestamp = Timestamp(i64::MAX);

/// An id that is made at an instant.
fn made(at: Timestamp, n: u128) -> Uuid {
    Uuid::from_u128(floor(at).as_u128() | 7 << 76 | n)
}

fn document(org: OrgId, agent: u128, at: Timestamp) -> KeptDocument {
    KeptDocument {
        id: made(at, agent),
        org,
        agent: AgentId(id(agent)),
        device: DeviceId(id(agent - 1000)),
        kind: "netdiscovery".to_owned(),
        at,
        document: b"<REQUEST/>".to_vec(),
    }
}

/// A crash of long ago that was told at an instant.
fn crash(org: OrgId, agent: u128, at: Timestamp) -> Crash {
    Crash {
        id: CrashId(made(at, agent)),
        org,
        agent: AgentId(id(agent)),
        told: CrashId(made(at, agent)),
        at: Timestamp(0),
        kind: CrashKind::Panic,
        version: "0.1".to_owned(),
        message: "index out of bounds".to_owned(),
        place: None,
        log: "a\nb\n".to_owned(),
    }
}

fn program(org: OrgId, name: &str, devices: i64) -> Program {
    let (publisher, newest) = (String::new(), "1".to_owned());
    Program { org, name: name.to_owned(), publisher, versions: 1, newest, devices, first: NOW, print: devices }
}

/// Programs that were counted, and at an instant no more.
fn gone(tx: &mut Tx, programs: &[Program], at: Timestamp) -> Result<(), crate::Fault> {
    tx.programs_counted(programs, "", None, NOW)?;
    tx.programs_counted(&[], "", None, at).map(drop)
}

/// A machine in each of the two organizations, the agents 1001 and 1002, and of each of them one of each kind of NOW.
fn furnish(w: &World) {
    orgs(w);
    write(w, |tx| {
        device(tx, 1, "here")?;
        tx.device_insert(DeviceId(id(2)), THERE, "there", NOW)?;
        tx.agent_insert(&NewAgent { org: THERE, ..new_agent(1002, 2, Protocol::Glpi) }, NOW)?;
        for (org, agent) in [(HERE, 1001), (THERE, 1002)] {
            tx.document_keep(&document(org, agent, NOW))?;
            tx.crash_keep(&crash(org, agent, NOW))?;
        }
        gone(tx, &[program(HERE, "vim", 1), program(THERE, "vim", 1)], NOW)
    });
}

/// Which kinds there are of an organization.
fn kinds(w: &World, org: OrgId) -> Vec<Leftover> {
    read(w, move |rx| {
        let mut found = Vec::new();
        for kind in Leftover::ALL {
            found.extend(rx.has_leftovers(org, kind, EVER)?.then_some(kind));
        }
        Ok(found)
    })
}

fn remove(w: &World, kind: Leftover, before: Timestamp, most: i64) -> u64 {
    write(w, move |tx| tx.leftovers_remove(HERE, kind, before, most))
}

fn each_kind_goes_alone_and_of_one_organization(w: &World) {
    furnish(w);
    assert_eq!(kinds(w, HERE), Leftover::ALL);
    for (n, kind) in Leftover::ALL.into_iter().enumerate() {
        assert_eq!(remove(w, kind, EVER, 10), 1, "{kind:?}");
        assert_eq!(kinds(w, HERE), Leftover::ALL[n + 1..]);
        assert_eq!(remove(w, kind, EVER, 10), 0, "{kind:?} went already");
    }
    assert_eq!(kinds(w, THERE), Leftover::ALL);
    assert_eq!(read(w, |rx| rx.documents(AgentId(id(1002)), "netdiscovery")), [document(THERE, 1002, NOW)]);
    assert!(read(w, |rx| rx.crash(THERE, CrashId(made(NOW, 1002)))).is_some());
    assert_eq!(read(w, |rx| rx.programs_known("", None)).len(), 1);
}

fn what_is_exactly_as_old_as_may_be_stays(w: &World) {
    furnish(w);
    for kind in Leftover::ALL {
        assert_eq!(remove(w, kind, NOW, 10), 0, "{kind:?}");
        assert_eq!(remove(w, kind, Timestamp(NOW.0 + 1), 10), 1, "{kind:?}");
    }
}

fn no_more_goes_than_may_and_the_oldest_first(w: &World) {
    furnish(w);
    write(w, |tx| {
        for seconds in 1..=3 {
            tx.document_keep(&document(HERE, 1001, later(seconds)))?;
            tx.crash_keep(&crash(HERE, 1001, later(seconds)))?;
        }
        gone(tx, &["a", "b", "c"].map(|name| program(HERE, name, 1)), later(1))
    });
    for kind in Leftover::ALL {
        assert_eq!((remove(w, kind, EVER, 3), remove(w, kind, EVER, 0)), (3, 0), "{kind:?}");
    }
    assert_eq!(read(w, |rx| rx.documents(AgentId(id(1001)), "netdiscovery")), [document(HERE, 1001, later(3))]);
    assert!(read(w, |rx| rx.crash(HERE, CrashId(made(later(3), 1001)))).is_some());
    for kind in Leftover::ALL {
        assert_eq!((remove(w, kind, EVER, 3), remove(w, kind, EVER, 3)), (1, 0), "{kind:?}");
    }
}

fn a_program_that_a_machine_has_stays_and_one_that_comes_back_is_known_again(w: &World) {
    orgs(w);
    let counted = |programs: &[Program], at| {
        let programs = programs.to_vec();
        write(w, move |tx| tx.programs_counted(&programs, "", None, at))
    };
    let known = || read(w, |rx| rx.programs_known("", None)).into_iter().map(|it| (it.name, it.devices, it.first)).collect::<Vec<_>>();
    let vim = |first| Program { first, ..program(HERE, "vim", 1) };
    counted(&[vim(NOW), program(HERE, "emacs", 2)], NOW);
    counted(&[program(HERE, "emacs", 2)], later(5));
    counted(&[vim(NOW), program(HERE, "emacs", 2)], later(6));
    assert_eq!(remove(w, Leftover::Programs, EVER, 10), 0, "it came back");
    counted(&[program(HERE, "emacs", 2)], later(8));
    counted(&[program(HERE, "emacs", 3)], later(20));
    assert_eq!(remove(w, Leftover::Programs, later(8), 10), 0, "it is gone since then");
    assert_eq!(remove(w, Leftover::Programs, later(9), 10), 1);
    assert_eq!(known(), [("emacs".to_owned(), 3, NOW)]);
    assert!(counted(&[vim(later(30)), program(HERE, "emacs", 3)], later(30)));
    let mut all = known();
    all.sort();
    assert_eq!(all, [("emacs".to_owned(), 3, NOW), ("vim".to_owned(), 1, later(30))]);
}
