//! How SQLite goes about the statements that run all the time: through an index, never through a whole table.

use super::house::{HERE, NOW, device, id, later, orgs, read, run, step, task, write};
use super::world::{World, options};
use crate::lite::ASKED;
use crate::{AssignmentFilter, DeviceFilter, Fault, HistoryFilter, NewAssignment, ProgramFilter, Rx};
use muster_core::fleet::{Evidence, EvidenceKind, Protocol};
use muster_core::ids::{AgentId, AssignmentId, DeviceId, GroupId, RunId};
use muster_core::page::{Cursor, PageRequest, SortValue};
use muster_core::tasks::doc::Leftover;

fn world() -> World {
    let w = World::inline(&options());
    orgs(&w);
    write(&w, |tx| {
        device(tx, 10, "pc")?;
        let task = task(50, "t");
        tx.task_insert(&task)?;
        tx.run_insert(&run(60, &task, 1), &[step(60, 0)], &[DeviceId(id(10))])?;
        let new =
            NewAssignment { id: AssignmentId(id(70)), device: DeviceId(id(10)), from: NOW, not_after: None, round: 1, replaces: None };
        tx.assignments_insert(HERE, RunId(id(60)), 0, 5, NOW, &[new])
    });
    w
}

/// The plans of all statements of a read, a line per step, with their texts.
fn plans(w: &World, f: impl FnOnce(&mut Rx) -> Result<(), Fault> + Send + 'static) -> Vec<String> {
    read(w, move |rx| {
        ASKED.take();
        f(rx)?;
        let mut lines = Vec::new();
        for (sql, p) in ASKED.take() {
            for row in rx.rows_dyn(&format!("EXPLAIN QUERY PLAN {sql}"), &p)? {
                lines.push(row.text(3)?.to_owned());
            }
        }
        assert!(!lines.is_empty(), "an inline store reads on the thread of its caller");
        Ok(lines)
    })
}

/// Whether a step goes through a whole table or index; subqueries and constants are small.
fn whole(line: &str) -> bool {
    let table = line.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
    table.is_some_and(|table| !table.ends_with('_') && table != "x" && table != "CONSTANT" && !table.starts_with('('))
}

fn indexed(what: &str, f: impl FnOnce(&mut Rx) -> Result<(), Fault> + Send + 'static) -> Vec<String> {
    let plans = plans(&world(), f);
    assert!(!plans.iter().any(|line| whole(line)), "{what}: {plans:#?}");
    plans
}

fn after(value: SortValue) -> PageRequest {
    PageRequest { cursor: Some(Cursor { sort: String::new(), value, id: id(70) }), ..PageRequest::default() }
}

#[test]
fn a_whole_table_is_noticed() {
    let plans = plans(&world(), |rx| rx.rows("SELECT 1 FROM assignment WHERE exit_code = 7", &[]).map(|_| ()));
    assert!(plans.iter().any(|line| whole(line)), "{plans:#?}");
}

#[test]
fn what_an_agent_does_goes_through_an_index() {
    let open = indexed("open_of", |rx| rx.open_of(DeviceId(id(10)), NOW, None, 32).map(|_| ()));
    assert!(open.iter().any(|line| line.contains("a_open")) && !open.iter().any(|line| line.contains("TEMP B-TREE")), "{open:#?}");
    indexed("push_waits", |rx| rx.push_waits(DeviceId(id(10))).map(|_| ()));
    indexed("agent", |rx| rx.agent(AgentId(id(1010))).map(|_| ()));
    indexed("agents_of", |rx| rx.agents_of(DeviceId(id(10))).map(|_| ()));
    indexed("agents_of_all", |rx| rx.agents_of_all(&[DeviceId(id(10)), DeviceId(id(11))]).map(|_| ()));
    indexed("agents_foreign", |rx| rx.agents_foreign(HERE, "Host-1010", &[Protocol::Glpi]).map(|_| ()));
    indexed("agents_glpi", |rx| rx.agents_glpi(HERE, "x").map(|_| ()));
    indexed("evidence_by", |rx| rx.evidence_by(AgentId(id(1010))).map(|_| ()));
    indexed("candidates", |rx| rx.candidates(HERE, &crate::CandidateFilter::default(), &PageRequest::default()).map(|_| ()));
    indexed("candidates_of", |rx| rx.candidates_of(DeviceId(id(10))).map(|_| ()));
    indexed("identity_log", |rx| rx.identity_log(HERE, DeviceId(id(10)), 100).map(|_| ()));
    indexed("merged_into", |rx| rx.merged_into(HERE, DeviceId(id(10))).map(|_| ()));
    indexed("documents", |rx| rx.documents(AgentId(id(1010)), "netdiscovery").map(|_| ()));
    indexed("documents_count", |rx| rx.documents_count(AgentId(id(1010))).map(|_| ()));
    indexed("agent_credential_named", |rx| rx.agent_credential_named("paris").map(|_| ()));
    indexed("agent_with_key", |rx| rx.agent_with_key(b"key").map(|_| ()));
    indexed("strangers_from", |rx| rx.strangers_from("10.0.0.1", NOW).map(|_| ()));
    indexed("evidence_of", |rx| rx.evidence_of(DeviceId(id(10))).map(|_| ()));
    let mac = Evidence { kind: EvidenceKind::Mac, value: "m".to_owned() };
    indexed("devices_with_evidence", move |rx| rx.devices_with_evidence(HERE, &[mac]).map(|_| ()));
    indexed("sections", |rx| rx.sections(&[AgentId(id(1010))]).map(|_| ()));
}

#[test]
fn what_is_cleaned_up_goes_through_an_index() {
    for (kind, index) in
        [(Leftover::Documents, "kept_document_org"), (Leftover::Crashes, "agent_crash_org"), (Leftover::Programs, "program_devices")]
    {
        let found = indexed(kind.as_str(), move |rx| rx.has_leftovers(HERE, kind, NOW).map(|_| ()));
        assert!(found.iter().any(|line| line.contains(index)), "{found:#?}");
    }
}

#[test]
fn what_the_workers_do_goes_through_an_index() {
    let lapsed = indexed("lapsed", |rx| rx.timed_out(NOW, 100).map(|_| ()));
    assert!(lapsed.iter().any(|line| line.contains("a_timer")) && !lapsed.iter().any(|line| line.contains("TEMP B-TREE")), "{lapsed:#?}");
    indexed("wakes_due", |rx| rx.wakes_due(NOW, 100).map(|_| ()));
    indexed("snapshot_part", |rx| rx.snapshot_part(RunId(id(60)), 0).map(|_| ()));
    let filter = AssignmentFilter { open: true, not_asked: true, run: Some(RunId(id(60))), ..AssignmentFilter::default() };
    indexed("assignment_ids", move |rx| rx.assignment_ids(HERE, &filter, 100).map(|_| ()));
    // The index of open runs holds nothing else, and there are few.
    let runs = plans(&world(), |rx| rx.runs_at_work(NOW, 10).map(|_| ()));
    assert!(runs.iter().any(|line| line.contains("USING INDEX run_open")), "{runs:#?}");
}

#[test]
fn what_people_look_at_goes_through_an_index() {
    for page in [PageRequest::default(), after(SortValue::Number(5))] {
        let queue = AssignmentFilter { open: true, ..AssignmentFilter::default() };
        let page = PageRequest { sort: Some("priority".to_owned()), ..page };
        let lines = indexed("queue", move |rx| rx.assignments(HERE, &queue, &page).map(|_| ()));
        assert!(lines.iter().any(|line| line.contains("a_queue")), "{lines:#?}");
    }
    let of_text = AssignmentFilter { open: true, q: Some("pc".to_owned()), ..AssignmentFilter::default() };
    let page = PageRequest { sort: Some("priority".to_owned()), ..PageRequest::default() };
    let lines = plans(&world(), move |rx| rx.assignments(HERE, &of_text, &page).map(|_| ()));
    assert!(lines.iter().any(|line| line.contains("a_open")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("a_queue")), "{lines:#?}");
    for page in [PageRequest::default(), after(SortValue::Number(0))] {
        let of_run = AssignmentFilter { run: Some(RunId(id(60))), ..AssignmentFilter::default() };
        indexed("run's assignments", move |rx| rx.assignments(HERE, &of_run, &page).map(|_| ()));
    }
    indexed("device's assignments", |rx| {
        let of_device = AssignmentFilter { device: Some(DeviceId(id(10))), ..AssignmentFilter::default() };
        rx.assignments(HERE, &of_device, &PageRequest::default()).map(|_| ())
    });
    for page in [PageRequest::default(), after(SortValue::Text("pc".to_owned()))] {
        let lines = indexed("devices by name", move |rx| rx.devices(HERE, &DeviceFilter::default(), &page).map(|_| ()));
        assert!(lines.iter().any(|line| line.contains("device_name")), "{lines:#?}");
    }
    for sort in ["name", "updated"] {
        let value = if sort == "name" { SortValue::Text("labs".to_owned()) } else { SortValue::Number(5) };
        let page = PageRequest { sort: Some(sort.to_owned()), ..after(value) };
        let lines = indexed("groups", move |rx| rx.groups(HERE, None, &page).map(|_| ()));
        assert!(lines.iter().any(|line| line.contains(&format!("device_group_{sort}"))), "{lines:#?}");
    }
    indexed("groups_named", |rx| rx.groups_named(HERE, &["labs".to_owned(), id(80).to_string()]).map(|_| ()));
    indexed("groups_of", |rx| rx.groups_of(DeviceId(id(10))).map(|_| ()));
    indexed("device_ids_in", |rx| rx.device_ids_in(HERE, &[GroupId(id(80))]).map(|_| ()));
    indexed("run_counts", |rx| rx.run_counts(RunId(id(60))).map(|_| ()));
    indexed("run_events", |rx| rx.run_events(RunId(id(60)), Some(9), 50).map(|_| ()));
    indexed("assignment_events", |rx| rx.assignment_events(AssignmentId(id(70))).map(|_| ()));
    indexed("events_by_hour", |rx| rx.events_by_hour(HERE, later(0)).map(|_| ()));
    indexed("open_counts", |rx| rx.open_counts(HERE).map(|_| ()));
    indexed("device_ids", |rx| rx.device_ids(HERE, None, &["pc".to_owned(), id(10).to_string()], false).map(|_| ()));
    indexed("history", |rx| rx.history(DeviceId(id(10)), None, &PageRequest::default()).map(|_| ()));
}

#[test]
fn what_is_asked_across_the_fleet_goes_through_an_index() {
    let org = |lines: Vec<String>| lines.into_iter().filter(|line| !line.starts_with("SCAN org")).collect::<Vec<_>>();
    let through = |what: &str, f: fn(&mut Rx) -> Result<(), Fault>| {
        let lines = org(plans(&world(), f));
        assert!(!lines.iter().any(|line| whole(line)), "{what}: {lines:#?}");
        lines
    };
    let changes = through("changes", |rx| rx.history_older(HERE, &HistoryFilter::default(), Some(id(9)), 50).map(|_| ()));
    assert!(changes.iter().any(|l| l.contains("history_org")) && !changes.iter().any(|l| l.contains("TEMP B-TREE")), "{changes:#?}");
    let device = through("a device's changes", |rx| {
        let filter = HistoryFilter { device: Some(DeviceId(id(10))), since: Some(NOW), ..HistoryFilter::default() };
        rx.history_older(HERE, &filter, None, 50).map(|_| ())
    });
    assert!(device.iter().any(|l| l.contains("history_device")) && !device.iter().any(|l| l.contains("TEMP B-TREE")), "{device:#?}");
    let entries = through("entries of a name", |rx| rx.program_entries("Bash").map(|_| ()));
    assert!(entries.iter().any(|l| l.contains("software_folded")), "{entries:#?}");
    through("entry_counts", |rx| rx.entry_counts(HERE, &[1, 2]).map(|_| ()));
    let one = through("holders of one entry", |rx| rx.entry_holders(HERE, &[1], Some(DeviceId(id(10))), 50).map(|_| ()));
    assert!(one.iter().any(|l| l.contains("software=?") && l.contains("device>?")), "{one:#?}");
    let appeared = through("appeared", |rx| rx.programs_appeared(HERE, NOW, later(9), None).map(|_| ()));
    assert!(appeared.iter().any(|l| l.contains("device_software_since")), "{appeared:#?}");
    through("first seen", |rx| rx.program_first_seen(HERE, "bash").map(|_| ()));
    through("known", |rx| rx.programs_known("a", Some("b")).map(|_| ()));
    through("first arrival", |rx| rx.first_arrival(HERE, &[1]).map(|_| ()));
    through("names", |rx| rx.program_names("a", 32).map(|_| ()));
    through("held", |rx| rx.entries_held("a", "b").map(|_| ()));
    for sort in ["name", "devices"] {
        let value = if sort == "name" { SortValue::Text("b".to_owned()) } else { SortValue::Number(5) };
        let page = PageRequest { sort: Some(sort.to_owned()), ..after(value) };
        let lines = org(plans(&world(), move |rx| rx.programs(HERE, &ProgramFilter::default(), &page).map(|_| ())));
        assert!(!lines.iter().any(|line| whole(line)), "{sort}: {lines:#?}");
    }
}
