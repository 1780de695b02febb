-- Since when a machine begins what its book says, by this issue or by an earlier one that says the same.
ALTER TABLE book ADD COLUMN begins INTEGER;
UPDATE book SET begins = held;
-- What agents have in their hands of pools is asked at every claim.
CREATE INDEX a_agent_open ON assignment(agent, id) WHERE open = 1 AND state <> 'prepared';
