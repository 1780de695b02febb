-- Occurrences get an id, by which pages of them go on. Nothing wrote the table before.
DROP TABLE occurrence;
CREATE TABLE occurrence (
  task UUID NOT NULL REFERENCES task(id) ON DELETE CASCADE, nominal TEXT NOT NULL, id UUID NOT NULL, org UUID NOT NULL, at BIGINT NOT NULL,
  state TEXT NOT NULL, run UUID, detail TEXT NOT NULL, targets BIGINT, PRIMARY KEY (task, nominal)
);
CREATE INDEX occurrence_at ON occurrence(task, at, id);
CREATE INDEX occurrence_org ON occurrence(org, at);
-- A wake-up that is wanted though nothing waits for the agent.
ALTER TABLE wake ADD COLUMN anyway BIGINT NOT NULL DEFAULT 0;
-- What of a run is still open, for its forecast and its lists.
CREATE INDEX a_run_open ON assignment(run, id) WHERE open = 1;
-- What of a run was handed out although its time was over: the proof that nothing was.
ALTER TABLE run ADD COLUMN handed_late BIGINT NOT NULL DEFAULT 0;
