-- Runs that a pool does: how many addresses they have, and in which slices. A slice has the place of a device in its assignment; 'low' and
-- 'high' are its first and last address as 32 hexadecimal digits.
ALTER TABLE run ADD COLUMN addresses INTEGER;
CREATE INDEX run_pool ON run(org) WHERE addresses IS NOT NULL AND state <> 'finished';
ALTER TABLE run_step ADD COLUMN pooled INTEGER NOT NULL DEFAULT 0;
CREATE TABLE slice (
  id BLOB PRIMARY KEY, run BLOB NOT NULL REFERENCES run(id) ON DELETE CASCADE, place INTEGER NOT NULL, low TEXT NOT NULL, high TEXT NOT NULL,
  addresses INTEGER NOT NULL, near INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX slice_place ON slice(run, place);
