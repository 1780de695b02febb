//! Agents: lists, look-ups, what they tell of themselves, evidence, presence, wake-ups.

use crate::devices::heard;
use crate::fault::Fault;
use crate::list::{List, Order, instant, json, owned, small, word};
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::fleet::{
    Agent, AgentTold, Evidence, EvidenceKind, KnownEvidence, NewAgent, Protocol, Quarantine, VerifiedBy, WakeOutcome, WakeTry,
};
use muster_core::ids::{AgentId, DeviceId, OrgId};
use muster_core::limits::FLEET_COUNTED_MAX;
use muster_core::page::{Page, PageRequest};
use muster_core::time::Timestamp;

/// What a list of agents is narrowed by.
#[derive(Clone, Debug, Default)]
pub struct AgentFilter {
    /// Any of these protocols.
    pub protocols: Vec<Protocol>,
    /// This version.
    pub version: Option<String>,
    /// Verified or not.
    pub verified: Option<bool>,
    /// In quarantine or not.
    pub quarantined: Option<bool>,
    /// Heard since (`Ok`) or silent since (`Err`) an instant.
    pub heard_since: Option<Result<Timestamp, Timestamp>>,
    /// Text in the foreign id, version or device's name; the case of ASCII letters does not matter.
    pub q: Option<String>,
}

/// An agent that was heard: presence, written in sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// Who.
    pub agent: AgentId,
    /// Its device.
    pub device: DeviceId,
    /// When.
    pub at: Timestamp,
    /// When it was told to come again.
    pub next: Option<Timestamp>,
    /// From where.
    pub address: Option<String>,
    /// The version it said.
    pub version: Option<String>,
    /// Whether it brought an inventory.
    pub inventory: bool,
    /// How far its clock is ahead, milliseconds, when it told its time.
    pub clock_offset: Option<i64>,
}

impl Heard {
    /// This together with what was heard shortly before and is not written yet.
    pub fn after(self, before: Self) -> Self {
        Self {
            next: self.next.or(before.next),
            address: self.address.or(before.address),
            version: self.version.or(before.version),
            inventory: self.inventory || before.inventory,
            clock_offset: self.clock_offset.or(before.clock_offset),
            ..self
        }
    }
}

/// The columns of an agent, alias `a`, and what is read beside them.
macro_rules! agent_columns {
    ($more:literal) => {
        concat!(
            "a.id, a.org, a.device, a.protocol, a.foreign_id, a.glpi_id, a.public_key, a.version, a.modules, a.verified, \
             a.incarnation, a.first_contact, a.last_contact, a.next_contact, a.last_inventory, a.address, a.port, a.wake_at, a.wake_outcome, \
             a.wake_detail, a.version_no, a.source, a.verified_by, a.claim, a.capacities, a.disabled, a.proxies, a.clock_offset, a.quarantined, \
             a.quarantined_by, a.quarantine_reason, a.book_drifted, a.door",
            $more
        )
    };
}
pub(crate) const AGENT: &str = agent_columns!("");
const AGENT_AND_DEVICE: &str = agent_columns!(", d.name");

pub(crate) fn agent(row: &Row) -> Result<Agent, Fault> {
    let last_wake = match (row.opt_int(17)?, row.opt_text(18)?) {
        (Some(at), Some(_)) => {
            Some((Timestamp(at), word::<WakeOutcome>(row, 18, "agent", "wake_outcome")?, owned(row, 19)?.unwrap_or_default()))
        }
        _ => None,
    };
    let quarantine = instant(row, 28)?.map(|since| -> Result<Quarantine, Fault> {
        Ok(Quarantine { since, by: owned(row, 29)?.unwrap_or_default(), reason: owned(row, 30)?.unwrap_or_default() })
    });
    Ok(Agent {
        id: row.id(0)?.into(),
        org: row.id(1)?.into(),
        device: row.id(2)?.into(),
        protocol: word(row, 3, "agent", "protocol")?,
        foreign_id: owned(row, 4)?,
        glpi_id: owned(row, 5)?,
        public_key: row.opt_bytes(6)?.map(<[u8]>::to_vec),
        version: owned(row, 7)?,
        modules: json(row, 8, "agent", "modules")?,
        capacities: json(row, 24, "agent", "capacities")?,
        disabled: json(row, 25, "agent", "disabled")?,
        proxies: json(row, 26, "agent", "proxies")?,
        verified: row.flag(9),
        quarantine: quarantine.transpose()?,
        book_drifted: instant(row, 31)?,
        incarnation: small(row, 10, "agent", "incarnation")?,
        first_contact: Timestamp(row.int(11)?),
        last_contact: instant(row, 12)?,
        next_contact: instant(row, 13)?,
        last_inventory: instant(row, 14)?,
        address: owned(row, 15)?,
        port: row.opt_int(16)?.and_then(|p| u16::try_from(p).ok()),
        last_wake,
        version_no: row.int(20)?,
        source: owned(row, 21)?,
        verified_by: row.opt_text(22)?.map(|_| word(row, 22, "agent", "verified_by")).transpose()?,
        claim: row.int(23)?,
        door: row.id(32)?.into(),
        clock_offset: row.opt_int(27)?,
    })
}

impl Rx {
    /// A page of agents with the names of their devices.
    pub fn agents(&mut self, org: OrgId, filter: &AgentFilter, page: &PageRequest) -> Result<Page<(Agent, String)>, Fault> {
        let mut list = List::new(AGENT_AND_DEVICE, "agent a JOIN device d ON d.id = a.device").counting_to(FLEET_COUNTED_MAX);
        list.filter("a.org = {}", org.0);
        if !filter.protocols.is_empty() {
            list.any_of("a.protocol", filter.protocols.iter().map(|p| p.as_str()));
        }
        if let Some(version) = &filter.version {
            list.filter("a.version = {}", version);
        }
        if let Some(verified) = filter.verified {
            list.filter("a.verified = {}", verified);
        }
        match filter.quarantined {
            Some(true) => list.condition("a.quarantined IS NOT NULL"),
            Some(false) => list.condition("a.quarantined IS NULL"),
            None => {}
        }
        if let Some(q) = &filter.q {
            let columns = ["coalesce(a.foreign_id, '')", "coalesce(a.version, '')", "d.name"];
            list.contains(&columns, q, self.is_postgres());
        }
        heard(&mut list, "a.last_contact", filter.heard_since);
        let column = match page.sort.as_deref() {
            Some("last_contact") => "coalesce(a.last_contact, 0)",
            Some("version") => "coalesce(a.version, '')",
            _ => "a.id",
        };
        list.page(self, page, &Order { column, id: "a.id" }, |r| Ok((agent(r)?, r.text(33)?.to_owned())))
    }

    fn agents_where(&mut self, condition: &str, value: V) -> Result<Vec<Agent>, Fault> {
        let mut list = List::new(AGENT, "agent a");
        list.filter(condition, value);
        list.all(self, "a.id", 1_000, agent)
    }

    /// An agent.
    pub fn agent(&mut self, id: AgentId) -> Result<Option<Agent>, Fault> {
        Ok(self.agents_where("a.id = {}", V::U(id.0))?.pop())
    }

    /// The agents of a device.
    pub fn agents_of(&mut self, device: DeviceId) -> Result<Vec<Agent>, Fault> {
        self.agents_where("a.device = {}", V::U(device.0))
    }

    /// The agents of devices.
    pub fn agents_of_all(&mut self, devices: &[DeviceId]) -> Result<Vec<Agent>, Fault> {
        let mut found = Vec::new();
        for chunk in devices.chunks(200) {
            let mut list = List::new(AGENT, "agent a");
            list.any_of("a.device", chunk.iter().map(|d| d.0));
            found.extend(list.all(self, "a.device, a.id", 10_000, agent)?);
        }
        Ok(found)
    }

    /// Agents by id, in no order; unknown ones are left out.
    pub fn agents_by_id(&mut self, ids: &[AgentId]) -> Result<Vec<Agent>, Fault> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(200) {
            let mut list = List::new(AGENT, "agent a");
            list.any_of("a.id", chunk.iter().map(|id| id.0));
            found.extend(list.all(self, "a.id", chunk.len(), agent)?);
        }
        Ok(found)
    }

    /// The agents with a foreign id that come at the door of an organization, speaking one of these protocols; the first holder of the id
    /// first. They are of that organization, unless their device was moved to another one.
    pub fn agents_foreign(&mut self, door: OrgId, foreign_id: &str, protocols: &[Protocol]) -> Result<Vec<Agent>, Fault> {
        let mut list = List::new(AGENT, "agent a");
        list.filter("a.door = {}", door.0);
        list.filter("a.foreign_id = {}", foreign_id);
        list.any_of("a.protocol", protocols.iter().map(|p| p.as_str()));
        list.all(self, "a.claim, a.id", 100, agent)
    }

    /// The agents with a GLPI agent's UUID that come at the door of an organization.
    pub fn agents_glpi(&mut self, door: OrgId, glpi_id: &str) -> Result<Vec<Agent>, Fault> {
        let mut list = List::new(AGENT, "agent a");
        list.filter("a.door = {}", door.0);
        list.filter("a.glpi_id = {}", glpi_id);
        list.all(self, "a.id", 100, agent)
    }

    /// The agent with a public key.
    pub fn agent_with_key(&mut self, key: &[u8]) -> Result<Option<Agent>, Fault> {
        Ok(self.agents_where("a.public_key = {}", key.into())?.pop())
    }

    /// How many unverified agents came first from a source since an instant.
    pub fn strangers_from(&mut self, source: &str, since: Timestamp) -> Result<i64, Fault> {
        let mut list = List::new("1", "agent a");
        list.filter("a.source = {}", source);
        list.filter("a.first_contact >= {}", since.0);
        list.condition("a.verified = 0");
        list.exactly(self)
    }

    /// The evidence of a device's agents.
    pub fn evidence_of(&mut self, device: DeviceId) -> Result<Vec<KnownEvidence>, Fault> {
        let sql = "SELECT e.agent, e.kind, e.value FROM evidence e JOIN agent a ON a.id = e.agent WHERE a.device = ?1 ORDER BY e.kind, e.value, e.agent";
        self.rows(sql, &[V::U(device.0)])?.iter().map(known).collect()
    }

    /// Devices of an organization whose agents gave one of these pieces of evidence, each with what it shares.
    pub fn devices_with_evidence(&mut self, org: OrgId, evidence: &[Evidence]) -> Result<Vec<(DeviceId, Evidence)>, Fault> {
        let mut found = Vec::new();
        for piece in evidence {
            let rows = self.rows(
                "SELECT DISTINCT a.device FROM evidence e JOIN agent a ON a.id = e.agent WHERE e.org = ?1 AND e.kind = ?2 AND e.value = ?3 ORDER BY a.device LIMIT 20",
                &[V::U(org.0), piece.kind.as_str().into(), (&piece.value).into()],
            )?;
            for row in rows {
                found.push((DeviceId(row.id(0)?), piece.clone()));
            }
        }
        Ok(found)
    }

    /// The wake-ups of an agent, the newest first.
    pub fn wakes(&mut self, agent: AgentId, page: &PageRequest) -> Result<Page<WakeTry>, Fault> {
        let mut list = List::new("id, at, outcome, detail", "wake_log");
        list.filter("agent = {}", agent.0);
        list.newest_first(self, page, "id", |r| {
            Ok(WakeTry {
                id: r.id(0)?,
                at: Timestamp(r.int(1)?),
                outcome: word(r, 2, "wake_log", "outcome")?,
                detail: r.text(3)?.to_owned(),
            })
        })
    }
}

fn text(value: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| Fault::Db(e.to_string()))
}

pub(crate) fn known(row: &Row) -> Result<KnownEvidence, Fault> {
    let kind: EvidenceKind = word(row, 1, "evidence", "kind")?;
    Ok(KnownEvidence { agent: row.id(0)?.into(), evidence: Evidence { kind, value: row.text(2)?.to_owned() } })
}

impl Tx {
    /// An agent is verified by the credential it showed.
    pub fn agent_vouched(&mut self, id: AgentId) -> Result<(), Fault> {
        self.send("UPDATE agent SET verified = 1, verified_by = 'credential', version_no = version_no + 1 WHERE id = ?1", &[V::U(id.0)])?;
        self.device_of_verified(id)
    }

    /// Adds an agent.
    pub fn agent_insert(&mut self, a: &NewAgent, now: Timestamp) -> Result<(), Fault> {
        self.exec(
            "INSERT INTO agent (id, org, device, protocol, foreign_id, glpi_id, public_key, version, modules, verified, incarnation, first_contact, last_contact, source, address, version_no, verified_by, claim, door) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '[]', ?9, 1, ?10, ?10, ?11, ?11, 1, ?12, ?13, ?14)",
            &[
                V::U(a.id.0),
                V::U(a.org.0),
                V::U(a.device.0),
                a.protocol.as_str().into(),
                a.foreign_id.as_deref().into(),
                a.glpi_id.as_deref().into(),
                a.public_key.clone().into(),
                a.version.as_deref().into(),
                a.verified.into(),
                now.0.into(),
                a.source.as_deref().into(),
                a.verified_by.map(VerifiedBy::as_str).into(),
                a.claim.into(),
                V::U(a.door.0),
            ],
        )?;
        self.device_verified(a.device)?;
        self.after(Hint { topic: Topic::Agent, id: Some(a.id.0), org: Some(a.org.0) });
        Ok(())
    }

    /// Saves what a person may change of an agent, where the version still matches; false when it does not.
    pub fn agent_update(&mut self, a: &Agent) -> Result<bool, Fault> {
        let done = self.exec(
            "UPDATE agent SET verified_by = CASE WHEN ?3 = 0 THEN NULL WHEN verified = ?3 THEN verified_by ELSE 'person' END, verified = ?3, \
             modules = ?4, disabled = ?5, quarantined = ?6, quarantined_by = ?7, quarantine_reason = ?8, version_no = version_no + 1 \
             WHERE id = ?1 AND version_no = ?2",
            &[
                V::U(a.id.0),
                a.version_no.into(),
                a.verified.into(),
                text(&a.modules)?.into(),
                text(&a.disabled)?.into(),
                a.quarantine.as_ref().map(|it| it.since.0).into(),
                a.quarantine.as_ref().map(|it| it.by.as_str()).into(),
                a.quarantine.as_ref().map(|it| it.reason.as_str()).into(),
            ],
        )?;
        if done == 0 {
            return Ok(false);
        }
        self.device_verified(a.device)?;
        self.after(Hint { topic: Topic::Agent, id: Some(a.id.0), org: Some(a.org.0) });
        Ok(true)
    }

    /// A device is verified when all its agents are.
    fn device_verified(&mut self, device: DeviceId) -> Result<(), Fault> {
        let sql = "UPDATE device SET verified = coalesce((SELECT min(verified) FROM agent WHERE device = ?1), 0) WHERE id = ?1";
        self.redrawn(device);
        self.send(sql, &[V::U(device.0)])
    }

    /// Notes how an agent speaks now, and its GLPI id when it tells one.
    pub fn agent_speaks(&mut self, agent: AgentId, protocol: Protocol, glpi_id: Option<&str>) -> Result<(), Fault> {
        self.send(
            "UPDATE agent SET protocol = ?2, glpi_id = coalesce(?3, glpi_id) WHERE id = ?1",
            &[V::U(agent.0), protocol.as_str().into(), glpi_id.into()],
        )
    }

    /// Notes what an agent tells of itself. Behind a proxy agent its own address is unknown: a kept one is forgotten.
    pub fn agent_told(&mut self, agent: AgentId, told: &AgentTold) -> Result<(), Fault> {
        self.exec(
            "UPDATE agent SET protocol = ?2, glpi_id = coalesce(?3, glpi_id), capacities = ?4, port = coalesce(?5, port), proxies = ?6 WHERE id = ?1",
            &[
                V::U(agent.0),
                told.protocol.as_str().into(),
                told.glpi_id.as_deref().into(),
                text(&told.capacities)?.into(),
                told.port.map(i64::from).into(),
                text(&told.proxies)?.into(),
            ],
        )?;
        if !told.proxies.is_empty() {
            self.send("UPDATE agent SET address = NULL WHERE id = ?1", &[V::U(agent.0)])?;
        }
        self.after(Hint { topic: Topic::Agent, id: Some(agent.0), org: None });
        Ok(())
    }

    /// Gives an agent a new life: a key made anew, the next incarnation.
    pub fn agent_reborn(&mut self, agent: AgentId, key: &[u8], verified: bool) -> Result<(), Fault> {
        self.exec(
            "UPDATE agent SET public_key = ?2, incarnation = incarnation + 1, verified_by = CASE WHEN ?3 = 0 THEN NULL WHEN verified = ?3 THEN verified_by \
             ELSE 'token' END, verified = ?3 WHERE id = ?1",
            &[V::U(agent.0), key.into(), verified.into()],
        )?;
        self.device_of_verified(agent)
    }

    /// The same for the device of an agent.
    fn device_of_verified(&mut self, agent: AgentId) -> Result<(), Fault> {
        let row = self.one("SELECT device FROM agent WHERE id = ?1", &[V::U(agent.0)])?;
        row.map_or(Ok(()), |row| self.device_verified(row.id(0)?.into()))
    }

    /// Takes an agent's key away and its trust with it.
    pub fn agent_revoke(&mut self, agent: AgentId) -> Result<(), Fault> {
        let sql = "UPDATE agent SET public_key = NULL, verified = 0, verified_by = NULL, version_no = version_no + 1 WHERE id = ?1";
        self.exec(sql, &[V::U(agent.0)])?;
        self.device_of_verified(agent)?;
        self.after(Hint { topic: Topic::Agent, id: Some(agent.0), org: None });
        Ok(())
    }

    /// Replaces the evidence an agent gives.
    pub fn evidence_replace(&mut self, org: OrgId, agent: AgentId, evidence: &[Evidence]) -> Result<(), Fault> {
        self.send("DELETE FROM evidence WHERE agent = ?1", &[V::U(agent.0)])?;
        for e in evidence {
            self.send(
                "INSERT INTO evidence (agent, kind, value, org) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                &[V::U(agent.0), e.kind.as_str().into(), (&e.value).into(), V::U(org.0)],
            )?;
        }
        Ok(())
    }

    /// Writes presence, in a set; an older one changes nothing. In the order of agents, so that two sets cannot block each other.
    pub fn heard(&mut self, all: &[Heard]) -> Result<(), Fault> {
        let mut sorted: Vec<&Heard> = all.iter().collect();
        sorted.sort_by_key(|h| h.agent);
        for h in sorted {
            self.send(
                "UPDATE agent SET last_contact = ?2, next_contact = coalesce(?3, next_contact), address = coalesce(?4, address), version = coalesce(?5, version), \
                 clock_offset = coalesce(?6, clock_offset) WHERE id = ?1 AND (last_contact IS NULL OR last_contact <= ?2)",
                &[
                    V::U(h.agent.0),
                    h.at.0.into(),
                    h.next.map(|t| t.0).into(),
                    h.address.as_deref().into(),
                    h.version.as_deref().into(),
                    h.clock_offset.into(),
                ],
            )?;
            if h.inventory {
                self.send(
                    "UPDATE device SET last_contact = ?2, last_inventory = ?2 WHERE id = ?1 AND last_contact <= ?2",
                    &[V::U(h.device.0), h.at.0.into()],
                )?;
            } else {
                self.send("UPDATE device SET last_contact = ?2 WHERE id = ?1 AND last_contact < ?2", &[V::U(h.device.0), h.at.0.into()])?;
            }
            self.send("DELETE FROM wake WHERE agent = ?1 AND created <= ?2", &[V::U(h.agent.0), h.at.0.into()])?;
        }
        Ok(())
    }
}
