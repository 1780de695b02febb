use super::*;
use muster_core::ids::{AgentId, AssignmentId};
use muster_wire::native::ReportState;
use muster_wire::order::{Proof, Step, Target};
use serde_json::json;
use std::fs;

const NOW: Timestamp = Timestamp(1_795_000_000_000);

fn attempt(n: u8, attempt: u32) -> AttemptRef {
    AttemptRef { assignment: format!("00000000-0000-7000-8000-0000000000{n:02x}").parse().expect("id"), attempt }
}

fn order(n: u8, number: u32) -> (Order, Opened) {
    let agent: AgentId = "00000000-0000-7000-8000-000000000001".parse().expect("id");
    let target = Target { agent, incarnation: 1, not_before_ms: None, not_after_ms: None };
    let attempt = attempt(n, number);
    let order = Order {
        manifest: format!("{n}"),
        manifest_signature: String::new(),
        target,
        proof: Proof::default(),
        token: format!("{number}"),
        token_signature: String::new(),
    };
    let step = Step {
        step: 0,
        id: "a".to_owned(),
        action: json!({"type": "inventory"}),
        timeout_seconds: 60,
        idempotent: false,
        stops: false,
        slice: None,
    };
    let run = "00000000-0000-7000-8000-000000000002".parse().expect("id");
    let opened =
        Opened { run, task_name: "t".to_owned(), attempt, step, target, lease_until_ms: NOW.millis() + 60_000, job: None, recurs: None };
    (order, opened)
}

fn open(attempt: AttemptRef, order: Order, boot: Option<String>) -> OpenOrder {
    OpenOrder { attempt, work: Work { order, piece: None }, boot }
}

fn report(attempt: AttemptRef, output: Option<String>) -> Report {
    Report {
        assignment: attempt.assignment,
        attempt: attempt.attempt,
        incarnation: 1,
        state: ReportState::Ok,
        exit_code: Some(0),
        output,
        message: None,
        occasion: None,
        refused: None,
        at_ms: NOW.millis(),
    }
}

struct Place {
    dir: tempfile::TempDir,
    data: DataDir,
}

fn place() -> Place {
    let dir = tempfile::tempdir().expect("a directory");
    let data = DataDir::look(dir.path());
    Place { dir, data }
}

impl Place {
    fn open(&self) -> Journal {
        Journal::open(&self.data, NOW).expect("opened")
    }

    fn take(&self, journal: &mut Journal, n: u8, number: u32) -> Taken {
        let (order, opened) = order(n, number);
        journal.take(&order, &opened).expect("written")
    }
}

#[test]
fn an_attempt_goes_from_taken_to_told_and_comes_back_after_each_restart() {
    let place = place();
    let it = attempt(7, 1);
    let mut journal = place.open();
    assert_eq!(place.take(&mut journal, 7, 1), Taken::New);
    let mut journal = place.open();
    assert_eq!(journal.open_orders(), [open(it, order(7, 1).0, None)]);
    assert!(journal.begin(it, "boot-1").expect("written"));
    let mut journal = place.open();
    assert_eq!(journal.open_orders(), [open(it, order(7, 1).0, Some("boot-1".to_owned()))]);
    assert!(!journal.begin(it, "boot-2").expect("read"), "what was begun is not begun again");
    journal.end(report(it, Some("out".to_owned())), None).expect("written");
    let mut journal = place.open();
    assert_eq!(journal.untold().cloned().collect::<Vec<_>>(), [report(it, Some("out".to_owned()))]);
    assert!(journal.open_orders().is_empty() && !journal.begin(it, "boot-2").expect("read"));
    journal.told(&[it], &place.data).expect("written");
    let journal = place.open();
    assert_eq!((journal.untold().count(), journal.stage(it)), (0, Some(&Stage::Told)));
}

#[test]
fn an_order_that_came_before_is_known_or_replayed() {
    let place = place();
    let mut journal = place.open();
    assert_eq!(place.take(&mut journal, 7, 2), Taken::New);
    assert_eq!(place.take(&mut journal, 7, 2), Taken::Known);
    assert_eq!(place.take(&mut journal, 7, 1), Taken::Replayed, "an older attempt");
    journal.end(report(attempt(7, 2), None), None).expect("written");
    assert_eq!(place.take(&mut journal, 7, 2), Taken::Known, "its verdict waits to be told");
    journal.told(&[attempt(7, 2)], &place.data).expect("written");
    assert_eq!(place.take(&mut journal, 7, 2), Taken::Replayed);
    assert_eq!(place.take(&mut journal, 7, 3), Taken::New);
    assert_eq!(place.take(&mut journal, 8, 1), Taken::New);
}

#[test]
fn wherever_a_write_is_cut_what_was_written_before_stands() {
    let place = place();
    let path = place.dir.path().join(JOURNAL);
    let mut journal = place.open();
    let mut stands = vec![(0, None)];
    let mut mark = |journal: &Journal| stands.push((fs::metadata(&path).expect("there").len(), journal.stage(attempt(7, 1)).cloned()));
    place.take(&mut journal, 7, 1);
    mark(&journal);
    journal.begin(attempt(7, 1), "boot").expect("written");
    mark(&journal);
    journal.end(report(attempt(7, 1), Some("a\nb".to_owned())), None).expect("written");
    mark(&journal);
    let whole = fs::read(&path).expect("there");
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).expect("written");
        let stage = place.open().stage(attempt(7, 1)).cloned();
        let expected = &stands.iter().rfind(|(bytes, _)| *bytes <= cut as u64).expect("the beginning").1;
        assert_eq!(&stage, expected, "cut at {cut}");
    }
}

#[test]
fn a_line_in_the_middle_that_is_not_the_agents_is_an_error_that_names_it() {
    let place = place();
    let mut journal = place.open();
    place.take(&mut journal, 7, 1);
    let path = place.dir.path().join(JOURNAL);
    let mut text = fs::read(&path).expect("there");
    text.extend(b"nonsense\n");
    fs::write(&path, &text).expect("written");
    let error = Journal::open(&place.data, NOW).expect_err("damaged").to_string();
    assert!(error.contains("line 2") && error.contains("journal"), "{error}");
}

#[test]
fn outputs_beyond_the_bound_go_oldest_first_and_verdicts_stay() {
    let place = place();
    let mut journal = place.open();
    for n in 0..5 {
        place.take(&mut journal, n, 1);
        journal.end(report(attempt(n, 1), Some("x".repeat(OUTPUTS_MAX / 4))), None).expect("written");
    }
    let journal = place.open();
    let outputs: Vec<bool> = journal.untold().map(|r| r.output.is_some()).collect();
    assert_eq!(outputs, [false, true, true, true, true]);
    let first = journal.untold().next().expect("the verdict");
    assert!(first.message.as_deref().is_some_and(|m| m.contains("dropped")) && first.state == ReportState::Ok);
}

#[test]
fn the_file_does_not_grow_with_what_is_over_and_old_attempts_are_forgotten() {
    let place = place();
    let mut journal = place.open();
    for number in 1..400 {
        place.take(&mut journal, 7, number);
        journal.end(report(attempt(7, number), Some("x".repeat(10_000))), None).expect("written");
        journal.told(&[attempt(7, number)], &place.data).expect("written");
    }
    assert!(fs::metadata(place.dir.path().join(JOURNAL)).expect("there").len() <= 2 << 20);
    let later = NOW.plus(REMEMBERED + Duration::from_secs(61));
    assert!(Journal::open(&place.data, later).expect("opened").entries.is_empty());
}

#[test]
fn a_new_life_begins_with_an_empty_journal() {
    let place = place();
    let mut journal = place.open();
    place.take(&mut journal, 7, 1);
    journal.forget_all(&place.data).expect("written");
    assert!(place.open().open_orders().is_empty());
    let unknown: AssignmentId = attempt(9, 1).assignment;
    assert_eq!(journal.stage(AttemptRef { assignment: unknown, attempt: 1 }), None);
}

#[test]
fn what_follows_in_a_job_is_written_with_the_end_before_it_and_can_be_left_unbegun() {
    use muster_core::tasks::job::Trail;
    use muster_core::tasks::job::led::Standing;
    let place = place();
    let standing = Standing { conditions: Vec::new(), place: 1, round: 1, trail: Trail::default() };
    let piece = Piece { assignment: attempt(8, 1).assignment, attempt: 1, from: NOW, standing, occasion: None };
    let follows = || {
        let next = Next { after: Some(attempt(7, 1)), piece: piece.clone() };
        OpenOrder { attempt: attempt(8, 1), work: Work { order: order(7, 1).0, piece: Some(next) }, boot: None }
    };
    let mut journal = place.open();
    place.take(&mut journal, 7, 1);
    assert!(journal.end(report(attempt(7, 1), None), Some(piece.clone())).expect("written"));
    assert!(!journal.end(report(attempt(7, 1), None), Some(piece.clone())).expect("read"), "an end is written once");
    assert_eq!(journal.open_orders(), [follows()]);
    let mut journal = place.open();
    assert_eq!((journal.open_orders(), journal.untold().count()), (vec![follows()], 1), "after a restart too");
    assert_eq!(place.take(&mut journal, 8, 1), Taken::Known, "the server's order for it is the same");
    assert!(journal.leave(attempt(8, 1)).expect("written"));
    let mut journal = place.open();
    assert_eq!(journal.open_orders(), []);
    assert_eq!(place.take(&mut journal, 8, 1), Taken::New, "what was left can be handed out");
    assert!(journal.begin(attempt(8, 1), "boot").expect("written"));
    assert!(!journal.leave(attempt(8, 1)).expect("read"), "what was begun is not left");
}
