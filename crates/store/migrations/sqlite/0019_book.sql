-- The order book: tasks that machines keep and begin by their own clocks, and what each machine was given of them. Into which group
-- devices come that join with a token.
CREATE TABLE book_task (
  task BLOB PRIMARY KEY REFERENCES task(id) ON DELETE CASCADE, org BLOB NOT NULL, version INTEGER NOT NULL, due INTEGER NOT NULL
) STRICT;
CREATE INDEX book_task_due ON book_task(due, task);
CREATE TABLE book (
  device BLOB NOT NULL REFERENCES device(id) ON DELETE CASCADE, task BLOB NOT NULL REFERENCES task(id) ON DELETE CASCADE, org BLOB NOT NULL,
  version INTEGER NOT NULL, issue INTEGER NOT NULL, agent BLOB NOT NULL, incarnation INTEGER NOT NULL, print TEXT NOT NULL, standing TEXT NOT NULL,
  since INTEGER NOT NULL, valid INTEGER NOT NULL, held INTEGER, PRIMARY KEY (device, task)
) STRICT;
CREATE INDEX book_of_task ON book(task, device);
ALTER TABLE agent ADD COLUMN book_drifted INTEGER;
ALTER TABLE join_token ADD COLUMN group_id BLOB REFERENCES device_group(id) ON DELETE SET NULL;
