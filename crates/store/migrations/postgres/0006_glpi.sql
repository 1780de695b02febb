-- What agents tell of their tasks, what a person switched off, and through which proxy agents they come; documents that came
-- unasked; names and secrets by which foreign agents show that they belong here.
ALTER TABLE agent ADD COLUMN capacities TEXT NOT NULL DEFAULT '[]';
ALTER TABLE agent ADD COLUMN disabled TEXT NOT NULL DEFAULT '[]';
ALTER TABLE agent ADD COLUMN proxies TEXT NOT NULL DEFAULT '[]';
CREATE TABLE kept_document (
  id UUID PRIMARY KEY, org UUID NOT NULL, agent UUID NOT NULL REFERENCES agent(id) ON DELETE CASCADE, device UUID NOT NULL,
  kind TEXT NOT NULL, at BIGINT NOT NULL, doc BYTEA NOT NULL
);
CREATE INDEX kept_document_agent ON kept_document(agent, kind, id);
CREATE TABLE agent_credential (
  id UUID PRIMARY KEY, org UUID NOT NULL REFERENCES org(id), name TEXT NOT NULL UNIQUE, secret TEXT NOT NULL, verified BIGINT NOT NULL,
  created BIGINT NOT NULL
);
