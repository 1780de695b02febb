-- Roll-out: the targets of a run in waves, each let through once the one before ended well enough.
-- How many targets the first, the first two, … waves have: a JSON list; empty where all go at once.
ALTER TABLE run ADD COLUMN waves TEXT NOT NULL DEFAULT '[]';
ALTER TABLE run ADD COLUMN wave INTEGER NOT NULL DEFAULT 0;
-- When the next wave is let through, once the one before is over.
ALTER TABLE run ADD COLUMN gate_at INTEGER;
-- The share of failures, in hundredths of a percent, that it stops by itself for.
ALTER TABLE run ADD COLUMN halt_rate INTEGER;
ALTER TABLE run ADD COLUMN halted INTEGER NOT NULL DEFAULT 0;
-- What had ended, and failed, when a person last let it go on all the same.
ALTER TABLE run ADD COLUMN forgiven_ended INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN forgiven_failed INTEGER NOT NULL DEFAULT 0;
