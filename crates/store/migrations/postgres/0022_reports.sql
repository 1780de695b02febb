-- Saved questions in SQL, and the answers that are kept: `doc` holds columns and rows as JSON, compressed.
CREATE TABLE report (
  id UUID PRIMARY KEY, org UUID NOT NULL REFERENCES org(id), name TEXT NOT NULL, description TEXT NOT NULL, query TEXT NOT NULL,
  author TEXT NOT NULL, created BIGINT NOT NULL, updated BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX report_name ON report(org, name);
CREATE TABLE report_result (
  id UUID PRIMARY KEY, report UUID NOT NULL REFERENCES report(id) ON DELETE CASCADE, at BIGINT NOT NULL, by_whom TEXT NOT NULL,
  row_count BIGINT NOT NULL, more BIGINT NOT NULL, doc BYTEA NOT NULL
);
CREATE INDEX report_result_at ON report_result(report, at, id);
