-- Prints of what came last, so that an inventory that repeats it costs one conditional update; the version of a device's
-- inventory, so that changes can be worked out before the transaction; when a program came to a device.
ALTER TABLE agent ADD COLUMN facts_print UUID;
ALTER TABLE agent ADD COLUMN readings_print UUID;
ALTER TABLE agent DROP COLUMN readings_hash;
ALTER TABLE agent_section ADD COLUMN print UUID;
ALTER TABLE agent_section ADD COLUMN keys BYTEA;
ALTER TABLE device ADD COLUMN inventory_no BIGINT NOT NULL DEFAULT 0;
-- `since` is 0 for what the first inventory told. No foreign key: it would look for the device at each of the many rows, and
-- removing a device would scan the table; rows go by the program ids of the device's last list.
CREATE TABLE device_program (
  software BIGINT NOT NULL, device UUID NOT NULL, since BIGINT NOT NULL, PRIMARY KEY (software, device)
);
INSERT INTO device_program (software, device, since) SELECT software, device, 0 FROM device_software;
DROP TABLE device_software;
ALTER TABLE device_program RENAME TO device_software;
CREATE INDEX device_software_since ON device_software(since, software, device) WHERE since > 0;
CREATE INDEX history_org ON history(org, id);
