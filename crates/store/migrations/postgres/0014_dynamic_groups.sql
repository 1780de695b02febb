-- Groups whose members follow a query.
ALTER TABLE device_group ADD COLUMN query TEXT;
-- 0 while members are looked up anew, after the query changed.
ALTER TABLE device_group ADD COLUMN fresh BIGINT NOT NULL DEFAULT 1;
CREATE INDEX device_group_dynamic ON device_group(org, id) WHERE query IS NOT NULL;
CREATE INDEX device_group_stale ON device_group(id) WHERE fresh = 0;
