//! The step that cleans up: documents, crashes and programs that nothing needs any more.

use crate::reports::does;
use crate::world::{World, on_all};
use muster_core::access::Caller;
use muster_core::fleet::{CrashKind, KeptDocument};
use muster_core::ids::{CrashId, OrgId};
use muster_core::limits::LEFTOVERS_MAX;
use muster_core::page::PageRequest;
use muster_core::software::Program;
use muster_core::tasks::State;
use muster_core::time::Timestamp;
use muster_engine::{CrashFilter, access, crashes};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

on_all! {
    a_step_cleans_up_what_it_names_and_is_old_enough
    a_step_leaves_other_organizations_alone
    a_step_removes_so_much_and_says_that_there_is_more
}

const HOUR: Duration = Duration::from_secs(3_600);

/// A document and a crash come from the agent of a machine, and programs are no machine's any more.
fn litter(w: &World, n: u8, programs: &[&str]) {
    let own = w.own(n);
    let told = crashes::Told {
        id: CrashId(Uuid::from_u128(w.engine.now().0.unsigned_abs().into())),
        kind: CrashKind::Panic,
        at: Timestamp(0),
        version: "0.1".to_owned(),
        message: "index out of bounds".to_owned(),
        place: None,
        log: String::new(),
    };
    w.write(move |tx, cx| crashes::arrived(tx, cx, own.agent, std::slice::from_ref(&told)));
    w.write(move |tx, cx| {
        let (kind, document) = ("netdiscovery".to_owned(), b"<REQUEST/>".to_vec());
        let (org, agent, device) = (cx.org, own.agent, own.device);
        Ok(tx.document_keep(&KeptDocument { id: cx.id(), org, agent, device, kind, at: cx.now, document })?)
    });
    gone(w, w.cx.org, &programs.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
}

fn gone(w: &World, org: OrgId, names: &[String]) {
    for some in names.chunks(1_000).chain([&[][..]]) {
        let program = |name: &String| {
            let (name, publisher, newest) = (name.clone(), String::new(), "1".to_owned());
            Program { org, name, publisher, versions: 1, newest, devices: 1, first: w.engine.now(), print: 1 }
        };
        let counted: Vec<Program> = some.iter().map(program).collect();
        w.write(move |tx, cx| Ok(tx.programs_counted(&counted, "", None, cx.now)?));
    }
}

fn cleans(w: &World, name: &str, parameters: Value) -> String {
    let mut action = json!({"type": "clean_files"});
    action.as_object_mut().expect("an object").extend(parameters.as_object().expect("an object").clone());
    let (state, message, _) = does(w, name, action);
    assert_eq!(state, State::Ok, "{message}");
    message
}

fn a_step_cleans_up_what_it_names_and_is_old_enough(w: &World) {
    litter(w, 1, &["vim"]);
    w.clock.advance(HOUR);
    litter(w, 2, &["emacs", "ed"]);
    w.clock.advance(HOUR);
    let all = "0 documents, 0 reports of crashes and 0 programs are removed";
    assert_eq!(cleans(w, "1", json!({"older_than": "2h"})), all, "what is exactly as old stays");
    w.clock.advance(Duration::from_millis(1));
    assert_eq!(cleans(w, "2", json!({"older_than": "2h"})), "1 documents, 1 reports of crashes and 1 programs are removed");
    assert_eq!(cleans(w, "3", json!({"older_than": "2h"})), all, "they are gone");
    assert_eq!(cleans(w, "4", json!({"what": ["crashes"]})), "1 reports of crashes are removed");
    let list = w.engine.read_now(&w.cx, |rx, cx| crashes::crash_list(rx, cx, &CrashFilter::default(), &PageRequest::default()));
    assert_eq!(list.expect("a page").items.len(), 0);
    assert_eq!(cleans(w, "5", json!({"what": ["programs", "crashes"]})), "0 reports of crashes and 2 programs are removed");
    assert_eq!(cleans(w, "6", json!({})), "1 documents, 0 reports of crashes and 0 programs are removed");
    assert_eq!(cleans(w, "7", json!({})), all);
}

fn a_step_leaves_other_organizations_alone(w: &World) {
    let elsewhere = w.engine.cx(Caller::SYSTEM, "test", OrgId(Uuid::nil()), "test");
    let other = w.engine.write_now("org", &elsewhere, |tx, cx| access::org_create(tx, cx, "other")).expect("an organization").id;
    gone(w, other, &["vim".to_owned()]);
    assert_eq!(cleans(w, "here", json!({"what": ["programs"]})), "0 programs are removed");
    assert_eq!(w.write(|tx, _| Ok(tx.programs_known("", None)?)).len(), 1);
}

fn a_step_removes_so_much_and_says_that_there_is_more(w: &World) {
    let names = |count: u64| (0..count).map(|n| format!("program {n:05}")).collect::<Vec<_>>();
    gone(w, w.cx.org, &names(LEFTOVERS_MAX + 1));
    let most = format!("{LEFTOVERS_MAX} programs are removed");
    assert_eq!(cleans(w, "most", json!({"what": ["programs"]})), format!("{most}, and there are more"));
    assert_eq!(cleans(w, "rest", json!({"what": ["programs"]})), "1 programs are removed");
    gone(w, w.cx.org, &names(LEFTOVERS_MAX));
    assert_eq!(cleans(w, "exactly", json!({"what": ["programs"]})), most);
}
