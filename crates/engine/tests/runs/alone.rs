//! Jobs that an agent walks alone: what it comes to is what the server would have led it to.

use crate::world::{Own, World, on_all, script, with};
use muster_core::ids::RunId;
use muster_core::tasks::job::led::{Course, Follows, Piece, Told};
use muster_core::tasks::{Outcome, Refused, RunState, State, Walk};
use muster_engine::contact::{self, Handed, OwnContact};
use muster_engine::runs::Start;
use muster_engine::work::{Report, Said, Taken};
use muster_engine::{brake, runs, work};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

on_all! {
    a_job_walked_alone_comes_to_what_the_server_leads_to
    an_agent_without_a_connection_goes_on_and_tells_later
    what_was_done_before_the_pause_was_known_counts_and_is_not_done_again
    what_was_begun_in_its_time_is_not_late_when_it_is_told_later
    who_is_silent_for_too_long_leads_no_more
    what_an_agent_lost_of_its_job_is_led_by_the_server
}

/// An agent that walks a job alone.
struct Walker {
    own: Own,
    course: Course,
    piece: Piece,
}

impl Walker {
    /// Takes the one job that waits.
    fn take(w: &World, own: Own) -> Self {
        let mut handed = take(w, own);
        assert_eq!(handed.len(), 1, "one job waits for it");
        let Handed { claimed, job, .. } = handed.remove(0);
        let (course, standing) = *job.expect("the rest of the job comes with it");
        let piece = Piece { assignment: claimed.assignment, attempt: claimed.attempt, from: claimed.not_before, standing, occasion: None };
        Self { own, course, piece }
    }

    fn step(&self) -> String {
        self.course.plan.parts[self.piece.standing.place].id.clone()
    }

    /// Ends the piece and goes on to the next; gives the report of it, and whether there is a next one.
    fn ends(&mut self, w: &World, (outcome, code, output): (Outcome, i64, &str)) -> (Report, bool) {
        let now = w.engine.now();
        let report = Report {
            assignment: self.piece.assignment,
            attempt: self.piece.attempt,
            incarnation: self.own.incarnation,
            what: Said::Ended(outcome),
            exit_code: Some(code),
            output: Some(output.to_owned()),
            message: None,
            occasion: None,
            at: Some(now),
        };
        let told = Told { outcome, exit_code: Some(code), output: Some(output) };
        let next = self.course.follow(&self.piece, &told, None, now);
        let goes_on = matches!(next, Follows::Piece(_));
        if let Follows::Piece(next) = next {
            self.piece = *next;
        }
        (report, goes_on)
    }
}

fn take(w: &World, own: Own) -> Vec<Handed> {
    let modules: Vec<String> = ["inventory", "run_script"].map(str::to_owned).to_vec();
    let ask = OwnContact { agent: own.agent, modules, max: 8, walks: true };
    let mut all = w.write(move |tx, cx| contact::own_contacts(tx, cx, &[&ask]));
    all.remove(0).expect("an answer").claimed
}

fn tell(w: &World, own: Own, report: &Report) -> Taken {
    let report = report.clone();
    let taken = w.write(move |tx, cx| contact::own_report(tx, cx, own.agent, std::slice::from_ref(&report)));
    w.work();
    taken
}

fn good(taken: &Taken) -> bool {
    assert_eq!(taken.answers, [Ok(())]);
    !taken.goes_on.is_empty()
}

/// A small generator: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn any_steps(dice: &mut Dice) -> Value {
    let count = 2 + dice.below(4);
    let mut steps: Vec<Value> = Vec::new();
    let mut helpers = Vec::new();
    for n in 0..count {
        let mut step = with(script(&format!("s{n}")), "outputs", json!({"word": "regex(word ([a-z]+))", "code": "exit_code"}));
        if n > 0 {
            let asked = dice.below(n);
            match dice.below(6) {
                0 => step["when"] = json!(format!("steps.s{asked}.exit_code == {}", dice.below(3))),
                1 => step["when"] = json!(format!("steps.s{asked}.outputs.word == 'b' || device.name.startsWith('pc')")),
                2 => step["when"] = json!(format!("steps.s{asked}.state == 'ok' && !(device.os == 'none')")),
                3 => step["action"]["arguments"] = json!([format!("{{{{steps.s{asked}.word}}}} {{{{run.number}}}}")]),
                _ => {}
            }
        }
        match dice.below(5) {
            0 => step["on_error"] = json!("continue"),
            1 => step["on_error"] = json!("fail"),
            2 => {
                step["on_error"] = json!({"run": format!("h{n}"), "then": "retry", "max": 1 + dice.below(2)});
                helpers.push(script(&format!("h{n}")));
            }
            _ => {}
        }
        if dice.below(3) == 0 {
            step["idempotent"] = json!(true);
            step["retry"] = json!({"attempts": 2, "backoff": "30s", "on": ["error"]});
        }
        steps.push(step);
    }
    steps.extend(helpers);
    json!(steps)
}

/// How a step ends the n-th time it is done.
fn told_of(seed: u64, step: &str, n: usize) -> (Outcome, i64, &'static str) {
    let mut dice = Dice(seed ^ step.bytes().fold(n as u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte))));
    dice.below(7);
    match dice.below(5) {
        0 | 1 => (Outcome::Error, 1 + i64::try_from(dice.below(2)).expect("small"), "word b"),
        2 => (Outcome::Ok, 0, "word b"),
        _ => (Outcome::Ok, 0, "word a"),
    }
}

fn count(done: &mut BTreeMap<String, usize>, step: &str) -> usize {
    let n = done.entry(step.to_owned()).or_default();
    *n += 1;
    *n - 1
}

/// The same walk led by the server: what was done, and what it came to.
fn led(w: &World, own: Own, run: RunId, seed: u64) -> (Vec<String>, Walk) {
    let (mut path, mut done) = (Vec::new(), BTreeMap::new());
    while w.walk(run, own.device).state.is_open() {
        assert!(path.len() < 200, "the walk does not end");
        let mut taken = w.take(own);
        if taken.is_empty() {
            w.clock.advance(Duration::from_secs(31));
            continue;
        }
        let (it, action) = taken.remove(0);
        let step = it.of.step_name.clone();
        let (outcome, code, output) = told_of(seed, &step, count(&mut done, &step));
        w.tell(own, &it, outcome, code, output);
        path.push(format!("{step} {}", action["arguments"]));
    }
    (path, w.walk(run, own.device))
}

fn a_job_walked_alone_comes_to_what_the_server_leads_to(w: &World) {
    let (led_one, alone_one) = (w.own(1), w.own(2));
    for seed in 0..25 {
        let steps = any_steps(&mut Dice(seed));
        let task = w.task(json!({"name": format!("job {seed}"), "targets": {"all": true}, "steps": steps, "retry": {"attempts": 1}}));
        let run = w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
        w.work();
        let mut it = Walker::take(w, alone_one);
        let (mut path, mut done) = (Vec::new(), BTreeMap::new());
        loop {
            let step = it.step();
            let action = it.course.action(&it.piece.standing).expect("an action");
            path.push(format!("{step} {}", action["arguments"]));
            let (report, goes_on) = it.ends(w, told_of(seed, &step, count(&mut done, &step)));
            assert_eq!(good(&tell(w, alone_one, &report)), goes_on, "seed {seed}: both know whether it goes on");
            if !goes_on {
                break;
            }
            assert!(take(w, alone_one).is_empty(), "seed {seed}: what it goes on with is handed to nobody");
            w.clock.set(w.engine.now().max(it.piece.from));
        }
        let mine = w.walk(run, alone_one.device);
        let (other_path, other) = led(w, led_one, run, seed);
        assert_eq!((path, mine.state, mine.trail), (other_path, other.state, other.trail), "seed {seed}: {steps:#}");
        assert_eq!(w.run(run).run.state, RunState::Finished, "seed {seed}");
    }
}

fn an_agent_without_a_connection_goes_on_and_tells_later(w: &World) {
    let own = w.own(1);
    let run = w.start("client_job", json!([script("a"), script("b"), script("c")]));
    let mut it = Walker::take(w, own);
    let mut reports = Vec::new();
    for _ in 0..3 {
        w.clock.advance(Duration::from_secs(1_800));
        reports.push(it.ends(w, (Outcome::Ok, 0, "")).0);
        w.work();
    }
    assert_eq!(w.walk(run, own.device).state, State::Running, "an hour and a half of silence is borne");
    assert_eq!(tell(w, own, &reports[1]).answers, [Err(Refused::Stale)], "its first step comes first");
    let taken = w.write(move |tx, cx| contact::own_report(tx, cx, own.agent, &reports));
    assert_eq!((taken.answers.as_slice(), taken.goes_on.len()), ([Ok(()); 3].as_slice(), 0), "all at once, and the job is over");
    let walk = w.walk(run, own.device);
    assert_eq!((walk.state, w.run(run).run.handed_late), (State::Ok, 0));
}

fn what_was_done_before_the_pause_was_known_counts_and_is_not_done_again(w: &World) {
    let own = w.own(1);
    let run = w.start("client_job", json!([script("a"), script("b"), script("c")]));
    let mut it = Walker::take(w, own);
    let (a, b) = (it.ends(w, (Outcome::Ok, 0, "")).0, it.ends(w, (Outcome::Ok, 0, "")).0);
    w.write(move |tx, cx| brake::run_pause(tx, cx, run));
    assert!(!good(&tell(w, own, &a)), "the server leads while the run is held");
    assert!(!good(&tell(w, own, &b)), "and takes what was done before");
    assert!(take(w, own).is_empty(), "nothing is handed out while the run is held");
    w.write(move |tx, cx| brake::run_resume(tx, cx, run));
    assert_eq!(Walker::take(w, own).step(), "c");
    assert_eq!(w.steps(run), ["a: ok 1", "b: ok 1", "c: started 1"]);
}

fn what_was_begun_in_its_time_is_not_late_when_it_is_told_later(w: &World) {
    let own = w.own(1);
    let end = w.engine.now().plus(Duration::from_secs(3_600)).to_string();
    let steps = json!([script("a"), script("b"), script("c"), script("d")]);
    let task =
        w.task(json!({"name": "night", "targets": {"all": true}, "window": {"not_after": end}, "steps": steps, "retry": {"attempts": 1}}));
    let run = w.write(move |tx, cx| runs::run_start(tx, cx, task, &Start::default())).run.id;
    w.work();
    let mut it = Walker::take(w, own);
    let reports: Vec<Report> = (0..3).map(|_| it.ends(w, (Outcome::Ok, 0, "")).0).collect();
    w.clock.advance(Duration::from_secs(3_700));
    w.work();
    assert!(good(&tell(w, own, &reports[0])), "the agent leads still");
    w.write(move |tx, cx| brake::run_pause(tx, cx, run));
    let rest = reports[1..].to_vec();
    let taken = w.write(move |tx, cx| contact::own_report(tx, cx, own.agent, &rest));
    assert_eq!((taken.answers, taken.goes_on.len()), (vec![Ok(()), Ok(())], 0), "now the server leads, and believes what was done");
    w.work();
    assert_eq!(w.steps(run), ["a: ok 1", "b: ok 1", "c: ok 1", "d: expired 1"]);
    assert_eq!(w.run(run).run.handed_late, 0, "each began in its time");
}

fn who_is_silent_for_too_long_leads_no_more(w: &World) {
    let own = w.own(1);
    let run = w.start("client_job", json!([script("a"), script("b")]));
    let mut it = Walker::take(w, own);
    w.clock.advance(Duration::from_secs(7_201));
    w.work();
    assert_eq!(w.walk(run, own.device).state, State::Unknown);
    let a = it.ends(w, (Outcome::Error, 1, "")).0;
    assert!(!good(&tell(w, own, &a)));
    assert_eq!(w.walk(run, own.device).state, State::Error, "its late result settles the target");
}

fn what_an_agent_lost_of_its_job_is_led_by_the_server(w: &World) {
    let own = w.own(1);
    let run = w.start("client_job", json!([script("a"), script("b")]));
    let mut it = Walker::take(w, own);
    let a = it.ends(w, (Outcome::Ok, 0, "")).0;
    assert!(good(&tell(w, own, &a)));
    let given_back = w.write(move |tx, cx| {
        let agent = tx.agent(own.agent)?.expect("known");
        work::resume(tx, cx, &agent, &[], None)
    });
    assert_eq!(given_back, 1, "it says that it has nothing");
    assert_eq!(Walker::take(w, own).step(), "b", "and gets it again");
    assert_eq!(w.steps(run), ["a: ok 1", "b: started 1"]);
}
