-- The agent that walks a job alone, with its conditions (JSON); the server leads where there is none.
ALTER TABLE walk ADD COLUMN led TEXT;
