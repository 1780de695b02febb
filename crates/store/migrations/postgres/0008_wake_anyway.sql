-- It is wanted though nothing waits for the agent.
ALTER TABLE wake ADD COLUMN anyway BIGINT NOT NULL DEFAULT 0;
