//! Programs across the fleet: which there are, who has which version, what appeared, and counting them.

use crate::cx::Cx;
use crate::error::Error;
use muster_core::access::Role;
use muster_core::ids::{DeviceId, OrgId};
use muster_core::inventory::Print;
use muster_core::page::{Cursor, Page, PageRequest, SortValue};
use muster_core::software::{Appeared, Holder, Program, ProgramEntry, ProgramVersion, Tally, row_id};
use muster_core::time::Timestamp;
use muster_core::version;
use muster_store::{EntryCount, ProgramFilter, Rx, Tx};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Which entries of a program are meant. Names, publishers and architectures whatever the case of their ASCII letters.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its publisher.
    pub publisher: Option<String>,
    /// Its architecture.
    pub arch: Option<String>,
    /// One version, as it is written.
    pub version: Option<String>,
    /// Versions from this one.
    pub from: Option<String>,
    /// Versions below this one.
    pub below: Option<String>,
}

impl Wanted {
    fn has(&self, entry: &ProgramEntry) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w.eq_ignore_ascii_case(is));
        same(&self.publisher, &entry.publisher)
            && same(&self.arch, &entry.arch)
            && self.version.as_deref().is_none_or(|v| v == entry.version)
            && version::within(&entry.version, self.from.as_deref(), self.below.as_deref())
    }
}

/// The ids of the entries that are meant.
pub fn entry_ids(rx: &mut Rx, wanted: &Wanted) -> Result<Vec<i64>, Error> {
    Ok(rx.program_entries(&wanted.name)?.into_iter().filter(|e| wanted.has(e)).map(|e| e.id).collect())
}

/// A page of programs with the number of their devices, and as of when that was counted; none before it was counted at all.
pub fn program_list(rx: &mut Rx, cx: &Cx, filter: &ProgramFilter, page: &PageRequest) -> Result<(Page<Program>, Option<Timestamp>), Error> {
    cx.may_here(Role::Viewer, "listing programs")?;
    Ok((rx.programs(cx.org, filter, page)?, rx.tally()?.as_of))
}

/// Cuts a page out of rows that are all there. `place` gives a row's sort value and id, `order` compares sort values.
fn cut<T>(
    mut rows: Vec<T>,
    page: &PageRequest,
    place: impl Fn(&T) -> (SortValue, Uuid),
    order: impl Fn(&SortValue, &SortValue) -> Ordering,
) -> Page<T> {
    let compare = |a: &(SortValue, Uuid), b: &(SortValue, Uuid)| {
        let upwards = order(&a.0, &b.0).then_with(|| a.1.cmp(&b.1));
        if page.descending { upwards.reverse() } else { upwards }
    };
    rows.sort_by(|a, b| compare(&place(a), &place(b)));
    let total = i64::try_from(rows.len()).ok();
    if let Some(cursor) = &page.cursor {
        let after = (cursor.value.clone(), cursor.id);
        rows.retain(|row| compare(&place(row), &after).is_gt());
    }
    let more = rows.len() > page.limit;
    rows.truncate(page.limit);
    let next = rows.last().filter(|_| more).map(|last| {
        let (value, id) = place(last);
        Cursor { sort: page.order(), value, id }.encode()
    });
    Page { items: rows, next, total }
}

fn by_version(a: &SortValue, b: &SortValue) -> Ordering {
    match (a, b) {
        (SortValue::Text(a), SortValue::Text(b)) => version::compare(a, b),
        _ => Ordering::Equal,
    }
}

fn plainly(a: &SortValue, b: &SortValue) -> Ordering {
    match (a, b) {
        (SortValue::Text(a), SortValue::Text(b)) => a.cmp(b),
        (SortValue::Number(a), SortValue::Number(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

/// A page of the versions of a program that any device has, counted now. Sorted by version.
pub fn version_list(rx: &mut Rx, cx: &Cx, wanted: &Wanted, page: &PageRequest) -> Result<Page<ProgramVersion>, Error> {
    cx.may_here(Role::Viewer, "listing programs")?;
    let mut entries = rx.program_entries(&wanted.name)?;
    entries.retain(|e| wanted.has(e));
    let ids: Vec<i64> = entries.iter().map(|e| e.id).collect();
    let counts = rx.entry_counts(cx.org, &ids)?;
    let counted = |entry: ProgramEntry| counts.get(&entry.id).map(|n| ProgramVersion { entry, devices: *n });
    let rows = entries.into_iter().filter_map(counted).collect();
    let place = |v: &ProgramVersion| (SortValue::Text(v.entry.version.clone()), row_id(v.entry.id));
    Ok(cut(rows, page, place, by_version))
}

/// A page of devices that have any of the wanted versions, sorted by version; within one version by device.
pub fn holder_list(rx: &mut Rx, cx: &Cx, wanted: &Wanted, page: &PageRequest) -> Result<Page<(ProgramEntry, Holder)>, Error> {
    cx.may_here(Role::Viewer, "listing devices")?;
    let mut entries = rx.program_entries(&wanted.name)?;
    entries.retain(|e| wanted.has(e));
    entries.sort_by(|a, b| version::compare(&a.version, &b.version).then_with(|| a.id.cmp(&b.id)));
    if page.descending {
        entries.reverse();
    }
    let ids: Vec<i64> = entries.iter().map(|e| e.id).collect();
    let counts = rx.entry_counts(cx.org, &ids)?;
    let (mut after, mut start) = (None, 0);
    if let Some(Cursor { value: SortValue::Number(entry), id, .. }) = &page.cursor {
        start = ids.iter().position(|have| have == entry).unwrap_or(ids.len());
        after = Some(DeviceId(*id));
    }
    let mut found: Vec<Holder> = Vec::new();
    let mut rest = &ids[start..];
    while found.len() <= page.limit && !rest.is_empty() {
        let need = page.limit + 1 - found.len();
        // Entries of few devices are asked for together, one of many alone: a page costs a few questions whatever it shows.
        let take = if after.is_some() { 1 } else { together(rest, &counts, need) };
        let (part, behind) = rest.split_at(take);
        let limit = if take == 1 { need } else { usize::MAX >> 1 };
        let mut holders = rx.entry_holders(cx.org, part, after.take(), limit)?;
        holders.sort_by_key(|h| part.iter().position(|id| *id == h.entry));
        found.append(&mut holders);
        rest = behind;
    }
    let more = found.len() > page.limit;
    found.truncate(page.limit);
    let next = found.last().filter(|_| more).map(|last| {
        let (sort, value) = (page.order(), SortValue::Number(last.entry));
        Cursor { sort, value, id: last.device.0 }.encode()
    });
    let by_id: BTreeMap<i64, &ProgramEntry> = entries.iter().map(|e| (e.id, e)).collect();
    let with_entry = |holder: Holder| by_id.get(&holder.entry).map(|e| ((*e).clone(), holder));
    Ok(Page { items: found.into_iter().filter_map(with_entry).collect(), next, total: Some(counts.values().sum()) })
}

/// How many of the first entries have together no more than `need` devices; at least one entry.
fn together(entries: &[i64], counts: &BTreeMap<i64, i64>, need: usize) -> usize {
    let mut sum = 0;
    let fits = |id: &&i64| {
        sum += counts.get(*id).and_then(|n| usize::try_from(*n).ok()).unwrap_or(0);
        sum <= need
    };
    entries.iter().take_while(fits).count().max(1)
}

/// Programs that came to devices within a period.
#[derive(Clone, Debug)]
pub struct Appearance {
    /// A page of them, each with whether no device had a program of its name before the period.
    pub page: Page<(Appeared, bool)>,
    /// Since when the answer is true; later than asked for when very much came.
    pub since: Timestamp,
}

/// What came to devices from `since` until before `until`. Sorts: name, devices, first_at, last_at.
pub fn appeared_list(
    rx: &mut Rx,
    cx: &Cx,
    since: Timestamp,
    until: Timestamp,
    q: Option<&str>,
    page: &PageRequest,
) -> Result<Appearance, Error> {
    cx.may_here(Role::Viewer, "listing programs")?;
    let (rows, reach) = rx.programs_appeared(cx.org, since, until, q)?;
    let sort = page.sort.clone().unwrap_or_default();
    let place = |a: &Appeared| {
        let value = match sort.as_str() {
            "name" => SortValue::Text(a.entry.name.to_lowercase()),
            "devices" => SortValue::Number(a.devices),
            "first_at" => SortValue::Number(a.first.0),
            _ => SortValue::Number(a.last.0),
        };
        (value, row_id(a.entry.id))
    };
    let Page { items, next, total } = cut(rows, page, place, plainly);
    let mut known: BTreeMap<String, bool> = BTreeMap::new();
    let mut shown = Vec::with_capacity(items.len());
    for row in items {
        let name = &row.entry.name;
        let old = match known.get(name) {
            Some(old) => *old,
            None => rx.program_first_seen(cx.org, name)?.is_some_and(|first| first < since),
        };
        known.insert(name.clone(), old);
        shown.push((row, !old));
    }
    Ok(Appearance { page: Page { items: shown, next, total }, since: reach })
}

/// A part of a round of counting.
#[derive(Clone, Debug)]
pub struct Piece {
    tally: Tally,
    counted: Vec<Program>,
    after: String,
    /// The last name of this piece; none when it is the last piece.
    upto: Option<String>,
}

impl Piece {
    /// How many programs were counted.
    pub fn count(&self) -> usize {
        self.counted.len()
    }

    /// Whether the round goes on.
    pub fn more(&self) -> bool {
        self.upto.is_some()
    }
}

/// Names counted in one question.
const NAMES: usize = 32;
/// Names of one piece at most.
const PIECE_NAMES: usize = 1_024;
/// Rows of 'a device has a program' looked at in one piece, about.
const PIECE_ROWS: i64 = 500_000;

/// Counts the next piece; none when no round is due.
pub fn count_piece(rx: &mut Rx, cx: &Cx) -> Result<Option<Piece>, Error> {
    let mut tally = rx.tally()?;
    if tally.after.is_none() {
        if cx.now < tally.next_round() {
            return Ok(None);
        }
        tally = Tally { after: Some(String::new()), begun: cx.now, spent: 0, changed: false, ..tally };
    }
    let after = tally.after.clone().unwrap_or_default();
    let (mut upto, mut counted) = (after.clone(), Vec::new());
    let (mut named, mut rows) = (0, 0);
    while named < PIECE_NAMES && rows < PIECE_ROWS {
        let names = rx.program_names(&upto, i64::try_from(NAMES).unwrap_or(0))?;
        let Some(last) = names.last() else { return Ok(Some(Piece { tally, counted, after, upto: None })) };
        let held = rx.entries_held(&upto, last)?;
        let known = Known::new(rx.programs_known(&upto, Some(last))?);
        rows += held.iter().map(|h| h.devices).sum::<i64>();
        named += names.len();
        upto.clone_from(last);
        programs(rx, &tally, &known, held, &mut counted)?;
    }
    Ok(Some(Piece { tally, counted, after, upto: Some(upto) }))
}

/// What was counted before.
struct Known(BTreeMap<(OrgId, String, String), Program>);

impl Known {
    fn new(programs: Vec<Program>) -> Self {
        Self(programs.into_iter().map(|p| ((p.org, p.name.clone(), p.publisher.clone()), p)).collect())
    }

    /// When a program of a name was first seen, whoever publishes it.
    fn first(&self, org: OrgId, name: &str) -> Option<Timestamp> {
        let same = self.0.range((org, name.to_owned(), String::new())..).take_while(|(key, _)| key.0 == org && key.1 == name);
        same.map(|(_, p)| p.first).min()
    }
}

/// Puts entries together to programs: all versions of a name and publisher. A program that was not known is first seen when it
/// came to a device, and one that a first inventory told, now; in the first round of all nobody can tell.
fn programs(rx: &mut Rx, tally: &Tally, known: &Known, held: Vec<EntryCount>, counted: &mut Vec<Program>) -> Result<(), Error> {
    let mut groups: BTreeMap<(OrgId, String, String), Vec<EntryCount>> = BTreeMap::new();
    for one in held {
        groups.entry((one.org, one.entry.name.clone(), one.entry.publisher.clone())).or_default().push(one);
    }
    for (key, entries) in groups {
        let versions: BTreeSet<&str> = entries.iter().map(|e| e.entry.version.as_str()).collect();
        let newest = versions.iter().max_by(|a, b| version::compare(a, b)).map_or(String::new(), |v| (*v).to_owned());
        let versions = i64::try_from(versions.len()).unwrap_or(i64::MAX);
        let ids: Vec<i64> = entries.iter().map(|e| e.entry.id).collect();
        let (before, print) = (known.0.get(&key), print(&entries));
        let devices = match (entries.as_slice(), before) {
            ([one], _) => one.devices,
            (_, Some(before)) if before.print == print => before.devices,
            // A device may have several versions at once.
            _ => rx.devices_holding(key.0, &ids)?,
        };
        let first = match (tally.as_of, known.first(key.0, &key.1)) {
            (_, Some(first)) => first,
            (None, None) => Timestamp(0),
            (Some(_), None) => Some(rx.first_arrival(key.0, &ids)?).filter(|at| at.0 > 0).unwrap_or(tally.begun),
        };
        let (org, name, publisher) = key;
        counted.push(Program { org, name, publisher, versions, newest, devices, first, print });
    }
    Ok(())
}

/// A print of entries with their numbers; never 0, which is the print of nothing.
fn print(entries: &[EntryCount]) -> i64 {
    let mut all = Print::default();
    for one in entries {
        all.add(Print::of(format!("{}={}", one.entry.id, one.devices).as_bytes()));
    }
    let bytes = all.to_bytes();
    i64::from_le_bytes(bytes[..8].try_into().expect("a print has sixteen bytes")) | 1
}

/// Writes a piece and how far the round has come; `took` is how long the counting worked, milliseconds.
pub fn count_save(tx: &mut Tx, cx: &Cx, piece: &Piece, took: u64) -> Result<(), Error> {
    let changed = tx.programs_counted(&piece.counted, &piece.after, piece.upto.as_deref(), cx.now)?;
    let mut tally = piece.tally.clone();
    tally.after.clone_from(&piece.upto);
    tally.spent = tally.spent.saturating_add(took);
    tally.changed |= changed;
    if piece.upto.is_none() {
        tally.ended = cx.now;
        tally.as_of = Some(tally.begun);
    }
    Ok(tx.tally_note(&tally)?)
}
