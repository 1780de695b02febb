-- The order book: tasks that machines keep and begin by their own clocks, and what each machine was given of them. Into which group
-- devices come that join with a token.
CREATE TABLE book_task (
  task UUID PRIMARY KEY REFERENCES task(id) ON DELETE CASCADE, org UUID NOT NULL, version BIGINT NOT NULL, due BIGINT NOT NULL
);
CREATE INDEX book_task_due ON book_task(due, task);
CREATE TABLE book (
  device UUID NOT NULL REFERENCES device(id) ON DELETE CASCADE, task UUID NOT NULL REFERENCES task(id) ON DELETE CASCADE, org UUID NOT NULL,
  version BIGINT NOT NULL, issue BIGINT NOT NULL, agent UUID NOT NULL, incarnation BIGINT NOT NULL, print TEXT NOT NULL, standing TEXT NOT NULL,
  since BIGINT NOT NULL, valid BIGINT NOT NULL, held BIGINT, PRIMARY KEY (device, task)
);
CREATE INDEX book_of_task ON book(task, device);
ALTER TABLE agent ADD COLUMN book_drifted BIGINT;
ALTER TABLE join_token ADD COLUMN group_id UUID REFERENCES device_group(id) ON DELETE SET NULL;
