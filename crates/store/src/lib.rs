//! The only SQL: SQLite and PostgreSQL, migrations, units of work.
