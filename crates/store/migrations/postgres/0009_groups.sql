-- Named lists of devices. `kind` says where members come from; people name those of a static group.
CREATE TABLE device_group (
  id UUID PRIMARY KEY, org UUID NOT NULL REFERENCES org(id), name TEXT NOT NULL, description TEXT NOT NULL, kind TEXT NOT NULL,
  created BIGINT NOT NULL, updated BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX device_group_name ON device_group(org, name);
CREATE INDEX device_group_updated ON device_group(org, updated, id);
-- `came`: with a device that was merged into this one, and goes with it. `hidden`: the device is part of another now.
CREATE TABLE group_member (
  grp UUID NOT NULL REFERENCES device_group(id) ON DELETE CASCADE, device UUID NOT NULL REFERENCES device(id) ON DELETE CASCADE,
  came BIGINT NOT NULL, hidden BIGINT NOT NULL, PRIMARY KEY (grp, device)
);
CREATE INDEX group_member_device ON group_member(device);
CREATE INDEX group_member_hidden ON group_member(grp) WHERE hidden = 1;
