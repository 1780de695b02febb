-- Since when a machine begins what its book says, by this issue or by an earlier one that says the same.
ALTER TABLE book ADD COLUMN begins BIGINT;
UPDATE book SET begins = held;
-- What agents have in their hands of pools is asked at every claim.
CREATE INDEX a_agent_open ON assignment(agent, id) WHERE open = 1 AND state <> 'prepared';
-- Hexadecimal digits are compared as they are, whatever the database's language.
ALTER TABLE slice ALTER COLUMN low TYPE TEXT COLLATE "C", ALTER COLUMN high TYPE TEXT COLLATE "C";
