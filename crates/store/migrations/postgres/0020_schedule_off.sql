-- Schedules that were put out of action: since when, by whom, why. Entries of order books that were
-- taken from their machines are remembered, for what those began by them before they heard so.
ALTER TABLE task ADD COLUMN off_since BIGINT;
ALTER TABLE task ADD COLUMN off_by TEXT;
ALTER TABLE task ADD COLUMN off_reason TEXT;
ALTER TABLE book ADD COLUMN gone BIGINT;
CREATE INDEX book_gone ON book(valid) WHERE gone IS NOT NULL;
