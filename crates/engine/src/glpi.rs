//! GLPI agents in their native form: a contact, what it tells of the agent, and documents that come unasked.
//!
//! Absent on purpose: the claim itself (`contact`, `work`), inventories (`intake`), who may come at all (the doors).

use crate::contact::{self, Greeting, Hello, Look, known};
use crate::cx::Cx;
use crate::error::Error;
use muster_core::fleet::{Agent, AgentTold, KeptDocument, Protocol, capacities_asked, capacities_told};
use muster_core::ids::AgentId;
use muster_core::limits::KEPT_DOCUMENT_BYTES_MAX;
use muster_store::{Rx, Tx};

/// How a GLPI agent introduces itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// Who.
    pub hello: Hello,
    /// Its UUID.
    pub glpi_id: Option<String>,
    /// The tasks it has.
    pub installed: Vec<String>,
    /// The tasks its configuration lets it run.
    pub enabled: Vec<String>,
    /// Where its own HTTP server listens, when it has one.
    pub port: Option<u16>,
    /// The proxy agents it came through.
    pub proxies: Vec<String>,
}

impl Contact {
    fn told_of(&self, agent: &Agent) -> AgentTold {
        let known = AgentTold::of(agent);
        AgentTold {
            protocol: Protocol::Glpi,
            glpi_id: self.glpi_id.clone().or(known.glpi_id),
            capacities: capacities_told(&known.capacities, &self.installed, &self.enabled),
            port: self.port.or(known.port),
            proxies: self.proxies.clone(),
        }
    }
}

/// Whether the answer to a contact needs a write: something may wait for the agent, or it tells news of itself.
pub fn needs_write(look: &Look, contact: &Contact) -> bool {
    look.may_have_work || look.agent.as_ref().is_some_and(|agent| contact.told_of(agent) != AgentTold::of(agent))
}

/// Answers a CONTACT: notes the news and hands out what waits. An agent known as a FusionInventory one under the same DEVICEID
/// is a GLPI agent from now on. A contact of a stranger creates nothing.
pub fn contact(tx: &mut Tx, cx: &Cx, contact: &Contact) -> Result<Greeting, Error> {
    let hello = &contact.hello;
    if let Some(agent) = known(tx, cx.org, Protocol::Glpi, &hello.foreign_id, hello.address.as_deref())? {
        note(tx, &agent, &contact.told_of(&agent))?;
    }
    contact::prolog(tx, cx, &contact.hello)
}

fn note(tx: &mut Tx, agent: &Agent, told: &AgentTold) -> Result<(), Error> {
    if *told != AgentTold::of(agent) {
        tx.agent_told(agent.id, told)?;
    }
    Ok(())
}

/// What is to be noted of an agent whose first inventory just made it known.
#[derive(Clone, Debug, Default)]
pub struct Introduction {
    /// The contact by which it came, when there was one.
    pub contact: Option<Contact>,
    /// The proxy agents its inventory came through.
    pub proxies: Vec<String>,
    /// Whether a credential vouches for it.
    pub vouched: bool,
}

/// Notes an agent's introduction. A credential verifies new agents of its organization only: what a person said of a known one stays.
pub fn introduce(tx: &mut Tx, _cx: &Cx, id: AgentId, introduction: &Introduction) -> Result<(), Error> {
    let Some(agent) = tx.agent(id)? else { return Ok(()) };
    let mut told = introduction.contact.as_ref().map_or_else(|| AgentTold::of(&agent), |contact| contact.told_of(&agent));
    told.proxies.clone_from(&introduction.proxies);
    note(tx, &agent, &told)?;
    if introduction.vouched && !agent.verified && agent.org == agent.door {
        tx.agent_vouched(agent.id)?;
        crate::rebuild::reorder(tx, agent.org, agent.device)?;
    }
    Ok(())
}

/// Notes through which proxy agents a known agent's message came; gives whether that was news.
pub fn came_through(tx: &mut Tx, _cx: &Cx, id: AgentId, proxies: &[String]) -> Result<bool, Error> {
    let Some(agent) = tx.agent(id)?.filter(|a| a.proxies != proxies) else { return Ok(false) };
    tx.agent_told(id, &AgentTold { proxies: proxies.to_vec(), ..AgentTold::of(&agent) })?;
    Ok(true)
}

/// What an agent that asks what to do for single tasks tells by that; `None` when it is unknown or tells nothing new.
pub fn config_news(rx: &mut Rx, cx: &Cx, foreign_id: &str, asked: &[(String, String)]) -> Result<Option<(AgentId, AgentTold)>, Error> {
    let Some(agent) = known(rx, cx.org, Protocol::Glpi, foreign_id, None)? else { return Ok(None) };
    let told = AgentTold { capacities: capacities_asked(&agent.capacities, asked), ..AgentTold::of(&agent) };
    Ok((told != AgentTold::of(&agent)).then_some((agent.id, told)))
}

/// Notes what an agent told by asking; see [`config_news`].
pub fn config_asked(tx: &mut Tx, cx: &Cx, foreign_id: &str, asked: &[(String, String)]) -> Result<(), Error> {
    if let Some((agent, told)) = config_news(tx, cx, foreign_id, asked)? {
        tx.agent_told(agent, &told)?;
    }
    Ok(())
}

/// A document that nobody asked for.
#[derive(Clone, Debug)]
pub struct Unasked {
    /// How its sender speaks.
    pub protocol: Protocol,
    /// The id the document carries: the agent's, or that of the thing it tells of.
    pub foreign_id: String,
    /// The UUID of the GLPI agent that sent it.
    pub glpi_id: Option<String>,
    /// `netdiscovery` or `netinventory`.
    pub kind: &'static str,
    /// The document, unpacked.
    pub document: Vec<u8>,
}

/// The agent that a document comes from: that of the id it carries, else the only one with the sender's UUID.
pub fn sender_of(rx: &mut Rx, cx: &Cx, unasked: &Unasked) -> Result<Option<Agent>, Error> {
    if let Some(agent) = known(rx, cx.org, unasked.protocol, &unasked.foreign_id, None)? {
        return Ok(Some(agent));
    }
    let mut found = unasked.glpi_id.as_deref().map_or_else(|| Ok(Vec::new()), |id| rx.agents_glpi(cx.org, id))?;
    Ok(if found.len() == 1 { found.pop() } else { None })
}

/// Keeps a document of a known agent; gives whether it was kept. Those of strangers and too large ones are not.
pub fn keep(tx: &mut Tx, cx: &Cx, unasked: &Unasked) -> Result<bool, Error> {
    if unasked.document.len() > KEPT_DOCUMENT_BYTES_MAX {
        return Ok(false);
    }
    let Some(agent) = sender_of(tx, cx, unasked)? else { return Ok(false) };
    tx.document_keep(&KeptDocument {
        id: cx.id(),
        org: agent.org,
        agent: agent.id,
        device: agent.device,
        kind: unasked.kind.to_owned(),
        at: cx.now,
        document: unasked.document.clone(),
    })?;
    Ok(true)
}
