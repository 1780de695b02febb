-- Who is who: several agents may send one DEVICEID, by whom an agent was verified, devices that were made one, pairs that may
-- be one, and the log of what was joined and parted. Candidates and the log carry their organization.
DROP INDEX agent_foreign;
ALTER TABLE agent ADD COLUMN claim INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agent ADD COLUMN verified_by TEXT;
CREATE UNIQUE INDEX agent_foreign ON agent(org, foreign_id, protocol, claim) WHERE foreign_id IS NOT NULL;
CREATE INDEX agent_glpi ON agent(org, glpi_id) WHERE glpi_id IS NOT NULL;
-- A device that was merged stays, hidden, so that its id, name, notes and tag come back when that is undone.
ALTER TABLE device ADD COLUMN merged_into BLOB REFERENCES device(id) ON DELETE CASCADE;
CREATE INDEX device_merged ON device(merged_into) WHERE merged_into IS NOT NULL;
DROP INDEX device_name;
DROP INDEX device_contact;
DROP INDEX device_inventory;
CREATE INDEX device_name ON device(org, name, id) WHERE merged_into IS NULL;
CREATE INDEX device_contact ON device(org, last_contact, id) WHERE merged_into IS NULL;
CREATE INDEX device_inventory ON device(org, last_inventory, id) WHERE merged_into IS NULL;
CREATE TABLE candidate (
  id BLOB PRIMARY KEY, org BLOB NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, a BLOB NOT NULL REFERENCES device(id) ON DELETE CASCADE,
  b BLOB NOT NULL REFERENCES device(id) ON DELETE CASCADE, points INTEGER NOT NULL, evidence TEXT NOT NULL, state TEXT NOT NULL,
  reason TEXT NOT NULL, note TEXT
) STRICT;
CREATE UNIQUE INDEX candidate_pair ON candidate(a, b, kind);
CREATE INDEX candidate_other ON candidate(b);
CREATE INDEX candidate_points ON candidate(org, state, points, id);
CREATE INDEX candidate_at ON candidate(org, state, at, id);
CREATE TABLE identity_log (
  id BLOB PRIMARY KEY, org BLOB NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL, act TEXT NOT NULL, source BLOB, target BLOB,
  agents TEXT NOT NULL, doc TEXT NOT NULL, undone INTEGER NOT NULL
) STRICT;
CREATE INDEX identity_log_source ON identity_log(source, id) WHERE source IS NOT NULL;
CREATE INDEX identity_log_target ON identity_log(target, id) WHERE target IS NOT NULL;
