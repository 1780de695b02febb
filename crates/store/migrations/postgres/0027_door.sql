-- Devices may come to another organization; agents of others are found by the organization at whose door they come.
ALTER TABLE agent ADD COLUMN door UUID;
UPDATE agent SET door = org;
DROP INDEX agent_foreign;
CREATE UNIQUE INDEX agent_foreign ON agent(door, foreign_id, protocol, claim) WHERE foreign_id IS NOT NULL;
DROP INDEX agent_glpi;
CREATE INDEX agent_glpi ON agent(door, glpi_id) WHERE glpi_id IS NOT NULL;
