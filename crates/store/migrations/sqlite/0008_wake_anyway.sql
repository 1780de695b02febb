-- It is wanted though nothing waits for the agent.
ALTER TABLE wake ADD COLUMN anyway INTEGER NOT NULL DEFAULT 0;
