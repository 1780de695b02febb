//! Pools: addresses in slices, each to one agent at a time.

use crate::world::{Own, World, on_all};
use muster_core::ids::{DeviceId, RunId};
use muster_core::page::PageRequest;
use muster_core::tasks::pool::Range;
use muster_core::tasks::{AssignmentRow, Outcome, Reason, RunState, State, Verdict};
use muster_core::time::Clock as _;
use muster_engine::fleet::{AgentPatch, agent_update};
use muster_engine::runs::Start;
use muster_engine::work::{Claimed, Report, Said};
use muster_engine::{AssignmentFilter, contact, groups, pool, runs, tasks};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

on_all! {
    ten_agents_share_the_addresses_though_one_dies_and_one_is_slow
    each_has_one_slice_at_a_time_and_no_more_than_may_are_at_work
    an_agent_has_its_own_networks_first_and_helps_elsewhere_then
    only_those_that_are_selected_take_slices
    what_failed_goes_to_another_agent_first
    a_run_is_cancelled_and_what_failed_is_done_again
    why_a_slice_waits_is_told
    a_start_is_guarded_by_its_addresses
    nothing_of_a_pool_is_begun_for_who_may_not
}

fn task(actors: Value, ranges: Value, more: Value) -> Value {
    let mut doc = json!({
        "name": "who answers", "targets": {"ip_ranges": ranges}, "actors": actors,
        "steps": [{"id": "check", "action": {"type": "check_addresses", "ports": [22]}}],
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        doc[key] = value.clone();
    }
    doc
}

impl World {
    fn pool_start(&self, doc: Value) -> RunId {
        let task = self.task(doc);
        let preview = self.engine.read_now(&self.cx, move |rx, cx| tasks::task_preview(rx, cx, task)).expect("a preview");
        let start = Start { plan: Some(preview.plan), ..Start::default() };
        let run = self.write(move |tx, cx| runs::run_start(tx, cx, task, &start)).run.id;
        self.work();
        run
    }

    fn members(&self, count: u8) -> Vec<Own> {
        let all: Vec<Own> = (1..=count).map(|n| self.own(n)).collect();
        all.iter().for_each(|own| self.hears(*own, None));
        all
    }

    fn hears(&self, own: Own, address: Option<&str>) {
        let address = address.map(str::to_owned);
        let agent = self.engine.read_now(&self.cx, move |rx, _| contact::own(rx, own.agent)).expect("an agent");
        let heard = contact::own_presence(&agent, self.clock.now(), Duration::from_secs(60), address, None);
        self.write(move |tx, _| Ok(tx.heard(std::slice::from_ref(&heard))?));
    }

    fn slice(&self, own: Own) -> Option<(Claimed, Range)> {
        let mut taken = self.take(own);
        assert!(taken.len() < 2, "one at a time");
        taken.pop().map(|(it, _)| {
            let range = it.slice.expect("its addresses");
            (it, range)
        })
    }

    fn rows(&self, run: RunId) -> Vec<(AssignmentRow, Option<Reason>)> {
        let filter = AssignmentFilter { run: Some(run), ..AssignmentFilter::default() };
        let page = PageRequest { limit: 1_000, ..PageRequest::default() };
        self.engine.read_now(&self.cx, move |rx, cx| runs::assignment_list(rx, cx, &filter, &page)).expect("assignments").items
    }

    fn whys(&self, run: RunId) -> Vec<String> {
        let mut all: Vec<String> = self.rows(run).into_iter().filter_map(|(_, reason)| Some(reason?.reason.key)).collect();
        all.sort();
        all.dedup();
        all
    }

    fn shares(&self, run: RunId) -> BTreeMap<DeviceId, i64> {
        let view = self.engine.read_now(&self.cx, move |rx, cx| pool::run_pool(rx, cx, run)).expect("a pool");
        view.shares.into_iter().filter_map(|(share, device)| Some((device?.id, share.done.1))).collect()
    }
}

/// FusionInventory's pool, alive: ten agents, a tenth each; one dies with a slice in its hands, one is slow. Every slice is done exactly
/// once, and what the slow one keeps back is the one slice that it has.
fn ten_agents_share_the_addresses_though_one_dies_and_one_is_slow(w: &World) {
    let agents = w.members(10);
    let run = w.pool_start(task(json!({"pool": {"module": "check_addresses"}}), json!(["10.0.0.0/20"]), json!({})));
    let it = w.run(run).run;
    assert_eq!((it.addresses, it.is_pooled(), it.state), (Some(4_096), true, RunState::Waiting));
    let (dead, slow, others) = (agents[0], agents[1], &agents[2..]);
    let (_, lost) = w.slice(dead).expect("a slice");
    let (kept, of_slow) = w.slice(slow).expect("a slice");
    let mut done: Vec<Range> = Vec::new();
    // All as fast: whoever has the least behind it when its slice is done ends next, and takes another.
    let mut behind = vec![0_u64; others.len()];
    let mut work = |done: &mut Vec<Range>| {
        let mut hands: Vec<Option<(Claimed, Range)>> = others.iter().map(|own| w.slice(*own)).collect();
        let ends = |hands: &[Option<(Claimed, Range)>], behind: &[u64]| {
            let busy = (0..hands.len()).filter_map(|n| Some((behind[n] + hands[n].as_ref()?.1.count(), n)));
            busy.min().map(|(_, n)| n)
        };
        while let Some(n) = ends(&hands, &behind) {
            let (it, range) = hands[n].take().expect("busy");
            w.tell(others[n], &it, Outcome::Ok, 0, "");
            behind[n] += range.count();
            done.push(range);
            hands[n] = w.slice(others[n]);
        }
    };
    work(&mut done);
    let open = w.rows(run).iter().filter(|(row, _)| row.record.state.status.state().is_open()).count();
    assert_eq!(open, 2, "all but what the two have is done");
    // The dead one is heard no more; the slow one says now and then that it goes on.
    let going = Report {
        assignment: kept.assignment,
        attempt: kept.attempt,
        incarnation: slow.incarnation,
        what: Said::Running,
        exit_code: None,
        output: None,
        message: None,
        occasion: None,
        at: None,
    };
    w.clock.advance(Duration::from_secs(45));
    let told = w.write(move |tx, cx| contact::own_report(tx, cx, slow.agent, std::slice::from_ref(&going)));
    assert_eq!(told.answers, [Ok(())]);
    w.clock.advance(Duration::from_secs(45));
    w.work();
    work(&mut done);
    assert!(done.contains(&lost), "the slice of the dead one went to another");
    w.tell(slow, &kept, Outcome::Ok, 0, "");
    done.push(of_slow);
    let it = w.run(run).run;
    assert_eq!((it.state, it.verdict), (RunState::Finished, Some(Verdict::Ok)));
    let mut all: Vec<_> = done.iter().flat_map(Range::addresses).collect();
    all.sort_unstable();
    let wanted: Vec<_> = "10.0.0.0/20".parse::<Range>().expect("a range").addresses().collect();
    assert_eq!(all, wanted, "every address once");
    let (shares, largest) = (w.shares(run), done.iter().map(Range::count).max().unwrap_or(0));
    let equal = (4_096 - i64::try_from(of_slow.count()).expect("few")) / 8;
    for own in others {
        let share = shares[&own.device];
        assert!((share - equal).unsigned_abs() <= largest, "{share} of about {equal}");
    }
}

fn each_has_one_slice_at_a_time_and_no_more_than_may_are_at_work(w: &World) {
    let agents = w.members(4);
    let run = w.pool_start(task(json!({"pool": {"max": 2}}), json!(["10.0.0.0/24"]), json!({})));
    let first = w.slice(agents[0]).expect("a slice");
    assert!(w.slice(agents[0]).is_none(), "it has one");
    let _second = w.slice(agents[1]).expect("a slice");
    assert!(w.slice(agents[2]).is_none(), "two are at work");
    assert!(w.whys(run).contains(&"pool_full".to_owned()), "{:?}", w.whys(run));
    w.tell(agents[0], &first.0, Outcome::Ok, 0, "");
    assert!(w.slice(agents[3]).is_some(), "there is room for whoever comes");
    assert!(w.slice(agents[0]).is_none());
    // Several that ask at once do not take one slice together, nor more than may.
    let run = w.pool_start(task(json!({"pool": {"max": 3}}), json!(["10.1.0.0/24"]), json!({"name": "another"})));
    let asks: Vec<contact::OwnContact> = agents
        .iter()
        .map(|own| contact::OwnContact { agent: own.agent, modules: vec!["check_addresses".to_owned()], max: 8, walks: false })
        .collect();
    let all = w.write(move |tx, cx| contact::own_contacts(tx, cx, &asks.iter().collect::<Vec<_>>()));
    let mut slices: Vec<String> = Vec::new();
    for tidings in all {
        let tidings = tidings.expect("an answer");
        slices.extend(tidings.claimed.iter().filter(|it| it.claimed.run == run).filter_map(|it| it.claimed.slice).map(|s| s.to_string()));
    }
    slices.sort();
    let count = slices.len();
    slices.dedup();
    assert_eq!((count, slices.len()), (3, 3), "{slices:?}");
}

fn an_agent_has_its_own_networks_first_and_helps_elsewhere_then(w: &World) {
    let (near, far) = (w.own(1), w.own(2));
    w.hears(near, Some("10.0.2.9"));
    w.hears(far, Some("192.0.2.9"));
    let run = w.pool_start(task(json!({"pool": {}}), json!(["10.0.1.0/26", "10.0.2.0/26"]), json!({})));
    let is_near = |range: Range| range.meets(&"10.0.2.0/24".parse().expect("a range"));
    let mut taken = Vec::new();
    while let Some((it, range)) = w.slice(near) {
        taken.push(is_near(range));
        if taken.len() == 1 {
            let (other, range) = w.slice(far).expect("a slice");
            assert!(!is_near(range), "whoever is far leaves to others what they are near");
            w.tell(far, &other, Outcome::Ok, 0, "");
        }
        w.tell(near, &it, Outcome::Ok, 0, "");
    }
    assert!(taken.is_sorted_by(|a, b| a >= b) && taken[0] && taken.last() == Some(&false), "{taken:?}");
    assert_eq!(w.run(run).run.state, RunState::Finished);
}

fn only_those_that_are_selected_take_slices(w: &World) {
    let (inside, outside) = (w.own(1), w.own(2));
    w.hears(inside, Some("10.7.0.9"));
    w.hears(outside, Some("10.8.0.9"));
    w.write(move |tx, cx| {
        let group = groups::group_create(tx, cx, "branches", "", None)?.group.id;
        let change = groups::change_named(tx, cx, group, &[inside.device.to_string()], &[])?;
        groups::piece(tx, cx, group, &change, true).map(drop)
    });
    for (n, actors) in [
        json!({"pool": {"selector": {"groups": ["branches"]}}}),
        json!({"pool": {"selector": {"subnets": ["10.7.0.0/16"]}}}),
        json!({"agents": [inside.agent]}),
    ]
    .into_iter()
    .enumerate()
    {
        w.pool_start(task(actors, json!(["10.0.0.0/29"]), json!({"name": format!("task {n}")})));
        assert!(w.slice(outside).is_none(), "task {n}");
        let looked = w.engine.read_now(&w.cx, move |rx, cx| {
            let agent = contact::own(rx, outside.agent)?;
            pool::waits(rx, &agent, cx.now)
        });
        let again = if n == 0 { Some(w.clock.now().plus(Duration::from_secs(300))) } else { None };
        assert_eq!(looked.expect("looked"), (false, again), "who may be put into a group looks again: task {n}");
        let (it, _) = w.slice(inside).expect("a slice");
        w.tell(inside, &it, Outcome::Ok, 0, "");
    }
    let missing = |actors: Value| {
        let doc = task(actors, json!(["10.0.0.0/29"]), json!({"name": "missing"}));
        let task = w.task(doc);
        let refused = w.engine.write_now("test", &w.cx, move |tx, cx| runs::run_start(tx, cx, task, &Start::default()));
        w.write(move |tx, cx| tasks::task_delete(tx, cx, task));
        refused.expect_err("a refusal").key
    };
    assert_eq!(missing(json!({"agents": ["0190a1b2-0000-7000-8000-000000000001"]})), "task/unknown-agent");
    assert_eq!(missing(json!({"pool": {"selector": {"groups": ["branchse"]}}})), "task/unknown-group");
}

fn what_failed_goes_to_another_agent_first(w: &World) {
    let agents = w.members(2);
    let run = w.pool_start(task(json!({"pool": {}}), json!(["10.0.0.0/29"]), json!({"retry": {"attempts": 3, "backoff": "60s"}})));
    let (it, _) = w.slice(agents[0]).expect("the slice");
    w.tell(agents[0], &it, Outcome::Error, 1, "no way");
    assert!(w.slice(agents[0]).is_none(), "it leaves it to others for a while");
    let (again, _) = w.slice(agents[1]).expect("the slice");
    assert_eq!((again.assignment, again.attempt), (it.assignment, 2));
    w.tell(agents[1], &again, Outcome::Error, 1, "no way either");
    w.clock.advance(Duration::from_secs(61));
    let (last, _) = w.slice(agents[1]).expect("nobody else came");
    assert_eq!(last.attempt, 3);
    w.tell(agents[1], &last, Outcome::Error, 1, "still none");
    let it = w.run(run).run;
    assert_eq!((it.state, it.verdict), (RunState::Finished, Some(Verdict::Error)));
}

fn a_run_is_cancelled_and_what_failed_is_done_again(w: &World) {
    let agents = w.members(1);
    let run = w.pool_start(task(json!({"pool": {}}), json!(["10.0.0.0/26"]), json!({"retry": {"attempts": 1}})));
    let (it, failed) = w.slice(agents[0]).expect("a slice");
    w.tell(agents[0], &it, Outcome::Error, 1, "");
    let (busy, _) = w.slice(agents[0]).expect("a slice");
    w.write(move |tx, cx| runs::run_cancel(tx, cx, run));
    w.work();
    w.tell(agents[0], &busy, Outcome::Ok, 0, "");
    assert!(w.slice(agents[0]).is_none());
    let it = w.run(run).run;
    assert_eq!((it.state, it.counts.total()), (RunState::Finished, it.targeted));
    assert!(it.counts.of(State::Cancelled) > 0);
    let less = task(json!({"pool": {}}), json!(["10.0.0.0/26"]), json!({}));
    let (id, out) = (w.run(run).run.task, failed.first().to_string());
    w.write(move |tx, cx| {
        let mut less = less.clone();
        less["targets"]["exclude"] = json!({"ip_ranges": [out]});
        tasks::task_update(tx, cx, id, &less, None)
    });
    let again = w.write(move |tx, cx| runs::run_retry(tx, cx, run, &[State::Error], &Start::default())).run;
    assert_eq!(again.addresses, i64::try_from(failed.count() - 1).ok(), "what is not to be asked any more is left out");
    w.work();
    let (it, range) = w.slice(agents[0]).expect("the same addresses");
    assert!(range.first() > failed.first() && failed.meets(&range));
    w.tell(agents[0], &it, Outcome::Ok, 0, "");
}

fn why_a_slice_waits_is_told(w: &World) {
    let run = w.pool_start(task(json!({"pool": {}}), json!(["10.0.0.0/26"]), json!({})));
    assert_eq!(w.whys(run), ["pool_empty"]);
    let own = w.own(1);
    w.clock.advance(Duration::from_secs(30 * 86_400));
    assert_eq!(w.whys(run), ["pool_silent"]);
    w.hears(own, None);
    assert_eq!(w.whys(run), ["pool_next"]);
    let _taken = w.slice(own).expect("a slice");
    assert_eq!(w.whys(run), ["leased", "pool_next"]);
    let view = w.engine.read_now(&w.cx, move |rx, cx| pool::run_pool(rx, cx, run)).expect("a pool");
    assert_eq!((view.standing.members, view.standing.online, view.standing.working, view.addresses), (1, 1, 1, 64));
    let (first, _) = w.rows(run).remove(0);
    assert!(first.slice.is_some() && first.device_name.is_empty());
}

fn a_start_is_guarded_by_its_addresses(w: &World) {
    let task = w.task(task(json!({"pool": {}}), json!(["10.0.0.0/24"]), json!({})));
    let start = |start: Start| w.engine.write_now("test", &w.cx, move |tx, cx| runs::run_start(tx, cx, task, &start));
    let refused = start(Start::default()).expect_err("256 are more than a hundred");
    assert_eq!(refused.key, "run/size-guard");
    assert!(refused.detail.contains("256 addresses"), "{}", refused.detail);
    assert!(start(Start { confirm_count: Some(256), plan: None }).is_ok());
    let preview = w.engine.read_now(&w.cx, move |rx, cx| tasks::task_preview(rx, cx, task)).expect("a preview");
    let pool = preview.pool.expect("a pool");
    assert_eq!((preview.count, pool.standing.members, preview.forecast), (256, 0, None));
    assert!(pool.slices > 1);
}

/// An agent that lost its trust, that a person put in quarantine or from whom the module was taken gets nothing more.
fn nothing_of_a_pool_is_begun_for_who_may_not(w: &World) {
    let agents = w.members(2);
    w.pool_start(task(json!({"pool": {}}), json!(["10.0.0.0/26"]), json!({})));
    let id = agents[0].agent;
    let modules = ["inventory".to_owned()];
    let other = w.write(move |tx, cx| contact::own_contact(tx, cx, id, &modules, 8));
    assert!(other.claimed.is_empty(), "it does not do this kind of work");
    let shut = AgentPatch { quarantine: Some(Some("strange".to_owned())), ..AgentPatch::default() };
    w.write(move |tx, cx| agent_update(tx, cx, id, &shut, None).map(drop));
    assert!(w.slice(agents[0]).is_none());
    assert!(w.slice(agents[1]).is_some());
}
