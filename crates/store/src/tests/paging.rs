//! Pages: nothing is left out and nothing comes twice, whatever the order, ties and page size.

use super::house::{HERE, NOW, all_pages, id, inventory, new_agent, orgs, put, read, write};
use super::world::{World, on_all};
use crate::inline::Dice;
use crate::{AgentFilter, DeviceFilter};
use muster_core::access::AuditEntry;
use muster_core::fleet::{Device, Protocol, Summary};
use muster_core::ids::DeviceId;
use muster_core::limits::TOTAL_COUNTED_MAX;
use muster_core::page::PageRequest;
use muster_core::time::Timestamp;

on_all! {
    devices_are_paged_in_every_order
    agents_are_paged_in_every_order
    a_page_goes_on_where_it_stopped_although_rows_come_and_go
    a_total_is_counted_up_to_its_limit
}

const SORTS: [&str; 9] = ["name", "os", "manufacturer", "model", "serial", "tag", "first_seen", "last_inventory", "last_contact"];
const TEXTS: [Option<&str>; 7] = [None, None, Some("a"), Some("B"), Some("ä"), Some("日本"), Some("a'b")];

/// Devices with few different values, so that there are many ties; ids in no order of theirs.
fn furnish(w: &World, seed: u64, count: u64) {
    orgs(w);
    let dice = &mut Dice(seed);
    let mut all = Vec::new();
    for i in 0..count {
        let mut text = || TEXTS[usize::try_from(dice.below(7)).unwrap()].map(str::to_owned);
        let [name, os, manufacturer, model, serial, tag] = std::array::from_fn(|_| text());
        let n = u128::from(dice.below(1 << 40)) << 16 | u128::from(i);
        let change = inventory(Summary { name, os, manufacturer, model, serial, tag, ..Summary::default() });
        let at = Timestamp(NOW.0 + i64::try_from(dice.below(4)).unwrap());
        let inventoried = dice.below(3) > 0;
        let mut agent = new_agent(n + 1000, n, Protocol::Glpi);
        agent.version = Some(format!("1.{}", dice.below(3))).filter(|_| dice.below(3) > 0);
        all.push((n, at, change, inventoried, agent));
    }
    write(w, move |tx| {
        for (n, at, change, inventoried, agent) in &all {
            tx.device_insert(DeviceId(id(*n)), HERE, "", *at)?;
            tx.agent_insert(agent, *at)?;
            if *inventoried {
                put(tx, *n, *at, change)?;
            }
        }
        Ok(())
    });
}

/// What a device is sorted by; missing texts come as empty ones, missing instants as the first.
fn key(d: &Device, sort: &str) -> (String, i64) {
    let text = |t: &Option<String>| (t.clone().unwrap_or_default(), 0);
    let at = |t: Option<Timestamp>| (String::new(), t.map_or(0, |t| t.0));
    match sort {
        "name" => (d.name.clone(), 0),
        "os" => text(&d.os),
        "manufacturer" => text(&d.manufacturer),
        "model" => text(&d.model),
        "serial" => text(&d.serial),
        "tag" => text(&d.tag),
        "first_seen" => at(Some(d.first_seen)),
        "last_inventory" => at(d.last_inventory),
        _ => at(d.last_contact),
    }
}

fn devices_are_paged_in_every_order(w: &World) {
    furnish(w, 3, 37);
    for (round, sort) in SORTS.into_iter().enumerate() {
        for (way, limit) in [("", 1 + round % 7), ("-", 1 + (round * 3) % 11), ("", 37), ("-", 38)] {
            let sorted = format!("{way}{sort}");
            let found = all_pages(w, limit, &sorted, |rx, p| rx.devices(HERE, &DeviceFilter::default(), p));
            let mut expected = found.clone();
            expected.sort_by_key(|d| (key(d, sort), d.id));
            expected.dedup_by_key(|d| d.id);
            if way == "-" {
                expected.reverse();
            }
            let ids = |all: &[Device]| all.iter().map(|d| d.id).collect::<Vec<_>>();
            assert_eq!((ids(&found), found.len()), (ids(&expected), 37), "{sorted} by {limit}");
        }
    }
}

fn agents_are_paged_in_every_order(w: &World) {
    furnish(w, 4, 23);
    for (sort, limit) in [("id", 5), ("-id", 4), ("last_contact", 3), ("-last_contact", 2), ("version", 1), ("-version", 7)] {
        let found: Vec<_> = all_pages(w, limit, sort, |rx, p| rx.agents(HERE, &AgentFilter::default(), p));
        let found: Vec<_> = found.into_iter().map(|(agent, _)| agent).collect();
        let mut expected = found.clone();
        expected.sort_by_key(|a| match sort.trim_start_matches('-') {
            "id" => (String::new(), 0, a.id),
            "version" => (a.version.clone().unwrap_or_default(), 0, a.id),
            _ => (String::new(), a.last_contact.map_or(0, |t| t.0), a.id),
        });
        expected.dedup_by_key(|a| a.id);
        if sort.starts_with('-') {
            expected.reverse();
        }
        assert_eq!((&found, found.len()), (&expected, 23), "{sort}");
    }
}

fn a_page_goes_on_where_it_stopped_although_rows_come_and_go(w: &World) {
    orgs(w);
    write(w, |tx| ["b", "d", "d", "f"].iter().zip(10..).try_for_each(|(name, n)| tx.device_insert(DeviceId(id(n)), HERE, name, NOW)));
    let page = |cursor: Option<String>| {
        let request = PageRequest::parse(Some("2"), Some("name"), cursor.as_deref(), &["name"]).unwrap();
        let page = read(w, move |rx| rx.devices(HERE, &DeviceFilter::default(), &request));
        (page.items.iter().map(|d| d.id.0.as_u128()).collect::<Vec<_>>(), page.next)
    };
    let (first, next) = page(None);
    assert_eq!(first, [10, 11]);
    // The last row shown goes, one comes before it and one behind it.
    write(w, |tx| {
        tx.device_delete(HERE, DeviceId(id(11)))?;
        tx.device_insert(DeviceId(id(20)), HERE, "a", NOW)?;
        tx.device_insert(DeviceId(id(21)), HERE, "e", NOW)
    });
    let (second, next) = page(next);
    assert_eq!(second, [12, 21]);
    let (third, next) = page(next);
    assert_eq!((third, next), (vec![13], None));
}

fn a_total_is_counted_up_to_its_limit(w: &World) {
    orgs(w);
    let limit = u128::try_from(TOTAL_COUNTED_MAX).unwrap();
    let entry = |n| AuditEntry {
        id: id(n),
        at: NOW,
        actor: String::new(),
        verb: String::new(),
        object_kind: String::new(),
        object_id: None,
        object_name: String::new(),
        before: None,
        after: None,
        request: String::new(),
    };
    for piece in 0..10 {
        write(w, move |tx| (0..limit / 10).try_for_each(|i| tx.audit_insert(Some(HERE), &entry(piece * limit / 10 + i))));
    }
    let total = |w: &World| read(w, |rx| rx.audit(HERE, false, None, None, &PageRequest::default())).total;
    assert_eq!(total(w), Some(TOTAL_COUNTED_MAX));
    write(w, move |tx| tx.audit_insert(Some(HERE), &entry(limit)));
    let page = read(w, |rx| rx.audit(HERE, false, None, None, &PageRequest::default()));
    assert_eq!((page.total, page.items.len(), page.next.is_some()), (None, 50, true));
}
