//! Devices and agents: lists, look-ups, fences, presence, deletion.

use super::house::{HERE, NOW, THERE, all_pages, id, inventory, later, new_agent, orgs, put, read, write};
use super::world::{World, on_all};
use crate::{AgentFilter, DeviceFilter, DeviceGroup, Heard, Software};
use muster_core::fleet::{
    Agent, AgentTold, Capacity, Device, Evidence, EvidenceKind, KnownEvidence, NewAgent, Protocol, Summary, VerifiedBy,
};
use muster_core::ids::{AgentId, DeviceId};
use muster_core::page::PageRequest;
use muster_core::query::Query;
use muster_core::time::Timestamp;

on_all! {
    a_new_device_is_known_by_name_alone
    devices_are_narrowed_by_every_filter
    a_device_is_found_by_the_name_a_person_gave_it
    a_device_changes_only_at_the_version_that_was_read
    an_agent_changes_only_at_the_version_that_was_read
    devices_are_selected_by_id_name_tag_and_query
    devices_are_counted_and_grouped
    agents_are_narrowed_by_every_filter
    agents_are_looked_up_by_what_they_say
    what_an_agent_tells_of_itself_is_noted
    a_key_made_anew_is_a_new_life
    presence_never_goes_backwards
    evidence_finds_the_devices_that_share_it
    strangers_are_counted_by_source
    nothing_of_the_fleet_is_seen_from_another_organization
}

fn a_new_device_is_known_by_name_alone(w: &World) {
    orgs(w);
    write(w, |tx| tx.device_insert(DeviceId(id(10)), HERE, "pc", NOW));
    let found = read(w, |rx| rx.device(HERE, DeviceId(id(10)))).unwrap();
    assert_eq!((found.name.as_str(), found.first_seen, found.last_inventory, found.last_contact), ("pc", NOW, None, Some(NOW)));
    assert_eq!((found.agent, found.protocol, found.verified, found.software_count, found.version), (None, None, false, 0, 1));
    assert_eq!((found.tag, found.ips, found.findings), (None, vec![], vec![]));
}

/// Four devices that differ in everything a list can be narrowed by.
fn furnish(w: &World) {
    orgs(w);
    for (n, name, protocol) in
        [(10, "alpha", Protocol::Glpi), (11, "Beta", Protocol::Ocs), (12, "gamma", Protocol::Muster), (13, "delta", Protocol::Glpi)]
    {
        let mut all = inventory(Summary {
            name: Some(name.to_owned()),
            os: Some(if n < 12 { "Debian GNU/Linux" } else { "Windows 11" }.to_owned()),
            os_family: Some(if n < 12 { "linux" } else { "windows" }.to_owned()),
            manufacturer: Some("Dell".to_owned()).filter(|_| n != 13),
            model: Some(format!("M{}", n % 2)),
            serial: Some(format!("S-{n}")),
            uuid: Some(format!("U-{n}")),
            tag: Some("lab".to_owned()).filter(|_| n == 11),
            ips: vec![format!("10.0.0.{n}"), "FE80::1".to_owned()],
            macs: vec![format!("00:00:00:00:00:{n}")],
            ..Summary::default()
        });
        all.shown = Some((protocol.as_str(), Some("1.0".to_owned())));
        let device = all.device_write.as_mut().unwrap();
        device.searched.as_mut().unwrap().1 = vec![format!("user{n}"), "root".to_owned()];
        let program = Software::new(&format!("app{}", n % 2), &n.to_string(), "", "");
        device.software_added = vec![program];
        let mut agent = new_agent(n + 1000, n, protocol);
        agent.verified = n == 12;
        write(w, move |tx| {
            tx.device_insert(DeviceId(id(n)), HERE, "new", later(n as u64))?;
            tx.agent_insert(&agent, later(n as u64))?;
            put(tx, n, later(n as u64), &all)
        });
    }
}

fn names(w: &World, filter: DeviceFilter) -> String {
    let found = all_pages(w, 3, "name", move |rx, p| rx.devices(HERE, &filter, p));
    found.iter().map(|d| d.name.clone()).collect::<Vec<_>>().join(" ")
}

fn devices_are_narrowed_by_every_filter(w: &World) {
    furnish(w);
    let all = "Beta alpha delta gamma";
    let filter = DeviceFilter::default;
    let text = |t: &str| Some(t.to_owned());
    let column = |name, values: &[&str]| vec![(name, values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>())];
    for (what, filter, expected) in [
        ("all", filter(), all),
        ("blank", DeviceFilter { q: text("  "), ..filter() }, all),
        ("text", DeviceFilter { q: text("BET"), ..filter() }, "Beta"),
        ("two texts", DeviceFilter { q: text("debian user10"), ..filter() }, "alpha"),
        ("no pattern", DeviceFilter { q: text("%"), ..filter() }, ""),
        ("column", DeviceFilter { columns: column("name", &["alpha", "Beta", "x"]), ..filter() }, "Beta alpha"),
        ("manufacturer", DeviceFilter { columns: column("manufacturer", &["Dell"]), ..filter() }, "Beta alpha gamma"),
        ("nothing", DeviceFilter { columns: column("name", &[]), ..filter() }, ""),
        ("model", DeviceFilter { columns: column("model", &["M1"]), ..filter() }, "Beta delta"),
        ("tag", DeviceFilter { columns: column("tag", &["lab"]), ..filter() }, "Beta"),
        ("serial", DeviceFilter { columns: column("serial", &["S-12"]), ..filter() }, "gamma"),
        ("uuid", DeviceFilter { columns: column("uuid", &["U-12"]), ..filter() }, "gamma"),
        ("family", DeviceFilter { columns: column("os_family", &["windows"]), ..filter() }, "delta gamma"),
        ("protocol", DeviceFilter { protocols: vec![Protocol::Glpi, Protocol::Ocs], ..filter() }, "Beta alpha delta"),
        ("verified", DeviceFilter { verified: Some(true), ..filter() }, "gamma"),
        ("stranger", DeviceFilter { verified: Some(false), ..filter() }, "Beta alpha delta"),
        ("heard", DeviceFilter { heard_since: Some(Ok(later(12))), ..filter() }, "delta gamma"),
        ("silent", DeviceFilter { heard_since: Some(Err(later(12))), ..filter() }, "Beta alpha"),
        ("ip", DeviceFilter { ip: text("fe80::1"), ..filter() }, all),
        ("one ip", DeviceFilter { ip: text("10.0.0.1"), ..filter() }, ""),
        ("mac", DeviceFilter { mac: text("00:00:00:00:00:13"), ..filter() }, "delta"),
        ("software", DeviceFilter { software: text("app1"), ..filter() }, "Beta delta"),
        ("user", DeviceFilter { user: text("root"), ..filter() }, all),
        ("one user", DeviceFilter { user: text("user13"), ..filter() }, "delta"),
        ("query", DeviceFilter { query: Query::parse("tag == 'lab'").ok(), verified: Some(false), ..filter() }, "Beta"),
        ("both", DeviceFilter { query: Query::parse("tag == 'lab'").ok(), verified: Some(true), ..filter() }, ""),
    ] {
        assert_eq!(names(w, filter), expected, "{what}");
    }
}

fn a_device_is_found_by_the_name_a_person_gave_it(w: &World) {
    furnish(w);
    let d = read(w, |rx| rx.device(HERE, DeviceId(id(10)))).unwrap();
    let named = Device { name: "Büro ÜBER".to_owned(), tag: Some("Äußeres".to_owned()), ..d };
    assert!(write(w, move |tx| tx.device_update(&named, Some("Büro ÜBER"), Some("Äußeres"))));
    let q = |text: &str| names(w, DeviceFilter { q: Some(text.to_owned()), ..DeviceFilter::default() });
    assert_eq!((q("über"), q("ÄUSSERES"), q("äußeres")), ("Büro ÜBER".into(), String::new(), "Büro ÜBER".into()));
    // What the machine calls itself goes on in the searched text only.
    let anew = inventory(Summary { name: Some("host".to_owned()), tag: Some("agent's".to_owned()), ..Summary::default() });
    write(w, move |tx| put(tx, 10, NOW, &anew));
    let d = read(w, |rx| rx.device(HERE, DeviceId(id(10)))).unwrap();
    assert_eq!((d.name.as_str(), d.tag.as_deref()), ("Büro ÜBER", Some("Äußeres")));
    assert_eq!((q("über"), q("äußeres"), q("host"), q("debian user10")), (d.name.clone(), d.name.clone(), d.name, String::new()));
}

fn a_device_changes_only_at_the_version_that_was_read(w: &World) {
    furnish(w);
    let read_once = read(w, |rx| rx.device(HERE, DeviceId(id(10)))).unwrap();
    let mine = Device { notes: Some("mine".to_owned()), verified: true, tag: None, ..read_once.clone() };
    let theirs = Device { notes: Some("theirs".to_owned()), ..read_once };
    let (first, second) = (mine.clone(), theirs);
    assert!(write(w, move |tx| tx.device_update(&first, None, Some(""))));
    assert!(!write(w, move |tx| tx.device_update(&second, None, None)));
    assert_eq!(read(w, |rx| rx.device(HERE, DeviceId(id(10)))), Some(Device { version: 2, ..mine }));
    // Trust goes to the agents, and a refused change takes none away.
    assert_eq!(read(w, |rx| rx.agents_of(DeviceId(id(10)))).iter().map(|a| a.verified).collect::<Vec<_>>(), [true]);
    let tagged = inventory(Summary { tag: Some("agent's".to_owned()), ..Summary::default() });
    write(w, move |tx| put(tx, 10, NOW, &tagged));
    assert_eq!(read(w, |rx| rx.device(HERE, DeviceId(id(10)))).unwrap().tag, None, "a tag taken away stays away");
}

fn an_agent_changes_only_at_the_version_that_was_read(w: &World) {
    furnish(w);
    write(w, |tx| tx.agent_insert(&new_agent(2010, 10, Protocol::Ocs), NOW));
    let read_once = read(w, |rx| rx.agent(AgentId(id(1010)))).unwrap();
    let mine = Agent { verified: true, modules: vec!["inventory".to_owned()], ..read_once.clone() };
    let (first, second) = (mine.clone(), read_once);
    assert!(write(w, move |tx| tx.agent_update(&first)));
    assert!(!write(w, move |tx| tx.agent_update(&second)));
    assert_eq!(
        read(w, |rx| rx.agent(AgentId(id(1010)))),
        Some(Agent { version_no: mine.version_no + 1, verified_by: Some(VerifiedBy::Person), ..mine })
    );
    let verified = |w: &World| read(w, |rx| rx.device(HERE, DeviceId(id(10)))).unwrap().verified;
    assert!(!verified(w), "a stranger speaks for it, too");
    let other = read(w, |rx| rx.agent(AgentId(id(2010)))).unwrap();
    assert!(write(w, move |tx| tx.agent_update(&Agent { verified: true, ..other.clone() })));
    assert!(verified(w));
}

fn devices_are_selected_by_id_name_tag_and_query(w: &World) {
    furnish(w);
    let select = |query: Option<&str>, named: &[String], all| {
        let (query, named) = (query.map(|q| Query::parse(q).unwrap()), named.to_vec());
        let ids = read(w, move |rx| rx.device_ids(HERE, query.as_ref(), &named, all));
        ids.iter().map(|d| d.0.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!((select(None, &[], false), select(None, &[], true)), (vec![], vec![10, 11, 12, 13]));
    let named = ["gamma".to_owned(), id(10).to_string(), "nobody".to_owned(), id(99).to_string(), "gamma".to_owned()];
    assert_eq!(select(None, &named, false), [10, 12]);
    assert_eq!(select(Some("tag == 'lab'"), &named, false), [10, 11, 12]);
    let many: Vec<String> = (0..450).map(|i| format!("x{i}")).chain(["delta".to_owned()]).collect();
    assert_eq!(select(None, &many, false), [13]);
    let tagged = read(w, |rx| rx.device_ids_tagged(HERE, &["lab".to_owned(), "x".to_owned()]));
    assert_eq!(tagged, [DeviceId(id(11))]);
    assert_eq!(read(w, |rx| rx.device_ids_tagged(HERE, &[])), []);
    let ids: Vec<DeviceId> = (0..450).map(|n| DeviceId(id(n))).collect();
    let found = read(w, move |rx| rx.devices_by_id(HERE, &ids));
    assert_eq!(found.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["Beta", "alpha", "delta", "gamma"]);
}

fn devices_are_counted_and_grouped(w: &World) {
    furnish(w);
    write(w, |tx| tx.device_insert(DeviceId(id(14)), HERE, "bare", NOW));
    assert_eq!(read(w, |rx| rx.device_counts(HERE, later(11))), (5, 3, 4));
    let ids: Vec<DeviceId> = (0..2_500).map(|n| DeviceId(id(n))).collect();
    let group = |protocol: &str, family: &str, online, count| DeviceGroup {
        protocol: protocol.to_owned(),
        os_family: family.to_owned(),
        online,
        count,
    };
    let expected = [
        group("", "", false, 1),
        group("glpi", "linux", false, 1),
        group("glpi", "windows", true, 1),
        group("muster", "windows", true, 1),
        group("ocs", "linux", true, 1),
    ];
    assert_eq!(read(w, move |rx| rx.device_groups(HERE, &ids, later(11))), expected);
}

fn agents_are_narrowed_by_every_filter(w: &World) {
    furnish(w);
    let found = |filter: AgentFilter, sort| {
        let agents = all_pages(w, 3, sort, move |rx, p| rx.agents(HERE, &filter, p));
        agents.iter().map(|(a, name)| format!("{}:{name}", a.id.0.as_u128() - 1000)).collect::<Vec<_>>().join(" ")
    };
    let filter = AgentFilter::default;
    let text = |t: &str| Some(t.to_owned());
    for (what, filter, expected) in [
        ("all", filter(), "10:alpha 11:Beta 12:gamma 13:delta"),
        ("protocol", AgentFilter { protocols: vec![Protocol::Glpi], ..filter() }, "10:alpha 13:delta"),
        ("version", AgentFilter { version: text("1.0"), ..filter() }, "10:alpha 11:Beta 12:gamma 13:delta"),
        ("other version", AgentFilter { version: text("1"), ..filter() }, ""),
        ("verified", AgentFilter { verified: Some(true), ..filter() }, "12:gamma"),
        ("heard", AgentFilter { heard_since: Some(Ok(later(12))), ..filter() }, "12:gamma 13:delta"),
        ("silent", AgentFilter { heard_since: Some(Err(later(12))), ..filter() }, "10:alpha 11:Beta"),
        ("foreign id", AgentFilter { q: text("hOST-1013"), ..filter() }, "13:delta"),
        ("name", AgentFilter { q: text("BETA"), ..filter() }, "11:Beta"),
        ("no pattern", AgentFilter { q: text("_"), ..filter() }, ""),
    ] {
        assert_eq!(found(filter, "id"), expected, "{what}");
    }
    assert_eq!(found(filter(), "-last_contact"), "13:delta 12:gamma 11:Beta 10:alpha");
    assert_eq!(found(filter(), "-version"), "13:delta 12:gamma 11:Beta 10:alpha");
}

fn agents_are_looked_up_by_what_they_say(w: &World) {
    furnish(w);
    let own = NewAgent { public_key: Some(vec![7; 32]), foreign_id: None, ..new_agent(2010, 10, Protocol::Muster) };
    let twin = NewAgent { foreign_id: Some("Host-1010".to_owned()), ..new_agent(2011, 11, Protocol::Fusioninventory) };
    write(w, move |tx| tx.agent_insert(&own, NOW).and_then(|()| tx.agent_insert(&twin, NOW)));
    let n = |agent: Option<Agent>| agent.map(|a| a.id.0.as_u128());
    let foreign = |protocols: &'static [Protocol]| n(read(w, move |rx| Ok(rx.agents_foreign(HERE, "Host-1010", protocols)?.pop())));
    assert_eq!((foreign(&[Protocol::Glpi]), foreign(&[Protocol::Ocs, Protocol::Fusioninventory])), (Some(1010), Some(2011)));
    assert_eq!((foreign(&[Protocol::Ocs]), n(read(w, |rx| Ok(rx.agents_foreign(HERE, "host-1010", &Protocol::ALL)?.pop())))), (None, None));
    assert_eq!(read(w, |rx| rx.agents_foreign(THERE, "Host-1010", &Protocol::ALL)), []);
    assert_eq!(n(read(w, |rx| rx.agent_with_key(&[7; 32]))), Some(2010));
    assert_eq!(read(w, |rx| Ok((rx.agent_with_key(&[8; 32])?, rx.agent(AgentId(id(1)))?))), (None, None));
    let of = read(w, |rx| rx.agents_of_all(&[DeviceId(id(11)), DeviceId(id(10)), DeviceId(id(99))]));
    assert_eq!(of.iter().map(|a| a.id.0.as_u128()).collect::<Vec<_>>(), [1010, 2010, 1011, 2011]);
}

fn what_an_agent_tells_of_itself_is_noted(w: &World) {
    furnish(w);
    let agent = |w: &World| read(w, |rx| rx.agent(AgentId(id(1010)))).unwrap();
    let before = agent(w);
    assert_eq!((before.capacities.len(), before.disabled.len(), before.proxies.len()), (0, 0, 0));
    let capacities = vec![Capacity { name: "deploy".to_owned(), version: Some("3.3".to_owned()), enabled: false }];
    let told = AgentTold { protocol: Protocol::Glpi, glpi_id: Some("g".to_owned()), capacities, port: Some(65_535), proxies: Vec::new() };
    let (first, expected) = (told.clone(), told.clone());
    write(w, move |tx| tx.agent_told(AgentId(id(1010)), &first));
    let after = agent(w);
    assert_eq!((AgentTold::of(&after), after.address, after.version_no), (expected, before.address, before.version_no));
    assert_eq!(read(w, |rx| rx.agents_glpi(HERE, "g")).len(), 1);
    // What is not told anew stays; behind a proxy there is no address.
    let later = AgentTold { glpi_id: None, port: None, proxies: vec!["p".to_owned()], ..told };
    write(w, move |tx| tx.agent_told(AgentId(id(1010)), &later));
    let after = agent(w);
    assert_eq!(
        (after.glpi_id.as_deref(), after.port, after.proxies.as_slice(), after.address),
        (Some("g"), Some(65_535), &["p".to_owned()][..], None)
    );
    let mut off = agent(w);
    off.disabled = vec!["inventory".to_owned()];
    let patch = off.clone();
    assert!(write(w, move |tx| tx.agent_update(&patch)));
    assert_eq!(agent(w).disabled, off.disabled);
}

fn a_key_made_anew_is_a_new_life(w: &World) {
    furnish(w);
    write(w, |tx| tx.agent_reborn(AgentId(id(1010)), b"new", true));
    let found = read(w, |rx| rx.agent(AgentId(id(1010)))).unwrap();
    assert_eq!((found.public_key.as_deref(), found.incarnation, found.verified), (Some(&b"new"[..]), 2, true));
    write(w, |tx| tx.agent_revoke(AgentId(id(1010))));
    let found = read(w, |rx| rx.agent(AgentId(id(1010)))).unwrap();
    assert_eq!((found.public_key, found.incarnation, found.verified), (None, 2, false));
}

fn presence_never_goes_backwards(w: &World) {
    furnish(w);
    let heard = |at: Timestamp, address: Option<&str>, next| Heard {
        agent: AgentId(id(1010)),
        device: DeviceId(id(10)),
        at,
        next,
        address: address.map(str::to_owned),
        version: None,
        inventory: false,
        clock_offset: None,
    };
    let sets = [
        vec![heard(later(100), Some("10.9.9.9"), Some(later(200)))],
        vec![heard(later(50), Some("10.8.8.8"), Some(later(150)))],
        vec![heard(later(100), None, None), Heard { agent: AgentId(id(77)), ..heard(later(1), None, None) }],
    ];
    write(w, move |tx| sets.iter().try_for_each(|set| tx.heard(set)));
    let (agent, device) = read(w, |rx| Ok((rx.agent(AgentId(id(1010)))?.unwrap(), rx.device(HERE, DeviceId(id(10)))?.unwrap())));
    assert_eq!((agent.last_contact, agent.next_contact), (Some(later(100)), Some(later(200))));
    assert_eq!((agent.address.as_deref(), agent.version.as_deref()), (Some("10.9.9.9"), Some("1.0")));
    assert_eq!(device.last_contact, Some(later(100)));
}

fn evidence_finds_the_devices_that_share_it(w: &World) {
    furnish(w);
    let piece = |kind, value: &str| Evidence { kind, value: value.to_owned() };
    let (mac, serial, old) = (piece(EvidenceKind::Mac, "m"), piece(EvidenceKind::Serial, "m"), piece(EvidenceKind::AgentId, "old"));
    let (all, first, last) = (vec![mac.clone(), serial.clone()], vec![mac.clone(), mac.clone()], old.clone());
    write(w, move |tx| {
        tx.evidence_replace(HERE, AgentId(id(1010)), std::slice::from_ref(&last))?;
        tx.evidence_replace(HERE, AgentId(id(1010)), &all)?;
        tx.evidence_replace(HERE, AgentId(id(1011)), &first)
    });
    let asked = vec![mac.clone(), serial.clone(), old];
    let found = |org| {
        let asked = asked.clone();
        read(w, move |rx| rx.devices_with_evidence(org, &asked))
    };
    let (ten, eleven) = (DeviceId(id(10)), DeviceId(id(11)));
    assert_eq!(found(HERE), [(ten, mac.clone()), (eleven, mac.clone()), (ten, serial.clone())]);
    assert_eq!(found(THERE), []);
    let known = |evidence| KnownEvidence { agent: AgentId(id(1010)), evidence };
    assert_eq!(read(w, move |rx| rx.evidence_of(ten)), [known(mac), known(serial)]);
}

fn strangers_are_counted_by_source(w: &World) {
    furnish(w);
    let count = |source: &'static str, since| read(w, move |rx| rx.strangers_from(source, since));
    // Four came, one of them verified.
    assert_eq!((count("10.0.0.1", NOW), count("10.0.0.1", later(11)), count("10.0.0.2", NOW)), (3, 2, 0));
}

fn nothing_of_the_fleet_is_seen_from_another_organization(w: &World) {
    furnish(w);
    let (all, one) = (DeviceFilter::default(), DeviceId(id(10)));
    assert_eq!(all_pages(w, 9, "name", move |rx, p| rx.devices(THERE, &all, p)), []);
    assert!(read(w, |rx| rx.agents(THERE, &AgentFilter::default(), &PageRequest::default())).items.is_empty());
    let query = Query::parse("true").unwrap();
    read(w, move |rx| {
        assert_eq!((rx.device(THERE, one)?, rx.devices_by_id(THERE, &[one])?), (None, vec![]));
        assert_eq!((rx.device_counts(THERE, NOW)?, rx.device_groups(THERE, &[one], NOW)?), ((0, 0, 0), vec![]));
        assert_eq!(rx.device_ids(THERE, Some(&query), &["alpha".to_owned(), id(10).to_string()], true)?, []);
        assert_eq!(rx.device_ids_tagged(THERE, &["lab".to_owned()])?, []);
        Ok(())
    });
    assert!(!write(w, move |tx| tx.device_delete(THERE, one)));
    assert!(read(w, move |rx| rx.device(HERE, one)).is_some());
}
