-- Jobs: tasks of several steps, the walk of each target through them, and where a server job stands.
ALTER TABLE run ADD COLUMN mode TEXT NOT NULL DEFAULT 'client_job';
-- Whether its totals are those of walks: the row of run_count with step -1.
ALTER TABLE run ADD COLUMN walked BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run_step ADD COLUMN walked BIGINT NOT NULL DEFAULT 0;
ALTER TABLE assignment ADD COLUMN round BIGINT NOT NULL DEFAULT 1;
DROP INDEX a_unique;
CREATE UNIQUE INDEX a_unique ON assignment(run, step, device, round);
CREATE TABLE walk (
  run UUID NOT NULL REFERENCES run(id) ON DELETE CASCADE, device UUID NOT NULL, state TEXT NOT NULL, step BIGINT NOT NULL,
  round BIGINT NOT NULL, not_before BIGINT NOT NULL, not_after BIGINT, trail TEXT NOT NULL, updated BIGINT NOT NULL,
  PRIMARY KEY (run, device)
);
CREATE INDEX walk_state ON walk(run, state, device);
CREATE TABLE run_job (
  run UUID PRIMARY KEY REFERENCES run(id) ON DELETE CASCADE, org UUID NOT NULL, phase TEXT NOT NULL, step BIGINT NOT NULL,
  round BIGINT NOT NULL, reached UUID, since BIGINT NOT NULL, due BIGINT, trail TEXT NOT NULL
);
CREATE INDEX run_job_due ON run_job(due) WHERE due IS NOT NULL;
