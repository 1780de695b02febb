//! Work for OCS agents as packages: handed out with a PROLOG, fetched by number and token (`docs/protocols/ocs-packages.md`). What came
//! of one is told as of a deploy job.

use crate::contact::filled_for;
use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::runs::house;
use crate::work::{self, Claimed};
use muster_core::access::Org;
use muster_core::fleet::Agent;
use muster_core::ids::AssignmentId;
use muster_core::limits::PACKAGE_NUMBERS;
use muster_core::tasks::doc::Action;
use muster_store::{Package, Rx, Tx};
use std::time::Duration;

/// What is done as packages.
pub const PACKAGED: [&str; 3] = ["run_script", "power_control", "control_service"];
/// Packages of one agent at once: it fetches them one after the other.
pub(crate) const PACKAGES_MAX: usize = 4;
/// How long an agent may take before it begins the first: it makes its inventory before.
pub(crate) const PACKAGE_GRACE: Duration = Duration::from_secs(600);
/// How often another number is drawn where one is taken.
const DRAWS_MAX: usize = 8;

/// A package that an agent is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Its number.
    pub number: i64,
    /// A part of the address where it is fetched.
    pub token: String,
}

/// Hands an agent what waits for its device as packages, and names those again that it has in its hands: its own record keeps it from
/// doing one twice.
pub fn hand_out(tx: &mut Tx, cx: &Cx, agent: &Agent, org: &Org) -> Result<Vec<Offered>, Error> {
    let known = tx.packages_in_hands(agent.device, agent.id)?;
    let room = PACKAGES_MAX.saturating_sub(known.len());
    let mut offered = Vec::with_capacity(PACKAGES_MAX);
    for it in known {
        // What is to stop is not begun any more where that can be helped.
        if tx.assignment(it.org, it.assignment)?.is_some_and(|row| !row.record.state.is_to_stop(cx.now)) {
            offered.push(Offered { number: it.number, token: it.token });
        }
    }
    for claimed in work::claim(tx, cx, agent, org, &PACKAGED, room)? {
        offered.push(made(tx, cx, agent, &claimed)?);
    }
    Ok(offered)
}

fn made(tx: &mut Tx, cx: &Cx, agent: &Agent, claimed: &Claimed) -> Result<Offered, Error> {
    let drawn = || u128::from_le_bytes(cx.secret()[..16].try_into().unwrap_or_default());
    let token = format!("{:032x}", drawn());
    for _ in 0..DRAWS_MAX {
        let all = u128::try_from(PACKAGE_NUMBERS.end - PACKAGE_NUMBERS.start).unwrap_or(1);
        let number = PACKAGE_NUMBERS.start + i64::try_from(drawn() % all).unwrap_or(0);
        let (assignment, attempt) = (claimed.assignment, claimed.attempt);
        if tx.package_insert(&Package { number, org: agent.org, assignment, attempt, token: token.clone() })? {
            return Ok(Offered { number, token });
        }
    }
    Err(Error::new(Kind::Unavailable, "package/number", "no number is free for a package; it is handed out later"))
}

/// The work of a package.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The assignment.
    pub assignment: AssignmentId,
    /// The attempt's number.
    pub attempt: u32,
    /// What is to be done.
    pub action: Action,
    /// How long that may take.
    pub limit: Duration,
    /// Whether the machine runs Windows, as far as is known.
    pub windows: bool,
    /// Whether its attempt is under way, and may begin.
    pub open: bool,
}

/// The work of a package; with a token only if that is its.
pub fn packed(rx: &mut Rx, cx: &Cx, number: i64, token: Option<&str>) -> Result<Option<Packed>, Error> {
    let Some(package) = rx.package(number)?.filter(|it| token.is_none_or(|token| token == it.token)) else { return Ok(None) };
    let Some(row) = rx.assignment(package.org, package.assignment)? else { return Ok(None) };
    let state = &row.record.state;
    let is_current = state.attempt == package.attempt && state.status.lease().is_some() && !state.is_to_stop(cx.now);
    let actor = state.last_actor.map_or(Ok(None), |actor| rx.agent(actor.agent))?;
    let (Some(agent), Some(run)) = (actor, rx.run(package.org, row.record.run)?) else { return Ok(None) };
    let place = usize::try_from(row.record.step).unwrap_or(usize::MAX);
    let (doc, steps) = (rx.task_doc(run.task, run.task_version)?, rx.run_steps(run.id)?);
    let Some((written, step)) = doc.as_ref().and_then(|doc| doc.steps.get(place)).zip(steps.get(place)) else { return Ok(None) };
    let action = filled_for(rx, &agent, run.id, &written.action)?;
    let org = house(rx, package.org)?;
    let family = rx.device(agent.org, agent.device)?.and_then(|device| device.os_family);
    Ok(Some(Packed {
        assignment: package.assignment,
        attempt: package.attempt,
        action,
        limit: work::lease_of(step, &org.settings),
        windows: family.as_deref() == Some("windows"),
        open: is_current && org.freeze.is_none() && agent.verified && agent.quarantine.is_none(),
    }))
}
