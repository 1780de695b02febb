//! When a run would end: the sample of its targets, and how long its steps took before.

use crate::cx::Cx;
use crate::error::Error;
use crate::runs::{Loads, candidates, house};
use crate::schedules;
use muster_core::access::Org;
use muster_core::fleet::Agent;
use muster_core::ids::{DeviceId, OrgId};
use muster_core::tasks::forecast::{Pace, Target, comes, forecast};
use muster_core::tasks::state::Status;
use muster_core::tasks::{Action, Delivery, Forecast, Run, RunState, RunStep, Scope, Task};
use muster_core::time::Timestamp;
use muster_store::Rx;
use std::collections::BTreeMap;

/// Targets looked at.
const SAMPLE: usize = 500;
/// Measured times looked at.
const MEASURED: i64 = 500;

/// What is asked of each target.
struct Asked<'a> {
    action: &'a str,
    open_to_strangers: bool,
    push: bool,
}

/// Agents of the sample, by device.
struct Agents {
    all: BTreeMap<DeviceId, Vec<Agent>>,
    loads: Loads,
}

impl Agents {
    fn of(rx: &mut Rx, cx: &Cx, org: &Org, devices: &[DeviceId]) -> Result<Self, Error> {
        let mut all: BTreeMap<DeviceId, Vec<Agent>> = BTreeMap::new();
        for agent in rx.agents_of_all(devices)? {
            all.entry(agent.device).or_default().push(agent);
        }
        Ok(Self { all, loads: Loads::of(rx, cx, org, devices)? })
    }

    fn expected(&self, device: DeviceId, asked: &Asked<'_>, org: &Org, now: Timestamp) -> Option<Timestamp> {
        let agents = self.all.get(&device).map_or(&[][..], Vec::as_slice);
        let candidates = candidates(agents, asked.action, &org.settings, &self.loads, now);
        comes(&candidates, asked.push && org.settings.wake_enabled, asked.open_to_strangers, now)
    }
}

fn pace(rx: &mut Rx, org: OrgId, action: &str) -> Result<Pace, Error> {
    Ok(Pace::of(rx.took(org, action, MEASURED)?))
}

/// How long steps take one after the other.
pub(crate) fn pace_of(rx: &mut Rx, org: OrgId, actions: &[&str]) -> Result<Pace, Error> {
    let mut all: Option<Pace> = None;
    for action in actions {
        let next = pace(rx, org, action)?;
        all = Some(all.map_or(next, |all| all.then(&next)));
    }
    Ok(all.unwrap_or_else(|| Pace::of(Vec::new())))
}

/// When a start of a task on these devices at this moment would end; none where the server does it itself.
pub(crate) fn of_start(rx: &mut Rx, cx: &Cx, org: &Org, task: &Task, devices: &[DeviceId]) -> Result<Option<Forecast>, Error> {
    let Some(step) = task.doc.steps.iter().find(|s| s.scope() == Scope::Client) else { return Ok(None) };
    let sample: Vec<DeviceId> = devices.iter().step_by(devices.len().div_ceil(SAMPLE).max(1)).copied().collect();
    let (agents, timing) = (Agents::of(rx, cx, org, &sample)?, schedules::timing_now(cx, org, &task.doc));
    let zones = if timing.is_per_device() { rx.device_zones(&sample)? } else { BTreeMap::new() };
    let push = task.doc.delivery == Delivery::Push;
    let asked = Asked { action: step.action.kind(), open_to_strangers: Action::is_open_to_strangers(&step.action), push };
    let target = |device: &DeviceId| match schedules::open_for(&timing, zones.get(device).map(String::as_str)) {
        Some(open) => {
            Target::Waits { comes: agents.expected(*device, &asked, org, cx.now), not_before: open.not_before, not_after: open.not_after }
        }
        None => Target::Waits { comes: Some(cx.now), not_before: cx.now, not_after: Some(cx.now) },
    };
    let targets: Vec<Target> = sample.iter().map(target).collect();
    let machines = task.doc.steps.iter().filter(|s| s.scope() == Scope::Client && !task.doc.is_handler(s));
    let actions: Vec<&str> = machines.map(|s| s.action.kind()).collect();
    let most = task.doc.rollout.max_in_flight.map(i64::from);
    Ok(Some(forecast(&targets, crate::runs::count(devices.len()), &pace_of(rx, org.id, &actions)?, most, cx.now)))
}

/// When what is left of a run would end; none when nothing is, or nothing goes on.
pub(crate) fn of_run(rx: &mut Rx, cx: &Cx, run: &Run, steps: &[RunStep]) -> Result<Option<Forecast>, Error> {
    let Some(step) = steps.iter().find(|s| s.scope == Scope::Client) else { return Ok(None) };
    let org = house(rx, run.org)?;
    let open = run.targeted - run.made + run.counts.open();
    if open == 0 || run.is_pooled() || org.freeze.is_some() || run.paused || run.cancel_requested || run.state == RunState::Halted {
        return Ok(None);
    }
    let sample = rx.run_open(run.id, SAMPLE)?;
    let devices: Vec<DeviceId> = sample.iter().map(|r| r.device).collect();
    let agents = Agents::of(rx, cx, &org, &devices)?;
    let push = run.delivery == Delivery::Push;
    let asked = Asked { action: &step.action, open_to_strangers: step.open_to_strangers, push };
    let targets: Vec<Target> = sample
        .iter()
        .map(|record| match record.state.status {
            Status::Prepared { from } => Target::Waits {
                comes: agents.expected(record.device, &asked, &org, cx.now),
                not_before: from,
                not_after: record.state.limits.not_after,
            },
            _ => Target::InHand(record.updated),
        })
        .collect();
    let actions: Vec<&str> = steps.iter().filter(|s| s.scope == Scope::Client).map(|s| s.action.as_str()).collect();
    Ok(Some(forecast(&targets, open, &pace_of(rx, run.org, &actions)?, run.in_flight_max, cx.now)))
}
