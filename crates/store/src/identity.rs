//! Identity: pairs of devices that may be one, the log of what was joined and parted, agents that change their device.
//!
//! What is searched of a device is drawn from its agents anew by the engine (`rebuild`) and written here.

use crate::agents::known;
use crate::devices::VISIBLE;
use crate::fault::Fault;
use crate::inventory::{DeviceWrite, Software, Whose};
use crate::list::{List, Order, json, small, word};
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::fleet::{CandidateKind, CandidateState, DoubleCandidate, IdentityEntry, KnownEvidence, MovedAgent, NamedDevice, Summary};
use muster_core::ids::{AgentId, CandidateId, DeviceId, IdentityLogId, OrgId};
use muster_core::page::{Page, PageRequest};
use muster_core::tasks::why::Sentence;
use muster_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a list of candidates is narrowed by; all that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct CandidateFilter {
    /// Any of these states; empty is open.
    pub states: Vec<CandidateState>,
    /// Any of these kinds.
    pub kinds: Vec<CandidateKind>,
    /// One of the two.
    pub device: Option<DeviceId>,
    /// Text in what is searched of one of the two.
    pub q: Option<String>,
}

/// What a device becomes when it is drawn from its agents anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebuilt {
    /// Whose.
    pub org: OrgId,
    /// The device.
    pub device: DeviceId,
    /// Searched columns.
    pub summary: Summary,
    /// Names of the logged-in users.
    pub logins: Vec<String>,
    /// All its programs, each with the instant since when the device has it (0: nobody can tell).
    pub software: Vec<(Software, Timestamp)>,
    /// How many programs its inventory lists.
    pub software_count: i64,
    /// Programs that it, or a device its agents came from, had before.
    pub software_before: Vec<Software>,
    /// The shown agent: id, protocol, version.
    pub shown: Option<(AgentId, &'static str, Option<String>)>,
    /// Whether its agents are verified.
    pub verified: bool,
    /// When the last inventory of its agents came.
    pub last_inventory: Option<Timestamp>,
    /// When its agents were last heard.
    pub last_contact: Option<Timestamp>,
}

/// What the log keeps beside ids.
#[derive(Serialize, Deserialize)]
struct Doc {
    from: Option<NamedDevice>,
    to: Option<NamedDevice>,
    reason: Sentence,
}

const CANDIDATE: &str = "c.id, c.org, c.at, c.kind, c.a, c.b, c.points, c.evidence, c.state, c.reason, c.note";
const CANDIDATE_FROM: &str = "candidate c JOIN device d ON d.id = c.a JOIN device e ON e.id = c.b";

fn candidate(row: &Row) -> Result<DoubleCandidate, Fault> {
    Ok(DoubleCandidate {
        id: row.id(0)?.into(),
        org: row.id(1)?.into(),
        at: Timestamp(row.int(2)?),
        kind: word(row, 3, "candidate", "kind")?,
        devices: (row.id(4)?.into(), row.id(5)?.into()),
        points: small(row, 6, "candidate", "points")?,
        evidence: json(row, 7, "candidate", "evidence")?,
        state: word(row, 8, "candidate", "state")?,
        reason: json(row, 9, "candidate", "reason")?,
        note: row.opt_text(10)?.map(str::to_owned),
    })
}

const ENTRY: &str = "id, org, at, actor, act, agents, doc, undone";

fn entry(row: &Row) -> Result<IdentityEntry, Fault> {
    let doc: Doc = json(row, 6, "identity_log", "doc")?;
    Ok(IdentityEntry {
        id: row.id(0)?.into(),
        org: row.id(1)?.into(),
        at: Timestamp(row.int(2)?),
        actor: row.text(3)?.to_owned(),
        act: word(row, 4, "identity_log", "act")?,
        agents: json::<Vec<MovedAgent>>(row, 5, "identity_log", "agents")?,
        from: doc.from,
        to: doc.to,
        reason: doc.reason,
        undone: row.flag(7),
    })
}

fn text(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| Fault::Db(e.to_string()))
}

impl Rx {
    /// The evidence one agent gave.
    pub fn evidence_by(&mut self, agent: AgentId) -> Result<Vec<KnownEvidence>, Fault> {
        let sql = "SELECT agent, kind, value FROM evidence WHERE agent = ?1 ORDER BY kind, value";
        self.rows(sql, &[V::U(agent.0)])?.iter().map(known).collect()
    }

    /// The device that a merged one is part of now, through any number of merges; `None` for one that is not merged or unknown.
    pub fn merged_into(&mut self, org: OrgId, id: DeviceId) -> Result<Option<NamedDevice>, Fault> {
        let mut at = id;
        let mut found = None;
        // A merge hides a device that was visible, so the chain has no ring; the bound is for a damaged database.
        for _ in 0..1_000 {
            let sql = "SELECT d.id, d.name FROM device f JOIN device d ON d.id = f.merged_into WHERE f.id = ?1 AND f.org = ?2";
            let Some(row) = self.one(sql, &[V::U(at.0), V::U(org.0)])? else { return Ok(found) };
            at = row.id(0)?.into();
            found = Some(NamedDevice { id: at, name: row.text(1)?.to_owned() });
        }
        Ok(found)
    }

    /// Whether a device is there, merged into exactly that one.
    pub fn is_merged_into(&mut self, id: DeviceId, into: DeviceId) -> Result<bool, Fault> {
        Ok(self.one("SELECT 1 FROM device WHERE id = ?1 AND merged_into = ?2", &[V::U(id.0), V::U(into.0)])?.is_some())
    }

    /// A page of candidates. Sorts: points, at. Open and dismissed ones only while both devices are there by themselves.
    pub fn candidates(&mut self, org: OrgId, filter: &CandidateFilter, page: &PageRequest) -> Result<Page<DoubleCandidate>, Fault> {
        let mut list = List::new(CANDIDATE, CANDIDATE_FROM);
        list.filter("c.org = {}", org.0);
        let states = if filter.states.is_empty() { vec![CandidateState::Open] } else { filter.states.clone() };
        list.any_of("c.state", states.iter().map(|s| s.as_str()));
        list.condition(format!("c.state = 'merged' OR ({VISIBLE} AND e.merged_into IS NULL)"));
        if !filter.kinds.is_empty() {
            list.any_of("c.kind", filter.kinds.iter().map(|k| k.as_str()));
        }
        if let Some(device) = filter.device {
            let name = list.param(device.0);
            list.condition(format!("c.a = {name} OR c.b = {name}"));
        }
        if let Some(q) = filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty()) {
            let find = if self.is_postgres() { "strpos" } else { "instr" };
            let name = list.param(q.to_lowercase());
            list.condition(format!("{find}(d.search, {name}) > 0 OR {find}(e.search, {name}) > 0"));
        }
        let column = if page.sort.as_deref() == Some("at") { "c.at" } else { "c.points" };
        list.page(self, page, &Order { column, id: "c.id" }, candidate)
    }

    /// One candidate.
    pub fn candidate(&mut self, org: OrgId, id: CandidateId) -> Result<Option<DoubleCandidate>, Fault> {
        let mut list = List::new(CANDIDATE, "candidate c");
        list.filter("c.org = {}", org.0);
        list.filter("c.id = {}", id.0);
        Ok(list.all(self, "c.id", 1, candidate)?.pop())
    }

    /// All candidates of a device, of any state, also with devices that were merged since; at most 200.
    pub fn candidates_of(&mut self, device: DeviceId) -> Result<Vec<DoubleCandidate>, Fault> {
        let mut list = List::new(CANDIDATE, "candidate c");
        let name = list.param(device.0);
        list.condition(format!("c.a = {name} OR c.b = {name}"));
        list.all(self, "c.points DESC, c.id", 200, candidate)
    }

    /// The log of a device, the newest first.
    pub fn identity_log(&mut self, org: OrgId, device: DeviceId, limit: usize) -> Result<Vec<IdentityEntry>, Fault> {
        let mut list = List::new(ENTRY, "identity_log");
        list.filter("org = {}", org.0);
        let name = list.param(device.0);
        list.condition(format!("source = {name} OR target = {name}"));
        list.all(self, "id DESC", limit, entry)
    }

    /// One entry of the log.
    pub fn identity_entry(&mut self, org: OrgId, id: IdentityLogId) -> Result<Option<IdentityEntry>, Fault> {
        let mut list = List::new(ENTRY, "identity_log");
        list.filter("org = {}", org.0);
        list.filter("id = {}", id.0);
        Ok(list.all(self, "id", 1, entry)?.pop())
    }

    /// Since when one of these devices has each of these programs: the latest instant known. Programs none has are left out.
    pub fn software_since(&mut self, devices: &[DeviceId], programs: &[Software]) -> Result<BTreeMap<Software, Timestamp>, Fault> {
        let mut found = BTreeMap::new();
        for chunk in programs.chunks(200) {
            let by_id: BTreeMap<i64, &Software> = chunk.iter().map(|s| (s.id(), s)).collect();
            let mut list = List::new("software, since", "device_software");
            list.any_of("software", by_id.keys().copied());
            list.any_of("device", devices.iter().map(|d| d.0));
            let rows = list.all(self, "software, since", chunk.len() * devices.len().max(1), |r| Ok((r.int(0)?, r.int(1)?)))?;
            found.extend(rows.into_iter().filter_map(|(id, since)| Some(((*by_id.get(&id)?).clone(), Timestamp(since)))));
        }
        Ok(found)
    }

    /// The addresses under which a device is searched: (`ip` or `mac`, value), sorted.
    pub fn device_addresses(&mut self, device: DeviceId) -> Result<Vec<(String, String)>, Fault> {
        let rows = self.rows("SELECT kind, value FROM device_address WHERE device = ?1 ORDER BY kind, value", &[V::U(device.0)])?;
        let mut all = rows.iter().map(|r| Ok((r.text(0)?.to_owned(), r.text(1)?.to_owned()))).collect::<Result<Vec<_>, Fault>>()?;
        all.sort();
        Ok(all)
    }

    /// The logins under which a device is searched, sorted.
    pub fn device_logins(&mut self, device: DeviceId) -> Result<Vec<String>, Fault> {
        let rows = self.rows("SELECT name FROM device_login WHERE device = ?1", &[V::U(device.0)])?;
        let mut all = rows.iter().map(|r| Ok(r.text(0)?.to_owned())).collect::<Result<Vec<_>, Fault>>()?;
        all.sort();
        Ok(all)
    }
}

impl Tx {
    /// Locks devices for an act of identity and counts their inventories' number up, so that an inventory worked out before
    /// is worked out again.
    pub fn devices_fence(&mut self, devices: &[DeviceId]) -> Result<(), Fault> {
        let mut sorted = devices.to_vec();
        sorted.sort_unstable();
        for device in sorted {
            let sql = "UPDATE device SET inventory_no = inventory_no + 1, version = version + 1 WHERE id = ?1";
            self.fenced(1, sql, &[V::U(device.0)])?;
        }
        Ok(())
    }

    /// Gives agents of a device to another, with their history. The command is run again when one has gone elsewhere meanwhile.
    pub fn agents_move(&mut self, from: DeviceId, to: DeviceId, agents: &[AgentId]) -> Result<(), Fault> {
        let mut sorted = agents.to_vec();
        sorted.sort_unstable();
        for agent in sorted {
            let p = [V::U(agent.0), V::U(from.0), V::U(to.0)];
            self.fenced(1, "UPDATE agent SET device = ?3, version_no = version_no + 1 WHERE id = ?1 AND device = ?2", &p)?;
            self.send("UPDATE history SET device = ?3 WHERE device = ?2 AND agent = ?1", &p)?;
            self.after(Hint { topic: Topic::Agent, id: Some(agent.0), org: None });
        }
        Ok(())
    }

    /// Hides a device that has become part of another, or shows it again.
    pub fn device_merged(&mut self, org: OrgId, id: DeviceId, into: Option<DeviceId>) -> Result<(), Fault> {
        let before = self.one("SELECT merged_into FROM device WHERE id = ?1 AND org = ?2", &[V::U(id.0), V::U(org.0)])?;
        let before = before.map_or(Ok(None), |row| row.opt_id(0))?.map(DeviceId);
        let other = into.or(before);
        let into: Option<uuid::Uuid> = into.map(|d| d.0);
        self.send("UPDATE device SET merged_into = ?3 WHERE id = ?1 AND org = ?2", &[V::U(id.0), V::U(org.0), into.into()])?;
        self.groups_merged(org, id, other, into.is_some())?;
        self.redrawn(id);
        self.after(Hint { topic: Topic::Device, id: Some(id.0), org: Some(org.0) });
        Ok(())
    }

    /// When a device was first heard of; a parted one is as old as its agents.
    pub fn device_first_seen(&mut self, id: DeviceId, at: Timestamp) -> Result<(), Fault> {
        self.send("UPDATE device SET first_seen = ?2 WHERE id = ?1", &[V::U(id.0), at.0.into()])
    }

    /// A name that a person gives a device.
    pub fn device_named(&mut self, id: DeviceId, name: &str) -> Result<(), Fault> {
        self.redrawn(id);
        self.send("UPDATE device SET given_name = ?2, name = ?2 WHERE id = ?1", &[V::U(id.0), name.into()])
    }

    /// Writes what a device becomes when it is drawn from its agents anew.
    pub fn device_rebuild(&mut self, r: &Rebuilt) -> Result<(), Fault> {
        let now: BTreeMap<i64, (&Software, Timestamp)> = r.software.iter().map(|(s, since)| (s.id(), (s, *since))).collect();
        let gone = r.software_before.iter().filter(|s| !now.contains_key(&s.id())).cloned().collect();
        let searched = DeviceWrite {
            searched: Some((r.summary.clone(), r.logins.clone())),
            software_added: now.values().map(|(s, _)| (*s).clone()).collect(),
            software_is_news: false,
            software_removed: gone,
            software_count: None,
        };
        let nobody = AgentId(uuid::Uuid::nil());
        let of = Whose { org: r.org, device: r.device, agent: nobody, at: Timestamp(0), history: nobody.0 };
        self.device_searched(&of, &searched)?;
        for (id, (_, since)) in now.iter().filter(|(_, (_, since))| since.0 > 0) {
            let sql = "UPDATE device_software SET since = ?3 WHERE software = ?1 AND device = ?2";
            self.send(sql, &[(*id).into(), V::U(r.device.0), since.0.into()])?;
        }
        let agent: Option<uuid::Uuid> = r.shown.as_ref().map(|s| s.0.0);
        self.send(
            "UPDATE device SET agent = ?2, protocol = ?3, agent_version = ?4, verified = ?5, last_inventory = ?6, last_contact = ?7, \
             software_count = ?8 WHERE id = ?1",
            &[
                V::U(r.device.0),
                agent.into(),
                r.shown.as_ref().map(|s| s.1).into(),
                r.shown.as_ref().and_then(|s| s.2.as_deref()).into(),
                r.verified.into(),
                r.last_inventory.map_or(0, |t| t.0).into(),
                r.last_contact.map_or(0, |t| t.0).into(),
                r.software_count.into(),
            ],
        )?;
        self.redrawn(r.device);
        self.after(Hint { topic: Topic::Device, id: Some(r.device.0), org: Some(r.org.0) });
        Ok(())
    }

    /// Notes two devices that may be one. A pair that is known gets the new points; what a person said of it stays.
    pub fn candidate_note(&mut self, c: &DoubleCandidate) -> Result<(), Fault> {
        self.send(
            "INSERT INTO candidate (id, org, at, kind, a, b, points, evidence, state, reason, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
             ON CONFLICT (a, b, kind) DO UPDATE SET points = excluded.points, evidence = excluded.evidence, reason = excluded.reason",
            &[
                V::U(c.id.0),
                V::U(c.org.0),
                c.at.0.into(),
                c.kind.as_str().into(),
                V::U(c.devices.0.0),
                V::U(c.devices.1.0),
                i64::from(c.points).into(),
                text(&c.evidence)?.into(),
                c.state.as_str().into(),
                text(&c.reason)?.into(),
                c.note.as_deref().into(),
            ],
        )
    }

    /// Says what became of a candidate.
    pub fn candidate_state(&mut self, id: CandidateId, state: CandidateState, note: Option<&str>, at: Timestamp) -> Result<(), Fault> {
        let sql = "UPDATE candidate SET state = ?2, note = ?3, at = ?4 WHERE id = ?1";
        self.send(sql, &[V::U(id.0), state.as_str().into(), note.into(), at.0.into()])
    }

    /// Forgets a candidate whose reason is gone.
    pub fn candidate_forget(&mut self, id: CandidateId) -> Result<(), Fault> {
        self.send("DELETE FROM candidate WHERE id = ?1", &[V::U(id.0)])
    }

    /// Adds an entry to the log of identity.
    pub fn identity_log_insert(&mut self, e: &IdentityEntry) -> Result<(), Fault> {
        let doc = Doc { from: e.from.clone(), to: e.to.clone(), reason: e.reason.clone() };
        let id = |device: &Option<NamedDevice>| device.as_ref().map(|d| d.id.0);
        self.send(
            "INSERT INTO identity_log (id, org, at, actor, act, source, target, agents, doc, undone) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0)",
            &[
                V::U(e.id.0),
                V::U(e.org.0),
                e.at.0.into(),
                (&e.actor).into(),
                e.act.as_str().into(),
                id(&e.from).into(),
                id(&e.to).into(),
                text(&e.agents)?.into(),
                text(&doc)?.into(),
            ],
        )
    }

    /// Marks an entry as taken back; the command is run again when somebody else did so meanwhile.
    pub fn identity_undone(&mut self, id: IdentityLogId) -> Result<(), Fault> {
        self.fenced(1, "UPDATE identity_log SET undone = 1 WHERE id = ?1 AND undone = 0", &[V::U(id.0)])
    }

    /// Gives an agent another DEVICEID.
    pub fn agent_renamed(&mut self, agent: AgentId, foreign_id: &str, claim: i64) -> Result<(), Fault> {
        self.send("UPDATE agent SET foreign_id = ?2, claim = ?3 WHERE id = ?1", &[V::U(agent.0), foreign_id.into(), claim.into()])
    }
}
