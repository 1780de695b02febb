//! Programs across the fleet: the dictionary, who has what, what came when, and how many devices have a program.
//!
//! The dictionary is shared by all organizations; what a caller is told is always counted over the devices of his own. Writing
//! what a device has is part of an inventory.

use crate::fault::Fault;
use crate::list::{List, Order};
use crate::unit::{Rx, Tx};
use crate::value::{Row, V};
use muster_core::ids::{DeviceId, OrgId};
use muster_core::limits::{APPEARED_ROWS_MAX, FLEET_COUNTED_MAX, PROGRAM_VERSIONS_MAX};
use muster_core::page::{Page, PageRequest};
use muster_core::software::{Appeared, Holder, Program, ProgramEntry, Tally};
use muster_core::time::Timestamp;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a list of programs is narrowed by.
#[derive(Clone, Debug, Default)]
pub struct ProgramFilter {
    /// Text in name or publisher.
    pub q: Option<String>,
    /// Any of these names, exactly but for the case of ASCII letters.
    pub names: Vec<String>,
    /// This publisher.
    pub publisher: Option<String>,
}

/// How many devices of an organization have an entry of the dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryCount {
    /// Whose devices.
    pub org: OrgId,
    /// The entry.
    pub entry: ProgramEntry,
    /// How many.
    pub devices: i64,
}

/// Where the progress of counting is kept.
const TALLY: &str = "program_tally";
/// Characters of a program's searched text.
const SEARCH_CHARS_MAX: usize = 400;

fn entry(row: &Row, i: usize) -> Result<ProgramEntry, Fault> {
    Ok(ProgramEntry {
        id: row.int(i)?,
        name: row.text(i + 1)?.to_owned(),
        version: row.text(i + 2)?.to_owned(),
        publisher: row.text(i + 3)?.to_owned(),
        arch: row.text(i + 4)?.to_owned(),
    })
}

fn program(row: &Row) -> Result<Program, Fault> {
    Ok(Program {
        org: row.id(0)?.into(),
        name: row.text(1)?.to_owned(),
        publisher: row.text(2)?.to_owned(),
        versions: row.int(3)?,
        newest: row.text(4)?.to_owned(),
        devices: row.int(5)?,
        first: Timestamp(row.int(6)?),
        print: row.int(7)?,
    })
}

/// 'It is one of these entries', to be put behind a column: one parameter, so that the text is the same for any number.
pub(crate) fn among(postgres: bool) -> &'static str {
    if postgres { "= ANY({}::bigint[])" } else { "IN (SELECT x.value FROM json_each({}) x)" }
}

/// The parameter of [`among`].
pub(crate) fn ids(entries: &[i64], postgres: bool) -> V {
    if postgres { V::Is(entries.iter().map(|id| Some(*id)).collect()) } else { format!("{entries:?}").into() }
}

fn only(list: &mut List, entries: &[i64], postgres: bool) {
    list.filter(&format!("y.software {}", among(postgres)), ids(entries, postgres));
}

fn fold(column: &str, postgres: bool) -> String {
    if postgres { format!("lower({column} COLLATE \"C\")") } else { format!("lower({column})") }
}

/// The tables of 'who has it': without those of other organizations where there are none.
fn held(sole: bool) -> &'static str {
    if sole { "device_software y" } else { "device_software y JOIN device d ON d.id = y.device" }
}

impl Rx {
    /// The organization, when there is one only.
    fn sole_org(&mut self) -> Result<Option<OrgId>, Fault> {
        match self.rows("SELECT id FROM org LIMIT 2", &[])?.as_slice() {
            [one] => Ok(Some(one.id(0)?.into())),
            _ => Ok(None),
        }
    }

    /// The entries of the dictionary with a name, whatever the case of its ASCII letters; the first
    /// [`PROGRAM_VERSIONS_MAX`] of them. Entries of other organizations are among them.
    pub fn program_entries(&mut self, name: &str) -> Result<Vec<ProgramEntry>, Fault> {
        let mut list = List::new("s.id, s.name, s.version, s.publisher, s.arch", "software s");
        let condition = format!("{} = {{}}", fold("s.name", self.is_postgres()));
        list.filter(&condition, name.to_ascii_lowercase());
        list.all(self, "s.id", PROGRAM_VERSIONS_MAX, |row| entry(row, 0))
    }

    /// How many devices of an organization have each of these entries; entries that none has are left out.
    pub fn entry_counts(&mut self, org: OrgId, entries: &[i64]) -> Result<BTreeMap<i64, i64>, Fault> {
        let sole = self.sole_org()?.is_some();
        let mut counts = BTreeMap::new();
        for chunk in entries.chunks(1_000) {
            let mut list = List::new("", "");
            only(&mut list, chunk, self.is_postgres());
            if !sole {
                list.filter("d.org = {}", org.0);
            }
            let sql = format!("SELECT y.software, count(*) FROM {} WHERE {} GROUP BY y.software", held(sole), list.joined());
            for row in self.rows_dyn(&sql, &list.into_params())? {
                counts.insert(row.int(0)?, row.int(1)?);
            }
        }
        Ok(counts)
    }

    /// Devices that have any of these entries, in the order of entry and device, behind `after` (a device of the one entry that
    /// is asked for), at most `limit`.
    pub fn entry_holders(&mut self, org: OrgId, entries: &[i64], after: Option<DeviceId>, limit: usize) -> Result<Vec<Holder>, Fault> {
        let mut list = List::new("y.software, y.since, d.id, d.name, d.os, d.last_inventory", held(false));
        only(&mut list, entries, self.is_postgres());
        list.filter("d.org = {}", org.0);
        if let Some(after) = after {
            list.filter("y.device > {}", after.0);
        }
        let instant = |ms: i64| Some(Timestamp(ms)).filter(|at| at.0 > 0);
        list.all(self, "y.software, y.device", limit, |row| {
            Ok(Holder {
                entry: row.int(0)?,
                since: instant(row.int(1)?),
                device: row.id(2)?.into(),
                name: row.text(3)?.to_owned(),
                os: row.opt_text(4)?.map(str::to_owned),
                last_inventory: row.opt_int(5)?.and_then(instant),
            })
        })
    }

    /// Programs that came to devices from `since` until before `until`, and since when that is true: arrivals beyond
    /// [`APPEARED_ROWS_MAX`] are left out, the oldest first.
    pub fn programs_appeared(
        &mut self,
        org: OrgId,
        since: Timestamp,
        until: Timestamp,
        q: Option<&str>,
    ) -> Result<(Vec<Appeared>, Timestamp), Fault> {
        let since = Timestamp(since.0.max(1));
        let beyond =
            "SELECT since FROM device_software WHERE since > 0 AND since >= ?1 AND since < ?2 ORDER BY since DESC LIMIT 1 OFFSET ?3";
        let skipped = i64::try_from(APPEARED_ROWS_MAX).unwrap_or(i64::MAX);
        let beyond = self.one(beyond, &[since.0.into(), until.0.into(), skipped.into()])?;
        let reach = beyond.map_or(Ok(since), |row| row.int(0).map(|ms| Timestamp(ms + 1)))?;
        let (sole, postgres) = (self.sole_org()?.is_some(), self.is_postgres());
        let mut list = List::new("", "");
        list.condition("y.since > 0");
        list.filter("y.since >= {}", reach.0);
        list.filter("y.since < {}", until.0);
        if !sole {
            list.filter("d.org = {}", org.0);
        }
        let came = format!(
            "SELECT y.software AS software, count(*) AS n, min(y.since) AS first, max(y.since) AS last FROM {} WHERE {} GROUP BY y.software",
            held(sole),
            list.joined()
        );
        let narrowed = q.map(|q| {
            let name = list.param(q.to_ascii_lowercase());
            format!(" WHERE {}({}, {name}) > 0", if postgres { "strpos" } else { "instr" }, fold("s.name", postgres))
        });
        let sql = format!(
            "SELECT s.id, s.name, s.version, s.publisher, s.arch, a_.n, a_.first, a_.last FROM ({came}) a_ JOIN software s ON s.id = a_.software{}",
            narrowed.unwrap_or_default()
        );
        let read = |row: &Row| {
            Ok(Appeared { entry: entry(row, 0)?, devices: row.int(5)?, first: Timestamp(row.int(6)?), last: Timestamp(row.int(7)?) })
        };
        let rows = self.rows_dyn(&sql, &list.into_params())?;
        Ok((rows.iter().map(read).collect::<Result<_, Fault>>()?, reach))
    }

    /// When a program of this name was first seen in an organization; none when it was not counted yet.
    pub fn program_first_seen(&mut self, org: OrgId, name: &str) -> Result<Option<Timestamp>, Fault> {
        let sql = "SELECT min(first_seen) FROM program WHERE name = ?1 AND org = ?2";
        Ok(self.one(sql, &[name.into(), V::U(org.0)])?.map_or(Ok(None), |row| row.opt_int(0))?.map(Timestamp))
    }

    /// Since when any device of an organization has any of these entries; 0 when a first inventory told one.
    pub fn first_arrival(&mut self, org: OrgId, entries: &[i64]) -> Result<Timestamp, Fault> {
        let mut list = List::new("", "");
        only(&mut list, entries, self.is_postgres());
        list.filter("d.org = {}", org.0);
        let sql = format!("SELECT coalesce(min(y.since), 0) FROM {} WHERE {}", held(false), list.joined());
        self.rows_dyn(&sql, &list.into_params())?.first().map_or(Ok(Timestamp(0)), |row| row.int(0).map(Timestamp))
    }

    /// The programs with names behind `after` up to `upto` (none: to the end) as they were counted before.
    pub fn programs_known(&mut self, after: &str, upto: Option<&str>) -> Result<Vec<Program>, Fault> {
        let columns = "p.org, p.name, p.publisher, p.versions, p.newest, p.devices, p.first_seen, p.print";
        let mut list = List::new(columns, "program p");
        list.filter("p.name > {}", after);
        if let Some(upto) = upto {
            list.filter("p.name <= {}", upto);
        }
        list.all(self, "p.id", usize::MAX >> 1, program)
    }

    /// A page of programs as they were counted last. Sorts: name, devices.
    pub fn programs(&mut self, org: OrgId, filter: &ProgramFilter, page: &PageRequest) -> Result<Page<Program>, Fault> {
        let columns = "p.org, p.name, p.publisher, p.versions, p.newest, p.devices, p.first_seen, p.print";
        let mut list = List::new(columns, "program p").counting_to(FLEET_COUNTED_MAX);
        let postgres = self.is_postgres();
        list.filter("p.org = {}", org.0);
        list.condition("p.devices > 0");
        for part in filter.q.as_deref().unwrap_or_default().to_lowercase().split_whitespace().take(8) {
            list.filter(if postgres { "strpos(p.search, {}) > 0" } else { "instr(p.search, {}) > 0" }, part);
        }
        if !filter.names.is_empty() {
            list.any_of(&fold("p.name", postgres), filter.names.iter().map(|n| n.to_ascii_lowercase()).collect::<Vec<_>>());
        }
        if let Some(publisher) = &filter.publisher {
            list.filter("p.publisher = {}", publisher);
        }
        let column = if page.sort.as_deref() == Some("devices") { "p.devices" } else { "p.search" };
        list.page(self, page, &Order { column, id: "p.id" }, program)
    }

    /// How far the counting of programs has come.
    pub fn tally(&mut self) -> Result<Tally, Fault> {
        let row = self.one("SELECT value FROM meta WHERE key = ?1", &[TALLY.into()])?;
        row.map_or_else(|| Ok(Tally::default()), |row| crate::list::json(&row, 0, "meta", "value"))
    }

    /// The names of programs behind `after`, in order, at most `limit`.
    pub fn program_names(&mut self, after: &str, limit: i64) -> Result<Vec<String>, Fault> {
        let sql = "SELECT DISTINCT name FROM software WHERE name > ?1 ORDER BY name LIMIT ?2";
        self.rows(sql, &[after.into(), limit.into()])?.iter().map(|row| row.text(0).map(str::to_owned)).collect()
    }

    /// How many devices of which organization have each entry with a name behind `after` up to `upto`.
    pub fn entries_held(&mut self, after: &str, upto: &str) -> Result<Vec<EntryCount>, Fault> {
        let named = "SELECT id, name, version, publisher, arch FROM software WHERE name > ?1 AND name <= ?2";
        let rows = self.rows(named, &[after.into(), upto.into()])?;
        let entries: BTreeMap<i64, ProgramEntry> =
            rows.iter().map(|row| Ok((row.int(0)?, entry(row, 0)?))).collect::<Result<_, Fault>>()?;
        let mut list = List::new("", "");
        only(&mut list, &entries.keys().copied().collect::<Vec<_>>(), self.is_postgres());
        let sole = self.sole_org()?;
        let org = if sole.is_some() { "" } else { ", d.org" };
        let sql =
            format!("SELECT y.software, count(*){org} FROM {} WHERE {} GROUP BY y.software{org}", held(sole.is_some()), list.joined());
        let mut counts = Vec::new();
        for row in self.rows_dyn(&sql, &list.into_params())? {
            let org = sole.map_or_else(|| row.id(2).map(OrgId), Ok)?;
            let found = entries.get(&row.int(0)?).cloned();
            let devices = row.int(1)?;
            counts.extend(found.map(|entry| EntryCount { org, entry, devices }));
        }
        Ok(counts)
    }

    /// How many devices of an organization have any of these entries.
    pub fn devices_holding(&mut self, org: OrgId, entries: &[i64]) -> Result<i64, Fault> {
        let sole = self.sole_org()?.is_some();
        let mut list = List::new("", "");
        only(&mut list, entries, self.is_postgres());
        if !sole {
            list.filter("d.org = {}", org.0);
        }
        let sql = format!("SELECT count(DISTINCT y.device) FROM {} WHERE {}", held(sole), list.joined());
        self.rows_dyn(&sql, &list.into_params())?.first().map_or(Ok(0), |row| row.int(0))
    }
}

fn program_id(p: &Program) -> Uuid {
    let mut hasher = blake3::Hasher::new();
    for part in [p.org.0.as_bytes().as_slice(), p.name.as_bytes(), p.publisher.as_bytes()] {
        hasher.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
        hasher.update(part);
    }
    Uuid::from_bytes(hasher.finalize().as_bytes()[..16].try_into().expect("a hash has 32 bytes"))
}

impl Tx {
    /// Writes how many devices have the programs with names behind `after` up to `upto` (none: to the end); the others between
    /// have none any more, since `now`. Gives whether anything was new.
    pub fn programs_counted(&mut self, counted: &[Program], after: &str, upto: Option<&str>, now: Timestamp) -> Result<bool, Fault> {
        // In the order of ids, so that two nodes that count at once cannot block each other.
        let mut all: BTreeMap<Uuid, Program> = counted.iter().map(|p| (program_id(p), p.clone())).collect();
        for known in self.programs_known(after, upto)? {
            let id = program_id(&known);
            match all.get_mut(&id) {
                None if known.devices > 0 => drop(all.insert(id, Program { devices: 0, print: 0, ..known })),
                None => {}
                Some(now) => {
                    now.first = known.first;
                    if *now == known {
                        all.remove(&id);
                    }
                }
            }
        }
        for (id, p) in &all {
            self.program_write(*id, p, now)?;
        }
        Ok(!all.is_empty())
    }

    fn program_write(&mut self, id: Uuid, p: &Program, now: Timestamp) -> Result<(), Fault> {
        let search: String = format!("{} {}", p.name, p.publisher).to_lowercase().chars().take(SEARCH_CHARS_MAX).collect();
        self.send(
            "INSERT INTO program (id, org, name, publisher, search, versions, newest, devices, first_seen, print, gone) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (id) DO UPDATE SET versions = excluded.versions, \
             newest = excluded.newest, devices = excluded.devices, print = excluded.print, gone = excluded.gone",
            &[
                V::U(id),
                V::U(p.org.0),
                (&p.name).into(),
                (&p.publisher).into(),
                search.into(),
                p.versions.into(),
                (&p.newest).into(),
                p.devices.into(),
                p.first.0.into(),
                p.print.into(),
                (p.devices == 0).then_some(now.0).into(),
            ],
        )
    }

    /// Notes how far the counting of programs has come.
    pub fn tally_note(&mut self, tally: &Tally) -> Result<(), Fault> {
        let text = serde_json::to_string(tally).map_err(|e| Fault::Db(e.to_string()))?;
        self.send(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            &[TALLY.into(), text.into()],
        )
    }
}
