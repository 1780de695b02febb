-- How many devices of an organization have a program, counted from time to time by a worker: counting at the moment of asking
-- would go through every program of every device. `search` is name and publisher in lower case; the list is sorted by it. A program that nobody has any more stays with 0 devices, so
-- that it is known when it comes back; `first_seen` is 0 when nobody can tell. `print` tells whether the
-- numbers of its versions are those that were counted.
CREATE TABLE program (
  id BLOB PRIMARY KEY, org BLOB NOT NULL REFERENCES org(id), name TEXT NOT NULL, publisher TEXT NOT NULL, search TEXT NOT NULL,
  versions INTEGER NOT NULL, newest TEXT NOT NULL, devices INTEGER NOT NULL, first_seen INTEGER NOT NULL,
  print INTEGER NOT NULL
) STRICT;
CREATE INDEX program_search ON program(org, search, id);
CREATE INDEX program_devices ON program(org, devices, id);
CREATE INDEX program_name ON program(name);
-- Programs are found by their name whatever its case; only ASCII letters are folded.
CREATE INDEX software_folded ON software(lower(name));
