-- Named lists of devices. `kind` says where members come from; people name those of a static group.
CREATE TABLE device_group (
  id BLOB PRIMARY KEY, org BLOB NOT NULL REFERENCES org(id), name TEXT NOT NULL, description TEXT NOT NULL, kind TEXT NOT NULL,
  created INTEGER NOT NULL, updated INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX device_group_name ON device_group(org, name);
CREATE INDEX device_group_updated ON device_group(org, updated, id);
-- `came`: with a device that was merged into this one, and goes with it. `hidden`: the device is part of another now.
CREATE TABLE group_member (
  grp BLOB NOT NULL REFERENCES device_group(id) ON DELETE CASCADE, device BLOB NOT NULL REFERENCES device(id) ON DELETE CASCADE,
  came INTEGER NOT NULL, hidden INTEGER NOT NULL, PRIMARY KEY (grp, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_member_device ON group_member(device);
CREATE INDEX group_member_hidden ON group_member(grp) WHERE hidden = 1;
