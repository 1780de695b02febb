-- Runs that a pool does: how many addresses they have, and in which slices. A slice has the place of a device in its assignment; 'low' and
-- 'high' are its first and last address as 32 hexadecimal digits.
ALTER TABLE run ADD COLUMN addresses BIGINT;
CREATE INDEX run_pool ON run(org) WHERE addresses IS NOT NULL AND state <> 'finished';
ALTER TABLE run_step ADD COLUMN pooled BIGINT NOT NULL DEFAULT 0;
CREATE TABLE slice (
  id UUID PRIMARY KEY, run UUID NOT NULL REFERENCES run(id) ON DELETE CASCADE, place BIGINT NOT NULL, low TEXT NOT NULL, high TEXT NOT NULL,
  addresses BIGINT NOT NULL, near BIGINT NOT NULL
);
CREATE UNIQUE INDEX slice_place ON slice(run, place);
