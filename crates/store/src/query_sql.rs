//! Queries over devices as SQL; must select the same devices as `muster_core::query::Query::matches`.

use crate::list::List;
use muster_core::query::{Field, Literal, Op, Query};

/// A condition on the alias `d` of table `device`.
pub(crate) fn condition(list: &mut List, query: &Query, postgres: bool) -> String {
    match query {
        Query::Always(true) => "1 = 1".to_owned(),
        Query::Always(false) => "1 = 0".to_owned(),
        Query::And(all) => joined(list, all, " AND ", "1 = 1", postgres),
        Query::Or(any) => joined(list, any, " OR ", "1 = 0", postgres),
        Query::Not(inner) => format!("NOT ({})", condition(list, inner, postgres)),
        Query::Has(field) => any(*field, "1 = 1", postgres),
        Query::Compare(field, op, literal) => compare(list, *field, *op, literal, postgres),
    }
}

fn joined(list: &mut List, parts: &[Query], with: &str, none: &str, postgres: bool) -> String {
    if parts.is_empty() {
        return none.to_owned();
    }
    // PostgreSQL goes through the parts of an OR as they are written, and stops where the answer is known.
    let mut parts: Vec<&Query> = parts.iter().collect();
    parts.sort_by_key(|q| cost(q));
    parts.iter().map(|q| format!("({})", condition(list, q, postgres))).collect::<Vec<_>>().join(with)
}

/// What asking it of one more device takes: columns are at hand, holders of programs are gathered once, addresses are looked up.
fn cost(query: &Query) -> u8 {
    if query.asks(Field::Ip) || query.asks(Field::Mac) { 2 } else { u8::from(query.asks(Field::Software)) }
}

fn column(field: Field) -> &'static str {
    match field {
        Field::Name => "d.name",
        Field::Tag => "d.tag",
        Field::Os => "d.os",
        Field::OsFamily => "d.os_family",
        Field::Manufacturer => "d.manufacturer",
        Field::Model => "d.model",
        Field::Serial => "d.serial",
        Field::Uuid => "d.uuid",
        Field::Protocol => "d.protocol",
        Field::AgentVersion => "d.agent_version",
        Field::Cpu => "d.cpu",
        Field::MemoryMb => "d.memory_mb",
        Field::SoftwareCount => "d.software_count",
        Field::Verified => "d.verified",
        Field::Ip | Field::Mac => "x.value",
        Field::Software => "s.name",
    }
}

/// Wraps a condition on the many values of a field.
fn any(field: Field, inner: &str, postgres: bool) -> String {
    match field {
        Field::Ip => format!("EXISTS (SELECT 1 FROM device_address x WHERE x.device = d.id AND x.kind = 'ip' AND {inner})"),
        Field::Mac => format!("EXISTS (SELECT 1 FROM device_address x WHERE x.device = d.id AND x.kind = 'mac' AND {inner})"),
        Field::Software => {
            // Programs first: SQLite would go through the programs of every device otherwise, and keeps the order of a CROSS JOIN.
            // PostgreSQL makes no table of a set that it thinks is large; each device once is as few as there can be.
            let each = if postgres { "DISTINCT " } else { "" };
            format!("d.id IN (SELECT {each}y.device FROM software s CROSS JOIN device_software y WHERE y.software = s.id AND {inner})")
        }
        // NULL would make a denial neither true nor false; missing is false.
        _ => format!("{} IS NOT NULL AND {inner}", column(field)),
    }
}

fn compare(list: &mut List, field: Field, op: Op, literal: &Literal, postgres: bool) -> String {
    let name = match literal {
        Literal::Text(t) => list.param(t.as_str()),
        Literal::Number(n) => list.param(*n),
        Literal::Flag(b) => list.param(*b),
    };
    let column = column(field);
    let bytewise = if postgres && matches!(literal, Literal::Text(_)) { " COLLATE \"C\"" } else { "" };
    let inner = match op {
        Op::Eq => format!("{column} = {name}"),
        Op::Lt => format!("{column}{bytewise} < {name}"),
        Op::Le => format!("{column}{bytewise} <= {name}"),
        Op::Gt => format!("{column}{bytewise} > {name}"),
        Op::Ge => format!("{column}{bytewise} >= {name}"),
        Op::StartsWith => format!("substr({column}, 1, length({name})) = {name}"),
        Op::EndsWith => format!("length({column}) >= length({name}) AND substr({column}, length({column}) - length({name}) + 1) = {name}"),
        Op::Contains if postgres => format!("strpos({column}, {name}) > 0"),
        Op::Contains => format!("(instr({column}, {name}) > 0 OR {name} = '')"),
    };
    any(field, &inner, postgres)
}
