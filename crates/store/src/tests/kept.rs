//! Documents that came unasked.

use super::house::{HERE, NOW, id, later, new_agent, orgs, read, write};
use super::world::{World, on_all};
use muster_core::fleet::{KeptDocument, Protocol};
use muster_core::ids::{AgentId, DeviceId};
use muster_core::limits::{KEPT_DOCUMENT_BYTES_MAX, KEPT_DOCUMENTS_MAX};

on_all! {
    the_last_documents_of_each_kind_of_each_agent_stay
    documents_go_with_their_agent
}

fn document(n: u128, agent: u128, kind: &str) -> KeptDocument {
    KeptDocument {
        id: id(n),
        org: HERE,
        agent: AgentId(id(agent)),
        device: DeviceId(id(10)),
        kind: kind.to_owned(),
        at: later(u64::try_from(n).unwrap()),
        document: format!("<REQUEST>{n}</REQUEST>").into_bytes(),
    }
}

fn furnish(w: &World) {
    orgs(w);
    write(w, |tx| tx.device_insert(DeviceId(id(10)), HERE, "pc", NOW));
    for agent in [1010, 1011] {
        write(w, move |tx| tx.agent_insert(&new_agent(agent, 10, Protocol::Glpi), NOW));
    }
}

fn the_last_documents_of_each_kind_of_each_agent_stay(w: &World) {
    furnish(w);
    let most = KEPT_DOCUMENTS_MAX as u128;
    write(w, |tx| tx.document_keep(&document(1, 1010, "netinventory")));
    write(w, |tx| tx.document_keep(&document(2, 1011, "netdiscovery")));
    for n in 0..most {
        write(w, move |tx| tx.document_keep(&document(100 + n, 1010, "netdiscovery")));
    }
    let count = |agent| read(w, move |rx| rx.documents_count(AgentId(id(agent))));
    assert_eq!((count(1010), count(1011), count(1)), (i64::try_from(KEPT_DOCUMENTS_MAX).unwrap() + 1, 1, 0));
    write(w, move |tx| tx.document_keep(&document(100 + most, 1010, "netdiscovery")));
    let kept = read(w, |rx| rx.documents(AgentId(id(1010)), "netdiscovery"));
    assert_eq!(kept.len(), KEPT_DOCUMENTS_MAX);
    assert_eq!(
        (&kept[0], &kept[KEPT_DOCUMENTS_MAX - 1]),
        (&document(100 + most, 1010, "netdiscovery"), &document(101, 1010, "netdiscovery"))
    );
    assert_eq!(read(w, |rx| rx.documents(AgentId(id(1010)), "netinventory")), [document(1, 1010, "netinventory")]);
    let large = KeptDocument { document: vec![b'x'; KEPT_DOCUMENT_BYTES_MAX], ..document(3, 1011, "netdiscovery") };
    let whole = large.clone();
    write(w, move |tx| tx.document_keep(&large));
    assert_eq!(read(w, |rx| rx.documents(AgentId(id(1011)), "netdiscovery"))[0], whole);
}

fn documents_go_with_their_agent(w: &World) {
    furnish(w);
    write(w, |tx| tx.document_keep(&document(1, 1010, "netdiscovery")));
    write(w, |tx| tx.device_delete(HERE, DeviceId(id(10))));
    assert_eq!(read(w, |rx| rx.documents_count(AgentId(id(1010)))), 0);
}
