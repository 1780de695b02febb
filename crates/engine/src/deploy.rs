//! Work for FusionInventory and GLPI agents as deploy jobs: they ask for one after the other, and tell how each ended.

use crate::contact::{self, Hello};
use crate::cx::Cx;
use crate::error::Error;
use crate::work::{self, Claimed, Report};
use muster_core::fleet::Agent;
use muster_core::tasks::doc::{Action, DEPLOYED};
use muster_store::{Rx, Tx};

/// How often an agent asks for a job in one contact at most.
const ASKS_MAX: usize = 16;

/// A piece of work as a deploy job.
#[derive(Clone, Debug)]
pub struct DeployJob {
    /// What was handed out.
    pub claimed: Claimed,
    /// What is to be done.
    pub action: Action,
    /// Whether the machine runs Windows, as far as is known.
    pub windows: bool,
}

/// How often an agent shall ask for a job now: as often as one may be there. A job of several steps has its next step ready as soon as
/// the one before has ended.
pub fn asks(rx: &mut Rx, cx: &Cx, agent: &Agent) -> Result<usize, Error> {
    if !agent.verified {
        return Ok(0);
    }
    let waiting = rx.actions_waiting(agent.device, cx.now, ASKS_MAX)?;
    let jobs = waiting.iter().filter(|(action, _)| DEPLOYED.contains(&action.as_str()) && agent.may_be_asked(action));
    Ok(jobs.map(|(_, walked)| if *walked { ASKS_MAX } else { 1 }).sum::<usize>().min(ASKS_MAX))
}

/// Hands an agent the next job that waits for its device, if there is one.
pub fn next(tx: &mut Tx, cx: &Cx, hello: &Hello) -> Result<Option<DeployJob>, Error> {
    let look = contact::look(tx, cx, hello)?;
    let Some(agent) = look.agent else { return Ok(None) };
    let Some(claimed) = work::claim(tx, cx, &agent, &look.org, &DEPLOYED, 1)?.pop() else { return Ok(None) };
    let action = contact::action_of(tx, &agent, &claimed)?;
    let family = tx.device(agent.org, agent.device)?.and_then(|d| d.os_family);
    Ok(Some(DeployJob { claimed, action, windows: family.as_deref() == Some("windows") }))
}

/// Takes what an agent tells of a job; gives whether it counts.
pub fn told(tx: &mut Tx, cx: &Cx, hello: &Hello, report: &Report) -> Result<bool, Error> {
    let look = contact::look(tx, cx, hello)?;
    let Some(agent) = look.agent else { return Ok(false) };
    let report = Report { incarnation: agent.incarnation, ..report.clone() };
    Ok(work::report(tx, cx, &agent, &look.org.settings, &[report])?.iter().all(Result::is_ok))
}
