//! What is noted on a device though no inventory of it was stored.

use crate::contact::known;
use crate::cx::Cx;
use crate::error::Error;
use muster_core::fleet::Protocol;
use muster_core::ids::AgentId;
use muster_core::inventory::Finding;
use muster_store::Tx;

/// Whose body was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Our own agent; its signature was right.
    Own(AgentId),
    /// A foreign agent by its DEVICEID, which is as good a word as its inventories'.
    Foreign(Protocol, String),
    /// A GLPI agent by its UUID, when what it sent could not be read.
    Glpi(String),
}

/// Notes that an inventory of a known agent, or a message that may have been one, was refused: the finding `refused`, until an
/// inventory is stored. Of unknown agents nothing is noted.
pub fn body_refused(tx: &mut Tx, cx: &Cx, sender: &Sender, why: &str) -> Result<(), Error> {
    let agent = match sender {
        Sender::Own(id) => tx.agent(*id)?,
        Sender::Foreign(protocol, id) => known(tx, cx.org, *protocol, id, None)?,
        Sender::Glpi(id) => {
            let mut found = tx.agents_glpi(cx.org, id)?;
            if found.len() == 1 { found.pop() } else { None }
        }
    };
    let Some(agent) = agent else { return Ok(()) };
    let what = if matches!(sender, Sender::Glpi(_)) { "a message" } else { "an inventory" };
    let finding = Finding::new("refused", format!("{what} was refused at {}: {why}", cx.now));
    Ok(tx.device_finding(agent.device, agent.id, &finding)?)
}

/// Notes that two programs use the key of one of our own agents, one of them at this address: the finding `key_shared`, until an
/// inventory is stored.
pub fn key_shared(tx: &mut Tx, cx: &Cx, agent: AgentId, from: &str) -> Result<(), Error> {
    let Some(agent) = tx.agent(agent)? else { return Ok(()) };
    let sentence = format!(
        "two programs use this agent's key, one of them from {from} at {}: its directory was copied; remove it there and join anew",
        cx.now
    );
    Ok(tx.device_finding(agent.device, agent.id, &Finding::new("key_shared", sentence))?)
}
