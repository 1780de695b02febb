-- Work for OCS agents as packages: each is one attempt. 'token' is a part of the address where it is fetched.
CREATE TABLE package (
  number INTEGER PRIMARY KEY, org BLOB NOT NULL, assignment BLOB NOT NULL REFERENCES assignment(id) ON DELETE CASCADE, attempt INTEGER NOT NULL, token TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX package_attempt ON package(assignment, attempt);
