//! A query selects the same devices here, on SQLite and on PostgreSQL.

use super::house::{HERE, NOW, THERE, id, inventory, new_agent, orgs, put, read, write};
use super::world::{World, on_all};
use crate::inline::Dice;
use crate::{InventoryWrite, Software};
use muster_core::fleet::{DeviceFacts, Protocol, Summary};
use muster_core::ids::DeviceId;
use muster_core::query::{Field, Kind, Literal, Op, Query, kind};

on_all! {
    random_queries_select_the_same_as_the_evaluator
    the_deepest_query_runs
}

const FIELDS: [Field; 17] = [
    Field::Name,
    Field::Tag,
    Field::Os,
    Field::OsFamily,
    Field::Manufacturer,
    Field::Model,
    Field::Serial,
    Field::Uuid,
    Field::Protocol,
    Field::AgentVersion,
    Field::Cpu,
    Field::MemoryMb,
    Field::SoftwareCount,
    Field::Verified,
    Field::Ip,
    Field::Mac,
    Field::Software,
];
/// Texts that differ where databases do: case, folding, composition, patterns, quotes, length in bytes.
const TEXTS: [&str; 20] =
    ["", "a", "A", "aa", "ab", "b", "ä", "Ä", "a\u{308}", "ß", "日本", "日", "😀", "%", "_", "a%", "it's", "?1", " ", "\\"];
const ADDRESSES: [&str; 6] = ["10.0.0.1", "10.0.0.10", "fe80::1", "aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02", "a"];
const NUMBERS: [i64; 6] = [i64::MIN, -1, 0, 1, 2, i64::MAX];

fn one_of<T: Copy>(dice: &mut Dice, all: &[T]) -> T {
    all[usize::try_from(dice.below(all.len() as u64)).unwrap()]
}

fn some<T>(dice: &mut Dice, value: impl FnOnce(&mut Dice) -> T) -> Option<T> {
    if dice.below(4) == 0 { None } else { Some(value(dice)) }
}

fn text(dice: &mut Dice) -> String {
    let mut text = one_of(dice, &TEXTS).to_owned();
    if dice.below(3) == 0 {
        text.push_str(one_of(dice, &TEXTS));
    }
    text
}

fn several(dice: &mut Dice, all: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = (0..dice.below(4)).map(|_| one_of(dice, all).to_owned()).collect();
    found.sort();
    found.dedup();
    found
}

fn facts(dice: &mut Dice) -> DeviceFacts {
    let shown = some(dice, |dice| (one_of(dice, &Protocol::ALL), some(dice, text)));
    let summary = Summary {
        name: Some(text(dice)),
        os: some(dice, text),
        os_family: some(dice, text),
        manufacturer: some(dice, text),
        model: some(dice, text),
        serial: some(dice, text),
        uuid: some(dice, text),
        cpu: some(dice, text),
        memory_mb: some(dice, |dice| one_of(dice, &NUMBERS)),
        // An empty tag is how a person takes the agent's away.
        tag: some(dice, text).filter(|t| !t.is_empty()),
        ips: several(dice, &ADDRESSES),
        macs: several(dice, &ADDRESSES),
        zone: some(dice, text),
    };
    let software: Vec<String> = (0..dice.below(3)).map(|_| text(dice)).collect();
    DeviceFacts {
        software_count: i64::try_from(software.len()).expect("few"),
        summary,
        protocol: shown.as_ref().map(|s| s.0),
        agent_version: shown.as_ref().and_then(|s| s.1.clone()),
        verified: shown.is_some() && dice.below(2) == 0,
        software,
    }
}

fn written(facts: &DeviceFacts) -> InventoryWrite {
    let mut w = inventory(facts.summary.clone());
    w.shown = facts.protocol.map(|p| (p.as_str(), facts.agent_version.clone()));
    let device = w.device_write.as_mut().unwrap();
    device.software_count = i64::try_from(facts.software.len()).ok();
    let entry = |(i, name): (usize, &String)| Software::new(name, &i.to_string(), "", "");
    device.software_added = facts.software.iter().enumerate().map(entry).collect();
    w
}

/// Devices 1 to `count` as the facts say, and a stranger of another organization that has them all.
fn furnish(w: &World, all: &[DeviceFacts]) {
    orgs(w);
    for (n, facts) in (1..).zip(all) {
        let inventory = written(facts);
        let mut agent = new_agent(n + 1000, n, facts.protocol.unwrap_or(Protocol::Ocs));
        agent.verified = facts.verified;
        agent.version.clone_from(&facts.agent_version);
        write(w, move |tx| {
            tx.device_insert(DeviceId(id(n)), HERE, "", NOW)?;
            tx.agent_insert(&agent, NOW)?;
            put(tx, n, NOW, &inventory)
        });
    }
    write(w, |tx| tx.device_insert(DeviceId(id(999)), THERE, "a", NOW));
}

fn query(dice: &mut Dice, depth: u32) -> Query {
    let parts = |dice: &mut Dice| (0..dice.below(4)).map(|_| query(dice, depth - 1)).collect();
    match dice.below(if depth == 0 { 8 } else { 14 }) {
        0 => Query::Has(one_of(dice, &FIELDS)),
        1 if dice.below(4) == 0 => Query::Always(dice.below(2) == 0),
        1..8 => comparison(dice),
        8 | 9 => Query::And(parts(dice)),
        10 | 11 => Query::Or(parts(dice)),
        _ => Query::Not(Box::new(query(dice, depth - 1))),
    }
}

fn comparison(dice: &mut Dice) -> Query {
    let field = one_of(dice, &FIELDS);
    let ordered = [Op::Eq, Op::Lt, Op::Le, Op::Gt, Op::Ge];
    match kind(field) {
        Kind::Flag => Query::Compare(field, Op::Eq, Literal::Flag(dice.below(2) == 0)),
        Kind::Number => Query::Compare(field, one_of(dice, &ordered), Literal::Number(one_of(dice, &NUMBERS))),
        Kind::Text | Kind::Texts => {
            let words = [Op::StartsWith, Op::EndsWith, Op::Contains];
            let op = if dice.below(2) == 0 { one_of(dice, &words) } else { one_of(dice, &ordered) };
            let addressed = matches!(field, Field::Ip | Field::Mac) && dice.below(3) > 0;
            let value = match field {
                Field::Protocol => one_of(dice, &["glpi", "ocs", "o", "s", "muster"]).to_owned(),
                _ if addressed => one_of(dice, &ADDRESSES).to_owned(),
                _ => text(dice),
            };
            Query::Compare(field, op, Literal::Text(value))
        }
    }
}

fn selected(w: &World, query: Query) -> Vec<u128> {
    let ids = read(w, move |rx| rx.device_ids(HERE, Some(&query), &[], false));
    ids.iter().map(|d| d.0.as_u128()).collect()
}

fn random_queries_select_the_same_as_the_evaluator(w: &World) {
    let dice = &mut Dice(11);
    let all: Vec<DeviceFacts> = (0..40).map(|_| facts(dice)).collect();
    furnish(w, &all);
    let (mut some, mut simple) = (0, Vec::new());
    for field in FIELDS {
        simple.push(Query::Has(field));
        simple.extend((0..12).map(|_| comparison(dice)));
    }
    for query in simple.into_iter().chain((0..500).map(|_| query(dice, 3))) {
        let expected: Vec<u128> = (1..).zip(&all).filter(|(_, facts)| query.matches(*facts)).map(|(n, _)| n).collect();
        some += usize::from(!expected.is_empty() && expected.len() < all.len());
        let found = selected(w, query.clone());
        let odd = (1..).zip(&all).find(|(n, _)| expected.contains(n) != found.contains(n));
        assert!(found == expected, "{query:?} selects {found:?}, not {expected:?}; for instance {odd:?}");
    }
    assert!(some > 200, "only {some} queries tell devices apart");
}

fn the_deepest_query_runs(w: &World) {
    furnish(w, &[DeviceFacts { summary: Summary { name: Some("a".to_owned()), ..Summary::default() }, ..DeviceFacts::default() }]);
    let nested = |depth: usize| format!("{}name == 'a'{}", "!(tag == 'x' || ".repeat(depth), ")".repeat(depth));
    let chained = |with: &str| vec!["name == 'a'"; 99].join(with);
    let deepest = (1..=66).rev().find_map(|depth| Query::parse(&nested(depth)).ok()).unwrap();
    for query in [deepest, Query::parse(&chained(" && ")).unwrap(), Query::parse(&chained(" || ")).unwrap()] {
        let facts = DeviceFacts { summary: Summary { name: Some("a".to_owned()), ..Summary::default() }, ..DeviceFacts::default() };
        let expected: &[u128] = if query.matches(&facts) { &[1] } else { &[] };
        assert_eq!(selected(w, query), expected);
    }
}
