-- Starts that need a second person, bound to exactly the set that was shown.
CREATE TABLE approval (
  id BLOB PRIMARY KEY, org BLOB NOT NULL REFERENCES org(id), task BLOB NOT NULL REFERENCES task(id), task_name TEXT NOT NULL,
  version INTEGER NOT NULL, author TEXT NOT NULL, plan TEXT NOT NULL, targets INTEGER NOT NULL, asked_by TEXT NOT NULL, asked INTEGER NOT NULL,
  note TEXT NOT NULL, state TEXT NOT NULL, decided_by TEXT, decided INTEGER, decision TEXT, run BLOB
) STRICT;
CREATE INDEX approval_org ON approval(org, id);
-- One that is open for a plan, so that a second asking finds it.
CREATE UNIQUE INDEX approval_open ON approval(task, plan) WHERE state IN ('asked', 'approved');
