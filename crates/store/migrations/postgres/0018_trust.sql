-- Agents that a person shuts out of all work, and what agents tell of their own crashes.
ALTER TABLE agent ADD COLUMN quarantined BIGINT;
ALTER TABLE agent ADD COLUMN quarantined_by TEXT;
ALTER TABLE agent ADD COLUMN quarantine_reason TEXT;
CREATE TABLE agent_crash (
  id UUID PRIMARY KEY, org UUID NOT NULL, agent UUID NOT NULL REFERENCES agent(id) ON DELETE CASCADE, told UUID NOT NULL, at BIGINT NOT NULL,
  kind TEXT NOT NULL, version TEXT NOT NULL, message TEXT NOT NULL, place TEXT, log TEXT NOT NULL
);
CREATE INDEX agent_crash_org ON agent_crash(org, id);
CREATE UNIQUE INDEX agent_crash_agent ON agent_crash(agent, told);
