-- Runs that devices may join after their start: when is looked for them next, and how many joined.
ALTER TABLE run ADD COLUMN late_due BIGINT;
ALTER TABLE run ADD COLUMN late_joined BIGINT NOT NULL DEFAULT 0;
CREATE INDEX run_late ON run (late_due) WHERE late_due IS NOT NULL;
