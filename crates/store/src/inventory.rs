//! Inventories: sections as compressed documents, the searched tables, packed history.

use crate::fault::Fault;
use crate::list::List;
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::fleet::{HistoryEntry, SectionHistory, StoredSection, Summary};
use muster_core::ids::{AgentId, DeviceId, OrgId};
use muster_core::inventory::Finding;
use muster_core::limits::INFLATED_BYTES_MAX;
use muster_core::page::{Page, PageRequest};
use muster_core::time::Timestamp;
use std::io::Read as _;
use uuid::Uuid;

/// One program as it is searched. Absent values are empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Software {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Who publishes it.
    pub publisher: String,
    /// For which architecture.
    pub arch: String,
}

impl Software {
    /// The dictionary's id: drawn from the entry itself, so that no look-up is needed before writing.
    fn id(&self) -> i64 {
        let mut hasher = blake3::Hasher::new();
        for part in [&self.name, &self.version, &self.publisher, &self.arch] {
            hasher.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let hash = hasher.finalize();
        i64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has eight bytes"))
    }
}

/// A section whose facts are new.
#[derive(Clone, Debug, PartialEq)]
pub struct SectionWrite {
    /// Its name.
    pub section: String,
    /// Hash of the facts.
    pub hash: [u8; 32],
    /// The facts, canonical JSON.
    pub facts: Vec<u8>,
    /// How many rows.
    pub rows: usize,
}

/// What a device's searched columns and tables become.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceWrite {
    /// Searched columns.
    pub summary: Summary,
    /// Names of the logged-in users.
    pub logins: Vec<String>,
    /// Programs that came.
    pub software_added: Vec<Software>,
    /// Since when the device has those that came; 0 when nobody can tell.
    pub software_since: Timestamp,
    /// Programs that went.
    pub software_removed: Vec<Software>,
    /// How many programs there are; `None` when unchanged.
    pub software_count: Option<i64>,
}

/// Everything one inventory writes.
#[derive(Clone, Debug, PartialEq)]
pub struct InventoryWrite {
    /// Whose.
    pub org: OrgId,
    /// The device.
    pub device: DeviceId,
    /// The agent it came from.
    pub agent: AgentId,
    /// When.
    pub at: Timestamp,
    /// New facts.
    pub sections: Vec<SectionWrite>,
    /// Sections that are gone.
    pub removed: Vec<String>,
    /// New readings (JSON) with their hash; `None` when unchanged.
    pub readings: Option<([u8; 32], Vec<u8>)>,
    /// Searched columns and tables; `None` when unchanged.
    pub device_write: Option<DeviceWrite>,
    /// One packed entry of history; `None` when nothing changed.
    pub history: Option<(Uuid, Vec<SectionHistory>)>,
    /// Oddities of this document.
    pub findings: Vec<Finding>,
    /// The shown agent, when it is this one: protocol word and version.
    pub shown: Option<(&'static str, Option<String>)>,
}

fn pack(document: &[u8]) -> Result<Vec<u8>, Fault> {
    zstd::bulk::compress(document, 3).map_err(|e| Fault::Db(format!("a document could not be compressed: {e}")))
}

pub(crate) fn unpack(packed: &[u8], table: &'static str, column: &'static str) -> Result<Vec<u8>, Fault> {
    let corrupt = |e: std::io::Error| Fault::Corrupt { table, column, row: format!("a document cannot be decompressed: {e}") };
    let mut document = Vec::new();
    let reader = zstd::stream::read::Decoder::with_buffer(packed).map_err(corrupt)?;
    reader.take(INFLATED_BYTES_MAX as u64).read_to_end(&mut document).map_err(corrupt)?;
    Ok(document)
}

/// A packed entry of history that is no JSON of ours.
pub(crate) fn unreadable(e: serde_json::Error) -> Fault {
    Fault::Corrupt { table: "history", column: "doc", row: e.to_string() }
}

fn hash(row: &Row, i: usize) -> Result<[u8; 32], Fault> {
    row.bytes(i)?.try_into().map_err(|_| Fault::Corrupt { table: "agent_section", column: "hash", row: "a hash has 32 bytes".to_owned() })
}

impl Rx {
    /// The sections of agents, without their documents.
    pub fn sections(&mut self, agents: &[AgentId]) -> Result<Vec<StoredSection>, Fault> {
        let mut found = Vec::new();
        for agent in agents {
            let sql = "SELECT section, hash, row_count, changed FROM agent_section WHERE agent = ?1 ORDER BY section";
            for row in self.rows(sql, &[V::U(agent.0)])? {
                found.push(StoredSection {
                    agent: *agent,
                    section: row.text(0)?.to_owned(),
                    hash: hash(&row, 1)?,
                    rows: row.int(2)?,
                    changed: Timestamp(row.int(3)?),
                });
            }
        }
        Ok(found)
    }

    /// The facts of one section (canonical JSON).
    pub fn section_facts(&mut self, agent: AgentId, section: &str) -> Result<Option<Vec<u8>>, Fault> {
        let sql = "SELECT doc FROM agent_section WHERE agent = ?1 AND section = ?2";
        self.one(sql, &[V::U(agent.0), section.into()])?.map(|r| unpack(r.bytes(0)?, "agent_section", "doc")).transpose()
    }

    /// The readings of an agent (a JSON object: section → rows as they came) and their hash.
    pub fn readings(&mut self, agent: AgentId) -> Result<Option<Vec<u8>>, Fault> {
        let row = self.one("SELECT readings FROM agent WHERE id = ?1 AND readings IS NOT NULL", &[V::U(agent.0)])?;
        row.map(|r| unpack(r.bytes(0)?, "agent", "readings")).transpose()
    }

    /// The hash of an agent's readings.
    pub fn readings_hash(&mut self, agent: AgentId) -> Result<Option<[u8; 32]>, Fault> {
        let row = self.one("SELECT readings_hash FROM agent WHERE id = ?1 AND readings_hash IS NOT NULL", &[V::U(agent.0)])?;
        row.map(|r| hash(&r, 0)).transpose()
    }

    /// A device's history, the newest first.
    pub fn history(&mut self, device: DeviceId, section: Option<&str>, page: &PageRequest) -> Result<Page<HistoryEntry>, Fault> {
        let mut list = List::new("id, at, agent, doc", "history");
        list.filter("device = {}", device.0);
        if let Some(section) = section {
            let find = if self.is_postgres() { "strpos(sections, {}) > 0" } else { "instr(sections, {}) > 0" };
            list.filter(find, format!(" {section} "));
        }
        list.newest_first(self, page, "id", |row| {
            let document = unpack(row.bytes(3)?, "history", "doc")?;
            let sections =
                serde_json::from_slice(&document).map_err(|e| Fault::Corrupt { table: "history", column: "doc", row: e.to_string() })?;
            Ok(HistoryEntry { id: row.id(0)?, at: Timestamp(row.int(1)?), agent: row.id(2)?.into(), sections })
        })
    }
}

impl Tx {
    /// Writes all that one inventory changes.
    pub fn inventory_write(&mut self, w: &InventoryWrite) -> Result<(), Fault> {
        for s in &w.sections {
            self.send(
                "INSERT INTO agent_section (agent, section, hash, doc, row_count, changed) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                 ON CONFLICT (agent, section) DO UPDATE SET hash = excluded.hash, doc = excluded.doc, row_count = excluded.row_count, changed = excluded.changed",
                &[
                    V::U(w.agent.0),
                    (&s.section).into(),
                    s.hash.to_vec().into(),
                    pack(&s.facts)?.into(),
                    i64::try_from(s.rows).unwrap_or(i64::MAX).into(),
                    w.at.0.into(),
                ],
            )?;
        }
        for section in &w.removed {
            self.send("DELETE FROM agent_section WHERE agent = ?1 AND section = ?2", &[V::U(w.agent.0), section.into()])?;
        }
        if let Some((hash, readings)) = &w.readings {
            let packed = pack(readings)?;
            self.send(
                "UPDATE agent SET readings = ?2, readings_hash = ?3 WHERE id = ?1",
                &[V::U(w.agent.0), packed.into(), hash.to_vec().into()],
            )?;
        }
        self.send("UPDATE agent SET last_inventory = ?2 WHERE id = ?1", &[V::U(w.agent.0), w.at.0.into()])?;
        if let Some(device) = &w.device_write {
            self.device_searched(w, device)?;
        }
        self.device_inventoried(w)?;
        if let Some((id, sections)) = &w.history {
            let document = serde_json::to_vec(sections).map_err(|e| Fault::Db(e.to_string()))?;
            let names = sections.iter().fold(" ".to_owned(), |names, s| names + &s.section + " ");
            self.send(
                "INSERT INTO history (id, org, device, agent, at, sections, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                &[V::U(*id), V::U(w.org.0), V::U(w.device.0), V::U(w.agent.0), w.at.0.into(), names.into(), pack(&document)?.into()],
            )?;
        }
        self.after(Hint { topic: Topic::Device, id: Some(w.device.0), org: Some(w.org.0) });
        Ok(())
    }

    fn device_inventoried(&mut self, w: &InventoryWrite) -> Result<(), Fault> {
        let findings = serde_json::to_string(&w.findings).map_err(|e| Fault::Db(e.to_string()))?;
        self.send(
            "UPDATE device SET last_inventory = ?2, findings = ?3, finding_count = ?4 WHERE id = ?1",
            &[V::U(w.device.0), w.at.0.into(), findings.into(), i64::try_from(w.findings.len()).unwrap_or(0).into()],
        )?;
        if let Some((protocol, version)) = &w.shown {
            self.send(
                "UPDATE device SET agent = ?2, protocol = ?3, agent_version = ?4, verified = (SELECT min(verified) FROM agent WHERE device = ?1) WHERE id = ?1",
                &[V::U(w.device.0), V::U(w.agent.0), (*protocol).into(), version.as_deref().into()],
            )?;
        }
        Ok(())
    }

    fn device_searched(&mut self, w: &InventoryWrite, d: &DeviceWrite) -> Result<(), Fault> {
        let s = &d.summary;
        let list = |l: &[String]| serde_json::to_string(l).map_err(|e| Fault::Db(e.to_string()));
        let texts = [&s.name, &s.os, &s.manufacturer, &s.model, &s.serial, &s.uuid, &s.tag];
        let (given_name, given_tag) = self.given(w.device)?;
        let texts = texts.into_iter().chain([&given_name, &given_tag]).flatten();
        let search = texts.chain(&s.ips).chain(&s.macs).chain(&d.logins).fold(String::new(), |all, t| all + t + " ");
        self.send(
            "UPDATE device SET name = coalesce(given_name, ?2, name), os = ?3, os_family = ?4, manufacturer = ?5, model = ?6, serial = ?7, uuid = ?8, \
             cpu = ?9, memory_mb = ?10, tag = nullif(coalesce(given_tag, ?11), ''), ips = ?12, macs = ?13, software_count = coalesce(?14, software_count), \
             search = ?15 WHERE id = ?1",
            &[
                V::U(w.device.0),
                s.name.as_deref().into(),
                s.os.as_deref().into(),
                s.os_family.as_deref().into(),
                s.manufacturer.as_deref().into(),
                s.model.as_deref().into(),
                s.serial.as_deref().into(),
                s.uuid.as_deref().into(),
                s.cpu.as_deref().into(),
                s.memory_mb.into(),
                s.tag.as_deref().into(),
                list(&s.ips)?.into(),
                list(&s.macs)?.into(),
                d.software_count.into(),
                search.to_lowercase().into(),
            ],
        )?;
        self.addresses_replace(w.device, s)?;
        self.send("DELETE FROM device_login WHERE device = ?1", &[V::U(w.device.0)])?;
        for name in &d.logins {
            self.send("INSERT INTO device_login (device, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING", &[V::U(w.device.0), name.into()])?;
        }
        self.software_change(w.device, d)
    }

    /// What a person named a device and its tag. Read, and not folded in SQL, because SQLite folds ASCII letters only; locked
    /// on PostgreSQL, so that a name given meanwhile is not lost from the searched text.
    fn given(&mut self, device: DeviceId) -> Result<(Option<String>, Option<String>), Fault> {
        let row = if self.is_postgres() {
            self.one("SELECT given_name, given_tag FROM device WHERE id = ?1 FOR NO KEY UPDATE", &[V::U(device.0)])?
        } else {
            self.one("SELECT given_name, given_tag FROM device WHERE id = ?1", &[V::U(device.0)])?
        };
        let Some(row) = row else { return Ok((None, None)) };
        Ok((row.opt_text(0)?.map(str::to_owned), row.opt_text(1)?.map(str::to_owned)))
    }

    fn addresses_replace(&mut self, device: DeviceId, s: &Summary) -> Result<(), Fault> {
        self.send("DELETE FROM device_address WHERE device = ?1", &[V::U(device.0)])?;
        for (kind, values) in [("ip", &s.ips), ("mac", &s.macs)] {
            for value in values {
                self.send(
                    "INSERT INTO device_address (device, kind, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                    &[V::U(device.0), kind.into(), value.to_lowercase().into()],
                )?;
            }
        }
        Ok(())
    }

    fn software_change(&mut self, device: DeviceId, d: &DeviceWrite) -> Result<(), Fault> {
        for gone in &d.software_removed {
            self.send("DELETE FROM device_software WHERE software = ?1 AND device = ?2", &[gone.id().into(), V::U(device.0)])?;
        }
        // In the order of ids, so that two first inventories cannot block each other in the shared dictionary.
        let mut added: Vec<(i64, &Software)> = d.software_added.iter().map(|s| (s.id(), s)).collect();
        added.sort_unstable_by_key(|(id, _)| *id);
        added.dedup_by_key(|(id, _)| *id);
        if self.is_postgres() {
            return self.software_add_postgres(device, d.software_since, &added);
        }
        for (id, s) in added {
            self.send(
                "INSERT INTO software (id, name, version, publisher, arch) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                &[id.into(), (&s.name).into(), (&s.version).into(), (&s.publisher).into(), (&s.arch).into()],
            )?;
            self.send(
                "INSERT INTO device_software (software, device, since) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                &[id.into(), V::U(device.0), d.software_since.0.into()],
            )?;
        }
        Ok(())
    }

    /// The same in two statements: PostgreSQL pays by the statement.
    fn software_add_postgres(&mut self, device: DeviceId, since: Timestamp, added: &[(i64, &Software)]) -> Result<(), Fault> {
        let texts = |get: fn(&Software) -> &String| V::Ts(added.iter().map(|(_, s)| Some(get(s).clone())).collect());
        let ids = V::Is(added.iter().map(|(id, _)| Some(*id)).collect());
        self.send(
            "INSERT INTO software (id, name, version, publisher, arch) \
             SELECT * FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::text[]) ON CONFLICT DO NOTHING",
            &[ids.clone(), texts(|s| &s.name), texts(|s| &s.version), texts(|s| &s.publisher), texts(|s| &s.arch)],
        )?;
        self.send(
            "INSERT INTO device_software (software, device, since) SELECT x, ?2, ?3 FROM unnest(?1::bigint[]) x ON CONFLICT DO NOTHING",
            &[ids, V::U(device.0), since.0.into()],
        )
    }
}
