-- What agents tell of their tasks, what a person switched off, and through which proxy agents they come; documents that came
-- unasked; names and secrets by which foreign agents show that they belong here.
ALTER TABLE agent ADD COLUMN capacities TEXT NOT NULL DEFAULT '[]';
ALTER TABLE agent ADD COLUMN disabled TEXT NOT NULL DEFAULT '[]';
ALTER TABLE agent ADD COLUMN proxies TEXT NOT NULL DEFAULT '[]';
CREATE TABLE kept_document (
  id BLOB PRIMARY KEY, org BLOB NOT NULL, agent BLOB NOT NULL REFERENCES agent(id) ON DELETE CASCADE, device BLOB NOT NULL,
  kind TEXT NOT NULL, at INTEGER NOT NULL, doc BLOB NOT NULL
) STRICT;
CREATE INDEX kept_document_agent ON kept_document(agent, kind, id);
CREATE TABLE agent_credential (
  id BLOB PRIMARY KEY, org BLOB NOT NULL REFERENCES org(id), name TEXT NOT NULL UNIQUE, secret TEXT NOT NULL, verified INTEGER NOT NULL,
  created INTEGER NOT NULL
) STRICT;
