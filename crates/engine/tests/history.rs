//! Changes, dates compared and programs across the fleet: on SQLite, on PostgreSQL and on the simulator's store.

use muster_core::access::Caller;
use muster_core::fleet::{NewAgent, Protocol};
use muster_core::ids::{DeviceId, OrgId};
use muster_core::inventory::{Canonical, Completeness, Inventory, Print};
use muster_core::page::{Page, PageRequest};
use muster_core::time::{Clock, HandClock, Timestamp};
use muster_engine::history::{ChangeFilter, change_list, device_changes, device_inventory_at};
use muster_engine::intake::{Arrival, Stored};
use muster_engine::software::{Wanted, appeared_list, count_piece, count_save, holder_list, program_list, version_list};
use muster_engine::{Cx, Engine, Error, HistoryFilter, ProgramFilter, Rx, SeededRandom, Store, access, fleet, intake};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_795_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

struct World {
    engine: Engine,
    clock: Arc<HandClock>,
    org: OrgId,
    _kept: Box<dyn std::any::Any>,
}

/// Runs each test on the three stores.
macro_rules! on_all {
    ($($name:ident)*) => {
        mod inline { $(#[test] fn $name() { super::$name(&super::World::inline()); })* }
        mod sqlite { $(#[test] fn $name() { super::$name(&super::World::sqlite()); })* }
        mod postgres { $(#[test] fn $name() { super::$name(&super::World::postgres()); })* }
    };
}

on_all! {
    every_former_state_of_a_device_is_found_again
    the_source_of_a_section_may_change_between_two_instants
    pages_of_changes_show_every_row_once_whatever_their_length
    changes_are_narrowed_by_all_that_is_given
    who_has_a_program_is_told_once_each_whatever_the_page
    programs_are_counted_per_organization_and_what_is_gone_is_forgotten
    counting_rests_between_two_rounds
    what_appeared_counts_arrivals_and_knows_what_is_new
}

impl World {
    fn inline() -> Self {
        Self::on(|clock| Store::inline(7, clock), ())
    }

    fn sqlite() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("muster.db");
        Self::on(move |clock| Store::open_sqlite(&path, clock).expect("opened"), dir)
    }

    fn postgres() -> Self {
        let database = muster_store::testdb::database();
        let url = database.url().to_owned();
        Self::on(move |clock| Store::open_postgres(&url, clock).expect("opened"), database)
    }

    fn on(open: impl FnOnce(Arc<dyn Clock>) -> Store, kept: impl std::any::Any) -> Self {
        let clock = Arc::new(HandClock::at(NOW));
        let store = open(clock.clone());
        let engine = Engine::new(store, clock.clone(), Arc::new(SeededRandom::new(7)));
        let nowhere = engine.cx(Caller::SYSTEM, "test", OrgId(uuid::Uuid::nil()), "test");
        let org = engine.write_now("org.default", &nowhere, access::default_org).expect("the default organization").id;
        Self { engine, clock, org, _kept: Box::new(kept) }
    }

    fn cx(&self, org: OrgId) -> Cx {
        self.engine.cx(Caller::SYSTEM, "test", org, "test")
    }

    fn read<T: Send + 'static>(&self, f: impl FnOnce(&mut Rx, &Cx) -> Result<T, Error> + Send + 'static) -> T {
        self.engine.read_now(&self.cx(self.org), f).expect("read")
    }

    /// An agent tells these sections, an hour later than the one before.
    fn tell_in(&self, org: OrgId, protocol: Protocol, host: &str, sections: Value) -> Stored {
        self.clock.advance(HOUR);
        let mut inventory = Inventory::empty(Completeness::Full);
        inventory.sections = serde_json::from_value(sections).expect("sections");
        let arrival = Arrival {
            protocol,
            own: None,
            foreign_id: Some(format!("{host}-2026-11-21-03-09-07")),
            old_foreign_id: None,
            glpi_id: None,
            version: None,
            source: None,
            unchanged: Default::default(),
            told: Arc::new(Canonical::new(inventory)),
        };
        self.engine.write_now("intake", &self.cx(org), move |tx, cx| intake::inventory(tx, cx, &arrival)).expect("stored")
    }

    /// A machine with programs, each `name version`.
    fn tell(&self, host: &str, programs: &[&str]) -> Stored {
        self.tell_in(self.org, Protocol::Fusioninventory, host, json!({"hardware": [{"name": host}], "softwares": softwares(programs)}))
    }

    fn changes(&self, device: DeviceId, from: Timestamp, to: Timestamp) -> Vec<muster_engine::history::SectionDifference> {
        self.read(move |rx, cx| Ok(device_changes(rx, cx, device, from, to, &[])?.1))
    }

    fn tally(&self) -> usize {
        let (mut rounds, mut pieces) = (0, 0);
        while let Some(piece) = self.read(count_piece) {
            let more = piece.more();
            self.engine.write_now("tally", &self.cx(self.org), move |tx, cx| count_save(tx, cx, &piece, 100)).expect("saved");
            pieces += 1;
            rounds += usize::from(!more);
            assert!(rounds < 2 && pieces < 1_000, "a round without end");
        }
        rounds
    }
}

fn softwares(programs: &[&str]) -> Value {
    let row = |text: &&str| {
        let (name, version) = text.rsplit_once(' ').expect("a name and a version");
        json!({"name": name, "version": version})
    };
    programs.iter().map(row).collect()
}

/// All items of a list, page by page.
fn all_pages<T: Send + 'static>(
    w: &World,
    limit: usize,
    sort: &str,
    ask: impl Fn(&mut Rx, &Cx, &PageRequest) -> Result<Page<T>, Error> + Send + Clone + 'static,
) -> Vec<T> {
    let (mut items, mut cursor): (Vec<T>, Option<String>) = (Vec::new(), None);
    loop {
        let request =
            PageRequest::parse(Some(&limit.to_string()), Some(sort), cursor.as_deref(), &[sort.trim_start_matches('-')]).expect("a page");
        let ask = ask.clone();
        let page = w.read(move |rx, cx| ask(rx, cx, &request));
        assert!(page.items.len() <= limit);
        items.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return items;
        }
        assert!(items.len() < 1_000, "pages without end");
    }
}

fn every_former_state_of_a_device_is_found_again(w: &World) {
    let states = [
        json!({"hardware": [{"name": "pc"}], "softwares": softwares(&["bash 5.1", "vim 9"]), "drives": [{"volumn": "/", "free": 1}]}),
        json!({"hardware": [{"name": "pc", "memory": 4}], "softwares": softwares(&["bash 5.2", "vim 9"]), "drives": [{"volumn": "/", "free": 2}]}),
        json!({"hardware": [{"name": "pc", "memory": 4}], "softwares": softwares(&["bash 5.2", "zsh 5"]), "usbdevices": [{"name": "a"}, {"name": "a"}]}),
        json!({"hardware": [{"name": "pc"}], "softwares": softwares(&[]), "usbdevices": [{"name": "a"}]}),
        json!({"hardware": [{"name": "pc"}], "softwares": softwares(&["bash 5.3"])}),
        json!({"hardware": [{"name": "pc"}], "softwares": softwares(&["bash 5.3"]), "usbdevices": [{"name": "b"}]}),
    ];
    let mut told = Vec::new();
    for state in &states {
        let stored = w.tell_in(w.org, Protocol::Fusioninventory, "pc", state.clone());
        told.push((w.engine.now(), stored.device));
    }
    for ((at, device), state) in told.iter().zip(&states) {
        let (at, device) = (*at, *device);
        let (_, sections) = w.read(move |rx, cx| device_inventory_at(rx, cx, device, at, &[]));
        let mut expected = state.clone();
        for (name, rows) in expected.as_object_mut().expect("sections") {
            // Facts only, single sections as one object.
            rows.as_array_mut().expect("rows").iter_mut().for_each(|row| drop(row.as_object_mut().expect("a row").remove("free")));
            if name == "hardware" {
                *rows = rows[0].clone();
            }
        }
        assert_eq!(Value::Object(sections), expected, "at {at}");
    }
    let device = told[0].1;
    let exact = w.changes(device, told[0].0, told[5].0);
    assert!(exact.iter().all(|s| s.exact));
    let names: Vec<&str> = exact.iter().map(|s| s.section.as_str()).collect();
    assert_eq!(names, ["drives", "softwares", "usbdevices"]);
    assert_eq!((exact[1].pairs.changed.len(), exact[1].pairs.removed.len(), exact[1].pairs.added.len()), (1, 1, 0));
    assert!(w.changes(device, told[4].0, told[4].0.plus(HOUR / 2)).is_empty());
    let (before, _) = w.read(move |rx, cx| Ok((device_inventory_at(rx, cx, device, NOW, &[])?.1, ())));
    assert!(before.is_empty(), "before its first inventory nothing was known");
}

fn the_source_of_a_section_may_change_between_two_instants(w: &World) {
    let machine = |programs: &[&str]| json!({"hardware": [{"name": "pc"}], "softwares": softwares(programs)});
    let first = w.tell_in(w.org, Protocol::Ocs, "pc", machine(&["bash 5.1"]));
    let before = w.engine.now();
    // A second agent of the same device, of a protocol that goes before.
    let (org, device) = (w.org, first.device);
    let beside = move |tx: &mut muster_engine::Tx, cx: &Cx| {
        let foreign_id = Some("beside-2026-11-21-03-09-07".to_owned());
        let id = cx.id();
        let new = NewAgent {
            id,
            org,
            device,
            protocol: Protocol::Glpi,
            foreign_id,
            glpi_id: None,
            public_key: None,
            version: None,
            verified: false,
            source: None,
            claim: 0,
            door: org,
            verified_by: None,
        };
        tx.agent_insert(&new, cx.now)?;
        Ok(id)
    };
    w.engine.write_now("agent", &w.cx(w.org), beside).expect("known");
    let second = w.tell_in(w.org, Protocol::Glpi, "beside", machine(&["bash 5.2"]));
    assert_eq!((second.device, second.agent == first.agent), (first.device, false));
    let after = w.engine.now();
    let changes = w.changes(device, before, after);
    assert_eq!(changes.len(), 1, "hardware is the same from both: {changes:?}");
    assert_eq!((changes[0].agent, changes[0].pairs.changed.len(), changes[0].exact), (second.agent, 1, true));
    // What the outranked agent tells later changes nothing that is seen.
    w.tell_in(w.org, Protocol::Ocs, "pc", machine(&["bash 4"]));
    assert!(w.changes(device, after, w.engine.now()).is_empty());
}

fn pages_of_changes_show_every_row_once_whatever_their_length(w: &World) {
    for n in 0..5 {
        w.tell("alpha", &[&format!("bash 5.{n}")]);
        w.tell("bravo", &[&format!("bash 5.{}", n / 2)]);
    }
    let ask = |rx: &mut Rx, cx: &Cx, page: &PageRequest| change_list(rx, cx, &ChangeFilter::default(), page);
    let all = all_pages(w, 1_000, "-at", ask);
    assert_eq!(all.len(), 2 + 2 + 4 + 2);
    assert!(all.windows(2).all(|pair| pair[0].at >= pair[1].at));
    for limit in 1..12 {
        assert_eq!(all_pages(w, limit, "-at", ask), all, "pages of {limit}");
    }
}

fn changes_are_narrowed_by_all_that_is_given(w: &World) {
    let alpha = w.tell("alpha", &["bash 5.1"]);
    w.tell("bravo", &["bash 5.1"]);
    let since = w.engine.now().plus(Duration::from_secs(1));
    w.tell("alpha", &["bash 5.2"]);
    w.tell("bravo", &["bash 5.1", "Zsh 5"]);
    let count = |stored: HistoryFilter, kinds: &[&str], q: Option<&str>| {
        let filter = ChangeFilter { stored, kinds: kinds.iter().map(|k| (*k).to_owned()).collect(), q: q.map(str::to_owned) };
        w.read(move |rx, cx| change_list(rx, cx, &filter, &PageRequest { descending: true, ..PageRequest::default() })).items.len()
    };
    let all = HistoryFilter::default;
    assert_eq!(count(all(), &[], None), 6);
    assert_eq!(count(all(), &["changed"], None), 2);
    assert_eq!(count(all(), &["changed", "first"], Some("ZSH")), 1);
    assert_eq!(count(all(), &[], Some(" alph ")), 3);
    assert_eq!(count(HistoryFilter { since: Some(since), ..all() }, &[], None), 2);
    assert_eq!(count(HistoryFilter { until: Some(since), ..all() }, &[], None), 4);
    assert_eq!(count(HistoryFilter { device: Some(alpha.device), sections: vec!["hardware".into()], ..all() }, &[], None), 1);
    assert_eq!(count(HistoryFilter { agent: Some(alpha.agent), sections: vec!["soft".into()], ..all() }, &[], None), 0);
}

fn who_has_a_program_is_told_once_each_whatever_the_page(w: &World) {
    for n in 0..9 {
        w.tell(&format!("pc{n}"), &[&format!("OpenSSL 3.0.{}", [9, 10, 11, 15][n % 4]), "other 1"]);
    }
    w.tell("pcx", &["openssl 3.0.2", "openssl 3.0.10"]);
    let wanted = Wanted { name: "openssl".into(), below: Some("3.0.15".into()), ..Wanted::default() };
    for sort in ["version", "-version"] {
        let wanted = wanted.clone();
        let ask = move |rx: &mut Rx, cx: &Cx, page: &PageRequest| holder_list(rx, cx, &wanted, page);
        let told = |all: Vec<(muster_core::software::ProgramEntry, muster_core::software::Holder)>| -> Vec<String> {
            all.into_iter().map(|(entry, holder)| format!("{} {}", entry.version, holder.name)).collect()
        };
        let all = told(all_pages(w, 100, sort, ask.clone()));
        let mut versions: Vec<&str> = all.iter().filter_map(|row| row.split(' ').next()).collect();
        if sort.starts_with('-') {
            versions.reverse();
        }
        assert_eq!(versions, ["3.0.2", "3.0.9", "3.0.9", "3.0.9", "3.0.10", "3.0.10", "3.0.10", "3.0.11", "3.0.11"]);
        for limit in 1..10 {
            assert_eq!(told(all_pages(w, limit, sort, ask.clone())), all, "pages of {limit} by {sort}");
        }
    }
    let versions = Wanted { name: "OPENSSL".into(), ..Wanted::default() };
    let ask = move |rx: &mut Rx, cx: &Cx, page: &PageRequest| version_list(rx, cx, &versions, page);
    let told: Vec<String> = all_pages(w, 2, "-version", ask).iter().map(|v| format!("{} {}", v.entry.version, v.devices)).collect();
    let mut ten = told[2..4].to_vec();
    ten.sort();
    assert_eq!(
        (&told[..2], ten.as_slice(), &told[4..]),
        (
            &["3.0.15 2".to_owned(), "3.0.11 2".to_owned()][..],
            &["3.0.10 1".to_owned(), "3.0.10 2".to_owned()][..],
            &["3.0.9 3".to_owned(), "3.0.2 1".to_owned()][..]
        )
    );
}

fn programs_are_counted_per_organization_and_what_is_gone_is_forgotten(w: &World) {
    let other = w.engine.write_now("org", &w.cx(w.org), |tx, cx| access::org_create(tx, cx, "elsewhere")).expect("another").id;
    let listed = |org: OrgId| {
        let page = PageRequest { sort: Some("name".into()), ..PageRequest::default() };
        let ask = move |rx: &mut Rx, cx: &Cx| Ok(program_list(rx, cx, &ProgramFilter::default(), &page)?.0);
        let page = w.engine.read_now(&w.cx(org), ask).expect("listed");
        page.items.into_iter().map(|p| format!("{} {} {} {}", p.name, p.versions, p.newest, p.devices)).collect::<Vec<_>>()
    };
    let alpha = w.tell("alpha", &["kernel 6.9", "kernel 6.10", "bash 5.2"]);
    w.tell("bravo", &["kernel 6.9"]);
    w.tell_in(other, Protocol::Fusioninventory, "charlie", json!({"softwares": softwares(&["bash 5.2", "secret 1"])}));
    assert_eq!(w.tally(), 1);
    assert_eq!(
        (listed(w.org), listed(other)),
        (vec!["bash 1 5.2 1".into(), "kernel 2 6.10 2".into()], vec!["bash 1 5.2 1".into(), "secret 1 1 1".into()])
    );
    w.engine.write_now("delete", &w.cx(w.org), move |tx, cx| fleet::device_delete(tx, cx, alpha.device)).expect("removed");
    w.clock.advance(HOUR);
    w.tally();
    assert_eq!(listed(w.org), ["kernel 1 6.9 1"]);
    let entry = Wanted { name: "bash".into(), ..Wanted::default() };
    let none = w.read(move |rx, cx| version_list(rx, cx, &entry, &PageRequest::default()));
    assert!(none.items.is_empty(), "the dictionary is shared, what it tells is not");
}

fn counting_rests_between_two_rounds(w: &World) {
    w.tell("alpha", &["bash 5.2"]);
    assert_eq!(w.tally(), 1);
    w.clock.advance(Duration::from_secs(14));
    assert!(w.read(count_piece).is_none());
    w.clock.advance(Duration::from_secs(1));
    assert_eq!(w.tally(), 1);
    w.clock.advance(Duration::from_secs(59));
    assert!(w.read(count_piece).is_none(), "nothing was new: a longer rest");
    w.clock.advance(Duration::from_secs(1));
    assert_eq!(w.tally(), 1);
}

fn what_appeared_counts_arrivals_and_knows_what_is_new(w: &World) {
    for host in ["alpha", "bravo"] {
        w.tell(host, &["bash 5.1", "tool 1"]);
    }
    w.tell("alpha", &["bash 5.1"]);
    w.tally();
    let since = w.engine.now().plus(Duration::from_secs(1));
    for host in ["alpha", "bravo"] {
        w.tell(host, &["bash 5.2", "game 1"]);
    }
    w.tell("charlie", &["first 1"]);
    w.tell("alpha", &["bash 5.2", "game 1", "tool 1", "late 1"]);
    w.tally();
    w.tell("bravo", &["bash 5.2", "game 2", "first 1"]);
    let until = w.engine.now().plus(HOUR);
    let ask = move |rx: &mut Rx, cx: &Cx, page: &PageRequest| Ok(appeared_list(rx, cx, since, until, None, page)?.page);
    for (sort, expected) in [
        ("name", vec!["bash 5.2 2 false", "first 1 1 true", "game 1 1 true", "game 2 1 true", "late 1 1 true", "tool 1 1 false"]),
        ("-last_at", vec!["first 1 1 true", "game 2 1 true", "late 1 1 true", "tool 1 1 false", "bash 5.2 2 false", "game 1 1 true"]),
    ] {
        for limit in [1, 2, 50] {
            let found = all_pages(w, limit, sort, ask);
            let mut told: Vec<String> =
                found.iter().map(|(a, new)| format!("{} {} {} {new}", a.entry.name, a.entry.version, a.devices)).collect();
            // What came at one instant is in the order of ids.
            if sort == "-last_at" {
                told[..2].sort();
                told[2..4].sort();
            } else {
                told[2..4].sort();
            }
            assert_eq!(told, expected, "{sort} in pages of {limit}");
        }
    }
    let found = w.read(move |rx, cx| appeared_list(rx, cx, since, until, Some("GAM"), &PageRequest::default()));
    assert_eq!((found.page.items.len(), found.since), (2, since));
    let none = w.read(move |rx, cx| appeared_list(rx, cx, until, until.plus(HOUR), None, &PageRequest::default()));
    assert!(none.page.items.is_empty());
}

/// Writes `n` entries of history of a device, a second apart, and as many programs that came at `since`.
fn write(w: &World, stored: &Stored, n: usize, programs: usize, since: Timestamp) {
    let (device, agent, org) = (stored.device, stored.agent, w.org);
    let done = w.engine.write_now("history", &w.cx(org), move |tx, cx| {
        let section = muster_core::fleet::SectionHistory {
            section: "bios".to_owned(),
            kind: "changed".to_owned(),
            change: Default::default(),
            added_count: 0,
            removed_count: 0,
        };
        let program = |i: usize| muster_store::Software::new(&format!("p{since}-{i}"), "1", "", "");
        let searched = muster_store::DeviceWrite {
            searched: None,
            software_added: (0..programs).map(program).collect(),
            software_is_news: true,
            software_removed: Vec::new(),
            software_count: None,
        };
        let mut write = muster_store::InventoryWrite {
            fence: tx.inventory_stand(device, agent)?.0,
            facts: Print::default(),
            readings_print: Print::default(),
            sections: Vec::new(),
            removed: Vec::new(),
            readings: None,
            device_write: (programs > 0).then_some(searched),
            history: if n > 0 { Some(muster_store::HistoryWrite::new(&[section])?) } else { None },
            findings: Vec::new(),
            shown: None,
        };
        let at = if programs > 0 { since } else { cx.now };
        for _ in 0..n.max(1) {
            assert!(tx.inventory_write(&muster_store::Whose { org, device, agent, at, history: cx.id() }, &write)?);
            write.device_write = None;
            write.fence += 1;
        }
        Ok(())
    });
    done.expect("written");
}

#[test]
fn a_page_looks_at_so_many_entries_and_a_comparison_goes_back_over_so_many() {
    let w = World::inline();
    let stored = w.tell("alpha", &["bash 5"]);
    let from = w.engine.now();
    w.clock.advance(HOUR);
    write(&w, &stored, 1_000, 0, from);
    let q = |q: &str, cursor: Option<String>| {
        let filter = ChangeFilter { q: Some(q.to_owned()), kinds: vec!["first".to_owned()], ..ChangeFilter::default() };
        let page = PageRequest::parse(None, Some("-at"), cursor.as_deref(), &["at"]).expect("a page");
        w.read(move |rx, cx| change_list(rx, cx, &filter, &page))
    };
    let first = q("alpha", None);
    assert!(first.items.is_empty() && first.next.is_some(), "a thousand were looked at, one more is left");
    assert_eq!(q("alpha", first.next).items.len(), 2);
    w.clock.advance(HOUR);
    write(&w, &stored, 9_000, 0, from);
    assert!(w.changes(stored.device, from, w.engine.now()).is_empty(), "10,000 entries are undone");
    w.clock.advance(HOUR);
    write(&w, &stored, 100, 0, from);
    let device = stored.device;
    let refused = w.engine.read_now(&w.cx(w.org), move |rx, cx| device_changes(rx, cx, device, from, cx.now, &[]));
    let error = refused.expect_err("too many");
    assert!(error.key == "history/too-long" && error.detail.contains("10000"), "{error:?}");
}

#[test]
fn very_many_arrivals_are_answered_from_the_end_of_the_period() {
    let w = World::inline();
    let stored = w.tell("alpha", &[]);
    let (early, late) = (NOW.plus(HOUR * 2), NOW.plus(HOUR * 3));
    write(&w, &stored, 0, 1, early);
    let look = || w.read(move |rx, cx| appeared_list(rx, cx, NOW, NOW.plus(HOUR * 9), None, &PageRequest::default()));
    write(&w, &stored, 0, 99_999, late);
    let all = look();
    assert_eq!((all.page.total, all.since), (Some(100_000), NOW));
    write(&w, &stored, 0, 1, late.plus(HOUR));
    let cut = look();
    assert_eq!((cut.page.total, cut.since), (Some(100_000), Timestamp(early.0 + 1)));
}
