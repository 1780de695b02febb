-- Starts that need a second person, bound to exactly the set that was shown.
CREATE TABLE approval (
  id UUID PRIMARY KEY, org UUID NOT NULL REFERENCES org(id), task UUID NOT NULL REFERENCES task(id), task_name TEXT NOT NULL,
  version BIGINT NOT NULL, author TEXT NOT NULL, plan TEXT NOT NULL, targets BIGINT NOT NULL, asked_by TEXT NOT NULL, asked BIGINT NOT NULL,
  note TEXT NOT NULL, state TEXT NOT NULL, decided_by TEXT, decided BIGINT, decision TEXT, run UUID
);
CREATE INDEX approval_org ON approval(org, id);
-- One that is open for a plan, so that a second asking finds it.
CREATE UNIQUE INDEX approval_open ON approval(task, plan) WHERE state IN ('asked', 'approved');
