//! Walks: as people write them, and over random jobs.

use super::*;
use crate::tasks::doc::TaskDoc;
use proptest::prelude::*;
use serde_json::json;

fn doc(mode: &str, steps: Value) -> TaskDoc {
    TaskDoc::parse(&json!({"name": "t", "mode": mode, "steps": steps})).unwrap_or_else(|e| panic!("{e:?}"))
}

fn script(id: &str, more: Value) -> Value {
    let mut step = json!({"id": id, "action": {"type": "run_script", "script": "true"}});
    step.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    step
}

/// Walks with the results that `told` gives to each step done, in order; gives what was done and the end.
fn walk(doc: &TaskDoc, mut told: impl FnMut(&str, usize) -> (State, Option<i64>)) -> (Vec<String>, State, Vec<usize>) {
    let plan = Plan::of(doc);
    let (job, mut trail, mut done, mut skipped) = (Job::of(&plan), Trail::default(), Vec::new(), Vec::new());
    let mut it = job.begin(&mut trail, None);
    loop {
        skipped.extend(it.skipped.clone());
        let place = match it.next {
            Next::Do(place) => place,
            Next::End(state) => return (done, state, skipped),
        };
        let id = doc.steps[place].id.clone();
        let (state, exit_code) = told(&id, done.iter().filter(|d| **d == id).count());
        done.push(id.clone());
        assert!(done.len() < 5_000, "the walk does not end");
        trail.results.insert(id, StepResult { exit_code, ..StepResult::new(state) });
        it = job.follow(&mut trail, place, state == State::Error, None);
    }
}

#[test]
fn steps_follow_each_other_and_an_error_ends_the_walk() {
    let it = doc("client_job", json!([script("a", json!({})), script("b", json!({})), script("c", json!({}))]));
    assert_eq!(walk(&it, |_, _| (State::Ok, Some(0))), (vec!["a".into(), "b".into(), "c".into()], State::Ok, vec![]));
    let at_b = |id: &str, _| (if id == "b" { State::Error } else { State::Ok }, None);
    assert_eq!(walk(&it, at_b), (vec!["a".into(), "b".into()], State::Error, vec![2]));
    assert_eq!(walk(&it, |_, _| (State::Expired, None)), (vec!["a".into()], State::Expired, vec![1, 2]));
}

#[test]
fn what_asks_how_a_step_ended_takes_its_errors_on_itself() {
    let off = script("off", json!({"when": "steps.busy.exit_code == 0"}));
    let it = doc("client_job", json!([script("busy", json!({})), off]));
    assert_eq!(walk(&it, |_, _| (State::Ok, Some(0))).0, ["busy", "off"]);
    assert_eq!(walk(&it, |_, _| (State::Error, Some(3))), (vec!["busy".into()], State::Ok, vec![1]));
    let told = doc("client_job", json!([script("a", json!({"on_error": "fail"})), script("b", json!({"when": "steps.a.state == 'ok'"}))]));
    assert_eq!(walk(&told, |_, _| (State::Error, None)).1, State::Error);
}

#[test]
fn what_fails_is_helped_and_tried_again_and_not_for_ever() {
    let install = script("install", json!({"on_error": {"run": "fix", "then": "retry", "max": 2}}));
    let it = doc("client_job", json!([install, script("fix", json!({})), script("check", json!({}))]));
    let once = |id: &str, n: usize| (if id == "install" && n == 0 { State::Error } else { State::Ok }, None);
    assert_eq!(walk(&it, once), (["install", "fix", "install", "check"].map(str::to_owned).to_vec(), State::Ok, vec![]));
    let never = |id: &str, _| (if id == "install" { State::Error } else { State::Ok }, None);
    let (done, end, skipped) = walk(&it, never);
    assert_eq!((done.len(), end, skipped), (5, State::Error, vec![2]));
    // What needs no help is not helped.
    assert_eq!(walk(&it, |_, _| (State::Ok, None)), (vec!["install".into(), "check".into()], State::Ok, vec![1]));
    let no_help = |id: &str, _| (if id == "check" { State::Ok } else { State::Error }, None);
    assert_eq!(walk(&it, no_help), (vec!["install".into(), "fix".into()], State::Error, vec![2]));
}

#[test]
fn a_server_job_leaves_out_who_failed_and_has_one_branch() {
    let mail = json!({"id": "mail", "action": {"type": "raise_message", "title": "bad"}, "when": "steps.a.counts.error > 1"});
    let it = doc("server_job", json!([script("a", json!({})), mail]));
    let plan = Plan::of(&it);
    let job = Job::of(&plan);
    let gathered = |ok, error| {
        let mut counts = Counts::default();
        counts.add(State::Ok, ok);
        counts.add(State::Error, error);
        let (result, failing) = job.gathered(0, &counts);
        let mut trail = Trail { results: [("a".to_owned(), result)].into(), ..Trail::default() };
        job.follow(&mut trail, 0, failing, None).next
    };
    assert_eq!(gathered(5, 2), Next::Do(1));
    assert_eq!(gathered(5, 1), Next::End(State::Ok));
    assert_eq!(gathered(0, 1), Next::End(State::Ok), "the condition took it on itself");
    assert!(!job.drops(0, State::Error) && job.drops(0, State::Expired) && !job.drops(0, State::Ok));
}

#[test]
fn what_a_job_cannot_be_is_refused_with_advice() {
    let faults = |mode: &str, steps: Value| {
        let all = TaskDoc::parse(&json!({"name": "t", "mode": mode, "steps": steps})).expect_err("faults");
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let message = json!({"id": "tell", "action": {"type": "raise_message", "title": "x"}});
    for (told, part) in [
        (faults("server_job", json!([script("a", json!({}))])), "/mode: every step of this server job is done by machines"),
        (faults("client_job", json!([script("a", json!({})), message])), "/steps/1/action: a client job has steps of machines only"),
        (faults("client_job", json!([script("a", json!({})), script("a", json!({}))])), "/steps/1/id: there is a step 'a' already"),
        (faults("client_job", json!([script("a", json!({"when": "steps.b.state == 'ok'"}))])), "no step 'b' before"),
        (faults("client_job", json!([script("a", json!({"when": "steps.a.exit_code"}))])), "/steps/0/when"),
        (faults("client_job", json!([script("a", json!({"on_error": {"run": "z"}}))])), "there is no step 'z'"),
        (faults("client_job", json!([script("a", json!({"on_error": {"run": "a"}}))])), "cannot be run to help itself"),
        (faults("client_job", json!([script("a", json!({"on_error": "stop"}))])), "it is fail, continue, or"),
        (faults("client_job", json!([script("a", json!({"outputs": {"x": "xpath(a)"}}))])), "/steps/0/outputs/x"),
        (faults("client_job", json!([script("a", json!({"barrier": {"quorum": "90%"}}))])), "only steps of machines in a server job"),
        (faults("server_job", json!([message, script("a", json!({"barrier": {"quorum": "0%"}}))])), "is no share of the targets"),
        (
            faults("server_job", json!([message, script("a", json!({"when": "device.os.family == 'linux'"}))])),
            "all targets take the same branch",
        ),
        (faults("client_job", json!([script("a", json!({})), script("b", json!({"when": "steps.a.outputs.x == 1"}))])), "captures no 'x'"),
    ] {
        assert!(told.contains(part), "missing {part} in {told}");
    }
}

#[test]
fn a_job_is_written_as_it_was_read() {
    let it = doc(
        "server_job",
        json!([
            script("a", json!({"outputs": {"v": "regex(v(.*))"}, "barrier": {"quorum": "90%", "deadline": "2h", "stragglers": "keep"},
                "on_error": {"run": "fix", "then": "retry", "max": 2}})),
            script("fix", json!({})),
            {"id": "tell", "action": {"type": "raise_message", "title": "x"}, "when": "steps.a.counts.error > 0", "on_error": "continue"}
        ]),
    );
    let again = TaskDoc::parse(&serde_json::to_value(&it).expect("json")).expect("round trip");
    assert_eq!(again, it);
    let stored: TaskDoc = serde_json::from_value(serde_json::to_value(&it).expect("json")).expect("as stored");
    assert_eq!(stored, it);
}

proptest! {
    /// Whatever happens, a walk ends, every step is done or skipped and never both, and none goes backwards but by its jump.
    #[test]
    fn every_walk_ends_and_leaves_no_step_out(
        kinds in prop::collection::vec(0..5u8, 1..8),
        told in prop::collection::vec((0..6u8, 0..4i64), 400),
    ) {
        let last = kinds.len();
        let steps: Vec<Value> = kinds.iter().enumerate().map(|(i, kind)| {
            let before = i.checked_sub(1).map(|n| format!("s{n}"));
            script(&format!("s{i}"), match (kind, before) {
                (1, Some(b)) => json!({"when": format!("steps.{b}.exit_code == 1")}),
                (2, Some(b)) => json!({"when": format!("steps.{b}.state != 'ok' || steps.{b}.exit_code > 1")}),
                (3, _) => json!({"on_error": "continue"}),
                (4, _) => json!({"on_error": {"run": "help", "then": "retry", "max": 3}}),
                _ => json!({}),
            })
        }).chain([script("help", json!({}))]).collect();
        let it = doc("client_job", json!(steps));
        let mut told = told.into_iter().cycle();
        let states = [State::Ok, State::Ok, State::Error, State::Unknown, State::Expired, State::Error];
        let (done, _, skipped) = walk(&it, |_, _| {
            let (state, code) = told.next().expect("a cycle");
            (states[usize::from(state)], Some(code))
        });
        for (place, step) in it.steps.iter().enumerate() {
            prop_assert_eq!(done.contains(&step.id), !skipped.contains(&place), "{} of {:?}, skipped {:?}", step.id, done, skipped);
        }
        let forward: Vec<&String> = done.iter().filter(|id| *id != "help").collect();
        prop_assert!(forward.windows(2).all(|w| w[0] <= w[1]), "{:?}", done);
        prop_assert!(done.len() <= (last) * 7 + 1);
    }
}
