-- When work may be done: windows, schedules and their occurrences, the brake, limits; what is done by the server itself.
ALTER TABLE org ADD COLUMN frozen_at BIGINT;
ALTER TABLE org ADD COLUMN frozen_by TEXT;
ALTER TABLE org ADD COLUMN frozen_note TEXT;
-- A zone's name, or an offset such as +0200, as an agent told it.
ALTER TABLE device ADD COLUMN zone TEXT;
-- How far an agent's clock is ahead, ms.
ALTER TABLE agent ADD COLUMN clock_offset BIGINT;
-- Above how many targets an occurrence is held until a person starts it; NULL: above the size guard.
ALTER TABLE task ADD COLUMN targets_max BIGINT;
ALTER TABLE run ADD COLUMN nominal TEXT;
ALTER TABLE run ADD COLUMN nominal_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN not_before BIGINT;
ALTER TABLE run ADD COLUMN not_after BIGINT;
ALTER TABLE run ADD COLUMN in_flight_max BIGINT;
ALTER TABLE run ADD COLUMN paused BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run_step ADD COLUMN scope TEXT NOT NULL DEFAULT 'client';
ALTER TABLE run_step ADD COLUMN stops BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run_step ADD COLUMN longest_run BIGINT;
ALTER TABLE assignment ADD COLUMN not_after BIGINT;
-- When time alone changes it; 0 is never.
ALTER TABLE assignment ADD COLUMN timer BIGINT NOT NULL DEFAULT 0;
UPDATE assignment SET timer = lease WHERE lease > 0;
DROP INDEX a_lease;
CREATE INDEX a_timer ON assignment(timer) WHERE timer > 0;
-- One row per task with a schedule: `due` is when a worker looks at it next, `awaits` the event it waits for.
CREATE TABLE schedule (
  task UUID PRIMARY KEY REFERENCES task(id) ON DELETE CASCADE, org UUID NOT NULL, version BIGINT NOT NULL, due BIGINT,
  after_at BIGINT NOT NULL, awaits TEXT
);
CREATE INDEX schedule_due ON schedule(due) WHERE due IS NOT NULL;
CREATE INDEX schedule_awaits ON schedule(org, awaits) WHERE awaits IS NOT NULL;
-- What became of each nominal time of a schedule. The key is what makes it happen once, whatever number of servers.
CREATE TABLE occurrence (
  task UUID NOT NULL REFERENCES task(id) ON DELETE CASCADE, nominal TEXT NOT NULL, org UUID NOT NULL, at BIGINT NOT NULL,
  state TEXT NOT NULL, run UUID, detail TEXT NOT NULL, targets BIGINT, PRIMARY KEY (task, nominal)
);
CREATE INDEX occurrence_at ON occurrence(task, at);
CREATE INDEX occurrence_org ON occurrence(org, at);
-- What happened that a schedule may wait for; a worker takes it off.
CREATE TABLE happening (
  id UUID PRIMARY KEY, org UUID NOT NULL, task UUID NOT NULL REFERENCES task(id) ON DELETE CASCADE, device UUID, cause UUID, at BIGINT NOT NULL
);
CREATE INDEX happening_task ON happening(task, id);
-- Messages that tasks raise for people.
CREATE TABLE message (
  id UUID PRIMARY KEY, org UUID NOT NULL REFERENCES org(id), at BIGINT NOT NULL, level TEXT NOT NULL, title TEXT NOT NULL,
  text TEXT NOT NULL, task_name TEXT NOT NULL, run UUID, read_by TEXT, read_at BIGINT
);
CREATE INDEX message_org ON message(org, id);
CREATE INDEX message_open ON message(org, id) WHERE read_at IS NULL;
