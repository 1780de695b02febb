//! Inventories: sections as compressed documents, the searched tables, packed history.

use crate::fault::Fault;
use crate::list::List;
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::fleet::{HistoryEntry, SectionHistory, StoredSection, Summary};
use muster_core::ids::{AgentId, DeviceId, OrgId};
use muster_core::inventory::{Finding, Keyed, Lines, Print, Row as InventoryRow, row_key, text};
use muster_core::limits::INFLATED_BYTES_MAX;
use muster_core::page::{Page, PageRequest};
use muster_core::time::Timestamp;
use std::cell::RefCell;
use uuid::Uuid;

/// One program as it is searched. Absent values are empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Software {
    /// Its id in the dictionary: drawn from the entry itself, so that no look-up is needed before writing.
    id: i64,
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
    /// A program.
    pub fn new(name: &str, version: &str, publisher: &str, arch: &str) -> Self {
        let mut bytes = Vec::with_capacity(128);
        for part in [name, version, publisher, arch] {
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        let hash = blake3::hash(&bytes);
        let id = i64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has eight bytes"));
        Self { id, name: name.to_owned(), version: version.to_owned(), publisher: publisher.to_owned(), arch: arch.to_owned() }
    }

    /// Its id in the dictionary.
    pub(crate) fn id(&self) -> i64 {
        self.id
    }

    /// The programs of rows of the section `softwares`; one without a name is none.
    pub fn of_rows(rows: &[InventoryRow]) -> Vec<Self> {
        let get = |row, field: &str| text(row, field).unwrap_or("");
        let one = |row| Self::new(get(row, "name"), get(row, "version"), get(row, "publisher"), get(row, "arch"));
        rows.iter().filter(|row| text(row, "name").is_some()).map(one).collect()
    }
}

/// A document packed to be stored. Packing costs, so it is done before the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed(Vec<u8>);

thread_local! {
    static PACKER: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

impl Packed {
    /// Packs a document.
    pub fn new(document: &[u8]) -> Result<Self, Fault> {
        let fault = |e: std::io::Error| Fault::Db(format!("a document could not be compressed: {e}"));
        PACKER.with_borrow_mut(|packer| {
            let packer = match packer {
                Some(packer) => packer,
                None => packer.insert(zstd::bulk::Compressor::new(PACK_LEVEL).map_err(fault)?),
            };
            packer.compress(document).map(Self).map_err(fault)
        })
    }
}

/// Measured on a list of 900 programs: level 3 costs half as much again for a seventh less.
const PACK_LEVEL: i32 = 1;

/// A section whose facts are new.
#[derive(Clone, Debug, PartialEq)]
pub struct SectionWrite {
    /// Its name.
    pub section: String,
    /// Hash of the facts.
    pub hash: [u8; 32],
    /// The facts as lines ([`muster_core::inventory::Lines`]).
    pub doc: Packed,
    /// How many rows.
    pub rows: usize,
    /// Its print, with the form it is of.
    pub print: Print,
    /// The form of the keys, then one key per line; see [`keys_pack`].
    pub keys: Vec<u8>,
}

/// Keys of rows as they are stored: eight bytes that tell the form, eight for each row.
pub fn keys_pack(form: &str, keys: &[u64]) -> Vec<u8> {
    std::iter::once(row_key(form.as_bytes())).chain(keys.iter().copied()).flat_map(u64::to_le_bytes).collect()
}

/// The keys that were stored; none when they are of another form.
fn keys_unpack(form: &str, packed: &[u8]) -> Vec<u64> {
    let (numbers, _) = packed.as_chunks::<8>();
    let mut numbers = numbers.iter().map(|b| u64::from_le_bytes(*b));
    if numbers.next() == Some(row_key(form.as_bytes())) { numbers.collect() } else { Vec::new() }
}

/// What a device's searched columns and tables become.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceWrite {
    /// Searched columns and the names of the logged-in users; `None` when unchanged.
    pub searched: Option<(Summary, Vec<String>)>,
    /// Programs that came.
    pub software_added: Vec<Software>,
    /// Whether they came since the last inventory; of the first list nobody can tell since when they are there.
    pub software_is_news: bool,
    /// Programs that went.
    pub software_removed: Vec<Software>,
    /// How many programs there are; `None` when unchanged.
    pub software_count: Option<i64>,
}

/// Whose inventory it is, and when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The organization.
    pub org: OrgId,
    /// The device.
    pub device: DeviceId,
    /// The agent it came from.
    pub agent: AgentId,
    /// When.
    pub at: Timestamp,
    /// The id of the entry of history, if one is written.
    pub history: Uuid,
}

/// Everything one inventory writes.
#[derive(Clone, Debug, PartialEq)]
pub struct InventoryWrite {
    /// The number of the device's inventory by which the changes were worked out.
    pub fence: i64,
    /// The print of all facts.
    pub facts: Print,
    /// The print of all readings.
    pub readings_print: Print,
    /// New facts.
    pub sections: Vec<SectionWrite>,
    /// Sections that are gone.
    pub removed: Vec<String>,
    /// New readings (JSON); `None` when unchanged.
    pub readings: Option<Packed>,
    /// Searched columns and tables; `None` when unchanged.
    pub device_write: Option<DeviceWrite>,
    /// One packed entry of history; `None` when nothing changed.
    pub history: Option<HistoryWrite>,
    /// Oddities of this document.
    pub findings: Vec<Finding>,
    /// When the device is shown with this agent: its protocol word, and its version if it told one.
    pub shown: Option<(&'static str, Option<String>)>,
}

/// An entry of history to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryWrite {
    sections: String,
    doc: Packed,
}

impl HistoryWrite {
    /// Packs an entry.
    pub fn new(sections: &[SectionHistory]) -> Result<Self, Fault> {
        let document = serde_json::to_vec(sections).map_err(|e| Fault::Db(e.to_string()))?;
        let names = sections.iter().fold(" ".to_owned(), |names, s| names + &s.section + " ");
        Ok(Self { sections: names, doc: Packed::new(&document)? })
    }
}

pub(crate) fn unpack(packed: &[u8], table: &'static str, column: &'static str) -> Result<Vec<u8>, Fault> {
    let corrupt = |what: String| Fault::Corrupt { table, column, row: format!("a document cannot be decompressed: {what}") };
    let size = zstd::zstd_safe::get_frame_content_size(packed).map_err(|e| corrupt(e.to_string()))?;
    let size = size.and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= INFLATED_BYTES_MAX);
    let size = size.ok_or_else(|| corrupt("it tells no size, or one beyond the limit".to_owned()))?;
    UNPACKER.with_borrow_mut(|unpacker| {
        let unpacker = match unpacker {
            Some(unpacker) => unpacker,
            None => unpacker.insert(zstd::bulk::Decompressor::new().map_err(|e| corrupt(e.to_string()))?),
        };
        unpacker.decompress(packed, size).map_err(|e| corrupt(e.to_string()))
    })
}

fn lines(packed: &[u8]) -> Result<Lines, Fault> {
    let document = unpack(packed, "agent_section", "doc")?;
    let corrupt = || Fault::Corrupt { table: "agent_section", column: "doc", row: "the facts are no rows".to_owned() };
    Lines::parse(document).ok_or_else(corrupt)
}

/// Prints have the size of ids and are stored as such.
pub(crate) fn print(print: Print) -> V {
    V::U(Uuid::from_u128_le(print.0))
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
            let sql = "SELECT section, hash, row_count, changed, print FROM agent_section WHERE agent = ?1 ORDER BY section";
            for row in self.rows(sql, &[V::U(agent.0)])? {
                found.push(StoredSection {
                    agent: *agent,
                    section: row.text(0)?.to_owned(),
                    hash: hash(&row, 1)?,
                    rows: row.int(2)?,
                    changed: Timestamp(row.int(3)?),
                    print: row.opt_id(4)?.map(|u| Print(u.to_u128_le())),
                });
            }
        }
        Ok(found)
    }

    /// The facts of one section (canonical JSON).
    pub fn section_facts(&mut self, agent: AgentId, section: &str) -> Result<Option<Vec<u8>>, Fault> {
        let sql = "SELECT doc FROM agent_section WHERE agent = ?1 AND section = ?2";
        self.one(sql, &[V::U(agent.0), section.into()])?.map(|r| Ok(lines(r.bytes(0)?)?.to_array())).transpose()
    }

    /// The facts of one section with the keys of its rows, as far as they are of this form.
    pub fn section_keyed(&mut self, agent: AgentId, section: &str, form: &str) -> Result<Option<Keyed>, Fault> {
        let sql = "SELECT doc, keys FROM agent_section WHERE agent = ?1 AND section = ?2";
        let Some(row) = self.one(sql, &[V::U(agent.0), section.into()])? else { return Ok(None) };
        let keys = row.opt_bytes(1)?.map(|keys| keys_unpack(form, keys)).unwrap_or_default();
        Ok(Some(Keyed { lines: lines(row.bytes(0)?)?, keys }))
    }

    /// The readings of an agent: a JSON object, section → rows as they came.
    pub fn readings(&mut self, agent: AgentId) -> Result<Option<Vec<u8>>, Fault> {
        let row = self.one("SELECT readings FROM agent WHERE id = ?1 AND readings IS NOT NULL", &[V::U(agent.0)])?;
        row.map(|r| unpack(r.bytes(0)?, "agent", "readings")).transpose()
    }

    /// The number of a device's inventory, counted up by every change of what its agents told, and the print of an agent's readings.
    pub fn inventory_stand(&mut self, device: DeviceId, agent: AgentId) -> Result<(i64, Option<Print>), Fault> {
        let sql = "SELECT d.inventory_no, a.readings_print FROM device d LEFT JOIN agent a ON a.id = ?2 WHERE d.id = ?1";
        let Some(row) = self.one(sql, &[V::U(device.0), V::U(agent.0)])? else { return Ok((0, None)) };
        Ok((row.int(0)?, row.opt_id(1)?.map(|u| Print(u.to_u128_le()))))
    }

    /// The tag a device is shown with.
    pub fn device_tag(&mut self, device: DeviceId) -> Result<Option<String>, Fault> {
        let row = self.one("SELECT tag FROM device WHERE id = ?1", &[V::U(device.0)])?;
        row.map_or(Ok(None), |r| Ok(r.opt_text(0)?.map(str::to_owned)))
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
    /// Writes all that one inventory changes. `false` when the agent moved or something else was written meanwhile: then the
    /// command must be undone, and the changes worked out again.
    pub fn inventory_write(&mut self, of: &Whose, w: &InventoryWrite) -> Result<bool, Fault> {
        if !self.device_inventoried(of, w)? || !self.agent_inventoried(of, w)? {
            return Ok(false);
        }
        for s in &w.sections {
            self.send(
                "INSERT INTO agent_section (agent, section, hash, doc, row_count, changed, print, keys) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
                 ON CONFLICT (agent, section) DO UPDATE SET hash = excluded.hash, doc = excluded.doc, row_count = excluded.row_count, \
                 changed = excluded.changed, print = excluded.print, keys = excluded.keys",
                &[
                    V::U(of.agent.0),
                    (&s.section).into(),
                    s.hash.to_vec().into(),
                    s.doc.0.clone().into(),
                    i64::try_from(s.rows).unwrap_or(i64::MAX).into(),
                    of.at.0.into(),
                    print(s.print),
                    s.keys.clone().into(),
                ],
            )?;
        }
        for section in &w.removed {
            self.send("DELETE FROM agent_section WHERE agent = ?1 AND section = ?2", &[V::U(of.agent.0), section.into()])?;
        }
        if let Some(device) = &w.device_write {
            self.device_searched(of, device)?;
        }
        if let Some(h) = &w.history {
            self.send(
                "INSERT INTO history (id, org, device, agent, at, sections, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                &[
                    V::U(of.history),
                    V::U(of.org.0),
                    V::U(of.device.0),
                    V::U(of.agent.0),
                    of.at.0.into(),
                    (&h.sections).into(),
                    h.doc.0.clone().into(),
                ],
            )?;
        }
        self.redrawn(of.device);
        self.after(Hint { topic: Topic::Device, id: Some(of.device.0), org: Some(of.org.0) });
        Ok(true)
    }

    fn agent_inventoried(&mut self, of: &Whose, w: &InventoryWrite) -> Result<bool, Fault> {
        let done = self.exec(
            "UPDATE agent SET last_inventory = ?3, facts_print = ?4, readings_print = ?5, readings = coalesce(?6, readings) \
             WHERE id = ?1 AND device = ?2",
            &[
                V::U(of.agent.0),
                V::U(of.device.0),
                of.at.0.into(),
                print(w.facts),
                print(w.readings_print),
                w.readings.as_ref().map(|p| p.0.as_slice()).into(),
            ],
        )?;
        Ok(done == 1)
    }

    fn device_inventoried(&mut self, of: &Whose, w: &InventoryWrite) -> Result<bool, Fault> {
        let findings = serde_json::to_string(&w.findings).map_err(|e| Fault::Db(e.to_string()))?;
        let count = i64::try_from(w.findings.len()).unwrap_or(0);
        let software = w.device_write.as_ref().and_then(|d| d.software_count);
        let (protocol, version) = w.shown.clone().map_or((None, None), |(protocol, version)| (Some(protocol), version));
        let done = self.exec(
            "UPDATE device SET inventory_no = inventory_no + 1, last_inventory = ?3, findings = ?4, finding_count = ?5, \
             software_count = coalesce(?6, software_count), agent = CASE WHEN ?7 IS NULL THEN agent ELSE ?8 END, protocol = coalesce(?7, protocol), \
             agent_version = CASE WHEN ?7 IS NULL THEN agent_version ELSE coalesce(?9, (SELECT a.version FROM agent a WHERE a.id = ?8)) END, verified = (SELECT min(verified) FROM agent WHERE device = ?1) \
             WHERE id = ?1 AND inventory_no = ?2",
            &[
                V::U(of.device.0),
                w.fence.into(),
                of.at.0.into(),
                findings.into(),
                count.into(),
                software.into(),
                protocol.into(),
                V::U(of.agent.0),
                version.as_deref().into(),
            ],
        )?;
        Ok(done == 1)
    }

    pub(crate) fn device_searched(&mut self, of: &Whose, d: &DeviceWrite) -> Result<(), Fault> {
        if let Some((summary, logins)) = &d.searched {
            self.device_summary(of.device, summary, logins)?;
        }
        self.software_change(of, d)
    }

    fn device_summary(&mut self, device: DeviceId, s: &Summary, logins: &[String]) -> Result<(), Fault> {
        let list = |l: &[String]| serde_json::to_string(l).map_err(|e| Fault::Db(e.to_string()));
        let texts = [&s.name, &s.os, &s.manufacturer, &s.model, &s.serial, &s.uuid, &s.tag];
        let (given_name, given_tag) = self.given(device)?;
        let texts = texts.into_iter().chain([&given_name, &given_tag]).flatten();
        let search = texts.chain(&s.ips).chain(&s.macs).chain(logins).fold(String::new(), |all, t| all + t + " ");
        self.send(
            "UPDATE device SET name = coalesce(given_name, ?2, name), os = ?3, os_family = ?4, manufacturer = ?5, model = ?6, serial = ?7, uuid = ?8, \
             cpu = ?9, memory_mb = ?10, tag = nullif(coalesce(given_tag, ?11), ''), ips = ?12, macs = ?13, search = ?14, zone = ?15 WHERE id = ?1",
            &[
                V::U(device.0),
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
                search.to_lowercase().into(),
                s.zone.as_deref().into(),
            ],
        )?;
        self.addresses_replace(device, s)?;
        self.send("DELETE FROM device_login WHERE device = ?1", &[V::U(device.0)])?;
        for name in logins {
            self.send("INSERT INTO device_login (device, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING", &[V::U(device.0), name.into()])?;
        }
        Ok(())
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

    /// Takes a device out of the searched programs: by the lists of its agents, because a look through the table would take long.
    pub(crate) fn software_forget(&mut self, device: DeviceId) -> Result<(), Fault> {
        for agent in self.agents_of(device)? {
            let Some(facts) = self.section_keyed(agent.id, "softwares", "")? else { continue };
            let mut gone: Vec<i64> = Software::of_rows(&facts.lines.rows()).iter().map(|s| s.id).collect();
            gone.sort_unstable();
            for id in gone {
                self.send("DELETE FROM device_software WHERE software = ?1 AND device = ?2", &[id.into(), V::U(device.0)])?;
            }
        }
        Ok(())
    }

    fn software_change(&mut self, of: &Whose, d: &DeviceWrite) -> Result<(), Fault> {
        let (device, since) = (of.device, if d.software_is_news { of.at } else { Timestamp(0) });
        for gone in &d.software_removed {
            self.send("DELETE FROM device_software WHERE software = ?1 AND device = ?2", &[gone.id.into(), V::U(device.0)])?;
        }
        if d.software_added.is_empty() {
            return Ok(());
        }
        // In the order of ids, so that two first inventories cannot block each other in the shared dictionary.
        let mut added: Vec<&Software> = d.software_added.iter().collect();
        added.sort_unstable();
        added.dedup();
        self.software_learn(&added)?;
        let ids = self.ids(added.iter().map(|s| s.id));
        let sql = if self.is_postgres() {
            "INSERT INTO device_software (software, device, since) SELECT x, ?2, ?3 FROM unnest(?1::bigint[]) x ON CONFLICT DO NOTHING"
        } else {
            // WHERE true, because ON would be taken for that of a join.
            "INSERT INTO device_software (software, device, since) SELECT x.value, ?2, ?3 FROM json_each(?1) x WHERE true ON CONFLICT DO NOTHING"
        };
        self.send(sql, &[ids, V::U(device.0), since.0.into()])
    }

    /// Adds the programs to the dictionary that it has not.
    fn software_learn(&mut self, all: &[&Software]) -> Result<(), Fault> {
        let ids = self.ids(all.iter().map(|s| s.id));
        let sql = if self.is_postgres() {
            "SELECT x FROM unnest(?1::bigint[]) x WHERE NOT EXISTS (SELECT 1 FROM software s WHERE s.id = x)"
        } else {
            "SELECT x.value FROM json_each(?1) x WHERE NOT EXISTS (SELECT 1 FROM software s WHERE s.id = x.value)"
        };
        let unknown = self.rows(sql, &[ids])?;
        let mut unknown = unknown.iter().map(|row| row.int(0)).collect::<Result<Vec<i64>, Fault>>()?;
        unknown.sort_unstable();
        let new: Vec<&Software> = all.iter().filter(|s| unknown.binary_search(&s.id).is_ok()).copied().collect();
        if self.is_postgres() {
            return self.software_insert_postgres(&new);
        }
        new.iter().try_for_each(|s| {
            self.send(
                "INSERT INTO software (id, name, version, publisher, arch) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                &[s.id.into(), (&s.name).into(), (&s.version).into(), (&s.publisher).into(), (&s.arch).into()],
            )
        })
    }

    /// The same in one statement: PostgreSQL pays by the statement.
    fn software_insert_postgres(&mut self, new: &[&Software]) -> Result<(), Fault> {
        if new.is_empty() {
            return Ok(());
        }
        let texts = |get: fn(&Software) -> &String| V::Ts(new.iter().map(|s| Some(get(s).clone())).collect());
        self.send(
            "INSERT INTO software (id, name, version, publisher, arch) \
             SELECT * FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::text[]) ON CONFLICT DO NOTHING",
            &[self.ids(new.iter().map(|s| s.id)), texts(|s| &s.name), texts(|s| &s.version), texts(|s| &s.publisher), texts(|s| &s.arch)],
        )
    }

    /// A list of numbers as each database takes it for a set.
    fn ids(&self, ids: impl Iterator<Item = i64>) -> V {
        if self.is_postgres() {
            return V::Is(ids.map(Some).collect());
        }
        let mut list = "[".to_owned();
        for id in ids {
            if list.len() > 1 {
                list.push(',');
            }
            list.push_str(&id.to_string());
        }
        V::T(list + "]")
    }
}
