//! SQL that people write: read before it is run, so that it asks the published views and does nothing else.
//!
//! Whatever is not known here is refused: statements other than one query, tables that are no view, functions and types that are not
//! on the list. The database runs it in a transaction that only reads, for a bounded time, all the same.

use crate::published::VIEWS;
use muster_core::limits::SQL_BYTES_MAX;
use sqlparser::ast::{Expr, ObjectName, Query, Select, SetExpr, Statement, TableFactor, Value, ValueWithSpan, Visit, Visitor};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Functions that both databases have with the same meaning, and whose answers are no larger than what they are given.
pub const FUNCTIONS: [&str; 30] = [
    "abs",
    "avg",
    "cast",
    "ceil",
    "coalesce",
    "count",
    "dense_rank",
    "first_value",
    "floor",
    "lag",
    "last_value",
    "lead",
    "length",
    "lower",
    "ltrim",
    "max",
    "min",
    "nullif",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "substr",
    "substring",
    "sum",
    "trim",
    "upper",
    "ntile",
];
/// Types that a value may be cast to.
const TYPES: [&str; 8] = ["text", "integer", "int", "bigint", "real", "float", "numeric", "double precision"];

/// A query that may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked(String);

impl Checked {
    /// Reads a query; the error is a sentence: what, which part, what to do.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > SQL_BYTES_MAX {
            return Err(format!("the query has {} bytes; at most {SQL_BYTES_MAX} are taken", text.len()));
        }
        let read = Parser::new(&GenericDialect {}).with_recursion_limit(DEPTH_MAX).try_with_sql(text);
        let statements =
            read.and_then(|mut parser| parser.parse_statements()).map_err(|bad| format!("this is no SQL that is understood: {bad}"))?;
        let [Statement::Query(query)] = &statements[..] else {
            return Err(match statements.len() {
                0 => "the query is empty; write SELECT … FROM devices".to_owned(),
                1 => "only a query that begins with SELECT or WITH is run".to_owned(),
                n => format!("{n} statements; one query is run at a time"),
            });
        };
        let mut check = Check { own: own_names(query), views: VIEWS.iter().map(|view| view.name).collect() };
        match query.visit(&mut check) {
            ControlFlow::Break(why) => Err(why),
            ControlFlow::Continue(()) => Ok(Self(query.to_string())),
        }
    }

    /// The query as it is run.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// How deep a query may nest.
const DEPTH_MAX: usize = 40;

/// Names that the query gives to parts of itself with `WITH`.
fn own_names(query: &Query) -> BTreeSet<String> {
    struct Names(BTreeSet<String>);
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            self.0.extend(query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| cte.alias.name.value.to_lowercase()));
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(BTreeSet::new());
    let _ = query.visit(&mut names);
    names.0
}

struct Check {
    own: BTreeSet<String>,
    views: BTreeSet<&'static str>,
}

type Flow = ControlFlow<String>;

fn refuse(why: impl Into<String>) -> Flow {
    ControlFlow::Break(why.into())
}

/// Whether a body only selects.
fn only_selects(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(_) | SetExpr::Values(_) | SetExpr::Query(_) => true,
        SetExpr::SetOperation { left, right, .. } => only_selects(left) && only_selects(right),
        _ => false,
    }
}

impl Visitor for Check {
    type Break = String;

    fn pre_visit_statement(&mut self, _: &Statement) -> Flow {
        refuse("a query only selects; it changes nothing")
    }

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            return refuse("WITH RECURSIVE is not run");
        }
        if let Some(name) = self.own.iter().find(|name| self.views.contains(name.as_str())) {
            return refuse(format!("'{name}' is a view; give the part of your WITH another name"));
        }
        let plain = query.locks.is_empty() && query.for_clause.is_none() && query.settings.is_none();
        if !only_selects(&query.body) || !plain || query.format_clause.is_some() || !query.pipe_operators.is_empty() {
            return refuse("a query only selects: no INTO, no FOR UPDATE, nothing that changes or locks");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> Flow {
        let odd = select.into.is_some() || select.top.is_some() || !select.lateral_views.is_empty() || !select.connect_by.is_empty();
        if odd || select.qualify.is_some() || select.prewhere.is_some() || !select.optimizer_hints.is_empty() {
            return refuse("only SELECT … FROM … WHERE … GROUP BY … HAVING is run, with ORDER BY and LIMIT");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> Flow {
        let name = relation.to_string().to_lowercase();
        if self.views.contains(name.as_str()) || self.own.contains(&name) {
            return ControlFlow::Continue(());
        }
        let known: Vec<&str> = VIEWS.iter().map(|view| view.name).collect();
        let hint =
            muster_core::nearest::nearest(&name, known.iter().copied()).map_or(String::new(), |near| format!(". Did you mean '{near}'?"));
        refuse(format!("there is no view '{relation}'; there are {}{hint}", known.join(", ")))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Flow {
        let plain = match factor {
            TableFactor::Table {
                args,
                with_hints,
                version,
                sample,
                json_path,
                partitions,
                with_ordinality,
                index_directives,
                inheritance,
                ..
            } => {
                let bare = args.is_none() && with_hints.is_empty() && version.is_none() && sample.is_none() && json_path.is_none();
                bare && partitions.is_empty() && !with_ordinality && index_directives.is_empty() && inheritance.is_none()
            }
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => true,
            _ => false,
        };
        if plain { ControlFlow::Continue(()) } else { refuse(format!("'{factor}' is no view; a query selects from views")) }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Flow {
        match expr {
            Expr::Function(function) => {
                let name = function.name.to_string().to_lowercase();
                if !FUNCTIONS.contains(&name.as_str()) {
                    let hint =
                        muster_core::nearest::nearest(&name, FUNCTIONS).map_or(String::new(), |near| format!(". Did you mean '{near}'?"));
                    return refuse(format!("there is no function '{name}' here; there are {}{hint}", FUNCTIONS.join(", ")));
                }
            }
            Expr::Cast { data_type, .. } if !TYPES.contains(&data_type.to_string().to_lowercase().as_str()) => {
                return refuse(format!("a value is cast to one of {}, not to {data_type}", TYPES.join(", ")));
            }
            Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::In { .. }
            | Expr::Between { .. }
            | Expr::BinaryOp { .. }
            | Expr::Like { .. }
            | Expr::UnaryOp { .. }
            | Expr::Cast { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Nested(_)
            | Expr::Value(_)
            | Expr::Case { .. }
            | Expr::Exists { .. }
            | Expr::Subquery(_)
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(..) => {}
            other => return refuse(format!("'{other}' is not understood here")),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> Flow {
        match &value.value {
            Value::Number(..) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => ControlFlow::Continue(()),
            other => refuse(format!("'{other}' is not understood; values are numbers, 'texts', TRUE, FALSE and NULL")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_about_views_are_run() {
        for text in [
            "SELECT name FROM devices",
            "select d.name, count(*) as n from devices d join software s on s.device_id = d.id where lower(s.name) like '%ssl%' group by d.name having count(*) > 1 order by n desc limit 5",
            "WITH old AS (SELECT id FROM devices WHERE days_since_contact > 30) SELECT * FROM old",
            "SELECT name FROM devices WHERE id IN (SELECT device_id FROM group_members) AND NOT EXISTS (SELECT 1 FROM agents a WHERE a.device_id = devices.id)",
            "SELECT os, round(avg(memory_mb), 1) FROM devices GROUP BY 1 UNION ALL SELECT 'all', max(memory_mb) FROM devices",
            "SELECT CASE WHEN memory_mb > 4096 THEN 'much' ELSE 'little' END, cast(memory_mb AS real) / 1024, 'what?1' FROM devices",
            "SELECT name, row_number() OVER (PARTITION BY os ORDER BY memory_mb DESC) FROM devices WHERE tag IS NOT NULL AND memory_mb BETWEEN 1 AND 2",
            "SELECT x.n FROM (SELECT count(*) AS n FROM runs) x;",
            "VALUES (1, 'a')",
        ] {
            let read = Checked::read(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            // What is run is read in the same way again.
            assert_eq!(Checked::read(read.text()).as_ref(), Ok(&read), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_a_sentence() {
        for (text, named) in [
            ("", "empty"),
            ("SELEC name", "no SQL"),
            ("SELECT 1; SELECT 2", "2 statements"),
            ("DELETE FROM devices", "only a query"),
            ("INSERT INTO devices VALUES (1)", "only a query"),
            ("PRAGMA table_info(person)", "no SQL"),
            ("ATTACH DATABASE 'x' AS y", "o"),
            ("EXPLAIN SELECT 1", "only a query"),
            ("SELECT * FROM person", "no view 'person'"),
            ("SELECT * FROM \"person\"", "no view"),
            ("SELECT * FROM main.person", "no view"),
            ("SELECT * FROM public.person", "no view"),
            ("SELECT * FROM device", "Did you mean 'devices'"),
            ("SELECT * FROM sqlite_master", "no view"),
            ("SELECT * FROM pg_catalog.pg_authid", "no view"),
            ("SELECT name FROM devices WHERE id IN (SELECT person FROM session)", "no view 'session'"),
            ("SELECT (SELECT hash FROM token LIMIT 1)", "no view 'token'"),
            ("WITH devices AS (SELECT 1) SELECT * FROM devices", "is a view"),
            ("WITH x AS (SELECT * FROM token) SELECT * FROM x", "no view 'token'"),
            ("WITH x AS (DELETE FROM agent RETURNING id) SELECT * FROM x", "e"),
            ("WITH RECURSIVE x AS (SELECT 1 UNION ALL SELECT * FROM x) SELECT * FROM x", "RECURSIVE"),
            ("SELECT * INTO stolen FROM devices", "SELECT"),
            ("SELECT * FROM devices FOR UPDATE", "only selects"),
            ("SELECT load_extension('x')", "no function 'load_extension'"),
            ("SELECT readfile('/etc/passwd')", "no function"),
            ("SELECT pg_read_file('/etc/passwd')", "no function"),
            ("SELECT pg_sleep(100)", "no function"),
            ("SELECT set_config('role', 'postgres', false)", "no function"),
            ("SELECT query_to_xml('select 1', true, true, '')", "no function"),
            ("SELECT pg_catalog.lower('x')", "no function"),
            ("SELECT * FROM generate_series(1, 1000000000)", "no view"),
            ("SELECT * FROM pragma_table_info('person')", "no view"),
            ("SELECT randomblob(1000000000)", "no function"),
            ("SELECT repeat('x', 1000000000)", "no function"),
            ("SELECT group_concat(name) FROM devices", "no function"),
            ("SELECT cast('person' AS regclass)", "is cast to"),
            ("SELECT 'person'::regclass", "is cast to"),
            ("SELECT :name", "values are"),
            ("SELECT ?", "values are"),
            ("SELECT x'00'", "values are"),
            ("SELECT current_user", "no function"),
            ("SELECT count(DISTINCT name) FILTER (WHERE pg_sleep(1) IS NULL) FROM devices", "no function"),
            ("SELECT name FROM devices ORDER BY pg_sleep(1)", "no function"),
            ("SELECT name FROM devices LIMIT pg_sleep(1)", "no function"),
            ("SELECT sum(memory_mb) OVER (ORDER BY pg_sleep(1)) FROM devices", "no function"),
            ("TABLE person", "e"),
            ("COPY person TO PROGRAM 'sh'", "e"),
            ("SELECT * FROM devices d, LATERAL (SELECT * FROM person) p", "no view"),
            ("SELECT ARRAY(SELECT 1)", "o"),
            ("SELECT EXTRACT(year FROM created) FROM tasks", "not understood"),
        ] {
            let why = Checked::read(text).expect_err(text);
            assert!(why.contains(named), "{text}: {why}");
        }
        let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(Checked::read(&deep).is_err());
        assert!(Checked::read(&"x".repeat(SQL_BYTES_MAX + 1)).expect_err("too long").contains("at most"));
    }
}
