-- Jobs: tasks of several steps, the walk of each target through them, and where a server job stands.
ALTER TABLE run ADD COLUMN mode TEXT NOT NULL DEFAULT 'client_job';
-- Whether its totals are those of walks: the row of run_count with step -1.
ALTER TABLE run ADD COLUMN walked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_step ADD COLUMN walked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE assignment ADD COLUMN round INTEGER NOT NULL DEFAULT 1;
DROP INDEX a_unique;
CREATE UNIQUE INDEX a_unique ON assignment(run, step, device, round);
CREATE TABLE walk (
  run BLOB NOT NULL REFERENCES run(id) ON DELETE CASCADE, device BLOB NOT NULL, state TEXT NOT NULL, step INTEGER NOT NULL,
  round INTEGER NOT NULL, not_before INTEGER NOT NULL, not_after INTEGER, trail TEXT NOT NULL, updated INTEGER NOT NULL,
  PRIMARY KEY (run, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX walk_state ON walk(run, state, device);
CREATE TABLE run_job (
  run BLOB PRIMARY KEY REFERENCES run(id) ON DELETE CASCADE, org BLOB NOT NULL, phase TEXT NOT NULL, step INTEGER NOT NULL,
  round INTEGER NOT NULL, reached BLOB, since INTEGER NOT NULL, due INTEGER, trail TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX run_job_due ON run_job(due) WHERE due IS NOT NULL;
