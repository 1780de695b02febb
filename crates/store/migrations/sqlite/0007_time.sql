-- When work may be done: windows, schedules and their occurrences, the brake, limits; what is done by the server itself.
ALTER TABLE org ADD COLUMN frozen_at INTEGER;
ALTER TABLE org ADD COLUMN frozen_by TEXT;
ALTER TABLE org ADD COLUMN frozen_note TEXT;
-- A zone's name, or an offset such as +0200, as an agent told it.
ALTER TABLE device ADD COLUMN zone TEXT;
-- How far an agent's clock is ahead, ms.
ALTER TABLE agent ADD COLUMN clock_offset INTEGER;
-- Above how many targets an occurrence is held until a person starts it; NULL: above the size guard.
ALTER TABLE task ADD COLUMN targets_max INTEGER;
ALTER TABLE run ADD COLUMN nominal TEXT;
ALTER TABLE run ADD COLUMN nominal_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN not_before INTEGER;
ALTER TABLE run ADD COLUMN not_after INTEGER;
ALTER TABLE run ADD COLUMN in_flight_max INTEGER;
ALTER TABLE run ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_step ADD COLUMN scope TEXT NOT NULL DEFAULT 'client';
ALTER TABLE run_step ADD COLUMN stops INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_step ADD COLUMN longest_run INTEGER;
ALTER TABLE assignment ADD COLUMN not_after INTEGER;
-- When time alone changes it; 0 is never.
ALTER TABLE assignment ADD COLUMN timer INTEGER NOT NULL DEFAULT 0;
UPDATE assignment SET timer = lease WHERE lease > 0;
DROP INDEX a_lease;
CREATE INDEX a_timer ON assignment(timer) WHERE timer > 0;
-- One row per task with a schedule: `due` is when a worker looks at it next, `awaits` the event it waits for.
CREATE TABLE schedule (
  task BLOB PRIMARY KEY REFERENCES task(id) ON DELETE CASCADE, org BLOB NOT NULL, version INTEGER NOT NULL, due INTEGER,
  after_at INTEGER NOT NULL, awaits TEXT
) STRICT;
CREATE INDEX schedule_due ON schedule(due) WHERE due IS NOT NULL;
CREATE INDEX schedule_awaits ON schedule(org, awaits) WHERE awaits IS NOT NULL;
-- What became of each nominal time of a schedule. The key is what makes it happen once, whatever number of servers.
CREATE TABLE occurrence (
  task BLOB NOT NULL REFERENCES task(id) ON DELETE CASCADE, nominal TEXT NOT NULL, org BLOB NOT NULL, at INTEGER NOT NULL,
  state TEXT NOT NULL, run BLOB, detail TEXT NOT NULL, targets INTEGER, PRIMARY KEY (task, nominal)
) STRICT;
CREATE INDEX occurrence_at ON occurrence(task, at);
CREATE INDEX occurrence_org ON occurrence(org, at);
-- What happened that a schedule may wait for; a worker takes it off.
CREATE TABLE happening (
  id BLOB PRIMARY KEY, org BLOB NOT NULL, task BLOB NOT NULL REFERENCES task(id) ON DELETE CASCADE, device BLOB, cause BLOB, at INTEGER NOT NULL
) STRICT;
CREATE INDEX happening_task ON happening(task, id);
-- Messages that tasks raise for people.
CREATE TABLE message (
  id BLOB PRIMARY KEY, org BLOB NOT NULL REFERENCES org(id), at INTEGER NOT NULL, level TEXT NOT NULL, title TEXT NOT NULL,
  text TEXT NOT NULL, task_name TEXT NOT NULL, run BLOB, read_by TEXT, read_at INTEGER
) STRICT;
CREATE INDEX message_org ON message(org, id);
CREATE INDEX message_open ON message(org, id) WHERE read_at IS NULL;
