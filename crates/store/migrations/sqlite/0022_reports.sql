-- Saved questions in SQL, and the answers that are kept: `doc` holds columns and rows as JSON, compressed.
CREATE TABLE report (
  id BLOB PRIMARY KEY, org BLOB NOT NULL REFERENCES org(id), name TEXT NOT NULL, description TEXT NOT NULL, query TEXT NOT NULL,
  author TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX report_name ON report(org, name);
CREATE TABLE report_result (
  id BLOB PRIMARY KEY, report BLOB NOT NULL REFERENCES report(id) ON DELETE CASCADE, at INTEGER NOT NULL, by_whom TEXT NOT NULL,
  row_count INTEGER NOT NULL, more INTEGER NOT NULL, doc BLOB NOT NULL
) STRICT;
CREATE INDEX report_result_at ON report_result(report, at, id);
