//! Groups: names, versions, members, and what becomes of members that are merged, parted and removed.

use super::house::{HERE, NOW, THERE, all_pages, device, id, later, orgs, read, write};
use super::world::{World, on_all};
use crate::DeviceFilter;
use muster_core::groups::{Group, Membership};
use muster_core::ids::{DeviceId, GroupId, OrgId};
use muster_core::page::PageRequest;
use muster_core::query::Query;

on_all! {
    a_name_is_taken_once_in_an_organization_and_its_case_matters
    a_group_changes_only_at_the_version_that_was_read
    groups_are_paged_searched_and_counted
    groups_are_found_by_name_or_id
    members_come_and_go_once_and_only_those_of_the_organization
    a_removed_device_leaves_and_a_removed_group_leaves_its_devices
    devices_are_narrowed_by_group
    a_merged_device_lends_its_groups_until_it_stands_by_itself_again
    a_chain_of_merges_lends_and_gives_back_link_by_link
    who_is_taken_out_takes_along_what_is_part_of_it
    a_parted_device_is_in_the_groups_of_the_one_it_came_from
    tasks_that_name_groups_are_found
    nothing_of_groups_is_seen_from_another_organization
}

fn group(n: u128, name: &str) -> Group {
    Group {
        id: GroupId(id(n)),
        org: HERE,
        name: name.to_owned(),
        description: String::new(),
        members: Membership::Static,
        created: NOW,
        updated: NOW,
        version: 1,
    }
}

fn d(n: u128) -> DeviceId {
    DeviceId(id(n))
}

fn ids(all: &[u128]) -> Vec<DeviceId> {
    all.iter().map(|n| d(*n)).collect()
}

/// Devices 10 to 15 and the groups 80 'labs' and 81 'kiosks'.
fn furnish(w: &World) {
    orgs(w);
    write(w, |tx| {
        for n in 10..16 {
            device(tx, n, &format!("pc-{n}"))?;
        }
        tx.device_insert(d(20), THERE, "foreign", NOW)?;
        tx.group_insert(&group(80, "labs"))?;
        tx.group_insert(&group(81, "kiosks"))
    });
}

fn add(w: &World, group: u128, devices: &'static [u128]) -> usize {
    write(w, move |tx| tx.members_add(HERE, GroupId(id(group)), &ids(devices), later(5)))
}

fn remove(w: &World, group: u128, devices: &'static [u128]) -> usize {
    write(w, move |tx| tx.members_remove(HERE, GroupId(id(group)), &ids(devices), later(9)))
}

/// The members of a group; how many are counted must be the same.
fn members(w: &World, group: u128) -> Vec<u128> {
    let (there, count) = read(w, move |rx| {
        let count = rx.group(HERE, GroupId(id(group)))?.map(|(_, n)| n);
        Ok((rx.device_ids_in(HERE, &[GroupId(id(group))])?, count))
    });
    assert_eq!(count, i64::try_from(there.len()).ok(), "the count of group {group}");
    there.iter().map(|device| device.0.as_u128()).collect()
}

fn merge(w: &World, from: u128, into: Option<u128>) {
    write(w, move |tx| tx.device_merged(HERE, d(from), into.map(d)));
}

fn a_name_is_taken_once_in_an_organization_and_its_case_matters(w: &World) {
    orgs(w);
    let there = Group { org: THERE, ..group(84, "labs") };
    let made = write(w, move |tx| {
        Ok([
            tx.group_insert(&group(80, "labs"))?,
            tx.group_insert(&group(81, "labs"))?,
            tx.group_insert(&group(82, "Labs"))?,
            tx.group_insert(&there)?,
        ])
    });
    assert_eq!(made, [true, false, true, true]);
    assert_eq!(read(w, |rx| rx.group_named(HERE, "labs")), Some(group(80, "labs")));
    assert_eq!(read(w, |rx| rx.group(HERE, GroupId(id(82)))), Some((group(82, "Labs"), 0)));
    assert_eq!(read(w, |rx| rx.group_named(HERE, "LABS")), None);
}

fn a_group_changes_only_at_the_version_that_was_read(w: &World) {
    furnish(w);
    let next = Group { description: "ground floor".to_owned(), updated: later(1), version: 2, ..group(80, "laboratories") };
    let (saved, strange) = (next.clone(), Group { org: THERE, version: 3, ..next.clone() });
    let done = write(w, move |tx| Ok([tx.group_update(&saved)?, tx.group_update(&saved)?, tx.group_update(&strange)?]));
    assert_eq!(done, [true, false, false]);
    assert_eq!(read(w, |rx| rx.group(HERE, GroupId(id(80)))), Some((next, 0)));
    add(w, 80, &[10]);
    let (now, count) = read(w, |rx| rx.group(HERE, GroupId(id(80)))).expect("there");
    assert_eq!((now.version, now.updated, count), (2, later(5), 1), "members come and go without a version");
}

fn groups_are_paged_searched_and_counted(w: &World) {
    orgs(w);
    for n in 0..7_u64 {
        let one = Group {
            description: if n == 3 { "In the Cellar" } else { "" }.to_owned(),
            updated: later(n % 3),
            ..group(90 + u128::from(n), &format!("g{}", 7 - n))
        };
        write(w, move |tx| tx.group_insert(&one));
    }
    for (sort, limit) in [("name", 2), ("-name", 3), ("updated", 1), ("-updated", 4)] {
        let found = all_pages(w, limit, sort, |rx, p| rx.groups(HERE, None, p));
        let mut expected = found.clone();
        expected.sort_by_key(|(g, _)| if sort.ends_with("name") { (0, g.name.clone(), g.id) } else { (g.updated.0, String::new(), g.id) });
        expected.dedup_by_key(|(g, _)| g.id);
        if sort.starts_with('-') {
            expected.reverse();
        }
        assert_eq!((&found, found.len()), (&expected, 7), "{sort}");
    }
    let names =
        |q| read(w, move |rx| rx.groups(HERE, Some(q), &PageRequest::default())).items.into_iter().map(|(g, _)| g.name).collect::<Vec<_>>();
    assert_eq!((names("G7"), names("cellar"), names("%")), (vec!["g7".to_owned()], vec!["g4".to_owned()], vec![]));
}

fn groups_are_found_by_name_or_id(w: &World) {
    furnish(w);
    let words: Vec<String> = vec!["labs".to_owned(), id(81).to_string().to_uppercase(), "Labs".to_owned(), id(99).to_string()];
    let found = read(w, move |rx| rx.groups_named(HERE, &words));
    assert_eq!(found, [(GroupId(id(80)), "labs".to_owned()), (GroupId(id(81)), "kiosks".to_owned())]);
    let many: Vec<String> = (0..450).map(|n| format!("g{n}")).chain(["kiosks".to_owned()]).collect();
    assert_eq!(read(w, move |rx| rx.groups_named(HERE, &many)).len(), 1);
}

fn members_come_and_go_once_and_only_those_of_the_organization(w: &World) {
    furnish(w);
    assert_eq!(add(w, 80, &[12, 10, 20, 99]), 2, "a device of another organization is none, nor one that is not there");
    assert_eq!((add(w, 80, &[10, 11, 10]), add(w, 80, &[10])), (1, 0));
    add(w, 81, &[12]);
    assert_eq!((members(w, 80), members(w, 81)), (vec![10, 11, 12], vec![12]));
    assert_eq!(read(w, |rx| rx.groups_of(d(12))), [(GroupId(id(81)), "kiosks".to_owned()), (GroupId(id(80)), "labs".to_owned())]);
    assert_eq!((remove(w, 80, &[12, 13]), remove(w, 80, &[12])), (1, 0));
    assert_eq!((members(w, 80), members(w, 81)), (vec![10, 11], vec![12]));
    assert_eq!(read(w, |rx| rx.device_ids_in(HERE, &[GroupId(id(80)), GroupId(id(81))])), ids(&[10, 11, 12]));
    assert_eq!(read(w, |rx| rx.device_ids_in(HERE, &[])), []);
}

fn a_removed_device_leaves_and_a_removed_group_leaves_its_devices(w: &World) {
    furnish(w);
    add(w, 80, &[10, 11]);
    assert!(write(w, |tx| tx.device_delete(HERE, d(10))));
    assert_eq!(members(w, 80), [11]);
    assert_eq!(write(w, |tx| Ok([tx.group_delete(THERE, GroupId(id(80)))?, tx.group_delete(HERE, GroupId(id(80)))?])), [false, true]);
    assert_eq!(read(w, |rx| Ok((rx.group(HERE, GroupId(id(80)))?, rx.groups_of(d(11))?))), (None, vec![]));
    assert!(read(w, |rx| rx.device(HERE, d(11))).is_some());
    assert!(write(w, |tx| tx.group_insert(&group(82, "labs"))), "its name is free again");
}

fn devices_are_narrowed_by_group(w: &World) {
    furnish(w);
    add(w, 80, &[10, 11, 12]);
    add(w, 81, &[12, 13]);
    let (labs, kiosks) = (GroupId(id(80)), GroupId(id(81)));
    let filter = DeviceFilter::default;
    for (filter, expected) in [
        (DeviceFilter { groups: Some(vec![labs]), ..filter() }, vec![10, 11, 12]),
        (DeviceFilter { groups: Some(vec![labs, kiosks]), ..filter() }, vec![10, 11, 12, 13]),
        (DeviceFilter { groups: Some(vec![]), ..filter() }, vec![]),
        (DeviceFilter { groups: Some(vec![labs]), outside: Some(kiosks), ..filter() }, vec![10, 11]),
        (DeviceFilter { outside: Some(labs), query: Query::parse("name != 'pc-14'").ok(), ..filter() }, vec![13, 15]),
    ] {
        let (same, piece) = (filter.clone(), filter.clone());
        let found: Vec<u128> =
            all_pages(w, 2, "name", move |rx, p| rx.devices(HERE, &filter, p)).iter().map(|v| v.id.0.as_u128()).collect();
        assert_eq!(found, expected);
        let all = read(w, move |rx| Ok((rx.devices_count(HERE, &same)?, rx.device_ids_where(HERE, &same, 100)?)));
        assert_eq!(all, (i64::try_from(expected.len()).unwrap(), ids(&expected)));
        assert_eq!(read(w, move |rx| rx.device_ids_where(HERE, &piece, 1)).len(), expected.len().min(1));
    }
}

fn a_merged_device_lends_its_groups_until_it_stands_by_itself_again(w: &World) {
    furnish(w);
    add(w, 80, &[10, 12]);
    add(w, 81, &[11]);
    merge(w, 10, Some(11));
    assert_eq!((members(w, 80), members(w, 81)), (vec![11, 12], vec![11]));
    merge(w, 12, Some(11));
    assert_eq!(members(w, 80), [11]);
    merge(w, 10, None);
    assert_eq!(members(w, 80), [10, 11], "the other one that lends it is still part of it");
    merge(w, 12, None);
    assert_eq!((members(w, 80), members(w, 81)), (vec![10, 12], vec![11]));
    // Who was named meanwhile stays.
    merge(w, 10, Some(11));
    assert_eq!(add(w, 80, &[11]), 0);
    merge(w, 10, None);
    assert_eq!(members(w, 80), [10, 11, 12]);
}

fn a_chain_of_merges_lends_and_gives_back_link_by_link(w: &World) {
    furnish(w);
    add(w, 80, &[10]);
    merge(w, 10, Some(11));
    merge(w, 11, Some(12));
    assert_eq!(members(w, 80), [12]);
    merge(w, 11, None);
    assert_eq!(members(w, 80), [11]);
    merge(w, 10, None);
    assert_eq!(members(w, 80), [10]);
}

fn who_is_taken_out_takes_along_what_is_part_of_it(w: &World) {
    furnish(w);
    add(w, 80, &[10, 13]);
    add(w, 81, &[10]);
    merge(w, 10, Some(11));
    merge(w, 11, Some(12));
    merge(w, 13, Some(14));
    assert_eq!((members(w, 80), remove(w, 80, &[12])), (vec![12, 14], 1));
    assert_eq!(remove(w, 80, &[10]), 0, "a hidden member is not there for people");
    merge(w, 11, None);
    merge(w, 10, None);
    merge(w, 13, None);
    assert_eq!((members(w, 80), members(w, 81)), (vec![13], vec![10]));
}

fn a_parted_device_is_in_the_groups_of_the_one_it_came_from(w: &World) {
    furnish(w);
    add(w, 80, &[10]);
    add(w, 81, &[11]);
    merge(w, 11, Some(10));
    write(w, |tx| tx.groups_copy(HERE, d(10), d(15)));
    assert_eq!((members(w, 80), members(w, 81)), (vec![10, 15], vec![10, 15]));
    write(w, |tx| tx.groups_copy(HERE, d(10), d(20)));
    assert_eq!(members(w, 80), [10, 15], "nothing crosses an organization");
}

fn tasks_that_name_groups_are_found(w: &World) {
    furnish(w);
    for (n, groups, out) in [(50, vec!["labs"], vec![]), (51, vec![], vec!["kiosks"]), (52, vec![], vec![]), (53, vec!["x"], vec![])] {
        let mut task = super::house::task(n, &format!("task {n}"));
        task.doc.targets.groups = groups.into_iter().map(str::to_owned).collect();
        task.doc.targets.exclude.groups = out.into_iter().map(str::to_owned).collect();
        write(w, move |tx| tx.task_insert(&task));
    }
    write(w, |tx| tx.task_delete(HERE, muster_core::ids::TaskId(id(53)), later(1)));
    let found = read(w, |rx| rx.tasks_with_groups(HERE));
    assert_eq!(found.iter().map(|t| t.doc.name.as_str()).collect::<Vec<_>>(), ["task 50", "task 51"]);
}

fn nothing_of_groups_is_seen_from_another_organization(w: &World) {
    furnish(w);
    add(w, 80, &[10]);
    let labs = GroupId(id(80));
    let seen = |org: OrgId| {
        read(w, move |rx| {
            let words = ["labs".to_owned(), id(80).to_string()];
            let list = rx.groups(org, None, &PageRequest::default())?.items.len();
            Ok((list, rx.group(org, labs)?.is_some(), rx.groups_named(org, &words)?.len(), rx.device_ids_in(org, &[labs])?.len()))
        })
    };
    assert_eq!((seen(HERE), seen(THERE)), ((2, true, 1, 1), (0, false, 0, 0)));
    let stolen = write(w, move |tx| tx.members_add(THERE, labs, &ids(&[11]), later(1)));
    assert_eq!((stolen, members(w, 80)), (0, vec![10]));
}
